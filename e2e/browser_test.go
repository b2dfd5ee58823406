package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const chromium = "/usr/bin/chromium"

// window is a Chromium of its own, with an empty profile.
type window struct {
	t       testing.TB
	ctx     context.Context
	scripts bool

	mu         sync.Mutex
	complaints []string // of the content policy, and exceptions of scripts
}

func openWindow(t testing.TB, scripts bool, more ...chromedp.ExecAllocatorOption) *window {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		t.Fatal("these tests need Chromium: apt-get install chromium")
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WindowSize(1280, 900),
	)
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(flags, more...)...)
	t.Cleanup(stop)
	ctx, stop := chromedp.NewContext(alloc)
	t.Cleanup(stop)
	w := &window{t: t, ctx: ctx, scripts: scripts}
	if err := errors.Join(chromedp.Do(ctx), chromedp.Listen(ctx, w.hear)); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts}); err != nil {
		t.Fatal(err)
	}
	return w
}

// hear keeps what the browser complains of.
func (w *window) hear(ev any) {
	var text string
	switch ev := ev.(type) {
	case *log.EventEntryAdded:
		// A page that says 422 or 404 is logged as a failed load; that is its point.
		if ev.Entry.Level == log.EntryLevelError && !strings.Contains(ev.Entry.Text, "Failed to load resource") {
			text = ev.Entry.Text
		}
	case *runtime.EventExceptionThrown:
		text = fmt.Sprint(ev.ExceptionDetails.Text, ev.ExceptionDetails.URL)
	}
	if text != "" {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.complaints = append(w.complaints, text)
	}
}

// patience is how long a page may take, on a machine that does much else.
const patience = 60 * time.Second

// ask runs an action for its value, and fails the test with what the window
// shows when it does not go.
func ask[T any](w *window, action chromedp.Action[T]) T {
	w.t.Helper()
	ctx, stop := context.WithTimeout(w.ctx, patience)
	defer stop()
	v, err := chromedp.Run(ctx, action)
	w.check(err)
	return v
}

func (w *window) check(err error) {
	w.t.Helper()
	if err == nil {
		return
	}
	ctx, stop := context.WithTimeout(w.ctx, patience)
	defer stop()
	at, _ := chromedp.Run(ctx, chromedp.Location())                   // for the message only
	text, _ := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body"))) // likewise
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t.Fatalf("%v, at %s, which shows:\n%s\nthe browser complained: %q", err, at, text, w.complaints)
}

func (w *window) do(actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ask(w, chromedp.Steps(actions...))
}

// turn does what leads to another page, and waits for that page.
func (w *window) turn(action chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, stop := context.WithTimeout(w.ctx, patience)
	defer stop()
	_, err := chromedp.RunResponse(ctx, action)
	w.check(err)
}

// quiet fails the test when the window complained of anything.
func (w *window) quiet() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.complaints) > 0 {
		w.t.Errorf("the browser complained:\n%s", strings.Join(w.complaints, "\n"))
	}
}

func (w *window) open(u string)    { w.t.Helper(); w.do(chromedp.Navigate(u)) }
func (w *window) see(sel string)   { w.t.Helper(); w.do(chromedp.WaitVisible(chromedp.CSS(sel))) }
func (w *window) click(sel string) { w.t.Helper(); w.turn(chromedp.Click(chromedp.CSS(sel))) }
func (w *window) at() string       { w.t.Helper(); return ask(w, chromedp.Location()) }

func (w *window) text(sel string) string {
	w.t.Helper()
	return strings.TrimSpace(ask(w, chromedp.Text(chromedp.CSS(sel))))
}

func (w *window) value(sel string) string {
	w.t.Helper()
	return ask(w, chromedp.Value(chromedp.CSS(sel)))
}

