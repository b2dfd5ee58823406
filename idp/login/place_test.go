package login_test

import (
	"encoding/json"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/login"
)

// Phones are told the place of the browser that asks, in the language of the account or,
// where it has none, of the site.
func TestPhonesAreToldThePlace(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.phone("Pixel")
	doc := func() (d idp.ChallengeDoc) {
		t.Helper()
		anna.atFactor(w.browser())
		w.must(json.Unmarshal([]byte(w.asked(ph).Doc), &d))
		return d
	}
	if d := doc(); d.Place != "" {
		t.Errorf("without places: %q", d.Place)
	}
	w.set(func(c *login.Config) {
		c.Place = func(address, lang string) string { return strings.ToUpper(lang) + " of " + address }
		c.Rules.Site = func() *idp.Site { return &idp.Site{Name: "Imaging", Language: "fr"} }
	})
	w.later(idp.LoginTTL)
	if d := doc(); d.Place != "FR of 192.0.2.7" {
		t.Errorf("in the language of the site: %q", d.Place)
	}
	w.must(w.desk.EditUser(t.Context(), console, anna.id, func(u *idp.User) { u.Locale = "nl-BE" }))
	w.later(idp.LoginTTL)
	if d := doc(); d.Place != "NL-BE of 192.0.2.7" {
		t.Errorf("in that of the account: %q", d.Place)
	}
}
