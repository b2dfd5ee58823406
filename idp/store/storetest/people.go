package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"hilum/idp"
)

// same compares what was stored with what came back; the journal is not kept.
func same(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("came back as\n%+v\nwant\n%+v", got, want)
	}
}

func users(t *testing.T, s *site) {
	defer func() {
		one, other := s.user("named"), s.user("other")
		names, err := s.UserNames(s.ctx(), []idp.UserID{one.ID, other.ID, "GONE", one.ID})
		s.ok(err)
		if len(names) != 2 || names[one.ID] != "named" || names[other.ID] != "other" {
			t.Errorf("names %v", names)
		}
		many := slices.Repeat([]idp.UserID{"GONE"}, 200)
		many[0], many[199] = one.ID, other.ID
		names, err = s.UserNames(s.ctx(), many)
		s.ok(err)
		if len(names) != 2 || names[one.ID] != "named" || names[other.ID] != "other" {
			t.Errorf("names of many: %v", names)
		}
		names, err = s.UserNames(s.ctx(), nil)
		s.ok(err)
		if len(names) != 0 {
			t.Errorf("names of nobody: %v", names)
		}
	}()
	u := s.user("anna")
	got, err := s.User(s.ctx(), u.ID)
	s.ok(err)
	same(t, got, u)
	a, err := s.AccountByName(s.ctx(), "anna")
	s.ok(err)
	same(t, &a.User, u)
	if a.PasswordHash != "" || a.Devices != 0 || a.RecoveryLeft != 0 {
		t.Fatalf("a new account has %+v", a)
	}
	_, err = s.User(s.ctx(), "nobody")
	s.is(err, idp.ErrNotFound)
	_, err = s.Account(s.ctx(), "nobody")
	s.is(err, idp.ErrNotFound)
	_, err = s.AccountByName(s.ctx(), "")
	s.is(err, idp.ErrNotFound)

	twin := *u
	twin.ID = idp.NewID[idp.UserID]()
	s.is(s.AddUser(s.ctx(), &twin), idp.ErrConflict)
	s.user("berta")
	s.is(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error { u.Name = "berta"; return nil }), idp.ErrConflict)

	s.ok(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error {
		u.Email, u.EmailVerified, u.Roles = "", false, nil // zero values are written too
		u.Note(s.event(idp.EventUserChanged))
		return nil
	}))
	got, err = s.User(s.ctx(), u.ID)
	s.ok(err)
	u.Email, u.EmailVerified, u.Roles = "", false, nil
	same(t, got, u)
	s.is(s.UpdateUser(s.ctx(), "nobody", func(*idp.User) error { return nil }), idp.ErrNotFound)
	s.happened(idp.EventUserCreated, 2)
	s.happened(idp.EventUserChanged, 1)

	s.user("carl")
	n, err := s.CountUsers(s.ctx())
	s.ok(err)
	page, err := s.Users(s.ctx(), "anna", 1)
	s.ok(err)
	if n != 3 || len(page) != 1 || page[0].User.Name != "berta" {
		t.Fatalf("%d users, after anna %+v", n, page)
	}

	c, issue := s.redeemed(u)
	open := s.login(u.ID, idp.LoginFactor)
	offer, link := s.pairing(u.ID), s.invitation(u.ID, idp.InviteReset)
	s.ok(s.DisableUser(s.ctx(), u.ID, s.event(idp.EventUserDisabled)))
	got, err = s.User(s.ctx(), u.ID)
	s.ok(err)
	if got.State != idp.UserDisabled || !s.revoked(issue.Access.Hash) {
		t.Fatalf("disabled: %s, revoked %v", got.State, s.revoked(issue.Access.Hash))
	}
	if l, err := s.Login(s.ctx(), open.ID); err != nil || l.State != idp.LoginExpired {
		t.Fatalf("a sign-in under way is %v, %v", l, err)
	}
	if l, err := s.Login(s.ctx(), c.login.ID); err != nil || l.State != idp.LoginCollected {
		t.Fatalf("a sign-in long done is %v, %v", l, err)
	}
	_, err = s.Pairing(s.ctx(), offer.ID)
	s.is(err, idp.ErrNotFound)
	_, err = s.InvitationByToken(s.ctx(), link.Token)
	s.is(err, idp.ErrNotFound)
	live, err := s.Sessions(s.ctx(), u.ID, s.now)
	s.ok(err)
	if len(live) != 0 {
		t.Fatalf("%d sessions live on", len(live))
	}
	s.happened(idp.EventSessionEnded, 1)
	s.happened(idp.EventUserDisabled, 1)

	s.ok(s.EnableUser(s.ctx(), u.ID, s.event(idp.EventUserEnabled)))
	if got, err = s.User(s.ctx(), u.ID); err != nil || got.State != idp.UserInvited {
		t.Fatalf("without password and device %v, %v", got, err)
	}
	s.ok(s.SetPassword(s.ctx(), u.ID, "phc", s.passwordAt(u.ID), idp.Within{}, s.event(idp.EventPasswordChanged)))
	_, err = s.device(u.ID)
	s.ok(err)
	s.ok(s.DisableUser(s.ctx(), u.ID, s.event(idp.EventUserDisabled)))
	s.ok(s.EnableUser(s.ctx(), u.ID, s.event(idp.EventUserEnabled)))
	if got, err = s.User(s.ctx(), u.ID); err != nil || got.State != idp.UserActive {
		t.Fatalf("with password and device %v, %v", got, err)
	}
	if !s.revoked(issue.Access.Hash) {
		t.Fatal("enabling gave a revoked grant back")
	}
	s.is(s.EnableUser(s.ctx(), "nobody", s.event(idp.EventUserEnabled)), idp.ErrNotFound)
}

