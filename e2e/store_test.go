package e2e

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"hilum/idp/keyring"
	"hilum/idp/store"
)

// openStore opens the database of a provider that has run, or runs, in a folder, as a
// command does.
func openStore(t testing.TB, data string) *store.DB {
	t.Helper()
	return must[*store.DB](t)(store.Open(context.Background(), store.Config{
		Key: storeKey(t, data), Driver: "sqlite", Path: filepath.Join(data, "idp.db"), Log: slog.New(slog.DiscardHandler),
	}))
}

// storeKey is the key of the database of a provider that has run in a folder.
func storeKey(t testing.TB, data string) []byte {
	t.Helper()
	return must[*keyring.Sealer](t)(keyring.OpenSealer(filepath.Join(data, "seal.key"), false)).Derive("store", 32)
}
