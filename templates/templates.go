// Package templates holds the pages people see: one *.html per page, the Go
// type each is filled from, and the letters that people are sent.
//
// A page is a value of one of the types in pages.go, deskpages.go (the administration)
// and settingspages.go. Its words are not in the
// HTML: {{t "key"}} takes them from the catalogue of package words, so that a page
// reads the same in every language and a test can find a sentence that was written
// past the catalogue.
package templates

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"strings"
	"text/template/parse"

	"hilum/static"
	"hilum/static/source"
	"hilum/templates/words"
)

//go:embed *.html
var embedded embed.FS

var files = source.Files(embedded, "templates")

// Page is something that can be rendered: one of the types that Pages lists.
type Page interface {
	// file is the page's HTML file without its ending.
	file() string
	// lang is the tag of the language that it is to be shown in (BCP 47).
	lang() string
}

// What pages are filled with beside their own types: see package words.
type (
	// Message is a sentence with what it speaks of.
	Message = words.Message
	// Part is a stretch of a sentence, strong or not.
	Part = words.Part
	// Count is a number of things.
	Count = words.Count
	// Language is one that pages can be read in.
	Language = words.Language
)

// Say makes a Message; args are names and values in turn.
func Say(key string, args ...any) Message { return words.Say(key, args...) }

// Set is all pages in every language that there is a catalogue of, and its words.
// Safe for concurrent use.
type Set struct {
	*words.Set
	pages map[string]pages // by language tag
}

// pages are all pages in one language. They are parsed when the first is wanted:
// that takes a few hundredths of a second and megabytes, and few sites are read
// in every language.
type pages func() (*template.Template, error)

// New reads the catalogues, as words.New does, and has the pages of each language
// parsed when they are wanted. more are folders with further catalogues. An error means
// that the program was built wrong.
func New(more ...fs.FS) (*Set, error) {
	catalogues := source.Kept(func() (*words.Set, error) { return words.New(more...) })
	all, err := catalogues()
	if err != nil {
		return nil, err
	}
	s := &Set{Set: all, pages: map[string]pages{}}
	for _, lang := range all.Tags() {
		s.pages[lang] = source.Kept(func() (*template.Template, error) {
			now, err := catalogues()
			if err != nil {
				return nil, err
			}
			return bakePages(now.In(lang))
		})
	}
	return s, nil
}

// Prepare parses the pages of a language, so that nobody has to wait for it; of
// English, where it is none that there are words in.
func (s *Set) Prepare(lang string) error {
	_, err := s.html(lang)
	return err
}

// html returns the pages of a language, the English ones where there are no words in it.
// Errors: a page does not parse, which a test finds for those that are embedded.
func (s *Set) html(lang string) (*template.Template, error) { return s.pages[s.In(lang).Lang()]() }

// bakePages parses all pages in the language of a catalogue, with what never changes put
// in (bake).
func bakePages(c *words.Catalogue) (*template.Template, error) {
	html, err := parsePages(c)
	if err != nil {
		return nil, err
	}
	for _, t := range html.Templates() {
		if t.Tree != nil {
			bake(t.Tree.Root, c)
		}
	}
	return html, nil
}

// parsePages parses all pages with the functions that they call.
func parsePages(c *words.Catalogue) (*template.Template, error) {
	html, err := template.New("pages").Funcs(template.FuncMap{
		"t":      c.Text,
		"rich":   c.Rich,
		"say":    c.Say,
		"names":  func(list []string) string { return strings.Join(list, ", ") },
		"clock":  c.Clock,
		"exact":  c.Exact,
		"date":   c.Date,
		"n":      c.Number,
		"lang":   c.Lang,
		"dir":    c.Dir,
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
func bake(list *parse.ListNode, c *words.Catalogue) {
	if list == nil {
		return
	}
	for i, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			if text, ok := constant(n.Pipe, c); ok {
				list.Nodes[i] = &parse.TextNode{NodeType: parse.NodeText, Pos: n.Pos, Text: []byte(template.HTMLEscapeString(text))}
			}
		case *parse.IfNode:
			bake(n.List, c)
			bake(n.ElseList, c)
		case *parse.RangeNode:
			bake(n.List, c)
			bake(n.ElseList, c)
		case *parse.WithNode:
			bake(n.List, c)
			bake(n.ElseList, c)
		}
	}
}

// constant returns the value of {{t "key"}} for a sentence without arguments,
// of {{static "file"}}, {{lang}} and {{dir}}.
func constant(p *parse.PipeNode, c *words.Catalogue) (string, bool) {
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
			return c.Lang(), true
		case "dir":
			return c.Dir(), true
		}
		return "", false
	}
	arg, ok := args[1].(*parse.StringNode)
	if !ok || len(args) != 2 {
		return "", false
	}
	switch fn.Ident {
	case "t":
		return c.Fixed(arg.Text)
	case "static":
		return static.Path(arg.Text), true
	}
	return "", false
}

// Render writes a page in its language. It may fail halfway: give it a buffer.
func (s *Set) Render(w io.Writer, p Page) error {
	html, err := s.html(p.lang())
	if err != nil {
		return err
	}
	return html.ExecuteTemplate(w, p.file()+".html", p)
}
