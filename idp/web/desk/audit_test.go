package desk_test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/web/desk"
	"hilum/idp/web/webtest/walk"
)

// note writes an event to the log.
func note(w *walk.Walk, e idp.Event) {
	w.Helper()
	if err := w.DB.AddEvent(w.Context(), e); err != nil {
		w.Fatal(err)
	}
}

var listedEvents = regexp.MustCompile(`<tr id="event-([0-9]+)">`)

// listed are the numbers of the events that a page of the log shows, as it shows them.
func listed(page string) (all []int64) {
	for _, m := range listedEvents.FindAllStringSubmatch(page, -1) {
		n, _ := strconv.ParseInt(m[1], 10, 64) // digits
		all = append(all, n)
	}
	return all
}

// fitting are the numbers of the events in the log that are kept, newest first.
func fitting(w *walk.Walk, keep func(*idp.Event) bool) (all []int64) {
	w.Helper()
	for _, e := range w.Events() {
		if keep(&e) {
			all = append(all, e.Seq)
		}
	}
	slices.Reverse(all)
	return all
}

// linkTo is the only link of a page that has something in its address.
func linkTo(w *walk.Walk, page, part string) string {
	w.Helper()
	var found []string
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if to := html.UnescapeString(m[1]); strings.Contains(to, part) {
			found = append(found, to)
		}
	}
	if len(found) != 1 {
		w.Fatalf("links with %s: %q", part, found)
	}
	return found[0]
}

func TestDeskAudit(t *testing.T) {
	t.Parallel()
	w := walk.New(t)
	day := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	before, first, last, after := day("2026-02-28T23:59:59Z"), day("2026-03-01T00:00:00Z"), day("2026-03-14T23:59:59Z"), day("2026-03-15T00:00:00Z")
	helga, bert := w.Enrol(idp.User{Name: "helga", Staff: idp.StaffAdmin}), w.Add(idp.User{Name: "bert", DisplayName: "Bert Klein"})
	for _, at := range []time.Time{before, first} {
		note(w, idp.Event{At: at, Kind: "some.new"})
	}
	by := admin.By{Actor: idp.Actor{User: helga.ID, Name: helga.Name}, Role: idp.StaffAdmin, FactorAt: w.Clock.Now(), Address: "192.0.2.5"}
	if err := w.Desk.Disable(t.Context(), by, bert.ID, "left <b>"); err != nil {
		t.Fatal(err)
	}
	by.Address = "192.0.2.6"
	if err := w.Desk.Enable(t.Context(), by, bert.ID); err != nil {
		t.Fatal(err)
	}
	note(w, idp.Event{At: w.Clock.Now(), Kind: idp.EventDeviceRenamed, User: bert.ID, Actor: idp.Actor{User: bert.ID, Name: "bert"}}) // his name is looked up
	for _, at := range []time.Time{last, after} {
		note(w, idp.Event{At: at, Kind: "some.new"})
	}
	w.Fresh()
	w.Staff(idp.StaffAuditor)

	within := func(e *idp.Event) bool { return !e.At.Before(first) && e.At.Before(after) }
	for query, keep := range map[string]func(*idp.Event) bool{
		"":                                  func(*idp.Event) bool { return true },
		"?kind=user.":                       func(e *idp.Event) bool { return strings.HasPrefix(string(e.Kind), "user.") },
		"?kind=user.disabled":               func(e *idp.Event) bool { return e.Kind == idp.EventUserDisabled },
		"?who=bert":                         func(e *idp.Event) bool { return e.User == bert.ID },
		"?who=BERT&as=actor":                func(e *idp.Event) bool { return e.Actor.User == bert.ID },
		"?who=helga&as=actor":               func(e *idp.Event) bool { return e.Actor.User == helga.ID },
		"?address=192.0.2.5":                func(e *idp.Event) bool { return e.Address == "192.0.2.5" },
		"?from=2026-03-01":                  func(e *idp.Event) bool { return !e.At.Before(first) },
		"?until=2026-03-14":                 func(e *idp.Event) bool { return e.At.Before(after) }, // the last day counts whole
		"?from=2026-03-01&until=2026-03-14": within,
		"?kind=user.&who=helga&as=actor&address=192.0.2.5&from=2026-03-01&until=2026-03-14": func(e *idp.Event) bool {
			return within(e) && e.Kind == idp.EventUserDisabled && e.Actor.User == helga.ID && e.Address == "192.0.2.5"
		},
	} {
		r := w.Get("/admin/audit" + query)
		w.Wants(r, 200, "data-follow")
		if got, want := listed(r.Body), fitting(w, keep); !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s lists %v, want %v", query, got, want)
		}
	}
	w.Wants(w.Get("/admin/audit"), 200, "Account blocked", "helga", ">left &lt;b&gt;</q>", "some.new", "192.0.2.5", `href="/admin/users/`+string(bert.ID)+`">bert</a>`)
	note(w, idp.Event{At: w.Clock.Now(), Kind: idp.EventPhoneDenied, User: bert.ID, Actor: idp.Actor{User: bert.ID}, Device: "D1"}) // who did it is looked up
	for query, by := range map[string]string{"kind=phone.denied": "bert phone", "kind=user.disabled": "helga administrator"} {
		if got := strings.Join(strings.Fields(actorCell(w.Get("/admin/audit?"+query).Body)), " "); got != by {
			t.Errorf("%s was done by %q, want %q", query, got, by)
		}
	}
	w.Wants(w.Get("/admin/users/"+string(bert.ID)), 200, "by bert (phone)", "by helga (administrator)")
	w.Wants(w.Get("/admin/audit?kind=device.&who=bert"), 200, `href="/admin/users/`+string(bert.ID)+`">bert</a>`)
	w.Wants(w.Get("/admin/audit?kind=user.&who=bert"), 200, `<option value="user." selected>`, `value="bert"`, "/admin/audit.json?kind=user.&amp;who=bert", "/admin/audit.csv?kind=user.&amp;who=bert")

	w.Wants(w.Get("/admin/audit?who=nobody"), 422, "Nobody has this user name.", `value="nobody"`)
	w.Wants(w.Get("/admin/audit?from=yesterday"), 422, "2026-03-14.")
	w.Wants(w.Get("/admin/audit?kind=x"), 422)
	w.Wants(w.Get("/admin/audit?after=bad"), 400)
	w.Wants(w.Get("/admin/audit.json?who=nobody"), 400)
	w.Wants(w.Get("/admin/audit?address=203.0.113.1"), 200, "Nothing was recorded")
}

