package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"hilum/idp"
)

// told registers an application that is told when a session ends.
func (s *site) told(id idp.ClientID) {
	s.t.Helper()
	c := s.newClient(id)
	c.LogoutURI, c.LogoutSession = "https://"+string(id)+".example/out", true
	s.ok(s.AddClient(s.ctx(), c))
}

// signInTo signs in to applications from one session.
func (s *site) signInTo(u *idp.User, clients ...idp.ClientID) *idp.Session {
	s.t.Helper()
	c := s.signIn(u) // to the viewer
	for _, id := range clients {
		g := s.newGrant(c.session)
		g.Client = id
		s.ok(s.AddGrant(s.ctx(), c.session, g, s.newCode(g)))
	}
	return c.session
}

func (s *site) end(session *idp.Session) {
	s.t.Helper()
	_, err := s.CutOff(s.ctx(), idp.CutOff{User: session.User, Cause: idp.CutEndedOne, Session: session.ID, Because: s.event(idp.EventSessionEnded)})
	s.ok(err)
}

// notices are those of a session, by application.
func (s *site) notices(id idp.SessionID) map[idp.ClientID]idp.Notice {
	s.t.Helper()
	e, err := s.EndedSession(s.ctx(), id)
	s.ok(err)
	out := map[idp.ClientID]idp.Notice{}
	for _, n := range e.Notices {
		out[n.Client] = n
	}
	return out
}

