package desk_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/web/page"
	"hilum/idp/web/webtest/walk"
)

const (
	toImport   = "/admin/users/import"
	importPath = "/admin/imports/"
)

// names are the sign-in names of all people.
func names(w *walk.Walk) (all []string) {
	w.Helper()
	for _, a := range idptest.Must(w.DB.Users(w.Context(), "", 10_000))(w.TB) {
		all = append(all, a.User.Name)
	}
	return all
}

// crowd is a file of so many people.
func crowd(n int) string {
	var b strings.Builder
	b.WriteString("username\n")
	for i := range n {
		fmt.Fprintf(&b, "person%d\n", i)
	}
	return b.String()
}

// imported checks that the log has files that came through, and no others.
func imported(w *walk.Walk, want ...string) {
	w.Helper()
	var got, noted []string
	for _, e := range w.Events(idp.EventUsersImported) {
		got = append(got, e.Detail["count"]+" "+e.Detail["sha256"])
	}
	for _, file := range want {
		sum := sha256.Sum256([]byte(file))
		noted = append(noted, strconv.Itoa(strings.Count(strings.TrimSpace(file), "\n"))+" "+hex.EncodeToString(sum[:]))
	}
	if !slices.Equal(got, noted) {
		w.Errorf("imported %q, want %q", got, noted)
	}
}

func TestDeskImport(t *testing.T) {
	t.Parallel()
	var broken faulty
	w := walk.New(t, broken.put)
	w.Add(idp.User{Name: "anna"})
	w.Staff(idp.StaffAdmin)
	w.Wants(w.Get(toImport), 200, "username, name", `type="file"`, "50,000 people, 20 MB")

	faults := "username\n</textarea>\nbad name\nb4\nb5\nb6\nanna\n" + strings.Repeat("bad name\n", 100)
	at := w.Led(w.Upload(toImport, "file", faults, "text", "", "do", "try"))
	w.Wants(w.Get(at), 200, "103 lines are faulty", "Line 2", `<span class="of">&lt;/textarea&gt;</span>`, "Line 3", `<span class="of">bad name</span>`, "Line 7", "Somebody has this user name", "more faulty lines",
		"username\n&lt;/textarea&gt;\nbad name\n", "not import-now", "not http-equiv", "not Line 4<")
	// What has faults is not added by any way.
	w.Leads(w.Held().Post(at+"/add"), at)
	w.Jobs.Wait(time.Minute)
	w.Wants(w.Get(w.Led(w.Upload(toImport, "file", faults, "text", "", "do", "import"))), 200, "103 lines are faulty")
	imported(w)

	const two = "username\na\nb"
	at = w.Led(w.Upload(toImport, "text", two, "do", "try"))
	w.Wants(w.Get(at), 200, "2 people can be added", "Add 2 people", `id="import-now"`, "not data-live")
	imported(w) // nothing: it was a try
	added := w.Led(w.Post(at + "/add"))
	if added == at {
		t.Fatal("nothing was begun")
	}
	w.Wants(w.Get(added), 200, "2 people were added", `href="/admin/users?down=1&amp;f=invited&amp;sort=added"`)
	imported(w, two)
	w.Leads(w.Held().Post(added+"/stop"), added) // too late
	w.Wants(w.Get(added), 200, "2 people were added")
	if got := names(w); !slices.Equal(got, []string{"a", "admin", "anna", "b"}) {
		t.Errorf("there are %q", got)
	}

	// Somebody takes a name between the check and the end.
	broken.adding = func() error {
		broken.adding = nil
		return w.Desk.AddUser(t.Context(), walk.Console, &idp.User{Name: "kim"})
	}
	w.Wants(w.Get(w.Led(w.Upload(toImport, "text", "username\nlea\nkim", "do", "import"))), 200, "Line 3", "kim", "Somebody has this user name", "not Line 2")
	w.Wants(w.Get(w.Led(w.Upload(toImport, "text", "\xff", "do", "try"))), 200, "is not in UTF-8", "\uFFFD")
	broken.adding = func() error { return errors.New("the disk is gone") }
	at = w.Led(w.Upload(toImport, "text", "username\nx", "do", "import"))
	w.Wants(w.Get(at), 200, "Nobody was added", strings.TrimPrefix(at, importPath), "not the disk")
	if !strings.Contains(w.Log.String(), "the disk is gone") {
		t.Error("nothing was logged")
	}
	broken.adding = nil
	w.Wants(w.Get(w.Led(w.Upload(toImport, "text", "username", "do", "import"))), 200, "nobody in the file")
	w.Wants(w.Upload(toImport, "text", "", "do", "try"), 422, "has to name the columns")
	if got := names(w); !slices.Equal(got, []string{"a", "admin", "anna", "b", "kim"}) {
		t.Errorf("there are %q", got)
	}

	// A file may be long, a text less so; what is long is read to its end, and not put
	// into the page.
	long := "username\n" + strings.Repeat("x", 3*page.MaxText) + "\nbad name"
	w.Wants(w.Get(w.Led(w.Upload(toImport, "file", long, "text", ""))), 200, "Line 2", "Line 3", "not <textarea")
	w.Wants(w.Upload(toImport, "text", strings.Repeat("x", page.MaxText+1)), 413, "20 megabytes")
	w.Wants(w.Upload(toImport, "file", strings.Repeat("x", admin.MaxImportBytes+1)), 413, "20 megabytes")
	w.Wants(w.Upload(toImport, "text", "a", "text", "b"), 400)
	w.Wants(w.Upload(toImport, "do", strings.Repeat("x", page.MaxParam+1)), 400)
	req := idptest.Must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+toImport, strings.NewReader("--between\r\nno end")))(t)
	req.Header.Set("Content-Type", "multipart/form-data; boundary=between")
	w.Wants(w.Do(req), 400)
	w.Wants(w.Post(toImport, "text", "username"), 400)
	imported(w, two)
}

