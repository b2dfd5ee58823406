package oidc

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/outbound"
	"hilum/idp/ping"
)

// notifyToken is a client_notification_token.
const notifyToken = "8d67dc78-7faa-4d41-aabd-67707b374255"

// pinged is a receiver of pings: an application over TLS.
type pinged struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string // method, path, Authorization, Content-Type and body of each
}

func (p *pinged) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

// newPinged starts a receiver that answers as handler does, with how often it was called.
func newPinged(t *testing.T, handler func(n int, w http.ResponseWriter, r *http.Request)) *pinged {
	t.Helper()
	p := &pinged{}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.calls = append(p.calls, fmt.Sprint(r.Method, " ", r.URL.RequestURI(), " ", r.Header.Get("Authorization"), " ", r.Header.Get("Content-Type"), " ", string(body)))
		n := len(p.calls)
		p.mu.Unlock()
		handler(n, w, r)
	}))
	p.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

func takes(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// pings makes a client one that is called at an address.
func pings(address string) func(*idp.Client) {
	return func(c *idp.Client) {
		asks(c)
		c.Backchannel = idp.ClientBackchannel{Mode: idp.DeliverPing, NotifyURI: address}
	}
}

// sends tells the applications of a site by pings until stop is called, or the test ends.
// calls is the HTTP client; nil: one that trusts the receiver and may call this machine.
func (s *site) sends(t *testing.T, p *pinged, calls *http.Client) (stop func()) {
	t.Helper()
	if calls == nil {
		pool := x509.NewCertPool()
		pool.AddCert(p.Certificate())
		calls = outbound.New(outbound.Config{Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Roots: pool, Timeout: 300 * time.Millisecond})
	}
	sender := ping.New(ping.Config{
		Store: s.db, Sealer: s.sealer, Client: calls, Forbidden: func(err error) bool { return errors.Is(err, outbound.ErrForbidden) },
		Failed: func(id idp.ClientID, said idp.Refusal) {
			if s.server.conf.Rejected != nil {
				s.server.conf.Rejected(id, idp.Rejection{Reason: idp.RejectedPing, Sent: string(said)})
			}
		},
		Every: 2 * time.Millisecond, Now: s.clock.Now, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		sender.Run(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

// soon waits for something that another goroutine does.
func soon(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it does not come", what)
		}
	}
}

// TestPing: an application is told once, by its token, that there is an outcome, a yes, a
// no or that nobody has answered, and finds out which by asking; it may ask before, too
// (CIBA Core 1.0, sections 10.1 and 10.2).
func TestPing(t *testing.T) {
	s := newSite(t)
	p := newPinged(t, takes)
	c := s.addClient(pings(p.URL + "/ping?a=b"))
	s.sends(t, p, nil)
	for name, row := range map[string]struct {
		answer func(*idp.Speaker)
		want   string // of the poll afterwards; empty: tokens
	}{
		"yes":     {func(ph *idp.Speaker) { s.answer(ph, idp.Verdict{Approve: true}) }, ""},
		"no":      {func(ph *idp.Speaker) { s.answer(ph, idp.Verdict{Reason: idp.ReasonMistake}) }, "access_denied"},
		"not me":  {func(ph *idp.Speaker) { s.answer(ph, idp.Verdict{Reason: idp.ReasonNotMe}) }, "access_denied"},
		"silence": {func(*idp.Speaker) { s.clock.Add(idp.ChallengeTTL) }, "expired_token"},
	} {
		person := strings.ReplaceAll(name, " ", "")
		ph := s.phone(s.addPerson(person))
		before := p.count()
		id, r := s.bc(c, "login_hint", person, "client_notification_token", notifyToken)
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", name, r.StatusCode, r.body)
		}
		_, r = s.pollBC(c, id)
		refused(t, r, http.StatusBadRequest, "authorization_pending")
		if p.count() != before {
			t.Fatalf("%s: it is told before there is an outcome", name)
		}
		row.answer(ph)
		soon(t, name, func() bool { return p.count() > before })
		time.Sleep(30 * time.Millisecond) // a second one would come within a few rounds
		if got, want := p.calls[before:], "POST /ping?a=b Bearer "+notifyToken+` application/json {"auth_req_id":"`+id+`"}`; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
		tok, r := s.pollBC(c, id)
		if row.want != "" {
			refused(t, r, http.StatusBadRequest, row.want)
		} else if r.StatusCode != http.StatusOK || tok.ID == "" {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
		s.clock.Add(5 * time.Minute)
	}
	time.Sleep(30 * time.Millisecond)
	if p.count() != 4 {
		t.Errorf("%d pings for 4 requests", p.count())
	}
}

// TestPingTokens: which client_notification_token is good (CIBA Core 1.0, section 7.1), and
// that it is kept sealed.
func TestPingTokens(t *testing.T) {
	s := newSite(t)
	c := s.addClient(pings("https://viewer.test/ping"))
	for i, row := range []struct {
		why, token string
		ok         bool
	}{
		{"none", "", false},
		{"too short to have 128 bits", strings.Repeat("a", minNotification-1), false},
		{"the shortest", strings.Repeat("a", minNotification), true},
		{"the longest", strings.Repeat("a", maxNotification), true},
		{"too long", strings.Repeat("a", maxNotification+1), false},
		{"every character", "AZaz09-._~+/AZaz09-._~+/==", true},
		{"a space", "8d67dc78 7faa-4d41-aabd-67707b374255", false},
		{"an equals sign within", "8d67dc78=7faa-4d41-aabd-67707b374255", false},
		{"equals signs alone", strings.Repeat("=", 30), false},
		{"a quote", `8d67dc78"7faa-4d41-aabd-67707b374255`, false},
		{"an umlaut", "8d67dc78ü7faa-4d41-aabd-67707b374255", false},
		{"a comma", "8d67dc78,7faa-4d41-aabd-67707b374255", false},
		{"a line feed", "8d67dc78-7faa-4d41-aabd-67707b374255\nX-Evil: 1", false},
		{"a colon", "8d67dc78:7faa-4d41-aabd-67707b374255", false},
	} {
		name := "p" + string(rune('a'+i))
		s.phone(s.addPerson(name))
		_, r := s.bc(c, "login_hint", name, "client_notification_token", row.token)
		if row.ok && r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", row.why, r.StatusCode, r.body)
		} else if !row.ok {
			refused(t, r, http.StatusBadRequest, "invalid_request")
		}
	}
	s.clock.Add(idp.ChallengeTTL)
	claimed, err := s.db.ClaimPing(t.Context(), c.ID, s.clock.Now())
	if err != nil || bytes.Contains(claimed.Sealed, []byte("aaaaaaaaaa")) {
		t.Fatalf("%v, or the token can be read in the database", err)
	}
	if _, err := s.sealer.Open(claimed.Sealed, idp.PingRow(claimed.Polled, "another")); err == nil {
		t.Error("it can be given to another client")
	}
	if _, err := s.sealer.Open(claimed.Sealed, idp.PingRow(claimed.Polled, c.ID)); err != nil {
		t.Error(err)
	}
}

// TestPingIsTriedAgain: a receiver that misbehaves harms nobody but itself: what may pass is
// tried again, what says no is not, a redirect is not followed, and the application can ask
// for its tokens all the same.
func TestPingIsTriedAgain(t *testing.T) {
	status := func(code int, headers ...string) func(int, http.ResponseWriter, *http.Request) {
		return func(n int, w http.ResponseWriter, _ *http.Request) {
			if n > 1 {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(code)
		}
	}
	for _, row := range []struct {
		name    string
		handler func(n int, w http.ResponseWriter, r *http.Request)
		calls   int
		said    string // of its page in the administration; empty: nothing
	}{
		{"204", takes, 1, ""},
		{"200 with a body that says no", func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"error":"no"}`) }, 1, ""},
		{"202", status(http.StatusAccepted), 1, ""},
		{"a body without end", func(_ int, w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, 1, ""},
		{"500", status(500), 2, "status 500"},
		{"502", status(502), 2, "status 502"},
		{"503 for a while", status(503, "Retry-After", "1"), 2, "status 503"},
		{"429", status(429), 2, "status 429"},
		{"408", status(408), 2, "status 408"},
		{"400", status(400), 1, "status 400"},
		{"401", status(401, "WWW-Authenticate", "Bearer"), 1, "status 401"},
		{"403", status(403), 1, "status 403"},
		{"404", status(404), 1, "status 404"},
		{"410", status(410), 1, "status 410"},
		{"a redirect for good", status(301, "Location", "/elsewhere"), 1, "status 301"},
		{"a redirect that keeps the method", status(307, "Location", "/elsewhere"), 1, "status 307"},
		{"a redirect to a GET", status(303, "Location", "/elsewhere"), 1, "status 303"},
		{"slow", func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				select {
				case <-r.Context().Done():
				case <-time.After(10 * time.Second):
				}
			}
			w.WriteHeader(http.StatusNoContent)
		}, 2, "timeout"},
		{"closes", func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(http.StatusNoContent)
		}, 2, "unreachable"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			var mu sync.Mutex
			var said []string
			s.server.conf.Rejected = func(_ idp.ClientID, r idp.Rejection) {
				mu.Lock()
				defer mu.Unlock()
				if r.Reason == idp.RejectedPing {
					said = append(said, r.Sent)
				}
			}
			p := newPinged(t, row.handler)
			c := s.addClient(pings(p.URL + "/ping"))
			ph := s.phone(s.addPerson("anna"))
			s.sends(t, p, nil)
			id, _ := s.bc(c, "client_notification_token", notifyToken)
			s.answer(ph, idp.Verdict{Approve: true})
			for try := 1; try <= row.calls; try++ {
				soon(t, fmt.Sprint("call ", try), func() bool { return p.count() >= try })
				if try < row.calls { // what became of it is kept, and then the next is due
					soon(t, "a refusal", func() bool { mu.Lock(); defer mu.Unlock(); return len(said) >= try })
					time.Sleep(20 * time.Millisecond)
					s.clock.Add(3 * time.Second)
				}
			}
			for range 3 {
				time.Sleep(15 * time.Millisecond)
				s.clock.Add(6 * time.Second)
			}
			time.Sleep(30 * time.Millisecond)
			p.mu.Lock()
			calls := slices.Clone(p.calls)
			p.mu.Unlock()
			if len(calls) != row.calls || slices.ContainsFunc(calls, func(c string) bool { return c != calls[0] || !strings.HasPrefix(c, "POST /ping ") }) {
				t.Errorf("called %q", calls)
			}
			mu.Lock()
			if want := row.said; want == "" && len(said) > 0 || want != "" && !slices.Equal(said, []string{want}) {
				t.Errorf("its page says %q", said)
			}
			mu.Unlock()
			if _, r := s.pollBC(c, id); r.StatusCode != http.StatusOK {
				t.Errorf("%d %s", r.StatusCode, r.body)
			}
		})
	}
}

// TestPingIsGivenUp: a receiver that never takes one is left alone once asking is of no use
// any more; one at an address that may not be called, or without a certificate that is
// trusted, is never told anything.
func TestPingIsGivenUp(t *testing.T) {
	s := newSite(t)
	p := newPinged(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	c := s.addClient(pings(p.URL))
	ph := s.phone(s.addPerson("anna"))
	stop := s.sends(t, p, nil)
	s.bc(c, "client_notification_token", notifyToken)
	s.answer(ph, idp.Verdict{Approve: true})
	for range 60 {
		time.Sleep(15 * time.Millisecond)
		s.clock.Add(10 * time.Second)
	}
	if n := p.count(); n < 5 || n > 20 {
		t.Errorf("called %d times within three minutes", n)
	}
	if due, err := s.db.PingClients(t.Context(), s.clock.Now()); err != nil || len(due) != 0 {
		t.Errorf("%v still wait, %v", due, err)
	}
	stop()
	pool := x509.NewCertPool()
	pool.AddCert(p.Certificate())
	for name, row := range map[string]struct {
		calls *http.Client
		said  string
	}{
		"forbidden": {outbound.New(outbound.Config{Roots: pool}), "forbidden"},
		"untrusted": {outbound.New(outbound.Config{Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), "certificate"},
	} {
		said := make(chan string, 100)
		c := s.addClient(pings(p.URL))
		s.server.conf.Rejected = func(id idp.ClientID, r idp.Rejection) {
			if id == c.ID {
				said <- r.Sent
			}
		}
		ph, before := s.phone(s.addPerson(name)), p.count()
		stop := s.sends(t, p, row.calls)
		s.bc(c, "login_hint", name, "client_notification_token", notifyToken)
		s.answer(ph, idp.Verdict{Approve: true})
		select {
		case got := <-said:
			if got != row.said {
				t.Errorf("%s: %q", name, got)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: nothing is said", name)
		}
		stop()
		if p.count() != before {
			t.Errorf("%s: it is called", name)
		}
		s.clock.Add(10 * time.Minute)
	}
}

// TestPingSurvives: an answer that comes while nothing is sent is told by the next start; a
// call that the end of the provider breaks off is made again; and what lies longer than asking
// is of use is not told any more.
func TestPingSurvives(t *testing.T) {
	s := newSite(t)
	hang := make(chan struct{})
	p := newPinged(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
	defer close(hang)
	c := s.addClient(pings(p.URL))
	ph := s.phone(s.addPerson("anna"))
	id, _ := s.bc(c, "client_notification_token", notifyToken)
	s.answer(ph, idp.Verdict{Approve: true}) // and the provider ends before anything is sent
	pool := x509.NewCertPool()
	pool.AddCert(p.Certificate())
	patient := outbound.New(outbound.Config{Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Roots: pool, Timeout: 20 * time.Second})
	stop := s.sends(t, p, patient)
	soon(t, "the first call", func() bool { return p.count() == 1 })
	stop() // in the middle of the call
	stop = s.sends(t, p, nil)
	soon(t, "the second call", func() bool { return p.count() == 2 })
	time.Sleep(30 * time.Millisecond)
	stop()
	if p.count() != 2 || p.calls[0] != p.calls[1] {
		t.Errorf("%q", p.calls)
	}
	if _, r := s.pollBC(c, id); r.StatusCode != http.StatusOK {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	ph = s.phone(s.addPerson("bert"))
	s.bc(c, "login_hint", "bert", "client_notification_token", notifyToken)
	s.answer(ph, idp.Verdict{Approve: true})
	s.clock.Add(time.Hour)
	stop = s.sends(t, p, nil)
	soon(t, "the end of a late one", func() bool {
		due, err := s.db.PingClients(t.Context(), s.clock.Now().Add(time.Hour))
		return err == nil && len(due) == 0
	})
	stop()
	if p.count() != 2 {
		t.Errorf("it is told an hour later: %q", p.calls[2:])
	}
}

// TestPingIsTakenAway: what was changed between the answer and the call counts; and what was
// taken away after it makes the tokens unattainable.
func TestPingIsTakenAway(t *testing.T) {
	s := newSite(t)
	for i, row := range []struct {
		name  string
		take  func(*client, *person)
		calls int
		want  string // of the poll afterwards
	}{
		{"disabled", func(c *client, _ *person) { s.editClient(c, func(c *idp.Client) { c.Disabled = true }) }, 0, "401 invalid_client"},
		{"polls now", func(c *client, _ *person) {
			s.editClient(c, func(c *idp.Client) { c.Backchannel = idp.ClientBackchannel{} })
		}, 0, ""},
		{"another grant type", func(c *client, _ *person) {
			s.editClient(c, func(c *idp.Client) {
				c.GrantTypes, c.RedirectURIs, c.Backchannel = []string{idp.GrantCode}, []string{callback}, idp.ClientBackchannel{}
			})
		}, 0, "400 unauthorized_client"},
		{"removed", func(c *client, _ *person) {
			if err := s.desk.RemoveClient(t.Context(), s.admin, c.ID); err != nil {
				t.Error(err)
			}
		}, 0, "401 invalid_client"},
		{"has asked by itself", func(c *client, _ *person) {}, 0, "asked"},
		{"person blocked", func(_ *client, p *person) {
			if err := s.desk.Disable(t.Context(), s.admin, p.ID, "left"); err != nil {
				t.Error(err)
			}
		}, 1, "400 invalid_grant"},
		{"session ended", func(_ *client, p *person) {
			all, err := s.flow.Sessions(t.Context(), p.ID)
			if err != nil || len(all) == 0 {
				t.Fatalf("no session: %v", err)
			}
			for _, view := range all {
				if err := s.flow.EndSession(t.Context(), idp.Actor{User: p.ID}, p.ID, view.ID); err != nil {
					t.Error(err)
				}
			}
		}, 1, "400 invalid_grant"},
	} {
		p := newPinged(t, takes)
		c := s.addClient(pings(p.URL))
		name := "p" + string(rune('a'+i))
		anna := s.addPerson(name)
		ph := s.phone(anna)
		id, r := s.bc(c, "login_hint", name, "client_notification_token", notifyToken)
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", row.name, r.body)
		}
		s.answer(ph, idp.Verdict{Approve: true})
		row.take(c, anna)
		if row.want == "asked" {
			if _, r := s.pollBC(c, id); r.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", row.name, r.body)
			}
		}
		stop := s.sends(t, p, nil)
		soon(t, row.name, func() bool {
			due, err := s.db.PingClients(t.Context(), s.clock.Now().Add(time.Hour))
			return err == nil && !slices.Contains(due, c.ID)
		})
		stop()
		if p.count() != row.calls {
			t.Errorf("%s: called %d times", row.name, p.count())
		}
		if row.want == "asked" {
			continue
		}
		_, r = s.pollBC(c, id)
		if got := said(t, r); row.want == "" && r.StatusCode != http.StatusOK || row.want != "" && got != row.want {
			t.Errorf("%s: told %s", row.name, got)
		}
	}
}

// TestPingOfWhoIsNotAsked: a request that is refused because phones are not asked leaves no
// ping behind: its client was told at once.
func TestPingOfWhoIsNotAsked(t *testing.T) {
	s := newSite(t)
	p := newPinged(t, takes)
	c := s.addClient(pings(p.URL))
	ph := s.phone(s.addPerson("anna"))
	s.bc(c, "client_notification_token", notifyToken)
	s.answer(ph, idp.Verdict{Reason: idp.ReasonMistake})
	_, r := s.bc(c, "client_notification_token", notifyToken)
	refused(t, r, http.StatusForbidden, "access_denied")
	s.clock.Add(idp.ChallengeTTL)
	s.sends(t, p, nil)
	soon(t, "the ping of the first", func() bool { return p.count() == 1 })
	time.Sleep(50 * time.Millisecond)
	if p.count() != 1 {
		t.Errorf("%q", p.calls)
	}
}

// TestDiscoveryOfTheBackchannel: what discovery says of CIBA (CIBA Core 1.0, section 4).
func TestDiscoveryOfTheBackchannel(t *testing.T) {
	s := newSite(t)
	var got map[string]any
	if err := json.Unmarshal([]byte(s.browser().get(pathDiscovery).body), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"backchannel_token_delivery_modes_supported":                      "[poll ping]",
		"backchannel_authentication_request_signing_alg_values_supported": "[PS256 ES256 EdDSA RS256]",
		"backchannel_user_code_parameter_supported":                       "false",
		"backchannel_authentication_endpoint":                             s.issuer + pathBackchannel,
	} {
		if fmt.Sprint(got[name]) != want {
			t.Errorf("%s is %v", name, got[name])
		}
	}
}
