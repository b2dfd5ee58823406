package store

import (
	"context"
	"time"
)

// How long rows stay after they are of no use, so that who comes late is told
// «expired» and not «unknown».
const (
	keepLogins      = 15 * time.Minute
	keepPairings    = time.Hour
	keepInvitations = 7 * 24 * time.Hour
)

// sweepBatch is how many rows one transaction deletes; others write in between.
const sweepBatch = 200

// sweeps are the statements of one round, in order; each takes a moment and a
// number of rows. Used codes and refresh tokens stay until their grant's end,
// so that a second use is noticed as long as there is something to protect.
var sweeps = []struct {
	keep      time.Duration
	statement string
}{
	{0, "DELETE FROM access_tokens WHERE hash IN (SELECT hash FROM access_tokens WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"},
	{0, "DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE keep_until <= ? ORDER BY keep_until LIMIT ?)"},
	{0, "DELETE FROM codes WHERE hash IN (SELECT hash FROM codes WHERE keep_until <= ? ORDER BY keep_until LIMIT ?)"},
	{0, "DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"},
	{0, "DELETE FROM session_clients WHERE (session_id, client_id) IN (SELECT c.session_id, c.client_id FROM sessions s JOIN session_clients c ON c.session_id = s.id WHERE s.expires_at <= ? LIMIT ?)"},
	{0, "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"},
	{keepLogins, "DELETE FROM logins WHERE id IN (SELECT id FROM logins WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"},
	{keepPairings, "DELETE FROM pairings WHERE id IN (SELECT id FROM pairings WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"},
	{keepInvitations, "DELETE FROM invitations WHERE id IN (SELECT id FROM invitations WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"},
}

// keepCounters is the longest window that wrong tries are counted in.
const keepCounters = 30 * 24 * time.Hour

// Sweep deletes what nobody can use any more at a moment, in small
// transactions. It stops when ctx ends.
func (db *DB) Sweep(ctx context.Context, now time.Time) error {
	for _, s := range sweeps {
		for more := true; more; {
			err := db.write(ctx, func(t *tx) error {
				n, err := t.exec(s.statement, micros(now.Add(-s.keep)), sweepBatch)
				more = n == sweepBatch
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return db.sweepCounters(ctx, now)
}

// sweepCounters deletes counters that count nothing any more. They are few and
// have no index by time, so they are looked for beside the writer.
func (db *DB) sweepCounters(ctx context.Context, now time.Time) error {
	const idle = "burst_at <= ? AND day_at <= ? AND month_at <= ? AND next_at <= ? AND NOT needs_admin"
	long := micros(now.Add(-keepCounters))
	before := []any{long, long, long, micros(now)}
	for {
		r, err := db.read(ctx)
		if err != nil {
			return err
		}
		rows, err := list[counterRow](r.conn, "SELECT "+counterColumns+" FROM counters WHERE "+idle+" LIMIT ?", append(before, sweepBatch)...)
		if err != nil || len(rows) == 0 {
			return err
		}
		err = db.write(ctx, func(t *tx) error {
			for _, row := range rows {
				if _, err := t.exec("DELETE FROM counters WHERE "+idle+" AND who = ? AND kind = ?", append(before, row.Who, row.Kind)...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(rows) < sweepBatch {
			return err
		}
	}
}
