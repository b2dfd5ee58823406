package oidc

import (
	"context"
	"errors"
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/claim"
)

var inactive = []byte(`{"active":false}`)

// introspect is the introspection endpoint (RFC 7662), for confidential clients. A client
// is told of tokens that were issued to it and of access tokens whose audience names
// it: an API that introspects is a client of its own, and its id, or a resource that it stands
// for, stands in the audience of the clients that call it. Any other token, expired, revoked or another
// client's, is not active (section 2.2). The response has what client and person may
// have now, whatever was granted once; of an access token also the name, groups and roles
// of its person, as far as its scopes cover them, under the names that the client that asks
// is registered with. It is signed where the client asks for that (RFC 9701).
func (s *Server) introspect(r *http.Request) (result, error) {
	ctx, token := r.Context(), r.Form.Get("token")
	if err := missing(r.Form, "token"); err != nil {
		return result{}, err
	}
	c, err := s.authenticate(r.Context(), "")
	if err != nil {
		return result{}, err
	}
	if c.Public() {
		s.rejected(ctx, c, idp.RejectedPublic, "")
		return result{}, errInvalidClient()
	}
	now := s.now()
	if !s.KeyLives(token) {
		return result{body: inactive}, nil
	}
	hash := idp.Secret(token).Hash()
	body, err := s.introspectAccess(ctx, c, hash, now)
	if errors.Is(err, idp.ErrNotFound) {
		body, err = s.introspectRefresh(ctx, c, hash, now)
	}
	switch {
	case errors.Is(err, idp.ErrNotFound):
		body = inactive
	case err != nil:
		return result{}, s.fault(ctx, "introspecting", err)
	}
	return s.introspection(ctx, r.Header, c, body)
}

// introspectAccess is the response about an access token. Error: idp.ErrNotFound where it
// is none.
func (s *Server) introspectAccess(ctx context.Context, c *idp.Client, hash idp.TokenHash, now time.Time) ([]byte, error) {
	t, g, u, err := s.conf.Store.Access(ctx, hash)
	if err != nil {
		return nil, err
	}
	if !t.Good(g, now) || g.Client != c.ID && !c.StandsIn(t.Audience) {
		return inactive, nil
	}
	owner := c
	if g.Client != c.ID {
		if owner, err = s.conf.Store.Client(ctx, g.Client); err != nil {
			return nil, err
		}
		if !s.meantFor(c, owner, g, t) {
			return inactive, nil // its tokens are not for that API any more
		}
	}
	scopes, err := s.allowed(ctx, owner, g, u, t.Scopes)
	if errors.Is(err, idp.ErrDenied) {
		return inactive, nil // what was taken away makes the token as good as revoked
	}
	if err != nil {
		return nil, err
	}
	b := s.appendActive(make([]byte, 0, 512), owner, g, scopes, t.IssuedAt, t.ExpiresAt)
	b = append(b, tokenType(t.JKT)...)
	b = appendConfirmation(b, t)
	b = append(b, `,"aud":`...)
	b = claim.AppendStrings(b, t.Audience)
	if u != nil {
		b = claim.AppendAuthorization(b, u, c.Claims, scopes)
	}
	b = claim.AppendIUA(b, u, c.Claims, scopes)
	b = appendStudy(b, g, scopes)
	b = appendActors(b, g)
	return append(b, '}'), nil
}

// introspectRefresh is the response about a refresh token, which is active for its own
// client only. Error: idp.ErrNotFound where it is none.
func (s *Server) introspectRefresh(ctx context.Context, c *idp.Client, hash idp.TokenHash, now time.Time) ([]byte, error) {
	t, g, u, err := s.conf.Store.RefreshOf(ctx, hash)
	if err != nil {
		return nil, err
	}
	live := t.UsedAt.IsZero() && now.Before(t.ExpiresAt) && g.Live(now) == nil
	if !live || g.Client != c.ID || !c.Allows(idp.GrantRefresh) {
		return inactive, nil
	}
	scopes, err := g.Allowed(c, u, t.Scopes)
	if err != nil {
		return inactive, nil //nolint:nilerr // as for access tokens
	}
	return append(s.appendActive(make([]byte, 0, 512), c, g, scopes, t.IssuedAt, t.ExpiresAt), '}'), nil
}

// appendActive writes the members of the response about every active token (RFC 7662,
// section 2.2; acr and auth_time by RFC 9470, section 6.2).
func (s *Server) appendActive(b []byte, owner *idp.Client, g *idp.Grant, scopes []string, issued, expires time.Time) []byte {
	b = append(b, `{"active":true,"iss":`...)
	b = claim.AppendString(b, s.issuerOf(owner))
	b = append(b, `,"sub":`...)
	b = claim.AppendString(b, s.subject(owner, g))
	b = append(b, `,"client_id":`...)
	b = claim.AppendString(b, string(g.Client))
	b = append(b, `,"scope":`...)
	b = appendScopes(b, scopes)
	b = append(b, `,"iat":`...)
	b = claim.AppendTime(b, issued)
	b = append(b, `,"exp":`...)
	b = claim.AppendTime(b, expires)
	return appendAuthentication(b, g)
}
