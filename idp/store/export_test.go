package store

// Twice is a configuration whose functions run twice, see Config.twice.
func Twice(c Config) Config {
	c.twice = true
	return c
}

// Reprepared counts how often statements of the open connections that are
// written by hand were prepared anew since they were prepared first.
func (db *DB) Reprepared() (int64, error) {
	e := db.engine.(*sqliteEngine)
	const count = "SELECT reprepared()"
	var sum int64
	if err := e.writer.do(uncut, func(t *tx) error { return t.row(count, nil, &sum) }); err != nil {
		return 0, err
	}
	for range cap(e.readers.free) { // each in turn: it comes back behind the others
		err := e.readers.with(func(c *conn) error {
			var n int64
			err := c.row(count, nil, &n)
			sum += n
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return sum, nil
}
