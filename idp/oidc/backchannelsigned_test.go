package oidc

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
)

// signsCIBA makes a client one that signs its requests to ask phones.
func signsCIBA(alg string) func(*idp.Client) {
	return func(c *idp.Client) {
		asks(c)
		c.Backchannel.RequestAlg = alg
	}
}

// bcObject is the claims of a good signed authentication request.
func (s *site) bcObject(c *client, user string) map[string]any {
	now := s.clock.Now().Unix()
	return map[string]any{
		"iss": c.ID, "aud": s.issuer, "iat": now, "nbf": now, "exp": now + 300, "jti": idp.NewToken().Reveal(),
		"scope": "openid email offline_access", "login_hint": user, "binding_message": "W4SCT",
	}
}

// bcSigned asks by a signed authentication request; pairs stand outside of it.
func (s *site) bcSigned(c *client, object string, pairs ...string) *reply {
	s.t.Helper()
	form := url.Values{"request": {object}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return s.call(pathBackchannel, c, form)
}

func authReqID(t *testing.T, r *reply) string {
	t.Helper()
	var got struct {
		ID      string `json:"auth_req_id"`
		Expires int    `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.StatusCode != http.StatusOK || got.ID == "" {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return got.ID
}

// TestSignedBackchannel: a signed authentication request by each algorithm, with everything
// in it; a client with a secret may sign, too, and one that is pinged (CIBA Core 1.0, section
// 7.1.1).
func TestSignedBackchannel(t *testing.T) {
	s := newSite(t)
	p := newPinged(t, takes)
	s.sends(t, p, nil)
	for i, alg := range []string{keyring.PS256, keyring.ES256, keyring.EdDSA, keyring.RS256} {
		k := newKey(t, alg, "k")
		bySecret := s.addClient(func(c *idp.Client) { signsCIBA(alg)(c); c.JWKS = setOf(t, k) })
		bySecret.key = k
		for j, c := range []*client{
			s.addKeyed(signsCIBA(alg), k), bySecret,
			s.addKeyed(func(c *idp.Client) { pings(p.URL)(c); c.Backchannel.RequestAlg = alg }, k),
		} {
			name := "p" + string(rune('a'+i)) + string(rune('a'+j))
			ph := s.phone(s.addPerson(name))
			claims := s.bcObject(c, name)
			claims["requested_expiry"], claims["acr_values"], claims["request_context"] = []any{90, "90", 90.0}[j], "urn:unknown "+idp.ACRMultiFactor, map[string]any{"device": "kiosk"}
			claims["client_notification_token"], claims["client_id"], claims["unknown"] = notifyToken, c.ID, []int{1}
			before := p.count()
			typ := []map[string]any{nil, {"typ": "oauth-authz-req+jwt"}, {"typ": "application/oauth-authz-req+jwt"}}[j]
			id := authReqID(t, s.bcSigned(c, c.key.sign(t, claims, typ)))
			doc := s.answer(ph, idp.Verdict{Approve: true, Verified: true})
			if doc.Exp-doc.At != 90 || len(doc.Must) == 0 || doc.Act.Text != "Viewer: W4SCT" {
				t.Errorf("%s: the phone is shown %+v", alg, doc)
			}
			if j == 2 {
				soon(t, "a ping", func() bool { return p.count() > before })
			}
			tok, r := s.pollBC(c, id)
			if r.StatusCode != http.StatusOK || claimsOf(t, tok.ID)["acr"] != idp.ACRMultiFactor {
				t.Errorf("%s: %d %s", alg, r.StatusCode, r.body)
			}
		}
	}
}

// TestSignedBackchannelErrors: each claim is demanded and looked at, nothing stands outside,
// each request is good once, and no phone rings by any that is refused (CIBA Core 1.0,
// sections 7.1.1, 7.2 and 13).
func TestSignedBackchannelErrors(t *testing.T) {
	s := newSite(t)
	own, stranger := newKey(t, keyring.ES256, "k"), newKey(t, keyring.ES256, "k")
	rsa := newKey(t, keyring.PS256, "rsa")
	c := s.addKeyed(signsCIBA(keyring.ES256), own, rsa)
	unsigned := s.addKeyed(asks, own)
	ph := s.phone(s.addPerson("anna"))
	now := s.clock.Now().Unix()
	set := func(name string, v any) func(map[string]any) { return func(m map[string]any) { m[name] = v } }
	without := func(name string) func(map[string]any) { return func(m map[string]any) { delete(m, name) } }
	for _, row := range []struct {
		why    string
		change func(map[string]any)
		code   string // empty: invalid_request
	}{
		{"no iss", without("iss"), ""},
		{"another client's iss", set("iss", unsigned.ID), ""},
		{"our iss", set("iss", s.issuer), ""},
		{"an iss of no text", set("iss", 1), ""},
		{"no aud", without("aud"), ""},
		{"another's aud", set("aud", "https://other.test"), ""},
		{"an endpoint as aud", set("aud", s.issuer+pathBackchannel), ""},
		{"an empty list as aud", set("aud", []string{}), ""},
		{"an aud of no text", set("aud", 7), ""},
		{"no exp", without("exp"), ""},
		{"an exp of now", set("exp", now), ""},
		{"an exp of yesterday", set("exp", now-86400), ""},
		{"an exp of words", set("exp", "soon"), ""},
		{"an exp more than an hour after nbf", set("exp", now+3601), ""},
		{"no iat", without("iat"), ""},
		{"an iat ahead", set("iat", now+60), ""},
		{"an iat of words", set("iat", "now"), ""},
		{"no nbf", without("nbf"), ""},
		{"an nbf ahead", set("nbf", now+600), ""},
		{"an nbf long ago", func(m map[string]any) { m["nbf"], m["exp"] = now-4200, now-600+700 }, ""},
		{"no jti", without("jti"), ""},
		{"an empty jti", set("jti", ""), ""},
		{"a jti of no text", set("jti", 5), ""},
		{"a long jti", set("jti", strings.Repeat("j", maxJTI+1)), ""},
		{"the sub of an assertion", set("sub", c.ID), ""},
		{"another client_id", set("client_id", unsigned.ID), ""},
		{"a request within", set("request", "x.y.z"), ""},
		{"a request_uri within", set("request_uri", "https://viewer.test/r"), ""},
		{"a scope that is a list", set("scope", []string{"openid"}), ""},
		{"a hint that is a number", set("login_hint", 1), ""},
		{"an expiry below nothing", set("requested_expiry", -1), ""},
		{"an expiry of nothing", set("requested_expiry", 0), ""},
		{"a part of a second", set("requested_expiry", 1.5), ""},
		{"an expiry that is true", set("requested_expiry", true), ""},
		{"a context that is a list", set("request_context", []int{1}), ""},
		{"no hint", without("login_hint"), ""},
		{"two hints", set("id_token_hint", "x.y.z"), ""},
		{"a hint token", func(m map[string]any) { delete(m, "login_hint"); m["login_hint_token"] = "x.y.z" }, ""},
		{"no scope", without("scope"), "invalid_scope"},
		{"no openid", set("scope", "email"), "invalid_scope"},
		{"no message", without("binding_message"), "invalid_binding_message"},
		{"a long message", set("binding_message", strings.Repeat("x", 61)), "invalid_binding_message"},
		{"a message of two lines", set("binding_message", "W4\nSCT"), ""},
		{"nobody", set("login_hint", "nobody"), "unknown_user_id"},
	} {
		claims := s.bcObject(c, "anna")
		row.change(claims)
		code := row.code
		if code == "" {
			code = codeInvalidRequest
		}
		r := s.bcSigned(c, own.sign(t, claims, nil))
		if got := said(t, r); got != "400 "+code {
			t.Errorf("%s: %s: %s", row.why, got, r.body)
		}
	}
	object := func() string { return own.sign(t, s.bcObject(c, "anna"), nil) }
	good := object()
	for why, r := range map[string]*reply{
		"unsigned":                   func() *reply { _, r := s.bc(c); return r }(),
		"alg none":                   s.bcSigned(c, "eyJhbGciOiJub25lIn0."+strings.Split(good, ".")[1]+"."),
		"another algorithm":          s.bcSigned(c, rsa.sign(t, s.bcObject(c, "anna"), nil)),
		"another's key":              s.bcSigned(c, stranger.sign(t, s.bcObject(c, "anna"), nil)),
		"an unknown kid":             s.bcSigned(c, own.sign(t, s.bcObject(c, "anna"), map[string]any{"kid": "other"})),
		"the type of an assertion":   s.bcSigned(c, own.sign(t, s.bcObject(c, "anna"), map[string]any{"typ": "client-authentication+jwt"})),
		"the type of a token":        s.bcSigned(c, own.sign(t, s.bcObject(c, "anna"), map[string]any{"typ": "at+jwt"})),
		"an assertion":               s.bcSigned(c, own.sign(t, s.assertion(c), nil)),
		"no JWT":                     s.bcSigned(c, "x.y.z"),
		"a changed claim":            s.bcSigned(c, strings.Replace(good, ".", ".A", 1)),
		"another client's":           s.bcSigned(c, own.sign(t, s.bcObject(unsigned, "anna"), nil)),
		"not registered to sign":     s.bcSigned(unsigned, own.sign(t, s.bcObject(unsigned, "anna"), nil)),
		"by request_uri":             s.bcSigned(c, object(), "request_uri", "https://viewer.test/r"),
		"scope outside":              s.bcSigned(c, object(), "scope", "openid"),
		"login_hint outside":         s.bcSigned(c, object(), "login_hint", "anna"),
		"id_token_hint outside":      s.bcSigned(c, object(), "id_token_hint", "x.y.z"),
		"login_hint_token outside":   s.bcSigned(c, object(), "login_hint_token", "x"),
		"binding_message outside":    s.bcSigned(c, object(), "binding_message", "OTHER"),
		"requested_expiry outside":   s.bcSigned(c, object(), "requested_expiry", "10"),
		"acr_values outside":         s.bcSigned(c, object(), "acr_values", "x"),
		"user_code outside":          s.bcSigned(c, object(), "user_code", "1234"),
		"notification token outside": s.bcSigned(c, object(), "client_notification_token", notifyToken),
	} {
		if got := said(t, r); got != "400 invalid_request" {
			t.Errorf("%s: %s: %s", why, got, r.body)
		}
	}
	if open, err := s.flow.Asked(t.Context(), ph); err != nil || len(open) != 0 {
		t.Fatalf("a phone is asked: %v, %v", open, err)
	}

	// Each is good once, by whichever client with that key; its jti may come again from another.
	claims := s.bcObject(c, "anna")
	authReqID(t, s.bcSigned(c, own.sign(t, claims, nil)))
	if r := s.bcSigned(c, own.sign(t, claims, nil)); said(t, r) != "400 invalid_request" || !strings.Contains(r.body, "jti") {
		t.Errorf("again: %s", r.body)
	}
	claims["binding_message"] = "OTHER"
	if r := s.bcSigned(c, own.sign(t, claims, nil)); said(t, r) != "400 invalid_request" {
		t.Errorf("its jti again: %s", r.body)
	}
	s.clock.Add(200 * time.Second)
	s.phone(s.addPerson("bert"))
	if r := s.bcSigned(c, own.sign(t, claims, nil)); said(t, r) != "400 invalid_request" {
		t.Errorf("again, later: %s", r.body)
	}
	other := s.addKeyed(signsCIBA(keyring.ES256), own)
	theirs := s.bcObject(other, "bert")
	theirs["jti"] = claims["jti"]
	authReqID(t, s.bcSigned(other, own.sign(t, theirs, nil)))

	// The key that is taken away signs nothing any more.
	s.editClient(c, func(c *idp.Client) { c.JWKS = setOf(t, stranger) })
	c.key = stranger
	if r := s.bcSigned(c, object()); said(t, r) != "400 invalid_request" {
		t.Errorf("by a key that was taken away: %s", r.body)
	}
}

// TestFAPICIBA: the FAPI profile of CIBA, by a key and by a certificate: what it sets by
// itself, signed requests, tokens of use with the certificate only, a message always, and the
// interaction id of a resource.
func TestFAPICIBA(t *testing.T) {
	m := newMutualSite(t)
	cert, other := m.ca.issue(named("desk.test")), m.ca.issue(named("other.test"))
	key := newKey(t, keyring.ES256, "k")
	profile := func(c *idp.Client) {
		asks(c)
		c.Profile, c.IDTokenAlg, c.Match = idp.ProfileFAPICIBA, "", idp.MatchTap
	}
	byKey := m.addKeyed(profile, key)
	byCert := m.byCA("san_dns=desk.test", profile, func(c *idp.Client) { c.JWKS, c.Backchannel.RequestAlg = setOf(t, key), keyring.ES256 })
	byCert.key = key
	for name, c := range map[string]*client{"key": byKey, "cert": byCert} {
		if !c.CertBound || c.DPoP || c.RequirePushed || c.Backchannel.RequestAlg != keyring.ES256 || c.IDTokenAlg != keyring.ES256 {
			t.Fatalf("%s: %+v", name, c.Client)
		}
		ph := m.phone(m.addPerson(name))
		// ask posts with the client's authentication; the one with a key asks without its
		// certificate, too.
		ask := func(with bool, form url.Values) *reply {
			if c.Auth == idp.AuthPrivateKey && !with {
				return m.call(pathBackchannel, c, form)
			}
			form = cloned(form)
			form.Set("client_id", string(c.ID))
			if c.Auth == idp.AuthPrivateKey {
				claims := m.assertion(c)
				claims["aud"] = m.url + pathBackchannel
				form.Set("client_assertion_type", assertionType)
				form.Set("client_assertion", key.sign(t, claims, nil))
			}
			return m.with(cert, http.MethodPost, pathBackchannel, form)
		}
		poll := func(cert *tls.Certificate, id string) (*tokens, *reply) {
			m.clock.Add(idp.PollInterval)
			pairs := []string{"grant_type", idp.GrantCIBA, "auth_req_id", id}
			if c.Auth == idp.AuthPrivateKey {
				pairs = append(pairs, "client_assertion_type", assertionType, "client_assertion", key.sign(t, m.assertion(c), nil))
			}
			return m.tokenWith(cert, c, pairs...)
		}
		object := func(change func(map[string]any)) url.Values {
			claims := m.bcObject(c, name)
			if change != nil {
				change(claims)
			}
			return url.Values{"request": {key.sign(t, claims, nil)}}
		}
		if r := ask(true, url.Values{"scope": {"openid"}, "login_hint": {name}, "binding_message": {"W4SCT"}}); said(t, r) != "400 invalid_request" {
			t.Errorf("%s: unsigned: %s", name, r.body)
		}
		if r := ask(true, object(func(m map[string]any) { delete(m, "binding_message") })); said(t, r) != "400 invalid_binding_message" {
			t.Errorf("%s: without a message, though a tap is enough: %s", name, r.body)
		}
		id := authReqID(t, ask(false, object(nil)))
		m.answer(ph, idp.Verdict{Approve: true})
		if _, r := poll(nil, id); r.StatusCode != http.StatusBadRequest && r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: without a certificate: %d %s", name, r.StatusCode, r.body)
		}
		tok, r := poll(cert, id)
		if r.StatusCode != http.StatusOK || tok.Type != "Bearer" || tok.Refresh == "" {
			t.Fatalf("%s: %d %s", name, r.StatusCode, r.body)
		}
		sent := "C770AEF3-6784-41F7-8E0E-FF5F97BDDB3A"
		for _, id := range []string{sent, "", "no id\"", sent + sent} {
			r := m.with(cert, http.MethodGet, pathUserinfo, nil, "Authorization", "Bearer "+tok.Access, interactionHeader, id)
			got := r.Header.Get(interactionHeader)
			if r.StatusCode != http.StatusOK || (got == id) != (id == sent) || !regexp.MustCompile(`^[0-9a-fA-F-]{36}$`).MatchString(got) {
				t.Errorf("%s: %d, the interaction %q is %q", name, r.StatusCode, id, got)
			}
		}
		if r := m.with(other, http.MethodGet, pathUserinfo, nil, "Authorization", "Bearer "+tok.Access); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: with another certificate: %d", name, r.StatusCode)
		}
		if r := m.userinfo(tok.Access); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: as a bearer token: %d", name, r.StatusCode)
		}
	}
	// An assertion by RS256 proves nobody under the profile.
	rs := newKey(t, keyring.RS256, "rsa")
	byRSA := m.addKeyed(profile, &ownKey{alg: keyring.PS256, kid: "rsa", private: rs.private})
	if byRSA.Backchannel.RequestAlg != keyring.PS256 {
		t.Errorf("its requests are by %s", byRSA.Backchannel.RequestAlg)
	}
	byRSA.key = rs
	if r := m.call(pathBackchannel, byRSA, url.Values{"request": {"x.y.z"}}); said(t, r) != "401 invalid_client" {
		t.Errorf("by RS256: %s", r.body)
	}
	// Of any other client the interaction is not repeated.
	plain := m.addClient(nil)
	got := m.mustExchange(plain, m.browser().signIn(m.addPerson("carl"), request(plain)))
	if r := m.browser().post(pathUserinfo, nil, "Authorization", "Bearer "+got.Access, interactionHeader, "C770AEF3-6784-41F7-8E0E-FF5F97BDDB3A"); r.StatusCode != http.StatusOK || r.Header.Get(interactionHeader) != "" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
}
