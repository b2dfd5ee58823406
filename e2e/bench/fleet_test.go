package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"hilum/e2e/balance"
	"hilum/e2e/crowd"
	"hilum/idp/store/pgtest"
)

// fleet is one provider, or several on one database of PostgreSQL behind a balancer. What the
// site asks goes to the balancer where there is one.
type fleet struct {
	*site
	each []*instance
}

// instance is one provider of a fleet.
type instance struct {
	name     string // of its connections to the database
	host     string
	profiles string // where it tells of itself
	data     string
	env      []string
	cmd      *exec.Cmd
	pid      int
	said     bytes.Buffer
}

const (
	sqlite     = "sqlite"
	postgresql = "postgres"

	poolSize = 8 // connections of an instance, of those that it takes for its requests
)

// newFleet makes the data of so many instances on an engine, with so many people. It is not
// started yet.
func newFleet(t testing.TB, engine string, instances, people int, more ...string) *fleet {
	t.Helper()
	dir := t.TempDir()
	f := &fleet{site: &site{program: idpBinary, data: filepath.Join(dir, "data")}}
	if engine == postgresql {
		f.server = pgtest.Own(t)
		f.database = f.server.Fresh(t)
	}
	var err error
	f.people, err = crowd.Fill(context.Background(), crowd.Home{Folder: f.data, URL: f.database}, "p", people, crowd.Least)
	check(t, err)
	hosts := make([]string, 2*instances+1)
	for i := range hosts { // all at once, so that they differ
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		defer l.Close()
		hosts[i] = l.Addr().String()
	}
	f.host = hosts[2*instances]
	if instances == 1 {
		f.host = hosts[0]
	}
	f.env = append(os.Environ(),
		"IDP_ISSUER=http://"+f.host, "IDP_LOG_LEVEL=warn", "IDP_KEYS_SEAL_FILE="+filepath.Join(f.data, "seal.key"),
		"IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0", "IDP_LIMITS_DEVICE_PER_MINUTE=0", "IDP_PUSH_MATCH=tap",
		fmt.Sprintf("IDP_PASSWORD_MEMORY_KIB=%d", crowd.Least.MemoryKiB), fmt.Sprintf("IDP_PASSWORD_TIME=%d", crowd.Least.Time),
		"GOMAXPROCS=2")
	f.env = append(f.env, more...)
	for i := range instances {
		one := &instance{name: "instance-" + strconv.Itoa(i+1), host: hosts[2*i], profiles: hosts[2*i+1], data: f.data}
		if engine == postgresql {
			one.data = filepath.Join(dir, one.name)
		}
		one.env = append(slices.Clone(f.env), "IDP_DATA_DIR="+one.data, "IDP_LISTEN="+one.host, "IDP_DEBUG_LISTEN="+one.profiles)
		if f.database != "" {
			u, err := url.Parse(f.database)
			check(t, err)
			q := u.Query()
			q.Set("application_name", one.name)
			u.RawQuery = q.Encode()
			file := filepath.Join(dir, one.name+".url")
			check(t, os.WriteFile(file, []byte(u.String()), 0o600))
			one.env = append(one.env, "IDP_DATABASE_URL_FILE="+file, "IDP_DATABASE_POOL="+strconv.Itoa(poolSize))
		}
		f.each = append(f.each, one)
	}
	f.env = f.each[0].env
	f.clients = map[string]client{}
	for _, alg := range []string{"RS256", "ES256"} {
		f.clients[alg] = f.register(t, "Viewer "+alg, "--alg", alg, "--redirect-uri", callback, "--refresh-always")
	}
	return f
}

// run starts the instances, each on the provider's core, and the balancer. They end with the
// test.
func (f *fleet) run(t testing.TB) {
	t.Helper()
	var hosts []string
	for _, one := range f.each {
		one.cmd = exec.Command(idpBinary, "serve")
		one.cmd.Env = one.env
		one.cmd.Stdout, one.cmd.Stderr = io.Discard, &one.said
		check(t, startPinned(one.cmd))
		one.pid = one.cmd.Process.Pid
		cmd := one.cmd
		t.Cleanup(func() { _ = cmd.Process.Kill() }) // of no effect after end
		hosts = append(hosts, one.host)
	}
	f.pid = f.each[0].pid
	for _, one := range f.each {
		one.ready(t)
	}
	if len(f.each) > 1 {
		b, err := balance.New(t.Context(), f.host, hosts...)
		check(t, err)
		t.Cleanup(func() { check(t, b.Close()) })
	}
}

func (one *instance) ready(t testing.TB) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		res, err := http.Get("http://" + one.host + "/readyz")
		if err == nil {
			_ = res.Body.Close() // nothing of it is read
			if res.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Since(begin) > time.Minute {
			t.Fatalf("%s is not ready: %v", one.name, err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// end stops all instances and fails where one has complained of something.
func (f *fleet) end(t testing.TB) {
	t.Helper()
	for _, one := range f.each {
		check(t, one.cmd.Process.Signal(syscall.SIGTERM))
		check(t, one.cmd.Wait())
		if bytes.Contains(one.said.Bytes(), []byte("level=ERROR")) {
			t.Errorf("%s:\n%.4000s", one.name, one.said.String())
		}
	}
}

// cpu is what all instances have had of the processors.
func (f *fleet) cpu(t testing.TB) (sum time.Duration) {
	t.Helper()
	for _, one := range f.each {
		sum += cpuTime(t, one.pid)
	}
	return sum
}

// command runs a command of the provider on the data of a fleet.
func (f *fleet) command(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(idpBinary, args...)
	cmd.Env = f.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("idp %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// idle waits until no connection of ours is open at an instance any more.
func (f *fleet) idle(t testing.TB) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	time.Sleep(300 * time.Millisecond)
}
