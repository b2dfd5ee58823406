package config

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hilum/idp"
	"hilum/idp/file"
)

// Postgres is a PostgreSQL database, and how it is reached.
type Postgres struct {
	User, Name string
	Password   idp.Secret // empty: none is sent, unless the server's client finds one (.pgpass)
	Hosts      []Host     // tried in their order
	params     map[string]string
}

// Host is a server of a database, or the folder of its socket.
type Host struct{ Name, Port string }

// socket reports whether a host is the folder of a Unix socket.
func (h Host) socket() bool { return strings.HasPrefix(h.Name, "/") }

// here reports whether what is sent to a host does not leave this machine.
func (h Host) here() bool { return h.socket() || isLoopback(h.Name) }

func (h Host) String() string {
	if h.socket() {
		return h.Name + "/.s.PGSQL." + h.Port
	}
	return net.JoinHostPort(h.Name, h.Port)
}

// Server is where the database is: host and port, of several servers all of them.
func (p *Postgres) Server() string {
	all := make([]string, len(p.Hosts))
	for i, h := range p.Hosts {
		all[i] = h.String()
	}
	return strings.Join(all, ", ")
}

// String names the database for people, without its password.
func (p *Postgres) String() string {
	return fmt.Sprintf("PostgreSQL database %s at %s as %s", p.Name, p.Server(), p.User)
}

// URL is the database as clients of PostgreSQL take it, without the password. Everything
// that decides where the connection goes and whether it is encrypted stands in it, so that
// no PGHOST or PGSSLMODE of the environment changes it (of authorities that is not so: where
// none is named, PGSSLROOTCERT may name some).
func (p *Postgres) URL() string {
	params := maps.Clone(p.params)
	authority := ""
	if p.Hosts[0].socket() {
		params["host"], params["port"] = p.Hosts[0].Name, p.Hosts[0].Port
	} else {
		all := make([]string, len(p.Hosts))
		for i, h := range p.Hosts {
			all[i] = net.JoinHostPort(h.Name, h.Port)
		}
		authority = strings.Join(all, ",")
	}
	pairs := make([]string, 0, len(params))
	for _, k := range slices.Sorted(maps.Keys(params)) {
		pairs = append(pairs, k+"="+escaped(params[k]))
	}
	return "postgres://" + escaped(p.User) + "@" + authority + "/" + escaped(p.Name) + "?" + strings.Join(pairs, "&")
}

// escaped is a part of a URL; clients of PostgreSQL read "+" as it is.
func escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// The parameters that a URL may have, and the values of those that have a list of them.
var (
	postgresParams = []string{"application_name", "channel_binding", "connect_timeout", "host", "port", "sslcert", "sslkey", "sslmode", "sslrootcert", "target_session_attrs"}
	postgresValues = map[string][]string{
		"sslmode":              {"verify-full", "verify-ca", "require", "prefer", "allow", "disable"},
		"channel_binding":      {"require", "prefer", "disable"},
		"target_session_attrs": {"read-write", "primary", "any"},
	}
)

// postgresForm is what the URL of a database looks like.
const postgresForm = "postgres://hilum@db.your-hospital.org:5432/hilum"

