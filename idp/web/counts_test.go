package web

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
	"hilum/idp/web/page"
)

// What begins is bounded by address; what is looked at, and every step of a
// sign-in under way, is not.
func TestAddressLimit(t *testing.T) {
	var seen []string
	full := func(c *page.Config) {
		c.Limits.Begin = func(address string) (time.Duration, bool) {
			seen = append(seen, address)
			return 9 * time.Second, false
		}
	}
	d := openWith(t, full)
	mux := http.NewServeMux()
	d.page.Mount(mux)
	for path, method := range map[string]string{"/login/" + aLogin + "/code": "POST", "/login/" + aLogin + "/startover": "POST", "/account": "GET"} {
		w := record(mux, method, path, "")
		if w.Code != 429 || w.Header().Get("Retry-After") != "9" || !strings.Contains(w.Body.String(), "Try again in 9 seconds.") {
			t.Errorf("%s: %d, Retry-After %q", path, w.Code, w.Header().Get("Retry-After"))
		}
	}
	if len(seen) != 3 || seen[0] != "192.0.2.1" {
		t.Errorf("asked for addresses %q", seen)
	}
	for path, status := range map[string]int{"/signed-out": 200, "/login/" + aLogin: 404} {
		if w := record(mux, http.MethodGet, path, ""); w.Code != status {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	d.asked() // nothing was begun
	// The steps of a sign-in that succeed are none of it, nor is a browser that
	// somebody is known in.
	seen = nil
	live := openWith(t, full)
	live.bound(idp.LoginFactor, idp.ForAccount)
	live.logins.after = step(idp.LoginConsent, idp.ForClient)
	for _, verb := range []string{"password", "code", "recovery", "phone", "resend", "cancel"} {
		live.Leads(live.Post("/login/"+aLogin+"/"+verb, "username", "anna", "password", "x", "code", "123456", "recovery_code", "x"), "/login/"+aLogin)
	}
	if len(seen) != 0 {
		t.Errorf("steps that succeed were counted: %q", seen)
	}
	live.Wants(live.Get("/account"), 429)
	live.logins.known = true
	live.Leads(live.Get("/account"), "/login/"+aLogin)
}

// A link cannot be guessed: what is looked at costs nothing, wrong ones are counted,
// by browser first, and a right one is never refused.
func TestLinksAreCountedWhenWrong(t *testing.T) {
	d := openWith(t, func(c *page.Config) {
		c.Limits.Wrong, c.Limits.WrongBrowser = limit.NewAddresses(10, 100), limit.NewBrowsers(10)
	})
	good := &idp.Invitation{Purpose: idp.InviteEnrol, ExpiresAt: noon.Add(time.Hour)}
	d.Get("/test/browser")
	d.logins.step = step(idp.LoginEnrol, idp.ForInvitation)
	right := func(n int) {
		t.Helper()
		d.logins.err, d.logins.invite, d.logins.codes = nil, good, []idp.Secret{"AAAABBBBCCCCDDDD"}
		for range n {
			d.Wants(d.Get("/invite/right"), 200)
			d.Leads(d.Post("/invite/right"), "/login/"+aLogin)
			d.Wants(d.Post("/login/"+aLogin+"/enrol", "code", "123456"), 200, "AAAA-BBBB")
		}
	}
	right(300)
	wrong := func(n int) (refused int) {
		d.logins.err, d.logins.invite = idp.ErrNotFound, nil
		for range n {
			switch r := d.Get("/invite/wrong"); r.StatusCode {
			case 404:
			case 429:
				if r.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				refused++
			default:
				t.Fatalf("%d", r.StatusCode)
			}
		}
		return refused
	}
	if n := wrong(50); n != 40 {
		t.Errorf("of 50 wrong links in one browser %d were refused, want 40", n)
	}
	right(3)
	// That one browser has not used up what its address may do.
	jar := d.HTTP.Jar
	d.HTTP.Jar, _ = cookiejar.New(nil)
	if n := wrong(200); n != 110 {
		t.Errorf("of 200 wrong links without a cookie %d were refused, want 110: 100 are taken of an address, 10 were", n)
	}
	d.HTTP.Jar = jar
	right(10)
	d.logins.err = idp.ErrWrongSecret
	d.Wants(d.Post("/login/"+aLogin+"/enrol", "code", "000000"), 429, "Try again in")
	right(1)
}

// A guesser who tries many names from a hospital's address is slowed, and nobody
// beside him: neither new browsers nor those that are known.
func TestGuesserIsSlowedAlone(t *testing.T) {
	d := openWith(t, func(c *page.Config) {
		c.Limits.Failed = limit.NewAddresses(60, 120)
		c.Limits.Fails, c.Limits.KnownFails = limit.NewBrowsers(3), limit.NewBrowsers(20)
	})
	fresh := func() {
		d.HTTP.Jar, _ = cookiejar.New(nil)
		d.bound(idp.LoginPassword, idp.ForAccount)
	}
	tries := func(n int) (looked, refused int) {
		for i := range n {
			d.logins.err, d.logins.asked = idp.ErrWrongSecret, nil
			r := d.Post("/login/"+aLogin+"/password", "username", fmt.Sprint("name", i), "password", "spring2026")
			if len(d.logins.asked) > 0 {
				looked++
			} else if r.StatusCode == 429 {
				refused++
			}
		}
		d.logins.err, d.logins.asked = nil, nil
		return looked, refused
	}
	right := func(who string) {
		t.Helper()
		d.logins.err, d.logins.after = nil, step(idp.LoginFactor, idp.ForAccount)
		d.Leads(d.Post("/login/"+aLogin+"/password", "username", "anna", "password", "right"), "/login/"+aLogin)
		d.logins.after, d.logins.asked = nil, nil
	}
	fresh()
	looked, refused := tries(1000)
	t.Logf("a guesser in one browser: of 1000 tries %d were looked at, %d refused", looked, refused)
	if looked < 120 || looked > 125 || looked+refused != 1000 {
		t.Errorf("%d looked at, %d refused", looked, refused)
	}
	for range 50 {
		fresh()
		right("a new browser")
	}
	// One that mistypes twice, and then is right.
	fresh()
	if looked, _ := tries(2); looked != 2 {
		t.Errorf("%d of 2 slips were looked at", looked)
	}
	right("after two slips")
	// One that is known has more, and not without end.
	fresh()
	d.logins.known = true
	if looked, _ = tries(100); looked < 20 || looked > 22 {
		t.Errorf("%d tries in a known browser, want 20", looked)
	}
}
