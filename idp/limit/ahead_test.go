package limit

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"hilum/idp"
)

// after is a counter after so many wrong tries, each as soon as it was allowed, and
// when the next one is.
func after(t *testing.T, p Policy, n int) (idp.Counter, time.Time) {
	t.Helper()
	play := play(t, p)
	play.tries(n)
	return play.c, play.now
}

// A try that was counted ahead and forgiven has not been: no count, no window, no lock
// is left of it.
func TestForgivenTryHasNotBeen(t *testing.T) {
	for name, p := range map[string]Policy{"passwords": Passwords, "apart": Apart, "recovery": Recovery} {
		for n := range 120 {
			c, now := after(t, p, n)
			for why, later := range map[string]time.Duration{
				"at once": 0, "within the nanosecond": 1, "when the window is over": 6 * time.Minute, "the next hour": time.Hour,
				"the next day": 24 * time.Hour, "the next month": 31 * 24 * time.Hour,
			} {
				tried, at := c, now.Add(later)
				try := p.Ahead(&tried, at)
				if reflect.DeepEqual(tried, c) || !try.Closes(&tried) {
					t.Fatalf("%s, %d wrong, %s: counted as %+v", name, n, why, tried)
				}
				kept := micros(tried)
				p.Forgive(&kept, &try, at.Add(20*time.Millisecond))
				if want := micros(c); !reflect.DeepEqual(kept, want) {
					t.Fatalf("%s, %d wrong, %s: is\n%+v\nwant\n%+v", name, n, why, kept, want)
				}
			}
		}
	}
}

// micros is a counter as a store gives it back.
func micros(c idp.Counter) idp.Counter {
	for _, at := range []*time.Time{&c.BurstAt, &c.DayAt, &c.MonthAt, &c.NextAt} {
		*at = at.Truncate(time.Microsecond)
	}
	return c
}

// A try is forgiven while others were counted: theirs stay, and so does a lock that
// they come to by themselves.
func TestForgivenAmongOthers(t *testing.T) {
	ahead := func(p Policy, c *idp.Counter, at time.Time) {
		if err := p.Allow(c, at); err != nil {
			t.Fatal(err)
		}
		p.Ahead(c, at)
	}
	for _, c := range []struct {
		why    string
		policy Policy
		wrong  int // before
		others func(p Policy, c *idp.Counter, at time.Time) time.Time
		inARow int
		burst  int
		month  int
		wait   time.Duration // 20 ms after the last of them, when it is forgiven
		first  bool
	}{
		{"another begins with it", Passwords, 0, func(p Policy, c *idp.Counter, at time.Time) time.Time {
			ahead(p, c, at)
			return at
		}, 1, 1, 1, 0, false},
		{"another is the fifth by it", Passwords, 3, func(p Policy, c *idp.Counter, at time.Time) time.Time {
			ahead(p, c, at)
			return at
		}, 4, 4, 4, 0, false},
		{"another is the fifth without it", Passwords, 4, func(p Policy, c *idp.Counter, at time.Time) time.Time {
			at = at.Add(time.Second)
			ahead(p, c, at)
			return at
		}, 5, 5, 5, time.Second, false},
		{"another is the hundredth by it", Passwords, 98, func(p Policy, c *idp.Counter, at time.Time) time.Time {
			at = at.Add(time.Minute)
			ahead(p, c, at)
			return at
		}, 99, 1, 99, 0, false},
		{"another is the fifth recovery code by it", Recovery, 3, func(p Policy, c *idp.Counter, at time.Time) time.Time {
			ahead(p, c, at)
			return at
		}, 4, 4, 4, 0, false},
		{"a right one ends the row", Passwords, 3, func(p Policy, c *idp.Counter, at time.Time) time.Time {
			p.Right(c)
			return at
		}, 0, 0, 3, 0, false},
		{"a right one ends the row, and a wrong one begins another", Passwords, 3, func(p Policy, c *idp.Counter, at time.Time) time.Time {
			p.Right(c)
			at = at.Add(time.Microsecond)
			ahead(p, c, at)
			return at
		}, 1, 1, 4, 0, false},
		{"somebody unlocks", Passwords, 3, func(_ Policy, c *idp.Counter, at time.Time) time.Time {
			*c = idp.Counter{Key: c.Key}
			return at
		}, 0, 0, 0, 0, false},
		{"somebody unlocks, and five are wrong", Passwords, 3, func(p Policy, c *idp.Counter, at time.Time) time.Time {
			*c = idp.Counter{Key: c.Key}
			at = at.Add(time.Microsecond)
			for range 5 {
				ahead(p, c, at)
			}
			return at
		}, 5, 5, 5, time.Second - 20*time.Millisecond, false},
		{"the window ends: the row keeps it", Passwords, 3, func(p Policy, c *idp.Counter, at time.Time) time.Time {
			at = at.Add(6 * time.Minute)
			ahead(p, c, at)
			return at
		}, 5, 1, 4, 0, false},
		{"another that was counted ahead is forgiven first", Passwords, 98, func(p Policy, c *idp.Counter, at time.Time) time.Time {
			other := p.Ahead(c, at.Add(time.Minute))
			p.Forgive(c, &other, at.Add(time.Minute))
			return at.Add(time.Minute)
		}, 98, 0, 98, 0, false},
	} {
		counter, at := after(t, c.policy, c.wrong)
		try := c.policy.Ahead(&counter, at)
		at = c.others(c.policy, &counter, at).Add(20 * time.Millisecond)
		c.policy.Forgive(&counter, &try, at)
		wait := time.Duration(0)
		if at.Before(counter.NextAt) {
			wait = counter.NextAt.Sub(at)
		}
		if c.burst == 0 && c.inARow > 0 {
			c.burst = counter.Burst
		}
		if counter.InARow != c.inARow || counter.Burst != c.burst || counter.Month != c.month || wait != c.wait || counter.FactorFirst != c.first {
			t.Errorf("%s: %+v, waits %s", c.why, counter, wait)
		}
	}
}

