package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
)

// authenticatedClient is a client that has authenticated, as the library wants one
// (op.Client). The library asks it for its grant types and its authentication method.
// Whatever else a later version of the library asked would panic on the nil interface, and
// be answered 500 rather than with something that nobody decided.
type authenticatedClient struct {
	op.Client
	client *idp.Client
}

// AuthMethod is how the client is registered to authenticate (OpenID Connect Core 1.0,
// section 9).
func (p authenticatedClient) AuthMethod() oidc.AuthMethod { return oidc.AuthMethod(p.client.Auth) }

// GrantTypes are those the client is registered for.
func (p authenticatedClient) GrantTypes() []oidc.GrantType {
	types := make([]oidc.GrantType, len(p.client.GrantTypes))
	for i, t := range p.client.GrantTypes {
		types[i] = oidc.GrantType(t)
	}
	return types
}

// VerifyClient authenticates a client for the library, and makes sure that it is registered
// for the grant type it asks for, if it does. The credentials are those that the front has
// admitted: the library's decoder takes «CLIENT_ID» for «client_id», and might have read
// another client's.
func (s *Server) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	c, err := s.authenticate(ctx, r.Form.Get("grant_type"))
	if err != nil {
		return nil, err
	}
	return authenticatedClient{client: c}, nil
}

var errNotAuthenticated = errors.New("not a client of ours")

// clientOf returns the client that VerifyClient has authenticated. Error: the library
// passed another, which is a fault of ours.
func clientOf(c op.Client) (*idp.Client, error) {
	p, ok := c.(authenticatedClient)
	if !ok {
		return nil, op.NewStatusError(oidc.ErrServerError().WithParent(errNotAuthenticated), http.StatusInternalServerError)
	}
	return p.client, nil
}

// authenticate authenticates the client of a form that clientForm has admitted, and makes sure
// that it is registered for a grant type; empty: for none. Errors: as verify;
// unauthorized_client.
func (s *Server) authenticate(ctx context.Context, grant string) (*idp.Client, error) {
	sent := &responseOf(ctx).sent
	c, err := s.verify(ctx, &sent.ClientCredentials, sent.basic)
	if err != nil {
		return nil, err
	}
	if grant != "" && !c.Allows(grant) {
		s.rejected(ctx, c, idp.RejectedGrantType, grant, c.GrantTypes...)
		return nil, oidc.ErrUnauthorizedClient().WithDescription("The client is not registered for this grant type.")
	}
	return c, nil
}

// verify authenticates a client (RFC 6749, section 2.3) by the one method it is registered
// for; basic says that the credentials came in the Authorization header. An unknown client, a
// wrong secret, another method and a disabled client are the same error, invalid_client, and
// take the same time. Errors: errInvalidClient, or a fault of ours that is logged.
func (s *Server) verify(ctx context.Context, cc *op.ClientCredentials, basic bool) (*idp.Client, error) {
	if cc.ClientAssertion != "" || cc.ClientAssertionType != "" {
		return s.verifyAssertion(ctx, cc)
	}
	method := idp.AuthNone
	switch {
	case basic:
		method = idp.AuthBasic
	case cc.ClientSecret != "":
		method = idp.AuthPost
	}
	c, err := s.conf.Store.Client(ctx, idp.ClientID(cc.ClientID))
	unknown := errors.Is(err, idp.ErrNotFound)
	if unknown {
		c, err = &idp.Client{Auth: method, Secrets: make([]idp.ClientSecret, 1)}, nil
	}
	if err != nil {
		return nil, s.fault(ctx, "client", err)
	}
	// The secret is compared whatever else is wrong: how long it takes tells nothing.
	secret, now := idp.Secret(cc.ClientSecret), s.now()
	right := c.HasNow(secret, now)
	if unknown {
		return nil, s.invalidClient(ctx, nil, cc, method)
	}
	if c.ByCertificate() && method == idp.AuthNone {
		method = c.Auth // nothing else was sent: the certificate says the rest
	}
	if c.Disabled || c.Auth != method || c.HasSecret() && !right || !belongs(ctx, c) {
		return nil, s.invalidClient(ctx, c, cc, method)
	}
	if c.ByCertificate() {
		if err := s.verifyCertificate(ctx, c); err != nil {
			return nil, err
		}
	}
	if c.HasSecret() {
		s.conf.Store.SecretUsed(c.ID, secret.Hash(), now)
	}
	identified(ctx, c)
	return c, nil
}

// everHadSecret reports whether a secret is one of the client's, valid or expired. It
// compares in constant time.
func everHadSecret(c *idp.Client, secret idp.Secret) bool {
	hash := secret.Hash()
	fits := 0
	for i := range c.Secrets {
		fits |= subtle.ConstantTimeCompare(hash[:], c.Secrets[i].Hash[:])
	}
	return fits == 1
}
