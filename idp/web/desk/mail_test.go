package desk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/webtest"
)

// led returns where a POST leads, and waits for the job that it began.
func (d *door) led(r webtest.Reply) string {
	d.Helper()
	if r.StatusCode != http.StatusSeeOther {
		d.Fatalf("%d, want a way on:\n%s", r.StatusCode, r.Body)
	}
	d.conf.Jobs.Wait(time.Minute)
	return r.Header.Get("Location")
}

const toImport = "/admin/users/import"

// mailing is a door of a site that sends mail.
func mailing(t *testing.T, role idp.StaffRole) (*door, *fakeDesk) {
	t.Helper()
	d := open(t, withMail)
	return d, d.staffed(role)
}

const whereUser = "/admin/users/" + aUser

// Every act that makes a link asks how it gets there, mail first, and then leads
// to the person's page, which says where it went: no link is shown anywhere.
func TestDeskSendsLinksByMail(t *testing.T) {
	for act, asked := range map[string]string{
		"reopen": "reopen " + aUser + " lost by mail", "reset": "reset " + aUser + " by mail", "invite": "invite " + aUser + " by mail",
	} {
		d, desk := mailing(t, idp.StaffHelpdesk)
		at := whereUser + "/" + act
		d.Wants(d.Get(at), 200, "Send it to bert@hospital.example", `value="mail" checked`, `value="link"`, "Show it to me, once", "not no mail address")
		d.Leads(d.Post(at, "reason", "lost", "via", "mail"), whereUser+"?did=mailed")
		if !slices.Equal(desk.asked, []string{asked}) {
			t.Errorf("asked %q", desk.asked)
		}
		desk.factors.Invitation = &idp.Invitation{ExpiresAt: noon.Add(time.Hour)}
		d.Wants(d.Get(whereUser+"?did=mailed"), 200, "on its way to bert@hospital.example", "within a minute", "Good until", "not /invite/", "not one-time-word")
		// Shown when that is wanted, and where nothing is said.
		for _, form := range [][]string{{"reason", "lost", "via", "link"}, {"reason", "lost"}, {"reason", "lost", "via", "pigeon"}} {
			d.Wants(d.Post(at, form...), 200, "https://idp.example/invite/one-time-word", "not on its way")
		}
	}
}

// The page does not say that something is on its way when nothing can be.
func TestDeskSaysOnlyWhatIsMailed(t *testing.T) {
	d, desk := mailing(t, idp.StaffAdmin)
	d.Wants(d.Get(whereUser+"?did=mailed"), 200, "not on its way") // no link is open
	desk.factors.Invitation = &idp.Invitation{ExpiresAt: noon}
	d.Wants(d.Get(whereUser), 200, "not on its way", "Good until")
	desk.user.Email = ""
	d.Wants(d.Get(whereUser+"?did=mailed"), 200, "not on its way")
	d.Wants(d.Get(whereUser+"/invite"), 200, "the link is shown to you", `not name="via"`)
	d.Wants(d.Get(whereUser+"/block"), 200, "not the link is shown", `not name="via"`)
	// The address went while the page was open: said, and nothing chosen for them.
	for field, says := range map[string]string{"email": "no mail address to send it to", "mail": "No mail is sent from here"} {
		desk.err = &idp.FieldError{Field: field, Message: map[string]string{"email": "mail.address", "mail": "mail.off"}[field]}
		d.Wants(d.Post(whereUser+"/reopen", "reason", "so lost", "via", "mail"), 422, says, `value="so lost"`, "not aria-invalid", `role="alert" tabindex="-1" autofocus`)
		d.Wants(d.Post(whereUser+"/invite", "via", "mail"), 422, says)
	}
}

