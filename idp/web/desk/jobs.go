package desk

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/page"
	"hilum/templates"
)

// What takes longer than a request may, a file of people or the check of the
// log, is done apart from requests, as a job of this process. Its state belongs to the
// session that began it, is kept in memory only, and ends with the process: what
// counts is in the database and the log.

// jobKind is what a job does; it is a part of the mark in its id.
type jobKind string

const (
	jobImport jobKind = "import"
	jobCheck  jobKind = "check"
)

// How many jobs of each kind there may be in this process, and for how long.
const (
	maxRunning = 2                // that run at once
	maxJobs    = 8                // that are kept, finished ones included: each may hold a file
	keepJob    = 30 * time.Minute // that a finished job is kept
)

// jobID names a job. It has a mark of the session that began it, by which a page can tell
// a job that is not known here any more from one that was made up.
type jobID string

// job is work of an administrator that takes longer than a request. What stands above
// the lock does not change.
type job struct {
	id      jobID
	kind    jobKind
	by      admin.By
	session idp.SessionID
	dry     bool   // jobImport: admin.ImportHow.Dry
	mail    bool   // jobImport: admin.ImportHow.Mail
	text    string // of the file; empty for jobCheck
	cancel  context.CancelFunc

	mu       sync.Mutex
	step     admin.ImportStep // how far it is; of jobCheck the numbers only
	stopping bool             // stop was called while it ran
	ended    time.Time        // zero while it runs
	result   *admin.Import    // jobImport; nil while it runs
	chain    *admin.Chain     // jobCheck; nil while it runs
	err      error            // why it did not come through
	woken    []chan struct{}  // of those who wait for another word
}

// workbench is what a part of the administration has whose work takes long.
type workbench struct {
	room
	jobs   *Jobs
	key    []byte          // as Config.JobKey
	ending <-chan struct{} // as Config.Ending; nil: never
}

// Jobs are the jobs of this process. The zero value is ready.
type Jobs struct {
	mu      sync.Mutex
	all     map[jobID]*job
	running sync.WaitGroup
}

// Wait returns when no job runs any more, or after most. An import that is not through by
// then is taken back as after a crash.
func (js *Jobs) Wait(most time.Duration) {
	done := make(chan struct{})
	go func() { // ends with the last job
		js.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(most):
	}
}

// jobLetters write the bytes of a jobID (RFC 4648, section 7, without padding).
var jobLetters = base32.HexEncoding.WithPadding(base32.NoPadding)

// markOf is the part of a job's id that only we can make: 8 bytes of an HMAC-SHA-256 over
// the kind of the job, the session that began it, and the other part, head.
func (s *workbench) markOf(kind jobKind, session idp.SessionID, head []byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	fmt.Fprintf(mac, "job\x00%s\x00%s\x00", kind, session)
	mac.Write(head)
	return mac.Sum(nil)[:8]
}

// newJobID makes an id of the first digestPart bytes of the SHA-256 of the file, three
// random bytes, and our mark of 8. Without a file the first 8 are all random.
func (s *workbench) newJobID(kind jobKind, session idp.SessionID, text string) jobID {
	b := make([]byte, 8, 16)
	sum := sha256.Sum256([]byte(text))
	copy(b, sum[:digestPart])
	if text == "" {
		rand.Read(b)
	}
	rand.Read(b[digestPart:])
	return jobID(jobLetters.EncodeToString(append(b, s.markOf(kind, session, b)...)))
}

// digestPart is how many bytes of a file's digest are in the id of its job.
const digestPart = 5

// digestOf returns the beginning of the digest of a job's file, in hexadecimal, as the log
// has it; empty for what is no id.
func digestOf(id jobID) string {
	b, err := jobLetters.DecodeString(string(id))
	if err != nil || len(b) < digestPart {
		return ""
	}
	return fmt.Sprintf("%x", b[:digestPart])
}

// ownJob returns the job of a path. The job is nil when it was one of this session and is
// not known here any more. Errors: idp.ErrNotFound, also for another session's job.
func (s *workbench) ownJob(r *http.Request, p staff, kind jobKind) (jobID, *job, error) {
	id := page.PathID[jobID](r, "id")
	s.jobs.mu.Lock()
	s.jobs.forget(s.door.Now())
	j := s.jobs.all[id]
	s.jobs.mu.Unlock()
	if j != nil && j.kind == kind && j.session == p.Session.ID {
		return id, j, nil
	}
	b, err := jobLetters.DecodeString(string(id))
	if j != nil || err != nil || len(b) != 16 || !hmac.Equal(b[8:], s.markOf(kind, p.Session.ID, b[:8])) {
		return "", nil, fmt.Errorf("job: %w", idp.ErrNotFound)
	}
	return id, nil, nil
}

// forget drops jobs that have been finished for longer than keepJob. The caller holds the
// lock.
func (js *Jobs) forget(now time.Time) {
	for id, j := range js.all {
		if at, over := j.endedAt(); over && now.Sub(at) > keepJob {
			delete(js.all, id)
		}
	}
}

// endedAt returns when a job has ended; false while it runs.
func (j *job) endedAt() (time.Time, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended, !j.ended.IsZero()
}

