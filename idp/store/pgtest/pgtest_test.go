package pgtest

import (
	"bufio"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const asChild = "PGTEST_CHILD"

func TestMain(m *testing.M) { Main(m) }

func dial(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(t.Context()) })
	return c
}

func exec1(t *testing.T, c *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := c.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func ask[T any](t *testing.T, c *pgx.Conn, sql string, args ...any) (answer T) {
	t.Helper()
	if err := c.QueryRow(t.Context(), sql, args...).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// The server keeps what it says it keeps, and is as databases of ours have to be.
func TestServerIsDurable(t *testing.T) {
	c := dial(t, Own(t).Fresh(t))
	for name, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "max_connections": "300",
		"server_encoding": "UTF8", "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
	} {
		if is := ask[string](t, c, "SELECT current_setting($1)", name); is != want {
			t.Errorf("%s is %q, want %q", name, is, want)
		}
	}
	if collation := ask[string](t, c, "SELECT datcollate FROM pg_database WHERE datname = current_database()"); collation != "C" {
		t.Errorf("text is sorted by %q, want C", collation)
	}
	if method := ask[string](t, c, "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules"); method != "scram-sha-256" {
		t.Errorf("people are let in by %q", method)
	}
}

// Each call gives a database of its own, with nothing in it, and it is gone afterwards,
// even where somebody is still connected.
func TestFreshIsEmptyAndGoes(t *testing.T) {
	var names []string
	t.Run("inside", func(t *testing.T) {
		one, other := dial(t, Fresh(t)), dial(t, Fresh(t))
		exec1(t, one, "CREATE TABLE things (n int)")
		if n := ask[int](t, other, "SELECT count(*) FROM pg_class WHERE relname = 'things'"); n != 0 {
			t.Errorf("another database has the table, too")
		}
		for _, c := range []*pgx.Conn{one, other} {
			names = append(names, ask[string](t, c, "SELECT current_database()"))
		}
	})
	if len(names) != 2 {
		return // what is inside said why
	}
	if names[0] == names[1] {
		t.Errorf("both are called %s", names[0])
	}
	c := dial(t, Fresh(t))
	if n := ask[int](t, c, "SELECT count(*) FROM pg_database WHERE datname = ANY($1)", names); n != 0 {
		t.Errorf("%d of %q are still there", n, names)
	}
}

// Databases that somebody has prepared are alike, apart, and gone with their tests.
func TestPreparedIsCopied(t *testing.T) {
	var p Prepared
	calls := 0
	prepare := func(url string) error {
		calls++
		c, err := pgx.Connect(t.Context(), url)
		if err != nil {
			return err
		}
		_, err = c.Exec(t.Context(), "CREATE TABLE things (n int)")
		return errors.Join(err, c.Close(t.Context()))
	}
	var name string
	t.Run("inside", func(t *testing.T) {
		one, other := dial(t, p.Fresh(t, prepare)), dial(t, p.Fresh(t, prepare))
		exec1(t, one, "INSERT INTO things VALUES (1)")
		if n := ask[int](t, other, "SELECT count(*) FROM things"); n != 0 {
			t.Errorf("another database has what one has: %d", n)
		}
		name = ask[string](t, one, "SELECT current_database()")
	})
	if name == "" {
		return // what is inside said why
	}
	if want := map[bool]int{false: 1, true: 2}[os.Getenv(Elsewhere) != ""]; calls != want {
		t.Errorf("prepared %d times, want %d", calls, want)
	}
	if n := ask[int](t, dial(t, Fresh(t)), "SELECT count(*) FROM pg_database WHERE datname = $1", name); n != 0 {
		t.Errorf("%s is still there", name)
	}
}

// What was committed is there after every way of ending, and what was not is not.
func TestStopAndStart(t *testing.T) {
	s := Own(t)
	at := s.URL("postgres")
	c := dial(t, at)
	exec1(t, c, "CREATE TABLE things (n int)")
	for i, how := range []struct {
		why  string
		stop func()
	}{
		{"fast", func() { s.Stop(t, Fast) }},
		{"immediate", func() { s.Stop(t, Immediate) }},
		{"killed", func() { s.Kill(t) }},
	} {
		c := dial(t, at)
		exec1(t, c, "INSERT INTO things VALUES ($1)", i)
		exec1(t, c, "BEGIN")
		exec1(t, c, "INSERT INTO things VALUES (-1)")
		how.stop()
		if s.Running() {
			t.Errorf("%s: it runs", how.why)
		}
		if _, err := pgx.Connect(t.Context(), at); err == nil {
			t.Errorf("%s: it answers", how.why)
		}
		s.Start(t)
		c = dial(t, at)
		if n, sum := ask[int](t, c, "SELECT count(*) FROM things"), ask[int](t, c, "SELECT sum(n) FROM things"); n != i+1 || sum != i*(i+1)/2 {
			t.Errorf("%s: %d things with the sum %d", how.why, n, sum)
		}
	}
}

// A test program that is killed leaves neither a server nor its folder.
func TestKilledTestLeavesNothing(t *testing.T) {
	if os.Getenv(asChild) != "" {
		s := Own(t)
		os.Stdout.WriteString("READY " + s.dir + " " + s.url.Host + "\n")
		select {} // until it is killed
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestKilledTestLeavesNothing$")
	cmd.Env = append(os.Environ(), asChild+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dir, host string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) == 3 && words[0] == "READY" {
			dir, host = words[1], words[2]
			break
		}
	}
	if dir == "" {
		cmd.Wait()
		t.Fatal("the child started no server")
	}
	answers := func() bool {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", host)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	if _, err := os.Stat(dir); err != nil || !answers() {
		t.Fatalf("before the kill: the folder %v, answers %v", err, answers())
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	eventually(t, "no server at "+host, func() bool { return !answers() })
	eventually(t, "no folder "+dir, func() bool {
		_, err := os.Stat(dir)
		return errors.Is(err, fs.ErrNotExist)
	})
}

// The newest of several is taken, by number, else that of PATH; where there is none the
// error says what to install.
func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	install := func(bin string) string {
		bin = filepath.Join(dir, bin)
		if err := errors.Join(os.MkdirAll(bin, 0o755), os.WriteFile(filepath.Join(bin, "initdb"), nil, 0o755)); err != nil {
			t.Fatal(err)
		}
		return bin
	}
	debian, path := filepath.Join(dir, "debian"), install("path")
	t.Setenv("PATH", filepath.Join(dir, "none"))
	if _, err := programs(debian); err == nil || !strings.Contains(err.Error(), "apt-get install postgresql") || !strings.Contains(err.Error(), Elsewhere) {
		t.Errorf("where there is none: %v", err)
	}
	t.Setenv("PATH", path)
	if bin, err := programs(debian); err != nil || bin != path {
		t.Errorf("in PATH: %q, %v", bin, err)
	}
	for _, version := range []string{"9.6", "17", "15"} {
		install("debian/" + version + "/bin")
	}
	if bin, err := programs(debian); err != nil || bin != filepath.Join(debian, "17/bin") {
		t.Errorf("of three: %q, %v", bin, err)
	}
}

// A variable that names no database is a fault, and the query of one that does is kept.
func TestElsewhere(t *testing.T) {
	for _, named := range []string{"localhost", "mysql://root@localhost/x", "postgres://localhost", "postgres://local host/x", "postgres://localhost/"} {
		if _, err := foreign(named); err == nil || !strings.Contains(err.Error(), Elsewhere) {
			t.Errorf("%s: %v", named, err)
		}
	}
	s, err := foreign("postgres://admin:geheim@db.test:5433/postgres?sslmode=require")
	if err != nil {
		t.Fatal(err)
	}
	if is, want := s.URL("other"), "postgres://admin:geheim@db.test:5433/other?sslmode=require"; is != want {
		t.Errorf("%s, want %s", is, want)
	}
}
