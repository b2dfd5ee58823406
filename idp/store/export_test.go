package store

import (
	"context"
	"time"

	"hilum/idp/store/postgres"
	"hilum/idp/store/sqlite"
)

// Slow is a configuration whose Watch looks by itself never, as far as a test is concerned.
func Slow(c Config) Config {
	c.watch = 24 * time.Hour
	return c
}

// Twice is a configuration whose functions run twice, see sqlite.Config.
func Twice(c Config) Config {
	c.twice = true
	return c
}

// Reprepared is sqlite.Engine's.
func (db *DB) Reprepared() (int64, error) {
	return db.engine.(*sqlite.Engine).Reprepared()
}

// Strict is a configuration whose transactions fail where they decide without holding anything.
func Strict(c Config) Config {
	c.strict = true
	return c
}

// Ran is postgres.Engine's.
func (db *DB) Ran() (again, deadlocks, unknown int64) { return db.engine.(*postgres.Engine).Ran() }

// RunsTwice is postgres.Engine's.
func (db *DB) RunsTwice() bool { return db.engine.(*postgres.Engine).RunsTwice() }

// Sweeping runs do as the instance that sweeps.
func (db *DB) Sweeping(ctx context.Context, do func(context.Context) error) (alone bool, err error) {
	return db.engine.Alone(ctx, holdSweep, do)
}

// TellTrips is postgres.Engine's.
func (db *DB) TellTrips(f func([]string)) { db.engine.(*postgres.Engine).TellTrips(f) }
