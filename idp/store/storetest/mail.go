package storetest

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"hilum/idp"
)

// news adds a mail about something that has happened.
func (s *site) news(u *idp.User) *idp.Mail {
	s.t.Helper()
	m := idp.NewsOf(&idp.Event{
		At: s.now, Kind: idp.EventNotMe, User: u.ID, Address: "192.0.2.1",
		Detail: map[string]string{"name": `Anna's "phone"`},
	})
	s.ok(s.AddMail(s.ctx(), m))
	return m
}

// claimed claims everything that is due, oldest first.
func (s *site) claimed(now time.Time) (out []*idp.Mail) {
	s.t.Helper()
	for {
		m, err := s.ClaimMail(s.ctx(), now)
		if errors.Is(err, idp.ErrNotFound) {
			return out
		}
		s.ok(err)
		out = append(out, m)
	}
}

// about says what claimed mails tell of, in some order that stays the same.
func about(mails []*idp.Mail) (kinds []idp.EventKind) {
	for _, m := range mails {
		kinds = append(kinds, m.About)
	}
	slices.Sort(kinds)
	return kinds
}

func (s *site) figures() idp.MailFigures {
	s.t.Helper()
	f, err := s.MailFigures(s.ctx())
	s.ok(err)
	return *f
}

func (s *site) attempted(id idp.MailID, try int, f idp.Failure, now time.Time) error {
	return s.UpdateMail(s.ctx(), id, func(m *idp.Mail) error { return m.Attempted(try, f, now) })
}

