package e2e

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	chromepage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"hilum/cmd/phone/phone"
)

// beside opens another tab of the same browser.
func (w *window) beside() *window {
	w.t.Helper()
	ctx, stop := chromedp.NewContext(w.ctx)
	w.t.Cleanup(stop)
	tab := &window{t: w.t, ctx: ctx, scripts: w.scripts}
	if err := errors.Join(chromedp.Do(ctx), chromedp.Listen(ctx, tab.hear)); err != nil {
		w.t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !w.scripts}); err != nil {
		w.t.Fatal(err)
	}
	return tab
}

// front is what a person does who comes back to a tab. A browser without a screen takes
// every tab for one that is seen, and tells none that it is come back to: the event is made.
func (w *window) front() {
	w.t.Helper()
	if _, err := chromedp.Call(w.ctx, chromepage.BringToFront, cdp.Empty{}); err != nil {
		w.t.Fatal(err)
	}
	if w.scripts {
		ask(w, chromedp.Evaluate[bool](`dispatchEvent(new Event("focus"))`))
	}
}

// hides has the tab take itself for one that nobody sees, or for one that is.
func (w *window) hides(yes bool) {
	w.t.Helper()
	state := map[bool]string{true: "hidden", false: "visible"}[yes]
	ask(w, chromedp.Evaluate[bool](fmt.Sprintf(`Object.defineProperty(document, "visibilityState", { configurable: true, get: () => %q }), document.dispatchEvent(new Event("visibilitychange"))`, state)))
}

// streams is how many pages of this browser are told of news by a stream.
func (w *window) streams() int {
	w.t.Helper()
	return ask(w, chromedp.Evaluate[int](`navigator.locks.query().then((all) => all.held.filter((l) => l.name === "hilum-stream").length)`, chromedp.EvalAwaitPromise))
}

// begins opens an application's sign-in and leaves it at the password.
func (w *window) begins(rp *party) {
	w.t.Helper()
	w.open(rp.authorize())
	w.see("#password-form")
}

// Two tabs of a restored browser wait for a password. It is given in one; the other goes
// on by itself when the person comes to it, or at the next page where there is no script.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts %v", scripts), func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			bert := d.invite(t, "bert")
			first, second := d.public(t), d.confidential(t)
			one := openWindow(t, scripts)
			two := one.beside()
			two.begins(second)
			one.front()
			one.enters(first, bert.name, bert.password)
			one.see("#code-form")
			if h := one.text("h1"); !strings.Contains(h, "Type the code from the app") {
				t.Errorf("no phone is asked, and the heading is %q", h)
			}
			one.typeCode(bert.code())
			one.arrives(first)

			two.front()
			if !scripts {
				two.do(chromedp.Reload())
			}
			two.arrives(second)

			// Back leads to a page with a way on, as does the step done twice.
			one.front()
			one.do(chromedp.NavigateBack())
			one.see("#go-on")
			if href := ask(one, chromedp.Evaluate[string](`document.querySelector("#go-on").href`)); !strings.HasPrefix(first.redirect, strings.TrimSuffix(href, "/")) {
				t.Errorf("the page of a finished sign-in leads to %s, the application is at %s", href, first.redirect)
			}
			path := must[*url.URL](t)(url.Parse(one.at())).Path
			one.open(d.Issuer + "/authorize/collect/" + strings.Split(path, "/")[2])
			one.see("#go-on")
			one.quiet()
			two.quiet()
		})
	}
}

// Both tabs have asked the phones: the first says that it was asked elsewhere, and goes on
// by the answer to the second.
func TestTwoTabsAskThePhone(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	mobile := anna.links(d.Issuer, "Pixel 8", nil)
	first, second := d.public(t), d.confidential(t)
	one := openWindow(t, true)
	two := one.beside()
	one.enters(first, anna.name, d.Password)
	one.see("#number")
	two.front()
	two.enters(second, anna.name, d.Password)
	two.see("#number")
	one.front()
	one.see("#moved")
	if h := one.text("h1"); !strings.Contains(h, "Type the code from the app") {
		t.Errorf("the phones wait for no answer of this tab, and the heading is %q", h)
	}
	ch, doc := mobile.asked()
	if doc.Match.Mode == "tap" {
		t.Fatal("a new browser needs no number")
	}
	two.front()
	mobile.answers(ch, phone.Decision{Approve: true, Number: two.text("#number")})
	two.arrives(second)
	one.front()
	one.arrives(first)
	one.quiet()
	two.quiet()
}

