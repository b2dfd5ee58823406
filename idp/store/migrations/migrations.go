// Package migrations has the scripts that bring the tables of a database up to date, one
// folder for each engine. A script of one has its pair in the other, of the same number and
// name: the number of the last is the schema's version, whichever the engine.
package migrations

import (
	"embed"
	"errors"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed sqlite postgres
var files embed.FS

// SQLite are the scripts of SQLite.
func SQLite() (fs.FS, error) { return fs.Sub(files, "sqlite") }

// PostgreSQL are the scripts of PostgreSQL, whose first makes all tables as SQLite has them by
// then.
func PostgreSQL() (fs.FS, error) { return fs.Sub(files, "postgres") }

// Newest is the schema version that this program brings a database to: the number of the
// last script.
func Newest() (int64, error) {
	scripts, err := fs.Glob(files, "sqlite/*.sql")
	if err != nil || len(scripts) == 0 {
		return 0, errors.Join(errors.New("no migrations"), err)
	}
	number, _, _ := strings.Cut(strings.TrimPrefix(scripts[len(scripts)-1], "sqlite/"), "_")
	return strconv.ParseInt(number, 10, 64)
}
