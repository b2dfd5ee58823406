package e2e

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"hilum/idp/push/pushtest"
)

// handset is a phone with the app: a Chromium window, as wide as a phone.
type handset struct {
	*window
	home string // the site that the app comes from

	mu            sync.Mutex
	registrations map[string]string // service workers by scope
	errors        []string          // of service workers, as the browser reports them
}

// newHandset opens the app of a site on a new phone.
func newHandset(t testing.TB, home string, scripts ...string) *handset {
	t.Helper()
	return newHandsetOf(t, home, nil, scripts...)
}

func newHandsetOf(t testing.TB, home string, how []chromedp.ExecAllocatorOption, scripts ...string) *handset {
	t.Helper()
	p := &handset{window: openWindow(t, true, how...), home: home, registrations: map[string]string{}}
	for _, script := range scripts {
		p.inject(script)
	}
	p.check(chromedp.Listen(p.ctx, func(ev any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch ev := ev.(type) {
		case *serviceworker.EventWorkerRegistrationUpdated:
			for _, r := range ev.Registrations {
				if !r.IsDeleted {
					p.registrations[r.ScopeURL] = string(r.RegistrationID)
				} else if p.registrations[r.ScopeURL] == string(r.RegistrationID) { // and not another of the same scope
					delete(p.registrations, r.ScopeURL)
				}
			}
		case *serviceworker.EventWorkerErrorReported:
			p.errors = append(p.errors, fmt.Sprintf("%s (%s:%d)", ev.ErrorMessage.ErrorMessage, ev.ErrorMessage.SourceURL, ev.ErrorMessage.LineNumber))
		}
	}))
	_, err := chromedp.Call(p.ctx, serviceworker.Enable, cdp.Empty{})
	p.check(err)
	p.do(chromedp.EmulateViewport(360, 740))
	p.launch()
	return p
}

// launch opens the app as its icon does, in a page of its own.
func (p *handset) launch() {
	p.t.Helper()
	p.leave()
	p.open(p.home + "/app/")
	p.see(".view")
}

// leave puts an empty page before the app's. An app that opens itself anew in this
// moment, for its next version, is left once it has.
func (p *handset) leave() {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ctx, stop := context.WithTimeout(p.ctx, patience)
		_, err := chromedp.Run(ctx, chromedp.Navigate("about:blank"))
		stop()
		if failed := new(chromedp.LoadError); !errors.As(err, &failed) || failed.ErrorText != "net::ERR_ABORTED" || time.Now().After(end) {
			p.check(err)
			return
		}
	}
}

// inject runs a script in every page before its own.
func (p *handset) inject(script string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	p.check(err)
}

func (p *handset) js(what string) string {
	p.t.Helper()
	return ask(p.window, chromedp.Evaluate[string]("Promise.resolve("+what+").then(v => String(v))", chromedp.EvalAwaitPromise))
}

// taps presses what does not lead to another document.
func (p *handset) taps(sel string) {
	p.t.Helper()
	p.do(chromedp.WaitVisible(chromedp.CSS(sel)), chromedp.WaitEnabled(chromedp.CSS(sel)), chromedp.Click(chromedp.CSS(sel)))
}

// overtaken waits for a condition that holds when the next version of the app has
// taken over. Chromium ends the worker of before for that, and starts it again
// where a request reaches it in that moment; from then on it takes the worker to be
// needed until it has had nothing to do for half a minute. A worker that DevTools
// looks at, as it does here, never has nothing to do: it is sent to rest by hand.
func (p *handset) overtaken(what string) {
	p.t.Helper()
	rest := time.Now().Add(2 * time.Second)
	p.holdsMeanwhile(what, func() {
		if time.Now().Before(rest) {
			return
		}
		rest = time.Now().Add(2 * time.Second)
		_, err := chromedp.Call(p.ctx, serviceworker.StopAllWorkers, cdp.Empty{})
		p.check(err)
	})
}

// says waits until something on the screen says a text.
func (p *handset) says(sel, text string) {
	p.t.Helper()
	p.see(sel)
	q, _ := json.Marshal(text)
	p.holds(fmt.Sprintf(`document.querySelector(%q)?.textContent.includes(%s)`, sel, q))
}

// working waits until the service worker answers for the app.
func (p *handset) working() {
	p.t.Helper()
	p.await(`navigator.serviceWorker.ready.then(() => new Promise(done => navigator.serviceWorker.controller ? done(true) : navigator.serviceWorker.addEventListener('controllerchange', () => done(true))))`)
}

// await evaluates a promise.
func (p *handset) await(js string) {
	p.t.Helper()
	ask(p.window, chromedp.Evaluate[bool](js+".then(v => Boolean(v ?? true))", chromedp.EvalAwaitPromise))
}

// scans links the phone by what a QR code says, as far as the question.
func (p *handset) scans(uri, name string) {
	p.t.Helper()
	p.open("about:blank")
	p.open(p.home + "/app/#link=" + url.QueryEscape(uri))
	p.see("#link-form")
	p.fill("#phone", name)
	p.taps("#continue")
	p.see("#login")
}

// offers makes a QR code for a person who is signed in with a fresh factor.
func (p *person) offers(issuer string) string {
	p.t.Helper()
	at := p.get(issuer + "/account/link")
	if !strings.HasSuffix(at.url.Path, "/account/link") {
		at = p.submit(at, "password-form", url.Values{"username": {p.name}, "password": {p.password}})
		p.submit(at, "code-form", url.Values{"code": {p.code()}})
	}
	return offerOn(p.t, p.read(p.web.PostForm(issuer+"/account/link", nil)))
}

// keyOf is where a digit stands on the number pad.
func keyOf(n rune) string {
	if n == '0' {
		return ".pad > :nth-child(11)"
	}
	return fmt.Sprintf(".pad > :nth-child(%d)", n-'0')
}

// allow grants or refuses a permission to the app.
func (p *handset) allow(name string, setting browser.PermissionSetting) {
	p.t.Helper()
	_, err := chromedp.CallBrowser(p.ctx, browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: name}, Setting: setting, Origin: originOf(p.home),
	})
	p.check(err)
}

// types gives a number by the pad of the app.
func (p *handset) types(number string) {
	p.t.Helper()
	for _, n := range number {
		p.taps(keyOf(n))
	}
	p.taps("#login")
}

// chair is a person at a browser that is signed in by the phone.
type chair struct {
	*person
	rp *party
	at *page
}

// sits begins a sign-in and returns the number that the browser shows, if any.
func (p *person) sits(rp *party) (*chair, string) {
	p.t.Helper()
	s := &chair{person: p, rp: rp}
	s.at = p.submit(p.get(rp.authorize()), "password-form", url.Values{"username": {p.name}, "password": {p.password}})
	if find(s.at.doc, byID("asked")) == nil {
		p.t.Fatalf("no phone is asked at %s:\n%s", s.at.url, s.at.body)
	}
	if n := find(s.at.doc, byID("number")); n != nil {
		return s, textOf(n)
	}
	return s, ""
}

