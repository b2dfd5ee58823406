package login_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/login"
)

// What a request is answered with: from the session, by a page, or by an error
// where no page may be shown.
func TestAuthorize(t *testing.T) {
	const answered = "answered"
	seconds := func(n int64) *int64 { return &n }
	for _, c := range []struct {
		why     string
		session bool // anna's, ten minutes old
		consent bool // the client asks for it
		allowed []string
		change  func(r *idp.AuthRequest, anna, bert idp.UserID)
		want    string // answered, or the state of the sign-in
		none    error  // with prompt=none added: nil where it is answered
	}{
		{why: "no session", want: "password", none: login.ErrLoginRequired},
		{why: "a session", session: true, want: answered},
		{why: "asked to sign in anew", session: true, want: "password", none: login.ErrLoginRequired,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.Prompt = []string{"login"} }},
		{why: "asked for another account", session: true, want: "password", none: login.ErrLoginRequired,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.Prompt = []string{"select_account"} }},
		{why: "asked for consent", session: true, want: "consent", none: login.ErrConsentRequired,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.Prompt = []string{"consent"} }},
		{why: "asked for consent, without a session", want: "password", none: login.ErrLoginRequired,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.Prompt = []string{"consent"} }},
		{why: "asked for both", session: true, want: "password", none: login.ErrLoginRequired,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.Prompt = []string{"login", "consent"} }},
		{why: "signed in longer ago than may be", session: true, want: "password", none: login.ErrLoginRequired,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.MaxAge = seconds(599) }},
		{why: "signed in just as long ago as may be", session: true, want: answered,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.MaxAge = seconds(600) }},
		{why: "max_age=0 is prompt=login", session: true, want: "password", none: login.ErrLoginRequired,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.MaxAge = seconds(0) }},
		{why: "a max_age of ages", session: true, want: answered,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.MaxAge = seconds(math.MaxInt64) }},
		{why: "the hinted person", session: true, want: answered,
			change: func(r *idp.AuthRequest, anna, _ idp.UserID) { r.HintUser = anna }},
		{why: "another than the hinted person", session: true, want: "password", none: login.ErrLoginRequired,
			change: func(r *idp.AuthRequest, _, bert idp.UserID) { r.HintUser = bert }},
		{why: "a client that wants consent", session: true, consent: true, want: "consent", none: login.ErrConsentRequired},
		{why: "a client that has it", session: true, consent: true, allowed: []string{"openid", "profile", "email"}, want: answered},
		{why: "a client that has less", session: true, consent: true, allowed: []string{"openid"}, want: "consent", none: login.ErrConsentRequired},
		{why: "a client that has it, and asks for a claim by name", session: true, consent: true, allowed: []string{"openid", "profile", "email"}, want: "consent", none: login.ErrConsentRequired,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.Named = []string{"email"} }},
		{why: "a claim by name, where nobody is asked", session: true, want: answered,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.Named = []string{"email"} }},
		{why: "a client that has it, and asks again", session: true, consent: true, allowed: []string{"openid", "profile"}, want: "consent", none: login.ErrConsentRequired,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.Prompt = []string{"consent"} }},
		{why: "no session, and consent to come", consent: true, want: "password", none: login.ErrLoginRequired},
		{why: "consent and an old session: the login comes first", session: true, consent: true, want: "password", none: login.ErrLoginRequired,
			change: func(r *idp.AuthRequest, _, _ idp.UserID) { r.MaxAge = seconds(1) }},
	} {
		t.Run(c.why, func(t *testing.T) {
			w := newWorld(t)
			anna, bert := w.person("anna"), w.person("bert")
			req := w.client("viewer", func(k *idp.Client) { k.Consent = c.consent })
			b := w.browser()
			if c.session {
				anna.signIn(&b)
			}
			if c.allowed != nil {
				first := req
				first.Scopes = c.allowed
				step := w.start(first, b)
				step, err := w.Consent(t.Context(), step.ID, b, true)
				w.at(step, err, idp.LoginDone)
				w.collect(step.ID, b)
			}
			if c.session {
				w.later(10*time.Minute - w.now().Sub(w.session(b).AuthTime))
			}
			if c.change != nil {
				c.change(&req, anna.id, bert.id)
			}
			w.kinds()

			quiet := req
			quiet.Prompt = append(slices.Clone(req.Prompt), "none")
			answer, step, err := w.Authorize(t.Context(), quiet, b)
			switch {
			case step != nil:
				t.Errorf("prompt=none began %+v", step)
			case c.none == nil && (err != nil || answer == nil):
				t.Errorf("prompt=none: %v", err)
			case c.none != nil && (!errors.Is(err, c.none) || answer != nil):
				t.Errorf("prompt=none: %v, want %v", err, c.none)
			}
			if c.none != nil {
				w.tells()
			} else {
				w.tells(idp.EventCodeIssued)
			}

			answer, step, err = w.Authorize(t.Context(), req, b)
			w.must(err)
			if c.want != answered {
				if answer != nil || step == nil || string(step.State) != c.want {
					t.Fatalf("%+v, %+v, want state %s", answer, step, c.want)
				}
				w.tells()
				return
			}
			if answer == nil || step != nil || answer.Denied || answer.Session != "" || answer.Purpose != idp.ForClient || answer.Request.State != "s" {
				t.Fatalf("%+v, %+v, want an answer", answer, step)
			}
			w.tells(idp.EventCodeIssued)
			s, g := w.session(b), w.grantOf(answer)
			if g.User != anna.id || g.Session != s.ID || g.Client != "viewer" || !g.AuthTime.Equal(s.AuthTime) || g.Nonce != "n" ||
				g.ACR != idp.ACRMultiFactor || !g.ExpiresAt.Equal(s.ExpiresAt) || !slices.Equal(g.Scopes, req.Scopes) {
				t.Errorf("grant %+v", g)
			}
			code, _, err := w.db.Code(t.Context(), answer.Code.Hash())
			if err != nil || code.RedirectURI != req.RedirectURI || code.Challenge != "c" || !code.ExpiresAt.Equal(w.now().Add(idp.CodeTTL)) {
				t.Errorf("code %+v (%v)", code, err)
			}
		})
	}
}

