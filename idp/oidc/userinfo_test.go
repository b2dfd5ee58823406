package oidc

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

func TestUserinfoByScope(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	b := s.browser()
	b.signIn(anna, request(c))
	for scope, want := range map[string][]string{
		"openid":         {"sub"},
		"openid profile": {"sub", "name", "given_name", "family_name", "preferred_username", "locale", "updated_at"},
		"openid email":   {"sub", "email", "email_verified"},
		"openid phone":   {"sub", "phone_number", "phone_number_verified"},
		"openid groups":  {"sub", "groups"},
		"openid roles":   {"sub", "roles"},
	} {
		code := b.get(pathAuthorize + "?" + request(c, "scope", scope).Encode()).answered(t).Get("code")
		r := s.userinfo(s.mustExchange(c, idp.Secret(code)).Access)
		var got map[string]any
		if err := json.Unmarshal([]byte(r.body), &got); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v", scope, got)
		}
		for _, name := range want {
			if got[name] == nil {
				t.Errorf("%s: no %s in %v", scope, name, got)
			}
		}
		if got["sub"] != string(anna.ID) {
			t.Errorf("sub %v", got["sub"])
		}
	}
}

func TestUserinfoKnowsHeaderAndForm(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	access := s.mustExchange(c, s.browser().signIn(anna, request(c))).Access
	b := s.browser()
	for why, r := range map[string]*reply{
		"GET, header":          s.userinfo(access),
		"GET, scheme in small": s.userinfo("", "Authorization", "bearer "+access),
		"POST, header":         b.post(pathUserinfo, nil, "Authorization", "Bearer "+access, "Content-Type", ""),
		"POST, form":           b.post(pathUserinfo, url.Values{"access_token": {access}}),
		"a query of no matter": b.get(pathUserinfo + "?schema=openid"),
	} {
		want := http.StatusOK
		if why == "a query of no matter" {
			want = http.StatusUnauthorized // ignored, but there is no token
		}
		if r.StatusCode != want {
			t.Errorf("%s: %d %s", why, r.StatusCode, r.body)
		}
	}
	for why, r := range map[string]*reply{
		"both":        b.post(pathUserinfo, url.Values{"access_token": {access}}, "Authorization", "Bearer "+access),
		"two in one":  s.userinfo(access + " " + access),
		"empty":       s.userinfo("", "Authorization", "Bearer "),
		"not a form":  b.post(pathUserinfo, url.Values{"access_token": {access}}, "Content-Type", "application/json"),
		"twice":       b.post(pathUserinfo, url.Values{"access_token": {access, access}}),
		"query":       b.get(pathUserinfo + "?access_token=" + access),
		"query, POST": b.post(pathUserinfo+"?access_token="+access, nil),
		"bad escapes": b.get(pathUserinfo + "?%zz"),
	} {
		refused(t, r, http.StatusBadRequest, codeInvalidRequest)
		if got := r.Header.Get("WWW-Authenticate"); !strings.Contains(got, `error="invalid_request"`) {
			t.Errorf("%s: %q", why, got)
		}
	}
}

