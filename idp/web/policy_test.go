package web

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/serve"
	"hilum/idp/web/page"
)

// record sends one request without a browser.
func record(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r = r.WithContext(serve.With(r.Context(), &serve.Info{ID: "REF123", Address: "192.0.2.1"}))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func formAction(h http.Header) string {
	_, v, _ := strings.Cut(h.Get("Content-Security-Policy"), "form-action ")
	return v
}

// Only a page whose post can end at a relying party names its origin.
func TestFormActionNamesThePartyWhereAPostEndsThere(t *testing.T) {
	const party = "'self' https://viewer.example:8443"
	for _, c := range []struct {
		state   idp.LoginState
		purpose idp.LoginPurpose
		want    string
	}{
		{idp.LoginPassword, idp.ForClient, party}, // by Cancel
		{idp.LoginFactor, idp.ForClient, party},
		{idp.LoginConsent, idp.ForClient, party},
		{idp.LoginCollected, idp.ForClient, "'self'"},
		{idp.LoginExpired, idp.ForClient, "'self'"},
		{idp.LoginPassword, idp.ForAccount, "'self'"},
		{idp.LoginFactor, idp.ForAccount, "'self'"},
		{idp.LoginFactor, idp.ForStepUp, "'self'"},
		{idp.LoginEnrol, idp.ForInvitation, "'self'"},
		{idp.LoginDone, idp.ForAccount, "'self'"},
	} {
		t.Run(fmt.Sprintf("%s for %s", c.state, c.purpose), func(t *testing.T) {
			d := open(t)
			d.bound(c.state, c.purpose)
			if got := formAction(d.Get("/login/" + aLogin).Header); got != c.want {
				t.Errorf("form-action %s, want %s", got, c.want)
			}
		})
	}
	t.Run("a native application's scheme", func(t *testing.T) {
		d := open(t)
		d.bound(idp.LoginFactor, idp.ForClient).Request.RedirectURI = "com.example.viewer:/cb"
		if got := formAction(d.Get("/login/" + aLogin).Header); got != "'self' com.example.viewer:" {
			t.Errorf("form-action %s", got)
		}
	})
	t.Run("a page after a fault", func(t *testing.T) {
		d := open(t)
		d.bound(idp.LoginFactor, idp.ForClient)
		d.logins.err = idp.ErrWrongSecret
		if got := formAction(d.Post("/login/"+aLogin+"/code", "code", "123456").Header); got != party {
			t.Errorf("form-action %s", got)
		}
		d.logins.err = io.ErrUnexpectedEOF
		if got := formAction(d.Post("/login/"+aLogin+"/code", "code", "123456").Header); got != "'self'" {
			t.Errorf("form-action %s on the error page", got)
		}
	})
}

func TestFormPost(t *testing.T) {
	d := open(t)
	w := httptest.NewRecorder()
	d.server.FormPost(w, httptest.NewRequest("GET", "/", nil), "https://viewer.example/cb", url.Values{"state": {`"><script>`}, "code": {"c0de"}})
	body := w.Body.String()
	for _, want := range []string{`action="https://viewer.example/cb"`, `name="code" value="c0de"`, "formpost.js", `id="continue"`, "&#34;&gt;&lt;script&gt;"} {
		if !strings.Contains(body, want) {
			t.Errorf("does not hold %q", want)
		}
	}
	if strings.Contains(body, `"><script>`) {
		t.Error("a value is markup")
	}
	if got := formAction(w.Header()); got != "https://viewer.example" {
		t.Errorf("form-action %s", got)
	}
	w = httptest.NewRecorder() // a signed response (form_post.jwt) is one field
	d.server.FormPost(w, httptest.NewRequest("GET", "/", nil), "https://viewer.example/cb", url.Values{"response": {"eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}})
	if body := w.Body.String(); strings.Count(body, "<input") != 1 || !strings.Contains(body, `name="response" value="eyJhbGciOiJFUzI1NiJ9.e30.c2ln"`) || !strings.Contains(body, `<button`) {
		t.Errorf("a signed response: %s", body)
	}
	w = httptest.NewRecorder()
	d.server.FormPost(w, httptest.NewRequest("GET", "/", nil), "javascript:alert(1)", url.Values{})
	if strings.Contains(w.Body.String(), "javascript:") {
		t.Error("a script as action")
	}
}

func TestConfirmSignOut(t *testing.T) {
	d := open(t)
	w := httptest.NewRecorder()
	d.server.ConfirmSignOut(w, httptest.NewRequest("GET", "/", nil), "/end_session", url.Values{"post_logout_redirect_uri": {"https://viewer.example/bye"}}, "Viewer")
	if !strings.Contains(w.Body.String(), "<b>Viewer</b> asks to sign you out") || !strings.Contains(w.Body.String(), `action="/end_session"`) {
		t.Error(w.Body.String())
	}
	if got := formAction(w.Header()); got != "'self' https://viewer.example" {
		t.Errorf("form-action %s", got)
	}
	w = httptest.NewRecorder()
	d.server.ConfirmSignOut(w, httptest.NewRequest("GET", "/", nil), "/end_session", nil, "")
	if got := formAction(w.Header()); got != "'self'" || !strings.Contains(w.Body.String(), "You will be signed out here") {
		t.Errorf("form-action %s", got)
	}
}

func TestSignedOut(t *testing.T) {
	d := open(t)
	w := httptest.NewRecorder()
	d.server.SignedOut(w, httptest.NewRequest("GET", "/", nil), "Viewer", "", false)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "also signed out of Viewer") || strings.Contains(w.Body.String(), "no way back") {
		t.Error(w.Body.String())
	}
	w = httptest.NewRecorder()
	d.server.SignedOut(w, httptest.NewRequest("GET", "/", nil), "Viewer", "", true)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "no way back to Viewer") {
		t.Error(w.Body.String())
	}
	d.Wants(d.Get("/signed-out"), 200, "You are signed out", "not also signed out")
}

func TestErrorPage(t *testing.T) {
	d := open(t)
	for key, want := range map[string]string{
		"authorize.client":   "The application is not known here",
		"authorize.redirect": "you were not sent there",
		"authorize.request":  "The application asked for something impossible",
		"authorize.pushed":   "This request is no longer good",
		"collect.gone":       "There is nothing here",
		"signout.bad":        "You were not signed out",
		"foreign":            "That came from another site",
		"busy":               "Very busy right now",
		"size":               "That is too long",
		"server":             "Something went wrong on our side",
		"unwritable":         "Nothing can be saved right now",
		"no.such.key":        "That did not work",
		"":                   "That did not work",
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		d.server.ErrorPage(w, r.WithContext(serve.With(r.Context(), &serve.Info{ID: "REF123"})), 400, key)
		if w.Code != 400 || !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), "REF123") {
			t.Errorf("%q: %d, says no %q", key, w.Code, want)
		}
		if formAction(w.Header()) != "'self'" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%q: headers %v", key, w.Header())
		}
	}
}

