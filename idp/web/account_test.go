package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/login"
	"hilum/idp/totp"
	"hilum/idp/web/page"
)

func TestAccountNeedsASession(t *testing.T) {
	for path, target := range map[string]string{
		"/account": "security", "/account/security": "security", "/account/password": "password", "/account/recovery": "recovery",
		"/account/devices": "devices", "/account/link": "link", "/account/link/" + aPairing: "devices",
		"/account/devices/" + aDevice + "/unlink": "devices", "/account/sessions": "sessions",
		"/account/activity": "activity", "/account/activity/12/notme": "activity", "/account/profile": "profile",
	} {
		d := open(t)
		d.logins.step = step(idp.LoginPassword, idp.ForAccount)
		d.Leads(d.Get(path), "/login/"+aLogin)
		d.asked("account " + target)
	}
	for _, path := range []string{"/account/password", "/account/recovery", "/account/link", "/account/devices/" + aDevice + "/unlink",
		"/account/devices/" + aDevice + "/name", "/account/sessions/others", "/account/sessions/" + aSession + "/end", "/account/activity/12/notme",
		"/account/sessions/browsers/7/forget", "/account/profile"} {
		d := open(t)
		d.logins.step = step(idp.LoginPassword, idp.ForAccount)
		d.Leads(d.Post(path, "name", "x"), "/login/"+aLogin+"?note=ended")
		if len(d.devices.asked) != 0 {
			t.Errorf("%s: %q", path, d.devices.asked)
		}
	}
	d := open(t)
	d.Leads(d.Get("/"), "/account")
}

func TestSecurityTab(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.devices.list = []idp.Device{{ID: aDevice, Name: "Pixel 8"}, {}}
	d.Wants(d.Get("/account/security"), 200, "Time-based One-Time-Password from app", "2 devices linked, 5 at most", "7 recovery codes left", "Anna Maes", `aria-current="page"`, "not 2FA")
	d.Leads(d.Get("/account"), "/account/security")
	d.Wants(d.Get("/account/security?did=password"), 200, "Your password was changed.")
	d.Wants(d.Get("/account/security?did=%3Cscript%3E"), 200, `not id="note"`, "not script>alert")
}

func TestChangePassword(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.Wants(d.Get("/account/password"), 200, `id="change-form"`)
	for err, says := range map[error]string{
		idp.ErrWrongSecret: "The current password does not match.",
		&idp.FieldError{Field: "password", Message: "password.context"}:           "built from your name",
		&idp.RetryError{Err: idp.ErrTooMany, After: 4 * time.Second}:              "in 4 seconds",
		&idp.RetryError{Err: idp.ErrBusy, After: 4 * time.Second}:                 "in a few seconds",
		&idp.FieldError{Field: "password", Message: "something.nobody.has.heard"}: "Look at what you typed here.",
	} {
		d.logins.err = err
		r := d.Post("/account/password", "old_password", "old-word-1", "new_password", "new-word-2")
		d.Wants(r, r.StatusCode, says, "not old-word-1", "not new-word-2")
		if r.StatusCode < 400 {
			t.Errorf("%v: %d", err, r.StatusCode)
		}
	}
	d.logins.err = nil
	d.Leads(d.Post("/account/password", "old_password", "a", "new_password", "b"), "/account/security?did=password")
}

// Whoever was away asks for the second factor again and comes back.
func TestStaleSecondFactor(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.logins.session.FactorAt = noon.Add(-idp.StepUpFor - time.Second)
	d.Leads(d.Get("/account/password"), "/login/"+aLogin)
	d.asked("stepup password")

	for _, c := range []struct{ path, target string }{
		{"/account/recovery", "recovery"},
		{"/account/link", "link"},
		{"/account/link/" + aPairing, "link:" + aPairing},
		{"/account/devices/" + aDevice + "/unlink", "unlink:" + aDevice},
	} {
		d := open(t)
		d.signedIn()
		d.devices.err = idp.ErrStale
		d.Leads(d.Post(c.path, "code", "123456", "device_name", "x"), "/login/"+aLogin+"?note=held")
		if len(d.logins.asked) != 1 || d.logins.asked[0] != "stepup "+c.target {
			t.Errorf("%s: %q", c.path, d.logins.asked)
		}
		if _, ok := d.page.Place(c.target); !ok {
			t.Errorf("%s cannot be come back to", c.target)
		}
	}
	d = open(t)
	d.signedIn()
	d.logins.err = idp.ErrStale
	d.Leads(d.Post("/account/password", "old_password", "a", "new_password", "b"), "/login/"+aLogin+"?note=again")
}

