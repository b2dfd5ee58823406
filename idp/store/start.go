package store

import (
	"context"
	"time"

	"hilum/idp"
)

// StartAside returns when the first steps were put aside; zero: they were not.
func (db *DB) StartAside(ctx context.Context) (time.Time, error) {
	r, err := db.read(ctx)
	if err != nil {
		return time.Time{}, err
	}
	var at int64
	err = r.Row("SELECT n FROM marks WHERE name = 'start'", nil, &at)
	return moment(at), err
}

// PutStartAside puts the first steps aside, or takes them up again with a zero moment.
func (db *DB) PutStartAside(ctx context.Context, at time.Time, e idp.Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.put("UPDATE marks SET n = ? WHERE name = 'start'", micros(at)); err != nil {
			return err
		}
		return t.note(e)
	})
}
