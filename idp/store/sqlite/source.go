package sqlite

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"gorm.io/driver/sqlite"

	"hilum/idp/store/engine"
	"hilum/idp/store/migrations"
)

// Source is a file whose rows are moved to another database: all that is read from it is of one
// moment.
type Source struct {
	path    string
	raw     *conn
	shared  *sql.DB // raw, for gorm
	session *session
	alone   bool
}

// How a source is opened. With the lock of the file in place of those in its log, SQLite lets
// nobody else open it, and notices who has it open already; it has to be asked for before
// anything is read.
const (
	onlyUs = "?_busy_timeout=3000&_mutex=no&_locking_mode=EXCLUSIVE&_synchronous=FULL"
	lookAt = both + "&_query_only=on"
)

// ErrInUse says that another process has the file open.
var ErrInUse = errors.New("another process has it open")

// OpenSource opens a file that is to be moved, and makes none. With alone nobody else can open it
// until Close, whatever ends this process. Errors: ErrInUse; it is no database of this program, or
// not one of this version.
func OpenSource(path string, alone bool) (*Source, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no database at %s", path)
	} else if err != nil {
		return nil, err
	}
	if err := errors.Join(file(path), holdPlans()); err != nil {
		return nil, err
	}
	pragmas, begin := lookAt, "BEGIN"
	if alone {
		pragmas, begin = onlyUs, "BEGIN IMMEDIATE"
	}
	db, err := sql.Open(sqlite.DriverName, "")
	if err != nil {
		return nil, err
	}
	d := db.Driver()
	if err := db.Close(); err != nil {
		return nil, err
	}
	c, err := d.Open("file:" + (&url.URL{Path: path}).EscapedPath() + pragmas)
	if err != nil {
		return nil, inUse(path, err)
	}
	s := &Source{path: path, raw: newConn(c, translateError), alone: alone}
	s.shared = sql.OpenDB(single{c, d})
	s.shared.SetMaxOpenConns(1)
	if s.session, err = newSession(s.raw, s.shared); err == nil {
		_, err = s.raw.Exec(begin)
	}
	if err == nil {
		err = s.version()
	}
	if err != nil {
		return nil, errors.Join(inUse(path, err), s.Close())
	}
	return s, nil
}

// inUse gives an error its name where another process is why.
func inUse(path string, err error) error {
	if contended(err) {
		return fmt.Errorf("%s: %w", path, ErrInUse)
	}
	return err
}

// version looks whether the file's tables are those that this program knows: it would leave
// behind what a newer one keeps there, also where it works with them.
func (s *Source) version() error {
	var tables, ours, version int64
	err := s.raw.Row("SELECT count(*), count(CASE name WHEN 'goose_db_version' THEN 1 END) FROM sqlite_master WHERE type = 'table'", nil, &tables, &ours)
	switch {
	case err != nil:
		return err
	case tables == 0:
		return fmt.Errorf("there is nothing in %s; \"idp serve\" fills it, or another file is meant", s.path)
	case ours == 0:
		return fmt.Errorf("%s is the database of another program; name another file", s.path)
	}
	if err := s.raw.Row(migrations.SelectVersion, nil, &version); err != nil {
		return err
	}
	known, err := migrations.Newest()
	switch {
	case err != nil:
		return err
	case version > known:
		return fmt.Errorf("%s was written by a newer version of this program (its tables are version %d, this program knows %d); move it with that one", s.path, version, known)
	case version < known:
		return fmt.Errorf("%s was written by an older version of this program (its tables are version %d, this program needs %d); start this version on it once (\"idp serve\"), stop it, and move it then", s.path, version, known)
	}
	return nil
}

// Session reads what is in the file.
func (s *Source) Session() engine.Session { return s.session }

