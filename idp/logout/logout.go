// Package logout tells applications that a session has ended, by OpenID
// Connect Back-Channel Logout 1.0.
//
// What is to be told are rows, notices, which come into being in the
// transaction that ends the session, whoever ends it and in whatever process.
// A Sender looks for those that are due, claims one by a conditional update,
// calls the application, and settles the row or puts it off. Nothing of it is
// in memory only: what a crash breaks off is tried again when its claim has run
// out, by whichever instance comes first: an application may be told twice, but
// it is told.
package logout

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"hilum/idp"
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
type Sender struct {
	Config

	mu    sync.Mutex
	lanes map[idp.ClientID]int
	all   int
	wg    sync.WaitGroup
}

// New returns a Sender.
func New(c Config) *Sender {
	if c.Every == 0 {
		c.Every = lookEvery
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Sender{Config: c, lanes: map[idp.ClientID]int{}}
}

// Run looks for notices that are due and sends them until ctx ends. Every
// goroutine it starts has ended when it returns; calls under way are broken
// off and put back.
func (s *Sender) Run(ctx context.Context) {
	defer s.wg.Wait()
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	failing := false
	for {
		err := s.look(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.Log.Error("applications cannot be told that sessions have ended", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look starts lanes to the applications to which a notice is due.
func (s *Sender) look(ctx context.Context) error {
	clients, err := s.Store.NoticeClients(ctx, s.Now())
	if err != nil {
		return err
	}
	for _, id := range clients {
		for s.enter(id) {
			s.wg.Go(func() { // ends when no notice is due, or with ctx
				defer s.leave(id)
				s.lane(ctx, id)
			})
		}
	}
	return nil
}

func (s *Sender) enter(id idp.ClientID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lanes[id] == perClient || s.all == maxLanes {
		return false
	}
	s.lanes[id]++
	s.all++
	return true
}

func (s *Sender) leave(id idp.ClientID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.lanes[id]--; s.lanes[id] == 0 {
		delete(s.lanes, id)
	}
}

// lane tells one application one notice after the other while any is due.
func (s *Sender) lane(ctx context.Context, id idp.ClientID) {
	for ctx.Err() == nil {
		n, err := s.Store.ClaimNotice(ctx, id, s.Now())
		if err != nil {
			if !errors.Is(err, idp.ErrNotFound) && ctx.Err() == nil {
				s.Log.Error("a notice cannot be claimed", "client", id, "error", err)
			}
			return
		}
		if !s.send(ctx, n) {
			return
		}
	}
}

// send tries one notice and keeps what became of it; false when that could not
// be kept.
func (s *Sender) send(ctx context.Context, n *idp.Notice) bool {
	a, err := s.try(ctx, n)
	broken := err != nil && ctx.Err() != nil
	// What has come of it is kept although the provider ends.
	kept := s.Store.UpdateNotice(context.WithoutCancel(ctx), n.ID, func(now *idp.Notice) error {
		if broken {
			return now.BrokenOff(n.Tries, s.Now())
		}
		return now.Attempted(n.Tries, a, s.Now())
	})
	if kept != nil && !errors.Is(kept, idp.ErrSettled) { // settled: our claim had run out
		s.Log.Error("what became of a notice cannot be kept", "client", n.Client, "session", n.Session, "error", kept)
		return false
	}
	if err != nil && !broken {
		s.Log.Warn("an application was not told that a session has ended", "client", n.Client, "session", n.Session, "try", n.Tries, "said", string(a.Said), "error", err)
	}
	return true
}

var errNoAddress = errors.New("it has no address to be told at")

// try calls the application once. The error is for the log.
func (s *Sender) try(ctx context.Context, n *idp.Notice) (idp.Attempt, error) {
	c, err := s.Store.Client(ctx, n.Client)
	if err == nil && c.LogoutURI == "" {
		err = errNoAddress
	}
	switch {
	case errors.Is(err, idp.ErrNotFound), errors.Is(err, errNoAddress):
		return idp.Attempt{Said: idp.RefusedGone, Final: true}, err
	case err != nil:
		return idp.Attempt{Said: idp.RefusedUnreachable}, err
	}
	token, err := s.Minter.LogoutToken(c, n.User, n.Session)
	if err != nil {
		return idp.Attempt{Said: idp.RefusedKey}, err
	}
	form := url.Values{"logout_token": {token.Reveal()}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.LogoutURI, strings.NewReader(form))
	if err != nil {
		return idp.Attempt{Said: idp.RefusedUnreachable, Final: true}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "hilum")
	res, err := s.Client.Do(req)
	if err != nil {
		return idp.Attempt{Said: s.refusal(err)}, err
	}
	defer res.Body.Close()
	// The status is the answer; what comes with it is read, as far as the client
	// lets, so that the connection can be used again.
	_, _ = io.Copy(io.Discard, res.Body)
	return answered(res, s.Now())
}

// answered says what an answer means (section 2.8). 400 and what else says that
// another try would come to the same is final.
func answered(res *http.Response, now time.Time) (idp.Attempt, error) {
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return idp.Attempt{}, nil
	}
	a := idp.Attempt{Said: idp.RefusedWith(res.StatusCode)}
	switch code := res.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code >= 500:
		a.After = retryAfter(res.Header.Get("Retry-After"), now)
	default:
		a.Final = true
	}
	return a, errors.New("it answered " + strconv.Itoa(res.StatusCode))
}

// retryAfter reads the header, seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(s string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// refusal says why there was no answer.
func (s *Sender) refusal(err error) idp.Refusal {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var timeout net.Error
	switch {
	case s.Forbidden != nil && s.Forbidden(err):
		return idp.RefusedForbidden
	case errors.As(err, &verification), errors.As(err, &authority):
		return idp.RefusedCertificate
	case errors.As(err, &timeout) && timeout.Timeout():
		return idp.RefusedTimeout
	}
	return idp.RefusedUnreachable
}
