package desk_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/webtest/walk"
)

// mailing is a site that sends mail.
func mailing(p *walk.Parts) { p.Desk.Mail, p.Admin.Mail = true, true }

// letters are the sign-in names of those to whom a link is on its way since it was asked last.
func letters(w *walk.Walk) (to []string) {
	w.Helper()
	for {
		m, err := w.DB.ClaimMail(w.Context(), w.Clock.Now())
		if errors.Is(err, idp.ErrNotFound) {
			slices.Sort(to)
			return to
		}
		if err != nil {
			w.Fatal(err)
		}
		if m.Kind != idp.MailLink {
			continue
		}
		u, err := w.DB.User(w.Context(), m.User)
		if err != nil {
			w.Fatal(err)
		}
		to = append(to, u.Name)
	}
}

// invited are the links that were made, oldest first: «enrol bert by mail».
func invited(w *walk.Walk) (all []string) {
	w.Helper()
	for _, e := range w.Events(idp.EventInvited) {
		if e.Actor.Name == walk.Console.Actor.Name {
			continue
		}
		said := e.Detail["purpose"] + " " + e.Detail["user"]
		if e.Detail["by"] != "" {
			said += " by " + e.Detail["by"]
		}
		all = append(all, said)
	}
	return all
}

// Every act that makes a link asks how it gets there, mail first, and then leads
// to the person's page, which says where it went: no link is shown anywhere.
func TestDeskSendsLinksByMail(t *testing.T) {
	t.Parallel()
	w := walk.New(t, mailing)
	bert := w.Person(idp.User{Name: "bert", Email: "bert@hospital.example", EmailVerified: true})
	w.Staff(idp.StaffHelpdesk)
	letters(w)
	at := "/admin/users/" + string(bert.ID)
	var want []string
	for _, row := range []struct{ act, purpose string }{{"reset", "reset"}, {"reopen", "enrol"}, {"invite", "enrol"}} {
		to := at + "/" + row.act
		w.Wants(w.Get(to), 200, "Send it to bert@hospital.example", `value="mail" checked`, `value="link"`, "Show it to me, once", "not no mail address")
		w.Leads(w.Held().Post(to, "reason", "lost", "via", "mail"), at+"?did=mailed")
		if got := letters(w); !slices.Equal(got, []string{"bert"}) {
			t.Errorf("%s wrote to %q", row.act, got)
		}
		w.Wants(w.Get(at+"?did=mailed"), 200, "on its way to bert@hospital.example", "within a minute", "Good until", "not /invite/")
		want = append(want, row.purpose+" bert by mail")
		// Shown when that is wanted, and where nothing is said.
		for _, form := range [][]string{{"reason", "lost", "via", "link"}, {"reason", "lost"}, {"reason", "lost", "via", "pigeon"}} {
			w.Wants(w.Post(to, form...), 200, w.URL+"/invite/", "not on its way")
			want = append(want, row.purpose+" bert")
		}
		if got := letters(w); len(got) != 0 {
			t.Errorf("%s wrote to %q", row.act, got)
		}
		w.Wants(w.Get(at+"?did=mailed"), 200, "not on its way", "Good until") // the link of the letter is dead
	}
	if got := invited(w); !slices.Equal(got, want) {
		t.Errorf("made %q, want %q", got, want)
	}
	if got := w.Events(idp.EventReopened); len(got) != 4 || got[0].User != bert.ID || got[0].Detail["reason"] != "lost" || got[0].Actor.Name != "helpdesk" {
		t.Errorf("reopened: %+v", got)
	}
	if gone := w.Events(idp.EventDeviceUnlinked); len(gone) != 1 || gone[0].Detail["name"] != "Phone of bert" {
		t.Errorf("unlinked: %+v", gone)
	}
}

