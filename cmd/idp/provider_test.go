package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"hilum/config"
	"hilum/idp/serve"
)

// site is a provider on a server of the test, and what it logs. shut closes its
// database before the test ends.
func site(t *testing.T, change func(*config.Config)) (srv *httptest.Server, log *logged, shut func() error) {
	t.Helper()
	conf := config.Default()
	conf.DataDir = t.TempDir()
	if change != nil {
		change(conf)
	}
	srv = httptest.NewUnstartedServer(nil)
	log = &logged{}
	p, err := open(t.Context(), conf, "http://"+srv.Listener.Addr().String(), slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	h, _, err := p.handler(nil)
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = h
	srv.Start()
	shut = sync.OnceValue(p.Close)
	t.Cleanup(func() {
		srv.Close()
		if err := shut(); err != nil {
			t.Error(err)
		}
	})
	return srv, log, shut
}

// logged collects lines of a log.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// requests returns the routes of the request lines so far.
func (l *logged) requests(t *testing.T) (routes []string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.buf.Bytes()) {
		var entry struct{ Msg, Route string }
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if entry.Msg == "request" {
			routes = append(routes, entry.Route)
		}
	}
	return routes
}

func fetch(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	code, _, text := answered(t, req)
	return code, text
}

// answered sends a request, following nothing, and reads the answer.
func answered(t *testing.T, req *http.Request) (int, http.Header, string) {
	t.Helper()
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}

func TestHealth(t *testing.T) {
	srv, _, shut := site(t, nil)
	if code, text := fetch(t, http.MethodGet, srv.URL+"/readyz"); code != http.StatusOK || !regexp.MustCompile(`^ready\nlog: [0-9]+:[0-9a-f]{64}\n$`).MatchString(text) {
		t.Errorf("ready: %d %q", code, text)
	}
	if err := shut(); err != nil {
		t.Fatal(err)
	}
	if code, text := fetch(t, http.MethodGet, srv.URL+"/readyz"); code != http.StatusServiceUnavailable || text != "not ready\n" {
		t.Errorf("without a database: %d %q", code, text)
	}
	if code, text := fetch(t, http.MethodGet, srv.URL+"/healthz"); code != http.StatusOK || text != "alive\n" {
		t.Errorf("the process lives: %d %q", code, text)
	}
}

// How much happens here is told to whoever asks from the machine itself, not to
// others, and not through a proxy.
func TestReadyTellsStrangersNothing(t *testing.T) {
	conf := config.Default()
	conf.DataDir = t.TempDir()
	p, err := open(t.Context(), conf, "http://127.0.0.1:8080", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	h, _, err := p.handler(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, header, value string
		told                bool
	}{
		{"127.0.0.1:1234", "", "", true},
		{"[::1]:1234", "", "", true},
		{"192.0.2.1:1234", "", "", false},
		{"10.0.0.1:1234", "", "", false},
		{"127.0.0.1:1234", "X-Forwarded-For", "192.0.2.1", false},
		{"127.0.0.1:1234", "X-Forwarded-For", "127.0.0.1", false},
		{"127.0.0.1:1234", "Forwarded", "for=127.0.0.1", false},
		{"127.0.0.1:1234", "Via", "1.1 proxy", false},
		{"127.0.0.1:1234", "X-Real-IP", "127.0.0.1", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/readyz", nil)
		r.RemoteAddr = c.from
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if text := w.Body.String(); w.Code != http.StatusOK || strings.Contains(text, "log:") != c.told || !c.told && text != "ready\n" {
			t.Errorf("%+v: %d %q", c, w.Code, text)
		}
	}
}

// Every door's requests are logged by route; what is asked all day is not.
func TestRequestLinesNameRoutes(t *testing.T) {
	srv, log, _ := site(t, nil)
	page, err := http.Get(srv.URL + "/signed-out")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(page.Body)
	page.Body.Close()
	at := strings.Index(string(body), "/static/")
	if at < 0 {
		t.Fatalf("no static file on %s", body)
	}
	static, _, _ := strings.Cut(string(body[at:]), `"`)
	for _, path := range []string{"/healthz", "/readyz", "/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", static} {
		if code, _ := fetch(t, http.MethodGet, srv.URL+path); code != http.StatusOK {
			t.Errorf("GET %s: %d", path, code)
		}
	}
	if got := log.requests(t); len(got) != 1 {
		t.Errorf("quiet routes were logged: %v", got)
	}
	fetch(t, http.MethodGet, srv.URL+"/authorize?client_id=private")
	fetch(t, http.MethodPost, srv.URL+"/token")
	fetch(t, http.MethodGet, srv.URL+"/userinfo")
	fetch(t, http.MethodGet, srv.URL+"/login/private")
	fetch(t, http.MethodGet, srv.URL+"/nowhere/private")
	for i, route := range log.requests(t) {
		if strings.Contains(route, "private") || route == "" || i < 4 && route == "none" {
			t.Errorf("request %d was logged as %q", i, route)
		}
	}
	if got := log.requests(t); len(got) != 6 {
		t.Errorf("%d lines: %v", len(got), got)
	}
}

// An address that begins too many sign-ins is told to come back later, on
// every way in.
func TestAddressLimits(t *testing.T) {
	srv, _, _ := site(t, func(c *config.Config) { c.Limits = config.Limits{SignInPerMinute: 1, SignInBurst: 2, EnrolPer10Min: 2} })
	for _, way := range []struct{ method, path string }{
		{http.MethodGet, "/authorize"},
		{http.MethodPost, "/login/nobody/password"},
		{http.MethodPost, "/invite/none"},
	} {
		var codes []int
		for range 4 {
			code, _ := fetch(t, way.method, srv.URL+way.path)
			codes = append(codes, code)
		}
		if codes[1] == http.StatusTooManyRequests || codes[2] != http.StatusTooManyRequests || codes[3] != http.StatusTooManyRequests {
			t.Errorf("%s %s: %v, want the third and fourth refused", way.method, way.path, codes)
		}
	}
	for range 5 {
		if code, _ := fetch(t, http.MethodGet, srv.URL+"/readyz"); code != http.StatusOK {
			t.Errorf("readyz is limited: %d", code)
		}
	}
}

// What is too large for any door is refused in the language of who asks: phones and programs
// read a document, people a page.
func TestTooLargeIsSaidInEveryLanguage(t *testing.T) {
	srv, _, _ := site(t, nil)
	for path, want := range map[string]string{
		"/device/v1/challenges":   "application/problem+json",
		"/device/v1/pair":         "application/problem+json",
		"/admin/api/v1/users":     "application/problem+json",
		"/token":                  "application/json",
		"/login/x/password":       "text/html; charset=utf-8",
		"/account/profile":        "text/html; charset=utf-8",
		"/admin/settings/edit":    "text/html; charset=utf-8",
		"/account/nothing/at/all": "text/html; charset=utf-8",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+path, strings.NewReader(strings.Repeat("x", serve.MaxBody+1)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html,application/json,*/*;q=0.8")
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge || res.Header.Get("Content-Type") != want {
			t.Errorf("%s answers %d %q: %.200s", path, res.StatusCode, res.Header.Get("Content-Type"), body)
		}
		if strings.HasPrefix(path, "/device/") {
			var p struct {
				Error, Reference string
				Status           int
			}
			if err := json.Unmarshal(body, &p); err != nil || p.Error != "too_big" || p.Status != res.StatusCode || p.Reference != res.Header.Get("X-Request-Id") || res.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s answers %s (%v)", path, body, err)
			}
		}
	}
}
