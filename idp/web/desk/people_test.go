package desk_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/login"
	"hilum/idp/web/webtest"
	"hilum/idp/web/webtest/walk"
)

// userPath is the page of a person.
func userPath(id idp.UserID) string { return "/admin/users/" + string(id) }

// user is somebody as the database has them.
func (s *scene) user(id idp.UserID) *idp.User {
	s.Helper()
	return idptest.Must(s.DB.User(s.Context(), id))(s.TB)
}

// kinds are those of all events after a number, each of which has to be by whoever is
// before the pages.
func (s *scene) kinds(seq int64) (list []idp.EventKind) {
	s.Helper()
	for _, e := range idptest.Must(s.DB.Events(s.Context(), seq, 1000))(s.TB) {
		if list = append(list, e.Kind); e.Actor != (idp.Actor{User: s.me.ID, Name: s.me.Name}) {
			s.Errorf("the log has %+v", e)
		}
	}
	return list
}

// did checks what the log says of what was done since.
func (s *scene) did(seq int64, want ...idp.EventKind) {
	s.Helper()
	if got := s.kinds(seq); !slices.Equal(got, want) {
		s.Errorf("did %q, want %q", got, want)
	}
}

var linkShown = regexp.MustCompile(`id="link" class="secret">([^<]*)<`)

// takes opens the one-time link of a page, which was shown this once, in a browser of
// its own, and checks what it begins with.
func (s *scene) takes(page string, says ...string) {
	s.Helper()
	m := linkShown.FindStringSubmatch(page)
	if m == nil || !strings.HasPrefix(m[1], s.URL+"/invite/") {
		s.Errorf("no link on %s", page)
		return
	}
	s.Elsewhere(func() {
		path := strings.TrimPrefix(m[1], s.URL)
		s.Sees(s.Submit(s.Visit(path), path), "/login/", says...)
	})
}

func TestDeskReopenAndBlock(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAdmin)
	path := userPath(w.bert.ID)
	w.Wants(w.Get(path+"/reopen"), 200, "Reopen enrolment of Bert", `name="reason"`)
	long := strings.Repeat("so long ", admin.MaxReason/8+1)
	before := w.head()
	for _, act := range []string{"/reopen", "/block"} {
		w.Wants(w.Post(path+act, "reason", long), 422, `value="`+long+`"`, `id="problem"`)
	}
	w.did(before)

	before = w.head()
	w.Leads(w.Post(path+"/block", "reason", "left"), path+"?did=blocked")
	if u := w.user(w.bert.ID); u.State != idp.UserDisabled {
		t.Errorf("blocked, and %s", u.State)
	}
	w.Leads(w.Post(path+"/unblock"), path+"?did=unblocked")
	if u := w.user(w.bert.ID); u.State != idp.UserActive {
		t.Errorf("unblocked, and %s", u.State)
	}
	w.did(before, idp.EventUserDisabled, idp.EventSessionEnded, idp.EventUserEnabled)
	if e := w.Events(idp.EventUserDisabled); e[0].Detail["reason"] != "left" {
		t.Errorf("the log has %+v", e)
	}

	before = w.head()
	r := w.Post(path+"/reopen", "reason", "stolen")
	w.Wants(r, 200, "One-time link for Bert &lt;i&gt;Klein", w.URL+"/invite/", "Pixel 8", shownOld, "shown this once")
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Error("the link may be kept")
	}
	if left := w.names(w.bert.ID); len(left) != 0 {
		t.Errorf("linked are %q", left)
	}
	w.takes(r.Body, "not new-password", `id="password-form"`) // the password that was chosen stays
	if reopened := w.since(before, idp.EventReopened); len(reopened) != 1 || reopened[0].Detail["reason"] != "stolen" || reopened[0].User != w.bert.ID || reopened[0].Actor.User != w.me.ID {
		t.Errorf("the log has %+v", reopened)
	}

	before = w.head()
	w.Wants(w.Post(userPath(w.me.ID)+"/block", "reason", "x"), 403) // the last administrator
	for _, act := range []string{"/reopen", "/block", "/unblock"} {
		w.Wants(w.Get(userPath(idp.NewID[idp.UserID]())+act), 404)
		w.Wants(w.Get("/admin/users/x"+act), 404)
	}
	w.did(before)
}

