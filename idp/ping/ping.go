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
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
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
	Every  time.Duration // how often is looked for pings; 0: lookEvery
	Now    func() time.Time
	Log    *slog.Logger
}

const (
	lookEvery = 500 * time.Millisecond
	// perClient is how many pings one application gets at once. Each has lanes of its own, so
	// that a slow one delays nobody else's.
	perClient = 2
	// maxLanes bounds all together.
	maxLanes = 256
)

// Sender tells applications. Safe for concurrent use.
type Sender = outbox.Relay[idp.ClientID, *idp.Ping, idp.Attempt]

// New returns a Sender.
func New(c Config) *Sender {
	if c.Every == 0 {
		c.Every = lookEvery
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return outbox.New(outbox.Config[idp.ClientID, *idp.Ping, idp.Attempt]{
		Queue:  queue{c.Store},
		Sender: func(idp.ClientID) outbox.Sender[*idp.Ping, idp.Attempt] { return caller{&c} },
		Words: outbox.Words{
			Look: "applications cannot be told that their requests have an outcome", Claim: "a ping cannot be claimed", Receiver: "client",
			Keep: "what became of a ping cannot be kept", Fail: "an application was not told that its request has an outcome",
		},
		Attrs: func(p *idp.Ping) []slog.Attr {
			return []slog.Attr{slog.String("client", string(p.Client)), slog.Int64("ping", int64(p.ID)), slog.Int("try", p.Tries)}
		},
		Every: c.Every, PerReceiver: perClient, Lanes: maxLanes, Now: c.Now, Log: c.Log,
	})
}

// queue is the pings as the outbox sees them.
type queue struct{ store Store }

func (q queue) Due(ctx context.Context, now time.Time) ([]idp.ClientID, error) {
	return q.store.PingClients(ctx, now)
}

func (q queue) Claim(ctx context.Context, client idp.ClientID, now time.Time) (*idp.Ping, error) {
	return q.store.ClaimPing(ctx, client, now)
}

func (q queue) Settle(ctx context.Context, p *idp.Ping, a idp.Attempt, now time.Time) error {
	return q.store.UpdatePing(ctx, p.ID, func(kept *idp.Ping) error { return kept.Attempted(p.Tries, a, now) })
}

func (q queue) PutBack(ctx context.Context, p *idp.Ping, now time.Time) error {
	return q.store.UpdatePing(ctx, p.ID, func(kept *idp.Ping) error { return kept.BrokenOff(p.Tries, now) })
}

// caller calls applications; it holds nothing from one call to the next.
type caller struct{ conf *Config }

// Close has nothing to give back.
func (c caller) Close() {}

// Try tells an application once.
func (c caller) Try(ctx context.Context, p *idp.Ping) outbox.Result[idp.Attempt] {
	a, err := c.call(ctx, p)
	if err != nil && ctx.Err() == nil && c.conf.Failed != nil {
		c.conf.Failed(p.Client, a.Said)
	}
	return outbox.Result[idp.Attempt]{Attempt: a, Err: err, Said: string(a.Said)}
}

var (
	errGone = errors.New("it is not registered to be told any more")
	errLate = errors.New("its request has ended long ago")
)

// call calls the application once. What was taken away meanwhile is asked again: it is not
// called at an address that is not registered any more. The error is for the log.
func (c caller) call(ctx context.Context, p *idp.Ping) (idp.Attempt, error) {
	now := c.conf.Now()
	client, err := c.conf.Store.Client(ctx, p.Client)
	if err == nil && (client.Disabled || !client.Allows(idp.GrantCIBA) || !client.Backchannel.Pings() || client.Backchannel.NotifyURI == "") {
		err = errGone
	}
	switch {
	case errors.Is(err, idp.ErrNotFound), errors.Is(err, errGone):
		return idp.Attempt{Said: idp.RefusedGone, Final: true}, err
	case err != nil:
		return idp.Attempt{Said: idp.RefusedUnreachable}, err
	case now.After(p.Until): // the provider did not run
		return idp.Attempt{Said: idp.RefusedLate, Final: true}, errLate
	}
	if code, _, err := c.conf.Store.IssuedCode(ctx, p.Polled.Hash()); err == nil && !code.UsedAt.IsZero() {
		return idp.Attempt{}, nil // it has asked by itself, and knows
	}
	plain, err := c.conf.Sealer.Open(p.Sealed, idp.PingRow(p.Polled, p.Client))
	if err != nil {
		return idp.Attempt{Said: idp.RefusedKey, Final: true}, err
	}
	material := idp.PingMaterialOf(plain)
	body := `{"auth_req_id":"` + material.AuthReqID.Reveal() + `"}` // base64url
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, client.Backchannel.NotifyURI, bytes.NewReader([]byte(body)))
	if err != nil {
		return idp.Attempt{Said: idp.RefusedUnreachable, Final: true}, err
	}
	req.Header.Set("Authorization", "Bearer "+material.Token.Reveal())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "hilum")
	res, err := c.conf.Client.Do(req)
	if err != nil {
		return idp.Attempt{Said: outbox.Unanswered(err, c.conf.Forbidden)}, err
	}
	defer res.Body.Close()
	// The status is the answer; what comes with it says nothing (section 10.2), and is read, as
	// far as the client lets, so that the connection can be used again.
	_, _ = io.Copy(io.Discard, res.Body)
	return outbox.Answered(res, now)
}
