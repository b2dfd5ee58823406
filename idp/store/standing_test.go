package store_test

import (
	"errors"
	"path/filepath"
	"testing"

	"hilum/idp"
)

// A name in an audience leads to the API of that id, or to one that stands for it; to none that
// is disabled, whose row was changed, or that does not name it any more.
func TestStanding(t *testing.T) {
	const address = "https://archive.example/dicom-web"
	path := filepath.Join(t.TempDir(), "idp.db")
	db := openAt(t, path)
	for id, resources := range map[idp.ClientID][]string{"archive-b": {address, "urn:oid:1.2"}, "archive-a": {address}, "viewer": nil} {
		if err := db.AddClient(t.Context(), &idp.Client{ID: id, Name: string(id), Kind: idp.ClientWeb, Auth: idp.AuthNone, Resources: resources}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(name string, id idp.ClientID) {
		t.Helper()
		c, err := db.Standing(t.Context(), name)
		if id == "" && !errors.Is(err, idp.ErrNotFound) || id != "" && (err != nil || c.ID != id) {
			t.Errorf("%s leads to %+v, %v, not to %q", name, c, err, id)
		}
	}
	want(address, "archive-a")
	want("urn:oid:1.2", "archive-b")
	want("viewer", "viewer")
	want("https://archive.example/", "")
	want("", "")
	if err := db.UpdateClient(t.Context(), "archive-a", func(c *idp.Client) error { c.Disabled = true; return nil }); err != nil {
		t.Fatal(err)
	}
	want(address, "archive-b")
	want("archive-a", "")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	tamper(t, path, `UPDATE clients SET resources = '["`+address+`"]' WHERE id = 'viewer'`)
	tamper(t, path, `UPDATE clients SET resources = '[]' WHERE id = 'archive-b'`)
	db = openAt(t, path)
	want(address, "")
	want("urn:oid:1.2", "")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
