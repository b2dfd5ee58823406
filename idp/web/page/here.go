package page

import (
	"net/http"
	"net/url"
	"strings"
)

// maxBack bounds, in bytes, the query that the switches of theme and language lead back with.
const maxBack = 2048

// withQuery is the name that the switches of theme and language of a page lead back to, with the
// query that the page was asked for with: what is in it (a code, a search, a chosen part of a
// form) stays on the page. here is the name of the page, and path is where that is; a page that
// is the answer to a form, or has another's name, has no query of its own.
func withQuery(r *http.Request, here, path string) string {
	if here == "" || r.URL.RawQuery == "" || len(r.URL.RawQuery) > maxBack || path != r.URL.Path || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return here
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return here
	}
	return here + "?" + q.Encode()
}

// backTo is Place for what withQuery has made. The path is always one of ours, whoever has
// written the name; the query is encoded anew.
func (d *Door) backTo(here string) (path string, ok bool) {
	name, query, asked := strings.Cut(here, "?")
	path, ok = d.Place(name)
	if !ok || !asked {
		return path, ok
	}
	q, err := url.ParseQuery(query)
	if err != nil || len(query) > maxBack || strings.Contains(path, "?") {
		return "", false
	}
	return path + "?" + q.Encode(), true
}
