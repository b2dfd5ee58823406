package login

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
)

// amrPush is the amr of a sign-in by a phone (RFC 8176, section 2): a password, a key
// that the phone's software keeps, more than one factor.
var amrPush = []string{"pwd", "swk", "mfa"}

// amrVerified is the amr where the phone has verified its person besides (user). Whether
// by PIN or fingerprint is not known, nor that the key is in hardware (hwk): nothing
// attests it.
var amrVerified = []string{"pwd", "swk", "user", "mfa"}

// changedFor is how long push services try to tell a phone that another was linked.
const changedFor = time.Hour

// Asked returns the open challenges that a phone is to show now, oldest first. A
// phone that is not linked yet is asked whether it is to be, and nothing else.
func (f *Flow) Asked(ctx context.Context, s *idp.Speaker) ([]idp.Challenge, error) {
	if s.Pairing == "" {
		list, err := f.store.Pending(ctx, s.Device.User, f.now())
		// Whether a phone is to be linked is asked of that phone alone, and nobody is asked
		// what they cannot approve.
		return slices.DeleteFunc(list, func(c idp.Challenge) bool {
			return c.Purpose == idp.ToPair || c.Verify && !s.Device.Verifies()
		}), err
	}
	p, err := f.store.Pairing(ctx, s.Pairing)
	if err != nil {
		if errors.Is(err, idp.ErrNotFound) {
			err = nil // replaced by a newer offer
		}
		return nil, err
	}
	if p.Open(f.now()) != nil || p.Challenge == "" {
		return nil, nil //nolint:nilerr // nobody is asked by an offer that is not open
	}
	c, err := f.store.Challenge(ctx, p.Challenge)
	if err != nil {
		return nil, err
	}
	if !isOpen(c, f.now()) {
		return nil, nil
	}
	return []idp.Challenge{*c}, nil
}

// Fate returns a word for what became of a challenge that phones are not asked any
// more: "approved", "denied", "wrong", "withdrawn" or "expired". One that cannot be
// read is "withdrawn".
func (f *Flow) Fate(ctx context.Context, id idp.ChallengeID) string {
	c, err := f.store.Challenge(ctx, id)
	switch {
	case err != nil:
		return "withdrawn"
	case c.State == idp.ChallengeTaken:
		return string(idp.ChallengeApproved)
	case c.State == idp.ChallengePending && !f.now().Before(c.ExpiresAt):
		return "expired"
	case c.State == idp.ChallengePending:
		return string(idp.ChallengeWithdrawn) // its sign-in does not wait any more
	}
	return string(c.State)
}

// Reply is a phone's answer to a challenge, its signature already checked.
type Reply struct {
	Challenge idp.ChallengeID
	DocHash   string // ch of docs/device-protocol.md: hash of the text that the phone has shown (idp.Challenge.DocHash)
	Verdict   idp.Verdict
	Seen      idp.Replay // the request that carries it, to be taken once
	Address   string     // client address of the phone
}

// outcome is what became of a challenge by an answer, and which devices are told of
// it, once it is stored.
type outcome struct {
	state     idp.ChallengeState // of the challenge, also where the answer was refused
	changed   bool               // false: the phone said the same before
	challenge idp.Challenge
	devices   []idp.Device // active devices of its person
}

