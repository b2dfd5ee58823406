package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
)

// TestTokenAnswersAreNotStored, and say what RFC 6749, section 5.1 asks.
func TestTokenAnswersAreNotStored(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	got, r := s.exchange(c, s.browser().signIn(anna, request(c)))
	if got.Type != "Bearer" || got.ExpiresIn != 900 || got.Scope != "openid profile email offline_access" || len(got.Access) != 43 || len(got.Refresh) != 43 || got.ID == "" {
		t.Errorf("%s", r.body)
	}
	_, failed := s.exchange(c, "no code")
	for _, r := range []*reply{r, failed, s.userinfo(got.Access), s.userinfo("x"), s.call(pathIntrospect, c, url.Values{"token": {got.Access}}), s.call(pathRevoke, c, url.Values{"token": {"x"}})} {
		if r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("Pragma") != "no-cache" {
			t.Errorf("%s: %v", r.Request.URL.Path, r.Header)
		}
		if kind := r.Header.Get("Content-Type"); kind != "application/json" {
			t.Errorf("%s: %s", r.Request.URL.Path, kind)
		}
	}
}

func TestCodeRedeemedInParallelGivesOneTokenSet(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	code := s.browser().signIn(anna, request(c))
	var wg sync.WaitGroup
	got := make([]*tokens, 8)
	for i := range got {
		wg.Go(func() { got[i], _ = s.exchange(c, code) })
	}
	wg.Wait()
	given := 0
	for _, tok := range got {
		if tok.Access == "" {
			if tok.Error != "invalid_grant" {
				t.Errorf("%+v", tok)
			}
			continue
		}
		given++
		if s.alive(tok.Access) {
			t.Error("the tokens of a replayed code live")
		}
	}
	if given != 1 {
		t.Errorf("%d token sets from one code", given)
	}
}

func TestReplayedCodeKillsItsTokens(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	code := s.browser().signIn(anna, request(c))
	first := s.mustExchange(c, code)
	s.clock.Add(5 * time.Minute) // long after the code's time
	_, r := s.exchange(c, code)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	if s.alive(first.Access) {
		t.Error("the access token lives")
	}
	_, r = s.refresh(c, first.Refresh)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	if got := s.browser().signIn(anna, request(c)); s.mustExchange(c, got).Access == "" {
		t.Error("the person was locked out")
	}
}

func TestOmittedVerifierIsRefused(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	for _, change := range []func(*idp.Client){nil, public, func(c *idp.Client) { c.OptionalPKCE = true }} {
		c := s.addClient(change)
		code := s.browser().signIn(anna, request(c))
		_, r := s.exchange(c, code, "code_verifier", "")
		refused(t, r, http.StatusBadRequest, "invalid_grant")
		_, r = s.exchange(c, code)
		refused(t, r, http.StatusBadRequest, "invalid_grant")
	}
}

func TestWrongVerifierBurnsTheCode(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	for _, wrong := range []string{strings.Repeat("b", 43), "short", strings.Repeat("a", 129), challengeOf(verifier), verifier + "=", verifier + "é"} {
		code := s.browser().signIn(anna, request(c))
		_, r := s.exchange(c, code, "code_verifier", wrong)
		refused(t, r, http.StatusBadRequest, "invalid_grant")
		_, r = s.exchange(c, code)
		refused(t, r, http.StatusBadRequest, "invalid_grant")
	}
}

// TestShortVerifierIsRefused though it fits its challenge: it could be guessed.
func TestShortVerifierIsRefused(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	for _, weak := range []string{"1234", strings.Repeat("a", 42), strings.Repeat("a", 43) + "!"} {
		code := s.browser().signIn(anna, request(c, "code_challenge", challengeOf(weak)))
		_, r := s.exchange(c, code, "code_verifier", weak)
		refused(t, r, http.StatusBadRequest, "invalid_grant")
	}
}

func TestWrongRedirectURIBurnsTheCode(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(func(c *idp.Client) { c.RedirectURIs = append(c.RedirectURIs, callback+"2") }), s.addPerson("anna")
	code := s.browser().signIn(anna, request(c))
	_, r := s.exchange(c, code, "redirect_uri", callback+"2") // registered, but not where the code went
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	_, r = s.exchange(c, code)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	_, r = s.exchange(c, s.browser().signIn(anna, request(c)), "redirect_uri", "")
	refused(t, r, http.StatusBadRequest, "invalid_request")
}

