package oidc

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/idptest"
)

// pairwise is an application at a host whose people have a sub of its own.
func pairwise(host string, also ...func(*idp.Client)) func(*idp.Client) {
	return func(c *idp.Client) {
		c.RedirectURIs, c.PostLogoutURIs, c.Origins = []string{"https://" + host + "/callback"}, nil, nil
		c.SubjectType, c.AccessFormat = idp.SubjectPairwise, idp.AccessJWT
		for _, fn := range also {
			fn(c)
		}
	}
}

// subs signs a person in and returns the sub in everything that an application is told, by
// what that is.
func (s *site) subs(t *testing.T, c *client, p *person) map[string]string {
	t.Helper()
	b := s.browser()
	tok := s.mustExchange(c, b.signIn(p, request(c, "redirect_uri", c.RedirectURIs[0], "scope", "openid profile pacs offline_access")))
	out := map[string]string{}
	member := func(what string, raw []byte) {
		var m map[string]any
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatalf("%s: %s", what, raw)
		}
		out[what], _ = m["sub"].(string)
	}
	sub := func(what, token string) { out[what], _ = claimsOf(t, token)["sub"].(string) }
	sub("ID token", tok.ID)
	sub("access token", tok.Access)
	member("userinfo", []byte(s.userinfo(tok.Access).body))
	for what, token := range map[string]string{"introspected access token": tok.Access, "introspected refresh token": tok.Refresh} {
		member(what, []byte(s.call(pathIntrospect, c, url.Values{"token": {token}}).body))
	}
	next := s.mustRefresh(c, tok.Refresh)
	sub("refreshed ID token", next.ID)
	sub("refreshed access token", next.Access)
	session := idp.SessionID(claimsOf(t, tok.ID)["sid"].(string))
	sub("logout token", idptest.Must(s.server.LogoutToken(c.Client, p.ID, session))(t).Reveal())
	member("preview", idptest.Must(s.desk.PreviewClaims(t.Context(), s.admin, p.ID, c.ID))(t).Userinfo)
	if c.Allows(idp.GrantExchange) {
		got, r := s.token(c, "grant_type", idp.GrantExchange, "subject_token", tok.ID, "subject_token_type", typeOfID)
		if r.StatusCode != http.StatusOK {
			t.Fatal(r.body)
		}
		sub("exchanged token", got.Access)
	}
	// The person by an ID token hint and by a claims request: known without a page, and nobody
	// else is.
	for what, pairs := range map[string][]string{
		"by hint":   {"id_token_hint", tok.ID},
		"by claims": {"claims", `{"id_token":{"sub":{"value":"` + out["ID token"] + `"}}}`},
	} {
		q := request(c, append(pairs, "redirect_uri", c.RedirectURIs[0], "scope", "openid", "prompt", "none")...)
		code := b.get(pathAuthorize + "?" + q.Encode()).answered(t).Get("code")
		if code == "" {
			t.Errorf("%s: the person is not known", what)
			continue
		}
		again, r := s.exchange(c, idp.Secret(code))
		if r.StatusCode != http.StatusOK {
			t.Fatal(r.body)
		}
		sub(what, again.ID)
	}
	return out
}

