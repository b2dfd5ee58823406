package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/cmd/phone/phone"
)

// springVersion is that of Spring Boot in testdata/spring/pom.xml, and which Spring Security comes
// with it: as the table in docs/relying-parties.md names them.
const springVersion = "7.0.6 (Boot 4.0.7)"

// springs is an application by Spring Security (testdata/spring), and our provider.
type springs struct {
	*served
	base string // of the application
	id   string // of its client
}

// startSpring compiles and runs the application.
func startSpring(t *testing.T) *springs {
	t.Helper()
	jars, java := javaFor(t, "SPRING_DIR", "Spring")
	classes := filepath.Join(t.TempDir(), "classes")
	all := filepath.Join(must[string](t)(filepath.Abs(jars)), "*")
	if out, err := exec.Command("javac", "-parameters", "-cp", all, "-d", classes, filepath.Join("testdata", "spring", "Application.java")).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	well(t, os.WriteFile(filepath.Join(classes, "application.properties"), must[[]byte](t)(os.ReadFile(filepath.Join("testdata", "spring", "application.properties"))), 0o600))

	s := &springs{served: newServe(t, "IDP_LOGOUT_NETWORKS=127.0.0.0/8")} // where the application is
	s.launch(t)
	port := freePort(t)
	s.base = "http://localhost:" + port
	id, secret := s.addClient(t, "Spring", "--redirect-uri", s.base+"/login/oauth2/code/hilum", "--post-logout-uri", s.base+"/",
		"--backchannel-logout-uri", s.base+"/logout/connect/back-channel/hilum")
	s.id = id
	_, archive := s.addClient(t, "Archive", "--id", "archive", "--grant", "client_credentials")

	cmd := exec.Command(java, append(trusting(t, s.ca), "-Xmx256m",
		"-cp", classes+string(os.PathListSeparator)+all, "hilum.Application", "--server.address=127.0.0.1", "--server.port="+port)...)
	cmd.Env = append(os.Environ(), "ISSUER="+s.issuer, "CLIENT_ID="+id, "CLIENT_SECRET="+secret, "ARCHIVE_SECRET="+archive)
	late := time.Now().Add(5 * time.Minute) // a machine that has much to do
	runs(t, cmd, func() error {
		for {
			res, err := http.Get(s.base + "/api/jwt")
			if err == nil {
				return res.Body.Close()
			}
			if time.Now().After(late) {
				return err
			}
			time.Sleep(200 * time.Millisecond)
		}
	})
	return s
}

// whoIs is what the application says of who is signed in.
type whoIs struct{ Sub, Name, CSRF string }

// shows returns that, of a page of the application.
func (s *springs) shows(t *testing.T, at *page) whoIs {
	t.Helper()
	var who whoIs
	if err := json.Unmarshal([]byte(at.body), &who); at.status != http.StatusOK || at.url.Host != strings.TrimPrefix(s.base, "http://") || err != nil {
		t.Fatalf("the application: %d at %s: %v %s", at.status, at.url, err, at.body)
	}
	return who
}

// byPhone gives the password on the page at hand and Login on the phone, with the number where one is shown.
func (p *person) byPhone(at *page, ph *pocket) *page {
	p.t.Helper()
	at = p.submit(at, "password-form", url.Values{"username": {p.name}, "password": {p.password}})
	ch, doc := ph.asked()
	said := phone.Decision{Approve: true}
	if doc.Match.Mode == "type" {
		said.Number = textOf(find(at.doc, byID("number")))
	}
	if state := ph.answers(ch, said); state != "approved" {
		p.t.Fatalf("the phone's answer is %s", state)
	}
	return p.submit(p.get(at.url.String()), "phone-form", nil)
}

