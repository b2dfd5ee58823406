package templates

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/templates/words"
)

// letterKinds are all there are, each with what its words depend on.
func letterKinds() map[string]*Letter {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	link := func(kind string) *Letter {
		return &Letter{Kind: kind, URL: "https://idp.test/invite/TOKEN", ExpiresAt: at.Add(24 * time.Hour)}
	}
	all := map[string]*Letter{
		"invitation": link("invitation"), "phone": link("phone"), "reset": link("reset"), "forgotten": link("forgotten"), "test": {Kind: "test"},
		"device.linked": {Kind: "device.linked", Device: "Pixel 8"}, "device.unlinked": {Kind: "device.unlinked", By: true},
		"password": {Kind: "password"}, "recovery.made": {Kind: "recovery.made"}, "recovery.used": {Kind: "recovery.used"}, "notme": {Kind: "notme"},
		"locked.until":     {Kind: "locked", Locked: "code", Until: at.Add(30 * time.Minute)},
		"locked.codes":     {Kind: "locked", Locked: "code"},
		"locked.passwords": {Kind: "locked", Locked: "password"},
	}
	for _, l := range all {
		l.Site, l.Home, l.Name, l.UserName, l.At, l.Address = "Saint Luke", "https://idp.test", "Anna Maes", "anna", at, "192.0.2.7"
	}
	return all
}

// What people are written is looked at as a whole, in every language.
func TestLetters(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range words.Known() {
		var b bytes.Buffer
		for _, name := range slices.Sorted(maps.Keys(letterKinds())) {
			subject, text, err := s.Letter(lang, letterKinds()[name])
			if err != nil {
				t.Fatal(lang, name, err)
			}
			fmt.Fprintf(&b, "=== %s\n%s\n\n%s", name, subject, text)
		}
		file := filepath.Join("testdata", "letters."+lang+".txt")
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("%s differs; UPDATE=1 writes it, look at it then", file)
		}
	}
}

// linkable is what mail programs make links of.
var linkable = regexp.MustCompile(`[a-z]+://[a-z]|www\.[a-z]|[a-z]\.example|[a-z]@[a-z]`)

// A letter has the link it is for and no other; one without a link leads home.
func TestLettersHaveOneLink(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range letterKinds() {
		subject, text, err := s.Letter("en", l)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int{"/invite/TOKEN": 0, "/account": 0}
		switch {
		case l.URL != "":
			want["/invite/TOKEN"] = 1
		case name != "test":
			want["/account"] = 1
		}
		for link, n := range want {
			if got := strings.Count(text, "https://idp.test"+link+"\n"); got != n {
				t.Errorf("%s has %s %d times", name, link, got)
			}
		}
		if got := strings.Count(text, "://"); got != 1+want["/invite/TOKEN"]+want["/account"] { // and the address of the site
			t.Errorf("%s has %d addresses", name, got)
		}
		if strings.Contains(subject, "anna") || strings.ContainsAny(subject, "\r\n") {
			t.Errorf("%s: subject %q", name, subject)
		}
	}
	// A help line has its own, without a scheme that nobody reads.
	for link, want := range map[string]string{"tel:+3293324711": "+3293324711", "mailto:help@idp.test": "help@idp.test", "https://intranet.test/help": "https://intranet.test/help", "": ""} {
		_, text, err := s.Letter("en", &Letter{Kind: "test", Site: "Luke", Home: "https://idp.test", Name: "Anna", Help: "Helpdesk", HelpLink: link})
		if err != nil {
			t.Fatal(err)
		}
		lines := "\n\nQuestions: Helpdesk\n" + want
		if want != "" {
			lines += "\n"
		}
		if !strings.HasSuffix(text, lines+"\nLuke\nhttps://idp.test\n") {
			t.Errorf("with %q it says %q", link, text)
		}
	}
	// Nor does a name become one, whoever chose it: of the person, the device, the site.
	for name, l := range letterKinds() {
		with := *l
		with.Site, with.Name, with.Device = "http://site.evil.example", "http://evil.example/x www.evil.example", "https://dev.evil.example a@evil.example"
		for _, lang := range []string{"en", "nl", "fr", "de"} {
			_, text, err := s.Letter(lang, &with)
			if err != nil {
				t.Fatal(err)
			}
			if linkable.MatchString(strings.ReplaceAll(text, "https://idp.test", "")) {
				t.Errorf("%s in %s has a link in a name: %q", name, lang, linkable.FindString(text))
			}
			if !strings.Contains(strings.ReplaceAll(text, "\u200b", ""), "http://evil.example/x www.evil.example") {
				t.Errorf("%s in %s does not say the name: %q", name, lang, text)
			}
		}
	}
	if _, _, err := s.Letter("en", &Letter{Kind: "nonsense"}); err == nil {
		t.Error("there is a letter of a kind that there is not")
	}
}
