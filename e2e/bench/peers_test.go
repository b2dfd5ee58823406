package bench

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hilum/e2e/crowd"
)

// peer is a provider that others wrote. All of them keep everything in memory and ask for a
// password alone, which they compare without a hash.
type peer struct {
	name, note string
	// install fetches it by its name into a folder that is kept, and returns how it is started
	// at a port.
	install func(t *testing.T, dir string) func(port string) *exec.Cmd
	paths   map[string]string // of the endpoints below
	machine client            // with credentials of its own
	host    string
	pid     int
}

const (
	authorizePath  = "authorize"
	tokenPath      = "token"
	userinfoPath   = "userinfo"
	introspectPath = "introspect"
	discoveryPath  = "/.well-known/openid-configuration"
)

// Versions of peers.
const (
	nodeProvider = "oidc-provider@9"
	zitadelOIDC  = "github.com/zitadel/oidc/v3"
)

func basicOf(id, secret string) client {
	return client{id, secret, "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret)) + "\r\n"}
}

// web is the application that is registered with each peer.
var web = basicOf("web", "secret")

func newPeers() []*peer {
	return []*peer{
		{
			name: "zitadel/oidc, its example server", note: "in memory, one factor, no password hash, its log at debug", install: installExample,
			paths:   map[string]string{authorizePath: "/auth", tokenPath: "/oauth/token", userinfoPath: "/userinfo", introspectPath: "/oauth/introspect"},
			machine: basicOf("sid1", "verysecret"),
		},
		{
			name: "node-oidc-provider", note: "in memory, one factor, no password at all, no log", install: installNode,
			paths:   map[string]string{authorizePath: "/auth", tokenPath: "/token", userinfoPath: "/me", introspectPath: "/token/introspection"},
			machine: basicOf("machine", "secret"),
		},
	}
}

// installs runs a program in a folder.
func installs(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// installExample builds the example of the version that the provider itself is made with.
func installExample(t *testing.T, dir string) func(string) *exec.Cmd {
	t.Helper()
	version := strings.TrimSpace(string(must(exec.Command("go", "list", "-m", "-f", "{{.Version}}", zitadelOIDC).Output())))
	check(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module peer\n\ngo 1.26\n\nrequire "+zitadelOIDC+" "+version+"\n"), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "peer.go"), []byte("package peer\n\nimport _ \""+zitadelOIDC+"/example/server/exampleop\"\n"), 0o644))
	installs(t, dir, "go", "mod", "tidy")
	program := filepath.Join(dir, "server")
	installs(t, dir, "go", "build", "-o", program, zitadelOIDC+"/example/server")
	return func(port string) *exec.Cmd {
		cmd := exec.Command(program)
		cmd.Env = append(os.Environ(), "PORT="+port, "REDIRECT_URI="+callback, "GOMAXPROCS=2")
		return cmd
	}
}

func installNode(t *testing.T, dir string) func(string) *exec.Cmd {
	t.Helper()
	script, err := os.ReadFile("testdata/peers/node.mjs")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "node.mjs"), script, 0o644))
	installs(t, dir, "npm", "install", "--no-audit", "--no-fund", nodeProvider)
	return func(port string) *exec.Cmd {
		cmd := exec.Command("node", "node.mjs", port, callback)
		cmd.Dir = dir
		return cmd
	}
}

// start runs a peer on the provider's core, until the test ends.
func (p *peer) start(t *testing.T, dir string) {
	t.Helper()
	check(t, os.MkdirAll(dir, 0o755))
	command := p.install(t, dir)
	_, port, err := net.SplitHostPort(freeAddress(t))
	check(t, err)
	said, err := os.Create(filepath.Join(t.TempDir(), "log"))
	check(t, err)
	defer said.Close() // the peer has its own
	cmd := command(port)
	cmd.Stdout, cmd.Stderr = said, said
	check(t, startPinned(cmd))
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	p.host, p.pid = "127.0.0.1:"+port, cmd.Process.Pid
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		res, err := http.Get("http://" + p.host + discoveryPath)
		if err == nil {
			_ = res.Body.Close() // nothing of it is read
			break
		}
		if time.Since(begin) > 30*time.Second {
			text, _ := os.ReadFile(said.Name())
			t.Fatalf("%s is not there: %v\n%.2000s", p.name, err, text)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

var (
	formAction = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)
	hidden     = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
)

// here is an address below the peer as a path.
func here(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.RequestURI()
	}
	return address
}

