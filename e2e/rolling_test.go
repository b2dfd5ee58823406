package e2e

import (
	"context"
	"encoding/json"
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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/cmd/phone/phone"
	"hilum/e2e/crowd"
	"hilum/idp/store/migrations"
	"hilum/idp/store/pgtest"
)

// nextVersion is that of a release which there is not yet.
const nextVersion = "9.0.0"

// rollingPatience is for one answer: the machine may have much else to do.
const rollingPatience = 2 * time.Minute

// nextIDP is the program of that release: this one, with the scripts of the folder scripts, in
// which it is started, behind its own.
var nextIDP = sync.OnceValues(func() (string, error) {
	program := filepath.Join(binaries, "next")
	build := exec.Command("go", "build", "-ldflags", "-X hilum/idp/store/migrations.more=scripts -X main.version="+nextVersion, "-o", program, "hilum/cmd/idp")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return program, nil
})

// rolling is a site whose release is replaced.
type rolling struct {
	*served          // of the older release: what commands see
	old, next string // programs of both releases
	dir       string // in which the newer one is started
}

// gives the newer release the scripts of testdata/rolling/name, behind those that it has.
func (r *rolling) gives(t testing.TB, name string) {
	t.Helper()
	well(t, os.CopyFS(filepath.Join(r.dir, "scripts"), os.DirFS(filepath.Join("testdata", "rolling", name))))
}

// run runs a command of a program and returns what it printed.
func (r *rolling) run(t testing.TB, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Dir = r.env, r.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// patient asks once more, by the rule that we give to who asks: what was answered by 503 and
// Retry-After has not happened.
type patient struct {
	http.RoundTripper
	answered, again, failed, lost atomic.Int64
}

// RoundTrip is http.RoundTripper's.
func (p *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	for try := 0; ; try++ {
		once := r.Clone(r.Context())
		if r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			once.Body = body
		}
		res, err := p.RoundTripper.RoundTrip(once)
		if err != nil {
			p.lost.Add(1)
			return nil, err
		}
		p.answered.Add(1)
		if res.StatusCode < http.StatusInternalServerError {
			return res, nil
		}
		after := res.Header.Get("Retry-After")
		if res.StatusCode != http.StatusServiceUnavailable || after == "" || try == 20 {
			p.failed.Add(1)
			return res, nil
		}
		p.again.Add(1)
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		time.Sleep(time.Second) // what it says is more, and it is asked in vain then
	}
}

// guest is somebody who signs in again and again, and whose application goes on with what it has
// got, whichever release gave it.
type guest struct {
	*person
	rp    *party
	phone *phone.Client
	has   *tokens // of the last sign-in
}

// round is one sign-in, by phone or by code, and what its application does.
func (g *guest) round(byPhone bool) bool {
	if g.has != nil { // it was given by whatever release served then
		if !g.goesOn() {
			return false
		}
	}
	g.elsewhere()
	g.web.Timeout = rollingPatience
	at := g.get(g.rp.authorize())
	at = g.submit(at, "password-form", url.Values{"username": {g.name}, "password": {g.password}})
	var asked []phone.Challenge
	if byPhone {
		var err error
		if asked, err = g.phone.Challenges(g.t.Context(), 0); err != nil {
			g.t.Errorf("%s: the phone is told %v", g.name, err)
			return false
		}
	}
	if len(asked) > 0 {
		if state, err := g.phone.Answer(g.t.Context(), &asked[len(asked)-1], phone.Decision{Approve: true}); err != nil || state != "approved" {
			g.t.Errorf("%s: the phone's answer: %s, %v", g.name, state, err)
			return false
		}
		at = g.submit(g.get(at.url.String()), "phone-form", nil)
	} else {
		at = g.submit(at, "code-form", url.Values{"code": {g.code()}})
	}
	tk, err := g.rp.exchange(g.rp.answer(at))
	if err != nil || tk.Status != http.StatusOK {
		g.t.Errorf("%s: exchange: %+v, %v", g.name, tk, err)
		return false
	}
	g.has = tk
	return g.goesOn()
}

