// Package postgres is the store in a PostgreSQL database, which several instances of the
// provider may share.
//
// A transaction is one transaction of the server, at READ COMMITTED: it holds a person, or a
// thing, before the first read that decides (engine.Tx), so that those who want the same come
// one after another and see what the one before has written. Strangers do not wait for one
// another. It takes two trips to the server, most of the time: what is held goes with the
// first read, what is written with the commit. A change that is one statement takes one trip, and
// shares it with others (engine.Briefs), as reads of a row by its key do.
package postgres

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// Config says which database is opened.
type Config struct {
	URL      string
	Password string // in place of that in the URL
	Pool     int    // connections at most; 0: DefaultPool
	Existing bool   // without tables it is an error (engine.OpenEmpty), and none are made
	Log      *slog.Logger
	// Twice has every function that writes run a second time, see sqlite.Config.
	Twice bool
}

// Bounds of waiting.
const (
	lockTimeout  = 20 * time.Second // for a person or a thing that another transaction holds
	idleTimeout  = 10 * time.Second // of a transaction whose instance says nothing any more: less than others wait for what it holds
	connectsIn   = 10 * time.Second
	outcomeKnown = 20 * time.Second // after a commit without an answer
	goesOn       = 10 * time.Second // after which nothing is tried again
	tries        = 3
)

// DefaultPool is how many connections an instance has at most.
func DefaultPool() int { return min(max(8, 4*runtime.GOMAXPROCS(0)), 32) }

// Engine is an open PostgreSQL database.
type Engine struct {
	pool    *pool
	log     *slog.Logger
	twice   bool
	hooks   engine.Hooks
	reading *sql.DB // by gorm
	orm     *gorm.DB
	trips   atomic.Pointer[func([]string)] // see TellTrips
	briefs  lane[*briefly]
	seeks   lane[*sought]

	ran struct{ again, deadlocks, unknown atomic.Int64 }
}

// Ran counts the transactions that were run once more, those of them that had waited in a
// circle, and the commits without an answer, since the database was opened.
func (e *Engine) Ran() (again, deadlocks, unknown int64) {
	return e.ran.again.Load(), e.ran.deadlocks.Load(), e.ran.unknown.Load()
}

// RunsTwice reports whether every function that writes runs a second time, see Config.Twice. For
// tests that count.
func (e *Engine) RunsTwice() bool { return e.twice }

// Open opens the database and brings its tables up to date. Errors: engine.OpenError.
func Open(ctx context.Context, c Config, hooks engine.Hooks) (*Engine, error) {
	if c.Pool <= 0 {
		c.Pool = DefaultPool()
	}
	conf, err := connectionOf(c)
	if err != nil {
		return nil, err
	}
	connector := stdlib.GetConnector(*conf)
	if err := bringUpToDate(ctx, connector, c.Existing, c.Log); err != nil {
		return nil, err
	}
	// pgx asks the server to cancel what a connection does that breaks, which would mostly undo
	// a commit that is on its way. Those that write dial for one purpose only.
	dial := conf.DialFunc
	conf.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if ctx.Value(dialing{}) == nil {
			return nil, errors.New("nothing is cancelled")
		}
		return dial(ctx, network, address)
	}
	writing := stdlib.GetConnector(*conf)
	e := &Engine{log: c.Log, twice: c.Twice || runTwice != "", hooks: hooks, briefs: lane[*briefly]{most: mostBriefs, patience: briefPatience}, seeks: lane[*sought]{most: mostSeeks, patience: seekPatience}}
	e.pool = newPool(c.Pool, func(ctx context.Context) (*conn, error) {
		std, err := writing.Connect(context.WithValue(ctx, dialing{}, true))
		if err != nil {
			return nil, err
		}
		c := newConn(std.(*stdlib.Conn))
		// The deadline of that trip is not for what comes after: who listens on it waits for hours.
		if err := errors.Join(c.learn(), c.pg.Conn().SetDeadline(time.Time{})); err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.until = time.Time{}
		c.trips = e.tellTrips
		return c, nil
	})
	e.reading = sql.OpenDB(boolean{connector})
	e.reading.SetMaxOpenConns(4)
	e.reading.SetMaxIdleConns(1)
	e.reading.SetConnMaxIdleTime(time.Minute)
	if e.orm, err = newORM(e.reading); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// dialing is the key of a context in which a connection is opened.
type dialing struct{}

// connectionOf is how a connection is made, as a configuration says.
func connectionOf(c Config) (*pgx.ConnConfig, error) {
	conf, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return nil, err
	}
	if c.Password != "" {
		conf.Password = c.Password
	}
	if conf.ConnectTimeout == 0 {
		conf.ConnectTimeout = connectsIn
	}
	for name, value := range map[string]string{
		"application_name": "hilum", "timezone": "UTC",
		"lock_timeout":                        millis(lockTimeout),
		"idle_in_transaction_session_timeout": millis(idleTimeout),
	} {
		if _, ok := conf.RuntimeParams[name]; !ok {
			conf.RuntimeParams[name] = value
		}
	}
	return conf, nil
}

