package logout_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/idptest"
	"hilum/idp/logout"
	"hilum/idp/outbound"
	"hilum/idp/store"
)

var _ logout.Store = (*store.DB)(nil)

// house is a database, a clock, and applications.
type house struct {
	*testing.T
	database store.Config
	db       *store.DB
	pool     *x509.CertPool

	mu  sync.Mutex
	now time.Time
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func newHouse(t *testing.T) *house {
	h := &house{T: t, database: idptest.Database(t), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), pool: x509.NewCertPool()}
	h.database.Key, h.database.Now, h.database.Log = make([]byte, 32), h.clock, idptest.Quiet()
	h.db = h.open()
	u := &idp.User{ID: "anna", Name: "anna", DisplayName: "Anna", State: idp.UserActive, CreatedAt: h.now, UpdatedAt: h.now}
	h.ok(h.db.AddUser(t.Context(), u))
	return h
}

func (h *house) open() *store.DB {
	h.Helper()
	db, err := store.Open(h.Context(), h.database)
	h.ok(err)
	h.Cleanup(func() { db.Close() })
	return db
}

func (h *house) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// app registers an application.
func (h *house) app(id idp.ClientID, address string) {
	h.Helper()
	h.ok(h.db.AddClient(h.Context(), &idp.Client{ID: id, Name: string(id), Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode}, LogoutURI: address, CreatedAt: h.now, UpdatedAt: h.now}))
}

// serves is an application that answers over TLS, with a certificate that is trusted.
func (h *house) serves(id idp.ClientID, handler http.HandlerFunc) *httptest.Server {
	h.Helper()
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	srv.StartTLS()
	h.Cleanup(srv.Close)
	h.pool.AddCert(srv.Certificate())
	h.app(id, srv.URL+"/told?a=b")
	return srv
}

// ends has a session of anna with these applications begin and end.
func (h *house) ends(clients ...idp.ClientID) idp.SessionID {
	h.Helper()
	ctx, now := h.Context(), h.clock()
	s := &idp.Session{
		ID: idp.NewID[idp.SessionID](), Token: idp.NewToken().Hash(), Browser: idp.NewToken().Hash(), User: "anna", AuthTime: now,
		CreatedAt: now, LastSeenAt: now, IdleAfter: time.Hour, ExpiresAt: now.Add(12 * time.Hour),
	}
	l := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForClient, State: idp.LoginDone, Browser: s.Browser, User: "anna", CreatedAt: now, ExpiresAt: now.Add(time.Minute)}
	h.ok(h.db.AddLogin(ctx, l))
	h.ok(h.db.Collect(ctx, l.ID, func(c *idp.Collection) error { c.Session = s; return nil }))
	for _, id := range clients {
		g := &idp.Grant{ID: idp.NewID[idp.GrantID](), Client: id, User: "anna", Session: s.ID, CreatedAt: now, ExpiresAt: s.ExpiresAt}
		h.ok(h.db.AddGrant(ctx, s, g, &idp.Code{Hash: idp.NewToken().Hash(), Grant: g.ID, ExpiresAt: s.ExpiresAt}))
	}
	_, err := h.db.CutOff(ctx, idp.CutOff{User: "anna", Cause: idp.CutEndedOne, Session: s.ID, Because: idp.Event{At: now, Kind: idp.EventSessionEnded, User: "anna"}})
	h.ok(err)
	return s.ID
}

// notice is how telling an application of a session stands.
func (h *house) notice(id idp.SessionID, client idp.ClientID) *idp.Notice {
	h.Helper()
	e, err := h.db.EndedSession(h.Context(), id)
	h.ok(err)
	for i := range e.Notices {
		if e.Notices[i].Client == client {
			return &e.Notices[i]
		}
	}
	h.Fatalf("no notice to %s", client)
	return nil
}

// until waits for something that other goroutines do.
func (h *house) until(what string, done func() bool) {
	h.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			h.Fatalf("%s: it does not come", what)
		}
	}
}

func (h *house) events(kind idp.EventKind) (of []idp.Event) {
	h.Helper()
	all, err := h.db.Events(h.Context(), 0, 100_000)
	h.ok(err)
	return slices.DeleteFunc(all, func(e idp.Event) bool { return e.Kind != kind })
}

// mint makes a token that says what it is made of.
type mint struct{ err error }

