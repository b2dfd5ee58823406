package keyring

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// memStore keeps keys in memory, as atomically as a database.
type memStore struct {
	mu     sync.Mutex
	keys   []idp.SigningKey
	events []idp.Event
	fail   error
}

func (s *memStore) SigningKeys(context.Context) ([]idp.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys), s.fail
}

func (s *memStore) UpdateSigningKeys(_ context.Context, fn func([]idp.SigningKey) ([]idp.SigningKey, error), e idp.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, err := fn(slices.Clone(s.keys))
	if err != nil {
		return err
	}
	for i := range keys { // as the store does at its edge
		for _, at := range []*time.Time{&keys[i].CreatedAt, &keys[i].ActiveAt, &keys[i].RetiredAt, &keys[i].GoneAt} {
			*at = at.UTC().Truncate(time.Microsecond)
		}
	}
	s.keys, s.events = keys, append(s.events, e)
	return nil
}

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

type world struct {
	*testing.T
	store *memStore
	clock *clock
	conf  Config
}

func newWorld(t *testing.T, algs ...string) *world {
	w := &world{T: t, store: &memStore{}, clock: &clock{t: time.Date(2026, 3, 1, 8, 0, 0, 123456789, time.UTC)}}
	w.conf = Config{Store: w.store, Sealer: testSealer(t), Algs: algs, Now: w.clock.now, Log: slog.New(slog.DiscardHandler)}
	return w
}

