package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"hilum/idp"
)

// answersWithin bounds how long one trip to the server takes: what is not answered then is
// taken for lost, with its connection. It is longer than lockTimeout, which the server keeps.
// Tests make it shorter.
var answersWithin = 30 * time.Second

// What is done on a connection has no context: what ends is checked before, and what hangs ends
// by the deadline of the connection.
var uncut = context.Background()

// conn runs statements on a connection, past pgx and database/sql. Those that are put wait for
// the next that is answered, and go to the server together with it, in one trip. Not safe for
// concurrent use.
type conn struct {
	std   *stdlib.Conn // for gorm
	pg    *pgconn.PgConn
	pipe  *pgconn.Pipeline // nil: there is none
	stmts map[string]*stmt
	named int  // statements so far
	sent  []op // what the pipe has and nobody has read yet
	stale bool // it works, and is not to be used for another transaction
	epoch epoch
	orm   *gorm.DB
	home  *sql.DB    // of orm
	trips func([]op) // is told of each trip; nil: nobody wants to know. For tests.

	// Reused from statement to statement.
	reads   bool // the statement changes nothing
	room    []byte
	values  [][]byte
	formats []int16
}

// stmt is a statement that the server has prepared.
type stmt struct {
	*pgconn.StatementDescription
	results []int16
}

// op is a statement on its way, and what becomes of its answer.
type op struct {
	query string
	stmt  *stmt
	next  func() []any // nil: nobody wants the rows
	once  bool         // the first row is enough
	count *int64       // nil: nobody wants to know how many rows were changed
	tag   *string      // nil: nobody wants to know what the server says that it did
	none  error        // in place of a division by zero, see Must; nil: that itself
}

// OIDs of the types that columns and arguments have (pg_type.dat).
const (
	oidBool  = 16
	oidBytes = 17
	oidInt8  = 20
	oidInt2  = 21
	oidInt4  = 23
	oidText  = 25
)

func newConn(std *stdlib.Conn) *conn {
	return &conn{std: std, pg: std.Conn().PgConn(), stmts: map[string]*stmt{}, room: make([]byte, 0, 1024)} // an empty text is none that is missing
}

// epoch is a time in which a server does not forget what it was told. After a crash it may give
// the number of a transaction that it has lost to another one.
type epoch struct {
	started  string // the server
	counting string // since when it counts what it does: from anew after each crash
	timeline string
}

// learn finds out in which epoch the connection is. Who may not ask for the timeline does without.
func (c *conn) learn() error {
	const known = "SELECT pg_postmaster_start_time()::text, coalesce(stats_reset::text, '')"
	err := c.Row(known+", timeline_id::text FROM pg_stat_bgwriter, pg_control_checkpoint()", nil, &c.epoch.started, &c.epoch.counting, &c.epoch.timeline)
	if err != nil && !c.dead() {
		err = c.Row(known+" FROM pg_stat_bgwriter", nil, &c.epoch.started, &c.epoch.counting)
	}
	return err
}

// dead reports whether the connection is of no use any more.
func (c *conn) dead() bool { return c.pg.IsClosed() }

func (c *conn) prepare(query string) (*stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	if err := c.trip(); err != nil {
		return nil, err
	}
	if err := c.pg.Conn().SetDeadline(time.Now().Add(answersWithin)); err != nil {
		return nil, c.lost(err)
	}
	c.named++
	d, err := c.pg.Prepare(uncut, "h"+strconv.Itoa(c.named), rewrite(query), nil)
	if err != nil {
		err = fmt.Errorf("%q: %w", query, err)
		if e := pgError(err); e == nil || fatal(e) || c.dead() {
			return nil, c.lost(err)
		}
		return nil, err
	}
	s := &stmt{StatementDescription: d}
	for _, f := range d.Fields {
		format := int16(0)
		switch f.DataTypeOID {
		case oidBool, oidBytes, oidInt8, oidInt2, oidInt4, oidText:
			format = 1
		}
		s.results = append(s.results, format)
	}
	c.stmts[query] = s
	return s, nil
}

