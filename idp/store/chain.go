package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"hilum/idp"
)

// The audit log is a chain: the hash of an event is an HMAC over the event and
// the hash before it, under a key that hangs on the sealing key. Whoever can write
// to the database can therefore take events away, but put none in and change none.
// What is taken away in the middle leaves a gap. What is taken away at the end is
// missing below the head, one sealed row that says where the log ends. A head of
// before, put back with what belongs to it, is caught by whoever kept a newer one:
// this process in memory, the file beside the database (witness.go), the operator.
//
// Events are always written behind the newest that is known of, also when it is
// not there any more: the gap then stays for whoever looks later.

// head is the end of the log as a transaction knows it.
type head struct {
	seq   int64
	hash  []byte
	keyed int64
	moved bool // has to be written
}

// headRow is the head as it is stored, and the number of the newest event beside it.
type headRow struct {
	seq       int64
	hash      []byte
	keyed     int64
	mac       []byte
	newest    int64
	here, fit bool // there is one; its seal fits
}

const (
	selectHead   = "SELECT seq, hash, keyed, mac, (SELECT coalesce(max(seq), 0) FROM events) FROM log_head WHERE id = 1"
	selectNewest = "SELECT coalesce(max(seq), 0) FROM events"
	upsertHead   = `INSERT INTO log_head (id, seq, hash, keyed, mac) VALUES (1, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, keyed = excluded.keyed, mac = excluded.mac`
	selectHash = "SELECT hash FROM events WHERE seq = ?"
)

// headMAC is the MAC of a head.
func (k *keys) headMAC(seq int64, hash []byte, keyed int64) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 64), uint64(seq)) //nolint:gosec // the bits, whatever the sign
	b = binary.BigEndian.AppendUint64(b, uint64(keyed))                  //nolint:gosec // the bits, whatever the sign
	return k.head.sum(append(b, hash...))
}

// readHead reads the head, and whether its MAC is right.
func readHead(s statements, k *keys) (headRow, error) {
	var h headRow
	err := s.Row(selectHead, nil, &h.seq, &h.hash, &h.keyed, &h.mac, &h.newest)
	if errors.Is(err, idp.ErrNotFound) {
		return h, s.Row(selectNewest, nil, &h.newest)
	}
	if err != nil {
		return h, err
	}
	h.here = true
	h.fit = len(h.hash) == sha256.Size && equalMAC(h.mac, k.headMAC(h.seq, h.hash, h.keyed))
	return h, nil
}

// What can be wrong with the end of the log, as the log and who verifies it say it.
const (
	faultHeadGone    = "the head of the log was removed"
	faultHeadChanged = "the head of the log was changed"
)

// openLog finds where the next event goes. Where the end of the log is not as we
// left it, saying so becomes the first event: once, since that event mends the head.
func (t *tx) openLog() error {
	k, err := t.trust.opened()
	if err != nil {
		return err
	}
	is, err := readHead(&t.session, k) // whoever writes to the log is alone there
	if err != nil {
		return err
	}
	h, last := &head{seq: is.seq, hash: is.hash, keyed: is.keyed}, t.trust.end()
	fault := ""
	switch {
	case !is.fit:
		if fault = faultHeadChanged; !is.here {
			fault = faultHeadGone
		}
		if h, err = t.foundHead(); err != nil {
			return err
		}
		if last != nil && last.seq >= h.seq {
			h.seq, h.hash = last.seq, last.hash
		}
		if last != nil {
			h.keyed = last.keyed
		}
	case last != nil && is.seq < last.seq:
		fault = fmt.Sprintf("%s written here, and the log ended at %d", were(is.seq+1, last.seq), is.seq)
		h.seq, h.hash = last.seq, last.hash
	case last != nil && is.seq == last.seq && !bytes.Equal(is.hash, last.hash):
		fault = fmt.Sprintf("event %d is not the one that was written here", is.seq)
		h.hash = last.hash
	case is.newest < is.seq:
		fault = were(is.newest+1, is.seq) + " cut off at the end"
	case is.newest > is.seq:
		fault = were(is.seq+1, is.newest) + " put in at the end"
	}
	h.seq = max(h.seq, is.newest)
	if t.head = h; fault == "" {
		return nil
	}
	t.trust.log.Error("the audit log was changed, and not by this program; \"idp audit verify\" says more", "fault", fault)
	return t.append(&idp.Event{
		At: t.now(), Kind: idp.EventAuditBroken, Actor: idp.Actor{Name: "provider"}, Detail: map[string]string{"fault": fault},
	})
}

// were is «event 5 was», or «events 5 to 9 were».
func were(first, last int64) string {
	if first == last {
		return fmt.Sprintf("event %d was", first)
	}
	return fmt.Sprintf("events %d to %d were", first, last)
}

