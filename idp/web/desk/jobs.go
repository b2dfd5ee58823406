package desk

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/gob"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/page"
	"hilum/templates"
)

// What takes longer than a request may, a file of people or the check of the log, is done
// apart from requests, as a job. One instance does it, and a row (idp.Job) tells all of them
// how it stands: whichever is asked shows it, stops it, and goes on with what came of it. It
// belongs to the session that began it, and is kept for half an hour: what counts is in the
// database and the log.
//
// What came of a job names people, and its file is of people who are not here yet; both are
// sealed in their rows. A file is kept only where it is of use: to be added, or to be mended.

// JobStore keeps jobs; *store.DB implements it, and says which errors come back.
type JobStore interface {
	BeginJob(ctx context.Context, j *idp.Job) (other *idp.Job, err error)
	Job(ctx context.Context, id idp.JobID) (*idp.Job, error)
	BeatJob(ctx context.Context, id idp.JobID, owner string, step idp.JobStep, now time.Time) (stopping bool, err error)
	StopJob(ctx context.Context, id idp.JobID) error
	EndJob(ctx context.Context, id idp.JobID, owner string, step idp.JobStep, outcome []byte, now time.Time) error
	PutJobFile(ctx context.Context, id idp.JobID, part int, sealed []byte) error
	JobFile(ctx context.Context, id idp.JobID, part int) (sealed []byte, err error)
}

// Sealer seals what is at rest, each value for the row that it is in; *keyring.Sealer
// implements it.
type Sealer interface {
	Seal(plain []byte, row string) ([]byte, error)
	Open(sealed []byte, row string) ([]byte, error)
}

// job is a job that this instance does. What stands above the lock does not change.
type job struct {
	idp.Job // as it was begun
	by      admin.By
	how     admin.ImportHow // of idp.JobImport
	text    string          // of the file; empty for idp.JobCheck
	cancel  context.CancelFunc
	ended   chan struct{} // closed when it has ended and its row says so

	mu       sync.Mutex
	step     idp.JobStep
	stopping bool            // stop was called while it ran
	woken    []chan struct{} // of those who wait for another word
}

// outcome is what came of a job, as it is kept: the part of its page that does not change any
// more.
type outcome struct {
	State     string
	Importing importOutcome     // of idp.JobImport
	Checking  checkOutcome      // of idp.JobCheck
	Keep      bool              // the file is of use yet
	File      [sha256.Size]byte // of a file that is kept: its digest, how many rows it is in, and how many bytes it has
	Parts     int
	Bytes     int
}

// workbench is what a part of the administration has whose work takes long.
type workbench struct {
	room
	jobs   *Jobs
	key    []byte          // as Config.JobKey
	ending <-chan struct{} // as Config.Ending; nil: never
}

// Jobs are the jobs of all instances, and among them those that this one does.
type Jobs struct {
	store  JobStore
	sealer Sealer
	owner  string // this instance

	mu      sync.Mutex
	own     map[idp.JobID]*job // that run
	running sync.WaitGroup
}

// NewJobs returns the jobs of a database, for an instance that begins now.
func NewJobs(s JobStore, sealer Sealer) *Jobs {
	return &Jobs{store: s, sealer: sealer, owner: rand.Text(), own: map[idp.JobID]*job{}}
}

// Wait returns when no job of this instance runs any more, or after most. An import that is
// not through by then is taken back as after a crash.
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

// ownJob is the job that this instance does by an id; nil: it does none.
func (js *Jobs) ownJob(id idp.JobID) *job {
	js.mu.Lock()
	defer js.mu.Unlock()
	return js.own[id]
}

// find returns a job as it stands now: of one that this instance does as it knows it, else as its row has it.
// Errors: idp.ErrNotFound, also where nothing is known of it any more.
func (js *Jobs) find(ctx context.Context, id idp.JobID, now time.Time) (*idp.Job, error) {
	if j := js.ownJob(id); j != nil {
		return j.now(), nil
	}
	j, err := js.store.Job(ctx, id)
	if err == nil && !j.Known(now) {
		return nil, fmt.Errorf("job %s: %w", id, idp.ErrNotFound)
	}
	return j, err
}