// send hands a statement to the pipe.
func (c *conn) send(o op, args []any) error {
	s, err := c.prepare(o.query)
	if err != nil {
		return err
	}
	if len(args) != len(s.ParamOIDs) {
		return fmt.Errorf("%d arguments for %q", len(args), o.query)
	}
	c.room, c.values, c.formats = c.room[:0], c.values[:0], c.formats[:0]
	c.reads = reads(o.query)
	for i, a := range args {
		if err := c.argument(a, s.ParamOIDs[i]); err != nil {
			return fmt.Errorf("argument %d of %q: %w", i+1, o.query, err)
		}
	}
	c.begin()
	c.pipe.SendQueryStatement(s.StatementDescription, c.values, c.formats, s.results)
	o.stmt = s
	c.sent = append(c.sent, o)
	return nil
}

// begin opens the pipe.
func (c *conn) begin() {
	if c.pipe == nil {
		c.pipe = c.pg.StartPipeline(uncut)
	}
}

// argument adds an argument to those of the statement that is about to be sent.
func (c *conn) argument(a any, oid uint32) error {
	switch v := a.(type) {
	case string:
		c.text(v)
	case *string:
		c.text(*v)
	case int64:
		c.number(v, oid)
	case *int64:
		c.number(*v, oid)
	case int:
		c.number(int64(v), oid)
	case bool:
		c.truth(v, oid)
	case *bool:
		c.truth(*v, oid)
	case []byte:
		c.blob(v)
	case *[]byte:
		c.blob(*v)
	default:
		return fmt.Errorf("%T is not kept", a)
	}
	return nil
}

// grown is the room with n bytes more, and those bytes.
func (c *conn) grown(n int) []byte {
	at := len(c.room)
	if cap(c.room)-at < n {
		c.room = make([]byte, 0, max(1024, 2*n)) // what has been taken of the old stays where it is
		at = 0
	}
	c.room = c.room[:at+n]
	return c.room[at : at+n : at+n]
}

func (c *conn) add(v []byte, format int16) {
	c.values, c.formats = append(c.values, v), append(c.formats, format)
}

func (c *conn) text(s string) {
	if c.reads {
		s = asKept(s)
	}
	b := c.grown(len(s))
	copy(b, s)
	c.add(b, 0)
}

func (c *conn) number(n int64, oid uint32) {
	if oid == oidInt8 {
		b := c.grown(8)
		binary.BigEndian.PutUint64(b, uint64(n)) //nolint:gosec // the bits, whatever the sign
		c.add(b, 1)
		return
	}
	c.text(strconv.FormatInt(n, 10))
}

// truth is a bool as it is kept: 1 or 0.
func (c *conn) truth(b bool, oid uint32) {
	n := int64(0)
	if b {
		n = 1
	}
	c.number(n, oid)
}

func (c *conn) blob(b []byte) { c.add(b, 1) }

// trip sends what waits and reads all answers. Errors: the first one; what was sent behind it
// the server has passed over. A pipe is for one trip: after an error pgx takes the answers to
// what follows for those to what was passed over.
func (c *conn) trip() (err error) {
	if c.pipe == nil {
		return nil
	}
	ops, whole := c.sent, false
	defer func() {
		if !whole { // whoever was to take a row has panicked
			_ = c.lost(errors.New("an answer was not read to its end"))
		}
	}()
	err = c.answers(ops)
	if whole = true; c.pipe == nil { // lost
		return err
	}
	closed := c.pipe.Close()
	c.pipe, c.sent = nil, c.sent[:0]
	if closed != nil {
		return errors.Join(err, c.lost(closed))
	}
	if e := pgError(err); e != nil && outdated(e) {
		c.stale = true
	}
	return err
}

