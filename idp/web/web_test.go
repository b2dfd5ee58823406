package web

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/idptest"
	"hilum/idp/login"
	"hilum/idp/totp"
	"hilum/idp/web/page"
	"hilum/idp/web/webtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

const (
	aLogin   = "LOGINLOGINLOGINLOGINLOGIN2"
	aDevice  = "DEVICEDEVICEDEVICEDEVICED2"
	aPairing = "PAIRINGPAIRINGPAIRINGPAIR2"
	aSession = "SESSIONSESSIONSESSIONSESS2"
)

// logins answers as it is told, and notes what it was asked.
type logins struct {
	step    *login.Step // what a sign-in is at, before and after a verb
	after   *login.Step // what a verb returns; step when nil
	err     error       // what a verb returns instead
	answer  *login.Answer
	collect error
	held    []byte // as StartStepUp was given it last
	codes   []idp.Secret
	session *idp.Session // nil: nobody is signed in
	views   []login.SessionView
	invite  *idp.Invitation
	staff   idp.StaffRole // of who is signed in
	known   bool          // somebody, in this browser
	locale  string        // of who is signed in
	asked   []string
	events  []login.ActivityEvent
	doubt   *login.Doubt

	remembered []idp.Known
}

func (f *logins) verb(words ...string) (*login.Step, error) {
	f.asked = append(f.asked, strings.Join(words, " "))
	if f.err != nil {
		return nil, f.err
	}
	if f.after != nil {
		return f.after, nil
	}
	return f.step, nil
}

func (f *logins) StartAccount(_ context.Context, target string, _ login.Browser) (*login.Step, error) {
	return f.verb("account", target)
}
func (f *logins) StartStepUp(_ context.Context, _ *idp.Session, target string, held []byte, _ login.Browser) (*login.Step, error) {
	f.held = held
	f.asked = append(f.asked, "stepup "+target)
	return f.step, nil
}
func (f *logins) Invitation(_ context.Context, token idp.Secret) (*idp.Invitation, *idp.User, error) {
	if f.err != nil {
		return nil, nil, f.err
	}
	return f.invite, &idp.User{Name: "anna"}, nil
}
func (f *logins) StartInvitation(_ context.Context, token idp.Secret, _ login.Browser) (*login.Step, error) {
	return f.verb("invitation", token.Reveal())
}
func (f *logins) Knows(context.Context, login.Browser) (bool, error) { return f.known, nil }
func (f *logins) Step(_ context.Context, id idp.LoginID, b login.Browser) (*login.Step, error) {
	if f.step == nil || f.step.ID != id {
		return nil, idp.ErrNotFound
	}
	return f.step, nil
}
func (f *logins) Password(_ context.Context, _ idp.LoginID, _ login.Browser, name string, password idp.Secret) (*login.Step, error) {
	return f.verb("password", name, password.Reveal())
}
func (f *logins) ConnectDevice(_ context.Context, typed string, _ login.Browser) (*login.Step, error) {
	return f.verb("connect", typed)
}
func (f *logins) Forgotten(_ context.Context, _ idp.LoginID, _ login.Browser, typed, lang string) error {
	_, err := f.verb("forgotten", typed, lang)
	return err
}
func (f *logins) Continue(context.Context, idp.LoginID, login.Browser) (*login.Step, error) {
	return f.after, f.err
}
func (f *logins) Resend(context.Context, idp.LoginID, login.Browser) (*login.Step, error) {
	return f.after, f.err
}
func (f *logins) Pulse(_ context.Context, id idp.LoginID, _ login.Browser) (string, []idp.Topic, error) {
	return "factor", []idp.Topic{idp.TopicLogin(id)}, f.err
}
func (f *logins) Code(_ context.Context, _ idp.LoginID, _ login.Browser, code string) (*login.Step, error) {
	return f.verb("code", code)
}
func (f *logins) Recovery(_ context.Context, _ idp.LoginID, _ login.Browser, code string) (*login.Step, error) {
	return f.verb("recovery", code)
}
func (f *logins) Consent(_ context.Context, _ idp.LoginID, _ login.Browser, allow bool) (*login.Step, error) {
	if allow {
		return f.verb("allow")
	}
	return f.verb("deny")
}
func (f *logins) StartOver(context.Context, idp.LoginID, login.Browser) (*login.Step, error) {
	return f.verb("startover")
}
func (f *logins) Anew(context.Context, idp.LoginID, login.Browser) (*login.Step, error) {
	return f.verb("anew")
}
func (f *logins) Cancel(context.Context, idp.LoginID, login.Browser) (*login.Step, error) {
	return f.verb("cancel")
}
func (f *logins) NameAccount(_ context.Context, _ idp.LoginID, _ login.Browser, name, display string) (*login.Step, error) {
	return f.verb("name", name, display)
}
func (f *logins) ChoosePassword(_ context.Context, _ idp.LoginID, _ login.Browser, chosen idp.Secret) (*login.Step, error) {
	return f.verb("choose", chosen.Reveal())
}
func (f *logins) Enrol(_ context.Context, _ idp.LoginID, _ login.Browser, form login.EnrolForm) (*login.Step, []idp.Secret, error) {
	step, err := f.verb("enrol", form.Password.Reveal(), form.Code, form.DeviceName)
	return step, f.codes, err
}
func (f *logins) Collect(context.Context, idp.LoginID, login.Browser) (*login.Answer, error) {
	f.asked = append(f.asked, "collect")
	return f.answer, f.collect
}
func (f *logins) Session(context.Context, login.Browser) (*idp.Session, *idp.User, error) {
	if f.session == nil {
		return nil, nil, idp.ErrNotFound
	}
	return f.session, &idp.User{ID: "U", Name: "anna", DisplayName: "Anna Maes", State: idp.UserActive, Staff: f.staff, Locale: f.locale}, nil
}
func (f *logins) Sessions(context.Context, idp.UserID) ([]login.SessionView, error) {
	return f.views, nil
}
func (f *logins) EndSession(_ context.Context, actor idp.Actor, user idp.UserID, id idp.SessionID) error {
	_, err := f.verb("end", actor.Name, string(user), string(id))
	return err
}
func (f *logins) SignOut(_ context.Context, actor idp.Actor, s *idp.Session) error {
	_, err := f.verb("signout", actor.Name, string(s.User), string(s.ID))
	return err
}
func (f *logins) SignedOut(context.Context, idp.SessionID, login.Browser) (*login.SignedOut, error) {
	return nil, idp.ErrNotFound
}

