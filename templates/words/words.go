// Package words holds every sentence that people read of the provider, in every
// language: on pages, in letters, in notifications, and what is wrong with a
// field, which commands and the admin API say in English.
//
// A language is one file, active.*.json, with the same keys in the same order as
// active.en.json. A sentence may speak of something, {{.Name}}, and may have a form
// for each plural of the language. Tests hold every language to the keys,
// placeholders and forms of English, and every key to a place that says it.
package words

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Set is the sentences in every language that there is a catalogue of. Safe for
// concurrent use.
type Set struct {
	by    map[string]*Catalogue // by language
	match matchers
}

// New reads the catalogues, those here and those in more, where a language that is
// here too takes the place of ours. An error means that the program was built wrong.
func New(more ...fs.FS) (*Set, error) { return newSet(append([]fs.FS{catalogues}, more...)...) }

func newSet(folders ...fs.FS) (*Set, error) {
	all, err := readCatalogues(folders...)
	if err != nil {
		return nil, err
	}
	return &Set{by: all}, nil
}

// English is the sentences for those whom we speak to in English alone, who type
// commands and read the logs of programs. It is read once, when it is wanted.
var English = sync.OnceValue(func() *Catalogue {
	c, err := newCatalogue(catalogues, english)
	if err != nil {
		panic(err) // embedded files are good: tests read them all
	}
	return c
})

// In is the catalogue of a language, the English one where there is none.
func (s *Set) In(lang string) *Catalogue {
	if c, ok := s.by[lang]; ok {
		return c
	}
	return s.by[english]
}

// Has reports whether there is a sentence of a key. Keys that come from other
// packages (idp.FieldError) are asked for before they are said.
func (s *Set) Has(key string) bool { return s.by[english].Has(key) }

// Keys lists all keys in order.
func (s *Set) Keys() []string {
	c := s.by[english]
	keys := slices.AppendSeq(slices.Collect(maps.Keys(c.fixed)), maps.Keys(c.forms))
	slices.Sort(keys)
	return keys
}

// Tags lists the languages that there are catalogues of, in order (BCP 47).
func (s *Set) Tags() []string { return slices.Sorted(maps.Keys(s.by)) }

// Known lists the languages of the catalogues that are built in, in order (BCP 47).
func Known() []string {
	names, err := fs.Glob(catalogues, "active.*.json")
	if err != nil {
		panic(err) // embedded files are there
	}
	var tags []string
	for _, n := range names {
		tags = append(tags, strings.TrimSuffix(strings.TrimPrefix(n, "active."), ".json"))
	}
	return tags
}

// Message is a sentence of the catalogue with what it speaks of: names and
// values in turn, as Catalogue.Text takes them. The zero Message says nothing.
type Message struct {
	Key  string
	Args []any
}

// Say makes a Message.
func Say(key string, args ...any) Message { return Message{Key: key, Args: args} }

// Part is a stretch of a sentence; Strong ones are what the sentence speaks of.
type Part struct {
	Text   string
	Strong bool
}

// Count is a number of things; More: there are more than that.
type Count struct {
	N    int
	More bool
}
