package oidc

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

// A request that names no scope, or openid alone, is one for the default scopes of its client
// as well (RFC 6749, section 3.3); what it names otherwise is what it gets.
func TestDefaultScopes(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	for i, row := range []struct {
		defaults []string
		asked    string
		want     string // empty: refused
	}{
		{[]string{"openid", "profile", "roles", "offline_access"}, "openid", "openid profile roles offline_access"},
		{[]string{"openid", "profile", "roles", "offline_access"}, "", "openid profile roles offline_access"},
		{[]string{"profile"}, "openid", "openid profile"},
		{[]string{"pacs"}, "", "pacs"},
		{[]string{"openid", "profile", "roles"}, "openid email", "openid email"},
		{[]string{"openid", "profile", "roles"}, "pacs", "pacs"},
		{[]string{"openid", "profile"}, "nonsense", ""},
		{nil, "openid", "openid"},
		{nil, "", ""},
	} {
		c := s.addClient(func(c *idp.Client) { c.DefaultScopes = row.defaults })
		q := request(c, "scope", row.asked)
		if row.want == "" {
			if got := s.browser().get(pathAuthorize + "?" + q.Encode()).answered(t); got.Get("error") != "invalid_scope" {
				t.Errorf("%d: %v", i, got)
			}
			continue
		}
		tok := s.mustExchange(c, s.browser().signIn(anna, q))
		if tok.Scope != row.want || (tok.Refresh != "") != strings.Contains(row.want, "offline_access") || (tok.ID != "") != strings.Contains(row.want, "openid") {
			t.Errorf("%d: %+v, want %s", i, tok, row.want)
		}
	}
	// What was taken from its registration is not given by default either.
	c := s.addClient(func(c *idp.Client) { c.DefaultScopes = []string{"openid", "roles"} })
	stored, err := s.db.Client(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	cut := *stored
	cut.Scopes = []string{"openid"}
	if got := allowedScopes(&cut, []string{"openid"}); !reflect.DeepEqual(got, []string{"openid"}) {
		t.Errorf("%q", got)
	}
}

// A refresh token that is not rotated (a deviation) is good as long as its session, and no
// longer; what ends it otherwise ends it.
func TestRefreshTokenThatIsKept(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	c := s.addClient(func(c *idp.Client) { c.KeepRefresh = true })
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	for range 3 {
		s.clock.Add(time.Hour)
		got := s.mustRefresh(c, tok.Refresh)
		if got.Refresh != "" || got.Access == "" {
			t.Fatalf("%+v", got)
		}
	}
	// As soon as the registration no longer says so it is good once more.
	s.editClient(c, func(c *idp.Client) { c.KeepRefresh = false })
	next := s.mustRefresh(c, tok.Refresh)
	if next.Refresh == "" {
		t.Fatal("it is not rotated")
	}
	_, r := s.refresh(c, tok.Refresh)
	refused(t, r, http.StatusBadRequest, "invalid_grant")
	if _, r = s.refresh(c, next.Refresh); r.StatusCode == http.StatusOK {
		t.Error("a used refresh token came again, and its family lives")
	}

	c = s.addClient(func(c *idp.Client) { c.KeepRefresh = true })
	for what, end := range map[string]func(*person){
		"the session's time": func(*person) { s.clock.Add(13 * time.Hour) },
		"the person is blocked": func(p *person) {
			if err := s.desk.Disable(t.Context(), s.admin, p.ID, "left"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		p := s.addPerson("p" + idp.NewID[string]())
		tok := s.mustExchange(c, s.browser().signIn(p, request(c)))
		s.mustRefresh(c, tok.Refresh)
		end(p)
		if _, r := s.refresh(c, tok.Refresh); r.StatusCode == http.StatusOK {
			t.Errorf("%s: it lives", what)
		}
	}
}

// What an API is told of the person, by introspection (RFC 7662, section 2.2) and in an
// at+jwt (RFC 9068, section 2.2): by the scopes of the token, under the names of that API.
func TestWhatAnAPIIsToldOfThePerson(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	rule := func(name string) []idp.ClaimRule {
		return []idp.ClaimRule{{Name: name, From: "groups", Values: []idp.ClaimValue{{From: "mri", To: "archive-readers"}}}, {Name: "typ", Text: "Bearer"}}
	}
	api := s.addClient(func(c *idp.Client) { c.ID, c.Claims = "pacs-api", rule("archive_role") })
	other := s.addClient(func(c *idp.Client) { c.ID = "reports" })
	told := func(got map[string]any) map[string]any {
		for _, own := range []string{"active", "iss", "sub", "client_id", "scope", "token_type", "aud", "acr", "amr", "auth_time", "iat", "exp", "jti"} {
			delete(got, own)
		}
		return got
	}
	const all = "openid profile email groups roles"
	groups, roles := []any{`ward "3"`, "mri"}, []any{"radiologist"}
	mapped := []any{"archive-readers"}
	for name, row := range map[string]struct {
		change func(*idp.Client)
		scope  string
		asks   *client // by introspection; nil: nobody
		want   map[string]any
		inJWT  []string // members of the access token that a JWT has beside its own
	}{
		"by the API": {func(c *idp.Client) { c.Audience = []string{"pacs-api"} }, all, api,
			map[string]any{"username": "anna", "preferred_username": "anna", "groups": groups, "roles": roles, "archive_role": mapped, "typ": "Bearer"}, nil},
		"by the client itself": {func(c *idp.Client) { c.Claims = rule("viewer_role") }, all, nil,
			map[string]any{"username": "anna", "preferred_username": "anna", "groups": groups, "roles": roles, "viewer_role": mapped, "typ": "Bearer"}, nil},
		"without scopes of the person": {func(c *idp.Client) { c.Audience = []string{"pacs-api"} }, "openid", api, map[string]any{}, nil},
		"by an API without rules of its own": {func(c *idp.Client) { c.Audience, c.Claims = []string{"reports"}, rule("viewer_role") }, "openid groups", other,
			map[string]any{"groups": groups}, nil},
	} {
		for _, format := range []idp.AccessFormat{idp.AccessOpaque, idp.AccessJWT} {
			c := s.addClient(func(c *idp.Client) { row.change(c); c.AccessFormat = format })
			tok := s.mustExchange(c, s.browser().signIn(anna, request(c, "scope", row.scope)))
			who := row.asks
			if who == nil {
				who = c
			}
			if got := told(s.introspect(who, tok.Access)); !reflect.DeepEqual(got, row.want) {
				t.Errorf("%s, %s: %v, want %v", name, format, got, row.want)
			}
			if format == idp.AccessJWT {
				if got := told(claimsOf(t, tok.Access)); len(got) != 0 {
					t.Errorf("%s: a JWT that is not registered so has %v", name, got)
				}
			}
		}
	}

	profile := map[string]any{"preferred_username": "anna", "groups": groups, "roles": roles, "email": "anna@klinik.test"}
	for name, row := range map[string]struct {
		audience []string
		scope    string
		want     map[string]any // of those below
	}{
		"one API that is registered":     {[]string{"pacs-api"}, all, with(profile, "archive_role", mapped, "typ", "Bearer")},
		"none, the client is the API":    {nil, all, with(profile, "viewer_role", mapped)},
		"two":                            {[]string{"pacs-api", "https://pacs.test"}, all, with(profile, "viewer_role", mapped)},
		"one that is not registered":     {[]string{"https://pacs.test"}, all, with(profile, "viewer_role", mapped)},
		"without the scopes":             {[]string{"pacs-api"}, "openid", map[string]any{}},
		"groups alone, mapped by an API": {[]string{"pacs-api"}, "openid groups", map[string]any{"groups": groups, "archive_role": mapped}},
	} {
		c := s.addClient(func(c *idp.Client) {
			c.Audience, c.AccessFormat, c.ClaimsInAccess = row.audience, idp.AccessJWT, true
			c.Claims = rule("viewer_role")[:1]
		})
		tok := s.mustExchange(c, s.browser().signIn(anna, request(c, "scope", row.scope+" offline_access")))
		for _, token := range []string{tok.Access, s.mustRefresh(c, tok.Refresh).Access} {
			claims := claimsOf(t, token)
			got := map[string]any{}
			for _, member := range []string{"preferred_username", "groups", "roles", "email", "archive_role", "viewer_role", "typ"} {
				if v, ok := claims[member]; ok {
					got[member] = v
				}
			}
			if !reflect.DeepEqual(got, row.want) {
				t.Errorf("%s: %v, want %v", name, got, row.want)
			}
		}
		if got := claimsOf(t, tok.ID); got["typ"] != nil || got["groups"] != nil {
			t.Errorf("%s: the ID token has %v", name, got)
		}
	}
}

// with is a copy of m with more members: names and values by turns.
func with(m map[string]any, pairs ...any) map[string]any {
	out := maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		out[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return out
}

// A program that tells access tokens from ID tokens by the claim typ alone (WildFly) is never
// handed one of the other kind: rules for it are of access tokens.
func TestTypIsOfAccessTokensAlone(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	c := s.addClient(func(c *idp.Client) {
		c.AccessFormat, c.ClaimsInAccess, c.ClaimsInID, c.Claims = idp.AccessJWT, true, true, []idp.ClaimRule{{Name: "typ", Text: "Bearer"}}
	})
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	if typ := claimsOf(t, tok.Access)["typ"]; typ != "Bearer" {
		t.Errorf("the access token has %v", typ)
	}
	if typ := claimsOf(t, tok.ID)["typ"]; typ != nil {
		t.Errorf("the ID token has %v", typ)
	}
	if r := s.userinfo(tok.Access); strings.Contains(r.body, `"typ"`) {
		t.Errorf("userinfo has %s", r.body)
	}
}

// An API that wants a newer sign-in says so (RFC 9470, section 3): insufficient_user_authentication
// with acr_values and max_age. The client asks again with these, and what the API is told then
// is new; refreshing does not make it so.
func TestStepUpThatAnAPIAsksFor(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	api := s.addClient(func(c *idp.Client) { c.ID = "pacs-api" })
	for _, format := range []idp.AccessFormat{idp.AccessOpaque, idp.AccessJWT} {
		c := s.addClient(func(c *idp.Client) { c.Audience, c.AccessFormat = []string{"pacs-api"}, format })
		told := func(tok *tokens) (at time.Time, acr any) {
			t.Helper()
			got := s.introspect(api, tok.Access)
			if format == idp.AccessJWT {
				if own := claimsOf(t, tok.Access); own["auth_time"] != got["auth_time"] || own["acr"] != got["acr"] {
					t.Errorf("the token says %v, introspection %v", own, got)
				}
			}
			seconds, ok := got["auth_time"].(float64)
			if !ok {
				t.Fatalf("introspection tells %v", got)
			}
			return time.Unix(int64(seconds), 0), got["acr"]
		}
		b := s.browser()
		tok := s.mustExchange(c, b.signIn(anna, request(c)))
		first, acr := told(tok)
		if acr != idp.ACRMultiFactor || !slices.Contains(s.server.metadata(nil, nil).ACRValues, idp.ACRMultiFactor) {
			t.Errorf("acr %v is not what discovery names", acr)
		}
		s.clock.Add(10 * time.Minute)
		next := s.mustRefresh(c, tok.Refresh)
		if at, _ := told(next); !at.Equal(first) {
			t.Errorf("%s: refreshed, the sign-in is of %s, not %s", format, at, first)
		}
		// The session is new enough, or it is not.
		q := request(c, "acr_values", idp.ACRMultiFactor, "max_age", "3600")
		if code := b.get(pathAuthorize + "?" + q.Encode()).answered(t).Get("code"); code == "" {
			t.Errorf("%s: ten minutes are too long for an hour", format)
		}
		q.Set("max_age", "300")
		if got := b.get(pathAuthorize + "?" + q.Encode() + "&prompt=none").answered(t); got.Get("error") != "login_required" {
			t.Errorf("%s: without a page: %v", format, got)
		}
		again := s.mustExchange(c, b.signIn(anna, q))
		at, acr := told(again)
		if s.clock.Now().Sub(at) > 5*time.Minute || acr != idp.ACRMultiFactor {
			t.Errorf("%s: the new sign-in is of %s, acr %v", format, at, acr)
		}
	}
}
