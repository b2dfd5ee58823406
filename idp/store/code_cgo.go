//go:build cgo

package store

import (
	"errors"

	"github.com/mattn/go-sqlite3"
)

// primary is the primary result code of an error of SQLite, 0 for another.
func primary(err error) int {
	var e sqlite3.Error
	if errors.As(err, &e) {
		return int(e.Code)
	}
	return 0
}
