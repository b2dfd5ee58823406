package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// guarded is Orthanc with its authorization plug-in, the service that the plug-in asks, and our
// provider with the realm that this one reads.
type guarded struct {
	*served
	realm string // its address
	base  string // of Orthanc
}

// startGuarded runs docs/recipes/orthanc-authorization.md by its blocks.
func startGuarded(t *testing.T) *guarded {
	t.Helper()
	plugin, service := os.Getenv("ORTHANC_AUTHORIZATION"), os.Getenv("ORTHANC_AUTH_SERVICE")
	const how = "ORTHANC_AUTHORIZATION names the plug-in, and ORTHANC_AUTH_SERVICE the folder of its service: docs/recipes/orthanc-authorization.md"
	switch {
	case plugin == "" && service == "":
		t.Skip(how)
	case plugin == "" || service == "":
		t.Fatal(how) // who gives one wants it run
	}
	const page, password, other = "recipes/orthanc-authorization.md", `"WebServicePassword": "`, "… another one, which signs the links that are shared"
	g := &guarded{served: newServe(t, "IDP_CLIENTS_REALM=hospital")}
	g.launch(t)
	g.realm = g.issuer + "/realms/hospital"
	port, asked := freePort(t), freePort(t)
	g.base = "http://localhost:" + port
	printed := g.idp(t, "client", "preset", "orthanc-explorer-2", "--set", "base="+g.base, "--id", "orthanc-explorer-2")
	_, printed, _ = strings.Cut(printed, "# /etc/orthanc/authorization.json\n")
	file, printed, _ := strings.Cut(printed, "\n\n# Environment of orthanc-auth-service\n")
	_, secret, _ := strings.Cut(file, password)
	secret, _, _ = strings.Cut(secret, `"`)
	whole := exchanged(t, blockOf(t, page, "json"), "https://login.your-hospital.org", g.issuer, "……", secret)
	if strings.TrimSpace(whole) != strings.TrimSpace(file) || secret == "" {
		t.Fatalf("the page has not what the preset prints:\n%s\nbut:\n%s", file, whole)
	}
	env := exchanged(t, blockOf(t, page, "ini"), "https://login.your-hospital.org", g.issuer, "……", secret)
	if !strings.HasPrefix(env, strings.TrimSpace(printed)) {
		t.Errorf("the page has not what the preset prints:\n%s\nbut:\n%s", printed, env)
	}

	dir := t.TempDir()
	permissions := filepath.Join(dir, "permissions.json")
	well(t, os.WriteFile(permissions, []byte(blockOf(t, page, "jsonc")), 0o600))
	env = exchanged(t, env, other, "signs-links-"+secret, "/etc/orthanc-auth-service/permissions.json", permissions)
	cmd := exec.Command(filepath.Join(must[string](t)(filepath.Abs(service)), "venv", "bin", "python"), "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", asked)
	cmd.Dir = filepath.Join(service, "sources", "orthanc_auth_service")
	cmd.Env = append(append(os.Environ(), "REQUESTS_CA_BUNDLE="+g.ca), strings.Split(strings.TrimSpace(env), "\n")...)
	answers := func(address string) func() error {
		return func() error {
			for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) { // a machine that has much to do
				res, err := http.Get(address)
				if err == nil {
					return res.Body.Close()
				}
				if time.Now().After(end) {
					return err
				}
			}
		}
	}
	runs(t, cmd, answers("http://127.0.0.1:"+asked+"/docs"))

	folder, db := filepath.Join(dir, "orthanc"), filepath.Join(dir, "db")
	well(t, os.Mkdir(folder, 0o700))
	well(t, os.Mkdir(db, 0o700))
	// Without DICOMweb, of which Debian's version gives the list of studies to everybody: see the page.
	const dicomweb = `"/usr/share/orthanc/plugins/libOrthancDicomWeb.so"`
	own := exchanged(t, blockOf(t, "recipes/ohif.md", "json"), "8042", port, "/var/lib/orthanc/db", db, dicomweb, `"`+must[string](t)(filepath.Abs(plugin))+`"`)
	well(t, os.WriteFile(filepath.Join(folder, "orthanc.json"), []byte(own), 0o600))
	well(t, os.WriteFile(filepath.Join(folder, "authorization.json"), []byte(exchanged(t, whole, "127.0.0.1:8000", "127.0.0.1:"+asked)), 0o600))
	runs(t, exec.Command("/usr/sbin/Orthanc", folder), answers(g.base+"/system"))
	return g
}

// explorer is Orthanc Explorer 2 in somebody's browser, as far as it speaks with the provider
// (keycloak-js 24.0.5) and with Orthanc.
type explorer struct {
	*guarded
	t    *testing.T
	p    *person
	held tokens
}

func (e *explorer) app() string { return e.base + "/ui/app/" }

