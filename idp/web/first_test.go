package web

import (
	"regexp"
	"testing"

	"hilum/idp/admin"
	"hilum/idp/totp"
)

// A stranger has typed a hundred wrong passwords for a name: a browser that is
// known sees nothing of it, another gives a code first and the password after it,
// and a name that nobody has shows the same page.
func TestWalkSecondFactorFirst(t *testing.T) {
	w := newWalk(t)
	const pass = "quiet lamps hum at dawn"
	link, err := w.desk.SetupLink(t.Context(), admin.Console("console:test"))
	if err != nil {
		t.Fatal(err)
	}
	page := w.submit(w.visit("/setup/"+link.Token.Reveal()), link.Token.Reveal())
	page = w.submit(page, "/name", "username", "anna", "name", "Anna")
	phone := w.secret(page)
	page = w.submit(page, "/enrol", "password", pass, "code", totp.Code(phone, w.now()), "device_name", "Pixel")
	w.submit(page, "/collect")
	known := w.http

	for _, name := range []string{"anna", "nobody"} {
		w.freshBrowser()
		for n := range 100 {
			if n%10 == 0 {
				page = w.visit("/account")
			}
			page = w.submit(page, "/password", "username", name, "password", "wrong and wrong again")
			w.sees(page, "/login/", "do not match")
			w.clock.Add(61)
		}
	}
	forms := map[string]string{}
	for _, name := range []string{"nobody", "anna"} {
		w.freshBrowser()
		page = w.submit(w.visit("/account"), "/password", "username", name, "password", pass)
		w.sees(page, "/login/", "Confirm that it is you first", `id="first"`, "Ask my phone", "not Recovery", "not "+pass)
		page = w.submit(page, "/resend")
		w.sees(page, "/login/", `id="asked"`, `id="number"`, "Type a code from your app instead")
		page = w.submit(page, "/code", "code", "000000")
		w.sees(page, "/login/", "does not match", `id="first"`)
		forms[name] = words(page)
	}
	if forms["anna"] != forms["nobody"] {
		t.Errorf("a name that nobody has shows\n%s\nanna's\n%s", forms["nobody"], forms["anna"])
	}
	w.later()
	page = w.submit(page, "/code", "code", totp.Code(phone, w.now()))
	w.sees(page, "/login/", "Confirmed. Now your password.", `value="anna"`, "readonly")
	page = w.submit(page, "/password", "username", "anna", "password", "wrong and wrong again")
	w.sees(page, "/login/", "do not match", "readonly")
	page = w.submit(page, "/password", "username", "anna", "password", pass)
	w.sees(page, "/", "not password-form")
	w.sees(w.visit("/account/security"), "/account/security", "1 device linked")

	w.http = known
	page = w.submit(w.visit("/account"), "/password", "username", "anna", "password", pass)
	w.sees(page, "/login/", "Check your phone")
}

// words is a page without what differs from sign-in to sign-in by chance.
func words(page string) string {
	page = regexp.MustCompile(`[0-9A-V]{26}`).ReplaceAllString(page, "ID")
	return regexp.MustCompile(`data-len="2">\d\d<`).ReplaceAllString(page, "NN<")
}
