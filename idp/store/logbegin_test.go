package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/store/pgtest"
)

const day = 24 * time.Hour

// agedLog is a log whose events are kept for 30 days, at a moment.
type agedLog struct {
	*logSite
	db  *DB
	now time.Time
}

// onBothEngines runs a test of logs on SQLite, in a file with a witness, and on PostgreSQL.
func onBothEngines(t *testing.T, do func(s *agedLog)) {
	t.Helper()
	begin := time.Date(2030, 3, 1, 12, 0, 0, 0, time.UTC)
	keeping := func(t *testing.T, conf Config) *agedLog {
		s := &agedLog{logSite: &logSite{T: t, dir: t.TempDir(), key: testKey}, now: begin}
		conf.Key, conf.Log, conf.KeepEvents = testKey, slog.New(slog.DiscardHandler), 30*day
		conf.Now = func() time.Time { return s.now }
		var err error
		s.db, err = Open(t.Context(), Strict(conf))
		s.ok(err)
		t.Cleanup(func() { s.ok(s.db.Close()) })
		return s
	}
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "idp.db")
		do(keeping(t, Config{Driver: "sqlite", Path: path, Witness: filepath.Join(filepath.Dir(path), "audit.head")}))
	})
	t.Run("postgres", func(t *testing.T) { do(keeping(t, Config{URL: pgtest.Fresh(t)})) })
}

// happened writes an event for each age, in days.
func (s *agedLog) happened(ages ...float64) {
	s.Helper()
	for _, age := range ages {
		s.n++
		s.ok(s.db.AddEvent(s.Context(), idp.Event{
			At: s.now.Add(-time.Duration(age * float64(day))), Kind: idp.EventUserUnlocked, Actor: idp.Actor{Name: "console:root"}, User: "u", Detail: map[string]string{"reason": strconv.Itoa(s.n)},
		}))
	}
	s.ok(s.db.Link(s.Context(), true))
}

// reasons are the numbers of those that are there, in order.
func (s *agedLog) reasons() string {
	s.Helper()
	var got []string
	for e := range s.all() {
		if e.Kind == idp.EventUserUnlocked {
			got = append(got, e.Detail["reason"])
		}
	}
	return strings.Join(got, " ")
}

func (s *agedLog) all() func(func(idp.Event) bool) {
	s.Helper()
	events, err := s.db.Events(s.Context(), 0, 100_000)
	s.ok(err)
	return func(yield func(idp.Event) bool) {
		for _, e := range events {
			if !yield(e) {
				return
			}
		}
	}
}

func (s *agedLog) sweeps() {
	s.Helper()
	s.ok(s.db.Sweep(s.Context(), s.now))
}

// has fails where others than these events are there.
func (s *agedLog) has(when, want string) {
	s.Helper()
	if got := s.reasons(); got != want {
		s.Errorf("%s there are %q, not %q", when, got, want)
	}
}

// whole checks the log, which has to be whole.
func (s *agedLog) whole(noted ...idp.LogHead) *idp.LogCheck {
	s.Helper()
	check, err := s.db.CheckEvents(s.Context(), noted, nil)
	s.ok(err)
	return check
}

func (s *agedLog) head() idp.LogHead {
	s.Helper()
	h, err := s.db.LogHead(s.Context())
	s.ok(err)
	return h
}

