package e2e

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"hilum/cmd/phone/phone"
)

// emptyFolder runs idp serve as somebody does who has just unpacked it: in an
// empty folder, with nothing said but the port. It returns what it printed.
func emptyFolder(t *testing.T) (issuer, setup string) {
	t.Helper()
	return emptyFolderBeneath(t, "")
}

// emptyFolderBeneath is emptyFolder with an issuer that has a path, which is said, too.
func emptyFolderBeneath(t *testing.T, path string) (issuer, setup string) {
	t.Helper()
	port := freePort(t)
	s := &served{issuer: "http://127.0.0.1:" + port + path, client: &http.Client{Timeout: patience}}
	s.env = append(os.Environ(), "IDP_LISTEN=127.0.0.1:"+port, "IDP_DATA_DIR="+filepath.Join(t.TempDir(), "data"))
	if path != "" {
		s.env = append(s.env, "IDP_ISSUER="+s.issuer)
	}
	s.launch(t)
	for end := time.Now().Add(patience); setup == "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		setup = regexp.MustCompile(`http://\S+/setup/\S+`).FindString(s.out.String())
	}
	if setup == "" {
		t.Fatalf("no set-up link was printed:\n%s", s.out)
	}
	return s.issuer, setup
}

// From an empty folder to a finished test sign-in, by the link that was
// printed: administrator, phone, application, test. Anybody who is led through
// it takes under three minutes; what is measured here is that nothing else was
// needed.
func TestSetupToTestSignIn(t *testing.T) {
	t.Parallel()
	issuer, setup := emptyFolder(t)
	setsUp(t, issuer, setup)
}

// setsUp does so, at any issuer.
func setsUp(t *testing.T, issuer, setup string) {
	t.Helper()
	w := openWindow(t, true)
	const name, password = "chief", "quiet lamps hum at dawn"

	// Administrator: name, password, phone.
	w.open(setup)
	w.click("#continue")
	w.fill("#username", name)
	w.fill("#name", "Dr. Anna Maes")
	w.click("#continue")
	w.chooses(password)
	w.see("svg.qr")
	png := ask(w, chromedp.ScreenshotScale(chromedp.CSS("svg.qr"), 2))
	ph := scan(t, must[string](t)(phone.ReadPicture(bytes.NewReader(png))), "Pixel 8", false, nil)
	w.see("#scanned")
	ph.taps()
	w.see("#recovery-codes")
	w.do(chromedp.Click(chromedp.CSS("#saved")))
	w.click("#codes-form #continue")

	// The first steps: two are done.
	w.see("#trail")
	if n := w.count("#trail .done"); n != 2 || w.count(`[aria-current="step"]`) != 1 {
		t.Errorf("%d steps are done", n)
	}
	// Another place comes back here.
	w.open(issuer + "/admin")
	w.see("#trail")

	// First application.
	w.click("#go")
	w.click("#preset-grafana")
	w.fill("#client_name", "Radiology Viewer")
	w.fill("#base", "https://viewer.your-hospital.org")
	w.click("#add")
	w.see("#client-secret")
	if !strings.Contains(w.text("main"), issuer) {
		t.Error("what is to be pasted lacks the issuer")
	}
	w.click("#next")
	w.see("#trail")
	if n := w.count("#trail .done"); n != 3 {
		t.Errorf("%d steps are done", n)
	}

	// Test sign-in, anew: password, and the phone.
	w.click("#go")
	w.click("#again")
	w.see("#password-form")
	if !strings.Contains(w.text("main"), "Radiology Viewer (test)") {
		t.Errorf("the page says %q", w.text("main"))
	}
	w.fill("#username", name)
	w.fill("#password", password)
	w.click("#continue")
	w.see("#code-form")
	ch, doc := ph.asked()
	if doc.App != "Radiology Viewer (test)" {
		t.Errorf("the phone is told of %q", doc.App)
	}
	decision := phone.Decision{Approve: true}
	if w.count("#number") > 0 {
		decision.Number = w.text("#number")
	}
	ph.answers(ch, decision)
	w.see("#outcome")
	if got := w.text("#outcome"); !strings.Contains(got, "It works") {
		t.Fatalf("the result: %s\n%s", got, w.text("main"))
	}
	for sel, want := range map[string]string{
		`#id-token [data-claim="iss"]`: issuer, `#userinfo [data-claim="preferred_username"]`: name, `#userinfo [data-claim="name"]`: "Dr. Anna Maes", "#facts": "Login on a phone",
	} {
		if got := w.text(sel); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q", sel, got, want)
		}
	}
	if at := w.at(); !regexp.MustCompile(`/admin/try/[A-Z0-9]{26}$`).MatchString(at) {
		t.Errorf("the result is at %s", at)
	}

	// The finished page, and from now on the devices.
	w.click("#start")
	w.see("#finished")
	w.see("#next-steps")
	w.open(issuer + "/admin")
	w.see("#devices")
	w.open(issuer + "/admin/audit")
	if log := w.text("#events"); !strings.Contains(log, "test of Radiology Viewer") {
		t.Errorf("the log: %s", log)
	}
	w.quiet()
}

// The same without script, with a six-digit code.
func TestSetupToTestSignInWithoutScript(t *testing.T) {
	t.Parallel()
	issuer, setup := emptyFolder(t)
	w := openWindow(t, false)
	anna := &person{t: t, name: "anna", password: "slow rivers carry stones", web: newBrowser(t)}
	w.open(setup)
	w.click("#continue")
	w.fill("#username", anna.name)
	w.fill("#name", "Anna")
	w.click("#continue")
	w.enrols(anna)
	w.see("#trail")

	// Left, and back in at the same step.
	w.open(issuer + "/account/security")
	w.open(issuer + "/admin")
	w.see("#trail")
	w.click("#go")
	w.click("#preset-ohif")
	w.fill("#base", "https://ohif.your-hospital.org")
	w.click("#add")
	w.click("#next")
	w.see("#trail")
	w.click("#go")
	w.click("#again")
	w.fill("#username", anna.name)
	w.fill("#password", anna.password)
	w.click("#continue")
	w.typeCode(anna.code())
	w.see("#outcome")
	if got := w.text("main"); !strings.Contains(got, "It works") || !strings.Contains(got, "Six-digit code") {
		t.Fatalf("the result: %s", got)
	}
	w.click("#start")
	w.see("#finished")
	w.quiet()
}

// A no on the phone is told as one, and nothing is handed out.
func TestTestSignInDeniedOnThePhone(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	chief := d.administrator(t)
	ph := chief.links(d.Issuer, "Chief's Pixel", nil)
	chief.spent++ // of another window
	w := openWindow(t, true)
	w.administrates(d, chief)
	w.open(d.Issuer + "/admin/applications/" + url.PathEscape(d.ClientID) + "/try")
	w.again(chief)
	w.click("#again")
	w.fill("#username", chief.name)
	w.fill("#password", chief.password)
	w.click("#continue")
	w.see("#code-form")
	ch, _ := ph.asked()
	ph.answers(ch, phone.Decision{})
	w.see("#notice")
	w.click("#notice a")
	w.see("#outcome")
	if got := w.text("main"); !strings.Contains(got, "Denied on the phone") || !strings.Contains(got, "Chief's Pixel") {
		t.Errorf("the result: %s", got)
	}
	w.quiet()
}
