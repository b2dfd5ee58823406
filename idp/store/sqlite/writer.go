package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// MaxBatch is how many transactions are committed at once. It bounds how long
// the first of them waits for the others' functions.
const MaxBatch = 128

// runTwice, when it is not empty, is Config.Twice for every database of a program: the
// linker sets it for tests (make twice).
var runTwice string

// tx is the transaction that is under way: one follows another on the connection that
// writes, so nothing has to be held.
type tx struct{ *session }

// Put is engine.Tx's.
func (t tx) Put(query string, args ...any) error {
	_, err := t.Exec(query, args...)
	return err
}

// Sure is engine.Tx's.
func (t tx) Sure(query string, args ...any) error {
	n, err := t.Exec(query, args...)
	if err == nil && n == 0 {
		return idp.ErrNotFound
	}
	return err
}

// Must is engine.Tx's.
func (t tx) Must(otherwise error, query string, args ...any) error {
	var n int64
	if err := t.Row("SELECT count(*) FROM ("+query+") AS found", args, &n); err != nil {
		return err
	}
	if n == 0 {
		return otherwise
	}
	return nil
}

// Later is Each: nothing is gained by waiting.
func (t tx) Later(query string, args []any, next func() []any) error {
	return t.Each(query, args, next)
}

// Hold does nothing.
func (tx) Hold(...engine.Key) error { return nil }

// TryHold does nothing.
func (tx) TryHold(engine.Key) (bool, error) { return true, nil }

// HoldRow does nothing.
func (tx) HoldRow(engine.Key, string, []any, *string) error { return nil }

// Share does nothing.
func (tx) Share(engine.Key) error { return nil }

// ShareRow does nothing.
func (tx) ShareRow(engine.Key, string, []any) error { return nil }

// Next is the greatest number of a list and one.
func (t tx) Next(list string) (n int64, err error) {
	err = t.Row("SELECT coalesce(max(n), 0) + 1 FROM "+list, nil, &n)
	return n, err
}

// Lock is Row: nobody else writes meanwhile.
func (t tx) Lock(query string, args []any, dest ...any) error { return t.Row(query, args, dest...) }

// Claim is Row: nobody else claims meanwhile.
func (t tx) Claim(query string, args []any, dest ...any) error { return t.Row(query, args, dest...) }

// writer is the one goroutine that writes. It takes whatever waits, runs each
// in a savepoint of its own, and commits all at once: one flush of the disk
// for many, and nobody is answered before it. When nobody else waits, one is
// committed alone; there is no delay to gather.
type writer struct {
	to    *session
	log   *slog.Logger
	twice bool          // see Config.Twice
	hooks engine.Hooks  // whose Wrote hears of each batch that wrote, or was to
	queue chan *job     // unbuffered: whom the writer has not taken can still leave
	quit  chan struct{} // closed: take no more
	ended chan struct{} // closed: the writer has returned
}

// job is one transaction that waits to be run.
type job struct {
	fn   func(engine.Work) error
	err  error
	done chan struct{}
}

// newWriter starts a writer on a connection that nothing else uses. It ends with close.
func newWriter(to *session, c Config, hooks engine.Hooks) *writer {
	w := &writer{
		to: to, log: c.Log, twice: c.Twice || runTwice != "", hooks: hooks,
		queue: make(chan *job), quit: make(chan struct{}), ended: make(chan struct{}),
	}
	go w.run()
	return w
}

// do hands fn to the writer and waits until its outcome is certain.
func (w *writer) do(ctx context.Context, fn func(engine.Work) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{fn: fn, done: make(chan struct{})}
	select {
	case w.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.quit:
		return engine.ErrClosed
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
	t := w.hooks.Begin(tx{w.to})
	for j := first; j != nil; j = w.next(len(jobs)) {
		jobs = append(jobs, j)
		if broken == nil {
			broken = w.one(t, j)
		}
	}
	if broken == nil {
		broken = t.Finish()
	}
	if broken == nil {
		broken = w.command("COMMIT")
	}
	if broken == nil {
		t.Committed()
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
	if w.hooks.Wrote != nil && (broken != nil || wrote) {
		w.hooks.Wrote(broken)
	}
}

// next returns a transaction that waits, if there is one and room in the batch.
func (w *writer) next(have int) *job {
	if have >= MaxBatch {
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
func (w *writer) one(t engine.Work, j *job) error {
	if err := w.command("SAVEPOINT one"); err != nil {
		return err
	}
	t.Mark()
	before := t.Noted()
	j.err = unwritable(w.guard(t, j.fn))
	if j.err == nil && w.twice {
		first := t.Noted() - before
		t.Undo()
		if err := w.command("ROLLBACK TO one"); err != nil {
			return err
		}
		j.err = w.again(t, first, j.fn)
	}
	if j.err != nil {
		t.Undo()
		// Fails when the whole transaction is gone, and that is how we know.
		if err := w.command("ROLLBACK TO one"); err != nil {
			return errors.Join(j.err, err)
		}
	}
	return w.command("RELEASE one")
}

// again runs a function that has run well once, and what it did is undone. first is how many
// events it wrote then.
func (w *writer) again(t engine.Work, first int64, fn func(engine.Work) error) error {
	before := t.Noted()
	if err := unwritable(w.guard(t, fn)); err != nil {
		return fmt.Errorf("a transaction that ran well fails when it runs again: %w", err)
	}
	if second := t.Noted() - before; second != first {
		return fmt.Errorf("a transaction that left %d events leaves %d when it runs again", first, second)
	}
	return nil
}

// guard turns a panic of a function into an error, so that it fails its own transaction
// and no other.
func (w *writer) guard(t engine.Work, fn func(engine.Work) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("panic in a transaction", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in a transaction: %v", p)
		}
	}()
	return fn(t)
}

func (w *writer) command(sql string) error {
	_, err := w.to.Exec(sql)
	return err
}