// jobLetters write the bytes of an idp.JobID (RFC 4648, section 7, without padding).
var jobLetters = base32.HexEncoding.WithPadding(base32.NoPadding)

// markOf is the part of a job's id that only we can make: 8 bytes of an HMAC-SHA-256 over
// the kind of the job, the session that began it, and the other part, head.
func (s *workbench) markOf(kind idp.JobKind, session idp.SessionID, head []byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	fmt.Fprintf(mac, "job\x00%s\x00%s\x00", kind, session)
	mac.Write(head)
	return mac.Sum(nil)[:8]
}

// newJobID makes an id of the first digestPart bytes of the SHA-256 of the file, three
// random bytes, and our mark of 8. Without a file the first 8 are all random.
func (s *workbench) newJobID(kind idp.JobKind, session idp.SessionID, text string) idp.JobID {
	b := make([]byte, 8, 16)
	sum := sha256.Sum256([]byte(text))
	copy(b, sum[:digestPart])
	if text == "" {
		rand.Read(b)
	}
	rand.Read(b[digestPart:])
	return idp.JobID(jobLetters.EncodeToString(append(b, s.markOf(kind, session, b)...)))
}

// digestPart is how many bytes of a file's digest are in the id of its job.
const digestPart = 5

// digestOf returns the beginning of the digest of a job's file, in hexadecimal, as the log
// has it; empty for what is no id.
func digestOf(id idp.JobID) string {
	b, err := jobLetters.DecodeString(string(id))
	if err != nil || len(b) < digestPart {
		return ""
	}
	return fmt.Sprintf("%x", b[:digestPart])
}

// jobOf returns the job of a path. The job is nil when it was one of this session and nothing
// is known of it any more: it has broken off, or was long ago. Errors: idp.ErrNotFound, also
// for another session's job.
func (s *workbench) jobOf(r *http.Request, p staff, kind idp.JobKind) (idp.JobID, *idp.Job, error) {
	id := page.PathID[idp.JobID](r, "id")
	b, err := jobLetters.DecodeString(string(id))
	if err != nil || len(b) != 16 || !hmac.Equal(b[8:], s.markOf(kind, p.Session.ID, b[:8])) {
		return "", nil, fmt.Errorf("job: %w", idp.ErrNotFound)
	}
	j, err := s.jobs.find(r.Context(), id, s.door.Now())
	if errors.Is(err, idp.ErrNotFound) {
		return id, nil, nil
	}
	return id, j, err
}

// beginJob starts a job that does do, in the place of a finished one of the same kind and
// person. Errors: idp.ErrConflict, with the other job, when theirs still runs; idp.ErrBusy
// when as many run as may.
func (s *workbench) beginJob(ctx context.Context, p staff, j *job, do func(ctx context.Context, j *job) outcome) (*idp.Job, error) {
	now := s.door.Now()
	j.by = p.by
	j.User, j.Session, j.Owner, j.BegunAt, j.BeatAt = p.by.Actor.User, p.Session.ID, s.jobs.owner, now, now
	j.ID = s.newJobID(j.Kind, j.Session, j.text)
	s.jobs.beatAll(ctx, now)
	if other, err := s.jobs.store.BeginJob(ctx, &j.Job); err != nil {
		return other, err
	}
	work, cancel := context.WithCancel(context.Background()) //nolint:contextcheck // it outlives the request
	j.cancel, j.ended = cancel, make(chan struct{})
	js := s.jobs
	js.mu.Lock()
	js.own[j.ID] = j
	js.mu.Unlock()
	js.running.Go(func() { // ends with the job, which is stopped when the process is to end
		defer cancel()
		s.runJob(work, j, do)
	})
	js.running.Go(func() { s.beat(j) }) // ends with the job
	return &j.Job, nil
}

// beatAll has the rows of the jobs of this instance say that they run.
func (js *Jobs) beatAll(ctx context.Context, now time.Time) {
	js.mu.Lock()
	own := slices.Collect(maps.Values(js.own))
	js.mu.Unlock()
	for _, j := range own {
		_, _ = js.store.BeatJob(ctx, j.ID, j.Owner, j.now().Step, now) // it may have ended just now
	}
}