// TestVerifierWithoutChallengeIsRefused: somebody took the challenge away (RFC 9700, section 4.8.2).
func TestVerifierWithoutChallengeIsRefused(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(func(c *idp.Client) { c.OptionalPKCE = true }), s.addPerson("anna")
	plain := request(c, "code_challenge", "", "code_challenge_method", "")
	_, r := s.exchange(c, s.browser().signIn(anna, plain))
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	got, r := s.exchange(c, s.browser().signIn(anna, plain), "code_verifier", "")
	if got.Access == "" {
		t.Errorf("a client that need not use PKCE got %s", r.body)
	}
}

func TestCodeIsBoundToItsClient(t *testing.T) {
	s := newSite(t)
	c, other, anna := s.addClient(nil), s.addClient(nil), s.addPerson("anna")
	code := s.browser().signIn(anna, request(c))
	_, r := s.exchange(other, code)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	if s.mustExchange(c, code).Access == "" {
		t.Error("another client spoilt the code")
	}
	// Nor does another client that knows a used code do harm.
	first := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	if _, r := s.exchange(other, code); r.StatusCode != http.StatusBadRequest || !s.alive(first.Access) {
		t.Error("another client killed tokens")
	}
}

func TestCodeLastsAMinute(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	code := s.browser().signIn(anna, request(c))
	s.clock.Add(idp.CodeTTL - time.Second)
	s.mustExchange(c, code)
	code = s.browser().signIn(anna, request(c))
	s.clock.Add(idp.CodeTTL)
	_, r := s.exchange(c, code)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
}

func TestRandomStringsAreNoTokens(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	for i := range 64 {
		junk := idp.NewToken().Reveal()[:10+i%33]
		_, r := s.exchange(c, idp.Secret(junk))
		refused(t, r, http.StatusBadRequest, "invalid_grant")
		_, r = s.refresh(c, junk)
		refused(t, r, http.StatusBadRequest, "invalid_grant")
		refused(t, s.userinfo(junk), http.StatusUnauthorized, codeInvalidToken)
		if got := s.call(pathIntrospect, c, url.Values{"token": {junk}}).body; strings.TrimSpace(got) != `{"active":false}` {
			t.Error(got)
		}
	}
	if strings.Contains(s.log.String(), "level=ERROR") {
		t.Error(s.log)
	}
}

func TestColonsInNamesBreakNothing(t *testing.T) {
	s := newSite(t)
	c := s.addClient(func(c *idp.Client) { c.ID = "a.b_c-d" })
	// The registration refuses colons; a store that has them anyway still works.
	odd := *c.Client
	odd.ID = "urn:a:b%20c"
	if err := s.db.AddClient(t.Context(), &odd); err != nil {
		t.Fatal(err)
	}
	colons := &client{Client: &odd, secret: c.secret}
	tok := s.mustExchange(colons, s.browser().signIn(s.addPerson("anna"), request(colons)))
	if claims := claimsOf(t, tok.ID); claims["aud"] != "urn:a:b%20c" {
		t.Errorf("aud %v", claims["aud"])
	}
	if s.mustRefresh(colons, tok.Refresh).Access == "" || !s.alive(tok.Access) {
		t.Error("its tokens do not work")
	}
}

// TestRefreshKeepsTheSignIn: a new ID token says the same of the person and
// the sign-in; without the nonce (OpenID Connect Core 1.0, section 12.2).
func TestRefreshKeepsTheSignIn(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	first := claimsOf(t, tok.ID)
	for range 3 {
		s.clock.Add(10 * time.Minute)
		tok = s.mustRefresh(c, tok.Refresh)
		next := claimsOf(t, tok.ID)
		for _, name := range []string{"iss", "sub", "aud", "auth_time", "acr", "amr", "sid"} {
			if first[name] == nil || !reflect.DeepEqual(first[name], next[name]) {
				t.Errorf("%s: %v, then %v", name, first[name], next[name])
			}
		}
		if next["iat"].(float64) <= first["iat"].(float64) || next["nonce"] != nil {
			t.Errorf("iat %v, nonce %v", next["iat"], next["nonce"])
		}
	}
	if first["acr"] != idp.ACRMultiFactor || first["nonce"] != "the nonce" {
		t.Errorf("acr %v, nonce %v", first["acr"], first["nonce"])
	}
}

