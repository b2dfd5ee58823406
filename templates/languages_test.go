package templates

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"hilum/templates/words"
)

// foreign is English with every sentence changed by say, as the catalogue of another
// language, whatever plural forms that has.
func foreign(t *testing.T, lang string, say func(text string) string) fstest.MapFS {
	t.Helper()
	raw, err := os.ReadFile("words/active.en.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for key, v := range all {
		switch v := v.(type) {
		case string:
			all[key] = say(v)
		case map[string]any:
			forms := map[string]string{}
			for _, form := range []string{"zero", "one", "two", "few", "many", "other"} {
				forms[form] = say(v["other"].(string))
			}
			all[key] = forms
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{"active." + lang + ".json": {Data: text}}
}

func brackets(text string) string { return "[" + text + "]" }

// No page needs English beside its own language: where English says nothing but a
// mark, no other has it.
func TestPeopleReadOneLanguage(t *testing.T) {
	const mark = "\uE0EE"
	s, err := New(foreign(t, "en", func(string) string { return mark }))
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range words.Known() {
		html, err := s.html(lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range examples() {
			var b bytes.Buffer
			if err := html.ExecuteTemplate(&b, e.page.file()+".html", e.page); err != nil {
				t.Errorf("%s in %s: %v", e.name, lang, err)
			}
			if strings.Contains(b.String(), mark) != (lang == "en") {
				t.Errorf("%s in %s: English in it: %v", e.name, lang, lang != "en")
			}
		}
	}
}

// Every page is there in every language, also in one that lacks sentences.
func TestEveryPageInEveryLanguage(t *testing.T) {
	s, err := New(foreign(t, "pl", brackets), foreign(t, "he", brackets), fstest.MapFS{"active.fr.json": {Data: []byte(`{"language.name": "Français", "continue": "Continuer"}`)}})
	if err != nil {
		t.Fatal(err)
	}
	lang := regexp.MustCompile(`<html lang="([^"]*)" dir="([^"]*)"`)
	for tag, dir := range map[string]string{"en": "ltr", "nl": "ltr", "de": "ltr", "fr": "ltr", "pl": "ltr", "he": "rtl"} {
		for _, e := range examples() {
			var b bytes.Buffer
			pages, err := s.html(tag)
			if err != nil {
				t.Fatal(err)
			}
			if err := pages.ExecuteTemplate(&b, e.page.file()+".html", e.page); err != nil {
				t.Fatalf("%s in %s: %v", e.name, tag, err)
			}
			html := b.String()
			if m := lang.FindStringSubmatch(html); m == nil || m[1] != tag || m[2] != dir {
				t.Errorf("%s in %s begins with %q", e.name, tag, m)
			}
			if strings.Contains(html, "<no value>") || strings.Contains(html, "ZgotmplZ") {
				t.Errorf("%s in %s lacks a value", e.name, tag)
			}
		}
	}
}

// A page is rendered in the language of its frame; the app is in English.
func TestRenderSpeaksTheLanguageOfTheFrame(t *testing.T) {
	s, err := New(foreign(t, "pl", brackets))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		page Page
		want string
	}{
		{Done{Frame: Frame{Lang: "pl"}}, `<html lang="pl"`}, {Done{Frame: Frame{Lang: "xx"}}, `<html lang="en"`}, {Done{}, `<html lang="en"`}, {App{}, `<html lang="en"`},
	} {
		if html := render(t, s, c.page); !strings.Contains(html, c.want) {
			t.Errorf("%+v: no %s", c.page, c.want)
		}
	}
}
