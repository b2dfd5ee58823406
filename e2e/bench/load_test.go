package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The provider, or a limit, has the first core, and the load the second. A
// machine with one core has one for both, and its figures are worth less.
const (
	serverCore = 0
	loadCore   = 1
)

// several reports whether the machine has a core for the provider and another
// for the load.
func several() bool {
	var set unix.CPUSet
	return unix.SchedGetaffinity(0, &set) == nil && set.IsSet(serverCore) && set.IsSet(loadCore)
}

// startPinned starts a process on the provider's core. It inherits that from
// the thread that starts it, and every thread of its own from its first.
func startPinned(cmd *exec.Cmd) error {
	if !apart {
		return cmd.Start()
	}
	runtime.LockOSThread() // and never unlocked after a failure: the thread ends with the goroutine
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	one.Set(serverCore)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	err := cmd.Start()
	if back := unix.SchedSetaffinity(0, &before); back != nil {
		return errors.Join(err, back)
	}
	runtime.UnlockOSThread()
	return err
}

// keepAway puts this process, the load, on a core of its own.
func keepAway() error {
	var one unix.CPUSet
	one.Set(loadCore)
	for range 2 { // a second time for threads that have begun during the first
		threads, err := filepath.Glob("/proc/self/task/*")
		if err != nil {
			return err
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(filepath.Base(thread))
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(id, &one); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("core %d: %w", loadCore, err)
			}
		}
	}
	return nil
}

// cpuTime is what a process has had of the processors.
func cpuTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	check(t, err)
	var sum time.Duration
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has just ended; it takes its time with it
		}
		ran, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(ran, 10, 64)
		check(t, err)
		sum += time.Duration(ns)
	}
	return sum
}

// resident is the memory of a process, in MB, the parts of its file that are
// mapped included; own is what is no file's.
func resident(t testing.TB, pid int) float64 { t.Helper(); return memoryOf(t, pid, "VmRSS:") }
func own(t testing.TB, pid int) float64      { t.Helper(); return memoryOf(t, pid, "RssAnon:") }

func memoryOf(t testing.TB, pid int, name string) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(t, err)
	_, rest, _ := strings.Cut(string(text), name)
	fields := strings.Fields(rest)
	if len(fields) < 2 || fields[1] != "kB" {
		t.Fatalf("no %s in %s", name, text)
	}
	kb, err := strconv.ParseFloat(fields[0], 64)
	check(t, err)
	return kb / 1024
}

// conn is a connection that is kept, and asks for one thing after another. It
// reads no more of HTTP than the provider speaks, to cost less than it.
type conn struct {
	host string
	c    net.Conn
	r    *bufio.Reader
	out  []byte
}

func dial(host string) (*conn, error) {
	c, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	return &conn{host: host, c: c, r: bufio.NewReaderSize(c, 16<<10)}, nil
}

// reply is an answer.
type reply struct {
	status   int
	body     []byte
	location string
	nonce    string   // for the next proof (RFC 9449, section 8)
	cookies  []string // name=value
}

// ask sends a request; headers are lines, each with its end. A body is a form.
func (c *conn) ask(method, path, headers, form string) (*reply, error) {
	b := append(c.out[:0], method...)
	b = append(b, ' ')
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, c.host...)
	b = append(b, "\r\n"...)
	b = append(b, headers...)
	if method == "POST" {
		b = append(b, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(form)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	b = append(b, form...)
	c.out = b
	if err := c.c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := c.c.Write(b); err != nil {
		return nil, err
	}
	return c.read()
}

func (c *conn) read() (*reply, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 12 {
		return nil, fmt.Errorf("not HTTP: %q", line)
	}
	a := &reply{}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return nil, err
	}
	length, chunked := 0, false
	for {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return nil, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		value = bytes.TrimRight(value, "\r\n")
		switch string(name) {
		case "Content-Length":
			if length, err = strconv.Atoi(string(value)); err != nil {
				return nil, err
			}
		case "Transfer-Encoding":
			chunked = true
		case "Location":
			a.location = string(value)
		case "Dpop-Nonce":
			a.nonce = string(value)
		case "Set-Cookie":
			cookie, _, _ := strings.Cut(string(value), ";")
			a.cookies = append(a.cookies, cookie)
		}
	}
	if !chunked {
		a.body = make([]byte, length)
		_, err = io.ReadFull(c.r, a.body)
		return a, err
	}
	for {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return nil, err
		}
		n, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 32)
		if err != nil {
			return nil, err
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(c.r, chunk); err != nil {
			return nil, err
		}
		if n == 0 {
			return a, nil
		}
		a.body = append(a.body, chunk[:n]...)
	}
}

// sample is what a run has shown.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       time.Duration // of the server, for one operation
}

// load has workers repeat an operation, each on a connection of its own, for a
// while or until it has been done most times. An operation that fails ends the
// benchmark: none is counted that did not do what it should.
func load(t testing.TB, host string, pid, workers int, span time.Duration, most int, op func(c *conn, worker, n int) error) sample {
	t.Helper()
	took := make([][]time.Duration, workers)
	errs := make([]error, workers)
	conns := make([]*conn, workers)
	for w := range conns {
		var err error
		conns[w], err = dial(host)
		check(t, err)
		defer conns[w].c.Close()
	}
	var wg sync.WaitGroup
	before, begin := cpuTime(t, pid), time.Now()
	end := begin.Add(span)
	for w := range workers {
		wg.Go(func() { // ends with the span
			for n := 0; n*workers+w < most; n++ {
				at := time.Now()
				if at.After(end) {
					return
				}
				if errs[w] = op(conns[w], w, n*workers+w); errs[w] != nil {
					return
				}
				took[w] = append(took[w], time.Since(at))
			}
		})
	}
	wg.Wait()
	lasted := time.Since(begin)
	used := cpuTime(t, pid) - before
	for w, err := range errs {
		if err != nil {
			t.Fatalf("worker %d: %v", w, err)
		}
	}
	all := slices.Concat(took...)
	if len(all) == 0 {
		t.Fatal("nothing was done")
	}
	slices.Sort(all)
	return sample{
		perSecond: float64(len(all)) / lasted.Seconds(),
		p50:       all[len(all)/2],
		p99:       all[len(all)*99/100],
		cpu:       used / time.Duration(len(all)),
	}
}
