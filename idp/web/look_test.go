package web

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"hilum/idp"
	"hilum/idp/brand"
	"hilum/idp/web/page"
	"hilum/idp/web/webtest"
	"hilum/templates"
)

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
	const id = "0123456789abcdef0123456789abcdef"
	d := openWith(t, func(c *page.Config) { c.Pictures = onePicture{ID: id, PNG: []byte("\x89PNG")} })
	r := d.Get("/pictures/" + id + ".png")
	d.Wants(r, 200, "\x89PNG")
	for name, want := range map[string]string{
		"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, bad := range []string{id, id + ".svg", "0123.png", strings.ToUpper(id) + ".png", strings.Repeat("f", 32) + ".png", ".png"} {
		r := d.Get("/pictures/" + bad)
		d.Wants(r, 404)
		if got := r.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: kept as %q", bad, got)
		}
	}
}

// abroad is a door with Dutch and French beside what there is, and a site that a test
// may change.
func abroad(t *testing.T) (*door, *idp.Site) {
	t.Helper()
	words, err := templates.New(fstest.MapFS{
		"active.nl.json": {Data: []byte(`{"language.name": "Nederlands", "signedout.title": "Afgemeld", "tab.devices": "Mijn toestellen"}`)},
		"active.fr.json": {Data: []byte(`{"language.name": "Français", "signedout.title": "Déconnecté"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	site := &idp.Site{Name: "Imaging"}
	return openWith(t, func(c *page.Config) {
		c.Words, c.Site = words, func() *idp.Site { return site }
	}), site
}

// wantsIn checks in which language a page is.
func (d *door) wantsIn(r webtest.Reply, lang string) {
	d.Helper()
	if m := regexp.MustCompile(`<html lang="([^"]*)"`).FindStringSubmatch(r.Body); m == nil || m[1] != lang {
		d.Errorf("%s is in %q, want %q", r.Request.URL.Path, m, lang)
	}
}

func (d *door) getIn(path, accept string) webtest.Reply {
	d.Helper()
	req, err := http.NewRequest(http.MethodGet, d.URL+path, nil)
	if err != nil {
		d.Fatal(err)
	}
	req.Header.Set("Accept-Language", accept)
	return d.Do(req)
}

func TestLanguageOfAPage(t *testing.T) {
	d, site := abroad(t)
	d.wantsIn(d.Get("/signed-out"), "en")
	r := d.getIn("/signed-out", "fr-BE, nl;q=0.5")
	d.wantsIn(r, "fr")
	d.Wants(r, 200, "Déconnecté", ">Nederlands</button>", `<button name="language" value="fr" lang="fr" aria-current="true">`)
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Error("a page that depends on the reader is kept")
	}
	*site = idp.Site{Name: "Imaging", Language: "nl"}
	d.wantsIn(d.Get("/signed-out"), "nl")
	*site = idp.Site{Name: "Imaging", Languages: []string{"en", "nl"}}
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
	d.Wants(r, 200, "Mijn toestellen")
	d.logins.step.State, d.logins.step.Purpose = idp.LoginFactor, idp.ForStepUp
	d.wantsIn(d.getIn("/login/"+aLogin, "en"), "nl")
	// What was chosen in this browser comes before all that.
	d.Leads(d.Post("/language", "language", "en", "here", "devices"), "/account/devices")
	d.wantsIn(d.getIn("/account/devices", "nl"), "en")
	d.Leads(d.Post("/language", "language", "nl", "here", "signed-out"), "/signed-out")
	d.wantsIn(d.getIn("/signed-out", "en"), "nl")
	// Until it is no longer offered.
	*site = idp.Site{Name: "Imaging", Languages: []string{"en", "fr"}}
	d.logins.session = nil
	d.wantsIn(d.getIn("/signed-out", "fr"), "fr")
	if got := fmt.Sprint(d.page.LanguageTags()); got != "[en fr]" {
		t.Errorf("offered %s", got)
	}
	*site = idp.Site{Name: "Imaging", Languages: []string{"en"}}
	d.Wants(d.getIn("/signed-out", "fr"), 200, `not action="/language"`)

	for _, bad := range [][]string{{"language", "fr", "here", "signed-out"}, {"language", "xx", "here", "signed-out"}, {"language", "en", "here", "https://evil.example"}, {"here", "signed-out"}} {
		d.Wants(d.Post("/language", bad...), 400)
	}
}

func TestAccentIsServedForever(t *testing.T) {
	d, site := abroad(t)
	c, _ := brand.Parse("#0a7d6c")
	*site = idp.Site{Name: "Imaging", Accent: "#0a7d6c"}
	view := d.Get("/signed-out")
	d.Wants(view, 200, `<link rel="stylesheet" href="`+page.AccentPath(c)+`">`)
	if own := strings.Index(view.Body, page.AccentPath(c)); own < strings.Index(view.Body, "hilum.css") {
		t.Error("the accent stands before the style")
	}
	r := d.Get(page.AccentPath(c))
	d.Wants(r, 200, "@layer tokens{", "--amber:#0a7d6c;", "--on-amber:#ffffff;", "--focus:#0a7d6c")
	if kind, keep := r.Header.Get("Content-Type"), r.Header.Get("Cache-Control"); kind != "text/css; charset=utf-8" || keep != "public, max-age=31536000, immutable" {
		t.Errorf("%s, %s", kind, keep)
	}
	amber, _ := brand.Parse("#ffee00")
	for _, bad := range []string{"/look/0a7d6c.css", "/look/0a7d6c-0000000000000000.css", page.AccentPath(amber), "/look/x-1.css", "/look/}body{-1.css", strings.ToUpper(page.AccentPath(c))} {
		d.Wants(d.Get(bad), 404)
	}
	*site = idp.Site{Name: "Imaging"}
	d.Wants(d.Get("/signed-out"), 200, "not /look/")
}

func TestLogoOnPages(t *testing.T) {
	d, site := abroad(t)
	d.Wants(d.Get("/signed-out"), 200, `class="mark"`, "not /pictures/")
	*site = idp.Site{Name: "Imaging", Logo: "aa", LogoDark: "bb", LogoNamed: true}
	d.Wants(d.Get("/signed-out"), 200, `src="/pictures/aa.png"`, `src="/pictures/bb.png"`, `alt="Imaging"`, `not <bdi class="site">`, `not class="mark"`)
	d.Wants(d.Get("/app/"), 200, `data-logo="/pictures/aa.png" data-logo-dark="/pictures/bb.png"`)
	d.Wants(d.Get("/app/sw.js"), 200, `const extras = ["/pictures/aa.png","/pictures/bb.png"]`)
}
