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
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"hilum/static/source"
)

//go:embed css js img app
var embedded embed.FS

var files = source.Files(embedded, "static")

// layers is the order in which the style is put together: one sheet, so that
// the first page is painted after one more round trip.
var layers = []string{"tokens", "base", "door", "form", "code", "phones", "device", "account", "codes", "desk", "print"}

// Sheet is the whole style of the pages, AppSheet that of the phone app, as Path
// takes them.
const (
	Sheet    = "css/hilum.css"
	AppSheet = "app/app.css"
)

// appLayers are the parts of the phone app's style, in their order. It begins with parts
// of the style of the pages.
var appLayers = []string{"css/tokens.css", "css/base.css", "app/app.css"}

// decoder is the worker that reads QR codes. A worker has the content policy
// that it comes with: this one alone may run WebAssembly, and no page has to.
const (
	decoder       = "app/decode-worker.js"
	decoderPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"
)

// file is one file as it is served.
type file struct {
	kind   string // Content-Type
	plain  []byte
	packed func() []byte // gzip, made when it is wanted; nil where that saves less than a tenth
}

// bundle is all files as they are served, by name as Path takes it.
type bundle struct {
	digest string // of the names and contents of all, 16 hexadecimal digits
	files  map[string]file
}

// all is the bundle, made at first use.
var all = kept(func() *bundle {
	b := &bundle{files: map[string]file{}}
	sheet := make([]string, len(layers))
	for i, name := range layers {
		sheet[i] = "css/" + name + ".css"
	}
	b.add(Sheet, joined(sheet))
	for _, dir := range []string{"js", "img", "app"} {
		for _, name := range filesIn(dir) {
			if kindOf(name) != "" && name != worker && name != workerMade && name != AppSheet {
				b.add(name, served(name))
			}
		}
	}
	b.add(AppSheet, joined(appLayers))
	for name, size := range icons {
		b.add(name, drawIcon(size))
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

// kept calls make at first use, and keeps what it makes as long as the files stay as
// they are.
func kept[T any](make func() T) func() T {
	made := source.Kept(func() (T, error) { return make(), nil })
	return func() T {
		v, _ := made() // no error, see above
		return v
	}
}

// read returns a file of the folder static. It panics on one that is not there: that is
// a matter of building the program, and a test finds it.
func read(name string) []byte {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		panic(err)
	}
	return raw
}

// served is a file as it is sent: scripts of the folders app and js without remarks and
// indents, any other as it is.
func served(name string) []byte {
	if dir := path.Dir(name); path.Ext(name) == ".js" && (dir == "app" || dir == "js") {
		return script(name)
	}
	return read(name)
}

// spaces are what a style sheet does without: a browser reads the same. There is
// no text in ours that has any of it.
var (
	spaces = strings.NewReplacer("; }", "}", ";\n}", "}", ": ", ":", "; ", ";", " { ", "{", " {", "{", "{ ", "{", ", ", ",")
	notes  = regexp.MustCompile(`(?s)/\*.*?\*/\n?`)
)

// style is a part of a sheet as it is sent.
func style(name string) []byte {
	plain := indents.ReplaceAll(notes.ReplaceAll(read(name), nil), nil)
	return []byte(spaces.Replace(string(plain)))
}

// joined is a sheet, made of parts.
func joined(names []string) []byte {
	var buf bytes.Buffer
	for _, name := range names {
		buf.Write(style(name))
	}
	return buf.Bytes()
}

// filesIn lists the files of a folder and of those below it.
func filesIn(dir string) []string {
	var names []string
	err := fs.WalkDir(files, dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		panic(err)
	}
	return names
}

// names lists the names of all files, in order.
func (b *bundle) names() []string {
	var names []string
	for name := range b.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// kinds are the Content-Types, by ending.
var kinds = map[string]string{
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".png":  "image/png",
	".svg":  "image/svg+xml",
	".wasm": "application/wasm", // or browsers do not compile it while it arrives
}

// kindOf is the Content-Type of a file; empty: it is not served. The licences of
// others go along with what they are for.
func kindOf(name string) string {
	if strings.HasPrefix(path.Base(name), "LICENSE") {
		return "text/plain; charset=utf-8"
	}
	return kinds[path.Ext(name)]
}

// add puts a file into the bundle.
func (b *bundle) add(name string, raw []byte) {
	b.files[name] = file{kind: kindOf(name), plain: raw, packed: sync.OnceValue(func() []byte { return packed(raw) })}
}

// packed is a file under gzip; nil where that does not pay.
func packed(raw []byte) []byte {
	var buf bytes.Buffer
	z, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression) // the level is valid
	_, _ = z.Write(raw)                                     // a buffer takes everything
	_ = z.Close()
	if buf.Len() >= len(raw)*9/10 {
		return nil
	}
	return bytes.Clone(buf.Bytes()) // without the room that the buffer has made for more
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
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, h := all(), w.Header() // made by the first page, not by the start
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
		if name == decoder {
			h.Set("Content-Security-Policy", decoderPolicy)
		}
		body := f.plain
		if packed := f.packed(); packed != nil {
			h.Set("Vary", "Accept-Encoding")
			if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				h.Set("Content-Encoding", "gzip")
				body = packed
			}
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		if r.Method == http.MethodHead {
			return
		}
		w.Write(body)
	})
}
