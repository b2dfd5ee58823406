package e2e

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"golang.org/x/net/html"
)

// count is how many elements a selector finds.
func (w *window) count(sel string) int {
	w.t.Helper()
	return ask(w, chromedp.Evaluate[int](fmt.Sprintf(`document.querySelectorAll(%q).length`, sel)))
}

// numberIn is the first number of a text.
func numberIn(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.ReplaceAll(regexp.MustCompile(`\d[\d,]*`).FindString(text), ",", ""))
	if err != nil {
		t.Fatalf("no number in %q", text)
	}
	return n
}

// until waits for a condition of the page, written in script, as holds does; what it is stands
// in the message of a failure.
func (w *window) until(what, condition string) {
	w.t.Helper()
	w.holds("/* " + what + " */ (" + condition + ")")
}

// relinks follows a one-time link to a first device where a password was chosen
// before: it is asked for, and stays.
func (p *person) relinks(link string) {
	p.t.Helper()
	p.elsewhere()
	at := p.read(p.web.PostForm(link, nil))
	at = p.submit(at, "password-form", url.Values{"username": {p.name}, "password": {p.password}})
	secret := find(at.doc, func(n *html.Node) bool { return attr(n, "id") == "secret" })
	if secret == nil {
		p.t.Fatalf("no secret on %s (status %d):\n%s", at.url, at.status, at.body)
	}
	p.seed = must[[]byte](p.t)(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.Join(strings.Fields(textOf(secret)), "")))
	p.spent = 0
	at = p.submit(at, "enrol-form", url.Values{"code": {p.code()}, "device_name": {"New phone"}})
	p.submit(at, "codes-form", url.Values{"saved": {"on"}})
	p.elsewhere()
}

// The helpdesk's day: somebody calls who has lost the phone. It is found as one
// types, removed, and enrolment opened again; the person links a new one by the
// link and is back.
func TestHelpdeskReplacesALostPhone(t *testing.T) {
	t.Parallel()
	onBoth(t, helpdeskReplacesALostPhone)
}

