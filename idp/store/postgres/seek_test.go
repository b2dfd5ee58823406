package postgres

import (
	"errors"
	"testing"

	"hilum/idp"
	"hilum/idp/store/engine"
	"hilum/idp/store/pgtest"
)

// Rows that are read together come to those who asked for them, in one trip, whether there is one
// or not. Where one cannot be read each is read by itself, and the others are read.
func TestSeeksGoTogether(t *testing.T) {
	url := pgtest.Fresh(t)
	by(t, url, makeThings, "INSERT INTO aside.things (k, n) VALUES ('a', 1), ('b', 2)")
	e := open(t, url, 1)
	const find = "SELECT n FROM aside.things WHERE k = ?"
	var n [3]int64
	all := []*sought{
		{query: find, args: []any{"a"}, dest: []any{&n[0]}},
		{query: find, args: []any{"none"}, dest: []any{&n[1]}},
		{query: find, args: []any{"b"}, dest: []any{&n[2]}},
	}
	e.seek(all) // tells the server of the statement
	trips := 0
	e.TellTrips(func([]string) { trips++ })
	n = [3]int64{}
	e.seek(all)
	e.TellTrips(func([]string) {})
	if trips != 1 || n != [3]int64{1, 0, 2} {
		t.Errorf("%d trips, read %v", trips, n)
	}
	for i, s := range all {
		if s.found != (i != 1) || s.err != nil {
			t.Errorf("%d: found %v, %v", i, s.found, s.err)
		}
	}
	all[1] = &sought{query: "SELECT 1 / n FROM (SELECT ?::bigint AS n) AS of", args: []any{0}, dest: []any{&n[1]}}
	e.seek(all)
	for i, s := range all {
		if !s.apart || s.found {
			t.Errorf("%d, beside one that cannot be read: apart %v, found %v", i, s.apart, s.found)
		}
	}

	seeks := e.Read().(engine.Seeks)
	if err := seeks.Seek(find, []any{"b"}, &n[0]); err != nil || n[0] != 2 {
		t.Errorf("%d, %v", n[0], err)
	}
	if err := seeks.Seek(find, []any{"none"}, &n[0]); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
	if err := seeks.Seek("SELECT 1 / n FROM (SELECT ?::bigint AS n) AS of", []any{0}, &n[0]); err == nil || pgError(err) == nil && !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("one that cannot be read: %v", err)
	}
}

// A row is read although the server was stopped since the last one: each connection that it has
// ended is found out, and none of those who read notices.
func TestSeeksOnConnectionsThatEnded(t *testing.T) {
	url := pgtest.Fresh(t)
	p := pgtest.NewProxy(t, url)
	e := open(t, p.URL(), 2)
	seeks := e.Read().(engine.Seeks)
	for range 3 {
		var n int64
		if err := seeks.Seek("SELECT 1 + 2", nil, &n); err != nil || n != 3 {
			t.Errorf("%d, %v", n, err)
		}
		p.CutAll()
	}
}