// A form waits for the second factor and is sent on as it was typed, to where it was
// posted; a password waits nowhere. What became of it is said on the page that comes first.
func TestFormsWaitForTheSecondFactor(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.devices.err = idp.ErrStale
	d.Leads(d.Post("/account/link/"+aPairing, "device_name", `Anna's "phone" <b>`, "code", "123456"), "/login/"+aLogin+"?note=held")
	d.Wants(d.Get("/login/"+aLogin+"?note=held"), 200, "What you typed is kept")
	d.logins.after = step(idp.LoginDone, idp.ForStepUp)
	d.logins.answer = &login.Answer{Purpose: idp.ForStepUp, Target: "devices", Held: d.logins.held}
	r := d.Post("/login/"+aLogin+"/code", "code", "123456")
	d.Wants(r, 200, `action="/account/link/`+aPairing+`"`, `name="device_name" value="Anna&#39;s &#34;phone&#34; &lt;b&gt;"`, `name="code" value="123456"`, "data-post-now", `id="continue"`)

	d = open(t)
	d.signedIn()
	d.logins.err = idp.ErrStale
	d.Post("/account/password", "old_password", "a", "new_password", "b")
	if d.logins.held != nil {
		t.Errorf("a password is kept: %s", d.logins.held)
	}
	d.Wants(d.Get("/login/"+aLogin+"?note=again"), 200, "Nothing was changed. Confirm first")
	d.logins.err, d.logins.after = nil, step(idp.LoginDenied, idp.ForStepUp)
	d.Leads(d.Post("/login/"+aLogin+"/cancel"), "/account/security?did=nothing")
	d.Wants(d.Get("/account/security?did=nothing"), 200, "Nothing was changed.")
	d.logins.step = step(idp.LoginDenied, idp.ForStepUp)
	d.Wants(d.Get("/login/"+aLogin), 200, "Nothing was changed.")

	for _, path := range []string{"//elsewhere.example/account", "https://elsewhere.example/", "account", ""} {
		held, _ := json.Marshal(map[string]any{"path": path, "form": map[string][]string{"a": {"b"}}})
		d := open(t)
		d.bound(idp.LoginFactor, idp.ForStepUp)
		d.logins.after, d.logins.answer = step(idp.LoginDone, idp.ForStepUp), &login.Answer{Purpose: idp.ForStepUp, Held: held}
		if r := d.Post("/login/"+aLogin+"/code", "code", "123456"); r.StatusCode != 500 || strings.Contains(r.Body, "elsewhere") {
			t.Errorf("a form for %q was sent on: %d", path, r.StatusCode)
		}
	}
}

func phones(n int) []idp.Device {
	names := []string{"Pixel 8", "iPad <b>of</b> Anna", "Old phone", "Desk", "Spare"}
	var list []idp.Device
	for i := range n {
		list = append(list, idp.Device{ID: idp.DeviceID(strings.Repeat("D", 25) + string(rune('2'+i))), Name: names[i], Kind: idp.DeviceCode, LinkedAt: noon})
	}
	return list
}

func TestDevicesTab(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.Wants(d.Get("/account/devices"), 200, "0 of 5", "No device is linked", `id="link-device"`)
	d.devices.list = phones(1)
	d.Wants(d.Get("/account/devices"), 200, "1 of 5", "Pixel 8", "Never", "not <dialog", "not otpauth", "not secret")
	d.devices.list = phones(3)
	d.Wants(d.Get("/account/devices"), 200, "3 of 5", "<dialog", "iPad &lt;b&gt;of&lt;/b&gt; Anna", "not <b>of</b>", `id="link-device"`)
	d.devices.list = phones(5)
	d.Wants(d.Get("/account/devices"), 200, "5 of 5", "All 5 places are taken", `not id="link-device"`)
	d.Wants(d.Get("/account/link"), 200, "All 5 places are taken", `not id="continue"`)
	d.Wants(d.Get("/account/devices?did=unlinked"), 200, "The device is unlinked.")
}

