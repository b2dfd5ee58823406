package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// sqliteEngine is a SQLite database in one file: one connection writes, several read
// beside it.
type sqliteEngine struct {
	writer  *writer
	writing *conn
	shared  *sql.DB // writing, for gorm
	readers *pool   // by hand
	reading *sql.DB // by gorm
	reader  *session
}

// Every connection has its pragmas from here. Readers cannot write by mistake.
const (
	sqliteBoth   = "?_busy_timeout=10000&_foreign_keys=on&_mutex=no"
	sqliteWriter = sqliteBoth + "&_journal_mode=WAL&_synchronous=FULL&_txlock=immediate&_cache_size=-16384"
	sqliteReader = sqliteBoth + "&_query_only=on"
)

// openSQLite opens the database. wrote is told the outcome of every transaction.
func openSQLite(ctx context.Context, c Config, wrote func(error)) (*sqliteEngine, error) {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, err
	}
	if err := sqliteFile(path); err != nil {
		return nil, err
	}
	if err := holdPlans(); err != nil {
		return nil, err
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath()
	current, err := checkVersion(ctx, dsn+sqliteReader, path)
	if err != nil {
		return nil, err
	}
	if !current {
		if err := migrateSQLite(ctx, dsn+sqliteWriter, path, c.Log); err != nil {
			return nil, fmt.Errorf("%s cannot be brought up to date; it was left as it was. "+
				"Is the disk full, or its folder not writable? %w", path, err)
		}
	}

	e := &sqliteEngine{}
	if e.reading, err = sql.Open(sqlite.DriverName, dsn+sqliteReader); err != nil {
		return nil, err
	}
	readers := min(max(4, 2*runtime.GOMAXPROCS(0)), 16)
	e.reading.SetMaxOpenConns(readers)
	e.reading.SetMaxIdleConns(readers)
	d := e.reading.Driver()
	connect := func(pragmas string) (*conn, error) {
		c, err := d.Open(dsn + pragmas)
		if err != nil {
			return nil, err
		}
		return newConn(c, translateSQLite), nil
	}
	e.readers = newPool(readers, func() (*conn, error) { return connect(sqliteReader) })
	if e.reader, err = sqliteSession(e.readers, e.reading, c); err != nil {
		return nil, closeAfter(err, e)
	}
	if e.writing, err = connect(sqliteWriter); err != nil {
		return nil, closeAfter(err, e)
	}
	// A page that changes often is then copied from the WAL to the file once
	// for many changes: a fifth less work for 16 MB of WAL.
	if err := e.writing.each("PRAGMA wal_autocheckpoint = 4000", nil, func() []any { return []any{new(int64)} }); err != nil { //nolint:contextcheck // on the open connection, which knows no other
		return nil, closeAfter(err, e)
	}
	e.shared = sql.OpenDB(single{e.writing.driver, d})
	e.shared.SetMaxOpenConns(1)
	to, err := sqliteSession(e.writing, e.shared, c)
	if err != nil {
		return nil, closeAfter(err, e)
	}
	e.writer = newWriter(to, c, wrote)
	return e, nil
}

// sqliteSession is gorm and hand-written statements on the same connections.
func sqliteSession(by statements, on gorm.ConnPool, c Config) (*session, error) {
	g, err := gorm.Open(sqlite.New(sqlite.Config{Conn: on}), &gorm.Config{
		PrepareStmt:            false, // it starts a goroutine that never ends; what is hot is not gorm's
		SkipDefaultTransaction: true,  // there is one already, or it is a read
		TranslateError:         true,
		DisableAutomaticPing:   true,
		Logger:                 logger.Discard, // it would log values
	})
	if err != nil {
		return nil, err
	}
	return &session{by, g, translateSQLite, c.Now, c.Mail, c.trust}, nil
}

func translateSQLite(err error) error { return translate(sqlite.Dialector{}, err) }

func migrateSQLite(ctx context.Context, dsn, path string, log *slog.Logger) error {
	done, err := alone(ctx, filepath.Dir(path), log)
	if err != nil {
		return err
	}
	db, err := sql.Open(sqlite.DriverName, dsn)
	if err != nil {
		return errors.Join(err, done())
	}
	db.SetMaxOpenConns(1)
	return errors.Join(migrate(ctx, db), db.Close(), done())
}

func (e *sqliteEngine) write(ctx context.Context, fn func(*tx) error) error {
	return e.writer.do(ctx, fn)
}

func (e *sqliteEngine) read() *session { return e.reader }

func (e *sqliteEngine) close() error {
	if e.writer != nil {
		e.writer.close()
	}
	var errs []error
	if e.readers != nil {
		errs = append(errs, e.readers.close())
	}
	errs = append(errs, e.reading.Close())
	if e.shared != nil {
		errs = append(errs, e.shared.Close())
	}
	if e.writing != nil { // the last to close empties the WAL
		errs = append(errs, e.writing.close())
	}
	return errors.Join(errs...)
}

func closeAfter(err error, e engine) error { return errors.Join(err, e.close()) }

var sqliteMagic = []byte("SQLite format 3\x00")

// sqliteFile makes the file where there is none, readable to its owner only. Errors: it is
// something else than a database, or cannot be written.
func sqliteFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("the folder of the database cannot be made; choose one that this user may write to: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		what := "the database cannot be opened for writing"
		if errors.Is(err, fs.ErrPermission) {
			what += "; give this user the right to write to it and its folder"
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	begin := make([]byte, len(sqliteMagic))
	n, err := io.ReadFull(f, begin)
	closed := f.Close()
	switch {
	case errors.Is(err, io.EOF): // empty: new
		return closed
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return errors.Join(err, closed)
	case !bytes.Equal(begin[:n], sqliteMagic):
		return errors.Join(fmt.Errorf("%s is not a SQLite database; it was left as it is. Name another file, or move this one away", path), closed)
	}
	return closed
}
