package login_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/login"
)

// done is a sign-in of the person that waits to be collected.
func (p *person) done(b login.Browser) idp.LoginID {
	p.w.Helper()
	id := p.atFactor(b)
	step, err := p.w.Code(p.w.Context(), id, b, p.code())
	p.w.at(step, err, idp.LoginDone)
	return id
}

func TestCollectOnce(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	req := w.client("viewer", nil)
	for range 5 {
		step := w.start(req, b)
		_, err := w.Password(t.Context(), step.ID, b, "anna", anna.password)
		w.must(err)
		_, err = w.Code(t.Context(), step.ID, b, anna.code())
		w.must(err)
		w.kinds()
		n := w.together(20, func(int) error {
			_, err := w.Collect(t.Context(), step.ID, b)
			return err
		}, idp.ErrSettled)
		if n != 1 {
			t.Fatalf("collected %d times", n)
		}
		w.tells(idp.EventCodeIssued, idp.EventLoginDone)
	}
	sessions, err := w.db.Sessions(t.Context(), anna.id, w.now())
	if err != nil || len(sessions) != 5 {
		t.Errorf("%d sessions of five sign-ins without a cookie (%v)", len(sessions), err)
	}
}

func TestCollectTooSoonOrTooLate(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	id := anna.atFactor(b)
	_, err := w.Collect(t.Context(), id, b)
	w.refuses("before the code", err, idp.ErrSettled)
	id = anna.done(b)
	w.later(idp.LoginTTL)
	_, err = w.Collect(t.Context(), id, b)
	w.refuses("after its time", err, idp.ErrExpired)
	_, err = w.Collect(t.Context(), "made-up", b)
	w.refuses("made up", err, idp.ErrNotFound)
}

func TestSessionOfASignIn(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	b.Agent = "Fire\x00fox\r\nSet-Cookie: a=b ü" + strings.Repeat("x", 1000)
	s := anna.signIn(&b)
	if s.User != anna.id || s.Browser != b.ID || s.Token != b.Session.Hash() || s.Address != b.Address || s.ACR != idp.ACRMultiFactor ||
		!slices.Equal(s.AMR, []string{"pwd", "otp", "mfa"}) || !s.AuthTime.Equal(w.now()) || !s.FactorAt.Equal(w.now()) ||
		!s.ExpiresAt.Equal(w.now().Add(12*time.Hour)) || s.IdleAfter != time.Hour {
		t.Errorf("session %+v", s)
	}
	if len(s.Agent) > 256 || strings.ContainsAny(s.Agent, "\x00\r\nü") || !strings.HasPrefix(s.Agent, "FirefoxSet-Cookie") {
		t.Errorf("agent %q", s.Agent)
	}
}

// The same person signing in again goes on in the same session, for which
// applications know it by its sid; the cookie's value is another one.
func TestSamePersonAgain(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	req := w.client("viewer", nil)
	b := w.browser()
	first := anna.signIn(&b)
	again := req
	again.Prompt = []string{"login"}
	w.later(30 * time.Minute)
	b.Agent, b.Address = "Other/2", "192.0.2.8"
	for name, start := range map[string]func() *login.Step{
		"for a client":     func() *login.Step { return w.start(again, b) },
		"for our pages":    func() *login.Step { s, err := w.StartAccount(t.Context(), "/account", b); w.must(err); return s },
		"for a client, II": func() *login.Step { return w.start(again, b) },
	} {
		old := b.Session
		a := anna.finish(start().ID, b)
		if a.Session == "" || a.Session == old {
			t.Fatalf("%s: the cookie stayed as it was", name)
		}
		if _, _, err := w.Session(t.Context(), login.Browser{ID: b.ID, Session: old}); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("%s: the old cookie: %v", name, err)
		}
		b.Session = a.Session
		s := w.session(b)
		if s.ID != first.ID || !s.AuthTime.Equal(w.now()) || !s.FactorAt.Equal(w.now()) || !s.ExpiresAt.Equal(w.now().Add(12*time.Hour)) ||
			s.Agent != "Other/2" || s.Address != "192.0.2.8" || !s.CreatedAt.Equal(first.CreatedAt) {
			t.Errorf("%s: session %+v", name, s)
		}
		if a.Purpose == idp.ForClient && w.grantOf(a).Session != first.ID {
			t.Errorf("%s: the grant is of another session", name)
		}
	}
	if views, err := w.Sessions(t.Context(), anna.id); err != nil || len(views) != 1 {
		t.Errorf("%d sessions (%v)", len(views), err)
	}
}

