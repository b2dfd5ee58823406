package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hilum/idp/web/page"
	"hilum/static"
)

// policyOf takes a content policy apart.
func policyOf(h http.Header) map[string][]string {
	p := map[string][]string{}
	for d := range strings.SplitSeq(h.Get("Content-Security-Policy"), ";") {
		if f := strings.Fields(d); len(f) > 0 {
			p[f[0]] = f[1:]
		}
	}
	return p
}

// The app's pages may no more than they need: the one that reads QR codes alone
// has the camera, and none runs WebAssembly, which is for a worker.
func TestAppPolicy(t *testing.T) {
	d := open(t)
	for _, path := range []string{"/app/", "/app/scan", "/app/sw.js"} {
		res := d.Get(path)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", path, res.Status)
		}
		p := policyOf(res.Header)
		for what, want := range map[string][]string{
			"default-src": {"'none'"}, "script-src": {"'self'"}, "style-src": {"'self'"}, "img-src": {"'self'"}, "worker-src": {"'self'"}, "manifest-src": {"'self'"},
			"base-uri": {"'none'"}, "form-action": {"'none'"}, "frame-ancestors": {"'none'"},
		} {
			if !slices.Equal(p[what], want) {
				t.Errorf("%s: %s is %q, want %q", path, what, p[what], want)
			}
		}
		if want := "camera=()"; (path == "/app/scan") == strings.Contains(res.Header.Get("Permissions-Policy"), want) {
			t.Errorf("%s: Permissions-Policy %q", path, res.Header.Get("Permissions-Policy"))
		}
		if got := res.Header.Get("Set-Cookie"); got != "" {
			t.Errorf("%s sets a cookie: %s", path, got)
		}
	}
}

// Sites are reached by https; by http on loopback only, from there only.
func TestAppConnects(t *testing.T) {
	for _, c := range []struct {
		secure bool
		want   string
	}{{true, "'self' https:"}, {false, "'self' https: http://127.0.0.1:* http://localhost:*"}} {
		d := openWith(t, func(conf *page.Config) { conf.Secure = c.secure })
		if p := (&app{door: d.page}).appPolicy(); !strings.Contains(p, "connect-src "+c.want+";") {
			t.Errorf("secure %v: %s", c.secure, p)
		}
	}
}

// Everything of the app lies below /app/, so its worker sees nothing else.
func TestAppScope(t *testing.T) {
	d := open(t)
	res := d.Get("/app")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/app/" {
		t.Errorf("/app: %s to %q", res.Status, res.Header.Get("Location"))
	}
	res = d.Get("/app/sw.js")
	if got := res.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("sw.js: Cache-Control %q", got)
	}
	if got := res.Header.Get("Service-Worker-Allowed"); got != "" {
		t.Errorf("sw.js may see %q", got)
	}
	if got := res.Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
		t.Errorf("sw.js: %s", got)
	}
	var m struct {
		Scope   string              `json:"scope"`
		Start   string              `json:"start_url"`
		Name    string              `json:"name"`
		Display string              `json:"display"`
		Icons   []map[string]string `json:"icons"`
	}
	res = d.Get("/app/manifest.webmanifest")
	if err := json.Unmarshal([]byte(res.Body), &m); err != nil {
		t.Fatal(err)
	}
	if m.Scope != "/app/" || m.Start != "/app/" || m.Display != "standalone" || m.Name == "" || len(m.Icons) != 3 {
		t.Errorf("%+v", m)
	}
	for _, icon := range m.Icons {
		if res := d.Get(icon["src"]); res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "image/png" {
			t.Errorf("%s: %s", icon["src"], res.Status)
		}
	}
	for _, path := range []string{"/app/at/abc/", "/app/other", "/app/scan/"} {
		if res := d.Get(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

// The page names what its main module imports, so that all comes at once.
func TestAppPageNamesItsModules(t *testing.T) {
	body := open(t).Get("/app/").Body
	for _, want := range append(static.AppModules(), static.Path("app/main.js"), static.Path(static.AppSheet)) {
		if !strings.Contains(body, `"`+want+`"`) {
			t.Errorf("%s is not named", want)
		}
	}
}
