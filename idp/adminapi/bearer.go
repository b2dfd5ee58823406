package adminapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/serve"
)

// Store looks up access tokens, where the token endpoint has put them, and clients.
type Store interface {
	// Access returns an access token, its grant and the person of it, nil where it is the
	// client's own. Errors: idp.ErrNotFound.
	Access(ctx context.Context, hash idp.TokenHash) (*idp.AccessToken, *idp.Grant, *idp.User, error)
	// Client returns a client's registration, from memory: it must not be changed. Errors:
	// idp.ErrNotFound.
	Client(ctx context.Context, id idp.ClientID) (*idp.Client, error)
}

// Why a request has no good access token (RFC 6750, section 3.1).
var (
	errNoToken = errors.New("no access token")
	errHeader  = errors.New("the access token was sent in a wrong way")
	errToken   = errors.New("the access token is unknown, expired or revoked")
	errScope   = errors.New("the access token is not for this")
)

// caller says on whose behalf a request is made, if they may do the act. Errors: those
// above, idp.RetryError, and those of the store.
//
// Only an access token that a client got for itself counts (client credentials). One that
// stands for a person is refused as insufficient_scope, not as invalid_token: it is a good
// token, and what it lacks is a scope that no person's token can have. Behind a page, the
// person has a second factor asked for every change; behind somebody's token, nobody does.
//
// The role is the strongest that the token has and that the client is still registered
// for: a scope that was taken from the registration a moment ago opens nothing. A disabled
// client has no live grant.
func (s *Server) caller(r *http.Request, act admin.Act) (admin.By, error) {
	token, err := bearer(r)
	if err != nil {
		return admin.By{}, err
	}
	t, g, u, err := s.conf.Store.Access(r.Context(), token.Hash())
	if errors.Is(err, idp.ErrNotFound) {
		return admin.By{}, errToken
	}
	if err != nil {
		return admin.By{}, fmt.Errorf("access token: %w", err)
	}
	if !t.Good(g, s.conf.Now()) || t.Bound() || s.conf.KeyLives != nil && !s.conf.KeyLives(token.Reveal()) { // no proofs are read here, and without one it is nobody's
		return admin.By{}, errToken
	}
	c, err := s.conf.Store.Client(r.Context(), g.Client)
	if errors.Is(err, idp.ErrNotFound) {
		return admin.By{}, errToken
	}
	if err != nil {
		return admin.By{}, fmt.Errorf("client: %w", err)
	}
	info := serve.From(r.Context())
	info.Note(slog.String("client", string(c.ID)))
	scopes, err := g.Allowed(c, u, t.Scopes)
	if gone := (*idp.TakenError)(nil); errors.As(err, &gone) {
		switch gone.What {
		case "client", "person", "groups":
			return admin.By{}, errToken
		}
		return admin.By{}, errScope // a good token, which lacks what was taken from the registration
	}
	if g.User != "" || u != nil {
		return admin.By{}, errScope
	}
	if s.conf.Allow != nil {
		if retry, ok := s.conf.Allow(c.ID); !ok {
			return admin.By{}, &idp.RetryError{Err: idp.ErrTooMany, After: retry}
		}
	}
	role := idp.StaffOf(scopes...)
	if !admin.May(role, act) {
		return admin.By{}, errScope
	}
	return admin.By{Actor: idp.Actor{Name: "client:" + string(c.ID)}, Role: role, Client: c.ID, Address: info.Address}, nil
}

// maxToken bounds what is hashed; the longest that we make, signed by RSA, is
// half of it.
const maxToken = 4096

// bearer reads the one access token of a request (RFC 6750, section 2.1). One in the URL
// is refused even beside another: it stands in somebody's log by now. Errors: errNoToken,
// errHeader.
func bearer(r *http.Request) (idp.Secret, error) {
	if strings.Contains(r.URL.RawQuery, "access_token") && r.URL.Query().Has("access_token") {
		return "", errHeader
	}
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return "", errNoToken
	}
	scheme, value, _ := strings.Cut(headers[0], " ")
	value = strings.TrimLeft(value, " ")
	switch {
	case !strings.EqualFold(scheme, "Bearer"):
		return "", errNoToken
	case len(headers) > 1, value == "", strings.ContainsAny(value, " ,"):
		return "", errHeader
	case len(value) > maxToken:
		return "", errToken
	}
	return idp.Secret(value), nil
}

// leastScope is the least scope that opens an act: what a program should ask for.
func leastScope(act admin.Act) string {
	for _, role := range []idp.StaffRole{idp.StaffAuditor, idp.StaffHelpdesk, idp.StaffAdmin} {
		if admin.May(role, act) {
			return idp.ScopeOf(role)
		}
	}
	return ""
}

// challenge is the WWW-Authenticate header of an error (RFC 6750, section 3); empty: there
// is none. A request without any token is told no error code.
func challenge(err error, act admin.Act) string {
	const realm = `Bearer realm="admin"`
	switch {
	case errors.Is(err, errNoToken):
		return realm
	case errors.Is(err, errHeader):
		return realm + `, error="invalid_request"`
	case errors.Is(err, errToken):
		return realm + `, error="invalid_token"`
	case errors.Is(err, errScope):
		return realm + `, error="insufficient_scope", scope="` + leastScope(act) + `"`
	}
	return ""
}

// longTime is how long a request may take that sends a file, or walks the whole log.
const longTime = 10 * time.Minute