func (m mint) LogoutToken(c *idp.Client, user idp.UserID, session idp.SessionID) (idp.Secret, error) {
	return idp.Secret(fmt.Sprintf("%s.%s.%s", c.ID, user, session)), m.err
}

var home = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// patience bounds each call. An application that answers has to manage on a machine
// that is busy with other tests, too.
const patience = 5 * time.Second

func (h *house) config(db *store.DB) logout.Config {
	return logout.Config{
		Store: db, Minter: mint{}, Every: time.Millisecond, Now: h.clock, Log: slog.New(slog.DiscardHandler),
		Client:    outbound.New(outbound.Config{Private: home, Roots: h.pool, Timeout: patience, Plain: true}),
		Forbidden: func(err error) bool { return errors.Is(err, outbound.ErrForbidden) },
	}
}

// run runs a sender until the returned function is called, or the test ends.
func (h *house) run(c logout.Config) (stop func()) {
	ctx, cancel := context.WithCancel(h.Context())
	ended := make(chan struct{})
	go func() { // ends with ctx
		defer close(ended)
		logout.New(c).Run(ctx)
	}()
	stop = func() { cancel(); <-ended }
	h.Cleanup(stop)
	return stop
}

// asked is what an application was asked.
type asked struct {
	mu   sync.Mutex
	list []string
}

func (a *asked) take(r *http.Request) string {
	_ = r.ParseForm()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, r.PostForm.Get("logout_token"))
	return fmt.Sprint(r.Method, " ", r.URL.RequestURI(), " ", r.Header.Get("Content-Type"), " ", len(r.Form)-1, " ", r.PostForm.Get("logout_token"))
}

func (a *asked) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.list)
}

func TestAnApplicationIsTold(t *testing.T) {
	h := newHouse(t)
	said := make(chan string, 1)
	var a asked
	h.serves("viewer", func(w http.ResponseWriter, r *http.Request) {
		said <- a.take(r)
		w.WriteHeader(http.StatusNoContent)
	})
	id := h.ends("viewer")
	h.run(h.config(h.db))
	if got, want := <-said, "POST /told?a=b application/x-www-form-urlencoded 1 viewer.anna."+string(id); got != want {
		t.Errorf("it was sent %q, want %q", got, want)
	}
	h.until("told", func() bool { return h.notice(id, "viewer").Told })
	if e := h.events(idp.EventLogoutTold); len(e) != 1 || e[0].Client != "viewer" || e[0].Session != id || e[0].User != "anna" || e[0].Actor.Name != "provider" {
		t.Errorf("%+v", e)
	}
}

// Whatever an application does, its notice comes to the right end, and no
// other application waits for it.
func TestApplicationsThatMisbehave(t *testing.T) {
	const settled, waits = true, false
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // or it would answer 200 to a client that is just hanging up, and may hear it
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		said    idp.Refusal
		settled bool
	}{
		"hangs":   {hang, idp.RefusedTimeout, waits},
		"fails":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "status 500", waits},
		"is away": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "status 503", waits},
		"is asked too often": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(429)
		}, "status 429", waits},
		"refuses":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }, "status 400", settled},
		"is not there": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, "status 404", settled},
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "status 307", settled},
		"answers at length": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Repeat("x", 4<<20)))
		}, "", settled},
		"drips": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil { // the status alone is the answer
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		}, "", settled},
		"drips headers": {func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			for i := 0; ; i++ {
				if _, err := fmt.Fprintf(conn, "X-%d: y\r\n", i); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}, idp.RefusedTimeout, waits},
		"sends endless headers": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("y", 64<<10))
		}, idp.RefusedUnreachable, waits},
		"closes": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, idp.RefusedUnreachable, waits},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.serves("bad", c.handler)
			h.serves("good", func(http.ResponseWriter, *http.Request) {})
			id := h.ends("bad", "good")
			h.run(h.config(h.db))
			h.until("the other", func() bool { return h.notice(id, "good").Told })
			h.until("tried", func() bool { n := h.notice(id, "bad"); return n.Said != "" || !n.Waits() })
			n := h.notice(id, "bad")
			if n.Said != c.said || !n.Waits() != c.settled || n.Told != (c.said == "") || n.Tries != 1 {
				t.Errorf("%+v", n)
			}
			if name == "is asked too often" && !n.NextAt.Equal(h.clock().Add(10*time.Minute)) {
				t.Errorf("it asked for ten minutes; next at %s", n.NextAt)
			}
			failed := 0
			if c.settled && c.said != "" {
				failed = 1
			}
			if e := h.events(idp.EventLogoutFailed); len(e) != failed || failed == 1 && (e[0].Client != "bad" || e[0].Detail["reason"] != string(c.said)) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// Addresses that may not be called are not: private ones that the operator has
