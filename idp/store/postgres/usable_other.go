//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package postgres

import "github.com/jackc/pgx/v5/pgconn"

// usable reports whether a connection that nobody has used for a while may be used.
func usable(pg *pgconn.PgConn) bool { return !pg.IsClosed() }
