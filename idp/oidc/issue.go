package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"hilum/idp"
	"hilum/idp/claim"
	"hilum/idp/keyring"
)

// Types of the tokens that we sign, as their typ header says. What is of one
// type is never taken for another.
const (
	typeID     = "JWT"
	typeAccess = "at+jwt" // RFC 9068, section 2.1
	typeLogout = "logout+jwt"
)

// tokenResponse is a set of tokens: what is stored of it, and the body of the response.
type tokenResponse struct {
	issue idp.Issue
	body  []byte // JSON (RFC 6749, section 5.1; OpenID Connect Core 1.0, section 3.1.3.3)
}

// issuance says what tokens are issued, to which client, by which grant.
type issuance struct {
	client        *idp.Client
	grant         *idp.Grant
	scopes        []string // of the access token
	refreshScopes []string // of the refresh token; nil: none
	withNonce     bool     // the ID token repeats the nonce
	jkt           string   // thumbprint of the key that the access token, and a public client's refresh token, is bound to
	x5t           string   // thumbprint of the certificate that they are bound to, likewise
	at            time.Time
	person        *idp.User // of the grant, where it was read
	audience      []string  // of a token exchange (RFC 8693), which gives no ID token; nil: of none
}

// issueTokens makes and signs the tokens of an issuance; nothing is stored yet. A client
// that wants claims about the person in its ID token costs a read of the person. Errors:
// no key signs by the client's algorithm, the person cannot be read, the grant has none
// and an ID token is wanted.
func (s *Server) issueTokens(ctx context.Context, o issuance) (*tokenResponse, error) {
	ttl := s.accessTTL(o.client)
	// No token outlives the session that it came from.
	expires := earlier(o.at.Add(ttl), o.grant.ExpiresAt)
	m := &tokenResponse{issue: idp.Issue{Access: idp.AccessToken{
		Grant:     o.grant.ID,
		Scopes:    o.scopes,
		Audience:  o.audience,
		JKT:       o.jkt,
		X5T:       o.x5t,
		IssuedAt:  o.at,
		ExpiresAt: expires,
	}}}
	if o.audience == nil {
		m.issue.Access.Audience = audienceOf(o.client)
	}
	access := idp.NewToken()
	if o.client.AccessFormat == idp.AccessJWT {
		var rules []idp.ClaimRule
		if (o.client.ClaimsInAccess || o.client.Keycloak()) && o.grant.User != "" {
			var err error
			if o.person, err = s.conf.Store.User(ctx, o.grant.User); err != nil {
				return nil, err
			}
			if rules, err = s.rulesFor(ctx, o.client, m.issue.Access.Audience); err != nil {
				return nil, err
			}
		}
		signed, err := s.accessJWT(o, &m.issue.Access, rules)
		if err != nil {
			return nil, err
		}
		access = signed
	}
	m.issue.Access.Hash = access.Hash()

	b := make([]byte, 0, 2048)
	b = append(b, `{"access_token":`...)
	b = claim.AppendString(b, access.Reveal())
	b = append(b, tokenType(o.jkt)...)
	b = append(b, `,"expires_in":`...)
	b = strconv.AppendInt(b, int64(expires.Sub(o.at)/time.Second), 10)
	if o.refreshScopes != nil {
		idle := s.conf.RefreshIdle
		if o.client.RefreshIdle > 0 {
			idle = o.client.RefreshIdle
		}
		m.issue.Refresh = &idp.RefreshToken{
			Grant:     o.grant.ID,
			Scopes:    o.refreshScopes,
			IssuedAt:  o.at,
			ExpiresAt: earlier(o.at.Add(idle), o.grant.ExpiresAt),
		}
		if !o.client.RotatesRefresh() && o.client.RefreshIdle == 0 {
			m.issue.Refresh.ExpiresAt = o.grant.ExpiresAt // no use makes it last longer
		}
		if o.client.Public() {
			m.issue.Refresh.JKT, m.issue.Refresh.X5T = o.jkt, o.x5t // others prove who they are (RFC 9449, section 5; RFC 8705, section 4)
		}
		token := idp.NewToken()
		if o.client.Keycloak() {
			token = s.shapedRefresh(token, o.client, o.grant, o.at, m.issue.Refresh.ExpiresAt)
		}
		m.issue.Refresh.Hash = token.Hash()
		b = append(b, `,"refresh_token":`...)
		b = claim.AppendString(b, token.Reveal())
	}
	if o.audience != nil {
		b = append(b, `,"issued_token_type":"`+typeOfAccess+`"`...)
	} else if slices.Contains(o.scopes, scopeOpenID) {
		id, err := s.idToken(ctx, o, access, expires)
		if err != nil {
			return nil, err
		}
		b = append(b, `,"id_token":"`...)
		b = append(b, id...)
		b = append(b, '"')
	}
	if o.client.Keycloak() {
		b = appendShapedResponse(b, o.grant, m.issue.Refresh, o.at)
	}
	b = append(b, `,"scope":`...)
	b = appendScopes(b, o.scopes)
	m.body = append(b, '}')
	return m, nil
}

