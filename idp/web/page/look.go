package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/brand"
	"hilum/templates"
)

// languageAge is how long a browser keeps the chosen language.
const languageAge = 365 * 24 * time.Hour

// offeredTags are the tags of the languages that are offered while a site is presented as it is.
type offeredTags struct {
	site *idp.Site
	tags []string
}

// LanguageTags are the tags of the languages that are offered now, sorted (BCP 47). They are
// the same slice until the site changes, and must not be changed.
func (d *Door) LanguageTags() []string {
	site := d.conf.Site()
	if last := d.tags.Load(); last != nil && last.site == site {
		return last.tags
	}
	var tags []string
	for _, l := range d.conf.Words.Offered(site.Languages, site.Language) {
		tags = append(tags, l.Tag)
	}
	slices.Sort(tags)
	d.tags.Store(&offeredTags{site, tags})
	return tags
}

// chosenLanguage is the tag that the cookie of this browser says; empty: nothing was
// chosen. Anybody can write there what they like: Words.Choose looks it up.
func (d *Door) chosenLanguage(r *http.Request) string {
	c, err := r.Cookie(d.cookies.prefix + "language")
	if err != nil {
		return ""
	}
	return c.Value
}

// chooseLanguage keeps the chosen language in a cookie and leads back to the page that
// it was chosen on.
func (d *Door) chooseLanguage(w http.ResponseWriter, r *http.Request) error {
	path, ok := d.backTo(r.PostFormValue("here"))
	if !ok {
		return ErrForm
	}
	site, value := d.conf.Site(), r.PostFormValue("language")
	known := false
	for _, l := range d.conf.Words.Offered(site.Languages, site.Language) {
		known = known || l.Tag == value
	}
	if !known {
		return ErrForm
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure everywhere but on plain-http loopback
		Name: d.cookies.prefix + "language", Value: value, Path: d.cookies.path, MaxAge: int(languageAge / time.Second),
		Secure: d.conf.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	return SeeOther(w, r, path)
}

// ForgetLanguage has this browser forget the language that was chosen at the foot of a page:
// the one of the account counts again.
func (d *Door) ForgetLanguage(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure everywhere but on plain-http loopback
		Name: d.cookies.prefix + "language", Path: d.cookies.path, MaxAge: -1, Secure: d.conf.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// Look is the logos and the accent of a site, as the paths that they are served at.
func (d *Door) Look(site *idp.Site) templates.Look {
	l := templates.Look{Logo: PicturePath(site.Logo), LogoDark: PicturePath(site.LogoDark), LogoNamed: site.LogoNamed}
	if c, ok := brand.Parse(site.Accent); ok {
		l.Sheet = AccentPath(c)
	}
	return l
}

// forever is for what never changes under its path.
const forever = "public, max-age=31536000, immutable"

// picture serves a picture of the site or of an application. Its id, a digest, is its
// name in the path. Whoever opens it alone gets an image and nothing that could run.
func (d *Door) picture(w http.ResponseWriter, r *http.Request) error {
	id, ok := strings.CutSuffix(r.PathValue("name"), ".png")
	if !ok || len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		return idp.ErrNotFound
	}
	p, err := d.conf.Pictures.Picture(r.Context(), idp.PictureID(id))
	if err != nil {
		return err
	}
	return sendForever(w, "image/png", p.PNG)
}

// sendForever answers with a body that browsers may keep for a year, and that runs
// nothing when it is opened as a page.
func sendForever(w http.ResponseWriter, kind string, body []byte) error {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", forever)
	_, _ = io.Copy(w, bytes.NewReader(body)) // an error means that the browser has left
	return nil
}

// accentStyle puts another accent into the palette. It is a layer of the style
// that every page has, and says nothing that is not a colour.
func accentStyle(c brand.Colour) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "@layer tokens{:root:root:root{--amber:%s;--amber-lit:%s;--on-amber:%s;--focus:%s}}\n", c, c.Lit(), c.Text(), c)
	return b.Bytes()
}

// AccentPath is where the style of an accent is served. It has the colour and a digest of
// the style, so that what is kept for a year changes its path when the style does.
func AccentPath(c brand.Colour) string {
	sum := sha256.Sum256(accentStyle(c))
	return "/look/" + c.String()[1:] + "-" + hex.EncodeToString(sum[:8]) + ".css"
}

// accentSheet serves the style of any colour that may be an accent, not only of the one
// in force: the preview of a colour needs it before it is saved.
func (d *Door) accentSheet(w http.ResponseWriter, r *http.Request) error {
	hex, _, _ := strings.Cut(r.PathValue("name"), "-")
	c, ok := brand.Parse("#" + hex)
	if !ok || AccentPath(c) != r.URL.Path || brand.Check(c) != nil {
		return idp.ErrNotFound
	}
	return sendForever(w, "text/css; charset=utf-8", accentStyle(c))
}