// What is too old goes, by a week of the log in an hour at most, once a day, and is told; the log
// is whole from where it begins then, and heads from there on are compared.
func TestOldEventsAreDeleted(t *testing.T) {
	onBothEngines(t, func(s *agedLog) {
		s.happened(60, 58)
		early := s.head()
		s.happened(54)
		last := s.head()
		s.happened(45)
		later := s.head()
		s.happened(32, 30.5, 29, 1)
		s.sweeps()
		s.has("after a sweep", "4 5 6 7 8") // 60 to 53 days
		check := s.whole(last, later)
		if check.Begin != last || check.BeginFault != "" {
			s.Errorf("the log begins behind %v (%q), not %v", check.Begin, check.BeginFault, last)
		}
		if s.whole(early); check.Compares(early) || !check.Compares(last) || !check.Compares(later) {
			s.Error("a head from before the beginning is compared, or one from there on is not")
		}
		last.Hash[0]++
		if _, err := s.db.CheckEvents(s.Context(), []idp.LogHead{last}, nil); !errors.Is(err, idp.ErrInvalid) || !strings.Contains(err.Error(), "event 3 is another one") {
			s.Errorf("another head where the log begins: %v", err)
		}
		s.sweeps()
		s.has("in the same hour", "4 5 6 7 8")
		s.now = s.now.Add(59 * time.Minute)
		s.sweeps()
		s.has("in the same hour", "4 5 6 7 8")
		s.now = s.now.Add(2 * time.Minute)
		s.sweeps()
		s.has("an hour later", "5 6 7 8")
		for range 5 {
			s.now = s.now.Add(time.Hour)
			s.sweeps()
		}
		s.has("some hours later", "7 8") // the 30.5 days are a part of a day's portion
		s.now = s.now.Add(12 * time.Hour)
		s.sweeps()
		s.has("before a day is over", "7 8")
		s.now = s.now.Add(2 * day)
		s.sweeps()
		s.has("days later", "8")
		var told []string
		for e := range s.all() {
			if e.Kind == idp.EventAuditPruned {
				told = append(told, e.Detail["before"])
			}
		}
		if len(told) != 4 || told[0] != "2030-01-07T12:00:00Z" {
			s.Errorf("told: %v", told)
		}
		h, err := s.db.Health(s.Context())
		s.ok(err)
		if want := s.head().Seq - s.whole().Begin.Seq; h.Events != want || h.Rows["events"] != want {
			s.Errorf("%d events and %d rows, not %d", h.Events, h.Rows["events"], want)
		}
	})
}

// The newest stays, however old it is, and so does all of a log that is kept for ever.
func TestTheNewestEventStays(t *testing.T) {
	onBothEngines(t, func(s *agedLog) {
		s.happened(400, 399, 398)
		s.db.conf.KeepEvents = 0
		s.sweeps()
		s.has("kept for ever", "1 2 3")
		s.db.conf.KeepEvents = 30 * day
		s.sweeps()
		s.has("kept for 30 days", "3")
		check := s.whole()
		for range 3 { // what told of it is the newest now, and of today
			s.now = s.now.Add(400 * day)
			s.sweeps()
		}
		if after := s.whole(); after.Head.Seq <= check.Begin.Seq || after.Head.Seq == after.Begin.Seq {
			s.Errorf("it ends at %d and begins behind %d", after.Head.Seq, after.Begin.Seq)
		}
	})
}

// A clock that leaps by ten years takes a week of the log with it, and nothing when it is right
// again.
func TestAClockThatLeaps(t *testing.T) {
	onBothEngines(t, func(s *agedLog) {
		s.happened(25, 20, 15, 10, 5, 1)
		right := s.now
		s.now = right.Add(3650 * day)
		s.sweeps()
		s.sweeps()
		s.has("ten years ahead", "3 4 5 6")
		s.now = right
		s.sweeps()
		s.now = right.Add(2 * time.Hour)
		s.sweeps()
		s.has("and back", "3 4 5 6")
		s.whole()
	})
}

// Events that are of the future are as old as the next one.
func TestEventsOfTheFuture(t *testing.T) {
	onBothEngines(t, func(s *agedLog) {
		s.happened(40, -1000, -1000, 39, -1000, 20)
		s.sweeps()
		s.has("after a sweep", "5 6")
		s.whole()
	})
}

