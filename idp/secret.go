package idp

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"log/slog"
	"time"
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
func (s Secret) Hash() TokenHash {
	h := TokenHash(sha256.Sum256([]byte(s)))
	if len(s) == tokenLetters {
		var made [stampBytes]byte
		if _, err := base64.RawURLEncoding.Decode(made[:], []byte(s[:stampBytes*4/3])); err == nil {
			copy(h[:], made[:])
		}
	}
	return h
}

// TokenHash is the SHA-256 of a bearer value (code, token, cookie, link). The
// values are so many random bits that a plain hash cannot be searched.
//
// Of values that NewToken made, the time they were made stands in place of the
// first six bytes: what is kept by its hash then lies in the order of time, and
// a batch of new rows is written to one page of an index and not to as many as
// there are rows.
type TokenHash [sha256.Size]byte

// IsZero reports whether there is no value at all.
func (h TokenHash) IsZero() bool { return h == TokenHash{} }

const (
	stampBytes   = 6
	tokenBytes   = 32
	tokenLetters = 43
)

// NewToken returns a bearer value in 43 base64url letters: the milliseconds
// since 1970 in 6 bytes, then 208 random bits.
func NewToken() Secret {
	var b [tokenBytes]byte
	stamp(b[:])
	return Secret(base64.RawURLEncoding.EncodeToString(b[:]))
}

// stamp fills b with the time and randomness.
func stamp(b []byte) {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(time.Now().UnixMilli())) // after 1970
	copy(b, ms[len(ms)-stampBytes:])
	rand.Read(b[stampBytes:]) // never fails, by its contract
}
