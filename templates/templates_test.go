package templates

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"html/template"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/jba/templatecheck"
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
	pages, err := set(t).html()
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
	protocolPages = regexp.MustCompile(`^admin-(try|tried|told|tell|app-form)`)
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
				for _, id := range strings.Fields(m[1]) {
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
		raw, err := files.ReadFile(name)
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

// keysInPages returns the keys that the HTML asks for, with where.
func keysInPages(t *testing.T, s *Set) map[string]string {
	t.Helper()
	keys := map[string]string{}
	var walk func(n parse.Node, file string)
	walk = func(n parse.Node, file string) {
		switch n := n.(type) {
		case *parse.ListNode:
			if n != nil {
				for _, c := range n.Nodes {
					walk(c, file)
				}
			}
		case *parse.ActionNode:
			walk(n.Pipe, file)
		case *parse.IfNode:
			walk(n.Pipe, file)
			walk(n.List, file)
			walk(n.ElseList, file)
		case *parse.RangeNode:
			walk(n.Pipe, file)
			walk(n.List, file)
			walk(n.ElseList, file)
		case *parse.WithNode:
			walk(n.Pipe, file)
			walk(n.List, file)
			walk(n.ElseList, file)
		case *parse.TemplateNode:
			walk(n.Pipe, file)
		case *parse.PipeNode:
			if n != nil {
				for _, c := range n.Cmds {
					walk(c, file)
				}
			}
		case *parse.CommandNode:
			if id, ok := n.Args[0].(*parse.IdentifierNode); ok && (id.Ident == "t" || id.Ident == "rich") {
				key, ok := n.Args[1].(*parse.StringNode)
				if !ok {
					t.Errorf("%s: %s: the key has to be written out", file, n)
					return
				}
				keys[key.Text] = file
			}
			for _, a := range n.Args {
				walk(a, file)
			}
		}
	}
	pages, err := parsePages(s.words) // as written, nothing baked in
	if err != nil {
		t.Fatal(err)
	}
	for _, tmpl := range pages.Templates() {
		if tmpl.Tree != nil {
			walk(tmpl.Tree.Root, tmpl.Name())
		}
	}
	return keys
}

// keysInCode returns every key that Go code names: the first argument of Say,
// what an idp.FieldError says, and, as used only, any string equal to a key.
func keysInCode(t *testing.T, s *Set) (asked, used map[string]string) {
	t.Helper()
	asked, used = map[string]string{}, map[string]string{}
	for _, dir := range []string{"../idp", "../idp/web", "../idp/login", "../idp/device", "../idp/password", "../idp/admin", "../idp/brand", "../templates"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if filepath.Ext(e.Name()) != ".go" || strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			path := filepath.Join(dir, e.Name())
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			text := func(x ast.Expr) (string, bool) {
				lit, ok := x.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return "", false
				}
				v, err := strconv.Unquote(lit.Value)
				return v, err == nil
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BasicLit:
					if v, ok := text(n); ok && s.Has(v) {
						used[v] = path
					}
				case *ast.CallExpr:
					if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Say" && len(n.Args) > 0 {
						if v, ok := text(n.Args[0]); ok {
							asked[v] = path
						}
					}
				case *ast.CompositeLit:
					name := ""
					switch x := n.Type.(type) {
					case *ast.Ident:
						name = x.Name
					case *ast.SelectorExpr:
						name = x.Sel.Name
					}
					if name != "FieldError" {
						return true
					}
					last := n.Elts[len(n.Elts)-1]
					if kv, ok := last.(*ast.KeyValueExpr); ok {
						last = kv.Value
					}
					if v, ok := text(last); ok {
						asked[v] = path
					}
				}
				return true
			})
		}
	}
	return asked, used
}

// What only a command, or a request that no page makes, can get wrong: it never
// reaches a page. What ends in a dot is all below it.
var commandOnly = []string{"user.staff.bad", "client.", "preset.", "export.format", "devices.count", "users.count"}

func onlyByCommand(key string) bool {
	return slices.ContainsFunc(commandOnly, func(c string) bool { return key == c || strings.HasSuffix(c, ".") && strings.HasPrefix(key, c) })
}

func TestEveryKeyThatIsUsedExists(t *testing.T) {
	s := set(t)
	asked, _ := keysInCode(t, s)
	maps.Copy(asked, keysInPages(t, s))
	for key, where := range asked {
		if !s.Has(key) && !onlyByCommand(key) {
			t.Errorf("%s asks for %q, which the catalogue lacks", where, key)
		}
	}
}

func TestEveryKeyThatExistsIsUsed(t *testing.T) {
	s := set(t)
	_, used := keysInCode(t, s)
	maps.Copy(used, keysInPages(t, s))
	for _, key := range s.Keys() {
		if used[key] == "" {
			t.Errorf("nothing says %q", key)
		}
	}
}

func TestCatalogueIsInOrder(t *testing.T) {
	raw, err := catalogues.ReadFile("active.en.json")
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	var keys []string
	depth := 0
	for isKey := true; ; {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		switch v := tok.(type) {
		case json.Delim:
			if v == '{' {
				depth++
			} else {
				depth--
			}
			isKey = true
		case string:
			if depth == 1 && isKey {
				keys = append(keys, v)
			}
			isKey = !isKey
		}
	}
	seen := map[string]bool{}
	for _, k := range keys {
		if seen[k] {
			t.Errorf("%q twice", k)
		}
		seen[k] = true
	}
	if !slices.IsSorted(keys) {
		for i := 1; i < len(keys); i++ {
			if keys[i] < keys[i-1] {
				t.Errorf("%q stands after %q", keys[i], keys[i-1])
			}
		}
	}
}

func TestWords(t *testing.T) {
	w := set(t).words
	for _, c := range []struct {
		key  string
		args []any
		want string
	}{
		{"continue", nil, "Continue"},
		{"password.title", []any{"App", "Viewer"}, "Sign in to Viewer"},
		{"toomany.seconds", []any{"N", 1}, "This was tried too often. Try again in 1 second."},
		{"toomany.seconds", []any{"N", 8}, "This was tried too often. Try again in 8 seconds."},
		{"admin.import.line", []any{"N", 1}, "Line 1"},
		{"password.title", []any{"App", "{{.Site}}"}, "Sign in to {{.Site}}"},
	} {
		got, err := w.text(c.key, c.args...)
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.key, got, err, c.want)
		}
	}
	if _, err := w.text("no.such.key"); err == nil {
		t.Error("a missing key was said")
	}
	if _, err := w.text("continue", "odd"); err == nil {
		t.Error("an odd number of arguments was taken")
	}
	if got, err := w.say(Message{}); got != "" || err != nil {
		t.Errorf("the zero message says %q, %v", got, err)
	}
}

func TestRichSetsNamesApart(t *testing.T) {
	w := set(t).words
	for _, c := range []struct {
		name string
		app  string
		want []Part
	}{
		{"plain", "Viewer", []Part{{"Sign in to ", false}, {"Viewer", true}}},
		{"empty", "", []Part{{"Sign in to ", false}}},
		{"marks in the name", "a\uE001b\uE000c", []Part{{"Sign in to ", false}, {"a", true}, {"b", false}, {"c", true}}},
	} {
		got, err := w.rich("password.title", "App", c.app)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}

// Baking changes the price of a page, not what it says.
func TestBakingChangesNothing(t *testing.T) {
	baked := set(t)
	plain, err := parsePages(baked.words)
	if err != nil {
		t.Fatal(err)
	}
	unbaked := &Set{sheet: &sheet{html: func() (*template.Template, error) { return plain, nil }, words: baked.words}}
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
