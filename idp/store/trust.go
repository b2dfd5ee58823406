package store

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"hilum/idp"
)

// keySize is that of the key for Trust.
const keySize = 32

// macKey makes HMAC-SHA-256 under one key. Safe for concurrent use.
type macKey struct{ pool sync.Pool }

func newMACKey(key []byte, purpose string) (*macKey, error) {
	own, err := hkdf.Key(sha256.New, key, nil, "hilum store "+purpose, keySize)
	if err != nil {
		return nil, err
	}
	return &macKey{sync.Pool{New: func() any { return hmac.New(sha256.New, own) }}}, nil
}

// digest is hash.Hash, whose name is taken in this package.
type digest interface {
	Reset()
	Write(p []byte) (int, error)
	Sum(b []byte) []byte
}

func (k *macKey) sum(b []byte) []byte {
	h, _ := k.pool.Get().(digest)
	defer k.pool.Put(h)
	h.Reset()
	_, _ = h.Write(b) // never fails
	return h.Sum(make([]byte, 0, sha256.Size))
}

func equalMAC(a, b []byte) bool { return hmac.Equal(a, b) }

// keys are the keys of the MACs: of the log's chain, of its beginning and its head, of the witness
// file, and of rows.
type keys struct {
	chain, begin, head, witness, row *macKey

	room sync.Pool // of *[]byte, what the MAC of a row is over, used again
}

// trust is the keys, and what this process knows without asking the database.
type trust struct {
	log  *slog.Logger
	keys atomic.Pointer[keys]
	mu   sync.Mutex
	// last is the end of the log as this process wrote it last; nil until it has. Under mu,
	// and never changed once it is here.
	last *head
	// first is true when this process was the first to key the database: there is
	// nothing yet outside of it that keeps where the log ends.
	first  atomic.Bool
	alarms alarms
}

// ended notes the end of the log that was written.
func (t *trust) ended(h *head) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil || h.seq >= t.last.seq {
		t.last = h
	}
}

// end is the end of the log as this process wrote it last; nil until it has.
func (t *trust) end() *head {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

type clock = func() time.Time

func newTrust(log *slog.Logger) *trust { return &trust{log: log} }

var errNoKey = errors.New("the database has no key yet")

// opened returns the keys. Error: there are none yet; then no event is written, and nobody
// is let in.
func (t *trust) opened() (*keys, error) {
	if k := t.keys.Load(); k != nil {
		return k, nil
	}
	return nil, errNoKey
}

// Trust gives the database the key that its MACs are derived from: 32 bytes, which are not
// in the database and stay the same as long as it lives. The log is chained with it, rows
// are bound by it. A database of before there was a key is brought up to date first, as it
// is found; whoever could write to it until then is believed. Nothing that leaves an event
// works before Trust.
func (db *DB) Trust(ctx context.Context, key []byte) error {
	k, err := keysOf(key)
	if err != nil {
		return err
	}
	db.trust.keys.Store(k)
	r, err := db.read(ctx)
	if err != nil {
		return err
	}
	if h, err := readHead(r, k); err != nil || h.here {
		return err
	}
	err = db.write(ctx, func(t *tx) error { return t.firstKey(k, db) })
	if err != nil {
		return fmt.Errorf("the log cannot be chained with the key: %w", err)
	}
	return nil
}

// keysOf derives the keys from that of Trust.
func keysOf(key []byte) (*keys, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("a key of %d bytes for the log, %d are needed", len(key), keySize)
	}
	k := &keys{}
	for purpose, to := range map[string]**macKey{"log": &k.chain, "log begin": &k.begin, "log head": &k.head, "log witness": &k.witness, "row": &k.row} {
		var err error
		if *to, err = newMACKey(key, purpose); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// firstKey keys a database that never was. One that was and does not look like it
// is left alone: whoever writes to it could have everything believed that is
// there, by taking away what shows that it was keyed.
func (t *tx) firstKey(k *keys, db *DB) error {
	if err := t.hold(holdLog); err != nil {
		return err
	}
	h, err := readHead(t, k)
	if err != nil || h.here { // another process was first
		return err
	}
	once, err := t.keyedOnce(k)
	if err != nil {
		return err
	}
	if once {
		t.trust.log.Error("the audit log was changed, and not by this program; \"idp audit verify\" says more", "fault", faultHeadGone)
		return nil
	}
	kept, err := readWitness(db.conf.Witness, k)
	switch {
	case err == nil && h.newest > 0:
		return fmt.Errorf("%s says that this database was chained and sealed at %s, and it is not: it is a copy from before that, or somebody has changed it. "+
			"If you have put back such a copy, move that file away and start again; everything in the database is believed then: %w",
			db.conf.Witness, kept.at.Format("2006-01-02 15:04"), idp.ErrInvalid)
	case err == nil && kept.head.Seq > 0: // emptied, or begun anew
		t.trust.log.Error("the audit log is empty, and was not", "kept", kept.head.String(), "file", db.conf.Witness)
	case err != nil && !errors.Is(err, idp.ErrNotFound):
		t.trust.log.Warn("the kept head of the log cannot be read", "error", err)
	}
	t.trust.first.Store(errors.Is(err, idp.ErrNotFound))
	if err := t.keyLog(k); err != nil || kept != nil {
		return err
	}
	return t.bindAll()
}
