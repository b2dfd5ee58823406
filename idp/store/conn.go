package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"

	"hilum/idp"
)

// conn runs statements that are written by hand, each prepared at its first
// use. Their texts are constants or made from constants.
type conn struct {
	prepare   func(ctx context.Context, query string) (*sql.Stmt, error)
	translate func(error) error
	stmts     sync.Map // text → *sql.Stmt
}

// The driver starts a goroutine for every step of a statement whose context
// can end, so statements get one that cannot. What ends is checked before.
var uncut = context.Background()

func (c *conn) stmt(query string) (*sql.Stmt, error) {
	if s, ok := c.stmts.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := c.prepare(uncut, query)
	if err != nil {
		return nil, err
	}
	if before, raced := c.stmts.LoadOrStore(query, s); raced {
		return before.(*sql.Stmt), s.Close()
	}
	return s, nil
}

// exec returns how many rows were changed. Errors: idp.ErrConflict.
func (c *conn) exec(query string, args ...any) (int64, error) {
	s, err := c.stmt(query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(uncut, args...)
	if err != nil {
		return 0, c.translate(err)
	}
	return r.RowsAffected()
}

// row reads one row into dest. Errors: idp.ErrNotFound.
func (c *conn) row(query string, args []any, dest ...any) error {
	s, err := c.stmt(query)
	if err != nil {
		return err
	}
	err = s.QueryRowContext(uncut, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return idp.ErrNotFound
	}
	return err
}

// hotRow is a row of the hot paths: its fields as pointers, in the order of its columns.
type hotRow[T any] interface {
	*T
	fields() []any
}

// list reads all rows of a query.
func list[T any, R hotRow[T]](c *conn, query string, args ...any) ([]T, error) {
	s, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(uncut, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var row T
		if err := rows.Scan(R(&row).fields()...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// insertInto is the statement that inserts a row with these columns.
func insertInto(table, columns string) string {
	n := strings.Count(columns, ",")
	return "INSERT INTO " + table + " (" + columns + ") VALUES (?" + strings.Repeat(", ?", n) + ")"
}

// updateRow is the statement that writes all columns but the first, which is the key.
func updateRow(table, columns string) string {
	key, rest, _ := strings.Cut(columns, ", ")
	return "UPDATE " + table + " SET " + strings.ReplaceAll(rest, ",", " = ?,") + " = ? WHERE " + key + " = ?"
}

// update writes a row by a statement of updateRow. Errors: idp.ErrNotFound.
func (c *conn) update(query string, fields []any) error {
	n, err := c.exec(query, append(fields[1:], fields[0])...)
	if err == nil && n == 0 {
		return idp.ErrNotFound
	}
	return err
}

// qualified puts the name of a table before each column.
func qualified(table, columns string) string {
	return table + "." + strings.ReplaceAll(columns, ", ", ", "+table+".")
}