func passwords(t *testing.T, s *site) {
	u := s.user("anna")
	s.ok(s.SetPassword(s.ctx(), u.ID, "one", s.passwordAt(u.ID), idp.Within{}, s.event(idp.EventPasswordChanged)))
	kept, keptIssue := s.redeemed(u)
	_, other := s.redeemed(u)
	open := s.login(u.ID, idp.LoginConsent)
	s.ok(s.SetPassword(s.ctx(), u.ID, "two", s.passwordAt(u.ID), idp.Within{Session: kept.session.ID}, s.event(idp.EventPasswordChanged)))
	a, err := s.Account(s.ctx(), u.ID)
	s.ok(err)
	if a.PasswordHash != "two" {
		t.Fatalf("hash %q", a.PasswordHash)
	}
	if s.revoked(keptIssue.Access.Hash) || !s.revoked(other.Access.Hash) {
		t.Fatal("the wrong grants were revoked")
	}
	live, err := s.Sessions(s.ctx(), u.ID, s.now)
	s.ok(err)
	if len(live) != 1 || live[0].ID != kept.session.ID {
		t.Fatalf("live: %+v", live)
	}
	if l, err := s.Login(s.ctx(), open.ID); err != nil || l.State != idp.LoginExpired {
		t.Fatalf("a sign-in under way is %v, %v", l, err)
	}
	s.ok(s.RehashPassword(s.ctx(), u.ID, "one", "three"))
	s.ok(s.RehashPassword(s.ctx(), u.ID, "two", "four"))
	a, err = s.Account(s.ctx(), u.ID)
	s.ok(err)
	if a.PasswordHash != "four" {
		t.Fatalf("hash %q", a.PasswordHash)
	}
	s.is(s.SetPassword(s.ctx(), "nobody", "x", s.passwordAt("nobody"), idp.Within{}, s.event(idp.EventPasswordChanged)), idp.ErrNotFound)
	s.happened(idp.EventPasswordChanged, 2)
}

func lastAdministrator(t *testing.T, s *site) {
	a, b := s.administrator("a"), s.administrator("b")
	s.ok(s.DisableUser(s.ctx(), a.ID, s.event(idp.EventUserDisabled)))
	s.is(s.DisableUser(s.ctx(), b.ID, s.event(idp.EventUserDisabled)), idp.ErrDenied)
	s.is(s.UpdateUser(s.ctx(), b.ID, func(u *idp.User) error { u.Staff = idp.StaffHelpdesk; return nil }), idp.ErrDenied)
	if u, err := s.User(s.ctx(), b.ID); err != nil || u.State != idp.UserActive || u.Staff != idp.StaffAdmin {
		t.Fatalf("the last administrator is %+v, %v", u, err)
	}
	s.happened(idp.EventUserDisabled, 1)
}

