// Package web is the people's door: pages, browser session, cross-site
// protection, content policy.
//
// Every page is rendered here from package templates; what happens next is
// decided by the verbs (login, device). A sign-in that is for a relying party
// is handed on to Config.CollectPath when it is finished; one for our own pages
// is collected here. The session cookie changes at that moment only.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/login"
	"hilum/static"
	"hilum/templates"
)

// Logins signs people in; *login.Flow implements it.
type Logins interface {
	StartAccount(ctx context.Context, target string, b login.Browser) (*login.Step, error)
	StartStepUp(ctx context.Context, s *idp.Session, target string, b login.Browser) (*login.Step, error)
	Invitation(ctx context.Context, token idp.Secret) (*idp.Invitation, *idp.User, error)
	StartInvitation(ctx context.Context, token idp.Secret, b login.Browser) (*login.Step, error)
	Step(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	Password(ctx context.Context, id idp.LoginID, b login.Browser, name string, password idp.Secret) (*login.Step, error)
	Code(ctx context.Context, id idp.LoginID, b login.Browser, code string) (*login.Step, error)
	Recovery(ctx context.Context, id idp.LoginID, b login.Browser, code string) (*login.Step, error)
	Consent(ctx context.Context, id idp.LoginID, b login.Browser, allow bool) (*login.Step, error)
	StartOver(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	Cancel(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	NameAccount(ctx context.Context, id idp.LoginID, b login.Browser, name, display string) (*login.Step, error)
	Enrol(ctx context.Context, id idp.LoginID, b login.Browser, form login.EnrolForm) (*login.Step, []idp.Secret, error)
	Collect(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Answer, error)
	Session(ctx context.Context, token idp.Secret) (*idp.Session, *idp.User, error)
	Sessions(ctx context.Context, user idp.UserID) ([]login.SessionView, error)
	EndSession(ctx context.Context, actor idp.Actor, user idp.UserID, id idp.SessionID) error
	EndOthers(ctx context.Context, actor idp.Actor, user idp.UserID, keep idp.SessionID) error
	ChangePassword(ctx context.Context, s *idp.Session, old, new idp.Secret) error
}

// Devices links and unlinks; *device.Registry implements it.
type Devices interface {
	StartPairing(ctx context.Context, s *idp.Session) (*device.Offer, error)
	Offer(ctx context.Context, s *idp.Session, id idp.PairingID) (*device.Offer, error)
	Confirm(ctx context.Context, s *idp.Session, id idp.PairingID, code, name string) (*idp.Device, error)
	List(ctx context.Context, user idp.UserID) ([]idp.Device, error)
	Rename(ctx context.Context, s *idp.Session, id idp.DeviceID, name string) error
	Unlink(ctx context.Context, s *idp.Session, id idp.DeviceID) error
	NewRecoveryCodes(ctx context.Context, s *idp.Session) ([]idp.Secret, error)
	RecoveryLeft(ctx context.Context, user idp.UserID) (int, error)
}

// Config is what the door is built from.
type Config struct {
	Site            string // the site's name, shown on every page
	Origin          string // scheme and host of the issuer
	Secure          bool   // cookies are Secure and __Host-; false on plain-http loopback only
	CookieKey       []byte // 32 bytes, authenticates the cookies
	Logins          Logins
	Devices         Devices
	CollectPath     string // where a relying party's finished sign-in is collected, + login id
	SessionAbsolute time.Duration
	// Allow limits what a client address sends to sign-in pages (60 a minute,
	// burst 120), AllowEnrol on one-time links (10 in 10 minutes).
	// nil: no limit.
	Allow      func(address string) (retry time.Duration, ok bool)
	AllowEnrol func(address string) (retry time.Duration, ok bool)
	Now        func() time.Time
	Log        *slog.Logger
}

// Server is the door. Safe for concurrent use.
type Server struct {
	Config
	pages   *templates.Set
	cookies *cookies
	origin  *http.CrossOriginProtection
}

// New returns a Server. An error means a configuration that would be unsafe.
func New(c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	pages, err := templates.New()
	if err != nil {
		return nil, err
	}
	jar, err := newCookies(c.CookieKey, c.Secure, c.SessionAbsolute)
	if err != nil {
		return nil, err
	}
	s := &Server{Config: c, pages: pages, cookies: jar, origin: http.NewCrossOriginProtection()}
	if err := s.origin.AddTrustedOrigin(c.Origin); err != nil {
		return nil, err
	}
	s.origin.SetDenyHandler(http.HandlerFunc(s.foreign))
	return s, nil
}

// Mount adds every page to mux. The chains, outermost first:
//
//	page     headers, cross-origin protection, body and its bounds, error table
//	signing  page, with the address limit of sign-ins: what is sent and what begins counts, looking does not
//	inviting page, with the address limit of one-time links
//	account  page, for a live session only; else a sign-in begins
func (s *Server) Mount(mux *http.ServeMux) {
	mux.Handle("GET /{$}", s.page(s.home))
	mux.Handle("GET /static/", static.Handler())
	mux.Handle("POST /theme", s.page(s.theme))
	mux.Handle("GET /signed-out", s.page(s.signedOut))

	mux.Handle("GET /login/{id}", s.page(s.loginPage))
	mux.Handle("POST /login/{id}/password", s.signing(s.passwordSubmit))
	mux.Handle("POST /login/{id}/code", s.signing(s.codeSubmit))
	mux.Handle("POST /login/{id}/recovery", s.signing(s.recoverySubmit))
	mux.Handle("POST /login/{id}/consent", s.signing(s.consentSubmit))
	mux.Handle("POST /login/{id}/startover", s.signing(s.startOver))
	mux.Handle("POST /login/{id}/cancel", s.signing(s.cancel))
	mux.Handle("POST /login/{id}/collect", s.signing(s.collect))
	mux.Handle("POST /login/{id}/name", s.inviting(s.nameSubmit))
	mux.Handle("POST /login/{id}/enrol", s.inviting(s.enrolSubmit))
	// A form that was answered in place leaves its path in the address bar:
	// reloading or sharing it leads to the sign-in itself.
	mux.Handle("GET /login/{id}/{step}", s.page(s.loginAgain))

	mux.Handle("GET /invite/{token}", s.inviting(s.invitePage))
	mux.Handle("POST /invite/{token}", s.inviting(s.inviteBegin))
	mux.Handle("GET /setup/{token}", s.inviting(s.invitePage))
	mux.Handle("POST /setup/{token}", s.inviting(s.inviteBegin))

	mux.Handle("GET /account", s.account(s.accountHome))
	mux.Handle("GET /account/security", s.account(s.security))
	mux.Handle("GET /account/password", s.account(s.passwordChange))
	mux.Handle("POST /account/password", s.account(s.passwordChangeSubmit))
	mux.Handle("GET /account/recovery", s.account(s.recovery))
	mux.Handle("POST /account/recovery", s.account(s.recoveryMake))
	mux.Handle("GET /account/devices", s.account(s.devices))
	mux.Handle("GET /account/link", s.account(s.linkIntro))
	mux.Handle("POST /account/link", s.account(s.linkBegin))
	mux.Handle("GET /account/link/{pairing}", s.account(s.linkPage))
	mux.Handle("POST /account/link/{pairing}", s.account(s.linkSubmit))
	mux.Handle("POST /account/devices/{id}/name", s.account(s.deviceName))
	mux.Handle("GET /account/devices/{id}/unlink", s.account(s.unlinkPage))
	mux.Handle("POST /account/devices/{id}/unlink", s.account(s.unlink))
	mux.Handle("GET /account/sessions", s.account(s.sessions))
	mux.Handle("POST /account/sessions/others", s.account(s.endOthers))
	mux.Handle("POST /account/sessions/{id}/end", s.account(s.endSession))
	mux.Handle("POST /account/signout", s.page(s.signOut))
}