// tokenType is the member token_type of a response about an access token.
func tokenType(jkt string) string {
	if jkt != "" {
		return `,"token_type":"DPoP"`
	}
	return `,"token_type":"Bearer"`
}

// appendConfirmation writes cnf, by which a resource knows the key and the certificate that a
// token is bound to (RFC 9449, section 6; RFC 8705, section 3.1); nothing where it is bound to
// none.
func appendConfirmation(b []byte, t *idp.AccessToken) []byte {
	if !t.Bound() {
		return b
	}
	b = append(b, `,"cnf":{`...)
	if t.JKT != "" {
		b = append(b, `"jkt":`...)
		b = claim.AppendString(b, t.JKT)
	}
	if t.X5T != "" {
		if t.JKT != "" {
			b = append(b, ',')
		}
		b = append(b, `"x5t#S256":`...)
		b = claim.AppendString(b, t.X5T)
	}
	return append(b, '}')
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// audienceOf is the audience of a client's access tokens. It is copied, for what is kept
// in memory must not be shared with what is stored.
func audienceOf(c *idp.Client) []string {
	if len(c.Audience) == 0 {
		return []string{string(c.ID)}
	}
	return slices.Clone(c.Audience)
}

// errNoSigner says that no key signs by the algorithm that a client is registered for.
var errNoSigner = errors.New("no key signs for the client")

// signer returns the key that signs for a client: by the algorithm of its registration,
// else RS256. Error: errNoSigner.
func (s *Server) signer(c *idp.Client) (keyring.Key, error) {
	key, err := s.conf.Keys.Signer(algOf(c))
	if err != nil {
		return keyring.Key{}, fmt.Errorf("%w: %w", errNoSigner, err)
	}
	return key, nil
}

// algOf is the algorithm that tokens of a client are signed by.
func algOf(c *idp.Client) string {
	if c.IDTokenAlg == "" {
		return keyring.RS256
	}
	return c.IDTokenAlg
}

// unsigned refuses a client that no key signs for, because its algorithm was taken out of
// the configuration: its people are told before they type a password. nil: there is a key.
func (s *Server) unsigned(ctx context.Context, c *idp.Client) *errorResponse {
	if _, err := s.conf.Keys.Signer(algOf(c)); err == nil {
		return nil
	}
	s.rejected(ctx, c, idp.RejectedAlg, algOf(c))
	return &errorResponse{codeUnauthorizedClient, "No key signs by " + algOf(c) + ", which the client is registered for."}
}

// tokensFault is the error response where tokens could not be made for a client.
func (s *Server) tokensFault(ctx context.Context, c *idp.Client, err error) error {
	if errors.Is(err, errNoSigner) {
		s.rejected(ctx, c, idp.RejectedAlg, algOf(c))
		return oidc.ErrUnauthorizedClient().WithDescription("No key signs by %s, which the client is registered for.", algOf(c))
	}
	return s.fault(ctx, "making tokens", err)
}

var errNobody = errors.New("an ID token about nobody")

// idToken makes an ID token (OpenID Connect Core 1.0, section 2) beside the access token
// that its at_hash is of.
func (s *Server) idToken(ctx context.Context, o issuance, access idp.Secret, expires time.Time) ([]byte, error) {
	g := o.grant
	if g.User == "" {
		return nil, errNobody
	}
	key, err := s.signer(o.client)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, 1024)
	b = append(b, `{"iss":`...)
	b = claim.AppendString(b, s.issuerOf(o.client))
	b = append(b, `,"sub":`...)
	b = claim.AppendString(b, s.subject(o.client, g))
	b = append(b, `,"aud":`...)
	b = claim.AppendString(b, string(o.client.ID))
	b = append(b, `,"exp":`...)
	b = claim.AppendTime(b, expires)
	b = append(b, `,"iat":`...)
	b = claim.AppendTime(b, o.at)
	b = appendAuthentication(b, g)
	if o.withNonce && g.Nonce != "" {
		b = append(b, `,"nonce":`...)
		b = claim.AppendString(b, g.Nonce)
	}
	if g.Session != "" {
		b = append(b, `,"sid":`...)
		b = claim.AppendString(b, string(g.Session))
	}
	b = append(b, `,"at_hash":"`...)
	b = appendTokenHash(b, key.Alg, access)
	b = append(b, '"')
	consented, err := s.consentedClaims(ctx, o.client, g)
	if err != nil {
		return nil, err
	}
	if want := inIDToken(o.client, g, o.scopes, consented); want != nil {
		u := o.person
		if u == nil {
			if u, err = s.conf.Store.User(ctx, g.User); err != nil {
				return nil, err
			}
		}
		rules := o.client.Claims
		if o.client.Keycloak() {
			rules = shapeRules(rules)
		}
		b = claim.Append(b, u, rules, want)
	}
	if o.client.Keycloak() {
		b = appendShape(b, shapeID, o.client, g)
	}
	return sign(key, typeID, append(b, '}'))
}