func mails(t *testing.T, s *site) {
	u := s.user("anna")
	same(t, s.figures(), idp.MailFigures{})
	_, err := s.ClaimMail(s.ctx(), s.now)
	s.is(err, idp.ErrNotFound)

	m := idp.NewForgotten(idp.NewID[idp.MailID](), []byte{0, 1, 0xff}, "192.0.2.7", "nl", s.now)
	m.Note(s.event(idp.EventForgotten))
	s.ok(s.AddMail(s.ctx(), m))
	got, err := s.Mail(s.ctx(), m.ID)
	s.ok(err)
	same(t, got, m)
	s.happened(idp.EventForgotten, 1)
	s.is(s.AddMail(s.ctx(), m), idp.ErrConflict)
	_, err = s.Mail(s.ctx(), "another")
	s.is(err, idp.ErrNotFound)
	s.is(s.UpdateMail(s.ctx(), "another", func(*idp.Mail) error { return nil }), idp.ErrNotFound)

	// One try at a time; whoever does not come back loses it when the lease is over.
	_, err = s.ClaimMail(s.ctx(), s.now.Add(-time.Microsecond))
	s.is(err, idp.ErrNotFound)
	got, err = s.ClaimMail(s.ctx(), s.now)
	s.ok(err)
	if got.ID != m.ID || got.Tries != 1 || !got.TriedAt.Equal(s.now) {
		t.Fatalf("claimed %+v", got)
	}
	_, err = s.ClaimMail(s.ctx(), s.now.Add(idp.MailLease-time.Microsecond))
	s.is(err, idp.ErrNotFound)
	again := s.now.Add(idp.MailLease)
	got, err = s.ClaimMail(s.ctx(), again)
	s.ok(err)
	if got.Tries != 2 {
		t.Fatalf("claimed again as %+v", got)
	}
	s.is(s.attempted(m.ID, 1, idp.Failure{}, again), idp.ErrSettled)

	// Whose it is is kept, and what was typed is not.
	s.ok(s.UpdateMail(s.ctx(), m.ID, func(m *idp.Mail) error { m.Belongs(u.ID, "link"); return nil }))
	// Put off, broken off, sent.
	s.ok(s.attempted(m.ID, 2, idp.Failure{Said: idp.UnsentLater, Detail: "450 later"}, again))
	got, err = s.Mail(s.ctx(), m.ID)
	s.ok(err)
	if got.User != u.ID || got.Invitation != "link" || got.Typed != nil || got.Said != idp.UnsentLater || got.Detailed != "450 later" || !got.SettledAt.IsZero() {
		t.Fatalf("put off as %+v", got)
	}
	same(t, s.figures(), idp.MailFigures{Waiting: 1, OldestAt: s.now, FailedAt: again, Said: idp.UnsentLater, Detailed: "450 later"})
	due := got.NextAt
	_, err = s.ClaimMail(s.ctx(), due.Add(-time.Microsecond))
	s.is(err, idp.ErrNotFound)
	_, err = s.ClaimMail(s.ctx(), due)
	s.ok(err)
	s.ok(s.UpdateMail(s.ctx(), m.ID, func(m *idp.Mail) error { return m.BrokenOff(3, due) }))
	got, err = s.ClaimMail(s.ctx(), due) // at once
	s.ok(err)
	if got.Tries != 3 {
		t.Fatalf("after it was broken off %+v", got)
	}
	s.ok(s.attempted(m.ID, 3, idp.Failure{}, due))
	s.is(s.attempted(m.ID, 3, idp.Failure{}, due), idp.ErrSettled)
	_, err = s.ClaimMail(s.ctx(), due.Add(time.Hour))
	s.is(err, idp.ErrNotFound)
	s.happened(idp.EventMailSent, 1)
	same(t, s.figures(), idp.MailFigures{SentAt: due})

	// What waits longest is due first.
	first, second := s.news(u), s.news(u)
	if got := s.claimed(s.now); len(got) != 2 || got[0].ID != first.ID || got[1].ID != second.ID || got[0].Detail["name"] != `Anna's "phone"` {
		t.Fatalf("claimed %+v", got)
	}
	// Given up, and withdrawn: only the first is lost.
	s.ok(s.attempted(first.ID, 1, idp.Failure{Said: idp.UnsentRefused, Detail: "550", Final: true}, due))
	s.ok(s.attempted(second.ID, 1, idp.Failure{Said: idp.UnsentWithdrawn, Final: true}, due))
	s.happened(idp.EventMailFailed, 1)
	f := s.figures()
	if f.Waiting != 0 || f.Lost != 1 {
		t.Fatalf("figures %+v", f)
	}
	h, err := s.Health(s.ctx())
	s.ok(err)
	same(t, h.Mail, f)

	// Settled ones stay for a while; what waits stays until it is settled.
	waits := s.news(u)
	s.ok(s.Sweep(s.ctx(), due.Add(idp.MailKept-time.Microsecond)))
	_, err = s.Mail(s.ctx(), first.ID)
	s.ok(err)
	s.ok(s.Sweep(s.ctx(), due.Add(idp.MailKept)))
	for _, gone := range []idp.MailID{m.ID, first.ID, second.ID} {
		_, err = s.Mail(s.ctx(), gone)
		s.is(err, idp.ErrNotFound)
	}
	_, err = s.Mail(s.ctx(), waits.ID)
	s.ok(err)
}

// A failure is told while nothing was sent after it.
func mailFailing(t *testing.T, s *site) {
	u := s.user("anna")
	a, b := s.news(u), s.news(u)
	s.claimed(s.now)
	s.ok(s.attempted(a.ID, 1, idp.Failure{Said: idp.UnsentLogin, Detail: "535 no"}, s.now))
	if f := s.figures(); !f.FailedAt.Equal(s.now) || f.Said != idp.UnsentLogin || f.Detailed != "535 no" || f.Waiting != 2 {
		t.Fatalf("figures %+v", f)
	}
	s.ok(s.attempted(b.ID, 1, idp.Failure{}, s.now))
	if f := s.figures(); !f.FailedAt.IsZero() || f.Said != "" || !f.SentAt.Equal(s.now) || f.Waiting != 1 {
		t.Fatalf("after one was sent %+v", f)
	}
	later := s.now.Add(5 * time.Second)
	s.claimed(later)
	s.ok(s.attempted(a.ID, 2, idp.Failure{Said: idp.UnsentTimeout}, later))
	if f := s.figures(); !f.FailedAt.Equal(later) || f.Said != idp.UnsentTimeout || !f.SentAt.Equal(s.now) {
		t.Fatalf("when it fails again %+v", f)
	}
}

