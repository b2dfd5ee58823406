package store

import (
	"context"
	"fmt"
	"time"

	"hilum/idp"
)

type knownRow struct {
	n              int64
	browser        []byte
	agent, address string
	at, expiresAt  int64
}

func (r *knownRow) fields() []any {
	return []any{&r.n, &r.browser, &r.agent, &r.address, &r.at, &r.expiresAt}
}

// KnownBrowsers returns the browsers that a person has finished a sign-in in and that are
// remembered, the latest first. Their tokens are left out.
func (db *DB) KnownBrowsers(ctx context.Context, user idp.UserID, now time.Time) ([]idp.Known, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := list[knownRow](r, `SELECT n, browser, agent, address, at, expires_at FROM known_browsers
		WHERE user_id = ? AND expires_at > ? ORDER BY at DESC, n DESC`, string(user), micros(now))
	if err != nil {
		return nil, err
	}
	known := make([]idp.Known, len(rows))
	for i, row := range rows {
		known[i] = idp.Known{N: row.n, User: user, Agent: row.agent, Address: row.address, At: moment(row.at), ExpiresAt: moment(row.expiresAt)}
		copy(known[i].Browser[:], row.browser) // none where it was kept before it was noted
	}
	return known, nil
}

// ForgetBrowsers makes a browser of a person unknown, by its number; 0: all of theirs. The
// events are written with it. Errors: idp.ErrNotFound where there is none.
func (db *DB) ForgetBrowsers(ctx context.Context, user idp.UserID, n int64, events ...idp.Event) error {
	return db.write(ctx, func(t *tx) error {
		query, args := "DELETE FROM known_browsers WHERE user_id = ?", []any{string(user)}
		if n != 0 {
			query, args = query+" AND n = ?", append(args, n)
		}
		gone, err := t.Exec(query, args...)
		if err != nil {
			return err
		}
		if gone == 0 {
			return fmt.Errorf("browser %d of %s: %w", n, user, idp.ErrNotFound)
		}
		return t.note(events...)
	})
}