// parsePostgres reads the URL of a database (PostgreSQL documentation, «Connection URIs»)
// and lists what is wrong with it. No problem shows the URL or a password: what is in a
// wrong place may be one.
func parsePostgres(text string) (p *Postgres, problems []string) {
	fault := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case !ok && strings.Contains(text, "="):
		return nil, []string{"is in the form of keywords and values; write it as a URL: " + postgresForm}
	case !ok:
		return nil, []string{"is no URL; write it like " + postgresForm}
	case scheme != "postgres" && scheme != "postgresql":
		return nil, []string{"is the URL of something else than PostgreSQL, which begins with postgres://; SQLite's file is named by database.path. Write it like " + postgresForm}
	case strings.ContainsAny(rest, "# \x00"):
		return nil, []string{"has «#» or a blank, which is written %23 or %20 in a URL"}
	}
	p = &Postgres{params: map[string]string{}}
	decode := func(what, s string) string {
		plain, err := url.PathUnescape(s)
		if err != nil {
			fault("has a «%%» in %s that is followed by no two hexadecimal digits; a percent sign itself is written %%25", what)
		}
		return plain
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, name, _ := strings.Cut(rest, "/")
	who, hosts, found := cutLast(authority, "@")
	if !found {
		who, hosts = "", authority
	}
	if strings.Contains(query, "@") && who == "" || strings.Contains(name, "@") {
		return nil, []string{"has «@» behind the host; a slash, a question mark or an «@» in a user or a password is written %2F, %3F or %40"}
	}
	user, password, _ := strings.Cut(who, ":")
	p.User, p.Password, p.Name = decode("the user", user), idp.Secret(decode("the password", password)), decode("the name of the database", name)
	if p.User == "" {
		fault("names no user; write it like %s", postgresForm)
	}
	if p.Name == "" || strings.Contains(p.Name, "/") {
		fault("names no database, or more than one, behind the host; write it like %s", postgresForm)
	}
	set := map[string]bool{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, value = decode("a parameter", key), decode("a parameter", value)
		switch values := postgresValues[key]; {
		case key == "password":
			p.Password = idp.Secret(value)
			continue
		case key == "user" || key == "dbname":
			fault("has the parameter %s, which stands before the question mark: %s", key, postgresForm)
			continue
		case !slices.Contains(postgresParams, key):
			fault("has an unknown parameter, %s; known are %s", named(key), strings.Join(postgresParams, ", "))
			continue
		case set[key]:
			fault("has the parameter %s twice", key)
		case value == "":
			fault("has the parameter %s without a value", key)
		case values != nil && !slices.Contains(values, value):
			fault("has an unknown value of %s; known are %s", key, strings.Join(values, ", "))
		}
		if n, err := strconv.Atoi(value); key == "connect_timeout" && (err != nil || n < 1 || n > 600) {
			fault("has a connect_timeout that is no number of seconds from 1 to 600")
		}
		p.params[key], set[key] = value, true
	}
	if set["sslcert"] != set["sslkey"] {
		fault("has one of sslcert and sslkey; certificate and key come together")
	}
	p.Hosts = nil
	folder, port := p.params["host"], p.params["port"]
	delete(p.params, "host")
	delete(p.params, "port")
	switch {
	case folder != "" && hosts != "":
		fault("names a host twice, before and behind the question mark")
	case folder != "" && !strings.HasPrefix(folder, "/"):
		fault("has the parameter host, which is for the folder of a socket, such as host=/run/postgresql; other hosts stand before the question mark: %s", postgresForm)
	case folder != "":
		p.Hosts = []Host{{folder, orPort(port)}}
	case hosts == "":
		fault("names no host; write it like %s, or for a socket postgres://hilum@/hilum?host=/run/postgresql", postgresForm)
	default:
		if port != "" {
			fault("has the parameter port, which is for a socket; beside a host it stands behind a colon: %s", postgresForm)
		}
		for one := range strings.SplitSeq(hosts, ",") {
			p.Hosts = append(p.Hosts, hostOf(one))
		}
	}
	for _, h := range p.Hosts {
		if n, err := strconv.ParseUint(h.Port, 10, 16); err != nil || n == 0 {
			fault("has a port that is none; 5432 is usual. A colon, a slash or an «@» in a password is written %%3A, %%2F or %%40")
		}
		if !h.socket() && (h.Name == "" || strings.ContainsAny(h.Name, "/%@ []")) {
			fault("has a host that is none; write it like %s, an IPv6 address in brackets, and for a socket postgres://hilum@/hilum?host=/run/postgresql", postgresForm)
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return p, nil
}

// cutLast cuts around the last separator: a password may have an «@» that nobody has
// written as %40, and is never to be taken for a host.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// hostOf reads host:port; the port of PostgreSQL is 5432 where none is written.
func hostOf(s string) Host {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		name, port, _ := strings.Cut(rest, "]")
		return Host{name, orPort(strings.TrimPrefix(port, ":"))}
	}
	name, port, _ := strings.Cut(s, ":")
	return Host{name, orPort(port)}
}

func orPort(port string) string {
	if port == "" {
		return "5432"
	}
	return port
}

// named is the name of a parameter, where it is one that can be shown.
func named(key string) string {
	if key == "" || len(key) > 40 || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "which is no name"
	}
	return key
}

