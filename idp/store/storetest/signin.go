package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"hilum/idp"
)

func logins(t *testing.T, s *site) {
	u := s.user("anna")
	l := s.login("", idp.LoginPassword)
	got, err := s.Login(s.ctx(), l.ID)
	s.ok(err)
	same(t, got, l)
	s.is(s.AddLogin(s.ctx(), l), idp.ErrConflict)

	l.State, l.User, l.Session, l.Invitation, l.NewName, l.NewDisplay = idp.LoginConsent, u.ID, "sid", "inv", "new", "New"
	l.Pairing, l.NewHash, l.WrongCodes, l.AskConsent, l.Consented = "pair", "phc", 3, true, true
	l.PasswordAt, l.FactorAt, l.AuthTime = s.now.Add(time.Second), s.now.Add(time.Minute), s.now.Add(time.Hour)
	l.ACR, l.AMR, l.Device, l.Target = idp.ACRMultiFactor, []string{"pwd", "otp"}, "dev", "/account"
	l.Held = []byte("sealed")
	s.ok(s.UpdateLogin(s.ctx(), l.ID, func(into *idp.Login) error {
		*into = *l
		into.Note(s.event(idp.EventPasswordRight))
		into.Note(s.event(idp.EventFactorRight))
		return nil
	}))
	got, err = s.Login(s.ctx(), l.ID)
	s.ok(err)
	same(t, got, l)
	s.happened(idp.EventLoginDenied, 1)
	s.happened(idp.EventPasswordRight, 1)
	s.happened(idp.EventFactorRight, 1)

	_, err = s.Login(s.ctx(), "nothing")
	s.is(err, idp.ErrNotFound)
	s.is(s.UpdateLogin(s.ctx(), "nothing", func(*idp.Login) error { return nil }), idp.ErrNotFound)

	account := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForAccount, State: idp.LoginPassword, Target: "/account/devices",
		Request: idp.AuthRequest{HintUser: u.ID}, CreatedAt: s.now, ExpiresAt: s.now.Add(idp.LoginTTL)}
	s.ok(s.AddLogin(s.ctx(), account))
	got, err = s.Login(s.ctx(), account.ID)
	s.ok(err)
	same(t, got, account)
}

func proofByCode(t *testing.T, s *site) {
	u := s.user("anna")
	d, err := s.device(u.ID)
	s.ok(err)
	s.ok(s.SetRecoveryCodes(s.ctx(), u.ID, s.recoveryCodes(u.ID), idp.Within{}, s.event(idp.EventRecoveryMade)))
	l := s.login(u.ID, idp.LoginFactor)
	key := idp.CounterKey{Kind: idp.CountCodes, Who: string(u.ID)}

	// A wrong code: no error, and everything that was noted stays.
	s.ok(s.UpdateProof(s.ctx(), l.ID, idp.CountCodes, "", func(p *idp.Proof) error {
		if p.Counter.Key != key || p.Counter.InARow != 0 || len(p.Devices) != 1 || p.Login.ID != l.ID {
			return fmt.Errorf("was given %+v", p)
		}
		p.Counter.InARow, p.Counter.Burst, p.Counter.BurstAt = 1, 1, s.now
		p.Counter.Day, p.Counter.DayAt, p.Counter.Month, p.Counter.MonthAt = 2, s.now, 3, s.now
		p.Counter.NextAt, p.Counter.FactorFirst = s.now.Add(time.Second), true
		p.Login.WrongCodes = 1
		p.Login.Note(s.event(idp.EventCodeWrong))
		return nil
	}))
	c, err := s.Counter(s.ctx(), key)
	s.ok(err)
	same(t, c, &idp.Counter{Key: key, InARow: 1, Burst: 1, BurstAt: s.now, Day: 2, DayAt: s.now, Month: 3, MonthAt: s.now,
		NextAt: s.now.Add(time.Second), FactorFirst: true})

	s.ok(s.UpdateProof(s.ctx(), l.ID, idp.CountCodes, "", func(p *idp.Proof) error {
		if p.Login.WrongCodes != 1 || p.Counter.InARow != 1 {
			return fmt.Errorf("was given %+v", p)
		}
		p.Counter.InARow, p.Counter.FactorFirst = 0, false
		p.Devices[0].LastStep, p.Devices[0].Drift, p.Devices[0].LastUsedAt = 200, 1, s.now
		return p.Login.Apply(idp.OnFactor, s.now)
	}))
	list, err := s.Devices(s.ctx(), u.ID)
	s.ok(err)
	d.LastStep, d.Drift, d.LastUsedAt = 200, 1, s.now
	same(t, &list[0], d)
	s.happened(idp.EventCodeWrong, 1)

	refused := errors.New("refused")
	s.is(s.UpdateProof(s.ctx(), l.ID, idp.CountCodes, "", func(p *idp.Proof) error {
		p.Devices[0].LastStep, p.Counter.InARow = 300, 9
		return refused
	}), refused)
	list, err = s.Devices(s.ctx(), u.ID)
	s.ok(err)
	same(t, &list[0], d)
	s.is(s.UpdateProof(s.ctx(), "nothing", idp.CountCodes, "", func(*idp.Proof) error { return nil }), idp.ErrNotFound)
}