// The page does not say that something is on its way when nothing can be.
func TestDeskSaysOnlyWhatIsMailed(t *testing.T) {
	t.Parallel()
	w := walk.New(t, mailing)
	bert := w.Add(idp.User{Name: "bert", Email: "bert@hospital.example"})
	w.Staff(idp.StaffAdmin)
	at := "/admin/users/" + string(bert.ID)
	w.Wants(w.Get(at+"?did=mailed"), 200, "not on its way") // no link is open
	w.Leads(w.Held().Post(at+"/invite", "via", "mail"), at+"?did=mailed")
	w.Wants(w.Get(at+"?did=mailed"), 200, "on its way")
	w.Wants(w.Get(at), 200, "not on its way", "Good until")
	if err := w.Desk.EditUser(t.Context(), walk.Console, bert.ID, func(u *idp.User) { u.Email = "" }); err != nil {
		t.Fatal(err)
	}
	w.Wants(w.Get(at+"?did=mailed"), 200, "not on its way")
	w.Wants(w.Get(at+"/invite"), 200, "the link is shown to you", `not name="via"`)
	w.Wants(w.Get(at+"/block"), 200, "not the link is shown", `not name="via"`)
	// The address went while the page was open: said, and nothing chosen for them.
	const gone = "no mail address to send it to"
	w.Wants(w.Post(at+"/reopen", "reason", "so lost", "via", "mail"), 422, gone, `value="so lost"`, "not aria-invalid", `role="alert" tabindex="-1" autofocus`)
	w.Wants(w.Post(at+"/invite", "via", "mail"), 422, gone)

	// So did mail.
	w = walk.New(t, func(p *walk.Parts) { p.Desk.Mail = true })
	at = "/admin/users/" + string(w.Add(idp.User{Name: "bert", Email: "bert@hospital.example"}).ID)
	w.Staff(idp.StaffAdmin)
	w.Wants(w.Post(at+"/reopen", "reason", "so lost", "via", "mail"), 422, "No mail is sent from here", `value="so lost"`, "not aria-invalid", `role="alert" tabindex="-1" autofocus`)
	w.Wants(w.Post(at+"/invite", "via", "mail"), 422, "No mail is sent from here")
	if got := invited(w); len(got) != 0 {
		t.Errorf("made %q", got)
	}
}

// Without mail all is as it was: no control that would do nothing.
func TestDeskWithoutMail(t *testing.T) {
	t.Parallel()
	c := newChief(t)
	bert := c.Add(idp.User{Name: "bert", Email: "bert@hospital.example"})
	at := "/admin/users/" + string(bert.ID)
	for _, path := range []string{at + "/reopen", at + "/reset", at + "/invite", "/admin/users/new"} {
		c.Wants(c.Get(path), 200, `not name="via"`, `not type="radio"`)
	}
	c.Wants(c.Post("/admin/users/new", "username", "carl", "email", "carl@hospital.example", "via", "mail"), 200, c.URL+"/invite/")
	tried := c.Led(c.Upload(toImport, "text", "username,email\na,a@hospital.example\nb,b@hospital.example", "do", "try"))
	c.Wants(c.Get(tried), 200, "2 people can be added", `not name="mail"`, "not by mail")
	c.Wants(c.Get(c.Led(c.Post(tried+"/add", "mail", "1"))), 200, "2 people were added", "not by mail", "Each waits for an invitation")
	if got := invited(c.Walk); !slices.Equal(got, []string{"enrol carl"}) {
		t.Errorf("made %q", got)
	}
	if got := letters(c.Walk); len(got) != 0 {
		t.Errorf("wrote to %q", got)
	}
	for _, row := range []struct {
		c    *chief
		says string
	}{{c, "mail.host"}, {newChief(t, mailing), "not mail.host"}} {
		row.c.app("viewer", nil)
		row.c.begins("viewer", "session")
		row.c.Sees(row.c.Visit("/admin/start"), "/admin/start", "Everything is set up", row.says)
	}
}

