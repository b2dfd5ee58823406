package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/store/sqlite"
)

// told is a log that may be read while it is written.
type told struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *told) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *told) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), what)
}

// opened is a database whose disk the test plays with.
func opened(t *testing.T) (*DB, *told) {
	t.Helper()
	log := &told{}
	db, err := Open(t.Context(), Config{Key: make([]byte, 32), Driver: "sqlite", Path: filepath.Join(t.TempDir(), "idp.db"), Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // mostly the second time
	return db, log
}

// why waits until Writable says so, at most a few seconds; "" is that it can.
func why(t *testing.T, db *DB, want idp.Unwritable) {
	t.Helper()
	var err error
	for until := time.Now().Add(8 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		began := time.Now()
		err = db.Writable(ctx)
		cancel()
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("it took %v to say", took)
		}
		var u *idp.UnwritableError
		if err == nil && want == "" || errors.As(err, &u) && u.Why == want {
			return
		}
	}
	t.Fatalf("it says %v, want %q", err, want)
}

// A database that takes no writes any more says so at the next one, in the terms
// of doors; reads go on; and it says when it is well again.
func TestReadOnlyIsToldAndEnds(t *testing.T) {
	db, log := opened(t)
	why(t, db, "")
	e := db.engine.(*sqlite.Engine)
	set := func(pragma string) { // nobody else writes
		if err := e.Pragma(pragma); err != nil {
			t.Fatal(err)
		}
	}
	u := &idp.User{ID: "u", Name: "anna", State: idp.UserActive}
	if err := db.AddUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	set("query_only = 1")
	err := db.TouchSession(t.Context(), "s", time.Now())
	var kind *idp.UnwritableError
	if !errors.Is(err, idp.ErrUnwritable) || !errors.As(err, &kind) || kind.Why != idp.DiskReadOnly {
		t.Errorf("a write says %v", err)
	}
	if !db.disk.failing() {
		t.Error("a write that failed is not enough")
	}
	why(t, db, idp.DiskReadOnly)
	if _, err := db.User(t.Context(), "u"); err != nil {
		t.Errorf("a read: %v", err)
	}
	h, err := db.Health(t.Context())
	if err != nil || h.Unwritable != idp.DiskReadOnly {
		t.Errorf("health says %q, %v", h.Unwritable, err)
	}
	until := time.Now().Add(3 * time.Second)
	for db.disk.probing() && time.Now().Before(until) {
		time.Sleep(time.Millisecond)
	}
	set("query_only = 0")
	why(t, db, "")
	if n, m := log.count("from now on"), log.count("can be written again"); n != 1 || m != 1 {
		t.Errorf("%d lines say that it begins, %d that it ends", n, m)
	}
}

func (d *disk) probing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.probe != nil
}

// Where no transaction ends, because the disk hangs or another process holds the
// database, whoever asks is told in time.
func TestStuckIsTold(t *testing.T) {
	db, _ := opened(t)
	other, _ := opened(t)
	db.disk.mu.Lock()
	db.disk.wroteAt = time.Time{}
	db.disk.mu.Unlock()
	hold, held := make(chan struct{}), make(chan struct{})
	go func() { // ends with hold
		_ = db.write(context.Background(), func(*tx) error { close(held); <-hold; return errors.New("nothing") })
	}()
	<-held
	why(t, db, idp.DiskStuck)
	why(t, other, "")
	close(hold)
	why(t, db, "")
}

// However often it is asked, no more than one transaction is tried at a time,
// and none while others succeed.
func TestProbesAreFew(t *testing.T) {
	db, _ := opened(t)
	var mu sync.Mutex
	probes := 0
	write := db.disk.write
	db.disk.write = func(much bool) error {
		mu.Lock()
		probes++
		mu.Unlock()
		return write(much)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if err := db.Writable(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if probes > 1 {
		t.Errorf("%d transactions for one moment", probes)
	}
}
