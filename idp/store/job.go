package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
)

const (
	jobColumns = "id, kind, user_id, session_id, owner, adding, mailing, done, total, stopping, begun_at, beat_at, ended_at, outcome"
	selectJob  = "SELECT " + jobColumns + " FROM jobs WHERE id = ?"
	selectJobs = "SELECT " + jobColumns + " FROM jobs WHERE kind = ? ORDER BY n"
	beatJob    = "UPDATE jobs SET adding = ?, mailing = ?, done = ?, total = ?, beat_at = ? WHERE id = ? AND owner = ? AND ended_at = 0"
	stopJob    = "UPDATE jobs SET stopping = 1 WHERE id = ? AND ended_at = 0"
	endJob     = "UPDATE jobs SET adding = ?, mailing = ?, done = ?, total = ?, ended_at = ?, outcome = ? WHERE id = ? AND owner = ? AND ended_at = 0"

	// dropJobFile is given the row's n.
	dropJobFile = "DELETE FROM job_files WHERE job_id = (SELECT id FROM jobs WHERE n = ?)"
)

var insertJob = insertInto("jobs", jobColumns)

type jobRow struct {
	ID, Kind, UserID, SessionID, Owner string
	Adding, Mailing                    bool
	Done, Total                        int64
	Stopping                           bool
	BegunAt, BeatAt, EndedAt           int64
	Outcome                            []byte
}

func (r *jobRow) fields() []any {
	return []any{&r.ID, &r.Kind, &r.UserID, &r.SessionID, &r.Owner, &r.Adding, &r.Mailing, &r.Done, &r.Total, &r.Stopping, &r.BegunAt, &r.BeatAt, &r.EndedAt, &r.Outcome}
}

func jobRowOf(j *idp.Job) *jobRow {
	return &jobRow{
		ID: string(j.ID), Kind: string(j.Kind), UserID: string(j.User), SessionID: string(j.Session), Owner: j.Owner,
		Adding: j.Step.Adding, Mailing: j.Step.Mailing, Done: int64(j.Step.Done), Total: int64(j.Step.Of), Stopping: j.Stopping,
		BegunAt: micros(j.BegunAt), BeatAt: micros(j.BeatAt), EndedAt: micros(j.EndedAt), Outcome: blob(j.Outcome),
	}
}

func (r *jobRow) job() *idp.Job {
	return &idp.Job{
		ID: idp.JobID(r.ID), Kind: idp.JobKind(r.Kind), User: idp.UserID(r.UserID), Session: idp.SessionID(r.SessionID), Owner: r.Owner,
		Step: idp.JobStep{Adding: r.Adding, Mailing: r.Mailing, Done: int(r.Done), Of: int(r.Total)}, Stopping: r.Stopping,
		BegunAt: moment(r.BegunAt), BeatAt: moment(r.BeatAt), EndedAt: moment(r.EndedAt), Outcome: some(r.Outcome),
	}
}

// Bounds of jobs of one kind, of all instances together.
const (
	jobsRunning = 2 // at once
	jobsKept    = 8 // of others, finished ones included: each may keep a file
)

// BeginJob inserts a job, in the place of a finished one of the same kind and person. Errors:
// idp.ErrConflict, with the other job, while one of theirs runs; idp.ErrBusy, while as many
// run as may.
func (db *DB) BeginJob(ctx context.Context, j *idp.Job) (other *idp.Job, err error) {
	err = db.write(ctx, func(t *tx) error {
		other = nil
		if err := t.hold(holdJobs); err != nil {
			return err
		}
		rows, err := list[jobRow](t, selectJobs, string(j.Kind))
		if err != nil {
			return err
		}
		running, held := 0, 0
		var oldest *idp.Job
		for i := range rows {
			o := rows[i].job()
			switch runs := o.Runs(j.BegunAt); {
			case runs && o.User == j.User:
				other = o
				return fmt.Errorf("another %s of theirs runs: %w", j.Kind, idp.ErrConflict)
			case runs:
				running++
			case o.User == j.User || !o.Known(j.BegunAt):
				if err := t.dropJob(o.ID); err != nil {
					return err
				}
				continue
			case oldest == nil || o.EndedAt.Before(oldest.EndedAt):
				oldest = o
			}
			held++
		}
		if running >= jobsRunning {
			return fmt.Errorf("%d jobs run: %w", running, idp.ErrBusy)
		}
		if held >= jobsKept && oldest != nil {
			if err := t.dropJob(oldest.ID); err != nil {
				return err
			}
		}
		_, err = t.Exec(insertJob, jobRowOf(j).fields()...)
		return err
	})
	return other, err
}