func devices(t *testing.T, s *site) {
	u := s.user("anna")
	first, err := s.device(u.ID)
	s.ok(err)
	for range idp.MaxDevices - 1 {
		_, err = s.device(u.ID)
		s.ok(err)
	}
	before := s.pairing(u.ID)
	_, err = s.device(u.ID)
	s.is(err, idp.ErrConflict)
	_, err = s.Pairing(s.ctx(), before.ID)
	s.is(err, idp.ErrNotFound) // replaced by the one that failed

	list, err := s.Devices(s.ctx(), u.ID)
	s.ok(err)
	if len(list) != idp.MaxDevices {
		t.Fatalf("%d devices", len(list))
	}
	s.ok(s.UpdateDevice(s.ctx(), u.ID, first.ID, idp.Replay{}, func(d *idp.Device) error {
		d.Name, d.Drift, d.LastUsedAt = "Old phone", -1, s.now
		d.Note(s.event(idp.EventDeviceRenamed))
		return nil
	}))
	first.Name, first.Drift, first.LastUsedAt = "Old phone", -1, s.now
	list, err = s.Devices(s.ctx(), u.ID)
	s.ok(err)
	for _, d := range list {
		if d.ID == first.ID {
			same(t, &d, first)
		}
	}
	for _, d := range list[1:] {
		s.ok(s.RemoveDevice(s.ctx(), u.ID, d.ID, idp.Unlinking{}, s.event(idp.EventDeviceUnlinked)))
	}
	s.is(s.RemoveDevice(s.ctx(), u.ID, list[0].ID, idp.Unlinking{}, s.event(idp.EventDeviceUnlinked)), idp.ErrDenied)
	s.ok(s.RemoveDevice(s.ctx(), u.ID, list[0].ID, idp.Unlinking{Last: true}, s.event(idp.EventDeviceUnlinked)))
	s.is(s.RemoveDevice(s.ctx(), u.ID, list[0].ID, idp.Unlinking{Last: true}, s.event(idp.EventDeviceUnlinked)), idp.ErrNotFound)
	s.happened(idp.EventDeviceUnlinked, idp.MaxDevices)
	s.happened(idp.EventDeviceRenamed, 1)
}

// replacedDevices: a phone takes the place of another in the transaction that links it, so
// that five stay five; of the old one both keys are kept, to be told. One that has gone
// meanwhile hinders nothing, and nobody's phone takes the place of somebody else's.
func replacedDevices(t *testing.T, s *site) {
	u, other := s.user("u"), s.user("other")
	link := func(of idp.UserID, change func(*idp.Device)) *idp.Device {
		t.Helper()
		d := s.newDevice(of)
		d.Kind, d.PublicKey, d.UVKey = idp.DeviceApp, bytes.Repeat([]byte{7}, 64), bytes.Repeat([]byte{8}, 64)
		change(d)
		s.ok(s.UpdatePairing(s.ctx(), s.pairing(of).ID, func(p *idp.Pairing) (*idp.Device, error) {
			p.UsedAt = s.now
			return d, nil
		}))
		return d
	}
	nothing := func(*idp.Device) {}
	theirs := link(other.ID, nothing)
	var old *idp.Device
	for range idp.MaxDevices {
		old = link(u.ID, nothing)
	}
	next := link(u.ID, func(d *idp.Device) { d.Replaces = old.ID })
	list, err := s.Devices(s.ctx(), u.ID)
	s.ok(err)
	if len(list) != idp.MaxDevices || list[len(list)-1].ID != next.ID || list[len(list)-1].Replaces != "" || !bytes.Equal(list[len(list)-1].UVKey, next.UVKey) {
		t.Errorf("linked %+v", list)
	}
	gone, err := s.Speaker(s.ctx(), old.ID)
	s.ok(err)
	if !gone.Unlinked || !bytes.Equal(gone.Device.PublicKey, old.PublicKey) || !bytes.Equal(gone.Device.UVKey, old.UVKey) {
		t.Errorf("of the old one is kept %+v", gone)
	}
	s.happened(idp.EventDeviceUnlinked, 1)
	// Without a place to take there is none.
	d := s.newDevice(u.ID)
	d.Replaces = old.ID
	s.is(s.UpdatePairing(s.ctx(), s.pairing(u.ID).ID, func(*idp.Pairing) (*idp.Device, error) { return d, nil }), idp.ErrConflict)
	d = s.newDevice(u.ID)
	d.Replaces = theirs.ID
	s.is(s.UpdatePairing(s.ctx(), s.pairing(u.ID).ID, func(*idp.Pairing) (*idp.Device, error) { return d, nil }), idp.ErrConflict)
	if list, err := s.Devices(s.ctx(), other.ID); err != nil || len(list) != 1 {
		t.Errorf("somebody else has %d devices, %v", len(list), err)
	}
}

