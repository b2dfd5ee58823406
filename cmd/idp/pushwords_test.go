//go:build !nofcm

package main

import (
	"log/slog"
	"testing"
	"time"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/push/pushtest"
	"hilum/templates"
	"hilum/templates/words"
)

// A phone that shows a push by itself shows it in the language of its person, else in
// the site's, as letters are written.
func TestPushesSpeakTheLanguageOfTheirPerson(t *testing.T) {
	google := pushtest.NewFCM(t)
	conf := config.Default()
	conf.DataDir = t.TempDir()
	conf.Site.Languages, conf.Site.Language = []string{"de", "nl", "fr"}, "de"
	conf.Push.FCM.Endpoint, conf.Push.FCM.ProjectID = google.URL(), "test"
	p, err := open(t.Context(), conf, "http://127.0.0.1:8080", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.letters.words, err = templates.New(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ locale, title, text string }{
		"dutch":     {"nl-BE", "Aanmeldverzoek", "Open om te antwoorden."},
		"french":    {"fr", "Demande de connexion", "Ouvrez pour répondre."},
		"none":      {"", "Anmeldeanfrage", "Zum Antworten öffnen."},
		"unoffered": {"en-GB", "Anmeldeanfrage", "Zum Antworten öffnen."},
		"nobody":    {"-", "Anmeldeanfrage", "Zum Antworten öffnen."},
	} {
		now := time.Now()
		u := &idp.User{ID: idp.NewID[idp.UserID](), Name: name, DisplayName: name, Locale: c.locale, State: idp.UserActive, CreatedAt: now, UpdatedAt: now}
		if name == "nobody" { // a first phone is linked before there is an account
			u.ID = ""
		} else if err := p.db.AddUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		m := idp.Push{User: u.ID, Platform: "ios", Address: idp.PushAddress{Type: idp.PushFCM, Token: "token:" + name}, Kind: idp.PushLogin, ExpiresAt: now.Add(time.Minute)}
		if err := p.push.channels[idp.PushFCM].Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		got := <-google.Got
		aps, _ := got.APNS.Payload["aps"].(map[string]any)
		alert, _ := aps["alert"].(map[string]any)
		if alert["title"] != c.title || alert["body"] != c.text {
			t.Errorf("%s: %v, want %q, %q", name, alert, c.title, c.text)
		}
		m.Platform = "android"
		if err := p.push.channels[idp.PushFCM].Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if got := <-google.Got; got.APNS != nil || got.Notification != nil || len(got.Data) != 1 || got.Data["t"] != "login" {
			t.Errorf("%s: Android is given words: %+v", name, got)
		}
	}
	for _, fault := range google.Faults() {
		t.Error(fault)
	}
}

// Every kind of push has words in every language.
func TestEveryPushHasWords(t *testing.T) {
	said := map[string]bool{}
	for _, lang := range words.Known() {
		l := testLetters(t)
		l.site.fixed.Language = lang
		for _, kind := range []idp.PushKind{idp.PushLogin, idp.PushGone, idp.PushTest, idp.PushChanged} {
			title, text := l.pushed(t.Context(), &idp.Push{Kind: kind})
			if title == "" || text == "" {
				t.Errorf("%s in %s: %q, %q", kind, lang, title, text)
			}
			if said[text] {
				t.Errorf("%s in %s says %q, as another does", kind, lang, text)
			}
			said[text] = true
		}
	}
}

// Phones are told the project that their tokens have to be of, and its number, which the
// key of a service account does not have.
func TestPhonesAreToldTheProject(t *testing.T) {
	conf := config.Default()
	conf.DataDir = t.TempDir()
	conf.Push.FCM = config.FCM{Endpoint: pushtest.NewFCM(t).URL(), ProjectID: "klinik", SenderID: "123456789012"}
	p, err := open(t.Context(), conf, "http://127.0.0.1:8080", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	list := p.push.offered()
	if len(list) != 2 || list[1].Type != idp.PushFCM || list[1].ProjectID != "klinik" || list[1].SenderID != "123456789012" || list[0].SenderID != "" {
		t.Errorf("%+v", list)
	}
}
