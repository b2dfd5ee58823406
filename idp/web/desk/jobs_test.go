package desk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/store"
	"hilum/idp/web/page"
	"hilum/idp/web/webtest"
)

// newBench is a workbench on a database, of which there may be others.
func newBench(t *testing.T, db *store.DB, clock *idptest.Clock, log *idptest.Log) *workbench {
	t.Helper()
	door := idptest.Must(page.New(page.Config{Words: webtest.Words(), Site: idp.Named("Imaging"), Origin: "https://idp.example", CookieKey: make([]byte, 32), SessionAbsolute: time.Hour, Now: clock.Now, Log: log.Logger()}))(t)
	b := &workbench{room: room{door: door}, jobs: NewJobs(db, sameSealer{}), key: make([]byte, 32)}
	t.Cleanup(func() { b.jobs.Wait(time.Minute) })
	return b
}

// sameSealer seals nothing, and looks that a value is opened for the row that it was sealed for.
type sameSealer struct{}

func (sameSealer) Seal(plain []byte, row string) ([]byte, error) {
	return append([]byte(row+"\x00"), plain...), nil
}

func (sameSealer) Open(sealed []byte, row string) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, []byte(row+"\x00"))
	if !ok {
		return nil, errors.New("sealed for another row")
	}
	return plain, nil
}

// staffOf is somebody of the staff, in a session of theirs.
func staffOf(n int) staff {
	id := fmt.Sprintf("U%d", n)
	return staff{page.Person{User: &idp.User{ID: idp.UserID(id)}, Session: &idp.Session{ID: idp.SessionID("S" + id)}}, admin.By{Actor: idp.Actor{User: idp.UserID(id)}}}
}

func importOf(text string) *job { return &job{Job: idp.Job{Kind: idp.JobImport}, text: text} }

// Jobs are few, whoever asks and whichever instance; what is finished gives way, and is
// forgotten in time.
func TestJobsAreBounded(t *testing.T) {
	t.Parallel()
	clock, log := idptest.At(idptest.Noon), &idptest.Log{}
	db := idptest.Store(t, clock.Now, nil)
	both := []*workbench{newBench(t, db, clock, log), newBench(t, db, clock, log)}
	bench := both[0]
	hold := make(chan struct{})
	waits := func(context.Context, *job) outcome { <-hold; return outcome{State: "good", Keep: true} }
	for n := range both {
		if _, err := both[n].beginJob(t.Context(), staffOf(n), importOf("x"), waits); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range both {
		if _, err := b.beginJob(t.Context(), staffOf(2), importOf("x"), waits); !errors.Is(err, idp.ErrBusy) {
			t.Errorf("one more than may run: %v", err)
		}
		if other, err := b.beginJob(t.Context(), staffOf(1), importOf("x"), waits); !errors.Is(err, idp.ErrConflict) || other.User != "U1" {
			t.Errorf("a second one of somebody: %v, %v", other, err)
		}
	}
	if _, err := bench.beginJob(t.Context(), staffOf(0), &job{Job: idp.Job{Kind: idp.JobCheck}}, waits); err != nil {
		t.Errorf("one of another kind: %v", err)
	}
	close(hold)
	for _, b := range both {
		b.jobs.Wait(time.Minute)
	}
	const kept = 8
	var ids []idp.JobID
	for n := range 3 * kept {
		clock.Add(time.Second)
		j, err := both[n%2].beginJob(t.Context(), staffOf(n), importOf("x"), func(context.Context, *job) outcome { return outcome{State: "good", Keep: true} })
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, j.ID)
		both[n%2].jobs.Wait(time.Minute)
		held := 0
		for _, id := range ids {
			if _, err := bench.jobs.find(t.Context(), id, clock.Now()); err == nil {
				held++
			}
		}
		if held == 0 || held > kept+1 {
			t.Fatalf("%d are kept", held)
		}
	}
	last := ids[len(ids)-1]
	if _, err := bench.jobs.find(t.Context(), last, clock.Now().Add(idp.JobKept+time.Second)); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("kept for ever: %v", err)
	}
	if err := db.Sweep(t.Context(), clock.Now().Add(idp.JobKept+time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.JobFile(t.Context(), last, 0); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("its file is kept for ever: %v", err)
	}
	// One that panics is over, and takes nobody along.
	j, err := bench.beginJob(t.Context(), staffOf(1), importOf("x"), func(context.Context, *job) outcome { panic("oh") })
	bench.jobs.Wait(time.Minute)
	is := idptest.Must(both[1].jobs.find(t.Context(), j.ID, clock.Now()))(t)
	if o, wrong := both[1].jobs.outcomeOf(is); err != nil || wrong != nil || wordOf(is) != "over" || o.State != "failed" || !strings.Contains(log.String(), "oh") {
		t.Errorf("%v, %v, %q, %+v", err, wrong, wordOf(is), o)
	}
}

