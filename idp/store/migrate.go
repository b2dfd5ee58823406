package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	"gorm.io/driver/sqlite"
)

//go:embed migrations
var migrations embed.FS

const sqliteMigrations = "migrations/sqlite"

// newest is the version that this program brings a database to: the number of
// the last migration.
func newest() (int64, error) {
	files, err := fs.Glob(migrations, sqliteMigrations+"/*.sql")
	if err != nil || len(files) == 0 {
		return 0, errors.Join(errors.New("no migrations"), err)
	}
	number, _, _ := strings.Cut(strings.TrimPrefix(files[len(files)-1], sqliteMigrations+"/"), "_")
	return strconv.ParseInt(number, 10, 64)
}

// checkVersion refuses, before anything is written, a database that a newer
// program made or that is somebody else's.
func checkVersion(ctx context.Context, dsn, path string) error {
	db, err := sql.Open(sqlite.DriverName, dsn)
	if err != nil {
		return err
	}
	version, err := versionOf(ctx, db)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("%s cannot be used; it was left as it is: %w", path, err)
	}
	known, err := newest()
	if err != nil {
		return err
	}
	if version > known {
		return fmt.Errorf("%s was written by a newer version of this program (its tables are version %d, this program knows %d); "+
			"it was left as it is. Use the newer program, or a backup from before the upgrade", path, version, known)
	}
	return nil
}

// versionOf returns 0 for a database without tables. Errors: it has tables and
// none of them is ours.
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
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version)
	return version, err
}

// migrate brings the tables up to date, forward only.
func migrate(ctx context.Context, db *sql.DB) error {
	known, err := newest()
	if err != nil {
		return err
	}
	version, err := versionOf(ctx, db)
	if err != nil || version == known {
		return err
	}
	scripts, err := fs.Sub(migrations, sqliteMigrations)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, scripts, goose.WithVerbose(false))
	if err != nil {
		return err
	}
	before := int64(math.MinInt64)
	for version > before {
		if _, err = p.Up(ctx); err == nil {
			return nil
		}
		// Another process may be at it too. Where it got further, go on from there.
		before = version
		if version, _ = versionOf(ctx, db); version == known {
			return nil
		}
	}
	return err
}
