package static

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
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
		if len(raw) == 0 || !strings.Contains(sheet, string(raw)) {
			t.Errorf("%s is not in the sheet", e.Name())
		}
	}
}

// Own script and style: 60 KB at most, and the style packed within the first
// flight of packets, so that a page is painted one round trip after its HTML.
func TestSmall(t *testing.T) {
	sum := 0
	for name, f := range all().files {
		if path.Ext(name) != ".svg" {
			sum += len(f.plain)
		}
	}
	if sum > 60<<10 {
		t.Errorf("%d bytes of script and style", sum)
	}
	if n := len(all().files[Sheet].packed); n > 10<<10 {
		t.Errorf("the packed style has %d bytes", n)
	}
}

// The content policy allows nothing from elsewhere.
func TestNothingFromElsewhere(t *testing.T) {
	foreign := regexp.MustCompile(`(?i)@import|url\(|https?://|data:|eval\(|new Function|innerHTML|outerHTML|document\.write|\.style\b`)
	for name, f := range all().files {
		text := strings.ReplaceAll(string(f.plain), "http://www.w3.org/2000/svg", "")
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
