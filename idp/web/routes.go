package web

import (
	"hilum/idp"
	"hilum/idp/web/page"
)

// Paths that pages lead to.
const (
	securityPath  = "/account/security"
	passwordPath  = "/account/password"
	recoveryPath  = "/account/recovery"
	devicesPath   = "/account/devices"
	linkPath      = "/account/link"
	sessionsPath  = "/account/sessions"
	activityPath  = "/account/activity"
	profilePath   = "/account/profile"
	signedOutPath = "/signed-out"
	codesFilePath = "/recovery-codes.txt"
)

// linkingPath is where a device is linked by an offer.
func linkingPath(id idp.PairingID) string { return linkPath + "/" + string(id) }

func (s *signIns) routes() []page.Route {
	d := s.door
	return []page.Route{
		{Pattern: "GET /login/{id}", Who: d.Anyone(s.loginPage), Name: "login"},
		{Pattern: "POST /login/{id}/password", Who: d.Signing(s.passwordSubmit)},
		{Pattern: "POST /login/{id}/code", Who: d.Signing(s.codeSubmit)},
		{Pattern: "GET /login/{id}/events", Who: d.Anyone(s.loginEvents), Quiet: true, Stream: true},
		{Pattern: "GET /login/{id}/state", Who: d.Anyone(s.loginState), Quiet: true},
		{Pattern: "GET /login/{id}/waiting", Who: d.Anyone(s.loginWaiting), Quiet: true},
		{Pattern: "GET /login/{id}/here", Who: d.Anyone(s.loginHere), Quiet: true},
		{Pattern: "POST /login/{id}/phone", Who: d.Signing(s.phoneSubmit)},
		{Pattern: "POST /login/{id}/resend", Who: d.Signing(s.resendSubmit)},
		{Pattern: "POST /login/{id}/recovery", Who: d.Signing(s.recoverySubmit)},
		{Pattern: "POST /login/{id}/consent", Who: d.Signing(s.consentSubmit)},
		{Pattern: "POST /login/{id}/startover", Who: d.Beginning(s.startOver)},
		{Pattern: "POST /login/{id}/anew", Who: d.Beginning(s.anew)},
		{Pattern: "POST /login/{id}/cancel", Who: d.Signing(s.cancel)},
		{Pattern: "POST /login/{id}/collect", Who: d.Signing(s.collect)},
		{Pattern: "GET /login/{id}/forgot", Who: d.Anyone(s.forgotPage), Name: "forgot"},
		{Pattern: "POST /login/{id}/forgot", Who: d.Beginning(s.forgotSubmit)},
		{Pattern: "GET /login/{id}/forgotten", Who: d.Anyone(s.forgottenPage), Name: "forgotten"},
		{Pattern: "POST /login/{id}/name", Who: d.Inviting(s.nameSubmit)},
		{Pattern: "POST /login/{id}/enrol", Who: d.Inviting(s.enrolSubmit)},
		// A form that was answered in place leaves its path in the address bar:
		// reloading or sharing it leads to the sign-in itself.
		{Pattern: "GET /login/{id}/{step}", Who: d.Anyone(s.loginAgain)},

		{Pattern: "GET " + connectPath, Who: d.Anyone(s.connectPage), Name: "connect"},
		{Pattern: "POST " + connectPath, Who: d.Beginning(s.connectSubmit)},
		{Pattern: "GET " + connectPath + "/{outcome}", Who: d.Anyone(s.connected)},

		{Pattern: "GET /invite/{token}", Who: d.Inviting(s.invitePage)},
		{Pattern: "POST /invite/{token}", Who: d.Inviting(s.inviteBegin)},
		{Pattern: "GET /setup/{token}", Who: d.Inviting(s.invitePage)},
		{Pattern: "POST /setup/{token}", Who: d.Inviting(s.inviteBegin)},
	}
}

