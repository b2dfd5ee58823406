package outbox

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"hilum/idp"
)

// Told is a row that tells an application something: of a kind of noun that is delivered
// (idp.Delivery).
type Told interface {
	// Try is the number of the try that the row was claimed for.
	Try() int
	Attempted(try int, a idp.Attempt, now time.Time) error
	BrokenOff(try int, now time.Time) error
}

// Applications is what a Relay is built from whose receivers are applications, each told by
// one HTTP request.
type Applications[T Told] struct {
	// Due, Claim and Update are those of the store (Queue).
	Due    func(ctx context.Context, now time.Time) ([]idp.ClientID, error)
	Claim  func(ctx context.Context, to idp.ClientID, now time.Time) (T, error)
	Update func(ctx context.Context, row T, fn func(T) error) error
	// Request makes the request that tells of row, as things are now: what was taken away since
	// is asked again here. nil: there is nothing to send, and the row is settled by the attempt;
	// the error says why, for the log.
	Request func(ctx context.Context, row T) (*http.Request, idp.Attempt, error)
	// Client calls applications; it follows no redirect, bounds each call and refuses
	// addresses that may not be called by an error for which Forbidden is true.
	Client    *http.Client
	Forbidden func(error) bool
	// Failed is told that a try came to nothing; nil: nobody is.
	Failed func(row T, said idp.Refusal)
	Words  Words
	Attrs  func(row T) []slog.Attr
	Every  time.Duration // how often is looked for rows that are due; 0: lookForApplications
	Now    func() time.Time
	Log    *slog.Logger
}

const (
	lookForApplications = 500 * time.Millisecond
	// perApplication is how many rows one application is told at once. Each has lanes of its
	// own, so that a slow one delays nobody else's.
	perApplication = 2
	// applicationLanes bounds all together.
	applicationLanes = 256
)

// ToApplications returns a Relay to applications.
func ToApplications[T Told](c Applications[T]) *Relay[idp.ClientID, T, idp.Attempt] {
	if c.Every == 0 {
		c.Every = lookForApplications
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return New(Config[idp.ClientID, T, idp.Attempt]{
		Queue: rows[T]{&c}, Sender: func(idp.ClientID) Sender[T, idp.Attempt] { return caller[T]{&c} }, Words: c.Words, Attrs: c.Attrs,
		Every: c.Every, PerReceiver: perApplication, Lanes: applicationLanes, Now: c.Now, Log: c.Log,
	})
}

// rows are those of the store as a Queue.
type rows[T Told] struct{ conf *Applications[T] }

func (q rows[T]) Due(ctx context.Context, now time.Time) ([]idp.ClientID, error) {
	return q.conf.Due(ctx, now)
}

func (q rows[T]) Claim(ctx context.Context, to idp.ClientID, now time.Time) (T, error) {
	return q.conf.Claim(ctx, to, now)
}

func (q rows[T]) Settle(ctx context.Context, row T, a idp.Attempt, now time.Time) error {
	return q.conf.Update(ctx, row, func(kept T) error { return kept.Attempted(row.Try(), a, now) })
}

func (q rows[T]) PutBack(ctx context.Context, row T, now time.Time) error {
	return q.conf.Update(ctx, row, func(kept T) error { return kept.BrokenOff(row.Try(), now) })
}

// caller calls applications; it holds nothing from one call to the next.
type caller[T Told] struct{ conf *Applications[T] }

// Close has nothing to give back.
func (c caller[T]) Close() {}

// Try tells an application once.
func (c caller[T]) Try(ctx context.Context, row T) Result[idp.Attempt] {
	a, err := c.call(ctx, row)
	if err != nil && ctx.Err() == nil && c.conf.Failed != nil {
		c.conf.Failed(row, a.Said)
	}
	return Result[idp.Attempt]{Attempt: a, Err: err, Said: string(a.Said)}
}

// call calls the application once. The error is for the log.
func (c caller[T]) call(ctx context.Context, row T) (idp.Attempt, error) {
	req, a, err := c.conf.Request(ctx, row)
	if req == nil {
		return a, err
	}
	req.Header.Set("User-Agent", "hilum")
	res, err := c.conf.Client.Do(req)
	if err != nil {
		return idp.Attempt{Said: Unanswered(err, c.conf.Forbidden)}, err
	}
	defer res.Body.Close()
	// The status is the answer; what comes with it says nothing, and is read, as far as the
	// client lets, so that the connection can be used again.
	_, _ = io.Copy(io.Discard, res.Body)
	return Answered(res, c.conf.Now())
}
