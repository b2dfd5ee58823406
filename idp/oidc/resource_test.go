package oidc

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"hilum/idp"
	"hilum/idp/keyring"
)

const (
	dicomWeb = "https://archive.test/dicom-web"
	fhirBase = "https://records.test/fhir"
	uidOfAPI = "urn:oid:1.2.3.4"
)

// resources are a viewer whose tokens may be for an archive, records and one more, and the
// archive, which stands for its address and introspects.
type resources struct {
	*site
	viewer, archive, other *client
	anna                   *person
}

func newResources(t *testing.T, format idp.AccessFormat, change func(*idp.Client)) *resources {
	t.Helper()
	x := &resources{site: newSite(t)}
	x.viewer = x.addClient(func(c *idp.Client) {
		c.Audience, c.AccessFormat = []string{"viewer-api", dicomWeb, fhirBase, uidOfAPI}, format
		if change != nil {
			change(c)
		}
	})
	x.archive = x.addClient(func(c *idp.Client) { c.ID, c.Name, c.Resources = "archive", "Archive", []string{dicomWeb} })
	x.other = x.addClient(func(c *idp.Client) { c.ID, c.Resources = "records", []string{fhirBase} })
	x.anna = x.addPerson("anna")
	return x
}

// form is a form of pairs, whose names may be repeated.
func form(pairs ...string) url.Values {
	f := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Add(pairs[i], pairs[i+1])
	}
	return f
}

// redeemed redeems a code, with more parameters.
func (x *resources) redeemed(code idp.Secret, more url.Values) (*tokens, *reply) {
	x.t.Helper()
	f := form("grant_type", idp.GrantCode, "code", code.Reveal(), "redirect_uri", callback, "code_verifier", verifier)
	maps.Copy(f, more)
	return x.post(pathToken, x.viewer, f)
}

func (x *resources) post(path string, c *client, f url.Values) (*tokens, *reply) {
	x.t.Helper()
	r := x.call(path, c, f)
	var got tokens
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		x.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return &got, r
}

// audience is what a token is for, as its own client is told; as the token itself says, if it
// can.
func (x *resources) audience(tok *tokens, c *client) []string {
	x.t.Helper()
	list := func(v any) (out []string) {
		for _, one := range v.([]any) {
			out = append(out, one.(string))
		}
		return out
	}
	m := x.introspect(c, tok.Access)
	if m["active"] != true {
		x.t.Fatalf("%v", m)
	}
	got := list(m["aud"])
	if c.AccessFormat == idp.AccessJWT {
		if own := list(claimsOf(x.t, tok.Access)["aud"]); !slices.Equal(own, got) {
			x.t.Errorf("the token is for %v, introspection says %v", own, got)
		}
	}
	return got
}

// active reports whether an API is told that a token is good.
func (x *resources) active(api *client, tok *tokens) bool {
	return x.introspect(api, tok.Access)["active"] == true
}

