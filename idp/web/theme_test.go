package web

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestTheme(t *testing.T) {
	d := open(t)
	d.Wants(d.Get("/signed-out"), 200, `data-theme=""`, `content="dark light"`)
	d.Leads(d.Post("/theme", "theme", "light", "here", "signed-out"), "/signed-out")
	d.Wants(d.Get("/signed-out"), 200, `data-theme="light"`, `content="light"`)
	d.Leads(d.Post("/theme", "theme", "auto", "here", "login:"+aLogin), "/login/"+aLogin)
	d.Wants(d.Get("/signed-out"), 200, `data-theme=""`)
	for _, here := range []string{"", "https://evil.example", "//evil.example", "/account", "login:..", "login:" + aLogin + "/code"} {
		d.Wants(d.Post("/theme", "theme", "dark", "here", here), 400)
	}
	d.Wants(d.Post("/theme", "theme", "pink", "here", "devices"), 400)
	req, _ := http.NewRequest("GET", d.URL+"/signed-out", nil)
	req.Header.Set("Cookie", `theme="><script>`)
	d.Wants(d.Do(req), 200, `data-theme=""`)
}

func FuzzPlace(f *testing.F) {
	for _, s := range []string{"devices", "login:" + aLogin, "unlink:" + aDevice, "link:x", "//evil", "unlink:../x"} {
		f.Add(s)
	}
	p, _ := newDoor(f, &logins{}, &devices{}, io.Discard, NativeApps{}, nil)
	f.Fuzz(func(t *testing.T, name string) {
		path, ok := p.Place(name)
		if ok && (!strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\?#%") || strings.Contains(path, "..")) {
			t.Errorf("%q leads to %q", name, path)
		}
		if !ok && path != "" {
			t.Errorf("%q gives %q", name, path)
		}
	})
}
