// Package config is what an operator may set: the settings with their defaults,
// a strict reader for file and environment, and what must be true of them.
//
// The reader refuses rather than guesses: an unknown key, a value of the wrong
// type and a setting out of bounds are faults, and all of them are told at
// once, each with the line it stands on. No setting holds a secret; where one
// is needed, the setting names a file.
package config

import (
	"cmp"
	_ "embed"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"
	_ "time/tzdata" // the zones, where the machine has none

	"hilum/idp"
)

// Example is a complete configuration with every key, its default and a
// sentence about it.
//
//go:embed example.yaml
var Example []byte

// Config is everything that can be set.
type Config struct {
	Issuer         string    `yaml:"issuer"` // empty: the listen address, on loopback only
	Listen         string    `yaml:"listen"`
	TLS            TLS       `yaml:"tls"`
	TrustedProxies []Network `yaml:"trusted_proxies"`
	DataDir        string    `yaml:"data_dir"`
	Database       Database  `yaml:"database"`
	Site           Site      `yaml:"site"`
	TimeZone       string    `yaml:"time_zone"` // of letters: an IANA name, such as Europe/Brussels
	Device         Device    `yaml:"device"`
	Sessions       Sessions  `yaml:"sessions"`
	Tokens         Tokens    `yaml:"tokens"`
	Clients        Clients   `yaml:"clients"`
	Keys           Keys      `yaml:"keys"`
	Password       Password  `yaml:"password"`
	Push           Push      `yaml:"push"`
	Apps           Apps      `yaml:"apps"`
	Logout         Logout    `yaml:"logout"`
	Mail           Mail      `yaml:"mail"`
	Networks       []Place   `yaml:"networks"`
	GeoFile        string    `yaml:"geo_file"` // MaxMind DB of cities or countries; empty: addresses have no place
	Limits         Limits    `yaml:"limits"`
	Audit          Audit     `yaml:"audit"`
	Log            Log       `yaml:"log"`
	Debug          Debug     `yaml:"debug"`

	places map[string]string // key → where it was set, see Load
	file   string            // see FilePath
}

// TLS names the certificate the provider serves; both empty: plain HTTP.
type TLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// MinVersion is the oldest version of TLS that is spoken: 1.3, or 1.2, as where it is empty.
	MinVersion string `yaml:"min_version"`
	// MTLSListen is one more address, which asks applications for a certificate (RFC 8705);
	// empty: nobody is asked.
	MTLSListen string `yaml:"mtls_listen"`
	MTLSURL    string `yaml:"mtls_url"`     // scheme and host of it as applications reach it; empty: the issuer's host with its port
	MTLSCAFile string `yaml:"mtls_ca_file"` // PEM, who issues certificates of tls_client_auth; empty: only registered keys count
}

// MTLS is where applications come with a certificate, scheme and host; empty: nowhere.
func (c *Config) MTLS() string {
	if c.TLS.MTLSListen == "" || c.TLS.MTLSURL != "" {
		return c.TLS.MTLSURL
	}
	u, err := url.Parse(c.Issuer)
	_, port, bad := net.SplitHostPort(c.TLS.MTLSListen)
	if err != nil || bad != nil {
		return ""
	}
	return "https://" + net.JoinHostPort(u.Hostname(), port)
}

// On reports whether the provider itself speaks TLS.
func (t TLS) On() bool { return t.CertFile != "" }

// Database says where things are kept: in a file of SQLite, or where a URL is named in a
// database of PostgreSQL.
type Database struct {
	Driver       string `yaml:"driver"`        // sqlite, postgres; empty: postgres where a URL is named
	Path         string `yaml:"path"`          // of SQLite; empty: idp.db in the data folder
	URL          string `yaml:"url"`           // of PostgreSQL, without a password
	URLFile      string `yaml:"url_file"`      // holds the URL, with a password or without
	PasswordFile string `yaml:"password_file"` // its first line, in place of one in the URL
	CAFile       string `yaml:"ca_file"`       // PEM; empty: the system's authorities
	Pool         int    `yaml:"pool"`          // connections of one instance; 0: the provider's choice
	// AllowUnencrypted takes a way to another machine that is not certain to be encrypted.
	AllowUnencrypted bool `yaml:"allow_unencrypted"`

	Password idp.Secret // of UseDatabase; no setting holds one
}

// Site is how the provider presents itself to people. An administrator can set what
// is left empty here.
type Site struct {
	Name      string   `yaml:"name"`      // empty, and none was saved: DefaultName
	Accent    string   `yaml:"accent"`    // #rrggbb; empty: ours
	Languages []string `yaml:"languages"` // offered; empty: all there are
	Language  string   `yaml:"language"`  // where nobody names one; empty: English
	Help      string   `yaml:"help"`      // whom to ask who cannot sign in
	HelpLink  string   `yaml:"help_link"` // where Help leads: https, tel or mailto
}

