package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"hilum/idp/store/engine"
)

// oldest is the oldest server that is taken, as server_version_num has it. What statements
// ask for is in 13 (pg_current_xact_id); tests run with what Debian has.
const oldest = 140000

// SQLSTATEs of an opening (PostgreSQL's Appendix A).
const (
	codeNoDatabase = "3D000"
	codeNoRights   = "42501"
	classRefused   = "28"
)

// opening gives an error of an opening its kind. One that has none comes back as it is.
func opening(err error) error {
	var kind engine.OpenKind
	switch e := pgError(err); {
	case errors.As(err, new(*engine.OpenError)):
		return err
	case e == nil:
		connect := (*pgconn.ConnectError)(nil)
		if !errors.As(err, &connect) {
			return err
		}
		kind = engine.OpenUnreachable
		if strings.Contains(err.Error(), "read only connection") || strings.Contains(err.Error(), "standby mode") { // target_session_attrs is not met
			kind = engine.OpenReadOnly
		}
	case strings.HasPrefix(e.Code, classRefused):
		kind = engine.OpenRefused
	case e.Code == codeNoDatabase:
		kind = engine.OpenNoDatabase
	case e.Code == codeNoRights:
		kind = engine.OpenNoRights
	case e.Code == codeReadOnly:
		kind = engine.OpenReadOnly
	case e.Code == codeTooMany, e.Code == codeNotNow:
		kind = engine.OpenBusy
	default:
		return err
	}
	return &engine.OpenError{Kind: kind, Err: err}
}

// fits looks whether a database can be used at all, before anything is made in it. Errors:
// engine.OpenError.
func fits(ctx context.Context, db *sql.DB) error {
	var number int
	var version, encoding string
	var readOnly bool
	err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding'),
		pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'`).Scan(&number, &version, &encoding, &readOnly)
	switch {
	case err != nil:
		return err
	case number < oldest:
		return &engine.OpenError{Kind: engine.OpenTooOld, Err: fmt.Errorf("it is PostgreSQL %s", version)}
	case encoding != "UTF8":
		return &engine.OpenError{Kind: engine.OpenEncoding, Err: fmt.Errorf("its encoding is %s", encoding)}
	case readOnly:
		return &engine.OpenError{Kind: engine.OpenReadOnly, Err: errors.New("it is in recovery, or read-only by default")}
	}
	return nil
}

// mayMake looks whether tables can be made. Errors: engine.OpenError.
func mayMake(ctx context.Context, db *sql.DB) error {
	var may bool
	err := db.QueryRowContext(ctx, "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)").Scan(&may)
	if err == nil && !may {
		err = &engine.OpenError{Kind: engine.OpenNoRights, Err: errors.New("no right to create in its schema")}
	}
	return err
}

// About is engine.Engine's: the server's version.
func (e *Engine) About() (name, version string, err error) {
	err = e.Read().Row("SELECT current_setting('server_version')", nil, &version)
	return "PostgreSQL", version, err
}
