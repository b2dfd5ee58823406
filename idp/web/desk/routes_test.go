package desk

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/webtest"
)

// deskRoutes has a row for every route of the administration: what it is for,
// with what it is asked, and which roles it is there for.
var deskRoutes = []struct {
	route string
	act   admin.Act // empty: nobody finds anything there
	path  string
	form  string
	want  int
}{
	{"GET /admin", admin.ReadDevices, "/admin", "", 303},
	{"GET /admin/", "", "/admin/no-such-page", "", 404},
	{"GET /admin/devices", admin.ReadDevices, "/admin/devices", "", 200},
	{"GET /admin/devices.csv", admin.ReadDevices, "/admin/devices.csv", "", 200},
	{"GET /admin/devices/{id}", admin.ReadDevices, "/admin/devices/" + aDevice, "", 200},
	{"GET /admin/devices/unlink", admin.UnlinkDevice, "/admin/devices/unlink?id=" + aDevice, "", 200},
	{"POST /admin/devices/unlink", admin.UnlinkDevice, "/admin/devices/unlink", "devices=" + aDevice + "&reason=lost", 303},
	{"GET /admin/devices/unlink/found", admin.UnlinkDevice, "/admin/devices/unlink/found?q=bert&f=ios", "", 200},
	{"POST /admin/devices/unlink/found", admin.UnlinkDevice, "/admin/devices/unlink/found?q=bert&f=ios", "digest=a-digest&reason=lost", 303},
	{"GET /admin/users", admin.ReadUsers, "/admin/users", "", 200},
	{"GET /admin/users.csv", admin.ReadUsers, "/admin/users.csv", "", 200},
	{"GET /admin/users/new", admin.AddUsers, "/admin/users/new", "", 200},
	{"POST /admin/users/new", admin.AddUsers, "/admin/users/new", "username=carl", 200},
	{"GET /admin/users/import", admin.AddUsers, "/admin/users/import", "", 200},
	{"POST /admin/users/import", admin.AddUsers, "/admin/users/import", multipartOf("text", "username", "do", "try"), 303},
	{"GET /admin/imports/{id}", admin.ReadUsers, "/admin/imports/" + aSession, "", 404},
	{"GET /admin/imports/{id}/state", admin.ReadUsers, "/admin/imports/" + aSession + "/state", "", 404},
	{"GET /admin/imports/{id}/events", admin.ReadUsers, "/admin/imports/" + aSession + "/events", "", 404},
	{"POST /admin/imports/{id}/add", admin.AddUsers, "/admin/imports/" + aSession + "/add", "x=1", 404},
	{"POST /admin/imports/{id}/stop", admin.AddUsers, "/admin/imports/" + aSession + "/stop", "x=1", 404},
	{"GET /admin/users/{id}", admin.ReadUsers, "/admin/users/" + aUser, "", 200},
	{"GET /admin/users/{id}/edit", admin.EditUsers, "/admin/users/" + aUser + "/edit", "", 200},
	{"POST /admin/users/{id}/edit", admin.EditUsers, "/admin/users/" + aUser + "/edit", "name=Bert", 303},
	{"GET /admin/users/{id}/reopen", admin.Reopen, "/admin/users/" + aUser + "/reopen", "", 200},
	{"POST /admin/users/{id}/reopen", admin.Reopen, "/admin/users/" + aUser + "/reopen", "reason=lost", 200},
	{"GET /admin/users/{id}/reset", admin.ResetPassword, "/admin/users/" + aUser + "/reset", "", 200},
	{"POST /admin/users/{id}/reset", admin.ResetPassword, "/admin/users/" + aUser + "/reset", "x=1", 200},
	{"GET /admin/users/{id}/invite", admin.Invite, "/admin/users/" + aUser + "/invite", "", 200},
	{"POST /admin/users/{id}/invite", admin.Invite, "/admin/users/" + aUser + "/invite", "x=1", 200},
	{"GET /admin/users/{id}/unlock", admin.Unlock, "/admin/users/" + aUser + "/unlock", "", 200},
	{"POST /admin/users/{id}/unlock", admin.Unlock, "/admin/users/" + aUser + "/unlock", "x=1", 303},
	{"GET /admin/users/{id}/block", admin.BlockUsers, "/admin/users/" + aUser + "/block", "", 200},
	{"POST /admin/users/{id}/block", admin.BlockUsers, "/admin/users/" + aUser + "/block", "reason=left", 303},
	{"GET /admin/users/{id}/unblock", admin.BlockUsers, "/admin/users/" + aUser + "/unblock", "", 200},
	{"POST /admin/users/{id}/unblock", admin.BlockUsers, "/admin/users/" + aUser + "/unblock", "x=1", 303},
	{"GET /admin/users/{id}/end", admin.EndSessions, "/admin/users/" + aUser + "/end", "", 200},
	{"POST /admin/users/{id}/end", admin.EndSessions, "/admin/users/" + aUser + "/end", "x=1", 303},
	{"POST /admin/users/{id}/sessions/{session}/end", admin.EndSessions, "/admin/users/" + aUser + "/sessions/" + aSession + "/end", "x=1", 303},
	{"GET /admin/sessions", admin.ReadSessions, "/admin/sessions", "", 200},
	{"GET /admin/applications", admin.ReadClients, "/admin/applications", "", 200},
	{"GET /admin/applications/new", admin.EditClients, "/admin/applications/new", "", 200},
	{"POST /admin/applications/new", admin.EditClients, "/admin/applications/new", "preset=ohif&client_name=OHIF&base=https://ohif.hospital.example", 200},
	{"GET /admin/applications/{client}", admin.ReadClients, "/admin/applications/rad.viewer", "", 200},
	{"GET /admin/applications/{client}/edit", admin.EditClients, "/admin/applications/rad.viewer/edit", "", 200},
	{"POST /admin/applications/{client}/edit", admin.EditClients, "/admin/applications/rad.viewer/edit", "client_name=Viewer", 303},
	{"GET /admin/applications/{client}/secret", admin.EditClients, "/admin/applications/rad.viewer/secret", "", 200},
	{"POST /admin/applications/{client}/secret", admin.EditClients, "/admin/applications/rad.viewer/secret", "x=1", 200},
	{"GET /admin/applications/{client}/disable", admin.EditClients, "/admin/applications/rad.viewer/disable", "", 200},
	{"POST /admin/applications/{client}/disable", admin.EditClients, "/admin/applications/rad.viewer/disable", "x=1", 303},
	{"GET /admin/applications/{client}/enable", admin.EditClients, "/admin/applications/rad.viewer/enable", "", 200},
	{"POST /admin/applications/{client}/enable", admin.EditClients, "/admin/applications/rad.viewer/enable", "x=1", 303},
	{"GET /admin/applications/{client}/remove", admin.EditClients, "/admin/applications/rad.viewer/remove", "", 200},
	{"POST /admin/applications/{client}/remove", admin.EditClients, "/admin/applications/rad.viewer/remove", "x=1", 303},
	{"GET /admin/applications/{client}/icon", admin.EditClients, "/admin/applications/rad.viewer/icon", "", 200},
	{"POST /admin/applications/icon", admin.EditClients, "/admin/applications/icon", multipartOf("client", "rad.viewer", "icon", "a picture"), 303},
	{"GET /admin/settings", admin.ReadSettings, "/admin/settings", "", 200},
	{"GET /admin/settings/edit", admin.EditSettings, "/admin/settings/edit", "", 200},
	{"POST /admin/settings/edit", admin.EditSettings, "/admin/settings/edit", "name=Imaging&do=save", 303},
	{"GET /admin/settings/logo", admin.EditSettings, "/admin/settings/logo", "", 200},
	{"POST /admin/settings/logo", admin.EditSettings, "/admin/settings/logo", multipartOf("logo", "a picture"), 303},
	{"GET /admin/applications/{client}/told", admin.ReadClients, "/admin/applications/rad.viewer/told?who=bert", "", 200},
	{"GET /admin/applications/{client}/told/edit", admin.EditClients, "/admin/applications/rad.viewer/told/edit", "", 200},
	{"POST /admin/applications/{client}/told/edit", admin.EditClients, "/admin/applications/rad.viewer/told/edit", "do=save&name-0=role&from-0=groups", 303},
	{"GET /admin/applications/{client}/try", admin.EditClients, "/admin/applications/rad.viewer/try", "", 200},
	{"POST /admin/applications/{client}/try", admin.EditClients, "/admin/applications/rad.viewer/try", "how=again", 303},
	{"GET /admin/try/callback", admin.ReadClients, "/admin/try/callback?state=s&code=c", "", 303},
	{"GET /admin/try/{id}", admin.ReadClients, "/admin/try/" + aTest, "", 200},
	{"GET /admin/start", admin.ReadClients, "/admin/start", "", 200},
	{"POST /admin/start", admin.EditClients, "/admin/start", "aside=1", 303},
	{"GET /admin/audit", admin.ReadAudit, "/admin/audit", "", 200},
	{"GET /admin/audit.json", admin.ReadAudit, "/admin/audit.json", "", 200},
	{"GET /admin/audit.csv", admin.ReadAudit, "/admin/audit.csv", "", 200},
	{"GET /admin/audit/check", admin.ReadAudit, "/admin/audit/check", "", 200},
	{"POST /admin/audit/check", admin.ReadAudit, "/admin/audit/check", "x=1", 303},
	{"GET /admin/checks/{id}", admin.ReadAudit, "/admin/checks/" + aSession, "", 404},
	{"GET /admin/checks/{id}/state", admin.ReadAudit, "/admin/checks/" + aSession + "/state", "", 404},
	{"GET /admin/checks/{id}/events", admin.ReadAudit, "/admin/checks/" + aSession + "/events", "", 404},
	{"GET /admin/health", admin.ReadHealth, "/admin/health", "", 200},
}

