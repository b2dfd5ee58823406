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
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/template/parse"

	"hilum/static"
)

//go:embed *.html
var files embed.FS

// Page is something that can be rendered: one of the types in pages.go.
type Page interface {
	// file is the page's HTML file without its ending.
	file() string
	// lang is the language it is to be shown in.
	lang() string
}

// Set is all pages in every language that there is a catalogue of. Safe for
// concurrent use.
type Set struct {
	*sheet                   // in English, which has every sentence
	sheets map[string]*sheet // by language
	match  matchers
}

// sheet is all pages in one language. They are parsed when the first is wanted:
// that takes a few hundredths of a second and megabytes, and few sites are read
// in every language.
type sheet struct {
	html  func() (*template.Template, error)
	words *words
}

// New reads the catalogues, those here and those in more, and has the pages of
// each language parsed when they are wanted. An error means that the program was
// built wrong.
func New(more ...fs.FS) (*Set, error) { return newSet(append([]fs.FS{catalogues}, more...)...) }

func newSet(catalogues ...fs.FS) (*Set, error) {
	all, err := readCatalogues(catalogues...)
	if err != nil {
		return nil, err
	}
	s := &Set{sheets: map[string]*sheet{}}
	for lang, w := range all {
		s.sheets[lang] = &sheet{words: w, html: sync.OnceValues(func() (*template.Template, error) { return bakePages(w) })}
	}
	s.sheet = s.sheets[english]
	return s, nil
}

// Prepare parses the pages of a language, so that nobody has to wait for it; of
// English, where it is none that there are words in.
func (s *Set) Prepare(lang string) error {
	_, err := s.of(lang).html()
	return err
}

// of is the sheet of a language, the English one where there is none.
func (s *Set) of(lang string) *sheet {
	if sheet, ok := s.sheets[lang]; ok {
		return sheet
	}
	return s.sheet
}

func bakePages(w *words) (*template.Template, error) {
	html, err := parsePages(w)
	if err != nil {
		return nil, err
	}
	for _, t := range html.Templates() {
		if t.Tree != nil {
			bake(t.Tree.Root, w)
		}
	}
	return html, nil
}

func parsePages(w *words) (*template.Template, error) {
	html, err := template.New("pages").Funcs(template.FuncMap{
		"t":      w.text,
		"rich":   w.rich,
		"say":    w.say,
		"names":  func(list []string) string { return strings.Join(list, ", ") },
		"clock":  w.clock,
		"date":   w.date,
		"n":      w.number,
		"lang":   func() string { return w.lang },
		"dir":    func() string { return w.dir },
		"static": static.Path,
	}).ParseFS(files, "*.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	return html, nil
}

// bake puts what never changes, sentences that speak of nothing and paths of
// files, into the page's text once: most of a page is that, and looking it up
// anew doubled the price of every page. Escaped as HTML it is right in text and
// in quoted attributes, the only places where the pages have it.
func bake(list *parse.ListNode, w *words) {
	if list == nil {
		return
	}
	for i, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			if text, ok := constant(n.Pipe, w); ok {
				list.Nodes[i] = &parse.TextNode{NodeType: parse.NodeText, Pos: n.Pos, Text: []byte(template.HTMLEscapeString(text))}
			}
		case *parse.IfNode:
			bake(n.List, w)
			bake(n.ElseList, w)
		case *parse.RangeNode:
			bake(n.List, w)
			bake(n.ElseList, w)
		case *parse.WithNode:
			bake(n.List, w)
			bake(n.ElseList, w)
		}
	}
}

// constant returns the value of {{t "key"}} for a sentence without arguments,
// of {{static "file"}}, {{lang}} and {{dir}}.
func constant(p *parse.PipeNode, w *words) (string, bool) {
	if len(p.Decl) != 0 || len(p.Cmds) != 1 {
		return "", false
	}
	args := p.Cmds[0].Args
	fn, ok := args[0].(*parse.IdentifierNode)
	if !ok {
		return "", false
	}
	if len(args) == 1 {
		switch fn.Ident {
		case "lang":
			return w.lang, true
		case "dir":
			return w.dir, true
		}
		return "", false
	}
	arg, ok := args[1].(*parse.StringNode)
	if !ok || len(args) != 2 {
		return "", false
	}
	switch fn.Ident {
	case "t":
		s, ok := w.fixed[arg.Text]
		return s, ok
	case "static":
		return static.Path(arg.Text), true
	}
	return "", false
}

// Render writes a page. It may fail halfway: give it a buffer.
func (s *Set) Render(w io.Writer, p Page) error {
	html, err := s.of(p.lang()).html()
	if err != nil {
		return err
	}
	return html.ExecuteTemplate(w, p.file()+".html", p)
}

// Has reports whether the catalogue knows a key. Keys that come from other
// packages (idp.FieldError) are asked for before they are shown.
func (s *Set) Has(key string) bool { _, ok := s.words.keys[key]; return ok }

// Keys lists the catalogue's keys in order.
func (s *Set) Keys() []string { return slices.Sorted(maps.Keys(s.words.keys)) }
