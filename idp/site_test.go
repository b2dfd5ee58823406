package idp

import (
	"reflect"
	"testing"
)

// What is set above wins; where it says nothing, what is below is in force.
func TestSiteOver(t *testing.T) {
	usual := &Site{Name: "Hilum", Language: "en"}
	for _, c := range []struct {
		name         string
		fixed, saved Site
		want         Site
	}{
		{"nothing", Site{}, Site{}, Site{Name: "Hilum", Language: "en"}},
		{"saved", Site{}, Site{Name: "Luke", Label: "L", Accent: "#0a7d6c", Languages: []string{"nl"}, Language: "nl"}, Site{Name: "Luke", Label: "L", Accent: "#0a7d6c", Languages: []string{"nl"}, Language: "nl"}},
		{"fixed", Site{Name: "Mark", Accent: "#1f6feb"}, Site{Name: "Luke", Accent: "#0a7d6c", Language: "nl"}, Site{Name: "Mark", Accent: "#1f6feb", Language: "nl"}},
		{"languages of the configuration", Site{Languages: []string{"en", "fr"}}, Site{Languages: []string{"nl"}}, Site{Name: "Hilum", Languages: []string{"en", "fr"}, Language: "en"}},
		{"logos", Site{}, Site{Logo: "a", LogoDark: "b", LogoNamed: true}, Site{Name: "Hilum", Language: "en", Logo: "a", LogoDark: "b", LogoNamed: true}},
		{"help", Site{}, Site{Help: "Call 4711", HelpLink: "tel:4711"}, Site{Name: "Hilum", Language: "en", Help: "Call 4711", HelpLink: "tel:4711"}},
		{"help does not mix", Site{Help: "Ask Bert"}, Site{Help: "Call 4711", HelpLink: "tel:4711"}, Site{Name: "Hilum", Language: "en", Help: "Ask Bert"}},
		{"logos do not mix", Site{Logo: "x"}, Site{Logo: "a", LogoDark: "b", LogoNamed: true}, Site{Name: "Hilum", Language: "en", Logo: "x"}},
	} {
		if got := c.fixed.Over(&c.saved).Over(usual); !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, *got, c.want)
		}
	}
	shared := &Site{Languages: []string{"en", "nl"}}
	shared.Over(usual).Languages[0] = "fr"
	if shared.Languages[0] != "en" {
		t.Error("what is returned is shared")
	}
}

func TestSiteInApps(t *testing.T) {
	if got := (&Site{Name: "Luke"}).InApps(); got != "Luke" {
		t.Errorf("%q", got)
	}
	if got := (&Site{Name: "Luke", Label: "L"}).InApps(); got != "L" {
		t.Errorf("%q", got)
	}
}