// Another person in the same browser ends what the first one had there, and
// nothing else of theirs.
func TestAnotherPerson(t *testing.T) {
	for name, start := range map[string]func(w *world, req idp.AuthRequest, b login.Browser) *login.Step{
		"for a client": func(w *world, req idp.AuthRequest, b login.Browser) *login.Step {
			req.Prompt = []string{"select_account"}
			return w.start(req, b)
		},
		"for our pages": func(w *world, _ idp.AuthRequest, b login.Browser) *login.Step {
			s, err := w.StartAccount(w.Context(), "/account", b)
			w.must(err)
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			anna, bert := w.person("anna"), w.person("bert")
			req := w.client("viewer", nil)
			b, elsewhere := w.browser(), w.browser()
			first, kept := anna.signIn(&b), anna.signIn(&elsewhere)
			answer, _, err := w.Authorize(t.Context(), req, b)
			w.must(err)
			grant := answer.Code
			answer, _, err = w.Authorize(t.Context(), req, elsewhere)
			w.must(err)

			step := start(w, req, b)
			_, err = w.Password(t.Context(), step.ID, b, "bert", bert.password)
			w.must(err)
			_, err = w.Code(t.Context(), step.ID, b, bert.code())
			w.must(err)
			w.kinds()
			a := w.collect(step.ID, b)
			es := w.events()
			last := es[len(es)-1]
			if last.Kind != idp.EventSessionEnded || last.User != anna.id || last.Session != first.ID {
				t.Errorf("the log says %+v", es)
			}
			if _, _, err := w.Session(t.Context(), b); !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("the first one's cookie: %v", err)
			}
			b.Session = a.Session
			if s := w.session(b); s.User != bert.id || s.ID == first.ID {
				t.Errorf("session %+v", s)
			}
			_, g, err := w.db.Code(t.Context(), grant.Hash())
			w.must(err)
			w.refuses("the first one's grant", g.Live(w.now()), idp.ErrSettled)
			if s := w.session(elsewhere); s.ID != kept.ID {
				t.Errorf("elsewhere: %+v", s)
			}
			w.must(w.grantOf(answer).Live(w.now()))
		})
	}
}

// A step-up gives a fresh second factor and nothing else: same session, same
// time of sign-in, a new cookie.
func TestStepUp(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	anna.signIn(&b)
	w.later(10 * time.Minute)
	w.refuses("ten minutes later", w.session(b).Fresh(w.now()), idp.ErrStale)
	s := w.session(b)
	w.kinds()
	step, err := w.StartStepUp(t.Context(), s, "/account/devices", nil, b)
	w.at(step, err, idp.LoginFactor)
	if step.UserName != "anna" {
		t.Errorf("%+v", step)
	}
	_, err = w.Password(t.Context(), step.ID, b, "anna", anna.password)
	w.refuses("a password", err, idp.ErrSettled)
	step, err = w.Code(t.Context(), step.ID, b, anna.code())
	w.at(step, err, idp.LoginDone)
	a := w.collect(step.ID, b)
	if a.Target != "/account/devices" || a.Purpose != idp.ForStepUp || a.Session == "" || a.Session == b.Session || a.Code != "" {
		t.Errorf("answer %+v", a)
	}
	_, _, err = w.Session(t.Context(), b)
	w.refuses("the old cookie", err, idp.ErrNotFound)
	b.Session = a.Session
	after := w.session(b)
	want := *s
	want.FactorAt, want.LastSeenAt, want.Token = w.now(), w.now(), after.Token
	if after.ID != s.ID || !after.AuthTime.Equal(s.AuthTime) || !after.FactorAt.Equal(w.now()) || !after.ExpiresAt.Equal(s.ExpiresAt) || !after.LastSeenAt.Equal(w.now()) {
		t.Errorf("session %+v, want %+v", after, want)
	}
	w.must(after.Fresh(w.now()))
	w.tells(idp.EventFactorRight, idp.EventLoginDone)
}

