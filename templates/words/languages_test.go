package words

import (
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// abroad is what there is, with Polish, which has more plural forms, a language
// that is written from the right, and French with hardly a sentence. Each is
// English in brackets.
func abroad(t *testing.T) fstest.MapFS {
	t.Helper()
	raw, err := fs.ReadFile(catalogues, fileOf(english))
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{fileOf(english): {Data: raw}, fileOf("fr"): {Data: []byte(`{"language.name": "Français", "continue": "Continuer"}`)}}
	for lang, name := range map[string]string{"pl": "Polski", "he": "עברית"} {
		all := map[string]any{}
		for key, forms := range sentences(t, catalogues, english) {
			if len(forms) == 1 {
				all[key] = "[" + forms["other"] + "]"
				continue
			}
			made := map[string]string{}
			for _, form := range append(formsOf(lang), "other") {
				made[form] = "[" + form + ": " + forms["other"] + "]"
			}
			all[key] = made
		}
		all["language.name"] = name
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		files[fileOf(lang)] = &fstest.MapFile{Data: text}
	}
	return files
}

// The test of catalogues finds what is wrong with one.
func TestFaultsOfACatalogueAreSeen(t *testing.T) {
	files := abroad(t)
	if got := faults(t, files, "pl"); len(got) > 0 {
		t.Errorf("a good one: %q", got)
	}
	if got := faults(t, files, "fr"); len(got) < 100 {
		t.Errorf("%d faults of hardly a sentence", len(got))
	}
	for change, want := range map[string]string{
		`"continue": "[Continue]"=>"x": "y"`:                               `continue is missing`,
		`"continue": "[Continue]"=>"continue": "[{{.N}}]"`:                 `continue, form "other", has ["{{.N}}"] where English has []`,
		`"continue": "[Continue]"=>"continue": {"one": "a", "other": "b"}`: `continue has plural forms`,
		`"few": "[few: {{.N}} day=>"x": "[few: {{.N}} day`:                 `span.days has no form "few"`,
		`"many": "[many: {{.N}} day=>"many": "[many: {{.M}} day`:           `span.days, form "many", has [] where English has ["{{.N}}"]`,
	} {
		old, fresh, _ := strings.Cut(change, "=>")
		var pretty any
		_ = json.Unmarshal(files[fileOf("pl")].Data, &pretty)
		text, _ := json.MarshalIndent(pretty, "", " ")
		broken := strings.Replace(string(text), old, fresh, 1)
		if broken == string(text) {
			t.Fatalf("nothing to change: %s", old)
		}
		got := faults(t, fstest.MapFS{fileOf(english): files[fileOf(english)], fileOf("pl"): {Data: []byte(broken)}}, "pl")
		if !slices.Contains(got, want) {
			t.Errorf("%s: found %q, want %q", change, got, want)
		}
	}
}

func TestAbroad(t *testing.T) {
	s, err := newSet(abroad(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		lang, key string
		args      []any
		want      string
	}{
		{"pl", "continue", nil, "[Continue]"},
		{"pl", "span.days", []any{"N", 1}, "[one: 1 days]"},
		{"pl", "span.days", []any{"N", 3}, "[few: 3 days]"},
		{"pl", "span.days", []any{"N", 12}, "[many: 12 days]"},
		{"fr", "continue", nil, "Continuer"},
		{"fr", "span.days", []any{"N", 3}, "3 days"}, // said in English
		{"fr", "devices", nil, ""},
		{"en", "settings.number", []any{"Count", 12345}, "12,345"},
		{"en", "size.mb", []any{"Size", 12.34}, "12.3 MB"},
		{"pl", "size.mb", []any{"Size", 12.34}, "[12,3 MB]"},
		{"en", "admin.devices.count", []any{"N", 1000, "Count", Count{1000, true}}, "1,000+ devices"},
	} {
		got, err := s.by[c.lang].Text(c.key, c.args...)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s in %s is %q", c.key, c.lang, got)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s in %s: %q, %v; want %q", c.key, c.lang, got, err, c.want)
		}
	}
	at := time.Date(2026, 3, 4, 17, 5, 0, 0, time.FixedZone("", 3600))
	for lang, want := range map[string]string{"en": "2026-03-04 16:05", "fr": "04/03/2026 16:05", "pl": "2026-03-04 16:05"} {
		if got := s.by[lang].Clock(at); got != want {
			t.Errorf("%s: %s, want %s", lang, got, want)
		}
	}
}

func TestBadCataloguesStopTheProgram(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"no English":  {"active.fr.json": {Data: []byte(`{}`)}},
		"no JSON":     {"active.en.json": {Data: []byte(`{`)}},
		"no language": {"active.en.json": {Data: []byte(`{}`)}, "active.nonsense_x.json": {Data: []byte(`{}`)}},
	} {
		if _, err := newSet(files); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestChoose(t *testing.T) {
	s, err := newSet(abroad(t))
	if err != nil {
		t.Fatal(err)
	}
	all, few := s.Offered(nil, ""), s.Offered([]string{"fr", "xx"}, "en")
	if len(all) != 4 || len(few) != 2 {
		t.Fatalf("offered %v and %v", all, few)
	}
	for _, c := range []struct {
		name    string
		offered []Language
		usual   string
		wanted  []string
		want    string
	}{
		{"nobody asks", all, "", nil, "en"},
		{"the default", all, "pl", []string{"", ""}, "pl"},
		{"a default without words", all, "xx", nil, "en"},
		{"the first that asks", all, "", []string{"", "fr", "pl"}, "fr"},
		{"a region", all, "", []string{"fr-CA"}, "fr"},
		{"by weight", all, "", []string{"pl;q=0.5, fr;q=0.9"}, "fr"},
		{"what nobody offers is passed over", all, "", []string{"ja", "pl"}, "pl"},
		{"not offered", few, "", []string{"pl", "fr-BE,fr;q=0.8,en;q=0.5"}, "fr"},
		{"none refused", all, "", []string{"fr;q=0, pl"}, "pl"},
		{"nonsense", all, "pl", []string{"!!", "\x00", strings.Repeat("fr,", 400)}, "pl"},
		{"one language alone", s.Offered([]string{"en"}, ""), "", []string{"fr"}, "en"},
	} {
		if got := s.Choose(c.offered, c.usual, c.wanted...); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
