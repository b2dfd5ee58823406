package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"hilum/idp"
	"hilum/idp/file"
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
	if err := file.AsOwnerOf(filepath.Dir(path), f); err != nil {
		return head, err
	}
	if err := db.engine.Backup(ctx, path); err != nil {
		return head, err
	}
	return head, f.Sync()
}
