package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/oauth2"
)

// library is a library that others wrote, with a small application by it
// (e2e/testdata/libraries/README.md).
type library struct {
	name     string // as its registry knows it
	program  string
	flags    []string // of its registration, besides its addresses
	callback string   // empty: /callback
	after    string   // where it comes back to after signing out; empty: /
	shown    string   // as what the person is known; empty: the name
	refresh  bool     // it can refresh
	signOut  bool     // it can sign out at the provider
}

const libraryFolder = "testdata/libraries"

// libraries are those of the table in docs/relying-parties.md that are run by make
// parties, as web applications.
var libraries = []library{
	{name: "openid-client", program: "openid-client.mjs", refresh: true, signOut: true},
	{name: "passport-openidconnect", program: "passport-openidconnect.mjs", flags: []string{"--auth", "client_secret_post", "--optional-pkce"}},
	{name: "@auth/core", program: "authjs.mjs", callback: "/auth/callback/hilum"},
	{name: "Authlib", program: "authlib_flask.py", refresh: true, signOut: true},
	{name: "Flask-pyoidc", program: "flask_pyoidc_app.py", flags: []string{"--optional-pkce"}, after: "/logout", refresh: true, signOut: true},
	{name: "mozilla-django-oidc", program: "mozilla_django.py", callback: "/oidc/callback/", shown: "anna@klinik.test", signOut: true},
}

// versionOf is the version of a package that the tests install.
func versionOf(t *testing.T, name string) string {
	t.Helper()
	var js struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	well(t, json.Unmarshal(must[[]byte](t)(os.ReadFile(filepath.Join(libraryFolder, "package.json"))), &js))
	if v := js.Dependencies[name]; v != "" {
		return v
	}
	text := string(must[[]byte](t)(os.ReadFile(filepath.Join(libraryFolder, "requirements.txt"))))
	if m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `(?:\[\w+\])?==(\S+)$`).FindStringSubmatch(text); m != nil {
		return m[1]
	}
	t.Fatalf("%s is not installed by the tests", name)
	return ""
}

// starts runs the application of a library until the test ends.
func (s *served) starts(t *testing.T, program, base, id, secret string) {
	t.Helper()
	dir := must[string](t)(filepath.Abs(os.Getenv("LIBRARIES")))
	folder := t.TempDir() // modules are looked for beside the program
	well(t, os.Symlink(filepath.Join(dir, "node_modules"), filepath.Join(folder, "node_modules")))
	file := filepath.Join(folder, program)
	well(t, os.WriteFile(file, must[[]byte](t)(os.ReadFile(filepath.Join(libraryFolder, program))), 0o600))
	interpreter := filepath.Join(dir, "python", "bin", "python")
	if strings.HasSuffix(program, ".mjs") {
		interpreter = must[string](t)(exec.LookPath("node"))
	}
	cmd := exec.Command(interpreter, file)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "ISSUER="+s.issuer, "CLIENT_ID="+id, "CLIENT_SECRET="+secret, "BASE="+base, "LIBRARIES="+dir,
		"NODE_EXTRA_CA_CERTS="+s.ca, "SSL_CERT_FILE="+s.ca, "REQUESTS_CA_BUNDLE="+s.ca)
	runs(t, cmd, func() error {
		res, err := http.Get(base + "/")
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
}

// librariesRun skips a test of what make parties installs, where that is not there.
func librariesRun(t *testing.T) {
	t.Helper()
	if os.Getenv("LIBRARIES") == "" {
		t.Skip("make parties installs the libraries of others, and sets LIBRARIES")
	}
}

// shownIn is who an application says is signed in.
func shownIn(t *testing.T, body string) (who struct{ Sub, Name string }) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &who); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return who
}

