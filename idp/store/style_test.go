package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ormFiles are the files that speak to the database through gorm: it costs two to three times
// as much as a statement that is written by hand and prepared once, which is nothing where
// somebody presses a button, and a good part of a sign-in.
var ormFiles = []string{"client.go", "invitation.go", "key.go", "orm.go", "pairing.go", "tryout.go"}

// byHands are what runs a statement that is written by hand, and the texts of some.
var byHands = []string{"Exec", "Row", "Each", "Put", "Claim", "list", "update", "changeRow", "insertInto", "updateRow"}

func TestAFileHasOneStyle(t *testing.T) {
	names, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var orm []string
	hands := 0
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), ".go") || strings.HasSuffix(n.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile(n.Name())
		if err != nil {
			t.Fatal(err)
		}
		byORM, byHand, err := styles(n.Name(), text)
		if err != nil {
			t.Fatal(err)
		}
		if byORM != "" && byHand != "" {
			t.Errorf("gorm at %s, and a statement written by hand at %s", byORM, byHand)
		}
		if byORM != "" {
			orm = append(orm, n.Name())
		}
		if byHand != "" {
			hands++
		}
	}
	if !slices.Equal(orm, ormFiles) {
		t.Errorf("gorm is used in %q, and belongs in %q", orm, ormFiles)
	}
	if hands < 20 {
		t.Errorf("statements are written by hand in %d files", hands)
	}
}

func TestStylesAreSeen(t *testing.T) {
	for _, c := range []struct {
		text        string
		orm, byHand bool
	}{
		{`func f(t *tx) { t.ORM().Find(nil) }`, true, false},
		{`import "gorm.io/gorm"; func f(g *gorm.DB) { g.Find(nil) }`, true, false},
		{`import "gorm.io/gorm/clause"`, true, false},
		{`func f(t *tx) { t.Exec("DELETE FROM users") }`, false, true},
		{`func f(t *tx) { rows, _ := list[userRow](t, "SELECT 1") }`, false, true},
		{`func f(t *tx) { rows, _ := list[userRow, *userRow](t, "SELECT 1") }`, false, true},
		{`func f(t *tx) { t.in.Claim("SELECT 1", nil) }`, false, true},
		{`func f(t *tx) { t.ORM().Find(nil); t.update(updateUser, nil) }`, true, true},
		{`func f(t *tx) { t.in.Hold("x") }`, false, false},
	} {
		byORM, byHand, err := styles("x.go", []byte("package x; "+c.text))
		if err != nil {
			t.Fatal(err)
		}
		if (byORM != "") != c.orm || (byHand != "") != c.byHand {
			t.Errorf("%s: gorm %q, by hand %q", c.text, byORM, byHand)
		}
	}
}

// styles returns where a file uses gorm, and where it runs a statement written by hand: of
// each one place, and none where it does not.
func styles(name string, text []byte) (byORM, byHand string, err error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, text, 0)
	if err != nil {
		return "", "", err
	}
	for _, i := range f.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err == nil && strings.HasPrefix(p, "gorm.io/") {
			byORM = set.Position(i.Pos()).String()
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		fun := call.Fun
		switch of := fun.(type) {
		case *ast.IndexExpr:
			fun = of.X
		case *ast.IndexListExpr:
			fun = of.X
		}
		called := ""
		switch fun := fun.(type) {
		case *ast.Ident:
			called = fun.Name
		case *ast.SelectorExpr:
			called = fun.Sel.Name
		}
		at := set.Position(call.Pos()).String()
		if called == "ORM" {
			byORM = at
		}
		if slices.Contains(byHands, called) {
			byHand = at
		}
		return true
	})
	return byORM, byHand, nil
}