// unheardDevices: a phone that was unlinked is handed out once, with where it is woken.
func unheardDevices(t *testing.T, s *site) {
	u, other := s.user("u"), s.user("other")
	var gone []idp.DeviceID
	for range 3 {
		d := s.newDevice(u.ID)
		d.Kind, d.PublicKey, d.Platform = idp.DeviceApp, bytes.Repeat([]byte{7}, 64), "web"
		if len(gone) > 0 { // the first cannot be woken
			d.SealedPush = []byte("sealed " + string(d.ID))
		}
		s.ok(s.UpdatePairing(s.ctx(), s.pairing(u.ID).ID, func(p *idp.Pairing) (*idp.Device, error) {
			p.UsedAt = s.now
			return d, nil
		}))
		gone = append(gone, d.ID)
	}
	none := func(of idp.UserID) {
		t.Helper()
		if list, err := s.Unheard(s.ctx(), of); err != nil || len(list) != 0 {
			t.Fatalf("%d unheard, %v", len(list), err)
		}
	}
	none(u.ID)
	for _, id := range gone {
		s.ok(s.RemoveDevice(s.ctx(), u.ID, id, idp.Unlinking{Last: true}, s.event(idp.EventDeviceUnlinked)))
	}
	none(other.ID)
	list, err := s.Unheard(s.ctx(), u.ID)
	s.ok(err)
	if len(list) != 2 {
		t.Fatalf("%d unheard, want 2", len(list))
	}
	for i, d := range list {
		if d.ID != gone[i+1] || d.User != u.ID || d.Platform != "web" || string(d.SealedPush) != "sealed "+string(d.ID) {
			t.Errorf("unheard %+v", d)
		}
	}
	none(u.ID)
	// It is told for as long as before.
	if sp, err := s.Speaker(s.ctx(), gone[1]); err != nil || !sp.Unlinked {
		t.Errorf("%+v, %v", sp, err)
	}
}

func strangersDevice(t *testing.T, s *site) {
	a, b := s.user("a"), s.user("b")
	d, err := s.device(a.ID)
	s.ok(err)
	touched := false
	s.is(s.UpdateDevice(s.ctx(), b.ID, d.ID, idp.Replay{}, func(*idp.Device) error { touched = true; return nil }), idp.ErrNotFound)
	s.is(s.RemoveDevice(s.ctx(), b.ID, d.ID, idp.Unlinking{Last: true}, s.event(idp.EventDeviceUnlinked)), idp.ErrNotFound)
	if touched {
		t.Fatal("the function was given another person's device")
	}
}

