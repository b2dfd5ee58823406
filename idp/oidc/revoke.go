package oidc

import (
	"errors"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"hilum/idp"
)

// revoke is the revocation endpoint (RFC 7009): it revokes a token that was issued to
// the client that asks. With a refresh token its grant is revoked, and so every token
// of that grant; an access token is revoked alone. For an unknown token the response is
// the same as for one that was revoked (section 2.2).
func (s *Server) revoke(r *http.Request) (result, error) {
	ctx := r.Context()
	c, err := s.authenticate(r.Context(), r.Form.Get("grant_type"))
	if err != nil {
		return result{}, err
	}
	if err := missing(r.Form, "token"); err != nil {
		return result{}, err
	}
	now := s.now()
	hash := idp.Secret(r.Form.Get("token")).Hash()
	// The hint is only a hint (section 2.1): look at both kinds, whatever it says.
	_, g, err := s.conf.Store.Refresh(ctx, hash)
	refresh := err == nil
	if errors.Is(err, idp.ErrNotFound) {
		_, g, _, err = s.conf.Store.Access(ctx, hash)
	}
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return result{}, nil
	case err != nil:
		return result{}, s.fault(ctx, "reading a token", err)
	case g.Client != c.ID:
		return result{}, oidc.ErrInvalidGrant().WithDescription("The token was issued to another client.")
	case refresh && g.RevokedAt.IsZero():
		err = s.conf.Store.RevokeGrant(ctx, g.ID, now, event(ctx, g, now, idp.EventGrantRevoked, "revoked by the client"))
	case !refresh:
		err = s.conf.Store.RevokeAccess(ctx, hash, now)
	}
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return result{}, s.fault(ctx, "revoking a token", err)
	}
	return result{}, nil
}
