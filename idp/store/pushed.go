package store

import (
	"context"
	"encoding/json"
	"fmt"

	"hilum/idp"
)

const (
	pushedColumns = "id, client_id, request, expires_at, used_at, mac"
	selectPushed  = "SELECT " + pushedColumns + " FROM pushed_requests WHERE id = ?"
	countPending  = "SELECT count(*) FROM pushed_requests WHERE client_id = ? AND expires_at > ? AND used_at = 0"
	usePushed     = "UPDATE pushed_requests SET used_at = ? WHERE id = ? AND used_at = 0"
)

var insertPushed = insertInto("pushed_requests", pushedColumns)

type pushedRow struct {
	ID, ClientID      string
	Request           string // JSON
	ExpiresAt, UsedAt int64
	MAC               []byte
}

func (r *pushedRow) fields() []any {
	return []any{&r.ID, &r.ClientID, &r.Request, &r.ExpiresAt, &r.UsedAt, &r.MAC}
}

func (r *pushedRow) seal() *[]byte { return &r.MAC }

func (r *pushedRow) bound() (string, []any) {
	return "pushed_requests", []any{r.ID, r.ClientID, r.Request, r.ExpiresAt}
}

// AddPushed inserts a pushed authorization request. Errors: idp.ErrTooMany where its client
// has as many pending as it may.
func (db *DB) AddPushed(ctx context.Context, p *idp.Pushed) error {
	request, err := json.Marshal(p.Request)
	if err != nil {
		return err
	}
	row := &pushedRow{ID: string(p.ID), ClientID: string(p.Client), Request: string(request), ExpiresAt: micros(p.ExpiresAt)}
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(ofThing("pushed by", row.ClientID)); err != nil {
			return err
		}
		var pending int64
		if err := t.Row(countPending, []any{row.ClientID, micros(db.now())}, &pending); err != nil {
			return err
		}
		if pending >= idp.MaxPushed {
			return fmt.Errorf("client %s: %d pushed requests: %w", p.Client, pending, idp.ErrTooMany)
		}
		if err := t.bind(row); err != nil {
			return err
		}
		err := t.put(insertPushed, row.fields()...)
		return err
	})
}

// Pushed returns a pushed authorization request, used or not. Errors: idp.ErrNotFound.
func (db *DB) Pushed(ctx context.Context, id idp.PushedID) (*idp.Pushed, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var row pushedRow
	if err := r.Row(selectPushed, []any{string(id)}, row.fields()...); err != nil {
		return nil, fmt.Errorf("pushed request: %w", err)
	}
	if err := r.fits(&row, ""); err != nil {
		return nil, err
	}
	p := &idp.Pushed{ID: id, Client: idp.ClientID(row.ClientID), ExpiresAt: moment(row.ExpiresAt), UsedAt: moment(row.UsedAt)}
	return p, json.Unmarshal([]byte(row.Request), &p.Request)
}

// usePushed marks a pushed authorization request used. Errors: idp.ErrReplayed, it has
// given a code before.
func (t *tx) usePushed(id idp.PushedID, at int64) error {
	n, err := t.Exec(usePushed, at, string(id))
	if err == nil && n == 0 {
		return fmt.Errorf("pushed request: %w", idp.ErrReplayed)
	}
	return err
}
