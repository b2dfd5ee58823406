package desk_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/brand"
	"hilum/idp/idptest"
	"hilum/idp/web/page"
	"hilum/idp/web/webtest"
	"hilum/idp/web/webtest/walk"
)

// presenting has the site look as it was saved, below what the configuration sets: as the
// provider has it.
func presenting(fixed idp.Site, settings ...idp.Setting) func(*walk.Parts) {
	return func(p *walk.Parts) {
		saved, usual := p.Admin.Store, &idp.Site{Name: "Imaging", Language: "en"}
		now := func() *idp.Site {
			s, err := saved.SavedSite(context.Background())
			if err != nil { // as long as it cannot be read
				return fixed.Over(usual)
			}
			return fixed.Over(s).Over(usual)
		}
		p.Page.Site, p.Admin.Site, p.Login.Rules.Site = now, now, now
		p.Admin.Fixed, p.Admin.Settings = fixed, func() []idp.Setting { return settings }
	}
}

// savedSite is what the administration has saved of the site.
func savedSite(w *walk.Walk) *idp.Site {
	w.Helper()
	return idptest.Must(w.DB.Site(w.Context()))(w.TB)
}

func TestSettingsPage(t *testing.T) {
	t.Parallel()
	w := walk.New(t, presenting(idp.Site{Accent: "#0a7d6c"},
		idp.Setting{Key: "site.name", Value: "Hilum", Default: "Hilum"},
		idp.Setting{Key: "site.accent", Value: "#0a7d6c", From: idp.SettingConfigured, Place: "idp.yaml:7"},
		idp.Setting{Key: "sessions.idle", Value: "30m", Default: "1h", From: idp.SettingConfigured, Place: "IDP_SESSIONS_IDLE", Env: "IDP_SESSIONS_IDLE"},
		idp.Setting{Key: "push.fcm.credentials_file", Value: "what nobody may see", Secret: true, Env: "X"},
	))
	if err := w.Desk.EditSite(t.Context(), walk.Console, func(s *idp.Site) { s.Name = "Saint Luke" }); err != nil {
		t.Fatal(err)
	}
	w.Staff(idp.StaffAdmin)
	w.Wants(w.Get("/admin/settings"), 200, "Saint Luke", "#0a7d6c", "30 minutes", "IDP_SESSIONS_IDLE", "1 hour", "idp.yaml:7", "saved here", "built in", `id="edit"`, "not what nobody may see", ">set<")
	// Who only reads sees the same without a way to change it.
	w.Fresh()
	w.Staff(idp.StaffAuditor)
	w.Wants(w.Get("/admin/settings"), 200, "Saint Luke", "30 minutes", "not what nobody may see", `not id="edit"`)
	w.Fresh()
	w.Staff(idp.StaffHelpdesk)
	w.Wants(w.Get("/admin/settings"), 403)
	w.Wants(w.Get("/admin/devices"), 200, `not href="/admin/settings"`)
}

