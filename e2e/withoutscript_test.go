package e2e

import (
	"regexp"
	"testing"

	"github.com/chromedp/chromedp"

	"hilum/cmd/phone/phone"
)

// What a person does in their life with an account, on a phone whose browser runs no
// script: the invitation, the account, «This was not me», a form that waits for the second
// factor, signing out, and in by a code and by the same phone.
func TestJourneysWithoutScript(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	rp := d.public(t)
	w := openWindow(t, false)
	w.look("light", 360, 740)
	bert := &person{t: t, name: "bert", password: "slow rivers carry stones", web: newBrowser(t)}

	w.open(regexp.MustCompile(`http://\S+/invite/\S+`).FindString(d.idp(t, "invite", bert.name)))
	w.click("#continue")
	w.enrols(bert)
	w.see("#sign-out")

	// A second device; and when the first is gone, a form that is sent is kept until the
	// second has confirmed it.
	w.open(d.Issuer + "/account/devices")
	first := device(t, d, bert.name)
	w.click("#link-device")
	w.see("#link-form")
	bert.seed, bert.spent = newPerson(t, bert.name, bert.password, w.seed()).seed, 0
	w.fill("#device_name", "Ward tablet")
	w.fill("#code", bert.code())
	w.click("#link-form #continue")
	w.see("#devices")
	w.open(d.Issuer + "/account/recovery")
	d.idp(t, "user", "unlink", bert.name, first, "--reason", "given back")
	w.click("#continue")
	w.see("#note")
	w.typeCode(bert.code())
	w.see("#held-form")
	w.click("#continue")
	w.see("#recovery-codes")
	w.do(chromedp.Click(chromedp.CSS("#saved")))
	w.click("#codes-form #continue")

	w.open(d.Issuer + "/account/password")
	w.fill("#old_password", bert.password)
	bert.password = "nine slow herons wade"
	w.fill("#new_password", bert.password)
	w.click("#change-form button.main")
	w.see("#note")

	w.open(d.Issuer + "/account/activity")
	w.click("#activity a.button")
	w.click("#cut")
	w.see("#next")

	// Our app, which is asked then, on the same phone or another.
	w.open(d.Issuer + "/account/devices")
	w.click("#link-device")
	ph := scan(t, ask(w, chromedp.Evaluate[string](`document.querySelector("#open-app").href`)), "Pixel 8", true, nil)
	w.open(d.Issuer + "/account/devices")
	if n := w.count("#devices > li"); n != 2 {
		t.Errorf("%d devices are listed", n)
	}
	w.click("#sign-out")
	w.enters(rp, bert.name, bert.password)
	w.waits("#still-waiting")
	ch, _ := ph.asked()
	decision := phone.Decision{Approve: true}
	if w.count("#number") > 0 {
		decision.Number = w.text("#number")
	}
	ph.answers(ch, decision)
	w.waits("#phone-continue")
	ask(w, chromedp.Evaluate[chromedp.Void](inFrame+`.querySelector("#phone-continue").click()`))
	w.arrives(rp)

	// By a code beside it; and the phone is unlinked, on a page of its own.
	w.open(d.Issuer + "/account/devices")
	w.click("#sign-out")
	w.signsIn(bert, d.Issuer+"/account/devices")
	const unlink = "#devices > li:nth-child(2) a.x" // the tablet is older
	w.click(unlink)
	w.click("#keep")
	w.click(unlink)
	w.click("#unlink")
	w.see("#note")
	if n := w.count("#devices > li"); n != 1 {
		t.Errorf("%d devices are left", n)
	}
	w.click("#sign-out")
	w.open(d.Issuer + "/account/devices")
	w.see("#password-form")
	w.quiet()
}
