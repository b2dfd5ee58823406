package desk

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
)

func TestDeskReopenAndBlock(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	at := "/admin/users/" + aUser
	d.Wants(d.Get(at+"/reopen"), 200, "Reopen enrolment of Bert", `name="reason"`)
	r := d.Post(at+"/reopen", "reason", "stolen")
	d.Wants(r, 200, "https://idp.example/invite/one-time-word", "Pixel 8", "shown this once")
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Error("the link may be kept")
	}
	d.Leads(d.Post(at+"/block", "reason", "left"), at+"?did=blocked")
	d.Leads(d.Post(at+"/unblock"), at+"?did=unblocked")
	if want := []string{"reopen " + aUser + " stolen", "block " + aUser + " left", "unblock " + aUser}; !slices.Equal(desk.asked, want) {
		t.Errorf("asked %q, want %q", desk.asked, want)
	}
	for _, act := range []string{"/reopen", "/block"} {
		desk.err = &idp.FieldError{Field: "reason", Message: "text.long"}
		d.Wants(d.Post(at+act, "reason", "so long"), 422, `value="so long"`, `id="problem"`)
	}
	desk.err = fmt.Errorf("the last: %w", idp.ErrDenied)
	d.Wants(d.Post(at+"/block", "reason", "x"), 403)
	for _, act := range []string{"/reopen", "/block", "/unblock"} {
		d.Wants(d.Get("/admin/users/"+strings.Replace(aUser, "2", "7", 1)+act), 404)
		d.Wants(d.Get("/admin/users/x"+act), 404)
	}

	// The helpdesk is not asked whether to do what it may not.
	d = open(t)
	d.staffed(idp.StaffHelpdesk).user.Staff = idp.StaffAuditor
	d.Wants(d.Get(at+"/reopen"), 403)
	d.Wants(d.Post(at+"/reopen", "reason", "x"), 403)
}

func TestDeskUsers(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	d.Wants(d.Get("/admin/users?q=bert&f=active&sort=added&down=1"), 200, "Bert &lt;i&gt;Klein", "1 person", "2 of 5", `href="/admin/users/new"`, "/admin/users.csv?", `aria-sort="descending"`)
	if q := desk.people; q.Words != "bert" || !slices.Equal(q.Facets, []idp.UserFacet{idp.UsersActive}) || q.Sort != idp.UsersByAdded || !q.Down {
		t.Errorf("asked for %+v", q)
	}
	d.Wants(d.Get("/admin/users.csv?q=x"), 200, "username")
	for _, f := range idp.UserFacets {
		if userFacets[f].Key == "" {
			t.Errorf("facet %s has no words", f)
		}
	}
	d = open(t)
	d.staffed(idp.StaffHelpdesk)
	d.Wants(d.Get("/admin/users"), 200, "not /admin/users/new")
}

func TestDeskUser(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.factors.Locked = []idp.Counter{{Key: idp.CounterKey{Kind: idp.CountPasswords}}, {Key: idp.CounterKey{Kind: idp.CountCodes}}, {Key: idp.CounterKey{Kind: idp.CountRecovery}}}
	desk.factors.Guard = &idp.PushGuard{Off: true}
	desk.factors.Invitation = &idp.Invitation{ExpiresAt: noon}
	at := "/admin/users/" + aUser
	d.Wants(d.Get(at), 200, "Pixel 8", "3 left", "too many wrong passwords", "too many wrong codes", "Recovery codes wait", "Not me", "192.0.2.9", "viewer", "What happened", at+"/unlock", at+"/reopen", at+"/reset", at+"/block", "not /invite\"", "Good until")
	desk.factors = idp.Factors{}
	d.Wants(d.Get(at), 200, "No device is linked.", at+"/invite", "Not chosen yet", "not "+at+"/reopen", "not "+at+"/unlock", "not "+at+"/reset")
	desk.user.State = idp.UserDisabled
	d.Wants(d.Get(at), 200, at+"/unblock", "not "+at+"/invite")
	d.Wants(d.Get("/admin/users/"+strings.Replace(aUser, "2", "7", 1)), 404)
	d.Wants(d.Get("/admin/users/nobody"), 404)

	d = open(t)
	d.staffed(idp.StaffHelpdesk)
	d.Wants(d.Get(at), 200, at+"/reopen", "not "+at+"/edit", "not "+at+"/block", at+"/end", at+"/sessions/")
	d.desk.user.Staff = idp.StaffAdmin
	d.Wants(d.Get(at), 200, "Administrator", "not "+at+"/reopen", "not "+at+"/reset")
}

