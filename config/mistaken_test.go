package config_test

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"hilum/config"
)

// Every variable that looks like a setting and is none is named with the nearest,
// and what orchestrators set is left alone.
func TestStrayVariables(t *testing.T) {
	for entry, want := range map[string]string{
		// nothing of ours
		"HOME=/root": "", "PATH=": "", "IDPX_ISSUER=x": "", "XIDP_ISSUER=x": "", "IDP=x": "", "idp_theme=dark": "", "IDP_TEST_POSTGRES=x": "",
		// settings
		"IDP_CONFIG=idp.yaml": "", "IDP_ISSUER=x": "", "IDP_MAIL_PORT=25": "", "IDP_LIMITS_ENROL_PER_10_MINUTES=0": "",
		// Kubernetes, a service idp
		"IDP_SERVICE_HOST=10.96.0.7": "", "IDP_SERVICE_HOST=fd00::7": "", "IDP_SERVICE_PORT=8080": "", "IDP_SERVICE_PORT_HTTP=8080": "", "IDP_SERVICE_PORT_ADMIN_UI=8081": "",
		"IDP_PORT=tcp://10.96.0.7:8080": "", "IDP_PORT=udp://[fd00::7]:8080": "", "IDP_PORT_8080_TCP=tcp://10.96.0.7:8080": "", "IDP_PORT_8080_TCP_PROTO=tcp": "",
		"IDP_PORT_8080_TCP_PORT=8080": "", "IDP_PORT_8080_TCP_ADDR=10.96.0.7": "", "IDP_PORT_53_UDP_ADDR=10.96.0.7": "", "IDP_PORT_9_SCTP=sctp://10.96.0.7:9": "",
		// services idp-mail, idp-log-level, idp-2
		"IDP_MAIL_PORT=tcp://10.96.0.8:25": "", "IDP_MAIL_SERVICE_HOST=10.96.0.8": "", "IDP_MAIL_SERVICE_PORT=25": "", "IDP_MAIL_SERVICE_PORT_SMTP=25": "",
		"IDP_MAIL_PORT_25_TCP_ADDR=10.96.0.8": "", "IDP_LOG_LEVEL_PORT=tcp://10.96.0.8:25": "", "IDP_2_PORT_80_TCP=tcp://10.96.0.8:80": "",
		// mistyped
		"IDP_ISUER=x":                "IDP_ISUER: is no setting; did you mean IDP_ISSUER?",
		"IDP_ISSUER_URL=x":           "did you mean IDP_ISSUER?",
		"IDP_TLS_CERTFILE=x":         "did you mean IDP_TLS_CERT_FILE?",
		"IDP_TLS_CRET_FILE=x":        "did you mean IDP_TLS_CERT_FILE?",
		"IDP_CERT_FILE=x":            "did you mean IDP_TLS_CERT_FILE?",
		"IDP_TLS_KEY=x":              "its path into IDP_TLS_KEY_FILE",
		"IDP_LOGLEVEL=x":             "did you mean IDP_LOG_LEVEL?",
		"IDP_SESSION_IDLE=x":         "did you mean IDP_SESSIONS_IDLE?",
		"IDP_DATADIR=x":              "did you mean IDP_DATA_DIR?",
		"IDP_DATA=x":                 "did you mean IDP_DATA_DIR?",
		"IDP_CONFIG_FILE=x":          "IDP_CONFIG takes the value itself",
		"IDP_TRUSTED_PROXY=x":        "did you mean IDP_TRUSTED_PROXIES?",
		"IDP_FCM_CREDENTIALS_FILE=x": "did you mean IDP_PUSH_FCM_CREDENTIALS_FILE?",
		"IDP_PUSH_FCM_CREDENTIALS=x": "its path into IDP_PUSH_FCM_CREDENTIALS_FILE",
		"IDP_MAIL_PASSWORD=x":        "its path into IDP_MAIL_PASSWORD_FILE",
		"IDP_MAIL_PASSWORD_FILES=x":  "did you mean IDP_MAIL_PASSWORD_FILE?",
		"IDP_ISSUER_FILE=x":          "IDP_ISSUER takes the value itself",
		"IDP_=x":                     "did you mean IDP_",
		"IDP_ISSUER =x":              "did you mean IDP_ISSUER?",
		"IDP_EMPTY=":                 "is no setting",
		"idp_issuer=x":               "write it in capitals, IDP_ISSUER",
		"Idp_Log_Level=x":            "write it in capitals, IDP_LOG_LEVEL",
		// what only looks like an orchestrator's
		"IDP_PORT=8080":              "did you mean",
		"IDP_LISTEN_PORT=8080":       "did you mean",
		"IDP_SERVICE_PORT=http":      "did you mean",
		"IDP_SERVICE_HOST=my.host":   "did you mean",
		"IDP_PORT_8080=x":            "did you mean",
		"IDP_PORT_8080_TCP_SECRET=x": "did you mean",
		"IDP_NAME=Hospital":          "did you mean IDP_SITE_NAME?",
		"IDP_ENV_VERSION=1":          "did you mean",
	} {
		err := config.Stray([]string{entry})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", entry, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %s", entry, err, want)
		}
	}
	if err := config.Stray([]string{"IDP_NAME=/web/idp", "IDP_ENV_VERSION=1", "IDP_PORT=tcp://172.17.0.2:80"}); err != nil {
		t.Errorf("a link of Docker: %v", err)
	}
	err := config.Stray([]string{"IDP_B=geheim", "IDP_A=geheim"})
	if err == nil || strings.Contains(err.Error(), "geheim") || strings.Count(err.Error(), "\n") != 1 || !strings.HasPrefix(err.Error(), "IDP_A") {
		t.Errorf("two: %v", err)
	}
}

