package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hilum/idp"
)

// By is who asks, with what decides whether they may. One of three: a person
// in the administration (Actor.User, Role, FactorAt), a command at the console
// (Console), or a program with a token of client credentials (Client, Role).
type By struct {
	Actor idp.Actor
	// Role is the role that the door saw. A person's is looked up again at every
	// act, and has to be the same still: a role that was taken a moment ago opens
	// nothing.
	Role idp.StaffRole
	// FactorAt is when a person last gave a second factor, of their session.
	FactorAt time.Time
	// Console: whoever can run a command on the machine has the database in hand
	// already; asking them for a phone would guard nothing.
	Console bool
	// Client is a program, which acts for no person. What it may is in the scopes of
	// its token, which the door turns into Role. It has no phone, so it is never asked
	// for a fresh second factor: it has given its client secret for the token.
	Client  idp.ClientID
	Address string // where the act came from, for the log
}

// Console is the By of a command at the console, or of the provider itself; name is
// for the log, "console:root" or "provider".
func Console(name string) By { return By{Actor: idp.Actor{Name: name}, Console: true} }

// Act is a kind of act, by which the table says who may do it.
type Act string

const (
	ReadDevices  Act = "read devices"
	ReadUsers    Act = "read users"
	ReadSessions Act = "read sessions"
	ReadClients  Act = "read applications"
	ReadAudit    Act = "read the audit log"
	ReadHealth   Act = "read health"
	ReadSettings Act = "read settings"

	UnlinkDevice  Act = "unlink devices"
	Reopen        Act = "reopen enrolment"
	Invite        Act = "invite"
	ResetPassword Act = "reset a password"
	Unlock        Act = "unlock"

	AddUsers     Act = "add users"
	EditUsers    Act = "edit users"
	EditRoles    Act = "change roles in the administration"
	BlockUsers   Act = "block and unblock"
	EndSessions  Act = "end sessions"
	EditClients  Act = "change applications"
	EditSettings Act = "change settings"
)

// Acts lists all there are, those that only read first.
var Acts = []Act{
	ReadDevices, ReadUsers, ReadSessions, ReadClients, ReadAudit, ReadHealth, ReadSettings,
	UnlinkDevice, Reopen, Invite, ResetPassword, Unlock,
	AddUsers, EditUsers, EditRoles, BlockUsers, EndSessions, EditClients, EditSettings,
}

// Reads reports whether an act changes nothing, so that no fresh second factor
// is needed.
func (a Act) Reads() bool { return slices.Contains(Acts[:7], a) }

// may is the whole of who may do what. Whoever is not in a row may not.
var may = map[Act][]idp.StaffRole{
	ReadDevices:  {idp.StaffAdmin, idp.StaffHelpdesk, idp.StaffAuditor},
	ReadUsers:    {idp.StaffAdmin, idp.StaffHelpdesk, idp.StaffAuditor},
	ReadSessions: {idp.StaffAdmin, idp.StaffHelpdesk, idp.StaffAuditor},
	ReadClients:  {idp.StaffAdmin, idp.StaffAuditor},
	ReadAudit:    {idp.StaffAdmin, idp.StaffAuditor},
	ReadHealth:   {idp.StaffAdmin, idp.StaffAuditor},
	ReadSettings: {idp.StaffAdmin, idp.StaffAuditor},

	UnlinkDevice:  {idp.StaffAdmin, idp.StaffHelpdesk},
	Reopen:        {idp.StaffAdmin, idp.StaffHelpdesk},
	Invite:        {idp.StaffAdmin, idp.StaffHelpdesk},
	ResetPassword: {idp.StaffAdmin, idp.StaffHelpdesk},
	Unlock:        {idp.StaffAdmin, idp.StaffHelpdesk},
	EndSessions:   {idp.StaffAdmin, idp.StaffHelpdesk},

	AddUsers:     {idp.StaffAdmin},
	EditUsers:    {idp.StaffAdmin},
	EditRoles:    {idp.StaffAdmin},
	BlockUsers:   {idp.StaffAdmin},
	EditClients:  {idp.StaffAdmin},
	EditSettings: {idp.StaffAdmin},
}

// May reports whether a role may do an act, as far as the role decides: for a
// page that shows no button which would be refused.
func May(role idp.StaffRole, act Act) bool { return slices.Contains(may[act], role) }

// allow returns nil when by may do an act now. Errors: idp.ErrDenied,
// idp.ErrStale when a second factor has to be given first.
func (d *Desk) allow(ctx context.Context, by By, act Act) error {
	denied := func() error { return fmt.Errorf("%s may not %s: %w", by.Actor.Name, act, idp.ErrDenied) }
	switch {
	case by.Console:
		return nil
	case by.Client != "":
		if by.Actor.User != "" || !May(by.Role, act) {
			return denied()
		}
		return nil
	case by.Actor.User == "":
		return denied()
	}
	u, err := d.conf.Store.User(ctx, by.Actor.User)
	if err != nil {
		return fmt.Errorf("%w: %w", idp.ErrDenied, err)
	}
	if !u.MayAdminister(may[act]...) || u.Staff != by.Role {
		return denied()
	}
	if !act.Reads() {
		if err := (&idp.Session{FactorAt: by.FactorAt}).Fresh(d.conf.Now()); err != nil {
			return fmt.Errorf("%s: %w", act, err)
		}
	}
	return nil
}

// mayUpon returns nil when by may act upon an account. Upon one that has a role in
// the administration only the role of administrator and commands may act: a link to
// a new password or a new phone is all that one needs to become its owner. Errors:
// idp.ErrDenied.
func mayUpon(by By, u *idp.User) error {
	if !by.Console && by.Role != idp.StaffAdmin && u.Staff != idp.StaffNone {
		return fmt.Errorf("%s is %s, upon whom only an administrator may act: %w", u.Name, u.Staff, idp.ErrDenied)
	}
	return nil
}