// The helpdesk is not asked whether to do what it may not.
func TestDeskHelpdeskAndStaff(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffHelpdesk)
	audrey := w.Person(idp.User{Name: "audrey", Staff: idp.StaffAuditor})
	before := w.head()
	w.Wants(w.Get(userPath(audrey.ID)+"/reopen"), 403)
	w.Wants(w.Post(userPath(audrey.ID)+"/reopen", "reason", "x"), 403)
	w.did(before)
	w.Device(audrey.ID)
}

func TestDeskUsers(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAdmin)
	w.Add(idp.User{Name: "berta"}) // is invited
	w.Clock.Add(time.Minute)
	w.Person(idp.User{Name: "bertram", DisplayName: "Bertram Groß"})
	page := w.Get("/admin/users?q=bert&f=active&sort=added&down=1")
	w.Wants(page, 200, "Bert &lt;i&gt;Klein", "2 people", "2 of 5", `href="/admin/users/new"`, "/admin/users.csv?", `aria-sort="descending"`, "not berta")
	if strings.Index(page.Body, "Bertram") > strings.Index(page.Body, "Bert &lt;i&gt;") {
		t.Error("the latest is not the first")
	}
	// Name over user name in one cell, by either of which the list can be ordered.
	w.Wants(page, 200, `<span class="second clip" dir="auto" title="bertram">bertram</span>`, `title="Bert &lt;i&gt;Klein&lt;/i&gt;"`, `title="bert@hospital.example"`)
	w.Wants(w.Get("/admin/users?sort=name&down=1"), 200, `aria-sort="descending"><span class="orders"><a href="/admin/users" data-turn id="by-person">`, `id="by-name" aria-current="true"`)
	w.Wants(w.Get("/admin/users?q=bert@hosp"), 200, "1 person", "not Bertram")
	r := w.Get("/admin/users.csv?q=bert@hosp&f=active")
	w.Wants(r, 200, "username,", "bert,Bert <i>Klein</i>,", "bert@hospital.example", "not bertram")
	if e := w.Events(idp.EventExported); len(e) != 1 || e[0].Detail["list"] != admin.ListUsers || e[0].Detail["filter"] != "q=bert@hosp f=active" || e[0].Detail["count"] != "1" {
		t.Errorf("the log has %+v", e)
	}

	w = newWard(t, idp.StaffHelpdesk)
	w.Wants(w.Get("/admin/users"), 200, "Bert &lt;i&gt;Klein", "not /admin/users/new")
}

// besieged has a stranger who knows Bert's password try all that there is, until each
// waits: phones that are asked, codes, recovery codes, and passwords.
func (w *ward) besieged() {
	w.Helper()
	w.Elsewhere(func() {
		password := func() string {
			w.Fresh()
			return w.Submit(w.Visit("/account"), "/password", "username", "bert", "password", walk.Password)
		}
		phone := &idp.Speaker{Device: w.pixel}
		for range 2 {
			password()
			asked := idptest.Must(w.Flow.Asked(w.Context(), phone))(w.TB)
			if len(asked) != 1 {
				w.Fatalf("the phone is asked %d times", len(asked))
			}
			r := login.Reply{Challenge: asked[0].ID, DocHash: asked[0].DocHash(), Verdict: idp.Verdict{NotMe: true, Reason: "not_me"}}
			if _, err := w.Flow.Answer(w.Context(), phone, r); err != nil {
				w.Fatal(err)
			}
			w.Clock.Add(16 * time.Minute) // the stranger may ask again
		}
		page := password()
		for range 5 {
			page = w.Submit(page, "/recovery", "recovery_code", "AAAA-AAAA-AAAA-AAAA")
		}
		page = password()
		for range 3 {
			page = w.Submit(page, "/code", "code", "000000")
		}
		w.Fresh()
		page = w.Visit("/account")
		for range 5 {
			page = w.Submit(page, "/password", "username", "bert", "password", "wrong")
		}
	})
}

