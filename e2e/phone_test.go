package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"

	"hilum/cmd/phone/phone"
)

// pocket is a person's phone: the reference client, with its keys in a file.
type pocket struct {
	*phone.Client
	t    testing.TB
	file *phone.File
}

// scan links a phone by what a QR code says, and taps Login unless told not to.
func scan(t testing.TB, uri, name string, tap bool, push any) *pocket {
	t.Helper()
	link := must[*phone.Link](t)(phone.ParseLink(uri))
	p := &pocket{t: t, file: must[*phone.File](t)(phone.OpenFile(filepath.Join(t.TempDir(), "keys.json")))}
	p.Client = must[*phone.Client](t)(phone.Pair(t.Context(), phone.Pairing{Link: link, Name: name, Platform: "android", App: "e2e/1", Push: push}, nil, p.file.Put))
	if tap {
		p.taps()
	}
	return p
}

// taps says Login to the linking itself.
func (p *pocket) taps() {
	p.t.Helper()
	if state := must[string](p.t)(p.Answer(p.t.Context(), p.Account.Waiting, phone.Decision{Approve: true})); state != "approved" {
		p.t.Fatalf("linking: %s", state)
	}
}

// asked waits for the one request that the phone is shown.
func (p *pocket) asked() (*phone.Challenge, *phone.Doc) {
	p.t.Helper()
	list := must[[]phone.Challenge](p.t)(p.Challenges(p.t.Context(), 20*time.Second))
	if len(list) == 0 {
		p.t.Fatal("the phone is not asked")
	}
	ch := &list[len(list)-1]
	return ch, must[*phone.Doc](p.t)(p.Check(ch))
}

func (p *pocket) answers(ch *phone.Challenge, d phone.Decision) string {
	p.t.Helper()
	return must[string](p.t)(p.Answer(p.t.Context(), ch, d))
}

// offer is the link in the QR code of the page that a person has open.
func offerOn(t testing.TB, at *page) string {
	t.Helper()
	a := find(at.doc, func(n *html.Node) bool { return attr(n, "id") == "open-app" })
	if a == nil {
		t.Fatalf("no QR code on %s (status %d):\n%s", at.url, at.status, at.body)
	}
	return attr(a, "href")
}

// links makes a phone for a person who is signed in with a fresh factor.
func (p *person) links(issuer, name string, push any) *pocket {
	p.t.Helper()
	at := p.get(issuer + "/account/link")
	if at.url.Path != "/account/link" {
		at = p.submit(at, "password-form", url.Values{"username": {p.name}, "password": {p.password}})
		p.submit(at, "code-form", url.Values{"code": {p.code()}})
	}
	at = p.read(p.web.PostForm(issuer+"/account/link", nil))
	return scan(p.t, offerOn(p.t, at), name, true, push)
}

// enters gives user name and password.
func (w *window) enters(rp *party, name, password string) {
	w.t.Helper()
	w.open(rp.authorize())
	w.see("#password-form")
	w.fill("#username", name)
	w.fill("#password", password)
	w.click("#continue")
}

// arrives waits until the browser is back at the application with a code.
func (w *window) arrives(rp *party) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		at := w.at()
		if u, err := url.Parse(at); err == nil && strings.HasPrefix(at, rp.redirect+"?") && u.Query().Get("code") != "" {
			if tk := must[*tokens](w.t)(rp.exchange(u.Query().Get("code"))); tk.Status != http.StatusOK {
				w.t.Fatalf("the code is not good: %+v", tk)
			}
			return
		}
		if time.Now().After(end) {
			w.check(fmt.Errorf("not at the application but at %s", at))
		}
	}
}

// The main job, in Chromium: link by the picture on the screen, sign in by a tap
// where the browser is known, by a number where it is new. No push service is
// there: stream, poll and code carry it all.
func TestPhoneSignIn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T) {
		d := startDemo(t)
		phoneSignIn(t, d.public(t), d.invite(t, "bert"))
	})
}

