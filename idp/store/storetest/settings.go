package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"hilum/idp"
)

func siteSaved(t *testing.T, s *site) {
	if got, err := s.Site(s.ctx()); err != nil || !reflect.DeepEqual(got, &idp.Site{}) {
		t.Fatalf("at first: %+v, %v", got, err)
	}
	want := &idp.Site{Name: "Saint Luke", Label: "Luke", Accent: "#0a7d6c", Languages: []string{"en", "nl"}, Language: "nl", LogoNamed: true, Help: "Call 4711", HelpLink: "tel:4711"}
	s.ok(s.UpdateSite(s.ctx(), func(to *idp.Site) error {
		to.Name, to.Label, to.Accent, to.Languages, to.Language, to.LogoNamed = want.Name, want.Label, want.Accent, want.Languages, want.Language, want.LogoNamed
		to.Help, to.HelpLink = want.Help, want.HelpLink
		to.Note(idp.Event{At: s.now, Kind: idp.EventSettingChanged, Actor: idp.Actor{Name: "admin"}, Detail: map[string]string{"setting": "site.name", "from": "", "to": "Saint Luke"}})
		return nil
	}))
	if got, err := s.Site(s.ctx()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	events, err := s.Events(s.ctx(), 0, 100)
	s.ok(err)
	if n := len(events); n != 1 || events[0].Kind != idp.EventSettingChanged || events[0].Detail["to"] != "Saint Luke" {
		t.Errorf("events %+v", events)
	}
	// What fails leaves everything as it was.
	failed := errors.New("no")
	if err := s.UpdateSite(s.ctx(), func(to *idp.Site) error { to.Name = "X"; return failed }); !errors.Is(err, failed) {
		t.Errorf("a failed change: %v", err)
	}
	if got, err := s.Site(s.ctx()); err != nil || got.Name != want.Name {
		t.Errorf("after a failed change: %+v, %v", got, err)
	}
}

// A picture is there as long as somebody shows it.
func pictures(t *testing.T, s *site) {
	one := &idp.Picture{ID: "one", PNG: []byte{1, 2, 3}, Width: 20, Height: 10}
	two := &idp.Picture{ID: "two", PNG: []byte{4}, Width: 16, Height: 16}
	there := func(p *idp.Picture, want bool) {
		t.Helper()
		got, err := s.Picture(s.ctx(), p.ID)
		switch {
		case want && (err != nil || !bytes.Equal(got.PNG, p.PNG) || got.Width != p.Width || got.Height != p.Height):
			t.Errorf("%s: %+v, %v", p.ID, got, err)
		case !want && !errors.Is(err, idp.ErrNotFound):
			t.Errorf("%s is still there: %v", p.ID, err)
		}
	}
	c := s.newClient("viewer")
	s.ok(s.AddClient(s.ctx(), c))
	event := idp.Event{At: s.now, Kind: idp.EventClientChanged, Client: c.ID}
	s.ok(s.UpdateSite(s.ctx(), func(to *idp.Site) error { to.Logo, to.LogoDark = one.ID, two.ID; return nil }, one, two))
	s.ok(s.SetIcon(s.ctx(), c.ID, one, event))
	there(one, true)
	there(two, true)
	s.ok(s.UpdateSite(s.ctx(), func(to *idp.Site) error { to.Logo, to.LogoDark = two.ID, ""; return nil }))
	there(one, true) // the application's
	there(two, true)
	s.ok(s.UpdateClient(s.ctx(), c.ID, func(c *idp.Client) error {
		if c.Icon != one.ID {
			t.Errorf("the icon is %q", c.Icon)
		}
		c.Name = "another"
		return nil
	}))
	got, err := s.Client(s.ctx(), c.ID)
	s.ok(err)
	if got.Icon != one.ID || got.Name != "another" {
		t.Errorf("after an edit: %+v", got)
	}
	s.ok(s.SetIcon(s.ctx(), c.ID, nil, event))
	there(one, false)
	s.ok(s.SetIcon(s.ctx(), c.ID, one, event))
	s.ok(s.RemoveClient(s.ctx(), c.ID, event))
	there(one, false)
	there(two, true)
	s.is(s.SetIcon(s.ctx(), "nobody", one, event), idp.ErrNotFound)
	there(one, false)
}

// What is shown to whoever has changed it is as it is now, also where the next page is
// another instance's, which has read it before.
func seenAtOnce(t *testing.T, s *site, other Store) {
	c := s.newClient("viewer")
	s.ok(s.AddClient(s.ctx(), c))
	for n := range 3 {
		if _, err := other.Clients(s.ctx()); err != nil {
			t.Fatal(err)
		}
		if _, err := other.SavedSite(s.ctx()); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint("name ", n)
		s.ok(s.UpdateClient(s.ctx(), c.ID, func(c *idp.Client) error { c.Name = name; return nil }))
		s.ok(s.UpdateSite(s.ctx(), func(s *idp.Site) error { s.Name = name; return nil }))
		all, err := other.Clients(s.ctx())
		if err != nil || len(all) != 1 || all[0].Name != name {
			t.Fatalf("clients are %+v, %v", all, err)
		}
		if got, err := other.SavedSite(s.ctx()); err != nil || got.Name != name {
			t.Fatalf("the site is %+v, %v", got, err)
		}
	}
}
