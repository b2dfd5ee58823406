package static

import (
	"bytes"
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// worker is the service worker's own part; it is served as Worker only.
const worker = "app/worker.js"

// workerParts are what the service worker is made of, in this order. Workers
// that are modules are not known to every browser, so the modules it shares with
// the page are put into one script.
var workerParts = []string{"app/language.js", "app/store.js", "app/sign.js", "app/protocol.js", worker}

var (
	imports = regexp.MustCompile(`(?m)^import .*\n`)
	exports = regexp.MustCompile(`(?m)^export `)
	remarks = regexp.MustCompile(`(?m)^ *//.*\n`)
	indents = regexp.MustCompile(`(?m)^ +`)
	said    = regexp.MustCompile(`\bt\('([a-z0-9_.]+)'`)
)

// script is a module as it is sent: remarks and indents are for those who read
// the sources, and phones pay for each byte.
func script(name string) []byte {
	return indents.ReplaceAll(remarks.ReplaceAll(read(name), nil), nil)
}

// catalogues are the app's sentences, a file for each language.
func catalogues() []string {
	var list []string
	for _, name := range filesIn("app") {
		if ok, _ := path.Match("app/words.*.js", name); ok { // the pattern is valid
			list = append(list, name)
		}
	}
	return list
}

// workerWords are the sentences that the service worker says, in every language:
// it may not import what it has not kept when it was installed, and the language
// of a phone is changed without asking it.
func workerWords() []byte {
	var keys []string
	for _, m := range said.FindAllSubmatch(read(worker), -1) {
		keys = append(keys, regexp.QuoteMeta(string(m[1])))
	}
	line := regexp.MustCompile(`(?m)^  '(?:` + strings.Join(keys, "|") + `)': '.*',\n`)
	var buf bytes.Buffer
	buf.WriteString("const catalogue = {\n")
	for _, name := range catalogues() {
		buf.WriteString(strings.Split(name, ".")[1] + ": {\n")
		for _, l := range line.FindAll(read(name), -1) {
			buf.Write(bytes.TrimLeft(l, " "))
		}
		buf.WriteString("},\n")
	}
	buf.WriteString("}\n")
	return buf.Bytes()
}

// Worker returns the service worker of the phone app. It names the version,
// every file of it and what the site looks like, so it differs whenever one of
// them does: that is how browsers find out that there is a new one. look is a
// digest, and paths are what belongs to the look.
func Worker(look string, paths []string) []byte {
	text, err := json.Marshal(append([]string{}, paths...))
	if err != nil {
		panic(err) // strings always encode
	}
	digest, err := json.Marshal(look)
	if err != nil {
		panic(err)
	}
	return slices.Concat([]byte("'use strict'\nconst look = "+string(digest)+"\nconst extras = "+string(text)+"\n"), usualWorker())
}

var usualWorker = sync.OnceValue(func() []byte {
	var buf bytes.Buffer
	files, err := json.Marshal(appFiles())
	if err != nil {
		panic(err) // strings always encode
	}
	buf.WriteString("const version = '" + Version() + "'\nconst files = " + string(files) + "\n")
	buf.Write(workerWords())
	for _, name := range workerParts {
		buf.Write(exports.ReplaceAll(imports.ReplaceAll(script(name), nil), nil))
	}
	return buf.Bytes()
})

// Version is the digest of all files.
func Version() string { return all().digest }

// appFiles are the paths that the app needs to open: all of its own, without
// the decoder in its folder below, which is fetched when a code is to be read.
func appFiles() []string {
	var list []string
	for _, name := range Names() {
		if path.Dir(name) == "app" {
			list = append(list, Path(name))
		}
	}
	return list
}

var imported = regexp.MustCompile(`(?m)^import .* from '\./([a-z]+\.js)'$`)

// AppModules are the paths of what the app's main module imports, directly or
// not, before it shows anything: named in the page, they come in one round trip.
var AppModules = sync.OnceValue(func() []string {
	var list []string
	seen := map[string]bool{appMain: true}
	for next := []string{appMain}; len(next) > 0; next = next[1:] {
		for _, m := range imported.FindAllSubmatch(read(next[0]), -1) {
			if name := "app/" + string(m[1]); !seen[name] {
				seen[name] = true
				next = append(next, name)
				list = append(list, Path(name))
			}
		}
	}
	return list
})

const appMain = "app/main.js"
