package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"hilum/idp"
)

// Names and addresses as long as they may be, and of other scripts.
var (
	longWord    = strings.Repeat("Abcdefghij", 6)
	longName    = "Univ.-Prof. Dr. Maximiliane von und zu Hohenfels-Lichtenstein"
	longAddress = strings.Repeat("a", 60) + "@" + strings.Repeat("b", 31) + ".example" // 100 letters
	arabic      = "عبد الرحمن بن عبد العزيز آل الشيخ"
	japanese    = "山田太郎左衛門尉藤原朝臣国重山田太郎左衛門尉"
)

// named gives the demo people of such names, the first of them first in the list, a device
// each.
func (d *demo) named(t *testing.T) {
	t.Helper()
	db := openStore(t, d.home)
	defer db.Close()
	ctx, now := context.Background(), time.Now()
	for i, name := range []string{longWord, longName, arabic, japanese} {
		u := &idp.User{
			ID: idp.NewID[idp.UserID](), Name: fmt.Sprintf("maximiliane.von-und-zu-hohenfels-lichtenstein-%d@klinik.example", i), DisplayName: name, Email: longAddress,
			Groups: []string{"radiology", "neuroradiology-interventional-east", longWord}, State: idp.UserActive, CreatedAt: now, UpdatedAt: now,
		}
		if i%2 == 0 {
			u.State = idp.UserDisabled
		}
		if err := db.AddUser(ctx, u); err != nil {
			t.Fatal(err)
		}
		dev := idp.Device{
			ID: idp.NewID[idp.DeviceID](), User: u.ID, Name: string([]rune(name)[:min(len([]rune(name)), 40)]), Kind: idp.DeviceApp, Platform: "android", App: "hilum/1.4", State: idp.DeviceActive,
			SealedTOTP: []byte{1}, PublicKey: append([]byte{0xee, byte(i)}, make([]byte, 62)...), LinkedAt: now, LastUsedAt: now.Add(-3 * time.Minute),
		}
		p := &idp.Pairing{ID: idp.NewID[idp.PairingID](), User: u.ID, Account: u.Name, SealedTOTP: []byte{1}, CreatedAt: now, ExpiresAt: now.Add(time.Minute)}
		if err := db.AddPairing(ctx, p); err != nil {
			t.Fatal(err)
		}
		if err := db.UpdatePairing(ctx, p.ID, func(p *idp.Pairing) (*idp.Device, error) {
			p.UsedAt = now
			dev.Note(idp.Event{At: now, Kind: idp.EventDeviceLinked, Actor: idp.Actor{User: u.ID, Name: u.Name}, User: u.ID, Device: dev.ID, Detail: map[string]string{"name": dev.Name}})
			return &dev, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// broken finds words of a list that go on in another line, and names the first few. A word
// is what has neither a space nor a hyphen in it, in letters that are written word by word;
// paths, keys and addresses of the configuration have none.
const broken = `(() => {
	const found = []
	const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT)
	for (let t; (t = texts.nextNode());) {
		if (t.parentElement.closest(".offscreen, .raw, .tag, pre, code, [hidden]") || t.parentElement.checkVisibility?.() === false) continue
		for (const m of t.data.matchAll(/[\p{Script=Latin}\p{Script=Arabic}\p{M}\p{N}]{2,}/gu)) {
			if (t.data[m.index - 1] === "\u00ad") continue // the other half of a word that may be hyphenated here
			const r = document.createRange()
			r.setStart(t, m.index); r.setEnd(t, m.index + m[0].length)
			const tops = new Set([...r.getClientRects()].filter(b => b.width > 1).map(b => Math.round(b.top / 8)))
			if (tops.size > 1) found.push(m[0])
		}
	}
	return found.slice(0, 5).join(" ")
})()`

// outside finds what of a list is cut off at the edge of its room, or leaves the page.
const outside = `(() => {
	const wide = document.documentElement.scrollWidth > innerWidth ? "the page is " + document.documentElement.scrollWidth + " wide by " +
		[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth && !e.closest(".chips, .tabs, thead")).map(e => e.tagName + "." + e.className).slice(0, 5).join(" ") : ""
	const cut = [...document.querySelectorAll(".sheet-of")].filter(s => getComputedStyle(s).overflowX === "clip" && s.firstElementChild.scrollWidth > s.clientWidth + 1).map(s => "a table of " + s.firstElementChild.scrollWidth + " in " + s.clientWidth)
	return [wide, ...cut].filter(Boolean).join(", ")
})()`

// Names of sixty letters, addresses of a hundred, Arabic and Japanese: at no width does a
// word break, the page go sideways, or a column get lost.
func TestListsOfLongNames(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	d.named(t)
	w := openWindow(t, true)
	w.administrates(d, d.administrator(t))
	for _, path := range []string{
		"/admin/devices", "/admin/devices?col=kind&col=push&col=linked&col=used&col=email&col=app", "/admin/users", "/admin/sessions", "/admin/applications",
		"/admin/audit", "/admin/settings",
	} {
		for _, lang := range []string{"en", "de"} {
			ask(w, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`fetch("/language", {method: "POST", body: new URLSearchParams({here: "admin-devices", language: %q})}).then(() => {})`, lang), chromedp.EvalAwaitPromise))
			w.open(d.Issuer + path)
			for _, width := range []int64{320, 360, 840, 1280, 1920} {
				w.look("dark", width, 740)
				if got := ask(w, chromedp.Evaluate[string](broken)); got != "" {
					t.Errorf("%s in %s at %d breaks %q", path, lang, width, got)
				}
				if got := ask(w, chromedp.Evaluate[string](outside)); got != "" {
					t.Errorf("%s in %s at %d: %s", path, lang, width, got)
				}
			}
		}
	}
	// What is cut short is whole where the pointer rests.
	w.open(d.Issuer + "/admin/users?q=abcdefghij")
	w.look("dark", 1280, 740)
	if title := ask(w, chromedp.Evaluate[string](`document.querySelector("#users .first").title`)); title != longWord {
		t.Errorf("the name is titled %q", title)
	}
	if cut := ask(w, chromedp.Evaluate[bool](`(e => e.scrollWidth > e.clientWidth)(document.querySelector("#users .first"))`)); !cut {
		t.Error("a name of sixty letters in one word is not cut short")
	}
	w.quiet()
}

// top is where an element begins in the window, in CSS pixels.
func (w *window) top(sel string) int {
	w.t.Helper()
	return ask(w, chromedp.Evaluate[int](fmt.Sprintf(`Math.round(document.querySelector(%q).getBoundingClientRect().top)`, sel)))
}

// However far a list is scrolled, it is seen what its columns are, and what is picked can
// be dealt with. On a phone the first row is above the middle, and what is chosen of a row
// that is wider than the screen is in it, with script and without.
func TestListsScrolled(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	d.crowdOf(t, 70)
	w := openWindow(t, true)
	chief := d.administrator(t)
	w.administrates(d, chief)
	scroll := func(y int) {
		ask(w, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`void scrollTo(0, %d)`, y)))
	}
	const hit = `(sel => { const b = document.querySelector(sel).getBoundingClientRect(); return document.elementFromPoint(b.left + b.width / 2, b.top + b.height / 2)?.closest(sel) !== null })(%q)`
	for _, c := range []struct {
		path          string
		bar           string // the bar of what is picked; empty: there is none
		width, height int64
	}{
		{"/admin/devices", "#unlink-picked", 1280, 740}, {"/admin/users", "#csv", 1280, 740}, {"/admin/audit", "", 1280, 740}, {"/admin/devices", "#unlink-picked", 900, 740},
	} {
		w.look("dark", c.width, c.height)
		w.open(d.Issuer + c.path)
		scroll(900)
		head := ".grid thead th:last-child"
		bar := 0
		if c.bar != "" {
			if bar = 52; w.top(c.bar) < 0 || w.top(c.bar) > bar || !ask(w, chromedp.Evaluate[bool](fmt.Sprintf(hit, c.bar))) {
				t.Errorf("%s at %d: scrolled, %s is at %d", c.path, c.width, c.bar, w.top(c.bar))
			}
		}
		if got := w.top(head); got != bar || !ask(w, chromedp.Evaluate[bool](fmt.Sprintf(hit, head))) {
			t.Errorf("%s at %d: scrolled, the heading is at %d, want %d", c.path, c.width, got, bar)
		}
	}
	// More columns than fit: in their own room the heading stays, sideways too.
	w.look("dark", 900, 740)
	w.open(d.Issuer + "/admin/devices?col=kind&col=push&col=linked&col=used&col=email&col=app")
	off := ask(w, chromedp.Evaluate[int](`(() => { const s = document.querySelector(".sheet-of"); s.scrollTop = 500; s.scrollLeft = 400; const th = s.querySelector("th:last-child").getBoundingClientRect(), b = s.getBoundingClientRect(); return Math.round(Math.abs(th.top - b.top) + Math.max(0, th.right - b.right)) })()`))
	if off > 2 {
		t.Errorf("in a room of its own the heading is %d off", off)
	}
	// Tabbing back under the bar brings what has the focus out of it.
	w.look("dark", 1280, 740)
	w.open(d.Issuer + "/admin/users")
	scroll(900)
	under := ask(w, chromedp.Evaluate[int](`(() => { const a = document.querySelector("#users tbody tr:nth-child(2) a"); a.focus(); return Math.round(a.getBoundingClientRect().top) })()`))
	if under < 96 {
		t.Errorf("what has the focus is at %d, below the bar", under)
	}

	phone := func(w *window) {
		t.Helper()
		w.look("light", 360, 740)
		for _, path := range []string{"/admin/devices", "/admin/users", "/admin/sessions", "/admin/audit", "/admin/applications", "/admin/devices?f=app&f=failing&sort=used"} {
			w.open(d.Issuer + path)
			if top := w.top(".grid tbody tr"); top > 370 {
				t.Errorf("%s: the first row is at %d", path, top)
			}
		}
		scroll := ask(w, chromedp.Evaluate[int](`(() => { scrollTo(0, 1500); return Math.round(document.querySelector("#unlink-picked").getBoundingClientRect().bottom) })()`))
		if scroll < 0 || scroll > 70 {
			t.Errorf("on a phone, scrolled, what is picked is dealt with at %d", scroll)
		}
		const within = `(e => { const b = e.getBoundingClientRect(); return b.left >= 0 && b.right <= innerWidth })(document.querySelector(%q))`
		for _, tab := range []string{"devices", "sessions", "health", "settings"} {
			w.open(d.Issuer + "/admin/" + tab)
			if !ask(w, chromedp.Evaluate[bool](fmt.Sprintf(within, ".tabs [aria-current]"))) {
				t.Errorf("scripts %v: the tab of %s is out of sight", w.scripts, tab)
			}
		}
		for _, f := range []string{"ios", "unused", "blocked"} {
			w.open(d.Issuer + "/admin/devices?f=" + f)
			if !ask(w, chromedp.Evaluate[bool](fmt.Sprintf(within, ".chip[aria-current]"))) {
				t.Errorf("scripts %v: the facet %s is out of sight", w.scripts, f)
			}
		}
	}
	phone(w)
	w.quiet()
	chief.elsewhere()
	plain := openWindow(t, false)
	plain.administrates(d, chief)
	phone(plain)
	// What narrows the log is folded there, and is not elsewhere.
	plain.open(d.Issuer + "/admin/audit")
	if shown := ask(plain, chromedp.Evaluate[bool](`document.querySelector("#who").checkVisibility()`)); shown {
		t.Error("on a phone the filter of the log is not folded")
	}
	plain.look("light", 1280, 740)
	plain.open(d.Issuer + "/admin/audit")
	plain.fill("#who", chief.name)
	plain.click("#narrow")
	if !strings.Contains(plain.at(), "who="+chief.name) || plain.count("#events tbody tr") == 0 {
		t.Errorf("narrowed, at %s", plain.at())
	}
	plain.quiet()
}

