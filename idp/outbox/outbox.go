// Package outbox delivers what waits in rows: letters to a mail server, notices
// to applications.
//
// A row comes into being in the transaction of what causes it, in whatever
// process (a transactional outbox): what is rolled back leaves no row, and what
// is committed is delivered by whichever instance comes first. A Relay looks for
// receivers to whom a row is due and has a few lanes to each. A lane claims one
// row after the other by a conditional update with a lease, has a Sender try it,
// and settles it or has it wait for another try.
//
// Nothing of this is in memory only. What a crash breaks off is due again when
// its lease has run out. So delivery is at least once: a receiver may be given a
// row twice, but it is given it.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"hilum/idp"
)

// Queue keeps the rows of one kind. R is a receiver; T is what one try delivers,
// a row as it was claimed, or several; A is what came of a try, as a row keeps it.
type Queue[R comparable, T, A any] interface {
	// Due returns the receivers to whom a row may be due. It costs little to name
	// one to whom none is: Claim says so.
	Due(ctx context.Context, now time.Time) ([]R, error)
	// Claim claims what is due longest to a receiver. Until its lease has run out
	// nobody else gets it; the lease is longer than a try may take, which the
	// Sender bounds. Errors: idp.ErrNotFound and idp.ErrSettled when nothing is due.
	Claim(ctx context.Context, to R, now time.Time) (T, error)
	// Settle keeps what came of the try for which row was claimed: it is done with,
	// or waits for another try. Errors: idp.ErrSettled when the lease ran out and
	// somebody else has claimed it since.
	Settle(ctx context.Context, row T, a A, now time.Time) error
	// PutBack makes row due at once, as if it had not been tried. Errors: as Settle.
	PutBack(ctx context.Context, row T, now time.Time) error
}

// Sender tries what one lane claims, one after the other, so it may hold a
// connection. It is used by one goroutine.
type Sender[T, A any] interface {
	// Try sends row once. It ends soon after ctx does.
	Try(ctx context.Context, row T) Result[A]
	// Close gives back what the Sender holds. Nothing is tried afterwards.
	Close()
}

// Result is what came of one try.
type Result[A any] struct {
	Attempt A
	Err     error  // why nothing came of it, for the log; nil: the receiver has it
	Said    string // the same in a word
	Quiet   bool   // Err is nothing that an operator has to hear of
	Down    bool   // the receiver takes nothing from anybody: the lane rests
}

// Words are the sentences of the log.
type Words struct {
	Look     string // it cannot be found out to whom a row is due
	Claim    string // a row cannot be claimed
	Keep     string // what came of a try cannot be kept
	Fail     string // nothing came of a try
	Receiver string // key of the receiver in the line of Claim; empty: there is one only
}

// Config is what a Relay is built from.
type Config[R comparable, T, A any] struct {
	Queue Queue[R, T, A]
	// Sender returns the Sender of a lane to a receiver. Nothing may be due: a
	// connection is made by the first Try.
	Sender func(to R) Sender[T, A]
	Words  Words
	// Attrs say in the log which row it is, and at which try.
	Attrs func(row T) []slog.Attr

	Every       time.Duration // how often is looked for rows that are due; 0: 1 s
	PerReceiver int           // lanes to one receiver, so that a slow one delays nobody else's; 0: 2
	Lanes       int           // lanes in all; 0: 256
	PerSender   int           // rows that one Sender tries; 0: all that are due
	Rest        time.Duration // of a lane whose receiver is down, doubled each time; never less than Every
	RestMost    time.Duration // how far Rest is doubled
	Now         func() time.Time
	Log         *slog.Logger
}

// Relay delivers the rows of one queue. Safe for concurrent use.
type Relay[R comparable, T, A any] struct {
	conf Config[R, T, A]

	mu    sync.Mutex
	lanes map[R]int // how many each receiver has
	all   int
	wg    sync.WaitGroup // of lanes

	// What fails is said when it begins to, and not again until it has worked.
	lookFails, claimFails atomic.Bool
}