func burntStep(_ *testing.T, s *site) {
	u := s.user("anna")
	d, err := s.device(u.ID)
	s.ok(err)
	s.ok(s.UpdateDevice(s.ctx(), u.ID, d.ID, idp.Replay{}, func(d *idp.Device) error { d.LastStep = 500; return nil }))
	s.is(s.UpdateDevice(s.ctx(), u.ID, d.ID, idp.Replay{}, func(d *idp.Device) error { d.LastStep = 499; return nil }), idp.ErrCodeUsed)
	l := s.login(u.ID, idp.LoginFactor)
	s.is(s.UpdateProof(s.ctx(), l.ID, idp.CountCodes, "", func(p *idp.Proof) error { p.Devices[0].LastStep = 1; return nil }), idp.ErrCodeUsed)
}

func proofByRecovery(t *testing.T, s *site) {
	u := s.user("anna")
	s.ok(s.SetRecoveryCodes(s.ctx(), u.ID, s.recoveryCodes(u.ID), idp.Within{}, s.event(idp.EventRecoveryMade)))
	l := s.login(u.ID, idp.LoginFactor)
	for left := 10; left > 8; left-- {
		s.ok(s.UpdateProof(s.ctx(), l.ID, idp.CountRecovery, "", func(p *idp.Proof) error {
			if len(p.Recovery) != left {
				return fmt.Errorf("%d codes", len(p.Recovery))
			}
			p.Recovery[3].UsedAt = s.now
			return nil
		}))
	}
	n, err := s.RecoveryLeft(s.ctx(), u.ID)
	s.ok(err)
	if n != 8 {
		t.Fatalf("%d left", n)
	}
}

func proofByPassword(t *testing.T, s *site) {
	l := s.login("", idp.LoginPassword)
	s.ok(s.UpdateProof(s.ctx(), l.ID, idp.CountPasswords, "mac-of-a-name", func(p *idp.Proof) error {
		p.Counter.InARow++
		p.Login.Note(s.event(idp.EventPasswordWrong))
		return nil
	}))
	c, err := s.Counter(s.ctx(), idp.CounterKey{Kind: idp.CountPasswords, Who: "mac-of-a-name"})
	s.ok(err)
	if c.InARow != 1 {
		t.Fatalf("counted %d", c.InARow)
	}
	// Of nobody there is nothing to count, but the sign-in can be looked at.
	s.ok(s.UpdateProof(s.ctx(), l.ID, idp.CountPasswords, "", func(p *idp.Proof) error {
		if !reflect.DeepEqual(*p.Counter, idp.Counter{Key: idp.CounterKey{Kind: idp.CountPasswords}}) {
			t.Errorf("nobody's counter is %+v", p.Counter)
		}
		return nil
	}))
	s.is(s.UpdateProof(s.ctx(), l.ID, idp.CountPasswords, "", func(p *idp.Proof) error {
		p.Counter.InARow++
		return nil
	}), idp.ErrInvalid)
	s.happened(idp.EventPasswordWrong, 1)
}

