package e2e

import (
	"context"
	"testing"

	"hilum/e2e/crowd"
	"hilum/idp/store"
)

// openStore opens the database of a provider that has run, or runs, as a command does.
func openStore(t testing.TB, home crowd.Home) *store.DB {
	t.Helper()
	db, _, err := home.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return db
}
