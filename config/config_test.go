package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"hilum/config"
)

func none(string) string { return "" }

func env(vars map[string]string) func(string) string {
	return func(k string) string { return vars[k] }
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "idp.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// faults returns the faults behind an error of Load, without the folder in
// their places.
func faults(t *testing.T, path string, err error) []string {
	t.Helper()
	var out []string
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("want joined faults, got %v", err)
	}
	for _, e := range joined.Unwrap() {
		out = append(out, strings.ReplaceAll(e.Error(), path, "idp.yaml"))
	}
	return out
}

func TestWithoutConfigurationTheDefaultsAreGood(t *testing.T) {
	c, err := config.Load("", none)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || c.DatabasePath() != filepath.Join("data", "idp.db") || c.SealFile() != filepath.Join("data", "seal.key") || c.Label() != "Hilum" {
		t.Errorf("unexpected defaults: %+v", c)
	}
	if err := config.Default().Validate(); err != nil {
		t.Errorf("Default does not validate: %v", err)
	}
}

func TestExampleIsCompleteAndStatesTheDefaults(t *testing.T) {
	path := write(t, string(config.Example))

	_, err := config.Load(path, none)
	if got := faults(t, path, err); len(got) != 1 || !strings.Contains(got[0], "issuer") || !strings.Contains(got[0], "example") {
		t.Errorf("the example's issuer, and only that, is to be refused; got %q", got)
	}

	c, err := config.Load(path, env(map[string]string{"IDP_ISSUER": "https://login.klinik.test"}))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Issuer = "https://login.klinik.test"
	for _, key := range config.AllKeys() {
		if g, w := field(c, key), field(want, key); fmt.Sprint(g) != fmt.Sprint(w) {
			t.Errorf("example.yaml sets %s to %v, the default is %v", key, g, w)
		}
	}

	var tree map[string]any
	if err := yaml.Unmarshal(config.Example, &tree); err != nil {
		t.Fatal(err)
	}
	for _, key := range config.AllKeys() {
		var at any = tree
		for part := range strings.SplitSeq(key, ".") {
			m, _ := at.(map[string]any)
			v, ok := m[part]
			if !ok {
				t.Errorf("example.yaml does not have %s", key)
			}
			at = v
		}
	}
}

// field reads a setting of a Config by its key.
func field(c *config.Config, key string) any {
	v := reflect.ValueOf(c).Elem()
	for part := range strings.SplitSeq(key, ".") {
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("yaml") == part {
				v = v.Field(i)
				break
			}
		}
	}
	return v.Interface()
}

func TestMail(t *testing.T) {
	for name, row := range map[string]struct {
		mail string
		want []string
	}{
		"off":          {"{}", nil},
		"on":           {"{host: mail.klinik.test, from: login@klinik.test}", nil},
		"all":          {"{host: mail.klinik.test, port: 465, tls: tls, from: login@klinik.test, reply_to: desk@klinik.test, username: idp, password_file: p, ca_file: ca.pem}", nil},
		"here":         {"{host: localhost, port: 25, tls: none, from: login@klinik.test}", nil},
		"readable":     {"{host: 10.0.0.25, port: 25, tls: none, from: login@klinik.test}", []string{"mail.tls: none is for a mail server on this machine"}},
		"no host":      {"{from: login@klinik.test}", []string{"mail.host: is missing"}},
		"no sender":    {"{host: mail.klinik.test}", []string{`mail.from: "" is no address`}},
		"example":      {"{host: mail.klinik.test, from: login@example.org}", []string{"mail.from: \"login@example.org\" is the example's"}},
		"named sender": {"{host: mail.klinik.test, from: Klinik <login@klinik.test>}", []string{"is no address"}},
		"two faults":   {"{host: 'mail.klinik.test:25', port: 0, from: login@klinik.test}", []string{"is no host name", "0 is no port"}},
		"no password":  {"{host: mail.klinik.test, from: login@klinik.test, username: idp}", []string{"mail.password_file: is missing"}},
		"no user":      {"{host: mail.klinik.test, from: login@klinik.test, password_file: p}", []string{"mail.username: is missing"}},
		"no such TLS":  {"{host: mail.klinik.test, from: login@klinik.test, tls: maybe}", []string{`mail.tls: "maybe" is none of starttls, tls, none`}},
		"bad answers":  {"{host: mail.klinik.test, from: login@klinik.test, reply_to: nobody}", []string{`mail.reply_to: "nobody" is no address`}},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "mail: "+row.mail+"\n")
			_, err := config.Load(path, none)
			var got []string
			if err != nil {
				got = faults(t, path, err)
			}
			if len(got) != len(row.want) {
				t.Fatalf("got %q", got)
			}
			for i, want := range row.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("got %q, want %q", got[i], want)
				}
			}
		})
	}
}

