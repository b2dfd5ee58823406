package postgres

import (
	"context"
	"sync"
	"time"

	"hilum/idp/store/engine"
)

// Bounds of hints.
const (
	quietFor    = 10 * time.Second // a connection on which nothing is heard so long is asked whether it is one still
	asksFor     = 5 * time.Second  // and has to answer within this
	againFirst  = 50 * time.Millisecond
	againAtMost = 500 * time.Millisecond // who waits is woken so long, at most, after the server is back
)

// LISTEN does no harm to who listens already: it is what a quiet connection is asked, too.
const listen = "LISTEN hilum"

// hints go by NOTIFY on a channel of the database: heard on one connection, told on another. None
// of them is the pool's, which may be used up for longer than a hint is worth.
type hints struct {
	e *Engine

	mu   sync.Mutex
	tell *conn // nil: there is none
}

// Hints returns the hints of the processes on this database. Whoever has told any closes them.
func (e *Engine) Hints() engine.Hints { return &hints{e: e} }

// Listen is engine.Hints'. Where the connection is lost it takes another, at first at once and
// then after longer and longer.
func (h *hints) Listen(ctx context.Context, again func(), heard func(string)) {
	lost := false
	for pause, try := againFirst, 1; ; try++ {
		err := h.listen(ctx, func() {
			if lost {
				h.e.log.InfoContext(ctx, "hints of other instances are heard again")
			}
			lost, pause, try = false, againFirst, 1
			again()
		}, heard)
		if ctx.Err() != nil {
			return
		}
		if !lost {
			h.e.log.WarnContext(ctx, "hints of other instances are not heard: what they change is seen a moment later", "error", err)
		}
		lost = true
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause + jitter(min(try, 50))): // not all instances at once
		}
		pause = min(2*pause, againAtMost)
	}
}

// listen listens on one connection until that is lost.
func (h *hints) listen(ctx context.Context, begun func(), heard func(string)) error {
	c, err := h.e.pool.fresh(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	if err := c.simple(ctx, asksFor, listen); err != nil {
		return err
	}
	begun()
	for {
		waiting, done := context.WithTimeout(ctx, quietFor)
		n, err := c.std.Conn().WaitForNotification(waiting)
		done()
		switch {
		case err == nil:
			heard(n.Payload)
		case ctx.Err() != nil || c.dead():
			return err
		default: // quiet, or cut off by something in between that says nothing
			if err := c.simple(ctx, asksFor, listen); err != nil {
				return err
			}
		}
	}
}

// Tell is engine.Hints'. A connection that was lost while nobody told anything is replaced once.
func (h *hints) Tell(ctx context.Context, word string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := h.tell != nil
	err := h.told(ctx, word)
	if err != nil && kept && ctx.Err() == nil {
		err = h.told(ctx, word)
	}
	return err
}

func (h *hints) told(ctx context.Context, word string) error {
	ctx, done := context.WithTimeout(ctx, asksFor)
	defer done()
	if h.tell == nil {
		c, err := h.e.pool.fresh(ctx)
		if err != nil {
			return err
		}
		// Who notifies holds a lock of the whole cluster until the commit: that has not to
		// wait for a disk, because a hint may be lost.
		if err := c.simple(ctx, asksFor, "SET synchronous_commit = off"); err != nil {
			_ = c.close()
			return err
		}
		h.tell = c
	}
	err := h.tell.pg.ExecParams(ctx, "SELECT pg_notify('hilum', $1)", [][]byte{[]byte(word)}, nil, nil, nil).Read().Err
	if err != nil {
		_ = h.tell.close()
		h.tell = nil
	}
	return err
}

// Close is engine.Hints'.
func (h *hints) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tell == nil {
		return nil
	}
	err := h.tell.close()
	h.tell = nil
	return err
}

// simple executes a statement that is answered within a time.
func (c *conn) simple(ctx context.Context, within time.Duration, statement string) error {
	ctx, done := context.WithTimeout(ctx, within)
	defer done()
	return c.pg.Exec(ctx, statement).Close()
}
