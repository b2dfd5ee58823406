package web

import (
	"net/http"
	"net/url"
	"strconv"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/web/page"
	"hilum/templates"
)

// activity lists what has happened to the account. after and before of the query are the
// keys of the pages beside one (idp.Page).
func (a *account) activity(w http.ResponseWriter, r *http.Request, p page.Person) error {
	q := r.URL.Query()
	found, err := a.logins.Activity(r.Context(), p.User.ID, idp.Page{After: idp.Key(q.Get("after")), Before: idp.Key(q.Get("before")), Limit: activityLines})
	if err != nil {
		return err
	}
	view := templates.Activity{
		Frame: a.door.PersonFrame(r, p, "activity", "activity"), Note: noteOf(r), Next: turned("after", found.Next), Prev: turned("before", found.Prev), Short: found.Partial,
	}
	for i := range found.Events {
		view.Events = append(view.Events, a.occurrence(&found.Events[i], p, view.Lang))
	}
	return a.door.Render(w, http.StatusOK, view)
}

// activityLines is how many events one page has.
const activityLines = 25

// turned is the path of another page of the list; empty where there is none.
func turned(way string, key idp.Key) string {
	if key == "" {
		return ""
	}
	return activityPath + "?" + way + "=" + url.QueryEscape(string(key))
}

// occurrence is an event as its owner is shown it, in a language (BCP 47).
func (a *account) occurrence(e *login.ActivityEvent, p page.Person, lang string) templates.Occurrence {
	o := templates.Occurrence{
		Seq: e.Seq, At: e.At, What: happened(e), Where: a.door.Where(e.Address, lang), Device: e.Device, This: e.Session == p.Session.ID,
		Bad: alarming[e.Kind], Foreign: e.Foreign, Doubt: e.Disownable(),
	}
	switch browser, system := e.Detail["browser"], e.Detail["system"]; {
	case browser != "" && system != "":
		o.Browser = templates.Say("sessions.browser", "Browser", browser, "System", system)
	case browser != "":
		o.Browser = templates.Say("sessions.browser.only", "Browser", browser)
	}
	return o
}

// alarming are events that somebody else may be behind.
var alarming = map[idp.EventKind]bool{
	idp.EventPasswordWrong: true, idp.EventCodeWrong: true, idp.EventLocked: true, idp.EventNotMe: true, idp.EventDisowned: true, idp.EventPhoneWrong: true,
}

// happenings are the message keys of what people are told has happened to their account.
var happenings = map[idp.EventKind]string{
	idp.EventLoginDenied:     "activity.denied",
	idp.EventPasswordWrong:   "activity.password.wrong",
	idp.EventCodeWrong:       "activity.code.wrong",
	idp.EventLocked:          "activity.locked",
	idp.EventForgotten:       "activity.forgotten",
	idp.EventPhoneDenied:     "activity.phone.denied",
	idp.EventPhoneWrong:      "activity.phone.wrong",
	idp.EventNotMe:           "activity.phone.notme",
	idp.EventDisowned:        "activity.disowned",
	idp.EventSessionEnded:    "activity.session.ended",
	idp.EventForgot:          "activity.forgot",
	idp.EventDeviceLinked:    "activity.device.linked",
	idp.EventDeviceRenamed:   "activity.device.renamed",
	idp.EventDeviceUnlinked:  "activity.device.unlinked",
	idp.EventRecoveryMade:    "activity.recovery.made",
	idp.EventRecoveryUsed:    "activity.recovery.used",
	idp.EventPasswordChanged: "activity.password",
	idp.EventPasswordReset:   "activity.password.reset",
	idp.EventInvited:         "activity.invited",
	idp.EventInvitationUsed:  "activity.invitation.used",
	idp.EventUserCreated:     "activity.created",
	idp.EventUserChanged:     "activity.changed",
	idp.EventAddressChanged:  "activity.address",
	idp.EventUserDisabled:    "activity.disabled",
	idp.EventUserEnabled:     "activity.enabled",
	idp.EventUserUnlocked:    "activity.unlocked",
	idp.EventReopened:        "activity.reopened",
}

// happened is what has happened, in words for the person whom it concerns.
func happened(e *login.ActivityEvent) templates.Message {
	switch {
	case e.Kind == idp.EventLoginDone && e.Detail["purpose"] == string(idp.ForStepUp):
		return templates.Say("activity.confirmed")
	case e.Kind == idp.EventLoginDone && e.App != "":
		return templates.Say("activity.login.app", "App", e.App)
	case e.Kind == idp.EventLoginDone:
		return templates.Say("activity.login")
	case e.Kind == idp.EventUserChanged && !e.Foreign && e.Detail["reason"] == "language":
		return templates.Say("activity.language")
	case e.Kind == idp.EventConsentGiven:
		return templates.Say("activity.consent", "App", e.App)
	case e.Kind == idp.EventConsentRefused:
		return templates.Say("activity.consent.refused", "App", e.App)
	case e.Kind == idp.EventEmergency:
		return templates.Say("activity.emergency", "App", e.App)
	}
	return templates.Say(happenings[e.Kind])
}

// seqOf is the number of an event in the path. Errors: idp.ErrNotFound for what is no
// number.
func seqOf(r *http.Request) (int64, error) {
	text := r.PathValue("event")
	if !page.IsNumber(text) {
		return 0, idp.ErrNotFound
	}
	seq, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, idp.ErrNotFound
	}
	return seq, nil
}

// doubtPath is where a person says of an event that it was not them.
func doubtPath(seq int64) string { return activityPath + "/" + strconv.FormatInt(seq, 10) + "/notme" }

// doubtPage says what «this was not me» takes away and, once that is done, what is left
// to do.
func (a *account) doubtPage(w http.ResponseWriter, r *http.Request, p page.Person) error {
	seq, err := seqOf(r)
	if err != nil {
		return err
	}
	d, err := a.logins.Doubt(r.Context(), p.Session, seq)
	if err != nil {
		return err
	}
	frame := a.door.PersonFrame(r, p, "notme:"+r.PathValue("event"), "activity")
	view := templates.Doubt{
		Frame: frame, Event: a.occurrence(&d.ActivityEvent, p, frame.Lang),
		Path: doubtPath(seq), One: d.Session != nil, Own: d.Here, Recovery: d.Detail["method"] == "recovery",
	}
	if did := r.URL.Query().Get("did"); did == "one" || did == "all" {
		view.Done, view.One = true, did == "one"
	}
	if d.Linked {
		view.Unlink = devicesPath + "/" + string(d.Event.Device) + "/unlink"
	}
	if d.Session != nil && view.Event.Browser.Key == "" {
		view.Event.Browser = page.BrowserWords(d.Session.Agent)
	}
	return a.door.Render(w, http.StatusOK, view)
}

// doubtSubmit cuts off what rests on the event, and leads to what is left to do.
func (a *account) doubtSubmit(w http.ResponseWriter, r *http.Request, p page.Person) error {
	seq, err := seqOf(r)
	if err != nil {
		return err
	}
	one, err := a.logins.Disown(r.Context(), p.Actor(), p.Session, seq)
	if err != nil {
		return err
	}
	if one {
		return page.SeeOther(w, r, doubtPath(seq)+"?did=one")
	}
	return page.SeeOther(w, r, doubtPath(seq)+"?did=all")
}