func TestHeaders(t *testing.T) {
	d := openWith(t, func(c *page.Config) { c.Secure = true })
	mux := http.NewServeMux()
	d.page.Mount(mux)
	var b strings.Builder
	for _, c := range []struct{ title, method, path, body string }{
		{"a page", "GET", "/signed-out", ""},
		{"an error", "GET", "/login/x", ""},
		{"an answer to a form", "POST", "/theme", "theme=dark&here=signed-out"},
		{"a redirect", "GET", "/", ""},
	} {
		w := record(mux, c.method, c.path, c.body)
		h := w.Header()
		h.Del("Content-Length")
		h.Del("Set-Cookie")
		fmt.Fprintf(&b, "# %s: %s %s: %d\n", c.title, c.method, c.path, w.Code)
		for _, name := range slices.Sorted(maps.Keys(h)) {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(h[name], " | "))
		}
		b.WriteString("\n")
	}
	golden(t, "headers.golden", b.String())
}

// Without TLS on loopback no browser may be told to insist on it.
func TestNoTransportSecurityOnLoopback(t *testing.T) {
	d := open(t)
	if got := d.Get("/signed-out").Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("Strict-Transport-Security: %s", got)
	}
}

func TestPostFromAnotherSite(t *testing.T) {
	for _, header := range []map[string]string{
		{"Sec-Fetch-Site": "cross-site"},
		{"Sec-Fetch-Site": "same-site"},
		{"Origin": "https://evil.example"},
		{"Origin": "null"},
	} {
		d := open(t)
		d.bound(idp.LoginPassword, idp.ForClient)
		for _, path := range []string{"/login/" + aLogin + "/password", "/account/signout", "/theme", "/invite/x"} {
			req, _ := http.NewRequest("POST", d.URL+path, strings.NewReader("username=a&password=b"))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for k, v := range header {
				req.Header.Set(k, v)
			}
			r := d.Do(req)
			d.Wants(r, 403, "That came from another site", "REF123")
			if len(r.Header.Values("Set-Cookie")) != 0 {
				t.Errorf("%s: a cookie was set", path)
			}
		}
		d.asked()
	}
	// Our own origin, and our own pages.
	for _, header := range []map[string]string{{"Sec-Fetch-Site": "same-origin", "Origin": "null"}, {"Origin": "https://idp.example"}, {"Sec-Fetch-Site": "none"}} {
		d := open(t)
		d.bound(idp.LoginPassword, idp.ForClient)
		req, _ := http.NewRequest("POST", d.URL+"/login/"+aLogin+"/startover", nil)
		for k, v := range header {
			req.Header.Set(k, v)
		}
		d.Leads(d.Do(req), "/login/"+aLogin)
	}
}

