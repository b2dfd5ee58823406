package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"hilum/idp/idptest"
	"hilum/idp/mail/mailtest"
	"hilum/idp/store/pgtest"
)

// posts starts a mail server, with STARTTLS, for the rest of the script: its port
// is $MAILPORT, its authority mail.pem. With a word it refuses every address of it.
func posts(ts *testscript.TestScript, _ bool, args []string) {
	server, stop, err := mailtest.Start(mailtest.Conf{TLS: "starttls", Username: "idp", Password: "geheim"})
	ts.Check(err)
	ts.Defer(stop)
	server.Mischief(func(step, to string) error {
		if step == "rcpt" && len(args) > 0 && strings.HasPrefix(to, args[0]+"@") {
			return mailtest.Refuse(550, "no such box")
		}
		return nil
	})
	ts.Setenv("MAILPORT", strconv.Itoa(server.Port))
	ts.Check(os.WriteFile(ts.MkAbs("mail.pem"), server.PEM, 0o600))
	mailServers.Store(ts.Getenv("MAILPORT"), server)
}

// mailServers are those that run, by port.
var mailServers sync.Map

// letter waits until letter number args[0] has come, and looks for a pattern in
// who it is to, its subject and its text.
func letter(ts *testscript.TestScript, _ bool, args []string) {
	found, _ := mailServers.Load(ts.Getenv("MAILPORT"))
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	letters := found.(*mailtest.Server).Letters()
	for tries := 0; len(letters) < n; tries++ {
		if tries == patience {
			ts.Fatalf("%d letters came", len(letters))
		}
		time.Sleep(20 * time.Millisecond)
		letters = found.(*mailtest.Server).Letters()
	}
	all := letters[n-1].To + "\n" + letters[n-1].Subject + "\n" + letters[n-1].Text
	if !regexp.MustCompile("(?m)" + args[1]).MatchString(all) {
		ts.Fatalf("letter %d does not say %s:\n%s", n, args[1], all)
	}
}

// patience is how often a script looks for what it waits for, 20 ms apart. A busy
// machine needs a good part of it.
const patience = 3000

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"idp": main})
}

// TestScripts runs the built command as people run it: every script in
// testdata, each in a folder of its own with two free ports.
func TestScripts(t *testing.T) { scripts(t, "testdata", func(*testscript.Env) error { return nil }) }

// TestPostgresScripts does it with PostgreSQL. Each script has an empty database: $DATABASE
// is its URL, without the password, which is in the file password, $ADMIN the URL of an
// administrator, and $SERVER the host and port of both.
func TestPostgresScripts(t *testing.T) {
	server := pgtest.Start(t)
	scripts(t, filepath.Join("testdata", "postgres"), func(e *testscript.Env) error { return postgres(t, server, e) })
}

func postgres(t *testing.T, server *pgtest.Server, e *testscript.Env) error {
	u, err := url.Parse(server.Fresh(t))
	if err != nil {
		return err
	}
	password, _ := u.User.Password()
	u.RawQuery = ""
	e.Setenv("ADMIN", server.URL("postgres"))
	e.Setenv("WITHPASSWORD", u.String())
	u.User = url.User(u.User.Username())
	e.Setenv("SERVER", u.Host)
	e.Setenv("NAME", strings.TrimPrefix(u.Path, "/"))
	e.Setenv("DATABASE", u.String())
	return os.WriteFile(filepath.Join(e.WorkDir, "password"), []byte(password+"\n"), 0o600)
}

// TestScriptsOnPostgreSQL runs those scripts of TestScripts that go through the commands and
// name no file of a database, as they are, where the environment names a database of PostgreSQL:
// each of their hundred commands opens it anew, so most of them are for make postgres. All kinds
// of commands are in TestPostgresScripts.
func TestScriptsOnPostgreSQL(t *testing.T) {
	names := []string{"keys"}
	if os.Getenv(idptest.Engine) == "postgres" {
		names = append(names, "users", "clients")
	}
	server := pgtest.Start(t)
	scripts(t, "", func(e *testscript.Env) error {
		if err := postgres(t, server, e); err != nil {
			return err
		}
		e.Setenv("IDP_DATABASE_URL", e.Getenv("DATABASE"))
		e.Setenv("IDP_DATABASE_PASSWORD_FILE", filepath.Join(e.WorkDir, "password"))
		return nil
	}, names...)
}

// scriptsEnd is when scripts are stopped that wait for what does not come: a program that serves
// where it should refuse, say.
const scriptsEnd = 15 * time.Minute

// scripts runs those of a folder, or the named ones of testdata.
func scripts(t *testing.T, dir string, setup func(*testscript.Env) error, names ...string) {
	files := make([]string, len(names))
	for i, name := range names {
		files[i] = filepath.Join("testdata", name+".txtar")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		Files:               files,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(scriptsEnd),
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"PORT", "PORT2"} {
				port, release, err := ports.Hold(2)
				if err != nil {
					return err
				}
				defer release() // after both are found, so that they differ
				e.Setenv(name, strconv.Itoa(port))
			}
			e.Setenv("IDP_LISTEN", "127.0.0.1:"+e.Getenv("PORT"))
			return setup(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"occupy":  occupy,
			"field":   field,
			"status":  status,
			"appears": appears,
			"newer":   newer,
			"edit":    edit,
			"certify": certify,
			"picture": picture,
			"says":    says,
			"leads":   leads,
			"mutual":  mutualCall,
			"posts":   posts,
			"letter":  letter,
		},
	})
}

