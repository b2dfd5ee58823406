// Package templates holds the pages people see: one *.html per page, the Go
// type each is filled from, and the catalogue of every sentence on them.
//
// A page is a value of one of the types in pages.go. Its words are not in the
// HTML: {{t "key"}} takes them from active.*.json, so that a page reads the same in
// every language and a test can find a sentence that was written past the
// catalogue.
package templates

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"

	"hilum/static"
)

//go:embed *.html
var files embed.FS

// Page is something that can be rendered: one of the types in pages.go.
type Page interface {
	// file is the page's HTML file without its ending.
	file() string
}

// Set is all pages in one language. Safe for concurrent use.
type Set struct {
	html  *template.Template
	words *words
}

// New parses every page. An error means that the program was built wrong.
func New() (*Set, error) {
	w, err := newWords("en")
	if err != nil {
		return nil, err
	}
	html, err := template.New("pages").Funcs(template.FuncMap{
		"t":      w.text,
		"rich":   w.rich,
		"say":    w.say,
		"lang":   func() string { return w.lang },
		"dir":    func() string { return w.dir },
		"static": static.Path,
	}).ParseFS(files, "*.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	return &Set{html: html, words: w}, nil
}

// Render writes a page. It may fail halfway: give it a buffer.
func (s *Set) Render(w io.Writer, p Page) error {
	return s.html.ExecuteTemplate(w, p.file()+".html", p)
}

// Has reports whether the catalogue knows a key. Keys that come from other
// packages (idp.FieldError) are asked for before they are shown.
func (s *Set) Has(key string) bool { _, ok := s.words.keys[key]; return ok }

// Keys lists the catalogue's keys in order.
func (s *Set) Keys() []string { return slices.Sorted(maps.Keys(s.words.keys)) }
