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
// A file speaks to the database through gorm, for rows that people change at a desk and that
// are read and written whole, or by statements written by hand, and never through both.
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
	"hilum/idp/store/postgres"
	"hilum/idp/store/sqlite"
)

// OpenError says why a database of PostgreSQL could not be opened.
type OpenError = engine.OpenError

// Config says which database is opened.
type Config struct {
	// URL is that of a PostgreSQL database, which several instances may share; empty: a file.
	URL      string
	Password string // in place of that in the URL
	Pool     int    // connections to it at most; 0: postgres.DefaultPool
	Existing bool   // a PostgreSQL database without tables is an error, and none are made
	Driver   string // of a file: "sqlite"
	Path     string // of the file; it and its folder are made when missing
	Log      *slog.Logger
	Now      func() time.Time
	// Mail says that mail can be sent: owners of accounts are told what happens to them.
	Mail bool
	// Key is for Trust, where it is at hand before the database is open; nil: Trust is called later.
	Key []byte
	// Witness is the file outside the database that keeps the head of the log;
	// empty: there is none. Its folder is there already.
	Witness string
	// KeepEvents is how long events of the audit log are kept; 0: for ever.
	KeepEvents time.Duration

	trust  *trust
	twice  bool // sqlite.Config.Twice
	strict bool // transactions that decide without holding anything fail
	// watch is in place of watchEvery, unless it is 0.
	watch time.Duration
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

// seek is Row for a query that finds a row by its key.
func (s *session) seek(query string, args []any, dest ...any) error {
	if e, ok := s.Session.(engine.Seeks); ok {
		return e.Seek(query, args, dest...)
	}
	return s.Row(query, args, dest...)
}

// tx is a transaction.
type tx struct {
	session
	in       engine.Tx
	deferred bool // see DB
	// head is the end of the log, nil until the transaction has an event. Another
	// process may write between two commits, so it is read anew in each.
	head   *head
	noted  int64     // events so far
	owners []*string // persons that are held, see ours
	strict *strict
	days   []dayCount // of what is counted per day

	marked struct { // see Mark
		known bool // head was
		head  head
		noted int64
		days  int
	}
}

// begin begins a transaction, or several that are committed together.
func (db *DB) begin(in engine.Tx) engine.Work {
	t := &tx{session: session{in, db.conf.Now, db.conf.Mail, db.trust}, in: in, deferred: db.deferred}
	if db.conf.strict || runStrict != "" {
		t.strict = &strict{}
	}
	return t
}

// runStrict, when it is not empty, is Config.strict for every database of a program: the linker
// sets it for tests.
var runStrict string

// Tx is engine.Work's.
func (t *tx) Tx() engine.Tx { return t.in }

// Mark is engine.Work's.
func (t *tx) Mark() {
	t.owners = t.owners[:0]
	if t.strict != nil {
		*t.strict = strict{}
	}
	t.marked.noted, t.marked.days, t.marked.known = t.noted, len(t.days), t.head != nil
	if t.head != nil {
		t.marked.head = *t.head
	}
}

// Undo is engine.Work's.
func (t *tx) Undo() {
	t.owners = t.owners[:0]
	if t.strict != nil {
		*t.strict = strict{}
	}
	t.noted, t.days = t.marked.noted, t.days[:t.marked.days]
	if !t.marked.known {
		t.head = nil
		return
	}
	*t.head = t.marked.head
}

// Noted is engine.Work's.
func (t *tx) Noted() int64 { return t.noted }

// Finish writes the head and what was counted, if there are events: once for all
// transactions that are committed together.
func (t *tx) Finish() error {
	if err := t.putDays(); err != nil {
		return err
	}
	return t.putHead()
}

// Committed is engine.Work's.
func (t *tx) Committed() {
	if t.head != nil {
		t.trust.ended(t.head)
	}
}

// DB is an open database. Safe for concurrent use.
type DB struct {
	engine engine.Engine
	reader *session
	// deferred: events are linked after their transactions, see Link.
	deferred    bool
	linking     sync.WaitGroup
	stopLinking func()
	hints       hints
	conf        Config
	trust       *trust
	fresh       bool
	disk        disk
	clients     clientCache
	site        siteCache
	secrets     secretUses
	recent      recentGrants
	codes       issued[idp.Code]
	refresh     issued[idp.RefreshToken]
	access      issued[idp.GrantID] // of access tokens seen lately, whose grant
	briefs      engine.Briefs       // nil: the engine has none
	standings   standings

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
	if c.Driver != "sqlite" && c.URL == "" {
		return nil, fmt.Errorf("database driver %q is not known; \"sqlite\" is", c.Driver)
	}
	c.trust = newTrust(c.Log)
	db := &DB{conf: c, trust: c.trust, disk: disk{log: c.Log}}
	db.disk.write = func(much bool) error { return db.engine.Probe(much) }
	e, err := openEngine(ctx, c, engine.Hooks{Begin: db.begin, Wrote: db.disk.wrote})
	if err != nil {
		return nil, err
	}
	db.engine = e
	db.deferred = c.URL != ""
	db.briefs, _ = e.(engine.Briefs)
	db.hints.prepare(hintsOf(e))
	db.reader = &session{e.Read(), c.Now, c.Mail, c.trust}
	if db.deferred {
		linking, stop := context.WithCancel(context.WithoutCancel(ctx))
		db.stopLinking = sync.OnceFunc(func() {
			stop()
			db.linking.Wait()
		})
		db.linking.Go(func() { db.keepLinking(linking) }) // ends in Close
		db.linking.Go(func() { db.keepTelling(linking) }) // ends in Close
	}
	failed := func(err error) error {
		if db.stopLinking != nil {
			db.stopLinking()
		}
		return errors.Join(err, db.hints.close(), e.Close())
	}
	db.noteAlarms() //nolint:contextcheck // alarms come after the start
	if err := db.prepare(ctx); err != nil {
		return nil, failed(err)
	}
	return db, nil
}

// prepare looks at what is there, and makes of it what the other methods count on.
func (db *DB) prepare(ctx context.Context) error {
	if err := db.lookIfFresh(ctx); err != nil {
		return err
	}
	if err := db.listAll(ctx); err != nil {
		return err
	}
	if db.conf.Key != nil {
		if err := db.Trust(ctx, db.conf.Key); err != nil {
			return err
		}
	}
	return db.keyEmails(ctx)
}

func openEngine(ctx context.Context, c Config, hooks engine.Hooks) (engine.Engine, error) {
	if c.URL != "" {
		return postgres.Open(ctx, postgres.Config{URL: c.URL, Password: c.Password, Pool: c.Pool, Existing: c.Existing, Log: c.Log, Twice: c.twice}, hooks)
	}
	return sqlite.Open(ctx, sqlite.Config{Path: c.Path, Log: c.Log, Twice: c.twice}, hooks)
}

// hintsOf are the hints of an engine that has a way to tell any; nil: it has none.
func hintsOf(e engine.Engine) engine.Hints {
	if several, ok := e.(interface{ Hints() engine.Hints }); ok {
		return several.Hints()
	}
	return nil
}

// Close waits for the reads and transactions that have begun, and closes the
// database. Those that come later fail. Closing again does nothing. A server that is away
// keeps nobody from it: what waits to be put into the log is put there by whoever comes next.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.trust.alarms.close()
		last := db.leave("the last uses of secrets are not noted", db.writeSecretUses(context.Background()))
		if db.stopLinking != nil {
			db.stopLinking()
			if db.trust.keys.Load() != nil {
				last = errors.Join(last, db.leave("the last events are put into the log later", db.Link(context.Background(), false)))
			}
		}
		db.closed = errors.Join(last, db.hints.close(), db.engine.Close())
	})
	return db.closed
}

// leave logs what could not be done any more because the server is away, and returns every other
// error.
func (db *DB) leave(what string, err error) error {
	if u, ok := errors.AsType[*idp.UnwritableError](err); ok && u.Why == idp.DatabaseAway {
		db.conf.Log.Warn(what+": the database is away", "error", err)
		return nil
	}
	return err
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
