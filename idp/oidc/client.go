package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
)

// party is a client that has proven itself, as the library knows one. The
// library asks it for its grant types and its way to authenticate. Whatever
// else a later one asked would panic on the nil interface, and be answered 500
// rather than with something that nobody decided.
type party struct {
	op.Client
	client *idp.Client
}

// AuthMethod is the way the client is registered to authenticate.
func (p party) AuthMethod() oidc.AuthMethod { return oidc.AuthMethod(p.client.Auth) }

// GrantTypes are those the client is registered for.
func (p party) GrantTypes() []oidc.GrantType {
	types := make([]oidc.GrantType, len(p.client.GrantTypes))
	for i, t := range p.client.GrantTypes {
		types[i] = oidc.GrantType(t)
	}
	return types
}

// VerifyClient lets a client in that proves itself in the one way it is
// registered for, and is registered for the grant type it asks for. An unknown
// client, a wrong secret, another way and a disabled client look the same.
func (s *Server) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	c, err := s.verify(ctx, r.Data, r.Header.Get("Authorization") != "")
	if err != nil {
		return nil, err
	}
	if grant := r.Form.Get("grant_type"); grant != "" && !c.Allows(grant) {
		s.rejected(ctx, c, idp.RejectedGrantType, grant, c.GrantTypes...)
		return nil, oidc.ErrUnauthorizedClient().WithDescription("The client is not registered for this grant type.")
	}
	return party{client: c}, nil
}

// verify checks credentials; basic says that they came in the Authorization header.
func (s *Server) verify(ctx context.Context, cc *op.ClientCredentials, basic bool) (*idp.Client, error) {
	if cc.ClientAssertion != "" || cc.ClientAssertionType != "" {
		rejectedClaim(ctx, cc.ClientID, idp.RejectedMethod, "client_assertion")
		return nil, errClient()
	}
	way := idp.AuthNone
	switch {
	case basic:
		way = idp.AuthBasic
	case cc.ClientSecret != "":
		way = idp.AuthPost
	}
	c, err := s.conf.Store.Client(ctx, idp.ClientID(cc.ClientID))
	unknown := errors.Is(err, idp.ErrNotFound)
	if unknown {
		c, err = &idp.Client{Auth: way, Secrets: make([]idp.ClientSecret, 1)}, nil
	}
	if err != nil {
		return nil, s.fault(ctx, "client", err)
	}
	// The secret is compared whatever else is wrong: how long it takes tells nothing.
	secret, now := idp.Secret(cc.ClientSecret), s.now()
	right := holds(c, secret, now)
	if unknown {
		return nil, s.badClient(ctx, nil, cc, way)
	}
	if c.Disabled || c.Auth != way || !c.Public() && !right {
		return nil, s.badClient(ctx, c, cc, way)
	}
	if !c.Public() {
		s.conf.Store.SecretUsed(c.ID, secret.Hash(), now)
	}
	known(ctx, c)
	return c, nil
}

// held reports whether a secret is one of the client's, valid or not any more.
func held(c *idp.Client, secret idp.Secret) bool {
	hash := secret.Hash()
	fits := 0
	for i := range c.Secrets {
		fits |= subtle.ConstantTimeCompare(hash[:], c.Secrets[i].Hash[:])
	}
	return fits == 1
}

// holds reports whether a secret is one of the client's valid ones. It looks at
// all of them, whichever fits.
func holds(c *idp.Client, secret idp.Secret, now time.Time) bool {
	hash := secret.Hash()
	fits := 0
	for i := range c.Secrets {
		own := &c.Secrets[i]
		if own.ExpiresAt.IsZero() || now.Before(own.ExpiresAt) {
			fits |= subtle.ConstantTimeCompare(hash[:], own.Hash[:])
		}
	}
	return fits == 1
}