// The drawer of a device has the device's address: Back closes it, Forward opens it, and
// loaded anew the address is the device's page, from which Back leads to the list.
func TestDrawerHasAnAddress(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	d.crowdOf(t, 20)
	w := openWindow(t, true)
	w.administrates(d, d.administrator(t))
	list := d.Issuer + "/admin/devices?f=app"
	w.open(list)
	title := ask(w, chromedp.Evaluate[string](`document.title`))
	const row = "#devices tbody tr:nth-child(2) [data-drawer]"
	device := ask(w, chromedp.Evaluate[string](`document.querySelector("`+row+`").href`))
	script := func(js string) { ask(w, chromedp.Evaluate[chromedp.Void]("void ("+js+")")) }
	opened := func() {
		t.Helper()
		w.until("the drawer is open", `document.querySelector("#drawer")?.open === true`)
		if w.at() != device || ask(w, chromedp.Evaluate[string](`document.title`)) == title {
			t.Errorf("with the drawer open it is at %s", w.at())
		}
	}
	closed := func(how string) {
		t.Helper()
		w.until("the drawer is closed by "+how, `document.querySelector("#drawer")?.open === false && location.href === "`+list+`"`)
		if now := ask(w, chromedp.Evaluate[string](`document.title`)); now != title {
			t.Errorf("closed by %s, the title is %q", how, now)
		}
		if n := w.count("#devices tbody tr[data-old]"); n != 1 {
			t.Errorf("closed by %s, the list was loaded anew", how)
		}
	}
	script(`document.querySelector("#devices tbody tr").dataset.old = "1"`)
	depth := ask(w, chromedp.Evaluate[int](`history.length`))

	w.do(chromedp.Click(chromedp.CSS(row)))
	opened()
	script(`history.back()`)
	closed("Back")
	script(`history.forward()`)
	opened()
	w.do(chromedp.Click(chromedp.CSS("#drawer [data-close]")))
	closed("its button")
	w.do(chromedp.Click(chromedp.CSS(row)))
	opened()
	script(`document.querySelector("#drawer").dispatchEvent(new MouseEvent("click"))`)
	closed("a click beside it")
	if n := ask(w, chromedp.Evaluate[int](`history.length`)); n > depth+1 {
		t.Errorf("opened three times, there are %d more places to go back to", n-depth)
	}

	// Loaded anew, the address is a page of its own.
	w.do(chromedp.Click(chromedp.CSS(row)))
	opened()
	w.turn(chromedp.Reload())
	w.see("#history")
	if w.at() != device || w.count("#drawer") != 0 {
		t.Errorf("loaded anew, %s has %d drawers", w.at(), w.count("#drawer"))
	}
	script(`history.back()`)
	w.until("Back leads to the list", `location.href === "`+list+`" && document.querySelector("#devices") !== null`)
	w.quiet()
}