// arrives goes on in the browser to the application.
func (s *chair) arrives() {
	s.t.Helper()
	s.at = s.submit(s.get(s.at.url.String()), "phone-form", nil)
	if tk := must[*tokens](s.t)(s.rp.exchange(s.rp.answer(s.at))); tk.Status != http.StatusOK {
		s.t.Fatalf("the code is not good: %+v", tk)
	}
}

// leaves starts over: nobody waits for the answer any more.
func (s *chair) leaves() {
	s.t.Helper()
	s.read(s.web.PostForm(s.at.url.String()+"/startover", nil))
}

// reads returns what the browser shows by now.
func (s *chair) reads() string {
	s.t.Helper()
	return s.get(s.at.url.String()).body
}

// startPlain runs idp serve by plain http on loopback, where pages may have
// service workers, and returns it with an application.
func startPlain(t testing.TB, env ...string) (*served, *party) {
	t.Helper()
	return startPlainAt(t, "127.0.0.1", env...)
}

// startPlainAt is startPlain at another name of this machine.
func startPlainAt(t testing.TB, host string, env ...string) (*served, *party) {
	t.Helper()
	return startPlainBeneath(t, host, "", env...)
}

// startPlainBeneath is startPlainAt with an issuer that has a path.
func startPlainBeneath(t testing.TB, host, path string, env ...string) (*served, *party) {
	t.Helper()
	s := newServe(t, append([]string{
		"IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0", "IDP_LIMITS_ENROL_PER_10_MINUTES=0", "IDP_TLS_CERT_FILE=", "IDP_TLS_KEY_FILE=",
	}, env...)...)
	port := freePort(t)
	s.issuer = "http://" + host + ":" + port + path
	s.env = append(s.env, "IDP_ISSUER="+s.issuer, "IDP_LISTEN=127.0.0.1:"+port, "IDP_TLS_CERT_FILE=", "IDP_TLS_KEY_FILE=")
	s.launch(t)
	const redirect = "https://viewer.example/callback"
	id, secret := s.addClient(t, "Thorax Viewer", "--redirect-uri", redirect)
	return s, &party{
		t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid", verifier: strings.Repeat("verifier-", 6), web: s.client,
		state: "state", nonce: "nonce", extra: url.Values{"prompt": {"login"}},
	}
}

// Installed, linked, asked: by a tap, by a number, by three numbers; denied in
// both ways. Chromium at both ends.
func TestAppSignIn(t *testing.T) {
	t.Parallel()
	onBoth(t, appSignIn)
}

func appSignIn(t *testing.T) {
	d := startDemo(t)
	rp := d.public(t)
	rp.extra = url.Values{"prompt": {"login"}}
	bert := d.invite(t, "bert")
	p := newHandset(t, d.Issuer)

	// What a browser wants to install it.
	p.working()
	if scope := p.js(`navigator.serviceWorker.ready.then(r => r.scope + " " + r.active.scriptURL)`); scope != d.Issuer+"/app/ "+d.Issuer+"/app/sw.js" {
		t.Errorf("the service worker: %s", scope)
	}
	m, err := chromedp.Call(p.ctx, cdppage.GetAppManifest, cdppage.GetAppManifestParams{})
	p.check(err)
	if m.URL != d.Issuer+"/app/manifest.webmanifest" || len(m.Errors) > 0 {
		t.Errorf("the manifest: %s %v", m.URL, m.Errors)
	}
	if faults, err := chromedp.Call(p.ctx, cdppage.GetInstallabilityErrors, cdp.Empty{}); err != nil {
		t.Error(err)
	} else {
		for _, f := range faults.InstallabilityErrors {
			if f.ErrorID != "in-incognito" {
				t.Errorf("not to be installed: %s", f.ErrorID)
			}
		}
	}

	// Linking, in the browser's sight.
	w := openWindow(t, true)
	w.open(d.Issuer + "/account/link")
	w.see("#password-form")
	w.fill("#username", bert.name)
	w.fill("#password", bert.password)
	w.click("#continue")
	w.typeCode(bert.code())
	w.see("#get-app")
	w.click("#continue")
	w.see("svg.qr")
	here := ask(w, chromedp.Evaluate[string](`document.querySelector("#open-here").href`))
	p.open(here)
	p.says("#offer", "bert")
	p.fill("#phone", "Pixel 8")
	p.taps("#continue")
	p.says("h1", "Link this phone?")
	w.see("#scanned")
	p.taps("#login")
	p.says("#said", "linked")
	p.see(".code-text")
	w.see("#devices")
	if text := w.text("#devices"); !strings.Contains(text, "Pixel 8") {
		t.Errorf("My devices: %q", text)
	}
	if at := p.at(); strings.Contains(at, "otpauth") {
		t.Errorf("the link is still in the address: %s", at)
	}

	// A known browser: one tap, and only after a moment.
	w.enters(rp, bert.name, bert.password)
	w.see("#asked")
	p.says("h1", "Sign in to Sample viewer in the browser?")
	p.says(".facts", "bert")
	p.says(".facts", "Chrome")
	p.taps("#login")
	w.arrives(rp)
	p.says("#said", "Go back to your browser")

	// A new browser: the number, by touch; then by keyboard.
	other := openWindow(t, true)
	other.enters(rp, bert.name, bert.password)
	other.see("#number")
	p.see("#new-browser")
	p.types(other.text("#number"))
	other.arrives(rp)

	// Denied: a mistake. The next one asks for a number, and a wrong one ends it.
	w.enters(rp, bert.name, bert.password)
	w.see("#asked")
	p.taps("#deny")
	p.see("#notme")
	p.taps("#back")
	p.taps("#deny")
	p.taps("#mistake")
	w.see("#notice")
	if text := w.text("#notice"); !strings.Contains(text, "Denied on Pixel 8") {
		t.Errorf("denied: %q", text)
	}
	p.says("#said", "Nothing was signed in")
	w.enters(rp, bert.name, bert.password)
	w.see("#number")
	wrong := "11"
	if w.text("#number") == wrong {
		wrong = "22"
	}
	p.see(".pad")
	p.do(chromedp.SendKeys(chromedp.CSS("h1"), wrong)) // by keyboard
	p.taps("#login")
	p.says("#said", "another number")
	w.see("#wrong")
	w.enters(rp, bert.name, bert.password)
	w.see("#number")
	p.see(".pad")
	p.types(w.text("#number"))
	w.arrives(rp)

	// Answered in the browser meanwhile: the request goes by itself.
	other.enters(rp, bert.name, bert.password)
	other.see("#number")
	p.see(".pad")
	other.typeCode(bert.code())
	other.arrives(rp)
	p.says("#said", "Nobody waits")
	p.see(".code-text")

	// «It wasn't me»: nobody is asked from that browser again.
	other.enters(rp, bert.name, bert.password)
	other.see("#number")
	p.taps("#deny")
	p.taps("#notme")
	p.says("#said", "change it now")
	if href := p.js(`document.querySelector("#said-link").href`); href != d.Issuer+"/account/password" {
		t.Errorf("to change the password it leads to %v", href)
	}
	other.see("#notice")
	other.enters(rp, bert.name, bert.password)
	other.see("#paused")
	p.quiet()
	w.quiet()
	other.quiet()
}

