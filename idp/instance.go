package idp

import "time"

// Instance is a process that serves, one of several on one database.
type Instance struct {
	ID        string
	Host      string // name of its machine
	Version   string // of its program
	StartedAt time.Time
	HeardAt   time.Time // when it last said that it lives, by its own clock
	// Schema versions of the database that it works with, from one to the other.
	SchemaFrom, SchemaTo int64
}

// InstanceAlive is how long after it was heard last an instance is taken to live: of what is
// counted in memory each that lives allows its share.
const InstanceAlive = 15 * time.Second
