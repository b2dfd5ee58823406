package web_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/totp"
	"hilum/idp/web/webtest/walk"
)

// An administrator's phone is stale: what changes something asks for it, and
// comes back to the page with what was selected there. On the real parts,
// without script.
func TestWalkAdministration(t *testing.T) {
	walksAdministration(t, walk.New(t))
}

func walksAdministration(t *testing.T, w *walk.Walk) {
	t.Helper()
	const pass = "quiet lamps hum at dawn"
	link, err := w.Desk.SetupLink(t.Context(), walk.Console)
	if err != nil {
		t.Fatal(err)
	}
	page := w.Submit(w.Visit("/setup/"+link.Token.Reveal()), link.Token.Reveal())
	page = w.Submit(page, "/name", "username", "chief", "name", "Chief")
	page = w.Submit(page, "/enrol", "password", pass)
	phone := w.Secret(page)
	page = w.Submit(page, "/enrol", "code", totp.Code(phone, w.Clock.Now()), "device_name", "Chief's phone")
	recovery := w.RecoveryCodes(page)[0]
	page = w.Submit(page, "/collect")
	w.Sees(page, "/admin/start", "First steps", "1 device is linked", "10 recovery codes are left", `id="go" href="/admin/applications/new"`)
	w.Sees(w.Visit("/admin"), "/admin/start")
	w.Sees(w.Visit("/account/security"), "/account/security", `href="/admin"`)
	w.Sees(w.Submit(page, "/admin/start", "aside", "1"), "/admin/devices")
	w.Sees(w.Visit("/admin/start"), "/admin/start", "put aside")

	page = w.Visit("/admin")
	w.Sees(page, "/admin/devices", "1 device", "Chief&#39;s phone")
	device := regexp.MustCompile(`href="/admin/devices/([0-9A-V]{26})"`).FindStringSubmatch(page)[1]

	// Ten minutes later: reading goes on, changing asks.
	w.Clock.Add(600 * time.Second)
	w.Sees(w.Visit("/admin/devices?q=chief"), "/admin/devices?q=chief", "1 device")
	page = w.Visit("/admin/devices/unlink?id=" + device)
	w.Sees(page, "/login/", "Confirm that it is you")
	page = w.Submit(page, "/code", "code", totp.Code(phone, w.Clock.Now()))
	w.Sees(page, "/admin/devices/unlink?id="+device, "Chief&#39;s phone", "Only one")

	// A form that was open too long waits for the code, and is looked at as it was typed.
	w.Clock.Add(600 * time.Second)
	stale := w.Submit(page, "/admin/devices/unlink", "devices", device, "reason", "", "note", "kept")
	w.Sees(stale, "/login/", "What you typed is kept")
	page = w.Submit(stale, "/code", "code", totp.Code(phone, w.Clock.Now()))
	w.Sees(page, "/login/", "What you typed is sent now")
	w.Sees(w.SendHeld(page), "/admin/devices/unlink", "Chief&#39;s phone", "Say why.")

	// Where it is not confirmed nothing is done.
	w.Clock.Add(600 * time.Second)
	stale = w.Submit(page, "/admin/devices/unlink", "devices", device, "reason", "too late")
	w.Sees(w.Submit(stale, "/cancel"), "/account/security", "Nothing was changed.", "1 device linked")
	w.Visit("/admin/devices/unlink?id=" + device)
	w.Submit(w.Visit(w.Path), "/code", "code", totp.Code(phone, w.Clock.Now()))

	// One invited, found, unlinked, and named in the log with the reason.
	w.Later()
	page = w.Submit(w.Visit("/admin/users/new"), "/admin/users/new", "username", "bert", "name", "Bert Klein", "groups", "radiology")
	w.Sees(page, "/admin/users/new", "One-time link for Bert Klein", w.URL+"/invite/")
	w.Sees(w.Visit("/admin/users?q=radio"), "/admin/users", "1 person", "Bert Klein", "Invited")
	w.Sees(w.Visit("/admin/audit?who=bert"), "/admin/audit", "Account made", "One-time link made", "chief")
	w.Submit(w.Visit("/admin/audit/check"), "/admin/audit/check")
	w.Jobs.Wait(time.Minute)
	w.Sees(w.Visit(w.Path), "/admin/checks/", "The log is whole")
	w.Sees(w.Visit("/admin/audit/check"), "/admin/audit/check", "by chief")
	w.Sees(w.Visit("/admin/health"), "/admin/health", "The last 30 days", "Code <b>3</b>")
	w.Sees(w.Visit("/admin/sessions"), "/admin/sessions", "This one", "Chief")
	w.Sees(w.Visit("/admin/applications"), "/admin/applications", "No application is registered yet.")
	page = w.Visit("/admin/devices/unlink?id=" + device)
	page = w.Submit(page, "/admin/devices/unlink", "devices", device, "reason", "")
	w.Sees(page, "/admin/devices/unlink", "Say why.")
	page = w.Submit(page, "/admin/devices/unlink", "devices", device, "reason", "worn out")
	// It was the phone that the session was confirmed with: another proof is asked
	// for before anything else of the administration is shown.
	w.Sees(page, "/login/", "Confirm that it is you")
	w.Sees(w.Submit(page, "/recovery", "recovery_code", recovery), "/admin/devices", "Nobody has linked a device yet")
	w.Sees(w.Visit("/admin/audit?kind=device."), "/admin/audit", "worn out", "Chief&#39;s phone")
}

