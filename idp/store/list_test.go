package store

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"hilum/idp"
)

// A database of before the lists is listed when it is opened.
func TestPeopleOfBeforeAreListed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "idp.db")
	db, err := Open(t.Context(), Config{Key: make([]byte, 32), Driver: "sqlite", Path: path})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, name := range []string{"anna", "bert", "cem"} {
		u := &idp.User{ID: idp.NewID[idp.UserID](), Name: name, DisplayName: name, State: idp.UserActive, CreatedAt: now}
		if err := db.AddUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			d := &idp.Device{ID: idp.NewID[idp.DeviceID](), User: u.ID, Name: "Phone of " + name, Kind: idp.DeviceCode, State: idp.DeviceActive, LinkedAt: now}
			if err := db.write(t.Context(), func(t *tx) error { return errors.Join(t.hold(ofPerson(d.User)), t.addDevice(d)) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = db.write(t.Context(), func(t *tx) error {
		for _, sql := range []string{
			"DELETE FROM device_list", "DELETE FROM device_terms", "DELETE FROM user_list", "DELETE FROM user_terms",
			"UPDATE devices SET n = 0", "UPDATE users SET n = 0",
		} {
			if _, err := t.Exec(sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(t.Context(), Config{Key: make([]byte, 32), Driver: "sqlite", Path: path}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p, err := db.SearchDevices(t.Context(), idp.DeviceQuery{Words: "phone be"})
	if err != nil || len(p.Rows) != 2 || p.Rows[0].User.Name != "bert" {
		t.Errorf("%+v, %v", p, err)
	}
	u, err := db.SearchUsers(t.Context(), idp.UserQuery{})
	if err != nil || len(u.Rows) != 3 {
		t.Errorf("%+v, %v", u, err)
	}
}

// Devices that nobody uses are found by statements that go by an index and are
// these, to the letter: there may be a million devices, and this runs every day.
func TestAgedDevicesAreFoundByIndex(t *testing.T) {
	db, err := Open(t.Context(), Config{Key: make([]byte, 32), Driver: "sqlite", Path: filepath.Join(t.TempDir(), "idp.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		query, plan string
		day         int64
	}{
		{
			"SELECT n, used FROM device_list INDEXED BY device_list_used WHERE used < ? AND (used, n) > (?, ?) AND facets & 256 = 0 AND used > 0 ORDER BY used, n LIMIT ?",
			"SEARCH device_list USING COVERING INDEX device_list_used (used>? AND used<?)", 1,
		},
		{
			"SELECT n, linked FROM device_list INDEXED BY device_list_linked WHERE linked < ? AND (linked, n) > (?, ?) AND facets & 256 = 0 AND used = 0 ORDER BY linked, n LIMIT ?",
			"SEARCH device_list USING INDEX device_list_linked (linked>? AND linked<?)", 24 * 60 * 60 * 1_000_000,
		},
	}
	if len(agedDevices) != len(want) {
		t.Fatalf("%d statements", len(agedDevices))
	}
	for i, w := range want {
		if a := agedDevices[i]; a.query != w.query || a.day != w.day {
			t.Errorf("%+v, want %+v", a, w)
		}
		steps, err := list[planRow](r, "EXPLAIN QUERY PLAN "+agedDevices[i].query, int64(1), int64(2), int64(3), int64(4))
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) == 0 || steps[0].detail != w.plan {
			t.Errorf("it goes by %+v, want %s", steps, w.plan)
		}
	}
}

// planRow is a step of EXPLAIN QUERY PLAN.
type planRow struct {
	id, parent, unused int64
	detail             string
}

func (r *planRow) fields() []any { return []any{&r.id, &r.parent, &r.unused, &r.detail} }
