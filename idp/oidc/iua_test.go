package oidc

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/idptest"
)

// Purposes of use, as scopes.
const (
	treat  = "purpose_of_use=http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT"
	etreat = "purpose_of_use=urn:oid:2.16.840.1.113883.1.11.20448|ETREAT"
	btg    = "purpose_of_use=http://terminology.hl7.org/CodeSystem/v3-ActReason|BTG"
)

var iuaRules = []idp.ClaimRule{
	{Name: "ihe_iua.subject_name", From: "name"},
	{Name: "ihe_iua.subject_organization", Text: "Central Hospital"},
	{Name: "ihe_iua.subject_organization_id", Text: "urn:oid:1.2.3.4"},
	{Name: "ihe_iua.home_community_id", Text: "urn:oid:1.2.3.4.5"},
	{Name: "ihe_iua.subject_role", From: "roles", Values: []idp.ClaimValue{
		{From: "radiologist", To: "http://snomed.info/sct|66862007"}, {From: "nurse", To: "http://snomed.info/sct|224535009"},
	}},
	{Name: "site", Text: "north"},
}

func coding(system, code string) any { return map[string]any{"system": system, "code": code} }

// TestIUA: the extension ihe_iua of access tokens, and of introspection, has what rules tell of
// the person and the purposes that were asked for, and nothing that is not known; it stands
// nowhere else (IHE IUA, ITI TF-2: 3.71.4.2.2.1.1 and 3.102.4.2.2).
func TestIUA(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	api := s.addClient(func(c *idp.Client) { c.ID, c.Resources, c.Claims = "archive", []string{dicomWeb}, iuaRules })
	full := map[string]any{
		"subject_name": "Anna Röntgen", "subject_organization": "Central Hospital", "subject_organization_id": "urn:oid:1.2.3.4", "home_community_id": "urn:oid:1.2.3.4.5",
		"subject_role":   []any{coding("http://snomed.info/sct", "66862007")},
		"purpose_of_use": []any{coding(idp.SystemActReason, "TREAT")},
	}
	without := func(names ...string) map[string]any {
		m := map[string]any{}
		for name, v := range full {
			if !slices.Contains(names, name) {
				m[name] = v
			}
		}
		return m
	}
	for _, row := range []struct {
		why, scope string
		own        bool // the rules are the viewer's, and no API is named
		want       map[string]any
	}{
		{"all of it", "openid profile roles " + treat, false, full},
		{"all of it, by rules of its own", "openid profile roles " + treat, true, full},
		{"no purpose", "openid profile roles", false, without("purpose_of_use")},
		{"nothing of the person", "openid " + treat, false, without("subject_name", "subject_role")},
	} {
		for _, format := range []idp.AccessFormat{idp.AccessJWT, idp.AccessOpaque} {
			c := s.addClient(func(c *idp.Client) {
				c.AccessFormat, c.Scopes, c.ClaimsInID = format, append(c.Scopes, treat, etreat), true
				if c.Audience = []string{dicomWeb}; row.own {
					c.Audience, c.Claims = nil, iuaRules
				}
			})
			tok := s.mustExchange(c, s.browser().signIn(anna, request(c, "scope", row.scope)))
			asker := api
			if row.own {
				asker = c
			}
			want := map[string]any{"ihe_iua": row.want}
			if got := s.introspect(asker, tok.Access)["extensions"]; !reflect.DeepEqual(got, want) {
				t.Errorf("%s, introspection: %v", row.why, got)
			}
			if format == idp.AccessJWT {
				m := claimsOf(t, tok.Access)
				if !reflect.DeepEqual(m["extensions"], want) {
					t.Errorf("%s, JWT: %v", row.why, m["extensions"])
				}
				if m["scope"] != row.scope || m["name"] != nil || m["site"] != nil {
					t.Errorf("%s: %v", row.why, m)
				}
			}
			for what, body := range map[string]string{"ID token": string(idptest.Must(json.Marshal(claimsOf(t, tok.ID)))(t)), "userinfo": s.userinfo(tok.Access).body} {
				if strings.Contains(body, "ihe_iua") || strings.Contains(body, "Central Hospital") || strings.Contains(body, "extensions") {
					t.Errorf("%s, the %s says %s", row.why, what, body)
				}
			}
		}
	}
	// One that has no rules and asks for no purpose has no extension.
	c := s.addClient(func(c *idp.Client) { c.AccessFormat = idp.AccessJWT })
	if m := claimsOf(t, s.mustExchange(c, s.browser().signIn(anna, request(c))).Access); m["extensions"] != nil {
		t.Errorf("%v", m)
	}
}