// An offer to link a device belongs to the session that made it. Who has to sign in before
// a request about one is answered has another session then, and is led back to the list
// of devices.
func (a *account) routes() []page.Route {
	d := a.door
	return []page.Route{
		{Pattern: "GET " + signedOutPath, Who: d.Anyone(a.signedOut), Name: "signed-out"},
		{Pattern: "GET /account", Who: d.Account(a.accountHome), Back: "security"},
		{Pattern: "GET " + securityPath, Who: d.Account(a.security), Name: "security"},
		{Pattern: "GET " + passwordPath, Who: d.Account(a.passwordChange), Name: "password"},
		{Pattern: "POST " + passwordPath, Who: d.Account(a.passwordChangeSubmit), Back: "password"},
		{Pattern: "POST /account/stay", Who: d.Account(a.stay), Back: "security"},
		{Pattern: "POST /account/confirm", Who: d.Account(a.confirm), Back: "security"},
		{Pattern: "GET " + recoveryPath, Who: d.Account(a.recovery), Name: "recovery"},
		{Pattern: "POST " + recoveryPath, Who: d.Account(a.recoveryMake), Back: "recovery"},
		{Pattern: "POST " + codesFilePath, Who: d.Anyone(a.codesFile)},
		{Pattern: "GET " + devicesPath, Who: d.Account(a.devices), Name: "devices"},
		{Pattern: "GET " + linkPath, Who: d.Account(a.linkIntro), Name: "link"},
		{Pattern: "POST " + linkPath, Who: d.Account(a.linkBegin), Back: "link"},
		{Pattern: "GET " + linkPath + "/{pairing}", Who: d.Account(a.linkPage), Name: "link", Back: "devices"},
		{Pattern: "POST " + linkPath + "/{pairing}", Who: d.Account(a.linkSubmit), Back: "devices"},
		{Pattern: "GET " + linkPath + "/{pairing}/events", Who: d.Account(a.linkEvents), Back: "devices", Quiet: true, Stream: true},
		{Pattern: "GET " + linkPath + "/{pairing}/state", Who: d.Account(a.linkState), Back: "devices", Quiet: true},
		{Pattern: "POST " + devicesPath + "/{id}/test", Who: d.Account(a.deviceTest), Back: "devices"},
		{Pattern: "POST " + devicesPath + "/{id}/name", Who: d.Account(a.deviceName), Back: "devices"},
		{Pattern: "GET " + devicesPath + "/{id}/unlink", Who: d.Account(a.unlinkPage), Name: "unlink", Back: "devices"},
		{Pattern: "POST " + devicesPath + "/{id}/unlink", Who: d.Account(a.unlink), Back: "devices"},
		{Pattern: "GET " + sessionsPath, Who: d.Account(a.sessions), Name: "sessions"},
		{Pattern: "POST " + sessionsPath + "/others", Who: d.Account(a.endOthers), Back: "sessions"},
		{Pattern: "POST " + sessionsPath + "/{id}/end", Who: d.Account(a.endSession), Back: "sessions"},
		{Pattern: "POST " + sessionsPath + "/browsers/{browser}/forget", Who: d.Account(a.forget), Back: "sessions"},
		{Pattern: "GET " + activityPath, Who: d.Account(a.activity), Name: "activity"},
		{Pattern: "GET " + activityPath + "/{event}/notme", Who: d.Account(a.doubtPage), Name: "notme", Back: "activity"},
		{Pattern: "POST " + activityPath + "/{event}/notme", Who: d.Account(a.doubtSubmit), Back: "activity"},
		{Pattern: "GET " + profilePath, Who: d.Account(a.profile), Name: "profile"},
		{Pattern: "POST " + profilePath, Who: d.Account(a.profileSubmit), Back: "profile"},
		{Pattern: "POST /account/signout", Who: d.Anyone(a.signOut)},
	}
}

func (a *app) routes() []page.Route {
	d := a.door
	return []page.Route{
		{Pattern: "GET /app", Who: d.Anyone(a.appHere)},
		{Pattern: "GET /app/{$}", Who: d.Anyone(a.app)},
		{Pattern: "GET /app/scan", Who: d.Anyone(a.appScan)},
		{Pattern: "GET /app/sw.js", Who: d.Anyone(a.appWorker), Quiet: true},
		{Pattern: "GET /app/manifest.webmanifest", Who: d.Anyone(a.appManifest)},
		{Pattern: "GET " + openPath + "{id}", Who: d.Anyone(a.appOpen)},
		{Pattern: "GET /.well-known/assetlinks.json", Who: d.Anyone(a.assetLinks)},
		{Pattern: "GET /.well-known/apple-app-site-association", Who: d.Anyone(a.siteAssociation)},
	}
}
