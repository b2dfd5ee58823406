package desk_test

import (
	"context"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/web/desk"
	"hilum/idp/web/webtest"
	"hilum/idp/web/webtest/walk"
)

// deskRoutes has a row for every route of the administration: what it is for, with
// what it is asked, what is answered to roles that it is there for, and the event that
// it leaves. What a path and a form name in braces is made by scene.fill.
var deskRoutes = []struct {
	route  string
	act    admin.Act // empty: nobody finds anything there
	path   string
	form   string // of an upload, its fields begin with «upload:»
	want   int
	leaves idp.EventKind // empty: none
}{
	{"GET /admin", admin.ReadDevices, "/admin", "", 303, ""},
	{"GET /admin/", "", "/admin/no-such-page", "", 404, ""},
	{"GET /admin/devices", admin.ReadDevices, "/admin/devices", "", 200, ""},
	{"GET /admin/devices.csv", admin.ReadDevices, "/admin/devices.csv", "", 200, idp.EventExported},
	{"GET /admin/devices/{id}", admin.ReadDevices, "/admin/devices/{device}", "", 200, ""},
	{"GET /admin/devices/unlink", admin.UnlinkDevice, "/admin/devices/unlink?id={device}", "", 200, ""},
	{"POST /admin/devices/unlink", admin.UnlinkDevice, "/admin/devices/unlink", "devices={device}&reason=lost", 303, idp.EventDeviceUnlinked},
	{"GET /admin/devices/unlink/found", admin.UnlinkDevice, "/admin/devices/unlink/found?q={name}&f=code", "", 200, ""},
	{"POST /admin/devices/unlink/found", admin.UnlinkDevice, "/admin/devices/unlink/found?q={name}&f=code", "digest={digest}&reason=lost", 303, idp.EventDeviceUnlinked},
	{"GET /admin/users", admin.ReadUsers, "/admin/users", "", 200, ""},
	{"GET /admin/users.csv", admin.ReadUsers, "/admin/users.csv", "", 200, idp.EventExported},
	{"GET /admin/users/new", admin.AddUsers, "/admin/users/new", "", 200, ""},
	{"POST /admin/users/new", admin.AddUsers, "/admin/users/new", "username=carl", 200, idp.EventInvited},
	{"GET /admin/users/import", admin.AddUsers, "/admin/users/import", "", 200, ""},
	{"POST /admin/users/import", admin.AddUsers, "/admin/users/import", "upload:text=username&do=try", 303, ""},
	{"GET /admin/imports/{id}", admin.ReadUsers, "/admin/imports/{none}", "", 404, ""},
	{"GET /admin/imports/{id}/state", admin.ReadUsers, "/admin/imports/{none}/state", "", 404, ""},
	{"GET /admin/imports/{id}/events", admin.ReadUsers, "/admin/imports/{none}/events", "", 404, ""},
	{"POST /admin/imports/{id}/add", admin.AddUsers, "/admin/imports/{none}/add", "x=1", 404, ""},
	{"POST /admin/imports/{id}/stop", admin.AddUsers, "/admin/imports/{none}/stop", "x=1", 404, ""},
	{"GET /admin/users/{id}", admin.ReadUsers, "/admin/users/{person}", "", 200, ""},
	{"GET /admin/users/{id}/edit", admin.EditUsers, "/admin/users/{person}/edit", "", 200, ""},
	{"POST /admin/users/{id}/edit", admin.EditUsers, "/admin/users/{person}/edit", "name=Bert", 303, idp.EventUserChanged},
	{"GET /admin/users/{id}/reopen", admin.Reopen, "/admin/users/{person}/reopen", "", 200, ""},
	{"POST /admin/users/{id}/reopen", admin.Reopen, "/admin/users/{person}/reopen", "reason=lost", 200, idp.EventInvited},
	{"GET /admin/users/{id}/reset", admin.ResetPassword, "/admin/users/{person}/reset", "", 200, ""},
	{"POST /admin/users/{id}/reset", admin.ResetPassword, "/admin/users/{person}/reset", "x=1", 200, idp.EventInvited},
	{"GET /admin/users/{id}/invite", admin.Invite, "/admin/users/{invited}/invite", "", 200, ""},
	{"POST /admin/users/{id}/invite", admin.Invite, "/admin/users/{invited}/invite", "x=1", 200, idp.EventInvited},
	{"GET /admin/users/{id}/unlock", admin.Unlock, "/admin/users/{person}/unlock", "", 200, ""},
	{"POST /admin/users/{id}/unlock", admin.Unlock, "/admin/users/{person}/unlock", "x=1", 303, idp.EventUserUnlocked},
	{"GET /admin/users/{id}/block", admin.BlockUsers, "/admin/users/{person}/block", "", 200, ""},
	{"POST /admin/users/{id}/block", admin.BlockUsers, "/admin/users/{invited}/block", "reason=left", 303, idp.EventUserDisabled},
	{"GET /admin/users/{id}/unblock", admin.BlockUsers, "/admin/users/{person}/unblock", "", 200, ""},
	{"POST /admin/users/{id}/unblock", admin.BlockUsers, "/admin/users/{blocked}/unblock", "x=1", 303, idp.EventUserEnabled},
	{"GET /admin/users/{id}/end", admin.EndSessions, "/admin/users/{person}/end", "", 200, ""},
	{"POST /admin/users/{id}/end", admin.EndSessions, "/admin/users/{person}/end", "x=1", 303, idp.EventSessionEnded},
	{"POST /admin/users/{id}/sessions/{session}/end", admin.EndSessions, "/admin/users/{person}/sessions/{session}/end", "x=1", 303, idp.EventSessionEnded},
	{"GET /admin/sessions", admin.ReadSessions, "/admin/sessions", "", 200, ""},
	{"GET /admin/applications", admin.ReadClients, "/admin/applications", "", 200, ""},
	{"GET /admin/applications/new", admin.EditClients, "/admin/applications/new", "", 200, ""},
	{"POST /admin/applications/new", admin.EditClients, "/admin/applications/new", "preset=ohif&client_name=OHIF&base=https://ohif.hospital.example", 200, idp.EventClientChanged},
	{"GET /admin/applications/registration", admin.ReadClients, "/admin/applications/registration", "", 200, ""},
	{"POST /admin/applications/registration", admin.EditClients, "/admin/applications/registration", "name=Supplier&grant_code=1&hosts=viewer.hospital.example&uses=1&days=7", 200, idp.EventRegistrationToken},
	{"GET /admin/applications/registration/{token}/revoke", admin.EditClients, "/admin/applications/registration/{token}/revoke", "", 200, ""},
	{"POST /admin/applications/registration/{token}/revoke", admin.EditClients, "/admin/applications/registration/{token}/revoke", "x=1", 303, idp.EventRegistrationToken},
	{"GET /admin/applications/registration/{token}/block", admin.EditClients, "/admin/applications/registration/{token}/block", "", 200, ""},
	{"POST /admin/applications/registration/{token}/block", admin.EditClients, "/admin/applications/registration/{token}/block", "x=1", 303, idp.EventRegistrationToken},
	{"GET /admin/applications/{client}", admin.ReadClients, "/admin/applications/{app}", "", 200, ""},
	{"GET /admin/applications/{client}/edit", admin.EditClients, "/admin/applications/{app}/edit", "", 200, ""},
	{"POST /admin/applications/{client}/edit", admin.EditClients, "/admin/applications/{app}/edit", "client_name=Viewer&redirect_uris=https://viewer.hospital.example/cb", 303, idp.EventClientChanged},
	{"GET /admin/applications/{client}/secret", admin.EditClients, "/admin/applications/{app}/secret", "", 200, ""},
	{"POST /admin/applications/{client}/secret", admin.EditClients, "/admin/applications/{app}/secret", "x=1", 200, idp.EventClientChanged},
	{"GET /admin/applications/{client}/disable", admin.EditClients, "/admin/applications/{app}/disable", "", 200, ""},
	{"POST /admin/applications/{client}/disable", admin.EditClients, "/admin/applications/{app}/disable", "x=1", 303, idp.EventClientChanged},
	{"GET /admin/applications/{client}/enable", admin.EditClients, "/admin/applications/{app}/enable", "", 200, ""},
	{"POST /admin/applications/{client}/enable", admin.EditClients, "/admin/applications/{app}/enable", "x=1", 303, idp.EventClientChanged},
	{"GET /admin/applications/{client}/remove", admin.EditClients, "/admin/applications/{app}/remove", "", 200, ""},
	{"POST /admin/applications/{client}/remove", admin.EditClients, "/admin/applications/{app}/remove", "x=1", 303, idp.EventClientChanged},
	{"GET /admin/applications/{client}/icon", admin.EditClients, "/admin/applications/{app}/icon", "", 200, ""},
	{"POST /admin/applications/icon", admin.EditClients, "/admin/applications/icon", "upload:client={app}&icon={picture}", 303, idp.EventClientChanged},
	{"GET /admin/settings", admin.ReadSettings, "/admin/settings", "", 200, ""},
	{"GET /admin/settings/edit", admin.EditSettings, "/admin/settings/edit", "", 200, ""},
	{"POST /admin/settings/edit", admin.EditSettings, "/admin/settings/edit", "name=Imaging&do=save", 303, idp.EventSettingChanged},
	{"GET /admin/settings/logo", admin.EditSettings, "/admin/settings/logo", "", 200, ""},
	{"POST /admin/settings/logo", admin.EditSettings, "/admin/settings/logo", "upload:logo={picture}", 303, idp.EventSettingChanged},
	{"GET /admin/applications/{client}/claims", admin.ReadClients, "/admin/applications/{app}/claims?who={name}", "", 200, ""},
	{"GET /admin/applications/{client}/claims/edit", admin.EditClients, "/admin/applications/{app}/claims/edit", "", 200, ""},
	{"POST /admin/applications/{client}/claims/edit", admin.EditClients, "/admin/applications/{app}/claims/edit", "do=save&name-0=role&from-0=groups", 303, idp.EventClientChanged},
	{"GET /admin/applications/{client}/try", admin.EditClients, "/admin/applications/{app}/try", "", 200, ""},
	{"POST /admin/applications/{client}/try", admin.EditClients, "/admin/applications/{app}/try", "how=again", 303, idp.EventTryoutStarted},
	{"GET /admin/try/callback", admin.ReadClients, "/admin/try/callback?{answer}", "", 303, idp.EventTryoutEnded},
	{"GET /admin/try/{id}", admin.ReadClients, "/admin/try/{test}", "", 200, ""},
	{"GET /admin/start", admin.ReadClients, "/admin/start", "", 200, ""},
	{"POST /admin/start", admin.EditClients, "/admin/start", "aside=1", 303, idp.EventStartAside},
	{"GET /admin/audit", admin.ReadAudit, "/admin/audit", "", 200, ""},
	{"GET /admin/audit.json", admin.ReadAudit, "/admin/audit.json", "", 200, ""},
	{"GET /admin/audit.csv", admin.ReadAudit, "/admin/audit.csv", "", 200, ""},
	{"GET /admin/audit/check", admin.ReadAudit, "/admin/audit/check", "", 200, ""},
	{"POST /admin/audit/check", admin.ReadAudit, "/admin/audit/check", "x=1", 303, idp.EventAuditChecked},
	{"GET /admin/checks/{id}", admin.ReadAudit, "/admin/checks/{none}", "", 404, ""},
	{"GET /admin/checks/{id}/state", admin.ReadAudit, "/admin/checks/{none}/state", "", 404, ""},
	{"GET /admin/checks/{id}/events", admin.ReadAudit, "/admin/checks/{none}/events", "", 404, ""},
	{"GET /admin/health", admin.ReadHealth, "/admin/health", "", 200, ""},
}

