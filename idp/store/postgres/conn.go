package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
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
// the next that is answered, and go to the server together with it, in one trip: one write, and
// what is read up to the server's ReadyForQuery. Not safe for concurrent use.
type conn struct {
	std    *stdlib.Conn // for gorm
	pg     *pgconn.PgConn
	front  *pgproto3.Frontend // reads what the server says
	stmts  map[string]*stmt
	named  int       // statements so far
	ops    []op      // statements that wait, or are on their way
	stale  bool      // it works, and is not to be used for another transaction
	age    int       // see pool
	status byte      // of the transaction, as the server last said: idle, or one of those it calls T and E
	until  time.Time // the deadline that it has
	epoch  epoch
	orm    *gorm.DB
	home   *sql.DB    // of orm
	trips  func([]op) // is told of each trip; nil: nobody wants to know. For tests.

	out []byte // what is sent with the next trip; its room is reused
}

// stmt is a statement that the server has prepared.
type stmt struct {
	*pgconn.StatementDescription
	head    []byte // of the message that binds arguments to it: portal and name
	tail    []byte // of that message: formats of the columns; and the message that executes it
	results []int16
	reads   bool // it changes nothing
}

// op is a statement on its way, and what becomes of its answer.
type op struct {
	query string
	stmt  *stmt
	dest  []any        // of the first row, nil: nobody wants it
	next  func() []any // of every row; nil: nobody wants the rows
	rows  int          // so far
	found *bool        // nil: nobody wants to know whether there was a row
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
	pg := std.Conn().PgConn()
	return &conn{std: std, pg: pg, front: pg.Frontend(), stmts: map[string]*stmt{}, status: idle}
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
	if err := c.answerSoon(); err != nil {
		return nil, err
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
	s := &stmt{StatementDescription: d, head: append(append([]byte{0}, d.Name...), 0), reads: reads(query)}
	s.tail = binary.BigEndian.AppendUint16(nil, uint16(len(d.Fields))) //nolint:gosec // columns of a statement of ours
	for _, f := range d.Fields {
		format := int16(0)
		switch f.DataTypeOID {
		case oidBool, oidBytes, oidInt8, oidInt2, oidInt4, oidText:
			format = 1
		}
		s.results = append(s.results, format)
		s.tail = append(s.tail, 0, byte(format))
	}
	s.tail = append(s.tail, 'E', 0, 0, 0, 9, 0, 0, 0, 0, 0) // the portal without a name, all rows
	c.stmts[query] = s
	return s, nil
}

// send adds a statement to those that wait.
func (c *conn) send(o op, args []any) error {
	s, err := c.prepare(o.query)
	if err != nil {
		return err
	}
	if len(args) != len(s.ParamOIDs) {
		return fmt.Errorf("%d arguments for %q", len(args), o.query)
	}
	begin := len(c.out)
	out := append(c.out, 'B', 0, 0, 0, 0)
	out = append(out, s.head...)
	n := uint16(len(args)) //nolint:gosec // as many as there are marks in a statement of ours
	out = binary.BigEndian.AppendUint16(out, n)
	formats := len(out)
	for range args {
		out = append(out, 0, 0)
	}
	out = binary.BigEndian.AppendUint16(out, n)
	for i, a := range args {
		at := len(out)
		out = append(out, 0, 0, 0, 0)
		var format byte
		if out, format, err = appendArgument(out, a, s.ParamOIDs[i], s.reads); err != nil {
			return fmt.Errorf("argument %d of %q: %w", i+1, o.query, err)
		}
		size := len(out) - at - 4
		if format == missing {
			out, size, format = out[:at+4], -1, 1
		}
		binary.BigEndian.PutUint32(out[at:], uint32(size)) //nolint:gosec // a message has less than 1 GB
		out[formats+2*i+1] = format
	}
	binary.BigEndian.PutUint32(out[begin+1:], uint32(len(out)-begin-1+len(s.tail)-executes)) //nolint:gosec // as above
	c.out = append(out, s.tail...)
	o.stmt = s
	c.ops = append(c.ops, o)
	return nil
}

const (
	executes = 10 // bytes of the message that executes
	missing  = 2  // in place of a format: there is no value
)

// appendArgument adds an argument to a message, and says in which format it is: 0 is text, 1 binary.
// reads: it is a statement's that changes nothing.
func appendArgument(out []byte, a any, oid uint32, reads bool) ([]byte, byte, error) {
	switch v := a.(type) {
	case string:
		return appendText(out, v, reads), 0, nil
	case *string:
		return appendText(out, *v, reads), 0, nil
	case int64:
		return appendNumber(out, v, oid)
	case *int64:
		return appendNumber(out, *v, oid)
	case int:
		return appendNumber(out, int64(v), oid)
	case bool:
		return appendTruth(out, v, oid)
	case *bool:
		return appendTruth(out, *v, oid)
	case []byte:
		return appendBlob(out, v)
	case *[]byte:
		return appendBlob(out, *v)
	}
	return out, 0, fmt.Errorf("%T is not kept", a)
}

func appendText(out []byte, s string, reads bool) []byte {
	if reads {
		s = asKept(s)
	}
	return append(out, s...)
}

func appendNumber(out []byte, n int64, oid uint32) ([]byte, byte, error) {
	if oid == oidInt8 {
		return binary.BigEndian.AppendUint64(out, uint64(n)), 1, nil //nolint:gosec // the bits, whatever the sign
	}
	return strconv.AppendInt(out, n, 10), 0, nil
}

// appendTruth adds a bool as it is kept: 1 or 0.
func appendTruth(out []byte, b bool, oid uint32) ([]byte, byte, error) {
	n := int64(0)
	if b {
		n = 1
	}
	return appendNumber(out, n, oid)
}

func appendBlob(out, b []byte) ([]byte, byte, error) {
	if b == nil {
		return out, missing, nil
	}
	return append(out, b...), 1, nil
}

// answerSoon gives the connection its deadline for the next trip: between seven eighths of
// answersWithin and the whole, so that it is not set for each.
func (c *conn) answerSoon() error {
	now := time.Now()
	if left := c.until.Sub(now); left <= answersWithin && left > answersWithin-answersWithin/8 {
		return nil
	}
	c.until = now.Add(answersWithin)
	if err := c.pg.Conn().SetDeadline(c.until); err != nil {
		return c.lost(err)
	}
	return nil
}

// trip sends what waits and reads all answers. Errors: the first one; what was sent behind it
// the server has passed over.
func (c *conn) trip() (err error) {
	if len(c.ops) == 0 {
		return nil
	}
	whole := false
	defer func() {
		if !whole { // whoever was to take a row has panicked
			_ = c.lost(errors.New("an answer was not read to its end"))
		}
	}()
	err = c.answers()
	whole = true
	clear(c.ops)
	c.ops = c.ops[:0]
	if e := pgError(err); e != nil && outdated(e) {
		c.stale = true
	}
	return err
}

// What the server says of a transaction in ReadyForQuery (PostgreSQL's Message Formats).
const idle = 'I'

// syncs ends a trip: the server answers all that came before it.
var syncs = []byte{'S', 0, 0, 0, 4}

const (
	atOnce = 32 << 10 // bytes that are written before anything is read: a server that waits until its answers are read, reads nothing
	keeps  = 64 << 10 // bytes of room that a connection keeps
)

// flush writes what waits. written is what came of it, and is asked for when all is read.
func (c *conn) flush() (written func() error) {
	out := append(c.out, syncs...)
	c.out = out[:0]
	if cap(out) > keeps {
		c.out = nil
	}
	if len(out) <= atOnce {
		_, err := c.pg.Conn().Write(out)
		return func() error { return err }
	}
	c.out = nil
	done := make(chan error, 1)
	go func() { // ends with the connection, which has a deadline
		_, err := c.pg.Conn().Write(out)
		done <- err
	}()
	return func() error { return <-done }
}

// answers is trip without what comes after.
func (c *conn) answers() error {
	ops := c.ops
	if c.trips != nil {
		c.trips(ops)
	}
	if err := c.answerSoon(); err != nil {
		return err
	}
	written := c.flush()
	var failed error
	for i := 0; ; {
		message, err := c.front.Receive()
		if err != nil {
			lost := c.lost(err)
			return errors.Join(failed, lost, written())
		}
		switch m := message.(type) {
		case *pgproto3.DataRow:
			if i >= len(ops) {
				return c.lost(errors.New("an answer to nothing"))
			}
			if err := ops[i].row(m.Values); err != nil && failed == nil {
				failed = ops[i].failed(err)
			}
		case *pgproto3.CommandComplete:
			if i >= len(ops) {
				return c.lost(errors.New("an answer to nothing"))
			}
			ops[i].done(m.CommandTag)
			i++
		case *pgproto3.EmptyQueryResponse:
			i++
		case *pgproto3.ErrorResponse:
			pg := pgconn.ErrorResponseToPgError(m)
			if fatal(pg) {
				lost := c.lost(pg)
				return errors.Join(failed, lost, written())
			}
			if failed == nil && i < len(ops) {
				failed = ops[i].failed(pg)
			} else if failed == nil {
				failed = pg
			}
			i = len(ops) // nothing else is answered until the sync
		case *pgproto3.ReadyForQuery:
			c.status = m.TxStatus
			if err := written(); err != nil {
				return errors.Join(failed, c.lost(err))
			}
			return failed
		case *pgproto3.BindComplete, *pgproto3.NoticeResponse, *pgproto3.ParameterStatus, *pgproto3.NotificationResponse:
		default:
			lost := c.lost(fmt.Errorf("%T in answer", m))
			return errors.Join(failed, lost, written())
		}
	}
}

// lostError says that it is not known what became of what was sent.
type lostError struct{ err error }

func (e *lostError) Error() string {
	return "the connection to the database was lost: " + e.err.Error()
}
func (e *lostError) Unwrap() error { return e.err }

// drop takes back what waits.
func (c *conn) drop() { c.ops, c.out = c.ops[:0], c.out[:0] }

// lost gives the connection up.
func (c *conn) lost(err error) error {
	c.drop()
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

// row takes a row of the answer.
func (o *op) row(values [][]byte) error {
	o.rows++
	switch {
	case o.next != nil:
		return o.assign(o.next(), values)
	case o.dest != nil && o.rows == 1:
		return o.assign(o.dest, values)
	}
	return nil
}

// done takes the end of the answer, which says what was done: "UPDATE 3".
func (o *op) done(tag []byte) {
	if o.found != nil {
		*o.found = o.rows > 0
	}
	if o.count != nil {
		*o.count = 0
		last := tag[bytes.LastIndexByte(tag, ' ')+1:]
		if n, err := strconv.ParseInt(string(last), 10, 64); err == nil { // else it counts nothing: "COMMIT"
			*o.count = n
		}
	}
	if o.tag != nil {
		*o.tag = string(tag)
	}
}

func (o *op) assign(dest []any, values [][]byte) error {
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
	err := c.send(op{query: query, dest: dest, found: &found}, args)
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
		c.home = sql.OpenDB(single{c.std, c.answerSoon})
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
		QueryFields:            true, // a column that a newer release adds is no part of an answer that was prepared
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
type single struct {
	*stdlib.Conn
	soon func() error // gives it its deadline
}

func (s single) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s single) Driver() driver.Driver                        { return stdlib.GetDefaultDriver() }
func (s single) Close() error                                 { return nil }
func (s single) ResetSession(context.Context) error           { return nil }

// ExecContext is driver.ExecerContext's.
func (s single) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := s.soon(); err != nil {
		return nil, err
	}
	return s.Conn.ExecContext(ctx, query, args)
}

// QueryContext is driver.QueryerContext's.
func (s single) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.soon(); err != nil {
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
