package templates

import (
	"fmt"
	"strings"
	"time"
)

// deskExamples are the pages of the administration in every state.
func deskExamples(at time.Time) []example {
	frame := func(tab string) Frame {
		return Frame{Site: "Imaging, Saint Luke Hospital", Here: "admin-" + tab, Tab: tab, User: "Dr. Anna Maes", Staff: true, Desk: []string{"devices", "users", "sessions", "audit", "applications", "health", "settings"}}
	}
	long := strings.Repeat("Donaudampfschifffahrtsgesellschaft", 2)
	anna := DeskPerson{ID: exampleID, Name: "anna", Shown: "Dr. Anna Maes", Email: "anna.maes@hospital.example", State: "active"}
	hostile := DeskPerson{ID: exampleID, Name: "o'b", Shown: `<b>O'B</b> ` + long, State: "disabled", Staff: "helpdesk"}
	device := func(n int, d Device, p DeskPerson) DeskDevice {
		d.ID = fmt.Sprintf("DEVICEDEVICEDEVICEDEVICE%02d", n)
		return DeskDevice{Device: d, App: "hilum/1.4", PushSaid: "410 gone", Person: p, Of: n, Unused: n == 1}
	}
	rows := []DeskDevice{
		device(1, Device{Name: "Pixel 8", Kind: "app", Platform: "android", Push: "working", LinkedAt: at, UsedAt: at, Verifies: true}, anna),
		device(2, Device{Name: `iPad "of" <i>`, Kind: "app", Platform: "ios", Push: "failing", PushBad: at, LinkedAt: at}, hostile),
		device(3, Device{Name: "Authenticator", Kind: "code", LinkedAt: at}, anna),
		device(4, Device{Name: "Firefox", Kind: "app", Platform: "web", Push: "off", LinkedAt: at}, anna),
		device(5, Device{Name: "Fairphone", Kind: "app", Platform: "other", Push: "untried", LinkedAt: at}, anna),
	}
	list := List{
		Path: "/admin/devices", CSV: "/admin/devices.csv", Total: Say("admin.devices.count", "N", 1000, "Count", Count{N: 1000, More: true}), Clear: "/admin/devices",
		Chips: []Chip{{Path: "/admin/devices?f=ios", Label: Say("devices.ios"), Count: &Count{N: 12}}, {Path: "/admin/devices", Label: Say("admin.facet.failing"), On: true, Count: &Count{N: 1}}, {Path: "/admin/devices?f=full", Label: Say("admin.facet.full"), Count: &Count{N: 0}, None: true}},
	}
	full := list
	full.Words, full.Hidden, full.Filtered, full.Next, full.Prev, full.Short, full.Range = `"><script>`, []Field{{"f", "failing"}, {"sort", "used"}}, true, "/admin/devices?after=x", "/admin/devices?before=x", true, Say("admin.range.of", "From", 51, "To", 61, "Count", Count{N: 61})
	head := Head{Path: "/admin/devices?sort=x"}
	sorted := Head{Path: "/admin/devices", Sorted: "ascending"}
	lines := []AskLine{{Name: "Pixel 8", Of: "Dr. Anna Maes", Last: true}, {Name: "iPad <b>", Of: long, Refused: true}}
	shown := DeskDevice{Device: Device{ID: exampleID, Name: "Pixel 8", Kind: "app", Platform: "android", Push: "working", LinkedAt: at, UsedAt: at, Verifies: true}, App: "hilum/1.4", PushOK: at, Person: anna, Of: 1}
	events := []DeskEvent{
		{Seq: 3, At: at, Kind: "device.unlinked", What: Say("event.device.unlinked"), Actor: "admin", Where: Where{Address: "192.0.2.7"}, Reason: `lost <b>on</b> the "ward"`},
		{Seq: 2, At: at, Kind: "something.new", Actor: "provider", ActorIs: "provider"},
		{Seq: 1, At: at, Kind: "device.linked", What: Say("event.device.linked"), Actor: "anna", ActorIs: "phone"},
	}
	people := list
	people.Path, people.Total = "/admin/users", Say("admin.users.count", "N", 1, "Count", Count{N: 1})
	accounts := []DeskAccount{{anna, []string{"radiology", "tumour-board"}, 2, at}, {hostile, []string{long}, 0, at}, {DeskPerson{ID: "USERUSERUSERUSERUSERUSER22", Name: "new", Shown: "New", State: "invited", Staff: "auditor"}, nil, 5, at}}
	accounts[1].ID = "USERUSERUSERUSERUSERUSER23"
	live := []DeskSession{{Session{ID: exampleID, This: true, Browser: Say("sessions.browser", "Browser", exampleAgent, "System", "Linux"), Where: Where{"192.0.2.7", "Ward 3", "Ghent, Belgium"}, Apps: []string{"viewer"}, Since: at, LastAt: at}, anna},
		{Session{ID: "SESSIONSESSIONSESSIONSES22", Browser: Say("sessions.browser.unknown"), Where: Where{Address: "2001:db8::1"}, Since: at, LastAt: at}, hostile}}
	ended := []DeskEnded{
		{Person: anna, Browser: Say("sessions.browser.unknown"), Where: Where{"192.0.2.7", "Ward 3", "Ghent, Belgium"}, At: at, Told: []ToldLine{{App: "Radiology <b>Viewer", State: "told", At: at}, {App: "Archive", State: "waiting"}, {App: long, State: "waiting", Said: Say("logout.said.status", "Status", "503"), At: at}, {App: "Reports", State: "failed", Said: Say("logout.said.forbidden"), At: at}}, Left: []string{"Weasis"}},
		{Person: hostile, Browser: Say("sessions.browser.unknown"), At: at},
	}
	untold := []LogoutLine{{ID: "viewer", App: "Radiology <b>Viewer", Waiting: Count{N: 3}, OldestAt: at, FailedAt: at, Said: Say("logout.said.unreachable"), Lost: Count{N: 1000, More: true}}, {ID: "reports", App: "Reports", Waiting: Count{N: 1}, OldestAt: at}, {ID: "x", App: "X", Lost: Count{N: 1}, FailedAt: at, Said: Say("logout.said.certificate")}}
	may := AdminUser{Frame: frame("users"), Note: Say("admin.edited.done"), Person: anna, Roles: []string{"radiologist"}, Groups: []string{"radiology"}, Phone: "+32 2 555", Locale: "nl-BE", AddedAt: at, Password: true,
		Devices: []Device{rows[0].Device, rows[1].Device, rows[2].Device}, Max: 5, Recovery: 9, Locked: []Message{Say("admin.locked.code"), Say("admin.locked.phones")}, InvitedUntil: at, Sessions: live, Ended: ended,
		MayEdit: true, MayUnlink: true, MayEnd: true, MayInvite: true, MayReopen: true, MayReset: true, MayUnlock: true, MayBlock: true}
	columns := []string{"username", "name", "email"}
	unmailed := []UnmailedLine{{Line: 3, Name: "frida", Why: Say("admin.import.unmailed.address")}, {Line: 1200, Name: long, Why: Say("admin.import.unmailed.address")}, {Line: 1201, Name: "<b>", Why: Say("admin.import.unmailed.changed")}}
	mailless := []UnmailedLine{{Line: 3, Name: "frida", ID: exampleID, Why: Say("admin.import.unmailed.address")}}
	log := AdminAudit{Frame: frame("audit"), Kinds: []Choice{{"login.", Say("audit.login")}, {"device.", Say("admin.tab.devices")}}, First: true, Events: events, JSON: "/admin/audit.json", CSV: "/admin/audit.csv", Next: "/admin/audit?after=x"}
	log.Events[0].Of, log.Events[0].Person, log.Events[0].About, log.Events[0].Client = "anna", exampleID, "Pixel <8>", "viewer"
	log.Events[0].Device, log.Events[0].DeviceName = "DEVICEDEVICEDEVICEDEVICE01", `<i>Pixel`
	log.Events[1].Of = long
	log.Events[1].Device = "DEVICEDEVICEDEVICEDEVICE02"
	log.Events[2].Person, log.Events[2].Client, log.Events[2].Test = exampleID, "Radiology <b>", true
	narrowed := log
	narrowed.Kind, narrowed.Who, narrowed.ByActor, narrowed.Address, narrowed.From, narrowed.Until, narrowed.Filtered, narrowed.First, narrowed.Events = "device.", `"><b>`, true, "192.0.2.1", "2026-03-14", "2026-03-15", true, false, nil
	wrong := narrowed
	wrong.Problem, wrong.Wrong, wrong.JSON = Say("audit.who.none"), "who", ""
	app := DeskApp{ID: "viewer", Name: `Radiology <b>Viewer`, Deviations: []Message{Say("client.deviation.pkce"), Say("client.deviation.tap")}, Groups: []string{"radiology", long}, Disabled: true, AddedAt: at}
	needs := []Need{{Name: "base", Label: Say("preset.base"), Example: "https://viewer.your-hospital.org", Value: `"><b>`}}
	form := AdminAppForm{Frame: frame("applications"), App: app, Redirects: "https://a.example/cb\n</textarea>", Logouts: "x", Origins: "y", Told: `"><b>`, ToldSession: true, Scopes: "a b", Groups: "g", Match: "tap", Matches: []Choice{{Label: Say("apps.match.site")}, {"tap", Say("apps.match.tap")}}, Consent: true, OptionalPKCE: true}
	form.Code, form.Refresh, form.AccessTTL, form.Alg, form.Algs = true, true, "15m", "ES256", []string{"RS256", "ES256"}
	advancedForm := form
	advancedForm.Advanced = true
	advancedForm.Problem, advancedForm.Wrong = Say("client.jwks.bad"), "jwks"
	wrongForm := form
	toldForm := form
	toldForm.Problem, toldForm.Wrong = Say("apps.wrong.told"), "backchannel_logout_uri"
	wrongForm.Problem, wrongForm.Wrong = Say("apps.wrong.address"), "redirect_uris"
	drawn := Plot{Title: Say("health.signins"), Width: 40, Height: 120, Most: 7, Series: []PlotSeries{{"a", Say("event.login.done"), 9}}, Bars: []PlotBar{{"a", 4, 0, 12, 120}, {"a", 24, 86, 12, 34}}, Days: []PlotDay{{at, []int{7}}, {at, []int{2}}}, From: at, Until: at}
	steps := []TryStep{{Label: Say("try.step.discovery"), OK: true, Took: "3 ms"}, {Label: Say("try.step.signin"), OK: true, Took: "14 s"}, {Label: Say("try.step.answer"), OK: true, Took: "1 ms"},
		{Label: Say("try.step.exchange"), OK: true, Took: "8 ms"}, {Label: Say("try.step.id"), OK: true, Took: "2 ms"}, {Label: Say("try.step.userinfo"), OK: true, Took: "4 ms"}}
	told := []ClaimLine{{Name: "sub", Value: exampleID}, {Name: "name", Value: `<b>` + long}, {Name: "groups", Value: "radiology, tumour-board"}, {Name: "exp", Value: "1773489600", At: at}}
	tried := AdminTried{Frame: frame("applications"), App: DeskApp{ID: "viewer", Name: "Radiology <b>Viewer"}, MayEdit: true, Start: true, OK: true, At: at, By: "anna", Steps: steps, Asked: []string{"openid", "profile", "dicom"}, Scopes: []string{"openid", "profile"}, Alg: "RS256",
		Refresh: true, Minutes: 15, Method: Say("try.method.push"), IDToken: told, Userinfo: told, IDTokenJSON: "{\n  \"sub\": \"<b>\"\n}", UserinfoJSON: "{}"}
	denied := AdminTried{Frame: frame("applications"), App: tried.App, Failed: Say("try.why.phone"), At: at, By: "anna", Asked: []string{"profile"},
		Steps: []TryStep{steps[0], {Label: Say("try.step.signin"), Why: Say("try.why.phone"), Said: "Pixel <8>", Took: "9 s"}, {Label: Say("try.step.answer"), Skipped: true}}}
	jwt := tried
	jwt.JWT, jwt.Userinfo, jwt.Start, jwt.Method = true, nil, false, Say("try.method.session")
	return []example{
		{"admin-told", AdminClaims{Frame: frame("applications"), Note: Say("admin.edited.done"), App: tried.App, MayEdit: true, Rows: []RuleRow{{Name: "grafana_role", From: "groups", Map: "grafana-admins > Admin\ngrafana-viewers > Viewer", One: true}, {Name: "tenant", Map: "<b>saint-luke"}}, Preview: Preview{Who: "anna", Person: &anna, IDToken: told[:1], Userinfo: told}}},
		{"admin-told-none", AdminClaims{Frame: frame("applications"), App: tried.App, Preview: Preview{Who: `"><b>`, Nobody: true}}},
		{"admin-told-found", AdminClaims{Frame: frame("applications"), App: tried.App, Preview: Preview{Who: "an", Found: []DeskPerson{anna, hostile}}}},
		{"admin-tell", AdminRules{Frame: frame("applications"), App: tried.App, Rows: []RuleRow{{Name: "role", From: "groups", Map: "a > b", One: true}, {From: "groups", Fresh: true}}, Known: []string{"groups", "roles"}, Preview: Preview{Who: "an", Found: []DeskPerson{anna, hostile}}}},
		{"admin-tell-wrong", AdminRules{Frame: frame("applications"), App: tried.App, Rows: []RuleRow{{Name: "sub", From: "groups", Map: `</textarea><b>`, Problem: Say("client.claims.name")}}, Known: []string{"groups"}, Wrong: true, Full: true}},
		{"admin-tell-preview", AdminRules{Frame: frame("applications"), App: tried.App, Preview: Preview{Who: "anna", Person: &anna, Admitted: true, IDToken: told, Userinfo: told}}},
		{"admin-try", AdminTry{Frame: frame("applications"), App: tried.App, Consent: true}},
		{"admin-try-off", AdminTry{Frame: frame("applications"), App: tried.App, Problem: Say("try.off")}},
		{"admin-tried", tried},
		{"admin-tried-jwt", jwt},
		{"admin-tried-denied", denied},
		{"admin-tried-bad", AdminTried{Frame: frame("applications"), App: tried.App, At: at, By: "anna"}},
		{"admin-tried-waiting", AdminTried{Frame: frame("applications"), App: tried.App, Waiting: true, MayEdit: true}},
		{"admin-tried-over", AdminTried{Frame: frame("applications"), App: tried.App, Waiting: true, Over: true}},
		{"admin-start", AdminStart{Frame: frame("start"), Name: "anna", Devices: 1, CodeOnly: true, Recovery: 10, Now: 3, MayEdit: true}},
		{"admin-start-phone", AdminStart{Frame: frame("start"), Name: "anna", Now: 2, MayEdit: true}},
		{"admin-start-test", AdminStart{Frame: frame("start"), Name: "anna", Devices: 2, Recovery: 1, Now: 4, MayEdit: true, Apps: []DeskApp{tried.App, {ID: "b", Name: long}}}},
		{"admin-start-aside", AdminStart{Frame: frame("start"), Name: "anna", Devices: 2, Recovery: 1, Now: 3, MayEdit: true, Aside: true}},
		{"admin-start-read", AdminStart{Frame: frame("start"), Name: "anna", Devices: 2, Now: 3}},
		{"admin-start-done", AdminStart{Frame: frame("start"), Name: "anna", Devices: 1, Recovery: 10, Done: true, Tested: "Radiology <b>Viewer", Apps: []DeskApp{tried.App}, MayEdit: true, Issuer: "http://127.0.0.1:8080"}},
		{"admin-health", AdminHealth{Frame: frame("health"), Version: "1.4.0-rc.1 <b>", Size: Say("size.mb", "Size", 12.3), Events: 1200, People: 70, Devices: 158, Failing: Count{N: 21}, Logins: Count{N: 0}, Challenges: Count{N: 1}, Invitations: Count{N: 3}, Pairings: Count{N: 0}, SweptAt: at, Mail: &MailLine{Waiting: Count{N: 3}, Lost: Count{N: 1}, OldestAt: at, SentAt: at, FailedAt: at, Said: Say("unsent.login"), Detailed: "535 5.7.8 <b>no"},
			Keys: []KeyLine{{"KEY1", "RS256", "signs", 12, at, at}, {"KEY2", "RS256", "next", 0, at, at}, {"KEY3", "ES256", "retired", 0, at, at}},
			Push: []PushLine{{Service: "Firebase Cloud Messaging", Attempts: 10, Delivered: 9, Failed: 1, Rate: "90 %", P50: "12ms", P95: "40ms", LastError: "503 <b>", LastAt: at, Alarm: "The service account is refused."}, {Service: "Web Push", P50: "0s", P95: "0s"}}, Plots: []Plot{drawn, drawn, drawn}, Logouts: untold,
			Instances: []InstanceLine{{"3V2A", "idp-0 <b>", "1.4.0-rc.1", 47, at, at}, {"3V2B", "", "1.3.0", 45, at, at}}, Lag: "130ms"}},
		{"admin-health-bare", AdminHealth{Frame: frame("health"), Unwritable: Say("health.unwritable.full")}},
		{"admin-apps", AdminApps{Frame: frame("applications"), Note: Say("apps.removed.done"), MayEdit: true, Rows: []DeskApp{app, {ID: "p", Name: "Page", Public: true, AddedAt: at}, {ID: "n", Name: "Native", Native: true, Public: true, AddedAt: at}, {ID: "c", Name: "Sync", Program: true, AddedAt: at}}}},
		{"admin-apps-none", AdminApps{Frame: frame("applications")}},
		{"admin-app", AdminApp{Frame: frame("applications"), Note: Say("admin.edited.done"), App: app, Issuer: "https://login.example.net", Redirects: []string{"https://a.example/cb", "https://b.example/cb"}, Scopes: []string{"profile"}, Match: Say("apps.match.site"), MayEdit: true, Told: "https://a.example/cb?logout=backchannel&x", Logout: untold[0],
			Rejected: []RejectedLine{
				{At: at, Why: Say("apps.refused.address"), Sent: `https://evil.example/"><script>alert(1)</script>`, Registered: []string{"https://a.example/cb", "https://b.example/cb"}, Reference: "3FZQ", Times: 12},
				{At: at, Why: Say("apps.refused.secret"), Reference: "3FZR", Times: 1},
			},
			Secrets: []DeskSecret{{MadeAt: at, UsedAt: at}, {MadeAt: at, EndsAt: at}, {MadeAt: at, EndsAt: at, Ended: true}}}},
		{"admin-app-public", AdminApp{Frame: frame("applications"), App: DeskApp{ID: "p", Name: "Page", Public: true}, Consent: true, Match: Say("apps.match.strict"), MayEdit: true,
			Says: &AppSays{By: "Supplier", Names: []string{"Page", "Seite (de)"}, Pages: []string{"https://page.example/terms"}, Contacts: []string{"ops@page.example"}, Software: "page 1.2"}}},
		{"admin-newapp", AdminNewApp{Frame: frame("applications"), Presets: []Field{{"ohif", "OHIF Viewer"}, {"own", "Another application"}}}},
		{"admin-newapp-form", AdminNewApp{Frame: frame("applications"), Chosen: Field{"ohif", "OHIF Viewer"}, Name: "OHIF Viewer", Needs: needs}},
		{"admin-newapp-wrong", AdminNewApp{Frame: frame("applications"), Chosen: Field{"ohif", "OHIF Viewer"}, Needs: needs, Problem: Say("apps.wrong.address"), Wrong: "base"}},
		{"admin-secret", AdminSecret{Frame: frame("applications"), App: app, Secret: "abc", Next: "/admin/applications/viewer"}},
		{"admin-secret-new", AdminSecret{Frame: frame("applications"), App: app, New: true, Secret: "abc", Paste: []Field{{"app-config.js", "a = '<b>'\nb"}, {"", "c"}}, Next: "/admin/applications/viewer"}},
		{"admin-registration", AdminRegistration{Frame: frame("applications"), Note: Say("registration.revoked.done"), MayEdit: true, Code: true, Uses: "1", Days: "7", Rows: []RegistrationLine{
			{ID: "a", Name: `<b>Supplier`, MadeBy: "boss", Grants: []string{"authorization_code"}, Scopes: []string{"openid"}, Hosts: []string{"viewer.example"}, Used: 1, Uses: 3, MadeAt: at, EndsAt: at, Blocks: true, UsedAt: at, OptionalPKCE: true},
			{ID: "b", Name: "Old", MadeBy: "boss", Grants: []string{"client_credentials"}, Uses: 1, MadeAt: at, EndsAt: at, Revoked: true},
			{ID: "c", Name: "Older", MadeBy: "boss", Grants: []string{"client_credentials"}, Used: 1, Uses: 1, MadeAt: at, EndsAt: at, Spent: true},
			{ID: "d", Name: "Oldest", MadeBy: "boss", Grants: []string{"client_credentials"}, Uses: 1, MadeAt: at, EndsAt: at, Expired: true},
		}}},
		{"admin-registration-none", AdminRegistration{Frame: frame("applications"), Off: true}},
		{"admin-registration-made", AdminRegistration{Frame: frame("applications"), MayEdit: true, Name: "Supplier", Secret: "abc", Endpoint: "https://login.example.net/register"}},
		{"admin-registration-wrong", AdminRegistration{Frame: frame("applications"), MayEdit: true, Name: "Supplier", Hosts: "a b/", Problem: Say("registration.hosts"), Wrong: "hosts"}},
		{"admin-app-form", form},
		{"admin-app-form-wrong", wrongForm},
		{"admin-app-form-advanced", advancedForm},
		{"admin-app-form-told", toldForm},
		{"admin-audit", log},
		{"admin-audit-nothing", narrowed},
		{"admin-audit-wrong", wrong},
		{"admin-chain", AdminChain{Frame: frame("audit")}},
		{"admin-chain-last", AdminChain{Frame: frame("audit"), Events: 1200, LastAt: at, LastBy: `<b>anna`, LastDigest: "ab12"}},
		{"admin-chain-last-broken", AdminChain{Frame: frame("audit"), Events: 16, LastAt: at, LastBy: "anna", LastDigest: "ab12", LastFault: "event 17 is missing"}},
		{"admin-chain-checking", AdminChain{Frame: frame("audit"), ID: exampleID, State: "checking", Word: "checking-25", Done: 300, Of: 1200, Far: Say("admin.job.far", "Done", "300", "Of", "1,200")}},
		{"admin-chain-whole", AdminChain{Frame: frame("audit"), ID: exampleID, State: "whole", Word: "over", Events: 1200, Digest: "ab12"}},
		{"admin-chain-failed", AdminChain{Frame: frame("audit"), ID: exampleID, State: "failed", Word: "over"}},
		{"admin-chain-broken", AdminChain{Frame: frame("audit"), ID: exampleID, State: "broken", Word: "over", Said: "event 17"}},
		{"admin-users", AdminUsers{Frame: frame("users"), List: people, Note: Say("admin.edited.done"), MayAdd: true, Max: 5, ByPerson: sorted, ByName: head, ByAdded: head, Rows: accounts}},
		{"admin-users-nothing", AdminUsers{Frame: frame("users"), List: full}},
		{"admin-users-empty", AdminUsers{Frame: frame("users")}},
		{"admin-user", may},
		{"admin-user-mailed", AdminUser{Frame: frame("users"), Person: anna, AddedAt: at, Max: 5, InvitedUntil: at, MailedTo: `<i>"` + long + "@hospital.example"}},
		{"admin-user-read", AdminUser{Frame: frame("users"), Person: hostile, AddedAt: at, Max: 5}},
		{"admin-person-new", AdminPerson{Frame: frame("users"), MayStaff: true}},
		{"admin-person-mail", AdminPerson{Frame: frame("users"), Mail: true, Locales: []Language{{Tag: "de", Name: "Deutsch"}, {Tag: "nl", Name: "Nederlands"}}}},
		{"admin-person-link", AdminPerson{Frame: frame("users"), Mail: true, Problem: Say("mail.address"), Wrong: "email"}},
		{"admin-person-more", AdminPerson{Frame: frame("users"), Phone: "+32 x", Problem: Say("user.email.bad"), Wrong: "phone"}},
		{"admin-person-taken", AdminPerson{Frame: frame("users"), Person: DeskPerson{Name: "anna"}, MayStaff: true, Problem: Say("username.taken"), Wrong: "username"}},
		{"admin-person-edit", AdminPerson{Frame: frame("users"), Person: hostile, GivenName: `"><b>`, FamilyName: "Maes", Phone: "1", Locale: "nl-BE", Locales: []Language{{Tag: "nl", Name: "Nederlands"}, {Tag: "nl-BE", Name: "nl-BE"}}, Roles: "a b", Groups: long, MayStaff: true}},
		{"admin-person-wrong", AdminPerson{Frame: frame("users"), Person: anna, Problem: Say("user.email.bad"), Wrong: "email"}},
		{"admin-person-devices", AdminPerson{Frame: frame("users"), Person: hostile, MayStaff: true, Devices: []Device{rows[0].Device, rows[1].Device, rows[2].Device}, Linked: exampleID, Problem: Say("admin.person.devices"), Wrong: "theirs"}},
		{"admin-person-last", AdminPerson{Frame: frame("users"), Person: anna, MayStaff: true, Problem: Say("admin.person.last"), Wrong: "staff"}},
		{"admin-import", AdminImport{Frame: frame("users"), Columns: columns, People: 50_000, Megabytes: 20}},
		{"admin-import-empty", AdminImport{Frame: frame("users"), Columns: columns, People: 50_000, Megabytes: 20, Problem: Say("import.empty")}},
		{"admin-import-other", AdminImport{Frame: frame("users"), Columns: columns, People: 50_000, Megabytes: 20, Problem: Say("admin.import.other"), Other: "/admin/imports/" + exampleID}},
		{"admin-importing", AdminImporting{Frame: frame("users"), ID: exampleID, State: "checking", Word: "checking-0", Far: Say("admin.job.far", "Done", "0", "Of", "0"), MayAdd: true}},
		{"admin-importing-adding", AdminImporting{Frame: frame("users"), ID: exampleID, State: "adding", Word: "adding-30", Done: 3000, Of: 10000, Far: Say("admin.job.far", "Done", "3,000", "Of", "10,000"), MayAdd: true}},
		{"admin-importing-mailing", AdminImporting{Frame: frame("users"), ID: exampleID, State: "mailing", Word: "mailing-30", Done: 3000, Of: 10000, Far: Say("admin.job.far", "Done", "3,000", "Of", "10,000"), MayAdd: true, Mail: true}},
		{"admin-importing-late", AdminImporting{Frame: frame("users"), ID: exampleID, State: "stopping", Word: "stopping", Done: 3000, Of: 10000, Far: Say("admin.job.far", "Done", "3,000", "Of", "10,000"), MayAdd: true, Mail: true, Late: true}},
		{"admin-importing-stopping", AdminImporting{Frame: frame("users"), ID: exampleID, State: "stopping", Word: "stopping", Done: 3000, Of: 10000, Far: Say("admin.job.far", "Done", "3,000", "Of", "10,000"), MayAdd: true}},
		{"admin-importing-good", AdminImporting{Frame: frame("users"), ID: exampleID, State: "good", Word: "over", People: 10000, MayAdd: true}},
		{"admin-importing-good-mail", AdminImporting{Frame: frame("users"), ID: exampleID, State: "good", Word: "over", People: 10000, MayAdd: true, Mail: true, Mailed: 9990, Unmailed: unmailed, MoreUnmailed: 7}},
		{"admin-importing-good-nomail", AdminImporting{Frame: frame("users"), ID: exampleID, State: "good", Word: "over", People: 1, MayAdd: true, Mail: true}},
		{"admin-importing-mailed", AdminImporting{Frame: frame("users"), ID: exampleID, State: "done", Word: "over", Added: 4, MayAdd: true, Mail: true, Mailed: 1, Hours: 24, Unmailed: mailless, Waits: true}},
		{"admin-importing-mail-stopped", AdminImporting{Frame: frame("users"), ID: exampleID, State: "done", Word: "over", Added: 400, MayAdd: true, Mail: true, Mailed: 50, Hours: 24, Rest: Say("admin.import.mail.stopped", "N", 350), Waits: true}},
		{"admin-importing-mail-lost", AdminImporting{Frame: frame("users"), ID: exampleID, State: "done", Added: 400, MayAdd: true, Mail: true, Rest: Say("admin.import.mail.lost")}},
		{"admin-importing-done", AdminImporting{Frame: frame("users"), ID: exampleID, State: "done", Word: "over", Added: 10000, MayAdd: true}},
		{"admin-importing-stopped", AdminImporting{Frame: frame("users"), ID: exampleID, State: "stopped", Word: "over", MayAdd: true}},
		{"admin-importing-failed", AdminImporting{Frame: frame("users"), ID: exampleID, State: "failed", Word: "over", MayAdd: true}},
		{"admin-importing-lost", AdminImporting{Frame: frame("users"), ID: exampleID, State: "lost", MayAdd: true}},
		{"admin-importing-long", AdminImporting{Frame: frame("users"), ID: exampleID, State: "wrong", Word: "over", Problem: Say("import.many")}},
		{"admin-import-faults", AdminImporting{Frame: frame("users"), ID: exampleID, State: "faults", Word: "over", Text: "username\n</textarea><b>", People: 1, More: true,
			Faults: []FaultLine{{Line: 2, Name: "<b>", Problem: Say("user.name.letters")}, {Line: 9, Problem: Say("import.cells")}}}},
		{"admin-import-file", AdminImporting{Frame: frame("users"), ID: exampleID, State: "wrong", Word: "over", Text: "x", Problem: Say("import.username")}},
		{"admin-import-nobody", AdminImporting{Frame: frame("users"), ID: exampleID, State: "nobody", Word: "over", Text: "username"}},
		{"admin-sessions", AdminSessions{Frame: frame("sessions"), List: List{Path: "/admin/sessions", Next: "/admin/sessions?after=x"}, Note: Say("admin.ended.told", "Apps", "Archive, <b>Viewer"), MayEnd: true, Rows: live, Ended: ended}},
		{"admin-sessions-nothing", AdminSessions{Frame: frame("sessions"), List: List{Path: "/admin/sessions", Words: "x"}}},
		{"admin-devices", AdminDevices{Frame: frame("devices"), List: list, MayUnlink: true, Max: 5, Kind: true, Push: true, Linked: true, Used: true, ByPerson: sorted, ByName: head, ByLinked: head, ByUsed: head, Rows: rows}},
		{"admin-devices-many", AdminDevices{Frame: frame("devices"), List: full, MayUnlink: true, AllFound: `/admin/devices/unlink/found?q="<b>`, Found: 1000, Rows: rows}},
		{"admin-devices-too-many", AdminDevices{Frame: frame("devices"), List: full, MayUnlink: true, TooMany: 1000, Rows: rows}},
		{"admin-devices-all-columns", AdminDevices{Frame: frame("devices"), List: full, Note: Say("admin.unlinked.done", "N", 3), Max: 5, Kind: true, Push: true, Linked: true, Used: true, Email: true, App: true, ByPerson: head, ByName: head, ByLinked: head, ByUsed: Head{Path: "/admin/devices", Sorted: "descending"}, Rows: rows}},
		{"admin-devices-bare", AdminDevices{Frame: frame("devices"), List: list, MayUnlink: true, Rows: rows}},
		{"admin-devices-nothing", AdminDevices{Frame: frame("devices"), List: full}},
		{"admin-devices-empty", AdminDevices{Frame: frame("devices"), List: List{Path: "/admin/devices", CSV: "/admin/devices.csv"}, MayUnlink: true}},
		{"admin-device", AdminDevice{Frame: frame("devices"), Device: shown, Max: 5, Events: events, Older: "/admin/devices/x?after=y", MayUnlink: true, MayReopen: true, MayBlock: true}},
		{"admin-device-gone", AdminDevice{Frame: frame("devices"), Device: DeskDevice{Device: Device{ID: exampleID, Name: `Pixel <8>`}, Person: anna}, Events: events, Gone: true, GoneAt: at, GoneBy: "helga", Why: `lost <b>on</b> the "ward"`}},
		{"admin-device-gone-bare", AdminDevice{Frame: frame("devices"), Device: DeskDevice{Device: Device{ID: exampleID}, Person: DeskPerson{ID: exampleID}}, Events: events, Gone: true}},
		{"admin-device-blocked", AdminDevice{Frame: frame("devices"), Device: rows[1], Max: 5, Events: events, MayBlock: true}},
		{"admin-device-read", AdminDevice{Frame: frame("devices"), Device: rows[2], Max: 5}},
		{"ask-unlink", Ask{Frame: frame("devices"), Title: Say("admin.unlink.title", "N", 2), Text: Say("admin.unlink.lead", "N", 2), Lines: lines, Action: "/admin/devices/unlink",
			Field: Field{"devices", exampleID + " " + exampleID}, Yes: Say("admin.unlink.yes", "N", 2), Back: "/admin/devices", Danger: true, Reason: true}},
		{"ask-unlink-found", Ask{Frame: frame("devices"), Title: Say("admin.unlink.title", "N", 134), Text: Say("admin.unlink.lead", "N", 134), Whose: Say("admin.found.people", "N", 97), Lines: lines,
			More: Say("admin.found.more", "N", 114), Refused: Say("admin.found.refused", "N", 1), Changed: Say("admin.found.changed"), Action: `/admin/devices/unlink/found?q="<b>`,
			Field: Field{"digest", "x"}, Yes: Say("admin.unlink.yes", "N", 134), Back: "/admin/devices?q=x", Danger: true, Reason: true}},
		{"ask-reason", Ask{Frame: frame("devices"), Title: Say("admin.block.title", "Name", `<b>`+long), Text: Say("admin.block.lead"), Action: "/x", Yes: Say("admin.block.yes"), Back: "/admin/devices",
			Danger: true, Reason: true, Typed: `"><b>`, Problem: Say("admin.reason.missing")}},
		{"ask-mail", Ask{Frame: frame("devices"), Title: Say("admin.reopen.title", "Name", "Anna"), Text: Say("admin.reopen.lead"), Action: "/x", Yes: Say("admin.reopen.yes"), Back: "/admin/devices", Danger: true, Reason: true, Way: Way{Mail: true, To: long + `"><b>@hospital.example`}}},
		{"ask-mail-none", Ask{Frame: frame("devices"), Title: Say("admin.invite.title", "Name", "Anna"), Text: Say("admin.invite.lead"), Action: "/x", Yes: Say("admin.invite.yes"), Back: "/admin/devices", Way: Way{Mail: true, Link: true}, Problem: Say("mail.address"), Wrong: "via"}},
		{"ask-unblock", Ask{Frame: frame("devices"), Title: Say("admin.unblock.title", "Name", "Anna"), Text: Say("admin.unblock.lead"), Action: "/x", Yes: Say("admin.unblock.yes"), Back: "/admin/devices"}},
		{"admin-unlinked", AdminUnlinked{Frame: frame("devices"), Done: 1, Left: 3, Lines: []AskLine{{Name: "Pixel 8", Of: "anna", Done: true}, {Name: "iPad", Of: "bert", Refused: true}, {Name: "X", Gone: true}, {Name: "Y"}}}},
		{"admin-link", AdminLink{Frame: frame("devices"), Person: anna, Text: Say("admin.link.enrol"), Link: "https://login.example.net/invite/abc", ExpiresAt: at, Unlinked: []string{"Pixel 8", "iPad"}, Next: "/admin/devices"}},
	}
}
