// Package logout tells applications that a session has ended, by OpenID
// Connect Back-Channel Logout 1.0.
//
// What is to be told are rows, notices (idp.Notice), which come into being in
// the transaction that ends the session, whoever ends it. The outbox delivers
// them to each application: it may be told twice, but it is told.
package logout

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/outbox"
)

// Store keeps the notices.
type Store interface {
	Client(ctx context.Context, id idp.ClientID) (*idp.Client, error) // do not change
	// NoticeClients returns the applications to which a notice is due.
	NoticeClients(ctx context.Context, now time.Time) ([]idp.ClientID, error)
	// ClaimNotice claims one of those. idp.ErrNotFound: none is due.
	ClaimNotice(ctx context.Context, client idp.ClientID, now time.Time) (*idp.Notice, error)
	UpdateNotice(ctx context.Context, id idp.NoticeID, fn func(*idp.Notice) error) error
}

// Minter makes the token that a notice is; *oidc.Server implements it.
type Minter interface {
	LogoutToken(c *idp.Client, user idp.UserID, session idp.SessionID) (idp.Secret, error)
}

// Config is what a Sender is built from.
type Config struct {
	Store  Store
	Minter Minter
	// Client calls applications; it follows no redirect, bounds each call and
	// refuses addresses that may not be called by an error for which Forbidden
	// is true.
	Client    *http.Client
	Forbidden func(error) bool
	Every     time.Duration // how often is looked for notices; 0: twice a second
	Now       func() time.Time
	Log       *slog.Logger
}

// Sender tells applications. Safe for concurrent use.
type Sender = outbox.Relay[idp.ClientID, *idp.Notice, idp.Attempt]

// New returns a Sender.
func New(c Config) *Sender {
	return outbox.ToApplications(outbox.Applications[*idp.Notice]{
		Due: c.Store.NoticeClients, Claim: c.Store.ClaimNotice,
		Update: func(ctx context.Context, n *idp.Notice, fn func(*idp.Notice) error) error {
			return c.Store.UpdateNotice(ctx, n.ID, fn)
		},
		Request: c.request, Client: c.Client, Forbidden: c.Forbidden,
		Words: outbox.Words{
			Look: "applications cannot be told that sessions have ended", Claim: "a notice cannot be claimed", Receiver: "client",
			Keep: "what became of a notice cannot be kept", Fail: "an application was not told that a session has ended",
		},
		Attrs: func(n *idp.Notice) []slog.Attr {
			return []slog.Attr{slog.String("client", string(n.Client)), slog.String("session", string(n.Session)), slog.Int("try", n.Tries)}
		},
		Every: c.Every, Now: c.Now, Log: c.Log,
	})
}

var errNoAddress = errors.New("it has no address to be told at")

// request is the request that a notice is: a logout token, as a form (section 2.5).
func (c *Config) request(ctx context.Context, n *idp.Notice) (*http.Request, idp.Attempt, error) {
	client, err := c.Store.Client(ctx, n.Client)
	if err == nil && client.LogoutURI == "" {
		err = errNoAddress
	}
	switch {
	case errors.Is(err, idp.ErrNotFound), errors.Is(err, errNoAddress):
		return nil, idp.Attempt{Said: idp.RefusedGone, Final: true}, err
	case err != nil:
		return nil, idp.Attempt{Said: idp.RefusedUnreachable}, err
	}
	token, err := c.Minter.LogoutToken(client, n.User, n.Session)
	if err != nil {
		return nil, idp.Attempt{Said: idp.RefusedKey}, err
	}
	form := url.Values{"logout_token": {token.Reveal()}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, client.LogoutURI, strings.NewReader(form))
	if err != nil {
		return nil, idp.Attempt{Said: idp.RefusedUnreachable, Final: true}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, idp.Attempt{}, nil
}