func TestDeskInvite(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	d.Wants(d.Post("/admin/users/new", "username", "Carl", "name", " Carl Maes ", "email", "carl@hospital.example", "groups", "a  b", "staff", "helpdesk"), 200, "https://idp.example/invite/one-time-word", "Carl Maes")
	if u := desk.added; u.Name != "Carl" || u.DisplayName != "Carl Maes" || !u.EmailVerified || !slices.Equal(u.Groups, []string{"a", "b"}) || u.Staff != idp.StaffHelpdesk {
		t.Errorf("added %+v", u)
	}
	if !slices.Equal(desk.asked, []string{"add Carl", "invite " + aUser}) {
		t.Errorf("asked %q", desk.asked)
	}
	for err, says := range map[error]string{
		idp.ErrConflict: "Somebody has this user name already.",
		&idp.FieldError{Field: "username", Message: "user.name.letters"}: "made of letters",
	} {
		desk.err = err
		d.Wants(d.Post("/admin/users/new", "username", "carl", "name", `"><b>`, "groups", "x"), 422, says, `value="carl"`, "not \"><b>", `value="x"`, "<h1>Invite a person</h1>")
	}
	desk.asked, desk.err = nil, nil
	d.Wants(d.Post("/admin/users/new", "username", "carl", "groups", strings.Repeat("g ", 200)), 422)
	d.Wants(d.Post("/admin/users/new", "username", "carl", "phone", "1\x002"), 422)
	if len(desk.asked) != 0 {
		t.Errorf("asked %q", desk.asked)
	}
}

func TestDeskEdit(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.user.Phone, desk.user.PhoneVerified, desk.user.Email, desk.user.EmailVerified = "1", false, "a@b", false
	at := "/admin/users/" + aUser
	d.Wants(d.Get(at+"/edit"), 200, "Edit bert", `value="a@b"`, "not id=\"username\"")
	// With a role the devices are asked for that answer for it from now on, those of now.
	role := []string{"name", "Bert K", "email", "new@b", "phone", "1", "roles", "r1 r2", "staff", "auditor"}
	for _, more := range [][]string{nil, {"theirs", "on"}, {"devices", aDevice}, {"theirs", "on", "devices", "DEVICEDEVICEDEVICEDEVICED3"}} {
		d.Wants(d.Post(at+"/edit", append(slices.Clone(role), more...)...), 422, "Pixel 8", `name="theirs"`, `value="`+aDevice+`"`, `value="new@b"`, `value="auditor" selected`)
	}
	if len(desk.asked) != 0 {
		t.Errorf("asked %q", desk.asked)
	}
	d.Leads(d.Post(at+"/edit", append(role, "theirs", "on", "devices", aDevice)...), at+"?did=edited")
	if u := desk.added; u.DisplayName != "Bert K" || !u.EmailVerified || u.PhoneVerified || len(u.Roles) != 2 || u.Staff != idp.StaffAuditor || u.Name != "bert" {
		t.Errorf("edited to %+v", u)
	}
	// A form without the field leaves the role.
	desk.user.Staff = idp.StaffAuditor
	d.Post(at+"/edit", "name", "Bert K")
	if desk.added.Staff != idp.StaffAuditor {
		t.Error("the role went with a form that does not name it")
	}
	// Where there is none, and where a role is taken, nothing is asked.
	desk.user.Staff = idp.StaffNone
	desk.factors.Devices = nil
	d.Leads(d.Post(at+"/edit", "name", "Bert K", "staff", "admin"), at+"?did=edited")
	desk.err = fmt.Errorf("last: %w", idp.ErrDenied)
	d.Wants(d.Post(at+"/edit", "name", "Bert K", "staff", ""), 403, "last administrator")
}

func TestDeskActs(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	at := "/admin/users/" + aUser
	d.Wants(d.Post(at+"/reset"), 200, "one-time-word", "choosing a new password")
	d.Wants(d.Post(at+"/invite"), 200, "one-time-word")
	d.Leads(d.Post(at+"/unlock"), at+"?did=unlocked")
	d.Leads(d.Post(at+"/end"), at+"?did=ended")
	d.Leads(d.Post(at+"/sessions/"+aSession+"/end"), at+"?did=ended&session="+aSession)
	d.Leads(d.Post(at+"/sessions/"+aSession+"/end", "from", "sessions"), "/admin/sessions?did=ended&session="+aSession)
	want := []string{"reset " + aUser, "invite " + aUser, "unlock " + aUser, "end all " + aUser, "end " + aUser + " " + aSession, "end " + aUser + " " + aSession}
	if !slices.Equal(desk.asked, want) {
		t.Errorf("asked %q, want %q", desk.asked, want)
	}
	d.Wants(d.Post(at+"/sessions/x/end"), 404)
	desk.err = idp.ErrConflict
	d.Wants(d.Post(at+"/invite"), 409)
}

func TestDeskSessions(t *testing.T) {
	d := open(t)
	d.staffed(idp.StaffAdmin)
	d.Wants(d.Get("/admin/sessions"), 200, "192.0.2.9", "This one", "/sessions/"+aSession+"/end")
	d.staffed(idp.StaffAuditor)
	d.Wants(d.Get("/admin/sessions?q=x"), 200, "not /end\"")
}
