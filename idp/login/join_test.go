package login_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/login"
)

// A sign-in waits in one tab while somebody signs in in another tab of the same browser:
// which ones go on by that session, from which step, and for whom.
func TestSignedInInAnotherTab(t *testing.T) {
	tomorrow := int64(86400)
	for _, c := range []struct {
		why    string
		client func(*idp.Client)
		ask    func(r *idp.AuthRequest, anna, bert idp.UserID)
		typed  string // whose password was given in the waiting tab; empty: nobody's
		own    bool   // the waiting tab is one of our own pages
		want   idp.LoginState
	}{
		{why: "at the password", want: idp.LoginDone},
		{why: "at the second factor", typed: "anna", want: idp.LoginDone},
		{why: "our own page, at the password", own: true, want: idp.LoginDone},
		{why: "our own page, at the second factor", own: true, typed: "anna", want: idp.LoginDone},
		{why: "somebody else is signing in there", typed: "bert", want: idp.LoginFactor},
		{why: "somebody else is signing in to our own page", own: true, typed: "bert", want: idp.LoginFactor},
		{why: "prompt=login", ask: func(r *idp.AuthRequest, _, _ idp.UserID) { r.Prompt = []string{"login"} }, want: idp.LoginPassword},
		{why: "prompt=select_account", ask: func(r *idp.AuthRequest, _, _ idp.UserID) { r.Prompt = []string{"select_account"} }, want: idp.LoginPassword},
		{why: "prompt=consent", ask: func(r *idp.AuthRequest, _, _ idp.UserID) { r.Prompt = []string{"consent"} }, want: idp.LoginConsent},
		{why: "max_age that it meets", ask: func(r *idp.AuthRequest, _, _ idp.UserID) { r.MaxAge = &tomorrow }, want: idp.LoginDone},
		{why: "max_age=0", ask: func(r *idp.AuthRequest, _, _ idp.UserID) { r.MaxAge = new(int64) }, want: idp.LoginPassword},
		{why: "for whoever signed in", ask: func(r *idp.AuthRequest, anna, _ idp.UserID) { r.HintUser = anna }, want: idp.LoginDone},
		{why: "for somebody else", ask: func(r *idp.AuthRequest, _, bert idp.UserID) { r.HintUser = bert }, want: idp.LoginPassword},
		{why: "consent is wanted", client: func(c *idp.Client) { c.Consent = true }, want: idp.LoginConsent},
		{why: "not admitted", client: func(c *idp.Client) { c.Groups = []string{"surgeons"} }, want: idp.LoginPassword},
	} {
		t.Run(c.why, func(t *testing.T) {
			w := newWorld(t)
			anna, bert := w.person("anna"), w.person("bert")
			req := w.client("viewer", c.client)
			if c.ask != nil {
				c.ask(&req, anna.id, bert.id)
			}
			b := w.browser()
			var step *login.Step
			if c.own {
				var err error
				step, err = w.StartAccount(t.Context(), "devices", b)
				w.must(err)
			} else {
				step = w.start(req, b)
			}
			switch c.typed {
			case "anna":
				_, err := w.Password(t.Context(), step.ID, b, "anna", anna.password)
				w.must(err)
			case "bert":
				_, err := w.Password(t.Context(), step.ID, b, "bert", bert.password)
				w.must(err)
			}
			s := anna.signIn(&b)
			after, err := w.Step(t.Context(), step.ID, b)
			w.at(after, err, c.want)
			if after.BySession != (c.want == idp.LoginDone || c.want == idp.LoginConsent) {
				t.Errorf("by the session: %v", after.BySession)
			}
			if c.want != idp.LoginDone {
				return
			}
			answer := w.collect(step.ID, b)
			if answer.Session != "" || answer.Known != "" {
				t.Error("a cookie is replaced though nothing was proven")
			}
			if c.own {
				if answer.Target != "devices" {
					t.Errorf("leads to %q", answer.Target)
				}
				return
			}
			g := w.grantOf(answer)
			if g.User != anna.id || g.Session != s.ID || !g.AuthTime.Equal(s.AuthTime) || !slices.Equal(g.AMR, s.AMR) || g.Nonce != "n" {
				t.Errorf("grant %+v of session %+v", g, s)
			}
		})
	}
}

