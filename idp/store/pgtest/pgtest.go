// Package pgtest has a PostgreSQL for tests, which is as durable as one in production and
// is gone when the test program is, however that ends; and a [Proxy] that stands between a
// client and it and misbehaves on purpose.
//
// The server is that of the machine, Debian's package postgresql. IDP_TEST_POSTGRES names
// another one instead, by the URL of a database whose user may create others.
package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Elsewhere is the variable of the environment that names another server: the URL of a
// database, by a user who may create databases.
const Elsewhere = "IDP_TEST_POSTGRES"

// Mode is how a server is stopped.
type Mode syscall.Signal

const (
	Fast      = Mode(syscall.SIGINT)  // connections are ended, what was not committed is undone
	Immediate = Mode(syscall.SIGQUIT) // nothing is written any more; the next start recovers
)

const (
	installed = "/usr/lib/postgresql"

	// Ports of servers are below those that the kernel hands out to whoever asks for any
	// (32768 and above), so that nobody has a server's port while it is stopped.
	firstPort, lastPort = 32000, 32767

	patience = time.Minute // for a server to start, on a machine that is busy
)

// settings are those of a server that tests share. It does not wait for the disk: nobody stops
// it, and what is kept through a stop the tests of a server of their own ask.
const settings = `
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
shared_buffers = '32MB'
fsync = off
synchronous_commit = on
full_page_writes = off
`

// durable are the settings, beside those, of a server of one test ([Own]): PostgreSQL's own where
// it matters what is kept. With fsync off a test of a crash would show nothing.
const durable = `
fsync = on
full_page_writes = on
`

// guard waits until its input ends, which is when the test program has ended or wants the
// server to, ends the server and removes its folder. It is a process of its own: nothing
// in a program that is killed runs any more.
const guard = `read -r _; "$1/pg_ctl" stop -D "$2/data" -m immediate; rm -rf "$2"`

// Server is a PostgreSQL. Safe for concurrent use.
type Server struct {
	url  url.URL // of the database postgres, or of what IDP_TEST_POSTGRES names
	dir  string  // of its data, its log and its password; empty: it is not ours
	bin  string
	port int
	as   *syscall.Credential // who it runs as; nil: as ourselves
	only bool                // of one test, and gone with it

	starting sync.Mutex

	mu     sync.Mutex
	starts int           // how often it was started, by which its logs are numbered
	run    *exec.Cmd     // the running server
	ended  chan struct{} // closed when run has ended

	leash io.Closer // the input of the guard
	guard *exec.Cmd
}

var shared struct {
	sync.Once
	server *Server
	err    error
}

// Start returns the server of this test program, which begins with the first call. It is
// gone soon after the program; a TestMain by [Main] waits until it is.
func Start(tb testing.TB) *Server {
	tb.Helper()
	shared.Do(func() {
		if named := os.Getenv(Elsewhere); named != "" {
			shared.server, shared.err = foreign(named)
			return
		}
		shared.server, shared.err = begin(false)
	})
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.server
}

