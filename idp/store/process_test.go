package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"gorm.io/driver/sqlite"

	"hilum/idp"
	"hilum/idp/store"
	"hilum/idp/store/pgtest"
)

// childPath makes this test binary another process that writes to a database,
// openPath one that opens it and ends.
const (
	childPath = "STORE_TEST_CHILD"
	openPath  = "STORE_TEST_OPEN"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(openPath); path != "" {
		db, err := store.Open(context.Background(), store.Config{Key: make([]byte, 32), Driver: "sqlite", Path: path})
		if err == nil {
			err = db.Close()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if path := os.Getenv(rivalPath); path != "" {
		os.Exit(rival(path))
	}
	if os.Getenv(store.MoveChild) != "" {
		os.Exit(store.RunMoveChild())
	}
	if path := os.Getenv(childPath); path != "" {
		os.Exit(child(path))
	}
	pgtest.Main(m)
}

// child adds people for ever and prints each when it is kept.
func child(path string) int {
	ctx := context.Background()
	db, err := store.Open(ctx, store.Config{Key: make([]byte, 32), Driver: "sqlite", Path: path})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				u := &idp.User{ID: idp.NewID[idp.UserID](), Name: idp.NewID[string]()}
				u.Note(idp.Event{Kind: idp.EventUserCreated, User: u.ID})
				if err := db.AddUser(ctx, u); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Println(u.ID) // one write each, so lines do not mix
			}
		})
	}
	wg.Wait()
	return 0
}

// TestProcessesThatAreKilled lets two processes make a database, write to it at
// once, and kills them in the middle of it. What they said was kept is there.
func TestProcessesThatAreKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "idp.db")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	said := make([][]idp.UserID, 2)
	var wg sync.WaitGroup
	for i := range said {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), childPath+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			lines := bufio.NewScanner(out)
			for lines.Scan() {
				said[i] = append(said[i], idp.UserID(lines.Text()))
				if len(said[i]) == 300 {
					_ = cmd.Process.Kill()
				}
			}
			_ = cmd.Wait() // killed
		})
	}
	wg.Wait()

	db := open(t, path)
	for i, ids := range said {
		if len(ids) < 300 {
			t.Errorf("process %d said %d", i, len(ids))
		}
		for _, id := range ids {
			if len(id) != len(idp.NewID[idp.UserID]()) {
				continue // cut off by the kill
			}
			if _, err := db.User(t.Context(), id); err != nil {
				t.Errorf("process %d said that it was kept: %v", i, err)
			}
		}
	}
	if err := db.VerifyEvents(t.Context()); err != nil {
		t.Error(err)
	}
	users, err := db.CountUsers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	events, err := db.Events(t.Context(), 0, 1_000_000)
	if err != nil || len(events) != users {
		t.Errorf("%d people, %d events, %v", users, len(events), err)
	}
}

// TestManyOpenAtOnce has processes open a database at the same instant that is
// not there yet, or whose people are in no list: all
// succeed, each step is taken once, and everybody is listed once. ROUNDS says
// how often.
func TestManyOpenAtOnce(t *testing.T) {
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("ROUNDS")); err == nil {
		rounds = n
	}
	const people = 250
	raw := func(t *testing.T, path string) *sql.DB {
		t.Helper()
		db, err := sql.Open(sqlite.DriverName, "file:"+path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() }) // mostly the second time
		return db
	}
	for name, prepare := range map[string]func(t *testing.T, path string){
		"none": func(*testing.T, string) {},
		"not listed": func(t *testing.T, path string) {
			db, err := store.Open(t.Context(), store.Config{Key: make([]byte, 32), Driver: "sqlite", Path: path})
			if err != nil {
				t.Fatal(err)
			}
			for i := range people {
				u := &idp.User{ID: idp.NewID[idp.UserID](), Name: fmt.Sprint("p", i), State: idp.UserActive}
				if err := db.AddUser(t.Context(), u); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			by := raw(t, path)
			for _, sql := range []string{"DELETE FROM user_list", "DELETE FROM user_terms", "UPDATE users SET n = 0"} {
				if _, err := by.ExecContext(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			if err := by.Close(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range rounds {
				path := filepath.Join(t.TempDir(), "idp.db")
				prepare(t, path)
				self, err := os.Executable()
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						cmd := exec.CommandContext(t.Context(), self)
						cmd.Env = append(os.Environ(), openPath+"="+path)
						if out, err := cmd.CombinedOutput(); err != nil {
							t.Errorf("%v: %s", err, out)
						}
					})
				}
				wg.Wait()
				by := raw(t, path)
				var twice, users, listed int
				err = by.QueryRowContext(t.Context(), `SELECT count(*) - count(DISTINCT version_id), (SELECT count(*) FROM users),
					(SELECT count(*) FROM users u JOIN user_list l ON l.n = u.n) FROM goose_db_version`).Scan(&twice, &users, &listed)
				if err != nil || twice != 0 || listed != users || name == "not listed" && users != people {
					t.Errorf("%d steps were taken twice, %d of %d people are listed, %v", twice, listed, users, err)
				}
				if err := by.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
