package limit

import (
	"net/netip"
	"slices"
	"time"

	"hilum/idp"
)

// PromptPolicy says how often a person's phones may be asked to approve a sign-in.
type PromptPolicy struct {
	// Windows bound questions that were not approved.
	Windows []Window
	// All bounds questions also where Windows does not: those that the browser which
	// asked has taken back, because cancelling is no sign of a stranger, and those
	// of browsers that the person knows.
	All []Window
	// First are questions before any password, which whoever knows a name can have
	// asked. They are counted for themselves, so that they silence no others.
	First []Window
	// QuietFor is how long «it wasn't me» silences the browser and the network that asked.
	QuietFor time.Duration
	// OffAfter is within what time a second «it wasn't me» switches asking off.
	OffAfter time.Duration
	// WaryFor is how long after a denial a tap alone does not approve.
	WaryFor time.Duration
}

// Window allows Most questions within a time.
type Window struct {
	Most   int
	Within time.Duration
}

// Prompts is the policy for asking phones.
var Prompts = PromptPolicy{
	Windows:  []Window{{3, 10 * time.Minute}, {6, time.Hour}, {10, day}},
	All:      []Window{{6, 10 * time.Minute}, {12, time.Hour}, {20, day}},
	First:    []Window{{1, 5 * time.Minute}, {3, time.Hour}, {6, day}},
	QuietFor: 15 * time.Minute,
	OffAfter: day,
	WaryFor:  day,
}

// Allow returns nil when phones may be asked for a browser at an address, else
// an idp.ErrTooMany as RetryError. Its After is zero when waiting does not
// help: then asking is off.
func (p PromptPolicy) Allow(g *idp.PushGuard, browser idp.TokenHash, address string, now time.Time) error {
	if g.Off {
		return &idp.RetryError{Err: idp.ErrTooMany}
	}
	var until time.Time
	later := func(t time.Time) {
		if t.After(until) {
			until = t
		}
	}
	network := Network(address)
	for _, q := range g.Quiet {
		if q.Browser == browser || q.Network == network {
			later(q.Until)
		}
	}
	later(opens(p.Windows, others(g, browser)))
	later(opens(p.All, g.Asked))
	return waitUntil(until, now)
}

// AllowKnown is Allow for a browser that the person knows: the questions of
// strangers do not count, so that nobody silences the owner's phone by asking it.
func (p PromptPolicy) AllowKnown(g *idp.PushGuard, browser idp.TokenHash, address string, now time.Time) error {
	own := *g
	own.Asked, own.Back = nil, nil
	if err := p.Allow(&own, browser, address, now); err != nil {
		return err
	}
	return waitUntil(opens(p.All, g.Known), now)
}

func waitUntil(until, now time.Time) error {
	if now.Before(until) {
		return &idp.RetryError{Err: idp.ErrTooMany, After: until.Sub(now)}
	}
	return nil
}

// others are the questions without those that this very browser has taken back.
func others(g *idp.PushGuard, browser idp.TokenHash) []time.Time {
	if len(g.Back) == 0 {
		return g.Asked
	}
	var list []time.Time
	for _, at := range g.Asked {
		if !slices.ContainsFunc(g.Back, func(b idp.TakenBack) bool { return b.Browser == browser && b.At.Equal(at) }) {
			list = append(list, at)
		}
	}
	return list
}

// opens is when one more fits into every window; at is ordered, oldest first.
func opens(windows []Window, at []time.Time) (until time.Time) {
	for _, w := range windows {
		if n := len(at); n >= w.Most {
			// When the oldest of the last so many leaves the window.
			if t := at[n-w.Most].Add(w.Within); t.After(until) {
				until = t
			}
		}
	}
	return until
}

// counted adds a moment, and keeps only what the longest window still sees.
func counted(windows []Window, at []time.Time, now time.Time) []time.Time {
	w := windows[len(windows)-1]
	at = append(at, now.UTC())
	for len(at) > w.Most || len(at) > 0 && !now.Before(at[0].Add(w.Within)) {
		at = at[1:]
	}
	return at
}

