package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The conformance suite of the OpenID Foundation, as docs/conformance.md says.

// A plan of the suite, as it is run here.
type suitePlan struct {
	short   string // what it is called in the kept table and for CONFORMANCE_PLANS
	name    string
	variant map[string]string
	config  func(c *examined) map[string]any // of a provider that is examined
}

// officialSuite is the suite's own interface.
type officialSuite struct {
	address string
	web     *http.Client
}

func (s *officialSuite) call(method, path string, q url.Values, body, into any) error {
	var send io.Reader
	kind := "application/json"
	switch body := body.(type) {
	case nil:
	case string:
		send, kind = strings.NewReader(body), "text/plain"
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(raw)
	}
	r, err := http.NewRequest(method, s.address+path+"?"+q.Encode(), send)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	res, err := s.web.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %.400s", method, path, res.StatusCode, raw)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}

// officialSuiteOf is the suite that CONFORMANCE_SUITE names: its address, or a program that
// starts one.
func officialSuiteOf(t *testing.T) *officialSuite {
	t.Helper()
	address, program := os.Getenv("CONFORMANCE_SUITE"), ""
	if address == "" {
		t.Skip("the suite is a program of its own, in Java: make conformance SUITE=…, as docs/conformance.md says")
	}
	if !strings.HasPrefix(address, "https://") {
		address, program = "https://suite.test:8443", address
	}
	s := &officialSuite{address: strings.TrimSuffix(address, "/"), web: &http.Client{
		Timeout: 2 * time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}, // a suite at hand, with a certificate of its own making
	}}
	if program != "" {
		s.start(t, program)
	}
	var server struct{ Version string }
	if err := s.call("GET", "/api/server", nil, nil, &server); err != nil {
		t.Fatal(err)
	}
	t.Logf("the suite is of version %s", server.Version)
	return s
}

// start runs the program that starts a suite, with whatever that starts, until the test
// ends, and returns when the suite answers.
func (s *officialSuite) start(t *testing.T, program string) {
	t.Helper()
	cmd := exec.Command(program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said := &tail{}
	cmd.Stdout, cmd.Stderr = said, said
	well(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // ends with the process
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // it may have ended already
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			t.Errorf("%s did not end", program)
		}
	})
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(time.Second) {
		if err := s.call("GET", "/api/server", nil, nil, nil); err == nil {
			return
		} else if time.Now().After(end) {
			t.Fatalf("the suite does not answer: %v\n%s", err, said)
		}
	}
}