// foundHead makes a head of the newest event that is there, whether it is genuine or not:
// who verifies the log finds out.
func (t *tx) foundHead() (*head, error) {
	h := &head{hash: make([]byte, sha256.Size), keyed: 1}
	err := t.session.Row("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1", nil, &h.seq, &h.hash)
	if err == nil {
		err = t.session.Row("SELECT seq FROM events WHERE kind = ? ORDER BY seq DESC LIMIT 1", []any{string(idp.EventAuditKeyed)}, &h.keyed)
	}
	if errors.Is(err, idp.ErrNotFound) {
		err = nil
	}
	if len(h.hash) != sha256.Size {
		h.hash = make([]byte, sha256.Size)
	}
	return h, err
}

// append writes an event at the end of the log.
func (t *tx) append(e *idp.Event) error {
	k, err := t.trust.opened()
	if err != nil {
		return err
	}
	row, err := eventRowOf(e)
	if err != nil {
		return err
	}
	return t.appendRow(k, row)
}

// appendRow is append for an event as it is kept, but for its number and hash.
func (t *tx) appendRow(k *keys, row *eventRow) error {
	row.Seq = t.head.seq + 1
	row.Hash = row.link(k, t.head.hash)
	if err := t.put(insertEvent, row.fields()...); err != nil {
		return err
	}
	t.countDay(row)
	t.head.seq, t.head.hash, t.head.moved = row.Seq, row.Hash, true
	t.noted++
	return nil
}

// putHead writes the head, if the batch has events: once for all transactions that are
// committed together.
func (t *tx) putHead() error {
	if t.head == nil || !t.head.moved {
		return nil
	}
	k, err := t.trust.opened()
	if err != nil {
		return err
	}
	h := t.head
	err = t.put(upsertHead, h.seq, h.hash, h.keyed, k.headMAC(h.seq, h.hash, h.keyed))
	return err
}

// content is what the hash of an event is over: the hash before, the two numbers in eight
// bytes each, and every text after its length.
func (r *eventRow) content(before []byte) []byte {
	b := make([]byte, 0, 512)
	b = append(b, before...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Seq)) //nolint:gosec // the bits, whatever the sign
	b = binary.BigEndian.AppendUint64(b, uint64(r.At))  //nolint:gosec // the bits, whatever the sign
	for _, s := range [...]string{r.Kind, r.ActorUser, r.ActorName, r.UserID, r.ClientID,
		r.LoginID, r.SessionID, r.DeviceID, r.Address, r.Detail} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// link is the hash of an event in the chain, an HMAC.
func (r *eventRow) link(k *keys, before []byte) []byte { return k.chain.sum(r.content(before)) }

// plainLink is the hash that events had before there was a key.
func (r *eventRow) plainLink(before []byte) []byte {
	sum := sha256.Sum256(r.content(before))
	return sum[:]
}

// LogHead returns where the log ends. Errors: idp.ErrInvalid, the head was
// removed or changed.
func (db *DB) LogHead(ctx context.Context) (idp.LogHead, error) {
	k, err := db.trust.opened()
	if err != nil {
		return idp.LogHead{}, err
	}
	r, err := db.readLog(ctx)
	if err != nil {
		return idp.LogHead{}, err
	}
	h, err := readHead(r, k)
	if err != nil {
		return idp.LogHead{}, err
	}
	if err := h.whole(); err != nil {
		return idp.LogHead{}, err
	}
	return idp.LogHead{Seq: h.seq, Hash: [32]byte(h.hash)}, nil
}

// whole returns nil when the head's MAC is right, else idp.ErrInvalid.
func (h *headRow) whole() error {
	switch {
	case !h.here:
		return fmt.Errorf("%s: %w", faultHeadGone, idp.ErrInvalid)
	case !h.fit:
		return fmt.Errorf("%s: %w", faultHeadChanged, idp.ErrInvalid)
	}
	return nil
}

// VerifyEvents is CheckEvents for a caller that wants to know only whether the log is
// whole.
func (db *DB) VerifyEvents(ctx context.Context) error {
	_, err := db.CheckEvents(ctx, nil, nil)
	return err
}

