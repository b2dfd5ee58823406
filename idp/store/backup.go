package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"gorm.io/driver/sqlite"

	"hilum/idp"
)

// Backup writes the database, as it is at one moment, to a new file that its owner alone
// may read, beside a running provider, which is not held up. It returns where the audit log
// ended just before: the copy has it as far as that, or further. Errors: the file is there
// already (fs.ErrExist), it cannot be written whole, the head of the log is not ours
// (idp.ErrInvalid). After an error there is no file.
func (db *DB) Backup(ctx context.Context, path string) (head idp.LogHead, err error) {
	if head, err = db.LogHead(ctx); err != nil {
		return head, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return head, err
	}
	// SQLite would make it readable to everybody; it writes into a file that is empty.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return head, err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if err := asOwnerOf(filepath.Dir(path), f); err != nil {
		return head, err
	}
	from, err := filepath.Abs(db.conf.Path)
	if err != nil {
		return head, err
	}
	if err := statement(ctx, from, "VACUUM INTO ?", path); err != nil {
		return head, err
	}
	if err := statement(ctx, path, "PRAGMA quick_check"); err != nil {
		return head, fmt.Errorf("the copy is not whole: %w", err)
	}
	return head, f.Sync()
}

// statement runs one statement on a connection of its own to a database. Errors: a row of the
// answer that is something else than "ok".
func statement(ctx context.Context, path, text string, args ...any) (err error) {
	db, err := sql.Open(sqlite.DriverName, "file:"+(&url.URL{Path: path}).EscapedPath()+sqliteBoth)
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