// opens begins a sign-in, as keycloak-js does with login-required, and returns the page that it leads to.
func (e *explorer) opens() *page {
	e.t.Helper()
	rp := &party{verifier: strings.Repeat("verifier-", 6)}
	_, q, _ := strings.Cut(rp.authorize(), "?")
	challenge := must[url.Values](e.t)(url.ParseQuery(q))
	return e.p.get(e.realm + "/protocol/openid-connect/auth?" + url.Values{
		"client_id": {"orthanc-explorer-2"}, "redirect_uri": {e.app()}, "state": {"s"}, "response_mode": {"fragment"}, "response_type": {"code"}, "scope": {"openid"},
		"nonce": {"n"}, "code_challenge": challenge["code_challenge"], "code_challenge_method": {"S256"},
	}.Encode())
}

// asks calls an endpoint of the realm.
func (e *explorer) asks(path string, form url.Values) (*tokens, error) {
	form.Set("client_id", "orthanc-explorer-2")
	r, err := http.NewRequest(http.MethodPost, e.realm+"/protocol/openid-connect"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", e.base)
	res, err := e.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	got := &tokens{Status: res.StatusCode}
	if err := json.NewDecoder(res.Body).Decode(got); err != nil {
		return nil, err
	}
	if allowed := res.Header.Get("Access-Control-Allow-Origin"); allowed != e.base && allowed != "*" {
		return nil, fmt.Errorf("no script of %s may read the answer: %q", e.base, allowed)
	}
	return got, nil
}

// arrives takes the code at the page of the application.
func (e *explorer) arrives(at *page) {
	e.t.Helper()
	said := must[url.Values](e.t)(url.ParseQuery(at.url.Fragment))
	if !strings.HasPrefix(at.url.String(), e.app()+"#") || said.Get("state") != "s" || said.Get("code") == "" {
		e.t.Fatalf("%s is not at the application: %d at %s: %s", e.p.name, at.status, at.url, at.body)
	}
	got := must[*tokens](e.t)(e.asks("/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {said.Get("code")}, "redirect_uri": {e.app()}, "code_verifier": {strings.Repeat("verifier-", 6)},
	}))
	if got.Status != http.StatusOK || got.Access == "" || got.Refresh == "" || got.ID == "" {
		e.t.Fatalf("%s: the code is not good: %+v", e.p.name, got)
	}
	e.held = *got
}

