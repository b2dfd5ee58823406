package web

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/brand"
	"hilum/templates"
)

// Every setting has words, and is in the list once.
func TestEverySettingHasItsWords(t *testing.T) {
	known := map[string]bool{admin.SiteName: true, admin.SiteLabel: true, admin.SiteAccent: true, admin.SiteLanguages: true, admin.SiteLanguage: true}
	for _, g := range settingTable {
		for _, row := range g.rows {
			if known[row.key] {
				t.Errorf("%s stands there twice", row.key)
			}
			known[row.key] = true
		}
	}
	settings := map[string]bool{}
	for _, key := range config.AllKeys() {
		settings[key] = true
	}
	d := &admin.Desk{Config: admin.Config{Store: savedNothing{}}}
	list, err := d.Settings(t.Context(), admin.Console("test"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		settings[s.Key] = true
	}
	for key := range settings {
		if !known[key] {
			t.Errorf("no words for %s", key)
		}
	}
	for key := range known {
		if !settings[key] {
			t.Errorf("words for %s, which is no setting", key)
		}
	}
}

// savedNothing is a store where nobody has set anything.
type savedNothing struct{ admin.Store }

func (savedNothing) Site(context.Context) (*idp.Site, error) { return &idp.Site{}, nil }

func TestValuesInWords(t *testing.T) {
	for _, c := range []struct {
		told  telling
		value string
		want  templates.Message
		text  string
	}{
		{asSpan, "15m0s", templates.Say("span.minutes", "N", 15), ""},
		{asSpan, "720h", templates.Say("span.days", "N", 30), ""},
		{asSpan, "24h0m0s", templates.Say("span.hours", "N", 24), ""},
		{asSpan, "90m", templates.Say("span.minutes", "N", 90), ""},
		{asSpan, "1m30s", templates.Say("span.seconds", "N", 90), ""},
		{asSpan, "", templates.Say("settings.unset"), ""},
		{asSpan, "soon", templates.Message{}, "soon"},
		{asCount, "19456", templates.Say("settings.number", "Count", 19456), ""},
		{asLimit, "0", templates.Say("settings.limitless"), ""},
		{asName, "", templates.Say("settings.made"), ""},
		{asCores, "0", templates.Say("settings.cores"), ""},
		{asMatch, "strict", templates.Say("apps.match.strict"), ""},
		{asText, "RS256, ES256", templates.Message{}, "RS256, ES256"},
	} {
		words, text := c.told.words(c.value)
		if fmt.Sprint(words) != fmt.Sprint(c.want) || text != c.text {
			t.Errorf("%q: %v %q, want %v %q", c.value, words, text, c.want, c.text)
		}
	}
}

// presents says how the site of a door presents itself.
func (d *door) presents(s idp.Site) {
	s.Name = "Imaging"
	d.server.Site = func() *idp.Site { return &s }
}

func TestSettingsPage(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.settings = []idp.Setting{
		{Key: "site.name", Value: "Saint Luke", From: idp.SettingSaved, Default: "Hilum"},
		{Key: "site.accent", Value: "#0a7d6c", From: idp.SettingConfigured, Place: "idp.yaml:7"},
		{Key: "sessions.idle", Value: "30m", Default: "1h", From: idp.SettingConfigured, Place: "IDP_SESSIONS_IDLE", Env: "IDP_SESSIONS_IDLE"},
		{Key: "push.fcm.credentials_file", Value: "what nobody may see", Secret: true, Env: "X"},
		{Key: "fixed.devices", Value: "5", Default: "5", From: idp.SettingFixed},
	}
	desk.fixed = map[string]bool{"site.accent": true}
	r := d.get("/admin/settings")
	d.wants(r, 200, "30 minutes", "IDP_SESSIONS_IDLE", "1 hour", "idp.yaml:7", "saved here", "built in", `id="edit"`, "not what nobody may see", ">set<")
	// Who only reads sees the same without a way to change it.
	d.logins.staff = idp.StaffAuditor
	d.wants(d.get("/admin/settings"), 200, "30 minutes", `not id="edit"`)
	d.logins.staff = idp.StaffHelpdesk
	d.wants(d.get("/admin/settings"), 403)
	d.wants(d.get("/admin/devices"), 200, `not href="/admin/settings"`)
}

func TestEditSettings(t *testing.T) {
	form := []string{"name", " Saint Luke ", "accent", "#0a7d6c", "language-en", "1", "usual", "en"}
	post := func(d *door, more ...string) reply {
		return d.post("/admin/settings/edit", append(form[:len(form):len(form)], more...)...)
	}
	t.Run("saved", func(t *testing.T) {
		d := open(t)
		desk := d.staffed(idp.StaffAdmin)
		d.leads(post(d, "do", "save"), "/admin/settings?did=saved")
		if desk.site.Name != "Saint Luke" || desk.site.Accent != "#0a7d6c" || desk.site.Language != "" || len(desk.site.Languages) != 1 {
			t.Errorf("saved %+v", desk.site)
		}
		d.wants(d.get("/admin/settings?did=saved"), 200, "Saved. Pages show it from now on.")
	})
	t.Run("looked at", func(t *testing.T) {
		d := open(t)
		desk := d.staffed(idp.StaffAdmin)
		r := post(d, "do", "preview")
		c, _ := brand.Parse("#0a7d6c")
		d.wants(r, 200, "Nothing is saved yet", accentPath(c), "contrast", `value="Saint Luke"`)
		if desk.site.Name+desk.site.Accent != "" {
			t.Errorf("a look was saved: %+v", desk.site)
		}
	})
	t.Run("refused, with a colour that would do", func(t *testing.T) {
		d := open(t)
		desk := d.staffed(idp.StaffAdmin)
		near := brand.Colour{R: 0x7e, G: 0x76}
		desk.err = &brand.AccentError{Where: "light", Ratio: 1.1, Need: 3, Nearest: near}
		d.wants(post(d, "do", "save"), 422, "On the light ground", "1.1 to 1", near.String(), `id="nearest"`, `value="Saint Luke"`)
	})
	t.Run("the nearest is taken", func(t *testing.T) {
		d := open(t)
		d.staffed(idp.StaffAdmin)
		r := d.post("/admin/settings/edit", "name", "X", "accent", "#ffee00", "do", "nearest")
		m := regexp.MustCompile(`id="accent" name="accent" type="text" value="(#[0-9a-f]{6})"`).FindStringSubmatch(r.body)
		if m == nil || m[1] == "#ffee00" {
			t.Fatalf("%d %q", r.StatusCode, m)
		}
		if c, ok := brand.Parse(m[1]); !ok || brand.Check(c) != nil {
			t.Errorf("%s is no good", m[1])
		}
	})
	t.Run("what the configuration sets is left alone", func(t *testing.T) {
		d := open(t)
		desk := d.staffed(idp.StaffAdmin)
		desk.fixed = map[string]bool{"site.name": true, "site.accent": true, "site.languages": true, "site.language": true}
		desk.settings = []idp.Setting{{Key: "site.name", Value: "Imaging", Place: "idp.yaml:4"}, {Key: "site.accent", Value: "#0a7d6c", Place: "IDP_SITE_ACCENT"}}
		d.leads(post(d, "do", "save"), "/admin/settings?did=saved")
		if desk.site.Name+desk.site.Accent != "" || desk.site.Languages != nil {
			t.Errorf("saved %+v", desk.site)
		}
		d.wants(d.get("/admin/settings/edit"), 200, "changed there: idp.yaml:4", "changed there: IDP_SITE_ACCENT", "disabled")
	})
	t.Run("too long a name", func(t *testing.T) {
		d := open(t)
		d.staffed(idp.StaffAdmin).err = &idp.FieldError{Field: "site.name", Message: "site.name.fits"}
		d.wants(post(d, "do", "save"), 422, "Give authenticator apps a shorter one", `aria-invalid="true"`)
	})
}

func TestLogoAndIconForms(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	d.leads(d.upload("/admin/settings/logo", multipartOf("logo", "one", "logo_dark", "two", "named", "1", "do", "save")), "/admin/settings?did=saved")
	d.leads(d.upload("/admin/settings/logo", multipartOf("logo", "", "logo_dark", "", "do", "without")), "/admin/settings?did=saved")
	d.leads(d.upload("/admin/settings/logo", multipartOf("named", "1", "do", "without-dark")), "/admin/settings?did=saved")
	d.leads(d.upload("/admin/applications/icon", multipartOf("client", "rad.viewer", "icon", strings.Repeat("x", 300<<10), "do", "save")), "/admin/applications/rad.viewer?did=edited")
	d.leads(d.upload("/admin/applications/icon", multipartOf("client", "rad.viewer", "icon", "", "do", "without")), "/admin/applications/rad.viewer?did=edited")
	for i, want := range []string{"edit logos one two true false false", "edit logos   false true false", "edit logos   true false true", "icon rad.viewer " + strings.Repeat("x", 300<<10), "icon rad.viewer "} {
		if i >= len(desk.asked) || desk.asked[i] != want {
			t.Errorf("asked %.80q, want %.80q", desk.asked, want)
			break
		}
	}
	d.wants(d.upload("/admin/applications/icon", multipartOf("client", "rad.viewer", "icon", "", "do", "save")), 422, "Choose a file first")
	d.wants(d.upload("/admin/applications/icon", multipartOf("client", "no.such", "icon", "x")), 404)
	d.wants(d.upload("/admin/applications/icon", multipartOf("icon", "x")), 400)
	d.wants(d.upload("/admin/applications/icon", multipartOf("client", "rad.viewer", "icon", strings.Repeat("x", 1<<20+1))), 413)
	desk.err = &idp.FieldError{Field: "site.logo", Message: "picture.moves"}
	d.wants(d.upload("/admin/settings/logo", multipartOf("logo", "one")), 422, "The picture moves")
	d.wants(d.upload("/admin/applications/icon", multipartOf("client", "rad.viewer", "icon", "x")), 422, "The picture moves")
}

// onePicture has one.
type onePicture idp.Picture

func (p onePicture) Picture(_ context.Context, id idp.PictureID) (*idp.Picture, error) {
	if id != p.ID {
		return nil, idp.ErrNotFound
	}
	own := idp.Picture(p)
	return &own, nil
}

func TestPicturesAreServedForever(t *testing.T) {
	d := open(t)
	const id = "0123456789abcdef0123456789abcdef"
	d.server.Pictures = onePicture{ID: id, PNG: []byte("\x89PNG")}
	r := d.get("/pictures/" + id + ".png")
	d.wants(r, 200, "\x89PNG")
	for name, want := range map[string]string{
		"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, bad := range []string{id, id + ".svg", "0123.png", strings.ToUpper(id) + ".png", strings.Repeat("f", 32) + ".png", ".png"} {
		r := d.get("/pictures/" + bad)
		d.wants(r, 404)
		if got := r.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: kept as %q", bad, got)
		}
	}
}

