package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
	"hilum/idp/password"
	"hilum/idp/totp"
)

// amrCode is the amr of a sign-in by a code (RFC 8176, section 2): a password, a
// one-time password, more than one factor.
var amrCode = []string{"pwd", "otp", "mfa"}

// Code takes the six digits that a device shows (TOTP, RFC 6238); spaces and dashes
// are ignored. After idp.MaxWrongCodes wrong ones the sign-in is back at the
// password. Errors: idp.ErrWrongSecret, idp.ErrCodeUsed, idp.ErrInvalid (not six
// digits; not counted), idp.ErrTooMany as RetryError, ErrSettled, ErrExpired,
// ErrNotFound.
//
// A code that is right and was used before is answered by ErrCodeUsed, so that its
// owner knows to wait for the next one, and counts as a wrong one: it may come from
// somebody who looked over a shoulder (RFC 6238, section 5.2).
func (f *Flow) Code(ctx context.Context, id idp.LoginID, b Browser, code string) (*Step, error) {
	if _, err := totp.Clean(code); err != nil {
		return nil, err
	}
	l, err := f.own(ctx, id, b)
	if err != nil {
		return nil, err
	}
	// The code is the second factor after the password, or given first: then
	// counted apart, by the name that was typed, also where it is nobody's.
	state, kind, who, rules := idp.LoginFactor, idp.CountCodes, "", limit.Codes
	if l.State == idp.LoginFirst {
		state, kind, who, rules = idp.LoginFirst, idp.CountFirst, l.Who, limit.First
	}
	var moved idp.Login
	var wrong error
	var asked idp.ChallengeID
	err = f.store.UpdateProof(ctx, id, kind, who, func(p *idp.Proof) error {
		wrong = nil
		l, now := p.Login, f.now()
		if err := bound(l, b); err != nil {
			return err
		}
		if err := waits(l, state, now); err != nil {
			return err
		}
		if l.Who != who && state == idp.LoginFirst {
			return fmt.Errorf("sign-in %s is for another name by now: %w", id, idp.ErrSettled)
		}
		asked = l.Challenge
		if err := rules.Allow(p.Counter, now); err != nil {
			return err
		}
		d, step, err := f.match(p.Devices, code)
		if errors.Is(err, idp.ErrWrongSecret) { // idp.ErrCodeUsed too
			rules.Wrong(p.Counter, now)
			f.noteLock(p.Counter, l, b)
			wrong = err
			if err := f.countWrong(l, b); err != nil {
				return err
			}
			moved = *l
			return nil
		}
		if err != nil {
			return err
		}
		// Burn the time step before saying yes: two tabs may post the same code
		// at once, and only one of them may pass.
		d.LastStep, d.Drift, d.LastUsedAt = step, totp.Drift(step, now), now
		rules.Right(p.Counter)
		l.Device = d.ID
		if err := f.prove(l, b, "code", amrCode); err != nil {
			return err
		}
		moved = *l
		return nil
	})
	if err != nil {
		return nil, err
	}
	if moved.State != state {
		f.withdraw(ctx, asked)
	}
	if wrong != nil {
		return nil, wrong
	}
	return f.step(ctx, &moved, b)
}

// match finds the device whose code was typed, and the time step of the code.
// Errors: idp.ErrWrongSecret, idp.ErrCodeUsed.
func (f *Flow) match(devices []idp.Device, code string) (*idp.Device, int64, error) {
	result := idp.ErrWrongSecret
	for i := range devices {
		d := &devices[i]
		if d.State != idp.DeviceActive {
			continue
		}
		secret, err := f.sealer.Open(d.SealedTOTP, string(d.ID))
		if err != nil {
			return nil, 0, fmt.Errorf("device %s: %w", d.ID, err)
		}
		step, err := totp.Check(secret, code, f.now(), d.LastStep, d.Drift)
		switch {
		case err == nil:
			return d, step, nil
		case errors.Is(err, idp.ErrCodeUsed):
			result = err
		case !errors.Is(err, idp.ErrWrongSecret):
			return nil, 0, err
		}
	}
	return nil, 0, result
}

// lockedFrom is from which length of a lock its owner is told: a shorter one slows
// guessing down, and is over before anybody has read a mail.
const lockedFrom = 30 * time.Minute

// noteLock notes in the log that a wrong try has locked an account for long, or has
// it ask for the second factor before the password.
func (f *Flow) noteLock(c *idp.Counter, l *idp.Login, b Browser) {
	until := c.NextAt.UTC().Format(time.RFC3339)
	switch {
	case l.User == "":
		return
	case c.Key.Kind == idp.CountFirst:
		return // strangers' tries, told when they closed passwords
	case c.FactorFirst:
		until = "second factor"
	case c.NextAt.Sub(f.now()) < lockedFrom:
		return
	}
	c.Note(f.event(idp.EventLocked, l, "", b, "kind", string(c.Key.Kind), "until", until))
}

