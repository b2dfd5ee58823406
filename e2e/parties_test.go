package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// go-oidc, which shares no code with the provider's library, is told nothing
// but the issuer and verifies what came.
func TestGoOIDCVerifiesFromDiscoveryAlone(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	redirect := "https://viewer.klinik.test/callback"
	for _, alg := range []string{"RS256", "ES256"} {
		id, secret := s.addClient(t, "Viewer "+alg, "--redirect-uri", redirect, "--alg", alg)
		anna := s.invite(t, "anna-"+strings.ToLower(alg), "--display", "Anna Bergmann", "--email", "anna@klinik.test")
		rp := &party{
			t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid profile email",
			verifier: strings.Repeat("verifier-", 6), web: s.client, state: "s", nonce: "n-0S6",
		}
		tk := must[*tokens](t)(rp.exchange(rp.answer(anna.signIn(rp.authorize()))))
		ctx := oidc.ClientContext(context.Background(), s.client)
		p, err := oidc.NewProvider(ctx, s.issuer)
		if err != nil {
			t.Fatal(err)
		}
		token, err := p.Verifier(&oidc.Config{ClientID: id, SupportedSigningAlgs: []string{alg}}).Verify(ctx, tk.ID)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if token.Nonce != "n-0S6" || token.Issuer != s.issuer || token.Subject == "" {
			t.Errorf("%s: %+v", alg, token)
		}
		if err := token.VerifyAccessToken(tk.Access); err != nil {
			t.Errorf("%s: at_hash: %v", alg, err)
		}
		if _, err := p.Verifier(&oidc.Config{ClientID: "somebody-else"}).Verify(ctx, tk.ID); err == nil {
			t.Errorf("%s: the ID token is good for another client too", alg)
		}
	}
}

