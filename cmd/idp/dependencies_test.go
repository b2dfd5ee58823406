package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// floors are versions below which a module has a published fault. What it is stands
// in docs/decisions/0025-dependencies-are-known.md. SQLite itself is asked by
// TestSQLiteKeepsItsLog in idp/store.
var floors = map[string]string{
	"github.com/mattn/go-sqlite3":   "v1.14.53",
	"golang.org/x/crypto":           "v0.35.0",
	"golang.org/x/net":              "v0.38.0",
	"golang.org/x/oauth2":           "v0.27.0",
	"github.com/go-jose/go-jose/v4": "v4.0.5",
}

// known are the rows of the decision: the first cell is a module's path.
var known = regexp.MustCompile(`(?m)^\| ([a-z][^ |]*\.[^ |]*/[^ |]*) \|`)

// Every module that go.mod names for us has a row in the decision about them,
// every row is of one, and none is below its floor.
func TestDependenciesAreKnown(t *testing.T) {
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	file, err := modfile.Parse("go.mod", b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile("../../docs/decisions/0025-dependencies-are-known.md"); err != nil {
		t.Fatal(err)
	}
	var direct, rows []string
	have := map[string]string{}
	for _, r := range file.Require {
		have[r.Mod.Path] = r.Mod.Version
		if !r.Indirect {
			direct = append(direct, r.Mod.Path)
		}
	}
	for _, m := range known.FindAllStringSubmatch(string(b), -1) {
		rows = append(rows, m[1])
	}
	slices.Sort(direct)
	slices.Sort(rows)
	if len(direct) == 0 || !slices.Equal(direct, rows) {
		t.Errorf("go.mod names\n%s\nand the decision\n%s", strings.Join(direct, "\n"), strings.Join(rows, "\n"))
	}
	for module, least := range floors {
		switch is := have[module]; {
		case is == "":
			t.Errorf("%s has a floor, and is not required", module)
		case semver.Compare(is, least) < 0:
			t.Errorf("%s is %s; below %s it has a published fault", module, is, least)
		}
	}
}
