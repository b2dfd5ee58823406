package oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
)

// fapi registers a client under the FAPI 2.0 Security Profile; nothing but the profile and
// its key is said.
func (s *site) fapi(key *ownKey, change func(*idp.Client)) *client {
	s.t.Helper()
	return s.addKeyed(func(c *idp.Client) {
		c.Profile, c.IDTokenAlg = idp.ProfileFAPI2, ""
		if change != nil {
			change(c)
		}
	}, key)
}

// TestFAPI2 goes the way of FAPI 2.0 with each algorithm: a pushed request by key, a code
// bound to a key, tokens bound to it, userinfo, and a refresh token that stays.
func TestFAPI2(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	for _, alg := range []string{keyring.PS256, keyring.ES256, keyring.EdDSA} {
		c, key := s.fapi(newKey(t, alg, "k"), func(c *idp.Client) { c.AccessFormat, c.Consent = idp.AccessJWT, true }), newKey(t, alg, "")
		if !c.RequirePushed || !c.DPoP || c.IDTokenAlg != keyring.ES256 {
			t.Fatalf("the profile means %+v", c.Client)
		}
		by := func(path string) string { return key.prove(t, s.proofOf("POST", path, "")) }
		b := s.browser()

		var p pushed
		r := s.call(pathPushed, c, request(c), "DPoP", by(pathPushed))
		if err := json.Unmarshal([]byte(r.body), &p); err != nil || r.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %d %s", alg, r.StatusCode, r.body)
		}
		id := b.get(begun(c, p.URI)).loginOf(t)
		b.prove(id, anna)
		got := b.get(CollectPath + string(id)).answered(t)
		if got.Get("iss") != s.issuer || got.Get("state") != "the state" {
			t.Errorf("%s: %v", alg, got)
		}
		code := idp.Secret(got.Get("code"))
		_, r = s.exchange(c, code) // a bearer token it cannot have
		refused(t, r, 400, "invalid_dpop_proof")
		tok, r := s.exchangeBy(c, by(pathToken), code)
		if r.StatusCode != 200 || tok.Type != "DPoP" || tok.Refresh == "" {
			t.Fatalf("%s: %s", alg, r.body)
		}
		if claims := claimsOf(t, tok.ID); claims["nonce"] != "the nonce" || claims["aud"] != string(c.ID) {
			t.Errorf("%s: %v", alg, claims)
		}
		use := func(access string) *reply {
			return s.userinfo("", "Authorization", "DPoP "+access, "DPoP", key.prove(t, s.proofOf("GET", pathUserinfo, access)))
		}
		if r := use(tok.Access); r.StatusCode != 200 || !strings.Contains(r.body, string(anna.ID)) {
			t.Errorf("%s: %d %s", alg, r.StatusCode, r.body)
		}
		if s.alive(tok.Access) {
			t.Errorf("%s: a bearer token all the same", alg)
		}

		// The refresh token stays, longer than one that is rotated may lie unused.
		for range 3 {
			s.clock.Add(100 * time.Minute)
			next, r := s.tokenBy(c, by(pathToken), "grant_type", idp.GrantRefresh, "refresh_token", tok.Refresh)
			if r.StatusCode != 200 || next.Refresh != "" || next.Type != "DPoP" || use(next.Access).StatusCode != 200 {
				t.Fatalf("%s: %s", alg, r.body)
			}
		}
		_, r = s.refresh(c, tok.Refresh)
		refused(t, r, 400, "invalid_dpop_proof")
		if r := s.call(pathRevoke, c, url.Values{"token": {tok.Refresh}}); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", alg, r.StatusCode)
		}
		_, r = s.tokenBy(c, by(pathToken), "grant_type", idp.GrantRefresh, "refresh_token", tok.Refresh)
		refused(t, r, 400, "invalid_grant")
	}
}

// TestFAPI2Refuses: what other clients may do, and clients under the profile may not.
func TestFAPI2Refuses(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	key := newKey(t, keyring.ES256, "k")
	rs := &ownKey{alg: keyring.RS256, kid: "rsa", private: rsaKey()}
	c := s.fapi(key, func(c *idp.Client) { c.JWKS = setOf(t, key, rs) })
	now := s.clock.Now().Unix()
	proof := func() string { return key.prove(t, s.proofOf("POST", pathToken, "")) }
	send := func(assertion string) *reply {
		return s.browser().post(pathToken, url.Values{
			"grant_type": {idp.GrantClientCredentials}, "client_assertion_type": {assertionType}, "client_assertion": {assertion},
		}, "DPoP", proof())
	}
	for why, row := range map[string]struct {
		assertion string
		status    int
	}{
		"as it should be":                {key.sign(t, s.assertion(c), nil), 200},
		"iat and nbf 8 s ahead":          {key.sign(t, spoilt(s.assertion(c), "iat", now+8, "nbf", now+8), nil), 200},
		"nbf 60 s ahead":                 {key.sign(t, spoilt(s.assertion(c), "nbf", now+60), nil), 401},
		"RS256":                          {rs.sign(t, s.assertion(c), nil), 401},
		"the token endpoint as audience": {key.sign(t, spoilt(s.assertion(c), "aud", s.issuer+pathToken), nil), 401},
		"the PAR endpoint as audience":   {key.sign(t, spoilt(s.assertion(c), "aud", s.issuer+pathPushed), nil), 401},
		"the issuer in a list":           {key.sign(t, spoilt(s.assertion(c), "aud", []string{s.issuer}), nil), 401},
	} {
		if r := send(row.assertion); r.StatusCode != row.status {
			t.Errorf("%s: %d %s", why, r.StatusCode, r.body)
		}
	}
	b := s.browser()
	if got := b.get(pathAuthorize + "?" + request(c).Encode()).answered(t); got.Get("error") != "invalid_request" || got.Get("iss") != s.issuer {
		t.Errorf("not pushed: %v", got)
	}
	for why, q := range map[string]url.Values{
		"without PKCE": request(c, "code_challenge", "", "code_challenge_method", ""), "plain": request(c, "code_challenge_method", "plain"),
	} {
		if _, r := s.push(c, q); r.StatusCode != 400 {
			t.Errorf("%s: %d", why, r.StatusCode)
		}
	}
	// A code is good for 60 seconds.
	code := b.signIn(anna, url.Values{"client_id": {string(c.ID)}, "request_uri": {s.mustPush(c, request(c))}})
	s.clock.Add(60 * time.Second)
	_, r := s.exchangeBy(c, key.prove(t, s.proofOf("POST", pathToken, "")), code)
	refused(t, r, 400, "invalid_grant")
	// Who is asked and denies: the application is told.
	uri := s.mustPush(c, request(c, "prompt", "login"))
	id := b.get(begun(c, uri)).loginOf(t)
	if _, err := s.flow.Cancel(t.Context(), id, b.asLogin()); err != nil {
		t.Fatal(err)
	}
	if got := b.get(CollectPath + string(id)).answered(t); got.Get("error") != "access_denied" || got.Get("iss") != s.issuer || got.Get("state") != "the state" {
		t.Errorf("denied: %v", got)
	}
}
