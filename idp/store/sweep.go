package store

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// What nobody can use any more is deleted, some of it a while later, where somebody who comes
// late should be told «expired» and not «unknown».

// sweeps are the tables that get rows with each sign-in or refresh, whose rows live hours or
// days, each its own time. What is gone there is found by the index table_gone, however large
// the table is.
//
// Used codes and refresh tokens stay until their grant's end, keep_until: a second use has to
// be noticed as long as there is something to protect.
var sweeps = []sweep{
	{table: "refresh_tokens", moment: "keep_until"},
	{table: "codes", moment: "keep_until"},
	{table: "grants", moment: "expires_at"},
	{table: "sessions", moment: "expires_at", also: []string{insertExpiryNotices, "DELETE FROM session_clients WHERE session_id IN (SELECT id FROM sessions WHERE n IN " + sweepSet + ")"}},
	// One of a relying party can be begun anew from its page for a day (login.Flow.Anew).
	{table: "logins", moment: "expires_at", keep: 24 * time.Hour},
	{table: "logins", moment: "expires_at", keep: 15 * time.Minute, only: "(purpose <> 'client' OR state IN ('collected', 'denied'))", mark: "swept logins"},
	{table: "logout_notices", moment: "settled_at", keep: idp.NoticeKept, only: "settled_at <> 0"},
	{table: "mails", moment: "settled_at", keep: idp.MailKept, only: "settled_at <> 0"},
}

// sweep says what of a table is deleted when.
type sweep struct {
	table  string
	moment string        // column
	keep   time.Duration // behind the moment
	only   string        // condition besides, empty for none
	also   []string      // before rows are deleted, each given a sweepSet of their numbers
	mark   string        // where only leaves many rows: keeps how far it was, so that they are passed once
}

// walks are the other tables, which are looked through by number, in parts.
var walks = []walked{
	// Rows of one table live much alike, mostly minutes, so what is gone lies in front.
	// Where it does not, because others live longer, it stays as long as they do.
	{table: "access_tokens", gone: "expires_at <= ?", front: true},
	{table: "challenges", gone: "expires_at <= ?", keep: 15 * time.Minute, front: true},
	{table: "replay", gone: "until <= ?", front: true},
	{table: "used_jwts", gone: "until <= ?", front: true},
	{table: "pushed_requests", gone: "expires_at <= ?", keep: idp.PushedKept, front: true},
	{table: "polled_requests", gone: "expires_at <= ?", keep: idp.PolledKept, front: true},
	{table: "pings", gone: "until <= ?", keep: idp.PolledKept, front: true},
	{table: "wakes", gone: "at <= ?", keep: time.Minute, front: true},
	// A few rows for each person, or a few rows.
	{table: "known_browsers", gone: "expires_at <= ?"},
	{table: "tombstones", gone: "unlinked_at <= ?", keep: idp.TombstoneFor},
	{table: "pairings", gone: "expires_at <= ?", keep: time.Hour},
	{table: "tryouts", gone: "expires_at <= ?", keep: idp.TryoutKept, also: []string{dropTryoutConsent, dropTryoutUse}},
	{table: "jobs", gone: "CASE WHEN ended_at <> 0 THEN ended_at ELSE beat_at END <= ?", keep: idp.JobKept, also: []string{dropJobFile}},
	{table: "invitations", gone: "expires_at <= ?", keep: 7 * 24 * time.Hour},
	// The longest window that wrong tries are counted in, begun by the latest.
	{table: "counters", gone: "CASE WHEN month_at > next_at THEN month_at ELSE next_at END <= ?", keep: 30 * 24 * time.Hour},
}

// walked says what of a table is deleted that is looked through.
type walked struct {
	table string
	gone  string        // condition, given a moment
	keep  time.Duration // behind the moment
	also  []string      // before a row is deleted, each given its number
	// front: from the first row on, until walkStep rows in a row stay. Otherwise from where the
	// last sweep has stopped, until walkKept rows were found that stay.
	front bool
}

const (
	sweepBatch  = 200  // rows that one transaction deletes; others write in between
	sweepAtOnce = 100  // of these, what one statement deletes
	walkStep    = 1000 // rows that one statement looks through
	walkKept    = 5000 // rows of a table that one sweep looks at although they stay
)

