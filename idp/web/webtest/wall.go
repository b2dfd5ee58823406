package webtest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Wall stands around a provider whose issuer is origin with a path, and sees that nothing
// that it says leaves the path: addresses of pages, redirects, cookies, and texts that
// name the host. A browser in front of it knows nothing of the path: what is written for
// a provider at the root of a host can be asked through it.
func Wall(t testing.TB, origin, path string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, path+"/") {
			r.URL.Path = path + r.URL.Path
			if r.URL.RawPath != "" {
				r.URL.RawPath = path + r.URL.RawPath
			}
		}
		in := httptest.NewRecorder()
		h.ServeHTTP(in, r)
		what := r.Method + " " + r.URL.Path
		Within(t, what, origin, path, in.Result(), in.Body.String())
		head := w.Header()
		maps.Copy(head, in.Header())
		if to := head.Get("Location"); to != "" {
			head.Set("Location", without(to, origin, path))
		}
		for i, c := range head["Set-Cookie"] {
			head["Set-Cookie"][i] = strings.Replace(c, "Path="+path, "Path=/", 1)
		}
		body := []byte(without(in.Body.String(), origin, path))
		if head.Get("Content-Length") != "" {
			head.Set("Content-Length", strconv.Itoa(len(body)))
		}
		w.WriteHeader(in.Code)
		if _, err := w.Write(body); err != nil && r.Context().Err() == nil {
			t.Logf("%s: %v", what, err)
		}
	})
}

// without is a text as it would be without the path.
func without(text, origin, path string) string {
	return strings.NewReplacer(origin+path, origin, `="`+path+`/`, `="/`, `:"`+path+`/`, `:"/`).Replace(strings.TrimPrefix(text, path))
}

// rooted matches an attribute whose value begins at the root of a host.
var rooted = regexp.MustCompile(`\s([a-z-]+)="(/[^"]*)"`)

// said are attributes that hold what is said, and no address.
var said = map[string]bool{"value": true, "title": true, "placeholder": true, "alt": true, "content": true, "aria-label": true, "data-label": true, "data-copy-text": true}

// Within sees that an answer does not leave the path of an issuer.
func Within(t testing.TB, what, origin, path string, res *http.Response, body string) {
	t.Helper()
	beneath := func(address string) bool { return address == path || strings.HasPrefix(address, path+"/") }
	if to := res.Header.Get("Location"); strings.HasPrefix(to, "/") && !beneath(to) {
		t.Errorf("%s leads out of %s, to %q", what, path, to)
	}
	for _, c := range res.Cookies() {
		if c.Path != path {
			t.Errorf("%s sets the cookie %s for %q", what, c.Name, c.Path)
		}
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		for _, m := range rooted.FindAllStringSubmatch(body, -1) {
			if !said[m[1]] && !beneath(m[2]) {
				t.Errorf("%s has an address outside of %s: %s", what, path, m[0])
			}
		}
	}
	for _, text := range append([]string{body}, res.Header["Location"]...) {
		for rest := text; ; {
			_, after, found := strings.Cut(rest, origin)
			if !found {
				break
			}
			if rest = after; !strings.HasPrefix(after, path) && !strings.HasPrefix(after, strings.ReplaceAll(path, "/", "%2F")) {
				t.Errorf("%s names the host without %s: …%.60s", what, path, origin+after)
			}
		}
	}
}
