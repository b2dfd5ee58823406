package pgtest

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"
)

// Rows asks a database, past the store, and returns the rows of the answer as text.
func Rows(ctx context.Context, url, query string, args ...string) ([][]string, error) {
	c, err := pgconn.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer c.Close(ctx)
	values := make([][]byte, len(args))
	for i, a := range args {
		values[i] = []byte(a)
	}
	read := c.ExecParams(ctx, query, values, nil, nil, nil).Read()
	var rows [][]string
	for _, r := range read.Rows {
		row := make([]string, len(r))
		for i, v := range r {
			row[i] = string(v)
		}
		rows = append(rows, row)
	}
	return rows, read.Err
}
