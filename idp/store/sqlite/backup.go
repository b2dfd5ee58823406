package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"gorm.io/driver/sqlite"
)

// Backup is engine.Engine's. SQLite writes into a file that is empty.
func (e *Engine) Backup(ctx context.Context, path string) error {
	if err := statement(ctx, e.path, "VACUUM INTO ?", path); err != nil {
		return err
	}
	if err := statement(ctx, path, "PRAGMA quick_check"); err != nil {
		return fmt.Errorf("the copy is not whole: %w", err)
	}
	return nil
}

// statement runs one statement on a connection of its own to a database. Errors: a row of the
// answer that is something else than "ok".
func statement(ctx context.Context, path, text string, args ...any) (err error) {
	db, err := sql.Open(sqlite.DriverName, "file:"+(&url.URL{Path: path}).EscapedPath()+both)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var said string
		if err := rows.Scan(&said); err != nil {
			return err
		}
		if said != "ok" {
			return errors.New(said)
		}
	}
	return rows.Err()
}
