package config

import (
	"cmp"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/brand"
	"hilum/idp/totp"
)

// The least cost of a password hash, and also the default. Less is taken only
// while the issuer is on loopback, where measurements are made.
const (
	MinMemoryKiB = 19 * 1024
	MinTime      = 2
)

// exampleHosts end the names that documentation uses (RFC 2606, section 3,
// RFC 6761): somebody who kept them has not configured anything yet.
var exampleHosts = []string{"example", "example.com", "example.net", "example.org", "invalid"}

func isExample(host string) bool {
	return slices.ContainsFunc(exampleHosts, func(e string) bool { return host == e || strings.HasSuffix(host, "."+e) })
}

// Validate checks every setting against its bounds and returns all faults at
// once, each a *Fault, joined; nil when there is none.
func (c *Config) Validate() error { return join(c.faults()) }

func (c *Config) faults() []*Fault {
	v := &validation{c: c}
	v.addresses()
	v.files()
	v.texts()
	v.mail()
	v.times()
	v.keys()
	v.numbers()
	return v.faults
}

type validation struct {
	c      *Config
	faults []*Fault
}

func (v *validation) fault(key, format string, args ...any) {
	v.faults = append(v.faults, &Fault{key, v.c.places[key], fmt.Sprintf(format, args...)})
}

func (v *validation) addresses() {
	c := v.c
	listen, port, err := net.SplitHostPort(c.Listen)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		v.fault("listen", "%q is no address with a port, such as 127.0.0.1:8080", c.Listen)
		return
	}
	here := isLoopback(listen)
	if c.Issuer == "" {
		if !here || c.TLS.On() {
			v.fault("issuer", "is needed: the address people and applications reach this provider by, such as https://login.your-hospital.org")
		}
	} else {
		v.issuer()
	}
	if !here && !c.TLS.On() && len(c.TrustedProxies) == 0 {
		v.fault("listen", "%s takes passwords over plain HTTP from other machines; set tls.cert_file and tls.key_file, or name the proxy that adds TLS in trusted_proxies, or listen on 127.0.0.1", c.Listen)
	}
}

func (v *validation) issuer() {
	issuer := v.c.Issuer
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		v.fault("issuer", "%q is no URL", issuer)
		return
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && u.Scheme != "http", u.Scheme+"://"+u.Host != issuer, issuer != strings.ToLower(issuer):
		v.fault("issuer", "%q is more than scheme and host; write it like https://login.your-hospital.org, in lower case, without a path and without a slash at the end", issuer)
	case u.Scheme == "http" && !isLoopback(host):
		v.fault("issuer", "%q must begin with https: tokens and passwords would travel readable", issuer)
	case isExample(host):
		v.fault("issuer", "%q is the example's; put your own address here", issuer)
	}
}

func (v *validation) files() {
	c := v.c
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		key := "tls.cert_file"
		if c.TLS.KeyFile == "" {
			key = "tls.key_file"
		}
		v.fault(key, "is missing; certificate and key come together")
	}
	if c.DataDir == "" {
		v.fault("data_dir", "is empty; name a folder that only the provider can read")
	}
	if c.Database.Driver != "sqlite" {
		v.fault("database.driver", "%q is not known; sqlite is", c.Database.Driver)
	}
	if c.SealFile() == c.DatabasePath() {
		v.fault("keys.seal_file", "is the database; the key has to lie outside of it")
	}
}