func TestDeskUser(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAdmin)
	path := userPath(w.bert.ID)
	app := idp.Client{ID: "viewer", Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthNone, GrantTypes: []string{idp.GrantCode}, RedirectURIs: []string{"https://viewer.hospital.example/cb"}, Scopes: []string{"openid"}}
	w.Register(app)
	w.besieged()
	w.Fresh()
	w.me = w.Enrol(idp.User{Name: "now", Staff: idp.StaffAdmin}) // whose second factor is of now
	w.Stay()
	r := w.Post(path + "/reset")
	w.Wants(r, 200, "One-time link")
	w.Wants(w.Get(path), 200, "Pixel 8", "10 left", "too many wrong passwords", "too many wrong codes", "Recovery codes wait", "Phones are not asked any more, after «Not me»", "What happened", path+"/unlock", path+"/reopen", path+"/reset", path+"/block", "not /invite\"", "Good until")

	// Unlocked, nothing waits, and Bert gets in: the sign-in and the application are shown.
	w.Leads(w.Post(path+"/unlock"), path+"?did=unlocked")
	w.Leads(w.Post(path+"/end"), path+"?did=ended")
	w.Elsewhere(func() {
		w.SignIn(w.bert, w.Visit("/account"))
		w.Opens(&app)
	})
	session := w.Session(w.bert.ID)
	w.Wants(w.Get(path), 200, "not id=\"locked\"", "not "+path+"/unlock", "192.0.2.1</span> · viewer", path+"/end", path+"/sessions/"+string(session.ID)+"/end")

	carl := w.Add(idp.User{Name: "carl"})
	path = userPath(carl.ID)
	w.Wants(w.Get(path), 200, "No device is linked.", path+"/invite", "Not chosen yet", "0 left", "not "+path+"/reopen", "not "+path+"/unlock", "not "+path+"/reset", "not Good until")
	w.Leads(w.Post(path+"/block", "reason", "left"), path+"?did=blocked")
	w.Wants(w.Get(path), 200, path+"/unblock", "not "+path+"/invite")
	w.Wants(w.Get(userPath(idp.NewID[idp.UserID]())), 404)
	w.Wants(w.Get("/admin/users/nobody"), 404)
}

func TestDeskUserForTheHelpdesk(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffHelpdesk)
	path := userPath(w.bert.ID)
	w.Wants(w.Get(path), 200, path+"/reopen", "not "+path+"/edit", "not "+path+"/block", path+"/end", path+"/sessions/")
	chief := w.Person(idp.User{Name: "chief", Staff: idp.StaffAdmin})
	path = userPath(chief.ID)
	w.Wants(w.Get(path), 200, "Administrator", "Phone of chief", "not "+path+"/reopen", "not "+path+"/reset")
}

func TestDeskInvite(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAdmin)
	before := w.head()
	r := w.Post("/admin/users/new", "username", "Carl", "name", " Carl Maes ", "email", "carl@hospital.example", "groups", "a  b", "staff", "helpdesk")
	w.Wants(r, 200, w.URL+"/invite/", "Carl Maes")
	u := idptest.Must(w.DB.AccountByName(t.Context(), "carl"))(t).User
	if u.DisplayName != "Carl Maes" || !u.EmailVerified || !slices.Equal(u.Groups, []string{"a", "b"}) || u.Staff != idp.StaffHelpdesk || u.State != idp.UserInvited {
		t.Errorf("added %+v", u)
	}
	w.did(before, idp.EventUserCreated, idp.EventInvited)
	w.takes(r.Body, "<b>carl</b>")

	before = w.head()
	for username, says := range map[string]string{"carl": "Somebody has this user name already.", "ca rl": "made of letters"} {
		w.Wants(w.Post("/admin/users/new", "username", username, "name", `"><b>`, "groups", "x"), 422, says, `value="`+username+`"`, "not \"><b>", `value="x"`, "<h1>Invite a person</h1>")
	}
	w.Wants(w.Post("/admin/users/new", "username", "dora", "groups", strings.Repeat("g ", 200)), 422)
	w.Wants(w.Post("/admin/users/new", "username", "dora", "phone", "1\x002"), 422)
	w.did(before)
	if n := idptest.Must(w.DB.CountUsers(t.Context()))(t); n != 3 {
		t.Errorf("%d people", n)
	}
}

