package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
	"gorm.io/driver/sqlite"

	"hilum/idp/store/migrations"
)

// checkVersion refuses, before anything is written, a database that a newer program has
// made and this one does not work with, or that is another program's. current: it needs no
// migration.
func checkVersion(ctx context.Context, dsn, path string, log *slog.Logger) (current bool, err error) {
	db, err := sql.Open(sqlite.DriverName, dsn)
	if err != nil {
		return false, err
	}
	is, err := tablesOf(ctx, db)
	if err == nil {
		err = movedAway(ctx, db)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		if contended(err) {
			return false, fmt.Errorf("%s cannot be used now: another process has it for itself. If \"idp migrate\" moves it, wait until that has ended: %w", path, err)
		}
		return false, fmt.Errorf("%s cannot be used; it was left as it is: %w", path, err)
	}
	known, err := migrations.Newest()
	if err != nil {
		return false, err
	}
	if err := is.Suits(known); err != nil {
		return false, fmt.Errorf("%s was written by a newer version of this program (%w); "+
			"it was left as it is. Use the newer program, or a backup from before the upgrade", path, err)
	}
	if is.Version > known {
		log.Info(migrations.Behind, "tables", is.Version, "made_for", known, "oldest", is.Floor.Level)
	}
	return is.Version >= known, nil
}

// tablesOf is how far the tables of a database are. Error: it has some and none of them is ours.
func tablesOf(ctx context.Context, db *sql.DB) (is migrations.Tables, err error) {
	if is.Version, err = versionOf(ctx, db); err != nil || is.Version < migrations.FirstFloor {
		return is, err
	}
	err = db.QueryRowContext(ctx, migrations.SelectFloor).Scan(&is.Floor.Level, &is.Floor.Release)
	return is, err
}

// versionOf is the schema version of a database, 0 for one without tables. Error: it has
// tables and none of them is ours.
func versionOf(ctx context.Context, db *sql.DB) (int64, error) {
	var tables, ours int64
	err := db.QueryRowContext(ctx, `SELECT count(*), count(CASE name WHEN 'goose_db_version' THEN 1 END)
		FROM sqlite_master WHERE type = 'table'`).Scan(&tables, &ours)
	switch {
	case err != nil:
		return 0, err
	case tables == 0:
		return 0, nil
	case ours == 0:
		return 0, errors.New("it is the database of another program; name another file")
	}
	var version int64
	err = db.QueryRowContext(ctx, migrations.SelectVersion).Scan(&version)
	return version, err
}

// movedAway returns an error where all that was in the file is in another database by now.
func movedAway(ctx context.Context, db *sql.DB) error {
	var there bool
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'moved'").Scan(&there); err != nil || !there {
		return err
	}
	var target string
	var at int64
	err := db.QueryRowContext(ctx, "SELECT target, at FROM moved").Scan(&target, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("all that was in it was moved to the %s at %s. Name that one by database.url, or by --database for one command (docs/postgres.md); "+
		"where the move did not end, run \"idp migrate\" again. Whoever wants to go back to a file needs a backup from before the move", target, time.UnixMicro(at).UTC().Format("2006-01-02 15:04 MST"))
}

// Between two tries of migrate, and how long it tries.
const (
	migrateAgain = 50 * time.Millisecond
	migrateFor   = 10 * time.Second
)

// migrate brings the tables up to date, forward only. Each migration is a transaction with
// its number in it.
func migrate(ctx context.Context, db *sql.DB) error {
	known, err := migrations.Newest()
	if err != nil {
		return err
	}
	version, err := versionOf(ctx, db)
	if err != nil || version >= known {
		return err
	}
	scripts, err := migrations.SQLite()
	if err != nil {
		return err
	}
	// Where alone could not keep other processes away they may be at the same
	// step, and whoever comes second fails. It goes on from where they are.
	for until := time.Now().Add(migrateFor); ; {
		p, err := goose.NewProvider(goose.DialectSQLite3, db, scripts, goose.WithVerbose(false))
		if err != nil {
			return err
		}
		if _, err = p.Up(ctx); err == nil {
			return nil
		}
		before := version
		if now, bad := versionOf(ctx, db); bad == nil {
			version = now
		}
		switch {
		case version >= known:
			return nil
		case version == before && !contended(err), time.Now().After(until):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(migrateAgain):
		}
	}
}

// contended reports whether another process may be why a migration failed: it holds a
// lock, or has changed what this one had read.
func contended(err error) bool {
	switch code, _ := codes(err); code {
	case codeBusy, codeLocked, codeSchema, codeProtocol:
		return true
	}
	return false
}
