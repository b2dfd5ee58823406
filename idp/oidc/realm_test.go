package oidc

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
)

// withRealm has the site have a realm.
func withRealm(_ *site, c *Config) { c.Realm = "Clinic-1" }

const (
	testRealm    = idp.RealmRoot + "Clinic-1"
	testProtocol = testRealm + realmProtocol
)

// shaped makes a registration one of Keycloak's shape, public, as keycloak-js is.
func shaped(c *idp.Client) {
	public(c)
	c.Profile, c.IDTokenAlg, c.DefaultScopes = idp.ProfileKeycloak, "", []string{"openid", "profile", "email", "roles", "offline_access"}
}

// realmToken asks the token endpoint of the realm.
func (s *site) realmToken(c *client, form url.Values, headers ...string) (map[string]any, *reply) {
	s.t.Helper()
	r := s.call(testProtocol+"/token", c, form, headers...)
	var got map[string]any
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		s.t.Fatalf("%d %s: %v", r.StatusCode, r.body, err)
	}
	return got, r
}

// realmSignIn signs somebody in at the realm and returns the authorization response.
func (b *browser) realmSignIn(p *person, q url.Values) url.Values {
	b.s.t.Helper()
	id := b.get(testProtocol + "/auth?" + q.Encode()).loginOf(b.s.t)
	b.prove(id, p)
	return b.get(CollectPath + string(id)).answered(b.s.t)
}

func (s *site) realmTokens(c *client, b *browser, p *person) *tokens {
	s.t.Helper()
	code := b.realmSignIn(p, request(c, "scope", "openid")).Get("code")
	r := s.call(testProtocol+"/token", c, codeForm(c, code))
	var got tokens
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.StatusCode != http.StatusOK {
		s.t.Fatalf("no tokens: %d %s", r.StatusCode, r.body)
	}
	return &got
}

// codeForm is a good token request for a code.
func codeForm(c *client, code string) url.Values {
	return url.Values{"grant_type": {idp.GrantCode}, "code": {code}, "redirect_uri": {c.RedirectURIs[0]}, "code_verifier": {verifier}}
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {idp.GrantRefresh}, "refresh_token": {token}}
}

// part is a part of a JWT: 0 its header, 1 its claims.
func part(t *testing.T, token string, n int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %s", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[n])
	var m map[string]any
	if err != nil || json.Unmarshal(b, &m) != nil {
		t.Fatalf("no JWT: %s", token)
	}
	return m
}

