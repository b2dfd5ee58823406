package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/login"
)

func TestPageFollowsTheState(t *testing.T) {
	for _, c := range []struct {
		state   idp.LoginState
		purpose idp.LoginPurpose
		status  int
		to      string
		says    []string
	}{
		{idp.LoginPassword, idp.ForClient, 200, "", []string{`id="password-form"`, "<b>Radiology Viewer</b>", "Cancel and go back"}},
		{idp.LoginPassword, idp.ForAccount, 200, "", []string{"<b>Imaging</b>", "not Cancel"}},
		{idp.LoginFactor, idp.ForClient, 200, "", []string{`id="code-form"`, `id="recovery-form"`, "Not you? Start over", `inputmode="numeric"`, `autocomplete="one-time-code"`}},
		{idp.LoginFactor, idp.ForStepUp, 200, "", []string{"Confirm that it is you", "Back to your account", "not Start over"}},
		{idp.LoginEnrol, idp.ForInvitation, 200, "", []string{`id="enrol-form"`, "JBSW Y3DP EHPK 3PXP", "otpauth://totp/Imaging:anna?secret=JBSWY3DPEHPK3PXP&amp;issuer=Imaging", `<path d="M4 4h7`}},
		{idp.LoginConsent, idp.ForClient, 200, "", []string{"viewer.example:8443", "Your name", "dicom:read", "Your e-mail address", "Whether your e-mail address is confirmed", "Also: shoe_size", "Allow", "Deny", "12 hours"}},
		{idp.LoginDone, idp.ForClient, 303, "/authorize/collect/" + aLogin, nil},
		{idp.LoginDenied, idp.ForClient, 303, "/authorize/collect/" + aLogin, nil},
		{idp.LoginDone, idp.ForAccount, 200, "", []string{"One step is left", "/collect"}},
		{idp.LoginDone, idp.ForInvitation, 200, "", []string{"/collect"}},
		{idp.LoginCollected, idp.ForClient, 200, "", []string{"This sign-in is finished", "Go back to Radiology Viewer", `href="https://viewer.example:8443/"`}},
		{idp.LoginCollected, idp.ForAccount, 200, "", []string{"This sign-in is finished", `href="/account"`}},
		{idp.LoginDenied, idp.ForStepUp, 200, "", []string{"The sign-in was cancelled"}},
		{idp.LoginExpired, idp.ForClient, 410, "", []string{"This sign-in has expired", "Go back to Radiology Viewer", `href="https://viewer.example:8443/"`, "/anew", "not href=\"/account\""}},
		{idp.LoginExpired, idp.ForAccount, 410, "", []string{"This sign-in has expired", `href="/account"`}},
	} {
		t.Run(fmt.Sprintf("%s for %s", c.state, c.purpose), func(t *testing.T) {
			d := open(t)
			d.bound(c.state, c.purpose)
			r := d.Get("/login/" + aLogin)
			if c.to != "" {
				d.Leads(r, c.to)
			} else {
				d.Wants(r, c.status, append(c.says, "not 2FA", "not OTP", "not token", "not !important")...)
			}
			d.asked() // looking changes nothing
		})
	}
}

// Another browser's, a made-up, a malformed sign-in and one without any cookie
// are the same page: nothing tells which it was.
func TestForeignSignInIsNotFound(t *testing.T) {
	d := open(t)
	d.logins.step = step(idp.LoginPassword, idp.ForClient)
	bare := d.Get("/login/" + aLogin)
	d.Wants(bare, 404, "There is nothing here", "sign in again", "not password-form")
	d.Get("/test/browser")
	d.logins.err = idp.ErrNotFound // the verb's answer for what it does not know
	for _, id := range []string{"MADEUPMADEUPMADEUPMADEUPM2", "x", strings.Repeat("A", 500), "a%2F..%2Fb", "%00"} {
		r := d.Get("/login/" + id)
		d.Wants(r, 404, "There is nothing here")
		if r.Body != bare.Body {
			t.Errorf("%s: another page than without a cookie", id)
		}
		d.Wants(d.Post("/login/"+id+"/code", "code", "123456"), 404, "There is nothing here")
	}
	d.asked("code 123456", "code 123456") // what cannot be an id is not looked up
}