func TestDeskEdit(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAdmin)
	if err := w.Desk.EditUser(t.Context(), walk.Console, w.bert.ID, func(u *idp.User) { u.Phone, u.Email = "1", "a@b.example" }); err != nil {
		t.Fatal(err)
	}
	path := userPath(w.bert.ID)
	w.Wants(w.Get(path+"/edit"), 200, "Edit bert", `value="a@b.example"`, "not id=\"username\"")
	// With a role the devices are asked for that answer for it from now on, those of now.
	before, linked := w.head(), ""
	for i, d := range idptest.Must(w.DB.Devices(t.Context(), w.bert.ID))(t) {
		linked += map[bool]string{true: "."}[i > 0] + string(d.ID)
	}
	role := []string{"name", "Bert K", "email", "new@b.example", "phone", "1", "roles", "r1 r2", "staff", "auditor"}
	for _, more := range [][]string{nil, {"theirs", "on"}, {"devices", linked}, {"theirs", "on", "devices", string(w.pixel.ID)}} {
		w.Wants(w.Post(path+"/edit", append(slices.Clone(role), more...)...), 422, "Pixel 8", shownOld, `name="theirs"`, `value="`+linked+`"`, `value="new@b.example"`, `value="auditor" selected`)
	}
	w.did(before)
	w.Leads(w.Post(path+"/edit", append(role, "theirs", "on", "devices", linked)...), path+"?did=edited")
	if u := w.user(w.bert.ID); u.DisplayName != "Bert K" || u.Email != "new@b.example" || !u.EmailVerified || u.Phone != "1" || u.PhoneVerified || !slices.Equal(u.Roles, []string{"r1", "r2"}) || u.Staff != idp.StaffAuditor || u.Name != "bert" {
		t.Errorf("edited to %+v", u)
	}
	changed := w.since(before, idp.EventUserChanged)
	if len(changed) != 1 || changed[0].Actor.User != w.me.ID || changed[0].User != w.bert.ID || changed[0].Detail["staff"] != "auditor" || !strings.Contains(changed[0].Detail["devices"], "Pixel 8") {
		t.Errorf("the log has %+v", changed)
	}
	w.Wants(w.Get(path+"?did=edited"), 200, "The changes are saved.", "new@b.example", "Auditor")
	// A form without the field leaves the role.
	w.Leads(w.Post(path+"/edit", "name", "Bert L"), path+"?did=edited")
	if u := w.user(w.bert.ID); u.Staff != idp.StaffAuditor || u.DisplayName != "Bert L" {
		t.Errorf("the role went with a form that does not name it: %+v", u)
	}
	// Where there is none, and where a role is taken, nothing is asked.
	w.Leads(w.Post(path+"/edit", "name", "Bert L", "staff", ""), path+"?did=edited")
	carl := w.Add(idp.User{Name: "carl"})
	w.Leads(w.Post(userPath(carl.ID)+"/edit", "name", "Carl", "staff", "admin"), userPath(carl.ID)+"?did=edited")
	if b, c := w.user(w.bert.ID), w.user(carl.ID); b.Staff != idp.StaffNone || c.Staff != idp.StaffAdmin {
		t.Errorf("the roles are %q and %q", b.Staff, c.Staff)
	}
	before = w.head()
	w.Wants(w.Post(userPath(w.me.ID)+"/edit", "name", "Me", "staff", ""), 403, "last administrator")
	w.did(before)
}

