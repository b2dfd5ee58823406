package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gorm.io/driver/sqlite"

	"hilum/idp"
	"hilum/idp/store"
)

func refuse(t *testing.T, path string, says ...string) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Key: make([]byte, 32), Driver: "sqlite", Path: path})
	if err == nil {
		t.Fatal(errors.Join(errors.New("it was opened"), db.Close()))
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
}

// tamper changes a database behind the provider's back.
func tamper(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open(sqlite.DriverName, path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// content is every file of a folder.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		all[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestOpenMakesWhatIsMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "d?b #1%20")
	path := filepath.Join(dir, "i&d=p.db")
	db := open(t, path)
	if !db.Fresh() {
		t.Error("a new database is not fresh")
	}
	if err := db.AddUser(t.Context(), &idp.User{ID: "u", Name: "anna"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{dir: 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o", name, got)
		}
	}
	if again := open(t, path); again.Fresh() {
		t.Error("a database with a user is fresh")
	}
}

func TestFresh(t *testing.T) {
	for name, use := range map[string]func(*store.DB) error{
		"a signing key": func(db *store.DB) error {
			return db.UpdateSigningKeys(t.Context(), func([]idp.SigningKey) ([]idp.SigningKey, error) {
				return []idp.SigningKey{{ID: "k"}}, nil
			}, idp.Event{})
		},
		"a seal check": func(db *store.DB) error { return db.SetSealCheck(t.Context(), []byte("x")) },
		"an offer":     func(db *store.DB) error { return db.AddPairing(t.Context(), &idp.Pairing{ID: "p"}) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "idp.db")
			if err := use(open(t, path)); err != nil {
				t.Fatal(err)
			}
			if open(t, path).Fresh() {
				t.Error("fresh, although something is sealed")
			}
		})
	}
}

func TestRefuseADatabaseFromANewerVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "idp.db")
	db, err := store.Open(t.Context(), store.Config{Key: make([]byte, 32), Driver: "sqlite", Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	tamper(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	tamper(t, path, "UPDATE schema_floor SET level = 9990, release = '3.1.0'")
	before := content(t, filepath.Dir(path))
	refuse(t, path, "newer version", "9999", "3.1.0 is the oldest", "Use the newer program")
	if after := content(t, filepath.Dir(path)); after["idp.db"] != before["idp.db"] {
		t.Error("the refused database was written to")
	}
}

func TestRefuseWhatIsNoDatabase(t *testing.T) {
	for name, b := range map[string][]byte{
		"text":      []byte("remember the milk, and do not write over this\n"),
		"short":     []byte("SQLite"),
		"encrypted": bytes.Repeat([]byte{0xa5}, 8192),
		"damaged":   append([]byte("SQLite format 3\x00"), bytes.Repeat([]byte{0xff}, 8176)...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "idp.db")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			refuse(t, path, path)
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, b) {
				t.Errorf("it was written to, %v", err)
			}
		})
	}
}

func TestRefuseTheDatabaseOfAnotherProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	tamper(t, path, "CREATE TABLE recipes (name TEXT)")
	before := content(t, filepath.Dir(path))
	refuse(t, path, "another program")
	if after := content(t, filepath.Dir(path)); after["other.db"] != before["other.db"] {
		t.Error("it was written to")
	}
}

func TestRefuseWhatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refuse(t, filepath.Join(file, "idp.db"), "folder", "choose one that this user may write to")
	refuse(t, dir, "cannot be opened for writing") // a folder in place of the file
	if os.Getuid() != 0 {                          // to whom everything is writable
		locked := filepath.Join(dir, "locked")
		if err := os.Mkdir(locked, 0o500); err != nil {
			t.Fatal(err)
		}
		refuse(t, filepath.Join(locked, "idp.db"), "give this user the right")
	}
}

func TestRefuseAnUnknownDriver(t *testing.T) {
	_, err := store.Open(t.Context(), store.Config{Driver: "oracle", Path: filepath.Join(t.TempDir(), "idp.db")})
	if err == nil || !strings.Contains(err.Error(), "oracle") {
		t.Fatal(err)
	}
}

func TestVerifyEventsFindsWhatWasChanged(t *testing.T) {
	for name, statement := range map[string]string{
		"a time":       "UPDATE events SET at = at + 1 WHERE seq = 3",
		"a kind":       "UPDATE events SET kind = 'login.done' WHERE seq = 3",
		"an actor":     "UPDATE events SET actor_name = 'somebody' WHERE seq = 3",
		"a person":     "UPDATE events SET user_id = 'x' WHERE seq = 3",
		"moved text":   "UPDATE events SET user_id = client_id, client_id = user_id WHERE seq = 3",
		"an address":   "UPDATE events SET address = '' WHERE seq = 3",
		"a detail":     `UPDATE events SET detail = '{"reason":"other"}' WHERE seq = 3`,
		"a hash":       "UPDATE events SET hash = zeroblob(32) WHERE seq = 3",
		"a gap":        "DELETE FROM events WHERE seq = 3",
		"the first":    "DELETE FROM events WHERE seq = 1",
		"an insertion": "INSERT INTO events SELECT 99, at, kind, actor_user, actor_name, user_id, client_id, login_id, session_id, device_id, address, detail, hash FROM events WHERE seq = 3",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "idp.db")
			db := open(t, path)
			for range 6 {
				err := db.ClearCounters(t.Context(), "u", idp.Event{At: time.Now(), Kind: idp.EventUserUnlocked, Actor: idp.Actor{Name: "console:root"},
					User: "u", Client: "c", Address: "192.0.2.1", Detail: map[string]string{"reason": "test"}})
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := db.VerifyEvents(t.Context()); err != nil {
				t.Fatal(err)
			}
			tamper(t, path, statement)
			if err := db.VerifyEvents(t.Context()); !errors.Is(err, idp.ErrInvalid) {
				t.Errorf("told %v", err)
			}
		})
	}
}
