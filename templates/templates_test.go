package templates

import (
	"bytes"
	"compress/gzip"
	"html"
	"html/template"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jba/templatecheck"

	"hilum/static"
)

func set(t *testing.T) *Set {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func render(t *testing.T, s *Set, p Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Render(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryPageFitsItsType(t *testing.T) {
	pages, err := set(t).html("en")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Pages() {
		t.Run(p.file(), func(t *testing.T) {
			tmpl := pages.Lookup(p.file() + ".html")
			if tmpl == nil {
				t.Fatal("no file of that name")
			}
			if err := templatecheck.CheckHTML(tmpl, p); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEveryFileIsAPage(t *testing.T) {
	known := map[string]bool{"layout.html": true, "desklayout.html": true}
	for _, p := range Pages() {
		known[p.file()+".html"] = true
	}
	names, err := fs.Glob(files, "*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !known[name] {
			t.Errorf("%s is filled from no type", name)
		}
	}
}

func TestEveryPageHasAnExample(t *testing.T) {
	missing := map[string]bool{}
	for _, p := range Pages() {
		missing[p.file()] = true
	}
	for _, e := range examples() {
		delete(missing, e.page.file())
	}
	for name := range missing {
		t.Errorf("no example of %s", name)
	}
}

// What a clinician must never read, whatever the state of a page.
var unsaid = []*regexp.Regexp{
	regexp.MustCompile(`\b2FA\b`),
	regexp.MustCompile(`\bOTP\b`),
	regexp.MustCompile(`\bMFA\b`),
	regexp.MustCompile(`(?i)\btokens?\b`),
	regexp.MustCompile(`(?i)\bplease\b`),
	regexp.MustCompile(`(?i)\binvalid\b`),
	regexp.MustCompile(`(?i)\bunauthori[sz]ed\b`),
	regexp.MustCompile(`(?i)\bOIDC|OAuth|OpenID|redirect_uri|client_id\b`),
	regexp.MustCompile(`!`),
	regexp.MustCompile(`ZgotmplZ`), // html/template refused a value
	regexp.MustCompile(`<no value>`),
	regexp.MustCompile(`\{\{|\}\}`),
	regexp.MustCompile("[\uE000\uE001]"),
}

// Pages where administrators connect an application call what it receives by
// the name that the application has for it.
var (
	protocolPages = regexp.MustCompile(`^admin-(try|tried|told|tell|app-form|registration)`)
	protocolWords = regexp.MustCompile(`\b(ID|Access|Refresh|access|refresh) tokens?\b|\b(openid|client_id)\b`)
)

func TestPagesSayNothingTheyMustNot(t *testing.T) {
	s := set(t)
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			html := render(t, s, e.page)
			for _, text := range texts(html) {
				if protocolPages.MatchString(e.name) {
					text = protocolWords.ReplaceAllString(text, "")
				}
				for _, re := range unsaid {
					if re.MatchString(text) {
						t.Errorf("says %q (%s)", text, re)
					}
				}
			}
			if strings.Contains(html, "ZgotmplZ") {
				t.Error("a value was refused by html/template")
			}
			for _, inline := range []string{" style=", "<style", "javascript:", "data:"} {
				if strings.Contains(strings.ToLower(html), inline) {
					t.Errorf("holds %q, which the content policy forbids", inline)
				}
			}
			if regexp.MustCompile(`(?i)<[a-z][^>]*\son[a-z]+=`).MatchString(html) {
				t.Error("holds an inline handler")
			}
			if regexp.MustCompile(`<script(?:\s+type="module")?\s*>`).MatchString(html) {
				t.Error("holds an inline script")
			}
		})
	}
}

// Every page is a whole document: one title, one first heading, labels for
// what is typed, and every id once, so that tests and people find their way.
func TestPagesAreWhole(t *testing.T) {
	s := set(t)
	ids := regexp.MustCompile(`\sid="([^"]*)"`)
	input := regexp.MustCompile(`<input[^>]*>`)
	refs := regexp.MustCompile(`\s(?:for|aria-describedby|aria-labelledby|data-show|data-caps|data-copy|data-dialog)="([^"]*)"`)
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			html := render(t, s, e.page)
			for _, once := range []string{"<!doctype html>", "<title>", "</title>", "<h1", "<main", "</main>", "</body>", "</html>"} {
				if n := strings.Count(html, once); n != 1 {
					t.Errorf("%s stands there %d times", once, n)
				}
			}
			seen := map[string]bool{}
			for _, m := range ids.FindAllStringSubmatch(html, -1) {
				if seen[m[1]] && e.name != "devices-full" { // its five are copies of one
					t.Errorf("id %q twice", m[1])
				}
				seen[m[1]] = true
			}
			for _, m := range refs.FindAllStringSubmatch(html, -1) {
				for id := range strings.FieldsSeq(m[1]) {
					if !seen[id] {
						t.Errorf("speaks of id %q, which is not there", id)
					}
				}
			}
			for _, tag := range input.FindAllString(html, -1) {
				id := ids.FindStringSubmatch(tag)
				switch {
				case strings.Contains(tag, `type="hidden"`), strings.Contains(tag, `tabindex="-1"`):
				case id == nil || !strings.Contains(html, `for="`+id[1]+`"`):
					t.Errorf("no label for %s", tag)
				}
			}
			if strings.Contains(html, `role="alert"`) && !strings.Contains(html, "autofocus") {
				t.Error("something is wrong and focus does not go there")
			}
			open := regexp.MustCompile(`<(form|fieldset|details|ul|ol|dl|dialog|p|div|a|button|summary|label|span|b|h1|h2)[\s>]`).FindAllStringSubmatch(html, -1)
			balance := map[string]int{}
			for _, m := range open {
				balance[m[1]]++
			}
			for tag, n := range balance {
				if closed := strings.Count(html, "</"+tag+">"); closed != n {
					t.Errorf("%d <%s> and %d ends", n, tag, closed)
				}
			}
		})
	}
}

