// Package static holds style, scripts and pictures. Every path carries a
// digest of all files, so a page never mixes versions and browsers keep what
// they have for a year.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed css js img
var embedded embed.FS

// layers is the order in which the style is put together: one sheet, so that
// the first page is painted after one more round trip.
var layers = []string{"tokens", "base", "door", "form", "code", "device", "account", "codes", "print"}

// Sheet is the whole style, as Path takes it.
const Sheet = "css/hilum.css"

type file struct {
	kind   string // Content-Type
	plain  []byte
	packed []byte // gzip, nil where it does not pay
}

type bundle struct {
	digest string
	files  map[string]file
}

// all is made at first use, from embedded files only.
var all = sync.OnceValue(func() *bundle {
	b := &bundle{files: map[string]file{}}
	var sheet bytes.Buffer
	for _, name := range layers {
		raw, err := embedded.ReadFile("css/" + name + ".css")
		if err != nil {
			panic(err) // the program was built wrong; a test finds it
		}
		sheet.Write(raw)
	}
	b.add(Sheet, sheet.Bytes())
	for _, dir := range []string{"js", "img"} {
		entries, err := fs.ReadDir(embedded, dir)
		if err != nil {
			panic(err)
		}
		for _, e := range entries {
			raw, err := embedded.ReadFile(path.Join(dir, e.Name()))
			if err != nil {
				panic(err)
			}
			b.add(path.Join(dir, e.Name()), raw)
		}
	}
	sum := sha256.New()
	for _, name := range b.names() {
		sum.Write([]byte(name))
		sum.Write([]byte{0})
		sum.Write(b.files[name].plain)
		sum.Write([]byte{0})
	}
	b.digest = hex.EncodeToString(sum.Sum(nil))[:16]
	return b
})

func (b *bundle) names() []string {
	var names []string
	for name := range b.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (b *bundle) add(name string, raw []byte) {
	kinds := map[string]string{
		".css": "text/css; charset=utf-8",
		".js":  "text/javascript; charset=utf-8",
		".svg": "image/svg+xml",
	}
	f := file{kind: kinds[path.Ext(name)], plain: raw}
	var buf bytes.Buffer
	z, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression) // the level is valid
	_, _ = z.Write(raw)                                     // a buffer takes everything
	_ = z.Close()
	if buf.Len() < len(raw)*9/10 {
		f.packed = buf.Bytes()
	}
	b.files[name] = f
}

// Path returns the URL path of a file, such as "js/code.js". It panics on a
// name that is not there: names are constants of the pages.
func Path(name string) string {
	b := all()
	if _, ok := b.files[name]; !ok {
		panic("static: no file " + name)
	}
	return "/static/" + b.digest + "/" + name
}

// Names lists all files, as Path takes them.
func Names() []string { return all().names() }

// Handler serves the files under /static/. A path of another version is not
// found rather than answered with this version's bytes.
func Handler() http.Handler {
	b := all()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		name, ours := strings.CutPrefix(r.URL.Path, "/static/"+b.digest+"/")
		f, ok := b.files[name]
		if !ours || !ok {
			h.Set("Cache-Control", "no-store")
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Content-Type", f.kind)
		body := f.plain
		if f.packed != nil {
			h.Set("Vary", "Accept-Encoding")
			if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				h.Set("Content-Encoding", "gzip")
				body = f.packed
			}
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		if r.Method == http.MethodHead {
			return
		}
		w.Write(body)
	})
}
