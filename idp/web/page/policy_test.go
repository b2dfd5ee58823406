package page

import (
	"strings"
	"testing"
)

func TestFormSource(t *testing.T) {
	for _, c := range []struct{ uri, want string }{
		{"https://viewer.example/cb", "https://viewer.example"},
		{"https://viewer.example:8443/cb?x=1", "https://viewer.example:8443"},
		{"http://127.0.0.1:53211/cb", "http://127.0.0.1:53211"},
		{"http://localhost/cb", "http://localhost"},
		{"http://[::1]:53211/cb", "http:"}, // CSP's grammar has no IPv6 addresses
		{"com.example.viewer:/cb", "com.example.viewer:"},
		{"com.example.viewer://cb/x", "com.example.viewer:"},
		{"https://münchen.example/cb", "https:"},
		{"https://a.example;script-src/cb", "https:"},
		{"https://a.example,b.example/cb", "https:"},
		{"https://user:pass@a.example/cb", "https://a.example"},
		{"https://*.example/cb", "https:"},
		{"", ""},
		{"/relative", ""},
		{"://", ""},
		{"ht tp://x", ""},
	} {
		if got := FormSource(c.uri); got != c.want {
			t.Errorf("%q: %q, want %q", c.uri, got, c.want)
		}
	}
}

func FuzzFormSource(f *testing.F) {
	f.Add("https://viewer.example:8443/cb")
	f.Add("com.example:/cb")
	f.Add("https://a;b/")
	f.Fuzz(func(t *testing.T, uri string) {
		if src := FormSource(uri); strings.ContainsAny(src, " ;,'\"*\r\n\t") {
			t.Errorf("%q gives %q, which could say more than one source", uri, src)
		}
	})
}
