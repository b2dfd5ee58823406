package idp

import "time"

// CounterKind names what is being counted against an account.
type CounterKind string

const (
	CountPasswords CounterKind = "password"
	CountCodes     CounterKind = "code"
	CountRecovery  CounterKind = "recovery"
	CountForgotten CounterKind = "forgotten" // mails that were asked for
)

// CounterKey says whose tries: a user id, or a keyed hash of a typed name that
// nobody has. Names and ids never share a key.
type CounterKey struct {
	Kind CounterKind
	Who  string
}

// Counter counts wrong tries of one kind against one account, across
// sessions, devices and instances. package limit holds the rules.
type Counter struct {
	Key        CounterKey
	InARow     int       // wrong since the last right one
	Burst      int       // wrong in the window that began at BurstAt
	BurstAt    time.Time // begin of the short window
	Day        int       // wrong in the day that began at DayAt
	DayAt      time.Time
	Month      int // wrong in the 30 days that began at MonthAt
	MonthAt    time.Time
	NextAt     time.Time // earliest next try; zero: at once
	NeedsAdmin bool      // nothing but an administrator opens it again

	Journal `json:"-"`
}
