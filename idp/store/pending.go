package store

import (
	"context"
	"errors"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// Where several transactions run at once, the end of the log would be a place that all of them
// wait for. There, a transaction leaves its events in a table of their own, and one instance at
// a time takes them out again, gives them numbers and hashes, and puts them into the log (Link):
// in the order in which they were left, so that of two events of which one began after the other
// was committed, the later one has the greater number. Rows are taken away as they are linked,
// and none is looked for by a number: one that was committed late would be passed over.

// linkAtOnce is how many events one transaction links.
const linkAtOnce = 2000

const (
	pendingColumns      = "at, kind, actor_user, actor_name, user_id, client_id, login_id, session_id, device_id, address, detail"
	selectPendingEvents = "SELECT n, " + pendingColumns + " FROM events_pending ORDER BY n LIMIT ?"
)

var insertPending = insertInto("events_pending", pendingColumns)

type pendingRow struct {
	n int64
	eventRow
}

func (r *pendingRow) content() []any { f := r.eventRow.fields(); return f[1 : len(f)-1] }

func (r *pendingRow) fields() []any { return append([]any{&r.n}, r.content()...) }

// leave leaves events to be linked.
func (t *tx) leave(events []idp.Event) error {
	for i := range events {
		row, err := eventRowOf(&events[i])
		if err != nil {
			return err
		}
		p := pendingRow{eventRow: *row}
		if err := t.put(insertPending, p.content()...); err != nil {
			return err
		}
		t.noted++
	}
	return nil
}

// Link puts into the log the events that wait for it: all that were committed before it began.
// Where another instance is at it, it waits for that one with wait, and leaves it to that one
// without.
func (db *DB) Link(ctx context.Context, wait bool) error {
	for more := db.deferred; more; {
		var rows []pendingRow
		err := db.engine.Write(ctx, func(w engine.Work) (err error) {
			rows, err = w.(*tx).link(wait)
			return err
		})
		if err != nil {
			return err
		}
		db.tellLinked(rows)
		more = len(rows) == linkAtOnce
	}
	return nil
}

// tellLinked tells all instances, this one too, that phones have answered. Whoever took the answer
// has told it, unless that instance died between the commit and its hint; the browser would
// then wait until it looks by itself.
func (db *DB) tellLinked(rows []pendingRow) {
	var topics []idp.Topic
	for i := range rows {
		switch kind, login := idp.EventKind(rows[i].Kind), idp.LoginID(rows[i].LoginID); kind {
		case idp.EventPhoneApproved, idp.EventPhoneDenied, idp.EventPhoneWrong:
			if login != "" {
				topics = append(topics, idp.TopicLogin(login))
			}
		}
	}
	db.hints.addTo(&db.hints.linked, topics)
}

// link links a batch, and returns it.
func (t *tx) link(wait bool) (linked []pendingRow, err error) {
	if wait {
		err = t.hold(holdLog)
	} else {
		var held bool
		if held, err = t.tryHold(holdLog); err == nil && !held {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	k, err := t.trust.opened()
	if err != nil {
		return nil, err
	}
	rows, err := list[pendingRow](t, selectPendingEvents, int64(linkAtOnce))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	if t.head == nil {
		if err := t.openLog(); err != nil {
			return nil, err
		}
	}
	for i := range rows {
		if err := t.put("DELETE FROM events_pending WHERE n = ?", rows[i].n); err != nil {
			return nil, err
		}
		if err := t.appendRow(k, &rows[i].eventRow); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// readLog is read for whoever shows the log: all is in it that was committed before.
func (db *DB) readLog(ctx context.Context) (*session, error) {
	if err := db.Link(ctx, true); err != nil {
		return nil, err
	}
	return db.read(ctx)
}

// lag is how long the oldest event waits to be linked.
func (db *DB) lag(ctx context.Context) (time.Duration, error) {
	if !db.deferred {
		return 0, nil
	}
	r, err := db.read(ctx)
	if err != nil {
		return 0, err
	}
	var at int64
	if err := r.Row("SELECT at FROM events_pending ORDER BY n LIMIT 1", nil, &at); errors.Is(err, idp.ErrNotFound) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	return max(0, db.now().Sub(moment(at))), nil
}

// linkEvery is how long an event waits to be linked, if nobody looks at the log.
const linkEvery = 150 * time.Millisecond

// keepLinking links events until ctx ends.
func (db *DB) keepLinking(ctx context.Context) {
	tick := time.NewTicker(linkEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if db.trust.keys.Load() == nil {
			continue
		}
		err := db.Link(ctx, false)
		if err != nil && !failing && ctx.Err() == nil {
			db.conf.Log.Error("events wait to be put into the audit log", "error", err)
		}
		failing = err != nil
	}
}
