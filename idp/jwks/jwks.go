// Package jwks reads the public keys by which clients sign: JWK Sets (RFC 7517, section
// 5), as they are registered or published at a jwks_uri.
package jwks

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of a set.
const (
	MaxBytes = 16 << 10
	MaxKeys  = 20
)

// Sizes of an RSA key, in bits: RFC 7518, section 3.3, and what nobody needs.
const (
	minRSA = 2048
	maxRSA = 8192
)

// Algs are the algorithms that a key of a set can sign by (RFC 7518, section 3.1; RFC
// 8037, section 3.1).
var Algs = []string{"PS256", "ES256", "EdDSA", "RS256"}

var (
	// ErrMalformed says that the text is no JWK Set, too long, or has too many keys.
	ErrMalformed = errors.New("not a JWK Set")
	// ErrPrivate says that the set holds a private or a symmetric key, which is nobody else's to know.
	ErrPrivate = errors.New("a private key in a JWK Set")
	// ErrNone says that no key of the set can be used.
	ErrNone = errors.New("no usable key in a JWK Set")
)

// Set is the keys of a JWK Set that can be used to verify signatures: RSA of 2048 bits or
// more, P-256 and Ed25519, whose use is sig or not said. Others are left out (RFC 7517,
// section 5).
type Set []jose.JSONWebKey

// Parse reads a JWK Set. Errors: ErrMalformed, ErrPrivate, ErrNone.
func Parse(text []byte) (Set, error) {
	var all struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(text) > MaxBytes || json.Unmarshal(text, &all) != nil || all.Keys == nil || len(all.Keys) > MaxKeys {
		return nil, ErrMalformed
	}
	var set Set
	for _, raw := range all.Keys {
		var parts map[string]json.RawMessage
		if json.Unmarshal(raw, &parts) != nil {
			return nil, ErrMalformed
		}
		// d: RSA, EC and OKP (RFC 7518, sections 6.2.2 and 6.3.2); k: symmetric (section 6.4).
		if parts["d"] != nil || parts["k"] != nil {
			return nil, ErrPrivate
		}
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && usable(&key) {
			set = append(set, key)
		}
	}
	if len(set) == 0 {
		return nil, ErrNone
	}
	return set, nil
}

// Compact is a JWK Set as it is kept: without white space. What is no JSON stays as it is,
// for Parse to refuse.
func Compact(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}

func usable(k *jose.JSONWebKey) bool {
	fits := Fits(k, "RS256") || Fits(k, "PS256") || Fits(k, "ES256") || Fits(k, "EdDSA")
	return fits && k.Valid() && (k.Use == "" || k.Use == "sig")
}

// Fits reports whether a key can sign by an algorithm.
func Fits(k *jose.JSONWebKey, alg string) bool {
	if k.Algorithm != "" && k.Algorithm != alg {
		return false
	}
	switch public := k.Key.(type) {
	case *rsa.PublicKey:
		return (alg == "RS256" || alg == "PS256") && public.N.BitLen() >= minRSA && public.N.BitLen() <= maxRSA
	case *ecdsa.PublicKey:
		return alg == "ES256" && public.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

// For returns the keys that a signature with these header values can be of: those of the
// kid, or all where none is named. Empty: none fits.
func (s Set) For(kid, alg string) []jose.JSONWebKey {
	var out []jose.JSONWebKey
	for i := range s {
		if (kid == "" || s[i].KeyID == kid) && Fits(&s[i], alg) {
			out = append(out, s[i])
		}
	}
	return out
}
