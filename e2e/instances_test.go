package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"

	"hilum/e2e/crowd"
	"hilum/idp/mail/mailtest"
	"hilum/idp/store/pgtest"
)

// instances are two providers on one database of PostgreSQL and one sealing key, behind a
// balancer that sends every request to the other one in turn: whatever one of them knows
// alone is not known by the time of the next request.
type instances struct {
	*served // what the balancer and commands see; no process of its own
	each    []*served
	mail    *mailtest.Server
	turns   atomic.Uint64
}

// startInstances starts them at once, on a database that is empty.
func startInstances(t testing.TB) *instances {
	t.Helper()
	dir := t.TempDir()
	m := mailtest.New(t, mailtest.Conf{TLS: "starttls"})
	ca := filepath.Join(dir, "mail.pem")
	well(t, os.WriteFile(ca, m.PEM, 0o600))

	s := &instances{mail: m}
	balancer := httptest.NewUnstartedServer(nil)
	issuer := "http://" + balancer.Listener.Addr().String()
	env := append(os.Environ(), databaseEnv(t, crowd.Home{URL: pgtest.Fresh(t)})...)
	env = append(env, "IDP_ISSUER="+issuer, "IDP_DATABASE_POOL=8",
		"IDP_KEYS_SEAL_FILE="+filepath.Join(dir, "seal.key"), "IDP_CLIENTS_REGISTRATION=token", "IDP_LIMITS_ENROL_PER_10_MINUTES=0",
		"IDP_MAIL_HOST="+m.Host, "IDP_MAIL_PORT="+strconv.Itoa(m.Port), "IDP_MAIL_TLS=starttls", "IDP_MAIL_CA_FILE="+ca, "IDP_MAIL_FROM=idp@klinik.test")
	var to []*url.URL
	for n := range 2 {
		address := net.JoinHostPort("127.0.0.1", freePort(t))
		one := &served{issuer: "http://" + address, client: &http.Client{Timeout: patience}, data: filepath.Join(dir, strconv.Itoa(n))}
		one.env = append(append([]string(nil), env...), "IDP_LISTEN="+address, "IDP_DATA_DIR="+one.data)
		one.begin(t)
		s.each, to = append(s.each, one), append(to, must[*url.URL](t)(url.Parse(one.issuer)))
	}
	for _, one := range s.each {
		one.ready(t)
	}
	balancer.Config.Handler = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to[s.turns.Add(1)%uint64(len(to))])
			r.Out.Host = r.In.Host
		},
		FlushInterval: -1,
		// A connection that an instance closes for being idle is no answer to a form.
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	balancer.Start()
	t.Cleanup(balancer.Close)
	t.Cleanup(func() {
		for n, one := range s.each {
			if t.Failed() {
				t.Logf("instance %d:\n%s", n, one.errs)
			}
		}
	})
	s.served = &served{issuer: issuer, client: &http.Client{Timeout: patience}, env: s.each[0].env, data: s.each[0].data}
	return s
}

// public registers an application without a secret.
func (s *instances) public(t testing.TB, name string) *party {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "back") })) // a browser has to get there
	t.Cleanup(app.Close)
	redirect := app.URL + "/callback"
	id := strings.ToLower(strings.ReplaceAll(name, " ", "-"))
	s.idp(t, "client", "add", name, "--id", id, "--public", "--redirect-uri", redirect, "--scope", "openid,profile,email,offline_access", "--grant", "authorization_code", "--grant", "refresh_token")
	return &party{
		t: t, issuer: s.issuer, id: id, redirect: redirect, scope: "openid profile email offline_access", verifier: strings.Repeat("verifier-", 6),
		web: &http.Client{Timeout: patience}, state: "state-1", nonce: "nonce-1",
	}
}

// Every journey works where each of its requests reaches the other instance.
func TestInstancesInTurn(t *testing.T) {
	t.Parallel()
	s := startInstances(t)
	setup := regexp.MustCompile(`http://\S+/setup/\S+`).FindString(s.idp(t, "setup-link"))
	t.Run("set up and test sign-in", func(t *testing.T) { setsUp(t, s.issuer, setup) })
	if t.Failed() {
		return
	}
	for _, journey := range []struct {
		name string
		goes func(*testing.T, *instances)
	}{
		{"code, tokens, logout", codeInTurn},
		{"phone", func(t *testing.T, s *instances) {
			phoneSignIn(t, s.public(t, "Sample viewer in the browser"), s.invite(t, "pia"))
		}},
		{"forgotten password", func(t *testing.T, s *instances) {
			forgotPassword(t, &post{served: s.served, Server: s.mail}, true)
		}},
		{"machine", machineInTurn},
		{"registration", registersInTurn},
		{"administration", importsInTurn},
		{"letters", lettersOnce},
	} {
		t.Run(journey.name, func(t *testing.T) { journey.goes(t, s) })
	}
}