// Nobody ages events by writing to them. What was done to those that go is kept.
func TestFaultsOfOldEvents(t *testing.T) {
	for name, c := range map[string]struct {
		statement string
		left      string // what is left after sweeps
		fault     string
	}{
		"a new one is made old":       {"UPDATE events SET at = 1 WHERE seq >= 7", "7 8 9 10", ""},
		"all are made old":            {"UPDATE events SET at = 1", "1 2 3 4 5 6 7 8 9 10", ""},
		"an old one is made new":      {"UPDATE events SET at = 2000000000000000 WHERE seq = 3", "7 8 9 10", "event 3 was changed or put in"},
		"an old one is changed":       {"UPDATE events SET address = '203.0.113.9' WHERE seq = 3", "7 8 9 10", "event 3 was changed or put in"},
		"old ones are removed":        {"DELETE FROM events WHERE seq IN (3, 4)", "7 8 9 10", "events 3 to 4 were removed"},
		"the oldest are removed":      {"DELETE FROM events WHERE seq <= 2", "7 8 9 10", "events 1 to 2 were removed"},
		"the last of the old is gone": {"DELETE FROM events WHERE seq = 6", "7 8 9 10", ""},
	} {
		t.Run(name, func(t *testing.T) {
			onBothEngines(t, func(s *agedLog) {
				s.happened(40, 39, 38, 37, 36, 35, 20, 15, 10, 5)
				s.ok(s.db.write(s.Context(), func(t *tx) error { return t.put(c.statement) }))
				for range 5 {
					s.sweeps()
					s.now = s.now.Add(time.Hour)
				}
				s.has("after sweeps", c.left)
				var told []string
				for e := range s.all() {
					if e.Kind == idp.EventAuditBroken {
						told = append(told, e.Detail["fault"])
					}
				}
				check, err := s.db.CheckEvents(s.Context(), nil, nil)
				switch {
				case c.fault == "" && (err == nil || len(told) > 0):
					s.Errorf("a fault that is still there is not found (%v), or told (%q)", err, told)
				case c.fault != "" && (err != nil || !strings.HasPrefix(check.BeginFault, c.fault) || len(told) != 1 || told[0] != check.BeginFault || len(check.Told) != 1):
					s.Errorf("%v, %q, told %q and %d, and it was %q", err, check.BeginFault, told, len(check.Told), c.fault)
				}
			})
		})
	}
}

// Who writes to the database does not move the beginning.
func TestTheBeginningIsSealed(t *testing.T) {
	const putBack = "INSERT INTO events (seq, at, kind, actor_user, actor_name, user_id, client_id, login_id, session_id, device_id, address, detail, hash) SELECT 2, at, kind, actor_user, actor_name, user_id, client_id, login_id, session_id, device_id, address, detail, hash FROM events WHERE seq = 7"
	for name, c := range map[string]struct {
		says       string
		statements []string
	}{
		"it is removed":               {"events 1 to 6 were removed", []string{"DELETE FROM log_begin"}},
		"it is moved up":              {"the beginning of the log was changed", []string{"UPDATE log_begin SET seq = 8, hash = (SELECT hash FROM events WHERE seq = 8)", "DELETE FROM events WHERE seq <= 8"}},
		"its fault is changed":        {"the beginning of the log was changed", []string{"UPDATE log_begin SET fault = 'x'"}},
		"it is of no length":          {"the beginning of the log was changed", []string{"UPDATE log_begin SET hash = mac WHERE FALSE OR seq > 0"}},
		"the first is removed":        {"event 7 was removed", []string{"DELETE FROM events WHERE seq = 7"}},
		"the first is changed":        {"event 7 was changed", []string{"UPDATE events SET user_id = 'x' WHERE seq = 7"}},
		"one is put back":             {"event 2 was put back before the beginning of the log, event 7", []string{putBack}},
		"an older one is put back":    {"events 4 to 6 were removed", []string{"DELETE FROM log_begin", "INSERT INTO log_begin SELECT * FROM kept"}},
		"all events were taken away":  {"cut off at the end", []string{"DELETE FROM events"}},
		"what is left is of one only": {"cut off at the end", []string{"DELETE FROM events WHERE seq <> 7"}},
	} {
		t.Run(name, func(t *testing.T) {
			onBothEngines(t, func(s *agedLog) {
				do := func(statements ...string) {
					for _, statement := range statements {
						s.ok(s.db.write(s.Context(), func(t *tx) error { return t.put(statement) }))
					}
				}
				s.happened(55, 54, 53, 35, 34, 33, 5, 4, 3)
				s.sweeps()
				s.has("after a sweep", "4 5 6 7 8 9")
				do("CREATE TABLE kept AS SELECT * FROM log_begin")
				s.now = s.now.Add(time.Hour)
				for range 3 {
					s.sweeps()
					s.now = s.now.Add(time.Hour)
				}
				s.has("after sweeps", "7 8 9")
				s.whole()
				do(c.statements...)
				_, err := s.db.CheckEvents(s.Context(), nil, nil)
				if !errors.Is(err, idp.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
					s.Errorf("%v, not %q", err, c.says)
				}
			})
		})
	}
}