// Every page of the administration is in the table, with the act that its record says,
// and a change is no act that only reads.
func TestEveryDeskRouteIsInTheTable(t *testing.T) {
	t.Parallel()
	acts := map[string]admin.Act{}
	for _, row := range deskRoutes {
		acts[row.route] = row.act
	}
	n := 0
	for _, r := range walk.New(t).Door.Routes() {
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

// scene is somebody before the pages of the administration.
type scene struct {
	*walk.Walk
	me   *walk.Account // nil: nobody is signed in
	made map[string]string
	n    int // names of people and applications that were made
}

var inBraces = regexp.MustCompile(`\{(\w+)\}`)

// fill puts what there is in place of its name; what there is not yet is made.
func (s *scene) fill(text string) string {
	return inBraces.ReplaceAllStringFunc(text, func(name string) string {
		if s.made[name] == "" {
			s.make(name)
		}
		return s.made[name]
	})
}

func (s *scene) make(name string) {
	s.Helper()
	switch name {
	case "{person}", "{name}", "{device}", "{session}", "{digest}":
		a := s.Person(idp.User{Name: s.called("bert")})
		s.made["{person}"], s.made["{name}"], s.made["{device}"], s.made["{session}"] = string(a.ID), a.Name, string(s.Device(a.ID).ID), string(s.Session(a.ID).ID)
		found := idptest.Must(s.Desk.FindDevices(s.Context(), walk.Console, idp.DeviceQuery{Words: a.Name, Facets: []idp.DeviceFacet{idp.FacetCode}}))(s.TB)
		s.made["{digest}"] = found.Digest
	case "{invited}", "{blocked}":
		u := s.Add(idp.User{Name: s.called("carl")})
		if s.made[name] = string(u.ID); name == "{blocked}" {
			if err := s.Desk.Disable(s.Context(), walk.Console, u.ID, ""); err != nil {
				s.Fatal(err)
			}
		}
	case "{app}":
		s.made[name] = s.called("viewer")
		s.Register(idp.Client{
			ID: idp.ClientID(s.made[name]), Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, GrantTypes: []string{idp.GrantCode},
			RedirectURIs: []string{"https://viewer.hospital.example/cb"}, Scopes: []string{"openid"},
		})
	case "{token}":
		r := idp.RegistrationToken{Name: "Supplier", GrantTypes: []string{idp.GrantCode}, Hosts: []string{"viewer.hospital.example"}, Uses: 1, ExpiresAt: s.Clock.Now().Add(time.Hour)}
		idptest.Must(s.Desk.AddRegistrationToken(s.Context(), walk.Console, &r))(s.TB)
		s.made[name] = string(r.ID)
	case "{answer}":
		s.made[name] = "state=s&code=c"
		if s.me == nil || s.me.Staff != idp.StaffAdmin {
			return
		}
		if at := s.Session(s.me.ID).FactorAt; !at.IsZero() { // the test was begun when it was given
			since := s.Clock.Now().Sub(at)
			s.Clock.Add(-since)
			s.made[name] = s.answer()
			s.Clock.Add(since)
		}
	case "{test}":
		now := s.Clock.Now()
		t := &idp.Tryout{ID: idp.NewID[idp.TryoutID](), Of: idp.ClientID(s.fill("{app}")), State: idp.NewToken().Hash(), Sealed: []byte{}, CreatedAt: now, ExpiresAt: now.Add(idp.TryoutTTL)}
		if s.me != nil {
			t.User = s.me.ID
		}
		if err := s.DB.AddTryout(s.Context(), t); err != nil {
			s.Fatal(err)
		}
		s.made[name] = string(t.ID)
	case "{none}":
		s.made[name] = idp.NewID[string]()
	case "{picture}":
		s.made[name] = url.QueryEscape(inked(s.TB, teal))
	default:
		s.Fatalf("nothing is called %s", name)
	}
}

func (s *scene) called(name string) string {
	s.n++
	return name + string(rune('a'+s.n/26%26)) + string(rune('a'+s.n%26))
}

// answer begins a test sign-in with the session, and returns what the browser would
// come back with.
func (s *scene) answer() string {
	s.Helper()
	to := s.Post(s.fill("/admin/applications/{app}/try"), "how", "session").Header.Get("Location")
	back := s.Get(strings.TrimPrefix(to, s.URL)).Header.Get("Location")
	u, err := url.Parse(back)
	if err != nil || u.Path != desk.TryCallback || u.Query().Get("code") == "" {
		s.Fatalf("no answer at %q, after %q (%v)", back, to, err)
	}
	return u.RawQuery
}

// ask sends a request of the table.
func (s *scene) ask(route, path, form string) webtest.Reply {
	s.Helper()
	if text, ok := strings.CutPrefix(form, "upload:"); ok {
		var fields []string
		for field := range strings.SplitSeq(text, "&") {
			name, value, _ := strings.Cut(field, "=")
			fields = append(fields, name, idptest.Must(url.QueryUnescape(value))(s.TB))
		}
		return s.Upload(path, fields...)
	}
	if strings.HasPrefix(route, "POST ") {
		return s.PostRaw(path, form)
	}
	return s.Get(path)
}

// head is where the log ends.
func (s *scene) head() int64 {
	s.Helper()
	return idptest.Must(s.DB.LogHead(s.Context()))(s.TB).Seq
}

// begun is the sign-in that an answer leads to, nil where it leads to none.
func (s *scene) begun(r webtest.Reply) *idp.Login {
	s.Helper()
	id, ok := strings.CutPrefix(r.Header.Get("Location"), "/login/")
	if r.StatusCode != 303 || !ok {
		return nil
	}
	id, _, _ = strings.Cut(id, "?")
	return idptest.Must(s.DB.Login(s.Context(), idp.LoginID(id)))(s.TB)
}

// To nobody who is not signed in anything is shown or done: a sign-in begins.
func TestDeskRoutesWithoutASession(t *testing.T) {
	t.Parallel()
	s := &scene{Walk: walk.New(t), made: map[string]string{}}
	s.Stay()
	for _, row := range deskRoutes {
		path, form := s.fill(row.path), s.fill(row.form)
		before := s.head()
		r := s.ask(row.route, path, form)
		if row.act == "" {
			s.Wants(r, 404)
		} else if l := s.begun(r); l == nil || l.Purpose != idp.ForAccount {
			t.Errorf("%s: %d to %q, want a sign-in", row.route, r.StatusCode, r.Header.Get("Location"))
		}
		if s.head() != before {
			t.Errorf("%s: did something without a session", row.route)
		}
	}
}

// Each role, with a second factor that has just not aged, one that has, and none.
func TestDeskRoutes(t *testing.T) {
	t.Parallel()
	for _, role := range []idp.StaffRole{idp.StaffNone, idp.StaffAuditor, idp.StaffHelpdesk, idp.StaffAdmin} {
		name := string(role)
		if role == idp.StaffNone {
			name = "nobody"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scene{Walk: walk.New(t), made: map[string]string{}}
			s.me = s.Enrol(idp.User{Name: name, Staff: role})
			s.Stay()
			s.Clock.Add(idp.StepUpFor)
			s.routes("fresh")
			s.Clock.Add(time.Second)
			s.routes("stale")
			// The session goes on; what its second factor was given with does not.
			if _, err := s.Desk.UnlinkDevices(t.Context(), walk.Console, []idp.DeviceID{s.Device(s.me.ID).ID}, admin.Why{}); err != nil {
				t.Fatal(err)
			}
			if at := s.Session(s.me.ID).FactorAt; !at.IsZero() {
				t.Fatalf("there is a second factor of %s", at)
			}
			s.routes("none")
		})
	}
}

// Beneath a path every page of the administration does the same, and none of its
// addresses leaves the path.
func TestDeskRoutesBeneathAPath(t *testing.T) {
	t.Parallel()
	s := &scene{Walk: walk.Beneath(t, "/a/login"), made: map[string]string{}}
	s.me = s.Enrol(idp.User{Name: "admin", Staff: idp.StaffAdmin})
	s.Stay()
	s.Clock.Add(idp.StepUpFor)
	s.routes("fresh")
}

// routes asks for every page, with the factor that the session has.
func (s *scene) routes(factor string) {
	for _, row := range deskRoutes {
		name := row.route + ", " + string(s.me.Staff) + ", factor " + factor
		allowed := row.act != "" && admin.May(s.me.Staff, row.act) && factor != "none" && (factor == "fresh" || row.act.Reads())
		uses := allowed && row.leaves != "" // it is not there any more, or another, for the rows after it
		if uses {
			clear(s.made)
		}
		path, form := s.fill(row.path), s.fill(row.form)
		if uses {
			clear(s.made)
		}
		before := s.head()
		r := s.ask(row.route, path, form)
		s.Jobs.Wait(time.Minute)
		switch {
		case row.act == "" || s.me.Staff == idp.StaffNone:
			if r.StatusCode != 404 || !strings.Contains(r.Body, "There is nothing here") {
				s.Errorf("%s: %d, want the page of nothing", name, r.StatusCode)
			}
		case !admin.May(s.me.Staff, row.act):
			if r.StatusCode != 403 {
				s.Errorf("%s: %d, want 403", name, r.StatusCode)
			}
		case !allowed:
			if l := s.begun(r); l == nil || l.Purpose != idp.ForStepUp {
				s.Errorf("%s: %d to %q, want a step-up", name, r.StatusCode, r.Header.Get("Location"))
			} else if path, ok := s.Door.Place(l.Target); !ok || !strings.HasPrefix(path, "/admin") {
				s.Errorf("%s: the step-up leads back to %q", name, path)
			}
		case row.leaves == idp.EventTryoutEnded && s.me.Staff == idp.StaffAuditor: // who begins no test is given no answer
			if r.StatusCode != 403 {
				s.Errorf("%s: %d, want 403", name, r.StatusCode)
			}
		default:
			if r.StatusCode != row.want || s.begun(r) != nil {
				s.Errorf("%s: %d to %q, want %d", name, r.StatusCode, r.Header.Get("Location"), row.want)
			}
			s.left(name, before, row.leaves)
			continue
		}
		if s.head() != before {
			s.Errorf("%s: did %v", name, idptest.Must(s.DB.Events(s.Context(), before, 10))(s.TB))
		}
	}
}

// left checks that what was done since is in the log, the last as a kind, all by who
// is before the pages.
func (s *scene) left(name string, since int64, kind idp.EventKind) {
	s.Helper()
	events := idptest.Must(s.DB.Events(s.Context(), since, 100))(s.TB)
	last := idp.EventKind("")
	for _, e := range events {
		if last = e.Kind; e.Kind == idp.EventCodeRedeemed {
			continue // by the relying party of the test
		}
		if e.Actor != (idp.Actor{User: s.me.ID, Name: s.me.Name}) || e.Address != "192.0.2.1" {
			s.Errorf("%s: done by %+v", name, e)
		}
	}
	if last != kind {
		s.Errorf("%s: left %q, want %q", name, last, kind)
	}
}

// heard is a desk that notes who asks.
type heard struct {
	desk.Desk
	by []admin.By
}

func (h *heard) SearchUsers(ctx context.Context, by admin.By, q idp.UserQuery) (*idp.UserPage, error) {
	h.by = append(h.by, by)
	return h.Desk.SearchUsers(ctx, by, q)
}

func (h *heard) UnlinkDevices(ctx context.Context, by admin.By, list []idp.DeviceID, why admin.Why) ([]admin.Unlinked, error) {
	h.by = append(h.by, by)
	return h.Desk.UnlinkDevices(ctx, by, list, why)
}

// The verb is told who asks, with which role, from where, and of when the second
// factor of the session is: never of somebody at the console.
func TestDeskSaysWhoAsks(t *testing.T) {
	t.Parallel()
	h := &heard{}
	w := walk.New(t, func(p *walk.Parts) {
		p.Wrap = func(d desk.Desk) desk.Desk { h.Desk = d; return h }
	})
	helga := w.Enrol(idp.User{Name: "helga", Staff: idp.StaffHelpdesk})
	bert := w.Person(idp.User{Name: "bert"})
	w.Stay()
	w.Clock.Add(time.Minute)
	w.Wants(w.Get("/admin/users"), 200)
	w.Leads(w.Post("/admin/devices/unlink", "devices", string(w.Device(bert.ID).ID), "reason", "lost"), "/admin/devices?did=unlinked&n=1")
	want := admin.By{Actor: idp.Actor{User: helga.ID, Name: "helga"}, Role: idp.StaffHelpdesk, FactorAt: idptest.Noon, Address: "192.0.2.1"}
	for _, by := range h.by {
		if by != want {
			t.Errorf("asked by %+v, want %+v", by, want)
		}
	}
	if len(h.by) != 2 {
		t.Errorf("asked %d times", len(h.by))
	}
}

// late is a desk to which requests come when time has gone by since they were let in.
type late struct {
	desk.Desk
	clock *idptest.Clock
}

func (l *late) UnlinkDevices(ctx context.Context, by admin.By, list []idp.DeviceID, why admin.Why) ([]admin.Unlinked, error) {
	l.clock.Add(idp.StepUpFor)
	return l.Desk.UnlinkDevices(ctx, by, list, why)
}

func (l *late) UnlinkFound(ctx context.Context, by admin.By, q idp.DeviceQuery, digest string, why admin.Why) ([]admin.Unlinked, error) {
	l.clock.Add(idp.StepUpFor)
	return l.Desk.UnlinkFound(ctx, by, q, digest, why)
}

// newLate is an administrator whose second factor ages between the page and the verb.
func newLate(t *testing.T) *scene {
	t.Helper()
	l := &late{}
	s := &scene{made: map[string]string{}, Walk: walk.New(t, func(p *walk.Parts) {
		p.Wrap = func(d desk.Desk) desk.Desk { l.Desk = d; return l }
	})}
	l.clock, s.me = s.Clock, s.Staff(idp.StaffAdmin)
	s.Stay()
	return s
}

// A factor that ages between the page and the verb leads to the step-up too.
func TestDeskFactorAgesInBetween(t *testing.T) {
	t.Parallel()
	s := newLate(t)
	id := s.fill("{device}")
	s.Clock.Add(time.Second)
	before := s.head()
	l := s.begun(s.Post("/admin/devices/unlink", "devices", id, "reason", "lost"))
	if l == nil || l.Purpose != idp.ForStepUp || l.Target != "picked:"+id {
		t.Errorf("begun %+v", l)
	}
	if s.head() != before {
		t.Error("did something")
	}
	if path, _ := s.Door.Place("picked:" + id + "." + id); path != "/admin/devices/unlink?id="+id+"&id="+id {
		t.Errorf("back to %q", path)
	}
	for _, bad := range []string{"picked:", "picked:x", "picked:" + strings.Repeat(id+".", idp.DefaultListPage+1), "device:../..", "reopen:", "nothing:" + id} {
		if path, ok := s.Door.Place(bad); ok {
			t.Errorf("%q is the place %q", bad, path)
		}
	}
}
