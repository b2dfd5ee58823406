package pgtest

import (
	"testing"
	"time"
)

// A standby has what its primary has, takes no changes, and takes them when it is promoted.
func TestStandby(t *testing.T) {
	t.Parallel()
	primary := Own(t)
	at := primary.Fresh(t)
	exec1(t, dial(t, at), "CREATE TABLE t (n int)")
	standby := primary.Standby(t)
	exec1(t, dial(t, at), "INSERT INTO t VALUES (1)")
	standby.Follows(t, primary)
	name := ask[string](t, dial(t, at), "SELECT current_database()")
	there := dial(t, standby.URL(name))
	if n := ask[int](t, there, "SELECT count(*) FROM t"); n != 1 {
		t.Errorf("the standby has %d rows, want 1", n)
	}
	if _, err := there.Exec(t.Context(), "INSERT INTO t VALUES (2)"); err == nil {
		t.Error("the standby takes changes")
	}
	primary.Kill(t)
	standby.Promote(t)
	exec1(t, dial(t, standby.URL(name)), "INSERT INTO t VALUES (2)")
}

// A base backup and the archive give the database of any moment in between.
func TestRecover(t *testing.T) {
	t.Parallel()
	s := Own(t)
	s.Archive(t)
	at := s.Fresh(t)
	exec1(t, dial(t, at), "CREATE TABLE t (n int)")
	base := s.Base(t)
	exec1(t, dial(t, at), "INSERT INTO t VALUES (1)")
	until := ask[time.Time](t, dial(t, at), "SELECT clock_timestamp()")
	exec1(t, dial(t, at), "INSERT INTO t VALUES (2)")
	base.Recover(t, s, until)
	if n := ask[int](t, dial(t, base.URL(ask[string](t, dial(t, at), "SELECT current_database()"))), "SELECT max(n) FROM t"); n != 1 {
		t.Errorf("it has rows as far as %d, want 1", n)
	}
}
