package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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
				" hilum ", " "+name+" ", " --config idp.yaml", "").Replace(m[1]))
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
	if len(made) != 1 || strings.Count(made[0], "\n") != 3 || len(kept) != 3 || strings.Count(kept[0], " --dry-run") != 1 {
		t.Fatalf("the page has %d and %d blocks, want three lines of SQL, a move that is tried, and a copy that is made and put back", len(made), len(kept))
	}
	psql(made[0])
	t.Cleanup(func() {
		for _, s := range []string{"DROP DATABASE IF EXISTS " + name, "DROP DATABASE IF EXISTS " + name + "_restored", "DROP ROLE " + name} {
			if out, err := exec.Command("psql", "-X", "-q", "-c", s, admin).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", s, err, out)
			}
		}
	})
	begin := func(environment []string) *exec.Cmd {
		t.Helper()
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
		return serve
	}
	end := func(serve *exec.Cmd) {
		t.Helper()
		if err := serve.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		_ = serve.Wait() // its end is looked at by other tests
	}
	there := environment
	environment = slices.DeleteFunc(slices.Clone(environment), func(s string) bool { return strings.HasPrefix(s, "IDP_DATABASE_") })
	serve := begin(environment)
	run("", "idp", "user", "add", "bert", "--display", "Bert Brinkmann")
	run(kept[0], "sh", "-e")
	end(serve)
	run(strings.Replace(kept[0], " --dry-run", "", 1), "sh", "-e")
	environment, kept = there, kept[1:]
	serve = begin(environment)
	run("", "idp", "user", "add", "anna", "--display", "Anna Bergmann", "--email", "anna@klinik.test")
	run(kept[0], "sh", "-e")
	end(serve)
	psql("CREATE DATABASE " + name + "_restored OWNER " + name + " ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0")
	run(kept[1], "sh", "-e")
	if list := run("", "idp", "user", "list", "--database", "postgres://"+name+"@"+fresh.Host+"/"+name+"_restored"); !strings.Contains(list, "Anna Bergmann") || !strings.Contains(list, "Bert Brinkmann") {
		t.Errorf("people who were put back: %s", list)
	}
}

// TestPostgresTLS has a server whose certificate is of an authority of its own: it is taken
// where that is named, and by the name in it alone.
func TestPostgresTLS(t *testing.T) {
	dir := t.TempDir()
	certificate := func(name string) (cert, key string) {
		k := idptest.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
		cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: idptest.Must(x509.CreateCertificate(rand.Reader, template, template, k.Public(), k))(t)}))
		key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: idptest.Must(x509.MarshalPKCS8PrivateKey(k))(t)}))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(cert), 0o600); err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	certificate("other.pem")
	cert, key := certificate("ca.pem")

	server := pgtest.Own(t)
	admin := server.URL("postgres")
	psql := exec.CommandContext(t.Context(), "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "cert="+cert, "-v", "key="+key, admin)
	// A program of the server runs in the folder of its data.
	psql.Stdin = strings.NewReader(`COPY (SELECT regexp_split_to_table(:'cert', E'\n')) TO PROGRAM 'umask 077; cat > tls.crt';
		COPY (SELECT regexp_split_to_table(:'key', E'\n')) TO PROGRAM 'umask 077; cat > tls.key';
		ALTER SYSTEM SET ssl_cert_file = 'tls.crt';
		ALTER SYSTEM SET ssl_key_file = 'tls.key';
		ALTER SYSTEM SET ssl = on;
		SELECT pg_reload_conf();`)
	if out, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	u := idptest.Must(url.Parse(server.Fresh(t)))(t)
	secret := filepath.Join(dir, "database.password")
	password, _ := u.User.Password()
	if err := os.WriteFile(secret, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	list := func(host, query string, more ...string) string {
		at := url.URL{Scheme: "postgres", User: url.User(u.User.Username()), Host: net.JoinHostPort(host, u.Port()), Path: u.Path, RawQuery: query}
		cmd := exec.CommandContext(t.Context(), "idp", "user", "list", "--database", at.String())
		cmd.Env = append(append(os.Environ(), "IDP_DATA_DIR="+filepath.Join(dir, "data"), "IDP_DATABASE_PASSWORD_FILE="+secret), more...)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Fatalf("a command has found something in an empty database: %s", out)
		}
		return string(out)
	}
	const taken, refused = "there is nothing in the PostgreSQL database", "is not taken: database.ca_file names the authority that issued it"
	ours, others := "IDP_DATABASE_CA_FILE="+filepath.Join(dir, "ca.pem"), "IDP_DATABASE_CA_FILE="+filepath.Join(dir, "other.pem")

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tries := time.Tick(20 * time.Millisecond); strings.Contains(list("127.0.0.1", "sslmode=require"), "does not speak TLS"); { // until the server has read its settings
		select {
		case <-ctx.Done():
			t.Fatal("the server does not speak TLS")
		case <-tries:
		}
	}
	for name, row := range map[string]struct{ said, want string }{
		"no authority that is known":     {list("127.0.0.1", "sslmode=verify-full"), refused},
		"another authority":              {list("127.0.0.1", "", others), refused},
		"its authority":                  {list("127.0.0.1", "", ours), taken},
		"another name":                   {list("localhost", "", ours), refused},
		"another name, of its authority": {list("localhost", "sslmode=verify-ca", ours), taken},
		"whoever it is":                  {list("127.0.0.1", "sslmode=require"), taken},
	} {
		if !strings.Contains(row.said, row.want) {
			t.Errorf("%s: %s\nwant %q", name, row.said, row.want)
		}
	}
}
