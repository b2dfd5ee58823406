package postgres

import (
	"context"
	"errors"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// A brief change is two statements, of which the second has its own view of the database, taken
// when the first has got hold of the keys: it sees what the last holder has written. All that go
// together are one transaction, without BEGIN and COMMIT: it ends with the trip. Nobody waits for
// a key in it, since others would wait with them, and in a circle.
//
// Its number is not known before it has ended, so nobody could ask what became of it. That its
// answer was lost is told (engine.ErrUnknown), and the caller asks the rows.
const (
	tryHeld = "SELECT set_config('hilum.held', (pg_try_advisory_xact_lock(hashtextextended(?, 0)) AND pg_try_advisory_xact_lock_shared(hashtextextended(?, 0)))::text, TRUE)"
	// With one view for the whole transaction, as a role or a database may have it, nothing is held.
	whenHeld = "WITH held AS MATERIALIZED (SELECT 1 WHERE current_setting('hilum.held', TRUE) = 'true' AND current_setting('transaction_isolation') = 'read committed'), "
)

// mostBriefs is how many changes go together: each takes the server a tenth of a millisecond.
const mostBriefs = 64

// briefPatience is how long a change waits for those that are under way, before it goes alone: a
// disk may take as long, and they are on it together.
const briefPatience = 500 * time.Millisecond

// briefly is a brief change on its way.
type briefly struct {
	engine.Brief
	done bool
	err  error
}

// Brief is engine.Briefs'.
func (e *Engine) Brief(ctx context.Context, b engine.Brief) (done bool, err error) {
	if e.twice { // is for what decides outside of its statement
		return false, nil
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	b.Query = whenHeld + b.Query
	me := &briefly{Brief: b}
	e.briefs.ride(me, e.change)
	if e.hooks.Wrote != nil && (me.done || errors.Is(me.err, idp.ErrUnwritable)) {
		e.hooks.Wrote(me.err)
	}
	return me.done, me.err
}

// change makes changes as one transaction.
func (e *Engine) change(all []*briefly) {
	c, err := e.pool.take(uncut)
	if err != nil {
		for _, b := range all {
			b.err = named(err)
		}
		return
	}
	defer e.pool.give(c)
	err = c.change(all)
	if err == nil {
		return
	}
	lost := errors.As(err, new(*lostError))
	if lost {
		e.ran.unknown.Add(1)
		e.log.Warn("changes were not answered; the database is asked what became of them", "changes", len(all), "error", err)
	} else {
		e.log.Debug("changes that went together are made one by one", "changes", len(all), "error", err)
	}
	for _, b := range all {
		b.done = false
		if lost {
			b.err = errors.Join(engine.ErrUnknown, err)
		}
	}
}

func (c *conn) change(all []*briefly) error {
	// What is new to the server is told it first: that is a trip, which would end the transaction.
	if _, err := c.prepare(tryHeld); err != nil {
		return err
	}
	for _, b := range all {
		if _, err := c.prepare(b.Query); err != nil {
			return err
		}
	}
	for _, b := range all {
		err := c.send(op{query: tryHeld}, []any{string(b.Key), string(b.Share)})
		if err == nil {
			err = c.send(op{query: b.Query, found: &b.done}, b.Args)
		}
		if err != nil {
			c.drop()
			return err
		}
	}
	return c.trip()
}
