package idp

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// Grant is what a finished sign-in gave one client: every code and token
// belongs to one, and dies with it. Ending a session, disabling a person or a
// client, and changing a password revoke grants in the same transaction, so
// RevokedAt tells of all of these. What client and person may have can shrink
// without that: every door that takes tokens asks Allowed besides.
type Grant struct {
	ID        GrantID
	Type      string // the grant type of a person's grant, of an exchanged one that of Origin; empty: GrantCode
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
	// Origin is the client that the person has signed in to, where Client has got the grant for
	// a token of theirs (RFC 8693); empty: of no exchange. Actors are the ids of the clients
	// that act for the person then, Client first, before it the one whose token it was given.
	Origin ClientID
	Actors []string
	// Resources are the absolute URIs of the APIs that the grant was asked for (RFC 8707); none:
	// for all that the client's tokens are for.
	Resources []string
	// Study is the UID of the study that was opened in the client, for ScopeStudy; empty: none
	// was said. It is patient data: no log and no address has it.
	Study string

	Journal `json:"-"`
}

// MaxActors is how many clients can act for a person one for the other.
const MaxActors = 4

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

// TakenError says that a grant gives nothing any more, because what it was made
// of has been taken away since. It is an ErrDenied.
type TakenError struct {
	What string // for the audit log: "client", "grant type", "person", "groups", "scopes" or "audience"
}

func (e *TakenError) Error() string { return "taken away: " + e.What }
func (e *TakenError) Unwrap() error { return ErrDenied }

// Allowed is what scopes that the grant gave once give now: those that the
// client may still ask for, for a person who may still sign in to it. u is the
// person as they are now, nil for a client's own grant. Every use of a code or
// token asks this, so that what an administrator takes away is gone at the next
// use, not at the end of the session. Errors: TakenError.
func (g *Grant) Allowed(c *Client, u *User, scopes []string) ([]string, error) {
	if err := g.Admits(c, u); err != nil {
		return nil, err
	}
	return g.Narrow(c, scopes)
}

// Admits is the part of Allowed that looks at the person. It is asked in the
// transaction that gives new tokens. Of u it looks at ID, State and Groups.
// Errors: TakenError.
func (g *Grant) Admits(c *Client, u *User) error {
	switch {
	case g.User == "":
		return nil
	case u == nil, u.ID != g.User, u.State != UserActive:
		return &TakenError{"person"}
	case !c.Admits(u):
		return &TakenError{"groups"}
	}
	return nil
}

// Narrow is the part of Allowed that looks at the client: it returns those of
// scopes that it may have now, in their order. Errors: TakenError, also where
// none of them is left.
func (g *Grant) Narrow(c *Client, scopes []string) ([]string, error) {
	may := c.MayAsk
	switch {
	case c.Disabled:
		return nil, &TakenError{"client"}
	case g.User == "":
		if c.Public() || !c.Allows(GrantClientCredentials) {
			return nil, &TakenError{"grant type"}
		}
		may = func(scope string) bool { return slices.Contains(c.Scopes, scope) }
	case g.Origin != "":
		if c.Public() || !c.Allows(GrantExchange) {
			return nil, &TakenError{"grant type"}
		}
		may = c.MayExchange
	case !c.Allows(cmp.Or(g.Type, GrantCode)):
		return nil, &TakenError{"grant type"}
	}
	kept := make([]string, 0, len(scopes))
	for _, scope := range scopes {
		if may(scope) {
			kept = append(kept, scope)
		}
	}
	if len(kept) == 0 && len(scopes) > 0 {
		return nil, &TakenError{"scopes"}
	}
	return kept, nil
}

// CodeTTL is how long an authorization code can be redeemed.
const CodeTTL = 60 * time.Second

// Code is an authorization code, good for one exchange.
type Code struct {
	Hash        TokenHash
	Grant       GrantID
	RedirectURI string
	Challenge   string // PKCE S256 (RFC 7636), or empty
	JKT         string // SHA-256 thumbprint (RFC 7638) of the key that it is bound to; empty: to none (RFC 9449, section 10)
	ExpiresAt   time.Time
	UsedAt      time.Time // zero while unused
	// Pushed is the pushed authorization request that the code answers, which is used with
	// it; empty: none, or the code was read from the store.
	Pushed PushedID
	// Polled is the request whose client asks for the outcome, to which the code says yes;
	// empty: none, or the code was read from the store.
	Polled PolledID
}

// AccessToken is a token for userinfo and other resources.
type AccessToken struct {
	Hash      TokenHash
	Grant     GrantID
	Scopes    []string
	Audience  []string
	JKT       string // thumbprint of the key that it is bound to; empty: to none
	X5T       string // SHA-256 thumbprint of the certificate that it is bound to; empty: to none (RFC 8705, section 3.1)
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

// Bound reports whether a token is of use only together with a key: it is no bearer token.
func (t *AccessToken) Bound() bool { return t.JKT != "" || t.X5T != "" }

// Good reports whether a token and the grant it belongs to are live. Every door
// that takes tokens asks this, and Grant.Allowed.
func (t *AccessToken) Good(g *Grant, now time.Time) bool {
	return t.Live(now) == nil && g.Live(now) == nil
}

// RefreshToken is rotated at every use, unless Client.RotatesRefresh says otherwise; the used
// one points to its successor by time only. Reuse outside the client's grace kills the grant.
type RefreshToken struct {
	Hash      TokenHash
	Grant     GrantID
	Scopes    []string
	JKT       string // thumbprint of the key that it is bound to; empty: to none
	X5T       string // SHA-256 thumbprint of the certificate that it is bound to; empty: to none
	IssuedAt  time.Time
	ExpiresAt time.Time // idle end
	UsedAt    time.Time // zero while it is the newest
}

// Issue is a set of tokens to be stored at once.
type Issue struct {
	Access  AccessToken
	Refresh *RefreshToken // nil: none
	// Keep leaves the refresh token that is used as good as it was (RotateRefresh).
	Keep bool
	// Repeats is how often the refresh token that is used may come again within its grace
	// (RotateRefresh); 0: as often as it likes.
	Repeats int
	// May is asked in the transaction, before anything is stored, with ID, State
	// and Groups of the person as they are then (nil: a client's own). What it
	// refuses revokes the grant; the caller gets its error. nil: all may.
	May func(*User) error
}
