package store

import (
	"regexp"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/store/find"
	"hilum/idp/store/pgtest"
)

// explained asks how a statement goes before it runs it.
type explained struct {
	statements
	t      *testing.T
	prefix string
	before int            // columns of a plan's row before its text
	wrong  *regexp.Regexp // what no plan may have
	seen   int
}

func (e *explained) explain(query string, args []any) {
	e.t.Helper()
	var lines []*string
	err := e.statements.Each(e.prefix+query, args, func() []any {
		var row []any
		for range e.before {
			row = append(row, new(int64))
		}
		lines = append(lines, new(string))
		return append(row, lines[len(lines)-1])
	})
	if err != nil {
		e.t.Fatalf("%s: %v", query, err)
	}
	var plan strings.Builder
	for _, line := range lines {
		plan.WriteString(*line + "\n")
	}
	if e.seen++; plan.Len() == 0 || e.wrong.MatchString(plan.String()) {
		e.t.Errorf("%s\n%s", query, plan.String())
	}
}

func (e *explained) Each(query string, args []any, next func() []any) error {
	e.explain(query, args)
	return e.statements.Each(query, args, next)
}

func (e *explained) Row(query string, args []any, dest ...any) error {
	e.explain(query, args)
	return e.statements.Row(query, args, dest...)
}

// What a sweep finds and deletes, and what lists of the administration read, goes by an index
// however many rows there are, and is not sorted first.
func TestNothingReadsAWholeTable(t *testing.T) {
	// SQLite goes by what its tables are. The log and its like it reads in the order of their
	// numbers, as far as a page goes.
	const lite = `(?m)^SCAN (?:grants|codes|access_tokens|refresh_tokens|logins|challenges)|TEMP B-TREE FOR (?:LAST|ORDER)`
	// PostgreSQL goes by how much is in them: what is filled as it likes, and then all, where it
	// reads and sorts a table only if there is no other way.
	wrong := []string{`Seq Scan on (?:events|grants|codes|access_tokens|refresh_tokens|sessions) |Sort  \(.* rows=\d{3}`, `Seq Scan|Sort Key`}
	for name, on := range map[string]struct {
		url    func() string
		prefix string
		before int
		wrong  []string
	}{
		"sqlite":   {func() string { return "" }, "EXPLAIN QUERY PLAN ", 3, []string{lite}},
		"postgres": {func() string { return pgtest.Fresh(t) }, "EXPLAIN ", 0, wrong},
	} {
		t.Run(name, func(t *testing.T) {
			const grants = 20_000
			g := NewGrowth(t, on.url(), 20, grants)
			g.Grow(grants)
			for i, wrong := range on.wrong {
				if i > 0 {
					g.avoid("enable_seqscan", "enable_sort")
				}
				db, err := Open(t.Context(), g.Config())
				if err != nil {
					t.Fatal(err)
				}
				e := &explained{statements: db.reader, t: t, prefix: on.prefix, before: on.before, wrong: regexp.MustCompile(wrong)}
				e.all(g)
				if err := db.Close(); err != nil {
					t.Error(err)
				}
				if e.seen < 70 {
					t.Errorf("%d statements were looked at", e.seen)
				}
			}
		})
	}
}

// all looks at the statements of sweeps and lists.
func (e *explained) all(g *Growth) {
	t := e.t
	at := micros(g.GoneAt(100))
	for i := range sweeps {
		s := &sweeps[i]
		rows, err := list[goneRow](e, s.find(), int64(0), at, sweepBatch)
		if err != nil {
			t.Fatal(err)
		}
		set := numberSet(append(rows, goneRow{}), func(r goneRow) int64 { return r.n })
		e.explain(s.drop(), append(set, at))
		for _, also := range s.also {
			e.explain(also, set[:sweepAtOnce])
		}
	}
	for i := range walks {
		w := &walks[i]
		var end, rows int64
		if err := e.Row(w.look(), []any{int64(100), int64(walkStep)}, &end, &rows); err != nil {
			t.Fatal(err)
		}
		if _, err := list[numberRow](e, w.find(), int64(100), end, int64(0)); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range agedDevices {
		if _, err := a.rows(e, unusedSince(g.begun), goneRow{}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := find.TurnTo(idp.Page{}, eventOrder, true)
	if err != nil {
		t.Fatal(err)
	}
	low, high, err := seqBetween(e, g.made(g.Grants/4), g.made(g.Grants/2))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []idp.EventQuery{
		{}, {User: g.User(5)}, {Device: g.Device(5)}, {Kinds: []idp.EventKind{idp.EventPasswordWrong}}, {Client: "viewer"},
	} {
		kinds := kindsOf(q.Kinds)
		filter, args := eventFilter(&q, kinds)
		for _, from := range sources(&q, kinds) {
			rows, _, err := eventsOf(e, page, from, low, high, filter, args)
			if err != nil || len(rows) == 0 {
				t.Errorf("%+v: %d events, %v", q, len(rows), err)
			}
		}
	}
	turn, err := find.TurnTo(idp.Page{}, sessionOrder, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []idp.UserID{"", g.User(5)} {
		rows, _, err := sessionsOf(e, turn, userListing.Filter(nil), user, micros(g.begun))
		if err != nil || len(rows) == 0 {
			t.Errorf("sessions of %q: %d, %v", user, len(rows), err)
		}
	}
}
