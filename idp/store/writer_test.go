package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
	"hilum/idp/store/sqlite"
)

func openAt(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Config{Key: make([]byte, 32), Driver: "sqlite", Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// held keeps the writer busy until release is called, so that others wait.
func held(t *testing.T, db *DB) (release func() error) {
	t.Helper()
	running, let, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	runs := sync.OnceFunc(func() { close(running) }) // functions may run twice
	go func() {
		done <- db.write(t.Context(), func(*tx) error {
			runs()
			<-let
			return nil
		})
	}()
	<-running
	return func() error {
		close(let)
		return <-done
	}
}

func put(key string) func(*tx) error {
	return func(t *tx) error {
		_, err := t.Exec("INSERT INTO revisions (name, n) VALUES (?, 1)", key)
		return err
	}
}

// kept reports whether put(key) is in the database.
func kept(t *testing.T, db *DB, key string) bool {
	t.Helper()
	var n int64
	if err := db.reader.Row("SELECT count(*) FROM revisions WHERE name = ?", []any{key}, &n); err != nil {
		t.Fatal(err)
	}
	return n == 1
}

// inBubble runs a test on a fresh database where waiting can be waited for.
func inBubble(t *testing.T, test func(*testing.T, *DB)) {
	path := filepath.Join(t.TempDir(), "idp.db")
	synctest.Test(t, func(t *testing.T) {
		db := openAt(t, path)
		defer db.Close()
		test(t, db)
	})
}

// together runs functions that all wait when the writer becomes free, and
// returns what each was told.
func together(t *testing.T, db *DB, fns ...func(*tx) error) []error {
	t.Helper()
	release := held(t, db)
	errs := make([]error, len(fns))
	var wg sync.WaitGroup
	for i, fn := range fns {
		wg.Go(func() { errs[i] = db.write(t.Context(), fn) })
		synctest.Wait() // in this order
	}
	told := release()
	wg.Wait()
	if told != nil && errs[0] == nil {
		t.Log(told)
	}
	return errs
}

func TestThoseWhoWaitAreCommittedTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		var seen [4]int64
		count := func(i int) func(*tx) error {
			return func(t *tx) error {
				if err := put(fmt.Sprint(i))(t); err != nil {
					return err
				}
				// A reader sees nothing of it before the commit.
				return db.reader.Row("SELECT count(*) FROM revisions WHERE name <> 'site'", nil, &seen[i])
			}
		}
		for i, err := range together(t, db, count(0), count(1), count(2), count(3)) {
			if err != nil || seen[i] != 1 || !kept(t, db, fmt.Sprint(i)) {
				t.Errorf("%d: error %v, readers saw %d rows, kept %v", i, err, seen[i], kept(t, db, fmt.Sprint(i)))
			}
		}
	})
}

func TestAFailureIsItsCallersAlone(t *testing.T) {
	refused := errors.New("refused")
	inBubble(t, func(t *testing.T, db *DB) {
		errs := together(t, db,
			put("before"),
			func(t *tx) error { return errors.Join(put("failed")(t), t.note(idp.Event{}), refused) },
			func(t *tx) error { return errors.Join(put("twice")(t), put("twice")(t)) },
			func(t *tx) error {
				_ = put("panicked")(t)
				panic("boom")
			},
			func(t *tx) error { return errors.Join(put("after")(t), t.note(idp.Event{})) },
		)
		if errs[0] != nil || !errors.Is(errs[1], refused) || !errors.Is(errs[2], idp.ErrConflict) || errs[3] == nil || errs[4] != nil {
			t.Errorf("told %v", errs)
		}
		for key, want := range map[string]bool{"before": true, "failed": false, "twice": false, "panicked": false, "after": true} {
			if kept(t, db, key) != want {
				t.Errorf("%s kept: %v", key, !want)
			}
		}
		if events, err := db.Events(t.Context(), 0, 10); err != nil || len(events) != 1 || db.VerifyEvents(t.Context()) != nil {
			t.Errorf("events %v, %v, %v", events, err, db.VerifyEvents(t.Context()))
		}
	})
}

func TestACommitThatFailsFailsEverybody(t *testing.T) {
	for name, broken := range map[string]func(*tx) error{
		"at the commit": func(t *tx) error {
			// Checked at the commit only, and wrong.
			_, err1 := t.Exec("PRAGMA defer_foreign_keys = ON")
			_, err2 := t.Exec("INSERT INTO passwords (user_id, hash, set_at) VALUES ('nobody', '', 0)")
			return errors.Join(err1, err2)
		},
		"when the database rolls back by itself": func(t *tx) error {
			_, err := t.Exec("ROLLBACK")
			return errors.Join(err, errors.New("disk full"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, db *DB) {
				for i, err := range together(t, db, put("a"), broken, put("b")) {
					if err == nil {
						t.Errorf("%d was told that all is well", i)
					}
				}
				if kept(t, db, "a") || kept(t, db, "b") {
					t.Error("something was kept")
				}
				if err := db.write(t.Context(), put("next")); err != nil || !kept(t, db, "next") {
					t.Errorf("writing does not go on: %v", err)
				}
			})
		})
	}
}

