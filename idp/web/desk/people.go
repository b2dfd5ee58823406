package desk

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/page"
	"hilum/templates"
)

// people is the accounts, what is done to one, and who is signed in.
type people struct {
	room
	desk interface {
		People
		Acts
		Sessions
	}
}

// userFacets are the words of the facets.
var userFacets = map[idp.UserFacet]templates.Message{
	idp.UsersActive:   templates.Say("admin.state.active"),
	idp.UsersInvited:  templates.Say("admin.state.invited"),
	idp.UsersDisabled: templates.Say("admin.blocked"),
	idp.UsersStaff:    templates.Say("admin.facet.staff"),
	idp.UsersNoDevice: templates.Say("admin.facet.nodevice"),
}

// users is the list as a query for people.
func (l listing) users() idp.UserQuery {
	q := idp.UserQuery{Words: l.words, Sort: idp.UserSort(l.sort), Down: l.down, Page: l.page()}
	for _, f := range l.facets {
		q.Facets = append(q.Facets, idp.UserFacet(f))
	}
	return q
}

func (s *people) list(w http.ResponseWriter, r *http.Request, p staff) error {
	l := readListing(r, peoplePath)
	found, err := s.desk.SearchUsers(r.Context(), p.by, l.users())
	if err != nil {
		return err
	}
	view := templates.AdminUsers{
		Frame: s.frame(r, p, "users"), Note: deskNote(r), List: l.list(found.Cursors, len(found.Rows), found.Total), MayAdd: p.may(admin.AddUsers), Max: idp.MaxDevices,
		ByPerson: l.head(string(idp.UsersByPerson), true, false), ByName: l.head(string(idp.UsersByName), false, false), ByAdded: l.head(string(idp.UsersByAdded), false, true),
	}
	if t := found.Total; t != nil {
		view.Total = templates.Say("admin.users.count", "N", t.N, "Count", templates.Count{N: t.N, More: t.More})
	}
	for _, f := range idp.UserFacets {
		n := found.Facets[f]
		view.Chips = append(view.Chips, l.chip(string(f), userFacets[f], n, found.Facets != nil))
	}
	for i := range found.Rows {
		a := &found.Rows[i]
		view.Rows = append(view.Rows, templates.DeskAccount{DeskPerson: deskPersonOf(&a.User), Groups: a.User.Groups, Devices: a.Devices, AddedAt: a.User.CreatedAt})
	}
	return s.door.Render(w, http.StatusOK, view)
}

func (s *people) csv(w http.ResponseWriter, r *http.Request, p staff) error {
	q := readListing(r, peoplePath).users()
	return s.download(w, r, "text/csv; charset=utf-8", "people.csv", func(out io.Writer) error {
		return s.desk.UsersCSV(r.Context(), p.by, q, s.sheet(r, p), out)
	})
}