func TestReusedRefreshTokenKillsTheFamily(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	for _, change := range []func(*idp.Client){nil, public} {
		c := s.addClient(change)
		first := s.mustExchange(c, s.browser().signIn(anna, request(c)))
		second := s.mustRefresh(c, first.Refresh)
		_, r := s.refresh(c, first.Refresh)
		refused(t, r, http.StatusBadRequest, "invalid_grant")
		_, r = s.refresh(c, second.Refresh)
		refused(t, r, http.StatusBadRequest, "invalid_grant")
		if s.alive(first.Access) || s.alive(second.Access) {
			t.Error("access tokens of the family live")
		}
	}
}

func TestRefreshInParallelRotatesOnce(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	var wg sync.WaitGroup
	got := make([]*tokens, 8)
	for i := range got {
		wg.Go(func() { got[i], _ = s.refresh(c, tok.Refresh) })
	}
	wg.Wait()
	given := 0
	for _, tok := range got {
		if tok.Access != "" {
			given++
		}
	}
	if given != 1 {
		t.Errorf("%d token sets from one refresh token", given)
	}
}

func TestGraceForRacingTabs(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(func(c *idp.Client) { c.RefreshGrace = 10 * time.Second }), s.addPerson("anna")
	first := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	a := s.mustRefresh(c, first.Refresh)
	s.clock.Add(5 * time.Second)
	b := s.mustRefresh(c, first.Refresh)
	if !s.alive(a.Access) || !s.alive(b.Access) {
		t.Error("a tab lost its token")
	}
	s.clock.Add(6 * time.Second)
	_, r := s.refresh(c, first.Refresh)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	if s.alive(a.Access) || s.alive(b.Access) {
		t.Error("tokens live after reuse beyond the grace")
	}
}

