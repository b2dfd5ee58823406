package web

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/totp"
	"hilum/idp/web/page"
)

// forgetful is a sign-in in which a link can be asked for.
func (d *door) forgetful(purpose idp.LoginPurpose) *login.Step {
	s := d.bound(idp.LoginPassword, purpose)
	s.Mail = true
	return s
}

const forgotPath = "/login/" + aLogin + "/forgot"

func TestForgotLink(t *testing.T) {
	d := open(t)
	s := d.bound(idp.LoginPassword, idp.ForClient)
	d.Wants(d.Get("/login/"+aLogin), 200, "Ask your administrator for a link", "not href=\""+forgotPath)
	s.Mail = true
	d.Wants(d.Get("/login/"+aLogin), 200, "href=\""+forgotPath+"\"", "Forgot your password?", "not Ask your administrator")
	d.logins.err = idp.ErrWrongSecret
	d.Wants(d.Post("/login/"+aLogin+"/password", "username", "anna", "password", "x"), 422, "href=\""+forgotPath)
}

func TestForgotPage(t *testing.T) {
	d := open(t)
	d.forgetful(idp.ForClient).LoginHint = "an\"na"
	r := d.Get(forgotPath)
	d.Wants(r, 200, `value="an&#34;na"`, `action="`+forgotPath+`"`, `href="/login/`+aLogin+`"`, "User name or mail address")
	if got := formAction(r.Header); got != "'self'" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("form-action %s, Cache-Control %s", got, r.Header.Get("Cache-Control"))
	}
	r = d.Get("/login/" + aLogin + "/forgotten")
	d.Wants(r, 200, "Check your mail", "good for one hour", "phone", "helpdesk", `href="/login/`+aLogin+`"`, "not an&#34;na")
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %s", r.Header.Get("Cache-Control"))
	}
	d.asked() // looking changes nothing

	d.logins.step.Mail = false
	for _, path := range []string{"/forgot", "/forgotten"} {
		d.Leads(d.Get("/login/"+aLogin+path), "/login/"+aLogin)
	}
	d.Leads(d.Post(forgotPath, "username", "anna"), "/login/"+aLogin)
	d.asked()
	d.Wants(d.Get("/login/"+strings.Replace(aLogin, "2", "3", 1)+"/forgot"), 404)
	d.logins.step.State = idp.LoginFactor
	d.Leads(d.Get(forgotPath), "/login/"+aLogin)

	stranger := open(t)
	stranger.logins.step = step(idp.LoginPassword, idp.ForClient)
	stranger.Wants(stranger.Get(forgotPath), 404)
	stranger.Wants(stranger.Post(forgotPath, "username", "anna"), 404)
	stranger.asked()
}

func TestForgotSubmit(t *testing.T) {
	d := open(t)
	d.forgetful(idp.ForClient)
	d.Leads(d.Post(forgotPath, "username", "Anna@example.org", "lang", "xx"), "/login/"+aLogin+"/forgotten")
	d.asked("forgotten Anna@example.org en")

	for _, c := range []struct {
		err    error
		status int
		says   string
	}{
		{&idp.FieldError{Field: "username", Message: "text.missing"}, 422, "Type your user name or mail address."},
		{&idp.FieldError{Field: "username", Message: "text.long"}, 422, "This is too long."},
		{idp.ErrDenied, 403, "REF123"},
		{idp.ErrNotFound, 404, "REF123"},
		{io.ErrUnexpectedEOF, 500, "REF123"},
	} {
		d.logins.err = c.err
		r := d.Post(forgotPath, "username", "<anna>")
		d.Wants(r, c.status, c.says, "not EOF", "not <anna>")
		if c.status == 422 {
			d.Wants(r, 422, `value="&lt;anna&gt;"`, `role="alert"`)
		}
	}
	for _, err := range []error{idp.ErrSettled, idp.ErrExpired} {
		d.logins.err = err
		d.Leads(d.Post(forgotPath, "username", "anna"), "/login/"+aLogin)
	}
	d.Wants(d.PostRaw(forgotPath, "username=a&username=b"), 400)
}

