package desk

import (
	"net/http"

	"hilum/idp/admin"
	"hilum/idp/web/page"
	"hilum/templates"
)

// start is the way in: the first steps of a new site, then the list of devices.
type start struct {
	room
	desk Starts
}

// home leads to the list of devices, or, on a new site, to its first steps, where the
// role may take them.
func (s *start) home(w http.ResponseWriter, r *http.Request, p staff) error {
	if p.may(admin.EditClients) {
		start, err := s.desk.Start(r.Context(), p.by)
		if err != nil {
			return err
		}
		if start.Open() {
			return page.SeeOther(w, r, startPath)
		}
	}
	return page.SeeOther(w, r, devicesPath)
}

// page leads through the first steps of a new site. How far they have come follows
// from what is stored.
func (s *start) page(w http.ResponseWriter, r *http.Request, p staff) error {
	start, err := s.desk.Start(r.Context(), p.by)
	if err != nil {
		return err
	}
	view := templates.AdminStart{
		Frame: s.frame(r, p, ""), Name: p.User.Name, Devices: start.Devices, CodeOnly: start.Devices > 0 && start.Apps == 0, Recovery: start.Recovery, MayEdit: p.may(admin.EditClients),
		Aside: start.Aside, Done: start.Done(), Issuer: s.door.Origin(), Secure: s.door.Secure(), Mail: s.mail,
	}
	for i := range start.Clients {
		if len(view.Apps) < maxStartApps {
			view.Apps = append(view.Apps, deskAppOf(&start.Clients[i]))
		}
		if start.Clients[i].ID == start.Tested {
			view.Tested = start.Clients[i].Name
		}
	}
	if start.Tested != "" && view.Tested == "" {
		view.Tested = string(start.Tested) // removed since
	}
	switch {
	case start.Devices == 0:
		view.Now = 2
	case len(start.Clients) == 0:
		view.Now = 3
	case start.Tested == "":
		view.Now = 4
	}
	return s.door.Render(w, http.StatusOK, view)
}

// aside puts the first steps aside, or brings them back.
func (s *start) aside(w http.ResponseWriter, r *http.Request, p staff) error {
	aside := r.PostFormValue("aside")
	if aside != "1" && aside != "0" {
		return page.ErrForm
	}
	if err := s.desk.PutStartAside(r.Context(), p.by, aside == "1"); err != nil {
		return err
	}
	if aside == "1" {
		return page.SeeOther(w, r, devicesPath)
	}
	return page.SeeOther(w, r, startPath)
}
