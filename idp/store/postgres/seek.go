package postgres

import (
	"time"

	"hilum/idp"
)

// mostSeeks is how many rows are read together: each takes the server a few dozen microseconds.
const mostSeeks = 32

// seekPatience is how long a read waits for those that are under way, before it goes alone: a
// connection on which nothing comes back is not to keep all of them.
const seekPatience = 50 * time.Millisecond

// sought is a row that is to be read.
type sought struct {
	query string
	args  []any
	dest  []any
	found bool
	apart bool // it is to be read by itself: something was wrong with one of those that were read together
	err   error
}

// Seek is engine.Seeks'.
func (s *session) Seek(query string, args []any, dest ...any) error {
	begun := time.Now()
	me := &sought{query: query, args: args, dest: dest}
	s.e.seeks.ride(me, s.e.seek)
	switch {
	case me.apart && time.Since(begun) < goesOn:
		return s.Row(query, args, dest...)
	case me.err != nil:
		return unwritable(me.err)
	case !me.found:
		return idp.ErrNotFound
	}
	return nil
}

// seek reads rows in one trip.
func (e *Engine) seek(all []*sought) {
	c, err := e.pool.take(uncut)
	apart := err == nil
	if err == nil {
		defer e.pool.give(c)
		err = c.seek(all)
	}
	for _, s := range all {
		if s.err = err; err != nil {
			s.found, s.apart = false, apart
		}
	}
}

func (c *conn) seek(all []*sought) error {
	for _, s := range all {
		if err := c.send(op{query: s.query, dest: s.dest, found: &s.found}, s.args); err != nil {
			c.drop()
			return err
		}
	}
	return c.trip()
}