// one shows one person: who they are, what they can prove themselves with, where they
// are signed in, and what happened.
func (s *people) one(w http.ResponseWriter, r *http.Request, p staff) error {
	u, err := s.subject(r, p, admin.ReadUsers)
	if err != nil {
		return err
	}
	f, err := s.desk.Factors(r.Context(), p.by, u.ID)
	if err != nil {
		return err
	}
	sessions, err := s.desk.SearchSessions(r.Context(), p.by, idp.SessionQuery{User: u.ID})
	if err != nil {
		return err
	}
	ended, err := s.desk.EndedSessions(r.Context(), p.by, u.ID)
	if err != nil {
		return err
	}
	note, err := s.endedNote(r, p, ended)
	if err != nil {
		return err
	}
	happened, err := s.desk.UserHistory(r.Context(), p.by, u.ID)
	if err != nil {
		return err
	}
	open := u.State != idp.UserDisabled
	view := templates.AdminUser{
		Frame: s.frame(r, p, "users"), Note: note, Person: deskPersonOf(u), Roles: u.Roles, Groups: u.Groups, Phone: u.Phone, Locale: u.Locale,
		AddedAt: u.CreatedAt, Password: f.Password, Recovery: f.RecoveryLeft, Max: idp.MaxDevices,
		MayEdit: p.mayUpon(admin.EditUsers, u), MayUnlink: p.mayUpon(admin.UnlinkDevice, u), MayEnd: p.mayUpon(admin.EndSessions, u),
		MayInvite: open && len(f.Devices) == 0 && p.mayUpon(admin.Invite, u), MayReopen: open && len(f.Devices) > 0 && p.mayUpon(admin.Reopen, u),
		MayReset: open && f.Password && p.mayUpon(admin.ResetPassword, u), MayBlock: p.mayUpon(admin.BlockUsers, u) && u.ID != p.User.ID,
	}
	view.Ended, view.Events = s.endedList(ended, view.Lang), s.events(happened, view.Lang)
	for i := range f.Devices {
		view.Devices = append(view.Devices, page.DeviceOf(f.Devices[i]))
	}
	for i := range f.Locked {
		view.Locked = append(view.Locked, lockWords(&f.Locked[i]))
	}
	if f.Guard != nil && f.Guard.Off {
		view.Locked = append(view.Locked, templates.Say("admin.locked.phones"))
	}
	view.MayUnlock = len(view.Locked) > 0 && p.mayUpon(admin.Unlock, u)
	if f.Invitation != nil {
		view.InvitedUntil = f.Invitation.ExpiresAt
		if r.URL.Query().Get("did") == "mailed" && f.Invitation.Mailed { // one that was shown since ends it
			view.MailedTo = u.Email
		}
	}
	for i := range sessions.Rows {
		view.Sessions = append(view.Sessions, s.deskSessionOf(&sessions.Rows[i], p.Session.ID, view.Lang))
	}
	return s.door.Render(w, http.StatusOK, view)
}

// lockWords say what a counter that holds a person back keeps them from.
func lockWords(c *idp.Counter) templates.Message {
	switch c.Key.Kind {
	case idp.CountPasswords:
		return templates.Say("admin.locked.password")
	case idp.CountFirst:
		return templates.Say("admin.locked.first")
	case idp.CountRecovery:
		return templates.Say("admin.locked.recovery")
	case idp.CountForgotten:
		return templates.Say("admin.locked.forgotten")
	case idp.CountCodes:
	}
	return templates.Say("admin.locked.code")
}

// readPerson reads what a form says about a person into an account. A mail address or
// telephone number that an administrator has changed counts as verified.
func readPerson(r *http.Request, u *idp.User) {
	text := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	u.DisplayName, u.GivenName, u.FamilyName, u.Locale = text("name"), text("given_name"), text("family_name"), text("locale")
	if u.Email != text("email") {
		u.Email, u.EmailVerified = text("email"), text("email") != ""
	}
	if u.Phone != text("phone") {
		u.Phone, u.PhoneVerified = text("phone"), text("phone") != ""
	}
	u.Roles, u.Groups = admin.ReadList(text("roles")), admin.ReadList(text("groups"))
}

func (s *people) personForm(r *http.Request, p staff, u *idp.User) templates.AdminPerson {
	return templates.AdminPerson{
		Frame: s.frame(r, p, "users"), Person: templates.DeskPerson{ID: string(u.ID), Name: u.Name, Shown: u.DisplayName, Email: u.Email, State: string(u.State), Staff: string(u.Staff)},
		GivenName: u.GivenName, FamilyName: u.FamilyName, Phone: u.Phone, Locale: u.Locale, Roles: admin.WriteList(u.Roles), Groups: admin.WriteList(u.Groups),
		MayStaff: p.may(admin.EditRoles), Locales: s.locales(u.Locale), Mail: s.mail,
	}
}

// locales are the languages that a person can be said to read: those that there are words
// in, and the one that is known already, such as "nl-BE".
func (s *people) locales(known string) []templates.Language {
	list := s.door.Words().Languages()
	if known != "" && !slices.ContainsFunc(list, func(l templates.Language) bool { return l.Tag == known }) {
		list = append(list, templates.Language{Tag: known, Name: known})
	}
	return list
}

