package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"hilum/idp/store/engine"
	"hilum/idp/store/migrations"
)

// bringUpToDate brings the tables up to date, forward only, one instance at a time. Each script
// is a transaction with its number in it. existing is Config.Existing. Errors: engine.OpenError.
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
	version, err := versionOf(ctx, db)
	if err != nil {
		return err
	}
	known, err := migrations.Newest()
	if err != nil {
		return err
	}
	if version > known {
		return &engine.OpenError{Kind: engine.OpenNewer, Err: fmt.Errorf("its tables are version %d, this program knows %d", version, known)}
	}
	switch {
	case version == known:
		return nil
	case version == 0 && existing:
		return &engine.OpenError{Kind: engine.OpenEmpty, Err: errors.New("it has no tables")}
	}
	if err := mayMake(ctx, db); err != nil {
		return err
	}
	return scripts(ctx, db, log, version)
}

// scripts runs the scripts that a database of a version has not had yet.
func scripts(ctx context.Context, db *sql.DB, log *slog.Logger, version int64) error {
	known, err := migrations.Newest()
	if err != nil {
		return err
	}
	log.Info("the tables of the database are brought up to date", "from", version, "to", known)
	files, err := migrations.PostgreSQL()
	if err != nil {
		return err
	}
	alone, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithVerbose(false), goose.WithSessionLocker(alone))
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("the tables cannot be brought up to date; the database was left as it was: %w", err)
	}
	return nil
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
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version)
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