func counters(t *testing.T, s *site) {
	u := s.user("anna")
	key := idp.CounterKey{Kind: idp.CountPasswords, Who: string(u.ID)}
	c, err := s.Counter(s.ctx(), key)
	s.ok(err)
	same(t, c, &idp.Counter{Key: key})
	e := s.event(idp.EventPasswordWrong)
	for range 3 {
		s.ok(s.UpdateCounter(s.ctx(), key, &e, func(c *idp.Counter) error { c.InARow++; return nil }))
	}
	s.ok(s.UpdateCounter(s.ctx(), key, nil, func(c *idp.Counter) error { c.Burst++; return nil }))
	refused := errors.New("no")
	s.is(s.UpdateCounter(s.ctx(), key, &e, func(c *idp.Counter) error { c.InARow = 99; return refused }), refused)
	c, err = s.Counter(s.ctx(), key)
	s.ok(err)
	if c.InARow != 3 || c.Burst != 1 {
		t.Fatalf("counted %+v", c)
	}
	s.happened(idp.EventPasswordWrong, 3)
	// What is noted on a counter is told though the counter stays as it was.
	s.ok(s.UpdateCounter(s.ctx(), key, nil, func(c *idp.Counter) error { c.Note(s.event(idp.EventLocked)); return nil }))
	s.happened(idp.EventLocked, 1)
	s.ok(s.ClearCounters(s.ctx(), u.ID, s.event(idp.EventUserUnlocked)))
	c, err = s.Counter(s.ctx(), key)
	s.ok(err)
	same(t, c, &idp.Counter{Key: key})
	s.happened(idp.EventUserUnlocked, 1)
}

func collect(t *testing.T, s *site) {
	u := s.user("anna")
	c := s.signIn(u)
	got, err := s.SessionByToken(s.ctx(), c.session.Token)
	s.ok(err)
	same(t, got, c.session)
	code, grant, err := s.Code(s.ctx(), c.code.Hash)
	s.ok(err)
	same(t, code, c.code)
	same(t, grant, c.grant)
	l, err := s.Login(s.ctx(), c.login.ID)
	s.ok(err)
	if l.State != idp.LoginCollected {
		t.Fatalf("the sign-in is %s", l.State)
	}
	of, err := s.SessionClients(s.ctx(), u.ID)
	s.ok(err)
	same(t, of, []idp.SessionClient{{Session: c.session.ID, Client: "viewer", FirstAt: s.now, LastAt: s.now}})

	err = s.Collect(s.ctx(), c.login.ID, func(c *idp.Collection) error { return c.Login.Apply(idp.OnCollect, s.now) })
	s.is(err, idp.ErrSettled)
	s.is(s.Collect(s.ctx(), "nothing", func(*idp.Collection) error { return nil }), idp.ErrNotFound)
	_, err = s.SessionByToken(s.ctx(), idp.TokenHash{})
	s.is(err, idp.ErrNotFound)
	_, _, err = s.Code(s.ctx(), idp.TokenHash{})
	s.is(err, idp.ErrNotFound)
}

// signInWithin begins a sign-in in the browser of a session.
func (s *site) signInWithin(of *collected) *idp.Login {
	s.t.Helper()
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForStepUp, State: idp.LoginDone, Browser: of.session.Browser, Session: of.session.ID,
		User: of.user.ID, CreatedAt: s.now, ExpiresAt: s.now.Add(idp.LoginTTL),
	}
	s.ok(s.AddLogin(s.ctx(), l))
	return l
}

func collectAgain(t *testing.T, s *site) {
	u := s.user("anna")
	first, issue := s.redeemed(u)
	// A step-up: the session goes on under a new cookie value.
	token := idp.NewToken().Hash()
	s.ok(s.Collect(s.ctx(), s.signInWithin(first).ID, func(c *idp.Collection) error {
		if c.Old == nil {
			return errors.New("the live session was not given")
		}
		c.Old.Token, c.Old.FactorAt = token, s.now.Add(time.Minute)
		c.Old.Note(s.event(idp.EventFactorRight))
		return c.Login.Apply(idp.OnCollect, s.now)
	}))
	_, err := s.SessionByToken(s.ctx(), first.session.Token)
	s.is(err, idp.ErrNotFound)
	got, err := s.SessionByToken(s.ctx(), token)
	s.ok(err)
	first.session.Token, first.session.FactorAt = token, s.now.Add(time.Minute)
	same(t, got, first.session)
	if s.revoked(issue.Access.Hash) {
		t.Fatal("a step-up revoked a grant")
	}
	// Another sign-in ends it: its grants go with it.
	next := s.newSession(u.ID, first.session.Browser)
	s.ok(s.Collect(s.ctx(), s.signInWithin(first).ID, func(c *idp.Collection) error {
		c.Old.EndedAt = s.now
		c.Session = next
		return c.Login.Apply(idp.OnCollect, s.now)
	}))
	if !s.revoked(issue.Access.Hash) {
		t.Fatal("a session ended and its grant lives")
	}
	// What has ended is not given again.
	s.ok(s.Collect(s.ctx(), s.signInWithin(first).ID, func(c *idp.Collection) error {
		if c.Old != nil {
			return errors.New("a session that has ended was given")
		}
		return c.Login.Apply(idp.OnCollect, s.now)
	}))
	s.happened(idp.EventFactorRight, 1)
}