// Nothing but the session itself has a waiting tab go on: not another browser's, not one
// that was there before, not one that has ended or whose person is gone.
func TestSessionsThatJoinNothing(t *testing.T) {
	for _, c := range []struct {
		why string
		do  func(w *world, anna *person, b *login.Browser)
	}{
		{"no session cookie", func(_ *world, anna *person, b *login.Browser) { other := *b; anna.signIn(&other) }},
		{"a session of another browser", func(w *world, anna *person, b *login.Browser) {
			other := w.browser()
			anna.signIn(&other)
			b.Session = other.Session
		}},
		{"signed out again", func(w *world, anna *person, b *login.Browser) {
			s := anna.signIn(b)
			w.must(w.EndSession(w.Context(), idp.Actor{User: anna.id}, anna.id, s.ID))
		}},
		{"disabled", func(w *world, anna *person, b *login.Browser) {
			anna.signIn(b)
			w.must(w.desk.Disable(w.Context(), console, anna.id, "left"))
		}},
	} {
		t.Run(c.why, func(t *testing.T) {
			w := newWorld(t)
			anna := w.person("anna")
			b := w.browser()
			step := w.start(w.client("viewer", nil), b)
			c.do(w, anna, &b)
			after, err := w.Step(t.Context(), step.ID, b)
			w.at(after, err, idp.LoginPassword)
		})
	}
}

// A sign-in that was given up goes on by no session.
func TestGivenUpIsNotBySession(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	id := anna.atFactor(b)
	step, err := w.Cancel(t.Context(), id, b)
	if w.at(step, err, idp.LoginDenied).BySession {
		t.Error("a no goes on by a session")
	}
}

// The phones are not asked by a tab that needs no answer any more, and what it had asked
// is taken back.
func TestAnotherTabAsksNoPhone(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.phone("Pixel 8")
	b := w.browser()
	req := w.client("viewer", nil)
	first, second := w.start(req, b), w.start(req, b)
	_, err := w.Password(t.Context(), first.ID, b, "anna", anna.password)
	w.must(err)
	anna.signIn(&b)
	w.kinds()
	step, err := w.Password(t.Context(), second.ID, b, "anna", anna.password)
	w.at(step, err, idp.LoginDone)
	if slices.Contains(w.kinds(), idp.EventPhoneAsked) {
		t.Error("a phone was asked though the session answers")
	}
	step, err = w.Step(t.Context(), first.ID, b)
	w.at(step, err, idp.LoginDone)
	if p := w.pending(ph); len(p) != 0 {
		t.Errorf("phones still show %d questions", len(p))
	}
}

// The question of one tab is withdrawn by that of another: the page says so, and can have
// it asked again at once.
func TestQuestionMovedToAnotherTab(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	anna.phone("Pixel 8")
	b := w.browser()
	first := anna.atFactor(b)
	second := anna.atFactor(b)
	step, err := w.Step(t.Context(), first, b)
	w.at(step, err, idp.LoginFactor)
	if p := step.Phones; p == nil || p.State != login.PhoneMoved || p.ResendAt.After(w.now()) {
		t.Fatalf("the first tab shows %+v", step.Phones)
	}
	step, err = w.Resend(t.Context(), first, b)
	w.at(step, err, idp.LoginFactor)
	if step.Phones.State != login.PhoneAsked {
		t.Errorf("sent again: %+v", step.Phones)
	}
	step, err = w.Step(t.Context(), second, b)
	w.at(step, err, idp.LoginFactor)
	if step.Phones.State != login.PhoneMoved {
		t.Errorf("the second tab shows %+v", step.Phones)
	}
}

// A page that was left open begins anew with the same request, in its own browser, once
// its time is up; a session that was made since answers it.
func TestBegunAnew(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	step := w.start(w.client("viewer", nil), b)
	_, err := w.Anew(t.Context(), step.ID, b)
	w.refuses("under way", err, idp.ErrSettled)
	w.later(16 * time.Hour)
	w.must(w.db.Sweep(t.Context(), w.now())) // overnight
	_, err = w.Anew(t.Context(), step.ID, w.browser())
	w.refuses("another browser", err, idp.ErrNotFound)
	again, err := w.Anew(t.Context(), step.ID, b)
	w.at(again, err, idp.LoginPassword)
	if again.ID == step.ID || again.Request.State != "s" || again.Request.Nonce != "n" || !again.ExpiresAt.Equal(w.now().Add(idp.LoginTTL)) {
		t.Errorf("begun anew: %+v", again)
	}
	answer := anna.finish(again.ID, b)
	if answer.Code == "" || answer.Request.State != "s" {
		t.Errorf("answered %+v", answer)
	}
	b.Session = answer.Session
	again, err = w.Anew(t.Context(), step.ID, b)
	w.at(again, err, idp.LoginDone)

	own, err := w.StartAccount(t.Context(), "devices", w.browser())
	w.must(err)
	w.later(idp.LoginTTL)
	if _, err := w.Anew(t.Context(), own.ID, b); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("another browser's own page: %v", err)
	}
}