// phoneSignIn is that of a person without a phone, at a public application.
func phoneSignIn(t *testing.T, rp *party, bert *person) {
	t.Helper()
	w := openWindow(t, true)

	// Linking: the page follows the phone without a reload.
	w.open(rp.issuer + "/account/link")
	w.see("#password-form")
	w.fill("#username", bert.name)
	w.fill("#password", bert.password)
	w.click("#continue")
	w.typeCode(bert.code())
	w.see("#continue")
	w.click("#continue")
	w.see("svg.qr")
	png := ask(w, chromedp.ScreenshotScale(chromedp.CSS("svg.qr"), 2))
	ph := scan(t, must[string](t)(phone.ReadPicture(bytes.NewReader(png))), "Pixel 8", false, nil)
	w.see("#scanned")
	if text := w.text("#scanned"); !strings.Contains(text, "Pixel 8") {
		t.Errorf("the page says %q", text)
	}
	ph.taps()
	w.see("#devices")
	if text := w.text("#devices"); !strings.Contains(text, "Pixel 8") {
		t.Errorf("My devices: %q", text)
	}

	// A known browser: a tap.
	if again := *rp; true {
		again.extra = url.Values{"prompt": {"login"}}
		rp = &again
	}
	w.enters(rp, bert.name, bert.password)
	w.see("#asked")
	if text := w.text("#asked"); !strings.Contains(text, "Tap Login on Pixel 8") {
		t.Errorf("the page says %q", text)
	}
	ch, doc := ph.asked()
	if doc.Match.Mode != "tap" || doc.NewBrowser || doc.Account != bert.name || doc.App != "Sample viewer in the browser" || !strings.Contains(doc.Browser, "Chrom") {
		t.Errorf("asked %s", ch.Text)
	}
	ph.answers(ch, phone.Decision{Approve: true})
	w.arrives(rp)

	// A new browser: a number, and the wrong one closes the request.
	other := openWindow(t, true)
	other.enters(rp, bert.name, bert.password)
	other.see("#number")
	ch, doc = ph.asked()
	if doc.Match.Mode != "type" || !doc.NewBrowser {
		t.Errorf("asked %s", ch.Text)
	}
	ph.answers(ch, phone.Decision{Approve: true, Number: other.text("#number")})
	other.arrives(rp)

	// The code, beside the request, with the phone in the drawer.
	other.enters(rp, bert.name, bert.password)
	other.see("#asked")
	ch, _ = ph.asked()
	other.typeCode(bert.code())
	other.arrives(rp)
	if _, err := ph.Answer(t.Context(), ch, phone.Decision{Approve: true}); err == nil || !strings.Contains(err.Error(), "nobody waits") {
		t.Errorf("answered after the code: %v", err)
	}

	// Deny, in words; then a tap alone is too little for a day.
	w.enters(rp, bert.name, bert.password)
	w.see("#asked")
	ch, _ = ph.asked()
	ph.answers(ch, phone.Decision{Reason: "mistake"})
	w.see("#notice")
	if text := w.text("#notice"); !strings.Contains(text, "Denied on Pixel 8") || !strings.Contains(text, "Nothing was signed in") {
		t.Errorf("denied: %q", text)
	}
	w.click("#go-on")
	if at := w.at(); !strings.Contains(at, "error=access_denied") {
		t.Errorf("the application hears %s", at)
	}
	w.enters(rp, bert.name, bert.password)
	w.see("#number")
	ch, _ = ph.asked()

	// «It wasn't me»: the browser is told, and nobody is asked from it again.
	ph.answers(ch, phone.Decision{Reason: "not_me"})
	w.see("#notice")
	w.enters(rp, bert.name, bert.password)
	w.see("#paused")
	if list := must[[]phone.Challenge](t)(ph.Challenges(t.Context(), 0)); len(list) != 0 {
		t.Errorf("asked again: %v", list)
	}
	w.typeCode(bert.code())
	w.arrives(rp)
	w.quiet()
	other.quiet()
}

// inFrame is the part of the page that waits where there is no script.
const inFrame = `document.querySelector("#waiting").contentDocument`

// waits until the frame has an element.
func (w *window) waits(sel string) {
	w.t.Helper()
	for end := time.Now().Add(patience); !ask(w, chromedp.Evaluate[bool](fmt.Sprintf("!!%s.querySelector(%q)", inFrame, sel))); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			w.check(fmt.Errorf("the frame has no %s", sel))
		}
	}
}