// Settings are found by all that the page says of them, and by nothing that it does not say.
func TestSettingsSearched(t *testing.T) {
	t.Parallel()
	w := walk.New(t, presenting(idp.Site{Accent: "#0a7d6c"},
		idp.Setting{Key: "site.name", Value: "Hilum", Default: "Hilum"},
		idp.Setting{Key: "site.accent", Value: "#0a7d6c", From: idp.SettingConfigured, Place: "idp.yaml:7"},
		idp.Setting{Key: "sessions.idle", Value: "30m", Default: "1h", From: idp.SettingConfigured, Place: "idp.yaml:3", Env: "IDP_SESSIONS_IDLE"},
		idp.Setting{Key: "sessions.absolute", Value: "12h", Default: "12h", Env: "IDP_SESSIONS_ABSOLUTE"},
		idp.Setting{Key: "mail.host", Value: "mail.klinik.example", Default: "mail.klinik.example", Env: "IDP_MAIL_HOST"},
		idp.Setting{Key: "push.fcm.credentials_file", Value: "what nobody may see", Secret: true, Env: "X"},
	))
	w.Staff(idp.StaffAuditor)
	const idle, absolute, mail, fcm, site, logo, builtIn = `id="sessions.idle"`, `id="sessions.absolute"`, `id="mail.host"`, `id="push.fcm.credentials_file"`, `id="site"`, `id="logo-head"`, `id="fixed.devices"`
	all := []string{idle, absolute, mail, fcm, site, logo, builtIn}
	for query, want := range map[string][]string{
		"":                          all,
		"?q=+":                      all,
		"?q=sessions.idle":          {idle},
		"?q=30+MINÚTES":             {idle},
		"?q=idp_sessions":           {idle, absolute},
		"?q=yaml":                   {idle, site},
		"?q=klinik+host":            {mail},
		"?q=logo":                   {logo},
		"?q=0a7d6c":                 {site},
		"?f=differs":                {idle, fcm, site},
		"?f=differs&q=sessions":     {idle},
		"?q=nobody+may+see":         nil,
		"?f=differs&q=klinik":       nil,
		"?q=devices+built-in-words": nil,
	} {
		r := w.Get("/admin/settings" + query)
		w.Wants(r, 200)
		for _, id := range all {
			if got, want := strings.Contains(r.Body, id), slices.Contains(want, id); got != want {
				t.Errorf("%s shows %s: %v, want %v", query, id, got, want)
			}
		}
		if strings.Contains(r.Body, `id="empty"`) != (want == nil) {
			t.Errorf("%s: nothing was found: %v", query, want != nil)
		}
	}
	// What is typed stays, and the facet with it; both are taken off by one link.
	w.Wants(w.Get("/admin/settings?f=differs&q=sess%22"), 200, `value="sess&#34;"`, `<input type="hidden" form="search" name="f" value="differs">`, `href="/admin/settings"`, "0 settings")
	w.Wants(w.Get("/admin/settings?q=sessions.idle"), 200, "1 setting<", `href="/admin/settings?f=differs&amp;q=sessions.idle"`)
}

