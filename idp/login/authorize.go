package login

import (
	"context"
	"errors"
	"slices"
	"time"

	"hilum/idp"
)

// Authorize answers an authorization request that the door has validated (OpenID
// Connect Core 1.0, section 3.1.2.2): at once where the browser has a live session
// that satisfies the request (Answer), else by beginning a sign-in (Step). With
// prompt=none it begins none.
//
// Requests that write to the database are bounded: by the session where a live one
// comes with them (Config.PerSession), else by client address (Config.PerAddress). A
// viewer that asks in a loop uses up the bound of its own session, not that of the
// address it shares with a whole hospital.
//
// Errors: with prompt=none ErrLoginRequired, ErrConsentRequired or ErrNotAdmitted;
// idp.ErrTooMany as RetryError; idp.ErrNotFound for the client; idp.ErrReplayed where the
// request was pushed and has given a code before.
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
		AskConsent: client.Consent || req.Prompts("consent") || idp.Emergency(req.Scopes), CreatedAt: now, ExpiresAt: now.Add(idp.LoginTTL),
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
	step, err := f.step(ctx, l, b)
	return nil, step, err
}

// live returns the live session of this browser, or nil. A session cookie that
// was given to another browser is as none.
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

// admitted returns the session s where its person may sign in to the client, by
// the groups that the client admits. Where they may not it returns nil, so that
// somebody else can sign in, and with prompt=none ErrNotAdmitted.
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

// satisfies returns nil when a session answers a request without the person, by
// prompt, max_age and id_token_hint (OpenID Connect Core 1.0, section 3.1.2.1), else
// ErrLoginRequired. acr_values are voluntary claims there, and every session here is
// of two factors, so each meets the one class that is offered (idp.ACRValues).
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

// wantsConsent reports whether the person has to be asked for consent: the request
// says prompt=consent, or claims an emergency, which nobody but the person can, each time; or the client is registered to ask and the person has not
// allowed it all requested scopes, all claims asked by name and all resources, before. Having allowed a
// scope once says nothing of a claim that is asked by name without it: the page named neither.
func (f *Flow) wantsConsent(ctx context.Context, client *idp.Client, req *idp.AuthRequest, user idp.UserID) (bool, error) {
	if req.Prompts("consent") || idp.Emergency(req.Scopes) {
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
	lacks := func(has []string) func(string) bool {
		return func(s string) bool { return !slices.Contains(has, s) }
	}
	return slices.ContainsFunc(req.Scopes, lacks(c.Scopes)) || slices.ContainsFunc(req.Named, lacks(c.Claims)) || slices.ContainsFunc(req.Resources, lacks(c.Resources)), nil
}

// fromSession answers a request from a live session, without a page, in one
// transaction. Errors: idp.ErrSettled when the session has ended meanwhile.
func (f *Flow) fromSession(ctx context.Context, req idp.AuthRequest, s *idp.Session, client *idp.Client, b Browser, now time.Time) (*Answer, error) {
	seen := *s
	seen.LastSeenAt = now
	g, c, code := newGrant(&req, &seen, now)
	g.Note(idp.Event{
		At: now, Kind: idp.EventCodeIssued, Actor: idp.Actor{User: s.User}, User: s.User, Client: client.ID, Session: s.ID,
		Address: b.Address, Detail: map[string]string{"by": "session"},
	}.WithPurpose(req.Scopes))
	if err := f.store.AddGrant(ctx, &seen, g, c); err != nil {
		return nil, err
	}
	return &Answer{Purpose: idp.ForClient, Request: req, Code: code}, nil
}

// newGrant makes the grant that answers a request from a session, and its
// authorization code: the row, and the code itself, of which the row has the hash.
func newGrant(req *idp.AuthRequest, s *idp.Session, now time.Time) (*idp.Grant, *idp.Code, idp.Secret) {
	g := &idp.Grant{
		ID: idp.NewID[idp.GrantID](), Client: req.Client, User: s.User, Session: s.ID, Scopes: req.Scopes, Nonce: req.Nonce,
		ACR: s.ACR, AMR: s.AMR, AuthTime: s.AuthTime, Claims: req.Claims, CreatedAt: now, ExpiresAt: s.ExpiresAt, Resources: req.Resources, Study: req.Study,
	}
	code := idp.NewToken()
	return g, &idp.Code{
		Hash: code.Hash(), Grant: g.ID, RedirectURI: req.RedirectURI, Challenge: req.Challenge, ExpiresAt: now.Add(idp.CodeTTL), Pushed: req.Pushed, JKT: req.JKT,
	}, code
}

// StartAccount begins a sign-in for the provider's own pages; target is the name
// of the page that comes after, which its door gives and reads (page.Route.Name).
func (f *Flow) StartAccount(ctx context.Context, target string, b Browser) (*Step, error) {
	now := f.now()
	return f.begin(ctx, b, &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForAccount, State: idp.LoginPassword, Browser: b.ID, Target: target,
		CreatedAt: now, ExpiresAt: now.Add(idp.LoginTTL),
	})
}

// StartStepUp begins a sign-in at the second factor, within a live session whose
// factor is not fresh enough for the page at target, and asks the person's phones. held is
// what the door wants back when the factor was given (Answer.Held), kept sealed; nil:
// nothing. Errors: idp.ErrExpired or ErrSettled when the session does not live.
func (f *Flow) StartStepUp(ctx context.Context, s *idp.Session, target string, held []byte, b Browser) (*Step, error) {
	now := f.now()
	if err := s.Live(now); err != nil {
		return nil, err
	}
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForStepUp, State: idp.LoginFactor, Browser: b.ID, Target: target,
		User: s.User, Session: s.ID, CreatedAt: now, ExpiresAt: now.Add(idp.LoginTTL),
	}
	if len(held) > 0 {
		var err error
		if l.Held, err = f.sealer.Seal(held, idp.HeldRow(l.ID)); err != nil {
			return nil, err
		}
	}
	step, err := f.begin(ctx, b, l)
	if err != nil {
		return nil, err
	}
	return f.asked(ctx, step, b)
}

// begin stores a new sign-in, with the live session that its browser has now: when
// the same person signs in that session goes on, when another does it ends.
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
	return f.step(ctx, l, b)
}