// not named, plain HTTP anywhere but here, certificates of others.
func TestAddressesThatMayNotBeCalled(t *testing.T) {
	h := newHouse(t)
	called := func(http.ResponseWriter, *http.Request) { t.Error("it was called") }
	srv := h.serves("private", called)
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	h.app("named", "https://localhost:"+port+"/")
	plain := httptest.NewServer(http.HandlerFunc(called))
	defer plain.Close()
	h.app("plain", plain.URL)
	h.app("elsewhere", "http://192.0.2.1/")
	h.app("nowhere", "https://127.0.0.1:1/")

	strange := httptest.NewUnstartedServer(http.HandlerFunc(called))
	strange.TLS = &tls.Config{Certificates: []tls.Certificate{ownCertificate(t)}, MinVersion: tls.VersionTLS12}
	strange.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	strange.StartTLS()
	defer strange.Close()
	h.app("strange", strange.URL)

	c := h.config(h.db)
	c.Client = outbound.New(outbound.Config{Roots: h.pool, Plain: true})
	id := h.ends("private", "named", "plain", "elsewhere")
	stop := h.run(c)
	for _, app := range []idp.ClientID{"private", "named", "plain", "elsewhere"} {
		h.until(string(app), func() bool { return h.notice(id, app).Said != "" })
		if n := h.notice(id, app); n.Said != idp.RefusedForbidden || !n.Waits() { // the operator may name it within hours
			t.Errorf("%s: %+v", app, n)
		}
	}
	stop()

	id = h.ends("strange", "elsewhere", "nowhere")
	h.run(h.config(h.db))
	for app, said := range map[idp.ClientID]idp.Refusal{"strange": idp.RefusedCertificate, "elsewhere": idp.RefusedForbidden, "nowhere": idp.RefusedUnreachable} {
		h.until(string(app), func() bool { return h.notice(id, app).Said != "" })
		if n := h.notice(id, app); n.Said != said || !n.Waits() {
			t.Errorf("%s: %+v", app, n)
		}
	}
}

// ownCertificate is one that nobody trusts.
func ownCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// This machine is called without TLS where the operator has named it.
func TestPlainHTTPHere(t *testing.T) {
	h := newHouse(t)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	h.app("viewer", srv.URL)
	id := h.ends("viewer")
	h.run(h.config(h.db))
	h.until("told", func() bool { return h.notice(id, "viewer").Told })
}

// An application that is down is told when it is back; what ended meanwhile too.
func TestAnApplicationThatComesBack(t *testing.T) {
	h := newHouse(t)
	var up sync.Map
	h.serves("viewer", func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := up.Load("up"); !ok {
			w.WriteHeader(502)
		}
	})
	ids := []idp.SessionID{h.ends("viewer"), h.ends("viewer"), h.ends("viewer")}
	h.run(h.config(h.db))
	tried := func(n int, wait time.Duration) func() bool {
		return func() bool {
			return !slices.ContainsFunc(ids, func(id idp.SessionID) bool {
				x := h.notice(id, "viewer")
				return x.Tries != n || !x.NextAt.Equal(h.clock().Add(wait))
			})
		}
	}
	h.until("first tries", tried(1, 5*time.Second))
	h.pass(5 * time.Second)
	h.until("second tries", tried(2, 20*time.Second))
	up.Store("up", true)
	h.pass(20 * time.Second)
	h.until("told", func() bool {
		return !slices.ContainsFunc(ids, func(id idp.SessionID) bool { return !h.notice(id, "viewer").Told })
	})
	figures, err := h.db.LogoutFigures(t.Context(), "viewer")
	h.ok(err)
	if len(figures) != 0 {
		t.Errorf("figures %+v", figures)
	}
	for _, e := range h.events(idp.EventLogoutTold) {
		if e.Detail["count"] != "3" {
			t.Errorf("told at try %s", e.Detail["count"])
		}
	}
}