// Whether phones can be asked is told as it is for this browser: its network was silenced
// by «it wasn't me», and a button could only fail.
func TestNoSendAfterNotMe(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.phone("Pixel 8")
	stranger := w.browser()
	anna.atFactor(stranger)
	_, err := w.Answer(t.Context(), ph, reply(w.asked(ph), notMe))
	w.must(err)
	neighbour := w.browser() // behind the same address
	step, err := w.Step(t.Context(), anna.atFactor(neighbour), neighbour)
	w.at(step, err, idp.LoginFactor)
	if p := step.Phones; p == nil || p.State != login.PhonePaused || !p.ResendAt.IsZero() || p.Retry <= 0 {
		t.Errorf("behind the same address: %+v", step.Phones)
	}
	elsewhere := w.browser()
	elsewhere.Address = "198.51.100.9"
	step, err = w.Step(t.Context(), anna.atFactor(elsewhere), elsewhere)
	w.at(step, err, idp.LoginFactor)
	if step.Phones.State != login.PhoneAsked {
		t.Errorf("elsewhere: %+v", step.Phones)
	}
}

// A wrong number can be put right at once.
func TestSendAtOnceAfterAWrongNumber(t *testing.T) {
	w := newWorld(t)
	w.match(idp.MatchType)
	anna := w.person("anna")
	ph := anna.phone("Pixel 8")
	b := w.browser()
	id := anna.atFactor(b)
	c := w.asked(ph)
	wrong := "10"
	if c.Number == wrong {
		wrong = "11"
	}
	if state, _ := w.Answer(t.Context(), ph, reply(c, idp.Verdict{Approve: true, Number: wrong})); state != idp.ChallengeWrong {
		t.Fatalf("another number: %s", state)
	}
	step, err := w.Step(t.Context(), id, b)
	w.at(step, err, idp.LoginFactor)
	if p := step.Phones; p.State != login.PhoneWrong || p.ResendAt.After(w.now()) {
		t.Errorf("after a wrong number: %+v", p)
	}
	step, err = w.Resend(t.Context(), id, b)
	w.at(step, err, idp.LoginFactor)
	if p := step.Phones; p.State != login.PhoneAsked || p.Number == c.Number && w.asked(ph).ID == c.ID {
		t.Errorf("sent again: %+v", p)
	}
}

// What was posted waits for the second factor sealed, comes back once, and is gone where
// the factor was not given.
func TestHeldForm(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	s := anna.signIn(&b)
	begin := func() *login.Step {
		step, err := w.StartStepUp(t.Context(), s, "devices", []byte("what was typed"), b)
		return w.at(step, err, idp.LoginFactor)
	}
	step := begin()
	row, err := w.db.Login(t.Context(), step.ID)
	w.must(err)
	if len(row.Held) == 0 || strings.Contains(string(row.Held), "typed") {
		t.Errorf("held as %q", row.Held)
	}
	step, err = w.Code(t.Context(), step.ID, b, anna.code())
	w.at(step, err, idp.LoginDone)
	answer := w.collect(step.ID, b)
	if string(answer.Held) != "what was typed" {
		t.Errorf("given back %q", answer.Held)
	}
	b.Session = answer.Session
	row, err = w.db.Login(t.Context(), step.ID)
	w.must(err)
	if len(row.Held) != 0 {
		t.Error("it stays in the row")
	}
	for what, end := range map[string]func(id idp.LoginID){
		"cancelled": func(id idp.LoginID) {
			_, err := w.Cancel(t.Context(), id, b)
			w.must(err)
			if a := w.collect(id, b); a.Held != nil {
				t.Error("given back though cancelled")
			}
		},
		"signed out": func(idp.LoginID) { w.must(w.SignOut(t.Context(), idp.Actor{User: anna.id}, s)) },
	} {
		step := begin()
		end(step.ID)
		row, err := w.db.Login(t.Context(), step.ID)
		w.must(err)
		if len(row.Held) != 0 {
			t.Errorf("%s: it stays in the row", what)
		}
	}
}
