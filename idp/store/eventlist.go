package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/store/find"
)

// eventOrder is the order of the log.
var eventOrder = find.Order{Column: "seq"}

// eventSource is one way to find events: an index and what has to be equal in it; without
// an index the log itself.
type eventSource struct {
	index, where string
	args         []any
}

// rareKinds is the condition of events_kind, word for word: without it no query
// may use the index.
const rareKinds = "kind NOT IN ('login.password', 'login.factor', 'login.done', 'session.started', 'session.ended', 'grant.issued', 'grant.redeemed', 'phone.asked', 'phone.approved')"

// sources are the indexes that together find all events of a query. What they do not cover
// is checked in each event.
func sources(q *idp.EventQuery, kinds []string) []eventSource {
	switch {
	case q.Device != "":
		return []eventSource{{"events_device", "device_id = ? AND device_id <> ''", []any{string(q.Device)}}}
	case q.User != "":
		return []eventSource{{"events_user", "user_id = ? AND user_id <> ''", []any{string(q.User)}}}
	case q.Actor != "":
		return []eventSource{
			{"events_actor", "actor_user = ? AND actor_user <> '' AND actor_user <> user_id", []any{string(q.Actor)}},
			{"events_user", "user_id = ? AND user_id <> ''", []any{string(q.Actor)}},
		}
	}
	whole := []eventSource{{"", "seq > 0", nil}}
	var all []eventSource
	for _, k := range kinds {
		if strings.Contains(rareKinds, "'"+k+"'") {
			return whole
		}
		all = append(all, eventSource{"events_kind", "kind = ? AND " + rareKinds, []any{k}})
	}
	if len(q.Kinds) == 0 {
		return whole
	}
	return all
}

