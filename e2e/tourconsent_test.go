package e2e

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/admin"
)

// registrar is an initial access token, by which applications register themselves.
type registrar struct{ ID, Token string }

// registrar makes an initial access token for applications at the demo's viewer and at klinik.example.
func (d *demo) registrar(t testing.TB, name string, args ...string) registrar {
	t.Helper()
	out := d.idp(t, append([]string{"client", "token", "add", name, "--json", "--host", "127.0.0.1,*.klinik.example"}, args...)...)
	var made registrar
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Token == "" {
		t.Fatalf("%s, %v", out, err)
	}
	return made
}

// registers has an application register itself beside the running provider, which has no endpoint for it while the
// setting clients.registration is off, as it is in a demo. Its logo is read as if it stood at its logo_uri.
func (d *demo) registers(t testing.TB, by registrar, c *idp.Client) idp.ClientID {
	t.Helper()
	db := openStore(t, d.home)
	defer db.Close()
	logo := emblem(t, teal, false)
	desk := admin.New(admin.Config{Store: db, Logo: func(context.Context, string) ([]byte, error) { return logo, nil }})
	if _, _, err := desk.Register(context.Background(), idp.Secret(by.Token), "192.0.2.44", c); err != nil {
		t.Fatal(err)
	}
	return c.ID
}

// supplied is an application that says all of itself that people are shown, with a name as long as names get and
// longer words in German.
func (d *demo) supplied() *idp.Client {
	return &idp.Client{
		Name: "Diagnostic Workstation of the Department of Paediatric Interventional Radiology", Kind: idp.ClientWeb, Auth: idp.AuthBasic,
		GrantTypes: []string{idp.GrantCode, idp.GrantRefresh}, RedirectURIs: []string{d.RedirectURI}, Scopes: []string{"openid", "profile", "email"},
		About: idp.ClientAbout{
			Names:    map[string]string{"de": "Befundarbeitsplatz der Universitätsklinik für Interventionelle Neuroradiologie"},
			Home:     idp.Tagged{"": "https://reading.klinik.example/"},
			Policy:   idp.Tagged{"": "https://reading.klinik.example/privacy", "de": "https://reading.klinik.example/datenschutz"},
			Terms:    idp.Tagged{"": "https://reading.klinik.example/terms"},
			Logo:     "https://reading.klinik.example/logo.png",
			Contacts: []string{"Operations of the supplier, day and night <operations@reading.klinik.example>", "+32 9 332 47 11"}, SoftwareID: "4c1ab6f3-8f0e-4d8b-9a55-2f3b9f5f6c10", SoftwareVersion: "26.11.0",
		},
	}
}

// tourConsents is what people are asked in a live session: an emergency, APIs by name, and an application that has
// pages and a logo of its own. rp is a confidential client, whose redirect address the others have, too.
func tourConsents(t *testing.T, d *demo, w *window, rp *party, visit func(name string)) {
	const act, archive = "purpose_of_use=" + idp.SystemActReason + "|", "https://archive.klinik.example/dicom-web"
	// An API that nobody has registered is called by its address, a purpose that there are no words for by its code.
	const records, swiss = "https://records.klinik.example/fhir/r4/DocumentReference", "purpose_of_use=" + idp.SystemSwissEPR + "|AUTO"
	d.idp(t, "client", "add", "Picture Archive of the University Hospitals", "--id", "archive", "--grant", "client_credentials", "--scope", "archive", "--resource", archive)
	d.idp(t, "client", "add", "Emergency Reading", "--id", "emergency-reading", "--redirect-uri", rp.redirect, "--audience", archive+","+records,
		"--consent", "--scope", strings.Join([]string{"openid", "profile", act + "TREAT", act + "BTG", swiss}, ","))
	about, asks := *rp, *rp
	about.id, about.scope = string(d.registers(t, d.registrar(t, "Supplier"), d.supplied())), "openid profile email"
	asks.id = "emergency-reading"

	asks.scope, asks.extra = "openid profile "+act+"BTG", url.Values{"resource": {archive}}
	w.open(asks.authorize())
	w.see("#emergency")
	visit("consent-emergency")
	w.click("#allow")
	w.see("#problem") // the viewer's: it did not begin this
	asks.scope, asks.extra = "openid profile "+act+"TREAT "+swiss, url.Values{"resource": {archive, records}}
	w.open(asks.authorize())
	w.see("#scopes")
	visit("consent-resources")
	w.click("#deny")
	w.see("#problem")
	w.open(about.authorize())
	w.see("#party")
	visit("consent-party")
	w.click("#deny")
	w.see("#problem")
	w.forgets()
	w.open(about.authorize())
	w.see("#party")
	visit("password-party")
	w.click("#cancel")
	w.see("#problem")
}
