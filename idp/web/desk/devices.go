package desk

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/page"
	"hilum/templates"
)

// devices is the list of all devices, and what is done with those that are picked.
type devices struct {
	room
	desk interface {
		Devices
		People
	}
}

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

	idp.FacetVerifies: templates.Say("devices.verifies"),
}

// devices is the list as a query for devices.
func (l listing) devices() idp.DeviceQuery {
	q := idp.DeviceQuery{Words: l.words, Sort: idp.DeviceSort(l.sort), Down: l.down, Page: l.page()}
	for _, f := range l.facets {
		q.Facets = append(q.Facets, idp.DeviceFacet(f))
	}
	return q
}

func (s *devices) list(w http.ResponseWriter, r *http.Request, p staff) error {
	l := readListing(r, devicesPath)
	found, err := s.desk.SearchDevices(r.Context(), p.by, l.devices())
	if err != nil {
		return err
	}
	view := templates.AdminDevices{
		Frame: s.frame(r, p, "devices"), Note: deskNote(r), List: l.list(found.Cursors, len(found.Rows), found.Total), MayUnlink: p.may(admin.UnlinkDevice), Max: idp.MaxDevices,
		Kind: l.column("kind", true), Push: l.column("push", true), Linked: l.column("linked", true), Used: l.column("used", true),
		Email: l.column("email", false), App: l.column("app", false),
		ByPerson: l.head(string(idp.DevicesByPerson), true, false), ByName: l.head(string(idp.DevicesByName), false, false),
		ByLinked: l.head(string(idp.DevicesByLinked), false, true), ByUsed: l.head(string(idp.DevicesByUsed), false, true),
	}
	if t := found.Total; t != nil {
		view.Total = templates.Say("admin.devices.count", "N", t.N, "Count", templates.Count{N: t.N, More: t.More})
	}
	for _, f := range idp.DeviceFacets {
		n, counted := found.Facets[f]
		view.Chips = append(view.Chips, l.chip(string(f), deviceFacets[f], n, counted || found.Facets != nil))
	}
	for i := range found.Rows {
		view.Rows = append(view.Rows, deskDeviceOf(&found.Rows[i]))
	}
	// All that was found, where that is more than is shown.
	if all, ok := filterOf(r.URL.Query()); ok && view.MayUnlink && (found.Next != "" || found.Prev != "") {
		if t := found.Total; t != nil && !t.More && t.N <= admin.MaxUnlink {
			view.AllFound, view.Found = all.address(), t.N
		} else {
			view.TooMany = admin.MaxUnlink
		}
	}
	return s.door.Render(w, http.StatusOK, view)
}

