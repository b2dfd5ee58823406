// Package store keeps everything in a database, and makes each change atomic. Its methods
// are what doors and verbs ask for in their own Store interfaces, whose comments are the
// contract.
//
// A change is one transaction: it reads, lets the caller's function decide, and writes
// rows and audit events together. The function runs while others wait to write, so it may
// compute for microseconds and no longer: nothing in it hashes a password or asks the
// network. It may run twice, and changes only what it is given.
//
// Rows never leave the package. Times are stored in microseconds and come back in UTC;
// idp.ErrNotFound is the error for a row that is not there, idp.ErrConflict for one that
// is there already.
//
// Most statements go through gorm. Those of the hot paths (sign-in, tokens, events) are
// written by hand and prepared once: gorm, and database/sql beneath it, cost two to three
// times as much for each, and a refresh has five.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"hilum/idp"
)

// Config says which database is opened.
type Config struct {
	Driver string // "sqlite"
	Path   string // of the file; it and its folder are made when missing
	Log    *slog.Logger
	Now    func() time.Time
	// Mail says that mail can be sent: owners of accounts are told what happens to them.
	Mail bool
	// Key is for Trust, where it is at hand before the database is open; nil: Trust is called later.
	Key []byte
	// Witness is the file outside the database that keeps the head of the log;
	// empty: there is none. Its folder is there already.
	Witness string

	trust *trust
	// twice has every function that writes run a second time, after what it did
	// first is undone, and fails it where it comes to something else then. Engines
	// run a function again when another transaction came between; one that keeps
	// something of its first run would do harm there, and only there. For tests.
	twice bool
}

// engine is what differs from database to database.
type engine interface {
	// write runs fn in a transaction and returns when it is on disk, or when
	// it is certain that it never will be. An error or a panic of fn leaves
	// nothing behind. A context that ends before fn begins prevents it; one
	// that ends later changes nothing.
	write(ctx context.Context, fn func(*tx) error) error
	// read is for statements that change nothing.
	read() *session
	close() error
}

// session runs statements by hand and by gorm, on one connection or on a pool.
type session struct {
	statements
	gorm      *gorm.DB
	translate func(error) error // what gorm returns
	now       func() time.Time
	mail      bool // Config.Mail
	trust     *trust
}

// DB is an open database. Safe for concurrent use.
type DB struct {
	engine  engine
	conf    Config
	trust   *trust
	fresh   bool
	disk    disk
	clients clientCache
	site    siteCache
	secrets secretUses
	recent  recentGrants
	codes   issued[idp.Code]
	refresh issued[idp.RefreshToken]

	reads, transactions atomic.Uint64

	closing sync.Once
	closed  error // what closing said
}

// Open opens the database and brings its tables up to date. Errors say what is
// wrong and what to do; whatever cannot be used is left as it was found.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Driver != "sqlite" {
		return nil, fmt.Errorf("database driver %q is not known; \"sqlite\" is", c.Driver)
	}
	c.trust = newTrust(c.Log)
	db := &DB{conf: c, trust: c.trust, disk: disk{log: c.Log}}
	db.disk.write = db.writeProbe
	e, err := openSQLite(ctx, c, db.disk.wrote)
	if err != nil {
		return nil, err
	}
	db.engine = e
	db.noteAlarms() //nolint:contextcheck // alarms come after the start
	if err := db.lookIfFresh(ctx); err != nil {
		return nil, closeAfter(err, e)
	}
	if err := db.listAll(ctx); err != nil {
		return nil, closeAfter(err, e)
	}
	if c.Key != nil {
		if err := db.Trust(ctx, c.Key); err != nil {
			return nil, closeAfter(err, e)
		}
	}
	if err := db.keyEmails(ctx); err != nil {
		return nil, closeAfter(err, e)
	}
	return db, nil
}

// Close waits for the reads and transactions that have begun, and closes the
// database. Those that come later fail. Closing again does nothing.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.trust.alarms.close()
		uses := db.writeSecretUses(context.Background())
		db.closed = errors.Join(uses, db.engine.close())
	})
	return db.closed
}

// Fresh reports whether the database held nobody and nothing sealed when it
// was opened: only then may a sealing key be made for it.
func (db *DB) Fresh() bool { return db.fresh }

// Trips counts the reads and transactions since the database was opened.
func (db *DB) Trips() (reads, transactions uint64) {
	return db.reads.Load(), db.transactions.Load()
}

// Ping returns nil when the database answers a query.
func (db *DB) Ping(ctx context.Context) error {
	r, err := db.read(ctx)
	if err != nil {
		return err
	}
	var one int64
	return r.row("SELECT 1", nil, &one)
}

// read begins a read. A context that has ended prevents it; a read that runs
// is not cut short, it takes microseconds.
func (db *DB) read(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db.reads.Add(1)
	return db.engine.read(), nil
}

// write runs fn as one transaction, see engine.
func (db *DB) write(ctx context.Context, fn func(*tx) error) error {
	db.transactions.Add(1)
	return db.engine.write(ctx, fn)
}

func (db *DB) now() time.Time { return db.conf.Now() }

func (db *DB) lookIfFresh(ctx context.Context) error {
	r, err := db.read(ctx)
	if err != nil {
		return err
	}
	var used bool
	err = r.row(`SELECT CASE WHEN EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM signing_keys)
		OR EXISTS (SELECT 1 FROM pairings) OR EXISTS (SELECT 1 FROM seal_checks) THEN 1 ELSE 0 END`, nil, &used)
	db.fresh = err == nil && !used
	return err
}
