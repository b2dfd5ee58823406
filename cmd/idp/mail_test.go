package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/mail"
	"hilum/templates"
)

func testLetters(t *testing.T) *letters {
	t.Helper()
	words, err := templates.New()
	if err != nil {
		t.Fatal(err)
	}
	site := newSiteSource(config.Default(), &savedSite{site: &idp.Site{Name: "Saint Luke"}}, slog.New(slog.DiscardHandler))
	brussels, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		t.Fatal(err)
	}
	return &letters{issuer: "https://idp.test", zone: brussels, site: site, people: nobodyHere{}, words: words}
}

// Whatever owners are told of has a letter of its own words, and those say what
// the event knew.
func TestEveryNewsHasALetter(t *testing.T) {
	l := testLetters(t)
	u := &idp.User{ID: "U", Name: "anna", DisplayName: "Anna Maes", Email: "anna@hospital.test", State: idp.UserActive}
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	said := map[string]idp.EventKind{}
	for _, kind := range idp.NewsKinds() {
		m := idp.NewsOf(&idp.Event{
			At: at, Kind: kind, User: u.ID, Actor: idp.Actor{User: "helpdesk"}, Address: "192.0.2.7",
			Detail: map[string]string{"name": "Pixel 8", "kind": "code", "until": at.Add(time.Hour).Format(time.RFC3339)},
		})
		letter, err := l.write(&mail.Occasion{Mail: m, User: u})
		if err != nil {
			t.Fatal(kind, err)
		}
		if before, ok := said[letter.Text]; ok && newsNames[before] != newsNames[kind] {
			t.Errorf("%s and %s read the same", kind, before)
		}
		said[letter.Text] = kind
		wants := []string{"Hello Anna Maes,", "192.0.2.7", "2026-03-04 06:06 (CET)", "By: the administration", "https://idp.test/account", "Saint Luke"}
		if strings.HasPrefix(string(kind), "device.") {
			wants = append(wants, "Pixel 8")
		}
		if kind == idp.EventLocked {
			wants = append(wants, "for 1 hour, until 2026-03-04 07:06 (CET)")
		}
		for _, want := range wants {
			if !strings.Contains(letter.Text, want) {
				t.Errorf("%s does not say %q:\n%s", kind, want, letter.Text)
			}
		}
	}
	if len(newsNames) != len(idp.NewsKinds()) {
		t.Errorf("%d letters for %d kinds", len(newsNames), len(idp.NewsKinds()))
	}
}

// A link leads to where it is taken, and the letter says what it is for, in the
// language of the person, else of the page where it was asked for.
func TestLinksHaveTheirLetter(t *testing.T) {
	l := testLetters(t)
	until := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for name, row := range map[string]struct {
		purpose idp.InvitationPurpose
		state   idp.UserState
		locale  string
		lang    string
		subject string
	}{
		"new":               {idp.InviteEnrol, idp.UserInvited, "", "", "Your account for Saint Luke"},
		"again":             {idp.InviteEnrol, idp.UserActive, "", "", "Link your phone again"},
		"reset":             {idp.InviteReset, idp.UserActive, "", "", "A new password for Saint Luke"},
		"forgotten":         {idp.InviteForgotten, idp.UserActive, "", "", "A new password for Saint Luke"},
		"in their language": {idp.InviteReset, idp.UserActive, "fr-BE", "nl", "Un nouveau mot de passe pour Saint Luke"},
		"of the page":       {idp.InviteForgotten, idp.UserActive, "", "nl", "Een nieuw wachtwoord voor Saint Luke"},
	} {
		t.Run(name, func(t *testing.T) {
			letter, err := l.write(&mail.Occasion{
				Mail: &idp.Mail{Kind: idp.MailLink, Lang: row.lang}, User: &idp.User{Name: "anna", DisplayName: "Anna Maes", Email: "anna@hospital.test", State: row.state, Locale: row.locale},
				Link: &idp.Invitation{Purpose: row.purpose, CreatedAt: until.Add(-24 * time.Hour), ExpiresAt: until}, Token: "TOKEN",
			})
			if err != nil {
				t.Fatal(err)
			}
			if letter.Subject != row.subject || letter.To != "anna@hospital.test" || letter.Name != "Anna Maes" {
				t.Errorf("%+v", letter)
			}
			if strings.Count(letter.Text, "https://idp.test/invite/TOKEN\n") != 1 {
				t.Errorf("the link is not there once:\n%s", letter.Text)
			}
			if name == "new" && !strings.Contains(letter.Text, "for 24 hours, until 2026-03-04 06:06 (CET)") {
				t.Errorf("it does not say how long the link is good:\n%s", letter.Text)
			}
		})
	}
}

// nobodyHere has no accounts.
type nobodyHere struct{}

func (nobodyHere) User(context.Context, idp.UserID) (*idp.User, error) { return nil, idp.ErrNotFound }

// A step-up says what it is for, in the language of the account: which device is
// unlinked, too. Pages that want no step-up say nothing.
func TestStepUpsSayWhatTheyAreFor(t *testing.T) {
	l := testLetters(t)
	devices := []idp.Device{{ID: "D1", Name: "iPad"}, {ID: "D2", Name: "Pixel 8"}}
	for _, c := range []struct{ target, locale, key, name, text string }{
		{"password", "", "password", "", "Change your password"},
		{"password", "de", "password", "", "Passwort ändern"},
		{"recovery", "nl", "recovery", "", "Nieuwe herstelcodes maken"},
		{"link", "fr", "link", "", "Associer un appareil"}, //nolint:misspell // French
		{"link:P", "", "link", "", "Link a device"},
		{"unlink:D2", "", "unlink", "Pixel 8", "Unlink Pixel 8"},
		{"unlink:D1", "de", "unlink", "iPad", "iPad trennen"},
		{"admin-users", "", "administration", "", "Work in the administration"},
		{"user:U", "de", "administration", "", "In der Verwaltung arbeiten"},
	} {
		if a := l.act(c.target, devices, c.locale); a == nil || *a != (idp.ChallengeAct{Key: c.key, Name: c.name, Text: c.text}) {
			t.Errorf("%s in %q: %+v", c.target, c.locale, a)
		}
	}
	for _, target := range []string{"", "security", "devices", "unlink:D3", "unlink"} {
		if a := l.act(target, devices, ""); a != nil {
			t.Errorf("%q: %+v", target, a)
		}
	}
}
