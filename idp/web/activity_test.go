package web

import (
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/web/page"
)

func happening(seq int64, kind idp.EventKind, detail ...string) login.ActivityEvent {
	e := login.ActivityEvent{Event: idp.Event{Seq: seq, At: noon, Kind: kind, User: "U", Address: "10.20.30.40", Detail: map[string]string{}}}
	for i := 0; i+1 < len(detail); i += 2 {
		e.Detail[detail[i]] = detail[i+1]
	}
	return e
}

// ward names one network.
func ward(address string) string { return map[string]string{"10.20.30.40": "Ward 3"}[address] }

func TestActivityTab(t *testing.T) {
	d := openWith(t, func(c *page.Config) {
		c.Network = ward
		c.Place = func(_, lang string) string { return "Ghent in " + lang }
	})
	d.signedIn()
	d.Wants(d.Get("/account/activity"), 200, "Nothing has happened yet.", `aria-current="page"`)
	signIn := happening(12, idp.EventLoginDone, "purpose", "client", "browser", "Firefox", "system", "Linux")
	signIn.App, signIn.Device, signIn.Session = "Viewer <b>", "Pixel 8", "elsewhere"
	own := happening(11, idp.EventLoginDone, "purpose", "account")
	own.Session = aSession
	changed := happening(10, idp.EventUserChanged)
	changed.Foreign = true
	d.logins.events = []login.ActivityEvent{
		signIn, own, changed, happening(9, idp.EventLoginDone, "purpose", "stepup"), happening(8, idp.EventPasswordWrong), happening(7, idp.EventDeviceLinked, "name", "Phone"),
	}
	r := d.Get("/account/activity")
	d.Wants(r, 200, "Signed in to Viewer &lt;b&gt;", "Firefox on Linux", "Device: Pixel 8", "Ghent in en", "Ward 3", "(10.20.30.40)", "Signed in to your account", "This browser",
		"Your account was changed", "By the administration", "Confirmed that it is you", "Wrong password", "A device was linked",
		`href="/account/activity/12/notme"`, `href="/account/activity/7/notme"`, `not href="/account/activity/8/notme"`, `not href="/account/activity/10/notme"`,
		`href="/account/activity?after=older%2F1"`)
	d.logins.asked = nil
	d.Get("/account/activity?after=older%2F1")
	d.Get("/account/activity?before=newer")
	d.asked("activity U older/1", "activity U newer")
	d.logins.err = &idp.FieldError{Field: "page", Message: "page.bad"}
	d.Wants(d.Get("/account/activity?after=nonsense"), 400)
}

// Every kind of event that the flow shows has a sentence.
func TestEveryHappeningIsSaid(t *testing.T) {
	for _, kind := range login.OwnKinds() {
		e := happening(1, kind)
		m := happened(&e)
		if m.Key == "" {
			t.Errorf("%s is shown without a sentence", kind)
		}
	}
}

func TestThisWasNotMe(t *testing.T) {
	d := open(t)
	d.signedIn()
	doubt := &login.Doubt{ActivityEvent: happening(12, idp.EventLoginDone, "purpose", "account"), Session: &idp.Session{Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}, Linked: true}
	doubt.Device, doubt.Event.Device = "Pixel 8", aDevice
	d.logins.doubt = doubt
	path := "/account/activity/12/notme"
	d.Wants(d.Get(path), 200, "This was not me", `name="here" value="notme:12"`, "The browser of that sign-in is signed out", "Firefox on Linux", `action="`+path+`"`, "not You are signed out everywhere but here")
	d.asked()
	d.Leads(d.Post(path), path+"?did=one")
	d.asked("disown anna " + aSession + " 12")
	d.Wants(d.Get(path+"?did=one"), 200, "That browser is signed out", `href="/account/password"`, `href="/account/devices/`+aDevice+`/unlink"`, `not id="cut"`, `not id="new-recovery"`)

	// Which browser it was is not known any more, nor is its phone linked; it was by a recovery code.
	doubt.Session, doubt.Linked, doubt.Detail["method"] = nil, false, "recovery"
	doubt.Here = true
	d.Wants(d.Get(path), 200, "It was in this browser", "not You are signed out everywhere but here")
	doubt.Here = false
	d.Wants(d.Get(path), 200, "You are signed out everywhere but here", "not The browser of that sign-in")
	d.Leads(d.Post(path), path+"?did=all")
	d.Wants(d.Get(path+"?did=all"), 200, "Nobody is signed in to your account but you", `not id="unlink"`, `id="new-recovery"`)

	// What is nobody's, or no number.
	for _, of := range []string{"13", "0", "012", "x", "-1", "9999999999999999999", aDevice} {
		d.Wants(d.Get("/account/activity/"+of+"/notme"), 404)
	}
	d.logins.err = idp.ErrNotFound
	d.Wants(d.Post("/account/activity/13/notme"), 404)
	if got, ok := d.page.Place("notme:12"); !ok || got != path {
		t.Errorf("leads back to %q", got)
	}
	if got, ok := d.page.Place("notme:" + aDevice); ok {
		t.Errorf("a device's id leads to %q", got)
	}
}

// Browsers where one tap is enough are listed, and forgotten one by one or all at once.
func TestRememberedBrowsers(t *testing.T) {
	d := openWith(t, func(c *page.Config) { c.Network = ward })
	d.signedIn()
	d.Wants(d.Get("/account/sessions"), 200, "No browser is remembered", `not id="forget-all"`)
	d.logins.session.Browser = idp.NewToken().Hash()
	d.logins.remembered = []idp.Known{
		{N: 7, Browser: d.logins.session.Browser, Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", Address: "10.20.30.40", At: noon, ExpiresAt: noon},
		{N: 5, At: noon, ExpiresAt: noon},
	}
	r := d.Get("/account/sessions")
	d.Wants(r, 200, "Firefox on Linux", "Ward 3", "Unknown browser", `action="/account/sessions/browsers/5/forget"`, `id="forget-all"`)
	if n := strings.Count(r.Body, "This one"); n != 1 {
		t.Errorf("%d browsers are this one", n)
	}
	d.Leads(d.Post("/account/sessions/browsers/5/forget"), "/account/sessions?did=forgot")
	d.Leads(d.Post("/account/sessions/browsers/all/forget"), "/account/sessions?did=all")
	d.asked("forget anna "+aSession+" 5", "forget anna "+aSession+" 0")
	d.Wants(d.Post("/account/sessions/browsers/0/forget"), 404)
	d.Wants(d.Post("/account/sessions/browsers/"+aDevice+"/forget"), 404)
	d.logins.err = idp.ErrNotFound
	d.Wants(d.Post("/account/sessions/browsers/6/forget"), 404)
	d.Leads(d.Post("/account/sessions/browsers/all/forget"), "/account/sessions?did=all") // there was none left
}
