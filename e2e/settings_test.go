package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// emblem draws a logo: a ring with a cross, and bars where a name would stand.
func emblem(t testing.TB, ink color.NRGBA, wide bool) []byte {
	t.Helper()
	w, h := 240, 240
	if wide {
		w = 900
	}
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			d := math.Hypot(float64(x-120), float64(y-120))
			cross := (x > 105 && x < 135 && y > 55 && y < 185) || (y > 105 && y < 135 && x > 55 && x < 185)
			bars := wide && x > 290 && (y > 60 && y < 110 && x < 820 || y > 140 && y < 170 && x < 640) && x%72 > 14
			if d < 115 && d > 92 || cross || bars {
				m.SetNRGBA(x, y, ink)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var (
	teal = color.NRGBA{0x0a, 0x7d, 0x6c, 0xff}
	pale = color.NRGBA{0x7f, 0xd8, 0xc8, 0xff}
)

// file writes a file for a form to send.
func file(t testing.TB, name string, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (w *window) sends(sel, path string) {
	w.t.Helper()
	w.do(chromedp.SetUploadFiles(chromedp.CSS(sel), []string{path}))
}

// style is what a property of an element is at last.
func (w *window) style(sel, property string) string {
	w.t.Helper()
	return ask(w, chromedp.Evaluate[string](fmt.Sprintf(`getComputedStyle(document.querySelector(%q)).getPropertyValue(%q)`, sel, property)))
}

// tourSettings is how a site presents itself, and what its pages look like then.
func tourSettings(t *testing.T, d *demo, w *window, visit func(name string)) {
	chief := d.administrator(t)
	w.administrates(d, chief)
	w.open(d.Issuer + "/admin/settings")
	w.see("#site")
	visit("admin-settings")
	w.click("#edit")
	w.again(chief)
	w.see("#site-form")
	visit("admin-site")
	w.fill("#accent", "#ffd500")
	w.click("#save")
	w.see("#problem")
	visit("admin-site-pale")
	w.click("#nearest")
	w.see("#preview-note")
	visit("admin-site-nearest")
	w.fill("#name", strings.Repeat("Ü", 40))
	w.click("#save")
	w.see("#problem")
	visit("admin-site-long")
	w.fill("#name", "Imaging, Saint Luke Hospital")
	w.fill("#label", "Saint Luke")
	w.fill("#accent", "#0a7d6c")
	w.click("#preview")
	w.see("#preview-note")
	visit("admin-site-preview")
	w.click("#save")
	w.see("#note")
	visit("admin-settings-saved")
	w.click("#edit-logo")
	w.again(chief)
	w.see("#logo-form")
	visit("admin-logo")
	w.sends("#logo", file(t, "logo.png", []byte("<svg/>")))
	w.click("#save")
	w.see("#problem")
	visit("admin-logo-wrong")
	w.sends("#logo", file(t, "logo.png", emblem(t, teal, false)))
	w.click("#save")
	w.see("#note")
	w.click("#edit-logo")
	w.sends("#logo_dark", file(t, "dark.png", emblem(t, pale, false)))
	w.click("#save")
	w.see("#note")
	visit("admin-settings-logo")
	w.click("#edit-logo")
	w.sends("#logo", file(t, "black.png", emblem(t, color.NRGBA{A: 0xff}, false)))
	w.sends("#logo_dark", file(t, "black.png", emblem(t, color.NRGBA{0x10, 0x14, 0x1a, 0xff}, false)))
	w.click("#save")
	w.see("#faint-dark")
	visit("admin-settings-logo-faint")
	w.click("#edit-logo")
	w.sends("#logo", file(t, "logo.png", emblem(t, teal, false)))
	w.sends("#logo_dark", file(t, "dark.png", emblem(t, pale, false)))
	w.click("#save")
	w.see("#note")
	w.click("#edit-logo")
	w.see("#remove-dark")
	visit("admin-logo-both")
	w.open(d.Issuer + "/admin/applications/demo-viewer/icon")
	w.again(chief)
	w.see("#icon-form")
	visit("admin-icon")
	w.sends("#icon", file(t, "icon.png", []byte("GIF89a")))
	w.click("#save")
	w.see("#problem")
	visit("admin-icon-wrong")
	w.sends("#icon", file(t, "icon.png", emblem(t, color.NRGBA{0xd9, 0x46, 0x2f, 0xff}, false)))
	w.click("#save")
	w.see("#note")
	visit("admin-application-icon")
	w.open(d.Issuer + "/admin/applications")
	w.see("#applications")
	visit("admin-applications-icons")
	w.open(d.Issuer + "/admin/devices")
	w.see("#devices")
	visit("admin-devices-branded")
	w.open(d.Issuer + "/admin/audit?kind=setting.")
	w.see("#events")
	visit("admin-audit-settings")
	w.open(d.Issuer + "/account/security")
	visit("account-branded")
	w.open(d.Issuer + "/app/")
	w.see(".first")
	visit("app-branded")
	w.open(d.Issuer + "/account/security")
	w.click("#sign-out")
	w.open(d.confidential(t).authorize())
	w.see("#password-form")
	visit("password-branded")
	d.idp(t, "settings", "logo", file(t, "wide.png", emblem(t, teal, true)), "--named")
	d.idp(t, "settings", "logo", file(t, "wide-dark.png", emblem(t, pale, true)), "--dark")
	soon(t, "the wide logo", func() bool { return strings.Contains(fetched(t, d.Issuer+"/signed-out"), `alt="Imaging`) })
	w.open(w.at())
	w.see("#password-form")
	visit("password-wide-logo")
}

// An administrator gives the site a name, an accent and logos; sign-in pages, app
// and manifest have them at once, in both themes. Then a command of another
// process changes the name, and takes the rest back.
func TestSiteIsNamedAndColoured(t *testing.T) {
	t.Parallel()
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts %v", scripts), func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			rp := d.confidential(t)
			chief := d.administrator(t)
			w := openWindow(t, scripts)
			w.administrates(d, chief)
			w.open(d.Issuer + "/admin/settings/edit")
			w.see("#site-form")
			if got := w.style("#save", "background-color"); got != "rgb(242, 163, 60)" {
				t.Errorf("at first the accent is %s", got)
			}

			// A colour that nobody would see is refused with one that would do.
			w.fill("#name", "Saint Luke")
			w.fill("#accent", "#ffee00")
			w.click("#save")
			w.see("#problem")
			if said := w.text("#problem"); !strings.Contains(said, "On the light ground") || w.value("#name") != "Saint Luke" || w.value("#accent") != "#ffee00" {
				t.Errorf("refused with %q, kept %q and %q", said, w.value("#name"), w.value("#accent"))
			}
			w.fill("#accent", "#0a7d6c")
			w.click("#preview")
			w.see("#preview-note")
			if got := w.style("#save", "background-color"); got != "rgb(10, 125, 108)" {
				t.Errorf("the preview is in %s", got)
			}
			if manifest := fetched(t, d.Issuer+"/app/manifest.webmanifest"); strings.Contains(manifest, "Saint Luke") {
				t.Error("the preview is saved")
			}
			w.click("#save")
			w.see("#note")
			// Black on a letterhead is nothing in a reading room: it is taken, and told.
			w.open(d.Issuer + "/admin/settings/logo")
			w.sends("#logo", file(t, "black.png", emblem(t, color.NRGBA{A: 0xff}, false)))
			w.click("#save")
			w.see("#note")
			if dark, light := w.count("#faint-dark"), w.count("#faint-light"); dark != 1 || light != 0 {
				t.Errorf("a black logo: told of %d dark and %d light grounds", dark, light)
			}
			w.open(d.Issuer + "/admin/settings/logo")
			w.sends("#logo", file(t, "logo.png", emblem(t, teal, false)))
			w.sends("#logo_dark", file(t, "dark.png", emblem(t, pale, false)))
			w.click("#save")
			w.see("#note")
			if n := w.count("#faint-dark, #faint-light"); n != 0 {
				t.Errorf("of logos that are seen it is told %d times that they are not", n)
			}
			w.open(d.Issuer + "/admin/applications/demo-viewer/icon")
			w.sends("#icon", file(t, "icon.png", emblem(t, teal, false)))
			w.click("#save")
			w.see("#note")

			w.click("#sign-out")
			w.open(rp.authorize())
			w.see("#password-form")
			for theme, want := range map[string]string{"dark": ".by-night", "light": ".by-day"} {
				w.look(theme, 1280, 800)
				if got := w.style("#continue", "background-color"); got != "rgb(10, 125, 108)" {
					t.Errorf("%s: the button is %s", theme, got)
				}
				if got := w.style("#continue", "color"); got != "rgb(255, 255, 255)" {
					t.Errorf("%s: its text is %s", theme, got)
				}
				shown := ask(w, chromedp.Evaluate[string](`[...document.querySelectorAll("header .logo")].filter(i => i.offsetWidth > 0 && i.naturalWidth === 240).map(i => "." + i.classList[1]).join()`))
				if shown != want {
					t.Errorf("%s: logo %q, want %q", theme, shown, want)
				}
			}
			if got := w.text("header"); !strings.Contains(got, "Saint Luke") {
				t.Errorf("the header says %q", got)
			}
			if n := ask(w, chromedp.Evaluate[int](`document.querySelector("main img.tile").naturalWidth`)); n != 240 {
				t.Errorf("the icon is %d wide", n)
			}
			if page := fetched(t, d.Issuer+"/app/"); !strings.Contains(page, "<title>Saint Luke</title>") || !strings.Contains(page, `data-logo="/pictures/`) {
				t.Errorf("the app does not have the name and the logo:\n%s", page)
			}
			var manifest struct{ Name string }
			if err := json.Unmarshal([]byte(fetched(t, d.Issuer+"/app/manifest.webmanifest")), &manifest); err != nil || manifest.Name != "Saint Luke" {
				t.Errorf("manifest %+v, %v", manifest, err)
			}
			if doc := fetched(t, d.Issuer+"/device/v1/site"); !strings.Contains(doc, `"Saint Luke"`) {
				t.Errorf("phones are told %s", doc)
			}
			worker := fetched(t, d.Issuer+"/app/sw.js")

			// By command, beside the running provider.
			d.idp(t, "settings", "set", "--name", "Saint Mark", "--accent", "")
			d.idp(t, "settings", "logo", "--remove")
			soon(t, "the new name", func() bool { return strings.Contains(fetched(t, d.Issuer+"/signed-out"), "Saint Mark") })
			w.open(w.at())
			w.see("#password-form")
			if got := w.style("#continue", "background-color"); got != "rgb(242, 163, 60)" {
				t.Errorf("at last the accent is %s", got)
			}
			if n := w.count("header .logo"); n != 0 {
				t.Errorf("%d logos are left", n)
			}
			if fetched(t, d.Issuer+"/app/sw.js") == worker {
				t.Error("phones do not learn that the site looks otherwise")
			}
			w.quiet()
		})
	}
}

// soon waits for what another process has changed.
func soon(t testing.TB, what string, yes func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !yes(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// fetched is what a plain request gets.
func fetched(t testing.TB, u string) string {
	t.Helper()
	at := must[*page](t)(readPage(http.Get(u)))
	return at.body
}