func renewInvitation(t *testing.T, s *site) {
	u := s.user("anna")
	i := s.invitation(u.ID, idp.InviteForgotten)
	token := idp.NewToken().Hash()
	got, err := s.RenewInvitation(s.ctx(), i.ID, token, s.now)
	s.ok(err)
	want := *i
	want.Token = token
	same(t, got, &want)
	_, err = s.InvitationByToken(s.ctx(), i.Token)
	s.is(err, idp.ErrNotFound)
	got, err = s.InvitationByToken(s.ctx(), token)
	s.ok(err)
	same(t, got, &want)

	_, err = s.RenewInvitation(s.ctx(), "another", idp.NewToken().Hash(), s.now)
	s.is(err, idp.ErrNotFound)
	_, err = s.RenewInvitation(s.ctx(), i.ID, idp.NewToken().Hash(), i.ExpiresAt)
	s.is(err, idp.ErrExpired)

	replaced := i
	i = s.invitation(u.ID, idp.InviteForgotten)
	_, err = s.RenewInvitation(s.ctx(), replaced.ID, idp.NewToken().Hash(), s.now)
	s.is(err, idp.ErrNotFound)

	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForInvitation, State: idp.LoginEnrol, User: u.ID, Invitation: i.ID,
		CreatedAt: s.now, ExpiresAt: s.now.Add(idp.LoginTTL),
	}
	s.ok(s.AddLogin(s.ctx(), l))
	s.ok(s.Enrol(s.ctx(), l.ID, s.use))
	_, err = s.RenewInvitation(s.ctx(), i.ID, idp.NewToken().Hash(), s.now)
	s.is(err, idp.ErrSettled)
	got, err = s.InvitationByToken(s.ctx(), i.Token)
	s.ok(err) // who comes with it is told that it was used
	if got.UsedAt.IsZero() {
		t.Fatalf("a link that was used is open again: %+v", got)
	}
}

// Whoever knows a name can ask for a link, and takes nothing away by it; what an
// administrator hands out is the only one.
func invitationsAskedFor(t *testing.T, s *site) {
	u, other := s.user("anna"), s.user("bert")
	open := func(i *idp.Invitation) bool {
		_, err := s.InvitationByToken(s.ctx(), i.Token)
		if err != nil {
			s.is(err, idp.ErrNotFound)
		}
		return err == nil
	}
	theirs := s.invitation(other.ID, idp.InviteForgotten)
	handed := s.invitation(u.ID, idp.InviteReset)
	asked := s.invitation(u.ID, idp.InviteForgotten)
	again := s.invitation(u.ID, idp.InviteForgotten)
	if !open(handed) || open(asked) || !open(again) || !open(theirs) {
		t.Fatal("a link that was asked for takes the place of the one before, and of no other")
	}
	// And an administrator does not see it as theirs.
	got, err := s.OpenInvitation(s.ctx(), u.ID, s.now)
	s.ok(err)
	if got.ID != handed.ID {
		t.Fatalf("an administrator sees %+v", got)
	}
	_, err = s.OpenInvitation(s.ctx(), other.ID, s.now)
	s.is(err, idp.ErrNotFound)
	new := s.invitation(u.ID, idp.InviteReset)
	if open(handed) || open(again) || !open(new) || !open(theirs) {
		t.Fatal("a link that an administrator hands out takes the place of all others of that person")
	}
}

