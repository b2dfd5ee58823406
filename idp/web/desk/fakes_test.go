package desk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/brand"
	"hilum/idp/idptest"
	"hilum/idp/login"
	"hilum/idp/web/page"
	"hilum/idp/web/webtest"
)

const (
	aLogin   = "LOGINLOGINLOGINLOGINLOGIN2"
	aDevice  = "DEVICEDEVICEDEVICEDEVICED2"
	aSession = "SESSIONSESSIONSESSIONSESS2"
)

var noon = idptest.Noon

// logins says who is signed in, and notes which sign-ins were begun.
type logins struct {
	session *idp.Session  // nil: nobody is signed in
	staff   idp.StaffRole // of who is signed in
	locale  string        // of who is signed in
	asked   []string
}

func (f *logins) Session(context.Context, login.Browser) (*idp.Session, *idp.User, error) {
	if f.session == nil {
		return nil, nil, idp.ErrNotFound
	}
	return f.session, &idp.User{ID: "U", Name: "anna", DisplayName: "Anna Maes", State: idp.UserActive, Staff: f.staff, Locale: f.locale}, nil
}
func (f *logins) Knows(context.Context, login.Browser) (bool, error) { return false, nil }
func (f *logins) StartAccount(_ context.Context, target string, _ login.Browser) (*login.Step, error) {
	f.asked = append(f.asked, "account "+target)
	return &login.Step{ID: aLogin}, nil
}
func (f *logins) StartStepUp(_ context.Context, _ *idp.Session, target string, _ login.Browser) (*login.Step, error) {
	f.asked = append(f.asked, "stepup "+target)
	return &login.Step{ID: aLogin}, nil
}

// door is the administration under test, and a browser before it.
type door struct {
	*webtest.Browser
	page   *page.Door
	conf   *Config
	logins *logins
	desk   *fakeDesk
	log    *idptest.Log

	now      time.Time
	site     idp.Site
	push     []idp.PushFigures
	rejected func(idp.ClientID) []idp.Rejection
}

func open(t *testing.T, change ...func(*page.Config, *Config)) *door {
	t.Helper()
	d := &door{logins: &logins{}, desk: &fakeDesk{}, log: &idptest.Log{}, now: noon, site: idp.Site{Name: "Imaging"}}
	c := page.Config{
		Words: webtest.Words(), Site: func() *idp.Site { return &d.site }, Origin: "https://idp.example", CookieKey: bytes.Repeat([]byte{7}, 32), Sessions: d.logins,
		SessionAbsolute: 12 * time.Hour, Now: func() time.Time { return d.now }, Log: d.log.Logger(),
	}
	conf := Config{Desk: d.desk, Party: fakeParty{}, JobKey: make([]byte, 32), Jobs: &Jobs{}, Push: func() []idp.PushFigures { return d.push }}
	conf.Rejected = func(id idp.ClientID) []idp.Rejection {
		if d.rejected == nil {
			return nil
		}
		return d.rejected(id)
	}
	for _, f := range change {
		f(&c, &conf)
	}
	p, err := page.New(c)
	if err != nil {
		t.Fatal(err)
	}
	d.page, conf.Door, d.conf = p, p, &conf
	Mount(conf)
	mux := http.NewServeMux()
	p.Mount(mux)
	mux.HandleFunc("GET /test/browser", func(w http.ResponseWriter, r *http.Request) { p.Browser(w, r) })
	mux.HandleFunc("GET /test/session", func(w http.ResponseWriter, r *http.Request) { p.SetSession(w, r, idp.NewToken(), "") })
	d.Browser = webtest.New(t, webtest.Serve(t, mux))
	return d
}

// signedIn gives the browser a session.
func (d *door) signedIn() {
	d.Get("/test/browser")
	d.Get("/test/session")
	d.logins.session = &idp.Session{ID: aSession, User: "U", FactorAt: noon, CreatedAt: noon, LastSeenAt: noon}
}

func (d *door) asked(want ...string) {
	d.Helper()
	if !slices.Equal(d.logins.asked, want) {
		d.Errorf("asked %q, want %q", d.logins.asked, want)
	}
}

const (
	aUser = "USERUSERUSERUSERUSERUSERU2"
	aTest = "TESTTESTTESTTESTTESTTESTT2"
)

