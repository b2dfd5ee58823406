package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// originOf is scheme and host of an address.
func originOf(address string) string {
	u, _ := url.Parse(address) // of ours
	return u.Scheme + "://" + u.Host
}

// beneath are the proxies of docs/proxy.md that hand on one path of a host, whose rest is
// another's.
var beneath = map[string]proxyKind{
	"nginx": {
		program: proxies["nginx"].program, lang: "nginx beneath", whole: proxies["nginx"].whole, args: proxies["nginx"].args,
		replace: func(s *served, dir, _ string) []string {
			return []string{"listen 443 ssl http2;", "listen 127.0.0.1:" + s.port() + " ssl http2;", "/var/log/nginx/hilum.log", dir + "/access.log"}
		},
	},
	"caddy": {
		program: proxies["caddy"].program, lang: "caddy beneath", whole: proxies["caddy"].whole, args: proxies["caddy"].args,
		replace: func(s *served, dir, httpPort string) []string {
			return []string{"pacs.your-hospital.org {", "{\n\tadmin off\n\thttp_port " + httpPort + "\n\thttps_port " + s.port() + "\n\tstorage file_system " + dir + "\n}\n\nlocalhost {\n\tbind 127.0.0.1"}
		},
	},
	"apache": {
		program: "/usr/sbin/apache2", lang: "apache beneath",
		replace: func(s *served, _, _ string) []string {
			return []string{"<VirtualHost *:443>", "Listen 127.0.0.1:" + s.port() + "\n<VirtualHost *:" + s.port() + ">"}
		},
		whole: `ServerRoot "%[1]s"
ServerName localhost
User www-data
Group www-data
PidFile "%[1]s/pid"
ErrorLog /dev/stderr
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
%[2]s
`,
		args: func(file string) []string { return []string{"-D", "FOREGROUND", "-f", file} },
	},
}

// A provider whose issuer has a path, behind proxies that hand on this path alone, by the
// configurations that docs/proxy.md prints.
func TestBeneathAPath(t *testing.T) {
	t.Parallel()
	for name, kind := range beneath {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startBehind(t, kind, "/login")
			bert := s.walks(t)
			largest := 30 << 20
			if name == "apache" {
				largest = 64 << 10 // over HTTP/2 it loses an answer that comes while megabytes are on their way (docs/proxy.md)
			}
			s.answers(t, largest)
			s.atRoot(t, bert)
		})
	}
}

// atRoot looks at what the rest of the host has of a provider beneath a path: what
// standards look for there, and nothing of who is signed in.
func (s *served) atRoot(t *testing.T, p *person) {
	t.Helper()
	at := func(path string) *page {
		t.Helper()
		return must[*page](t)(readPage(s.client.Get(s.origin() + path)))
	}
	beneath := at(s.path() + "/.well-known/openid-configuration")
	if oauth := at("/.well-known/oauth-authorization-server" + s.path()); oauth.status != http.StatusOK || oauth.body != beneath.body || !strings.Contains(oauth.body, `"issuer":"`+s.issuer+`"`) {
		t.Errorf("at the root: %d %s", oauth.status, oauth.body)
	}
	if rest := at("/account/devices"); strings.Contains(rest.body, "Hilum") {
		t.Errorf("the rest of the host is ours: %s", rest.body)
	}
	root, err := url.Parse(s.origin() + "/")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := url.Parse(s.issuer + "/account")
	if err != nil {
		t.Fatal(err)
	}
	if sent, kept := p.web.Jar.Cookies(root), p.web.Jar.Cookies(ours); len(sent) != 0 || len(kept) == 0 {
		t.Errorf("cookies of the root: %v; of the path: %v", sent, kept)
	}
}

// The same without a proxy, in a real browser: from the set-up link to a test sign-in by
// a phone, through the administration.
func TestSetupBeneathAPath(t *testing.T) {
	t.Parallel()
	issuer, setup := emptyFolderBeneath(t, "/a/login")
	if !strings.HasPrefix(setup, issuer+"/setup/") {
		t.Fatalf("the set-up link is %s", setup)
	}
	setsUp(t, issuer, setup)
}

// The app beneath a path: installed, linked, kept without a network, asked; and the
// browser beside it signs in, looks at its account and signs out.
func TestAppBeneathAPath(t *testing.T) {
	t.Parallel()
	s, rp := startPlainBeneath(t, "127.0.0.1", "/a/login")
	bert := s.invite(t, "bert")
	p := newHandset(t, s.issuer)
	p.scans(bert.offers(s.issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")
	if got := p.js(`document.querySelector("link[rel=manifest]").href`); got != s.issuer+"/app/manifest.webmanifest" {
		t.Errorf("the manifest is at %s", got)
	}
	if got := p.js(`fetch("manifest.webmanifest").then((r) => r.json()).then((m) => [m.id, m.start_url, m.scope, m.icons[0].src.slice(0, 16)].join(" "))`); got != "/a/login/app/ /a/login/app/ /a/login/app/ /a/login/static/" {
		t.Errorf("the manifest says %s", got)
	}
	if got := p.js(`navigator.serviceWorker.ready.then((r) => r.scope)`); got != s.issuer+"/app/" {
		t.Errorf("the worker's scope is %s", got)
	}
	if got := p.js(`(async () => { for (let n = 0; n < 100; n++) { const found = await caches.match("/a/login/app/"); if (found) return "kept"; await new Promise((done) => setTimeout(done, 50)) } return "not kept" })()`); got != "kept" {
		t.Errorf("the page of the app is %s", got)
	}

	at, number := bert.sits(rp)
	p.see(".answers, .pad")
	if number == "" {
		p.taps("#login")
	} else {
		p.types(number)
	}
	p.says("#said", "Go back to your browser")
	at.arrives()
	p.quiet()

	// Without a network it opens, since its worker has kept it.
	s.kill(t)
	p.launch()
	p.see(".code-text")
	s.launch(t)

	w := openWindow(t, true)
	w.open(s.issuer + "/account")
	w.see("#password-form")
	w.fill("#username", bert.name)
	w.fill("#password", bert.password)
	w.click("#continue")
	w.see("#code-form")
	w.typeCode(bert.code())
	w.see("#sign-out")
	for _, tab := range []string{"devices", "sessions", "activity", "profile", "security"} {
		w.click(`a[href="/a/login/account/` + tab + `"]`)
		w.see(`a[href="/a/login/account/` + tab + `"][aria-current]`)
	}
	w.click("#sign-out")
	w.see("h1")
	if got := w.at(); !strings.HasPrefix(got, s.issuer+"/signed-out") {
		t.Errorf("signed out at %s", got)
	}
	w.quiet()
}