// codeInTurn signs in by a code, without script, goes on from the session, takes tokens and
// gives them back: what one instance has revoked the other one knows.
func codeInTurn(t *testing.T, s *instances) {
	rp, anna := s.public(t, "Viewer"), s.invite(t, "anna")
	at := anna.get(rp.authorize())
	at = anna.submit(at, "password-form", url.Values{"username": {anna.name}, "password": {"wrong, for sure"}})
	at = anna.submit(at, "password-form", url.Values{"username": {anna.name}, "password": {anna.password}})
	at = anna.submit(at, "code-form", url.Values{"code": {"000000"}})
	at = anna.submit(at, "code-form", url.Values{"code": {anna.code()}})
	tk := must[*tokens](t)(rp.exchange(rp.answer(at)))
	for range 3 {
		status, claims, err := rp.userinfo(tk.Access)
		if err != nil || status != http.StatusOK || claims["preferred_username"] != anna.name {
			t.Fatalf("userinfo: %d %v %v", status, claims, err)
		}
		before := tk
		if tk = must[*tokens](t)(rp.refresh(tk.Refresh)); tk.Status != http.StatusOK || tk.Access == before.Access {
			t.Fatalf("refresh: %+v", tk)
		}
	}
	other := s.public(t, "Other viewer")
	if tk := must[*tokens](t)(other.exchange(other.answer(anna.get(other.authorize())))); tk.Status != http.StatusOK {
		t.Fatalf("from the session: %+v", tk)
	}
	out := anna.get(s.issuer + "/end_session?" + url.Values{"id_token_hint": {tk.ID}}.Encode())
	if find(out.doc, func(n *html.Node) bool { return attr(n, "id") == "signout" }) != nil {
		out = anna.submit(out, "signout", nil)
	}
	for range 2 {
		if status, _, err := rp.userinfo(tk.Access); err != nil || status != http.StatusUnauthorized {
			t.Errorf("after signing out: %d, %v\n%s", status, err, out.body)
		}
		if got := must[*tokens](t)(rp.refresh(tk.Refresh)); got.Status == http.StatusOK {
			t.Errorf("after signing out: %+v", got)
		}
		if at := anna.get(s.issuer + "/account/security"); at.url.Path == "/account/security" {
			t.Error("signed in after signing out")
		}
	}
}

// machineInTurn signs a machine in.
func machineInTurn(t *testing.T, s *instances) {
	s.idp(t, "client", "add", "CT 2", "--id", "ct", "--public", "--grant", deviceGrant, "--grant", "refresh_token", "--scope", "openid,profile,offline_access")
	m := &machine{t: t, issuer: s.issuer, id: "ct"}
	m.asks()
	machineSignsIn(t, m, s.invite(t, "moritz"))
}

// registersInTurn has an application register itself, look at its registration, and take it
// back.
func registersInTurn(t *testing.T, s *instances) {
	var made struct{ Token string }
	well(t, json.Unmarshal([]byte(s.idp(t, "client", "token", "add", "Suite", "--json", "--host", "suite.test", "--scope", "openid")), &made))
	ask := func(method, to, token, body string, want int, into any) {
		t.Helper()
		req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, to, strings.NewReader(body)))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		res := must[*http.Response](t)(s.client.Do(req))
		defer res.Body.Close()
		if res.StatusCode != want {
			t.Fatalf("%s %s: %d, want %d", method, to, res.StatusCode, want)
		}
		if into != nil {
			well(t, json.NewDecoder(res.Body).Decode(into))
		}
	}
	var app struct {
		ID    string `json:"client_id"`
		At    string `json:"registration_client_uri"`
		Token string `json:"registration_access_token"`
	}
	ask(http.MethodPost, s.issuer+"/register", made.Token, `{"client_name":"Suite","redirect_uris":["https://suite.test/callback"],"scope":"openid"}`, http.StatusCreated, &app)
	for range 2 {
		ask(http.MethodGet, app.At, app.Token, "", http.StatusOK, &struct{}{})
	}
	ask(http.MethodDelete, app.At, app.Token, "", http.StatusNoContent, nil)
	for range 2 {
		ask(http.MethodGet, app.At, app.Token, "", http.StatusUnauthorized, nil)
	}
}

