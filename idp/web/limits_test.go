package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/web/page"
)

func TestFormBounds(t *testing.T) {
	many := url.Values{}
	for i := range 33 {
		many.Set("p"+strconv.Itoa(i), "x")
	}
	for name, body := range map[string]string{
		"field twice":         "username=a&username=b&password=c",
		"other field twice":   "username=a&password=c&x=1&x=1",
		"value too long":      "username=" + strings.Repeat("a", page.MaxParam+1) + "&password=b",
		"name too long":       strings.Repeat("a", page.MaxParam+1) + "=b",
		"body too long":       "username=a&password=b&" + strings.Repeat("&", page.MaxForm),
		"too many fields":     many.Encode(),
		"broken escape":       "username=%zz&password=b",
		"semicolon":           "username=a;password=b",
		"not UTF-8":           "username=%ff&password=b",
		"name that is no UTF": "%ff=a",
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			d.bound(idp.LoginPassword, idp.ForClient)
			d.Wants(d.PostRaw("/login/"+aLogin+"/password", body), 400, "That page could not be read", "REF123")
			d.asked()
		})
	}
	t.Run("at the bound", func(t *testing.T) {
		d := open(t)
		d.bound(idp.LoginPassword, idp.ForClient)
		long := strings.Repeat("a", page.MaxParam)
		d.Leads(d.Post("/login/"+aLogin+"/password", "username", "x", "password", long), "/login/"+aLogin)
		d.asked("password x " + long)
	})
	t.Run("what the URL says is not the form", func(t *testing.T) {
		d := open(t)
		d.bound(idp.LoginPassword, idp.ForClient)
		d.Leads(d.Post("/login/"+aLogin+"/password?username=eve&password=x&password=y", "username", "anna", "password", "z"), "/login/"+aLogin)
		d.asked("password anna z")
	})
	t.Run("another content type", func(t *testing.T) {
		for _, kind := range []string{"", "text/plain", "application/json", "multipart/form-data; boundary=x", "garbage;;"} {
			d := open(t)
			d.bound(idp.LoginPassword, idp.ForClient)
			req, _ := http.NewRequest("POST", d.URL+"/login/"+aLogin+"/password", strings.NewReader("username=a&password=b"))
			req.Header.Set("Content-Type", kind)
			d.Wants(d.Do(req), 400)
			d.asked()
		}
	})
}
