package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
)

// Events are kept for as long as the operator says (Config.KeepEvents), and then deleted from the
// low end of the log. A sealed row says where it begins since then, and with which hash, as the
// head says where it ends: what is missing above it was taken away, and what is there below it was
// put back.
//
// What the clock says is believed slowly. An event may go when it and all before it are too old,
// and the log goes by a week in an hour at most: a clock that leaps by years shows before it has
// cost much. An event that was changed, or that is of the future, has no time of its own, but that
// of the next; so nobody ages events by writing to them.

// beginRow is where the log begins, as it is stored.
type beginRow struct {
	seq       int64
	hash      []byte
	fault     string
	mac       []byte
	here, fit bool // there is one; its seal fits
}

const (
	selectBegin = "SELECT seq, hash, fault, mac FROM log_begin WHERE id = 1"
	selectFirst = "SELECT coalesce(min(seq), 0) FROM events"
	upsertBegin = `INSERT INTO log_begin (id, seq, hash, fault, mac) VALUES (1, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, fault = excluded.fault, mac = excluded.mac`
	faultBeginChanged = "the beginning of the log was changed"
)

// beginMAC is the MAC of a beginning.
func (k *keys) beginMAC(seq int64, hash []byte, fault string) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 128), uint64(seq)) //nolint:gosec // the bits, whatever the sign
	return k.begin.sum(append(append(b, hash...), fault...))
}

// readBegin reads the beginning, and whether its MAC is right.
func readBegin(s statements, k *keys) (beginRow, error) {
	var b beginRow
	err := s.Row(selectBegin, nil, &b.seq, &b.hash, &b.fault, &b.mac)
	if errors.Is(err, idp.ErrNotFound) {
		b.hash = make([]byte, sha256.Size)
		return b, nil
	}
	if err != nil {
		return b, err
	}
	b.here = true
	b.fit = len(b.hash) == sha256.Size && equalMAC(b.mac, k.beginMAC(b.seq, b.hash, b.fault))
	return b, nil
}

const (
	pruneAhead  = 24 * time.Hour // how much is too old before any is deleted: it is told once a day
	pruneSpan   = 7 * 24 * time.Hour
	pruneEvery  = time.Hour // how often the moment is moved before which events go, by pruneSpan at most
	pruneBatch  = 500       // events that one transaction deletes, about
	pruneAtOnce = 20_000    // that one sweep deletes, about
	pruneLook   = 100_000   // that it looks at

	markPrune   = "prune before" // the moment before which events go
	markPruneAt = "prune at"     // when it was moved last
)

// prune deletes the events that are older than they are kept.
func (db *DB) prune(ctx context.Context, now time.Time) error {
	if db.conf.KeepEvents == 0 {
		return nil
	}
	k, err := db.trust.opened()
	if err != nil {
		return err
	}
	old := micros(now.Add(-db.conf.KeepEvents))
	until, err := db.marked(ctx, markPrune, 0)
	if err != nil {
		return err
	}
	p := &pruning{read: func() (statements, error) { return db.read(ctx) }, k: k, now: micros(now), old: old}
	if err := p.begin(); err != nil {
		return err
	}
	oldest, known, err := p.oldest()
	if err != nil {
		return err
	}
	if until < old && known && oldest >= until && oldest < old-pruneAhead.Microseconds() {
		if until, err = db.movePrune(ctx, p.now, until, min(old, oldest+pruneSpan.Microseconds())); err != nil {
			return err
		}
	}
	p.old = min(old, until)
	parts, err := p.parts()
	if err != nil {
		return err
	}
	for i := range parts {
		if err := db.batch(ctx, i+1 < len(parts), func(t *tx) error { return t.prune(k, &parts[i]) }); err != nil {
			return err
		}
	}
	return nil
}

// movePrune moves the moment before which events go, with an event that says so, unless that was
// done in the hour before now; then it stays. It returns the moment that counts.
func (db *DB) movePrune(ctx context.Context, now, from, to int64) (int64, error) {
	last, err := db.marked(ctx, markPruneAt, 0)
	if err != nil {
		return 0, err
	}
	if wait := now - last; wait >= 0 && wait < pruneEvery.Microseconds() {
		return from, nil
	} else if wait < 0 { // the clock was ahead
		return from, db.mark(ctx, markPruneAt, last, now)
	}
	return to, db.write(ctx, func(t *tx) error {
		if err := errors.Join(t.mark(markPrune, to), t.mark(markPruneAt, now)); err != nil {
			return err
		}
		return t.note(idp.Event{
			At: t.now(), Kind: idp.EventAuditPruned, Actor: idp.Actor{Name: "provider"},
			Detail: map[string]string{"before": moment(to).Format(time.RFC3339)},
		})
	})
}

