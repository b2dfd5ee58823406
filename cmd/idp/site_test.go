package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"hilum/config"
	"hilum/idp"
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
