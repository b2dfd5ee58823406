// Package web is the people's door: the pages of a sign-in, of a one-time link, of an
// account, and of the phone app. Package page is what they are made with; the pages of
// the administration stand in package desk.
//
// Every page is rendered from package templates; what happens next is decided by the
// verbs (login, device). A sign-in that is for a relying party is handed on to
// Config.CollectPath when it is finished; one for our own pages is collected here. A
// session cookie is set at that moment only.
package web

import (
	"context"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/login"
	"hilum/idp/web/page"
)

// Logins signs people in; *login.Flow implements it, and says which errors come back.
type Logins interface {
	SignIns
	Invitations
	OwnSessions
}

// SignIns are the steps of a sign-in that is under way, each for the browser that it
// was begun in.
type SignIns interface {
	Step(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	Password(ctx context.Context, id idp.LoginID, b login.Browser, name string, password idp.Secret) (*login.Step, error)
	Code(ctx context.Context, id idp.LoginID, b login.Browser, code string) (*login.Step, error)
	Continue(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	Resend(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	Pulse(ctx context.Context, id idp.LoginID, b login.Browser) (string, []idp.Topic, error)
	Recovery(ctx context.Context, id idp.LoginID, b login.Browser, code string) (*login.Step, error)
	Consent(ctx context.Context, id idp.LoginID, b login.Browser, allow bool) (*login.Step, error)
	StartOver(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	Anew(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	Cancel(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	Collect(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Answer, error)
	ConnectDevice(ctx context.Context, typed string, b login.Browser) (*login.Step, error)
	Forgotten(ctx context.Context, id idp.LoginID, b login.Browser, typed, lang string) error
}

// Invitations are what one-time links lead to.
type Invitations interface {
	Invitation(ctx context.Context, token idp.Secret) (*idp.Invitation, *idp.User, error)
	StartInvitation(ctx context.Context, token idp.Secret, b login.Browser) (*login.Step, error)
	NameAccount(ctx context.Context, id idp.LoginID, b login.Browser, name, display string) (*login.Step, error)
	ChoosePassword(ctx context.Context, id idp.LoginID, b login.Browser, chosen idp.Secret) (*login.Step, error)
	Enrol(ctx context.Context, id idp.LoginID, b login.Browser, form login.EnrolForm) (*login.Step, []idp.Secret, error)
}

// OwnSessions are what people do with their sessions and their password.
type OwnSessions interface {
	Sessions(ctx context.Context, user idp.UserID) ([]login.SessionView, error)
	SignOut(ctx context.Context, actor idp.Actor, s *idp.Session) error
	SignedOut(ctx context.Context, id idp.SessionID, b login.Browser) (*login.SignedOut, error)
	EndSession(ctx context.Context, actor idp.Actor, user idp.UserID, id idp.SessionID) error
	EndOthers(ctx context.Context, actor idp.Actor, user idp.UserID, keep idp.SessionID) error
	ChooseLanguage(ctx context.Context, actor idp.Actor, s *idp.Session, locale string) error
	Remembered(ctx context.Context, user idp.UserID) ([]idp.Known, error)
	Forget(ctx context.Context, actor idp.Actor, s *idp.Session, n int64) error
	Activity(ctx context.Context, user idp.UserID, p idp.Page) (*login.Activity, error)
	Doubt(ctx context.Context, s *idp.Session, seq int64) (*login.Doubt, error)
	Disown(ctx context.Context, actor idp.Actor, s *idp.Session, seq int64) (one bool, err error)
	ChangePassword(ctx context.Context, s *idp.Session, old, new idp.Secret) error
}

// Devices are what people do with their own devices; *device.Registry implements it, and
// says which errors come back.
type Devices interface {
	Pairings
	List(ctx context.Context, user idp.UserID) ([]idp.Device, error)
	Test(ctx context.Context, s *idp.Session, id idp.DeviceID) error
	Rename(ctx context.Context, s *idp.Session, id idp.DeviceID, name string) error
	Unlink(ctx context.Context, s *idp.Session, id idp.DeviceID, stolen bool) error
	NewRecoveryCodes(ctx context.Context, s *idp.Session) ([]idp.Secret, error)
	RecoveryLeft(ctx context.Context, user idp.UserID) (int, error)
}

// Pairings link a device by an offer, in the session that it was made in.
type Pairings interface {
	StartPairing(ctx context.Context, s *idp.Session) (*device.Offer, error)
	StartMoving(ctx context.Context, s *idp.Session) (*device.Offer, error)
	Offer(ctx context.Context, s *idp.Session, id idp.PairingID) (*device.Offer, error)
	Confirm(ctx context.Context, s *idp.Session, id idp.PairingID, code, name string) (*idp.Device, error)
	Pulse(ctx context.Context, s *idp.Session, id idp.PairingID) (string, error)
}

// Config is what the pages are built from.
type Config struct {
	Door            *page.Door
	Logins          Logins
	Devices         Devices
	CollectPath     string        // of a relying party's finished sign-in; the login's id is appended
	SessionAbsolute time.Duration // how long a session lasts at most, told where consent is asked for
	Native          NativeApps
	// Applications lists all applications; nil: people are shown none.
	Applications func(ctx context.Context) ([]idp.Client, error)
	Realm        string // the name of the realm, which some of them are told as their issuer; empty: there is none
}

// Server has what other packages need of the pages: those that the relying parties' door
// and package serve show. Safe for concurrent use.
type Server struct {
	door    *page.Door
	account *account
}

// New adds the pages to the door.
func New(c Config) *Server {
	own := &account{door: c.Door, logins: c.Logins, phones: c.Devices, applications: c.Applications, realm: c.Realm}
	steps := &signIns{door: c.Door, logins: c.Logins, invitations: c.Logins, collectPath: c.CollectPath, sessionAbsolute: c.SessionAbsolute, native: c.Native}
	phone := &app{door: c.Door, native: c.Native}
	c.Door.Add(steps.routes()...)
	c.Door.Add(own.routes()...)
	c.Door.Add(phone.routes()...)
	return &Server{door: c.Door, account: own}
}