// pruning looks at the low end of the log.
type pruning struct {
	read     func() (statements, error)
	k        *keys
	now, old int64 // in microseconds; what is older than old may go

	from  int64  // the event that the beginning is behind
	hash  []byte // its hash; nil: nobody knows
	fault string // what is wrong with the beginning itself
	first int64  // the oldest event that there is; 0: none
	last  int64  // the newest, which stays
}

// part are events that one transaction deletes: those behind one, up to another.
type part struct {
	from, to int64
	hash     []byte // of to
	fault    string // what is first found wrong with them
}

// begin finds where the log begins.
func (p *pruning) begin() error {
	r, err := p.read()
	if err != nil {
		return err
	}
	is, err := readBegin(r, p.k)
	if err != nil {
		return err
	}
	if err := errors.Join(r.Row(selectFirst, nil, &p.first), r.Row(selectNewest, nil, &p.last)); err != nil {
		return err
	}
	if p.from, p.hash = is.seq, is.hash; is.here && !is.fit {
		p.from, p.hash, p.fault = max(0, p.first-1), nil, faultBeginChanged
	}
	return nil
}

// each goes through the events from the beginning on, with whether the time of each is known and
// what is wrong with it, until one says that it is enough.
func (p *pruning) each(next func(row *eventRow, known bool, fault string) (more bool)) error {
	seq, hash := p.from, p.hash
	for range pruneLook / pruneBatch {
		r, err := p.read()
		if err != nil {
			return err
		}
		rows, err := list[eventRow](r, selectEvents, seq, int64(pruneBatch))
		if err != nil {
			return err
		}
		for i := range rows {
			row := &rows[i]
			if row.Seq >= p.last {
				return nil
			}
			linked, fault := hash != nil && equalMAC(row.Hash, row.link(p.k, hash)), ""
			if hash != nil && !linked { // without a hash it is known by the next one
				fault = notLinked(seq, row.Seq)
			}
			seq, hash = row.Seq, row.Hash
			if !next(row, linked && row.At <= p.now, fault) {
				return nil
			}
		}
		if len(rows) < pruneBatch {
			return nil
		}
	}
	return nil
}

// notLinked says what is wrong with an event that does not follow from the one before it.
func notLinked(before, seq int64) string {
	if seq != before+1 {
		return were(before+1, seq-1) + " removed"
	}
	return fmt.Sprintf("event %d was changed or put in, or is of another log", seq)
}

// oldest is the time of the oldest event whose time is known, of those that one sweep looks at; found:
// there is one.
func (p *pruning) oldest() (at int64, found bool, err error) {
	err = p.each(func(row *eventRow, known bool, _ string) bool {
		at, found = row.At, known
		return !known
	})
	return at, found, err
}

// parts are the events that may go, of which there may be more than one sweep deletes.
func (p *pruning) parts() (parts []part, err error) {
	next := part{from: p.from, fault: p.fault}
	count := 0    // events looked at
	waiting := 0  // of these, since the last part ended
	var end *part // where a part may end, behind the last of them
	whole := func() {
		parts = append(parts, *end)
		next, end, waiting = part{from: end.to}, nil, 0
	}
	err = p.each(func(row *eventRow, known bool, fault string) bool {
		if known && row.At >= p.old {
			return false
		}
		if next.fault == "" {
			next.fault = fault
		}
		count, waiting = count+1, waiting+1
		if known {
			end = &part{next.from, row.Seq, row.Hash, next.fault}
			if waiting >= pruneBatch || count >= pruneAtOnce {
				whole()
			}
		}
		return waiting > 0 || count < pruneAtOnce
	})
	if err == nil && end != nil {
		whole()
	}
	return parts, err
}

// prune deletes a part of the log, unless another process has, and says where the log begins now.
func (t *tx) prune(k *keys, p *part) error {
	if err := t.hold(holdLog); err != nil {
		return err
	}
	is, err := readBegin(t, k)
	if err != nil {
		return err
	}
	if is.seq > p.from && is.fit {
		return nil
	}
	if p.fault != "" {
		t.trust.log.Error("events whose time is up were not as they were written", "fault", p.fault)
		e := idp.Event{At: t.now(), Kind: idp.EventAuditBroken, Actor: idp.Actor{Name: "provider"}, Detail: map[string]string{"fault": p.fault}}
		if err := t.note(e); err != nil {
			return err
		}
	}
	fault := p.fault
	if is.fit && is.fault != "" {
		fault = is.fault
	}
	if err := t.put("DELETE FROM events WHERE seq > ? AND seq <= ?", p.from, p.to); err != nil {
		return err
	}
	return t.put(upsertBegin, p.to, p.hash, fault, k.beginMAC(p.to, p.hash, fault))
}
