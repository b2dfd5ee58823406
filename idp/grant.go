package idp

import (
	"encoding/json"
	"time"
)

// Grant is what a finished sign-in gave one client: every code and token
// belongs to one, and dies with it. Ending a session, disabling a person or a
// client, and changing a password revoke grants in the same transaction, so
// RevokedAt is all that a token check has to look at.
type Grant struct {
	ID        GrantID
	Client    ClientID
	User      UserID    // empty for client credentials
	Session   SessionID // empty for client credentials
	Scopes    []string
	Nonce     string
	ACR       string
	AMR       []string
	AuthTime  time.Time
	Claims    json.RawMessage // the claims request (OpenID Connect Core 1.0, section 5.5), or nil
	CreatedAt time.Time
	ExpiresAt time.Time // absolute end: that of the session
	RevokedAt time.Time // zero while it lives

	Journal `json:"-"`
}

// Live returns nil, ErrSettled when revoked, or ErrExpired.
func (g *Grant) Live(now time.Time) error {
	switch {
	case !g.RevokedAt.IsZero():
		return ErrSettled
	case !now.Before(g.ExpiresAt):
		return ErrExpired
	}
	return nil
}

// CodeTTL is how long an authorization code can be redeemed.
const CodeTTL = 60 * time.Second

// Code is an authorization code, good for one exchange.
type Code struct {
	Hash        TokenHash
	Grant       GrantID
	RedirectURI string
	Challenge   string // PKCE S256 (RFC 7636), or empty
	ExpiresAt   time.Time
	UsedAt      time.Time // zero while unused
}

// AccessToken is a bearer token for userinfo and other resources.
type AccessToken struct {
	Hash      TokenHash
	Grant     GrantID
	Scopes    []string
	Audience  []string
	IssuedAt  time.Time
	ExpiresAt time.Time
	RevokedAt time.Time
}

// Live returns nil, ErrSettled when revoked, or ErrExpired.
func (t *AccessToken) Live(now time.Time) error {
	switch {
	case !t.RevokedAt.IsZero():
		return ErrSettled
	case !now.Before(t.ExpiresAt):
		return ErrExpired
	}
	return nil
}

// Good reports whether a token and the grant it belongs to are live. Every door
// that takes tokens asks this.
func (t *AccessToken) Good(g *Grant, now time.Time) bool {
	return t.Live(now) == nil && g.Live(now) == nil
}

// RefreshToken is rotated at every use; the used one points to its successor
// by time only. Reuse outside the client's grace kills the grant.
type RefreshToken struct {
	Hash      TokenHash
	Grant     GrantID
	Scopes    []string
	IssuedAt  time.Time
	ExpiresAt time.Time // idle end
	UsedAt    time.Time // zero while it is the newest
}

// Issue is a set of tokens to be stored at once.
type Issue struct {
	Access  AccessToken
	Refresh *RefreshToken // nil: none
}
