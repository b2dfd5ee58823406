package postgres

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp/store/engine"
	"hilum/idp/store/pgtest"
)

// openOnce is open for an engine whose functions do not run twice, whatever the linker says: brief
// changes are made by no function.
func openOnce(t *testing.T, url string, size int) *Engine {
	t.Helper()
	e := open(t, url, size)
	e.twice = false
	return e
}

// addBriefly adds a thing, where its key is held.
func addBriefly(k string) engine.Brief {
	return engine.Brief{Key: "things", Query: "of AS (SELECT 1 FROM held) INSERT INTO aside.things (k, n, b) SELECT ?1, 0, ?2 FROM of RETURNING 1", Args: []any{k, []byte(nil)}}
}

func TestBriefChanges(t *testing.T) {
	url := pgtest.Fresh(t)
	by(t, url, makeThings)
	e := openOnce(t, url, 2)
	brief := func(k string, want bool) {
		t.Helper()
		before := things(t, e)
		done, err := e.Brief(t.Context(), addBriefly(k))
		if err != nil || done != want || (things(t, e) > before) != want {
			t.Errorf("%s: done %v, %v, %d things of %d", k, done, err, things(t, e), before)
		}
	}
	brief("a", true)
	brief("a", false) // it is there
	if err := e.Write(t.Context(), func(w engine.Work) error {
		if err := errors.Join(w.Tx().Hold("things"), w.Tx().Row("SELECT 1", nil, new(int64))); err != nil {
			return err
		}
		brief("b", false) // somebody holds the key
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	brief("b", true)
	nothing := addBriefly("c")
	nothing.Query = strings.Replace(nothing.Query, "FROM held", "FROM held WHERE FALSE", 1)
	if done, err := e.Brief(t.Context(), nothing); done || err != nil || things(t, e) != 2 {
		t.Errorf("what changes nothing: done %v, %v", done, err)
	}
	if again, deadlocks, unknown := e.Ran(); again+deadlocks+unknown != 0 {
		t.Errorf("%d, %d, %d", again, deadlocks, unknown)
	}
}

// A database that has one view for a whole transaction would show what was before the key was
// held: nothing is changed briefly there.
func TestBriefChangesNeedTheirOwnView(t *testing.T) {
	url := pgtest.Fresh(t)
	by(t, url, makeThings, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''repeatable read''', current_database()); END $$`)
	e := openOnce(t, url, 1)
	if done, err := e.Brief(t.Context(), addBriefly("a")); done || err != nil || things(t, e) != 0 {
		t.Errorf("done %v, %v, %d things", done, err, things(t, e))
	}
}

// Of those that go together each is told its own, and when one is refused nothing of the others
// is there either.
func TestBriefChangesGoTogether(t *testing.T) {
	url := pgtest.Fresh(t)
	by(t, url, makeThings)
	e := openOnce(t, url, 1)
	together := func(keys ...string) (told []bool) {
		var all []*briefly
		for _, k := range keys {
			b := addBriefly(k)
			b.Query = whenHeld + b.Query
			all = append(all, &briefly{Brief: b})
		}
		trips := 0
		e.TellTrips(func([]string) { trips++ })
		e.change(all)
		e.TellTrips(func([]string) {})
		if trips != 1 {
			t.Errorf("%d trips", trips)
		}
		for _, b := range all {
			if b.err != nil {
				t.Error(b.err)
			}
			told = append(told, b.done)
		}
		return told
	}
	if told := together("a", "b", "c"); !slices.Equal(told, []bool{true, true, true}) || things(t, e) != 3 {
		t.Errorf("%v, %d things", told, things(t, e))
	}
	if told := together("d", "a", "e"); !slices.Equal(told, []bool{false, false, false}) || things(t, e) != 3 {
		t.Errorf("one that is there already: %v, %d things", told, things(t, e))
	}
}

// What a brief change reads is as the last holder of its key has left it: of two who look at one
// another's row and write their own, one sees the other's.
func TestBriefChangesSeeWhatTheHolderWrote(t *testing.T) {
	url := pgtest.Fresh(t)
	by(t, url, makeThings)
	e := openOnce(t, url, 2)
	const rounds = 300
	briefly, long := 0, 0
	for range rounds {
		by(t, url, "DELETE FROM aside.things; INSERT INTO aside.things (k, n) VALUES ('brief', 0), ('long', 0)")
		var both sync.WaitGroup
		var done bool
		var errs [2]error
		both.Go(func() {
			done, errs[0] = e.Brief(t.Context(), engine.Brief{Key: "things", Query: `of AS (SELECT 1 FROM held, aside.things WHERE k = 'long' AND n = 0)
				UPDATE aside.things SET n = 1 FROM of WHERE k = 'brief' RETURNING 1`})
		})
		both.Go(func() {
			errs[1] = e.Write(t.Context(), func(w engine.Work) error {
				var n int64
				if err := errors.Join(w.Tx().Hold("things"), w.Tx().Row("SELECT n FROM aside.things WHERE k = 'brief'", nil, &n)); err != nil || n > 0 {
					return err
				}
				return w.Tx().Put("UPDATE aside.things SET n = 1 WHERE k = 'long'")
			})
		})
		both.Wait()
		var b, l int64
		err := e.Read().Row("SELECT b.n, l.n FROM aside.things b, aside.things l WHERE b.k = 'brief' AND l.k = 'long'", nil, &b, &l)
		if err := errors.Join(err, errs[0], errs[1]); err != nil {
			t.Fatal(err)
		}
		if b+l != 1 || done != (b == 1) {
			t.Fatalf("brief %d, told %v; long %d", b, done, l)
		}
		briefly, long = briefly+int(b), long+int(l)
	}
	t.Logf("%d of %d were brief", briefly, rounds)
	if briefly == 0 || long == 0 {
		t.Error("they never met")
	}
}

// A change whose answer is lost is told as unknown: it may be there or not.
func TestBriefChangesThatAreCut(t *testing.T) {
	for name, c := range map[string]struct {
		at     pgtest.Moment
		things int64 // -1: it may be there
		told   error
	}{
		"before": {pgtest.Before, 0, engine.ErrUnknown},
		"sent":   {pgtest.Sent, -1, engine.ErrUnknown},
		"at":     {pgtest.At, 1, engine.ErrUnknown},
		"after":  {pgtest.After, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			direct := pgtest.Fresh(t)
			by(t, direct, makeThings)
			p := pgtest.NewProxy(t, direct)
			e := openOnce(t, p.URL(), 1)
			p.Also(func(sql string) bool { return strings.HasPrefix(sql, whenHeld) })
			p.CutNext(c.at)
			done, err := e.Brief(t.Context(), addBriefly("a"))
			if !errors.Is(err, c.told) || done != (c.told == nil) {
				t.Errorf("done %v, %v", done, err)
			}
			if n := things(t, open(t, direct, 1)); c.things >= 0 && n != c.things {
				t.Errorf("%d things", n)
			}
			for until := time.Now().Add(time.Minute); p.Cuts() != 1; time.Sleep(time.Millisecond) { // that of an answer which got through is cut a moment later
				if time.Now().After(until) {
					t.Fatalf("%d connections cut", p.Cuts())
				}
			}
		})
	}
}

// Who comes while a trip is under way goes with the next, up to so many; each trip is made for
// others by one of them.
func TestLane(t *testing.T) {
	l := lane[int]{most: 3, patience: time.Hour}
	var mu sync.Mutex
	var trips [][]int
	begun, first := make(chan bool), make(chan bool)
	trip := func(all []int) {
		if all[0] == 0 {
			close(begun)
			<-first
		}
		mu.Lock()
		defer mu.Unlock()
		trips = append(trips, all)
	}
	var riders sync.WaitGroup
	riders.Go(func() { l.ride(0, trip) })
	<-begun
	for i := 1; i <= 4; i++ {
		riders.Go(func() { l.ride(i, trip) })
		for waiting := 0; waiting < i; {
			l.mu.Lock()
			waiting = len(l.waiting)
			l.mu.Unlock()
		}
	}
	close(first)
	riders.Wait()
	if want := [][]int{{0}, {1, 2, 3}, {4}}; !slices.EqualFunc(trips, want, slices.Equal) {
		t.Errorf("trips for %v, want %v", trips, want)
	}
	l.ride(5, trip)
	if n := len(trips); n != 4 || l.busy || len(l.waiting) != 0 {
		t.Errorf("%d trips, busy %v, %d wait", n, l.busy, len(l.waiting))
	}
}

// Who has waited for long goes alone, beside the trip that does not come to its end.
func TestLaneThatIsStuck(t *testing.T) {
	l := lane[int]{most: 3, patience: time.Millisecond}
	begun, first := make(chan bool), make(chan bool)
	var riders sync.WaitGroup
	riders.Go(func() {
		l.ride(0, func([]int) {
			close(begun)
			<-first
		})
	})
	<-begun
	l.ride(1, func(all []int) {
		if !slices.Equal(all, []int{1}) {
			t.Errorf("a trip for %v", all)
		}
	})
	close(first)
	riders.Wait()
	if l.busy || len(l.waiting) != 0 {
		t.Errorf("busy %v, %d wait", l.busy, len(l.waiting))
	}
}