// TestPublicClientsHaveNoGrace, even if it stood so in the database.
func TestPublicClientsHaveNoGrace(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(public), s.addPerson("anna")
	err := s.db.UpdateClient(t.Context(), c.ID, func(c *idp.Client) error {
		c.RefreshGrace = time.Minute
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	first := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	s.mustRefresh(c, first.Refresh)
	_, r := s.refresh(c, first.Refresh)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
}

func TestRefreshIsBoundToItsClient(t *testing.T) {
	s := newSite(t)
	c, other, anna := s.addClient(nil), s.addClient(nil), s.addPerson("anna")
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	_, r := s.refresh(other, tok.Refresh)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	tok = s.mustRefresh(c, tok.Refresh)
	if !s.alive(tok.Access) {
		t.Error("another client spoilt the token")
	}
}

func TestRefreshNarrowsScopesOnly(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	narrow, r := s.refresh(c, tok.Refresh, "scope", "openid email")
	if narrow.Scope != "openid email" {
		t.Fatalf("%s", r.body)
	}
	if info := s.userinfo(narrow.Access).body; strings.Contains(info, "Anna") || !strings.Contains(info, "anna@klinik.test") {
		t.Errorf("userinfo %s", info)
	}
	if _, r := s.refresh(c, narrow.Refresh, "scope", "openid pacs"); r.StatusCode != http.StatusBadRequest {
		t.Error("a scope more than was granted")
	} else {
		refused(t, r, http.StatusBadRequest, "invalid_scope")
	}
	// The refresh token keeps what was granted (RFC 6749, section 6).
	if all := s.mustRefresh(c, narrow.Refresh); all.Scope != tok.Scope {
		t.Errorf("scope %q, was %q", all.Scope, tok.Scope)
	}
}

func TestRefreshEnds(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(func(c *idp.Client) { c.RefreshIdle = 2 * time.Hour }), s.addPerson("anna")
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	s.clock.Add(2 * time.Hour)
	_, r := s.refresh(c, tok.Refresh)
	refused(t, r, http.StatusBadRequest, "invalid_grant")

	// Used all day, it ends with the session's twelve hours.
	tok = s.mustExchange(c, s.browser().signIn(anna, request(c)))
	for range 11 {
		s.clock.Add(65 * time.Minute)
		tok = s.mustRefresh(c, tok.Refresh)
	}
	if tok.ExpiresIn > 5*60 {
		t.Errorf("a token of %d s, five minutes before the end", tok.ExpiresIn)
	}
	s.clock.Add(6 * time.Minute)
	_, r = s.refresh(c, tok.Refresh)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
}

// TestRefreshTokensAreForThoseWhoAsk, or are so registered.
func TestRefreshTokensAreForThoseWhoAsk(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	for why, row := range map[string]struct {
		change func(*idp.Client)
		scope  string
		given  bool
	}{
		"asked":               {nil, "openid offline_access", true},
		"not asked":           {nil, "openid", false},
		"always":              {func(c *idp.Client) { c.RefreshAlways = true }, "openid", true},
		"not registered":      {func(c *idp.Client) { c.GrantTypes = []string{idp.GrantCode}; c.RefreshAlways = true }, "openid offline_access", false},
		"scope not permitted": {func(c *idp.Client) { c.Scopes = []string{"profile"} }, "openid offline_access", false},
	} {
		c := s.addClient(row.change)
		tok := s.mustExchange(c, s.browser().signIn(anna, request(c, "scope", row.scope)))
		if (tok.Refresh != "") != row.given {
			t.Errorf("%s: refresh token %v", why, tok.Refresh != "")
		}
		if !row.given && strings.Contains(tok.Scope, "offline_access") {
			t.Errorf("%s: scope %q promises one", why, tok.Scope)
		}
	}
}

// TestTokensDieAtOnce when what they stand on is taken away.
func TestTokensDieAtOnce(t *testing.T) {
	s := newSite(t)
	for i, act := range []func(c *client, p *person, tok *tokens) error{
		func(_ *client, p *person, _ *tokens) error { return s.desk.Disable(t.Context(), s.admin, p.ID, "left") },
		func(c *client, _ *person, _ *tokens) error {
			return s.desk.EditClient(t.Context(), s.admin, c.ID, func(c *idp.Client) { c.Disabled = true })
		},
		func(c *client, _ *person, _ *tokens) error { return s.desk.RemoveClient(t.Context(), s.admin, c.ID) },
		func(_ *client, p *person, tok *tokens) error {
			sid := claimsOf(t, tok.ID)["sid"].(string)
			return s.flow.EndSession(t.Context(), s.admin.Actor, p.ID, idp.SessionID(sid))
		},
	} {
		c, p := s.addClient(nil), s.addPerson(fmt.Sprintf("person%d", i))
		b := s.browser()
		tok := s.mustExchange(c, b.signIn(p, request(c)))
		code := b.get(pathAuthorize + "?" + request(c).Encode()).answered(t).Get("code")
		if !s.alive(tok.Access) || code == "" {
			t.Fatal("dead before the act")
		}
		if err := act(c, p, tok); err != nil {
			t.Fatal(err)
		}
		if s.alive(tok.Access) {
			t.Errorf("act %d: the access token lives", i)
		}
		if got, r := s.refresh(c, tok.Refresh); got.Access != "" {
			t.Errorf("act %d: refreshed, %s", i, r.body)
		}
		if got, r := s.exchange(c, idp.Secret(code)); got.Access != "" {
			t.Errorf("act %d: code redeemed, %s", i, r.body)
		}
	}
}

func TestClientCredentials(t *testing.T) {
	s := newSite(t)
	c := s.addClient(func(c *idp.Client) { c.Audience = []string{"https://pacs.test"} })
	got, r := s.token(c, "grant_type", idp.GrantClientCredentials)
	if got.Access == "" || got.ID != "" || got.Refresh != "" || got.Scope != "pacs" {
		t.Errorf("%s", r.body)
	}
	refused(t, s.userinfo(got.Access), http.StatusForbidden, codeInsufficientScope)
	for _, scope := range []string{"openid", "pacs email", "offline_access", "root"} {
		_, r := s.token(c, "grant_type", idp.GrantClientCredentials, "scope", scope)
		refused(t, r, http.StatusBadRequest, "invalid_scope")
	}
	none := s.addClient(func(c *idp.Client) { c.GrantTypes = []string{idp.GrantCode} })
	_, r = s.token(none, "grant_type", idp.GrantClientCredentials)
	refused(t, r, http.StatusBadRequest, "unauthorized_client")
	open := s.addClient(public)
	_, r = s.token(open, "grant_type", idp.GrantClientCredentials)
	refused(t, r, http.StatusBadRequest, "unauthorized_client")
	var about map[string]any
	if err := json.Unmarshal([]byte(s.call(pathIntrospect, c, url.Values{"token": {got.Access}}).body), &about); err != nil {
		t.Fatal(err)
	}
	if about["active"] != true || about["sub"] != string(c.ID) || !reflect.DeepEqual(about["aud"], []any{"https://pacs.test"}) {
		t.Errorf("%v", about)
	}
}

// What administers is given to programs, and to no person's token even where a
// registration says so that no verb lets in.
func TestScopesThatAdminister(t *testing.T) {
	s := newSite(t)
	program := s.addClient(func(c *idp.Client) {
		c.GrantTypes, c.RedirectURIs, c.Scopes = []string{idp.GrantClientCredentials}, nil, []string{idp.ScopeAdmin, idp.ScopeAuditor}
	})
	if got, r := s.token(program, "grant_type", idp.GrantClientCredentials, "scope", idp.ScopeAuditor); got.Access == "" || got.Scope != idp.ScopeAuditor {
		t.Errorf("%s", r.body)
	}
	viewer, anna := s.addClient(nil), s.addPerson("anna")
	err := s.db.UpdateClient(t.Context(), viewer.ID, func(c *idp.Client) error {
		c.Scopes = append(c.Scopes, idp.ScopeAdmin)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := s.mustExchange(viewer, s.browser().signIn(anna, request(viewer, "scope", "openid offline_access "+idp.ScopeAdmin)))
	if got.Scope != "openid offline_access" {
		t.Errorf("a person's token is for %q", got.Scope)
	}
	_, r := s.token(viewer, "grant_type", idp.GrantRefresh, "refresh_token", got.Refresh, "scope", idp.ScopeAdmin)
	refused(t, r, http.StatusBadRequest, "invalid_scope")
}

// TestInvalidClientIs401, the same for every reason, with a challenge.
func TestInvalidClientIs401(t *testing.T) {
	s := newSite(t)
	basic := s.addClient(nil)
	post := s.addClient(func(c *idp.Client) { c.Auth = idp.AuthPost })
	open := s.addClient(public)
	disabled := s.addClient(nil)
	s.editClient(disabled, func(c *idp.Client) { c.Disabled = true })
	header := func(id, secret string) []string {
		return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))}
	}
	form := func(pairs ...string) url.Values {
		f := url.Values{"grant_type": {idp.GrantRefresh}, "refresh_token": {"x"}, "token": {"x"}}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	id := func(c *client) string { return string(c.ID) }
	rows := map[string]struct {
		form    url.Values
		headers []string
	}{
		"nobody":                         {form(), nil},
		"unknown client":                 {form(), header("nobody", "x")},
		"wrong secret":                   {form(), header(id(basic), "x")},
		"empty secret":                   {form(), header(id(basic), "")},
		"another client's secret":        {form(), header(id(basic), post.secret.Reveal())},
		"basic, registered for post":     {form(), header(id(post), post.secret.Reveal())},
		"post, registered for basic":     {form("client_id", id(basic), "client_secret", basic.secret.Reveal()), nil},
		"no secret, registered for post": {form("client_id", id(post)), nil},
		"public with a secret":           {form("client_id", id(open), "client_secret", "x"), nil},
		"public with an empty header":    {form(), header(id(open), "")},
		"disabled":                       {form(), header(id(disabled), disabled.secret.Reveal())},
		"not Basic":                      {form("client_id", id(open)), []string{"Authorization", "Bearer x"}},
		"not base64":                     {form("client_id", id(open)), []string{"Authorization", "Basic %%%"}},
		"no colon":                       {form(), []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(id(basic)))}},
		"bad escape":                     {form(), header(id(basic), "%zz")},
		"assertion":                      {form("client_id", id(open), "client_assertion", "x.y.z"), nil},

		"secret with a space behind":       {form(), header(id(basic), basic.secret.Reveal()+" ")},
		"secret with a space before":       {form(), header(id(basic), " "+basic.secret.Reveal())},
		"secret with a NUL behind":         {form(), header(id(basic), basic.secret.Reveal()+"\x00")},
		"half of the secret":               {form(), header(id(basic), basic.secret.Reveal()[:10])},
		"secret in capitals":               {form(), header(id(basic), strings.ToUpper(basic.secret.Reveal()))},
		"secret twice":                     {form(), header(id(basic), basic.secret.Reveal()+basic.secret.Reveal())},
		"secret escaped twice":             {form(), header(id(basic), url.QueryEscape(url.QueryEscape(basic.secret.Reveal()+"+")))},
		"id in capitals":                   {form(), header(strings.ToUpper(id(basic))+"X", basic.secret.Reveal())},
		"id with a space behind":           {form(), header(id(basic)+" ", basic.secret.Reveal())},
		"id with a NUL behind":             {form(), header(id(basic)+"\x00", basic.secret.Reveal())},
		"id as the secret":                 {form(), header(id(basic), id(basic))},
		"secret as the id":                 {form(), header(basic.secret.Reveal(), basic.secret.Reveal())},
		"id and secret exchanged":          {form(), header(basic.secret.Reveal(), id(basic))},
		"no id":                            {form(), header("", basic.secret.Reveal())},
		"nothing but a colon":              {form(), header("", "")},
		"a wild card as the id":            {form(), header("%25", basic.secret.Reveal())},
		"SQL as the id":                    {form(), header("x' OR '1'='1", basic.secret.Reveal())},
		"a very long id":                   {form(), header(strings.Repeat("a", 4000), basic.secret.Reveal())},
		"a very long secret":               {form(), header(id(basic), strings.Repeat("a", 4000))},
		"post, wrong secret":               {form("client_id", id(post), "client_secret", "x"), nil},
		"post, empty secret":               {form("client_id", id(post), "client_secret", ""), nil},
		"post, another client's":           {form("client_id", id(post), "client_secret", basic.secret.Reveal()), nil},
		"post, unknown client":             {form("client_id", "nobody", "client_secret", post.secret.Reveal()), nil},
		"post, no id":                      {form("client_secret", post.secret.Reveal()), nil},
		"post, disabled":                   {form("client_id", id(disabled), "client_secret", disabled.secret.Reveal()), nil},
		"public, unknown client":           {form("client_id", "nobody"), nil},
		"public, empty id":                 {form("client_id", ""), nil},
		"no secret, registered for basic":  {form("client_id", id(basic)), nil},
		"disabled, without its secret":     {form("client_id", id(disabled)), nil},
		"Digest":                           {form(), []string{"Authorization", "Digest username=\"" + id(basic) + "\""}},
		"Negotiate":                        {form(), []string{"Authorization", "Negotiate YII="}},
		"Basic and nothing":                {form(), []string{"Authorization", "Basic"}},
		"Basic and a space":                {form(), []string{"Authorization", "Basic "}},
		"a second word":                    {form(), []string{"Authorization", header(id(basic), basic.secret.Reveal())[1] + " x"}},
		"DPoP in place of it":              {form(), []string{"Authorization", "DPoP x"}},
		"assertion of another type":        {form("client_id", id(basic), "client_assertion", "x.y.z", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), nil},
		"assertion of a client of secrets": {form("client_assertion", "x.y.z", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), nil},
	}
	if len(rows) < 40 {
		t.Errorf("%d ways", len(rows))
	}
	var same string
	for why, row := range rows {
		for _, path := range []string{pathToken, pathRevoke, pathIntrospect} {
			r := s.browser().post(path, row.form, row.headers...)
			refused(t, r, http.StatusUnauthorized, "invalid_client")
			if got := r.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Basic realm=") {
				t.Errorf("%s at %s: WWW-Authenticate %q", why, path, got)
			}
			body := strings.TrimSpace(r.body)
			if same == "" {
				same = body
			}
			if body != same {
				t.Errorf("%s at %s can be told from the others: %s", why, path, body)
			}
		}
	}
	for why, row := range map[string]struct {
		form    url.Values
		headers []string
	}{
		"two ways":        {form("client_id", id(basic), "client_secret", "x"), header(id(basic), basic.secret.Reveal())},
		"two client ids":  {form("client_id", id(post)), header(id(basic), basic.secret.Reveal())},
		"a secret beside": {form("client_secret", "x"), header(id(basic), basic.secret.Reveal())},
	} {
		if r := s.browser().post(pathToken, row.form, row.headers...); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", why, r.StatusCode, r.body)
		} else {
			refused(t, r, http.StatusBadRequest, "invalid_request")
		}
	}
}