// Answer settles a challenge by what a phone says, and returns the challenge's state
// after it, also with an error. A phone never completes a sign-in: the browser that
// asked does, by Continue. Errors: idp.ErrNotFound (another person's challenge, one
// that does not exist, or a phone that has shown another text), ErrSettled,
// ErrExpired, ErrWrongSecret (another number than the browser shows; the challenge is
// closed), ErrInvalid (not a number as asked for), ErrUnverified (a fingerprint or PIN
// is asked for), ErrConflict (a sixth device), ErrReplayed.
func (f *Flow) Answer(ctx context.Context, by *idp.Speaker, r Reply) (idp.ChallengeState, error) {
	var o outcome
	err := f.store.Settle(ctx, r.Challenge, r.Seen, func(a *idp.Asking) error {
		o = outcome{state: a.Challenge.State}
		return f.settle(ctx, a, by, r, &o)
	})
	if errors.Is(err, idp.ErrClientDisabled) { // at another instance, a moment ago
		err = fmt.Errorf("challenge %s: its application is gone: %w", r.Challenge, idp.ErrSettled)
	}
	if err != nil {
		return o.state, err
	}
	if o.changed {
		f.tell(o, by.Device.ID)
	}
	if o.state == idp.ChallengeWrong {
		return o.state, fmt.Errorf("challenge %s: number: %w", r.Challenge, idp.ErrWrongSecret)
	}
	return o.state, nil
}

// settle takes a phone's answer within the transaction, and what follows from it. It
// fills in o. Errors as for Answer, except for a wrong number, which is stored as the
// challenge's state.
func (f *Flow) settle(ctx context.Context, a *idp.Asking, by *idp.Speaker, r Reply, o *outcome) error {
	c, now := a.Challenge, f.now()
	if !mayAnswer(a, by) || c.DocHash() != r.DocHash {
		return fmt.Errorf("challenge %s for device %s: %w", c.ID, by.Device.ID, idp.ErrNotFound)
	}
	if c.Purpose == idp.ToPair && c.State == idp.ChallengePending && by.Pairing == "" {
		// Its code was typed in the browser: it is linked, as it wishes to be.
		o.state, a.Pairing = idp.ChallengeApproved, nil
		if !r.Verdict.Approve {
			return fmt.Errorf("challenge %s: the device is linked: %w", c.ID, idp.ErrSettled)
		}
		return nil
	}
	if c.State == idp.ChallengePending && !stillAsked(a, now) {
		o.state = idp.ChallengeWithdrawn
		return fmt.Errorf("challenge %s: %w", c.ID, idp.ErrSettled)
	}
	cut := f.notMe(a, by, r, now)
	if c.State == idp.ChallengeTaken && r.Verdict.NotMe && cut == nil && (a.Login == nil || a.Login.Final()) {
		return fmt.Errorf("challenge %s: nobody has signed in by it: %w", c.ID, idp.ErrSettled)
	}
	changed, err := c.Answer(r.Verdict, by.Device.ID, now)
	if err != nil {
		return err
	}
	o.state = c.State
	if !changed {
		a.Pairing = nil // nothing of it changes, and one that was used is not written again
		return nil
	}
	said := noteAnswer(c, by, r, now)
	if c.Purpose == idp.ToPair {
		pairAnswered(a, now)
	} else {
		guardAnswered(a, r.Verdict, said, cut != nil, now)
		f.denySignIn(a, by, r, now)
		if c.State == idp.ChallengeApproved && f.backchannel(a.Login) {
			if err := f.answerBackchannel(ctx, a, r.Address, now); err != nil {
				return err
			}
		}
	}
	a.Cut = cut
	o.changed, o.challenge, o.devices = true, *c, a.Devices
	return nil
}

// notMe returns what «it wasn't me» takes away: the session that somebody has by the
// approval of a phone, or acts in, once they have moved on by it; nil where there is none.
func (f *Flow) notMe(a *idp.Asking, by *idp.Speaker, r Reply, now time.Time) *idp.CutOff {
	l := a.Login
	if a.Challenge.State != idp.ChallengeTaken || !r.Verdict.NotMe || l == nil || l.Session == "" || l.State != idp.LoginCollected {
		return nil
	}
	return &idp.CutOff{
		User: a.Challenge.User, Cause: idp.CutEndedOne, Session: l.Session,
		Because: idp.Event{
			At: now, Kind: idp.EventSessionEnded, Actor: idp.Actor{User: a.Challenge.User}, User: a.Challenge.User, Login: l.ID,
			Device: by.Device.ID, Address: r.Address, Detail: map[string]string{"reason": idp.ReasonNotMe},
		},
	}
}

