package desk

import (
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
	"hilum/idp/web/page"
	"hilum/idp/web/webtest"
)

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

func (f *fakeDesk) Health(context.Context, admin.By) (*idp.Health, error)  { return &f.health, nil }
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

// deskRoutes has a row for every route of the administration: what it is for,
// with what it is asked, and which roles it is there for.
var deskRoutes = []struct {
	route string
	act   admin.Act // empty: nobody finds anything there
	path  string
	form  string
	want  int
}{
	{"GET /admin", admin.ReadDevices, "/admin", "", 303},
	{"GET /admin/", "", "/admin/no-such-page", "", 404},
	{"GET /admin/devices", admin.ReadDevices, "/admin/devices", "", 200},
	{"GET /admin/devices.csv", admin.ReadDevices, "/admin/devices.csv", "", 200},
	{"GET /admin/devices/{id}", admin.ReadDevices, "/admin/devices/" + aDevice, "", 200},
	{"GET /admin/devices/unlink", admin.UnlinkDevice, "/admin/devices/unlink?id=" + aDevice, "", 200},
	{"POST /admin/devices/unlink", admin.UnlinkDevice, "/admin/devices/unlink", "devices=" + aDevice + "&reason=lost", 303},
	{"GET /admin/devices/unlink/found", admin.UnlinkDevice, "/admin/devices/unlink/found?q=bert&f=ios", "", 200},
	{"POST /admin/devices/unlink/found", admin.UnlinkDevice, "/admin/devices/unlink/found?q=bert&f=ios", "digest=a-digest&reason=lost", 303},
	{"GET /admin/users", admin.ReadUsers, "/admin/users", "", 200},
	{"GET /admin/users.csv", admin.ReadUsers, "/admin/users.csv", "", 200},
	{"GET /admin/users/new", admin.AddUsers, "/admin/users/new", "", 200},
	{"POST /admin/users/new", admin.AddUsers, "/admin/users/new", "username=carl", 200},
	{"GET /admin/users/import", admin.AddUsers, "/admin/users/import", "", 200},
	{"POST /admin/users/import", admin.AddUsers, "/admin/users/import", multipartOf("text", "username", "do", "try"), 303},
	{"GET /admin/imports/{id}", admin.ReadUsers, "/admin/imports/" + aSession, "", 404},
	{"GET /admin/imports/{id}/state", admin.ReadUsers, "/admin/imports/" + aSession + "/state", "", 404},
	{"GET /admin/imports/{id}/events", admin.ReadUsers, "/admin/imports/" + aSession + "/events", "", 404},
	{"POST /admin/imports/{id}/add", admin.AddUsers, "/admin/imports/" + aSession + "/add", "x=1", 404},
	{"POST /admin/imports/{id}/stop", admin.AddUsers, "/admin/imports/" + aSession + "/stop", "x=1", 404},
	{"GET /admin/users/{id}", admin.ReadUsers, "/admin/users/" + aUser, "", 200},
	{"GET /admin/users/{id}/edit", admin.EditUsers, "/admin/users/" + aUser + "/edit", "", 200},
	{"POST /admin/users/{id}/edit", admin.EditUsers, "/admin/users/" + aUser + "/edit", "name=Bert", 303},
	{"GET /admin/users/{id}/reopen", admin.Reopen, "/admin/users/" + aUser + "/reopen", "", 200},
	{"POST /admin/users/{id}/reopen", admin.Reopen, "/admin/users/" + aUser + "/reopen", "reason=lost", 200},
	{"GET /admin/users/{id}/reset", admin.ResetPassword, "/admin/users/" + aUser + "/reset", "", 200},
	{"POST /admin/users/{id}/reset", admin.ResetPassword, "/admin/users/" + aUser + "/reset", "x=1", 200},
	{"GET /admin/users/{id}/invite", admin.Invite, "/admin/users/" + aUser + "/invite", "", 200},
	{"POST /admin/users/{id}/invite", admin.Invite, "/admin/users/" + aUser + "/invite", "x=1", 200},
	{"GET /admin/users/{id}/unlock", admin.Unlock, "/admin/users/" + aUser + "/unlock", "", 200},
	{"POST /admin/users/{id}/unlock", admin.Unlock, "/admin/users/" + aUser + "/unlock", "x=1", 303},
	{"GET /admin/users/{id}/block", admin.BlockUsers, "/admin/users/" + aUser + "/block", "", 200},
	{"POST /admin/users/{id}/block", admin.BlockUsers, "/admin/users/" + aUser + "/block", "reason=left", 303},
	{"GET /admin/users/{id}/unblock", admin.BlockUsers, "/admin/users/" + aUser + "/unblock", "", 200},
	{"POST /admin/users/{id}/unblock", admin.BlockUsers, "/admin/users/" + aUser + "/unblock", "x=1", 303},
	{"GET /admin/users/{id}/end", admin.EndSessions, "/admin/users/" + aUser + "/end", "", 200},
	{"POST /admin/users/{id}/end", admin.EndSessions, "/admin/users/" + aUser + "/end", "x=1", 303},
	{"POST /admin/users/{id}/sessions/{session}/end", admin.EndSessions, "/admin/users/" + aUser + "/sessions/" + aSession + "/end", "x=1", 303},
	{"GET /admin/sessions", admin.ReadSessions, "/admin/sessions", "", 200},
	{"GET /admin/applications", admin.ReadClients, "/admin/applications", "", 200},
	{"GET /admin/applications/new", admin.EditClients, "/admin/applications/new", "", 200},
	{"POST /admin/applications/new", admin.EditClients, "/admin/applications/new", "preset=ohif&client_name=OHIF&base=https://ohif.hospital.example", 200},
	{"GET /admin/applications/{client}", admin.ReadClients, "/admin/applications/rad.viewer", "", 200},
	{"GET /admin/applications/{client}/edit", admin.EditClients, "/admin/applications/rad.viewer/edit", "", 200},
	{"POST /admin/applications/{client}/edit", admin.EditClients, "/admin/applications/rad.viewer/edit", "client_name=Viewer", 303},
	{"GET /admin/applications/{client}/secret", admin.EditClients, "/admin/applications/rad.viewer/secret", "", 200},
	{"POST /admin/applications/{client}/secret", admin.EditClients, "/admin/applications/rad.viewer/secret", "x=1", 200},
	{"GET /admin/applications/{client}/disable", admin.EditClients, "/admin/applications/rad.viewer/disable", "", 200},
	{"POST /admin/applications/{client}/disable", admin.EditClients, "/admin/applications/rad.viewer/disable", "x=1", 303},
	{"GET /admin/applications/{client}/enable", admin.EditClients, "/admin/applications/rad.viewer/enable", "", 200},
	{"POST /admin/applications/{client}/enable", admin.EditClients, "/admin/applications/rad.viewer/enable", "x=1", 303},
	{"GET /admin/applications/{client}/remove", admin.EditClients, "/admin/applications/rad.viewer/remove", "", 200},
	{"POST /admin/applications/{client}/remove", admin.EditClients, "/admin/applications/rad.viewer/remove", "x=1", 303},
	{"GET /admin/applications/{client}/icon", admin.EditClients, "/admin/applications/rad.viewer/icon", "", 200},
	{"POST /admin/applications/icon", admin.EditClients, "/admin/applications/icon", multipartOf("client", "rad.viewer", "icon", "a picture"), 303},
	{"GET /admin/settings", admin.ReadSettings, "/admin/settings", "", 200},
	{"GET /admin/settings/edit", admin.EditSettings, "/admin/settings/edit", "", 200},
	{"POST /admin/settings/edit", admin.EditSettings, "/admin/settings/edit", "name=Imaging&do=save", 303},
	{"GET /admin/settings/logo", admin.EditSettings, "/admin/settings/logo", "", 200},
	{"POST /admin/settings/logo", admin.EditSettings, "/admin/settings/logo", multipartOf("logo", "a picture"), 303},
	{"GET /admin/applications/{client}/told", admin.ReadClients, "/admin/applications/rad.viewer/told?who=bert", "", 200},
	{"GET /admin/applications/{client}/told/edit", admin.EditClients, "/admin/applications/rad.viewer/told/edit", "", 200},
	{"POST /admin/applications/{client}/told/edit", admin.EditClients, "/admin/applications/rad.viewer/told/edit", "do=save&name-0=role&from-0=groups", 303},
	{"GET /admin/applications/{client}/try", admin.EditClients, "/admin/applications/rad.viewer/try", "", 200},
	{"POST /admin/applications/{client}/try", admin.EditClients, "/admin/applications/rad.viewer/try", "how=again", 303},
	{"GET /admin/try/callback", admin.ReadClients, "/admin/try/callback?state=s&code=c", "", 303},
	{"GET /admin/try/{id}", admin.ReadClients, "/admin/try/" + aTest, "", 200},
	{"GET /admin/start", admin.ReadClients, "/admin/start", "", 200},
	{"POST /admin/start", admin.EditClients, "/admin/start", "aside=1", 303},
	{"GET /admin/audit", admin.ReadAudit, "/admin/audit", "", 200},
	{"GET /admin/audit.json", admin.ReadAudit, "/admin/audit.json", "", 200},
	{"GET /admin/audit.csv", admin.ReadAudit, "/admin/audit.csv", "", 200},
	{"GET /admin/audit/check", admin.ReadAudit, "/admin/audit/check", "", 200},
	{"POST /admin/audit/check", admin.ReadAudit, "/admin/audit/check", "x=1", 303},
	{"GET /admin/checks/{id}", admin.ReadAudit, "/admin/checks/" + aSession, "", 404},
	{"GET /admin/checks/{id}/state", admin.ReadAudit, "/admin/checks/" + aSession + "/state", "", 404},
	{"GET /admin/checks/{id}/events", admin.ReadAudit, "/admin/checks/" + aSession + "/events", "", 404},
	{"GET /admin/health", admin.ReadHealth, "/admin/health", "", 200},
}

