package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"hilum/idp"
	"hilum/idp/serve"
)

// token is the token endpoint (RFC 6749, section 3.2): it authenticates the client, which has
// to be registered for the grant type, and leaves the rest to the method of that. Errors:
// invalid_client, unauthorized_client, invalid_request for a parameter that is missing.
func (s *Server) token(r *http.Request) (result, error) {
	grant := r.Form.Get("grant_type")
	c, err := s.authenticate(r.Context(), grant)
	if err != nil {
		return result{}, err
	}
	switch grant {
	case idp.GrantCode:
		return s.codeExchange(r, c)
	case idp.GrantRefresh:
		return s.refreshToken(r, c)
	case idp.GrantClientCredentials:
		return s.clientCredentials(r, c)
	case idp.GrantExchange:
		return s.tokenExchange(r, c)
	case idp.GrantDevice:
		return s.pollFor(r, c, "device_code")
	case idp.GrantCIBA:
		return s.pollFor(r, c, "auth_req_id")
	}
	return result{}, oidc.ErrUnsupportedGrantType().WithDescription("This grant type is not offered.")
}

// codeExchange redeems an authorization code, once (RFC 6749, section 4.1.3; RFC 7636,
// section 4.6).
//
// A request with a code of its client but without what belongs to it (the code verifier,
// the redirect URI, a proof by the key that it is bound to) may come from a thief, so the code's grant is revoked. A code that is
// used a second time revokes its grant, and so what the first use gave (RFC 6749, section
// 4.1.2). Another client's code is refused and left alone; that client could neither use
// it nor should be able to spoil it.
func (s *Server) codeExchange(r *http.Request, c *idp.Client) (result, error) {
	ctx := r.Context()
	if err := missing(r.Form, "code", "redirect_uri"); err != nil {
		return result{}, err
	}
	if err := s.checkFormat(ctx, c, r.Form); err != nil {
		return result{}, err
	}
	x5t, err := s.boundCertificate(ctx, c)
	if err != nil {
		return result{}, err
	}
	bound, err := s.tokenProof(ctx, r.Header, pathToken, c, c.DPoP)
	if err != nil {
		return result{}, err
	}
	now := s.now()
	hash := idp.Secret(r.Form.Get("code")).Hash()
	code, g, err := s.conf.Store.IssuedCode(ctx, hash)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return result{}, s.invalidGrant(ctx, c, idp.RejectedToken)
	case err != nil:
		return result{}, s.fault(ctx, "reading a code", err)
	case g.Client != c.ID, g.Type != "": // another grant type has its own request
		return result{}, s.invalidGrant(ctx, c, idp.RejectedForeign)
	case !code.UsedAt.IsZero():
		s.rejected(ctx, c, idp.RejectedUsed, "")
		return result{}, s.revokeAndRefuse(ctx, g, now, idp.EventCodeReplayed, "")
	case !now.Before(code.ExpiresAt) || g.Live(now) != nil:
		return result{}, s.invalidGrant(ctx, c, idp.RejectedExpired)
	}
	if bound == nil && code.JKT != "" {
		_, err := s.tokenProof(ctx, r.Header, pathToken, c, true)
		return result{}, err
	}
	if reason := mismatch(code, r.Form.Get("redirect_uri"), r.Form.Get("code_verifier"), bound.thumbprint()); reason != "" {
		s.rejectMismatch(ctx, c, code, r.Form, reason)
		return result{}, s.revokeAndRefuse(ctx, g, now, idp.EventGrantRevoked, reason)
	}
	return s.redeem(ctx, c, g, hash, bound, x5t, r.Form["resource"], now)
}

// redeem issues the tokens of a grant for the code with a hash, which was found good; bound to
// the key of a proof, and to a certificate, where there are such; for the resources that the
// token request asks for.
func (s *Server) redeem(ctx context.Context, c *idp.Client, g *idp.Grant, hash idp.TokenHash, bound *proof, x5t string, resources []string, now time.Time) (result, error) {
	scopes, err := g.Narrow(c, g.Scopes)
	if err != nil {
		return result{}, s.revokeTaken(ctx, g, now, err)
	}
	audience, err := s.audienceFor(ctx, c, g, resources)
	if errors.Is(err, idp.ErrDenied) {
		return result{}, s.revokeTaken(ctx, g, now, err)
	}
	if err != nil {
		return result{}, err
	}
	if err := s.useProof(ctx, c, bound); err != nil {
		return result{}, err
	}
	o := issuance{client: c, grant: g, scopes: scopes, audience: audience, withNonce: true, jkt: bound.thumbprint(), x5t: x5t, at: now}
	if refreshes(c, scopes) {
		o.refreshScopes = scopes
	}
	m, err := s.issueTokens(ctx, o)
	if err != nil {
		return result{}, s.tokensFault(ctx, c, err)
	}
	m.issue.May = func(u *idp.User) error { return g.Admits(c, u) }
	err = s.conf.Store.RedeemCode(ctx, hash, now, m.issue, event(ctx, g, now, idp.EventCodeRedeemed, ""))
	switch {
	case errors.Is(err, idp.ErrSettled), errors.Is(err, idp.ErrExpired), errors.Is(err, idp.ErrNotFound), errors.Is(err, idp.ErrDenied):
		return result{}, s.invalidGrant(ctx, c, rejectionOf(err))
	case err != nil:
		return result{}, s.fault(ctx, "redeeming a code", err)
	}
	return result{body: m.body}, nil
}