func (f *logins) EndOthers(_ context.Context, actor idp.Actor, user idp.UserID, keep idp.SessionID) error {
	_, err := f.verb("others", actor.Name, string(user), string(keep))
	return err
}
func (f *logins) ChooseLanguage(_ context.Context, actor idp.Actor, s *idp.Session, locale string) error {
	_, err := f.verb("language", actor.Name, string(s.ID), locale)
	return err
}
func (f *logins) Remembered(context.Context, idp.UserID) ([]idp.Known, error) {
	return f.remembered, nil
}
func (f *logins) Forget(_ context.Context, actor idp.Actor, s *idp.Session, n int64) error {
	_, err := f.verb("forget", actor.Name, string(s.ID), strconv.FormatInt(n, 10))
	return err
}
func (f *logins) Activity(_ context.Context, user idp.UserID, p idp.Page) (*login.Activity, error) {
	f.asked = append(f.asked, strings.TrimSpace("activity "+string(user)+" "+string(p.After)+string(p.Before)))
	return &login.Activity{Events: f.events, Cursors: idp.Cursors{Next: "older/1"}}, f.err
}
func (f *logins) Doubt(_ context.Context, _ *idp.Session, seq int64) (*login.Doubt, error) {
	if f.doubt == nil || f.doubt.Seq != seq {
		return nil, idp.ErrNotFound
	}
	return f.doubt, nil
}
func (f *logins) Disown(_ context.Context, actor idp.Actor, s *idp.Session, seq int64) (bool, error) {
	_, err := f.verb("disown", actor.Name, string(s.ID), strconv.FormatInt(seq, 10))
	return f.doubt != nil && f.doubt.Session != nil, err
}
func (f *logins) ChangePassword(_ context.Context, _ *idp.Session, old, new idp.Secret) error {
	_, err := f.verb("change", old.Reveal(), new.Reveal())
	return err
}

// devices answers as it is told.
type devices struct {
	list  []idp.Device
	offer *device.Offer
	err   error
	codes []idp.Secret
	asked []string
}

func (f *devices) verb(words ...string) error {
	f.asked = append(f.asked, strings.Join(words, " "))
	return f.err
}
func (f *devices) StartPairing(context.Context, *idp.Session) (*device.Offer, error) {
	if err := f.verb("pair"); err != nil {
		return nil, err
	}
	return f.offer, nil
}
func (f *devices) StartMoving(context.Context, *idp.Session) (*device.Offer, error) {
	if err := f.verb("move"); err != nil {
		return nil, err
	}
	return f.offer, nil
}
func (f *devices) Offer(_ context.Context, _ *idp.Session, id idp.PairingID) (*device.Offer, error) {
	if f.offer == nil || f.offer.ID != id {
		return nil, idp.ErrNotFound
	}
	return f.offer, nil
}
func (f *devices) Confirm(_ context.Context, _ *idp.Session, id idp.PairingID, code, name string) (*idp.Device, error) {
	return &idp.Device{}, f.verb("confirm", string(id), code, name)
}
func (f *devices) Pulse(context.Context, *idp.Session, idp.PairingID) (string, error) {
	return "open", f.err
}
func (f *devices) Test(context.Context, *idp.Session, idp.DeviceID) error { return f.err }
func (f *devices) List(context.Context, idp.UserID) ([]idp.Device, error) { return f.list, nil }
func (f *devices) Rename(_ context.Context, _ *idp.Session, id idp.DeviceID, name string) error {
	return f.verb("rename", string(id), name)
}
func (f *devices) Unlink(_ context.Context, _ *idp.Session, id idp.DeviceID, stolen bool) error {
	if stolen {
		return f.verb("unlink stolen", string(id))
	}
	return f.verb("unlink", string(id))
}
func (f *devices) NewRecoveryCodes(context.Context, *idp.Session) ([]idp.Secret, error) {
	if err := f.verb("recovery"); err != nil {
		return nil, err
	}
	return f.codes, nil
}
func (f *devices) RecoveryLeft(context.Context, idp.UserID) (int, error) { return 7, nil }