// remote returns a host of the database that is not on this machine; found is false where
// there is none.
func (p *Postgres) remote() (h Host, found bool) {
	for _, h := range p.Hosts {
		if !h.here() {
			return h, true
		}
	}
	return Host{}, false
}

// check lists what is wrong with the way to a database.
func (p *Postgres) check(d Database) (problems []string) {
	mode := p.params["sslmode"]
	if h, found := p.remote(); found && !d.AllowUnencrypted && slices.Contains([]string{"disable", "allow", "prefer"}, mode) {
		problems = append(problems, fmt.Sprintf("has sslmode=%s, by which everything can travel readable to %s; write sslmode=verify-full, with database.ca_file where the authority of the server's certificate is one of your own. "+
			"Where the network itself encrypts (WireGuard, IPsec, a service mesh), set database.allow_unencrypted: true", mode, h))
	}
	if d.CAFile != "" && p.params["sslrootcert"] != "" {
		problems = append(problems, "has sslrootcert, and database.ca_file names the authorities too; remove one of them")
	}
	if d.CAFile != "" && mode == "disable" {
		problems = append(problems, "has sslmode=disable, and database.ca_file names authorities that nobody asks then; remove one of them")
	}
	return problems
}

// settle puts into the way to a database what stands in other settings, and the defaults
// that are ours: certificates are verified for every server that is not on this machine.
func (p *Postgres) settle(d Database) {
	if d.CAFile != "" {
		p.params["sslrootcert"] = d.CAFile
	}
	for k, v := range map[string]string{"application_name": "hilum", "connect_timeout": "10"} {
		if p.params[k] == "" {
			p.params[k] = v
		}
	}
	if _, remote := p.remote(); p.params["sslmode"] == "" {
		switch {
		case remote, p.params["sslrootcert"] != "":
			p.params["sslmode"] = "verify-full"
		case p.Hosts[0].socket():
			p.params["sslmode"] = "disable" // a socket has no TLS
		default:
			p.params["sslmode"] = "prefer"
		}
	}
	if p.params["target_session_attrs"] == "" && len(p.Hosts) > 1 {
		p.params["target_session_attrs"] = "read-write" // whichever of them is the primary now
	}
}

// Postgres is whether the database is one of PostgreSQL.
func (d Database) Postgres() bool { return d.URL != "" || d.URLFile != "" }

// Key is the setting that names a database of PostgreSQL.
func (d Database) Key() string {
	if d.URLFile != "" {
		return "database.url_file"
	}
	return "database.url"
}

// UseDatabase names the database of a demo by its URL; empty: it is SQLite's. Nothing of it is worth anything, so the URL may
// have a password, which is not shown with the settings, and the way to it may be readable.
// Errors: as Postgres.
func (c *Config) UseDatabase(url string) error {
	c.Database = Database{URL: url, AllowUnencrypted: true}
	if c.places == nil {
		c.places = map[string]string{}
	}
	c.places["database.url"] = DatabaseFlag
	p, err := c.Postgres()
	if p != nil {
		c.Database.URL, c.Database.Password = p.URL(), p.Password
	}
	return err
}

// Postgres is the database of PostgreSQL that is configured, with what its files hold;
// nil: it is SQLite's. Errors: what is wrong with a setting or a file, each a *Fault, joined.
func (c *Config) Postgres() (*Postgres, error) {
	d := c.Database
	if !d.Postgres() {
		return nil, nil
	}
	v := &validation{c: c}
	p := v.server()
	if d.PasswordFile != "" {
		v.file("database.password_file", d.PasswordFile, file.Secret, func(f file.Content) error {
			password, err := firstLine(d.PasswordFile, f)
			if p != nil {
				p.Password = idp.Secret(password)
			}
			return err
		})
	}
	if err := join(v.faults); err != nil {
		return nil, err
	}
	if d.Password != "" {
		p.Password = d.Password
	}
	p.settle(d)
	return p, nil
}

