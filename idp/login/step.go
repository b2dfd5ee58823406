package login

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/totp"
)

// Step is what the page of a sign-in shows now. It is derived from the sign-in's row,
// never from the request, so that nobody asks for a step that is not due.
type Step struct {
	ID         idp.LoginID
	Purpose    idp.LoginPurpose
	State      idp.LoginState
	Client     *idp.Client     // ForClient, else nil; shared: must not be changed
	Request    idp.AuthRequest // ForClient: the authorization request
	Target     string          // idp.Login.Target
	UserName   string          // the sign-in name, once the person has proven something
	LoginHint  string          // to fill the name field with (login_hint of OpenID Connect Core 1.0, section 3.1.2.1)
	Devices    int             // linked devices of the user; 0 at state factor: «no device linked»
	Phones     *PhoneStep      // at states factor and first; nil where the user has no phone that can be asked
	DeniedBy   string          // the name of the device that denied the sign-in, if one did
	Recovery   bool            // the user has unused recovery codes
	WrongCodes int             // wrong codes typed in this sign-in
	ExpiresAt  time.Time       // of the sign-in
	Enrol      *EnrolStep      // at state enrol
	Mail       bool            // at state password: a link to a new password can be asked for
	// NewPassword says that a new password waits in the row for the second factor.
	NewPassword bool
	Scopes      []string // at state consent: the scopes that the person is asked to allow
	Claims      []string // at state consent: the claims asked by name besides
	Resources   []string // at state consent: the APIs asked for by name, as people know them
	// BySession says that nothing was proven in this sign-in: it goes on by the session
	// that the browser has.
	BySession bool
	// Device is the device that the person signs in to from here, at state consent; nil: none.
	Device *DeviceStep
}

// EnrolStep is what the invitation page asks of the person, and the offer to link a
// device that it shows.
type EnrolStep struct {
	Purpose     idp.InvitationPurpose
	NeedName    bool // set-up: the account's names are to be given first (NameAccount); nothing else is asked for yet
	NeedLink    bool // a device is to be linked, by the offer below
	NeedPass    bool // a password is to be chosen
	Chosen      bool // it was chosen, and the account gets it with the device
	UserName    string
	DisplayName string

	Offer      totp.Offer // QR code and codes for typing
	Pairing    idp.PairingID
	Claimed    string    // the name of the phone with our app that has scanned the QR code; empty: none has
	Tapped     bool      // and «Login» was said on it: no code is needed
	Rival      bool      // another phone has scanned the same QR code
	Phase      string    // how far linking is (idp.Pairing.Phase)
	ExpiresAt  time.Time // of the offer
	WrongCodes int       // wrong codes that were typed for the offer
	ServerTime time.Time // now, for a person whose phone's clock is wrong
}

// Step returns the step of a sign-in that is to be shown. One that the browser's session
// answers by now goes on by it. Errors: idp.ErrNotFound, also for another browser than the
// one that began it.
func (f *Flow) Step(ctx context.Context, id idp.LoginID, b Browser) (*Step, error) {
	l, err := f.own(ctx, id, b)
	if err != nil {
		return nil, err
	}
	if l, err = f.joined(ctx, l, b); err != nil {
		return nil, err
	}
	return f.step(ctx, l, b)
}

// step is Step where the row is at hand.
func (f *Flow) step(ctx context.Context, l *idp.Login, b Browser) (*Step, error) {
	return f.stepFor(ctx, l, b, nil)
}

// stepFor is step where the account of the person is at hand too; a is nil where it
// is not, and is read where the step shows something of it.
func (f *Flow) stepFor(ctx context.Context, l *idp.Login, b Browser, a *idp.Account) (*Step, error) {
	s := &Step{
		ID: l.ID, Purpose: l.Purpose, State: l.State, Request: l.Request, Target: l.Target,
		LoginHint: l.Request.LoginHint, WrongCodes: l.WrongCodes, ExpiresAt: l.ExpiresAt, NewPassword: l.NewHash != "",
		BySession: l.FactorAt.IsZero() && (l.State == idp.LoginConsent || l.State == idp.LoginDone || l.State == idp.LoginCollected),
	}
	if !l.Final() && !f.now().Before(l.ExpiresAt) {
		s.State = idp.LoginExpired
	}
	if l.Purpose == idp.ForClient {
		client, err := f.store.Client(ctx, l.Request.Client)
		switch {
		case errors.Is(err, idp.ErrNotFound):
			s.State = idp.LoginExpired // the application was removed meanwhile
		case err != nil:
			return nil, err
		}
		s.Client = client
	}
	device, waiting, err := f.deviceOf(ctx, l)
	switch {
	case err != nil:
		return nil, err
	case !waiting && l.State != idp.LoginDenied && l.State != idp.LoginCollected:
		s.State = idp.LoginExpired // it has been answered elsewhere, or its time is up
	}
	s.Mail = f.mail && s.State == idp.LoginPassword && l.Purpose != idp.ForInvitation
	if s.State == idp.LoginConsent {
		s.Scopes, s.Claims = l.Request.Scopes, l.Request.Named
		for _, r := range l.Request.Resources {
			name, err := f.resourceName(ctx, r)
			if err != nil {
				return nil, err
			}
			s.Resources = append(s.Resources, name)
		}
	}
	switch s.State {
	case idp.LoginFirst:
		var err error
		if s.Phones, err = f.firstPhones(ctx, l); err != nil {
			return nil, err
		}
	case idp.LoginFactor, idp.LoginConsent, idp.LoginLast:
		if a == nil {
			var err error
			if a, err = f.store.Account(ctx, l.User); err != nil {
				return nil, err
			}
		}
		if device != nil {
			s.Device = &DeviceStep{device.Address, device.CreatedAt}
		}
		s.UserName, s.Devices, s.Recovery = a.User.Name, a.Devices, a.RecoveryLeft > 0
		if s.State == idp.LoginFactor && a.Apps > 0 {
			var err error
			if s.Phones, err = f.phones(ctx, l, b); err != nil {
				return nil, err
			}
		}
	case idp.LoginDenied:
		if l.Device == "" {
			break
		}
		devices, err := f.store.Devices(ctx, l.User)
		if err != nil {
			return nil, err
		}
		for _, d := range devices {
			if d.ID == l.Device {
				s.DeniedBy = d.Name
			}
		}
	case idp.LoginEnrol:
		if err := f.enrolStep(ctx, l, s); err != nil {
			return nil, err
		}
	case idp.LoginPassword, idp.LoginDone, idp.LoginCollected, idp.LoginExpired: // say nothing of anybody
	}
	return s, nil
}