// New returns a Relay.
func New[R comparable, T, A any](c Config[R, T, A]) *Relay[R, T, A] {
	if c.Every == 0 {
		c.Every = time.Second
	}
	if c.PerReceiver == 0 {
		c.PerReceiver = 2
	}
	if c.Lanes == 0 {
		c.Lanes = 256
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Relay[R, T, A]{conf: c, lanes: map[R]int{}}
}

// Run delivers what is due until ctx ends. Every goroutine it starts has ended
// when it returns. Tries that are under way are broken off; what nothing came of
// is put back.
func (r *Relay[R, T, A]) Run(ctx context.Context) {
	defer r.wg.Wait()
	tick := time.NewTicker(r.conf.Every)
	defer tick.Stop()
	for {
		r.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look starts lanes to the receivers to whom a row is due.
func (r *Relay[R, T, A]) look(ctx context.Context) {
	receivers, err := r.conf.Queue.Due(ctx, r.conf.Now())
	if r.begins(ctx, &r.lookFails, err) {
		r.conf.Log.LogAttrs(ctx, slog.LevelError, r.conf.Words.Look, slog.Any("error", err))
	}
	if err != nil {
		return
	}
	for _, to := range receivers {
		for r.enter(to) {
			r.wg.Go(func() { // ends when nothing is due, or with ctx
				defer r.leave(to)
				r.lane(ctx, to)
			})
		}
	}
}

// begins reports whether err is the first failure since something last worked. One
// that comes of the end of ctx is none.
func (r *Relay[R, T, A]) begins(ctx context.Context, failing *atomic.Bool, err error) bool {
	if err == nil {
		failing.Store(false)
		return false
	}
	return ctx.Err() == nil && !failing.Swap(true)
}

// enter takes a lane to a receiver, where one is free.
func (r *Relay[R, T, A]) enter(to R) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lanes[to] >= r.conf.PerReceiver || r.all >= r.conf.Lanes {
		return false
	}
	r.lanes[to]++
	r.all++
	return true
}

func (r *Relay[R, T, A]) leave(to R) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.lanes[to]--; r.lanes[to] == 0 {
		delete(r.lanes, to)
	}
}

// lane goes round after round while the receiver is down, resting between them
// for longer and longer, and ends with the first round in which it is not.
func (r *Relay[R, T, A]) lane(ctx context.Context, to R) {
	for rest := time.Duration(0); r.round(ctx, to); {
		rest = min(max(2*rest, r.conf.Rest), max(r.conf.RestMost, r.conf.Rest))
		sleep(ctx, max(rest, r.conf.Every))
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// round has one Sender try what is due. It reports whether the receiver is down;
// else nothing more is due, the Sender has had its share, or the queue fails, and
// it is for look to begin again.
func (r *Relay[R, T, A]) round(ctx context.Context, to R) (down bool) {
	s := r.conf.Sender(to)
	defer s.Close()
	for n := 0; ctx.Err() == nil && (r.conf.PerSender == 0 || n < r.conf.PerSender); n++ {
		row, ok := r.claim(ctx, to)
		if !ok {
			return false
		}
		res := s.Try(ctx, row)
		if !r.keep(ctx, row, &res) {
			return false
		}
		if res.Down {
			return true
		}
	}
	return false
}

// claim claims what is due to a receiver, if anything is.
func (r *Relay[R, T, A]) claim(ctx context.Context, to R) (row T, ok bool) {
	row, err := r.conf.Queue.Claim(ctx, to, r.conf.Now())
	none := errors.Is(err, idp.ErrNotFound) || errors.Is(err, idp.ErrSettled)
	failure := err
	if none {
		failure = nil
	}
	if r.begins(ctx, &r.claimFails, failure) {
		var attrs []slog.Attr
		if key := r.conf.Words.Receiver; key != "" {
			attrs = append(attrs, slog.Any(key, to))
		}
		r.conf.Log.LogAttrs(ctx, slog.LevelError, r.conf.Words.Claim, append(attrs, slog.Any("error", err))...)
	}
	return row, err == nil
}

// keep settles a row, or puts it back when the end of ctx has broken off its
// try, and tells a failure. It reports whether that could be kept; what could not
// is tried again when its lease has run out.
func (r *Relay[R, T, A]) keep(ctx context.Context, row T, res *Result[A]) bool {
	broken := res.Err != nil && ctx.Err() != nil
	// What has come of it is kept although the provider ends.
	keeping := context.WithoutCancel(ctx)
	var err error
	if broken {
		err = r.conf.Queue.PutBack(keeping, row, r.conf.Now())
	} else {
		err = r.conf.Queue.Settle(keeping, row, res.Attempt, r.conf.Now())
	}
	kept := err == nil || errors.Is(err, idp.ErrSettled) // the lease had run out: it is another's now
	if !kept {
		r.conf.Log.LogAttrs(ctx, slog.LevelError, r.conf.Words.Keep, append(r.conf.Attrs(row), slog.Any("error", err))...)
	}
	if res.Err != nil && !broken && !res.Quiet {
		r.conf.Log.LogAttrs(ctx, slog.LevelWarn, r.conf.Words.Fail, append(r.conf.Attrs(row), slog.String("said", res.Said), slog.Any("error", res.Err))...)
	}
	return kept
}
