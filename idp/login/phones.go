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
	PhoneExpired  = "expired"  // nobody answered in time
	PhoneLapsed   = "lapsed"   // approved, and the browser came too late; or the phone was unlinked since
	PhoneMoved    = "moved"    // withdrawn, because another tab of this browser has asked since
	PhoneWrong    = "wrong"    // the number did not match
	PhonePaused   = "paused"   // not asked, because the limits do not allow it; Retry says when they do
	PhoneOff      = "off"      // not asked any more after «it wasn't me», until an administrator or a new password allows it
)

// PhoneStep is what the page of the second factor shows of the person's phones.
type PhoneStep struct {
	State     string          // one of the constants above
	Devices   []string        // names of the phones that can be asked; none are named before the password
	Challenge idp.ChallengeID // the latest; empty: none
	Mode      idp.MatchMode
	Number    string        // to be typed or picked on the phone; empty for a tap
	ExpiresAt time.Time     // until when phones can answer
	ResendAt  time.Time     // from when the person can have it sent again; zero: not in this sign-in
	Retry     time.Duration // how long until the limits allow that phones are asked; zero: they do, or not by waiting
	sends     int           // how often phones were asked in this sign-in
}

// phones returns what the page of the second factor shows of the person's phones, nil
// where they have none that can be asked.
func (f *Flow) phones(ctx context.Context, l *idp.Login, b Browser) (*PhoneStep, error) {
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
	now := f.now()
	if c != nil {
		p.show(c, now)
		if p.State == PhoneApproved && !slices.ContainsFunc(devices, func(d idp.Device) bool { return d.ID == c.Device }) {
			p.State = PhoneLapsed
		}
		if p.State == PhoneWrong || p.State == PhoneMoved {
			p.ResendAt = now // that it was sent a moment ago is no matter: nothing waits for an answer
		}
		if p.State == PhoneAsked || p.State == PhoneApproved {
			return p, nil
		}
	}
	err = f.mayAskNow(ctx, l, b, now)
	switch {
	case err == nil && c == nil:
		p.State, p.ResendAt = PhonePaused, now
	case err == nil:
	case errors.As(err, new(*idp.RetryError)):
		p.refused(err, c == nil)
	default:
		return nil, err
	}
	if l.Sends >= idp.MaxSends {
		p.ResendAt = time.Time{}
	}
	return p, nil
}

// mayAskNow returns nil where the limits allow this browser to have the person's phones
// asked, as ask has them. Errors: idp.ErrTooMany as RetryError.
func (f *Flow) mayAskNow(ctx context.Context, l *idp.Login, b Browser, now time.Time) error {
	g, err := f.store.Guard(ctx, l.User)
	if err != nil {
		return err
	}
	ok, err := f.store.KnownBrowser(ctx, known(b), l.User)
	if err != nil {
		return err
	}
	if ok {
		return limit.Prompts.AllowKnown(g, l.Browser, b.Address, now)
	}
	return limit.Prompts.Allow(g, l.Browser, b.Address, now)
}

// refused fills in the step where the limits do not allow to ask: there is no button that
// could only fail. unasked says that nothing was asked in this sign-in, so that there is
// nothing else to be told.
func (p *PhoneStep) refused(err error, unasked bool) {
	p.ResendAt = time.Time{}
	retry := (*idp.RetryError)(nil)
	errors.As(err, &retry)
	p.Retry = retry.After
	switch {
	case retry.After == 0:
		p.State = PhoneOff
	case unasked:
		p.State = PhonePaused
	}
}

// show fills in the step from the latest challenge of a sign-in.
func (p *PhoneStep) show(c *idp.Challenge, now time.Time) {
	p.Challenge, p.Mode, p.Number, p.ExpiresAt, p.ResendAt = c.ID, c.Mode, c.Number, c.ExpiresAt, time.Time{}
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
	case c.State == idp.ChallengeWithdrawn:
		p.State = PhoneMoved
	case c.State == idp.ChallengeApproved:
		p.State = PhoneLapsed
	default:
		p.State = PhoneExpired
	}
}

// Word is a word that changes when what the page shows of phones does.
func (p *PhoneStep) Word() string {
	word := fmt.Sprintf("%s-%d-%d", p.State, len(p.Devices), p.sends)
	if p.Retry > 0 {
		word += "-later" // until the limits allow it
	}
	return word
}
