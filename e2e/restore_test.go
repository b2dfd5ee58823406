package e2e

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// blocksOf are the commands that docs/restore.md prints, block by block.
func blocksOf(t testing.TB) []string {
	t.Helper()
	text := string(must[[]byte](t)(os.ReadFile("../docs/restore.md")))
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// A provider whose people have linked devices is copied while it runs, destroyed and put
// back somewhere else, by the commands of docs/restore.md: the same devices are good, the
// log is whole and says from when on it is not there, and no key but the right one opens it.
func TestRestore(t *testing.T) {
	t.Parallel()
	blocks := blocksOf(t)
	if len(blocks) != 5 {
		t.Fatalf("docs/restore.md has %d blocks of commands, and this test knows what 5 are for", len(blocks))
	}
	copying, keeping, moving, putting, looking := blocks[0], blocks[1], blocks[2], blocks[3], blocks[4]

	s := startServe(t)
	kept := t.TempDir()
	// does runs commands as they are printed, in a shell, with the folders of this test.
	does := func(block string) (out string, err error) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", strings.NewReplacer(
			"/var/lib/hilum", s.data, "/backup/", kept+"/", "/vault/", kept+"/vault-",
		).Replace(block))
		cmd.Env = append(s.env, "PATH="+filepath.Dir(idpBinary)+":"+os.Getenv("PATH"))
		b, err := cmd.CombinedOutput()
		return string(b), err
	}
	well := func(what, block string) string {
		t.Helper()
		out, err := does(block)
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, out)
		}
		return out
	}
	redirect := "https://viewer.klinik.test/callback"
	id, secret := s.addClient(t, "Viewer", "--redirect-uri", redirect)
	rp := &party{
		t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid profile",
		verifier: strings.Repeat("verifier-", 6), web: s.client, state: "s", nonce: "n-0S6",
	}
	bert := s.invite(t, "bert")

	out := well("backup", copying)
	if !regexp.MustCompile(`hilum\.db has \d+\.\d MB, and the audit log as far as \d+:[0-9a-f]{64}\n.*seal\.key`).MatchString(out) {
		t.Errorf("the backup says %s", out)
	}
	if info := must[os.FileInfo](t)(os.Stat(filepath.Join(kept, "hilum.db"))); info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %o", info.Mode().Perm())
	}
	if out, err := does(copying); err == nil || !strings.Contains(out, "is there already") {
		t.Errorf("a second backup into the same file: %v\n%s", err, out)
	}
	well("the key", keeping)
	s.idp(t, "invite", "carla") // after the backup

	// Everything is lost, but for what was kept.
	s.kill(t)
	if err := os.RemoveAll(s.data); err != nil {
		t.Fatal(err)
	}
	was := s.data
	s.data = filepath.Join(t.TempDir(), "disk")
	for i, e := range s.env {
		s.env[i] = strings.Replace(e, "IDP_DATA_DIR="+was, "IDP_DATA_DIR="+s.data, 1)
	}
	refused := func(says string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), idpBinary, "serve")
		cmd.Env = s.env
		if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), says) {
			t.Errorf("it does not say %q, but: %v\n%s", says, err, out)
		}
	}
	well("a new folder", moving)
	well("put back", putting)
	key := filepath.Join(s.data, "seal.key")
	right := must[[]byte](t)(os.ReadFile(key))

	// Without its key, with that of another instance, with half of it: refused, and
	// nothing is written in its place.
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	refused("seal.key is missing, and the database holds what was sealed with it: put the file back from its backup")
	if _, err := os.Stat(key); err == nil {
		t.Error("a new key was made")
	}
	other := newServe(t)
	other.launch(t)
	another := must[[]byte](t)(os.ReadFile(filepath.Join(other.data, "seal.key")))
	for what, c := range map[string]struct {
		key  []byte
		says string
	}{
		"another instance's": {another, "it is another database's; put back the one that was in use with this database (nothing was changed)"},
		"half of it":         {right[:len(right)/2], "is damaged"},
	} {
		if err := os.WriteFile(key, c.key, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(c.says)
		if now := must[[]byte](t)(os.ReadFile(key)); string(now) != string(c.key) {
			t.Errorf("%s: the file was changed", what)
		}
	}

	// The right one: the log is whole as far as it was kept, and people sign in with
	// what they have.
	well("put back again", putting)
	if out := well("look at it", looking); !strings.Contains(out, "whole: ") {
		t.Errorf("the check says %s", out)
	}
	s.launch(t)
	head := filepath.Join(s.data, "audit.head") // kept at the start, and every ten seconds
	begun := must[[]byte](t)(os.ReadFile(head))
	if tk := must[*tokens](t)(rp.exchange(rp.answer(bert.signIn(rp.authorize())))); tk.Status != http.StatusOK || tk.ID == "" {
		t.Fatalf("bert's tokens: %+v", tk)
	}
	if out := s.idp(t, "user", "list"); !strings.Contains(out, "bert") || strings.Contains(out, "carla") {
		t.Errorf("people are\n%s", out)
	}

	// On the same disk, where the log's end was kept beside it, it is told that the
	// database is older.
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if now := must[[]byte](t)(os.ReadFile(head)); string(now) != string(begun) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the end of the log is not kept")
		}
	}
	s.kill(t)
	well("moved away", moving)
	if left, err := filepath.Glob(filepath.Join(s.data, "idp.db*")); err != nil || len(left) > 0 {
		t.Errorf("left there: %v, %v", left, err)
	}
	well("put back in its place", putting)
	if out, err := does(looking); err == nil || !strings.Contains(out, "an older database was put back") {
		t.Errorf("the check of an older database says %v\n%s", err, out)
	}
	s.launch(t)
	if said := s.errs.String(); !strings.Contains(said, "it was put back from an older copy") {
		t.Errorf("the start does not say that the database is older:\n%s", said)
	}
	if out := s.idp(t, "audit", "verify"); !strings.Contains(out, "whole: ") || !strings.Contains(out, "audit.rolled_back") {
		t.Errorf("after the start the check says %s", out)
	}
	if at := bert.submit(bert.get(rp.authorize()), "password-form", url.Values{"username": {bert.name}, "password": {bert.password}}); at.status != http.StatusOK {
		t.Errorf("bert's password after that: %d at %s", at.status, at.url)
	}
}
