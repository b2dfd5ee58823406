package idptest

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"hilum/idp/store"
	"hilum/idp/store/pgtest"
)

// Engine is the variable of the environment by which all databases of a test program are
// PostgreSQL's, each in the server of [pgtest.Start]: "postgres". "sqlite" and nothing at
// all mean a file.
const Engine = "IDP_TEST_ENGINE"

// OnPostgreSQL tells which of them it is.
func OnPostgreSQL(t testing.TB) bool {
	t.Helper()
	switch e := os.Getenv(Engine); e {
	case "", "sqlite":
		return false
	case "postgres":
		return true
	default:
		t.Fatalf(`%s is %q; "sqlite" and "postgres" are known`, Engine, e)
		return false
	}
}

// migrated has our tables, and nothing in them.
var migrated pgtest.Prepared

// filed is the same as a file. To bring tables up to date costs four tenths of a second of
// computing under the race detector, and most tests want no more than that it was done.
var filed = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "idptest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "idp.db")
	if err := migrate(store.Config{Driver: "sqlite", Path: path}); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func migrate(c store.Config) error {
	c.Log = Quiet()
	db, err := store.Open(context.Background(), c)
	if err != nil {
		return err
	}
	return db.Close()
}

// URL is that of an empty database of a test in the server of [pgtest.Start], its tables up to
// date.
func URL(t testing.TB) string {
	t.Helper()
	return migrated.Fresh(t, func(url string) error { return migrate(store.Config{URL: url}) })
}

// File writes an empty database of SQLite to a path, its tables up to date.
func File(t testing.TB, path string) {
	t.Helper()
	b, err := filed()
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Database is an empty database of a test, which goes with it: a configuration that names
// it and nothing else, for whoever opens it more than once. [Store] opens one.
func Database(t testing.TB) store.Config {
	t.Helper()
	if OnPostgreSQL(t) {
		return store.Config{URL: URL(t)}
	}
	path := filepath.Join(t.TempDir(), "idp.db")
	File(t, path)
	return store.Config{Driver: "sqlite", Path: path}
}

// Edit changes a database behind the provider's back, by one statement that has to change
// rows, with "?" for each argument.
func Edit(t testing.TB, c store.Config, statement string, args ...any) {
	t.Helper()
	driver, at := "sqlite3", "file:"+c.Path+"?_busy_timeout=5000" // the drivers that the store brings along
	if c.URL != "" {
		driver, at = "pgx", c.URL
		for n := 1; strings.Contains(statement, "?"); n++ {
			statement = strings.Replace(statement, "?", "$"+strconv.Itoa(n), 1)
		}
	}
	db, err := sql.Open(driver, at)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.ExecContext(t.Context(), statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	if n, err := r.RowsAffected(); n == 0 || err != nil {
		t.Fatalf("%s changed %d rows, %v", statement, n, err)
	}
}
