package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, url string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestFilesAreServedForAYear(t *testing.T) {
	for _, name := range Names() {
		w := get(t, Path(name))
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: %d, %d bytes", name, w.Code, w.Body.Len())
		}
		if got := w.Header().Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
		if got := w.Header().Get("Content-Type"); got == "" || strings.HasPrefix(got, "text/html") {
			t.Errorf("%s: Content-Type %q", name, got)
		}
		if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s: nosniff is missing", name)
		}
	}
}

func TestPackedFilesAreTheSameBytes(t *testing.T) {
	plain := get(t, Path(Sheet))
	packed := get(t, Path(Sheet), "Accept-Encoding", "gzip, br")
	if packed.Header().Get("Content-Encoding") != "gzip" {
		t.Fatal("the style is not packed")
	}
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, plain.Body.Bytes()) {
		t.Error("packed and plain differ")
	}
	if plain.Header().Get("Vary") != "Accept-Encoding" || packed.Header().Get("Vary") != "Accept-Encoding" {
		t.Error("caches are not told that it varies")
	}
}

func TestAnotherVersionIsNotFound(t *testing.T) {
	digest := strings.Split(Path(Sheet), "/")[2]
	for _, url := range []string{
		"/static/0000000000000000/css/hilum.css", "/static/css/hilum.css", "/static/", "/static/" + digest + "/", "/static/" + digest + "/css/tokens.css",
		"/static/" + digest + "/static.go", "/static/" + digest + "/js/none.js",
	} {
		w := get(t, url)
		if w.Code != http.StatusNotFound || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, Cache-Control %q", url, w.Code, w.Header().Get("Cache-Control"))
		}
	}
}

func TestPathRefusesUnknownNames(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Path("js/none.js")
}

func TestEveryLayerIsInTheSheet(t *testing.T) {
	entries, err := fs.ReadDir(embedded, "css")
	if err != nil {
		t.Fatal(err)
	}
	sheet := string(all().files[Sheet].plain)
	for _, e := range entries {
		raw, _ := embedded.ReadFile(path.Join("css", e.Name()))
		if len(raw) == 0 || !strings.Contains(sheet, string(style(path.Join("css", e.Name())))) {
			t.Errorf("%s is not in the sheet", e.Name())
		}
	}
}

// A style sheet loses spaces on its way, and texts in it none of theirs.
func TestStyleKeepsItsTexts(t *testing.T) {
	quoted := regexp.MustCompile(`"[^"\n]*"|'[^'\n]*'`)
	for _, name := range append(filesIn("css"), AppSheet) {
		plain := notes.ReplaceAll(read(name), nil)
		before, after := quoted.FindAll(plain, -1), quoted.FindAll(style(name), -1)
		if !reflect.DeepEqual(before, after) {
			t.Errorf("%s: %q became %q", name, before, after)
		}
		if bytes.Count(plain, []byte("{")) != bytes.Count(style(name), []byte("{")) || bytes.Count(plain, []byte("}")) != bytes.Count(style(name), []byte("}")) {
			t.Errorf("%s: a rule is lost", name)
		}
	}
}

// The style is packed within the first flight of packets, so that a page is painted one
// round trip after its HTML. What each page weighs is looked at where pages are made
// (package templates).
func TestSmall(t *testing.T) {
	if n := len(all().files[Sheet].packed()); n > 10<<10 {
		t.Errorf("the packed style has %d bytes", n)
	}
}

// The content policy allows nothing from elsewhere.
func TestNothingFromElsewhere(t *testing.T) {
	foreign := regexp.MustCompile(`(?i)@import|[^w] url\(|:url\(|https?://|\bdata:[a-z]|eval\(|new Function|innerHTML|outerHTML|document\.write|\.style\b`)
	for name, f := range all().files {
		if path.Ext(name) == ".png" || strings.HasPrefix(name, vendored) {
			continue // names a place elsewhere that a test in a browser shows it does not go to
		}
		text := strings.NewReplacer("http://www.w3.org/2000/svg", "", "new URL(", "").Replace(string(f.plain))
		if m := foreign.FindString(text); m != "" {
			t.Errorf("%s holds %q", name, m)
		}
	}
}

