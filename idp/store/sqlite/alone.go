package sqlite

import (
	"context"
	"log/slog"
	"time"
)

// alone waits until no other process has a folder for itself, and takes it:
// bringing tables up to date is several transactions, which two starts must not
// mix. done gives it back; so does the end of the process, whatever ends it.
// Where the file system knows no such locks nobody waits: then each of those
// transactions stands for itself, as SQLite makes it, and migrate tries again.
// Errors: ctx ended.
func alone(ctx context.Context, folder string, log *slog.Logger) (done func() error, err error) {
	const every, patience = 10 * time.Millisecond, 2 * time.Second
	told := false
	for begin := time.Now(); ; {
		done, busy := lockFolder(folder)
		if !busy {
			return done, nil
		}
		if !told && time.Since(begin) > patience {
			told = true
			log.Info("waiting for another process that brings the database up to date", "folder", folder)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(every):
		}
	}
}
