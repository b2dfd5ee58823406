package store_test

import (
	"path/filepath"
	"testing"

	"hilum/idp/admin"
	"hilum/idp/device"
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
	db, err := store.Open(t.Context(), store.Config{Driver: "sqlite", Path: path, Mail: true})
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

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T, instances int) []storetest.Store {
		path := filepath.Join(t.TempDir(), "idp.db")
		var all []storetest.Store
		for range instances {
			all = append(all, open(t, path))
		}
		return all
	})
}