func helpdeskReplacesALostPhone(t *testing.T) {
	d := startDemo(t)
	helga := d.invite(t, "helga", "--staff", "helpdesk")
	bert := d.invite(t, "bert", "--display", "Bert Klein")
	rp := d.confidential(t)
	rp.answer(bert.signIn(rp.authorize()))

	w := openWindow(t, true)
	w.administrates(d, helga)
	all := w.count("#devices tbody tr")
	w.do(chromedp.SendKeys(chromedp.CSS("#q"), "bert kl"))
	w.until("one row", `document.querySelectorAll("#devices tbody tr").length === 1`)
	if at := w.at(); !strings.Contains(at, "q=bert+kl") {
		t.Errorf("what was typed is not in the address: %s", at)
	}
	if all < 3 {
		t.Errorf("%d devices before", all)
	}
	w.do(chromedp.Click(chromedp.CSS("#devices tbody tr td:nth-child(4)")), chromedp.WaitVisible(chromedp.CSS("#drawer[open] #unlink")))
	w.click("#drawer #unlink")
	w.fill("#reason", "Lost on the ward")
	w.click("#yes")
	w.see("#note")

	// The phone is good for nothing now.
	bert.elsewhere()
	at := bert.get(rp.authorize())
	at = bert.submit(at, "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
	if !strings.Contains(at.body, "No device is linked") {
		t.Errorf("after unlinking: %s", at.body)
	}

	w.open(d.Issuer + "/admin/users?q=bert")
	w.click("tbody tr a")
	w.click("#invite")
	w.click("#yes")
	w.see("#link")
	link := w.text("#link")
	bert.relinks(link)
	rp.answer(bert.signIn(rp.authorize()))

	// Reopened, with the phone still there: it goes, and a link comes.
	w.open(d.Issuer + "/admin/devices?q=bert")
	w.open(ask(w, chromedp.Evaluate[string](`document.querySelector("tbody tr a").href`)))
	w.click("#reopen")
	w.fill("#reason", "Stolen, says the person")
	w.click("#yes")
	w.see("#unlinked")
	again := w.text("#link")
	if again == link {
		t.Error("the same link again")
	}
	w.open(w.at())
	if strings.Contains(w.text("body"), again) {
		t.Error("the link is shown a second time")
	}
	bert.relinks(again)
	rp.answer(bert.signIn(rp.authorize()))

	// The helpdesk neither blocks nor acts upon administrators, nor reads the log.
	w.open(d.Issuer + "/admin/devices?q=admin")
	w.open(ask(w, chromedp.Evaluate[string](`document.querySelector("tbody tr a").href`)))
	if n := w.count("#unlink, #reopen, #block"); n != 0 {
		t.Errorf("%d acts upon the administrator", n)
	}
	w.open(d.Issuer + "/admin/audit")
	w.see("#notice")
	w.quiet()

	// Whoever has no role finds nothing; the log has the reasons.
	bert.get(d.Issuer + "/account")
	if at := bert.get(d.Issuer + "/admin/devices"); at.status != http.StatusNotFound {
		t.Errorf("somebody without a role is answered %d", at.status)
	}
	log := d.idp(t, "audit", "export", "--kind", "device.unlinked", "--format", "json")
	for _, reason := range []string{"Lost on the ward", "Stolen, says the person"} {
		if !strings.Contains(log, reason) || !strings.Contains(log, `"actor":"helga"`) {
			t.Errorf("the log lacks %q:\n%s", reason, log)
		}
	}
}

func TestAdministrationInBulk(t *testing.T) {
	t.Parallel()
	onBoth(t, administrationInBulk)
}

func administrationInBulk(t *testing.T) {
	d := startDemo(t)
	d.crowdOf(t, 60)
	chief := d.administrator(t)
	w := openWindow(t, true)
	w.administrates(d, chief)

	// Where everything is kept, says the page of how the provider fares.
	engine := "SQLite"
	if d.home.URL != "" {
		engine = "PostgreSQL"
	}
	w.open(d.Issuer + "/admin/health")
	if text := w.text("#engine"); !strings.HasPrefix(text, engine+" ") {
		t.Errorf("the database is %q", text)
	}
	w.open(d.Issuer + "/admin/devices")

	// Narrowed by a chip, all of them ticked, all unlinked.
	w.do(chromedp.SendKeys(chromedp.CSS("#q"), "kowalski"))
	w.until("only these", `[...document.querySelectorAll(".first")].every(e => e.textContent.includes("Kowalski"))`)
	before := w.count("#devices tbody tr")
	w.do(chromedp.Click(chromedp.CSS(`a.chip[href*="f=app"]`)))
	w.until("a chip that is on", `document.querySelector(".chip[aria-current]") !== null`)
	apps := w.count("#devices tbody tr")
	if apps == 0 || apps >= before {
		t.Fatalf("%d of %d are apps", apps, before)
	}
	w.do(chromedp.Click(chromedp.CSS("#pick-all")))
	w.until("how many", fmt.Sprintf(`document.querySelector("#unlink-picked").textContent.includes("(%d)")`, apps))
	w.click("#unlink-picked")
	if n := w.count("#lines li"); n != apps {
		t.Errorf("%d of %d devices are named", n, apps)
	}
	w.fill("#reason", "Handed back")
	w.click("#yes")
	w.see("#note")
	w.open(d.Issuer + "/admin/devices?q=kowalski&f=app")
	w.see("#empty")
	w.open(d.Issuer + "/admin/devices?q=kowalski")
	if n := w.count("#devices tbody tr"); n != before-apps {
		t.Errorf("%d are left of %d", n, before)
	}

	// Sorting and paging go on where they are, and back.
	w.open(d.Issuer + "/admin/devices")
	w.do(chromedp.Click(chromedp.CSS("#by-linked")))
	w.until("sorted", `document.querySelector("[aria-sort=descending] #by-linked") !== null`)
	firstDevice := func() string { // without when it was used, which goes on meanwhile
		return ask(w, chromedp.Evaluate[string](`document.querySelector("#devices tbody tr a").href`))
	}
	first := firstDevice()
	w.do(chromedp.Click(chromedp.CSS("#next")))
	w.until("the next page", `document.querySelector("#prev") !== null`)
	w.do(chromedp.Click(chromedp.CSS("#prev")))
	w.until("the first page", `document.querySelector("#prev") === null`)
	if again := firstDevice(); again != first {
		t.Errorf("back at %q, was %q", again, first)
	}
	csv := ask(w, chromedp.Evaluate[string](`fetch(document.querySelector("#csv").href).then(r => r.text())`, chromedp.EvalAwaitPromise))
	if n := strings.Count(csv, "\r\n"); n < 60 || !strings.HasPrefix(csv, "username,") {
		t.Errorf("the file has %d lines: %.80s", n, csv)
	}

	// A file with faulty lines: each is named, nobody is added.
	file := filepath.Join(t.TempDir(), "people.csv")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("username,name,email\nnora,Nora,nora@klinik.example\nbad name,X,\nanna,Anna,\npaul,Paul,not-mail\n")
	w.open(d.Issuer + "/admin/users/import")
	w.again(chief)
	w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}))
	w.click("#try")
	w.see("#faults")
	faults := w.text("#faults")
	for _, line := range []string{"Line 3", "Line 4", "Line 5"} {
		if !strings.Contains(faults, line) {
			t.Errorf("%s is not named in:\n%s", line, faults)
		}
	}
	if w.count("#import-now") != 0 {
		t.Error("a faulty file can be imported")
	}
	if out := d.idp(t, "user", "list", "nora"); strings.Contains(out, "nora") {
		t.Errorf("half of a faulty file was added:\n%s", out)
	}
	write("username,name,email\nnora,Nora,nora@klinik.example\npaul,Paul,paul@klinik.example\n")
	w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}))
	w.click("#try")
	w.see("#good")
	if out := d.idp(t, "user", "list", "nora"); strings.Contains(out, "nora") {
		t.Errorf("a try added somebody:\n%s", out)
	}
	var many strings.Builder
	many.WriteString("username,name,email\nnora,Nora,nora@klinik.example\npaul,Paul,paul@klinik.example\n")
	for i := range 3000 { // far more than other forms may send
		fmt.Fprintf(&many, "guest.%04d,Guest number %d,guest.%04d@klinik.example\n", i, i, i)
	}
	write(many.String())
	w.open(d.Issuer + "/admin/users/import")
	w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}))
	w.click("#try")
	w.see("#good")
	if good := w.text("#good"); !strings.HasPrefix(good, "3,002 people") {
		t.Errorf("a large file: %q", good)
	}
	w.click("#another")
	w.fill("#text", "username,name,email\nnora,Nora,nora@klinik.example\npaul,Paul,paul@klinik.example\n")
	w.click("#try")
	w.see("#good")
	w.click("#import-now")
	w.again(chief)
	w.see("#done")
	w.click("#show")
	if n := w.count("#users tbody tr"); n != 2 {
		t.Errorf("%d people are invited", n)
	}

	// A search that finds more than a page: all of it, by the filter that the
	// question carries. What is gone meanwhile makes it another question.
	listed := func() (devices []string, people int) {
		owners := map[string]bool{}
		for line := range strings.Lines(d.idp(t, "device", "list", "person.0", "--facet", "app", "--json")) {
			var one struct{ ID, User string }
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				t.Fatal(err)
			}
			devices, owners[one.User] = append(devices, one.ID), true
		}
		return devices, len(owners)
	}
	w.open(d.Issuer + "/admin/devices?q=person.0&sort=used")
	all := numberIn(t, w.text("#all-found"))
	w.do(chromedp.Click(chromedp.CSS(`a.chip[href*="f=app"]`)))
	w.until("a chip that is on", `document.querySelector(".chip[aria-current]") !== null`)
	devices, people := listed()
	if n := numberIn(t, w.text("#all-found")); n != len(devices) || n <= 50 || n >= all {
		t.Fatalf("%d of %d are offered, %d were found", n, all, len(devices))
	}
	w.click("#all-found")
	w.again(chief)
	if title := w.text("h1"); title != fmt.Sprintf("Unlink %d devices?", len(devices)) || numberIn(t, w.text("#whose")) != people {
		t.Errorf("%q, %q, want %d of %d people", title, w.text("#whose"), len(devices), people)
	}
	if n, more := w.count("#lines li"), numberIn(t, w.text("#more")); n != 20 || more != len(devices)-n {
		t.Errorf("%d named and %d more, of %d", n, more, len(devices))
	}
	d.idp(t, "device", "unlink", devices[0], "--reason", "Lost")
	w.fill("#reason", "The ward is closed")
	w.click("#yes")
	w.again(chief)
	w.see("#changed")
	left := len(devices) - 1
	if now, _ := listed(); len(now) != left {
		t.Fatalf("%d are left of %d", len(now), len(devices))
	}
	if title, typed := w.text("h1"), ask(w, chromedp.Evaluate[string](`document.querySelector("#reason").value`)); title != fmt.Sprintf("Unlink %d devices?", left) || typed != "The ward is closed" {
		t.Errorf("looked at again: %q, reason %q", title, typed)
	}
	w.click("#yes")
	w.see("#note")
	if note := w.text("#note"); numberIn(t, note) != left {
		t.Errorf("%d of %d: %q", numberIn(t, note), left, note)
	}
	if now, _ := listed(); len(now) != 0 {
		t.Errorf("%d are left", len(now))
	}
	if n := strings.Count(d.idp(t, "audit", "export", "--kind", "device.unlinked", "--format", "json"), "The ward is closed"); n != left {
		t.Errorf("%d events for %d devices", n, left)
	}

	// The log goes on by itself while it is followed.
	w.open(d.Issuer + "/admin/audit")
	w.do(chromedp.Click(chromedp.CSS("#follow")))
	d.idp(t, "user", "add", "latecomer")
	w.until("the newest entry", `document.querySelector("#events tbody tr").textContent.includes("latecomer")`)
	w.quiet()
}

