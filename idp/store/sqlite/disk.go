package sqlite

import (
	"context"
	"errors"
	"syscall"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// Probe writes a number, or sixteen pages of the database, which are given back.
func (e *Engine) Probe(much bool) error {
	put := func(name, value string, args ...any) error {
		return e.Write(context.Background(), func(engine.Work) error {
			_, err := e.writing.Exec("INSERT INTO marks (name, n) VALUES ('"+name+"', "+value+") ON CONFLICT (name) DO UPDATE SET n = excluded.n", args...)
			return err
		})
	}
	if !much {
		return put("probe", "?", time.Now().UnixMicro())
	}
	if err := put("room", "zeroblob(65536)"); err != nil {
		return err
	}
	return put("room", "0")
}

// unwritable gives an error of a write its kind. Errors that say nothing about
// the disk come back as they are.
func unwritable(err error) error {
	if err == nil || errors.Is(err, idp.ErrUnwritable) {
		return err
	}
	code, errno := codes(err)
	u := &idp.UnwritableError{Why: idp.DiskFailing, Err: err}
	switch {
	case code == codeFull, errno == syscall.ENOSPC, errno == errQuota, errno == syscall.EFBIG:
		u.Why = idp.DiskFull
	case code == codeReadOnly, errno == syscall.EROFS, errno == syscall.EPERM, errno == syscall.EACCES:
		u.Why = idp.DiskReadOnly
	case code == codeBusy:
		u.Why = idp.DiskStuck
	case code == codeIO, code == codeCantOpen:
	default:
		return err
	}
	return &idp.RetryError{Err: u, After: engine.UnwritableRetry}
}
