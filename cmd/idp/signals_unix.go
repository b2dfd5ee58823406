//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// ignoreSignals ignores SIGXFSZ: that a file may not grow any more (RLIMIT_FSIZE) is
// then an error of the write, as a full disk is, and does not end the program.
func ignoreSignals() { signal.Ignore(syscall.SIGXFSZ) }
