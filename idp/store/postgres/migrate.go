package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"hilum/idp/store/engine"
	"hilum/idp/store/migrations"
)

// bringUpToDate brings the tables up to date, forward only, one instance at a time, while others
// may serve. Each script is a transaction with its number in it, unless it says otherwise. existing
// is Config.Existing. Errors: engine.OpenError.
func bringUpToDate(ctx context.Context, to driver.Connector, existing bool, log *slog.Logger) (err error) {
	db := sql.OpenDB(to)
	defer func() { err = errors.Join(opening(err), db.Close()) }()
	if err := fits(ctx, db); err != nil {
		return err
	}
	m, err := unfinished(ctx, func(ctx context.Context, query string, dest ...any) error {
		return db.QueryRowContext(ctx, query).Scan(dest...)
	})
	if err != nil {
		return err
	}
	if m != nil {
		return stillMoving(ctx, db, m)
	}
	known, err := migrations.Newest()
	if err != nil {
		return err
	}
	is, err := fitting(ctx, db, known)
	if err != nil {
		return err
	}
	switch {
	case is.Version > known:
		log.Info(migrations.Behind, "tables", is.Version, "made_for", known, "oldest", is.Floor.Level)
		return nil
	case is.Version == known:
		return nil
	case is.Version == 0 && existing:
		return &engine.OpenError{Kind: engine.OpenEmpty, Err: errors.New("it has no tables")}
	}
	if err := mayMake(ctx, db); err != nil {
		return err
	}
	if err := scripts(ctx, to, log, is.Version); err != nil {
		return err
	}
	_, err = fitting(ctx, db, known) // a newer program may have been at it meanwhile
	return err
}

// fitting is how far the tables of a database are. Errors: engine.OpenError, a program whose own
// are known does not work with them.
func fitting(ctx context.Context, db *sql.DB, known int64) (is migrations.Tables, err error) {
	if is.Version, err = versionOf(ctx, db); err != nil {
		return is, err
	}
	if is.Version >= migrations.FirstFloor {
		if err := db.QueryRowContext(ctx, migrations.SelectFloor).Scan(&is.Floor.Level, &is.Floor.Release); err != nil {
			return is, err
		}
	}
	if err := is.Suits(known); err != nil {
		return is, &engine.OpenError{Kind: engine.OpenNewer, Err: err}
	}
	return is, nil
}

// How scripts run while instances serve. Whoever waits for a table has all wait who come later and
// want to use it, so no script waits for long; it is tried again in between.
const (
	tableTimeout = time.Second
	scriptsAgain = 200 * time.Millisecond // at least, and three times as long at most
	scriptsFor   = 5 * time.Minute
	scriptsTurn  = 10 * 60 // seconds for which others may be at it
)

// hasty are connections that wait for a table for tableTimeout at most.
type hasty struct{ driver.Connector }

// Connect is driver.Connector's.
func (h hasty) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := h.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.(*stdlib.Conn).Conn().Exec(ctx, "SET lock_timeout = "+millis(tableTimeout)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// scripts runs the scripts that a database of a version has not had yet. Errors: engine.OpenError,
// an instance lives that would not work with what they make.
func scripts(ctx context.Context, to driver.Connector, log *slog.Logger, version int64) (err error) {
	known, err := migrations.Newest()
	if err != nil {
		return err
	}
	files, err := migrations.PostgreSQL()
	if err != nil {
		return err
	}
	floor, err := migrations.FloorBehind(files, version)
	if err != nil {
		return err
	}
	db := sql.OpenDB(hasty{to})
	defer func() { err = errors.Join(err, db.Close()) }()
	if version > 0 {
		if err := nobodyBelow(ctx, db, max(floor.Level, migrations.FirstFloor), log); err != nil {
			return err
		}
	}
	log.Info("the tables of the database are brought up to date", "from", version, "to", known)
	alone, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, scriptsTurn))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithVerbose(false), goose.WithSessionLocker(alone))
	if err != nil {
		return err
	}
	for until := time.Now().Add(scriptsFor); ; {
		_, err := p.Up(ctx)
		if err == nil {
			return nil
		}
		if e := pgError(err); e == nil || e.Code != codeLockTimeout && e.Code != codeDeadlock || time.Now().After(until) {
			return fmt.Errorf("the tables cannot be brought up to date; they are as the last script that ran has left them: %w", err)
		}
		log.Info("a table is in use, and is brought up to date a moment later", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(scriptsAgain + jitter(20)):
		}
	}
}

