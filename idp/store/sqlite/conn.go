package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// conn runs statements on a connection of the driver, past database/sql: that
// would add half as much again to each, for a pool that is not needed and
// conversions that are not either. Not safe for concurrent use.
type conn struct {
	driver    driver.Conn
	translate func(error) error // gives errors of the database their names here
	stmts     map[string]*stmt

	// Reused from statement to statement.
	args   []driver.NamedValue
	values []driver.Value
}

type stmt struct {
	driver.Stmt
	inputs  int
	columns int // known after the first row
}

func newConn(c driver.Conn, translate func(error) error) *conn {
	return &conn{driver: c, translate: translate, stmts: map[string]*stmt{}}
}

// The driver starts a goroutine for every step of a statement whose context
// can end, so statements get one that cannot. What ends is checked before.
var uncut = context.Background()

func (c *conn) prepare(query string, args []any) (*stmt, error) {
	s, ok := c.stmts[query]
	if !ok {
		prepared, err := c.driver.Prepare(query)
		if err != nil {
			return nil, err
		}
		s = &stmt{Stmt: prepared, inputs: prepared.NumInput()}
		c.stmts[query] = s
	}
	if len(args) != s.inputs {
		return nil, fmt.Errorf("%d arguments for %q", len(args), query)
	}
	c.args = c.args[:0]
	for i, a := range args {
		v, err := valueOf(a)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return s, nil
}

func (c *conn) Exec(query string, args ...any) (int64, error) {
	s, err := c.prepare(query, args)
	if err != nil {
		return 0, err
	}
	r, err := s.Stmt.(driver.StmtExecContext).ExecContext(uncut, c.args)
	if err != nil {
		return 0, c.translate(err)
	}
	return r.RowsAffected()
}

func (c *conn) Row(query string, args []any, dest ...any) error {
	found := false
	err := c.read(query, args, func() []any {
		found = true
		return dest
	}, true)
	if err == nil && !found {
		return idp.ErrNotFound
	}
	return err
}

func (c *conn) Each(query string, args []any, next func() []any) error {
	return c.read(query, args, next, false)
}

func (c *conn) read(query string, args []any, next func() []any, once bool) (err error) {
	s, err := c.prepare(query, args)
	if err != nil {
		return err
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(uncut, c.args)
	if err != nil {
		return c.translate(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if s.columns == 0 {
		s.columns = len(rows.Columns())
	}
	if len(c.values) < s.columns {
		c.values = make([]driver.Value, s.columns)
	}
	for {
		switch err := rows.Next(c.values[:s.columns]); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return c.translate(err)
		}
		dest := next()
		if len(dest) != s.columns {
			return fmt.Errorf("%d destinations for %q", len(dest), query)
		}
		for i, d := range dest {
			if err := assign(d, c.values[i]); err != nil {
				return fmt.Errorf("column %d of %q: %w", i+1, query, err)
			}
		}
		if once {
			return nil
		}
	}
}

// close closes the connection and what was prepared on it.
func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.driver.Close())...)
}

// valueOf is an argument as the driver takes it.
func valueOf(a any) (driver.Value, error) {
	switch a := a.(type) {
	case string, int64, bool, []byte:
		return a, nil
	case int:
		return int64(a), nil
	case *string:
		return *a, nil
	case *int64:
		return *a, nil
	case *bool:
		return *a, nil
	case *[]byte:
		return *a, nil
	}
	return nil, fmt.Errorf("%T is not kept", a)
}

// assign puts what the driver returned into a field.
func assign(dest any, v driver.Value) error {
	switch d := dest.(type) {
	case *string:
		if s, ok := v.(string); ok {
			*d = s
			return nil
		}
	case *int64:
		if n, ok := v.(int64); ok {
			*d = n
			return nil
		}
	case *bool:
		switch b := v.(type) {
		case int64:
			*d = b != 0
			return nil
		case bool:
			*d = b
			return nil
		}
	case *[]byte:
		if b, ok := v.([]byte); ok || v == nil { // NULL: there is none
			*d = b
			return nil
		}
	}
	return fmt.Errorf("%T is kept, %T wanted", v, dest)
}

// pool runs each statement that reads on a connection of its own. Safe for
// concurrent use.
type pool struct {
	free chan *conn // nil: one that may be opened
	open func() (*conn, error)
	quit chan struct{} // closed: lend no more
}

func newPool(size int, open func() (*conn, error)) *pool {
	p := &pool{free: make(chan *conn, size), open: open, quit: make(chan struct{})}
	for range size {
		p.free <- nil
	}
	return p
}

func (p *pool) with(use func(*conn) error) error {
	var c *conn
	select {
	case c = <-p.free:
	case <-p.quit:
		return engine.ErrClosed
	}
	defer func() { p.free <- c }()
	if c == nil {
		var err error
		if c, err = p.open(); err != nil {
			return err
		}
	}
	return use(c)
}

func (p *pool) Exec(query string, args ...any) (n int64, err error) {
	err = p.with(func(c *conn) error {
		n, err = c.Exec(query, args...)
		return err
	})
	return n, err
}

func (p *pool) Row(query string, args []any, dest ...any) error {
	return p.with(func(c *conn) error { return c.Row(query, args, dest...) })
}

func (p *pool) Each(query string, args []any, next func() []any) error {
	return p.with(func(c *conn) error { return c.Each(query, args, next) })
}

// close waits for the reads under way and closes all connections. Reads that
// come later fail.
func (p *pool) close() error {
	close(p.quit)
	var errs []error
	for range cap(p.free) {
		if c := <-p.free; c != nil {
			errs = append(errs, c.close())
		}
	}
	return errors.Join(errs...)
}

// single is a connector for database/sql, and gorm above it, to one connection that this
// package uses too, and closes. Both take turns: it is for one goroutine.
type single struct {
	driver.Conn
	of driver.Driver
}

func (s single) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s single) Driver() driver.Driver                        { return s.of }
func (s single) Close() error                                 { return nil }