// Asked counts a question; only what some window still sees is kept.
func (p PromptPolicy) Asked(g *idp.PushGuard, now time.Time) {
	g.Asked = counted(p.All, g.Asked, now)
	g.Back = slices.DeleteFunc(g.Back, func(b idp.TakenBack) bool {
		return !slices.ContainsFunc(g.Asked, b.At.Equal)
	})
}

// AskedKnown counts a question of a browser that the person knows.
func (p PromptPolicy) AskedKnown(g *idp.PushGuard, now time.Time) {
	g.Known = counted(p.All, g.Known, now)
}

// TakenBack says that a browser does not wait any more for the answer to what it
// asked from a moment to another: its person has cancelled, or begun anew. Against
// that browser it counts as a question, and as none that somebody left unanswered;
// against all others as it did, for whoever has the password may start and cancel
// in a new browser each time.
func (p PromptPolicy) TakenBack(g *idp.PushGuard, browser idp.TokenHash, from, to time.Time) {
	for _, at := range g.Asked {
		// The store keeps microseconds.
		if t := at.Truncate(time.Microsecond); t.Before(from.Truncate(time.Microsecond)) || t.After(to) {
			continue
		}
		if b := (idp.TakenBack{At: at, Browser: browser}); !slices.Contains(g.Back, b) {
			g.Back = append(g.Back, b)
		}
	}
}

// AllowFirst is Allow for a question before any password. Where asking is off for
// a sign-in with its password, it is off before it too.
func (p PromptPolicy) AllowFirst(g *idp.PushGuard, browser idp.TokenHash, address string, now time.Time) error {
	alone := *g
	alone.Asked, alone.Back = nil, nil // what sign-ins with the password have asked is no matter here
	if err := p.Allow(&alone, browser, address, now); err != nil {
		return err
	}
	until := opens(p.First, g.First)
	if g.FirstAt.After(until) {
		until = g.FirstAt
	}
	return waitUntil(until, now)
}

// AskedFirst counts a question before any password.
func (p PromptPolicy) AskedFirst(g *idp.PushGuard, now time.Time) {
	g.First = counted(p.First, g.First, now)
}

// NotMeFirst remembers that a stranger who has nothing but a name had a phone
// asked: nobody has that done for a day. It switches nothing else off, or strangers
// could have the owner do it.
func (p PromptPolicy) NotMeFirst(g *idp.PushGuard, now time.Time) {
	p.Denied(g, now)
	g.FirstAt = now.UTC().Add(p.OffAfter)
}

// Approved forgets what was counted: whoever has a phone of the person has approved.
func (p PromptPolicy) Approved(g *idp.PushGuard) {
	g.Asked, g.Back, g.Known, g.First = nil, nil, nil, nil
}

// Denied notes that a question was denied.
func (p PromptPolicy) Denied(g *idp.PushGuard, now time.Time) { g.DeniedAt = now.UTC() }

// NotMe notes that a question was denied with «it wasn't me»: the browser and network that
// asked are silenced, and at the second time asking is switched off. It reports whether it
// was.
func (p PromptPolicy) NotMe(g *idp.PushGuard, browser idp.TokenHash, address string, now time.Time) (off bool) {
	now = now.UTC()
	p.Denied(g, now)
	live := g.Quiet[:0]
	for _, q := range g.Quiet {
		if now.Before(q.Until) {
			live = append(live, q)
		}
	}
	const most = 16 // more strangers than that at once switch it off anyway
	if len(live) >= most {
		live = live[1:]
	}
	g.Quiet = append(live, idp.Quiet{Browser: browser, Network: Network(address), Until: now.Add(p.QuietFor)})
	off = !g.NotMeAt.IsZero() && now.Before(g.NotMeAt.Add(p.OffAfter))
	g.Off = g.Off || off
	g.NotMeAt = now
	return off
}

// Wary reports whether for now a tap alone does not approve, and a number is asked for.
func (p PromptPolicy) Wary(g *idp.PushGuard, now time.Time) bool {
	return !g.DeniedAt.IsZero() && now.Before(g.DeniedAt.Add(p.WaryFor))
}

// Network returns the network that an address counts for: the /24 of an IPv4
// address, the /64 of an IPv6 one; what is no address stands for itself.
func Network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	a = a.Unmap().WithZone("")
	bits := 64
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return address
	}
	return p.String()
}