func TestDeskInvitesByMail(t *testing.T) {
	t.Parallel()
	w := walk.New(t, mailing)
	bert := w.Add(idp.User{Name: "bert"})
	w.Staff(idp.StaffAdmin)
	w.Wants(w.Get("/admin/users/new"), 200, `name="via" value="mail">Invite and send by mail<`, `name="via" value="link">Invite and show the link<`)
	w.Wants(w.Get("/admin/users/"+string(bert.ID)+"/edit"), 200, `not name="via"`)
	w.Sees(w.Arrive(w.Post("/admin/users/new", "username", "carl", "email", "carl@hospital.example", "via", "mail")), "/admin/users/", "on its way to carl@hospital.example", "not /invite/")
	if !strings.HasSuffix(w.Path, "?did=mailed") {
		t.Errorf("led to %s", w.Path)
	}
	// Without an address nothing is made, and it is said what is missing; who wants a link has it.
	w.Wants(w.Post("/admin/users/new", "username", "carla", "via", "mail"), 422, "There is no mail address", `value="carla"`, `maxlength="254" aria-invalid="true"`)
	w.Wants(w.Post("/admin/users/new", "username", "carla", "via", "link"), 200, w.URL+"/invite/")
	w.Wants(w.Post("/admin/users/new", "username", "carlo", "email", "carlo@hospital.example", "via", "link"), 200, w.URL+"/invite/")
	// Both ways are there again when something else is wrong.
	w.Wants(w.Post("/admin/users/new", "username", "carl", "via", "link"), 422, `id="by-link"`, "Somebody has this user name already")
	if got, want := invited(w), []string{"enrol carl by mail", "enrol carla", "enrol carlo"}; !slices.Equal(got, want) {
		t.Errorf("made %q, want %q", got, want)
	}
	if got := letters(w); !slices.Equal(got, []string{"carl"}) {
		t.Errorf("wrote to %q", got)
	}
	if got, want := names(w), []string{"admin", "bert", "carl", "carla", "carlo"}; !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
}

func TestDeskImportsWithInvitations(t *testing.T) {
	t.Parallel()
	w := walk.New(t, mailing)
	w.Staff(idp.StaffAdmin)
	tried := func(file string) string {
		t.Helper()
		return w.Led(w.Upload(toImport, "text", file, "do", "try"))
	}
	silent := func(n int) string { // people without an address
		return strings.ReplaceAll(strings.TrimPrefix(crowd(n), "username\n"), "\n", ",\n")
	}
	// A page names a hundred of those who get no invitation, an import a thousand.
	at := tried("username,email\nanna,anna@hospital.example\n" + silent(admin.MaxImportFaults+1))
	w.Wants(w.Get(at), 200, "Send 1 invitation by mail", "1,001 people get no invitation by mail", "Line 3", "person0", "and 901 more")

	at = tried("username,email\nanna,anna@hospital.example\nfrida,\nbert,bert@hospital.example\n" + silent(100))
	w.Wants(w.Get(at), 200, "Send 2 invitations by mail", `name="mail" value="1" checked`, "101 people get no invitation by mail", "Line 3", `<span class="of">frida</span>`, "No mail address", "and 1 more")
	done := w.Led(w.Post(at+"/add", "mail", "1"))
	frida, err := w.DB.AccountByName(t.Context(), "frida")
	if err != nil {
		t.Fatal(err)
	}
	w.Wants(w.Get(done), 200, "103 people were added", "2 invitations are on their way", "24 hours", "101 people get no invitation by mail", `href="/admin/users/`+string(frida.User.ID)+`">frida</a>`, "and 1 more", "Each waits for an invitation")
	if got := letters(w); !slices.Equal(got, []string{"anna", "bert"}) {
		t.Errorf("wrote to %q", got)
	}
	// Whoever unticks it writes to nobody.
	at = tried("username,email\ncarl,carl@hospital.example\ncarla,carla@hospital.example")
	w.Wants(w.Get(w.Led(w.Post(at+"/add"))), 200, "2 people were added", "not on their way", "not by mail", "Each waits for an invitation")
	at = tried("username,email\ncarlo,")
	w.Wants(w.Get(at), 200, "Nobody in the file has a mail address", `not name="mail"`)
	w.Wants(w.Get(w.Led(w.Post(at+"/add", "mail", "1"))), 200, "1 person was added") // made up: there is nobody to write to
	if got := letters(w); len(got) != 0 {
		t.Errorf("wrote to %q", got)
	}
	at = tried("username,email\ndora,dora@hospital.example")
	w.Wants(w.Get(w.Led(w.Post(at+"/add", "mail", "1"))), 200, "1 invitation is on its way", "not Each waits")
	if got := letters(w); !slices.Equal(got, []string{"dora"}) {
		t.Errorf("wrote to %q", got)
	}
	if got, want := invited(w), []string{"enrol anna by mail", "enrol bert by mail", "enrol dora by mail"}; !slices.Equal(got, want) {
		t.Errorf("made %q, want %q", got, want)
	}
}