// Streams of pages that nobody sees use up no connections: seven tabs wait for phones over
// HTTP/1.1, and the eighth loads.
func TestManyTabs(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	anna.links(d.Issuer, "Pixel 8", nil)
	rp := d.public(t)
	one := openWindow(t, true)
	one.enters(rp, anna.name, d.Password)
	one.see("#phones")
	waiting := one.at()
	for range 7 {
		tab := one.beside()
		tab.open(waiting)
		tab.see("#phones")
	}
	last := one.beside()
	last.open(d.Issuer + "/account")
	last.see("#password-form")
	if n := one.streams(); n != 1 {
		t.Errorf("%d of eight tabs have a stream", n)
	}

	// A page that is alone and hidden has none, and has one again when it is seen.
	alone := openWindow(t, true)
	alone.enters(rp, anna.name, d.Password)
	alone.see("#phones")
	for _, hidden := range []bool{false, true, false} {
		alone.hides(hidden)
		want := map[bool]int{true: 0, false: 1}[hidden]
		for end := time.Now().Add(patience); alone.streams() != want; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("hidden %v: %d streams", hidden, alone.streams())
			}
		}
	}
}

// The connection is lost while a page waits: it says so at once, and when it is back, the
// browser's own or the site's.
func TestOfflineIsSaid(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	anna.links(d.Issuer, "Pixel 8", nil)
	w := openWindow(t, true)
	w.enters(d.public(t), anna.name, d.Password)
	w.see("#number")
	w.online(false)
	w.see("#offline")
	w.online(true)
	w.do(chromedp.WaitNotVisible(chromedp.CSS("#offline")))
	d.stop(t)
	start := time.Now()
	w.see("#offline")
	t.Logf("that the site is gone is said %s after it was", time.Since(start).Round(10*time.Millisecond))
}

// online connects the window, or cuts it off.
func (w *window) online(yes bool) {
	w.t.Helper()
	if _, err := chromedp.Call(w.ctx, network.Enable, network.EnableParams{}); err != nil {
		w.t.Fatal(err)
	}
	state := network.OverrideNetworkStateParams{Offline: !yes, DownloadThroughput: -1, UploadThroughput: -1}
	if _, err := chromedp.Call(w.ctx, network.OverrideNetworkState, state); err != nil {
		w.t.Fatal(err)
	}
}

// later has so many minutes go by on the clock of the page.
func (w *window) later(minutes int) {
	w.t.Helper()
	ask(w, chromedp.Evaluate[int](fmt.Sprintf(`{ const now = Date.now.bind(Date); Date.now = () => now() + %d * 60000; document.dispatchEvent(new Event("visibilitychange")); 1 }`, minutes)))
}

// Two minutes before the session ends a line says so, in every tab, and its button has the
// session go on. What was typed meanwhile stays.
func TestStaySignedIn(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	bert := d.invite(t, "bert")
	one := openWindow(t, true)
	one.signsIn(bert, d.Issuer+"/account/sessions")
	one.see("#sign-out")
	two := one.beside()
	two.open(d.Issuer + "/account/devices")
	two.see("#sign-out")
	for _, w := range []*window{one, two} {
		if shown := ask(w, chromedp.Evaluate[bool](`!document.querySelector("#ending").hidden`)); shown {
			t.Error("the end of a session is announced an hour before it")
		}
		w.later(59)
		w.see("#ending")
	}
	one.do(chromedp.Click(chromedp.CSS("#stay")))
	for _, w := range []*window{one, two} {
		w.do(chromedp.WaitNotVisible(chromedp.CSS("#ending")))
	}
	two.later(61)
	two.see("#ending")
	if text := two.text("#ending"); !strings.Contains(text, "You are signed out") {
		t.Errorf("at the end: %q", text)
	}
	one.quiet()
	two.quiet()
}