// narrowed are the scopes that a token request names, all of them among those that it may have;
// these where it names none. Error: invalid_scope, in the words of refusal.
func (s *Server) narrowed(ctx context.Context, c *idp.Client, asked string, own []string, refusal string) ([]string, error) {
	scopes := spaceDelimited(asked)
	for _, scope := range scopes {
		if !slices.Contains(own, scope) {
			s.rejected(ctx, c, idp.RejectedScope, scope, own...)
			return nil, oidc.ErrInvalidScope().WithDescription("%s", refusal)
		}
	}
	if len(scopes) == 0 {
		return own, nil
	}
	return scopes, nil
}

// accessTTL is the lifetime of a client's access tokens.
func (s *Server) accessTTL(c *idp.Client) time.Duration {
	if c.AccessTTL > 0 {
		return c.AccessTTL
	}
	return s.conf.AccessTTL
}

// refreshes reports whether a client gets a refresh token beside an access token with
// these scopes.
func refreshes(c *idp.Client, scopes []string) bool {
	return c.Allows(idp.GrantRefresh) && (c.RefreshAlways || slices.Contains(scopes, scopeOffline))
}

// mismatch says, for the audit log, what of a token request does not belong to the code;
// empty: all of it does. jkt is the thumbprint of the key of its proof.
func mismatch(code *idp.Code, redirectURI, verifier, jkt string) string {
	switch {
	case code.JKT != "" && jkt != code.JKT:
		return "dpop_jkt"
	case redirectURI != code.RedirectURI:
		return "redirect_uri"
	case code.Challenge == "" && verifier == "":
		return ""
	case code.Challenge == "":
		// A verifier without a challenge: somebody took the challenge out of
		// the authorization request (RFC 9700, section 4.8.2).
		return "verifier without challenge"
	case !validPKCE(verifier):
		return "verifier"
	}
	sum := sha256.Sum256([]byte(verifier))
	if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(code.Challenge)) != 1 {
		return "verifier"
	}
	return ""
}

// validPKCE reports whether a text has the syntax of a code verifier or code challenge
// (RFC 7636, sections 4.1 and 4.2).
func validPKCE(v string) bool {
	if len(v) < 43 || len(v) > 128 {
		return false
	}
	for i := range len(v) {
		b := v[i]
		ok := b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-' || b == '.' || b == '_' || b == '~'
		if !ok {
			return false
		}
	}
	return true
}

// maxRepeats is how often a used refresh token of a public client may come again within its
// grace: as often as a browser's tabs race for it.
const maxRepeats = 8

