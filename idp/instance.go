package idp

import "time"

// Instance is a process that serves, one of several on one database.
type Instance struct {
	ID        string
	Host      string // name of its machine
	Version   string // of its program
	StartedAt time.Time
	HeardAt   time.Time // when it last said that it lives, by its own clock
	// Versions of the database's tables that it works with, from the one that it is made for to the
	// one that it has found.
	SchemaFrom, SchemaTo int64
}

// InstanceAlive is how long after it was heard last an instance is taken to live: of what is
// counted in memory each that lives allows its share.
const InstanceAlive = 15 * time.Second