func TestWrongPassword(t *testing.T) {
	d := open(t)
	d.bound(idp.LoginPassword, idp.ForClient)
	d.logins.err = fmt.Errorf("user anna: %w", idp.ErrWrongSecret)
	r := d.Post("/login/"+aLogin+"/password", "username", "anna", "password", "hunter2hunter2")
	d.Wants(r, 422, "User name and password do not match.", `value="anna"`, `role="alert"`, `aria-invalid="true"`, "autofocus", "not hunter2", "not unknown", "not disabled")
	d.asked("password anna hunter2hunter2")
}

func TestTryingAgainTooSoon(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		says  string
		retry string
	}{
		{0, "Confirm in another way, or ask your administrator.", ""},
		{time.Millisecond, "in 1 second.", "1"},
		{1500 * time.Millisecond, "in 2 seconds.", "2"},
		{30 * time.Minute, "in 30 minutes.", "1800"},
		{5 * time.Hour, "in 5 hours.", "18000"},
		{24 * time.Hour, "in 24 hours.", "86400"},
		{20 * 24 * time.Hour, "in 20 days.", "1728000"},
	} {
		d := open(t)
		d.bound(idp.LoginPassword, idp.ForClient)
		d.logins.err = &idp.RetryError{Err: idp.ErrTooMany, After: c.after}
		r := d.Post("/login/"+aLogin+"/password", "username", "anna", "password", "x")
		d.Wants(r, 429, c.says, `id="password-form"`)
		if got := r.Header.Get("Retry-After"); got != c.retry {
			t.Errorf("%s: Retry-After %q, want %q", c.after, got, c.retry)
		}
		d.logins.step = step(idp.LoginFactor, idp.ForClient)
		d.Wants(d.Post("/login/"+aLogin+"/code", "code", "123456"), 429, c.says, `id="code-form"`, "A recovery code still works.")
		d.Wants(d.Post("/login/"+aLogin+"/recovery", "recovery_code", "x"), 429, c.says, "<details open>", "not still works")
	}
}

func TestBusy(t *testing.T) {
	d := open(t)
	d.bound(idp.LoginPassword, idp.ForClient)
	d.logins.err = &idp.RetryError{Err: idp.ErrBusy, After: 2 * time.Second}
	r := d.Post("/login/"+aLogin+"/password", "username", "anna", "password", "x")
	d.Wants(r, 503, "Nothing was wrong with what you typed", `value="anna"`)
	if r.Header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
	}
}

func TestWrongCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		says string
	}{
		{idp.ErrWrongSecret, "does not match"},
		{idp.ErrCodeUsed, "Wait for the next one."},
		{idp.ErrInvalid, "The code has six digits."},
	} {
		d := open(t)
		d.bound(idp.LoginFactor, idp.ForClient)
		d.logins.err = c.err
		d.Wants(d.Post("/login/"+aLogin+"/code", "code", "654321"), 422, c.says, "not 654321", `aria-describedby="problem"`)
	}
}

func TestWrongRecoveryCodeLeavesItsFieldOpen(t *testing.T) {
	d := open(t)
	d.bound(idp.LoginFactor, idp.ForClient)
	d.logins.err = idp.ErrWrongSecret
	d.Wants(d.Post("/login/"+aLogin+"/recovery", "recovery_code", "ABCD-EFGH"), 422, "<details open>", "was used before", "not ABCD-EFGH")
	d.asked("recovery ABCD-EFGH")
}

func TestSpentTriesLeadBackToThePassword(t *testing.T) {
	t.Run("told by the step", func(t *testing.T) {
		d := open(t)
		d.bound(idp.LoginFactor, idp.ForClient)
		d.logins.after = step(idp.LoginPassword, idp.ForClient)
		d.Leads(d.Post("/login/"+aLogin+"/code", "code", "123456"), "/login/"+aLogin+"?note=spent")
	})
	t.Run("told by an error", func(t *testing.T) {
		d := open(t)
		d.bound(idp.LoginPassword, idp.ForClient)
		d.logins.err = idp.ErrWrongSecret
		d.Leads(d.Post("/login/"+aLogin+"/code", "code", "123456"), "/login/"+aLogin+"?note=spent")
		d.Wants(d.Get("/login/"+aLogin+"?note=spent"), 200, "Too many wrong codes.")
	})
	t.Run("other notes say nothing", func(t *testing.T) {
		d := open(t)
		d.bound(idp.LoginPassword, idp.ForClient)
		d.Wants(d.Get("/login/"+aLogin+"?note=trouble"), 200, `not id="note"`)
	})
}

