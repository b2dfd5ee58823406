package e2e

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"

	"hilum/cmd/phone/phone"
)

// Somebody signs in in two browsers. In the first they say of the second's sign-in that it
// was not them: the second is signed out, and the first is led to what is left to do. With
// script and without.
func TestThisWasNotMe(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for name, scripts := range map[string]bool{"script": true, "plain": false} {
		t.Run(name, func(t *testing.T) {
			bert := d.invite(t, name)
			enter := func(w *window) {
				w.signsIn(bert, d.Issuer+"/account/activity")
				w.see("#activity")
			}
			here, there := openWindow(t, scripts), openWindow(t, scripts)
			enter(here)
			enter(there)
			there.open(d.Issuer + "/account/sessions")
			there.see("#remembered")

			here.open(d.Issuer + "/account/activity")
			first := "#activity li:first-child"
			if text := here.text(first); !strings.Contains(text, "Signed in to your account") || strings.Contains(text, "This browser") {
				t.Errorf("the newest is %q", text)
			}
			here.click(first + " a.button")
			here.see("#notme-form")
			if text := here.text("#facts"); !strings.Contains(text, "The browser of that sign-in is signed out") {
				t.Errorf("it would do this: %q", text)
			}
			here.click("#cut")
			here.see("#next")
			if text := here.text("#note"); !strings.Contains(text, "That browser is signed out") {
				t.Errorf("it did this: %q", text)
			}

			there.open(d.Issuer + "/account/sessions") // asks who it is
			there.see("#password-form")
			here.open(d.Issuer + "/account/sessions")
			here.see("#this-session")
			// And the one that the account was enrolled in: it alone has ended.
			if n := ask(here, chromedp.Evaluate[int](`document.querySelectorAll("#sessions > li").length`)); n != 2 {
				t.Errorf("%d sessions are open, want 2", n)
			}
			if n := ask(here, chromedp.Evaluate[int](`document.querySelectorAll("#remembered > li").length`)); n != 1 {
				t.Errorf("%d browsers are remembered", n)
			}
			here.open(d.Issuer + "/account/activity")
			if text := here.text("#activity"); !strings.Contains(text, "You said that it was not you") {
				t.Errorf("activity: %q", text)
			}
			here.quiet()
			there.quiet()
		})
	}
}

// Whoever says that it was not them, on a page or on a phone, gets a letter that says what was
// ended and leads to a new password; who has no address gets none.
func TestWhatWasEndedIsToldByMail(t *testing.T) {
	t.Parallel()
	s := withMail(t)
	bert, carl := s.invite(t, "bert", "--email", "bert@klinik.test", "--display", "Bert Maes"), s.invite(t, "carl", "--display", "Carl")
	disown := func(p *person) {
		t.Helper()
		p.signIn(s.issuer + "/account")
		here := p.web
		p.elsewhere()
		p.signIn(s.issuer + "/account")
		p.web = here
		at := p.get(s.issuer + "/account/activity")
		path := regexp.MustCompile(`/account/activity/\d+/notme`).FindString(at.body) // of the newest
		at = p.submit(p.get(s.issuer+path), "notme-form", nil)
		if !strings.Contains(at.body, "That browser is signed out") {
			t.Fatalf("it was not cut off: %s", at.body)
		}
	}
	told := func(subject string, wants ...string) {
		t.Helper()
		l := s.letter(t, subject)
		if l.To != "bert@klinik.test" {
			t.Errorf("a letter to %s", l.To)
		}
		for _, want := range append(wants, s.issuer+"/account/password\n", "Bert Maes", "tell the helpdesk") {
			if !strings.Contains(strings.ReplaceAll(l.Text, "\r\n", "\n"), want) {
				t.Errorf("%s does not say %q:\n%s", subject, want, l.Text)
			}
		}
	}
	disown(carl)
	disown(bert)
	told("This was not you", "a sign-in was not yours", "the session of that sign-in")

	ph := bert.links(s.issuer, "Pixel 8", nil)
	bert.elsewhere()
	at := bert.submit(bert.get(s.issuer+"/account"), "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
	ch, doc := ph.asked()
	number := ""
	if doc.Match.Mode != "tap" {
		number = textOf(find(at.doc, func(n *html.Node) bool { return attr(n, "id") == "number" }))
	}
	ph.answers(ch, phone.Decision{Approve: true, Number: number})
	if at = bert.submit(bert.get(at.url.String()), "phone-form", nil); at.url.Path != "/account" && !strings.HasPrefix(at.url.Path, "/account/") {
		t.Fatalf("the approval leads to %s", at.url)
	}
	ph.answers(ch, phone.Decision{Reason: "not_me"})
	told("Somebody seems to know your password", "Its session was ended")
	for _, l := range s.Wait(t, s.read) {
		if l.To != "bert@klinik.test" {
			t.Errorf("a letter to %s: %s", l.To, l.Subject)
		}
	}
}

// The file of recovery codes is made in both kinds of browser, has what the page shows, and
// leaves the page as it is.
func TestRecoveryCodesAreDownloaded(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for name, scripts := range map[string]bool{"script": true, "plain": false} {
		t.Run(name, func(t *testing.T) {
			bert := d.invite(t, name)
			w := openWindow(t, scripts)
			folder := t.TempDir()
			_, err := chromedp.Call(w.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder})
			w.check(err)
			w.signsIn(bert, d.Issuer+"/account/recovery")
			w.see("#sign-out")
			w.click("main form button.main")
			w.see("#recovery-codes")
			shown := ask(w, chromedp.Evaluate[string](`[...document.querySelectorAll("#recovery-codes code")].map(c => c.textContent).join(" ")`))
			w.do(chromedp.Click(chromedp.CSS("#download")))
			var text string
			for end := time.Now().Add(patience); text == "" && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				b, err := os.ReadFile(filepath.Join(folder, "recovery-codes.txt"))
				if err == nil {
					text = string(b)
				}
			}
			if got := strings.Join(regexp.MustCompile(`[A-Z2-7]{4}(-[A-Z2-7]{4}){3}`).FindAllString(text, -1), " "); got != shown || shown == "" {
				t.Errorf("the file has %q, the page %q", got, shown)
			}
			w.see("#recovery-codes")
			w.quiet()
		})
	}
}
