package e2e

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"hilum/cmd/phone/phone"
	"hilum/idp"
)

// Sites with an Arabic and a Japanese name, and people whose names are as long as names
// get: on a phone nothing is out of the page of the sign-in, the account and the app, a
// name keeps its own direction, and the QR code is read from the screen.
func TestLongNamesInEveryScript(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	name := strings.Repeat("maximiliane.", 5)[:idp.MaxName-len("1@klinik.example")-2] + "1@klinik.example"
	bert := d.invite(t, name, "--display", "د. محمد عبد الرحمن الحسيني (Radiology)")
	w := openWindow(t, true)
	w.look("light", 360, 740)
	fits := func(w *window, what string) {
		t.Helper()
		if faults := ask(w, chromedp.Evaluate[[]string](`(() => {`+controls+`return fits()})()`)); len(faults) > 0 {
			t.Errorf("%s:\n%s", what, strings.Join(faults, "\n"))
		}
	}
	for _, site := range []string{"مستشفى الملك فيصل التخصصي (KFSH)", "東京大学医学部附属病院 放射線科 画像診断センター"} {
		d.idp(t, "settings", "set", "--name", site, "--label", "Radiology")
		soon(t, site, func() bool { return strings.Contains(fetched(t, d.Issuer+"/signed-out"), site) })
		w.forgets()
		w.open(d.Issuer + "/account")
		w.see("#password-form")
		fits(w, site+", sign-in")
		for _, sel := range []string{".site", "h1 b"} {
			if got := w.text(sel); got != site {
				t.Errorf("%s says %q, not %q", sel, got, site)
			}
			if got := w.style(sel, "unicode-bidi"); got != "isolate" && got != "plaintext" {
				t.Errorf("%s: %s turns with what stands beside it (unicode-bidi: %s)", site, sel, got)
			}
		}
		w.fill("#username", bert.name)
		w.fill("#password", bert.password)
		w.click("#continue")
		w.see("#code-form")
		fits(w, site+", code")
		w.typeCode(bert.code())
		w.see("#sign-out")
		for _, page := range []string{"security", "devices", "sessions", "activity", "profile"} {
			w.open(d.Issuer + "/account/" + page)
			fits(w, site+", "+page)
		}
		w.open(d.Issuer + "/account/devices")
		w.click("#link-device")
		w.see("svg.qr")
		fits(w, site+", linking")
		offer := ask(w, chromedp.Evaluate[string](`document.querySelector("#open-app").href`))
		if read := must[string](t)(phone.ReadPicture(bytes.NewReader(ask(w, chromedp.Screenshot(chromedp.CSS("svg.qr")))))); read != offer {
			t.Errorf("the picture says %s, not %s", read, offer)
		}
		if l := must[*phone.Link](t)(phone.ParseLink(offer)); !strings.Contains(l.Account, "..") || !strings.HasPrefix(l.Account, "maximiliane.") || l.Label != "Radiology" {
			t.Errorf("the code is of %q at %q", l.Account, l.Label)
		}
		p := newHandset(t, d.Issuer)
		fits(p.window, site+", app")
		p.open(p.home + "/app/#link=" + url.QueryEscape(offer))
		p.see("#link-form")
		fits(p.window, site+", linking in the app")
		p.quiet()
	}
	w.quiet()
}
