package templates

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"hilum/idp/serve"
)

// Every address of every page in every state is beneath the path of an issuer that has
// one: an attribute that serve.Beneath does not know leads out of it.
func TestAddressesAreBeneathAPath(t *testing.T) {
	s, path := set(t), "/a/login"
	rooted := regexp.MustCompile(`\s([a-z-]+)="(/[^"]*)"`)
	said := map[string]bool{"value": true, "title": true, "placeholder": true, "alt": true, "aria-label": true, "data-label": true, "data-copy-text": true}
	n := 0
	for _, e := range examples() {
		page := render(t, s, e.page)
		w := httptest.NewRecorder()
		serve.Beneath(path, nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if _, err := io.WriteString(w, page); err != nil {
				t.Error(err)
			}
		})).ServeHTTP(w, httptest.NewRequest("GET", path+"/", nil))
		for _, m := range rooted.FindAllStringSubmatch(w.Body.String(), -1) {
			if n++; !said[m[1]] && !strings.HasPrefix(m[2], path+"/") {
				t.Errorf("%s: %s", e.name, m[0])
			}
		}
	}
	if n < 500 {
		t.Errorf("%d addresses were found", n)
	}
}
