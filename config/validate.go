package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

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

// exampleHosts end the names that documentation uses (RFC 2606, sections 2 and 3):
// somebody who kept them has not configured anything yet.
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
	v.networks()
	v.debug()
	v.files()
	v.texts()
	v.apps()
	v.mail()
	v.times()
	v.keys()
	v.numbers()
	return v.faults
}

// validation collects the faults of a configuration.
type validation struct {
	c      *Config
	faults []*Fault
}

// realmName is what a realm can be called; empty: there is none.
var realmName = regexp.MustCompile(`^[A-Za-z0-9_-]{0,64}$`)

func (v *validation) fault(key, format string, args ...any) {
	v.faults = append(v.faults, v.c.Fault(key, fmt.Sprintf(format, args...)))
}

// Fault is a problem with a setting, at the place where it was set.
func (c *Config) Fault(key, problem string) *Fault { return &Fault{key, c.places[key], problem} }

func (v *validation) addresses() {
	c := v.c
	listen, port, err := net.SplitHostPort(c.Listen)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || strings.ContainsAny(listen, "/*@ []") {
		v.fault("listen", "%q is no address with a port, such as 127.0.0.1:8080%s", c.Listen, listenHint(c.Listen))
		if c.Issuer != "" {
			v.issuer()
		}
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

// listenHint says what was probably meant by a listen address that is none.
func listenHint(s string) string {
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), map[string]string{"https": "443", "http": "80"}[strings.ToLower(scheme)])
		}
		return fmt.Sprintf("; without a scheme and a path: %s", host)
	}
	if _, err := strconv.ParseUint(s, 10, 16); err == nil {
		return fmt.Sprintf("; 127.0.0.1:%s is this machine only, 0.0.0.0:%s every network", s, s)
	}
	if port, ok := strings.CutPrefix(s, "*:"); ok {
		return fmt.Sprintf("; every network is 0.0.0.0:%s", port)
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return fmt.Sprintf("; with its port: %s", net.JoinHostPort(a.String(), "8080"))
	}
	if i := strings.LastIndexByte(s, ':'); i > 0 && strings.Count(s, ":") > 1 {
		if a, err := netip.ParseAddr(s[:i]); err == nil {
			return fmt.Sprintf("; an IPv6 address stands in brackets: %s", net.JoinHostPort(a.String(), s[i+1:]))
		}
	}
	if s != "" && !strings.ContainsAny(s, ":/ ") {
		return fmt.Sprintf("; with its port: %s:8080", s)
	}
	return ""
}

func (v *validation) issuer() {
	issuer := v.c.Issuer
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		hint := ""
		if a, err := url.Parse("https://" + issuer); err == nil && !strings.Contains(issuer, "://") && a.Hostname() != "" {
			hint = fmt.Sprintf("; write it with its scheme: https://%s", strings.ToLower(a.Host))
		}
		v.fault("issuer", "%q is no URL%s", issuer, hint)
		return
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	scheme := strings.ToLower(u.Scheme)
	// right is the issuer that was probably meant.
	right := scheme + "://" + strings.ToLower(u.Host)
	usual := map[string]string{"https": "443", "http": "80"}[scheme]
	if port == usual || strings.HasSuffix(u.Host, ":") {
		right = scheme + "://" + strings.TrimSuffix(strings.ToLower(u.Host), ":"+port)
	}
	path := strings.TrimRight(strings.ToLower(u.Path), "/")
	if goodPath(path) {
		right += path
	}
	number, badPort := strconv.ParseUint(cmp.Or(port, "443"), 10, 16)
	address, notAddress := netip.ParseAddr(host)
	fault := func(what string) { v.fault("issuer", "%q %s; write %s", issuer, what, right) }
	switch {
	case scheme != "https" && scheme != "http":
		v.fault("issuer", "%q is more than scheme, host and path, or another scheme than https; write it like https://login.your-hospital.org", issuer)
	case badPort != nil || number == 0:
		v.fault("issuer", "%q has a port that is none; write %s://%s, or a port of 1 to 65535", issuer, scheme, host)
	case u.User != nil:
		v.fault("issuer", "has a user name in it, which would stand in every token; write %s", right) // a password may be beside it
	case u.RawQuery != "" || u.ForceQuery:
		fault("has a query, and is scheme, host and path only")
	case strings.Contains(issuer, "#"):
		fault("has a fragment, and is scheme, host and path only")
	case u.Path == "/":
		fault("ends in a slash, and every application compares it letter by letter")
	case strings.HasSuffix(u.Path, "/"):
		fault("ends in a slash, and every application compares it letter by letter")
	case issuer == strings.ToLower(issuer) && !goodPath(u.EscapedPath()):
		v.fault("issuer", "%q has a path that cannot be: write it of lower-case letters, digits, «-», «_» and single slashes, and not with /app at its end", issuer)
	case issuer != strings.ToLower(issuer):
		fault("has capitals, and every application compares it letter by letter")
	case port != "" && port == usual || strings.HasSuffix(u.Host, ":"):
		fault("names the usual port, which browsers leave out")
	case strings.HasSuffix(host, "."):
		right = scheme + "://" + strings.TrimSuffix(strings.ToLower(u.Host), ".") + path
		fault("ends in a dot, which browsers take for another host")
	case strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }):
		v.fault("issuer", "%q has letters that host names are not sent with; write the form that begins with xn--, as the address of a browser's certificate shows it", issuer)
	case scheme+"://"+u.Host+u.Path != issuer || notAddress != nil && strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "":
		v.fault("issuer", "%q is more than scheme, host and path; write it like https://login.your-hospital.org, in lower case, and without a slash at the end", issuer)
	case notAddress == nil && address.IsUnspecified():
		v.fault("issuer", "%q is where the provider listens, and nobody can open it; write the address that browsers open", issuer)
	case scheme == "http" && !isLoopback(host):
		v.fault("issuer", "%q must begin with https: tokens and passwords would travel readable; write https://%s", issuer, strings.TrimSuffix(u.Host, ":80")+u.Path)
	case isExample(host):
		v.fault("issuer", "%q is the example's; put your own address here", issuer)
	}
}

