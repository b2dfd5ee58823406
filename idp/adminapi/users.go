package adminapi

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

// user is a person with an account in a response.
type user struct {
	ID            idp.UserID    `json:"id"`
	Username      string        `json:"username"`
	Name          string        `json:"name"`
	GivenName     string        `json:"given_name"`
	FamilyName    string        `json:"family_name"`
	Email         string        `json:"email"`
	EmailVerified bool          `json:"email_verified"`
	Phone         string        `json:"phone"`
	PhoneVerified bool          `json:"phone_verified"`
	Locale        string        `json:"locale"`
	Staff         idp.StaffRole `json:"staff"`
	Roles         []string      `json:"roles"`
	Groups        []string      `json:"groups"`
	State         idp.UserState `json:"state"`
	Devices       *int          `json:"devices,omitempty"` // in lists
	CreatedAt     *time.Time    `json:"created_at"`
	UpdatedAt     *time.Time    `json:"updated_at"`
}

func userOf(u *idp.User) user {
	return user{
		ID: u.ID, Username: u.Name, Name: u.DisplayName, GivenName: u.GivenName, FamilyName: u.FamilyName, Email: u.Email, EmailVerified: u.EmailVerified,
		Phone: u.Phone, PhoneVerified: u.PhoneVerified, Locale: u.Locale, Staff: u.Staff, Roles: list(u.Roles), Groups: list(u.Groups), State: u.State,
		CreatedAt: moment(u.CreatedAt), UpdatedAt: moment(u.UpdatedAt),
	}
}

func accountOf(a *idp.Account) user {
	u := userOf(&a.User)
	u.Devices = &a.Devices
	return u
}

// userMembers are the members of a merge patch of a person.
var userMembers = members[idp.User]{
	"name":           text(func(u *idp.User) *string { return &u.DisplayName }),
	"given_name":     text(func(u *idp.User) *string { return &u.GivenName }),
	"family_name":    text(func(u *idp.User) *string { return &u.FamilyName }),
	"email":          text(func(u *idp.User) *string { return &u.Email }),
	"email_verified": flag(func(u *idp.User) *bool { return &u.EmailVerified }),
	"phone":          text(func(u *idp.User) *string { return &u.Phone }),
	"phone_verified": flag(func(u *idp.User) *bool { return &u.PhoneVerified }),
	"locale":         text(func(u *idp.User) *string { return &u.Locale }),
	"staff":          text(func(u *idp.User) *idp.StaffRole { return &u.Staff }),
	"roles":          texts(func(u *idp.User) *[]string { return &u.Roles }),
	"groups":         texts(func(u *idp.User) *[]string { return &u.Groups }),
}

// editUserMembers are userMembers, and the devices that are confirmed with a role.
var editUserMembers = with(userMembers, "confirm_devices", texts(func(u *idp.User) *[]idp.DeviceID { return &u.Confirmed }))

// newUserMembers are userMembers, and the sign-in name, which stays for good.
var newUserMembers = with(userMembers, "username", text(func(u *idp.User) *string { return &u.Name }))

func with[T any](m members[T], name string, one member[T]) members[T] {
	out := members[T]{name: one}
	maps.Copy(out, m)
	return out
}

// putUser changes a person as a body says. A mail address that is new is taken as
// verified, as everywhere in the administration, unless the body says otherwise.
func putUser(c *change[idp.User]) func(*idp.User) {
	return func(u *idp.User) {
		email, phone := u.Email, u.Phone
		c.apply(u)
		if u.Email != email && !c.says("email_verified") {
			u.EmailVerified = u.Email != ""
		}
		if u.Phone != phone && !c.says("phone_verified") {
			u.PhoneVerified = u.Phone != ""
		}
	}
}

func (s *Server) userQuery(r *http.Request, known ...string) (idp.UserQuery, query, error) {
	q, err := readQuery(r, append(known, "q", "facet*", "sort")...)
	if err != nil {
		return idp.UserQuery{}, q, err
	}
	order, down := q.sort()
	p, err := q.part()
	return idp.UserQuery{Words: q.Get("q"), Facets: typed[idp.UserFacet](q.Values["facet"]), Sort: idp.UserSort(order), Down: down, Page: p}, q, err
}

