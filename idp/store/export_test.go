package store

import (
	"hilum/idp/store/postgres"
	"hilum/idp/store/sqlite"
)

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

// TellTrips is postgres.Engine's.
func (db *DB) TellTrips(f func([]string)) { db.engine.(*postgres.Engine).TellTrips(f) }