// Word is a word that changes when the page of the step does: a page that waits
// compares it. It says nothing that the page does not show.
func (s *Step) Word() string {
	word := string(s.State)
	switch {
	case s.Phones != nil:
		word += "-" + s.Phones.Word()
	case s.Enrol != nil:
		word += "-" + s.Enrol.Phase
	}
	return word
}

// Pulse returns the word of the step that a sign-in is at (Step.Word), and the topics
// on which a page that waits for another word is woken (Config.Wake). Errors:
// idp.ErrNotFound, also for another browser.
func (f *Flow) Pulse(ctx context.Context, id idp.LoginID, b Browser) (string, []idp.Topic, error) {
	s, err := f.Step(ctx, id, b)
	if err != nil {
		return "", nil, err
	}
	topics := []idp.Topic{idp.TopicLogin(id)}
	if s.Enrol != nil && s.Enrol.Pairing != "" {
		topics = append(topics, idp.TopicPairing(s.Enrol.Pairing))
	}
	return s.Word(), topics, nil
}

// StartOver forgets what the person has proven and goes back to the password; what
// phones were asked is withdrawn. Errors: idp.ErrNotFound, ErrSettled, ErrExpired.
func (f *Flow) StartOver(ctx context.Context, id idp.LoginID, b Browser) (*Step, error) {
	return f.leave(ctx, id, b, func(l *idp.Login) error { return l.Apply(idp.OnStartOver, f.now()) })
}

// Cancel ends a sign-in at the person's wish; the client is answered access_denied
// (RFC 6749, section 4.1.2.1). Errors as for StartOver.
func (f *Flow) Cancel(ctx context.Context, id idp.LoginID, b Browser) (*Step, error) {
	return f.leave(ctx, id, b, func(l *idp.Login) error {
		if err := l.Apply(idp.OnDeny, f.now()); err != nil {
			return err
		}
		l.Device = "" // no phone has said no
		l.Note(f.event(idp.EventLoginDenied, l, "", b, "by", "browser"))
		return nil
	})
}

// Consent takes the person's yes or no to the scopes, claims and resources that the client asks
// for. Who says yes to an emergency has claimed it: that is an event of its own. Errors
// as for StartOver.
func (f *Flow) Consent(ctx context.Context, id idp.LoginID, b Browser, allow bool) (*Step, error) {
	on, kind := idp.OnRefuse, idp.EventConsentRefused
	if allow {
		on, kind = idp.OnAllow, idp.EventConsentGiven
	}
	claimed := false
	step, err := f.move(ctx, id, b, func(l *idp.Login) error {
		if err := l.Apply(on, f.now()); err != nil {
			return err
		}
		var what []string
		if len(l.Request.Named) > 0 {
			what = []string{"claims", strings.Join(l.Request.Named, " ")}
		}
		if len(l.Request.Resources) > 0 {
			what = append(what, "resources", strings.Join(l.Request.Resources, " "))
		}
		l.Note(f.event(kind, l, "", b, what...).WithPurpose(l.Request.Scopes))
		if claimed = allow && idp.Emergency(l.Request.Scopes); claimed {
			l.Note(f.event(idp.EventEmergency, l, "", b).WithPurpose(l.Request.Scopes))
		}
		return nil
	})
	if err == nil && claimed {
		f.log.WarnContext(ctx, "an emergency is claimed", "login", string(id), "client", string(step.Request.Client), "user", step.UserName, "purpose", idp.PurposeText(step.Request.Scopes))
	}
	return step, err
}

// resourceName is what people know an API by that is asked for: the name that it is registered
// by, else its address.
func (f *Flow) resourceName(ctx context.Context, resource string) (string, error) {
	c, err := f.store.Standing(ctx, resource)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return resource, nil
	case err != nil:
		return "", err
	}
	return c.Name, nil
}

// leave is move for a change after which the sign-in waits for no phone any more:
// what phones were asked is withdrawn.
func (f *Flow) leave(ctx context.Context, id idp.LoginID, b Browser, fn func(*idp.Login) error) (*Step, error) {
	var asked idp.ChallengeID
	step, err := f.move(ctx, id, b, func(l *idp.Login) error {
		asked = l.Challenge
		return fn(l)
	})
	if err == nil {
		f.withdraw(ctx, asked)
	}
	return step, err
}

// move has fn change a sign-in of this browser, and returns the next step. Errors:
// idp.ErrNotFound, those of fn.
func (f *Flow) move(ctx context.Context, id idp.LoginID, b Browser, fn func(*idp.Login) error) (*Step, error) {
	var moved idp.Login
	err := f.store.UpdateLogin(ctx, id, func(l *idp.Login) error {
		if err := bound(l, b); err != nil {
			return err
		}
		if err := fn(l); err != nil {
			return err
		}
		moved = *l
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sign-in %s: %w", id, err)
	}
	return f.step(ctx, &moved, b)
}