// answers is trip with the pipe left open.
func (c *conn) answers(ops []op) error {
	if c.trips != nil {
		c.trips(ops)
	}
	if err := c.pg.Conn().SetDeadline(time.Now().Add(answersWithin)); err != nil {
		return c.lost(err)
	}
	if err := c.pipe.Sync(); err != nil {
		return c.lost(err)
	}
	var failed error
	for i := 0; ; {
		r, err := c.pipe.GetResults()
		if err != nil {
			if pg := pgError(err); pg == nil || c.dead() || fatal(pg) {
				return errors.Join(failed, c.lost(err))
			}
			if failed == nil && i < len(ops) {
				failed = ops[i].failed(err)
			} else if failed == nil {
				failed = err
			}
			i = len(ops) // nothing else is answered until the sync
			continue
		}
		switch r := r.(type) {
		case *pgconn.PipelineSync:
			return failed
		case *pgconn.ResultReader:
			if i >= len(ops) {
				return c.lost(errors.New("an answer to nothing"))
			}
			err := ops[i].read(r)
			if err != nil && failed == nil {
				failed = ops[i].failed(err)
			}
			if c.dead() {
				return c.lost(errors.Join(failed, err))
			}
			if pgError(err) != nil {
				i = len(ops)
				continue
			}
			i++
		default:
			return errors.Join(failed, c.lost(fmt.Errorf("%T in answer", r)))
		}
	}
}

// lostError says that it is not known what became of what was sent.
type lostError struct{ err error }

func (e *lostError) Error() string {
	return "the connection to the database was lost: " + e.err.Error()
}
func (e *lostError) Unwrap() error { return e.err }

// lost gives the connection up.
func (c *conn) lost(err error) error {
	c.pipe, c.sent = nil, c.sent[:0]
	_ = c.pg.Conn().Close() // it is of no use, whatever that says
	ended, cancel := context.WithCancel(uncut)
	cancel()
	_ = c.pg.Close(ended)
	return &lostError{err}
}

// failed is the error of a statement, by what the server has said of it.
func (o *op) failed(err error) error {
	if e := pgError(err); o.none != nil && e != nil && e.Code == codeNone {
		return o.none
	}
	return fmt.Errorf("%q: %w", o.query, err)
}

// read reads the answer to a statement.
func (o *op) read(r *pgconn.ResultReader) (err error) {
	done := false
	for r.NextRow() {
		if o.next == nil || done || err != nil {
			continue
		}
		done = o.once
		err = o.assign(r.Values())
	}
	tag, failed := r.Close()
	if o.count != nil {
		*o.count = tag.RowsAffected()
	}
	if o.tag != nil {
		*o.tag = tag.String()
	}
	return errors.Join(failed, err)
}

func (o *op) assign(values [][]byte) error {
	dest := o.next()
	if len(dest) != len(values) {
		return fmt.Errorf("%d destinations for %d columns", len(dest), len(values))
	}
	for i, d := range dest {
		f := &o.stmt.Fields[i]
		if err := assign(d, values[i], f.DataTypeOID, o.stmt.results[i] == 1); err != nil {
			return fmt.Errorf("column %s: %w", f.Name, err)
		}
	}
	return nil
}

// assign puts what the server has returned into a field.
func assign(dest any, v []byte, oid uint32, binaryForm bool) error {
	switch d := dest.(type) {
	case *string:
		if v != nil && (oid == oidText || !binaryForm) {
			*d = string(v)
			return nil
		}
	case *[]byte:
		if v == nil {
			*d = nil
			return nil
		}
		if oid == oidBytes {
			*d = append(make([]byte, 0, len(v)), v...)
			return nil
		}
	case *int64:
		n, err := number(v, oid, binaryForm)
		*d = n
		return err
	case *bool:
		n, err := number(v, oid, binaryForm)
		*d = n != 0
		return err
	}
	return fmt.Errorf("type %d is kept, %T wanted", oid, dest)
}

func number(v []byte, oid uint32, binaryForm bool) (int64, error) {
	switch {
	case v == nil:
	case !binaryForm:
		return strconv.ParseInt(string(v), 10, 64)
	case oid == oidInt8 && len(v) == 8:
		return int64(binary.BigEndian.Uint64(v)), nil //nolint:gosec // the bits, whatever the sign
	case oid == oidInt4 && len(v) == 4:
		return int64(int32(binary.BigEndian.Uint32(v))), nil //nolint:gosec // as above
	case oid == oidInt2 && len(v) == 2:
		return int64(int16(binary.BigEndian.Uint16(v))), nil //nolint:gosec // as above
	case oid == oidBool && len(v) == 1:
		return int64(v[0]), nil
	}
	return 0, fmt.Errorf("type %d is kept, a number wanted", oid)
}

// Exec is engine.Statements'.
func (c *conn) Exec(query string, args ...any) (n int64, err error) {
	if err := c.send(op{query: query, count: &n}, args); err != nil {
		return 0, named(err)
	}
	return n, named(c.trip())
}

