package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

// staged lets a test change what the app hears: questions in part, the stream
// off, the site away.
const staged = `{ const real = fetch; self.fetch = async (...a) => {
	const stage = JSON.parse(localStorage.getItem("stage") ?? "null"), url = String(a[0])
	if (!stage || !url.includes("/device/v1/")) return real(...a)
	if (stage.away || stage.doc && url.endsWith("/listen")) throw new TypeError("away")
	if (stage.error && url.endsWith(stage.at)) return new Response(JSON.stringify({ error: stage.error, retry_after: 40 }), { status: 409 })
	const r = await real(...a)
	if (!stage.doc || !url.endsWith("/challenges") || !r.ok) return r
	const j = await r.json()
	for (const c of j.challenges) c.doc = JSON.stringify({ ...JSON.parse(c.doc), ...stage.doc })
	return new Response(JSON.stringify(j), { headers: { "Content-Type": "application/json" } })
} }`

func (p *handset) stage(s map[string]any) {
	p.t.Helper()
	text, err := json.Marshal(s)
	p.check(err)
	p.js(fmt.Sprintf(`localStorage.setItem("stage", %q)`, text))
}

// tourLanguages are those that the app is looked at in: German has the longest words.
var tourLanguages = []string{"en-GB", "de-DE"}

// appTour leads a phone through every state of the app, in any language, and
// calls visit at each.
func appTour(t *testing.T, d *demo, p *handset, visit func(name string)) {
	bert := d.invite(t, "maximiliane.von-und-zu-hohenfels@klinik.example")
	rp := d.public(t)
	rp.extra = url.Values{"prompt": {"login"}}
	at := func(hash string) {
		t.Helper()
		p.open("about:blank")
		p.open(p.home + "/app/" + hash)
		p.see(".view")
	}
	p.allow("notifications", browser.PermissionSettingPrompt)
	at("")
	visit("app-first")
	at("#install")
	p.see("#back")
	visit("app-install")
	p.open(p.home + "/app/scan")
	p.see("#camera")
	visit("app-scan")
	p.allow("camera", browser.PermissionSettingDenied)
	p.taps("#camera")
	p.see("#problem")
	visit("app-scan-denied")
	at("#typed")
	p.see("#typed-form")
	visit("app-typed")
	p.taps("#continue")
	p.see("#problem")
	visit("app-typed-wrong")
	at("#link=" + url.QueryEscape("otpauth://totp/Elsewhere:b?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Elsewhere"))
	p.see("#problem")
	visit("app-link-foreign")
	used := bert.offers(d.Issuer)
	at("#link=" + url.QueryEscape(used))
	p.see("#link-form")
	visit("app-link")
	scan(t, used, "Faster phone", true, nil)
	p.allow("notifications", browser.PermissionSettingDenied)
	p.taps("#continue")
	p.see("#problem")
	visit("app-link-used")
	p.scans(bert.offers(d.Issuer), "One too many")
	p.stage(map[string]any{"error": "device_limit", "at": "/answer"})
	p.taps("#login")
	p.see("#said.bad")
	visit("app-device-limit")
	p.stage(nil)
	p.scans(bert.offers(d.Issuer), "Pixel 8 of the reading room, east")
	p.see("[data-ready]")
	visit("app-pair")
	p.taps("#login")
	p.see(".code-text")
	visit("app-home-linked")
	id := p.js(`document.querySelector(".card").id.replace("account-", "")`)
	for _, view := range []string{"menu", "rename", "push", "unpair"} {
		at("#" + view + "=" + id)
		p.holds(`document.querySelector("#back")`)
		visit("app-" + view)
	}
	at("#lock=" + id)
	p.see("#lock-state")
	visit("app-lock-none")
	p.js(`localStorage.setItem("hilum.lock", JSON.stringify({ on: true, id: "AAAA", salt: "AAAA" }))`)
	at("")
	p.taps("#unlock") // by a credential that there is not
	p.taps("#begin-anew summary")
	visit("app-lock-shut")
	p.js(`sessionStorage.setItem("hilum.opened", String(Date.now() + 60000))`)
	at("#lock=" + id)
	p.see("#lock-more")
	visit("app-lock-on")
	p.js(`localStorage.removeItem("hilum.lock")`)
	at("#unpair=" + id)
	p.see("#unpair")
	p.stage(map[string]any{"error": "last_device", "at": "/unpair"})
	p.taps("#unpair")
	p.see("#problem")
	visit("app-unpair-last")
	p.allow("notifications", browser.PermissionSettingPrompt)
	at("#push=" + id)
	p.see("#allow")
	visit("app-push-ask")

	// Asked, in every way there is.
	long := map[string]any{"app": "Quarterly Dose Reports of the Department of Interventional Radiology", "net": "Ward Wi-Fi", "place": "Ghent", "browser": "Firefox", "os": "Windows"}
	with := func(more map[string]any) map[string]any {
		all := map[string]any{}
		for _, m := range []map[string]any{long, more} {
			maps.Copy(all, m)
		}
		return map[string]any{"doc": all}
	}
	p.stage(with(map[string]any{"new_browser": false, "match": map[string]any{"mode": "tap"}}))
	bert.sits(rp)
	at("")
	p.see("[data-ready]")
	visit("app-ask-tap")
	p.taps("#deny")
	p.see("#notme[data-ready], .view[data-ready] #notme, #notme")
	visit("app-ask-why")
	p.stage(with(map[string]any{"match": map[string]any{"mode": "type", "len": 2}}))
	at("")
	p.see("[data-ready]")
	p.taps(keyOf('4'))
	visit("app-ask-type")
	p.stage(with(map[string]any{"match": map[string]any{"mode": "type", "len": 6}}))
	at("")
	p.see("[data-ready]")
	for _, n := range "402816" {
		p.taps(keyOf(n))
	}
	visit("app-ask-strict")
	p.stage(with(map[string]any{"match": map[string]any{"mode": "pick", "choices": []string{"14", "58", "83"}}}))
	at("")
	p.see("[data-ready]")
	visit("app-ask-pick")
	p.stage(with(map[string]any{"new_password": true, "match": map[string]any{"mode": "tap"}}))
	at("")
	p.see("[data-ready]")
	p.see("#new-password")
	visit("app-ask-password")
	p.stage(with(map[string]any{"purpose": "stepup", "match": map[string]any{"mode": "tap"}, "act": map[string]any{"key": "unlink", "name": "Pixel 8", "text": "Unlink Pixel 8"}}))
	at("")
	p.see("[data-ready]")
	p.stage(map[string]any{"away": true})
	p.taps("#login")
	p.see("#problem")
	visit("app-ask-offline")
	p.stage(with(map[string]any{"v": 2}))
	at("")
	p.see("#update")
	p.see("[data-ready]")
	visit("app-ask-newer")
	p.js(`localStorage.removeItem("stage")`)
	at("")
	p.see("[data-ready]")
	p.taps("#deny")
	p.taps("#notme")
	p.see("#said")
	visit("app-denied")

	// The account, when things are not well.
	p.stage(map[string]any{"away": true})
	at("")
	p.see(`.card[data-trouble="offline"]`)
	visit("app-home-offline")
	p.stage(map[string]any{"error": "invalid_device", "at": "/challenges"})
	at("")
	p.see(".card .note.bad")
	visit("app-home-unknown")
	p.stage(nil)
	p.open(p.home + "/app/scan")
	p.js(`new Promise(done => { const r = indexedDB.deleteDatabase("hilum"); r.onsuccess = r.onerror = () => done(1) })`)
	at("")
	p.see(".lost")
	visit("app-home-lost")
	p.scans(bert.offers(d.Issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")
	p.stage(map[string]any{"error": "unlinked", "at": "/challenges"})
	at("")
	p.see("#said.bad")
	visit("app-unlinked")
}

// brokenWords are the words on buttons that go over two lines.
const brokenWords = `(() => { const broken = []
	for (const el of document.querySelectorAll("button, .button")) for (const walk = document.createTreeWalker(el, NodeFilter.SHOW_TEXT); walk.nextNode();)
		for (const m of walk.currentNode.data.matchAll(/\S+/g)) {
			const r = document.createRange()
			r.setStart(walk.currentNode, m.index); r.setEnd(walk.currentNode, m.index + m[0].length)
			if (new Set([...r.getClientRects()].map(b => Math.round(b.top))).size > 1) broken.push(m[0])
		}
	return broken.join(" ") })()`

// Every state of the app passes axe-core in both themes; nothing needs scrolling
// sideways, at twice the text size neither.
func TestAppIsAccessible(t *testing.T) {
	t.Parallel()
	axe := must[[]byte](t)(os.ReadFile("testdata/axe/axe.min.js"))
	for _, language := range tourLanguages {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			appIsAccessible(t, language, string(axe))
		})
	}
}