func TestOnlyTheMethodsOfTheMap(t *testing.T) {
	d := open(t)
	d.bound(idp.LoginPassword, idp.ForClient)
	for _, c := range []struct{ method, path string }{
		{"PUT", "/login/" + aLogin}, {"DELETE", "/account/sessions"}, {"TRACE", "/login/" + aLogin}, {"POST", "/login/" + aLogin}, {"GET", "/theme"}, {"GET", "/account/signout"},
	} {
		req, _ := http.NewRequest(c.method, d.URL+c.path, nil)
		if r := d.Do(req); r.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d", c.method, c.path, r.StatusCode)
		}
	}
	d.asked()
}

// What is not in the table is our fault: a sentence, a reference that finds
// the log line, and nothing of the cause.
func TestOurFault(t *testing.T) {
	d := open(t)
	d.bound(idp.LoginPassword, idp.ForClient)
	d.logins.err = fmt.Errorf("sqlite: disk I/O error at /var/lib/hilum")
	d.Wants(d.Post("/login/"+aLogin+"/password", "username", "a", "password", "s3cret-word"), 500,
		"Something went wrong on our side", "REF123", "not sqlite", "not /var/lib", "not s3cret-word")
	if log := d.log.String(); !strings.Contains(log, "REF123") || !strings.Contains(log, "disk I/O error") || strings.Contains(log, "s3cret-word") {
		t.Errorf("log: %s", log)
	}
}

func TestErrorTable(t *testing.T) {
	for err, status := range map[error]int{
		idp.ErrInvalid: 400, idp.ErrNotFound: 404, idp.ErrExpired: 410, idp.ErrSettled: 409, idp.ErrConflict: 409,
		idp.ErrDenied: 403, idp.ErrTooMany: 429, idp.ErrBusy: 503, &idp.UnwritableError{Why: idp.DiskFull, Err: io.ErrShortWrite}: 503, io.ErrUnexpectedEOF: 500,
	} {
		d := open(t)
		d.signedIn()
		d.logins.err = err
		r := d.Post("/account/sessions/others")
		d.Wants(r, status)
		if status == 500 && strings.Contains(r.Body, err.Error()) {
			t.Errorf("%v is told", err)
		}
		if (status == 429 || status == 503) && r.Header.Get("Retry-After") == "" {
			t.Errorf("%v: no Retry-After", err)
		}
	}
}

var _ Logins = (*login.Flow)(nil)

func TestFormsMayEndAtTheClientsOtherOrigins(t *testing.T) {
	step := &login.Step{
		Request: idp.AuthRequest{RedirectURI: "https://auth.klinik.test/oauth2/callback"},
		Client:  &idp.Client{Origins: []string{"https://viewer.klinik.test", "https://auth.klinik.test"}},
	}
	want := []string{"'self'", "https://auth.klinik.test", "https://viewer.klinik.test"}
	if got := partySources(step); !slices.Equal(got, want) {
		t.Errorf("form-action %q, want %q", got, want)
	}
}
