package web

import (
	"strings"
	"testing"

	"hilum/idp/web/page"
)

// What does not go through markup names the path of the issuer by itself: the manifest of
// the app, what systems are told of native apps, and cookies.
func TestAppAndCookiesHaveThePath(t *testing.T) {
	d := openNative(t, NativeApps{Apple: []string{"ABCDE12345.org.hospital.app"}}, func(c *page.Config) { c.Origin, c.Secure = "https://idp.example/a/login", true })
	d.Wants(d.Get("/app/manifest.webmanifest"), 200, `"id":"/a/login/app/"`, `"start_url":"/a/login/app/"`, `"scope":"/a/login/app/"`, `"src":"/a/login/static/`, `not :"/static/`)
	d.Wants(d.Get("/.well-known/apple-app-site-association"), 200, `{"/":"/a/login/app/open/*"}`)
	for _, path := range []string{"/test/browser", "/test/session"} {
		cookies := d.Get(path).Cookies()
		if len(cookies) == 0 {
			t.Fatalf("%s sets no cookie", path)
		}
		for _, c := range cookies {
			if !strings.HasPrefix(c.Name, "__Secure-") || c.Path != "/a/login" || !c.Secure || !c.HttpOnly || c.Domain != "" {
				t.Errorf("%s sets %+v", path, c)
			}
		}
	}
}
