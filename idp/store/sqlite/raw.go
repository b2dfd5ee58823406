package sqlite

import (
	"database/sql"
	"net/url"

	"gorm.io/driver/sqlite"

	"hilum/idp/store/engine"
)

// What follows is for tests and measurements.

// Raw opens a connection to a file with pragmas of its own ("?_journal_mode=OFF…"), and looks
// at nothing first.
func Raw(path, pragmas string) (to engine.Statements, done func() error, err error) {
	db, err := sql.Open(sqlite.DriverName, "")
	if err != nil {
		return nil, nil, err
	}
	d := db.Driver()
	if err := db.Close(); err != nil {
		return nil, nil, err
	}
	raw, err := d.Open("file:" + (&url.URL{Path: path}).EscapedPath() + pragmas)
	if err != nil {
		return nil, nil, err
	}
	c := newConn(raw, translateError)
	return c, c.close, nil
}

// Pragma sets something on the connection that writes, while nobody writes.
func (e *Engine) Pragma(text string) error {
	_, err := e.writing.Exec("PRAGMA " + text)
	return err
}

// Reprepared counts how often statements of the open connections that are written by hand were
// prepared anew since they were prepared first.
func (e *Engine) Reprepared() (int64, error) {
	const count = "SELECT reprepared()"
	var sum int64
	if err := e.writer.do(uncut, func(engine.Work) error { return e.writing.Row(count, nil, &sum) }); err != nil {
		return 0, err
	}
	for range cap(e.readers.free) { // each in turn: it comes back behind the others
		err := e.readers.with(func(c *conn) error {
			var n int64
			err := c.Row(count, nil, &n)
			sum += n
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return sum, nil
}
