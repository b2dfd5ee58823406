package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/store/pgtest"
)

// sweepSite is a database that two providers have open, on either engine.
type sweepSite struct {
	*testing.T
	g  *Growth
	db [2]*DB
}

func onEither(t *testing.T, run func(s *sweepSite)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			url := ""
			if engine == "postgres" {
				url = pgtest.Fresh(t)
			}
			const grants = 1200
			s := &sweepSite{T: t, g: NewGrowth(t, url, 20, grants)}
			s.g.Grow(grants)
			for i := range s.db {
				db, err := Open(t.Context(), s.g.Config())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := db.Close(); err != nil {
						t.Error(err)
					}
				})
				s.db[i] = db
			}
			run(s)
		})
	}
}

func (s *sweepSite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *sweepSite) count(of string, args ...any) (n int64) {
	s.Helper()
	s.ok(s.db[0].reader.Row("SELECT count(*) FROM "+of, args, &n))
	return n
}

// left fails unless exactly the grants from one on are left, with what belongs to them.
func (s *sweepSite) left(from int64) {
	s.Helper()
	live := s.g.Grants - from
	at := micros(s.g.GoneAt(from)) - 1
	for table, want := range map[string]int64{"grants": live, "codes": live, "refresh_tokens": 2 * live, "access_tokens": live, "sessions": live / 4, "session_clients": live / 4} {
		if n := s.count(table); n != want {
			s.Errorf("%d %s, wanted %d", n, table, want)
		}
	}
	if n := s.count("grants WHERE expires_at <= ?", at); n != 0 {
		s.Errorf("%d grants that are gone", n)
	}
	if n := s.count("refresh_tokens WHERE keep_until <= ?", at); n != 0 {
		s.Errorf("%d refresh tokens that are gone", n)
	}
}

// brief is a context that ends when it was asked so often.
type brief struct {
	context.Context
	asks atomic.Int64
}

func (b *brief) Err() error {
	if b.asks.Add(-1) < 0 {
		return context.Canceled
	}
	return b.Context.Err()
}

// A sweep deletes what is gone, all of it and nothing else, over several transactions; one that
// was broken off anywhere is gone on with by the next.
func TestSweepsGoOn(t *testing.T) {
	onEither(t, func(s *sweepSite) {
		const gone = 800
		at := s.g.GoneAt(gone).Add(-time.Microsecond)
		s.ok(s.db[0].Sweep(s.Context(), s.g.begun))
		s.left(0)
		broken := 0
		for asks := int64(2); ; asks += 2 {
			ctx := &brief{Context: s.Context()}
			ctx.asks.Store(asks)
			err := s.db[0].sweep(ctx, at)
			if err == nil {
				break
			}
			if broken++; !errors.Is(err, context.Canceled) || broken > 1000 {
				s.Fatal(err)
			}
			if n := s.count("grants WHERE expires_at > ?", micros(at)); n != s.g.Grants-gone {
				s.Fatalf("%d grants live, of %d", n, s.g.Grants-gone)
			}
		}
		if broken < 3 {
			s.Errorf("broken off %d times", broken)
		}
		s.left(gone)
		s.ok(s.db[0].Sweep(s.Context(), at))
		s.left(gone)
	})
}

// Should two sweep at once, because the first was taken for dead, it comes to the same.
func TestTwoMaySweep(t *testing.T) {
	onEither(t, func(s *sweepSite) {
		const gone = 1000
		var wg sync.WaitGroup
		for _, db := range s.db {
			wg.Go(func() {
				if err := db.sweep(s.Context(), s.g.GoneAt(gone).Add(-time.Microsecond)); err != nil {
					s.Error(err)
				}
			})
		}
		wg.Wait()
		s.left(gone)
	})
}

