package live_test

import (
	"sync"
	"testing"

	"hilum/idp"
	"hilum/idp/live"
)

func woken(w *live.Waiter) bool {
	select {
	case <-w.Woken():
		return true
	default:
		return false
	}
}

func TestWake(t *testing.T) {
	var h live.Hub
	a, b, both := h.Wait("a"), h.Wait("b"), h.Wait("a", "b")
	h.Wake("a")
	if !woken(a) || woken(b) || !woken(both) {
		t.Error("the wrong ones were woken")
	}
	h.Wake("a", "b")
	h.Wake("b")
	if !woken(both) || woken(both) {
		t.Error("wake-ups before the look are not one")
	}
	woken(a)
	both.Close()
	both.Close()
	a.Close()
	h.Wake("a")
	if woken(a) || woken(both) {
		t.Error("who left was woken")
	}
	if n := h.Len(); n != 1 {
		t.Errorf("%d wait", n)
	}
}

// A state change that is followed by Wake is seen by whoever waits and then looks.
func TestNothingIsMissed(t *testing.T) {
	var h live.Hub
	for range 2000 {
		var mu sync.Mutex
		done := false
		look := func() bool { mu.Lock(); defer mu.Unlock(); return done }
		go func() {
			mu.Lock()
			done = true
			mu.Unlock()
			h.Wake("x")
		}()
		w := h.Wait("x")
		for !look() {
			<-w.Woken()
		}
		w.Close()
	}
}

func TestRelay(t *testing.T) {
	var one, other live.Hub
	one.Relay = other.Here
	other.Relay = one.Here
	w := other.Wait(idp.TopicLogin("L"))
	one.Wake(idp.TopicLogin("L"))
	if !woken(w) {
		t.Error("the other instance was not told")
	}
}

// Whoever waits, for whatever, is woken when wake-ups may have been missed; nobody elsewhere is.
func TestAll(t *testing.T) {
	hub := live.Hub{Relay: func(...idp.Topic) { t.Error("relayed") }}
	one, both, gone := hub.Wait(idp.TopicLogin("L")), hub.Wait(idp.TopicUser("U"), idp.TopicKeys), hub.Wait(idp.TopicLogin("M"))
	gone.Close()
	hub.All()
	if !woken(one) || !woken(both) || woken(both) || woken(gone) {
		t.Error("not each who waits is woken once")
	}
}