// rulesFor are the claim rules by which an access token of a client tells of its person: those
// of the one API that it is for, where that is registered here, for it is the API that reads
// them; else the client's.
func (s *Server) rulesFor(ctx context.Context, c *idp.Client, audience []string) ([]idp.ClaimRule, error) {
	if len(audience) != 1 || audience[0] == string(c.ID) {
		return c.Claims, nil
	}
	api, err := s.conf.Store.Client(ctx, idp.ClientID(audience[0]))
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return c.Claims, nil
	case err != nil:
		return nil, err
	}
	return api.Claims, nil
}

// accessJWT makes an access token that resource servers can validate by themselves, a JWT
// (RFC 9068, section 2.2). Where the person was read it has the claims of its scopes
// (sections 2.2.2 and 2.2.3), under the names that rules give them.
func (s *Server) accessJWT(o issuance, t *idp.AccessToken, rules []idp.ClaimRule) (idp.Secret, error) {
	key, err := s.signer(o.client)
	if err != nil {
		return "", err
	}
	b := make([]byte, 0, 1024)
	b = append(b, `{"iss":`...)
	b = claim.AppendString(b, s.issuerOf(o.client))
	b = append(b, `,"sub":`...)
	b = claim.AppendString(b, s.subject(o.client, o.grant))
	b = append(b, `,"aud":`...)
	b = claim.AppendStrings(b, t.Audience)
	b = append(b, `,"exp":`...)
	b = claim.AppendTime(b, t.ExpiresAt)
	b = append(b, `,"iat":`...)
	b = claim.AppendTime(b, t.IssuedAt)
	b = append(b, `,"jti":`...)
	b = claim.AppendString(b, idp.NewID[string]())
	b = append(b, `,"client_id":`...)
	b = claim.AppendString(b, string(o.client.ID))
	b = appendAuthentication(b, o.grant)
	b = append(b, `,"scope":`...)
	b = appendScopes(b, t.Scopes)
	b = appendConfirmation(b, t)
	typ := typeAccess
	if o.client.Keycloak() {
		// Programs that verify a JWT by Keycloak's keys want typ JWT in its header, or none.
		typ, rules = typeID, shapeRules(rules)
		b = appendShape(b, shapeAccess, o.client, o.grant)
		if o.grant.Session != "" {
			b = append(b, `,"sid":`...)
			b = claim.AppendString(b, string(o.grant.Session))
		}
		b = appendRoles(b, &o, t.Scopes, rules)
	}
	if o.person != nil {
		b = claim.AppendAccess(b, o.person, rules, claim.ByScope(t.Scopes))
	}
	b = appendActors(b, o.grant)
	signed, err := sign(key, typ, append(b, '}'))
	return idp.Secret(signed), err
}

// subject is the sub of the tokens that a grant gives its client: the person, as that client is
// told who it is, or the client itself where it acts on its own behalf.
func (s *Server) subject(c *idp.Client, g *idp.Grant) string {
	if g.User == "" {
		return string(g.Client)
	}
	return s.conf.Subjects.Of(c, g.User)
}

// appendAuthentication writes auth_time, acr and amr: when and how the person signed in.
func appendAuthentication(b []byte, g *idp.Grant) []byte {
	if !g.AuthTime.IsZero() {
		b = append(b, `,"auth_time":`...)
		b = claim.AppendTime(b, g.AuthTime)
	}
	if g.ACR != "" {
		b = append(b, `,"acr":`...)
		b = claim.AppendString(b, g.ACR)
	}
	if len(g.AMR) > 0 {
		b = append(b, `,"amr":`...)
		b = claim.AppendStrings(b, g.AMR)
	}
	return b
}

// appendTokenHash writes at_hash: the left half of the access token's hash, by the hash
// function of the signature (OpenID Connect Core 1.0, section 3.1.3.6). Ed25519 has
// SHA-512, all others here have SHA-256.
func appendTokenHash(b []byte, alg string, token idp.Secret) []byte {
	if alg == keyring.EdDSA {
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.AppendEncode(b, sum[:len(sum)/2])
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.AppendEncode(b, sum[:len(sum)/2])
}

// sign makes a JWS of claims in compact serialization (RFC 7515, section 7.1), with typ in
// its header unless it is typeNone.
func sign(k keyring.Key, typ string, claims []byte) ([]byte, error) {
	header := appendHeader(make([]byte, 0, 128), &k, typ)

	const signature = 512 // the longest, in base64url: RSA of 3072 bits
	enc := base64.RawURLEncoding
	b := make([]byte, 0, enc.EncodedLen(len(header))+1+enc.EncodedLen(len(claims))+1+signature)
	b = enc.AppendEncode(b, header)
	b = append(b, '.')
	b = enc.AppendEncode(b, claims)
	sig, err := keyring.SignJWS(k, b)
	if err != nil {
		return nil, err
	}
	b = append(b, '.')
	return enc.AppendEncode(b, sig), nil
}

// appendScopes writes scopes as one JSON string, delimited by spaces (RFC 6749, section
// 3.3).
func appendScopes(b []byte, list []string) []byte {
	b = append(b, '"')
	for i, s := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = claim.AppendEscaped(b, s)
	}
	return append(b, '"')
}