// Asking is limited by address as beginning a sign-in is.
func TestForgotIsLimited(t *testing.T) {
	d := openWith(t, func(c *page.Config) {
		c.Limits.Begin = func(string) (time.Duration, bool) { return time.Minute, false }
	})
	mux := http.NewServeMux()
	d.page.Mount(mux)
	w := record(mux, "POST", forgotPath, "username=anna")
	if w.Code != 429 || w.Header().Get("Retry-After") != "60" {
		t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	d.asked()
}

func TestForgottenLink(t *testing.T) {
	d := open(t)
	d.logins.invite = &idp.Invitation{Purpose: idp.InviteForgotten, ExpiresAt: noon.Add(time.Hour)}
	d.Wants(d.Get("/invite/tok"), 200, "Choose a new password", "<b>anna</b>", "Nothing changes before", "Your password stays as it is", "not install one first")
	d.asked()
	for _, c := range []struct {
		err    error
		status int
		says   string
	}{
		{idp.ErrExpired, 410, "This link is too old"},
		{idp.ErrSettled, 410, "This link was used"},
	} {
		d.logins.err = &login.LinkError{Purpose: idp.InviteForgotten, Err: c.err}
		d.Wants(d.Get("/invite/tok"), c.status, c.says, `href="/account"`, "not invitation")
		d.Wants(d.Post("/invite/tok"), c.status, c.says, `href="/account"`)
	}
	d.logins.err = io.ErrUnexpectedEOF
	d.Wants(d.Post("/invite/tok"), 500)
}

// resetting is a sign-in by a link that was asked for, at a state.
func (d *door) resetting(state idp.LoginState) *login.Step {
	s := d.bound(state, idp.ForInvitation)
	s.Target, s.NewPassword = string(idp.InviteForgotten), state == idp.LoginFactor || state == idp.LoginDone
	s.Enrol = nil
	if state == idp.LoginEnrol {
		s.Enrol = &login.EnrolStep{Purpose: idp.InviteForgotten, NeedPass: true, UserName: "anna", Offer: totp.Offer{}}
	}
	return s
}

func TestForgottenChoose(t *testing.T) {
	d := open(t)
	d.resetting(idp.LoginEnrol)
	d.Wants(d.Get("/login/"+aLogin), 200, "Choose a new password", "You confirm it with your phone on the next page", `autocomplete="new-password"`, "not otpauth")
	d.logins.after = step(idp.LoginFactor, idp.ForInvitation)
	d.Leads(d.Post("/login/"+aLogin+"/enrol", "password", "quiet lamps"), "/login/"+aLogin)
	d.logins.err = &idp.FieldError{Field: "password", Message: "password.short"}
	d.Wants(d.Post("/login/"+aLogin+"/enrol", "password", "x"), 422, "too short", "not value=\"x\"")
	for _, c := range []struct {
		err  error
		says string
	}{
		{idp.ErrNotFound, "a newer one has replaced it"},
		{&login.LinkError{Purpose: idp.InviteForgotten, Err: idp.ErrExpired}, "This link is too old"},
		{&login.LinkError{Purpose: idp.InviteForgotten, Err: idp.ErrSettled}, "This link was used"},
	} {
		d.logins.err = c.err
		d.Wants(d.Post("/login/"+aLogin+"/enrol", "password", "quiet lamps"), 410, c.says, `href="/account"`)
	}
	d.resetting(idp.LoginExpired) // it has moved on meanwhile
	d.logins.err = idp.ErrSettled
	d.Leads(d.Post("/login/"+aLogin+"/enrol", "password", "quiet lamps"), "/login/"+aLogin)
}

// The page says for what the phone is asked, and leads out of it without a change.
func TestForgottenConfirm(t *testing.T) {
	d := open(t)
	d.resetting(idp.LoginFactor)
	d.Wants(d.Get("/login/"+aLogin), 200, "Choose a new password", "Confirm it with your phone", `id="new-password"`, "Keep the old password",
		`action="/login/`+aLogin+`/cancel"`, "not /startover", "not Sign in to", "not Start over")
	d.logins.after = d.resetting(idp.LoginDenied)
	d.Leads(d.Post("/login/"+aLogin+"/cancel"), "/login/"+aLogin)
	d.Wants(d.Get("/login/"+aLogin), 200, "Your password was not changed", "open the link in the mail", `href="/account"`)
	d.logins.step.DeniedBy = "Pixel"
	d.Wants(d.Get("/login/"+aLogin), 200, "denied on Pixel, and the old one still counts", "helpdesk")
	// The fifth wrong code.
	d.logins.after, d.logins.err = nil, idp.ErrWrongSecret
	d.Leads(d.Post("/login/"+aLogin+"/code", "code", "123456"), "/login/"+aLogin)
	d.resetting(idp.LoginExpired)
	d.Wants(d.Get("/login/"+aLogin), 410, "Your password was not changed", "used elsewhere", `href="/account"`)
	d.resetting(idp.LoginDone)
	d.Wants(d.Get("/login/"+aLogin), 200, "One step is left", `action="/login/`+aLogin+`/collect"`, "not You are signed in")
	d.resetting(idp.LoginCollected)
	d.Wants(d.Get("/login/"+aLogin), 200, "Your password was changed")
}

func TestForgottenCollected(t *testing.T) {
	d := open(t)
	d.resetting(idp.LoginFactor)
	d.logins.after = step(idp.LoginDone, idp.ForInvitation)
	d.logins.answer = &login.Answer{Purpose: idp.ForInvitation, Target: string(idp.InviteForgotten), Session: idp.NewToken(), Known: idp.NewToken()}
	d.Leads(d.Post("/login/"+aLogin+"/code", "code", "123456"), "/account/security?did=password")
	d.signedIn()
	d.Wants(d.Get("/account/security?did=password"), 200, "Your password was changed. You were signed out everywhere else.")

	d.resetting(idp.LoginDone)
	d.logins.collect = &login.LinkError{Purpose: idp.InviteForgotten, Err: idp.ErrExpired}
	d.Wants(d.Post("/login/"+aLogin+"/collect"), 410, "Your password was not changed", "a newer one has replaced it", `href="/account"`)
	d.logins.collect = idp.ErrSettled // used in another browser: its page says so
	d.Leads(d.Post("/login/"+aLogin+"/collect"), "/login/"+aLogin)
}

// Themes and languages are changed on these pages and lead back to them.
func TestForgotPlaces(t *testing.T) {
	d := open(t)
	for name, want := range map[string]string{"forgot:" + aLogin: forgotPath, "forgotten:" + aLogin: "/login/" + aLogin + "/forgotten"} {
		if got, ok := d.page.Place(name); !ok || got != want {
			t.Errorf("%s is %s, %v", name, got, ok)
		}
	}
	if got, ok := d.page.Place("forgot:../x"); ok {
		t.Errorf("a made-up sign-in: %s", got)
	}
}