func collectStranger(_ *testing.T, s *site) {
	first := s.signIn(s.user("anna"))
	l := s.signInWithin(first)
	s.ok(s.UpdateLogin(s.ctx(), l.ID, func(l *idp.Login) error { l.Browser = idp.NewToken().Hash(); return nil }))
	s.ok(s.Collect(s.ctx(), l.ID, func(c *idp.Collection) error {
		if c.Old != nil {
			return errors.New("another browser's session was given")
		}
		return nil
	}))
}

func grantFromSession(t *testing.T, s *site) {
	u := s.user("anna")
	c := s.signIn(u)
	seen := *c.session
	seen.LastSeenAt = s.now.Add(time.Minute)
	g := s.newGrant(&seen)
	g.Client, g.CreatedAt = "archive", seen.LastSeenAt
	s.registered(g.Client)
	g.Note(s.event(idp.EventCodeIssued))
	code := s.newCode(g)
	s.ok(s.AddGrant(s.ctx(), &seen, g, code))
	_, got, err := s.Code(s.ctx(), code.Hash)
	s.ok(err)
	same(t, got, g)
	session, err := s.SessionByToken(s.ctx(), c.session.Token)
	s.ok(err)
	same(t, session, &seen)
	of, err := s.SessionClients(s.ctx(), u.ID)
	s.ok(err)
	if len(of) != 2 || of[0].Client != "archive" {
		t.Fatalf("session clients %+v", of)
	}
	s.happened(idp.EventCodeIssued, 1)

	_, err = s.CutOff(s.ctx(), idp.CutOff{User: u.ID, Cause: idp.CutEndedAll, Because: s.event(idp.EventSessionEnded)})
	s.ok(err)
	late := s.newGrant(&seen)
	s.is(s.AddGrant(s.ctx(), &seen, late, s.newCode(late)), idp.ErrSettled)
	stranger := seen
	stranger.ID = "nothing"
	s.is(s.AddGrant(s.ctx(), &stranger, late, s.newCode(late)), idp.ErrSettled)
}

func sessions(t *testing.T, s *site) {
	u := s.user("anna")
	a, issueA := s.redeemed(u)
	s.now = s.now.Add(time.Second)
	b, issueB := s.redeemed(u)
	other, issueOther := s.redeemed(s.user("berta"))

	at := s.now.Add(10 * time.Minute)
	s.ok(s.TouchSession(s.ctx(), a.session.ID, at))
	s.ok(s.TouchSession(s.ctx(), a.session.ID, s.now)) // late: does not turn time back
	live, err := s.Sessions(s.ctx(), u.ID, s.now)
	s.ok(err)
	if len(live) != 2 || live[0].ID != b.session.ID || !live[1].LastSeenAt.Equal(at) {
		t.Fatalf("live %+v", live)
	}
	// Idle ones are not shown; their tokens may be good, so they can be ended.
	live, err = s.Sessions(s.ctx(), u.ID, s.now.Add(65*time.Minute))
	s.ok(err)
	if len(live) != 1 || live[0].ID != a.session.ID {
		t.Fatalf("live later %+v", live)
	}
	ended, err := s.CutOff(s.ctx(), idp.CutOff{User: u.ID, Cause: idp.CutEndedOthers, Session: a.session.ID, Because: s.event(idp.EventSessionEnded)})
	s.ok(err)
	if len(ended) != 1 || ended[0] != b.session.ID {
		t.Fatalf("ended %v", ended)
	}
	if s.revoked(issueA.Access.Hash) || !s.revoked(issueB.Access.Hash) || s.revoked(issueOther.Access.Hash) {
		t.Fatal("the wrong grants were revoked")
	}
	got, err := s.SessionByToken(s.ctx(), b.session.Token)
	s.ok(err)
	s.is(got.Live(s.now), idp.ErrSettled)
	_, err = s.CutOff(s.ctx(), idp.CutOff{User: u.ID, Cause: idp.CutEndedOne, Session: other.session.ID, Because: s.event(idp.EventSessionEnded)})
	s.is(err, idp.ErrNotFound) // another's
	s.happened(idp.EventSessionEnded, 1)

	// It was not the owner: one session while it is open, all others then.
	s.now = s.now.Add(time.Second)
	c, _ := s.redeemed(u)
	d, _ := s.redeemed(u)
	disowned := idp.CutOff{User: u.ID, Cause: idp.CutDisowned, Session: a.session.ID, Only: c.session.ID, Because: s.event(idp.EventDisowned)}
	for _, want := range []idp.SessionID{c.session.ID, d.session.ID} {
		ended, err := s.CutOff(s.ctx(), disowned)
		s.ok(err)
		if len(ended) != 1 || ended[0] != want {
			t.Fatalf("ended %v, want %s", ended, want)
		}
	}
	s.happened(idp.EventDisowned, 2)
	s.happened(idp.EventSessionEnded, 3)
}

