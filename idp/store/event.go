package store

import (
	"context"
	"encoding/json"
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

// note writes events at the end of the log or, where the engine has several transactions at
// once, leaves them to be linked (Link).
func (t *tx) note(events ...idp.Event) error {
	if len(events) == 0 {
		return nil
	}
	if t.deferred {
		if err := t.leave(events); err != nil {
			return err
		}
	} else if err := t.chain(events); err != nil {
		return err
	}
	if !t.mail {
		return nil
	}
	return t.tellOwners(events)
}

// chain writes events at the end of the log.
func (t *tx) chain(events []idp.Event) error {
	if t.head == nil {
		if err := t.openLog(); err != nil {
			return err
		}
	}
	for i := range events {
		if err := t.append(&events[i]); err != nil {
			return err
		}
	}
	return nil
}

const selectEvents = "SELECT " + eventColumns + " FROM events WHERE seq > ? ORDER BY seq LIMIT ?"

// Events returns the events after a number, oldest first, limit at most.
func (db *DB) Events(ctx context.Context, after int64, limit int) ([]idp.Event, error) {
	r, err := db.readLog(ctx)
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

// AddEvent writes one event without any other change.
func (db *DB) AddEvent(ctx context.Context, e idp.Event) error {
	return db.write(ctx, func(t *tx) error { return t.note(e) })
}
