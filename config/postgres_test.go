package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hilum/config"
)

// geheim is the password of every URL here; no fault has it.
const geheim = "geheim"

func TestDatabase(t *testing.T) {
	const url = "url: postgres://hilum@db.klinik.test/hilum"
	for name, row := range map[string]struct {
		database string
		want     []string
	}{
		"a file":                          {"{path: idp.db}", nil},
		"a file, by name":                 {"{driver: sqlite, path: idp.db}", nil},
		"as the example of before had it": {"{driver: sqlite, path: ''}", nil},
		"a URL":                           {"{" + url + "}", nil},
		"a URL, by name":                  {"{driver: postgres, " + url + "}", nil},
		"the other scheme":                {"{url: 'postgresql://hilum@db.klinik.test:5433/hilum'}", nil},
		"all":                             {"{" + url + ", password_file: p, ca_file: ca.pem, pool: 20, allow_unencrypted: true}", nil},
		"parameters":                      {"{url: 'postgres://hilum@db.klinik.test/hilum?application_name=login&connect_timeout=5&sslmode=verify-ca&sslcert=c.pem&sslkey=k.pem&channel_binding=require'}", nil},
		"several servers":                 {"{url: 'postgres://hilum@a.klinik.test,b.klinik.test:5433/hilum?target_session_attrs=primary'}", nil},
		"IPv6":                            {"{url: 'postgres://hilum@[2001:db8::1]:5433/hilum'}", nil},
		"a socket":                        {"{url: 'postgres://hilum@/hilum?host=/run/postgresql&port=5433&sslmode=disable'}", nil},
		"readable, on this machine":       {"{url: 'postgres://hilum@localhost/hilum?sslmode=disable'}", nil},
		"readable, and allowed":           {"{url: 'postgres://hilum@db.klinik.test/hilum?sslmode=disable', allow_unencrypted: true}", nil},
		"by file":                         {"{url_file: u}", nil},

		"unknown driver":                  {"{driver: mysql}", []string{`database.driver: "mysql" is not known`}},
		"a name of before":                {"{driver: postgresql, " + url + "}", []string{`database.driver: "postgresql" is written postgres`}},
		"no URL":                          {"{driver: postgres}", []string{"database.driver: is postgres, and database.url is missing"}},
		"both, by driver":                 {"{driver: sqlite, " + url + "}", []string{"database.driver: is sqlite, and database.url names"}},
		"both, by file":                   {"{driver: sqlite, url_file: u}", []string{"database.driver: is sqlite, and database.url_file names"}},
		"both, by path":                   {"{path: idp.db, " + url + "}", []string{"database.path: is the file of SQLite, and database.url names"}},
		"two URLs":                        {"{url_file: u, " + url + "}", []string{"database.url_file: and database.url both"}},
		"for nobody":                      {"{password_file: p, ca_file: c, pool: 1, allow_unencrypted: true}", []string{"database.password_file: is of no use", "database.ca_file: is of no use", "database.pool: is of no use", "database.allow_unencrypted: is of no use"}},
		"too many":                        {"{pool: 1001, " + url + "}", []string{"database.pool: 1001 is out of bounds"}},
		"fewer than none":                 {"{pool: -1, " + url + "}", []string{"database.pool: -1 is out of bounds"}},
		"no truth":                        {"{allow_unencrypted: perhaps, " + url + "}", []string{`database.allow_unencrypted: "perhaps" is neither true nor false`}},
		"a password":                      {"{url: 'postgres://hilum:geheim@db.klinik.test/hilum'}", []string{"database.url: has a password in it"}},
		"a password, elsewhere":           {"{url: 'postgres://hilum@db.klinik.test/hilum?password=geheim'}", []string{"database.url: has a password in it"}},
		"a password with a slash":         {"{url: 'postgres://hilum:ge/geheim@db.klinik.test/hilum'}", []string{"has «@» behind the host"}},
		"a password with a question mark": {"{url: 'postgres://hilum:g?geheim@db.klinik.test/hilum'}", []string{"has «@» behind the host"}},
		"a password with a hash":          {"{url: 'postgres://hilum:g#geheim@db.klinik.test/hilum'}", []string{"has «#» or a blank"}},
		"a password with a percent sign":  {"{url: 'postgres://hilum:geheim%@db.klinik.test/hilum'}", []string{"has a «%» in the password"}},
		"a password without a host":       {"{url: 'postgres://hilum:geheim/hilum'}", []string{"names no user", "has a port that is none"}},
		"a password with an at":           {"{url: 'postgres://hilum:ge@geheim@db.klinik.test/hilum'}", []string{"database.url: has a password in it"}},
		"a password by the file's key":    {"{url_file: 'postgres://hilum:geheim@db.klinik.test/hilum'}", []string{"database.url_file: is a URL; write it into a file"}},
		"in quotes":                       {`{url: '"postgres://hilum:geheim@db.klinik.test/hilum"'}`, []string{"database.url: is in quotes"}},
		"with blanks":                     {`{url: ' postgres://hilum:geheim@db.klinik.test/hilum'}`, []string{"database.url: has blanks"}},
		"of a shell":                      {`{url: 'postgres://hilum:${geheim}@db.klinik.test/hilum'}`, []string{"which nothing replaces here"}},
		"keywords and values":             {"{url: 'host=db.klinik.test password=geheim'}", []string{"database.url: is in the form of keywords and values"}},
		"no URL at all":                   {"{url: geheim}", []string{"database.url: is no URL"}},
		"another database":                {"{url: 'mysql://hilum:geheim@db.klinik.test/hilum'}", []string{"is the URL of something else than PostgreSQL"}},
		"a file as URL":                   {"{url: 'sqlite:///geheim'}", []string{"is the URL of something else than PostgreSQL"}},
		"no user":                         {"{url: 'postgres://db.klinik.test/hilum'}", []string{"names no user"}},
		"no database":                     {"{url: 'postgres://hilum@db.klinik.test'}", []string{"names no database"}},
		"no host":                         {"{url: 'postgres://hilum@/hilum'}", []string{"names no host"}},
		"no host, of several":             {"{url: 'postgres://hilum@db.klinik.test,/hilum'}", []string{"has a host that is none"}},
		"a port that is none":             {"{url: 'postgres://hilum@db.klinik.test:0/hilum'}", []string{"has a port that is none"}},
		"a socket as host":                {"{url: 'postgres://hilum@%2Frun%2Fpostgresql/hilum'}", []string{"has a host that is none"}},
		"two hosts":                       {"{url: 'postgres://hilum@db.klinik.test/hilum?host=/run'}", []string{"names a host twice"}},
		"a host behind":                   {"{url: 'postgres://hilum@/hilum?host=db.klinik.test'}", []string{"has the parameter host, which is for the folder of a socket"}},
		"a port behind":                   {"{url: 'postgres://hilum@db.klinik.test/hilum?port=5433'}", []string{"has the parameter port, which is for a socket"}},
		"unknown parameter":               {"{url: 'postgres://hilum@db.klinik.test/hilum?options=-c'}", []string{"has an unknown parameter, options; known are application_name, channel_binding,"}},
		"a parameter that is no name":     {"{url: 'postgres://hilum@db.klinik.test/hilum?Geheim=1'}", []string{"has an unknown parameter, which is no name"}},
		"a parameter twice":               {"{url: 'postgres://hilum@db.klinik.test/hilum?sslmode=require&sslmode=require'}", []string{"has the parameter sslmode twice"}},
		"a parameter for nothing":         {"{url: 'postgres://hilum@db.klinik.test/hilum?application_name='}", []string{"has the parameter application_name without a value"}},
		"the user behind":                 {"{url: 'postgres://hilum@db.klinik.test/hilum?user=a'}", []string{"has the parameter user, which stands before"}},
		"no such mode":                    {"{url: 'postgres://hilum@db.klinik.test/hilum?sslmode=on'}", []string{"has an unknown value of sslmode; known are verify-full,"}},
		"a standby":                       {"{url: 'postgres://hilum@db.klinik.test/hilum?target_session_attrs=standby'}", []string{"has an unknown value of target_session_attrs"}},
		"patience without a number":       {"{url: 'postgres://hilum@db.klinik.test/hilum?connect_timeout=10s'}", []string{"has a connect_timeout that is no number of seconds"}},
		"a certificate without its key":   {"{url: 'postgres://hilum@db.klinik.test/hilum?sslcert=c.pem'}", []string{"has one of sslcert and sslkey"}},
		"readable":                        {"{url: 'postgres://hilum@db.klinik.test/hilum?sslmode=disable'}", []string{"has sslmode=disable, by which everything can travel readable to db.klinik.test:5432; write sslmode=verify-full"}},
		"perhaps readable":                {"{url: 'postgres://hilum@db.klinik.test/hilum?sslmode=prefer'}", []string{"has sslmode=prefer"}},
		"readable to one of several":      {"{url: 'postgres://hilum@localhost,b.klinik.test:5433/hilum?sslmode=allow'}", []string{"readable to b.klinik.test:5433"}},
		"two authorities":                 {"{url: 'postgres://hilum@db.klinik.test/hilum?sslrootcert=a.pem', ca_file: b.pem}", []string{"has sslrootcert, and database.ca_file"}},
		"an authority that nobody asks":   {"{url: 'postgres://hilum@localhost/hilum?sslmode=disable', ca_file: b.pem}", []string{"has sslmode=disable, and database.ca_file"}},
		"the example's":                   {"{url: 'postgres://hilum@db.example.org/hilum'}", []string{"db.example.org is the example's"}},
		"all at once": {"{driver: sqlite, path: idp.db, pool: -1, url: 'postgres://hilum@db.klinik.test/?ssl=1&sslmode=on'}", []string{
			"database.pool", "database.driver", "database.path", "names no database", "has an unknown parameter, ssl;", "has an unknown value of sslmode",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "database: "+row.database+"\n")
			_, err := config.Load(path, none)
			var got []string
			if err != nil {
				got = faults(t, path, err)
			}
			if len(got) != len(row.want) {
				t.Fatalf("got %q, want %q", got, row.want)
			}
			for _, want := range row.want {
				if !slices.ContainsFunc(got, func(g string) bool { return strings.Contains(g, want) && strings.HasPrefix(g, "idp.yaml:1: database.") }) {
					t.Errorf("no fault %q in %q", want, got)
				}
			}
			if s := strings.Join(got, "\n"); strings.Contains(s, geheim) {
				t.Errorf("shown: %s", s)
			}
		})
	}
}

