package storetest

import (
	"errors"
	"testing"
	"time"

	"hilum/idp"
)

func (s *site) newTryout(u *idp.User, session *idp.Session) *idp.Tryout {
	t := &idp.Tryout{
		ID: idp.NewID[idp.TryoutID](), Of: "viewer", User: u.ID, Session: session.ID, Browser: session.Browser, State: idp.NewToken().Hash(), Nonce: idp.NewToken().Hash(),
		Secret: idp.NewToken().Hash(), Sealed: []byte("sealed"), RedirectURI: "https://idp.example/admin/try/callback", Again: true, CreatedAt: s.now, ExpiresAt: s.now.Add(idp.TryoutTTL),
	}
	t.Note(s.event(idp.EventTryoutStarted))
	return t
}

// A test's double is there while the test is, made of the application as it is;
// with its end goes all that it was given.
func tryouts(t *testing.T, s *site) {
	u := s.user("anna")
	session := s.newSession(u.ID, idp.NewToken().Hash())
	test := s.newTryout(u, session)
	s.is(s.AddTryout(s.ctx(), test), idp.ErrNotFound) // no such application
	s.ok(s.AddClient(s.ctx(), s.newClient("viewer")))
	test = s.newTryout(u, session)
	s.ok(s.AddTryout(s.ctx(), test))
	s.happened(idp.EventTryoutStarted, 1)
	got, err := s.Tryout(s.ctx(), test.ID)
	s.ok(err)
	same(t, got, test)
	got, err = s.TryoutByState(s.ctx(), test.State)
	s.ok(err)
	same(t, got, test)
	_, err = s.TryoutByState(s.ctx(), idp.TokenHash{})
	s.is(err, idp.ErrNotFound)
	_, err = s.Tryout(s.ctx(), "")
	s.is(err, idp.ErrNotFound)

	double, err := s.Client(s.ctx(), test.Client())
	s.ok(err)
	if double.Name != "Viewer (test)" || !double.Consent || len(double.Secrets) != 1 {
		t.Errorf("the double is %+v", double)
	}
	s.ok(s.UpdateClient(s.ctx(), "viewer", func(c *idp.Client) error { c.Consent = false; return nil }))
	if double, err = s.Client(s.ctx(), test.Client()); err != nil || double.Consent {
		t.Errorf("a rule that was changed: %+v (%v)", double, err)
	}
	for _, id := range []idp.ClientID{"other~" + idp.ClientID(test.ID), "viewer~", "~" + idp.ClientID(test.ID), "viewer~" + idp.ClientID(idp.NewID[idp.TryoutID]())} {
		_, err = s.Client(s.ctx(), id)
		s.is(err, idp.ErrNotFound)
	}
	all, err := s.Clients(s.ctx())
	s.ok(err)
	if len(all) != 1 {
		t.Errorf("%d applications are listed", len(all))
	}

	// A sign-in to the double.
	l := s.login(u.ID, idp.LoginDone)
	grant := s.newGrant(session)
	grant.Client = test.Client()
	code := s.newCode(grant)
	s.ok(s.Collect(s.ctx(), l.ID, func(c *idp.Collection) error {
		c.Session, c.Grant, c.Code = session, grant, code
		c.Consent = &idp.Consent{User: u.ID, Client: test.Client(), Scopes: []string{"openid"}, At: s.now}
		return nil
	}))
	issue := s.issue(grant.ID)
	s.ok(s.RedeemCode(s.ctx(), code.Hash, s.now, issue, s.event(idp.EventCodeRedeemed)))
	uses := func() int {
		list, err := s.SessionClients(s.ctx(), u.ID)
		s.ok(err)
		return len(list)
	}
	if uses() != 1 {
		t.Errorf("the session was used for %d", uses())
	}

	refused := errors.New("no")
	s.is(s.UpdateTryout(s.ctx(), test.ID, func(x *idp.Tryout) error { x.EndedAt = s.now; return refused }), refused)
	s.is(s.UpdateTryout(s.ctx(), "nothing", func(*idp.Tryout) error { return nil }), idp.ErrNotFound)
	if s.revoked(issue.Access.Hash) {
		t.Fatal("refused, and revoked")
	}
	s.ok(s.UpdateTryout(s.ctx(), test.ID, func(x *idp.Tryout) error {
		x.AnsweredAt, x.EndedAt, x.Result, x.Sealed = s.now, s.now, &idp.TryoutResult{Steps: []idp.TryoutStep{{Name: "signin", OK: true}}, IDToken: []byte(`{"sub":"x"}`)}, []byte{}
		x.Note(s.event(idp.EventTryoutEnded))
		return nil
	}))
	if !s.revoked(issue.Access.Hash) || uses() != 0 {
		t.Error("something that the double was given is left")
	}
	_, err = s.Consent(s.ctx(), u.ID, test.Client())
	s.is(err, idp.ErrNotFound)
	_, err = s.Client(s.ctx(), test.Client())
	s.is(err, idp.ErrNotFound)
	got, err = s.Tryout(s.ctx(), test.ID)
	s.ok(err)
	if got.Result == nil || !got.Result.OK() || string(got.Result.IDToken) != `{"sub":"x"}` || len(got.Sealed) != 0 {
		t.Errorf("kept %+v", got)
	}

	// One that nobody finishes is gone with its application, or swept.
	second := s.newTryout(u, session)
	s.ok(s.AddTryout(s.ctx(), second))
	s.ok(s.RemoveClient(s.ctx(), "viewer", s.event(idp.EventClientChanged)))
	_, err = s.Client(s.ctx(), second.Client())
	s.is(err, idp.ErrNotFound)
	s.ok(s.Sweep(s.ctx(), s.now.Add(idp.TryoutTTL+idp.TryoutKept-time.Second)))
	_, err = s.Tryout(s.ctx(), second.ID)
	s.ok(err)
	s.ok(s.Sweep(s.ctx(), s.now.Add(idp.TryoutTTL+idp.TryoutKept)))
	_, err = s.Tryout(s.ctx(), second.ID)
	s.is(err, idp.ErrNotFound)
	s.ok(s.VerifyEvents(s.ctx()))
}

func startAside(t *testing.T, s *site) {
	for _, want := range []time.Time{s.now, {}} {
		s.ok(s.PutStartAside(s.ctx(), want, s.event(idp.EventStartAside)))
		if at, err := s.StartAside(s.ctx()); err != nil || !at.Equal(want) {
			t.Errorf("put aside at %s (%v), want %s", at, err, want)
		}
	}
	s.happened(idp.EventStartAside, 2)
}

// Of many who bring the same answer one is taken.
func rivalsAnswer(_ *testing.T, c *contest) {
	const n = 40
	u := c.user("anna")
	c.ok(c.AddClient(c.ctx(), c.newClient("viewer")))
	test := c.newTryout(u, c.newSession(u.ID, idp.NewToken().Hash()))
	c.ok(c.AddTryout(c.ctx(), test))
	out := c.race(n, func(s Store, _ int) error {
		return s.UpdateTryout(c.ctx(), test.ID, func(x *idp.Tryout) error { return x.Answer(u.ID, test.Session, test.Browser, c.now) })
	})
	c.oneOf(out, n, idp.ErrSettled)
}