// A port that Kubernetes sets for a service of the same name sets nothing.
func TestPortsOfServicesAreNotOurs(t *testing.T) {
	c, err := config.Load("", env(map[string]string{"IDP_MAIL_PORT": "tcp://10.0.0.2:25"}))
	if err != nil || c.Mail.Port != 587 {
		t.Fatal(err)
	}
}

// What a person means otherwise than the machine takes it is told with what to
// write: the same by the file and by the environment.
func TestMistakenValues(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"data_dir", "~/idp", `would be a folder called «~» .* such as /home/idp/idp`},
		{"data_dir", "~", "folder called «~»"},
		{"data_dir", "~idp/data", "folder called «~»"},
		{"database.path", "~/idp.db", "folder called «~»"},
		{"keys.seal_file", "~/seal.key", "folder called «~»"},
		{"data_dir", "./~idp", ""},
		{"data_dir", "/srv/idp~", ""},
		{"data_dir", "$HOME/idp", `has \$H…, which nothing replaces here`},
		{"data_dir", "${HOME}/idp", "nothing replaces"},
		{"data_dir", "/srv/$(hostname)", "nothing replaces"},
		{"data_dir", "%APPDATA%/idp", "nothing replaces"},
		{"data_dir", "/srv/{{ env }}", "nothing replaces"},
		{"data_dir", "/srv/a$", ""},
		{"data_dir", "/srv/50%", ""},
		{"data_dir", "file:///srv/idp", "is a URL; write the path alone, such as /srv/idp"},
		{"data_dir", "'/srv/idp'", "is in quotes, which are part of the value here; write /srv/idp"},
		{"data_dir", `"/srv/idp"`, "is in quotes"},
		{"data_dir", " /srv/idp", "has blanks around it.* write /srv/idp"},
		{"data_dir", "/srv/idp\n", "has blanks around it"},
		{"data_dir", "/srv/idp\r", "carriage return"},
		{"data_dir", "\ufeff/srv/idp", "has blanks around it"},
		{"data_dir", "/srv/my data", ""},
		{"database.path", "sqlite:///data/idp.db", "is a URL; write the path alone, such as /data/idp.db$"},
		{"database.path", ":memory:", "would be a file of that name"},
		{"tls.key_file", "-----BEGIN PRIVATE KEY-----\ngeheim", "content of a file"},
		{"push.fcm.credentials_file", `{"private_key":"geheim"}`, "content of a file"},
		{"mail.password_file", "geheim\nmore", "content of a file"},
		{"issuer", "https://*.klinik.test", "is more than scheme, host and path"},
		{"issuer", "https://idp_1.klinik.test", ""},
		{"trusted_proxies", "10.0.0.0/8,", "an item that is empty"},
		{"keys.algs", "RS256,,ES256", "an item that is empty"},
		{"site.name", "Ca$h & Care", ""},
		{"site.name", "${SITE}", "nothing replaces"},
		{"site.name", "'Saint Luke'", "is in quotes"},
		{"site.name", "Saint Luke's", ""},
		{"issuer", "'https://login.klinik.test'", "is in quotes"},
		{"issuer", "https://${HOST}", "nothing replaces"},
		{"issuer", "https://login.klinik.test/", "ends in a slash.*write https://login.klinik.test$"},
		{"issuer", "https://login.klinik.test/idp", ""},
		{"issuer", "https://pacs.klinik.test/a-1/b_2", ""},
		{"issuer", "https://login.klinik.test/idp/", "ends in a slash.*write https://login.klinik.test/idp$"},
		{"issuer", "https://login.klinik.test/IDP", "has capitals.*write https://login.klinik.test/idp$"},
		{"issuer", "https://login.klinik.test:443/idp", "usual port.*write https://login.klinik.test/idp$"},
		{"issuer", "https://login.klinik.test./idp", "ends in a dot.*write https://login.klinik.test/idp$"},
		{"issuer", "https://login.klinik.test/idp?a=b", "has a query.*write https://login.klinik.test/idp$"},
		{"issuer", "https://login.klinik.test//idp", "has a path that cannot be"},
		{"issuer", "https://login.klinik.test/a/../idp", "has a path that cannot be"},
		{"issuer", "https://login.klinik.test/i%20p", "has a path that cannot be"},
		{"issuer", "https://login.klinik.test/.well-known", "has a path that cannot be"},
		{"issuer", "https://login.klinik.test/{host}", "has a path that cannot be"},
		{"issuer", "https://login.klinik.test/login/app", "has a path that cannot be"},
		{"issuer", "https://login.klinik.test/" + strings.Repeat("a", 64), "has a path that cannot be"},
		{"issuer", "https://Login.Klinik.test", "has capitals.*write https://login.klinik.test$"},
		{"issuer", "HTTPS://login.klinik.test", "has capitals.*write https://login.klinik.test$"},
		{"issuer", "https://login.klinik.test:443", "usual port.*write https://login.klinik.test$"},
		{"issuer", "http://127.0.0.1:80", "usual port.*write http://127.0.0.1$"},
		{"issuer", "https://login.klinik.test:", "usual port.*write https://login.klinik.test$"},
		{"issuer", "https://login.klinik.test:99999", "has a port that is none"},
		{"issuer", "https://login.klinik.test:0", "has a port that is none"},
		{"issuer", "https://login.klinik.test:8443", ""},
		{"issuer", "https://anna:geheim@login.klinik.test", "has a user name.*write https://login.klinik.test$"},
		{"issuer", "https://login.klinik.test?a=b", "has a query.*write https://login.klinik.test$"},
		{"issuer", "https://login.klinik.test?", "has a query"},
		{"issuer", "https://login.klinik.test#", "has a fragment.*write https://login.klinik.test$"},
		{"issuer", "https://login.klinik.test.", "ends in a dot.*write https://login.klinik.test$"},
		{"issuer", "https://klinik-münchen.test", "begins with xn--"},
		{"issuer", "https://0.0.0.0:8443", "write the address that browsers open"},
		{"issuer", "https://:8443", "is no URL"},
		{"issuer", "login.klinik.test", "is no URL; write it with its scheme: https://login.klinik.test$"},
		{"issuer", "login.klinik.test:8443", "write it with its scheme|another scheme"},
		{"issuer", "http://login.klinik.test", "must begin with https.*write https://login.klinik.test$"},
		{"listen", "8080", "127.0.0.1:8080 is this machine only"},
		{"listen", "127.0.0.1", "with its port: 127.0.0.1:8080"},
		{"listen", "localhost", "with its port: localhost:8080"},
		{"listen", "::1", `with its port: \[::1\]:8080`},
		{"listen", "http://127.0.0.1:8080", "without a scheme and a path: 127.0.0.1:8080$"},
		{"listen", "https://127.0.0.1/", "without a scheme and a path: 127.0.0.1:443$"},
		{"listen", "127.0.0.1:8080/", "is no address with a port"},
		{"listen", "*:8080", "every network is 0.0.0.0:8080"},
		{"listen", "127.0.0.1:http", "is no address with a port"},
		{"listen", "localhost:8080", ""},
		{"sessions.idle", "90", `90 alone may be seconds \(90s\) or minutes \(90m\)`},
		{"sessions.idle", "1 h", "is no duration.*1h, for one"},
		{"sessions.idle", "30min", "30m, for one"},
		{"sessions.absolute", "1d", "24h are 1 days"},
		{"sessions.idle", "true", "is no duration"},
		{"sessions.idle", "\"30m\"", "is in quotes"},
		{"limits.sign_in_burst", "yes", "is no number"},
		{"limits.sign_in_burst", "1 000", "is no number"},
		{"limits.sign_in_burst", "'5'", "is in quotes"},
		{"trusted_proxies", "10.0.0.5/8", "write 10.0.0.0/8 for the range, or 10.0.0.5 for the one address"},
		{"trusted_proxies", "0.0.0.0/0", "whoever writes X-Forwarded-For would be believed"},
		{"trusted_proxies", "::/0", "whoever writes X-Forwarded-For"},
		{"trusted_proxies", "128.0.0.0/1", "whoever writes X-Forwarded-For"},
		{"trusted_proxies", "::ffff:10.0.0.0/104", "write an IPv4 range as such"},
		{"trusted_proxies", "::ffff:10.0.0.1", "IPv4 as 10.0.0.1"},
		{"trusted_proxies", "fe80::1%eth0", "without a zone"},
		{"trusted_proxies", "[10.0.0.0/8]", "has brackets.*write 10.0.0.0/8$"},
		{"trusted_proxies", "[::1]", "has brackets.*write ::1$"},
		{"trusted_proxies", "proxy.klinik.test", "is no list of addresses"},
		{"trusted_proxies", "10.0.0.0/8", ""},
		{"trusted_proxies", "fc00::/7", ""},
		{"logout.networks", "0.0.0.0/0", "any address there would be called"},
		{"push.webpush.networks", "::/0", "any address there would be called"},
		{"push.webpush.subject", "mailto:login@klinik.test", ""},
		{"push.webpush.subject", "MAILTO:login@klinik.test", ""},
		{"push.webpush.subject", "login@klinik.test", ""},
		{"push.webpush.subject", "https://klinik.test/contact", ""},
		{"push.webpush.subject", "http://klinik.test/contact", "whom push services may write to"},
		{"push.webpush.subject", "mailto:", "whom push services may write to"},
		{"push.webpush.subject", "mailto:mailto:login@klinik.test", "whom push services may write to"},
		{"push.webpush.subject", "Klinik <login@klinik.test>", "is no address alone; write login@klinik.test"},
		{"push.webpush.subject", "klinik.test", "whom push services may write to"},
	} {
		for _, by := range []string{"file", "environment"} {
			if c.key == "issuer" && by == "file" && c.value == "" {
				continue
			}
			path, getenv := "", none
			if by == "file" {
				group, name, nested := strings.Cut(c.key, ".")
				value := strconv.Quote(c.value)
				if strings.Contains(c.key, "networks") || c.key == "trusted_proxies" || c.key == "keys.algs" {
					value = "[" + strings.ReplaceAll(value, ",", `","`) + "]"
				}
				text := c.key + ": " + value + "\n"
				if nested {
					if deeper, last, more := strings.Cut(name, "."); more {
						text = group + ":\n  " + deeper + ":\n    " + last + ": " + value + "\n"
					} else {
						text = group + ":\n  " + name + ": " + value + "\n"
					}
				}
				if strings.HasPrefix(c.key, "limits") || strings.HasPrefix(c.key, "sessions") {
					text = strings.Replace(text, value, c.value, 1) // numbers and durations stand bare
				}
				path = write(t, text)
			} else {
				getenv = env(map[string]string{"IDP_" + strings.ToUpper(strings.ReplaceAll(c.key, ".", "_")): c.value})
			}
			if by == "file" && c.value == `"30m"` || by == "file" && c.value == "'5'" {
				continue // quotes are YAML's there
			}
			_, err := config.Load(path, getenv)
			got := ""
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Errorf("%s by %s: shows a secret: %v", c.key, by, err)
			}
			if err != nil {
				got = strings.Join(faults(t, cmp.Or(path, "idp.yaml"), err), "\n")
			}
			if c.want == "" && got != "" || c.want != "" && (!strings.Contains(got, c.key+": ") || !regexp.MustCompile("(?ms)"+c.want).MatchString(got)) {
				t.Errorf("%s: %q by %s: %s, want %s", c.key, c.value, by, got, c.want)
			}
		}
	}
}

