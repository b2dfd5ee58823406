package desk_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/web/webtest/walk"
)

const viewerPath = "/admin/applications/rad.viewer"

// newReadingRoom is somebody of the staff before an application whose name is markup.
// It has had two secrets, one of which has ended.
func newReadingRoom(t *testing.T, role idp.StaffRole) *scene {
	t.Helper()
	s := &scene{Walk: walk.New(t), made: map[string]string{}}
	s.Register(idp.Client{
		ID: "rad.viewer", Name: "Radiology <b>Viewer", Kind: idp.ClientWeb, Auth: idp.AuthPost, GrantTypes: []string{idp.GrantCode},
		RedirectURIs: []string{"https://viewer.hospital.example/cb"}, Scopes: []string{"openid"},
	})
	if _, err := s.Desk.NewClientSecret(t.Context(), walk.Console, "rad.viewer", time.Minute); err != nil {
		t.Fatal(err)
	}
	s.Clock.Add(time.Minute)
	s.me = s.Staff(role)
	s.Stay()
	return s
}

// client is an application as the database has it.
func (s *scene) client(id idp.ClientID) *idp.Client {
	s.Helper()
	return idptest.Must(s.DB.Client(s.Context(), id))(s.TB)
}

// changes are what the log says was changed of applications since, all by whoever is
// before the pages.
func (s *scene) changes(seq int64) (list []string) {
	s.Helper()
	for _, e := range idptest.Must(s.DB.Events(s.Context(), seq, 1000))(s.TB) {
		if list = append(list, string(e.Client)+" "+e.Detail["change"]); e.Kind != idp.EventClientChanged || e.Actor.User != s.me.ID {
			s.Errorf("the log has %+v", e)
		}
	}
	return list
}

var secretOf = regexp.MustCompile(`id="client-secret" class="secret">([^<]*)<`)

// keeps checks that an application has the secret which a page shows, as its newest.
func (s *scene) keeps(id idp.ClientID, page string) *idp.Client {
	s.Helper()
	c, m := s.client(id), secretOf.FindStringSubmatch(page)
	if m == nil || len(c.Secrets) == 0 {
		s.Fatalf("%s has %d secrets, and none is on\n%s", id, len(c.Secrets), page)
	}
	newest := slices.MaxFunc(c.Secrets, func(a, b idp.ClientSecret) int { return a.CreatedAt.Compare(b.CreatedAt) })
	if newest.Hash != idp.Secret(m[1]).Hash() {
		s.Errorf("%s has another secret than is shown", id)
	}
	return c
}

func TestDeskApplications(t *testing.T) {
	t.Parallel()
	s := newReadingRoom(t, idp.StaffAdmin)
	s.Wants(s.Get("/admin/applications?did=removed"), 200, "Radiology &lt;b&gt;Viewer", "The secret in the body", "rad.viewer", "The application is removed.", "Add an application")
	s.Wants(s.Get(viewerPath), 200, "https://viewer.hospital.example/cb", s.URL, "Ended", "In use", "Less safe", viewerPath+"/remove", viewerPath+"/disable", "not "+viewerPath+"/enable")
	for _, id := range []string{"nobody", "..%2f..", "a%20b", strings.Repeat("a", 65)} {
		s.Wants(s.Get("/admin/applications/"+id), 404)
	}
	for _, did := range []string{"edited", "enabled", "disabled"} {
		s.Wants(s.Get(viewerPath+"?did="+did), 200, `id="note"`)
	}

	before, was := s.head(), s.client("rad.viewer").Secrets
	r := s.Post(viewerPath + "/secret")
	s.Wants(r, 200, "shown this once", "ends in 24 hours")
	c := s.keeps("rad.viewer", r.Body)
	for _, secret := range c.Secrets {
		old := slices.ContainsFunc(was, func(one idp.ClientSecret) bool { return one.Hash == secret.Hash })
		if old && !secret.ExpiresAt.Equal(s.Clock.Now().Add(24*time.Hour)) || !old && !secret.ExpiresAt.IsZero() || len(c.Secrets) != 2 {
			t.Errorf("the secrets are %+v", c.Secrets)
		}
	}
	s.Leads(s.Post(viewerPath+"/disable"), viewerPath+"?did=disabled")
	if !s.client("rad.viewer").Disabled {
		t.Error("it is not switched off")
	}
	s.Wants(s.Get(viewerPath), 200, "Switched off", viewerPath+"/enable")
	s.Leads(s.Post(viewerPath+"/enable"), viewerPath+"?did=enabled")
	if s.client("rad.viewer").Disabled {
		t.Error("it is switched off")
	}
	s.Leads(s.Post(viewerPath+"/remove"), "/admin/applications?did=removed")
	s.Wants(s.Get(viewerPath), 404)
	want := []string{"rad.viewer secret", "rad.viewer edited", "rad.viewer edited", "rad.viewer removed"}
	if got := s.changes(before); !slices.Equal(got, want) {
		t.Errorf("did %q, want %q", got, want)
	}

	// One without a secret is given none.
	s.Register(idp.Client{
		ID: "page", Name: "Page", Kind: idp.ClientWeb, Auth: idp.AuthNone, GrantTypes: []string{idp.GrantCode}, RedirectURIs: []string{"https://page.hospital.example/cb"}, Scopes: []string{"openid"},
	})
	s.Wants(s.Post("/admin/applications/page/secret"), 404)
	if c := s.client("page"); len(c.Secrets) != 0 {
		t.Errorf("the page has %d secrets", len(c.Secrets))
	}
}

