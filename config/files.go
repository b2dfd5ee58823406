package config

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"hilum/idp/file"
	"hilum/idp/geo"
)

// Warnings are settings that are possible and mostly a mistake; each says what to
// write.
func (c *Config) Warnings() []*Fault {
	v := &validation{c: c}
	if strings.HasPrefix(c.Issuer, "https:") && !c.TLS.On() && len(c.TrustedProxies) == 0 {
		v.fault("issuer", "%s is https, and neither tls.cert_file with tls.key_file nor trusted_proxies is set: who adds TLS? "+
			"Write the proxy's address into trusted_proxies, 127.0.0.1 where it is on this machine; without, all people count as one address. "+
			"In a container nobody outside reaches %s; write 0.0.0.0 in place of its host there", c.Issuer, c.Listen)
	}
	switch m := c.Mail; {
	case !m.On():
	case m.TLS == "starttls" && m.Port == 465:
		v.fault("mail.tls", "starttls at port 465, which mostly is encrypted from the first byte; write tls, or port 587")
	case m.TLS == "tls" && (m.Port == 587 || m.Port == 25):
		v.fault("mail.tls", "tls at port %d, which mostly begins in the clear; write starttls, or port 465", m.Port)
	}
	return v.faults
}

// Files reads every file that the configuration names and returns what is wrong
// with them, each a *Fault, joined, and what would better be mended. A sealing key
// that is not there yet is no fault: the first start makes it.
func (c *Config) Files() (warnings []*Fault, err error) {
	v, warned := &validation{c: c}, &validation{c: c}
	if c.TLS.On() {
		v.pair(warned)
	}
	v.databaseFiles(warned)
	if path := c.TLS.MTLSCAFile; path != "" {
		v.file("tls.mtls_ca_file", path, file.Public, func(f file.Content) error {
			_, err := Authorities(path, f)
			return err
		})
	}
	if m := c.Mail; m.On() {
		if m.CAFile != "" {
			v.file("mail.ca_file", m.CAFile, file.Public, func(f file.Content) error {
				_, err := Authorities(m.CAFile, f)
				return err
			})
		}
		if m.PasswordFile != "" {
			v.file("mail.password_file", m.PasswordFile, file.Secret, func(f file.Content) error {
				_, err := MailPassword(m.PasswordFile, f)
				return err
			})
		}
	}
	if f := c.Push.FCM; f.CredentialsFile != "" {
		v.file("push.fcm.credentials_file", f.CredentialsFile, file.Secret, func(text file.Content) error {
			account, err := file.ServiceAccount(text.Bytes)
			if err != nil {
				return fmt.Errorf("%s %w", f.CredentialsFile, err)
			}
			if f.ProjectID != "" && f.ProjectID != account.ProjectID {
				warned.fault("push.fcm.project_id", "%s is not the project of the key in %s, %s; leave it empty, unless that account may send for the other project",
					f.ProjectID, f.CredentialsFile, account.ProjectID)
			}
			return nil
		})
	}
	if c.GeoFile != "" {
		if _, err := geo.Open(c.GeoFile, &file.Watcher{}); err != nil {
			v.fault("geo_file", "%v", err)
		}
	}
	if _, err := os.Stat(c.SealFile()); err == nil { // the rest is told by who makes it
		v.file("keys.seal_file", c.SealFile(), file.Secret, func(file.Content) error { return nil })
	}
	return warned.faults, join(v.faults)
}

// file reads the file of a setting and looks at what it holds; what is wrong is a
// fault of that setting. The errors of read and look have to name the path.
func (v *validation) file(key, path string, read func(string) (file.Content, error), look func(file.Content) error) {
	f, err := read(path)
	if err == nil {
		err = look(f)
	}
	if err != nil {
		v.fault(key, "%v", err)
	}
}

// pair looks at the certificate and its key. That one of them cannot be read does
// not hide what is wrong with the other.
func (v *validation) pair(warned *validation) {
	t := v.c.TLS
	fault := func(key string, err error) {
		v.fault(key, "certificate %s with key %s: %v", t.CertFile, t.KeyFile, err)
	}
	cert, certErr := file.Public(t.CertFile)
	key, keyErr := file.Secret(t.KeyFile)
	if certErr != nil {
		fault("tls.cert_file", certErr)
	}
	if keyErr != nil {
		fault("tls.key_file", keyErr)
	}
	if certErr != nil || keyErr != nil {
		if certErr == nil {
			if _, err := file.Authorities(cert.Bytes); err != nil {
				fault("tls.cert_file", err)
			}
		}
		return
	}
	pair, warnings, err := file.Pair(cert.Bytes, key.Bytes, time.Now())
	if err != nil {
		fault("tls.cert_file", err)
		return
	}
	// Behind a proxy browsers see its certificate.
	if u, err := url.Parse(v.c.Issuer); err == nil && len(v.c.TrustedProxies) == 0 && pair.Leaf.VerifyHostname(u.Hostname()) != nil {
		warned.fault("tls.cert_file", "certificate %s is not for %s, the issuer's host, so browsers refuse it", t.CertFile, u.Hostname())
	}
	for _, w := range warnings {
		warned.fault("tls.cert_file", "certificate %s: %s", t.CertFile, w)
	}
}

// MailPassword is the password in the file at path: its first line, blanks
// included. Errors: that line is empty.
func MailPassword(path string, f file.Content) (string, error) { return firstLine(path, f) }

// firstLine is the first line of the file at path, blanks included. Errors: it is empty.
func firstLine(path string, f file.Content) (string, error) {
	line := file.Line(f.Bytes)
	if strings.TrimSpace(line) == "" {
		return "", fmt.Errorf("the first line of %s is empty", path)
	}
	return line, nil
}

// Authorities are the authorities, PEM, in the file at path, by which certificates of a mail
// server or of applications are verified. Errors: it holds no certificate, or a damaged one.
func Authorities(path string, f file.Content) (*x509.CertPool, error) {
	pool, err := file.Authorities(f.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s holds no certificate that can be used: %w", path, err)
	}
	return pool, nil
}
