package oidc

import (
	"net/url"
	"strings"
	"testing"

	"hilum/idp"
)

func TestRegisteredRedirects(t *testing.T) {
	web := &idp.Client{Kind: idp.ClientWeb, RedirectURIs: []string{"https://viewer.test/cb?a=%2F", "http://127.0.0.1:8000/cb"}}
	native := &idp.Client{Kind: idp.ClientNative, RedirectURIs: []string{
		"http://127.0.0.1/cb", "http://[::1]:9000/cb?x=1", "http://localhost/cb", "https://viewer.test/cb", "org.weasis:/cb",
	}}
	for _, row := range []struct {
		why   string
		c     *idp.Client
		uri   string
		valid bool
	}{
		{"byte for byte", web, "https://viewer.test/cb?a=%2F", true},
		{"percent-decoded once more", web, "https://viewer.test/cb?a=/", false},
		{"percent-encoded once more", web, "https://viewer.test/cb?a=%252F", false},
		{"other case in the escape", web, "https://viewer.test/cb?a=%2f", false},
		{"host in capitals", web, "https://VIEWER.test/cb?a=%2F", false},
		{"default port", web, "https://viewer.test:443/cb?a=%2F", false},
		{"a path below", web, "https://viewer.test/cb/x?a=%2F", false},
		{"dot segments", web, "https://viewer.test/x/../cb?a=%2F", false},
		{"a fragment", web, "https://viewer.test/cb?a=%2F#x", false},
		{"userinfo", web, "https://a@viewer.test/cb?a=%2F", false},
		{"a query more", web, "https://viewer.test/cb?a=%2F&b=1", false},
		{"less", web, "https://viewer.test/cb", false},
		{"a web client's loopback, other port", web, "http://127.0.0.1:8001/cb", false},
		{"nothing", web, "", false},

		{"loopback without a port", native, "http://127.0.0.1/cb", true},
		{"loopback on any port", native, "http://127.0.0.1:51234/cb", true},
		{"IPv6 loopback on another port", native, "http://[::1]:1/cb?x=1", true},
		{"IPv6 loopback without a port", native, "http://[::1]/cb?x=1", true},
		{"localhost where it is registered", native, "http://localhost:7/cb", true},
		{"own scheme", native, "org.weasis:/cb", true},
		{"own scheme, other path", native, "org.weasis:/other", false},
		{"other loopback address", native, "http://127.0.0.2:51234/cb", false},
		{"other spelling of the address", native, "http://127.1:51234/cb", false},
		{"IPv6 spelt out", native, "http://[0:0:0:0:0:0:0:1]:1/cb?x=1", false},
		{"IPv4 in IPv6", native, "http://[::ffff:127.0.0.1]:1/cb", false},
		{"userinfo", native, "http://evil@127.0.0.1:80/cb", false},
		{"host in the userinfo", native, "http://127.0.0.1:80@evil.test/cb", false},
		{"userinfo with a port before", native, "http://127.0.0.1@evil.test:80/cb", false},
		{"name that begins alike", native, "http://127.0.0.1.evil.test:80/cb", false},
		{"a fragment", native, "http://127.0.0.1:80/cb#x", false},
		{"a query", native, "http://127.0.0.1:80/cb?x", false},
		{"other path", native, "http://127.0.0.1:80/cb/", false},
		{"path percent-encoded", native, "http://127.0.0.1:80/%63b", false},
		{"https on loopback", native, "https://127.0.0.1:80/cb", false},
		{"scheme in capitals", native, "HTTP://127.0.0.1:80/cb", false},
		{"an empty port", native, "http://127.0.0.1:/cb", false},
		{"port nought", native, "http://127.0.0.1:0/cb", false},
		{"port too high", native, "http://127.0.0.1:65536/cb", false},
		{"port with a sign", native, "http://127.0.0.1:+80/cb", false},
		{"port with a space", native, "http://127.0.0.1: 80/cb", false},
		{"port with a name", native, "http://127.0.0.1:80evil.test/cb", false},
		{"backslash", native, "http://127.0.0.1:80\\@evil.test/cb", false},
		{"any port is for loopback only", native, "https://viewer.test:444/cb", false},
	} {
		if got := registered(row.c, row.uri); got != row.valid {
			t.Errorf("%s: %q is %v", row.why, row.uri, got)
		}
	}
}

