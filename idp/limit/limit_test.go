package limit

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"hilum/idp"
)

// noon is far from midnight, so that days do not turn by accident.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// player tries as often as it may, at the earliest moment it may.
type player struct {
	*testing.T
	policy Policy
	c      idp.Counter
	now    time.Time
}

func play(t *testing.T, p Policy) *player { return &player{T: t, policy: p, now: noon} }

// wrong makes a wrong try, which must be allowed now, and returns how long
// the next one has to wait.
func (p *player) wrong() time.Duration {
	p.Helper()
	if err := p.policy.Allow(&p.c, p.now); err != nil {
		p.Fatalf("at %s: %v", p.now, err)
	}
	p.policy.Wrong(&p.c, p.now)
	return p.wait()
}

// wait is how long the next try has to wait, as Allow says.
func (p *player) wait() time.Duration {
	p.Helper()
	err := p.policy.Allow(&p.c, p.now)
	if err == nil {
		return 0
	}
	var retry *idp.RetryError
	if !errors.As(err, &retry) || !errors.Is(err, idp.ErrTooMany) {
		p.Fatalf("%v is no RetryError of ErrTooMany", err)
	}
	if FactorFirst(&p.c, p.now) != p.c.FactorFirst {
		p.Fatalf("%+v is closed, and not to who has no second factor", p.c)
	}
	// To the nanosecond: closed before, open then.
	if at := p.now.Add(retry.After - 1); p.policy.Allow(&p.c, at) == nil {
		p.Fatalf("open at %s already", at)
	}
	if at := p.now.Add(retry.After); p.policy.Allow(&p.c, at) != nil {
		p.Fatalf("still closed at %s", at)
	}
	return retry.After
}

// tries makes n wrong tries, each as soon as it may, and returns the waits.
func (p *player) tries(n int) []time.Duration {
	p.Helper()
	var waits []time.Duration
	for range n {
		w := p.wrong()
		waits = append(waits, w)
		p.now = p.now.Add(max(0, w))
	}
	return waits
}

func seconds(n ...int) []time.Duration {
	var out []time.Duration
	for _, s := range n {
		out = append(out, time.Duration(s)*time.Second)
	}
	return out
}

func TestCodesAreDelayedThenClosed(t *testing.T) {
	p := play(t, Codes)
	if got, want := p.tries(10), seconds(0, 0, 1, 2, 4, 8, 16, 30, 30, 1800); !slices.Equal(got, want) {
		t.Errorf("the first ten: %v\nwant %v", got, want)
	}
	if got, want := p.tries(10), seconds(30, 30, 30, 30, 30, 30, 30, 30, 30, 1800); !slices.Equal(got, want) {
		t.Errorf("the next ten: %v\nwant %v", got, want)
	}
	if got, want := p.tries(9), seconds(30, 30, 30, 30, 30, 30, 30, 30, 30); !slices.Equal(got, want) {
		t.Errorf("and nine: %v\nwant %v", got, want)
	}
	if got := p.tries(1)[0]; !p.now.Equal(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the thirtieth closes for %s, till %s; want till tomorrow", got, p.now)
	}
}

func TestCodesADayEndsAtMidnightUTC(t *testing.T) {
	zone := time.FixedZone("far west", -11*3600)
	for _, start := range []time.Time{
		time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		time.Date(2026, 3, 1, 4, 0, 0, 0, zone), // 15:00 UTC
	} {
		p := play(t, Codes)
		p.now = start
		p.tries(30)
		if want := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC); !p.now.Equal(want) {
			t.Errorf("from %s: closed till %s, want %s", start, p.now, want)
		}
		if p.c.Day != 30 {
			t.Errorf("counted %d that day", p.c.Day)
		}
		p.wrong()
		if p.c.Day != 1 {
			t.Errorf("the next day begins with %d", p.c.Day)
		}
	}
}

