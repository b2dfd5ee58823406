package static

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
)

// The service worker: its own part, which is a module, and what is made of it and
// of what it imports, which is one script, since workers that are modules are not
// known to every browser. Both are served as Worker only. "make worker" makes the
// one of the other.
const (
	worker     = "app/worker.js"
	workerMade = "app/sw.js"
)

// types is a remark that tells the types of a program, on lines of its own or in one.
const types = `/\*\*(?:[^*]|\*[^/])*\*/`

var (
	remarks = regexp.MustCompile(`(?m)^ *//.*\n|^ *` + types + `\n|` + types + ` ?`)
	indents = regexp.MustCompile(`(?m)^ +`)
)

// script is a module as it is sent: remarks and indents are for those who read
// the sources, and phones pay for each byte. A test finds out that it is the same
// program.
func script(name string) []byte {
	return indents.ReplaceAll(remarks.ReplaceAll(read(name), nil), nil)
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

var usualWorker = kept(func() []byte {
	files, err := json.Marshal(appFiles())
	if err != nil {
		panic(err) // strings always encode
	}
	// Without the last semicolon the list would be called with what follows.
	return slices.Concat([]byte("const version = '"+Version()+"'\nconst files = "+string(files)+";\n"), script(workerMade))
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

var imported = regexp.MustCompile(`(?m)^import .* from '\./([a-z.]+\.js)'$`)

// AppModules are the paths of what the app's main module imports, directly or
// not, before it shows anything: named in the page, they come in one round trip.
var AppModules = kept(func() []string {
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