// Where the stream does not get through, the poll does; without script a frame
// reloads by itself, beside a code field that keeps what is typed, and one
// button goes on.
func TestPhoneSignInWithoutTheStream(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	rp := d.public(t)
	bert := d.invite(t, "bert")
	ph := bert.links(d.Issuer, "Pixel 8", nil)

	w := openWindow(t, true)
	_, err := chromedp.Call(w.ctx, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{{URLPattern: "*://*:*/login/*/events", Block: true}}})
	if err != nil {
		t.Fatal(err)
	}
	w.enters(rp, bert.name, bert.password)
	w.see("#number")
	ch, _ := ph.asked()
	ph.answers(ch, phone.Decision{Approve: true, Number: w.text("#number")})
	w.arrives(rp)

	plain := openWindow(t, false)
	plain.enters(rp, bert.name, bert.password)
	plain.see("#number")
	plain.waits("#still-waiting")
	plain.fill("#code", "123")
	ch, _ = ph.asked()
	ph.answers(ch, phone.Decision{Approve: true, Number: plain.text("#number")})
	plain.waits("#phone-continue") // the frame reloads by itself
	ask(plain, chromedp.Evaluate[chromedp.Void](inFrame+`.querySelector("#phone-continue").click()`))
	plain.arrives(rp)
	plain.quiet()

	// Typing is not disturbed, and what ends elsewhere is told.
	again := *rp
	again.extra = url.Values{"prompt": {"login"}}
	plain.enters(&again, bert.name, bert.password)
	plain.waits("#still-waiting")
	plain.fill("#code", "123")
	ask(plain, chromedp.Evaluate[chromedp.Void](inFrame+`.querySelector("#still-waiting").id = "before"`))
	plain.waits("#still-waiting") // it has reloaded
	if typed := plain.value("#code"); typed != "123" {
		t.Errorf("%q is left of the code that was being typed", typed)
	}
	ch, _ = ph.asked()
	ph.answers(ch, phone.Decision{Reason: "mistake"})
	plain.waits("#waiting-over")
	ask(plain, chromedp.Evaluate[chromedp.Void](inFrame+`.querySelector("#waiting-over").click()`))
	plain.see("#notice")
	if text := plain.text("#notice"); !strings.Contains(text, "Denied on Pixel 8") {
		t.Errorf("denied: %q", text)
	}
}

// A browser closes a stream for good that is answered 503, as while the database is away: the page
// opens another one when the site is back, and is not left to its poll.
func TestTheStreamComesBack(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	rp := d.public(t)
	bert := d.invite(t, "bert")
	ph := bert.links(d.Issuer, "Pixel 8", nil)

	w := openWindow(t, true)
	var away atomic.Bool
	refused, opened := make(chan bool, 1000), make(chan bool, 1000)
	away.Store(true)
	w.check(chromedp.Listen(w.ctx, func(ev any) {
		asked, ok := ev.(*fetch.EventRequestPaused)
		if !ok {
			return
		}
		go func() { // ends with its answer, or with the window
			stream := strings.HasSuffix(asked.Request.URL, "/events")
			switch {
			case away.Load():
				_, _ = chromedp.Call(w.ctx, fetch.FulfillRequest, fetch.FulfillRequestParams{RequestID: asked.RequestID, ResponseCode: http.StatusServiceUnavailable})
				if stream {
					refused <- true
				}
			default:
				_, _ = chromedp.Call(w.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: asked.RequestID})
				if stream {
					opened <- true
				}
			}
		}()
	}))
	_, err := chromedp.Call(w.ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{
		{URLPattern: d.Issuer + "/login/*/events"}, {URLPattern: d.Issuer + "/login/*/state"},
	}})
	w.check(err)
	comes := func(what string, from <-chan bool) {
		t.Helper()
		select {
		case <-from:
		case <-time.After(patience):
			t.Fatalf("%s within %v", what, patience)
		}
	}
	w.enters(rp, bert.name, bert.password)
	w.see("#number")
	comes("no stream was refused", refused)
	away.Store(false)
	comes("no stream is opened again", opened)
	ch, _ := ph.asked()
	ph.answers(ch, phone.Decision{Approve: true, Number: w.text("#number")})
	w.arrives(rp)
}

// Two sign-ins wait at once; unlinking ends what is pending, from both ends;
// a sixth device is refused, but a new phone takes the place of an old one.
func TestPhonesAndPages(t *testing.T) {
	t.Parallel()
	onBoth(t, phonesAndPages)
}

