package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// What a relying party is, for the plans of such.
var (
	plainParty = map[string]string{"client_registration": "static_client", "request_type": "plain_http_request"}
	basicParty = map[string]string{"client_registration": "static_client", "request_type": "plain_http_request", "client_auth_type": "client_secret_basic", "response_mode": "default"}
)

// partyPlans are the plans by which the sample viewer is looked at: the suite plays the
// provider.
var partyPlans = []suitePlan{
	{short: "rp-basic", name: "oidcc-client-basic-certification-test-plan", variant: plainParty},
	{short: "rp-config", name: "oidcc-client-config-certification-test-plan", variant: basicParty},
	{short: "rp-rp-initiated-logout", name: "oidcc-client-rp-initiated-logout-rp-basic", variant: basicParty},
	{short: "rp-back-channel-logout", name: "oidcc-client-back-channel-logout-rp-basic", variant: basicParty},
}

// builtViewer is the program cmd/viewer.
func builtViewer(t *testing.T) string {
	t.Helper()
	file := filepath.Join(binaries, "viewer")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	if out, err := exec.Command("go", "build", "-o", file, "hilum/cmd/viewer").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// TestViewerConformance runs the plans for relying parties against cmd/viewer, started anew
// for every module, and compares as TestConformance does.
func TestViewerConformance(t *testing.T) {
	s := officialSuiteOf(t)
	program, port, secret := builtViewer(t), freePort(t), filepath.Join(t.TempDir(), "secret")
	here := "http://127.0.0.1:" + port
	well(t, os.WriteFile(secret, []byte("a-secret-of-no-worth-4711"), 0o600))
	config := map[string]any{
		"alias": "hilum-viewer", "description": "hilum's sample viewer", "waitTimeoutSeconds": 4,
		"client": map[string]any{
			"client_id": "viewer", "client_secret": "a-secret-of-no-worth-4711", "redirect_uri": here + "/callback",
			"post_logout_redirect_uri": here + "/", "backchannel_logout_uri": here + "/backchannel-logout",
		},
	}
	s.compare(t, partyPlans, func(p suitePlan) map[string]any { return config }, func(t *testing.T, plan string, m suiteModule) string {
		run := s.begin(t, plan, m)
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if state, _ := s.state(t, run); state == "WAITING" || ended(state) {
				break
			}
		}
		cmd := exec.Command(program, "-issuer", s.address+"/test/a/hilum-viewer/", "-client-id", "viewer", "-client-secret-file", secret, "-listen", "127.0.0.1:"+port)
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+s.certificate(t))
		said := runs(t, cmd, func() error {
			res, err := http.Get(here + "/")
			if err != nil {
				return err
			}
			return res.Body.Close()
		})
		over := func() bool { state, _ := s.state(t, run); return ended(state) }
		var w *window
		turns := 1
		switch {
		case strings.HasSuffix(m.Name, "discovery-openid-config"):
			// It ends as soon as it was asked for the configuration, and takes it for a fault when
			// somebody comes after that: the browser stays away.
			stays := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			res := must[*http.Response](t)(stays.Get(here + "/login"))
			well(t, res.Body.Close())
			turns = 0
		case strings.HasSuffix(m.Name, "key-rotation"):
			turns = 2 // it signs in with the old key, then with the new one
		}
		for range turns {
			w = s.window(t)
			w.open(here + "/")
			t.Logf("after «Sign in»: %s", w.goes(t, "#sign-in"))
		}
		if strings.Contains(m.Name, "logout") && !over() {
			t.Logf("after «Sign out»: %s", w.goes(t, "#sign-out"))
		}
		for end := time.Now().Add(40 * time.Second); time.Now().Before(end) && !over(); time.Sleep(time.Second) {
		}
		t.Logf("the viewer said:\n%s", said)
		return s.result(t, run)
	})
}

// goes clicks, if there is something to click, and returns what is read where it leads.
func (w *window) goes(t *testing.T, sel string) string {
	t.Helper()
	if n := ask(w, chromedp.Evaluate[int](`document.querySelectorAll("`+sel+`").length`)); n == 0 {
		return ""
	}
	w.click(sel)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if ask(w, chromedp.Evaluate[bool](`document.readyState === "complete" && location.hostname === "127.0.0.1"`)) {
			break
		}
	}
	return w.at() + ": " + strings.Join(strings.Fields(w.text("body")), " ")
}