// mayAnswer reports whether a challenge is one that a phone is asked: of a sign-in
// every linked phone of the person is, of a pairing the one that scanned the QR code.
func mayAnswer(a *idp.Asking, by *idp.Speaker) bool {
	c := a.Challenge
	if c.Purpose == idp.ToPair {
		if by.Pairing == "" && by.Device.User != "" && by.Device.User == c.User {
			return c.Device == by.Device.ID || a.Pairing == nil || a.Pairing.Claim == nil // linked otherwise meanwhile: to be told
		}
		return c.Pairing != "" && by.Pairing == c.Pairing
	}
	return by.Pairing == "" && !by.Unlinked && c.User != "" && c.User == by.Device.User &&
		slices.ContainsFunc(a.Devices, func(d idp.Device) bool { return d.ID == by.Device.ID && asks(d, false) })
}

// stillAsked reports whether the sign-in or the pairing of a challenge still waits
// for the answer.
func stillAsked(a *idp.Asking, now time.Time) bool {
	if a.Challenge.Purpose == idp.ToPair {
		return a.Pairing != nil && a.Pairing.Open(now) == nil && a.Pairing.Claim != nil
	}
	return a.Login != nil && a.Login.Challenge == a.Challenge.ID &&
		(waits(a.Login, idp.LoginFactor, now) == nil || waits(a.Login, idp.LoginFirst, now) == nil)
}

// noteAnswer notes the answer to a challenge in the log, with the digest of the text
// that the phone has shown, and returns that event.
func noteAnswer(c *idp.Challenge, by *idp.Speaker, r Reply, now time.Time) idp.Event {
	kind := map[idp.ChallengeState]idp.EventKind{
		idp.ChallengeApproved: idp.EventPhoneApproved, idp.ChallengeDenied: idp.EventPhoneDenied, idp.ChallengeWrong: idp.EventPhoneWrong,
	}[c.State]
	e := idp.Event{
		At: now, Kind: kind, Actor: idp.Actor{User: c.User}, User: c.User, Login: c.Login, Device: by.Device.ID, Address: r.Address,
		Detail: map[string]string{"cid": string(c.ID), "ch": c.DocHash(), "purpose": string(c.Purpose)},
	}
	if c.Reason != "" {
		e.Detail["reason"] = c.Reason
	}
	if c.Verified {
		e.Detail["verified"] = "by the phone"
	}
	c.Note(e)
	return e
}

// guardAnswered counts an answer to a sign-in's challenge towards how often the
// person's phones may be asked from now on (limit.Prompts); said is the event of the
// answer. «It wasn't me» is noted as an alarm besides, with the address of the browser
// that asked; ended says that what was signed in to by the approval before ends with it.
func guardAnswered(a *idp.Asking, v idp.Verdict, said idp.Event, ended bool, now time.Time) {
	c := a.Challenge
	alarm := said
	alarm.Kind, alarm.Address, alarm.Detail = idp.EventNotMe, c.Address, nil
	switch {
	case c.State == idp.ChallengeApproved:
		limit.Prompts.Approved(a.Guard)
	case c.State != idp.ChallengeDenied:
	case !v.NotMe:
		limit.Prompts.Denied(a.Guard, now)
	case a.Login != nil && a.Login.State == idp.LoginFirst:
		limit.Prompts.NotMeFirst(a.Guard, now)
		alarm.Detail = map[string]string{"before": "password"}
		c.Note(alarm)
	default:
		alarm.Detail = maps.Clone(said.Detail)
		if limit.Prompts.NotMe(a.Guard, c.Browser, c.Address, now) {
			alarm.Detail = map[string]string{"push": "off"}
		}
		if ended {
			alarm.Detail["ended"] = "one"
		}
		c.Note(alarm)
	}
}