func notices(t *testing.T, s *site) {
	u := s.user("anna")
	for _, id := range []idp.ClientID{"viewer", "archive", "reports"} {
		s.told(id)
	}
	deaf := s.newClient("deaf")
	deaf.LogoutURI, deaf.LogoutSession = "", false
	s.ok(s.AddClient(s.ctx(), deaf))
	s.registered("gone")
	session := s.signInTo(u, "archive", "deaf", "gone")
	s.ok(s.RemoveClient(s.ctx(), "gone", s.event(idp.EventClientChanged)))
	other := s.signInTo(u, "archive")
	due, err := s.NoticeClients(s.ctx(), s.now.Add(time.Hour))
	s.ok(err)
	if len(due) != 0 {
		t.Fatalf("due before anything ended: %v", due)
	}

	s.end(session)
	of := s.notices(session.ID)
	if len(of) != 2 || of["viewer"].User != u.ID || !of["viewer"].EndedAt.Equal(s.now) || !of["archive"].Until.Equal(s.now.Add(idp.NoticeFor)) {
		t.Fatalf("notices %+v", of)
	}
	_, err = s.CutOff(s.ctx(), idp.CutOff{User: session.User, Cause: idp.CutEndedOne, Session: session.ID, Because: s.event(idp.EventSessionEnded)})
	s.is(err, idp.ErrNotFound) // it has ended: nothing more
	due, err = s.NoticeClients(s.ctx(), s.now)
	s.ok(err)
	slices.Sort(due)
	same(t, due, []idp.ClientID{"archive", "viewer"})

	// One try that comes to nothing, one that is told.
	_, err = s.ClaimNotice(s.ctx(), "reports", s.now)
	s.is(err, idp.ErrNotFound)
	n, err := s.ClaimNotice(s.ctx(), "viewer", s.now)
	s.ok(err)
	if n.Tries != 1 || n.Session != session.ID || n.ID == 0 {
		t.Fatalf("claimed %+v", n)
	}
	_, err = s.ClaimNotice(s.ctx(), "viewer", s.now)
	s.is(err, idp.ErrNotFound)
	s.ok(s.UpdateNotice(s.ctx(), n.ID, func(n *idp.Notice) error {
		return n.Attempted(1, idp.Attempt{Said: idp.RefusedWith(503)}, s.now)
	}))
	a, err := s.ClaimNotice(s.ctx(), "archive", s.now)
	s.ok(err)
	s.ok(s.UpdateNotice(s.ctx(), a.ID, func(n *idp.Notice) error { return n.Attempted(1, idp.Attempt{}, s.now) }))
	s.is(s.UpdateNotice(s.ctx(), a.ID, func(n *idp.Notice) error { return n.Attempted(1, idp.Attempt{}, s.now) }), idp.ErrSettled)
	s.is(s.UpdateNotice(s.ctx(), 4711, func(*idp.Notice) error { return nil }), idp.ErrNotFound)
	of = s.notices(session.ID)
	if v := of["viewer"]; !v.Waits() || v.Said != "status 503" || !v.TriedAt.Equal(s.now) || !of["archive"].Told {
		t.Fatalf("notices %+v", of)
	}
	s.happened(idp.EventLogoutTold, 1)
	s.happened(idp.EventLogoutFailed, 0)

	// Who claimed and is not heard of again loses it when the lease is over.
	later := of["viewer"].NextAt
	_, err = s.ClaimNotice(s.ctx(), "viewer", later)
	s.ok(err)
	_, err = s.ClaimNotice(s.ctx(), "viewer", later.Add(idp.NoticeLease-time.Microsecond))
	s.is(err, idp.ErrNotFound)
	n, err = s.ClaimNotice(s.ctx(), "viewer", later.Add(idp.NoticeLease))
	s.ok(err)
	late := func(n *idp.Notice) error { return n.Attempted(2, idp.Attempt{}, later) }
	s.is(s.UpdateNotice(s.ctx(), n.ID, late), idp.ErrSettled)

	// Figures: the viewer waits and fails; the archive is fine.
	figures, err := s.LogoutFigures(s.ctx(), "")
	s.ok(err)
	if len(figures) != 1 || figures[0].Client != "viewer" || figures[0].Waiting != 1 || !figures[0].OldestAt.Equal(s.now) || figures[0].Said != "status 503" || figures[0].Lost != 0 {
		t.Fatalf("figures %+v", figures)
	}
	s.ok(s.UpdateNotice(s.ctx(), n.ID, func(n *idp.Notice) error {
		return n.Attempted(3, idp.Attempt{Said: idp.RefusedWith(400), Final: true}, later)
	}))
	h, err := s.Health(s.ctx())
	s.ok(err)
	figures, err = s.LogoutFigures(s.ctx(), "viewer")
	s.ok(err)
	same(t, h.Logouts, figures)
	if len(figures) != 1 || figures[0].Waiting != 0 || figures[0].Lost != 1 || figures[0].Said != "status 400" || figures[0].FailedAt.IsZero() {
		t.Fatalf("figures %+v", figures)
	}
	s.happened(idp.EventLogoutFailed, 1)

	// What has ended is listed, the latest first, and told to its own browser.
	s.now = s.now.Add(time.Second)
	s.end(other)
	ended, err := s.EndedSessions(s.ctx(), u.ID, 10)
	s.ok(err)
	if len(ended) != 2 || ended[0].Session.ID != other.ID || ended[1].User.Name != "anna" || len(ended[1].Clients) != 4 || !ended[1].Session.Token.IsZero() {
		t.Fatalf("ended %+v", ended)
	}
	told, not := ended[1].Tells()
	slices.Sort(not)
	same(t, told, []idp.ClientID{"archive", "viewer"})
	same(t, not, []idp.ClientID{"deaf", "gone"})
	all, err := s.EndedSessions(s.ctx(), "", 1)
	s.ok(err)
	if len(all) != 1 || all[0].Session.ID != other.ID {
		t.Fatalf("ended %+v", all)
	}
	_, err = s.OwnEndedSession(s.ctx(), other.ID, other.Browser)
	s.ok(err)
	_, err = s.OwnEndedSession(s.ctx(), other.ID, session.Browser)
	s.is(err, idp.ErrNotFound)
	_, err = s.EndedSession(s.ctx(), s.signIn(u).session.ID)
	s.is(err, idp.ErrNotFound)
}

