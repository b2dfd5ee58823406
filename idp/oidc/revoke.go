package oidc

import (
	"context"
	"errors"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
)

// Revocation is the revocation endpoint (RFC 7009): it revokes a token that was issued to
// the client that asks. With a refresh token its grant is revoked, and so every token
// of that grant; an access token is revoked alone. For an unknown token the response is
// the same as for one that was revoked (section 2.2).
func (s *Server) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	c, err := clientOf(r.Client)
	if err != nil {
		return nil, err
	}
	now := s.now()
	hash := idp.Secret(r.Data.Token).Hash()
	// The hint is only a hint (section 2.1): look at both kinds, whatever it says.
	_, g, err := s.conf.Store.Refresh(ctx, hash)
	refresh := err == nil
	if errors.Is(err, idp.ErrNotFound) {
		_, g, _, err = s.conf.Store.Access(ctx, hash)
	}
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return &op.Response{}, nil
	case err != nil:
		return nil, s.fault(ctx, "reading a token", err)
	case g.Client != c.ID:
		return nil, oidc.ErrInvalidGrant().WithDescription("The token was issued to another client.")
	case refresh && g.RevokedAt.IsZero():
		err = s.conf.Store.RevokeGrant(ctx, g.ID, now, event(ctx, g, now, idp.EventGrantRevoked, "revoked by the client"))
	case !refresh:
		err = s.conf.Store.RevokeAccess(ctx, hash, now)
	}
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return nil, s.fault(ctx, "revoking a token", err)
	}
	return &op.Response{}, nil
}
