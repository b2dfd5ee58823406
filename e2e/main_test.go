package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hilum/e2e/crowd"
	"hilum/idp/store/pgtest"
)

// The programs under test, built once with the race detector, and where.
var idpBinary, phoneBinary, binaries string

// plainIDP is the program without the race detector: for tests that look at pages, one
// after the other, on a provider that nobody else asks. The race detector would cost them more than the rest of the program.
var plainIDP = sync.OnceValues(func() (string, error) {
	program := filepath.Join(binaries, "plain")
	if out, err := exec.Command("go", "build", "-o", program, "hilum/cmd/idp").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return program, nil
})

// startPlainDemo is startDemo of plainIDP.
func startPlainDemo(t testing.TB) *demo {
	t.Helper()
	program, err := plainIDP()
	if err != nil {
		t.Fatal(err)
	}
	return startDemoOf(t, program)
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

// sideBySide is how many tests run at once on each core: they wait for browsers, codes
// and timeouts far more than they compute.
const sideBySide = 2

// spread has more tests run side by side, unless the command says how many.
func spread() error {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if said {
		return nil
	}
	return flag.Set("test.parallel", strconv.Itoa(sideBySide*runtime.GOMAXPROCS(0)))
}

// cheapHashes are the settings of all providers here, which they take on loopback alone. What
// hashes cost and that they queue is tested in idp/password; here each person enrols with eleven
// (the password, ten recovery codes), and the race detector has each cost a tenth of a second.
var cheapHashes = map[string]string{"IDP_PASSWORD_MEMORY_KIB": "8", "IDP_PASSWORD_TIME": "1"}

func run(m *testing.M) int {
	if err := spread(); err != nil {
		log.Print(err)
		return 1
	}
	for name, least := range cheapHashes {
		if err := os.Setenv(name, least); err != nil {
			log.Print(err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "hilum-e2e-")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaries, idpBinary, phoneBinary = dir, filepath.Join(dir, "idp"), filepath.Join(dir, "phone")
	build := exec.Command("go", "build", "-race", "-o", dir, "hilum/cmd/idp", "hilum/cmd/phone")
	if out, err := build.CombinedOutput(); err != nil {
		log.Printf("build: %v\n%s", err, out)
		return 1
	}
	return pgtest.Run(m)
}

// facts is the line of idp demo --json.
type facts struct {
	Issuer            string `json:"issuer"`
	Viewer            string `json:"viewer"`
	ClientID          string `json:"client_id"`
	ClientSecret      string `json:"client_secret"`
	RedirectURI       string `json:"redirect_uri"`
	PublicClientID    string `json:"public_client_id"`
	PublicRedirectURI string `json:"public_redirect_uri"`
	Username          string `json:"username"`
	Password          string `json:"password"`
	TOTPSecret        string `json:"totp_secret"`
	AdminUsername     string `json:"admin_username"`
	AdminPassword     string `json:"admin_password"`
	AdminTOTPSecret   string `json:"admin_totp_secret"`
}

// demo is a running idp demo.
type demo struct {
	facts
	data string // its folder
	home crowd.Home
	env  []string // of commands beside it
	cmd  *exec.Cmd
	errs *tail
	done chan struct{}
	err  error // once done is closed
}

// startDemo runs idp demo --json on free ports, on a folder of its own or the
// one given, and stops it when the test ends.
func startDemo(t testing.TB, args ...string) *demo {
	t.Helper()
	return startDemoOf(t, idpBinary, args...)
}

// startDemoOf is startDemo for another program, with env beside what there is.
func startDemoOf(t testing.TB, program string, args ...string) *demo {
	t.Helper()
	d := &demo{data: t.TempDir(), errs: &tail{}, done: make(chan struct{})}
	d.home = keptIn(t, d.data)
	d.env = append(os.Environ(), databaseEnv(t, d.home)...)
	if d.home.URL != "" {
		args = append([]string{"--database", d.home.URL}, args...)
	}
	d.cmd = exec.Command(program, append([]string{"demo", "--json", "--data", d.data}, args...)...)
	d.cmd.Stderr = d.errs
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.stop(t) })
	lines := make(chan string, 1)
	go func() { // ends with the process
		defer close(d.done)
		s := bufio.NewScanner(out)
		for s.Scan() {
			lines <- s.Text()
		}
		d.err = d.cmd.Wait()
	}()
	select {
	case line := <-lines:
		if err := json.Unmarshal([]byte(line), &d.facts); err != nil {
			t.Fatalf("idp demo --json printed %q: %v", line, err)
		}
	case <-d.done:
		t.Fatalf("idp demo ended: %v\n%s", d.err, d.errs)
	case <-time.After(patience):
		t.Fatalf("idp demo was not ready within %v\n%s", patience, d.errs)
	}
	return d
}

// stop ends it as an operator would, and complains about whatever went wrong
// inside: a data race, a panic, an exit code.
func (d *demo) stop(t testing.TB) {
	t.Helper()
	select {
	case <-d.done:
	default:
		if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		select {
		case <-d.done:
		case <-time.After(patience):
			_ = d.cmd.Process.Kill()
			t.Errorf("idp demo did not end within %v of SIGTERM\n%s", patience, d.errs)
			return
		}
		if d.err != nil {
			t.Errorf("idp demo ended with %v\n%s", d.err, d.errs)
		}
	}
	if log := d.errs.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
		t.Errorf("idp demo complained:\n%s", log)
	}
}

// idp runs a command beside the running provider and returns what it printed.
func (d *demo) idp(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, idpBinary, args...)
	cmd.Env = append(slices.Clone(d.env), "IDP_DATA_DIR="+d.data, "IDP_ISSUER="+d.Issuer)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("idp %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// invite makes a person who has gone through their invitation.
func (d *demo) invite(t testing.TB, name string, args ...string) *person {
	t.Helper()
	return invited(t, d.idp(t, append([]string{"invite", name}, args...)...), name, nil)
}

// tail keeps the last of what a program says.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailMost = 256 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > tailMost {
		t.b = t.b[len(t.b)-tailMost:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

var _ io.Writer = (*tail)(nil)

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(fmt.Errorf("unexpected: %w", err))
		}
		return v
	}
}
