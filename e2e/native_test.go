package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"

	"hilum/cmd/phone/phone"
)

// nativeApp stands in for an app that a phone hands the links of its site to. It has no
// cookie: to the browser of the phone it is a stranger.
type nativeApp struct {
	*pocket
	browser *window // of the phone it is on
	state   string  // of what it has asked the browser for; empty: nothing
}

// hands has a tab give every link of the app to it, as the system does: the browser never
// asks the site for one.
func (a *nativeApp) hands(tab *window) {
	tab.check(chromedp.Listen(tab.ctx, func(ev any) {
		if ev, ok := ev.(*fetch.EventRequestPaused); ok {
			go func() { // ends with its answer, or with the tab
				_, _ = chromedp.Call(tab.ctx, fetch.FulfillRequest, fetch.FulfillRequestParams{RequestID: ev.RequestID, ResponseCode: http.StatusOK})
			}()
		}
	}))
	_, err := chromedp.Call(tab.ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: a.Account.Issuer + "/app/open/*"}}})
	tab.check(err)
}

// opens is what the app does with a link that was handed to it: it asks the browser for the
// number in a tab, and returns that.
func (a *nativeApp) opens(link string) *window {
	a.t.Helper()
	id, ok := strings.CutPrefix(link, a.Account.Issuer+"/app/open/")
	if !ok || strings.ContainsAny(id, "/?#") {
		a.t.Fatalf("the app is handed %s", link)
	}
	a.state = rand.Text()
	tab := a.browser.beside()
	a.hands(tab)
	tab.open(a.Account.Issuer + "/login/" + id + "/here?state=" + a.state)
	return tab
}

// takes reads a link that came back: the challenge that it names, and its number. It is an
// error when the app has not asked for it, or is not asked that.
func (a *nativeApp) takes(link string) (ch *phone.Challenge, number string, err error) {
	_, fragment, _ := strings.Cut(link, "#")
	got, err := url.ParseQuery(fragment)
	if err != nil {
		return nil, "", err
	}
	if a.state == "" || got.Get("state") != a.state {
		return nil, "", fmt.Errorf("not asked for: %s", link)
	}
	a.state = ""
	list, err := a.Challenges(a.t.Context(), 20*time.Second)
	if err != nil {
		return nil, "", err
	}
	for i := range list {
		if list[i].CID == got.Get("cid") {
			return &list[i], got.Get("number"), nil
		}
	}
	return nil, "", fmt.Errorf("no question of this phone: %s", link)
}

// Whoever signs in on the phone that is asked has the number in a native app by way of the
// browser, and types none. A link of a stranger's sign-in, whose number their browser
// shows, leads to none; nor does one that brings a number along.
func TestSignInByANativeAppOnThePhoneItself(t *testing.T) {
	t.Parallel()
	s, rp := startPlain(t, "IDP_APPS_APPLE=A1B2C3D4E5.org.hospital.login")
	viewer := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(viewer.Close)
	rp.redirect = viewer.URL + "/callback" // where the browser gets to
	rp.id, rp.secret = s.addClient(t, "Viewer", "--redirect-uri", rp.redirect)
	res := must[*http.Response](t)(s.client.Get(s.issuer + "/.well-known/apple-app-site-association"))
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("whose links these are: %d %v", res.StatusCode, res.Header)
	}
	bert := s.invite(t, "bert")
	w := openWindow(t, true)
	w.do(chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile, chromedp.EmulateTouch))
	app := &nativeApp{pocket: bert.links(s.issuer, "Pixel 8", nil), browser: w}

	w.enters(rp, bert.name, bert.password)
	w.see("#number")
	w.see("#open-here")
	link := ask(w, chromedp.Evaluate[string](`document.querySelector("#open-here").href`))
	tab := app.opens(link)
	back := tab.at()
	if !strings.HasPrefix(back, link+"#") {
		t.Fatalf("the browser comes back to %s", back)
	}
	ch, number, err := app.takes(back)
	if err != nil || number == "" || number != w.text("#number") {
		t.Fatalf("the app has the number %q, the page shows %q: %v", number, w.text("#number"), err)
	}
	if _, _, err := app.takes(back); err == nil {
		t.Error("the link is taken a second time")
	}
	app.answers(ch, phone.Decision{Approve: true, Number: number})
	w.arrives(rp)

	// A stranger who has the password asks this phone, and sends links of their sign-in.
	stranger := openWindow(t, true)
	stranger.enters(rp, bert.name, bert.password)
	stranger.see("#number")
	link = ask(stranger, chromedp.Evaluate[string](`document.querySelector("#open-here").href`))
	tab = app.opens(link)
	if at := tab.at(); strings.Contains(at, "/app/open/") {
		t.Errorf("the browser of somebody else leads to %s", at)
	}
	if said := tab.text("#notice"); !strings.Contains(said, "not the one that is signing in") || strings.Contains(said, stranger.text("#number")) {
		t.Errorf("it says %q", said)
	}
	tab.turn(chromedp.Click(chromedp.CSS("#go-on")))
	if ch, number, err := app.takes(tab.at()); err == nil || number != "" || ch != nil {
		t.Errorf("the app was given %q by %s", number, tab.at())
	}
	cid, _ := app.asked()
	app.state = rand.Text() // it has asked for something else meanwhile
	if _, number, err := app.takes(link + "#" + url.Values{"state": {"made-up-by-a-stranger"}, "cid": {cid.CID}, "number": {stranger.text("#number")}}.Encode()); err == nil || number != "" {
		t.Errorf("a number that came along with a link is taken: %s", number)
	}

	// Without a native app the same link opens our own.
	own := w.beside()
	own.open(link)
	if at := own.at(); !strings.HasPrefix(at, s.issuer+"/app/#") {
		t.Errorf("without an app the link leads to %s", at)
	}
	w.quiet()
	tab.quiet()
}