// TestPurposesOfUse: a purpose is asked for by scope, from what the registration allows; it is
// in the log, can be taken away, and one that is not allowed is refused, not left out.
func TestPurposesOfUse(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	c := s.addClient(func(c *idp.Client) { c.AccessFormat, c.Scopes = idp.AccessJWT, append(c.Scopes, treat, etreat) })
	b := s.browser()
	for _, bad := range []string{btg, "purpose_of_use=TREAT", "purpose_of_use=", "purpose_of_use=" + idp.SystemActReason + "|", "purpose_of_use=nowhere|TREAT"} {
		if got := b.get(pathAuthorize + "?" + request(c, "scope", "openid "+bad).Encode()).answered(t); got.Get("error") != codeInvalidScope {
			t.Errorf("%s: %v", bad, got)
		}
		_, r := s.push(c, request(c, "scope", "openid "+bad))
		refused(t, r, 400, codeInvalidScope)
	}
	tok := s.mustExchange(c, b.signIn(anna, request(c, "scope", "openid offline_access "+treat)))
	if ext := claimsOf(t, tok.Access)["extensions"]; !reflect.DeepEqual(ext, map[string]any{"ihe_iua": map[string]any{"purpose_of_use": []any{coding(idp.SystemActReason, "TREAT")}}}) {
		t.Errorf("%v", ext)
	}
	issued := idptest.Must(s.db.SearchEvents(t.Context(), idp.EventQuery{Kinds: []idp.EventKind{idp.EventCodeIssued}}))(t)
	if !slices.ContainsFunc(issued.Rows, func(e idp.Event) bool { return e.Client == c.ID && e.Detail["purpose"] == "TREAT" }) {
		t.Errorf("the log does not say the purpose: %+v", issued.Rows)
	}
	next := s.mustRefresh(c, tok.Refresh)
	s.editClient(c, func(c *idp.Client) {
		c.Scopes = slices.DeleteFunc(slices.Clone(c.Scopes), func(scope string) bool { return scope == treat })
	})
	if m := s.introspect(c, next.Access); m["extensions"] != nil || m["active"] != true {
		t.Errorf("taken away it stays: %v", m)
	}
	if m := claimsOf(t, s.mustRefresh(c, next.Refresh).Access); m["extensions"] != nil {
		t.Errorf("refreshed it is there: %v", m)
	}
	// A program says its purpose, or has none; an emergency it cannot claim.
	s.editClient(c, func(c *idp.Client) { c.Scopes = append(slices.Clone(c.Scopes), treat) })
	program := func(pairs ...string) (map[string]any, *reply) {
		tok, r := s.token(c, append([]string{"grant_type", idp.GrantClientCredentials}, pairs...)...)
		if r.StatusCode != http.StatusOK {
			return nil, r
		}
		return claimsOf(t, tok.Access), r
	}
	if m, _ := program(); m["extensions"] != nil || m["scope"] != "pacs" {
		t.Errorf("unasked: %v", m)
	}
	if m, _ := program("scope", "pacs "+treat); m["extensions"] == nil {
		t.Errorf("asked: %v", m)
	}
	_, r := program("scope", "pacs "+etreat)
	refused(t, r, 400, codeInvalidScope)
}

// TestEmergencies: that it is one a person says each time on a page that says what it means; it
// is an event of its own and a warning in the log. No session and no yes of before answers, and
// who says no has not claimed it.
func TestEmergencies(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	c := s.addClient(func(c *idp.Client) { c.AccessFormat, c.Scopes = idp.AccessJWT, append(c.Scopes, treat, etreat, btg) })
	b := s.browser()
	claimed := func() (list []idp.Event) {
		for _, e := range idptest.Must(s.db.SearchEvents(t.Context(), idp.EventQuery{Kinds: []idp.EventKind{idp.EventEmergency}}))(t).Rows {
			if e.User == anna.ID && e.Client == c.ID {
				list = append(list, e)
			}
		}
		return list
	}
	b.signIn(anna, request(c, "scope", "openid "+treat))
	if n := len(claimed()); n != 0 {
		t.Fatalf("%d emergencies", n)
	}
	for i, scope := range []string{etreat, etreat, btg + " " + treat} {
		q := request(c, "scope", "openid "+scope)
		if got := b.get(pathAuthorize + "?" + q.Encode() + "&prompt=none").answered(t); got.Get("error") != codeConsentRequired {
			t.Errorf("without a page: %v", got)
		}
		id := b.get(pathAuthorize + "?" + q.Encode()).loginOf(t)
		step, err := s.flow.Step(t.Context(), id, b.asLogin())
		if err != nil || step.State != idp.LoginConsent || !idp.Emergency(step.Scopes) {
			t.Fatalf("%+v, %v", step, err)
		}
		idptest.Must(s.flow.Consent(t.Context(), id, b.asLogin(), true))(t)
		tok := s.mustExchange(c, idp.Secret(b.get(CollectPath+string(id)).answered(t).Get("code")))
		ext, _ := json.Marshal(claimsOf(t, tok.Access)["extensions"])
		if !strings.Contains(string(ext), "ETREAT") && !strings.Contains(string(ext), "BTG") {
			t.Errorf("%s", ext)
		}
		if list := claimed(); len(list) != i+1 || !strings.Contains(s.log.String(), "an emergency is claimed") {
			t.Errorf("%d emergencies in the log: %+v", i+1, list)
		}
	}
	id := b.get(pathAuthorize + "?" + request(c, "scope", "openid "+etreat).Encode()).loginOf(t)
	idptest.Must(s.flow.Consent(t.Context(), id, b.asLogin(), false))(t)
	if got := b.get(CollectPath + string(id)).answered(t); got.Get("error") != codeAccessDenied || len(claimed()) != 3 {
		t.Errorf("%v, %d", got, len(claimed()))
	}
	// A phone cannot be asked for one.
	caller := s.addClient(func(c *idp.Client) {
		asks(c)
		c.Scopes = append(c.Scopes, etreat)
	})
	s.phone(anna)
	_, r := s.bc(caller, "scope", "openid "+etreat)
	refused(t, r, 403, codeAccessDenied)
}

