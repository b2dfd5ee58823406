package oidc

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/jwks"
	"hilum/idp/keyring"
	"hilum/idp/outbound"
	"hilum/idp/recent"
)

// TestJWKSURIIsGuarded reads the keys of clients by the client that calls addresses of
// others: whatever a jwks_uri does, nobody else is called, no answer is waited for or read
// without a bound, and a client with such keys is refused, not the provider harmed.
func TestJWKSURIIsGuarded(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	key := newKey(t, keyring.ES256, "k")
	set := setOf(t, key)
	var inside atomic.Int32
	secret := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		inside.Add(1)
		_, _ = w.Write([]byte(set))
	}))
	defer secret.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(set)) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, secret.URL, http.StatusFound) })
	mux.HandleFunc("/near", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/good", http.StatusSeeOther) })
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.TrimSuffix(set, "}") + strings.Repeat(" ", jwks.MaxBytes) + "}"))
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte(strings.Repeat(" ", 4<<10))); err != nil {
				return
			}
		}
	})
	over := make(chan struct{})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-over // not with the request: a connection says that it ends before it does, and the answer would end well between the two
	})
	there := httptest.NewUnstartedServer(mux)
	there.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	there.StartTLS()
	defer there.Close()
	defer close(over)
	roots := x509.NewCertPool()
	roots.AddCert(there.Certificate())
	conf := outbound.Config{Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Roots: roots, Timeout: 500 * time.Millisecond}
	allowed := outbound.New(conf)
	conf.Private = nil
	guarded := outbound.New(conf)
	for name, c := range map[string]struct {
		uri   string
		fetch *http.Client
		said  string // by its page; empty: it is let in
	}{
		"as it should be":             {there.URL + "/good", allowed, ""},
		"inside the network":          {there.URL + "/good", guarded, "it cannot be called"},
		"by a name for this machine":  {strings.Replace(there.URL, "127.0.0.1", "localhost", 1) + "/good", guarded, "it cannot be called"},
		"a redirect into the network": {there.URL + "/away", allowed, "status 302"},
		"a redirect on the spot":      {there.URL + "/near", allowed, "status 303"},
		"too long":                    {there.URL + "/long", allowed, "not a JWK Set"},
		"endless":                     {there.URL + "/endless", allowed, "not a JWK Set"},
		"never done":                  {there.URL + "/slow", allowed, "breaks off"},
		"a certificate of another":    {strings.Replace(there.URL, "127.0.0.1", "127.0.0.2", 1) + "/good", allowed, "it cannot be called"},
		"nothing there":               {there.URL + "/none", allowed, "status 404"},
	} {
		s.server.keys.fetch = c.fetch
		app := s.addClient(func(a *idp.Client) { a.Auth, a.JWKSURI = idp.AuthPrivateKey, c.uri })
		app.key = key
		began := time.Now()
		_, r := s.token(app, "grant_type", idp.GrantClientCredentials)
		took := time.Since(began)
		switch got := list.Of(app.ID); {
		case c.said == "":
			if r.StatusCode != http.StatusOK {
				t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
			}
		case r.StatusCode != http.StatusUnauthorized || len(got) == 0 || got[0].Reason != idp.RejectedKeys || !strings.Contains(got[0].Sent, c.said):
			t.Errorf("%s: %d %s, its page says %+v", name, r.StatusCode, r.body, got)
		}
		if took > 10*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
	}
	if n := inside.Load(); n != 0 {
		t.Errorf("the network inside was called %d times", n)
	}
}

// TestManyAtOnceReadKeysOnce: requests that come together for keys that are not there yet
// cause one call, also when each names a kid that nobody has, and also while it is slow.
func TestManyAtOnceReadKeysOnce(t *testing.T) {
	s := newSite(t)
	key := newKey(t, keyring.ES256, "k")
	set := setOf(t, key)
	var calls atomic.Int32
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		time.Sleep(50 * time.Millisecond)
		_, _ = w.Write([]byte(set))
	}))
	defer there.Close()
	s.server.keys.fetch = there.Client()
	app := s.addClient(func(a *idp.Client) { a.Auth, a.JWKSURI = idp.AuthPrivateKey, there.URL+"/jwks" })
	other := s.addClient(func(a *idp.Client) { a.Auth, a.JWKSURI = idp.AuthPrivateKey, there.URL+"/other" })
	app.key, other.key = key, key
	burst := func() (good int32) {
		var let atomic.Int32
		var all sync.WaitGroup
		for i := range 12 {
			c := *app
			if i%2 == 1 {
				c.key = newKey(t, keyring.ES256, "made up "+string(rune('a'+i)))
			}
			all.Go(func() {
				if _, r := s.token(&c, "grant_type", idp.GrantClientCredentials); r.StatusCode == http.StatusOK {
					let.Add(1)
				}
			})
		}
		all.Wait()
		return let.Load()
	}
	if good := burst(); good != 6 || calls.Load() != 1 {
		t.Errorf("%d let in, after %d calls", good, calls.Load())
	}
	if _, r := s.token(other, "grant_type", idp.GrantClientCredentials); r.StatusCode != http.StatusOK || calls.Load() != 2 {
		t.Errorf("another application waits for the first: %d after %d calls", r.StatusCode, calls.Load())
	}
	for range 3 { // half a minute later unknown kids may cause one more, and no more
		s.clock.Add(keysAgain)
		before := calls.Load()
		if good := burst(); good != 6 || calls.Load() != before+1 {
			t.Errorf("%d let in, after %d calls", good, calls.Load()-before)
		}
	}
}
