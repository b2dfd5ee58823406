package e2e

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp/store/pgtest"
)

// pair is a provider whose database is on a primary that a standby follows, both named in its
// database.url.
type pair struct {
	*served
	primary, standby *pgtest.Server
	database         string // its name at both
	rp               *party
}

// small are settings of a provider that has not much of the machine, beside two servers.
var small = []string{"IDP_LOG_LEVEL=warn", "IDP_PASSWORD_MEMORY_KIB=8", "IDP_PASSWORD_TIME=1", "IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0"}

// startPair starts all three.
func startPair(t *testing.T) *pair {
	t.Helper()
	s := &pair{primary: pgtest.Own(t)}
	u := must[*url.URL](t)(url.Parse(s.primary.Fresh(t)))
	s.database = strings.TrimPrefix(u.Path, "/")
	s.standby = s.primary.Standby(t)
	u.Host += "," + s.standby.Address()
	file := filepath.Join(t.TempDir(), "database.url")
	well(t, os.WriteFile(file, []byte(u.String()), 0o600))
	s.served = newServe(t, append(slices.Clone(small), "IDP_DATABASE_URL_FILE="+file)...)
	s.launch(t)
	s.rp = s.viewer(t)
	return s
}

// viewer registers an application.
func (s *served) viewer(t testing.TB) *party {
	t.Helper()
	redirect := "https://viewer.klinik.test/callback"
	id, secret := s.addClient(t, "Viewer", "--redirect-uri", redirect)
	return &party{
		t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid profile offline_access",
		verifier: strings.Repeat("verifier-", 6), web: s.client, state: "s", nonce: "n-0S6",
	}
}

// signsIn signs somebody in with a code, at a browser where nobody is.
func (p *person) signsIn(rp *party) *tokens {
	p.t.Helper()
	p.elsewhere()
	tk := must[*tokens](p.t)(rp.exchange(rp.answer(p.signIn(rp.authorize()))))
	if tk.Status != http.StatusOK {
		p.t.Fatalf("%s: %+v", p.name, tk)
	}
	return tk
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// unready waits until the provider says that its database is away.
func (s *pair) unready(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if res, err := s.client.Get(s.issuer + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusServiceUnavailable {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatal("the primary is gone, and the provider is ready")
		}
	}
}

// The primary dies under load and its standby takes over. With synchronous replication nothing
// that was answered is gone; the provider goes on by itself, with the sessions that it had.
func TestFailover(t *testing.T) {
	t.Parallel()
	s := startPair(t)
	s.primary.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = '*'")
	s.primary.Exec(t, "SELECT pg_reload_conf()")
	anna, bert := s.invite(t, "anna"), s.invite(t, "bert")
	anna.signsIn(s.rp)

	// Codes of anna's session become tokens, one after another at each of a few applications'
	// connections; what was not answered may be true or not.
	var mu sync.Mutex
	var given []*tokens
	refused := map[string]int{} // by status, or by the error of a redirect
	gone := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { // ends a moment after gone
			for {
				select {
				case <-gone:
					return
				default:
				}
				res, err := anna.send(http.MethodGet, s.rp.authorize(), nil)
				if err != nil {
					t.Errorf("authorize: %v", err)
					return
				}
				res.Body.Close()
				to := res.Request.URL
				if at, err := res.Location(); err == nil {
					to = at
				}
				code := to.Query().Get("code")
				if code == "" {
					mu.Lock()
					refused[cmp.Or(to.Query().Get("error"), res.Status)]++
					mu.Unlock()
					continue
				}
				tk, err := s.rp.exchange(code)
				mu.Lock()
				switch {
				case err != nil:
					refused[err.Error()]++
				case tk.Status == http.StatusOK:
					given = append(given, tk)
				default:
					refused[cmp.Or(tk.Error, strconv.Itoa(tk.Status))]++
				}
				mu.Unlock()
			}
		})
	}
	given1 := func() int { mu.Lock(); defer mu.Unlock(); return len(given) }
	for end := time.Now().Add(time.Minute); given1() < 50; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d tokens within a minute", given1())
		}
	}
	s.primary.Kill(t)
	s.unready(t)
	before := given1()
	promoted := time.Now()
	s.standby.Promote(t)
	s.ready(t)
	t.Logf("ready %v after the standby was told to take over", time.Since(promoted).Round(time.Millisecond))
	for end := time.Now().Add(time.Minute); given1() < before+20; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d tokens after the failover within a minute", given1()-before)
		}
	}
	close(gone)
	all.Wait()
	t.Logf("%d tokens were given, %d of them before; refused: %v", len(given), before, refused)
	for why, n := range refused {
		// What was under way when the primary died is not known, or was undone: it is refused,
		// and whoever was refused begins anew.
		if why != "temporarily_unavailable" && why != "server_error" && !strings.HasPrefix(why, "503") {
			t.Errorf("%d requests were refused: %s", n, why)
		}
	}
	for i, tk := range given {
		if status, _, err := s.rp.userinfo(tk.Access); err != nil || status != http.StatusOK {
			t.Fatalf("token %d of %d was given and is gone: %d %v", i, len(given), status, err)
		}
	}
	bert.signsIn(s.rp)
	if out := s.idp(t, "audit", "verify"); !strings.Contains(out, "whole") {
		t.Errorf("the log: %s", out)
	}
	if errs := s.errs.String(); strings.Contains(errs, "level=ERROR") && !strings.Contains(errs, "reach") {
		t.Errorf("the provider complains of something else:\n%s", errs)
	}

	// It starts again while the first server that it knows is gone.
	s.kill(t)
	s.launch(t)
	if at := anna.get(s.rp.authorize()); at.url.Query().Get("code") == "" {
		t.Errorf("the session of before: %d at %s", at.status, at.url)
	}
}