func phonesAndPages(t *testing.T) {
	d := startDemo(t)
	rp := d.public(t)
	bert := d.invite(t, "bert")
	ph := bert.links(d.Issuer, "Pixel 8", nil)

	one, two := openWindow(t, true), openWindow(t, true)
	one.enters(rp, bert.name, bert.password)
	one.see("#number")
	two.enters(rp, bert.name, bert.password)
	two.see("#number")
	list := must[[]phone.Challenge](t)(ph.Challenges(t.Context(), 0))
	if len(list) != 2 {
		t.Fatalf("%d requests", len(list))
	}
	ph.answers(&list[1], phone.Decision{Approve: true, Number: two.text("#number")})
	two.arrives(rp)
	one.see("#number") // still waits
	ph.answers(&list[0], phone.Decision{Approve: true, Number: one.text("#number")})
	one.arrives(rp)

	// Unpair from the app, with a request pending: the page asks for the code.
	again := *rp
	again.extra = url.Values{"prompt": {"login"}}
	one.enters(&again, bert.name, bert.password)
	one.see("#phones")
	bert.keepsTheFocus(d, one)
	ch, _ := ph.asked()
	if err := ph.Unpair(t.Context()); err != nil {
		t.Fatal(err)
	}
	one.do(chromedp.WaitNotPresent(chromedp.CSS("#phones")), chromedp.WaitVisible(chromedp.CSS("#code")))
	if _, err := ph.Answer(t.Context(), ch, phone.Decision{Approve: true}); err == nil || !strings.Contains(err.Error(), "unlinked") {
		t.Errorf("answered after Unpair: %v", err)
	}

	// Unlink with X, with the app listening: it hears at once.
	next := bert.links(d.Issuer, "iPad", nil)
	heard := make(chan phone.Event, 10)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() { // ends when the phone is unlinked
		_ = next.Watch(ctx, func(e phone.Event) { heard <- e })
		close(heard)
	}()
	at := bert.get(d.Issuer + "/account/devices")
	var id string
	each(at.doc, func(n *html.Node) {
		if n.Data == "li" && strings.HasPrefix(attr(n, "id"), "device-") && strings.Contains(textOf(n), "iPad") {
			id = strings.TrimPrefix(attr(n, "id"), "device-")
		}
	})
	if at = bert.read(bert.web.PostForm(d.Issuer+"/account/devices/"+id+"/unlink", nil)); at.status != http.StatusOK || strings.Contains(at.body, "iPad") {
		t.Fatalf("unlinking: %d at %s", at.status, at.url)
	}
	var last phone.Event
	for e := range heard {
		last = e
	}
	if last.Name != "unlinked" {
		t.Errorf("the app heard %+v last", last)
	}

	// Five, and no more.
	var old *pocket
	for n := 5; n >= 2; n-- {
		old = bert.links(d.Issuer, fmt.Sprint("Phone ", n), nil)
	}
	at = bert.read(bert.web.PostForm(d.Issuer+"/account/link", nil))
	if !strings.Contains(at.body, `id="full"`) {
		t.Errorf("a sixth is offered at %s", at.url)
	}
	one.quiet()
	two.quiet()

	// With five a new phone takes the place of an old one, by its word.
	at = bert.read(bert.web.PostForm(d.Issuer+"/account/link", url.Values{"move": {"on"}}))
	link := must[*phone.Link](t)(phone.ParseLink(offerOn(t, at)))
	pairing := phone.Pairing{Link: link, Name: "Pixel 9", Platform: "android", App: "e2e/1"}
	if _, err := phone.Pair(t.Context(), pairing, nil, nil); err == nil || !strings.Contains(err.Error(), "five devices") {
		t.Errorf("a sixth phone: %v", err)
	}
	pairing.Replaces = old.Account
	moved := &pocket{t: t, Client: must[*phone.Client](t)(phone.Pair(t.Context(), pairing, nil, nil))}
	moved.taps()
	if _, err := old.Challenges(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "unlinked") {
		t.Errorf("the old phone hears %v", err)
	}
	at = bert.get(at.url.String())
	if at.url.Path != "/account/devices" || !strings.Contains(at.body, "Pixel 9") || !strings.Contains(at.body, `id="full"`) || strings.Contains(at.body, "Phone 2") {
		t.Errorf("afterwards, at %s:\n%s", at.url, at.body)
	}
	if _, err := moved.Challenges(t.Context(), 0); err != nil || moved.Account.Pending {
		t.Errorf("the new phone is not linked: %v", err)
	}
}