func TestDeskApplicationsForWhoOnlyReads(t *testing.T) {
	t.Parallel()
	s := newReadingRoom(t, idp.StaffAuditor)
	s.Wants(s.Get(viewerPath), 200, "Radiology &lt;b&gt;Viewer", "not May administer", "not "+viewerPath+"/edit", "not "+viewerPath+"/secret")
	s.Wants(s.Get("/admin/applications"), 200, "not Add an application", "not May administer")
	s.Register(idp.Client{ID: "hr", Name: "Personnel", Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantClientCredentials}, Scopes: []string{idp.ScopeHelpdesk}})
	s.Wants(s.Get("/admin/applications"), 200, "May administer")
	s.Wants(s.Get("/admin/applications/hr"), 200, "May administer")
}

func TestDeskEditApplication(t *testing.T) {
	t.Parallel()
	s := newReadingRoom(t, idp.StaffAdmin)
	const at = viewerPath + "/edit"
	s.Wants(s.Get(at), 200, ">https://viewer.hospital.example/cb</textarea>", "Deviation")
	before := s.head()
	s.Leads(s.Post(at, "client_name", " Viewer 2 ", "redirect_uris", "https://a.example/cb\r\n\r\n https://b.example/cb \r\n", "scopes", "openid profile", "groups", "tumour board\nradiology", "match", "strict", "verify", "1", "consent", "1", "optional_pkce", "1"), viewerPath+"?did=edited")
	c := s.client("rad.viewer")
	if c.Name != "Viewer 2" || !slices.Equal(c.RedirectURIs, []string{"https://a.example/cb", "https://b.example/cb"}) || len(c.Scopes) != 2 || !slices.Equal(c.Groups, []string{"tumour board", "radiology"}) ||
		c.Match != idp.MatchStrict || !c.Verify || !c.Consent || !c.OptionalPKCE || c.ClaimsInID || c.RefreshAlways || c.Auth != idp.AuthPost {
		t.Errorf("edited to %+v", c)
	}
	s.Wants(s.Get(viewerPath+"?did=edited"), 200, "Viewer 2", "https://b.example/cb", "tumour board", "PKCE is not demanded", `id="verify"`)
	if got := s.changes(before); !slices.Equal(got, []string{"rad.viewer edited"}) {
		t.Errorf("did %q", got)
	}
	before = s.head()
	for _, row := range []struct{ says, field, value string }{
		{"An address begins with https", "redirect_uris", "nonsense"},
		{"An origin is", "origins", "nonsense"},
		{"A scope is", "scopes", `nons"ense`},
		{"A group has", "groups", strings.Repeat("nonsense", 9)},
		{`value="&lt;x&gt;`, "client_name", strings.Repeat("<x>", 30)},
		{"This is none of auto", "match", "nonsense"},
		{"are for applications with a secret", "scopes", "openid " + idp.ScopeHelpdesk}, // one word each, and refused
		{"There are at most 50.", "scopes", strings.Repeat("word ", 51)},
		{"Without an address nobody can be told", "backchannel_logout_session_required", "1"},
		{"The address for the end of sessions begins with https", "backchannel_logout_uri", "nonsense"},
	} {
		fields := map[string]string{"client_name": "<x>", "redirect_uris": "https://a.example/cb", "scopes": "openid"}
		fields[row.field] = row.value
		var form []string
		for name, value := range fields {
			form = append(form, name, value)
		}
		r := s.Post(at, form...)
		s.Wants(r, 422, row.says, "&lt;x&gt;", "not <x>", `id="problem"`)
		if row.field != "match" { // which is chosen
			s.Wants(r, 422, `aria-invalid="true"`)
		}
		if row.field == "redirect_uris" || row.field == "origins" || row.field == "groups" {
			s.Wants(r, 422, ">"+row.value+"</textarea>")
		}
	}
	if got := s.changes(before); len(got) != 0 {
		t.Errorf("did %q", got)
	}
}