// Tokens of Keycloak's shape have what programs read, and each says what it is.
func TestRealmTokens(t *testing.T) {
	s := newSite(t, withRealm)
	anna := s.addPerson("anna")
	c := s.addClient(func(c *idp.Client) {
		shaped(c)
		c.Audience, c.ClaimsInID = []string{"account"}, true
		c.Claims = []idp.ClaimRule{{Name: "typ", Text: "Bearer"}, {Name: "realm_access", From: "groups"}, {Name: "ward", From: "groups"}}
	})
	issuer := s.issuer + testRealm
	b := s.browser()
	answer := b.realmSignIn(anna, request(c, "scope", "openid"))
	if answer.Get("iss") != issuer {
		t.Errorf("the authorization response is of %s", answer.Get("iss"))
	}
	got, r := s.realmToken(c, codeForm(c, answer.Get("code")))
	for name, want := range map[string]any{
		"token_type": "Bearer", "expires_in": float64(900), "refresh_expires_in": float64(5400), "not-before-policy": float64(0), "scope": "openid profile email roles offline_access",
	} {
		if got[name] != want {
			t.Errorf("%s is %v: %d", name, got[name], r.StatusCode)
		}
	}
	var tok tokens
	if err := json.Unmarshal([]byte(r.body), &tok); err != nil {
		t.Fatal(err)
	}
	access, id, refresh := claimsOf(t, tok.Access), claimsOf(t, tok.ID), part(t, tok.Refresh, 1)
	for what, claims := range map[string]map[string]any{"access": access, "id": id, "refresh": refresh} {
		if claims["iss"] != issuer || claims["azp"] != string(c.ID) || claims["sid"] == nil || claims["session_state"] != claims["sid"] || claims["sid"] != got["session_state"] {
			t.Errorf("%s: %v", what, claims)
		}
		if exp, ok := claims["exp"].(float64); !ok || time.Unix(int64(exp), 0).Before(s.clock.Now()) {
			t.Errorf("%s: exp %v", what, claims["exp"])
		}
	}
	roles := map[string]any{"roles": []any{"radiologist"}}
	for name, want := range map[string]any{
		"typ": "Bearer", "aud": []any{"account"}, "realm_access": roles, "resource_access": map[string]any{string(c.ID): roles}, "preferred_username": "anna",
		"allowed-origins": []any{"https://viewer.test"}, "client_id": string(c.ID),
	} {
		if !reflect.DeepEqual(access[name], want) {
			t.Errorf("the access token has %s %v, want %v", name, access[name], want)
		}
	}
	if id["typ"] != "ID" || id["aud"] != string(c.ID) || id["nonce"] != "the nonce" || id["preferred_username"] != "anna" || refresh["typ"] != "Refresh" {
		t.Errorf("ID token %v, refresh token %v", id, refresh)
	}
	for what, token := range map[string]string{"access": tok.Access, "id": tok.ID} {
		if h := part(t, token, 0); h["typ"] != "JWT" || h["alg"] != "RS256" || h["kid"] == nil {
			t.Errorf("%s: %v", what, h)
		}
		payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if n := strings.Count(string(payload), `"typ":`); n != 1 {
			t.Errorf("%s says %d times what it is", what, n)
		}
	}
	// Two more of the same session differ, and introspection knows whose they are.
	again, _ := s.realmToken(c, refreshForm(tok.Refresh))
	if again["refresh_token"] == tok.Refresh || again["access_token"] == tok.Access {
		t.Error("refreshed, it has the same tokens")
	}
	api := s.addClient(func(c *idp.Client) {
		shaped(c)
		c.Auth, c.GrantTypes, c.ID = idp.AuthBasic, idp.KeycloakGrants, "account"
	})
	var said map[string]any
	asked := s.call(testProtocol+"/token/introspect", api, url.Values{"token": {fmt.Sprint(again["access_token"])}})
	if err := json.Unmarshal([]byte(asked.body), &said); err != nil || said["active"] != true || said["iss"] != issuer || said["username"] != "anna" {
		t.Errorf("introspection: %s", asked.body)
	}
	own := s.addClient(func(c *idp.Client) { shaped(c); c.Auth, c.GrantTypes = idp.AuthBasic, idp.KeycloakGrants })
	mine := s.realmTokens(own, s.browser(), anna)
	if r := s.call(testProtocol+"/token/introspect", own, url.Values{"token": {mine.Refresh}}); !strings.Contains(r.body, `"active":true`) {
		t.Errorf("introspection of a refresh token: %s", r.body)
	}
	// Without the scope there are no roles, and an application that acts for itself has no person.
	code := s.browser().realmSignIn(anna, request(c, "scope", "openid email")).Get("code")
	few, _ := s.realmToken(c, codeForm(c, code))
	if claims := claimsOf(t, fmt.Sprint(few["access_token"])); claims["realm_access"] != nil || claims["resource_access"] != nil || claims["preferred_username"] != nil || few["refresh_token"] != nil {
		t.Errorf("%v", claims)
	}
	program, r := s.realmToken(own, url.Values{"grant_type": {idp.GrantClientCredentials}, "scope": {"pacs"}})
	if claims := claimsOf(t, fmt.Sprint(program["access_token"])); r.StatusCode != http.StatusOK || claims["sub"] != string(own.ID) || claims["typ"] != "Bearer" || claims["sid"] != nil || claims["realm_access"] != nil {
		t.Errorf("%v", claims)
	}
	// Roles under the names of a rule.
	s.editClient(c, func(c *idp.Client) {
		c.Audience = nil // of an API that is registered they would be its rules
		c.DefaultScopes = []string{"openid", "roles", "groups"}
		c.Claims = []idp.ClaimRule{{Name: "roles", From: "groups", Values: []idp.ClaimValue{{From: "mri", To: "doctor"}}}}
	})
	mapped := s.realmTokens(c, s.browser(), anna)
	if got := claimsOf(t, mapped.Access)["realm_access"]; !reflect.DeepEqual(got, map[string]any{"roles": []any{"doctor"}}) {
		t.Errorf("by a rule: %v", got)
	}
	// Nobody else's tokens have any of this.
	plain := s.addClient(func(c *idp.Client) { c.AccessFormat, c.ClaimsInAccess = idp.AccessJWT, true })
	other := s.mustExchange(plain, s.browser().signIn(anna, request(plain)))
	for what, token := range map[string]string{"access": other.Access, "id": other.ID} {
		claims := claimsOf(t, token)
		for _, name := range []string{"typ", "azp", "realm_access", "resource_access", "session_state", "allowed-origins"} {
			if claims[name] != nil {
				t.Errorf("%s of an application that is not of the realm has %s", what, name)
			}
		}
	}
	if strings.Contains(other.Refresh, ".") || claimsOf(t, other.ID)["iss"] != s.issuer {
		t.Error("an application that is not of the realm has tokens of its shape")
	}
}