func appIsAccessible(t *testing.T, language, axe string) {
	d := startPlainDemo(t)
	p := speaks(t, d.Issuer, language, staged)
	appTour(t, d, p, func(name string) {
		for _, theme := range []string{"dark", "light"} {
			p.look(theme, 360, 740)
			if broken := p.js(brokenWords); broken != "" {
				t.Errorf("%s (%s): a button breaks %s", name, theme, broken)
			}
			for _, size := range []string{"100%", "200%"} {
				p.js(fmt.Sprintf(`document.documentElement.style.fontSize = %q`, size))
				if wide := ask(p.window, chromedp.Evaluate[int](`document.documentElement.scrollWidth`)); wide > 360 {
					t.Errorf("%s (%s, %s) is %d px wide on a phone of 360", name, theme, size, wide)
				}
			}
			p.js(`document.documentElement.style.fontSize = ""`)
			found := p.violations(axe, theme == "light")
			if found != "" {
				t.Errorf("%s (%s):\n%s", name, theme, found)
			}
		}
		p.access(t, name)
	})
}

// TestScreenshotsApp takes every state of the app in both themes.
func TestScreenshotsApp(t *testing.T) {
	dir := os.Getenv("SCREENSHOTS_DIR")
	if dir == "" {
		t.Skip("make screenshots sets SCREENSHOTS_DIR; TestAppIsAccessible walks the same states")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, language := range tourLanguages {
		t.Run(language, func(t *testing.T) { appScreenshots(t, language, dir) })
	}
}

func appScreenshots(t *testing.T, language, dir string) {
	d := startPlainDemo(t)
	p := speaks(t, d.Issuer, language, staged)
	appTour(t, d, p, func(name string) {
		for _, theme := range []string{"dark", "light"} {
			p.look(theme, 360, 740)
			png := ask(p.window, chromedp.FullScreenshot(100))
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%s-360.png", name, language[:2], theme)), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	})
}
