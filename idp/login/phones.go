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

// PhoneStep.State: how asking a person's phones stands, as the page shows it.
const (
	PhoneReady    = "ready"    // nothing was asked yet, and the person can have it asked; before the password only
	PhoneAsked    = "asked"    // waiting for an answer
	PhoneApproved = "approved" // the browser may go on
	PhoneExpired  = "expired"  // nobody answered in time, or the browser came too late
	PhoneWrong    = "wrong"    // the number did not match
	PhonePaused   = "paused"   // not asked, because the limits do not allow it; Retry says when they do
	PhoneOff      = "off"      // not asked any more after «it wasn't me», until an administrator or a new password allows it
)

// PhoneStep is what the page of the second factor shows of the person's phones.
type PhoneStep struct {
	State     string   // one of the constants above
	Devices   []string // names of the phones that can be asked; none are named before the password
	Mode      idp.MatchMode
	Number    string        // to be typed or picked on the phone; empty for a tap
	ExpiresAt time.Time     // until when phones can answer
	ResendAt  time.Time     // from when the person can have it sent again; zero: not in this sign-in
	Retry     time.Duration // PhonePaused: how long until phones may be asked; zero: not known
	sends     int           // how often phones were asked in this sign-in
}

// phones returns what the page of the second factor shows of the person's phones, nil
// where they have none that can be asked.
func (f *Flow) phones(ctx context.Context, l *idp.Login) (*PhoneStep, error) {
	devices, err := f.store.Devices(ctx, l.User)
	if err != nil {
		return nil, err
	}
	app, err := f.asker(ctx, l)
	if err != nil {
		return nil, err
	}
	p := &PhoneStep{sends: l.Sends}
	for _, d := range devices {
		if asks(d, app.verify) {
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

// unasked fills in the step where the sign-in has no challenge: why no phone was
// asked, by what guard g says, and whether the person can have it done now.
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

// show fills in the step from the latest challenge of a sign-in.
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

// Word is a word that changes when what the page shows of phones does.
func (p *PhoneStep) Word() string {
	return fmt.Sprintf("%s-%d-%d", p.State, len(p.Devices), p.sends)
}
