// Package totp is the six digits an authenticator app shows (RFC 6238: SHA-1,
// six digits, thirty seconds): secrets, the link an app scans, and the check.
//
// A code is checked against time steps one by one, and the check says which
// step matched, because the caller has to burn it: every step is good once.
package totp

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/pquerna/otp/hotp"

	"hilum/idp"
)

const (
	// SecretSize is that of new secrets, in bytes (RFC 4226, section 4, R6).
	SecretSize = 20
	// Digits is the length of a code.
	Digits = 6
	// Period is how long a step lasts, in seconds.
	Period = 30

	minSecret = 16 // bytes, RFC 4226, section 4, R6
	maxTyped  = 64 // bytes, of a code or a short code as typed
)

// NewSecret returns the secret of a new device.
func NewSecret() []byte {
	secret := make([]byte, SecretSize)
	rand.Read(secret) // never fails, by its contract
	return secret
}

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Base32 returns a secret as people type it and apps read it.
func Base32(secret []byte) string { return encoding.EncodeToString(secret) }

// Step returns the time step that t lies in.
func Step(t time.Time) int64 {
	s := t.Unix()
	if s < 0 {
		s -= Period - 1 // round down, as for times after 1970
	}
	return s / Period
}

// Code returns the code a device shows at t.
func Code(secret []byte, t time.Time) string {
	code, err := at(secret, Step(t))
	if err != nil {
		panic("totp: " + err.Error()) // only for steps before 1970
	}
	return code
}

// at returns the code of a time step. Errors: the step is before 1970.
func at(secret []byte, step int64) (string, error) {
	if step < 0 {
		return "", errors.New("no codes before 1970")
	}
	return hotp.GenerateCode(Base32(secret), uint64(step))
}

// maxDrift bounds what is made of a device's clock, in steps. With one the step of
// now is always among those accepted, so that nobody is shut out whose clock was
// wrong and is right again, or who typed slowly once.
const maxDrift = 1

// Drift is what a step that was used says of its device's clock: how many steps
// it is ahead of now, within the bound. The caller stores it at every use, and
// hands it to Check at the next.
func Drift(step int64, now time.Time) int64 {
	return min(max(step-Step(now), -maxDrift), maxDrift)
}

// Check looks whether a typed code is one of a device. It accepts three steps:
// the one that its clock shows by what is known of it (now and drift), the one
// before, for people who type slowly, and the one after, for a clock that has
// gone on drifting (RFC 6238, sections 5.2 and 6). last is the newest step that
// was used: it and all before are spent. The caller stores the returned step as
// the new last before it says yes to anybody.
//
// Errors: idp.ErrInvalid (not six digits), idp.ErrWrongSecret, idp.ErrCodeUsed
// (right, and spent); another one for a secret of less than 16 bytes.
func Check(secret []byte, code string, now time.Time, last, drift int64) (step int64, err error) {
	if len(secret) < minSecret {
		return 0, fmt.Errorf("totp secret of %d bytes", len(secret)) // anybody can compute the codes of an empty one
	}
	code, err = Clean(code)
	if err != nil {
		return 0, err
	}
	at := Step(now) + min(max(drift, -maxDrift), maxDrift)
	matched, spent := int64(-1), false
	// All steps are looked at, whichever matches: the time taken tells nothing.
	for s := max(0, at-1); s <= at+1; s++ {
		ok, err := hotp.ValidateCustom(code, uint64(s), Base32(secret), hotp.ValidateOpts{Digits: Digits})
		switch {
		case err != nil:
			return 0, err
		case ok && s <= last:
			spent = true
		case ok:
			matched = s
		}
	}
	switch {
	case matched >= 0:
		return matched, nil
	case spent:
		return 0, idp.ErrCodeUsed
	}
	return 0, idp.ErrWrongSecret
}

// Clean gives a typed code the form it is compared in: six ASCII digits,
// without the spaces and dashes that apps show between them. Errors: idp.ErrInvalid.
func Clean(typed string) (string, error) {
	if len(typed) > maxTyped {
		return "", fmt.Errorf("code: %w", idp.ErrInvalid)
	}
	var b strings.Builder
	for _, r := range typed {
		switch {
		case unicode.IsSpace(r), unicode.In(r, unicode.Zs, unicode.Pd), r == '\u2212':
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		default:
			return "", fmt.Errorf("code: %w", idp.ErrInvalid)
		}
	}
	if b.Len() != Digits {
		return "", fmt.Errorf("code: %w", idp.ErrInvalid)
	}
	return b.String(), nil
}
