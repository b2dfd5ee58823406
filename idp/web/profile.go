package web

import (
	"net/http"

	"hilum/idp"
	"hilum/idp/web/page"
	"hilum/templates"
)

// staffWords are the roles in the administration as their bearers are told them.
var staffWords = map[idp.StaffRole]templates.Message{
	idp.StaffAdmin: templates.Say("admin.staff.admin"), idp.StaffHelpdesk: templates.Say("admin.staff.helpdesk"), idp.StaffAuditor: templates.Say("admin.staff.auditor"),
}

// profile shows what the site knows of the person, and takes the language that they read.
func (a *account) profile(w http.ResponseWriter, r *http.Request, p page.Person) error {
	u := p.User
	return a.door.Render(w, http.StatusOK, templates.Profile{
		Frame: a.door.PersonFrame(r, p, "profile", "profile"), Note: noteOf(r), UserName: u.Name, Name: u.DisplayName, GivenName: u.GivenName, FamilyName: u.FamilyName,
		Email: u.Email, Phone: u.Phone, Office: staffWords[u.Staff], Roles: u.Roles, Groups: u.Groups, AddedAt: u.CreatedAt, Languages: a.languages(u.Locale),
	})
}

// languages are those to choose from, the one that the account has marked. Its value stays
// what the account has, such as nl-BE, so that saving the form changes nothing else.
func (a *account) languages(locale string) []templates.LanguageChoice {
	words, site := a.door.Words(), a.door.Site()
	offered := words.Offered(site.Languages, site.Language)
	if len(offered) < 2 {
		return nil
	}
	// What fits the locale is chosen whatever is usual; where nothing fits, the usual is.
	reads := words.Choose(offered, offered[0].Tag, locale)
	if words.Choose(offered, offered[1].Tag, locale) != reads {
		reads = ""
	}
	var list []templates.LanguageChoice
	for _, l := range offered {
		c := templates.LanguageChoice{Language: l, Value: l.Tag}
		if l.Tag == reads {
			c.On, c.Value = true, locale
		}
		list = append(list, c)
	}
	return list
}

// profileSubmit keeps the language that the person has chosen; none: the browser's. It counts in
// this browser at once, whatever was chosen at the foot of a page before.
func (a *account) profileSubmit(w http.ResponseWriter, r *http.Request, p page.Person) error {
	value := r.PostFormValue("language")
	known := value == ""
	for _, l := range a.languages(p.User.Locale) {
		known = known || l.Value == value
	}
	if !known {
		return page.ErrForm
	}
	if err := a.logins.ChooseLanguage(r.Context(), p.Actor(), p.Session, value); err != nil {
		return err
	}
	a.door.ForgetLanguage(w)
	return page.SeeOther(w, r, profilePath+"?did=language")
}
