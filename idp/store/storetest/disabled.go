package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"hilum/idp"
)

// gifts is how many each gives at most, before the application is disabled.
const gifts = 20

// rivalsDisabled has an application disabled, or deleted, at one instance while all give it grants,
// codes and tokens. Whoever begins after the answer gives nothing, and of what was given before
// nothing is good.
func rivalsDisabled(t *testing.T, c *contest) {
	u, other := c.user("anna"), c.user("berta")
	const app, portal = idp.ClientID("viewer"), idp.ClientID("portal")
	c.registered(portal)
	for round, end := range []func(Store) error{
		func(s Store) error {
			return s.UpdateClient(c.ctx(), app, func(c *idp.Client) error { c.Disabled = true; return nil })
		},
		func(s Store) error { return s.RemoveClient(c.ctx(), app, c.event(idp.EventClientChanged)) },
		func(s Store) error {
			return s.UpdateClient(c.ctx(), app, func(c *idp.Client) error { c.Disabled = true; return nil })
		},
	} {
		c.registered(app)
		c.ok(c.UpdateClient(c.ctx(), app, func(c *idp.Client) error { c.Disabled = false; return nil }))
		in, from := c.signIn(u), c.signIn(other)
		subject := c.newGrant(from.session)
		subject.Client = portal
		c.ok(c.AddGrant(c.ctx(), from.session, subject, c.newCode(subject)))
		givers := map[string]func(s Store) (given, error){
			"a session":  func(s Store) (given, error) { return c.bySession(s, in.session) },
			"a sign-in":  func(s Store) (given, error) { return c.byLogin(s, other.ID) },
			"a code":     func(s Store) (given, error) { return c.byCode(s, from.session) },
			"the client": func(s Store) (given, error) { return c.byItself(s, app) },
			"a token":    func(s Store) (given, error) { return c.byExchange(s, app, subject) },
			"a refresh":  c.refreshing(in.session),
			"a phone":    func(s Store) (given, error) { return c.byAnswer(s, u.ID) },
		}
		var mu sync.Mutex
		var all []given
		ended := make(chan struct{})
		var busy, load sync.WaitGroup
		busy.Add(len(givers) * len(c.all))
		for name, give := range givers {
			for _, s := range c.all {
				load.Go(func() {
					for n := 0; ; n++ {
						late := false
						if n == gifts { // so that who disables it is not kept from it: there is one writer to a file
							<-ended
						}
						select {
						case <-ended:
							late = true
						default:
						}
						g, err := give(s)
						if n == 0 {
							busy.Done()
						}
						switch {
						case c.comesAgain(err):
							continue
						case errors.Is(err, idp.ErrClientDisabled), errors.Is(err, idp.ErrExpired):
							return
						case err != nil:
							t.Errorf("round %d, by %s: %v", round, name, err)
							return
						case late:
							t.Errorf("round %d, by %s: given after the application was disabled", round, name)
							return
						}
						mu.Lock()
						all = append(all, g)
						mu.Unlock()
					}
				})
			}
		}
		busy.Wait() // all give
		for {
			err := end(c.all[round%len(c.all)])
			if c.comesAgain(err) {
				continue
			}
			if err != nil {
				t.Error(err)
			}
			break
		}
		close(ended)
		load.Wait()
		if t.Failed() {
			return
		}
		for _, g := range all {
			if !g.dead(t, c) {
				t.Fatalf("round %d: what was given by %s lives, of %d", round, g.by, len(all))
			}
		}
		t.Logf("round %d: %d times given before the end", round, len(all))
	}
}

// rivalsDisabledOrigin has the application disabled for whose tokens another one gets tokens: of
// those nothing is good afterwards.
func rivalsDisabledOrigin(t *testing.T, c *contest) {
	const app, portal = idp.ClientID("viewer"), idp.ClientID("portal")
	from := c.signIn(c.user("berta"))
	for range 4 {
		c.registered(portal)
		subject := c.newGrant(from.session)
		subject.Client = portal
		c.ok(c.AddGrant(c.ctx(), from.session, subject, c.newCode(subject)))
		var mu sync.Mutex
		var all []given
		const n = 12
		out := c.race(n, func(s Store, i int) error {
			if i == n/2 {
				return s.RemoveClient(c.ctx(), portal, c.event(idp.EventClientChanged))
			}
			g, err := c.byExchange(s, app, subject)
			if err == nil {
				mu.Lock()
				all = append(all, g)
				mu.Unlock()
			}
			return err
		})
		if out.won+out.kinds[idp.ErrExpired] != n {
			t.Fatalf("told %v", out.kinds)
		}
		for _, g := range all {
			if !g.dead(t, c) {
				t.Fatalf("a token lives that was got for one of an application that is gone, of %d", len(all))
			}
		}
	}
}

