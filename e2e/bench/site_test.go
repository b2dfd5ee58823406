package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hilum/e2e/crowd"
	"hilum/idp/store/pgtest"
	"hilum/idp/totp"
)

// site is a provider with an application for each algorithm.
type site struct {
	host    string
	pid     int
	data    string
	people  []crowd.Person
	clients map[string]client // by algorithm, and those with tokens of another kind
	byKey   *bound
	gateway client // that exchanges tokens
	machine client // with credentials of its own

	prepared, signIns int // how many codes and people a run may use up

	program  string // the provider
	log      string // what it says
	cmd      *exec.Cmd
	env      []string
	turn     int         // who is next to sign in
	last     []time.Time // when each was so
	database string      // its URL; empty: a file

	unused map[string]*supply // tokens of grants that the provider has not seen, by application and kind

	server *pgtest.Server // of PostgreSQL; nil: the database is a file
}

// signsInAgain is how long somebody who was next is not so again: until the codes of then have
// passed.
const signsInAgain = 50 * time.Second

// next is who has not signed in for the longest. It waits where that is too short a while ago.
func (s *site) next(t testing.TB) crowd.Person {
	t.Helper()
	return s.people[s.nextOf(t)]
}

// nextOf is next by their place among all. Who signs in later than now says so in s.last.
func (s *site) nextOf(t testing.TB) int {
	t.Helper()
	if s.last == nil {
		s.last = make([]time.Time, len(s.people))
	}
	i := s.turn % len(s.people)
	s.turn++
	time.Sleep(time.Until(s.last[i].Add(signsInAgain)))
	s.last[i] = time.Now()
	return i
}

func (s *site) dial(t testing.TB) *conn {
	t.Helper()
	c, err := dial(s.host)
	check(t, err)
	t.Cleanup(func() { _ = c.c.Close() })
	return c
}

type client struct {
	id, secret string
	basic      string // the header line
}

const (
	callback = "https://viewer.example/callback"
	verifier = "verifier-verifier-verifier-verifier-verifier-verifier"
)

// Engines that a site may have, by BENCH_ENGINE. Both are measured beside one another by
// TestBenchEngines.
const (
	onSQLite   = "sqlite"
	onPostgres = "postgres"
	onBoth     = "both"
)

// newSite is newSiteOn for the engine that BENCH_ENGINE names.
func newSite(t testing.TB, people int, cost crowd.Cost) *site {
	t.Helper()
	engine := os.Getenv("BENCH_ENGINE")
	if engine == "" {
		engine = onSQLite
	}
	return newSiteOn(t, engine, people, cost)
}

// newSiteOn makes a data folder with so many people, and a provider that hashes
// at a cost. It is not started yet.
func newSiteOn(t testing.TB, engine string, people int, cost crowd.Cost) *site {
	t.Helper()
	s := newSiteOf(t, idpBinary, engine, cost)
	var err error
	s.people, err = crowd.Fill(context.Background(), crowd.Home{Folder: s.data, URL: s.database}, "p", people, cost)
	check(t, err)
	s.registerAll(t)
	return s
}

// newSiteOf makes a data folder and its database for a provider, with nobody in it.
func newSiteOf(t testing.TB, program, engine string, cost crowd.Cost) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{program: program, data: filepath.Join(dir, "data"), log: filepath.Join(dir, "log"), unused: map[string]*supply{}}
	switch engine {
	case onSQLite:
	case onPostgres:
		s.server = pgtest.Own(t) // one that waits for the disk
		s.database = s.server.Fresh(t)
	default:
		t.Fatalf("BENCH_ENGINE=%q: sqlite, postgres or both", engine)
	}
	check(t, os.MkdirAll(s.data, 0o700))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s.host = l.Addr().String()
	check(t, l.Close())
	s.env = append(os.Environ(),
		"IDP_ISSUER=http://"+s.host, "IDP_LISTEN="+s.host, "IDP_DATA_DIR="+s.data,
		"IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0",
		fmt.Sprintf("IDP_PASSWORD_MEMORY_KIB=%d", cost.MemoryKiB), fmt.Sprintf("IDP_PASSWORD_TIME=%d", cost.Time),
		"GOMAXPROCS=2") // with one, whoever commits would starve whoever does not
	if s.database != "" {
		file := filepath.Join(s.data, "url")
		check(t, os.WriteFile(file, []byte(s.database), 0o600))
		s.env = append(s.env, "IDP_DATABASE_URL_FILE="+file)
	}
	return s
}