func TestNoDeviceLinked(t *testing.T) {
	d := open(t)
	d.bound(idp.LoginFactor, idp.ForClient).Devices = 0
	d.Wants(d.Get("/login/"+aLogin), 200, "No device is linked", "invitation", "not code-form", "recovery-form")
	d.logins.step.Recovery = false
	d.Wants(d.Get("/login/"+aLogin), 200, "No device is linked", "not recovery-form")
}

// A replayed form, or one from a tab that was left behind, leads to what is
// true now.
func TestReplayedStepShowsWhatIsTrueNow(t *testing.T) {
	for _, err := range []error{idp.ErrSettled, idp.ErrExpired} {
		for _, verb := range []string{"password", "code", "recovery", "startover", "cancel", "name", "enrol"} {
			d := open(t)
			d.bound(idp.LoginCollected, idp.ForClient)
			d.logins.err = err
			d.Leads(d.Post("/login/"+aLogin+"/"+verb), "/login/"+aLogin)
		}
		d := open(t)
		d.bound(idp.LoginCollected, idp.ForClient)
		d.logins.err = err
		d.Leads(d.Post("/login/"+aLogin+"/consent", "answer", "allow"), "/login/"+aLogin)
	}
}

// Reloading the address of a form that was answered in place is no dead end.
func TestFormAddressesCanBeVisited(t *testing.T) {
	d := open(t)
	for _, verb := range []string{"password", "code", "recovery", "consent", "startover", "cancel", "collect", "name", "enrol"} {
		d.Leads(d.Get("/login/"+aLogin+"/"+verb), "/login/"+aLogin)
	}
}

func TestStepsLeadOn(t *testing.T) {
	for _, c := range []struct {
		name    string
		purpose idp.LoginPurpose
		after   idp.LoginState
		to      string
	}{
		{"second factor is next", idp.ForClient, idp.LoginFactor, "/login/" + aLogin},
		{"consent is next", idp.ForClient, idp.LoginConsent, "/login/" + aLogin},
		{"done for a client is collected there", idp.ForClient, idp.LoginDone, "/authorize/collect/" + aLogin},
		{"denied for a client is told there", idp.ForClient, idp.LoginDenied, "/authorize/collect/" + aLogin},
		{"a step-up given up leads to the account", idp.ForStepUp, idp.LoginDenied, "/account/security?did=nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t)
			d.bound(idp.LoginFactor, c.purpose)
			d.logins.after = step(c.after, c.purpose)
			d.Leads(d.Post("/login/"+aLogin+"/code", "code", "123456"), c.to)
			d.Leads(d.Post("/login/"+aLogin+"/cancel"), c.to)
			d.asked("code 123456", "cancel") // never collected here
		})
	}
}

func TestOwnSignInIsCollectedHere(t *testing.T) {
	for _, c := range []struct{ target, to string }{
		{"devices", "/account/devices"},
		{"sessions", "/account/sessions"},
		{"unlink:" + aDevice, "/account/devices/" + aDevice + "/unlink"},
		{"", "/account/security"},
		{"https://evil.example/", "/account/security"},
		{"//evil.example", "/account/security"},
		{"unlink:../../x", "/account/security"},
	} {
		d := open(t)
		d.bound(idp.LoginFactor, idp.ForAccount)
		d.logins.after = step(idp.LoginDone, idp.ForAccount)
		d.logins.answer = &login.Answer{Purpose: idp.ForAccount, Target: c.target, Session: idp.NewToken()}
		r := d.Post("/login/"+aLogin+"/code", "code", "123456")
		d.Leads(r, c.to)
		if set := r.Header.Values("Set-Cookie"); len(set) != 1 || !strings.HasPrefix(set[0], "session=") {
			t.Errorf("cookies set: %q", set)
		}
	}
}