// Tables without an index of moments are looked through a part at a time: from the front, where
// rows live alike, and otherwise on from where the last sweep stopped.
func TestSweepsWalk(t *testing.T) {
	onEither(t, func(s *sweepSite) {
		now := s.g.begun
		fill := func(table string, n int, row func(x *tx, i int) error) {
			s.Helper()
			for i := 0; i < n; {
				s.ok(s.db[0].write(s.Context(), func(x *tx) error {
					for end := min(i+2000, n); i < end; i++ {
						if err := row(x, i); err != nil {
							return fmt.Errorf("%s: %w", table, err)
						}
					}
					return nil
				}))
			}
		}
		// Counters: two parts of them stay, behind those are some that are gone.
		const kept, gone = 2*walkKept + walkStep/2, 450
		fill("counters", kept+gone, func(x *tx, i int) error {
			at := now
			if i >= kept {
				at = now.Add(-31 * 24 * time.Hour)
			}
			row := counterRowOf(&idp.Counter{Key: idp.CounterKey{Kind: idp.CountCodes, Who: strconv.Itoa(i)}, MonthAt: at})
			return x.put(upsertCounter, row.fields()...)
		})
		// Proofs that were used: what is gone lies behind few that live, or behind many.
		replayed := func(device string, n int, until time.Time) {
			fill("replay", n, func(x *tx, i int) error {
				return x.put("INSERT INTO replay (device_id, jti, until) VALUES (?, ?, ?)", device, []byte(strconv.Itoa(i)), micros(until))
			})
		}
		replayed("few", walkStep-1, now.Add(time.Hour))
		replayed("gone", 2*walkStep, now)
		replayed("many", 2*walkStep, now.Add(time.Hour))
		replayed("behind", walkStep, now)
		for round, want := range []int64{gone, gone, 0} {
			s.ok(s.db[round%2].Sweep(s.Context(), now))
			if n := s.count("counters") - kept; n != want {
				s.Errorf("after %d sweeps %d counters stay that are gone, wanted %d", round+1, n, want)
			}
		}
		for device, want := range map[string]int64{"few": walkStep - 1, "gone": 0, "many": 2 * walkStep, "behind": walkStep} {
			if n := s.count("replay WHERE device_id = ?", device); n != want {
				s.Errorf("%d proofs of %s, wanted %d", n, device, want)
			}
		}
		// What others have hidden goes when those do.
		s.ok(s.db[0].Sweep(s.Context(), now.Add(time.Hour)))
		if n := s.count("replay"); n != 0 {
			s.Errorf("%d proofs stay", n)
		}
		var mark int64
		s.ok(s.db[0].reader.Row("SELECT n FROM marks WHERE name = 'walked counters'", nil, &mark))
		if mark != walkKept {
			s.Errorf("the next one begins behind %d", mark)
		}
	})
}

// Sign-ins that were finished go soon, those that may be begun anew after a day. The first are
// passed once: a sweep does not look again at those that stay.
func TestSweepsOfSignIns(t *testing.T) {
	onEither(t, func(s *sweepSite) {
		now := s.g.begun
		for id, of := range map[string]struct {
			purpose idp.LoginPurpose
			state   idp.LoginState
		}{"begun": {idp.ForClient, idp.LoginPassword}, "done": {idp.ForClient, idp.LoginCollected}, "account": {idp.ForAccount, idp.LoginPassword}} {
			s.ok(s.db[0].AddLogin(s.Context(), &idp.Login{ID: idp.LoginID(id), Purpose: of.purpose, State: of.state, Browser: idp.NewToken().Hash(), CreatedAt: now, ExpiresAt: now}))
		}
		for _, step := range []struct {
			after time.Duration
			want  int64
		}{{15*time.Minute - time.Microsecond, 3}, {15 * time.Minute, 1}, {24*time.Hour - time.Microsecond, 1}, {24 * time.Hour, 0}} {
			s.ok(s.db[0].Sweep(s.Context(), now.Add(step.after)))
			if n := s.count("logins"); n != step.want {
				s.Errorf("%s later there are %d, wanted %d", step.after, n, step.want)
			}
			mark, err := s.db[0].marked(s.Context(), "swept logins", 0)
			if want := micros(now.Add(step.after - 15*time.Minute)); err != nil || mark != want {
				s.Errorf("%s later: swept until %d, wanted %d, %v", step.after, mark, want, err)
			}
		}
	})
}