// Tries that begin and end in any order come to the same as if the forgiven ones had
// never begun, and no lock is shorter than theirs alone make it.
func TestForgivenInAnyOrder(t *testing.T) {
	const n = 4
	for forgiven := range 1 << n {
		for order := range 24 {
			what := fmt.Sprintf("of %d those of %b in order %d", n, forgiven, order)
			c, at := after(t, Passwords, 2)
			alone := c
			var tries []Try
			for i := range n {
				at = at.Add(2 * time.Second) // longer than any of their delays
				tries = append(tries, Passwords.Ahead(&c, at))
				if forgiven&(1<<i) == 0 {
					Passwords.Wrong(&alone, at)
				}
			}
			for _, i := range permutation(n, order) {
				at = at.Add(time.Millisecond)
				if forgiven&(1<<i) != 0 {
					Passwords.Forgive(&c, &tries[i], at)
				}
			}
			if c.InARow != alone.InARow || c.Burst != alone.Burst || c.Day != alone.Day || c.Month != alone.Month || c.FactorFirst {
				t.Errorf("%s: %+v, alone %+v", what, c, alone)
			}
			// Later by no more than the time until the last was forgiven.
			if at.Before(alone.NextAt) && c.NextAt.Before(alone.NextAt) || c.NextAt.After(at.Add(Passwords.delay(max(0, alone.Burst-Passwords.DelayFrom)))) {
				t.Errorf("%s: closed till %s, alone till %s", what, c.NextAt, alone.NextAt)
			}
		}
	}
}

// permutation is the k-th order of n things.
func permutation(n, k int) []int {
	var rest, out []int
	for i := range n {
		rest = append(rest, i)
	}
	for i := n; i > 0; i-- {
		at := k % i
		k /= i
		out = append(out, rest[at])
		rest = append(rest[:at:at], rest[at+1:]...)
	}
	return out
}

func TestNone(t *testing.T) {
	over := noon.Add(-time.Second)
	for _, c := range []struct {
		why    string
		policy Policy
		c      idp.Counter
		want   bool
	}{
		{"new", Passwords, idp.Counter{}, true},
		{"one in a row", Passwords, idp.Counter{InARow: 1}, false},
		{"one in a row, without its window", Apart, idp.Counter{InARow: 1, Burst: 1, BurstAt: noon.Add(-time.Hour)}, false},
		{"right since, wrong today and this month, for which there is no rule", Passwords, idp.Counter{Day: 3, DayAt: noon, Month: 9, MonthAt: noon}, true},
		{"right since, and there is a rule for the day", Codes, idp.Counter{Day: 3, DayAt: noon}, false},
		{"and for the month", Codes, idp.Counter{Month: 3, MonthAt: noon}, false},
		{"both are over", Codes, idp.Counter{Day: 3, DayAt: noon.Add(-day), Month: 9, MonthAt: noon.Add(-month)}, true},
		{"in the window", Recovery, idp.Counter{Burst: 1, BurstAt: noon.Add(-time.Minute)}, false},
		{"the window is over", Recovery, idp.Counter{Burst: 1, BurstAt: noon.Add(-time.Hour)}, true},
		{"closed", Passwords, idp.Counter{NextAt: noon.Add(1)}, false},
		{"open again", Passwords, idp.Counter{NextAt: over}, true},
		{"a second factor first", Passwords, idp.Counter{InARow: 100, FactorFirst: true, NextAt: noon.Add(time.Hour)}, false},
		{"no longer", Passwords, idp.Counter{InARow: 100, FactorFirst: true, NextAt: over}, true},
	} {
		if got := c.policy.None(&c.c, noon); got != c.want {
			t.Errorf("%s: %v", c.why, got)
		}
	}
}