// given is a code, or an access token.
type given struct {
	by     string
	code   idp.TokenHash
	access idp.TokenHash
}

// dead reports whether the grant of what was given is revoked.
func (g given) dead(t *testing.T, c *contest) bool {
	t.Helper()
	if g.code.IsZero() {
		return c.revoked(g.access)
	}
	_, grant, err := c.Code(c.ctx(), g.code)
	c.ok(err)
	return !grant.RevokedAt.IsZero()
}

func (c *contest) bySession(s Store, session *idp.Session) (given, error) {
	own := *session
	g := c.newGrant(&own)
	code := c.newCode(g)
	return given{by: "a session", code: code.Hash}, s.AddGrant(c.ctx(), &own, g, code)
}

func (c *contest) byLogin(s Store, user idp.UserID) (given, error) {
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForClient, State: idp.LoginDone, Browser: idp.NewToken().Hash(),
		Request: idp.AuthRequest{Client: "viewer", Scopes: []string{"openid"}}, User: user, CreatedAt: c.now, ExpiresAt: c.now.Add(idp.LoginTTL),
	}
	if err := s.AddLogin(c.ctx(), l); err != nil {
		return given{}, err
	}
	var code *idp.Code
	err := s.Collect(c.ctx(), l.ID, func(into *idp.Collection) error {
		into.Session = c.newSession(user, l.Browser)
		into.Grant = c.newGrant(into.Session)
		code = c.newCode(into.Grant)
		into.Code = code
		return into.Login.Apply(idp.OnCollect, c.now)
	})
	if err != nil {
		return given{}, err
	}
	return given{by: "a sign-in", code: code.Hash}, nil
}

func (c *contest) byCode(s Store, session *idp.Session) (given, error) {
	own := *session
	g := c.newGrant(&own)
	code := c.newCode(g)
	if err := s.AddGrant(c.ctx(), &own, g, code); err != nil {
		return given{}, err
	}
	issue := c.issue(g.ID)
	return given{by: "a code", access: issue.Access.Hash}, s.RedeemCode(c.ctx(), code.Hash, c.now, issue, c.event(idp.EventCodeRedeemed))
}

// refreshing gives by a refresh token, each with the one of before, of a grant of its own at each
// instance.
func (c *contest) refreshing(session *idp.Session) func(Store) (given, error) {
	var mu sync.Mutex
	type kept struct {
		grant *idp.Grant
		token idp.TokenHash
	}
	of := map[Store]kept{}
	return func(s Store) (given, error) {
		mu.Lock()
		k, ok := of[s]
		mu.Unlock()
		own := *session
		var issue idp.Issue
		if !ok {
			k.grant = c.newGrant(&own)
			code := c.newCode(k.grant)
			if err := s.AddGrant(c.ctx(), &own, k.grant, code); err != nil {
				return given{}, err
			}
			issue = c.issue(k.grant.ID)
			if err := s.RedeemCode(c.ctx(), code.Hash, c.now, issue, c.event(idp.EventCodeRedeemed)); err != nil {
				return given{}, err
			}
		} else {
			issue = c.issue(k.grant.ID)
			if err := s.RotateRefresh(c.ctx(), k.token, c.now, 0, issue); err != nil {
				return given{}, err
			}
		}
		k.token = issue.Refresh.Hash
		mu.Lock()
		of[s] = k
		mu.Unlock()
		return given{by: "a refresh", access: issue.Access.Hash}, nil
	}
}