// In lists it is said how long ago something was, with the moment beside it, in the form of
// the reader; in the log the moment to the second.
func TestTimesAsTheReaderSaysThem(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	d.named(t)
	chief := d.administrator(t)
	w := openWindow(t, true, chromedp.Flag("lang", "en-GB"), chromedp.Flag("accept-lang", "en-GB"))
	w.administrates(d, chief)
	w.open(d.Issuer + "/admin/devices?q=abcdefghij")
	used := ask(w, chromedp.Evaluate[string](`(t => t.textContent + "|" + t.title)(document.querySelector('td[data-label="Last used"] time'))`))
	said, exact, _ := strings.Cut(used, "|")
	if !strings.HasSuffix(said, " minutes ago") {
		t.Errorf("used %q", said)
	}
	if _, err := time.Parse("2 Jan 2006, 15:04:05", strings.Replace(exact, "Sept", "Sep", 1)); err != nil {
		t.Errorf("the moment is %q", exact)
	}
	w.open(d.Issuer + "/admin/audit")
	at := w.text("#events .time-cell time")
	if _, err := time.Parse("2 Jan 2006, 15:04:05", strings.Replace(at, "Sept", "Sep", 1)); err != nil {
		t.Errorf("the log says %q", at)
	}
	w.quiet()
}

