package templates

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
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

// words is the catalogue in one language.
type words struct {
	lang, dir string
	fixed     map[string]string // sentences that speak of nothing: the most, and the fastest
	keys      map[string]struct{}
	localizer *i18n.Localizer
}

func newWords(lang string) (*words, error) {
	raw, err := catalogues.ReadFile("active." + lang + ".json")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	file, err := bundle.ParseMessageFileBytes(raw, "active."+lang+".json")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	w := &words{lang: lang, dir: "ltr", fixed: map[string]string{}, keys: map[string]struct{}{}, localizer: i18n.NewLocalizer(bundle, lang)}
	for _, m := range file.Messages {
		w.keys[m.ID] = struct{}{}
		if m.One == "" && !strings.Contains(m.Other, "{{") {
			w.fixed[m.ID] = m.Other
		}
	}
	return w, nil
}

// text returns a sentence. args are names and values in turn; N is the number
// that chooses between one and many.
func (w *words) text(key string, args ...any) (string, error) {
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
		data[name] = args[i+1]
		if name == "N" {
			conf.PluralCount = args[i+1]
		}
	}
	conf.TemplateData = data
	s, err := w.localizer.Localize(&conf)
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
