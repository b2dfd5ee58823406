package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"hilum/idp/store/engine"
)

// pool lends connections, each to one at a time. Those that were used last are lent first, so
// that a quiet night needs few. Safe for concurrent use.
type pool struct {
	open func(context.Context) (*conn, error)
	room chan struct{} // has a token for each connection that may be lent

	mu     sync.Mutex
	idle   []*conn
	age    int // of the connections that are opened now: those of an earlier one are not lent again
	closed chan struct{}

	// While no connection can be opened one at a time is tried: a server that comes back is
	// not to be met by all who wait.
	turn    chan struct{}
	fault   error // nil: the last one could be opened
	faultAt time.Time
}

const (
	takesIn   = 10 * time.Second      // a connection is lent, or none
	openAgain = 50 * time.Millisecond // between two that cannot be opened
)

// errBusy says that no connection became free in time.
var errBusy = errors.New("no connection to the database is free")

func newPool(size int, open func(context.Context) (*conn, error)) *pool {
	p := &pool{open: open, room: make(chan struct{}, size), closed: make(chan struct{}), turn: make(chan struct{}, 1)}
	for range size {
		p.room <- struct{}{}
	}
	return p
}

// take lends a connection. Errors: that of opening one; errBusy; ctx's; engine.ErrClosed.
func (p *pool) take(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-p.closed:
		return nil, engine.ErrClosed
	default:
	}
	begun := time.Now()
	select {
	case <-p.room:
	default:
		if err := p.wait(ctx); err != nil {
			return nil, err
		}
	}
	for c := p.last(); c != nil; c = p.last() {
		switch {
		case c.stale: // and in good order
		case usable(c.pg):
			return c, nil
		default:
			_ = c.lost(errors.New("it was closed while nobody used it"))
		}
		_ = c.close()
	}
	opening, cancel := context.WithDeadline(ctx, begun.Add(takesIn))
	defer cancel()
	c, err := p.opened(opening)
	if err != nil {
		p.room <- struct{}{}
		return nil, waited(ctx, err)
	}
	return c, nil
}

// wait waits until a connection may be lent.
func (p *pool) wait(ctx context.Context) error {
	patience, cancel := context.WithTimeout(ctx, takesIn)
	defer cancel()
	select {
	case <-p.room:
		return nil
	case <-p.closed:
		return engine.ErrClosed
	case <-patience.Done():
		return waited(ctx, patience.Err())
	}
}

// waited is the error of a wait that a context has bounded: that of ctx, of whom the wait was
// for, says nothing of the server where they have gone.
func waited(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case ctx.Err() != nil:
		return errors.Join(errBusy, ctx.Err(), err)
	case errors.Is(err, context.DeadlineExceeded):
		return errors.Join(errBusy, err)
	}
	return err
}

// last takes the connection out that was used last; nil: there is none.
func (p *pool) last() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle = p.idle[:n-1]
	c.stale = c.age < p.age
	return c
}

// opened opens a connection.
func (p *pool) opened(ctx context.Context) (*conn, error) {
	if _, fault := p.known(); fault != nil {
		select {
		case p.turn <- struct{}{}:
			defer func() { <-p.turn }()
		case <-ctx.Done():
			return nil, errors.Join(fault, ctx.Err())
		}
		if at, fault := p.known(); fault != nil && time.Since(at) < openAgain {
			return nil, fault
		}
	}
	p.mu.Lock()
	age := p.age // before it is opened
	p.mu.Unlock()
	c, err := p.open(ctx)
	if err == nil {
		c.age = age
	}
	if err == nil || ctx.Err() == nil { // who goes away says nothing of the server
		p.mu.Lock()
		p.fault, p.faultAt = err, time.Now()
		p.mu.Unlock()
	}
	return c, err
}

// known is when a connection was last opened or could not be, and why.
func (p *pool) known() (at time.Time, fault error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faultAt, p.fault
}

// give takes a connection back. What makes one stale makes all that were opened before: a
// transaction that runs again would meet one after the other.
func (p *pool) give(c *conn) {
	if c.stale {
		p.mu.Lock()
		p.age = max(p.age, c.age+1)
		p.mu.Unlock()
	}
	if !c.dead() && (len(c.ops) > 0 || c.status != idle) {
		_ = c.lost(errors.New("a transaction was left open"))
	}
	if c.dead() || c.stale {
		_ = c.close()
	} else {
		p.mu.Lock()
		p.idle = append(p.idle, c)
		p.mu.Unlock()
	}
	p.room <- struct{}{}
}

// fresh opens a connection that is nobody's and in no pool: whoever asks for it closes it.
func (p *pool) fresh(ctx context.Context) (*conn, error) { return p.opened(ctx) }

// close waits for the connections that are lent and closes all. Whoever wants one later gets
// none.
func (p *pool) close() error {
	close(p.closed)
	for range cap(p.room) {
		<-p.room
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, c := range p.idle {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// boolean is a connector whose connections keep a bool as the number that it is kept as.
type boolean struct{ driver.Connector }

// Connect is driver.Connector's.
func (b boolean) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := b.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	std := c.(*stdlib.Conn)
	return counting{single{std, func() error {
		return std.Conn().PgConn().Conn().SetDeadline(time.Now().Add(answersWithin))
	}}}, nil
}

// counting is a connection of database/sql's own that keeps a bool as a number.
type counting struct{ single }

// Close is driver.Conn's.
func (c counting) Close() error { return c.Conn.Close() }

// ResetSession is driver.SessionResetter's: before a statement, the first one aside.
func (c counting) ResetSession(ctx context.Context) error {
	if !usable(c.Conn.Conn().PgConn()) {
		return driver.ErrBadConn
	}
	return c.Conn.ResetSession(ctx)
}

// QueryContext is single's. What was prepared for tables that have changed since is prepared anew:
// pgx has forgotten it by the time that it says so. A connection that is lost before the first row
// is told as driver.ErrBadConn: what reads is then tried on another one.
func (c counting) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.single.QueryContext(ctx, query, args)
	e := pgError(err)
	if e != nil && unprepared(e) {
		rows, err = c.single.QueryContext(ctx, query, args)
		e = pgError(err)
	}
	if err == nil || ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) { // who was silent for so long is not asked again
		return rows, err
	}
	if e == nil && away(err) || e != nil && fatal(e) {
		return nil, errors.Join(driver.ErrBadConn, err)
	}
	return rows, err
}
