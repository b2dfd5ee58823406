package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"hilum/config"
	"hilum/idp/store"
	"hilum/idp/store/engine"
)

// openDatabase opens the database that is configured. Errors say what to do, and at which
// setting; none has a password in it. existing is store.Config's.
func openDatabase(ctx context.Context, conf *config.Config, log *slog.Logger, existing bool) (*store.DB, error) {
	c := store.Config{Existing: existing, Driver: "sqlite", Path: conf.DatabasePath(), Log: log, Mail: conf.Mail.On(), Witness: witnessPath(conf), KeepEvents: conf.Audit.Keep()}
	server, err := conf.Postgres()
	if err != nil {
		return nil, err
	}
	if server != nil {
		c.Driver, c.Path, c.URL, c.Password, c.Pool = "postgres", "", server.URL(), server.Password.Reveal(), conf.Database.Pool
	}
	db, err := store.Open(ctx, c)
	switch {
	case err == nil:
		return db, nil
	case server == nil:
		return nil, fmt.Errorf("database: %w", err)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, conf.Fault(conf.Database.Key(), notOpened(err, server))
}

// notOpened says why a database of PostgreSQL was not opened, and what to do.
func notOpened(err error, server *config.Postgres) string {
	why := err.Error()
	opening := (*store.OpenError)(nil)
	if errors.As(err, &opening) {
		why = opening.Err.Error()
	}
	if password := server.Password.Reveal(); password != "" { // a client of PostgreSQL leaves it out, too
		why = strings.ReplaceAll(why, password, server.Password.String())
	}
	// What a server says may have several lines; each line is an error of its own elsewhere.
	why = strings.Join(strings.Fields(why), " ")
	if opening == nil {
		return fmt.Sprintf("%s cannot be used: %s", server, why)
	}
	name, at, user := server.Name, server.Server(), server.User
	switch opening.Kind {
	case engine.OpenUnreachable:
		if isCertificate(err) {
			return fmt.Sprintf("the certificate of the database server at %s is not taken: database.ca_file names the authority that issued it, PEM, and the host of the URL has to be a name in it (%s)", at, why)
		}
		if strings.Contains(why, "refused TLS") {
			return fmt.Sprintf("the database server at %s does not speak TLS: set ssl = on in its postgresql.conf, with ssl_cert_file and ssl_key_file; or, where the network itself encrypts, sslmode=disable with database.allow_unencrypted (%s)", at, why)
		}
		return fmt.Sprintf("no database server answers at %s: see that host and port are right, that PostgreSQL runs there and listens on that address (listen_addresses), and that no firewall is in between (%s)", at, why)
	case engine.OpenBusy:
		return fmt.Sprintf("the database server at %s takes no connection now: it starts or stops, or max_connections is used up, of which each instance takes database.pool (%s)", at, why)
	case engine.OpenRefused:
		how := "no password was sent (database.password_file names the file of one)"
		if server.Password != "" {
			how = "see that the password is the role's (\\password in psql sets it)"
		}
		return fmt.Sprintf("the database server at %s refuses user %s: %s; pg_hba.conf needs a line for that user, database %s and this machine (%s)", at, user, how, name, why)
	case engine.OpenNoDatabase:
		return fmt.Sprintf("the server at %s has no database %s; as its administrator: CREATE DATABASE %s OWNER %s ENCODING 'UTF8' TEMPLATE template0; (%s)", at, name, quoted(name), quoted(user), why)
	case engine.OpenReadOnly:
		return fmt.Sprintf("database %s at %s takes no changes, a standby probably: name the primary, or all servers with target_session_attrs=read-write (%s)", name, at, why)
	case engine.OpenTooOld:
		return fmt.Sprintf("the server at %s is too old; PostgreSQL 14 or later is needed (%s)", at, why)
	case engine.OpenEmpty:
		return nothingIn(server)
	case engine.OpenNotEmpty:
		return fmt.Sprintf("database %s at %s has tables, and none of this provider: name an empty database of its own (%s)", name, at, why)
	case engine.OpenOtherProgram:
		return fmt.Sprintf("database %s at %s is another program's, which has tables of the same names: name an empty database of its own (%s)", name, at, why)
	case engine.OpenMoving:
		return fmt.Sprintf("database %s at %s is not whole yet, a file is moved into it (%s): run \"idp migrate\" again, which goes on from there; or \"idp migrate --undo\", which takes back what was copied", name, at, why)
	case engine.OpenNewer:
		return fmt.Sprintf("database %s at %s was written by a newer version of this program: run that version, or put back a backup from before it (%s)", name, at, why)
	case engine.OpenOlder:
		return fmt.Sprintf("database %s at %s cannot be brought up to date while an instance of before runs that does not work with the new tables: stop it, start this one, then that one in this version (%s)", name, at, why)
	case engine.OpenEncoding:
		return fmt.Sprintf("database %s at %s is not in UTF8, which cannot be changed later: CREATE DATABASE %s OWNER %s ENCODING 'UTF8' TEMPLATE template0; and name that one (%s)", name, at, quoted(name+"_utf8"), quoted(user), why)
	case engine.OpenNoRights:
		return fmt.Sprintf("user %s may make no tables in database %s at %s: make it the owner, ALTER DATABASE %s OWNER TO %s; or, in that database, GRANT USAGE, CREATE ON SCHEMA public TO %s; (%s)",
			user, name, at, quoted(name), quoted(user), quoted(user), why)
	}
	return fmt.Sprintf("%s cannot be used: %s", server, why)
}

// quoted is an identifier as SQL takes it.
func quoted(name string) string {
	if name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" && name[0] > '9' {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// isCertificate reports whether a connection failed because of the server's certificate.
func isCertificate(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError)) ||
		errors.As(err, new(x509.HostnameError)) || errors.As(err, new(x509.CertificateInvalidError))
}

// whichDatabase names the database that is configured, for people.
func whichDatabase(conf *config.Config) (string, error) {
	server, err := conf.Postgres()
	if err != nil || server != nil {
		return fmt.Sprint(server), err
	}
	return conf.DatabasePath(), nil
}

// nothingIn says of a database that "idp serve" has not filled yet that it has not.
func nothingIn(server *config.Postgres) string {
	return fmt.Sprintf("there is nothing in the %s yet; \"idp serve\" fills it, or another is meant", server)
}

// filled refuses a database of PostgreSQL in which "idp serve" has not made its keys yet: a
// command beside it makes none, which would be in another folder than the provider's.
func filled(conf *config.Config) func(*store.DB) error {
	return func(db *store.DB) error {
		server, err := conf.Postgres()
		if err != nil || server == nil || !db.Fresh() {
			return err
		}
		return conf.Fault(conf.Database.Key(), nothingIn(server))
	}
}

// thereIsOne returns an error where the file of SQLite is not there.
func thereIsOne(conf *config.Config) error {
	path := conf.DatabasePath()
	if conf.Database.Postgres() {
		return nil
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return fmt.Errorf("there is no database at %s; \"idp serve\" makes it, --config, --database or data_dir say where it is", path)
}
