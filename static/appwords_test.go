package static

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the app says stands in the catalogue of its language with everything else that
// people read (templates/words): the keys that begin with «app.», and «push.», which
// letters and phones share. The app fetches one language, its lock only where it is used,
// and its service worker has all of the few sentences that it says, so that each language
// is three files here. They are made of the catalogue: UPDATE=1 go test -run TestWordsOfTheAppAreMade ./static

// notifications are the keys of the sentences that the service worker says.
var notifications = []string{
	"ask.deny", "ask.pair", "ask.stepup", "ask.title", "push.changed", "push.changed.text", "push.generic", "push.generic.text", "push.gone", "push.not.denied",
	"push.test", "push.test.text", "push.text", "push.unlinked", "push.update",
}

// saying is what a catalogue has for a key: a text, or one for each plural form.
type saying struct {
	text  string
	forms map[string]string
}

func (s *saying) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, &s.text)
	}
	return json.Unmarshal(b, &s.forms)
}

var braces = regexp.MustCompile(`\{\{\.(\w+)\}\}`)

// quoted is a text as a string of a script; what it speaks of stands in single braces.
func quoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`).Replace(braces.ReplaceAllString(text, "{$1}")) + "'"
}

// scriptOf is a file of the app's sentences, by their keys.
func scriptOf(remark string, list map[string]saying) string {
	var b strings.Builder
	b.WriteString(remark + "\n\nexport default {\n")
	for _, key := range slices.Sorted(maps.Keys(list)) {
		s := list[key]
		if s.forms == nil {
			fmt.Fprintf(&b, "  '%s': %s,\n", key, quoted(s.text))
			continue
		}
		fmt.Fprintf(&b, "  '%s': {\n", key)
		for _, form := range slices.SortedFunc(maps.Keys(s.forms), byForm) {
			fmt.Fprintf(&b, "    %s: %s,\n", form, quoted(s.forms[form]))
		}
		b.WriteString("  },\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// byForm has the plural forms in the order of the Unicode CLDR.
func byForm(a, b string) int {
	order := []string{"zero", "one", "two", "few", "many", "other"}
	return cmp.Compare(slices.Index(order, a), slices.Index(order, b))
}

func TestWordsOfTheAppAreMade(t *testing.T) {
	names := map[string]string{"de": "German", "en": "English", "fr": "French", "nl": "Dutch"}
	for lang, name := range names {
		raw, err := os.ReadFile("../templates/words/active." + lang + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var all map[string]saying
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatal(err)
		}
		words, notes, lock := map[string]saying{}, map[string]saying{}, map[string]saying{}
		for key, s := range all {
			if own, ok := strings.CutPrefix(key, "app."); !ok {
				continue
			} else if strings.HasPrefix(own, "lock.") {
				lock[own] = s
			} else {
				words[own] = s
			}
		}
		for _, key := range notifications {
			s, ok := words[key]
			if !ok {
				if s, ok = all[key]; !ok {
					t.Fatalf("%s: nothing is said for %s", lang, key)
				}
			}
			delete(words, key)
			notes[key] = s
		}
		for file, text := range map[string]string{
			"app/words." + lang + ".js": scriptOf("// The app in "+name+", made of the catalogue. {Name} stands for what a sentence speaks of;\n// one and many are told apart by N.", words),
			"app/notes." + lang + ".js": scriptOf("// The app's notifications in "+name+", made of the catalogue: the sentences of the\n// service worker, of which pages say some too.", notes),
			"app/lock." + lang + ".js":  scriptOf("// The lock of the app in "+name+", made of the catalogue: fetched with it.", lock),
		} {
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := os.ReadFile(file); err != nil || string(got) != text {
				t.Errorf("%s is not what the catalogue says: UPDATE=1 go test -run TestWordsOfTheAppAreMade ./static (%v)", file, err)
			}
		}
	}
}