func deskDeviceOf(row *idp.DeviceRow) templates.DeskDevice {
	d := templates.DeskDevice{
		Device: page.DeviceOf(row.Device), App: row.Device.App, PushSaid: row.Device.PushSaid, Person: deskPersonOf(&row.User), Of: row.Devices, Unused: row.Unused,
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

func (s *devices) csv(w http.ResponseWriter, r *http.Request, p staff) error {
	q := readListing(r, devicesPath).devices()
	return s.download(w, r, "text/csv; charset=utf-8", "devices.csv", func(out io.Writer) error {
		return s.desk.DevicesCSV(r.Context(), p.by, q, s.sheet(r, p), out)
	})
}

// one shows one device and what happened with it. The list shows the same
// in a drawer.
func (s *devices) one(w http.ResponseWriter, r *http.Request, p staff) error {
	id := page.PathID[idp.DeviceID](r, "id")
	if !page.IsID(string(id)) {
		return idp.ErrNotFound
	}
	after := idp.Key(r.URL.Query().Get("after"))
	row, err := s.desk.Device(r.Context(), p.by, id)
	if errors.Is(err, idp.ErrNotFound) {
		return s.gone(w, r, p, id, after, err)
	}
	if err != nil {
		return err
	}
	history, err := s.desk.DeviceHistory(r.Context(), p.by, id, idp.Page{After: after, Limit: 20})
	if err != nil {
		return err
	}
	view := templates.AdminDevice{
		Frame: s.frame(r, p, "devices"), Device: deskDeviceOf(row), Max: idp.MaxDevices,
		MayUnlink: p.mayUpon(admin.UnlinkDevice, &row.User), MayReopen: p.mayUpon(admin.Reopen, &row.User) && row.User.State != idp.UserDisabled,
		MayBlock: p.mayUpon(admin.BlockUsers, &row.User) && row.User.ID != p.User.ID,
	}
	view.Events = s.historyOf(history.Rows, view.Lang)
	if history.Next != "" {
		older := listing{path: "/admin/devices/" + string(id), after: history.Next}
		view.Older = older.address()
	}
	return s.door.Render(w, http.StatusOK, view)
}

// historyOf is what happened with one device, without its name, which stands above.
func (s *devices) historyOf(rows []idp.Event, lang string) []templates.DeskEvent {
	events := s.events(rows, lang)
	for i := range events {
		events[i].About = ""
	}
	return events
}

// lastName is the name that the newest event has of a device; empty: none has one.
func lastName(newestFirst []idp.Event) string {
	for i := range newestFirst {
		if name := newestFirst[i].Detail["name"]; name != "" {
			return name
		}
	}
	return ""
}

// gone shows a device that is not linked any more, by what the log has of it; after is
// where the page of its history begins. none is the error that is returned where the log
// has nothing.
func (s *devices) gone(w http.ResponseWriter, r *http.Request, p staff, id idp.DeviceID, after idp.Key, none error) error {
	history, err := s.desk.DeviceHistory(r.Context(), p.by, id, idp.Page{Limit: 20})
	if err != nil {
		return err
	}
	if len(history.Rows) == 0 {
		return none
	}
	view := templates.AdminDevice{Frame: s.frame(r, p, "devices"), Gone: true, Device: templates.DeskDevice{Device: templates.Device{ID: string(id), Name: lastName(history.Rows)}}}
	for i := range history.Rows { // the newest that says it
		e := &history.Rows[i]
		if e.Kind == idp.EventDeviceUnlinked && view.GoneAt.IsZero() {
			view.GoneAt, view.GoneBy, view.Why = e.At, e.Actor.Name, e.Detail["reason"]
		}
		if view.Device.Person.ID == "" && e.User != "" {
			view.Device.Person = templates.DeskPerson{ID: string(e.User), Name: e.Detail["user"], Shown: e.Detail["user"]}
		}
	}
	if owner := idp.UserID(view.Device.Person.ID); owner != "" {
		u, err := s.desk.User(r.Context(), p.by, owner)
		switch {
		case err == nil:
			view.Device.Person = deskPersonOf(u)
		case !errors.Is(err, idp.ErrNotFound):
			return err
		}
	}
	if after != "" {
		if history, err = s.desk.DeviceHistory(r.Context(), p.by, id, idp.Page{After: after, Limit: 20}); err != nil {
			return err
		}
	}
	view.Events = s.historyOf(history.Rows, view.Lang)
	if history.Next != "" {
		older := listing{path: "/admin/devices/" + string(id), after: history.Next}
		view.Older = older.address()
	}
	return s.door.Render(w, http.StatusOK, view)
}

// unlinkPath is the address of the page that asks whether to unlink devices.
func unlinkPath(list []idp.DeviceID) string {
	return pickedPath + "?id=" + joined(list, "&id=")
}

// picked returns the devices that a request to unlink several names: by ticks in
// the list, or by the one field of the form that asked. It is false as ids is.
func picked(r *http.Request) ([]idp.DeviceID, bool) {
	if r.Method == http.MethodPost {
		return ids[idp.DeviceID](r.PostFormValue("devices"))
	}
	return ids[idp.DeviceID](strings.Join(r.URL.Query()["id"], " "))
}

// pickedOnes names the page that asks about devices that were picked.
var pickedOnes = page.Query{
	Of: func(r *http.Request) (string, bool) {
		list, ok := picked(r)
		return joined(list, "."), ok
	},
	Address: func(names string) (string, bool) {
		list, ok := ids[idp.DeviceID](names)
		return unlinkPath(list), ok
	},
}

// unlinkPage names the devices before they are unlinked. One that is gone
// meanwhile is left out.
func (s *devices) unlinkPage(w http.ResponseWriter, r *http.Request, p staff) error {
	list, ok := picked(r)
	if !ok {
		return page.SeeOther(w, r, devicesPath+"?did=none")
	}
	return s.askUnlink(w, r, p, http.StatusOK, list, templates.Ask{})
}

// askUnlink shows the page that names devices before they are unlinked; ask holds what was
// typed and is wrong. Errors: idp.ErrNotFound, where none of them is there.
func (s *devices) askUnlink(w http.ResponseWriter, r *http.Request, p staff, status int, list []idp.DeviceID, ask templates.Ask) error {
	var there []idp.DeviceID
	for _, id := range list {
		row, err := s.desk.Device(r.Context(), p.by, id)
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
	ask.Frame = s.frame(r, p, "devices")
	ask.Here = "picked:" + joined(there, ".")
	ask.Title = templates.Say("admin.unlink.title", "N", len(there), "Name", ask.Lines[0].Name)
	ask.Text = templates.Say("admin.unlink.lead", "N", len(there))
	ask.Action, ask.Yes, ask.Back = pickedPath, templates.Say("admin.unlink.yes", "N", len(there)), devicesPath
	ask.Field, ask.Danger, ask.Reason = templates.Field{Name: "devices", Value: joined(there, " ")}, true, true
	ask.MayLost, ask.Lost = true, r.PostFormValue("lost") != ""
	return s.door.Render(w, status, ask)
}

// whyOf reads why devices are unlinked, as the form says.
func whyOf(r *http.Request) admin.Why {
	return admin.Why{Reason: r.PostFormValue("reason"), Lost: r.PostFormValue("lost") != ""}
}

func (s *devices) unlink(w http.ResponseWriter, r *http.Request, p staff) error {
	list, ok := picked(r)
	if !ok {
		return page.ErrForm
	}
	reason := r.PostFormValue("reason")
	done, err := s.desk.UnlinkDevices(r.Context(), p.by, list, whyOf(r))
	if problem, ok := s.reasonProblem(err); ok {
		return s.askUnlink(w, r, p, http.StatusUnprocessableEntity, list, templates.Ask{Problem: problem, Typed: reason})
	}
	if err != nil {
		return err
	}
	return s.showUnlinked(w, r, p, done)
}

// namedLines is how many devices are named one by one where many were found.
const namedLines = 20

// showUnlinked says what became of each device; of more than idp.DefaultListPage it names
// only those that were not unlinked.
func (s *devices) showUnlinked(w http.ResponseWriter, r *http.Request, p staff, done []admin.Unlinked) error {
	view := templates.AdminUnlinked{Frame: s.frame(r, p, "devices")}
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
			s.door.Log().ErrorContext(r.Context(), "device not unlinked", "device", one.Device, "error", one.Err)
		}
		if !line.Done || len(done) <= idp.DefaultListPage {
			view.Lines = append(view.Lines, line)
		}
	}
	if unlinked == len(done) {
		return page.SeeOther(w, r, devicesPath+"?did=unlinked&n="+strconv.Itoa(unlinked))
	}
	view.Done, view.Left = unlinked, len(done)-unlinked
	return s.door.Render(w, http.StatusConflict, view)
}

// filterOf reads the filter that finds the devices which are to be unlinked at once. ok is
// false for a filter that narrows nothing, or that no page of ours makes.
func filterOf(q url.Values) (l listing, ok bool) {
	l = listing{path: foundPath, words: strings.TrimSpace(q.Get("q")), facets: q["f"]}
	if !utf8.ValidString(l.words) || len("found:"+l.filter()) > page.MaxParam {
		return listing{}, false
	}
	for _, f := range l.facets {
		if _, known := deviceFacets[idp.DeviceFacet(f)]; !known {
			return listing{}, false
		}
	}
	return l, l.words != "" || len(l.facets) > 0
}

// foundOnes names the page that asks about the devices that a filter finds.
var foundOnes = page.Query{
	Of: func(r *http.Request) (string, bool) {
		l, ok := filterOf(r.URL.Query())
		return l.filter(), ok
	},
	Address: func(query string) (string, bool) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return "", false
		}
		l, ok := filterOf(q)
		return l.address(), ok
	},
}