// Three numbers to pick from, or six digits, as the site has it set.
func TestAppNumbers(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"pick", "strict"} {
		t.Run(mode, func(t *testing.T) {
			s, rp := startPlain(t, "IDP_PUSH_MATCH="+mode)
			bert := s.invite(t, "bert")
			p := newHandset(t, s.issuer)
			p.scans(bert.offers(s.issuer), "Pixel 8")
			p.taps("#login")
			p.see(".code-text")
			at, number := bert.sits(rp)
			if mode == "pick" {
				p.see(".picks")
				if n := p.js(`document.querySelectorAll(".pick").length`); n != "3" {
					t.Errorf("%s numbers to pick from", n)
				}
				nth := p.js(fmt.Sprintf(`[...document.querySelectorAll(".pick")].findIndex(b => b.textContent === %q) + 1`, number))
				p.taps(".pick:nth-child(" + nth + ")")
			} else {
				if len(number) != 6 {
					t.Errorf("the number is %q", number)
				}
				p.types(number)
			}
			p.says("#said", "Go back to your browser")
			at.arrives()

			// Another site's power fails in the middle of a request: it is answered after.
			at, number = bert.sits(rp)
			p.see(".answers")
			s.kill(t)
			if mode == "strict" {
				p.types(number)
				p.says("#problem", "No connection")
			}
			s.launch(t)
			if mode == "pick" {
				nth := p.js(fmt.Sprintf(`[...document.querySelectorAll(".pick")].findIndex(b => b.textContent === %q) + 1`, number))
				p.taps(".pick:nth-child(" + nth + ")")
			} else {
				p.taps("#login")
			}
			p.says("#said", "Go back to your browser")
			at.arrives()
		})
	}
}

// The codes need no network, and no clock that is right.
func TestAppOffline(t *testing.T) {
	t.Parallel()
	// Tells the test the secret, which the app itself cannot read again.
	const spy = `{ const real = fetch; self.fetch = async (...a) => { const r = await real(...a)
		if (String(a[0]).endsWith("/pair")) r.clone().json().then(j => { if (j.otp) document.documentElement.dataset.seed = j.otp.secret }); return r } }`
	const late = `{ const now = Date.now.bind(Date); Date.now = () => now() + Number(localStorage.getItem("late") ?? 0) }`
	for name, script := range map[string]string{"right clock": "", "ten minutes fast": late} {
		t.Run(name, func(t *testing.T) {
			d := startDemo(t)
			bert := d.invite(t, "bert")
			p := newHandset(t, d.Issuer, spy, script)
			p.working()
			p.scans(bert.offers(d.Issuer), "Pixel 8")
			seed := p.js(`document.documentElement.dataset.seed`)
			p.taps("#login")
			p.see(".code-text")
			if script != "" {
				p.js(`localStorage.setItem("late", 600_000)`)
				p.launch() // is told that its clock is wrong, and by how much
				p.holds(`await new Promise(ok => { const r = indexedDB.open("hilum"); r.onsuccess = () => {
					const all = r.result.transaction("accounts").objectStore("accounts").getAll()
					all.onsuccess = () => { r.result.close(); ok(Math.abs(all.result[0].offset + 600) < 5) } } })`)
			}
			d.stop(t)
			p.launch()
			right := func() bool {
				before := currentCode(t, seed, time.Now())
				shown := strings.ReplaceAll(p.text(".code-text"), " ", "")
				return shown == before || shown == currentCode(t, seed, time.Now())
			}
			for end := time.Now().Add(patience); !right(); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the app shows %s, the code is %s", p.text(".code-text"), currentCode(t, seed, time.Now()))
				}
			}
			p.says(".card", "No connection to Hilum")
			p.open("about:blank")
			p.open(p.home + "/app/scan") // is there, too
			p.see("#camera")
		})
	}
}

// Renamed, unpaired from either end, the last device kept; two accounts of two
// sites in one app.
func TestAppAccounts(t *testing.T) {
	t.Parallel()
	onBoth(t, appAccounts)
}

