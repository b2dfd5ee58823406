package store_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
	gormsqlite "gorm.io/driver/sqlite"

	"hilum/idp"
)

// From 3.7.0 to 3.51.2 SQLite could lose what one process committed while
// another reset the write-ahead log; a command beside the server is one.
func TestSQLiteKeepsItsLog(t *testing.T) {
	const fixed = 3_051_003
	text, number, _ := sqlite3.Version()
	if number < fixed {
		t.Errorf("SQLite %s (%d) is compiled in, it has to be %d at least", text, number, fixed)
	}
	// The same, as the library that is linked says of itself.
	db, err := sql.Open(gormsqlite.DriverName, ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var said string
	if err := db.QueryRowContext(t.Context(), "SELECT sqlite_version()").Scan(&said); err != nil {
		t.Fatal(err)
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(said, "%d.%d.%d", &major, &minor, &patch); err != nil {
		t.Fatalf("version %q: %v", said, err)
	}
	if n := 1_000_000*major + 1000*minor + patch; n < fixed {
		t.Errorf("SQLite %s runs, it has to be 3.51.3 at least", said)
	}
}

// What a sign-in, a refresh, userinfo and an introspection ask is prepared
// once a connection, whatever is bound to it: see holdPlans for what it costs
// otherwise.
func TestNothingIsPreparedAnew(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "idp.db"))
	now := time.Now().UTC().Truncate(time.Microsecond)
	u := person(t, db, now)
	const rounds = 40 // more than there are connections, so that each has asked twice
	for i := range rounds {
		at := now.Add(time.Duration(i) * time.Second)
		held := signInAs(t, db, u, at)
		redeem(t, db, &held, at)
		for range 3 {
			issue := issueFor(held.grant, at)
			if err := db.RotateRefresh(t.Context(), held.refresh, at, 0, issue); err != nil {
				t.Fatal(err)
			}
			held.refresh = issue.Refresh.Hash
			// Userinfo and introspection; remembered, and then by another process.
			for range 2 {
				if _, _, _, err := db.Access(t.Context(), issue.Access.Hash); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := db.AccountByName(t.Context(), fmt.Sprint("nobody", i)); err == nil {
			t.Fatal("found nobody")
		}
		if _, err := db.User(t.Context(), idp.UserID(fmt.Sprint("nobody", i))); err == nil {
			t.Fatal("found nobody")
		}
	}
	n, err := db.Reprepared()
	if err != nil {
		t.Fatal(err)
	}
	if n != 0 {
		t.Errorf("statements were prepared anew %d times", n)
	}
}
