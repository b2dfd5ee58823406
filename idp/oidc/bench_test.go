package oidc

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/serve"
)

// bench is a site whose handler is called without a network.
type bench struct {
	*site
	client  *client
	handler http.Handler
	session *idp.Session
	auth    string
}

// atOnce is how many requests are under way per P.
const atOnce = 8

func newBench(b *testing.B, alg string) *bench {
	b.Helper()
	s := newSite(b)
	c := s.addClient(func(c *idp.Client) { c.IDTokenAlg = alg })
	anna := s.addPerson("anna")
	browser := s.browser()
	browser.signIn(anna, request(c))
	session, err := s.db.SessionByToken(b.Context(), browser.asLogin().Session.Hash())
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	s.server.Mount(mux)
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.SetBasicAuth(string(c.ID), c.secret.Reveal())
	return &bench{
		site: s, client: c, session: session, auth: r.Header.Get("Authorization"),
		handler: serve.Handler(mux, serve.Config{Log: slog.New(slog.DiscardHandler)}),
	}
}

// code makes a grant and its code as a live session gives them.
func (b *bench) code(t testing.TB) idp.Secret {
	now := b.clock.Now()
	g := &idp.Grant{
		ID: idp.NewID[idp.GrantID](), Client: b.client.ID, User: b.session.User, Session: b.session.ID,
		Scopes: []string{"openid", "profile", "email", "offline_access"}, Nonce: "a nonce", ACR: b.session.ACR, AMR: b.session.AMR,
		AuthTime: b.session.AuthTime, CreatedAt: now, ExpiresAt: b.session.ExpiresAt,
	}
	code := idp.NewToken()
	err := b.db.AddGrant(t.Context(), b.session, g, &idp.Code{
		Hash: code.Hash(), Grant: g.ID, RedirectURI: callback, Challenge: challengeOf(verifier), ExpiresAt: now.Add(idp.CodeTTL),
	})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// post calls the handler and returns the tokens, if any.
func (b *bench) post(t testing.TB, path, form string) *tokens {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", b.auth)
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	var got tokens
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	return &got
}

func (b *bench) exchange(t testing.TB, code idp.Secret) *tokens {
	return b.post(t, pathToken, url.Values{
		"grant_type": {idp.GrantCode}, "code": {code.Reveal()}, "redirect_uri": {callback}, "code_verifier": {verifier},
	}.Encode())
}

// BenchmarkSign is the price below which no token can be made.
func BenchmarkSign(b *testing.B) {
	for _, alg := range []string{keyring.RS256, keyring.ES256} {
		b.Run(alg, func(b *testing.B) {
			k, err := ring().Signer(alg)
			if err != nil {
				b.Fatal(err)
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := keyring.SignJWS(k, []byte("input")); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkRefresh(b *testing.B) {
	for _, alg := range []string{keyring.RS256, keyring.ES256} {
		b.Run(alg, func(b *testing.B) {
			s := newBench(b, alg)
			b.SetParallelism(atOnce)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				tok := s.exchange(b, s.code(b))
				for pb.Next() {
					tok = s.post(b, pathToken, "grant_type=refresh_token&refresh_token="+tok.Refresh)
				}
			})
		})
	}
}

func BenchmarkExchange(b *testing.B) {
	for _, alg := range []string{keyring.RS256, keyring.ES256} {
		b.Run(alg, func(b *testing.B) {
			s := newBench(b, alg)
			codes := make([]idp.Secret, b.N)
			var next atomic.Int64
			b.SetParallelism(atOnce)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					codes[next.Add(1)-1] = s.code(b)
				}
			})
			next.Store(0)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					s.exchange(b, codes[next.Add(1)-1])
				}
			})
		})
	}
}

func BenchmarkUserinfo(b *testing.B) {
	s := newBench(b, keyring.ES256)
	tok := s.exchange(b, s.code(b))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := httptest.NewRequest(http.MethodGet, pathUserinfo, nil)
			r.Header.Set("Authorization", "Bearer "+tok.Access)
			w := httptest.NewRecorder()
			if s.handler.ServeHTTP(w, r); w.Code != http.StatusOK {
				b.Error(w.Code, w.Body)
			}
		}
	})
}

func BenchmarkIntrospect(b *testing.B) {
	s := newBench(b, keyring.ES256)
	tok := s.exchange(b, s.code(b))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.post(b, pathIntrospect, "token="+tok.Access)
		}
	})
}
