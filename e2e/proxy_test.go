package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
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

	"hilum/cmd/phone/phone"
)

// proxyKind is a proxy of docs/proxy.md: a program that others wrote.
type proxyKind struct {
	program string
	lang    string                                         // of its configuration, in the page
	replace func(s *served, dir, httpPort string) []string // pairs: what the page has, and what this machine has
	whole   string                                         // the file around the configuration: %[1]s is a folder for what is kept, %[2]s the configuration
	args    func(file string) []string
}

// ownAddress is where browsers of these tests come from: an address of this machine
// that neither the proxy nor the provider has.
const ownAddress = "127.0.0.77"

var proxies = map[string]proxyKind{
	"nginx": {
		program: "/usr/sbin/nginx", lang: "nginx",
		replace: func(s *served, dir, httpPort string) []string {
			return []string{
				"listen 80;", "listen 127.0.0.1:" + httpPort + ";",
				"listen 443 ssl http2;", "listen 127.0.0.1:" + s.port() + " ssl http2;",
				"https://login.your-hospital.org", s.issuer,
				"/var/log/nginx/hilum.log", dir + "/access.log",
			}
		},
		whole: `daemon off; pid %[1]s/nginx.pid; error_log stderr warn; worker_processes 1;
events {}
http {
client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
%[2]s
}
`,
		args: func(file string) []string { return []string{"-c", file, "-e", "stderr"} },
	},
	"caddy": {
		program: "/usr/bin/caddy", lang: "caddy",
		replace: func(s *served, dir, httpPort string) []string {
			// Only names and ports: everything else it does by itself.
			return []string{"login.your-hospital.org {", "{\n\tadmin off\n\thttp_port " + httpPort + "\n\thttps_port " + s.port() + "\n\tstorage file_system " + dir + "\n}\n\nlocalhost {\n\tbind 127.0.0.1"}
		},
		whole: "# %[1]s\n%[2]s",
		args:  func(file string) []string { return []string{"run", "--adapter", "caddyfile", "--config", file} },
	},
}

// port is that of the issuer.
func (s *served) port() string {
	u, _ := url.Parse(s.issuer) // of ours
	return u.Port()
}

// origin is scheme and host of the issuer, path what it has beside.
func (s *served) origin() string { return strings.TrimSuffix(s.issuer, s.path()) }

func (s *served) path() string {
	u, _ := url.Parse(s.issuer) // of ours
	return u.Path
}

// startBehind starts a provider that speaks plain HTTP on loopback, and the proxy of a
// kind before it, by the configuration of the page. path is that of the issuer.
func startBehind(t *testing.T, kind proxyKind, path string) *served {
	t.Helper()
	dir := t.TempDir()
	// nginx, started as root, serves as nobody, who has to reach its files.
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	s := &served{data: filepath.Join(t.TempDir(), "data"), ca: filepath.Join(dir, "ca.pem")}
	pool := writeCertificates(t, s.ca, cert, key)
	s.issuer = "https://localhost:" + freePort(t) + path
	listen := "127.0.0.1:" + freePort(t)
	s.env = append(os.Environ(), "IDP_ISSUER="+s.issuer, "IDP_LISTEN="+listen, "IDP_DATA_DIR="+s.data, "IDP_TRUSTED_PROXIES=127.0.0.1")
	s.home = keptIn(t, s.data)
	s.env = append(s.env, databaseEnv(t, s.home)...)
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ownAddress)}, Timeout: 10 * time.Second}
	s.client = &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return from.DialContext(ctx, "tcp4", "127.0.0.1:"+port)
		},
	}}

	text := exchanged(t, blockOf(t, "proxy.md", kind.lang), append(kind.replace(s, dir, freePort(t)),
		"127.0.0.1:8080", listen, "/etc/ssl/hilum/chain.pem", cert, "/etc/ssl/hilum/key.pem", key)...)
	text = strings.NewReplacer("login.your-hospital.org", "localhost", "pacs.your-hospital.org", "localhost").Replace(text)
	file := filepath.Join(dir, "proxy.conf")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(kind.whole, dir, text)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(kind.program, kind.args(file)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	runs(t, cmd, func() error { return nil }) // launch waits for both
	s.launch(t)
	return s
}

