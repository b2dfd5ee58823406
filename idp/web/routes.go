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
	"hilum/idp/admin"
	"hilum/idp/device"
	"hilum/idp/login"
	"hilum/idp/serve"
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
	Knows(ctx context.Context, b login.Browser) (bool, error)
	Forgotten(ctx context.Context, id idp.LoginID, b login.Browser, typed, lang string) error
	Password(ctx context.Context, id idp.LoginID, b login.Browser, name string, password idp.Secret) (*login.Step, error)
	Code(ctx context.Context, id idp.LoginID, b login.Browser, code string) (*login.Step, error)
	Continue(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	Resend(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	Pulse(ctx context.Context, id idp.LoginID, b login.Browser) (string, []idp.Topic, error)
	Recovery(ctx context.Context, id idp.LoginID, b login.Browser, code string) (*login.Step, error)
	Consent(ctx context.Context, id idp.LoginID, b login.Browser, allow bool) (*login.Step, error)
	StartOver(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	Cancel(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Step, error)
	NameAccount(ctx context.Context, id idp.LoginID, b login.Browser, name, display string) (*login.Step, error)
	Enrol(ctx context.Context, id idp.LoginID, b login.Browser, form login.EnrolForm) (*login.Step, []idp.Secret, error)
	Collect(ctx context.Context, id idp.LoginID, b login.Browser) (*login.Answer, error)
	Session(ctx context.Context, b login.Browser) (*idp.Session, *idp.User, error)
	Sessions(ctx context.Context, user idp.UserID) ([]login.SessionView, error)
	SignOut(ctx context.Context, actor idp.Actor, s *idp.Session) error
	EndSession(ctx context.Context, actor idp.Actor, user idp.UserID, id idp.SessionID) error
	SignedOut(ctx context.Context, id idp.SessionID, b login.Browser) (*login.SignedOut, error)
	EndOthers(ctx context.Context, actor idp.Actor, user idp.UserID, keep idp.SessionID) error
	ChangePassword(ctx context.Context, s *idp.Session, old, new idp.Secret) error
}

// Devices links and unlinks; *device.Registry implements it.
type Devices interface {
	StartPairing(ctx context.Context, s *idp.Session) (*device.Offer, error)
	Offer(ctx context.Context, s *idp.Session, id idp.PairingID) (*device.Offer, error)
	Confirm(ctx context.Context, s *idp.Session, id idp.PairingID, code, name string) (*idp.Device, error)
	Pulse(ctx context.Context, s *idp.Session, id idp.PairingID) (string, error)
	List(ctx context.Context, user idp.UserID) ([]idp.Device, error)
	Test(ctx context.Context, s *idp.Session, id idp.DeviceID) error
	Rename(ctx context.Context, s *idp.Session, id idp.DeviceID, name string) error
	Unlink(ctx context.Context, s *idp.Session, id idp.DeviceID, stolen bool) error
	NewRecoveryCodes(ctx context.Context, s *idp.Session) ([]idp.Secret, error)
	RecoveryLeft(ctx context.Context, user idp.UserID) (int, error)
}

// Pictures has those that the site and applications show; *store.DB implements it.
type Pictures interface {
	Picture(ctx context.Context, id idp.PictureID) (*idp.Picture, error) // idp.ErrNotFound
}

// Config is what the door is built from.
type Config struct {
	Words     *templates.Set   // the pages, in every language
	Site      func() *idp.Site // how it presents itself now
	Pictures  Pictures
	Origin    string // scheme and host of the issuer
	Secure    bool   // cookies are Secure and __Host-; false on plain-http loopback only
	CookieKey []byte // 32 bytes, authenticates the cookies
	Logins    Logins
	Devices   Devices
	Desk      Desk
	Party     Party                    // that test sign-ins are for
	Mail      bool                     // mail can be sent
	Push      func() []idp.PushFigures // how push services fare; nil: there is none
	// Rejected are the last refused requests of a client, latest first; nil: nothing is kept.
	Rejected        func(idp.ClientID) []idp.Rejection
	CollectPath     string // where a relying party's finished sign-in is collected, + login id
	SessionAbsolute time.Duration
	Limits          Limits
	Wait            func(topics ...idp.Topic) Waiter
	Ending          <-chan struct{} // closed when the server is to end: streams end too
	Streams         *serve.Streams  // nil: its own
	Jobs            *Jobs           // what administrators began that takes long; nil: its own
	Now             func() time.Time
	Log             *slog.Logger
}

// Server is the door. Safe for concurrent use.
type Server struct {
	Config
	cookies *cookies
	origin  *http.CrossOriginProtection
	waiting waiting
	jobs    *Jobs
}

// New returns a Server. An error means a configuration that would be unsafe.
func New(c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Streams == nil {
		c.Streams = &serve.Streams{Log: c.Log}
	}
	jar, err := newCookies(c.CookieKey, c.Secure, c.SessionAbsolute)
	if err != nil {
		return nil, err
	}
	if c.Jobs == nil {
		c.Jobs = &Jobs{}
	}
	s := &Server{Config: c, cookies: jar, origin: http.NewCrossOriginProtection(), jobs: c.Jobs}
	if err := s.origin.AddTrustedOrigin(c.Origin); err != nil {
		return nil, err
	}
	s.origin.SetDenyHandler(http.HandlerFunc(s.foreign))
	return s, nil
}

// Mount adds every page to mux. The chains, outermost first:
//
//	page     headers, cross-origin protection, body and its bounds, error table
//	signing  page, for a step of a sign-in: what is refused is counted by address, what succeeds and looking never
//	beginning page, for what an address may begin so often
//	inviting page, for a step of a one-time link: wrong links and codes are counted, what is right is never refused
//	account  page, for a live session only; else a sign-in begins
//	admin    account, for a role that may do the act; a change needs a fresh second factor
//	uploading  admin, for a form that carries a file
func (s *Server) Mount(mux *http.ServeMux) {
	mux.Handle("GET /{$}", s.page(s.home))
	mux.Handle("GET /static/", static.Handler())
	mux.Handle("POST /theme", s.page(s.theme))
	mux.Handle("POST /language", s.page(s.chooseLanguage))
	mux.Handle("GET /look/{name}", s.page(s.accentSheet))
	mux.Handle("GET /pictures/{name}", s.page(s.picture))
	mux.Handle("GET /signed-out", s.page(s.signedOut))

	mux.Handle("GET /app", s.page(s.appHere))
	mux.Handle("GET /app/{$}", s.page(s.app))
	mux.Handle("GET /app/scan", s.page(s.appScan))
	mux.Handle("GET /app/sw.js", s.page(s.appWorker))
	mux.Handle("GET /app/manifest.webmanifest", s.page(s.appManifest))

	mux.Handle("GET /login/{id}", s.page(s.loginPage))
	mux.Handle("POST /login/{id}/password", s.signing(s.passwordSubmit))
	mux.Handle("POST /login/{id}/code", s.signing(s.codeSubmit))
	mux.Handle("GET /login/{id}/events", s.page(s.loginEvents))
	mux.Handle("GET /login/{id}/state", s.page(s.loginState))
	mux.Handle("GET /login/{id}/waiting", s.page(s.loginWaiting))
	mux.Handle("POST /login/{id}/phone", s.signing(s.phoneSubmit))
	mux.Handle("POST /login/{id}/resend", s.signing(s.resendSubmit))
	mux.Handle("POST /login/{id}/recovery", s.signing(s.recoverySubmit))
	mux.Handle("POST /login/{id}/consent", s.signing(s.consentSubmit))
	mux.Handle("POST /login/{id}/startover", s.beginning(s.startOver))
	mux.Handle("POST /login/{id}/cancel", s.signing(s.cancel))
	mux.Handle("POST /login/{id}/collect", s.signing(s.collect))
	mux.Handle("GET /login/{id}/forgot", s.page(s.forgotPage))
	mux.Handle("POST /login/{id}/forgot", s.beginning(s.forgotSubmit))
	mux.Handle("GET /login/{id}/forgotten", s.page(s.forgottenPage))
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
	mux.Handle("POST /account/confirm", s.account(s.confirm))
	mux.Handle("GET /account/recovery", s.account(s.recovery))
	mux.Handle("POST /account/recovery", s.account(s.recoveryMake))
	mux.Handle("GET /account/devices", s.account(s.devices))
	mux.Handle("GET /account/link", s.account(s.linkIntro))
	mux.Handle("POST /account/link", s.account(s.linkBegin))
	mux.Handle("GET /account/link/{pairing}", s.account(s.linkPage))
	mux.Handle("POST /account/link/{pairing}", s.account(s.linkSubmit))
	mux.Handle("GET /account/link/{pairing}/events", s.account(s.linkEvents))
	mux.Handle("GET /account/link/{pairing}/state", s.account(s.linkState))
	mux.Handle("POST /account/devices/{id}/test", s.account(s.deviceTest))
	mux.Handle("POST /account/devices/{id}/name", s.account(s.deviceName))
	mux.Handle("GET /account/devices/{id}/unlink", s.account(s.unlinkPage))
	mux.Handle("POST /account/devices/{id}/unlink", s.account(s.unlink))
	mux.Handle("GET /account/sessions", s.account(s.sessions))
	mux.Handle("POST /account/sessions/others", s.account(s.endOthers))
	mux.Handle("POST /account/sessions/{id}/end", s.account(s.endSession))
	mux.Handle("POST /account/signout", s.page(s.signOut))

	// The administration. A change has the act that it is on both its pages:
	// the question is not asked of somebody who may not answer it.
	mux.Handle("GET /admin", s.admin(admin.ReadDevices, s.adminHome))
	mux.Handle("GET /admin/", s.page(s.nothing))
	mux.Handle("GET /admin/devices", s.admin(admin.ReadDevices, s.adminDevices))
	mux.Handle("GET /admin/devices.csv", s.admin(admin.ReadDevices, s.adminDevicesCSV))
	mux.Handle("GET /admin/devices/{id}", s.admin(admin.ReadDevices, s.adminDevice))
	mux.Handle("GET /admin/devices/unlink", s.admin(admin.UnlinkDevice, s.adminUnlinkAsk))
	mux.Handle("POST /admin/devices/unlink", s.admin(admin.UnlinkDevice, s.adminUnlink))
	mux.Handle("GET /admin/devices/unlink/found", s.admin(admin.UnlinkDevice, s.adminUnlinkFoundAsk))
	mux.Handle("POST /admin/devices/unlink/found", s.admin(admin.UnlinkDevice, s.adminUnlinkFound))

	mux.Handle("GET /admin/users", s.admin(admin.ReadUsers, s.adminUsers))
	mux.Handle("GET /admin/users.csv", s.admin(admin.ReadUsers, s.adminUsersCSV))
	mux.Handle("GET /admin/users/new", s.admin(admin.AddUsers, s.adminNewUser))
	mux.Handle("POST /admin/users/new", s.admin(admin.AddUsers, s.adminAddUser))
	mux.Handle("GET /admin/users/import", s.admin(admin.AddUsers, s.adminImport))
	mux.Handle("POST /admin/users/import", s.uploading(admin.AddUsers, s.adminImportSubmit))
	mux.Handle("GET /admin/imports/{id}", s.admin(admin.ReadUsers, s.adminImporting))
	mux.Handle("GET /admin/imports/{id}/state", s.admin(admin.ReadUsers, s.jobState(jobImport)))
	mux.Handle("GET /admin/imports/{id}/events", s.admin(admin.ReadUsers, s.jobEvents(jobImport)))
	mux.Handle("POST /admin/imports/{id}/add", s.admin(admin.AddUsers, s.adminImportAdd))
	mux.Handle("POST /admin/imports/{id}/stop", s.admin(admin.AddUsers, s.adminImportStop))
	mux.Handle("GET /admin/users/{id}", s.admin(admin.ReadUsers, s.adminUser))
	mux.Handle("GET /admin/users/{id}/edit", s.admin(admin.EditUsers, s.adminEditUser))
	mux.Handle("POST /admin/users/{id}/edit", s.admin(admin.EditUsers, s.adminEditUserSubmit))
	mux.Handle("GET /admin/users/{id}/reopen", s.admin(admin.Reopen, s.askFor(reopenAct)))
	mux.Handle("POST /admin/users/{id}/reopen", s.admin(admin.Reopen, s.doFor(reopenAct)))
	mux.Handle("GET /admin/users/{id}/reset", s.admin(admin.ResetPassword, s.askFor(resetAct)))
	mux.Handle("POST /admin/users/{id}/reset", s.admin(admin.ResetPassword, s.doFor(resetAct)))
	mux.Handle("GET /admin/users/{id}/invite", s.admin(admin.Invite, s.askFor(inviteAct)))
	mux.Handle("POST /admin/users/{id}/invite", s.admin(admin.Invite, s.doFor(inviteAct)))
	mux.Handle("GET /admin/users/{id}/unlock", s.admin(admin.Unlock, s.askFor(unlockAct)))
	mux.Handle("POST /admin/users/{id}/unlock", s.admin(admin.Unlock, s.doFor(unlockAct)))
	mux.Handle("GET /admin/users/{id}/block", s.admin(admin.BlockUsers, s.askFor(blockAct)))
	mux.Handle("POST /admin/users/{id}/block", s.admin(admin.BlockUsers, s.doFor(blockAct)))
	mux.Handle("GET /admin/users/{id}/unblock", s.admin(admin.BlockUsers, s.askFor(unblockAct)))
	mux.Handle("POST /admin/users/{id}/unblock", s.admin(admin.BlockUsers, s.doFor(unblockAct)))
	mux.Handle("GET /admin/users/{id}/end", s.admin(admin.EndSessions, s.askFor(endAct)))
	mux.Handle("POST /admin/users/{id}/end", s.admin(admin.EndSessions, s.doFor(endAct)))
	mux.Handle("POST /admin/users/{id}/sessions/{session}/end", s.admin(admin.EndSessions, s.adminEndSession))

	mux.Handle("GET /admin/sessions", s.admin(admin.ReadSessions, s.adminSessions))

	mux.Handle("GET /admin/applications", s.admin(admin.ReadClients, s.adminApps))
	mux.Handle("GET /admin/applications/new", s.admin(admin.EditClients, s.adminNewApp))
	mux.Handle("POST /admin/applications/new", s.admin(admin.EditClients, s.adminAddApp))
	mux.Handle("GET /admin/applications/{client}", s.admin(admin.ReadClients, s.adminApp))
	mux.Handle("GET /admin/applications/{client}/edit", s.admin(admin.EditClients, s.adminEditApp))
	mux.Handle("POST /admin/applications/{client}/edit", s.admin(admin.EditClients, s.adminEditAppSubmit))
	mux.Handle("GET /admin/applications/{client}/icon", s.admin(admin.EditClients, s.adminIcon))
	mux.Handle("POST /admin/applications/icon", s.uploading(admin.EditClients, s.adminIconSubmit))
	mux.Handle("GET /admin/applications/{client}/secret", s.admin(admin.EditClients, s.askApp(secretAct)))
	mux.Handle("POST /admin/applications/{client}/secret", s.admin(admin.EditClients, s.adminNewSecret))
	mux.Handle("GET /admin/applications/{client}/disable", s.admin(admin.EditClients, s.askApp(disableAct)))
	mux.Handle("POST /admin/applications/{client}/disable", s.admin(admin.EditClients, s.switchApp(true, "disabled")))
	mux.Handle("GET /admin/applications/{client}/enable", s.admin(admin.EditClients, s.askApp(enableAct)))
	mux.Handle("POST /admin/applications/{client}/enable", s.admin(admin.EditClients, s.switchApp(false, "enabled")))
	mux.Handle("GET /admin/applications/{client}/remove", s.admin(admin.EditClients, s.askApp(removeAct)))
	mux.Handle("POST /admin/applications/{client}/remove", s.admin(admin.EditClients, s.adminRemoveApp))

	mux.Handle("GET /admin/applications/{client}/told", s.admin(admin.ReadClients, s.adminTold))
	mux.Handle("GET /admin/applications/{client}/told/edit", s.admin(admin.EditClients, s.adminTell))
	mux.Handle("POST /admin/applications/{client}/told/edit", s.admin(admin.EditClients, s.adminTellSubmit))

	// Test sign-ins. The callback is answered like any relying party's: by GET,
	// with a state that is good once, in the session that made it.
	mux.Handle("GET /admin/applications/{client}/try", s.admin(admin.EditClients, s.adminTry))
	mux.Handle("POST /admin/applications/{client}/try", s.admin(admin.EditClients, s.adminTryBegin))
	mux.Handle("GET /admin/try/callback", s.admin(admin.ReadClients, s.adminTryCallback))
	mux.Handle("GET /admin/try/{id}", s.admin(admin.ReadClients, s.adminTried))

	mux.Handle("GET /admin/start", s.admin(admin.ReadClients, s.adminStart))
	mux.Handle("POST /admin/start", s.admin(admin.EditClients, s.adminStartSubmit))

	mux.Handle("GET /admin/audit", s.admin(admin.ReadAudit, s.adminAudit))
	mux.Handle("GET /admin/audit.json", s.admin(admin.ReadAudit, s.adminAuditFile(admin.ExportJSON, "application/x-ndjson", "audit.jsonl")))
	mux.Handle("GET /admin/audit.csv", s.admin(admin.ReadAudit, s.adminAuditFile(admin.ExportCSV, "text/csv; charset=utf-8", "audit.csv")))
	mux.Handle("GET /admin/audit/check", s.admin(admin.ReadAudit, s.adminChecked))
	mux.Handle("POST /admin/audit/check", s.admin(admin.ReadAudit, s.adminCheck))
	mux.Handle("GET /admin/checks/{id}", s.admin(admin.ReadAudit, s.adminChecking))
	mux.Handle("GET /admin/checks/{id}/state", s.admin(admin.ReadAudit, s.jobState(jobCheck)))
	mux.Handle("GET /admin/checks/{id}/events", s.admin(admin.ReadAudit, s.jobEvents(jobCheck)))

	mux.Handle("GET /admin/health", s.admin(admin.ReadHealth, s.adminHealth))

	mux.Handle("GET /admin/settings", s.admin(admin.ReadSettings, s.adminSettings))
	mux.Handle("GET /admin/settings/edit", s.admin(admin.EditSettings, s.adminEditSettings))
	mux.Handle("POST /admin/settings/edit", s.admin(admin.EditSettings, s.adminEditSettingsSubmit))
	mux.Handle("GET /admin/settings/logo", s.admin(admin.EditSettings, s.adminLogo))
	mux.Handle("POST /admin/settings/logo", s.uploading(admin.EditSettings, s.adminLogoSubmit))
}