// One person's life with the pages, without script, on the real parts.
func TestWalk(t *testing.T) {
	walks(t, walk.New(t))
}

func walks(t *testing.T, w *walk.Walk) {
	t.Helper()
	const pass, newPass = "quiet lamps hum at dawn", "slow rivers carry stones"
	link, err := w.Desk.SetupLink(t.Context(), walk.Console)
	if err != nil {
		t.Fatal(err)
	}

	// The set-up link: names, password and first device, recovery codes.
	page := w.Visit("/setup/" + link.Token.Reveal())
	w.Sees(page, "/setup/", "makes the first account")
	page = w.Submit(page, link.Token.Reveal())
	w.Sees(page, "/login/", "Who is the administrator?")
	page = w.Submit(page, "/name", "username", "An na", "name", "Anna Maes")
	w.Sees(page, "/login/", "made of letters, digits", `value="Anna Maes"`)
	page = w.Submit(page, "/name", "username", "Anna", "name", "Anna Maes")
	w.Sees(page, "/login/", "Choose a password", "<b>anna</b>", "not otpauth")
	page = w.Submit(page, "/enrol", "password", "short")
	w.Sees(page, "/login/", "too short", "not otpauth")
	page = w.Submit(page, "/enrol", "password", pass)
	w.Sees(page, "/login/", "Link your phone", "Your password is chosen", "not "+pass)
	phone := w.Secret(page)
	page = w.Submit(page, "/enrol", "code", "000000", "device_name", "Pixel 8")
	w.Sees(page, "/login/", "does not match", `value="Pixel 8"`)
	page = w.Submit(page, "/enrol", "code", totp.Code(phone, w.Clock.Now()), "device_name", "Pixel 8")
	w.Sees(page, "/login/", "Your recovery codes")
	codes := w.RecoveryCodes(page)
	enrolled := strings.TrimSuffix(w.Path, "/enrol")
	page = w.Submit(page, "/collect")
	w.Sees(page, "/admin/start", "First steps")
	w.Sees(w.Visit("/account/security"), "/account/security", "1 device linked", "10 recovery codes left", "Anna Maes")

	// Back to what is done: helpful pages.
	w.Sees(w.Visit(enrolled), "/login/", "This sign-in is finished", "not "+codes[0])
	w.Sees(w.Visit("/setup/"+link.Token.Reveal()), "/setup/", "not makes the first account")

	// A second device, renamed; the first unlinked; the last stays.
	w.Later()
	page = w.Submit(w.Visit("/account/devices"), "/account/link")
	w.Sees(page, "/account/link/", "Scan the QR code")
	tablet := w.Secret(page)
	page = w.Submit(page, strings.TrimPrefix(w.Path, "/account/link"), "code", "000000", "device_name", "iPad")
	w.Sees(page, "/account/link/", "does not match", `value="iPad"`)
	page = w.Submit(page, strings.TrimPrefix(w.Path, "/account/link"), "code", totp.Code(tablet, w.Clock.Now()), "device_name", "iPad")
	w.Sees(page, "/account/devices?did=linked", "2 of 5", "iPad", "Your device is linked.")
	first := regexp.MustCompile(`id="device-([0-9A-V]+)"`).FindStringSubmatch(page)[1]
	page = w.Submit(page, first+"/name", "name", "Old Pixel")
	w.Sees(page, "/account/devices?did=renamed", "Old Pixel")
	page = w.Submit(w.Visit("/account/devices/"+first+"/unlink"), first+"/unlink")
	w.Sees(page, "/account/devices?did=unlinked", "1 of 5", "not Old Pixel")
	last := regexp.MustCompile(`id="device-([0-9A-V]+)"`).FindStringSubmatch(page)[1]
	w.Sees(w.Visit("/account/devices/"+last+"/unlink"), "/account/devices/", "iPad is your only device")
	w.Sees(w.Visit("/account/devices/"+first+"/unlink"), "/account/devices/", "There is nothing here")

	// Out, and in again: wrong, right, the code of the unlinked device, a used one.
	page = w.Submit(page, "/account/signout")
	w.Sees(page, "/signed-out", "You are signed out")
	page = w.Visit("/account/sessions")
	w.Sees(page, "/login/", `id="password-form"`)
	page = w.Submit(page, "/password", "username", "anna", "password", "not the password")
	w.Sees(page, "/login/", "do not match")
	page = w.Submit(page, "/password", "username", "ANNA ", "password", pass)
	w.Sees(page, "/login/", "Type the code from the app", "<b>anna</b>")
	page = w.Submit(page, "/code", "code", totp.Code(tablet, w.Clock.Now()))
	w.Sees(page, "/login/", "Wait for the next one.")
	w.Later()
	page = w.Submit(page, "/code", "code", totp.Code(phone, w.Clock.Now()))
	w.Sees(page, "/login/", "does not match")
	code := totp.Code(tablet, w.Clock.Now())
	page = w.Submit(page, "/code", "code", code[:3]+" "+code[3:])
	w.Sees(page, "/account/sessions", "This one", "not Sign out all others")

	// Another browser, by recovery code; the first one ends it.
	one := w.HTTP
	w.Fresh()
	page = w.Submit(w.Visit("/account/devices"), "/password", "username", "anna", "password", pass)
	page = w.Submit(page, "/recovery", "recovery_code", "AAAA-AAAA-AAAA-AAAA")
	w.Sees(page, "/login/", "does not match, or was used before", "<details open>")
	page = w.Submit(page, "/recovery", "recovery_code", strings.ToLower(codes[3]))
	w.Sees(page, "/account/devices", "1 of 5")
	w.Sees(w.Visit("/account/security"), "/account/security", "9 recovery codes left")
	two := w.HTTP
	w.HTTP = one
	page = w.Visit("/account/sessions")
	w.Sees(page, "/account/sessions", "Sign out all others")
	page = w.Submit(page, "/others")
	w.Sees(page, "/account/sessions?did=others", "not Sign out all others")
	w.HTTP = two
	w.Sees(w.Visit("/account/sessions"), "/login/", `id="password-form"`)
	w.HTTP = one

	// Ten minutes later the second factor is asked for again, and leads back.
	w.Clock.Add(600 * time.Second)
	page = w.Visit("/account/password")
	w.Sees(page, "/login/", "Confirm that it is you", "not Start over")
	page = w.Submit(page, "/code", "code", totp.Code(tablet, w.Clock.Now()))
	w.Sees(page, "/account/password", `id="change-form"`)
	page = w.Submit(page, "/account/password", "old_password", "nonsense", "new_password", newPass)
	w.Sees(page, "/account/password", "The current password does not match.")
	page = w.Submit(page, "/account/password", "old_password", pass, "new_password", "password")
	w.Sees(page, "/account/password", `id="problem"`)
	page = w.Submit(page, "/account/password", "old_password", pass, "new_password", newPass)
	w.Sees(page, "/account/security?did=password", "Your password was changed.")
	page = w.Submit(w.Visit("/account/recovery"), "/account/recovery")
	w.Sees(page, "/account/recovery", "Your recovery codes")
	if again := w.RecoveryCodes(page); again[0] == codes[0] {
		t.Error("the same codes again")
	}

	// Five wrong codes lead back to the password.
	w.Fresh()
	page = w.Submit(w.Visit("/account"), "/password", "username", "anna", "password", newPass)
	for range idp.MaxWrongCodes {
		w.Sees(page, "/login/", "Type the code from the app")
		page = w.Submit(page, "/code", "code", "000000")
		w.Clock.Add(40 * time.Second) // past the delay between tries
	}
	w.Sees(page, "/login/", "Too many wrong codes.", `id="password-form"`)

	// A sign-in that nobody finishes.
	w.Clock.Add(16 * 60 * time.Second)
	page = w.Submit(page, "/password", "username", "anna", "password", newPass)
	w.Sees(page, "/login/", "This sign-in has expired")
}