// beat tells all instances that a job runs and how far it is, and stops it when one of them
// was asked to, or when this one is to end.
func (s *workbench) beat(j *job) {
	tick := time.NewTicker(idp.JobBeat)
	defer tick.Stop()
	ending := s.ending
	for {
		select {
		case <-j.ended:
			return
		case <-ending:
			ending = nil
			j.stop()
		case <-tick.C:
			stop, err := s.jobs.store.BeatJob(context.Background(), j.ID, j.Owner, j.now().Step, s.door.Now())
			if err != nil {
				s.door.Log().Warn("a job cannot tell how far it is", "job", string(j.ID), "error", err)
			}
			if stop {
				j.stop()
			}
		}
	}
}

// runJob does a job and notes what came of it. A panic is logged, and the job has broken off.
func (s *workbench) runJob(ctx context.Context, j *job, do func(ctx context.Context, j *job) outcome) {
	o := outcome{State: "failed"}
	defer func() {
		if p := recover(); p != nil {
			s.door.Log().LogAttrs(ctx, slog.LevelError, "panic", slog.String("job", string(j.ID)), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		}
		if err := s.jobs.end(context.WithoutCancel(ctx), j, o, s.door.Now()); err != nil {
			s.door.Log().ErrorContext(ctx, "what came of a job cannot be kept", "job", string(j.ID), "error", err)
		}
		close(j.ended)
		j.wake()
	}()
	o = do(ctx, j)
}

// filePart is how many bytes of a file are kept in one row.
const filePart = 512 << 10

// sealedOutcome and sealedPart name what is sealed of a job.
func sealedOutcome(id idp.JobID) string     { return "job " + string(id) }
func sealedPart(id idp.JobID, n int) string { return "job " + string(id) + " file " + strconv.Itoa(n) }

// end keeps what came of a job that this instance does, and its file where o says so, and
// forgets it here.
func (js *Jobs) end(ctx context.Context, j *job, o outcome, now time.Time) error {
	defer func() {
		js.mu.Lock()
		delete(js.own, j.ID)
		js.mu.Unlock()
	}()
	if o.Keep {
		o.File, o.Bytes = sha256.Sum256([]byte(j.text)), len(j.text)
		for rest := []byte(j.text); len(rest) > 0; o.Parts++ {
			n := min(len(rest), filePart)
			sealed, err := js.sealer.Seal(rest[:n], sealedPart(j.ID, o.Parts))
			if err != nil {
				return err
			}
			if err := js.store.PutJobFile(ctx, j.ID, o.Parts, sealed); err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(o); err != nil {
		return err
	}
	sealed, err := js.sealer.Seal(b.Bytes(), sealedOutcome(j.ID))
	if err != nil {
		return err
	}
	return js.store.EndJob(ctx, j.ID, j.Owner, j.now().Step, sealed, now)
}

// outcomeOf opens what came of a job.
func (js *Jobs) outcomeOf(j *idp.Job) (*outcome, error) {
	plain, err := js.sealer.Open(j.Outcome, sealedOutcome(j.ID))
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", j.ID, err)
	}
	o := &outcome{}
	if err := gob.NewDecoder(bytes.NewReader(plain)).Decode(o); err != nil {
		return nil, fmt.Errorf("job %s: %w", j.ID, err)
	}
	return o, nil
}

// file returns the file of a job that was kept. Errors: idp.ErrNotFound, it was not, or is
// not any more.
func (js *Jobs) file(ctx context.Context, id idp.JobID, o *outcome) (string, error) {
	if o.Parts == 0 {
		return "", fmt.Errorf("the file of job %s: %w", id, idp.ErrNotFound)
	}
	var text strings.Builder
	text.Grow(min(o.Bytes, admin.MaxImportBytes))
	for n := range o.Parts {
		sealed, err := js.store.JobFile(ctx, id, n)
		if err != nil {
			return "", err
		}
		part, err := js.sealer.Open(sealed, sealedPart(id, n))
		if err != nil {
			return "", fmt.Errorf("the file of job %s: %w", id, err)
		}
		text.Write(part)
	}
	if sha256.Sum256([]byte(text.String())) != o.File {
		return "", fmt.Errorf("the file of job %s is not what was checked: %w", id, idp.ErrNotFound)
	}
	return text.String(), nil
}

// now is the job as it stands.
func (j *job) now() *idp.Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	is := j.Job
	is.Step, is.Stopping = j.step, j.stopping
	return &is
}

// stop has a job end before it is through; it does not wait for that.
func (j *job) stop() {
	j.mu.Lock()
	j.stopping = true
	j.mu.Unlock()
	j.cancel()
	j.wake()
}

// stopJob has a job end before it is through, whichever instance does it.
func (s *workbench) stopJob(ctx context.Context, id idp.JobID) error {
	if j := s.jobs.ownJob(id); j != nil {
		j.stop()
	}
	return s.jobs.store.StopJob(ctx, id)
}

// tell notes the step that a job has reached, and wakes its page where that is shown.
func (j *job) tell(step admin.ImportStep) {
	before := wordOf(j.now())
	j.mu.Lock()
	j.step = idp.JobStep(step)
	j.mu.Unlock()
	if before != wordOf(j.now()) {
		j.wake()
	}
}

// wordOf says how a job stands: when it changes, its page is another. "over", "stopping", or
// what is being done and its share in per cent, as in "adding-40".
func wordOf(j *idp.Job) string {
	switch {
	case j.Over():
		return "over"
	case j.Stopping:
		return "stopping"
	}
	part := strconv.Itoa(j.Step.Done * 100 / max(j.Step.Of, 1))
	switch {
	case j.Step.Mailing:
		return "mailing-" + part
	case j.Step.Adding:
		return "adding-" + part
	}
	return "checking-" + part
}

// farOf is how far a job is, in words.
func farOf(j *idp.Job) templates.Message {
	return templates.Say("admin.job.far", "Done", j.Step.Done, "Of", j.Step.Of)
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

// lookEvery is how often a stream looks at the row of a job that another instance does.
const lookEvery = time.Second

// waitElsewhere is wait for a job of another instance.
func waitElsewhere() (woken <-chan struct{}, leave func()) {
	c, gone := make(chan struct{}), make(chan struct{})
	go func() { // ends with leave
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-gone:
				return
			}
			select {
			case c <- struct{}{}:
			case <-gone:
				return
			}
		}
	}()
	return c, func() { close(gone) }
}