// registerAll registers the applications.
func (s *site) registerAll(t testing.TB) {
	t.Helper()
	s.registerTwo(t)
	s.clients[withJWT] = s.register(t, "Viewer with JWTs", "--alg", "ES256", "--redirect-uri", callback, "--refresh-always", "--access-format", "jwt")
	s.clients[forGateway] = s.register(t, "Viewer before the gateway", "--alg", "ES256", "--redirect-uri", callback, "--refresh-always", "--audience", "gateway")
	s.gateway = s.register(t, "Gateway", "--id", "gateway", "--alg", "ES256", "--access-format", "jwt", "--scope", "openid,profile,email",
		"--grant", "urn:ietf:params:oauth:grant-type:token-exchange", "--exchange-target", "archive")
	s.byKey = newBound(t, s)
}

// registerTwo registers what every row can be measured with: an application for each algorithm,
// and a machine.
func (s *site) registerTwo(t testing.TB) {
	t.Helper()
	s.clients = map[string]client{}
	for _, alg := range []string{"RS256", "ES256"} {
		s.clients[alg] = s.register(t, "Viewer "+alg, "--alg", alg, "--redirect-uri", callback, "--refresh-always")
	}
	s.machine = s.register(t, "Machine", "--grant", "client_credentials", "--scope", "archive")
}

// Names of applications with tokens of another kind: access tokens that are JWTs, and such as
// a gateway may exchange.
const (
	withJWT    = "at+jwt"
	forGateway = "for a gateway"
)

// register adds an application by the command.
func (s *site) register(t testing.TB, name string, flags ...string) client {
	t.Helper()
	cmd := exec.Command(s.program, append([]string{"client", "add", name, "--json"}, flags...)...)
	cmd.Env = s.env
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		t.Fatalf("%s: %v: %s", name, err, failed.Stderr)
	}
	check(t, err)
	var c struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	check(t, json.Unmarshal(out, &c))
	pair := url.QueryEscape(c.ID) + ":" + url.QueryEscape(c.Secret)
	return client{c.ID, c.Secret, "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) + "\r\n"}
}