func (v *validation) texts() {
	c := v.c
	name := func(key, s string, most int) {
		switch {
		case strings.TrimSpace(s) == "" || len([]rune(s)) > most:
			v.fault(key, "has to have 1 to %d letters", most)
		case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
			v.fault(key, "has a control character")
		case idp.ValidText(key, s, 1, most) != nil:
			v.fault(key, "has nothing to see, or signs that cannot be used")
		}
	}
	if c.Site.Name != "" {
		name("site.name", c.Site.Name, 40)
	}
	v.site()
	name("device.label", c.Label(), 40)
	for i, p := range c.Networks {
		name(fmt.Sprintf("networks[%d].name", i), p.Name, 40)
		if !p.Range.IsValid() {
			v.fault(fmt.Sprintf("networks[%d].range", i), "is missing: an address range such as 10.20.0.0/16")
		}
	}
	if !slices.Contains([]string{"auto", "tap", "type", "pick", "strict"}, c.Push.Match) {
		v.fault("push.match", "%q is none of auto, tap, type, pick, strict", c.Push.Match)
	}
	if f := c.Push.FCM; f.Endpoint != "" && f.CredentialsFile != "" {
		v.fault("push.fcm.endpoint", "is for trials without credentials; Google's own needs none")
	} else if f.Endpoint != "" && f.ProjectID == "" {
		v.fault("push.fcm.project_id", "is needed beside push.fcm.endpoint")
	}
	for _, h := range c.Push.WebPush.Hosts {
		if h == "" || strings.ContainsAny(strings.TrimPrefix(h, "*."), "*/@ ") {
			v.fault("push.webpush.hosts", "%q is no host, such as push.example.org, *.example.org or push.example.org:8443", h)
		}
	}
	if issuer := cmp.Or(c.Issuer, "http://"+c.Listen); len(v.faults) == 0 && !strings.Contains(c.Label(), ":") {
		if err := totp.Fits(totp.Site{Label: c.Label(), Issuer: issuer}); err != nil {
			v.fault("device.label", "%v", err)
		}
	}
	if strings.Contains(c.Label(), ":") {
		v.fault("device.label", "%q has a colon, which authenticator apps take for a separator", c.Label())
	}
	if levels := []string{"debug", "info", "warn", "error", "off"}; !slices.Contains(levels, c.Log.Level) {
		v.fault("log.level", "%q is none of %s", c.Log.Level, strings.Join(levels, ", "))
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		v.fault("log.format", "%q is none of text, json", c.Log.Format)
	}
}

func (v *validation) mail() {
	m := v.c.Mail
	if !m.On() {
		if m.From != "" || m.Username != "" || m.PasswordFile != "" {
			v.fault("mail.host", "is missing: the mail server that letters are handed to")
		}
		return
	}
	if strings.ContainsAny(m.Host, ":/@ ") {
		v.fault("mail.host", "%q is no host name, such as mail.your-hospital.org; the port has a setting of its own", m.Host)
	}
	if m.Port < 1 || m.Port > 65535 {
		v.fault("mail.port", "%d is no port; 587 with starttls and 465 with tls are usual", m.Port)
	}
	switch m.TLS {
	case "starttls", "tls":
	case "none":
		// A letter has a link that links somebody's first phone.
		if !isLoopback(m.Host) {
			v.fault("mail.tls", "none is for a mail server on this machine; links in letters would travel readable to %s", m.Host)
		}
	default:
		v.fault("mail.tls", "%q is none of starttls, tls, none", m.TLS)
	}
	if (m.Username == "") != (m.PasswordFile == "") {
		key := "mail.username"
		if m.PasswordFile == "" {
			key = "mail.password_file"
		}
		v.fault(key, "is missing; name and password come together")
	}
	address := func(key, s string) {
		a, err := mail.ParseAddress(s)
		switch {
		case err != nil || a.Address != s:
			v.fault(key, "%q is no address, such as login@your-hospital.org", s)
		case isExample(s[strings.LastIndexByte(s, '@')+1:]):
			v.fault(key, "%q is the example's; put your own address here", s)
		}
	}
	address("mail.from", m.From)
	if m.ReplyTo != "" {
		address("mail.reply_to", m.ReplyTo)
	}
}

func (v *validation) site() {
	s := v.c.Site
	if s.Accent != "" {
		if accent, ok := brand.Parse(s.Accent); !ok {
			v.fault("site.accent", "%q is no colour, such as #f2a33c", s.Accent)
		} else if err := brand.Check(accent); err != nil {
			v.fault("site.accent", "%v", err)
		}
	}
	tag := func(key, l string) {
		if l == "" || len(l) > 35 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			v.fault(key, "%q is no language, such as en or nl", l)
		}
	}
	for _, l := range s.Languages {
		tag("site.languages", l)
	}
	if s.Language != "" {
		tag("site.language", s.Language)
		if len(s.Languages) > 0 && !slices.Contains(s.Languages, s.Language) {
			v.fault("site.language", "%s is not among site.languages", s.Language)
		}
	} else if len(s.Languages) > 0 && !slices.Contains(s.Languages, "en") {
		v.fault("site.language", "is needed where site.languages has no en")
	}
}

