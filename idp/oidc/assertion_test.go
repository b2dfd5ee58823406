package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/recent"
)

// ownKey is a key of a client.
type ownKey struct {
	alg, kid string
	private  crypto.Signer
}

// rsaKey is made once: that takes long.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func newKey(t testing.TB, alg, kid string) *ownKey {
	t.Helper()
	k := &ownKey{alg: alg, kid: kid}
	var err error
	switch alg {
	case keyring.ES256:
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case keyring.EdDSA:
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		k.private = rsaKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// set is the JWK Set with the public parts of keys.
func setOf(t testing.TB, keys ...*ownKey) string {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Use: "sig"})
	}
	b, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sign makes a JWT; header has more header values, or others than the usual.
func (k *ownKey) sign(t testing.TB, claims map[string]any, header map[string]any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithHeader("kid", k.kid)
	for name, v := range header {
		o = o.WithHeader(jose.HeaderKey(name), v)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.alg), Key: k.private}, o)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// keyed makes a client prove itself by keys; the first signs.
func (s *site) addKeyed(change func(*idp.Client), keys ...*ownKey) *client {
	s.t.Helper()
	c := s.addClient(func(c *idp.Client) {
		c.Auth, c.JWKS = idp.AuthPrivateKey, setOf(s.t, keys...)
		if change != nil {
			change(c)
		}
	})
	c.key = keys[0]
	return c
}

// assertion is the claims of a good client assertion.
func (s *site) assertion(c *client) map[string]any {
	now := s.clock.Now().Unix()
	return map[string]any{"iss": c.ID, "sub": c.ID, "aud": s.issuer, "jti": rand.Text(), "iat": now, "exp": now + 60}
}

