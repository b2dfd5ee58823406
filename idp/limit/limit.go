// Package limit says how often one may try: per account, by counters that the
// store keeps for all instances, and per address, in memory.
//
// The rules for accounts are pure functions on an idp.Counter. Delays come
// before locks, and every lock ends by itself: an administrator may end it
// sooner, and is never the only one who can. After what no person does by
// mistake, a hundred wrong passwords, the second factor comes before the
// password. Passwords, codes and recovery codes are counted apart, so that
// locking one locks no other; and a browser that is known for the account apart
// from strangers, so that nobody shuts the owner out (OWASP, «device cookies»).
//
// What takes long to look at is counted before, and forgiven when it was right
// (Policy.Ahead, Policy.Forgive).
package limit

import (
	"time"

	"hilum/idp"
)

// Policy is the set of rules for one kind of try. «Close» means that no try of that kind
// is looked at until a moment. A rule whose number is zero does not apply.
type Policy struct {
	// Delays begin at the wrong try number DelayFrom and double from a second
	// up to DelayMost. Tries are counted within Window of the first of them,
	// or, where Window is zero, in a row.
	DelayFrom int
	DelayMost time.Duration
	Window    time.Duration

	// Burst wrong tries within Window close until the window ends.
	Burst int

	// Each InARow wrong tries in a row close for InARowFor.
	InARow    int
	InARowFor time.Duration

	// Day wrong tries in one day (UTC) close until the next.
	Day int

	// Month wrong tries within 30 days close until those days are over.
	Month int

	// FirstInARow wrong tries in a row: for FirstFor nothing is looked at before
	// a second factor was given (idp.Counter.FactorFirst).
	FirstInARow int
	FirstFor    time.Duration
}

// The rules for each kind of try.
var (
	Passwords = Policy{DelayFrom: 5, DelayMost: 60 * time.Second, Window: 5 * time.Minute, FirstInARow: 100, FirstFor: month}
	// Apart are wrong passwords in a browser that the person has signed in with before
	// (idp.Known), and others that no stranger can have caused; see ApartMost.
	Apart    = Policy{DelayFrom: 5, DelayMost: 60 * time.Second, Window: 5 * time.Minute}
	Codes    = Policy{DelayFrom: 3, DelayMost: 30 * time.Second, InARow: 10, InARowFor: 30 * time.Minute, Day: 30, Month: 100}
	Recovery = Policy{Burst: 5, Window: time.Hour}
	// First are codes given before the password. Whoever knows a name can try
	// them, so they are counted apart from those that a right password led to.
	First = Policy{DelayFrom: 3, DelayMost: 30 * time.Second, InARow: 10, InARowFor: 30 * time.Minute, Day: 30, Month: 100}
	// Forgotten bounds mails that somebody asks to have sent to a person.
	Forgotten = Policy{Burst: 3, Window: time.Hour, Day: 10}
)

// ApartMost is how many wrong tries in a row are counted apart. After them a
// browser is as a stranger's: its cookie may be in a thief's hands.
const ApartMost = 20

const (
	day   = 24 * time.Hour
	month = 30 * day
)

// Allow returns nil when a try may be made, else an idp.RetryError (idp.ErrTooMany) that
// says when the next may.
func (p Policy) Allow(c *idp.Counter, now time.Time) error {
	if now.Before(c.NextAt) {
		return &idp.RetryError{Err: idp.ErrTooMany, After: c.NextAt.Sub(now)}
	}
	return nil
}

// FactorFirst reports whether a second factor has to be given before the next try.
func FactorFirst(c *idp.Counter, now time.Time) bool {
	return c.FactorFirst && now.Before(c.NextAt)
}

// Wrong counts a wrong try, and notes in the counter when the next may be made.
func (p Policy) Wrong(c *idp.Counter, now time.Time) {
	now = now.UTC()
	if c.FactorFirst && !now.Before(c.NextAt) {
		c.FactorFirst, c.InARow = false, 0
	}
	if p.Window > 0 && !now.Before(c.BurstAt.Add(p.Window)) {
		c.Burst, c.BurstAt = 0, now
	}
	if !now.Before(c.DayAt.Add(day)) {
		c.Day, c.DayAt = 0, now.Truncate(day)
	}
	if !now.Before(c.MonthAt.Add(month)) {
		c.Month, c.MonthAt = 0, now
	}
	c.InARow++
	c.Day++
	c.Month++
	if p.Window > 0 {
		c.Burst++
	}
	until, first := p.closes(c, now)
	if until.After(c.NextAt) { // later, never earlier
		c.NextAt = until
	}
	c.FactorFirst = c.FactorFirst || first
}

// closes returns until when a counter is closed whose latest try was at a moment,
// zero where it is open, and whether a second factor has to be given before that.
func (p Policy) closes(c *idp.Counter, at time.Time) (until time.Time, first bool) {
	later := func(t time.Time) {
		if t.After(until) {
			until = t
		}
	}
	tries := c.InARow
	if p.Window > 0 {
		tries = c.Burst
	}
	if p.DelayFrom > 0 && tries >= p.DelayFrom {
		later(at.Add(p.delay(tries - p.DelayFrom)))
	}
	if p.Burst > 0 && c.Burst >= p.Burst {
		later(c.BurstAt.Add(p.Window))
	}
	if p.InARow > 0 && c.InARow > 0 && c.InARow%p.InARow == 0 {
		later(at.Add(p.InARowFor))
	}
	if p.Day > 0 && c.Day >= p.Day {
		later(c.DayAt.Add(day))
	}
	if p.Month > 0 && c.Month >= p.Month {
		later(c.MonthAt.Add(month))
	}
	if p.FirstInARow > 0 && c.InARow >= p.FirstInARow {
		later(at.Add(p.FirstFor))
		first = true
	}
	return until, first
}

// Right forgets, after a right try, the wrong ones in a row and the delay they led to.
// What was counted by day and month stays: somebody may guess between two right tries of
// the owner. It does not open what waits for a second factor.
func (p Policy) Right(c *idp.Counter) {
	if c.FactorFirst {
		return
	}
	c.InARow, c.Burst = 0, 0
	c.BurstAt, c.NextAt = time.Time{}, time.Time{}
}

// delay is 1 s, doubled n times, DelayMost at most.
func (p Policy) delay(n int) time.Duration {
	d := time.Second
	for range n {
		if d *= 2; d >= p.DelayMost {
			return p.DelayMost
		}
	}
	return min(d, p.DelayMost)
}
