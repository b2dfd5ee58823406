package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"

	"hilum/idp/totp"
)

// terminal is a phone in the terminal, by its command.
type terminal struct {
	t    testing.TB
	file string
}

// run runs a command of the phone with what is typed, and returns what it
// printed and how it ended.
func (p *terminal) run(typed string, args ...string) (out string, code int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, phoneBinary, append([]string{"--file", p.file}, args...)...)
	cmd.Stdin = strings.NewReader(typed)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		p.t.Fatalf("phone %s: %v", strings.Join(args, " "), err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// says is run that has to end well, with every word of want in what it prints.
func (p *terminal) says(typed string, args []string, want ...string) string {
	p.t.Helper()
	out, code := p.run(typed, args...)
	if code != 0 {
		p.t.Fatalf("phone %s ends with %d:\n%s", strings.Join(args, " "), code, out)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			p.t.Errorf("phone %s does not say %q:\n%s", strings.Join(args, " "), w, out)
		}
	}
	return out
}

// fails is run that has to end with 1 and a reason.
func (p *terminal) fails(typed string, args []string, want string) {
	p.t.Helper()
	if out, code := p.run(typed, args...); code != 1 || !strings.Contains(out, want) {
		p.t.Errorf("phone %s ends with %d and does not say %q:\n%s", strings.Join(args, " "), code, want, out)
	}
}

// picture draws a link as a QR code into a file.
func picture(t testing.TB, link string) string {
	t.Helper()
	code := must[barcode.Barcode](t)(qr.Encode(link, qr.L, qr.Unicode))
	side := 8 * (code.Bounds().Dx() + 8)
	code = must[barcode.Barcode](t)(barcode.Scale(code, side, side))
	var b bytes.Buffer
	if err := png.Encode(&b, code); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "qr.png")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every command of the phone in the terminal, beside a running provider.