// signIn goes through the pages of a peer, whichever they are, to the application's code: it
// follows each redirect, and sends each form with what is hidden in it, a name and a password.
func (p *peer) signIn(on *conn) (string, error) {
	b := browser{}
	path := p.paths[authorizePath] + "?" + strings.Replace(strings.TrimPrefix(authorize(web), "/authorize?"), "scope=openid+profile+email", "scope=openid+profile+email+offline_access", 1)
	method, form := "GET", ""
	for range 20 {
		a, err := on.ask(method, path, b.header(), form)
		if err != nil {
			return "", err
		}
		for _, cookie := range a.cookies {
			name, value, _ := strings.Cut(cookie, "=")
			b[name] = value
		}
		switch {
		case strings.HasPrefix(a.location, callback):
			return codeOf(a)
		case a.location != "":
			method, path, form = "GET", here(a.location), ""
		case a.status == 200 && formAction.Match(a.body):
			values := url.Values{"username": {"test-user@localhost"}, "login": {"anna"}, "password": {"verysecure"}}
			for _, m := range hidden.FindAllSubmatch(a.body, -1) {
				values.Set(string(m[1]), string(m[2]))
			}
			method, path, form = "POST", here(string(formAction.FindSubmatch(a.body)[1])), values.Encode()
		default:
			return "", fmt.Errorf("%s %s: %d %.1000s", method, path, a.status, a.body)
		}
	}
	return "", fmt.Errorf("%s: no end of redirects", p.name)
}

func (p *peer) token(on *conn, of client, form string) ([]byte, error) {
	a, err := on.ask("POST", p.paths[tokenPath], of.basic, form)
	if err == nil && (a.status != 200 || !bytes.Contains(a.body, []byte(`"access_token"`))) {
		err = fmt.Errorf("%s: token: %d %s", p.name, a.status, a.body)
	}
	if err != nil {
		return nil, err
	}
	return a.body, nil
}

// whole signs in and redeems the code.
func (p *peer) whole(on *conn) ([]byte, error) {
	code, err := p.signIn(on)
	if err != nil {
		return nil, err
	}
	return p.token(on, web, exchangeForm+code)
}

// operation of a peer, by the name of ours.
func (p *peer) operation(t *testing.T, what string, workers int) func(*conn, int, int) error {
	t.Helper()
	on, err := dial(p.host)
	check(t, err)
	defer on.c.Close()
	body := make([][]byte, workers)
	for w := range body {
		body[w], err = p.whole(on)
		check(t, err)
	}
	access, err := field(body[0], "access_token")
	check(t, err)
	switch what {
	case "refresh, RS256":
		tokens := make([]string, workers)
		for w := range tokens {
			tokens[w], err = field(body[w], "refresh_token")
			check(t, err)
		}
		return func(on *conn, w, _ int) error {
			body, err := p.token(on, web, "grant_type=refresh_token&refresh_token="+url.QueryEscape(tokens[w]))
			if err == nil {
				tokens[w], err = field(body, "refresh_token")
			}
			return err
		}
	case "userinfo":
		return func(on *conn, _, _ int) error {
			return answers(on, "GET", p.paths[userinfoPath], "Authorization: Bearer "+access+"\r\n", "", `"sub"`)
		}
	case "introspection":
		return func(on *conn, _, _ int) error {
			return answers(on, "POST", p.paths[introspectPath], web.basic, "token="+url.QueryEscape(access), `"active":true`)
		}
	case "discovery":
		return func(on *conn, _, _ int) error { return answers(on, "GET", discoveryPath, "", "", `"issuer"`) }
	case "client credentials":
		return func(on *conn, _, _ int) error {
			_, err := p.token(on, p.machine, "grant_type=client_credentials")
			return err
		}
	}
	return func(on *conn, _, _ int) error { _, err := p.whole(on); return err }
}

