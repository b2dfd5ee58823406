package admin_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/store"
)

var _ admin.Store = (*store.DB)(nil)

// world is a desk on a real database, with a clock moved by hand.
type world struct {
	*testing.T
	*admin.Desk
	conf admin.Config
	db   *store.DB
	now  time.Time
}

// console is who acts in these tests.
var console = admin.Console("console:root")

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.db = idptest.Store(t, func() time.Time { return w.now }, nil)
	w.conf = admin.Config{Store: w.db, Now: func() time.Time { return w.now }}
	w.Desk = admin.New(w.conf)
	return w
}

// set builds the desk anew from another configuration, on what is stored.
func (w *world) set(change func(*admin.Config)) {
	change(&w.conf)
	w.Desk = admin.New(w.conf)
}

func (w *world) fails(what string, err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("%s: %v, want %v", what, err, want)
	}
}

// person makes an account with a staff role, active as after its first sign-in.
func (w *world) person(name string, staff idp.StaffRole) *idp.User {
	w.Helper()
	u := &idp.User{ID: idp.NewID[idp.UserID](), Name: name, DisplayName: name, Staff: staff, State: idp.UserActive, CreatedAt: w.now, UpdatedAt: w.now}
	if err := w.db.AddUser(w.Context(), u); err != nil {
		w.Fatal(err)
	}
	return u
}

