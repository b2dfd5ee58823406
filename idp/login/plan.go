package login

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"hilum/idp"
)

// plan is what a one-time link of one purpose asks of the person, and what is done
// with what they give. It is data and pure functions: times, identifiers and hashes
// come in as values (given), so that the store may run it a second time after a
// conflict, and a test can compare all that comes out.
type plan struct {
	makesUser     bool           // the link makes the account; the person gives its names first
	keepsPassword bool           // a password is chosen only where the account has none; false: always
	linksDevice   bool           // the person links their first device, and gets recovery codes
	on            idp.LoginInput // what moves the sign-in
	acts          []act          // what is done, in this order
	mailed        []act          // instead of acts where the link went by mail (idp.Invitation.Waits); nil: acts
}

// act does one thing of a plan, in the transaction that uses the link. It changes
// the enrolment alone, never what was given.
type act func(*idp.Enrolment, *given) error

// plans has a row for each purpose of a link. Events are noted in the order of the
// acts.
var plans = map[idp.InvitationPurpose]*plan{
	idp.InviteSetup: {
		makesUser: true, linksDevice: true, on: idp.OnLinked,
		acts: []act{makeUser, activate, useLink, noteCreated, setPassword, linkDevice, replaceRecovery},
	},
	idp.InviteEnrol: {
		keepsPassword: true, linksDevice: true, on: idp.OnLinked,
		acts: []act{needUser, activate, useLink, setPassword, linkDevice, replaceRecovery},
	},
	// A link that an administrator handed over sets the password at once. One that
	// went by mail is in the hands of everybody who reads that mail, so that nothing
	// but this sign-in knows of the new password before the second factor was given.
	idp.InviteReset: {
		on:     idp.OnReset,
		acts:   []act{needUser, useLink, setPassword, noteReset, linkNothing},
		mailed: []act{needUser, holdPassword},
	},
	idp.InviteForgotten: {
		on:   idp.OnReset,
		acts: []act{needUser, holdPassword}, // such a link always goes by mail
	},
}

// given is what a plan is carried out with: what the person gave, checked and hashed,
// and times and identifiers, which are taken before.
type given struct {
	now      time.Time          // when the form came: expiry is judged by it, and rows say it
	noted    time.Time          // when the transaction runs: events say it
	address  string             // client address of the browser
	user     idp.UserID         // whose account it is; a new identifier where the plan makes the account
	hash     string             // PHC string of the password that was chosen with this form; empty: none was
	device   *idp.Device        // that the person has proven to hold; nil: none was asked for
	tapped   bool               // the proof was «Login» on the device, else its code
	recovery []idp.RecoveryCode // new recovery codes, hashed; empty: none are made
}

// planOf returns the plan of a sign-in by a one-time link, by the purpose that its
// row says. A purpose without a plan is an error: nothing but a changed row has one.
func planOf(l *idp.Login) (*plan, error) {
	p, ok := plans[idp.InvitationPurpose(l.Target)]
	if !ok {
		return nil, fmt.Errorf("sign-in %s: no plan for a link of purpose %q", l.ID, l.Target)
	}
	return p, nil
}

// asks returns what the plan asks of the person whose account a is; a is nil where
// the plan makes the account.
func (p *plan) asks(l *idp.Login, a *idp.Account) *EnrolStep {
	e := &EnrolStep{Purpose: idp.InvitationPurpose(l.Target), NeedPass: true, NeedLink: p.linksDevice}
	if p.makesUser {
		e.UserName, e.DisplayName, e.NeedName = l.NewName, l.NewDisplay, l.NewName == ""
	} else {
		e.UserName, e.DisplayName = a.User.Name, a.User.DisplayName
		e.NeedPass = !p.keepsPassword || a.PasswordHash == ""
	}
	if e.NeedPass && p.linksDevice && l.NewHash != "" {
		e.NeedPass, e.Chosen = false, true
	}
	return e
}

