package store_test

import (
	"log/slog"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/idptest"
	"hilum/idp/store"
	"hilum/idp/store/pgtest"
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

// A server that is away does not keep a provider from ending, and what waited to be put into the
// log is put there by the next.
func TestCloseWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	conf := store.Config{Key: make([]byte, 32), URL: server.Fresh(t), Log: slog.New(slog.DiscardHandler)}
	db, err := store.Open(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	secret := idp.NewToken().Hash()
	if err := db.AddClient(t.Context(), &idp.Client{ID: "viewer", Name: "Viewer", Secrets: []idp.ClientSecret{{Hash: secret, CreatedAt: time.Now()}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Clients(t.Context()); err != nil { // by gorm, on a connection of its own
		t.Fatal(err)
	}
	db.SecretUsed("viewer", secret, time.Now()) // written when it is closed
	if err := db.AddEvent(t.Context(), idp.Event{At: time.Now(), Kind: idp.EventClientChanged, Actor: idp.Actor{Name: "test"}}); err != nil {
		t.Fatal(err)
	}
	server.Stop(t, pgtest.Immediate)
	if err := db.Close(); err != nil {
		t.Errorf("closed: %v", err)
	}
	server.Start(t)
	if db, err = store.Open(t.Context(), conf); err != nil {
		t.Fatal(err)
	}
	if err := db.VerifyEvents(t.Context()); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
