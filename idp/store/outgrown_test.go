package store

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hilum/idp/store/migrations"
	"hilum/idp/store/pgtest"
)

// as is what a newer release does to the tables: another version, and the floor that goes with it.
func as(t *testing.T, db *DB, version, floor int64, release string) {
	t.Helper()
	err := db.write(t.Context(), func(x *tx) error {
		return errors.Join(x.put("DELETE FROM goose_db_version WHERE version_id > 9000"),
			x.put("INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, TRUE)", version),
			x.put("UPDATE schema_floor SET level = ?, release = ? WHERE id = 1", floor, release))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// An instance says with which tables it works, also when a newer release changes them beneath it,
// and ends when they are changed in a way that it does not work with.
func TestInstancesNoticeNewerTables(t *testing.T) {
	known, err := migrations.Newest()
	if err != nil {
		t.Fatal(err)
	}
	db := openShared(t, pgtest.Fresh(t), nil)
	r, err := db.roll("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	says := func(to, schema, floor int64) {
		t.Helper()
		if _, err := r.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		h, err := db.Health(t.Context())
		if err != nil || len(h.Instances) != 1 || h.Instances[0].SchemaFrom != known || h.Instances[0].SchemaTo != to || h.Schema != schema || h.SchemaFloor != floor {
			t.Errorf("%+v, %v, want it made for %d, with %d; tables %d from %d on", h, err, known, to, schema, floor)
		}
	}
	says(known, known, migrations.FirstFloor)
	as(t, db, 9001, known, "0.2.0")
	says(9001, 9001, known)
	as(t, db, 9002, 9002, "0.3.0")
	outgrown := (*OutgrownError)(nil)
	if err := db.Live(t.Context(), "1.2.3", func(int) {}); !errors.As(err, &outgrown) || !strings.Contains(err.Error(), "0.3.0 is the oldest that works with them") {
		t.Errorf("with tables that it does not work with: %v", err)
	}
	if rows, err := list[instanceRow](db.reader, selectInstances); err != nil || len(rows) != 0 {
		t.Errorf("%v are listed once it has ended, %v", rows, err)
	}
}

// So does the process of a file, which a command of a newer release may have changed.
func TestFilesOutgrow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "idp.db")
	open := func() (*DB, error) {
		return Open(t.Context(), Config{Key: make([]byte, 32), Driver: "sqlite", Path: path})
	}
	db, err := open()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- db.Live(t.Context(), "1.2.3", func(int) {}) }() // ends by what follows
	newest, err := migrations.Newest()
	if err != nil {
		t.Fatal(err)
	}
	as(t, db, 9001, newest, "0.2.0")
	again, err := open()
	if err != nil {
		t.Fatalf("newer tables that are made for it: %v", err)
	}
	copied := path + ".copy"
	if _, err := again.Backup(t.Context(), copied); err != nil {
		t.Error(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended while it worked with the tables: %v", err)
	case <-time.After(beatEvery / 5):
	}
	as(t, db, 9002, 9002, "0.3.0")
	if err := <-ended; !errors.As(err, new(*OutgrownError)) {
		t.Errorf("it ended with %v", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "0.3.0 is the oldest that works with them); it was left as it is") {
		t.Errorf("tables that are not made for it: %v", err)
	}
	// The copy is of the time between.
	path = copied
	kept, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(kept.VerifyEvents(t.Context()), kept.Close()); err != nil {
		t.Error(err)
	}
}
