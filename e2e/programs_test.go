package e2e

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Programs of others, run by the configurations that docs print.

// runs starts a program until the test ends, and returns when it is ready, with what it
// says.
func runs(t *testing.T, cmd *exec.Cmd, ready func() error) *tail {
	t.Helper()
	if _, err := os.Stat(cmd.Path); err != nil {
		t.Fatalf("this test needs %s; make needs installs it", cmd.Path)
	}
	said := &tail{}
	cmd.Stdout, cmd.Stderr = said, said
	well(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // ends with the process
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
		select {
		case <-done:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			t.Errorf("%s did not end", cmd.Path)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, said)
		}
	})
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := ready()
		if err == nil {
			return said
		}
		if time.Now().After(end) {
			t.Fatalf("%s is not ready: %v\n%s", cmd.Path, err, said)
		}
	}
}

// exchanged is a text with the second of each pair in place of the first, which has to
// be in it.
func exchanged(t testing.TB, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the page has no %q", pairs[i])
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// blockOf is the one block of a language in a page of docs.
func blockOf(t testing.TB, page, lang string) string {
	t.Helper()
	text := string(must[[]byte](t)(os.ReadFile("../docs/" + page)))
	_, rest, ok := strings.Cut(text, "```"+lang+"\n")
	block, _, ended := strings.Cut(rest, "```")
	if !ok || !ended || strings.Contains(rest, "```"+lang+"\n") {
		t.Fatalf("docs/%s has no one block of %s", page, lang)
	}
	return block
}
