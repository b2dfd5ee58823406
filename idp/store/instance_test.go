package store

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/store/pgtest"
)

// openShared opens a database that several instances share, by a clock of the test.
func openShared(t *testing.T, url string, now func() time.Time) *DB {
	t.Helper()
	db, err := Open(t.Context(), Config{Key: make([]byte, 32), URL: url, Now: now, strict: true, watch: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Instances hear of one another by what changes in their rows, whatever their clocks say: one
// that says nothing for 15 seconds counts no more, and is off the list after a minute.
func TestInstancesComeAndGo(t *testing.T) {
	url := pgtest.Fresh(t)
	var clock atomic.Int64 // of all, but that the second is an hour late
	start := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	now := func() time.Time { return start.Add(time.Duration(clock.Load())) }
	ctx := t.Context()
	one, two := openShared(t, url, now), openShared(t, url, func() time.Time { return now().Add(-time.Hour) })
	rolls := map[*DB]*roll{}
	for _, db := range []*DB{one, two} {
		r, err := db.roll("1.2.3")
		if err != nil {
			t.Fatal(err)
		}
		rolls[db] = r
	}
	beat := func(db *DB, want int) {
		t.Helper()
		live, err := rolls[db].beat(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if live != want {
			t.Errorf("%d live after %v, want %d", live, now().Sub(start), want)
		}
	}
	pass := func(d time.Duration) { clock.Add(int64(d)) }
	listed := func(db *DB) (ids []string) {
		t.Helper()
		h, err := db.Health(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range h.Instances {
			if i.Version != "1.2.3" || i.SchemaFrom == 0 || i.SchemaFrom > i.SchemaTo || i.Host == "" {
				t.Errorf("an instance that is not told whole: %+v", i)
			}
			ids = append(ids, i.ID)
		}
		return ids
	}

	beat(one, 1)
	beat(two, 2)
	beat(one, 2)
	if ids := listed(one); !slices.Equal(ids, []string{rolls[two].row.id, rolls[one].row.id}) {
		t.Errorf("listed: %v", ids)
	}
	pass(10 * time.Second)
	beat(two, 2)
	beat(one, 2)
	pass(14 * time.Second)
	beat(one, 2) // the other one was heard within 15 seconds
	pass(time.Second)
	beat(one, 1)
	beat(two, 2) // it lives after all
	beat(one, 2)
	pass(59 * time.Second)
	beat(one, 1)
	if n := len(listed(one)); n != 2 {
		t.Errorf("%d listed before the minute is over", n)
	}
	pass(time.Second)
	beat(one, 1)
	if ids := listed(one); !slices.Equal(ids, []string{rolls[one].row.id}) {
		t.Errorf("after a minute without a word there are %v", ids)
	}
	beat(two, 2) // it was asleep
	beat(one, 2)
	if err := rolls[two].leave(ctx); err != nil {
		t.Fatal(err)
	}
	beat(one, 1)
	if ids := listed(two); !slices.Equal(ids, []string{rolls[one].row.id}) {
		t.Errorf("after one has left there are %v", ids)
	}
}

// Who comes and who goes tells the others at once.
func TestInstancesTell(t *testing.T) {
	url := pgtest.Fresh(t)
	type process struct {
		live chan int
		end  func()
	}
	start := func() process {
		db := openShared(t, url, nil)
		ctx, stop := context.WithCancel(t.Context())
		live, began := make(chan int, 10), make(chan struct{}, 1)
		var wg sync.WaitGroup
		wg.Go(func() {
			db.Listen(ctx, func(...idp.Topic) {}, func() {
				select {
				case began <- struct{}{}:
				default:
				}
			})
		})
		<-began
		wg.Go(func() { db.Live(ctx, "1", func(n int) { live <- n }) })
		end := sync.OnceFunc(func() {
			stop()
			wg.Wait()
		})
		t.Cleanup(end)
		return process{live, end}
	}
	comes := func(p process, want int) {
		t.Helper()
		if n := <-p.live; n != want {
			t.Errorf("%d live, want %d", n, want)
		}
	}
	one := start()
	comes(one, 1)
	two := start()
	comes(two, 2)
	comes(one, 2)
	two.end()
	comes(one, 1)
}

// What waits to be put into the log is told by how long it waits.
func TestLagIsTold(t *testing.T) {
	url := pgtest.Fresh(t)
	at := time.Now().Truncate(time.Microsecond)
	db, err := Open(t.Context(), Config{URL: url, Now: func() time.Time { return at }}) // without its key it links nothing
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if lag, err := db.lag(t.Context()); err != nil || lag != 0 {
		t.Errorf("nothing waits for %v, %v", lag, err)
	}
	for range 2 {
		if err := db.write(t.Context(), func(x *tx) error { return x.leave([]idp.Event{{At: at, Kind: idp.EventLoginDone}}) }); err != nil {
			t.Fatal(err)
		}
		at = at.Add(1500 * time.Millisecond)
	}
	if lag, err := db.lag(t.Context()); err != nil || lag != 3*time.Second {
		t.Errorf("the oldest waits for %v, %v", lag, err)
	}
}
