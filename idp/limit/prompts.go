package limit

import (
	"net/netip"
	"time"

	"hilum/idp"
)

// PromptPolicy says how often a person's phones may be asked.
type PromptPolicy struct {
	// So many questions that were not approved, within so long.
	Windows []Window
	// QuietFor is how long «it wasn't me» silences what asked.
	QuietFor time.Duration
	// OffAfter: a second «it wasn't me» within it switches asking off.
	OffAfter time.Duration
	// WaryFor is how long after a denial a tap alone is not enough.
	WaryFor time.Duration
}

// Window allows so many within so long.
type Window struct {
	Most   int
	Within time.Duration
}

// Prompts are the rules of push approval.
var Prompts = PromptPolicy{
	Windows:  []Window{{3, 10 * time.Minute}, {6, time.Hour}, {10, day}},
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
	for _, w := range p.Windows {
		if n := len(g.Asked); n >= w.Most {
			later(g.Asked[n-w.Most].Add(w.Within)) // when the oldest of the last so many leaves the window
		}
	}
	if now.Before(until) {
		return &idp.RetryError{Err: idp.ErrTooMany, After: until.Sub(now)}
	}
	return nil
}

// Asked counts a question; only what some window still sees is kept.
func (p PromptPolicy) Asked(g *idp.PushGuard, now time.Time) {
	g.Asked = append(g.Asked, now.UTC())
	for _, w := range p.Windows[len(p.Windows)-1:] {
		for len(g.Asked) > w.Most || !now.Before(g.Asked[0].Add(w.Within)) {
			g.Asked = g.Asked[1:]
		}
	}
}

// Approved forgets what was counted: whoever has a phone has answered.
func (p PromptPolicy) Approved(g *idp.PushGuard) { g.Asked = nil }

// Denied remembers a denial.
func (p PromptPolicy) Denied(g *idp.PushGuard, now time.Time) { g.DeniedAt = now.UTC() }

// NotMe remembers that a stranger asked: who asked is silenced, and at the
// second time asking is switched off. It reports whether it was.
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

// Wary reports whether a tap alone is too little for now.
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
