package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"os"
	"testing"

	"hilum/idp/store"
	"hilum/idp/store/storetest"
)

func TestPostgreSQL(t *testing.T) {
	at := os.Getenv("PGTEST")
	if at == "" {
		t.Skip()
	}
	storetest.Run(t, func(t *testing.T, instances int) []storetest.Store {
		to := freshPG(t, at)
		var all []storetest.Store
		for range instances {
			db, err := store.Open(t.Context(), store.Config{Key: make([]byte, 32), URL: to, Mail: true})
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

func freshPG(t *testing.T, at string) string {
	c, err := pgx.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ToLower("t" + rand.Text())
	if _, err := c.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8'"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := c.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
		if err = errors.Join(err, c.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	u, _ := url.Parse(at)
	u.Path = "/" + name
	return u.String()
}
