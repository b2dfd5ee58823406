package serve

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Beneath serves beneath a path what next serves at the root of a host: the provider
// whose issuer is https://pacs.hospital.org/login does not know of /login anywhere but
// here. What comes in loses the path. What goes out gets it: the header Location, and
// the addresses of pages, wherever they begin with a slash; so no page can forget it.
// What is told in other ways, by JSON or a script, is made with the path by whoever
// makes it. Cookies have it, too (package page).
//
// root are addresses outside of the path that are answered all the same, with the
// address that next knows each by. All others outside are, for next, an address that
// nobody has. path is empty, or begins with a slash and does not end with one; where it
// is empty, Beneath is next itself.
func Beneath(path string, root map[string]string, next http.Handler) http.Handler {
	if path == "" {
		return next
	}
	return &beneath{path, root, next}
}

type beneath struct {
	path string
	root map[string]string
	next http.Handler
}

// nowhere is an address that no door has.
const nowhere = "/-/outside"

func (b *beneath) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := new(http.Request)
	*in = *r
	in.URL = new(url.URL)
	*in.URL = *r.URL
	in.URL.Path, in.URL.RawPath = b.inside(r.URL)
	out := &outward{ResponseWriter: w, path: b.path}
	b.next.ServeHTTP(out, in)
	out.finish()
}

// inside returns the path that next knows an address by, and its encoded form where that
// is another (url.URL.RawPath).
func (b *beneath) inside(u *url.URL) (path, raw string) {
	if to, ok := b.root[u.Path]; ok {
		return to, ""
	}
	if u.Path == b.path {
		return "/", ""
	}
	if strings.HasPrefix(u.Path, b.path+"/") && (u.RawPath == "" || strings.HasPrefix(u.RawPath, b.path+"/")) {
		return u.Path[len(b.path):], strings.TrimPrefix(u.RawPath, b.path)
	}
	return nowhere, ""
}

// outward is the answer of a handler that knows nothing of the path. A page is held until
// it is whole.
type outward struct {
	http.ResponseWriter
	path  string
	begun bool
	held  int // the status of a page that is held; 0: it is none
	page  bytes.Buffer
}

func (o *outward) WriteHeader(status int) {
	h := o.Header()
	if to := h.Get("Location"); ours(to) {
		h.Set("Location", o.path+to)
	}
	if status < 200 || o.begun {
		o.ResponseWriter.WriteHeader(status)
		return
	}
	o.begun = true
	if strings.HasPrefix(h.Get("Content-Type"), "text/html") && h.Get("Content-Encoding") == "" {
		o.held = status
		return
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *outward) Write(b []byte) (int, error) {
	if !o.begun {
		o.WriteHeader(http.StatusOK)
	}
	if o.held != 0 {
		return o.page.Write(b)
	}
	return o.ResponseWriter.Write(b)
}

// FlushError sends what was written so far, but for a page.
func (o *outward) FlushError() error {
	if !o.begun {
		o.WriteHeader(http.StatusOK)
	}
	if o.held != 0 {
		return nil
	}
	return http.NewResponseController(o.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController reach the connection.
func (o *outward) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// finish sends a page that is held.
func (o *outward) finish() {
	if o.held == 0 {
		return
	}
	page := addressed(o.page.Bytes(), o.path)
	if len(page) > 0 {
		o.Header().Set("Content-Length", strconv.Itoa(len(page)))
	}
	o.ResponseWriter.WriteHeader(o.held)
	_, _ = o.ResponseWriter.Write(page) // an error means that the browser has left
}

// ours reports whether an address begins at the root of this host: //host is another one.
func ours(address string) bool {
	return strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//")
}

// addresses are the attributes of our pages that hold addresses.
var addresses = map[string]bool{
	"href": true, "action": true, "formaction": true, "src": true, // HTML
	"data-live": true, "data-look": true, "data-logo": true, "data-logo-dark": true, // for scripts of ours
}

// addressed puts path before every address of a page that begins with a slash. Only
// markup is touched: in text and in values html/template writes a quotation mark as
// &#34;, so that nobody's name looks like an attribute.
func addressed(page []byte, path string) []byte {
	const begin = `="/`
	out := make([]byte, 0, len(page)+len(page)/8)
	for {
		i := bytes.Index(page, []byte(begin))
		if i < 0 {
			return append(out, page...)
		}
		name := page[bytes.LastIndexAny(page[:i], " \t\r\n")+1 : i]
		end := i + len(begin) - 1 // before the slash
		out = append(out, page[:end]...)
		if addresses[string(name)] && !bytes.HasPrefix(page[end:], []byte("//")) {
			out = append(out, path...)
		}
		out = append(out, '/')
		page = page[end+1:]
	}
}