// A page after the first leads both ways, within what the log is narrowed to.
func TestDeskAuditTurns(t *testing.T) {
	t.Parallel()
	w := walk.New(t)
	for range 2*idp.DefaultListPage + 1 {
		note(w, idp.Event{At: w.Clock.Now(), Kind: "some.new", Address: "192.0.2.5"})
	}
	w.Staff(idp.StaffAuditor)
	all := fitting(w, func(e *idp.Event) bool { return e.Address == "192.0.2.5" })
	pages := [][]int64{all[:idp.DefaultListPage], all[idp.DefaultListPage : 2*idp.DefaultListPage], all[2*idp.DefaultListPage:]}

	const at = "/admin/audit?address=192.0.2.5"
	page := w.Visit(at)
	w.Sees(page, "/admin/audit?", "not before=", "data-follow")
	var got [][]int64
	for got = append(got, listed(page)); strings.Contains(page, "after="); got = append(got, listed(page)) {
		page = w.Visit(linkTo(w, page, "after="))
		w.Sees(page, "/admin/audit?address=192.0.2.5&after=", "before=", "not data-follow", `href="/admin/audit.json?address=192.0.2.5"`, `href="/admin/audit.csv?address=192.0.2.5"`)
	}
	if fmt.Sprint(got) != fmt.Sprint(pages) {
		t.Errorf("pages are %v, want %v", got, pages)
	}
	page = w.Visit(linkTo(w, page, "before="))
	w.Sees(page, "/admin/audit?address=192.0.2.5&before=", "after=", "before=", "not data-follow")
	if got := listed(page); !slices.Equal(got, pages[1]) {
		t.Errorf("back at %v, want %v", got, pages[1])
	}
}