// TestPairwiseSubjects is every application × everything that it is told: one sub in all of it,
// the same at every sign-in and for one sector, another for another, and never the person's id.
func TestPairwiseSubjects(t *testing.T) {
	s := newSite(t)
	anna, bert := s.addPerson("anna"), s.addPerson("bert")
	exchanging := func(c *idp.Client) {
		c.GrantTypes, c.ExchangeTargets = append(c.GrantTypes, idp.GrantExchange), []string{"archive"}
	}
	clients := map[string]*client{
		"public":        s.addClient(func(c *idp.Client) { c.AccessFormat = idp.AccessJWT }),
		"a":             s.addClient(pairwise("a.example", exchanging)),
		"another at a":  s.addClient(pairwise("a.example")),
		"a, other port": s.addClient(pairwise("a.example:8443")),
		"b":             s.addClient(pairwise("b.example")),
	}
	subs := map[string]map[string]string{}
	for name, c := range clients {
		subs[name] = map[string]string{}
		for _, p := range []*person{anna, bert} {
			all := s.subs(t, c, p)
			one := all["ID token"]
			for what, sub := range all {
				if sub != one || sub == "" {
					t.Errorf("%s, %s: the %s has %q, the ID token %q", name, p.Name, what, sub, one)
				}
			}
			if want := 11; len(all) < want {
				t.Errorf("%s: only %d were looked at", name, len(all))
			}
			if (one == string(p.ID)) != (name == "public") {
				t.Errorf("%s: %s is %q", name, p.ID, one)
			}
			subs[name][p.Name] = one
		}
		if subs[name]["anna"] == subs[name]["bert"] {
			t.Errorf("%s cannot tell two people apart", name)
		}
	}
	for _, p := range []string{"anna", "bert"} {
		if a := subs["a"][p]; a != subs["another at a"][p] || a != subs["a, other port"][p] || a == subs["b"][p] {
			t.Errorf("%s: %v", p, subs)
		}
	}
	// A stranger's sub is nobody's: the hint of one application is none at another.
	b := s.browser()
	a, other := clients["a"], clients["b"]
	s.mustExchange(a, b.signIn(anna, request(a, "redirect_uri", a.RedirectURIs[0], "scope", "openid")))
	q := request(other, "redirect_uri", other.RedirectURIs[0], "scope", "openid", "prompt", "none", "claims", `{"id_token":{"sub":{"value":"`+subs["a"]["anna"]+`"}}}`)
	if got := b.get(pathAuthorize + "?" + q.Encode()).answered(t).Get("error"); got != codeLoginRequired {
		t.Errorf("the sub of another sector: %q", got)
	}
	for _, sub := range []string{string(anna.ID), "~", "x", subs["b"]["bert"]} {
		q := request(a, "redirect_uri", a.RedirectURIs[0], "scope", "openid", "prompt", "none", "claims", `{"id_token":{"sub":{"value":"`+sub+`"}}}`)
		if got := b.get(pathAuthorize + "?" + q.Encode()).answered(t).Get("error"); got != codeLoginRequired {
			t.Errorf("%q is taken for anna: %q", sub, got)
		}
	}
}

// TestSubjectsAreNotChangedSilently: an edit that gives everybody another sub says so, or is
// refused.
func TestSubjectsAreNotChangedSilently(t *testing.T) {
	s := newSite(t)
	c := s.addClient(nil)
	at := func(host string) func(*idp.Client) {
		return func(c *idp.Client) { c.RedirectURIs = []string{"https://" + host + "/cb"} }
	}
	edit := func(fn func(*idp.Client)) string {
		err := s.desk.EditClient(t.Context(), s.admin, c.ID, fn)
		if field, ok := errors.AsType[*idp.FieldError](err); ok {
			return field.Message
		}
		if err != nil {
			t.Fatal(err)
		}
		return ""
	}
	for _, row := range []struct {
		why  string
		fn   func(*idp.Client)
		want string
	}{
		{"to pairwise", func(c *idp.Client) { c.SubjectType = idp.SubjectPairwise }, "client.subject.change"},
		{"what is none", func(c *idp.Client) { c.SubjectType, c.ChangeSubject = "private", true }, "client.subject.bad"},
		{"a sector without need", func(c *idp.Client) { c.SectorURI = "https://a.example/s" }, "client.sector.unused"},
		{"to pairwise, and meant", func(c *idp.Client) { c.SubjectType, c.ChangeSubject = idp.SubjectPairwise, true }, ""},
		{"another name", func(c *idp.Client) { c.Name = "Other" }, ""},
		{"another path", func(c *idp.Client) { c.RedirectURIs = []string{"https://viewer.test/other"} }, ""},
		{"another host", at("b.example"), "client.subject.change"},
		{"two hosts", func(c *idp.Client) {
			c.ChangeSubject, c.RedirectURIs = true, []string{"https://a.example/", "https://b.example/"}
		}, "client.sector.missing"},
		{"back to public", func(c *idp.Client) { c.SubjectType = "" }, "client.subject.change"},
		{"another host, and meant", func(c *idp.Client) { c.ChangeSubject = true; at("b.example")(c) }, ""},
		{"back to public, and meant", func(c *idp.Client) { c.SubjectType, c.ChangeSubject = "", true }, ""},
		{"another host of a public one", at("c.example"), ""},
	} {
		if got := edit(row.fn); got != row.want {
			t.Errorf("%s: %q, want %q", row.why, got, row.want)
		}
	}
}