func (t *tx) dropJob(id idp.JobID) error {
	for _, query := range []string{"DELETE FROM job_files WHERE job_id = ?", "DELETE FROM jobs WHERE id = ?"} {
		if err := t.put(query, string(id)); err != nil {
			return err
		}
	}
	return nil
}

// Job returns a job. Errors: idp.ErrNotFound.
func (db *DB) Job(ctx context.Context, id idp.JobID) (*idp.Job, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var row jobRow
	if err := r.Row(selectJob, []any{string(id)}, row.fields()...); err != nil {
		return nil, fmt.Errorf("job %s: %w", id, err)
	}
	return row.job(), nil
}

// BeatJob notes, for its owner, that a job runs and how far it is, and returns whether
// somebody wishes it to end. Errors: idp.ErrNotFound: it is not there, or not the owner's.
func (db *DB) BeatJob(ctx context.Context, id idp.JobID, owner string, step idp.JobStep, now time.Time) (stopping bool, err error) {
	err = db.write(ctx, func(t *tx) error {
		n, err := t.Exec(beatJob, step.Adding, step.Mailing, int64(step.Done), int64(step.Of), micros(now), string(id), owner)
		if err == nil && n == 0 {
			err = idp.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("job %s: %w", id, err)
		}
		return t.Row("SELECT stopping FROM jobs WHERE id = ?", []any{string(id)}, &stopping)
	})
	return stopping, err
}

// StopJob notes the wish that a job end. Nothing happens where it has ended.
func (db *DB) StopJob(ctx context.Context, id idp.JobID) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.Exec(stopJob, string(id))
		return err
	})
}

// EndJob notes, for its owner, what came of a job. Errors: idp.ErrNotFound: it has ended, is
// not there, or not the owner's.
func (db *DB) EndJob(ctx context.Context, id idp.JobID, owner string, step idp.JobStep, outcome []byte, now time.Time) error {
	return db.write(ctx, func(t *tx) error {
		n, err := t.Exec(endJob, step.Adding, step.Mailing, int64(step.Done), int64(step.Of), micros(now), blob(outcome), string(id), owner)
		if err == nil && n == 0 {
			err = idp.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("job %s: %w", id, err)
		}
		return nil
	})
}

// PutJobFile keeps one part of the file of a job, sealed: each is a transaction, so that
// nobody waits for a large file. Errors: idp.ErrNotFound, the job is not there.
func (db *DB) PutJobFile(ctx context.Context, id idp.JobID, part int, sealed []byte) error {
	return db.write(ctx, func(t *tx) error {
		n, err := t.Exec("INSERT INTO job_files (job_id, part, sealed) SELECT id, ?, ? FROM jobs WHERE id = ?", int64(part), sealed, string(id))
		if err == nil && n == 0 {
			err = idp.ErrNotFound
		}
		return err
	})
}

// JobFile returns one part of the file of a job. Errors: idp.ErrNotFound.
func (db *DB) JobFile(ctx context.Context, id idp.JobID, part int) (sealed []byte, err error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	err = r.Row("SELECT sealed FROM job_files WHERE job_id = ? AND part = ?", []any{string(id), int64(part)}, &sealed)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("part %d of the file of job %s", part, id), err)
	}
	return sealed, nil
}
