package desk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/page"
	"hilum/idp/web/webtest"
)

// led returns where a POST leads, and waits for the job that it began.
func (d *door) led(r webtest.Reply) string {
	d.Helper()
	if r.StatusCode != http.StatusSeeOther {
		d.Fatalf("%d, want a way on:\n%s", r.StatusCode, r.Body)
	}
	d.conf.Jobs.Wait(time.Minute)
	return r.Header.Get("Location")
}

const toImport = "/admin/users/import"

func TestDeskImport(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	d.Wants(d.Get(toImport), 200, "username, name", `type="file"`, "50,000 people, 20 MB")

	desk.tried = admin.Import{People: 1, More: true, Faults: []admin.ImportFault{{Line: 3, Name: "bad name", Err: &idp.FieldError{Field: "username", Message: "user.name.letters"}}, {Line: 7, Name: "anna", Err: idp.ErrConflict}}}
	at := d.led(d.upload(toImport, multipartOf("file", "username\n</textarea>", "text", "", "do", "try")))
	d.Wants(d.Get(at), 200, "Line 3", "bad name", "Line 7", "Somebody has this user name", "more faulty lines", "&lt;/textarea&gt;", "not import-now", "not http-equiv")
	if desk.text != "username\n</textarea>" {
		t.Errorf("read %q", desk.text)
	}
	// What has faults is not added by any way.
	if to := d.led(d.Post(at + "/add")); to != at || slices.Contains(desk.asked, "import false") {
		t.Errorf("added with faults: %s, %q", to, desk.asked)
	}

	desk.tried = admin.Import{People: 2}
	at = d.led(d.upload(toImport, multipartOf("text", "username\na\nb", "do", "try")))
	d.Wants(d.Get(at), 200, "2 people can be added", "Add 2 people", `id="import-now"`, "not data-live")
	if last := desk.asked[len(desk.asked)-1]; last != "import true" {
		t.Errorf("a try asked %q", last)
	}
	added := d.led(d.Post(at + "/add"))
	if added == at {
		t.Fatal("nothing was begun")
	}
	d.Wants(d.Get(added), 200, "2 people were added", `href="/admin/users?down=1&amp;f=invited&amp;sort=added"`)
	if last := desk.asked[len(desk.asked)-1]; last != "import false" || desk.text != "username\na\nb" {
		t.Errorf("asked %q with %q", last, desk.text)
	}
	if to := d.led(d.Post(added + "/stop")); to != added { // too late
		t.Errorf("leads to %s", to)
	}
	d.Wants(d.Get(added), 200, "2 people were added")

	desk.err = idp.ErrConflict
	desk.tried.Faults = []admin.ImportFault{{Line: 2, Name: "a", Err: idp.ErrConflict}}
	d.Wants(d.Get(d.led(d.upload(toImport, multipartOf("text", "username\na", "do", "import")))), 200, "Line 2")
	desk.err = &idp.FieldError{Field: "file", Message: "import.encoding"}
	d.Wants(d.Get(d.led(d.upload(toImport, multipartOf("text", "\xff", "do", "try")))), 200, "is not in UTF-8", "\uFFFD")
	desk.err = errors.New("the disk is gone")
	at = d.led(d.upload(toImport, multipartOf("text", "username\nx", "do", "import")))
	d.Wants(d.Get(at), 200, "Nobody was added", strings.TrimPrefix(at, "/admin/imports/"), "not the disk")
	if !strings.Contains(d.log.String(), "the disk is gone") {
		t.Error("nothing was logged")
	}
	desk.err, desk.tried = nil, admin.Import{}
	d.Wants(d.Get(d.led(d.upload(toImport, multipartOf("text", "username", "do", "import")))), 200, "nobody in the file")
	d.Wants(d.upload(toImport, multipartOf("text", "", "do", "try")), 422, "has to name the columns")

	// A file may be long, a text less so; what is long is not put into the page.
	long := "username\n" + strings.Repeat("x", 3*page.MaxText)
	desk.tried = admin.Import{Faults: []admin.ImportFault{{Line: 2, Err: idp.ErrConflict}}}
	r := d.Get(d.led(d.upload(toImport, multipartOf("file", long, "text", ""))))
	d.Wants(r, 200, "Line 2", "not <textarea")
	if len(desk.text) != len(long) {
		t.Errorf("read %d bytes", len(desk.text))
	}
	d.Wants(d.upload(toImport, multipartOf("text", strings.Repeat("x", page.MaxText+1))), 413, "20 megabytes")
	d.Wants(d.upload(toImport, multipartOf("file", strings.Repeat("x", admin.MaxImportBytes+1))), 413, "20 megabytes")
	for _, bad := range []string{multipartOf("text", "a", "text", "b"), multipartOf("do", strings.Repeat("x", page.MaxParam+1)), "--" + boundary + "\r\nno end"} {
		d.Wants(d.upload(toImport, bad), 400)
	}
	d.Wants(d.Post(toImport, "text", "username"), 400)
}

