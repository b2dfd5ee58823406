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
// library asks for the grant types only; what the other methods say is what
// would be true.
type party struct{ client *idp.Client }

var _ op.Client = party{}

func (p party) GetID() string                        { return string(p.client.ID) }
func (p party) RedirectURIs() []string               { return p.client.RedirectURIs }
func (p party) PostLogoutRedirectURIs() []string     { return p.client.PostLogoutURIs }
func (p party) AuthMethod() oidc.AuthMethod          { return oidc.AuthMethod(p.client.Auth) }
func (p party) ResponseTypes() []oidc.ResponseType   { return []oidc.ResponseType{oidc.ResponseTypeCode} }
func (p party) LoginURL(string) string               { return "" }
func (p party) IDTokenLifetime() time.Duration       { return p.client.AccessTTL }
func (p party) DevMode() bool                        { return false }
func (p party) IDTokenUserinfoClaimsAssertion() bool { return p.client.ClaimsInID }
func (p party) ClockSkew() time.Duration             { return 0 }
func (p party) IsScopeAllowed(scope string) bool     { return allowed(p.client, scope) }
func (p party) ApplicationType() op.ApplicationType {
	if p.client.Kind == idp.ClientNative {
		return op.ApplicationTypeNative
	}
	return op.ApplicationTypeWeb
}
func (p party) AccessTokenType() op.AccessTokenType {
	if p.client.AccessFormat == idp.AccessJWT {
		return op.AccessTokenTypeJWT
	}
	return op.AccessTokenTypeBearer
}
func (p party) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func([]string) []string { return nil }
}
func (p party) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func([]string) []string { return nil }
}
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
		return nil, oidc.ErrUnauthorizedClient().WithDescription("The client is not registered for this grant type.")
	}
	return party{c}, nil
}

// verify checks credentials; basic says that they came in the Authorization header.
func (s *Server) verify(ctx context.Context, cc *op.ClientCredentials, basic bool) (*idp.Client, error) {
	if cc.ClientAssertion != "" || cc.ClientAssertionType != "" {
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
	if errors.Is(err, idp.ErrNotFound) {
		return nil, errClient()
	}
	if err != nil {
		return nil, s.fault(ctx, "client", err)
	}
	if c.Disabled || c.Auth != way || !c.Public() && !holds(c, idp.Secret(cc.ClientSecret), s.now()) {
		return nil, errClient()
	}
	known(ctx, c)
	return c, nil
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
