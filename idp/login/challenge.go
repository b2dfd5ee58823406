package login

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
)

// What a sign-in with a phone proves (RFC 8176): a password and a key that
// the phone's software keeps.
var amrPush = []string{"pwd", "swk", "mfa"}

// Where asking a person's phones stands, as the page shows it.
const (
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

// ask asks all linked phones of a person, where there are any and the limits
// allow it. That they do not is no error: the code field is there. again is
// the person's own wish for another send: then it is told as idp.ErrTooMany.
func (f *Flow) ask(ctx context.Context, id idp.LoginID, b Browser, again bool) error {
	l, err := f.own(ctx, id, b)
	if err != nil {
		return err
	}
	if err := waits(l, idp.LoginFactor, f.Now()); err != nil {
		return err
	}
	account, err := f.Store.Account(ctx, l.User)
	if err != nil {
		return err
	}
	if account.Apps == 0 {
		return nil
	}
	return f.askFor(ctx, id, b, account, again)
}

// askFor is ask where the account is at hand.
func (f *Flow) askFor(ctx context.Context, id idp.LoginID, b Browser, account *idp.Account, again bool) error {
	var sent sending
	err := f.Store.Ask(ctx, id, known(b), func(a *idp.Asking, known bool) error {
		sent = sending{}
		l, now := a.Login, f.Now()
		if err := bound(l, b); err != nil {
			return err
		}
		if err := waits(l, idp.LoginFactor, now); err != nil {
			return err
		}
		if l.User != account.User.ID || !slices.ContainsFunc(a.Devices, asks) {
			return errNoPhone
		}
		if l.Sends >= idp.MaxSends {
			return &idp.RetryError{Err: idp.ErrTooMany, After: l.ExpiresAt.Sub(now)}
		}
		open := a.Challenge != nil && a.Challenge.Open(now) == nil
		if open && !again {
			return errAsked
		}
		if a.Challenge != nil && a.Challenge.State == idp.ChallengeApproved && now.Before(a.Challenge.AnsweredAt.Add(idp.CollectTTL)) {
			return errAsked // the answer is there
		}
		if a.Challenge != nil && again {
			if wait := a.Challenge.SentAt.Add(idp.ResendAfter).Sub(now); wait > 0 {
				return &idp.RetryError{Err: idp.ErrTooMany, After: wait}
			}
		}
		allow, asked := limit.Prompts.Allow, limit.Prompts.Asked
		if known {
			allow, asked = limit.Prompts.AllowKnown, limit.Prompts.AskedKnown
		}
		if err := allow(a.Guard, l.Browser, b.Address, now); err != nil {
			return err
		}
		if open {
			a.Challenge.SentAt = now
			sent.challenge = *a.Challenge
		} else {
			if err := f.compose(ctx, a, b, account.User.Name, known); err != nil {
				return err
			}
			sent.challenge = *a.New
			sent.withdrawn = withdrawn(a.Others)
		}
		l.Sends++
		asked(a.Guard, now)
		l.Note(f.event(idp.EventPhoneAsked, l, "", b, "mode", string(sent.challenge.Mode), "cid", string(sent.challenge.ID)))
		sent.devices = a.Devices
		return nil
	})
	switch {
	case err == nil:
		f.send(sent)
		return nil
	case errors.Is(err, errNoPhone), errors.Is(err, errAsked), errors.Is(err, idp.ErrTooMany) && !again:
		return nil
	}
	return err
}

var (
	errNoPhone = errors.New("no phone to ask")
	errAsked   = errors.New("asked already")
)

func asks(d idp.Device) bool { return d.Kind == idp.DeviceApp && d.State == idp.DeviceActive }

func known(b Browser) idp.TokenHash {
	if b.Known == "" {
		return idp.TokenHash{}
	}
	return b.Known.Hash()
}

// compose makes a new challenge of a sign-in. One from the same browser makes
// way for it; more than idp.MaxPending are never open.
func (f *Flow) compose(ctx context.Context, a *idp.Asking, b Browser, name string, known bool) error {
	l, now := a.Login, f.Now()
	pending := 0
	var soonest time.Time
	for i := range a.Others {
		o := &a.Others[i]
		if o.Purpose == idp.ToPair {
			continue
		}
		if o.Browser == l.Browser {
			if err := o.Apply(idp.OnWithdrawn); err != nil {
				return err
			}
			limit.Prompts.TakenBack(a.Guard, o.Browser, o.CreatedAt, o.SentAt)
			continue
		}
		if pending++; soonest.IsZero() || o.ExpiresAt.Before(soonest) {
			soonest = o.ExpiresAt
		}
	}
	if pending >= idp.MaxPending {
		return &idp.RetryError{Err: idp.ErrTooMany, After: soonest.Sub(now)}
	}
	c := &idp.Challenge{
		ID: idp.NewID[idp.ChallengeID](), Purpose: idp.ToLogin, User: l.User, Login: l.ID, Browser: l.Browser, Address: b.Address,
		State: idp.ChallengePending, CreatedAt: now, SentAt: now, ExpiresAt: now.Add(idp.ChallengeTTL),
	}
	app, match := f.Rules.Site().Name, f.Rules.Match
	switch l.Purpose {
	case idp.ForStepUp:
		c.Purpose = idp.ToStepUp
	case idp.ForClient:
		client, err := f.Store.Client(ctx, l.Request.Client)
		if err != nil {
			return err
		}
		app = client.Name
		if client.Match != "" && client.Match != idp.MatchAuto {
			match = client.Match
		}
	}
	c.Mode = match
	if match == "" || match == idp.MatchAuto {
		c.Mode = idp.MatchType
		if known && pending == 0 && !limit.Prompts.Wary(a.Guard, now) {
			c.Mode = idp.MatchTap
		}
	}
	// A new password, and a question before any password, are never one tap, nor
	// one of three: whatever the operator has chosen, a number crosses to the phone.
	if (l.NewHash != "" || l.State == idp.LoginFirst) && c.Mode != idp.MatchStrict {
		c.Mode = idp.MatchType
	}
	doc := idp.ChallengeDoc{
		V: 1, CID: c.ID, Nonce: nonce(), Purpose: c.Purpose, Issuer: f.Rules.Issuer, Account: name, App: app, IP: b.Address,
		NewBrowser: !known, NewPassword: l.NewHash != "", At: now.Unix(), Exp: c.ExpiresAt.Unix(),
	}
	if f.Describe != nil {
		doc.Browser, doc.OS = f.Describe(b.Agent)
	}
	if f.Network != nil {
		doc.Net = f.Network(b.Address)
	}
	c.Number, doc.Match = matching(c.Mode)
	c.Doc = doc.Text()
	a.New = c
	l.Challenge = c.ID
	return nil
}

// matching draws the number of a mode, and what the phone is told of it: never
// the number itself, at most that it is one of three.
func matching(mode idp.MatchMode) (number string, m idp.ChallengeMatch) {
	switch mode {
	case idp.MatchType:
		return digits(2), idp.ChallengeMatch{Mode: idp.MatchType, Len: 2}
	case idp.MatchStrict:
		return digits(6), idp.ChallengeMatch{Mode: idp.MatchType, Len: 6}
	case idp.MatchPick:
		var three []string
		for len(three) < 3 {
			if n := digits(2); !slices.Contains(three, n) {
				three = append(three, n)
			}
		}
		number = three[draw(3)]
		slices.Sort(three) // the order tells nothing
		return number, idp.ChallengeMatch{Mode: idp.MatchPick, Choices: three}
	}
	return "", idp.ChallengeMatch{Mode: idp.MatchTap}
}

// digits draws a number of n digits that does not begin with zero.
func digits(n int) string {
	low := 1
	for range n - 1 {
		low *= 10
	}
	return fmt.Sprint(low + draw(9*low))
}

func draw(n int) int {
	v, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // never fails, by the contract of rand.Reader
	}
	return int(v.Int64())
}

