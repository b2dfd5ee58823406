package limit

import (
	"time"

	"hilum/idp"
)

// Try is a try that was counted as a wrong one before it was looked at.
type Try struct {
	before, after idp.Counter
}

// None reports whether nothing is counted that a rule looks at. What a policy has no
// rule for may be there: days and months are counted for all, and no right try ends them.
func (p Policy) None(c *idp.Counter, now time.Time) bool {
	within := func(n int, from time.Time, d time.Duration) bool { return n > 0 && now.Before(from.Add(d)) }
	anew := c.FactorFirst && !FactorFirst(c, now) // the next wrong one begins a row
	switch {
	case c.InARow > 0 && !anew, now.Before(c.NextAt):
		return false
	case within(c.Burst, c.BurstAt, p.Window),
		p.Day > 0 && within(c.Day, c.DayAt, day),
		p.Month > 0 && within(c.Month, c.MonthAt, month):
		return false
	}
	return true
}

// Ahead counts a try as a wrong one before anybody has looked at it. However many are
// made at once, by however many instances, no more are looked at than the policy
// allows; and who stops one on its way has not made it for nothing. Forgive takes back
// the count of one that was right, or was not looked at.
func (p Policy) Ahead(c *idp.Counter, now time.Time) Try {
	t := Try{before: *c}
	p.Wrong(c, now.Truncate(time.Microsecond)) // as the store keeps it: Forgive compares
	t.after = *c
	return t
}

// Closes reports whether the counter is closed by this try, and no later one.
func (t *Try) Closes(c *idp.Counter) bool { return c.NextAt.Equal(t.after.NextAt) }

// Forgive takes back a try that was counted ahead. Where nothing has changed since, the
// counter is as it was before, windows that began with the try included. Where others
// were counted, theirs stay, and a lock that there would not be without this one ends;
// then the counter is never more open than it would be without the try, but for a
// window that began with it: that goes on for the others, whose own would have begun
// later by no more than a try takes. Where the window has ended, or a right try has
// begun it anew, what was counted in a row stays as it is.
func (p Policy) Forgive(c *idp.Counter, t *Try, now time.Time) {
	if t.unchanged(c) {
		was := t.before
		was.Key, was.Journal = c.Key, c.Journal
		*c = was
		return
	}
	if c.Day > 0 && c.DayAt.Equal(t.after.DayAt) {
		c.Day--
	}
	if c.Month > 0 && c.MonthAt.Equal(t.after.MonthAt) {
		c.Month--
	}
	// The begin of a window says that the try is among those counted in it, and that
	// no right one has ended the row.
	if p.Window == 0 || c.Burst == 0 || c.InARow == 0 || !c.BurstAt.Equal(t.after.BurstAt) {
		return
	}
	c.Burst--
	c.InARow--
	// When the latest of the others was counted is not known; it was not after now.
	if until, first := p.closes(c, now.UTC()); until.Before(c.NextAt) {
		c.NextAt, c.FactorFirst = until, first
	}
}

// unchanged reports whether the counter is as the try has left it.
func (t *Try) unchanged(c *idp.Counter) bool {
	a := &t.after
	return c.InARow == a.InARow && c.Burst == a.Burst && c.Day == a.Day && c.Month == a.Month && c.FactorFirst == a.FactorFirst &&
		c.BurstAt.Equal(a.BurstAt) && c.DayAt.Equal(a.DayAt) && c.MonthAt.Equal(a.MonthAt) && c.NextAt.Equal(a.NextAt)
}
