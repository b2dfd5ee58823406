package store_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/device"
	"hilum/idp/idptest"
	"hilum/idp/keyring"
	"hilum/idp/login"
	"hilum/idp/oidc"
	"hilum/idp/store"
	"hilum/idp/store/storetest"
)

// What doors and verbs ask for.
var (
	_ login.Store   = (*store.DB)(nil)
	_ device.Store  = (*store.DB)(nil)
	_ admin.Store   = (*store.DB)(nil)
	_ keyring.Store = (*store.DB)(nil)
	_ oidc.Store    = (*store.DB)(nil)
)

func open(t testing.TB, path string) *store.DB {
	t.Helper()
	return openWith(t, conf(path))
}

func conf(path string) store.Config {
	return store.Strict(store.Config{Key: make([]byte, 32), Driver: "sqlite", Path: path, Mail: true})
}

func openWith(t testing.TB, c store.Config) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n, err := db.Reprepared(); n != 0 && err == nil {
			t.Errorf("statements were prepared anew %d times", n)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T, instances int) []storetest.Store {
		path := filepath.Join(t.TempDir(), "idp.db")
		idptest.File(t, path)
		var all []storetest.Store
		for range instances {
			all = append(all, open(t, path))
		}
		return all
	})
}

// A function that writes may run twice, and comes to the same.
func TestSQLiteTwice(t *testing.T) {
	storetest.Run(t, func(t *testing.T, instances int) []storetest.Store {
		path := filepath.Join(t.TempDir(), "idp.db")
		idptest.File(t, path)
		var all []storetest.Store
		for range instances {
			all = append(all, openWith(t, store.Twice(conf(path))))
		}
		return all
	})
}

// Where no mail can be sent none is kept for the day that it can.
func TestNobodyIsToldWithoutMail(t *testing.T) {
	db, err := store.Open(t.Context(), store.Config{Key: make([]byte, 32), Driver: "sqlite", Path: filepath.Join(t.TempDir(), "idp.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	u := &idp.User{ID: "u", Name: "anna", Email: "anna@example.org", State: idp.UserActive}
	if err := db.AddUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := db.SetPassword(t.Context(), "u", "phc", time.Time{}, idp.Within{}, idp.Event{At: now, Kind: idp.EventPasswordChanged, User: "u"}); err != nil {
		t.Fatal(err)
	}
	if m, err := db.ClaimMail(t.Context(), now.Add(time.Hour)); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("a mail waits: %+v, %v", m, err)
	}
}
