package login

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
)

// Where asking a person's phones stands, as the page shows it.
const (
	PhoneReady    = "ready"    // no phone was asked yet, and the person may have it done; before the password only
	PhoneAsked    = "asked"    // waiting for an answer
	PhoneApproved = "approved" // the browser may go on
	PhoneExpired  = "expired"  // nobody answered in time, or the browser came too late
	PhoneWrong    = "wrong"    // the number did not match
	PhonePaused   = "paused"   // asked too often; Retry says when again
	PhoneOff      = "off"      // switched off after «it wasn't me»
)

// PhoneStep is what the page of the second factor shows of the phones.
type PhoneStep struct {
	State     string
	Devices   []string // names of the phones that were asked
	Mode      idp.MatchMode
	Number    string // to be typed or picked on the phone; empty for a tap
	ExpiresAt time.Time
	ResendAt  time.Time     // when it can be sent again; zero: not in this sign-in
	Retry     time.Duration // PhonePaused
	sends     int
}

// phones is what the page of the second factor shows of them, from the rows;
// nil where no phone can be asked.
func (f *Flow) phones(ctx context.Context, l *idp.Login) (*PhoneStep, error) {
	devices, err := f.store.Devices(ctx, l.User)
	if err != nil {
		return nil, err
	}
	p := &PhoneStep{sends: l.Sends}
	for _, d := range devices {
		if asks(d) {
			p.Devices = append(p.Devices, d.Name)
		}
	}
	if len(p.Devices) == 0 {
		return nil, nil
	}
	var c *idp.Challenge
	if l.Challenge != "" {
		if c, err = f.store.Challenge(ctx, l.Challenge); err != nil && !errors.Is(err, idp.ErrNotFound) {
			return nil, err
		}
	}
	if c == nil {
		g, err := f.store.Guard(ctx, l.User)
		if err != nil {
			return nil, err
		}
		p.unasked(l, g, f.now())
		return p, nil
	}
	p.show(c, f.now())
	if p.State == PhoneApproved && !slices.ContainsFunc(devices, func(d idp.Device) bool { return d.ID == c.Device }) {
		p.State = PhoneExpired // by a phone that was unlinked since
	}
	return p, nil
}

// unasked shows why no phone was asked, and whether the person may have it done.
func (p *PhoneStep) unasked(l *idp.Login, g *idp.PushGuard, now time.Time) {
	p.State = PhonePaused
	err := limit.Prompts.Allow(g, l.Browser, "", now)
	var retry *idp.RetryError
	switch {
	case g.Off:
		p.State = PhoneOff
	case errors.As(err, &retry):
		p.Retry = retry.After
	}
	if p.State != PhoneOff && err == nil {
		p.ResendAt = now
	}
}

// show shows how the latest challenge of a sign-in stands.
func (p *PhoneStep) show(c *idp.Challenge, now time.Time) {
	p.Mode, p.Number, p.ExpiresAt, p.ResendAt = c.Mode, c.Number, c.ExpiresAt, time.Time{}
	if p.sends < idp.MaxSends {
		p.ResendAt = c.SentAt.Add(idp.ResendAfter)
	}
	switch {
	case isOpen(c, now):
		p.State = PhoneAsked
	case isApproved(c, now):
		p.State = PhoneApproved
	case c.State == idp.ChallengeWrong:
		p.State = PhoneWrong
	default:
		p.State = PhoneExpired
	}
}

// Word is the state in a word that changes when the page does.
func (p *PhoneStep) Word() string {
	return fmt.Sprintf("%s-%d-%d", p.State, len(p.Devices), p.sends)
}
