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
		return &Letter{Kind: kind, URL: "https://idp.test/invite/TOKEN", Lasts: 24 * time.Hour, ExpiresAt: at.Add(24 * time.Hour)}
	}
	all := map[string]*Letter{
		"invitation": link("invitation"), "phone": link("phone"), "reset": link("reset"), "forgotten": link("forgotten"), "test": {Kind: "test"},
		"device.linked": {Kind: "device.linked", Device: "Pixel 8"}, "device.unlinked": {Kind: "device.unlinked", By: true},
		"password": {Kind: "password"}, "recovery.made": {Kind: "recovery.made"}, "recovery.used": {Kind: "recovery.used"}, "notme": {Kind: "notme"},
		"notme.ended": {Kind: "notme", Ended: "one"}, "notme.first": {Kind: "notme", First: true},
		"disowned.one": {Kind: "disowned", Ended: "one"}, "disowned.others": {Kind: "disowned", Ended: "others"},
		"disowned.linked":  {Kind: "disowned", Ended: "others", Linked: true},
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

// Times are those of the site's clocks, with the zone, also where that has no name of
// letters, and each letter takes the one that is in force on its day.
func TestLettersAreInTheZone(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	winter, summer := time.Date(2026, 3, 28, 23, 30, 0, 0, time.UTC), time.Date(2026, 3, 29, 23, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		zone, lang string
		at         time.Time
		want       string
	}{
		{"", "en", winter, "2026-03-28 23:30 (UTC)"},
		{"UTC", "de", winter, "28.03.2026 23:30 (UTC)"},
		{"Europe/Brussels", "nl", winter, "29-03-2026 00:30 (CET)"},
		{"Europe/Brussels", "fr", summer, "30/03/2026 01:30 (CEST)"},
		{"America/Sao_Paulo", "en", winter, "2026-03-28 20:30 (UTC-03)"},
		{"Asia/Kolkata", "en", winter, "2026-03-29 05:00 (IST)"},
	} {
		var zone *time.Location
		if c.zone != "" {
			if zone, err = time.LoadLocation(c.zone); err != nil {
				t.Fatal(err)
			}
		}
		for _, l := range []*Letter{
			{Kind: "password", At: c.at},
			{Kind: "reset", URL: "https://idp.test/invite/TOKEN", Lasts: time.Hour, ExpiresAt: c.at},
			{Kind: "locked", Locked: "code", At: c.at.Add(-time.Hour), Until: c.at},
		} {
			l.Zone = zone
			if _, text, err := s.Letter(c.lang, l); err != nil || !strings.Contains(text, c.want) {
				t.Errorf("%s in %s, %q, does not say %q: %v\n%s", l.Kind, c.lang, c.zone, c.want, err, text)
			}
		}
	}
}

// How long a link is good is said beside its end, to the minute.
func TestLettersSayHowLong(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2026, 3, 5, 5, 6, 0, 0, time.UTC)
	for _, c := range []struct {
		lang  string
		lasts time.Duration
		want  []string
	}{
		{"en", 24 * time.Hour, []string{"for 24 hours", "until 2026-03-05 05:06 (UTC)"}},
		{"en", 30*time.Minute - 20*time.Microsecond, []string{"for 30 minutes", "until 2026-03-05 05:06 (UTC)"}},
		{"en", time.Hour, []string{"for 1 hour"}},
		{"en", 72 * time.Hour, []string{"for 3 days"}},
		{"de", 24 * time.Hour, []string{"24 Stunden lang", "bis 05.03.2026 05:06 (UTC)"}},
		{"de", 30 * time.Minute, []string{"30 Minuten lang"}},
		{"fr", 24 * time.Hour, []string{"pendant 24 heures", "jusqu’au 05/03/2026 05:06 (UTC)"}},
		{"nl", 30 * time.Minute, []string{"30 minuten lang", "tot 05-03-2026 05:06 (UTC)"}},
	} {
		for _, l := range []*Letter{
			{Kind: "forgotten", URL: "https://idp.test/invite/TOKEN", Lasts: c.lasts, ExpiresAt: end},
			{Kind: "locked", Locked: "code", At: end.Add(-c.lasts), Until: end},
		} {
			_, text, err := s.Letter(c.lang, l)
			for _, want := range c.want {
				if err != nil || !strings.Contains(text, want) {
					t.Errorf("%s in %s does not say %q: %v\n%s", l.Kind, c.lang, want, err, text)
				}
			}
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
		want := map[string]int{"/invite/TOKEN\n": 0, "/account\n": 0, "/account/password\n": 0, "/app ": 0}
		if l.Kind == "disowned" || name == "notme" || name == "notme.ended" { // somebody may know the password
			want["/account/password\n"] = 1
		}
		if name == "invitation" || name == "phone" {
			want["/app "] = 1 // a device is linked: our own app comes first
			if app, other := strings.Index(text, "/app "), strings.Index(text, "ny authenticator app"); app > other {
				t.Errorf("%s speaks of other apps before ours:\n%s", name, text)
			}
		}
		switch {
		case l.URL != "":
			want["/invite/TOKEN\n"] = 1
		case name != "test":
			want["/account\n"] = 1
		}
		for link, n := range want {
			if got := strings.Count(text, "https://idp.test"+link); got != n {
				t.Errorf("%s has %s %d times", name, link, got)
			}
		}
		all := 1 // the address of the site
		for _, n := range want {
			all += n
		}
		if got := strings.Count(text, "://"); got != all {
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
