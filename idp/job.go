package idp

import "time"

// JobID names a job. It is made where the job is begun, and has a mark of the session that
// began it.
type JobID string

// JobKind is what a job does.
type JobKind string

// The kinds there are.
const (
	JobImport JobKind = "import" // adds people from a file, or checks it
	JobCheck  JobKind = "check"  // walks the audit log
)

// Times of a job.
const (
	JobBeat = 2 * time.Second  // how often its owner says that it lives, how far it is, and looks whether it is to stop
	JobDead = 30 * time.Second // after how long without a beat it has broken off
	JobKept = 30 * time.Minute // how long what came of it can be looked at
)

// JobStep is how far a job is.
type JobStep struct {
	Adding   bool // people; else lines, or events, are checked
	Mailing  bool // invitations, when all are added
	Done, Of int
}

// Job is work of an administrator that takes longer than a request. One instance does it,
// its owner; all of them show it, and any of them may be asked to stop it.
type Job struct {
	ID       JobID
	Kind     JobKind
	User     UserID    // who began it
	Session  SessionID // that it was begun in
	Owner    string    // the instance, by a name that it has for as long as it runs
	Step     JobStep
	Stopping bool // somebody wishes it to end
	BegunAt  time.Time
	BeatAt   time.Time
	EndedAt  time.Time // zero while it runs
	Outcome  []byte    // what came of it, sealed; empty while it runs
}

// Over reports whether there is an outcome.
func (j *Job) Over() bool { return !j.EndedAt.IsZero() }

// Runs reports whether the owner is at it.
func (j *Job) Runs(now time.Time) bool { return !j.Over() && now.Sub(j.BeatAt) <= JobDead }

// Known reports whether there is anything to show: it runs, or what came of it is kept yet.
// One that is not known has broken off, or was long ago.
func (j *Job) Known(now time.Time) bool {
	return j.Runs(now) || j.Over() && now.Sub(j.EndedAt) <= JobKept
}