// An application by Spring Security signs people in and out, is told when a session has ended, and
// refreshes; an API by it takes our access tokens as JWTs, and by asking about them.
func TestSpring(t *testing.T) {
	t.Parallel()
	s := startSpring(t)
	anna := s.invite(t, "anna", "--display", "Anna Bergmann")
	anna.web.CheckRedirect = nil
	asks := func(at *page) bool { return strings.HasPrefix(at.url.String(), s.issuer+"/login/") }
	asked := func() *page {
		t.Helper()
		at := anna.get(s.base + "/")
		if !asks(at) {
			t.Fatalf("Spring led to %s: %d %s", at.url, at.status, at.body)
		}
		return at
	}
	byCode := func() whoIs {
		t.Helper()
		at := anna.submit(asked(), "password-form", url.Values{"username": {anna.name}, "password": {anna.password}})
		return s.shows(t, anna.submit(at, "code-form", url.Values{"code": {anna.code()}}))
	}

	who := byCode()
	if who.Name != "Anna Bergmann" || who.Sub == "" {
		t.Errorf("signed in as %+v", who)
	}
	// With a phone, in the same browser once nobody is signed in there.
	ph := anna.pairs(s.served)
	signsOut := func() *page {
		t.Helper()
		return anna.read(anna.send(http.MethodPost, s.base+"/logout", url.Values{"_csrf": {s.shows(t, anna.get(s.base+"/")).CSRF}}))
	}
	// Sign-out at the provider (OpenID Connect RP-Initiated Logout 1.0): by its ID token, without
	// a question, and back; the page asks for a sign-in.
	if at := signsOut(); !asks(at) {
		t.Fatalf("signed out: %d at %s: %s", at.status, at.url, at.body)
	}
	if at := anna.get(s.issuer + "/account"); !asks(at) {
		t.Errorf("still signed in at the provider: %s", at.url)
	}
	if got := s.shows(t, anna.byPhone(asked(), ph)); got.Sub != who.Sub {
		t.Errorf("by phone: %+v", got)
	}

	// An access token that has a minute left is refreshed, also by eight requests at once.
	s.idp(t, "client", "edit", s.id, "--access-ttl", "1m", "--refresh-grace", "10s")
	signsOut()
	s.shows(t, anna.byPhone(asked(), ph))
	told := func() *page { return anna.get(s.base + "/userinfo") }
	if at := told(); at.status != http.StatusOK || !strings.Contains(at.body, `"name":"Anna Bergmann"`) {
		t.Fatalf("userinfo: %d %s", at.status, at.body)
	}
	before := strings.Count(s.errs.String(), `route="POST /token" status=200`)
	for range 3 {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if at, err := readPage(anna.send(http.MethodGet, s.base+"/userinfo", nil)); err != nil || at.status != http.StatusOK {
					t.Errorf("one of eight: %v %+v", err, at)
				}
			})
		}
		all.Wait()
	}
	if n := strings.Count(s.errs.String(), `route="POST /token" status=200`) - before; n < 3 {
		t.Errorf("%d tokens were given, one a round are the least", n)
	}

	// The provider is started anew: nobody is signed out, and tokens are refreshed.
	s.kill(t)
	s.launch(t)
	s.shows(t, anna.get(s.base+"/"))
	if at := told(); at.status != http.StatusOK {
		t.Errorf("after a new start of the provider: %d %s", at.status, at.body)
	}

	// gone waits until Spring asks for a sign-in, because it was told (Back-Channel Logout 1.0).
	gone := func(why string) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			at := anna.get(s.base + "/")
			if asks(at) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: Spring goes on: %d at %s: %s\n%s", why, at.status, at.url, at.body, s.idp(t, "session", "ended", "anna"))
			}
		}
	}
	s.idp(t, "session", "end", "anna", "--all")
	gone("the session was ended by an administrator")
	for end := time.Now().Add(patience); !strings.Contains(s.idp(t, "session", "ended", "anna"), s.id+" told"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the list of what ended says %s", s.idp(t, "session", "ended", "anna"))
		}
	}
	s.shows(t, anna.byPhone(asked(), ph))
	if at := anna.read(anna.send(http.MethodPost, s.issuer+"/account/signout", nil)); !strings.Contains(at.body, "You are signed out") {
		t.Errorf("signed out here: %d at %s: %s", at.status, at.url, at.body)
	}
	gone("signed out here")
	s.shows(t, anna.byPhone(asked(), ph))
	s.idp(t, "user", "disable", "anna")
	gone("the person is blocked")

	t.Run("an API", s.apiBySpring)
	s.isInTheTable(t, "Spring Security", springVersion)
}