// fakeDesk answers as it is told, and notes what it was asked by whom.
type fakeDesk struct {
	site     idp.Site
	faint    brand.Faint
	fixed    map[string]bool
	settings []idp.Setting
	devices  idp.DevicePage
	found    admin.FoundDevices
	findErr  error
	users    idp.UserPage
	live     idp.SessionPage
	ended    []idp.EndedSession
	told     idp.LogoutFigures
	factors  idp.Factors
	tried    admin.Import // what an import would do
	broke    error        // what an import ends with when all are added
	user     idp.User
	added    idp.User
	events   idp.EventPage
	results  []admin.Unlinked                                                 // of UnlinkDevices; nil: all are unlinked
	err      error                                                            // what a change returns
	mu       sync.Mutex                                                       // of what jobs do
	during   func(ctx context.Context, progress func(admin.ImportStep)) error // happens in an import
	checks   func(progress func(done, of int64))
	half     error // what a download ends with, in the middle
	asked    []string
	by       admin.By
	query    idp.DeviceQuery
	people   idp.UserQuery
	text     string // that was imported
	log      idp.EventQuery
	format   admin.ExportFormat
	chain    error
	client   idp.Client
	start    admin.Start
	test     idp.Tryout
	health   idp.Health
	days     []idp.Day
}

func (f *fakeDesk) verb(by admin.By, words ...string) error {
	f.asked, f.by = append(f.asked, strings.Join(words, " ")), by
	return f.err
}

func (f *fakeDesk) SearchDevices(_ context.Context, by admin.By, q idp.DeviceQuery) (*idp.DevicePage, error) {
	f.by, f.query = by, q
	if q.After == "bad" {
		return nil, &idp.FieldError{Field: "after", Message: "page.bad"}
	}
	return &f.devices, nil
}

func (f *fakeDesk) Device(_ context.Context, _ admin.By, id idp.DeviceID) (*idp.DeviceRow, error) {
	for i := range f.devices.Rows {
		if f.devices.Rows[i].Device.ID == id {
			return &f.devices.Rows[i], nil
		}
	}
	return nil, fmt.Errorf("device: %w", idp.ErrNotFound)
}

func (f *fakeDesk) DeviceHistory(context.Context, admin.By, idp.DeviceID, idp.Page) (*idp.EventPage, error) {
	return &f.events, nil
}

func whyWords(why admin.Why) string {
	if why.Lost {
		return why.Reason + " (lost)"
	}
	return why.Reason
}

func (f *fakeDesk) UnlinkDevices(_ context.Context, by admin.By, list []idp.DeviceID, why admin.Why) ([]admin.Unlinked, error) {
	if err := f.verb(by, "unlink", joined(list, ","), whyWords(why)); err != nil {
		return nil, err
	}
	if f.results != nil {
		return f.results, nil
	}
	return make([]admin.Unlinked, len(list)), nil
}

func (f *fakeDesk) FindDevices(_ context.Context, by admin.By, q idp.DeviceQuery) (*admin.FoundDevices, error) {
	f.by, f.query = by, q
	if f.findErr != nil {
		return nil, f.findErr
	}
	return &f.found, nil
}

func (f *fakeDesk) UnlinkFound(_ context.Context, by admin.By, q idp.DeviceQuery, digest string, why admin.Why) ([]admin.Unlinked, error) {
	f.query = q
	if err := f.verb(by, "unlink found", digest, whyWords(why)); err != nil {
		return nil, err
	}
	if f.results != nil {
		return f.results, nil
	}
	return make([]admin.Unlinked, len(f.found.Rows)), nil
}

func (f *fakeDesk) DevicesCSV(_ context.Context, by admin.By, q idp.DeviceQuery, format admin.ExportFormat, w io.Writer) error {
	f.by, f.query = by, q
	if f.err != nil {
		return f.err
	}
	if _, err := io.WriteString(w, "username,device\r\nanna,Pixel 8\r\n"); err != nil {
		return err
	}
	return f.half
}

func (f *fakeDesk) User(_ context.Context, _ admin.By, id idp.UserID) (*idp.User, error) {
	if id != f.user.ID {
		return nil, fmt.Errorf("user: %w", idp.ErrNotFound)
	}
	return &f.user, nil
}

func (f *fakeDesk) Reopen(_ context.Context, by admin.By, user idp.UserID, reason string, via admin.Via) ([]admin.Unlinked, *admin.Link, error) {
	link, err := f.hand(by, via, "reopen", string(user), reason)
	return []admin.Unlinked{{Name: "Pixel 8"}}, link, err
}

func (f *fakeDesk) Disable(_ context.Context, by admin.By, user idp.UserID, reason string) error {
	return f.verb(by, "block", string(user), reason)
}

func (f *fakeDesk) Enable(_ context.Context, by admin.By, user idp.UserID) error {
	return f.verb(by, "unblock", string(user))
}