// importsInTurn adds people from a file that is checked first, stops an import, and checks the
// log: what one instance does the other shows.
func importsInTurn(t *testing.T, s *instances) {
	carla := s.invite(t, "carla", "--staff", "admin")
	w := openWindow(t, true)
	file := func(prefix string, n int) string {
		var b strings.Builder
		b.WriteString("username\n")
		for i := range n {
			fmt.Fprintf(&b, "%s%d\n", prefix, i)
		}
		return b.String()
	}
	upload := func(text string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "people.csv")
		well(t, os.WriteFile(path, []byte(text), 0o600))
		w.open(s.issuer + "/admin/users/import")
		w.see("#import")
		w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{path}))
		w.click("#try")
	}
	w.open(s.issuer + "/admin/users/import")
	w.see("#password-form")
	w.fill("#username", carla.name)
	w.fill("#password", carla.password)
	w.click("#continue")
	w.typeCode(carla.code())
	w.see("#import")

	upload(file("ward", 3000))
	w.see("#import-now")
	w.click("#import-now")
	w.see("#done")
	if text := w.text("#done"); !strings.Contains(text, "3,000 people were added") {
		t.Errorf("it says %q", text)
	}
	// What is faulty comes back to be mended.
	upload("username\nno good name\n")
	w.see("#faults")
	if text := w.value("#text"); !strings.Contains(text, "no good name") {
		t.Errorf("to be mended: %q", text)
	}
	// Stopped, at whichever instance.
	upload(file("clinic", 20_000))
	w.see("#import-now")
	w.click("#import-now")
	w.see("#stop")
	w.click("#stop")
	w.see("#stopped")
	if out := s.idp(t, "user", "list", "--json"); strings.Contains(out, "clinic") || !strings.Contains(out, "ward2999") {
		t.Error("who was added by an import that was stopped is there")
	}
	w.open(s.issuer + "/admin/audit/check")
	w.click("#check-now")
	w.see("#whole")
	w.quiet()
}

// An import whose instance is killed is shown as broken off by the other one, and is in nobody's
// way.
func TestInstanceDiesInAnImport(t *testing.T) {
	t.Parallel()
	s := startInstances(t)
	carla := s.invite(t, "carla", "--staff", "admin")
	at := carla.get(s.issuer + "/admin/users/import")
	at = carla.submit(at, "password-form", url.Values{"username": {carla.name}, "password": {carla.password}})
	carla.submit(at, "code-form", url.Values{"code": {carla.code()}})

	// Cookies do not know of ports: the same browser before each of them.
	dies, lives := s.each[0], s.each[1]
	upload := func(to *served, people int) *page {
		t.Helper()
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		well(t, form.WriteField("do", "import"))
		file := must[io.Writer](t)(form.CreateFormFile("file", "people.csv"))
		fmt.Fprintln(file, "username")
		for i := range people {
			fmt.Fprintf(file, "%d-of-%d\n", i, people)
		}
		well(t, form.Close())
		req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodPost, to.issuer+"/admin/users/import", &body))
		req.Header.Set("Content-Type", form.FormDataContentType())
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		return carla.read(carla.web.Do(req))
	}
	at = upload(dies, 50_000)
	job := at.url.Path
	if !strings.HasPrefix(job, "/admin/imports/") {
		t.Fatalf("at %s (%d):\n%s", at.url, at.status, at.body)
	}
	shows := func(id string) {
		t.Helper()
		var seen *page
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			seen = carla.get(lives.issuer + job)
			if strings.Contains(seen.body, id) {
				return
			}
		}
		t.Fatalf("%s is never shown, but\n%s", id, seen.body)
	}
	shows(`data-step="adding"`)
	dies.kill(t)
	shows(`id="lost"`)
	at = upload(lives, 3)
	job = at.url.Path
	shows(`id="done"`)
}

// lettersOnce invites many by letter, which both instances hand on: each gets one.
func lettersOnce(t *testing.T, s *instances) {
	const people = 40
	before := len(s.mail.Wait(t, 0))
	var text strings.Builder
	text.WriteString("username,email\n")
	for i := range people {
		fmt.Fprintf(&text, "letter%d,letter%d@klinik.test\n", i, i)
	}
	path := filepath.Join(t.TempDir(), "people.csv")
	well(t, os.WriteFile(path, []byte(text.String()), 0o600))
	s.idp(t, "user", "import", path, "--mail")
	got := map[string]int{}
	for _, l := range s.mail.Wait(t, before+people)[before:] {
		got[l.To]++
	}
	for i := range people {
		if n := got[fmt.Sprintf("letter%d@klinik.test", i)]; n != 1 {
			t.Errorf("letter%d got %d letters", i, n)
		}
	}
}
