// Package ping tells applications that a request by the back channel has an outcome, which
// they then ask for (OpenID Connect Client-Initiated Backchannel Authentication Core 1.0,
// section 10.2).
//
// What is to be told are rows, pings (idp.Ping), which are due in the transaction of the
// phone's answer, whichever process takes it, and when a request expires unanswered. The
// outbox delivers them to each application: it may be told twice, where a crash comes
// between its answer and our note of it, but it is told while asking is of use.
package ping

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/outbox"
)

// Store keeps the pings.
type Store interface {
	Client(ctx context.Context, id idp.ClientID) (*idp.Client, error) // do not change
	// PingClients returns the applications to which a ping is due.
	PingClients(ctx context.Context, now time.Time) ([]idp.ClientID, error)
	// ClaimPing claims one of those. idp.ErrNotFound: none is due.
	ClaimPing(ctx context.Context, client idp.ClientID, now time.Time) (*idp.Ping, error)
	UpdatePing(ctx context.Context, id idp.PingID, fn func(*idp.Ping) error) error
	// IssuedCode returns the code of a request that was approved, by its hash.
	IssuedCode(ctx context.Context, hash idp.TokenHash) (*idp.Code, *idp.Grant, error)
}

// Sealer opens what was sealed for one row.
type Sealer interface {
	Open(sealed []byte, row string) ([]byte, error)
}

// Config is what a Sender is built from. Store, Sealer and Client are required.
type Config struct {
	Store  Store
	Sealer Sealer
	// Client calls applications; it follows no redirect, bounds each call and refuses
	// addresses that may not be called by an error for which Forbidden is true.
	Client    *http.Client
	Forbidden func(error) bool
	// Failed is told that a try came to nothing, for the application's page in the
	// administration; nil: nobody is.
	Failed func(idp.ClientID, idp.Refusal)
	Every  time.Duration // how often is looked for pings; 0: twice a second
	Now    func() time.Time
	Log    *slog.Logger
}

// Sender tells applications. Safe for concurrent use.
type Sender = outbox.Relay[idp.ClientID, *idp.Ping, idp.Attempt]

// New returns a Sender.
func New(c Config) *Sender {
	if c.Now == nil {
		c.Now = time.Now
	}
	return outbox.ToApplications(outbox.Applications[*idp.Ping]{
		Due: c.Store.PingClients, Claim: c.Store.ClaimPing,
		Update: func(ctx context.Context, p *idp.Ping, fn func(*idp.Ping) error) error {
			return c.Store.UpdatePing(ctx, p.ID, fn)
		},
		Request: c.request, Client: c.Client, Forbidden: c.Forbidden,
		Failed: func(p *idp.Ping, said idp.Refusal) {
			if c.Failed != nil {
				c.Failed(p.Client, said)
			}
		},
		Words: outbox.Words{
			Look: "applications cannot be told that their requests have an outcome", Claim: "a ping cannot be claimed", Receiver: "client",
			Keep: "what became of a ping cannot be kept", Fail: "an application was not told that its request has an outcome",
		},
		Attrs: func(p *idp.Ping) []slog.Attr {
			return []slog.Attr{slog.String("client", string(p.Client)), slog.Int64("ping", int64(p.ID)), slog.Int("try", p.Tries)}
		},
		Every: c.Every, Now: c.Now, Log: c.Log,
	})
}

var (
	errGone = errors.New("it is not registered to be told any more")
	errLate = errors.New("its request has ended long ago")
)

// request is the request that a ping is. What was taken away meanwhile is asked again: an
// application is not called at an address that is not registered any more.
func (c *Config) request(ctx context.Context, p *idp.Ping) (*http.Request, idp.Attempt, error) {
	client, err := c.Store.Client(ctx, p.Client)
	if err == nil && (client.Disabled || !client.Allows(idp.GrantCIBA) || !client.Backchannel.Pings() || client.Backchannel.NotifyURI == "") {
		err = errGone
	}
	switch {
	case errors.Is(err, idp.ErrNotFound), errors.Is(err, errGone):
		return nil, idp.Attempt{Said: idp.RefusedGone, Final: true}, err
	case err != nil:
		return nil, idp.Attempt{Said: idp.RefusedUnreachable}, err
	case c.Now().After(p.Until): // the provider did not run
		return nil, idp.Attempt{Said: idp.RefusedLate, Final: true}, errLate
	}
	if code, _, err := c.Store.IssuedCode(ctx, p.Polled.Hash()); err == nil && !code.UsedAt.IsZero() {
		return nil, idp.Attempt{}, nil // it has asked by itself, and knows
	}
	plain, err := c.Sealer.Open(p.Sealed, idp.PingRow(p.Polled, p.Client))
	if err != nil {
		return nil, idp.Attempt{Said: idp.RefusedKey, Final: true}, err
	}
	material := idp.PingMaterialOf(plain)
	body := `{"auth_req_id":"` + material.AuthReqID.Reveal() + `"}` // base64url
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, client.Backchannel.NotifyURI, strings.NewReader(body))
	if err != nil {
		return nil, idp.Attempt{Said: idp.RefusedUnreachable, Final: true}, err
	}
	req.Header.Set("Authorization", "Bearer "+material.Token.Reveal())
	req.Header.Set("Content-Type", "application/json")
	return req, idp.Attempt{}, nil
}
