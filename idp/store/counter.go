package store

import (
	"context"
	"errors"
	"fmt"

	"hilum/idp"
)

// FactorFirst is kept in needs_admin, as the column was called when an
// administrator had to act.
const counterColumns = "kind, who, in_a_row, burst, burst_at, day, day_at, month, month_at, next_at, needs_admin"

const (
	selectCounter        = "SELECT " + counterColumns + " FROM counters WHERE who = ? AND kind = ?"
	selectCounterOfLogin = "SELECT " + counterColumns + " FROM counters WHERE who = " + personOfLogin + " AND kind = ?"
)

var upsertCounter = insertInto("counters", counterColumns) + ` ON CONFLICT (who, kind) DO UPDATE SET
	in_a_row = excluded.in_a_row, burst = excluded.burst, burst_at = excluded.burst_at,
	day = excluded.day, day_at = excluded.day_at, month = excluded.month, month_at = excluded.month_at,
	next_at = excluded.next_at, needs_admin = excluded.needs_admin`

type counterRow struct {
	Kind, Who      string
	InARow         int64
	Burst, BurstAt int64
	Day, DayAt     int64
	Month, MonthAt int64
	NextAt         int64
	FactorFirst    bool
}

func (r *counterRow) fields() []any {
	return []any{&r.Kind, &r.Who, &r.InARow, &r.Burst, &r.BurstAt, &r.Day, &r.DayAt, &r.Month, &r.MonthAt, &r.NextAt, &r.FactorFirst}
}

func counterRowOf(c *idp.Counter) counterRow {
	return counterRow{
		Kind: string(c.Key.Kind), Who: c.Key.Who, InARow: int64(c.InARow),
		Burst: int64(c.Burst), BurstAt: micros(c.BurstAt), Day: int64(c.Day), DayAt: micros(c.DayAt),
		Month: int64(c.Month), MonthAt: micros(c.MonthAt), NextAt: micros(c.NextAt), FactorFirst: c.FactorFirst,
	}
}

func (r *counterRow) counter() *idp.Counter {
	return &idp.Counter{
		Key:    idp.CounterKey{Kind: idp.CounterKind(r.Kind), Who: r.Who},
		InARow: int(r.InARow), Burst: int(r.Burst), BurstAt: moment(r.BurstAt),
		Day: int(r.Day), DayAt: moment(r.DayAt), Month: int(r.Month), MonthAt: moment(r.MonthAt),
		NextAt: moment(r.NextAt), FactorFirst: r.FactorFirst,
	}
}

// counterLater reads a counter, which its row names, with the next statement that is answered;
// where it names nobody, that of the person of a sign-in. Where nothing is counted it stays.
func (t *tx) counterLater(row *counterRow, of idp.LoginID) error {
	if row.Who == "" {
		return t.later(selectCounterOfLogin, []any{string(of), row.Kind}, row.fields)
	}
	return t.later(selectCounter, []any{row.Who, row.Kind}, row.fields)
}

// counterOf reads a counter; a zero one where there is none.
func counterOf(s statements, key idp.CounterKey) (counterRow, error) {
	row := counterRow{Kind: string(key.Kind), Who: key.Who}
	err := s.Row(selectCounter, []any{row.Who, row.Kind}, row.fields()...)
	if errors.Is(err, idp.ErrNotFound) {
		err = nil
	}
	return row, err
}

// putCounter writes a counter that fn may have changed, and the events noted on it.
func (t *tx) putCounter(before counterRow, c *idp.Counter) error {
	after := counterRowOf(c)
	after.Kind, after.Who = before.Kind, before.Who
	if after != before {
		if before.Who == "" {
			return fmt.Errorf("tries of nobody cannot be counted: %w", idp.ErrInvalid)
		}
		if err := t.put(upsertCounter, after.fields()...); err != nil {
			return err
		}
	}
	return t.note(c.Take()...)
}

// Counter returns a counter of wrong tries; a zero one where nothing was counted.
func (db *DB) Counter(ctx context.Context, key idp.CounterKey) (*idp.Counter, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	row, err := counterOf(r, key)
	if err != nil {
		return nil, err
	}
	return row.counter(), nil
}

// UpdateCounter changes a counter without any other change, with an event when e is not
// nil.
func (db *DB) UpdateCounter(ctx context.Context, key idp.CounterKey, e *idp.Event, fn func(*idp.Counter) error) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(ofCounter(key)); err != nil {
			return err
		}
		row, err := counterOf(t, key)
		if err != nil {
			return err
		}
		c := row.counter()
		if err := fn(c); err != nil {
			return err
		}
		if e != nil {
			if err := t.note(*e); err != nil {
				return err
			}
		}
		return t.putCounter(row, c)
	})
}

// ofUser finds what is counted against a user, apart or not; given the id three times.
const ofUser = "(who = ? OR who >= ? || '@' AND who < ? || 'A')" // 'A' follows '@'

// ClearCounters forgets the wrong tries against a person, and lets their phones be asked
// again.
func (db *DB) ClearCounters(ctx context.Context, id idp.UserID, e idp.Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.put("DELETE FROM counters WHERE "+ofUser, string(id), string(id), string(id)); err != nil {
			return err
		}
		if err := t.forgiveGuard(id); err != nil {
			return err
		}
		return t.note(e)
	})
}