// refreshToken issues new tokens for a refresh token and, unless the client keeps it
// (idp.Client.RotatesRefresh), rotates it (RFC 6749, section 6;
// OpenID Connect Core 1.0, section 12). The new ID token says the same of the person and
// the sign-in as the first; it has no nonce, as section 12.2 advises.
//
// The tokens have the scopes that the client may still have, and no more than it asks for.
// Where no scope is left, or the person may not sign in to it any more, the grant is
// revoked.
//
// A refresh token that was used before revokes its grant, and so every token of its family
// (RFC 9700, section 4.14.2), unless it comes again within the client's grace. Public
// clients have a grace only for tokens that are bound to a key: nothing else tells their
// second tab from a thief; and it comes to an end after maxRepeats, too. A proof by another
// key is refused: an unused token is left alone, a used one was stolen and ends its family.
func (s *Server) refreshToken(r *http.Request, c *idp.Client) (result, error) {
	ctx := r.Context()
	if err := missing(r.Form, "refresh_token"); err != nil {
		return result{}, err
	}
	if err := s.checkFormat(ctx, c, r.Form); err != nil {
		return result{}, err
	}
	x5t, err := s.boundCertificate(ctx, c)
	if err != nil {
		return result{}, err
	}
	bound, err := s.tokenProof(ctx, r.Header, pathToken, c, c.DPoP)
	if err != nil {
		return result{}, err
	}
	now := s.now()
	hash := idp.Secret(r.Form.Get("refresh_token")).Hash()
	token, g, err := s.conf.Store.IssuedRefresh(ctx, hash)
	if errors.Is(err, idp.ErrNotFound) {
		return result{}, s.invalidGrant(ctx, c, idp.RejectedToken)
	}
	if err != nil {
		return result{}, s.fault(ctx, "reading a refresh token", err)
	}
	grace := c.RefreshGrace
	if c.Public() && token.JKT == "" && token.X5T == "" {
		grace = 0
	}
	switch {
	case g.Client != c.ID:
		return result{}, s.invalidGrant(ctx, c, idp.RejectedForeign)
	case token.JKT != "" && bound == nil:
		_, err := s.tokenProof(ctx, r.Header, pathToken, c, true)
		return result{}, err
	case token.JKT != "" && token.JKT != bound.jkt:
		s.rejected(ctx, c, idp.RejectedKey, "")
		if token.UsedAt.IsZero() {
			return result{}, errInvalidGrant()
		}
		return result{}, s.revokeAndRefuse(ctx, g, now, idp.EventRefreshReplayed, "")
	case !sameCertificate(ctx, token.X5T):
		return result{}, s.invalidGrant(ctx, c, idp.RejectedCertificate)
	case g.Live(now) != nil:
		return result{}, s.invalidGrant(ctx, c, idp.RejectedExpired)
	case !token.UsedAt.IsZero() && (grace == 0 || now.Sub(token.UsedAt) > grace):
		s.rejected(ctx, c, idp.RejectedUsed, "")
		return result{}, s.revokeAndRefuse(ctx, g, now, idp.EventRefreshReplayed, "")
	case !now.Before(token.ExpiresAt):
		return result{}, s.invalidGrant(ctx, c, idp.RejectedExpired)
	}
	left, err := g.Narrow(c, token.Scopes)
	if err != nil {
		return result{}, s.revokeTaken(ctx, g, now, err)
	}
	scopes := left
	if asked := spaceDelimited(r.Form.Get("scope")); len(asked) > 0 {
		for _, scope := range asked {
			if !slices.Contains(left, scope) {
				s.rejected(ctx, c, idp.RejectedScope, scope, left...)
				return result{}, oidc.ErrInvalidScope().WithDescription("A scope was asked for that was not granted.")
			}
		}
		scopes = asked
	}
	audience, err := s.audienceFor(ctx, c, g, r.Form["resource"])
	if errors.Is(err, idp.ErrDenied) {
		return result{}, s.revokeTaken(ctx, g, now, err)
	}
	if err != nil {
		return result{}, err
	}
	if err := s.useProof(ctx, c, bound); err != nil {
		return result{}, err
	}
	o := issuance{client: c, grant: g, scopes: scopes, audience: audience, jkt: bound.thumbprint(), x5t: x5t, at: now}
	if c.RotatesRefresh() && refreshes(c, left) {
		o.refreshScopes = left
	}
	m, err := s.issueTokens(ctx, o)
	if err != nil {
		return result{}, s.tokensFault(ctx, c, err)
	}
	m.issue.Keep = !c.RotatesRefresh()
	if c.Public() {
		m.issue.Repeats = maxRepeats
	}
	m.issue.May = func(u *idp.User) error { return g.Admits(c, u) }
	err = s.conf.Store.RotateRefresh(ctx, hash, now, grace, m.issue)
	switch {
	case errors.Is(err, idp.ErrSettled), errors.Is(err, idp.ErrExpired), errors.Is(err, idp.ErrNotFound), errors.Is(err, idp.ErrDenied):
		return result{}, s.invalidGrant(ctx, c, rejectionOf(err))
	case err != nil:
		return result{}, s.fault(ctx, "rotating a refresh token", err)
	}
	return result{body: m.body}, nil
}