// Two instances tell an application once of each session.
func TestTwoSendersTellOnce(t *testing.T) {
	h := newHouse(t)
	var a asked
	h.serves("viewer", func(_ http.ResponseWriter, r *http.Request) { a.take(r) })
	const n = 40
	var ids []idp.SessionID
	for range n {
		ids = append(ids, h.ends("viewer"))
	}
	h.run(h.config(h.db))
	h.run(h.config(h.open()))
	h.until("told", func() bool {
		return !slices.ContainsFunc(ids, func(id idp.SessionID) bool { return !h.notice(id, "viewer").Told })
	})
	slices.Sort(a.list)
	if of := slices.Compact(slices.Clone(a.list)); len(of) != n || len(a.list) != n {
		t.Errorf("%d calls for %d of %d sessions", len(a.list), len(of), n)
	}
}

// What is under way when the provider ends is put back and told by the next;
// what a crash leaves claimed, when the claim has run out.
func TestNoticesOutliveTheProvider(t *testing.T) {
	h := newHouse(t)
	var a asked
	open := make(chan struct{})
	h.serves("viewer", func(_ http.ResponseWriter, r *http.Request) {
		a.take(r)
		select {
		case <-open:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	})
	id := h.ends("viewer")
	c := h.config(h.db)
	c.Client = outbound.New(outbound.Config{Private: home, Roots: h.pool, Timeout: time.Minute})
	stop := h.run(c)
	h.until("the call", func() bool { return a.count() == 1 })
	stop()
	if n := h.notice(id, "viewer"); !n.Waits() || n.Tries != 0 || n.Said != "" || n.NextAt.After(h.clock()) {
		t.Fatalf("put back: %+v", n)
	}

	crashed := h.ends("viewer")
	for range 2 { // claimed by one who is not heard of again
		_, err := h.db.ClaimNotice(t.Context(), "viewer", h.clock())
		h.ok(err)
	}
	h.ok(h.db.Close())
	h.db = h.open()
	close(open)
	stop = h.run(h.config(h.db))
	due, err := h.db.NoticeClients(t.Context(), h.clock())
	h.ok(err)
	if len(due) != 0 {
		t.Errorf("due while claimed: %v", due)
	}
	h.pass(idp.NoticeLease)
	h.until("told", func() bool { return h.notice(id, "viewer").Told && h.notice(crashed, "viewer").Told })
	stop()
}

// One application with many notices that hangs takes no more than its lanes.
func TestASlowApplicationTakesItsOwnTimeOnly(t *testing.T) {
	h := newHouse(t)
	var at, most int
	var mu sync.Mutex
	h.serves("slow", func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		at++
		most = max(most, at)
		mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		mu.Lock()
		at--
		mu.Unlock()
		panic(http.ErrAbortHandler)
	})
	var good []idp.ClientID
	for i := range 5 {
		id := idp.ClientID("good-" + strconv.Itoa(i))
		good = append(good, id)
		h.serves(id, func(http.ResponseWriter, *http.Request) {})
	}
	for range 30 {
		h.ends("slow")
	}
	id := h.ends(append(good, "slow")...)
	c := h.config(h.db)
	c.Client = outbound.New(outbound.Config{Private: home, Roots: h.pool, Timeout: time.Minute})
	stop := h.run(c)
	for _, app := range good {
		h.until(string(app), func() bool { return h.notice(id, app).Told })
	}
	stop()
	mu.Lock()
	defer mu.Unlock()
	if most > 2 {
		t.Errorf("%d calls at once to one application", most)
	}
}

func TestNobodyToTell(t *testing.T) {
	h := newHouse(t)
	h.app("viewer", "https://127.0.0.1:1/")
	h.app("removed", "https://127.0.0.1:1/")
	h.app("keyless", "https://127.0.0.1:1/")
	id := h.ends("viewer", "removed")
	h.ok(h.db.UpdateClient(t.Context(), "viewer", func(c *idp.Client) error { c.LogoutURI = ""; return nil }))
	h.ok(h.db.RemoveClient(t.Context(), "removed", idp.Event{At: h.now, Kind: idp.EventClientChanged}))
	c := h.config(h.db)
	c.Minter = mint{errors.New("no key")}
	h.run(c)
	for _, app := range []idp.ClientID{"viewer", "removed"} {
		h.until(string(app), func() bool { return !h.notice(id, app).Waits() })
		if n := h.notice(id, app); n.Told || n.Said != idp.RefusedGone {
			t.Errorf("%s: %+v", app, n)
		}
	}
	id = h.ends("keyless")
	h.until("keyless", func() bool { return h.notice(id, "keyless").Said == idp.RefusedKey })
}
