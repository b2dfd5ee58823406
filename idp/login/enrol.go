package login

import (
	"context"
	"errors"
	"fmt"

	"hilum/idp"
	"hilum/idp/password"
	"hilum/idp/text"
	"hilum/idp/totp"
)

// LinkError says that a one-time link is good no more, and what it was for: a
// new one comes from elsewhere for each purpose.
type LinkError struct {
	Purpose idp.InvitationPurpose
	Err     error // idp.ErrExpired or idp.ErrSettled
}

func (e *LinkError) Error() string { return string(e.Purpose) + " link: " + e.Err.Error() }
func (e *LinkError) Unwrap() error { return e.Err }

// Invitation says what a one-time link is for, without using it; the user is
// nil for the set-up link. Errors: idp.ErrNotFound; ErrExpired and ErrSettled,
// both as a LinkError.
func (f *Flow) Invitation(ctx context.Context, token idp.Secret) (*idp.Invitation, *idp.User, error) {
	i, a, err := f.invitation(ctx, token)
	if err != nil || a == nil {
		return i, nil, err
	}
	return i, &a.User, nil
}

func (f *Flow) invitation(ctx context.Context, token idp.Secret) (*idp.Invitation, *idp.Account, error) {
	i, err := f.store.InvitationByToken(ctx, token.Hash())
	if err != nil {
		return nil, nil, err
	}
	if err := i.Open(f.now()); err != nil {
		return nil, nil, &LinkError{i.Purpose, err}
	}
	if i.User == "" {
		return i, nil, nil
	}
	a, err := f.store.Account(ctx, i.User)
	if err != nil {
		return nil, nil, err
	}
	if a.User.State == idp.UserDisabled {
		return nil, nil, fmt.Errorf("invitation %s: %w", i.ID, idp.ErrNotFound)
	}
	return i, a, nil
}

// StartInvitation begins a sign-in from a one-time link; the link stays good
// until the enrolment is finished. Who has a password already gives it first,
// so that a link in wrong hands is not enough. Errors as for Invitation.
func (f *Flow) StartInvitation(ctx context.Context, token idp.Secret, b Browser) (*Step, error) {
	i, a, err := f.invitation(ctx, token)
	if err != nil {
		return nil, err
	}
	now := f.now()
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForInvitation, State: idp.LoginEnrol, Browser: b.ID,
		Target: string(i.Purpose), Invitation: i.ID, CreatedAt: now, ExpiresAt: now.Add(idp.LoginTTL),
	}
	if a != nil {
		l.User = a.User.ID
		if i.Purpose == idp.InviteEnrol && a.PasswordHash != "" {
			l.State, l.User = idp.LoginPassword, ""
			l.Request.HintUser, l.Request.LoginHint = a.User.ID, a.User.Name
		}
	}
	return f.begin(ctx, b, l)
}

// NameAccount takes the names of the first administrator, at set-up. Errors:
// FieldError, idp.ErrConflict (the name is taken), ErrNotFound, ErrSettled, ErrExpired.
func (f *Flow) NameAccount(ctx context.Context, id idp.LoginID, b Browser, name, display string) (*Step, error) {
	u := idp.User{Name: idp.FoldName(name), DisplayName: text.Form(display), Staff: idp.StaffAdmin}
	if u.DisplayName == "" {
		u.DisplayName = u.Name
	}
	if err := u.Validate(); err != nil {
		return nil, err
	}
	if _, err := f.store.AccountByName(ctx, u.Name); err == nil {
		return nil, fmt.Errorf("user %s: %w", u.Name, idp.ErrConflict)
	} else if !errors.Is(err, idp.ErrNotFound) {
		return nil, err
	}
	return f.move(ctx, id, b, func(l *idp.Login) error {
		if err := waits(l, idp.LoginEnrol, f.now()); err != nil {
			return err
		}
		if idp.InvitationPurpose(l.Target) != idp.InviteSetup {
			return fmt.Errorf("sign-in %s makes no account: %w", l.ID, idp.ErrSettled)
		}
		l.NewName, l.NewDisplay, l.Pairing = u.Name, u.DisplayName, ""
		return nil
	})
}