// fill types a text into a field in place of what it holds.
func (w *window) fill(sel, text string) {
	w.t.Helper()
	w.see(sel)
	ask(w, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%q).value = ""`, sel)))
	w.do(chromedp.SendKeys(chromedp.CSS(sel), text))
}

// typeCode types six digits. With script the sixth sends the form.
func (w *window) typeCode(code string) {
	w.t.Helper()
	w.fill("#code", code[:5])
	if w.scripts {
		w.turn(chromedp.SendKeys(chromedp.CSS("#code"), code[5:]))
		return
	}
	w.do(chromedp.SendKeys(chromedp.CSS("#code"), code[5:]))
	w.click("#continue")
}

// holds waits for a condition of the page, in JavaScript.
func (w *window) holds(what string) {
	w.t.Helper()
	w.holdsMeanwhile(what, func() {})
}

func (w *window) holdsMeanwhile(what string, meanwhile func()) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ctx, stop := context.WithTimeout(w.ctx, patience)
		held, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("(async () => Boolean("+what+"))()", chromedp.EvalAwaitPromise))
		stop()
		if held {
			return
		}
		// A page that opens itself anew while it is asked is asked again.
		if gone := new(cdproto.Error); !errors.As(err, &gone) || gone.Code != -32000 || time.Now().After(end) {
			w.check(err)
		}
		if time.Now().After(end) {
			w.check(fmt.Errorf("it does not hold that %s", what))
		}
		meanwhile()
	}
}

// signsIn opens a page of the account and gives what it asks for: password and code.
func (w *window) signsIn(who *person, page string) {
	w.t.Helper()
	w.open(page)
	w.see("#password-form")
	w.gives(who)
}

// gives fills in what a sign-in asks for.
func (w *window) gives(who *person) {
	w.t.Helper()
	w.fill("#username", who.name)
	w.fill("#password", who.password)
	w.click("#continue")
	w.see("#code-form")
	w.typeCode(who.code())
}

func TestBrowserSignIn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T) { browserSignIn(t, true) })
}

func TestBrowserSignInWithoutScript(t *testing.T) {
	t.Parallel()
	browserSignIn(t, false)
}

func browserSignIn(t *testing.T, scripts bool) {
	d := startDemo(t)
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	w := openWindow(t, scripts)

	// The viewer sends the browser to the provider.
	w.open(d.Viewer + "/")
	w.click("#sign-in")
	w.see("#password-form")
	if !strings.HasPrefix(w.at(), d.Issuer+"/login/") {
		t.Fatalf("the viewer led to %s", w.at())
	}

	w.fill("#username", d.Username)
	w.fill("#password", "surely not this one")
	w.click("#continue")
	w.see("#problem")
	if kept := w.value("#username"); kept != d.Username {
		t.Errorf("the user name was lost: %q", kept)
	}

	w.fill("#password", d.Password)
	w.click("#continue")
	w.see("#code-form")

	w.typeCode("000000")
	w.see("#problem")
	wrong := w.text("#problem")

	w.typeCode(anna.usedCode(d.confidential(t)))
	w.see("#problem")
	if used := w.text("#problem"); used == wrong || !strings.Contains(used, "used already") {
		t.Errorf("a used code says %q, a wrong one %q", used, wrong)
	}

	w.typeCode(anna.code())
	w.see("#claims")
	if at := w.at(); at != d.Viewer+"/" {
		t.Fatalf("after the code: %s", at)
	}
	for sel, want := range map[string]string{
		"#name": "Anna Bergmann", "#user": d.Username, "#amr": "pwd, otp, mfa", "#acr": "https://refeds.org/profile/mfa",
		`[data-claim="iss"]`: d.Issuer,
	} {
		if got := w.text(sel); got != want {
			t.Errorf("the viewer shows %s as %q, want %q", sel, got, want)
		}
	}
	first := w.authTime()
	if age := time.Since(first); age < -2*time.Second || age > time.Minute {
		t.Errorf("auth_time is %s old", age)
	}
	sid := w.text(`[data-claim="sid"]`)

	w.click("#refresh")
	w.see("#note")
	if got := w.authTime(); !got.Equal(first) {
		t.Errorf("a refresh moved auth_time from %s to %s", first, got)
	}
	w.click("#api")
	if body := w.text("body"); !strings.Contains(body, "SAMPLE^ALPHA") {
		t.Errorf("the protected API says %q", body)
	}

	// A second application needs no page.
	second := d.public(t)
	w.open(second.authorize())
	if at := must[*url.URL](t)(url.Parse(w.at())); !strings.HasPrefix(w.at(), d.PublicRedirectURI+"?") || at.Query().Get("code") == "" {
		t.Fatalf("the second application was answered with %s", w.at())
	} else if tk := must[*tokens](t)(second.exchange(at.Query().Get("code"))); tk.Status != http.StatusOK || claim(t, tk.ID, "sid") != sid {
		t.Fatalf("the second application got %+v", tk)
	}

	// prompt=login asks again, and moves auth_time.
	w.open(d.Viewer + "/")
	w.click("#again")
	w.see("#password-form")
	w.fill("#username", d.Username)
	w.fill("#password", d.Password)
	w.click("#continue")
	w.typeCode(anna.code())
	w.see("#claims")
	if again := w.authTime(); !again.After(first) {
		t.Errorf("prompt=login left auth_time at %s", again)
	}
	if got := w.text(`[data-claim="sid"]`); got != sid {
		t.Errorf("the same person in the same browser got another sid: %s, was %s", got, sid)
	}

	// Signing out ends it everywhere.
	w.click("#sign-out")
	w.see("#sign-in")
	if at := w.at(); !regexp.MustCompile(`^` + regexp.QuoteMeta(d.Viewer) + `/\?state=[A-Z2-7]{26}$`).MatchString(at) {
		t.Errorf("signing out led to %s", at)
	}
	if text := w.text("#note"); text != "You are signed out." {
		t.Errorf("after signing out the viewer says %q", text)
	}
	w.open(d.Issuer + "/account")
	w.see("#password-form")
	w.open(second.authorize())
	w.see("#password-form")
	w.quiet()
}

func (w *window) authTime() time.Time {
	w.t.Helper()
	n, err := strconv.ParseInt(w.text(`[data-claim="auth_time"]`), 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return time.Unix(n, 0)
}
