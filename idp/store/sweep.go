package store

import (
	"context"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// sweeps says what is deleted when. Rows stay a while after they are of no use
// where somebody who comes late should be told «expired» and not «unknown».
// Used codes and refresh tokens stay until their grant's end, keep_until: a
// second use has to be noticed as long as there is something to protect.
var sweeps = []struct {
	table string
	gone  string // condition, given a moment
	keep  time.Duration
	also  []string // first, each given the row's n
}{
	{table: "access_tokens", gone: "expires_at <= ?"},
	{table: "refresh_tokens", gone: "keep_until <= ?"},
	{table: "codes", gone: "keep_until <= ?"},
	{table: "grants", gone: "expires_at <= ?"},
	{table: "sessions", gone: "expires_at <= ?", also: []string{insertExpiryNotices, "DELETE FROM session_clients WHERE session_id = (SELECT id FROM sessions WHERE n = ?)"}},
	// One of a relying party can be begun anew from its page for a day (login.Flow.Anew).
	{table: "logins", gone: "CASE WHEN purpose = 'client' AND state NOT IN ('collected', 'denied') THEN expires_at ELSE expires_at - 85500000000 END <= ?", keep: 24 * time.Hour},
	{table: "challenges", gone: "expires_at <= ?", keep: 15 * time.Minute},
	{table: "logout_notices", gone: "settled_at <> 0 AND settled_at <= ?", keep: idp.NoticeKept},
	{table: "mails", gone: "settled_at <> 0 AND settled_at <= ?", keep: idp.MailKept},
	{table: "known_browsers", gone: "expires_at <= ?"},
	{table: "replay", gone: "until <= ?"},
	{table: "pushed_requests", gone: "expires_at <= ?", keep: idp.PushedKept},
	{table: "polled_requests", gone: "expires_at <= ?", keep: idp.PolledKept},
	{table: "pings", gone: "until <= ?", keep: idp.PolledKept},
	{table: "used_jwts", gone: "until <= ?"},
	{table: "wakes", gone: "at <= ?", keep: time.Minute},
	{table: "tombstones", gone: "unlinked_at <= ?", keep: idp.TombstoneFor},
	{table: "pairings", gone: "expires_at <= ?", keep: time.Hour},
	{table: "tryouts", gone: "expires_at <= ?", keep: idp.TryoutKept, also: []string{dropTryoutConsent, dropTryoutUse}},
	{table: "jobs", gone: "CASE WHEN ended_at <> 0 THEN ended_at ELSE beat_at END <= ?", keep: idp.JobKept, also: []string{dropJobFile}},
	{table: "invitations", gone: "expires_at <= ?", keep: 7 * 24 * time.Hour},
	// The longest window that wrong tries are counted in, begun by the latest.
	{table: "counters", gone: "CASE WHEN month_at > next_at THEN month_at ELSE next_at END <= ?", keep: 30 * 24 * time.Hour},
}

// sweepBatch is how many rows one transaction deletes; others write in between.
const sweepBatch = 200

// holdSweep is held by the instance that sweeps.
const holdSweep engine.Key = "sweep"

// Sweep deletes the rows that nobody can use any more at a moment. They are looked for
// beside the writer and deleted in small transactions. It stops when ctx ends. Where another
// instance sweeps at the moment, it leaves that to it, and writes only what this one
// remembers.
func (db *DB) Sweep(ctx context.Context, now time.Time) error {
	if err := db.writeSecretUses(ctx); err != nil {
		return err
	}
	_, err := db.engine.Alone(ctx, holdSweep, func(ctx context.Context) error { return db.sweep(ctx, now) })
	return err
}

func (db *DB) sweep(ctx context.Context, now time.Time) error {
	for _, s := range sweeps {
		before := micros(now.Add(-s.keep))
		find := "SELECT n FROM " + s.table + " WHERE n > ? AND " + s.gone + " ORDER BY n LIMIT ?"
		drop := "DELETE FROM " + s.table + " WHERE n = ? AND " + s.gone
		for last, more := int64(0), true; more; {
			r, err := db.read(ctx)
			if err != nil {
				return err
			}
			rows, err := list[numberRow](r, find, last, before, sweepBatch)
			if err != nil {
				return err
			}
			if more = len(rows) == sweepBatch; len(rows) == 0 {
				break
			}
			last = rows[len(rows)-1].n
			if err := db.write(ctx, func(t *tx) error { return t.drop(s.also, drop, rows, before) }); err != nil {
				return err
			}
		}
	}
	if err := db.markUnused(ctx, now); err != nil {
		return err
	}
	if err := db.undoDead(ctx, now); err != nil {
		return err
	}
	return db.write(ctx, func(t *tx) error {
		err := t.put("UPDATE marks SET n = ? WHERE name = 'swept'", micros(now))
		return err
	})
}

type numberRow struct{ n int64 }

func (r *numberRow) fields() []any { return []any{&r.n} }

func (t *tx) drop(also []string, statement string, rows []numberRow, before int64) error {
	for _, row := range rows {
		for _, first := range also {
			if err := t.put(first, row.n); err != nil {
				return err
			}
		}
		if err := t.put(statement, row.n, before); err != nil {
			return err
		}
	}
	return nil
}
