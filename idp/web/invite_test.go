package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/web/webtest"
)

const aLink = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO_-"

// Mail scanners open links: looking uses nothing and binds nothing.
func TestLookingAtAnInvitationChangesNothing(t *testing.T) {
	for purpose, says := range map[idp.InvitationPurpose]string{
		idp.InviteEnrol: "choose a password and link your phone",
		idp.InviteSetup: "makes the first account",
		idp.InviteReset: "Choose a new password",
	} {
		for _, door := range []string{"/invite/", "/setup/"} {
			d := open(t)
			d.logins.invite = &idp.Invitation{Purpose: purpose, ExpiresAt: noon.Add(time.Hour)}
			r := d.Get(door + aLink)
			d.Wants(r, 200, says, `action="`+door+aLink+`"`, "2026-03-14 13:00 UTC")
			if len(r.Header.Values("Set-Cookie")) != 0 {
				t.Error("a cookie was set")
			}
			d.asked()
		}
	}
}

func TestInvitationBegins(t *testing.T) {
	d := open(t)
	d.logins.step = step(idp.LoginEnrol, idp.ForInvitation)
	r := d.Post("/invite/" + aLink)
	d.Leads(r, "/login/"+aLogin)
	if set := r.Header.Values("Set-Cookie"); len(set) != 1 || !strings.HasPrefix(set[0], "browser=") {
		t.Errorf("cookies: %q", set)
	}
	d.asked("invitation " + aLink)
}

// What is said of a link that is good no more fits what it was for, at whatever
// door it is opened; what none of the others is told is not said.
func TestLinksThatAreNotGood(t *testing.T) {
	const command, invitation, password = "idp setup-link", "nvitation", "new password"
	ended := func(p idp.InvitationPurpose, err error) error { return &login.LinkError{Purpose: p, Err: err} }
	for name, c := range map[string]struct {
		err    error
		status int
		says   []string
	}{
		"an invitation, expired": {ended(idp.InviteEnrol, idp.ErrExpired), 410, []string{"This invitation has expired", "Ask your administrator", "not set-up", "not " + command, "not " + password}},
		"an invitation, used":    {ended(idp.InviteEnrol, idp.ErrSettled), 410, []string{"This invitation was used", "tell your administrator now", `href="/account"`, "not set-up", "not " + command, "not " + password}},
		"a reset, expired":       {ended(idp.InviteReset, idp.ErrExpired), 410, []string{"This link to a new password has expired", "Ask your helpdesk or administrator for a new one", "not " + invitation, "not set-up", "not " + command}},
		"a reset, used":          {ended(idp.InviteReset, idp.ErrSettled), 410, []string{"This link to a new password was used", "tell your helpdesk or administrator now", `href="/account"`, "not " + invitation, "not set-up", "not " + command}},
		"a set-up, expired":      {ended(idp.InviteSetup, idp.ErrExpired), 410, []string{"This set-up link has expired", command, "not " + invitation, "not " + password, "not your administrator", "not helpdesk"}},
		"a set-up, used":         {ended(idp.InviteSetup, idp.ErrSettled), 410, []string{"This set-up link was used", "first administrator", "idp user list", `href="/account"`, "not " + invitation, "not " + command, "not " + password, "not your administrator"}},
		"none":                   {fmt.Errorf("link: %w", idp.ErrNotFound), 404, []string{"This link does not exist", "not " + invitation, "not " + password, "not helpdesk", "not administrator", `not href="/account"`}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, door := range []string{"/invite/", "/setup/"} {
				says := append([]string{"not " + aLink}, c.says...)
				if c.status == 404 && door == "/setup/" { // the address says what it was
					says = append(says, command)
				} else if c.status == 404 {
					says = append(says, "ask whoever gave you this one", "not "+command)
				}
				d := open(t)
				d.logins.err = c.err
				d.Wants(d.Get(door+aLink), c.status, says...)
				d.Wants(d.Post(door+aLink), c.status, says...)
				logged := strings.Contains(d.log.String(), "prints a new one")
				if want := strings.Contains(strings.Join(says, "\n"), "\n"+command); logged != want {
					t.Errorf("%s: the log says how a new one is made: %v", door, logged)
				}
			}
		})
	}
}

func TestSetUpAsksForTheNamesFirst(t *testing.T) {
	d := open(t)
	s := d.bound(idp.LoginEnrol, idp.ForInvitation)
	s.Enrol.NeedName = true
	d.Wants(d.Get("/login/"+aLogin), 200, `id="name-form"`, `name="username"`, `name="name"`, "not enrol-form")
	d.logins.err = &idp.FieldError{Field: "username", Message: "user.name.letters"}
	d.Wants(d.Post("/login/"+aLogin+"/name", "username", "Änna", "name", "Anna Maes"), 422, "made of letters, digits", `value="Änna"`, `value="Anna Maes"`)
	d.logins.err = idp.ErrConflict
	d.Wants(d.Post("/login/"+aLogin+"/name", "username", "anna", "name", "Anna Maes"), 422, "That user name is taken")
	d.logins.err = nil
	d.Leads(d.Post("/login/"+aLogin+"/name", "username", "anna", "name", "Anna Maes"), "/login/"+aLogin)
	d.asked("name Änna Anna Maes", "name anna Anna Maes", "name anna Anna Maes")
}

