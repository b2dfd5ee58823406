package serve_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hilum/idp/serve"
)

// site is a small site behind the middleware, and its log.
func site(t *testing.T, c serve.Config, level slog.Level) (*httptest.Server, func() []map[string]any) {
	t.Helper()
	var buf bytes.Buffer
	lines := make(chan string, 100)
	c.Log = slog.New(slog.NewJSONHandler(writerFunc(func(b []byte) (int, error) {
		lines <- string(b)
		return len(b), nil
	}), &slog.HandlerOptions{Level: level}))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /who/{name}", func(w http.ResponseWriter, r *http.Request) {
		serve.From(r.Context()).Note(slog.String("client", "viewer"))
		_, _ = io.WriteString(w, serve.From(r.Context()).Address)
	})
	mux.HandleFunc("POST /body", func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(&buf, r.Body)
		if big := (*http.MaxBytesError)(nil); errors.As(err, &big) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("secret of the stack") })
	mux.HandleFunc("GET /late", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		panic("too late")
	})
	mux.HandleFunc("GET /quiet", func(http.ResponseWriter, *http.Request) {})
	srv := httptest.NewServer(serve.Handler(mux, c))
	t.Cleanup(srv.Close)
	return srv, func() []map[string]any {
		srv.Close() // waits for the requests under way, so their lines are written
		close(lines)
		var out []map[string]any
		for l := range lines {
			var m map[string]any
			if err := json.Unmarshal([]byte(l), &m); err != nil {
				t.Errorf("log line %q: %v", l, err)
			}
			out = append(out, m)
		}
		return out
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res, string(body)
}

func TestLineNamesTheRouteAndNothingPrivate(t *testing.T) {
	srv, lines := site(t, serve.Config{}, slog.LevelInfo)
	res, _ := get(t, srv.URL+"/who/anna-private?code=private-code", "User-Agent", "private-agent")
	get(t, srv.URL+"/nowhere/private")
	got := lines()
	if len(got) != 2 {
		t.Fatalf("%d lines for two requests: %v", len(got), got)
	}
	l := got[0]
	if l["route"] != "GET /who/{name}" || l["method"] != "GET" || l["status"] != 200.0 || l["bytes"] != 9.0 ||
		l["address"] != "127.0.0.1" || l["client"] != "viewer" || l["id"] != res.Header.Get("X-Request-Id") || l["took"] == nil {
		t.Errorf("line %v", l)
	}
	if got[1]["route"] != "none" || got[1]["status"] != 404.0 {
		t.Errorf("line of an unknown path %v", got[1])
	}
	for _, l := range got {
		if text, _ := json.Marshal(l); bytes.Contains(text, []byte("private")) {
			t.Errorf("%s holds what it must not", text)
		}
	}
}

func TestQuietRoutesAreLoggedAtDebugOnly(t *testing.T) {
	for level, want := range map[slog.Level]int{slog.LevelInfo: 0, slog.LevelDebug: 1} {
		srv, lines := site(t, serve.Config{Quiet: []string{"GET /quiet"}}, level)
		get(t, srv.URL+"/quiet")
		if got := lines(); len(got) != want {
			t.Errorf("at level %v: %d lines, want %d", level, len(got), want)
		}
	}
}

func TestHeadersThatFitEveryAnswer(t *testing.T) {
	for _, https := range []bool{false, true} {
		srv, _ := site(t, serve.Config{HTTPS: https}, slog.LevelError)
		for _, path := range []string{"/who/a", "/nowhere", "/panic"} {
			res, _ := get(t, srv.URL+path)
			for k, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"} {
				if got := res.Header.Get(k); got != want {
					t.Errorf("%s: %s is %q, want %q", path, k, got, want)
				}
			}
			if hsts := res.Header.Get("Strict-Transport-Security"); (hsts != "") != https {
				t.Errorf("%s: HSTS %q with https %v", path, hsts, https)
			}
			if len(res.Header.Get("X-Request-Id")) < 26 {
				t.Errorf("%s: request id %q", path, res.Header.Get("X-Request-Id"))
			}
		}
	}
}

func TestRequestIDIsOursAlone(t *testing.T) {
	srv, _ := site(t, serve.Config{}, slog.LevelError)
	res, _ := get(t, srv.URL+"/who/a", "X-Request-Id", "forged")
	if id := res.Header.Get("X-Request-Id"); id == "forged" {
		t.Error("a caller chose the request id")
	}
}