func TestTwoSecretsAreValidAtOnce(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	old := c.secret
	fresh, err := s.desk.NewClientSecret(t.Context(), s.admin, c.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	works := func(secret idp.Secret) bool {
		got, _ := s.token(&client{Client: c.Client, secret: secret}, "grant_type", idp.GrantClientCredentials)
		return got.Access != ""
	}
	if !works(old) || !works(fresh) {
		t.Error("both secrets are to be good during the overlap")
	}
	s.clock.Add(time.Hour)
	if works(old) || !works(fresh) {
		t.Error("the old secret outlived its time, or the new one died")
	}
}

func TestEachClientGetsItsAlgorithm(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	for _, alg := range []string{"", keyring.RS256, keyring.ES256, keyring.PS256, keyring.EdDSA} {
		c := s.addClient(func(c *idp.Client) { c.IDTokenAlg = alg })
		tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
		want := alg
		if want == "" {
			want = keyring.RS256
		}
		head, _, _ := strings.Cut(tok.ID, ".")
		raw, _ := base64.RawURLEncoding.DecodeString(head)
		if !strings.Contains(string(raw), `"alg":"`+want+`"`) {
			t.Errorf("%q: header %s", alg, raw)
		}
		claimsOf(t, tok.ID)
	}
}

func TestClaimsInIDToken(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	lean, rich := s.addClient(nil), s.addClient(func(c *idp.Client) { c.ClaimsInID = true })
	if claims := claimsOf(t, s.mustExchange(lean, s.browser().signIn(anna, request(lean))).ID); claims["email"] != nil {
		t.Errorf("scope claims in an ID token nobody asked for them in: %v", claims)
	}
	claims := claimsOf(t, s.mustExchange(rich, s.browser().signIn(anna, request(rich))).ID)
	if claims["email"] != anna.Email || claims["email_verified"] != false || claims["phone_number"] != nil {
		t.Errorf("%v", claims)
	}
	asked := request(lean, "scope", "openid", "claims", `{"id_token":{"email":{"essential":true},"roles":null,"made_up":null,"sub":null,"auth_time":{"essential":true}}}`)
	tok := s.mustExchange(lean, s.browser().signIn(anna, asked))
	claims = claimsOf(t, tok.ID)
	if claims["email"] != anna.Email || !reflect.DeepEqual(claims["roles"], []any{"radiologist"}) || claims["made_up"] != nil || claims["name"] != nil {
		t.Errorf("by name: %v", claims)
	}
	narrow := s.addClient(func(c *idp.Client) { c.Scopes = []string{"email"} })
	asked = request(narrow, "scope", "openid", "claims", `{"id_token":{"email":null,"roles":null}}`)
	claims = claimsOf(t, s.mustExchange(narrow, s.browser().signIn(anna, asked)).ID)
	if claims["email"] != anna.Email || claims["roles"] != nil {
		t.Errorf("beyond the registration: %v", claims)
	}
	if info := s.userinfo(tok.Access).body; strings.Contains(info, anna.Email) {
		t.Errorf("what was asked for the ID token is at userinfo: %s", info)
	}
}

// TestWithoutOpenIDThereIsNoIDToken: it is a plain OAuth 2.0 request then.
func TestWithoutOpenIDThereIsNoIDToken(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c, "scope", "pacs email")))
	if tok.ID != "" || tok.Scope != "pacs email" {
		t.Errorf("%+v", tok)
	}
	refused(t, s.userinfo(tok.Access), http.StatusForbidden, codeInsufficientScope)
}

