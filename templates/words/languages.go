package words

import (
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// Language is one that people can read.
type Language struct {
	Tag  string // BCP 47
	Name string // as its speakers call it
}

// Languages lists those that there is a catalogue of, by the names they give
// themselves.
func (s *Set) Languages() []Language {
	var list []Language
	for tag, c := range s.by {
		list = append(list, Language{tag, c.fixed["language.name"]})
	}
	slices.SortFunc(list, func(a, b Language) int { return strings.Compare(a.Name+a.Tag, b.Name+b.Tag) })
	return list
}

// Offered are the languages that an operator has chosen, all where none was
// chosen. A language that there is no catalogue of any more is left out, and
// the default is always among them.
func (s *Set) Offered(chosen []string, usual string) []Language {
	var list []Language
	usual = s.Usual(usual)
	for _, l := range s.Languages() {
		if len(chosen) == 0 || slices.Contains(chosen, l.Tag) || l.Tag == usual {
			list = append(list, l)
		}
	}
	return list
}

// Usual is the default language, English where it is none.
func (s *Set) Usual(usual string) string {
	if _, ok := s.by[usual]; ok {
		return usual
	}
	return english
}

// matchers are by what they choose from: making one takes long.
type matchers struct{ by sync.Map }

type matcher struct {
	tags []string
	language.Matcher
}

func (m *matchers) of(offered []Language) *matcher {
	tags := make([]string, len(offered))
	for i, l := range offered {
		tags[i] = l.Tag
	}
	key := strings.Join(tags, " ")
	if found, ok := m.by.Load(key); ok {
		return found.(*matcher)
	}
	parsed := make([]language.Tag, len(tags))
	for i, tag := range tags {
		parsed[i] = language.Make(tag)
	}
	made := &matcher{tags, language.NewMatcher(parsed)}
	m.by.Store(key, made) // as many as an operator chooses in the life of a process
	return made
}

// maxWanted bounds what is looked at of a list of languages.
const maxWanted = 512

// Choose returns the first of the offered languages that somebody asks for: each
// of wanted is a list as in Accept-Language, the next is looked at where the one
// before fits nothing. usual is the answer when none does.
func (s *Set) Choose(offered []Language, usual string, wanted ...string) string {
	usual = s.Usual(usual)
	if len(offered) < 2 {
		return usual
	}
	m := s.match.of(offered)
	for _, list := range wanted {
		if list == "" || len(list) > maxWanted {
			continue
		}
		tags, _, err := language.ParseAcceptLanguage(list)
		if err != nil {
			continue
		}
		if _, i, sure := m.Match(tags...); sure > language.No {
			return m.tags[i]
		}
	}
	return usual
}
