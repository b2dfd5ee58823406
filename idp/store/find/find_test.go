package find

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"hilum/idp"
	"hilum/idp/store/engine"
	"hilum/idp/store/sqlite"
)

// work is a transaction of a test.
type work struct{ tx engine.Tx }

func (w work) Tx() engine.Tx { return w.tx }
func (work) Mark()           {}
func (work) Undo()           {}
func (work) Noted() int64    { return 0 }
func (work) Finish() error   { return nil }
func (work) Committed()      {}

// cities is a list in a database of its own.
var cities = &List{Table: "cities", Terms: "city_terms", Facets: 2, Orders: map[string]Order{"name": {Column: "name", Text: true}, "size": {Column: "size"}}}

type city struct {
	Row
	name string
	size int64
}

// open makes the list of cities, and returns what reads it.
func open(t *testing.T, rows func(add func(c *city, words ...string))) engine.Statements {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	e, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(t.TempDir(), "cities.db"), Log: slog.New(slog.DiscardHandler)},
		engine.Hooks{Begin: func(tx engine.Tx) engine.Work { return work{tx} }, Wrote: func(error) {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	err = e.Write(ctx, func(w engine.Work) error {
		tx := w.Tx()
		for _, sql := range []string{
			"CREATE TABLE cities (n INTEGER PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL, facets INTEGER NOT NULL, sig INTEGER NOT NULL, words TEXT NOT NULL)",
			"CREATE INDEX cities_name ON cities (name, n, facets, sig)", "CREATE INDEX cities_size ON cities (size, n, facets, sig)",
			"CREATE TABLE city_terms (term TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (term, n)) WITHOUT ROWID",
		} {
			if _, err := tx.Exec(sql); err != nil {
				return err
			}
		}
		var failed error
		rows(func(c *city, words ...string) {
			if failed != nil {
				return
			}
			if c.N, failed = tx.Next(cities.Table); failed != nil {
				return
			}
			c.SetWords(words)
			if _, failed = tx.Exec("INSERT INTO cities (n, name, size, facets, sig, words) VALUES (?, ?, ?, ?, ?, ?)", c.N, c.name, c.size, c.Facets, c.Sig, c.Words); failed == nil {
				failed = cities.PutTerms(tx.Put, &Row{}, &c.Row)
			}
		})
		return failed
	})
	if err != nil {
		t.Fatal(err)
	}
	return e.Read()
}

// A search that is out of patience says so, and goes on with the next page
// until it has seen everything: reading through is slow on purpose here.
func TestReadingThroughInPortions(t *testing.T) {
	const rows = 2*portion + 100
	r := open(t, func(add func(*city, ...string)) {
		for n := range rows {
			w := "x"
			if n%4001 == 4000 {
				w = "xy"
			}
			add(&city{name: "p"}, w)
		}
	})
	s := &search{Turn: &Turn{order: cities.Orders["name"], Limit: 3, Up: true}, Filter: cities.Filter([]string{"xy"}), s: r}
	var got []int64
	for range 10 {
		places, short, err := s.readThrough()
		if err != nil {
			t.Fatal(err)
		}
		places, cursors := Cut(s.Turn, places, func(p *Place) Place { return *p }, short)
		for _, p := range places {
			got = append(got, p.N)
		}
		if cursors.Next == "" {
			break
		}
		if s.From, err = s.order.place(cursors.Next); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []int64{4001, 8002, 12003, 16004}) {
		t.Errorf("found %v", got)
	}
}

// Pages go on where the one before ended, both ways, in either order: of what is looked up,
// and of the whole list, which is read through.
func TestPagesGoBothWays(t *testing.T) {
	r := open(t, func(add func(*city, ...string)) {
		for n := range 40 {
			c := &city{name: string(rune('a' + n%7)), size: int64(n / 3)}
			if n%2 == 0 {
				c.Facets = 2
			}
			add(c, "town", string(rune('a'+n%5))+"ville")
		}
	})
	for _, q := range []Query{
		{Order: "name"},
		{Order: "size", Down: true},
		{Order: "size", Words: []string{"town"}},
		{Order: "name", Words: []string{"avil", "to"}, Down: true},
		{Order: "name", Facets: []int{1}},
		{Order: "size", Facets: []int{1}, Words: []string{"b"}},
	} {
		q.Limit = idp.MaxListPage
		whole, err := cities.Search(r, q)
		if err != nil {
			t.Fatal(err)
		}
		if len(whole.Numbers) == 0 || whole.Next != "" || whole.Prev != "" {
			t.Fatalf("%+v: %+v", q, whole)
		}
		if whole.Total == nil || whole.Total.N != len(whole.Numbers) {
			t.Errorf("%+v: counted %+v of %d", q, whole.Total, len(whole.Numbers))
		}
		var onward []int64
		q.Limit = 3
		for {
			p, err := cities.Search(r, q)
			if err != nil {
				t.Fatal(err)
			}
			onward = append(onward, p.Numbers...)
			if p.Next == "" {
				break
			}
			q.After = p.Next
		}
		if !slices.Equal(onward, whole.Numbers) {
			t.Errorf("%+v: page by page %v, at once %v", q, onward, whole.Numbers)
		}
		// Back from the last page, whose own rows are not seen again.
		last, err := cities.Search(r, q)
		if err != nil {
			t.Fatal(err)
		}
		back := last.Numbers
		for q.After = ""; last.Prev != ""; {
			q.Before = last.Prev
			if last, err = cities.Search(r, q); err != nil {
				t.Fatal(err)
			}
			back = append(slices.Clone(last.Numbers), back...)
		}
		if !slices.Equal(back, whole.Numbers) {
			t.Errorf("%+v: back %v, at once %v", q, back, whole.Numbers)
		}
	}
}

// A key says of which order it is, and none but that takes it.
func TestKeysAreOfOneOrder(t *testing.T) {
	r := open(t, func(add func(*city, ...string)) {
		for range 5 {
			add(&city{name: "a b"}, "x")
		}
	})
	p, err := cities.Search(r, Query{Order: "name", Page: idp.Page{Limit: 2}})
	if err != nil || p.Next == "" {
		t.Fatalf("%+v, %v", p, err)
	}
	for _, q := range []Query{
		{Order: "size", Page: idp.Page{After: p.Next}},
		{Order: "name", Page: idp.Page{After: "x" + p.Next}},
		{Order: "name", Page: idp.Page{Before: "!"}},
		{Order: "colour"},
	} {
		if _, err := cities.Search(r, q); err == nil {
			t.Errorf("%+v is answered", q)
		}
	}
}