// Every page of the administration is in the table, with the act that its record says,
// and a change is no act that only reads.
func TestEveryDeskRouteIsInTheTable(t *testing.T) {
	acts := map[string]admin.Act{}
	for _, row := range deskRoutes {
		acts[row.route] = row.act
	}
	n := 0
	for _, r := range open(t).page.Routes() {
		if !strings.Contains(r.Pattern, " /admin") {
			continue
		}
		n++
		want := "staff: " + string(acts[r.Pattern])
		if r.Pattern == "GET /admin/" {
			want = "anyone"
		}
		if _, known := acts[r.Pattern]; !known || r.Who.Who != want {
			t.Errorf("%s is for %q, and the table says %q", r.Pattern, r.Who.Who, acts[r.Pattern])
		}
		if strings.HasPrefix(r.Pattern, "POST ") && acts[r.Pattern].Reads() && r.Pattern != "POST /admin/audit/check" {
			t.Errorf("%s changes something by an act that only reads: %s", r.Pattern, acts[r.Pattern])
		}
	}
	if n != len(deskRoutes) {
		t.Errorf("%d routes and %d rows", n, len(deskRoutes))
	}
}

func (d *door) ask(route, path, form string) webtest.Reply {
	d.Helper()
	switch {
	case strings.HasPrefix(form, "--"+boundary):
		return d.upload(path, form)
	case strings.HasPrefix(route, "POST "):
		return d.PostRaw(path, form)
	}
	return d.Get(path)
}

const boundary = "between-the-parts"

// multipartOf is a form that can carry a file; a name «file» is one.
func multipartOf(fields ...string) string {
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		more := ""
		if fields[i] == "file" {
			more = `; filename="people.csv"`
		}
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=%q%s\r\n\r\n%s\r\n", boundary, fields[i], more, fields[i+1])
	}
	return b.String() + "--" + boundary + "--\r\n"
}