// What the log is narrowed to is what its files have, newest first, and where it ends.
func TestDeskAuditFiles(t *testing.T) {
	t.Parallel()
	w := walk.New(t)
	a := w.Staff(idp.StaffAuditor)
	note(w, idp.Event{At: w.Clock.Now(), Kind: idp.EventDeviceRenamed, User: a.ID, Actor: idp.Actor{Name: "=1+1"}, Detail: map[string]string{"name": "Pixel; 8"}})
	want := fitting(w, func(e *idp.Event) bool { return strings.HasPrefix(string(e.Kind), "device.") })

	r := w.Get("/admin/audit.json?kind=device.")
	w.Wants(r, 200)
	if got := r.Header.Get("Content-Disposition"); got != `attachment; filename="audit.jsonl"` || r.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("JSON: %v", r.Header)
	}
	var seqs []int64
	var kinds []idp.EventKind
	for lines := bufio.NewScanner(strings.NewReader(r.Body)); lines.Scan(); {
		var line admin.EventLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		seqs, kinds = append(seqs, line.Seq), append(kinds, line.Kind)
	}
	n := len(seqs) - 1
	if n < 1 || !slices.Equal(seqs[:n], want) || kinds[n] != admin.EventLogHead || seqs[n] < want[0] {
		t.Errorf("JSON has %v %q, want %v and the head", seqs, kinds, want)
	}

	// A spreadsheet has the separator of the language that pages are read in.
	for lang, comma := range map[string]rune{"en": ',', "de": ';'} {
		w.Post("/language", "language", lang, "here", "security")
		r := w.Get("/admin/audit.csv?kind=device.")
		w.Wants(r, 200)
		if got := r.Header.Get("Content-Disposition"); got != `attachment; filename="audit.csv"` {
			t.Errorf("CSV: %v", r.Header)
		}
		text, marked := strings.CutPrefix(r.Body, "\ufeff")
		sheet := csv.NewReader(strings.NewReader(text))
		sheet.Comma = comma
		rows, err := sheet.ReadAll()
		if err != nil || !marked || len(rows) != 1+len(want)+1 || rows[0][0] != "seq" || rows[1][0] != strconv.FormatInt(want[0], 10) || rows[1][3] != "'=1+1" {
			t.Errorf("%s: marked %t, %v, %q", lang, marked, err, text)
		}
	}
}

// Every sentence that a page may open with can be said by every list.
func TestDeskNotes(t *testing.T) {
	t.Parallel()
	w := walk.New(t)
	bert := w.Add(idp.User{Name: "bert"})
	w.Staff(idp.StaffAdmin)
	for _, did := range desk.Notes {
		for _, path := range []string{"/admin/devices", "/admin/users", "/admin/users/" + string(bert.ID), "/admin/sessions"} {
			w.Wants(w.Get(path+"?did="+did), 200, `id="note"`)
		}
	}
	w.Wants(w.Get("/admin/devices?did=%3Cscript%3E"), 200, `not id="note"`)
}

