package login

import (
	"context"
	"errors"
	"slices"
	"time"

	"hilum/idp"
)

// Authorize answers an authorization request that the door has validated: at
// once from a live session that satisfies it (Answer), or by beginning a
// sign-in (Step). With prompt=none it never begins one and returns
// ErrLoginRequired, ErrConsentRequired, ErrInteractionRequired or ErrNotAdmitted.
//
// What is written is bounded: by its session where there is one that lives, else
// by address, and what writes nothing is not. A viewer that asks in a loop uses
// up its own session's bound, not the address it shares with a hospital. Errors:
// idp.ErrTooMany as RetryError.
func (f *Flow) Authorize(ctx context.Context, req idp.AuthRequest, b Browser) (*Answer, *Step, error) {
	now := f.now()
	client, err := f.store.Client(ctx, req.Client)
	if err != nil {
		return nil, nil, err
	}
	s, err := f.live(ctx, b, now)
	if err != nil {
		return nil, nil, err
	}
	in := s != nil
	if in && f.perSession != nil {
		if after, ok := f.perSession(s.ID); !ok {
			return nil, nil, &idp.RetryError{Err: idp.ErrTooMany, After: after}
		}
	}
	if s, err = f.admitted(ctx, s, client, &req); err != nil {
		return nil, nil, err
	}
	why := satisfies(s, &req, now)
	if why == nil {
		var ask bool
		if ask, err = f.wantsConsent(ctx, client, &req, s.User); err != nil {
			return nil, nil, err
		}
		if ask {
			why = ErrConsentRequired
		}
	}
	if why == nil {
		answer, err := f.fromSession(ctx, req, s, client, b, now)
		if !errors.Is(err, idp.ErrSettled) {
			return answer, nil, err
		}
		s, why = nil, ErrLoginRequired // ended at this very moment
	}
	if req.Prompts("none") {
		return nil, nil, why
	}
	if !in && f.perAddress != nil {
		if after, ok := f.perAddress(b.Address); !ok {
			return nil, nil, &idp.RetryError{Err: idp.ErrTooMany, After: after}
		}
	}

	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForClient, State: idp.LoginPassword, Browser: b.ID, Request: req,
		AskConsent: client.Consent || req.Prompts("consent"), CreatedAt: now, ExpiresAt: now.Add(idp.LoginTTL),
	}
	if s != nil {
		l.Session = s.ID
		if errors.Is(why, ErrConsentRequired) {
			l.State, l.User, l.AuthTime, l.ACR, l.AMR = idp.LoginConsent, s.User, s.AuthTime, s.ACR, s.AMR
		} else if l.Request.LoginHint == "" && !req.Prompts("select_account") && (req.HintUser == "" || req.HintUser == s.User) {
			if a, err := f.store.Account(ctx, s.User); err == nil {
				l.Request.LoginHint = a.User.Name
			}
		}
	}
	if err := f.store.AddLogin(ctx, l); err != nil {
		return nil, nil, err
	}
	step, err := f.step(ctx, l)
	return nil, step, err
}

