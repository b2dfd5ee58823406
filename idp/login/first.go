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

// When strangers have typed a hundred wrong passwords for a name, no further
// password is compared for it from a browser that is not known. Whoever owns the
// account gives the second factor first there, and the password after it, so that
// strangers cannot lock the owner out. Tries from a known browser, by an invitation
// and within a session are counted apart, and see nothing of this.
//
// Nobody has proven anything yet at that point, so all of it is the same for a name
// that nobody has, else strangers could learn which names exist: the page, the
// number on it, how codes are counted. Where there is no phone to ask, or it may not
// be asked, the number shown is one that no phone is asked for.

// errFactorFirst says that no password is compared before a second factor was given.
var errFactorFirst = errors.New("the second factor comes first")

// factorFirst has a sign-in wait for the second factor of the account whose name was
// typed; a is nil where nobody has that name. key is what its wrong passwords are
// counted under. The password that was typed was not compared.
func (f *Flow) factorFirst(ctx context.Context, id idp.LoginID, b Browser, a *idp.Account, key idp.CounterKey) (*Step, error) {
	return f.move(ctx, id, b, func(l *idp.Login) error {
		if err := l.Apply(idp.OnClosed, f.now()); err != nil {
			return err
		}
		l.Who = key.Who
		if a != nil && a.User.State == idp.UserActive {
			l.User = a.User.ID
		}
		return nil
	})
}

// askFirst asks the phones of the account whose name was typed, within the limits of
// limit.Prompts, and always by a number: whoever wishes it may know nothing but the
// name. Where no phone may be asked a challenge is stored all the same that no phone
// is shown (decoy). Errors: idp.ErrTooMany as RetryError, the same for every name;
// ErrNotFound, ErrSettled, ErrExpired.
func (f *Flow) askFirst(ctx context.Context, l *idp.Login, b Browser) error {
	u := idp.User{}
	if l.User != "" {
		a, err := f.store.Account(ctx, l.User)
		if err != nil {
			return err
		}
		u = a.User
	}
	who := l.Who
	var sent sending
	err := f.store.Ask(ctx, l.ID, idp.TokenHash{}, func(a *idp.Asking, _ bool) error {
		sent = sending{}
		l, now := a.Login, f.now()
		if err := bound(l, b); err != nil {
			return err
		}
		if err := waits(l, idp.LoginFirst, now); err != nil {
			return err
		}
		if l.Who != who {
			return fmt.Errorf("sign-in %s is for another name by now: %w", l.ID, idp.ErrSettled)
		}
		if err := mayAskFirst(l, a.Challenge, now); err != nil {
			return err
		}
		app, err := f.asker(ctx, l)
		if err != nil {
			return err
		}
		l.Sends++
		may := slices.ContainsFunc(a.Devices, func(d idp.Device) bool { return asks(d, app.verify) }) && limit.Prompts.AllowFirst(a.Guard, l.Browser, b.Address, now) == nil
		err = f.compose(a, b, app, &u, false)
		if err != nil && !errors.Is(err, idp.ErrTooMany) {
			return err
		}
		if may && err == nil {
			limit.Prompts.AskedFirst(a.Guard, now)
			l.Note(f.event(idp.EventPhoneAsked, l, "", b, "mode", string(a.New.Mode), "cid", string(a.New.ID), "before", "password"))
			sent.challenge, sent.withdrawn, sent.devices = *a.New, withdrawn(a.Others), a.Devices
			return nil
		}
		return f.decoy(a, b, app)
	})
	switch {
	case errors.Is(err, errAsked):
		return nil
	case err == nil && sent.challenge.ID != "":
		f.send(sent)
	}
	return err
}

// mayAskFirst returns nil where the sign-in may ask now, by what it has asked
// before: old is its latest challenge, or nil, and is withdrawn where it is still
// open. Errors: errAsked (it was approved, and the browser can go on by it),
// idp.ErrTooMany as RetryError.
func mayAskFirst(l *idp.Login, old *idp.Challenge, now time.Time) error {
	if l.Sends >= idp.MaxSends {
		return &idp.RetryError{Err: idp.ErrTooMany, After: l.ExpiresAt.Sub(now)}
	}
	if old == nil {
		return nil
	}
	if wait := old.SentAt.Add(idp.ResendAfter).Sub(now); wait > 0 {
		return &idp.RetryError{Err: idp.ErrTooMany, After: wait}
	}
	switch {
	case isApproved(old, now):
		return errAsked
	case old.State == idp.ChallengePending:
		return old.Apply(idp.OnWithdrawn)
	}
	return nil
}

// decoy makes a challenge that belongs to nobody, so that no phone is shown it: the
// page with it looks as it does for a person whose phones are asked.
func (f *Flow) decoy(a *idp.Asking, b Browser, app *asker) error {
	others, guard := a.Others, a.Guard
	a.Others, a.Guard = nil, &idp.PushGuard{}
	err := f.compose(a, b, app, &idp.User{}, false)
	a.Others, a.Guard = others, guard
	if err != nil {
		return err
	}
	a.New.User = ""
	return nil
}

// firstPhones returns what the page shows of phones before the password: nothing
// that says whether the account, or a phone of it, exists.
func (f *Flow) firstPhones(ctx context.Context, l *idp.Login) (*PhoneStep, error) {
	p := &PhoneStep{State: PhoneReady, ResendAt: f.now(), sends: l.Sends}
	if l.Challenge == "" {
		return p, nil
	}
	c, err := f.store.Challenge(ctx, l.Challenge)
	if errors.Is(err, idp.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	p.show(c, f.now())
	if p.State == PhoneMoved && f.now().Before(c.ExpiresAt) {
		p.State = PhoneAsked // a question that nobody was asked is never withdrawn for another tab's, and looks the same
	}
	return p, nil
}

// Knows reports whether anybody has finished a sign-in in this browser, within
// idp.KnownFor.
func (f *Flow) Knows(ctx context.Context, b Browser) (bool, error) {
	token := known(b)
	if token.IsZero() {
		return false, nil
	}
	return f.store.KnownToAny(ctx, token)
}