func pairings(t *testing.T, s *site) {
	u := s.user("anna")
	first := s.pairing(u.ID)
	got, err := s.Pairing(s.ctx(), first.ID)
	s.ok(err)
	same(t, got, first)
	second := s.pairing(u.ID)
	_, err = s.Pairing(s.ctx(), first.ID)
	s.is(err, idp.ErrNotFound)

	// A wrong code: counted, with its event, and no device.
	s.ok(s.UpdatePairing(s.ctx(), second.ID, func(p *idp.Pairing) (*idp.Device, error) {
		p.WrongCodes++
		p.Note(s.event(idp.EventCodeWrong))
		return nil, nil
	}))
	s.ok(s.UpdatePairing(s.ctx(), second.ID, func(p *idp.Pairing) (*idp.Device, error) {
		if p.WrongCodes != 1 {
			return nil, fmt.Errorf("%d wrong codes", p.WrongCodes)
		}
		p.UsedAt = s.now
		d := s.newDevice(u.ID)
		d.Note(s.event(idp.EventDeviceLinked))
		return d, nil
	}))
	// Even a function that does not look cannot use it twice.
	err = s.UpdatePairing(s.ctx(), second.ID, func(*idp.Pairing) (*idp.Device, error) { return s.newDevice(u.ID), nil })
	s.is(err, idp.ErrSettled)
	list, err := s.Devices(s.ctx(), u.ID)
	s.ok(err)
	if len(list) != 1 {
		t.Fatalf("%d devices", len(list))
	}
	s.pairing(u.ID)
	_, err = s.Pairing(s.ctx(), second.ID)
	s.ok(err) // a used one is not replaced

	// Before there is a user, offers belong to their browser.
	a, b := s.pairing(""), s.pairing("")
	for _, p := range []*idp.Pairing{a, b} {
		_, err = s.Pairing(s.ctx(), p.ID)
		s.ok(err)
	}
	again := &idp.Pairing{ID: idp.NewID[idp.PairingID](), Browser: a.Browser, CreatedAt: s.now, ExpiresAt: s.now.Add(time.Minute)}
	s.ok(s.AddPairing(s.ctx(), again))
	_, err = s.Pairing(s.ctx(), a.ID)
	s.is(err, idp.ErrNotFound)
	_, err = s.Pairing(s.ctx(), b.ID)
	s.ok(err)
	s.happened(idp.EventCodeWrong, 1)
	s.happened(idp.EventDeviceLinked, 1)
}

func (s *site) recoveryCodes(user idp.UserID) []idp.RecoveryCode {
	var rows []idp.RecoveryCode
	for n := 1; n <= 10; n++ {
		rows = append(rows, idp.RecoveryCode{User: user, N: n, Hash: fmt.Sprintf("phc-%d-%s", n, idp.NewID[string]()), MadeAt: s.now})
	}
	return rows
}

func recovery(t *testing.T, s *site) {
	u := s.user("anna")
	s.ok(s.SetRecoveryCodes(s.ctx(), u.ID, s.recoveryCodes(u.ID), idp.Within{}, s.event(idp.EventRecoveryMade)))
	s.ok(s.SetRecoveryCodes(s.ctx(), u.ID, s.recoveryCodes(u.ID), idp.Within{}, s.event(idp.EventRecoveryMade)))
	n, err := s.RecoveryLeft(s.ctx(), u.ID)
	s.ok(err)
	a, err := s.Account(s.ctx(), u.ID)
	s.ok(err)
	if n != 10 || a.RecoveryLeft != 10 {
		t.Fatalf("%d and %d codes", n, a.RecoveryLeft)
	}
	s.is(s.SetRecoveryCodes(s.ctx(), "nobody", nil, idp.Within{}, s.event(idp.EventRecoveryMade)), idp.ErrNotFound)
	s.happened(idp.EventRecoveryMade, 2)
}

func invitations(t *testing.T, s *site) {
	u := s.user("anna")
	first := s.invitation(u.ID, idp.InviteEnrol)
	got, err := s.InvitationByToken(s.ctx(), first.Token)
	s.ok(err)
	same(t, got, first)
	setup := s.invitation("", idp.InviteSetup)
	second := s.invitation(u.ID, idp.InviteReset)
	_, err = s.InvitationByToken(s.ctx(), first.Token)
	s.is(err, idp.ErrNotFound)
	_, err = s.InvitationByToken(s.ctx(), second.Token)
	s.ok(err)
	_, err = s.InvitationByToken(s.ctx(), setup.Token)
	s.ok(err) // another's
	s.invitation("", idp.InviteSetup)
	_, err = s.InvitationByToken(s.ctx(), setup.Token)
	s.is(err, idp.ErrNotFound)
	_, err = s.InvitationByToken(s.ctx(), idp.TokenHash{})
	s.is(err, idp.ErrNotFound)
}

