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

	"hilum/idp/store/migrations"
)

// bringUpToDate brings the tables up to date, forward only, one instance at a time. Each script
// is a transaction with its number in it. Errors: the database is another program's, or of a
// newer version of this one.
func bringUpToDate(ctx context.Context, to driver.Connector, log *slog.Logger) (err error) {
	db := sql.OpenDB(to)
	defer func() { err = errors.Join(err, db.Close()) }()
	version, err := versionOf(ctx, db)
	if err != nil {
		return err
	}
	known, err := migrations.Newest()
	if err != nil {
		return err
	}
	if version > known {
		return fmt.Errorf("the database was written by a newer version of this program (its tables are version %d, this program knows %d); "+
			"it was left as it is. Use the newer program, or a backup from before the upgrade", version, known)
	}
	if version == known {
		return nil
	}
	log.Info("the tables of the database are brought up to date", "from", version, "to", known)
	scripts, err := migrations.PostgreSQL()
	if err != nil {
		return err
	}
	alone, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, scripts, goose.WithVerbose(false), goose.WithSessionLocker(alone))
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("the tables cannot be brought up to date; the database was left as it was: %w", err)
	}
	return nil
}

// versionOf is the schema version of a database, 0 for one without tables. Error: it has tables
// and none of them is ours.
func versionOf(ctx context.Context, db *sql.DB) (int64, error) {
	var tables, ours int64
	err := db.QueryRowContext(ctx, `SELECT count(*), count(CASE tablename WHEN 'goose_db_version' THEN 1 END)
		FROM pg_catalog.pg_tables WHERE schemaname = current_schema()`).Scan(&tables, &ours)
	switch {
	case err != nil:
		return 0, err
	case tables == 0:
		return 0, nil
	case ours == 0:
		return 0, errors.New("it is the database of another program; name another, empty one")
	}
	var version int64
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version)
	return version, err
}
