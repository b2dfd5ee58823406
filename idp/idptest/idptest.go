// Package idptest has what tests of many packages stand on: a clock that is set by hand,
// a log that is read, a database and a sealing key of their own, and free ports.
package idptest

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hilum/idp/keyring"
	"hilum/idp/password"
	"hilum/idp/store"
)

// Noon is when tests begin that do not care.
var Noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// Clock stands still until it is told otherwise. Safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// At returns a clock that stands at t.
func At(t time.Time) *Clock { return &Clock{now: t} }

// Now is the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add lets time go by.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Log keeps what is written to it: a server under test goes on writing while the test
// reads.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is all that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Logger writes lines of text to the log, from debug level on.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Quiet drops what is logged.
func Quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Store opens a new database, of the engine that [Engine] says, which is closed with the test. nil for the log: it is
// dropped. change makes its configuration another.
func Store(t testing.TB, now func() time.Time, log *slog.Logger, change ...func(*store.Config)) *store.DB {
	t.Helper()
	if log == nil {
		log = Quiet()
	}
	c := Database(t)
	c.Key, c.Now, c.Log = make([]byte, 32), now, log
	for _, f := range change {
		f(&c)
	}
	db, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Sealer makes a new sealing key.
func Sealer(t testing.TB) *keyring.Sealer {
	t.Helper()
	s, err := keyring.OpenSealer(filepath.Join(t.TempDir(), "seal.key"), true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Hasher makes hashes that cost next to nothing.
func Hasher() *password.Hasher {
	return password.New(password.Config{MemoryKiB: 64, Time: 1, Parallelism: 1})
}

// Must returns v, and ends the test over an error: Must(f())(t).
func Must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
