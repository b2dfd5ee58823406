package oidc

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
)

// holding is what a person has got for a client before something is taken away.
type holding struct {
	c       *client
	p       *person
	b       *browser
	tok     *tokens
	pending idp.Secret // a code that was not redeemed yet
}

// takenScopes are what the table asks for.
const takenScopes = "openid profile email groups roles offline_access"

// hold signs somebody in, by a client that admits the group «mri» only.
func (s *site) hold(name string) *holding {
	s.t.Helper()
	c := s.addClient(func(c *idp.Client) {
		c.Groups, c.ClaimsInID = []string{"mri"}, true
	})
	h := &holding{c: c, p: s.addPerson(name), b: s.browser()}
	h.tok = s.mustExchange(c, h.b.signIn(h.p, request(c, "scope", takenScopes)))
	h.pending = idp.Secret(h.b.get(pathAuthorize + "?" + request(c, "scope", takenScopes).Encode()).answered(s.t).Get("code"))
	if h.pending == "" {
		s.t.Fatal("the session gave no code")
	}
	return h
}

// said is an answer in a few words: what was given, or the error.
func said(t testing.TB, r *reply) string {
	t.Helper()
	var got map[string]any
	if json.Unmarshal([]byte(r.body), &got) != nil {
		return fmt.Sprint(r.StatusCode, " ", r.body)
	}
	if e, ok := got["error"].(string); ok {
		return fmt.Sprint(r.StatusCode, " ", e)
	}
	if active, ok := got["active"].(bool); ok && !active {
		return "inactive"
	}
	if raw, ok := got["id_token"].(string); ok {
		// Of tokens: their scopes, and the claims about the person in the ID token.
		scope := got["scope"]
		got = claimsOf(t, raw)
		got["scope"] = scope
	}
	var has []string
	if scope, ok := got["scope"].(string); ok {
		has = append(has, "scope="+strings.ReplaceAll(scope, " ", "+"))
	}
	for _, name := range []string{"email", "groups", "roles"} {
		if v := got[name]; v != nil {
			has = append(has, fmt.Sprintf("%s=%v", name, v))
		}
	}
	return strings.Join(has, " ")
}