// A standby takes over that had not got everything: what was answered in between is gone, no
// token of it is good any more, and the log says so.
func TestFailoverThatLoses(t *testing.T) {
	t.Parallel()
	s := startPair(t)
	anna, bert := s.invite(t, "anna"), s.invite(t, "bert")
	kept := anna.signsIn(s.rp)
	s.standby.Follows(t, s.primary)
	s.standby.Exec(t, "ALTER SYSTEM SET primary_conninfo = ''")
	s.standby.Exec(t, "SELECT pg_reload_conf()")
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		rows := must[[][]string](t)(pgtest.Rows(t.Context(), s.standby.URL("postgres"), "SELECT count(*) FROM pg_stat_wal_receiver"))
		if rows[0][0] == "0" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the standby still follows")
		}
	}
	head := filepath.Join(s.data, "audit.head") // the end of the log, kept outside the database now and then
	before := must[[]byte](t)(os.ReadFile(head))
	lost := bert.signsIn(s.rp)
	eventually(t, "the end of the log is kept", func() bool { return !bytes.Equal(before, must[[]byte](t)(os.ReadFile(head))) })
	s.primary.Kill(t)
	s.unready(t)
	s.standby.Promote(t)
	s.ready(t)
	if status, _, err := s.rp.userinfo(kept.Access); err != nil || status != http.StatusOK {
		t.Errorf("what the standby had: %d %v", status, err)
	}
	if status, _, err := s.rp.userinfo(lost.Access); err != nil || status != http.StatusUnauthorized {
		t.Errorf("an access token that the database lost: %d %v", status, err)
	}
	if tk := must[*tokens](t)(s.rp.refresh(lost.Refresh)); tk.Status == http.StatusOK {
		t.Errorf("a refresh token that the database lost: %+v", tk)
	}
	if at := bert.get(s.rp.authorize()); at.url.Query().Get("code") != "" {
		t.Error("a session that the database lost is good")
	}
	anna.signsIn(s.rp)
	eventually(t, "the log says what the database lost", func() bool {
		return strings.Contains(s.errs.String(), "it was put back from an older copy, or its newest events were cut off")
	})
	// The provider that goes on knows what it had written itself, and says that it is not there.
	cmd := exec.CommandContext(t.Context(), idpBinary, "audit", "verify")
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	t.Logf("idp audit verify: %v %s\nthe log:\n%s", err, out, s.errs)
	if says := string(out); !strings.Contains(says, "audit.broken") && !strings.Contains(says, "audit.rolled_back") && !strings.Contains(says, "not whole") {
		t.Errorf("the audit log tells nothing of what it lost: %v %s", err, out)
	}
}

// A base backup and the archive of the write-ahead log put the database back to a moment. What
// came before it is there, what came after it is not, and the log says that it went back.
func TestDatabaseOfBefore(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	server.Archive(t)
	u := must[*url.URL](t)(url.Parse(server.Fresh(t)))
	file := filepath.Join(t.TempDir(), "database.url")
	well(t, os.WriteFile(file, []byte(u.String()), 0o600))
	s := newServe(t, append(slices.Clone(small), "IDP_DATABASE_URL_FILE="+file)...)
	s.launch(t)
	rp, anna, bert, carla := s.viewer(t), s.invite(t, "anna"), s.invite(t, "bert"), s.invite(t, "carla")
	base := server.Base(t)
	kept := anna.signsIn(rp)
	until := must[[][]string](t)(pgtest.Rows(t.Context(), u.String(), "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"))[0][0]
	lost := bert.signsIn(rp)
	s.idp(t, "user", "disable", "carla")
	s.stop(t, s.cmd)
	s.cmd = nil
	base.Recover(t, server, must[time.Time](t)(time.Parse(time.RFC3339Nano, until)))
	u.Host = base.Address()
	well(t, os.WriteFile(file, []byte(u.String()), 0o600))
	s.launch(t)
	if status, _, err := rp.userinfo(kept.Access); err != nil || status != http.StatusOK {
		t.Errorf("a token of before the moment: %d %v", status, err)
	}
	if status, _, err := rp.userinfo(lost.Access); err != nil || status != http.StatusUnauthorized {
		t.Errorf("a token of after it: %d %v", status, err)
	}
	if tk := must[*tokens](t)(rp.refresh(lost.Refresh)); tk.Status == http.StatusOK {
		t.Errorf("a refresh token of after it: %+v", tk)
	}
	carla.signsIn(rp) // who was disabled after it is not: docs/restore.md says so
	if says := s.errs.String(); !strings.Contains(says, "it was put back from an older copy, or its newest events were cut off") {
		t.Errorf("the log says\n%s", says)
	}
	if out := s.idp(t, "audit", "list", "--kind", "audit.rolled_back", "--json"); strings.Count(out, "audit.rolled_back") != 1 {
		t.Errorf("events: %s", out)
	}
	if out := s.idp(t, "audit", "verify"); !strings.Contains(out, "whole") {
		t.Errorf("the log: %s", out)
	}
}