func TestRename(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.devices.list = phones(2)
	id := string(d.devices.list[0].ID)
	d.devices.err = &idp.FieldError{Field: "name", Message: "text.long"}
	d.Wants(d.Post("/account/devices/"+id+"/name", "name", "New name"), 422, "This is too long.", `value="New name"`, "<details open>")
	d.devices.err = nil
	d.Leads(d.Post("/account/devices/"+id+"/name", "name", "New name"), "/account/devices?did=renamed")
	d.devices.err = idp.ErrNotFound
	d.Wants(d.Post("/account/devices/"+aDevice+"/name", "name", "New name"), 404)
}

func TestLinking(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.Wants(d.Get("/account/link"), 200, "Scan the QR code with it.", "not otpauth")
	d.asked()
	d.devices.offer = &device.Offer{ID: aPairing, Offer: totp.Offer{URI: "otpauth://totp/Imaging:anna?secret=JBSWY3DPEHPK3PXP", Secret: "JBSWY3DPEHPK3PXP"}, ExpiresAt: noon.Add(10 * time.Minute)}
	d.Leads(d.Post("/account/link"), "/account/link/"+aPairing)
	d.Wants(d.Get("/account/link/"+aPairing), 200, `id="link-form"`, `class="qr"`, "JBSW Y3DP EHPK 3PXP", `data-countdown="600"`)
	path := "/account/link/" + aPairing
	for err, says := range map[error]string{
		idp.ErrWrongSecret: "does not match",
		idp.ErrInvalid:     "The code has six digits.",
		&idp.FieldError{Field: "name", Message: "text.missing"}: "This is missing.",
	} {
		d.devices.err = err
		d.Wants(d.Post(path, "code", "123456", "device_name", "Pixel 8"), 422, says, `value="Pixel 8"`)
	}
	for _, err := range []error{idp.ErrExpired, idp.ErrSettled, idp.ErrNotFound} {
		d.devices.err = err
		d.Wants(d.Post(path, "code", "123456", "device_name", "Pixel 8"), 410, "Start again with a new one.", `action="/account/link"`)
	}
	d.devices.err = idp.ErrConflict
	d.Leads(d.Post(path, "code", "123456", "device_name", "Pixel 8"), "/account/link")
	d.Leads(d.Post("/account/link"), "/account/link")
	d.devices.err = nil
	d.Leads(d.Post(path, "code", "123456", "device_name", "Pixel 8"), "/account/devices?did=linked")
	d.Wants(d.Get("/account/link/"+strings.Repeat("X", 26)), 410)
}

func TestUnlink(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.devices.list = phones(2)
	id := string(d.devices.list[0].ID)
	d.Wants(d.Get("/account/devices/"+id+"/unlink"), 200, "Unlink Pixel 8?", `id="unlink"`)
	d.asked()
	d.Wants(d.Get("/account/devices/"+aDevice+"/unlink"), 404)
	d.Leads(d.Post("/account/devices/"+id+"/unlink"), "/account/devices?did=unlinked")
	d.Leads(d.Post("/account/devices/"+id+"/unlink", "stolen", "on"), "/account/devices?did=stolen")
	d.Wants(d.Get("/account/devices?did=stolen"), 200, "signed out everywhere but here")
	d.Wants(d.Get("/account/devices/"+id+"/unlink"), 200, `name="stolen"`)
	d.asked("unlink "+id, "unlink stolen "+id)

	d.devices.list = phones(1)
	d.Wants(d.Get("/account/devices/"+id+"/unlink"), 200, "Pixel 8 is your only device", "Link another device first", `not id="unlink"`)
	d.devices.err = idp.ErrDenied
	d.Leads(d.Post("/account/devices/"+id+"/unlink"), "/account/devices/"+id+"/unlink")
}

