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

	"hilum/idp"
	"hilum/idp/store/engine"
	"hilum/idp/store/sqlite"
)

// Config says which database is opened.
type Config struct {
	Driver string // "sqlite"; "postgres" or empty where a URL is given
	Path   string // of SQLite's file; it and its folder are made when missing
	// URL is of a database of PostgreSQL; empty: SQLite at Path.
	URL      string
	Password string // in place of one in the URL
	Pool     int    // connections to PostgreSQL; 0: a default
	Log      *slog.Logger
	Now      func() time.Time
	// Mail says that mail can be sent: owners of accounts are told what happens to them.
	Mail bool
	// Key is for Trust, where it is at hand before the database is open; nil: Trust is called later.
	Key []byte
	// Witness is the file outside the database that keeps the head of the log;
	// empty: there is none. Its folder is there already.
	Witness string

	trust *trust
	twice bool // sqlite.Config.Twice
}

// statements are the engine's.
type statements = engine.Statements

// session runs statements by hand and by gorm: in a transaction, or each by itself.
type session struct {
	engine.Session
	now   func() time.Time
	mail  bool // Config.Mail
	trust *trust
}

// tx is a transaction.
type tx struct {
	session
	in engine.Tx
	// head is the end of the log, nil until the transaction has an event. Another
	// process may write between two commits, so it is read anew in each.
	head  *head
	noted int64 // events so far

	marked struct { // see Mark
		known bool // head was
		head  head
		noted int64
	}
}

// begin begins a transaction, or several that are committed together.
func (db *DB) begin(in engine.Tx) engine.Work {
	return &tx{session: session{in, db.conf.Now, db.conf.Mail, db.trust}, in: in}
}

// Mark is engine.Work's.
func (t *tx) Mark() {
	t.marked.noted, t.marked.known = t.noted, t.head != nil
	if t.head != nil {
		t.marked.head = *t.head
	}
}

// Undo is engine.Work's.
func (t *tx) Undo() {
	t.noted = t.marked.noted
	if !t.marked.known {
		t.head = nil
		return
	}
	*t.head = t.marked.head
}

// Noted is engine.Work's.
func (t *tx) Noted() int64 { return t.noted }

// Finish writes the head, if there are events: once for all transactions that are
// committed together.
func (t *tx) Finish() error { return t.putHead() }

// Committed is engine.Work's.
func (t *tx) Committed() {
	if t.head != nil {
		t.trust.last = t.head
	}
}

// DB is an open database. Safe for concurrent use.
type DB struct {
	engine  engine.Engine
	reader  *session
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
// wrong and what to do, of PostgreSQL an OpenError what is wrong; whatever cannot be used is
// left as it was found.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.URL == "" && c.Driver != "sqlite" {
		return nil, fmt.Errorf("database driver %q is not known; \"sqlite\" is", c.Driver)
	}
	c.trust = newTrust(c.Log)
	db := &DB{conf: c, trust: c.trust, disk: disk{log: c.Log}}
	db.disk.write = func(much bool) error { return db.engine.Probe(much) }
	var e engine.Engine
	var err error
	if c.URL != "" {
		e, err = openPostgres(ctx, c)
	} else {
		e, err = sqlite.Open(ctx, sqlite.Config{Path: c.Path, Log: c.Log, Twice: c.twice}, engine.Hooks{Begin: db.begin, Wrote: db.disk.wrote})
	}
	if err != nil {
		return nil, err
	}
	db.engine = e
	db.reader = &session{e.Read(), c.Now, c.Mail, c.trust}
	db.noteAlarms() //nolint:contextcheck // alarms come after the start
	if err := db.lookIfFresh(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	if err := db.listAll(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	if c.Key != nil {
		if err := db.Trust(ctx, c.Key); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	if err := db.keyEmails(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return db, nil
}

// Close waits for the reads and transactions that have begun, and closes the
// database. Those that come later fail. Closing again does nothing.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.trust.alarms.close()
		uses := db.writeSecretUses(context.Background())
		db.closed = errors.Join(uses, db.engine.Close())
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
	return r.Row("SELECT 1", nil, &one)
}

// read begins a read. A context that has ended prevents it; a read that runs
// is not cut short, it takes microseconds.
func (db *DB) read(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db.reads.Add(1)
	return db.reader, nil
}

// write runs fn as one transaction, see engine.
func (db *DB) write(ctx context.Context, fn func(*tx) error) error {
	db.transactions.Add(1)
	return db.engine.Write(ctx, func(w engine.Work) error { return fn(w.(*tx)) })
}

func (db *DB) now() time.Time { return db.conf.Now() }

func (db *DB) lookIfFresh(ctx context.Context) error {
	r, err := db.read(ctx)
	if err != nil {
		return err
	}
	var used bool
	err = r.Row(`SELECT CASE WHEN EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM signing_keys)
		OR EXISTS (SELECT 1 FROM pairings) OR EXISTS (SELECT 1 FROM seal_checks) THEN 1 ELSE 0 END`, nil, &used)
	db.fresh = err == nil && !used
	return err
}