func (d *door) upload(path, body string) webtest.Reply {
	d.Helper()
	req, err := http.NewRequest(http.MethodPost, d.URL+path, strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	return d.Do(req)
}

func TestDeskRoutes(t *testing.T) {
	roles := []idp.StaffRole{idp.StaffNone, idp.StaffAuditor, idp.StaffHelpdesk, idp.StaffAdmin}
	for _, row := range deskRoutes {
		t.Run(strings.ReplaceAll(row.route, "/", "_"), func(t *testing.T) {
			// Nobody is signed in: a sign-in begins, and nothing is done.
			d := open(t)
			r := d.ask(row.route, row.path, row.form)
			if row.act == "" {
				d.Wants(r, 404)
			} else {
				d.Leads(r, "/login/"+aLogin)
			}
			if len(d.desk.asked) != 0 {
				t.Errorf("without a session: %q", d.desk.asked)
			}
			for _, role := range roles {
				for _, factor := range []struct {
					name string
					at   time.Time
				}{{"fresh", noon.Add(-idp.StepUpFor)}, {"stale", noon.Add(-idp.StepUpFor - time.Second)}, {"none", time.Time{}}} {
					d := open(t)
					desk := d.staffed(role)
					d.logins.session.FactorAt = factor.at
					r := d.ask(row.route, row.path, row.form)
					d.conf.Jobs.Wait(time.Minute)
					name := string(role) + ", factor " + factor.name
					switch {
					case row.act == "" || role == idp.StaffNone:
						if r.StatusCode != 404 || !strings.Contains(r.Body, "There is nothing here") {
							t.Errorf("%s: %d, want the page of nothing", name, r.StatusCode)
						}
					case !admin.May(role, row.act):
						if r.StatusCode != 403 {
							t.Errorf("%s: %d, want 403", name, r.StatusCode)
						}
					case factor.name == "none", factor.name == "stale" && !row.act.Reads():
						if r.StatusCode != 303 || r.Header.Get("Location") != "/login/"+aLogin || len(d.logins.asked) != 1 || !strings.HasPrefix(d.logins.asked[0], "stepup ") {
							t.Errorf("%s: %d to %q, asked %q, want a step-up", name, r.StatusCode, r.Header.Get("Location"), d.logins.asked)
						} else if path, ok := d.page.Place(strings.TrimPrefix(d.logins.asked[0], "stepup ")); !ok || !strings.HasPrefix(path, "/admin") {
							t.Errorf("%s: the step-up leads back to %q", name, path)
						}
					default:
						if r.StatusCode != row.want {
							t.Errorf("%s: %d, want %d", name, r.StatusCode, row.want)
						}
						if len(desk.asked) > 0 && (desk.by.Role != role || desk.by.Actor.Name != "anna" || desk.by.Console || desk.by.Address != "192.0.2.1" || !desk.by.FactorAt.Equal(factor.at)) {
							t.Errorf("%s: asked by %+v", name, desk.by)
						}
						continue
					}
					if len(desk.asked) != 0 {
						t.Errorf("%s: did %q", name, desk.asked)
					}
				}
			}
		})
	}
}

// A factor that ages between the page and the verb leads to the step-up too.
func TestDeskFactorAgesInBetween(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.err = fmt.Errorf("unlink: %w", idp.ErrStale)
	d.Leads(d.Post("/admin/devices/unlink", "devices", aDevice, "reason", "lost"), "/login/"+aLogin)
	d.asked("stepup picked:" + aDevice)
	if path, _ := d.page.Place("picked:" + aDevice + "." + aDevice); path != "/admin/devices/unlink?id="+aDevice+"&id="+aDevice {
		t.Errorf("back to %q", path)
	}
	for _, bad := range []string{"picked:", "picked:x", "picked:" + strings.Repeat(aDevice+".", idp.DefaultListPage+1), "device:../..", "reopen:", "nothing:" + aUser} {
		if path, ok := d.page.Place(bad); ok {
			t.Errorf("%q is the place %q", bad, path)
		}
	}
}

func TestDeskDevices(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffHelpdesk)
	d.Wants(d.Get("/admin/devices"), 200, "1,000&#43; devices", "Bert &lt;i&gt;Klein", "Lost &lt;b&gt;phone", "not <b>phone", `name="id" value="`+aDevice, "Not arriving",
		`href="/admin/devices?f=ios"`, "down=1&amp;sort=person", `aria-sort="ascending"`, "Unused", "not id=\"next\"", "not Mail address</th>")

	// Everything that narrows and orders the list is in its address, and goes on with it.
	desk.devices.Next, desk.devices.Prev, desk.devices.Short = "nextkey", "prevkey", true
	r := d.Get("/admin/devices?q=bert+pix&f=failing&f=ios&sort=used&down=1&col=email&col=used&after=k")
	d.Wants(r, 200, `value="bert pix"`, "after=nextkey&amp;", "before=prevkey", `name="f" value="failing"`, `name="sort" value="used"`, "Mail address</th>", "not Notifications</th>",
		`aria-sort="descending"`, `id="short"`, "/admin/devices.csv?", "Show all")
	want := idp.DeviceQuery{Words: "bert pix", Facets: []idp.DeviceFacet{idp.FacetFailing, idp.FacetIOS}, Sort: idp.DevicesByUsed, Down: true, Page: idp.Page{After: "k"}}
	if got := desk.query; got.Words != want.Words || !slices.Equal(got.Facets, want.Facets) || got.Sort != want.Sort || !got.Down || got.Page != want.Page {
		t.Errorf("asked for %+v, want %+v", got, want)
	}
	d.Wants(d.Get("/admin/devices?after=bad"), 400)

	desk.devices = idp.DevicePage{}
	d.Wants(d.Get("/admin/devices"), 200, "Nobody has linked a device yet", "not Unlink selected")
	d.Wants(d.Get("/admin/devices?q=x"), 200, "No device fits", `href="/admin/devices"`)
}

func TestDeskDevicesForWhoOnlyReads(t *testing.T) {
	d := open(t)
	d.staffed(idp.StaffAuditor)
	d.Wants(d.Get("/admin/devices"), 200, "not Unlink selected", "not data-pick")
	d.Wants(d.Get("/admin/devices/"+aDevice), 200, "not /reopen", "not /block", "not unlink?id")
}

func TestDeskDevicesCSV(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAuditor)
	r := d.Get("/admin/devices.csv?q=bert&f=ios&sort=linked")
	d.Wants(r, 200, "anna,Pixel 8\r\n")
	if r.Header.Get("Content-Type") != "text/csv; charset=utf-8" || r.Header.Get("Content-Disposition") != `attachment; filename="devices.csv"` || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", r.Header)
	}
	if desk.query.Words != "bert" || len(desk.query.Facets) != 1 || desk.query.Sort != idp.DevicesByLinked {
		t.Errorf("asked for %+v", desk.query)
	}
	desk.err = &idp.FieldError{Field: "facet", Message: "list.facet.bad"}
	r = d.Get("/admin/devices.csv")
	d.Wants(r, 400, "<!doctype html>")
	if r.Header.Get("Content-Disposition") != "" {
		t.Error("an error is a download")
	}
	// Half a file is no file: the connection breaks.
	desk.err, desk.half = nil, errors.New("the disk is gone")
	req, _ := http.NewRequest(http.MethodGet, d.URL+"/admin/devices.csv", nil)
	if res, err := d.HTTP.Do(req); err == nil {
		if _, err = io.ReadAll(res.Body); err == nil {
			t.Error("half a file came through as a whole one")
		}
		res.Body.Close()
	}
	if !strings.Contains(d.log.String(), "the disk is gone") {
		t.Error("nothing was logged")
	}
}

func TestDeskDevice(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.events = idp.EventPage{Rows: []idp.Event{{Seq: 7, At: noon, Kind: idp.EventDeviceUnlinked, Actor: idp.Actor{Name: "helga"}, Detail: map[string]string{"reason": "lost on the ward"}}}, Turns: idp.Turns{Next: "older"}}
	d.Wants(d.Get("/admin/devices/"+aDevice), 200, "Pixel 8", "2 of 5", "Unlinked", "by helga", "lost on the ward", "?after=older", "/reopen", "/block", "not /unblock")
	desk.devices.Rows[0].User.State = idp.UserDisabled
	d.Wants(d.Get("/admin/devices/"+aDevice), 200, "/unblock", "Blocked", "not /reopen")
	// Of one that is unlinked there is what the log has.
	const gone = "DEVICEDEVICEDEVICEDEVICED7"
	desk.events.Rows[0].User, desk.events.Rows[0].Detail["name"] = aUser, "Old <b>phone"
	d.Wants(d.Get("/admin/devices/"+gone), 200, "Old &lt;b&gt;phone", "Bert &lt;i&gt;Klein", `id="gone"`, "by helga", "lost on the ward", "?after=older", "not /reopen", "not unlink?id", "not /block")
	desk.events.Rows[0].User, desk.events.Rows[0].Kind = "USERUSERUSERUSERUSERUSERU7", idp.EventDeviceLinked
	d.Wants(d.Get("/admin/devices/"+gone), 200, `id="gone"`, "not id=\"unlinked\"")
	desk.events.Rows = nil
	for _, id := range []string{gone, "x", "..%2f", strings.Repeat("A", 27)} {
		d.Wants(d.Get("/admin/devices/"+id), 404, "There is nothing here")
	}
}

