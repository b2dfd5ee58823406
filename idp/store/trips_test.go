package store_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/store"
)

// trips counts the trips to PostgreSQL's server that something makes, but for those that link
// events meanwhile.
func trips(t *testing.T, db *store.DB, do func()) (n int, told []string) {
	t.Helper()
	var mu sync.Mutex
	db.TellTrips(func(queries []string) {
		mu.Lock()
		defer mu.Unlock()
		all := strings.Join(queries, " | ")
		for _, linking := range []string{"events_pending ORDER", "pg_try_advisory", "DELETE FROM events_pending", "log_head", "INTO events (seq", "INTO days"} {
			if strings.Contains(all, linking) {
				return
			}
		}
		told = append(told, all)
	})
	do()
	mu.Lock()
	defer mu.Unlock()
	return len(told), told
}

func TestTripsToPostgreSQL(t *testing.T) {
	db, err := store.Open(t.Context(), postgresConf(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	now := time.Now().UTC().Truncate(time.Microsecond)
	u := person(t, db, now)
	for range 40 { // so that every connection knows every statement
		held := signInAs(t, db, u, now)
		redeem(t, db, &held, now)
		issue := issueFor(held.grant, now)
		if err := db.RotateRefresh(t.Context(), held.refresh, now, 0, issue); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := db.Access(t.Context(), issue.Access.Hash); err != nil {
			t.Fatal(err)
		}
	}
	var held tokens
	for _, step := range []struct {
		name string
		most int
		do   func()
	}{
		{"a sign-in", 9, func() { held = signInAs(t, db, u, now) }},
		{"a code", 1, func() { redeem(t, db, &held, now) }},
		{"a refresh", 1, func() {
			if err := db.RotateRefresh(t.Context(), held.refresh, now, 0, issueFor(held.grant, now)); err != nil {
				t.Fatal(err)
			}
		}},
		{"a token", 1, func() {
			issue := issueFor(held.grant, now)
			if _, _, _, err := db.Access(t.Context(), issue.Access.Hash); err == nil {
				t.Fatal("found")
			}
		}},
		{"a moment", 2, func() { _ = db.TouchSession(t.Context(), idp.SessionID("s"), now) }},
	} {
		n, told := trips(t, db, step.do)
		if most := step.most; db.RunsTwice() { // that is counted, too
			t.Logf("%s, run twice, makes %d trips", step.name, n)
		} else if n > most {
			t.Errorf("%s makes %d trips, want %d at most:\n%s", step.name, n, most, strings.Join(told, "\n"))
		}
	}
}
