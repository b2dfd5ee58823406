package adminapi

import (
	"io"
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

// person is the owner of a device or a session.
type person struct {
	ID       idp.UserID    `json:"id"`
	Username string        `json:"username"`
	Name     string        `json:"name"`
	Email    string        `json:"email"`
	State    idp.UserState `json:"state"`
}

func personOf(u *idp.User) *person { return &person{u.ID, u.Name, u.DisplayName, u.Email, u.State} }

// device is a device in a response.
type device struct {
	ID           idp.DeviceID   `json:"id"`
	Name         string         `json:"name"`
	Kind         idp.DeviceKind `json:"kind"`
	Platform     string         `json:"platform"`
	App          string         `json:"app"`
	Verifies     bool           `json:"verifies"` // it can ask for a fingerprint or PIN
	Push         idp.PushType   `json:"push"`     // empty: it gave no address
	FailingSince *time.Time     `json:"push_failing_since,omitempty"`
	FailingWhy   string         `json:"push_failing_reason,omitempty"`
	LinkedAt     *time.Time     `json:"linked_at"`
	LastUsedAt   *time.Time     `json:"last_used_at,omitempty"`
	Unused       *bool          `json:"unused,omitempty"`
	User         *person        `json:"user,omitempty"`
}

func deviceOf(d *idp.Device) device {
	return device{
		ID: d.ID, Name: d.Name, Kind: d.Kind, Platform: d.Platform, App: d.App, Verifies: d.Verifies(), Push: d.PushType,
		FailingSince: moment(d.PushBadAt), FailingWhy: d.PushSaid, LinkedAt: moment(d.LinkedAt), LastUsedAt: moment(d.LastUsedAt),
	}
}

func deviceRowOf(row *idp.DeviceRow) device {
	d := deviceOf(&row.Device)
	d.User, d.Unused = personOf(&row.User), &row.Unused
	return d
}

func (s *Server) deviceQuery(r *http.Request, known ...string) (idp.DeviceQuery, error) {
	q, err := readQuery(r, append(known, "q", "facet*", "sort")...)
	if err != nil {
		return idp.DeviceQuery{}, err
	}
	order, down := q.sort()
	p, err := q.part()
	return idp.DeviceQuery{Words: q.Get("q"), Facets: typed[idp.DeviceFacet](q.Values["facet"]), Sort: idp.DeviceSort(order), Down: down, Page: p}, err
}

func (s *Server) searchDevices(w http.ResponseWriter, r *http.Request, by admin.By) error {
	q, err := s.deviceQuery(r, "after", "limit")
	if err != nil {
		return err
	}
	found, err := s.conf.Desk.SearchDevices(r.Context(), by, q)
	if err != nil {
		return err
	}
	p := pageOf(found.Rows, found.Cursors, deviceRowOf)
	p.counted(found.Total)
	p.Facets = facets(found.Facets)
	return s.answer(w, r, http.StatusOK, p)
}

func (s *Server) devicesCSV(w http.ResponseWriter, r *http.Request, by admin.By) error {
	q, err := s.deviceQuery(r)
	if err != nil {
		return err
	}
	return s.stream(w, r, typeCSV, func(out io.Writer) error { return s.conf.Desk.DevicesCSV(r.Context(), by, q, admin.ExportCSV, out) })
}

func (s *Server) device(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.DeviceID](r, "device")
	if err != nil {
		return err
	}
	if _, err := readQuery(r); err != nil {
		return err
	}
	row, err := s.conf.Desk.Device(r.Context(), by, id)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, deviceRowOf(row))
}

// deviceEvents is the history of a device, also of one that was unlinked. Error:
// idp.ErrNotFound for one of which nothing is known.
func (s *Server) deviceEvents(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.DeviceID](r, "device")
	if err != nil {
		return err
	}
	q, err := readQuery(r, "after", "limit")
	if err != nil {
		return err
	}
	p, err := q.part()
	if err != nil {
		return err
	}
	found, err := s.conf.Desk.DeviceHistory(r.Context(), by, id, p)
	if err != nil {
		return err
	}
	if len(found.Rows) == 0 && p.After == "" {
		if _, err := s.conf.Desk.Device(r.Context(), by, id); err != nil {
			return err
		}
	}
	return s.answer(w, r, http.StatusOK, pageOf(found.Rows, found.Cursors, admin.EventLineOf))
}

func (s *Server) unlinkDevice(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := pathID[idp.DeviceID](r, "device")
	if err != nil {
		return err
	}
	c, err := readBody(r, whyMembers)
	if err != nil {
		return err
	}
	var why admin.Why
	c.apply(&why)
	results, err := s.conf.Desk.UnlinkDevices(r.Context(), by, []idp.DeviceID{id}, why)
	if err != nil {
		return err
	}
	if err := results[0].Err; err != nil {
		return err
	}
	return done(w)
}

// unlinked is what became of one device of several.
type unlinked struct {
	Device   idp.DeviceID `json:"device"`
	Name     string       `json:"name,omitempty"`
	User     idp.UserID   `json:"user,omitempty"`
	Username string       `json:"username,omitempty"`
	Unlinked bool         `json:"unlinked"`
	Problem  *problem     `json:"problem,omitempty"`
}

func (s *Server) unlinkedOf(r *http.Request) func(u *admin.Unlinked) unlinked {
	return func(u *admin.Unlinked) unlinked {
		return unlinked{u.Device, u.Name, u.User, u.Person, u.Err == nil, s.problemOfOne(r, u.Err)}
	}
}

// problemOfOne is the problem document of one of several; nil: it went well. A fault of
// ours is logged.
func (s *Server) problemOfOne(r *http.Request, err error) *problem {
	if err == nil {
		return nil
	}
	p := problemOf(err)
	if p.Status == http.StatusInternalServerError {
		s.conf.Log.ErrorContext(r.Context(), "admin request failed in part", "error", err)
	}
	return &p
}

// severalDevices is the body of unlinkDevices.
type severalDevices struct {
	devices []idp.DeviceID
	admin.Why
}

// whyMembers are the body of unlinkDevice.
var whyMembers = members[admin.Why]{
	"reason": text(func(w *admin.Why) *string { return &w.Reason }),
	"lost":   flag(func(w *admin.Why) *bool { return &w.Lost }),
}

var severalDevicesMembers = members[severalDevices]{
	"devices": texts(func(b *severalDevices) *[]idp.DeviceID { return &b.devices }),
	"reason":  text(func(b *severalDevices) *string { return &b.Reason }),
	"lost":    flag(func(b *severalDevices) *bool { return &b.Lost }),
}

// unlinkDevices unlinks several devices, each by itself, and says what became of each.
func (s *Server) unlinkDevices(w http.ResponseWriter, r *http.Request, by admin.By) error {
	c, err := readBody(r, severalDevicesMembers)
	if err != nil {
		return err
	}
	var b severalDevices
	c.apply(&b)
	results, err := s.conf.Desk.UnlinkDevices(r.Context(), by, b.devices, b.Why)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, page[unlinked]{Items: each(results, s.unlinkedOf(r))})
}