// onto presses Tab until the focus is on what a selector finds.
func (w *window) onto(sel string) {
	w.t.Helper()
	for range 80 {
		if ask(w, chromedp.Evaluate[bool](fmt.Sprintf(`!!document.activeElement?.matches(%q)`, sel))) {
			return
		}
		w.do(chromedp.KeyEvent(kb.Tab))
	}
	w.check(fmt.Errorf("Tab does not come to %s", sel))
}

// Search, row, unlink, by keys alone.
func TestAdministrationByKeyboard(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	d.invite(t, "bert")
	w := openWindow(t, true)
	w.administrates(d, d.administrator(t))
	w.onto("#q")
	w.do(chromedp.KeyEvent("bert"))
	w.until("one row", `document.querySelectorAll("#devices tbody tr").length === 1`)
	w.onto("[data-drawer]")
	w.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS("#drawer[open] #unlink")))
	w.do(chromedp.KeyEvent(kb.Escape))
	w.until("the drawer is closed", `!document.querySelector("#drawer").open`)
	w.onto("[data-drawer]")
	w.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS("#drawer[open] #unlink")))
	w.onto("#drawer #unlink")
	w.turn(chromedp.KeyEvent(kb.Enter))
	w.see("#ask")
	w.onto("#reason")
	w.turn(chromedp.KeyEvent("Lost" + kb.Enter))
	w.see("#note")
	w.open(d.Issuer + "/admin/devices?q=bert")
	w.see("#empty")
	w.quiet()
}