// denySignIn ends the sign-in whose latest challenge a phone has denied, in whatever
// state that is but a final one.
func (f *Flow) denySignIn(a *idp.Asking, by *idp.Speaker, r Reply, now time.Time) {
	l := a.Login
	if a.Challenge.State != idp.ChallengeDenied || l == nil || l.Challenge != a.Challenge.ID || l.Final() {
		return
	}
	if l.Apply(idp.OnDeny, now) != nil {
		return // it had ended by itself; the denial stands
	}
	l.Device = by.Device.ID
	l.Note(f.event(idp.EventLoginDenied, l, "", Browser{Address: r.Address}, "by", "phone"))
}

// pairAnswered links the phone that scanned the QR code where it has approved that,
// else it ends the offer. Within an invitation the phone is linked when the invitation
// is used (Enrol).
func pairAnswered(a *idp.Asking, now time.Time) {
	p := a.Pairing
	if a.Challenge.State != idp.ChallengeApproved {
		p.UsedAt, p.Claim = now, nil
		return
	}
	p.TappedAt = now
	p.Claim.Silent(a.Challenge.SentAt, now)
	if p.Enrol {
		return
	}
	d := *p.Claim
	d.User, d.State, d.LinkedAt, d.LastUsedAt = p.User, idp.DeviceActive, now, now
	p.UsedAt, p.Claim = now, nil
	a.Link = &d
	e := idp.Event{
		At: now, Kind: idp.EventDeviceLinked, Actor: idp.Actor{User: d.User, Name: p.Account}, User: d.User, Device: d.ID,
		Detail: map[string]string{"name": d.Name, "kind": string(d.Kind), "platform": d.Platform},
	}
	if d.Replaces != "" {
		e.Detail["replaces"] = string(d.Replaces)
	}
	d.Note(e)
}

// tell wakes the browser that waits for the answer, and tells the person's other
// phones, those but the one that has answered, that nothing is asked any more; or,
// after a pairing, that a device was linked.
func (f *Flow) tell(o outcome, but idp.DeviceID) {
	c := &o.challenge
	f.wake(idp.TopicUser(c.User), idp.TopicLogin(c.Login), idp.TopicPairing(c.Pairing))
	if c.Purpose == idp.ToPair && o.state == idp.ChallengeApproved {
		f.pushTo(idp.PushChanged, &idp.Challenge{ExpiresAt: f.now().Add(changedFor)}, o.devices, but)
		return
	}
	f.pushTo(idp.PushGone, c, o.devices, but)
}

// Continue moves a sign-in on by the approval of a phone, which the browser that asked
// takes within idp.CollectTTL, once. Errors: idp.ErrSettled (nothing was approved, or
// the phone was unlinked since), ErrExpired (too late), ErrNotFound, also for another
// browser.
func (f *Flow) Continue(ctx context.Context, id idp.LoginID, b Browser) (*Step, error) {
	var moved idp.Login
	err := f.store.Ask(ctx, id, idp.TokenHash{}, func(a *idp.Asking, _ bool) error {
		l, now := a.Login, f.now()
		if err := bound(l, b); err != nil {
			return err
		}
		if l.State != idp.LoginFirst {
			if err := waits(l, idp.LoginFactor, now); err != nil {
				return err
			}
		}
		if a.Challenge == nil || a.Challenge.Login != l.ID || a.Challenge.User != l.User {
			return fmt.Errorf("sign-in %s: no phone was asked: %w", id, idp.ErrSettled)
		}
		// A phone that was unlinked since it answered proves nothing any more.
		i := slices.IndexFunc(a.Devices, func(d idp.Device) bool { return d.ID == a.Challenge.Device })
		if i < 0 {
			return fmt.Errorf("sign-in %s: no linked phone has answered: %w", id, idp.ErrSettled)
		}
		if err := a.Challenge.Spend(now); err != nil {
			return err
		}
		l.Device = a.Challenge.Device
		a.Devices[i].LastUsedAt = now
		amr := amrPush
		if a.Challenge.Verified {
			amr = amrVerified
		}
		if err := f.prove(l, b, "push", amr); err != nil {
			return err
		}
		moved = *l
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f.step(ctx, &moved, b)
}