// goodPath reports whether a path is one that an issuer may have: of letters that nobody
// writes in two ways, short enough for QR codes, and without the end by which the phone
// app knows its own address.
func goodPath(path string) bool {
	return path == "" || pathForm.MatchString(path) && !strings.HasSuffix(path, "/app") && len(path) <= 64
}

var pathForm = regexp.MustCompile(`^(/[a-z0-9_-]+)+$`)

// debug checks that profiles can be had from this machine alone: they show what is
// in memory.
func (v *validation) debug() {
	at := v.c.Debug.Listen
	if at == "" {
		return
	}
	host, port, err := net.SplitHostPort(at)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || !isLoopback(host) {
		v.fault("debug.listen", "%q is no address of this machine alone with a port, such as 127.0.0.1:6060", at)
	}
}

// The prefix lengths, in bits, of the widest ranges that can be somebody's own
// network: 10.0.0.0/8 (RFC 1918) and fc00::/7 (RFC 4193).
const widest4, widest6 = 8, 7

// networks refuses ranges that are as good as everybody: whoever writes
// X-Forwarded-For would be believed, and any address inside be called.
func (v *validation) networks() {
	for _, of := range []struct {
		key  string
		list []Network
	}{{"trusted_proxies", v.c.TrustedProxies}, {"push.webpush.networks", v.c.Push.WebPush.Networks}, {"logout.networks", v.c.Logout.Networks}} {
		for _, n := range of.list {
			if !n.IsValid() {
				continue
			}
			if bits := n.Bits(); n.Addr().Is4() && bits < widest4 || n.Addr().Is6() && bits < widest6 {
				what := "is everybody, or as good as: any address there would be called; name the networks that are your own, such as 10.20.0.0/16"
				if of.key == "trusted_proxies" {
					what = "is everybody, or as good as: whoever writes X-Forwarded-For would be believed; name the proxy's own address or network, such as 10.20.0.5"
				}
				v.fault(of.key, "%s %s", n, what)
			}
		}
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
	if m := c.TLS.MinVersion; m != "" && m != "1.2" && m != "1.3" {
		v.fault("tls.min_version", "%q is not spoken; 1.2 and 1.3 are", m)
	}
	v.mutual()
	if c.DataDir == "" {
		v.fault("data_dir", "is empty; name a folder that only the provider can read")
	}
	v.database()
	if !c.Database.Postgres() && c.SealFile() == c.DatabasePath() {
		v.fault("keys.seal_file", "is the database; the key has to lie outside of it")
	}
}

// mutual checks the address that asks applications for a certificate.
func (v *validation) mutual() {
	c := v.c
	t := c.TLS
	if t.MTLSListen == "" {
		for key, value := range map[string]string{"tls.mtls_url": t.MTLSURL, "tls.mtls_ca_file": t.MTLSCAFile} {
			if value != "" {
				v.fault(key, "is of no use without tls.mtls_listen")
			}
		}
		return
	}
	_, port, err := net.SplitHostPort(t.MTLSListen)
	n, bad := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || bad != nil || n == 0:
		v.fault("tls.mtls_listen", "%q is no address with a port, such as 0.0.0.0:8443", t.MTLSListen)
	case t.MTLSListen == c.Listen:
		v.fault("tls.mtls_listen", "%s is where people come (listen), whom nobody asks for a certificate; it has to be another port", t.MTLSListen)
	case !t.On():
		v.fault("tls.mtls_listen", "wants tls.cert_file and tls.key_file: only who ends TLS sees the certificate of an application")
	case !strings.HasPrefix(c.Issuer, "https://"):
		v.fault("tls.mtls_listen", "wants an issuer with https")
	}
	if u := t.MTLSURL; u != "" {
		parsed, err := url.Parse(u)
		switch {
		case err != nil || parsed.Host == "" || u != "https://"+parsed.Host:
			v.fault("tls.mtls_url", "%q is not https:// and a host, such as https://login.your-hospital.org:8443", u)
		case u == c.Issuer:
			v.fault("tls.mtls_url", "%s is the issuer, where nobody is asked for a certificate", u)
		}
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
	if _, err := zoneOf(c.TimeZone); err != nil {
		v.fault("time_zone", "%q is no time zone, such as Europe/Brussels or UTC (a name of the IANA database, in its capitals; a region and not an offset, because of summer time)", c.TimeZone)
	}
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
	if !slices.Contains([]string{"off", "token"}, c.Clients.Registration) {
		v.fault("clients.registration", "%q is neither off nor token", c.Clients.Registration)
	}
	if !realmName.MatchString(c.Clients.Realm) {
		v.fault("clients.realm", "%q is no name of a realm: up to 64 letters, digits, - and _, as they stand in the addresses under /realms/", c.Clients.Realm)
	}
	if !slices.Contains([]string{"optional", "required"}, c.Push.Verify) {
		v.fault("push.verify", "%q is neither optional nor required", c.Push.Verify)
	}
	if s := c.Push.WebPush.Subject; s != "" {
		v.subject(s)
	}
	if f := c.Push.FCM; f.Endpoint != "" && f.CredentialsFile != "" && !loopbackURL(f.Endpoint) {
		v.fault("push.fcm.endpoint", "is for trials without credentials, or on this machine; Google's own needs none")
	} else if f.Endpoint != "" && f.ProjectID == "" {
		v.fault("push.fcm.project_id", "is needed beside push.fcm.endpoint")
	}
	if s := c.Push.FCM.SenderID; s != "" && (len(s) > 20 || strings.Trim(s, "0123456789") != "") {
		v.fault("push.fcm.sender_id", "%q is no sender id: the number of the Firebase project, digits alone, such as 123456789012%s", s, senderHint(s))
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

// senderHint finds the sender id in the id of an app, such as 1:123456789012:android:0a1b.
func senderHint(s string) string {
	if parts := strings.Split(s, ":"); len(parts) == 4 && parts[1] != "" && strings.Trim(parts[1], "0123456789") == "" {
		return "; this is the id of an app, write " + parts[1]
	}
	return ""
}

// What the names of native apps look like: a package of Android, and an app id of Apple.
var (
	packageName = regexp.MustCompile(`^[A-Za-z]\w*(\.[A-Za-z]\w*)+$`)
	fingerprint = regexp.MustCompile(`^[0-9A-F]{2}(:[0-9A-F]{2}){31}$`)
	hexadecimal = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)
	appleID     = regexp.MustCompile(`^[A-Z0-9]{10}(\.[A-Za-z0-9-]+)+$`)
)

const maxAppName = 255 // letters of a package or an app id

func (v *validation) apps() {
	seen := map[string]bool{}
	for i, a := range v.c.Apps.Android {
		key := fmt.Sprintf("apps.android[%d].", i)
		switch {
		case a.Package == "":
			v.fault(key+"package", "is missing: the name of the app's package, such as org.your_hospital.login")
		case len(a.Package) > maxAppName || !packageName.MatchString(a.Package):
			v.fault(key+"package", "%q is no name of a package, such as org.your_hospital.login", a.Package)
		case seen[a.Package]:
			v.fault(key+"package", "%s stands here twice; one app may have several fingerprints", a.Package)
		}
		seen[a.Package] = true
		if len(a.Fingerprints) == 0 {
			v.fault(key+"fingerprints", "is missing: the SHA-256 of the certificate that the app is signed with, as keytool -list -v prints it")
		}
		for _, f := range a.Fingerprints {
			if !fingerprint.MatchString(f) {
				v.fault(key+"fingerprints", "%q is no SHA-256 of a certificate: 32 pairs of 0-9 and A-F with colons between%s", f, fingerprintHint(f))
			}
		}
	}
	for i, id := range v.c.Apps.Apple {
		if len(id) > maxAppName || !appleID.MatchString(id) {
			v.fault("apps.apple", "%q is no app id: the ten letters and digits of the team, a dot and the bundle id, such as A1B2C3D4E5.org.your-hospital.login", id)
		} else if slices.Index(v.c.Apps.Apple, id) < i {
			v.fault("apps.apple", "%s stands here twice", id)
		}
	}
}

// fingerprintHint says which fingerprint was probably meant by a text that is none.
func fingerprintHint(s string) string {
	bare := strings.NewReplacer(":", "", " ", "", "-", "").Replace(s)
	if strings.Count(s, ":") == 19 && len(bare) == 40 {
		return "; this is of SHA-1"
	}
	if !hexadecimal.MatchString(bare) {
		return ""
	}
	var pairs []string
	for pair := range slices.Chunk([]byte(strings.ToUpper(bare)), 2) {
		pairs = append(pairs, string(pair))
	}
	return "; write " + strings.Join(pairs, ":")
}

// subject checks whom a push service may write to: an https URL, or a mail address
// with or without mailto: (RFC 8292, section 2.1).
func (v *validation) subject(s string) {
	if strings.HasPrefix(s, "https://") {
		if u, err := url.Parse(s); err == nil && u.Hostname() != "" {
			return
		}
	}
	bare := s
	if len(s) > len("mailto:") && strings.EqualFold(s[:len("mailto:")], "mailto:") {
		bare = s[len("mailto:"):]
	}
	a, err := mail.ParseAddress(bare)
	switch {
	case err == nil && a.Address == bare:
	case err == nil:
		v.fault("push.webpush.subject", "%q is no address alone; write %s", s, a.Address)
	default:
		v.fault("push.webpush.subject", "%q is whom push services may write to: a mail address, such as login@your-hospital.org, or a page that begins with https://", s)
	}
}

// loopbackURL reports whether the host of a URL is loopback.
func loopbackURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isLoopback(u.Hostname())
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
		case err == nil && a.Address != s:
			v.fault(key, "%q is no address alone; write %s (the name that people see is the site's)", s, a.Address)
		case err != nil:
			hint := ""
			if a, err := mail.ParseAddress(strings.TrimPrefix(s, "mailto:")); err == nil && a.Name == "" {
				hint = "; write " + a.Address
			}
			v.fault(key, "%q is no address, such as login@your-hospital.org%s", s, hint)
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
	if err, ok := errors.AsType[*idp.FieldError](idp.ValidHelp("site.help", s.Help, "site.help_link", s.HelpLink)); ok {
		v.fault(err.Field, "%s", map[string]string{
			"text.long": "is too long", "text.missing": "has nothing to see", "text.invalid": "has signs that cannot be used", "text.invisible": "has nothing to see",
			"site.help.text": "is needed where site.help_link is set", "site.help.tel": "is no telephone number; write it like tel:+3291234567",
			"site.help.mail": "is no mail address; write it like mailto:helpdesk@your-hospital.org", "site.help.link": "has to begin with https://, tel: or mailto:",
		}[err.Message])
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
	const shortest, longest = 30, 36525 // days: a month, a hundred years
	if days := v.c.Audit.RetentionDays; days != 0 && (days < shortest || days > longest) {
		v.fault("audit.retention_days", "%d is out of bounds; %d to %d is possible, and 0, for ever", days, shortest, longest)
	}
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

// isLoopback reports whether a host is "localhost" or a loopback address; no name is
// looked up.
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
