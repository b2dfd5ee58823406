// Package sqlite is the store in one file: SQLite, with one connection that writes and
// several that read beside it.
package sqlite

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

	"hilum/idp/store/engine"
)

// Config says which database is opened.
type Config struct {
	Path string // of the file; it and its folder are made when missing
	Log  *slog.Logger
	// Twice has every function that writes run a second time, after what it did first is
	// undone, and fails it where it comes to something else then. An engine may run a
	// function again when another transaction came between; one that keeps something of its
	// first run would do harm there, and only there. For tests.
	Twice bool
}

// Engine is a SQLite database in one file: one connection writes, several read beside it.
type Engine struct {
	path    string
	writer  *writer
	writing *conn
	shared  *sql.DB // writing, for gorm
	readers *pool   // by hand
	reading *sql.DB // by gorm
	reader  *session
}

// Every connection has its pragmas from here. Readers cannot write by mistake.
const (
	both   = "?_busy_timeout=10000&_foreign_keys=on&_mutex=no"
	writes = both + "&_journal_mode=WAL&_synchronous=FULL&_txlock=immediate&_cache_size=-16384"
	reads  = both + "&_query_only=on"
)

// Open opens the database and brings its tables up to date.
func Open(ctx context.Context, c Config, hooks engine.Hooks) (*Engine, error) {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, err
	}
	if err := file(path); err != nil {
		return nil, err
	}
	if err := holdPlans(); err != nil {
		return nil, err
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath()
	current, err := checkVersion(ctx, dsn+reads, path, c.Log)
	if err != nil {
		return nil, err
	}
	if !current {
		if err := bringUpToDate(ctx, dsn+writes, path, c.Log); err != nil {
			return nil, fmt.Errorf("%s cannot be brought up to date; it was left as it was. "+
				"Is the disk full, or its folder not writable? %w", path, err)
		}
		// A newer program may have been at it meanwhile.
		if _, err := checkVersion(ctx, dsn+reads, path, c.Log); err != nil {
			return nil, err
		}
	}

	e := &Engine{path: path}
	if e.reading, err = sql.Open(sqlite.DriverName, dsn+reads); err != nil {
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
		return newConn(c, translateError), nil
	}
	e.readers = newPool(readers, func() (*conn, error) { return connect(reads) })
	if e.reader, err = newSession(e.readers, e.reading); err != nil {
		return nil, closeAfter(err, e)
	}
	if e.writing, err = connect(writes); err != nil {
		return nil, closeAfter(err, e)
	}
	// A page that changes often is then copied from the WAL to the file once
	// for many changes: a fifth less work for 16 MB of WAL.
	if err := e.writing.Each("PRAGMA wal_autocheckpoint = 4000", nil, func() []any { return []any{new(int64)} }); err != nil { //nolint:contextcheck // on the open connection, which knows no other
		return nil, closeAfter(err, e)
	}
	e.shared = sql.OpenDB(single{e.writing.driver, d})
	e.shared.SetMaxOpenConns(1)
	to, err := newSession(e.writing, e.shared)
	if err != nil {
		return nil, closeAfter(err, e)
	}
	e.writer = newWriter(to, c, hooks)
	return e, nil
}

// session is gorm and hand-written statements on the same connections.
type session struct {
	engine.Statements
	orm *gorm.DB
}

func newSession(by engine.Statements, on gorm.ConnPool) (*session, error) {
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
	return &session{by, g}, nil
}

// ORM is gorm.
func (s *session) ORM() *gorm.DB { return s.orm }

// Translate is engine.Session's.
func (s *session) Translate(err error) error { return translateError(err) }

func translateError(err error) error { return engine.Named(sqlite.Dialector{}, err) }

func bringUpToDate(ctx context.Context, dsn, path string, log *slog.Logger) error {
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

// Write is engine.Engine's.
func (e *Engine) Write(ctx context.Context, fn func(engine.Work) error) error {
	return e.writer.do(ctx, fn)
}

// Alone is engine.Engine's.
func (e *Engine) Alone(ctx context.Context, _ engine.Key, do func(context.Context) error) (bool, error) {
	return true, do(ctx)
}

// Read is engine.Engine's.
func (e *Engine) Read() engine.Session { return e.reader }

// Close is engine.Engine's.
func (e *Engine) Close() error {
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

func closeAfter(err error, e *Engine) error { return errors.Join(err, e.Close()) }

// About is engine.Engine's.
func (e *Engine) About() (name, version string, err error) { return "SQLite", Version(), nil }

// Bytes is the size of the file and of its log.
func (e *Engine) Bytes() (n int64, err error) {
	for _, file := range []string{e.path, e.path + "-wal"} {
		if at, err := os.Stat(file); err == nil {
			n += at.Size()
		}
	}
	return n, nil
}

var magic = []byte("SQLite format 3\x00")

// file makes the file where there is none, readable to its owner only. Errors: it is
// something else than a database, or cannot be written.
func file(path string) error {
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
	begin := make([]byte, len(magic))
	n, err := io.ReadFull(f, begin)
	closed := f.Close()
	switch {
	case errors.Is(err, io.EOF): // empty: new
		return closed
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return errors.Join(err, closed)
	case !bytes.Equal(begin[:n], magic):
		return errors.Join(fmt.Errorf("%s is not a SQLite database; it was left as it is. Name another file, or move this one away", path), closed)
	}
	return closed
}
