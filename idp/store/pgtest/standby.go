package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Exec executes a statement as the server's administrator, outside of any test's database.
func (s *Server) Exec(tb testing.TB, statement string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	if err := s.admin(ctx, statement); err != nil {
		tb.Fatalf("pgtest: %s: %v", statement, err)
	}
}

// Address is where the server listens: host and port.
func (s *Server) Address() string { return s.url.Host }

// Standby makes a server of this test that follows another one of this machine by streaming
// replication, and waits until it answers, read-only.
func (s *Server) Standby(tb testing.TB) *Server {
	tb.Helper()
	f := s.copied(tb, "--write-recovery-conf")
	f.boot(tb)
	return f
}

// Promote makes a standby a primary, and waits until it is.
func (s *Server) Promote(tb testing.TB) {
	tb.Helper()
	s.Exec(tb, "SELECT pg_promote()")
}

// Follows waits until a standby has what its primary has written so far.
func (s *Server) Follows(tb testing.TB, primary *Server) {
	tb.Helper()
	until := s.value(tb, primary, "SELECT pg_current_wal_lsn()")
	s.eventually(tb, "the standby has what the primary has written", func() bool {
		return s.value(tb, s, "SELECT coalesce(pg_last_wal_replay_lsn() >= '"+until+"', false)") == "t"
	})
}

// Archive has the server keep its write-ahead log in a folder besides, as far as it is full or
// was switched. The server is started anew for that.
func (s *Server) Archive(tb testing.TB) {
	tb.Helper()
	if out, err := s.command("/bin/mkdir", s.archive()).CombinedOutput(); err != nil {
		tb.Fatalf("pgtest: %v\n%s", err, out)
	}
	s.Exec(tb, "ALTER SYSTEM SET archive_mode = on")
	s.Exec(tb, "ALTER SYSTEM SET archive_command = 'test ! -f "+s.archive()+"/%f && cp %p "+s.archive()+"/%f'")
	s.Stop(tb, Fast)
	s.Start(tb)
}

func (s *Server) archive() string { return filepath.Join(s.dir, "archive") }

// Base makes a base backup of the server, as a server of this test that is not started.
func (s *Server) Base(tb testing.TB) *Server { tb.Helper(); return s.copied(tb) }

// Recover starts a base backup of another server as it was at a moment, by that one's archive,
// and waits until it takes changes. What the other has written until now is archived first.
func (s *Server) Recover(tb testing.TB, of *Server, until time.Time) {
	tb.Helper()
	last := s.value(tb, of, "SELECT pg_walfile_name(pg_switch_wal())")
	s.eventually(tb, "the log is archived", func() bool {
		_, err := os.Stat(filepath.Join(of.archive(), last))
		return err == nil
	})
	conf, err := os.OpenFile(filepath.Join(s.dir, "data/postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(conf, "archive_mode = off\nrestore_command = 'cp %s/%%f %%p'\nrecovery_target_time = '%s'\nrecovery_target_action = 'promote'\n",
			of.archive(), until.UTC().Format("2006-01-02 15:04:05.000000+00"))
		err = errors.Join(err, conf.Close())
	}
	if err != nil {
		tb.Fatal(err)
	}
	if out, err := s.command("/usr/bin/touch", filepath.Join(s.dir, "data/recovery.signal")).CombinedOutput(); err != nil {
		tb.Fatalf("pgtest: %v\n%s", err, out)
	}
	s.boot(tb)
	s.eventually(tb, "the recovery has ended", func() bool { return s.value(tb, s, "SELECT pg_is_in_recovery()") == "f" })
}

// copied makes the files of another server by pg_basebackup.
func (s *Server) copied(tb testing.TB, flags ...string) *Server {
	tb.Helper()
	f := &Server{only: true, bin: s.bin, as: s.as, url: s.url}
	var err error
	if f.dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		tb.Fatal(err)
	}
	if err := f.watched(); err != nil {
		tb.Fatal(errors.Join(err, os.RemoveAll(f.dir)))
	}
	tb.Cleanup(func() {
		if err := f.end(); err != nil {
			tb.Error(err)
		}
	})
	from := s.url
	from.Path, from.RawQuery = "/", "" // no database
	args := append([]string{"--pgdata", filepath.Join(f.dir, "data"), "--dbname", from.String(), "--checkpoint", "fast", "--no-sync"}, flags...)
	if out, err := f.command(filepath.Join(f.bin, "pg_basebackup"), args...).CombinedOutput(); err != nil {
		tb.Fatalf("pgtest: pg_basebackup: %v\n%s", err, out)
	}
	return f
}

// boot starts a server whose files are copied.
func (s *Server) boot(tb testing.TB) {
	tb.Helper()
	password, _ := s.url.User.Password()
	if err := s.anywhere(password); err != nil {
		tb.Fatal(err)
	}
}

// value asks a server for one value; empty while it does not answer.
func (*Server) value(tb testing.TB, of *Server, query string) string {
	tb.Helper()
	rows, err := Rows(tb.Context(), of.url.String(), query)
	if err != nil || len(rows) != 1 {
		return ""
	}
	return rows[0][0]
}

func (s *Server) eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("pgtest: not within %v: %s\n%s", patience, what, strings.TrimSpace(s.tail()))
		}
	}
}