// slowly makes imports wait in the middle. at says that one is there, and what
// is sent to on lets it go on.
func (f *fakeDesk) slowly() (at chan admin.ImportStep, on chan struct{}) {
	at, on = make(chan admin.ImportStep), make(chan struct{})
	f.during = func(ctx context.Context, progress func(admin.ImportStep)) error {
		for _, step := range []admin.ImportStep{{Done: 500, Of: 10000}, {Adding: true, Done: 2500, Of: 10000}} {
			progress(step)
			at <- step
			select {
			case <-on:
			case <-ctx.Done():
				return fmt.Errorf("taken back: %w", ctx.Err())
			}
		}
		return nil
	}
	return at, on
}

func TestImportShowsHowFarItIs(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.tried = admin.Import{People: 10000}
	at, on := desk.slowly()
	begin := func() string {
		t.Helper()
		r := d.upload(toImport, multipartOf("text", "username\na", "do", "import"))
		if r.StatusCode != 303 {
			t.Fatalf("%d:\n%s", r.StatusCode, r.Body)
		}
		<-at
		return r.Header.Get("Location")
	}
	page := begin()
	d.Wants(d.Get(page), 200, "Checking the file", "500 of 10,000", `value="500"`, `http-equiv="refresh"`, `data-live="`+page+`"`, `data-state="checking-5"`, "Stop, add nobody")
	d.Wants(d.Get(page+"/state"), 200, `{"state":"checking-5"}`)
	on <- struct{}{}
	<-at
	d.Wants(d.Get(page), 200, "Adding people", "2,500 of 10,000", `data-state="adding-25"`)

	// One at a time, and nobody else's.
	d.Wants(d.upload(toImport, multipartOf("text", "username\nb")), 409, "under way", `href="`+page+`"`)
	d.logins.session.ID = "SESSIONSESSIONSESSIONSESS3"
	for _, path := range []string{page, page + "/state", page + "/events"} {
		d.Wants(d.Get(path), 404, "There is nothing here")
	}
	for _, path := range []string{page + "/stop", page + "/add"} {
		d.Wants(d.Post(path), 404, "There is nothing here")
	}
	d.Wants(d.upload(toImport, multipartOf("text", "username\nb")), 409, "under way", `not `+page)
	d.logins.session.ID = aSession

	// Stopped: it says so, first that it is at it.
	if to := d.led(d.Post(page + "/stop")); to != page {
		t.Errorf("leads to %s", to)
	}
	d.Wants(d.Get(page), 200, "Stopped. Nobody was added.", "not data-live")
	if slices.Contains(desk.asked, "import false") {
		t.Error("it went on")
	}

	// Through to its end.
	page = begin()
	on <- struct{}{}
	<-at
	on <- struct{}{}
	d.conf.Jobs.Wait(time.Minute)
	d.Wants(d.Get(page), 200, "10,000 people were added", "not http-equiv")
	d.Wants(d.Get(page+"/state"), 200, `{"state":"over"}`)
}