// CheckEvents walks the whole log, compares its end with the head, and the heads
// that were kept outside the database with what is there: the witness file's, and
// those that somebody noted. progress is told now and then; nil: nobody. Errors:
// idp.ErrInvalid with the first thing that is wrong; what was found until then
// comes with it.
func (db *DB) CheckEvents(ctx context.Context, noted []idp.LogHead, progress func(done, of int64)) (*idp.LogCheck, error) {
	check := &idp.LogCheck{}
	k, err := db.trust.opened()
	if err != nil {
		return check, err
	}
	if _, err := db.readLog(ctx); err != nil {
		return check, err
	}
	// The file first: what it keeps was in the log when it was written.
	kept, keptErr := readWitness(db.conf.Witness, k)
	if keptErr == nil {
		check.Kept, check.KeptAt = kept.head, kept.at
	}
	read := func() (statements, error) { return db.read(ctx) }
	w := &walk{read: read, witness: db.conf.Witness, k: k, end: make([]byte, sha256.Size), check: check, progress: progress}
	for _, h := range noted {
		w.ask(h)
	}
	if keptErr == nil {
		w.ask(kept.head)
	}
	for more := true; more; {
		if more, err = w.page(); err != nil {
			return check, err
		}
	}
	if keptErr != nil && !errors.Is(keptErr, idp.ErrNotFound) {
		return check, keptErr
	}
	return check, w.answers(noted, kept)
}

// walk is one check of the log, which it goes through from the oldest event on.
type walk struct {
	read     func() (statements, error)
	witness  string // Config.Witness
	k        *keys
	end      []byte // hash of the last event that was looked at
	check    *idp.LogCheck
	progress func(done, of int64)
	begun    bool             // it is known where the log begins
	asked    map[int64][]byte // hashes of events that somebody kept a head of, once they are passed
}

func (w *walk) ask(h idp.LogHead) {
	if w.asked == nil {
		w.asked = map[int64][]byte{}
	}
	w.asked[h.Seq] = nil
}

// begin goes to where the log begins, unless it is further on already; moved: it was not. Events
// whose time is up are deleted while it is checked.
func (w *walk) begin() (moved bool, err error) {
	r, err := w.read()
	if err != nil {
		return false, err
	}
	is, err := readBegin(r, w.k)
	switch {
	case err != nil:
		return false, err
	case is.here && !is.fit:
		return false, fmt.Errorf("%s: %w", faultBeginChanged, idp.ErrInvalid)
	case is.seq <= w.check.Begin.Seq:
		return false, nil
	}
	w.check.Begin, w.check.BeginFault = idp.LogHead{Seq: is.seq, Hash: [32]byte(is.hash)}, is.fault
	if _, ok := w.asked[is.seq]; ok {
		w.asked[is.seq] = is.hash
	}
	if r, err = w.read(); err != nil {
		return false, err
	}
	var first int64
	if err := r.Row(selectFirst, nil, &first); err != nil {
		return false, err
	}
	if first > 0 && first <= is.seq {
		return false, fmt.Errorf("%s put back before the beginning of the log, event %d: %w", were(first, first), is.seq+1, idp.ErrInvalid)
	}
	if is.seq <= w.check.Head.Seq {
		return false, nil
	}
	w.check.Head, w.end = w.check.Begin, is.hash
	return true, nil
}

// page checks some events, and at the end the head. more says that there are others; the
// log grows while it is checked.
func (w *walk) page() (more bool, err error) {
	const size = 1000
	if !w.begun {
		if _, err := w.begin(); err != nil {
			return false, err
		}
		w.begun = true
	}
	at := &w.check.Head
	r, err := w.read()
	if err != nil {
		return false, err
	}
	// The head before the events: all of those that it stands for are found then.
	h, err := readHead(r, w.k)
	if err != nil {
		return false, err
	}
	if r, err = w.read(); err != nil {
		return false, err
	}
	rows, err := list[eventRow](r, selectEvents, at.Seq, size)
	if err != nil {
		return false, err
	}
	for i := range rows {
		row := &rows[i]
		if !equalMAC(row.Hash, row.link(w.k, w.end)) {
			moved, err := w.begin()
			if err != nil || moved {
				return moved, err
			}
			return false, fmt.Errorf("%s: %w", notLinked(at.Seq, row.Seq), idp.ErrInvalid)
		}
		// A gap below an event that follows was there when it was chained.
		at.Seq, w.end = row.Seq, row.Hash
		at.Hash = [32]byte(row.Hash)
		if _, ok := w.asked[row.Seq]; ok {
			w.asked[row.Seq] = row.Hash
		}
		if tells(row) {
			e, err := row.event()
			if err != nil {
				return false, err
			}
			w.check.Told = append(w.check.Told, e)
		}
	}
	if w.progress != nil {
		before := w.check.Begin.Seq
		w.progress(at.Seq-before, max(h.newest, at.Seq)-before)
	}
	if len(rows) == size || at.Seq > h.seq && h.fit && len(rows) > 0 {
		return true, nil // also those that came between the two reads: the next head stands for them
	}
	w.check.Keyed = h.keyed
	switch err := h.whole(); {
	case err != nil:
		return false, err
	case at.Seq < h.seq:
		return false, fmt.Errorf("%s cut off at the end: %w", were(at.Seq+1, h.seq), idp.ErrInvalid)
	case at.Seq > h.seq:
		return false, fmt.Errorf("%s put back behind the head of the log: %w", were(h.seq+1, at.Seq), idp.ErrInvalid)
	case !bytes.Equal(w.end, h.hash):
		return false, fmt.Errorf("event %d is not the one that the log ended with: %w", at.Seq, idp.ErrInvalid)
	}
	return false, nil
}

