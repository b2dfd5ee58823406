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
	"io"
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
	Every     time.Duration // how often is looked for notices; 0: lookEvery
	Now       func() time.Time
	Log       *slog.Logger
}

const (
	lookEvery = 500 * time.Millisecond
	// perClient is how many notices one application is told at once. Each has
	// lanes of its own, so that a slow one delays nobody else's.
	perClient = 2
	// maxLanes bounds all together.
	maxLanes = 256
)

// Sender tells applications. Safe for concurrent use.
type Sender = outbox.Relay[idp.ClientID, *idp.Notice, idp.Attempt]

// New returns a Sender.
func New(c Config) *Sender {
	if c.Every == 0 {
		c.Every = lookEvery
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return outbox.New(outbox.Config[idp.ClientID, *idp.Notice, idp.Attempt]{
		Queue:  queue{c.Store},
		Sender: func(idp.ClientID) outbox.Sender[*idp.Notice, idp.Attempt] { return caller{&c} },
		Words: outbox.Words{
			Look: "applications cannot be told that sessions have ended", Claim: "a notice cannot be claimed", Receiver: "client",
			Keep: "what became of a notice cannot be kept", Fail: "an application was not told that a session has ended",
		},
		Attrs: func(n *idp.Notice) []slog.Attr {
			return []slog.Attr{slog.String("client", string(n.Client)), slog.String("session", string(n.Session)), slog.Int("try", n.Tries)}
		},
		Every: c.Every, PerReceiver: perClient, Lanes: maxLanes, Now: c.Now, Log: c.Log,
	})
}

// queue is the notices as the outbox sees them.
type queue struct{ store Store }

func (q queue) Due(ctx context.Context, now time.Time) ([]idp.ClientID, error) {
	return q.store.NoticeClients(ctx, now)
}

func (q queue) Claim(ctx context.Context, client idp.ClientID, now time.Time) (*idp.Notice, error) {
	return q.store.ClaimNotice(ctx, client, now)
}

func (q queue) Settle(ctx context.Context, n *idp.Notice, a idp.Attempt, now time.Time) error {
	return q.store.UpdateNotice(ctx, n.ID, func(kept *idp.Notice) error { return kept.Attempted(n.Tries, a, now) })
}

func (q queue) PutBack(ctx context.Context, n *idp.Notice, now time.Time) error {
	return q.store.UpdateNotice(ctx, n.ID, func(kept *idp.Notice) error { return kept.BrokenOff(n.Tries, now) })
}

// caller calls applications; it holds nothing from one call to the next.
type caller struct{ conf *Config }

// Close has nothing to give back.
func (c caller) Close() {}

// Try tells an application once.
func (c caller) Try(ctx context.Context, n *idp.Notice) outbox.Result[idp.Attempt] {
	a, err := c.call(ctx, n)
	return outbox.Result[idp.Attempt]{Attempt: a, Err: err, Said: string(a.Said)}
}

var errNoAddress = errors.New("it has no address to be told at")

// call calls the application once. The error is for the log.
func (c caller) call(ctx context.Context, n *idp.Notice) (idp.Attempt, error) {
	client, err := c.conf.Store.Client(ctx, n.Client)
	if err == nil && client.LogoutURI == "" {
		err = errNoAddress
	}
	switch {
	case errors.Is(err, idp.ErrNotFound), errors.Is(err, errNoAddress):
		return idp.Attempt{Said: idp.RefusedGone, Final: true}, err
	case err != nil:
		return idp.Attempt{Said: idp.RefusedUnreachable}, err
	}
	token, err := c.conf.Minter.LogoutToken(client, n.User, n.Session)
	if err != nil {
		return idp.Attempt{Said: idp.RefusedKey}, err
	}
	form := url.Values{"logout_token": {token.Reveal()}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, client.LogoutURI, strings.NewReader(form))
	if err != nil {
		return idp.Attempt{Said: idp.RefusedUnreachable, Final: true}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "hilum")
	res, err := c.conf.Client.Do(req)
	if err != nil {
		return idp.Attempt{Said: outbox.Unanswered(err, c.conf.Forbidden)}, err
	}
	defer res.Body.Close()
	// The status is the answer; what comes with it is read, as far as the client
	// lets, so that the connection can be used again.
	_, _ = io.Copy(io.Discard, res.Body)
	return outbox.Answered(res, c.conf.Now())
}
