package store_test

import (
	"testing"

	"hilum/idp/idptest"
	"hilum/idp/store"
	"hilum/idp/store/storetest"
)

func TestPostgreSQL(t *testing.T) {
	t.Parallel() // it waits more than it computes
	onPostgreSQL(t, func(c store.Config) store.Config { return c })
}

// A function that writes may run twice, and comes to the same.
func TestPostgreSQLTwice(t *testing.T) {
	t.Parallel()
	onPostgreSQL(t, store.Twice)
}

// onPostgreSQL runs the suite on PostgreSQL, each test on a database of its own.
func onPostgreSQL(t *testing.T, with func(store.Config) store.Config) {
	storetest.Run(t, func(t *testing.T, instances int) []storetest.Store {
		url := idptest.URL(t)
		var all []storetest.Store
		for range instances {
			db, err := store.Open(t.Context(), with(store.Strict(store.Config{Key: make([]byte, 32), URL: url, Mail: true})))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			all = append(all, db)
		}
		return all
	})
}
