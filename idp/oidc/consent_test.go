package oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
)

// TestConsentToClaimsByName: an application that asks for consent is told a claim that it
// asks for by name when the person has been shown that claim, and said yes; what they
// allowed before, scopes or other claims, does not cover it.
func TestConsentToClaimsByName(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	c := s.addClient(func(c *idp.Client) { c.Consent = true })
	b := s.browser()
	const (
		email    = `{"userinfo":{"email":null}}`
		both     = `{"userinfo":{"email":null},"id_token":{"phone_number":{"essential":true}}}`
		strange  = `{"userinfo":{"shoe_size":null,"sub":null},"id_token":{"acr":null,"auth_time":null}}`
		covered  = `{"userinfo":{"given_name":null}}`
		unshared = `{"userinfo":{"groups":null}}`
	)
	silently := func(scope, claims string) url.Values {
		return b.get(pathAuthorize + "?" + request(c, "prompt", "none", "scope", scope, "claims", claims).Encode()).answered(t)
	}
	// asked is the claims on the page of a request, which is answered.
	asked := func(scope, claims string, allow bool) ([]string, url.Values) {
		t.Helper()
		id := b.get(pathAuthorize + "?" + request(c, "scope", scope, "claims", claims).Encode()).loginOf(t)
		step, err := s.flow.Step(t.Context(), id, b.asLogin())
		if err != nil || step.State != idp.LoginConsent || !slices.Equal(step.Scopes, strings.Fields(scope)) {
			t.Fatalf("%+v, %v", step, err)
		}
		if _, err := s.flow.Consent(t.Context(), id, b.asLogin(), allow); err != nil {
			t.Fatal(err)
		}
		return step.Claims, b.get(CollectPath + string(id)).answered(t)
	}
	tells := func(got url.Values) string {
		t.Helper()
		return said(t, s.userinfo(s.mustExchange(c, idp.Secret(got.Get("code"))).Access))
	}

	b.signIn(anna, request(c, "scope", "openid"))
	if got := silently("openid", ""); !got.Has("code") {
		t.Fatalf("scopes that were allowed: %v", got)
	}
	for _, claims := range []string{email, both, covered} {
		if got := silently("openid", claims); got.Get("error") != codeConsentRequired {
			t.Errorf("a yes to scopes covers %s: %v", claims, got)
		}
	}
	if got := silently("openid", strange); !got.Has("code") {
		t.Errorf("claims that say nothing of a person are asked about: %v", got)
	}

	shown, got := asked("openid", email, false)
	if !slices.Equal(shown, []string{"email"}) || got.Get("error") != codeAccessDenied {
		t.Errorf("shown are %v, answered %v", shown, got)
	}
	if got := silently("openid", email); got.Get("error") != codeConsentRequired {
		t.Errorf("a no was taken for a yes: %v", got)
	}
	shown, got = asked("openid", email, true)
	if !slices.Equal(shown, []string{"email"}) || tells(got) != "email="+anna.Email {
		t.Errorf("shown are %v, answered %v", shown, got)
	}
	if got := silently("openid", email); !got.Has("code") || tells(got) != "email="+anna.Email {
		t.Errorf("it is asked again: %v", got)
	}
	if got := silently("openid", both); got.Get("error") != codeConsentRequired {
		t.Errorf("a yes to one claim covers another: %v", got)
	}
	shown, got = asked("openid", both, true)
	if !slices.Equal(shown, []string{"email", "phone_number"}) {
		t.Errorf("shown are %v", shown)
	}
	tok := s.mustExchange(c, idp.Secret(got.Get("code")))
	if id := claimsOf(t, tok.ID); id["phone_number"] != anna.Phone || id["email"] != nil {
		t.Errorf("the ID token says %v", id)
	}

	// A scope that covers the claim is shown in its place, and what was allowed stays.
	shown, got = asked("openid profile", covered, true)
	if len(shown) != 0 || !got.Has("code") {
		t.Errorf("shown are %v besides their scope", shown)
	}
	if got := silently("openid", email); !got.Has("code") {
		t.Errorf("a later yes forgets an earlier one: %v", got)
	}
	if got := silently("openid", unshared); got.Get("error") != codeConsentRequired {
		t.Errorf("groups: %v", got)
	}
	// What the registration does not have is neither asked nor told.
	s.editClient(c, func(c *idp.Client) { c.Scopes = []string{"profile"} })
	if got := silently("openid", both); !got.Has("code") || tells(got) != "" {
		t.Errorf("beyond the registration: %v", got)
	}
	if got := said(t, s.userinfo(tok.Access)); got != "" {
		t.Errorf("taken from the registration: %s", got)
	}
}

// TestGrantsThatNobodyWasAskedAbout: a claim asked by name that no page has shown is not
// told, to grants from before the application asked for consent, nor from before there was a
// record of such claims.
func TestGrantsThatNobodyWasAskedAbout(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	c := s.addClient(nil)
	b := s.browser()
	tok := s.mustExchange(c, b.signIn(anna, request(c, "scope", "openid offline_access", "claims", `{"userinfo":{"email":null},"id_token":{"phone_number":null}}`)))
	if got := said(t, s.userinfo(tok.Access)); got != "email="+anna.Email {
		t.Fatal(got)
	}
	s.editClient(c, func(c *idp.Client) { c.Consent = true })
	if r := s.userinfo(tok.Access); r.StatusCode != http.StatusOK || said(t, r) != "" {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	again := s.mustRefresh(c, tok.Refresh)
	if id := claimsOf(t, again.ID); id["phone_number"] != nil {
		t.Errorf("the ID token says %v", id)
	}
	if got := said(t, s.userinfo(again.Access)); got != "" {
		t.Error(got)
	}
	// The yes of a later sign-in is to the same claims of the same application.
	s.mustExchange(c, s.browser().signIn(anna, request(c, "scope", "openid", "claims", `{"userinfo":{"email":null}}`)))
	if got := said(t, s.userinfo(again.Access)); got != "email="+anna.Email {
		t.Error(got)
	}
}

// TestPushedClaimsAreAskedAbout: the same of a request that was pushed.
func TestPushedClaimsAreAskedAbout(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	c := s.addClient(func(c *idp.Client) { c.Consent = true })
	b := s.browser()
	b.signIn(anna, request(c, "scope", "openid"))
	r := s.call(pathPushed, c, request(c, "scope", "openid", "claims", `{"id_token":{"roles":null}}`))
	_, uri, _ := strings.Cut(r.body, `"request_uri":"`)
	uri, _, _ = strings.Cut(uri, `"`)
	id := b.get(pathAuthorize + "?" + url.Values{"client_id": {string(c.ID)}, "request_uri": {uri}}.Encode()).loginOf(t)
	step, err := s.flow.Step(t.Context(), id, b.asLogin())
	if err != nil || step.State != idp.LoginConsent || !slices.Equal(step.Claims, []string{"roles"}) {
		t.Errorf("%+v, %v", step, err)
	}
}
