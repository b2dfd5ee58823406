package keyring

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

// TestReplace takes keys of an algorithm away at once, in every state that they can be in.
func TestReplace(t *testing.T) {
	const day = 24 * time.Hour
	who := idp.Actor{Name: "console:root"}
	for name, c := range map[string]struct {
		after time.Duration // since the first start
		gone  int
	}{
		"it signs":                           {0, 1},
		"the next one waits":                 {29 * day, 2},
		"the one before is published":        {30 * day, 2},
		"one before, one signs, one to come": {30*day + 29*day, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, RS256, ES256)
			r := w.open()
			start := w.clock.now()
			for at := time.Duration(0); at <= c.after; at += day {
				w.clock.forward(start.Add(at).Sub(w.clock.now()))
				w.turn(r)
			}
			beside := w.open()
			before, version, besides, other := ids(r), r.Version(), beside.Version(), w.signer(r, RS256)
			w.store.events = nil
			made, gone, err := beside.Replace(t.Context(), ES256, who)
			if err != nil || gone != c.gone {
				t.Fatalf("%d gone, want %d: %v", gone, c.gone, err)
			}
			if w.signer(beside, ES256) != made {
				t.Error("the new key does not sign")
			}
			if w.signer(r, ES256) == made {
				t.Fatal("the other process knows already")
			}
			w.turn(r)
			if w.signer(r, ES256) != made || w.signer(r, RS256) != other || r.Version() == version || beside.Version() == besides {
				t.Error("the other process goes on as before")
			}
			var old []string
			for _, k := range r.Public() {
				if k.Alg == ES256 && k.ID != made {
					t.Errorf("%s is published", k.ID)
				}
			}
			for _, id := range before {
				if !slices.Contains(ids(r), id) {
					old = append(old, string(id))
				}
			}
			if len(w.store.events) != 1 {
				t.Fatalf("%d events", len(w.store.events))
			}
			e := w.store.events[0]
			noted := strings.Fields(e.Detail["gone"])
			slices.Sort(noted)
			slices.Sort(old)
			if e.Kind != idp.EventKeyRotated || e.Actor != who || e.Detail["change"] != "replaced" || e.Detail["alg"] != ES256 || e.Detail["key"] != string(made) || !slices.Equal(noted, old) || len(old) != c.gone {
				t.Errorf("%+v, gone were %v", e, old)
			}
			// The ordinary life goes on from here.
			w.clock.forward(29 * day)
			w.turn(r)
			if w.signer(r, ES256) != made {
				t.Error("the new key does not sign for its time")
			}
		})
	}
}

// TestReplaceOfWhatIsNotSetUp: of an algorithm that was taken out of the configuration the
// last keys go, and none is made; of one that there never was nothing is changed.
func TestReplaceOfWhatIsNotSetUp(t *testing.T) {
	w := newWorld(t, RS256, ES256)
	w.open()
	w.conf.Algs = []string{RS256}
	r := w.open()
	if len(r.Public()) != 2 {
		t.Fatalf("%v are published", ids(r))
	}
	version := r.Version()
	made, gone, err := r.Replace(t.Context(), ES256, idp.Actor{Name: "x"})
	if err != nil || made != "" || gone != 1 || len(r.Public()) != 1 || r.Version() == version {
		t.Errorf("%q made, %d gone, %v; %v are published", made, gone, err, ids(r))
	}
	events := len(w.store.events)
	if _, _, err := r.Replace(t.Context(), EdDSA, idp.Actor{Name: "x"}); !errors.Is(err, idp.ErrNotFound) || len(w.store.events) != events || len(r.Public()) != 1 {
		t.Errorf("%v, %d events", err, len(w.store.events)-events)
	}
	w.store.fail = errors.New("disk full")
	if _, _, err := r.Replace(t.Context(), RS256, idp.Actor{Name: "x"}); !errors.Is(err, w.store.fail) {
		t.Error(err)
	}
}

// TestRivalsReplace: two who replace at the same moment leave one key that signs, and no
// old one; the first of the two new keys is gone with the old ones.
func TestRivalsReplace(t *testing.T) {
	w := newWorld(t, ES256)
	a, b := w.open(), w.open()
	old := w.signer(a, ES256)
	results := make(chan error, 2)
	for _, r := range []*Ring{a, b} {
		go func() {
			_, _, err := r.Replace(t.Context(), ES256, idp.Actor{Name: "x"})
			results <- err
		}()
	}
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	w.turn(a)
	w.turn(b)
	if !slices.Equal(ids(a), ids(b)) || len(a.Public()) != 1 || w.signer(a, ES256) == old || w.signer(a, ES256) != w.signer(b, ES256) {
		t.Errorf("%v and %v", ids(a), ids(b))
	}
}
