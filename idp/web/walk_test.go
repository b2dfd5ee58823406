package web

import (
	"encoding/base32"
	"html"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/device"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/oidc"
	"hilum/idp/password"
	"hilum/idp/store"
	"hilum/idp/totp"
	"hilum/idp/tryout"
)

// walk is a browser without script before the real thing.
type walk struct {
	door
	clock atomic.Int64 // Unix seconds
	desk  *admin.Desk
	db    *store.DB
	path  string // where the browser is
}

func (w *walk) now() time.Time { return time.Unix(w.clock.Load(), 0).UTC() }

// later lets the codes of now go by.
func (w *walk) later() { w.clock.Add(31) }

func newWalk(t *testing.T) *walk {
	t.Helper()
	w := &walk{}
	w.T = t
	w.clock.Store(noon.Unix())
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), store.Config{Key: make([]byte, 32), Driver: "sqlite", Path: filepath.Join(dir, "idp.db"), Now: w.now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	sealer, err := keyring.OpenSealer(filepath.Join(dir, "seal.key"), true)
	if err != nil {
		t.Fatal(err)
	}
	hasher := password.New(password.Config{MemoryKiB: 64, Time: 1, Parallelism: 1})
	flow := login.New(login.Config{Store: db, Passwords: hasher, Sealer: sealer, Now: w.now, Log: log,
		Rules: login.Rules{SessionIdle: time.Hour, SessionAbsolute: 12 * time.Hour, Site: idp.Named("Imaging")}})
	registry := device.New(device.Config{Store: db, Sealer: sealer, Hasher: hasher, Site: idp.Named("Imaging"), Now: w.now, Log: log})
	w.desk, w.db = admin.New(admin.Config{Store: db, Sealer: sealer, Now: w.now, Log: log}), db
	conf := testConfig(flow, registry, t.Output())
	conf.Now, conf.Desk = w.now, w.desk
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	conf.Origin = srv.URL
	party := tryout.New(srv.URL, mux)
	party.Now, conf.Party = w.now, party
	s, err := New(conf)
	if err != nil {
		t.Fatal(err)
	}
	w.server = s
	s.Mount(mux)
	ring, err := keyring.Open(t.Context(), keyring.Config{Store: db, Sealer: sealer, Algs: []string{"RS256", "ES256"}, Now: w.now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	protocol, err := oidc.New(oidc.Config{Issuer: srv.URL, Store: db, Logins: flow, Keys: ring, Browsers: s, Pages: s, Now: w.now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	protocol.Mount(mux)
	w.url = srv.URL
	w.freshBrowser()
	return w
}

func (w *walk) freshBrowser() {
	jar, _ := cookiejar.New(nil)
	w.http = &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if req.Method != http.MethodGet {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

// visit opens a page, submit posts the form that leads to a path ending so.
// Both follow redirects, as a browser does, and return the page.
func (w *walk) visit(path string) string {
	w.Helper()
	return w.arrive(w.get(path))
}

func (w *walk) submit(page, ending string, fields ...string) string {
	w.Helper()
	for _, m := range regexp.MustCompile(`<form method="post" action="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if strings.HasSuffix(m[1], ending) {
			return w.arrive(w.post(m[1], fields...))
		}
	}
	w.Fatalf("%s has no form that leads to …%s:\n%s", w.path, ending, page)
	return ""
}

func (w *walk) arrive(r reply) string {
	w.Helper()
	if r.StatusCode >= 500 {
		w.Fatalf("%s: %d", r.Request.URL.Path, r.StatusCode)
	}
	w.path = r.Request.URL.RequestURI()
	return r.body
}

// sees checks where the browser is and what it shows.
func (w *walk) sees(page, path string, says ...string) {
	w.Helper()
	if !strings.HasPrefix(w.path, path) {
		w.Fatalf("at %s, want %s:\n%s", w.path, path, page)
	}
	for _, s := range says {
		if no, ok := strings.CutPrefix(s, "not "); ok {
			if strings.Contains(page, no) {
				w.Errorf("%s says %q", w.path, no)
			}
			continue
		}
		if !strings.Contains(page, s) {
			w.Errorf("%s does not say %q:\n%s", w.path, s, page)
		}
	}
}

// secret reads the typed form of an offer off the page.
func (w *walk) secret(page string) []byte {
	w.Helper()
	m := regexp.MustCompile(`id="secret" class="secret">([^<]*)<`).FindStringSubmatch(page)
	if m == nil {
		w.Fatalf("no secret on %s", w.path)
	}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(m[1], " ", ""))
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

func (w *walk) recoveryCodes(page string) []string {
	w.Helper()
	var codes []string
	for _, m := range regexp.MustCompile(`<li><code>([^<]*)</code></li>`).FindAllStringSubmatch(page, -1) {
		codes = append(codes, html.UnescapeString(m[1]))
	}
	if len(codes) != 10 {
		w.Fatalf("%d recovery codes on %s:\n%s", len(codes), w.path, page)
	}
	return codes
}

// An administrator's phone is stale: what changes something asks for it, and
// comes back to the page with what was selected there. On the real parts,
// without script.
func TestWalkAdministration(t *testing.T) {
	w := newWalk(t)
	const pass = "quiet lamps hum at dawn"
	link, err := w.desk.SetupLink(t.Context(), admin.Console("console:test"))
	if err != nil {
		t.Fatal(err)
	}
	page := w.submit(w.visit("/setup/"+link.Token.Reveal()), link.Token.Reveal())
	page = w.submit(page, "/name", "username", "chief", "name", "Chief")
	phone := w.secret(page)
	page = w.submit(page, "/enrol", "password", pass, "code", totp.Code(phone, w.now()), "device_name", "Chief's phone")
	recovery := w.recoveryCodes(page)[0]
	page = w.submit(page, "/collect")
	w.sees(page, "/admin/start", "First steps", "1 device is linked", "10 recovery codes are left", `id="go" href="/admin/applications/new"`)
	w.sees(w.visit("/admin"), "/admin/start")
	w.sees(w.visit("/account/security"), "/account/security", `href="/admin"`)
	w.sees(w.submit(page, "/admin/start", "aside", "1"), "/admin/devices")
	w.sees(w.visit("/admin/start"), "/admin/start", "put aside")

	page = w.visit("/admin")
	w.sees(page, "/admin/devices", "1 device", "Chief&#39;s phone")
	device := regexp.MustCompile(`href="/admin/devices/([0-9A-V]{26})"`).FindStringSubmatch(page)[1]

	// Ten minutes later: reading goes on, changing asks.
	w.clock.Add(600)
	w.sees(w.visit("/admin/devices?q=chief"), "/admin/devices?q=chief", "1 device")
	page = w.visit("/admin/devices/unlink?id=" + device)
	w.sees(page, "/login/", "Confirm that it is you")
	page = w.submit(page, "/code", "code", totp.Code(phone, w.now()))
	w.sees(page, "/admin/devices/unlink?id="+device, "Chief&#39;s phone", "Only one")

	// A form that was open too long does nothing, and leads back the same way.
	w.clock.Add(600)
	stale := w.submit(page, "/admin/devices/unlink", "devices", device, "reason", "too late")
	w.sees(w.submit(stale, "/code", "code", totp.Code(phone, w.now())), "/admin/devices/unlink?id="+device, "not too late")

	// One invited, found, unlinked, and named in the log with the reason.
	w.later()
	page = w.submit(w.visit("/admin/users/new"), "/admin/users/new", "username", "bert", "name", "Bert Klein", "groups", "radiology")
	w.sees(page, "/admin/users/new", "One-time link for Bert Klein", w.url+"/invite/")
	w.sees(w.visit("/admin/users?q=radio"), "/admin/users", "1 person", "Bert Klein", "Invited")
	w.sees(w.visit("/admin/audit?who=bert"), "/admin/audit", "Account made", "One-time link made", "chief")
	w.submit(w.visit("/admin/audit/check"), "/admin/audit/check")
	w.server.jobs.Wait(time.Minute)
	w.sees(w.visit(w.path), "/admin/checks/", "The log is whole")
	w.sees(w.visit("/admin/audit/check"), "/admin/audit/check", "by chief")
	w.sees(w.visit("/admin/health"), "/admin/health", "The last 30 days", "Code <b>2</b>")
	w.sees(w.visit("/admin/sessions"), "/admin/sessions", "This one", "Chief")
	w.sees(w.visit("/admin/applications"), "/admin/applications", "No application is registered yet.")
	page = w.visit("/admin/devices/unlink?id=" + device)
	page = w.submit(page, "/admin/devices/unlink", "devices", device, "reason", "")
	w.sees(page, "/admin/devices/unlink", "Say why.")
	page = w.submit(page, "/admin/devices/unlink", "devices", device, "reason", "worn out")
	// It was the phone that the session was confirmed with: another proof is asked
	// for before anything else of the administration is shown.
	w.sees(page, "/login/", "Confirm that it is you")
	w.sees(w.submit(page, "/recovery", "recovery_code", recovery), "/admin/devices", "Nobody has linked a device yet")
	w.sees(w.visit("/admin/audit?kind=device."), "/admin/audit", "worn out", "Chief&#39;s phone")
}

// One person's life with the pages, without script, on the real parts.
func TestWalk(t *testing.T) {
	w := newWalk(t)
	const pass, newPass = "quiet lamps hum at dawn", "slow rivers carry stones"
	link, err := w.desk.SetupLink(t.Context(), admin.Console("console:test"))
	if err != nil {
		t.Fatal(err)
	}

	// The set-up link: names, password and first device, recovery codes.
	page := w.visit("/setup/" + link.Token.Reveal())
	w.sees(page, "/setup/", "makes the first account")
	page = w.submit(page, link.Token.Reveal())
	w.sees(page, "/login/", "Who is the administrator?")
	page = w.submit(page, "/name", "username", "An na", "name", "Anna Maes")
	w.sees(page, "/login/", "made of letters, digits", `value="Anna Maes"`)
	page = w.submit(page, "/name", "username", "Anna", "name", "Anna Maes")
	w.sees(page, "/login/", "Choose a password and link your phone", "<b>anna</b>")
	phone := w.secret(page)
	page = w.submit(page, "/enrol", "password", "short", "code", totp.Code(phone, w.now()), "device_name", "Pixel 8")
	w.sees(page, "/login/", "too short", `value="Pixel 8"`)
	page = w.submit(page, "/enrol", "password", pass, "code", "000000", "device_name", "Pixel 8")
	w.sees(page, "/login/", "does not match", `value="Pixel 8"`, "not "+pass)
	page = w.submit(page, "/enrol", "password", pass, "code", totp.Code(phone, w.now()), "device_name", "Pixel 8")
	w.sees(page, "/login/", "Your recovery codes")
	codes := w.recoveryCodes(page)
	enrolled := strings.TrimSuffix(w.path, "/enrol")
	page = w.submit(page, "/collect")
	w.sees(page, "/admin/start", "First steps")
	w.sees(w.visit("/account/security"), "/account/security", "1 device linked", "10 recovery codes left", "Anna Maes")

	// Back to what is done: helpful pages.
	w.sees(w.visit(enrolled), "/login/", "This sign-in is finished", "not "+codes[0])
	w.sees(w.visit("/setup/"+link.Token.Reveal()), "/setup/", "not makes the first account")

	// A second device, renamed; the first unlinked; the last stays.
	w.later()
	page = w.submit(w.visit("/account/devices"), "/account/link")
	w.sees(page, "/account/link/", "Scan the QR code")
	tablet := w.secret(page)
	page = w.submit(page, strings.TrimPrefix(w.path, "/account/link"), "code", "000000", "device_name", "iPad")
	w.sees(page, "/account/link/", "does not match", `value="iPad"`)
	page = w.submit(page, strings.TrimPrefix(w.path, "/account/link"), "code", totp.Code(tablet, w.now()), "device_name", "iPad")
	w.sees(page, "/account/devices?did=linked", "2 of 5", "iPad", "Your device is linked.")
	first := regexp.MustCompile(`id="device-([0-9A-V]+)"`).FindStringSubmatch(page)[1]
	page = w.submit(page, first+"/name", "name", "Old Pixel")
	w.sees(page, "/account/devices?did=renamed", "Old Pixel")
	page = w.submit(w.visit("/account/devices/"+first+"/unlink"), first+"/unlink")
	w.sees(page, "/account/devices?did=unlinked", "1 of 5", "not Old Pixel")
	last := regexp.MustCompile(`id="device-([0-9A-V]+)"`).FindStringSubmatch(page)[1]
	w.sees(w.visit("/account/devices/"+last+"/unlink"), "/account/devices/", "iPad is your only device")
	w.sees(w.visit("/account/devices/"+first+"/unlink"), "/account/devices/", "There is nothing here")

	// Out, and in again: wrong, right, the code of the unlinked device, a used one.
	page = w.submit(page, "/account/signout")
	w.sees(page, "/signed-out", "You are signed out")
	page = w.visit("/account/sessions")
	w.sees(page, "/login/", `id="password-form"`)
	page = w.submit(page, "/password", "username", "anna", "password", "not the password")
	w.sees(page, "/login/", "do not match")
	page = w.submit(page, "/password", "username", "ANNA ", "password", pass)
	w.sees(page, "/login/", "Check your phone", "<b>anna</b>")
	page = w.submit(page, "/code", "code", totp.Code(tablet, w.now()))
	w.sees(page, "/login/", "Wait for the next one.")
	w.later()
	page = w.submit(page, "/code", "code", totp.Code(phone, w.now()))
	w.sees(page, "/login/", "does not match")
	code := totp.Code(tablet, w.now())
	page = w.submit(page, "/code", "code", code[:3]+" "+code[3:])
	w.sees(page, "/account/sessions", "This one", "not Sign out all others")

	// Another browser, by recovery code; the first one ends it.
	one := w.http
	w.freshBrowser()
	page = w.submit(w.visit("/account/devices"), "/password", "username", "anna", "password", pass)
	page = w.submit(page, "/recovery", "recovery_code", "AAAA-AAAA-AAAA-AAAA")
	w.sees(page, "/login/", "does not match, or was used before", "<details open>")
	page = w.submit(page, "/recovery", "recovery_code", strings.ToLower(codes[3]))
	w.sees(page, "/account/devices", "1 of 5")
	w.sees(w.visit("/account/security"), "/account/security", "9 recovery codes left")
	two := w.http
	w.http = one
	page = w.visit("/account/sessions")
	w.sees(page, "/account/sessions", "Sign out all others")
	page = w.submit(page, "/others")
	w.sees(page, "/account/sessions?did=others", "not Sign out all others")
	w.http = two
	w.sees(w.visit("/account/sessions"), "/login/", `id="password-form"`)
	w.http = one

	// Ten minutes later the second factor is asked for again, and leads back.
	w.clock.Add(600)
	page = w.visit("/account/password")
	w.sees(page, "/login/", "Confirm that it is you", "not Start over")
	page = w.submit(page, "/code", "code", totp.Code(tablet, w.now()))
	w.sees(page, "/account/password", `id="change-form"`)
	page = w.submit(page, "/account/password", "old_password", "nonsense", "new_password", newPass)
	w.sees(page, "/account/password", "The current password does not match.")
	page = w.submit(page, "/account/password", "old_password", pass, "new_password", "password")
	w.sees(page, "/account/password", `id="problem"`)
	page = w.submit(page, "/account/password", "old_password", pass, "new_password", newPass)
	w.sees(page, "/account/security?did=password", "Your password was changed.")
	page = w.submit(w.visit("/account/recovery"), "/account/recovery")
	w.sees(page, "/account/recovery", "Your recovery codes")
	if again := w.recoveryCodes(page); again[0] == codes[0] {
		t.Error("the same codes again")
	}

	// Five wrong codes lead back to the password.
	w.freshBrowser()
	page = w.submit(w.visit("/account"), "/password", "username", "anna", "password", newPass)
	for range idp.MaxWrongCodes {
		w.sees(page, "/login/", "Check your phone")
		page = w.submit(page, "/code", "code", "000000")
		w.clock.Add(40) // past the delay between tries
	}
	w.sees(page, "/login/", "Too many wrong codes.", `id="password-form"`)

	// A sign-in that nobody finishes.
	w.clock.Add(16 * 60)
	page = w.submit(page, "/password", "username", "anna", "password", newPass)
	w.sees(page, "/login/", "This sign-in has expired")
}