func consents(t *testing.T, s *site) {
	u := s.user("anna")
	_, err := s.Consent(s.ctx(), u.ID, "viewer")
	s.is(err, idp.ErrNotFound)
	var seen []string
	for i, c := range []struct{ scopes, claims, kept []string }{
		{scopes: []string{"openid"}},
		{scopes: []string{"openid", "email"}},
		{[]string{"openid"}, []string{"phone_number"}, []string{"phone_number"}},
		{[]string{"openid"}, []string{"roles", "phone_number"}, []string{"roles", "phone_number"}},
		{[]string{"openid", "profile"}, nil, []string{"roles", "phone_number"}}, // what was allowed by name stays
		{[]string{"openid"}, []string{"name"}, []string{"name", "roles", "phone_number"}},
	} {
		l := s.login(u.ID, idp.LoginDone)
		want := &idp.Consent{User: u.ID, Client: "viewer", Scopes: c.scopes, Claims: c.claims, Resources: append([]string(nil), c.scopes[1:]...), At: s.now}
		s.ok(s.Collect(s.ctx(), l.ID, func(c *idp.Collection) error { c.Consent = want; return nil }))
		got, err := s.Consent(s.ctx(), u.ID, "viewer")
		s.ok(err)
		kept := *want
		kept.Claims = c.kept
		if kept.Resources = slices.Clone(want.Resources); i > 0 { // as claims: what was allowed stays
			for _, r := range seen {
				if !slices.Contains(kept.Resources, r) {
					kept.Resources = append(kept.Resources, r)
				}
			}
		}
		seen = kept.Resources
		same(t, got, &kept)
	}
}

func nothingLeft(t *testing.T, s *site) {
	u := s.user("anna")
	l := s.login(u.ID, idp.LoginDone)
	before := s.kinds()
	refused := errors.New("refused")
	s.is(s.Collect(s.ctx(), l.ID, func(c *idp.Collection) error {
		c.Session = s.newSession(u.ID, l.Browser)
		return refused
	}), refused)
	session := s.newSession(u.ID, l.Browser)
	grant := s.newGrant(session)
	// The last statement fails, everything before it has to go.
	err := s.Collect(s.ctx(), l.ID, func(c *idp.Collection) error {
		c.Login.Note(s.event(idp.EventLoginDone))
		session.Note(s.event(idp.EventSessionStarted))
		c.Session, c.Grant = session, grant
		c.Code = s.newCode(&idp.Grant{ID: "another"})
		return nil
	})
	s.is(err, idp.ErrInvalid)
	_, err = s.SessionByToken(s.ctx(), session.Token)
	s.is(err, idp.ErrNotFound)
	same(t, s.kinds(), before)
}

func panicking(t *testing.T, s *site) {
	l := s.login("", idp.LoginPassword)
	err := s.UpdateLogin(s.ctx(), l.ID, func(l *idp.Login) error {
		l.State = idp.LoginDone
		panic("boom")
	})
	if err == nil {
		t.Fatal("a panic was no error")
	}
	got, err := s.Login(s.ctx(), l.ID)
	s.ok(err)
	if got.State != idp.LoginPassword {
		t.Fatalf("state %s", got.State)
	}
	s.user("anna") // and writing goes on
}

func endedContext(t *testing.T, s *site) {
	ctx, cancel := context.WithCancel(s.ctx())
	cancel()
	ran := false
	l := s.login("", idp.LoginPassword)
	s.is(s.UpdateLogin(ctx, l.ID, func(*idp.Login) error { ran = true; return nil }), context.Canceled)
	_, err := s.Login(ctx, l.ID)
	s.is(err, context.Canceled)
	if ran {
		t.Fatal("the function ran")
	}
	// One that ends while the function runs changes nothing any more.
	ctx, cancel = context.WithCancel(s.ctx())
	defer cancel()
	s.ok(s.UpdateLogin(ctx, l.ID, func(l *idp.Login) error { cancel(); l.WrongCodes = 1; return nil }))
	got, err := s.Login(s.ctx(), l.ID)
	s.ok(err)
	if got.WrongCodes != 1 {
		t.Fatal("the change is lost")
	}
}