// TestResourceIndicators: the access token is for what was asked for, and for nothing else; a
// token request may ask for less of it, each time, and never for more (RFC 8707, section 2).
func TestResourceIndicators(t *testing.T) {
	for _, format := range []idp.AccessFormat{idp.AccessOpaque, idp.AccessJWT} {
		x := newResources(t, format, nil)
		all := []string{"viewer-api", dicomWeb, fhirBase, uidOfAPI}
		signIn := func(asked ...string) idp.Secret {
			q := request(x.viewer)
			q["resource"] = asked
			return x.browser().signIn(x.anna, q)
		}
		tok, _ := x.redeemed(signIn(), nil)
		if got := x.audience(tok, x.viewer); !slices.Equal(got, all) || !x.active(x.archive, tok) || !x.active(x.other, tok) {
			t.Errorf("unasked: %v", got)
		}
		tok, _ = x.redeemed(signIn(dicomWeb, uidOfAPI), nil)
		if got := x.audience(tok, x.viewer); !slices.Equal(got, []string{dicomWeb, uidOfAPI}) || !x.active(x.archive, tok) || x.active(x.other, tok) {
			t.Errorf("two are asked for: %v", got)
		}
		if !x.alive(tok.Access) {
			t.Error("userinfo refuses it")
		}
		// Each request may narrow, from what the grant has, not from what the last has got.
		for _, row := range []struct {
			sent, want []string
		}{
			{[]string{uidOfAPI}, []string{uidOfAPI}},
			{[]string{dicomWeb, dicomWeb, ""}, []string{dicomWeb}},
			{nil, []string{dicomWeb, uidOfAPI}},
		} {
			next, r := x.post(pathToken, x.viewer, url.Values{"grant_type": {idp.GrantRefresh}, "refresh_token": {tok.Refresh}, "resource": row.sent})
			if r.StatusCode != http.StatusOK {
				t.Fatalf("%v: %s", row.sent, r.body)
			}
			if got := x.audience(next, x.viewer); !slices.Equal(got, row.want) {
				t.Errorf("%s: refreshed for %v it is for %v", format, row.sent, got)
			}
			tok = next
		}
		for _, sent := range [][]string{{fhirBase}, {dicomWeb, fhirBase}, {"viewer-api"}, {"https://archive.test/dicom-web/"}} {
			_, r := x.post(pathToken, x.viewer, url.Values{"grant_type": {idp.GrantRefresh}, "refresh_token": {tok.Refresh}, "resource": sent})
			refused(t, r, 400, codeInvalidTarget)
		}
		// What was refused has used nothing up.
		if got := x.audience(x.mustRefresh(x.viewer, tok.Refresh), x.viewer); !slices.Equal(got, []string{dicomWeb, uidOfAPI}) {
			t.Errorf("%s: after that it is for %v", format, got)
		}
		_, r := x.redeemed(signIn(dicomWeb), url.Values{"resource": {fhirBase}})
		refused(t, r, 400, codeInvalidTarget)
		narrow, _ := x.redeemed(signIn(dicomWeb, fhirBase), url.Values{"resource": {fhirBase}})
		if got := x.audience(narrow, x.viewer); !slices.Equal(got, []string{fhirBase}) {
			t.Errorf("%v", got)
		}
		if got := x.audience(x.mustRefresh(x.viewer, narrow.Refresh), x.viewer); !slices.Equal(got, []string{dicomWeb, fhirBase}) {
			t.Errorf("the grant was narrowed, not its token: %v", got)
		}
	}
}

// TestResourcesWhoAsks: every way to ask for tokens knows resources.
func TestResourcesWhoAsks(t *testing.T) {
	x := newResources(t, idp.AccessJWT, nil)
	want := func(what string, c *client, tok *tokens, expect ...string) {
		t.Helper()
		if tok.Access == "" {
			t.Fatalf("%s: no token", what)
		}
		if got := x.audience(tok, c); !slices.Equal(got, expect) {
			t.Errorf("%s: %v, not %v", what, got, expect)
		}
	}
	// Pushed; what the browser says besides counts for nothing.
	q := request(x.viewer)
	q["resource"] = []string{dicomWeb, fhirBase}
	b := x.browser()
	id := b.get(begun(x.viewer, x.mustPush(x.viewer, q), "resource", uidOfAPI)).loginOf(t)
	b.prove(id, x.anna)
	tok, _ := x.redeemed(idp.Secret(b.get(CollectPath+string(id)).answered(t).Get("code")), nil)
	want("pushed", x.viewer, tok, dicomWeb, fhirBase)
	_, r := x.push(x.viewer, request(x.viewer, "resource", "https://elsewhere.test"))
	refused(t, r, 400, codeInvalidTarget)

	// From a session, without a page.
	got := b.get(pathAuthorize + "?" + request(x.viewer, "resource", fhirBase, "prompt", "none").Encode()).answered(t)
	tok, _ = x.redeemed(idp.Secret(got.Get("code")), nil)
	want("by session", x.viewer, tok, fhirBase)

	// By itself.
	tok, _ = x.post(pathToken, x.viewer, form("grant_type", idp.GrantClientCredentials, "scope", "pacs", "resource", dicomWeb, "resource", uidOfAPI))
	want("client credentials", x.viewer, tok, dicomWeb, uidOfAPI)
	_, r = x.post(pathToken, x.viewer, form("grant_type", idp.GrantClientCredentials, "scope", "pacs", "resource", "https://elsewhere.test/?StudyInstanceUID=1.2.3"))
	refused(t, r, 400, codeInvalidTarget)

	// In a request object: one as a text, several as a list.
	signer := x.addKeyed(func(c *idp.Client) {
		c.Audience, c.AccessFormat = []string{dicomWeb, fhirBase, uidOfAPI}, idp.AccessJWT
	}, newKey(t, keyring.ES256, "k"))
	for _, row := range []struct {
		claim any
		want  []string
	}{{dicomWeb, []string{dicomWeb}}, {[]string{fhirBase, dicomWeb}, []string{fhirBase, dicomWeb}}} {
		claims := x.object(signer, request(signer))
		claims["resource"] = row.claim
		outside := bySign(signer, signer.key.sign(t, claims, map[string]any{"typ": "oauth-authz-req+jwt"}))
		outside.Set("resource", uidOfAPI)
		tok := x.mustExchange(signer, x.browser().signIn(x.anna, outside))
		want("in a request object", signer, tok, row.want...)
	}

	// A device, and the back channel.
	machine := x.addClient(func(c *idp.Client) {
		forDevices(c)
		c.Audience, c.AccessFormat = []string{dicomWeb, fhirBase}, idp.AccessJWT
	})
	_, r = x.post(pathDevice, machine, form("scope", "openid", "resource", uidOfAPI))
	refused(t, r, 400, codeInvalidTarget)
	var w waiting
	r = x.call(pathDevice, machine, form("scope", "openid", "resource", fhirBase))
	if err := json.Unmarshal([]byte(r.body), &w); err != nil {
		t.Fatal(err)
	}
	x.browser().allow(&w, x.anna)
	tok, r = x.pollDevice(machine, &w)
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%s", r.body)
	}
	want("a device", machine, tok, fhirBase)
	caller := x.addClient(func(c *idp.Client) {
		asks(c)
		c.Audience, c.AccessFormat = []string{dicomWeb, fhirBase}, idp.AccessJWT
	})
	phone := x.phone(x.anna)
	_, r = x.bc(caller, "resource", uidOfAPI)
	refused(t, r, 400, codeInvalidTarget)
	req, r := x.bc(caller, "resource", dicomWeb)
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%s", r.body)
	}
	x.answer(phone, idp.Verdict{Approve: true})
	tok, r = x.pollBC(caller, req)
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%s", r.body)
	}
	want("the back channel", caller, tok, dicomWeb)
}

