package e2e

import (
	"archive/zip"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// archived is a WildFly with two applications at the paths of dcm4chee-arc, and our provider.
type archived struct {
	*served
	base   string // of WildFly
	secret string // of its client
}

// at is an address of the first application, to which people sign in.
func (a *archived) at(path string) string { return a.base + "/dcm4chee-arc/ui2" + path }

// startWildFly runs docs/recipes/dcm4chee.md by its block.
func startWildFly(t *testing.T) *archived {
	t.Helper()
	home, java := javaFor(t, "WILDFLY_HOME", "WildFly")
	a := &archived{served: newServe(t)}
	a.launch(t)
	port, manage := freePort(t), freePort(t)
	a.base = "http://localhost:" + port
	printed := a.idp(t, "client", "preset", "dcm4chee", "--set", "base="+a.base, "--id", "dcm4chee")
	_, printed, _ = strings.Cut(printed, "# standalone.xml, in place of its subsystem elytron-oidc-client\n")
	subsystem, _, _ := strings.Cut(printed, "\n#")
	_, rest, _ := strings.Cut(subsystem, `secret="`)
	a.secret, _, _ = strings.Cut(rest, `"`)
	whole := exchanged(t, blockOf(t, "recipes/dcm4chee.md", "xml"), "https://login.your-hospital.org", a.issuer, `secret="…"`, `secret="`+a.secret+`"`)
	if whole != subsystem || a.secret == "" {
		t.Fatalf("the page has not what the preset prints:\n%s\nbut:\n%s", subsystem, whole)
	}

	dir := t.TempDir()
	base := filepath.Join(dir, "standalone")
	well(t, os.CopyFS(filepath.Join(base, "configuration"), os.DirFS(filepath.Join(home, "standalone", "configuration"))))
	file := filepath.Join(base, "configuration", "standalone.xml")
	well(t, os.WriteFile(file, []byte(exchanged(t, string(must[[]byte](t)(os.ReadFile(file))), `<subsystem xmlns="urn:wildfly:elytron-oidc-client:2.0"/>`, whole)), 0o600))
	well(t, os.Mkdir(filepath.Join(base, "deployments"), 0o700))
	for name, root := range map[string]string{"dcm4chee-arc-ui2.war": "/dcm4chee-arc/ui2", "dcm4chee-arc.war": "/dcm4chee-arc"} {
		writeWAR(t, filepath.Join(base, "deployments", name), root, "")
	}
	// An application of one's own configures itself, and has PKCE demanded of it.
	_, own := a.addClient(t, "Own", "--id", "own", "--redirect-uri", a.base+"/own/", "--scope", "openid,profile,roles", "--default-scope", "openid,profile,roles",
		"--access-format", "jwt", "--claims-in-access-token", "--claims-in-id-token")
	writeWAR(t, filepath.Join(base, "deployments", "own.war"), "/own",
		exchanged(t, blockOf(t, "recipes/dcm4chee.md", "json"), "https://login.your-hospital.org", a.issuer, `"…"`, `"`+own+`"`))
	cmd := exec.Command(java, append(trusting(t, a.ca), "-Xmx512m", "-Djava.net.preferIPv4Stack=true", "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
		"--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.security=ALL-UNNAMED",
		"-jar", filepath.Join(home, "jboss-modules.jar"), "-mp", filepath.Join(home, "modules"), "org.jboss.as.standalone",
		"-Djboss.home.dir="+home, "-Djboss.server.base.dir="+base, "-b", "127.0.0.1", "-bmanagement", "127.0.0.1",
		"-Djboss.http.port="+port, "-Djboss.https.port="+freePort(t), "-Djboss.management.http.port="+manage)...)
	cmd.Env = append(os.Environ(), "JBOSS_HOME="+home)
	late := time.Now().Add(3 * time.Minute) // it is large
	runs(t, cmd, func() error {
		for {
			done := 0
			for _, name := range []string{"dcm4chee-arc-ui2.war", "dcm4chee-arc.war", "own.war"} {
				if _, err := os.Stat(filepath.Join(base, "deployments", name+".deployed")); err == nil {
					done++
				}
			}
			if done == 3 {
				return nil
			}
			if failed, _ := filepath.Glob(filepath.Join(base, "deployments", "*.failed")); len(failed) > 0 || time.Now().After(late) {
				return fmt.Errorf("not deployed: %v", failed)
			}
			time.Sleep(200 * time.Millisecond)
		}
	})
	return a
}

// writeWAR writes the application of testdata for one path, with an oidc.json of its own
// unless that is empty.
func writeWAR(t *testing.T, file, root, config string) {
	t.Helper()
	f := must[*os.File](t)(os.Create(file))
	w := zip.NewWriter(f)
	add := func(name string, text []byte) {
		_ = must[int](t)(must[interface{ Write([]byte) (int, error) }](t)(w.Create(name)).Write(text))
	}
	for _, name := range []string{"web.xml", "page.jsp"} {
		add("WEB-INF/"+name, must[[]byte](t)(os.ReadFile(filepath.Join("testdata", "wildfly", name))))
	}
	add("WEB-INF/jboss-web.xml", []byte("<jboss-web><context-root>"+root+"</context-root></jboss-web>"))
	if config != "" {
		add("WEB-INF/oidc.json", []byte(config))
	}
	well(t, w.Close())
	well(t, f.Close())
}

// WildFly's own OpenID Connect client lets people in by what docs/recipes/dcm4chee.md and the
// preset print. Only how long an access token lives is shortened.
func TestWildFly(t *testing.T) {
	t.Parallel()
	a := startWildFly(t)
	const life = 4 * time.Second
	a.idp(t, "client", "edit", "dcm4chee", "--access-ttl", life.String())

	anna := a.invite(t, "anna", "--display", "Anna Bergmann", "--role", "user,admin")
	anna.web.CheckRedirect = nil
	asks := func(at *page) bool { return strings.HasPrefix(at.url.String(), a.issuer+"/login/") }
	signsIn := func(p *person, at *page) *page {
		t.Helper()
		if !asks(at) {
			t.Fatalf("WildFly led to %s: %d %s", at.url, at.status, at.body)
		}
		at = p.submit(at, "password-form", url.Values{"username": {p.name}, "password": {p.password}})
		return p.submit(at, "code-form", url.Values{"code": {p.code()}})
	}
	const whoAnna = "user=anna user=true admin=true auditor=false"
	in := func(at *page) bool { return at.status == http.StatusOK && strings.HasPrefix(at.body, whoAnna) }
	// A deep link asks for the sign-in, which ends at the one address that is registered;
	// opened again, it is there.
	at := signsIn(anna, anna.get(a.at("/en/study?StudyInstanceUID=1.2.3")))
	if !in(at) || at.url.String() != a.at("/") {
		t.Fatalf("signed in: %d at %s: %s", at.status, at.url, at.body)
	}
	if at = anna.get(a.at("/en/study?StudyInstanceUID=1.2.3")); !in(at) || !strings.HasSuffix(strings.TrimSpace(at.body), "at=/dcm4chee-arc/ui2/en/study query=StudyInstanceUID=1.2.3") {
		t.Errorf("a page inside: %d at %s: %s", at.status, at.url, at.body)
	}

	if at = anna.get(a.base + "/own/"); !in(at) {
		t.Errorf("an application of one's own, with PKCE: %d at %s: %s", at.status, at.url, at.body)
	}

	// All requests of a page come at once, also when the access token has run out.
	for range 3 {
		time.Sleep(life + time.Second)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if at, err := readPage(anna.send(http.MethodGet, a.at("/"), nil)); err != nil || !in(at) || at.url.String() != a.at("/") {
					t.Errorf("one of eight: %v %+v", err, at)
				}
			})
		}
		all.Wait()
	}
	if n := strings.Count(a.errs.String(), `route="POST /token" status=200`); n < 4 {
		t.Errorf("%d tokens were given, one at the sign-in and one a round are the least", n)
	}

	// Who has not the role signs in, and is not let in.
	ben := a.invite(t, "ben", "--role", "auditor")
	ben.web.CheckRedirect = nil
	if at := signsIn(ben, ben.get(a.at("/"))); at.status != http.StatusForbidden || !strings.HasPrefix(at.url.String(), a.base) {
		t.Errorf("without the role: %d at %s", at.status, at.url)
	}

	// The services take the access token of a viewer that is meant for them, and no other JWT.
	viewer, secret := a.addClient(t, "Viewer", "--id", "viewer", "--redirect-uri", "https://viewer.klinik.test/callback", "--scope", "openid,profile,roles",
		"--audience", "dcm4chee", "--access-format", "jwt", "--claims-in-access-token")
	carl := a.invite(t, "carl", "--role", "user")
	rp := &party{
		t: t, issuer: a.issuer, id: viewer, secret: secret, redirect: "https://viewer.klinik.test/callback", scope: "openid profile roles",
		verifier: strings.Repeat("verifier-", 6), web: a.client, state: "s", nonce: "n",
	}
	given := must[*tokens](t)(rp.exchange(rp.answer(carl.signIn(rp.authorize()))))
	a.idp(t, "client", "edit", "viewer", "--audience", "elsewhere")
	a.idp(t, "client", "edit", "viewer", "--claim", "typ='Bearer'")
	elsewhere := must[*tokens](t)(rp.exchange(rp.answer(carl.get(rp.authorize()))))
	for what, row := range map[string]struct {
		token string
		good  bool
	}{
		"its access token":                    {given.Access, true},
		"its ID token":                        {given.ID, false},
		"an access token for another archive": {elsewhere.Access, false},
		"an ID token beside a claim typ":      {elsewhere.ID, false},
		"nothing":                             {"", false},
		"nonsense":                            {"nonsense", false},
	} {
		r := must[*http.Request](t)(http.NewRequest(http.MethodGet, a.base+"/dcm4chee-arc/aets", nil))
		if row.token != "" {
			r.Header.Set("Authorization", "Bearer "+row.token)
		}
		at := must[*page](t)(readPage(a.client.Do(r)))
		if row.good && (at.status != http.StatusOK || !strings.HasPrefix(at.body, "user=carl user=true admin=false")) || !row.good && at.status != http.StatusUnauthorized {
			t.Errorf("the services, by %s: %d %s", what, at.status, at.body)
		}
	}

	// gone waits until WildFly asks for a sign-in, which it does when its access token has run
	// out, and with some patience for a machine that has much to do.
	gone := func(p *person, why string) {
		t.Helper()
		for end := time.Now().Add(life + patience); ; time.Sleep(time.Second) {
			at := p.get(a.at("/"))
			if asks(at) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: WildFly goes on: %d at %s: %s", why, at.status, at.url, at.body)
			}
		}
	}
	a.idp(t, "session", "end", "anna", "--all")
	gone(anna, "the session was ended by an administrator")
	if at := signsIn(anna, anna.get(a.at("/"))); !in(at) {
		t.Fatalf("signed in again: %d at %s: %s", at.status, at.url, at.body)
	}

	// The provider is started anew: nobody is signed out.
	a.kill(t)
	a.launch(t)
	time.Sleep(life + time.Second)
	if at := anna.get(a.at("/")); !in(at) {
		t.Errorf("after a new start of the provider: %d at %s: %s", at.status, at.url, at.body)
	}

	// Signed out at WildFly alone, the next request signs in again, without a page, by the
	// session here; the link ends that, and WildFly notices.
	anna.get(a.at("/?go=away"))
	if at := anna.get(a.at("/")); !in(at) {
		t.Errorf("signed out at WildFly alone: %d at %s: %s", at.status, at.url, at.body)
	}
	at = anna.get(a.issuer + "/end_session?client_id=dcm4chee&post_logout_redirect_uri=" + url.QueryEscape(a.at("/")))
	if at.url.Path != "/end_session" {
		t.Fatalf("the link led to %s: %d %s", at.url, at.status, at.body)
	}
	anna.submit(at, "signout", nil)
	gone(anna, "signed out here")

	if at := signsIn(anna, anna.get(a.at("/"))); !in(at) {
		t.Fatalf("signed in again: %d at %s: %s", at.status, at.url, at.body)
	}
	a.idp(t, "user", "disable", "anna")
	gone(anna, "the person is blocked")
}