// A listen address that is none does not hide what is wrong with the issuer.
func TestListenHidesNothing(t *testing.T) {
	_, err := config.Load("", env(map[string]string{"IDP_LISTEN": "8080", "IDP_ISSUER": "https://login.klinik.test/"}))
	if err == nil || !strings.Contains(err.Error(), "IDP_LISTEN: ") || !strings.Contains(err.Error(), "IDP_ISSUER: ") {
		t.Error(err)
	}
}

// Mail has its sender as an address alone.
func TestMistakenSender(t *testing.T) {
	for from, want := range map[string]string{
		"login@klinik.test":            "",
		"Klinik <login@klinik.test>":   "write login@klinik.test (the name that people see is the site's)",
		"<login@klinik.test>":          "write login@klinik.test",
		"mailto:login@klinik.test":     "write login@klinik.test",
		"login":                        "is no address",
		"a@klinik.test, b@klinik.test": "is no address",
	} {
		_, err := config.Load("", env(map[string]string{"IDP_MAIL_HOST": "mail.klinik.test", "IDP_MAIL_FROM": from}))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %s", from, err, want)
		}
	}
}

// An https issuer with nobody who adds TLS can be, behind a proxy on this machine,
// and is told.
func TestNobodyAddsTLS(t *testing.T) {
	for why, c := range map[string]struct {
		env  map[string]string
		told bool
	}{
		"nobody":   {map[string]string{"IDP_ISSUER": "https://login.klinik.test"}, true},
		"a proxy":  {map[string]string{"IDP_ISSUER": "https://login.klinik.test", "IDP_TRUSTED_PROXIES": "127.0.0.1"}, false},
		"itself":   {map[string]string{"IDP_ISSUER": "https://login.klinik.test", "IDP_TLS_CERT_FILE": "c", "IDP_TLS_KEY_FILE": "k"}, false},
		"loopback": {map[string]string{"IDP_ISSUER": "http://127.0.0.1:8080"}, false},
		"nothing":  {nil, false},
	} {
		conf, err := config.Load("", env(c.env))
		if err != nil {
			t.Fatal(why, err)
		}
		told := conf.Warnings()
		if c.told != (len(told) == 1) || c.told && (!strings.Contains(told[0].Error(), "trusted_proxies") || !strings.HasPrefix(told[0].Error(), "IDP_ISSUER: issuer: ")) {
			t.Errorf("%s: %v", why, told)
		}
	}
}

