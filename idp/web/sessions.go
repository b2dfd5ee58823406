package web

import (
	"net/http"

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
			ID: string(v.ID), This: v.ID == p.Session.ID, Browser: page.BrowserWords(v.Agent), Address: v.Address, Since: v.CreatedAt, LastAt: v.LastSeenAt,
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
	return a.door.Render(w, http.StatusOK, view)
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