// TestWhatIsTakenAwayIsGoneAtTheNextUse: every use of a code, a token or a
// session gives what client and person may have then, not what they might at the
// sign-in.
func TestWhatIsTakenAwayIsGoneAtTheNextUse(t *testing.T) {
	s := newSite(t)
	person := func(fn func(*idp.User)) func(*holding) {
		return func(h *holding) {
			if err := s.desk.EditUser(t.Context(), s.admin, h.p.ID, fn); err != nil {
				t.Fatal(err)
			}
		}
	}
	client := func(fn func(*idp.Client)) func(*holding) { return func(h *holding) { s.editClient(h.c, fn) } }
	without := func(list *[]string, what string) {
		*list = slices.DeleteFunc(slices.Clone(*list), func(s string) bool { return s == what })
	}
	things := []struct {
		name string
		take func(*holding)
	}{
		{"nothing", func(*holding) {}},
		{"group, from the person", person(func(u *idp.User) { without(&u.Groups, "mri") })},
		{"group, from those admitted", client(func(c *idp.Client) { c.Groups = []string{"ct"} })},
		{"scope email", client(func(c *idp.Client) { without(&c.Scopes, "email") })},
		{"scopes but openid", client(func(c *idp.Client) { c.Scopes = []string{"openid"} })},
		{"client disabled", client(func(c *idp.Client) { c.Disabled = true })},
		{"grant type code", client(func(c *idp.Client) { c.GrantTypes = []string{idp.GrantClientCredentials} })},
		{"grant type refresh", client(func(c *idp.Client) { without(&c.GrantTypes, idp.GrantRefresh) })},
		{"person disabled", func(h *holding) {
			if err := s.desk.Disable(t.Context(), s.admin, h.p.ID, "left"); err != nil {
				t.Fatal(err)
			}
		}},
		{"role", person(func(u *idp.User) { without(&u.Roles, "radiologist") })},
		{"another group", person(func(u *idp.User) { without(&u.Groups, `ward "3"`) })},
	}
	callers := []struct {
		name string
		use  func(*holding) string
	}{
		{"refresh", func(h *holding) string { _, r := s.refresh(h.c, h.tok.Refresh); return said(t, r) }},
		{"userinfo GET", func(h *holding) string { return said(t, s.userinfo(h.tok.Access)) }},
		{"userinfo POST", func(h *holding) string {
			return said(t, s.browser().post(pathUserinfo, url.Values{"access_token": {h.tok.Access}}))
		}},
		{"introspect access", func(h *holding) string {
			return said(t, s.call(pathIntrospect, h.c, url.Values{"token": {h.tok.Access}}))
		}},
		{"introspect refresh", func(h *holding) string {
			return said(t, s.call(pathIntrospect, h.c, url.Values{"token": {h.tok.Refresh}}))
		}},
		{"code exchange", func(h *holding) string { _, r := s.exchange(h.c, h.pending); return said(t, r) }},
		{"authorize by session", func(h *holding) string {
			r := h.b.get(pathAuthorize + "?" + request(h.c, "scope", takenScopes, "prompt", "none").Encode())
			if r.StatusCode != http.StatusSeeOther {
				return fmt.Sprint(r.StatusCode, " ", r.body)
			}
			got := r.answered(t)
			if e := got.Get("error"); e != "" {
				return e
			}
			_, r = s.exchange(h.c, idp.Secret(got.Get("code")))
			return said(t, r)
		}},
	}

	const (
		full   = "scope=openid+profile+email+groups+roles+offline_access"
		claims = ` email=NAME@klinik.test groups=[ward "3" mri] roles=[radiologist]`
		info   = `email=NAME@klinik.test groups=[ward "3" mri] roles=[radiologist]`
		noMail = "scope=openid+profile+groups+roles+offline_access"
		of     = ` groups=[ward "3" mri] roles=[radiologist]` // what introspection tells of the person
	)
	want := map[string][]string{ // a cell for every caller, in their order
		"nothing":                    {full + claims, info, info, full + of, full, full + claims, full + claims},
		"group, from the person":     {"400 invalid_grant", "401 invalid_token", "401 invalid_token", "inactive", "inactive", "400 invalid_grant", "access_denied"},
		"group, from those admitted": {"400 invalid_grant", "401 invalid_token", "401 invalid_token", "inactive", "inactive", "400 invalid_grant", "access_denied"},
		"scope email": {noMail + ` groups=[ward "3" mri] roles=[radiologist]`, `groups=[ward "3" mri] roles=[radiologist]`,
			`groups=[ward "3" mri] roles=[radiologist]`, noMail + of, noMail,
			noMail + ` groups=[ward "3" mri] roles=[radiologist]`, noMail + ` groups=[ward "3" mri] roles=[radiologist]`},
		"scopes but openid":  {"scope=openid", "", "", "scope=openid", "scope=openid", "scope=openid", "scope=openid"},
		"client disabled":    {"401 invalid_client", "401 invalid_token", "401 invalid_token", "401 invalid_client", "401 invalid_client", "401 invalid_client", "400 error page " + keyClient},
		"grant type code":    {"400 unauthorized_client", "401 invalid_token", "401 invalid_token", "inactive", "inactive", "400 unauthorized_client", "unauthorized_client"},
		"grant type refresh": {"400 unauthorized_client", info, info, strings.TrimSuffix(full, "+offline_access") + of, "inactive", strings.TrimSuffix(full, "+offline_access") + claims, strings.TrimSuffix(full, "+offline_access") + claims},
		"person disabled":    {"400 invalid_grant", "401 invalid_token", "401 invalid_token", "inactive", "inactive", "400 invalid_grant", "login_required"},
		"role": {full + ` email=NAME@klinik.test groups=[ward "3" mri]`, `email=NAME@klinik.test groups=[ward "3" mri]`,
			`email=NAME@klinik.test groups=[ward "3" mri]`, full + ` groups=[ward "3" mri]`, full, full + ` email=NAME@klinik.test groups=[ward "3" mri]`, full + ` email=NAME@klinik.test groups=[ward "3" mri]`},
		"another group": {full + ` email=NAME@klinik.test groups=[mri] roles=[radiologist]`, `email=NAME@klinik.test groups=[mri] roles=[radiologist]`,
			`email=NAME@klinik.test groups=[mri] roles=[radiologist]`, full + ` groups=[mri] roles=[radiologist]`, full, full + ` email=NAME@klinik.test groups=[mri] roles=[radiologist]`, full + ` email=NAME@klinik.test groups=[mri] roles=[radiologist]`},
	}
	n := 0
	for _, thing := range things {
		for i, caller := range callers {
			n++
			name := fmt.Sprint("p", n)
			h := s.hold(name)
			thing.take(h)
			got := strings.ReplaceAll(caller.use(h), name+"@", "NAME@")
			t.Logf("%-27s %-21s %s", thing.name, caller.name, got)
			if got != want[thing.name][i] {
				t.Errorf("%s, %s: %s, want %s", thing.name, caller.name, got, want[thing.name][i])
			}
		}
	}
}

