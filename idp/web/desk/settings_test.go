package desk

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/brand"
	"hilum/idp/web/page"
	"hilum/idp/web/webtest"
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
	d.site = s
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
	r := d.Get("/admin/settings")
	d.Wants(r, 200, "30 minutes", "IDP_SESSIONS_IDLE", "1 hour", "idp.yaml:7", "saved here", "built in", `id="edit"`, "not what nobody may see", ">set<")
	// Who only reads sees the same without a way to change it.
	d.logins.staff = idp.StaffAuditor
	d.Wants(d.Get("/admin/settings"), 200, "30 minutes", `not id="edit"`)
	d.logins.staff = idp.StaffHelpdesk
	d.Wants(d.Get("/admin/settings"), 403)
	d.Wants(d.Get("/admin/devices"), 200, `not href="/admin/settings"`)
}

func TestEditSettings(t *testing.T) {
	form := []string{"name", " Saint Luke ", "accent", "#0a7d6c", "language-en", "1", "usual", "en"}
	post := func(d *door, more ...string) webtest.Reply {
		return d.Post("/admin/settings/edit", append(form[:len(form):len(form)], more...)...)
	}
	t.Run("saved", func(t *testing.T) {
		d := open(t)
		desk := d.staffed(idp.StaffAdmin)
		d.Leads(post(d, "do", "save"), "/admin/settings?did=saved")
		if desk.site.Name != "Saint Luke" || desk.site.Accent != "#0a7d6c" || desk.site.Language != "" || len(desk.site.Languages) != 1 {
			t.Errorf("saved %+v", desk.site)
		}
		d.Wants(d.Get("/admin/settings?did=saved"), 200, "Saved. Pages show it from now on.")
	})
	t.Run("looked at", func(t *testing.T) {
		d := open(t)
		desk := d.staffed(idp.StaffAdmin)
		r := post(d, "do", "preview")
		c, _ := brand.Parse("#0a7d6c")
		d.Wants(r, 200, "Nothing is saved yet", page.AccentPath(c), "contrast", `value="Saint Luke"`)
		if desk.site.Name+desk.site.Accent != "" {
			t.Errorf("a look was saved: %+v", desk.site)
		}
	})
	t.Run("refused, with a colour that would do", func(t *testing.T) {
		d := open(t)
		desk := d.staffed(idp.StaffAdmin)
		near := brand.Colour{R: 0x7e, G: 0x76}
		desk.err = &brand.AccentError{Where: "light", Ratio: 1.1, Need: 3, Nearest: near}
		d.Wants(post(d, "do", "save"), 422, "On the light ground", "1.1 to 1", near.String(), `id="nearest"`, `value="Saint Luke"`)
	})
	t.Run("the nearest is taken", func(t *testing.T) {
		d := open(t)
		d.staffed(idp.StaffAdmin)
		r := d.Post("/admin/settings/edit", "name", "X", "accent", "#ffee00", "do", "nearest")
		m := regexp.MustCompile(`id="accent" name="accent" type="text" value="(#[0-9a-f]{6})"`).FindStringSubmatch(r.Body)
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
		d.Leads(post(d, "do", "save"), "/admin/settings?did=saved")
		if desk.site.Name+desk.site.Accent != "" || desk.site.Languages != nil {
			t.Errorf("saved %+v", desk.site)
		}
		d.Wants(d.Get("/admin/settings/edit"), 200, "changed there: idp.yaml:4", "changed there: IDP_SITE_ACCENT", "disabled")
	})
	t.Run("too long a name", func(t *testing.T) {
		d := open(t)
		d.staffed(idp.StaffAdmin).err = &idp.FieldError{Field: "site.name", Message: "site.name.fits"}
		d.Wants(post(d, "do", "save"), 422, "Give authenticator apps a shorter one", `aria-invalid="true"`)
	})
}

func TestLogoAndIconForms(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	d.Leads(d.upload("/admin/settings/logo", multipartOf("logo", "one", "logo_dark", "two", "named", "1", "do", "save")), "/admin/settings?did=saved")
	d.Leads(d.upload("/admin/settings/logo", multipartOf("logo", "", "logo_dark", "", "do", "without")), "/admin/settings?did=saved")
	d.Leads(d.upload("/admin/settings/logo", multipartOf("named", "1", "do", "without-dark")), "/admin/settings?did=saved")
	d.Leads(d.upload("/admin/applications/icon", multipartOf("client", "rad.viewer", "icon", strings.Repeat("x", 300<<10), "do", "save")), "/admin/applications/rad.viewer?did=edited")
	d.Leads(d.upload("/admin/applications/icon", multipartOf("client", "rad.viewer", "icon", "", "do", "without")), "/admin/applications/rad.viewer?did=edited")
	for i, want := range []string{"edit logos one two true false false", "edit logos   false true false", "edit logos   true false true", "icon rad.viewer " + strings.Repeat("x", 300<<10), "icon rad.viewer "} {
		if i >= len(desk.asked) || desk.asked[i] != want {
			t.Errorf("asked %.80q, want %.80q", desk.asked, want)
			break
		}
	}
	d.Wants(d.upload("/admin/applications/icon", multipartOf("client", "rad.viewer", "icon", "", "do", "save")), 422, "Choose a file first")
	d.Wants(d.upload("/admin/applications/icon", multipartOf("client", "no.such", "icon", "x")), 404)
	d.Wants(d.upload("/admin/applications/icon", multipartOf("icon", "x")), 400)
	d.Wants(d.upload("/admin/applications/icon", multipartOf("client", "rad.viewer", "icon", strings.Repeat("x", 1<<20+1))), 413)
	desk.err = &idp.FieldError{Field: "site.logo", Message: "picture.moves"}
	d.Wants(d.upload("/admin/settings/logo", multipartOf("logo", "one")), 422, "The picture moves")
	d.Wants(d.upload("/admin/applications/icon", multipartOf("client", "rad.viewer", "icon", "x")), 422, "The picture moves")
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
		d.Leads(d.upload("/admin/settings/logo", multipartOf("logo", "one", "do", "save")), "/admin/settings?did=saved") // is taken all the same
		d.Wants(d.Get("/admin/settings?did=saved"), 200, c.says...)
		d.Wants(d.Get("/admin/settings/logo"), 200, c.says...)
		d.presents(idp.Site{Logo: "aa", LogoDark: "bb"})
		d.Wants(d.Get("/admin/settings"), 200, "not One of its own for the dark theme helps")
	}
}
