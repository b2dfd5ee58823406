package admin_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/brand"
)

// edits saves a change of the site, as an administrator at the console.
func (w *world) edits(fn func(*idp.Site)) error {
	w.Helper()
	return w.EditSite(w.Context(), console, fn)
}

func (w *world) saved() *idp.Site {
	w.Helper()
	s, err := w.SavedSite(w.Context(), console)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func TestEditSite(t *testing.T) {
	long := strings.Repeat("ü", 40) // six bytes each in a link
	for _, c := range []struct {
		name  string
		fixed idp.Site
		edit  func(*idp.Site)
		field string // wrong; empty: it is saved
		key   string
		want  idp.Site
	}{
		{"a name", idp.Site{}, func(s *idp.Site) { s.Name = " Saint Luke " }, "", "", idp.Site{Name: "Saint Luke"}},
		{"a name of 41 letters", idp.Site{}, func(s *idp.Site) { s.Name = long + "x" }, "site.name", "text.long", idp.Site{}},
		{"a name with a line break", idp.Site{}, func(s *idp.Site) { s.Name = "a\nb" }, "site.name", "text.invalid", idp.Site{}},
		{"a name that turns around", idp.Site{}, func(s *idp.Site) { s.Name = "a\u202eb" }, "site.name", "text.invalid", idp.Site{}},
		{"a name with a colon", idp.Site{}, func(s *idp.Site) { s.Name = "a: b" }, "site.name", "site.name.colon", idp.Site{}},
		{"with a colon, where apps show another", idp.Site{Label: "Luke"}, func(s *idp.Site) { s.Name = "a: b" }, "", "", idp.Site{Name: "a: b"}},
		{"too long for the code", idp.Site{}, func(s *idp.Site) { s.Name = long }, "site.name", "site.name.fits", idp.Site{}},
		{"too long, where apps show another", idp.Site{Label: "Luke"}, func(s *idp.Site) { s.Name = long }, "", "", idp.Site{Name: long}},
		{"a name that the configuration sets", idp.Site{Name: "Luke"}, func(s *idp.Site) { s.Name = "Mark" }, "site.name", "site.fixed", idp.Site{}},
		{"an accent", idp.Site{}, func(s *idp.Site) { s.Accent = "#0A7D6C" }, "", "", idp.Site{Accent: "#0a7d6c"}},
		{"ours", idp.Site{}, func(s *idp.Site) { s.Accent = "#F2A33C" }, "", "", idp.Site{}},
		{"no colour", idp.Site{}, func(s *idp.Site) { s.Accent = "teal" }, "site.accent", "site.accent.bad", idp.Site{}},
		{"an accent that the configuration sets", idp.Site{Accent: "#0a7d6c"}, func(s *idp.Site) { s.Accent = "#1f6feb" }, "site.accent", "site.fixed", idp.Site{}},
		{"all languages", idp.Site{}, func(s *idp.Site) { s.Languages = []string{"nl", "en", "nl", "fr"} }, "", "", idp.Site{}},
		{"two", idp.Site{}, func(s *idp.Site) { s.Languages, s.Language = []string{"nl", "fr"}, "nl" }, "", "", idp.Site{Languages: []string{"fr", "nl"}, Language: "nl"}},
		{"a language without words", idp.Site{}, func(s *idp.Site) { s.Languages = []string{"en", "xx"} }, "site.languages", "site.languages.unknown", idp.Site{}},
		{"a default without words", idp.Site{}, func(s *idp.Site) { s.Language = "xx" }, "site.languages", "site.languages.unknown", idp.Site{}},
		{"a default that is not offered", idp.Site{}, func(s *idp.Site) { s.Languages, s.Language = []string{"fr"}, "nl" }, "site.language", "site.language.offered", idp.Site{}},
		{"English left out, and no default", idp.Site{}, func(s *idp.Site) { s.Languages = []string{"fr"} }, "site.language", "site.language.offered", idp.Site{}},
		{"a default beside languages of the configuration", idp.Site{Languages: []string{"en", "fr"}}, func(s *idp.Site) { s.Language = "nl" }, "site.language", "site.language.offered", idp.Site{}},
		{"too long, with a shorter one for apps", idp.Site{}, func(s *idp.Site) { s.Name, s.Label = long, " Luke " }, "", "", idp.Site{Name: long}},
		{"a label that is too long", idp.Site{}, func(s *idp.Site) { s.Name, s.Label = "Luke", long }, "device.label", "site.name.fits", idp.Site{}},
		{"a label with a colon", idp.Site{}, func(s *idp.Site) { s.Label = "a:b" }, "device.label", "site.name.colon", idp.Site{}},
		{"a name with nothing to see", idp.Site{}, func(s *idp.Site) { s.Name = "\u200b\u3164" }, "site.name", "text.invisible", idp.Site{}},
		{"a label with nothing to see", idp.Site{}, func(s *idp.Site) { s.Label = "\u2800" }, "device.label", "text.invisible", idp.Site{}},
		{"a label with a line break", idp.Site{}, func(s *idp.Site) { s.Label = "a\nb" }, "device.label", "text.invalid", idp.Site{}},
		{"a label that the configuration sets", idp.Site{Label: "Luke"}, func(s *idp.Site) { s.Label = "Mark" }, "device.label", "site.fixed", idp.Site{}},
		{"a help line", idp.Site{}, func(s *idp.Site) { s.Help, s.HelpLink = " Helpdesk, 4711 ", " tel:4711 " }, "", "", idp.Site{Help: "Helpdesk, 4711", HelpLink: "tel:4711"}},
		{"a help line without a link", idp.Site{}, func(s *idp.Site) { s.Help = "Helpdesk" }, "", "", idp.Site{Help: "Helpdesk"}},
		{"a link without a help line", idp.Site{}, func(s *idp.Site) { s.HelpLink = "tel:4711" }, "site.help", "site.help.text", idp.Site{}},
		{"a link of another kind", idp.Site{}, func(s *idp.Site) { s.Help, s.HelpLink = "Helpdesk", "javascript:alert(1)" }, "site.help_link", "site.help.link", idp.Site{}},
		{"a help line that the configuration sets", idp.Site{Help: "Bert"}, func(s *idp.Site) { s.Help = "Helpdesk" }, "site.help", "site.fixed", idp.Site{}},
		{"its link", idp.Site{Help: "Bert"}, func(s *idp.Site) { s.Help, s.HelpLink = "x", "tel:4711" }, "site.help", "site.fixed", idp.Site{}},
		{"pictures are not set by hand", idp.Site{}, func(s *idp.Site) { s.Logo, s.LogoDark = "x", "y" }, "", "", idp.Site{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.set(func(conf *admin.Config) {
				conf.Fixed, conf.Languages, conf.Issuer = c.fixed, []string{"en", "fr", "nl"}, "https://login.klinik.test"
			})
			events := w.countEvents()
			err := w.edits(c.edit)
			if c.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				got := w.saved()
				if got.Name != c.want.Name || got.Accent != c.want.Accent || !slices.Equal(got.Languages, c.want.Languages) || got.Language != c.want.Language || got.Logo+got.LogoDark != "" {
					t.Errorf("saved %+v, want %+v", got, c.want)
				}
				return
			}
			field := (*idp.FieldError)(nil)
			if !errors.As(err, &field) || field.Field != c.field || field.Message != c.key {
				t.Errorf("%v, want %s: %s", err, c.field, c.key)
			}
			if c.key == "site.name.fits" && (admin.WhyNot(err) == nil || !strings.Contains(admin.WhyNot(err).Error(), "take a shorter label")) {
				t.Errorf("says %v", admin.WhyNot(err))
			}
			if got := w.saved(); got.Name != "" || w.countEvents() != events {
				t.Errorf("something was saved: %+v", got)
			}
		})
	}
}

