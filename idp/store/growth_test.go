package store_test

import (
	"errors"
	"fmt"
	"maps"
	mrand "math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/store"
	"hilum/idp/store/pgtest"
)

// growing is what is measured of a database at one size.
type growing struct {
	t    *testing.T
	g    *store.Growth
	db   *store.DB
	took map[string][]timed // at each size
	what []string
}

// timed is what some rounds took. On a machine that others use, the quickest tenth says more of
// the database than the middle.
type timed struct{ tenth, middle time.Duration }

// rows of a grant in the tables that are swept: itself, a code, two refresh tokens and an access
// token, a quarter of a session.
const rowsOfGrant = 5.25

// TestBenchGrowth fills either engine with grants and a year of the log, as many as GROWTH says,
// and prints what operations take, the quickest tenth beside the same with few; what
// a sweep takes that finds nothing, and one that finds a hundredth; and how much room all takes.
// `make growth` takes a million; a short run is a test like any other.
func TestBenchGrowth(t *testing.T) {
	sizes := []int64{1000, 4000}
	if s := os.Getenv("GROWTH"); s != "" {
		most, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sizes = nil
		for n := int64(10_000); n < most; n *= 10 {
			if n != 100_000 {
				sizes = append(sizes, n)
			}
		}
		sizes = append(sizes, most)
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		if only := os.Getenv("GROWTH_ENGINE"); only != "" && only != engine {
			continue
		}
		t.Run(engine, func(t *testing.T) {
			b := &growing{took: map[string][]timed{}}
			for _, n := range sizes {
				if !t.Run(strconv.FormatInt(n, 10), func(t *testing.T) {
					url := ""
					if engine == "postgres" {
						url = pgtest.Fresh(t)
						if os.Getenv("GROWTH") != "" {
							url = pgtest.Own(t).Fresh(t)
						}
					}
					people := int(max(50, n/100))
					b.t, b.g = t, store.NewGrowth(t, url, people, n)
					empty, began := b.bytes(), time.Now()
					b.g.Grow(n)
					t.Logf("%d people, %d grants, a year of %d events; filled in %s", people, n, n, time.Since(began).Round(time.Second))
					b.measure()
					b.table(sizes)
					b.room(people, empty)
				}) {
					return
				}
			}
		})
	}
}

func (b *growing) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *growing) bytes() int64 {
	db, err := store.Open(b.t.Context(), b.g.Config())
	b.ok(err)
	h, err := db.Health(b.t.Context())
	b.ok(err)
	b.ok(db.Close())
	return h.Bytes
}

// time notes what some rounds take.
func (b *growing) time(what string, rounds int, do func(i int) error) {
	b.t.Helper()
	took := make([]time.Duration, rounds)
	for i := range took {
		began := time.Now()
		if err := do(i); err != nil {
			b.t.Fatalf("%s: %v", what, err)
		}
		took[i] = time.Since(began)
	}
	if _, ok := b.took[what]; !ok {
		b.what = append(b.what, what)
	}
	b.took[what] = append(b.took[what], timed{at(took, 0.1), at(took, 0.5)})
}

// at is one of some durations, by the share that is not above it.
func at(took []time.Duration, share float64) time.Duration {
	took = slices.Sorted(slices.Values(took))
	return took[min(len(took)-1, int(share*float64(len(took))))]
}

func (b *growing) measure() {
	var err error
	b.db, err = store.Open(b.t.Context(), b.g.Config())
	b.ok(err)
	db, g, ctx := b.db, b.g, b.t.Context()
	now := time.Now().UTC()
	// A grant is used once, anywhere among those that live.
	rnd := mrand.New(mrand.NewPCG(uint64(g.Grants), 1))
	next := rnd.Perm(int(g.Grants-g.Swept) * 9 / 10)
	pick := func() int64 {
		i := next[0]
		next = next[1:]
		return g.Swept + (g.Grants-g.Swept)/10 + int64(i)
	}
	b.time("refresh", 200, func(int) error {
		i := pick()
		grant := &idp.Grant{ID: g.Grant(i), Scopes: []string{"openid"}}
		return db.RotateRefresh(ctx, g.Refresh(i), now, 0, issueFor(grant, now))
	})
	var users []idp.UserID
	for range 50 {
		users = append(users, person(b.t, db, now))
	}
	b.time("sign-in and code", 100, func(i int) error {
		held := signInAs(b.t, db, users[i%len(users)], now)
		redeem(b.t, db, &held, now)
		return nil
	})
	b.time("userinfo", 300, func(int) error {
		_, _, _, err := db.Access(ctx, g.Access(pick()))
		return err
	})
	b.time("revoke", 100, func(int) error {
		i := pick()
		return db.RevokeGrant(ctx, g.Grant(i), now, idp.Event{At: now, Kind: idp.EventGrantRevoked, Actor: idp.Actor{Name: "viewer"}, User: g.User(i)})
	})
	events := func(what string, q func(i int64) idp.EventQuery) {
		b.time("log, "+what, 40, func(int) error {
			p, err := db.SearchEvents(ctx, q(pick()))
			if err == nil && len(p.Rows) == 0 {
				err = errors.New("no events")
			}
			return err
		})
	}
	events("newest", func(int64) idp.EventQuery { return idp.EventQuery{} })
	events("of a person", func(i int64) idp.EventQuery { return idp.EventQuery{User: g.User(i)} })
	events("of a device", func(i int64) idp.EventQuery { return idp.EventQuery{Device: g.Device(i)} })
	events("of a kind", func(int64) idp.EventQuery { return idp.EventQuery{Kinds: []idp.EventKind{idp.EventPasswordWrong}} })
	events("a day in the middle", func(int64) idp.EventQuery {
		return idp.EventQuery{From: now.Add(-184 * 24 * time.Hour), Until: now.Add(-183 * 24 * time.Hour)}
	})
	b.time("sessions, newest", 40, func(int) error { _, err := db.SearchSessions(ctx, idp.SessionQuery{}, now); return err })
	b.time("sessions of a person", 40, func(int) error {
		_, err := db.SearchSessions(ctx, idp.SessionQuery{User: g.User(pick())}, now)
		return err
	})
	b.time("devices, last used", 40, func(int) error {
		_, err := db.SearchDevices(ctx, idp.DeviceQuery{Sort: idp.DevicesByUsed, Down: true})
		return err
	})
	b.time("health", 10, func(int) error { _, err := db.Health(ctx); return err })
	b.ok(db.Sweep(ctx, now)) // the first one marks what time has made unused
	b.time("sweep of nothing", 10, func(int) error { return db.Sweep(ctx, now) })
	b.sweep(now)
	b.ok(db.Close())
}