// walks enrols a person behind a proxy, has them sign in with their phone, and sees that who
// asks is known. It returns them.
func (s *served) walks(t *testing.T) *person {
	t.Helper()
	redirect := "https://viewer.klinik.test/callback"
	id, secret := s.addClient(t, "Viewer", "--redirect-uri", redirect)
	rp := &party{
		t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid profile",
		verifier: strings.Repeat("verifier-", 6), web: s.client, state: strings.Repeat("a long state ", 1200), nonce: "n-0S6",
	}
	bert := &person{t: t, web: newBrowser(t), name: "bert", password: "slow-amber-river-42"}
	bert.web.Transport = s.client.Transport
	bert.enrol(regexp.MustCompile(regexp.QuoteMeta(s.issuer) + `/invite/\S+`).FindString(s.idp(t, "invite", "bert")))
	s.signsIn(t, rp, bert)
	s.addresses(t, rp)
	return bert
}

// A provider behind nginx and behind Caddy, by the configurations that docs/proxy.md
// prints: people sign in, phones and pages hear at once, and who asks is known.
func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	for name, kind := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startBehind(t, kind, "")
			s.walks(t)
			s.answers(t, 30<<20)
		})
	}
}

// signsIn links a phone and signs in with it at another workstation: the phone and the
// page hear of one another by their streams, long before either would look by itself
// (15 s).
func (s *served) signsIn(t *testing.T, rp *party, bert *person) {
	t.Helper()
	ph := bert.pairs(s)
	bert.elsewhere()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	asked := make(chan *phone.Challenge, 10)
	over := make(chan error, 1)
	go func() { // ends with ctx
		over <- ph.Listen(ctx, func(e phone.Event) {
			if e.Name == "challenge" {
				asked <- e.Challenge
			}
		})
	}()
	time.Sleep(300 * time.Millisecond) // so that it listens
	at := bert.submit(bert.get(rp.authorize()), "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
	var ch *phone.Challenge
	select {
	case ch = <-asked:
	case err := <-over:
		t.Fatalf("the phone's stream ended: %v", err)
	case <-time.After(10 * time.Second):
		t.Fatal("the phone heard nothing for 10 s: its stream is held back")
	}

	// The page's stream is open before the phone answers.
	req := must[*http.Request](t)(http.NewRequestWithContext(ctx, http.MethodGet, at.url.Scheme+"://"+at.url.Host+eventsOf(at.url.Path), nil))
	req.Header.Set("Accept", "text/event-stream")
	endless := *bert.web
	endless.Timeout = 0
	res := must[*http.Response](t)(endless.Do(req))
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("the stream is %s %s, %v", res.Proto, res.Status, res.Header)
	}
	lines := make(chan string, 100)
	go func() { // ends with the stream
		defer close(lines)
		for in := bufio.NewScanner(res.Body); in.Scan(); {
			lines <- in.Text()
		}
	}()
	hears := func() string { // the next word
		t.Helper()
		for end := time.After(10 * time.Second); ; {
			select {
			case line, open := <-lines:
				if !open {
					t.Fatal("the stream ended")
				}
				if word, is := strings.CutPrefix(line, "data: "); is {
					return word
				}
			case <-end:
				t.Fatal("the page heard nothing for 10 s: its stream is held back")
			}
		}
	}
	before := hears() // how it stands, at once
	d := must[*phone.Doc](t)(ph.Check(ch))
	if d.IP != ownAddress {
		t.Errorf("the phone is shown the address %s", d.IP)
	}
	said := phone.Decision{Approve: true}
	if d.Match.Mode == "type" {
		said.Number = textOf(find(at.doc, byID("number")))
	}
	answered := time.Now()
	if state := must[string](t)(ph.Answer(ctx, ch, said)); state != "approved" {
		t.Fatalf("the phone's answer is %s", state)
	}
	if after := hears(); after == before {
		t.Errorf("the page hears %q, and again", after)
	}
	t.Logf("the page heard within %s of the answer", time.Since(answered).Round(time.Millisecond))
	if tk := must[*tokens](t)(rp.exchange(rp.answer(bert.submit(bert.get(at.url.String()), "phone-form", nil)))); tk.Status != http.StatusOK {
		t.Fatalf("after the tap: %+v", tk)
	}
}