// enrolment returns the plan of a sign-in by invitation, and what it asks of the person.
func (f *Flow) enrolment(ctx context.Context, l *idp.Login) (*plan, *EnrolStep, error) {
	p, err := planOf(l)
	if err != nil {
		return nil, nil, err
	}
	if p.makesUser {
		return p, p.asks(l, nil), nil
	}
	a, err := f.store.Account(ctx, l.User)
	if err != nil {
		return nil, nil, err
	}
	return p, p.asks(l, a), nil
}

// enrolStep fills in what the invitation page shows, with an offer that can be
// scanned: when the one before is too old or was guessed at, a new one.
func (f *Flow) enrolStep(ctx context.Context, l *idp.Login, s *Step) error {
	_, e, err := f.enrolment(ctx, l)
	if err != nil {
		return err
	}
	s.Enrol, s.UserName, e.ServerTime = e, e.UserName, f.now()
	if !e.NeedLink || e.NeedName {
		return nil
	}
	p, err := f.offer(ctx, l, e.UserName)
	if err != nil {
		return err
	}
	shown, err := totp.Show(f.sealer, p, totp.Site{Label: f.rules.Site().InApps(), Issuer: f.rules.Issuer})
	if err != nil {
		return err
	}
	e.Offer, e.Pairing, e.ExpiresAt, e.WrongCodes = *shown, p.ID, p.ExpiresAt, p.WrongCodes
	e.Phase, e.Rival = p.Phase(f.now()), p.Rival
	if p.Claim != nil {
		e.Claimed, e.Tapped = p.Claim.Name, !p.TappedAt.IsZero()
	}
	return nil
}

// offer returns the open offer of a sign-in, making one where there is none.
func (f *Flow) offer(ctx context.Context, l *idp.Login, account string) (*idp.Pairing, error) {
	now := f.now()
	if l.Pairing != "" {
		p, err := f.store.Pairing(ctx, l.Pairing)
		if err == nil && p.Open(now) == nil {
			return p, nil
		}
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return nil, err
		}
	}
	p, err := totp.NewPairing(f.sealer, now)
	if err != nil {
		return nil, err
	}
	p.User, p.Account, p.Browser, p.Enrol = l.User, account, l.Browser, true
	if err := f.store.AddPairing(ctx, p); err != nil {
		return nil, err
	}
	return p, f.store.UpdateLogin(ctx, l.ID, func(l *idp.Login) error {
		if err := waits(l, idp.LoginEnrol, now); err != nil {
			return err
		}
		l.Pairing = p.ID
		return nil
	})
}

// EnrolForm is what the invitation page posts.
type EnrolForm struct {
	Password   idp.Secret
	Code       string
	DeviceName string
}

// defaultDeviceName is what a device is called when its owner gives no name.
const defaultDeviceName = "Authenticator app"

// ErrOffer says, beside idp.ErrExpired or ErrSettled, that it is the offer to
// link a device that is of no use any more. The page has a new one.
var ErrOffer = errors.New("the offer to link")