// A refresh token that looks like a JWT is as good as any other, and no better: whoever changes
// what it says, or takes it out of its clothes, has none; used again it ends its family; it
// ends with its session.
func TestRealmRefreshTokenIsOpaque(t *testing.T) {
	s := newSite(t, withRealm)
	c := s.addClient(shaped)
	anna := s.addPerson("anna")
	tok := s.realmTokens(c, s.browser(), anna)
	parts := strings.Split(tok.Refresh, ".")
	longer := part(t, tok.Refresh, 1)
	longer["exp"] = 9e9
	text, _ := json.Marshal(longer)
	for what, made := range map[string]string{
		"another end":     parts[0] + "." + base64.RawURLEncoding.EncodeToString(text) + "." + parts[2],
		"another header":  base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "." + parts[2],
		"no clothes":      parts[2],
		"no token":        parts[0] + "." + parts[1] + ".",
		"another token":   parts[0] + "." + parts[1] + "." + idp.NewToken().Reveal(),
		"an access token": tok.Access,
		"an ID token":     tok.ID,
	} {
		got, r := s.realmToken(c, refreshForm(made))
		if r.StatusCode != http.StatusBadRequest || got["error"] != "invalid_grant" {
			t.Errorf("%s: %d %s", what, r.StatusCode, r.body)
		}
	}
	if r := s.browser().getWith(testProtocol+"/userinfo", "Authorization", "Bearer "+tok.Refresh); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("as an access token: %d %s", r.StatusCode, r.body)
	}
	got, r := s.realmToken(c, refreshForm(tok.Refresh))
	if r.StatusCode != http.StatusOK {
		t.Fatalf("it was spoilt by those who guessed: %d %s", r.StatusCode, r.body)
	}
	next := fmt.Sprint(got["refresh_token"])
	if _, r := s.realmToken(c, refreshForm(tok.Refresh)); r.StatusCode != http.StatusBadRequest {
		t.Errorf("it is good twice: %d", r.StatusCode)
	}
	if _, r := s.realmToken(c, refreshForm(next)); r.StatusCode != http.StatusBadRequest {
		t.Errorf("its family lives: %d", r.StatusCode)
	}
	if r := s.browser().getWith(testProtocol+"/userinfo", "Authorization", "Bearer "+fmt.Sprint(got["access_token"])); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("the access token of its family: %d", r.StatusCode)
	}
	for what, end := range map[string]func(*browser, *person, *tokens){
		"its time": func(_ *browser, _ *person, tok *tokens) {
			exp := time.Unix(int64(part(t, tok.Refresh, 1)["exp"].(float64)), 0)
			s.clock.Add(exp.Sub(s.clock.Now()))
		},
		"a sign-out": func(b *browser, _ *person, tok *tokens) {
			b.get(testProtocol + "/logout?" + url.Values{"id_token_hint": {tok.ID}, "client_id": {string(c.ID)}}.Encode())
		},
		"an administrator": func(_ *browser, p *person, _ *tokens) {
			if err := s.desk.Disable(t.Context(), s.admin, p.ID, "left"); err != nil {
				t.Fatal(err)
			}
		},
		"a revocation": func(_ *browser, _ *person, tok *tokens) {
			if r := s.call(testProtocol+"/revoke", c, url.Values{"token": {tok.Refresh}}); r.StatusCode != http.StatusOK {
				t.Errorf("revoke: %d %s", r.StatusCode, r.body)
			}
		},
		"another shape": func(*browser, *person, *tokens) {
			s.editClient(c, func(c *idp.Client) { c.Profile = "" })
		},
	} {
		s.editClient(c, func(c *idp.Client) { c.Profile, c.IDTokenAlg = idp.ProfileKeycloak, "" })
		p, b := s.addPerson("p"+idp.NewID[string]()), s.browser()
		tok := s.realmTokens(c, b, p)
		end(b, p, tok)
		if _, r := s.realmToken(c, refreshForm(tok.Refresh)); r.StatusCode != http.StatusBadRequest && r.StatusCode != http.StatusUnauthorized {
			t.Errorf("after %s: %d %s", what, r.StatusCode, r.body)
		}
	}
}

// getWith is get with a header.
func (b *browser) getWith(path, name, value string) *reply {
	b.s.t.Helper()
	r, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodGet, b.s.issuer+path, nil)
	if err != nil {
		b.s.t.Fatal(err)
	}
	r.Header.Set(name, value)
	return b.do(r)
}