// Every page of the administration is in the table, with the act that its record says,
// and a change is no act that only reads.
func TestEveryDeskRouteIsInTheTable(t *testing.T) {
	acts := map[string]admin.Act{}
	for _, row := range deskRoutes {
		acts[row.route] = row.act
	}
	n := 0
	for _, r := range open(t).page.Routes() {
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

func (d *door) ask(route, path, form string) webtest.Reply {
	d.Helper()
	switch {
	case strings.HasPrefix(form, "--"+boundary):
		return d.upload(path, form)
	case strings.HasPrefix(route, "POST "):
		return d.PostRaw(path, form)
	}
	return d.Get(path)
}

const boundary = "between-the-parts"

// multipartOf is a form that can carry a file; a name «file» is one.
func multipartOf(fields ...string) string {
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		more := ""
		if fields[i] == "file" {
			more = `; filename="people.csv"`
		}
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=%q%s\r\n\r\n%s\r\n", boundary, fields[i], more, fields[i+1])
	}
	return b.String() + "--" + boundary + "--\r\n"
}

func (d *door) upload(path, body string) webtest.Reply {
	d.Helper()
	req, err := http.NewRequest(http.MethodPost, d.URL+path, strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	return d.Do(req)
}

func TestDeskRoutes(t *testing.T) {
	roles := []idp.StaffRole{idp.StaffNone, idp.StaffAuditor, idp.StaffHelpdesk, idp.StaffAdmin}
	for _, row := range deskRoutes {
		t.Run(strings.ReplaceAll(row.route, "/", "_"), func(t *testing.T) {
			// Nobody is signed in: a sign-in begins, and nothing is done.
			d := open(t)
			r := d.ask(row.route, row.path, row.form)
			if row.act == "" {
				d.Wants(r, 404)
			} else {
				d.Leads(r, "/login/"+aLogin)
			}
			if len(d.desk.asked) != 0 {
				t.Errorf("without a session: %q", d.desk.asked)
			}
			for _, role := range roles {
				for _, factor := range []struct {
					name string
					at   time.Time
				}{{"fresh", noon.Add(-idp.StepUpFor)}, {"stale", noon.Add(-idp.StepUpFor - time.Second)}, {"none", time.Time{}}} {
					d := open(t)
					desk := d.staffed(role)
					d.logins.session.FactorAt = factor.at
					r := d.ask(row.route, row.path, row.form)
					d.conf.Jobs.Wait(time.Minute)
					name := string(role) + ", factor " + factor.name
					switch {
					case row.act == "" || role == idp.StaffNone:
						if r.StatusCode != 404 || !strings.Contains(r.Body, "There is nothing here") {
							t.Errorf("%s: %d, want the page of nothing", name, r.StatusCode)
						}
					case !admin.May(role, row.act):
						if r.StatusCode != 403 {
							t.Errorf("%s: %d, want 403", name, r.StatusCode)
						}
					case factor.name == "none", factor.name == "stale" && !row.act.Reads():
						if r.StatusCode != 303 || r.Header.Get("Location") != "/login/"+aLogin || len(d.logins.asked) != 1 || !strings.HasPrefix(d.logins.asked[0], "stepup ") {
							t.Errorf("%s: %d to %q, asked %q, want a step-up", name, r.StatusCode, r.Header.Get("Location"), d.logins.asked)
						} else if path, ok := d.page.Place(strings.TrimPrefix(d.logins.asked[0], "stepup ")); !ok || !strings.HasPrefix(path, "/admin") {
							t.Errorf("%s: the step-up leads back to %q", name, path)
						}
					default:
						if r.StatusCode != row.want {
							t.Errorf("%s: %d, want %d", name, r.StatusCode, row.want)
						}
						if len(desk.asked) > 0 && (desk.by.Role != role || desk.by.Actor.Name != "anna" || desk.by.Console || desk.by.Address != "192.0.2.1" || !desk.by.FactorAt.Equal(factor.at)) {
							t.Errorf("%s: asked by %+v", name, desk.by)
						}
						continue
					}
					if len(desk.asked) != 0 {
						t.Errorf("%s: did %q", name, desk.asked)
					}
				}
			}
		})
	}
}

// A factor that ages between the page and the verb leads to the step-up too.
func TestDeskFactorAgesInBetween(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.err = fmt.Errorf("unlink: %w", idp.ErrStale)
	d.Leads(d.Post("/admin/devices/unlink", "devices", aDevice, "reason", "lost"), "/login/"+aLogin)
	d.asked("stepup picked:" + aDevice)
	if path, _ := d.page.Place("picked:" + aDevice + "." + aDevice); path != "/admin/devices/unlink?id="+aDevice+"&id="+aDevice {
		t.Errorf("back to %q", path)
	}
	for _, bad := range []string{"picked:", "picked:x", "picked:" + strings.Repeat(aDevice+".", idp.DefaultListPage+1), "device:../..", "reopen:", "nothing:" + aUser} {
		if path, ok := d.page.Place(bad); ok {
			t.Errorf("%q is the place %q", bad, path)
		}
	}
}
