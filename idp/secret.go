package idp

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
)

// Secret is a value that must not be shown: fmt, slog and JSON print [secret].
type Secret string

const redacted = "[secret]"

// Reveal returns the value itself, for the one place that needs it.
func (s Secret) Reveal() string               { return string(s) }
func (s Secret) String() string               { return redacted }
func (s Secret) GoString() string             { return redacted }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Hash returns what is stored in place of a bearer value.
func (s Secret) Hash() TokenHash { return sha256.Sum256([]byte(s)) }

// TokenHash is the SHA-256 of a bearer value (code, token, cookie, link). The
// values are 256 random bits, so a plain hash cannot be searched.
type TokenHash [sha256.Size]byte

// IsZero reports whether there is no value at all.
func (h TokenHash) IsZero() bool { return h == TokenHash{} }

// NewToken returns a bearer value of 32 random bytes in 43 base64url letters.
func NewToken() Secret {
	var b [32]byte
	rand.Read(b[:]) // never fails, by its contract
	return Secret(base64.RawURLEncoding.EncodeToString(b[:]))
}
