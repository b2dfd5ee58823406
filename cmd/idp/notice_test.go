package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// licenseFile is how modules name the file that says under which terms they are.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|unlicense)([-._].*)?$`)

// linked is a module that is in the program, or something else of others that is.
type linked struct{ Path, Dir string }

// linkedModules are those of the shipped programs on Linux, with FCM and without,
// by their paths.
func linkedModules(t *testing.T) []linked {
	t.Helper()
	seen := map[string]linked{}
	for _, env := range []string{"GOARCH=amd64", "GOARCH=arm64"} {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=Module", "hilum/cmd/idp")
		cmd.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=1", env)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct{ Module *linked }
			err := d.Decode(&p)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.Module != nil && p.Module.Path != "hilum" {
				seen[p.Module.Path] = *p.Module
			}
		}
	}
	list := make([]linked, 0, len(seen))
	for _, m := range seen {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b linked) int { return cmp.Compare(a.Path, b.Path) })
	return list
}

// terms are the texts of a module's licence and notices, in the order of their files.
func terms(t *testing.T, m linked) (texts []string) {
	t.Helper()
	files, err := os.ReadDir(m.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() || !licenseFile.MatchString(f.Name()) || strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(m.Dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n")))
	}
	return texts
}

// TestNotice compares NOTICE with the licences of the modules that are linked. "make
// notice" writes it.
func TestNotice(t *testing.T) {
	var out strings.Builder
	out.WriteString("Hilum\n\nThis product includes the following software of others, each under the terms that stand behind its name.\n" +
		"SQLite, which is within github.com/mattn/go-sqlite3, is in the public domain. Where terms are the same, letter by\n" +
		"letter, they stand once.\n")
	of := map[[sha256.Size]byte][]string{}
	text := map[[sha256.Size]byte]string{}
	var order [][sha256.Size]byte
	parts := append(linkedModules(t), linked{"zxing-wasm, in the phone app (static/app/zxing)", "../../static/app/zxing"})
	for _, m := range parts {
		texts := terms(t, m)
		if len(texts) == 0 {
			t.Errorf("%s has no licence: it must not be in the program", m.Path)
		}
		for _, one := range texts {
			sum := sha256.Sum256([]byte(one))
			if text[sum] == "" {
				order = append(order, sum)
			}
			text[sum] = one
			of[sum] = append(of[sum], m.Path)
		}
	}
	for _, sum := range order {
		fmt.Fprintf(&out, "\n%s\n\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(of[sum], "\n"), text[sum])
	}
	const file = "../../NOTICE"
	if os.Getenv("UPDATE_NOTICE") != "" {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(is) != out.String() {
		t.Error("NOTICE is not of the modules that are linked; \"make notice\" writes it")
	}
}