// TestUserinfoByPost: with the token in the header a body says nothing unless it
// is a form (OpenID Connect Core 1.0, section 5.3.1; RFC 6750, section 2).
func TestUserinfoByPost(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	access := s.mustExchange(c, s.browser().signIn(anna, request(c))).Access
	const sized, chunked = false, true
	for _, row := range []struct {
		name, kind, body string
		stream           bool // sent in chunks
		header           bool // the token in the header
		status           int
	}{
		{"nothing", "", "", sized, true, 200},
		{"a form without fields", formType, "", sized, true, 200},
		{"a form of something else", formType, "schema=openid", sized, true, 200},
		{"{}", "application/json", "{}", sized, true, 200},
		{"{} with a charset", "application/json; charset=utf-8", "{}", sized, true, 200},
		{"{} in chunks", "application/json", "{}", chunked, true, 200},
		{"JSON without a body", "application/json", "", sized, true, 200},
		{"null", "application/json", "null", sized, true, 200},
		{"an empty body in chunks", "", "", chunked, true, 200},
		{"an empty form in chunks", formType, "", chunked, true, 200},
		{"text", "text/plain;charset=UTF-8", "hello", sized, true, 200},
		{"no type at all", "", "hello", sized, true, 200},
		{"multipart without parts", "multipart/form-data; boundary=x", "--x--", sized, true, 200},
		{"a broken type", "/", "{}", sized, true, 200},
		{"both ways", formType, "access_token=" + access, sized, true, 400},
		{"both ways, in chunks", formType, "access_token=" + access, chunked, true, 400},
		{"both ways, charset", formType + "; charset=UTF-8", "access_token=" + access, sized, true, 400},
		{"both ways, another token", formType, "access_token=x", sized, true, 400},
		{"a malformed form", formType, "a=%zz", sized, true, 400},
		{"form", formType, "access_token=" + access, sized, false, 200},
		{"form in chunks", formType, "access_token=" + access, chunked, false, 200},
		{"nowhere", "", "", sized, false, 401},
		{"nowhere, in chunks", "", "", chunked, false, 401},
		{"nowhere, JSON without a body", "application/json", "", sized, false, 401},
		{"in JSON", "application/json", `{"access_token":"` + access + `"}`, sized, false, 400},
	} {
		var body io.Reader = strings.NewReader(row.body)
		if row.stream {
			body = struct{ io.Reader }{body} // of no known length
		}
		r, err := http.NewRequest(http.MethodPost, s.issuer+pathUserinfo, body)
		if err != nil {
			t.Fatal(err)
		}
		if row.stream {
			r.ContentLength = -1
		}
		if row.kind != "" {
			r.Header.Set("Content-Type", row.kind)
		}
		if row.header {
			r.Header.Set("Authorization", "Bearer "+access)
		}
		got := s.browser().do(r)
		if got.StatusCode != row.status || (got.StatusCode == 200) != strings.Contains(got.body, string(anna.ID)) {
			t.Errorf("%s: %d %s, want %d", row.name, got.StatusCode, got.body, row.status)
		}
	}
}

func TestUserinfoRefusesTokenInQuery(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	access := s.mustExchange(c, s.browser().signIn(anna, request(c))).Access
	for _, r := range []*reply{s.browser().get(pathUserinfo + "?access_token=" + access), s.browser().post(pathUserinfo+"?access_token="+access, nil)} {
		if r.StatusCode != http.StatusBadRequest || strings.Contains(r.body, string(anna.ID)) {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
	}
}

// TestBearerChallenges are those of RFC 6750, section 3, and for a token that is sent with a
// proof of RFC 9449, section 7.1: no error code where no
// token was given.
func TestBearerChallenges(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	machine, _ := s.token(c, "grant_type", idp.GrantClientCredentials)
	for why, row := range map[string]struct {
		r      *reply
		status int
		header string
	}{
		"none":          {s.userinfo(""), 401, `Bearer realm="userinfo"`},
		"another way":   {s.userinfo("", "Authorization", "Basic eDp5"), 401, `Bearer realm="userinfo"`},
		"DPoP":          {s.userinfo("", "Authorization", "DPoP x"), 401, `DPoP error="invalid_token", algs="PS256 ES256 EdDSA"`},
		"unknown":       {s.userinfo("x"), 401, `Bearer realm="userinfo", error="invalid_token"`},
		"not a person":  {s.userinfo(machine.Access), 403, `Bearer realm="userinfo", error="insufficient_scope", scope="openid"`},
		"empty posting": {s.browser().post(pathUserinfo, nil), 401, `Bearer realm="userinfo"`},
	} {
		if row.r.StatusCode != row.status || row.r.Header.Get("WWW-Authenticate") != row.header {
			t.Errorf("%s: %d %q", why, row.r.StatusCode, row.r.Header.Get("WWW-Authenticate"))
		}
	}
}

func TestIDTokenIsNoAccessToken(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c)))
	refused(t, s.userinfo(tok.ID), http.StatusUnauthorized, codeInvalidToken)
	refused(t, s.userinfo(tok.Refresh), http.StatusUnauthorized, codeInvalidToken)
	if got := strings.TrimSpace(s.call(pathIntrospect, c, url.Values{"token": {tok.ID}}).body); got != `{"active":false}` {
		t.Error(got)
	}
}

