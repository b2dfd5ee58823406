package postgres

import (
	"slices"
	"sync"
	"time"
)

// lane has what several callers want at the same moment go to the server in one trip. While one
// trip is under way those who come gather; the first of them makes the next one, for all. Whoever
// finds nobody before them waits for nobody, and whoever has waited for long, because the server
// or the way to it is stuck, goes alone. Safe for concurrent use.
type lane[T any] struct {
	most     int // that go together
	patience time.Duration

	mu      sync.Mutex
	busy    bool
	waiting []*waits[T]
}

// waits is a caller that waits for a trip.
type waits[T any] struct {
	what T
	turn chan []*waits[T] // whom to make the trip for; nil: it was made
}

// ride returns when trip has been called with what, and others, by this caller or another.
func (l *lane[T]) ride(what T, trip func([]T)) {
	l.mu.Lock()
	me := &waits[T]{what: what}
	if !l.busy {
		l.busy = true
		l.mu.Unlock()
		l.lead([]*waits[T]{me}, trip)
		return
	}
	me.turn = make(chan []*waits[T], 1)
	l.waiting = append(l.waiting, me)
	l.mu.Unlock()
	long := time.NewTimer(l.patience)
	defer long.Stop()
	select {
	case all := <-me.turn:
		l.taken(all, trip)
	case <-long.C:
		if l.leave(me) {
			trip([]T{what})
			return
		}
		l.taken(<-me.turn, trip)
	}
}

// taken is what a caller does whose turn has come: nothing, where the trip was made for them.
func (l *lane[T]) taken(all []*waits[T], trip func([]T)) {
	if all != nil {
		l.lead(all, trip)
	}
}

// leave reports whether a caller waits no more: else somebody makes a trip for them.
func (l *lane[T]) leave(me *waits[T]) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, me)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	return i >= 0
}

// lead makes the trip for all, of whom the first is the caller, and has the next one begin.
func (l *lane[T]) lead(all []*waits[T], trip func([]T)) {
	defer func() {
		for _, w := range all[1:] {
			w.turn <- nil
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		n := min(len(l.waiting), l.most)
		if n == 0 {
			l.busy = false
			return
		}
		next := slices.Clone(l.waiting[:n])
		l.waiting = slices.Delete(l.waiting, 0, n)
		next[0].turn <- next
	}()
	what := make([]T, 0, len(all))
	for _, w := range all {
		what = append(what, w.what)
	}
	trip(what)
}
