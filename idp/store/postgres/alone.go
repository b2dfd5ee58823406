package postgres

import (
	"context"

	"hilum/idp/store/engine"
)

// keepalives have the server notice within a minute that an instance is gone without a word, as
// when its machine loses power: what it does alone is free for another then. The system's own
// are hours.
var keepalives = []string{"SET tcp_keepalives_idle = 30", "SET tcp_keepalives_interval = 10", "SET tcp_keepalives_count = 3"}

// Alone is engine.Engine's. What is held is a lock of a session that has a connection of its
// own, beside the pool: it lasts over many transactions, and goes with the connection.
func (e *Engine) Alone(ctx context.Context, k engine.Key, do func(context.Context) error) (alone bool, err error) {
	c, err := e.pool.fresh(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = c.close() }() // the lock goes with it
	name := []any{"alone " + string(k)}
	err = c.Row("SELECT pg_try_advisory_lock(hashtextextended(?, 0))", name, &alone)
	if err != nil || !alone {
		return false, err
	}
	defer func() { // the server sees that the connection is closed a moment later
		var freed bool
		_ = c.Row("SELECT pg_advisory_unlock(hashtextextended(?, 0))", name, &freed)
	}()
	for _, set := range keepalives {
		if _, err := c.Exec(set); err != nil {
			return true, err
		}
	}
	return true, do(ctx)
}