// filter is the query of the list's address.
func (l listing) filter() string {
	_, query, _ := strings.Cut(l.address(), "?")
	return query
}

// unlinkFoundPage says how many devices a filter finds and whose they are,
// and names the first of them.
func (s *devices) unlinkFoundPage(w http.ResponseWriter, r *http.Request, p staff) error {
	return s.askUnlinkFound(w, r, p, http.StatusOK, templates.Ask{})
}

// askUnlinkFound shows the page of unlinkFoundPage; ask holds what was typed and is wrong.
// Where the filter finds nothing, or more than admin.MaxUnlink, the browser is sent to the
// list.
func (s *devices) askUnlinkFound(w http.ResponseWriter, r *http.Request, p staff, status int, ask templates.Ask) error {
	l, ok := filterOf(r.URL.Query())
	if !ok {
		return page.SeeOther(w, r, devicesPath+"?did=none")
	}
	list := l
	list.path = devicesPath
	found, err := s.desk.FindDevices(r.Context(), p.by, l.devices())
	// The list says that nothing fits, or that it is too much for once.
	if field, _, bad := s.door.FieldProblem(err); bad && field == "devices" || err == nil && len(found.Rows) == 0 {
		return page.SeeOther(w, r, list.address())
	}
	if err != nil {
		return err
	}
	refused := 0
	for i := range found.Rows {
		row := &found.Rows[i]
		may := p.mayUpon(admin.UnlinkDevice, &row.User)
		if !may {
			refused++
		}
		if i < namedLines {
			d := deskDeviceOf(row)
			ask.Lines = append(ask.Lines, templates.AskLine{Name: d.Name, Of: d.Person.Shown, Last: d.Of == 1, Refused: !may})
		}
	}
	n := len(found.Rows)
	if n > namedLines {
		ask.More = templates.Say("admin.found.more", "N", n-namedLines)
	}
	if refused > 0 {
		ask.Refused = templates.Say("admin.found.refused", "N", refused)
	}
	ask.Frame = s.frame(r, p, "devices")
	ask.Here = "found:" + l.filter()
	ask.Title = templates.Say("admin.unlink.title", "N", n, "Name", ask.Lines[0].Name)
	ask.Whose = templates.Say("admin.found.people", "N", found.People)
	ask.Text = templates.Say("admin.unlink.lead", "N", n)
	ask.Action, ask.Yes, ask.Back = l.address(), templates.Say("admin.unlink.yes", "N", n), list.address()
	ask.Field, ask.Danger, ask.Reason = templates.Field{Name: "digest", Value: found.Digest}, true, true
	ask.MayLost, ask.Lost = true, r.PostFormValue("lost") != ""
	return s.door.Render(w, status, ask)
}

