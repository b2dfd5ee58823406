package oidc

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
)

// idTokenHint is the claims of an ID token that comes back as id_token_hint (OpenID
// Connect Core 1.0, section 3.1.2.1).
type idTokenHint struct {
	Issuer          string   `json:"iss"`
	Subject         string   `json:"sub"`
	Audience        audience `json:"aud"`
	AuthorizedParty string   `json:"azp"`
	Session         string   `json:"sid"`
	Type            string   `json:"typ"` // of tokens of Keycloak's shape, whose headers are all the same
	ExpiresAt       int64    `json:"exp"`
}

// audience is an aud claim: a string or a list of them (RFC 7519, section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

var errHint = errors.New("not an ID token of ours")

// readHint verifies an id_token_hint, an ID token that we issued: signature, type,
// issuer, which is that of the client it should be of. It may have expired (OpenID Connect Core 1.0, section 3.1.2.1), but a token
// whose key is no longer published proves nothing. Error: errHint.
func (s *Server) readHint(token, issuer string) (*idTokenHint, error) {
	keys := s.conf.Keys.Public()
	algs := make([]jose.SignatureAlgorithm, len(keys))
	for i, k := range keys {
		algs[i] = jose.SignatureAlgorithm(k.Alg)
	}
	sig, err := jose.ParseSignedCompact(token, algs)
	if err != nil || len(sig.Signatures) != 1 {
		return nil, errHint
	}
	// Access tokens and logout tokens are of another type.
	header := sig.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != typeID {
		return nil, errHint
	}
	for _, k := range keys {
		if string(k.ID) != header.KeyID || k.Alg != header.Algorithm {
			continue
		}
		payload, err := sig.Verify(k.Public)
		if err != nil {
			return nil, errHint
		}
		var h idTokenHint
		if err := json.Unmarshal(payload, &h); err != nil || h.Issuer != issuer || h.Subject == "" || issuer != s.conf.Issuer && h.Type != shapeID {
			return nil, errHint
		}
		return &h, nil
	}
	return nil, errHint
}

// isFor reports whether the ID token was issued to a client.
func (h *idTokenHint) isFor(id idp.ClientID) bool {
	return slices.Contains(h.Audience, string(id)) || h.AuthorizedParty == string(id)
}