// FuzzRegistered: whatever passes as loopback is, by the parser that a browser
// comes closest to, the registered host and path.
func FuzzRegistered(f *testing.F) {
	c := &idp.Client{Kind: idp.ClientNative, RedirectURIs: []string{"http://127.0.0.1/cb"}}
	for _, u := range []string{"http://127.0.0.1:80/cb", "http://127.0.0.1:80@evil.test/cb", "http://[::1]/cb", "http://127.0.0.1:80\\@x/cb"} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if !registered(c, uri) {
			return
		}
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" || u.Path != "/cb" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("%q passed as http://127.0.0.1/cb", uri)
		}
	})
}

func TestAnswersLeaveTheRegisteredQueryAlone(t *testing.T) {
	got := withQuery("https://viewer.test/cb?tenant=%2Fa+b", url.Values{"code": {"x"}})
	if got != "https://viewer.test/cb?tenant=%2Fa+b&code=x" {
		t.Error(got)
	}
	if got := withQuery("https://viewer.test/cb", url.Values{"code": {"x"}}); !strings.HasSuffix(got, "/cb?code=x") {
		t.Error(got)
	}
}

// TestRedirectURIsAreRefused: an address that is not registered is refused on a page of ours,
// and where a request is pushed by invalid_request; nobody is sent there.
func TestRedirectURIsAreRefused(t *testing.T) {
	s := newSite(t)
	web := s.addClient(func(c *idp.Client) {
		c.RedirectURIs = []string{"https://viewer.test/cb?a=%2F", "https://other.test:8443/cb/", "http://127.0.0.1:8000/cb"}
	})
	native := s.addClient(func(c *idp.Client) {
		public(c)
		c.Kind, c.RedirectURIs = idp.ClientNative, []string{"http://127.0.0.1/cb", "http://[::1]:9000/cb?x=1", "org.weasis:/cb", "https://viewer.test/app"}
	})
	rows := map[*client][]string{
		web: {
			"https://viewer.test/cb", "https://viewer.test/cb?", "https://viewer.test/cb?a=/", "https://viewer.test/cb?a=%2f", "https://viewer.test/cb?a=%252F", "https://viewer.test/cb?a=%2F&", "https://viewer.test/cb?a=%2F&b=1",
			"https://viewer.test/cb?b=1&a=%2F", "https://viewer.test/cb?a=%2F;b=1", "https://viewer.test/cb?A=%2F", "https://viewer.test/cb?a=%2F#", "https://viewer.test/cb?a=%2F#x", "https://viewer.test/cb?a=%2F%00",
			"https://viewer.test/cb?a=%2F ", " https://viewer.test/cb?a=%2F", "https://viewer.test/cb?a=%2F\n", "https://viewer.test/cb?a=%2F\t", "https://viewer.test/CB?a=%2F", "https://viewer.test//cb?a=%2F", "https://viewer.test/./cb?a=%2F",
			"https://viewer.test/x/../cb?a=%2F", "https://viewer.test/cb/?a=%2F", "https://viewer.test/cb/..?a=%2F", "https://viewer.test/cb;x?a=%2F", "https://viewer.test/%63b?a=%2F", "https://VIEWER.test/cb?a=%2F", "HTTPS://viewer.test/cb?a=%2F",
			"https://viewer.test:443/cb?a=%2F", "https://viewer.test:/cb?a=%2F", "https://viewer.test./cb?a=%2F", "https://viewer.test:80/cb?a=%2F", "http://viewer.test/cb?a=%2F", "http://viewer.test:443/cb?a=%2F", "//viewer.test/cb?a=%2F", "/cb?a=%2F", "cb?a=%2F",
			"https://a@viewer.test/cb?a=%2F", "https://a:b@viewer.test/cb?a=%2F", "https://viewer.test@evil.test/cb?a=%2F", "https://viewer.test%40evil.test/cb?a=%2F", "https://viewer.test\\@evil.test/cb?a=%2F", "https://viewer.test%2f.evil.test/cb?a=%2F",
			"https://viewer.test.evil.test/cb?a=%2F", "https://evil.test/viewer.test/cb?a=%2F", "https://evil.test/?https://viewer.test/cb?a=%2F", "https://evilviewer.test/cb?a=%2F", "https://x.viewer.test/cb?a=%2F", "https://viewer.te\u017ft/cb?a=%2F",
			"https://v\u0456ewer.test/cb?a=%2F", "https://viewer\u3002test/cb?a=%2F", "https://xn--viewer-.test/cb?a=%2F", "https:viewer.test/cb?a=%2F", "https:/viewer.test/cb?a=%2F", "https:///viewer.test/cb?a=%2F", "https:\\\\viewer.test\\cb?a=%2F",
			"https://other.test/cb/", "https://other.test:8443/cb", "https://other.test:8443/cb/x", "https://other.test:08443/cb/", "https://other.test:8443/cb//", "http://127.0.0.1:8001/cb", "http://127.0.0.1/cb", "http://localhost:8000/cb",
			"javascript:alert(1)", "data:text/html,x", "urn:ietf:wg:oauth:2.0:oob", "file:///etc/passwd", "blob:https://viewer.test/1", "about:blank", "null", "*", "https://*", "https://viewer.test/cb?a=%2F,https://other.test:8443/cb/",
		},
		native: {
			"http://localhost/cb", "http://localhost:51234/cb", "http://127.0.0.2:51234/cb", "http://127.1:51234/cb", "http://2130706433:51234/cb", "http://0x7f000001:51234/cb", "http://0177.0.0.1:51234/cb", "http://127.0.0.01:51234/cb",
			"http://0.0.0.0:51234/cb", "http://[::1]:51234/cb", "http://[::1]:51234/cb?x=2", "http://[0:0:0:0:0:0:0:1]:1/cb?x=1", "http://[::ffff:127.0.0.1]:1/cb", "http://[::1%25lo]:1/cb?x=1", "http://x@127.0.0.1:80/cb", "http://127.0.0.1:80@evil.test/cb",
			"http://127.0.0.1@evil.test:80/cb", "http://127.0.0.1.evil.test:80/cb", "http://127.0.0.1:80/cb#", "http://127.0.0.1:80/cb?x", "http://127.0.0.1:80/cb/", "http://127.0.0.1:80/%63b", "https://127.0.0.1:80/cb", "HTTP://127.0.0.1:80/cb",
			"http://127.0.0.1:/cb", "http://127.0.0.1:0/cb", "http://127.0.0.1:65536/cb", "http://127.0.0.1:+80/cb", "http://127.0.0.1: 80/cb", "http://127.0.0.1:80evil.test/cb", "http://127.0.0.1:80\\@evil.test/cb", "http://127.0.0.1:80:80/cb",
			"org.weasis:/other", "org.weasis:cb", "org.weasis://cb", "org.weasis:/cb?x", "ORG.WEASIS:/cb", "org.weasis.evil:/cb", "https://viewer.test:444/app", "https://viewer.test/app/",
		},
	}
	n := 0
	for c, uris := range rows {
		for _, uri := range uris {
			n++
			r := s.browser().get(pathAuthorize + "?" + request(c, "redirect_uri", uri).Encode())
			if r.StatusCode != 400 || r.body != "error page "+keyRedirect || r.Header.Get("Location") != "" {
				t.Errorf("%q: %d %s %s", uri, r.StatusCode, r.body, r.Header.Get("Location"))
			}
			refused(t, s.call(pathPushed, c, request(c, "redirect_uri", uri)), 400, "invalid_request")
		}
	}
	if n < 80 {
		t.Errorf("%d addresses", n)
	}
}
