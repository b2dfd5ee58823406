package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"hilum/e2e/crowd"
	"hilum/idp/store/pgtest"
)

// counts are what a server has done since it began.
type counts struct {
	requests   float64 // lines of its log
	statements float64 // without those of transactions
	around     float64 // that begin, mark and end transactions
	commits    float64
	allocated  float64 // KB
}

func (c counts) less(d counts, times float64) counts {
	return counts{c.requests - d.requests*times, c.statements - d.statements*times, c.around - d.around*times, c.commits - d.commits*times, c.allocated - d.allocated*times}
}

// countingBinary builds the provider with testdata/counts.go in it, which counts what SQLite is
// given. Nothing else of the provider differs.
func countingBinary(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	source, err1 := filepath.Abs("testdata/counts.go")
	place, err2 := filepath.Abs("../../cmd/idp/counts.go")
	check(t, err1)
	check(t, err2)
	overlay := filepath.Join(dir, "overlay.json")
	check(t, os.WriteFile(overlay, must(json.Marshal(map[string]any{"Replace": map[string]string{place: source}})), 0o600))
	program := filepath.Join(dir, "idp")
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", program, "hilum/cmd/idp").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// counter reads what a site has counted.
type counter struct {
	s                  *site
	profiles, counting string
}

// counting has a site count, from its next start on.
func counting(t testing.TB, s *site) *counter {
	t.Helper()
	c := &counter{s: s, profiles: freeAddress(t)}
	s.env = append(s.env, "IDP_DEBUG_LISTEN="+c.profiles)
	if s.server == nil {
		c.counting = freeAddress(t)
		s.program = countingBinary(t)
		s.env = append(s.env, "HILUM_BENCH_COUNTS="+c.counting)
		return c
	}
	s.server.Exec(t, "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
	s.server.Stop(t, pgtest.Fast)
	s.server.Start(t)
	s.server.Exec(t, "CREATE EXTENSION pg_stat_statements")
	return c
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	check(t, l.Close())
	return l.Addr().String()
}

var (
	allocatedBytes = regexp.MustCompile(`(?m)^# TotalAlloc = (\d+)$`)
	requestLine    = []byte("msg=request ")
)

// get reads an address of the provider that is for measurements.
func get(t testing.TB, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	check(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	check(t, err)
	return text
}

func (c *counter) read(t testing.TB) (is counts) {
	t.Helper()
	text, err := os.ReadFile(c.s.log)
	check(t, err)
	is.requests = float64(bytes.Count(text, requestLine))
	heap := get(t, "http://"+c.profiles+"/debug/pprof/heap?debug=1")
	is.allocated = numberIn(t, heap, allocatedBytes) / 1024
	if c.s.server == nil {
		_, err := fmt.Sscan(string(get(t, "http://"+c.counting)), &is.statements, &is.around, &is.commits)
		check(t, err)
		return is
	}
	// A transaction that writes has a number; one that only reads has none. What is one statement
	// alone commits without a word.
	const query = `SELECT coalesce(sum(calls) FILTER (WHERE query !~* $1), 0), coalesce(sum(calls) FILTER (WHERE query ~* $1), 0), pg_snapshot_xmax(pg_current_snapshot())::text
		FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = $2`
	name := c.s.database[strings.LastIndex(c.s.database, "/")+1:]
	name, _, _ = strings.Cut(name, "?")
	rows, err := pgtest.Rows(t.Context(), c.s.server.URL("postgres"), query, `^\s*(begin|commit|end|rollback|savepoint|release)`, name)
	check(t, err)
	for i, to := range []*float64{&is.statements, &is.around, &is.commits} {
		*to, err = strconv.ParseFloat(rows[0][i], 64)
		check(t, err)
	}
	return is
}

// counted is what one sign-in costs on an engine, as its server counts it: of n, one after
// another, so that none shares a commit. What the server does by itself in the same time is
// taken off.
func counted(t testing.TB, engine string, n int) []size {
	t.Helper()
	s := newSiteOn(t, engine, n+1, crowd.Least)
	c := counting(t, s)
	s.start(t)
	on, to := s.dial(t), s.clients["ES256"]
	signs := func() {
		code, err := browser{}.signIn(on, to, s.next(t), 0)
		check(t, err)
		_, err = to.exchange(on, code)
		check(t, err)
	}
	signs() // what is made once is made
	begin, before := time.Now(), c.read(t)
	for range n {
		signs()
	}
	after := c.read(t)
	took := time.Since(begin)
	time.Sleep(took)
	alone := c.read(t).less(after, 1)
	one := after.less(before, 1).less(alone, 1)
	s.stop(t)
	name := place{engine: engine}.name()
	of := func(what, unit, target string, v float64) size {
		v = round(v/float64(n), 3)
		return size{What: "one sign-in: " + what, On: name, Unit: unit, Value: v, Rounds: []float64{v}, Target: target}
	}
	costs := []size{of("HTTP requests", "requests", "", one.requests), of("SQL statements", "statements", "", one.statements), of("allocated", "KB", "", one.allocated)}
	if s.server != nil { // what goes to the server at once is a transaction without a word
		return append(costs, of("transactions that write", "transactions", "", one.commits))
	}
	return append(costs, of("SQL statements of transactions", "statements", "", one.around), of("commits", "commits", "", one.commits))
}