// TestResourcesThatAreRefused is what each resource that is no good is answered with.
func TestResourcesThatAreRefused(t *testing.T) {
	x := newResources(t, idp.AccessOpaque, nil)
	many := make([]string, 0, idp.MaxResources+1)
	for i := range idp.MaxResources + 1 {
		many = append(many, "https://archive.test/"+string(rune('a'+i)))
	}
	wide := x.addClient(func(c *idp.Client) { c.Audience = many })
	for why, row := range map[string]struct {
		c    *client
		sent []string
	}{
		"not in the registration": {x.viewer, []string{"https://elsewhere.test"}},
		"one of two is not":       {x.viewer, []string{dicomWeb, "https://elsewhere.test"}},
		"no URI":                  {x.viewer, []string{"viewer-api"}},
		"relative":                {x.viewer, []string{"/dicom-web"}},
		"with a fragment":         {x.viewer, []string{dicomWeb + "#part"}},
		"with an empty fragment":  {x.viewer, []string{dicomWeb + "#"}},
		"another case":            {x.viewer, []string{"HTTPS://archive.test/dicom-web"}},
		"control characters":      {x.viewer, []string{dicomWeb + "\n"}},
		"the application's own":   {x.addClient(nil), []string{dicomWeb}},
		"eleven":                  {wide, many},
	} {
		q := request(row.c)
		q["resource"] = row.sent
		got := x.browser().get(pathAuthorize + "?" + q.Encode()).answered(t)
		if got.Get("error") != codeInvalidTarget || got.Get("state") != "the state" || got.Get("iss") == "" {
			t.Errorf("%s: %v", why, got)
		}
	}
	// As many as there may be are good; a request of before knows none.
	q := request(wide)
	q["resource"] = many[:idp.MaxResources]
	x.browser().get(pathAuthorize + "?" + q.Encode()).loginOf(t)
}

// TestResourcesThatAreTakenAway: what an application may not have tokens for any more it does
// not get, also for a grant that was asked for it, and the API is told that the token is none.
func TestResourcesThatAreTakenAway(t *testing.T) {
	x := newResources(t, idp.AccessOpaque, nil)
	q := request(x.viewer)
	q["resource"] = []string{dicomWeb, fhirBase}
	tok, _ := x.redeemed(x.browser().signIn(x.anna, q), nil)
	x.editClient(x.viewer, func(c *idp.Client) { c.Audience = []string{"viewer-api", fhirBase, uidOfAPI} })
	if x.active(x.archive, tok) || !x.active(x.other, tok) {
		t.Error("the archive is told that the token is good, or the records that it is not")
	}
	next := x.mustRefresh(x.viewer, tok.Refresh)
	if got := x.audience(next, x.viewer); !slices.Equal(got, []string{fhirBase}) {
		t.Errorf("refreshed it is for %v", got)
	}
	x.editClient(x.other, func(c *idp.Client) { c.Resources = nil })
	if x.active(x.other, next) {
		t.Error("an API that stands for it no more is told that the token is good")
	}
	x.editClient(x.viewer, func(c *idp.Client) { c.Audience = []string{"viewer-api"} })
	_, r := x.refresh(x.viewer, next.Refresh)
	refused(t, r, 400, "invalid_grant")
	if m := x.introspect(x.viewer, next.Access); m["active"] != false {
		t.Errorf("nothing is left of the grant: %v", m)
	}
}