func TestEveryFaultIsToldAtOnceWithLineAndKey(t *testing.T) {
	path := write(t, `issuer: http://login.klinik.test
listen: 0.0.0.0:8080
sesions:
  idle: 1h
sessions:
  idle: 900
  absolute: 300h
  idel: 2h
tokens:
  access: 2h
  access: 15m
time_zone: europe/brussels
keys:
  algs: [ES256, HS256]
  rsa_bits: many
trusted_proxies: [nonsense]
password: fast
`)
	_, err := config.Load(path, env(map[string]string{"IDP_LOG_LEVEL": "loud"}))
	got := faults(t, path, err)
	for _, want := range []string{
		`idp.yaml:1: issuer: "http://login.klinik.test" must begin with https`,
		`idp.yaml:2: listen: 0.0.0.0:8080 takes passwords over plain HTTP`,
		`idp.yaml:3: sesions: is no setting`,
		`idp.yaml:6: sessions.idle: "900" is no duration; write a number with its unit`,
		`idp.yaml:7: sessions.absolute: 300h0m0s is out of bounds; 5m to 168h is possible`,
		`idp.yaml:8: sessions.idel: is no setting; perhaps sessions.idle is meant`,
		`idp.yaml:11: tokens.access: stands here a second time`,
		`idp.yaml:12: time_zone: "europe/brussels" is no time zone, such as Europe/Brussels`,
		`idp.yaml:14: keys.algs: "HS256" is none of`,
		`idp.yaml:14: keys.algs: RS256 is missing`,
		`idp.yaml:15: keys.rsa_bits: "many" is no number`,
		`idp.yaml:16: trusted_proxies: is no list of addresses`,
		`idp.yaml:17: password: keys with values are wanted here`,
		`IDP_LOG_LEVEL: log.level: "loud" is none of`,
	} {
		if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, want) }) {
			t.Errorf("no fault begins with %q", want)
		}
	}
	if len(got) != 14 {
		t.Errorf("%d faults, want 14:\n%s", len(got), strings.Join(got, "\n"))
	}
}

// The zones that a configuration may name are those of the program, and not whatever the
// machine calls its own.
func TestTimeZones(t *testing.T) {
	for name, want := range map[string]string{"": "UTC", "UTC": "UTC", "Europe/Brussels": "Europe/Brussels", "America/Argentina/Ushuaia": "America/Argentina/Ushuaia"} {
		c := config.Default()
		c.TimeZone = name
		if err := c.Validate(); err != nil || c.Zone().String() != want {
			t.Errorf("%q is %v, %v", name, c.Zone(), err)
		}
	}
	for _, name := range []string{"Local", "Brussels", "europe/brussels", "CEST+2", "../etc/passwd", "Europe", " Europe/Brussels"} {
		c := config.Default()
		c.TimeZone = name
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "time_zone") || c.Zone() != time.UTC {
			t.Errorf("%q is taken, as %v: %v", name, c.Zone(), err)
		}
	}
}

// The sender id of Firebase is a number that is written as it is, also one that YAML would
// read as another; what people take for it is refused with what to write.
func TestSenderID(t *testing.T) {
	for text, want := range map[string]string{
		"123456789012": "", "'123456789012'": "", "0123": "", "''": "",
		"1:123456789012:android:0a1b2c": "write 123456789012",
		"klinik-4711":                   "digits alone",
		"1.2e11":                        "digits alone",
		"-5":                            "digits alone",
		"123456789012345678901":         "digits alone",
		"[1]":                           "is no text",
	} {
		path := write(t, "push:\n  fcm:\n    sender_id: "+text+"\n")
		c, err := config.Load(path, none)
		if want == "" {
			if err != nil || c.Push.FCM.SenderID != strings.Trim(text, "'") {
				t.Errorf("%s: %v %+v", text, err, c)
			}
			continue
		}
		if got := faults(t, path, err); len(got) != 1 || !strings.HasPrefix(got[0], "idp.yaml:3: push.fcm.sender_id: ") || !strings.Contains(got[0], want) {
			t.Errorf("%s: %q, want %s", text, got, want)
		}
	}
}