func TestDeskUnlink(t *testing.T) {
	const other = "DEVICEDEVICEDEVICEDEVICED3"
	d := open(t)
	desk := d.staffed(idp.StaffHelpdesk)
	d.Leads(d.Get("/admin/devices/unlink"), "/admin/devices?did=none")
	d.Wants(d.Get("/admin/devices/unlink?id="+aDevice), 200, "Unlink Pixel 8?", `name="reason"`, `value="`+aDevice+`"`)
	d.Wants(d.Get("/admin/devices/unlink?id="+aDevice+"&id="+other), 200, "Unlink 2 devices?", "Lost &lt;b&gt;phone", `value="`+aDevice+" "+other+`"`)
	d.Wants(d.Get("/admin/devices/unlink?id="+strings.Replace(aDevice, "2", "7", 1)), 404)

	d.Leads(d.Post("/admin/devices/unlink", "devices", aDevice+" "+other, "reason", "lost"), "/admin/devices?did=unlinked&n=2")
	if !slices.Equal(desk.asked, []string{"unlink " + aDevice + "," + other + " lost"}) {
		t.Errorf("asked %q", desk.asked)
	}
	desk.asked = nil
	d.Leads(d.Post("/admin/devices/unlink", "devices", aDevice, "reason", "on the train", "lost", "on"), "/admin/devices?did=unlinked&n=1")
	if !slices.Equal(desk.asked, []string{"unlink " + aDevice + " on the train (lost)"}) {
		t.Errorf("asked %q", desk.asked)
	}
	d.Wants(d.Post("/admin/devices/unlink", "devices", "x", "reason", "", "lost", "on"), 400)
	d.Wants(d.Get("/admin/devices?did=unlinked&n=2"), 200, "2 devices are unlinked")
	d.Wants(d.Get("/admin/devices?did=unlinked&n=-99999"), 200, "The device is unlinked")
	d.Wants(d.Post("/admin/devices/unlink", "devices", "x", "reason", "lost"), 400)

	desk.err = &idp.FieldError{Field: "reason", Message: "text.missing"}
	d.Wants(d.Post("/admin/devices/unlink", "devices", aDevice, "reason", ""), 422, "Say why.", `aria-invalid="true"`)

	// Not all: each is named with what became of it.
	desk.err = nil
	desk.results = []admin.Unlinked{{Device: aDevice, Name: "Pixel 8", Person: "bert"}, {Device: other, Err: fmt.Errorf("x: %w", idp.ErrNotFound)}, {Name: "Chief's", Person: "chief", Err: idp.ErrDenied}}
	d.Wants(d.Post("/admin/devices/unlink", "devices", aDevice+" "+other, "reason", "lost"), 409, "1 unlinked. 2 were not.", "Gone already", "Needs an administrator")
}

// «Select all found» is offered where a search finds more than a page, and not
// more than is unlinked at once.
func TestDeskSelectAllFound(t *testing.T) {
	const link, many = `id="all-found"`, `id="too-many"`
	for what, c := range map[string]struct {
		role       idp.StaffRole
		query      string
		turns      idp.Turns
		total      *idp.Count
		want, not1 string
		not2       string
	}{
		"a search":                   {idp.StaffHelpdesk, "?q=bert&f=ios&sort=used&col=push", idp.Turns{Next: "n"}, &idp.Count{N: 134}, `href="/admin/devices/unlink/found?f=ios&amp;q=bert">Select all 134 found`, many, many},
		"the last page of it":        {idp.StaffAdmin, "?f=ios&after=k", idp.Turns{Prev: "p"}, &idp.Count{N: 1000}, `href="/admin/devices/unlink/found?f=ios">Select all 1,000 found`, many, many},
		"all of it on one page":      {idp.StaffAdmin, "?q=bert", idp.Turns{}, &idp.Count{N: 2}, "Unlink selected", link, many},
		"nothing narrows it":         {idp.StaffAdmin, "?q=+&sort=used", idp.Turns{Next: "n"}, &idp.Count{N: 134}, "Unlink selected", link, many},
		"more than once may":         {idp.StaffAdmin, "?q=bert", idp.Turns{Next: "n"}, &idp.Count{N: 1000, More: true}, "At most 1,000 devices can be unlinked at once", link, link},
		"what is not counted":        {idp.StaffAdmin, "?q=bert", idp.Turns{Next: "n"}, nil, "narrow the search", link, link},
		"a role that unlinks none":   {idp.StaffAuditor, "?q=bert", idp.Turns{Next: "n"}, &idp.Count{N: 134}, "Download", link, many},
		"the same, too many of them": {idp.StaffAuditor, "?q=bert", idp.Turns{Next: "n"}, nil, "bert", link, many},
	} {
		d := open(t)
		desk := d.staffed(c.role)
		desk.devices.Turns, desk.devices.Total = c.turns, c.total
		t.Log(what)
		d.Wants(d.Get("/admin/devices"+c.query), 200, c.want, "not "+c.not1, "not "+c.not2)
	}
}