// countWrong counts a wrong code against the sign-in, besides the account. The last
// that it bears sends the sign-in back to the password.
func (f *Flow) countWrong(l *idp.Login, b Browser) error {
	l.WrongCodes++
	l.Note(f.event(idp.EventCodeWrong, l, "", b))
	if l.WrongCodes < idp.MaxWrongCodes {
		return nil
	}
	l.Note(f.event(idp.EventCodesSpent, l, "", b))
	return l.Apply(idp.OnSpent, f.now())
}

// prove notes that a second factor was given, and moves the sign-in on; method is
// "code", "push" or "recovery" for the log, amr what the ID token says (RFC 8176).
// Errors as for idp.Login.Apply.
func (f *Flow) prove(l *idp.Login, b Browser, method string, amr []string) error {
	now := f.now()
	if err := l.Apply(idp.OnFactor, now); err != nil {
		return err
	}
	l.FactorAt, l.AuthTime, l.ACR, l.AMR = now, now, idp.ACRMultiFactor, amr
	l.Note(f.event(idp.EventFactorRight, l, "", b, "method", method))
	return nil
}

// Recovery takes a recovery code, in capital or small letters, with spaces and
// dashes or without. Errors as for Code, and idp.ErrBusy as RetryError.
//
// Comparing hashes takes long, so the try is counted as a wrong one before, and that
// is taken back when it was right: however many tries arrive at once, no more are
// compared than the limit allows.
func (f *Flow) Recovery(ctx context.Context, id idp.LoginID, b Browser, code string) (*Step, error) {
	clean, err := password.CleanRecovery(code)
	if err != nil {
		return nil, err
	}
	var unused []idp.RecoveryCode
	var key idp.CounterKey
	var tried limit.Try
	var spent bool
	err = f.store.UpdateProof(ctx, id, idp.CountRecovery, "", func(p *idp.Proof) error {
		l, now := p.Login, f.now()
		if err := bound(l, b); err != nil {
			return err
		}
		if err := waits(l, idp.LoginFactor, now); err != nil {
			return err
		}
		if err := limit.Recovery.Allow(p.Counter, now); err != nil {
			return err
		}
		key, tried = p.Counter.Key, limit.Recovery.Ahead(p.Counter, now)
		unused = append(unused[:0], p.Recovery...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	found, err := f.findRecovery(ctx, unused, clean)
	if errors.Is(err, idp.ErrBusy) {
		// Nothing was learned, so nothing is counted; a rival's try stays.
		if err := f.store.UpdateCounter(ctx, key, nil, func(c *idp.Counter) error {
			limit.Recovery.Forgive(c, &tried, f.now())
			return nil
		}); err != nil {
			return nil, err
		}
	}
	if err != nil && !errors.Is(err, idp.ErrWrongSecret) {
		return nil, err
	}
	var moved idp.Login
	var asked idp.ChallengeID
	var late error
	// The try was looked at, so its end is written down though the browser may have gone.
	err = f.store.UpdateProof(context.WithoutCancel(ctx), id, idp.CountRecovery, "", func(p *idp.Proof) error {
		spent, asked, late = false, p.Login.Challenge, nil
		l, now := p.Login, f.now()
		if late = waits(l, idp.LoginFactor, now); late != nil {
			// Right or wrong, the sign-in went elsewhere meanwhile: one answer, one event.
			l.Note(f.event(idp.EventCodeWrong, l, "", b))
			return nil //nolint:nilerr // the event is kept, the error is returned below
		}
		for i := range p.Recovery {
			if r := &p.Recovery[i]; found != nil && r.N == found.N && r.Hash == found.Hash && r.UsedAt.IsZero() {
				r.UsedAt = now
				limit.Recovery.Forgive(p.Counter, &tried, now)
				limit.Recovery.Right(p.Counter)
				l.Device = ""
				l.Note(f.event(idp.EventRecoveryUsed, l, "", b))
				if err := f.prove(l, b, "recovery", amrCode); err != nil {
					return err
				}
				moved = *l
				return nil
			}
		}
		spent = true
		err := f.countWrong(l, b)
		moved = *l
		return err
	})
	if err != nil {
		return nil, err
	}
	if late != nil {
		return nil, late
	}
	if moved.State != idp.LoginFactor {
		f.withdraw(ctx, asked)
	}
	if spent {
		return nil, fmt.Errorf("recovery code: %w", idp.ErrWrongSecret)
	}
	return f.step(ctx, &moved, b)
}

// findRecovery returns which of the codes was typed. It compares all of them,
// whichever fits, so that the time taken tells nothing. Errors: idp.ErrWrongSecret,
// ErrBusy.
func (f *Flow) findRecovery(ctx context.Context, codes []idp.RecoveryCode, clean idp.Secret) (*idp.RecoveryCode, error) {
	var found *idp.RecoveryCode
	for i := range codes {
		_, err := f.passwords.Check(ctx, codes[i].Hash, clean)
		switch {
		case err == nil:
			found = &codes[i]
		case !errors.Is(err, idp.ErrWrongSecret):
			return nil, err
		}
	}
	if found == nil {
		return nil, idp.ErrWrongSecret
	}
	return found, nil
}