// DefaultName is the site's name where nobody has given it one.
const DefaultName = "Hilum"

// Device is about authenticator apps.
type Device struct {
	Label string `yaml:"label"` // the name that apps show above the code; empty: the site's name
}

// Sessions bounds how long a browser stays signed in.
type Sessions struct {
	Idle     time.Duration `yaml:"idle"`     // since the last request
	Absolute time.Duration `yaml:"absolute"` // since the sign-in
}

// Tokens bounds the tokens that relying parties hold.
type Tokens struct {
	Access      time.Duration `yaml:"access"`       // lifetime of an access token
	RefreshIdle time.Duration `yaml:"refresh_idle"` // how long a refresh token that is not used is good
}

// Clients is about the applications that rely on the provider.
type Clients struct {
	Registration string `yaml:"registration"` // off; token: whoever has an initial access token registers an application
	Realm        string `yaml:"realm"`        // the name of the realm, for applications that speak only Keycloak's shapes; empty: there is none
}

// Keys is about the keys that tokens are signed with and secrets sealed with.
type Keys struct {
	Algs          []string      `yaml:"algs"` // JOSE names, RS256 among them
	RSABits       int           `yaml:"rsa_bits"`
	RotateEvery   time.Duration `yaml:"rotate_every"`
	PublishBefore time.Duration `yaml:"publish_before"` // how long a new key is published before it signs
	SealFile      string        `yaml:"seal_file"`      // empty: seal.key in the data folder
}

// Password is the cost of argon2id, and how many hashes are computed at once.
type Password struct {
	MemoryKiB   uint32 `yaml:"memory_kib"`
	Time        uint32 `yaml:"time"`
	Parallelism uint8  `yaml:"parallelism"`
	AtOnce      int    `yaml:"at_once"` // 0: as many as cores
}

// Push is about asking linked phones.
type Push struct {
	Match   string  `yaml:"match"`  // auto, tap, type, pick, strict
	Verify  string  `yaml:"verify"` // optional, required: a fingerprint or PIN at approvals
	WebPush WebPush `yaml:"webpush"`
	FCM     FCM     `yaml:"fcm"`
}

// WebPush is about the push services of browsers.
type WebPush struct {
	Hosts    []string  `yaml:"hosts"`    // besides the known ones; "*.example.org" for all below
	Subject  string    `yaml:"subject"`  // whom a service may write to; empty: the issuer
	Networks []Network `yaml:"networks"` // private addresses where a service of one's own may be
}

// FCM is about Firebase Cloud Messaging; without credentials it is off.
type FCM struct {
	CredentialsFile string `yaml:"credentials_file"`
	ProjectID       string `yaml:"project_id"` // empty: the one of the credentials
	SenderID        string `yaml:"sender_id"`  // the number of the project, told to apps; empty: not told
	Endpoint        string `yaml:"endpoint"`   // for trials only: a service in place of Google's, without credentials
}

// Apps are native phone apps beside the one that is served at /app: the sign-in page
// opens one of them where it is installed.
type Apps struct {
	Android []AndroidApp `yaml:"android"`
	Apple   []string     `yaml:"apple"` // app ids: team, dot, bundle id
}

// AndroidApp is an app of Android, and who has signed it.
type AndroidApp struct {
	Package      string   `yaml:"package"`
	Fingerprints []string `yaml:"fingerprints"` // SHA-256 of its signing certificates, as keytool prints them
}

// Logout is about telling applications that a session has ended.
type Logout struct {
	Networks []Network `yaml:"networks"` // private addresses where applications may be called
}

// Mail names the mail server that letters to people are handed to; without a
// host there is none.
type Mail struct {
	Host         string `yaml:"host"`
	Port         int    `yaml:"port"`
	TLS          string `yaml:"tls"`           // starttls, tls, none
	CAFile       string `yaml:"ca_file"`       // PEM; empty: the system's authorities
	Username     string `yaml:"username"`      // empty: without
	PasswordFile string `yaml:"password_file"` // its first line
	From         string `yaml:"from"`          // address of the sender
	ReplyTo      string `yaml:"reply_to"`      // address; empty: none
}

// On reports whether mail can be sent.
func (m Mail) On() bool { return m.Host != "" }

// Place is what the operator calls an address range; phones are shown it.
type Place struct {
	Name  string  `yaml:"name"`
	Range Network `yaml:"range"`
}

// Limits bounds how often one client address may ask, and of the admin API one
// client; 0 is no bound, and taken only while the issuer is on loopback. The numbers
// are large because all people of a hospital may share one address.
type Limits struct {
	SignInPerMinute int `yaml:"sign_in_per_minute"`   // sign-ins that begin; a tenth of it may go wrong
	SignInBurst     int `yaml:"sign_in_burst"`        // sign-ins at once, when none began for a while
	EnrolPer10Min   int `yaml:"enrol_per_10_minutes"` // wrong links and codes while enrolling
	DevicePerMinute int `yaml:"device_per_minute"`    // requests of phones
	AdminPerMinute  int `yaml:"admin_per_minute"`     // requests of one client to the admin API
}