// Debian's mod_auth_openidc protects a page of Apache with nothing but the
// discovery document, over TLS that it verifies.
func TestApacheModAuthOpenIDC(t *testing.T) {
	t.Parallel()
	const apache, modules = "/usr/sbin/apache2", "/usr/lib/apache2/modules"
	if _, err := os.Stat(modules + "/mod_auth_openidc.so"); err != nil {
		t.Fatal("this test needs apt-get install apache2 libapache2-mod-auth-openidc")
	}
	s := newServe(t, "IDP_LOGOUT_NETWORKS=127.0.0.0/8") // where Apache is
	s.launch(t)
	port := freePort(t)
	site := "http://localhost:" + port
	id, secret := s.addClient(t, "Reports", "--redirect-uri", site+"/reports/redirect_uri",
		"--backchannel-logout-uri", site+"/reports/redirect_uri?logout=backchannel", "--backchannel-logout-session-required")
	anna := s.invite(t, "anna", "--display", "Anna Bergmann", "--email", "anna@klinik.test")

	dir := t.TempDir()
	// Apache, started as root, serves as nobody, who has to reach its files.
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"htdocs/reports/index.html": "the protected report", "ca.pem": string(must[[]byte](t)(os.ReadFile(s.ca)))} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "User nobody\nGroup nogroup"
	}
	conf := filepath.Join(dir, "apache.conf")
	if err := os.WriteFile(conf, []byte(fmt.Sprintf(`
ServerRoot %[1]s
ServerName localhost
Listen 127.0.0.1:%[2]s
PidFile %[1]s/pid
DefaultRuntimeDir %[1]s
Mutex pthread
ErrorLog %[1]s/error.log
%[3]s
LoadModule mpm_event_module %[4]s/mod_mpm_event.so
LoadModule authz_core_module %[4]s/mod_authz_core.so
LoadModule authn_core_module %[4]s/mod_authn_core.so
LoadModule authz_user_module %[4]s/mod_authz_user.so
LoadModule dir_module %[4]s/mod_dir.so
LoadModule auth_openidc_module %[4]s/mod_auth_openidc.so
DocumentRoot %[1]s/htdocs
DirectoryIndex index.html
OIDCProviderMetadataURL %[5]s/.well-known/openid-configuration
OIDCSSLValidateServer On
OIDCCABundlePath %[1]s/ca.pem
OIDCClientID %[6]s
OIDCClientSecret %[7]s
OIDCRedirectURI %[8]s/reports/redirect_uri
OIDCCryptoPassphrase a-passphrase-for-this-test-only
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCRemoteUserClaim preferred_username
OIDCCookieSameSite On
<Location /reports>
AuthType openid-connect
Require claim preferred_username:anna
</Location>
# Whoever tells of the end of a session has no claims.
<Location /reports/redirect_uri>
AuthType openid-connect
Require valid-user
</Location>
`, dir, port, user, modules, s.issuer, id, secret, site)), 0o644); err != nil {
		t.Fatal(err)
	}
	out := runs(t, exec.Command(apache, "-f", conf, "-DFOREGROUND"), func() error {
		res, err := http.Get(site + "/")
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
	said := func() string {
		b, _ := os.ReadFile(filepath.Join(dir, "error.log")) // for messages only
		return out.String() + string(b)
	}

	anna.web.CheckRedirect = nil // all the way
	at := anna.get(site + "/reports/")
	if !strings.HasPrefix(at.url.String(), s.issuer+"/login/") {
		t.Fatalf("apache led to %s: %s\n%s", at.url, at.body, said())
	}
	at = anna.submit(at, "password-form", url.Values{"username": {"anna"}, "password": {anna.password}})
	at = anna.submit(at, "code-form", url.Values{"code": {anna.code()}})
	if at.status != http.StatusOK || at.body != "the protected report" || at.url.String() != site+"/reports/" {
		t.Fatalf("after signing in: status %d at %s: %s\n%s", at.status, at.url, at.body, said())
	}

	// The session is ended elsewhere, by an administrator and by the person: the
	// cookie of the application is still there, and the page asks for a sign-in.
	asked := func(p *person, at string) *page {
		t.Helper()
		before := len(p.web.Jar.Cookies(must[*url.URL](t)(url.Parse(site))))
		if before == 0 {
			t.Fatal("the application has no cookie")
		}
		for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			got := p.get(at)
			if got.status != http.StatusOK || got.body != "the protected report" {
				return got
			}
			if time.Now().After(end) {
				t.Fatalf("Apache was not told\n%s\n%s", s.errs, said())
			}
		}
	}
	again := func() {
		t.Helper()
		at := anna.submit(anna.get(site+"/reports/"), "password-form", url.Values{"username": {"anna"}, "password": {anna.password}})
		at = anna.submit(at, "code-form", url.Values{"code": {anna.code()}})
		if at.body != "the protected report" {
			t.Fatalf("anna is not let in again: %d at %s: %s", at.status, at.url, at.body)
		}
	}
	if out := s.idp(t, "session", "end", "anna", "--all", "--reason", "left the ward"); !strings.Contains(out, "told by the running provider: Reports") {
		t.Errorf("ending it says %s", out)
	}
	if at := asked(anna, site+"/reports/"); !strings.HasPrefix(at.url.String(), s.issuer+"/login/") {
		t.Fatalf("ended by an administrator: %d at %s: %s", at.status, at.url, at.body)
	}
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if out := s.idp(t, "session", "ended", "anna"); strings.Contains(out, id+" told") {
			break
		} else if time.Now().After(end) {
			t.Fatalf("the list of what ended says %s", out)
		}
	}
	if out := s.idp(t, "audit", "list"); !strings.Contains(out, "logout.told") {
		t.Errorf("the log does not say that Apache was told:\n%s", out)
	}
	again()
	ended := anna.read(anna.send(http.MethodPost, s.issuer+"/account/signout", nil))
	if !strings.Contains(ended.body, "You are signed out") || !strings.Contains(ended.body, "<li>Reports</li>") {
		t.Errorf("signed out: %d at %s: %s", ended.status, ended.url, ended.body)
	}
	if at := asked(anna, site+"/reports/"); !strings.HasPrefix(at.url.String(), s.issuer+"/login/") {
		t.Fatalf("ended by the person: %d at %s: %s", at.status, at.url, at.body)
	}

	// Somebody else signs in as well and is not let in: Apache knows who it is.
	ben := s.invite(t, "ben", "--display", "Ben Wolf")
	ben.web.CheckRedirect = nil
	at = ben.submit(ben.get(site+"/reports/"), "password-form", url.Values{"username": {"ben"}, "password": {ben.password}})
	at = ben.submit(at, "code-form", url.Values{"code": {ben.code()}})
	if at.status != http.StatusUnauthorized || !strings.HasPrefix(at.url.String(), site) {
		t.Fatalf("ben at anna's page: status %d at %s", at.status, at.url)
	}
}

// The sample viewer is told when the session has ended elsewhere: its page is
// signed out although its cookie is there.
func TestViewerIsToldThatASessionEnded(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	anna.web.CheckRedirect = nil
	at := anna.submit(anna.get(d.Viewer+"/login"), "password-form", url.Values{"username": {anna.name}, "password": {anna.password}})
	at = anna.submit(at, "code-form", url.Values{"code": {anna.code()}})
	if !strings.Contains(at.body, "Anna Bergmann") || !strings.HasPrefix(at.url.String(), d.Viewer) {
		t.Fatalf("not signed in to the viewer: %d at %s: %s", at.status, at.url, at.body)
	}
	if out := d.idp(t, "session", "end", d.Username, "--all"); !strings.Contains(out, "told by the running provider: Sample viewer") {
		t.Errorf("ending it says %s", out)
	}
	for end := time.Now().Add(patience); !strings.Contains(anna.get(d.Viewer+"/").body, "Nobody is signed in."); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the viewer was not told: %s", d.idp(t, "session", "ended", d.Username))
		}
	}
}