// Applications by libraries of others sign people in, refresh, ask userinfo and sign out,
// as far as each can.
func TestLibraries(t *testing.T) {
	librariesRun(t)
	t.Parallel()
	s := startServe(t)
	for _, l := range libraries {
		t.Run(l.name, func(t *testing.T) {
			base := "http://127.0.0.1:" + freePort(t)
			callback, after, shown := l.callback, l.after, l.shown
			if callback == "" {
				callback = "/callback"
			}
			if after == "" {
				after = "/"
			}
			if shown == "" {
				shown = "Anna Bergmann"
			}
			id, secret := s.addClient(t, append([]string{l.name, "--redirect-uri", base + callback, "--post-logout-uri", base + after}, l.flags...)...)
			s.starts(t, l.program, base, id, secret)
			anna := s.invite(t, "anna-"+strings.ToLower(regexp.MustCompile(`\W`).ReplaceAllString(l.name, "")), "--display", "Anna Bergmann", "--email", "anna@klinik.test")
			anna.web.CheckRedirect = nil
			at := anna.get(base + "/login")
			if !strings.HasPrefix(at.url.String(), s.issuer+"/login/") {
				t.Fatalf("led to %s: %d %s", at.url, at.status, at.body)
			}
			at = anna.submit(at, "password-form", url.Values{"username": {anna.name}, "password": {anna.password}})
			at = anna.submit(at, "code-form", url.Values{"code": {anna.code()}})
			if at.status != http.StatusOK || at.url.String() != base+"/" || shownIn(t, at.body).Name != shown {
				t.Fatalf("signed in: %d at %s: %s", at.status, at.url, at.body)
			}
			who := shownIn(t, at.body)
			if l.refresh {
				if at = anna.get(base + "/refresh"); at.status != http.StatusOK || shownIn(t, at.body) != who {
					t.Errorf("refreshed: %d %s, before %+v", at.status, at.body, who)
				}
			}
			if l.signOut {
				if at = anna.get(base + "/logout"); at.status != http.StatusOK || strings.TrimSuffix(originOf(at.url.String()), "/") != base || shownIn(t, anna.get(base+"/").body).Name != "" {
					t.Errorf("signed out: %d at %s: %s", at.status, at.url, at.body)
				}
				if at = anna.get(s.issuer + "/account"); !strings.HasPrefix(at.url.String(), s.issuer+"/login/") {
					t.Errorf("still signed in at the provider: %s", at.url)
				}
			}
			s.isInTheTable(t, l.name, versionOf(t, l.name))
		})
	}
}

// isInTheTable checks that docs/relying-parties.md names the version that was run.
func (s *served) isInTheTable(t *testing.T, name, version string) {
	t.Helper()
	text := string(must[[]byte](t)(os.ReadFile("../docs/relying-parties.md")))
	if !strings.Contains(text, "| "+name+" | "+version+" |") {
		t.Errorf("docs/relying-parties.md has no row of %s %s", name, version)
	}
}

// oidc-client-ts in Chromium, as a public client whose scripts call the provider.
func TestLibraryInTheBrowser(t *testing.T) {
	librariesRun(t)
	t.Parallel()
	s, _ := startPlain(t)
	base := "http://127.0.0.1:" + freePort(t)
	id, _ := s.addClient(t, "Browser", "--public", "--redirect-uri", base+"/callback", "--post-logout-uri", base+"/", "--origin", base)
	s.starts(t, "oidc-client-ts.mjs", base, id, "")
	bert := s.invite(t, "bert", "--display", "Bert Klein")
	w := openWindow(t, true)
	says := func(text string) {
		t.Helper()
		for end := time.Now().Add(patience); !strings.Contains(w.text("#said"), text); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the page says %s, not %s", w.text("#said"), text)
			}
		}
	}
	w.open(base + "/")
	says("nobody")
	w.click("#login")
	w.see("#password-form")
	w.fill("#username", bert.name)
	w.fill("#password", bert.password)
	w.click("#continue")
	w.see("#code-form")
	w.typeCode(bert.code())
	says(`"what":"signed in"`)
	says(`"name":"Bert Klein"`)
	w.do(chromedp.Click(chromedp.CSS("#refresh")))
	says(`"what":"refreshed"`)
	says(`"name":"Bert Klein"`)
	w.click("#logout")
	says(`"what":"nobody"`)
	w.open(s.issuer + "/account")
	w.see("#password-form")
	s.isInTheTable(t, "oidc-client-ts", versionOf(t, "oidc-client-ts"))
}

