//go:build linux || darwin || freebsd || netbsd || openbsd

package sqlite

import (
	"errors"
	"os"
	"syscall"
)

// errQuota: what this user may have of the disk is used up.
const errQuota = syscall.EDQUOT

// lockFolder takes the lock of a folder, or says that another process has it.
// It is on the folder and not on the database: to close a file that SQLite has
// open drops SQLite's own locks (fcntl, POSIX).
func lockFolder(folder string) (done func() error, busy bool) {
	nothing := func() error { return nil }
	d, err := os.Open(folder)
	if err != nil {
		return nothing, false // whoever opens the database says what is wrong
	}
	for {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return d.Close, false
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nothing, d.Close() == nil
	}
	return nothing, d.Close() != nil
}