// nonce is 128 random bits in base64url.
func nonce() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, by its contract
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// sending is what happens after a change is on disk.
type sending struct {
	challenge idp.Challenge
	devices   []idp.Device
	withdrawn []idp.Challenge
}

func withdrawn(others []idp.Challenge) (list []idp.Challenge) {
	for _, o := range others {
		if o.State == idp.ChallengeWithdrawn {
			list = append(list, o)
		}
	}
	return list
}

// send wakes who waits and hands the question to the push services. It takes
// no time: neither is waited for.
func (f *Flow) send(s sending) {
	topics := []idp.Topic{idp.TopicUser(s.challenge.User), idp.TopicLogin(s.challenge.Login)}
	for _, o := range s.withdrawn {
		topics = append(topics, idp.TopicLogin(o.Login))
		f.push(idp.PushGone, &o, s.devices, "")
	}
	f.wake(topics...)
	f.push(idp.PushLogin, &s.challenge, s.devices, "")
}

func (f *Flow) wake(topics ...idp.Topic) {
	if f.Wake != nil {
		f.Wake(topics...)
	}
}

// push sends one message to the phones that have an address, but one.
func (f *Flow) push(kind idp.PushKind, c *idp.Challenge, devices []idp.Device, but idp.DeviceID) {
	if f.Push == nil {
		return
	}
	var out []idp.Push
	for i := range devices {
		d := &devices[i]
		if !asks(*d) || len(d.SealedPush) == 0 || d.ID == but {
			continue
		}
		plain, err := f.Sealer.Open(d.SealedPush, idp.PushRow(d.ID))
		p := idp.Push{User: d.User, Device: d.ID, Platform: d.Platform, Kind: kind, Challenge: c.ID, ExpiresAt: c.ExpiresAt}
		if err == nil {
			err = json.Unmarshal(plain, &p.Address)
		}
		if err != nil {
			f.Log.Error("a push address cannot be read", "device", d.ID, "error", err)
			continue
		}
		out = append(out, p)
	}
	if len(out) > 0 {
		f.Push(out...)
	}
}

