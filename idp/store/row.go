package store

import (
	"strings"
)

// hotRow is a row that is read by hand-written SQL: pointers to its fields, in the order
// of its columns.
type hotRow[T any] interface {
	*T
	fields() []any
}

// list reads all rows of a query.
func list[T any, R hotRow[T]](s statements, query string, args ...any) ([]T, error) {
	var out []T
	err := s.Each(query, args, func() []any {
		var row T
		out = append(out, row)
		return R(&out[len(out)-1]).fields()
	})
	return out, err
}

// listLater reads all rows of a query into a list, with the next statement that is answered.
func listLater[T any, R hotRow[T]](t *tx, to *[]T, query string, args ...any) error {
	return t.later(query, args, func() []any {
		var row T
		*to = append(*to, row)
		return R(&(*to)[len(*to)-1]).fields()
	})
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

// update writes a row by a statement of updateRow. Errors: idp.ErrNotFound, no row has the
// key.
func (t *tx) update(query string, fields []any) error {
	return t.sure(query, append(fields[1:], fields[0])...)
}

// qualified puts the name of a table before each column.
func qualified(table, columns string) string {
	return table + "." + strings.ReplaceAll(columns, ", ", ", "+table+".")
}
