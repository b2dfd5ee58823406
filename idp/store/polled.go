package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"hilum/idp"
)

const (
	polledColumns    = "id, type, client_id, request, user_code, address, state, interval, polled_at, created_at, expires_at, mac"
	selectPolled     = "SELECT " + polledColumns + " FROM polled_requests WHERE id = ?"
	selectPolledCode = "SELECT " + polledColumns + " FROM polled_requests WHERE user_code = ? AND user_code <> x''"
	countPolled      = "SELECT count(*), count(CASE WHEN address = ? THEN 1 END) FROM polled_requests WHERE client_id = ? AND expires_at > ? AND state = 'pending'"
	noteQuestion     = "UPDATE polled_requests SET interval = ?, polled_at = ? WHERE id = ?"
	answerPolled     = "UPDATE polled_requests SET state = ? WHERE id = ? AND state = 'pending' AND expires_at > ?"
)

var insertPolled = insertInto("polled_requests", polledColumns)

type polledRow struct {
	ID, Type, ClientID   string
	Request              string // JSON
	UserCode             []byte
	Address, State       string
	Interval, PolledAt   int64
	CreatedAt, ExpiresAt int64
	MAC                  []byte
}

func (r *polledRow) fields() []any {
	return []any{&r.ID, &r.Type, &r.ClientID, &r.Request, &r.UserCode, &r.Address, &r.State, &r.Interval, &r.PolledAt, &r.CreatedAt, &r.ExpiresAt, &r.MAC}
}

func (r *polledRow) seal() *[]byte { return &r.MAC }

// What became of it is not bound: without a grant and its code, which are, a yes gives
// nothing.
func (r *polledRow) bound() (string, []any) {
	return "polled_requests", []any{r.ID, r.Type, r.ClientID, r.Request, r.UserCode, r.Address, r.CreatedAt, r.ExpiresAt}
}

func (r *polledRow) polled() (*idp.Polled, error) {
	p := &idp.Polled{
		ID: idp.PolledID(r.ID), Type: r.Type, Client: idp.ClientID(r.ClientID), UserCode: r.UserCode, Address: r.Address,
		State: idp.PolledState(r.State), Interval: time.Duration(r.Interval) * time.Microsecond, PolledAt: moment(r.PolledAt),
		CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt),
	}
	return p, json.Unmarshal([]byte(r.Request), &p.Request)
}

func polledOf(s reader, query string, key any) (*idp.Polled, error) {
	var row polledRow
	if err := s.Row(query, []any{key}, row.fields()...); err != nil {
		return nil, fmt.Errorf("polled request: %w", err)
	}
	if err := s.fits(&row, ""); err != nil {
		return nil, err
	}
	return row.polled()
}

// AddPolled inserts a polled request. Errors: idp.ErrTooMany where its client, or its
// address at that client, has as many waiting as it may; idp.ErrConflict for a code of the
// person that is there already.
func (db *DB) AddPolled(ctx context.Context, p *idp.Polled) error {
	request, err := json.Marshal(&p.Request)
	if err != nil {
		return err
	}
	row := &polledRow{
		ID: string(p.ID), Type: p.Type, ClientID: string(p.Client), Request: string(request), UserCode: blob(p.UserCode), Address: p.Address,
		State: string(p.State), Interval: p.Interval.Microseconds(), PolledAt: micros(p.PolledAt), CreatedAt: micros(p.CreatedAt), ExpiresAt: micros(p.ExpiresAt),
	}
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(ofThing("polled by", row.ClientID)); err != nil {
			return err
		}
		var all, here int64
		if err := t.Row(countPolled, []any{row.Address, row.ClientID, micros(db.now())}, &all, &here); err != nil {
			return err
		}
		if all >= idp.MaxPolled || here >= idp.MaxPolledFrom {
			return fmt.Errorf("client %s: %d polled requests, %d from %s: %w", p.Client, all, here, p.Address, idp.ErrTooMany)
		}
		if err := t.bind(row); err != nil {
			return err
		}
		err := t.put(insertPolled, row.fields()...)
		return err
	})
}

// Polled returns a polled request, whatever became of it. Errors: idp.ErrNotFound.
func (db *DB) Polled(ctx context.Context, id idp.PolledID) (*idp.Polled, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	return polledOf(r, selectPolled, string(id))
}

// PolledByCode returns the polled request whose person types the code with this keyed hash.
// Errors: idp.ErrNotFound.
func (db *DB) PolledByCode(ctx context.Context, code []byte) (*idp.Polled, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	return polledOf(r, selectPolledCode, code)
}

// UpdatePolled notes, by fn, that the client has asked for the outcome: of what fn changes
// the pace is written. Errors: idp.ErrNotFound, that of fn.
func (db *DB) UpdatePolled(ctx context.Context, id idp.PolledID, fn func(*idp.Polled) error) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(ofThing("polled", string(id))); err != nil {
			return err
		}
		p, err := polledOf(t, selectPolled, string(id))
		if err != nil {
			return err
		}
		if err := fn(p); err != nil {
			return err
		}
		err = t.put(noteQuestion, p.Interval.Microseconds(), micros(p.PolledAt), string(id))
		return err
	})
}

// approvePolled notes that somebody has said yes. Errors: idp.ErrExpired, it does not wait
// any more.
func (t *tx) approvePolled(id idp.PolledID, at int64) error {
	n, err := t.Exec(answerPolled, string(idp.PolledApproved), string(id), at)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("polled request: %w", idp.ErrExpired)
	}
	return t.pingNow(id, at)
}

// denyPolled notes that somebody has said no; what does not wait any more is left as it is.
func (t *tx) denyPolled(id idp.PolledID, at int64) error {
	n, err := t.Exec(answerPolled, string(idp.PolledDenied), string(id), at)
	if err != nil || n == 0 {
		return err
	}
	return t.pingNow(id, at)
}