// Nothing typed is lost by a fault but the password, which no page repeats.
func TestEnrolmentFaultKeepsWhatWasTyped(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		says   []string
	}{
		{"wrong code", idp.ErrWrongSecret, 422, []string{"does not match", `value="Pixel 8"`, "not 135790"}},
		{"code that is none", idp.ErrInvalid, 422, []string{"The code has six digits.", `value="Pixel 8"`}},
		{"missing name", &idp.FieldError{Field: "name", Message: "text.missing"}, 422, []string{"This is missing.", `value="135790"`}},
		{"a key the catalogue lacks", &idp.FieldError{Field: "name", Message: "no.such.key"}, 422, []string{"Look at what you typed here.", "not no.such.key"}},
		{"busy", &idp.RetryError{Err: idp.ErrBusy, After: time.Second}, 503, []string{"try again in a few seconds", `value="135790"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t)
			d.bound(idp.LoginEnrol, idp.ForInvitation)
			d.logins.err = c.err
			r := d.Post("/login/"+aLogin+"/enrol", "code", "135790", "device_name", "Pixel 8")
			d.Wants(r, c.status, append(c.says, `role="alert"`, "JBSW Y3DP EHPK 3PXP")...)
			d.asked("enrol  135790 Pixel 8")
		})
	}
	// What was scanned is of no use any more, what was typed beside it is.
	t.Run("an offer that was replaced", func(t *testing.T) {
		d := open(t)
		d.bound(idp.LoginEnrol, idp.ForInvitation)
		d.logins.err = fmt.Errorf("%w: %w", login.ErrOffer, idp.ErrExpired)
		r := d.Post("/login/"+aLogin+"/enrol", "code", "135790", "device_name", "Pixel 8")
		d.Wants(r, 422, "Here is a new one", `value="Pixel 8"`, "not 135790", `role="alert"`)
	})
	for err, says := range map[login.LinkError]string{
		{Purpose: idp.InviteEnrol, Err: idp.ErrSettled}: "This invitation was used", {Purpose: idp.InviteEnrol, Err: idp.ErrExpired}: "This invitation has expired",
		{Purpose: idp.InviteReset, Err: idp.ErrSettled}: "This link to a new password was used", {Purpose: idp.InviteSetup, Err: idp.ErrExpired}: "This set-up link has expired",
	} {
		t.Run("a link that ended meanwhile: "+says, func(t *testing.T) {
			d := open(t)
			d.bound(idp.LoginEnrol, idp.ForInvitation)
			d.logins.err = fmt.Errorf("enrol: %w", &err)
			d.Wants(d.Post("/login/"+aLogin+"/enrol", "code", "135790"), 410, says)
		})
	}
	t.Run("posted twice", func(t *testing.T) {
		d := open(t)
		d.bound(idp.LoginDone, idp.ForInvitation)
		d.logins.err = idp.ErrSettled
		d.Leads(d.Post("/login/"+aLogin+"/enrol", "code", "135790"), "/login/"+aLogin)
	})
	t.Run("a sixth device", func(t *testing.T) {
		d := open(t)
		d.bound(idp.LoginEnrol, idp.ForInvitation)
		d.logins.err = idp.ErrConflict
		d.Wants(d.Post("/login/"+aLogin+"/enrol", "code", "135790"), 409, "Somebody was faster")
	})
}

// The password has its page before the device. A fault is told there, without the
// password; and «Back» to it from the page of the device chooses anew.
func TestPasswordIsChosenBeforeTheDevice(t *testing.T) {
	choosing := func(d *door) {
		s := d.bound(idp.LoginEnrol, idp.ForInvitation)
		s.Enrol.NeedPass, s.Enrol.Chosen = true, false
	}
	d := open(t)
	choosing(d)
	d.Wants(d.Get("/login/"+aLogin), 200, "Choose a password", `id="password"`, "You link your phone after that", "not otpauth", "not device_name", "not JBSW")
	for _, c := range []struct {
		err    error
		status int
		says   string
	}{
		{&idp.FieldError{Field: "password", Message: "password.short"}, 422, "too short"},
		{&idp.FieldError{Field: "password", Message: "password.common"}, 422, "everybody who guesses"},
		{&idp.RetryError{Err: idp.ErrBusy, After: time.Second}, 503, "try again in a few seconds"},
	} {
		d := open(t)
		choosing(d)
		d.logins.err = c.err
		d.Wants(d.Post("/login/"+aLogin+"/enrol", "password", "hunter2hunter2"), c.status, c.says, `role="alert"`, "not hunter2", "not JBSW")
		d.asked("choose hunter2hunter2")
	}
	d = open(t)
	choosing(d)
	d.logins.after = step(idp.LoginEnrol, idp.ForInvitation)
	d.Leads(d.Post("/login/"+aLogin+"/enrol", "password", "hunter2hunter2"), "/login/"+aLogin)
	d.logins.step = d.logins.after
	d.Wants(d.Get("/login/"+aLogin), 200, "Link your phone", "Your password is chosen", "JBSW Y3DP EHPK 3PXP", `id="code"`, `not id="password"`)
	d.Leads(d.Post("/login/"+aLogin+"/enrol", "password", "another word"), "/login/"+aLogin)
	d.asked("choose hunter2hunter2", "choose another word")
}

// While our app is at it, the code that it has scanned is not shown: it is dead. After
// Login the page goes on by itself, and by a button where there is no script.
func TestLinkingIsShownAsItIs(t *testing.T) {
	d := open(t)
	s := d.bound(idp.LoginEnrol, idp.ForInvitation)
	d.Wants(d.Get("/login/"+aLogin), 200, `<div id="offer">`, `not id="finish-form"`, "back=%2Flogin%2F"+aLogin, "https://idp.example/app")
	s.Enrol.Claimed = "Pixel 8"
	d.Wants(d.Get("/login/"+aLogin), 200, `<div id="offer" hidden>`, "Scanned by Pixel 8", `<div id="linking">`, `not id="finish-form"`)
	s.Enrol.Tapped = true
	d.Wants(d.Get("/login/"+aLogin), 200, `<div id="linking" hidden>`, "Pixel 8 is ready", `id="finish-form" data-go`)
	d.logins.codes, d.logins.after = []idp.Secret{"ABCDEFGHIJKLMNOP"}, step(idp.LoginDone, idp.ForInvitation)
	d.Wants(d.Post("/login/"+aLogin+"/enrol"), 200, "ABCD-EFGH-IJKL-MNOP")
	d.asked("enrol   ")
}

// An installed app on an iPhone cannot be opened by a link: user name and code are there
// to be copied.
func TestLinkingOnAnIPhone(t *testing.T) {
	d := open(t)
	s := d.bound(idp.LoginEnrol, idp.ForInvitation)
	s.Enrol.Offer.Short = "K7QW-2M4N"
	get := func(agent string) webtest.Reply {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL+"/login/"+aLogin, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		req.Header.Set("User-Agent", agent)
		return d.Do(req)
	}
	d.Wants(get("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"), 200,
		`id="iphone"`, `id="account-name" class="secret">anna<`, `id="short" class="secret">K7QW-2M4N<`, `not id="open-here"`)
	d.Wants(get("Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"), 200,
		`not id="iphone"`, `id="open-here"`, `id="short" class="secret">K7QW-2M4N<`)
}

func TestRecoveryCodesAreShownOnce(t *testing.T) {
	d := open(t)
	d.bound(idp.LoginEnrol, idp.ForInvitation)
	d.logins.codes = []idp.Secret{"ABCDEFGHIJKLMNOP", "QRSTUVWXYZ234567"}
	d.logins.after = step(idp.LoginDone, idp.ForInvitation)
	r := d.Post("/login/"+aLogin+"/enrol", "code", "123456", "device_name", "Pixel 8")
	d.Wants(r, 200, "ABCD-EFGH-IJKL-MNOP", "QRST-UVWX-YZ23-4567", `action="/login/`+aLogin+`/collect"`, `id="saved"`, "of anna")
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Error("may be stored")
	}
	d.logins.step = d.logins.after
	d.Wants(d.Get("/login/"+aLogin), 200, "not ABCD-EFGH")
	d.logins.answer = &login.Answer{Purpose: idp.ForInvitation, Session: idp.NewToken()}
	d.Leads(d.Post("/login/"+aLogin+"/collect"), "/account/security")
}

func TestResetHasNoDevicePart(t *testing.T) {
	d := open(t)
	s := d.bound(idp.LoginEnrol, idp.ForInvitation)
	s.Enrol = &login.EnrolStep{Purpose: idp.InviteReset, NeedPass: true, UserName: "anna"}
	d.Wants(d.Get("/login/"+aLogin), 200, "Choose a new password", "not device_name", "not otpauth")
	d.logins.after = step(idp.LoginFactor, idp.ForInvitation)
	d.Leads(d.Post("/login/"+aLogin+"/enrol", "password", "x"), "/login/"+aLogin)
}
