package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"hilum/idp"
	"hilum/idp/store"
)

// childPath makes this test binary another process that writes to a database.
const childPath = "STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		os.Exit(child(path))
	}
	os.Exit(m.Run())
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