// A session whose time is up is told of when it is forgotten; what is settled
// is kept for a week, what waits is not swept.
func noticesSwept(t *testing.T, s *site) {
	u := s.user("anna")
	s.told("viewer")
	s.registered("archive")
	ended, expired := s.signInTo(u, "archive"), s.signInTo(u)
	s.end(ended)
	s.ok(s.Sweep(s.ctx(), s.now.Add(2*time.Hour))) // idle, which is nothing to tell of
	figures, err := s.LogoutFigures(s.ctx(), "viewer")
	s.ok(err)
	if figures[0].Waiting != 1 {
		t.Fatalf("an idle session was told of: %+v", figures)
	}
	s.ok(s.Sweep(s.ctx(), expired.ExpiresAt))
	var of []idp.Notice
	for range 2 {
		n, err := s.ClaimNotice(s.ctx(), "viewer", expired.ExpiresAt)
		s.ok(err)
		of = append(of, *n)
	}
	_, err = s.ClaimNotice(s.ctx(), "viewer", expired.ExpiresAt)
	s.is(err, idp.ErrNotFound)
	if of[0].Session != ended.ID || of[1].Session != expired.ID || !of[1].EndedAt.Equal(expired.ExpiresAt) || !of[1].Until.Equal(expired.ExpiresAt.Add(idp.NoticeFor)) {
		t.Fatalf("notices %+v", of)
	}
	s.ok(s.UpdateNotice(s.ctx(), of[0].ID, func(n *idp.Notice) error { return n.Attempted(n.Tries, idp.Attempt{}, expired.ExpiresAt) }))
	s.ok(s.Sweep(s.ctx(), expired.ExpiresAt.Add(idp.NoticeKept-time.Microsecond)))
	s.ok(s.UpdateNotice(s.ctx(), of[0].ID, func(*idp.Notice) error { return nil }))
	s.ok(s.Sweep(s.ctx(), expired.ExpiresAt.Add(idp.NoticeKept)))
	s.is(s.UpdateNotice(s.ctx(), of[0].ID, func(*idp.Notice) error { return nil }), idp.ErrNotFound)
	s.ok(s.UpdateNotice(s.ctx(), of[1].ID, func(*idp.Notice) error { return nil }))
}

// A change that fails leaves no notice, and no end.
func noticesAtomic(_ *testing.T, s *site) {
	u := s.user("anna")
	s.told("viewer")
	session := s.signInTo(u)
	refused := errors.New("refused")
	s.is(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error { u.State = idp.UserDisabled; return refused }), refused)
	_, err := s.EndedSession(s.ctx(), session.ID)
	s.is(err, idp.ErrNotFound)
	_, err = s.ClaimNotice(s.ctx(), "viewer", s.now)
	s.is(err, idp.ErrNotFound)
	s.ok(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error { u.State = idp.UserDisabled; return nil }))
	_, err = s.EndedSession(s.ctx(), session.ID)
	s.ok(err)
	_, err = s.ClaimNotice(s.ctx(), "viewer", time.Now().Add(time.Hour))
	s.ok(err)
}

// Many senders: each notice is claimed by one.
func rivalsNotice(t *testing.T, c *contest) {
	const n, sessions = 40, 7
	c.told("viewer")
	u := c.user("anna")
	for range sessions {
		c.signInTo(u)
	}
	_, err := c.CutOff(c.ctx(), idp.CutOff{User: u.ID, Cause: idp.CutEndedAll, Because: c.event(idp.EventSessionEnded)})
	c.ok(err)
	claimed := make([]idp.NoticeID, n)
	out := c.race(n, func(s Store, i int) error {
		got, err := s.ClaimNotice(c.ctx(), "viewer", c.now)
		if err == nil {
			claimed[i] = got.ID
		}
		return err
	})
	if out.won != sessions || out.kinds[idp.ErrNotFound] != n-sessions {
		t.Fatalf("%d claimed of %d, others %v", out.won, sessions, out.kinds)
	}
	slices.Sort(claimed)
	one := claimed[n-1]
	if of := slices.Compact(claimed); len(of) != sessions+1 { // and 0
		t.Fatal(fmt.Sprint("one was claimed twice: ", claimed))
	}
	// Settled once, whoever says so.
	out = c.race(n, func(s Store, _ int) error {
		return s.UpdateNotice(c.ctx(), one, func(n *idp.Notice) error { return n.Attempted(1, idp.Attempt{}, c.now) })
	})
	c.oneOf(out, n, idp.ErrSettled)
	c.happened(idp.EventLogoutTold, 1)
}