func TestHostileNamesAreData(t *testing.T) {
	html := render(t, set(t), Password{ID: "X", App: `<img src=x onerror="y">`, UserName: `"><script>`, Frame: Frame{Site: `</title><script>`, Theme: `"><x`, Here: `"><x`}})
	for _, bad := range []string{"<img", "<script>", `"><x`, "</title><"} {
		if strings.Contains(html, bad) {
			t.Errorf("%q got through", bad)
		}
	}
}

// The sign-in pages fit the first flight of packets together with the style.
func TestPagesAreSmall(t *testing.T) {
	s := set(t)
	for _, e := range examples() {
		if n := len(render(t, s, e.page)); n > 12<<10 && e.name != "devices-full" {
			t.Errorf("%s has %d bytes", e.name, n)
		}
	}
}

var (
	assets  = regexp.MustCompile(`(?:src|href)="(/static/[^"]+\.(?:js|css))"`)
	imports = regexp.MustCompile(`(?:from|import)\s*"\./([\w.-]+\.js)"|(?:from|import)\s*'\./([\w.-]+\.js)'`)
)

// sent returns what a file of ours weighs as it is written and as it is sent.
func sent(t *testing.T, path string) (plain string, packed int) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	whole := httptest.NewRecorder()
	static.Handler().ServeHTTP(whole, r)
	r.Header.Set("Accept-Encoding", "gzip")
	small := httptest.NewRecorder()
	static.Handler().ServeHTTP(small, r)
	if whole.Code != http.StatusOK || small.Code != http.StatusOK {
		t.Fatalf("%s: %d", path, whole.Code)
	}
	return whole.Body.String(), small.Body.Len()
}