func TestNewRecoveryCodes(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.Wants(d.Get("/account/recovery"), 200, "Make ten new codes", "7 recovery codes left", "not data-copy-text")
	d.asked()
	d.devices.codes = []idp.Secret{"ABCDEFGHIJKLMNOP"}
	d.Wants(d.Post("/account/recovery"), 200, "ABCD-EFGH-IJKL-MNOP", `action="/account/security"`, `method="get"`)
}

func TestSessionsTab(t *testing.T) {
	d := open(t)
	d.signedIn()
	other := login.SessionView{Session: idp.Session{ID: "OTHEROTHEROTHEROTHEROTHER2", Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", Address: "10.0.0.7", CreatedAt: noon, LastSeenAt: noon},
		Clients: []login.SessionClientView{{Name: "Radiology Viewer"}}}
	this := login.SessionView{Session: idp.Session{ID: aSession, Agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36", CreatedAt: noon, LastSeenAt: noon}}
	d.logins.views = []login.SessionView{other, this}
	r := d.Get("/account/sessions")
	d.Wants(r, 200, "Firefox on Linux", "Chrome on Windows", "This one", "Radiology Viewer", "10.0.0.7", "Sign out all others", "not "+aSession)
	if strings.Index(r.Body, "Chrome on Windows") > strings.Index(r.Body, "Firefox on Linux") {
		t.Error("this session is not the first")
	}
	d.Leads(d.Post("/account/sessions/OTHEROTHEROTHEROTHEROTHER2/end"), "/account/sessions?did=ended")
	d.Leads(d.Post("/account/sessions/others"), "/account/sessions?did=others")
	d.asked("end anna U OTHEROTHEROTHEROTHEROTHER2", "others anna U "+aSession)
	d.logins.views = d.logins.views[1:]
	d.Wants(d.Get("/account/sessions"), 200, "not Sign out all others")
}

func TestSignOut(t *testing.T) {
	d := open(t)
	d.signedIn()
	r := d.Post("/account/signout")
	d.Leads(r, "/signed-out?session="+aSession)
	d.asked("signout anna U " + aSession)
	if set := r.Header.Get("Set-Cookie"); !strings.HasPrefix(set, "session=;") || !strings.Contains(set, "Max-Age=0") {
		t.Errorf("Set-Cookie %q", set)
	}
	// Without a session the same page: nobody is told that there was none.
	d = open(t)
	d.Leads(d.Post("/account/signout"), "/signed-out")
	d.asked()
}

func TestEndingThisSessionSignsOut(t *testing.T) {
	d := open(t)
	d.signedIn()
	r := d.Post("/account/sessions/" + aSession + "/end")
	d.Leads(r, "/signed-out?session="+aSession)
	if !strings.HasPrefix(r.Header.Get("Set-Cookie"), "session=;") {
		t.Error("the cookie stayed")
	}
}

func TestBrowserWords(t *testing.T) {
	for agent, want := range map[string]string{
		"":                       "sessions.browser.unknown",
		"\x00":                   "sessions.browser.unknown",
		strings.Repeat("x", 300): "sessions.browser.unknown",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15": "sessions.browser",
	} {
		if got := page.BrowserWords(agent).Key; got != want {
			t.Errorf("%.40q: %s, want %s", agent, got, want)
		}
	}
}

// Every page of the account and of a sign-in is kept by nobody.
func TestNothingIsStored(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.devices.list = phones(2)
	for _, path := range []string{"/account", "/account/security", "/account/password", "/account/recovery", "/account/devices", "/account/link", "/account/sessions", "/signed-out", "/login/" + aLogin, "/"} {
		r := d.Get(path)
		if r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", path, r.Header.Get("Cache-Control"))
		}
		if r.StatusCode == http.StatusOK && !strings.Contains(r.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: no content policy", path)
		}
	}
}

// Whoever has no role is told nothing of the administration, nor led to it.
func TestDeskIsNotMentioned(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.Wants(d.Get("/account/security"), 200, "not /admin")
	d.logins.staff = idp.StaffAuditor
	d.Wants(d.Get("/account/security"), 200, `href="/admin"`)
}