// The bounds of max_age are exact, to the microsecond that is kept.
func TestMaxAge(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	req := w.client("viewer", nil)
	age := int64(60)
	req.MaxAge = &age
	b := w.browser()
	s := anna.signIn(&b)
	w.clock.Store(s.AuthTime.Add(time.Minute).UnixMicro())
	if answer, _, err := w.Authorize(t.Context(), req, b); err != nil || answer == nil {
		t.Errorf("at 60 s: %+v (%v)", answer, err)
	}
	w.later(time.Microsecond)
	step := w.start(req, b)
	w.at(step, nil, idp.LoginPassword)
	// What comes out of the sign-in is new, and says so.
	a := anna.finish(step.ID, b)
	if g := w.grantOf(a); !g.AuthTime.Equal(w.now()) {
		t.Errorf("signed in at %s, now %s", g.AuthTime, w.now())
	}
}

// A session that is over, or another browser's, is none.
func TestSessionsThatDoNotAnswer(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	req := w.client("viewer", nil)
	b := w.browser()
	anna.signIn(&b)
	stolen := w.browser()
	stolen.Session = b.Session
	made := b
	made.Session = "made-up"
	for why, from := range map[string]login.Browser{"another browser's": stolen, "made up": made} {
		if answer, step, err := w.Authorize(t.Context(), req, from); err != nil || answer != nil || step.State != idp.LoginPassword {
			t.Errorf("%s: %+v %+v (%v)", why, answer, step, err)
		}
	}
	w.later(time.Hour)
	w.at(w.start(req, b), nil, idp.LoginPassword) // idle too long
	anna.signIn(&b)
	w.must(w.EndSession(t.Context(), idp.Actor{User: anna.id}, anna.id, w.session(b).ID))
	w.at(w.start(req, b), nil, idp.LoginPassword)
}

// Answering from a session counts as being seen.
func TestAuthorizeKeepsTheSessionAlive(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	req := w.client("viewer", nil)
	b := w.browser()
	anna.signIn(&b)
	for range 5 {
		w.later(59 * time.Minute)
		if answer, _, err := w.Authorize(t.Context(), req, b); err != nil || answer == nil {
			t.Fatalf("%+v (%v)", answer, err)
		}
	}
}

// The name field is filled with whom the application, or the browser, knows.
func TestLoginHint(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	b := w.browser()
	anna.signIn(&b)
	base := w.client("viewer", nil)
	for _, c := range []struct {
		why    string
		change func(*idp.AuthRequest)
		want   string
	}{
		{"whose session it is", func(r *idp.AuthRequest) { r.Prompt = []string{"login"} }, "anna"},
		{"whom the application says", func(r *idp.AuthRequest) { r.Prompt, r.LoginHint = []string{"login"}, "carl" }, "carl"},
		{"nobody where the person is to choose", func(r *idp.AuthRequest) { r.Prompt = []string{"select_account"} }, ""},
		{"not who may not sign in", func(r *idp.AuthRequest) { r.HintUser = bert.id }, ""},
	} {
		req := base
		c.change(&req)
		if step := w.start(req, b); step.LoginHint != c.want {
			t.Errorf("%s: %q, want %q", c.why, step.LoginHint, c.want)
		}
	}
}

func TestAuthorizeForAnUnknownClient(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.Authorize(t.Context(), idp.AuthRequest{Client: "nobody"}, w.browser())
	w.refuses("unknown client", err, idp.ErrNotFound)

	// An application that is removed while somebody signs in to it.
	req := w.client("viewer", nil)
	b := w.browser()
	step := w.start(req, b)
	w.must(w.desk.RemoveClient(t.Context(), console, "viewer"))
	step, err = w.Step(t.Context(), step.ID, b)
	w.at(step, err, idp.LoginExpired)
}