// Main is [Run] for a TestMain that does nothing else.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run runs the tests, and ends the server that they share, if one was started. It returns what
// the program is to exit with.
func Run(m *testing.M) int {
	code := m.Run()
	if s := shared.server; s != nil && s.dir != "" {
		if err := s.end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	return code
}

// Own starts a server for one test, which may stop and kill it while other tests use the
// one of [Start]. It is one of this machine even where IDP_TEST_POSTGRES names another.
func Own(tb testing.TB) *Server {
	tb.Helper()
	s, err := begin(true)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.end(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Fresh returns the URL of an empty database of this test, in the server of [Start].
func Fresh(tb testing.TB) string {
	tb.Helper()
	return Start(tb).Fresh(tb)
}

// Fresh creates an empty database, which is dropped when the test ends whoever is
// connected to it then, and returns its URL.
func (s *Server) Fresh(tb testing.TB) string {
	tb.Helper()
	return s.fresh(tb, "template0")
}

// Prepared is Fresh for whom the database need not be empty: prepare has been at it. The
// server's databases of one Prepared are copies of one that prepare was called with, which
// costs an eighth of bringing tables up to date; in a server that is not ours nothing may stay,
// so prepare is called for each.
type Prepared struct {
	once sync.Once
	name string
	err  error
}

// Fresh returns the URL of one in the server of [Start]. prepare leaves no connection behind.
func (p *Prepared) Fresh(tb testing.TB, prepare func(url string) error) string {
	tb.Helper()
	s := Start(tb)
	if s.dir == "" {
		at := s.Fresh(tb)
		if err := prepare(at); err != nil {
			tb.Fatal(err)
		}
		return at
	}
	p.once.Do(func() {
		p.name = called("prepared")
		p.err = s.admin(context.WithoutCancel(tb.Context()), create(p.name, "template0"))
		if p.err == nil {
			p.err = prepare(s.URL(p.name))
		}
	})
	if p.err != nil {
		tb.Fatalf("pgtest: the database of which those of tests are copies: %v", p.err)
	}
	return s.fresh(tb, p.name)
}

func create(name, template string) string {
	return `CREATE DATABASE "` + name + `" TEMPLATE "` + template + `" ENCODING 'UTF8'`
}

func (s *Server) fresh(tb testing.TB, template string) string {
	tb.Helper()
	name := called(tb.Name())
	if err := s.admin(tb.Context(), create(name, template)); err != nil {
		tb.Fatalf("pgtest: a database for this test: %v", err)
	}
	tb.Cleanup(func() {
		if s.only {
			return // goes with the server
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.admin(ctx, `DROP DATABASE IF EXISTS "`+name+`" WITH (FORCE)`); err != nil {
			tb.Errorf("pgtest: the database of this test stays: %v", err)
		}
	})
	return s.URL(name)
}

// called makes the name of a database of that of a test: who looks at a server's
// connections sees which test they are of.
func called(test string) string {
	word := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, test)
	b := make([]byte, 6)
	rand.Read(b)
	return word[:min(len(word), 48)] + "_" + hex.EncodeToString(b) // 63 bytes at most
}

// URL is that of a database of the server, by a user who may do everything.
func (s *Server) URL(database string) string {
	u := s.url
	u.Path = "/" + database
	return u.String()
}

// admin executes one statement in the administrator's database.
func (s *Server) admin(ctx context.Context, statement string) error {
	c, err := pgconn.Connect(ctx, s.url.String())
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return c.Exec(ctx, statement).Close()
}

// Stop stops the server and waits until it has ended. Where the server is not ours the
// test fails, and says so: [Own] gives it one that it may stop. A test that leaves
// the shared server stopped has it started again at its end.
func (s *Server) Stop(tb testing.TB, mode Mode) {
	tb.Helper()
	s.signal(tb, syscall.Signal(mode))
}

// Kill ends the server by SIGKILL, as a machine that runs out of memory does, and waits
// until it has ended. See [Server.Stop].
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGKILL)
}

func (s *Server) signal(tb testing.TB, how syscall.Signal) {
	tb.Helper()
	if s.dir == "" {
		tb.Fatalf("pgtest: this test stops its server, and the one that %s names is not ours to stop: it has to take one of its own (Own)", Elsewhere)
	}
	s.mu.Lock()
	run, ended := s.run, s.ended
	s.mu.Unlock()
	if err := run.Process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		tb.Fatalf("pgtest: %v", err)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		tb.Fatalf("pgtest: the server has not ended within %v of signal %v\n%s", patience, how, s.tail())
	}
	if !s.only {
		tb.Cleanup(func() { s.Start(tb) })
	}
}

// Start starts a server that was stopped or killed again, at the same address, and waits
// until it answers. It does nothing where the server runs.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.dir == "" || s.Running() {
		return
	}
	if err := s.start(); err != nil {
		tb.Fatal(err)
	}
}

// Running tells whether the server's first process lives; of a server that is not ours it
// is always true.
func (s *Server) Running() bool {
	if s.dir == "" {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

func foreign(named string) (*Server, error) {
	u, err := url.Parse(named)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || strings.Trim(u.Path, "/") == "" {
		return nil, fmt.Errorf("%s is to be the URL of a database, as postgres://name:password@host:5432/postgres", Elsewhere)
	}
	return &Server{url: *u}, nil
}

// begin makes a server of this machine and starts it.
func begin(own bool) (_ *Server, err error) {
	s := &Server{only: own}
	if s.bin, err = programs(installed); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		if s.as, err = somebody(); err != nil {
			return nil, err
		}
	}
	if s.dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return nil, err
	}
	if err := s.watched(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.create(); err != nil {
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

// programs finds the folder of PostgreSQL's programs: the newest of those that Debian
// installs below debian, each in a folder named by its version, else that of initdb in PATH.
func programs(debian string) (string, error) {
	found, err := filepath.Glob(filepath.Join(debian, "*/bin/initdb"))
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0: older than all
		return n
	}
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	path, err := exec.LookPath("initdb")
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", fmt.Errorf("this test needs PostgreSQL, and there is none in %s or PATH: apt-get install postgresql; or %s, the URL of a server's database", debian, Elsewhere)
	}
	return filepath.Dir(path), nil
}

// somebody is the user postgres, which comes with Debian's package.
func somebody() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres to run it: useradd --system postgres: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// command is a program as the server's user, in its folder, in a group of processes of its
// own: Ctrl-C at a terminal goes to the tests, and the guard alone ends what they leave.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), name, args...) //nolint:gosec // a program of the machine's PostgreSQL, or its shell
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Setpgid: true}
	return cmd
}