// certificate is a file with what the suite shows as its certificate, to be trusted by what
// has to reach it.
func (s *officialSuite) certificate(t *testing.T) string {
	t.Helper()
	conn := must[*tls.Conn](t)(tls.Dial("tcp", must[*url.URL](t)(url.Parse(s.address)).Host, &tls.Config{InsecureSkipVerify: true})) // asked for its certificate
	defer conn.Close()
	var chain bytes.Buffer
	for _, cert := range conn.ConnectionState().PeerCertificates {
		well(t, pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	file := filepath.Join(t.TempDir(), "suite.pem")
	well(t, os.WriteFile(file, chain.Bytes(), 0o600))
	return file
}

// window is a Chromium that reaches the suite and this machine, and nothing else.
func (s *officialSuite) window(t *testing.T) *window {
	t.Helper()
	return openWindow(t, true, chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("lang", "en-GB"),
		chromedp.Flag("host-resolver-rules", "MAP suite.test 127.0.0.1, EXCLUDE localhost, EXCLUDE 127.0.0.1, MAP * ~NOTFOUND"))
}

// suiteModule is a module of a plan.
type suiteModule struct {
	Name    string         `json:"testModule"`
	Variant map[string]any `json:"variant"`
}

// begin starts a module, and returns the id of its run.
func (s *officialSuite) begin(t *testing.T, plan string, m suiteModule) string {
	t.Helper()
	q := url.Values{"test": {m.Name}, "plan": {plan}}
	if len(m.Variant) > 0 {
		q.Set("variant", string(must[[]byte](t)(json.Marshal(m.Variant))))
	}
	var made struct{ ID string }
	well(t, s.call("POST", "/api/runner", q, nil, &made))
	return made.ID
}

// state is where a run is: WAITING for something, say, or FINISHED; and its result then.
func (s *officialSuite) state(t *testing.T, run string) (state, result string) {
	t.Helper()
	var info struct{ Status, Result string }
	well(t, s.call("GET", "/api/info/"+run, nil, nil, &info))
	return info.Status, info.Result
}

func ended(state string) bool { return state == "FINISHED" || state == "INTERRUPTED" }

// said is an entry of a module's log.
type said struct {
	Result, Src, Msg, Upload, Img string
	Requirements                  any
}

// wants are the places of a module's log that wait for a picture.
func (s *officialSuite) wants(t testing.TB, id string) map[string]bool {
	t.Helper()
	var log []said
	if err := s.call("GET", "/api/log/"+id, nil, nil, &log); err != nil {
		t.Fatal(err)
	}
	places := map[string]bool{}
	for _, e := range log {
		if e.Upload != "" && e.Img == "" {
			places[e.Upload] = true
		}
	}
	return places
}

// result is what the suite says of a run that was made: PASSED, WARNING, REVIEW, SKIPPED or
// FAILED; or the state of one that did not come to an end, which is given up.
func (s *officialSuite) result(t *testing.T, run string) string {
	t.Helper()
	state, result := s.state(t, run)
	if !ended(state) {
		_ = s.call("DELETE", "/api/runner/"+run, nil, nil, nil) // its state is said already
	}
	var log []said
	well(t, s.call("GET", "/api/log/"+run, nil, nil, &log))
	for _, e := range log {
		if e.Result == "FAILURE" || e.Result == "WARNING" || e.Result == "REVIEW" {
			t.Logf("%s %s: %s %v", e.Result, e.Src, e.Msg, e.Requirements)
		}
	}
	if state != "FINISHED" {
		return state
	}
	return result
}

// planned is a plan that the suite has made.
type planned struct {
	ID      string
	Modules []suiteModule
}

// plan has the suite make a plan with a configuration.
func (s *officialSuite) plan(t *testing.T, p suitePlan, config map[string]any) (made planned) {
	t.Helper()
	q := url.Values{"planName": {p.name}}
	if p.variant != nil {
		q.Set("variant", string(must[[]byte](t)(json.Marshal(p.variant))))
	}
	well(t, s.call("POST", "/api/plan", q, config, &made))
	return made
}

// compare runs plans module by module, and compares the results with those that are kept.
// UPDATE=1 keeps what comes. CONFORMANCE_PLANS and CONFORMANCE_MODULES leave others out.
func (s *officialSuite) compare(t *testing.T, plans []suitePlan, config func(p suitePlan) map[string]any, run func(t *testing.T, plan string, m suiteModule) string) {
	t.Helper()
	wanted := strings.FieldsFunc(os.Getenv("CONFORMANCE_PLANS"), func(r rune) bool { return r == ',' || r == ' ' })
	only := regexp.MustCompile(os.Getenv("CONFORMANCE_MODULES"))
	update := os.Getenv("UPDATE") != ""
	for _, p := range plans {
		if len(wanted) > 0 && !slices.Contains(wanted, p.short) {
			continue
		}
		t.Run(p.short, func(t *testing.T) {
			made := s.plan(t, p, config(p))
			kept := readResults(t)
			results := map[string]string{}
			for _, m := range made.Modules {
				if !only.MatchString(m.Name) {
					continue
				}
				t.Run(m.Name, func(t *testing.T) {
					results[m.Name] = "DRIVER" // unless it comes to an end
					plan := made.ID
					if isCIBA(p.short) { // each asks somebody of its own
						plan = s.plan(t, p, config(p)).ID
					}
					results[m.Name] = run(t, plan, m)
					if want := kept[p.short][m.Name]; results[m.Name] != want && !update {
						t.Errorf("%s, and %q is kept", results[m.Name], want)
					} else {
						t.Log(results[m.Name])
					}
				})
			}
			if !update {
				return
			}
			kept = readResults(t) // another run may have kept something meanwhile
			if kept[p.short] == nil || only.String() == "" {
				kept[p.short] = map[string]string{}
			}
			maps.Copy(kept[p.short], results)
			well(t, os.WriteFile(keptResults, append(must[[]byte](t)(json.MarshalIndent(kept, "", "  ")), '\n'), 0o644))
		})
	}
}

// keptResults has what the suite says of each module of each plan.
const keptResults = "testdata/conformance.json"

func readResults(t testing.TB) map[string]map[string]string {
	t.Helper()
	kept := map[string]map[string]string{}
	if err := json.Unmarshal(must[[]byte](t)(os.ReadFile(keptResults)), &kept); err != nil {
		t.Fatal(err)
	}
	return kept
}

// The page of docs has the results that are kept, and says of each that is not PASSED why.
func TestConformancePage(t *testing.T) {
	t.Parallel()
	const file, heading = "../docs/conformance.md", "## Results\n"
	text := string(must[[]byte](t)(os.ReadFile(file)))
	said, _, ok := strings.Cut(text, heading)
	if !ok {
		t.Fatalf("%s has no %q", file, heading)
	}
	kept := readResults(t)
	var want strings.Builder
	want.WriteString(said + heading)
	for _, p := range slices.Concat(providerPlans, cibaPlans(), dynamicPlans, partyPlans) {
		if len(kept[p.short]) == 0 {
			fmt.Fprintf(&want, "\n### %s\n\n`%s`: not run yet.\n", p.short, p.name)
			continue
		}
		sums := map[string]int{}
		for _, r := range kept[p.short] {
			sums[r]++
		}
		var parts []string
		for _, r := range slices.Sorted(maps.Keys(sums)) {
			parts = append(parts, fmt.Sprintf("%d %s", sums[r], r))
		}
		fmt.Fprintf(&want, "\n### %s\n\n`%s`: %s.\n\n| module | result |\n|---|---|\n", p.short, p.name, strings.Join(parts, ", "))
		for _, m := range slices.Sorted(maps.Keys(kept[p.short])) {
			r := kept[p.short][m]
			fmt.Fprintf(&want, "| `%s` | %s |\n", m, r)
			if r == "PASSED" {
				continue
			}
			row := regexp.MustCompile(`(?m)^\| .*` + "`(?:" + regexp.QuoteMeta(m) + "|…" + suffixOf(m) + ")`" + `.* \| ` + r + ` \| .+ \|$`)
			if !row.MatchString(said) {
				t.Errorf("%s does not say why %s is %s", file, m, r)
			}
		}
	}
	if want.String() == text {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("%s does not have what is kept: UPDATE=1 go test -run TestConformancePage ./e2e", file)
	}
	if err := os.WriteFile(file, []byte(want.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// suffixOf matches the ends of a name that begin at a hyphen: the page leaves out what
// modules of one plan have in common.
func suffixOf(name string) string {
	var ends []string
	for i := range name {
		if name[i] == '-' {
			ends = append(ends, regexp.QuoteMeta(name[i:]))
		}
	}
	return "(?:" + strings.Join(ends, "|") + ")"
}
