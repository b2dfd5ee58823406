package words

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
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
)

func set(t *testing.T) *Set {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keysInPages returns the keys that the HTML asks for, with where.
func keysInPages(t *testing.T) map[string]string {
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
	names, err := filepath.Glob("../templates/*.html")
	if err != nil || len(names) == 0 {
		t.Fatal("pages:", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		trees := map[string]*parse.Tree{}
		page := parse.New(filepath.Base(name))
		page.Mode = parse.SkipFuncCheck
		if _, err := page.Parse(string(text), "", "", trees); err != nil {
			t.Fatal(err)
		}
		for _, tree := range trees {
			walk(tree.Root, name)
		}
	}
	return keys
}

// keysInCode returns every key that Go code names: the first argument of Say,
// what an idp.FieldError says, and, as used only, any string equal to a key.
func keysInCode(t *testing.T, s *Set) (asked, used map[string]string) {
	t.Helper()
	asked, used = map[string]string{}, map[string]string{}
	for _, dir := range []string{"../idp", "../idp/web", "../idp/login", "../idp/device", "../idp/password", "../idp/admin", "../idp/adminapi", "../idp/brand", "../idp/store", "../cmd/idp", "../templates", "."} {
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
					v, ok := text(n)
					if ok && s.Has(Reason(v)) {
						used[Reason(v)] = path
					}
					for _, end := range []string{".bad", ".many"} { // of the fields that are lists
						if ok && dir == "../idp/admin" && s.Has(Reason(v+end)) {
							used[Reason(v+end)] = path
						}
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

func TestEveryKeyThatIsUsedExists(t *testing.T) {
	s := set(t)
	asked, _ := keysInCode(t, s)
	maps.Copy(asked, keysInPages(t))
	for key, where := range asked {
		if !s.Has(Reason(key)) {
			t.Errorf("%s asks for %q, which the catalogue lacks", where, key)
		}
	}
}

// Every reason for which a verb refuses a field has words, which need nothing beside
// it; but for columns, which are named with them.
func TestEveryRefusalHasWords(t *testing.T) {
	files, err := filepath.Glob("../idp/admin/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("sources of admin: %v", err)
	}
	key := regexp.MustCompile(`"((?:user|client|text|devices|users|export|import|mail|preset|list|page|picture)\.[a-z.0-9]+)"`)
	found := 0
	for _, file := range append(files, "../idp/user.go", "../idp/store/list.go", "../idp/store/user.go", "../idp/store/devicelist.go", "../idp/store/userlist.go", "../idp/brand/picture.go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range key.FindAllStringSubmatch(string(src), -1) {
			found++
			reasons := []string{m[1]}
			if English().Has(Reason(m[1] + ".bad")) { // of a field that is a list
				reasons = []string{m[1] + ".bad", m[1] + ".many"}
			}
			for _, reason := range reasons {
				said := English().Fault("field", reason)
				columns := reason == "import.column" || reason == "import.column.twice"
				if said == "field: "+reason || strings.Contains(said, "<no value>") != columns {
					t.Errorf("%s: %s is said as %q", file, reason, said)
				}
			}
		}
	}
	if found < 80 {
		t.Errorf("only %d reasons found; the pattern no longer fits the sources", found)
	}
	if got := English().Fault("heading", "import.column", "Names", "emial (email?)"); got != "heading: The first line names columns that there are not: emial (email?)" {
		t.Error(got)
	}
	if got := English().Fault("x", "no.such"); got != "x: no.such" {
		t.Error(got)
	}
}

func TestEveryKeyThatExistsIsUsed(t *testing.T) {
	s := set(t)
	_, used := keysInCode(t, s)
	maps.Copy(used, keysInPages(t))
	for _, key := range s.Keys() {
		if used[key] == "" {
			t.Errorf("nothing says %q", key)
		}
	}
}

// What a phone shows of a push reads the same whether the app shows it, in words of its
// own, or the phone by itself.
func TestPushesReadAsInTheApp(t *testing.T) {
	line := regexp.MustCompile(`(?m)^  '(push\.[a-z.]+)': '(.*)',$`)
	for _, lang := range Known() {
		app, err := os.ReadFile("../static/app/words." + lang + ".js")
		if err != nil {
			t.Fatal(err)
		}
		has := map[string]string{}
		for _, m := range line.FindAllStringSubmatch(string(app), -1) {
			has[m[1]] = m[2]
		}
		here := set(t).In(lang)
		n := 0
		for _, key := range set(t).Keys() {
			if !strings.HasPrefix(key, "push.") {
				continue
			}
			n++
			if said, ok := here.Fixed(key); !ok || said != has[key] {
				t.Errorf("%s in %s is %q, in the app %q", key, lang, said, has[key])
			}
		}
		if n != 7 {
			t.Errorf("%d sentences of pushes", n)
		}
	}
}

// The keys of every catalogue stand in order, each once.
func TestCataloguesAreInOrder(t *testing.T) {
	for _, lang := range Known() {
		keysInOrder(t, lang)
	}
}

func keysInOrder(t *testing.T, lang string) {
	t.Helper()
	raw, err := catalogues.ReadFile(fileOf(lang))
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
			t.Errorf("%s: %q twice", lang, k)
		}
		seen[k] = true
	}
	if !slices.IsSorted(keys) {
		for i := 1; i < len(keys); i++ {
			if keys[i] < keys[i-1] {
				t.Errorf("%s: %q stands after %q", lang, keys[i], keys[i-1])
			}
		}
	}
}

func TestWords(t *testing.T) {
	c := English()
	for _, is := range []struct {
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
		got, err := c.Text(is.key, is.args...)
		if err != nil || got != is.want {
			t.Errorf("%s: %q, %v; want %q", is.key, got, err, is.want)
		}
	}
	if _, err := c.Text("no.such.key"); err == nil {
		t.Error("a missing key was said")
	}
	if _, err := c.Text("continue", "odd"); err == nil {
		t.Error("an odd number of arguments was taken")
	}
	if got, err := c.Say(Message{}); got != "" || err != nil {
		t.Errorf("the zero message says %q, %v", got, err)
	}
}

func TestRichSetsNamesApart(t *testing.T) {
	c := English()
	for _, is := range []struct {
		name string
		app  string
		want []Part
	}{
		{"plain", "Viewer", []Part{{"Sign in to ", false}, {"Viewer", true}}},
		{"empty", "", []Part{{"Sign in to ", false}}},
		{"marks in the name", "a\uE001b\uE000c", []Part{{"Sign in to ", false}, {"a", true}, {"b", false}, {"c", true}}},
	} {
		got, err := c.Rich("password.title", "App", is.app)
		if err != nil || !reflect.DeepEqual(got, is.want) {
			t.Errorf("%s: %v, %v; want %v", is.name, got, err, is.want)
		}
	}
}