// An attacker who has the password tries codes as fast as he may: this many in
// 30 days and no more. It ends by itself, and he may not have more for that.
func TestCodesAttackOfAMonth(t *testing.T) {
	p := play(t, Codes)
	start, n := p.now, 0
	for p.now.Before(start.Add(30 * 24 * time.Hour)) {
		p.now = p.now.Add(max(0, p.wrong()))
		if n++; n == 99 {
			if took := p.now.Sub(start); took < 3*24*time.Hour-12*time.Hour || took > 4*24*time.Hour {
				t.Errorf("took %s; 30 a day make more than two days", took)
			}
		}
	}
	if n != 100 {
		t.Errorf("%d tries in 30 days, want 100", n)
	}
	if !p.now.Equal(start.Add(30*24*time.Hour)) || p.wait() != 0 || p.c.FactorFirst {
		t.Errorf("open again at %s: %+v", p.now, p.c)
	}
}

func TestCodesMonthBeginsAnewAfterThirtyDays(t *testing.T) {
	p := play(t, Codes)
	for i := range 4 * 33 { // 33 each 30 days, 99 in any 90
		if i > 0 && i%33 == 0 {
			p.now = p.c.MonthAt.Add(30 * 24 * time.Hour)
		}
		p.now = p.now.Add(max(0, p.wrong()))
	}
	if p.wait() > 30*time.Minute || p.c.Month != 33 {
		t.Errorf("closed for %s; %d this month", p.wait(), p.c.Month)
	}
}

// The owner's right codes end the delay, and hide nothing of what is counted
// by day and month.
func TestRightCodeEndsTheDelayOnly(t *testing.T) {
	p := play(t, Codes)
	p.tries(6)
	if p.wait() != 0 || p.c.InARow != 6 {
		t.Fatalf("%+v", p.c)
	}
	p.policy.Right(&p.c)
	if p.c.InARow != 0 || !p.c.NextAt.IsZero() || p.c.Day != 6 || p.c.Month != 6 {
		t.Errorf("after a right code: %+v", p.c)
	}
	if got, want := p.tries(3), seconds(0, 0, 1); !slices.Equal(got, want) {
		t.Errorf("then %v, want %v", got, want)
	}
	// Two wrong, one right, for ever: thirty wrong a day, all the same.
	p = play(t, Codes)
	n := 0
	for p.now.Day() == noon.Day() {
		p.now = p.now.Add(max(p.wrong(), time.Second))
		if n++; n%2 == 0 && p.policy.Allow(&p.c, p.now) == nil && p.now.Day() == noon.Day() {
			p.policy.Right(&p.c)
		}
	}
	if n != 30 {
		t.Errorf("%d wrong codes in a day between right ones, want 30", n)
	}
}

// A right password that waited its turn while the hundredth wrong one came does
// not open what waits for a second factor.
func TestRightDoesNotStandInForTheSecondFactor(t *testing.T) {
	c := idp.Counter{InARow: 100, Month: 100, FactorFirst: true, NextAt: noon.Add(time.Hour)}
	Passwords.Right(&c)
	if !FactorFirst(&c, noon) || Passwords.Allow(&c, noon) == nil {
		t.Error("opened")
	}
}

func TestPasswordsAreDelayedFromTheFifth(t *testing.T) {
	p := play(t, Passwords)
	got := p.tries(12)
	want := seconds(0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60)
	if !slices.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}

func TestPasswordsWindowIsFiveMinutes(t *testing.T) {
	p := play(t, Passwords)
	p.tries(4)
	p.now = noon.Add(5*time.Minute - 1)
	if got := p.wrong(); got != time.Second {
		t.Errorf("the fifth within five minutes waits %s", got)
	}
	p = play(t, Passwords)
	p.tries(4)
	p.now = noon.Add(5 * time.Minute)
	if got, want := p.tries(5), seconds(0, 0, 0, 0, 1); !slices.Equal(got, want) {
		t.Errorf("in the next window: %v, want %v", got, want)
	}
	// A delay outlasts the window it was earned in.
	p = play(t, Passwords)
	p.tries(4)
	p.now = noon.Add(5*time.Minute - time.Millisecond)
	p.wrong()
	p.now = p.now.Add(2 * time.Millisecond)
	if p.wait() == 0 {
		t.Error("the delay ended with the window")
	}
}

