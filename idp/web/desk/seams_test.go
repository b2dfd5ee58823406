package desk_test

import (
	"context"
	"io"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/desk"
	"hilum/idp/web/webtest/walk"
)

// stepwise is the real desk, whose jobs stop at each of their steps while there is a gate.
type stepwise struct {
	desk.Desk
	gate *gate // nil: jobs go on
}

// stepping puts a stepwise desk before the real one.
func (s *stepwise) stepping(p *walk.Parts) {
	p.Wrap = func(d desk.Desk) desk.Desk { s.Desk = d; return s }
}

// ImportUsers implements desk.Desk.
func (s *stepwise) ImportUsers(ctx context.Context, by admin.By, r io.Reader, how admin.ImportHow, progress func(admin.ImportStep)) (*admin.Import, error) {
	g := s.gate
	return s.Desk.ImportUsers(ctx, by, r, how, func(step admin.ImportStep) {
		progress(step)
		g.pass(ctx, step)
	})
}

// VerifyEvents implements desk.Desk.
func (s *stepwise) VerifyEvents(ctx context.Context, by admin.By, progress func(done, of int64)) (*admin.Chain, error) {
	g := s.gate
	return s.Desk.VerifyEvents(ctx, by, func(done, of int64) {
		progress(done, of)
		g.pass(ctx, admin.ImportStep{Done: int(done), Of: int(of)})
	})
}

// gate is where a job waits at each step, until it is let on, stopped, or the test ends.
type gate struct {
	at   chan admin.ImportStep
	on   chan struct{}
	deaf bool // it hears that it is stopped when it is let on
	t    testing.TB
}

func newGate(t testing.TB) *gate {
	return &gate{at: make(chan admin.ImportStep), on: make(chan struct{}), t: t}
}

// pass is what the job does at a step.
func (g *gate) pass(ctx context.Context, step admin.ImportStep) {
	if g == nil {
		return
	}
	if g.deaf {
		ctx = g.t.Context()
	}
	select {
	case g.at <- step:
	case <-ctx.Done():
		return
	case <-g.t.Context().Done():
		return
	}
	select {
	case <-g.on:
	case <-ctx.Done():
	case <-g.t.Context().Done():
	}
}

// reached waits for the job to be at a step, at which it waits then.
func (g *gate) reached() admin.ImportStep {
	g.t.Helper()
	select {
	case step := <-g.at:
		return step
	case <-time.After(time.Minute):
		g.t.Fatal("no step is reached")
	}
	panic("not reached")
}

// until lets the job on as far as a step, at which it waits then.
func (g *gate) until(want admin.ImportStep) {
	g.t.Helper()
	for g.reached() != want {
		g.on <- struct{}{}
	}
}

// next is until from the step at which the job waits.
func (g *gate) next(want admin.ImportStep) {
	g.t.Helper()
	g.on <- struct{}{}
	g.until(want)
}

// through lets the job on to its end.
func (g *gate) through(w *walk.Walk) {
	done := make(chan struct{})
	go func() { // ends with the job
		defer close(done)
		w.Jobs.Wait(time.Minute)
	}()
	g.on <- struct{}{}
	for {
		select {
		case <-g.at:
			g.on <- struct{}{}
		case <-done:
			return
		}
	}
}

// faulty is the real store with a fault where a test wants one: what is set is asked
// before the store is, and its error is taken for the store's.
type faulty struct {
	admin.Store
	adding   func() error // people
	inviting func() error
	checking func() error // the log
	behind   int64        // event that the log is said to begin behind
}

// put puts a faulty store before the administration's.
func (f *faulty) put(p *walk.Parts) { f.Store, p.Admin.Store = p.Admin.Store, f }

func fault(of func() error) error {
	if of == nil {
		return nil
	}
	return of()
}

// AddUsers implements admin.Store.
func (f *faulty) AddUsers(ctx context.Context, n int, user func(i int) idp.User, e idp.Event, progress func(done int)) error {
	if err := fault(f.adding); err != nil {
		return err
	}
	return f.Store.AddUsers(ctx, n, user, e, progress)
}

// AddInvitation implements admin.Store.
func (f *faulty) AddInvitation(ctx context.Context, i *idp.Invitation, may func(*idp.User) error) error {
	if err := fault(f.inviting); err != nil {
		return err
	}
	return f.Store.AddInvitation(ctx, i, may)
}

// CheckEvents implements admin.Store.
func (f *faulty) CheckEvents(ctx context.Context, noted []idp.LogHead, progress func(done, of int64)) (*idp.LogCheck, error) {
	check, err := f.Store.CheckEvents(ctx, noted, progress)
	if wrong := fault(f.checking); wrong != nil {
		return check, wrong
	}
	check.Begin.Seq = f.behind
	return check, err
}