// watched gives the folder to the server's user and starts the guard.
func (s *Server) watched() error {
	if s.as != nil {
		if err := os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return err
		}
	}
	s.guard = s.command("/bin/sh", "-c", guard, "sh", s.bin, s.dir)
	s.guard.Dir = "/"
	leash, err := s.guard.StdinPipe()
	if err != nil {
		return err
	}
	s.leash = leash
	return s.guard.Start()
}

// end lets the guard do its work and waits until it has.
func (s *Server) end() error {
	if err := s.leash.Close(); err != nil {
		return err
	}
	if err := s.guard.Wait(); err != nil {
		return fmt.Errorf("pgtest: the end of the server in %s: %w", s.dir, err)
	}
	return os.RemoveAll(s.dir) // what its user could not, in a folder for temporary files that is not everybody's
}

// create makes the files of the server and starts it at a port that is free.
func (s *Server) create() error {
	password := rand.Text()
	file := filepath.Join(s.dir, "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		return err
	}
	if s.as != nil {
		if err := os.Chown(file, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(s.dir, "data")
	initdb := s.command(filepath.Join(s.bin, "initdb"), "--pgdata", data, "--username", "postgres", "--pwfile", file,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: initdb in %s, which its user has to be able to reach: %w\n%s", s.dir, err, out)
	}
	conf, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	also := ""
	if s.only {
		also = durable
	}
	_, err = conf.WriteString(settings + also)
	if err = errors.Join(err, conf.Close()); err != nil {
		return err
	}
	return s.anywhere(password)
}

// anywhere starts a server whose files are made, at a port that is free.
func (s *Server) anywhere(password string) (err error) {
	for range 20 {
		s.port = firstPort + mrand.IntN(lastPort-firstPort+1) //nolint:gosec // which port is no secret
		s.url = url.URL{
			Scheme: "postgres", User: url.UserPassword("postgres", password), Path: "/postgres", RawQuery: "sslmode=disable",
			Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		}
		if err = s.start(); err == nil || !strings.Contains(s.tail(), "could not create any TCP/IP sockets") {
			return err
		}
	}
	return err
}

// start starts the server and waits until it answers. After a kill its processes may hold
// its memory for a moment yet, in which PostgreSQL refuses to start.
func (s *Server) start() error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := s.once()
		if err == nil || !strings.Contains(s.tail(), "pre-existing shared memory block") || time.Now().After(deadline) {
			return err
		}
	}
}

func (s *Server) once() error {
	s.mu.Lock()
	s.starts++ // what is left of a server that was killed goes on writing into its own log
	s.mu.Unlock()
	log, err := os.Create(s.log())
	if err != nil {
		return err
	}
	defer log.Close()
	run := s.command(filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-p", strconv.Itoa(s.port))
	run.Stdout, run.Stderr = log, log
	if err := run.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { // ends with the server, which the guard ends
		defer close(ended)
		_ = run.Wait() // how it ended stands in its log
	}()
	s.mu.Lock()
	s.run, s.ended = run, ended
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for again := time.NewTicker(20 * time.Millisecond); ; {
		err := s.admin(ctx, "SELECT")
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("pgtest: the server ended when it was started\n%s", s.tail())
		case <-ctx.Done():
			return fmt.Errorf("pgtest: the server does not answer within %v: %w\n%s", patience, err, s.tail())
		case <-again.C:
		}
	}
}

func (s *Server) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return filepath.Join(s.dir, "log."+strconv.Itoa(s.starts))
}

// tail is the end of the log since the last start, for the person who asks why.
func (s *Server) tail() string {
	b, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}