func TestAccentIsServedForever(t *testing.T) {
	d := open(t)
	c, _ := brand.Parse("#0a7d6c")
	d.presents(idp.Site{Accent: "#0a7d6c"})
	page := d.get("/signed-out")
	d.wants(page, 200, `<link rel="stylesheet" href="`+accentPath(c)+`">`)
	if own := strings.Index(page.body, accentPath(c)); own < strings.Index(page.body, "hilum.css") {
		t.Error("the accent stands before the style")
	}
	r := d.get(accentPath(c))
	d.wants(r, 200, "@layer tokens{", "--amber:#0a7d6c;", "--on-amber:#ffffff;", "--focus:#0a7d6c")
	if kind, keep := r.Header.Get("Content-Type"), r.Header.Get("Cache-Control"); kind != "text/css; charset=utf-8" || keep != "public, max-age=31536000, immutable" {
		t.Errorf("%s, %s", kind, keep)
	}
	amber, _ := brand.Parse("#ffee00")
	for _, bad := range []string{"/look/0a7d6c.css", "/look/0a7d6c-0000000000000000.css", accentPath(amber), "/look/x-1.css", "/look/}body{-1.css", strings.ToUpper(accentPath(c))} {
		d.wants(d.get(bad), 404)
	}
	d.presents(idp.Site{})
	d.wants(d.get("/signed-out"), 200, "not /look/")
}

