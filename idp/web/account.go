package web

import (
	"context"
	"net/http"

	"hilum/idp"
	"hilum/idp/web/page"
	"hilum/templates"
)

// account is the pages of somebody who is signed in: their devices, sessions, password
// and recovery codes.
type account struct {
	door   *page.Door
	logins OwnSessions
	phones Devices
	// applications lists all applications; nil: people are shown none.
	applications func(ctx context.Context) ([]idp.Client, error)
	realm        string // of applications of Keycloak's shape; empty: there is none
}

// confirm takes the button of the page that page.Door.StepUp shows to whom another site
// may have sent here, and goes on to the page that is named by the field «to», by the
// second factor where none is fresh.
func (a *account) confirm(w http.ResponseWriter, r *http.Request, p page.Person) error {
	to := r.PostFormValue("to")
	path, ok := a.door.Place(to)
	if !ok {
		return page.ErrForm
	}
	if p.Session.Fresh(a.door.Now()) == nil { // confirmed elsewhere meanwhile
		return page.SeeOther(w, r, path)
	}
	return a.door.StepUpTo(w, r, p, to)
}

// did are the message keys of sentences that an account page may open with, by the
// parameter «did» of its query.
var did = map[string]string{
	"linked":   "devices.linked.done",
	"unlinked": "devices.unlinked.done",
	"stolen":   "devices.stolen.done",
	"renamed":  "devices.renamed.done",
	"tested":   "devices.tested.done",
	"nopush":   "devices.nopush.done",
	"nothing":  "did.nothing",
	"password": "change.done",
	"ended":    "sessions.ended.done",
	"others":   "sessions.others.done",
	"language": "profile.language.done",
	"forgot":   "sessions.forgot.done",
	"all":      "sessions.forgot.all.done",
}

// noteOf returns the sentence that a page opens with; no key: none.
func noteOf(r *http.Request) templates.Message {
	if key, ok := did[r.URL.Query().Get("did")]; ok {
		return templates.Say(key)
	}
	return templates.Message{}
}

func (a *account) accountHome(w http.ResponseWriter, r *http.Request, _ page.Person) error {
	return page.SeeOther(w, r, securityPath)
}

// stay takes the button of somebody who wants to stay signed in: that they were seen is
// noted with every request of theirs, so nothing else is to be done. A script is told until
// when, in seconds, and whether that is the end whatever is done; the plain form leads to
// the account.
func (a *account) stay(w http.ResponseWriter, r *http.Request, p page.Person) error {
	if r.Header.Get("Accept") != "application/json" {
		return page.SeeOther(w, r, securityPath)
	}
	ends, last := a.door.Ends(p.Session)
	return page.JSON(w, struct {
		Ends int  `json:"ends"`
		Last bool `json:"last"`
	}{ends, last})
}