// connectorOf connects as a configuration says.
func connectorOf(c Config) (driver.Connector, error) {
	conf, err := connectionOf(c)
	if err != nil {
		return nil, err
	}
	return stdlib.GetConnector(*conf), nil
}

func millis(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// runTwice, when it is not empty, is Config.Twice for every database of a program: the
// linker sets it for tests (make twice).
var runTwice string

// TellTrips has f told of every trip to the server from now on: of the texts that go in it. For
// tests, before anything else.
func (e *Engine) TellTrips(f func(queries []string)) {
	e.trips.Store(&f)
}

func (e *Engine) tellTrips(ops []op) {
	if f := e.trips.Load(); f != nil {
		queries := make([]string, len(ops))
		for i := range ops {
			queries[i] = ops[i].query
		}
		(*f)(queries)
	}
}

// Close is engine.Engine's.
func (e *Engine) Close() error {
	err := e.pool.close()
	if e.reading != nil {
		err = errors.Join(err, e.reading.Close())
	}
	return err
}

// Bytes is the size of the database on the server.
func (e *Engine) Bytes() (n int64, err error) {
	err = e.Read().Row("SELECT pg_database_size(current_database())", nil, &n)
	return n, err
}

// Backup is not done from here: the server has ways of its own.
func (e *Engine) Backup(context.Context, string) error {
	return fmt.Errorf("PostgreSQL is backed up by its own tools (pg_dump, or a base backup and the log): %w", errors.ErrUnsupported)
}

// Probe writes a number, which nobody else holds for longer than a probe takes.
func (e *Engine) Probe(bool) error {
	err := e.Write(uncut, func(w engine.Work) error {
		return w.Tx().Put("UPDATE marks SET n = ? WHERE name = 'probe'", time.Now().UnixMicro())
	})
	if errors.Is(err, engine.ErrHeld) {
		return &idp.UnwritableError{Why: idp.DiskStuck, Err: err}
	}
	return err
}

// begin says what a role or a database may have set otherwise: with one view for the whole
// transaction, what is read behind a lock would be as it was before the last holder wrote.
const begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

// tx is a transaction.
type tx struct {
	*conn
	xid string // of the transaction, once the first trip has been made
}

// Hold is engine.Tx's. The keys are held in the order in which they are named.
func (t *tx) Hold(keys ...engine.Key) error {
	for _, k := range keys {
		if err := t.Put("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", string(k)); err != nil {
			return err
		}
	}
	return nil
}

// HoldRow is engine.Tx's.
func (t *tx) HoldRow(before engine.Key, query string, args []any, held *string) error {
	text := "SELECT k.k, pg_advisory_xact_lock(hashtextextended('" + string(before) + "' || k.k, 0)) FROM (" + query + ") AS k(k) WHERE k.k <> ''"
	var nothing string
	return named(t.send(op{query: text, dest: []any{held, &nothing}}, args))
}

// Share is engine.Tx's.
func (t *tx) Share(k engine.Key) error {
	return t.Put("SELECT pg_advisory_xact_lock_shared(hashtextextended(?, 0))", string(k))
}

// ShareRow is engine.Tx's.
func (t *tx) ShareRow(before engine.Key, query string, args []any) error {
	return t.Put("SELECT pg_advisory_xact_lock_shared(hashtextextended('"+string(before)+"' || k.k, 0)) FROM ("+query+") AS k(k)", args...)
}

// TryHold is engine.Tx's.
func (t *tx) TryHold(k engine.Key) (held bool, err error) {
	err = t.Row("SELECT pg_try_advisory_xact_lock(hashtextextended(?, 0))", []any{string(k)}, &held)
	return held, err
}

// Next is engine.Tx's.
func (t *tx) Next(list string) (n int64, err error) {
	err = t.Row("SELECT nextval('"+list+"_n')", nil, &n)
	return n, err
}

// Claim is engine.Tx's.
func (t *tx) Claim(query string, args []any, dest ...any) error {
	return t.Row(query+" FOR UPDATE SKIP LOCKED", args, dest...)
}

// Lock is engine.Tx's.
func (t *tx) Lock(query string, args []any, dest ...any) error {
	return t.Row(query+" FOR UPDATE", args, dest...)
}

// Write is engine.Engine's.
func (e *Engine) Write(ctx context.Context, fn func(engine.Work) error) error {
	var err error
	begun := time.Now()
	for try := range tries {
		if try > 0 {
			e.ran.again.Add(1)
			e.log.Debug("a transaction runs again", "error", err)
			time.Sleep(jitter(try))
		}
		var sure bool
		if sure, err = e.once(ctx, fn); err == nil || !sure || !again(err) || ctx.Err() != nil || time.Since(begun) > goesOn {
			break
		}
		if pg := pgError(err); pg != nil && pg.Code == codeDeadlock {
			e.ran.deadlocks.Add(1)
		}
	}
	err = named(err) // what was put may fail with the commit
	if errors.Is(err, engine.ErrHeld) {
		e.log.WarnContext(ctx, "a transaction gave up waiting for what another one holds", "after", time.Since(begun).Round(time.Millisecond), "error", err)
	}
	if e.hooks.Wrote != nil && (err == nil || errors.Is(err, idp.ErrUnwritable)) {
		e.hooks.Wrote(err)
	}
	return err
}

// jitter is how long to wait before a try: up to 20 ms, then up to 40.
func jitter(try int) time.Duration {
	var b [8]byte
	_, _ = rand.Read(b[:])                                                                // never fails
	return time.Duration(binary.BigEndian.Uint64(b[:])%uint64(20*try)) * time.Millisecond //nolint:gosec // small and positive
}

// once runs fn in one transaction. sure: with an error it is certain that nothing was
// committed.
func (e *Engine) once(ctx context.Context, fn func(engine.Work) error) (sure bool, err error) {
	c, err := e.pool.take(ctx)
	if err != nil {
		return true, err
	}
	defer e.pool.give(c)
	t := &tx{conn: c}
	w := e.hooks.Begin(t)
	w.Mark()
	if err := errors.Join(t.Put(begin), c.sendXID(&t.xid)); err != nil {
		return true, err
	}
	err = e.guard(w, fn)
	if err == nil && e.twice {
		err = e.again(t, w, fn)
	}
	if err == nil {
		err = w.Finish()
	}
	if err != nil {
		if t.dead() && !errors.As(err, new(*lostError)) { // gorm says in its own words that the connection is lost
			err = &lostError{err}
		}
		if e := pgError(err); e != nil && outdated(e) { // and that it is outdated
			t.stale = true
		}
		t.rollback()
		return true, err
	}
	return e.commit(t, w)
}

func (c *conn) sendXID(to *string) error {
	return c.send(op{query: "SELECT pg_current_xact_id()::text", dest: []any{to}}, nil)
}

// commit ends the transaction. What was put goes with it.
func (e *Engine) commit(t *tx, w engine.Work) (sure bool, err error) {
	if t.xid == "" { // nothing has been asked yet: afterwards nobody could ask what became of it
		if err := t.trip(); err != nil {
			t.rollback()
			return true, err
		}
	}
	var said string
	err = t.send(op{query: "COMMIT", tag: &said}, nil)
	if err == nil {
		err = t.trip()
	}
	lost := (*lostError)(nil)
	switch {
	case errors.As(err, &lost):
		if err := e.outcome(t, err); err != nil {
			return errors.Is(err, errAborted), err
		}
	case err != nil:
		t.rollback()
		return true, err
	case said != "COMMIT":
		return true, fmt.Errorf("the server did not commit, it says %s", said)
	}
	w.Committed()
	return true, nil
}

// rollback gives the transaction up. What waits goes before it, in the same trip.
func (t *tx) rollback() {
	if t.dead() {
		return
	}
	_ = errors.Join(t.send(op{query: "ROLLBACK"}, nil), t.trip()) // the server passes over it where something failed before
	if t.dead() || t.status == idle {
		return
	}
	if _, err := t.Exec("ROLLBACK"); err != nil && !t.dead() {
		_ = t.lost(err)
	}
}

var errAborted = errors.New("the transaction was not committed")

// outcome asks what became of a commit that was not answered. Errors: errAborted, joined with
// why; engine.ErrUnknown.
func (e *Engine) outcome(t *tx, why error) error {
	e.ran.unknown.Add(1)
	e.log.Warn("a commit was not answered; the database is asked what became of it", "error", why)
	ctx, cancel := context.WithTimeout(uncut, outcomeKnown)
	defer cancel()
	for try := 1; ; try++ {
		said, err := e.status(ctx, t)
		switch {
		case said == committed:
			return nil
		case said == aborted:
			return errors.Join(errAborted, why)
		case said == unknown || ctx.Err() != nil:
			return errors.Join(engine.ErrUnknown, why, err)
		}
		time.Sleep(min(jitter(try), 200*time.Millisecond) + 5*time.Millisecond)
	}
}

// What can be said of a transaction (pg_xact_status).
const (
	committed  = "committed"
	aborted    = "aborted"
	inProgress = "in progress"
	unknown    = "unknown" // and nobody will know more later
)

// status is what can be said of a transaction whose connection is gone; empty: it has to be
// asked again. One that is in progress is ended first.
//
// After a crash the server gives the numbers that it has lost to other transactions, so that
// what it says of a number may be of another one. A number that was to be found in its log
// was not lost: it is less than the next one of the checkpoint by which the server ended its
// recovery. A later checkpoint has a greater one; who asks is mostly earlier. A standby that
// takes over makes no such checkpoint.
func (e *Engine) status(ctx context.Context, t *tx) (said string, err error) {
	c, err := e.pool.fresh(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.close() }()
	if err := c.Row("SELECT coalesce(pg_xact_status(?::xid8), '')", []any{t.xid}, &said); err != nil {
		if pg := pgError(err); pg != nil && pg.Code == codeFuture && c.epoch != t.epoch {
			return aborted, nil // no transaction has the number yet
		}
		return "", err
	}
	switch {
	case said == aborted:
		return aborted, nil
	case said == inProgress && c.epoch == t.epoch:
		var ended bool
		err = c.Row("SELECT coalesce(bool_or(pg_terminate_backend(pid)), FALSE) FROM pg_stat_activity WHERE pid = ? AND backend_xid = ?::xid8::xid",
			[]any{int64(t.pg.PID()), t.xid}, &ended)
		return "", err
	case said == committed && c.epoch == t.epoch:
		return committed, nil
	case said != committed:
		return "", nil
	}
	var found bool
	err = c.Row("SELECT ?::bigint < split_part(next_xid, ':', 1)::bigint * 4294967296 + split_part(next_xid, ':', 2)::bigint FROM pg_control_checkpoint()", []any{t.xid}, &found)
	switch {
	case err != nil && c.dead():
		return "", err
	case err != nil: // it is not for everybody to ask
		return unknown, err
	case found:
		return committed, nil
	case c.epoch.started != t.epoch.started && c.epoch.timeline == t.epoch.timeline && c.epoch.timeline != "":
		return aborted, nil
	}
	return unknown, nil
}

// guard turns a panic of a function into an error.
func (e *Engine) guard(w engine.Work, fn func(engine.Work) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("panic in a transaction", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in a transaction: %v", p)
		}
	}()
	return fn(w)
}

