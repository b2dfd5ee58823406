package login

import (
	"context"
	"errors"
	"fmt"

	"hilum/idp"
)

// joined has a sign-in that still asks for proof go on by the session that its browser
// has got meanwhile, in another tab, where that session answers it: nobody is asked for a
// password and a phone once more for each tab that a browser has restored. It returns the
// row as it is then, the same one where there is no such session.
//
// The proof is the session cookie and the binding cookie together, as for a request that
// is answered from a session at once (Authorize), and the same rules hold: prompt, max_age
// and id_token_hint of the request, the groups that the client admits, its consent.
func (f *Flow) joined(ctx context.Context, l *idp.Login, b Browser) (*idp.Login, error) {
	s, err := f.fitting(ctx, l, b)
	if s == nil || err != nil {
		return l, err
	}
	ask := false
	if l.Purpose == idp.ForClient {
		client, err := f.store.Client(ctx, l.Request.Client)
		if err != nil {
			return nil, err
		}
		if ask, err = f.wantsConsent(ctx, client, &l.Request, s.User); err != nil {
			return nil, err
		}
	}
	var moved idp.Login
	var asked idp.ChallengeID
	err = f.store.UpdateLogin(ctx, l.ID, func(l *idp.Login) error {
		if err := bound(l, b); err != nil {
			return err
		}
		if !joins(l, s) {
			return errElsewhere
		}
		asked = l.Challenge
		l.AskConsent = ask
		if err := l.Apply(idp.OnSession, f.now()); err != nil {
			return err
		}
		l.User, l.Session, l.Device = s.User, s.ID, s.Device
		l.AuthTime, l.ACR, l.AMR = s.AuthTime, s.ACR, s.AMR
		moved = *l
		return nil
	})
	switch {
	case errors.Is(err, errElsewhere), errors.Is(err, idp.ErrSettled), errors.Is(err, idp.ErrExpired):
		return f.store.Login(ctx, l.ID) // another request was quicker
	case err != nil:
		return nil, err
	}
	f.withdraw(ctx, asked)
	return &moved, nil
}

// errElsewhere says that a sign-in has become another person's meanwhile.
var errElsewhere = errors.New("another person's by now")

// fitting returns the live session of a browser that answers a sign-in under way, or nil.
func (f *Flow) fitting(ctx context.Context, l *idp.Login, b Browser) (*idp.Session, error) {
	now := f.now()
	if l.Purpose != idp.ForClient && l.Purpose != idp.ForAccount || !l.Asks() || !now.Before(l.ExpiresAt) {
		return nil, nil
	}
	s, err := f.live(ctx, b, now)
	if s == nil || err != nil || !joins(l, s) {
		return nil, err
	}
	a, err := f.store.Account(ctx, s.User)
	if errors.Is(err, idp.ErrNotFound) || err == nil && a.User.State == idp.UserDisabled {
		return nil, nil
	}
	if err != nil || l.Purpose == idp.ForAccount {
		return s, err
	}
	client, err := f.store.Client(ctx, l.Request.Client)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, nil // the step says that the application was removed
	}
	if err != nil || satisfies(s, &l.Request, now) != nil || !client.Admits(&a.User) {
		return nil, err
	}
	return s, nil
}

// joins reports whether a session may be what a sign-in goes on by, as far as its row
// tells: it still asks for proof, what was proven in it is nobody else's, and the session's
// proof was given since it began. A session that was there before did not answer it then.
func joins(l *idp.Login, s *idp.Session) bool {
	return l.Asks() && l.NewHash == "" && (l.User == "" || l.User == s.User) && s.AuthTime.After(l.CreatedAt)
}

// Anew begins a sign-in with the request of one whose time was up before it was finished,
// so that a page that was left open overnight leads on. Errors: idp.ErrNotFound, also for
// another browser's and where the application was removed; idp.ErrSettled where its time is
// not up, or it was not a relying party's.
func (f *Flow) Anew(ctx context.Context, id idp.LoginID, b Browser) (*Step, error) {
	old, err := f.own(ctx, id, b)
	if err != nil {
		return nil, err
	}
	step, err := f.step(ctx, old, b)
	if err != nil {
		return nil, err
	}
	if step.State != idp.LoginExpired || step.Purpose != idp.ForClient {
		return nil, fmt.Errorf("sign-in %s is at %s: %w", id, step.State, idp.ErrSettled)
	}
	if _, err := f.store.Client(ctx, old.Request.Client); err != nil {
		return nil, err
	}
	// It is asked for since the old one began: a session that was made later answers it.
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForClient, State: idp.LoginPassword, Browser: b.ID, Request: old.Request,
		AskConsent: old.AskConsent, CreatedAt: old.CreatedAt, ExpiresAt: f.now().Add(idp.LoginTTL),
	}
	if _, err = f.begin(ctx, b, l); err != nil {
		return nil, err
	}
	return f.Step(ctx, l.ID, b)
}