// live returns the live session of this very browser, or nil.
func (f *Flow) live(ctx context.Context, b Browser, now time.Time) (*idp.Session, error) {
	if b.Session == "" {
		return nil, nil
	}
	s, err := f.store.SessionByToken(ctx, b.Session.Hash())
	if errors.Is(err, idp.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if s.Live(now) != nil || s.Browser != b.ID {
		return nil, nil //nolint:nilerr // a session that has ended is as none
	}
	return s, nil
}

// admitted returns the session unless its person may not sign in to the
// client: then it is as none, so that somebody else can, and without a page the
// answer is ErrNotAdmitted.
func (f *Flow) admitted(ctx context.Context, s *idp.Session, client *idp.Client, req *idp.AuthRequest) (*idp.Session, error) {
	if s == nil || len(client.Groups) == 0 {
		return s, nil
	}
	a, err := f.store.Account(ctx, s.User)
	if err != nil {
		return nil, err
	}
	if client.Admits(&a.User) {
		return s, nil
	}
	if req.Prompts("none") {
		return nil, ErrNotAdmitted
	}
	return nil, nil
}

// satisfies returns nil when a session answers a request without the person:
// prompt, max_age and id_token_hint of OpenID Connect Core 1.0, section
// 3.1.2.1. Every session here is of two factors, so it meets every acr that
// can be met; other acr_values are wishes.
func satisfies(s *idp.Session, req *idp.AuthRequest, now time.Time) error {
	switch {
	case s == nil, req.Prompts("login"), req.Prompts("select_account"):
		return ErrLoginRequired
	case req.MaxAge != nil && (*req.MaxAge == 0 || now.Sub(s.AuthTime).Seconds() > float64(*req.MaxAge)):
		return ErrLoginRequired
	case req.HintUser != "" && req.HintUser != s.User:
		return ErrLoginRequired
	}
	return nil
}

// wantsConsent reports whether the person has to be asked: the client wants it
// and was not allowed all of this before, or the request insists.
func (f *Flow) wantsConsent(ctx context.Context, client *idp.Client, req *idp.AuthRequest, user idp.UserID) (bool, error) {
	if req.Prompts("consent") {
		return true, nil
	}
	if !client.Consent {
		return false, nil
	}
	c, err := f.store.Consent(ctx, user, client.ID)
	if errors.Is(err, idp.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(req.Scopes, func(s string) bool { return !slices.Contains(c.Scopes, s) }), nil
}

// fromSession answers without a page: one transaction, no sign-in.
func (f *Flow) fromSession(ctx context.Context, req idp.AuthRequest, s *idp.Session, client *idp.Client, b Browser, now time.Time) (*Answer, error) {
	seen := *s
	seen.LastSeenAt = now
	g, c, code := newGrant(&req, &seen, now)
	g.Note(idp.Event{
		At: now, Kind: idp.EventCodeIssued, Actor: idp.Actor{User: s.User}, User: s.User, Client: client.ID, Session: s.ID,
		Address: b.Address, Detail: map[string]string{"by": "session"},
	})
	if err := f.store.AddGrant(ctx, &seen, g, c); err != nil {
		return nil, err
	}
	return &Answer{Purpose: idp.ForClient, Request: req, Code: code}, nil
}

// newGrant makes the grant of one answer and its code.
func newGrant(req *idp.AuthRequest, s *idp.Session, now time.Time) (*idp.Grant, *idp.Code, idp.Secret) {
	g := &idp.Grant{
		ID: idp.NewID[idp.GrantID](), Client: req.Client, User: s.User, Session: s.ID, Scopes: req.Scopes, Nonce: req.Nonce,
		ACR: s.ACR, AMR: s.AMR, AuthTime: s.AuthTime, Claims: req.Claims, CreatedAt: now, ExpiresAt: s.ExpiresAt,
	}
	code := idp.NewToken()
	return g, &idp.Code{
		Hash: code.Hash(), Grant: g.ID, RedirectURI: req.RedirectURI, Challenge: req.Challenge, ExpiresAt: now.Add(idp.CodeTTL),
	}, code
}

// StartAccount begins a sign-in for our own pages.
func (f *Flow) StartAccount(ctx context.Context, target string, b Browser) (*Step, error) {
	now := f.now()
	return f.begin(ctx, b, &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForAccount, State: idp.LoginPassword, Browser: b.ID, Target: target,
		CreatedAt: now, ExpiresAt: now.Add(idp.LoginTTL),
	})
}

// StartStepUp begins a sign-in at the second factor within a live session.
func (f *Flow) StartStepUp(ctx context.Context, s *idp.Session, target string, b Browser) (*Step, error) {
	now := f.now()
	if err := s.Live(now); err != nil {
		return nil, err
	}
	step, err := f.begin(ctx, b, &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForStepUp, State: idp.LoginFactor, Browser: b.ID, Target: target,
		User: s.User, Session: s.ID, CreatedAt: now, ExpiresAt: now.Add(idp.LoginTTL),
	})
	if err != nil {
		return nil, err
	}
	return f.asked(ctx, step, b)
}

// begin keeps a new sign-in, with the session its browser has now: that one
// goes on when the same person comes out, and ends when another does.
func (f *Flow) begin(ctx context.Context, b Browser, l *idp.Login) (*Step, error) {
	if l.Session == "" {
		s, err := f.live(ctx, b, l.CreatedAt)
		if err != nil {
			return nil, err
		}
		if s != nil {
			l.Session = s.ID
		}
	}
	if err := f.store.AddLogin(ctx, l); err != nil {
		return nil, err
	}
	return f.step(ctx, l)
}