// pairs links a phone of a person who is signed in, over the TLS of the test.
func (p *person) pairs(s *served) *pocket {
	p.t.Helper()
	at := p.read(p.send(http.MethodPost, s.issuer+"/account/link", nil))
	link := must[*phone.Link](p.t)(phone.ParseLink(offerOn(p.t, at)))
	link.Issuer = s.issuer // our phone takes http for this machine's own names
	ph := &pocket{t: p.t, file: must[*phone.File](p.t)(phone.OpenFile(filepath.Join(p.t.TempDir(), "keys.json")))}
	ph.Client = must[*phone.Client](p.t)(phone.Pair(p.t.Context(), phone.Pairing{Link: link, Name: "Pixel", Platform: "android", App: "e2e/1"}, s.client, ph.file.Put))
	ph.taps()
	return ph
}

// eventsOf is the path of the stream of the sign-in that a page is of.
func eventsOf(path string) string {
	return regexp.MustCompile(`^.*/login/[0-9A-Z]{26}`).FindString(path) + "/events"
}

// addresses looks at who has asked: the browser's own address, whatever it wrote into
// headers, and whether it came through the proxy or past it.
func (s *served) addresses(t *testing.T, rp *party) {
	t.Helper()
	const forged = "203.0.113.9"
	forge := func(req *http.Request) {
		for name, value := range map[string]string{
			"X-Forwarded-For": forged + ", 127.0.0.1", "Forwarded": "for=" + forged + ";host=evil.example;proto=http", "X-Real-IP": forged,
			"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "True-Client-IP": forged,
		} {
			req.Header.Set(name, value)
		}
	}
	eve := &person{t: t, web: newBrowser(t)}
	eve.web.Transport = transport(func(r *http.Request) (*http.Response, error) {
		forge(r)
		return s.client.Transport.RoundTrip(r)
	})
	at := eve.submit(eve.get(rp.authorize()), "password-form", url.Values{"username": {"bert"}, "password": {"not the password"}})
	if at.status != http.StatusUnprocessableEntity {
		t.Fatalf("a wrong password: %d at %s\n%s", at.status, at.url, at.body)
	}
	addresses := map[string]int{}
	for line := range strings.Lines(s.idp(t, "audit", "list", "--json")) {
		var e struct{ Address, Kind string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		addresses[e.Address]++
		if strings.Contains(line, forged) || strings.Contains(line, "evil.example") {
			t.Errorf("the log has what a client wrote: %s", line)
		}
	}
	delete(addresses, "") // of commands
	if len(addresses) != 1 || addresses[ownAddress] < 3 {
		t.Errorf("the log has these addresses: %v", addresses)
	}

	// Past the proxy, from an address that is not trusted: nothing that it says counts.
	var listen string
	for _, e := range s.env {
		if at, ok := strings.CutPrefix(e, "IDP_LISTEN="); ok {
			listen = at
		}
	}
	past := must[*http.Request](t)(http.NewRequest(http.MethodGet, "http://"+listen+s.path()+"/.well-known/openid-configuration", nil))
	forge(past)
	direct := must[*page](t)(readPage(s.client.Do(past)))
	through := must[*http.Request](t)(http.NewRequest(http.MethodGet, s.issuer+"/.well-known/openid-configuration", nil))
	forge(through)
	discovery := must[*page](t)(readPage(s.client.Do(through)))
	if direct.body != discovery.body || strings.Contains(discovery.body, "evil.example") || !strings.Contains(discovery.body, `"issuer":"`+s.issuer+`"`) {
		t.Errorf("headers change what is told:\n%s\n%s", direct.body, discovery.body)
	}
	for line := range strings.Lines(s.errs.String()) {
		if strings.Contains(line, forged) {
			t.Errorf("the provider believes it: %s", line)
		}
	}
}

// answers looks at what the proxy does to answers and to what it should not hand on: up
// to largest bytes of a body that is too large.
func (s *served) answers(t *testing.T, largest int) {
	t.Helper()
	ask := func(method, path string, body io.Reader, head map[string]string) (*page, *http.Response) {
		t.Helper()
		req := must[*http.Request](t)(http.NewRequest(method, s.issuer+path, body))
		for name, value := range head {
			req.Header.Set(name, value)
		}
		res := must[*http.Response](t)(s.client.Do(req))
		return must[*page](t)(readPage(res, nil)), res
	}
	html := map[string]string{"Accept": "text/html"}

	// The pages of errors are ours, with the reference that finds the line in the log.
	at, res := ask("GET", "/login/nothing", nil, html)
	if reference := res.Header.Get("X-Request-Id"); res.StatusCode != 404 || reference == "" || res.ProtoMajor != 2 || !strings.Contains(at.body, "</html>") || !strings.Contains(at.body, "Hilum") {
		t.Errorf("an unknown page: %s %s, reference %q\n%s", res.Proto, res.Status, reference, at.body)
	}
	if at, res = ask("POST", "/device/v1/answer", strings.NewReader("nonsense"), map[string]string{"Content-Type": "application/jose"}); res.StatusCode < 400 || res.StatusCode >= 500 || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a phone's bad request: %s, %v\n%s", res.Status, res.Header, at.body)
	}
	// Nothing is kept, packed or left without its policy.
	if _, res = ask("GET", "/account", nil, map[string]string{"Accept": "text/html", "Accept-Encoding": "gzip, br, zstd"}); res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Content-Encoding") != "" || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("a page: %s, %v", res.Status, res.Header)
	}
	// A form of another site is told by Origin and Host, where a browser says no more;
	// ours is not taken for one.
	for origin, refused := range map[string]bool{s.origin(): false, "https://evil.example": true} {
		_, res := ask("POST", "/account/signout", nil, map[string]string{"Accept": "text/html", "Origin": origin, "Content-Type": "application/x-www-form-urlencoded"})
		if got := res.StatusCode == http.StatusForbidden; got != refused {
			t.Errorf("a form from %s: %s", origin, res.Status)
		}
	}
	// Too long and too large are refused, by whichever of the two, and never with a fault.
	for what, head := range map[string]map[string]string{"a header of 200 KB": {"X-Long": strings.Repeat("x", 200<<10)}, "a cookie of 30 KB": {"Cookie": "a=" + strings.Repeat("x", 30<<10)}} {
		req := must[*http.Request](t)(http.NewRequest(http.MethodGet, s.issuer+"/account", nil))
		for name, value := range head {
			req.Header.Set(name, value)
		}
		if res, err := s.client.Do(req); err == nil { // or the connection is closed
			if res.Body.Close(); res.StatusCode < 400 || res.StatusCode >= 500 {
				t.Errorf("%s: %s", what, res.Status)
			}
		}
	}
	for _, size := range []int{33 << 10, largest} {
		req := must[*http.Request](t)(http.NewRequest(http.MethodPost, s.issuer+"/token", strings.NewReader(strings.Repeat("x", size))))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if res, err := s.client.Do(req); err == nil {
			if res.Body.Close(); res.StatusCode != http.StatusRequestEntityTooLarge && res.StatusCode != http.StatusBadRequest {
				t.Errorf("%d bytes to /token: %s", size, res.Status)
			}
		}
	}
	if _, res := ask("GET", "/readyz", nil, nil); res.StatusCode != http.StatusOK {
		t.Errorf("after all that: %s", res.Status)
	}
}

// transport is a function that does what http.Transport does.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
