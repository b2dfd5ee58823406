//go:build linux || darwin || freebsd || netbsd || openbsd

package postgres

import (
	"crypto/tls"
	"errors"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// usable reports whether a connection that nobody has used for a while is as it was left. What
// waits to be read on it is its end, or what the server has said before it: who finds out by
// a transaction has to run that again, and finds as many such connections as there are.
func usable(pg *pgconn.PgConn) bool {
	if pg.IsClosed() {
		return false
	}
	on := pg.Conn()
	if t, ok := on.(*tls.Conn); ok {
		on = t.NetConn()
	}
	s, ok := on.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	var b [1]byte
	var looked error
	if err := raw.Control(func(fd uintptr) {
		_, _, looked = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}); err != nil {
		return false
	}
	return errors.Is(looked, syscall.EAGAIN) || errors.Is(looked, syscall.EINTR)
}