// Who loses all tries, or starts over, in a step-up is told no; the session
// stays as it was.
func TestStepUpDenied(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	s := anna.signIn(&b)
	begin := func() idp.LoginID {
		step, err := w.StartStepUp(t.Context(), s, "/account", nil, b)
		return w.at(step, err, idp.LoginFactor).ID
	}
	id := begin()
	for range idp.MaxWrongCodes {
		_, err := w.Code(t.Context(), id, b, anna.wrongCode())
		w.refuses("wrong", err, idp.ErrWrongSecret)
		w.later(30 * time.Second)
	}
	spent := id
	id = begin()
	step, err := w.StartOver(t.Context(), id, b)
	w.at(step, err, idp.LoginDenied)
	over := id
	id = begin()
	step, err = w.Cancel(t.Context(), id, b)
	w.at(step, err, idp.LoginDenied)
	for _, id := range []idp.LoginID{spent, over, id} {
		step, err := w.Step(t.Context(), id, b)
		w.at(step, err, idp.LoginDenied)
		a := w.collect(id, b)
		if !a.Denied || a.Session != "" || a.Target != "/account" {
			t.Errorf("told %+v", a)
		}
	}
	after := w.session(b)
	if after.ID != s.ID || !after.FactorAt.Equal(s.FactorAt) {
		t.Errorf("session %+v", after)
	}

	// Nor does one go on when its session has ended meanwhile, or begin in one that has.
	id = begin()
	step, err = w.Code(t.Context(), id, b, anna.code())
	w.at(step, err, idp.LoginDone)
	w.must(w.EndSession(t.Context(), idp.Actor{User: anna.id}, anna.id, s.ID))
	_, err = w.Collect(t.Context(), id, b)
	w.refuses("collecting", err, idp.ErrSettled)
	ended := *s
	ended.EndedAt = w.now()
	_, err = w.StartStepUp(t.Context(), &ended, "/account", nil, b)
	w.refuses("beginning", err, idp.ErrSettled)
}