func TestLogoOnPages(t *testing.T) {
	d := open(t)
	d.wants(d.get("/signed-out"), 200, `class="mark"`, "not /pictures/")
	d.presents(idp.Site{Logo: "aa", LogoDark: "bb", LogoNamed: true})
	d.wants(d.get("/signed-out"), 200, `src="/pictures/aa.png"`, `src="/pictures/bb.png"`, `alt="Imaging"`, `not <span class="site">`, `not class="mark"`)
	d.wants(d.get("/app/"), 200, `data-logo="/pictures/aa.png" data-logo-dark="/pictures/bb.png"`)
	d.wants(d.get("/app/sw.js"), 200, `const extras = ["/pictures/aa.png","/pictures/bb.png"]`)
}

func TestFaintLogosAreTold(t *testing.T) {
	const dark, light = `id="faint-dark"`, `id="faint-light"`
	for _, c := range []struct {
		faint brand.Faint
		says  []string
	}{
		{brand.Faint{}, []string{"not " + dark, "not " + light}},
		{brand.Faint{Dark: true}, []string{dark, "On the dark ground this logo can hardly be seen. One of its own for the dark theme helps.", "not " + light}},
		{brand.Faint{Light: true}, []string{light, "On the light ground this logo can hardly be seen.", "not " + dark}},
	} {
		d := open(t)
		desk := d.staffed(idp.StaffAdmin)
		desk.faint = c.faint
		d.presents(idp.Site{Logo: "aa"})
		d.leads(d.upload("/admin/settings/logo", multipartOf("logo", "one", "do", "save")), "/admin/settings?did=saved") // is taken all the same
		d.wants(d.get("/admin/settings?did=saved"), 200, c.says...)
		d.wants(d.get("/admin/settings/logo"), 200, c.says...)
		d.presents(idp.Site{Logo: "aa", LogoDark: "bb"})
		d.wants(d.get("/admin/settings"), 200, "not One of its own for the dark theme helps")
	}
}

