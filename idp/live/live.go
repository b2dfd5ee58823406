// Package live wakes who is waiting: the browser of a sign-in, an open phone.
//
// A wake-up is a hint to look, never the answer: whoever is woken reads the
// sign-in or the question from the store, and looks from time to time anyway. A
// lost wake-up costs a moment and never a sign-in, so nothing here is kept and
// nobody waits for anybody.
//
// A Hub is for one process. Several instances each have one and pass topics on
// to one another by Relay, which a database's notifications can carry.
package live

import (
	"sync"

	"hilum/idp"
)

// Hub wakes waiters by topic. Safe for concurrent use; the zero value is ready.
type Hub struct {
	// Relay, when set, hands topics to the other instances. It must not block.
	Relay func(topics ...idp.Topic)

	mu      sync.Mutex
	waiting map[idp.Topic]map[*Waiter]struct{}
	n       int // waiters that are not closed
}

// Waiter is one who waits for topics, from Wait to Close. It holds one wake-up:
// those that come before that one was received add nothing.
type Waiter struct {
	c      chan struct{}
	hub    *Hub
	topics []idp.Topic
}

// Wait begins to wait for topics. Whoever reads the state from the store after
// Wait has returned, and then receives from Woken, misses no change. The caller
// has to Close the waiter.
func (h *Hub) Wait(topics ...idp.Topic) *Waiter {
	c := make(chan struct{}, 1)
	w := &Waiter{c: c, hub: h, topics: topics}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting == nil {
		h.waiting = map[idp.Topic]map[*Waiter]struct{}{}
	}
	for _, t := range topics {
		if h.waiting[t] == nil {
			h.waiting[t] = map[*Waiter]struct{}{}
		}
		h.waiting[t][w] = struct{}{}
	}
	h.n++
	return w
}

// Woken is the channel that receives when there is something to look at. It is
// never closed.
func (w *Waiter) Woken() <-chan struct{} { return w.c }

// Close ends waiting. It may be called twice.
func (w *Waiter) Close() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	if w.topics == nil {
		return
	}
	for _, t := range w.topics {
		delete(w.hub.waiting[t], w)
		if len(w.hub.waiting[t]) == 0 {
			delete(w.hub.waiting, t)
		}
	}
	w.topics = nil
	w.hub.n--
}

// Wake wakes whoever waits for one of the topics, here and by Relay elsewhere.
func (h *Hub) Wake(topics ...idp.Topic) {
	h.Here(topics...)
	if h.Relay != nil {
		h.Relay(topics...)
	}
}

// Here wakes whoever waits in this process, and relays nothing: it is for topics
// that another instance has relayed.
func (h *Hub) Here(topics ...idp.Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range topics {
		for w := range h.waiting[t] {
			w.wake()
		}
	}
}

// All wakes everybody who waits in this process: wake-ups may have been missed.
func (h *Hub) All() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, waiters := range h.waiting {
		for w := range waiters {
			w.wake()
		}
	}
}

func (w *Waiter) wake() {
	select {
	case w.c <- struct{}{}:
	default: // woken already, and has not looked yet
	}
}

// Len returns how many waiters are not closed.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}