func TestDeskUnlinkFound(t *testing.T) {
	const at, filter = "/admin/devices/unlink/found", "?f=ios&q=bert+k"
	d := open(t)
	desk := d.staffed(idp.StaffHelpdesk)
	d.Wants(d.Get(at+filter), 200, "Unlink 2 devices?", "They belong to one person.", "Lost &lt;b&gt;phone", `action="/admin/devices/unlink/found?f=ios&amp;q=bert&#43;k"`,
		`name="digest" value="a-digest"`, `name="reason"`, `href="/admin/devices?f=ios&amp;q=bert&#43;k"`, `name="here" value="found:f=ios&amp;q=bert&#43;k"`,
		`not id="more"`, `not id="refused"`, `not id="changed"`)
	if q := desk.query; q.Words != "bert k" || !slices.Equal(q.Facets, []idp.DeviceFacet{idp.FacetIOS}) {
		t.Errorf("asked for %+v", q)
	}

	// The first are named, the others counted; who needs an administrator too.
	row := desk.devices.Rows[0]
	desk.found.Rows, desk.found.People = nil, 1000
	for i := range admin.MaxUnlink {
		row.Device.Name = fmt.Sprintf("phone-%03d", i)
		if row.User.Staff = idp.StaffNone; i >= 990 {
			row.User.Staff = idp.StaffAuditor
		}
		desk.found.Rows = append(desk.found.Rows, row)
	}
	d.Wants(d.Get(at+filter), 200, "Unlink 1,000 devices?", "They belong to 1,000 people.", "phone-000", "phone-019", "not phone-020", "and 980 more", "10 of them belong to people with a role")

	desk.query = idp.DeviceQuery{}
	d.Leads(d.Post(at+filter, "digest", "a-digest", "reason", "handed back"), "/admin/devices?did=unlinked&n=1000")
	if !slices.Equal(desk.asked, []string{"unlink found a-digest handed back"}) || desk.query.Words != "bert k" || len(desk.query.Facets) != 1 {
		t.Errorf("asked %q for %+v", desk.asked, desk.query)
	}
	d.Wants(d.Get("/admin/devices?did=unlinked&n=1000"), 200, "1,000 devices are unlinked")
	desk.asked = nil
	d.Leads(d.Post(at+filter, "digest", "a-digest", "reason", "stolen bag", "lost", "on"), "/admin/devices?did=unlinked&n=1000")
	if !slices.Equal(desk.asked, []string{"unlink found a-digest stolen bag (lost)"}) {
		t.Errorf("asked %q", desk.asked)
	}

	// Of many only those are named that were not.
	desk.results = make([]admin.Unlinked, 60)
	for i := range desk.results {
		desk.results[i] = admin.Unlinked{Device: aDevice, Name: fmt.Sprintf("phone-%03d", i), Person: "bert"}
	}
	desk.results[7].Err = idp.ErrDenied
	d.Wants(d.Post(at+filter, "digest", "a-digest", "reason", "handed back"), 409, "59 unlinked. 1 was not.", "phone-007", "Needs an administrator", "not phone-008")

	// Without a reason it asks again; where the list has changed too, and says so.
	desk.err = &idp.FieldError{Field: "reason", Message: "text.missing"}
	d.Wants(d.Post(at+filter, "digest", "a-digest", "reason", ""), 422, "Say why.", `aria-invalid="true"`, "phone-019", `not id="changed"`)
	desk.err, desk.found.Digest = fmt.Errorf("found: %w", idp.ErrConflict), "another"
	d.Wants(d.Post(at+filter, "digest", "a-digest", "reason", "handed back"), 409, "has changed meanwhile, and nothing was unlinked", `value="another"`, `value="handed back"`, `not aria-invalid`, "not a-digest")
	// What is gone, and what is too much by now, is a matter for the list.
	desk.found.Rows = nil
	d.Leads(d.Post(at+filter, "digest", "a-digest", "reason", "x"), "/admin/devices"+filter)
	d.Leads(d.Get(at+filter), "/admin/devices"+filter)
	desk.findErr = &idp.FieldError{Field: "devices", Message: "devices.count"}
	desk.err = desk.findErr
	d.Leads(d.Get(at+filter), "/admin/devices"+filter)
	d.Leads(d.Post(at+filter, "digest", "a-digest", "reason", "x"), "/admin/devices"+filter)
	desk.findErr, desk.err = errors.New("the disk is gone"), nil
	d.Wants(d.Get(at+filter), 500)

	// A filter that narrows nothing, or that is none.
	for _, bad := range []string{"", "?q=+", "?sort=used", "?q=bert&f=no-facet", "?q=%ff", "?q=" + strings.Repeat("x", page.MaxParam)} {
		desk.asked = nil
		d.Leads(d.Get(at+bad), "/admin/devices?did=none")
		d.Wants(d.Post(at+bad, "digest", "a-digest", "reason", "x"), 400)
		if len(desk.asked) != 0 {
			t.Errorf("%q: did %q", bad, desk.asked)
		}
	}
}

// The step-up comes back to the same question.
func TestDeskUnlinkFoundAfterStepUp(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.err = fmt.Errorf("unlink: %w", idp.ErrStale)
	d.Leads(d.Post("/admin/devices/unlink/found?f=ios&f=app&q=%26q%3D+%C3%A9", "digest", "x", "reason", "lost"), "/login/"+aLogin)
	d.asked("stepup found:f=ios&f=app&q=%26q%3D+%C3%A9")
	if path, ok := d.page.Place("found:f=ios&f=app&q=%26q%3D+%C3%A9"); !ok || path != "/admin/devices/unlink/found?f=ios&f=app&q=%26q%3D+%C3%A9" {
		t.Errorf("back to %q", path)
	}
	if path, _ := d.page.Place("found:q=x&after=k&did=none&//evil"); path != "/admin/devices/unlink/found?q=x" {
		t.Errorf("more than a filter: %q", path)
	}
	for _, bad := range []string{"found:", "found:q=+", "found:f=x", "found:%zz", "found:q=" + strings.Repeat("x", page.MaxParam)} {
		if path, ok := d.page.Place(bad); ok {
			t.Errorf("%q is the place %q", bad, path)
		}
	}
}

func TestDeskReopenAndBlock(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	at := "/admin/users/" + aUser
	d.Wants(d.Get(at+"/reopen"), 200, "Reopen enrolment of Bert", `name="reason"`)
	r := d.Post(at+"/reopen", "reason", "stolen")
	d.Wants(r, 200, "https://idp.example/invite/one-time-word", "Pixel 8", "shown this once")
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Error("the link may be kept")
	}
	d.Leads(d.Post(at+"/block", "reason", "left"), at+"?did=blocked")
	d.Leads(d.Post(at+"/unblock"), at+"?did=unblocked")
	if want := []string{"reopen " + aUser + " stolen", "block " + aUser + " left", "unblock " + aUser}; !slices.Equal(desk.asked, want) {
		t.Errorf("asked %q, want %q", desk.asked, want)
	}
	for _, act := range []string{"/reopen", "/block"} {
		desk.err = &idp.FieldError{Field: "reason", Message: "text.long"}
		d.Wants(d.Post(at+act, "reason", "so long"), 422, `value="so long"`, `id="problem"`)
	}
	desk.err = fmt.Errorf("the last: %w", idp.ErrDenied)
	d.Wants(d.Post(at+"/block", "reason", "x"), 403)
	for _, act := range []string{"/reopen", "/block", "/unblock"} {
		d.Wants(d.Get("/admin/users/"+strings.Replace(aUser, "2", "7", 1)+act), 404)
		d.Wants(d.Get("/admin/users/x"+act), 404)
	}

	// The helpdesk is not asked whether to do what it may not.
	d = open(t)
	d.staffed(idp.StaffHelpdesk).user.Staff = idp.StaffAuditor
	d.Wants(d.Get(at+"/reopen"), 403)
	d.Wants(d.Post(at+"/reopen", "reason", "x"), 403)
}

func TestEveryEventHasWords(t *testing.T) {
	d := open(t)
	for _, kind := range idp.EventKinds {
		if key := eventWords[kind]; key == "" || !d.page.Words().Has(key) {
			t.Errorf("%s is said by %q", kind, key)
		}
	}
	if len(eventWords) != len(idp.EventKinds) {
		t.Errorf("%d kinds, %d words", len(idp.EventKinds), len(eventWords))
	}
	for _, f := range idp.DeviceFacets {
		if deviceFacets[f].Key == "" {
			t.Errorf("facet %s has no words", f)
		}
	}
}

