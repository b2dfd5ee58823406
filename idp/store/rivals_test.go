package store_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp/idptest"
	"hilum/idp/store"
	"hilum/idp/store/pgtest"
	"hilum/idp/store/storetest"
)

// rivalPath makes this test binary a rival in another process: it is a file with the
// database and the prizes.
const rivalPath = "STORE_TEST_RIVAL"

type rivalry struct {
	URL    string
	Prizes *storetest.Prizes
}

// played is what a process was told.
type played struct {
	Said             []string
	Through          []int
	Again, Deadlocks int64
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

func remote(ctx context.Context, url string) (*store.DB, error) {
	return store.Open(ctx, store.Strict(store.Config{Key: make([]byte, 32), URL: url, Mail: true, Log: slog.New(slog.DiscardHandler)}))
}

// TestRivalsThroughDelay lets rivals loose on a server that is far away, where what one
// transaction has read is old by the time it writes. ROUNDS of them, DELAY milliseconds each way.
func TestRivalsThroughDelay(t *testing.T) {
	rounds, delay := number("ROUNDS", 0), time.Duration(number("DELAY", 2))*time.Millisecond
	if rounds == 0 {
		rounds = 4
	}
	var again, deadlocks, unknown atomic.Int64
	t.Run("far", func(t *testing.T) {
		storetest.Rivals(t, rounds, func(t *testing.T, instances int) []storetest.Store {
			p := pgtest.NewProxy(t, idptest.URL(t))
			var all []storetest.Store
			for range instances {
				db, err := remote(t.Context(), p.URL())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					a, d, u := db.Ran()
					again.Add(a)
					deadlocks.Add(d)
					unknown.Add(u)
					if err := db.Close(); err != nil {
						t.Error(err)
					}
				})
				all = append(all, db)
			}
			p.Delay(delay)
			return all
		})
	})
	t.Logf("%d rounds, %v each way: %d transactions ran again, %d deadlocks", rounds, delay, again.Load(), deadlocks.Load())
	if unknown.Load() != 0 {
		t.Errorf("%d commits without an answer", unknown.Load())
	}
}

// TestRivalProcesses has two processes try for the same things on one database.
func TestRivalProcesses(t *testing.T) {
	rounds := number("ROUNDS", 5)
	direct := idptest.URL(t)
	p := pgtest.NewProxy(t, direct)
	db, err := remote(t.Context(), p.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	r := rivalry{p.URL(), storetest.MakePrizes(t, db, rounds)}
	path := filepath.Join(t.TempDir(), "prizes")
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), rivalPath+"="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil { // it has opened the database
		t.Fatal(err)
	}
	p.Delay(time.Duration(number("DELAY", 1)) * time.Millisecond)
	start := time.Now().Add(200 * time.Millisecond)
	if _, err := fmt.Fprintln(in, start.Format(time.RFC3339Nano)); err != nil {
		t.Fatal(err)
	}
	said, through := r.Prizes.Play(t.Context(), db, 0, start)
	var other played
	if err := json.NewDecoder(lines).Decode(&other); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	p.Delay(0)
	r.Prizes.Judge(t, [][]string{said, other.Said}, [][]int{through, other.Through})
	a, d, _ := db.Ran()
	if err := db.VerifyEvents(t.Context()); err != nil {
		t.Error(err)
	}
	won := 0
	for i, s := range other.Said {
		if s == "" && r.Prizes.All[i].Kind != "guess" {
			won++
		}
	}
	t.Logf("%d prizes, of which the other process won %d; %d transactions ran again, %d deadlocks", len(r.Prizes.All), won, a+other.Again, d+other.Deadlocks)
}

// rival is the other process of TestRivalProcesses.
func rival(path string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx := context.Background()
	text, err := os.ReadFile(path)
	if err != nil {
		return fail(err)
	}
	var r rivalry
	if err := json.Unmarshal(text, &r); err != nil {
		return fail(err)
	}
	db, err := remote(ctx, r.URL)
	if err != nil {
		return fail(err)
	}
	fmt.Println("ready")
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return fail(err)
	}
	start, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(line))
	if err != nil {
		return fail(err)
	}
	var p played
	p.Said, p.Through = r.Prizes.Play(ctx, db, 1, start)
	p.Again, p.Deadlocks, _ = db.Ran()
	if err := json.NewEncoder(os.Stdout).Encode(p); err != nil {
		return fail(err)
	}
	if err := db.Close(); err != nil {
		return fail(err)
	}
	return 0
}
