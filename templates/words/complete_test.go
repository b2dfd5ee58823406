package words

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// TestCatalogues holds the catalogues to one another, and to those who say what is in
// them: every key in every language, in order, with the placeholders and the plural
// forms of English; what is said is there, and what is there is said.
func TestCatalogues(t *testing.T) {
	s := set(t)
	asked, used := keysInCode(t, s)
	pages := keysInPages(t)
	maps.Copy(asked, pages)
	maps.Copy(used, pages)
	maps.Copy(used, keysOfTheApp(t))
	t.Run("every language is whole", func(t *testing.T) {
		for _, lang := range Known() {
			for _, f := range faults(t, catalogues, lang) {
				t.Errorf("%s: %s", lang, f)
			}
		}
	})
	t.Run("keys are in order", func(t *testing.T) {
		for _, lang := range Known() {
			keysInOrder(t, lang)
		}
	})
	t.Run("what is said is there", func(t *testing.T) {
		for key, where := range asked {
			if !s.Has(Reason(key)) {
				t.Errorf("%s asks for %q, which the catalogue lacks", where, key)
			}
		}
	})
	t.Run("what is there is said", func(t *testing.T) {
		for _, key := range s.Keys() {
			if used[key] == "" {
				t.Errorf("nothing says %q", key)
			}
		}
	})
	t.Run("every refusal has words", everyRefusalHasWords)
}

// sentences are those of a catalogue, each by its plural forms; "other" alone
// where there is but one.
func sentences(t *testing.T, files fs.FS, lang string) map[string]map[string]string {
	t.Helper()
	raw, err := fs.ReadFile(files, fileOf(lang))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]string{}
	for key, v := range all {
		out[key] = map[string]string{}
		switch v := v.(type) {
		case string:
			out[key]["other"] = v
		case map[string]any:
			for form, text := range v {
				out[key][form] = text.(string)
			}
		}
	}
	return out
}

var placeholder = regexp.MustCompile(`\{\{[^}]*\}\}`)

func placeholders(text string) []string {
	found := placeholder.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

var formNames = map[plural.Form]string{plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other"}

// formsOf are the plural forms that numbers up to a thousand have in a language.
func formsOf(lang string) []string {
	var forms []string
	for n := range 1001 {
		f := formNames[plural.Cardinal.MatchPlural(language.Make(lang), n, 0, 0, 0, 0)]
		if !slices.Contains(forms, f) {
			forms = append(forms, f)
		}
	}
	return forms
}

// faults says what of a catalogue is not as English has it.
func faults(t *testing.T, files fs.FS, lang string) []string {
	t.Helper()
	want, got := sentences(t, files, english), sentences(t, files, lang)
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for key, in := range want {
		of, ok := got[key]
		if !ok {
			say("%s is missing", key)
			continue
		}
		if len(in) == 1 && len(of) > 1 {
			say("%s has plural forms", key)
		}
		if len(in) > 1 {
			for _, form := range formsOf(lang) {
				if of[form] == "" {
					say("%s has no form %q", key, form)
				}
			}
		}
		for form, text := range of {
			have, need := placeholders(text), placeholders(in["other"])
			if form != "other" { // «one device» need not name the number
				have = slices.DeleteFunc(have, func(p string) bool { return !slices.Contains(need, p) })
				need = slices.DeleteFunc(need, func(p string) bool { return !slices.Contains(placeholders(in["one"]), p) && !slices.Contains(have, p) })
			}
			if strings.TrimSpace(text) == "" || !slices.Equal(have, need) {
				say("%s, form %q, has %q where English has %q", key, form, have, need)
			}
		}
	}
	for key := range got {
		if want[key] == nil {
			say("%s is not said in English", key)
		}
	}
	slices.Sort(out)
	return out
}

func keysInOrder(t *testing.T, lang string) {
	t.Helper()
	raw, err := fs.ReadFile(catalogues, fileOf(lang))
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
	names, err := filepath.Glob("../*.html")
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
	for _, dir := range []string{"../../idp", "../../idp/web", "../../idp/web/page", "../../idp/web/desk", "../../idp/login", "../../idp/device", "../../idp/password", "../../idp/admin", "../../idp/adminapi", "../../idp/brand", "../../idp/store", "../../idp/store/find", "../../cmd/idp", "..", "."} {
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
						if ok && dir == "../../idp/admin" && s.Has(Reason(v+end)) {
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

// Every reason for which a verb refuses a field has words, which need nothing beside
// it; but for columns, which are named with them.
func everyRefusalHasWords(t *testing.T) {
	files, err := filepath.Glob("../../idp/admin/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("sources of admin: %v", err)
	}
	key := regexp.MustCompile(`"((?:user|client|text|devices|users|export|import|mail|preset|list|page|picture)\.[a-z.0-9]+)"`)
	found := 0
	for _, file := range append(files, "../../idp/user.go", "../../idp/store/find/find.go", "../../idp/store/find/turn.go", "../../idp/store/user.go", "../../idp/store/devicelist.go", "../../idp/store/userlist.go", "../../idp/brand/picture.go") {
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

// keysOfTheApp returns the keys that the phone app's scripts are made of; that the app
// says each of them, a test of package static sees.
func keysOfTheApp(t *testing.T) map[string]string {
	t.Helper()
	used := map[string]string{}
	key := regexp.MustCompile(`(?m)^  '([a-z0-9_.]+)': `)
	for _, file := range []string{"../../static/app/words.en.js", "../../static/app/notes.en.js", "../../static/app/lock.en.js"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range key.FindAllStringSubmatch(string(raw), -1) {
			used["app."+m[1]] = file
		}
	}
	return used
}

// French has a narrow no-break space before what ends or opens a part of a sentence, so
// that no line begins with it.
func TestFrenchSpaces(t *testing.T) {
	broken := regexp.MustCompile(`[ \x{A0}][:;!?»](\s|$)|\pL[;!?»](\s|$)|«[^\x{202F}]`)
	raw, err := fs.ReadFile(catalogues, fileOf("fr"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		_, said, ok := strings.Cut(strings.TrimRight(line, ",\n"), `": "`)
		if ok && broken.MatchString(strings.TrimSuffix(said, `"`)) {
			t.Error(strings.TrimSpace(line))
		}
	}
}
