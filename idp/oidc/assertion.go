package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
	"hilum/idp/jwks"
)

// assertionType is the client_assertion_type of a JWT (RFC 7523, section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Bounds of a JWT that somebody else has signed.
const (
	maxAssertionLife = 5 * time.Minute
	// clockSkew is by how much the clock of the signer may be ahead of ours (FAPI 2.0
	// Security Profile, section 5.3.2.1: 0 to 10 seconds are accepted, more than 60 are not).
	clockSkew = 10 * time.Second
	maxJTI    = 255 // bytes
)

// assertionTypes are the typ headers of a client assertion, in lower case. A JWT that says
// it is something else, such as an access token, is none.
var assertionTypes = []string{"", "jwt", "client-authentication+jwt"}

// clientAssertion is the claims of a client assertion (RFC 7523, section 3). Times are
// seconds since 1970, with or without a fraction.
type clientAssertion struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	Expires   *float64        `json:"exp"`
	NotBefore *float64        `json:"nbf"`
	IssuedAt  *float64        `json:"iat"`
	ID        string          `json:"jti"`
}

// assertionSubject is the client that a client assertion claims to be of; nothing of it is
// verified. Empty: it is no JWT, or names none.
func assertionSubject(assertion string) string {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Subject string `json:"sub"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil || !wellFormed(claims.Subject, maxValue) {
		return ""
	}
	return claims.Subject
}

// verifyAssertion authenticates a client by a JWT that it has signed (private_key_jwt:
// OpenID Connect Core 1.0, section 9; RFC 7523, section 3). Each is good once, so that
// whoever reads a request cannot send another with what is in it. Errors: errInvalidClient,
// or a fault of ours that is logged.
func (s *Server) verifyAssertion(ctx context.Context, cc *op.ClientCredentials) (*idp.Client, error) {
	id := assertionSubject(cc.ClientAssertion)
	c, err := s.conf.Store.Client(ctx, idp.ClientID(id))
	switch {
	case errors.Is(err, idp.ErrNotFound):
		rejectedUnauthenticated(ctx, id, idp.RejectedUnknown, "")
		return nil, errInvalidClient()
	case err != nil:
		return nil, s.fault(ctx, "client", err)
	case c.Disabled:
		rejectedUnauthenticated(ctx, id, idp.RejectedDisabled, "")
		return nil, errInvalidClient()
	case c.Auth != idp.AuthPrivateKey:
		rejectedUnauthenticated(ctx, id, idp.RejectedMethod, string(idp.AuthPrivateKey))
		return nil, errInvalidClient()
	}
	if !belongs(ctx, c) {
		s.rejectedElsewhere(ctx, c)
		return nil, errInvalidClient()
	}
	claims, reason, wrong := s.readAssertion(ctx, c, cc.ClientAssertion)
	if reason == "" {
		reason, wrong = idp.RejectedAssertion, s.assertionFault(c, claims)
	}
	if wrong != "" {
		rejectedUnauthenticated(ctx, id, reason, wrong)
		return nil, errInvalidClient()
	}
	err = s.conf.Store.UseJWT(ctx, usedHash("client assertion", string(c.ID), claims.ID), momentOf(*claims.Expires).Add(time.Second))
	switch {
	case errors.Is(err, idp.ErrReplayed):
		rejectedUnauthenticated(ctx, id, idp.RejectedAssertionUsed, "")
		return nil, errInvalidClient()
	case err != nil:
		return nil, s.fault(ctx, "noting a client assertion", err)
	}
	identified(ctx, c)
	return c, nil
}

// readAssertion verifies type, algorithm and signature of a client assertion. reason and
// wrong say, for who runs the client, why it is not good.
func (s *Server) readAssertion(ctx context.Context, c *idp.Client, token string) (claims *clientAssertion, reason idp.RejectionReason, wrong string) {
	refuse := func(what string) (*clientAssertion, idp.RejectionReason, string) {
		return nil, idp.RejectedAssertion, what
	}
	sig, err := jose.ParseSignedCompact(token, joseAlgs(assertionAlgs(c)))
	if odd := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &odd) {
		return refuse("alg: " + string(odd.Got))
	}
	if err != nil || len(sig.Signatures) != 1 {
		return refuse("not a signed JWT")
	}
	header := sig.Signatures[0].Protected
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	if _, named := header.ExtraHeaders[jose.HeaderType]; named && typ == "" || !slices.Contains(assertionTypes, strings.ToLower(typ)) {
		return refuse("typ: " + typ)
	}
	keys, err := s.keys.of(ctx, c, header.KeyID, header.Algorithm)
	if err != nil {
		return nil, idp.RejectedKeys, err.Error()
	}
	if len(keys) == 0 {
		return refuse("kid: " + header.KeyID)
	}
	payload, ok := verifiedBy(sig, keys)
	if !ok {
		return refuse("signature")
	}
	claims = &clientAssertion{}
	if json.Unmarshal(payload, claims) != nil {
		return refuse("claims")
	}
	return claims, "", ""
}

// assertionAlgs are the algorithms by which a client may sign its assertions (FAPI 2.0
// Security Profile, section 5.4.1: not RS256).
func assertionAlgs(c *idp.Client) []string {
	if c.FAPI2() {
		return proofAlgs
	}
	return jwks.Algs
}

func joseAlgs(algs []string) []jose.SignatureAlgorithm {
	out := make([]jose.SignatureAlgorithm, len(algs))
	for i, alg := range algs {
		out[i] = jose.SignatureAlgorithm(alg)
	}
	return out
}

// verifiedBy returns what is signed, if it is by one of the keys.
func verifiedBy(sig *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, bool) {
	for i := range keys {
		if payload, err := sig.Verify(keys[i].Key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// assertionFault says which claim of an assertion is not good; empty: all are.
func (s *Server) assertionFault(c *idp.Client, a *clientAssertion) string {
	now := s.now()
	ahead := now.Add(clockSkew)
	switch {
	case a.Issuer != string(c.ID):
		return "iss: " + a.Issuer
	case a.Subject != string(c.ID):
		return "sub: " + a.Subject
	case !s.assertionIsForUs(c, a.Audience):
		return "aud: " + string(a.Audience)
	case a.ID == "" || len(a.ID) > maxJTI:
		return "jti"
	case a.Expires == nil:
		return "exp is missing"
	case !now.Before(momentOf(*a.Expires)):
		return "exp is past"
	case momentOf(*a.Expires).After(ahead.Add(maxAssertionLife)):
		return "exp is too far ahead"
	case a.NotBefore != nil && momentOf(*a.NotBefore).After(ahead):
		return "nbf is ahead"
	case a.IssuedAt != nil && momentOf(*a.IssuedAt).After(ahead):
		return "iat is ahead"
	}
	return ""
}

// assertionIsForUs reports whether the aud of a client assertion is this provider: the
// issuer, or as RFC 7523, section 3, and RFC 9126, section 2, allow, the URL of an endpoint.
// Whatever else is in a list could be a provider that sends on to us what it was sent. FAPI
// 2.0 has the issuer alone, as one text (section 5.3.2.1).
func (s *Server) assertionIsForUs(c *idp.Client, raw json.RawMessage) bool {
	if c.FAPI2() {
		var one string
		return json.Unmarshal(raw, &one) == nil && one == s.conf.Issuer
	}
	var aud audience
	if len(raw) == 0 || json.Unmarshal(raw, &aud) != nil || len(aud) == 0 {
		return false
	}
	if c.Keycloak() {
		issuer := s.issuerOf(c)
		return !slices.ContainsFunc(aud, func(a string) bool { return a != issuer && a != issuer+realmProtocol+realmPaths[pathToken] })
	}
	ours := []string{s.conf.Issuer, s.conf.Issuer + pathToken, s.conf.Issuer + pathPushed}
	if m := s.conf.Mutual; m != nil {
		ours = append(ours, m.URL+pathToken, m.URL+pathPushed)
	}
	return !slices.ContainsFunc(aud, func(a string) bool { return !slices.Contains(ours, a) })
}

// momentOf is a NumericDate (RFC 7519, section 2). What is beyond the years that people
// count in is far ahead, or long past.
func momentOf(seconds float64) time.Time {
	const most = 1 << 38
	seconds = max(min(seconds, most), -most)
	return time.UnixMicro(int64(seconds * 1e6))
}

// usedHash is what is noted of a JWT that is good once (Store.UseJWT): its kind, whose it
// is, and its jti.
func usedHash(kind, of, jti string) idp.TokenHash {
	return sha256.Sum256([]byte(kind + "\x00" + of + "\x00" + jti))
}
