package e2e

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// desktop is a program on a person's machine that signs in as Weasis does.
type desktop struct {
	t     *testing.T
	to    io.Writer
	lines chan string
}

// hears returns the next line that it says.
func (d *desktop) hears() string {
	d.t.Helper()
	select {
	case line := <-d.lines:
		return line
	case <-time.After(90 * time.Second):
		d.t.Fatal("the program says nothing")
		return ""
	}
}

// orders sends a line, and returns the one that follows.
func (d *desktop) orders(line string) string {
	d.t.Helper()
	_ = must[int](d.t)(io.WriteString(d.to, line+"\n"))
	return d.hears()
}

// hasToken returns the access token of a line.
func (d *desktop) hasToken(line string) string {
	d.t.Helper()
	token, ok := strings.CutPrefix(line, "token ")
	if !ok {
		d.t.Fatalf("no token: %s", line)
	}
	return token
}

// forgets has it ask for a token anew; it was refused its refresh token, and wants a browser,
// whose address is returned.
func (d *desktop) forgets(why string) string {
	d.t.Helper()
	d.orders("reset")
	if said := d.orders("token"); !strings.HasPrefix(said, "refused ") || !strings.Contains(said, "invalid_grant") {
		d.t.Fatalf("%s: it goes on: %s", why, said)
	}
	return d.opens()
}

func (d *desktop) opens() string {
	d.t.Helper()
	line := d.hears()
	address, ok := strings.CutPrefix(line, "open ")
	if !ok {
		d.t.Fatalf("it opens no browser: %s", line)
	}
	return address
}

// The sign-in of Weasis, by its library and its parameters, as docs/recipes/weasis.md says and
// the preset prints.
func TestWeasis(t *testing.T) {
	t.Parallel()
	jars, java := javaFor(t, "SCRIBEJAVA_DIR", "ScribeJava")
	s := newServe(t)
	s.launch(t)
	printed := s.idp(t, "client", "preset", "weasis", "--id", "weasis")
	_, block, _ := strings.Cut(printed, "# Authentication manager of a DICOM web node\n")
	typed := map[string]string{}
	for line := range strings.Lines(block) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			typed[name] = strings.TrimSpace(value)
		}
	}
	if whole := exchanged(t, blockOf(t, "recipes/weasis.md", "text"), "https://login.your-hospital.org", s.issuer, "…", typed["Client secret"]); whole != block {
		t.Errorf("the page has not what the preset prints:\n%s\nbut:\n%s", block, whole)
	}

	cmd := exec.Command(java, append(trusting(t, s.ca), "-cp", filepath.Join(jars, "*"),
		filepath.Join("testdata", "weasis", "SignIn.java"), typed["Authorization URI"], typed["Token URI"], typed["Client ID"], typed["Client secret"], typed["Scope"], freePort(t))...)
	errs := &tail{}
	cmd.Stderr = errs
	d := &desktop{t: t, to: must[io.WriteCloser](t)(cmd.StdinPipe()), lines: make(chan string, 100)}
	out := must[io.ReadCloser](t)(cmd.StdoutPipe())
	well(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("it said:\n%s", errs)
		}
	})
	go func() { // ends with the process
		for lines := bufio.NewScanner(out); lines.Scan(); {
			d.lines <- lines.Text()
		}
	}()
	if said := d.hears(); said != "ready" {
		t.Fatalf("it begins with %s\n%s", said, errs)
	}

	anna := s.invite(t, "anna", "--display", "Anna Bergmann")
	anna.web.CheckRedirect = nil
	signsIn := func(address string) string {
		t.Helper()
		code := anna.code() // what waits for one is the test
		began := time.Now()
		at := anna.submit(anna.get(address), "password-form", url.Values{"username": {anna.name}, "password": {anna.password}})
		at = anna.submit(at, "code-form", url.Values{"code": {code}})
		if !strings.Contains(at.body, `action="`+at.url.Path+`/consent"`) {
			t.Fatalf("nobody is asked for consent: %d at %s: %s", at.status, at.url, at.body)
		}
		at = anna.read(anna.send(http.MethodPost, s.issuer+at.url.Path+"/consent", url.Values{"answer": {"allow"}}))
		if at.status != http.StatusOK || at.url.Hostname() != "127.0.0.1" || !strings.Contains(at.body, "transmitted") {
			t.Fatalf("signed in: %d at %s: %s", at.status, at.url, at.body)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("the sign-in took %s", took)
		}
		return d.hasToken(d.hears())
	}
	told := func(token string) int {
		t.Helper()
		r := must[*http.Request](t)(http.NewRequest(http.MethodGet, s.issuer+"/userinfo", nil))
		r.Header.Set("Authorization", "Bearer "+token)
		return must[*page](t)(readPage(s.client.Do(r))).status
	}
	_ = must[int](t)(io.WriteString(d.to, "token\n"))
	first := signsIn(d.opens())
	if got := told(first); got != http.StatusOK {
		t.Errorf("by its token: %d", got)
	}

	// The refresh token of the sign-in is used again and again, also eight times at once.
	for range 3 {
		d.orders("reset")
		if next := d.hasToken(d.orders("token")); next == first || told(next) != http.StatusOK {
			t.Error("it is not refreshed")
		}
	}
	_ = must[int](t)(io.WriteString(d.to, "many\n"))
	for range 8 {
		if token := d.hasToken(d.hears()); told(token) != http.StatusOK {
			t.Error("one of eight is not good")
		}
	}

	// The provider is started anew.
	s.kill(t)
	s.launch(t)
	d.orders("reset")
	d.hasToken(d.orders("token"))

	s.idp(t, "session", "end", "anna", "--all")
	if told(first) == http.StatusOK {
		t.Error("the session was ended, and its token is good")
	}
	signsIn(d.forgets("the session was ended by an administrator"))

	// Signed out here, and the person blocked.
	if at := anna.read(anna.send(http.MethodPost, s.issuer+"/account/signout", nil)); !strings.Contains(at.body, "You are signed out") {
		t.Errorf("signed out: %d at %s: %s", at.status, at.url, at.body)
	}
	signsIn(d.forgets("signed out"))
	s.idp(t, "user", "disable", "anna")
	if at := anna.get(d.forgets("the person is blocked")); !strings.HasPrefix(at.url.String(), s.issuer+"/login/") {
		t.Errorf("blocked: %d at %s: %s", at.status, at.url, at.body)
	}
}