// Without mail all is as it was: no control that would do nothing.
func TestDeskWithoutMail(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	for _, path := range []string{whereUser + "/reopen", whereUser + "/reset", whereUser + "/invite", "/admin/users/new"} {
		d.Wants(d.Get(path), 200, `not name="via"`, `not type="radio"`)
	}
	d.Wants(d.Post("/admin/users/new", "username", "carl", "email", "carl@hospital.example", "via", "mail"), 200, "/invite/one-time-word")
	if !slices.Equal(desk.asked, []string{"add carl", "invite " + aUser}) {
		t.Errorf("asked %q", desk.asked)
	}
	desk.tried = admin.Import{People: 2, Mailed: 2}
	at := d.led(d.upload(toImport, multipartOf("text", "username\na\nb", "do", "try")))
	d.Wants(d.Get(at), 200, "2 people can be added", `not name="mail"`, "not by mail")
	d.Wants(d.Get(d.led(d.Post(at+"/add", "mail", "1"))), 200, "2 people were added", "not by mail", "Each waits for an invitation")
	if last := desk.asked[len(desk.asked)-1]; last != "import false" {
		t.Errorf("asked %q", desk.asked)
	}
	desk.start = admin.Start{Devices: 1, Clients: []idp.Client{desk.client}, Tested: desk.client.ID}
	d.Wants(d.Get("/admin/start"), 200, "mail.host")
	d = open(t, withMail)
	d.staffed(idp.StaffAdmin).start = desk.start
	d.Wants(d.Get("/admin/start"), 200, "not mail.host")
}

func TestDeskInvitesByMail(t *testing.T) {
	d, desk := mailing(t, idp.StaffAdmin)
	d.Wants(d.Get("/admin/users/new"), 200, `value="mail" checked`, "if there is one")
	d.Wants(d.Get(whereUser+"/edit"), 200, `not name="via"`)
	d.Leads(d.Post("/admin/users/new", "username", "carl", "email", "carl@hospital.example", "via", "mail"), whereUser+"?did=mailed")
	// Without an address there is a link, and who wants one has it.
	d.Wants(d.Post("/admin/users/new", "username", "carl", "via", "mail"), 200, "/invite/one-time-word")
	d.Wants(d.Post("/admin/users/new", "username", "carl", "email", "carl@hospital.example", "via", "link"), 200, "/invite/one-time-word")
	if want := []string{"add carl", "invite " + aUser + " by mail", "add carl", "invite " + aUser, "add carl", "invite " + aUser}; !slices.Equal(desk.asked, want) {
		t.Errorf("asked %q, want %q", desk.asked, want)
	}
	// What was chosen is kept when something else is wrong.
	desk.err = idp.ErrConflict
	d.Wants(d.Post("/admin/users/new", "username", "carl", "via", "link"), 422, `value="link" checked`, `not value="mail" checked`)
	d.Wants(d.Post("/admin/users/new", "username", "carl", "via", "mail"), 422, `value="mail" checked`)
}

var tryMailed = admin.Import{People: 4, Mailed: 2, MoreUnmailed: 1, Unmailed: []admin.Unmailed{{Line: 3, Name: "<i>frida", User: aUser, Err: &idp.FieldError{Field: "email", Message: "mail.address"}}}}

func TestDeskImportsWithInvitations(t *testing.T) {
	d, desk := mailing(t, idp.StaffAdmin)
	desk.tried = tryMailed
	file := multipartOf("text", "username\na\nb", "do", "try")
	at := d.led(d.upload(toImport, file))
	d.Wants(d.Get(at), 200, "Send 2 invitations by mail", `name="mail" value="1" checked`, "2 people get no invitation by mail", "Line 3", "&lt;i&gt;frida", "No mail address", "and 1 more")
	done := d.led(d.Post(at+"/add", "mail", "1"))
	d.Wants(d.Get(done), 200, "4 people were added", "2 invitations are on their way", "24 hours", `href="/admin/users/`+aUser+`"`, "Each waits for an invitation")
	// Whoever unticks it writes to nobody.
	at = d.led(d.upload(toImport, file))
	d.Wants(d.Get(d.led(d.Post(at+"/add"))), 200, "4 people were added", "not on their way", "Each waits for an invitation")
	desk.tried = admin.Import{People: 1}
	at = d.led(d.upload(toImport, file))
	d.Wants(d.Get(at), 200, "Nobody in the file has a mail address", `not name="mail"`)
	d.led(d.Post(at+"/add", "mail", "1")) // made up: there is nobody to write to
	desk.tried = admin.Import{People: 1, Mailed: 1}
	at = d.led(d.upload(toImport, file))
	d.Wants(d.Get(d.led(d.Post(at+"/add", "mail", "1"))), 200, "1 invitation is on its way", "not Each waits")
	want := []string{"import true by mail", "import false by mail", "import true by mail", "import false", "import true by mail", "import false", "import true by mail", "import false by mail"}
	if !slices.Equal(desk.asked, want) {
		t.Errorf("asked %q, want %q", desk.asked, want)
	}
}