// sweepSet takes sweepAtOnce numbers of rows.
var sweepSet = "(?" + strings.Repeat(", ?", sweepAtOnce-1) + ")"

// holdSweep is held by the instance that sweeps.
const holdSweep engine.Key = "sweep"

// Sweep deletes the rows that nobody can use any more at a moment. They are looked for
// beside the writer and deleted in small transactions, between which it rests as long as one
// takes. It stops when ctx ends; the next one goes on. Where another instance sweeps at the
// moment, it leaves that to it, and writes only what this one remembers.
func (db *DB) Sweep(ctx context.Context, now time.Time) error {
	if err := db.writeSecretUses(ctx); err != nil {
		return err
	}
	_, err := db.engine.Alone(ctx, holdSweep, func(ctx context.Context) error { return db.sweep(ctx, now) })
	return err
}

func (db *DB) sweep(ctx context.Context, now time.Time) error {
	for i := range sweeps {
		if err := db.sweepTable(ctx, &sweeps[i], now); err != nil {
			return err
		}
	}
	for i := range walks {
		if err := db.walkTable(ctx, &walks[i], now); err != nil {
			return err
		}
	}
	if err := db.markUnused(ctx, now); err != nil {
		return err
	}
	if err := db.undoDead(ctx, now); err != nil {
		return err
	}
	if err := db.prune(ctx, now); err != nil {
		return err
	}
	return db.write(ctx, func(t *tx) error { return t.mark("swept", micros(now)) })
}

// besides is the condition only, to be put behind others.
func (s *sweep) besides() string {
	if s.only == "" {
		return ""
	}
	return " AND " + s.only
}

// find is the statement that finds rows by the moments that they are gone at, from one to
// another, the earliest first.
func (s *sweep) find() string {
	return "SELECT n, " + s.moment + " FROM " + s.table + " INDEXED BY " + s.table + "_gone WHERE " +
		s.moment + " >= ? AND " + s.moment + " <= ?" + s.besides() + " ORDER BY " + s.moment + " LIMIT ?"
}

// drop is the statement that deletes rows of a set, as far as they are gone at a moment.
func (s *sweep) drop() string {
	return "DELETE FROM " + s.table + " WHERE n IN " + sweepSet + " AND " + s.moment + " <= ?" + s.besides()
}

type goneRow struct{ n, at int64 }

func (r *goneRow) fields() []any { return []any{&r.n, &r.at} }

