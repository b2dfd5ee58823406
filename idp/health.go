package idp

import "time"

// Health is what the database tells of itself. Every figure is cheap.
type Health struct {
	Engine        string           // of the database: "SQLite", "PostgreSQL"
	EngineVersion string           // of PostgreSQL the server's
	Schema        int64            // version of its tables
	SchemaFloor   int64            // the oldest that a program may be made for and still work with them
	Bytes         int64            // of the database, of SQLite its write-ahead log included
	Rows          map[string]int64 // per table, as an upper bound: of large tables the range of row numbers, in which deleted rows count too
	Events        int64
	Waiting       map[string]int // "logins", "challenges", "invitations", "pairings": open now, counted to CountUpTo
	Keys          []SigningKey   // without Sealed
	Failing       int            // devices whose notifications do not arrive, counted to CountUpTo
	LastSweep     time.Time
	Mail          MailFigures
	// Unwritable is why nothing can be written; empty: it can.
	Unwritable Unwritable
	Logouts    []LogoutFigures // of applications that wait to be told, or could not be
	// Shared says that several instances may serve the database, which is a file otherwise.
	Shared    bool
	Instances []Instance // the one that runs longest first
	// Lag is how long the oldest event waits to be put into the audit log; zero: none waits.
	Lag time.Duration
}

// Day is what happened on one day, in UTC.
type Day struct {
	At   time.Time // its beginning
	Done map[EventKind]int
	// Factors says by which second factor sign-ins were finished: "push", "code", "recovery".
	Factors map[string]int
}