// beginJob starts a job that does do, in the place of a finished one of the same kind and
// person. Errors: idp.ErrConflict, with the other job, when theirs still runs; idp.ErrBusy
// when maxRunning run.
func (s *workbench) beginJob(p staff, j *job, do func(ctx context.Context, j *job) error) (*job, error) {
	js := s.jobs
	js.mu.Lock()
	defer js.mu.Unlock()
	js.forget(s.door.Now())
	running, held := 0, 0
	var oldest *job
	var oldestAt time.Time
	for id, other := range js.all {
		if other.kind != j.kind {
			continue
		}
		at, over := other.endedAt()
		mine := other.by.Actor.User == p.by.Actor.User
		switch {
		case !over && mine:
			return other, fmt.Errorf("another %s of %s runs: %w", j.kind, p.by.Actor.Name, idp.ErrConflict)
		case !over:
			running++
		case mine:
			delete(js.all, id)
			continue
		case oldest == nil || at.Before(oldestAt):
			oldest, oldestAt = other, at
		}
		held++
	}
	if running >= maxRunning {
		return nil, fmt.Errorf("%d jobs run: %w", running, idp.ErrBusy)
	}
	if held >= maxJobs && oldest != nil {
		delete(js.all, oldest.id)
	}
	if js.all == nil {
		js.all = map[jobID]*job{}
	}
	j.by, j.session = p.by, p.Session.ID
	j.id = s.newJobID(j.kind, j.session, j.text)
	ctx, cancel := context.WithCancel(context.Background())
	j.cancel = cancel
	js.all[j.id] = j
	js.running.Go(func() { // ends with the job, which is stopped when the process is to end
		defer cancel()
		s.runJob(ctx, j, do)
	})
	if s.ending != nil {
		go func() { // ends with the job, or before it
			select {
			case <-s.ending:
				j.stop()
			case <-ctx.Done():
			}
		}()
	}
	return j, nil
}

// runJob does a job and notes how it ended. A panic is logged, and the job has broken off.
func (s *workbench) runJob(ctx context.Context, j *job, do func(ctx context.Context, j *job) error) {
	err := fmt.Errorf("%s broke off", j.kind)
	defer func() {
		if p := recover(); p != nil {
			s.door.Log().LogAttrs(ctx, slog.LevelError, "panic", slog.String("job", string(j.id)), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		}
		j.mu.Lock()
		j.err, j.ended = err, s.door.Now()
		j.mu.Unlock()
		j.wake()
	}()
	err = do(ctx, j)
}

// stop has a job end before it is through; it does not wait for that.
func (j *job) stop() {
	j.mu.Lock()
	j.stopping = j.stopping || j.ended.IsZero()
	j.mu.Unlock()
	j.cancel()
	j.wake()
}

// tell notes the step that a job has reached, and wakes its page where that is shown.
func (j *job) tell(step admin.ImportStep) {
	j.mu.Lock()
	before := j.wordNow()
	j.step = step
	changed := before != j.wordNow()
	j.mu.Unlock()
	if changed {
		j.wake()
	}
}

// word says how a job stands: when it changes, its page is another.
func (j *job) word() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.wordNow()
}

// wordNow is word where the caller holds the lock: "over", "stopping", or what is being
// done and its share in per cent, as in "adding-40".
func (j *job) wordNow() string {
	switch {
	case !j.ended.IsZero():
		return "over"
	case j.stopping:
		return "stopping"
	}
	of := max(j.step.Of, 1)
	part := strconv.Itoa(j.step.Done * 100 / of)
	switch {
	case j.step.Mailing:
		return "mailing-" + part
	case j.step.Adding:
		return "adding-" + part
	}
	return "checking-" + part
}

// far is how far a job is, in words. The caller holds the lock.
func (j *job) far() templates.Message {
	return templates.Say("admin.job.far", "Done", j.step.Done, "Of", j.step.Of)
}

// wake tells those who wait that the word may be another.
func (j *job) wake() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.woken {
		select {
		case c <- struct{}{}:
		default: // it is to look anyway
		}
	}
}

// wait returns a channel that is woken when the job's word may have changed, and what is
// called when nobody waits on it any more, as page.Door.Follow takes them.
func (j *job) wait() (woken <-chan struct{}, leave func()) {
	c := make(chan struct{}, 1)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.woken = append(j.woken, c)
	return c, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		for i := range j.woken {
			if j.woken[i] == c {
				j.woken = append(j.woken[:i], j.woken[i+1:]...)
				return
			}
		}
	}
}

// jobState answers a poll of a job's page with the job's word.
func (s *workbench) jobState(kind jobKind) handler {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		look, _, err := s.jobPulse(r, p, kind)
		if err != nil {
			return err
		}
		return s.door.State(w, r, look)
	}
}

// jobEvents answers with an event stream of the job's word.
func (s *workbench) jobEvents(kind jobKind) handler {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		look, j, err := s.jobPulse(r, p, kind)
		if err != nil {
			return err
		}
		return s.door.Follow(w, r, look, j.wait)
	}
}

// jobPulse returns how a job's word is looked at, and the job. Errors: idp.ErrNotFound, and
// idp.ErrExpired where the job is not known here any more.
func (s *workbench) jobPulse(r *http.Request, p staff, kind jobKind) (page.Pulse, *job, error) {
	_, j, err := s.ownJob(r, p, kind)
	if err != nil {
		return nil, nil, err
	}
	if j == nil {
		return nil, nil, idp.ErrExpired // the page itself says what became of it
	}
	return func(context.Context) (string, []idp.Topic, error) { return j.word(), nil, nil }, j, nil
}