// Settings are searched as one types, and without script by a button; what differs from the
// default is one click away, and stays in the address.
func TestSettingsAreSearched(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	chief := d.administrator(t)
	w := openWindow(t, true)
	w.administrates(d, chief)
	w.open(d.Issuer + "/admin/settings")
	all := w.count(".settings tbody tr")
	w.do(chromedp.SendKeys(chromedp.CSS("#q"), "sessions.idle"))
	w.until("one setting", `document.querySelectorAll(".settings tbody tr").length === 1 && document.querySelector("#site") === null`)
	if at := w.at(); !strings.HasSuffix(at, "?q=sessions.idle") || all < 50 {
		t.Errorf("of %d settings, one is found at %s", all, at)
	}
	w.do(chromedp.Click(chromedp.CSS(".chip.clear")))
	w.until("all again", fmt.Sprintf(`document.querySelectorAll(".settings tbody tr").length === %d`, all))
	w.do(chromedp.Click(chromedp.CSS(`a.chip[href*="f=differs"]`)))
	w.until("what differs", `document.querySelector(".chip[aria-current]") !== null`)
	// The demo has a folder, a port and no limits of its own.
	if n, same := w.count(".settings tbody tr"), w.count(".settings td.same"); n == 0 || n >= all || same != 0 || w.count(`[id="data_dir"]`) != 1 {
		t.Errorf("%d of %d settings are said to differ, %d of them wrongly", n, all, same)
	}
	w.quiet()
	chief.elsewhere()
	plain := openWindow(t, false)
	plain.administrates(d, chief)
	plain.open(w.at())
	plain.fill("#q", "data")
	plain.click("#find")
	if at := plain.at(); !strings.Contains(at, "q=data") || !strings.Contains(at, "f=differs") || plain.count(`[id="data_dir"]`) != 1 {
		t.Errorf("without script, searched at %s", at)
	}
	plain.quiet()
}