func TestCollectingTwiceIsNoFault(t *testing.T) {
	d := open(t)
	d.bound(idp.LoginDone, idp.ForAccount)
	d.logins.collect = idp.ErrSettled
	r := d.Post("/login/" + aLogin + "/collect")
	d.Leads(r, "/login/"+aLogin)
	if len(r.Header.Values("Set-Cookie")) != 0 {
		t.Error("a cookie was set")
	}
}

// A step-up whose session has ended cannot be collected: the page says so
// instead of offering the same step again.
func TestCollectingWhatHasExpiredIsNoLoop(t *testing.T) {
	d := open(t)
	d.bound(idp.LoginDone, idp.ForStepUp)
	d.logins.collect = idp.ErrExpired
	d.Wants(d.Post("/login/"+aLogin+"/collect"), 410, "This sign-in has expired", `href="/account"`, "not /collect")
}

func TestCollectLeavesTheClientsSignInAlone(t *testing.T) {
	d := open(t)
	d.bound(idp.LoginDone, idp.ForClient)
	d.Leads(d.Post("/login/"+aLogin+"/collect"), "/authorize/collect/"+aLogin)
	d.asked()
}

func TestCodeFilledOnThePasswordPage(t *testing.T) {
	d := open(t)
	d.bound(idp.LoginPassword, idp.ForClient)
	d.logins.after = step(idp.LoginFactor, idp.ForClient)
	d.Leads(d.Post("/login/"+aLogin+"/password", "username", "anna", "password", "x", "code", "123456"), "/login/"+aLogin)
	d.asked("password anna x", "code 123456")
	d.logins.asked = nil
	d.Leads(d.Post("/login/"+aLogin+"/password", "username", "anna", "password", "x", "code", ""), "/login/"+aLogin)
	d.asked("password anna x")
}

func TestConsentNeedsAnAnswer(t *testing.T) {
	d := open(t)
	d.bound(idp.LoginConsent, idp.ForClient)
	d.Wants(d.Post("/login/"+aLogin+"/consent"), 400)
	d.Wants(d.Post("/login/"+aLogin+"/consent", "answer", "yes"), 400)
	d.asked()
	d.logins.after = step(idp.LoginDenied, idp.ForClient)
	d.Leads(d.Post("/login/"+aLogin+"/consent", "answer", "deny"), "/authorize/collect/"+aLogin)
	d.asked("deny")
}

// Pages of an application are links on the pages of the password and of consent, in the language
// that is read, and nothing of the application is loaded there.
func TestPagesOfAnApplication(t *testing.T) {
	about := idp.ClientAbout{
		Names: map[string]string{"nl": "Bekijker"}, Home: idp.Tagged{"nl": "https://viewer.example/nl"}, Policy: idp.Tagged{"": "https://viewer.example/privacy?a=1&b=2"},
		Terms: idp.Tagged{"": "https://viewer.example/terms", "nl": "https://viewer.example/voorwaarden"}, Logo: "https://viewer.example/logo.png",
	}
	for _, state := range []idp.LoginState{idp.LoginPassword, idp.LoginConsent} {
		d, _ := abroad(t)
		c := *d.bound(state, idp.ForClient).Client
		c.About = about
		d.logins.step.Client = &c
		r := d.Get("/login/" + aLogin)
		d.Wants(r, 200, `<a href="https://viewer.example/privacy?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">`, `href="https://viewer.example/terms"`,
			"not https://viewer.example/nl", "not voorwaarden", "not Bekijker", "not logo.png")
		if csp := r.Header.Get("Content-Security-Policy"); strings.Contains(csp, "img-src *") || !strings.Contains(csp, "img-src 'self'") {
			t.Errorf("%s: %s", state, csp)
		}
		d.Wants(d.getIn("/login/"+aLogin, "nl"), 200, "Bekijker", `href="https://viewer.example/nl"`, `href="https://viewer.example/voorwaarden"`, "not https://viewer.example/terms")
		c.About = idp.ClientAbout{}
		d.Wants(d.Get("/login/"+aLogin), 200, `not id="party"`)
	}
}
