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
// is the answer to a form, or has another's name, has no query of its own. The query is escaped
// as a whole: in the page it is one opaque value, not a link.
func withQuery(r *http.Request, here, path string) string {
	if here == "" || r.URL.RawQuery == "" || len(r.URL.RawQuery) > maxBack || path != r.URL.Path || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return here
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return here
	}
	return here + "?" + url.QueryEscape(q.Encode())
}

// backTo is Place for what withQuery has made. The path is always one of ours, whoever has
// written the name; the query is encoded anew.
func (d *Door) backTo(here string) (path string, ok bool) {
	name, query, asked := strings.Cut(here, "?")
	path, ok = d.Place(name)
	if !ok || !asked {
		return path, ok
	}
	if len(query) > 3*maxBack || strings.Contains(path, "?") { // escaped, each byte may be three
		return "", false
	}
	plain, err := url.QueryUnescape(query)
	if err != nil {
		return "", false
	}
	q, err := url.ParseQuery(plain)
	if err != nil {
		return "", false
	}
	return path + "?" + q.Encode(), true
}