// searchUsers lists people, or with a sign-in name the one who has it.
func (s *Server) searchUsers(w http.ResponseWriter, r *http.Request, by admin.By) error {
	query, q, err := s.userQuery(r, "after", "limit", "username")
	if err != nil {
		return err
	}
	if q.Has("username") {
		if len(q.Values) > 1 {
			return &told{errQuery, "username", "username stands alone"}
		}
		a, err := s.conf.Desk.FindUser(r.Context(), by, q.Get("username"))
		switch {
		case errors.Is(err, idp.ErrNotFound):
			return s.answer(w, r, http.StatusOK, page[user]{Items: []user{}})
		case err != nil:
			return err
		}
		return s.answer(w, r, http.StatusOK, page[user]{Items: []user{accountOf(a)}})
	}
	found, err := s.conf.Desk.SearchUsers(r.Context(), by, query)
	if err != nil {
		return err
	}
	p := pageOf(found.Rows, found.Cursors, accountOf)
	p.counted(found.Total)
	p.Facets = facets(found.Facets)
	return s.answer(w, r, http.StatusOK, p)
}

func (s *Server) usersCSV(w http.ResponseWriter, r *http.Request, by admin.By) error {
	q, _, err := s.userQuery(r)
	if err != nil {
		return err
	}
	return s.stream(w, r, typeCSV, func(out io.Writer) error { return s.conf.Desk.UsersCSV(r.Context(), by, q, admin.ExportCSV, out) })
}

func (s *Server) addUser(w http.ResponseWriter, r *http.Request, by admin.By) error {
	c, err := readBody(r, newUserMembers)
	if err != nil {
		return err
	}
	var u idp.User
	putUser(c)(&u)
	if err := s.conf.Desk.AddUser(r.Context(), by, &u); err != nil {
		return err
	}
	w.Header().Set("Location", Base+"/users/"+string(u.ID))
	return s.answer(w, r, http.StatusCreated, userOf(&u))
}

func (s *Server) user(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.UserID](r, "user")
	if err != nil {
		return err
	}
	if _, err := readQuery(r); err != nil {
		return err
	}
	return s.tellUser(w, r, by, id)
}

func (s *Server) tellUser(w http.ResponseWriter, r *http.Request, by admin.By, id idp.UserID) error {
	u, err := s.conf.Desk.User(r.Context(), by, id)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, userOf(u))
}

// typePatch is the media type of a merge patch (RFC 7396).
const typePatch = "application/merge-patch+json"

func (s *Server) editUser(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.UserID](r, "user")
	if err != nil {
		return err
	}
	c, err := readBody(r, editUserMembers, typePatch)
	if err != nil {
		return err
	}
	if len(c.puts) > 0 { // an empty patch changes nothing, and leaves nothing in the log
		if err := s.conf.Desk.EditUser(r.Context(), by, id, putUser(c)); err != nil {
			return err
		}
	}
	return s.tellUser(w, r, by, id)
}

// factors is what a person can prove themselves with, and what keeps them from it for now.
type factors struct {
	Password      bool            `json:"password"`
	Devices       []device        `json:"devices"`
	RecoveryCodes int             `json:"recovery_codes"`
	Locked        []lock          `json:"locked"`
	Asking        *asking         `json:"asking,omitempty"`
	Sessions      int             `json:"sessions"`
	Invitation    *openInvitation `json:"invitation,omitempty"`
}

// lock says that tries of one kind are closed for a person, and until when.
type lock struct {
	Kind  idp.CounterKind `json:"kind"`
	Until *time.Time      `json:"until,omitempty"`
	// FactorFirst: until then the second factor comes before the password.
	FactorFirst bool `json:"second_factor_first"`
	NeedsAdmin  bool `json:"needs_admin"` // no lock does; kept for programs that ask
}

// asking says whether phones of the person are asked to approve sign-ins.
type asking struct {
	Off      bool       `json:"off"` // until the password changes or somebody unlocks
	DeniedAt *time.Time `json:"denied_at,omitempty"`
	NotMeAt  *time.Time `json:"not_me_at,omitempty"`
}

// openInvitation is a one-time link that the person could use now, without its token.
type openInvitation struct {
	Purpose   idp.InvitationPurpose `json:"purpose"`
	By        string                `json:"by"`
	CreatedAt *time.Time            `json:"created_at"`
	ExpiresAt *time.Time            `json:"expires_at"`
}

func (s *Server) factors(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.UserID](r, "user")
	if err != nil {
		return err
	}
	if _, err := readQuery(r); err != nil {
		return err
	}
	f, err := s.conf.Desk.Factors(r.Context(), by, id)
	if err != nil {
		return err
	}
	out := factors{
		Password: f.Password, Devices: each(f.Devices, deviceOf), RecoveryCodes: f.RecoveryLeft, Sessions: f.Sessions,
		Locked: each(f.Locked, func(c *idp.Counter) lock { return lock{c.Key.Kind, moment(c.NextAt), c.FactorFirst, false} }),
	}
	if g := f.Guard; g != nil {
		out.Asking = &asking{g.Off, moment(g.DeniedAt), moment(g.NotMeAt)}
	}
	if i := f.Invitation; i != nil {
		out.Invitation = &openInvitation{i.Purpose, i.By.Name, moment(i.CreatedAt), moment(i.ExpiresAt)}
	}
	return s.answer(w, r, http.StatusOK, out)
}

