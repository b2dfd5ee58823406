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

// LinkError says that a one-time link is good no more, and what it was for: where
// its holder gets a new one depends on that.
type LinkError struct {
	Purpose idp.InvitationPurpose
	Err     error // idp.ErrExpired or idp.ErrSettled
}

func (e *LinkError) Error() string { return string(e.Purpose) + " link: " + e.Err.Error() }
func (e *LinkError) Unwrap() error { return e.Err }

// Invitation returns the invitation of a one-time link and its user, without using
// it up; the user is nil for the set-up link, which makes one. Errors: idp.ErrNotFound
// (no such link, or of a disabled account); ErrExpired and ErrSettled, both as a
// LinkError.
func (f *Flow) Invitation(ctx context.Context, token idp.Secret) (*idp.Invitation, *idp.User, error) {
	i, a, err := f.invitation(ctx, token)
	if err != nil || a == nil {
		return i, nil, err
	}
	return i, &a.User, nil
}

// invitation is Invitation with the whole account.
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

// StartInvitation begins a sign-in from a one-time link. The link stays good until
// it is used (Enrol, and for a link from a mailbox Collect). A person who is invited
// to link a device and has a password already gives the password first, so that the
// link in wrong hands is not enough. Errors as for Invitation.
func (f *Flow) StartInvitation(ctx context.Context, token idp.Secret, b Browser) (*Step, error) {
	i, a, err := f.invitation(ctx, token)
	if err != nil {
		return nil, err
	}
	now, lasts := f.now(), idp.LoginTTL
	if p := plans[i.Purpose]; p != nil && p.linksDevice {
		lasts = idp.EnrolTTL
	}
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForInvitation, State: idp.LoginEnrol, Browser: b.ID,
		Target: string(i.Purpose), Invitation: i.ID, CreatedAt: now, ExpiresAt: now.Add(lasts),
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

// NameAccount takes the sign-in name and the display name of the first
// administrator, in a sign-in by the set-up link; the account is made by Enrol.
// Errors: idp.FieldError, ErrConflict (the name is taken), ErrNotFound, ErrSettled,
// ErrExpired.
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

// ChoosePassword takes the password that a person chooses who links their first device
// next: it waits in the sign-in's row, hashed, until Enrol gives the account both.
// Choosing anew replaces it. Errors: idp.FieldError, ErrBusy as RetryError,
// ErrNotFound, ErrSettled (this sign-in chooses no password before a device),
// ErrExpired.
func (f *Flow) ChoosePassword(ctx context.Context, id idp.LoginID, b Browser, chosen idp.Secret) (*Step, error) {
	l, err := f.own(ctx, id, b)
	if err != nil {
		return nil, err
	}
	if err := waits(l, idp.LoginEnrol, f.now()); err != nil {
		return nil, err
	}
	_, ask, err := f.enrolment(ctx, l)
	if err != nil {
		return nil, err
	}
	if ask.NeedName || !ask.NeedLink || !ask.NeedPass && !ask.Chosen {
		return nil, fmt.Errorf("sign-in %s chooses no password before a device: %w", id, idp.ErrSettled)
	}
	if err := f.acceptable(chosen, ask.UserName, ask.DisplayName); err != nil {
		return nil, err
	}
	hash, err := f.passwords.Hash(ctx, chosen)
	if err != nil {
		return nil, err
	}
	return f.move(ctx, id, b, func(l *idp.Login) error {
		if err := waits(l, idp.LoginEnrol, f.now()); err != nil {
			return err
		}
		l.NewHash = hash
		return nil
	})
}

// enrolment returns the plan of a sign-in by a one-time link, and what that asks of
// the person.
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

// enrolStep fills in what the invitation page shows. Where a device is to be linked
// that is an offer with its QR code: a new one when the one before has expired or was
// closed by wrong codes.
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

// offer returns the open offer of a sign-in to link a device, making one where there
// is none; account is the name that the device shows. Errors: idp.ErrSettled and
// ErrExpired when the sign-in does not wait for a device any more.
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
	f.wake(idp.TopicUser(l.User)) // a phone that had scanned the offer of before is told
	return p, f.store.UpdateLogin(ctx, l.ID, func(l *idp.Login) error {
		if err := waits(l, idp.LoginEnrol, now); err != nil {
			return err
		}
		l.Pairing = p.ID
		return nil
	})
}

// EnrolForm is what the invitation page posts. What the purpose of the link does not
// ask for is ignored.
type EnrolForm struct {
	Password   idp.Secret // that the person chose, where it was not chosen before (ChoosePassword)
	Code       string     // six digits from the device to be linked; empty when «Login» was said on our app
	DeviceName string     // for a device that gives no name itself; empty: defaultDeviceName
}

// defaultDeviceName is what a device is called when its owner gives no name.
const defaultDeviceName = "Authenticator app"

// ErrOffer stands beside idp.ErrExpired or ErrSettled where it is the offer to link
// a device that is good no more, not the link or the sign-in. The page, shown again,
// has a new one.
var ErrOffer = errors.New("the offer to link")

// Enrol does what a one-time link is for with what the person has given, in one
// transaction: it makes the account (set-up), sets the password, links the first
// device; the table plans says which. It returns the next step, and new recovery
// codes, to be shown this once (nil where no device is linked).
//
// A reset sets the password only, and ends what was begun with the old one. The
// sign-in goes on to the second factor, because the link proves nothing about who
// holds the phone. Where the link went by mail the password waits in the sign-in's
// row, and the link stays good, until that factor was given and the browser collects.
//
// Errors: idp.FieldError, ErrWrongSecret (the code), ErrInvalid (not six digits),
// ErrBusy as RetryError, ErrConflict (the name is taken, or a sixth device),
// ErrNotFound; ErrExpired and ErrSettled, as a LinkError where the link is good no
// more, with ErrOffer where a new offer helps.
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
	step, err := f.step(ctx, moved, b)
	if err == nil {
		step, err = f.asked(ctx, step, b)
	}
	return step, codes, err
}

// check checks what costs little, before anything is hashed: the password against
// the policy, the device's name, and its code. A fault there leaves link and offer as
// they are, but for a wrong code, which the offer counts. It sets the device that the
// person has proven to hold. Errors as for Enrol.
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

// hash sets the hash of the password and, where a device is linked, those of new
// recovery codes, which it returns. Errors: idp.ErrBusy as RetryError.
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

// carryOut has the store carry out a plan, and returns the sign-in as it is after
// that. Errors: those of the plan and of Store.Enrol.
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

// asked asks the person's phones where a sign-in has come to the second factor, and
// returns the step as it is then.
func (f *Flow) asked(ctx context.Context, s *Step, b Browser) (*Step, error) {
	if s.State != idp.LoginFactor || s.Phones == nil {
		return s, nil
	}
	if err := f.ask(ctx, s.ID, b, false); err != nil {
		return nil, err
	}
	return f.Step(ctx, s.ID, b)
}

// confirm returns the device that the person has proven to hold, by having said
// «Login» on it or by its code. It counts a wrong code against the offer. Errors:
// idp.ErrWrongSecret, ErrInvalid (not six digits), ErrExpired and ErrSettled with
// ErrOffer.
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