// watchFor is how long an instance is watched that is listed, as long as others would leave it in
// the list: it may have crashed. Tests make it shorter.
var watchFor = time.Minute

const watchEvery = 250 * time.Millisecond // it is looked at

// nobodyBelow returns an engine.OpenError where an instance lives that is made for tables of
// before a level. The clocks of machines differ: it lives if it says so once more while it is
// watched. One that begins meanwhile finds out by itself (store.DB.Live).
func nobodyBelow(ctx context.Context, db *sql.DB, level int64, log *slog.Logger) error {
	var listed bool
	if err := db.QueryRowContext(ctx, "SELECT to_regclass(quote_ident(current_schema()) || '.instances') IS NOT NULL").Scan(&listed); err != nil || !listed {
		return err
	}
	var first map[string]int64
	for until := time.Now().Add(watchFor); ; {
		now := map[string]int64{}
		rows, err := db.QueryContext(ctx, "SELECT id, host, version, heard_at FROM instances WHERE schema_from < $1 ORDER BY id", level)
		if err != nil {
			return err
		}
		var alive error
		for rows.Next() {
			var id, host, version string
			var heard int64
			if err := rows.Scan(&id, &host, &version, &heard); err != nil {
				return errors.Join(err, rows.Close())
			}
			now[id] = heard
			if was, ok := first[id]; first != nil && (!ok || was != heard) && alive == nil {
				alive = &engine.OpenError{Kind: engine.OpenOlder, Err: fmt.Errorf("instance %s on %s runs version %s; stop it first", id, host, version)}
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil || alive != nil {
			return errors.Join(err, alive)
		}
		if first == nil {
			if first = now; len(now) > 0 {
				log.Info("instances are listed that would not work with the new tables; it is seen whether they live", "instances", len(now))
			}
		}
		if len(now) == 0 || time.Now().After(until) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watchEvery):
		}
	}
}

// versionOf is the schema version of a database, 0 for one without tables. Errors:
// engine.OpenError, it has tables and they are not ours.
func versionOf(ctx context.Context, db *sql.DB) (int64, error) {
	var tables, ours, checks int64
	err := db.QueryRowContext(ctx, `SELECT count(*), count(CASE tablename WHEN 'goose_db_version' THEN 1 END), count(CASE tablename WHEN 'seal_checks' THEN 1 END)
		FROM pg_catalog.pg_tables WHERE schemaname = current_schema()`).Scan(&tables, &ours, &checks)
	switch {
	case err != nil:
		return 0, err
	case tables == 0:
		return 0, nil
	case ours == 0:
		return 0, &engine.OpenError{Kind: engine.OpenNotEmpty, Err: fmt.Errorf("it has %d tables", tables)}
	}
	var version int64
	err = db.QueryRowContext(ctx, migrations.SelectVersion).Scan(&version)
	if err == nil && version > 0 && checks == 0 {
		err = &engine.OpenError{Kind: engine.OpenOtherProgram, Err: errors.New("it keeps a version as we do, of other tables")}
	}
	return version, err
}

// stillMoving is the engine.OpenError of a database that is not filled yet. It says how far that
// is.
func stillMoving(ctx context.Context, db *sql.DB, m *Moving) error {
	far := ""
	switch m.Step {
	case StepTables:
		far = "the tables are made"
	case StepCopy:
		var rows int64
		if err := db.QueryRowContext(ctx, "SELECT coalesce(sum(rows), 0) FROM moving_tables").Scan(&rows); err != nil {
			return err
		}
		far = fmt.Sprintf("%d of %d rows are copied", rows, m.Rows)
	case StepIndexes:
		far = "all rows are copied, indexes are made"
	case StepVerify:
		far = "all rows are copied, and not compared yet"
	case StepSwitch:
		far = "all rows are copied and compared, and the file is not given up yet"
	}
	return &engine.OpenError{Kind: engine.OpenMoving, Err: fmt.Errorf("from %s; %s", m.Source, far)}
}