// foundTime is how long the browser may wait until all that was found is unlinked: each
// device is a transaction of its own.
const foundTime = 2 * time.Minute

// unlinkFound unlinks the devices that were asked about: when the filter finds other
// devices by now, it asks again. Once begun it goes on to the end, also when the
// browser does not wait.
func (s *devices) unlinkFound(w http.ResponseWriter, r *http.Request, p staff) error {
	l, ok := filterOf(r.URL.Query())
	if !ok {
		return page.ErrForm
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(foundTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	reason := r.PostFormValue("reason")
	done, err := s.desk.UnlinkFound(context.WithoutCancel(r.Context()), p.by, l.devices(), r.PostFormValue("digest"), whyOf(r))
	if problem, ok := s.reasonProblem(err); ok {
		return s.askUnlinkFound(w, r, p, http.StatusUnprocessableEntity, templates.Ask{Problem: problem, Typed: reason})
	}
	field, _, bad := s.door.FieldProblem(err)
	if errors.Is(err, idp.ErrConflict) || bad && field == "devices" {
		return s.askUnlinkFound(w, r, p, http.StatusConflict, templates.Ask{Changed: templates.Say("admin.found.changed"), Typed: reason})
	}
	if err != nil {
		return err
	}
	return s.showUnlinked(w, r, p, done)
}

// deskDid are the message keys of sentences that a page of the administration may open
// with, by the parameter «did» of its query.
var deskDid = map[string]string{
	"unlinked":  "admin.unlinked.done",
	"none":      "admin.picked.none",
	"blocked":   "admin.blocked.done",
	"unblocked": "admin.unblocked.done",
	"unlocked":  "admin.unlocked.done",
	"ended":     "admin.ended.done",
	"edited":    "admin.edited.done",
}

// deskNote returns the sentence that a page opens with; no key: none. That of devices which
// were unlinked has their number, by the parameter «n».
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
	if err != nil || n < 1 || n > admin.MaxUnlink {
		n = 1
	}
	return templates.Say(key, "N", n)
}