// abroad puts Dutch and French beside what there is.
func (d *door) abroad() {
	d.Helper()
	var err error
	d.server.Words, err = templates.New(fstest.MapFS{
		"active.nl.json": {Data: []byte(`{"language.name": "Nederlands", "signedout.title": "Afgemeld", "tab.devices": "Mijn toestellen"}`)},
		"active.fr.json": {Data: []byte(`{"language.name": "Français", "signedout.title": "Déconnecté"}`)},
	})
	if err != nil {
		d.Fatal(err)
	}
}

// wantsIn checks in which language a page is.
func (d *door) wantsIn(r reply, lang string) {
	d.Helper()
	if m := regexp.MustCompile(`<html lang="([^"]*)"`).FindStringSubmatch(r.body); m == nil || m[1] != lang {
		d.Errorf("%s is in %q, want %q", r.Request.URL.Path, m, lang)
	}
}

func (d *door) getIn(path, accept string) reply {
	d.Helper()
	req, err := http.NewRequest(http.MethodGet, d.url+path, nil)
	if err != nil {
		d.Fatal(err)
	}
	req.Header.Set("Accept-Language", accept)
	return d.do(req)
}

func TestLanguageOfAPage(t *testing.T) {
	d := open(t)
	d.abroad()
	d.wantsIn(d.get("/signed-out"), "en")
	r := d.getIn("/signed-out", "fr-BE, nl;q=0.5")
	d.wantsIn(r, "fr")
	d.wants(r, 200, "Déconnecté", ">Nederlands</button>", `<button name="language" value="fr" lang="fr" aria-current="true">`)
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Error("a page that depends on the reader is kept")
	}
	d.presents(idp.Site{Language: "nl"})
	d.wantsIn(d.get("/signed-out"), "nl")
	d.presents(idp.Site{Languages: []string{"en", "nl"}})
	d.wantsIn(d.getIn("/signed-out", "fr, nl;q=0.5"), "nl")

	// An application may ask for a language; the browser's own comes after it.
	step := d.bound(idp.LoginPassword, idp.ForClient)
	step.Request.UILocales = []string{"fr", "nl-BE"}
	d.wantsIn(d.getIn("/login/"+aLogin, "en"), "nl")
	// Whoever is signed in reads theirs.
	d.signedIn()
	d.logins.locale = "nl-NL"
	r = d.getIn("/account/devices", "en")
	d.wantsIn(r, "nl")
	d.wants(r, 200, "Mijn toestellen")
	d.logins.step.State, d.logins.step.Purpose = idp.LoginFactor, idp.ForStepUp
	d.wantsIn(d.getIn("/login/"+aLogin, "en"), "nl")
	// What was chosen in this browser comes before all that.
	d.leads(d.post("/language", "language", "en", "here", "devices"), "/account/devices")
	d.wantsIn(d.getIn("/account/devices", "nl"), "en")
	d.leads(d.post("/language", "language", "nl", "here", "signed-out"), "/signed-out")
	d.wantsIn(d.getIn("/signed-out", "en"), "nl")
	// Until it is no longer offered.
	d.presents(idp.Site{Languages: []string{"en", "fr"}})
	d.logins.session = nil
	d.wantsIn(d.getIn("/signed-out", "fr"), "fr")
	if got := fmt.Sprint(d.server.LanguageTags()); got != "[en fr]" {
		t.Errorf("offered %s", got)
	}
	d.presents(idp.Site{Languages: []string{"en"}})
	d.wants(d.getIn("/signed-out", "fr"), 200, `not action="/language"`)

	for _, bad := range [][]string{{"language", "fr", "here", "signed-out"}, {"language", "xx", "here", "signed-out"}, {"language", "en", "here", "https://evil.example"}, {"here", "signed-out"}} {
		d.wants(d.post("/language", bad...), 400)
	}
}
