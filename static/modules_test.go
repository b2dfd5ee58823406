package static

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// The modules of the app do what they should in Node.js: the tests of static/test, of
// the sources as they are and of the service worker as it is sent.
func TestModules(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("Node.js is missing, 18 or newer: \"make needs\" installs it, on Debian the package nodejs")
	}
	tests, err := filepath.Glob("test/*.test.js")
	if err != nil || len(tests) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	// What Node.js reads is opened here too: the cache of results knows of that alone.
	for _, pattern := range []string{"package.json", "test/*.js", "app/*.js", "../docs/device-protocol-vectors.json"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, name := range names {
			if _, err := os.Stat(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	sent := filepath.Join(t.TempDir(), "sw.js")
	if err := os.WriteFile(sent, Worker("0123456789ab", []string{"/look.css"}), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, append([]string{"--test", "--test-reporter=tap"}, tests...)...)
	cmd.Env = append(os.Environ(), "WORKER="+sent)
	out, err := cmd.CombinedOutput()
	count := func(of string) int {
		m := regexp.MustCompile(`(?m)^# ` + of + ` (\d+)$`).FindSubmatch(out)
		if m == nil {
			return -1
		}
		n, _ := strconv.Atoi(string(m[1])) // digits
		return n
	}
	passed := count("pass")
	if err != nil || passed < len(tests) || passed != count("tests") {
		t.Errorf("%v: %d tests, %d passed\n%s", err, count("tests"), passed, out)
	}
	t.Logf("%d passed", passed)
}

// The IndexedDB that they keep accounts in is what others published, letter by letter.
func TestFakeIndexedDB(t *testing.T) {
	const dir = "test/fake-indexeddb"
	want := sums(t, dir)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "SHA256SUMS" || name == "README.md" {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != want[name] {
			t.Errorf("%s has the sum %s, want %q", name, got, want[name])
		}
		delete(want, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
}