// besidePeers are the rows that peers have, too.
var besidePeers = []row{
	{"refresh, RS256", 16, refreshes("RS256")},
	{wholeSignIn + ", minimal hash, RS256", 16, signIns("RS256")},
	{"introspection", 16, asksIntrospection(remembered, 0)},
	{"userinfo", 16, asksUserinfo(remembered, 0)},
	{"discovery", 16, prepared(discoveryPath, `"issuer"`)},
	{"client credentials", 16, credentials},
}

// TestBenchPeers prints what others do in the same run, when PEERS is set: they are fetched by
// name into .cache. Without it nothing of others is fetched, and nothing is measured.
func TestBenchPeers(t *testing.T) {
	if os.Getenv("PEERS") == "" {
		t.Skip("PEERS fetches providers that others wrote")
	}
	x, _ := extentOf(t)
	s := newSiteOn(t, onSQLite, signInRows()*x.signIns+2*x.after, crowd.Least)
	s.signIns, s.prepared = x.signIns, x.prepared
	s.start(t)
	peers := newPeers()
	cache, err := filepath.Abs("../../.cache/peers")
	check(t, err)
	for i, p := range peers {
		p.start(t, filepath.Join(cache, fmt.Sprint(i)))
	}
	time.Sleep(x.rest)
	table := map[string][][]sample{}
	idle, later := make([]float64, len(peers)+1), make([]float64, len(peers)+1)
	idle[0] = own(t, s.pid)
	for i, p := range peers {
		idle[i+1] = own(t, p.pid)
	}
	n := x.after
	s.signIns = n
	_, op := signIns("RS256")(t, s, busy[0])
	load(t, s.host, s.pid, busy[0], time.Hour, n, op)
	for _, p := range peers {
		load(t, p.host, p.pid, busy[0], time.Hour, n, p.operation(t, wholeSignIn, 1))
	}
	s.signIns = x.signIns
	time.Sleep(x.rest)
	later[0] = own(t, s.pid)
	for i, p := range peers {
		later[i+1] = own(t, p.pid)
	}
	for range x.rounds {
		for _, r := range besidePeers {
			if table[r.name] == nil {
				table[r.name] = make([][]sample, len(peers)+1)
			}
			of := table[r.name]
			n, op := r.prepare(t, s, r.workers)
			of[0] = append(of[0], load(t, s.host, s.pid, r.workers, x.span, min(n, x.most), op))
			for i, p := range peers {
				of[i+1] = append(of[i+1], load(t, p.host, p.pid, r.workers, x.span, x.most, p.operation(t, r.name, r.workers)))
			}
		}
	}
	s.stop(t)
	fmt.Printf("\nPer second and CPU of the server for one operation in µs, 16 at once, medians of %d rounds. Load average: %s.\n\n| what | Hilum, SQLite: durable, two factors, log at info |", x.rounds, loadAverage())
	for _, p := range peers {
		fmt.Printf(" %s: %s |", p.name, p.note)
	}
	fmt.Print("\n|---|---|" + strings.Repeat("---|", len(peers)) + "\n")
	for _, r := range besidePeers {
		fmt.Printf("| %s |", r.name)
		for _, of := range table[r.name] {
			m := medianOf(of)
			fmt.Printf(" %s, %s |", number(round(m.perSecond, 3)), number(round(m.cpu.Seconds()*1e6, 3)))
		}
		fmt.Println()
	}
	for name, of := range map[string][]float64{"memory at rest, MB": idle, fmt.Sprintf("memory, %d sign-ins later, MB", n): later} {
		fmt.Printf("| %s |", name)
		for _, mb := range of {
			fmt.Printf(" %s |", number(round(mb, 3)))
		}
		fmt.Println()
	}
}