// Log is how much is logged, and in which form.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error, off
	Format string `yaml:"format"` // text, json
}

// Audit is about the audit log in the database.
type Audit struct {
	RetentionDays int `yaml:"retention_days"` // how long its events are kept; 0: for ever
}

// Keep is how long events are kept; 0: for ever.
func (a Audit) Keep() time.Duration { return time.Duration(a.RetentionDays) * 24 * time.Hour }

// Debug is about profiles, for whoever looks why the program is slow or large.
type Debug struct {
	Listen string `yaml:"listen"` // loopback, host:port; empty: off
}

// Network is an address range in CIDR form; a bare address is a range of one.
type Network struct{ netip.Prefix }

// UnmarshalText reads "10.0.0.0/8", "192.0.2.7" or "2001:db8::/32". A range that
// names an address within it is refused: nobody can tell which of the two was meant.
func (n *Network) UnmarshalText(text []byte) error {
	s := string(text)
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return err
		}
		if a.Zone() != "" || a.Is4In6() {
			return fmt.Errorf("%q: write the address without a zone, IPv4 as %s", s, a.Unmap().WithZone(""))
		}
		n.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return err
	case p.Addr().Is4In6():
		return fmt.Errorf("%q: write an IPv4 range as such, like 10.0.0.0/8", s)
	case p != p.Masked():
		return fmt.Errorf("%q is an address within a range: write %s for the range, or %s for the one address", s, p.Masked(), p.Addr())
	}
	n.Prefix = p
	return nil
}

// Default returns the settings of a provider nobody has configured: loopback,
// SQLite in ./data.
func Default() *Config {
	return &Config{
		Listen:   "127.0.0.1:8080",
		DataDir:  "data",
		TLS:      TLS{MinVersion: "1.2"},
		TimeZone: "UTC",
		Sessions: Sessions{Idle: time.Hour, Absolute: 12 * time.Hour},
		Tokens:   Tokens{Access: 15 * time.Minute, RefreshIdle: 90 * time.Minute},
		Clients:  Clients{Registration: "off"},
		Keys: Keys{
			Algs:          []string{"RS256", "ES256"},
			RSABits:       2048,
			RotateEvery:   30 * 24 * time.Hour,
			PublishBefore: 24 * time.Hour,
		},
		Password: Password{MemoryKiB: MinMemoryKiB, Time: MinTime, Parallelism: 1},
		Push:     Push{Match: "auto", Verify: "optional"},
		Mail:     Mail{Port: 587, TLS: "starttls"},
		Limits:   Limits{SignInPerMinute: 600, SignInBurst: 1200, EnrolPer10Min: 100, DevicePerMinute: 6000, AdminPerMinute: 600},
		Audit:    Audit{RetentionDays: 1826}, // five years
		Log:      Log{Level: "info", Format: "text"},
	}
}

// DatabasePath is the database file of SQLite.
func (c *Config) DatabasePath() string {
	if c.Database.Path != "" {
		return c.Database.Path
	}
	return filepath.Join(c.DataDir, "idp.db")
}

// FilePath is DatabasePath as it is without a URL in its place.
func (c *Config) FilePath() string {
	if c.file == "" {
		return c.DatabasePath()
	}
	return c.file
}

// SealFile is the file of the key that seals secrets at rest.
func (c *Config) SealFile() string {
	if c.Keys.SealFile != "" {
		return c.Keys.SealFile
	}
	return filepath.Join(c.DataDir, "seal.key")
}

// Zone is the time zone of letters, UTC where the setting is none.
func (c *Config) Zone() *time.Location {
	if zone, err := zoneOf(c.TimeZone); err == nil {
		return zone
	}
	return time.UTC
}

// zoneOf finds a time zone by its IANA name; empty: UTC. What the machine calls its own
// («Local») is refused: a container has none. Errors: there is no such zone.
func zoneOf(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, fmt.Errorf("%q is no name of a zone", name)
	}
	return time.LoadLocation(name)
}

// Label is the site's name in authenticator apps by the configuration alone; one
// that an administrator has saved is not known here.
func (c *Config) Label() string {
	if c.Device.Label != "" {
		return c.Device.Label
	}
	return cmp.Or(c.Site.Name, DefaultName)
}

// Proxies lists the address ranges of trusted proxies, whose X-Forwarded-For counts.
func (c *Config) Proxies() []netip.Prefix {
	ps := make([]netip.Prefix, len(c.TrustedProxies))
	for i, n := range c.TrustedProxies {
		ps[i] = n.Prefix
	}
	return ps
}
