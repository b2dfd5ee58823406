package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hilum/idp/keyring"
	"hilum/idp/password"
	"hilum/idp/store"
	sqliteengine "hilum/idp/store/sqlite"
)

const limitVariable = "HILUM_BENCH_LIMIT"

// limits are what one core can do at most, by name: an operation to repeat.
var limits = map[string]func(dir string) (func() error, error){
	rs256:         func(dir string) (func() error, error) { return signature(dir, keyring.RS256) },
	es256:         func(dir string) (func() error, error) { return signature(dir, keyring.ES256) },
	goSigns:       goSignature,
	hashed:        hash,
	oneFlush:      commit,
	twoSignatures: twice,
	fourAndOne:    boundLimit,
}

const (
	goSigns       = "RS256 signature, Go's"
	opensslRSA    = "RSA-2048 signature, openssl speed"
	opensslEC     = "P-256 signature, openssl speed"
	twoSignatures = "ES256, two signatures"
	fourAndOne    = "ES256, four verified and one signed"
)

// ownTime is what this process has had of the processors.
func ownTime() (time.Duration, error) {
	var used unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), err
}

// limitMain measures for as long as standard input is open and prints how many
// operations there were in a second, and the nanoseconds of the processor that each took;
// "net/http" serves instead, and prints where.
func limitMain(name string) error {
	ended := make(chan struct{})
	go func() { // ends with standard input
		defer close(ended)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	if name == netHTTP {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Println(l.Addr())
		go func() {
			<-ended
			_ = l.Close()
		}()
		answer := []byte(strings.Repeat("x", 1750)) // as long as discovery
		err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(answer)
		}))
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	}
	dir, err := os.MkdirTemp("", "hilum-limit-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	op, err := limits[name](dir)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	before, err := ownTime()
	if err != nil {
		return err
	}
	n, begin := 0, time.Now()
	for {
		select {
		case <-ended:
			took, err := ownTime()
			fmt.Println(float64(n)/time.Since(begin).Seconds(), int64(took-before)/int64(max(1, n)))
			return err
		default:
		}
		if err := op(); err != nil {
			return err
		}
		n++
	}
}

const netHTTP = "net/http, trivial answer"

// signature signs what a token is signed over, with the keys the provider would use.
func signature(dir, alg string) (func() error, error) {
	ctx := context.Background()
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(ctx, store.Config{Key: make([]byte, 32), Driver: "sqlite", Path: filepath.Join(dir, "idp.db"), Log: log})
	if err != nil {
		return nil, err
	}
	sealer, err := keyring.OpenSealer(filepath.Join(dir, "seal.key"), true)
	if err != nil {
		return nil, err
	}
	ring, err := keyring.Open(ctx, keyring.Config{Store: db, Sealer: sealer, Algs: []string{alg}, RSABits: 2048,
		RotateEvery: 24 * time.Hour, PublishBefore: time.Hour, KeepFor: time.Hour, Log: log})
	if err != nil {
		return nil, err
	}
	key, err := ring.Signer(alg)
	input := make([]byte, 600)
	return func() error {
		_, err := keyring.SignJWS(key, input)
		return err
	}, err
}

func goSignature(string) (func() error, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	input := make([]byte, 600)
	return func() error {
		sum := sha256.Sum256(input)
		_, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		return err
	}, err
}

func hash(string) (func() error, error) {
	h := password.New(password.Config{})
	return func() error {
		_, err := h.Hash(context.Background(), "slow-amber-river-42")
		return err
	}, nil
}

// commit is what nothing durable can be faster than, one at a time: SQLite alone, without the
// store, waits until a row is on disk.
func commit(dir string) (func() error, error) {
	c, _, err := sqliteengine.Raw(filepath.Join(dir, "raw.db"), "?_journal_mode=WAL&_synchronous=FULL")
	if err != nil {
		return nil, err
	}
	_, err = c.Exec("CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
	text := strings.Repeat("x", 200)
	return func() error {
		_, err := c.Exec("INSERT INTO rows (text) VALUES (?)", text)
		return err
	}, err
}

// openssl has the openssl of the machine measure a signature, on the provider's core, and
// returns how many it makes in a second.
func openssl(t testing.TB, algorithm string, span time.Duration) float64 {
	t.Helper()
	cmd := exec.Command("openssl", "speed", "-mr", "-seconds", strconv.Itoa(max(1, int(span.Seconds()))), algorithm)
	var out bytes.Buffer
	cmd.Stdout = &out
	check(t, startPinned(cmd))
	check(t, cmd.Wait())
	for line := range strings.Lines(out.String()) { // +F2:index:bits:signatures:verifications
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) == 5 && strings.HasPrefix(line, "+F") {
			n, err := strconv.ParseFloat(f[3], 64)
			check(t, err)
			return n
		}
	}
	t.Fatalf("openssl speed %s says %q", algorithm, out.String())
	return 0
}

// startLimit runs a limit on the provider's core and returns its first line
// and how to end it, which returns the next.
func startLimit(t testing.TB, name string) (first string, pid int, end func() string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), limitVariable+"="+name, "GOMAXPROCS=2")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, startPinned(cmd))
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("%s: nothing measured: %v", name, cmd.Wait())
	}
	return lines.Text(), cmd.Process.Pid, func() string {
		check(t, in.Close())
		lines.Scan()
		last := lines.Text()
		check(t, cmd.Wait())
		return last
	}
}

// measureLimit returns how often in a second one core does what is named, and what of the
// processor each takes.
func measureLimit(t testing.TB, name string, span time.Duration) sample {
	t.Helper()
	if name == netHTTP {
		host, pid, end := startLimit(t, name)
		defer end()
		return load(t, host, pid, 16, span, 1<<30, func(c *conn, _, _ int) error {
			a, err := c.ask("GET", "/", "", "")
			if err == nil && a.status != http.StatusOK {
				err = fmt.Errorf("status %d", a.status)
			}
			return err
		})
	}
	if algorithm := map[string]string{opensslRSA: "rsa2048", opensslEC: "ecdsap256"}[name]; algorithm != "" {
		rate := openssl(t, algorithm, span) // of the processor's time, which is how it counts
		return sample{perSecond: rate, cpu: time.Duration(float64(time.Second) / rate)}
	}
	_, _, end := startLimit(t, name)
	time.Sleep(span)
	var s sample
	_, err := fmt.Sscan(end(), &s.perSecond, &s.cpu)
	check(t, err)
	if s.perSecond <= 0 || s.cpu <= 0 {
		t.Fatalf("%s: nothing was done in %v", name, span)
	}
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