// What breaks off among the letters says that all are added, and how many were
// not written to.
func TestImportBreaksOffAmongTheLetters(t *testing.T) {
	t.Parallel()
	var slow stepwise
	var broken faulty
	w := walk.New(t, mailing, slow.stepping, broken.put)
	w.Staff(idp.StaffAdmin)
	// mailed is a file of n people, all with an address but the third.
	mailed := func(of string, n int) string {
		var b strings.Builder
		b.WriteString("username,email\n")
		for i := range n {
			address := fmt.Sprintf("%s%d@hospital.example", of, i)
			if i == 2 {
				address = ""
			}
			fmt.Fprintf(&b, "%s%d,%s\n", of, i, address)
		}
		return b.String()
	}
	left := 2
	broken.inviting = func() error {
		if left--; left < 0 {
			return errors.New("the disk is gone")
		}
		return nil
	}
	few := mailed("few", 10)
	at := w.Led(w.Post(w.Led(w.Upload(toImport, "text", few, "do", "try"))+"/add", "mail", "1"))
	w.Wants(w.Get(at), 200, "10 people were added", "2 invitations are on their way", "went wrong on our side. 7 people were not written to", strings.TrimPrefix(at, importPath), "few2", "No mail address", "Each waits", "not the disk")
	if !strings.Contains(w.Log.String(), "the disk is gone") {
		t.Error("nothing was logged")
	}
	imported(w, few)
	if got := letters(w); !slices.Equal(got, []string{"few0", "few1"}) {
		t.Errorf("wrote to %q", got)
	}

	// Stopped there, it says what is stopped.
	broken.inviting = nil
	many := mailed("many", 100)
	tried := w.Led(w.Upload(toImport, "text", many, "do", "try"))
	slow.gate = newGate(t)
	slow.gate.deaf = true
	at = w.Post(tried+"/add", "mail", "1").Request.URL.Path
	slow.gate.until(admin.ImportStep{Mailing: true, Done: 50, Of: 100})
	w.Wants(w.Get(at), 200, "Sending invitations", "50 of 100", `data-state="mailing-50"`, `data-step="mailing"`, "Stop sending", "not add nobody")
	w.Leads(w.Held().Post(at+"/stop"), at)
	w.Wants(w.Get(at), 200, "nobody else is written to", "not taken out again")
	slow.gate.through(w)
	w.Wants(w.Get(at), 200, "100 people were added", "49 invitations are on their way", "Stopped. 50 people were not written to any more.", "not Nobody was added")
	imported(w, few, many)
	if got := letters(w); len(got) != 49 {
		t.Errorf("wrote to %d: %q", len(got), got)
	}

	// Half an hour later the log knows who was added, and nobody who was written to.
	w.Forget()
	w.Wants(w.Get(at), 200, "100 people were added", "Whether everybody was written to", "not Each waits")
}

// The log tells a link that was sent from one that was shown.
func TestDeskAuditSaysWhatWasMailed(t *testing.T) {
	t.Parallel()
	w := walk.New(t, mailing)
	bert := w.Add(idp.User{Name: "bert", Email: "bert@hospital.example"})
	w.Staff(idp.StaffAuditor)
	for _, row := range []struct {
		via  admin.Via
		says []string
	}{
		{admin.ViaLink, []string{"One-time link made", "not sent by mail"}},
		{admin.ViaMail, []string{"One-time link made", "One-time link sent by mail"}},
	} {
		if _, err := w.Desk.Invite(t.Context(), walk.Console, bert.ID, row.via); err != nil {
			t.Fatal(err)
		}
		w.Wants(w.Get("/admin/audit?who=bert"), 200, row.says...)
	}
}