func (v *validation) times() {
	c := v.c
	between := func(key string, d, least, most time.Duration) bool {
		if d < least || d > most {
			v.fault(key, "%s is out of bounds; %s to %s is possible", d, short(least), short(most))
			return false
		}
		return true
	}
	const day = 24 * time.Hour
	if between("sessions.idle", c.Sessions.Idle, time.Minute, day) &&
		between("sessions.absolute", c.Sessions.Absolute, 5*time.Minute, 7*day) &&
		c.Sessions.Idle > c.Sessions.Absolute {
		v.fault("sessions.idle", "%s is longer than sessions.absolute, %s", c.Sessions.Idle, c.Sessions.Absolute)
	}
	between("tokens.access", c.Tokens.Access, time.Minute, time.Hour)
	between("tokens.refresh_idle", c.Tokens.RefreshIdle, time.Minute, 7*day)
	if between("keys.rotate_every", c.Keys.RotateEvery, day, 365*day) &&
		between("keys.publish_before", c.Keys.PublishBefore, 10*time.Minute, 30*day) &&
		c.Keys.PublishBefore >= c.Keys.RotateEvery {
		v.fault("keys.publish_before", "%s has to be shorter than keys.rotate_every, %s", c.Keys.PublishBefore, c.Keys.RotateEvery)
	}
}

func (v *validation) keys() {
	known := []string{"RS256", "PS256", "ES256", "EdDSA"}
	algs := v.c.Keys.Algs
	for i, alg := range algs {
		if !slices.Contains(known, alg) {
			v.fault("keys.algs", "%q is none of %s", alg, strings.Join(known, ", "))
		} else if slices.Index(algs, alg) < i {
			v.fault("keys.algs", "%s stands here twice", alg)
		}
	}
	if !slices.Contains(algs, "RS256") {
		v.fault("keys.algs", "RS256 is missing; every relying party may count on it (OpenID Connect Discovery 1.0, section 3)")
	}
	if bits := v.c.Keys.RSABits; bits != 2048 && bits != 3072 {
		v.fault("keys.rsa_bits", "%d is none of 2048, 3072", bits)
	}
}

func (v *validation) numbers() {
	p, l := v.c.Password, v.c.Limits
	lab := v.loopbackIssuer()
	switch {
	case p.MemoryKiB < MinMemoryKiB && !lab:
		v.fault("password.memory_kib", "%d is too little; at least %d", p.MemoryKiB, MinMemoryKiB)
	case p.MemoryKiB < 8*max(1, uint32(p.Parallelism)) || p.MemoryKiB > 1<<20:
		v.fault("password.memory_kib", "%d is out of bounds; at most %d", p.MemoryKiB, 1<<20)
	}
	switch {
	case p.Time < MinTime && !lab:
		v.fault("password.time", "%d is too little; at least %d", p.Time, MinTime)
	case p.Time < 1 || p.Time > 20:
		v.fault("password.time", "%d is out of bounds; at most 20", p.Time)
	}
	if p.Parallelism < 1 || p.Parallelism > 16 {
		v.fault("password.parallelism", "%d is out of bounds; 1 to 16 is possible", p.Parallelism)
	}
	if p.AtOnce < 0 || p.AtOnce > 1024 {
		v.fault("password.at_once", "%d is out of bounds; 0 (as many as cores) to 1024 is possible", p.AtOnce)
	}
	const most = 1_000_000
	atLeastOne := func(key string, n int) {
		switch {
		case n < 0 || n > most:
			v.fault(key, "%d is out of bounds; 1 to %d is possible", n, most)
		case n == 0 && !lab:
			v.fault(key, "0 would lift the limit; that is possible only while the issuer is on loopback")
		}
	}
	atLeastOne("limits.sign_in_per_minute", l.SignInPerMinute)
	atLeastOne("limits.sign_in_burst", l.SignInBurst)
	atLeastOne("limits.enrol_per_10_minutes", l.EnrolPer10Min)
	atLeastOne("limits.device_per_minute", l.DevicePerMinute)
	atLeastOne("limits.admin_per_minute", l.AdminPerMinute)
}

// loopbackIssuer reports whether nobody but this machine can use the provider
// by its issuer.
func (v *validation) loopbackIssuer() bool {
	if v.c.Issuer == "" {
		host, _, _ := net.SplitHostPort(v.c.Listen)
		return isLoopback(host)
	}
	u, err := url.Parse(v.c.Issuer)
	return err == nil && isLoopback(u.Hostname())
}

// isLoopback reports whether a host is this machine by its own word; no name
// is looked up.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// short prints a duration without its zero minutes and seconds.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