// The documents of the realm, what is where, and what is not; without a realm there is nothing.
func TestRealmAddresses(t *testing.T) {
	with, without := newSite(t, withRealm), newSite(t)
	for _, path := range []string{testRealm, testRealm + "/"} {
		r := with.browser().get(path)
		var said map[string]any
		if err := json.Unmarshal([]byte(r.body), &said); err != nil || r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("Access-Control-Allow-Credentials") != "" || r.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %d %v %s", path, r.StatusCode, r.Header, r.body)
		}
		der, err := base64.StdEncoding.DecodeString(fmt.Sprint(said["public_key"]))
		if err != nil {
			t.Fatal(err)
		}
		key, err := x509.ParsePKIXPublicKey(der)
		signer, noKey := ring().Signer(keyring.RS256)
		if err != nil || noKey != nil || !reflect.DeepEqual(key, signer.Public) {
			t.Errorf("public_key is not the one that signs: %v %v", err, noKey)
		}
		delete(said, "public_key")
		want := map[string]any{
			"realm": "Clinic-1", "token-service": with.issuer + testProtocol, "account-service": with.issuer + testRealm + "/account", "tokens-not-before": float64(0),
		}
		if !reflect.DeepEqual(said, want) {
			t.Errorf("%s says %v", path, said)
		}
	}
	var meta map[string]any
	found := with.browser().get(testRealm + pathDiscovery)
	if err := json.Unmarshal([]byte(found.body), &meta); err != nil || meta["issuer"] != with.issuer+testRealm {
		t.Fatalf("%v %s", err, found.body)
	}
	for name, v := range meta {
		address, ok := v.(string)
		if !ok || name == "issuer" {
			continue
		}
		if !strings.HasPrefix(address, with.issuer+testProtocol+"/") {
			t.Errorf("%s is %s", name, address)
		}
		if r := with.browser().get(address); r.StatusCode == http.StatusNotFound {
			t.Errorf("%s: nothing is at %s", name, address)
		}
	}
	if !reflect.DeepEqual(meta["id_token_signing_alg_values_supported"], []any{"RS256"}) || !reflect.DeepEqual(meta["grant_types_supported"], []any{"authorization_code", "refresh_token", "client_credentials"}) {
		t.Errorf("%v", meta)
	}
	for _, name := range []string{"check_session_iframe", "registration_endpoint", "pushed_authorization_request_endpoint", "device_authorization_endpoint", "backchannel_authentication_endpoint", "backchannel_token_delivery_modes_supported", "mtls_endpoint_aliases"} {
		if _, ok := meta[name]; ok {
			t.Errorf("%s is offered", name)
		}
	}
	if one, two := with.browser().get(testProtocol+"/certs"), with.browser().get(pathKeys); one.body != two.body || one.StatusCode != http.StatusOK || one.Header.Get("ETag") != two.Header.Get("ETag") {
		t.Error("the keys differ")
	}
	frame := with.browser().get(testProtocol + "/3p-cookies/step1.html")
	if frame.StatusCode != http.StatusOK || frame.Header.Get("X-Frame-Options") != "" || !strings.Contains(frame.Header.Get("Content-Security-Policy"), "frame-ancestors *") ||
		!strings.HasPrefix(frame.Header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'") || len(frame.Cookies()) != 0 {
		t.Errorf("%d %v", frame.StatusCode, frame.Header)
	}
	if script := with.browser().get(testProtocol + "/3p-cookies/step1.js"); script.body != cookiesScript || !strings.HasPrefix(script.Header.Get("Content-Type"), "text/javascript") {
		t.Errorf("%v %s", script.Header, script.body)
	}
	if r := with.browser().get(testRealm + "/account?referrer=x&referrer_uri=https://evil.test"); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/account" {
		t.Errorf("%d %s", r.StatusCode, r.Header.Get("Location"))
	}
	// Another name, and what Keycloak has besides.
	for _, name := range []string{"clinic-1", "Clinic-2", "Clinic-1x", "master", "Clinic%2D1%00", "."} {
		for _, rest := range []string{"", "/", pathDiscovery, realmProtocol + "/auth?client_id=x", realmProtocol + "/certs", realmProtocol + "/token", realmProtocol + "/3p-cookies/step1.html"} {
			if r := with.browser().get(idp.RealmRoot + name + rest); r.StatusCode != http.StatusNotFound && r.StatusCode != http.StatusTemporaryRedirect && r.StatusCode != http.StatusMovedPermanently {
				t.Errorf("%s%s: %d", name, rest, r.StatusCode)
			}
		}
	}
	for _, rest := range []string{"/login-status-iframe.html", "/login-status-iframe.html/init", "/registrations", "/auth/device", "/ext/par/request", "/3p-cookies/step2.html"} {
		if r := with.browser().get(testProtocol + rest); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", rest, r.StatusCode)
		}
	}
	for _, path := range append(slices.Sorted(maps.Values(realmPaths)), "/3p-cookies/step1.html", "/3p-cookies/step1.js") {
		if r := without.browser().get(testProtocol + path); r.StatusCode != http.StatusNotFound {
			t.Errorf("without a realm, %s: %d", path, r.StatusCode)
		}
	}
	for _, path := range []string{testRealm, testRealm + "/", testRealm + pathDiscovery, testRealm + "/account"} {
		if r := without.browser().get(path); r.StatusCode != http.StatusNotFound {
			t.Errorf("without a realm, %s: %d", path, r.StatusCode)
		}
	}
	// What our own issuer says does not change by a byte.
	for _, path := range []string{pathDiscovery, pathDiscoveryOAuth} {
		one, two := with.browser().get(path).body, without.browser().get(path).body
		if strings.ReplaceAll(one, with.issuer, "") != strings.ReplaceAll(two, without.issuer, "") || strings.Contains(one, "realms") {
			t.Errorf("%s with a realm:\n%s\nwithout:\n%s", path, one, two)
		}
	}
	for _, name := range []string{"a/b", "a b", "ä", ".", "a.b", strings.Repeat("a", 65)} {
		if _, err := New(Config{Issuer: "https://idp.test", Realm: name, Store: with.store, Logins: with.flow, Keys: ring(), Browsers: testBrowsers{}, Pages: testPages{}}); err == nil {
			t.Errorf("a realm %q", name)
		}
	}
}

// door is one of the two issuers, with clients of its own that are alike.
type door struct {
	s            *site
	at           func(path string) string
	page, secret *client
	person       *person
}

func doors(s *site) map[string]*door {
	anna := s.addPerson("anna")
	ours := &door{s: s, person: anna, at: func(path string) string { return path }}
	realm := &door{s: s, person: anna, at: func(path string) string { return testProtocol + realmPaths[path] }}
	for d, shape := range map[*door]func(*idp.Client){ours: func(*idp.Client) {}, realm: func(c *idp.Client) { c.Profile = idp.ProfileKeycloak }} {
		d.page = s.addClient(func(c *idp.Client) { public(c); c.IDTokenAlg = ""; shape(c) })
		d.secret = s.addClient(func(c *idp.Client) { c.IDTokenAlg = ""; shape(c) })
	}
	return map[string]*door{"ours": ours, "the realm": realm}
}

func (d *door) auth(pairs ...string) *reply {
	return d.s.browser().get(d.at(pathAuthorize) + "?" + request(d.page, pairs...).Encode())
}

func (d *door) code(c *client, pairs ...string) string {
	b := d.s.browser()
	id := b.get(d.at(pathAuthorize) + "?" + request(c, pairs...).Encode()).loginOf(d.s.t)
	b.prove(id, d.person)
	return b.get(CollectPath + string(id)).answered(d.s.t).Get("code")
}

