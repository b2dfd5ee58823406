package e2e

import (
	"net/url"
	"regexp"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

// english finds words that no other language of the app has.
var english = regexp.MustCompile(`(?i)\b(?:the|your|you|this|with|phone|sign|tap|link|number|from|account of|time)\b`)

// speaks is a handset whose browser asks for a language, in the page and in the
// service worker.
func speaks(t testing.TB, home, language string, scripts ...string) *handset {
	t.Helper()
	return newHandsetOf(t, home, []chromedp.ExecAllocatorOption{chromedp.Flag("lang", language), chromedp.Flag("accept-lang", language)}, scripts...)
}

// shows returns all that a person may read or hear of the page, and fails the
// test when some of it is English.
func (p *handset) shows(where string) string {
	p.t.Helper()
	text := p.js(`(() => { const said = [document.title, document.body.innerText]
		for (const el of document.querySelectorAll("[aria-label], [title], [placeholder]")) said.push(el.ariaLabel ?? "", el.title, el.placeholder ?? "")
		for (const el of document.querySelectorAll(".offscreen")) said.push(el.textContent)
		return said.join("\n") })()`)
	if found := english.FindAllString(text, -1); found != nil {
		p.t.Errorf("%s says %q:\n%s", where, found, text)
	}
	if lang := p.js(`document.documentElement.lang`); lang != "nl" {
		p.t.Errorf("%s is marked as %q", where, lang)
	}
	return text
}

// In a browser that asks for Dutch the app speaks Dutch, from the first thing it
// shows; it has fetched no other language but the one that stands in.
func TestAppInDutch(t *testing.T) {
	t.Parallel()
	// Notes each state of the page from the first element on.
	const seen = `{ const all = self.seen = []; new MutationObserver(() => { if (document.body) all.push(document.body.innerText) }).observe(document, { childList: true, subtree: true, characterData: true }) }`
	d := startDemo(t)
	rp := d.public(t)
	rp.extra = url.Values{"prompt": {"login"}}
	bert := d.invite(t, "bert")
	p := speaks(t, d.Issuer, "nl-BE", seen)
	if got := p.js(`navigator.languages[0]`); got != "nl-BE" {
		t.Fatalf("the browser asks for %s", got)
	}
	p.says("h1", "Aanmelden met deze telefoon")
	p.shows("the first run")
	if flash := english.FindString(p.js(`self.seen.join("\n")`)); flash != "" {
		t.Errorf("English is seen at first: %q", flash)
	}
	if got := p.js(`performance.getEntriesByType("resource").map(e => /words\.\w+\.js/.exec(e.name)?.[0]).filter(Boolean).join(" ")`); got != "words.nl.js" {
		t.Errorf("the page fetched %s", got)
	}
	p.working()
	kept := p.js(`caches.keys().then(l => caches.open(l[0])).then(c => c.keys()).then(l => l.map(r => /words\.\w+\.js/.exec(r.url)?.[0]).filter(Boolean).sort().join(" "))`)
	if kept != "words.en.js words.nl.js" {
		t.Errorf("the service worker keeps %s", kept)
	}
	for _, view := range []string{"#install", "#typed"} {
		p.open("about:blank")
		p.open(p.home + "/app/" + view)
		p.see(".view h1")
		p.shows(view)
	}
	p.open(p.home + "/app/scan")
	p.see("#camera")
	p.shows("the page with the camera")

	p.scans(bert.offers(d.Issuer), "Pixel 8")
	p.says("h1", "Deze telefoon koppelen?")
	p.shows("linking")
	p.taps("#login")
	p.says("#said", "gekoppeld")
	p.see(".code-text")
	p.shows("the accounts")
	id := p.js(`document.querySelector(".card").id.replace("account-", "")`)
	for _, view := range []string{"menu", "rename", "push", "unpair"} {
		p.open("about:blank")
		p.open(p.home + "/app/#" + view + "=" + id)
		p.see("#back")
		p.shows(view)
	}
	p.launch()

	// A request, in a new browser; its time in the form of the region. The
	// application and the browser are named by the site.
	at, number := bert.sits(rp)
	p.says("h1", "Aanmelden bij Sample viewer in the browser?")
	p.see("[data-ready]")
	p.js(`(() => { const h = document.querySelector("h1"); h.textContent = h.textContent.replace("Sample viewer in the browser", ""); document.title = h.textContent })()`)
	text := p.shows("a request")
	if !regexp.MustCompile(`Tijd\s+\d{2}:\d{2}\s`).MatchString(text) {
		t.Errorf("the time is in another form:\n%s", text)
	}
	p.taps("#deny")
	p.says("h1", "Waarom weigert u?")
	p.shows("the reasons")
	p.taps("#back")
	p.see("[data-ready]")
	p.types(number)
	p.says("#said", "Ga terug naar uw browser")
	at.arrives()

	// What the service worker says.
	p.allow("notifications", browser.PermissionSettingGranted)
	p.deliver("{}")
	p.shown("Aanmeldverzoek | Open om te antwoorden.")
	if lang := p.js(`navigator.serviceWorker.getRegistration("/app/").then(r => r.getNotifications()).then(l => l.map(n => n.lang).join(" "))`); lang != "nl" {
		t.Errorf("the notification is marked as %q", lang)
	}

	// Without a network, in Dutch too.
	d.stop(t)
	p.launch()
	p.says(".card", "Geen verbinding met Hilum")
	p.shows("without a network")
	p.quiet()
}

// A language that the app does not speak, and one that it had no time to keep.
func TestAppInEnglishInstead(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := speaks(t, d.Issuer, "fi-FI")
	p.says("h1", "Sign in with this phone")
	if got := p.js(`document.documentElement.lang`); got != "en" {
		t.Errorf("marked as %q", got)
	}
	p.working()
	d.stop(t)
	p.inject(`Object.defineProperty(Navigator.prototype, "languages", { get: () => ["fr-BE", "fi"] })`)
	p.launch()
	if got := p.js(`navigator.languages[0]`); got != "fr-BE" {
		t.Fatalf("the browser asks for %s", got)
	}
	p.says("h1", "Sign in with this phone")
	if got := p.js(`document.documentElement.lang`); got != "en" {
		t.Errorf("marked as %q", got)
	}
}
