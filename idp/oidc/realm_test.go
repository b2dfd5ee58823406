package oidc

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"hilum/idp"
)

// withRealm has the site have a realm.
func withRealm(_ *site, c *Config) { c.Realm = "Clinic-1" }

const (
	testRealm    = realmRoot + "Clinic-1"
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

func (s *site) realmTokens(c *client, b *browser, p *person) map[string]any {
	s.t.Helper()
	code := b.realmSignIn(p, request(c, "scope", "openid")).Get("code")
	got, r := s.realmToken(c, url.Values{"grant_type": {idp.GrantCode}, "code": {code}, "redirect_uri": {c.RedirectURIs[0]}, "code_verifier": {verifier}})
	if r.StatusCode != http.StatusOK {
		s.t.Fatalf("no tokens: %d %s", r.StatusCode, r.body)
	}
	return got
}

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

func TestRealmSignsInWithTokensOfItsShape(t *testing.T) {
	s := newSite(t, withRealm)
	anna := s.addPerson("anna")
	c := s.addClient(shaped)
	got := s.realmTokens(c, s.browser(), anna)
	access, ok := got["access_token"].(string)
	if !ok {
		t.Fatalf("%v", got)
	}
	claims := part(t, access, 1)
	t.Logf("%v\n%v\n%v", got, claims, part(t, got["refresh_token"].(string), 1))
	if !reflect.DeepEqual(claims["realm_access"], map[string]any{"roles": []any{"radiologist"}}) {
		t.Errorf("%v", claims)
	}
	again, r := s.realmToken(c, url.Values{"grant_type": {idp.GrantRefresh}, "refresh_token": {got["refresh_token"].(string)}})
	if r.StatusCode != http.StatusOK || again["refresh_token"] == got["refresh_token"] {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}