// goesOn refreshes, and asks who it is.
func (g *guest) goesOn() bool {
	tk, err := g.rp.refresh(g.has.Refresh)
	if err != nil || tk.Status != http.StatusOK {
		g.t.Errorf("%s: refresh: %+v, %v", g.name, tk, err)
		return false
	}
	g.has = tk
	status, claims, err := g.rp.userinfo(tk.Access)
	if err != nil || status != http.StatusOK || claims["preferred_username"] != g.name {
		g.t.Errorf("%s: userinfo: %d, %v, %v", g.name, status, claims, err)
		return false
	}
	return true
}

// guests are people of a crowd, with their phones and application.
func (r *rolling) guests(t testing.TB, people []crowd.Person, by *http.Client) (all []*guest) {
	t.Helper()
	const redirect = "https://viewer.example/callback"
	id, secret := r.addClient(t, "Viewer", "--redirect-uri", redirect)
	for _, p := range people {
		g := &guest{
			person: &person{t: t, web: newBrowser(t), name: p.Name, password: crowd.Password, seed: p.Seed},
			rp: &party{
				t: t, issuer: r.issuer, id: id, secret: secret, redirect: redirect, scope: "openid profile offline_access",
				verifier: strings.Repeat("verifier-", 6), web: by, state: "state-" + p.Name, nonce: "nonce-" + p.Name,
			},
			phone: &phone.Client{HTTP: by, Account: &phone.Account{Device: p.Phone, Issuer: r.issuer, Name: p.Name, Key: jose.JSONWebKey{Key: p.Key}}},
		}
		g.web.Transport = by.Transport
		all = append(all, g)
	}
	return all
}