// A yes is remembered for what it was said to, and asked for again when the
// application insists or wants more.
func TestConsent(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	req := w.client("viewer", func(c *idp.Client) { c.Consent = true })
	b := w.browser()
	step := w.start(req, b)
	step, err := w.Password(t.Context(), step.ID, b, "anna", anna.password)
	w.at(step, err, idp.LoginFactor)
	step, err = w.Code(t.Context(), step.ID, b, anna.code())
	w.at(step, err, idp.LoginConsent)
	if !slices.Equal(step.Scopes, req.Scopes) || step.UserName != "anna" || step.Client.Name != "The viewer" {
		t.Errorf("asked: %+v", step)
	}
	_, err = w.Collect(t.Context(), step.ID, b)
	w.refuses("collecting before the answer", err, idp.ErrSettled)
	w.kinds()
	step, err = w.Consent(t.Context(), step.ID, b, true)
	w.at(step, err, idp.LoginDone)
	w.tells(idp.EventConsentGiven)
	_, err = w.Consent(t.Context(), step.ID, b, false)
	w.refuses("a no after a yes", err, idp.ErrSettled)
	a := w.collect(step.ID, b)
	b.Session = a.Session
	if c, err := w.db.Consent(t.Context(), anna.id, "viewer"); err != nil || !slices.Equal(c.Scopes, req.Scopes) || !c.At.Equal(w.now()) {
		t.Errorf("remembered %+v (%v)", c, err)
	}
	if answer, _, err := w.Authorize(t.Context(), req, b); err != nil || answer == nil {
		t.Errorf("asked again: %v", err)
	}
	// Another browser, without a session: remembered all the same.
	other := w.browser()
	anna.finish(w.start(req, other).ID, other)

	again := req
	again.Prompt = []string{"consent"}
	step = w.at(w.start(again, b), nil, idp.LoginConsent)
	session := w.session(b)
	step, err = w.Consent(t.Context(), step.ID, b, true)
	w.at(step, err, idp.LoginDone)
	a = w.collect(step.ID, b)
	if a.Session != "" {
		t.Error("a yes alone changes the cookie")
	}
	if g := w.grantOf(a); g.Session != session.ID || !g.AuthTime.Equal(session.AuthTime) || g.ACR != idp.ACRMultiFactor {
		t.Errorf("grant %+v", g)
	}
}

func TestConsentRefused(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	req := w.client("viewer", func(c *idp.Client) { c.Consent = true })
	b := w.browser()
	anna.signIn(&b)
	w.kinds()
	step := w.at(w.start(req, b), nil, idp.LoginConsent)
	step, err := w.Consent(t.Context(), step.ID, b, false)
	w.at(step, err, idp.LoginDenied)
	w.tells(idp.EventConsentRefused)
	a := w.collect(step.ID, b)
	if !a.Denied || a.Code != "" || a.Session != "" || a.Request.State != "s" {
		t.Errorf("told: %+v", a)
	}
	_, err = w.Collect(t.Context(), step.ID, b)
	w.refuses("told twice", err, idp.ErrSettled)
	if _, err := w.db.Consent(t.Context(), anna.id, "viewer"); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("a no is remembered: %v", err)
	}
	w.session(b) // which a no to an application does not end
	w.at(w.start(req, b), nil, idp.LoginConsent)
}

// A yes from a page that stayed open while its session ended gives nothing.
func TestConsentAfterTheSession(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	req := w.client("viewer", func(c *idp.Client) { c.Consent = true })
	b := w.browser()
	s := anna.signIn(&b)
	step := w.at(w.start(req, b), nil, idp.LoginConsent)
	w.must(w.EndSession(t.Context(), idp.Actor{User: anna.id}, anna.id, s.ID))
	_, err := w.Consent(t.Context(), step.ID, b, true)
	w.refuses("a yes", err, idp.ErrSettled)
	_, err = w.Collect(t.Context(), step.ID, b)
	w.refuses("collecting", err, idp.ErrSettled)
}

// One person's remembered yes is not another's, also when both try in the same
// sign-in.
func TestConsentIsAskedOfWhoeverComesOut(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	req := w.client("viewer", func(c *idp.Client) { c.Consent = true })
	first := w.browser()
	anna.signIn(&first)
	step := w.start(req, first)
	step, err := w.Consent(t.Context(), step.ID, first, true)
	w.at(step, err, idp.LoginDone)
	w.collect(step.ID, first)

	b := w.browser()
	step = w.start(req, b)
	step, err = w.Password(t.Context(), step.ID, b, "anna", anna.password)
	w.at(step, err, idp.LoginFactor)
	step, err = w.StartOver(t.Context(), step.ID, b)
	w.at(step, err, idp.LoginPassword)
	step, err = w.Password(t.Context(), step.ID, b, "bert", bert.password)
	w.at(step, err, idp.LoginFactor)
	step, err = w.Code(t.Context(), step.ID, b, bert.code())
	w.at(step, err, idp.LoginConsent)
}
