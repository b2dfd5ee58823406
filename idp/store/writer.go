package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"hilum/idp"
)

// maxBatch is how many transactions are committed at once. It bounds how long
// the first of them waits for the others' functions.
const maxBatch = 128

var errClosed = errors.New("the database is closed")

// runTwice, when it is not empty, is Config.twice for every database of a program:
// the linker sets it for tests (make twice).
var runTwice string

// tx is a transaction: hand-written statements and gorm on one connection.
type tx struct {
	*session
	// head is the end of the log, nil until the transaction has an event. Another
	// process may write between two commits, so it is read anew in each.
	head *head
}

// writer is the one goroutine that writes. It takes whatever waits, runs each
// in a savepoint of its own, and commits all at once: one flush of the disk
// for many, and nobody is answered before it. When nobody else waits, one is
// committed alone; there is no delay to gather.
type writer struct {
	to    *session
	log   *slog.Logger
	twice bool          // see Config.twice
	wrote func(error)   // is told what came of each batch that wrote, or was to
	queue chan *job     // unbuffered: whom the writer has not taken can still leave
	quit  chan struct{} // closed: take no more
	ended chan struct{} // closed: the writer has returned
}

// job is one transaction that waits to be run.
type job struct {
	fn   func(*tx) error
	err  error
	done chan struct{}
}

// newWriter starts a writer on a connection that nothing else uses. It ends with close.
func newWriter(to *session, c Config, wrote func(error)) *writer {
	w := &writer{to: to, log: c.Log, twice: c.twice || runTwice != "", wrote: wrote, queue: make(chan *job), quit: make(chan struct{}), ended: make(chan struct{})}
	go w.run()
	return w
}

// do hands fn to the writer and waits until its outcome is certain.
func (w *writer) do(ctx context.Context, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{fn: fn, done: make(chan struct{})}
	select {
	case w.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.quit:
		return errClosed
	}
	<-j.done
	return j.err
}

// close lets the batch under way finish and ends the writer.
func (w *writer) close() {
	close(w.quit)
	<-w.ended
}

func (w *writer) run() {
	defer close(w.ended)
	for {
		select {
		case j := <-w.queue:
			w.batch(j)
		case <-w.quit:
			return
		}
	}
}

// batch commits first and the transactions that wait behind it.
func (w *writer) batch(first *job) {
	var jobs []*job
	broken := w.command("BEGIN IMMEDIATE")
	t := &tx{session: w.to}
	for j := first; j != nil; j = w.next(len(jobs)) {
		jobs = append(jobs, j)
		if broken == nil {
			broken = w.one(t, j)
		}
	}
	if broken == nil {
		broken = t.putHead()
	}
	if broken == nil {
		broken = w.command("COMMIT")
	}
	if broken == nil && t.head != nil {
		w.to.trust.last = t.head
	}
	if broken != nil {
		// Full disk, failing disk: SQLite may have rolled back by itself, then
		// this says so and changes nothing.
		if err := w.command("ROLLBACK"); err != nil {
			w.log.Debug("nothing to roll back", "error", err)
		}
		broken = fmt.Errorf("the database did not commit: %w", unwritable(broken))
	}
	w.tell(jobs, broken)
	for _, j := range jobs {
		if broken != nil {
			j.err = broken
		}
		close(j.done)
	}
}

// tell notes the outcome of a batch for disk. A batch in which every function failed wrote
// nothing, and says nothing of the disk.
func (w *writer) tell(jobs []*job, broken error) {
	wrote := false
	for _, j := range jobs {
		if j.err == nil {
			wrote = true
		} else if broken == nil && errors.Is(j.err, idp.ErrUnwritable) {
			broken = j.err // a statement ran out of room before the commit
		}
	}
	if broken != nil || wrote {
		w.wrote(broken)
	}
}

// next returns a transaction that waits, if there is one and room in the batch.
func (w *writer) next(have int) *job {
	if have >= maxBatch {
		return nil
	}
	select {
	case j := <-w.queue:
		return j
	default:
		return nil
	}
}

// one runs a function in a savepoint. An error of the function is its caller's
// alone; what is returned here is about the connection and breaks the batch.
func (w *writer) one(t *tx, j *job) error {
	if err := w.command("SAVEPOINT one"); err != nil {
		return err
	}
	var head *head
	if t.head != nil {
		before := *t.head
		head = &before
	}
	j.err = unwritable(w.guard(t, j.fn))
	if j.err == nil && w.twice {
		if err := w.command("ROLLBACK TO one"); err != nil {
			return err
		}
		j.err = w.again(t, head, j.fn)
	}
	if j.err != nil {
		t.head = head
		// Fails when the whole transaction is gone, and that is how we know.
		if err := w.command("ROLLBACK TO one"); err != nil {
			return errors.Join(j.err, err)
		}
	}
	return w.command("RELEASE one")
}

// again runs a function that has run well once, and what it did is undone. before is
// the end of the log as it was then.
func (w *writer) again(t *tx, before *head, fn func(*tx) error) error {
	first := t.head
	t.head = before
	if err := unwritable(w.guard(t, fn)); err != nil {
		return fmt.Errorf("a transaction that ran well fails when it runs again: %w", err)
	}
	if was, is := noted(before, first), noted(before, t.head); was != is {
		return fmt.Errorf("a transaction that left %d events leaves %d when it runs again", was, is)
	}
	return nil
}

// noted is how many events came between two ends of the log; of one that was not
// known yet, up to where it ends.
func noted(before, after *head) int64 {
	switch {
	case after == nil:
		return 0
	case before == nil:
		return after.seq
	}
	return after.seq - before.seq
}

// guard turns a panic of a function into an error, so that it fails its own transaction
// and no other.
func (w *writer) guard(t *tx, fn func(*tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("panic in a transaction", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in a transaction: %v", p)
		}
	}()
	return fn(t)
}

func (w *writer) command(sql string) error {
	_, err := w.to.exec(sql)
	return err
}
