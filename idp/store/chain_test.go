package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/driver/sqlite"

	"hilum/idp"
)

var testKey = bytes.Repeat([]byte{7}, keySize)

// logSite is a database with its witness file, in a folder of its own.
type logSite struct {
	*testing.T
	dir string
	key []byte
	n   int // events that happened
}

func newLogSite(t *testing.T) *logSite {
	t.Helper()
	s := &logSite{T: t, dir: t.TempDir(), key: testKey}
	b, err := filed()
	s.ok(err)
	s.ok(os.WriteFile(s.path(), b, 0o600))
	return s
}

// filed is a file with our tables, and nothing in them: idptest.File, for tests in this package.
var filed = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "idp.db")
	db, err := Open(context.Background(), Config{Driver: "sqlite", Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func (s *logSite) path() string    { return filepath.Join(s.dir, "idp.db") }
func (s *logSite) witness() string { return filepath.Join(s.dir, "audit.head") }

func (s *logSite) open() *DB {
	s.Helper()
	db, err := Open(context.Background(), Config{Driver: "sqlite", Path: s.path(), Key: s.key, Witness: s.witness(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.Fatal(err)
	}
	return db
}

func (s *logSite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// happens writes n events.
func (s *logSite) happens(db *DB, n int) {
	s.Helper()
	for range n {
		s.n++
		s.ok(db.AddEvent(s.Context(), idp.Event{
			At: time.Unix(1_700_000_000+int64(s.n), 0), Kind: idp.EventUserUnlocked, Actor: idp.Actor{Name: "console:root"},
			User: "u", Address: "192.0.2.1", Detail: map[string]string{"reason": strconv.Itoa(s.n)},
		}))
	}
}

// sql edits the database past this package.
func (s *logSite) sql(statements ...string) {
	s.Helper()
	db, err := sql.Open(sqlite.DriverName, "file:"+s.path()+"?_busy_timeout=5000")
	s.ok(err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			s.Fatalf("%s: %v", statement, err)
		}
	}
}

// rehash computes all hashes anew, as who knows this program but not its key can.
func (s *logSite) rehash(from int64, link func(r *eventRow, before []byte) []byte) {
	s.Helper()
	db, err := sql.Open(sqlite.DriverName, "file:"+s.path()+"?_busy_timeout=5000")
	s.ok(err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	rows, err := db.Query("SELECT " + eventColumns + " FROM events ORDER BY seq")
	s.ok(err)
	var all []*eventRow
	for rows.Next() {
		r := &eventRow{}
		s.ok(rows.Scan(r.fields()...))
		all = append(all, r)
	}
	s.ok(errors.Join(rows.Err(), rows.Close()))
	change, err := db.Begin()
	s.ok(err)
	before := make([]byte, 32)
	for _, r := range all {
		if r.Seq >= from {
			r.Hash = link(r, before)
			_, err := change.Exec("UPDATE events SET hash = ? WHERE seq = ?", r.Hash, r.Seq)
			s.ok(err)
		}
		before = r.Hash
	}
	s.ok(change.Commit())
}

func plainly(r *eventRow, before []byte) []byte { return r.plainLink(before) }

// foreign is the log of another site: the same events, another key.
func (s *logSite) foreign(n int) string {
	o := newLogSite(s.T)
	o.key = bytes.Repeat([]byte{8}, keySize)
	db := o.open()
	o.happens(db, n)
	o.ok(db.Close())
	return o.path()
}

// copies keeps the database as it is now, and returns how to put it back.
func (s *logSite) copies() (back func()) {
	s.Helper()
	old := filepath.Join(s.dir, "old.db")
	s.sql("VACUUM INTO '" + old + "'")
	return func() {
		s.Helper()
		b, err := os.ReadFile(old)
		s.ok(err)
		for _, also := range []string{"-wal", "-shm"} {
			if err := os.Remove(s.path() + also); err != nil && !errors.Is(err, os.ErrNotExist) {
				s.Fatal(err)
			}
		}
		s.ok(os.WriteFile(s.path(), b, 0o600))
	}
}

const copyEvent = `INSERT INTO events SELECT %d, at, kind, actor_user, actor_name, user_id, client_id, login_id, session_id, device_id, address, detail, hash FROM events WHERE seq = %d`

// tamperings are what somebody can do who writes to the database and knows this
// program, and what verify says of it. The log has ten events, and the file beside
// the database keeps its end.
var tamperings = []struct {
	name   string
	do     func(s *logSite)
	says   string // what verify says with the provider ended
	beside string // what it says beside the running provider that has gone on; says, if empty
	cold   bool   // only with the provider ended
}{
	{"the newest five are deleted", func(s *logSite) { s.sql("DELETE FROM events WHERE seq > 5") }, "events 6 to 10 were cut off at the end", "events 6 to 10 were removed", false},
	{"the newest is deleted", func(s *logSite) { s.sql("DELETE FROM events WHERE seq = 10") }, "event 10 was cut off at the end", "event 10 was removed", false},
	{"the first is deleted", func(s *logSite) { s.sql("DELETE FROM events WHERE seq = 1") }, "event 1 was removed", "", false},
	{"one in the middle is deleted", func(s *logSite) { s.sql("DELETE FROM events WHERE seq = 4") }, "event 4 was removed", "", false},
	{"three in the middle are deleted", func(s *logSite) { s.sql("DELETE FROM events WHERE seq BETWEEN 4 AND 6") }, "events 4 to 6 were removed", "", false},
	{"one is deleted and the others numbered anew", func(s *logSite) {
		s.sql("DELETE FROM events WHERE seq = 4", "UPDATE events SET seq = -(seq - 1) WHERE seq > 4", "UPDATE events SET seq = -seq WHERE seq < 0")
	}, "event 4 was changed or put in", "", false},
	{"a text is changed", func(s *logSite) { s.sql(`UPDATE events SET detail = '{"reason":"other"}' WHERE seq = 3`) }, "event 3 was changed", "", false},
	{"a text is changed and its hash computed", func(s *logSite) {
		s.sql("UPDATE events SET actor_name = 'somebody' WHERE seq = 3")
		s.rehash(3, plainly)
	}, "event 3 was changed", "", false},
	{"a time is changed", func(s *logSite) { s.sql("UPDATE events SET at = at - 1 WHERE seq = 3") }, "event 3 was changed", "", false},
	{"a text moves to the column beside it", func(s *logSite) { s.sql("UPDATE events SET client_id = user_id, user_id = '' WHERE seq = 3") }, "event 3 was changed", "", false},
	{"a hash is changed", func(s *logSite) { s.sql("UPDATE events SET hash = zeroblob(32) WHERE seq = 3") }, "event 3 was changed", "", false},
	{"two are swapped", func(s *logSite) {
		s.sql("UPDATE events SET seq = -3 WHERE seq = 3", "UPDATE events SET seq = 3 WHERE seq = 4", "UPDATE events SET seq = 4 WHERE seq = -3")
	}, "event 3 was changed", "", false},
	{"one is put in in the middle", func(s *logSite) {
		s.sql("UPDATE events SET seq = -(seq + 1) WHERE seq >= 5", "UPDATE events SET seq = -seq WHERE seq < 0", fmt.Sprintf(copyEvent, 5, 2))
	}, "event 5 was changed or put in", "", false},
	{"one is appended with a plain hash", func(s *logSite) {
		s.sql(fmt.Sprintf(copyEvent, 11, 2))
		s.rehash(11, plainly)
	}, "event 11 was changed or put in", "", false},
	{"one is appended, and the head moved", func(s *logSite) {
		s.sql(fmt.Sprintf(copyEvent, 11, 2))
		s.rehash(11, plainly)
		s.sql("UPDATE log_head SET seq = 11, hash = (SELECT hash FROM events WHERE seq = 11)")
	}, "event 11 was changed or put in", "", false},
	{"one is appended far behind", func(s *logSite) { s.sql(fmt.Sprintf(copyEvent, 99, 10)) }, "events 11 to 98 were removed", "", false},
	{"all are rewritten with plain hashes", func(s *logSite) { s.rehash(1, plainly) }, "event 1 was changed", "", false},
	{"all are rewritten with plain hashes, and the head with them", func(s *logSite) {
		s.rehash(1, plainly)
		s.sql("UPDATE log_head SET hash = (SELECT hash FROM events WHERE seq = 10)")
	}, "event 1 was changed", "", false},
	{"all are rewritten with plain hashes, and the head is removed", func(s *logSite) {
		s.rehash(1, plainly)
		s.sql("DELETE FROM log_head")
	}, "audit.head says that this database was chained and sealed", "event 1 was changed", false},
	{"all are rewritten with another key", func(s *logSite) {
		k, err := newMACKey(bytes.Repeat([]byte{9}, keySize), "log")
		s.ok(err)
		s.rehash(1, func(r *eventRow, before []byte) []byte { return k.sum(r.content(before)) })
	}, "event 1 was changed", "", false},
	{"the events of another site", func(s *logSite) {
		s.sql("ATTACH '"+s.foreign(10)+"' AS o", "DELETE FROM events", "INSERT INTO events SELECT * FROM o.events")
	}, "or is of another log", "", false},
	{"the events and the head of another site", func(s *logSite) {
		s.sql("ATTACH '"+s.foreign(12)+"' AS o", "DELETE FROM events", "INSERT INTO events SELECT * FROM o.events", "DELETE FROM log_head", "INSERT INTO log_head SELECT * FROM o.log_head")
	}, "or is of another log", "", false},
	{"the head is removed", func(s *logSite) { s.sql("DELETE FROM log_head") }, "the head of the log was removed", "told: the head of the log was removed", false},
	{"the newest five and the head are removed", func(s *logSite) {
		s.sql("DELETE FROM events WHERE seq > 5", "DELETE FROM log_head")
	}, "the head of the log was removed", "events 6 to 10 were removed", false},
	{"the newest five are deleted, and the head made to fit", func(s *logSite) {
		s.sql("DELETE FROM events WHERE seq > 5", "UPDATE log_head SET seq = 5, hash = (SELECT hash FROM events WHERE seq = 5)")
	}, "the head of the log was changed", "events 6 to 10 were removed", false},
	{"the head's first keyed event is changed", func(s *logSite) { s.sql("UPDATE log_head SET keyed = 8") }, "the head of the log was changed", "told: the head of the log was changed", false},
	{"everything is deleted", func(s *logSite) { s.sql("DELETE FROM events") }, "events 1 to 10 were cut off at the end", "events 1 to 10 were removed", false},
	{"everything is deleted, and the head", func(s *logSite) { s.sql("DELETE FROM events", "DELETE FROM log_head") },
		"the log ends at event 0, before the head that", "events 1 to 10 were removed", false},
	{"the witness file is of another site", func(s *logSite) {
		o := newLogSite(s.T)
		o.key = bytes.Repeat([]byte{8}, keySize)
		db := o.open()
		o.happens(db, 3)
		_, _, err := db.KeepHead(s.Context(), true)
		o.ok(errors.Join(err, db.Close()))
		b, err := os.ReadFile(o.witness())
		s.ok(err)
		s.ok(os.WriteFile(s.witness(), b, 0o600))
	}, "audit.head was not written by this program with the key of this database", "", false},
}

// verify is what a command says that looks at the log: from opening it on.
func (s *logSite) verify(noted ...idp.LogHead) (said string, check *idp.LogCheck) {
	s.Helper()
	db, err := Open(s.Context(), Config{Driver: "sqlite", Path: s.path(), Key: s.key, Witness: s.witness(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err.Error(), nil
	}
	defer func() { s.ok(db.Close()) }()
	check, err = db.CheckEvents(s.Context(), noted, nil)
	if err != nil {
		if !errors.Is(err, idp.ErrInvalid) {
			s.Fatal(err)
		}
		return err.Error(), check
	}
	for i := range check.Told {
		said += "told: " + check.Told[i].Detail["fault"] + "\n"
	}
	return said, check
}

func TestAuditVerifyTampering(t *testing.T) {
	for _, c := range tamperings {
		t.Run(c.name, func(t *testing.T) {
			s := newLogSite(t)
			db := s.open()
			s.happens(db, 10)
			_, told, err := db.KeepHead(t.Context(), true)
			s.ok(err)
			s.ok(db.Close())
			if said, check := s.verify(); said != "" || told != "" || check.Head.Seq != 10 || check.Keyed != 1 {
				t.Fatalf("before: %q, %q, %+v", said, told, check)
			}
			c.do(s)
			said, _ := s.verify()
			if !strings.Contains(said, c.says) {
				t.Errorf("verify says %q", said)
			}
			t.Logf("%-62s  %s", c.name, strings.TrimSuffix(strings.TrimSpace(said), ": "+idp.ErrInvalid.Error()))
		})
		if c.cold {
			continue
		}
		t.Run(c.name+", beside the running provider", func(t *testing.T) {
			s := newLogSite(t)
			db := s.open()
			defer func() { s.ok(db.Close()) }()
			s.happens(db, 10)
			_, _, err := db.KeepHead(t.Context(), true)
			s.ok(err)
			c.do(s)
			// It goes on, and neither mends what was done nor hides it.
			s.happens(db, 3)
			want := c.beside
			if want == "" {
				want = c.says
			}
			for range 2 {
				if said, _ := s.verify(); !strings.Contains(said, want) {
					t.Errorf("verify says %q", said)
				}
				s.happens(db, 3)
			}
			// What it found it tells once.
			events, err := db.Events(t.Context(), 0, 1000)
			s.ok(err)
			broken := 0
			for i := range events {
				if events[i].Kind == idp.EventAuditBroken {
					broken++
				}
			}
			if broken > 1 {
				t.Errorf("told %d times", broken)
			}
		})
	}
}

// A copy of before is whole in itself, and so are an older head and the events up
// to it. What was kept outside the database tells.
func TestAuditVerifyRollBack(t *testing.T) {
	for _, c := range []struct {
		name string
		back func(s *logSite, whole func())
	}{
		{"the whole database is an older copy", func(_ *logSite, whole func()) { whole() }},
		{"the newest events are cut off, and the head of before put back", func(s *logSite, _ func()) {
			s.sql("ATTACH '"+filepath.Join(s.dir, "old.db")+"' AS o", "DELETE FROM events WHERE seq > 6", "DELETE FROM log_head", "INSERT INTO log_head SELECT * FROM o.log_head")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newLogSite(t)
			db := s.open()
			s.happens(db, 6)
			_, _, err := db.KeepHead(t.Context(), true)
			s.ok(errors.Join(err, db.Close()))
			back := s.copies()
			db = s.open()
			s.happens(db, 4)
			head, told, err := db.KeepHead(t.Context(), true)
			s.ok(errors.Join(err, db.Close()))
			if told != "" || head.Seq != 10 {
				t.Fatalf("%v, %q", head, told)
			}
			c.back(s, back)

			said, _ := s.verify()
			if !strings.Contains(said, "the log ends at event 6, before the head that "+s.witness()+" kept") || !strings.Contains(said, "older database was put back") {
				t.Errorf("by the file: %q", said)
			}
			t.Logf("by the file:       %s", said)
			kept, err := os.ReadFile(s.witness())
			s.ok(err)
			s.ok(os.Remove(s.witness()))
			if said, check := s.verify(); said != "" || !check.KeptAt.IsZero() {
				t.Errorf("with nothing to compare with: %q, %+v", said, check)
			}
			said, _ = s.verify(head)
			if !strings.Contains(said, "the log ends at event 6, before the head that you noted (event 10)") {
				t.Errorf("by what was noted: %q", said)
			}
			t.Logf("by what was noted: %s", said)
			s.ok(os.WriteFile(s.witness(), kept, 0o600))

			// A command tells and leaves it to the provider, also when it writes.
			db = s.open()
			_, told, err = db.KeepHead(t.Context(), false)
			s.ok(err)
			if !strings.Contains(told, "put back from an older copy") {
				t.Errorf("a command says %q", told)
			}
			s.happens(db, 5)
			_, told, err = db.KeepHead(t.Context(), false)
			s.ok(errors.Join(err, db.Close()))
			if !strings.Contains(told, "does not have that event") {
				t.Errorf("a command that wrote says %q", told)
			}
			said, _ = s.verify()
			if !strings.Contains(said, "event 10 is another one than in the head that "+s.witness()) {
				t.Errorf("after the command: %q", said)
			}

			// The provider tells, leaves an event and goes on.
			db = s.open()
			_, told, err = db.KeepHead(t.Context(), true)
			s.ok(err)
			if !strings.Contains(told, "put back from an older copy") {
				t.Errorf("the provider says %q", told)
			}
			s.happens(db, 2)
			_, told, err = db.KeepHead(t.Context(), true)
			s.ok(errors.Join(err, db.Close()))
			if told != "" {
				t.Errorf("said again: %q", told)
			}
			said, check := s.verify()
			if check == nil || len(check.Told) != 1 || check.Told[0].Kind != idp.EventAuditRolledBack || check.Told[0].Detail["kept"] != head.String() {
				t.Fatalf("%q, %+v", said, check)
			}
			if said, _ := s.verify(head); !strings.Contains(said, "event 10 is another one than in the head that you noted") {
				t.Errorf("by what was noted before: %q", said)
			}
		})
	}
}

// The provider that runs remembers where the log ended, whatever is put back.
func TestHeadPutBackBesideTheProvider(t *testing.T) {
	s := newLogSite(t)
	db := s.open()
	defer func() { s.ok(db.Close()) }()
	s.happens(db, 6)
	s.copies()
	s.happens(db, 4)
	s.sql("ATTACH '"+filepath.Join(s.dir, "old.db")+"' AS o", "DELETE FROM events WHERE seq > 6", "DELETE FROM log_head", "INSERT INTO log_head SELECT * FROM o.log_head")
	s.happens(db, 1)
	if said, _ := s.verify(); !strings.Contains(said, "events 7 to 10 were removed") {
		t.Errorf("verify says %q", said)
	}
	events, err := db.Events(t.Context(), 6, 10)
	s.ok(err)
	if len(events) != 2 || events[0].Seq != 11 || events[0].Kind != idp.EventAuditBroken || events[0].Detail["fault"] != "events 7 to 10 were written here, and the log ended at 6" {
		t.Errorf("%+v", events)
	}
}

// Without the file a start says that nothing can be told, and makes it.
func TestWitnessFileDeleted(t *testing.T) {
	s := newLogSite(t)
	db := s.open()
	s.happens(db, 3)
	_, told, err := db.KeepHead(t.Context(), true)
	s.ok(errors.Join(err, db.Close()))
	if told != "" {
		t.Errorf("the first start says %q", told)
	}
	if info, err := os.Stat(s.witness()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	s.ok(os.Remove(s.witness()))
	if said, check := s.verify(); said != "" || check == nil || !check.KeptAt.IsZero() {
		t.Errorf("%q, %+v", said, check)
	}
	db = s.open()
	_, told, err = db.KeepHead(t.Context(), true)
	s.ok(errors.Join(err, db.Close()))
	if !strings.Contains(told, "whether an older database was put back cannot be told") {
		t.Errorf("%q", told)
	}
	if _, check := s.verify(); check == nil || check.Kept.Seq != 3 {
		t.Errorf("%+v", check)
	}
	// Half a file, and none that can be read.
	s.ok(os.WriteFile(s.witness(), []byte(`{"head":"3:`), 0o600))
	if said, _ := s.verify(); !strings.Contains(said, "audit.head was not written by this program") {
		t.Errorf("%q", said)
	}
}

// unkeyed makes of a database what a release of before has left.
func (s *logSite) unkeyed() {
	s.Helper()
	s.rehash(1, plainly)
	s.sql("DELETE FROM log_head", "DELETE FROM events WHERE kind LIKE 'audit.%'")
	if err := os.Remove(s.witness()); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.Fatal(err)
	}
}

// What there was before the key is chained with it as it was found, and the log
// says from where on it is keyed, and what was wrong before.
func TestUpgradeKeysTheLog(t *testing.T) {
	for _, c := range []struct {
		name, edit, fault string
		events            int64
	}{
		{"a whole log", "SELECT 1", "", 2500},
		{"one that had been changed", "UPDATE events SET address = '' WHERE seq = 1200", "event 1200 did not follow from the one before", 2500},
		{"one with a gap", "DELETE FROM events WHERE seq BETWEEN 1000 AND 1001", "events 1000 to 1001 were missing", 2498},
		{"one without its first", "DELETE FROM events WHERE seq = 1", "event 1 was missing", 2499},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newLogSite(t)
			db := s.open()
			s.ok(db.write(t.Context(), func(x *tx) error {
				events := make([]idp.Event, 2500)
				for i := range events {
					events[i] = idp.Event{At: time.Unix(int64(i), 0), Kind: idp.EventUserUnlocked, Address: "192.0.2.1"}
				}
				return x.note(events...)
			}))
			s.ok(db.Close())
			s.unkeyed()
			s.sql(c.edit)
			for range 2 { // the second time there is nothing to do
				db = s.open()
				_, told, err := db.KeepHead(t.Context(), true)
				s.ok(err)
				if told != "" {
					t.Errorf("told %q", told)
				}
				check, err := db.CheckEvents(t.Context(), nil, nil)
				s.ok(errors.Join(err, db.Close()))
				if check.Keyed != 2501 || check.Head.Seq != 2501 {
					t.Errorf("%+v", check)
				}
			}
			db = s.open()
			events, err := db.Events(t.Context(), 2500, 10)
			s.ok(errors.Join(err, db.Close()))
			if len(events) != 1 || events[0].Kind != idp.EventAuditKeyed || events[0].Detail["fault"] != c.fault || events[0].Detail["count"] != strconv.FormatInt(c.events, 10) {
				t.Errorf("%+v", events)
			}
			if said, _ := s.verify(); c.fault != "" && said != "told: "+c.fault+"\n" {
				t.Errorf("verify says %q", said)
			}
			s.sql("DELETE FROM events WHERE seq = 700")
			if said, _ := s.verify(); !strings.Contains(said, "event 700 was removed") {
				t.Errorf("verify says %q", said)
			}
		})
	}
}

// A copy from before the upgrade is believed only when somebody says so: else
// whoever writes to the database could have everything believed by taking away
// what shows that it was keyed.
func TestUnkeyedAgainIsRefused(t *testing.T) {
	s := newLogSite(t)
	db := s.open()
	s.happens(db, 4)
	_, _, err := db.KeepHead(t.Context(), true)
	s.ok(errors.Join(err, db.Close()))
	kept, err := os.ReadFile(s.witness())
	s.ok(err)
	s.unkeyed()
	s.ok(os.WriteFile(s.witness(), kept, 0o600))
	if said, _ := s.verify(); !strings.Contains(said, "If you have put back such a copy, move that file away") {
		t.Errorf("%q", said)
	}
	s.ok(os.Remove(s.witness()))
	if said, check := s.verify(); said != "" || check.Keyed != 5 {
		t.Errorf("%q, %+v", said, check)
	}
}

// Several processes write at once; nobody takes another's events for a cut.
func TestHeadBetweenProcesses(t *testing.T) {
	s := newLogSite(t)
	one, two := s.open(), s.open()
	for range 20 {
		s.happens(one, 2)
		s.happens(two, 1)
		for _, db := range []*DB{one, two} {
			if _, told, err := db.KeepHead(t.Context(), true); told != "" || err != nil {
				t.Fatalf("%q, %v", told, err)
			}
		}
	}
	s.ok(errors.Join(one.Close(), two.Close()))
	if said, check := s.verify(); said != "" || check.Head.Seq != 60 {
		t.Errorf("%q, %+v", said, check)
	}
}

// A function that fails takes its events along, and the head does not count them.
func TestHeadOfWhatIsRolledBack(t *testing.T) {
	s := newLogSite(t)
	db := s.open()
	s.happens(db, 2)
	boom := errors.New("boom")
	err := db.write(t.Context(), func(x *tx) error {
		return errors.Join(x.note(idp.Event{Kind: idp.EventUserUnlocked}, idp.Event{Kind: idp.EventUserUnlocked}), boom)
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	s.happens(db, 1)
	s.ok(db.Close())
	if said, check := s.verify(); said != "" || check.Head.Seq != 3 {
		t.Errorf("%q, %+v", said, check)
	}
}
