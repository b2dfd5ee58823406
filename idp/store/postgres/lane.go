package postgres

import "sync"

// lane has what several callers want at the same moment go to the server in one trip. While one
// trip is under way those who come gather; the first of them makes the next one, for all. Whoever
// finds nobody before them waits for nobody. Safe for concurrent use.
type lane[T any] struct {
	most int // that go together

	mu      sync.Mutex
	busy    bool
	waiting []waits[T]
}

// waits is a caller that waits for a trip.
type waits[T any] struct {
	what T
	turn chan []waits[T] // whom to make the trip for; nil: it was made
}

// ride returns when trip has been called with what, and others, by this caller or another.
func (l *lane[T]) ride(what T, trip func([]T)) {
	l.mu.Lock()
	if l.busy {
		me := waits[T]{what, make(chan []waits[T], 1)}
		l.waiting = append(l.waiting, me)
		l.mu.Unlock()
		if all := <-me.turn; all != nil {
			l.lead(all, trip)
		}
		return
	}
	l.busy = true
	l.mu.Unlock()
	l.lead([]waits[T]{{what, nil}}, trip)
}

// lead makes the trip for all, of whom the first is the caller, and has the next one begin.
func (l *lane[T]) lead(all []waits[T], trip func([]T)) {
	defer func() {
		for _, w := range all[1:] {
			w.turn <- nil
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.waiting) == 0 {
			l.busy = false
			return
		}
		next := l.waiting
		if len(next) > l.most {
			next = next[:l.most:l.most]
		}
		l.waiting = append([]waits[T](nil), l.waiting[len(next):]...)
		next[0].turn <- next
	}()
	what := make([]T, 0, len(all))
	for _, w := range all {
		what = append(what, w.what)
	}
	trip(what)
}
