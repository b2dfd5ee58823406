package desk

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"hilum/idp"
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

// withMail has mail sent.
func withMail(_ *page.Config, c *Config) { c.Mail = true }
