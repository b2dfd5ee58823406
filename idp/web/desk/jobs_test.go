package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/web/page"
	"hilum/idp/web/webtest"
)

// Jobs are few, whoever asks; what is finished gives way, and is forgotten in time.
func TestJobsAreBounded(t *testing.T) {
	t.Parallel()
	clock, log, jobs := idptest.At(idptest.Noon), &idptest.Log{}, &Jobs{}
	door := idptest.Must(page.New(page.Config{Words: webtest.Words(), Site: idp.Named("Imaging"), Origin: "https://idp.example", CookieKey: make([]byte, 32), SessionAbsolute: time.Hour, Now: clock.Now, Log: log.Logger()}))(t)
	bench := &workbench{room: room{door: door}, jobs: jobs, key: make([]byte, 32)}
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
	jobs.Wait(time.Minute)
	for n := range 3 * maxJobs {
		clock.Add(time.Second)
		if _, err := bench.beginJob(as(n), &job{kind: jobImport, text: "x"}, func(context.Context, *job) error { return nil }); err != nil {
			t.Fatal(err)
		}
		jobs.Wait(time.Minute)
		if held := len(jobs.all); held > maxJobs+1 {
			t.Fatalf("%d are kept", held)
		}
	}
	jobs.forget(clock.Now().Add(keepJob + time.Second))
	if len(jobs.all) != 0 {
		t.Errorf("%d are kept for ever", len(jobs.all))
	}
	// One that panics is over, and takes nobody along.
	j, err := bench.beginJob(as(1), &job{kind: jobImport, text: "x"}, func(context.Context, *job) error { panic("oh") })
	jobs.Wait(time.Minute)
	if err != nil || j.word() != "over" || j.err == nil || !strings.Contains(log.String(), "oh") {
		t.Errorf("%v, %q, %v", err, j.word(), j.err)
	}
}
