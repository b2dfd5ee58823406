package static

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
)

// The service worker of the phone app: worker is its source, a module; workerMade is the
// one script that "make worker" makes of that and of what it imports, since not every
// browser knows workers that are modules. Neither is served under /static/: browsers get
// what Worker returns.
const (
	worker     = "app/worker.js"
	workerMade = "app/sw.js"
)

// types matches a remark that tells types to the checker of scripts (JSDoc).
const types = `/\*\*(?:[^*]|\*[^/])*\*/`

var (
	remarks = regexp.MustCompile(`(?m)^ *//.*\n|^ *` + types + `\n|` + types + ` ?`)
	indents = regexp.MustCompile(`(?m)^ +`)
)

// script is a script as it is sent, without remarks and indents: those are for who reads
// the sources, and phones pay for each byte. A test finds out that it is the same
// program.
func script(name string) []byte {
	return indents.ReplaceAll(remarks.ReplaceAll(read(name), nil), nil)
}

// Worker returns the service worker of the phone app. It names the version,
// every file of it and what the site looks like, so it differs whenever one of
// them does: that is how browsers find out that there is a new one. look is a
// digest of what the site looks like, and paths are the files that belong to that.
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

// usualWorker is the part of Worker that is the same for every look.
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

// appFiles are the paths of what the app needs to open: all files of the folder app, but
// none of app/zxing, which reads QR codes and is fetched when one is to be read.
func appFiles() []string {
	var list []string
	for _, name := range Names() {
		if path.Dir(name) == "app" {
			list = append(list, Path(name))
		}
	}
	return list
}

// imported matches an import of a module in the same folder.
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

// appMain is the app's main module.
const appMain = "app/main.js"