// server reads where the database is, from the setting or from the file that it names; nil
// where that is a fault.
func (v *validation) server() (p *Postgres) {
	d := v.c.Database
	look := func(text string) {
		var problems []string
		if p, problems = parsePostgres(text); p != nil {
			problems = p.check(d)
		}
		for _, problem := range problems {
			v.fault(d.Key(), "%s", problem)
		}
	}
	if d.URLFile == "" {
		look(d.URL)
		return p
	}
	v.file(d.Key(), d.URLFile, file.Secret, func(f file.Content) error {
		line, err := firstLine(d.URLFile, f)
		if err == nil {
			look(strings.TrimSpace(line))
		}
		return err
	})
	return p
}

// database checks which database is named, and how it is reached. What stands in files is
// looked at by Files.
func (v *validation) database() {
	d := v.c.Database
	switch d.Driver {
	case "", "sqlite", "postgres":
	case "postgresql", "pg", "pgx", "Postgres", "PostgreSQL":
		v.fault("database.driver", "%q is written postgres; with database.url it can be left out", d.Driver)
	default:
		v.fault("database.driver", "%q is not known; sqlite and postgres are, and where it is left out database.url decides", d.Driver)
	}
	if d.Pool < 0 || d.Pool > 1000 {
		v.fault("database.pool", "%d is out of bounds; 0 (the provider's choice) to 1000 is possible", d.Pool)
	}
	if !d.Postgres() {
		if d.Driver == "postgres" {
			v.fault("database.driver", "is postgres, and database.url is missing; write it like %s, or the path of a file that holds it into database.url_file", postgresForm)
			return
		}
		for _, of := range []struct {
			key string
			set bool
		}{{"database.password_file", d.PasswordFile != ""}, {"database.ca_file", d.CAFile != ""}, {"database.pool", d.Pool > 0}, {"database.allow_unencrypted", d.AllowUnencrypted}} {
			if of.set {
				v.fault(of.key, "is of no use without database.url: SQLite is a file")
			}
		}
		return
	}
	if d.URL != "" && d.URLFile != "" {
		v.fault("database.url_file", "and database.url both name a database; remove one of them")
	}
	if d.Driver == "sqlite" {
		v.fault("database.driver", "is sqlite, and %s names a database of PostgreSQL; remove driver, or %s where SQLite is meant", d.Key(), d.Key())
	}
	if d.Path != "" {
		v.fault("database.path", "is the file of SQLite, and %s names a database of PostgreSQL; remove path, or %s where the file is meant", d.Key(), d.Key())
	}
	if d.URL == "" || d.URLFile != "" {
		return
	}
	p := v.server()
	if p == nil {
		return
	}
	if p.Password != "" {
		v.fault("database.url", "has a password in it, and is shown where settings are; write that into a file that only the provider can read, and its path into database.password_file, "+
			"or the whole URL into such a file, and its path into database.url_file")
	}
	for _, h := range p.Hosts {
		if isExample(strings.ToLower(h.Name)) {
			v.fault("database.url", "%s is the example's; put the host of your own database there", h.Name)
		}
	}
}

// databaseFiles looks at the files of a database of PostgreSQL, and warns of a certificate
// that is not looked at.
func (v *validation) databaseFiles(warned *validation) {
	d := v.c.Database
	p, err := v.c.Postgres()
	if err != nil {
		v.faults = append(v.faults, faultsOf(err)...)
		return
	}
	if p == nil {
		return
	}
	if h, remote := p.remote(); remote && p.params["sslmode"] == "require" && p.params["sslrootcert"] == "" {
		warned.fault(d.Key(), "has sslmode=require, which looks at no certificate: whoever is between here and %s can pose as the database. Write sslmode=verify-full, "+
			"with database.ca_file where the authority of the server's certificate is one of your own", h)
	}
	if path := p.params["sslrootcert"]; path != "" && path != "system" {
		key := d.Key()
		if d.CAFile != "" {
			key = "database.ca_file"
		}
		v.file(key, path, file.Public, func(f file.Content) error {
			_, err := Authorities(path, f)
			return err
		})
	}
	if path := p.params["sslcert"]; path != "" {
		v.file(d.Key(), path, file.Public, func(file.Content) error { return nil })
		v.file(d.Key(), p.params["sslkey"], file.Secret, func(file.Content) error { return nil })
	}
}
