package e2e

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/target"
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

// A sign-in on the phone that is asked: the page's button opens the app beside, which has
// the number from the page and closes after Login; the page goes on. Another browser's
// sign-in hands its number to nobody.
func TestSignInOnThePhoneItself(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	rp := d.public(t)
	bert := d.invite(t, "bert")
	p := newHandset(t, d.Issuer)
	p.fingers()
	p.scans(bert.offers(d.Issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")

	for _, answer := range []string{"#login", "#deny"} {
		rp.extra = url.Values{"prompt": {"login"}}
		p.enters(rp, bert.name, bert.password)
		p.see("#open-here")
		opened := chromedp.WaitNewTarget(p.ctx, func(i *target.Info) bool { return strings.Contains(i.URL, "/app/") })
		p.do(chromedp.Click(chromedp.CSS("#open-here")))
		ctx, stop := chromedp.NewContext(p.ctx, chromedp.WithTargetID(<-opened))
		p.check(chromedp.Do(ctx)) // attaches
		app := &handset{window: &window{t: t, ctx: ctx, scripts: true}, home: d.Issuer}
		if tap := p.count("#number") == 0; !tap {
			app.see("#carried")
			if got, want := strings.Join(strings.Fields(app.text("#carried")), ""), p.text("#number"); got != want {
				t.Errorf("the app has taken over %s, the page shows %s", got, want)
			}
		}
		app.taps(answer)
		if answer == "#deny" {
			app.taps("#mistake")
		}
		if answer == "#login" {
			p.arrives(rp)
		} else {
			p.says("main", "Denied on Pixel 8")
		}
		stop()
	}

	// A link of a stranger, whose sign-in asks this phone from another browser.
	stranger := openWindow(t, true)
	rp.extra = url.Values{"prompt": {"login"}}
	stranger.enters(rp, bert.name, bert.password)
	stranger.see("#number")
	id, _, _ := strings.Cut(strings.TrimPrefix(stranger.at(), d.Issuer+"/login/"), "/")
	p.open("about:blank")
	p.open(d.Issuer + "/app/#here=" + id)
	p.see("#typed")
	if n := p.count("#carried"); n != 0 {
		t.Error("the number of another browser's sign-in was handed over")
	}
	p.quiet()
}
