package login_test

import (
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/login"
)

// That a session is seen is written once a minute at most.
func TestSessionTouch(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	s := anna.signIn(&b)
	at := s.LastSeenAt
	for _, c := range []struct {
		after time.Duration // of LastSeenAt
		n     int64
	}{{0, 0}, {time.Second, 0}, {time.Minute - time.Microsecond, 0}, {time.Minute, 1}, {time.Minute + 30*time.Second, 1}, {2 * time.Minute, 2}} {
		w.clock.Store(at.Add(c.after).UnixMicro())
		w.session(b)
		if n := w.kept.touches.Load(); n != c.n {
			t.Errorf("%s after: written %d times, want %d", c.after, n, c.n)
		}
	}
	// Seen often enough it lives, to its end and not beyond.
	for w.now().Before(s.ExpiresAt.Add(-time.Hour)) {
		w.later(59 * time.Minute)
		w.session(b)
	}
	w.clock.Store(s.ExpiresAt.UnixMicro())
	_, _, err := w.Session(t.Context(), b)
	w.refuses("at its end", err, idp.ErrNotFound)
}

func TestSessionsThatAreNone(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	anna.signIn(&b)
	_, _, err := w.Session(t.Context(), login.Browser{ID: b.ID})
	w.refuses("no cookie", err, idp.ErrNotFound)
	_, _, err = w.Session(t.Context(), login.Browser{ID: b.ID, Session: "made-up"})
	w.refuses("made up", err, idp.ErrNotFound)
	w.later(time.Hour - time.Microsecond)
	_, u, err := w.Session(t.Context(), b)
	if err != nil || u.ID != anna.id {
		t.Errorf("a moment before it is idle too long: %+v (%v)", u, err)
	}
	w.later(time.Hour)
	_, _, err = w.Session(t.Context(), b)
	w.refuses("idle too long", err, idp.ErrNotFound)
	if n := w.kept.touches.Load(); n != 1 {
		t.Errorf("what was not live was touched: %d", n)
	}
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	req := w.client("viewer", nil)
	actor := idp.Actor{User: anna.id, Name: "anna"}
	here, there, bertB := w.browser(), w.browser(), w.browser()
	old := anna.signIn(&there)
	first := anna.signIn(&here)
	other := bert.signIn(&bertB)
	answer, _, err := w.Authorize(t.Context(), req, there)
	w.must(err)

	views, err := w.Sessions(t.Context(), anna.id)
	w.must(err)
	if len(views) != 2 || views[0].ID != first.ID || views[1].ID != old.ID || len(views[0].Clients) != 0 {
		t.Fatalf("listed %+v", views)
	}
	if c := views[1].Clients; len(c) != 1 || c[0].Name != "The viewer" || !c[0].LastAt.Equal(w.now()) {
		t.Errorf("applications %+v", c)
	}
	w.must(w.desk.RemoveClient(t.Context(), console, "viewer"))
	if views, err = w.Sessions(t.Context(), anna.id); err != nil || len(views[1].Clients) > 1 {
		t.Errorf("with the application gone: %+v (%v)", views, err)
	}

	w.kinds()
	w.refuses("another's", w.EndSession(t.Context(), actor, anna.id, other.ID), idp.ErrNotFound)
	w.refuses("made up", w.EndSession(t.Context(), actor, anna.id, "made-up"), idp.ErrNotFound)
	w.tells()
	w.must(w.EndSession(t.Context(), actor, anna.id, old.ID))
	w.tells(idp.EventSessionEnded)
	w.refuses("ended", w.EndSession(t.Context(), actor, anna.id, old.ID), idp.ErrNotFound)
	_, _, err = w.Session(t.Context(), there)
	w.refuses("its cookie", err, idp.ErrNotFound)
	if _, g, err := w.db.Code(t.Context(), answer.Code.Hash()); err == nil && g.Live(w.now()) == nil {
		t.Error("its grant lives")
	}
	w.session(here)
	w.session(bertB)

	anna.signIn(&there)
	anna.signIn(&there)
	w.kinds()
	w.must(w.EndOthers(t.Context(), actor, anna.id, first.ID))
	if views, err = w.Sessions(t.Context(), anna.id); err != nil || len(views) != 1 || views[0].ID != first.ID {
		t.Errorf("others ended: %+v (%v)", views, err)
	}
	w.tells(idp.EventSessionEnded)
	w.session(bertB)
}