// With five devices the page of linking offers to move to a new phone, and its QR code is
// for that alone, also where the fifth was linked while the page was open.
func TestWalkMoveToANewPhone(t *testing.T) {
	w := walk.New(t)
	anna := w.Enrol(idp.User{Name: "anna"})
	for _, name := range []string{"Two", "Three", "Four"} {
		w.Link(anna.ID, idp.Device{Name: name, Kind: idp.DeviceCode})
	}
	page := w.Submit(w.Visit("/account/link"), "/account/link")
	w.Sees(page, "/account/link/", "<h1>Link a device", `id="link-form"`, `id="open-here"`)
	open := w.Path
	only := []string{"<h1>Move to a new phone", `class="qr"`, `id="open-app"`, "unlink a device first", "not id=\"link-form\"", "not id=\"open-here\"", "not id=\"secret\""}
	if err := w.DB.UpdatePairing(t.Context(), idp.PairingID(strings.TrimPrefix(open, "/account/link/")), func(*idp.Pairing) (*idp.Device, error) {
		return &idp.Device{ID: "fifth", User: anna.ID, Name: "Five", Kind: idp.DeviceCode, State: idp.DeviceActive, SealedTOTP: []byte("x"), LinkedAt: w.Clock.Now()}, nil
	}); err != nil {
		t.Fatal(err)
	}
	w.Sees(w.Visit(open), open, only...)
	w.Sees(w.Visit("/account/devices"), "/account/devices", "All 5 places are taken", `id="move" href="/account/link"`, "not id=\"link-device\"")
	intro := w.Visit("/account/link")
	w.Sees(intro, "/account/link", "All 5 places are taken", "Move to a new phone", "not id=\"continue\"")
	w.Sees(w.Arrive(w.Post("/account/link")), "/account/link", `id="full"`)
	w.Sees(w.Submit(intro, "/account/link", "move", "on"), "/account/link/", only...)
}