func TestDeskUsers(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	d.Wants(d.Get("/admin/users?q=bert&f=active&sort=added&down=1"), 200, "Bert &lt;i&gt;Klein", "1 person", "2 of 5", `href="/admin/users/new"`, "/admin/users.csv?", `aria-sort="descending"`)
	if q := desk.people; q.Words != "bert" || !slices.Equal(q.Facets, []idp.UserFacet{idp.UsersActive}) || q.Sort != idp.UsersByAdded || !q.Down {
		t.Errorf("asked for %+v", q)
	}
	d.Wants(d.Get("/admin/users.csv?q=x"), 200, "username")
	for _, f := range idp.UserFacets {
		if userFacets[f].Key == "" {
			t.Errorf("facet %s has no words", f)
		}
	}
	d = open(t)
	d.staffed(idp.StaffHelpdesk)
	d.Wants(d.Get("/admin/users"), 200, "not /admin/users/new")
}

func TestDeskUser(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.factors.Locked = []idp.Counter{{Key: idp.CounterKey{Kind: idp.CountPasswords}}, {Key: idp.CounterKey{Kind: idp.CountCodes}}, {Key: idp.CounterKey{Kind: idp.CountRecovery}}}
	desk.factors.Guard = &idp.PushGuard{Off: true}
	desk.factors.Invitation = &idp.Invitation{ExpiresAt: noon}
	at := "/admin/users/" + aUser
	d.Wants(d.Get(at), 200, "Pixel 8", "3 left", "too many wrong passwords", "too many wrong codes", "Recovery codes wait", "Not me", "192.0.2.9", "viewer", "What happened", at+"/unlock", at+"/reopen", at+"/reset", at+"/block", "not /invite\"", "Good until")
	desk.factors = idp.Factors{}
	d.Wants(d.Get(at), 200, "No device is linked.", at+"/invite", "Not chosen yet", "not "+at+"/reopen", "not "+at+"/unlock", "not "+at+"/reset")
	desk.user.State = idp.UserDisabled
	d.Wants(d.Get(at), 200, at+"/unblock", "not "+at+"/invite")
	d.Wants(d.Get("/admin/users/"+strings.Replace(aUser, "2", "7", 1)), 404)
	d.Wants(d.Get("/admin/users/nobody"), 404)

	d = open(t)
	d.staffed(idp.StaffHelpdesk)
	d.Wants(d.Get(at), 200, at+"/reopen", "not "+at+"/edit", "not "+at+"/block", at+"/end", at+"/sessions/")
	d.desk.user.Staff = idp.StaffAdmin
	d.Wants(d.Get(at), 200, "Administrator", "not "+at+"/reopen", "not "+at+"/reset")
}

func TestDeskInvite(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	d.Wants(d.Post("/admin/users/new", "username", "Carl", "name", " Carl Maes ", "email", "carl@hospital.example", "groups", "a  b", "staff", "helpdesk"), 200, "https://idp.example/invite/one-time-word", "Carl Maes")
	if u := desk.added; u.Name != "Carl" || u.DisplayName != "Carl Maes" || !u.EmailVerified || !slices.Equal(u.Groups, []string{"a", "b"}) || u.Staff != idp.StaffHelpdesk {
		t.Errorf("added %+v", u)
	}
	if !slices.Equal(desk.asked, []string{"add Carl", "invite " + aUser}) {
		t.Errorf("asked %q", desk.asked)
	}
	for err, says := range map[error]string{
		idp.ErrConflict: "Somebody has this user name already.",
		&idp.FieldError{Field: "username", Message: "user.name.letters"}: "made of letters",
	} {
		desk.err = err
		d.Wants(d.Post("/admin/users/new", "username", "carl", "name", `"><b>`, "groups", "x"), 422, says, `value="carl"`, "not \"><b>", `value="x"`, "<h1>Invite a person</h1>")
	}
	desk.asked, desk.err = nil, nil
	d.Wants(d.Post("/admin/users/new", "username", "carl", "groups", strings.Repeat("g ", 200)), 422)
	d.Wants(d.Post("/admin/users/new", "username", "carl", "phone", "1\x002"), 422)
	if len(desk.asked) != 0 {
		t.Errorf("asked %q", desk.asked)
	}
}

func TestDeskEdit(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.user.Phone, desk.user.PhoneVerified, desk.user.Email, desk.user.EmailVerified = "1", false, "a@b", false
	at := "/admin/users/" + aUser
	d.Wants(d.Get(at+"/edit"), 200, "Edit bert", `value="a@b"`, "not id=\"username\"")
	// With a role the devices are asked for that answer for it from now on, those of now.
	role := []string{"name", "Bert K", "email", "new@b", "phone", "1", "roles", "r1 r2", "staff", "auditor"}
	for _, more := range [][]string{nil, {"theirs", "on"}, {"devices", aDevice}, {"theirs", "on", "devices", "DEVICEDEVICEDEVICEDEVICED3"}} {
		d.Wants(d.Post(at+"/edit", append(slices.Clone(role), more...)...), 422, "Pixel 8", `name="theirs"`, `value="`+aDevice+`"`, `value="new@b"`, `value="auditor" selected`)
	}
	if len(desk.asked) != 0 {
		t.Errorf("asked %q", desk.asked)
	}
	d.Leads(d.Post(at+"/edit", append(role, "theirs", "on", "devices", aDevice)...), at+"?did=edited")
	if u := desk.added; u.DisplayName != "Bert K" || !u.EmailVerified || u.PhoneVerified || len(u.Roles) != 2 || u.Staff != idp.StaffAuditor || u.Name != "bert" {
		t.Errorf("edited to %+v", u)
	}
	// A form without the field leaves the role.
	desk.user.Staff = idp.StaffAuditor
	d.Post(at+"/edit", "name", "Bert K")
	if desk.added.Staff != idp.StaffAuditor {
		t.Error("the role went with a form that does not name it")
	}
	// Where there is none, and where a role is taken, nothing is asked.
	desk.user.Staff = idp.StaffNone
	desk.factors.Devices = nil
	d.Leads(d.Post(at+"/edit", "name", "Bert K", "staff", "admin"), at+"?did=edited")
	desk.err = fmt.Errorf("last: %w", idp.ErrDenied)
	d.Wants(d.Post(at+"/edit", "name", "Bert K", "staff", ""), 403, "last administrator")
}

func TestDeskActs(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	at := "/admin/users/" + aUser
	d.Wants(d.Post(at+"/reset"), 200, "one-time-word", "choosing a new password")
	d.Wants(d.Post(at+"/invite"), 200, "one-time-word")
	d.Leads(d.Post(at+"/unlock"), at+"?did=unlocked")
	d.Leads(d.Post(at+"/end"), at+"?did=ended")
	d.Leads(d.Post(at+"/sessions/"+aSession+"/end"), at+"?did=ended&session="+aSession)
	d.Leads(d.Post(at+"/sessions/"+aSession+"/end", "from", "sessions"), "/admin/sessions?did=ended&session="+aSession)
	want := []string{"reset " + aUser, "invite " + aUser, "unlock " + aUser, "end all " + aUser, "end " + aUser + " " + aSession, "end " + aUser + " " + aSession}
	if !slices.Equal(desk.asked, want) {
		t.Errorf("asked %q, want %q", desk.asked, want)
	}
	d.Wants(d.Post(at+"/sessions/x/end"), 404)
	desk.err = idp.ErrConflict
	d.Wants(d.Post(at+"/invite"), 409)
}

