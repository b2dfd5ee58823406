package static

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// heading says what sw.js is.
const heading = "// Code generated from worker.js and what it imports by \"make worker\". DO NOT EDIT.\n\n"

// bundled is what a bundler makes of a module and what it imports. As a script its
// names are nobody else's, since all stands in a function.
func bundled(t *testing.T, name string, as api.Format) api.BuildResult {
	t.Helper()
	r := api.Build(api.BuildOptions{
		EntryPoints: []string{name}, Bundle: true, Metafile: true, Outfile: "out.js",
		Format: as, Target: api.ESNext, Charset: api.CharsetUTF8,
	})
	for _, m := range slices.Concat(r.Errors, r.Warnings) {
		t.Errorf("%s: %+v %s", name, m.Location, m.Text)
	}
	if t.Failed() {
		t.FailNow()
	}
	return r
}

// The service worker that is served is made of the sources as they are. "make
// worker" makes it.
func TestWorkerIsMade(t *testing.T) {
	want := heading + string(bundled(t, worker, api.FormatIIFE).OutputFiles[0].Contents)
	if os.Getenv("UPDATE_WORKER") != "" {
		if err := os.WriteFile(workerMade, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(workerMade)
	if err != nil {
		t.Fatal(err)
	}
	if string(is) != want {
		t.Errorf("%s is not made of the sources; \"make worker\" makes it", workerMade)
	}
}

// What the page names as its main module's imports is what a bundler finds.
func TestAppModules(t *testing.T) {
	var made struct {
		Inputs map[string]struct {
			Imports []struct{ Path, Kind string }
		}
	}
	if err := json.Unmarshal([]byte(bundled(t, appMain, api.FormatESModule).Metafile), &made); err != nil {
		t.Fatal(err)
	}
	var want []string
	for next := []string{appMain}; len(next) > 0; next = next[1:] {
		for _, i := range made.Inputs[next[0]].Imports {
			_, one := made.Inputs[i.Path] // a language is one of several
			if one && i.Kind == "import-statement" && i.Path != appMain && !slices.Contains(want, i.Path) {
				want = append(want, i.Path)
				next = append(next, i.Path)
			}
		}
	}
	var got []string
	for _, p := range AppModules() {
		got = append(got, strings.TrimPrefix(p, "/static/"+Version()+"/"))
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 5 || !slices.Equal(got, want) {
		t.Errorf("the page names %v, it needs %v", got, want)
	}
}

// minified is a script or a style without all that is for people only: two texts of
// the same program come to the same.
func minified(text []byte, loader api.Loader) (string, error) {
	r := api.Transform(string(text), api.TransformOptions{
		Loader: loader, MinifyWhitespace: true, MinifySyntax: true, MinifyIdentifiers: true, LegalComments: api.LegalCommentsNone, Charset: api.CharsetUTF8,
	})
	if len(r.Errors) > 0 {
		return "", fmt.Errorf("%+v %s", r.Errors[0].Location, r.Errors[0].Text)
	}
	return string(r.Code), nil
}

// unlike says how two texts are not of the same program; empty: they are.
func unlike(source, sent []byte, loader api.Loader) string {
	want, err := minified(source, loader)
	if err != nil {
		return err.Error()
	}
	got, err := minified(sent, loader)
	switch {
	case err != nil:
		return "as it is sent: " + err.Error()
	case got != want:
		return "another program is sent"
	}
	return ""
}

// variables have a value that a browser, and so the bundler, takes as it stands, but
// for the space before it (CSS Custom Properties, section 2).
var variables = regexp.MustCompile(`--[a-z0-9-]+:[^;}]+`)

// plainly writes the values of variables without the spaces that mean nothing where
// ours are used: in front, and in lists.
func plainly(css []byte) []byte {
	return variables.ReplaceAllFunc(css, func(v []byte) []byte {
		return []byte(strings.NewReplacer(": ", ":", ", ", ",").Replace(string(v)))
	})
}

// What is sent is the same program and the same style as the source.
func TestSentIsTheSource(t *testing.T) {
	for _, dir := range []string{"app", "js", "css"} {
		for _, name := range filesIn(dir) {
			if strings.HasPrefix(name, vendored) {
				continue
			}
			what := ""
			switch path.Ext(name) {
			case ".js":
				what = unlike(read(name), script(name), api.LoaderJS)
			case ".css":
				what = unlike(plainly(read(name)), style(name), api.LoaderCSS)
			}
			if what != "" {
				t.Errorf("%s: %s", name, what)
			}
		}
	}
}

func TestSentIsTheSourceSeesIt(t *testing.T) {
	for _, c := range []struct{ why, source string }{
		{"a text over lines", "export const a = `\n  b`"},
		{"a line of a text that looks like a remark", "export const a = `\n// b\n`"},
	} {
		sent := indents.ReplaceAll(remarks.ReplaceAll([]byte(c.source+"\n"), nil), nil)
		if unlike([]byte(c.source), sent, api.LoaderJS) == "" {
			t.Errorf("does not see %s", c.why)
		}
	}
	source := []byte(`a::before { content: "b; c: d" }`)
	if unlike(source, []byte(spaces.Replace(string(source))), api.LoaderCSS) == "" {
		t.Error("does not see a text of a style")
	}
	if what := unlike([]byte("// Why.\nexport const a = 1\n"), []byte("export const a = 1\n"), api.LoaderJS); what != "" {
		t.Error(what)
	}
}
