package e2e

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// fingers makes the browser one of a phone that is touched: no mouse hovers there.
func (p *handset) fingers() {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile, chromedp.EmulateTouch))
}

// An invitation is opened on the phone that is to be linked: password, our app by the
// button of the page, Login; the app says what is left to do and leads back, and shows no
// code until it counts. The page goes on by itself.
func TestLinkingOnThePhoneItself(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	link := regexp.MustCompile(`http://\S+/invite/\S+`).FindString(d.idp(t, "invite", "carla"))
	p := newHandset(t, d.Issuer)
	p.fingers()
	p.open(link)
	if text := p.text("main"); !strings.Contains(text, d.Issuer+"/app") || strings.Contains(text, "Google") {
		t.Errorf("the invitation leads to %q", text)
	}
	p.click("#continue")
	p.chooses("slow-amber-river-42")
	p.see("#open-here")
	p.click("#open-here")
	p.see("#link-form")
	p.fill("#phone", "Pixel 8")
	p.taps("#continue")
	p.says("h1", "Link this phone?")
	p.taps("#login")
	p.says("#said", "Almost done")
	p.says("#accounts", "go back to the browser and finish there")
	if n := p.count(".code-text"); n != 0 {
		t.Errorf("%d codes are shown that do not count", n)
	}
	// The same after the app was closed and opened again.
	back := ask(p.window, chromedp.Evaluate[string](`document.querySelector("#way-back").href`))
	p.launch()
	p.says("#accounts", "go back to the browser")
	if n := p.count(".code-text"); n != 0 {
		t.Errorf("opened again: %d codes are shown that do not count", n)
	}
	if !strings.HasPrefix(back, d.Issuer+"/login/") {
		t.Fatalf("the app leads back to %s", back)
	}
	p.click("#way-back")
	p.see("#recovery-codes") // the page has gone on by itself
	p.do(chromedp.Click(chromedp.CSS("#saved")))
	p.click("#codes-form #continue")
	p.open(d.Issuer + "/account/devices")
	if text := p.text("#devices"); !strings.Contains(text, "Pixel 8") {
		t.Errorf("My devices: %q", text)
	}
	p.open(p.home + "/app/")
	p.see(".code-text")
	p.quiet()
}

// The browser never finishes: the invitation is opened elsewhere. The app says so, and
// keeps nothing.
func TestLinkingThatIsNotFinished(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	link := regexp.MustCompile(`http://\S+/invite/\S+`).FindString(d.idp(t, "invite", "carla"))
	first, second := openWindow(t, true), openWindow(t, true)
	first.open(link)
	first.click("#continue")
	first.chooses("slow-amber-river-42")
	uri := ask(first, chromedp.Evaluate[string](`document.querySelector("#open-app").href`))
	p := newHandset(t, d.Issuer)
	p.scans(uri, "Pixel 8")
	p.taps("#login")
	p.says("#said", "Almost done")
	if n := p.count("#way-back"); n != 0 {
		t.Error("a phone that has scanned is led to a page of another browser")
	}
	first.see("#recovery-codes") // by itself, in the browser that was finished in
	p.see(".code-text")
	p.says("#said", "This phone is linked")

	other := regexp.MustCompile(`http://\S+/invite/\S+`).FindString(d.idp(t, "invite", "doris"))
	second.open(other)
	second.click("#continue")
	second.chooses("slow-amber-river-42")
	uri = ask(second, chromedp.Evaluate[string](`document.querySelector("#open-app").href`))
	second.open("about:blank") // and nobody comes back to it
	p.open("about:blank")
	p.open(p.home + "/app/#link=" + url.QueryEscape(uri))
	p.see("#link-form")
	p.taps("#continue")
	p.says("h1", "Link this phone?")
	p.taps("#login")
	p.says("#said", "Almost done")
	third := openWindow(t, true)
	third.open(other)
	third.click("#continue")
	third.see("#enrol-form")
	p.says("#said", "was not finished in time")
	p.holds(`document.querySelectorAll("#accounts .card").length === 1`)
	p.quiet()
}