func TestDeskSessions(t *testing.T) {
	d := open(t)
	d.staffed(idp.StaffAdmin)
	d.Wants(d.Get("/admin/sessions"), 200, "192.0.2.9", "This one", "/sessions/"+aSession+"/end")
	d.staffed(idp.StaffAuditor)
	d.Wants(d.Get("/admin/sessions?q=x"), 200, "not /end\"")
}

func TestDeskAudit(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAuditor)
	desk.events = idp.EventPage{Rows: []idp.Event{{Seq: 7, At: noon, Kind: idp.EventUserDisabled, User: aUser, Actor: idp.Actor{Name: "helga"}, Address: "192.0.2.5", Detail: map[string]string{"reason": "left <b>", "user": "bert"}}, {Seq: 6, At: noon, Kind: "some.new"}},
		Turns: idp.Turns{Next: "older", Prev: "newer"}}
	d.Wants(d.Get("/admin/audit?kind=user.&who=bert&as=actor&address=192.0.2.5&from=2026-03-01&until=2026-03-14&after=k"), 200, "Account blocked", "helga", "left &lt;b&gt;", "some.new", "after=older", "before=newer",
		"/admin/audit.json?", "/admin/users/"+aUser, "not data-follow")
	want := idp.EventQuery{Kinds: []idp.EventKind{"user."}, Actor: aUser, Address: "192.0.2.5", From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC), Page: idp.Page{After: "k"}}
	if got := desk.log; !slices.Equal(got.Kinds, want.Kinds) || got.Actor != want.Actor || got.User != "" || got.Address != want.Address || !got.From.Equal(want.From) || !got.Until.Equal(want.Until) || got.Page != want.Page {
		t.Errorf("asked for %+v, want %+v", got, want)
	}
	d.Wants(d.Get("/admin/audit?who=bert"), 200, "data-follow")
	if desk.log.User != aUser {
		t.Errorf("asked for %+v", desk.log)
	}
	d.Wants(d.Get("/admin/audit?who=nobody"), 422, "Nobody has this user name.", `value="nobody"`)
	d.Wants(d.Get("/admin/audit?from=yesterday"), 422, "2026-03-14.")
	d.Wants(d.Get("/admin/audit?kind=x"), 422)
	d.Wants(d.Get("/admin/audit?after=bad"), 400)
	d.Wants(d.Get("/admin/audit.json?who=nobody"), 400)
	if r := d.Get("/admin/audit.json?kind=device."); r.Header.Get("Content-Disposition") != `attachment; filename="audit.jsonl"` || desk.format != admin.ExportJSON || len(desk.log.Kinds) != 1 {
		t.Errorf("JSON: %v, %q, %+v", r.Header, desk.format, desk.log)
	}
	if d.Get("/admin/audit.csv"); desk.format != admin.ExportSheet { // the page is in English
		t.Errorf("CSV is %q", desk.format)
	}
	desk.events = idp.EventPage{}
	d.Wants(d.Get("/admin/audit"), 200, "Nothing was recorded")

}

// Every group of the filter finds something, and every kind is in a group.
func TestEveryEventIsInAGroup(t *testing.T) {
	for _, kind := range idp.EventKinds {
		n := 0
		for _, g := range eventGroups {
			if strings.HasPrefix(string(kind), g.Value) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is in %d groups", kind, n)
		}
	}
}

// Every sentence that a page may open with can be said by every list.
func TestDeskNotes(t *testing.T) {
	d := open(t)
	d.staffed(idp.StaffAdmin)
	for did := range deskDid {
		for _, path := range []string{"/admin/devices", "/admin/users", "/admin/users/" + aUser, "/admin/sessions"} {
			d.Wants(d.Get(path+"?did="+did), 200, `id="note"`)
		}
	}
	d.Wants(d.Get("/admin/devices?did=%3Cscript%3E"), 200, `not id="note"`)
}

func TestDeskApplications(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	const at = "/admin/applications/rad.viewer"
	d.Wants(d.Get("/admin/applications?did=removed"), 200, "Radiology &lt;b&gt;Viewer", "The secret in the body", "rad.viewer", "The application is removed.", "Add an application")
	d.Wants(d.Get(at), 200, "https://viewer.hospital.example/cb", "https://idp.example", "Ended", "In use", "Less safe", at+"/remove", at+"/disable", "not "+at+"/enable")
	for _, id := range []string{"nobody", "..%2f..", "a%20b", strings.Repeat("a", 65)} {
		d.Wants(d.Get("/admin/applications/"+id), 404)
	}
	for _, did := range []string{"edited", "enabled", "disabled"} {
		d.Wants(d.Get(at+"?did="+did), 200, `id="note"`)
	}

	d.Wants(d.Post(at+"/secret"), 200, "a-new-secret", "shown this once", "ends in 24 hours")
	d.Leads(d.Post(at+"/disable"), at+"?did=disabled")
	d.Wants(d.Get(at), 200, "Switched off", at+"/enable")
	d.Leads(d.Post(at+"/enable"), at+"?did=enabled")
	d.Leads(d.Post(at+"/remove"), "/admin/applications?did=removed")
	want := []string{"secret rad.viewer 24h0m0s", "edit client rad.viewer", "edit client rad.viewer", "remove client rad.viewer"}
	if !slices.Equal(desk.asked, want) {
		t.Errorf("asked %q, want %q", desk.asked, want)
	}
	desk.err = &idp.FieldError{Field: "auth", Message: "client.public"}
	d.Wants(d.Post(at+"/secret"), 404)

	d = open(t)
	d.staffed(idp.StaffAuditor).client.Scopes = []string{idp.ScopeHelpdesk}
	d.Wants(d.Get("/admin/applications"), 200, "May administer")
	d.Wants(d.Get(at), 200, "May administer")
	d = open(t)
	d.staffed(idp.StaffAuditor)
	d.Wants(d.Get(at), 200, "not May administer", "not "+at+"/edit", "not "+at+"/secret")
	d.Wants(d.Get("/admin/applications"), 200, "not Add an application")
}