// carryOut changes an enrolment by what the person gave: it moves the sign-in, then
// does the acts. Errors: idp.ErrExpired and ErrSettled, as a LinkError where the link
// is why, with ErrOffer where the offer is, else of the sign-in; idp.ErrNotFound (no
// account, or a disabled one).
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

// refusal translates an error of Store.Enrol for the holder of a link of a purpose.
func refusal(purpose idp.InvitationPurpose, err error) error {
	if errors.Is(err, idp.ErrDenied) {
		// By a set-up link, and somebody administers this site by now: as if it were used.
		return &LinkError{purpose, idp.ErrSettled}
	}
	return err
}

// needUser refuses where the account is gone or disabled. Errors: idp.ErrNotFound.
func needUser(e *idp.Enrolment, _ *given) error {
	if e.User == nil || e.User.State == idp.UserDisabled {
		return fmt.Errorf("sign-in %s: no account: %w", e.Login.ID, idp.ErrNotFound)
	}
	return nil
}

// makeUser makes the account of the first administrator, under the names that the
// sign-in's row has from NameAccount.
func makeUser(e *idp.Enrolment, g *given) error {
	e.NewUser = true
	e.User = &idp.User{
		ID: g.user, Name: e.Login.NewName, DisplayName: e.Login.NewDisplay, Staff: idp.StaffAdmin, State: idp.UserInvited,
		CreatedAt: g.now, UpdatedAt: g.now,
	}
	return nil
}

// activate makes an invited person's account active: they have a device now.
func activate(e *idp.Enrolment, g *given) error {
	if e.User.State == idp.UserInvited {
		e.User.State, e.User.UpdatedAt = idp.UserActive, g.now
	}
	return nil
}

// useLink uses the link up, and says in the sign-in's row whose it is.
func useLink(e *idp.Enrolment, g *given) error {
	e.Invitation.UsedAt = g.now
	e.Login.User = g.user
	g.note(e, idp.EventInvitationUsed, "purpose", string(e.Invitation.Purpose))
	return nil
}

// noteCreated notes the account that makeUser has made.
func noteCreated(e *idp.Enrolment, g *given) error {
	g.note(e, idp.EventUserCreated, "name", e.User.Name, "staff", string(e.User.Staff))
	return nil
}

// setPassword gives the account the password that was chosen: with this form, or before
// it (ChoosePassword). Where none was asked for there is none, and the account keeps its
// own, which the person gave first.
func setPassword(e *idp.Enrolment, g *given) error {
	e.PasswordHash, e.Login.PasswordAt = cmp.Or(g.hash, e.Login.NewHash), g.now
	e.Login.NewHash = ""
	return nil
}

// holdPassword keeps the password that was chosen in the sign-in's row, where
// collecting finds it after the second factor; the link stays good until then.
func holdPassword(e *idp.Enrolment, g *given) error {
	e.Login.NewHash, e.Login.PasswordAt = g.hash, g.now
	return nil
}

// noteReset notes that the account has another password.
func noteReset(e *idp.Enrolment, g *given) error {
	g.note(e, idp.EventPasswordReset)
	return nil
}

// linkNothing has the store write no offer: none is used.
func linkNothing(e *idp.Enrolment, _ *given) error {
	e.Pairing = nil
	return nil
}

// linkDevice uses up the offer and links the device; that the person holds it is the
// second factor of this sign-in. Errors: idp.ErrExpired and ErrSettled with ErrOffer,
// where the offer is not the one that the device was proven by any more.
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

// replaceRecovery gives the account new recovery codes in place of those it has.
func replaceRecovery(e *idp.Enrolment, g *given) error {
	e.Recovery = slices.Clone(g.recovery)
	g.note(e, idp.EventRecoveryMade)
	return nil
}

// note adds an event about the enrolment's sign-in; the person enrolled is its actor.
func (g *given) note(e *idp.Enrolment, kind idp.EventKind, detail ...string) {
	e.Login.Note(eventAt(g.noted, kind, e.Login, e.User.Name, g.address, detail...))
}
