package oidc

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"hilum/idp/claim"
	"hilum/idp/keyring"
)

// jwsHeaders is the protected headers of access tokens by the keys of one version.
type jwsHeaders struct {
	version uint64
	set     map[string]struct{}
}

// appendHeader writes the protected header of what a key signs (RFC 7515, section 4), with
// typ unless it is typeNone.
func appendHeader(b []byte, k *keyring.Key, typ string) []byte {
	b = append(b, `{"alg":"`...)
	b = append(b, k.Alg...)
	b = append(b, `","kid":`...)
	b = claim.AppendString(b, string(k.ID))
	if typ != typeNone {
		b = append(b, `,"typ":"`...)
		b = append(b, typ...)
		b = append(b, '"')
	}
	return append(b, '}')
}

// KeyLives reports whether an access token that was issued by us may be taken as far as its
// signature goes: it has none, or it is by a key that is published. A key that has leaked is
// not published any more (keyring.Ring.Replace), and what it signed is as good as revoked.
// Nothing is verified: that we issued the token is what the store says.
func (s *Server) KeyLives(token string) bool {
	header, _, signed := strings.Cut(token, ".")
	if !signed {
		return true
	}
	version := s.conf.Keys.Version() // before the keys, as in publish
	known := s.accessHeaders.Load()
	if known == nil || known.version != version {
		known = &jwsHeaders{version: version, set: map[string]struct{}{}}
		for _, k := range s.conf.Keys.Public() {
			known.set[base64.RawURLEncoding.EncodeToString(appendHeader(nil, &k, typeAccess))] = struct{}{}
		}
		s.accessHeaders.Store(known)
	}
	if header == refreshHeader { // a refresh token of Keycloak's shape, which no key has signed
		return true
	}
	if _, ok := known.set[header]; ok {
		return true
	}
	// A release before may have written the same in another order.
	text, err := base64.RawURLEncoding.DecodeString(header)
	var h struct {
		KeyID string `json:"kid"`
	}
	if err != nil || json.Unmarshal(text, &h) != nil {
		return false
	}
	return slices.ContainsFunc(s.conf.Keys.Public(), func(k keyring.Key) bool { return string(k.ID) == h.KeyID })
}
