package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
	"hilum/idp/totp"
)

// Step is what to show now. It is derived from the row.
type Step struct {
	ID         idp.LoginID
	Purpose    idp.LoginPurpose
	State      idp.LoginState
	Client     *idp.Client     // ForClient, else nil; read only
	Request    idp.AuthRequest // ForClient
	Target     string
	UserName   string     // once the password was right
	LoginHint  string     // to fill the name field with
	Devices    int        // linked devices of the user; 0 at state factor: «no device linked»
	Phones     *PhoneStep // at state factor: nil when there is no phone to ask
	DeniedBy   string     // the name of the device that denied, if one did
	Recovery   bool       // there are unused recovery codes
	WrongCodes int
	ExpiresAt  time.Time
	Enrol      *EnrolStep // at state enrol
	Mail       bool       // at state password: a link can be asked for
	Known      bool       // at state last: UserName has given the second factor
	// NewPassword says that a new password waits for the second factor.
	NewPassword bool
	Scopes      []string // at state consent: what is asked for
}

// EnrolStep is what the invitation page shows.
type EnrolStep struct {
	Purpose     idp.InvitationPurpose
	NeedName    bool // set-up: the account's names come first
	NeedLink    bool // a device is to be linked: the offer is below
	NeedPass    bool // a password is to be chosen
	UserName    string
	DisplayName string
	Offer       totp.Offer
	Pairing     idp.PairingID
	Claimed     string // the name of our app that has scanned the code
	Tapped      bool   // and has said Login: no code is needed
	Rival       bool   // another phone has used the same code
	Phase       string // how far linking is, in a word
	ExpiresAt   time.Time
	WrongCodes  int
	ServerTime  time.Time
}

// Step returns what to show. Errors: idp.ErrNotFound (also for another browser).
func (f *Flow) Step(ctx context.Context, id idp.LoginID, b Browser) (*Step, error) {
	l, err := f.own(ctx, id, b)
	if err != nil {
		return nil, err
	}
	return f.step(ctx, l)
}

func (f *Flow) step(ctx context.Context, l *idp.Login) (*Step, error) { return f.stepFor(ctx, l, nil) }

// stepFor is step where the account of the person is at hand; nil: it is not.
func (f *Flow) stepFor(ctx context.Context, l *idp.Login, a *idp.Account) (*Step, error) {
	s := &Step{
		ID: l.ID, Purpose: l.Purpose, State: l.State, Request: l.Request, Target: l.Target,
		LoginHint: l.Request.LoginHint, WrongCodes: l.WrongCodes, ExpiresAt: l.ExpiresAt, NewPassword: l.NewHash != "",
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
	s.Mail = f.mail && s.State == idp.LoginPassword && l.Purpose != idp.ForInvitation
	if s.State == idp.LoginConsent {
		s.Scopes = l.Request.Scopes
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
		s.UserName, s.Devices, s.Recovery = a.User.Name, a.Devices, a.RecoveryLeft > 0
		if s.State == idp.LoginFactor && a.Apps > 0 {
			var err error
			if s.Phones, err = f.phones(ctx, l); err != nil {
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
	}
	return s, nil
}

// Word is the step in a word that changes when the page does. It tells nothing
// that the page does not.
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

// Pulse says how a sign-in stands, in a word, and what wakes who waits for
// another. Errors: idp.ErrNotFound (also for another browser).
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

// StartOver forgets what was proven and goes back to the password. Errors:
// idp.ErrNotFound, ErrSettled, ErrExpired.
func (f *Flow) StartOver(ctx context.Context, id idp.LoginID, b Browser) (*Step, error) {
	return f.leave(ctx, id, b, func(l *idp.Login) error { return l.Apply(idp.OnStartOver, f.now()) })
}

// Cancel ends a sign-in at the person's wish; the client is told
// access_denied. Errors as for StartOver.
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

// Consent takes the person's yes or no. Errors as for StartOver.
func (f *Flow) Consent(ctx context.Context, id idp.LoginID, b Browser, allow bool) (*Step, error) {
	on, kind := idp.OnRefuse, idp.EventConsentRefused
	if allow {
		on, kind = idp.OnAllow, idp.EventConsentGiven
	}
	return f.move(ctx, id, b, func(l *idp.Login) error {
		if err := l.Apply(on, f.now()); err != nil {
			return err
		}
		l.Note(f.event(kind, l, "", b))
		return nil
	})
}

// leave is move for a step after which no phone is waited for.
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

// move applies one change to a sign-in of this browser and says what is next.
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
	return f.step(ctx, &moved)
}