// jobState answers a poll of a job's page with the job's word.
func (s *workbench) jobState(kind idp.JobKind) handler {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		look, _, err := s.jobPulse(r, p, kind)
		if err != nil {
			return err
		}
		return s.door.State(w, r, look)
	}
}

// jobEvents answers with an event stream of the job's word.
func (s *workbench) jobEvents(kind idp.JobKind) handler {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		look, id, err := s.jobPulse(r, p, kind)
		if err != nil {
			return err
		}
		if own := s.jobs.ownJob(id); own != nil {
			return s.door.Follow(w, r, look, own.wait)
		}
		return s.door.Follow(w, r, look, waitElsewhere)
	}
}

// jobPulse returns how a job's word is looked at, and its id. Errors: idp.ErrNotFound, and
// idp.ErrExpired where nothing is known of the job any more.
func (s *workbench) jobPulse(r *http.Request, p staff, kind idp.JobKind) (page.Pulse, idp.JobID, error) {
	id, j, err := s.jobOf(r, p, kind)
	if err != nil {
		return nil, "", err
	}
	if j == nil {
		return nil, "", idp.ErrExpired // the page itself says what became of it
	}
	return func(ctx context.Context) (string, []idp.Topic, error) {
		j, err := s.jobs.find(ctx, id, s.door.Now())
		if errors.Is(err, idp.ErrNotFound) { // it has broken off
			return "over", nil, nil
		}
		if err != nil {
			return "", nil, err
		}
		return wordOf(j), nil, nil
	}, id, nil
}