// Native apps are named so that the phones' systems take it: what they would not is told
// with what to write.
func TestApps(t *testing.T) {
	const cert = "14:6D:E9:83:C5:73:06:50:D8:EE:B9:95:2F:34:FC:64:16:A0:83:42:E6:1D:BE:A8:8A:04:96:B2:3F:CF:44:E5"
	android := func(name, print string) string {
		return "apps:\n  android:\n    - package: " + name + "\n      fingerprints: [\"" + print + "\"]\n"
	}
	for name, row := range map[string]struct {
		text string
		want []string
	}{
		"none":                    {"apps:\n  android: []\n  apple: []\n", nil},
		"both":                    {android("org.your_hospital.login", cert) + "  apple: [A1B2C3D4E5.org.your-hospital.login]\n", nil},
		"no package":              {"apps: {android: [{fingerprints: [\"" + cert + "\"]}]}\n", []string{"apps.android[0].package: is missing"}},
		"no fingerprint":          {"apps: {android: [{package: org.hospital}]}\n", []string{"apps.android[0].fingerprints: is missing"}},
		"a name with a dash":      {android("org.your-hospital.login", cert), []string{"apps.android[0].package: \"org.your-hospital.login\" is no name of a package"}},
		"a name of one part":      {android("login", cert), []string{"is no name of a package"}},
		"twice":                   {android("org.hospital", cert) + "    - {package: org.hospital, fingerprints: [\"" + cert + "\"]}\n", []string{"apps.android[1].package: org.hospital stands here twice"}},
		"small letters":           {android("org.hospital", strings.ToLower(cert)), []string{"write " + cert}},
		"without colons":          {android("org.hospital", strings.ReplaceAll(cert, ":", "")), []string{"write " + cert}},
		"of SHA-1":                {android("org.hospital", cert[:59]), []string{"this is of SHA-1"}},
		"too short":               {android("org.hospital", cert[:92]), []string{"is no SHA-256"}},
		"other letters":           {android("org.hospital", "G"+cert[1:]), []string{"is no SHA-256"}},
		"a bundle id alone":       {"apps: {apple: [org.your-hospital.login]}\n", []string{"apps.apple: \"org.your-hospital.login\" is no app id"}},
		"a team alone":            {"apps: {apple: [A1B2C3D4E5]}\n", []string{"is no app id"}},
		"a team in small letters": {"apps: {apple: [a1b2c3d4e5.org.hospital]}\n", []string{"is no app id"}},
		"an app of Apple twice":   {"apps: {apple: [A1B2C3D4E5.org.hospital, A1B2C3D4E5.org.hospital]}\n", []string{"A1B2C3D4E5.org.hospital stands here twice"}},
		"no list":                 {"apps: {android: org.hospital}\n", []string{"apps.android: is no list of apps"}},
		"what is none":            {"apps: {windows: [x]}\n", []string{"apps.windows: is no setting"}},
	} {
		path := write(t, row.text)
		_, err := config.Load(path, none)
		var got []string
		if err != nil {
			got = faults(t, path, err)
		}
		if len(got) != len(row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
			continue
		}
		for i, want := range row.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%s: %q, want %q", name, got[i], want)
			}
		}
	}
	path := write(t, android("org.hospital", cert))
	c, err := config.Load(path, env(map[string]string{"IDP_APPS_APPLE": "A1B2C3D4E5.org.hospital,A1B2C3D4E5.org.beta"}))
	if err != nil || len(c.Apps.Apple) != 2 || c.Apps.Android[0].Fingerprints[0] != cert {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := config.Load("", env(map[string]string{"IDP_APPS_ANDROID": "org.hospital"})); err == nil || !strings.Contains(err.Error(), "it stands in a file") {
		t.Errorf("in a variable: %v", err)
	}
}

