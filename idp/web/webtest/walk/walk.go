// Package walk is a browser without script before the real thing: the database, the
// verbs, the pages of people and of the administration, and the relying parties' door.
package walk

import (
	"encoding/base32"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/device"
	"hilum/idp/idptest"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/oidc"
	"hilum/idp/recent"
	"hilum/idp/serve"
	"hilum/idp/store"
	"hilum/idp/totp"
	"hilum/idp/tryout"
	"hilum/idp/web"
	"hilum/idp/web/desk"
	"hilum/idp/web/page"
	"hilum/idp/web/webtest"
	"hilum/templates/words"
)

// Password is that of everybody who is enrolled here.
const Password = "quiet lamps hum at dawn" //nolint:gosec // of test accounts

// Parts are what a provider is built from here. A test may change them before they are
// put together.
type Parts struct {
	Page  page.Config
	Desk  desk.Config
	Admin admin.Config
	Login login.Config
	Wrap  func(desk.Desk) desk.Desk // puts a fault into the desk that pages ask; nil: there is none
}

// Walk is a browser and the provider that it is before.
type Walk struct {
	*webtest.Browser
	Clock  *idptest.Clock
	Log    *idptest.Log
	DB     *store.DB
	Sealer *keyring.Sealer
	Desk   *admin.Desk
	Flow   *login.Flow
	Door   *page.Door
	Jobs   *desk.Jobs
	Path   string // where the browser is

	Address string // from which it asks
}

// New starts a provider at idptest.Noon.
func New(t testing.TB, change ...func(*Parts)) *Walk {
	t.Helper()
	return Beneath(t, "", change...)
}

// Beneath is New for a provider whose issuer has a path, behind a webtest.Wall: the
// browser knows nothing of the path, and nothing may leave it.
func Beneath(t testing.TB, path string, change ...func(*Parts)) *Walk {
	t.Helper()
	w := &Walk{Clock: idptest.At(idptest.Noon), Log: &idptest.Log{}, Address: "192.0.2.1"}
	log, now := w.Log.Logger(), w.Clock.Now
	w.DB, w.Sealer = idptest.Store(t, now, idptest.Quiet()), idptest.Sealer(t)
	w.Jobs = desk.NewJobs(w.DB, w.Sealer)
	mux := http.NewServeMux()
	srv := httptest.NewUnstartedServer(nil)
	origin := "http://" + srv.Listener.Addr().String()
	issuer := origin + path
	hasher := idptest.Hasher()
	site := idp.Named("Imaging")
	var rejected recent.Rejections
	parts := Parts{
		Page: page.Config{
			Words: webtest.Words(), Site: site, Pictures: w.DB, Origin: issuer, CookieKey: w.Sealer.Derive("cookies", 32), SessionAbsolute: 12 * time.Hour, Now: now, Log: log,
		},
		Desk:  desk.Config{JobKey: w.Sealer.Derive("jobs", 32), Jobs: w.Jobs, Rejected: rejected.Of, Version: "1.2.3-test"},
		Admin: admin.Config{Store: w.DB, Sealer: w.Sealer, Site: site, Issuer: issuer, Languages: words.Known(), Realm: "hospital", Now: now, Log: log},
		Login: login.Config{
			Store: w.DB, Passwords: hasher, Sealer: w.Sealer, Now: now, Log: log,
			Rules: login.Rules{SessionIdle: time.Hour, SessionAbsolute: 12 * time.Hour, Site: site, Issuer: issuer},
		},
	}
	for _, f := range change {
		f(&parts)
	}
	w.Flow = login.New(parts.Login)
	registry := device.New(device.Config{Store: w.DB, Sealer: w.Sealer, Hasher: hasher, Site: parts.Page.Site, Now: now, Log: log})
	w.Desk = admin.New(parts.Admin)
	inside := serve.Beneath(path, nil, mux)
	party := tryout.New(issuer, inside)
	party.Now = now
	parts.Page.Sessions = w.Flow
	w.Door = idptest.Must(page.New(parts.Page))(t)
	pages := web.New(web.Config{Door: w.Door, Logins: w.Flow, Devices: registry, CollectPath: oidc.CollectPath, SessionAbsolute: parts.Page.SessionAbsolute})
	parts.Desk.Door, parts.Desk.Desk, parts.Desk.Party = w.Door, w.Desk, party
	if parts.Wrap != nil {
		parts.Desk.Desk = parts.Wrap(w.Desk)
	}
	desk.Mount(parts.Desk)
	w.Door.Mount(mux)
	w.sign(t)
	ring := idptest.Must(keyring.Open(t.Context(), keyring.Config{Store: w.DB, Sealer: w.Sealer, Algs: []string{"RS256", "ES256"}, Now: now, Log: slog.New(slog.DiscardHandler)}))(t)
	protocol := idptest.Must(oidc.New(oidc.Config{Issuer: issuer, Store: w.DB, Logins: w.Flow, Keys: ring, Browsers: w.Door, Pages: pages, Rejected: rejected.Add, Now: now, Log: log}))(t)
	protocol.Mount(mux)
	if path != "" {
		inside = webtest.Wall(t, origin, path, inside)
	}
	srv.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		inside.ServeHTTP(rw, r.WithContext(serve.With(r.Context(), &serve.Info{ID: webtest.Reference, Address: w.Address})))
	})
	srv.Start()
	t.Cleanup(func() {
		srv.Close()
		w.Jobs.Wait(time.Minute)
	})
	w.Browser = webtest.New(t, origin)
	w.Fresh()
	return w
}