// The check of the log is a job, one at a time; what came of it is on its page, and in
// the log.
func TestDeskChecksTheLog(t *testing.T) {
	t.Parallel()
	var slow stepwise
	var broken faulty
	w := walk.New(t, slow.stepping, broken.put)
	many := "username\n"
	for n := range 1000 {
		many += fmt.Sprintf("p%d\n", n)
	}
	if _, err := w.Desk.ImportUsers(t.Context(), walk.Console, strings.NewReader(many), admin.ImportHow{}, nil); err != nil {
		t.Fatal(err)
	}
	w.Staff(idp.StaffAuditor)
	w.Sees(w.Visit("/admin/audit/check"), "/admin/audit/check", "log was not checked yet", `id="check-now"`)

	slow.gate = newGate(t)
	page := w.Post("/admin/audit/check").Request.URL.Path
	step := slow.gate.reached()
	w.Wants(w.Get(page), 200, fmt.Sprintf("1,000 of 1,%03d", step.Of-1000), `http-equiv="refresh"`, `data-live="`+page+`"`)
	w.Leads(w.Held().Post("/admin/audit/check"), page) // that one will do
	slow.gate.through(w)
	slow.gate = nil
	head := idptest.Must(w.DB.LogHead(t.Context()))(t)
	checked := w.Events(idp.EventAuditChecked)
	if len(checked) != 1 || checked[0].Seq != head.Seq || checked[0].Actor.Name != "auditor" || checked[0].Address != w.Address {
		t.Fatalf("checks are noted as %+v, the log ends at %d", checked, head.Seq)
	}
	count, digest := fmt.Sprintf("1,%03d", head.Seq-1-1000), checked[0].Detail["head"]
	w.Wants(w.Get(page), 200, "All "+count+" entries", digest, "not data-live", `not id="begins"`)

	// Who has checked it last is in the log, also when the job is forgotten.
	w.Sees(w.Visit("/admin/audit/check"), "/admin/audit/check", "by auditor", count+" entries", digest)
	w.Forget()
	w.Sees(w.Visit(page), "/admin/audit/check", "by auditor", count+" entries", digest)

	broken.behind = 1000
	w.Wants(w.Get(w.Led(w.Post("/admin/audit/check"))), 200, `<p id="begins">The log begins with entry 1,001.`, fmt.Sprintf("All %d entries", head.Seq-1000))

	broken.checking = func() error { return fmt.Errorf("event 3 is missing: %w", idp.ErrInvalid) }
	page = w.Led(w.Post("/admin/audit/check"))
	w.Wants(w.Get(page), 200, "does not hold together", "event 3 is missing")
	if !strings.Contains(w.Log.String(), "event 3 is missing") {
		t.Error("a broken log is not logged")
	}
	w.Sees(w.Visit("/admin/audit/check"), "/admin/audit/check", "by auditor", "<code>event 3 is missing</code>")
	broken.checking = func() error { return errors.New("no database") }
	w.Wants(w.Get(w.Led(w.Post("/admin/audit/check"))), 200, "checked to its end", "not no database")
	if !strings.Contains(w.Log.String(), "no database") {
		t.Error("a check that broke off is not logged")
	}
}

// The log names devices, also those that are not linked any more, and tells the second.
func TestDeskAuditNamesDevices(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAdmin)
	never := idp.NewID[idp.DeviceID]()
	for _, id := range []idp.DeviceID{w.pixel.ID, w.old.ID, never} {
		note(w.Walk, idp.Event{At: idptest.Noon.Add(7 * time.Second), Kind: idp.EventPhoneDenied, User: w.bert.ID, Device: id})
	}
	link := func(id idp.DeviceID, name string) string {
		return `href="/admin/devices/` + string(id) + `">` + name + "</a>"
	}
	shown := []string{link(w.pixel.ID, "Pixel 8"), link(w.old.ID, html.EscapeString(oldPhone)), link(never, "Device"), `data-when="exact">2026-`, ":07 UTC</time>", "not " + string(w.pixel.ID) + "<"}
	w.Wants(w.Get("/admin/audit?kind=phone."), 200, shown...)
	w.Leads(w.Post("/admin/devices/unlink", "devices", string(w.pixel.ID), "reason", "lost"), "/admin/devices?did=unlinked&n=1")
	w.Wants(w.Get("/admin/audit?kind=phone."), 200, shown...)
	// What an event has itself is how the device was called then.
	note(w.Walk, idp.Event{At: idptest.Noon, Kind: idp.EventDeviceRenamed, User: w.bert.ID, Device: w.old.ID, Detail: map[string]string{"was": oldPhone, "name": "Ward phone"}})
	w.Wants(w.Get("/admin/audit?kind=device.renamed"), 200, link(w.old.ID, "Ward phone"))
}

// actorCell is the text of the first cell that says who did it.
func actorCell(body string) string {
	_, cell, _ := strings.Cut(body, `data-label="Who did it">`)
	cell, _, _ = strings.Cut(cell, "</td>")
	return regexp.MustCompile(`<[^>]*>`).ReplaceAllString(cell, " ")
}
