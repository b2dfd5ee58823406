package web

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/templates"
)

// deviceFacets are the words of the facets.
var deviceFacets = map[idp.DeviceFacet]templates.Message{
	idp.FacetIOS:     templates.Say("devices.ios"),
	idp.FacetAndroid: templates.Say("devices.android"),
	idp.FacetWeb:     templates.Say("admin.facet.web"),
	idp.FacetOther:   templates.Say("admin.facet.other"),
	idp.FacetApp:     templates.Say("devices.kind.app"),
	idp.FacetCode:    templates.Say("devices.kind.code"),
	idp.FacetFailing: templates.Say("admin.facet.failing"),
	idp.FacetSilent:  templates.Say("admin.facet.silent"),
	idp.FacetUnused:  templates.Say("admin.facet.unused"),
	idp.FacetOnly:    templates.Say("admin.facet.only"),
	idp.FacetFull:    templates.Say("admin.facet.full"),
	idp.FacetBlocked: templates.Say("admin.facet.blocked"),
}

func (l listing) devices() idp.DeviceQuery {
	q := idp.DeviceQuery{Words: l.words, Sort: idp.DeviceSort(l.sort), Down: l.down, Page: l.page()}
	for _, f := range l.facets {
		q.Facets = append(q.Facets, idp.DeviceFacet(f))
	}
	return q
}

func (s *Server) adminDevices(w http.ResponseWriter, r *http.Request, p staff) error {
	l := readListing(r, places["admin-devices"])
	found, err := s.Desk.SearchDevices(r.Context(), p.by, l.devices())
	if err != nil {
		return err
	}
	page := templates.AdminDevices{
		Frame: s.adminFrame(r, p, "devices"), Note: deskNote(r), List: l.list(found.Turns), MayUnlink: p.may(admin.UnlinkDevice), Max: idp.MaxDevices,
		Kind: l.column("kind", true), Push: l.column("push", true), Linked: l.column("linked", true), Used: l.column("used", true),
		Email: l.column("email", false), App: l.column("app", false),
		ByPerson: l.head(string(idp.DevicesByPerson), true, false), ByName: l.head(string(idp.DevicesByName), false, false),
		ByLinked: l.head(string(idp.DevicesByLinked), false, true), ByUsed: l.head(string(idp.DevicesByUsed), false, true),
	}
	if t := found.Total; t != nil {
		page.Total = templates.Say("admin.devices.count", "N", t.N, "Count", templates.Count{N: t.N, More: t.More})
	}
	for _, f := range idp.DeviceFacets {
		n, counted := found.Facets[f]
		page.Chips = append(page.Chips, l.chip(string(f), deviceFacets[f], n, counted || found.Facets != nil))
	}
	for i := range found.Rows {
		page.Rows = append(page.Rows, deskDeviceOf(&found.Rows[i]))
	}
	return s.render(w, http.StatusOK, page)
}

func deskDeviceOf(row *idp.DeviceRow) templates.DeskDevice {
	d := templates.DeskDevice{
		Device: deviceOf(row.Device), App: row.Device.App, PushSaid: row.Device.PushSaid, Person: deskPersonOf(&row.User), Of: row.Devices, Unused: row.Unused,
	}
	if d.Push == "working" {
		d.PushOK = row.Device.PushOKAt
	}
	return d
}

func deskPersonOf(u *idp.User) templates.DeskPerson {
	shown := u.DisplayName
	if shown == "" {
		shown = u.Name
	}
	return templates.DeskPerson{ID: string(u.ID), Name: u.Name, Shown: shown, Email: u.Email, State: string(u.State), Staff: string(u.Staff)}
}

func (s *Server) adminDevicesCSV(w http.ResponseWriter, r *http.Request, p staff) error {
	q := readListing(r, places["admin-devices"]).devices()
	return s.download(w, r, "text/csv; charset=utf-8", "devices.csv", func(out io.Writer) error {
		return s.Desk.DevicesCSV(r.Context(), p.by, q, out)
	})
}

