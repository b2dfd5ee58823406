package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"hilum/idp"
)

const eventColumns = "seq, at, kind, actor_user, actor_name, user_id, client_id, login_id, session_id, device_id, address, detail, hash"

var insertEvent = insertInto("events", eventColumns)

type eventRow struct {
	Seq                          int64
	At                           int64
	Kind, ActorUser, ActorName   string
	UserID, ClientID             string
	LoginID, SessionID, DeviceID string
	Address                      string
	Detail                       string // JSON object, keys sorted
	Hash                         []byte
}

func (r *eventRow) fields() []any {
	return []any{&r.Seq, &r.At, &r.Kind, &r.ActorUser, &r.ActorName, &r.UserID, &r.ClientID,
		&r.LoginID, &r.SessionID, &r.DeviceID, &r.Address, &r.Detail, &r.Hash}
}

func eventRowOf(e *idp.Event) (*eventRow, error) {
	detail := []byte("{}")
	if len(e.Detail) > 0 {
		var err error
		if detail, err = json.Marshal(e.Detail); err != nil {
			return nil, err
		}
	}
	return &eventRow{
		At: micros(e.At), Kind: string(e.Kind), ActorUser: string(e.Actor.User), ActorName: e.Actor.Name,
		UserID: string(e.User), ClientID: string(e.Client), LoginID: string(e.Login),
		SessionID: string(e.Session), DeviceID: string(e.Device), Address: e.Address, Detail: string(detail),
	}, nil
}

func (r *eventRow) event() (idp.Event, error) {
	e := idp.Event{
		Seq: r.Seq, At: moment(r.At), Kind: idp.EventKind(r.Kind),
		Actor: idp.Actor{User: idp.UserID(r.ActorUser), Name: r.ActorName},
		User:  idp.UserID(r.UserID), Client: idp.ClientID(r.ClientID), Login: idp.LoginID(r.LoginID),
		Session: idp.SessionID(r.SessionID), Device: idp.DeviceID(r.DeviceID), Address: r.Address,
	}
	copy(e.Hash[:], r.Hash)
	if r.Detail != "{}" {
		if err := json.Unmarshal([]byte(r.Detail), &e.Detail); err != nil {
			return e, fmt.Errorf("event %d: %w", r.Seq, err)
		}
	}
	return e, nil
}

// link is the hash of the row in the chain: SHA-256 over the hash before, the
// two numbers in eight bytes each, and every text with its length before it.
func (r *eventRow) link(before []byte) []byte {
	b := make([]byte, 0, 512)
	b = append(b, before...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Seq)) //nolint:gosec // the bits, whatever the sign
	b = binary.BigEndian.AppendUint64(b, uint64(r.At))  //nolint:gosec // the bits, whatever the sign
	for _, s := range [...]string{r.Kind, r.ActorUser, r.ActorName, r.UserID, r.ClientID,
		r.LoginID, r.SessionID, r.DeviceID, r.Address, r.Detail} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// head is the end of the chain.
type head struct {
	seq  int64
	hash []byte
}

// note writes events at the end of the chain.
func (t *tx) note(events ...idp.Event) error {
	if len(events) == 0 {
		return nil
	}
	if t.head == nil {
		h := &head{hash: make([]byte, sha256.Size)}
		err := t.row("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1", nil, &h.seq, &h.hash)
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return err
		}
		t.head = h
	}
	for i := range events {
		row, err := eventRowOf(&events[i])
		if err != nil {
			return err
		}
		row.Seq = t.head.seq + 1
		row.Hash = row.link(t.head.hash)
		if _, err := t.exec(insertEvent, row.fields()...); err != nil {
			return err
		}
		t.head.seq, t.head.hash = row.Seq, row.Hash
		if daily[events[i].Kind] {
			if err := t.countDay(&events[i]); err != nil {
				return err
			}
		}
	}
	if !t.mail {
		return nil
	}
	return t.tellOwners(events)
}

const selectEvents = "SELECT " + eventColumns + " FROM events WHERE seq > ? ORDER BY seq LIMIT ?"

// Events returns up to limit events after a sequence number, oldest first.
func (db *DB) Events(ctx context.Context, after int64, limit int) ([]idp.Event, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := list[eventRow](r, selectEvents, after, limit)
	if err != nil {
		return nil, err
	}
	events := make([]idp.Event, len(rows))
	for i := range rows {
		if events[i], err = rows[i].event(); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// AddEvent writes one event that goes with no other change.
func (db *DB) AddEvent(ctx context.Context, e idp.Event) error {
	return db.write(ctx, func(t *tx) error { return t.note(e) })
}

// VerifyEvents walks the whole chain. The error names the first event that was
// changed, removed or put in; events cut off at the end leave no trace in what
// is left.
func (db *DB) VerifyEvents(ctx context.Context) error {
	_, _, err := db.CheckEvents(ctx, nil)
	return err
}

// CheckEvents is VerifyEvents, with how many there are and the hash of the last.
// progress is told now and then; nil: nobody.
func (db *DB) CheckEvents(ctx context.Context, progress func(done, of int64)) (events int64, last [32]byte, err error) {
	const page = 1000
	end := head{hash: make([]byte, sha256.Size)}
	fail := func(err error) (int64, [32]byte, error) { return end.seq, [32]byte(end.hash), err }
	r, err := db.read(ctx)
	if err != nil {
		return fail(err)
	}
	var all int64
	if err := r.row("SELECT coalesce(max(seq), 0) FROM events", nil, &all); err != nil {
		return fail(err)
	}
	for {
		r, err := db.read(ctx)
		if err != nil {
			return fail(err)
		}
		rows, err := list[eventRow](r, selectEvents, end.seq, page)
		if err != nil {
			return fail(err)
		}
		for i := range rows {
			row := &rows[i]
			if row.Seq != end.seq+1 {
				return fail(fmt.Errorf("event %d is missing: %w", end.seq+1, idp.ErrInvalid))
			}
			if !bytes.Equal(row.Hash, row.link(end.hash)) {
				return fail(fmt.Errorf("event %d does not follow from the one before, one of them was changed: %w", row.Seq, idp.ErrInvalid))
			}
			end = head{row.Seq, row.Hash}
		}
		if progress != nil {
			progress(end.seq, max(all, end.seq))
		}
		if len(rows) < page {
			return fail(nil)
		}
	}
}