// Whichever instance is asked shows how far a job is, and can stop it; what came of it, and
// its file, are there for all.
func TestJobsOfAnotherInstance(t *testing.T) {
	t.Parallel()
	clock, log := idptest.At(idptest.Noon), &idptest.Log{}
	db := idptest.Store(t, clock.Now, nil)
	owner, other := newBench(t, db, clock, log), newBench(t, db, clock, log)
	text := strings.Repeat("username\n", filePart/4) // more than two parts
	j, err := owner.beginJob(t.Context(), staffOf(1), importOf(text), func(ctx context.Context, j *job) outcome {
		j.tell(admin.ImportStep{Adding: true, Done: 40, Of: 100})
		<-ctx.Done()
		return outcome{State: "stopped", Keep: true}
	})
	if err != nil {
		t.Fatal(err)
	}
	word := func() string {
		t.Helper()
		return wordOf(idptest.Must(other.jobs.find(t.Context(), j.ID, clock.Now()))(t))
	}
	woken, leave := waitElsewhere()
	defer leave()
	until := func(want string) {
		t.Helper()
		for end := time.After(time.Minute); word() != want; {
			select {
			case <-woken:
			case <-end:
				t.Fatalf("it is %q, want %q", word(), want)
			}
		}
	}
	until("adding-40")
	if err := other.stopJob(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	until("over")
	is := idptest.Must(other.jobs.find(t.Context(), j.ID, clock.Now()))(t)
	o := idptest.Must(other.jobs.outcomeOf(is))(t)
	got := idptest.Must(other.jobs.file(t.Context(), j.ID, o))(t)
	if o.State != "stopped" || got != text || o.Parts < 3 {
		t.Errorf("%+v, a file of %d bytes", o, len(got))
	}
	// A part that was put in the place of another, or is gone, is not taken for the file.
	o.File[0] ^= 1
	if _, err := other.jobs.file(t.Context(), j.ID, o); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("another file is taken: %v", err)
	}
	if _, err := other.jobs.file(t.Context(), j.ID, &outcome{Parts: 99}); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("half a file is taken: %v", err)
	}
}

// Nothing is known any more of a job whose instance has died: it is in nobody's way.
func TestJobsOfADeadInstance(t *testing.T) {
	t.Parallel()
	clock, log := idptest.At(idptest.Noon), &idptest.Log{}
	db := idptest.Store(t, clock.Now, nil)
	bench := newBench(t, db, clock, log)
	j := &idp.Job{ID: "J", Kind: idp.JobImport, User: "U1", Session: "SU1", Owner: "gone", BegunAt: clock.Now(), BeatAt: clock.Now()}
	if _, err := db.BeginJob(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	nothing := func(context.Context, *job) outcome { return outcome{State: "good"} }
	if _, err := bench.beginJob(t.Context(), staffOf(1), importOf("x"), nothing); !errors.Is(err, idp.ErrConflict) {
		t.Errorf("while it runs: %v", err)
	}
	clock.Add(idp.JobDead + time.Second)
	if _, err := bench.jobs.find(t.Context(), j.ID, clock.Now()); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("it is shown as running: %v", err)
	}
	if _, err := bench.beginJob(t.Context(), staffOf(1), importOf("x"), nothing); err != nil {
		t.Errorf("when it is dead: %v", err)
	}
	// It was not dead, and comes again: its row is gone.
	if _, err := db.BeatJob(t.Context(), j.ID, "gone", idp.JobStep{}, clock.Now()); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("a beat: %v", err)
	}
	if err := db.EndJob(t.Context(), j.ID, "gone", idp.JobStep{}, nil, clock.Now()); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("an end: %v", err)
	}
}