// Another provider on the same key, as after a restart, says what became of a
// file that it does not know: by the log.
func TestImportAfterARestart(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.tried = admin.Import{People: 2}
	page := d.led(d.upload(toImport, multipartOf("text", "username\na", "do", "import")))
	d.conf.Jobs.all = nil
	desk.events = idp.EventPage{Rows: []idp.Event{{Kind: idp.EventUsersImported, Detail: map[string]string{"sha256": "00ff", "count": "7"}}}}
	d.Wants(d.Get(page), 200, "nobody was added by it", "not were added")
	if q := desk.log; len(q.Kinds) != 1 || q.Kinds[0] != idp.EventUsersImported || q.Actor != "U" {
		t.Errorf("asked the log for %+v", q)
	}
	desk.events.Rows = append(desk.events.Rows, idp.Event{Kind: idp.EventUsersImported, Detail: map[string]string{"sha256": digestOf(jobID(strings.TrimPrefix(page, "/admin/imports/"))) + "77", "count": "1234"}})
	d.Wants(d.Get(page), 200, "1,234 people were added")
	d.Wants(d.Get(page+"/state"), 410)
	for _, verb := range []string{"/stop", "/add"} {
		if to := d.led(d.Post(page + verb)); to != page {
			t.Errorf("%s leads to %s", verb, to)
		}
	}
	// Of another session, of another kind, made up.
	d.Wants(d.Get(strings.Replace(page, "imports", "checks", 1)), 404)
	made := []byte(page)
	made[len(made)-20] ^= 1
	d.Wants(d.Get(string(made)), 404)
	d.Wants(d.Get("/admin/imports/x"), 404)
	d.logins.session.ID = "SESSIONSESSIONSESSIONSESS3"
	d.Wants(d.Get(page), 404)
}

// A provider that ends stops what runs, and waits for it.
func TestJobsEndWithTheProvider(t *testing.T) {
	ending := make(chan struct{})
	d := open(t, func(_ *page.Config, c *Config) { c.Ending = ending })
	desk := d.staffed(idp.StaffAdmin)
	at, _ := desk.slowly()
	r := d.upload(toImport, multipartOf("text", "username\na", "do", "import"))
	<-at
	close(ending)
	d.Wants(d.Get(d.led(r)), 200, "Stopped. Nobody was added.")
}

// Jobs are few, whoever asks; what is finished gives way, and is forgotten in time.
func TestJobsAreBounded(t *testing.T) {
	d := open(t)
	d.staffed(idp.StaffAdmin)
	bench := &workbench{room: room{door: d.page}, jobs: d.conf.Jobs, key: d.conf.JobKey}
	as := func(n int) staff {
		id := fmt.Sprintf("U%d", n)
		return staff{page.Person{User: &idp.User{ID: idp.UserID(id)}, Session: &idp.Session{ID: idp.SessionID("S" + id)}}, admin.By{Actor: idp.Actor{User: idp.UserID(id)}}}
	}
	hold := make(chan struct{})
	waits := func(context.Context, *job) error { <-hold; return nil }
	for n := range maxRunning {
		if _, err := bench.beginJob(as(n), &job{kind: jobImport, text: "x"}, waits); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bench.beginJob(as(maxRunning), &job{kind: jobImport, text: "x"}, waits); !errors.Is(err, idp.ErrBusy) {
		t.Errorf("one more than may run: %v", err)
	}
	if _, err := bench.beginJob(as(0), &job{kind: jobCheck}, waits); err != nil {
		t.Errorf("one of another kind: %v", err)
	}
	close(hold)
	d.conf.Jobs.Wait(time.Minute)
	for n := range 3 * maxJobs {
		d.now = d.now.Add(time.Second)
		if _, err := bench.beginJob(as(n), &job{kind: jobImport, text: "x"}, func(context.Context, *job) error { return nil }); err != nil {
			t.Fatal(err)
		}
		d.conf.Jobs.Wait(time.Minute)
		if held := len(d.conf.Jobs.all); held > maxJobs+1 {
			t.Fatalf("%d are kept", held)
		}
	}
	d.conf.Jobs.forget(d.now.Add(keepJob + time.Second))
	if len(d.conf.Jobs.all) != 0 {
		t.Errorf("%d are kept for ever", len(d.conf.Jobs.all))
	}
	// One that panics is over, and takes nobody along.
	j, err := bench.beginJob(as(1), &job{kind: jobImport, text: "x"}, func(context.Context, *job) error { panic("oh") })
	d.conf.Jobs.Wait(time.Minute)
	if err != nil || j.word() != "over" || j.err == nil || !strings.Contains(d.log.String(), "oh") {
		t.Errorf("%v, %q, %v", err, j.word(), j.err)
	}
}
