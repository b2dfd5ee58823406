package templates

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

//go:embed active.*.json
var catalogues embed.FS

// Message is a sentence of the catalogue with what it speaks of: names and
// values in turn, as {{t}} takes them. The zero Message says nothing.
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

// english is the language that has every sentence; what another lacks is said
// in it.
const english = "en"

// words is the catalogue in one language.
type words struct {
	lang, dir string
	fixed     map[string]string // sentences that speak of nothing: the most, and the fastest
	keys      map[string]struct{}
	forms     map[string]bool // sentences that tell one from many
	localizer *i18n.Localizer
	numbers   *message.Printer
	form      form
	english   *words // nil: it is this
}

// form is how times are written where no script writes them as the reader does.
type form struct{ date, clock string }

// forms are by language; the rest have the international one.
var forms = map[string]form{
	"de": {"02.01.2006", "02.01.2006 15:04"},
	"fr": {"02/01/2006", "02/01/2006 15:04"},
	"nl": {"02-01-2006", "02-01-2006 15:04"},
}

var usualForm = form{"2006-01-02", "2006-01-02 15:04"}

// fromRight are the languages that are written from right to left.
var fromRight = []string{"ar", "fa", "he", "ur"}

// catalogue is the name of a language's file.
func catalogue(lang string) string { return "active." + lang + ".json" }

// readCatalogues returns the words of every catalogue there is, by language.
func readCatalogues(folders ...fs.FS) (map[string]*words, error) {
	all := map[string]*words{}
	for _, files := range folders {
		names, err := fs.Glob(files, catalogue("*"))
		if err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		for _, name := range names {
			w, err := newWords(files, strings.TrimSuffix(strings.TrimPrefix(name, "active."), ".json"))
			if err != nil {
				return nil, err
			}
			all[w.lang] = w
		}
	}
	first, ok := all[english]
	if !ok {
		return nil, errors.New("templates: there is no " + catalogue(english))
	}
	for _, w := range all {
		if w != first {
			w.english = first
		}
	}
	return all, nil
}

func newWords(files fs.FS, lang string) (*words, error) {
	raw, err := fs.ReadFile(files, catalogue(lang))
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	tag, err := language.Parse(lang)
	if err != nil {
		return nil, fmt.Errorf("templates: %s: %w", catalogue(lang), err)
	}
	bundle := i18n.NewBundle(tag)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	file, err := bundle.ParseMessageFileBytes(raw, catalogue(lang))
	if err != nil {
		return nil, fmt.Errorf("templates: %s: %w", catalogue(lang), err)
	}
	base, _ := tag.Base()
	w := &words{
		lang: lang, dir: "ltr", fixed: map[string]string{}, keys: map[string]struct{}{}, forms: map[string]bool{}, localizer: i18n.NewLocalizer(bundle, lang),
		numbers: message.NewPrinter(tag), form: usualForm,
	}
	if f, ok := forms[base.String()]; ok {
		w.form = f
	}
	if slices.Contains(fromRight, base.String()) {
		w.dir = "rtl"
	}
	for _, m := range file.Messages {
		w.keys[m.ID] = struct{}{}
		w.forms[m.ID] = m.One != ""
		if m.One == "" && !strings.Contains(m.Other, "{{") {
			w.fixed[m.ID] = m.Other
		}
	}
	return w, nil
}

// Count is a number of things; More: there are more than that.
type Count struct {
	N    int
	More bool
}

// number writes a number as the reader does.
func (w *words) number(v any) any {
	switch v := v.(type) {
	case int:
		return w.numbers.Sprint(number.Decimal(v))
	case float64:
		return w.numbers.Sprint(number.Decimal(v, number.MaxFractionDigits(1), number.MinFractionDigits(1)))
	case *Count:
		return w.number(*v)
	case Count:
		s := w.numbers.Sprint(number.Decimal(v.N))
		if v.More {
			s += "+"
		}
		return s
	}
	return v
}

// date and clock write a day and a moment, in UTC.
func (w *words) date(t time.Time) string  { return t.UTC().Format(w.form.date) }
func (w *words) clock(t time.Time) string { return t.UTC().Format(w.form.clock) }

// text returns a sentence. args are names and values in turn; N is the number
// that chooses between one and many.
func (w *words) text(key string, args ...any) (string, error) {
	if _, ok := w.keys[key]; !ok && w.english != nil {
		return w.english.text(key, args...)
	}
	if s, ok := w.fixed[key]; ok && len(args) == 0 {
		return s, nil
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
		data[name] = w.number(args[i+1])
		if name == "N" && w.forms[key] { // «Line 1» has one form only
			conf.PluralCount = args[i+1]
		}
	}
	conf.TemplateData = data
	s, err := w.localizer.Localize(&conf)
	if err != nil && conf.PluralCount != nil { // a form that hardly any number has
		conf.PluralCount = nil
		s, err = w.localizer.Localize(&conf)
	}
	if err != nil {
		return "", fmt.Errorf("message %s: %w", key, err)
	}
	return s, nil
}

// say returns a message's sentence, nothing for the zero Message.
func (w *words) say(m Message) (string, error) {
	if m.Key == "" {
		return "", nil
	}
	return w.text(m.Key, m.Args...)
}

// rich returns a sentence in parts, so that a page can set what it speaks of
// apart without any HTML in the catalogue.
func (w *words) rich(key string, args ...any) ([]Part, error) {
	// Private-use characters: ValidText lets them pass, so a name that holds
	// one is only shown in other pieces, never as markup.
	const begin, end = "\uE000", "\uE001"
	marked := make([]any, len(args))
	for i, a := range args {
		if s, ok := a.(string); ok && i%2 == 1 {
			a = begin + s + end
		}
		marked[i] = a
	}
	s, err := w.text(key, marked...)
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
