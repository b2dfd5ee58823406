//go:build !cgo

package store

import "errors"

// holdPlans says what a program that was built without a C compiler lacks.
func holdPlans() error {
	return errors.New("this program was built without a C compiler (CGO_ENABLED=0), and SQLite is C: build it again with one")
}

func primary(error) int { return 0 }
