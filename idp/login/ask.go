package login

import (
	"cmp"
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

// Why phones are not asked, where the person is told of no error: the code field is on
// the same page.
var (
	errNoPhone = errors.New("no phone to ask")
	errAsked   = errors.New("asked already")
)

// ask asks all linked phones of a person whether it is them who sign in, where they
// have any and the limits allow it. Where the limits do not that is no error, because
// the person can type a code; but where again says that they wished for another send,
// the error is idp.ErrTooMany as RetryError. Other errors: idp.ErrNotFound,
// ErrSettled, ErrExpired.
func (f *Flow) ask(ctx context.Context, id idp.LoginID, b Browser, again bool) error {
	l, err := f.own(ctx, id, b)
	if err != nil {
		return err
	}
	if err := waits(l, idp.LoginFactor, f.now()); err != nil {
		return err
	}
	account, err := f.store.Account(ctx, l.User)
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
	err := f.store.Ask(ctx, id, known(b), func(a *idp.Asking, known bool) error {
		sent = sending{}
		l, now := a.Login, f.now()
		if err := bound(l, b); err != nil {
			return err
		}
		if err := waits(l, idp.LoginFactor, now); err != nil {
			return err
		}
		if l.User != account.User.ID {
			return errNoPhone
		}
		app, err := f.asker(ctx, l)
		if err != nil {
			return err
		}
		if err := mayAsk(a, app.verify, again, now); err != nil {
			return err
		}
		allow, asked := limit.Prompts.Allow, limit.Prompts.Asked
		if known {
			allow, asked = limit.Prompts.AllowKnown, limit.Prompts.AskedKnown
		}
		if err := allow(a.Guard, l.Browser, b.Address, now); err != nil {
			return err
		}
		if isOpen(a.Challenge, now) {
			a.Challenge.SentAt = now
			sent.challenge = *a.Challenge
		} else {
			if err := f.compose(a, b, app, &account.User, known); err != nil {
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

// mayAsk returns nil where the sign-in may ask now, by its person's devices and by
// what it has asked before; verify says that a fingerprint or PIN is wanted, again says that the person wished for another send.
// Errors: errNoPhone; errAsked (an answer is waited for, or is there); idp.ErrTooMany
// as RetryError.
func mayAsk(a *idp.Asking, verify, again bool, now time.Time) error {
	l, c := a.Login, a.Challenge
	switch {
	case !slices.ContainsFunc(a.Devices, func(d idp.Device) bool { return asks(d, verify) }):
		return errNoPhone
	case l.Sends >= idp.MaxSends:
		return &idp.RetryError{Err: idp.ErrTooMany, After: l.ExpiresAt.Sub(now)}
	case c == nil:
		return nil
	case isOpen(c, now) && !again, isApproved(c, now):
		return errAsked
	}
	if !isOpen(c, now) {
		return nil // nothing waits for an answer that a new question could cross
	}
	if wait := c.SentAt.Add(idp.ResendAfter).Sub(now); again && wait > 0 {
		return &idp.RetryError{Err: idp.ErrTooMany, After: wait}
	}
	return nil
}

// asks reports whether a device is a phone that can be asked; verify: for an approval with
// a fingerprint or PIN.
func asks(d idp.Device, verify bool) bool {
	return d.Kind == idp.DeviceApp && d.State == idp.DeviceActive && (!verify || d.Verifies())
}

// isOpen reports whether a challenge, if there is one, can still be answered.
func isOpen(c *idp.Challenge, now time.Time) bool { return c != nil && c.Open(now) == nil }

// isApproved reports whether a challenge was approved and the browser can still
// move on by it.
func isApproved(c *idp.Challenge, now time.Time) bool {
	return c.State == idp.ChallengeApproved && now.Before(c.AnsweredAt.Add(idp.CollectTTL))
}

// compose makes a new challenge of a sign-in to app of a person. known says that they have
// finished a sign-in in the browser before. Errors: idp.ErrTooMany as RetryError.
func (f *Flow) compose(a *idp.Asking, b Browser, app *asker, u *idp.User, known bool) error {
	l, now := a.Login, f.now()
	pending, err := makeWay(a, now)
	if err != nil {
		return err
	}
	c := &idp.Challenge{
		ID: idp.NewID[idp.ChallengeID](), Purpose: idp.ToLogin, User: l.User, Login: l.ID, Browser: l.Browser, Address: b.Address,
		State: idp.ChallengePending, CreatedAt: now, SentAt: now, ExpiresAt: now.Add(idp.ChallengeTTL),
		Verify: app.verify,
	}
	if l.Purpose == idp.ForStepUp {
		c.Purpose = idp.ToStepUp
	}
	c.Mode = modeFor(l, app.match, known && pending == 0 && !limit.Prompts.Wary(a.Guard, now))
	doc := idp.ChallengeDoc{
		V: 1, CID: c.ID, Nonce: nonce(), Purpose: c.Purpose, Issuer: f.rules.Issuer, Account: u.Name, App: app.name, IP: b.Address,
		NewBrowser: !known, NewPassword: l.NewHash != "", At: now.Unix(), Exp: c.ExpiresAt.Unix(),
	}
	if f.describe != nil {
		doc.Browser, doc.OS = f.describe(b.Agent)
	}
	if f.network != nil {
		doc.Net = f.network(b.Address)
	}
	if f.place != nil {
		doc.Place = f.place(b.Address, cmp.Or(u.Locale, f.rules.Site().Language))
	}
	if f.act != nil && c.Purpose == idp.ToStepUp {
		doc.Act = f.act(l.Target, a.Devices, u.Locale)
	}
	if c.Verify {
		doc.Must = []string{idp.MustVerify}
	}
	c.Number, doc.Match = matching(c.Mode)
	c.Doc = doc.Text()
	a.New = c
	l.Challenge = c.ID
	return nil
}

// makeWay withdraws the challenges that the same browser has made for this person
// before, and returns how many others are open. Errors: idp.ErrTooMany as RetryError
// where that are idp.MaxPending.
func makeWay(a *idp.Asking, now time.Time) (pending int, err error) {
	var soonest time.Time
	for i := range a.Others {
		o := &a.Others[i]
		if o.Purpose == idp.ToPair {
			continue
		}
		if o.Browser == a.Login.Browser {
			if err := o.Apply(idp.OnWithdrawn); err != nil {
				return 0, err
			}
			limit.Prompts.TakenBack(a.Guard, o.Browser, o.CreatedAt, o.SentAt)
			continue
		}
		if pending++; soonest.IsZero() || o.ExpiresAt.Before(soonest) {
			soonest = o.ExpiresAt
		}
	}
	if pending >= idp.MaxPending {
		return 0, &idp.RetryError{Err: idp.ErrTooMany, After: soonest.Sub(now)}
	}
	return pending, nil
}

// asker is what a person signs in to, and how its sign-ins are approved on phones.
type asker struct {
	name   string        // that phones show
	match  idp.MatchMode // how an approval is matched to the browser
	verify bool          // it wants a fingerprint or PIN
}

// asker returns what the person signs in to. How its sign-ins are matched the application
// may set in place of the site; a fingerprint or PIN is wanted where either wants it.
// Errors: idp.ErrNotFound for the application.
func (f *Flow) asker(ctx context.Context, l *idp.Login) (*asker, error) {
	app := &asker{f.rules.Site().Name, f.rules.Match, f.rules.Verify}
	if l.Purpose != idp.ForClient {
		return app, nil
	}
	client, err := f.store.Client(ctx, l.Request.Client)
	if err != nil {
		return nil, err
	}
	if client.Match != "" && client.Match != idp.MatchAuto {
		app.match = client.Match
	}
	app.name, app.verify = client.Name, app.verify || client.Verify
	return app, nil
}

// modeFor decides how the approval on a phone is matched to the browser, by what the
// operator has set. Where that is idp.MatchAuto, or nothing, tap says that one tap
// will do: the browser is known, and nothing makes wary.
func modeFor(l *idp.Login, setting idp.MatchMode, tap bool) idp.MatchMode {
	mode := setting
	if setting == "" || setting == idp.MatchAuto {
		mode = idp.MatchType
		if tap {
			mode = idp.MatchTap
		}
	}
	// A new password, and a question before any password, are never one tap, nor
	// one of three: whatever the operator has chosen, a number crosses to the phone.
	if (l.NewHash != "" || l.State == idp.LoginFirst) && mode != idp.MatchStrict {
		mode = idp.MatchType
	}
	return mode
}

// matching draws the number that the browser shows in a mode, empty for a tap, and
// returns what the phone is told of it: never the number itself, so that the person
// has to look at the browser, at most that it is one of three.
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
	case idp.MatchTap, idp.MatchAuto: // what auto comes to was decided before
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

// draw returns one of 0 to n-1, each as likely.
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

// sending is which phones and browsers are told of a challenge, once it is stored.
type sending struct {
	challenge idp.Challenge
	devices   []idp.Device    // active devices of its person
	withdrawn []idp.Challenge // challenges that were withdrawn for it
}

// withdrawn returns those of a person's other challenges that are withdrawn.
func withdrawn(others []idp.Challenge) (list []idp.Challenge) {
	for _, o := range others {
		if o.State == idp.ChallengeWithdrawn {
			list = append(list, o)
		}
	}
	return list
}

// send wakes the browsers and open phones that wait for news of a challenge, and
// hands it to the push services for phones that sleep. It waits for none of them.
func (f *Flow) send(s sending) {
	topics := []idp.Topic{idp.TopicUser(s.challenge.User), idp.TopicLogin(s.challenge.Login)}
	for _, o := range s.withdrawn {
		topics = append(topics, idp.TopicLogin(o.Login))
		f.pushTo(idp.PushGone, &o, s.devices, "")
	}
	f.wake(topics...)
	f.pushTo(idp.PushLogin, &s.challenge, s.devices, "")
}

// pushTo hands one message about a challenge to the push services, for each phone
// among the devices that has given a push address, except the phone but. An address
// that cannot be read is logged.
func (f *Flow) pushTo(kind idp.PushKind, c *idp.Challenge, devices []idp.Device, but idp.DeviceID) {
	if f.push == nil {
		return
	}
	var out []idp.Push
	for i := range devices {
		d := &devices[i]
		if !asks(*d, c.Verify) || len(d.SealedPush) == 0 || d.ID == but {
			continue
		}
		plain, err := f.sealer.Open(d.SealedPush, idp.PushRow(d.ID))
		p := idp.Push{User: d.User, Device: d.ID, Tag: d.Tag(), Platform: d.Platform, Kind: kind, Challenge: c.ID, ExpiresAt: c.ExpiresAt}
		if err == nil {
			err = json.Unmarshal(plain, &p.Address)
		}
		if err != nil {
			f.log.Error("a push address cannot be read", "device", d.ID, "error", err)
			continue
		}
		out = append(out, p)
	}
	if len(out) > 0 {
		f.push(out...)
	}
}

// Resend asks the person's phones once more, at their wish, or, before the password,
// for the first time. Errors: idp.ErrTooMany as RetryError, ErrNotFound, ErrSettled,
// ErrExpired.
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

// withdraw withdraws a challenge whose answer the browser that asked does not wait
// for any more, at its person's wish, and tells the phones. It is a courtesy, and no
// error is returned: an answer would be refused all the same. The challenge does not
// count as one that was left unanswered (limit.PromptPolicy.TakenBack).
func (f *Flow) withdraw(ctx context.Context, id idp.ChallengeID) {
	if id == "" {
		return
	}
	var gone sending
	err := f.store.Settle(ctx, id, idp.Replay{}, func(a *idp.Asking) error {
		gone = sending{challenge: *a.Challenge, devices: a.Devices}
		if err := a.Challenge.Apply(idp.OnWithdrawn); err != nil {
			return err
		}
		limit.Prompts.TakenBack(a.Guard, a.Challenge.Browser, a.Challenge.CreatedAt, a.Challenge.SentAt)
		return nil
	})
	if err != nil {
		if !errors.Is(err, idp.ErrSettled) && !errors.Is(err, idp.ErrNotFound) {
			f.log.LogAttrs(ctx, slog.LevelWarn, "a challenge was not withdrawn", slog.Any("error", err))
		}
		return
	}
	f.wake(idp.TopicUser(gone.challenge.User))
	f.pushTo(idp.PushGone, &gone.challenge, gone.devices, "")
}