func (c *contest) byItself(s Store, app idp.ClientID) (given, error) {
	g := &idp.Grant{ID: idp.NewID[idp.GrantID](), Client: app, Scopes: []string{"read"}, CreatedAt: c.now, ExpiresAt: c.now.Add(time.Hour)}
	issue := c.issue(g.ID)
	issue.Refresh = nil
	return given{by: "the client", access: issue.Access.Hash}, s.AddTokens(c.ctx(), g, issue)
}

func (c *contest) byExchange(s Store, app idp.ClientID, subject *idp.Grant) (given, error) {
	g := *subject
	g.ID, g.Client, g.Origin, g.Actors, g.Journal = idp.NewID[idp.GrantID](), app, subject.Client, []string{string(app)}, idp.Journal{}
	issue := c.issue(g.ID)
	issue.Refresh = nil
	return given{by: "a token", access: issue.Access.Hash}, s.ExchangeTokens(c.ctx(), subject.ID, c.now, &g, issue)
}

// byAnswer gives by the answer of a phone, as to an application that asks without a browser.
func (c *contest) byAnswer(s Store, user idp.UserID) (given, error) {
	ch := &idp.Challenge{
		ID: idp.NewID[idp.ChallengeID](), Purpose: idp.ToStepUp, User: user, State: idp.ChallengePending, Mode: idp.MatchTap,
		CreatedAt: c.now, SentAt: c.now, ExpiresAt: c.now.Add(time.Minute),
	}
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForClient, State: idp.LoginFactor, Browser: idp.NewToken().Hash(),
		Request: idp.AuthRequest{Client: "viewer", Scopes: []string{"openid"}}, User: user, CreatedAt: c.now, ExpiresAt: c.now.Add(idp.LoginTTL),
	}
	ch.Login = l.ID
	if err := s.AddLogin(c.ctx(), l); err != nil {
		return given{}, err
	}
	err := s.Ask(c.ctx(), l.ID, idp.TokenHash{}, func(a *idp.Asking, _ bool) error {
		a.New = ch
		return nil
	})
	if err != nil {
		return given{}, err
	}
	var code *idp.Code
	err = s.Settle(c.ctx(), ch.ID, idp.Replay{}, func(a *idp.Asking) error {
		a.Challenge.State = idp.ChallengeTaken
		a.Session = c.newSession(user, l.Browser)
		a.Grant = c.newGrant(a.Session)
		code = c.newCode(a.Grant)
		a.Code = code
		return nil
	})
	if err != nil {
		return given{}, err
	}
	return given{by: "a phone", code: code.Hash}, nil
}

// disabledWaits has an application disabled while a code of it is exchanged: who disables it is
// answered when that has ended.
func disabledWaits(t *testing.T, s *site, other Store) {
	in := s.signIn(s.user("anna"))
	issue := s.issue(in.grant.ID)
	within := make(chan struct{})
	disabled := make(chan error, 1)
	var once sync.Once
	early := false
	issue.May = func(*idp.User) error {
		once.Do(func() {
			go func() {
				close(within)
				disabled <- other.UpdateClient(context.WithoutCancel(s.ctx()), "viewer", func(c *idp.Client) error { c.Disabled = true; return nil })
			}()
			<-within
			select {
			case err := <-disabled:
				early = true
				disabled <- err
			case <-time.After(300 * time.Millisecond):
			}
		})
		return nil
	}
	err := s.RedeemCode(s.ctx(), in.code.Hash, s.now, issue, s.event(idp.EventCodeRedeemed))
	s.ok(<-disabled)
	switch {
	case early:
		t.Fatal("an application was disabled while it was given tokens")
	case err != nil && !errors.Is(err, idp.ErrExpired): // run again, behind who disabled it
		t.Fatal(err)
	case err == nil && !s.revoked(issue.Access.Hash):
		t.Fatal("what was given lives")
	}
	s.is(s.AddTokens(s.ctx(), &idp.Grant{ID: "late", Client: "viewer", CreatedAt: s.now, ExpiresAt: s.now.Add(time.Hour)}, s.issue("late")), idp.ErrClientDisabled)
	s.is(s.AddTokens(s.ctx(), &idp.Grant{ID: "none", Client: "nobody", CreatedAt: s.now, ExpiresAt: s.now.Add(time.Hour)}, s.issue("none")), idp.ErrClientDisabled)
}