// The mail of a link comes into being with it, or not at all.
func invitationMail(t *testing.T, s *site) {
	u := s.user("anna")
	i := &idp.Invitation{
		ID: idp.NewID[idp.InvitationID](), Token: idp.NewToken().Hash(), Purpose: idp.InviteEnrol, User: u.ID,
		CreatedAt: s.now, ExpiresAt: s.now.Add(idp.InvitationTTL),
	}
	i.Mail = idp.NewLinkMail(i)
	refused := errors.New("refused")
	s.is(s.AddInvitation(s.ctx(), i, func(*idp.User) error { return refused }), refused)
	if got := s.claimed(s.now); len(got) != 0 {
		t.Fatalf("refused, and yet there is mail: %+v", got)
	}
	s.ok(s.AddInvitation(s.ctx(), i, func(*idp.User) error { return nil }))
	got := s.claimed(s.now)
	if len(got) != 1 || got[0].ID != i.Mail.ID || got[0].Kind != idp.MailLink || got[0].Invitation != i.ID || got[0].User != u.ID || !got[0].Until.Equal(i.ExpiresAt) {
		t.Fatalf("mail %+v", got)
	}
	// A link that cannot be added leaves none either.
	twin := *i
	twin.Mail = idp.NewLinkMail(&twin)
	twin.ID = idp.NewID[idp.InvitationID]()
	twin.User = s.user("bert").ID // the token is taken
	s.is(s.AddInvitation(s.ctx(), &twin, func(*idp.User) error { return nil }), idp.ErrConflict)
	if got := s.claimed(s.now); len(got) != 0 {
		t.Fatalf("no link, and yet there is mail: %+v", got)
	}
}

func accountByEmail(t *testing.T, s *site) {
	u := s.user("anna")
	email := func(u *idp.User, to string) {
		t.Helper()
		s.ok(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error { u.Email = to; return nil }))
	}
	email(u, "Anna.Bergmann@Example.org")
	a, err := s.AccountByEmail(s.ctx(), "anna.bergmann@example.org")
	s.ok(err)
	if a.User.ID != u.ID || a.User.Email != "Anna.Bergmann@Example.org" {
		t.Fatalf("found %+v", a.User)
	}
	for _, nobody := range []string{"", "anna", "bergmann@example.org", "anna.bergmann@example.or", "%@example.org"} {
		_, err = s.AccountByEmail(s.ctx(), nobody)
		s.is(err, idp.ErrNotFound)
	}
	// Two who share one cannot be told apart, whoever else is there.
	v := s.user("bert")
	email(v, "anna.bergmann@EXAMPLE.org")
	_, err = s.AccountByEmail(s.ctx(), "anna.bergmann@example.org")
	s.is(err, idp.ErrNotFound)
	email(v, "")
	_, err = s.AccountByEmail(s.ctx(), "anna.bergmann@example.org")
	s.ok(err)
	_, err = s.AccountByEmail(s.ctx(), "")
	s.is(err, idp.ErrNotFound) // bert has none

	// Letters beyond ASCII have capitals too, a mark behind a letter is the letter
	// with it, and a domain in A-labels is the one in letters.
	email(v, "Jürgen.Öz@Krankenhaus-Köln.de")
	for _, typed := range []string{
		"jürgen.öz@krankenhaus-köln.de", "JÜRGEN.ÖZ@KRANKENHAUS-KÖLN.DE", "ju\u0308rgen.o\u0308z@krankenhaus-ko\u0308ln.de",
		"jürgen.öz@xn--krankenhaus-kln-ltb.de", "jürgen.öz@XN--KRANKENHAUS-KLN-LTB.de",
	} {
		a, err = s.AccountByEmail(s.ctx(), typed)
		s.ok(err)
		if a.User.ID != v.ID {
			t.Fatalf("%q found %+v", typed, a.User)
		}
	}
	for _, nobody := range []string{"jurgen.oz@krankenhaus-köln.de", "jürgen.öz@krankenhaus-koln.de", "juergen.oez@krankenhaus-köln.de"} {
		_, err = s.AccountByEmail(s.ctx(), nobody)
		s.is(err, idp.ErrNotFound)
	}
	taken, err := s.TakenEmails(s.ctx(), []string{"x@example.org", "JÜRGEN.öz@krankenhaus-köln.de", "ANNA.bergmann@example.org", ""})
	s.ok(err)
	if !slices.Equal(taken, []string{"JÜRGEN.öz@krankenhaus-köln.de", "ANNA.bergmann@example.org"}) {
		t.Fatalf("taken: %q", taken)
	}
	email(u, "jürgen.öz@krankenhaus-köln.de")
	_, err = s.AccountByEmail(s.ctx(), "jürgen.öz@krankenhaus-köln.de")
	s.is(err, idp.ErrNotFound) // two
}

