package e2e

import (
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

// oauth2-proxy lets people to Orthanc by what docs/recipes/oauth2-proxy.md and the preset
// print. Only how often it asks is shortened.
func TestOAuth2Proxy(t *testing.T) {
	t.Parallel()
	program := os.Getenv("OAUTH2_PROXY")
	if program == "" {
		t.Fatal("this test needs oauth2-proxy: make test builds it and sets OAUTH2_PROXY")
	}
	const refresh = 3 * time.Second
	r := &reading{served: newServe(t)}
	r.launch(t)
	port := freePort(t)
	r.base = "https://localhost:" + port
	printed := r.idp(t, "client", "preset", "orthanc", "--set", "base="+r.base, "--id", "orthanc")
	_, printed, _ = strings.Cut(printed, "# oauth2-proxy.cfg in front of Orthanc\n")
	config, rest, _ := strings.Cut(printed, "\n#")
	_, signOut, _ := strings.Cut(rest, "# Link to sign out\n")
	secrets := regexp.MustCompile(`_secret = "([\w-]+)"`).FindAllStringSubmatch(config, -1)
	if len(secrets) != 2 {
		t.Fatalf("the preset prints\n%s", printed)
	}
	certs := filepath.Dir(r.ca)
	whole := exchanged(t, blockOf(t, "recipes/oauth2-proxy.md", "toml"),
		"https://login.your-hospital.org", r.issuer, "login.your-hospital.org", strings.TrimPrefix(r.issuer, "https://"), "https://archive.your-hospital.org", r.base,
		`"…"`, `"`+secrets[0][1]+`"`, `"……"`, `"`+secrets[1][1]+`"`, ":443", "127.0.0.1:"+port,
		"/etc/ssl/archive/chain.pem", filepath.Join(certs, "cert.pem"), "/etc/ssl/archive/key.pem", filepath.Join(certs, "key.pem"))
	if !strings.HasPrefix(whole, config) {
		t.Errorf("the page has not what the preset prints:\n%s\nbut:\n%s", config, whole)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "oauth2-proxy.cfg")
	well(t, os.WriteFile(file, []byte(exchanged(t, whole, `"1m"`, `"`+refresh.String()+`"`, "http://127.0.0.1:8042", r.archive(t, dir))), 0o600))
	cmd := exec.Command(program, "--config", file)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+r.ca)
	runs(t, cmd, func() error {
		res, err := r.client.Get(r.base + "/ping")
		if err != nil {
			return err
		}
		return res.Body.Close()
	})

	anna := r.invite(t, "anna", "--display", "Anna Bergmann", "--email", "anna@klinik.test")
	anna.web.CheckRedirect = nil
	asks := func(at *page) bool { return strings.HasPrefix(at.url.String(), r.issuer+"/login/") }
	signsIn := func() {
		t.Helper()
		at := anna.get(r.base + "/app/explorer.html")
		if !asks(at) {
			t.Fatalf("oauth2-proxy led to %s: %d %s", at.url, at.status, at.body)
		}
		at = anna.submit(at, "password-form", url.Values{"username": {anna.name}, "password": {anna.password}})
		at = anna.submit(at, "code-form", url.Values{"code": {anna.code()}})
		if at.status != http.StatusOK || at.url.String() != r.base+"/app/explorer.html" || !strings.Contains(at.body, "Orthanc Explorer") {
			t.Fatalf("signed in: %d at %s: %s", at.status, at.url, at.body)
		}
	}
	signsIn()
	if pages := r.of("/app/explorer.html"); len(pages) != 1 || pages[0].user != "anna" {
		t.Errorf("Orthanc was asked for its page %+v", pages)
	}

	// Without a mail address nobody is let in.
	ben := r.invite(t, "ben")
	ben.web.CheckRedirect = nil
	at := ben.submit(ben.get(r.base+"/system"), "password-form", url.Values{"username": {ben.name}, "password": {ben.password}})
	at = ben.submit(at, "code-form", url.Values{"code": {ben.code()}})
	if !strings.HasPrefix(at.url.String(), r.base+"/oauth2/callback?") || at.status/100 == 2 || len(r.of("/system")) != 0 {
		t.Errorf("without a mail address: %d at %s: %s", at.status, at.url, at.body)
	}

	// All requests of a page come at once, also when the time to refresh has come.
	for range 3 {
		time.Sleep(refresh + time.Second)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if at, err := readPage(anna.send(http.MethodGet, r.base+"/system", nil)); err != nil || at.status != http.StatusOK || !strings.Contains(at.body, `"Version"`) {
					t.Errorf("one of eight: %v %+v", err, at)
				}
			})
		}
		all.Wait()
	}
	if n := strings.Count(r.errs.String(), `route="POST /token" status=200`); n < 4 {
		t.Errorf("%d tokens were given, one at the sign-in and one a round are the least", n)
	}

	// A new start of the provider is not noticed.
	r.kill(t)
	r.launch(t)
	time.Sleep(refresh + time.Second)
	if at := anna.get(r.base + "/system"); asks(at) || at.status != http.StatusOK {
		t.Errorf("after a new start: %d at %s", at.status, at.url)
	}

	gone := func(after string) {
		t.Helper()
		for end := time.Now().Add(patience); !asks(anna.get(r.base + "/system")); time.Sleep(time.Second) {
			if time.Now().After(end) {
				t.Fatalf("oauth2-proxy goes on after %s", after)
			}
		}
	}
	r.idp(t, "session", "end", "anna", "--all")
	gone("the end of the session")

	// The link ends both.
	signsIn()
	at = anna.get(strings.TrimSpace(signOut))
	if at.url.Path != "/end_session" {
		t.Fatalf("%s led to %s: %d %s", signOut, at.url, at.status, at.body)
	}
	if at = anna.submit(at, "signout", nil); !asks(at) {
		t.Fatalf("after the yes: %d at %s", at.status, at.url)
	}
	for _, page := range []string{r.issuer + "/account", r.base + "/system"} {
		if at := anna.get(page); !asks(at) {
			t.Errorf("still signed in at %s: %d %s", page, at.status, at.body)
		}
	}

	signsIn()
	r.idp(t, "user", "disable", "anna")
	gone("the person is blocked")
}
