package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/text"
	"hilum/templates/words"
)

// siteSource knows how the site presents itself now: what the configuration
// sets, over what the administration has saved, over the defaults. Whoever asks
// gets what is in force at that moment, without a trip to the database.
type siteSource struct {
	fixed idp.Site
	saved interface {
		Site(ctx context.Context) (*idp.Site, error)
	}
	log  *slog.Logger
	last atomic.Pointer[shownSite]
}

// shownSite is what was saved, and what is shown of it.
type shownSite struct{ saved, shown *idp.Site }

func newSiteSource(conf *config.Config, saved interface {
	Site(ctx context.Context) (*idp.Site, error)
}, log *slog.Logger) *siteSource {
	return &siteSource{fixed: fixedSite(conf), saved: saved, log: log}
}

// fixedSite is what the configuration sets of the site, in the form that saved values
// have.
func fixedSite(conf *config.Config) idp.Site {
	return idp.Site{
		Name: text.Form(conf.Site.Name), Label: text.Form(conf.Device.Label), Accent: strings.ToLower(conf.Site.Accent),
		Languages: slices.Clone(conf.Site.Languages), Language: conf.Site.Language, Help: text.Form(conf.Site.Help), HelpLink: conf.Site.HelpLink,
	}
}

// usualSite is the defaults.
var usualSite = idp.Site{Name: config.DefaultName, Language: "en"}

// now returns the site; it is shared and must not be changed. While the database does
// not answer it is as it was, or, when it never answered, without what was saved.
func (s *siteSource) now() *idp.Site {
	last := s.last.Load()
	saved, err := s.saved.Site(context.Background())
	if err != nil {
		s.log.Error("how the site presents itself cannot be read", "error", err)
		if last != nil {
			return last.shown
		}
		saved = &idp.Site{}
	}
	if last != nil && last.saved == saved {
		return last.shown
	}
	shown := s.fixed.Over(saved).Over(&usualSite)
	s.last.Store(&shownSite{saved, shown})
	return shown
}

// settingsOf returns a function that lists the settings of the configuration for the
// administration, as they were at the start. The list is shared.
func settingsOf(conf *config.Config) func() []idp.Setting {
	var list []idp.Setting
	for _, s := range conf.Settings() {
		one := idp.Setting{Key: s.Key, Value: s.Value, Default: s.Default, Place: s.Place, Env: s.Env, From: idp.SettingDefault}
		if s.Place != "" && s.Value != "" {
			one.From = idp.SettingConfigured
		}
		if s.Key == "site.name" {
			one.Default = config.DefaultName
			if one.Value == "" {
				one.Value = one.Default
			}
		}
		list = append(list, one)
	}
	return func() []idp.Setting { return list }
}

// checkLanguages refuses languages that there are no words in. Errors: a config.Fault for
// each of them, those of site.language first.
func checkLanguages(conf *config.Config) error {
	known := words.Known()
	var faults []error
	check := func(key string, list ...string) {
		for _, l := range list {
			if l != "" && !slices.Contains(known, l) {
				faults = append(faults, conf.Fault(key, "there are no words in "+l+"; there are in "+strings.Join(known, ", ")))
			}
		}
	}
	check("site.language", conf.Site.Language)
	check("site.languages", conf.Site.Languages...)
	return errors.Join(faults...)
}
