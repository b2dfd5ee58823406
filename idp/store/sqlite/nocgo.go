//go:build !cgo

package sqlite

import (
	"errors"
	"syscall"
)

// holdPlans says what a program that was built without a C compiler lacks.
func holdPlans() error {
	return errors.New("this program was built without a C compiler (CGO_ENABLED=0), and SQLite is C: build it again with one")
}

func codes(error) (primary int, system syscall.Errno) { return 0, 0 }

// Version is empty.
func Version() string { return "" }
