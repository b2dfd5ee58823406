package login

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"hilum/idp"
)

// plan is what a one-time link of one purpose asks of the person, and what comes
// of what they give. It is data and pure functions: times, identifiers and
// hashes come in as values (given), so that the store may run it a second time
// after a conflict, and a test can compare all that came out.
type plan struct {
	makesUser     bool // the link makes the account; the person names it first
	keepsPassword bool // a password that the account has stays; else one is chosen
	linksDevice   bool // the person links their first device and gets recovery codes
	on            idp.LoginEvent
	acts          []act // in this order
	mailed        []act // instead of acts, where the link lay in a mailbox (idp.Invitation.Waits)
}

// act is one thing that a plan does, in the transaction that uses the link. It
// changes the enrolment alone, never what was given.
type act func(*idp.Enrolment, *given) error

// plans has a row for each purpose. The acts of a row are in the order in which
// the audit log tells of them.
var plans = map[idp.InvitationPurpose]*plan{
	idp.InviteSetup: {
		makesUser: true, linksDevice: true, on: idp.OnLinked,
		acts: []act{makeUser, activate, useLink, noteCreated, setPassword, linkDevice, replaceRecovery},
	},
	idp.InviteEnrol: {
		keepsPassword: true, linksDevice: true, on: idp.OnLinked,
		acts: []act{needUser, activate, useLink, setPassword, linkDevice, replaceRecovery},
	},
	// A link that was handed over proves its holder's first factor anew; one that
	// lay in a mailbox proves nothing, so that nothing but this sign-in knows of
	// the new password before the second factor.
	idp.InviteReset: {
		on:     idp.OnReset,
		acts:   []act{needUser, useLink, setPassword, noteReset, linkNothing},
		mailed: []act{needUser, holdPassword},
	},
	idp.InviteForgotten: {
		on:   idp.OnReset,
		acts: []act{needUser, holdPassword}, // it always lay in a mailbox
	},
}

// given is what a plan makes rows of: what the person gave, checked and hashed,
// and what must not be found out inside a transaction that may run twice.
type given struct {
	now      time.Time          // when the form came: what links and offers are judged by, and what rows say
	noted    time.Time          // when it is stored: what events say
	address  string             // of the browser
	user     idp.UserID         // whose account; a new identifier where the plan makes it
	hash     string             // PHC string of the password that was chosen; empty: none was asked for
	device   *idp.Device        // proven to be held by the person; nil: none was asked for
	tapped   bool               // proven by «Login» on the device, else by its code
	recovery []idp.RecoveryCode // hashes of new recovery codes; empty: none are made
}

// planOf returns the plan of a sign-in by a one-time link.
func planOf(l *idp.Login) (*plan, error) {
	p, ok := plans[idp.InvitationPurpose(l.Target)]
	if !ok {
		return nil, fmt.Errorf("sign-in %s: no plan for a link of purpose %q", l.ID, l.Target)
	}
	return p, nil
}

// asks returns what the plan asks of a person; a is nil where it makes the account.
func (p *plan) asks(l *idp.Login, a *idp.Account) *EnrolStep {
	e := &EnrolStep{Purpose: idp.InvitationPurpose(l.Target), NeedPass: true, NeedLink: p.linksDevice}
	if p.makesUser {
		e.UserName, e.DisplayName, e.NeedName = l.NewName, l.NewDisplay, l.NewName == ""
		return e
	}
	e.UserName, e.DisplayName = a.User.Name, a.User.DisplayName
	e.NeedPass = !p.keepsPassword || a.PasswordHash == ""
	return e
}

// carryOut fills an enrolment with what comes of what the person gave. Errors:
// idp.ErrExpired and ErrSettled, of the link as a LinkError, of the offer with
// ErrOffer, else of the sign-in; idp.ErrNotFound (no account, or a disabled one).
func (p *plan) carryOut(e *idp.Enrolment, g *given) error {
	l, i := e.Login, e.Invitation
	if err := i.Open(g.now); err != nil {
		return &LinkError{i.Purpose, err}
	}
	if l.Target != string(i.Purpose) {
		return fmt.Errorf("sign-in %s is by a link of purpose %q, and the link's is %q", l.ID, l.Target, i.Purpose)
	}
	if err := l.Apply(p.on, g.now); err != nil {
		return err
	}
	acts := p.acts
	if p.mailed != nil && i.Waits() {
		acts = p.mailed
	}
	for _, do := range acts {
		if err := do(e, g); err != nil {
			return err
		}
	}
	return nil
}

