package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// disk knows whether what is written gets to the disk: from every transaction and, where
// there was none for a moment, from a probe. That nothing can be written is known at once,
// from a write that fails. That it can again only a probe shows, one that needs more room
// than a sign-in: the last free block, which the next write uses up, is no end of it. Safe
// for concurrent use.
type disk struct {
	log *slog.Logger
	// write writes and commits something, much or little.
	write func(much bool) error

	mu      sync.Mutex
	fault   error         // nil: it can be written
	since   time.Time     // of fault
	wroteAt time.Time     // when the last transaction was on disk
	triedAt time.Time     // when the last probe began
	probe   chan struct{} // closed when the probe under way has ended; nil: none is
}

const (
	wroteIsNew = 3 * time.Second // so long a transaction is as good as a probe
	probeAgain = time.Second     // between the beginnings of two probes
	pageWaits  = time.Second
)

// wrote notes the outcome of a transaction.
func (d *disk) wrote(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil:
		d.wroteAt = time.Now()
	case errors.Is(err, idp.ErrUnwritable):
		d.begin(err)
	}
}

// begin starts a probe. The caller holds mu.
func (d *disk) begin(err error) {
	if d.fault == nil {
		d.since = time.Now()
		d.log.Error("nothing can be written from now on; who is signed in stays so, and it is tried again every second", "error", err)
	}
	d.fault = err
}

// look begins a probe if one is due. It returns the one under way, nil if none
// is, and what is known now.
func (d *disk) look() (probe <-chan struct{}, fault error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	known := d.fault == nil && now.Sub(d.wroteAt) < wroteIsNew
	if d.probe == nil && !known && now.Sub(d.triedAt) >= probeAgain {
		d.triedAt, d.probe = now, make(chan struct{})
		go d.try(d.probe, d.fault != nil) // ends with the transaction, which ends when the database is closed
	}
	return d.probe, d.fault
}

// try runs a probe and notes its outcome.
func (d *disk) try(ended chan struct{}, much bool) {
	err := d.write(much)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.probe = nil
	close(ended)
	switch {
	case err == nil && d.fault != nil && much:
		d.log.Info("it can be written again", "after", time.Since(d.since).Round(time.Millisecond))
		d.fault = nil
	case errors.Is(err, engine.ErrClosed):
	case err != nil:
		d.begin(err)
	}
}

// failing reports whether nothing can be written, as far as is known.
func (d *disk) failing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fault != nil
}

// Writable returns nil when what is written gets to the disk: something was
// within the last seconds, or is now. Errors: *idp.UnwritableError, also when
// ctx ends before it is certain. It costs one small transaction every few
// seconds at most, however often it is called.
func (db *DB) Writable(ctx context.Context) error {
	probe, fault := db.disk.look()
	if probe == nil {
		return fault
	}
	select {
	case <-probe:
		_, fault = db.disk.look()
		return fault
	case <-ctx.Done():
	}
	stuck := &idp.UnwritableError{Why: idp.DiskStuck, Err: fmt.Errorf("a transaction is under way: %w", ctx.Err())}
	if fault != nil {
		return fault
	}
	return stuck
}

// whyUnwritable is Writable for a page, which does not wait long.
func (db *DB) whyUnwritable(ctx context.Context) (idp.Unwritable, error) {
	ctx, cancel := context.WithTimeout(ctx, pageWaits)
	defer cancel()
	err := db.Writable(ctx)
	if why, ok := errors.AsType[*idp.UnwritableError](err); ok {
		return why.Why, nil
	}
	return "", err
}