// Instances of a release are replaced by those of the next one, one after the other, while people
// sign in: the first of them brings the tables up to date beneath the others. One release back
// works with these tables, too. Tables are not changed beneath an instance that would not work
// with that; once they are, programs of before say so and do not start.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	n := 5 // sign-ins in each step, at least
	if text := os.Getenv("ROLLING"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			t.Fatalf("ROLLING=%q is not a number from 1 on", text)
		}
	}
	old, next := must[string](t)(plainIDP()), must[string](t)(nextIDP())
	known := must[int64](t)(migrations.Newest())

	dir := t.TempDir()
	b := balanced(t)
	home := crowd.Home{Folder: filepath.Join(dir, "commands"), URL: pgtest.Fresh(t)}
	people := must[[]crowd.Person](t)(crowd.Fill(context.Background(), home, "p", min(40+2*n, 400), crowd.Least))
	well(t, crowd.Link(context.Background(), home, people))
	env := append(os.Environ(), databaseEnv(t, home)...)
	env = append(env, "IDP_ISSUER=http://"+b.Addr().String(), "IDP_DATABASE_POOL=8", "IDP_KEYS_SEAL_FILE="+filepath.Join(home.Folder, "seal.key"),
		"IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0", "IDP_LOG_LEVEL=info", "IDP_PUSH_MATCH=tap")
	r := &rolling{
		served: &served{issuer: "http://" + b.Addr().String(), client: &http.Client{Timeout: 30 * time.Second}, env: append(slices.Clone(env), "IDP_DATA_DIR="+home.Folder, "IDP_LISTEN=127.0.0.1:"+freePort(t)), home: home},
		old:    old, next: next, dir: dir,
	}
	r.gives(t, "additive")
	asked := &patient{RoundTripper: &http.Transport{DisableKeepAlives: true}}

	var started int
	start := func(program string) *served {
		t.Helper()
		started++
		address := net.JoinHostPort("127.0.0.1", freePort(t))
		one := &served{binary: program, dir: dir, issuer: "http://" + address, client: &http.Client{Timeout: 30 * time.Second}, data: filepath.Join(dir, strconv.Itoa(started))}
		one.env = append(slices.Clone(env), "IDP_LISTEN="+address, "IDP_DATA_DIR="+one.data)
		one.launch(t)
		// Its first page takes long on a busy machine.
		for end := time.Now().Add(rollingPatience); ; time.Sleep(100 * time.Millisecond) {
			if res, err := one.client.Get(one.issuer + "/account"); err == nil {
				res.Body.Close()
				break
			} else if time.Now().After(end) {
				t.Fatalf("it shows no page: %v", err)
			}
		}
		b.Add(address)
		return one
	}
	end := func(one *served) {
		t.Helper()
		drains(t, b, strings.TrimPrefix(one.issuer, "http://"))
		cmd := one.cmd
		one.stop(t, cmd)
		one.cmd = nil
	}
	first, second := start(old), start(old)

	// People sign in all the time.
	guests := r.guests(t, people, &http.Client{Timeout: rollingPatience, Transport: asked})
	queue := make(chan *guest, len(guests))
	for _, g := range guests {
		queue <- g
	}
	var signedIn atomic.Int64
	var all sync.WaitGroup
	closed := make(chan struct{})
	over := sync.OnceFunc(func() {
		close(closed)
		all.Wait()
	})
	t.Cleanup(over)
	for worker := range 3 {
		all.Go(func() { // ends with closed, or a fault
			for i := 0; ; i++ {
				select {
				case <-closed:
					return
				case g := <-queue:
					if !g.round((i+worker)%3 > 0) {
						return
					}
					signedIn.Add(1)
					queue <- g
				}
			}
		})
	}
	goOn := func(step string) {
		t.Helper()
		from, last := signedIn.Load(), time.Now()
		for was := from; ; time.Sleep(50 * time.Millisecond) {
			now := signedIn.Load()
			if now != was {
				was, last = now, time.Now()
			}
			if t.Failed() || time.Since(last) > 2*rollingPatience {
				t.Fatalf("%s: sign-ins do not go on", step)
			}
			if now-from >= int64(n) {
				t.Logf("%s: %d sign-ins", step, now-from)
				return
			}
		}
	}
	// says waits until Health lists instances of versions, with the tables that they work with.
	says := func(want ...string) {
		t.Helper()
		slices.Sort(want)
		var got []string
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			var h struct {
				Instances []struct {
					Version  string `json:"version"`
					From, To int64
				} `json:"instances"`
			}
			text := r.idp(t, "health", "--json")
			text = strings.ReplaceAll(strings.ReplaceAll(text, `"schema_from"`, `"from"`), `"schema_to"`, `"to"`)
			well(t, json.Unmarshal([]byte(text[strings.LastIndex(strings.TrimSpace(text), "\n")+1:]), &h))
			got = nil
			for _, i := range h.Instances {
				got = append(got, fmt.Sprintf("%s %d-%d", i.Version, i.From, i.To))
			}
			slices.Sort(got)
			if slices.Equal(got, want) {
				return
			}
		}
		t.Fatalf("instances are %q, want %q", got, want)
	}
	older := func(to int64) string { return fmt.Sprintf("development %d-%d", known, to) }
	const newer = nextVersion + " 9002-9002"

	goOn("two of the older release")
	says(older(known), older(known))

	end(first)
	goOn("one of the older release")
	third := start(next) // brings the tables up to date
	goOn("one of each, the tables are new")
	says(older(9002), newer)
	if log := third.errs.String(); !strings.Contains(log, "the tables of the database are brought up to date") {
		t.Errorf("the first of the newer release says\n%s", log)
	}
	tries := strings.Count(third.errs.String(), "a table is in use")
	end(second)
	start(next)
	goOn("two of the newer release")
	says(newer, newer)

	end(third)
	fifth := start(old)
	goOn("one of each, one release back")
	says(older(9002), newer)
	if log := fifth.errs.String(); !strings.Contains(log, migrations.Behind) {
		t.Errorf("one release back it says\n%s", log)
	}

	// A script takes something away.
	r.gives(t, "breaking")
	out, err := r.run(t, next, "serve")
	if want := "runs version development; stop it first"; err == nil || !strings.Contains(out, want) {
		t.Errorf("tables are changed beneath an instance of before: %v, %s", err, out)
	}
	goOn("after that was refused")
	says(older(9002), newer)
	end(fifth)
	start(next)
	goOn("the tables have lost something")
	if out, err := r.run(t, old, "serve"); err == nil || !strings.Contains(out, fmt.Sprintf("its tables are version 9003, this program knows %d; 9.0.0 is the oldest that works with them", known)) {
		t.Errorf("a release of before starts: %v, %s", err, out)
	}
	health := must[string](t)(r.run(t, next, "health"))
	if strings.Count(health, "version "+nextVersion) != 2 || !strings.Contains(health, "version 9003, for programs that are made for 9002 or later") {
		t.Errorf("at the end:\n%s", health)
	}
	over()

	if out, err := r.run(t, next, "audit", "verify"); err != nil || !strings.Contains(out, "whole") {
		t.Errorf("idp audit verify: %v, %s", err, out)
	}
	t.Logf("%d sign-ins, %d requests answered, %d asked again (503), %d other 5xx, %d without an answer; a table was in use %d times",
		signedIn.Load(), asked.answered.Load(), asked.again.Load(), asked.failed.Load(), asked.lost.Load(), tries)
	if asked.failed.Load() > 0 || asked.lost.Load() > 0 {
		t.Error("something was not answered as it is to be")
	}
}

