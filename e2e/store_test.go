package e2e

import (
	"path/filepath"
	"testing"

	"hilum/idp/keyring"
)

// storeKey is the key of the database of a provider that has run in a folder.
func storeKey(t testing.TB, data string) []byte {
	t.Helper()
	return must[*keyring.Sealer](t)(keyring.OpenSealer(filepath.Join(data, "seal.key"), false)).Derive("store", 32)
}
