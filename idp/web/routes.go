// Package web is the people's door: pages, browser session, cross-site
// protection, content policy.
package web

import (
	"context"
	"log/slog"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/login"
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
	Now             func() time.Time
	Log             *slog.Logger
}
