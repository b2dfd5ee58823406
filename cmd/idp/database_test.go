package main

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"hilum/idp/idptest"
	"hilum/idp/store/pgtest"
)

// TestPostgresPage runs docs/postgres.md: what it says makes a database in which a provider
// starts, and what it says puts back a copy makes one that is whole.
func TestPostgresPage(t *testing.T) {
	dir := t.TempDir()
	server := pgtest.Start(t)
	admin := server.URL("postgres")
	fresh := idptest.Must(url.Parse(pgtest.Fresh(t)))(t)
	name := strings.TrimPrefix(fresh.Path, "/") + "_page" // the server may be somebody's: a name that nobody has
	secret := filepath.Join(dir, "database.password")
	if err := os.WriteFile(secret, []byte("it's a \\long: one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	page := string(idptest.Must(os.ReadFile(filepath.Join("..", "..", "docs", "postgres.md")))(t))
	blocks := func(language string) (out []string) {
		for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
			out = append(out, strings.NewReplacer(
				"/etc/hilum/database.password", secret, "/backup", dir, "postgres://hilum@db.your-hospital.org:5432/hilum", "postgres://"+name+"@"+fresh.Host+"/"+name,
				" hilum ", " "+name+" ").Replace(m[1]))
		}
		return out
	}
	environment := append(os.Environ(), "PGPASSWORD=it's a \\long: one", "IDP_DATA_DIR="+filepath.Join(dir, "data"), "IDP_LISTEN=127.0.0.1:0",
		"IDP_DATABASE_PASSWORD_FILE="+secret, "IDP_DATABASE_URL=postgres://"+name+"@"+fresh.Host+"/"+name)
	run := func(input, program string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env, cmd.Stdin = environment, strings.NewReader(input)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", program, bytes.TrimSpace([]byte(input)), err, out)
		}
		return string(out)
	}
	psql := func(input string) string { return run(input, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", admin) }

	made, kept := blocks("sql"), blocks("sh")
	if len(made) != 1 || strings.Count(made[0], "\n") != 3 || len(kept) != 2 {
		t.Fatalf("the page has %d and %d blocks, want three lines of SQL, and a copy that is made and put back", len(made), len(kept))
	}
	psql(made[0])
	t.Cleanup(func() { //nolint:contextcheck // after the test
		for _, s := range []string{"DROP DATABASE IF EXISTS " + name, "DROP DATABASE IF EXISTS " + name + "_restored", "DROP ROLE " + name} {
			if out, err := exec.Command("psql", "-X", "-q", "-c", s, admin).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", s, err, out)
			}
		}
	})
	serve := exec.CommandContext(t.Context(), "idp", "serve")
	serve.Env = environment
	said := idptest.Must(serve.StdoutPipe())(t)
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := said.Read(first); err != nil {
		t.Fatalf("the provider is not ready: %v", err)
	}
	run("", "idp", "user", "add", "anna", "--display", "Anna Bergmann", "--email", "anna@klinik.test")
	run(kept[0], "sh", "-e")
	if err := serve.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = serve.Wait() // its end is looked at by other tests
	psql("CREATE DATABASE " + name + "_restored OWNER " + name + " ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0")
	run(kept[1], "sh", "-e")
	if list := run("", "idp", "user", "list", "--database", "postgres://"+name+"@"+fresh.Host+"/"+name+"_restored"); !strings.Contains(list, "Anna Bergmann") {
		t.Errorf("people who were put back: %s", list)
	}
}
