package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// dashboards does at the provider what Grafana does with its section auth.generic_oauth, for one
// browser: see docs/recipes/grafana.md.
type dashboards struct {
	said map[string]string // its section
	web  *http.Client
	base string

	mu       sync.Mutex // Grafana has a lock for each person
	state    string
	verifier string
	kept     *oauth2.Token // nil: nobody is signed in
	who      grafanaUser
}

// grafanaUser is a person as Grafana makes them of what it is told.
type grafanaUser struct{ ID, Login, Name, Email, Role string }

// section reads a section of an ini file.
func section(text string) map[string]string {
	said := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, "="); ok {
			said[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return said
}

func (d *dashboards) config() *oauth2.Config {
	style := oauth2.AuthStyleAutoDetect
	if d.said["auth_style"] == "InHeader" {
		style = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{
		ClientID: d.said["client_id"], ClientSecret: d.said["client_secret"], RedirectURL: d.base + "/login/generic_oauth", Scopes: strings.Fields(d.said["scopes"]),
		Endpoint: oauth2.Endpoint{AuthURL: d.said["auth_url"], TokenURL: d.said["token_url"], AuthStyle: style},
	}
}

// tells reads what an answer of userinfo, or an ID token, says into the person, where that is
// not known yet.
func (d *dashboards) tells(who *grafanaUser, raw []byte) error {
	var said map[string]any
	if err := json.Unmarshal(raw, &said); err != nil {
		return err
	}
	for at, name := range map[*string]string{&who.ID: "sub", &who.Name: "name", &who.Email: "email", &who.Login: d.said["login_attribute_path"], &who.Role: d.said["role_attribute_path"]} {
		if text, ok := said[name].(string); ok && *at == "" {
			*at = text
		}
	}
	return nil
}

func (d *dashboards) asksAPI(ctx context.Context, path string, token *oauth2.Token) ([]byte, int, error) {
	res, err := d.config().Client(ctx, token).Get(d.said["api_url"] + path)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return b, res.StatusCode, err
}

// signedIn takes the code of an answer.
func (d *dashboards) signedIn(ctx context.Context, q url.Values) (int, string) {
	if d.state == "" || q.Get("state") != d.state {
		return http.StatusUnauthorized, "Provided state does not match stored state"
	}
	token, err := d.config().Exchange(ctx, q.Get("code"), oauth2.VerifierOption(d.verifier))
	if err != nil {
		return http.StatusInternalServerError, err.Error()
	}
	var who grafanaUser
	if id, ok := token.Extra("id_token").(string); ok {
		if parts := strings.Split(id, "."); len(parts) == 3 {
			if raw, err := base64.RawURLEncoding.DecodeString(parts[1]); err != nil || d.tells(&who, raw) != nil {
				return http.StatusInternalServerError, "the ID token cannot be read"
			}
		}
	}
	if raw, status, err := d.asksAPI(ctx, "", token); err == nil && status == http.StatusOK {
		if err := d.tells(&who, raw); err != nil {
			return http.StatusInternalServerError, err.Error()
		}
	}
	switch {
	case who.Role != "Admin" && who.Role != "Editor" && who.Role != "Viewer" && d.said["role_attribute_strict"] == "true":
		return http.StatusForbidden, "idP did not return a role attribute"
	case who.Email == "":
		if _, status, err := d.asksAPI(ctx, "/emails", token); err != nil || status != http.StatusOK {
			return http.StatusInternalServerError, "Error getting email address"
		}
	}
	d.kept, d.who = token, who
	return http.StatusOK, ""
}

// stays refreshes the access token where it has run out, or has ten seconds left, and says
// whether the session goes on.
func (d *dashboards) stays(ctx context.Context) bool {
	if d.kept == nil {
		return false
	}
	if time.Until(d.kept.Expiry) > 10*time.Second {
		return true
	}
	again := *d.kept
	again.AccessToken = "" // has the library ask
	next, err := d.config().TokenSource(ctx, again.WithExtra(map[string]any{"id_token": d.kept.Extra("id_token")})).Token()
	if err != nil {
		d.kept = nil
		return false
	}
	d.kept = next
	return true
}

func (d *dashboards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx := context.WithValue(r.Context(), oauth2.HTTPClient, d.web)
	switch {
	case r.URL.Path == "/login":
		_, _ = io.WriteString(w, "Sign in with Hospital") // the test reads what came
	case r.URL.Path == "/login/generic_oauth" && r.URL.Query().Get("code") == "" && r.URL.Query().Get("error") == "":
		d.state, d.verifier = base64.URLEncoding.EncodeToString([]byte(rand.Text())), rand.Text()+rand.Text()+rand.Text()
		http.Redirect(w, r, d.config().AuthCodeURL(d.state, oauth2.S256ChallengeOption(d.verifier)), http.StatusFound)
	case r.URL.Path == "/login/generic_oauth":
		if status, said := d.signedIn(ctx, r.URL.Query()); status != http.StatusOK {
			http.Error(w, said, status)
			return
		}
		http.Redirect(w, r, "/", http.StatusFound)
	case r.URL.Path == "/logout":
		to, err := url.Parse(d.said["signout_redirect_url"])
		if err != nil || d.kept == nil {
			http.Error(w, "nobody is signed in, or nowhere to go", http.StatusBadRequest)
			return
		}
		if id, ok := d.kept.Extra("id_token").(string); ok && to.Query().Has("post_logout_redirect_uri") && d.kept.Valid() {
			q := to.Query()
			q.Set("id_token_hint", id)
			to.RawQuery = q.Encode()
		}
		d.kept = nil
		http.Redirect(w, r, to.String(), http.StatusFound)
	case !d.stays(ctx):
		http.Redirect(w, r, "/login", http.StatusFound)
	default:
		_ = json.NewEncoder(w).Encode(d.who) // the test reads what came
	}
}

// What Grafana sends, by docs/recipes/grafana.md and what the preset prints. Grafana itself is
// not run. Only how long an access token lives is shortened.
func TestGrafana(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	d := &dashboards{web: s.client}
	app := httptest.NewServer(d)
	t.Cleanup(app.Close)
	d.base = app.URL
	printed := s.idp(t, "client", "preset", "grafana", "--set", "base="+d.base, "--id", "grafana")
	_, printed, _ = strings.Cut(printed, "# grafana.ini\n")
	printed, _, _ = strings.Cut(printed, "\n#")
	d.said = section(printed)
	whole := exchanged(t, blockOf(t, "recipes/grafana.md", "ini"), "https://login.your-hospital.org", s.issuer, "https://grafana.your-hospital.org", d.base, "…", d.said["client_secret"])
	if strings.TrimSpace(whole) != strings.TrimSpace(printed) || d.said["client_secret"] == "" || d.said["use_pkce"] != "true" || d.said["use_refresh_token"] != "true" {
		t.Fatalf("the page has not what the preset prints:\n%s\nbut:\n%s", printed, whole)
	}
	const life = 12 * time.Second // of which Grafana uses two
	s.idp(t, "client", "edit", "grafana", "--access-ttl", life.String())

	asks := func(at *page) bool { return strings.HasPrefix(at.url.String(), s.issuer+"/login/") }
	signsIn := func(p *person) *page {
		t.Helper()
		at := p.get(d.base + "/login/generic_oauth")
		if !asks(at) {
			t.Fatalf("led to %s: %d %s", at.url, at.status, at.body)
		}
		at = p.submit(at, "password-form", url.Values{"username": {p.name}, "password": {p.password}})
		return p.submit(at, "code-form", url.Values{"code": {p.code()}})
	}
	in := func(at *page) bool { return at.status == http.StatusOK && at.url.String() == d.base+"/" }
	// The claim of the role follows the groups; who has none of them is refused, and who has no
	// mail address.
	for _, row := range []struct {
		name, group, mail, role, refused string
	}{
		{"anna", "grafana-admins", "anna@klinik.test", "Admin", ""},
		{"ben", "grafana-viewers", "ben@klinik.test", "Viewer", ""},
		{"carl", "radiology", "carl@klinik.test", "", "did not return a role"},
		{"dora", "grafana-editors", "", "", "Error getting email address"},
	} {
		flags := []string{"--display", row.name, "--group", row.group}
		if row.mail != "" {
			flags = append(flags, "--email", row.mail)
		}
		p := s.invite(t, row.name, flags...)
		p.web.CheckRedirect = nil
		at := signsIn(p)
		if row.refused != "" {
			if in(at) || !strings.Contains(at.body, row.refused) {
				t.Errorf("%s: %d at %s: %s", row.name, at.status, at.url, at.body)
			}
			continue
		}
		var who grafanaUser
		if err := json.Unmarshal([]byte(at.body), &who); err != nil || !in(at) || who.ID == "" || who.Login != row.name || who.Role != row.role || who.Email != row.mail {
			t.Errorf("%s: %+v %v %d at %s: %s", row.name, who, err, at.status, at.url, at.body)
		}
		// «Sign out» ends both, by the ID token, without a question.
		if at = p.get(d.base + "/logout"); at.url.String() != d.base+"/login" || !strings.Contains(at.body, "Sign in") {
			t.Errorf("%s signs out: %d at %s: %s", row.name, at.status, at.url, at.body)
		}
		if at = p.get(s.issuer + "/account"); !asks(at) {
			t.Errorf("%s is still signed in at the provider: %s", row.name, at.url)
		}
	}

	emil := s.invite(t, "emil", "--display", "Emil", "--group", "grafana-editors", "--email", "emil@klinik.test")
	emil.web.CheckRedirect = nil
	if at := signsIn(emil); !in(at) {
		t.Fatalf("signed in: %d at %s: %s", at.status, at.url, at.body)
	}
	for range 2 {
		before := d.kept.AccessToken
		time.Sleep(life - 9*time.Second)
		if at := emil.get(d.base + "/"); !in(at) || d.kept.AccessToken == before {
			t.Errorf("refreshed: %d at %s: %s", at.status, at.url, at.body)
		}
	}
	// After a refresh the sign-out needs no question either.
	if at := emil.get(d.base + "/logout"); at.url.String() != d.base+"/login" {
		t.Errorf("signed out after a refresh: %d at %s: %s", at.status, at.url, at.body)
	}

	if at := signsIn(emil); !in(at) {
		t.Fatalf("signed in again: %d at %s: %s", at.status, at.url, at.body)
	}
	s.kill(t)
	s.launch(t)
	time.Sleep(life - 9*time.Second)
	if at := emil.get(d.base + "/"); !in(at) {
		t.Errorf("after a new start of the provider: %d at %s: %s", at.status, at.url, at.body)
	}
	for _, row := range []struct {
		why string
		do  func()
	}{
		{"the session was ended by an administrator", func() { s.idp(t, "session", "end", "emil", "--all") }},
		{"the person is blocked", func() { s.idp(t, "user", "disable", "emil") }},
	} {
		if d.kept == nil {
			if at := signsIn(emil); !in(at) {
				t.Fatalf("signed in again: %d at %s: %s", at.status, at.url, at.body)
			}
		}
		row.do()
		if _, status, err := d.asksAPI(context.WithValue(t.Context(), oauth2.HTTPClient, s.client), "", &oauth2.Token{AccessToken: d.kept.AccessToken}); err != nil || status != http.StatusUnauthorized {
			t.Errorf("%s: userinfo says %d %v", row.why, status, err)
		}
		time.Sleep(life - 9*time.Second)
		if at := emil.get(d.base + "/"); at.url.String() != d.base+"/login" {
			t.Errorf("%s: Grafana goes on: %d at %s: %s", row.why, at.status, at.url, at.body)
		}
	}
}