func TestCachedClientIsNeverChanged(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	c := s.addClient(func(c *idp.Client) {
		c.ClaimsInID, c.AccessFormat, c.Audience = true, idp.AccessJWT, []string{"https://pacs.test"}
	})
	cached, err := s.store.Client(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := json.Marshal(cached)
	// Slices with room to spare are where an append would write.
	for _, list := range []*[]string{&cached.Scopes, &cached.Audience, &cached.GrantTypes, &cached.RedirectURIs} {
		*list = append(slices.Grow(*list, 8), "sentinel")[:len(*list)]
	}
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	tok = s.mustRefresh(c, tok.Refresh)
	s.token(c, "grant_type", idp.GrantClientCredentials)
	s.userinfo(tok.Access)
	s.call(pathIntrospect, c, url.Values{"token": {tok.Access}})
	after, _ := json.Marshal(cached)
	if string(before) != string(after) {
		t.Errorf("%s became %s", before, after)
	}
	for _, list := range [][]string{cached.Scopes, cached.Audience, cached.GrantTypes, cached.RedirectURIs} {
		if got := list[:len(list)+1][len(list)]; got != "sentinel" {
			t.Errorf("something was appended to a cached list: %q", got)
		}
	}
}

func TestJWTBearerIsNotOffered(t *testing.T) {
	notOffered(t, "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion", "x.y.z")
}

func TestPasswordGrantIsNotOffered(t *testing.T) {
	notOffered(t, "password", "username", "anna", "password", "x")
}

func notOffered(t *testing.T, grantType string, pairs ...string) {
	t.Helper()
	s := newSite(t)
	c := s.addClient(nil)
	_, r := s.token(c, append([]string{"grant_type", grantType}, pairs...)...)
	refused(t, r, http.StatusBadRequest, "unsupported_grant_type")
	// Nor with nothing but the key it used to open with.
	r = s.browser().post(pathToken, url.Values{"grant_type": {grantType}, "assertion": {"x.y.z"}, "client_id": {string(c.ID)}})
	refused(t, r, http.StatusBadRequest, "unsupported_grant_type")
}

// TestClientAssertionsAreRefused: of clients that are not registered for them, alone (401)
// and beside another method (400).
func TestClientAssertionsAreRefused(t *testing.T) {
	s := newSite(t)
	basic, open := s.addClient(nil), s.addClient(public)
	for _, c := range []*client{basic, open} {
		status, code := http.StatusUnauthorized, "invalid_client"
		if c == basic {
			status, code = http.StatusBadRequest, "invalid_request"
		}
		for _, pairs := range [][]string{
			{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "x.y.z"},
			{"client_assertion", "x.y.z"},
			{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		} {
			_, r := s.token(c, append(pairs, "grant_type", idp.GrantRefresh, "refresh_token", "x")...)
			refused(t, r, status, code)
		}
	}
}

// TestStoreErrorsStayInside: callers get a reference, the log gets the cause.
func TestStoreErrorsStayInside(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	s.store.breakWith(errors.New("disk on fire: /var/lib/idp.db"))
	form := url.Values{"grant_type": {idp.GrantCode}, "code": {"x"}, "redirect_uri": {callback}, "token": {"x"}}
	for _, r := range []*reply{s.call(pathToken, c, form), s.call(pathIntrospect, c, form), s.call(pathRevoke, c, form), s.userinfo("x")} {
		if r.StatusCode != http.StatusInternalServerError || strings.Contains(r.body, "fire") || !strings.Contains(r.body, `"server_error"`) {
			t.Errorf("%s: %d %s", r.Request.URL.Path, r.StatusCode, r.body)
		}
		if id := r.Header.Get("X-Request-Id"); id == "" || !strings.Contains(r.body, id) {
			t.Errorf("%s: no reference in %s", r.Request.URL.Path, r.body)
		}
	}
	if n := strings.Count(s.log.String(), "disk on fire"); n != 4 {
		t.Errorf("the cause is logged %d times", n)
	}
}

// TestMissingErrorCodesAreSpoken: those for which the library has no name.
func TestMissingErrorCodesAreSpoken(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	machine, _ := s.token(c, "grant_type", idp.GrantClientCredentials)
	refused(t, s.userinfo("x"), http.StatusUnauthorized, "invalid_token")
	refused(t, s.userinfo(machine.Access), http.StatusForbidden, "insufficient_scope")
	for param, code := range map[string]string{
		"request_uri": "request_uri_not_supported", "registration": "registration_not_supported", "response_type": "unsupported_response_type",
	} {
		if got := s.browser().get(pathAuthorize + "?" + request(c, param, "x").Encode()).answered(t); got.Get("error") != code {
			t.Errorf("%s: %v", param, got)
		}
	}
}

// TestOneReadOneTransaction: what requests cost the database.
func TestOneReadOneTransaction(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	there := s.browser()
	code := there.signIn(anna, request(c))
	if _, err := s.store.Client(t.Context(), c.ID); err != nil { // into memory
		t.Fatal(err)
	}
	count := func(what string, reads, transactions uint64, act func()) {
		t.Helper()
		r0, t0 := s.db.Trips()
		act()
		if r, n := s.db.Trips(); r-r0 != reads || n-t0 != transactions {
			t.Errorf("%s: %d reads, %d transactions; want %d, %d", what, r-r0, n-t0, reads, transactions)
		}
	}
	var tok *tokens
	count("exchange", 0, 1, func() { tok = s.mustExchange(c, code) })
	count("refresh", 0, 1, func() { tok = s.mustRefresh(c, tok.Refresh) })
	count("userinfo", 1, 0, func() { s.alive(tok.Access) })
	count("introspection", 1, 0, func() { s.call(pathIntrospect, c, url.Values{"token": {tok.Access}}) })
	count("client credentials", 0, 1, func() { s.token(c, "grant_type", idp.GrantClientCredentials) })
	count("authorize, nobody there", 0, 1, func() { s.browser().get(pathAuthorize + "?" + request(c).Encode()).loginOf(t) })
	count("authorize, in a session", 1, 1, func() { // the transaction is the grant and its code; there is no sign-in
		if got := there.get(pathAuthorize + "?" + request(c).Encode()).answered(t); got.Get("code") == "" {
			t.Errorf("no code: %v", got)
		}
	})
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks"} {
		count(path, 0, 0, func() {
			if got := there.get(path); got.StatusCode != http.StatusOK {
				t.Errorf("%s: %d", path, got.StatusCode)
			}
		})
	}
}