// start runs the provider on its core, with a log as it is shipped, in a file, and returns how long it took until it
// was ready.
func (s *site) start(t testing.TB) time.Duration {
	t.Helper()
	s.cmd = exec.Command(s.program, "serve")
	s.cmd.Env = s.env
	said, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	check(t, err)
	defer said.Close() // the provider has its own
	s.cmd.Stdout, s.cmd.Stderr = said, said
	begin := time.Now()
	check(t, startPinned(s.cmd))
	s.pid = s.cmd.Process.Pid
	cmd := s.cmd
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // of no effect after stop
	for {
		res, err := http.Get("http://" + s.host + "/readyz")
		if err == nil {
			_ = res.Body.Close() // nothing of it is read
			if res.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Since(begin) > 30*time.Second {
			text, _ := os.ReadFile(s.log)
			t.Fatalf("the provider is not ready: %v\n%.4000s", err, text)
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(begin)
	http.DefaultClient.CloseIdleConnections()
	return took
}

func (s *site) stop(t testing.TB) {
	t.Helper()
	check(t, s.cmd.Process.Signal(syscall.SIGTERM))
	check(t, s.cmd.Wait())
}

// authorize is the path of an authorization request.
func authorize(c client) string {
	sum := sha256.Sum256([]byte(verifier))
	return "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {callback}, "scope": {"openid profile email"},
		"state": {"a state of some length"}, "nonce": {"a nonce of some length"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

// browser is somebody's, as far as it matters: cookies.
type browser map[string]string

func (b browser) header() string {
	if len(b) == 0 {
		return ""
	}
	all := make([]string, 0, len(b))
	for name, value := range b {
		all = append(all, name+"="+value)
	}
	return "Cookie: " + strings.Join(all, "; ") + "\r\n"
}

func (b browser) ask(c *conn, method, path, form string, want int) (*reply, error) {
	a, err := c.ask(method, path, b.header(), form)
	if err != nil {
		return nil, err
	}
	for _, cookie := range a.cookies {
		name, value, _ := strings.Cut(cookie, "=")
		b[name] = value
	}
	if a.status != want {
		return nil, fmt.Errorf("%s %s: status %d: %.2000s", method, path, a.status, a.body)
	}
	return a, nil
}

// codeOf takes the authorization code out of a redirect to the application.
func codeOf(a *reply) (string, error) {
	u, err := url.Parse(a.location)
	if err != nil {
		return "", err
	}
	code := u.Query().Get("code")
	if code == "" || !strings.HasPrefix(a.location, callback+"?") {
		return "", fmt.Errorf("no code in %q", a.location)
	}
	return code, nil
}

// signIn goes through all pages, as a browser without script does, and returns
// the authorization code. The TOTP code is of so many steps ago, 0 or 1.
func (b browser) signIn(c *conn, to client, p crowd.Person, ago int) (string, error) {
	a, err := b.ask(c, "GET", authorize(to), "", 303)
	if err != nil {
		return "", err
	}
	page := a.location
	if a, err = b.ask(c, "GET", page, "", 200); err != nil {
		return "", err
	}
	if !bytes.Contains(a.body, []byte(`action="`+page+`/password"`)) {
		return "", fmt.Errorf("no password page: %.2000s", a.body)
	}
	form := url.Values{"username": {p.Name}, "password": {crowd.Password}}.Encode()
	if a, err = b.ask(c, "POST", page+"/password", form, 303); err != nil {
		return "", err
	}
	if a, err = b.ask(c, "GET", a.location, "", 200); err != nil {
		return "", err
	}
	if !bytes.Contains(a.body, []byte(`action="`+page+`/code"`)) {
		return "", fmt.Errorf("no page for the code: %.2000s", a.body)
	}
	const step = totp.Period * time.Second
	at := time.Now()
	if left := at.Truncate(step).Add(step).Sub(at); ago > 0 && left < time.Second/2 { // it would be too old on arrival
		time.Sleep(left)
		at = time.Now()
	}
	at = at.Add(-time.Duration(ago) * step)
	if a, err = b.ask(c, "POST", page+"/code", "code="+totp.Code(p.Seed, at), 303); err != nil {
		return "", err
	}
	for !strings.HasPrefix(a.location, callback) {
		if a, err = b.ask(c, "GET", a.location, "", 303); err != nil {
			return "", err
		}
	}
	return codeOf(a)
}

// code is what a session answers with, without a page.
func (b browser) code(t testing.TB, on *conn, to client) string {
	t.Helper()
	a, err := b.ask(on, "GET", authorize(to), "", 303)
	check(t, err)
	code, err := codeOf(a)
	check(t, err)
	return code
}

// token posts to the token endpoint.
func (c client) token(on *conn, form string) ([]byte, error) {
	a, err := on.ask("POST", "/token", c.basic, form)
	if err != nil {
		return nil, err
	}
	if a.status != 200 {
		return nil, fmt.Errorf("token endpoint: %d %s", a.status, a.body)
	}
	if _, err := field(a.body, "id_token"); err != nil {
		return nil, err
	}
	return a.body, nil
}

var exchangeForm = "grant_type=authorization_code&code_verifier=" + verifier + "&redirect_uri=" + url.QueryEscape(callback) + "&code="

func (c client) exchange(on *conn, code string) ([]byte, error) {
	return c.token(on, exchangeForm+code)
}

// refresh rotates a refresh token and returns the next.
func (c client) refresh(on *conn, token string) (string, error) {
	body, err := c.token(on, "grant_type=refresh_token&refresh_token="+token)
	if err != nil {
		return "", err
	}
	next, err := field(body, "refresh_token")
	if err == nil && next == token {
		err = fmt.Errorf("the refresh token was not rotated: %s", body)
	}
	return next, err
}

// field reads a string of a flat JSON object of ours.
func field(body []byte, name string) (string, error) {
	_, rest, ok := bytes.Cut(body, []byte(`"`+name+`":"`))
	value, _, closed := bytes.Cut(rest, []byte(`"`))
	if !ok || !closed || len(value) == 0 {
		return "", fmt.Errorf("no %s in %s", name, body)
	}
	return string(value), nil
}
