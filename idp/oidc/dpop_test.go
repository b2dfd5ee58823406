package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/recent"
)

func (k *ownKey) jwk() jose.JSONWebKey { return jose.JSONWebKey{Key: k.private.Public()} }

func (k *ownKey) thumbprint(t testing.TB) string {
	t.Helper()
	j := k.jwk()
	sum, err := j.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// proofOf is the claims of a good proof.
func (s *site) proofOf(method, path, access string) map[string]any {
	m := map[string]any{"jti": rand.Text(), "htm": method, "htu": s.issuer + path, "iat": s.clock.Now().Unix(), "nonce": s.server.dpopNonce(s.clock.Now())}
	if access != "" {
		sum := sha256.Sum256([]byte(access))
		m["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return m
}

// prove signs a proof.
func (k *ownKey) prove(t testing.TB, claims map[string]any) string {
	t.Helper()
	return k.sign(t, claims, map[string]any{"typ": typeProof, "jwk": k.jwk()})
}

// tokenBy asks the token endpoint with a proof.
func (s *site) tokenBy(c *client, proof string, pairs ...string) (*tokens, *reply) {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := s.call(pathToken, c, form, "DPoP", proof)
	var got tokens
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		s.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return &got, r
}

func (s *site) exchangeBy(c *client, proof string, code idp.Secret) (*tokens, *reply) {
	s.t.Helper()
	return s.tokenBy(c, proof, "grant_type", idp.GrantCode, "code", code.Reveal(), "redirect_uri", callback, "code_verifier", verifier)
}

func spoilt(m map[string]any, pairs ...any) map[string]any {
	m = maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(m, pairs[i].(string))
		} else {
			m[pairs[i].(string)] = pairs[i+1]
		}
	}
	return m
}

// TestProofs: which DPoP proofs are good at the token endpoint and at userinfo, and what is
// said of those that are not.
func TestProofs(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	c := s.addClient(func(c *idp.Client) { c.DPoP = true })
	anna := s.addPerson("anna")
	ec, ed, ps := newKey(t, keyring.ES256, ""), newKey(t, keyring.EdDSA, ""), newKey(t, keyring.PS256, "")
	rs := &ownKey{alg: keyring.RS256, private: ps.private}
	other := newKey(t, keyring.ES256, "")
	now := s.clock.Now()
	token := func(pairs ...any) string { return ec.prove(t, spoilt(s.proofOf("POST", pathToken, ""), pairs...)) }
	headed := func(pairs ...any) string {
		return ec.sign(t, s.proofOf("POST", pathToken, ""), spoilt(map[string]any{"typ": typeProof, "jwk": ec.jwk()}, pairs...))
	}
	by := func(k *ownKey) string { return k.prove(t, s.proofOf("POST", pathToken, "")) }
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old := func(d time.Duration) string { return s.server.dpopNonce(now.Add(d)) }
	host := strings.TrimPrefix(s.issuer, "http://")
	used := token()
	if _, r := s.tokenBy(c, used, "grant_type", idp.GrantClientCredentials); r.StatusCode != http.StatusOK {
		t.Fatal(r.body)
	}
	hmac := func() string {
		sig, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 32))}, (&jose.SignerOptions{}).WithType(typeProof))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := sig.Sign([]byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := signed.CompactSerialize()
		return text
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"dpop+jwt"}`)) + ".e30."

	for _, row := range []struct{ why, proof, fault string }{
		{"ES256", by(ec), ""},
		{"EdDSA", by(ed), ""},
		{"PS256", by(ps), ""},
		{"iat 10 s ahead", token("iat", now.Unix()+10), ""},
		{"iat with a fraction", token("iat", float64(now.Unix())+0.5), ""},
		{"iat of 5 minutes ago", token("iat", now.Unix()-300), ""},
		{"the nonce of 5 minutes ago", token("nonce", old(-5*time.Minute)), ""},
		{"htu with a query", token("htu", s.issuer+pathToken+"?a=b"), ""},
		{"htu with a fragment", token("htu", s.issuer+pathToken+"#a"), ""},
		{"htu in capitals", token("htu", "HTTP://"+host+pathToken), ""},
		{"htu with an escaped letter", token("htu", s.issuer+"/%74oken"), ""},
		{"htu by way of another path", token("htu", s.issuer+"/a/../token"), ""},
		{"claims that nobody knows", token("x", 1), ""},
		{"a kid beside the key", headed("kid", "k"), ""},
		{"ath that nobody needs", token("ath", "x"), ""},

		{"nothing", "", "missing"},
		{"used before", used, "used before"},
		{"no JWT", "geheim", "not a signed JWT with a public key"},
		{"RS256", by(rs), "alg"},
		{"HS256", hmac(), "alg"},
		{"alg none", none, "alg"},
		{"no typ", headed("typ", nil), "typ"},
		{"typ JWT", headed("typ", "JWT"), "typ"},
		{"typ of a client assertion", headed("typ", "client-authentication+jwt"), "typ"},
		{"no key", headed("jwk", nil), "jwk"},
		{"another key", headed("jwk", other.jwk()), "signature"},
		{"a private key", headed("jwk", jose.JSONWebKey{Key: ec.private}), "not a signed JWT with a public key"},
		{"a key of another kind", headed("jwk", ed.jwk()), "jwk"},
		{"P-384", headed("jwk", jose.JSONWebKey{Key: p384.Public()}), "jwk"},
		{"a small RSA key", (&ownKey{alg: keyring.PS256, private: ps.private}).sign(t, s.proofOf("POST", pathToken, ""), map[string]any{"typ": typeProof, "jwk": jose.JSONWebKey{Key: small.Public()}}), "jwk"},
		{"a signature that was changed", by(ec) + "A", "signature"},
		{"no jti", token("jti", nil), "jti"},
		{"an empty jti", token("jti", ""), "jti"},
		{"a long jti", token("jti", strings.Repeat("j", 256)), "jti"},
		{"no htm", token("htm", nil), "htm"},
		{"GET", token("htm", "GET"), "htm"},
		{"a method in small letters", token("htm", "post"), "htm"},
		{"no htu", token("htu", nil), "htu"},
		{"another endpoint", token("htu", s.issuer+pathUserinfo), "htu"},
		{"another host", token("htu", "https://idp.other"+pathToken), "htu"},
		{"https", token("htu", "https://"+host+pathToken), "htu"},
		{"another port", token("htu", "http://127.0.0.1:1"+pathToken), "htu"},
		{"a name before the host", token("htu", "http://anna@"+host+pathToken), "htu"},
		{"a slash behind", token("htu", s.issuer+pathToken+"/"), "htu"},
		{"a path alone", token("htu", pathToken), "htu"},
		{"no iat", token("iat", nil), "iat"},
		{"iat as text", token("iat", "now"), "claims"},
		{"iat 11 s ahead", token("iat", now.Unix()+11), "iat"},
		{"iat 60 s ahead", token("iat", now.Unix()+60), "iat"},
		{"iat of 6 minutes ago", token("iat", now.Unix()-360), "iat"},
		{"no nonce", token("nonce", nil), "nonce"},
		{"a nonce of another's", token("nonce", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "nonce"},
		{"a nonce that is none", token("nonce", "x"), "nonce"},
		{"the nonce of 7 minutes ago", token("nonce", old(-7*time.Minute)), "nonce"},
		{"a nonce of the future", token("nonce", old(2*time.Minute)), "nonce"},
	} {
		var headers []string
		if row.proof != "" {
			headers = []string{"DPoP", row.proof}
		}
		r := s.call(pathToken, c, url.Values{"grant_type": {idp.GrantClientCredentials}}, headers...)
		var got struct {
			Type        string `json:"token_type"`
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal([]byte(r.body), &got); err != nil {
			t.Fatal(r.body)
		}
		if !s.server.goodNonce(r.Header.Get("DPoP-Nonce"), now) {
			t.Errorf("%s: nonce %q", row.why, r.Header.Get("DPoP-Nonce"))
		}
		switch row.fault {
		case "":
			if r.StatusCode != 200 || got.Type != "DPoP" {
				t.Errorf("%s: %d %s", row.why, r.StatusCode, r.body)
			}
		case "nonce":
			if r.StatusCode != 400 || got.Error != "use_dpop_nonce" {
				t.Errorf("%s: %d %s", row.why, r.StatusCode, r.body)
			}
		default:
			reason := idp.RejectedProof
			if row.fault == "missing" {
				reason = idp.RejectedNoProof
			}
			if r.StatusCode != 400 || got.Error != "invalid_dpop_proof" || got.Description != "The DPoP proof is not good: "+row.fault+"." {
				t.Errorf("%s: %d %s", row.why, r.StatusCode, r.body)
			}
			if !slices.ContainsFunc(list.Of(c.ID), func(r idp.Rejection) bool {
				return r.Reason == reason && (r.Sent == row.fault || reason == idp.RejectedNoProof)
			}) {
				t.Errorf("%s: its page says %+v", row.why, list.Of(c.ID)[0])
			}
		}
	}

	tok, r := s.exchangeBy(c, by(ec), s.browser().signIn(anna, request(c)))
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.body)
	}
	plain := s.addClient(nil)
	bearer := s.mustExchange(plain, s.browser().signIn(anna, request(plain)))
	info := func(pairs ...any) string {
		return ec.prove(t, spoilt(s.proofOf("GET", pathUserinfo, tok.Access), pairs...))
	}
	spent := info()
	for _, row := range []struct {
		why, scheme, access, proof string
		status                     int
		code, description          string
	}{
		{"with its proof", "DPoP", tok.Access, spent, 200, "", ""},
		{"scheme in small letters", "dpop", tok.Access, info(), 200, "", ""},
		{"as a bearer token", "Bearer", tok.Access, "", 401, "invalid_token", "The access token is bound to a key."},
		{"as a bearer token, with a proof", "Bearer", tok.Access, info(), 401, "invalid_token", "The access token is bound to a key."},
		{"without a proof", "DPoP", tok.Access, "", 401, "invalid_dpop_proof", "The DPoP proof is not good: missing."},
		{"proof used before", "DPoP", tok.Access, spent, 401, "invalid_dpop_proof", "The DPoP proof is not good: used before."},
		{"no ath", "DPoP", tok.Access, info("ath", nil), 401, "invalid_dpop_proof", "The DPoP proof is not good: ath."},
		{"ath of another token", "DPoP", tok.Access, info("ath", "AAAA"), 401, "invalid_dpop_proof", "The DPoP proof is not good: ath."},
		{"another method", "DPoP", tok.Access, info("htm", "POST"), 401, "invalid_dpop_proof", "The DPoP proof is not good: htm."},
		{"the token endpoint", "DPoP", tok.Access, info("htu", s.issuer+pathToken), 401, "invalid_dpop_proof", "The DPoP proof is not good: htu."},
		{"another key", "DPoP", tok.Access, other.prove(t, s.proofOf("GET", pathUserinfo, tok.Access)), 401, "invalid_token", "The access token is bound to another key."},
		{"no nonce", "DPoP", tok.Access, info("nonce", nil), 401, "use_dpop_nonce", "Use the nonce in DPoP-Nonce."},
		{"a bearer token with a proof", "DPoP", bearer.Access, other.prove(t, s.proofOf("GET", pathUserinfo, bearer.Access)), 401, "invalid_token", "The access token is bound to no key."},
		{"a token of nobody", "DPoP", "x", info(), 401, "invalid_token", "The access token is unknown, expired or revoked."},
	} {
		headers := []string{"Authorization", row.scheme + " " + row.access}
		if row.proof != "" {
			headers = append(headers, "DPoP", row.proof)
		}
		r := s.userinfo("", headers...)
		var got struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.StatusCode != row.status || got.Error != row.code || got.Description != row.description {
			t.Errorf("%s: %d %s", row.why, r.StatusCode, r.body)
		}
		if challenge := r.Header.Get("WWW-Authenticate"); row.status == 401 && challenge != `DPoP error="`+row.code+`", algs="PS256 ES256 EdDSA"` {
			t.Errorf("%s: challenge %s", row.why, challenge)
		}
	}
	if !s.alive(bearer.Access) {
		t.Error("a bearer token is not good as one")
	}
}

// TestTokensBoundToAKey: what is issued with a proof says so to everybody who looks, and is
// bound: codes by dpop_jkt or the proof of the push, refresh tokens of clients that cannot
// prove themselves.
func TestTokensBoundToAKey(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	anna := s.addPerson("anna")
	key, other := newKey(t, keyring.ES256, ""), newKey(t, keyring.ES256, "")
	by := func(k *ownKey) string { return k.prove(t, s.proofOf("POST", pathToken, "")) }
	jkt := key.thumbprint(t)

	// What the token says of itself.
	jwt := s.addClient(func(c *idp.Client) { c.AccessFormat = idp.AccessJWT })
	tok, r := s.exchangeBy(jwt, by(key), s.browser().signIn(anna, request(jwt)))
	if r.StatusCode != 200 || tok.Type != "DPoP" {
		t.Fatal(r.body)
	}
	if cnf, _ := claimsOf(t, tok.Access)["cnf"].(map[string]any); len(cnf) != 1 || cnf["jkt"] != jkt {
		t.Errorf("cnf %v", cnf)
	}
	var seen struct {
		Active bool              `json:"active"`
		Type   string            `json:"token_type"`
		Cnf    map[string]string `json:"cnf"`
	}
	if r := s.call(pathIntrospect, jwt, url.Values{"token": {tok.Access}}); json.Unmarshal([]byte(r.body), &seen) != nil || !seen.Active || seen.Type != "DPoP" || seen.Cnf["jkt"] != jkt {
		t.Errorf("introspection: %s", r.body)
	}
	// A client that proves itself may change its key, and needs none.
	next, r := s.tokenBy(jwt, by(other), "grant_type", idp.GrantRefresh, "refresh_token", tok.Refresh)
	if r.StatusCode != 200 || next.Type != "DPoP" {
		t.Fatal(r.body)
	}
	last := s.mustRefresh(jwt, next.Refresh)
	if claims := claimsOf(t, last.Access); last.Type != "Bearer" || claims["cnf"] != nil {
		t.Errorf("%s %v", last.Type, claims)
	}

	// Codes.
	c := s.addClient(nil)
	for name, begin := range map[string]func(*browser) idp.Secret{
		"dpop_jkt": func(b *browser) idp.Secret { return b.signIn(anna, request(c, "dpop_jkt", jkt)) },
		"pushed dpop_jkt": func(b *browser) idp.Secret {
			return b.signIn(anna, url.Values{"client_id": {string(c.ID)}, "request_uri": {s.mustPush(c, request(c, "dpop_jkt", jkt))}})
		},
		"pushed with a proof": func(b *browser) idp.Secret {
			r := s.call(pathPushed, c, request(c), "DPoP", key.prove(t, s.proofOf("POST", pathPushed, "")))
			var p pushed
			if json.Unmarshal([]byte(r.body), &p) != nil || r.StatusCode != http.StatusCreated || r.Header.Get("DPoP-Nonce") == "" {
				t.Fatal(r.body)
			}
			return b.signIn(anna, url.Values{"client_id": {string(c.ID)}, "request_uri": {p.URI}})
		},
	} {
		code := begin(s.browser())
		_, r := s.exchange(c, code)
		refused(t, r, 400, "invalid_dpop_proof")
		if r.Header.Get("DPoP-Nonce") == "" {
			t.Errorf("%s: no nonce", name)
		}
		if got, r := s.exchangeBy(c, by(key), code); r.StatusCode != 200 || got.Type != "DPoP" {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
		code = begin(s.browser())
		_, r = s.exchangeBy(c, by(other), code)
		refused(t, r, 400, "invalid_grant")
		if got := list.Of(c.ID)[0]; got.Reason != idp.RejectedKey {
			t.Errorf("%s: its page says %+v", name, got)
		}
		_, r = s.exchangeBy(c, by(key), code) // a thief had it: it is burnt
		refused(t, r, 400, "invalid_grant")
	}
	r = s.call(pathPushed, c, request(c, "dpop_jkt", other.thumbprint(t)), "DPoP", key.prove(t, s.proofOf("POST", pathPushed, "")))
	refused(t, r, 400, "invalid_dpop_proof")
	r = s.call(pathPushed, c, request(c), "DPoP", by(key)) // of another endpoint
	refused(t, r, 400, "invalid_dpop_proof")
	r = s.call(pathPushed, c, request(c, "dpop_jkt", "short"))
	refused(t, r, 400, "invalid_request")

	// Refresh tokens of a public client.
	open := s.addClient(func(c *idp.Client) { public(c); c.DPoP, c.RefreshGrace = true, 10*time.Second })
	tok, r = s.exchangeBy(open, by(key), s.browser().signIn(anna, request(open)))
	if r.StatusCode != 200 {
		t.Fatal(r.body)
	}
	refresh := func(proof, token string) (*tokens, *reply) {
		return s.tokenBy(open, proof, "grant_type", idp.GrantRefresh, "refresh_token", token)
	}
	_, r = s.refresh(open, tok.Refresh)
	refused(t, r, 400, "invalid_dpop_proof")
	_, r = refresh(by(other), tok.Refresh)
	refused(t, r, 400, "invalid_grant")
	s.editClient(open, func(c *idp.Client) { c.DPoP, c.RefreshGrace = false, 0 }) // what is bound stays bound
	_, r = s.refresh(open, tok.Refresh)
	refused(t, r, 400, "invalid_dpop_proof")
	s.editClient(open, func(c *idp.Client) { c.DPoP, c.RefreshGrace = true, 10*time.Second })
	second, r := refresh(by(key), tok.Refresh)
	if r.StatusCode != 200 || second.Refresh == tok.Refresh {
		t.Fatal(r.body)
	}
	s.clock.Add(10 * time.Second)
	if again, r := refresh(by(key), tok.Refresh); r.StatusCode != 200 || again.Access == "" { // a racing tab
		t.Fatal(r.body)
	}
	if _, r := refresh(by(key), second.Refresh); r.StatusCode != 200 {
		t.Errorf("the racing tab has killed the family: %s", r.body)
	}
	s.clock.Add(time.Second)
	_, r = refresh(by(key), tok.Refresh)
	refused(t, r, 400, "invalid_grant")
	_, r = refresh(by(key), second.Refresh)
	refused(t, r, 400, "invalid_grant")

	// Scripts may read the nonce.
	form := url.Values{"client_id": {string(open.ID)}, "grant_type": {idp.GrantRefresh}, "refresh_token": {"x"}}
	r = s.browser().post(pathToken, form, "Origin", "https://viewer.test", "DPoP", by(key))
	if r.Header.Get("DPoP-Nonce") == "" || !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "DPoP-Nonce") {
		t.Error(r.Header)
	}
}