// A port that is encrypted from the first byte, with the other way of TLS, hangs.
func TestPortsOfMail(t *testing.T) {
	for _, c := range []struct {
		port, tls string
		told      bool
	}{{"587", "starttls", false}, {"25", "starttls", false}, {"465", "tls", false}, {"2525", "tls", false}, {"465", "starttls", true}, {"587", "tls", true}, {"25", "tls", true}} {
		conf, err := config.Load("", env(map[string]string{"IDP_MAIL_HOST": "mail.klinik.test", "IDP_MAIL_FROM": "login@klinik.test", "IDP_MAIL_PORT": c.port, "IDP_MAIL_TLS": c.tls}))
		if err != nil {
			t.Fatal(err)
		}
		if told := conf.Warnings(); c.told != (len(told) == 1) || c.told && told[0].Key != "mail.tls" {
			t.Errorf("%s with %s: %v", c.port, c.tls, told)
		}
	}
}

// Every file that is named is looked at, and all that is wrong is told at once.
func TestEveryFileIsLookedAt(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(-time.Hour), DNSNames: []string{"login.klinik.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(key)
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))

	vars := map[string]string{
		"IDP_ISSUER": "https://login.klinik.test", "IDP_DATA_DIR": dir,
		"IDP_TLS_CERT_FILE": put("cert.pem", "\xef\xbb\xbf"+cert, 0o644), "IDP_TLS_KEY_FILE": put("key.pem", private, 0o600),
		"IDP_MAIL_HOST": "mail.klinik.test", "IDP_MAIL_FROM": "login@klinik.test", "IDP_MAIL_CA_FILE": put("ca.pem", cert, 0o644),
		"IDP_MAIL_USERNAME": "idp", "IDP_MAIL_PASSWORD_FILE": put("mail", "geheim\r\n", 0o600),
	}
	look := func() (string, string) {
		t.Helper()
		conf, err := config.Load("", env(vars))
		if err != nil {
			t.Fatal(err)
		}
		warnings, err := conf.Files()
		said, told := "", ""
		if err != nil {
			said = strings.ReplaceAll(err.Error(), dir, "")
		}
		for _, w := range warnings {
			told += w.Error()
		}
		return said, told
	}
	if said, told := look(); said != "" || !strings.Contains(told, "IDP_TLS_CERT_FILE: tls.cert_file: ") || !strings.Contains(told, "has expired") {
		t.Errorf("%s; %s", said, told)
	}
	vars["IDP_ISSUER"] = "https://other.klinik.test"
	if _, told := look(); !strings.Contains(told, "is not for other.klinik.test") {
		t.Error(told)
	}
	vars["IDP_TRUSTED_PROXIES"] = "10.0.0.5" // browsers see the proxy's
	if _, told := look(); strings.Contains(told, "is not for") {
		t.Error(told)
	}
	put("key.pem", private, 0o644)
	put("mail", "\n", 0o600)
	put("ca.pem", "nothing", 0o644)
	put("seal.key", "x", 0o604)
	vars["IDP_PUSH_FCM_CREDENTIALS_FILE"] = put("fcm.json", "{}", 0o600)
	said, _ := look()
	lines := strings.Split(said, "\n")
	for i, want := range []string{
		"^IDP_TLS_KEY_FILE: tls.key_file: certificate /cert.pem with key /key.pem: /key.pem: everybody",
		"^IDP_MAIL_CA_FILE: mail.ca_file: /ca.pem holds no certificate",
		"^IDP_MAIL_PASSWORD_FILE: mail.password_file: the first line of /mail is empty",
		"^IDP_PUSH_FCM_CREDENTIALS_FILE: push.fcm.credentials_file: /fcm.json has no type",
		"^keys.seal_file: /seal.key: everybody",
	} {
		if len(lines) != 5 || !regexp.MustCompile(want).MatchString(lines[i]) {
			t.Errorf("want %s in\n%s", want, said)
		}
	}
	put("mail", "\xff\xfeg\x00", 0o600)
	put("cert.pem", private, 0o644)
	if said, _ := look(); !strings.Contains(said, "save it as UTF-8") || !strings.Contains(said, "tls.cert_file: certificate /cert.pem with key /key.pem: the file holds no certificate in PEM but a key") {
		t.Error(said)
	}
}