func TestEnvironmentWinsOverFile(t *testing.T) {
	path := write(t, "sessions:\n  idle: 20m\nlog:\n  level: warn\n")
	c, err := config.Load(path, env(map[string]string{
		"IDP_SESSIONS_IDLE":       "30m",
		"IDP_KEYS_ALGS":           "RS256, EdDSA",
		"IDP_TRUSTED_PROXIES":     "10.0.0.0/8,192.0.2.7",
		"IDP_PASSWORD_MEMORY_KIB": "65536",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Sessions.Idle != 30*time.Minute || c.Log.Level != "warn" || !slices.Equal(c.Keys.Algs, []string{"RS256", "EdDSA"}) || c.Password.MemoryKiB != 65536 {
		t.Errorf("got %+v", c)
	}
	if p := c.Proxies(); len(p) != 2 || p[0].String() != "10.0.0.0/8" || p[1].String() != "192.0.2.7/32" {
		t.Errorf("proxies %v", p)
	}
}

func TestFiles(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty file sets nothing":      {"", ""},
		"heading with nothing beneath": {"tls:\nissuer: https://login.klinik.test\n", ""},
		"broken yaml":                  {"issuer: [", "idp.yaml: yaml: line 1"},
		"second document":              {"listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2\n", "idp.yaml: one document"},
		"a list at the top":            {"- listen\n", "idp.yaml:1: keys with values"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.text)
			_, err := config.Load(path, none)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.HasPrefix(faults(t, path, err)[0], c.want)):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"), none); err == nil || !errors.As(err, new(*config.Fault)) {
		t.Errorf("a missing file: got %v", err)
	}
}

func TestBounds(t *testing.T) {
	const public = "https://login.klinik.test"
	for name, c := range map[string]struct {
		change func(*config.Config)
		key    string // of the one fault; empty: none
	}{
		"https issuer on loopback behind a local proxy": {func(c *config.Config) { c.Issuer = public }, ""},
		"all interfaces behind a declared proxy": {func(c *config.Config) {
			c.Issuer, c.Listen = public, "0.0.0.0:8080"
			c.TrustedProxies = make([]config.Network, 1)
		}, ""},
		"all interfaces with TLS": {func(c *config.Config) {
			c.Issuer, c.Listen = public, ":8443"
			c.TLS = config.TLS{CertFile: "c.pem", KeyFile: "k.pem"}
		}, ""},
		"all interfaces in the clear":           {func(c *config.Config) { c.Issuer, c.Listen = public, ":8080" }, "listen"},
		"a private address in the clear":        {func(c *config.Config) { c.Issuer, c.Listen = public, "10.1.2.3:8080" }, "listen"},
		"profiles for everybody":                {func(c *config.Config) { c.Debug.Listen = ":6060" }, "debug.listen"},
		"profiles for a network":                {func(c *config.Config) { c.Debug.Listen = "10.1.2.3:6060" }, "debug.listen"},
		"profiles at a name":                    {func(c *config.Config) { c.Debug.Listen = "login.klinik.test:6060" }, "debug.listen"},
		"profiles without a port":               {func(c *config.Config) { c.Debug.Listen = "127.0.0.1" }, "debug.listen"},
		"profiles at any port":                  {func(c *config.Config) { c.Debug.Listen = "127.0.0.1:0" }, "debug.listen"},
		"a help line with its number":           {func(c *config.Config) { c.Site.Help, c.Site.HelpLink = "Helpdesk", "tel:+3293324711" }, ""},
		"a link of another kind":                {func(c *config.Config) { c.Site.Help, c.Site.HelpLink = "Helpdesk", "http://intranet" }, "site.help_link"},
		"a link without a help line":            {func(c *config.Config) { c.Site.HelpLink = "tel:4711" }, "site.help"},
		"a help line with nothing to see":       {func(c *config.Config) { c.Site.Help = "\u200b" }, "site.help"},
		"no port":                               {func(c *config.Config) { c.Listen = "127.0.0.1" }, "listen"},
		"a port too high":                       {func(c *config.Config) { c.Listen = "127.0.0.1:65536" }, "listen"},
		"no issuer with TLS":                    {func(c *config.Config) { c.TLS = config.TLS{CertFile: "c", KeyFile: "k"} }, "issuer"},
		"localhost issuer":                      {func(c *config.Config) { c.Issuer = "http://localhost:8080" }, ""},
		"IPv6 loopback issuer":                  {func(c *config.Config) { c.Issuer = "http://[::1]:8080" }, ""},
		"a name that only begins like loopback": {func(c *config.Config) { c.Issuer = "http://127.0.0.1.evil.test" }, "issuer"},
		"issuer with a slash at the end":        {func(c *config.Config) { c.Issuer = public + "/" }, "issuer"},
		"issuer with a path":                    {func(c *config.Config) { c.Issuer = public + "/realms/a" }, ""},
		"issuer with a path and a slash":        {func(c *config.Config) { c.Issuer = public + "/realms/a/" }, "issuer"},
		"issuer with a query":                   {func(c *config.Config) { c.Issuer = public + "?a" }, "issuer"},
		"issuer with a user":                    {func(c *config.Config) { c.Issuer = "https://a@login.klinik.test" }, "issuer"},
		"issuer in upper case":                  {func(c *config.Config) { c.Issuer = "https://Login.klinik.test" }, "issuer"},
		"issuer without a scheme":               {func(c *config.Config) { c.Issuer = "login.klinik.test" }, "issuer"},
		"issuer of another scheme":              {func(c *config.Config) { c.Issuer = "ftp://login.klinik.test" }, "issuer"},
		"issuer of the documentation":           {func(c *config.Config) { c.Issuer = "https://idp.example.com" }, "issuer"},
		"certificate without key":               {func(c *config.Config) { c.TLS.CertFile = "c.pem"; c.Issuer = public }, "tls.key_file"},
		"certificates asked for without TLS":    {func(c *config.Config) { c.TLS.MTLSListen = "0.0.0.0:8443" }, "tls.mtls_listen"},
		"certificates asked for where people come": {func(c *config.Config) {
			c.Issuer, c.Listen, c.TLS = public, "0.0.0.0:443", config.TLS{CertFile: "c.pem", KeyFile: "k.pem", MTLSListen: "0.0.0.0:443"}
		}, "tls.mtls_listen"},
		"certificates asked for without a port": {func(c *config.Config) {
			c.Issuer, c.TLS = public, config.TLS{CertFile: "c.pem", KeyFile: "k.pem", MTLSListen: "0.0.0.0:0"}
		}, "tls.mtls_listen"},
		"certificates asked for at the issuer": {func(c *config.Config) {
			c.Issuer, c.TLS = public, config.TLS{CertFile: "c.pem", KeyFile: "k.pem", MTLSListen: "0.0.0.0:8443", MTLSURL: public}
		}, "tls.mtls_url"},
		"certificates asked for in the clear": {func(c *config.Config) {
			c.Issuer, c.TLS = public, config.TLS{CertFile: "c.pem", KeyFile: "k.pem", MTLSListen: "0.0.0.0:8443", MTLSURL: "http://login.klinik.test:8443"}
		}, "tls.mtls_url"},
		"authorities for nobody":          {func(c *config.Config) { c.TLS.MTLSCAFile = "ca.pem" }, "tls.mtls_ca_file"},
		"key without certificate":         {func(c *config.Config) { c.TLS.KeyFile = "k.pem" }, "tls.cert_file"},
		"no data folder":                  {func(c *config.Config) { c.DataDir = "" }, "data_dir"},
		"unknown driver":                  {func(c *config.Config) { c.Database.Driver = "mysql" }, "database.driver"},
		"sealing key in the database":     {func(c *config.Config) { c.Keys.SealFile = c.DatabasePath() }, "keys.seal_file"},
		"a realm with a slash":            {func(c *config.Config) { c.Clients.Realm = "a/b" }, "clients.realm"},
		"a realm of 65 letters":           {func(c *config.Config) { c.Clients.Realm = strings.Repeat("a", 65) }, "clients.realm"},
		"no site name":                    {func(c *config.Config) { c.Site.Name = " "; c.Device.Label = "X" }, "site.name"},
		"a site name with nothing to see": {func(c *config.Config) { c.Site.Name = "\u200b\u3164"; c.Device.Label = "X" }, "site.name"},
		"a site name with a line break":   {func(c *config.Config) { c.Site.Name = "a\nb"; c.Device.Label = "X" }, "site.name"},
		"a label that leaves no room for a name": {func(c *config.Config) {
			c.Issuer, c.TLS.CertFile, c.TLS.KeyFile, c.Device.Label = "https://anmeldung.universitaetsklinikum-nord.test", "cert", "key", strings.Repeat("L", 40)
		}, "device.label"},
		"a label with a colon":                        {func(c *config.Config) { c.Device.Label = "A: B" }, "device.label"},
		"idle longer than absolute":                   {func(c *config.Config) { c.Sessions.Idle = 13 * time.Hour }, "sessions.idle"},
		"idle of a second":                            {func(c *config.Config) { c.Sessions.Idle = time.Second }, "sessions.idle"},
		"access tokens for more than an hour":         {func(c *config.Config) { c.Tokens.Access = time.Hour + time.Second }, "tokens.access"},
		"refresh tokens for a month":                  {func(c *config.Config) { c.Tokens.RefreshIdle = 30 * 24 * time.Hour }, "tokens.refresh_idle"},
		"keys turned every hour":                      {func(c *config.Config) { c.Keys.RotateEvery = time.Hour }, "keys.rotate_every"},
		"published longer than turned":                {func(c *config.Config) { c.Keys.RotateEvery, c.Keys.PublishBefore = 48*time.Hour, 48*time.Hour }, "keys.publish_before"},
		"published for less than jwks are cached":     {func(c *config.Config) { c.Keys.PublishBefore = time.Minute }, "keys.publish_before"},
		"RSA of 1024 bits":                            {func(c *config.Config) { c.Keys.RSABits = 1024 }, "keys.rsa_bits"},
		"RS256 twice":                                 {func(c *config.Config) { c.Keys.Algs = []string{"RS256", "RS256"} }, "keys.algs"},
		"cheap hashes on a public issuer":             {func(c *config.Config) { c.Issuer = public; c.Password.MemoryKiB = 4096 }, "password.memory_kib"},
		"cheap hashes on loopback, for measurements":  {func(c *config.Config) { c.Password.MemoryKiB, c.Password.Time = 8, 1 }, ""},
		"less memory than argon2 can use":             {func(c *config.Config) { c.Password.MemoryKiB = 7 }, "password.memory_kib"},
		"one pass on a public issuer":                 {func(c *config.Config) { c.Issuer = public; c.Password.Time = 1 }, "password.time"},
		"no lanes":                                    {func(c *config.Config) { c.Password.Parallelism = 0 }, "password.parallelism"},
		"hashes at once below zero":                   {func(c *config.Config) { c.Password.AtOnce = -1 }, "password.at_once"},
		"limits off on a public issuer":               {func(c *config.Config) { c.Issuer = public; c.Limits.SignInBurst = 0 }, "limits.sign_in_burst"},
		"programs without a limit on a public issuer": {func(c *config.Config) { c.Issuer = public; c.Limits.AdminPerMinute = 0 }, "limits.admin_per_minute"},
		"limits off on loopback":                      {func(c *config.Config) { c.Limits = config.Limits{} }, ""},
		"unknown log format":                          {func(c *config.Config) { c.Log.Format = "xml" }, "log.format"},
	} {
		t.Run(name, func(t *testing.T) {
			conf := config.Default()
			c.change(conf)
			err := conf.Validate()
			if c.key == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			got := faults(t, "idp.yaml", err)
			if len(got) != 1 || !strings.HasPrefix(got[0], c.key+": ") {
				t.Errorf("want one fault of %s, got %q", c.key, got)
			}
		})
	}
}

// Every limit there is has its bounds, and a fault of each says where it stands.
func TestLimitsHaveBounds(t *testing.T) {
	limits := reflect.TypeFor[config.Limits]()
	key := func(i int) string { return limits.Field(i).Tag.Get("yaml") }
	written := func(value string) (path, text string) {
		text = "issuer: https://login.klinik.test\nlimits:\n"
		for i := range limits.NumField() {
			text += "  " + key(i) + ": " + value + "\n"
		}
		return write(t, text), text
	}
	for _, value := range []string{"-1", "0", "1000001", "9223372036854775807"} {
		path, text := written(value)
		_, err := config.Load(path, none)
		got := faults(t, path, err)
		for i := range limits.NumField() {
			want := fmt.Sprintf("idp.yaml:%d: limits.%s: %s ", i+3, key(i), value)
			if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, want) }) {
				t.Errorf("no fault begins with %q", want)
			}
		}
		if len(got) != limits.NumField() {
			t.Errorf("%d faults:\n%s\nin\n%s", len(got), strings.Join(got, "\n"), text)
		}
	}
	for _, value := range []string{"1", "1000000"} {
		path, _ := written(value)
		if _, err := config.Load(path, none); err != nil {
			t.Errorf("%s: %v", value, err)
		}
	}
	// On this machine alone, where it is measured, they may be lifted; nothing is less than that.
	for i := range limits.NumField() {
		for value, good := range map[string]bool{"0": true, "-1": false} {
			_, err := config.Load(write(t, "limits:\n  "+key(i)+": "+value+"\n"), none)
			if good != (err == nil) {
				t.Errorf("%s: %s on loopback: %v", key(i), value, err)
			}
		}
	}
}

// FuzzLoad holds that no file makes the reader do anything but accept or list
// faults, and that what it accepts validates.
func FuzzLoad(f *testing.F) {
	f.Add(string(config.Example))
	f.Add("sessions: {idle: 1h}\n")
	f.Add("a: &a [*a]\n")
	f.Add("? [a]\n: b\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := write(t, text)
		c, err := config.Load(path, none)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v with error %v", c, err)
		}
		if err == nil && c.Validate() != nil {
			t.Fatalf("accepted what does not validate: %v", c.Validate())
		}
	})
}