// Texts are kept in NFC, and what was kept otherwise is read in it.
func textForms(t *testing.T, s *site) {
	const apart, whole = "Ro\u0308ntgen", "Röntgen"
	u := s.user("anna")
	s.ok(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error {
		u.DisplayName, u.GivenName, u.FamilyName, u.Groups, u.Roles = apart, apart, apart, []string{"ct", apart}, []string{apart}
		return nil
	}))
	got, err := s.User(s.ctx(), u.ID)
	s.ok(err)
	if got.DisplayName != whole || got.GivenName != whole || got.FamilyName != whole || !slices.Equal(got.Groups, []string{"ct", whole}) || !slices.Equal(got.Roles, []string{whole}) {
		t.Fatalf("kept as %+v", got)
	}
}

// Owners are told in the transaction of what they are told of.
func ownersTold(t *testing.T, s *site) {
	u := s.user("anna")
	silent := s.user("bert")
	s.ok(s.UpdateUser(s.ctx(), silent.ID, func(u *idp.User) error { u.Email = ""; return nil }))
	if got := s.claimed(s.now); len(got) != 0 {
		t.Fatalf("told of what is no news: %+v", got)
	}
	changed := func(u *idp.User) idp.Event {
		e := s.event(idp.EventPasswordChanged)
		e.User, e.Actor = u.ID, idp.Actor{User: u.ID, Name: u.Name}
		return e
	}
	s.ok(s.SetPassword(s.ctx(), u.ID, "new", s.passwordAt(u.ID), idp.Within{}, changed(u)))
	s.ok(s.SetPassword(s.ctx(), silent.ID, "new", s.passwordAt(silent.ID), idp.Within{}, changed(silent)))
	got := s.claimed(s.now)
	if len(got) != 1 || got[0].Kind != idp.MailNews || got[0].User != u.ID || got[0].About != idp.EventPasswordChanged || !got[0].CreatedAt.Equal(s.now) {
		t.Fatalf("told %+v", got)
	}

	// A change that does not come through is not told of.
	s.is(s.SetPassword(s.ctx(), "nobody", "new", s.passwordAt("nobody"), idp.Within{}, changed(u)), idp.ErrNotFound)
	refused := errors.New("refused")
	s.is(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error { u.Note(changed(u)); return refused }), refused)
	key := idp.CounterKey{Kind: idp.CountPasswords, Who: string(u.ID)}
	locked := s.event(idp.EventLocked)
	locked.User = u.ID
	s.is(s.UpdateCounter(s.ctx(), key, nil, func(c *idp.Counter) error { c.FactorFirst = true; c.Note(locked); return refused }), refused)
	if got := s.claimed(s.now); len(got) != 0 {
		t.Fatalf("told of what did not happen: %v", about(got))
	}
	wrong := s.event(idp.EventPasswordWrong)
	wrong.User = u.ID
	s.ok(s.UpdateCounter(s.ctx(), key, &wrong, func(c *idp.Counter) error { c.FactorFirst = true; c.Note(locked); return nil }))
	same(t, about(s.claimed(s.now)), []idp.EventKind{idp.EventLocked})

	// A first device brings recovery codes along: that is one piece of news. New
	// codes alone are another.
	made, linked := s.event(idp.EventRecoveryMade), s.event(idp.EventDeviceLinked)
	made.User, linked.User = u.ID, u.ID
	for _, c := range []struct {
		happened []idp.Event
		told     []idp.EventKind
	}{
		{[]idp.Event{linked, made}, []idp.EventKind{idp.EventDeviceLinked}},
		{[]idp.Event{made}, []idp.EventKind{idp.EventRecoveryMade}},
	} {
		l := s.login(u.ID, idp.LoginFactor)
		s.ok(s.UpdateLogin(s.ctx(), l.ID, func(l *idp.Login) error {
			for _, e := range c.happened {
				l.Note(e)
			}
			return nil
		}))
		same(t, about(s.claimed(s.now)), c.told)
	}
}