func TestImportShowsHowFarItIs(t *testing.T) {
	t.Parallel()
	var slow stepwise
	w := walk.New(t, slow.stepping)
	chief := w.Staff(idp.StaffAdmin)
	file := crowd(1000)
	begin := func() string {
		t.Helper()
		slow.gate = newGate(t)
		page := w.Upload(toImport, "text", file, "do", "import").Request.URL.Path
		slow.gate.until(admin.ImportStep{Done: 500, Of: 1000})
		return page
	}
	page := begin()
	w.Wants(w.Get(page), 200, "Checking the file", "500 of 1,000", `value="500"`, `http-equiv="refresh"`, `data-live="`+page+`"`, `data-state="checking-50"`, "Stop, add nobody")
	w.Wants(w.Get(page+"/state"), 200, `{"state":"checking-50"}`)
	slow.gate.next(admin.ImportStep{Adding: true, Done: 200, Of: 1000})
	w.Wants(w.Get(page), 200, "Adding people", "200 of 1,000", `data-state="adding-20"`)
	if got := names(w); len(got) != 201 {
		t.Errorf("there are %d", len(got))
	}

	// One at a time, and nobody else's.
	w.Wants(w.Upload(toImport, "text", "username\nb"), 409, "under way", `href="`+page+`"`)
	w.Elsewhere(func() {
		w.SignIn(chief, w.Visit("/admin/users"))
		for _, path := range []string{page, page + "/state", page + "/events"} {
			w.Wants(w.Get(path), 404, "There is nothing here")
		}
		for _, path := range []string{page + "/stop", page + "/add"} {
			w.Wants(w.Post(path), 404, "There is nothing here")
		}
		w.Wants(w.Upload(toImport, "text", "username\nb"), 409, "under way", `not `+page)
	})

	// Stopped: who was added already is taken back.
	if to := w.Led(w.Post(page + "/stop")); to != page {
		t.Errorf("leads to %s", to)
	}
	w.Wants(w.Get(page), 200, "Stopped. Nobody was added.", "not data-live")
	imported(w)
	if got := names(w); !slices.Equal(got, []string{"admin"}) {
		t.Errorf("there are %d: %.80q", len(got), got)
	}

	// Through to its end.
	page = begin()
	slow.gate.through(w)
	w.Wants(w.Get(page), 200, "1,000 people were added", "not http-equiv")
	w.Wants(w.Get(page+"/state"), 200, `{"state":"over"}`)
	imported(w, file)
	w.Forget()
	w.Wants(w.Get(page), 200, "1,000 people were added")
}

// Of a file that nothing is known of any more the log says what became of it.
func TestImportLongAgo(t *testing.T) {
	t.Parallel()
	w := walk.New(t)
	chief := w.Staff(idp.StaffAdmin)
	const one, other = "username\na\nb", "username\nc\nd\ne"
	page := w.Led(w.Upload(toImport, "text", one, "do", "import"))
	tried := w.Led(w.Upload(toImport, "text", other, "do", "try"))
	// The same file, by somebody else, is not what came of theirs.
	w.Elsewhere(func() {
		w.Enrol(idp.User{Name: "deputy", Staff: idp.StaffAdmin})
		w.Led(w.Upload(toImport, "text", other, "do", "import"))
	})
	imported(w, one, other)
	for range idp.DefaultListPage { // more than one part of the log has, since
		note(w, idp.Event{At: w.Clock.Now(), Kind: idp.EventUsersImported, Actor: idp.Actor{User: chief.ID, Name: chief.Name}, Detail: map[string]string{"sha256": "x", "count": "9"}})
	}
	w.Forget()
	w.Wants(w.Get(tried), 200, "nobody was added by it", "not were added")
	w.Wants(w.Get(page), 200, "2 people were added")
	w.Wants(w.Get(page+"/state"), 410)
	for _, verb := range []string{"/stop", "/add"} {
		w.Leads(w.Held().Post(page+verb), page)
	}
	// Of another session, of another kind, made up.
	w.Wants(w.Get(strings.Replace(page, "imports", "checks", 1)), 404)
	made := []byte(page)
	made[len(made)-20] ^= 1
	w.Wants(w.Get(string(made)), 404)
	w.Wants(w.Get(importPath+"x"), 404)
	w.Elsewhere(func() {
		w.SignIn(chief, w.Visit("/admin/users"))
		w.Wants(w.Get(page), 404)
	})
}

// A provider that ends stops what runs, and waits for it.
func TestJobsEndWithTheProvider(t *testing.T) {
	t.Parallel()
	ending := make(chan struct{})
	slow := stepwise{gate: newGate(t)}
	w := walk.New(t, slow.stepping, func(p *walk.Parts) { p.Desk.Ending = ending })
	w.Staff(idp.StaffAdmin)
	r := w.Upload(toImport, "text", crowd(200), "do", "import")
	slow.gate.until(admin.ImportStep{Adding: true, Done: 100, Of: 200})
	close(ending)
	w.Wants(w.Get(w.Led(r)), 200, "Stopped. Nobody was added.")
	if got := names(w); !slices.Equal(got, []string{"admin"}) {
		t.Errorf("there are %d: %.80q", len(got), got)
	}
}