// Fresh makes it a browser that was never here. It follows redirects, but of a post.
func (w *Walk) Fresh() {
	w.Browser.Fresh()
	w.HTTP.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.Method != http.MethodGet {
			return http.ErrUseLastResponse
		}
		return nil
	}
}

// Later lets the codes of now go by.
func (w *Walk) Later() { w.Clock.Add(31 * time.Second) }

// Visit opens a page, and returns what it says.
func (w *Walk) Visit(path string) string {
	w.Helper()
	return w.Arrive(w.Get(path))
}

var forms = regexp.MustCompile(`<form method="post" action="([^"]*)"`)

// Submit posts the form of a page that leads to a path ending so, and returns what the
// page says that it ends at.
func (w *Walk) Submit(page, ending string, fields ...string) string {
	w.Helper()
	for _, m := range forms.FindAllStringSubmatch(page, -1) {
		if strings.HasSuffix(m[1], ending) {
			return w.Arrive(w.Post(m[1], fields...))
		}
	}
	w.Fatalf("%s has no form that leads to …%s:\n%s", w.Path, ending, page)
	return ""
}

var heldFields = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// SendHeld posts the form that has waited for a second factor, as its page does by itself.
func (w *Walk) SendHeld(page string) string {
	w.Helper()
	_, form, ok := strings.Cut(page, `data-post-now`)
	if !ok {
		w.Fatalf("%s sends nothing on:\n%s", w.Path, page)
	}
	var fields []string
	for _, m := range heldFields.FindAllStringSubmatch(form, -1) {
		fields = append(fields, html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return w.Submit(page, "", fields...)
}

// Arrive takes a reply as where the browser is now.
func (w *Walk) Arrive(r webtest.Reply) string {
	w.Helper()
	if r.StatusCode >= 500 {
		w.Fatalf("%s: %d", r.Request.URL.Path, r.StatusCode)
	}
	w.Path = r.Request.URL.RequestURI()
	return r.Body
}

// Sees checks where the browser is and what it shows.
func (w *Walk) Sees(page, path string, says ...string) {
	w.Helper()
	if !strings.HasPrefix(w.Path, path) {
		w.Fatalf("at %s, want %s:\n%s", w.Path, path, page)
	}
	w.Says(w.Path, page, says...)
}

var (
	secretShown = regexp.MustCompile(`id="secret" class="secret">([^<]*)<`)
	codesShown  = regexp.MustCompile(`<li><code>([^<]*)</code></li>`)
)

// Secret reads the typed form of an offer off the page.
func (w *Walk) Secret(page string) []byte {
	w.Helper()
	m := secretShown.FindStringSubmatch(page)
	if m == nil {
		w.Fatalf("no secret on %s:\n%s", w.Path, page)
	}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(m[1], " ", ""))
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

// RecoveryCodes reads the ten off the page.
func (w *Walk) RecoveryCodes(page string) []string {
	w.Helper()
	var codes []string
	for _, m := range codesShown.FindAllStringSubmatch(page, -1) {
		codes = append(codes, html.UnescapeString(m[1]))
	}
	if len(codes) != 10 {
		w.Fatalf("%d recovery codes on %s:\n%s", len(codes), w.Path, page)
	}
	return codes
}

// Console is who acts where a test prepares something.
var Console = admin.Console("console:test")

// Account is somebody with a password and a phone.
type Account struct {
	idp.User
	Phone []byte // the secret of their codes
}

// Add adds somebody, who has no password and no phone yet.
func (w *Walk) Add(u idp.User) idp.User {
	w.Helper()
	if err := w.Desk.AddUser(w.Context(), Console, &u); err != nil {
		w.Fatal(err)
	}
	return u
}

// Enrol adds somebody and takes their one-time link in this browser: it is signed in as
// them then, with a second factor of now, and has linked a phone that gives codes,
// which is called «Phone of» and their name.
func (w *Walk) Enrol(u idp.User) *Account {
	w.Helper()
	u = w.Add(u)
	link, err := w.Desk.Invite(w.Context(), Console, u.ID, admin.ViaLink)
	if err != nil {
		w.Fatal(err)
	}
	page := w.Submit(w.Visit("/invite/"+link.Token.Reveal()), link.Token.Reveal())
	page = w.Submit(page, "/enrol", "password", Password)
	a := &Account{User: u, Phone: w.Secret(page)}
	page = w.Submit(page, "/enrol", "code", w.Code(a), "device_name", "Phone of "+u.Name)
	w.RecoveryCodes(page)
	w.Submit(page, "/collect")
	return a
}

// Staff enrols an administrator of a role, who is called by it.
func (w *Walk) Staff(role idp.StaffRole) *Account {
	w.Helper()
	return w.Enrol(idp.User{Name: string(role), Staff: role})
}

// Code is what the phone of an account shows now. It is taken once.
func (w *Walk) Code(a *Account) string { return totp.Code(a.Phone, w.Clock.Now()) }

// Device returns the only device of somebody.
func (w *Walk) Device(user idp.UserID) idp.Device {
	w.Helper()
	list, err := w.DB.Devices(w.Context(), user)
	if err != nil || len(list) != 1 {
		w.Fatalf("%d devices, %v", len(list), err)
	}
	return list[0]
}

// Events are all that the log has, oldest first, of these kinds; none: of all.
func (w *Walk) Events(kinds ...idp.EventKind) []idp.Event {
	w.Helper()
	all, err := w.DB.Events(w.Context(), 0, 10_000)
	if err != nil {
		w.Fatal(err)
	}
	if len(kinds) == 0 {
		return all
	}
	var list []idp.Event
	for _, e := range all {
		for _, k := range kinds {
			if e.Kind == k {
				list = append(list, e)
			}
		}
	}
	return list
}