func TestEditSettings(t *testing.T) {
	t.Parallel()
	post := func(w *walk.Walk, do, name, accent string) webtest.Reply {
		return w.Held().Post("/admin/settings/edit", "name", name, "accent", accent, "language-en", "1", "usual", "en", "do", do)
	}
	// changes checks what the log has of settings: «site.name=Saint Luke».
	changes := func(w *walk.Walk, want ...string) {
		w.Helper()
		var got []string
		for _, e := range w.Events(idp.EventSettingChanged) {
			got = append(got, e.Detail["setting"]+"="+e.Detail["to"])
		}
		if !slices.Equal(got, want) {
			w.Errorf("changed %q, want %q", got, want)
		}
	}
	accent := idptest.Must(parsed("#0a7d6c"))(t)
	t.Run("what is typed", func(t *testing.T) {
		t.Parallel()
		w := walk.New(t, presenting(idp.Site{}))
		w.Staff(idp.StaffAdmin)
		// Looked at.
		w.Wants(post(w, "preview", " Saint Luke ", "#0a7d6c"), 200, "Nothing is saved yet", page.AccentPath(accent), "contrast", `value="Saint Luke"`)
		if s := savedSite(w); s.Name+s.Accent != "" {
			t.Errorf("a look was saved: %+v", s)
		}
		changes(w)
		w.Wants(w.Get("/admin/settings"), 200, `<bdi class="site">Imaging</bdi>`, "not "+page.AccentPath(accent))

		// Refused, with a colour that would do.
		near := (*brand.AccentError)(nil)
		if err := brand.Check(idptest.Must(parsed("#ffee00"))(t)); !errors.As(err, &near) || near.Where != "light" {
			t.Fatal(err)
		}
		w.Wants(post(w, "save", " Saint Luke ", "#ffee00"), 422, "On the light ground", fmt.Sprintf("%.1f to 1", near.Ratio), near.Nearest.String(), `id="nearest"`, `value="Saint Luke"`)

		// The nearest is taken, to be looked at.
		r := post(w, "nearest", "X", "#ffee00")
		m := regexp.MustCompile(`id="accent" name="accent" type="text" value="(#[0-9a-f]{6})"`).FindStringSubmatch(r.Body)
		if m == nil || m[1] == "#ffee00" {
			t.Fatalf("%d %q", r.StatusCode, m)
		}
		if err := brand.Check(idptest.Must(parsed(m[1]))(t)); err != nil {
			t.Errorf("%s is no good: %v", m[1], err)
		}

		// Too long a name.
		w.Wants(post(w, "save", strings.Repeat("ü", idp.MaxSiteName), ""), 422, "Give authenticator apps a shorter one", `aria-invalid="true"`)
		changes(w)

		// Saved.
		w.Leads(post(w, "save", " Saint Luke ", "#0a7d6c"), "/admin/settings?did=saved")
		if s := savedSite(w); s.Name != "Saint Luke" || s.Accent != "#0a7d6c" || s.Language != "" || !slices.Equal(s.Languages, []string{"en"}) {
			t.Errorf("saved %+v", s)
		}
		changes(w, "site.name=Saint Luke", "site.accent=#0a7d6c", "site.languages=en")
		w.Wants(w.Get("/admin/settings?did=saved"), 200, "Saved. Pages show it from now on.", `<bdi class="site">Saint Luke</bdi>`, page.AccentPath(accent))
	})
	t.Run("help", func(t *testing.T) {
		t.Parallel()
		w := walk.New(t, presenting(idp.Site{}))
		w.Staff(idp.StaffAdmin)
		typed := func(help, link string) webtest.Reply {
			return w.Held().Post("/admin/settings/edit", "name", "", "accent", "", "language-en", "1", "usual", "en", "do", "save", "help", help, "help_link", link)
		}
		w.Wants(typed("Helpdesk", "http://intranet"), 422, "begins with https://, tel: or mailto:", `value="http://intranet"`, `aria-describedby="help-link-hint problem"`)
		w.Wants(typed("", "tel:4711"), 422, "has a link and no text", `aria-describedby="help-hint problem"`)
		changes(w)
		w.Leads(typed("Helpdesk <b>, 4711", "tel:4711"), "/admin/settings?did=saved")
		changes(w, "site.languages=en", "site.help=Helpdesk <b>, 4711", "site.help_link=tel:4711")
		w.Wants(w.Get("/admin/settings"), 200, "Helpdesk &lt;b&gt;, 4711", "tel:4711", `not id="help"`)
		w.Fresh()
		w.Wants(w.Get("/invite/nothing"), 404, `<p class="hint" id="help"><a href="tel:4711">Helpdesk &lt;b&gt;, 4711</a></p>`)
	})
	t.Run("what the configuration sets is left alone", func(t *testing.T) {
		t.Parallel()
		w := walk.New(t, presenting(idp.Site{Name: "Imaging", Accent: "#0a7d6c", Languages: []string{"en"}, Language: "en"},
			idp.Setting{Key: "site.name", Value: "Imaging", Place: "idp.yaml:4"}, idp.Setting{Key: "site.accent", Value: "#0a7d6c", Place: "IDP_SITE_ACCENT"},
			idp.Setting{Key: "site.languages", Value: "en", Place: "idp.yaml:5"}, idp.Setting{Key: "site.language", Value: "en", Place: "idp.yaml:6"}))
		w.Staff(idp.StaffAdmin)
		w.Leads(post(w, "save", " Saint Luke ", "#1f6feb"), "/admin/settings?did=saved")
		if s := savedSite(w); s.Name+s.Accent+s.Language != "" || s.Languages != nil {
			t.Errorf("saved %+v", s)
		}
		changes(w)
		w.Wants(w.Get("/admin/settings/edit"), 200, "changed there: idp.yaml:4", "changed there: IDP_SITE_ACCENT", "disabled", `value="Imaging"`, `value="#0a7d6c"`)
	})
}

func parsed(s string) (brand.Colour, error) {
	c, ok := brand.Parse(s)
	if !ok {
		return c, fmt.Errorf("%s is no colour", s)
	}
	return c, nil
}