// Everything but the live tail of the log is there without script.
func TestAdministrationWithoutScript(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	d.crowdOf(t, 60)
	w := openWindow(t, false)
	chief := d.administrator(t)
	w.administrates(d, chief)
	body := func() string { return w.text("body") }

	w.click("#next")
	w.see("#prev")
	w.click(`a.chip[href*="f=failing"]`)
	w.see(".chip[aria-current]")
	w.fill("#q", "kowalski")
	w.click("#find")
	if at := w.at(); !strings.Contains(at, "q=kowalski") || !strings.Contains(at, "f=failing") {
		t.Errorf("a search leads to %s", at)
	}
	w.open(d.Issuer + "/admin/devices?q=kowalski")
	w.click("#devices tbody tr:first-child [data-drawer]")
	w.see("#history")
	w.open(d.Issuer + "/admin/devices?q=kowalski")
	w.do(chromedp.Click(chromedp.CSS("#devices tbody tr:nth-child(1) [data-pick]")), chromedp.Click(chromedp.CSS("#devices tbody tr:nth-child(2) [data-pick]")))
	w.click("#unlink-picked")
	w.fill("#reason", "Handed back")
	w.click("#yes")
	if !strings.Contains(body(), "2 devices are unlinked") {
		t.Errorf("after unlinking two:\n%s", body())
	}
	// All that a search finds, over more than a page.
	w.open(d.Issuer + "/admin/devices?q=person.0")
	found := numberIn(t, w.text("#all-found"))
	w.click("#next")
	if again := numberIn(t, w.text("#all-found")); again != found || found <= 50 {
		t.Errorf("%d on the first page, %d on the second", found, again)
	}
	w.click("#all-found")
	w.again(chief)
	w.fill("#reason", "Handed back")
	w.click("#yes")
	w.again(chief)
	if !strings.Contains(body(), fmt.Sprintf("%d devices are unlinked", found)) {
		t.Errorf("after unlinking %d:\n%s", found, body())
	}
	w.open(d.Issuer + "/admin/devices?q=person.0")
	w.see("#empty")
	w.open(d.Issuer + "/admin/devices/unlink")
	if !strings.Contains(body(), "Nothing was selected") {
		t.Errorf("without a tick:\n%s", body())
	}

	w.open(d.Issuer + "/admin/users/new")
	w.again(chief)
	w.fill("#username", "nora")
	w.click("#save")
	w.see("#link")
	if !regexp.MustCompile(`/invite/\S{20,}$`).MatchString(w.text("#link")) {
		t.Errorf("the link is %q", w.text("#link"))
	}
	w.open(d.Issuer + "/admin/audit?kind=invitation.")
	if !strings.Contains(body(), "One-time link made") || w.count("#follow:not([hidden])") != 0 {
		t.Errorf("the log shows:\n%s", body())
	}
	w.click("#check")
	w.click("#check-now")
	w.see("#whole")
	w.open(d.Issuer + "/admin/sessions")
	w.see("#sessions")
	w.quiet()
}
