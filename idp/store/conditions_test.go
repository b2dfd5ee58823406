package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// gorm leaves zero values out of a condition that is a struct or a map: one for the
// session of "" would fit any session. Conditions are text, or come from what makes text;
// linting forbids the methods that take no text at all.
func TestConditionsAreText(t *testing.T) {
	names, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), ".go") || strings.HasSuffix(n.Name(), "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, n.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			at := map[string]int{"Where": 0, "Take": 1, "Find": 1, "Delete": 1}
			first, ok := at[sel.Sel.Name]
			if !ok || first >= len(call.Args) {
				return true
			}
			seen++
			arg := call.Args[first]
			for {
				if u, ok := arg.(*ast.UnaryExpr); ok {
					arg = u.X
					continue
				}
				break
			}
			switch arg := arg.(type) {
			case *ast.BasicLit, *ast.Ident, *ast.BinaryExpr, *ast.CallExpr:
			default:
				t.Errorf("%s: a condition of %s is a %T", set.Position(call.Pos()), sel.Sel.Name, arg)
			}
			return true
		})
	}
	if seen < 15 {
		t.Errorf("%d conditions", seen)
	}
}