// link is a one-time link, which is told this once. One that goes by mail is told to
// nobody: the response has the mail address instead.
type link struct {
	URL       string     `json:"url,omitempty"`
	To        string     `json:"to,omitempty"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func (s *Server) linkOf(l *admin.Link) *link {
	if l == nil {
		return nil
	}
	if l.To != "" {
		return &link{To: l.To, ExpiresAt: moment(l.ExpiresAt)}
	}
	return &link{URL: s.conf.Issuer + "/invite/" + l.Token.Reveal(), ExpiresAt: moment(l.ExpiresAt)}
}

// deliver is the member that says how a one-time link gets to the person.
func deliver[T any](at func(*T) *admin.Via) member[T] {
	return value(at, func(raw json.RawMessage) (admin.Via, error) {
		via, err := readText[admin.Via](raw)
		if err != nil || via != admin.ViaLink && via != admin.ViaMail {
			return "", errDeliver
		}
		return via, nil
	})
}

var errDeliver = errors.New("is neither link nor mail")

// handing is the body of an act that makes a one-time link. Without deliver the link is in
// the response.
type handing struct {
	users  []idp.UserID
	reason string
	via    admin.Via
}

var (
	linkMembers   = members[handing]{"deliver": deliver(func(h *handing) *admin.Via { return &h.via })}
	inviteMembers = with(linkMembers, "users", texts(func(h *handing) *[]idp.UserID { return &h.users }))
	reopenMembers = with(linkMembers, "reason", text(func(h *handing) *string { return &h.reason }))
)

func readHanding(r *http.Request, m members[handing]) (h handing, err error) {
	c, err := readBody(r, m)
	if err == nil {
		c.apply(&h)
	}
	return h, err
}

// aboutUser reads a request that has nothing but the person in its path.
func aboutUser(r *http.Request) (idp.UserID, error) {
	id, err := pathID[idp.UserID](r, "user")
	if err != nil {
		return "", err
	}
	return id, readNothing(r)
}

func (s *Server) invite(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.UserID](r, "user")
	if err != nil {
		return err
	}
	h, err := readHanding(r, linkMembers)
	if err != nil {
		return err
	}
	l, err := s.conf.Desk.Invite(r.Context(), by, id, h.via)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusCreated, s.linkOf(l))
}

// invited is what became of the invitation of one person of several.
type invited struct {
	User     idp.UserID `json:"user"`
	Username string     `json:"username,omitempty"`
	Link     *link      `json:"link,omitempty"`
	Problem  *problem   `json:"problem,omitempty"`
}

func (s *Server) inviteUsers(w http.ResponseWriter, r *http.Request, by admin.By) error {
	h, err := readHanding(r, inviteMembers)
	if err != nil {
		return err
	}
	results, err := s.conf.Desk.InviteMany(r.Context(), by, h.users, h.via, nil)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, page[invited]{Items: each(results, func(i *admin.Invited) invited {
		return invited{i.User, i.Name, s.linkOf(i.Link), s.problemOfOne(r, i.Err)}
	})})
}

func (s *Server) resetPassword(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.UserID](r, "user")
	if err != nil {
		return err
	}
	h, err := readHanding(r, linkMembers)
	if err != nil {
		return err
	}
	l, err := s.conf.Desk.ResetPassword(r.Context(), by, id, h.via)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusCreated, s.linkOf(l))
}

func (s *Server) unlock(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := aboutUser(r)
	if err != nil {
		return err
	}
	if err := s.conf.Desk.Unlock(r.Context(), by, id); err != nil {
		return err
	}
	return done(w)
}

// reopened is the devices that were unlinked, and the one-time link to a first device.
type reopened struct {
	Unlinked []unlinked `json:"unlinked"`
	Link     *link      `json:"link"`
}

func (s *Server) reopen(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.UserID](r, "user")
	if err != nil {
		return err
	}
	h, err := readHanding(r, reopenMembers)
	if err != nil {
		return err
	}
	// Where it ends half-way the log says what was unlinked; asking again does the rest.
	gone, l, err := s.conf.Desk.Reopen(r.Context(), by, id, h.reason, h.via)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusCreated, reopened{each(gone, s.unlinkedOf(r)), s.linkOf(l)})
}

func (s *Server) disable(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.UserID](r, "user")
	if err != nil {
		return err
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	if err := s.conf.Desk.Disable(r.Context(), by, id, reason); err != nil {
		return err
	}
	return done(w)
}

func (s *Server) enable(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := aboutUser(r)
	if err != nil {
		return err
	}
	if err := s.conf.Desk.Enable(r.Context(), by, id); err != nil {
		return err
	}
	return done(w)
}