func (w *world) open() *Ring {
	w.Helper()
	r, err := Open(w.Context(), w.conf)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

func (w *world) turn(r *Ring) {
	w.Helper()
	if err := r.Turn(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) signer(r *Ring, alg string) idp.KeyID {
	w.Helper()
	k, err := r.Signer(alg)
	if err != nil {
		w.Fatal(err)
	}
	return k.ID
}

func ids(r *Ring) []idp.KeyID {
	var out []idp.KeyID
	for _, k := range r.Public() {
		out = append(out, k.ID)
	}
	return out
}

func TestFirstKeysSignAtOnce(t *testing.T) {
	w := newWorld(t, RS256, ES256, PS256, EdDSA)
	r := w.open()
	if len(r.Public()) != 4 || len(w.store.events) != 4 {
		t.Fatalf("%d keys, %d events; want 4 and 4", len(r.Public()), len(w.store.events))
	}
	seen := map[idp.KeyID]bool{}
	for _, alg := range w.conf.Algs {
		k, err := r.Signer(alg)
		if err != nil {
			t.Fatal(err)
		}
		if seen[k.ID] {
			t.Errorf("%s shares its key", alg)
		}
		seen[k.ID] = true
		sig, err := SignJWS(k, []byte("input"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Public() {
			if p.Signer != nil {
				t.Errorf("%s: a public key signs", p.Alg)
			}
			if p.ID == k.ID {
				if err := verify(p, []byte("input"), sig); err != nil {
					t.Error(err)
				}
			}
		}
	}
	for _, e := range w.store.events {
		if e.Kind != idp.EventKeyRotated || e.Detail["change"] != "made" || e.Detail["key"] == "" || e.Actor.Name != "provider" || e.At.IsZero() {
			t.Errorf("event %+v", e)
		}
	}
	if _, err := r.Signer("HS256"); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("a signer for HS256: %v", err)
	}
}

func TestAnotherStartTakesUpTheKeys(t *testing.T) {
	w := newWorld(t, ES256, EdDSA)
	first, second := w.open(), w.open()
	if !slices.Equal(ids(first), ids(second)) || len(w.store.events) != 2 {
		t.Errorf("%v, then %v; %d events", ids(first), ids(second), len(w.store.events))
	}
}

// A key is published a day before it signs, signs for thirty days, and stays
// published until its last token is dead.
func TestLifeOfAKey(t *testing.T) {
	w := newWorld(t, ES256)
	w.conf.KeepFor = 12 * time.Hour
	start := w.clock.now()
	r := w.open()
	old := w.signer(r, ES256)
	to := func(after time.Duration) {
		w.clock.forward(start.Add(after).Sub(w.clock.now()))
		w.turn(r)
	}
	const day = 24 * time.Hour
	version := r.Version()
	expect := func(when string, signs idp.KeyID, published, changes int) {
		t.Helper()
		if got := w.signer(r, ES256); got != signs {
			t.Errorf("%s: %s signs, want %s", when, got, signs)
		}
		if len(r.Public()) != published {
			t.Errorf("%s: %v are published, want %d", when, ids(r), published)
		}
		if r.Public()[0].ID != signs {
			t.Errorf("%s: the key that signs is not the first", when)
		}
		if got := int(r.Version() - version); got != changes {
			t.Errorf("%s: the version moved by %d, want %d", when, got, changes)
		}
	}
	to(29*day - time.Minute)
	expect("before the 29th day", old, 1, 0)
	to(29 * day)
	expect("on the 29th day", old, 2, 1)
	next := r.Public()[1].ID
	to(30*day - time.Minute)
	expect("before the 30th day", old, 2, 1)
	to(30 * day)
	expect("on the 30th day", next, 2, 2)
	to(30*day + 12*time.Hour + handover - time.Minute)
	expect("before its last token is dead", next, 2, 2)
	to(30*day + 12*time.Hour + handover)
	expect("after", next, 1, 3)
	to(59 * day)
	expect("and so on", next, 2, 4)

	var acts []string
	for _, e := range w.store.events {
		acts = append(acts, e.Detail["change"])
	}
	if want := "made made retired dropped made"; strings.Join(acts, " ") != want {
		t.Errorf("events %v, want %s", acts, want)
	}
}

func TestKeyIsPublishedBeforeUseEvenAfterALongRest(t *testing.T) {
	w := newWorld(t, ES256)
	old := w.signer(w.open(), ES256)
	w.clock.forward(90 * 24 * time.Hour)
	r := w.open()
	if w.signer(r, ES256) != old || len(r.Public()) != 2 {
		t.Fatalf("the new key signs before it was published: %v", ids(r))
	}
	w.clock.forward(w.conf.PublishBefore + 24*time.Hour)
	w.turn(r)
	if w.signer(r, ES256) == old {
		t.Error("the old key signs on")
	}
}

func TestTurnIsIdempotent(t *testing.T) {
	w := newWorld(t, ES256)
	r := w.open()
	w.clock.forward(30 * 24 * time.Hour)
	w.turn(r)
	events, version := len(w.store.events), r.Version()
	for range 5 {
		w.turn(r)
	}
	if len(w.store.events) != events || r.Version() != version {
		t.Errorf("%d events more, version %d more", len(w.store.events)-events, r.Version()-version)
	}
}

func TestRivalsAgreeOnKeys(t *testing.T) {
	w := newWorld(t, ES256, EdDSA)
	rings := make([]*Ring, 8)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() {
			var err error
			if rings[i], err = Open(t.Context(), w.conf); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	if len(w.store.keys) != 2 || len(w.store.events) != 2 {
		t.Fatalf("%d keys and %d events from %d starts", len(w.store.keys), len(w.store.events), len(rings))
	}
	// Over two months, all of them turning at once now and then.
	for range 60 {
		w.clock.forward(25 * time.Hour)
		for _, r := range rings {
			wg.Go(func() {
				if err := r.Turn(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, r := range rings {
			w.turn(r)
			if !slices.Equal(ids(r), ids(rings[0])) || w.signer(r, ES256) != w.signer(rings[0], ES256) {
				t.Fatalf("at %s they differ", w.clock.now())
			}
		}
		for _, alg := range w.conf.Algs {
			n := 0
			for _, k := range w.store.keys {
				if k.Alg == alg && k.RetiredAt.IsZero() && !k.ActiveAt.After(w.clock.now()) {
					n++
				}
			}
			if n != 1 {
				t.Fatalf("%d keys sign for %s", n, alg)
			}
		}
	}
}

// An instance that has not turned yet goes on signing with a key that another
// retired; the key is published until those tokens are dead too.
func TestHandoverCoversTheSlowInstance(t *testing.T) {
	w := newWorld(t, ES256)
	w.conf.KeepFor = time.Hour
	quick, slow := w.open(), w.open()
	w.clock.forward(29 * 24 * time.Hour)
	w.turn(quick)
	w.turn(slow)
	w.clock.forward(24 * time.Hour)
	w.turn(quick)
	w.clock.forward(59 * time.Minute)
	last := w.signer(slow, ES256)
	if last == w.signer(quick, ES256) {
		t.Fatal("nothing was handed over")
	}
	w.turn(slow)
	w.clock.forward(time.Hour)
	w.turn(quick)
	if !slices.Contains(ids(quick), last) {
		t.Error("a living token's key is gone")
	}
}

func TestKeyThatCannotBeReadIsNeverReplaced(t *testing.T) {
	other, _ := newSealer(firstKey, slices.Repeat([]byte{9}, keySize))
	reseal := func(w *world, k *idp.SigningKey, der []byte) {
		var err error
		if k.Sealed, err = w.conf.Sealer.Seal(der, string(k.ID)); err != nil {
			w.Fatal(err)
		}
	}
	for name, damage := range map[string]func(w *world, k *idp.SigningKey){
		"sealed with another key": func(w *world, _ *idp.SigningKey) { w.conf.Sealer = other },
		"a bit flipped":           func(_ *world, k *idp.SigningKey) { k.Sealed[len(k.Sealed)-1] ^= 1 },
		"cut":                     func(_ *world, k *idp.SigningKey) { k.Sealed = k.Sealed[:10] },
		"empty":                   func(_ *world, k *idp.SigningKey) { k.Sealed = nil },
		"moved to another row":    func(_ *world, k *idp.SigningKey) { k.ID = "ANOTHER" },
		"another algorithm":       func(_ *world, k *idp.SigningKey) { k.Alg = EdDSA },
		"not a key":               func(w *world, k *idp.SigningKey) { reseal(w, k, []byte("not a key")) },
		"another private part": func(w *world, k *idp.SigningKey) {
			private, _ := generate(ES256, 0)
			der, _ := x509.MarshalPKCS8PrivateKey(private)
			reseal(w, k, der)
		},
		"another public part": func(_ *world, k *idp.SigningKey) {
			private, _ := generate(ES256, 0)
			k.Public, _ = x509.MarshalPKIXPublicKey(private.Public())
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, ES256, EdDSA)
			w.open()
			damage(w, &w.store.keys[0])
			id, before := w.store.keys[0].ID, len(w.store.keys)
			_, err := Open(t.Context(), w.conf)
			if err == nil || !strings.Contains(err.Error(), string(id)) {
				t.Errorf("opened; says %v, want the key's id", err)
			}
			if len(w.store.keys) != before || len(w.store.events) != before {
				t.Error("keys were changed")
			}
		})
	}
}

func TestRingGoesOnWhenTurningFails(t *testing.T) {
	w := newWorld(t, ES256)
	r := w.open()
	signs := w.signer(r, ES256)
	w.store.fail = errors.New("the disk is full")
	w.clock.forward(31 * 24 * time.Hour)
	if err := r.Turn(t.Context()); !errors.Is(err, w.store.fail) {
		t.Errorf("Turn says %v", err)
	}
	if w.signer(r, ES256) != signs || len(r.Public()) != 1 {
		t.Error("the keys are lost")
	}
	w.store.fail = nil
	w.turn(r)
	if len(r.Public()) != 2 {
		t.Error("the next Turn did not make up for it")
	}
}

func TestStoreThatKeepsNothingIsNoticed(t *testing.T) {
	w := newWorld(t, ES256)
	w.conf.Store = forgetful{w.store}
	if _, err := Open(t.Context(), w.conf); err == nil || !strings.Contains(err.Error(), "settle") {
		t.Errorf("says %v", err)
	}
}

type forgetful struct{ *memStore }

func (forgetful) UpdateSigningKeys(_ context.Context, fn func([]idp.SigningKey) ([]idp.SigningKey, error), _ idp.Event) error {
	_, err := fn(nil)
	return err
}

func TestAlgorithmsComeAndGo(t *testing.T) {
	w := newWorld(t, ES256, EdDSA)
	first := w.open()
	gone := w.signer(first, EdDSA)
	w.conf.Algs = []string{ES256}
	r := w.open()
	if _, err := r.Signer(EdDSA); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("still signs: %v", err)
	}
	if !slices.Contains(ids(r), gone) {
		t.Error("its tokens cannot be verified any more")
	}
	w.conf.Algs = []string{ES256, EdDSA}
	r = w.open()
	if again := w.signer(r, EdDSA); again == gone {
		t.Error("a retired key signs again")
	}
	w.clock.forward(24 * time.Hour)
	w.turn(r)
	if slices.Contains(ids(r), gone) {
		t.Error("never dropped")
	}
}

// Where the clocks of two instances differ, the one behind uses the other's
// key although it begins in its future, rather than making a second.
func TestClockBehindMakesNoSecondKey(t *testing.T) {
	w := newWorld(t, ES256)
	first := w.open()
	w.clock.forward(-time.Minute)
	second := w.open()
	if len(w.store.keys) != 1 || w.signer(second, ES256) != w.signer(first, ES256) {
		t.Errorf("%d keys", len(w.store.keys))
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"an unknown algorithm":        func(c *Config) { c.Algs = []string{"HS256"} },
		"RSA of 1024 bits":            func(c *Config) { c.RSABits = 1024 },
		"published longer than used":  func(c *Config) { c.RotateEvery, c.PublishBefore = time.Hour, time.Hour },
		"kept for less than nothing":  func(c *Config) { c.KeepFor = -1 },
		"published after it is used":  func(c *Config) { c.PublishBefore = -1 },
		"turned before the beginning": func(c *Config) { c.RotateEvery = -1 },
	} {
		w := newWorld(t, ES256)
		change(&w.conf)
		if _, err := Open(t.Context(), w.conf); err == nil || len(w.store.keys) > 0 {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestDefaults(t *testing.T) {
	w := newWorld(t)
	w.conf.Now, w.conf.Log, w.conf.GoOnly = nil, nil, true
	r := w.open()
	if k, err := r.Signer(RS256); err != nil || k.Signer.(*goSigner) == nil {
		t.Errorf("%v, %v", k, err)
	}
	if c := r.conf; c.RSABits != 2048 || c.RotateEvery != 720*time.Hour || c.PublishBefore != 24*time.Hour || c.KeepFor != 12*time.Hour {
		t.Errorf("defaults %+v", c)
	}
}

func TestSignerAllocatesNothing(t *testing.T) {
	w := newWorld(t, ES256)
	r := w.open()
	if n := testing.AllocsPerRun(100, func() { _, _ = r.Signer(ES256) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
