package idp_test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors are versions below which a module has a published fault. What it is stands in docs/decisions/0025-dependencies-are-known.md. SQLite itself is
// asked by TestSQLiteKeepsItsLog in idp/store.
var floors = map[string]string{
	"github.com/mattn/go-sqlite3":   "v1.14.53",
	"golang.org/x/crypto":           "v0.35.0",
	"golang.org/x/net":              "v0.38.0",
	"golang.org/x/oauth2":           "v0.27.0",
	"github.com/go-jose/go-jose/v4": "v4.0.5",
}

var (
	required = regexp.MustCompile(`(?m)^\t(\S+) (v\S+)( // indirect)?$`)
	known    = regexp.MustCompile(`(?m)^\| ([a-z][^ |]*\.[^ |]*/[^ |]*) \|`)
)

// Every module that go.mod names for us has a row in the decision about them,
// every row is of one, and none is below its floor.
func TestDependenciesAreKnown(t *testing.T) {
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var direct, rows []string
	have := map[string]string{}
	for _, m := range required.FindAllStringSubmatch(read("../go.mod"), -1) {
		have[m[1]] = m[2]
		if m[3] == "" {
			direct = append(direct, m[1])
		}
	}
	for _, m := range known.FindAllStringSubmatch(read("../docs/decisions/0025-dependencies-are-known.md"), -1) {
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
		case below(t, is, least):
			t.Errorf("%s is %s; below %s it has a published fault", module, is, least)
		}
	}
}

func TestBelow(t *testing.T) {
	for _, c := range []struct {
		is, least string
		want      bool
	}{
		{"v1.14.53", "v1.14.53", false}, {"v1.14.52", "v1.14.53", true}, {"v1.14.100", "v1.14.53", false}, {"v2.0.0", "v1.14.53", false},
		{"v0.9.9", "v1.0.0", true}, {"v1.2.3-rc.1", "v1.2.3", true}, {"v1.2.3", "v1.2.3-rc.1", false},
	} {
		if got := below(t, c.is, c.least); got != c.want {
			t.Errorf("%s below %s: %v", c.is, c.least, got)
		}
	}
}

// below reports whether a version is older than another (Semantic Versioning 2.0.0,
// section 11, as far as go.mod has it: something before a release counts as older).
func below(t *testing.T, is, least string) bool {
	t.Helper()
	parse := func(v string) (parts []int, pre bool) {
		v, _, _ = strings.Cut(strings.TrimPrefix(v, "v"), "+")
		v, _, pre = strings.Cut(v, "-")
		for p := range strings.SplitSeq(v, ".") {
			n, err := strconv.Atoi(p)
			if err != nil {
				t.Fatalf("version %q: %v", v, err)
			}
			parts = append(parts, n)
		}
		return parts, pre
	}
	a, aPre := parse(is)
	b, bPre := parse(least)
	if c := slices.Compare(a, b); c != 0 {
		return c < 0
	}
	return aPre && !bPre
}
