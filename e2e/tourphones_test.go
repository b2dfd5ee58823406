package e2e

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"hilum/cmd/phone/phone"
	"hilum/idp"
	"hilum/idp/limit"
)

// forgets makes the window a browser that nobody knows.
func (w *window) forgets() {
	w.t.Helper()
	_, err := chromedp.Call(w.ctx, network.ClearBrowserCookies, cdp.Empty{})
	w.check(err)
}

// tourPhones is every page and state of linking and of asking phones of ours.
func tourPhones(t *testing.T, d *demo, w *window, visit func(name string)) {
	bert := d.invite(t, "bert")
	rp := d.public(t)
	rp.extra = url.Values{"prompt": {"login"}}
	matched := func(mode string) *party {
		t.Helper()
		p := *rp
		p.id = mode
		d.idp(t, "client", "add", "Radiology Viewer", "--id", mode, "--public", "--redirect-uri", rp.redirect, "--match", mode)
		return &p
	}

	// Linking: the page follows the phone.
	w.open(d.Issuer + "/account/link")
	w.see("#password-form")
	w.fill("#username", bert.name)
	w.fill("#password", bert.password)
	w.click("#continue")
	w.typeCode(bert.code())
	w.see("#continue")
	w.click("#continue")
	w.see("svg.qr")
	link := func() string {
		return ask(w, chromedp.Evaluate[string](`document.querySelector("#open-app").href`))
	}
	ph := scan(t, link(), "Pixel 8", false, nil)
	w.see("#scanned")
	visit("account-link-scanned")
	if _, err := phone.Pair(t.Context(), phone.Pairing{Link: must[*phone.Link](t)(phone.ParseLink(link())), Name: "Another", Platform: "web", App: "e2e/1"}, nil, nil); err == nil {
		t.Error("another phone has used the same code")
	}
	w.see("#rival")
	visit("account-link-rival")
	ph.taps()
	w.see("#devices")
	w.click("#link-device")
	w.see("svg.qr")
	second := scan(t, link(), strings.Repeat("Handy der Radiologie ", 2)[:40], true, nil)
	w.see("#devices")
	visit("account-devices-phones")

	answer := func(d phone.Decision) {
		t.Helper()
		ch, _ := ph.asked()
		ph.answers(ch, d)
	}
	// A new browser types a number; a wrong one closes the request.
	w.forgets()
	w.enters(rp, bert.name, bert.password)
	w.see("#number")
	visit("phone-type")
	ch, _ := ph.asked()
	wrong := "10"
	if w.text("#number") == wrong {
		wrong = "11"
	}
	if _, err := ph.Answer(t.Context(), ch, phone.Decision{Approve: true, Number: wrong}); err == nil {
		t.Error("a wrong number is right")
	}
	w.see("#wrong")
	visit("phone-wrong")
	for _, mode := range []string{"strict", "pick"} {
		as := matched(mode)
		w.enters(as, bert.name, bert.password)
		w.see("#number")
		visit("phone-" + mode)
		answer(phone.Decision{Approve: true, Number: w.text("#number")})
		w.arrives(as)
	}
	// Another tab asks instead; back at the first, and after the end of the second.
	w.enters(rp, bert.name, bert.password)
	w.see("#asked")
	tab := w.beside()
	tab.enters(rp, bert.name, bert.password)
	tab.see("#asked")
	w.see("#moved")
	visit("phone-moved")
	answer(phone.Decision{Approve: true})
	tab.arrives(rp)
	w.enters(rp, bert.name, bert.password)
	w.see("#asked")
	w.online(false)
	w.see("#offline")
	visit("phone-offline")
	w.online(true)
	answer(phone.Decision{Approve: true})
	w.arrives(rp)
	w.do(chromedp.NavigateBack())
	w.see("#go-on")
	visit("finished")

	w.enters(rp, bert.name, bert.password)
	w.see("#asked")
	visit("phone-tap")
	answer(phone.Decision{Reason: "mistake"})
	w.see("#notice")
	visit("phone-denied")

	// Strangers have typed too many wrong passwords: the second factor comes first.
	d.closePasswords(t, bert.name)
	w.forgets()
	w.enters(rp, bert.name, bert.password)
	w.see("#first")
	visit("first")
	w.click("#resend")
	w.see("#number")
	visit("first-asked")
	answer(phone.Decision{Approve: true, Number: w.text("#number")})
	w.see("#password-form")
	visit("first-password")
	w.fill("#password", bert.password)
	w.click("#continue")
	w.arrives(rp)

	// «It wasn't me», twice, while two strangers wait.
	d.idp(t, "user", "unlock", bert.name)
	other := newPerson(t, bert.name, bert.password, "")
	from := other.get(rp.authorize())
	other.submit(from, "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
	w.enters(rp, bert.name, bert.password)
	w.see("#asked")
	list := must[[]phone.Challenge](t)(ph.Challenges(t.Context(), 0))
	if len(list) != 2 {
		t.Fatalf("%d requests", len(list))
	}
	ph.answers(&list[1], phone.Decision{Reason: "not_me"})
	w.see("#notice")
	w.enters(rp, bert.name, bert.password)
	w.see("#paused")
	visit("phone-paused")
	ph.answers(&list[0], phone.Decision{Reason: "not_me"})
	w.enters(rp, bert.name, bert.password)
	w.see("#off")
	visit("phone-off")

	// Two minutes without an answer.
	d.idp(t, "user", "unlock", bert.name)
	w.enters(rp, bert.name, bert.password)
	w.see("#asked")
	ctx, stop := context.WithTimeout(w.ctx, 3*time.Minute)
	defer stop()
	if _, err := chromedp.Run(ctx, chromedp.WaitVisible(chromedp.CSS("#unanswered"))); err != nil {
		w.check(err)
	}
	visit("phone-unanswered")
	w.typeCode(bert.code())
	w.arrives(rp)

	// The last one stays.
	for _, p := range []*pocket{ph, second} {
		if err := p.Unpair(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.open(d.Issuer + "/account/devices")
	w.click("a.x")
	visit("account-unlink-last")

	// The device that confirmed this session is gone, and a link of another site
	// leads to what needs a second factor.
	authenticator := device(t, d, bert.name)
	w.open(d.Issuer + "/account/link")
	w.click("#continue")
	w.see("svg.qr")
	last := scan(t, link(), "Fairphone 5", true, nil)
	w.see("#devices")
	w.later(59)
	w.see("#ending")
	visit("account-ending")
	d.idp(t, "user", "unlink", bert.name, authenticator, "--reason", "given back")
	w.open(d.Viewer + "/")
	w.turn(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("location.href = %q", d.Issuer+"/account/password")))
	w.see("#confirm-form")
	visit("account-confirm")

	// What is sent then waits for another proof, and is done once that is given.
	w.open(d.Issuer + "/account/recovery")
	w.click("#continue")
	w.see("#note")
	visit("stepup-held")
	ch, _ = last.asked()
	number := ""
	if w.count("#number") > 0 {
		number = w.text("#number")
	}
	last.answers(ch, phone.Decision{Approve: true, Number: number})
	w.see("#recovery-codes")
}

// closePasswords has the password of a person wait for their second factor, as a
// hundred wrong ones by strangers do.
func (d *demo) closePasswords(t testing.TB, name string) {
	t.Helper()
	ctx := context.Background()
	db := openStore(t, d.home)
	defer db.Close()
	a := must[*idp.Account](t)(db.AccountByName(ctx, name))
	key := idp.CounterKey{Kind: idp.CountPasswords, Who: string(a.User.ID)}
	err := db.UpdateCounter(ctx, key, nil, func(c *idp.Counter) error {
		for range limit.Passwords.FirstInARow {
			limit.Passwords.Wrong(c, time.Now())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
