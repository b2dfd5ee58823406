package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/brand"
)

// savedSite is what the administration has saved.
type savedSite struct {
	site *idp.Site
	err  error
}

func (s *savedSite) Site(context.Context) (*idp.Site, error) { return s.site, s.err }

func TestSiteSource(t *testing.T) {
	conf := config.Default()
	conf.Site.Accent = "#1F6FEB"
	saved := &savedSite{site: &idp.Site{}}
	s := newSiteSource(conf, saved, slog.New(slog.DiscardHandler))
	if got := s.now(); got.Name != "Hilum" || got.Accent != "#1f6feb" || got.Language != "en" {
		t.Errorf("at first: %+v", got)
	}
	saved.site = &idp.Site{Name: "Luke", Accent: "#0a7d6c"}
	got := s.now()
	if got.Name != "Luke" || got.Accent != "#1f6feb" {
		t.Errorf("saved: %+v", got)
	}
	if s.now() != got {
		t.Error("made anew though nothing has changed")
	}
	saved.site, saved.err = nil, errors.New("the disk is gone")
	if s.now() != got {
		t.Error("without a database it is not as it was")
	}
	if fresh := newSiteSource(conf, saved, slog.New(slog.DiscardHandler)).now(); fresh.Name != "Hilum" {
		t.Errorf("without a database from the beginning: %+v", fresh)
	}
}

// Every language without words is a fault, told in the same order each time.
func TestLanguagesWithoutWords(t *testing.T) {
	conf := config.Default()
	conf.Site.Language, conf.Site.Languages = "tlh", []string{"en", "xx", "de", "yy"}
	const rest = "; there are in de, en, fr, nl"
	want := "site.language: there are no words in tlh" + rest + "\nsite.languages: there are no words in xx" + rest + "\nsite.languages: there are no words in yy" + rest
	for range 10 {
		if err := checkLanguages(conf); err == nil || err.Error() != want {
			t.Fatalf("said %v, want %s", err, want)
		}
	}
	conf.Site.Language, conf.Site.Languages = "", []string{"en", "nl"}
	if err := checkLanguages(conf); err != nil {
		t.Error(err)
	}
}

// A file is read no further than a picture may be large, whatever it says of its size.
func TestPicturesAreReadWithinBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logo.png")
	for size, want := range map[int]bool{brand.MaxFile: true, brand.MaxFile + 1: false} {
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		raw, err := readPicture(path)
		var field *idp.FieldError
		if want && (err != nil || len(raw) != size) || !want && (!errors.As(err, &field) || field.Message != "picture.large") {
			t.Errorf("%d bytes: read %d, %v", size, len(raw), err)
		}
	}
	if _, err := readPicture("/dev/zero"); err == nil || !strings.Contains(err.Error(), "picture.large") {
		t.Errorf("a file without an end: %v", err)
	}
}