// TestConsentNamesResources: who is asked for consent sees the API by its name, and a yes to one
// is none to another.
func TestConsentNamesResources(t *testing.T) {
	x := newResources(t, idp.AccessOpaque, func(c *idp.Client) { c.Consent = true })
	b := x.browser()
	ask := func(allow bool, resources ...string) []string {
		t.Helper()
		q := request(x.viewer, "scope", "openid")
		q["resource"] = resources
		id := b.get(pathAuthorize + "?" + q.Encode()).loginOf(t)
		step, err := x.flow.Step(t.Context(), id, b.asLogin())
		if err != nil || step.State != idp.LoginConsent {
			t.Fatalf("%+v, %v", step, err)
		}
		if _, err := x.flow.Consent(t.Context(), id, b.asLogin(), allow); err != nil {
			t.Fatal(err)
		}
		if got := b.get(CollectPath + string(id)).answered(t); got.Has("code") != allow {
			t.Errorf("%v", got)
		}
		return step.Resources
	}
	silently := func(resources ...string) string {
		q := request(x.viewer, "scope", "openid", "prompt", "none")
		q["resource"] = resources
		return b.get(pathAuthorize + "?" + q.Encode()).answered(t).Get("error")
	}
	b.signIn(x.anna, request(x.viewer, "scope", "openid"))
	if got := silently(dicomWeb); got != codeConsentRequired {
		t.Errorf("a yes to scopes is one to the archive: %q", got)
	}
	if got := ask(true, dicomWeb, uidOfAPI); !slices.Equal(got, []string{"Archive", uidOfAPI}) {
		t.Errorf("shown are %v", got)
	}
	ask(false, fhirBase)
	for _, row := range []struct {
		resources []string
		want      string
	}{{[]string{dicomWeb}, ""}, {[]string{dicomWeb, uidOfAPI}, ""}, {nil, ""}, {[]string{fhirBase}, codeConsentRequired}, {[]string{dicomWeb, fhirBase}, codeConsentRequired}} {
		if got := silently(row.resources...); got != row.want {
			t.Errorf("%v: %q, not %q", row.resources, got, row.want)
		}
	}
	ask(true, fhirBase)
	if got := silently(dicomWeb, fhirBase); got != "" {
		t.Errorf("what was allowed before is forgotten: %q", got)
	}
}

// TestResourcesOfAnExchange: a token exchange names its target by address, too, and an API that
// stands for one is given what is meant for it.
func TestResourcesOfAnExchange(t *testing.T) {
	x := newResources(t, idp.AccessOpaque, nil)
	x.editClient(x.archive, func(c *idp.Client) {
		c.GrantTypes, c.ExchangeTargets, c.Scopes = append(c.GrantTypes, idp.GrantExchange), []string{fhirBase}, []string{"pacs", "openid"}
	})
	q := request(x.viewer, "scope", "openid pacs")
	q["resource"] = []string{dicomWeb}
	tok, _ := x.redeemed(x.browser().signIn(x.anna, q), nil)
	swap := func(token string, more ...string) (*tokens, *reply) {
		return x.post(pathToken, x.archive, form(append([]string{"grant_type", idp.GrantExchange, "subject_token", token, "subject_token_type", typeOfAccess}, more...)...))
	}
	got, r := swap(tok.Access, "resource", fhirBase)
	if r.StatusCode != http.StatusOK || !slices.Equal(x.audience(got, x.archive), []string{fhirBase}) || !x.active(x.other, got) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	_, r = swap(tok.Access, "resource", fhirBase+"#x")
	refused(t, r, 400, codeInvalidTarget)
	_, r = swap(tok.Access, "resource", dicomWeb)
	refused(t, r, 400, codeInvalidTarget)
	q["resource"] = []string{uidOfAPI}
	foreign, _ := x.redeemed(x.browser().signIn(x.anna, q), nil)
	_, r = swap(foreign.Access, "resource", fhirBase)
	refused(t, r, 400, codeInvalidRequest)
}