// TestClientAssertions: what proves a client by private_key_jwt, and what does not. All
// errors are the same to the caller; who runs the client is told which it was.
func TestClientAssertions(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	ec, ed, ps := newKey(t, keyring.ES256, "ec"), newKey(t, keyring.EdDSA, "ed"), newKey(t, keyring.PS256, "rsa")
	rs := &ownKey{alg: keyring.RS256, kid: "rsa", private: ps.private}
	stranger := newKey(t, keyring.ES256, "ec")
	unnamed := newKey(t, keyring.ES256, "")
	c := s.addKeyed(nil, ec, ed, ps)
	other := s.addKeyed(nil, newKey(t, keyring.ES256, "other"))
	basic := s.addClient(nil)
	off := s.addKeyed(func(c *idp.Client) { c.Disabled = true }, ec)
	now := s.clock.Now().Unix()
	claims := func(pairs ...any) map[string]any {
		m := s.assertion(c)
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] == nil {
				delete(m, pairs[i].(string))
			} else {
				m[pairs[i].(string)] = pairs[i+1]
			}
		}
		return m
	}
	by := func(k *ownKey, pairs ...any) string { return k.sign(t, claims(pairs...), nil) }
	good := func(pairs ...any) string { return by(ec, pairs...) }
	headed := func(header map[string]any) string { return ec.sign(t, claims(), header) }
	part := func(b string) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }
	payload := func() string { b, _ := json.Marshal(claims()); return part(string(b)) }
	tampered := func() string {
		p := strings.Split(good(), ".")
		return p[0] + "." + payload() + "." + p[2]
	}
	hmac := func() string {
		sig, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 32))}, (&jose.SignerOptions{}).WithHeader("kid", "ec"))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(claims())
		signed, err := sig.Sign(b)
		if err != nil {
			t.Fatal(err)
		}
		token, _ := signed.CompactSerialize()
		return token
	}
	endpoint := func(path string) string { return s.issuer + path }
	used := good()
	if r := s.browser().post(pathToken, url.Values{"grant_type": {idp.GrantClientCredentials}, "client_assertion_type": {assertionType}, "client_assertion": {used}}); r.StatusCode != http.StatusOK {
		t.Fatal(r.StatusCode, r.body)
	}

	const bad, assertion = "invalid_client", idp.RejectedAssertion
	for _, row := range []struct {
		why       string
		assertion string
		more      []string // parameters besides; an empty value takes one away
		status    int
		code      string
		reason    idp.RejectionReason // on the page of c
		sent      string
	}{
		{"ES256", good(), nil, 200, "", "", ""},
		{"EdDSA", by(ed), nil, 200, "", "", ""},
		{"PS256", by(ps), nil, 200, "", "", ""},
		{"RS256", by(rs), nil, 200, "", "", ""},
		{"with client_id", good(), []string{"client_id", string(c.ID)}, 200, "", "", ""},
		{"no kid: every key is tried", ec.sign(t, claims(), map[string]any{"kid": ""}), nil, 200, "", "", ""},
		{"typ JWT", headed(map[string]any{"typ": "JWT"}), nil, 200, "", "", ""},
		{"its own typ", headed(map[string]any{"typ": "client-authentication+jwt"}), nil, 200, "", "", ""},
		{"the token endpoint as audience", good("aud", endpoint(pathToken)), nil, 200, "", "", ""},
		{"both in a list", good("aud", []string{s.issuer, endpoint(pathToken)}), nil, 200, "", "", ""},
		{"without iat", good("iat", nil), nil, 200, "", "", ""},
		{"iat 8 s ahead", good("iat", now+8), nil, 200, "", "", ""},
		{"iat 10 s ahead", good("iat", now+10), nil, 200, "", "", ""},
		{"nbf 8 s ahead", good("nbf", now+8), nil, 200, "", "", ""},
		{"a fraction of a second", good("iat", float64(now)+0.25, "exp", float64(now)+59.5), nil, 200, "", "", ""},
		{"exp in 5 minutes", good("exp", now+300), nil, 200, "", "", ""},
		{"exp in 5 minutes by a clock 10 s ahead", good("iat", now+10, "exp", now+310), nil, 200, "", "", ""},
		{"claims that nobody knows", good("x", map[string]any{"y": 1}), nil, 200, "", "", ""},

		{"used before", used, nil, 401, bad, idp.RejectedAssertionUsed, ""},
		{"exp in 6 minutes", good("exp", now+360), nil, 401, bad, assertion, "exp is too far ahead"},
		{"exp in ten years", good("exp", now+10*365*86400), nil, 401, bad, assertion, "exp is too far ahead"},
		{"exp that no clock reaches", good("exp", 1e300), nil, 401, bad, assertion, "exp is too far ahead"},
		{"exp now", good("exp", now), nil, 401, bad, assertion, "exp is past"},
		{"exp of before", good("exp", now-1), nil, 401, bad, assertion, "exp is past"},
		{"no exp", good("exp", nil), nil, 401, bad, assertion, "exp is missing"},
		{"exp as text", good("exp", "soon"), nil, 401, bad, assertion, "claims"},
		{"iat 11 s ahead", good("iat", now+11), nil, 401, bad, assertion, "iat is ahead"},
		{"iat 60 s ahead", good("iat", now+60), nil, 401, bad, assertion, "iat is ahead"},
		{"nbf 60 s ahead", good("nbf", now+60, "exp", now+120), nil, 401, bad, assertion, "nbf is ahead"},
		{"no jti", good("jti", nil), nil, 401, bad, assertion, "jti"},
		{"an empty jti", good("jti", ""), nil, 401, bad, assertion, "jti"},
		{"a long jti", good("jti", strings.Repeat("j", 256)), nil, 401, bad, assertion, "jti"},
		{"no aud", good("aud", nil), nil, 401, bad, assertion, "aud: "},
		{"another provider", good("aud", "https://idp.other"), nil, 401, bad, assertion, `aud: "https://idp.other"`},
		{"us and another provider", good("aud", []string{s.issuer, "https://idp.other"}), nil, 401, bad, assertion, `aud: ["` + s.issuer + `","https://idp.other"]`},
		{"an empty list", good("aud", []string{}), nil, 401, bad, assertion, "aud: []"},
		{"the issuer with a slash", good("aud", s.issuer+"/"), nil, 401, bad, assertion, `aud: "` + s.issuer + `/"`},
		{"userinfo", good("aud", endpoint(pathUserinfo)), nil, 401, bad, assertion, `aud: "` + endpoint(pathUserinfo) + `"`},
		{"another issuer", good("iss", "somebody"), nil, 401, bad, assertion, "iss: somebody"},
		{"no issuer", good("iss", nil), nil, 401, bad, assertion, "iss: "},
		{"no subject", good("sub", nil), []string{"client_id", string(c.ID)}, 401, bad, idp.RejectedCredentials, "client_assertion"},
		{"a signature of a stranger", by(stranger), nil, 401, bad, assertion, "signature"},
		{"a kid that is not registered", by(unnamed.with("new")), nil, 401, bad, assertion, "kid: new"},
		{"the kid of another kind of key", by(ed.with("ec")), nil, 401, bad, assertion, "kid: ec"},
		{"claims changed after signing", tampered(), nil, 401, bad, assertion, "signature"},
		{"HS256", hmac(), nil, 401, bad, assertion, "alg: HS256"},
		{"alg none", part(`{"alg":"none"}`) + "." + payload() + ".", nil, 401, bad, assertion, "alg: none"},
		{"an access token", headed(map[string]any{"typ": "at+jwt"}), nil, 401, bad, assertion, "typ: at+jwt"},
		{"a DPoP proof", headed(map[string]any{"typ": "dpop+jwt"}), nil, 401, bad, assertion, "typ: dpop+jwt"},
		{"an empty typ", headed(map[string]any{"typ": ""}), nil, 401, bad, assertion, "typ: "},
		{"critical headers", headed(map[string]any{"crit": []string{"exp"}, "exp": 1}), nil, 401, bad, assertion, "signature"},
		{"two parts", "a." + payload(), nil, 401, bad, idp.RejectedCredentials, "client_assertion"},
		{"no JWT", "geheim", []string{"client_id", string(c.ID)}, 401, bad, idp.RejectedCredentials, "client_assertion"},
		{"no assertion", "", []string{"client_id", string(c.ID), "client_assertion", ""}, 401, bad, idp.RejectedCredentials, "client_assertion"},
		{"no type", good(), []string{"client_assertion_type", ""}, 401, bad, idp.RejectedCredentials, "client_assertion"},
		{"SAML", good(), []string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, 401, bad, idp.RejectedCredentials, "client_assertion"},
		{"another client_id", good(), []string{"client_id", string(other.ID)}, 400, "invalid_request", "", ""},
		{"a secret besides", good(), []string{"client_secret", "x"}, 400, "invalid_request", idp.RejectedCredentials, "client_assertion"},
		{"nothing but the id", "", []string{"client_id", string(c.ID), "client_assertion", "", "client_assertion_type", ""}, 401, bad, idp.RejectedMethod, "none"},
		{"nobody", good("iss", "nobody", "sub", "nobody"), nil, 401, bad, "", ""},
		{"of a client with a secret", good("iss", basic.ID, "sub", basic.ID), nil, 401, bad, "", ""},
		{"of a client that is disabled", good("iss", off.ID, "sub", off.ID), nil, 401, bad, "", ""},
		{"in the name of another client", good("iss", other.ID, "sub", other.ID), nil, 401, bad, "", ""},
	} {
		before := list.Of(c.ID)
		form := url.Values{"grant_type": {idp.GrantClientCredentials}, "client_assertion_type": {assertionType}, "client_assertion": {row.assertion}}
		for i := 0; i < len(row.more); i += 2 {
			if form.Set(row.more[i], row.more[i+1]); row.more[i+1] == "" {
				form.Del(row.more[i])
			}
		}
		got := s.browser().post(pathToken, form)
		var answer struct {
			Access      string `json:"access_token"`
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.StatusCode != row.status || answer.Error != row.code || (answer.Access != "") != (row.status == 200) {
			t.Errorf("%s: %d %s", row.why, got.StatusCode, got.body)
		}
		if row.code == bad && answer.Description != "Client authentication failed." {
			t.Errorf("%s: the caller is told %q", row.why, answer.Description)
		}
		after := list.Of(c.ID)
		switch {
		case row.reason == "" && len(after) == len(before):
		case row.reason == "" || len(after) == 0:
			t.Errorf("%s: its page says %+v", row.why, after)
		default:
			found := false
			for _, r := range after {
				found = found || r.Reason == row.reason && r.Sent == row.sent
			}
			if !found {
				t.Errorf("%s: its page says %s %q", row.why, after[0].Reason, after[0].Sent)
			}
		}
	}
	for name, jti := range map[string]string{"of another client": "shared"} {
		a, b := s.assertion(c), s.assertion(other)
		a["jti"], b["jti"] = jti, jti
		for _, token := range []string{ec.sign(t, a, nil), other.key.sign(t, b, nil)} {
			if r := s.browser().post(pathToken, url.Values{"grant_type": {idp.GrantClientCredentials}, "client_assertion_type": {assertionType}, "client_assertion": {token}}); r.StatusCode != http.StatusOK {
				t.Errorf("the same jti %s: %d %s", name, r.StatusCode, r.body)
			}
		}
	}
}