// adminDevice is one device and what happened with it. The list shows the same
// in a drawer.
func (s *Server) adminDevice(w http.ResponseWriter, r *http.Request, p staff) error {
	id := pathID[idp.DeviceID](r, "id")
	if !isID(string(id)) {
		return idp.ErrNotFound
	}
	after := idp.Key(r.URL.Query().Get("after"))
	row, err := s.Desk.Device(r.Context(), p.by, id)
	if errors.Is(err, idp.ErrNotFound) {
		return s.adminGone(w, r, p, id, after, err)
	}
	if err != nil {
		return err
	}
	history, err := s.Desk.DeviceHistory(r.Context(), p.by, id, idp.Page{After: after, Limit: 20})
	if err != nil {
		return err
	}
	page := templates.AdminDevice{
		Frame: s.adminFrame(r, p, "devices"), Device: deskDeviceOf(row), Max: idp.MaxDevices, Events: deskEvents(history.Rows),
		MayUnlink: p.mayUpon(admin.UnlinkDevice, &row.User), MayReopen: p.mayUpon(admin.Reopen, &row.User) && row.User.State != idp.UserDisabled,
		MayBlock: p.mayUpon(admin.BlockUsers, &row.User) && row.User.ID != p.user.ID,
	}
	if history.Next != "" {
		older := listing{path: "/admin/devices/" + string(id), after: history.Next}
		page.Older = older.address()
	}
	return s.render(w, http.StatusOK, page)
}

// adminGone is a device that is linked no more: what the log has of it. none is
// the error when it has nothing.
func (s *Server) adminGone(w http.ResponseWriter, r *http.Request, p staff, id idp.DeviceID, after idp.Key, none error) error {
	history, err := s.Desk.DeviceHistory(r.Context(), p.by, id, idp.Page{Limit: 20})
	if err != nil {
		return err
	}
	if len(history.Rows) == 0 {
		return none
	}
	page := templates.AdminDevice{Frame: s.adminFrame(r, p, "devices"), Gone: true, Device: templates.DeskDevice{Device: templates.Device{ID: string(id)}}}
	for i := range history.Rows { // the newest that says it
		e := &history.Rows[i]
		if e.Kind == idp.EventDeviceUnlinked && page.GoneAt.IsZero() {
			page.GoneAt, page.GoneBy, page.Why = e.At, e.Actor.Name, e.Detail["reason"]
		}
		if page.Device.Name == "" {
			page.Device.Name = e.Detail["name"]
		}
		if page.Device.Person.ID == "" && e.User != "" {
			page.Device.Person = templates.DeskPerson{ID: string(e.User), Name: e.Detail["user"], Shown: e.Detail["user"]}
		}
	}
	if owner := idp.UserID(page.Device.Person.ID); owner != "" {
		u, err := s.Desk.User(r.Context(), p.by, owner)
		switch {
		case err == nil:
			page.Device.Person = deskPersonOf(u)
		case !errors.Is(err, idp.ErrNotFound):
			return err
		}
	}
	if after != "" {
		if history, err = s.Desk.DeviceHistory(r.Context(), p.by, id, idp.Page{After: after, Limit: 20}); err != nil {
			return err
		}
	}
	page.Events = deskEvents(history.Rows)
	if history.Next != "" {
		older := listing{path: "/admin/devices/" + string(id), after: history.Next}
		page.Older = older.address()
	}
	return s.render(w, http.StatusOK, page)
}

func unlinkPath(list []idp.DeviceID) string {
	return "/admin/devices/unlink?id=" + joined(list, "&id=")
}

// picked returns the devices that a request to unlink several names: by ticks in
// the list, or by the one field of the form that asked.
func picked(r *http.Request) ([]idp.DeviceID, bool) {
	if r.URL.Path != "/admin/devices/unlink" {
		return nil, false
	}
	if r.Method == http.MethodPost {
		return ids[idp.DeviceID](r.PostFormValue("devices"))
	}
	return ids[idp.DeviceID](strings.Join(r.URL.Query()["id"], " "))
}

