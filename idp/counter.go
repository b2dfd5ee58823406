package idp

import (
	"strings"
	"time"
)

// CounterKind names what is being counted against an account.
type CounterKind string

const (
	CountPasswords CounterKind = "password"
	CountCodes     CounterKind = "code"
	CountRecovery  CounterKind = "recovery"
	CountFirst     CounterKind = "first"     // codes given before the password, where that has to wait
	CountForgotten CounterKind = "forgotten" // mails that were asked for
)

// CounterKey says whose tries: a user id, or a keyed hash of a typed name that
// nobody has. Names and ids never share a key. What is counted apart from
// strangers has a key of its own, see Apart.
type CounterKey struct {
	Kind CounterKind
	Who  string
}

// Apart is the key of the tries of one that strangers have no part in: a browser
// that is known for the account, a sign-in that has given its second factor, the
// holder of an invitation, a session.
func (k CounterKey) Apart(one string) CounterKey {
	k.Who += "@" + one
	return k
}

// IsApart reports whether strangers have no part in the tries.
func (k CounterKey) IsApart() bool { return strings.Contains(k.Who, "@") }

// User is whose tries they are; nobody's id where the name is unknown.
func (k CounterKey) User() UserID {
	who, _, _ := strings.Cut(k.Who, "@")
	return UserID(who)
}

// Counter counts wrong tries of one kind against one account, across
// sessions, devices and instances. package limit holds the rules.
type Counter struct {
	Key     CounterKey
	InARow  int       // wrong since the last right one
	Burst   int       // wrong in the window that began at BurstAt
	BurstAt time.Time // begin of the short window
	Day     int       // wrong in the day that began at DayAt
	DayAt   time.Time
	Month   int // wrong in the 30 days that began at MonthAt
	MonthAt time.Time
	NextAt  time.Time // earliest next try; zero: at once
	// FactorFirst: until NextAt no password is looked at before a second factor was given.
	FactorFirst bool

	Journal `json:"-"`
}
