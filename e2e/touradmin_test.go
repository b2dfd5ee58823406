package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"hilum/idp"
	"hilum/idp/totp"
)

// crowdOf gives the demo a house full of people: named, grouped, with devices of
// every kind and in every state. It goes in beside the running provider, as a
// command would; nobody of them can sign in.
func (d *demo) crowdOf(t testing.TB, n int) {
	t.Helper()
	ctx := context.Background()
	db := openStore(t, d.home)
	defer db.Close()
	givens := []string{"Amélie", "Bastian", "Clara", "David", "Eva", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katrin", "Liam"}
	families := []string{"Albrecht", "van den Berg", "Çelik", "Dubois", "Eberhard", "Fontaine", "Groß", "Hoffmann", "Janssens", "Kowalski", "Müller-Lüdenscheidt"}
	phones := []struct{ name, platform, app string }{
		{"iPhone 15", "ios", "hilum/1.4"}, {"Pixel 8", "android", "hilum/1.4"}, {"Galaxy S24", "android", "hilum/1.3"},
		{"Chrome on the ward", "web", "app/1"}, {"Google Authenticator", "other", ""},
	}
	now := time.Now()
	for i := range n {
		given, family := givens[i%len(givens)], families[(i*7)%len(families)]
		u := &idp.User{
			ID: idp.NewID[idp.UserID](), Name: fmt.Sprintf("person.%03d", i), DisplayName: given + " " + family, GivenName: given, FamilyName: family,
			Email: fmt.Sprintf("person.%03d@klinik.example", i), Groups: []string{"radiology"}, State: idp.UserActive, CreatedAt: now.AddDate(0, 0, -i), UpdatedAt: now,
		}
		if i%11 == 5 {
			u.State = idp.UserDisabled
		}
		if err := db.AddUser(ctx, u); err != nil {
			t.Fatal(err)
		}
		for k := range (i*3)%4 + 1 {
			if i%9 == 4 {
				break
			}
			m := phones[(i+k)%len(phones)]
			dev := idp.Device{
				ID: idp.NewID[idp.DeviceID](), User: u.ID, Name: m.name, Kind: idp.DeviceApp, Platform: m.platform, App: m.app, State: idp.DeviceActive,
				SealedTOTP: []byte{1}, LinkedAt: now.AddDate(0, 0, -200+i), LastUsedAt: now.Add(-time.Duration(i*k*7) * time.Hour),
			}
			switch {
			case m.app == "":
				dev.Kind, dev.LastUsedAt = idp.DeviceCode, time.Time{}
			case (i+k)%3 == 0:
				dev.PublicKey = make([]byte, 64)
			default:
				dev.PublicKey, dev.PushType, dev.SealedPush, dev.PushOKAt = make([]byte, 64), "fcm", []byte{1}, now.Add(-time.Hour)
				if (i+k)%5 == 2 {
					dev.PushBadAt, dev.PushSaid = now.AddDate(0, 0, -3), "the push service says that the app was removed"
				}
			}
			if len(dev.PublicKey) > 0 {
				dev.PublicKey[0], dev.PublicKey[1], dev.PublicKey[2] = byte(i), byte(i>>8), byte(k)
				if m.app == "hilum/1.4" { // asks for a fingerprint
					dev.UVKey = []byte{1}
				}
			}
			p := &idp.Pairing{ID: idp.NewID[idp.PairingID](), User: u.ID, Account: u.Name, SealedTOTP: []byte{1}, CreatedAt: now, ExpiresAt: now.Add(time.Minute)}
			if err := db.AddPairing(ctx, p); err != nil {
				t.Fatal(err)
			}
			if err := db.UpdatePairing(ctx, p.ID, func(p *idp.Pairing) (*idp.Device, error) {
				p.UsedAt = now
				dev.Note(idp.Event{At: now, Kind: idp.EventDeviceLinked, Actor: idp.Actor{User: u.ID, Name: u.Name}, User: u.ID, Device: dev.ID, Address: "192.0.2.17"})
				return &dev, nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// administrates signs the window in to the administration.
func (w *window) administrates(d *demo, p *person) {
	w.t.Helper()
	w.open(d.Issuer + "/admin")
	w.see("#password-form")
	w.fill("#username", p.name)
	w.fill("#password", p.password)
	w.click("#continue")
	w.typeCode(p.code())
	w.see("#devices")
}

// again gives the second factor once more where the page asks for it.
func (w *window) again(p *person) {
	w.t.Helper()
	if ask(w, chromedp.Evaluate[bool](`!!document.querySelector("#code-form")`)) {
		w.typeCode(p.code())
	}
}

func (d *demo) administrator(t testing.TB) *person {
	t.Helper()
	p := newPerson(t, d.AdminUsername, d.AdminPassword, d.AdminTOTPSecret)
	p.spent = totp.Step(time.Now()) - 1
	return p
}

// tourProfile is an application under FAPI 2.0 Message Signing, and the advanced part of its form.
func tourProfile(t *testing.T, d *demo, w *window, chief *person, visit func(name string)) {
	keys := filepath.Join(t.TempDir(), "keys.json")
	// The key of RFC 7517, appendix A.1.
	set := `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"records-2026"}]}`
	if err := os.WriteFile(keys, []byte(set), 0o600); err != nil {
		t.Fatal(err)
	}
	d.idp(t, "client", "add", "Patient records", "--id", "records", "--profile", "fapi2-message-signing", "--jwks", keys, "--redirect-uri", "https://records.klinik.example/callback")
	w.open(d.Issuer + "/admin/applications/records")
	w.see("#profile")
	visit("admin-application-fapi")
	w.click("#edit")
	w.again(chief)
	w.see("#application")
	w.click("#advanced")
	w.see("#jwks")
	visit("admin-application-advanced")
	w.fill("#jwks", "-----BEGIN PUBLIC KEY-----")
	w.click("#save")
	w.see("#problem")
	visit("admin-application-keys-wrong")
}

// tourRegistrations is the initial access tokens, and what was registered by one of them.
func tourRegistrations(t *testing.T, d *demo, w *window, chief *person, visit func(name string)) {
	page := d.Issuer + "/admin/applications/registration"
	w.open(page)
	w.see("#empty")
	visit("admin-registrations-none")
	w.fill("#name", "Supplier of the reading room")
	w.fill("#uses", "many")
	w.click("#add")
	w.again(chief)
	w.see("#problem")
	visit("admin-registration-wrong")
	w.fill("#uses", "1")
	w.fill("#hosts", "*.klinik.example")
	w.click("#add")
	w.again(chief)
	w.see("#registration-token")
	visit("admin-registration-made")

	revoked := d.registrar(t, "Test farm of last year")
	d.idp(t, "client", "token", "revoke", revoked.ID)
	supplier := d.registrar(t, "Supplier of the Department of Paediatric Interventional Radiology, site east", "--uses", "20", "--optional-pkce",
		"--scope", "openid,profile,email,groups,roles,offline_access")
	app := d.registers(t, supplier, d.supplied())
	d.registers(t, d.registrar(t, "Supplier"), d.supplied())
	w.open(page)
	w.see("#tokens")
	visit("admin-registrations")
	w.open(d.Issuer + "/admin/applications/" + string(app))
	w.see("#says")
	visit("admin-application-registered")
	w.open(page)
	w.click(`#tokens a[href$="/` + supplier.ID + `/block"]`)
	w.again(chief)
	w.see("#ask")
	visit("admin-registration-block")
	w.click("#yes")
	w.again(chief)
	w.see("#note")
	visit("admin-registrations-blocked")
}

// tourTests is what an application is told, its test, and the first steps.
func tourTests(d *demo, w *window, chief *person, visit func(name string)) {
	app := d.Issuer + "/admin/applications/demo-viewer"
	w.open(app + "/claims")
	w.see("#empty")
	visit("admin-told-none")
	w.open(app + "/claims/edit")
	w.again(chief)
	w.see("#rules")
	w.fill("#name-0", "viewer_role")
	w.fill("#map-0", "radiology > Reader\ntumour-board > Board member")
	w.do(chromedp.Click(chromedp.CSS("#one-0")))
	w.click("#add")
	w.fill("#name-1", "sub")
	w.click("#save")
	w.see("#problem")
	visit("admin-tell-wrong")
	w.fill("#name-1", "tenant")
	ask(w, chromedp.Evaluate[chromedp.Void](`document.querySelector("#from-1").value = ""`))
	w.fill("#map-1", "saint-luke")
	w.fill("#who", "bergmann")
	w.click("#show")
	w.see("#found")
	visit("admin-tell-found")
	w.click("#found button[value=who-anna]")
	w.see("#previewed")
	visit("admin-tell-preview")
	w.click("#save")
	w.see("#note")
	w.open(app + "/claims?who=anna")
	w.see("#previewed")
	visit("admin-told")
	w.open(app + "/edit")
	w.again(chief)
	w.see("#application")
	w.click("#advanced")
	w.see("#access_format")
	visit("admin-application-advanced")

	w.open(app + "/try")
	w.again(chief)
	w.see("#again")
	visit("admin-try")
	w.click("#session")
	w.see("#outcome")
	visit("admin-tried")
	w.click("#once-more")
	w.again(chief)
	w.click("#again")
	w.see("#password-form")
	w.click("#cancel")
	w.see("#outcome")
	visit("admin-tried-cancelled")
	w.open(d.Issuer + "/admin/start")
	w.see("#finished")
	visit("admin-start-done")
}

// tourSetup is a new site's first steps.
func tourSetup(t *testing.T, _ *demo, w *window, visit func(name string)) {
	issuer, setup := emptyFolder(t)
	anna := &person{t: t, name: "anna", password: "slow rivers carry stones", web: newBrowser(t)}
	w.open(setup)
	visit("setup")
	w.click("#continue")
	visit("setup-name")
	w.fill("#username", anna.name)
	w.fill("#name", "Dr. Anna Maes")
	w.click("#continue")
	w.chooses(anna.password)
	anna.seed = newPerson(t, anna.name, anna.password, w.seed()).seed
	w.typeCode(anna.code())
	w.see("#recovery-codes")
	w.do(chromedp.Click(chromedp.CSS("#saved")))
	w.click("#codes-form #continue")
	w.see("#trail")
	visit("start-application")
	w.click("#go")
	w.click("#preset-orthanc")
	w.fill("#base", "https://orthanc.klinik.example")
	w.click("#add")
	w.click("#next")
	w.see("#trail")
	visit("start-test")
	w.click("#aside")
	w.see("#devices")
	w.open(issuer + "/admin/start")
	w.see("#aside-form")
	visit("start-aside")
	w.open(issuer + "/setup/no-such-link")
	w.see("#notice")
	visit("setup-over")
}

// tourAdmin is the administration.
func tourAdmin(t *testing.T, d *demo, w *window, visit func(name string)) {
	d.crowdOf(t, 70)
	chief := d.administrator(t)
	w.administrates(d, chief)
	visit("admin-devices")
	w.open(d.Issuer + "/account/security")
	visit("account-security-staff")
	w.open(d.Issuer + "/admin/devices?q=mu&f=failing&col=push&col=used&col=email&col=app")
	w.see("#count")
	visit("admin-devices-found")
	w.open(d.Issuer + "/admin/devices?q=person.0")
	w.see("#all-found")
	visit("admin-devices-all-found")
	w.open(d.Issuer + "/admin/devices?q=nobodyatall")
	w.see("#empty")
	visit("admin-devices-nothing")
	w.open(d.Issuer + "/admin/devices?sort=used&down=1")
	w.do(chromedp.Click(chromedp.CSS("#columns")), chromedp.WaitVisible(chromedp.CSS("#show-columns")))
	visit("admin-devices-columns")
	w.open(d.Issuer + "/admin/devices?q=muller")
	w.do(chromedp.Click(chromedp.CSS("tbody tr:nth-child(2) a")), chromedp.WaitVisible(chromedp.CSS("dialog[open] #history")))
	visit("admin-device-drawer")
	w.escapes("tbody tr:nth-child(2) a")
	w.open(ask(w, chromedp.Evaluate[string](`document.querySelector("tbody tr:nth-child(1) a").href`)))
	w.see("#history")
	visit("admin-device")
	w.click("#reopen")
	w.again(chief)
	w.see("#ask")
	visit("admin-reopen")
	w.fill("#reason", "Phone stolen on the way home")
	w.click("#yes")
	w.see("#link")
	visit("admin-link")
	w.open(d.Issuer + "/admin/devices?q=hoff")
	gone := ask(w, chromedp.Evaluate[string](`new URL(document.querySelector("tbody tr [data-drawer]").href).pathname`))
	w.do(chromedp.Click(chromedp.CSS("#pick-all")))
	visit("admin-devices-picked")
	w.click("#unlink-picked")
	w.see("#ask")
	visit("admin-unlink")
	w.do(chromedp.RemoveAttribute(chromedp.CSS("#reason"), "required"))
	w.click("#yes")
	w.see("#problem")
	visit("admin-unlink-reason")
	w.fill("#reason", "Handed back to the house")
	w.click("#yes")
	w.see("#note")
	visit("admin-devices-unlinked")
	w.open(d.Issuer + gone)
	w.see("#gone")
	visit("admin-device-gone")

	w.open(d.Issuer + "/admin/devices?q=person.0")
	w.click("#all-found")
	w.again(chief)
	w.see("#more")
	visit("admin-unlink-found")

	w.open(d.Issuer + "/admin/users")
	w.see("#users")
	visit("admin-users")
	w.open(d.Issuer + "/admin/users?q=clara&f=invited")
	visit("admin-users-nothing")
	w.open(d.Issuer + "/admin/users/new")
	w.again(chief)
	w.see("#person")
	visit("admin-user-new")
	w.fill("#username", d.Username)
	w.click("#save")
	w.see("#problem")
	visit("admin-user-taken")
	w.fill("#username", "maximiliane.von-und-zu-hohenfels@klinik.example")
	w.fill("#name", "Univ.-Prof. Dr. Maximiliane von und zu Hohenfels-Lichtenstein")
	w.click("#save")
	w.see("#link")
	visit("admin-user-link")
	w.click("#next")
	w.see("#invite")
	visit("admin-user-invited")
	w.open(d.Issuer + "/admin/users?q=anna+bergmann")
	w.click("tbody tr a")
	w.see("#devices")
	visit("admin-user")
	w.click("#edit")
	w.again(chief)
	w.see("#person")
	visit("admin-user-edit")
	ask(w, chromedp.Evaluate[bool](`document.querySelector("#staff").value = "helpdesk", true`))
	w.click("#save")
	w.see("#linked")
	visit("admin-user-role")
	w.open(ask(w, chromedp.Evaluate[string](`document.querySelector("#no").href`)))
	w.click("#block")
	w.again(chief)
	w.see("#ask")
	visit("admin-block")
	w.open(d.Issuer + "/admin/users/import")
	w.again(chief)
	w.see("#import")
	visit("admin-import")
	w.fill("#text", "username,name,email\nnora,Nora Peeters,nora@klinik.example\nNo Name,Somebody,x\nanna,Anna,anna@klinik.example\nnora,Twice,nora@klinik.example\npaul,Paul")
	w.click("#try")
	w.see("#faults")
	visit("admin-import-faults")
	w.fill("#text", "username,name,email\nnora,Nora Peeters,nora@klinik.example\npaul,Paul Peeters,paul@klinik.example")
	w.click("#try")
	w.see("#import-now")
	visit("admin-import-good")
	w.click("#import-now")
	w.again(chief)
	w.see("#done")
	visit("admin-imported")
	w.open(d.Issuer + "/admin/users/import")
	w.again(chief)
	w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{manyPeople(t, "tour", 20_000)}))
	w.click("#try")
	w.see("#import-now")
	w.click("#import-now")
	w.again(chief)
	w.until("people are added", `(document.querySelector("#job")?.dataset.state ?? "").startsWith("adding") && (document.querySelector("#far")?.value ?? 0) > 0`)
	visit("admin-importing")
	w.click("#stop")
	w.again(chief)
	w.see("#stopped")
	visit("admin-import-stopped")
	w.open(d.Issuer + "/admin/sessions")
	w.see("#sessions")
	visit("admin-sessions")
	d.signedInToMany(t)
	w.open(d.Issuer + "/admin/sessions?q=anna")
	w.see("#sessions")
	w.click("td.act-cell button")
	w.again(chief)
	w.open(d.Issuer + "/admin/sessions?q=anna")
	if ask(w, chromedp.Evaluate[bool](`!!document.querySelector("td.act-cell button")`)) {
		w.click("td.act-cell button") // the second factor was asked for before
	}
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		w.open(d.Issuer + "/admin/sessions?did=ended")
		w.see("#ended")
		if ask(w, chromedp.Evaluate[int](`document.querySelectorAll("#ended .lamp.good, #ended .why").length`)) >= 2 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nobody is told")
		}
	}
	visit("admin-sessions-ended")
	w.open(ask(w, chromedp.Evaluate[string](`document.querySelector("#ended a").href`)) + "?did=ended")
	w.see("#ended")
	visit("admin-user-ended")
	w.open(d.Issuer + "/admin/applications/dose-reports")
	w.see("#told-failed")
	visit("admin-application-told")
	w.open(d.Issuer + "/admin/audit")
	w.see("#events")
	visit("admin-audit")
	w.open(d.Issuer + "/admin/audit?who=nobody&kind=device.")
	w.see("#problem")
	visit("admin-audit-wrong")
	w.open(d.Issuer + "/admin/audit/check")
	w.see("#never")
	visit("admin-audit-never-checked")
	w.click("#check-now")
	w.see("#whole")
	visit("admin-audit-whole")
	w.open(d.Issuer + "/admin/audit/check")
	w.see("#last")
	visit("admin-audit-checked")
	w.open(d.Issuer + "/admin/applications")
	w.see("#applications")
	visit("admin-applications")
	tourRegistrations(t, d, w, chief, visit)
	w.open(d.Issuer + "/admin/applications/demo-viewer")
	w.see("#secrets")
	visit("admin-application")
	w.click("#edit")
	w.again(chief)
	w.see("#application")
	visit("admin-application-edit")
	w.fill("#redirect_uris", "http://elsewhere.klinik.test/callback")
	w.click("#save")
	w.see("#problem")
	visit("admin-application-wrong")
	tourProfile(t, d, w, chief, visit)
	w.open(d.Issuer + "/admin/applications/new")
	w.see("#presets")
	visit("admin-application-presets")
	w.click("#preset-grafana")
	w.see("#application")
	visit("admin-application-new")
	w.fill("#base", "https://grafana.klinik.example")
	w.click("#add")
	w.see("#client-secret")
	visit("admin-application-added")
	w.open(d.Issuer + "/admin/applications/demo-viewer/secret")
	w.see("#ask")
	visit("admin-application-secret")
	w.click("#yes")
	w.see("#client-secret")
	visit("admin-application-secret-made")
	w.open(d.Issuer + "/admin/health")
	w.see("#logouts")
	visit("admin-health")
	tourTests(d, w, chief, visit)
	w.open(d.Viewer + "/login")
	w.see("#who")
	w.open(d.Issuer + "/account/sessions")
	w.click("#sign-out")
	w.see("#told")
	visit("signed-out-applications")
}

// signedInToMany has anna signed in to three applications from one session: one
// that is told when it ends, one that cannot be reached, and one without an
// address for it.
func (d *demo) signedInToMany(t testing.TB) {
	t.Helper()
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	rp := d.confidential(t)
	anna.signIn(rp.authorize())
	for id, more := range map[string][]string{"dose-reports": {"--backchannel-logout-uri", "http://127.0.0.1:1/told"}, "teaching-files": nil} {
		d.idp(t, append([]string{"client", "add", "The " + strings.ReplaceAll(id, "-", " "), "--id", id, "--redirect-uri", d.RedirectURI}, more...)...)
		rp := *rp
		rp.id = id
		anna.get(rp.authorize())
	}
}