// invited is a sign-in by invitation with an open offer.
func (s *site) invited(u *idp.User) (*idp.Login, *idp.Invitation) {
	s.t.Helper()
	var user idp.UserID
	purpose := idp.InviteSetup
	if u != nil {
		user, purpose = u.ID, idp.InviteEnrol
	}
	i, p := s.invitation(user, purpose), s.pairing(user)
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForInvitation, State: idp.LoginEnrol, Browser: p.Browser, User: user,
		Invitation: i.ID, Pairing: p.ID, CreatedAt: s.now, ExpiresAt: s.now.Add(idp.LoginTTL),
	}
	s.ok(s.AddLogin(s.ctx(), l))
	return l, i
}

// use fills an enrolment as login does when the code was right.
func (s *site) use(e *idp.Enrolment) error {
	if err := e.Invitation.Open(s.now); err != nil {
		return err
	}
	e.Invitation.UsedAt = s.now
	e.Invitation.Note(s.event(idp.EventInvitationUsed))
	e.User.State = idp.UserActive
	e.PasswordHash = "phc"
	if e.Pairing != nil {
		e.Pairing.UsedAt = s.now
		e.Device = s.newDevice(e.User.ID)
		e.Device.Note(s.event(idp.EventDeviceLinked))
		e.Recovery = s.recoveryCodes(e.User.ID)
	}
	e.Login.User = e.User.ID
	return e.Login.Apply(idp.OnLinked, s.now)
}

func enrol(t *testing.T, s *site) {
	u := s.user("anna")
	s.ok(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error { u.State = idp.UserInvited; return nil }))
	l, i := s.invited(u)
	s.ok(s.Enrol(s.ctx(), l.ID, s.use))
	a, err := s.AccountByName(s.ctx(), "anna")
	s.ok(err)
	if a.User.State != idp.UserActive || a.PasswordHash != "phc" || a.Devices != 1 || a.RecoveryLeft != 10 {
		t.Fatalf("enrolled as %+v", a)
	}
	got, err := s.InvitationByToken(s.ctx(), i.Token)
	s.ok(err)
	s.is(got.Open(s.now), idp.ErrSettled)
	s.is(s.Enrol(s.ctx(), l.ID, s.use), idp.ErrSettled)
	s.is(s.Enrol(s.ctx(), "nothing", s.use), idp.ErrNotFound)
	if l, err = s.Login(s.ctx(), l.ID); err != nil || l.State != idp.LoginDone {
		t.Fatalf("the sign-in is %v, %v", l, err)
	}
	s.happened(idp.EventInvitationUsed, 1)
	s.happened(idp.EventDeviceLinked, 1)
}

func enrolWrongCode(t *testing.T, s *site) {
	u := s.user("anna")
	l, i := s.invited(u)
	s.ok(s.Enrol(s.ctx(), l.ID, func(e *idp.Enrolment) error {
		e.Pairing.WrongCodes++
		e.Login.WrongCodes++
		e.Login.Note(s.event(idp.EventCodeWrong))
		return nil
	}))
	got, err := s.InvitationByToken(s.ctx(), i.Token)
	s.ok(err)
	s.ok(got.Open(s.now))
	p, err := s.Pairing(s.ctx(), l.Pairing)
	s.ok(err)
	if p.WrongCodes != 1 {
		t.Fatalf("%d wrong codes", p.WrongCodes)
	}
	a, err := s.Account(s.ctx(), u.ID)
	s.ok(err)
	if a.PasswordHash != "" || a.Devices != 0 {
		t.Fatalf("enrolled as %+v", a)
	}
	s.happened(idp.EventCodeWrong, 1)
	failed := errors.New("no")
	s.is(s.Enrol(s.ctx(), l.ID, func(e *idp.Enrolment) error { return errors.Join(s.use(e), failed) }), failed)
	got, err = s.InvitationByToken(s.ctx(), i.Token)
	s.ok(err)
	s.ok(got.Open(s.now))
}

