package words

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
	"golang.org/x/text/unicode/bidi"

	"hilum/static/source"
)

//go:embed active.*.json
var embedded embed.FS

var catalogues = source.Files(embedded, "templates/words")

// english is the language that has every sentence; what another lacks is said
// in it.
const english = "en"

// Catalogue is the sentences in one language. Safe for concurrent use.
type Catalogue struct {
	lang, dir string
	fixed     map[string]string      // sentences without arguments, the most, as they are
	forms     map[string]bool        // the others; true: it tells one from many
	localizer func() *i18n.Localizer // of the others, made when the first of them is wanted
	numbers   *message.Printer
	form      form
	english   *Catalogue // says what is missing here; nil: this is English
}

// form is how times are written where no script writes them as the reader does.
type form struct{ date, clock, exact string }

// forms are by language; the rest have the international one.
var forms = map[string]form{
	"de": {"02.01.2006", "02.01.2006 15:04", "02.01.2006 15:04:05"},
	"fr": {"02/01/2006", "02/01/2006 15:04", "02/01/2006 15:04:05"},
	"nl": {"02-01-2006", "02-01-2006 15:04", "02-01-2006 15:04:05"},
}

var usualForm = form{"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05"}

// fromRight are the languages that are written from right to left.
var fromRight = []string{"ar", "fa", "he", "ur"}

// fileOf is the name of a language's file.
func fileOf(lang string) string { return "active." + lang + ".json" }

// readCatalogues returns the words of every catalogue there is, by language.
func readCatalogues(folders ...fs.FS) (map[string]*Catalogue, error) {
	all := map[string]*Catalogue{}
	for _, files := range folders {
		names, err := fs.Glob(files, fileOf("*"))
		if err != nil {
			return nil, fmt.Errorf("words: %w", err)
		}
		for _, name := range names {
			c, err := newCatalogue(files, strings.TrimSuffix(strings.TrimPrefix(name, "active."), ".json"))
			if err != nil {
				return nil, err
			}
			all[c.lang] = c
		}
	}
	first, ok := all[english]
	if !ok {
		return nil, errors.New("words: there is no " + fileOf(english))
	}
	for _, c := range all {
		if c != first {
			c.english = first
		}
	}
	return all, nil
}

func newCatalogue(files fs.FS, lang string) (*Catalogue, error) {
	raw, err := fs.ReadFile(files, fileOf(lang))
	if err != nil {
		return nil, fmt.Errorf("words: %w", err)
	}
	tag, err := language.Parse(lang)
	if err != nil {
		return nil, fmt.Errorf("words: %s: %w", fileOf(lang), err)
	}
	file, err := i18n.ParseMessageFileBytes(raw, fileOf(lang), map[string]i18n.UnmarshalFunc{"json": json.Unmarshal})
	if err != nil {
		return nil, fmt.Errorf("words: %s: %w", fileOf(lang), err)
	}
	bundle := i18n.NewBundle(tag)
	if err := bundle.AddMessages(tag); err != nil { // it knows the plural forms of the language, or not
		return nil, fmt.Errorf("words: %s: %w", fileOf(lang), err)
	}
	base, _ := tag.Base()
	c := &Catalogue{
		lang: lang, dir: "ltr", fixed: map[string]string{}, forms: map[string]bool{},
		numbers: message.NewPrinter(tag), form: usualForm,
	}
	if f, ok := forms[base.String()]; ok {
		c.form = f
	}
	if slices.Contains(fromRight, base.String()) {
		c.dir = "rtl"
	}
	var spoken []*i18n.Message
	for _, m := range file.Messages {
		if m.One == "" && !strings.Contains(m.Other, "{{") {
			c.fixed[m.ID] = m.Other
			continue
		}
		c.forms[m.ID] = m.One != ""
		spoken = append(spoken, m)
	}
	// The library keeps a kilobyte for each sentence, so it is given those alone that it
	// has something to do for, and not before.
	c.localizer = sync.OnceValue(func() *i18n.Localizer {
		bundle.MustAddMessages(tag, spoken...) // it has taken the language above
		return i18n.NewLocalizer(bundle, lang)
	})
	return c, nil
}

// Number writes a number as the reader does.
func (c *Catalogue) Number(v any) any {
	switch v := v.(type) {
	case int:
		return c.numbers.Sprint(number.Decimal(v))
	case float64:
		return c.numbers.Sprint(number.Decimal(v, number.MaxFractionDigits(1), number.MinFractionDigits(1)))
	case *Count:
		return c.Number(*v)
	case Count:
		s := c.numbers.Sprint(number.Decimal(v.N))
		if v.More {
			s += "+"
		}
		return s
	}
	return v
}