// TestSectors: an address that lists the redirect addresses of an application makes them one
// sector, and nothing else does.
func TestSectors(t *testing.T) {
	s := registrar(t)
	list := `["https://a.example/cb","https://b.example/cb"]`
	asked := 0
	ts := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch r.URL.Path {
		case "/list":
			_, _ = w.Write([]byte(list))
		case "/large":
			_, _ = w.Write([]byte(`["` + strings.Repeat("x", maxSector) + `"]`))
		case "/object":
			_, _ = w.Write([]byte(`{}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer ts.Close()
	s.sectors = ts.Client()
	both := []string{"https://a.example/cb", "https://b.example/cb"}
	add := func(uri string, redirects ...string) error {
		_, err := s.desk.AddClient(t.Context(), s.admin, &idp.Client{
			Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode}, RedirectURIs: redirects,
			SubjectType: idp.SubjectPairwise, SectorURI: uri,
		})
		return err
	}
	for why, row := range map[string]struct {
		uri       string
		redirects []string
		want      string
	}{
		"all in the list":   {ts.URL + "/list", both, ""},
		"one of the list":   {ts.URL + "/list", both[:1], ""},
		"one is not":        {ts.URL + "/list", append(slices.Clone(both), "https://c.example/cb"), "client.sector.other"},
		"nothing there":     {ts.URL + "/none", both, "client.sector.unread"},
		"no list":           {ts.URL + "/object", both, "client.sector.unread"},
		"too large":         {ts.URL + "/large", both, "client.sector.unread"},
		"not https":         {"http://a.example/list", both, "client.redirect.bad"},
		"several, no list":  {"", both, "client.sector.missing"},
		"one host, no list": {"", both[:1], ""},
	} {
		field, _ := errors.AsType[*idp.FieldError](add(row.uri, row.redirects...))
		if got := field; (got == nil) != (row.want == "") || got != nil && got.Message != row.want {
			t.Errorf("%s: %v, want %q", why, got, row.want)
		}
	}
	// Who registers itself has it read at the hosts that its token allows, and nowhere else.
	asked = 0
	initial, _ := s.initial(func(r *idp.RegistrationToken) { r.Hosts = []string{"a.example", "b.example"} })
	body := `{"redirect_uris":["https://a.example/cb","https://b.example/cb"],"subject_type":"pairwise","sector_identifier_uri":"` + ts.URL + `/list"}`
	refused(t, s.metadataCall("POST", pathRegister, initial, body), http.StatusBadRequest, codeInvalidMetadata)
	if asked != 0 {
		t.Error("an address that the token does not allow was called")
	}
	u := idptest.Must(url.Parse(ts.URL))(t)
	initial, _ = s.initial(func(r *idp.RegistrationToken) { r.Hosts = []string{"a.example", "b.example", u.Hostname()} })
	r := s.metadataCall("POST", pathRegister, initial, body)
	got := r.registered(t, http.StatusCreated)
	if !strings.Contains(r.body, `"subject_type":"pairwise","sector_identifier_uri":"`+ts.URL+`/list"`) {
		t.Error(r.body)
	}
	refused(t, s.metadataCall("PUT", pathRegister+"/"+got.ID, idp.Secret(got.Token), `{"client_id":"`+got.ID+`","redirect_uris":["https://a.example/cb"]}`), http.StatusBadRequest, codeInvalidMetadata)
	// An edit that leaves address and redirects alone does not call it.
	asked = 0
	if err := s.desk.EditClient(t.Context(), s.admin, idp.ClientID(got.ID), func(c *idp.Client) { c.Name = "Other" }); err != nil || asked != 0 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	list = `["https://a.example/cb"]`
	err := s.desk.EditClient(t.Context(), s.admin, idp.ClientID(got.ID), func(c *idp.Client) { c.RedirectURIs = []string{"https://b.example/other"} })
	if field, ok := errors.AsType[*idp.FieldError](err); !ok || field.Message != "client.sector.other" {
		t.Errorf("%v", err)
	}
}