func (db *DB) sweepTable(ctx context.Context, s *sweep, now time.Time) error {
	until := micros(now.Add(-s.keep))
	since, err := db.marked(ctx, s.mark, math.MinInt64)
	if err != nil {
		return err
	}
	find, drop := s.find(), s.drop()
	// What was deleted stays in an index of PostgreSQL until it is vacuumed: each batch begins
	// where the one before ended.
	for from := since; from <= until; {
		r, err := db.read(ctx)
		if err != nil {
			return err
		}
		rows, err := list[goneRow](r, find, from, until, sweepBatch)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		from = rows[len(rows)-1].at
		more := len(rows) == sweepBatch
		err = db.batch(ctx, more, func(t *tx) error {
			for first := 0; first < len(rows); first += sweepAtOnce {
				set := numberSet(rows[first:], func(r goneRow) int64 { return r.n })
				for _, also := range s.also {
					if err := t.put(also, set...); err != nil {
						return err
					}
				}
				if err := t.put(drop, append(set, until)...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	return db.mark(ctx, s.mark, since, until)
}

// walkTable looks through a part of a table.
func (db *DB) walkTable(ctx context.Context, w *walked, now time.Time) error {
	before, name := micros(now.Add(-w.keep)), "walked "+w.table
	if w.front {
		name = ""
	}
	began, err := db.marked(ctx, name, 0)
	if err != nil {
		return err
	}
	last := began
	for kept := int64(0); kept < walkKept; {
		rows, gone, err := db.walkOn(ctx, w, &last, before)
		if err != nil {
			return err
		}
		if rows < walkStep {
			last = 0 // that was the last of them
			break
		}
		if !w.front {
			kept += rows - gone
		} else if gone == 0 {
			break
		}
	}
	return db.mark(ctx, name, began, last)
}

// walkOn looks through the next rows of a table, deletes those that are gone, and returns how
// many there were of either. last is the number of the last of them.
func (db *DB) walkOn(ctx context.Context, w *walked, last *int64, before int64) (rows, gone int64, err error) {
	r, err := db.read(ctx)
	if err != nil {
		return 0, 0, err
	}
	var end int64
	if err := r.Row(w.look(), []any{*last, int64(walkStep)}, &end, &rows); err != nil {
		return 0, 0, err
	}
	found, err := list[numberRow](r, w.find(), *last, end, before)
	if err != nil {
		return 0, 0, err
	}
	for part := range slices.Chunk(found, sweepBatch) {
		gone += int64(len(part))
		more := len(found) == walkStep || gone < int64(len(found))
		if err := db.batch(ctx, more, func(t *tx) error { return t.dropWalked(w, part, before) }); err != nil {
			return 0, 0, err
		}
	}
	*last = end
	return rows, gone, nil
}

// look is the statement that finds the end of the rows behind one, so many at most, and how
// many they are.
func (w *walked) look() string {
	return "SELECT coalesce(max(n), 0), count(*) FROM (SELECT n FROM " + w.table + " WHERE n > ? ORDER BY n LIMIT ?) w"
}

// find is the statement that finds those of them that are gone.
func (w *walked) find() string {
	return "SELECT n FROM " + w.table + " WHERE n > ? AND n <= ? AND " + w.gone + " ORDER BY n"
}

type numberRow struct{ n int64 }

func (r *numberRow) fields() []any { return []any{&r.n} }

func (t *tx) dropWalked(w *walked, rows []numberRow, before int64) error {
	if len(w.also) == 0 {
		for first := 0; first < len(rows); first += sweepAtOnce {
			set := numberSet(rows[first:], func(r numberRow) int64 { return r.n })
			if err := t.put("DELETE FROM "+w.table+" WHERE n IN "+sweepSet+" AND "+w.gone, append(set, before)...); err != nil {
				return err
			}
		}
		return nil
	}
	for _, row := range rows {
		for _, also := range w.also {
			if err := t.put(also, row.n); err != nil {
				return err
			}
		}
		if err := t.put("DELETE FROM "+w.table+" WHERE n = ? AND "+w.gone, row.n, before); err != nil {
			return err
		}
	}
	return nil
}

// numberSet are the numbers of the first rows, as a sweepSet takes them.
func numberSet[T any](rows []T, n func(T) int64) []any {
	set := make([]any, sweepAtOnce, sweepAtOnce+1)
	for i := range set {
		set[i] = n(rows[min(i, len(rows)-1)])
	}
	return set
}

// batch runs fn as one transaction and, if others follow, leaves the database to those who
// wait for it as long as that took.
func (db *DB) batch(ctx context.Context, more bool, fn func(*tx) error) error {
	began := time.Now()
	if err := db.write(ctx, fn); err != nil || !more {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(time.Since(began), time.Second)):
		return nil
	}
}

// marked is the number that is kept by a name; none, where there is no name or nothing is kept.
func (db *DB) marked(ctx context.Context, name string, none int64) (int64, error) {
	if name == "" {
		return none, nil
	}
	r, err := db.read(ctx)
	if err != nil {
		return 0, err
	}
	n := none
	err = r.Row("SELECT n FROM marks WHERE name = ?", []any{name}, &n)
	if errors.Is(err, idp.ErrNotFound) {
		err = nil
	}
	return n, err
}

// mark keeps a number by a name, if it is another than before.
func (db *DB) mark(ctx context.Context, name string, before, n int64) error {
	if name == "" || n == before {
		return nil
	}
	return db.write(ctx, func(t *tx) error { return t.mark(name, n) })
}

// mark keeps a number by a name.
func (t *tx) mark(name string, n int64) error {
	return t.put("INSERT INTO marks (name, n) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = excluded.n", name, n)
}