// TestIUARegistrations is which rules and scopes can be registered.
func TestIUARegistrations(t *testing.T) {
	s := newSite(t)
	for why, row := range map[string]struct {
		change func(*idp.Client)
		want   string
	}{
		"no such member":           {func(c *idp.Client) { c.Claims = []idp.ClaimRule{{Name: "ihe_iua.shoe_size", Text: "44"}} }, "client.claims.iua"},
		"the patient":              {func(c *idp.Client) { c.Claims = []idp.ClaimRule{{Name: "ihe_iua.person_id", Text: "1"}} }, "client.claims.iua"},
		"a purpose for all":        {func(c *idp.Client) { c.Claims = []idp.ClaimRule{{Name: "ihe_iua.purpose_of_use", Text: "TREAT"}} }, "client.claims.iua"},
		"roles that are no codes":  {func(c *idp.Client) { c.Claims = []idp.ClaimRule{{Name: "ihe_iua.subject_role", From: "roles"}} }, "client.claims.iua"},
		"an id that is no URI":     {func(c *idp.Client) { c.Claims = []idp.ClaimRule{{Name: "ihe_iua.home_community_id", Text: "1.2.3"}} }, "client.claims.iua"},
		"extensions are ours":      {func(c *idp.Client) { c.Claims = []idp.ClaimRule{{Name: "extensions", Text: "x"}} }, "client.claims.name"},
		"a purpose without system": {func(c *idp.Client) { c.Scopes = []string{"purpose_of_use=TREAT"} }, "client.scopes.purpose"},
		"an emergency unasked":     {func(c *idp.Client) { c.Scopes, c.DefaultScopes = []string{etreat}, []string{etreat} }, "client.scopes.purpose"},
		"a resource":               {func(c *idp.Client) { c.Resources = []string{"archive"} }, "client.resources.bad"},
		"all that is good": {func(c *idp.Client) {
			c.Claims, c.Scopes, c.Resources = iuaRules, []string{treat, etreat, btg}, []string{dicomWeb, uidOfAPI}
		}, ""},
	} {
		c := &idp.Client{Name: "App", Kind: idp.ClientWeb, Auth: idp.AuthBasic, RedirectURIs: []string{callback}, GrantTypes: []string{idp.GrantCode}, IDTokenAlg: "ES256"}
		row.change(c)
		_, err := s.desk.AddClient(t.Context(), s.admin, c)
		got := ""
		if f, ok := err.(*idp.FieldError); ok { //nolint:errorlint // it is returned as it is
			got = f.Message
		} else if err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%s: %q, not %q", why, got, row.want)
		}
	}
}

// TestTokenTypesThatAreAskedFor: the format is the registration's; another is refused
// (requested_token_type of IHE IUA), and the metadata says what there is.
func TestTokenTypesThatAreAskedFor(t *testing.T) {
	s := newSite(t)
	jwt := s.addClient(func(c *idp.Client) { c.AccessFormat = idp.AccessJWT })
	opaque := s.addClient(nil)
	for _, row := range []struct {
		c     *client
		asked string
		good  bool
	}{
		{jwt, typeOfJWT, true}, {jwt, typeOfAccess, true}, {jwt, typeOfAccessIUA, true}, {jwt, "urn:ietf:params:oauth:token-type:saml2", false},
		{opaque, typeOfJWT, false}, {opaque, typeOfAccess, true},
	} {
		_, r := s.token(row.c, "grant_type", idp.GrantClientCredentials, "requested_token_type", row.asked)
		if row.good && r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", row.asked, r.body)
		}
		if !row.good {
			refused(t, r, 400, codeInvalidRequest)
		}
	}
	var m struct {
		Formats []string `json:"access_token_format"`
	}
	if err := json.Unmarshal([]byte(s.browser().get(pathDiscoveryOAuth).body), &m); err != nil || !slices.Equal(m.Formats, []string{typeOfAccess, typeOfJWT}) {
		t.Errorf("%v, %v", m, err)
	}
}
