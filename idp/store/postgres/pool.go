package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"

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
	closed chan struct{}
}

// errBusy says that no connection became free in time.
var errBusy = errors.New("no connection to the database is free")

func newPool(size int, open func(context.Context) (*conn, error)) *pool {
	p := &pool{open: open, room: make(chan struct{}, size), closed: make(chan struct{})}
	for range size {
		p.room <- struct{}{}
	}
	return p
}

// take lends a connection. Errors: that of opening one; ctx's; engine.ErrClosed.
func (p *pool) take(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-p.closed:
		return nil, engine.ErrClosed
	default:
	}
	select {
	case <-p.room:
	case <-p.closed:
		return nil, engine.ErrClosed
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, errors.Join(errBusy, ctx.Err())
		}
		return nil, ctx.Err()
	}
	for {
		p.mu.Lock()
		var c *conn
		if n := len(p.idle); n > 0 {
			c, p.idle = p.idle[n-1], p.idle[:n-1]
		}
		p.mu.Unlock()
		if c == nil {
			break
		}
		if !c.dead() {
			return c, nil
		}
	}
	c, err := p.open(ctx)
	if err != nil {
		p.room <- struct{}{}
		if ctx.Err() != nil {
			err = ctx.Err() // the caller has gone: that says nothing of the server
		}
	}
	return c, err
}

// give takes a connection back.
func (p *pool) give(c *conn) {
	if !c.dead() && c.pg.TxStatus() != 'I' {
		_ = c.lost(errors.New("a transaction was left open"))
	}
	if c.dead() {
		_ = c.close()
	} else {
		p.mu.Lock()
		p.idle = append(p.idle, c)
		p.mu.Unlock()
	}
	p.room <- struct{}{}
}

// fresh opens a connection that is nobody's and in no pool: whoever asks for it closes it.
func (p *pool) fresh(ctx context.Context) (*conn, error) { return p.open(ctx) }

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
	return counting{c.(*stdlib.Conn)}, nil
}

// counting is a connection that keeps a bool as a number.
type counting struct{ *stdlib.Conn }

// CheckNamedValue is single's.
func (c counting) CheckNamedValue(v *driver.NamedValue) error {
	return single(c).CheckNamedValue(v)
}
