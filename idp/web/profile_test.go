package web

import (
	"strings"
	"testing"

	"hilum/idp"
)

func TestProfileTab(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.logins.staff, d.logins.locale = idp.StaffHelpdesk, "nl-BE"
	d.Wants(d.Get("/account/profile"), 200, `lang="nl"`, `aria-current="page"`, "Anna Maes", "anna", "Helpdesk", `id="to-admin"`, `<option value="nl-BE" lang="nl" selected>`, `<option value="fr" lang="fr">`)
	d.logins.locale = ""
	d.Wants(d.Get("/account/profile"), 200, "Only an administrator can change it", "As my browser asks", "not selected")
	d.logins.staff = idp.StaffNone
	d.Wants(d.Get("/account/profile"), 200, "not Role in the administration", `not id="to-admin"`)
	d.logins.locale = "sv" // which there are no words in
	d.Wants(d.Get("/account/profile"), 200, "not selected")
}

func TestOwnLanguage(t *testing.T) {
	d := open(t)
	d.signedIn()
	d.logins.locale = "nl-BE"
	r := d.Post("/account/profile", "language", "fr")
	d.Leads(r, "/account/profile?did=language")
	if set := r.Header.Get("Set-Cookie"); !strings.HasPrefix(set, "language=;") || !strings.Contains(set, "Max-Age=0") {
		t.Errorf("the choice of before stays in this browser: %q", set)
	}
	d.Leads(d.Post("/account/profile", "language", "nl-BE"), "/account/profile?did=language")
	d.Leads(d.Post("/account/profile", "language", ""), "/account/profile?did=language")
	d.asked("language anna "+aSession+" fr", "language anna "+aSession+" nl-BE", "language anna "+aSession+" ")
	for _, none := range []string{"sv", "nl-NL", "<b>", "en, fr"} {
		d.Wants(d.Post("/account/profile", "language", none), 400)
	}
	d.logins.locale = ""
	d.Wants(d.Get("/account/profile?did=language"), 200, "Your language is saved.")
}