// Put is engine.Tx's.
func (c *conn) Put(query string, args ...any) error {
	return named(c.send(op{query: query}, args))
}

// Later is engine.Tx's.
func (c *conn) Later(query string, args []any, next func() []any) error {
	return named(c.send(op{query: query, next: next}, args))
}

// Sure is engine.Tx's. A change that meets no row divides by zero, which undoes the transaction
// before the commit that may be on its way behind it.
func (c *conn) Sure(query string, args ...any) error {
	return named(c.send(op{query: "WITH changed AS (" + query + " RETURNING 1) SELECT 1 / count(*) FROM changed"}, args))
}

// Must is engine.Tx's. It divides by zero, as Sure does.
func (c *conn) Must(otherwise error, query string, args ...any) error {
	return named(c.send(op{query: "SELECT 1 / count(*) FROM (" + query + ") AS found", none: otherwise}, args))
}

// Row is engine.Statements'.
func (c *conn) Row(query string, args []any, dest ...any) error {
	found := false
	err := c.send(op{query: query, once: true, next: func() []any {
		found = true
		return dest
	}}, args)
	if err == nil {
		err = c.trip()
	}
	if err == nil && !found {
		return idp.ErrNotFound
	}
	return named(err)
}

// Each is engine.Statements'.
func (c *conn) Each(query string, args []any, next func() []any) error {
	if err := c.send(op{query: query, next: next}, args); err != nil {
		return named(err)
	}
	return named(c.trip())
}

// ORM is gorm on this connection.
func (c *conn) ORM() *gorm.DB {
	failed := c.trip()
	if c.orm == nil {
		c.home = sql.OpenDB(single{c.std})
		c.home.SetMaxOpenConns(1)
		var err error
		if c.orm, err = newORM(c.home); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	g := c.orm.Session(&gorm.Session{})
	if failed != nil {
		_ = g.AddError(failed)
	}
	return g
}

// Translate is engine.Session's.
func (c *conn) Translate(err error) error { return named(err) }

func newORM(on gorm.ConnPool) (*gorm.DB, error) {
	return gorm.Open(postgres.New(postgres.Config{Conn: on}), &gorm.Config{
		PrepareStmt:            false,
		SkipDefaultTransaction: true, // there is one already, or it is a read
		TranslateError:         true,
		DisableAutomaticPing:   true,
		Logger:                 logger.Discard, // it would log values
	})
}

// close closes the connection.
func (c *conn) close() error {
	if c.home != nil {
		_ = c.home.Close() // closes nothing: single
	}
	if c.dead() {
		return nil
	}
	ctx, cancel := context.WithTimeout(uncut, time.Second)
	defer cancel()
	return c.pg.Close(ctx)
}

// single is a connector for database/sql, and gorm above it, to one connection that this
// package uses too, and closes. Both take turns: it is for one goroutine.
type single struct{ *stdlib.Conn }

func (s single) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s single) Driver() driver.Driver                        { return stdlib.GetDefaultDriver() }
func (s single) Close() error                                 { return nil }
func (s single) ResetSession(context.Context) error           { return nil }

// ExecContext is driver.ExecerContext's.
func (s single) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := s.Conn.Conn().PgConn().Conn().SetDeadline(time.Now().Add(answersWithin)); err != nil {
		return nil, err
	}
	return s.Conn.ExecContext(ctx, query, args)
}

// QueryContext is driver.QueryerContext's.
func (s single) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.Conn.Conn().PgConn().Conn().SetDeadline(time.Now().Add(answersWithin)); err != nil {
		return nil, err
	}
	if reads(query) {
		for i, a := range args {
			if text, ok := a.Value.(string); ok {
				args[i].Value = asKept(text)
			}
		}
	}
	return s.Conn.QueryContext(ctx, query, args)
}

// CheckNamedValue makes a bool the number that it is kept as.
func (s single) CheckNamedValue(v *driver.NamedValue) error {
	if b, ok := v.Value.(bool); ok {
		v.Value = int64(0)
		if b {
			v.Value = int64(1)
		}
		return nil
	}
	return s.Conn.CheckNamedValue(v)
}
