package store

import (
	"context"
	"time"

	"hilum/idp"
)

const (
	pingColumns       = "n, polled_id, client_id, sealed, next_at, until, tries, tried_at, said, settled_at, told"
	insertPing        = "INSERT INTO pings (polled_id, client_id, sealed, next_at, until) VALUES (?, ?, ?, ?, ?)"
	selectPing        = "SELECT " + pingColumns + " FROM pings WHERE n = ?"
	selectDuePing     = "SELECT " + pingColumns + " FROM pings WHERE client_id = ? AND settled_at = 0 AND next_at <= ? ORDER BY next_at LIMIT 1"
	selectPingClients = "SELECT DISTINCT client_id FROM pings WHERE settled_at = 0 AND next_at <= ?"
	// One that is tried because its request has expired stays as it is.
	makePingDue = "UPDATE pings SET next_at = ? WHERE polled_id = ? AND settled_at = 0 AND tries = 0"
)

var updatePing = updateRow("pings", pingColumns)

type pingRow struct {
	N                  int64
	PolledID, ClientID string
	Sealed             []byte
	NextAt, Until      int64
	Tries, TriedAt     int64
	Said               string
	SettledAt          int64
	Told               bool
}

func (r *pingRow) fields() []any {
	return []any{&r.N, &r.PolledID, &r.ClientID, &r.Sealed, &r.NextAt, &r.Until, &r.Tries, &r.TriedAt, &r.Said, &r.SettledAt, &r.Told}
}

func (r *pingRow) noun() *idp.Ping {
	return &idp.Ping{
		ID: idp.PingID(r.N), Polled: idp.PolledID(r.PolledID), Client: idp.ClientID(r.ClientID), Sealed: r.Sealed, Said: idp.Refusal(r.Said), Told: r.Told,
		Delivery: idp.Delivery{NextAt: moment(r.NextAt), Until: moment(r.Until), Tries: int(r.Tries), TriedAt: moment(r.TriedAt), SettledAt: moment(r.SettledAt)},
	}
}

// addPing inserts a ping.
func (t *tx) addPing(p *idp.Ping) error {
	err := t.put(insertPing, string(p.Polled), string(p.Client), p.Sealed, micros(p.NextAt), micros(p.Until))
	return err
}

// pingNow makes the ping of a request due, if there is one that has not been tried.
func (t *tx) pingNow(id idp.PolledID, at int64) error {
	err := t.put(makePingDue, at, string(id))
	return err
}

// put writes back what a change of a ping may change. What was settled keeps nothing secret.
func (r *pingRow) put(t *tx, p *idp.Ping) error {
	r.NextAt, r.Tries, r.TriedAt, r.Said = micros(p.NextAt), int64(p.Tries), micros(p.TriedAt), string(p.Said)
	r.SettledAt, r.Told = micros(p.SettledAt), p.Told
	if !p.Waits() {
		r.Sealed = []byte{}
	}
	return t.update(updatePing, r.fields())
}

// UpdatePing changes a ping. Errors: idp.ErrNotFound, that of fn.
func (db *DB) UpdatePing(ctx context.Context, id idp.PingID, fn func(*idp.Ping) error) error {
	return db.write(ctx, func(t *tx) error {
		_, err := changeRow(t, &pingRow{}, selectPing, int64(id), nil, fn)
		return err
	})
}

// ClaimPing claims, for one sender, the ping to an application that has been due for longest.
// Errors: idp.ErrNotFound when none is due.
func (db *DB) ClaimPing(ctx context.Context, client idp.ClientID, now time.Time) (p *idp.Ping, err error) {
	err = db.write(ctx, func(t *tx) (err error) {
		p, err = changeRow(t, &pingRow{}, selectDuePing, string(client), []any{micros(now)}, func(p *idp.Ping) error { return p.Claim(now) })
		return err
	})
	return p, err
}

// PingClients returns the applications to which a ping is due.
func (db *DB) PingClients(ctx context.Context, now time.Time) ([]idp.ClientID, error) {
	return db.clientsDue(ctx, selectPingClients, now)
}
