package keyring_test

import (
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/idptest"
	"hilum/idp/keyring"
	"hilum/idp/store"
)

var _ keyring.Store = (*store.DB)(nil)

func ours(t *testing.T) store.Config {
	c := idptest.Database(t)
	c.Key = make([]byte, 32)
	return c
}

// open opens a database and its keys, as a process does at start.
func open(t *testing.T, database store.Config, dir string, now func() time.Time) (*store.DB, *keyring.Ring) {
	t.Helper()
	db, err := store.Open(t.Context(), database)
	if err != nil {
		t.Error(err)
		return nil, nil
	}
	sealer, err := keyring.OpenSealer(filepath.Join(dir, "seal.key"), db.Fresh())
	if err != nil {
		t.Error(err)
		return db, nil
	}
	ring, err := keyring.Open(t.Context(), keyring.Config{
		Store: db, Sealer: sealer, Algs: []string{keyring.ES256, keyring.EdDSA}, Now: now,
	})
	if err != nil {
		t.Error(err)
	}
	return db, ring
}

func keys(r *keyring.Ring) (ids []idp.KeyID) {
	for _, k := range r.Public() {
		ids = append(ids, k.ID)
	}
	return ids
}

// Two processes start on one empty database, and turn their keys over four
// months, both at the same moments. Each has its own connections.
func TestProcessesOnOneDatabaseShareTheirKeys(t *testing.T) {
	dir, database := t.TempDir(), ours(t)
	var mu sync.Mutex
	clock := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return clock
	}
	// The tables are made by one of them; the keys are raced for.
	first, err := store.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	dbs, rings := []*store.DB{first, nil, nil}, make([]*keyring.Ring, 3)
	var wg sync.WaitGroup
	for i := 1; i < 3; i++ {
		wg.Go(func() { dbs[i], rings[i] = open(t, database, dir, now) })
	}
	wg.Wait()
	for _, db := range dbs {
		if db != nil {
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	for day := range 120 {
		for _, r := range rings[1:] {
			wg.Go(func() {
				if err := r.Turn(t.Context()); err != nil {
					t.Errorf("day %d: %v", day, err)
				}
			})
		}
		wg.Wait()
		if a, b := keys(rings[1]), keys(rings[2]); len(a) == 0 || len(a) > 6 {
			t.Fatalf("day %d: %v and %v", day, a, b)
		}
		mu.Lock()
		clock = clock.Add(24 * time.Hour)
		mu.Unlock()
	}
	for _, r := range rings[1:] {
		if err := r.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := keys(rings[1]), keys(rings[2]); !slices.Equal(a, b) {
		t.Errorf("%v and %v", a, b)
	}
	stored, err := first.SigningKeys(t.Context())
	if err != nil || len(stored) > 4 {
		t.Errorf("%d keys are stored, %v", len(stored), err)
	}
	events, err := first.Events(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range events {
		count[e.Detail["change"]]++
	}
	// Two algorithms, made at the start and four times since, none twice.
	if count["made"] != 10 || count["retired"] != 8 || count["dropped"] < 6 {
		t.Errorf("events %v", count)
	}
}

func TestRestartKeepsTheKeysAndAForeignSealIsRefused(t *testing.T) {
	dir, database := t.TempDir(), ours(t)
	now := time.Now
	db, ring := open(t, database, dir, now)
	if t.Failed() {
		t.FailNow()
	}
	before := keys(ring)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, ring = open(t, database, dir, now)
	if t.Failed() {
		t.FailNow()
	}
	if !slices.Equal(keys(ring), before) {
		t.Errorf("%v, then %v", before, keys(ring))
	}
	if db.Fresh() {
		t.Error("still fresh")
	}
	foreign, err := keyring.OpenSealer(filepath.Join(t.TempDir(), "seal.key"), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Open(t.Context(), keyring.Config{Store: db, Sealer: foreign, Algs: []string{keyring.ES256}}); err == nil {
		t.Error("opened with a foreign sealing key")
	}
	if stored, err := db.SigningKeys(t.Context()); err != nil || len(stored) != len(before) {
		t.Errorf("%d keys are stored, %v", len(stored), err)
	}
	// Nor is a lost sealing key made anew.
	if _, err := keyring.OpenSealer(filepath.Join(dir, "lost.key"), db.Fresh()); err == nil {
		t.Error("a sealing key was made for a database that has one")
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