// with is the key under another kid.
func (k *ownKey) with(kid string) *ownKey { return &ownKey{k.alg, kid, k.private} }

// TestAssertionEverywhere: it proves the client at every endpoint that clients call, once
// in all of them, and of many at once one gets through.
func TestAssertionEverywhere(t *testing.T) {
	s := newSite(t)
	c := s.addKeyed(nil, newKey(t, keyring.ES256, "k"))
	anna := s.addPerson("anna")
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	tok = s.mustRefresh(c, tok.Refresh)
	if r := s.call(pathIntrospect, c, url.Values{"token": {tok.Access}}); r.StatusCode != 200 || !strings.Contains(r.body, `"active":true`) {
		t.Errorf("introspection: %d %s", r.StatusCode, r.body)
	}
	once := url.Values{"token": {tok.Access}, "client_assertion_type": {assertionType}, "client_assertion": {c.key.sign(t, s.assertion(c), nil)}}
	if r := s.browser().post(pathRevoke, once); r.StatusCode != http.StatusOK {
		t.Errorf("revocation: %d %s", r.StatusCode, r.body)
	}
	if s.alive(tok.Access) {
		t.Error("the token was not revoked")
	}
	for _, path := range []string{pathRevoke, pathIntrospect, pathToken} {
		again := maps.Clone(once)
		again.Set("grant_type", idp.GrantClientCredentials)
		refused(t, s.browser().post(path, again), 401, "invalid_client")
	}

	form := url.Values{"grant_type": {idp.GrantClientCredentials}, "client_assertion_type": {assertionType}, "client_assertion": {c.key.sign(t, s.assertion(c), nil)}}
	var through atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		b := s.browser()
		all.Go(func() {
			if b.post(pathToken, form).StatusCode == http.StatusOK {
				through.Add(1)
			}
		})
	}
	all.Wait()
	if n := through.Load(); n != 1 {
		t.Errorf("%d of 8 at once got through", n)
	}
	// What is noted goes when the assertion is dead by itself, not before.
	s.clock.Add(59 * time.Second)
	if err := s.db.Sweep(t.Context(), s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	refused(t, s.browser().post(pathToken, form), 401, "invalid_client")
	s.clock.Add(time.Minute)
	if err := s.db.Sweep(t.Context(), s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	refused(t, s.browser().post(pathToken, form), 401, "invalid_client") // expired
}

// TestPublishedKeys: keys of a jwks_uri are read when they are needed, kept, read again for
// a kid that is new, and no more often than every 30 seconds whatever is sent.
func TestPublishedKeys(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	first, second := newKey(t, keyring.ES256, "first"), newKey(t, keyring.EdDSA, "second")
	var mu sync.Mutex
	calls, body, status := 0, setOf(t, first), http.StatusOK
	answer := func(code int, text string) {
		mu.Lock()
		defer mu.Unlock()
		status, body = code, text
	}
	called := func() int {
		mu.Lock()
		defer mu.Unlock()
		return calls
	}
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		calls++
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer there.Close()
	s.server.keys.fetch = there.Client()
	c := s.addClient(func(c *idp.Client) { c.Auth, c.JWKSURI = idp.AuthPrivateKey, there.URL+"/jwks?token=geheim" })
	try := func(k *ownKey, want, calls int) {
		t.Helper()
		c.key = k
		_, r := s.token(c, "grant_type", idp.GrantClientCredentials)
		if r.StatusCode != want || called() != calls {
			t.Errorf("%d %s, after %d calls", r.StatusCode, r.body, called())
		}
	}
	try(first, 200, 1)
	try(first, 200, 1)
	try(second, 401, 1) // not yet there, and asked just now
	answer(http.StatusOK, setOf(t, first, second))
	s.clock.Add(keysAgain)
	try(second, 200, 2)
	for range 5 {
		try(newKey(t, keyring.ES256, "none"), 401, 2)
	}
	s.clock.Add(keysFresh)
	answer(http.StatusOK, setOf(t, second)) // the first was taken away
	try(first, 401, 3)
	try(second, 200, 3)
	s.clock.Add(keysFresh)
	answer(http.StatusInternalServerError, "")
	try(second, 200, 4) // as they were read last
	try(second, 200, 4)
	s.clock.Add(keysKept)
	try(second, 401, 5)
	if r := list.Of(c.ID)[0]; r.Reason != idp.RejectedKeys || !strings.Contains(r.Sent, "status 500") || strings.Contains(r.Sent, "geheim") {
		t.Errorf("its page says %s %q", r.Reason, r.Sent)
	}
	for text, said := range map[string]string{
		strings.Repeat(" ", 1<<20): "not a JWK Set", `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`: "a private key", `{"keys":[]}`: "no usable key",
	} {
		s.clock.Add(keysAgain)
		answer(http.StatusOK, text)
		try(second, 401, called()+1)
		if r := list.Of(c.ID)[0]; r.Reason != idp.RejectedKeys || !strings.Contains(r.Sent, said) {
			t.Errorf("its page says %s %q, not %q", r.Reason, r.Sent, said)
		}
	}
	s.clock.Add(keysAgain)
	answer(http.StatusOK, setOf(t, second))
	try(second, 200, called()+1)
	s.server.keys.fetch = nil
	s.editClient(c, func(c *idp.Client) { c.JWKSURI = there.URL + "/other" })
	try(second, 401, called()) // nobody is called
}
