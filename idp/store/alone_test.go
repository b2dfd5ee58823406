package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/store"
	"hilum/idp/store/pgtest"
)

// openSharing opens a database as one of several that share it.
func openSharing(t *testing.T, url string, key []byte) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Strict(store.Config{Key: key, URL: url}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// One instance sweeps at a time. Who comes meanwhile leaves it to that one, and the next
// time does it itself.
func TestOneInstanceSweeps(t *testing.T) {
	url, key := pgtest.Fresh(t), make([]byte, 32)
	one, other := openSharing(t, url, key), openSharing(t, url, key)
	now := time.Now().UTC()
	old := &idp.Job{ID: "old", Kind: idp.JobImport, Owner: "gone", BegunAt: now, BeatAt: now}
	if _, err := one.BeginJob(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	later := now.Add(2 * idp.JobKept)
	there := func() bool {
		_, err := one.Job(t.Context(), old.ID)
		return err == nil
	}
	alone, err := one.Sweeping(t.Context(), func(ctx context.Context) error {
		if err := other.Sweep(ctx, later); err != nil {
			return err
		}
		if !there() {
			t.Error("both sweep at once")
		}
		return errors.New("it broke off")
	})
	if !alone || err == nil {
		t.Fatalf("alone %t, %v", alone, err)
	}
	if err := other.Sweep(t.Context(), later); err != nil || there() {
		t.Errorf("after one that broke off nobody sweeps: %v", err)
	}
}

// Instances that begin at once on an empty database come to the same tables, the same log, and
// one key of each kind.
func TestInstancesBeginAtOnce(t *testing.T) {
	const instances = 3
	url, key := pgtest.Fresh(t), make([]byte, 32)
	var wg sync.WaitGroup
	rings, dbs, checks, pushes := make([]*keyring.Ring, instances), make([]*store.DB, instances), make([]error, instances), make([]error, instances)
	for i := range instances {
		wg.Go(func() {
			db, err := store.Open(t.Context(), store.Strict(store.Config{Key: key, URL: url}))
			if err != nil {
				t.Error(err)
				return
			}
			dbs[i] = db
			checks[i] = db.SetSealCheck(t.Context(), []byte{byte(i)})
			pushes[i] = db.SetVAPIDKey(t.Context(), []byte{byte(i)}, "public")
			rings[i], err = keyring.Open(t.Context(), keyring.Config{Store: db, Sealer: unsealed{}, Algs: []string{"ES256", "EdDSA"}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, db := range dbs {
		if db != nil {
			defer func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}()
		}
	}
	if t.Failed() {
		return
	}
	for what, errs := range map[string][]error{"seal check": checks, "VAPID key": pushes} {
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, idp.ErrConflict):
				t.Errorf("%s: %v", what, err)
			}
		}
		if won != 1 {
			t.Errorf("%s: %d were kept", what, won)
		}
	}
	ids := func(r *keyring.Ring) string {
		var all []string
		for _, k := range r.Public() {
			all = append(all, string(k.ID))
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	for i, r := range rings {
		if err := r.Turn(t.Context()); err != nil {
			t.Error(err)
		}
		if got := ids(r); got != ids(rings[0]) || len(r.Public()) != 2 {
			t.Errorf("instance %d has the keys %q, the first %q", i, got, ids(rings[0]))
		}
	}
	if err := dbs[0].Link(t.Context(), true); err != nil {
		t.Error(err)
	}
	if err := dbs[1].VerifyEvents(t.Context()); err != nil {
		t.Errorf("the log: %v", err)
	}
	made, err := dbs[2].SearchEvents(t.Context(), idp.EventQuery{Kinds: []idp.EventKind{idp.EventKeyRotated}})
	if err != nil || len(made.Rows) != 2 {
		t.Errorf("%d keys were made, %v", len(made.Rows), err)
	}
}

// unsealed seals nothing.
type unsealed struct{}

func (unsealed) Seal(b []byte, _ string) ([]byte, error) { return slices.Clone(b), nil }
func (unsealed) Open(b []byte, _ string) ([]byte, error) { return slices.Clone(b), nil }
