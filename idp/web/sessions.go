package web

import (
	"errors"
	"net/http"
	"strconv"

	"hilum/idp"
	"hilum/idp/web/page"
	"hilum/templates"
)

func (a *account) sessions(w http.ResponseWriter, r *http.Request, p page.Person) error {
	list, err := a.logins.Sessions(r.Context(), p.User.ID)
	if err != nil {
		return err
	}
	view := templates.Sessions{Frame: a.door.PersonFrame(r, p, "sessions", "sessions"), Note: noteOf(r)}
	for _, v := range list {
		line := templates.Session{
			ID: string(v.ID), This: v.ID == p.Session.ID, Browser: page.BrowserWords(v.Agent), Where: a.door.Where(v.Address, view.Lang), Since: v.CreatedAt, LastAt: v.LastSeenAt,
		}
		for _, c := range v.Clients {
			line.Apps = append(line.Apps, c.Name)
		}
		if line.This {
			view.Sessions = append([]templates.Session{line}, view.Sessions...)
			continue
		}
		view.Sessions = append(view.Sessions, line)
	}
	known, err := a.logins.Remembered(r.Context(), p.User.ID)
	if err != nil {
		return err
	}
	for _, k := range known {
		line := templates.Remembered{N: k.N, This: k.Browser == p.Session.Browser && !k.Browser.IsZero(), Where: a.door.Where(k.Address, view.Lang), LastAt: k.At, Until: k.ExpiresAt}
		line.Browser = page.BrowserWords(k.Agent)
		view.Remembered = append(view.Remembered, line)
	}
	return a.door.Render(w, http.StatusOK, view)
}

// forget has a browser forgotten that was remembered, or all of them.
func (a *account) forget(w http.ResponseWriter, r *http.Request, p page.Person) error {
	n, done := int64(0), "all"
	if text := r.PathValue("browser"); text != "all" {
		if !page.IsNumber(text) {
			return idp.ErrNotFound
		}
		n, _ = strconv.ParseInt(text, 10, 64) // it has 18 digits at most
		done = "forgot"
	}
	err := a.logins.Forget(r.Context(), p.Actor(), p.Session, n)
	if err != nil && !(n == 0 && errors.Is(err, idp.ErrNotFound)) { // none is left, as was wished
		return err
	}
	return page.SeeOther(w, r, sessionsPath+"?did="+done)
}

func (a *account) endSession(w http.ResponseWriter, r *http.Request, p page.Person) error {
	id := page.PathID[idp.SessionID](r, "id")
	if id == p.Session.ID {
		return a.signOut(w, r)
	}
	if err := a.logins.EndSession(r.Context(), p.Actor(), p.User.ID, id); err != nil {
		return err
	}
	return page.SeeOther(w, r, sessionsPath+"?did=ended")
}

func (a *account) endOthers(w http.ResponseWriter, r *http.Request, p page.Person) error {
	if err := a.logins.EndOthers(r.Context(), p.Actor(), p.User.ID, p.Session.ID); err != nil {
		return err
	}
	return page.SeeOther(w, r, sessionsPath+"?did=others")
}
