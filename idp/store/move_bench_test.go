package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"hilum/idp"
	"hilum/idp/store/pgtest"
)

// TestBenchMove moves as many people as MOVE_PEOPLE says, three devices and ten events each, and
// puts what that took beside what the server takes to copy the same rows alone. `make move` takes a
// hundred thousand; a short run is a test like any other.
func TestBenchMove(t *testing.T) {
	people := 300
	if s := os.Getenv("MOVE_PEOPLE"); s != "" {
		var err error
		if people, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	s := newLogSite(t)
	seed(t, s.path(), s.key, people, false)
	db := s.open()
	s.ok(db.SetSealCheck(t.Context(), []byte("sealed")))
	for left := 10 * people; left > 0; left -= 1000 {
		s.ok(db.write(t.Context(), func(x *tx) error {
			for i := range min(left, 1000) {
				e := idp.Event{At: time.Now(), Kind: idp.EventSessionStarted, Actor: idp.Actor{User: "u", Name: "anna"}, User: "u", Client: "viewer", Session: idp.SessionID(fmt.Sprintf("session%d", left-i)), Address: "192.0.2.1", Detail: map[string]string{"agent": "Firefox on Linux"}}
				if err := x.note(e); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	_, _, err := db.KeepHead(t.Context(), true)
	s.ok(errors.Join(err, db.Close()))
	at, err := os.Stat(s.path())
	s.ok(err)

	url := pgtest.Fresh(t)
	c := s.moving(url)
	c.atOnce = 0
	began := time.Now()
	did, err := Move(t.Context(), c)
	s.ok(err)
	took := time.Since(began)
	t.Logf("%d people, a file of %.2f GB, %d rows of %d tables, moved in %s", people, float64(at.Size())/1e9, did.Rows, did.Tables, took.Round(100*time.Millisecond))
	for _, step := range did.Steps {
		line := fmt.Sprintf("%-8s %8.2f s", step.Step, step.Took.Seconds())
		if step.Step == MoveLook || step.Step == MoveCopy || step.Step == MoveVerify {
			line += fmt.Sprintf(" %9.0f rows/s", float64(step.Rows)/step.Took.Seconds())
		}
		t.Log(line)
	}
	raw, rows := rawCopy(t, url)
	t.Logf("%-8s %8.2f s %9.0f rows/s, by COPY alone into tables without a key", "raw", raw.Seconds(), float64(rows)/raw.Seconds())
	if rows != did.Rows {
		t.Errorf("%d rows were moved, and %d are there", did.Rows, rows)
	}
	db, err = Open(t.Context(), Config{URL: url, Existing: true, Key: s.key, Witness: s.witness(), Log: slog.New(slog.DiscardHandler)})
	s.ok(err)
	h, err := db.Health(t.Context())
	if err != nil || h.Rows["users"] != int64(people) || h.Rows["devices"] != int64(3*people) {
		t.Errorf("%+v, %v", h, err)
	}
	s.ok(db.Close())
}

// rawCopy copies all tables of a database once more, into others that have nothing but columns, and
// returns how long the server took to take the rows.
func rawCopy(t *testing.T, url string) (took time.Duration, rows int64) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	found, err := c.Query(t.Context(), "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('goose_db_version', 'schema_floor', 'wakes', 'events_pending')")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		name := pgx.Identifier{table}.Sanitize()
		if _, err := c.Exec(t.Context(), "CREATE TABLE raw (LIKE "+name+")"); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filepath.Join(t.TempDir(), "rows"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.PgConn().CopyTo(t.Context(), f, "COPY "+name+" TO STDOUT (FORMAT binary)"); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		tag, err := c.PgConn().CopyFrom(t.Context(), f, "COPY raw FROM STDIN (FORMAT binary)")
		took += time.Since(began)
		rows += tag.RowsAffected()
		if err = errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(t.Context(), "DROP TABLE raw"); err != nil {
			t.Fatal(err)
		}
	}
	return took, rows
}