// Faults are what SQLite finds wrong with the file: pages, indexes, and rows that lead to none.
func (s *Source) Faults() (found []string, err error) {
	err = s.raw.Each("SELECT integrity_check FROM pragma_integrity_check LIMIT 20", nil, func() []any {
		found = append(found, "")
		return []any{&found[len(found)-1]}
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 1 && found[0] == "ok" {
		found = nil
	}
	var loose []*[3]string
	err = s.raw.Each(`SELECT "table", coalesce(CAST(rowid AS TEXT), ''), parent FROM pragma_foreign_key_check LIMIT 20`, nil, func() []any {
		var row [3]string
		loose = append(loose, &row)
		return []any{&row[0], &row[1], &row[2]}
	})
	for _, l := range loose {
		which := "a row"
		if l[1] != "" {
			which = "row " + l[1]
		}
		found = append(found, fmt.Sprintf("%s of %s belongs to a row of %s that is not there", which, l[0], l[2]))
	}
	return found, err
}

// Tables are the tables of the file, by their names.
func (s *Source) Tables() ([]engine.Table, error) {
	var names []string
	err := s.raw.Each("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name", nil, func() []any {
		names = append(names, "")
		return []any{&names[len(names)-1]}
	})
	if err != nil {
		return nil, err
	}
	tables := make([]engine.Table, len(names))
	for i, name := range names {
		t := &tables[i]
		t.Name = name
		type column struct {
			name, kind string
			key        int64
		}
		var columns []*column
		err := s.raw.Each("SELECT name, upper(type), pk FROM pragma_table_info(?) ORDER BY cid", []any{name}, func() []any {
			c := &column{}
			columns = append(columns, c)
			return []any{&c.name, &c.kind, &c.key}
		})
		if err != nil {
			return nil, err
		}
		for at := int64(1); at <= int64(len(columns)); at++ {
			for i, c := range columns {
				if c.key == at {
					t.Key = append(t.Key, i)
				}
			}
		}
		for _, c := range columns {
			t.Columns = append(t.Columns, engine.Column{Name: c.name, Kind: engine.Kind(c.kind)})
		}
		err = s.raw.Each(`SELECT DISTINCT "table" FROM pragma_foreign_key_list(?) ORDER BY 1`, []any{name}, func() []any {
			t.Parents = append(t.Parents, "")
			return []any{&t.Parents[len(t.Parents)-1]}
		})
		if err != nil {
			return nil, err
		}
	}
	return tables, nil
}

// Rows hands over all rows of a table in the order of its key. A value is a string, an int64, a
// []byte or nil, as SQLite keeps it, whatever its column is for. The slice is used again.
func (s *Source) Rows(t *engine.Table, row func(values []any) error) error {
	quoted := func(i int) string { return `"` + t.Columns[i].Name + `"` }
	var all, key []string
	for i := range t.Columns {
		all = append(all, quoted(i))
	}
	for _, i := range t.Key {
		key = append(key, quoted(i))
	}
	prepared, err := s.raw.driver.Prepare("SELECT " + strings.Join(all, ", ") + ` FROM "` + t.Name + `" ORDER BY ` + strings.Join(key, ", "))
	if err != nil {
		return err
	}
	defer prepared.Close()
	rows, err := prepared.(driver.StmtQueryContext).QueryContext(uncut, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	kept, values := make([]driver.Value, len(all)), make([]any, len(all))
	for {
		switch err := rows.Next(kept); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		for i, v := range kept {
			values[i] = v
		}
		if err := row(values); err != nil {
			return err
		}
	}
}

// Moved is where everything in the file went, as people are told, and when in microseconds; empty:
// it is all here.
func (s *Source) Moved() (target string, at int64, err error) {
	err = s.raw.Each("SELECT target, at FROM moved", nil, func() []any { return []any{&target, &at} })
	return target, at, err
}

// MarkMoved has the file refused from now on by whoever opens it, or with an empty target taken
// again.
func (s *Source) MarkMoved(target string, at int64) error {
	_, err := s.raw.Exec("DELETE FROM moved")
	if err == nil && target != "" {
		_, err = s.raw.Exec("INSERT INTO moved (id, target, at) VALUES (1, ?, ?)", target, at)
	}
	if err == nil {
		_, err = s.raw.Exec("COMMIT")
	}
	if err == nil {
		_, err = s.raw.Exec("BEGIN IMMEDIATE")
	}
	return err
}

// Close lets others have the file. What was not committed is undone.
func (s *Source) Close() error { return errors.Join(s.shared.Close(), s.raw.close()) }