// A file goes through the same, by one program after the other.
func TestReleasesOnOneFile(t *testing.T) {
	t.Parallel()
	t.Run(onSQLite, releasesOnOneFile)
}

func releasesOnOneFile(t *testing.T) {
	old, next := must[string](t)(plainIDP()), must[string](t)(nextIDP())
	s := newServe(t, "IDP_PUSH_MATCH=tap")
	r := &rolling{served: s, old: old, next: next, dir: t.TempDir()}
	s.dir = r.dir
	r.gives(t, "additive")
	people := must[[]crowd.Person](t)(crowd.Fill(context.Background(), s.home, "p", 1, crowd.Least))
	well(t, crowd.Link(context.Background(), s.home, people))
	var g *guest
	serves := func(program string, byPhone bool) {
		t.Helper()
		s.binary = program
		s.launch(t)
		if g == nil {
			g = r.guests(t, people, &http.Client{Timeout: rollingPatience, Transport: s.client.Transport})[0]
		}
		if !g.round(byPhone) {
			t.FailNow()
		}
		cmd := s.cmd
		s.stop(t, cmd)
		s.cmd = nil
	}
	serves(old, false)
	serves(next, true)
	copied := filepath.Join(t.TempDir(), "copy.db")
	if out, err := r.run(t, next, "backup", copied); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	serves(old, true) // one release back, with what the newer one has given
	if log := s.errs.String(); !strings.Contains(log, migrations.Behind) {
		t.Errorf("one release back it says\n%s", log)
	}
	serves(next, true)
	if out, err := r.run(t, old, "migrate", "--dry-run", "--to", "postgres://hilum@127.0.0.1:1/hilum"); err == nil || !strings.Contains(out, "was written by a newer version of this program") || !strings.Contains(out, "move it with that one") {
		t.Errorf("the older release moves a file of the newer one: %v, %s", err, out)
	}
	r.gives(t, "breaking")
	serves(next, true)
	if out, err := r.run(t, old, "serve"); err == nil || !strings.Contains(out, "9.0.0 is the oldest that works with them") {
		t.Errorf("a release of before starts: %v, %s", err, out)
	}
	// Put back from the time between, it does.
	path := filepath.Join(s.data, "idp.db")
	for _, name := range []string{path, path + "-wal", path + "-shm", filepath.Join(s.data, "audit.head")} {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	well(t, os.Rename(copied, path))
	g.has = nil // it was given after the copy
	serves(old, true)
	if out, err := r.run(t, old, "audit", "verify"); err != nil || !strings.Contains(out, "whole") {
		t.Errorf("idp audit verify: %v, %s", err, out)
	}
}