// refusal translates what the store refuses after the plan was carried out.
func refusal(purpose idp.InvitationPurpose, err error) error {
	if errors.Is(err, idp.ErrDenied) {
		// A set-up link, and somebody administers this site by now.
		return &LinkError{purpose, idp.ErrSettled}
	}
	return err
}

func needUser(e *idp.Enrolment, _ *given) error {
	if e.User == nil || e.User.State == idp.UserDisabled {
		return fmt.Errorf("sign-in %s: no account: %w", e.Login.ID, idp.ErrNotFound)
	}
	return nil
}

func makeUser(e *idp.Enrolment, g *given) error {
	e.NewUser = true
	e.User = &idp.User{
		ID: g.user, Name: e.Login.NewName, DisplayName: e.Login.NewDisplay, Staff: idp.StaffAdmin, State: idp.UserInvited,
		CreatedAt: g.now, UpdatedAt: g.now,
	}
	return nil
}

func activate(e *idp.Enrolment, g *given) error {
	if e.User.State == idp.UserInvited {
		e.User.State, e.User.UpdatedAt = idp.UserActive, g.now
	}
	return nil
}

func useLink(e *idp.Enrolment, g *given) error {
	e.Invitation.UsedAt = g.now
	e.Login.User = g.user
	g.note(e, idp.EventInvitationUsed, "purpose", string(e.Invitation.Purpose))
	return nil
}

func noteCreated(e *idp.Enrolment, g *given) error {
	g.note(e, idp.EventUserCreated, "name", e.User.Name, "staff", string(e.User.Staff))
	return nil
}

// setPassword gives the account the password that was chosen. Where none was asked
// for the hash is empty and the account keeps its own, which the person gave first.
func setPassword(e *idp.Enrolment, g *given) error {
	e.PasswordHash, e.Login.PasswordAt = g.hash, g.now
	return nil
}

// holdPassword keeps the password that was chosen in the sign-in's row, where
// collecting finds it after the second factor; the link stays good until then.
func holdPassword(e *idp.Enrolment, g *given) error {
	e.Login.NewHash, e.Login.PasswordAt = g.hash, g.now
	return nil
}

func noteReset(e *idp.Enrolment, g *given) error {
	g.note(e, idp.EventPasswordReset)
	return nil
}

func linkNothing(e *idp.Enrolment, _ *given) error {
	e.Pairing = nil
	return nil
}

// linkDevice uses up the offer and links the device, which is the sign-in's
// second factor as well. Errors: idp.ErrExpired and ErrSettled with ErrOffer.
func linkDevice(e *idp.Enrolment, g *given) error {
	l, p := e.Login, e.Pairing
	if p == nil || p.ID != l.Pairing {
		return fmt.Errorf("%w of sign-in %s is not there: %w", ErrOffer, l.ID, idp.ErrExpired)
	}
	if err := p.Open(g.now); err != nil {
		return fmt.Errorf("%w of sign-in %s: %w", ErrOffer, l.ID, err)
	}
	d := *g.device
	if p.Claim == nil && d.Kind == idp.DeviceApp || p.Claim != nil && p.Claim.ID != d.ID {
		return fmt.Errorf("%w of sign-in %s was claimed meanwhile: %w", ErrOffer, l.ID, idp.ErrSettled)
	}
	if c := p.Claim; c != nil {
		// What push services have said of it meanwhile.
		d.PushOKAt, d.PushBadAt, d.PushSaid, d.SealedPush, d.PushType = c.PushOKAt, c.PushBadAt, c.PushSaid, c.SealedPush, c.PushType
	}
	p.UsedAt, p.Claim = g.now, nil
	d.User = g.user
	e.Device = &d
	l.Device, l.FactorAt, l.AuthTime, l.ACR, l.AMR = d.ID, g.now, g.now, idp.ACRMultiFactor, amrCode
	if g.tapped {
		l.AMR = amrPush
	}
	g.note(e, idp.EventDeviceLinked, "name", d.Name, "kind", string(d.Kind))
	return nil
}

func replaceRecovery(e *idp.Enrolment, g *given) error {
	e.Recovery = slices.Clone(g.recovery)
	g.note(e, idp.EventRecoveryMade)
	return nil
}

// note adds an event about the enrolment's sign-in, by the person enrolled.
func (g *given) note(e *idp.Enrolment, kind idp.EventKind, detail ...string) {
	e.Login.Note(eventAt(g.noted, kind, e.Login, e.User.Name, g.address, detail...))
}