func TestAnAccentThatIsNotSeenIsNotSaved(t *testing.T) {
	w := newWorld(t)
	near := (*brand.AccentError)(nil)
	if err := w.edits(func(s *idp.Site) { s.Accent = "#ffee00" }); !errors.As(err, &near) || near.Where != "light" {
		t.Fatalf("%v", err)
	}
	if err := w.edits(func(s *idp.Site) { s.Accent = near.Nearest.String() }); err != nil {
		t.Errorf("the nearest is refused: %v", err)
	}
}

// Each setting that is another leaves an event with what it was and what it is.
func TestSettingEvents(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *admin.Config) { c.Languages = []string{"en"} })
	change := func(fn func(*idp.Site)) {
		t.Helper()
		if err := w.edits(fn); err != nil {
			t.Fatal(err)
		}
	}
	change(func(s *idp.Site) { s.Name, s.Accent = "Saint Luke", "#0a7d6c" })
	change(func(s *idp.Site) { s.Name = "Saint Luke" }) // it is that already
	change(func(s *idp.Site) { s.Name = "" })
	if err := w.EditLogos(t.Context(), console, admin.Logos{Logo: picture(t), Named: true}); err != nil {
		t.Fatal(err)
	}
	logo := string(w.saved().Logo)
	var got []string
	page, err := w.SearchEvents(t.Context(), console, idp.EventQuery{Kinds: []idp.EventKind{idp.EventSettingChanged}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Rows {
		got = append(got, e.Detail["setting"]+" "+e.Detail["from"]+">"+e.Detail["to"])
	}
	slices.Sort(got)
	want := []string{"site.accent >#0a7d6c", "site.logo >" + logo, "site.logo_named false>true", "site.name >Saint Luke", "site.name Saint Luke>"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestLogos(t *testing.T) {
	w := newWorld(t)
	edit := func(c admin.Logos) error { return w.EditLogos(t.Context(), console, c) }
	field := (*idp.FieldError)(nil)
	if err := edit(admin.Logos{Dark: picture(t)}); !errors.As(err, &field) || field.Message != "site.logo.first" {
		t.Errorf("a dark one alone: %v", err)
	}
	if err := edit(admin.Logos{Logo: picture(t), Dark: []byte("no picture")}); !errors.As(err, &field) || field.Field != "site.logo_dark" || w.saved().Logo != "" {
		t.Errorf("half of it: %v, %+v", err, w.saved())
	}
	if err := edit(admin.Logos{Logo: picture(t), Dark: picture(t), Named: true}); err != nil {
		t.Fatal(err)
	}
	if s := w.saved(); s.Logo == "" || s.LogoDark != s.Logo || !s.LogoNamed {
		t.Errorf("%+v", s)
	}
	if err := edit(admin.Logos{WithoutDark: true, Named: true}); err != nil {
		t.Fatal(err)
	}
	if s := w.saved(); s.Logo == "" || s.LogoDark != "" || !s.LogoNamed {
		t.Errorf("without the dark one: %+v", s)
	}
	if err := edit(admin.Logos{Without: true, Named: true}); err != nil {
		t.Fatal(err)
	}
	if s := w.saved(); s.Logo+s.LogoDark != "" || s.LogoNamed {
		t.Errorf("without: %+v", s)
	}
}

// Where a logo can hardly be seen is measured on what is shown there.
func TestFaintLogos(t *testing.T) {
	w := newWorld(t)
	inked := func(ink color.Color) []byte {
		m := image.NewNRGBA(image.Rect(0, 0, 32, 20))
		draw.Draw(m, m.Bounds(), image.NewUniform(ink), image.Point{}, draw.Src)
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	black, white := inked(color.Black), inked(color.White)
	for _, c := range []struct {
		what string
		edit admin.Logos
		want brand.Faint
	}{
		{"none", admin.Logos{}, brand.Faint{}},
		{"one that is seen", admin.Logos{Logo: picture(t)}, brand.Faint{}},
		{"a black one", admin.Logos{Logo: black}, brand.Faint{Dark: true}},
		{"a white one beside it, for the dark theme", admin.Logos{Dark: white}, brand.Faint{}},
		{"white for both", admin.Logos{Logo: white}, brand.Faint{Light: true}},
		{"white, and black in the dark theme", admin.Logos{Dark: black}, brand.Faint{Dark: true, Light: true}},
		{"without the dark one", admin.Logos{WithoutDark: true}, brand.Faint{Light: true}},
		{"without", admin.Logos{Without: true}, brand.Faint{}},
	} {
		if err := w.EditLogos(t.Context(), console, c.edit); err != nil {
			t.Fatal(err)
		}
		if got, err := w.FaintLogos(t.Context(), console); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.what, got, err, c.want)
		}
	}
}

// What comes first: the configuration, then what was saved, then the default.
func TestSettingsSayWhereTheyComeFrom(t *testing.T) {
	w := newWorld(t)
	configured := func() []idp.Setting {
		return []idp.Setting{
			{Key: "site.name", Value: "Hilum", Default: "Hilum", From: idp.SettingDefault},
			{Key: "site.accent", Value: "#1f6feb", From: idp.SettingConfigured, Place: "idp.yaml:3"},
			{Key: "device.label", Value: "Hilum", Default: "Hilum", From: idp.SettingConfigured, Place: "idp.yaml:9"},
			{Key: "site.language", From: idp.SettingDefault},
			{Key: "sessions.idle", Value: "30m", Default: "1h", From: idp.SettingConfigured, Place: "IDP_SESSIONS_IDLE"},
		}
	}
	w.set(func(c *admin.Config) { c.Languages, c.Settings = []string{"en", "nl"}, configured })
	// What was saved before the configuration set it is no longer in force.
	if err := w.edits(func(s *idp.Site) { s.Name, s.Label, s.Accent = "Saint Luke", "Luke", "#0a7d6c" }); err != nil {
		t.Fatal(err)
	}
	w.set(func(c *admin.Config) { c.Fixed = idp.Site{Label: "Hilum", Accent: "#1f6feb"} })
	list, err := w.Settings(t.Context(), console)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range list {
		got[s.Key] = s.Value + " " + string(s.From) + " " + s.Place
	}
	for key, want := range map[string]string{
		"site.name": "Saint Luke administration ", "site.accent": "#1f6feb configuration idp.yaml:3", "site.language": " default ", "device.label": "Hilum configuration idp.yaml:9",
		"sessions.idle": "30m configuration IDP_SESSIONS_IDLE", "fixed.devices": "5 fixed ", "fixed.login": "15m fixed ",
	} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	if n := len(slices.Collect(maps.Keys(got))); n != len(list) {
		t.Errorf("%d keys of %d settings", n, len(list))
	}
}

func TestIcons(t *testing.T) {
	w := newWorld(t)
	c := &idp.Client{Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode}, RedirectURIs: []string{"https://viewer.klinik.test/cb"}}
	if _, err := w.AddClient(t.Context(), console, c); err != nil {
		t.Fatal(err)
	}
	icon := func() idp.PictureID {
		t.Helper()
		got, err := w.Client(t.Context(), console, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got.Icon
	}
	if err := w.SetIcon(t.Context(), console, c.ID, picture(t)); err != nil || icon() == "" {
		t.Fatalf("%v, icon %q", err, icon())
	}
	before := icon()
	if err := w.EditClient(t.Context(), console, c.ID, func(c *idp.Client) { c.Name = "Viewer 2" }); err != nil || icon() != before {
		t.Errorf("an edit: %v, icon %q", err, icon())
	}
	if err := w.SetIcon(t.Context(), console, c.ID, []byte("GIF89a")); !errors.Is(err, idp.ErrInvalid) || icon() != before {
		t.Errorf("no PNG: %v, icon %q", err, icon())
	}
	if err := w.SetIcon(t.Context(), console, c.ID, nil); err != nil || icon() != "" {
		t.Errorf("without: %v, icon %q", err, icon())
	}
	if err := w.SetIcon(t.Context(), console, "nobody", nil); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
}
