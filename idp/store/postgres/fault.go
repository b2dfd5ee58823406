package postgres

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// SQLSTATEs (PostgreSQL's Appendix A), as far as something is done about them.
const (
	codeCached       = "0A000" // not supported, and what a plan is told whose table was changed
	codeNotText      = "22021" // a NUL, or what is not UTF-8
	codeFuture       = "22023" // an argument that is none, and a transaction that there is not yet
	codeUnique       = "23505"
	codeNone         = "22012" // a division by zero, see Sure
	codeReadOnly     = "25006"
	codeSerial       = "40001"
	codeDeadlock     = "40P01"
	codeDiskFull     = "53100"
	codeTooMany      = "53300" // connections
	codeLockTimeout  = "55P03"
	codeShutdown     = "57P01"
	codeCrash        = "57P02"
	codeNotNow       = "57P03" // it starts, or stops
	codeIdle         = "25P03" // it waited in a transaction for too long
	codeNoStatement  = "26000" // of that name was prepared
	classConnection  = "08"
	classResources   = "53"
	classSystemError = "58"
)

// pgError is what the server has said, nil where an error is none of its.
func pgError(err error) *pgconn.PgError {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return e
	}
	return nil
}

// fatal reports whether the server ends the connection with what it says. It may say so of a
// transaction that it has committed.
func fatal(e *pgconn.PgError) bool {
	s := e.SeverityUnlocalized
	if s == "" {
		s = e.Severity
	}
	return s == "FATAL" || s == "PANIC"
}

// named gives an error of a statement its name here: idp.ErrNotFound, idp.ErrConflict,
// idp.ErrInvalid for a text that is not kept, idp.ErrUnwritable, engine.ErrHeld.
func named(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gorm.ErrRecordNotFound):
		return idp.ErrNotFound
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return idp.ErrConflict
	}
	if e := pgError(err); e != nil && e.Code == codeUnique {
		return idp.ErrConflict
	} else if e != nil && e.Code == codeNone {
		return idp.ErrNotFound
	} else if e != nil && e.Code == codeNotText && !errors.Is(err, idp.ErrInvalid) {
		return fmt.Errorf("%w: %w", idp.ErrInvalid, err)
	} else if e != nil && e.Code == codeLockTimeout && !errors.Is(err, engine.ErrHeld) {
		return &idp.RetryError{Err: fmt.Errorf("%w: %w", engine.ErrHeld, err), After: engine.HeldRetry}
	}
	return unwritable(err)
}

// unwritable gives an error that is the database's, not the statement's, its kind. Others come
// back as they are.
func unwritable(err error) error {
	if err == nil || errors.Is(err, idp.ErrUnwritable) {
		return err
	}
	u := &idp.UnwritableError{Why: idp.DiskFailing, Err: err}
	switch e := pgError(err); {
	case errors.As(err, new(*pgconn.ConnectError)): // whatever the server says: the password of yesterday, too
		u.Why = idp.DatabaseAway
	case e == nil:
		if !away(err) {
			return err
		}
		u.Why = idp.DatabaseAway
	case e.Code == codeDiskFull:
		u.Why = idp.DiskFull
	case e.Code == codeReadOnly:
		u.Why = idp.DiskReadOnly
	case strings.HasPrefix(e.Code, classSystemError), strings.HasPrefix(e.Code, classResources) && e.Code != codeTooMany:
	case fatal(e), e.Code == codeTooMany, e.Code == codeNotNow, strings.HasPrefix(e.Code, classConnection):
		u.Why = idp.DatabaseAway
	default:
		return err
	}
	return &idp.RetryError{Err: u, After: engine.UnwritableRetry}
}

// away reports whether an error says that the server was not reached, or no longer. What is not
// of this package comes from gorm and what it stands on.
func away(err error) bool {
	if errors.As(err, new(*lostError)) || errors.As(err, new(*pgconn.ConnectError)) || errors.As(err, new(*net.OpError)) {
		return true
	}
	for _, gone := range []error{errBusy, driver.ErrBadConn, pgconn.ErrConnClosed, io.ErrUnexpectedEOF} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}

// outdated reports whether an error says that the connection is to be replaced, though it works:
// what was prepared on it is of tables that have changed, or is gone, or its server is no
// longer the one that takes changes.
func outdated(e *pgconn.PgError) bool { return unprepared(e) || e.Code == codeReadOnly }

// unprepared reports whether a statement has to be prepared anew, and nothing else is wrong.
func unprepared(e *pgconn.PgError) bool {
	return e.Code == codeCached && e.Routine == "RevalidateCachedQuery" || e.Code == codeNoStatement
}

// again reports whether a transaction that certainly was not committed may be run once more:
// another one came between, or the server went away.
func again(err error) bool {
	if errors.As(err, new(*lostError)) || errors.Is(err, engine.ErrAgain) {
		return true
	}
	e := pgError(err)
	if e == nil {
		return false
	}
	switch e.Code {
	case codeSerial, codeDeadlock, codeShutdown, codeCrash, codeNotNow, codeIdle:
		return true
	}
	return outdated(e) || strings.HasPrefix(e.Code, classConnection)
}
