package password

import (
	"context"
	"crypto/rand"
	"strings"
	"time"
	"unicode"

	"hilum/idp"
)

// RecoveryCodes is how many are made at a time.
const RecoveryCodes = 10

// recoveryLen is the length of a code in base32 letters of 5 bits: 80 random bits.
const recoveryLen = 16

// NewRecoverySet makes a person's ten recovery codes: as shown, in groups of
// four letters, and as stored, hashed. Errors: those of the hasher, idp.ErrBusy
// among them.
func NewRecoverySet(ctx context.Context, h interface {
	Hash(ctx context.Context, secret idp.Secret) (string, error)
}, user idp.UserID, now time.Time) (codes []idp.Secret, rows []idp.RecoveryCode, err error) {
	for n := 1; n <= RecoveryCodes; n++ {
		code := rand.Text()[:recoveryLen]
		hash, err := h.Hash(ctx, idp.Secret(code))
		if err != nil {
			return nil, nil, err
		}
		codes = append(codes, idp.Secret(code[:4]+"-"+code[4:8]+"-"+code[8:12]+"-"+code[12:]))
		rows = append(rows, idp.RecoveryCode{User: user, N: n, Hash: hash, MadeAt: now})
	}
	return codes, rows, nil
}

// CleanRecovery gives a typed recovery code the form it was hashed in: capital
// letters, without spaces and dashes; the digits 0, 1 and 8, which base32 (RFC 4648,
// section 6) does not have, are O, I and B, which they look like. Errors:
// idp.ErrInvalid when it cannot be one.
func CleanRecovery(typed string) (idp.Secret, error) {
	if len(typed) > 4*recoveryLen {
		return "", idp.ErrInvalid
	}
	var b strings.Builder
	for _, r := range typed {
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		switch {
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r), r == '\u2212':
			continue
		case r == '0':
			r = 'O'
		case r == '1':
			r = 'I'
		case r == '8':
			r = 'B'
		}
		if (r < 'A' || r > 'Z') && (r < '2' || r > '7') {
			return "", idp.ErrInvalid
		}
		b.WriteRune(r)
	}
	if b.Len() != recoveryLen {
		return "", idp.ErrInvalid
	}
	return idp.Secret(b.String()), nil
}
