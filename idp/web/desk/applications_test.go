package desk

import (
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/admin"
)

func TestDeskApplications(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	const at = "/admin/applications/rad.viewer"
	d.Wants(d.Get("/admin/applications?did=removed"), 200, "Radiology &lt;b&gt;Viewer", "The secret in the body", "rad.viewer", "The application is removed.", "Add an application")
	d.Wants(d.Get(at), 200, "https://viewer.hospital.example/cb", "https://idp.example", "Ended", "In use", "Less safe", at+"/remove", at+"/disable", "not "+at+"/enable")
	for _, id := range []string{"nobody", "..%2f..", "a%20b", strings.Repeat("a", 65)} {
		d.Wants(d.Get("/admin/applications/"+id), 404)
	}
	for _, did := range []string{"edited", "enabled", "disabled"} {
		d.Wants(d.Get(at+"?did="+did), 200, `id="note"`)
	}

	d.Wants(d.Post(at+"/secret"), 200, "a-new-secret", "shown this once", "ends in 24 hours")
	d.Leads(d.Post(at+"/disable"), at+"?did=disabled")
	d.Wants(d.Get(at), 200, "Switched off", at+"/enable")
	d.Leads(d.Post(at+"/enable"), at+"?did=enabled")
	d.Leads(d.Post(at+"/remove"), "/admin/applications?did=removed")
	want := []string{"secret rad.viewer 24h0m0s", "edit client rad.viewer", "edit client rad.viewer", "remove client rad.viewer"}
	if !slices.Equal(desk.asked, want) {
		t.Errorf("asked %q, want %q", desk.asked, want)
	}
	desk.err = &idp.FieldError{Field: "auth", Message: "client.public"}
	d.Wants(d.Post(at+"/secret"), 404)

	d = open(t)
	d.staffed(idp.StaffAuditor).client.Scopes = []string{idp.ScopeHelpdesk}
	d.Wants(d.Get("/admin/applications"), 200, "May administer")
	d.Wants(d.Get(at), 200, "May administer")
	d = open(t)
	d.staffed(idp.StaffAuditor)
	d.Wants(d.Get(at), 200, "not May administer", "not "+at+"/edit", "not "+at+"/secret")
	d.Wants(d.Get("/admin/applications"), 200, "not Add an application")
}

func TestDeskEditApplication(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	const at = "/admin/applications/rad.viewer"
	d.Wants(d.Get(at+"/edit"), 200, ">https://viewer.hospital.example/cb</textarea>", "Departure")
	d.Leads(d.Post(at+"/edit", "client_name", " Viewer 2 ", "redirect_uris", "https://a.example/cb\r\n\r\n https://b.example/cb \r\n", "scopes", "openid profile", "groups", "tumour board\nradiology", "match", "strict", "consent", "1", "optional_pkce", "1"), at+"?did=edited")
	c := desk.client
	if c.Name != "Viewer 2" || !slices.Equal(c.RedirectURIs, []string{"https://a.example/cb", "https://b.example/cb"}) || len(c.Scopes) != 2 || !slices.Equal(c.Groups, []string{"tumour board", "radiology"}) ||
		c.Match != idp.MatchStrict || !c.Consent || !c.OptionalPKCE || c.ClaimsInID || c.RefreshAlways || c.Auth != idp.AuthPost {
		t.Errorf("edited to %+v", c)
	}
	for field, says := range map[string]string{"redirect_uris": "An address begins with https", "origins": "An origin is", "scopes": "A scope is", "groups": "A group has", "client_name": "Look at what"} {
		desk.err = &idp.FieldError{Field: field, Message: "some.key"}
		d.Wants(d.Post(at+"/edit", "client_name", "<x>", "redirect_uris", "nonsense"), 422, says, ">nonsense</textarea>", "&lt;x&gt;", `aria-invalid="true"`)
	}
}

func TestDeskAddApplication(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	const at = "/admin/applications/new"
	d.Wants(d.Get(at), 200, "OHIF Viewer", "Grafana", "Another application")
	d.Wants(d.Get(at+"?preset=nonsense"), 404)
	for _, preset := range admin.Presets() {
		page := d.Get(at + "?preset=" + preset.ID)
		d.Wants(page, 200, `name="client_name"`)
		fields := []string{"preset", preset.ID, "client_name", "Mine"}
		for _, need := range preset.Needs {
			d.Wants(page, 200, `name="`+need.ID+`"`)
			example := need.Example
			if need.ID == "base" {
				example += "/" // as people copy it
			}
			fields = append(fields, need.ID, example)
		}
		r := d.Post(at, fields...)
		d.Wants(r, 200, "Mine is registered", "made-id", "https://idp.example")
		if public := desk.client.Public(); strings.Contains(r.Body, "a-new-secret") == public {
			t.Errorf("%s: public is %v, and the secret is %v", preset.ID, public, !public)
		}
	}
	d.Wants(d.Post(at, "preset", "ohif", "client_name", "Mine", "base", "http://elsewhere.example"), 422, `value="http://elsewhere.example"`, "An address begins with https", `value="Mine"`)
	d.Wants(d.Post(at, "preset", "nonsense"), 400)
	if path, ok := d.page.Place("app:rad.viewer"); !ok || path != "/admin/applications/rad.viewer" {
		t.Errorf("app: leads to %q, %v", path, ok)
	}
	for _, bad := range []string{"app:", "app:a/b", "app:new", "app:" + strings.Repeat("a", 65)} {
		if path, ok := d.page.Place(bad); ok {
			t.Errorf("%q is the place %q", bad, path)
		}
	}
}
