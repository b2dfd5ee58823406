package idp

import "time"

// SigningKey is a key that tokens are signed with, its private part sealed.
type SigningKey struct {
	ID        KeyID
	Alg       string // JOSE name: RS256, PS256, ES256, EdDSA
	Public    []byte // PKIX DER
	Sealed    []byte // PKCS #8 DER, sealed with the key id as associated data
	CreatedAt time.Time
	ActiveAt  time.Time // published before, signs from here
	RetiredAt time.Time // zero while it signs; published until GoneAt
	GoneAt    time.Time
}