// resetting is a sign-in with a new password in hand, finished but for being
// collected, in a browser with a session of its own.
func (s *site) resetting(u *idp.User) (*idp.Login, *idp.Invitation, *idp.Session) {
	s.t.Helper()
	here := s.signIn(u)
	i := s.invitation(u.ID, idp.InviteForgotten)
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForInvitation, State: idp.LoginDone, Target: string(idp.InviteForgotten), User: u.ID,
		Invitation: i.ID, Browser: here.login.Browser, Session: here.session.ID, NewHash: "new", CreatedAt: s.now, ExpiresAt: s.now.Add(idp.LoginTTL),
	}
	s.ok(s.AddLogin(s.ctx(), l))
	return l, i, here.session
}

// collectReset collects it as login does.
func (s *site) collectReset(session *idp.Session) func(*idp.Collection) error {
	return func(c *idp.Collection) error {
		if err := c.Login.Apply(idp.OnCollect, s.now); err != nil {
			return err
		}
		if c.Invitation == nil {
			return idp.ErrExpired
		}
		if err := c.Invitation.Open(s.now); err != nil {
			return err
		}
		c.Invitation.UsedAt = s.now
		c.Session, c.PasswordHash, c.Because = session, c.Login.NewHash, s.event(idp.EventPasswordReset)
		c.Because.User, c.Login.NewHash = c.Login.User, ""
		return nil
	}
}

func collectPassword(t *testing.T, s *site) {
	u := s.user("anna")
	s.ok(s.SetPassword(s.ctx(), u.ID, "old", s.passwordAt(u.ID), idp.Within{}, s.event(idp.EventPasswordChanged)))
	_, elsewhere := s.redeemed(u)
	l, i, here := s.resetting(u)
	half := s.login(u.ID, idp.LoginFactor)
	rival, _, _ := s.resetting(s.user("bert"))
	hash := func() string {
		a, err := s.Account(s.ctx(), u.ID)
		s.ok(err)
		return a.PasswordHash
	}
	s.claimed(s.now)

	refused := errors.New("refused")
	s.is(s.Collect(s.ctx(), l.ID, func(c *idp.Collection) error {
		same(t, c.Invitation, i)
		if c.Old == nil || c.Old.ID != here.ID {
			t.Fatalf("the browser's session is %+v", c.Old)
		}
		s.ok(s.collectReset(s.newSession(u.ID, l.Browser))(c))
		return refused
	}), refused)
	if hash() != "old" || s.revoked(elsewhere.Access.Hash) {
		t.Fatal("refused, and yet something was changed")
	}

	session := s.newSession(u.ID, l.Browser)
	s.ok(s.Collect(s.ctx(), l.ID, s.collectReset(session)))
	if hash() != "new" || !s.revoked(elsewhere.Access.Hash) {
		t.Fatalf("the password is %s, and tokens elsewhere revoked: %v", hash(), s.revoked(elsewhere.Access.Hash))
	}
	live, err := s.Sessions(s.ctx(), u.ID, s.now)
	s.ok(err)
	if len(live) != 1 || live[0].ID != session.ID {
		t.Fatalf("sessions that live: %+v", live) // not the one this browser had either
	}
	got, err := s.Login(s.ctx(), l.ID)
	s.ok(err)
	if got.State != idp.LoginCollected || got.NewHash != "" {
		t.Fatalf("the sign-in is %+v", got)
	}
	if got, err := s.Login(s.ctx(), half.ID); err != nil || got.State != idp.LoginExpired {
		t.Fatalf("another of that person is %v, %v", got, err)
	}
	if got, err := s.Login(s.ctx(), rival.ID); err != nil || got.State != idp.LoginDone || got.NewHash != "new" {
		t.Fatalf("one of another person is %v, %v", got, err)
	}
	used, err := s.InvitationByToken(s.ctx(), i.Token)
	s.ok(err)
	if !used.UsedAt.Equal(s.now) {
		t.Fatalf("the link is %+v", used)
	}
	same(t, about(s.claimed(s.now)), []idp.EventKind{idp.EventPasswordReset})

	// One that was withdrawn meanwhile leads nowhere, and its hash is not kept
	// when the sign-in is ended.
	l, _, _ = s.resetting(u)
	s.invitation(u.ID, idp.InviteReset)
	s.is(s.Collect(s.ctx(), l.ID, s.collectReset(s.newSession(u.ID, l.Browser))), idp.ErrExpired)
	s.ok(s.DisableUser(s.ctx(), u.ID, s.event(idp.EventUserDisabled)))
	if got, err := s.Login(s.ctx(), l.ID); err != nil || got.State != idp.LoginExpired || got.NewHash != "" {
		t.Fatalf("after the account was disabled the sign-in is %+v, %v", got, err)
	}
}

