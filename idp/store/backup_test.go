package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hilum/idp"
)

// verified opens a database with a key and returns how many events its log has, which
// is whole.
func (s *logSite) verified(path string) int64 {
	s.Helper()
	db, err := Open(s.Context(), Config{Driver: "sqlite", Path: path, Key: s.key})
	s.ok(err)
	defer db.Close()
	s.ok(db.VerifyEvents(s.Context()))
	head, err := db.LogHead(s.Context())
	s.ok(err)
	return head.Seq
}

// A backup is of one moment, also while much is written, and whole by itself: the log in
// it verifies as far as was said, and further at most.
func TestBackup(t *testing.T) {
	s := newLogSite(t)
	db := s.open()
	defer db.Close()
	s.happens(db, 50)
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() { // ends with stop
		for {
			select {
			case <-stop:
				return
			default:
				_ = db.AddEvent(context.Background(), idp.Event{At: time.Now(), Kind: idp.EventUserUnlocked, User: "u"}) // as many as there is time for
			}
		}
	})
	defer writing.Wait()
	defer close(stop)
	for _, name := range []string{"one.db", "with a space, ? and #.db"} {
		path := filepath.Join(t.TempDir(), name)
		head, err := db.Backup(t.Context(), path)
		if err != nil {
			t.Fatal(name, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		if n := s.verified(path); head.Seq < 50 || n < head.Seq {
			t.Errorf("%s has %d events, and was said to have %d", name, n, head.Seq)
		}
	}
}

// What cannot be written whole is not left there, and nothing is written over.
func TestBackupIsWholeOrNone(t *testing.T) {
	s := newLogSite(t)
	db := s.open()
	defer db.Close()
	s.happens(db, 3)
	there := filepath.Join(t.TempDir(), "there.db")
	s.ok(os.WriteFile(there, []byte("older"), 0o600))
	for _, path := range []string{there, s.path()} {
		before, err := os.ReadFile(path)
		s.ok(err)
		if _, err := db.Backup(t.Context(), path); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over %s: %v", path, err)
		}
		if after, err := os.ReadFile(path); err != nil || len(after) != len(before) {
			t.Errorf("%s was changed: %v", path, err)
		}
	}
	if _, err := db.Backup(t.Context(), filepath.Join(t.TempDir(), "none", "copy.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into no folder: %v", err)
	}
	// A page of it that cannot be read.
	s.ok(db.Close())
	s.sql("PRAGMA wal_checkpoint(TRUNCATE)")
	db = s.open()
	whole, err := os.ReadFile(s.path())
	s.ok(err)
	f, err := os.OpenFile(s.path(), os.O_WRONLY, 0)
	s.ok(err)
	junk := make([]byte, len(whole)/2)
	for i := range junk {
		junk[i] = 0xff
	}
	_, err = f.WriteAt(junk, int64(len(whole)/2))
	s.ok(errors.Join(err, f.Close()))
	broken := filepath.Join(t.TempDir(), "broken.db")
	if _, err := db.Backup(t.Context(), broken); err == nil {
		t.Error("a damaged database has a backup")
	}
	if _, err := os.Stat(broken); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half of a backup was left: %v", err)
	}
}
