//go:build !unix

package main

// ignoreSignals has nothing to ignore: only Unix has the signal (signals_unix.go).
func ignoreSignals() {}
