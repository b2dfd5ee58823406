package web_test

import (
	"regexp"
	"testing"
	"time"

	"hilum/idp/totp"
	"hilum/idp/web/webtest/walk"
)

// A stranger has typed a hundred wrong passwords for a name: a browser that is
// known sees nothing of it, another gives a code first and the password after it,
// and a name that nobody has shows the same page.
func TestWalkSecondFactorFirst(t *testing.T) {
	w := walk.New(t)
	const pass = "quiet lamps hum at dawn"
	link, err := w.Desk.SetupLink(t.Context(), walk.Console)
	if err != nil {
		t.Fatal(err)
	}
	page := w.Submit(w.Visit("/setup/"+link.Token.Reveal()), link.Token.Reveal())
	page = w.Submit(page, "/name", "username", "anna", "name", "Anna")
	page = w.Submit(page, "/enrol", "password", pass)
	phone := w.Secret(page)
	page = w.Submit(page, "/enrol", "code", totp.Code(phone, w.Clock.Now()), "device_name", "Pixel")
	w.Submit(page, "/collect")
	known := w.HTTP

	for _, name := range []string{"anna", "nobody"} {
		w.Fresh()
		for n := range 100 {
			if n%10 == 0 {
				page = w.Visit("/account")
			}
			page = w.Submit(page, "/password", "username", name, "password", "wrong and wrong again")
			w.Sees(page, "/login/", "do not match")
			w.Clock.Add(61 * time.Second)
		}
	}
	forms := map[string]string{}
	for _, name := range []string{"nobody", "anna"} {
		w.Fresh()
		page = w.Submit(w.Visit("/account"), "/password", "username", name, "password", pass)
		w.Sees(page, "/login/", "Confirm that it is you first", `id="first"`, "Ask my phone", "not Recovery", "not "+pass)
		page = w.Submit(page, "/resend")
		w.Sees(page, "/login/", `id="asked"`, `id="number"`, "Type a code from your app instead")
		page = w.Submit(page, "/code", "code", "000000")
		w.Sees(page, "/login/", "does not match", `id="first"`)
		forms[name] = words(page)
	}
	if forms["anna"] != forms["nobody"] {
		t.Errorf("a name that nobody has shows\n%s\nanna's\n%s", forms["nobody"], forms["anna"])
	}
	w.Later()
	page = w.Submit(page, "/code", "code", totp.Code(phone, w.Clock.Now()))
	w.Sees(page, "/login/", "Confirmed. Now your password.", `value="anna"`, "readonly")
	page = w.Submit(page, "/password", "username", "anna", "password", "wrong and wrong again")
	w.Sees(page, "/login/", "do not match", "readonly")
	page = w.Submit(page, "/password", "username", "anna", "password", pass)
	w.Sees(page, "/", "not password-form")
	w.Sees(w.Visit("/account/security"), "/account/security", "1 device linked")

	w.HTTP = known
	page = w.Submit(w.Visit("/account"), "/password", "username", "anna", "password", pass)
	w.Sees(page, "/login/", "Type the code from the app")
}

// words is a page without what differs from sign-in to sign-in by chance.
func words(page string) string {
	page = regexp.MustCompile(`[0-9A-V]{26}`).ReplaceAllString(page, "ID")
	return regexp.MustCompile(`data-len="2">\d\d<`).ReplaceAllString(page, "NN<")
}
