package storetest

import (
	"errors"
	"testing"
	"time"

	"hilum/idp"
)

// polledRequests: a request that its client polls for is found by its id and by the code of
// its person, gives one grant in the transaction that says so, or is denied with its sign-in,
// whichever is first; its pace is kept; so many of a client, and of an address, wait.
func polledRequests(t *testing.T, s *site) {
	u := s.user("anna")
	c := s.signIn(u)
	ask := func(client idp.ClientID, address, code string) *idp.Polled {
		p := &idp.Polled{
			ID: idp.PolledIDOf(idp.NewToken()), Type: idp.GrantDevice, Client: client, UserCode: []byte(code), Address: address, State: idp.PolledPending,
			Interval: idp.PollInterval, CreatedAt: s.now, ExpiresAt: s.now.Add(idp.PolledTTL),
		}
		p.Request = idp.AuthRequest{Client: client, Scopes: []string{"openid"}, Polled: p.ID}
		s.ok(s.AddPolled(s.ctx(), p))
		return p
	}
	p := ask("ct", "192.0.2.7", "one")
	for how, find := range map[string]func() (*idp.Polled, error){
		"id":   func() (*idp.Polled, error) { return s.Polled(s.ctx(), p.ID) },
		"code": func() (*idp.Polled, error) { return s.PolledByCode(s.ctx(), []byte("one")) },
	} {
		got, err := find()
		s.ok(err)
		if got.ID != p.ID || got.Type != idp.GrantDevice || got.Client != "ct" || got.Request.Polled != p.ID || got.Address != "192.0.2.7" || got.Interval != idp.PollInterval ||
			got.State != idp.PolledPending || !got.PolledAt.IsZero() || !got.ExpiresAt.Equal(p.ExpiresAt) {
			t.Errorf("by %s: %+v", how, got)
		}
	}
	_, err := s.Polled(s.ctx(), "nobody")
	s.is(err, idp.ErrNotFound)
	for _, code := range []string{"two", ""} {
		_, err = s.PolledByCode(s.ctx(), []byte(code))
		s.is(err, idp.ErrNotFound)
	}
	again := *p
	again.ID = "another"
	s.is(s.AddPolled(s.ctx(), &again), idp.ErrConflict) // two people must not have one code
	ask("ct", "192.0.2.7", "")                          // one without a code
	ask("ct", "192.0.2.7", "")                          // and another

	// The pace is kept; what fn refuses is not.
	s.ok(s.UpdatePolled(s.ctx(), p.ID, func(p *idp.Polled) error {
		p.Interval, p.PolledAt = 10*time.Second, s.now
		return nil
	}))
	s.is(s.UpdatePolled(s.ctx(), p.ID, func(p *idp.Polled) error { p.Interval = time.Hour; return idp.ErrDenied }), idp.ErrDenied)
	got, err := s.Polled(s.ctx(), p.ID)
	s.ok(err)
	if got.Interval != 10*time.Second || !got.PolledAt.Equal(s.now) {
		t.Errorf("%+v", got)
	}

	// A yes is given once, and makes a grant that names its type.
	yes := func(p *idp.Polled, at time.Time) error {
		g := *c.grant
		g.ID, g.Type, g.CreatedAt = idp.NewID[idp.GrantID](), idp.GrantDevice, at
		return s.AddGrant(s.ctx(), c.session, &g, &idp.Code{Hash: p.ID.Hash(), Grant: g.ID, Polled: p.ID, ExpiresAt: s.now.Add(time.Hour)})
	}
	s.ok(yes(p, s.now))
	s.is(yes(p, s.now), idp.ErrExpired)
	_, g, err := s.Code(s.ctx(), p.ID.Hash())
	s.ok(err)
	if g.Type != idp.GrantDevice {
		t.Errorf("the grant has the type %q", g.Type)
	}
	late := ask("ct", "192.0.2.7", "late")
	s.is(yes(late, late.ExpiresAt), idp.ErrExpired)
	if _, _, err := s.Code(s.ctx(), late.ID.Hash()); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("too late, and there is a code: %v", err)
	}

	// A no comes with the sign-in; after a yes it changes nothing, nor a yes after it.
	denied := ask("ct", "192.0.2.7", "denied")
	for _, p := range []*idp.Polled{p, denied} {
		l := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForClient, State: idp.LoginConsent, User: u.ID, Request: p.Request, CreatedAt: s.now, ExpiresAt: s.now.Add(time.Hour)}
		s.ok(s.AddLogin(s.ctx(), l))
		s.ok(s.UpdateLogin(s.ctx(), l.ID, func(l *idp.Login) error { return l.Apply(idp.OnRefuse, s.now) }))
	}
	for p, want := range map[*idp.Polled]idp.PolledState{p: idp.PolledApproved, denied: idp.PolledDenied} {
		if got, err := s.Polled(s.ctx(), p.ID); err != nil || got.State != want {
			t.Errorf("%+v, %v, not %s", got, err, want)
		}
	}
	s.is(yes(denied, s.now), idp.ErrExpired)

	// So many wait: of an address, and elsewhere there is room.
	for range idp.MaxPolledFrom {
		ask("busy", "192.0.2.8", "")
	}
	more := &idp.Polled{ID: "more", Type: idp.GrantCIBA, Client: "busy", Address: "192.0.2.8", State: idp.PolledPending, CreatedAt: s.now, ExpiresAt: s.now.Add(time.Minute)}
	s.is(s.AddPolled(s.ctx(), more), idp.ErrTooMany)
	ask("busy", "192.0.2.9", "")
	ask("ct", "192.0.2.8", "")

	s.ok(s.Sweep(s.ctx(), p.ExpiresAt.Add(idp.PolledKept-time.Second)))
	_, err = s.Polled(s.ctx(), p.ID)
	s.ok(err)
	s.ok(s.Sweep(s.ctx(), p.ExpiresAt.Add(idp.PolledKept)))
	_, err = s.Polled(s.ctx(), p.ID)
	s.is(err, idp.ErrNotFound)
}