func (d *door) tokens(c *client) *tokens {
	r := d.s.call(d.at(pathToken), c, codeForm(c, d.code(c)))
	var got tokens
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || got.Access == "" {
		d.s.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return &got
}

// with is a good code request of a client, changed.
func (d *door) exchange(c *client, pairs ...string) *reply {
	form := codeForm(c, d.code(c))
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
	return d.s.call(d.at(pathToken), c, form)
}

var made = regexp.MustCompile(`\b[0-9A-Z]{26}\b`)

// What is refused at our own addresses is refused at those of the realm, by the same answer and
// for the same reason.
func TestRealmRefusesTheSame(t *testing.T) {
	s := newSite(t, withRealm)
	var noted []idp.Rejection
	s.server.conf.Rejected = func(_ idp.ClientID, r idp.Rejection) { noted = append(noted, r) }
	both := doors(s)
	form := func(pairs ...string) url.Values {
		f := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	for name, do := range map[string]func(d *door) *reply{
		"no client":                   func(d *door) *reply { return d.s.browser().get(d.at(pathAuthorize)) },
		"an unknown client":           func(d *door) *reply { return d.auth("client_id", "nobody") },
		"an address of nobody's":      func(d *door) *reply { return d.auth("redirect_uri", "https://evil.test/") },
		"no PKCE":                     func(d *door) *reply { return d.auth("code_challenge", "", "code_challenge_method", "") },
		"PKCE plain":                  func(d *door) *reply { return d.auth("code_challenge_method", "plain") },
		"a short challenge":           func(d *door) *reply { return d.auth("code_challenge", "short") },
		"the implicit flow":           func(d *door) *reply { return d.auth("response_type", "id_token token") },
		"an unknown scope":            func(d *door) *reply { return d.auth("scope", "openid everything") },
		"an unknown response mode":    func(d *door) *reply { return d.auth("response_mode", "carrier_pigeon") },
		"prompt none without session": func(d *door) *reply { return d.auth("prompt", "none") },
		"prompt none and login":       func(d *door) *reply { return d.auth("prompt", "none login") },
		"a bad max_age":               func(d *door) *reply { return d.auth("max_age", "-1") },
		"a bad hint":                  func(d *door) *reply { return d.auth("id_token_hint", "x.y.z") },
		"an access token as hint":     func(d *door) *reply { return d.auth("id_token_hint", d.tokens(d.page).Access) },
		"a refresh token as hint":     func(d *door) *reply { return d.auth("id_token_hint", d.tokens(d.page).Refresh) },
		"bad claims":                  func(d *door) *reply { return d.auth("claims", "[") },
		"a request object unsigned":   func(d *door) *reply { return d.auth("request", "e30.e30.") },
		"a request_uri":               func(d *door) *reply { return d.auth("request_uri", "https://evil.test/r") },
		"a handle of nobody's":        func(d *door) *reply { return d.auth("request_uri", pushedPrefix+"x") },
		"a parameter twice": func(d *door) *reply {
			return d.s.browser().get(d.at(pathAuthorize) + "?" + request(d.page).Encode() + "&scope=openid")
		},
		"a form with a query": func(d *door) *reply { return d.s.browser().post(d.at(pathAuthorize)+"?x=y", request(d.page)) },
		"PUT":                 func(d *door) *reply { return d.method(http.MethodPut, pathAuthorize) },
		"HEAD":                func(d *door) *reply { return d.method(http.MethodHead, pathAuthorize) },

		"GET at token":     func(d *door) *reply { return d.s.browser().get(d.at(pathToken)) },
		"a query at token": func(d *door) *reply { return d.s.browser().post(d.at(pathToken)+"?grant_type=x", nil) },
		"JSON at token": func(d *door) *reply {
			return d.s.browser().post(d.at(pathToken), nil, "Content-Type", "application/json")
		},
		"a form that is too long": func(d *door) *reply {
			return d.s.browser().post(d.at(pathToken), form("x", strings.Repeat("a", 2*maxForm)))
		},
		"no grant type": func(d *door) *reply { return d.s.call(d.at(pathToken), d.page, form()) },
		"the password grant": func(d *door) *reply {
			return d.s.call(d.at(pathToken), d.page, form("grant_type", "password", "username", "anna", "password", "x"))
		},
		"a grant type not its own": func(d *door) *reply {
			return d.s.call(d.at(pathToken), d.page, form("grant_type", idp.GrantClientCredentials))
		},
		"a token exchange": func(d *door) *reply {
			return d.s.call(d.at(pathToken), d.secret, form("grant_type", idp.GrantExchange, "subject_token", "x", "subject_token_type", typeOfAccess))
		},
		"a wrong secret": func(d *door) *reply {
			wrong := *d.secret
			wrong.secret = "wrong"
			return d.s.call(d.at(pathToken), &wrong, form("grant_type", idp.GrantClientCredentials))
		},
		"no secret": func(d *door) *reply {
			return d.s.browser().post(d.at(pathToken), form("grant_type", idp.GrantClientCredentials, "client_id", string(d.secret.ID)))
		},
		"two ways of authentication": func(d *door) *reply {
			return d.s.call(d.at(pathToken), d.secret, form("grant_type", idp.GrantClientCredentials, "client_secret", "x"))
		},
		"an unknown client at token": func(d *door) *reply {
			return d.s.browser().post(d.at(pathToken), form("grant_type", idp.GrantRefresh, "refresh_token", "x", "client_id", "nobody"))
		},
		"a code of nobody's":       func(d *door) *reply { return d.s.call(d.at(pathToken), d.page, codeForm(d.page, "x")) },
		"no verifier":              func(d *door) *reply { return d.exchange(d.page, "code_verifier", "") },
		"a wrong verifier":         func(d *door) *reply { return d.exchange(d.page, "code_verifier", verifier+"x") },
		"another redirect address": func(d *door) *reply { return d.exchange(d.page, "redirect_uri", callback+"/") },
		"a used code": func(d *door) *reply {
			code := d.code(d.page)
			d.s.call(d.at(pathToken), d.page, codeForm(d.page, code))
			return d.s.call(d.at(pathToken), d.page, codeForm(d.page, code))
		},
		"an old code": func(d *door) *reply {
			code := d.code(d.page)
			d.s.clock.Add(time.Minute)
			return d.s.call(d.at(pathToken), d.page, codeForm(d.page, code))
		},
		"another's code": func(d *door) *reply { return d.s.call(d.at(pathToken), d.secret, codeForm(d.page, d.code(d.page))) },
		"a used refresh": func(d *door) *reply { t := d.tokens(d.page); d.refresh(t); return d.refresh(t) },
		"more scopes": func(d *door) *reply {
			f := refreshForm(d.tokens(d.page).Refresh)
			f.Set("scope", "openid pacs")
			return d.s.call(d.at(pathToken), d.page, f)
		},
		"another's refresh": func(d *door) *reply {
			return d.s.call(d.at(pathToken), d.secret, refreshForm(d.tokens(d.page).Refresh))
		},
		"a DPoP proof that is none": func(d *door) *reply {
			return d.s.call(d.at(pathToken), d.page, refreshForm(d.tokens(d.page).Refresh), "DPoP", "x.y.z")
		},

		"userinfo without a token": func(d *door) *reply { return d.s.browser().get(d.at(pathUserinfo)) },
		"userinfo with an ID token": func(d *door) *reply {
			return d.s.browser().getWith(d.at(pathUserinfo), "Authorization", "Bearer "+d.tokens(d.page).ID)
		},
		"a token in the address": func(d *door) *reply { return d.s.browser().get(d.at(pathUserinfo) + "?access_token=x") },
		"a revoked token": func(d *door) *reply {
			tok := d.tokens(d.page)
			d.s.call(d.at(pathRevoke), d.page, form("token", tok.Refresh))
			return d.s.browser().getWith(d.at(pathUserinfo), "Authorization", "Bearer "+tok.Access)
		},
		"introspection by a public client": func(d *door) *reply { return d.s.call(d.at(pathIntrospect), d.page, form("token", "x")) },
		"introspection of another's token": func(d *door) *reply {
			return d.s.call(d.at(pathIntrospect), d.secret, form("token", d.tokens(d.page).Access))
		},
		"introspection of no token": func(d *door) *reply { return d.s.call(d.at(pathIntrospect), d.secret, form()) },
		"revocation of another's token": func(d *door) *reply {
			return d.s.call(d.at(pathRevoke), d.secret, form("token", d.tokens(d.page).Refresh))
		},
		"revocation by nobody": func(d *door) *reply { return d.s.browser().post(d.at(pathRevoke), form("token", "x")) },
		"a sign-out to an address of nobody's": func(d *door) *reply {
			return d.s.browser().get(d.at(pathEndSession) + "?" + form("client_id", string(d.page.ID), "id_token_hint", d.tokens(d.page).ID, "post_logout_redirect_uri", "https://evil.test/").Encode())
		},
		"a sign-out by an access token": func(d *door) *reply {
			return d.s.browser().get(d.at(pathEndSession) + "?" + form("id_token_hint", d.tokens(d.page).Access, "post_logout_redirect_uri", bye).Encode())
		},
		"a sign-out confirmed from elsewhere": func(d *door) *reply {
			return d.s.browser().post(d.at(pathConfirm), form(), "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site")
		},
	} {
		said := map[string]string{}
		for where, d := range both {
			noted = nil
			r := do(d)
			text := fmt.Sprint(r.StatusCode, " ", r.Header.Get("Location"), " ", r.Header.Get("WWW-Authenticate"), " ", r.Header.Get("Allow"), " ", r.Header.Get("Cache-Control"), " ", r.body)
			for _, n := range noted {
				text += fmt.Sprint(" ", n.Reason, " ", n.Sent, " ", n.Registered)
			}
			text = strings.NewReplacer(string(d.page.ID), "PAGE", string(d.secret.ID), "SECRET", url.QueryEscape(s.issuer+testRealm), "ISSUER", url.QueryEscape(s.issuer), "ISSUER", s.issuer+testRealm, "ISSUER", s.issuer, "ISSUER").Replace(text)
			said[where] = made.ReplaceAllString(text, "ID")
		}
		if said["ours"] != said["the realm"] {
			t.Errorf("%s:\nours      %s\nthe realm %s", name, said["ours"], said["the realm"])
		}
		if strings.HasPrefix(said["ours"], "200") && !strings.Contains(said["ours"], "active\":false") && !strings.Contains(said["ours"], "no way back") && !strings.Contains(said["ours"], "signed out") {
			t.Errorf("%s is not refused: %s", name, said["ours"])
		}
	}
}

func (d *door) refresh(tok *tokens) *reply {
	return d.s.call(d.at(pathToken), d.page, refreshForm(tok.Refresh))
}

func (d *door) method(method, path string) *reply {
	r, err := http.NewRequestWithContext(d.s.t.Context(), method, d.s.issuer+d.at(path), nil)
	if err != nil {
		d.s.t.Fatal(err)
	}
	return d.s.browser().do(r)
}

// A client is of one issuer. At the addresses of the other it is unknown, its tokens are good
// for nothing, and what it is told never names the other.
func TestIssuersDoNotMix(t *testing.T) {
	s := newSite(t, withRealm)
	var noted []idp.Rejection
	s.server.conf.Rejected = func(_ idp.ClientID, r idp.Rejection) { noted = append(noted, r) }
	both := doors(s)
	for where, d := range both {
		other, own, its := both["ours"], s.issuer+testRealm, s.issuer
		if where == "ours" {
			other, own, its = both["the realm"], s.issuer, s.issuer+testRealm
		}
		elsewhere := func(what string, r *reply, status int, text string) {
			t.Helper()
			if r.StatusCode != status || !strings.Contains(r.body, text) {
				t.Errorf("%s, %s: %d %s", where, what, r.StatusCode, r.body)
			}
			if len(noted) == 0 || noted[len(noted)-1].Reason != idp.RejectedIssuer || noted[len(noted)-1].Sent != its || !slices.Equal(noted[len(noted)-1].Registered, []string{own}) {
				t.Errorf("%s, %s: noted %+v", where, what, noted)
			}
			noted = nil
		}
		tok := d.tokens(d.page)
		elsewhere("auth", s.browser().get(other.at(pathAuthorize)+"?"+request(d.page).Encode()), 400, "error page "+keyClient)
		elsewhere("code", s.call(other.at(pathToken), d.page, codeForm(d.page, d.code(d.page))), 401, codeInvalidClient)
		elsewhere("refresh", s.call(other.at(pathToken), d.page, refreshForm(tok.Refresh)), 401, codeInvalidClient)
		elsewhere("credentials", s.call(other.at(pathToken), d.secret, url.Values{"grant_type": {idp.GrantClientCredentials}}), 401, codeInvalidClient)
		elsewhere("introspection", s.call(other.at(pathIntrospect), d.secret, url.Values{"token": {tok.Access}}), 401, codeInvalidClient)
		elsewhere("revocation", s.call(other.at(pathRevoke), d.page, url.Values{"token": {tok.Refresh}}), 401, codeInvalidClient)
		for _, bearer := range []string{tok.Access, tok.ID, tok.Refresh} {
			if r := s.browser().getWith(other.at(pathUserinfo), "Authorization", "Bearer "+bearer); r.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: userinfo of the other issuer: %d %s", where, r.StatusCode, r.body)
			}
		}
		if r := s.browser().getWith(d.at(pathUserinfo), "Authorization", "Bearer "+tok.Access); r.StatusCode != http.StatusOK {
			t.Errorf("%s: userinfo: %d %s", where, r.StatusCode, r.body)
		}
		// A wrong secret at the wrong issuer says that it is wrong, and no more.
		noted = nil
		wrong := *d.secret
		wrong.secret = "wrong"
		if r := s.call(other.at(pathToken), &wrong, url.Values{"grant_type": {idp.GrantClientCredentials}}); r.StatusCode != 401 || len(noted) != 1 || noted[0].Reason != idp.RejectedSecret {
			t.Errorf("%s: %d, noted %+v", where, r.StatusCode, noted)
		}
		// An ID token of one is no hint to the other.
		b := s.browser()
		id := b.get(d.at(pathAuthorize) + "?" + request(d.page).Encode()).loginOf(t)
		b.prove(id, d.person)
		answer := b.get(CollectPath + string(id)).answered(t)
		if answer.Get("iss") != own {
			t.Errorf("%s: the answer is of %s", where, answer.Get("iss"))
		}
		if r := b.get(other.at(pathAuthorize) + "?" + request(other.page, "prompt", "none", "id_token_hint", tok.ID).Encode()).answered(t); r.Get("error") != codeInvalidRequest || r.Get("iss") != its {
			t.Errorf("%s: a hint of the other issuer: %v", where, r)
		}
		r := s.call(d.at(pathToken), d.page, codeForm(d.page, answer.Get("code")))
		var mine tokens
		if err := json.Unmarshal([]byte(r.body), &mine); err != nil {
			t.Fatal(err)
		}
		if r := b.get(other.at(pathEndSession) + "?" + url.Values{"id_token_hint": {mine.ID}, "post_logout_redirect_uri": {bye}}.Encode()); r.StatusCode != http.StatusOK || !strings.Contains(r.body, "confirm sign-out") {
			t.Errorf("%s: signed out by an ID token of the other issuer: %d %s", where, r.StatusCode, r.body)
		}
		// At its own it goes straight back.
		if r := b.get(d.at(pathEndSession) + "?" + url.Values{"id_token_hint": {mine.ID}, "post_logout_redirect_uri": {bye}, "state": {"s"}}.Encode()); r.Header.Get("Location") != bye+"?state=s" {
			t.Errorf("%s: %d %s %s", where, r.StatusCode, r.Header.Get("Location"), r.body)
		}
		if r := s.browser().get(d.at(pathAuthorize) + "?" + request(d.page, "prompt", "none").Encode()).answered(t); r.Get("error") != codeLoginRequired || r.Get("iss") != own {
			t.Errorf("%s: an error is of %s", where, r.Get("iss"))
		}
		logout, err := s.server.LogoutToken(d.page.Client, d.person.ID, "the session")
		if err != nil || claimsOf(t, logout.Reveal())["iss"] != own {
			t.Errorf("%s: a logout token: %v", where, err)
		}
		if _, err := s.server.readHint(logout.Reveal(), own); err == nil {
			t.Errorf("%s: a logout token is a hint", where)
		}
	}
}

// The pages that a person comes through lead within the realm: a request by POST, the question
// whether to sign out, and its answer.
func TestRealmPagesLeadWithinIt(t *testing.T) {
	s := newSite(t, withRealm)
	c, anna := s.addClient(shaped), s.addPerson("anna")
	b := s.browser()
	r := b.post(testProtocol+"/auth", request(c, "scope", "openid"))
	if to := r.Header.Get("Location"); !strings.HasPrefix(to, testProtocol+"/auth?") {
		t.Fatalf("%d %s", r.StatusCode, to)
	}
	id := b.get(r.Header.Get("Location")).loginOf(t)
	b.prove(id, anna)
	b.get(CollectPath + string(id)).answered(t)
	r = b.post(testProtocol+"/logout", url.Values{"client_id": {string(c.ID)}, "post_logout_redirect_uri": {bye}})
	if to := r.Header.Get("Location"); !strings.HasPrefix(to, testProtocol+"/logout?") {
		t.Fatalf("%d %s", r.StatusCode, to)
	}
	action, fields := formOf(b.get(r.Header.Get("Location")).body)
	if action != testProtocol+"/logout/logout-confirm" {
		t.Fatalf("asked at %s", action)
	}
	if r := b.post(action, fields); r.Header.Get("Location") != bye {
		t.Errorf("%d %s %s", r.StatusCode, r.Header.Get("Location"), r.body)
	}
}

// Scripts may ask with credentials, which is how keycloak-js asks, and read the answer where
// their client has registered the origin; never «*» and credentials.
func TestRealmAndScriptsOfOtherOrigins(t *testing.T) {
	s := newSite(t, withRealm)
	both := doors(s)
	d := both["the realm"]
	s.addClient(func(c *idp.Client) { shaped(c); c.Origins = []string{"https://stranger.test"} })
	tok := d.tokens(d.page)
	for _, row := range []struct {
		what, origin string
		reads        bool
		ask          func(headers ...string) *reply
	}{
		{"its own origin", "https://viewer.test", true, func(h ...string) *reply { return s.call(d.at(pathToken), d.page, refreshForm("x"), h...) }},
		{"another client's", "https://stranger.test", false, func(h ...string) *reply { return s.call(d.at(pathToken), d.page, refreshForm("x"), h...) }},
		{"nobody's", "https://evil.test", false, func(h ...string) *reply { return s.call(d.at(pathToken), d.page, refreshForm("x"), h...) }},
		{"null", "null", false, func(h ...string) *reply { return s.call(d.at(pathToken), d.page, refreshForm("x"), h...) }},
		{"before the client is known", "https://stranger.test", true, func(h ...string) *reply {
			return s.browser().post(d.at(pathToken), url.Values{"client_id": {"nobody"}, "grant_type": {idp.GrantRefresh}}, h...)
		}},
		{"before the client is known, nobody's", "https://evil.test", false, func(h ...string) *reply {
			return s.browser().post(d.at(pathToken), url.Values{"client_id": {"nobody"}, "grant_type": {idp.GrantRefresh}}, h...)
		}},
		{"revocation", "https://viewer.test", true, func(h ...string) *reply { return s.call(d.at(pathRevoke), d.page, url.Values{"token": {"x"}}, h...) }},
		{"userinfo", "https://viewer.test", true, func(h ...string) *reply {
			return s.browser().post(d.at(pathUserinfo), url.Values{"access_token": {tok.Access}}, h...)
		}},
		{"userinfo by another client's", "https://stranger.test", false, func(h ...string) *reply {
			return s.browser().post(d.at(pathUserinfo), url.Values{"access_token": {tok.Access}}, h...)
		}},
		{"introspection", "https://viewer.test", false, func(h ...string) *reply {
			return s.call(d.at(pathIntrospect), d.secret, url.Values{"token": {"x"}}, h...)
		}},
		{"the page of the sign-in", "https://viewer.test", false, func(h ...string) *reply {
			return s.browser().getWith(d.at(pathAuthorize)+"?"+request(d.page).Encode(), h[0], h[1])
		}},
	} {
		r := row.ask("Origin", row.origin)
		allowed, credentials := r.Header.Get("Access-Control-Allow-Origin"), r.Header.Get("Access-Control-Allow-Credentials")
		if row.reads && (allowed != row.origin || credentials != "true") || !row.reads && (allowed != "" || credentials != "") {
			t.Errorf("%s: %d, %q %q", row.what, r.StatusCode, allowed, credentials)
		}
	}
	for path, origins := range map[string]map[string]string{
		d.at(pathToken):    {"https://viewer.test": "https://viewer.test", "https://evil.test": "*", "null": "*"},
		d.at(pathUserinfo): {"https://stranger.test": "https://stranger.test"},
		d.at(pathKeys):     {"https://viewer.test": "*"},
		testRealm:          {"https://viewer.test": "*"},
		pathToken:          {"https://viewer.test": "*"}, // as it was
	} {
		for origin, want := range origins {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.issuer+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Origin", origin)
			req.Header.Set("Access-Control-Request-Method", http.MethodPost)
			r := s.browser().do(req)
			allowed, credentials := r.Header.Get("Access-Control-Allow-Origin"), r.Header.Get("Access-Control-Allow-Credentials")
			if r.StatusCode != http.StatusNoContent || allowed != want || (credentials == "true") != (want != "*") {
				t.Errorf("OPTIONS %s from %s: %d %q %q", path, origin, r.StatusCode, allowed, credentials)
			}
		}
	}
	// What is refused before it comes to the endpoint, too.
	for path, refuse := range s.server.Refusals() {
		if !strings.HasPrefix(path, testProtocol+"/token") || strings.HasSuffix(path, "introspect") {
			continue
		}
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodPost, path, nil)
		req.Header.Set("Origin", "https://viewer.test")
		refuse(w, req, http.StatusServiceUnavailable)
		if w.Header().Get("Access-Control-Allow-Credentials") != "true" || w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}