// A beginning that somebody changed is told when the next events go, and the log begins there.
func TestABeginningThatWasChanged(t *testing.T) {
	onBothEngines(t, func(s *agedLog) {
		s.happened(40, 39, 28, 27, 26, 1)
		s.sweeps()
		s.has("after a sweep", "3 4 5 6")
		s.ok(s.db.write(s.Context(), func(t *tx) error { return t.put("UPDATE log_begin SET seq = 1") }))
		s.now = s.now.Add(5 * day)
		s.sweeps()
		s.has("days later", "6")
		if check := s.whole(); check.BeginFault != faultBeginChanged || len(check.Told) != 1 {
			s.Errorf("%q, told %v", check.BeginFault, check.Told)
		}
	})
}

// A check goes on while events are deleted beneath it.
func TestEventsAreDeletedBeneathACheck(t *testing.T) {
	onBothEngines(t, func(s *agedLog) {
		var events []idp.Event
		for i := range 5000 {
			age := 35*day - time.Duration(i)*time.Minute
			events = append(events, idp.Event{At: s.now.Add(-age), Kind: idp.EventUserUnlocked, Actor: idp.Actor{Name: "console:root"}, User: "u", Detail: map[string]string{"reason": fmt.Sprint(i)}})
		}
		s.ok(s.db.write(s.Context(), func(t *tx) error { return t.note(events...) }))
		s.happened(1, 1)
		pages := 0
		check, err := s.db.CheckEvents(s.Context(), nil, func(done, of int64) {
			if pages++; pages == 2 { // two thousand are passed
				s.sweeps()
			}
			if done > of || of > 5003 {
				s.Errorf("%d of %d", done, of)
			}
		})
		s.ok(err)
		if check.Begin.Seq < 3000 || check.Head.Seq < 5002 || pages < 3 {
			s.Errorf("it begins behind %d, ends at %d, and had %d pages", check.Begin.Seq, check.Head.Seq, pages)
		}
	})
}

// Two that delete at once come to the same.
func TestOldEventsAreDeletedOnce(t *testing.T) {
	onBothEngines(t, func(s *agedLog) {
		s.happened(40, 39, 38, 37, 36, 35, 1, 1)
		p := &pruning{read: func() (statements, error) { return s.db.read(s.Context()) }, k: s.db.trust.keys.Load(), now: micros(s.now), old: micros(s.now.Add(-37*day - 1))}
		s.ok(p.begin())
		parts, err := p.parts()
		s.ok(err)
		s.sweeps()
		s.has("after a sweep", "7 8")
		for i := range parts {
			s.ok(s.db.write(context.Background(), func(t *tx) error { return t.prune(p.k, &parts[i]) }))
		}
		if check := s.whole(); len(parts) != 1 || check.Begin.Seq != 6 {
			s.Errorf("%d parts, and the log begins behind %d", len(parts), check.Begin.Seq)
		}
	})
}

// A file beside the database that is of before the beginning says nothing wrong.
func TestAWitnessOfBeforeTheBeginning(t *testing.T) {
	s := newLogSite(t)
	db := s.open()
	s.happens(db, 5)
	_, _, err := db.KeepHead(t.Context(), true)
	s.ok(err)
	s.happens(db, 5)
	for range 3 {
		s.ok(db.AddEvent(t.Context(), idp.Event{At: time.Now(), Kind: idp.EventUserUnlocked, Actor: idp.Actor{Name: "console:root"}}))
	}
	db.conf.KeepEvents = 30 * day
	s.ok(db.prune(t.Context(), time.Now()))
	check, err := db.CheckEvents(t.Context(), nil, nil)
	s.ok(err)
	if check.Begin.Seq != 10 || check.Kept.Seq != 5 || check.Compares(check.Kept) {
		t.Errorf("it begins behind %d, and %d was kept", check.Begin.Seq, check.Kept.Seq)
	}
	head, told, err := db.KeepHead(t.Context(), true)
	s.ok(err)
	if told != "" || head.Seq != 14 {
		t.Errorf("told %q at event %d", told, head.Seq)
	}
	s.ok(db.Close())
}