// A sign-in belongs to the browser it began in. To every other it is not there.
func TestAnotherBrowser(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	req := w.client("viewer", func(c *idp.Client) { c.Consent = true })
	b := w.browser()
	atPassword := w.start(req, b).ID
	atFactor := anna.atFactor(b)
	atConsent := w.start(req, b).ID
	_, err := w.Password(t.Context(), atConsent, b, "anna", anna.password)
	w.must(err)
	_, err = w.Code(t.Context(), atConsent, b, anna.code())
	w.must(err)
	atDone := anna.done(b)
	link, err := w.desk.ResetPassword(t.Context(), console, anna.id, admin.ViaLink)
	w.must(err)
	step, err := w.StartInvitation(t.Context(), link.Token, b)
	atEnrol := w.at(step, err, idp.LoginEnrol).ID
	ids := []idp.LoginID{atPassword, atFactor, atConsent, atDone, atEnrol, "made-up"}
	before := map[idp.LoginID]*idp.Login{}
	for _, id := range ids[:5] {
		before[id], err = w.db.Login(t.Context(), id)
		w.must(err)
	}
	w.kinds()
	code := anna.code()
	none := login.Browser{Address: b.Address}
	for _, from := range []login.Browser{w.browser(), none} {
		for name, act := range map[string]func(id idp.LoginID) error{
			"Step": func(id idp.LoginID) error { _, err := w.Step(t.Context(), id, from); return err },
			"Password": func(id idp.LoginID) error {
				_, err := w.Password(t.Context(), id, from, "anna", anna.password)
				return err
			},
			"Code": func(id idp.LoginID) error { _, err := w.Code(t.Context(), id, from, code); return err },
			"Recovery": func(id idp.LoginID) error {
				_, err := w.Recovery(t.Context(), id, from, anna.recovery[0].Reveal())
				return err
			},
			"Consent":   func(id idp.LoginID) error { _, err := w.Consent(t.Context(), id, from, true); return err },
			"Cancel":    func(id idp.LoginID) error { _, err := w.Cancel(t.Context(), id, from); return err },
			"StartOver": func(id idp.LoginID) error { _, err := w.StartOver(t.Context(), id, from); return err },
			"Collect":   func(id idp.LoginID) error { _, err := w.Collect(t.Context(), id, from); return err },
			"NameAccount": func(id idp.LoginID) error {
				_, err := w.NameAccount(t.Context(), id, from, "root", "Root")
				return err
			},
			"Enrol": func(id idp.LoginID) error {
				_, _, err := w.Enrol(t.Context(), id, from, login.EnrolForm{Password: otherPassword, Code: code})
				return err
			},
		} {
			for _, id := range ids {
				w.refuses(name, act(id), idp.ErrNotFound)
			}
		}
	}
	w.tells()
	for id, l := range before {
		after, err := w.db.Login(t.Context(), id)
		if err != nil || after.State != l.State || after.WrongCodes != l.WrongCodes || after.User != l.User {
			t.Errorf("%s is %+v (%v), was %+v", id, after, err, l)
		}
	}
	step, err = w.Code(t.Context(), atFactor, b, code)
	w.at(step, err, idp.LoginDone)
}

// Past its time a sign-in takes nothing, and says what it is.
func TestExpiredSignIn(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	step, err := w.StartAccount(t.Context(), "/account", b)
	atPassword := w.at(step, err, idp.LoginPassword).ID
	atFactor := anna.atFactor(b)
	w.later(idp.LoginTTL)
	w.kinds()
	checks := w.hasher.checks.Load()
	_, err = w.Password(t.Context(), atPassword, b, "anna", anna.password)
	w.refuses("password", err, idp.ErrExpired)
	_, err = w.Code(t.Context(), atFactor, b, anna.code())
	w.refuses("code", err, idp.ErrExpired)
	_, err = w.Recovery(t.Context(), atFactor, b, anna.recovery[0].Reveal())
	w.refuses("recovery code", err, idp.ErrExpired)
	_, err = w.Cancel(t.Context(), atFactor, b)
	w.refuses("cancel", err, idp.ErrExpired)
	_, err = w.StartOver(t.Context(), atFactor, b)
	w.refuses("start over", err, idp.ErrExpired)
	for _, id := range []idp.LoginID{atPassword, atFactor} {
		step, err := w.Step(t.Context(), id, b)
		w.at(step, err, idp.LoginExpired)
	}
	w.tells()
	if w.hasher.checks.Load() != checks {
		t.Error("something was hashed")
	}
}