func setUp(t *testing.T, s *site) {
	l, _ := s.invited(nil)
	first := func(e *idp.Enrolment) error {
		if e.User != nil {
			return errors.New("there is a user already")
		}
		e.NewUser = true
		e.User = &idp.User{ID: idp.NewID[idp.UserID](), Name: "root", DisplayName: "Root", Staff: idp.StaffAdmin, CreatedAt: s.now, UpdatedAt: s.now}
		e.User.Note(s.event(idp.EventUserCreated))
		return s.use(e)
	}
	s.ok(s.Enrol(s.ctx(), l.ID, first))
	a, err := s.AccountByName(s.ctx(), "root")
	s.ok(err)
	if a.User.State != idp.UserActive || a.User.Staff != idp.StaffAdmin || a.Devices != 1 || a.PasswordHash == "" {
		t.Fatalf("set up as %+v", a)
	}
	i := &idp.Invitation{ID: idp.NewID[idp.InvitationID](), Token: idp.NewToken().Hash(), Purpose: idp.InviteSetup, CreatedAt: s.now, ExpiresAt: s.now.Add(time.Hour)}
	s.is(s.AddInvitation(s.ctx(), i, nil), idp.ErrDenied)
}

// A set-up link makes nobody an administrator once somebody is, however they
// came to be; adding a person ends it; and while nobody is, one can be made.
func setUpLater(t *testing.T, s *site) {
	l, i := s.invited(nil)
	u := s.user("anna")
	_, err := s.InvitationByToken(s.ctx(), i.Token)
	s.is(err, idp.ErrNotFound)

	make := func(e *idp.Enrolment) error {
		e.NewUser = true
		e.User = &idp.User{ID: idp.NewID[idp.UserID](), Name: "root", DisplayName: "Root", Staff: idp.StaffAdmin, CreatedAt: s.now, UpdatedAt: s.now}
		return s.use(e)
	}
	s.is(s.Enrol(s.ctx(), l.ID, make), idp.ErrNotFound)
	if yes, err := s.Administered(s.ctx()); yes || err != nil {
		t.Fatalf("administered: %t (%v)", yes, err)
	}
	l, i = s.invited(nil) // with people, and nobody who administers
	s.ok(s.UpdateUser(s.ctx(), u.ID, func(u *idp.User) error { u.Staff = idp.StaffAdmin; return nil }))
	if yes, err := s.Administered(s.ctx()); !yes || err != nil {
		t.Fatalf("administered: %t (%v)", yes, err)
	}
	s.is(s.Enrol(s.ctx(), l.ID, make), idp.ErrDenied)
	got, err := s.InvitationByToken(s.ctx(), i.Token)
	s.ok(err)
	s.ok(got.Open(s.now)) // what fails leaves nothing
	_, err = s.AccountByName(s.ctx(), "root")
	s.is(err, idp.ErrNotFound)
}

func reset(t *testing.T, s *site) {
	u := s.user("anna")
	_, err := s.device(u.ID)
	s.ok(err)
	s.ok(s.SetPassword(s.ctx(), u.ID, "old", s.passwordAt(u.ID), idp.Within{}, s.event(idp.EventPasswordChanged)))
	_, issue := s.redeemed(u)
	other := s.login(u.ID, idp.LoginFactor)
	i := s.invitation(u.ID, idp.InviteReset)
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForInvitation, State: idp.LoginEnrol, User: u.ID, Invitation: i.ID,
		CreatedAt: s.now, ExpiresAt: s.now.Add(idp.LoginTTL),
	}
	s.ok(s.AddLogin(s.ctx(), l))
	s.ok(s.Enrol(s.ctx(), l.ID, func(e *idp.Enrolment) error {
		if e.Pairing != nil {
			return errors.New("a reset has no offer")
		}
		return s.use(e)
	}))
	a, err := s.Account(s.ctx(), u.ID)
	s.ok(err)
	if a.PasswordHash != "phc" || a.Devices != 1 {
		t.Fatalf("reset to %+v", a)
	}
	if !s.revoked(issue.Access.Hash) {
		t.Fatal("a reset left tokens good")
	}
	live, err := s.Sessions(s.ctx(), u.ID, s.now)
	s.ok(err)
	if len(live) != 0 {
		t.Fatalf("a reset left %d sessions", len(live))
	}
	if got, err := s.Login(s.ctx(), other.ID); err != nil || got.State != idp.LoginExpired {
		t.Fatalf("another sign-in is %v, %v", got, err)
	}
	if got, err := s.Login(s.ctx(), l.ID); err != nil || got.State != idp.LoginDone {
		t.Fatalf("its own sign-in is %v, %v", got, err)
	}
}