// What breaks off among the letters says that all are added, and how many were
// not written to.
func TestImportBreaksOffAmongTheLetters(t *testing.T) {
	d, desk := mailing(t, idp.StaffAdmin)
	desk.tried = tryMailed
	desk.tried.People = 10
	begun := func() string {
		t.Helper()
		at := d.led(d.upload(toImport, multipartOf("text", "username\na", "do", "try")))
		return d.led(d.Post(at+"/add", "mail", "1"))
	}
	desk.broke = errors.New("the disk is gone")
	at := begun()
	d.Wants(d.Get(at), 200, "10 people were added", "2 invitations are on their way", "went wrong on our side. 6 people were not written to", strings.TrimPrefix(at, "/admin/imports/"), "Each waits", "not the disk")
	if !strings.Contains(d.log.String(), "the disk is gone") {
		t.Error("nothing was logged")
	}

	// Stopped there, it says what is stopped.
	desk.broke = fmt.Errorf("stopped: %w", context.Canceled)
	page := d.led(d.upload(toImport, multipartOf("text", "username\na", "do", "try")))
	there, on := make(chan struct{}), make(chan struct{})
	desk.during = func(_ context.Context, progress func(admin.ImportStep)) error {
		progress(admin.ImportStep{Mailing: true, Done: 5, Of: 10})
		there <- struct{}{}
		<-on
		return nil
	}
	r := d.Post(page+"/add", "mail", "1")
	<-there
	at = r.Header.Get("Location")
	d.Wants(d.Get(at), 200, "Sending invitations", "5 of 10", `data-state="mailing-50"`, `data-step="mailing"`, "Stop sending", "not add nobody")
	d.Leads(d.Post(at+"/stop"), at)
	d.Wants(d.Get(at), 200, "nobody else is written to", "not taken out again")
	close(on)
	d.conf.Jobs.Wait(time.Minute)
	d.Wants(d.Get(at), 200, "10 people were added", "Stopped. 6 people were not written to any more.", "not Nobody was added")

	// After a restart the log knows who was added, and nobody who was written to.
	d.conf.Jobs.all = nil
	desk.events = idp.EventPage{Rows: []idp.Event{{Kind: idp.EventUsersImported, Detail: map[string]string{"sha256": digestOf(jobID(strings.TrimPrefix(at, "/admin/imports/"))) + "77", "count": "10"}}}}
	d.Wants(d.Get(at), 200, "10 people were added", "Whether everybody was written to", "not Each waits")
}

// The log tells a link that was sent from one that was shown.
func TestDeskAuditSaysWhatWasMailed(t *testing.T) {
	d, desk := mailing(t, idp.StaffAuditor)
	desk.events = idp.EventPage{Rows: []idp.Event{{Seq: 2, At: noon, Kind: idp.EventInvited, Detail: map[string]string{"by": "mail"}}}}
	d.Wants(d.Get("/admin/audit"), 200, "One-time link sent by mail")
	delete(desk.events.Rows[0].Detail, "by")
	d.Wants(d.Get("/admin/audit"), 200, "One-time link made", "not sent by mail")
}