func (f *fakeDesk) SearchUsers(_ context.Context, by admin.By, q idp.UserQuery) (*idp.UserPage, error) {
	f.by, f.people = by, q
	return &f.users, nil
}

func (f *fakeDesk) UsersCSV(_ context.Context, by admin.By, q idp.UserQuery, format admin.ExportFormat, w io.Writer) error {
	f.by, f.people = by, q
	_, err := io.WriteString(w, "username\r\n")
	return err
}

func (f *fakeDesk) FindUser(_ context.Context, _ admin.By, name string) (*idp.Account, error) {
	if name != f.user.Name {
		return nil, fmt.Errorf("user: %w", idp.ErrNotFound)
	}
	return &idp.Account{User: f.user}, nil
}

func (f *fakeDesk) Factors(context.Context, admin.By, idp.UserID) (*idp.Factors, error) {
	return &f.factors, nil
}

func (f *fakeDesk) AddUser(_ context.Context, by admin.By, u *idp.User) error {
	named := *u
	if named.Name = idp.FoldName(named.Name); named.DisplayName == "" {
		named.DisplayName = named.Name
	}
	named.State = idp.UserInvited
	if err := admin.ValidatePerson(&named); err != nil {
		return err
	}
	u.ID, f.added = aUser, *u
	return f.verb(by, "add", u.Name)
}

func (f *fakeDesk) EditUser(_ context.Context, by admin.By, user idp.UserID, fn func(*idp.User)) error {
	f.added = f.user
	fn(&f.added)
	return f.verb(by, "edit", string(user))
}