// wrongPerson shows the form again with what is wrong in it. An err that is about none of
// its fields is returned.
func (s *people) wrongPerson(w http.ResponseWriter, view templates.AdminPerson, err error) error {
	var ok bool
	status := http.StatusUnprocessableEntity
	if view.Wrong, view.Problem, ok = s.door.FieldProblem(err); !ok {
		switch {
		case errors.Is(err, idp.ErrConflict):
			view.Wrong, view.Problem = "username", templates.Say("username.taken")
		case errors.Is(err, idp.ErrDenied):
			status = http.StatusForbidden
			view.Wrong, view.Problem = "staff", templates.Say("admin.person.last")
		default:
			return err
		}
	}
	return s.door.Render(w, status, view)
}

func (s *people) newPage(w http.ResponseWriter, r *http.Request, p staff) error {
	return s.door.Render(w, http.StatusOK, s.personForm(r, p, &idp.User{}))
}

// add makes the account, and mails the invitation or shows its link, this once, as the
// button says. Where it is to be mailed and there is no address, nothing is made.
func (s *people) add(w http.ResponseWriter, r *http.Request, p staff) error {
	u := &idp.User{Name: r.PostFormValue("username"), Staff: idp.StaffRole(r.PostFormValue("staff"))}
	readPerson(r, u)
	typed := *u
	via := viaOf(r)
	if !s.mail {
		via = admin.ViaLink
	}
	if via == admin.ViaMail && u.Email == "" {
		view := s.personForm(r, p, &typed)
		view.Wrong, view.Problem = "email", templates.Say("mail.address")
		return s.door.Render(w, http.StatusUnprocessableEntity, view)
	}
	err := s.desk.AddUser(r.Context(), p.by, u)
	if errors.Is(err, idp.ErrStale) {
		return err
	}
	if err != nil {
		return s.wrongPerson(w, s.personForm(r, p, &typed), err)
	}
	link, err := s.desk.Invite(r.Context(), p.by, u.ID, via)
	if err != nil {
		return err
	}
	if link.To != "" {
		return page.SeeOther(w, r, userPath(u.ID)+"?did=mailed")
	}
	return s.showOneTimeLink(w, r, p, u, link, templates.AdminLink{Text: templates.Say("admin.link.enrol")})
}

func (s *people) editPage(w http.ResponseWriter, r *http.Request, p staff) error {
	u, err := s.subject(r, p, admin.EditUsers)
	if err != nil {
		return err
	}
	return s.door.Render(w, http.StatusOK, s.personForm(r, p, u))
}

// linked are the devices of a person, as pages show them.
func (s *people) linked(r *http.Request, p staff, id idp.UserID) ([]templates.Device, error) {
	f, err := s.desk.Factors(r.Context(), p.by, id)
	if err != nil {
		return nil, err
	}
	var out []templates.Device
	for i := range f.Devices {
		out = append(out, page.DeviceOf(f.Devices[i]))
	}
	return out, nil
}

// devicesNow names devices in a form: a device that was linked since the form was shown
// is not confirmed by it.
func devicesNow(devices []templates.Device) string {
	var list []string
	for i := range devices {
		list = append(list, devices[i].ID)
	}
	return strings.Join(list, ".")
}