// ports are those of the tests here; a script has two beside one another.
var ports = idptest.Ports{From: 20000, To: 31999}

// exits CODE PROGRAM ARG… runs a program that has to end with the code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit := (*exec.ExitError)(nil)
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%v ended with code %d, want %d", args[1:], got, want)
	}
}

// status CODE URL waits until a request there is answered so.
func status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := "nothing"
	for range patience {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, args[1], nil)
		ts.Check(err)
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			res.Body.Close()
			if res.StatusCode == want {
				return
			}
			got = res.Status
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s answers %s", args[1], got)
}

// occupy ADDRESS listens there until the script ends.
func occupy(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		ts.Fatalf("%v", err)
	}
	ts.Defer(func() { l.Close() })
}

// field NAME ENV puts a field of the JSON object on stdout into a variable.
func field(ts *testscript.TestScript, _ bool, args []string) {
	var m map[string]any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &m); err != nil {
		ts.Fatalf("stdout is no JSON object: %v", err)
	}
	v, ok := m[args[0]].(string)
	if !ok {
		ts.Fatalf("no field %s of text in %v", args[0], m)
	}
	ts.Setenv(args[1], v)
}

// appears PATTERN FILE waits until a line of the file matches.
func appears(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[0])
	for range patience {
		if text, err := os.ReadFile(ts.MkAbs(args[1])); err == nil && pattern.Match(text) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s does not appear in %s", args[0], args[1])
}

// newer DATABASE [RELEASE] makes it one that a later release has written. RELEASE is the oldest
// that works with it; without one all do that worked with it before.
func newer(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite3", ts.MkAbs(args[0])) // the driver that the store brings along
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	ts.Check(err)
	if len(args) > 1 {
		_, err = db.Exec("UPDATE schema_floor SET level = 9990, release = ?", args[1])
		ts.Check(err)
	}
}

// edit DATABASE STATEMENT… changes it behind the provider's back.
func edit(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite3", "file:"+ts.MkAbs(args[0])+"?_busy_timeout=5000")
	ts.Check(err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range args[1:] {
		_, err := db.Exec(statement)
		ts.Check(err)
	}
}

// picture FILE WIDTH HEIGHT [RRGGBB] draws a PNG, black if nothing else is said.
func picture(ts *testscript.TestScript, _ bool, args []string) {
	width, err := strconv.Atoi(args[1])
	ts.Check(err)
	height, err := strconv.Atoi(args[2])
	ts.Check(err)
	var ink [3]byte
	if len(args) > 3 {
		_, err = hex.Decode(ink[:], []byte(args[3]))
		ts.Check(err)
	}
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.Draw(m, m.Bounds(), image.NewUniform(color.NRGBA{ink[0], ink[1], ink[2], 255}), image.Point{}, draw.Src)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(errors.Join(png.Encode(f, m), f.Close()))
}

// leads PATTERN URL asks once, and wants to be sent to an address that matches.
func leads(ts *testscript.TestScript, neg bool, args []string) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, args[1], nil)
	ts.Check(err)
	res, err := http.DefaultTransport.RoundTrip(req)
	ts.Check(err)
	ts.Check(res.Body.Close())
	if to := res.Header.Get("Location"); regexp.MustCompile(args[0]).MatchString(to) == neg {
		ts.Fatalf("%s: %s leads to %q", args[1], res.Status, to)
	}
}

// says PATTERN URL asks until the answer has it; ! says that it does not, at once.
func says(ts *testscript.TestScript, neg bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[0])
	var got []byte
	for range patience {
		res, err := http.Get(args[1])
		ts.Check(err)
		got, err = io.ReadAll(res.Body)
		ts.Check(errors.Join(err, res.Body.Close()))
		if pattern.Match(got) != neg {
			return
		}
		if neg {
			ts.Fatalf("%s says %s", args[1], got)
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s does not say %s:\n%s", args[1], args[0], got)
}

// mutualCall ADDRESS CLIENT CERTIFICATE KEY CODE [within] asks for a token of client
// credentials there, by TLS with a certificate, empty for none, and wants to be answered so:
// at once, or within a while.
func mutualCall(ts *testscript.TestScript, _ bool, args []string) {
	conf := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	if args[2] != "" {
		pair, err := tls.LoadX509KeyPair(ts.MkAbs(args[2]), ts.MkAbs(args[3]))
		ts.Check(err)
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	want, err := strconv.Atoi(args[4])
	ts.Check(err)
	got := ""
	for tries := 0; tries == 0 || len(args) > 5 && tries < patience; tries++ {
		transport := &http.Transport{TLSClientConfig: conf}
		res, err := (&http.Client{Transport: transport}).PostForm("https://"+args[0]+"/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {args[1]}})
		ts.Check(err)
		body, err := io.ReadAll(res.Body)
		ts.Check(errors.Join(err, res.Body.Close()))
		transport.CloseIdleConnections()
		if res.StatusCode == want {
			return
		}
		got = res.Status + " " + string(body)
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%v is answered %s", args, got)
}

// certify CERTIFICATE KEY writes a certificate that nobody trusts.
func certify(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"login.klinik.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for i, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: keyDER}} {
		ts.Check(os.WriteFile(ts.MkAbs(args[i]), pem.EncodeToMemory(block), 0o600))
	}
}