// What stands elsewhere and what is not said is in the URL that the database is opened by.
func TestDatabaseURL(t *testing.T) {
	for name, row := range map[string]struct{ database, want string }{
		"nothing said":             {"{url: 'postgres://hilum@db.klinik.test/hilum'}", "postgres://hilum@db.klinik.test:5432/hilum?application_name=hilum&connect_timeout=10&sslmode=verify-full"},
		"an authority of its own":  {"{url: 'postgres://hilum@db.klinik.test/hilum', ca_file: /etc/ca.pem}", "postgres://hilum@db.klinik.test:5432/hilum?application_name=hilum&connect_timeout=10&sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem"},
		"this machine":             {"{url: 'postgresql://hilum@127.0.0.1:5433/hilum'}", "postgres://hilum@127.0.0.1:5433/hilum?application_name=hilum&connect_timeout=10&sslmode=prefer"},
		"this machine, verified":   {"{url: 'postgres://hilum@localhost/hilum', ca_file: ca.pem}", "postgres://hilum@localhost:5432/hilum?application_name=hilum&connect_timeout=10&sslmode=verify-full&sslrootcert=ca.pem"},
		"a socket":                 {"{url: 'postgres://hilum@/hilum?host=/run/postgresql'}", "postgres://hilum@/hilum?application_name=hilum&connect_timeout=10&host=%2Frun%2Fpostgresql&port=5432&sslmode=disable"},
		"several":                  {"{url: 'postgres://hilum@a.klinik.test,[2001:db8::1]:5433/hilum'}", "postgres://hilum@a.klinik.test:5432,[2001:db8::1]:5433/hilum?application_name=hilum&connect_timeout=10&sslmode=verify-full&target_session_attrs=read-write"},
		"what is said":             {"{url: 'postgres://hilum@a.klinik.test/hilum?application_name=a+b&connect_timeout=3&sslmode=verify-ca&target_session_attrs=any'}", "postgres://hilum@a.klinik.test:5432/hilum?application_name=a%2Bb&connect_timeout=3&sslmode=verify-ca&target_session_attrs=any"},
		"names with other letters": {"{url: 'postgres://hi%40l@a.klinik.test/h%20m%3F'}", "postgres://hi%40l@a.klinik.test:5432/h%20m%3F?application_name=hilum&connect_timeout=10&sslmode=verify-full"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := config.Load(write(t, "database: "+row.database+"\n"), none)
			if err != nil {
				t.Fatal(err)
			}
			p, err := c.Postgres()
			if err != nil {
				t.Fatal(err)
			}
			if p.URL() != row.want || p.Password != "" {
				t.Errorf("got %s\nwant %s", p.URL(), row.want)
			}
		})
	}
	if c, err := config.Load("", none); err != nil || c.Database.Postgres() {
		t.Errorf("without a configuration: %+v, %v", c, err)
	} else if p, err := c.Postgres(); p != nil || err != nil {
		t.Errorf("without a configuration: %v, %v", p, err)
	}
}