// renews does what updateToken of keycloak-js does, and says whether it was refused.
func (e *explorer) renews() (refused bool) {
	e.t.Helper()
	got := must[*tokens](e.t)(e.asks("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {e.held.Refresh}}))
	if got.Status == http.StatusOK {
		e.held = *got
	} else if got.Error != "invalid_grant" {
		e.t.Fatalf("%s: refused by %+v", e.p.name, got)
	}
	return got.Status != http.StatusOK
}

// reads asks Orthanc for something, with a token in the header in which Orthanc Explorer 2 brings it.
func (g *guarded) reads(method, path, token string, body []byte) (int, string, error) {
	r, err := http.NewRequest(method, g.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		r.Header.Set("token", token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// has is whether Orthanc gives something for a token.
func (g *guarded) has(t *testing.T, path, token string) bool {
	t.Helper()
	status, body, err := g.reads(http.MethodGet, path, token, nil)
	if err != nil || status != http.StatusOK && status != http.StatusForbidden && status != http.StatusUnauthorized {
		t.Fatalf("%s: %d %v %s", path, status, err, body)
	}
	return status == http.StatusOK
}

// Orthanc's authorization plug-in lets people to studies by the roles that they have here, by what
// docs/recipes/orthanc-authorization.md and the preset print. Only how long an access token lives
// is shortened.
func TestOrthancAuthorization(t *testing.T) {
	t.Parallel()
	g := startGuarded(t)
	const life = 10 * time.Second
	// What the plug-in remembers: the profile of a token for a minute, and what it may for ten seconds.
	const remembered = 70 * time.Second

	opened := func(name, role string) *explorer {
		t.Helper()
		p := g.invite(t, name, "--display", name, "--role", role)
		p.web.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), g.base) {
				return http.ErrUseLastResponse
			}
			return nil
		}
		return &explorer{guarded: g, t: t, p: p}
	}
	signsIn := func(e *explorer) {
		t.Helper()
		at := e.p.submit(e.opens(), "password-form", url.Values{"username": {e.p.name}, "password": {e.p.password}})
		e.arrives(e.p.submit(at, "code-form", url.Values{"code": {e.p.code()}}))
	}

	// The archivist may bring pictures; nobody else may.
	ada := opened("ada", "archivist")
	signsIn(ada)
	var slice struct{ ID, ParentStudy string }
	for n := 1; n <= studySize; n++ {
		status, said, err := g.reads(http.MethodPost, "/instances", ada.held.Access, ctSlice(n))
		if err != nil || status != http.StatusOK || json.Unmarshal([]byte(said), &slice) != nil || slice.ParentStudy == "" {
			t.Fatalf("a picture by the archivist: %d %v %s", status, err, said)
		}
	}
	anna := opened("anna", "radiologist")
	// By the phone, as people do it.
	at := anna.p.submit(anna.p.get(g.issuer+"/account/link"), "password-form", url.Values{"username": {anna.p.name}, "password": {anna.p.password}})
	anna.p.submit(at, "code-form", url.Values{"code": {anna.p.code()}})
	ph := anna.p.pairs(g.served)
	anna.p.elsewhere()
	anna.p.web.CheckRedirect = ada.p.web.CheckRedirect
	anna.arrives(anna.p.byPhone(anna.opens(), ph))
	rosa, cleo := opened("rosa", "reception"), opened("cleo", "somewhere-else")
	signsIn(rosa)
	signsIn(cleo)

	pictures := []string{
		"/studies", "/instances", "/studies/" + slice.ParentStudy, "/instances/" + slice.ID + "/preview", "/instances/" + slice.ID + "/file", "/studies/" + slice.ParentStudy + "/archive",
	}
	for _, path := range pictures {
		for who, row := range map[string]struct {
			token string
			may   bool
		}{
			"a radiologist":                       {anna.held.Access, true},
			"the archivist":                       {ada.held.Access, true},
			"reception":                           {rosa.held.Access, false},
			"somebody with a role of another":     {cleo.held.Access, false},
			"nobody":                              {"", false},
			"an ID token":                         {anna.held.ID, false},
			"an access token that is cut":         {anna.held.Access[:len(anna.held.Access)-6], false},
			"a refresh token":                     {anna.held.Refresh, false},
			"nonsense":                            {"nonsense", false},
			"a token of which the head says none": {unsigned(t, anna.held.Access), false},
		} {
			if g.has(t, path, row.token) != row.may {
				t.Errorf("%s by %s: it is not %v", path, who, row.may)
			}
		}
	}
	for who, token := range map[string]string{"a radiologist": anna.held.Access, "nobody": ""} {
		if status, said, err := g.reads(http.MethodPost, "/instances", token, ctSlice(1)); err != nil || status == http.StatusOK {
			t.Errorf("a picture by %s: %d %v %s", who, status, err, said)
		}
		if status, said, err := g.reads(http.MethodDelete, "/studies/"+slice.ParentStudy, token, nil); err != nil || status == http.StatusOK {
			t.Errorf("deleted by %s: %d %v %s", who, status, err, said)
		}
	}

	// The provider is away, and back: who has a token reads on, and renews it.
	g.kill(t)
	if !g.has(t, pictures[3], anna.held.Access) {
		t.Error("refused while the provider is away")
	}
	g.launch(t)
	before := anna.held.Access
	if anna.renews() || anna.held.Access == before || !g.has(t, pictures[3], anna.held.Access) {
		t.Error("after a new start of the provider nothing is renewed")
	}

	// Ended by an administrator, blocked, signed out: nothing is renewed from then on, and Orthanc
	// refuses what was given when it has run out, and is forgotten.
	g.idp(t, "client", "edit", "orthanc-explorer-2", "--access-ttl", life.String())
	ben, dora := opened("ben", "radiologist"), opened("dora", "radiologist")
	signsIn(ben)
	signsIn(dora)
	if anna.renews() {
		t.Fatal("anna cannot renew")
	}
	var all sync.WaitGroup
	for _, row := range []struct {
		why string
		e   *explorer
		do  func()
	}{
		{"the session was ended by an administrator", anna, func() { g.idp(t, "session", "end", "anna", "--all") }},
		{"the person is blocked", ben, func() { g.idp(t, "user", "disable", "ben") }},
		{"signed out at Orthanc", dora, func() {
			at := dora.p.get(g.realm + "/protocol/openid-connect/logout?" + url.Values{
				"client_id": {"orthanc-explorer-2"}, "post_logout_redirect_uri": {dora.app()}, "id_token_hint": {dora.held.ID},
			}.Encode())
			if at.url.String() != dora.app() {
				t.Errorf("signed out: %d at %s: %s", at.status, at.url, at.body)
			}
		}},
	} {
		if row.e.renews() {
			t.Fatalf("%s cannot renew", row.e.p.name)
		}
		if !g.has(t, pictures[3], row.e.held.Access) {
			t.Errorf("%s: refused before", row.why)
		}
		row.do()
		since := time.Now()
		if !row.e.renews() {
			t.Errorf("%s: tokens are renewed", row.why)
		}
		if at := row.e.opens(); !strings.HasPrefix(at.url.String(), g.issuer+"/login/") {
			t.Errorf("%s: the next sign-in needs none: %d at %s", row.why, at.status, at.url)
		}
		all.Go(func() {
			for g.has(t, pictures[3], row.e.held.Access) {
				if took := time.Since(since); took > life+remembered+20*time.Second { // and some patience
					t.Errorf("%s: Orthanc goes on after %s", row.why, took)
					return
				}
				time.Sleep(time.Second)
			}
			t.Logf("%s: Orthanc refuses after %s, of a token that lived for %s", row.why, time.Since(since).Round(time.Second), life)
		})
	}
	all.Wait()
}

// unsigned is a JWT with a head that says that nothing is signed, and without a signature.
func unsigned(t *testing.T, jwt string) string {
	t.Helper()
	parts := regexp.MustCompile(`^[^.]+\.([^.]+)\.`).FindStringSubmatch(jwt)
	if parts == nil {
		t.Fatalf("no JWT: %s", jwt)
	}
	return "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + "."
}
