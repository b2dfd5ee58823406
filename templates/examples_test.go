package templates

import (
	"html/template"
	"strings"
	"time"
)

// example is a page in one of its states, as people meet it.
type example struct {
	name string
	page Page
}

const (
	exampleID    = "EXAMPLEEXAMPLEEXAMPLEEXAM2"
	exampleAgent = "Firefox"
)

// helped gives a frame a long help line.
func helped(f Frame, link template.URL) Frame {
	f.Help = Help{Text: "Helpdesk of the Department of Interventional Radiology <b>, extension 4711, day and night", Link: link}
	return f
}

// examples lists every page in every state. Names are long, foreign or hostile
// where a page has to bear it.
func examples() []example {
	at := time.Date(2026, 3, 14, 7, 5, 0, 0, time.UTC)
	door := func(dot int) Frame {
		return Frame{Site: "Imaging, Saint Luke Hospital", Here: "login:" + exampleID, Dot: dot}
	}
	account := func(tab string) Frame {
		return Frame{Site: "Imaging, Saint Luke Hospital", Here: tab, Tab: tab, User: "Dr. Anna Maes"}
	}
	const viewer = "Radiology Viewer"
	long := strings.Repeat("Donaudampfschifffahrtsgesellschaft", 2)
	qr := QR{Size: 33, Path: strings.Repeat("M4 4h7v1h-7zM12 5h3v1h-3zM20 8h9v1h-9zM5 14h2v1h-2zM9 22h14v1h-14z", 1)}
	offer := Offer{QR: qr, Plain: qr, Short: "K7QW-2M4N", URI: "otpauth://totp/Imaging:anna?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Imaging",
		Here:   "/app/#link=otpauth%3A%2F%2Ftotp%2FImaging%3Aanna",
		Secret: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP", ExpiresAt: at, Seconds: 581}
	offer.Account = "anna"
	iphone := offer
	iphone.IPhone, iphone.Account = true, "maximiliane.von-und-zu-hohenfels@klinik.example"
	app := GetApp{Address: "https://login.example.net/app", QR: qr}
	phone := Device{ID: exampleID, Name: "Pixel 8", Kind: "code", LinkedAt: at.AddDate(-1, 0, 0), UsedAt: at}
	tablet := Device{ID: "EXAMPLEEXAMPLEEXAMPLEEXAM3", Name: "iPad of Anna", Kind: "app", LinkedAt: at}
	var five []Device
	for range 5 {
		five = append(five, phone)
	}
	five[2].Name = long[:40]
	renamed := phone
	renamed.Problem, renamed.Typed = Say("text.long"), long
	codes := []string{}
	for range 10 {
		codes = append(codes, "K7QW-2M4N-XR5T-9BCD")
	}
	factor := func(p Phones) Factor {
		p.App = "/app/#here=" + exampleID
		return Factor{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Linked: true, Recovery: true, Cancel: true, Phones: &p, OpenCode: p.State != "asked"}
	}
	pushes := func(state string) Device {
		d := tablet
		d.ID, d.Platform, d.Push, d.PushBad, d.Test = exampleID[:25]+state[:1], "android", state, at, state != "off"
		return d
	}
	here := Session{ID: exampleID, This: true, Browser: Say("sessions.browser", "Browser", exampleAgent, "System", "Windows"), Where: Where{"10.20.30.40", "Ward 3", ""},
		Apps: []string{viewer, "Report Archive"}, Since: at, LastAt: at}
	there := Session{ID: exampleID, Browser: Say("sessions.browser.only", "Browser", "Weasis"), Where: Where{"2001:db8::17", "", "Ghent, Belgium"}, Since: at, LastAt: at}
	unknown := there
	unknown.Browser = Say("sessions.browser.unknown")

	return append(append(deskExamples(at), settingsExamples()...), []example{
		{"factor-tap", factor(Phones{State: "asked", Names: []string{"Pixel 8", "iPad of Anna"}, Mode: "tap", Seconds: 97, Total: 120, Resend: true, ResendIn: 12})},
		{"factor-type", factor(Phones{State: "asked", Names: []string{"Pixel 8"}, Mode: "type", Number: "47", Seconds: 61, Total: 120, Resend: true})},
		{"factor-pick", factor(Phones{State: "asked", Names: []string{long[:40], "Pixel 8"}, Mode: "pick", Number: "83", Seconds: 20, Total: 120})},
		{"factor-strict", factor(Phones{State: "asked", Names: []string{"Pixel 8"}, Mode: "strict", Number: "470183", Seconds: 61, Total: 120, Resend: true})},
		{"factor-approved", factor(Phones{State: "approved", Names: []string{"Pixel 8"}})},
		{"factor-unanswered", factor(Phones{State: "expired", Names: []string{"Pixel 8"}, Resend: true})},
		{"factor-unanswered-paused", factor(Phones{State: "expired", Names: []string{"Pixel 8"}, Wait: Say("phone.paused.minutes", "N", 12), WaitSeconds: 700})},
		{"factor-lapsed", factor(Phones{State: "lapsed", Names: []string{"Pixel 8"}, Resend: true})},
		{"factor-moved", factor(Phones{State: "moved", Names: []string{"Pixel 8"}, Resend: true})},
		{"factor-number", factor(Phones{State: "wrong", Names: []string{"Pixel 8"}, Resend: true, ResendIn: 4})},
		{"factor-paused", factor(Phones{State: "paused", Names: []string{"Pixel 8"}, Wait: Say("phone.paused.minutes", "N", 7)})},
		{"factor-off", factor(Phones{State: "off", Names: []string{"Pixel 8"}})},
		{"waiting", Waiting{Frame: door(1), ID: exampleID, State: "asked"}},
		{"waiting-approved", Waiting{Frame: door(1), ID: exampleID, State: "approved"}},
		{"waiting-over", Waiting{Frame: door(1), ID: exampleID, State: "expired"}},
		{"denied-phone", Notice{Frame: door(0), Kind: "bad", Title: Say("denied.phone", "Name", "Pixel 8"), Text: Say("denied.text"), Link: "/oidc/collect/" + exampleID, LinkText: Say("denied.back", "App", viewer)}},
		{"link-scanned", Link{Frame: account("devices"), ID: exampleID, Offer: offer, Live: "/account/link/" + exampleID, Word: "claimed", Scan: Scan{Name: "Pixel 8", Silent: true}}},
		{"link-rival", Link{Frame: account("devices"), ID: exampleID, Offer: offer, Live: "/account/link/" + exampleID, Word: "claimed-rival", Scan: Scan{Name: "Pixel 8", Rival: true}, ServerTime: at}},
		{"enrol-tapped", Enrol{Frame: door(1), ID: exampleID, UserName: "anna", Chosen: true, Offer: offer, App: app, Live: "/login/" + exampleID, Word: "enrol-tapped", Scan: Scan{Name: "Pixel 8", Tapped: true}}},
		{"devices-push", Devices{Frame: account("devices"), Max: 5, Devices: []Device{pushes("working"), pushes("failing"), pushes("off"), pushes("untried")}}},
		{"password", Password{Frame: door(0), ID: exampleID, App: viewer, Cancel: true}},
		{"password-mail", Password{Frame: door(0), ID: exampleID, App: viewer, UserName: "anna", Problem: Say("password.wrong"), Cancel: true, Mail: true}},
		{"forgot", Forgot{Frame: door(0), ID: exampleID, App: viewer, UserName: "anna"}},
		{"forgot-long", Forgot{Frame: door(0), ID: exampleID, App: long, UserName: long, Problem: Say("text.long")}},
		{"forgotsent", ForgotSent{Frame: door(0), ID: exampleID, App: viewer}},
		{"invite-forgotten", Invite{Frame: door(0), Path: "/invite/x", Purpose: "forgotten", UserName: "anna", ExpiresAt: at}},
		{"choose-forgotten", Choose{Frame: door(1), ID: exampleID, UserName: "anna", Forgotten: true}},
		{"factor-forgotten", Factor{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Linked: true, Recovery: true, NewPassword: true}},
		{"done-forgotten", Done{Frame: door(2), ID: exampleID, NewPassword: true}},
		{"password-icon", Password{Frame: door(0), ID: exampleID, App: viewer, Tile: Tile{Icon: "/pictures/0123456789abcdef0123456789abcdef.png", Letter: "R"}, Cancel: true}},
		{"password-party", Password{Frame: door(0), ID: exampleID, App: viewer, Tile: Tile{Letter: "R"}, Cancel: true, Links: exampleLinks}},
		{"password-letter", Password{Frame: door(0), ID: exampleID, App: viewer, Tile: Tile{Letter: "R"}, Cancel: true}},
		{"password-looks", Password{Frame: looks(door(0)), ID: exampleID, App: viewer, Tile: Tile{Letter: "R"}, Cancel: true}},
		{"password-named", Password{Frame: named(looks(door(0))), ID: exampleID, App: viewer, Cancel: true}},
		{"security-looks", Security{Frame: looks(account("security")), Devices: 2, Max: 5, Recovery: 9}},
		{"consent-party", Consent{Frame: door(1), ID: exampleID, App: viewer, Host: "viewer.example.org", UserName: "anna", Hours: 12, Links: exampleLinks, Scopes: []Message{Say("scope.openid")}}},
		{"consent-emergency", Consent{Frame: door(1), ID: exampleID, App: viewer, Host: "viewer.example.org", UserName: "anna", Hours: 12, Emergency: true, Scopes: []Message{Say("purpose.emergency")}}},
		{"consent-letter", Consent{Frame: door(1), ID: exampleID, App: viewer, Tile: Tile{Letter: "R"}, Host: "viewer.example.org", UserName: "anna", Hours: 12, Scopes: []Message{Say("scope.openid")}}},
		{"app-looks", App{Site: "Imaging", Look: looks(door(0)).Look}},
		{"password-help", Password{Frame: helped(door(0), "tel:+3293324711"), ID: exampleID, App: viewer, Cancel: true, Mail: true}},
		{"factor-none-help", Factor{Frame: helped(door(1), ""), ID: exampleID, App: viewer, UserName: "anna", Cancel: true}},
		{"notice-help", Notice{Frame: helped(door(0), "https://intranet.example.org/help"), Kind: "bad", Title: Say("error.gone"), Text: Say("error.gone.text"), Reference: "K3D7TQ2Z"}},
		{"password-own", Password{Frame: door(0), ID: exampleID, App: "Imaging, Saint Luke Hospital", UserName: "anna"}},
		{"password-wrong", Password{Frame: door(0), ID: exampleID, App: viewer, UserName: "anna", Problem: Say("password.wrong"), Cancel: true}},
		{"password-toomany", Password{Frame: door(0), ID: exampleID, App: viewer, UserName: "anna", Problem: Say("toomany.seconds", "N", 8), Retry: Retry{Seconds: 8}, Cancel: true}},
		{"password-last", Password{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Fixed: true, Note: Say("first.done"), Cancel: true}},
		{"confirm", Confirm{Frame: account(""), To: "password"}},
		{"first", First{Frame: door(0), ID: exampleID, App: viewer, Phones: Phones{State: "ready", Resend: true}, Cancel: true}},
		{"first-asked", First{Frame: door(0), ID: exampleID, App: viewer, Phones: Phones{State: "asked", Mode: "type", Number: "47", Seconds: 61, Total: 120, Resend: true, ResendIn: 12}}},
		{"first-approved", First{Frame: door(0), ID: exampleID, App: viewer, Phones: Phones{State: "approved"}}},
		{"first-number", First{Frame: door(0), ID: exampleID, App: viewer, Phones: Phones{State: "wrong"}, Problem: Say("problem.code.wrong")}},
		{"first-unanswered", First{Frame: door(0), ID: exampleID, App: viewer, Phones: Phones{State: "expired", Resend: true}, Problem: Say("toomany.seconds", "N", 8), Retry: Retry{Seconds: 8}}},
		{"password-admin", Password{Frame: door(0), ID: exampleID, App: viewer, UserName: "anna", Problem: Say("toomany.admin"), Cancel: true}},
		{"password-busy", Password{Frame: door(0), ID: exampleID, App: viewer, UserName: "anna", Problem: Say("problem.busy"), Cancel: true}},
		{"password-spent", Password{Frame: door(0), ID: exampleID, App: viewer, Note: Say("password.spent"), Cancel: true}},
		{"password-long", Password{Frame: door(0), ID: exampleID, App: long + " <b>&amp;", UserName: long, Cancel: true}},
		{"factor", Factor{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Linked: true, Recovery: true, Cancel: true}},
		{"factor-wrong", Factor{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Linked: true, Recovery: true, Cancel: true, Problem: Say("problem.code.wrong")}},
		{"factor-used", Factor{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Linked: true, Recovery: true, Cancel: true, Problem: Say("problem.code.used")}},
		{"factor-invalid", Factor{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Linked: true, Cancel: true, Problem: Say("problem.code.invalid")}},
		{"factor-toomany", Factor{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Linked: true, Recovery: true, Cancel: true, Problem: Say("toomany.minutes", "N", 30), Aside: Say("toomany.aside"), Retry: Retry{Seconds: 1800}}},
		{"factor-recovery", Factor{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Linked: true, Recovery: true, OpenRecovery: true, Cancel: true, Problem: Say("problem.recovery.wrong")}},
		{"factor-none", Factor{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Cancel: true}},
		{"factor-none-recovery", Factor{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Recovery: true, OpenRecovery: true, Cancel: true}},
		{"factor-stepup", Factor{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Linked: true, Recovery: true, StepUp: true}},
		{"factor-long", Factor{Frame: door(1), ID: exampleID, App: long, UserName: long + long, Linked: true, Recovery: true, Cancel: true}},
		{"consent", Consent{Frame: door(1), ID: exampleID, App: viewer, Host: "viewer.example.org", UserName: "anna", Hours: 12,
			Scopes: []Message{Say("scope.openid"), Say("scope.profile"), Say("scope.email"), Say("scope.offline"), Say("scope.other", "Scope", "dicom:read")}}},
		{"connect", Connect{Frame: door(0)}},
		{"connect-filled", Connect{Frame: door(0), Code: "BCDF-GHJK", Filled: true}},
		{"connect-wrong", Connect{Frame: door(0), Code: "<b>BCDF", Problem: Say("connect.wrong")}},
		{"connect-toomany", Connect{Frame: door(0), Code: "BCDF-GHJK", Problem: Say("toomany.seconds", "N", 8), Retry: Retry{Seconds: 8}}},
		{"connectask", ConnectAsk{Frame: door(1), ID: exampleID, App: viewer, UserName: "anna", Hours: 12, Where: Where{Address: "203.0.113.7", Network: "Radiology"}, At: at, Scopes: []Message{Say("scope.openid"), Say("scope.offline")}}},
		{"connectask-long", ConnectAsk{Frame: door(1), ID: exampleID, App: long, Tile: Tile{Letter: "R"}, UserName: long, Hours: 1, Where: Where{Address: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Place: "Ghent, Belgium"}, At: at, Scopes: []Message{Say("scope.other", "Scope", "dicom:read")}}},
		{"notice-error", Notice{Frame: door(0), Kind: "bad", Title: Say("trouble"), Text: Say("trouble.text"), Reference: "K3D7TQ2Z", Link: "/account", LinkText: Say("error.back")}},
		{"notice-gone", Notice{Frame: door(0), Kind: "bad", Title: Say("error.gone"), Text: Say("error.gone.text"), Reference: "K3D7TQ2Z", Link: "/account", LinkText: Say("error.back")}},
		{"notice-expired", Notice{Frame: door(0), Kind: "plain", Title: Say("expired.title"), Text: Say("expired.text", "App", viewer)}},
		{"notice-denied", Notice{Frame: door(0), Kind: "plain", Title: Say("denied.title"), Text: Say("denied.text"), Link: "/account", LinkText: Say("error.back")}},
		{"notice-finished", Notice{Frame: door(2), Kind: "good", Title: Say("finished.title"), Text: Say("finished.client", "App", viewer)}},
		{"notice-signedout-apps", Notice{Frame: door(0), Kind: "good", Title: Say("signedout.title"), Text: Say("signedout.text"), Told: []string{viewer, "Archive"}, Left: []string{"Weasis <b>"}, Link: "/account", LinkText: Say("signedout.login")}},
		{"notice-signedout", Notice{Frame: door(0), Kind: "good", Title: Say("signedout.title"), Text: Say("signedout.app", "App", viewer), Link: "/account", LinkText: Say("signedout.login")}},
		{"held", Held{Frame: Frame{Site: "Imaging", Dot: 2}, Action: "/admin/users/new", Fields: []Field{{"username", "bert"}, {"name", "\"><script>"}}}},
		{"formpost", FormPost{Frame: Frame{Site: "Imaging", Dot: 2}, Action: "https://viewer.example.org/callback", Fields: []Field{{"code", "x"}, {"state", "\"><script>"}}}},
		{"signout", SignOut{Frame: door(0), Action: "/end_session", App: viewer, Fields: []Field{{"state", "x"}}}},
		{"signout-unknown", SignOut{Frame: door(0), Action: "/end_session"}},
		{"done", Done{Frame: door(2), ID: exampleID}},
		{"invite-enrol", Invite{Frame: door(0), Path: "/invite/x", Purpose: "enrol", UserName: "anna", App: app, ExpiresAt: at}},
		{"invite-setup", Invite{Frame: door(0), Path: "/setup/x", Purpose: "setup", App: app, ExpiresAt: at}},
		{"invite-reset", Invite{Frame: door(0), Path: "/invite/x", Purpose: "reset", UserName: "anna", ExpiresAt: at}},
		{"name", Name{Frame: door(0), ID: exampleID}},
		{"name-wrong", Name{Frame: door(0), ID: exampleID, UserName: "Ännä", Name: "Anna", Problem: Say("user.name.letters"), Wrong: "username"}},
		{"name-missing", Name{Frame: door(0), ID: exampleID, UserName: "anna", Problem: Say("text.missing"), Wrong: "name"}},
		{"enrol", Enrol{Frame: door(1), ID: exampleID, UserName: "anna", Chosen: true, Offer: offer, App: app}},
		{"enrol-code", Enrol{Frame: door(1), ID: exampleID, UserName: "anna", Chosen: true, Offer: offer, App: app, DeviceName: "Pixel 8", Problem: Say("problem.code.wrong"), Wrong: "code"}},
		{"choose", Choose{Frame: door(1), ID: exampleID, UserName: "anna", Linking: true}},
		{"choose-wrong", Choose{Frame: door(1), ID: exampleID, UserName: long, Linking: true, Problem: Say("password.common"), Wrong: true}},
		{"enrol-name", Enrol{Frame: door(1), ID: exampleID, UserName: "anna", Chosen: true, Offer: offer, App: app, DeviceName: "", Code: "123456", Problem: Say("text.missing"), Wrong: "device_name"}},
		{"choose-reset", Choose{Frame: door(1), ID: exampleID, UserName: "anna"}},
		{"enrol-iphone", Enrol{Frame: door(1), ID: exampleID, UserName: "anna", Chosen: true, Offer: iphone, App: app}},
		{"codes", Codes{Frame: door(2), UserName: "anna", Codes: codes, Text: strings.Join(codes, "\n"), Next: "/login/" + exampleID + "/collect", Post: true}},
		{"security", Security{Frame: account("security"), Devices: 2, Max: 5, Recovery: 9}},
		{"security-apps", Security{Frame: account("security"), Devices: 1, Max: 5, Recovery: 9, Apps: []OpenApp{{Name: `<b>OHIF`, At: "https://viewer.example/login?a=b&iss=https%3A%2F%2Flogin.example"}}}},
		{"security-low", Security{Frame: account("security"), Devices: 1, Max: 5, Recovery: 1, Note: Say("change.done")}},
		{"devices", Devices{Frame: account("devices"), Devices: []Device{phone, tablet}, Max: 5, Note: Say("devices.linked.done")}},
		{"devices-one", Devices{Frame: account("devices"), Devices: []Device{phone}, Max: 5}},
		{"devices-none", Devices{Frame: account("devices"), Max: 5}},
		{"devices-full", Devices{Frame: account("devices"), Devices: five, Max: 5}},
		{"devices-rename", Devices{Frame: account("devices"), Devices: []Device{tablet, renamed}, Max: 5}},
		{"linkintro", LinkIntro{Frame: account("devices"), Count: 1, Max: 5, App: app}},
		{"app", App{Site: "Imaging", Modules: []string{"/static/0123456789abcdef/app/live.js"}}},
		{"appscan", AppScan{Site: "Imaging"}},
		{"linkintro-full", LinkIntro{Frame: account("devices"), Count: 5, Max: 5}},
		{"link", Link{Frame: account("devices"), ID: exampleID, Offer: offer, App: app}},
		{"link-move", Link{Frame: account("devices"), ID: exampleID, Offer: offer, App: app, Move: true}},
		{"link-move-scanned", Link{Frame: account("devices"), ID: exampleID, Offer: offer, Move: true, Live: "/account/link/" + exampleID, Word: "claimed", Scan: Scan{Name: "Pixel 9"}}},
		{"link-wrong", Link{Frame: account("devices"), ID: exampleID, Offer: offer, DeviceName: "Pixel 8", Problem: Say("problem.code.wrong"), Wrong: "code"}},
		{"unlink", Unlink{Frame: account("devices"), Device: phone}},
		{"unlink-last", Unlink{Frame: account("devices"), Device: phone, Last: true}},
		{"changepassword", ChangePassword{Frame: account("security")}},
		{"changepassword-wrong", ChangePassword{Frame: account("security"), Problem: Say("change.old.wrong"), Wrong: "old_password"}},
		{"changepassword-short", ChangePassword{Frame: account("security"), Problem: Say("password.short"), Wrong: "new_password"}},
		{"recoveryintro", RecoveryIntro{Frame: account("security"), Left: 3}},
		{"recoveryintro-none", RecoveryIntro{Frame: account("security")}},
		{"sessions", Sessions{Frame: account("sessions"), Sessions: []Session{here, there, unknown}, Remembered: []Remembered{
			{N: 7, This: true, Browser: here.Browser, Where: here.Where, LastAt: at, Until: at}, {N: 5, Browser: unknown.Browser, LastAt: at, Until: at}}}},
		{"profile", Profile{Frame: account("profile"), UserName: "maximiliane.von-und-zu-hohenfels@klinik.example", Name: "Univ.-Prof. Dr. <b>Maximiliane", GivenName: "Maximiliane", FamilyName: long,
			Email: "maximiliane@klinik.example", Phone: "+32 9 332 47 11", Office: Say("admin.staff.helpdesk"), Roles: []string{"reader", long}, Groups: []string{"radiology", "ct"}, AddedAt: at, Note: Say("profile.language.done"),
			Languages: []LanguageChoice{{Language{Tag: "en", Name: "English"}, "en-GB", true}, {Language{Tag: "nl", Name: "Nederlands"}, "nl", false}}}},
		{"profile-bare", Profile{Frame: account("profile"), UserName: "anna", Name: "Anna", AddedAt: at}},
		{"activity", Activity{Frame: account("activity"), Next: "/account/activity?after=x", Events: []Occurrence{
			{Seq: 812, At: at, What: Say("activity.login.app", "App", viewer), Browser: here.Browser, Device: "Pixel 8", Where: Where{"10.20.30.40", "Radiology, reading room east", ""}, This: true, Doubt: true},
			{Seq: 790, At: at, What: Say("activity.login.app", "App", long), Browser: there.Browser, Device: long[:40], Where: Where{"2001:db8::17", "", "Llanfairpwllgwyngyll, United Kingdom"}, Doubt: true},
			{Seq: 788, At: at, What: Say("activity.password.wrong"), Where: Where{Address: "2001:db8::17"}, Bad: true}, {Seq: 3, At: at, What: Say("activity.changed"), Foreign: true}}}},
		{"activity-none", Activity{Frame: account("activity")}},
		{"notme", Doubt{Frame: account("activity"), Path: "/account/activity/790/notme", One: true, Event: Occurrence{Seq: 790, At: at, What: Say("activity.login"), Browser: there.Browser, Where: there.Where}}},
		{"notme-all", Doubt{Frame: account("activity"), Path: "/account/activity/790/notme", Event: Occurrence{Seq: 790, At: at, What: Say("activity.device.linked"), Device: "Pixel 8"}}},
		{"notme-here", Doubt{Frame: account("activity"), Path: "/account/activity/790/notme", Own: true, Event: Occurrence{Seq: 790, At: at, What: Say("activity.login"), This: true}}},
		{"notme-done", Doubt{Frame: account("activity"), Done: true, One: true, Unlink: "/account/devices/" + exampleID + "/unlink", Recovery: true, Event: Occurrence{Seq: 790, At: at, What: Say("activity.login"), Device: "Pixel 8"}}},
		{"sessions-one", Sessions{Frame: account("sessions"), Sessions: []Session{here}, Note: Say("sessions.others.done")}},
	}...)
}

// exampleLinks are pages of an application.
var exampleLinks = []PartyLink{
	{Say("party.home"), "https://viewer.example.org/?a=1&b=2"}, {Say("party.policy"), "https://viewer.example.org/privacy"},
	{Say("party.terms"), "https://viewer.example.org/terms"},
}
