package idp

import (
	"errors"
	"fmt"
	"time"
)

// The sentinels are the contract between the layers: a doc comment says which
// of them a function returns, and each door translates them in one table.
var (
	// ErrNotFound: no such thing, or it belongs to somebody else.
	ErrNotFound = errors.New("not found")
	// ErrConflict: a unique name or identifier is taken, or a bound is reached.
	ErrConflict = errors.New("conflict")
	// ErrExpired: it was good once; its time has passed.
	ErrExpired = errors.New("expired")
	// ErrSettled: it was good once and has been used or decided.
	ErrSettled = errors.New("already settled")
	// ErrDenied: the caller is known and may not do this.
	ErrDenied = errors.New("denied")
	// ErrClientDisabled: the application is disabled, or was deleted. It is also an ErrDenied.
	ErrClientDisabled = fmt.Errorf("the application is disabled: %w", ErrDenied)
	// ErrWrongSecret: a password, code, token or secret does not match.
	ErrWrongSecret = errors.New("wrong secret")
	// ErrCodeUsed: the code is right, and was used before. It is also an ErrWrongSecret.
	ErrCodeUsed = fmt.Errorf("code already used: %w", ErrWrongSecret)
	// ErrTooMany: tried too often; see RetryError for when to come back.
	ErrTooMany = errors.New("too many tries")
	// ErrPending: nobody has answered yet.
	ErrPending = errors.New("pending")
	// ErrReplayed: this very request was carried out before.
	ErrReplayed = errors.New("replayed")
	// ErrBusy: the machine is at its limit for now; nothing was counted against the caller.
	ErrBusy = errors.New("busy")
	// ErrUnwritable: nothing can be kept for now, see UnwritableError; nothing was counted against the caller.
	ErrUnwritable = errors.New("nothing can be written")
	// ErrInvalid: the input is malformed; see FieldError for what and why.
	ErrInvalid = errors.New("invalid")
	// ErrUnverified: the phone's answer has to be given with a fingerprint or PIN.
	ErrUnverified = errors.New("the person was not verified by the phone")
	// ErrStale: the act needs a second factor newer than the one of this session.
	ErrStale = errors.New("second factor not fresh")
)

// RetryError is an ErrTooMany, ErrBusy or ErrUnwritable that knows when to come back.
type RetryError struct {
	Err   error
	After time.Duration
}

func (e *RetryError) Error() string { return fmt.Sprintf("%v, retry in %s", e.Err, e.After) }
func (e *RetryError) Unwrap() error { return e.Err }

// Unwritable is why nothing can be written.
type Unwritable string

// What there is.
const (
	DiskFull     Unwritable = "full"      // no space, or what this user may have of it is used up
	DiskReadOnly Unwritable = "read-only" // the file system or the file
	DiskFailing  Unwritable = "failing"   // it reports a fault
	DiskStuck    Unwritable = "stuck"     // it does not answer, or another process holds the database
	DatabaseAway Unwritable = "away"      // the database's server cannot be reached
)

// String says it to operators.
func (u Unwritable) String() string {
	switch u {
	case DiskFull:
		return "the disk is full"
	case DiskReadOnly:
		return "the disk is read-only"
	case DiskStuck:
		return "the disk does not answer, or another process holds the database"
	case DatabaseAway:
		return "the database server cannot be reached"
	case DiskFailing:
	}
	return "the disk reports a fault"
}

// UnwritableError is an ErrUnwritable that knows why.
type UnwritableError struct {
	Why Unwritable
	Err error // what the database says
}

func (e *UnwritableError) Error() string {
	return fmt.Sprintf("%v, %v: %v", ErrUnwritable, e.Why, e.Err)
}
func (e *UnwritableError) Unwrap() []error { return []error{ErrUnwritable, e.Err} }

// FieldError is an ErrInvalid that names the field and a message key of the
// catalogue which says to a person what is wrong with it.
type FieldError struct {
	Field   string // as in the form or the configuration
	Message string // message key, such as "password.short"
}

func (e *FieldError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Message) }
func (e *FieldError) Unwrap() error { return ErrInvalid }
