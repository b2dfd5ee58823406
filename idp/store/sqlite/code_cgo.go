//go:build cgo

package sqlite

import (
	"errors"
	"syscall"

	"github.com/mattn/go-sqlite3"
)

// codes are the primary result code of an error of SQLite and the error number of the
// system; 0 for another error, and where the system gave none.
func codes(err error) (primary int, system syscall.Errno) {
	if e, ok := errors.AsType[sqlite3.Error](err); ok {
		return int(e.Code), e.SystemErrno
	}
	return 0, 0
}

// Version is the version of the SQLite in this program, such as "3.54.1"; empty
// where it was built without.
func Version() string {
	v, _, _ := sqlite3.Version()
	return v
}
