package store

import (
	"context"

	"hilum/idp"
)

// Relay tells the providers on this database of topics, so that whoever waits there is woken at
// once where they can be told (Hint), and within watchEvery anyway (Watch). It is for what has to
// be heard by a provider that does not run at this moment, too.
func (db *DB) Relay(ctx context.Context, topics ...idp.Topic) error {
	err := db.write(ctx, func(t *tx) error {
		// Whoever looks goes by the number of the last that was seen: none may be committed
		// after one that has a greater number.
		if err := t.hold(holdWakes); err != nil {
			return err
		}
		for _, topic := range topics {
			if err := t.put("INSERT INTO wakes (topic, at) VALUES (?, ?)", string(topic), micros(t.now())); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		db.Hint(hintWatch)
	}
	return err
}

// wakeRow is a topic that another process has relayed.
type wakeRow struct {
	n     int64
	topic string
}

func (r *wakeRow) fields() []any { return []any{&r.n, &r.topic} }

// relayed returns the topics that were relayed after the row n, and the newest row.
func (db *DB) relayed(ctx context.Context, n int64) (topics []idp.Topic, newest int64, err error) {
	rows, err := list[wakeRow](db.reader, "SELECT n, topic FROM wakes WHERE n > ? ORDER BY n", n)
	if err != nil {
		return nil, n, err
	}
	for _, r := range rows {
		topic := idp.Topic(r.topic)
		if _, changed := idp.ChangedOf(topic); changed && db.deferred {
			// Phones are told by one instance, not by each.
			first, err := db.claimWake(ctx, r.n)
			if err != nil {
				return topics, n, err
			}
			if !first {
				n = r.n
				continue
			}
		}
		topics, n = append(topics, topic), r.n
	}
	return topics, n, nil
}

// claimWake takes a row away; first: nobody else has.
func (db *DB) claimWake(ctx context.Context, n int64) (first bool, err error) {
	err = db.write(ctx, func(t *tx) error {
		gone, err := t.Exec("DELETE FROM wakes WHERE n = ?", n)
		first = gone == 1
		return err
	})
	return first, err
}

// Unheard returns the unlinked devices of a person that no push has told of it yet, and
// forgets where they would be told. Of such a device id, person, platform and push
// address are known.
func (db *DB) Unheard(ctx context.Context, user idp.UserID) ([]idp.Device, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	const unheard = "SELECT id, user_id, platform, sealed_push, public_key FROM tombstones WHERE user_id = ? AND sealed_push <> x''"
	rows, err := list[unheardRow](r, unheard, string(user))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var out []idp.Device
	err = db.write(ctx, func(t *tx) error {
		out = nil
		if err := t.hold(ofPerson(user)); err != nil {
			return err
		}
		rows, err := list[unheardRow](t, unheard, string(user))
		if err != nil {
			return err
		}
		for _, r := range rows {
			out = append(out, idp.Device{ID: idp.DeviceID(r.id), User: idp.UserID(r.user), Platform: r.platform, SealedPush: r.push, PublicKey: r.key})
		}
		err = t.put("UPDATE tombstones SET sealed_push = x'' WHERE user_id = ? AND sealed_push <> x''", string(user))
		return err
	})
	return out, err
}

type unheardRow struct {
	id, user, platform string
	push, key          []byte
}

func (r *unheardRow) fields() []any { return []any{&r.id, &r.user, &r.platform, &r.push, &r.key} }