// clientCredentials issues an access token to a confidential client that acts on
// its own behalf (RFC 6749, section 4.4). It cannot have scopes that are about a person,
// nor an ID or refresh token. Without a scope parameter it gets all the scopes it is
// registered for, but for purposes of use, which it has to say.
func (s *Server) clientCredentials(r *http.Request, c *idp.Client) (result, error) {
	ctx := r.Context()
	if c.Public() {
		s.rejected(ctx, c, idp.RejectedPublic, "")
		return result{}, errInvalidClient()
	}
	if err := s.checkFormat(ctx, c, r.Form); err != nil {
		return result{}, err
	}
	x5t, err := s.boundCertificate(ctx, c)
	if err != nil {
		return result{}, err
	}
	bound, err := s.tokenProof(ctx, r.Header, pathToken, c, c.DPoP)
	if err != nil {
		return result{}, err
	}
	now := s.now()
	own := slices.DeleteFunc(slices.Clone(c.Scopes), personalScope)
	scopes, err := s.narrowed(ctx, c, r.Form.Get("scope"), own, "A scope was asked for that this client cannot have.")
	if err != nil {
		return result{}, err
	}
	if r.Form.Get("scope") == "" {
		scopes = slices.DeleteFunc(slices.Clone(scopes), idp.IsPurpose)
	}
	audience, bad, refused := readResources(r.Form["resource"], c.Audiences())
	if refused != nil {
		return result{}, s.refusedTarget(ctx, c, bad, c.Audiences(), refused)
	}
	if len(audience) == 0 {
		audience = c.Audiences()
	}
	g := &idp.Grant{ID: idp.NewID[idp.GrantID](), Client: c.ID, Scopes: scopes, CreatedAt: now, ExpiresAt: now.Add(s.accessTTL(c))}
	g.Note(event(ctx, g, now, idp.EventCodeIssued, idp.GrantClientCredentials).WithPurpose(scopes))
	if err := s.useProof(ctx, c, bound); err != nil {
		return result{}, err
	}
	m, err := s.issueTokens(ctx, issuance{client: c, grant: g, scopes: scopes, audience: audience, jkt: bound.thumbprint(), x5t: x5t, at: now})
	if err != nil {
		return result{}, s.tokensFault(ctx, c, err)
	}
	err = s.conf.Store.AddTokens(ctx, g, m.issue)
	switch {
	case errors.Is(err, idp.ErrClientDisabled):
		s.rejected(ctx, c, idp.RejectedDisabled, "")
		return result{}, errInvalidClient()
	case err != nil:
		return result{}, s.fault(ctx, "storing tokens", err)
	}
	return result{body: m.body}, nil
}

// invalidGrant says why a code or refresh token is not good, and returns errInvalidGrant,
// which is the same for all.
func (s *Server) invalidGrant(ctx context.Context, c *idp.Client, reason idp.RejectionReason) error {
	s.rejected(ctx, c, reason, "")
	return errInvalidGrant()
}

// rejectionOf names why the store issued no tokens.
func rejectionOf(err error) idp.RejectionReason {
	switch {
	case errors.Is(err, idp.ErrSettled):
		return idp.RejectedUsed
	case errors.Is(err, idp.ErrNotFound):
		return idp.RejectedToken
	}
	return idp.RejectedExpired
}

// rejectMismatch says what of a token request does not belong to its code. A code verifier
// is a secret and is not shown.
func (s *Server) rejectMismatch(ctx context.Context, c *idp.Client, code *idp.Code, form url.Values, reason string) {
	switch {
	case reason == "dpop_jkt":
		s.rejected(ctx, c, idp.RejectedKey, "")
	case reason == "redirect_uri":
		s.rejected(ctx, c, idp.RejectedRedirect, redactedURI(form.Get("redirect_uri")), redactedURI(code.RedirectURI))
	case code.Challenge == "":
		s.rejected(ctx, c, idp.RejectedVerifierUnasked, "")
	case !validPKCE(form.Get("code_verifier")):
		s.rejected(ctx, c, idp.RejectedNoVerifier, "")
	default:
		s.rejected(ctx, c, idp.RejectedVerifier, "")
	}
}

// revokeAndRefuse revokes a grant, unless that has been done, with an event of the kind
// and reason given. It returns errInvalidGrant, or a fault of ours.
func (s *Server) revokeAndRefuse(ctx context.Context, g *idp.Grant, at time.Time, kind idp.EventKind, reason string) error {
	if !g.RevokedAt.IsZero() {
		return errInvalidGrant()
	}
	if err := s.conf.Store.RevokeGrant(ctx, g.ID, at, event(ctx, g, at, kind, reason)); err != nil && !errors.Is(err, idp.ErrNotFound) {
		return s.fault(ctx, "revoking a grant", err)
	}
	return errInvalidGrant()
}

// revokeTaken is revokeAndRefuse for a grant of which nothing is left (idp.TakenError).
func (s *Server) revokeTaken(ctx context.Context, g *idp.Grant, at time.Time, why error) error {
	reason := ""
	if gone := (*idp.TakenError)(nil); errors.As(why, &gone) {
		reason = gone.What
	}
	return s.revokeAndRefuse(ctx, g, at, idp.EventGrantRevoked, reason)
}

// event is the audit event of an act on a grant; reason may be empty.
func event(ctx context.Context, g *idp.Grant, at time.Time, kind idp.EventKind, reason string) idp.Event {
	e := idp.Event{
		At: at, Kind: kind, Actor: idp.Actor{Name: "provider"},
		User: g.User, Client: g.Client, Session: g.Session, Address: serve.From(ctx).Address,
		Detail: map[string]string{"grant": string(g.ID)},
	}
	if reason != "" {
		e.Detail["reason"] = reason
	}
	return e
}