// Date writes a day, in UTC.
func (c *Catalogue) Date(t time.Time) string { return t.UTC().Format(c.form.date) }

// Clock writes a moment to the minute, in UTC.
func (c *Catalogue) Clock(t time.Time) string { return c.ClockIn(t, time.UTC) }

// ClockIn writes a moment to the minute as clocks in a zone show it.
func (c *Catalogue) ClockIn(t time.Time, zone *time.Location) string {
	return t.In(zone).Format(c.form.clock)
}

// Exact writes a moment to the second, in UTC.
func (c *Catalogue) Exact(t time.Time) string { return t.UTC().Format(c.form.exact) }

// Lang is the language (BCP 47), Dir whether it is written from the left ("ltr")
// or from the right ("rtl").
func (c *Catalogue) Lang() string { return c.lang }

// Dir is the direction of writing: see Lang.
func (c *Catalogue) Dir() string { return c.dir }

// Has reports whether this catalogue has a sentence of a key.
func (c *Catalogue) Has(key string) bool {
	_, fixed := c.fixed[key]
	_, spoken := c.forms[key]
	return fixed || spoken
}

// Fixed returns a sentence that speaks of nothing and has one form; false: there is
// none of this key here, or it is of another kind.
func (c *Catalogue) Fixed(key string) (string, bool) { s, ok := c.fixed[key]; return s, ok }

// Text returns a sentence. args are names and values in turn; N is the number
// that chooses between the plural forms. Errors: there is no such key in English
// either, or args are not in pairs.
func (c *Catalogue) Text(key string, args ...any) (string, error) {
	return c.text(key, c.isolated, args...)
}

// isolated keeps a name that is written in the other direction, as an Arabic one in an
// English sentence, from turning what stands beside it: it is a whole of its own, from
// FIRST STRONG ISOLATE to POP DIRECTIONAL ISOLATE (UAX #9, section 2.4).
func (c *Catalogue) isolated(s string) string {
	for _, r := range s {
		p, _ := bidi.LookupRune(r)
		right := p.Class() == bidi.R || p.Class() == bidi.AL
		if c.dir == "ltr" && right || c.dir == "rtl" && p.Class() == bidi.L {
			return "\u2068" + s + "\u2069"
		}
	}
	return s
}

// text is Text with what is made of each argument that is a string.
func (c *Catalogue) text(key string, made func(string) string, args ...any) (string, error) {
	if s, ok := c.fixed[key]; ok && len(args) == 0 {
		return s, nil
	}
	if c.english != nil && !c.Has(key) {
		return c.english.text(key, made, args...)
	}
	if len(args)%2 != 0 {
		return "", fmt.Errorf("message %s: odd number of arguments", key)
	}
	conf := i18n.LocalizeConfig{MessageID: key}
	data := make(map[string]any, len(args)/2)
	for i := 0; i < len(args); i += 2 {
		name, ok := args[i].(string)
		if !ok {
			return "", fmt.Errorf("message %s: argument %d is not a name", key, i)
		}
		data[name] = c.Number(args[i+1])
		if s, ok := args[i+1].(string); ok {
			data[name] = made(s)
		}
		if name == "N" && c.forms[key] { // «Line 1» has one form only
			conf.PluralCount = args[i+1]
		}
	}
	if s, ok := c.fixed[key]; ok {
		return s, nil
	}
	conf.TemplateData = data
	s, err := c.localizer().Localize(&conf)
	if err != nil && conf.PluralCount != nil { // a form that hardly any number has
		conf.PluralCount = nil
		s, err = c.localizer().Localize(&conf)
	}
	if err != nil {
		return "", fmt.Errorf("message %s: %w", key, err)
	}
	return s, nil
}

// Say returns a message's sentence, nothing for the zero Message.
func (c *Catalogue) Say(m Message) (string, error) {
	if m.Key == "" {
		return "", nil
	}
	return c.Text(m.Key, m.Args...)
}

// Rich returns a sentence in parts, so that a page can set what it speaks of
// apart without any HTML in the catalogue.
func (c *Catalogue) Rich(key string, args ...any) ([]Part, error) {
	// Private-use characters: ValidText lets them pass, so a name that holds
	// one is only shown in other pieces, never as markup.
	const begin, end = "\uE000", "\uE001"
	s, err := c.text(key, func(s string) string { return begin + s + end }, args...)
	if err != nil {
		return nil, err
	}
	var parts []Part
	for s != "" {
		plain, rest, found := strings.Cut(s, begin)
		if plain != "" {
			parts = append(parts, Part{Text: plain})
		}
		if !found {
			break
		}
		strong, after, _ := strings.Cut(rest, end)
		if strong != "" {
			parts = append(parts, Part{Text: strong, Strong: true})
		}
		s = after
	}
	return parts, nil
}