// door is the server under test with what it stands on, and a browser before it.
type door struct {
	*webtest.Browser
	server  *Server
	page    *page.Door
	logins  *logins
	devices *devices
	log     *idptest.Log
}

// newDoor is a door with the pages of this package, for what c says differently.
func newDoor(t testing.TB, l *logins, d Devices, log io.Writer, native NativeApps, change func(*page.Config)) (*page.Door, *Server) {
	t.Helper()
	c := page.Config{
		Words: webtest.Words(), Site: idp.Named("Imaging"), Origin: "https://idp.example", CookieKey: bytes.Repeat([]byte{7}, 32), Sessions: l,
		SessionAbsolute: 12 * time.Hour, Now: func() time.Time { return noon }, Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	if change != nil {
		change(&c)
	}
	p, err := page.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p, New(Config{Door: p, Logins: l, Devices: d, CollectPath: "/authorize/collect/", SessionAbsolute: c.SessionAbsolute, Native: native})
}

func open(t *testing.T) *door {
	t.Helper()
	return openWith(t, nil)
}

// openWith is open for a door that is configured otherwise, and has more pages.
func openWith(t *testing.T, change func(*page.Config), more ...func(*page.Door)) *door {
	t.Helper()
	return openNative(t, NativeApps{}, change, more...)
}

// openNative is openWith for a site that has native apps.
func openNative(t *testing.T, native NativeApps, change func(*page.Config), more ...func(*page.Door)) *door {
	t.Helper()
	d := &door{logins: &logins{}, devices: &devices{}, log: &idptest.Log{}}
	d.page, d.server = newDoor(t, d.logins, d.devices, d.log, native, change)
	for _, add := range more {
		add(d.page)
	}
	mux := http.NewServeMux()
	d.page.Mount(mux)
	// Stand-ins for what oidc does with the cookies.
	mux.HandleFunc("GET /test/browser", func(w http.ResponseWriter, r *http.Request) { d.page.Browser(w, r) })
	mux.HandleFunc("GET /test/session", func(w http.ResponseWriter, r *http.Request) { d.page.SetSession(w, r, idp.NewToken(), "") })
	d.Browser = webtest.New(t, webtest.Serve(t, mux))
	return d
}

// bound gives the browser its binding cookie, and a sign-in at a state.
func (d *door) bound(state idp.LoginState, purpose idp.LoginPurpose) *login.Step {
	d.Get("/test/browser")
	d.logins.step = step(state, purpose)
	return d.logins.step
}

// signedIn gives the browser a session.
func (d *door) signedIn() {
	d.Get("/test/browser")
	d.Get("/test/session")
	d.logins.session = &idp.Session{ID: aSession, User: "U", FactorAt: noon, CreatedAt: noon, LastSeenAt: noon}
	d.logins.step = step(idp.LoginFactor, idp.ForStepUp)
}

func step(state idp.LoginState, purpose idp.LoginPurpose) *login.Step {
	s := &login.Step{ID: aLogin, Purpose: purpose, State: state, UserName: "anna", Devices: 1, Recovery: true, ExpiresAt: noon.Add(time.Minute)}
	if purpose == idp.ForClient {
		s.Client = &idp.Client{ID: "viewer", Name: "Radiology Viewer"}
		s.Request = idp.AuthRequest{Client: "viewer", RedirectURI: "https://viewer.example:8443/callback?x=1"}
		s.Scopes = []string{"openid", "profile", "offline_access", "dicom:read"}
		s.Claims = []string{"email", "email_verified", "shoe_size"}
	}
	if state == idp.LoginEnrol {
		s.Enrol = &login.EnrolStep{Purpose: idp.InviteEnrol, NeedLink: true, Chosen: true, UserName: "anna",
			Offer: totp.Offer{URI: "otpauth://totp/Imaging:anna?secret=JBSWY3DPEHPK3PXP&issuer=Imaging", Secret: "JBSWY3DPEHPK3PXP"}, ExpiresAt: noon.Add(10 * time.Minute)}
	}
	return s
}

func (d *door) asked(want ...string) {
	d.Helper()
	got := slices.Concat(d.logins.asked, d.devices.asked)
	if !slices.Equal(got, want) {
		d.Errorf("asked %q, want %q", got, want)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}