// link gives a person a device.
func (w *world) link(user idp.UserID, name string) idp.DeviceID {
	w.Helper()
	p := &idp.Pairing{ID: idp.NewID[idp.PairingID](), User: user, CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)}
	if err := w.db.AddPairing(w.Context(), p); err != nil {
		w.Fatal(err)
	}
	d := idp.Device{ID: idp.NewID[idp.DeviceID](), User: user, Name: name, Kind: idp.DeviceCode, State: idp.DeviceActive, LinkedAt: w.now}
	err := w.db.UpdatePairing(w.Context(), p.ID, func(p *idp.Pairing) (*idp.Device, error) {
		p.UsedAt = w.now
		fresh := d
		return &fresh, nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return d.ID
}

// passwordAt is when a person's password was chosen; zero where there is none.
func (w *world) passwordAt(id idp.UserID) time.Time {
	w.Helper()
	a, err := w.db.Account(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return a.PasswordAt
}

// last returns the newest event, which must be of a kind and by the console.
func (w *world) last(kind idp.EventKind) idp.Event {
	w.Helper()
	all, err := w.db.Events(w.Context(), 0, 1000)
	if err != nil {
		w.Fatal(err)
	}
	if len(all) == 0 {
		w.Fatalf("no events, want %s", kind)
	}
	e := all[len(all)-1]
	if e.Kind != kind || e.Actor != console.Actor || !e.At.Equal(w.now) {
		w.Errorf("event %+v, want %s by %s", e, kind, console.Actor.Name)
	}
	return e
}

func (w *world) countEvents() int {
	w.Helper()
	all, err := w.db.Events(w.Context(), 0, 1000)
	if err != nil {
		w.Fatal(err)
	}
	return len(all)
}

func (w *world) user(id idp.UserID) *idp.User {
	w.Helper()
	u, err := w.db.User(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return u
}

// invitation returns what a link stands for.
func (w *world) invitation(l *admin.Link) *idp.Invitation {
	w.Helper()
	i, err := w.db.InvitationByToken(w.Context(), l.Token.Hash())
	if err != nil {
		w.Fatal(err)
	}
	return i
}

// dead reports whether a link can no longer be used.
func (w *world) dead(l *admin.Link) bool {
	w.Helper()
	i, err := w.db.InvitationByToken(w.Context(), l.Token.Hash())
	return errors.Is(err, idp.ErrNotFound) || err == nil && i.Open(w.now) != nil
}

func TestSetupLinkIsForTheFirstOnly(t *testing.T) {
	w := newWorld(t)
	first, err := w.SetupLink(t.Context(), console)
	if err != nil {
		t.Fatal(err)
	}
	i := w.invitation(first)
	if i.Purpose != idp.InviteSetup || i.User != "" || i.By != console.Actor || !i.ExpiresAt.Equal(w.now.Add(time.Hour)) ||
		!first.ExpiresAt.Equal(i.ExpiresAt) || len(first.Token) != 43 {
		t.Errorf("link %+v, invitation %+v", first, i)
	}
	if e := w.last(idp.EventInvited); e.Detail["purpose"] != "setup" || e.User != "" {
		t.Errorf("event %+v", e)
	}
	second, err := w.SetupLink(t.Context(), console)
	if err != nil {
		t.Fatal(err)
	}
	if !w.dead(first) || w.dead(second) {
		t.Error("the older link is alive, or the newer dead")
	}
	anna := w.person("anna", idp.StaffNone)
	if !w.dead(second) {
		t.Error("a person was added, and the link is good")
	}
	third, err := w.SetupLink(t.Context(), console)
	if err != nil {
		t.Fatalf("with a person who does not administer: %v", err)
	}
	if err := w.EditUser(t.Context(), console, anna.ID, func(u *idp.User) { u.Staff = idp.StaffAdmin }); err != nil {
		t.Fatal(err)
	}
	_, err = w.SetupLink(t.Context(), console)
	w.fails("with an administrator", err, idp.ErrDenied)
	if w.dead(third) {
		t.Error("what the enrolment refuses is kept, so that it can say why")
	}
}

func TestAddingUsers(t *testing.T) {
	w := newWorld(t)
	u := &idp.User{Name: " Anna.Meier ", Email: "anna@klinikum.example", Staff: idp.StaffHelpdesk, Roles: []string{"reader"}, Groups: []string{"radiology"}, State: idp.UserActive}
	if err := w.AddUser(t.Context(), console, u); err != nil {
		t.Fatal(err)
	}
	got := w.user(u.ID)
	if got.Name != "anna.meier" || got.DisplayName != "anna.meier" || got.State != idp.UserInvited || got.Email != u.Email ||
		got.Staff != idp.StaffHelpdesk || !slices.Equal(got.Roles, u.Roles) || !slices.Equal(got.Groups, u.Groups) ||
		!got.CreatedAt.Equal(w.now) || !got.UpdatedAt.Equal(w.now) {
		t.Errorf("made %+v", got)
	}
	if e := w.last(idp.EventUserCreated); e.User != u.ID || e.Detail["user"] != "anna.meier" || e.Detail["staff"] != "helpdesk" {
		t.Errorf("event %+v", e)
	}
	events := w.countEvents()
	w.fails("the same name", w.AddUser(t.Context(), console, &idp.User{Name: "ANNA.meier"}), idp.ErrConflict)
	for what, bad := range map[string]*idp.User{
		"no name":          {},
		"a name of spaces": {Name: "  "},
		"a space inside":   {Name: "anna meier"},
		"a bad address":    {Name: "bert", Email: "bert"},
		"an unknown role":  {Name: "bert", Staff: "root"},
		"a bad shown name": {Name: "bert", DisplayName: "a\u202eb"},
	} {
		w.fails(what, w.AddUser(t.Context(), console, bad), idp.ErrInvalid)
	}
	if n, err := w.db.CountUsers(t.Context()); err != nil || n != 1 || w.countEvents() != events {
		t.Errorf("%d users, %d events more, %v", n, w.countEvents()-events, err)
	}
	a, err := w.FindUser(t.Context(), console, "  ANNA.Meier")
	if err != nil || a.User.ID != u.ID {
		t.Errorf("found %+v, %v", a, err)
	}
	_, err = w.FindUser(t.Context(), console, "nobody")
	w.fails("nobody", err, idp.ErrNotFound)
}

func TestInviting(t *testing.T) {
	w := newWorld(t)
	u := &idp.User{Name: "anna"}
	if err := w.AddUser(t.Context(), console, u); err != nil {
		t.Fatal(err)
	}
	first, err := w.Invite(t.Context(), console, u.ID, admin.ViaLink)
	if err != nil {
		t.Fatal(err)
	}
	i := w.invitation(first)
	if i.Purpose != idp.InviteEnrol || i.User != u.ID || i.By != console.Actor || !i.ExpiresAt.Equal(w.now.Add(24*time.Hour)) || !first.ExpiresAt.Equal(i.ExpiresAt) {
		t.Errorf("invitation %+v", i)
	}
	e := w.last(idp.EventInvited)
	if e.User != u.ID || e.Detail["user"] != "anna" || e.Detail["purpose"] != "enrol" {
		t.Errorf("event %+v", e)
	}
	for k, v := range e.Detail {
		if strings.Contains(v, first.Token.Reveal()) {
			t.Errorf("the event tells the link in %s", k)
		}
	}
	second, err := w.Invite(t.Context(), console, u.ID, admin.ViaLink)
	if err != nil || !w.dead(first) || w.dead(second) {
		t.Errorf("the older link is alive, or the newer dead: %v", err)
	}

	// Whoever has a device links more under Security, by himself.
	id := w.link(u.ID, "phone")
	events := w.countEvents()
	_, err = w.Invite(t.Context(), console, u.ID, admin.ViaLink)
	w.fails("with a device", err, idp.ErrConflict)
	_, err = w.Invite(t.Context(), console, "X", admin.ViaLink)
	w.fails("nobody", err, idp.ErrNotFound)
	if w.countEvents() != events {
		t.Error("an event for nothing")
	}
	if err := w.Unlink(t.Context(), console, u.ID, id, admin.Why{Reason: "lost"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Invite(t.Context(), console, u.ID, admin.ViaLink); err != nil {
		t.Errorf("after the phone was lost: %v", err)
	}
	if err := w.Disable(t.Context(), console, u.ID, ""); err != nil {
		t.Fatal(err)
	}
	_, err = w.Invite(t.Context(), console, u.ID, admin.ViaLink)
	w.fails("somebody disabled", err, idp.ErrDenied)
	_, err = w.ResetPassword(t.Context(), console, u.ID, admin.ViaLink)
	w.fails("a new password for somebody disabled", err, idp.ErrDenied)
}

func TestResettingAPassword(t *testing.T) {
	w := newWorld(t)
	u := w.person("anna", idp.StaffNone)
	w.link(u.ID, "phone")
	l, err := w.ResetPassword(t.Context(), console, u.ID, admin.ViaLink)
	if err != nil {
		t.Fatal(err)
	}
	if i := w.invitation(l); i.Purpose != idp.InviteReset || i.User != u.ID {
		t.Errorf("invitation %+v", i)
	}
	if e := w.last(idp.EventInvited); e.User != u.ID || e.Detail["purpose"] != "reset" {
		t.Errorf("event %+v", e)
	}
	if devices, err := w.Devices(t.Context(), console, u.ID); err != nil || len(devices) != 1 {
		t.Errorf("devices %v, %v", devices, err)
	}
	_, err = w.ResetPassword(t.Context(), console, "X", admin.ViaLink)
	w.fails("nobody", err, idp.ErrNotFound)
}

func TestEditingUsers(t *testing.T) {
	w := newWorld(t)
	u := w.person("anna", idp.StaffNone)
	made := w.now
	w.now = w.now.Add(time.Hour)
	err := w.EditUser(t.Context(), console, u.ID, func(u *idp.User) {
		u.DisplayName, u.Email, u.EmailVerified, u.Roles = "Dr. Anna Meier", "anna@klinikum.example", true, []string{"reader"}
		// What no one may change here:
		u.ID, u.Name, u.State, u.CreatedAt = "OTHER", "other", idp.UserDisabled, w.now
	})
	if err != nil {
		t.Fatal(err)
	}
	got := w.user(u.ID)
	if got.DisplayName != "Dr. Anna Meier" || got.Email != "anna@klinikum.example" || !got.EmailVerified || !slices.Equal(got.Roles, []string{"reader"}) {
		t.Errorf("not changed: %+v", got)
	}
	if got.Name != "anna" || got.State != idp.UserActive || !got.CreatedAt.Equal(made) || !got.UpdatedAt.Equal(w.now) {
		t.Errorf("changed what stays: %+v", got)
	}
	if e := w.last(idp.EventAddressChanged); e.User != u.ID || e.Detail["user"] != "anna" {
		t.Errorf("event %+v", e)
	}
	if err := w.EditUser(t.Context(), console, u.ID, func(u *idp.User) { u.Locale = "de" }); err != nil {
		t.Fatal(err)
	}
	if e := w.last(idp.EventUserChanged); e.User != u.ID || e.Detail["user"] != "anna" {
		t.Errorf("event %+v", e)
	}
	events := w.countEvents()
	w.fails("a bad address", w.EditUser(t.Context(), console, u.ID, func(u *idp.User) { u.Email = "x" }), idp.ErrInvalid)
	w.fails("nobody", w.EditUser(t.Context(), console, "X", func(*idp.User) {}), idp.ErrNotFound)
	if got := w.user(u.ID); got.Email != "anna@klinikum.example" || w.countEvents() != events {
		t.Errorf("a refused change left %+v", got)
	}
}

// Who is given a role keeps the devices that are linked; the log says which.
func TestARoleNamesTheDevices(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna", idp.StaffNone)
	phone, tablet := w.link(anna.ID, "phone"), w.link(anna.ID, "tablet")
	for what, confirmed := range map[string][]idp.DeviceID{
		"none": nil, "one of two": {phone}, "another's": {phone, "X"}, "one too many": {phone, tablet, "X"},
	} {
		err := w.EditUser(t.Context(), console, anna.ID, func(u *idp.User) { u.Staff, u.Confirmed = idp.StaffAdmin, confirmed })
		var field *idp.FieldError
		if !errors.As(err, &field) || field.Field != "confirm_devices" || w.user(anna.ID).Staff != idp.StaffNone {
			t.Errorf("confirmed %s: %v", what, err)
		}
	}
	for _, c := range []struct {
		staff idp.StaffRole
		want  string
	}{{idp.StaffHelpdesk, "phone, tablet"}, {idp.StaffHelpdesk, ""}, {idp.StaffAdmin, "phone, tablet"}} {
		if err := w.EditUser(t.Context(), console, anna.ID, func(u *idp.User) { u.Staff, u.Confirmed = c.staff, []idp.DeviceID{tablet, phone} }); err != nil {
			t.Fatal(err)
		}
		if e := w.last(idp.EventUserChanged); e.Detail["devices"] != c.want {
			t.Errorf("event %+v, want devices %q", e, c.want)
		}
	}
}

func TestLastAdministratorStays(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna", idp.StaffAdmin), w.person("bert", idp.StaffNone)
	w.person("cleo", idp.StaffHelpdesk)
	demote := func(u *idp.User) { u.Staff = idp.StaffNone }
	w.fails("disabling the only one", w.Disable(t.Context(), console, anna.ID, ""), idp.ErrDenied)
	w.fails("taking the role from the only one", w.EditUser(t.Context(), console, anna.ID, demote), idp.ErrDenied)
	if u := w.user(anna.ID); u.Staff != idp.StaffAdmin || u.State != idp.UserActive {
		t.Errorf("left %+v", u)
	}
	if err := w.EditUser(t.Context(), console, bert.ID, func(u *idp.User) { u.Staff = idp.StaffAdmin }); err != nil {
		t.Fatal(err)
	}
	// Two administrators disable each other at once: one stays.
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, u := range []*idp.User{anna, bert} {
		wg.Go(func() { errs[i] = w.Disable(t.Context(), console, u.ID, "") })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), idp.ErrDenied) {
		t.Errorf("both, or none: %v", errs)
	}
	// Whoever was disabled is no administrator to count on.
	stays := anna
	if errs[0] == nil {
		stays = bert
	}
	w.fails("the one that stayed", w.EditUser(t.Context(), console, stays.ID, demote), idp.ErrDenied)
}

func TestDisablingAndEnabling(t *testing.T) {
	w := newWorld(t)
	u := w.person("anna", idp.StaffNone)
	invitation, err := w.ResetPassword(t.Context(), console, u.ID, admin.ViaLink)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Disable(t.Context(), console, u.ID, "left the house"); err != nil {
		t.Fatal(err)
	}
	if w.user(u.ID).State != idp.UserDisabled || !w.dead(invitation) {
		t.Error("not disabled, or an invitation is still open")
	}
	if e := w.last(idp.EventUserDisabled); e.User != u.ID || e.Detail["user"] != "anna" || e.Detail["reason"] != "left the house" {
		t.Errorf("event %+v", e)
	}
	if err := w.Enable(t.Context(), console, u.ID); err != nil {
		t.Fatal(err)
	}
	if w.user(u.ID).State == idp.UserDisabled || !w.dead(invitation) {
		t.Error("still disabled, or the old invitation lives again")
	}
	if e := w.last(idp.EventUserEnabled); e.User != u.ID || e.Detail["user"] != "anna" {
		t.Errorf("event %+v", e)
	}
	w.fails("nobody", w.Disable(t.Context(), console, "X", ""), idp.ErrNotFound)
	w.fails("nobody", w.Enable(t.Context(), console, "X"), idp.ErrNotFound)
	w.fails("a reason without end", w.Disable(t.Context(), console, u.ID, strings.Repeat("x", 201)), idp.ErrInvalid)
	w.fails("a reason over two lines", w.Disable(t.Context(), console, u.ID, "a\nb"), idp.ErrInvalid)
}

func TestUnlocking(t *testing.T) {
	w := newWorld(t)
	u := w.person("anna", idp.StaffNone)
	key := idp.CounterKey{Kind: idp.CountCodes, Who: string(u.ID)}
	err := w.db.UpdateCounter(t.Context(), key, nil, func(c *idp.Counter) error {
		c.InARow, c.FactorFirst = 100, true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Unlock(t.Context(), console, u.ID); err != nil {
		t.Fatal(err)
	}
	if c, err := w.db.Counter(t.Context(), key); err != nil || c.InARow != 0 || c.FactorFirst {
		t.Errorf("counter %+v, %v", c, err)
	}
	if e := w.last(idp.EventUserUnlocked); e.User != u.ID || e.Detail["user"] != "anna" {
		t.Errorf("event %+v", e)
	}
	w.fails("nobody", w.Unlock(t.Context(), console, "X"), idp.ErrNotFound)
}

func TestUnlinkingForSomebody(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna", idp.StaffNone), w.person("bert", idp.StaffNone)
	id := w.link(anna.ID, "phone")
	w.fails("another's", w.Unlink(t.Context(), console, bert.ID, id, admin.Why{Reason: ""}), idp.ErrNotFound)
	w.fails("a made-up one", w.Unlink(t.Context(), console, anna.ID, "X", admin.Why{Reason: ""}), idp.ErrNotFound)
	w.fails("nobody's", w.Unlink(t.Context(), console, "X", id, admin.Why{Reason: ""}), idp.ErrNotFound)
	w.fails("a bad reason", w.Unlink(t.Context(), console, anna.ID, id, admin.Why{Reason: "a\x00"}), idp.ErrInvalid)
	if err := w.Unlink(t.Context(), console, anna.ID, id, admin.Why{Reason: "lost on the train"}); err != nil {
		t.Fatal(err)
	}
	if left, err := w.Devices(t.Context(), console, anna.ID); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
	e := w.last(idp.EventDeviceUnlinked)
	if e.User != anna.ID || e.Device != id || e.Detail["name"] != "phone" || e.Detail["user"] != "anna" || e.Detail["reason"] != "lost on the train" {
		t.Errorf("event %+v", e)
	}
}

func TestListingUsers(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"cleo", "anna", "bert"} {
		w.person(name, idp.StaffNone)
	}
	names := func(after string, limit int) (out []string) {
		t.Helper()
		list, err := w.Users(t.Context(), console, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			out = append(out, a.User.Name)
		}
		return out
	}
	for _, c := range []struct {
		after string
		limit int
		want  []string
	}{
		{"", 10, []string{"anna", "bert", "cleo"}},
		{"", 2, []string{"anna", "bert"}},
		{"bert", 2, []string{"cleo"}},
		{"cleo", 2, nil},
		{"", -5, []string{"anna"}},
		{"", 1 << 30, []string{"anna", "bert", "cleo"}},
	} {
		if got := names(c.after, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("after %q, %d: %v, want %v", c.after, c.limit, got, c.want)
		}
	}
}

func confidential() *idp.Client {
	return &idp.Client{
		ID: "viewer", Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic,
		RedirectURIs: []string{"https://viewer.example/cb"}, GrantTypes: []string{idp.GrantCode},
	}
}

func (w *world) client(id idp.ClientID) *idp.Client {
	w.Helper()
	clients, err := w.db.Clients(w.Context()) // with what the desk hides
	if err != nil {
		w.Fatal(err)
	}
	for i := range clients {
		if clients[i].ID == id {
			return &clients[i]
		}
	}
	return nil
}

func TestAddingClients(t *testing.T) {
	w := newWorld(t)
	c := confidential()
	c.Secrets = []idp.ClientSecret{{Hash: idp.Secret("known to somebody").Hash()}}
	secret, err := w.AddClient(t.Context(), console, c)
	if err != nil {
		t.Fatal(err)
	}
	got := w.client("viewer")
	if got == nil || len(got.Secrets) != 1 || got.Secrets[0].Hash != secret.Hash() || !got.Secrets[0].ExpiresAt.IsZero() ||
		!got.Secrets[0].CreatedAt.Equal(w.now) || !got.CreatedAt.Equal(w.now) || len(secret) != 43 {
		t.Fatalf("made %+v", got)
	}
	if e := w.last(idp.EventClientChanged); e.Client != "viewer" || e.Detail["name"] != "Viewer" || e.Detail["change"] != "added" {
		t.Errorf("event %+v", e)
	}
	if secret, err := w.AddClient(t.Context(), console, confidential()); !errors.Is(err, idp.ErrConflict) || secret != "" {
		t.Errorf("the same id: %v, secret %v", err, secret != "")
	}
	bad := confidential()
	bad.ID, bad.RedirectURIs = "bad", []string{"http://viewer.example/"}
	if secret, err := w.AddClient(t.Context(), console, bad); !errors.Is(err, idp.ErrInvalid) || secret != "" || w.client("bad") != nil {
		t.Errorf("a bad one: %v", err)
	}
	public := confidential()
	public.ID, public.Auth = "", idp.AuthNone
	if secret, err := w.AddClient(t.Context(), console, public); err != nil || secret != "" || len(public.ID) != 26 || len(w.client(public.ID).Secrets) != 0 {
		t.Errorf("a public one: %+v, %v", public, err)
	}
}

func TestEditingClients(t *testing.T) {
	w := newWorld(t)
	secret, err := w.AddClient(t.Context(), console, confidential())
	if err != nil {
		t.Fatal(err)
	}
	made := w.now
	w.now = w.now.Add(time.Hour)
	err = w.EditClient(t.Context(), console, "viewer", func(c *idp.Client) {
		c.Name, c.Auth, c.Disabled = "PACS viewer", idp.AuthPost, true
		// What no one may change here:
		c.ID, c.Secrets, c.CreatedAt = "other", nil, w.now
	})
	if err != nil {
		t.Fatal(err)
	}
	got := w.client("viewer")
	if got == nil || got.Name != "PACS viewer" || got.Auth != idp.AuthPost || !got.Disabled || !got.UpdatedAt.Equal(w.now) ||
		!got.CreatedAt.Equal(made) || len(got.Secrets) != 1 || got.Secrets[0].Hash != secret.Hash() || w.client("other") != nil {
		t.Errorf("edited %+v", got)
	}
	if e := w.last(idp.EventClientChanged); e.Client != "viewer" || e.Detail["change"] != "edited" || e.Detail["name"] != "PACS viewer" {
		t.Errorf("event %+v", e)
	}
	events := w.countEvents()
	w.fails("made public", w.EditClient(t.Context(), console, "viewer", func(c *idp.Client) { c.Auth = idp.AuthNone }), idp.ErrInvalid)
	w.fails("a bad redirect", w.EditClient(t.Context(), console, "viewer", func(c *idp.Client) { c.RedirectURIs[0] = "x" }), idp.ErrInvalid)
	w.fails("no client", w.EditClient(t.Context(), console, "none", func(*idp.Client) {}), idp.ErrNotFound)
	if got := w.client("viewer"); got.Auth != idp.AuthPost || got.RedirectURIs[0] != "https://viewer.example/cb" || w.countEvents() != events {
		t.Errorf("a refused change left %+v", got)
	}
}

func TestClientSecretsOverlap(t *testing.T) {
	w := newWorld(t)
	first, err := w.AddClient(t.Context(), console, confidential())
	if err != nil {
		t.Fatal(err)
	}
	renew := func(overlap time.Duration) idp.Secret {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		s, err := w.NewClientSecret(t.Context(), console, "viewer", overlap)
		if err != nil {
			t.Fatal(err)
		}
		if e := w.last(idp.EventClientChanged); e.Client != "viewer" || e.Detail["change"] != "secret" {
			t.Errorf("event %+v", e)
		}
		return s
	}
	// expect compares hashes and ends, newest first.
	expect := func(what string, want ...idp.ClientSecret) {
		t.Helper()
		got := w.client("viewer").Secrets
		slices.SortFunc(got, func(a, b idp.ClientSecret) int { return b.CreatedAt.Compare(a.CreatedAt) })
		if len(got) != len(want) {
			t.Fatalf("%s: %d secrets, want %d", what, len(got), len(want))
		}
		for i := range want {
			if got[i].Hash != want[i].Hash || !got[i].ExpiresAt.Equal(want[i].ExpiresAt) {
				t.Errorf("%s: secret %d ends %s, want %s", what, i, got[i].ExpiresAt, want[i].ExpiresAt)
			}
		}
	}
	second := renew(time.Hour)
	end := w.now.Add(time.Hour)
	expect("one hour of overlap", idp.ClientSecret{Hash: second.Hash()}, idp.ClientSecret{Hash: first.Hash(), ExpiresAt: end})
	third := renew(24 * time.Hour)
	end = w.now.Add(24 * time.Hour)
	expect("the oldest is gone", idp.ClientSecret{Hash: third.Hash()}, idp.ClientSecret{Hash: second.Hash(), ExpiresAt: end})
	fourth := renew(0)
	expect("no overlap", idp.ClientSecret{Hash: fourth.Hash()})

	public := confidential()
	public.ID, public.Auth = "public", idp.AuthNone
	if _, err := w.AddClient(t.Context(), console, public); err != nil {
		t.Fatal(err)
	}
	if s, err := w.NewClientSecret(t.Context(), console, "public", 0); !errors.Is(err, idp.ErrInvalid) || s != "" {
		t.Errorf("a secret for a public client: %v", err)
	}
	if s, err := w.NewClientSecret(t.Context(), console, "none", 0); !errors.Is(err, idp.ErrNotFound) || s != "" {
		t.Errorf("a secret for nobody: %v", err)
	}
}

func TestRemovingClients(t *testing.T) {
	w := newWorld(t)
	if _, err := w.AddClient(t.Context(), console, confidential()); err != nil {
		t.Fatal(err)
	}
	if err := w.RemoveClient(t.Context(), console, "viewer"); err != nil || w.client("viewer") != nil {
		t.Errorf("not removed: %v", err)
	}
	if e := w.last(idp.EventClientChanged); e.Client != "viewer" || e.Detail["change"] != "removed" || e.Detail["name"] != "Viewer" {
		t.Errorf("event %+v", e)
	}
	w.fails("once more", w.RemoveClient(t.Context(), console, "viewer"), idp.ErrNotFound)
}
