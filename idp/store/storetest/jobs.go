package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"hilum/idp"
)

func (s *site) job(user string) *idp.Job {
	return &idp.Job{
		ID: idp.NewID[idp.JobID](), Kind: idp.JobImport, User: idp.UserID(user), Session: idp.SessionID("session of " + user), Owner: "one",
		Step: idp.JobStep{Of: 9}, BegunAt: s.now, BeatAt: s.now,
	}
}

func jobs(t *testing.T, s *site) {
	j := s.job("anna")
	begin := func(j *idp.Job, want error) *idp.Job {
		t.Helper()
		other, err := s.BeginJob(s.ctx(), j)
		s.is(err, want)
		return other
	}
	begin(j, nil)
	got, err := s.Job(s.ctx(), j.ID)
	s.ok(err)
	same(t, got, j)
	_, err = s.Job(s.ctx(), "nobody's")
	s.is(err, idp.ErrNotFound)
	if other := begin(s.job("anna"), idp.ErrConflict); other == nil || other.ID != j.ID {
		t.Errorf("in the way is %+v", other)
	}
	begin(s.job("bert"), nil)
	begin(s.job("carl"), idp.ErrBusy)

	// Only its owner says how it stands.
	step := idp.JobStep{Adding: true, Done: 3, Of: 9}
	s.now = s.now.Add(time.Second)
	_, err = s.BeatJob(s.ctx(), j.ID, "other", step, s.now)
	s.is(err, idp.ErrNotFound)
	s.is(s.EndJob(s.ctx(), j.ID, "other", step, nil, s.now), idp.ErrNotFound)
	stop, err := s.BeatJob(s.ctx(), j.ID, j.Owner, step, s.now)
	if s.ok(err); stop {
		t.Error("nobody wished it to end")
	}
	s.ok(s.StopJob(s.ctx(), j.ID))
	if stop, err = s.BeatJob(s.ctx(), j.ID, j.Owner, step, s.now); err != nil || !stop {
		t.Errorf("stopping %t, %v", stop, err)
	}
	for part, text := range []string{"a", "b"} {
		s.ok(s.PutJobFile(s.ctx(), j.ID, part, []byte(text)))
	}
	s.is(s.PutJobFile(s.ctx(), "nobody's", 0, []byte("a")), idp.ErrNotFound)
	s.ok(s.EndJob(s.ctx(), j.ID, j.Owner, step, []byte("sealed"), s.now))
	s.is(s.EndJob(s.ctx(), j.ID, j.Owner, step, []byte("again"), s.now), idp.ErrNotFound)
	_, err = s.BeatJob(s.ctx(), j.ID, j.Owner, step, s.now)
	s.is(err, idp.ErrNotFound)
	got, err = s.Job(s.ctx(), j.ID)
	s.ok(err)
	want := *j
	want.Step, want.Stopping, want.BeatAt, want.EndedAt, want.Outcome = step, true, s.now, s.now, []byte("sealed")
	same(t, got, &want)
	if b, err := s.JobFile(s.ctx(), j.ID, 1); err != nil || !bytes.Equal(b, []byte("b")) {
		t.Errorf("%q, %v", b, err)
	}
	_, err = s.JobFile(s.ctx(), j.ID, 2)
	s.is(err, idp.ErrNotFound)

	// The next of the same person takes its place, with its file.
	s.now = s.now.Add(time.Second)
	next := s.job("anna")
	begin(next, nil)
	_, err = s.Job(s.ctx(), j.ID)
	s.is(err, idp.ErrNotFound)
	_, err = s.JobFile(s.ctx(), j.ID, 0)
	s.is(err, idp.ErrNotFound)

	// What ended, or died, goes when nobody looks at it any more.
	s.ok(s.PutJobFile(s.ctx(), next.ID, 0, []byte("c")))
	s.ok(s.EndJob(s.ctx(), next.ID, next.Owner, step, nil, s.now))
	s.ok(s.Sweep(s.ctx(), s.now.Add(idp.JobKept-time.Second)))
	_, err = s.Job(s.ctx(), next.ID)
	s.ok(err)
	s.ok(s.Sweep(s.ctx(), s.now.Add(idp.JobKept+time.Second)))
	_, err = s.Job(s.ctx(), next.ID)
	s.is(err, idp.ErrNotFound)
	_, err = s.JobFile(s.ctx(), next.ID, 0)
	s.is(err, idp.ErrNotFound)
}

// Of many who begin a job at once as many do as may run, and of one person one.
func rivalsJob(t *testing.T, c *contest) {
	const n, people, running = 24, 3, 2
	begun := make([]string, n)
	out := c.race(n, func(s Store, i int) error {
		user := fmt.Sprint("person ", i%people)
		_, err := s.BeginJob(c.ctx(), c.job(user))
		if err == nil {
			begun[i] = user
		}
		return err
	})
	if out.won != running || out.kinds[idp.ErrConflict]+out.kinds[idp.ErrBusy] != n-running {
		t.Fatalf("%d run of %d, others %v", out.won, running, out.kinds)
	}
	slices.Sort(begun)
	if of := slices.Compact(begun); len(of) != running+1 { // and those who were refused
		t.Fatalf("one person began two: %q", of)
	}
}