func appAccounts(t *testing.T) {
	d, far := startDemo(t), startDemo(t)
	bert, eva := d.invite(t, "bert"), far.invite(t, "eva")
	p := newHandset(t, d.Issuer)
	p.scans(bert.offers(d.Issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")
	p.scans(eva.offers(far.Issuer), "Pixel of Eva")
	p.taps("#login")
	p.says("#said", "linked")
	p.holds(`document.querySelectorAll(".code-text").length === 2`)

	// Each site asks for its own.
	rp := far.confidential(t)
	rp.extra = url.Values{"prompt": {"login"}}
	at, number := eva.sits(rp)
	p.says(".facts", "eva")
	p.types(number)
	p.says("#said", "Go back")
	at.arrives()
	p.holds(`document.querySelectorAll(".code-text").length === 2`)

	menu := func(who, item string) {
		t.Helper()
		p.launch()
		p.see("#accounts")
		id := p.js(fmt.Sprintf(`[...document.querySelectorAll(".card")].find(c => c.querySelector(".who").textContent === %q).id`, who))
		p.taps("#" + id + " .icon-button")
		p.taps("#to-" + item)
	}
	menu("bert", "rename")
	p.fill("#phone", "Pixel 9 of Bert")
	p.taps("#save")
	p.says("#said", "saved")
	if body := bert.get(d.Issuer + "/account/devices").body; !strings.Contains(body, "Pixel 9 of Bert") {
		t.Error("My devices does not know the new name")
	}

	// From the web page: the app hears of it, and wipes the account.
	body := eva.get(far.Issuer + "/account/devices").body
	_, after, _ := strings.Cut(body, "Pixel of Eva")
	_, after, _ = strings.Cut(after, "/account/devices/")
	id, _, _ := strings.Cut(after, "/")
	eva.read(eva.web.PostForm(far.Issuer+"/account/devices/"+id+"/unlink", nil))
	p.says("#said", "eva at Hilum was unlinked elsewhere")
	p.holds(`document.querySelectorAll(".card").length === 1`)

	// From the app. The person's other device, a code, is left; then it is the
	// last one, and stays.
	menu("bert", "unpair")
	p.taps("#unpair")
	p.says("#said", "unpaired")
	p.says("h1", "Sign in with this phone")
	if body := bert.get(d.Issuer + "/account/devices").body; strings.Contains(body, "Pixel 9 of Bert") {
		t.Error("My devices still lists the phone")
	}
	carla := d.invite(t, "carla")
	p.scans(carla.offers(d.Issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")
	body = carla.get(d.Issuer + "/account/devices").body
	_, after, _ = strings.Cut(body, "id=\"device-")
	id, _, _ = strings.Cut(after, "\"") // the oldest: the code of the invitation
	carla.read(carla.web.PostForm(d.Issuer+"/account/devices/"+id+"/unlink", nil))
	menu("carla", "unpair")
	p.taps("#unpair")
	p.says("#problem", "only device")
	p.taps("#keep")
	p.see(".code-text")

	// Typed, for a phone without a camera.
	offer := bert.read(bert.web.PostForm(d.Issuer+"/account/link", nil))
	p.open("about:blank")
	p.open(p.home + "/app/#typed")
	p.see("#typed-form")
	p.fill("#user", "bert")
	p.fill("#short", strings.ToLower(textOf(find(offer.doc, byID("short")))))
	p.taps("#continue")
	p.says("h1", "Link this phone?")
	p.says(".facts", "bert")
	p.taps("#deny")
	p.says("#said", "Nothing was signed in")
	p.quiet()
}

// dump is all that the browser keeps for the app's site, as far as a script in
// its pages can see.
const dump = `(async () => {
	const seen = new WeakSet()
	const bytes = (b) => [...new Uint8Array(b.buffer ?? b)].map(x => String.fromCharCode(x)).join("")
	const plain = (v) => {
		if (v instanceof CryptoKey) return "CryptoKey"
		if (v instanceof ArrayBuffer || ArrayBuffer.isView(v)) return bytes(v)
		if (v && typeof v === "object") { if (seen.has(v)) return ""; seen.add(v); return JSON.stringify(Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]))) }
		return String(v)
	}
	let out = JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage })
	for (const { name } of await indexedDB.databases()) {
		const db = await new Promise((ok, no) => { const r = indexedDB.open(name); r.onsuccess = () => ok(r.result); r.onerror = no })
		for (const store of db.objectStoreNames) {
			const all = await new Promise(ok => { const r = db.transaction(store).objectStore(store).getAll(); r.onsuccess = () => ok(r.result) })
			out += all.map(plain).join("\n")
		}
		db.close()
	}
	for (const name of await caches.keys()) {
		const cache = await caches.open(name)
		for (const r of await cache.keys()) out += "\ncached " + new URL(r.url).pathname + "\n" + await (await cache.match(r)).text()
	}
	return out
})()`

// stolen tries to take every key out of the app's database, and counts them.
const stolen = `(async () => {
	const db = await new Promise(ok => { const r = indexedDB.open("hilum"); r.onsuccess = () => ok(r.result) })
	const all = await new Promise(ok => { const r = db.transaction("accounts").objectStore("accounts").getAll(); r.onsuccess = () => ok(r.result) })
	db.close()
	let kept = 0, out = 0
	for (const a of all) for (const v of Object.values(a)) if (v instanceof CryptoKey) {
		if (v.extractable) out++
		for (const format of ["raw", "jwk", "pkcs8", "spki"]) {
			try { await crypto.subtle.exportKey(format, v); out++ } catch { /* as it has to be */ }
		}
		kept++
	}
	return kept + " kept, " + out + " taken"
})()`

// A script in the page can use the keys, but never take them; nothing of
// sign-ins and accounts is kept on the phone.
func TestAppKeepsSecrets(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	bert := d.invite(t, "bert")
	const spy = `{ const real = fetch; self.fetch = async (...a) => { const r = await real(...a)
		if (String(a[0]).endsWith("/pair")) r.clone().json().then(j => { if (j.otp) document.documentElement.dataset.seed = j.otp.secret }); return r } }`
	p := newHandset(t, d.Issuer, spy)
	_, err := chromedp.Call(p.ctx, cdppage.SetBypassCSP, cdppage.SetBypassCSPParams{Enabled: true})
	p.check(err)
	p.working()
	uri := bert.offers(d.Issuer)
	p.scans(uri, "Pixel 8")
	seed := p.js(`document.documentElement.dataset.seed`)
	p.taps("#login")
	p.see(".code-text")
	if got := p.js(stolen); got != "2 kept, 0 taken" {
		t.Errorf("of the keys: %s", got)
	}

	// In the same browser the person signs in, links and looks at the account.
	p.open(d.Issuer + "/account/devices")
	p.see("#password-form")
	p.fill("#username", bert.name)
	p.fill("#password", bert.password)
	p.click("#continue")
	p.typeCode(bert.code())
	for _, path := range []string{"security", "devices", "sessions", "link"} {
		p.open(d.Issuer + "/account/" + path)
		p.see("#sign-out")
		if got := p.js(`navigator.serviceWorker.controller`); got != "null" {
			t.Errorf("/account/%s is under the app's service worker", path)
		}
	}
	p.launch()
	kept := p.js(dump)
	if !strings.Contains(kept, "cached /app/\n") || !strings.Contains(kept, "CryptoKey") {
		t.Fatalf("the dump is not one: %.300q", kept)
	}
	raw := must[[]byte](t)(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(seed))
	old := must[*url.URL](t)(url.Parse(uri)).Query()
	for what, secret := range map[string]string{
		"the secret": seed, "the secret's bytes": string(raw), "the QR's secret": old.Get("secret"), "the pair code": old.Get("pair"), "the password": bert.password,
		"a page of the account": "cached /account", "a sign-in": "cached /login", "a page's words": "sign-out",
	} {
		if strings.Contains(kept, secret) {
			t.Errorf("%s is kept on the phone", what)
		}
	}
	for line := range strings.SplitSeq(kept, "\n") {
		if path, ok := strings.CutPrefix(line, "cached "); ok && path != "/app/" && path != "/app/scan" && !strings.Contains(path, "/app/") {
			t.Errorf("%s is cached", path)
		}
	}
}

// The browser throws the keys away, the phone has notifications off: both have a
// sentence and a way out.
func TestAppLosesItsKeys(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	bert := d.invite(t, "bert")
	p := newHandset(t, d.Issuer)
	p.allow("notifications", browser.PermissionSettingDenied)
	p.scans(bert.offers(d.Issuer), "Pixel 8")
	p.taps("#login")
	p.says(".card", "Notifications are off")
	p.taps(`.card a[href^="#push="]`)
	p.says("#push-state", "blocked")
	p.open(p.home + "/app/scan")
	p.js(`new Promise(done => { const r = indexedDB.deleteDatabase("hilum"); r.onsuccess = r.onerror = () => done(1) })`)
	p.launch()
	p.says(".lost", "The keys are gone")
	p.says(".lost", "bert")
	p.see("#link-again")
	p.scans(bert.offers(d.Issuer), "Pixel 8 again")
	p.taps("#login")
	p.see(".code-text")
	p.holds(`!document.querySelector(".lost")`)
	p.quiet()
}

// A phone that is linked again to the account that it has takes its own place, and says
// nothing of being unlinked; where the second linking comes to nothing it stays as it was.
func TestAppLinkedAgain(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	bert := d.invite(t, "bert")
	linked := func() map[string]string { // the ids by the names
		t.Helper()
		ids := map[string]string{}
		for line := range strings.Lines(d.idp(t, "device", "list", "bert", "--json")) {
			var one struct{ ID, Name string }
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			if one.Name != "Test phone" { // by which bert has his first
				ids[one.Name] = one.ID
			}
		}
		return ids
	}
	alone := func(when string) {
		t.Helper()
		if got := linked(); len(got) != 1 || got["Pixel 8 again"] == "" {
			t.Errorf("%s: %q", when, got)
		}
	}
	one := `document.querySelectorAll("#accounts .card").length === 1`
	p := newHandset(t, d.Issuer)
	p.scans(bert.offers(d.Issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")

	p.scans(bert.offers(d.Issuer), "Pixel 8 again")
	p.taps("#login")
	p.says("#said", "linked")
	p.holds(one)
	p.says("#said", "linked") // and not that it is unlinked
	alone("linked again")
	p.launch()
	p.see(".code-text")
	p.holds(one)
	if got := p.js(`document.querySelector("#said")?.textContent ?? ""`); got != "" {
		t.Errorf("opened again it says %s", got)
	}

	p.scans(bert.offers(d.Issuer), "Pixel 8 a third time")
	p.taps("#deny")
	p.holds(one)
	alone("after Deny")
	rp := d.confidential(t)
	rp.extra = url.Values{"prompt": {"login"}}
	_, number := bert.sits(rp)
	p.see("#login")
	p.answersBy(number)
	p.says("#said", "Done.")

	// Unlinked after that, it says so: nothing has taken its place.
	d.idp(t, "device", "unlink", linked()["Pixel 8 again"], "--reason", "lost")
	p.says("#said", "unlinked")
	p.quiet()
}

// What is shown to the app and is not for it, or too new for it.
func TestAppRefuses(t *testing.T) {
	t.Parallel()
	// As if the site were of another age: questions come changed, and no stream.
	const alter = `{ const real = fetch; self.fetch = async (...a) => {
		const change = localStorage.getItem("alter")
		if (!change) return real(...a)
		if (String(a[0]).endsWith("/listen")) throw new TypeError("no stream")
		const r = await real(...a)
		if (!String(a[0]).endsWith("/challenges") || !r.ok) return r
		const j = await r.json()
		for (const c of j.challenges) c.doc = JSON.stringify({ ...JSON.parse(c.doc), ...JSON.parse(change) })
		return new Response(JSON.stringify(j), { headers: { "Content-Type": "application/json" } })
	} }`
	d := startDemo(t)
	bert := d.invite(t, "bert")
	p := newHandset(t, d.Issuer, alter)
	for text, says := range map[string]string{
		"https://example.org/": "not one of ours",
		"otpauth://totp/Elsewhere:bert?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Elsewhere":            "other authenticator apps",
		"otpauth://totp/Hilum:bert?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Hilum&idp=x.test&pair=zz": "damaged",
	} {
		p.open("about:blank")
		p.open(p.home + "/app/#link=" + url.QueryEscape(text))
		p.says("#problem", says)
	}
	uri := bert.offers(d.Issuer)
	scan(t, uri, "Faster phone", true, nil)
	p.open("about:blank")
	p.open(p.home + "/app/#link=" + url.QueryEscape(uri))
	p.taps("#continue")
	p.says("#problem", "used already")

	p.scans(bert.offers(d.Issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")
	rp := d.confidential(t)
	rp.extra = url.Values{"prompt": {"login"}}
	for change, says := range map[string]string{`{"v":2}`: "Update this app", `{"match":{"mode":"wink"}}`: "Update this app", `{"iss":"https://elsewhere.test"}`: "Sign-in request"} {
		p.js(fmt.Sprintf(`localStorage.setItem("alter", %q)`, change))
		at, _ := bert.sits(rp)
		p.launch()
		p.says("h1", says)
		if p.js(`document.querySelector("#login")`) != "null" {
			t.Errorf("%s may be approved", change)
		}
		p.taps("#deny") // what was shown is not what was asked
		p.says("#said", "gone")
		if strings.Contains(at.reads(), "phone-form") {
			t.Errorf("%s was approved", change)
		}
		p.js(`localStorage.removeItem("alter")`)
		p.launch()
		p.see(".answers") // asked as it is, now
		p.taps("#deny")
		p.taps("#mistake")
		p.says("#said", "Nothing was signed in")
		bert.elsewhere()
	}
	p.quiet()
}

// On an iPhone nothing is linked from a page of the browser, which would lose it;
// in the installed app it is.
func TestAppOnAnIPhone(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	bert := d.invite(t, "bert")
	const agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
	p := newHandset(t, d.Issuer, `if (location.protocol === "http:" && sessionStorage.getItem("installed")) navigator.standalone = true`)
	_, err := chromedp.Call(p.ctx, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent})
	p.check(err)
	p.launch()
	p.see("#to-install")
	uri := bert.offers(d.Issuer)
	for _, hash := range []string{"#link=" + url.QueryEscape(uri), "#typed"} {
		p.open("about:blank")
		p.open(p.home + "/app/" + hash)
		p.says("#ios", "Home Screen")
		if n := p.js(`document.querySelectorAll("form").length`); n != "0" {
			t.Errorf("%s can be linked", hash)
		}
	}
	p.open(p.home + "/app/scan")
	p.says("#ios", "Home Screen")
	p.js(`sessionStorage.setItem("installed", "1")`)
	p.scans(uri, "iPhone of Bert")
	p.taps("#login")
	p.see(".code-text")
	if body := bert.get(d.Issuer + "/account/devices").body; !strings.Contains(body, "iPhone or iPad") {
		t.Error("My devices does not know what it is")
	}
	p.quiet()
}

// subscribes stands in for the platform's push service, which Chromium reaches
// over the internet only: subscriptions lead to the test's own service.
func subscribes(addresses ...*pushtest.Subscription) string {
	list, _ := json.Marshal(func() (all []map[string]string) {
		for _, s := range addresses {
			all = append(all, map[string]string{"endpoint": s.Address.Endpoint, "p256dh": s.Address.P256dh, "auth": s.Address.Auth})
		}
		return all
	}())
	return `{
	const list = ` + string(list) + `
	const real = Object.getOwnPropertyDescriptor(ServiceWorkerRegistration.prototype, "pushManager").get
	Object.defineProperty(ServiceWorkerRegistration.prototype, "pushManager", { get() { const m = real.call(this); m.at = "test.sub" + new URL(this.scope).pathname; return m } })
	const sub = (at) => { const s = JSON.parse(localStorage.getItem(at) ?? "null"); return s && {
		options: { applicationServerKey: Uint8Array.from(atob(s.key.replaceAll("-", "+").replaceAll("_", "/")), c => c.charCodeAt(0)).buffer },
		toJSON: () => ({ endpoint: s.endpoint, keys: { p256dh: s.p256dh, auth: s.auth } }),
		unsubscribe: async () => { localStorage.removeItem(at); return true },
	} }
	PushManager.prototype.getSubscription = async function () { return sub(this.at) }
	PushManager.prototype.subscribe = async function (o) {
		if (!o.userVisibleOnly) throw new Error("silent pushes")
		const n = Number(localStorage.getItem("test.subs") ?? 0)
		localStorage.setItem("test.subs", n + 1)
		localStorage.setItem(this.at, JSON.stringify({ ...list[n], key: btoa(String.fromCharCode(...o.applicationServerKey)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "") }))
		return sub(this.at)
	} }`
}

// pushed delivers to the service worker what the push service was given for it.
func (p *handset) pushed(sub *pushtest.Subscription, scope ...string) {
	p.t.Helper()
	var m pushtest.Message
	select {
	case m = <-sub.Got:
	case <-time.After(patience):
		p.t.Fatal("the provider sent no push")
	}
	p.deliver(string(m.Text), scope...)
}

// deliver hands a push to the service worker, of the app or of a scope below it.
func (p *handset) deliver(text string, scope ...string) {
	p.t.Helper()
	p.mu.Lock()
	id := p.registrations[p.home+strings.Join(append([]string{"/app/"}, scope...), "")]
	p.mu.Unlock()
	if id == "" {
		p.t.Fatalf("no service worker is registered: %v", p.registrations)
	}
	_, err := chromedp.Call(p.ctx, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{
		Origin: p.home, RegistrationID: serviceworker.RegistrationID(id), Data: text,
	})
	p.check(err)
}

// notified are the notifications that the phone shows, a line each.
func (p *handset) notified() string {
	p.t.Helper()
	return p.js(`navigator.serviceWorker.getRegistrations().then(l => Promise.all(l.map(r => r.getNotifications()))).then(l => l.flat().map(n => n.title + " | " + n.body + " | " + n.actions.map(a => a.action)).join("\n"))`)
}

// shown waits until the phone shows a notification that says a text.
func (p *handset) shown(text string) {
	p.t.Helper()
	p.showsAfter(text, func() {})
}

// showsAfter is shown with something that is done again and again until then.
func (p *handset) showsAfter(text string, do func()) {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		do()
		all := p.notified()
		if strings.Contains(all, text) {
			return
		}
		if time.Now().After(end) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.t.Fatalf("the phone shows %q, not %q; its workers: %v %q", all, text, p.registrations, p.errors)
		}
	}
}

// hears is pushed and shown for a worker that has to be started, for which the browser has a time of
// its own: it says nothing of a push that it gives up, which a push service delivers again. So does
// this, with what else has come meanwhile.
func (p *handset) hears(sub *pushtest.Subscription, text string, scope ...string) {
	p.t.Helper()
	var last pushtest.Message
	select {
	case last = <-sub.Got:
	case <-time.After(patience):
		p.t.Fatal("the provider sent no push")
	}
	p.deliver(string(last.Text), scope...)
	again := time.Now().Add(15 * time.Second)
	p.showsAfter(text, func() {
		select {
		case last = <-sub.Got:
		default:
			if time.Now().Before(again) {
				return
			}
		}
		p.t.Logf("delivered behind the first, or again: %s", last.Text)
		p.deliver(string(last.Text), scope...)
		again = time.Now().Add(15 * time.Second)
	})
}

// pushing is a push service and what a provider needs to use it.
func pushing(t *testing.T) (service *pushtest.WebPush, env []string) {
	t.Helper()
	service = pushtest.NewWebPush(t)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, service.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return service, []string{"SSL_CERT_FILE=" + roots, "IDP_PUSH_WEBPUSH_HOSTS=" + service.Host(), "IDP_PUSH_WEBPUSH_NETWORKS=127.0.0.0/8", "IDP_PUSH_MATCH=tap"}
}

// A push wakes the service worker, which asks the site itself what waits: the
// push service learns nothing, the person sees who asks.
func TestAppPush(t *testing.T) {
	t.Parallel()
	service, env := pushing(t)
	s, rp := startPlain(t, env...)
	bert := s.invite(t, "bert")
	first, second := service.Subscribe(), service.Subscribe()
	p := newHandset(t, s.issuer, subscribes(first, second))
	p.allow("notifications", browser.PermissionSettingGranted)
	p.working()
	p.scans(bert.offers(s.issuer), "Pixel 8")
	p.pushed(first) // linking itself asks by push
	p.shown("Link this phone?")
	p.taps("#login")
	p.see(".code-text")
	p.holds(`!document.querySelector(".card").textContent.includes("Notifications are off")`)

	// The app is closed; the push names application and account. Away from the app
	// there is a page of its own to look from.
	away := func() { t.Helper(); p.open("about:blank"); p.open(s.issuer + "/signed-out") }
	away()
	at, _ := bert.sits(rp)
	p.pushed(first)
	p.shown("Sign in to Thorax Viewer? | bert at Hilum | open,deny")
	p.launch() // what a tap on it does
	p.says("h1", "Sign in to Thorax Viewer?")
	p.taps("#login")
	p.says("#said", "Go back to your browser")
	at.arrives()
	if n := p.js(`navigator.serviceWorker.getRegistration("/app/").then(r => r.getNotifications()).then(l => l.length)`); n != "0" {
		t.Errorf("%s notifications are left", n)
	}

	// Withdrawn: what is shown says so, in the same place.
	away()
	at, _ = bert.sits(rp)
	p.pushed(first)
	p.shown("Sign in to Thorax Viewer?")
	at.leaves()
	p.pushed(first)
	p.shown("Nothing to do")
	if n := p.js(`navigator.serviceWorker.getRegistration("/app/").then(r => r.getNotifications()).then(l => l.length)`); n != "1" {
		t.Errorf("%s notifications are shown for one request", n)
	}

	// Denied from the notification, without opening the app.
	at, _ = bert.sits(rp)
	p.pushed(first)
	p.shown("Sign in to Thorax Viewer?")
	p.worker(`registration.getNotifications().then(l => self.dispatchEvent(new NotificationEvent("notificationclick", { notification: l.find(n => n.actions.length), action: "deny" })))`)
	for end := time.Now().Add(patience); !strings.Contains(at.reads(), "Denied on Pixel 8"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the browser does not hear of the denial")
		}
	}

	// Whatever comes, something is shown.
	for text, says := range map[string]string{"": "Sign-in request", "{}": "Sign-in request", "not json": "Sign-in request", `{"t":"login","c":"none"}`: "Nothing to do",
		`{"t":"test","notification":{"title":"Test","body":"Notifications work on this device."}}`: "Notifications work"} {
		p.deliver(text)
		p.shown(says)
	}
	s.kill(t)
	p.open("about:blank")
	p.launch()
	p.deliver(`{"t":"login","c":"unreachable"}`)
	p.shown("Open to answer")
	s.launch(t)

	// Subscribed by another key than the site has: anew, and the site is told.
	p.js(`localStorage.setItem("test.sub/app/", JSON.stringify({ ...JSON.parse(localStorage.getItem("test.sub/app/")), key: "BBBB" }))`)
	p.launch()
	p.holds(`JSON.parse(localStorage.getItem("test.sub/app/"))?.key !== "BBBB"`)
	bert.elsewhere()
	for end := time.Now().Add(patience); len(second.Got) == 0; {
		if time.Now().After(end) {
			t.Fatal("no push comes to the new address")
		}
		at, _ = bert.sits(rp)
		// Patiently: who leaves three sign-ins unanswered is not asked for a while.
		for soon := time.Now().Add(5 * time.Second); len(second.Got) == 0 && time.Now().Before(soon); {
			time.Sleep(20 * time.Millisecond)
		}
		at.leaves()
	}

	// Unlinked while the app is closed: the next push says so, and the keys go
	// before the app is opened.
	away()
	body := bert.get(s.issuer + "/account/devices").body
	if !strings.Contains(body, "Pixel 8") {
		body = bert.signedIn(s.issuer)
	}
	_, after, _ := strings.Cut(body, "Pixel 8")
	_, after, _ = strings.Cut(after, "/account/devices/")
	id, _, _ := strings.Cut(after, "/")
	bert.read(bert.web.PostForm(s.issuer+"/account/devices/"+id+"/unlink", nil))
	p.deliver(`{"t":"login","c":"another"}`)
	p.shown("bert at Hilum was unlinked")
	if got := p.js(stolen); got != "0 kept, 0 taken" {
		t.Errorf("of the keys: %s", got)
	}
	p.launch()
	p.says("#said", "unlinked elsewhere")
	p.says("h1", "Sign in with this phone")
}

// signedIn goes to My devices, with password and code.
func (p *person) signedIn(issuer string) string {
	p.t.Helper()
	at := p.get(issuer + "/account/devices")
	at = p.submit(at, "password-form", url.Values{"username": {p.name}, "password": {p.password}})
	return p.submit(at, "code-form", url.Values{"code": {p.code()}}).body
}

// Each site has a key of its own and so a registration of its own; a site that
// does not take the browser's push service links the phone all the same.
func TestAppPushOfTwoSites(t *testing.T) {
	t.Parallel()
	service, env := pushing(t)
	near, _ := startPlain(t, env...)
	far, rp := startPlain(t, env...)
	bert, eva := near.invite(t, "bert"), far.invite(t, "eva")
	first, second, third := service.Subscribe(), service.Subscribe(), service.Subscribe()
	p := newHandset(t, near.issuer, subscribes(first, second, third))
	p.allow("notifications", browser.PermissionSettingGranted)
	p.working()
	p.scans(bert.offers(near.issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")
	p.scans(eva.offers(far.issuer), "Pixel 8")
	scope := p.js(`navigator.serviceWorker.getRegistrations().then(l => l.map(r => new URL(r.scope).pathname).find(s => s !== "/app/"))`)
	if !strings.HasPrefix(scope, "/app/at/") {
		t.Fatalf("the second site has %q", scope)
	}
	below := strings.TrimPrefix(scope, "/app/")
	// A push to a worker that is still being installed is nobody's.
	p.holds(`await navigator.serviceWorker.getRegistrations().then(l => l.some(r => new URL(r.scope).pathname === "` + scope + `" && r.active?.state === "activated"))`)
	p.pushed(second, below)
	p.taps("#login")
	p.says("#said", "linked")
	p.open("about:blank")
	p.open(near.issuer + "/signed-out")
	at, _ := eva.sits(rp)
	p.hears(second, "Sign in to Thorax Viewer? | eva at Hilum", below)
	p.launch()
	p.taps("#login")
	p.says("#said", "Go back")
	at.arrives()

	demo := startDemo(t) // which takes no push service of this machine
	carla := demo.invite(t, "carla")
	p.scans(carla.offers(demo.Issuer), "Pixel 8")
	p.taps("#login")
	p.says("#said", "linked")
	id := p.js(`[...document.querySelectorAll(".card")].find(c => c.querySelector(".who").textContent === "carla").id.replace("account-", "")`)
	p.open("about:blank")
	p.open(p.home + "/app/#push=" + id)
	p.says("#push-state", "cannot reach this phone")

	// The last account of a site leaves nothing of it behind.
	p.launch()
	p.holds(`document.querySelectorAll(".card").length === 3`)
	id = p.js(`[...document.querySelectorAll(".card")].find(c => c.querySelector(".who").textContent === "eva").id.replace("account-", "")`)
	p.open("about:blank")
	p.open(p.home + "/app/#unpair=" + id)
	p.taps("#unpair")
	p.says("#said", "unpaired")
	p.holds(`!localStorage.getItem("test.sub` + scope + `")`)
}

// A new version takes over when the app is opened the next time, whole, and the
// keys stay.
func TestAppUpdates(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	bert := d.invite(t, "bert")
	site, next := updating(t, d)
	p := newHandset(t, site.URL)
	p.working()
	p.scans(bert.offers(d.Issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")
	old, fetched := site.update(p)
	p.launch()
	if now := p.js(`document.querySelector("script[type=module]").src.split("/")[4]`); now != old {
		t.Errorf("opened with %s while it was fetching", now)
	}
	fetched()
	p.holds(`await navigator.serviceWorker.getRegistration("/app/").then(r => r.waiting || caches.keys().then(l => l.length === 1 && l[0].startsWith("hilum-app-` + next + `-")))`)
	p.launch()
	p.overtaken(`document.querySelector("script[type=module]")?.src.includes("` + next + `")`)
	p.see(".code-text")
	p.holds(`await caches.keys().then(l => l.length === 1 && l[0].startsWith("hilum-app-` + next + `-"))`)
	site.Close()
	p.launch()
	p.see(".code-text")
}

// updated is a site whose app can be made a newer one.
type updated struct {
	*httptest.Server
	t     *testing.T
	next  string
	old   string
	newer atomic.Bool
	ready chan struct{}
}

// updating serves a site through a front that can give its app another version,
// next.
func updating(t *testing.T, d *demo) (s *updated, next string) {
	t.Helper()
	s = &updated{t: t, next: "ffffffffffffffff", ready: make(chan struct{})}
	front := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(must[*url.URL](t)(url.Parse(d.Issuer)))
		r.Out.Header.Set("Accept-Encoding", "identity")
	}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.newer.Load() {
			front.ServeHTTP(w, r)
			return
		}
		if strings.Contains(r.URL.Path, s.old) {
			http.NotFound(w, r) // of the version before
			return
		}
		if strings.Contains(r.URL.Path, s.next) {
			select {
			case <-s.ready:
			case <-r.Context().Done():
			}
		}
		r.URL.Path = strings.Replace(r.URL.Path, s.next, s.old, 1)
		answer := httptest.NewRecorder()
		front.ServeHTTP(answer, r)
		body := strings.ReplaceAll(answer.Body.String(), s.old, s.next)
		maps.Copy(w.Header(), answer.Header())
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(answer.Code)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s, s.next
}

// update makes the app newer than the one that a handset shows, whose version it
// returns. The files of the newer one are on their way until they are fetched.
func (s *updated) update(p *handset) (old string, fetched func()) {
	s.t.Helper()
	s.old = p.js(`document.querySelector("script[type=module]").src.split("/")[4]`)
	if len(s.old) != len(s.next) {
		s.t.Fatalf("the version is %q", s.old)
	}
	s.newer.Store(true)
	return s.old, sync.OnceFunc(func() { close(s.ready) })
}

// The next version may take over by itself while the app is being opened, before
// any script of it runs: it is opened anew then, and not left with what is gone.
func TestAppUpdatesBeforeItRuns(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	site, next := updating(t, d)
	p := newHandset(t, site.URL)
	p.working()
	p.holds(`!!navigator.serviceWorker.controller`)
	_, fetched := site.update(p)
	fetched()
	p.launch()
	p.holds(`await navigator.serviceWorker.getRegistration("/app/").then(r => !!r.waiting)`)
	// The worker is told to take over at the beginning of the document, and what
	// the app would have heard of it is kept from it.
	p.inject(`if (location.pathname === '/app/') {
		const workers = navigator.serviceWorker, add = workers.addEventListener.bind(workers), register = workers.register.bind(workers)
		const changed = new Promise((done) => add('controllerchange', done))
		workers.addEventListener = (type, ...rest) => { if (type !== 'controllerchange') add(type, ...rest) }
		workers.register = async (...args) => {
			const found = await workers.getRegistration('/app/')
			if (found?.waiting) { found.waiting.postMessage('take over'); await changed }
			return register(...args)
		}
	}`)
	p.open(p.home + "/app/?again") // from the app to the app: by itself it takes over when no page has it open
	p.overtaken(`document.querySelector("script[type=module]")?.src.includes("` + next + `")`)
}

// Opened from the phone's own store on a slow phone, no byte of it waits for the
// network. The figure is printed, not judged: machines differ.
func TestAppOpens(t *testing.T) {
	d := startDemo(t)
	bert := d.invite(t, "bert")
	p := newHandset(t, d.Issuer, `new MutationObserver(() => { const c = document.querySelector(".code-text"); if (c?.textContent && !self.opened) self.opened = performance.now() }).observe(document, { childList: true, subtree: true, characterData: true })`)
	p.working()
	p.scans(bert.offers(d.Issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")
	_, err := chromedp.Call(p.ctx, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 4})
	p.check(err)
	_, err = chromedp.Call(p.ctx, network.Enable, network.EnableParams{})
	p.check(err)
	slow := &network.Conditions{Latency: 400, DownloadThroughput: 50_000, UploadThroughput: 50_000}
	_, err = chromedp.Call(p.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{slow}})
	p.check(err)
	var all []string
	for range 5 {
		p.launch()
		p.holds("self.opened")
		all = append(all, p.js(`Math.round(self.opened)`))
		if late := p.js(`performance.getEntriesByType("resource").filter(e => e.name.includes("/static/") && !e.workerStart).map(e => e.name).join(" ")`); late != "" {
			t.Errorf("fetched past the service worker: %s", late)
		}
		if n := p.js(`performance.getEntriesByType("navigation")[0].workerStart > 0`); n != "true" {
			t.Error("the page itself came from the network")
		}
	}
	t.Logf("to a usable code, four times slower than this machine: %s ms", strings.Join(all, ", "))
}

// By keyboard alone: every control is reached, in the order of the page.
func TestAppByKeyboard(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	bert := d.invite(t, "bert")
	p := newHandset(t, d.Issuer)
	tab := func(id string) {
		t.Helper()
		for range 20 {
			p.do(chromedp.KeyEvent(kb.Tab))
			if p.js(`document.activeElement.id`) == id {
				return
			}
		}
		t.Fatalf("the tab key does not reach %s", id)
	}
	tab("add")
	p.open("about:blank")
	p.open(p.home + "/app/#link=" + url.QueryEscape(bert.offers(d.Issuer)))
	p.see("#link-form")
	tab("phone")
	tab("continue")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.see("[data-ready]")
	if at := p.js(`document.activeElement.tagName`); at != "H1" {
		t.Errorf("a request comes, and the focus is on %s", at)
	}
	tab("deny")
	tab("login")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.see(".code-text")
	rp := d.public(t)
	rp.extra = url.Values{"prompt": {"login"}}
	bert.elsewhere()
	at, number := bert.sits(rp)
	p.see(".pad")
	p.see("[data-ready]")
	p.do(chromedp.KeyEvent(number))
	tab("login")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.says("#said", "Go back")
	at.arrives()
	id := p.js(`document.querySelector(".code").id`)
	tab(strings.Replace(id, "code-", "menu-", 1))
	tab(id)
	tab("add")
	tab(strings.Replace(id, "code-", "menu-", 1))
	p.do(chromedp.KeyEvent(kb.Enter))
	tab("to-rename")
	tab("to-unpair")
	p.do(chromedp.KeyEvent(kb.Enter))
	tab("back")
	tab("unpair")
}

// worker runs a script in the app's service worker, and keeps it awake from then
// on: an event that a script makes does not.
func (p *handset) worker(js string) {
	p.t.Helper()
	all, err := chromedp.Targets(p.ctx)
	p.check(err)
	for _, at := range all {
		if at.Type != "service_worker" {
			continue
		}
		ctx, stop := chromedp.NewContext(p.ctx, chromedp.WithTargetID(at.TargetID))
		p.t.Cleanup(stop)
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](js+".then(() => true)", chromedp.EvalAwaitPromise)); err != nil {
			p.t.Fatal(err)
		}
		return
	}
	p.t.Fatalf("no service worker runs: %v", all)
}