func TestPasswordsAttackEndsAtAHundred(t *testing.T) {
	p := play(t, Passwords)
	start, n := p.now, 0
	for ; !p.c.FactorFirst; n++ {
		if n == 99 {
			if took := p.now.Sub(start); took < 25*time.Minute || took > 2*time.Hour {
				t.Errorf("a hundred tries took %s", took)
			}
		}
		p.now = p.now.Add(max(0, p.wrong()))
	}
	if n != 100 {
		t.Errorf("%d tries, want 100", n)
	}
	// It is not for ever: 30 days later a hundred more are looked at, and no more.
	if took := p.now.Sub(start); took < 30*24*time.Hour || took > 31*24*time.Hour || FactorFirst(&p.c, p.now) {
		t.Errorf("open again after %s", took)
	}
	if p.tries(99); FactorFirst(&p.c, p.now) {
		t.Error("closed again before the hundredth")
	}
	if p.wrong(); !FactorFirst(&p.c, p.now) {
		t.Error("open after the next hundred")
	}
	// 99, a right one, and 99 more are nobody's attack.
	p = play(t, Passwords)
	p.tries(99)
	p.policy.Right(&p.c)
	p.tries(99)
	if p.c.FactorFirst {
		t.Error("a right password between did not count")
	}
}

func TestRightPasswordEndsTheDelay(t *testing.T) {
	p := play(t, Passwords)
	p.tries(8)
	p.policy.Right(&p.c)
	if got, want := p.tries(5), seconds(0, 0, 0, 0, 1); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestRecoveryCodesFiveAnHour(t *testing.T) {
	p := play(t, Recovery)
	for hour := range 3 {
		at := noon.Add(time.Duration(hour) * time.Hour)
		p.now = at
		for i := range 5 {
			want := time.Duration(0)
			if i == 4 {
				want = time.Hour - 4*time.Minute
			}
			if got := p.wrong(); got != want {
				t.Errorf("hour %d, try %d: waits %s, want %s", hour, i+1, got, want)
			}
			p.now = p.now.Add(time.Minute)
		}
	}
	if p.c.FactorFirst {
		t.Error("waits for a second factor")
	}
}

func TestZeroPolicyAllowsAll(t *testing.T) {
	p := play(t, Policy{})
	for range 1000 {
		if w := p.wrong(); w != 0 {
			t.Fatalf("waits %s", w)
		}
	}
}

func TestCounterIsChangedByWrongAndRightOnly(t *testing.T) {
	p := play(t, Codes)
	p.tries(5)
	before := p.c
	for range 10 {
		_ = p.policy.Allow(&p.c, p.now)
	}
	if !reflect.DeepEqual(p.c, before) {
		t.Errorf("Allow changed %+v to %+v", before, p.c)
	}
}

// What closes is never opened by a further wrong try, whatever the order.
func TestNextTryNeverMovesEarlier(t *testing.T) {
	for name, policy := range map[string]Policy{"codes": Codes, "passwords": Passwords, "recovery": Recovery} {
		c := idp.Counter{}
		for i := range 300 { // at once and unasked, as rivals in one transaction after another would
			was := c.NextAt
			policy.Wrong(&c, noon.Add(time.Duration(i%7)*time.Second))
			if c.NextAt.Before(was) {
				t.Fatalf("%s, try %d: from %s to %s", name, i, was, c.NextAt)
			}
		}
	}
}

func ExamplePolicy_Allow() {
	var c idp.Counter
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for range 4 {
		Codes.Wrong(&c, now)
	}
	fmt.Println(Codes.Allow(&c, now))
	fmt.Println(Codes.Allow(&c, now.Add(2*time.Second)))
	// Output:
	// too many tries, retry in 2s
	// <nil>
}
