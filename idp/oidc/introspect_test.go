package oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

func (s *site) introspect(c *client, token string) map[string]any {
	s.t.Helper()
	r := s.call(pathIntrospect, c, url.Values{"token": {token}})
	var got map[string]any
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.StatusCode != http.StatusOK {
		s.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return got
}

// TestIntrospectionIsForThoseATokenIsMeantFor, and tells others nothing.
func TestIntrospectionIsForThoseATokenIsMeantFor(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	api := s.addClient(func(c *idp.Client) { c.ID, c.Auth = "pacs-api", idp.AuthPost })
	stranger := s.addClient(nil)
	for _, format := range []idp.AccessFormat{idp.AccessOpaque, idp.AccessJWT} {
		c := s.addClient(func(c *idp.Client) { c.Audience, c.AccessFormat = []string{"pacs-api", "https://pacs.test"}, format })
		tok := s.mustExchange(c, s.browser().signIn(anna, request(c, "scope", "openid pacs offline_access")))
		for _, who := range []*client{c, api} {
			got := s.introspect(who, tok.Access)
			now := s.clock.Now()
			want := map[string]any{
				"active": true, "iss": s.issuer, "sub": string(anna.ID), "client_id": string(c.ID), "scope": "openid pacs offline_access",
				"token_type": "Bearer", "aud": []any{"pacs-api", "https://pacs.test"}, "acr": idp.ACRMultiFactor,
				"iat": float64(now.Unix()), "exp": float64(now.Add(15 * time.Minute).Unix()),
				"amr": got["amr"], "auth_time": got["auth_time"],
			}
			if !reflect.DeepEqual(got, want) || got["auth_time"] == nil {
				t.Errorf("%s: %v, want %v", who.ID, got, want)
			}
		}
		if got := s.introspect(stranger, tok.Access); !reflect.DeepEqual(got, map[string]any{"active": false}) {
			t.Errorf("a stranger: %v", got)
		}
		if got := s.introspect(c, tok.Refresh); got["active"] != true || got["token_type"] != nil {
			t.Errorf("its own refresh token: %v", got)
		}
		if got := s.introspect(api, tok.Refresh); got["active"] != false {
			t.Errorf("another's refresh token: %v", got)
		}
		s.mustRefresh(c, tok.Refresh)
		if got := s.introspect(c, tok.Refresh); got["active"] != false {
			t.Errorf("a used refresh token: %v", got)
		}
		s.clock.Add(15 * time.Minute)
		if got := s.introspect(c, tok.Access); !reflect.DeepEqual(got, map[string]any{"active": false}) {
			t.Errorf("an expired token: %v", got)
		}
	}
}

func TestIntrospectionIsForConfidentialClients(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(public), s.addPerson("anna")
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	refused(t, s.call(pathIntrospect, c, url.Values{"token": {tok.Access}}), http.StatusUnauthorized, "invalid_client")
	refused(t, s.call(pathIntrospect, s.addClient(nil), url.Values{}), http.StatusBadRequest, "invalid_request")
}

func TestRevocation(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	other := s.addClient(nil)
	for _, change := range []func(*idp.Client){nil, public, func(c *idp.Client) { c.AccessFormat = idp.AccessJWT }} {
		c := s.addClient(change)
		tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
		revoke := func(c *client, token, hint string) *reply {
			return s.call(pathRevoke, c, url.Values{"token": {token}, "token_type_hint": {hint}})
		}
		for _, token := range []string{tok.Access, tok.Refresh} {
			refused(t, revoke(other, token, ""), http.StatusBadRequest, "invalid_grant")
		}
		if !s.alive(tok.Access) {
			t.Fatal("another client revoked a token")
		}
		if r := revoke(c, tok.Access, "refresh_token"); r.StatusCode != http.StatusOK || strings.TrimSpace(r.body) != "" {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
		if s.alive(tok.Access) {
			t.Error("the access token lives")
		}
		next := s.mustRefresh(c, tok.Refresh)
		if !s.alive(next.Access) {
			t.Error("more than the access token was revoked")
		}
		if r := revoke(c, next.Refresh, "nonsense"); r.StatusCode != http.StatusOK {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
		if s.alive(next.Access) {
			t.Error("the grant lives")
		}
		_, r := s.refresh(c, next.Refresh)
		refused(t, r, http.StatusBadRequest, "invalid_grant")
		for _, token := range []string{next.Refresh, next.Access, "unknown"} {
			if r := revoke(c, token, ""); r.StatusCode != http.StatusOK {
				t.Errorf("once more: %d %s", r.StatusCode, r.body)
			}
		}
	}
	refused(t, s.call(pathRevoke, other, url.Values{}), http.StatusBadRequest, "invalid_request")
}
