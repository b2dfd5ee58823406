package page

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func FuzzReadForm(f *testing.F) {
	f.Add("username=a&password=b")
	f.Add("a=1&a=2")
	f.Add("%ff=%zz;")
	f.Fuzz(func(t *testing.T, body string) {
		r, err := http.NewRequest("POST", "/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if readForm(nil, r) != nil {
			return
		}
		// What was taken says the same when it is written and read again.
		again, err := url.ParseQuery(r.PostForm.Encode())
		if err != nil || again.Encode() != r.PostForm.Encode() || len(r.PostForm) > maxParams {
			t.Errorf("%q was taken as %q", body, r.PostForm)
		}
	})
}
