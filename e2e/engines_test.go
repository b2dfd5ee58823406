package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hilum/e2e/crowd"
	"hilum/idp/idptest"
	"hilum/idp/store/pgtest"
)

// Engines that a provider keeps everything in.
const (
	onSQLite     = "sqlite"
	onPostgreSQL = "postgres"
)

// onBoth walks a journey on each engine, side by side. Each is a test that is called by its
// engine.
func onBoth(t *testing.T, journey func(t *testing.T)) {
	t.Helper()
	for _, engine := range []string{onSQLite, onPostgreSQL} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			journey(t)
		})
	}
}

// onEach is onBoth for what keeps the machine busy: one after the other.
func onEach(t *testing.T, journey func(t *testing.T)) {
	t.Helper()
	t.Run(onSQLite, journey)
	t.Run(onPostgreSQL, journey)
}

// keptIn is where a provider of a test, in a folder, keeps everything: on the engine that the
// test is named by ([onBoth], [onEach]), else on that of IDP_TEST_ENGINE.
func keptIn(t testing.TB, folder string) crowd.Home {
	t.Helper()
	home, name := crowd.Home{Folder: folder}, strings.Split(t.Name(), "/")
	switch {
	case len(name) > 1 && name[1] == onSQLite:
	case len(name) > 1 && name[1] == onPostgreSQL, idptest.OnPostgreSQL(t):
		home.URL = pgtest.Fresh(t)
	}
	return home
}

// databaseEnv names a home's database to commands and idp serve, and nothing where it is in
// its folder.
func databaseEnv(t testing.TB, h crowd.Home) []string {
	t.Helper()
	if h.URL == "" {
		return nil
	}
	file := filepath.Join(t.TempDir(), "database.url")
	if err := os.WriteFile(file, []byte(h.URL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"IDP_DATABASE_URL_FILE=" + file}
}