// kindsOf replaces a kind that stands for all below it («device.») by those.
func kindsOf(kinds []idp.EventKind) []string {
	var all []string
	for _, k := range kinds {
		if !strings.HasSuffix(string(k), ".") {
			all = append(all, string(k))
			continue
		}
		for _, known := range idp.EventKinds {
			if strings.HasPrefix(string(known), string(k)) {
				all = append(all, string(known))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// eventPortion is how many events, or sessions, are read at most for one page.
const eventPortion = 25_000

// clockSlack is by how much the order of events may differ from that of their times.
const clockSlack = time.Minute

// SearchEvents finds a part of the log, newest first. Errors: idp.FieldError.
func (db *DB) SearchEvents(ctx context.Context, q idp.EventQuery) (*idp.EventPage, error) {
	r, err := db.readLog(ctx)
	if err != nil {
		return nil, err
	}
	page, err := find.TurnTo(q.Page, eventOrder, true)
	if err != nil {
		return nil, err
	}
	low, high, err := seqBetween(r, q.From, q.Until)
	if err != nil {
		return nil, err
	}
	if page.From != nil && page.Back {
		low = max(low, page.From.N)
	} else if page.From != nil {
		high = min(high, page.From.N)
	}
	kinds := kindsOf(q.Kinds)
	filter, args := eventFilter(&q, kinds)
	var rows []eventRow
	var short *find.Place
	for _, from := range sources(&q, kinds) {
		got, end, err := eventsOf(r, page, from, low, high, filter, args)
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
		if end != 0 && (short == nil || page.Up == (end < short.N)) {
			short = &find.Place{Number: end, N: end}
		}
	}
	slices.SortFunc(rows, func(a, b eventRow) int {
		if page.Up {
			return int(a.Seq - b.Seq)
		}
		return int(b.Seq - a.Seq)
	})
	rows = slices.CompactFunc(rows, func(a, b eventRow) bool { return a.Seq == b.Seq })
	if short != nil { // beyond it, one of the ways has not been gone
		rows = slices.DeleteFunc(rows, func(e eventRow) bool { return page.Up && e.Seq > short.N || !page.Up && e.Seq < short.N })
	}
	rows, cursors := find.Cut(page, rows, func(row *eventRow) find.Place { return find.Place{Number: row.Seq, N: row.Seq} }, short)
	p := &idp.EventPage{Cursors: cursors, Rows: make([]idp.Event, len(rows))}
	for i := range rows {
		if p.Rows[i], err = rows[i].event(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// eventFilter is what every event found has to be, whichever way it was found.
func eventFilter(q *idp.EventQuery, kinds []string) (sql string, args []any) {
	sql = "TRUE"
	also := func(condition string, arg any) {
		sql += " AND " + condition
		args = append(args, arg)
	}
	for _, c := range [][2]string{
		{"device_id = ?", string(q.Device)}, {"user_id = ?", string(q.User)}, {"actor_user = ?", string(q.Actor)},
		{"client_id = ?", string(q.Client)}, {"address = ?", q.Address},
	} {
		if c[1] != "" {
			also(c[0], c[1])
		}
	}
	if len(q.Kinds) > 0 {
		sql += " AND kind IN (''" + strings.Repeat(", ?", len(kinds)) + ")"
		for _, k := range kinds {
			args = append(args, k)
		}
	}
	if !q.From.IsZero() {
		also("at >= ?", micros(q.From))
	}
	if !q.Until.IsZero() {
		also("at < ?", micros(q.Until))
	}
	return sql, args
}

// eventsOf finds events of a page by one source. end is the number where it gave up; 0: it did not.
func eventsOf(s statements, page *find.Turn, from eventSource, low, high int64, filter string, args []any) (rows []eventRow, end int64, err error) {
	_, direction := page.Sides()
	by := ""
	if from.index != "" {
		by = " INDEXED BY " + from.index
	}
	where := " FROM events" + by + " WHERE " + from.where + " AND seq > ? AND seq < ? ORDER BY seq " + direction + " LIMIT ?"
	begin := append(slices.Clone(from.args), low, high)
	// A page of events first, which mostly is all: told that it may have to read many of them,
	// PostgreSQL reads and sorts all of a person instead of the newest.
	for _, portion := range []int64{int64(page.Limit + 1), eventPortion} {
		all := append(append(slices.Clone(begin), portion), args...)
		rows, err = list[eventRow](s, "SELECT "+eventColumns+" FROM (SELECT "+eventColumns+where+") e WHERE "+filter+" LIMIT ?", append(all, int64(page.Limit+1))...)
		if err != nil || len(rows) > page.Limit {
			return rows, 0, err
		}
	}
	err = s.Row("SELECT seq"+where+" OFFSET ?", append(slices.Clone(begin), int64(1), int64(eventPortion-1)), &end)
	if errors.Is(err, idp.ErrNotFound) {
		err = nil
	}
	return rows, end, err
}

// seqBetween finds, by bisection, the numbers between which all events of a span of time
// lie; both are outside it.
func seqBetween(s statements, from, until time.Time) (low, high int64, err error) {
	var first, last int64
	if err := s.Row("SELECT coalesce(min(seq), 0) FROM events", nil, &first); err != nil {
		return 0, 0, err
	}
	if err := s.Row("SELECT coalesce(max(seq), 0) FROM events", nil, &last); err != nil {
		return 0, 0, err
	}
	low, high = first-1, last+1
	if !from.IsZero() {
		if low, err = seqBefore(s, low, high, micros(from.Add(-clockSlack))); err != nil {
			return 0, 0, err
		}
	}
	if !until.IsZero() {
		if high, err = seqBefore(s, first-1, last+1, micros(until.Add(clockSlack))); err != nil {
			return 0, 0, err
		}
		high++
	}
	return low, high, nil
}

// seqBefore is the number of the last event before a moment.
func seqBefore(s statements, low, high, at int64) (int64, error) {
	for low+1 < high {
		middle := low + (high-low)/2
		var is, then int64 // what was taken away leaves a gap
		err := s.Row("SELECT seq, at FROM events WHERE seq <= ? ORDER BY seq DESC LIMIT 1", []any{middle}, &is, &then)
		switch {
		case errors.Is(err, idp.ErrNotFound):
			low = middle
		case err != nil:
			return 0, err
		case then < at || is <= low:
			low = middle
		default:
			high = is
		}
	}
	return low, nil
}

// daily are the kinds of events that are counted per day.
var daily = map[idp.EventKind]bool{
	idp.EventLoginDone: true, idp.EventLoginDenied: true, idp.EventPasswordWrong: true, idp.EventCodeWrong: true, idp.EventFactorRight: true,
	idp.EventPhoneDenied: true, idp.EventNotMe: true, idp.EventDeviceLinked: true, idp.EventDeviceUnlinked: true,
}

// dayCount is what is counted of a day.
type dayCount struct {
	day  int64
	what string
}

// countDay counts an event on its day, with all others that are committed together.
func (t *tx) countDay(e *eventRow) {
	if !daily[idp.EventKind(e.Kind)] {
		return
	}
	what := e.Kind
	if e.Kind == string(idp.EventFactorRight) {
		var d struct {
			Method string `json:"method"`
		}
		_ = json.Unmarshal([]byte(e.Detail), &d) // it was made by eventRowOf
		what += " " + d.Method
	}
	t.days = append(t.days, dayCount{dayOf(e.At), what})
}

// putDays writes what was counted.
func (t *tx) putDays() error {
	if len(t.days) == 0 {
		return nil
	}
	sums := make(map[dayCount]int64, len(t.days))
	for _, d := range t.days {
		sums[d]++
	}
	for _, d := range slices.SortedFunc(maps.Keys(sums), func(a, b dayCount) int { return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.what, b.what)) }) {
		if err := t.put("INSERT INTO days (day, what, n) VALUES (?, ?, ?) ON CONFLICT (day, what) DO UPDATE SET n = days.n + excluded.n", d.day, d.what, sums[d]); err != nil {
			return err
		}
	}
	return nil
}

type dayRow struct {
	day  int64
	what string
	n    int64
}

func (r *dayRow) fields() []any { return []any{&r.day, &r.what, &r.n} }

// Days counts what happened on each day from one to another, both included;
// days are those of UTC.
func (db *DB) Days(ctx context.Context, from, until time.Time) ([]idp.Day, error) {
	r, err := db.readLog(ctx)
	if err != nil {
		return nil, err
	}
	first, last := dayOf(micros(from)), dayOf(micros(until))
	rows, err := list[dayRow](r, "SELECT day, what, n FROM days WHERE day >= ? AND day <= ? ORDER BY day", first, last)
	if err != nil {
		return nil, err
	}
	days := make([]idp.Day, max(0, last-first+1))
	for i := range days {
		days[i] = idp.Day{At: moment((first + int64(i)) * dayMicros), Done: map[idp.EventKind]int{}, Factors: map[string]int{}}
	}
	for _, row := range rows {
		kind, method, ok := strings.Cut(row.what, " ")
		d := &days[row.day-first]
		d.Done[idp.EventKind(kind)] += int(row.n)
		if ok && method != "" {
			d.Factors[method] += int(row.n)
		}
	}
	return days, nil
}