// A theme redefines the palette only, and both light ones are the same.
func TestThemes(t *testing.T) {
	raw, err := embedded.ReadFile("css/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	dark, light := themes(t, string(raw))
	for name := range light {
		if dark[name] == "" {
			t.Errorf("%s is in the light theme only", name)
		}
	}
}

// themes returns the palettes of the sheet; the light one stands there twice,
// by wish of the system and by choice, and has to be the same.
func themes(t *testing.T, css string) (dark, light map[string]string) {
	t.Helper()
	value := regexp.MustCompile(`(--[a-z0-9-]+):\s*(#[0-9a-f]{3,6})`)
	read := func(block string) map[string]string {
		m := map[string]string{}
		for _, v := range value.FindAllStringSubmatch(block, -1) {
			m[v[1]] = v[2]
		}
		return m
	}
	_, rest, _ := strings.Cut(css, ":root {")
	first, rest, _ := strings.Cut(rest, "}")
	_, rest, _ = strings.Cut(rest, `:root:not([data-theme="dark"]) {`)
	second, rest, _ := strings.Cut(rest, "}")
	_, rest, _ = strings.Cut(rest, `:root[data-theme="light"] {`)
	third, _, _ := strings.Cut(rest, "}")
	dark, light = read(first), read(second)
	chosen := read(third)
	if len(dark) == 0 || len(light) == 0 || len(light) != len(chosen) {
		t.Fatalf("palettes of %d, %d and %d colours", len(dark), len(light), len(chosen))
	}
	for name, v := range light {
		if chosen[name] != v {
			t.Errorf("%s is %s by the system's wish and %s by choice", name, v, chosen[name])
		}
	}
	for name, v := range dark {
		if light[name] == "" {
			light[name] = v
		}
	}
	return dark, light
}

// vendored is where zxing-wasm lies, which others wrote.
const vendored = "app/zxing/"

// What others wrote is what they published, letter by letter, with its licences.
func TestVendored(t *testing.T) {
	summed := sums(t, vendored)
	for name, want := range summed {
		f, ok := all().files[vendored+name]
		if !ok {
			t.Errorf("%s is not served", name)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(f.plain)); got != want {
			t.Errorf("%s has the sum %s, want %s", name, got, want)
		}
	}
	for _, name := range Names() {
		if rest, ok := strings.CutPrefix(name, vendored); ok && summed[rest] == "" {
			t.Errorf("%s has no sum", name)
		}
	}
	for _, name := range []string{"LICENSE", "LICENSE.zxing-cpp", "reader/zxing_reader.wasm"} {
		if summed[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
}

// sums are those that stand beside what others wrote, by name.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(path.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		want, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			t.Fatalf("a line %q", line)
		}
		list[name] = want
	}
	return list
}

// Only the worker that decodes may run WebAssembly, and it may talk to nobody else.
func TestDecoder(t *testing.T) {
	if got := get(t, Path(vendored+"reader/zxing_reader.wasm")).Header().Get("Content-Type"); got != "application/wasm" {
		t.Errorf("WebAssembly is %q", got)
	}
	for _, name := range Names() {
		got := get(t, Path(name)).Header().Get("Content-Security-Policy")
		if want := map[string]string{decoder: decoderPolicy}[name]; got != want {
			t.Errorf("%s: Content-Security-Policy %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(string(all().files[decoder].plain), "locateFile: () => wasm") {
		t.Error("the decoder does not say where its WebAssembly lies")
	}
}

// A component is told from another by layer and selector. What overrides all of them is
// rare, and says above it why.
func TestImportantHasAReason(t *testing.T) {
	count := 0
	for _, name := range append(filesIn("css"), AppSheet) {
		before := ""
		for line := range strings.Lines(string(read(name))) {
			if line = strings.TrimSpace(line); strings.Contains(line, "!important") {
				count++
				if !strings.HasSuffix(before, "*/") {
					t.Errorf("%s: no reason above %s", name, line)
				}
			}
			before = line
		}
	}
	if count != 2 {
		t.Errorf("%d rules override all others; 2 do: hidden things stay hidden, and nothing moves for who does not want it", count)
	}
}