// No page has more than 60 KB of script and style of its own, with all that its scripts
// import; a page of a sign-in is sent with all that belongs to it in 20 KB, its HTML packed
// as a proxy does.
func TestPagesWeighLittle(t *testing.T) {
	s := set(t)
	heaviest := map[bool]int{}
	for _, e := range examples() {
		if strings.HasPrefix(e.name, "app") {
			continue // looked at in package static
		}
		html := render(t, s, e.page)
		sum, packed, seen := 0, zipped(t, html), map[string]bool{}
		var add func(path string)
		add = func(path string) {
			if seen[path] {
				return
			}
			seen[path] = true
			plain, small := sent(t, path)
			sum, packed = sum+len(plain), packed+small
			if strings.HasSuffix(path, ".js") {
				for _, m := range imports.FindAllStringSubmatch(plain, -1) {
					add(path[:strings.LastIndex(path, "/")+1] + m[1] + m[2])
				}
			}
		}
		for _, m := range assets.FindAllStringSubmatch(html, -1) {
			add(m[1])
		}
		if len(seen) < 2 {
			t.Errorf("%s: script and style were not found: %v", e.name, seen)
		}
		if sum > 60<<10 {
			t.Errorf("%s has %d bytes of script and style", e.name, sum)
		}
		signIn := false
		switch e.page.(type) {
		case Password, Factor, First, Consent:
			signIn = true
		}
		if signIn && packed > 20<<10 {
			t.Errorf("%s is sent in %d bytes", e.name, packed)
		}
		if signIn {
			heaviest[true] = max(heaviest[true], packed)
		}
		heaviest[false] = max(heaviest[false], sum)
	}
	t.Logf("a page has %d bytes of script and style at most, one of a sign-in is sent in %d", heaviest[false], heaviest[true])
}

// zipped is how many bytes a text has in gzip.
func zipped(t *testing.T, text string) int {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Len()
}

// texts returns what a person reads or hears of a page: text, and the
// attributes that are spoken or shown.
func texts(html string) []string {
	var found []string
	attr := regexp.MustCompile(`\s(title|aria-label|placeholder|alt|data-done|data-label)="([^"]*)"`)
	for html != "" {
		text, rest, ok := strings.Cut(html, "<")
		if s := strings.TrimSpace(text); s != "" {
			found = append(found, s)
		}
		if !ok {
			break
		}
		tag, after, _ := strings.Cut(rest, ">")
		for _, m := range attr.FindAllStringSubmatch(" "+tag, -1) {
			found = append(found, m[2])
		}
		html = after
	}
	return found
}

// What remains of a file when its actions are taken out holds no word that a
// person could read: every sentence comes from the catalogue.
func TestNoWordsOutsideTheCatalogue(t *testing.T) {
	names, _ := fs.Glob(files, "*.html")
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		bare := regexp.MustCompile(`(?s)\{\{.*?\}\}`).ReplaceAllString(string(raw), "")
		for _, text := range texts(bare) {
			if regexp.MustCompile(`\p{L}`).MatchString(text) {
				t.Errorf("%s says %q by itself", name, text)
			}
		}
	}
}

func TestNoWordsOutsideTheCatalogueSeesThem(t *testing.T) {
	got := texts(`<p title="a b">text<input placeholder="c"></p><img alt="d"><b aria-label="e">`)
	if want := []string{"a b", "text", "c", "d", "e"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Baking changes the price of a page, not what it says.
func TestBakingChangesNothing(t *testing.T) {
	baked := set(t)
	plain, err := parsePages(baked.In("en"))
	if err != nil {
		t.Fatal(err)
	}
	unbaked := &Set{Set: baked.Set, pages: map[string]pages{"en": func() (*template.Template, error) { return plain, nil }}}
	for _, e := range examples() {
		if html.UnescapeString(render(t, baked, e.page)) != html.UnescapeString(render(t, unbaked, e.page)) {
			t.Errorf("%s differs", e.name)
		}
	}
}

func BenchmarkPassword(b *testing.B) {
	s, err := New()
	if err != nil {
		b.Fatal(err)
	}
	p := Password{Frame: Frame{Site: "Imaging", Here: "login:X"}, ID: "X", App: "Viewer", Cancel: true}
	var buf bytes.Buffer
	for b.Loop() {
		buf.Reset()
		if err := s.Render(&buf, p); err != nil {
			b.Fatal(err)
		}
	}
}