// again undoes what a function has done and runs it once more, see Config.Twice.
func (e *Engine) again(t *tx, w engine.Work, fn func(engine.Work) error) error {
	first := w.Noted()
	w.Undo()
	if err := t.trip(); err != nil {
		return err
	}
	if _, err := t.Exec("ROLLBACK"); err != nil {
		return err
	}
	t.xid = ""
	if err := errors.Join(t.Put(begin), t.sendXID(&t.xid)); err != nil {
		return err
	}
	if err := e.guard(w, fn); err != nil {
		return fmt.Errorf("a transaction that ran well fails when it runs again: %w", err)
	}
	if second := w.Noted(); second != first { // or somebody else came between the two: then they agree the next time
		return fmt.Errorf("a transaction that left %d events leaves %d when it runs again: %w", first, second, engine.ErrAgain)
	}
	return nil
}

// Read is engine.Engine's.
func (e *Engine) Read() engine.Session { return &session{e} }

// session runs each statement that reads on a connection of the pool.
type session struct{ e *Engine }

// ORM is gorm on connections of its own.
func (s *session) ORM() *gorm.DB { return s.e.orm }

// Translate is engine.Session's.
func (s *session) Translate(err error) error { return named(err) }

// with runs a statement on a connection. Where the connection was lost before anything was
// answered it is tried on another one: it may have been idle while the server started anew.
func (s *session) with(use func(*conn) (begun bool, err error)) error {
	var err error
	since := time.Now()
	for try := range tries {
		if try > 0 {
			time.Sleep(jitter(try))
		}
		var begun bool
		if begun, err = s.once(use); err == nil || begun || !again(err) || time.Since(since) > goesOn {
			break
		}
	}
	return unwritable(err)
}

func (s *session) once(use func(*conn) (begun bool, err error)) (begun bool, err error) {
	c, err := s.e.pool.take(uncut)
	if err != nil {
		return false, err
	}
	defer s.e.pool.give(c)
	return use(c)
}

// Exec is engine.Statements'.
func (s *session) Exec(query string, args ...any) (n int64, err error) {
	err = s.with(func(c *conn) (bool, error) {
		n, err = c.Exec(query, args...)
		return true, err
	})
	return n, err
}

// Row is engine.Statements'.
func (s *session) Row(query string, args []any, dest ...any) error {
	return s.with(func(c *conn) (bool, error) { return false, c.Row(query, args, dest...) })
}

// Each is engine.Statements'.
func (s *session) Each(query string, args []any, next func() []any) error {
	return s.with(func(c *conn) (begun bool, err error) {
		err = c.Each(query, args, func() []any {
			begun = true
			return next()
		})
		return begun, err
	})
}
