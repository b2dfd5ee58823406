package oidc

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/recent"
)

// keysOf opens the signing keys of a site's database, as one more process on it does.
func (s *site) keysOf(c keyring.Config) *keyring.Ring {
	s.t.Helper()
	c.Store, c.Sealer, c.Now, c.Log = s.db, plainSealer{}, s.clock.Now, slog.New(slog.DiscardHandler)
	r, err := keyring.Open(s.t.Context(), c)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// active reports whether a client is told that a token is active.
func (s *site) active(c *client, token string) bool {
	s.t.Helper()
	r := s.call(pathIntrospect, c, url.Values{"token": {token}})
	var got struct {
		Active bool `json:"active"`
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.StatusCode != http.StatusOK {
		s.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return got.Active
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	sig, err := jose.ParseSignedCompact(token, joseAlgs([]string{keyring.RS256, keyring.ES256, keyring.PS256, keyring.EdDSA}))
	if err != nil {
		t.Fatal(err)
	}
	return sig.Signatures[0].Protected.KeyID
}

// TestLeakedKey takes a key away at once, by another process on the database, and asks every
// endpoint of ours that takes something it has signed. What is not signed by it goes on.
func TestLeakedKey(t *testing.T) {
	s := newSite(t)
	algs := keyring.Config{Algs: []string{keyring.RS256, keyring.ES256, keyring.EdDSA}}
	own, beside := s.keysOf(algs), s.keysOf(algs)
	s.server.conf.Keys = own
	api := s.addClient(func(c *idp.Client) { c.ID = "archive" })
	jwt := func(alg string) func(*idp.Client) {
		return func(c *idp.Client) {
			c.AccessFormat, c.IDTokenAlg, c.Audience = idp.AccessJWT, alg, []string{"archive"}
		}
	}
	leaks, other := s.addClient(jwt(keyring.ES256)), s.addClient(jwt(keyring.EdDSA))
	opaque := s.addClient(nil)
	anna := s.addPerson("anna")
	b := s.browser()
	tok := s.mustExchange(leaks, b.signIn(anna, request(leaks, "scope", "openid offline_access")))
	var kept []*tokens
	for _, c := range []*client{other, opaque} {
		kept = append(kept, s.mustExchange(c, s.browser().signIn(anna, request(c))))
	}
	old := kidOf(t, tok.Access)
	if kidOf(t, tok.ID) != old {
		t.Fatal("two keys sign for one client")
	}
	hinted := func() url.Values {
		return b.get(pathAuthorize + "?" + request(leaks, "prompt", "none", "id_token_hint", tok.ID).Encode()).answered(t)
	}
	if !s.alive(tok.Access) || !s.active(leaks, tok.Access) || !s.active(api, tok.Access) || !hinted().Has("code") || !strings.Contains(b.get(pathKeys).body, old) {
		t.Fatal("the key is no good before it leaks")
	}
	forged := strings.Replace(tok.Access, ".", "A.", 1)
	if s.server.KeyLives(forged) || s.server.KeyLives("x.y.z") || !s.server.KeyLives("opaque") {
		t.Error("a header that is none of ours lives")
	}

	fresh, gone, err := beside.Replace(t.Context(), keyring.ES256, idp.Actor{Name: "console:test"})
	if err != nil || gone != 1 || fresh == "" || string(fresh) == old {
		t.Fatalf("%s, %d gone, %v", fresh, gone, err)
	}
	if err := own.Turn(t.Context()); err != nil { // as the topic has it do
		t.Fatal(err)
	}
	for what, good := range map[string]bool{
		"userinfo":                    s.alive(tok.Access),
		"introspection by its client": s.active(leaks, tok.Access),
		"introspection by an API":     s.active(api, tok.Access),
		"a hint of a sign-in":         hinted().Has("code"),
		"the published keys":          strings.Contains(s.browser().get(pathKeys).body, old),
		"the programs of a hospital":  s.server.KeyLives(tok.Access),
	} {
		if good {
			t.Errorf("%s: what the leaked key signed is good", what)
		}
	}
	if got := hinted(); got.Get("error") != codeInvalidRequest {
		t.Errorf("a hint by the leaked key: %v", got)
	}
	if r := b.get(signOutQuery("id_token_hint", tok.ID, "post_logout_redirect_uri", bye)); r.Header.Get("Location") != "" || !strings.Contains(r.body, "confirm sign-out") || !b.inSession(leaks) {
		t.Errorf("a hint by the leaked key signs out unasked: %d %s", r.StatusCode, r.body)
	}
	for i, c := range []*client{other, opaque} {
		if !s.alive(kept[i].Access) || !s.active(c, kept[i].Access) {
			t.Errorf("a token of %s by another key, or by none, is refused", c.IDTokenAlg)
		}
	}
	again := s.mustRefresh(leaks, tok.Refresh)
	if kidOf(t, again.Access) != string(fresh) || !s.alive(again.Access) || !s.active(api, again.Access) {
		t.Error("what the new key signs is no good")
	}
	if !strings.Contains(s.browser().get(pathKeys).body, string(fresh)) {
		t.Error("the new key is not published")
	}
}

// TestAlgorithmWithoutAKey: an application whose algorithm was taken out of the configuration
// is refused before its people type a password, and at every other endpoint that would sign;
// its page says why. Discovery does not name the algorithm, though its last key is published
// as long as its tokens live.
func TestAlgorithmWithoutAKey(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	s.server.conf.Keys = s.keysOf(keyring.Config{Algs: []string{keyring.RS256, keyring.PS256}})
	c := s.addClient(func(c *idp.Client) { c.IDTokenAlg, c.AccessFormat = keyring.PS256, idp.AccessJWT })
	fine := s.addClient(func(c *idp.Client) { c.IDTokenAlg = "" })
	anna := s.addPerson("anna")
	b := s.browser()
	tok := s.mustExchange(c, b.signIn(anna, request(c, "scope", "openid offline_access")))
	waiting := b.get(pathAuthorize + "?" + request(c).Encode()).answered(t).Get("code")
	pushed := func() *reply { return s.call(pathPushed, c, request(c)) }
	var handle struct {
		URI string `json:"request_uri"`
	}
	if err := json.Unmarshal([]byte(pushed().body), &handle); err != nil || handle.URI == "" {
		t.Fatalf("%+v %v", handle, err)
	}

	s.server.conf.Keys = s.keysOf(keyring.Config{Algs: []string{keyring.RS256}})
	refusedHere := func(what string) {
		t.Helper()
		if r := list.Of(c.ID); len(r) == 0 || r[0].Reason != idp.RejectedAlg || r[0].Sent != keyring.PS256 {
			t.Errorf("%s: its page says %+v", what, r)
		}
	}
	for what, query := range map[string]url.Values{
		"authorize": request(c), "silently": request(c, "prompt", "none"), "pushed": {"client_id": {string(c.ID)}, "request_uri": {handle.URI}},
	} {
		got := b.get(pathAuthorize + "?" + query.Encode()).answered(t)
		if got.Get("error") != codeUnauthorizedClient || !strings.Contains(got.Get("error_description"), "PS256") || got.Get("state") != request(c).Get("state") {
			t.Errorf("%s: %v", what, got)
		}
		refusedHere(what)
	}
	refused(t, pushed(), http.StatusBadRequest, codeUnauthorizedClient)
	for what, pairs := range map[string][]string{
		"code":        {"grant_type", idp.GrantCode, "code", waiting, "redirect_uri", callback, "code_verifier", verifier},
		"refresh":     {"grant_type", idp.GrantRefresh, "refresh_token", tok.Refresh},
		"credentials": {"grant_type", idp.GrantClientCredentials},
	} {
		_, r := s.token(c, pairs...)
		refused(t, r, http.StatusBadRequest, codeUnauthorizedClient)
		refusedHere(what)
	}
	if !s.alive(tok.Access) {
		t.Error("a token of before, whose key is published still, is refused")
	}
	if discovered := b.get(pathDiscovery).body; !strings.Contains(discovered, `"id_token_signing_alg_values_supported":["RS256"]`) {
		t.Error("discovery names what does not sign", discovered)
	}
	s.mustExchange(fine, b.signIn(anna, request(fine, "prompt", "login")))

	// The operator names it again: what waited goes on.
	s.server.conf.Keys = s.keysOf(keyring.Config{Algs: []string{keyring.RS256, keyring.PS256}})
	s.mustRefresh(c, tok.Refresh)
}

// TestTurningBesideACache turns keys for a week under load, in two processes that look once
// an hour at different times, beside a relying party that reads the keys from either and
// keeps them for ten minutes, whatever it meets. It never meets a key that it has not.
func TestTurningBesideACache(t *testing.T) {
	s := newSite(t)
	// What the configuration allows at the least, but for the processes' hour: a key that
	// another has made is taken up when it tells (idp.TopicKeys), a second later.
	conf := keyring.Config{Algs: []string{keyring.ES256}, RotateEvery: 24 * time.Hour, PublishBefore: 10*time.Minute + 30*time.Second, KeepFor: time.Hour}
	rings := []*keyring.Ring{s.keysOf(conf), s.keysOf(conf)}
	known, readAt := map[string]keyring.Key{}, time.Time{}
	met := map[string]bool{}
	var mu sync.Mutex
	failures, signed := 0, 0
	use := func(r *keyring.Ring) {
		key, err := r.Signer(keyring.ES256)
		if err != nil {
			t.Error(err)
			return
		}
		token, err := sign(key, typeAccess, []byte(`{}`))
		if err != nil {
			t.Error(err)
			return
		}
		sig, err := jose.ParseSignedCompact(string(token), []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		signed++
		k, ok := known[sig.Signatures[0].Protected.KeyID]
		if ok {
			_, err = sig.Verify(k.Public)
		}
		if !ok || err != nil {
			failures++
		}
		met[sig.Signatures[0].Protected.KeyID] = true
	}
	const step = 30 * time.Second
	const cached = 10 * time.Minute
	for i := range int(7 * 24 * time.Hour / step) {
		now := s.clock.Now()
		if now.Sub(readAt) >= cached {
			clear(known)
			for _, k := range rings[i/20%2].Public() {
				known[string(k.ID)] = k
			}
			readAt = now
		}
		for n, r := range rings {
			if before := r.Version(); i%120 == n*60 {
				if err := r.Turn(t.Context()); err != nil {
					t.Fatal(err)
				}
				if other := rings[1-n]; r.Version() != before {
					if err := other.Turn(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if i%4 == 0 { // two requests at once, every two minutes
			var wg sync.WaitGroup
			for _, r := range rings {
				wg.Go(func() { use(r) })
			}
			wg.Wait()
		}
		s.clock.Add(step)
	}
	if failures > 0 || len(met) < 6 || signed < 5000 {
		t.Errorf("%d of %d signatures could not be verified; %d keys were met", failures, signed, len(met))
	}
}