func TestDeskEditApplication(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	const at = "/admin/applications/rad.viewer"
	d.Wants(d.Get(at+"/edit"), 200, ">https://viewer.hospital.example/cb</textarea>", "Departure")
	d.Leads(d.Post(at+"/edit", "client_name", " Viewer 2 ", "redirect_uris", "https://a.example/cb\r\n\r\n https://b.example/cb \r\n", "scopes", "openid profile", "groups", "tumour board\nradiology", "match", "strict", "consent", "1", "optional_pkce", "1"), at+"?did=edited")
	c := desk.client
	if c.Name != "Viewer 2" || !slices.Equal(c.RedirectURIs, []string{"https://a.example/cb", "https://b.example/cb"}) || len(c.Scopes) != 2 || !slices.Equal(c.Groups, []string{"tumour board", "radiology"}) ||
		c.Match != idp.MatchStrict || !c.Consent || !c.OptionalPKCE || c.ClaimsInID || c.RefreshAlways || c.Auth != idp.AuthPost {
		t.Errorf("edited to %+v", c)
	}
	for field, says := range map[string]string{"redirect_uris": "An address begins with https", "origins": "An origin is", "scopes": "A scope is", "groups": "A group has", "client_name": "Look at what"} {
		desk.err = &idp.FieldError{Field: field, Message: "some.key"}
		d.Wants(d.Post(at+"/edit", "client_name", "<x>", "redirect_uris", "nonsense"), 422, says, ">nonsense</textarea>", "&lt;x&gt;", `aria-invalid="true"`)
	}
}

func TestDeskAddApplication(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	const at = "/admin/applications/new"
	d.Wants(d.Get(at), 200, "OHIF Viewer", "Grafana", "Another application")
	d.Wants(d.Get(at+"?preset=nonsense"), 404)
	for _, preset := range admin.Presets() {
		page := d.Get(at + "?preset=" + preset.ID)
		d.Wants(page, 200, `name="client_name"`)
		fields := []string{"preset", preset.ID, "client_name", "Mine"}
		for _, need := range preset.Needs {
			d.Wants(page, 200, `name="`+need.ID+`"`)
			example := need.Example
			if need.ID == "base" {
				example += "/" // as people copy it
			}
			fields = append(fields, need.ID, example)
		}
		r := d.Post(at, fields...)
		d.Wants(r, 200, "Mine is registered", "made-id", "https://idp.example")
		if public := desk.client.Public(); strings.Contains(r.Body, "a-new-secret") == public {
			t.Errorf("%s: public is %v, and the secret is %v", preset.ID, public, !public)
		}
	}
	d.Wants(d.Post(at, "preset", "ohif", "client_name", "Mine", "base", "http://elsewhere.example"), 422, `value="http://elsewhere.example"`, "An address begins with https", `value="Mine"`)
	d.Wants(d.Post(at, "preset", "nonsense"), 400)
	if path, ok := d.page.Place("app:rad.viewer"); !ok || path != "/admin/applications/rad.viewer" {
		t.Errorf("app: leads to %q, %v", path, ok)
	}
	for _, bad := range []string{"app:", "app:a/b", "app:new", "app:" + strings.Repeat("a", 65)} {
		if path, ok := d.page.Place(bad); ok {
			t.Errorf("%q is the place %q", bad, path)
		}
	}
}

func TestDeskHealth(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAuditor)
	desk.health = idp.Health{
		Bytes: 12_345_678, Events: 99, Rows: map[string]int64{"users": 7, "devices": 21}, Waiting: map[string]int{"logins": 1000, "challenges": 3}, Failing: 2,
		Keys: []idp.SigningKey{{ID: "K1", Alg: "RS256", ActiveAt: noon.AddDate(0, 0, -3)}, {ID: "K2", Alg: "RS256", ActiveAt: noon.AddDate(0, 0, 3)}, {ID: "K3", Alg: "ES256", ActiveAt: noon.AddDate(0, 0, -9), RetiredAt: noon, GoneAt: noon.AddDate(0, 0, 1)}},
	}
	desk.days = []idp.Day{
		{At: noon.AddDate(0, 0, -1), Done: map[idp.EventKind]int{idp.EventLoginDone: 8}, Factors: map[string]int{"push": 5, "code": 3}},
		{At: noon, Done: map[idp.EventKind]int{idp.EventLoginDone: 2, idp.EventPasswordWrong: 1}},
	}
	d.push = []idp.PushFigures{{Type: "fcm", Attempts: 10, Delivered: 3, Failed: 1, P50: 12 * time.Millisecond, P95: 40 * time.Millisecond, LastError: "503 <b>", LastAt: noon, Alarm: "mend me"}, {Type: "webpush"}}
	d.Wants(d.Get("/admin/health"), 200, "12.3 MB", "1,000&#43;", "for 3 days", "Next", "published until", "75 %", "503 &lt;b&gt;", "mend me", "Web Push", "Firebase Cloud Messaging", "12ms", "not <dd>0s", "8 a day at most", "<rect", "/admin/devices?f=failing", "not No push service")

	d.push, desk.days = nil, nil
	d.Wants(d.Get("/admin/health"), 200, "No push service is set up", "not <rect")
}

// What is drawn of a day is as high as its count, whole, and within the plot.
func TestPlots(t *testing.T) {
	days := []idp.Day{
		{Done: map[idp.EventKind]int{idp.EventPasswordWrong: 1000, idp.EventCodeWrong: 1, idp.EventPhoneDenied: 1, idp.EventNotMe: 1}},
		{Done: map[idp.EventKind]int{idp.EventPasswordWrong: 500}}, {},
	}
	p := trends(days)[2]
	if p.Most != 1003 || len(p.Days) != 3 || p.Series[2].Sum != 2 {
		t.Errorf("drawn %+v", p)
	}
	for _, b := range p.Bars {
		if b.Y < 0 || b.H < 1 || b.Y+b.H > p.Height || b.X < 0 || b.X+b.W > p.Width {
			t.Errorf("bar %+v is not within %d × %d", b, p.Width, p.Height)
		}
	}
	if half := p.Bars[3]; half.H != plotHigh*500/1003 {
		t.Errorf("half is drawn as %+v", half)
	}
}

// What a person asked for by mail is not said as what an administrator did.
func TestForgottenInTheLog(t *testing.T) {
	for _, c := range []struct {
		e    idp.Event
		want string
	}{
		{idp.Event{Kind: idp.EventInvited, Detail: map[string]string{"purpose": "forgotten"}}, "event.invitation.forgotten"},
		{idp.Event{Kind: idp.EventInvited, Detail: map[string]string{"purpose": "reset"}}, "event.invitation.made"},
		{idp.Event{Kind: idp.EventPasswordReset, Detail: map[string]string{"by": "mail"}}, "event.user.password.mail"},
		{idp.Event{Kind: idp.EventPasswordReset}, "event.user.password.reset"},
	} {
		if got := deskEvents([]idp.Event{c.e})[0].What.Key; got != c.want {
			t.Errorf("%s %v is said by %s, want %s", c.e.Kind, c.e.Detail, got, c.want)
		}
	}
	d := open(t)
	for _, key := range []string{"event.invitation.forgotten", "event.user.password.mail", lockWords(&idp.Counter{Key: idp.CounterKey{Kind: idp.CountForgotten}}).Key} {
		if !d.page.Words().Has(key) {
			t.Errorf("%s is not said", key)
		}
	}
}