func TestDeskAddApplication(t *testing.T) {
	t.Parallel()
	s := newReadingRoom(t, idp.StaffAdmin)
	const at = "/admin/applications/new"
	s.Wants(s.Get(at), 200, "OHIF Viewer", "Grafana", "Another application")
	s.Wants(s.Get(at+"?preset=nonsense"), 404)
	for _, preset := range admin.Presets() {
		page := s.Get(at + "?preset=" + preset.ID)
		s.Wants(page, 200, `name="client_name"`)
		fields := []string{"preset", preset.ID, "client_name", "Mine"}
		for _, need := range preset.Needs {
			s.Wants(page, 200, `name="`+need.ID+`"`)
			example := need.Example
			if need.ID == "base" {
				example += "/" // as people copy it
			}
			fields = append(fields, need.ID, example)
		}
		before := s.head()
		r := s.Post(at, fields...)
		added := idptest.Must(s.DB.Events(t.Context(), before, 10))(t)
		if len(added) != 1 || added[0].Kind != idp.EventClientChanged || added[0].Detail["change"] != "added" || added[0].Actor.User != s.me.ID {
			t.Fatalf("%s: the log has %+v", preset.ID, added)
		}
		c := s.client(added[0].Client)
		s.Wants(r, 200, "Mine is registered", string(c.ID), s.URL, `id="next" href="/admin/start"`)
		if shown := secretOf.MatchString(r.Body); shown == c.Public() {
			t.Errorf("%s: public is %v, and the secret is shown: %v", preset.ID, c.Public(), shown)
		}
		if c.Name != "Mine" || len(c.RedirectURIs) == 0 || strings.Contains(strings.Join(c.RedirectURIs, " "), "{") {
			t.Errorf("%s: registered as %+v", preset.ID, c)
		}
		if !c.Public() {
			s.keeps(c.ID, r.Body)
		}
	}
	before := s.head()
	s.Wants(s.Post(at, "preset", "ohif", "client_name", "Mine", "base", "http://elsewhere.example"), 422, `value="http://elsewhere.example"`, "An address begins with https", `value="Mine"`)
	s.Wants(s.Post(at, "preset", "nonsense"), 400)
	if got := s.changes(before); len(got) != 0 {
		t.Errorf("did %q", got)
	}
	if path, ok := s.Door.Place("app:rad.viewer"); !ok || path != viewerPath {
		t.Errorf("app: leads to %q, %v", path, ok)
	}
	for _, bad := range []string{"app:", "app:a/b", "app:new", "app:" + strings.Repeat("a", 65)} {
		if path, ok := s.Door.Place(bad); ok {
			t.Errorf("%q is the place %q", bad, path)
		}
	}
}

// What an application that has registered itself says of itself is read at it, and all that a
// token has registered is blocked by one button.
func TestDeskRegisteredApplications(t *testing.T) {
	t.Parallel()
	s := newReadingRoom(t, idp.StaffAdmin)
	s.Wants(s.Post("/admin/applications/registration", "name", "Supplier", "grant_code", "1", "optional_pkce", "1", "hosts", "viewer.hospital.example", "uses", "3", "days", "7"), 200, "shown this once")
	tokens := idptest.Must(s.Desk.RegistrationTokens(t.Context(), walk.Console))(t)
	if len(tokens) != 1 || !tokens[0].OptionalPKCE {
		t.Fatalf("%+v", tokens)
	}
	s.Wants(s.Get("/admin/applications/registration"), 200, "Supplier", "PKCE is not demanded", "not /block") // nothing was registered by it
	secret := idptest.Must(s.Desk.AddRegistrationToken(t.Context(), walk.Console, &idp.RegistrationToken{
		Name: "Other", GrantTypes: []string{idp.GrantCode}, Scopes: []string{"profile"}, Hosts: []string{"viewer.hospital.example"}, Uses: 3, ExpiresAt: s.Clock.Now().Add(time.Hour),
	}))(t)
	c := &idp.Client{
		Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode}, RedirectURIs: []string{"https://viewer.hospital.example/cb"},
		About: idp.ClientAbout{Names: map[string]string{"de": "<b>Bank"}, Terms: idp.Tagged{"": "https://viewer.hospital.example/terms"}, Contacts: []string{"ops@viewer.example"}, SoftwareID: "viewer", SoftwareVersion: "1.2"},
	}
	if _, _, err := s.Desk.Register(t.Context(), secret, "192.0.2.1", c); err != nil {
		t.Fatal(err)
	}
	at := "/admin/applications/" + string(c.ID)
	s.Wants(s.Get(at), 200, `id="says"`, "Other", "&lt;b&gt;Bank (de)", "https://viewer.hospital.example/terms", "ops@viewer.example", "viewer 1.2")
	s.Wants(s.Get(viewerPath), 200, `not id="says"`)
	block := "/admin/applications/registration/" + string(c.RegisteredBy) + "/block"
	s.Wants(s.Get("/admin/applications/registration"), 200, block)
	s.Wants(s.Get(block), 200, "Block everything that Other has registered?", `id="lines"`, "Viewer", string(c.ID), "not rad.viewer")
	s.Leads(s.Post(block), "/admin/applications/registration?did=blocked")
	if !s.client(c.ID).Disabled || s.client("rad.viewer").Disabled {
		t.Error("another was blocked")
	}
	s.Wants(s.Get("/admin/applications/registration?did=blocked"), 200, "its applications are blocked", "Revoked", "not /block")
	s.Wants(s.Get(block), 200, `not id="lines"`) // there is nothing left to block
	s.Wants(s.Post("/admin/applications/registration/nothing/block"), 404)
}