// adminUnlinkAsk names the devices before they are unlinked. What is gone
// meanwhile is left out.
func (s *Server) adminUnlinkAsk(w http.ResponseWriter, r *http.Request, p staff) error {
	list, ok := picked(r)
	if !ok {
		return seeOther(w, r, places["admin-devices"]+"?did=none")
	}
	return s.askUnlink(w, r, p, http.StatusOK, list, templates.Ask{})
}

func (s *Server) askUnlink(w http.ResponseWriter, r *http.Request, p staff, status int, list []idp.DeviceID, ask templates.Ask) error {
	var there []idp.DeviceID
	for _, id := range list {
		row, err := s.Desk.Device(r.Context(), p.by, id)
		if errors.Is(err, idp.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		there = append(there, id)
		d := deskDeviceOf(row)
		line := templates.AskLine{Name: d.Name, Of: d.Person.Shown, Last: d.Of == 1}
		if !p.mayUpon(admin.UnlinkDevice, &row.User) {
			line.Refused = true
		}
		ask.Lines = append(ask.Lines, line)
	}
	if len(there) == 0 {
		return idp.ErrNotFound
	}
	ask.Frame = s.adminFrame(r, p, "devices")
	ask.Here = "picked:" + joined(there, ".")
	ask.Title = templates.Say("admin.unlink.title", "N", len(there), "Name", ask.Lines[0].Name)
	ask.Text = templates.Say("admin.unlink.lead", "N", len(there))
	ask.Action, ask.Yes, ask.Back = "/admin/devices/unlink", templates.Say("admin.unlink.yes", "N", len(there)), places["admin-devices"]
	ask.Field, ask.Danger, ask.Reason = templates.Field{Name: "devices", Value: joined(there, " ")}, true, true
	return s.render(w, status, ask)
}

func (s *Server) adminUnlink(w http.ResponseWriter, r *http.Request, p staff) error {
	list, ok := picked(r)
	if !ok {
		return errForm
	}
	reason := r.PostFormValue("reason")
	done, err := s.Desk.UnlinkDevices(r.Context(), p.by, list, reason)
	if problem, ok := s.reasonProblem(err); ok {
		return s.askUnlink(w, r, p, http.StatusUnprocessableEntity, list, templates.Ask{Problem: problem, Typed: reason})
	}
	if err != nil {
		return err
	}
	page := templates.AdminUnlinked{Frame: s.adminFrame(r, p, "devices")}
	unlinked := 0
	for _, one := range done {
		line := templates.AskLine{Name: one.Name, Of: one.Person}
		if line.Name == "" {
			line.Name = string(one.Device)
		}
		switch {
		case one.Err == nil:
			unlinked++
			line.Done = true
		case errors.Is(one.Err, idp.ErrNotFound):
			line.Gone = true
		case errors.Is(one.Err, idp.ErrDenied):
			line.Refused = true
		default:
			s.Log.ErrorContext(r.Context(), "device not unlinked", "device", one.Device, "error", one.Err)
		}
		page.Lines = append(page.Lines, line)
	}
	if unlinked == len(done) {
		return seeOther(w, r, places["admin-devices"]+"?did=unlinked&n="+strconv.Itoa(unlinked))
	}
	page.Done, page.Left = unlinked, len(done)-unlinked
	return s.render(w, http.StatusConflict, page)
}

// deskDid are the sentences that a list of the administration may open with.
var deskDid = map[string]string{
	"unlinked":  "admin.unlinked.done",
	"none":      "admin.picked.none",
	"blocked":   "admin.blocked.done",
	"unblocked": "admin.unblocked.done",
	"unlocked":  "admin.unlocked.done",
	"ended":     "admin.ended.done",
	"edited":    "admin.edited.done",
}

func deskNote(r *http.Request) templates.Message {
	q := r.URL.Query()
	key, ok := deskDid[q.Get("did")]
	if !ok {
		return templates.Message{}
	}
	if q.Get("did") != "unlinked" {
		return templates.Say(key)
	}
	n, err := strconv.Atoi(q.Get("n"))
	if err != nil || n < 1 || n > idp.DefaultListPage {
		n = 1
	}
	return templates.Say(key, "N", n)
}