// edit changes an account. To somebody with devices it gives a role in the administration
// only where the form confirms that the devices are theirs.
func (s *people) edit(w http.ResponseWriter, r *http.Request, p staff) error {
	u, err := s.subject(r, p, admin.EditUsers)
	if err != nil {
		return err
	}
	change := func(u *idp.User) {
		readPerson(r, u)
		if _, asked := r.PostForm["staff"]; asked && p.may(admin.EditRoles) {
			u.Staff = idp.StaffRole(r.PostFormValue("staff"))
		}
		if r.PostFormValue("theirs") != "" {
			for _, id := range strings.FieldsFunc(r.PostFormValue("devices"), func(c rune) bool { return c == '.' }) {
				u.Confirmed = append(u.Confirmed, idp.DeviceID(id))
			}
		}
	}
	typed := *u
	change(&typed)
	if err = admin.ValidateEdit(u, &typed); err == nil && typed.Staff != u.Staff && typed.Staff != idp.StaffNone {
		// Who was helped by the helpdesk before may have a phone that is not theirs.
		devices, err := s.linked(r, p, u.ID)
		if err != nil {
			return err
		}
		if len(devices) > 0 && (r.PostFormValue("devices") != devicesNow(devices) || r.PostFormValue("theirs") == "") {
			view := s.personForm(r, p, &typed)
			view.Devices, view.Linked = devices, devicesNow(devices)
			view.Wrong, view.Problem = "theirs", templates.Say("admin.person.devices")
			return s.door.Render(w, http.StatusUnprocessableEntity, view)
		}
	}
	if err == nil {
		err = s.desk.EditUser(r.Context(), p.by, u.ID, change)
	}
	if errors.Is(err, idp.ErrStale) {
		return err
	}
	if err != nil {
		view := s.personForm(r, p, &typed)
		return s.wrongPerson(w, view, err)
	}
	return page.SeeOther(w, r, userPath(u.ID)+"?did=edited")
}

// deskSessionOf is a session as pages in a language (BCP 47) show it; own is the one that
// the page is shown in.
func (s *people) deskSessionOf(row *idp.SessionRow, own idp.SessionID, lang string) templates.DeskSession {
	t := templates.DeskSession{
		Session: templates.Session{
			ID: string(row.Session.ID), This: row.Session.ID == own, Browser: page.BrowserWords(row.Session.Agent), Where: s.door.Where(row.Session.Address, lang),
			Since: row.Session.CreatedAt, LastAt: row.Session.LastSeenAt,
		},
		Person: deskPersonOf(&row.User),
	}
	for _, c := range row.Clients {
		if of, _, ok := idp.TryoutOf(c); ok {
			c = idp.ClientID(idp.TryoutName(string(of)))
		}
		t.Apps = append(t.Apps, string(c))
	}
	slices.Sort(t.Apps)
	return t
}

func (s *people) sessions(w http.ResponseWriter, r *http.Request, p staff) error {
	l := readListing(r, sessionsPath)
	found, err := s.desk.SearchSessions(r.Context(), p.by, idp.SessionQuery{Words: l.words, Page: l.page()})
	if err != nil {
		return err
	}
	var ended []idp.EndedSession
	if l.words == "" && l.page() == (idp.Page{}) {
		if ended, err = s.desk.EndedSessions(r.Context(), p.by, ""); err != nil {
			return err
		}
	}
	note, err := s.endedNote(r, p, ended)
	if err != nil {
		return err
	}
	view := templates.AdminSessions{Frame: s.frame(r, p, "sessions"), Note: note, List: l.list(found.Cursors, len(found.Rows), nil), MayEnd: p.may(admin.EndSessions)}
	view.Ended = s.endedList(ended, view.Lang)
	for i := range found.Rows {
		view.Rows = append(view.Rows, s.deskSessionOf(&found.Rows[i], p.Session.ID, view.Lang))
	}
	return s.door.Render(w, http.StatusOK, view)
}

func (s *people) endSession(w http.ResponseWriter, r *http.Request, p staff) error {
	u, err := s.subject(r, p, admin.EndSessions)
	if err != nil {
		return err
	}
	id := page.PathID[idp.SessionID](r, "session")
	if !page.IsID(string(id)) {
		return idp.ErrNotFound
	}
	if err := s.desk.EndSession(r.Context(), p.by, u.ID, id, ""); err != nil {
		return err
	}
	if r.PostFormValue("from") == "sessions" {
		return page.SeeOther(w, r, sessionsPath+"?did=ended&session="+string(id))
	}
	return page.SeeOther(w, r, userPath(u.ID)+"?did=ended&session="+string(id))
}
