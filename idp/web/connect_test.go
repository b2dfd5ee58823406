package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
	"hilum/idp/login"
	"hilum/idp/web/page"
)

// TestConnectPage: the code is typed, or compared where it came by the address; nothing is
// looked up before it is posted, and what is posted leads to the sign-in.
func TestConnectPage(t *testing.T) {
	d := open(t)
	d.Wants(d.Get("/connect"), 200, "Type the code", `value=""`, "autofocus")
	d.Wants(d.Get("/connect?user_code=bcdf-ghjk"), 200, "Compare this code", `value="BCDF-GHJK"`)
	d.Wants(d.Get("/connect?user_code=%3Cb%3E"), 200, "Type the code", `value=""`, "not <b>")
	d.asked()
	d.bound(idp.LoginPassword, idp.ForClient)
	d.Leads(d.Post("/connect", "user_code", "BCDF-GHJK"), "/login/"+aLogin)
	d.asked("connect BCDF-GHJK")
	d.logins.err = idp.ErrInvalid
	d.Wants(d.Post("/connect", "user_code", "<b>"), 422, "eight letters", `value="&lt;b&gt;"`, `aria-invalid="true"`)
	d.logins.err = idp.ErrNotFound
	d.Wants(d.Post("/connect", "user_code", "BCDF-GHJK"), 422, "No machine waits")
	d.logins.err = &idp.RetryError{Err: idp.ErrTooMany, After: 8 * time.Second}
	if r := d.Post("/connect", "user_code", "BCDF-GHJK"); r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
	d.Wants(d.Get("/connect/done"), 200, "Go back to the machine")
	d.Wants(d.Get("/connect/denied"), 200, "was not signed in")
	d.Wants(d.Get("/connect/other"), 404)
}

// TestConnectQuestion: whoever is asked sees which application, from where and since when, and
// is warned; the ends of such a sign-in lead nowhere but to another code.
func TestConnectQuestion(t *testing.T) {
	d := openWith(t, func(c *page.Config) { c.Network = ward })
	s := d.bound(idp.LoginConsent, idp.ForClient)
	s.Client, s.UserName, s.Scopes = &idp.Client{ID: "ct", Name: "CT <1>"}, "anna", []string{"openid", "offline_access"}
	s.Request = idp.AuthRequest{Client: "ct", Polled: "x"}
	s.Device = &login.DeviceStep{Address: "192.0.2.7", At: noon.Add(-time.Minute)}
	d.Wants(d.Get("/login/"+aLogin), 200, "CT &lt;1&gt;", "anna", "192.0.2.7", "in front of you", `action="/login/`+aLogin+`/consent"`, `value="deny"`, "2026-")
	s.Device = nil
	s.State = idp.LoginPassword
	d.Wants(d.Get("/login/"+aLogin), 200, "CT &lt;1&gt;", "not id=\"cancel\"")
	s.State = idp.LoginExpired
	d.Wants(d.Get("/login/"+aLogin), 410, "older than ten minutes", `href="/connect"`, "not /anew")
	s.State, s.DeniedBy = idp.LoginDenied, "Anna's phone"
	d.Wants(d.Get("/login/"+aLogin), 200, "Denied on Anna", "tell the helpdesk", "not collect")
	s.State = idp.LoginCollected
	d.Wants(d.Get("/login/"+aLogin), 200, "Everything is done here")
	s.State = idp.LoginDone
	d.Leads(d.Get("/login/"+aLogin), "/authorize/collect/"+aLogin)
}

// TestConnectCodesAreBounded: wrong codes are counted by address and for all; then none is
// looked up, but from browsers that somebody is known in, and of these not many wrong ones.
func TestConnectCodesAreBounded(t *testing.T) {
	for name, limits := range map[string]page.Limits{
		"of the address": {Guess: limit.NewAddresses(1, 3), KnownFails: limit.NewBrowsers(5)},
		"of all":         {GuessAll: limit.NewAddresses(1, 3), KnownFails: limit.NewBrowsers(5)},
	} {
		d := openWith(t, func(c *page.Config) { c.Limits = limits })
		d.logins.err = idp.ErrNotFound
		for range 3 {
			d.Wants(d.Post("/connect", "user_code", "BCDF-GHJK"), 422)
		}
		d.logins.asked = nil
		r := d.Post("/connect", "user_code", "BCDF-GHJK")
		if r.StatusCode != http.StatusTooManyRequests || len(d.logins.asked) != 0 || !strings.Contains(r.Body, "problem") {
			t.Errorf("%s: %d, and asked %v", name, r.StatusCode, d.logins.asked)
		}
		d.logins.known = true
		for range 2 {
			d.Wants(d.Post("/connect", "user_code", "BCDF-GHJK"), 422)
		}
		d.Wants(d.Post("/connect", "user_code", "BCDF-GHJK"), http.StatusTooManyRequests)
	}
}
