package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The build without FCM starts, says what it lacks, and refuses a configuration that
// wants it.
func TestSlimBuild(t *testing.T) {
	t.Parallel()
	slim := filepath.Join(t.TempDir(), "idp")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-tags", "nofcm", "-o", slim, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// What is linked is what it is about.
	if out, err := exec.CommandContext(t.Context(), "go", "version", "-m", slim).CombinedOutput(); err != nil || strings.Contains(string(out), "firebase") {
		t.Errorf("%v: firebase is in it", err)
	}
	run := func(env []string, args ...string) (string, int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), slim, args...)
		cmd.Env = append(append(os.Environ(), "IDP_DATA_DIR="+t.TempDir(), "IDP_LISTEN=127.0.0.1:0"), env...)
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := run(nil, "version"); code != 0 || !strings.Contains(out, "built without FCM") {
		t.Errorf("%d: %s", code, out)
	}
	for _, command := range [][]string{{"config", "check"}, {"serve"}} {
		out, code := run([]string{"IDP_PUSH_FCM_PROJECT_ID=klinik", "IDP_PUSH_FCM_ENDPOINT=http://127.0.0.1:1"}, command...)
		if code != 1 || !strings.Contains(out, "IDP_PUSH_FCM_") || !strings.Contains(out, "built without Firebase Cloud Messaging") {
			t.Errorf("%v: %d: %s", command, code, out)
		}
	}

	p := runsAs(t, slim, t.TempDir(), "serve")
	at := <-p.ready
	if at == "" {
		t.Fatalf("it does not start: %v", p.ends())
	}
	if code, text := fetch(t, http.MethodGet, at+"/readyz"); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	if err := p.ends(); err != nil {
		t.Error(err)
	}
}