// Resend asks the phones once more, at the person's wish. Errors:
// idp.ErrTooMany as RetryError, ErrNotFound, ErrSettled, ErrExpired.
func (f *Flow) Resend(ctx context.Context, id idp.LoginID, b Browser) (*Step, error) {
	l, err := f.own(ctx, id, b)
	if err != nil {
		return nil, err
	}
	if l.State == idp.LoginFirst {
		err = f.askFirst(ctx, l, b)
	} else {
		err = f.ask(ctx, id, b, true)
	}
	if err != nil {
		return nil, err
	}
	return f.Step(ctx, id, b)
}

// Continue takes the answer of a phone: only the browser that asked moves its
// sign-in on. Errors: idp.ErrSettled (nothing was approved), ErrExpired (too
// late), ErrNotFound.
func (f *Flow) Continue(ctx context.Context, id idp.LoginID, b Browser) (*Step, error) {
	var moved idp.Login
	err := f.Store.Ask(ctx, id, idp.TokenHash{}, func(a *idp.Asking, _ bool) error {
		l, now := a.Login, f.Now()
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
		if err := f.prove(l, b, "push", amrPush); err != nil {
			return err
		}
		moved = *l
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f.step(ctx, &moved)
}

// Reply is a phone's answer to a challenge, its signature already checked.
type Reply struct {
	Challenge idp.ChallengeID
	DocHash   string // ch: what the phone has shown
	Verdict   idp.Verdict
	Seen      idp.Replay
	Address   string // of the phone
}

// Answer settles a challenge by what a phone says, and returns what has become
// of it. A phone never completes a sign-in: the browser does, by Continue.
// Errors: idp.ErrNotFound (another person's, a made-up one, another text),
// ErrSettled and ErrExpired with the state, ErrWrongSecret (the number; the
// challenge is closed), ErrConflict (a sixth device), ErrReplayed.
func (f *Flow) Answer(ctx context.Context, by *idp.Speaker, r Reply) (idp.ChallengeState, error) {
	var state idp.ChallengeState
	var wrong bool
	var gone sending
	var after []idp.Topic
	err := f.Store.Settle(ctx, r.Challenge, r.Seen, func(a *idp.Asking) error {
		c, now := a.Challenge, f.Now()
		state, wrong, gone, after = c.State, false, sending{}, nil
		if !mayAnswer(a, by) || c.DocHash() != r.DocHash {
			return fmt.Errorf("challenge %s for device %s: %w", c.ID, by.Device.ID, idp.ErrNotFound)
		}
		if c.State == idp.ChallengePending && !f.stillAsked(a, now) {
			state = idp.ChallengeWithdrawn
			return fmt.Errorf("challenge %s: %w", c.ID, idp.ErrSettled)
		}
		if c.State == idp.ChallengeTaken && (a.Login == nil || a.Login.Final()) {
			return fmt.Errorf("challenge %s: its sign-in has ended: %w", c.ID, idp.ErrSettled)
		}
		changed, err := c.Answer(r.Verdict, by.Device.ID, now)
		if err != nil {
			return err
		}
		state, wrong = c.State, c.State == idp.ChallengeWrong
		if !changed {
			a.Pairing = nil // nothing of it changes, and one that was used is not written again
			return nil
		}
		if err := f.answered(a, by, r, now); err != nil {
			return err
		}
		after = []idp.Topic{idp.TopicUser(c.User), idp.TopicLogin(c.Login), idp.TopicPairing(c.Pairing)}
		gone = sending{challenge: *c, devices: a.Devices}
		return nil
	})
	if err != nil {
		return state, err
	}
	f.wake(after...)
	if gone.challenge.Purpose == idp.ToPair && state == idp.ChallengeApproved {
		// The phones that were there are told of the new one.
		f.push(idp.PushChanged, &idp.Challenge{ExpiresAt: f.Now().Add(changedFor)}, gone.devices, by.Device.ID)
	} else if len(after) > 0 {
		f.push(idp.PushGone, &gone.challenge, gone.devices, by.Device.ID)
	}
	if wrong {
		return state, fmt.Errorf("challenge %s: number: %w", r.Challenge, idp.ErrWrongSecret)
	}
	return state, nil
}

// changedFor is how long it is worth telling a phone that another was linked.
const changedFor = time.Hour

// mayAnswer reports whether a phone is asked at all: a linked one of the
// person, or the one that scanned the QR code.
func mayAnswer(a *idp.Asking, by *idp.Speaker) bool {
	c := a.Challenge
	if c.Purpose == idp.ToPair {
		if by.Pairing == "" && by.Device.User != "" && by.Device.User == c.User {
			return c.Device == by.Device.ID || a.Pairing == nil || a.Pairing.Claim == nil // linked otherwise meanwhile: to be told
		}
		return c.Pairing != "" && by.Pairing == c.Pairing
	}
	return by.Pairing == "" && !by.Unlinked && c.User != "" && c.User == by.Device.User &&
		slices.ContainsFunc(a.Devices, func(d idp.Device) bool { return d.ID == by.Device.ID && asks(d) })
}

// stillAsked reports whether somebody waits for the answer.
func (f *Flow) stillAsked(a *idp.Asking, now time.Time) bool {
	if a.Challenge.Purpose == idp.ToPair {
		return a.Pairing != nil && a.Pairing.Open(now) == nil && a.Pairing.Claim != nil
	}
	return a.Login != nil && a.Login.Challenge == a.Challenge.ID &&
		(waits(a.Login, idp.LoginFactor, now) == nil || waits(a.Login, idp.LoginFirst, now) == nil)
}

// answered does what follows from an answer, in the same transaction.
func (f *Flow) answered(a *idp.Asking, by *idp.Speaker, r Reply, now time.Time) error {
	c := a.Challenge
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
	c.Note(e)
	if c.Purpose == idp.ToPair {
		return f.pairAnswered(a, now)
	}
	switch {
	case c.State == idp.ChallengeApproved:
		limit.Prompts.Approved(a.Guard)
	case c.State == idp.ChallengeDenied && r.Verdict.NotMe && a.Login != nil && a.Login.State == idp.LoginFirst:
		limit.Prompts.NotMeFirst(a.Guard, now)
		alarm := e
		alarm.Kind, alarm.Address = idp.EventNotMe, c.Address
		alarm.Detail = map[string]string{"before": "password"}
		c.Note(alarm)
	case c.State == idp.ChallengeDenied && r.Verdict.NotMe:
		off := limit.Prompts.NotMe(a.Guard, c.Browser, c.Address, now)
		alarm := e
		alarm.Kind, alarm.Address = idp.EventNotMe, c.Address
		if off {
			alarm.Detail = map[string]string{"push": "off"}
		}
		c.Note(alarm)
	case c.State == idp.ChallengeDenied:
		limit.Prompts.Denied(a.Guard, now)
	}
	if c.State != idp.ChallengeDenied || a.Login == nil || a.Login.Challenge != c.ID || a.Login.Final() {
		return nil
	}
	// Final for the whole sign-in, at once and wherever it stands.
	if a.Login.Apply(idp.OnDeny, now) != nil {
		return nil //nolint:nilerr // it had ended by itself; the denial stands
	}
	a.Login.Device = by.Device.ID
	denied := f.event(idp.EventLoginDenied, a.Login, "", Browser{Address: r.Address}, "by", "phone")
	a.Login.Note(denied)
	return nil
}

// pairAnswered links the phone that scanned the QR code, or drops it. Within
// an invitation it is linked when the invitation is used.
func (f *Flow) pairAnswered(a *idp.Asking, now time.Time) error {
	p := a.Pairing
	if a.Challenge.State != idp.ChallengeApproved {
		p.UsedAt, p.Claim = now, nil
		return nil
	}
	p.TappedAt = now
	p.Claim.Silent(a.Challenge.SentAt, now)
	if p.Enrol {
		return nil
	}
	d := *p.Claim
	d.User, d.State, d.LinkedAt, d.LastUsedAt = p.User, idp.DeviceActive, now, now
	p.UsedAt, p.Claim = now, nil
	a.Link = &d
	d.Note(idp.Event{
		At: now, Kind: idp.EventDeviceLinked, Actor: idp.Actor{User: d.User, Name: p.Account}, User: d.User, Device: d.ID,
		Detail: map[string]string{"name": d.Name, "kind": string(d.Kind), "platform": d.Platform},
	})
	return nil
}

// Asked returns what a phone is to be shown now, oldest first.
func (f *Flow) Asked(ctx context.Context, s *idp.Speaker) ([]idp.Challenge, error) {
	if s.Pairing == "" {
		list, err := f.Store.Pending(ctx, s.Device.User, f.Now())
		// Whether a phone is to be linked is asked of that phone alone.
		return slices.DeleteFunc(list, func(c idp.Challenge) bool { return c.Purpose == idp.ToPair }), err
	}
	p, err := f.Store.Pairing(ctx, s.Pairing)
	if err != nil {
		if errors.Is(err, idp.ErrNotFound) {
			err = nil // replaced by a newer offer
		}
		return nil, err
	}
	if p.Open(f.Now()) != nil || p.Challenge == "" {
		return nil, nil //nolint:nilerr // nobody is asked by an offer that is not open
	}
	c, err := f.Store.Challenge(ctx, p.Challenge)
	if err != nil {
		return nil, err
	}
	if c.Open(f.Now()) != nil {
		return nil, nil //nolint:nilerr // what is not open is not asked
	}
	return []idp.Challenge{*c}, nil
}

// Fate says why a challenge is not asked any more: "approved", "denied",
// "withdrawn" or "expired".
func (f *Flow) Fate(ctx context.Context, id idp.ChallengeID) string {
	c, err := f.Store.Challenge(ctx, id)
	switch {
	case err != nil:
		return "withdrawn"
	case c.State == idp.ChallengeTaken:
		return string(idp.ChallengeApproved)
	case c.State == idp.ChallengePending && !f.Now().Before(c.ExpiresAt):
		return "expired"
	case c.State == idp.ChallengePending:
		return string(idp.ChallengeWithdrawn) // its sign-in does not wait any more
	}
	return string(c.State)
}

// withdraw tells phones that nobody waits any more, which the person at the
// browser that asked has brought about. It is a courtesy: what they would answer
// is refused all the same. The question is none that somebody left unanswered.
func (f *Flow) withdraw(ctx context.Context, id idp.ChallengeID) {
	if id == "" {
		return
	}
	var gone sending
	err := f.Store.Settle(ctx, id, idp.Replay{}, func(a *idp.Asking) error {
		gone = sending{challenge: *a.Challenge, devices: a.Devices}
		if err := a.Challenge.Apply(idp.OnWithdrawn); err != nil {
			return err
		}
		limit.Prompts.TakenBack(a.Guard, a.Challenge.Browser, a.Challenge.CreatedAt, a.Challenge.SentAt)
		return nil
	})
	if err != nil {
		if !errors.Is(err, idp.ErrSettled) && !errors.Is(err, idp.ErrNotFound) {
			f.Log.LogAttrs(ctx, slog.LevelWarn, "a challenge was not withdrawn", slog.Any("error", err))
		}
		return
	}
	f.wake(idp.TopicUser(gone.challenge.User))
	f.push(idp.PushGone, &gone.challenge, gone.devices, "")
}

// phones is what the page of the second factor shows of them, from the rows.
func (f *Flow) phones(ctx context.Context, l *idp.Login) (*PhoneStep, error) {
	now := f.Now()
	devices, err := f.Store.Devices(ctx, l.User)
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
		if c, err = f.Store.Challenge(ctx, l.Challenge); err != nil && !errors.Is(err, idp.ErrNotFound) {
			return nil, err
		}
	}
	if c == nil {
		g, err := f.Store.Guard(ctx, l.User)
		if err != nil {
			return nil, err
		}
		p.State = PhonePaused
		var retry *idp.RetryError
		err = limit.Prompts.Allow(g, l.Browser, "", now)
		switch {
		case g.Off:
			p.State = PhoneOff
		case errors.As(err, &retry):
			p.Retry = retry.After
		}
		p.ResendAt = now
		if p.State == PhoneOff || err != nil {
			p.ResendAt = time.Time{}
		}
		return p, nil
	}
	p.Mode, p.Number, p.ExpiresAt = c.Mode, c.Number, c.ExpiresAt
	if l.Sends < idp.MaxSends {
		p.ResendAt = c.SentAt.Add(idp.ResendAfter)
	}
	switch {
	case c.State == idp.ChallengePending && now.Before(c.ExpiresAt):
		p.State = PhoneAsked
	case c.State == idp.ChallengeApproved && now.Before(c.AnsweredAt.Add(idp.CollectTTL)) &&
		slices.ContainsFunc(devices, func(d idp.Device) bool { return d.ID == c.Device }):
		p.State = PhoneApproved
	case c.State == idp.ChallengeWrong:
		p.State = PhoneWrong
	default:
		p.State = PhoneExpired
	}
	return p, nil
}

// Word is the state in a word that changes when the page does.
func (p *PhoneStep) Word() string {
	return fmt.Sprintf("%s-%d-%d", p.State, len(p.Devices), p.sends)
}

// Word is the step in a word that changes when the page does. It tells nothing
// that the page does not.
func (s *Step) Word() string {
	word := string(s.State)
	switch {
	case s.Phones != nil:
		word += "-" + s.Phones.Word()
	case s.Enrol != nil:
		word += "-" + s.Enrol.Phase
	}
	return word
}

// Pulse says how a sign-in stands, in a word, and what wakes who waits for
// another. Errors: idp.ErrNotFound (also for another browser).
func (f *Flow) Pulse(ctx context.Context, id idp.LoginID, b Browser) (string, []idp.Topic, error) {
	s, err := f.Step(ctx, id, b)
	if err != nil {
		return "", nil, err
	}
	topics := []idp.Topic{idp.TopicLogin(id)}
	if s.Enrol != nil && s.Enrol.Pairing != "" {
		topics = append(topics, idp.TopicPairing(s.Enrol.Pairing))
	}
	return s.Word(), topics, nil
}