// sweep deletes a hundredth of the grants, and looks at whether it was that hundredth.
func (b *growing) sweep(now time.Time) {
	g := b.g
	gone := g.Grants / 100
	quiet := b.beside(now, func() { time.Sleep(min(5*time.Second, time.Duration(g.Grants)*time.Microsecond*100)) })
	until := g.Swept + gone
	var took time.Duration
	busy := b.beside(now, func() {
		began := time.Now()
		b.ok(b.db.Sweep(b.t.Context(), g.GoneAt(until).Add(-time.Microsecond)))
		took = time.Since(began)
	})
	_, _, _, err := b.db.Access(b.t.Context(), g.Access(until-1))
	if _, _, err2 := b.db.Refresh(b.t.Context(), g.Refresh(until-1)); !errors.Is(err, idp.ErrNotFound) || !errors.Is(err2, idp.ErrNotFound) {
		b.t.Errorf("the last one that is gone: %v, %v", err, err2)
	}
	_, _, _, err = b.db.Access(b.t.Context(), g.Access(until))
	if _, _, err2 := b.db.Refresh(b.t.Context(), g.Refresh(until)); err != nil || err2 != nil {
		b.t.Errorf("the first one that lives: %v, %v", err, err2)
	}
	g.Swept = until
	b.t.Logf("a hundredth gone: %.0f rows in %.1f s, %.0f rows a second; of a write beside it p50 %.1f ms, p99 %.1f ms (%d); without a sweep %.1f and %.1f (%d)", rowsOfGrant*float64(gone), took.Seconds(),
		rowsOfGrant*float64(gone)/took.Seconds(), ms(at(busy, 0.5)), ms(at(busy, 0.99)), len(busy), ms(at(quiet, 0.5)), ms(at(quiet, 0.99)), len(quiet))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// beside writes what a sign-in begins with, again and again, until do has ended.
func (b *growing) beside(now time.Time, do func()) (took []time.Duration) {
	done := make(chan struct{})
	go func() { // ends with do
		defer close(done)
		do()
	}()
	for {
		began := time.Now()
		l := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForAccount, State: idp.LoginPassword, Browser: idp.NewToken().Hash(), CreatedAt: now, ExpiresAt: now.Add(time.Minute)}
		if err := b.db.AddLogin(b.t.Context(), l); err != nil {
			b.t.Error(err)
		}
		took = append(took, time.Since(began))
		select {
		case <-done:
			return took
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (b *growing) table(sizes []int64) {
	line := fmt.Sprintf("%-22s", "microseconds, p10 p50")
	for _, n := range sizes[:len(b.took[b.what[0]])] {
		line += fmt.Sprintf(" %25d", n)
	}
	b.t.Log(line)
	for _, what := range b.what {
		line := fmt.Sprintf("%-22s", what)
		for _, d := range b.took[what] {
			line += fmt.Sprintf(" %8d %8d (%5.2f)", d.tenth.Microseconds(), d.middle.Microseconds(), float64(d.tenth)/float64(b.took[what][0].tenth))
		}
		b.t.Log(line)
	}
}

// parts are the tables that are counted for one of a kind.
var parts = map[string][]string{
	"person":  {"users", "user_list", "user_terms", "passwords", "push_guards", "recovery_codes"},
	"device":  {"device_list", "device_terms", "devices"},
	"session": {"sessions", "session_clients"},
	"grant":   {"grants", "codes", "refresh_tokens", "access_tokens"},
	"event":   {"events"},
}

func (b *growing) room(people int, empty int64) {
	db, err := store.Open(b.t.Context(), b.g.Config())
	b.ok(err)
	h, err := db.Health(b.t.Context())
	b.ok(err)
	b.ok(db.Close())
	of := map[string]int64{"person": int64(people), "device": h.Rows["devices"], "session": b.g.Grants / 4, "grant": b.g.Grants, "event": h.Events}
	var tables []string
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		tables = append(tables, parts[part]...)
	}
	sizes := b.g.Sizes(tables...)
	var lines []string
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		var sum int64
		for _, table := range parts[part] {
			sum += sizes[table]
		}
		lines = append(lines, fmt.Sprintf("%s %.0f", part, float64(sum)/float64(of[part])))
	}
	b.t.Logf("%.2f GB in all, %.2f before the first grant; bytes of one %s", float64(h.Bytes)/1e9, float64(empty)/1e9, strings.Join(lines, ", "))
}