// The URL and the password come by files, whose owner and mode are looked at.
func TestDatabaseFiles(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	url := put("url", "postgres://hilum:geheim@db.klinik.test/hilum\n", 0o600)
	other := put("other", "anders\r\n", 0o600)
	for name, row := range map[string]struct {
		database, password string
		want               []string // of faults
		warned             string
	}{
		"by the URL":           {database: "{url_file: " + url + "}", password: geheim},
		"in its place":         {database: "{url_file: " + url + ", password_file: " + other + "}", password: "anders"},
		"beside it":            {database: "{url: 'postgres://hilum@db.klinik.test/hilum', password_file: " + other + "}", password: "anders"},
		"not verified":         {database: "{url: 'postgres://hilum@db.klinik.test/hilum?sslmode=require'}", warned: "has sslmode=require, which looks at no certificate"},
		"open to everybody":    {database: "{url_file: " + put("open", "postgres://hilum:geheim@db.klinik.test/hilum\n", 0o644) + "}", want: []string{"everybody on this machine may use it"}},
		"a password for all":   {database: "{url_file: " + url + ", password_file: " + put("shown", "geheim\n", 0o604) + "}", want: []string{"everybody on this machine may use it"}},
		"empty":                {database: "{url_file: " + put("empty", "\n", 0o600) + "}", want: []string{"is empty"}},
		"an empty password":    {database: "{url_file: " + url + ", password_file: " + put("blank", "", 0o600) + "}", want: []string{"is empty"}},
		"not there":            {database: "{url_file: none, password_file: none}", want: []string{"database.url_file: open none", "database.password_file: open none"}},
		"wrong twice":          {database: "{url_file: " + put("wrong", "postgres://hilum:geheim@db.klinik.test/hilum?ssl=1&sslmode=on", 0o600) + "}", want: []string{"has an unknown parameter, ssl", "has an unknown value of sslmode"}},
		"readable":             {database: "{url_file: " + put("readable", "postgres://hilum:geheim@db.klinik.test/hilum?sslmode=disable", 0o600) + "}", want: []string{"can travel readable"}},
		"no authority":         {database: "{url_file: " + url + ", ca_file: " + other + "}", want: []string{"database.ca_file: " + other + " holds no certificate"}},
		"no authority, by URL": {database: "{url: 'postgres://hilum@db.klinik.test/hilum?sslrootcert=" + other + "'}", want: []string{"database.url: " + other + " holds no certificate"}},
		"a key for all":        {database: "{url: 'postgres://hilum@db.klinik.test/hilum?sslcert=" + other + "&sslkey=" + put("key.pem", "k", 0o644) + "'}", want: []string{"database.url: " + filepath.Join(dir, "key.pem") + ": everybody"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "database: "+row.database+"\n")
			c, err := config.Load(path, none)
			if err != nil {
				t.Fatal(err)
			}
			warnings, err := c.Files()
			var got []string
			if err != nil {
				got = faults(t, path, err)
			}
			if len(got) != len(row.want) {
				t.Fatalf("got %q, want %q", got, row.want)
			}
			for i, want := range row.want {
				if !strings.Contains(got[i], want) || strings.Contains(got[i], geheim) {
					t.Errorf("got %q, want %q", got[i], want)
				}
			}
			if (row.warned == "") != (len(warnings) == 0) || row.warned != "" && !strings.Contains(warnings[0].Error(), row.warned) {
				t.Errorf("warnings %v", warnings)
			}
			if row.want != nil {
				return
			}
			p, err := c.Postgres()
			if err != nil {
				t.Fatal(err)
			}
			if p.Password.Reveal() != row.password || strings.Contains(p.URL()+p.String(), "geheim") {
				t.Errorf("password %q, %s", p.Password.Reveal(), p)
			}
			for _, s := range c.Settings() {
				if strings.Contains(s.Value, geheim) {
					t.Errorf("%s shows it", s.Key)
				}
			}
		})
	}
}