func (f *fakeDesk) ImportUsers(ctx context.Context, by admin.By, r io.Reader, how admin.ImportHow, progress func(admin.ImportStep)) (*admin.Import, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.during != nil {
		if err := f.during(ctx, progress); err != nil {
			return nil, err
		}
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	f.text = string(b)
	words := []string{"import", strconv.FormatBool(how.Dry)}
	if how.Mail {
		words = append(words, "by mail")
	}
	if err := f.verb(by, words...); err != nil && !(how.Dry && errors.Is(err, idp.ErrConflict)) {
		return nil, err
	}
	out := f.tried
	if !how.Dry && len(out.Faults) == 0 {
		out.Added = out.People
	}
	if !how.Mail {
		out.Mailed, out.Unmailed = 0, nil
	}
	if !how.Dry && f.broke != nil {
		return &out, f.broke
	}
	return &out, nil
}

// hand is a verb that makes a one-time link.
func (f *fakeDesk) hand(by admin.By, via admin.Via, words ...string) (*admin.Link, error) {
	if via == admin.ViaMail {
		words = append(words, "by mail")
	}
	if err := f.verb(by, words...); err != nil {
		return nil, err
	}
	if via == admin.ViaMail {
		return &admin.Link{To: f.user.Email, ExpiresAt: noon.Add(time.Hour)}, nil
	}
	return &admin.Link{Token: "one-time-word", ExpiresAt: noon.Add(time.Hour)}, nil
}

func (f *fakeDesk) Invite(_ context.Context, by admin.By, user idp.UserID, via admin.Via) (*admin.Link, error) {
	return f.hand(by, via, "invite", string(user))
}

func (f *fakeDesk) ResetPassword(_ context.Context, by admin.By, user idp.UserID, via admin.Via) (*admin.Link, error) {
	return f.hand(by, via, "reset", string(user))
}

func (f *fakeDesk) Unlock(_ context.Context, by admin.By, user idp.UserID) error {
	return f.verb(by, "unlock", string(user))
}

func (f *fakeDesk) SearchSessions(_ context.Context, _ admin.By, q idp.SessionQuery) (*idp.SessionPage, error) {
	return &f.live, nil
}

func (f *fakeDesk) UserHistory(context.Context, admin.By, idp.UserID) ([]idp.Event, error) {
	return f.events.Rows, nil
}

func (f *fakeDesk) EndSession(_ context.Context, by admin.By, user idp.UserID, id idp.SessionID, _ string) error {
	return f.verb(by, "end", string(user), string(id))
}

func (f *fakeDesk) EndSessions(_ context.Context, by admin.By, user idp.UserID, _ string) (int, error) {
	return 2, f.verb(by, "end all", string(user))
}

func (f *fakeDesk) EndedSessions(context.Context, admin.By, idp.UserID) ([]idp.EndedSession, error) {
	return f.ended, nil
}

func (f *fakeDesk) EndedSession(_ context.Context, _ admin.By, id idp.SessionID) (*idp.EndedSession, error) {
	for i := range f.ended {
		if f.ended[i].Session.ID == id {
			return &f.ended[i], nil
		}
	}
	return nil, idp.ErrNotFound
}

func (f *fakeDesk) Logouts(context.Context, admin.By, idp.ClientID) (*idp.LogoutFigures, error) {
	return &f.told, nil
}

func (f *fakeDesk) SearchEvents(_ context.Context, _ admin.By, q idp.EventQuery) (*idp.EventPage, error) {
	f.log = q
	if q.After == "bad" {
		return nil, &idp.FieldError{Field: "page", Message: "page.bad"}
	}
	return &f.events, nil
}

func (f *fakeDesk) ExportEvents(_ context.Context, _ admin.By, q idp.EventQuery, format admin.ExportFormat, w io.Writer) error {
	f.log, f.format = q, format
	_, err := io.WriteString(w, "{}\n")
	return err
}

func (f *fakeDesk) VerifyEvents(_ context.Context, _ admin.By, progress func(done, of int64)) (*admin.Chain, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.checks != nil {
		f.checks(progress)
	}
	if f.chain != nil {
		return nil, f.chain
	}
	return &admin.Chain{Events: 12, Head: [32]byte{0xab}}, nil
}

func (f *fakeDesk) Clients(context.Context, admin.By) ([]idp.Client, error) {
	return []idp.Client{f.client}, nil
}

func (f *fakeDesk) Client(_ context.Context, _ admin.By, id idp.ClientID) (*idp.Client, error) {
	if id != f.client.ID {
		return nil, fmt.Errorf("client: %w", idp.ErrNotFound)
	}
	c := f.client
	return &c, nil
}

func (f *fakeDesk) AddClient(_ context.Context, by admin.By, c *idp.Client) (idp.Secret, error) {
	c.ID = "made-id"
	f.client = *c
	if err := f.verb(by, "add client", c.Name); err != nil || c.Public() {
		return "", err
	}
	return "a-new-secret", nil
}

func (f *fakeDesk) EditClient(_ context.Context, by admin.By, id idp.ClientID, fn func(*idp.Client)) error {
	if err := f.verb(by, "edit client", string(id)); err != nil {
		return err
	}
	fn(&f.client)
	return nil
}

func (f *fakeDesk) NewClientSecret(_ context.Context, by admin.By, id idp.ClientID, overlap time.Duration) (idp.Secret, error) {
	return "a-new-secret", f.verb(by, "secret", string(id), overlap.String())
}

func (f *fakeDesk) RemoveClient(_ context.Context, by admin.By, id idp.ClientID) error {
	return f.verb(by, "remove client", string(id))
}

func (f *fakeDesk) SavedSite(context.Context, admin.By) (*idp.Site, error) {
	return f.site.Over(&idp.Site{}), nil
}

func (f *fakeDesk) FixedSite() map[string]bool { return f.fixed }

func (f *fakeDesk) EditSite(_ context.Context, by admin.By, fn func(*idp.Site)) error {
	if err := f.verb(by, "edit site"); err != nil {
		return err
	}
	fn(&f.site)
	return nil
}

func (f *fakeDesk) CheckSite(_ context.Context, by admin.By, fn func(*idp.Site)) error {
	var looked idp.Site
	fn(&looked)
	return f.verb(by, "look at site", looked.Accent)
}

func (f *fakeDesk) EditLogos(_ context.Context, by admin.By, c admin.Logos) error {
	return f.verb(by, "edit logos", string(c.Logo), string(c.Dark), fmt.Sprint(c.Named, c.Without, c.WithoutDark))
}

func (f *fakeDesk) FaintLogos(context.Context, admin.By) (brand.Faint, error) { return f.faint, nil }

func (f *fakeDesk) SetIcon(_ context.Context, by admin.By, id idp.ClientID, raw []byte) error {
	return f.verb(by, "icon", string(id), string(raw))
}

func (f *fakeDesk) Settings(context.Context, admin.By) ([]idp.Setting, error) { return f.settings, nil }

func (f *fakeDesk) PreviewDraft(context.Context, admin.By, idp.UserID, *idp.Client) (*admin.Preview, error) {
	return &admin.Preview{IDToken: []byte(`{"sub":"U"}`), Userinfo: []byte(`{"sub":"U"}`)}, nil
}

func (f *fakeDesk) CheckRules([]idp.ClaimRule) error { return nil }

func (f *fakeDesk) StartTryout(_ context.Context, by admin.By, at admin.Where, client idp.ClientID, redirect string, again bool) (*idp.TryoutAsk, error) {
	return &idp.TryoutAsk{Client: client}, f.verb(by, "test", string(client), string(at.Session), redirect, strconv.FormatBool(again))
}

func (f *fakeDesk) AnswerTryout(_ context.Context, by admin.By, at admin.Where, state idp.Secret) (*idp.Tryout, *idp.TryoutAsk, error) {
	return &f.test, &idp.TryoutAsk{}, f.verb(by, "answer", string(at.Session), state.Reveal())
}

func (f *fakeDesk) EndTryout(_ context.Context, by admin.By, id idp.TryoutID, result *idp.TryoutResult) error {
	return f.verb(by, "end test", string(id), result.Outcome())
}

func (f *fakeDesk) Tryout(_ context.Context, _ admin.By, id idp.TryoutID) (*idp.Tryout, error) {
	if id != f.test.ID {
		return nil, fmt.Errorf("test: %w", idp.ErrNotFound)
	}
	return &f.test, nil
}

func (f *fakeDesk) Start(context.Context, admin.By) (*admin.Start, error) { return &f.start, nil }

func (f *fakeDesk) PutStartAside(_ context.Context, by admin.By, aside bool) error {
	return f.verb(by, "aside", strconv.FormatBool(aside))
}

// fakeParty is a relying party to which all goes well.
type fakeParty struct{}

func (fakeParty) Begin(_ context.Context, ask *idp.TryoutAsk) (string, error) {
	return "/authorize?client_id=" + string(ask.Client), nil
}

func (fakeParty) Finish(context.Context, *idp.TryoutAsk, url.Values) *idp.TryoutResult {
	return &idp.TryoutResult{Steps: []idp.TryoutStep{{Name: "signin", OK: true}}}
}

func (f *fakeDesk) Health(context.Context, admin.By) (*idp.Health, error) { return &f.health, nil }

func (f *fakeDesk) Days(context.Context, admin.By, int) ([]idp.Day, error) { return f.days, nil }

// staffed gives the browser a session of somebody with a role, and the desk one
// person with two devices.
func (d *door) staffed(role idp.StaffRole) *fakeDesk {
	d.signedIn()
	d.logins.staff = role
	u := idp.User{ID: aUser, Name: "bert", DisplayName: "Bert <i>Klein</i>", Email: "bert@hospital.example", State: idp.UserActive}
	d.desk.user = u
	d.desk.devices = idp.DevicePage{
		Rows: []idp.DeviceRow{
			{Device: idp.Device{ID: aDevice, User: aUser, Name: "Pixel 8", Kind: idp.DeviceApp, Platform: "android", PushType: "fcm", PushBadAt: noon, LinkedAt: noon}, User: u, Devices: 2},
			{Device: idp.Device{ID: "DEVICEDEVICEDEVICEDEVICED3", User: aUser, Name: "Lost <b>phone</b>", Kind: idp.DeviceCode, LinkedAt: noon}, User: u, Devices: 2, Unused: true},
		},
		Total: &idp.Count{N: 1000, More: true}, Facets: map[idp.DeviceFacet]idp.Count{idp.FacetIOS: {N: 3}},
	}
	d.desk.found = admin.FoundDevices{Rows: d.desk.devices.Rows, People: 1, Digest: "a-digest"}
	d.desk.users = idp.UserPage{Rows: []idp.Account{{User: u, Devices: 2}}, Total: &idp.Count{N: 1}}
	d.desk.live = idp.SessionPage{Rows: []idp.SessionRow{{Session: idp.Session{ID: aSession, User: aUser, Address: "192.0.2.9", CreatedAt: noon, LastSeenAt: noon}, User: u, Clients: []idp.ClientID{"viewer"}}}}
	d.desk.factors = idp.Factors{Password: true, Devices: []idp.Device{d.desk.devices.Rows[0].Device}, RecoveryLeft: 3, Sessions: 1}
	d.desk.client = idp.Client{
		ID: "rad.viewer", Name: "Radiology <b>Viewer", Kind: idp.ClientWeb, Auth: idp.AuthPost, GrantTypes: []string{idp.GrantCode}, RedirectURIs: []string{"https://viewer.hospital.example/cb"},
		Scopes: []string{"openid"}, Secrets: []idp.ClientSecret{{CreatedAt: noon}, {CreatedAt: noon, ExpiresAt: noon}}, CreatedAt: noon,
	}
	d.desk.test = idp.Tryout{ID: aTest, Of: "rad.viewer", User: "U", CreatedAt: noon, ExpiresAt: noon.Add(time.Minute)}
	return d.desk
}