// PyJWT takes access tokens that are JWTs, and no ID token in their place.
func TestLibraryOfAnAPI(t *testing.T) {
	librariesRun(t)
	t.Parallel()
	s := startServe(t)
	base, redirect := "http://127.0.0.1:"+freePort(t), "https://viewer.klinik.test/callback"
	id, secret := s.addClient(t, "API", "--redirect-uri", redirect, "--access-format", "jwt")
	s.starts(t, "pyjwt_api.py", base, id, "")
	anna := s.invite(t, "anna")
	rp := &party{
		t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid profile", verifier: strings.Repeat("verifier-", 6), web: s.client, state: "s", nonce: "n-0S6",
	}
	tk := must[*tokens](t)(rp.exchange(rp.answer(anna.signIn(rp.authorize()))))
	for what, c := range map[string]struct {
		token string
		want  int
	}{"the access token": {tk.Access, 200}, "the ID token": {tk.ID, 401}, "a cut one": {tk.Access[:len(tk.Access)-4], 401}} {
		req := must[*http.Request](t)(http.NewRequest(http.MethodGet, base+"/", nil))
		req.Header.Set("Authorization", "Bearer "+c.token)
		at := must[*page](t)(readPage(http.DefaultClient.Do(req)))
		if at.status != c.want || c.want == 200 && shownIn(t, at.body).Sub == "" {
			t.Errorf("%s: %d %s", what, at.status, at.body)
		}
	}
	s.isInTheTable(t, "PyJWT", versionOf(t, "PyJWT"))
}

// golang.org/x/oauth2 alone, without a library of OpenID Connect: sign-in, refresh and
// userinfo.
func TestLibraryXOAuth2(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	var conf *oauth2.Config
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, s.client)
	state, verifier := "a-state-of-its-own", oauth2.GenerateVerifier()
	var kept *oauth2.Token
	mux := http.NewServeMux()
	userinfo := func(w http.ResponseWriter) {
		source := conf.TokenSource(ctx, kept)
		token, err := source.Token()
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		kept = token
		res, err := oauth2.NewClient(ctx, source).Get(s.issuer + "/userinfo")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body) // the test reads what came
	}
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, conf.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier)), http.StatusSeeOther)
	})
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("state") != state || r.FormValue("iss") != s.issuer {
			http.Error(w, "another sign-in's", http.StatusBadRequest)
			return
		}
		var err error
		if kept, err = conf.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(verifier)); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		userinfo(w)
	})
	mux.HandleFunc("GET /refresh", func(w http.ResponseWriter, _ *http.Request) {
		kept = &oauth2.Token{RefreshToken: kept.RefreshToken} // as one that has expired
		userinfo(w)
	})
	app := httptest.NewServer(mux)
	t.Cleanup(app.Close)
	id, secret := s.addClient(t, "Go", "--redirect-uri", app.URL+"/callback")
	conf = &oauth2.Config{
		ClientID: id, ClientSecret: secret, RedirectURL: app.URL + "/callback", Scopes: []string{"openid", "profile", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: s.issuer + "/authorize", TokenURL: s.issuer + "/token", AuthStyle: oauth2.AuthStyleInHeader},
	}
	anna := s.invite(t, "anna", "--display", "Anna Bergmann")
	anna.web.CheckRedirect = nil
	at := anna.submit(anna.get(app.URL+"/login"), "password-form", url.Values{"username": {anna.name}, "password": {anna.password}})
	at = anna.submit(at, "code-form", url.Values{"code": {anna.code()}})
	if at.status != http.StatusOK || shownIn(t, at.body).Name != "Anna Bergmann" {
		t.Fatalf("signed in: %d at %s: %s", at.status, at.url, at.body)
	}
	before := kept.AccessToken
	if at = anna.get(app.URL + "/refresh"); at.status != http.StatusOK || shownIn(t, at.body).Name != "Anna Bergmann" || kept.AccessToken == before {
		t.Errorf("refreshed: %d %s", at.status, at.body)
	}
	s.isInTheTable(t, "golang.org/x/oauth2", moduleVersion(t, "golang.org/x/oauth2"))
}

// moduleVersion is the version of a module in go.mod.
func moduleVersion(t *testing.T, module string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^\t` + regexp.QuoteMeta(module) + ` v(\S+)`).FindSubmatch(must[[]byte](t)(os.ReadFile("../go.mod")))
	if m == nil {
		t.Fatalf("go.mod has no %s", module)
	}
	return string(m[1])
}
