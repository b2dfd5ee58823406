package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is the built program beside the test.
type process struct {
	cmd      *exec.Cmd
	ready    chan string // its address, once
	out, err logged
	ended    sync.WaitGroup
}

// runs starts the program with a data folder and arguments. It is killed with the test.
func runs(t *testing.T, data string, args ...string) *process {
	t.Helper()
	return runsAs(t, "idp", data, args...) // testscript.Main has put it there
}

func runsAs(t *testing.T, program, data string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), program, args...), ready: make(chan string, 1)}
	p.cmd.Env = append(os.Environ(), "IDP_LISTEN=127.0.0.1:0", "IDP_DATA_DIR="+data, "IDP_LOG_LEVEL=info")
	p.cmd.Stderr = &p.err
	said, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.ended.Go(func() { // ends with the process
		lines := bufio.NewScanner(said)
		for lines.Scan() {
			fmt.Fprintln(&p.out, lines.Text())
			if at, is := strings.CutPrefix(lines.Text(), "idp is ready at "); is {
				p.ready <- at
			}
		}
		close(p.ready)
	})
	return p
}

// ends waits for the end of a process and returns what it ended with, what it
// said to standard error included.
func (p *process) ends() error {
	p.ended.Wait()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("idp %s: %w\n%s%s", strings.Join(p.cmd.Args[1:], " "), err, &p.out, &p.err)
	}
	return nil
}

// TestFirstStartsAtOnce has three providers, and commands beside them, start
// together in an empty folder. Each goes on, and all have the same keys.
// ROUNDS says how often.
func TestFirstStartsAtOnce(t *testing.T) {
	rounds := 5
	if n, err := strconv.Atoi(os.Getenv("ROUNDS")); err == nil {
		rounds = n
	}
	failed := 0
	for i := range rounds {
		if err := firstStarts(t); err != nil {
			t.Errorf("round %d: %v", i+1, err)
			failed++
		}
	}
	t.Logf("%d of %d rounds failed", failed, rounds)
}

func firstStarts(t *testing.T) (err error) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	var servers, commands []*process
	for range 3 {
		servers = append(servers, runs(t, data, "serve"))
	}
	// A command makes no database, so it begins with the first sign of one.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, err := os.Stat(filepath.Join(data, "idp.db"))
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		time.Sleep(time.Millisecond)
	}
	for _, args := range [][]string{{"user", "list"}, {"invite", "anna"}} {
		commands = append(commands, runs(t, data, args...))
	}
	var keys []string
	for _, s := range servers {
		at, is := <-s.ready
		if !is {
			err = errors.Join(err, s.ends(), errors.New("a provider was not ready"))
			continue
		}
		_, set := fetch(t, "GET", at+"/jwks")
		keys = append(keys, set)
		defer func() { // and only after all have answered
			err = errors.Join(err, s.cmd.Process.Signal(syscall.SIGTERM), s.ends())
		}()
	}
	for _, c := range commands {
		err = errors.Join(err, c.ends())
	}
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k != keys[0] {
			err = errors.Join(err, fmt.Errorf("keys differ: %s and %s", keys[0], k))
		}
	}
	list := runs(t, data, "key", "list", "--json")
	verify := runs(t, data, "audit", "verify")
	err = errors.Join(err, list.ends(), verify.ends())
	if n := strings.Count(list.out.String(), `"alg"`); n != 2 {
		err = errors.Join(err, fmt.Errorf("%d signing keys were made: %s", n, &list.out))
	}
	return err
}
