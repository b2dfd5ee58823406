// Package webtest is a browser without script, before the pages of the people's door.
package webtest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"hilum/idp/serve"
	"hilum/templates"
)

// Words are the pages in every language, read once: under the race detector that takes
// a second.
var Words = sync.OnceValue(func() *templates.Set {
	s, err := templates.New()
	if err != nil {
		panic(err)
	}
	return s
})

// Reference is what the requests of a Browser are called in the log.
const Reference = "REF123"

// Serve starts a server on loopback that ends with the test. Requests reach h as they
// do behind package serve: with an id, Reference, and an address, 192.0.2.1.
func Serve(t testing.TB, h http.Handler) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(serve.With(r.Context(), &serve.Info{ID: Reference, Address: "192.0.2.1"})))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// Browser keeps cookies and follows no redirect by itself.
type Browser struct {
	testing.TB
	URL  string
	HTTP *http.Client
}

// New returns a browser before a site.
func New(t testing.TB, site string) *Browser {
	b := &Browser{TB: t, URL: site}
	b.Fresh()
	return b
}

// Fresh makes it a browser that was never here.
func (b *Browser) Fresh() {
	jar, _ := cookiejar.New(nil) // its only error is that of a list of suffixes, and there is none
	b.HTTP = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Reply is an answer that was read whole.
type Reply struct {
	*http.Response
	Body string
}

// Do sends a request.
func (b *Browser) Do(req *http.Request) Reply {
	b.Helper()
	res, err := b.HTTP.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	return Reply{res, string(body)}
}

// Get asks for a page by a link of ours.
func (b *Browser) Get(path string) Reply {
	b.Helper()
	return b.From("same-origin", http.MethodGet, path)
}

// From asks for a page as a browser does that was led there from a site, in the words
// of Sec-Fetch-Site; empty: it does not say.
func (b *Browser) From(site, method, path string) Reply {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.URL+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	if site != "" {
		req.Header.Set("Sec-Fetch-Site", site)
	}
	return b.Do(req)
}

// Post sends a form of ours; fields are names and values by turns.
func (b *Browser) Post(path string, fields ...string) Reply {
	b.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.PostRaw(path, form.Encode())
}

// PostRaw is Post for a form that is written already.
func (b *Browser) PostRaw(path, body string) Reply {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.URL+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin") // and so does what it is redirected to
	return b.Do(req)
}

// Wants checks the status and what the page says; a sentence after «not » must not be
// there.
func (b *Browser) Wants(r Reply, status int, says ...string) {
	b.Helper()
	if r.StatusCode != status {
		b.Errorf("%s %s: %d, want %d (Location %q)", r.Request.Method, r.Request.URL.Path, r.StatusCode, status, r.Header.Get("Location"))
	}
	b.Says(r.Request.Method+" "+r.Request.URL.Path, r.Body, says...)
}

// Says checks what a page says, as Wants does; of names the page in a fault.
func (b *Browser) Says(of, page string, says ...string) {
	b.Helper()
	for _, s := range says {
		if no, ok := strings.CutPrefix(s, "not "); ok {
			if strings.Contains(page, no) {
				b.Errorf("%s says %q", of, no)
			}
			continue
		}
		if !strings.Contains(page, s) {
			b.Errorf("%s does not say %q", of, s)
		}
	}
}

// Leads checks that an answer sends the browser on to a path.
func (b *Browser) Leads(r Reply, to string) {
	b.Helper()
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != to {
		b.Errorf("%s %s: %d to %q, want 303 to %q", r.Request.Method, r.Request.URL.Path, r.StatusCode, r.Header.Get("Location"), to)
	}
}