func TestUserinfoByName(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	claims := `{"userinfo":{"name":{"essential":true},"email":null,"phone_number":null}}`
	ask := func(change func(*idp.Client)) map[string]any {
		c := s.addClient(change)
		tok := s.mustExchange(c, s.browser().signIn(anna, request(c, "scope", "openid", "claims", claims)))
		var got map[string]any
		if err := json.Unmarshal([]byte(s.userinfo(tok.Access).body), &got); err != nil {
			t.Fatal(err)
		}
		delete(got, "sub")
		return got
	}
	if got := ask(nil); !reflect.DeepEqual(got, map[string]any{"name": "Anna Röntgen", "email": anna.Email, "phone_number": anna.Phone}) {
		t.Errorf("%v", got)
	}
	if got := ask(func(c *idp.Client) { c.Scopes = []string{"email"} }); !reflect.DeepEqual(got, map[string]any{"email": anna.Email}) {
		t.Errorf("beyond the registration: %v", got)
	}
	// The person has seen them on the page (TestConsentToClaimsByName).
	if got := ask(func(c *idp.Client) { c.Consent = true }); len(got) != 3 {
		t.Errorf("with consent: %v", got)
	}
}

func TestUserinfoIsFresh(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(nil), s.addPerson("anna")
	access := s.mustExchange(c, s.browser().signIn(anna, request(c))).Access
	if err := s.desk.EditUser(t.Context(), s.admin, anna.ID, func(u *idp.User) { u.DisplayName = `O"Hara \ </script>` }); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(s.userinfo(access).body), &got); err != nil || got["name"] != `O"Hara \ </script>` {
		t.Errorf("%v, %v", got, err)
	}
	s.clock.Add(15 * time.Minute)
	refused(t, s.userinfo(access), http.StatusUnauthorized, codeInvalidToken)
}

// What an administrator is shown beforehand is what is told: by a client with
// names of its own for claims, in userinfo byte for byte, in the ID token member
// for member.
func TestPreviewIsWhatIsTold(t *testing.T) {
	s := newSite(t)
	c, anna := s.addClient(func(c *idp.Client) {
		c.Scopes, c.ClaimsInID, c.Groups = []string{"openid", "profile", "groups", "roles"}, true, []string{"mri"}
		c.Claims = []idp.ClaimRule{
			{Name: "role", From: "groups", One: true, Values: []idp.ClaimValue{{From: "ct", To: "Admin"}, {From: "mri", To: "Viewer"}}},
			{Name: "roles", From: "roles", Values: []idp.ClaimValue{{From: "radiologist", To: "ROLE_RAD"}}},
			{Name: "mail", From: "email"}, {Name: "tenant", Text: `kl"inik`},
		}
	}), s.addPerson("anna")
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c, "scope", "openid profile groups roles")))
	p, err := s.desk.PreviewClaims(t.Context(), s.admin, anna.ID, c.ID)
	if err != nil || !p.Admitted {
		t.Fatalf("%+v, %v", p, err)
	}
	if got := s.userinfo(tok.Access).body; strings.TrimSpace(got) != string(p.Userinfo) || !strings.Contains(got, `"role":"Viewer"`) {
		t.Errorf("told %s, previewed %s", got, p.Userinfo)
	}
	var previewed map[string]any
	if err := json.Unmarshal(p.IDToken, &previewed); err != nil {
		t.Fatal(err)
	}
	told := claimsOf(t, tok.ID)
	for _, name := range []string{"iss", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid", "at_hash"} {
		delete(told, name)
	}
	if !reflect.DeepEqual(told, previewed) || told["tenant"] != `kl"inik` || told["mail"] != nil {
		t.Errorf("told %v, previewed %v", told, previewed)
	}
}

// A secret that was used says when, and not that the other was.
func TestSecretsSayWhenTheyWereUsed(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	s.token(c, "grant_type", idp.GrantClientCredentials)
	used := func() (n int) {
		got, err := s.desk.Client(t.Context(), s.admin, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range got.Secrets {
			if secret.LastUsedAt.Equal(s.clock.Now()) {
				n++
			}
		}
		return n
	}
	if n := used(); n != 1 {
		t.Fatalf("%d secrets used", n)
	}
	if _, err := s.desk.NewClientSecret(t.Context(), s.admin, c.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	if n := used(); n != 1 {
		t.Errorf("%d of two secrets used", n)
	}
	if err := s.db.Sweep(t.Context(), s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if n := used(); n != 1 {
		t.Errorf("%d used after it was written down", n)
	}
}