// Disabling takes effect at once, however far a sign-in has come.
func TestDisabledMidWay(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	anna.signIn(&b)
	atFactor, atDone := anna.atFactor(b), anna.done(b)
	w.must(w.desk.Disable(t.Context(), console, anna.id, "left"))
	_, err := w.Code(t.Context(), atFactor, b, anna.code())
	w.refuses("code", err, idp.ErrSettled)
	_, err = w.Recovery(t.Context(), atFactor, b, anna.recovery[0].Reveal())
	w.refuses("recovery code", err, idp.ErrSettled)
	_, err = w.Collect(t.Context(), atDone, b)
	w.refuses("collect", err, idp.ErrSettled)
	_, _, err = w.Session(t.Context(), b)
	w.refuses("session", err, idp.ErrNotFound)

	// And when the sign-in learns only after that whose it is.
	late := w.browser()
	id := idp.NewID[idp.LoginID]()
	w.must(w.db.AddLogin(t.Context(), &idp.Login{
		ID: id, Purpose: idp.ForAccount, State: idp.LoginFactor, Browser: late.ID, User: anna.id, PasswordAt: w.now(),
		CreatedAt: w.now(), ExpiresAt: w.now().Add(idp.LoginTTL),
	}))
	step, err := w.Code(t.Context(), id, late, anna.code())
	w.at(step, err, idp.LoginDone)
	_, err = w.Collect(t.Context(), id, late)
	w.refuses("collect", err, idp.ErrExpired)
	if sessions, err := w.db.Sessions(t.Context(), anna.id, w.now()); err != nil || len(sessions) > 0 {
		t.Errorf("%d sessions (%v)", len(sessions), err)
	}
}

func TestCancelAndStartOver(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	req := w.client("viewer", nil)
	b := w.browser()
	step := w.start(req, b)
	_, err := w.Password(t.Context(), step.ID, b, "anna", anna.password)
	w.must(err)
	step, err = w.StartOver(t.Context(), step.ID, b)
	w.at(step, err, idp.LoginPassword)
	if step.UserName != "" {
		t.Errorf("still %s", step.UserName)
	}
	if g := w.grantOf(bert.finish(step.ID, b)); g.User != bert.id {
		t.Errorf("signed in as %s", g.User)
	}

	step = w.start(req, w.browserOf(&b))
	w.kinds()
	step, err = w.Cancel(t.Context(), step.ID, b)
	w.at(step, err, idp.LoginDenied)
	w.tells(idp.EventLoginDenied)
	if a := w.collect(step.ID, b); !a.Denied || a.Code != "" || a.Session != "" || a.Request.Client != "viewer" {
		t.Errorf("told %+v", a)
	}
	w.tells()
	_, err = w.Collect(t.Context(), step.ID, b)
	w.refuses("told twice", err, idp.ErrSettled)
}

// browserOf is the same browser without its session.
func (w *world) browserOf(b *login.Browser) login.Browser {
	b.Session = ""
	return *b
}

// An application that names groups is for the people in them only: told after
// every proof was given, and without a session.
func TestOnlyTheGroupsAdmitted(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	req := w.client("archive", func(c *idp.Client) { c.Groups = []string{"radiology", "archive"} })
	b := w.browser()
	l := w.start(req, b)
	a := anna.finish(l.ID, b)
	if !a.Denied || a.Code != "" || a.Session != "" {
		t.Fatalf("admitted: %+v", a)
	}
	all := w.events()
	last := all[len(all)-1]
	if last.Kind != idp.EventLoginDenied || last.Detail["by"] != "groups" || last.User != anna.id || last.Client != "archive" {
		t.Errorf("event %+v", last)
	}

	// A session of hers from another application is as none there.
	anna.signIn(&b)
	none := req
	none.Prompt = []string{"none"}
	if _, _, err := w.Authorize(t.Context(), none, b); !errors.Is(err, login.ErrNotAdmitted) {
		t.Errorf("without a page: %v", err)
	}
	if answer, step, err := w.Authorize(t.Context(), req, b); err != nil || answer != nil || step.State != idp.LoginPassword {
		t.Errorf("from a session: %+v, %+v, %v", answer, step, err)
	}

	w.must(w.desk.EditUser(t.Context(), console, anna.id, func(u *idp.User) { u.Groups = []string{"archive"} }))
	if answer, _, err := w.Authorize(t.Context(), none, b); err != nil || answer.Code == "" {
		t.Fatalf("in a group: %v", err)
	}
}