// inked is a picture of one colour, which may be a logo.
func inked(t testing.TB, ink color.Color) string {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 32, 20))
	draw.Draw(m, m.Bounds(), image.NewUniform(ink), image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var teal = color.NRGBA{10, 125, 108, 255}

// moving is a picture with the chunk of one that moves, behind its head: 8 bytes of
// signature and 25 of IHDR.
func moving(picture string) string {
	chunk := append(binary.BigEndian.AppendUint32(nil, 8), "acTL\x00\x00\x00\x00\x00\x00\x00\x00"...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return picture[:33] + string(chunk) + picture[33:]
}

func TestLogoAndIconForms(t *testing.T) {
	t.Parallel()
	w := walk.New(t, presenting(idp.Site{}))
	w.Staff(idp.StaffAdmin)
	w.Register(idp.Client{
		ID: "rad.viewer", Name: "Radiology Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode},
		RedirectURIs: []string{"https://viewer.hospital.example/cb"}, Scopes: []string{"openid"},
	})
	const toLogo, toIcon = "/admin/settings/logo", "/admin/applications/icon"
	leads := func(to, path string, fields ...string) {
		t.Helper()
		w.Sees(w.Arrive(w.Upload(path, fields...)), to)
		if w.Path != to {
			t.Errorf("led to %s, want %s", w.Path, to)
		}
	}
	const saved, edited = "/admin/settings?did=saved", "/admin/applications/rad.viewer?did=edited"
	leads(saved, toLogo, "logo", inked(t, teal), "logo_dark", inked(t, color.White), "named", "1", "do", "save")
	s := savedSite(w)
	if s.Logo == "" || s.LogoDark == "" || s.Logo == s.LogoDark || !s.LogoNamed {
		t.Errorf("saved %+v", s)
	}
	for _, id := range []idp.PictureID{s.Logo, s.LogoDark} {
		w.Wants(w.Get("/admin/settings"), 200, page.PicturePath(id))
		if r := w.Get(page.PicturePath(id)); r.StatusCode != 200 || r.Header.Get("Content-Type") != "image/png" {
			t.Errorf("%s: %d %v", id, r.StatusCode, r.Header)
		}
	}
	w.Wants(w.Upload(toLogo, "logo", moving(inked(t, teal))), 422, "The picture moves")
	leads(saved, toLogo, "named", "1", "do", "without-dark")
	if now := savedSite(w); now.Logo != s.Logo || now.LogoDark != "" || !now.LogoNamed {
		t.Errorf("without the dark one: %+v", now)
	}
	leads(saved, toLogo, "logo", "", "logo_dark", "", "do", "without")
	if now := savedSite(w); now.Logo+now.LogoDark != "" || now.LogoNamed {
		t.Errorf("without: %+v", now)
	}

	icon := func() idp.PictureID { return idptest.Must(w.DB.Client(t.Context(), "rad.viewer"))(t).Icon }
	leads(edited, toIcon, "client", "rad.viewer", "icon", inked(t, teal), "do", "save")
	was := icon()
	if was == "" {
		t.Error("there is no icon")
	}
	w.Wants(w.Upload(toIcon, "client", "rad.viewer", "icon", strings.Repeat("x", 300<<10), "do", "save"), 422, "256 KB") // is read, and looked at
	w.Wants(w.Upload(toIcon, "client", "rad.viewer", "icon", "", "do", "save"), 422, "Choose a file first")
	w.Wants(w.Upload(toIcon, "client", "rad.viewer", "icon", moving(inked(t, teal))), 422, "The picture moves")
	w.Wants(w.Upload(toIcon, "client", "no.such", "icon", inked(t, teal)), 404)
	w.Wants(w.Upload(toIcon, "icon", inked(t, teal)), 400)
	w.Wants(w.Upload(toIcon, "client", "rad.viewer", "icon", strings.Repeat("x", 1<<20+1)), 413)
	if icon() != was {
		t.Error("what was refused is the icon")
	}
	leads(edited, toIcon, "client", "rad.viewer", "icon", "", "do", "without")
	if icon() != "" {
		t.Error("the icon is still there")
	}
}

func TestFaintLogosAreTold(t *testing.T) {
	t.Parallel()
	w := walk.New(t, presenting(idp.Site{}))
	w.Staff(idp.StaffAdmin)
	const dark, light, help = `id="faint-dark"`, `id="faint-light"`, "One of its own for the dark theme helps"
	for _, c := range []struct {
		ink  color.Color
		says []string
	}{
		{teal, []string{"not " + dark, "not " + light}},
		{color.Black, []string{dark, "On the dark ground this logo can hardly be seen. One of its own for the dark theme helps.", "not " + light}},
		{color.White, []string{light, "On the light ground this logo can hardly be seen.", "not " + dark}},
	} {
		w.Wants(w.Upload("/admin/settings/logo", "logo", inked(t, c.ink), "do", "save"), 200, append(c.says, "Saved.")...) // is taken all the same
		w.Wants(w.Get("/admin/settings/logo"), 200, c.says...)
		// With one of its own for the dark theme nothing is said of one, whether it is seen or not.
		w.Wants(w.Upload("/admin/settings/logo", "logo_dark", inked(t, color.White), "do", "save"), 200, "Saved.", "not "+dark, "not "+help)
		w.Wants(w.Upload("/admin/settings/logo", "logo_dark", inked(t, color.Gray{Y: 1}), "do", "save"), 200, "Saved.", dark, "not "+help)
		w.Wants(w.Upload("/admin/settings/logo", "do", "without"), 200)
	}
}