// apiBySpring brings access tokens of a viewer to the API.
func (s *springs) apiBySpring(t *testing.T) {
	const redirect = "https://viewer.klinik.test/callback"
	ben := s.invite(t, "ben", "--display", "Ben Wolf")
	// given is what a viewer is given for ben.
	given := func(id, audience, format string) (*party, *tokens) {
		t.Helper()
		_, secret := s.addClient(t, id, "--id", id, "--redirect-uri", redirect, "--scope", "openid,profile", "--audience", audience, "--access-format", format)
		rp := &party{
			t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid profile",
			verifier: strings.Repeat("verifier-", 6), web: s.client, state: "s", nonce: "n",
		}
		at := ben.get(rp.authorize())
		if find(at.doc, byID("password-form")) != nil {
			at = ben.signIn(rp.authorize())
		}
		return rp, must[*tokens](t)(rp.exchange(rp.answer(at)))
	}
	viewer, jwt := given("viewer", "archive", "jwt")
	_, opaque := given("viewer-2", "archive", "opaque")
	_, opaqueElsewhere := given("viewer-3", "elsewhere", "opaque")
	_, another := given("viewer-4", "archive", "jwt")
	s.idp(t, "client", "edit", "viewer", "--audience", "elsewhere")
	time.Sleep(2 * time.Second) // the running provider looks twice a second
	elsewhere := must[*tokens](t)(viewer.exchange(viewer.answer(ben.get(viewer.authorize()))))
	s.idp(t, "client", "edit", "viewer", "--audience", "archive")
	time.Sleep(2 * time.Second)
	brings := func(path, token string) *page {
		t.Helper()
		r := must[*http.Request](t)(http.NewRequest(http.MethodGet, s.base+path, nil))
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return must[*page](t)(readPage(http.DefaultTransport.RoundTrip(r))) // without redirects
	}
	for _, row := range []struct {
		path, what, token string
		want              int
	}{
		// By Spring Boot's own decoder: typ at+jwt is refused, and so is everything that we give.
		{"/api/default", "an access token", jwt.Access, http.StatusUnauthorized},
		{"/api/default", "an ID token", jwt.ID, http.StatusUnauthorized},
		{"/api/jwt", "an access token", jwt.Access, http.StatusOK},
		{"/api/jwt", "an ID token", jwt.ID, http.StatusUnauthorized},
		{"/api/jwt", "an access token for another API", elsewhere.Access, http.StatusUnauthorized},
		{"/api/jwt", "an access token of another viewer", another.Access, http.StatusUnauthorized},
		{"/api/jwt", "an opaque one", opaque.Access, http.StatusUnauthorized},
		{"/api/jwt", "a cut one", jwt.Access[:len(jwt.Access)-4], http.StatusUnauthorized},
		{"/api/jwt", "nothing", "", http.StatusUnauthorized},
		{"/api/opaque", "an opaque one", opaque.Access, http.StatusOK},
		{"/api/opaque", "an access token that is a JWT", jwt.Access, http.StatusOK},
		{"/api/opaque", "an opaque one for another API", opaqueElsewhere.Access, http.StatusUnauthorized},
		{"/api/opaque", "nonsense", "nonsense", http.StatusUnauthorized},
		{"/api/opaque", "nothing", "", http.StatusUnauthorized},
	} {
		if at := brings(row.path, row.token); at.status != row.want || row.want == http.StatusOK && !strings.Contains(at.body, "SCOPE_profile") {
			t.Errorf("%s by %s: %d %s %s", row.path, row.what, at.status, at.head.Get("WWW-Authenticate"), at.body)
		}
	}

	// While the provider is away a JWT is good, and who has to ask lets nobody in.
	s.kill(t)
	if at := brings("/api/jwt", jwt.Access); at.status != http.StatusOK {
		t.Errorf("a JWT, while the provider is away: %d %s", at.status, at.body)
	}
	if at := brings("/api/opaque", opaque.Access); at.status == http.StatusOK {
		t.Errorf("by question, while the provider is away: %d %s", at.status, at.body)
	}
	s.launch(t)
	if at := brings("/api/opaque", opaque.Access); at.status != http.StatusOK {
		t.Errorf("after a new start: %d %s", at.status, at.body)
	}

	// The session is ended: who asks is told at once, a JWT is good until it runs out.
	s.idp(t, "session", "end", "ben", "--all")
	if at := brings("/api/opaque", opaque.Access); at.status != http.StatusUnauthorized {
		t.Errorf("by question, after the session was ended: %d %s", at.status, at.body)
	}
	if at := brings("/api/jwt", jwt.Access); at.status != http.StatusOK {
		t.Errorf("a JWT, after the session was ended: %d %s", at.status, at.body)
	}
}