// keepsTheFocus links and unpairs a second phone while a page waits: each time the
// part of the page that waits is replaced. What has the focus in it has it
// afterwards, where it is there still; what is beside it is left alone.
func (p *person) keepsTheFocus(d *demo, w *window) {
	p.t.Helper()
	run := func(script string) {
		p.t.Helper()
		ask(w, chromedp.Evaluate[bool]("(() => {"+script+"; return true})()"))
	}
	// A field that the part has from now on: ours have none to type in.
	run(`const real = window.fetch
		window.fetch = async (...about) => {
			const answer = await real(...about)
			if (!(answer.headers.get("Content-Type") ?? "").startsWith("text/html")) return answer
			return new Response((await answer.text()).replace("</section>", '<input id="probe" name="probing"></section>'), { status: answer.status })
		}`)
	var second *pocket
	for i, c := range []struct{ what, before, after string }{
		{"a link, by where it leads", `const a = part.querySelector("#open-here"); a.removeAttribute("id"); a.focus()`, `at.id === "open-here" && part.contains(at)`},
		{"a field beside the part", `const c = document.querySelector("#code"); c.focus(); c.value = "123"; c.setSelectionRange(1, 2)`, `at.id === "code" && at.value === "123" && at.selectionStart === 1 && at.selectionEnd === 2`},
		{"a field, by its id, with what is marked", `const f = part.querySelector("#probe"); f.name = "other"; f.focus(); f.value = "abcdef"; f.setSelectionRange(1, 4, "backward")`,
			`at.id === "probe" && part.contains(at) && at.value === "abcdef" && at.selectionStart === 1 && at.selectionEnd === 4 && at.selectionDirection === "backward"`},
		{"a field, by its name", `const f = part.querySelector("#probe"); f.removeAttribute("id"); f.focus(); f.value = "abc"; f.setSelectionRange(0, 2)`,
			`at.id === "probe" && part.contains(at) && at.value === "abc" && at.selectionStart === 0 && at.selectionEnd === 2`},
		{"what is there no more", `const b = document.createElement("a"); b.id = "gone"; b.href = "/app/"; part.append(b); b.focus()`, `at === document.body`},
		{"nothing", `document.activeElement.blur()`, `at === document.body`},
	} {
		run(`const part = document.querySelector("#phones"); part.dataset.old = "1"; ` + c.before)
		if i%2 == 0 {
			second = p.links(d.Issuer, "iPhone 15", nil)
		} else if err := second.Unpair(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
		w.until("the part is another", `!document.querySelector("#phones").dataset.old`)
		if !ask(w, chromedp.Evaluate[bool](`(() => {const at = document.activeElement, part = document.querySelector("#phones"); return `+c.after+`})()`)) {
			p.t.Errorf("%s: the focus is on %s", c.what, ask(w, chromedp.Evaluate[string](`document.activeElement.outerHTML.slice(0, 200)`)))
		}
	}
}

// Two minutes without an answer: the page says so by itself, and asks again at
// the press of a button.
func TestPhoneExpiry(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	rp := d.public(t)
	bert := d.invite(t, "bert")
	ph := bert.links(d.Issuer, "Pixel 8", nil)
	w := openWindow(t, true)
	w.enters(rp, bert.name, bert.password)
	w.see("#number")
	old, _ := ph.asked()
	ctx, stop := context.WithTimeout(w.ctx, 3*time.Minute)
	defer stop()
	if _, err := chromedp.Run(ctx, chromedp.WaitVisible(chromedp.CSS("#unanswered"))); err != nil {
		w.check(err)
	}
	if _, err := ph.Answer(t.Context(), old, phone.Decision{Approve: true}); err == nil || !strings.Contains(err.Error(), "too late") && !strings.Contains(err.Error(), "too old") {
		t.Errorf("answered too late: %v", err)
	}
	w.click("#resend")
	w.see("#number")
	ch, _ := ph.asked()
	ph.answers(ch, phone.Decision{Approve: true, Number: w.text("#number")})
	w.arrives(rp)
	w.quiet()
}

// The first device by an invitation is a phone of ours: no code is typed.
func TestInvitationByPhone(t *testing.T) {
	t.Parallel()
	onBoth(t, invitationByPhone)
}

func invitationByPhone(t *testing.T) {
	d := startDemo(t)
	w := openWindow(t, true)
	link := strings.TrimSpace(d.idp(t, "invite", "carla"))
	w.open(link[strings.Index(link, "http://"):][:strings.IndexAny(link[strings.Index(link, "http://"):]+"\n", " \n")])
	w.click("#continue")
	w.chooses("slow-amber-river-42")
	ph := scan(t, ask(w, chromedp.Evaluate[string](`document.querySelector("#open-app").href`)), "Pixel 8", false, nil)
	w.see("#scanned")
	w.do(chromedp.WaitNotVisible(chromedp.CSS("#offer"))) // what was scanned is dead
	ph.taps()
	w.see("#recovery-codes") // the page goes on by itself
	w.do(chromedp.Click(chromedp.CSS("#saved")))
	w.click("#codes-form #continue")
	w.open(d.Issuer + "/account/devices")
	if text := w.text("#devices"); !strings.Contains(text, "Pixel 8") {
		t.Errorf("My devices: %q", text)
	}
	rp := d.public(t)
	rp.extra = url.Values{"prompt": {"login"}}
	w.enters(rp, "carla", "slow-amber-river-42")
	w.see("#asked")
	ch, doc := ph.asked()
	if doc.Match.Mode != "tap" {
		t.Errorf("asked %s", ch.Text)
	}
	ph.answers(ch, phone.Decision{Approve: true})
	w.arrives(rp)
	w.quiet()
}