// TestRefusedRefreshEndsTheGrant: with an event that says why; giving back what
// was taken does not bring the grant back.
func TestRefusedRefreshEndsTheGrant(t *testing.T) {
	s := newSite(t)
	for what, use := range map[string]func(*holding) *reply{
		"refresh":  func(h *holding) *reply { _, r := s.refresh(h.c, h.tok.Refresh); return r },
		"exchange": func(h *holding) *reply { _, r := s.exchange(h.c, h.pending); return r },
	} {
		h := s.hold("of-" + what)
		set := func(groups ...string) {
			if err := s.desk.EditUser(t.Context(), s.admin, h.p.ID, func(u *idp.User) { u.Groups = groups }); err != nil {
				t.Fatal(err)
			}
		}
		set("ct")
		refused(t, use(h), http.StatusBadRequest, "invalid_grant")
		events, err := s.db.Events(t.Context(), 0, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		last := events[len(events)-1]
		if last.Kind != idp.EventGrantRevoked || last.User != h.p.ID || last.Client != h.c.ID || last.Detail["reason"] != "groups" {
			t.Errorf("%s: the log ends with %+v", what, last)
		}
		set("mri")
		refused(t, use(h), http.StatusBadRequest, "invalid_grant")
	}
}

// TestScopesNarrowForGood: a scope that was taken away is neither given again by
// a later refresh, nor when the registration has it back, nor for the asking
// (RFC 6749, section 6).
func TestScopesNarrowForGood(t *testing.T) {
	s := newSite(t)
	h := s.hold("anna")
	s.editClient(h.c, func(c *idp.Client) { c.Scopes = []string{"profile", "offline_access"} })
	_, r := s.token(h.c, "grant_type", idp.GrantRefresh, "refresh_token", h.tok.Refresh, "scope", "openid email")
	refused(t, r, http.StatusBadRequest, codeInvalidScope)
	tok := s.mustRefresh(h.c, h.tok.Refresh) // the refused request has not used it up
	if tok.Scope != "openid profile offline_access" {
		t.Errorf("scope %q", tok.Scope)
	}
	s.editClient(h.c, func(c *idp.Client) { c.Scopes = []string{"profile", "email", "offline_access"} })
	_, r = s.token(h.c, "grant_type", idp.GrantRefresh, "refresh_token", tok.Refresh, "scope", "openid email")
	refused(t, r, http.StatusBadRequest, codeInvalidScope)
	again := s.mustRefresh(h.c, tok.Refresh)
	if again.Scope != "openid profile offline_access" {
		t.Errorf("then %q", again.Scope)
	}
	s.editClient(h.c, func(c *idp.Client) { c.Scopes = []string{"profile"} })
	if last := s.mustRefresh(h.c, again.Refresh); last.Refresh != "" || last.Scope != "openid profile" {
		t.Errorf("without offline_access: scope %q, a refresh token %v", last.Scope, last.Refresh != "")
	}
}

// TestClaimsByNameFollowTheRegistration: what was asked for by name and not by
// scope is told while the registration covers it.
func TestClaimsByNameFollowTheRegistration(t *testing.T) {
	s := newSite(t)
	for _, consent := range []bool{false, true} {
		c := s.addClient(func(c *idp.Client) { c.Consent = consent })
		p := s.addPerson(fmt.Sprint("anna-", consent))
		tok := s.mustExchange(c, s.browser().signIn(p, request(c, "scope", "openid email", "claims", `{"userinfo":{"email":null}}`)))
		if got := said(t, s.userinfo(tok.Access)); !strings.HasPrefix(got, "email=") {
			t.Errorf("before: %s", got)
		}
		s.editClient(c, func(c *idp.Client) { c.Scopes = []string{"profile"} })
		if got := said(t, s.userinfo(tok.Access)); got != "" {
			t.Errorf("consent %v, after: %s", consent, got)
		}
	}
}

// TestIntrospectionByAnAPIThatWasTakenOut of a client's audience: its tokens are
// not for that API any more.
func TestIntrospectionByAnAPIThatWasTakenOut(t *testing.T) {
	s := newSite(t)
	api := s.addClient(nil)
	c := s.addClient(func(c *idp.Client) { c.Audience = []string{string(api.ID)} })
	tok := s.mustExchange(c, s.browser().signIn(s.addPerson("anna"), request(c)))
	ask := func() string { return said(t, s.call(pathIntrospect, api, url.Values{"token": {tok.Access}})) }
	if got := ask(); !strings.HasPrefix(got, "scope=") {
		t.Errorf("before: %s", got)
	}
	s.editClient(c, func(c *idp.Client) { c.Audience = []string{"elsewhere"} })
	if got := ask(); got != "inactive" {
		t.Errorf("after: %s", got)
	}
}