// Enrol uses an invitation: sets the password, links the first device, in one
// transaction. It returns the recovery codes, to be shown this once (nil for a
// reset). Errors: FieldError, idp.ErrWrongSecret (the code), ErrInvalid (not
// six digits), ErrExpired, ErrSettled, both of them as a LinkError where the
// link is good no more and with ErrOffer where a new offer helps, ErrBusy, ErrConflict, ErrNotFound.
//
// A reset sets the password only, which ends what was signed in with the old
// one: the sign-in goes on to the second factor, because a link proves nothing
// about who holds the phone. Where the person asked for the link themselves the
// password waits in the row until the browser collects what that factor proved,
// and the link stays good until then.
func (f *Flow) Enrol(ctx context.Context, id idp.LoginID, b Browser, form EnrolForm) (*Step, []idp.Secret, error) {
	l, err := f.own(ctx, id, b)
	if err != nil {
		return nil, nil, err
	}
	now := f.now()
	if err := waits(l, idp.LoginEnrol, now); err != nil {
		return nil, nil, err
	}
	p, ask, err := f.enrolment(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	if ask.NeedName {
		return nil, nil, fmt.Errorf("sign-in %s: the account has no name yet: %w", id, idp.ErrSettled)
	}
	g := &given{now: now, address: b.Address, user: l.User}
	if p.makesUser {
		g.user = idp.NewID[idp.UserID]()
	}
	if err := f.check(ctx, l, ask, form, g); err != nil {
		return nil, nil, err
	}
	codes, err := f.hash(ctx, ask, form, g)
	if err != nil {
		return nil, nil, err
	}
	moved, err := f.carryOut(ctx, id, b, p, g)
	if err != nil {
		return nil, nil, refusal(ask.Purpose, err)
	}
	step, err := f.step(ctx, moved)
	if err == nil {
		step, err = f.asked(ctx, step, b)
	}
	return step, codes, err
}

// check looks at what costs little first: what is wrong there loses nothing. It
// notes which device the person holds.
func (f *Flow) check(ctx context.Context, l *idp.Login, ask *EnrolStep, form EnrolForm, g *given) error {
	if ask.NeedPass {
		if err := f.acceptable(form.Password, ask.UserName, ask.DisplayName); err != nil {
			return err
		}
	}
	if !ask.NeedLink {
		return nil
	}
	name := text.Form(form.DeviceName)
	if name == "" {
		name = defaultDeviceName
	}
	if err := idp.ValidText("device_name", name, 1, idp.MaxDeviceName); err != nil {
		return err
	}
	d, err := f.confirm(ctx, l, form.Code)
	if err != nil {
		return err
	}
	if d.Name == "" {
		d.Name = name
	}
	d.LastUsedAt = g.now
	g.device, g.tapped = d, d.Kind == idp.DeviceApp && form.Code == ""
	return nil
}

// hash hashes the password and, where a device is linked, new recovery codes,
// which it returns. Errors: idp.ErrBusy.
func (f *Flow) hash(ctx context.Context, ask *EnrolStep, form EnrolForm, g *given) (codes []idp.Secret, err error) {
	if ask.NeedPass {
		if g.hash, err = f.passwords.Hash(ctx, form.Password); err != nil {
			return nil, err
		}
	}
	if ask.NeedLink {
		codes, g.recovery, err = password.NewRecoverySet(ctx, f.passwords, g.user, g.now)
	}
	return codes, err
}

// carryOut stores what comes of a plan, and returns the sign-in as it is then.
func (f *Flow) carryOut(ctx context.Context, id idp.LoginID, b Browser, p *plan, g *given) (*idp.Login, error) {
	var moved idp.Login
	err := f.store.Enrol(ctx, id, func(e *idp.Enrolment) error {
		if err := bound(e.Login, b); err != nil {
			return err
		}
		g := *g
		g.noted = f.now()
		if err := p.carryOut(e, &g); err != nil {
			return err
		}
		moved = *e.Login
		return nil
	})
	return &moved, err
}

// asked asks the phones of a sign-in that has come to the second factor.
func (f *Flow) asked(ctx context.Context, s *Step, b Browser) (*Step, error) {
	if s.State != idp.LoginFactor || s.Phones == nil {
		return s, nil
	}
	if err := f.ask(ctx, s.ID, b, false); err != nil {
		return nil, err
	}
	return f.Step(ctx, s.ID, b)
}

// confirm returns the device that the person has proven to hold, by saying
// Login on it or by its code, and counts a wrong code.
func (f *Flow) confirm(ctx context.Context, l *idp.Login, code string) (*idp.Device, error) {
	p, err := f.store.Pairing(ctx, l.Pairing)
	if err == nil && p.Claim != nil && !p.TappedAt.IsZero() && p.Open(f.now()) == nil {
		d := *p.Claim
		d.State, d.LinkedAt = idp.DeviceActive, f.now()
		return &d, nil
	}
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return nil, err
	}
	if _, err := totp.Clean(code); err != nil {
		return nil, err
	}
	var d *idp.Device
	var wrong error
	err = f.store.UpdatePairing(ctx, l.Pairing, func(p *idp.Pairing) (*idp.Device, error) {
		d, wrong = nil, nil
		now := f.now()
		if err := p.Open(now); err != nil {
			return nil, fmt.Errorf("%w of sign-in %s: %w", ErrOffer, l.ID, err)
		}
		var err error
		d, err = totp.Confirm(f.sealer, p, code, now)
		if errors.Is(err, idp.ErrWrongSecret) {
			p.WrongCodes++
			wrong = err
			return nil, nil
		}
		return nil, err
	})
	if errors.Is(err, idp.ErrNotFound) { // another browser has the link open too, and the newer offer
		return nil, fmt.Errorf("%w of sign-in %s was replaced: %w", ErrOffer, l.ID, idp.ErrExpired)
	}
	if err == nil {
		err = wrong
	}
	return d, err
}
