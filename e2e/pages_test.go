package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// tours lead a window through every page and state of the product, and call
// visit at each.
var tours = map[string]func(t *testing.T, d *demo, w *window, visit func(name string)){"pages": tour, "phones": tourPhones, "admin": tourAdmin, "settings": tourSettings, "setup": tourSetup, "forgot": tourForgot, "mail": tourMail, "machine": tourMachine}

// tour is everything that needs no phone of ours.
func tour(t *testing.T, d *demo, w *window, visit func(name string)) {
	rp := d.confidential(t)
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	strict := d.confidential(t)
	strict.id, strict.redirect = "careful-reports", d.RedirectURI
	d.idp(t, "client", "add", "Quarterly Dose Reports of the Department of Interventional Radiology", "--id", strict.id,
		"--redirect-uri", d.RedirectURI, "--consent", "--scope", "openid,profile,email,groups,roles")

	d.idp(t, "settings", "set", "--help-line", "Helpdesk of the Department of Interventional Radiology, extension 4711, day and night", "--help-link", "tel:+3293324711")

	// Before anybody is known.
	bad := *rp
	bad.redirect = "https://elsewhere.klinik.test/"
	w.open(bad.authorize())
	visit("error-redirect")
	w.open(d.Issuer + "/login/NOSUCHSIGNIN")
	visit("error-gone")

	link := regexp.MustCompile(`http://\S+/invite/\S+`).FindString(d.idp(t, "invite", "maximiliane.von-und-zu-hohenfels@klinik.example",
		"--display", "Univ.-Prof. Dr. Maximiliane von und zu Hohenfels-Lichtenstein"))
	w.open(link)
	visit("invite")
	w.click("#continue")
	w.see("#enrol-form")
	visit("choose")
	w.fill("#password", "password")
	w.do(chromedp.RemoveAttribute(chromedp.CSS("#password"), "minlength"))
	w.click("#enrol-form #continue")
	w.see("#problem")
	visit("choose-wrong")
	w.chooses("slow-amber-river-42")
	visit("enrol")
	seed := w.seed()
	max := newPerson(t, "maximiliane.von-und-zu-hohenfels@klinik.example", "slow-amber-river-42", seed)
	max.spent = 0
	w.fill("#code", "12345")
	w.click("#enrol-form #continue")
	w.see("#problem")
	visit("enrol-wrong")
	w.typeCode(max.code())
	w.see("#recovery-codes")
	visit("recovery-codes-first")
	w.do(chromedp.Click(chromedp.CSS("#saved")))
	w.click("#codes-form #continue")
	w.see("#sign-out")

	// The account.
	w.open(d.Issuer + "/account/security")
	visit("account-security")
	w.open(d.Issuer + "/account/devices")
	visit("account-devices-one")
	w.open(d.Issuer + "/account/sessions")
	visit("account-sessions")
	w.open(d.Issuer + "/account/profile")
	visit("account-profile")
	w.open(d.Issuer + "/account/activity")
	visit("account-activity")
	w.click("#activity a.button")
	w.see("#notme-form")
	visit("account-notme")
	w.click("#cut")
	w.see("#next")
	visit("account-notme-done")
	w.open(d.Issuer + "/account/password")
	visit("account-password")
	w.fill("#old_password", "not the old one")
	w.fill("#new_password", "a quite new-river 77")
	w.click("#change-form button.main")
	w.see("#problem")
	visit("account-password-wrong")
	w.open(d.Issuer + "/account/recovery")
	visit("account-recovery")
	w.click("main form button.main")
	w.see("#recovery-codes")
	visit("account-recovery-codes")

	for n := 2; n <= 5; n++ {
		w.open(d.Issuer + "/account/devices")
		w.click("#link-device")
		w.see("#link-form")
		if n == 2 {
			visit("account-link")
		}
		if n == 3 {
			w.fill("#device_name", "Ward tablet")
			w.typeCode("000000")
			w.see("#problem")
			visit("account-link-wrong")
		}
		code := currentCode(t, w.seed(), time.Now())
		w.fill("#device_name", fmt.Sprintf("Tablet %d of the reading room, east", n))
		w.typeCode(code)
		w.see("#devices")
		if n == 2 {
			visit("account-devices-linked")
		}
	}
	visit("account-devices-full")
	w.click("#move")
	w.see("#full")
	visit("account-link-full")
	w.click("#move")
	w.see("svg.qr")
	visit("account-link-move")
	w.open(d.Issuer + "/account/devices")
	w.see("#devices")
	unlink := ask(w, chromedp.Evaluate[string](`document.querySelectorAll("a.x")[1].href`))
	w.do(chromedp.Click(chromedp.CSS("#devices li:nth-child(2) a.x")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	visit("account-unlink-dialog")
	w.escapes("#devices li:nth-child(2) a.x")
	w.open(unlink)
	visit("account-unlink")
	w.click("#unlink")
	w.see("#devices")
	visit("account-devices-unlinked")

	// Signing out, and in.
	w.open(d.Issuer + "/end_session")
	w.see("#signout")
	visit("sign-out")
	w.click("#sign-out")
	visit("signed-out")
	w.open(strict.authorize())
	w.see("#password-form")
	visit("password")
	w.fill("#username", d.Username)
	w.fill("#password", "wrong for sure")
	w.click("#continue")
	w.see("#problem")
	visit("password-wrong")
	w.fill("#password", anna.password)
	w.click("#continue")
	w.see("#code-form")
	visit("code")
	w.typeCode("000000")
	w.see("#problem")
	visit("code-wrong")
	w.typeCode(anna.usedCode(rp))
	w.see("#problem")
	visit("code-used")
	w.do(chromedp.Click(chromedp.CSS("#use-recovery")), chromedp.WaitVisible(chromedp.CSS("#recovery_code")))
	visit("recovery")
	w.fill("#recovery_code", "ABCD-EFGH-IJKL-MNOP")
	w.click("#continue-recovery")
	w.see("#problem")
	visit("recovery-wrong")
	w.typeCode(anna.code())
	w.see("#scopes")
	visit("consent")
	w.click("#allow")
	w.see("#problem") // the viewer's: it did not begin this
	tourConsents(t, d, w, strict, visit)

	// Codes typed wrong until it says when to come back. The administrator's.
	w.open(rp.authorize())
	w.see("#password-form")
	w.fill("#username", d.AdminUsername)
	w.fill("#password", d.AdminPassword)
	w.click("#continue")
	for range 4 {
		w.typeCode("000000")
		w.see("#problem")
	}
	visit("code-too-many")
	w.click("#start-over")
	w.see("#password-form")
	w.click("#cancel")
	w.see("#problem")

	// Nothing linked: the helpdesk removed the only device.
	d.idp(t, "user", "unlink", d.AdminUsername, device(t, d, d.AdminUsername))
	w.open(rp.authorize())
	w.see("#password-form")
	w.fill("#username", d.AdminUsername)
	w.fill("#password", d.AdminPassword)
	w.click("#continue")
	w.see("#no-device")
	visit("no-device")
	reset := regexp.MustCompile(`http://\S+/invite/\S+`).FindString(d.idp(t, "user", "reset", d.AdminUsername))
	w.open(reset)
	visit("reset")
	w.click("#continue")
	w.see("#enrol-form")
	visit("reset-password")
	w.open(strings.Replace(link, "/invite/", "/invite/x", 1))
	visit("invite-gone")
	w.open(link)
	visit("invite-used")

	// An answer by form, held back by a page that takes no post.
	form := *rp
	form.extra = url.Values{"response_mode": {"form_post"}}
	w.open(form.authorize())
	w.see("#password-form")
	visit("password-form-post")
}

// seed reads the secret that a linking page offers, which is folded away.
func (w *window) seed() string {
	w.t.Helper()
	return strings.Join(strings.Fields(ask(w, chromedp.Evaluate[string](`document.querySelector("#secret").textContent`))), "")
}

// device returns the id of a person's only device.
func device(t testing.TB, d *demo, user string) string {
	t.Helper()
	var u struct {
		Devices []struct {
			ID string `json:"id"`
		} `json:"linked"`
	}
	out := d.idp(t, "user", "show", user, "--json")
	if err := json.Unmarshal([]byte(out), &u); err != nil || len(u.Devices) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	return u.Devices[0].ID
}

func (w *window) look(theme string, width, height int64) {
	w.t.Helper()
	_, err := chromedp.Call(w.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	w.check(err)
	w.do(chromedp.EmulateViewport(width, height))
}

// violations is what axe-core says of the page that the window shows, empty for nothing.
// again: the same page was looked at in the other theme, from which it differs in its
// colours alone.
func (w *window) violations(axe string, again bool) string {
	w.t.Helper()
	if !ask(w, chromedp.Evaluate[bool](`"axe" in self`)) {
		ask(w, chromedp.Evaluate[bool](axe+`; true`))
	}
	rules := ""
	if again {
		rules = `, runOnly: ["color-contrast", "link-in-text-block"]`
	}
	return ask(w, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]`+rules+`}).then(r => r.violations.map(v =>
		v.id + ": " + v.help + " " + v.nodes.map(n => n.target.join(" ")).join(", ")).join("\n"))`, chromedp.EvalAwaitPromise))
}

// TestEveryPageIsAccessible asks axe-core on every page and state, in both
// themes, and looks for anything that needs scrolling sideways on a phone.
func TestEveryPageIsAccessible(t *testing.T) {
	t.Parallel()
	axe := must[[]byte](t)(os.ReadFile("testdata/axe/axe.min.js"))
	for name, tour := range tours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyPageIsAccessible(t, string(axe), tour)
		})
	}
}

func everyPageIsAccessible(t *testing.T, axe string, tour func(*testing.T, *demo, *window, func(string))) {
	d := startPlainDemo(t)
	w := openWindow(t, true)
	tour(t, d, w, func(name string) {
		for _, theme := range []string{"dark", "light"} {
			w.look(theme, 360, 740)
			wide := ask(w, chromedp.Evaluate[int](`document.documentElement.scrollWidth`))
			if wide > 360 {
				t.Errorf("%s (%s) is %d px wide on a phone of 360", name, theme, wide)
			}
			found := w.violations(axe, theme == "light")
			if found != "" {
				t.Errorf("%s (%s):\n%s", name, theme, found)
			}
		}
		w.access(t, name)
	})
	w.quiet()
}

// TestScreenshots takes every page and state in both themes, narrow and wide, in each of
// SCREENSHOTS_LANGS, which are English if it is not set; other languages get folders of
// their own.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("SCREENSHOTS_DIR")
	if dir == "" {
		t.Skip("make screenshots sets SCREENSHOTS_DIR; TestEveryPageIsAccessible walks the same pages")
	}
	for lang := range strings.SplitSeq(cmp.Or(os.Getenv("SCREENSHOTS_LANGS"), "en"), ",") {
		dir := dir
		if lang != "en" {
			dir = filepath.Join(dir, lang)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, tour := range tours {
			t.Run(name+"/"+lang, func(t *testing.T) {
				t.Parallel()
				screenshots(t, dir, lang, tour)
			})
		}
	}
}

func screenshots(t *testing.T, dir, lang string, tour func(*testing.T, *demo, *window, func(string))) {
	d := startPlainDemo(t)
	w := openWindow(t, true, chromedp.Flag("accept-lang", lang))
	shoot := func(name string) {
		if got := ask(w, chromedp.Evaluate[string](`document.documentElement.lang`)); got != lang && !strings.HasPrefix(w.at(), d.Viewer) {
			t.Errorf("%s is in %q, not in %q", name, got, lang)
		}
		for _, theme := range []string{"dark", "light"} {
			for _, width := range []int64{360, 1280} {
				w.look(theme, width, 740)
				png := ask(w, chromedp.FullScreenshot(100))
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, theme, width)), png, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	w.open(d.Viewer + "/")
	shoot("viewer-nobody")
	tour(t, d, w, shoot)
}
