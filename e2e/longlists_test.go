package e2e

import (
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// manyPeople writes a file of so many people, named from prefix.
func manyPeople(t testing.TB, prefix string, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("username,name,email,groups\n")
	for i := range n {
		fmt.Fprintf(&b, "%s.%05d,Guest number %d,%s.%05d@klinik.example,radiology\n", prefix, i, i, prefix, i)
	}
	path := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// houseOf is a demo with so many people besides, a device each, five for every
// tenth. They are put in while it is stopped.
func houseOf(t *testing.T, people int) *demo {
	t.Helper()
	first := startDemo(t)
	first.stop(t)
	seed := exec.Command("go", "test", "-count", "1", "-timeout", "5m", "-run", "^TestSeed$", "hilum/idp/store")
	seed.Env = append(os.Environ(), "SEED_DATABASE="+filepath.Join(first.data, "idp.db"), fmt.Sprintf("SEED_PEOPLE=%d", people))
	if out, err := seed.CombinedOutput(); err != nil {
		t.Fatalf("seeding: %v\n%s", err, out)
	}
	d := startDemo(t, "--data", first.data)
	d.data = first.data
	return d
}

// list is a window that looks at the list of devices.
type list struct {
	*window
	began time.Time
}

// took prints how long something took until it was seen. It is not judged.
func (l *list) took(what string) {
	l.t.Logf("%-44s %5.0f ms", what, float64(time.Since(l.began).Microseconds())/1000)
}

// rows are the devices that are shown, by id.
func (l *list) rows() []string {
	l.t.Helper()
	s := ask(l.window, chromedp.Evaluate[string](`[...document.querySelectorAll("#devices tbody tr")].map(r => r.id).join(" ")`))
	return strings.Fields(s)
}

// turned does what turns the list, and waits until another is shown.
func (l *list) turned(what string, do func()) {
	l.t.Helper()
	ask(l.window, chromedp.Evaluate[bool](`document.querySelector("#list").dataset.old = "1", true`))
	l.began = time.Now()
	do()
	l.until(what, `(() => { const l = document.querySelector("#list"); return !!l && !l.dataset.old && l.getAttribute("aria-busy") !== "true" })()`)
	l.took(what)
}

func (l *list) press(what, sel string) {
	l.t.Helper()
	l.turned(what, func() {
		if l.scripts {
			l.do(chromedp.Click(chromedp.CSS(sel)))
		} else {
			l.click(sel)
		}
	})
}

// file reads the CSV of what is shown.
func (l *list) file() [][]string {
	l.t.Helper()
	l.began = time.Now()
	text := ask(l.window, chromedp.Evaluate[string](`fetch(document.querySelector("#csv").href).then(r => r.text())`, chromedp.EvalAwaitPromise))
	l.took("CSV of what is shown")
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(records) == 0 {
		l.t.Fatalf("CSV: %v", err)
	}
	return records[1:]
}

// toTheEnd turns pages until there is no further one, and returns all that was
// shown. Then it turns back.
func (l *list) toTheEnd(most int) (all []string) {
	l.t.Helper()
	first := l.rows()
	pages := 1
	for all = slices.Clone(first); l.count("#next") > 0; pages++ {
		if pages > most {
			l.t.Fatalf("%d pages, and no end", pages)
		}
		l.press(fmt.Sprintf("page %d", pages+1), "#next")
		all = append(all, l.rows()...)
	}
	if seen := slices.Compact(slices.Sorted(slices.Values(all))); len(seen) != len(all) {
		l.t.Errorf("%d rows on %d pages, %d of them different", len(all), pages, len(seen))
	}
	for range pages - 1 {
		l.press("the page before", "#prev")
	}
	if back := l.rows(); !slices.Equal(back, first) || l.count("#prev") != 0 {
		l.t.Errorf("back at the beginning it shows %v, was %v", back, first)
	}
	return all
}

// newestFirst checks the days of a column, newest first; a page is shown.
func (l *list) newestFirst(sel string) {
	l.t.Helper()
	days := strings.Fields(ask(l.window, chromedp.Evaluate[string](fmt.Sprintf(`[...document.querySelectorAll(%q)].map(t => t.dateTime.slice(0, 10)).join(" ")`, sel))))
	if len(days) < 10 || !slices.IsSortedFunc(days, func(a, b string) int { return strings.Compare(b, a) }) {
		l.t.Errorf("by day: %v", days)
	}
}

// The list of a hundred thousand people, looked at as the helpdesk does: typed
// into, narrowed, sorted, turned to its end, kept as an address.
func TestLongLists(t *testing.T) {
	t.Parallel()
	const people = 100_000
	began := time.Now()
	d := houseOf(t, people)
	t.Logf("%d people, there after %s", people, time.Since(began).Round(time.Second))
	chief := d.administrator(t)

	w := &list{window: openWindow(t, true)}
	w.administrates(d, chief)
	if count := w.text("#count"); !strings.HasPrefix(count, "1,000+") || len(w.rows()) != 50 {
		t.Errorf("%q, %d rows", count, len(w.rows()))
	}

	// As one types: what is shown fits what was typed.
	family := strings.ToLower(ask(w.window, chromedp.Evaluate[string](`[...document.querySelectorAll(".first")].at(-1).textContent.split(" ").at(-1)`)))
	for n := range 3 {
		typed := family[:n+1]
		w.turned("typed "+typed, func() { w.do(chromedp.SendKeys(chromedp.CSS("#q"), typed[n:])) })
		if strange := ask(w.window, chromedp.Evaluate[string](fmt.Sprintf(`[...document.querySelectorAll("#devices tbody tr")].find(r => !r.textContent.toLowerCase().includes(%q))?.textContent ?? ""`, typed))); strange != "" || len(w.rows()) == 0 {
			t.Errorf("typed %q, shown %q", typed, strange)
		}
		if !strings.Contains(w.at(), "q="+typed) {
			t.Errorf("typed %q, at %s", typed, w.at())
		}
	}
	w.press("all again", ".chip.clear")

	// Sorted, by keys that many share.
	w.press("sorted by last use", "#by-used")
	if w.count("[aria-sort=descending] #by-used") != 1 {
		t.Error("the heading does not say how it is sorted")
	}
	w.newestFirst(`td[data-label="Last used"] time`)

	// A facet to its end, and back; the same as in the file.
	w.press("failing", `a.chip[href*="f=failing"]`)
	all := w.toTheEnd(100)
	file := w.file()
	if len(all) != len(file) || len(all) < 100 {
		t.Errorf("%d rows on pages, %d in the file", len(all), len(file))
	}
	if n := w.text(".chip[aria-current] .n"); n != fmt.Sprint(len(all)) {
		t.Errorf("the chip says %s, there are %d", n, len(all))
	}
	for i, row := range file {
		if "device-"+row[4] != all[i] || row[10] != "failing" {
			t.Fatalf("line %d of the file is %q, row %s", i, row, all[i])
		}
	}

	// The address is the list: reloaded, and in another browser.
	w.press("a second page", "#next")
	address, page := w.at(), w.rows()
	w.open(address)
	if again := w.rows(); !slices.Equal(again, page) {
		t.Errorf("reloaded it shows %v, was %v", again, page)
	}
	chief.elsewhere()
	plain := &list{window: openWindow(t, false)}
	plain.administrates(d, chief)
	plain.open(address)
	if other := plain.rows(); !slices.Equal(other, page) {
		t.Errorf("another browser shows %v, was %v", other, page)
	}

	// Back, and forward.
	w.press("narrowed further", `a.chip[href*="f=ios"]`)
	narrow, narrowed := w.rows(), w.at()
	w.turned("back", func() { ask(w.window, chromedp.Evaluate[bool](`history.back(), true`)) })
	if back := w.rows(); !slices.Equal(back, page) || w.at() != address {
		t.Errorf("back at %s it shows %v, was %v", w.at(), back, page)
	}
	w.turned("forward", func() { ask(w.window, chromedp.Evaluate[bool](`history.forward(), true`)) })
	if again := w.rows(); !slices.Equal(again, narrow) {
		t.Errorf("forward it shows %v, was %v", again, narrow)
	}

	// The drawer has the device of the row, and leaves the list as it is.
	name := w.text("#devices tbody tr:nth-child(3) [data-drawer]")
	w.do(chromedp.Click(chromedp.CSS("#devices tbody tr:nth-child(3) td:nth-child(4)")), chromedp.WaitVisible(chromedp.CSS("#drawer[open] #unlink")))
	if got := w.text("#drawer h1"); got != name {
		t.Errorf("the drawer shows %q, the row %q", got, name)
	}
	w.do(chromedp.Click(chromedp.CSS("#drawer [data-close]")))
	// The page goes back to the list's address in its own time, over whatever is opened meanwhile.
	w.until("back from the drawer", `!document.querySelector("#drawer").open && !history.state?.drawer`)
	if again := w.rows(); !slices.Equal(again, narrow) || w.at() != narrowed {
		t.Error("the drawer has changed the list")
	}

	// What nothing fits, and is searched for in all there is: in one request, or
	// further from page to page; at last it is known that there is none.
	w.open(d.Issuer + "/admin/devices?f=ios&f=android&sort=linked")
	short := 0
	for ; w.count("#next") > 0; short++ {
		if w.count("#short") != 1 || len(w.rows()) != 0 {
			t.Errorf("page %d is not full, and does not say why", short)
		}
		if short > 100 {
			t.Fatal("no end")
		}
		w.press("search further", "#next")
	}
	t.Logf("%d pages were given up before their end", short)
	if w.count("#short") != 0 || w.count("#empty") != 1 {
		t.Error("the end does not say that nothing was found")
	}
	w.quiet()

	// Without script, the same by links and one button.
	plain.open(d.Issuer + "/admin/devices")
	plain.fill("#q", family[:3])
	plain.press("found", "#find")
	if !strings.Contains(plain.at(), "q="+family[:3]) || len(plain.rows()) == 0 {
		t.Errorf("%s shows %v", plain.at(), plain.rows())
	}
	plain.press("sorted", "#by-linked")
	plain.newestFirst(`td[data-label="Linked"] time`)
	plain.open(d.Issuer + "/admin/devices?f=failing")
	plain.press("narrowed", `a.chip[href*="f=ios"]`)
	some := plain.toTheEnd(100)
	if len(some) < 10 || len(some) >= len(all) {
		t.Errorf("%d of %d that fail are iOS", len(some), len(all))
	}
	plain.press("a facet less", `a.chip[aria-current][href*="f=failing"]`)
	plain.click("#devices tbody tr:nth-child(2) [data-drawer]")
	plain.see("#detail")
	plain.quiet()
}

// Ten thousand people by a file, in the browser: how far it is is shown, it can
// be stopped in the middle, and all or none are there.
func TestImportingManyInTheBrowser(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	chief := d.administrator(t)
	counted := func() int { return strings.Count(d.idp(t, "user", "list", "guest", "--json"), "\n") }
	for _, scripts := range []bool{true, false} {
		w := openWindow(t, scripts)
		w.administrates(d, chief)
		send := func(prefix string, n int) {
			w.open(d.Issuer + "/admin/users/import")
			w.again(chief)
			w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{manyPeople(t, prefix, n)}))
			w.click("#try")
			w.see("#good")
			if good := w.text("#good"); !strings.HasPrefix(good, fmt.Sprintf("%d,000 people", n/1000)) {
				t.Errorf("script %v: %q", scripts, good)
			}
			w.click("#import-now")
			w.again(chief)
		}
		before := counted()
		send(fmt.Sprintf("stopped-%v", scripts), 40_000) // long enough to be stopped
		w.until("people are added", `(document.querySelector("#job")?.dataset.state ?? "").startsWith("adding") && (document.querySelector("#far")?.value ?? 0) > 0`)
		address := w.at()
		if scripts { // what has the focus keeps it while the part that tells is replaced
			w.until("the focus stays", `(() => {
				const far = document.querySelector("#far"), stop = document.querySelector("#stop")
				if (window.farBefore === undefined) { stop.focus(); window.farBefore = far.value }
				return far.value > window.farBefore && document.activeElement === stop
			})()`)
		}
		w.click("#stop")
		w.again(chief)
		w.see("#stopped")
		if w.at() != address {
			t.Errorf("script %v: stopped at %s", scripts, w.at())
		}
		if n := counted(); n != before {
			t.Errorf("script %v: %d people are left of what was stopped", scripts, n-before)
		}
		send(fmt.Sprintf("guest-%v", scripts), 10_000)
		w.see("#done")
		if done := w.text("#done"); done != "10,000 people were added." {
			t.Errorf("script %v: %q", scripts, done)
		}
		if n := counted(); n != before+10_000 {
			t.Errorf("script %v: %d people", scripts, n-before)
		}
		w.click("#show")
		w.see("#users")
		w.quiet()
		chief.elsewhere()
	}
	if log := d.idp(t, "audit", "export", "--kind", "user.imported"); strings.Count(log, `"count":"10000"`) != 2 {
		t.Errorf("the log has:\n%s", log)
	}
}
