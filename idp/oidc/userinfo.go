package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
	"hilum/idp/claim"
)

// errInvalidToken is the error response for every access token that is not good, whatever
// the reason (RFC 6750, section 3.1).
func errInvalidToken() error {
	return op.NewStatusError(&oidc.Error{
		ErrorType:   codeInvalidToken,
		Description: "The access token is unknown, expired or revoked.",
	}, http.StatusUnauthorized)
}

// invalidToken is errInvalidToken with the challenge of the scheme that the token was sent
// by.
func (s *Server) invalidToken(ctx context.Context, h http.Header) error {
	if !byProof(h) {
		return errInvalidToken()
	}
	return s.refuseBound(ctx, &oidc.Error{ErrorType: codeInvalidToken, Description: "The access token is unknown, expired or revoked."})
}

// userinfo is the UserInfo endpoint (OpenID Connect Core 1.0, section 5.3). The response
// has the claims that the access token's scopes, and the claims parameter of the
// authorization request, ask for, as far as client and person may have them now. It is
// signed for a client that is registered so (section 5.3.2). Only what we stored as an access
// token is one: an ID token is not.
func (s *Server) userinfo(r *http.Request) (result, error) {
	ctx, access, now := r.Context(), r.Form.Get("access_token"), s.now()
	t, g, u, err := s.conf.Store.Access(ctx, idp.Secret(access).Hash())
	if errors.Is(err, idp.ErrNotFound) {
		return result{}, s.invalidToken(ctx, r.Header)
	}
	if err != nil {
		return result{}, s.fault(ctx, "reading an access token", err)
	}
	c, err := s.conf.Store.Client(ctx, g.Client)
	if errors.Is(err, idp.ErrNotFound) {
		return result{}, s.invalidToken(ctx, r.Header)
	}
	if err != nil {
		return result{}, s.fault(ctx, "client", err)
	}
	identified(ctx, c)
	repeatInteraction(ctx, c, r.Header)
	if !belongs(ctx, c) || !t.Good(g, now) || !s.KeyLives(access) {
		return result{}, s.invalidToken(ctx, r.Header)
	}
	if err := s.checkBound(r, c, t, access); err != nil {
		return result{}, err
	}
	scopes, err := s.allowed(ctx, c, g, u, t.Scopes)
	if err != nil && !errors.Is(err, idp.ErrDenied) {
		return result{}, s.fault(ctx, "client", err)
	}
	if err != nil {
		return result{}, s.invalidToken(ctx, r.Header) // what was taken away makes the token as good as revoked
	}
	if u == nil || !slices.Contains(scopes, scopeOpenID) {
		return result{}, op.NewStatusError(&oidc.Error{
			ErrorType:   codeInsufficientScope,
			Description: "The access token was not given for openid.",
		}, http.StatusForbidden)
	}
	consented, err := s.consentedClaims(ctx, c, g)
	if err != nil {
		return result{}, s.fault(ctx, "consent", err)
	}
	b := make([]byte, 0, 512)
	if c.Signing.UserinfoAlg != "" {
		b = append(s.appendParties(b, c), `,"sub":`...)
	} else {
		b = append(b, `{"sub":`...)
	}
	b = claim.AppendString(b, s.conf.Subjects.Of(c, u.ID))
	b = append(claim.Append(b, u, c.Claims, inUserinfo(c, g, scopes, consented)), '}')
	if c.Signing.UserinfoAlg == "" {
		return result{body: b}, nil
	}
	// Without exp and iat it passes for no ID token.
	signed, err := s.signFor(c, c.Signing.UserinfoAlg, typeNone, b)
	if err != nil {
		return result{}, s.fault(ctx, "signing userinfo", err)
	}
	return result{signed, []string{kindJWT}}, nil
}
