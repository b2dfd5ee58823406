package static

import (
	"encoding/json"
	"os"
	"path"
	"regexp"
	"testing"
)

// What looks at scripts is the same everywhere: each of its packages in one version, by its
// sum, from whatever registry a machine is set up for.
func TestLintIsPinned(t *testing.T) {
	read := func(name string, to any) {
		t.Helper()
		b, err := os.ReadFile(path.Join("lint", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, to); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	var wanted struct {
		DevDependencies map[string]string
	}
	read("package.json", &wanted)
	var lock struct {
		Packages map[string]struct{ Version, Integrity, Resolved string }
	}
	read("package-lock.json", &lock)
	if len(wanted.DevDependencies) == 0 || len(lock.Packages) <= len(wanted.DevDependencies) {
		t.Fatalf("%d packages are wanted, %d locked", len(wanted.DevDependencies), len(lock.Packages))
	}
	for name, version := range wanted.DevDependencies {
		if got := lock.Packages["node_modules/"+name].Version; got != version {
			t.Errorf("%s %s is wanted, %q is locked", name, version, got)
		}
	}
	for name, p := range lock.Packages {
		if name != "" && (p.Version == "" || p.Integrity == "") {
			t.Errorf("%s is of version %q and has the sum %q", name, p.Version, p.Integrity)
		}
		if p.Resolved != "" {
			t.Errorf("%s names the registry that it came from; \"make lock\" writes none", name)
		}
	}
}

// Nothing is kept from being looked at.
func TestLintLooksAtEverything(t *testing.T) {
	off := regexp.MustCompile(`@ts-(?:nocheck|ignore|expect-error)|eslint-(?:disable|enable)|\bany\b[^a-z ]`)
	for _, dir := range []string{"app", "js"} {
		for _, name := range filesIn(dir) {
			if path.Ext(name) == ".js" && path.Dir(name) == dir && name != workerMade {
				for _, remark := range regexp.MustCompile(`(?m)/\*(?:[^*]|\*[^/])*\*/|//.*$`).FindAll(read(name), -1) {
					if m := off.Find(remark); m != nil {
						t.Errorf("%s: %s", name, m)
					}
				}
			}
		}
	}
}