func TestWhoLeavesTheQueueIsNotRun(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		release := held(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		told := make(chan error, 1)
		go func() { told <- db.write(ctx, put("late")) }()
		synctest.Wait()
		cancel()
		if err := <-told; !errors.Is(err, context.Canceled) { // while the writer is still busy
			t.Errorf("told %v", err)
		}
		if err := release(); err != nil {
			t.Error(err)
		}
		if kept(t, db, "late") {
			t.Error("it was run")
		}
	})
}

func TestABatchIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		fns := make([]func(*tx) error, 2*sqlite.MaxBatch)
		var first, last int64
		for i := range fns {
			fns[i] = put(fmt.Sprint(i))
		}
		fns[sqlite.MaxBatch/2] = func(*tx) error {
			return db.reader.Row("SELECT count(*) FROM revisions WHERE name <> 'site'", nil, &first)
		}
		fns[len(fns)-1] = func(*tx) error {
			return db.reader.Row("SELECT count(*) FROM revisions WHERE name <> 'site'", nil, &last)
		}
		for _, err := range together(t, db, fns...) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if first != 1 || last <= first {
			t.Errorf("readers saw %d rows in the first batch and %d in the last", first, last)
		}
	})
}

func TestCloseLetsTheBatchFinish(t *testing.T) {
	path := filepath.Join(t.TempDir(), "idp.db")
	synctest.Test(t, func(t *testing.T) {
		db := openAt(t, path)
		running, let := make(chan struct{}), make(chan struct{})
		runs := sync.OnceFunc(func() { close(running) }) // functions may run twice
		told := make(chan error, 1)
		go func() {
			told <- db.write(t.Context(), func(t *tx) error {
				runs()
				<-let
				return put("last")(t)
			})
		}()
		<-running
		closed := make(chan error, 1)
		go func() { closed <- db.Close() }()
		synctest.Wait()
		if err := db.write(t.Context(), put("late")); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("after Close a caller is told %v", err)
		}
		close(let)
		if err := errors.Join(<-told, <-closed); err != nil {
			t.Error(err)
		}
		if err := db.Ping(t.Context()); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("a read after Close is told %v", err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
		db = openAt(t, path)
		defer db.Close()
		if !kept(t, db, "last") || kept(t, db, "late") {
			t.Error("the batch under way was lost, or a late one kept")
		}
	})
}

func TestWatchSeesAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "idp.db")
	synctest.Test(t, func(t *testing.T) {
		server, command := openAt(t, path), openAt(t, path)
		defer server.Close()
		defer command.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		heard := make(chan idp.Topic, 10)
		wg.Go(func() {
			server.Watch(ctx, func(topics ...idp.Topic) {
				for _, topic := range topics {
					heard <- topic
				}
			})
		})
		defer wg.Wait()
		defer cancel()

		if _, err := server.Client(ctx, "viewer"); !errors.Is(err, idp.ErrNotFound) {
			t.Fatal(err)
		}
		if err := command.AddClient(ctx, &idp.Client{ID: "viewer", Name: "Viewer"}); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Client(ctx, "viewer"); err != nil {
			t.Fatalf("a client that another process added is not known at once: %v", err)
		}
		if err := command.UpdateClient(ctx, "viewer", func(c *idp.Client) error { c.Name = "Changed"; return nil }); err != nil {
			t.Fatal(err)
		}
		if c, err := server.Client(ctx, "viewer"); err != nil || c.Name != "Viewer" {
			t.Fatalf("served from memory no more: %+v, %v", c, err)
		}
		seen := func() bool {
			_, err := server.Client(ctx, "viewer")
			return err == nil
		}
		time.Sleep(watchEvery + time.Millisecond) // of the bubble's time
		synctest.Wait()
		if c, err := server.Client(ctx, "viewer"); err != nil || c.Name != "Changed" {
			t.Errorf("what another process changed is not known: %+v, %v", c, err)
		}
		if err := command.RemoveClient(ctx, "viewer", idp.Event{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(watchEvery + time.Millisecond) // of the bubble's time
		synctest.Wait()
		if seen() {
			t.Error("a client that another process removed is still served")
		}

		// What another process relays is heard, once, in its order.
		want := []idp.Topic{idp.TopicUser("u"), idp.TopicChanged("u"), idp.TopicLogin("l")}
		if err := errors.Join(command.Relay(ctx, want[:2]...), command.Relay(ctx, want[2])); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * watchEvery) // of the bubble's time
		synctest.Wait()
		var got []idp.Topic
		for len(heard) > 0 {
			got = append(got, <-heard)
		}
		if !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	})
}

func TestTrips(t *testing.T) {
	db := openAt(t, filepath.Join(t.TempDir(), "idp.db"))
	defer db.Close()
	if err := db.AddClient(t.Context(), &idp.Client{ID: "viewer"}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Client(t.Context(), "viewer"); err != nil {
		t.Fatal(err)
	}
	reads, writes := db.Trips()
	if _, err := db.Client(t.Context(), "viewer"); err != nil {
		t.Fatal(err)
	}
	_, _ = db.User(t.Context(), "nobody")
	_ = db.UpdateLogin(t.Context(), "nothing", func(*idp.Login) error { return nil })
	if r, w := db.Trips(); r-reads != 1 || w-writes != 1 {
		t.Errorf("%d reads and %d transactions", r-reads, w-writes)
	}
}