func TestPanicIsAnsweredWithAReferenceThatFindsItsLine(t *testing.T) {
	srv, lines := site(t, serve.Config{}, slog.LevelInfo)
	res, body := get(t, srv.URL+"/panic")
	id := res.Header.Get("X-Request-Id")
	if res.StatusCode != 500 || !strings.Contains(body, id) || strings.Contains(body, "secret of the stack") {
		t.Errorf("answer %d %q", res.StatusCode, body)
	}
	got := lines()
	if len(got) != 2 || got[0]["id"] != id || got[0]["panic"] != "secret of the stack" || got[1]["id"] != id || got[1]["status"] != 500.0 {
		t.Errorf("lines %v", got)
	}
}

func TestPanicAfterHalfAnAnswerBreaksTheConnection(t *testing.T) {
	srv, _ := site(t, serve.Config{}, slog.LevelError+1)
	res, err := http.Get(srv.URL + "/late")
	if err != nil {
		return // broken before the client saw the headers
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("half an answer passed for a whole one")
	}
}

func TestErrorPageForPeopleOnly(t *testing.T) {
	page := func(w http.ResponseWriter, r *http.Request, status int, key string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<p>"+key+" "+serve.From(r.Context()).ID)
	}
	srv, _ := site(t, serve.Config{ErrorPage: page}, slog.LevelError+1)
	res, body := get(t, srv.URL+"/panic", "Accept", "text/html,*/*")
	if res.StatusCode != 500 || body != "<p>"+serve.KeyFault+" "+res.Header.Get("X-Request-Id") {
		t.Errorf("a browser is told %d %q", res.StatusCode, body)
	}
	if _, body := get(t, srv.URL+"/panic", "Accept", "application/json"); strings.Contains(body, "<p>") {
		t.Errorf("a program is told %q", body)
	}

	broken := func(http.ResponseWriter, *http.Request, int, string) { panic("the page too") }
	srv, _ = site(t, serve.Config{ErrorPage: broken}, slog.LevelError+1)
	if res, body := get(t, srv.URL+"/panic", "Accept", "text/html"); res.StatusCode != 500 || !strings.Contains(body, "reference") {
		t.Errorf("with a broken page: %d %q", res.StatusCode, body)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	srv, _ := site(t, serve.Config{}, slog.LevelError)
	for name, c := range map[string]struct {
		body io.Reader
		want int
	}{
		"at the bound":                  {bytes.NewReader(make([]byte, serve.MaxBody)), 204},
		"a byte more, announced":        {bytes.NewReader(make([]byte, serve.MaxBody+1)), 413},
		"a byte more, of unknown size":  {io.MultiReader(bytes.NewReader(make([]byte, serve.MaxBody+1))), 413},
		"at the bound, of unknown size": {io.MultiReader(bytes.NewReader(make([]byte, serve.MaxBody))), 204},
	} {
		res, err := http.Post(srv.URL+"/body", "application/x-www-form-urlencoded", c.body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", name, res.StatusCode, c.want)
		}
	}
}

func TestLimitsPerAddress(t *testing.T) {
	left := 2
	limit := serve.Limit{
		Name:    "sign-in",
		Applies: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/who/") },
		Allow: func(address string) (time.Duration, bool) {
			if address != "127.0.0.1" {
				t.Errorf("asked for %q", address)
			}
			left--
			return 1500 * time.Millisecond, left >= 0
		},
	}
	srv, lines := site(t, serve.Config{Limits: []serve.Limit{limit}}, slog.LevelInfo)
	for i, want := range []int{200, 200, 429} {
		res, _ := get(t, srv.URL+"/who/a")
		if res.StatusCode != want {
			t.Errorf("request %d: %d, want %d", i, res.StatusCode, want)
		}
		if want == 429 && res.Header.Get("Retry-After") != "2" {
			t.Errorf("Retry-After %q, want 2 (seconds, rounded up)", res.Header.Get("Retry-After"))
		}
	}
	if res, _ := get(t, srv.URL+"/quiet"); res.StatusCode != 200 {
		t.Errorf("a route without the limit: %d", res.StatusCode)
	}
	if l := lines()[2]; l["limit"] != "sign-in" || l["status"] != 429.0 {
		t.Errorf("line %v", l)
	}
}

func TestClientAddress(t *testing.T) {
	loop := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	both := append(loop, netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48"))
	for name, c := range map[string]struct {
		trusted []netip.Prefix
		header  []string
		want    string
	}{
		"nobody is trusted by default":                    {nil, []string{"192.0.2.1"}, "127.0.0.1"},
		"a trusted proxy names the client":                {loop, []string{"192.0.2.1"}, "192.0.2.1"},
		"what the client wrote itself is not reached":     {loop, []string{"6.6.6.6, 192.0.2.1"}, "192.0.2.1"},
		"nor in a header line of its own":                 {loop, []string{"6.6.6.6", "192.0.2.1"}, "192.0.2.1"},
		"two proxies":                                     {both, []string{"192.0.2.1, 10.1.2.3"}, "192.0.2.1"},
		"a client inside a trusted range":                 {both, []string{"10.9.9.9"}, "10.9.9.9"},
		"no header":                                       {loop, nil, "127.0.0.1"},
		"an empty header":                                 {loop, []string{""}, "127.0.0.1"},
		"garbage at our end stays with the proxy":         {loop, []string{"192.0.2.1, nonsense"}, "127.0.0.1"},
		"an empty entry at our end stays with the proxy":  {loop, []string{"192.0.2.1,"}, "127.0.0.1"},
		"garbage farther out stays with the nearer proxy": {both, []string{"192.0.2.1, nonsense, 10.1.2.3"}, "10.1.2.3"},
		"garbage beyond the client changes nothing":       {loop, []string{"nonsense, 192.0.2.1"}, "192.0.2.1"},
		"with a port":                                     {loop, []string{"192.0.2.1:5555"}, "192.0.2.1"},
		"IPv6":                                            {both, []string{"2001:db8:2::1, 2001:db8:1::9"}, "2001:db8:2::1"},
		"IPv6 with a port":                                {both, []string{"[2001:db8:2::1]:443"}, "2001:db8:2::1"},
		"IPv4 written as IPv6":                            {loop, []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		"a zone is cut off":                               {loop, []string{"fe80::1%eth0"}, "fe80::1"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, _ := site(t, serve.Config{TrustedProxies: c.trusted}, slog.LevelError)
			var header []string
			for _, h := range c.header {
				header = append(header, "X-Forwarded-For", h)
			}
			if _, got := get(t, srv.URL+"/who/a", header...); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// FuzzClientAddress holds that an untrusted peer is always itself, and that a
// trusted one never makes the address anything but an address.
func FuzzClientAddress(f *testing.F) {
	f.Add("192.0.2.1, nonsense")
	f.Add("::1%eth0,[::]:1")
	f.Fuzz(func(t *testing.T, header string) {
		for _, trusted := range [][]netip.Prefix{nil, {netip.MustParsePrefix("203.0.113.0/24")}} {
			var got string
			h := serve.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got = serve.From(r.Context()).Address
			}), serve.Config{TrustedProxies: trusted, Log: slog.New(slog.DiscardHandler)})
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = "203.0.113.9:1234"
			r.Header.Set("X-Forwarded-For", header)
			h.ServeHTTP(httptest.NewRecorder(), r)
			if _, err := netip.ParseAddr(got); err != nil || trusted == nil && got != "203.0.113.9" {
				t.Fatalf("address %q", got)
			}
		}
	})
}

func BenchmarkHandler(b *testing.B) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /x", func(http.ResponseWriter, *http.Request) {})
	for name, h := range map[string]slog.Handler{
		"off":  slog.DiscardHandler,
		"text": slog.DiscardHandler,
		"json": slog.DiscardHandler,
	} {
		b.Run(name, func(b *testing.B) {
			h := serve.Handler(mux, serve.Config{Log: slog.New(h)})
			r := httptest.NewRequest(http.MethodGet, "/x", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(discard{http.Header{}}, r)
			}
		})
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// Paths that take a file take it, and no more; all others stay as they are.
func TestLargerBodies(t *testing.T) {
	srv, _ := site(t, serve.Config{Bodies: map[string]int64{"/body": 3 * serve.MaxBody}}, slog.LevelError)
	for size, want := range map[int]int{3 * serve.MaxBody: http.StatusNoContent, 3*serve.MaxBody + 1: http.StatusRequestEntityTooLarge} {
		res, err := http.Post(srv.URL+"/body", "text/plain", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d bytes: %d, want %d", size, res.StatusCode, want)
		}
	}
	res, err := http.Post(srv.URL+"/body/", "text/plain", strings.NewReader(strings.Repeat("x", serve.MaxBody+1)))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("another path: %d", res.StatusCode)
	}
}

// Programs are told in their own language also what their door never hears of.
func TestRefusalsToPrograms(t *testing.T) {
	srv, _ := site(t, serve.Config{Problems: []string{"/body"}}, slog.LevelError)
	res, err := http.Post(srv.URL+"/body", "application/json", strings.NewReader(strings.Repeat("x", serve.MaxBody+1)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var problem struct {
		Type, Title, Request string
		Status               int
	}
	if err := json.NewDecoder(res.Body).Decode(&problem); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusRequestEntityTooLarge || res.Header.Get("Content-Type") != "application/problem+json" ||
		problem.Status != res.StatusCode || problem.Request != res.Header.Get("X-Request-Id") || problem.Title == "" || problem.Type != "about:blank" {
		t.Errorf("%d %v %+v", res.StatusCode, res.Header, problem)
	}
}