// tells reports whether an event says that something was wrong with the log.
func tells(r *eventRow) bool {
	switch idp.EventKind(r.Kind) {
	case idp.EventAuditBroken, idp.EventAuditRolledBack, idp.EventTampered:
		return true
	case idp.EventAuditKeyed:
		return strings.Contains(r.Detail, `"fault"`)
	}
	return false
}

// answers compares the heads that were kept elsewhere with the log.
func (w *walk) answers(noted []idp.LogHead, kept *witness) error {
	for _, h := range noted {
		if err := w.goesThrough(h, "that you noted"); err != nil {
			return err
		}
	}
	if kept != nil {
		return w.goesThrough(kept.head, "that "+w.witness+" kept at "+kept.at.UTC().Format("2006-01-02 15:04:05")+" UTC")
	}
	return nil
}

func (w *walk) goesThrough(h idp.LogHead, which string) error {
	switch is := w.asked[h.Seq]; {
	case h.Seq == 0 || bytes.Equal(is, h.Hash[:]) || !w.check.Compares(h):
		return nil
	case h.Seq > w.check.Head.Seq:
		return fmt.Errorf("the log ends at event %d, before the head %s (event %d): the newest events were cut off with their head, or an older database was put back: %w",
			w.check.Head.Seq, which, h.Seq, idp.ErrInvalid)
	default:
		return fmt.Errorf("event %d is another one than in the head %s: an older database was put back and used, or it is another log: %w", h.Seq, which, idp.ErrInvalid)
	}
}

// keyLog chains with the key the events that were there before it, and leaves an event
// that says so. It may take a second for each hundred thousand events, in one transaction:
// a process that dies leaves the log as it was.
func (t *tx) keyLog(k *keys) error {
	const page = 1000
	end := head{hash: make([]byte, sha256.Size), keyed: 1, moved: true}
	plain := make([]byte, sha256.Size)
	count, fault := int64(0), ""
	for more := true; more; {
		rows, err := list[eventRow](t, selectEvents, end.seq, page)
		if err != nil {
			return err
		}
		for i := range rows {
			row := &rows[i]
			switch {
			case fault != "":
			case row.Seq != end.seq+1:
				fault = were(end.seq+1, row.Seq-1) + " missing"
			case !bytes.Equal(row.Hash, row.plainLink(plain)):
				fault = fmt.Sprintf("event %d did not follow from the one before", row.Seq)
			}
			plain = row.Hash
			row.Hash = row.link(k, end.hash)
			if err := t.put("UPDATE events SET hash = ? WHERE seq = ?", row.Hash, row.Seq); err != nil {
				return err
			}
			end.seq, end.hash = row.Seq, row.Hash
			count++
		}
		more = len(rows) == page
	}
	end.keyed = end.seq + 1
	if t.head = &end; count == 0 {
		return nil
	}
	e := &idp.Event{
		At: t.now(), Kind: idp.EventAuditKeyed, Actor: idp.Actor{Name: "provider"},
		Detail: map[string]string{"count": strconv.FormatInt(count, 10)},
	}
	if fault != "" {
		e.Detail["fault"] = fault
		t.trust.log.Error("the audit log was not whole before this upgrade; it is chained with the key as it was found", "fault", fault)
	}
	t.trust.log.Info("the audit log is chained with the key from now on", slog.Int64("from", end.keyed), slog.Int64("events_before", count))
	return t.append(e)
}

// keyedOnce reports whether events of this log were chained with the key before:
// then who removed the head did so after that, and nothing may be chained anew.
func (t *tx) keyedOnce(k *keys) (bool, error) {
	for _, query := range []string{
		"SELECT " + eventColumns + " FROM events ORDER BY seq LIMIT ?",
		"SELECT " + eventColumns + " FROM (SELECT * FROM events ORDER BY seq DESC LIMIT ?) newest ORDER BY seq",
	} {
		rows, err := list[eventRow](t, query, int64(100))
		if err != nil {
			return false, err
		}
		before := make([]byte, sha256.Size)
		for i := range rows {
			if equalMAC(rows[i].Hash, rows[i].link(k, before)) {
				return true, nil
			}
			before = rows[i].Hash
		}
	}
	return false, nil
}
