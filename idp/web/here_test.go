package web

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/login"
)

var hereField = regexp.MustCompile(`name="here" value="([^"]*)"`)

// here is what the switches of a page lead back to.
func here(t *testing.T, page string) string {
	t.Helper()
	all := hereField.FindAllStringSubmatch(page, -1)
	if len(all) == 0 {
		t.Fatalf("no switch on %s", page)
	}
	for _, one := range all[1:] {
		if one[1] != all[0][1] {
			t.Errorf("theme and language lead to different pages: %v", all)
		}
	}
	return html.UnescapeString(all[0][1])
}

// TestSwitchesKeepTheQuery: who chooses another language or theme stays on the page as it is,
// with the code that came by its address and whatever else; the path is one of ours whatever is
// sent.
func TestSwitchesKeepTheQuery(t *testing.T) {
	d := open(t)
	for address, back := range map[string]string{
		"/connect":                              "/connect",
		"/connect?user_code=bcdf-ghjk":          "/connect?user_code=bcdf-ghjk",
		"/connect?user_code=a%26b%3D%22+c":      "/connect?user_code=a%26b%3D%22+c",
		"/connect?a=1;b":                        "/connect", // no query
		"/connect?" + strings.Repeat("a", 3000): "/connect",
	} {
		name := here(t, d.Get(address).Body)
		d.Leads(d.Post("/language", "language", "nl", "here", name), back)
		d.Leads(d.Post("/theme", "theme", "dark", "here", name), back)
	}
	d.Post("/language", "language", "en", "here", "connect")
	d.Wants(d.Get("/connect?user_code=bcdf-ghjk"), 200, `value="BCDF-GHJK"`)
	// The page that answers a form has no query of its own.
	d.bound(idp.LoginPassword, idp.ForClient)
	d.logins.err = idp.ErrNotFound
	if got := here(t, d.Post("/connect", "user_code", "BCDF-GHJK").Body); got != "connect" {
		t.Errorf("%q", got)
	}
	for _, bad := range []string{"https://evil.example?x=1", "//evil.example?x", "?user_code=x", "nowhere?x=1", "connect?%zz", "connect?x%3D%25zz", "connect?" + strings.Repeat("a", 7000)} {
		d.Wants(d.Post("/language", "language", "nl", "here", bad), 400)
	}
	for _, hostile := range []string{"connect?x=1\r\nSet-Cookie: a=b", "connect?//evil.example", "connect?x=1?y=2"} {
		if to := d.Post("/language", "language", "nl", "here", hostile).Header.Get("Location"); to != "" && !strings.HasPrefix(to, "/connect?") || strings.ContainsAny(to, "\r\n") {
			t.Errorf("%q leads to %q", hostile, to)
		}
	}
}

// TestEmergencyIsSaid: the page that asks says what claiming an emergency means, and for which
// API and purpose it is asked.
func TestEmergencyIsSaid(t *testing.T) {
	d := open(t)
	s := d.bound(idp.LoginConsent, idp.ForClient)
	s.Client, s.UserName = &idp.Client{ID: "viewer", Name: "Viewer", RedirectURIs: []string{"https://viewer.example/cb"}}, "anna"
	s.Request = idp.AuthRequest{Client: "viewer", RedirectURI: "https://viewer.example/cb"}
	s.Scopes, s.Resources = []string{"openid", "purpose_of_use=" + idp.SystemActReason + "|TREAT"}, []string{"Archive <1>"}
	d.Wants(d.Get("/login/"+aLogin), 200, "for treatment", "What you may see in Archive &lt;1&gt;", `not id="emergency"`)
	s.Scopes = []string{"openid", "purpose_of_use=" + idp.SystemActReason + "|BTG"}
	d.Wants(d.Get("/login/"+aLogin), 200, "you claim an emergency", `id="emergency"`, "is recorded")
	s.Scopes = []string{"purpose_of_use=urn:oid:1.2.3|NORM"}
	d.Wants(d.Get("/login/"+aLogin), 200, "NORM (urn:oid:1.2.3)", `not id="emergency"`)
	// The same where a machine asks.
	s.Scopes, s.Device = []string{"purpose_of_use=" + idp.SystemSwissEPR + "|EMER"}, &login.DeviceStep{Address: "192.0.2.7", At: noon}
	s.Request = idp.AuthRequest{Client: "viewer", Polled: "x"}
	d.Wants(d.Get("/login/"+aLogin), 200, `id="emergency"`, "Archive &lt;1&gt;")
}