// The flag names a database in place of all other settings that do; how it is reached stays.
func TestDatabaseFlag(t *testing.T) {
	path := write(t, "database: {driver: sqlite, path: idp.db, pool: 4}\n")
	vars := map[string]string{"IDP_DATABASE_URL_FILE": "none", "IDP_DATABASE_URL": "postgres://a@a.klinik.test/a"}
	c, err := config.LoadFor("postgres://hilum@127.0.0.1/hilum", path, env(vars))
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Postgres()
	if err != nil {
		t.Fatal(err)
	}
	if got := p.String(); got != "PostgreSQL database hilum at 127.0.0.1:5432 as hilum" || c.Database.Pool != 4 {
		t.Errorf("got %s, a pool of %d", got, c.Database.Pool)
	}
	_, err = config.LoadFor("postgres://hilum:geheim@127.0.0.1/hilum", path, none)
	if got := faults(t, path, err); len(got) != 1 || !strings.HasPrefix(got[0], "--database: database.url: has a password in it") {
		t.Errorf("got %q", got)
	}
}

// A demo's URL may have a password and travel readable; the settings do not show it.
func TestDatabaseOfADemo(t *testing.T) {
	c := config.Default()
	if err := c.UseDatabase("postgres://hilum:geheim@db.klinik.test/hilum?sslmode=disable"); err != nil {
		t.Fatal(err)
	}
	p, err := c.Postgres()
	if err != nil {
		t.Fatal(err)
	}
	if p.Password.Reveal() != geheim || c.Database.URL != p.URL() || strings.Contains(p.URL(), geheim) {
		t.Errorf("password %q, URL %s, setting %s", p.Password.Reveal(), p.URL(), c.Database.URL)
	}
	err = config.Default().UseDatabase("postgres://hilum:geheim@db.klinik.test/hilum?ssl=1")
	if err == nil || !strings.HasPrefix(err.Error(), "--database: database.url: has an unknown parameter") || strings.Contains(err.Error(), geheim) {
		t.Errorf("got %v", err)
	}
}

// FuzzDatabaseURL looks for a URL that is taken and is another one when it is read again,
// or a fault that shows a password.
func FuzzDatabaseURL(f *testing.F) {
	for _, s := range []string{"postgres://hilum:geheim@a,b:5433/h?sslmode=require", "postgres://h@/h?host=/run", "postgresql://a%40@[::1]:1/b%2F?x", "postgres://:@/?&=", "postgres://a:b@c@d/e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := config.Default()
		if c.UseDatabase(s) != nil {
			return
		}
		first := c.Database
		if err := c.UseDatabase(first.URL); err != nil || c.Database.URL != first.URL || c.Database.Password != "" {
			t.Errorf("%q is %q, which is %q (%v)", s, first.URL, c.Database.URL, err)
		}
	})
}