func TestDeskActs(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAdmin)
	path, carl := userPath(w.bert.ID), w.Add(idp.User{Name: "carl"})
	before := w.head()
	r := w.Post(path + "/reset")
	w.Wants(r, 200, w.URL+"/invite/", "choosing a new password")
	w.takes(r.Body, "new-password", `not id="secret"`)
	w.did(before, idp.EventInvited)
	before = w.head()
	r = w.Post(userPath(carl.ID) + "/invite")
	w.Wants(r, 200, w.URL+"/invite/")
	w.takes(r.Body, "You link your phone after that")
	w.did(before, idp.EventInvited)
	before = w.head()
	w.Leads(w.Post(path+"/unlock"), path+"?did=unlocked")
	w.did(before, idp.EventUserUnlocked)

	signIn := func() idp.Session {
		w.Elsewhere(func() { w.SignIn(w.bert, w.Visit("/account")) })
		var last idp.Session
		for _, s := range idptest.Must(w.DB.Sessions(t.Context(), w.bert.ID, w.Clock.Now()))(t) {
			if s.CreatedAt.After(last.CreatedAt) {
				last = s
			}
		}
		return last
	}
	ends := func(act string, want int, fields ...string) webtest.Reply {
		t.Helper()
		before := w.head()
		r := w.Post(path+act, fields...)
		if ended := w.since(before, idp.EventSessionEnded); len(ended) != want || len(w.kinds(before)) != want {
			t.Errorf("%s ended %+v", act, ended)
		}
		return r
	}
	signIn()
	w.Leads(ends("/end", 2), path+"?did=ended")
	for _, from := range []string{"", "sessions"} {
		one := signIn()
		kept := signIn()
		back := path + "?did=ended&session="
		if from != "" {
			back = "/admin/sessions?did=ended&session="
		}
		w.Leads(ends("/sessions/"+string(one.ID)+"/end", 1, "from", from), back+string(one.ID))
		if left := w.Session(w.bert.ID); left.ID != kept.ID {
			t.Errorf("session %s is left", left.ID)
		}
		w.Wants(w.Get(back+string(one.ID)), 200, "Ended.")
		ends("/end", 1)
	}
	before = w.head()
	w.Wants(w.Post(path+"/sessions/x/end"), 404)
	w.Wants(w.Post(path+"/invite"), 409) // a device is linked
	w.did(before)
}

func TestDeskSessions(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAdmin)
	end := "/sessions/" + string(w.Session(w.bert.ID).ID) + "/end"
	w.Wants(w.Get("/admin/sessions"), 200, "192.0.2.1", "Bert &lt;i&gt;Klein", "This one", end)
	w.Wants(w.Get("/admin/sessions?q=x"), 200, "not Bert &lt;i&gt;Klein", "not "+end)
	w = newWard(t, idp.StaffAuditor)
	w.Wants(w.Get("/admin/sessions?q=bert"), 200, "Bert &lt;i&gt;Klein", "not /end\"")
}

// Somebody new needs a user name; the rest is folded, unless it was filled in. A language is
// one that there are words in, or the one that is known.
func TestDeskInviteForm(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAdmin)
	const path, folded, unfolded = "/admin/users/new", `<details class="more">`, `<details class="more" open>`
	w.Wants(w.Get(path), 200, folded, ">Invite and show the link<", `not id="by-link"`, `<option value="nl">Nederlands</option>`, `<option value="">Not set</option>`)
	w.Wants(w.Post(path, "username", "bert", "email", "b@b.example"), 422, folded, `value="b@b.example"`)
	w.Wants(w.Post(path, "username", "bert", "locale", "fr"), 422, unfolded, `<option value="fr" selected>`)
	w.Wants(w.Post(path, "username", "carl", "phone", strings.Repeat("1", 300)), 422, unfolded)
	w.Wants(w.Post(path, "username", "carl", "locale", "no language"), 422, unfolded, `<option value="no language" selected>`, `id="locale" name="locale" aria-invalid="true"`)
	w.Wants(w.Post(path, "username", "carl", "locale", "nl"), 200, w.URL+"/invite/")
	flemish := w.Add(idp.User{Name: "fleur", Locale: "nl-BE"})
	w.Wants(w.Get(userPath(flemish.ID)+"/edit"), 200, "not "+folded, `<option value="nl-BE" selected>nl-BE</option>`, `<option value="nl">`)
	w.Leads(w.Post(userPath(flemish.ID)+"/edit", "name", "Fleur", "locale", "nl-BE"), userPath(flemish.ID)+"?did=edited")
	if u := w.user(flemish.ID); u.Locale != "nl-BE" {
		t.Errorf("the language became %q", u.Locale)
	}
}