// rivalsReset collect sign-ins that one link was opened for in many browsers.
func rivalsReset(t *testing.T, c *contest) {
	const n = 20
	u := c.user("anna")
	first, i, _ := c.resetting(u)
	logins := []idp.LoginID{first.ID}
	for range n - 1 {
		l := *first
		l.ID, l.Browser, l.Session = idp.NewID[idp.LoginID](), idp.NewToken().Hash(), ""
		c.ok(c.AddLogin(c.ctx(), &l))
		logins = append(logins, l.ID)
	}
	out := c.race(n, func(s Store, k int) error {
		return s.Collect(c.ctx(), logins[k], c.collectReset(c.newSession(u.ID, idp.NewToken().Hash())))
	})
	c.oneOf(out, n, idp.ErrSettled)
	live, err := c.Sessions(c.ctx(), u.ID, c.now)
	c.ok(err)
	used, err := c.InvitationByToken(c.ctx(), i.Token)
	c.ok(err)
	if len(live) != 1 || used.UsedAt.IsZero() {
		t.Fatalf("%d sessions, link %+v", len(live), used)
	}
	c.happened(idp.EventPasswordReset, 1)
}

func rivalsMail(t *testing.T, c *contest) {
	const n, waiting = 40, 7
	u := c.user("anna")
	for range waiting {
		c.news(u)
	}
	claimed := make([]idp.MailID, n)
	out := c.race(n, func(s Store, i int) error {
		m, err := s.ClaimMail(c.ctx(), c.now)
		if err == nil {
			claimed[i] = m.ID
		}
		return err
	})
	if out.won != waiting || out.kinds[idp.ErrNotFound] != n-waiting {
		t.Fatalf("%d claimed of %d, others %v", out.won, waiting, out.kinds)
	}
	slices.SortFunc(claimed, func(a, b idp.MailID) int { return cmp.Compare(a, b) })
	one := claimed[n-1]
	if of := slices.Compact(claimed); len(of) != waiting+1 { // and the empty one
		t.Fatalf("one was claimed twice: %q", of)
	}
	// Settled once, whoever says so.
	out = c.race(n, func(s Store, _ int) error {
		return s.UpdateMail(c.ctx(), one, func(m *idp.Mail) error { return m.Attempted(1, idp.Failure{}, c.now) })
	})
	c.oneOf(out, n, idp.ErrSettled)
	c.happened(idp.EventMailSent, 1)
}