func TestTerminal(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	rp := d.public(t)
	rp.extra = url.Values{"prompt": {"login"}}
	bert := d.invite(t, "bert")
	p := &terminal{t, filepath.Join(t.TempDir(), "keys", "phone.json")}

	offer := func() *page {
		t.Helper()
		at := bert.get(d.Issuer + "/account/link")
		if at.url.Path != "/account/link" {
			at = bert.submit(at, "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
			bert.submit(at, "code-form", url.Values{"code": {bert.code()}})
		}
		return bert.read(bert.web.PostForm(d.Issuer+"/account/link", nil))
	}
	p.fails("", []string{"code"}, "no account is linked here")
	p.fails("", []string{"pair"}, "give a link or a picture")
	p.fails("", []string{"pair", "otpauth://hotp/x"}, "no code of an identity provider")
	p.fails("", []string{"pair", filepath.Join(t.TempDir(), "none.png")}, "no such file")

	// By a picture, Login typed; keys for nobody else to read.
	at := offer()
	png := picture(t, offerOn(t, at))
	p.says("l\n", []string{"pair", png, "--name", "Terminal of Bert"}, "bert at ", "Linked.")
	if info := must[os.FileInfo](t)(os.Stat(p.file)); info.Mode().Perm() != 0o600 {
		t.Errorf("the keys have mode %o", info.Mode().Perm())
	}
	p.fails("l\n", []string{"pair", png}, "was used, or is too old")
	p.says("", []string{"accounts"}, "bert at ", ", linked")
	var one struct {
		Code    string `json:"code"`
		Seconds int    `json:"seconds"`
	}
	if err := json.Unmarshal([]byte(p.says("", []string{"code", "--json"})), &one); err != nil || len(one.Code) != 6 || one.Seconds < 1 || one.Seconds > totp.Period {
		t.Errorf("code: %+v, %v", one, err)
	}
	p.fails("", []string{"approve"}, "nothing waits for an answer")

	// A sign-in: bert's browser is known, so one tap.
	enter := func() *page {
		t.Helper()
		return bert.submit(bert.get(rp.authorize()), "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
	}
	at = enter()
	p.says("", []string{"approve"}, "Sign-in request", "Sample viewer in the browser", "127.0.0.1", "approved")
	if code := rp.answer(bert.submit(bert.get(at.url.String()), "phone-form", nil)); code == "" {
		t.Error("approved, and not signed in")
	}

	// Watching: the request appears, and is answered by what is typed.
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	watch := exec.CommandContext(ctx, phoneBinary, "--file", p.file, "watch")
	keys := must[io.WriteCloser](t)(watch.StdinPipe())
	seen := &tail{}
	watch.Stdout, watch.Stderr = seen, seen
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	appears := func(what string) {
		t.Helper()
		for end := time.Now().Add(patience); !strings.Contains(seen.String(), what); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("phone watch does not say %q:\n%s", what, seen)
			}
		}
	}
	appears("Waiting for sign-ins of bert")
	at = enter()
	appears("Login (l), Deny (d), not me (n)")
	if _, err := keys.Write([]byte("what\nd\n")); err != nil {
		t.Fatal(err)
	}
	appears("l is Login, d is Deny")
	appears("denied.")
	if at = bert.get(at.url.String()); !strings.Contains(at.body, "Denied on Terminal of Bert") {
		t.Errorf("the page after Deny: %s", at.body)
	}

	// After a denial a number is asked for, and a wrong one closes the request.
	at = enter()
	number := textOf(find(at.doc, byID("number")))
	if len(number) != 2 {
		t.Fatalf("the number is %q", number)
	}
	appears("type the 2 digits in the browser")
	if _, err := keys.Write([]byte("l\n")); err != nil { // without the number it is asked for, and nothing is sent
		t.Fatal(err)
	}
	appears("\n  type the 2 digits in the browser\n")
	wrong := "10"
	if number == wrong {
		wrong = "11"
	}
	p.fails("", []string{"approve", "--number", wrong}, "that was not the number")
	appears("(wrong)")
	cancel()
	_ = watch.Wait() // ended by us

	// It was not me: the second factor is denied, and the browser silenced.
	p.fails("", []string{"deny", "--not-me"}, "nothing waits for an answer")
	other := *bert
	other.web = newBrowser(t)
	at = other.submit(other.get(rp.authorize()), "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
	if find(at.doc, byID("number")) == nil {
		t.Fatalf("no phone is asked:\n%s", at.body)
	}
	p.says("", []string{"deny", "--not-me"}, "denied")
	if at = other.get(at.url.String()); !strings.Contains(at.body, "Nothing was signed in") {
		t.Errorf("the page after «not me»: %s", at.body)
	}

	p.says("", []string{"rename", "Pocket"})
	if at = bert.get(d.Issuer + "/account/devices"); !strings.Contains(at.body, "Pocket") {
		t.Errorf("My devices after a rename: %s", at.body)
	}

	// A second account, by the typed code; denied, it leaves nothing.
	at = offer()
	short := textOf(find(at.doc, byID("short")))
	host := strings.TrimPrefix(d.Issuer, "http://")
	p.fails("d\n", []string{"pair", "--site", host, "--user", "bert", "--code", "00000000"}, "was used, or is too old")
	p.says("d\n", []string{"pair", "--site", host, "--user", "bert", "--code", short, "--name", "Second"}, "Link this phone?")
	if out := p.says("", []string{"accounts"}); strings.Count(out, "\n") != 1 {
		t.Errorf("a denied link is kept:\n%s", out)
	}

	p.says("", []string{"unpair"})
	p.fails("", []string{"code"}, "no account is linked here")
	if at = bert.get(d.Issuer + "/account/devices"); strings.Contains(at.body, "Pocket") {
		t.Errorf("My devices after Unpair: %s", at.body)
	}

	// Keys that others can read are refused.
	if err := os.Chmod(p.file, 0o644); err != nil {
		t.Fatal(err)
	}
	p.fails("", []string{"accounts"}, "chmod 600")
}

// The demo as a person meets it: the request appears in the terminal, and is
// answered there by keys.
func TestDemoTerminal(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, idpBinary, "demo", "--data", t.TempDir())
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	keys := must[io.WriteCloser](t)(cmd.StdinPipe())
	seen := &tail{}
	cmd.Stdout, cmd.Stderr = seen, seen
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	appears := func(what string) []string {
		t.Helper()
		pattern := regexp.MustCompile(what)
		for end := time.Now().Add(2 * patience); ; time.Sleep(20 * time.Millisecond) {
			if m := pattern.FindStringSubmatch(seen.String()); m != nil {
				return m
			}
			if time.Now().After(end) {
				t.Fatalf("idp demo does not say %q:\n%s", what, seen)
			}
		}
	}
	presses := func(text string) {
		t.Helper()
		if _, err := io.WriteString(keys, text); err != nil {
			t.Fatal(err)
		}
	}
	appears("Ctrl-C ends everything")
	issuer := appears(`provider  (\S+)`)[1]
	anna := newPerson(t, appears(`user name (\S+)`)[1], appears(`password  (\S+)`)[1], "")

	enter := func() *page {
		t.Helper()
		return anna.submit(anna.get(issuer+"/account"), "password-form", url.Values{"username": {anna.name}, "password": {anna.password}})
	}
	at := enter()
	number := textOf(find(at.doc, byID("number")))
	appears("anna signs in to Hilum from 127.0.0.1")
	appears("type the 2 digits of the browser and Enter")
	// Login is no number: it is not sent as one, and the right one still counts.
	presses("l\r")
	appears(`(?s)(type the 2 digits of the browser and Enter.*){2}`)
	presses(number + "\r")
	appears(`phone     approved`)
	at = anna.submit(anna.get(at.url.String()), "phone-form", nil)
	if who := textOf(find(at.doc, byID("signed-in-as"))); who == "" || at.url.Path != "/account/security" {
		t.Errorf("signed in as %q at %s", who, at.url)
	}

	// Known by now: one key, and it is no.
	anna.read(anna.web.PostForm(issuer+"/account/signout", nil))
	at = enter()
	appears(`Login \(l\), Deny \(d\), not me \(n\)\?`)
	presses("d")
	appears(`phone     denied`)
	if at = anna.get(at.url.String()); !strings.Contains(at.body, "Denied on This terminal") {
		t.Errorf("the page says %s", at.body)
	}
	presses("c")
	appears(`(?s)phone     denied.*code      \d{3} \d{3}, for \d+ s more, of anna`)

	// The administration: all that the terminal says about it opens it.
	facts := appears(`admin     (\S+)\s+user name (\S+)\s+password  (\S+)`)
	presses("a")
	code := appears(`code      (\d{3}) (\d{3}), for \d+ s more, of admin`)
	head := newPerson(t, facts[2], facts[3], "")
	at = head.submit(head.get(facts[1]), "password-form", url.Values{"username": {head.name}, "password": {head.password}})
	at = head.submit(at, "code-form", url.Values{"code": {code[1] + code[2]}})
	if at.status != http.StatusOK || at.url.Path != "/admin" && !strings.HasPrefix(at.url.Path, "/admin/") {
		t.Errorf("the administrator comes to %s with %d: %s", at.url, at.status, at.body)
	}
	cancel()
	if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("the demo ended with %v:\n%s", err, seen)
	}
	if said := seen.String(); strings.Contains(said, "DATA RACE") {
		t.Error(said)
	}
}
