package admin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"hilum/idp"
)

// SearchDevices is the one table over all devices of all people. Errors:
// idp.ErrDenied, FieldError (a facet, an order or a key that there is none of).
func (d *Desk) SearchDevices(ctx context.Context, by By, q idp.DeviceQuery) (*idp.DevicePage, error) {
	if err := d.allow(ctx, by, ReadDevices); err != nil {
		return nil, err
	}
	return d.conf.Store.SearchDevices(ctx, q)
}

// Device returns one device and whose it is. Errors: idp.ErrDenied, idp.ErrNotFound.
func (d *Desk) Device(ctx context.Context, by By, id idp.DeviceID) (*idp.DeviceRow, error) {
	if err := d.allow(ctx, by, ReadDevices); err != nil {
		return nil, err
	}
	return d.conf.Store.Device(ctx, id)
}

// DeviceHistory is what happened with a device, newest first, also of one that
// is unlinked. Errors: idp.ErrDenied, FieldError (the key of the page),
// idp.ErrNotFound for an empty id.
func (d *Desk) DeviceHistory(ctx context.Context, by By, id idp.DeviceID, p idp.Page) (*idp.EventPage, error) {
	if err := d.allow(ctx, by, ReadDevices); err != nil {
		return nil, err
	}
	if id == "" {
		return nil, fmt.Errorf("device: %w", idp.ErrNotFound)
	}
	return d.searchEvents(ctx, idp.EventQuery{Device: id, Page: p})
}

// Unlinked says what became of one device of several.
type Unlinked struct {
	Device idp.DeviceID
	Name   string     // of the device, when it was found
	User   idp.UserID // whose it was
	Person string     // their sign-in name
	Err    error      // nil: unlinked; else idp.ErrNotFound, idp.ErrDenied or what went wrong
}

// MaxUnlink is how many devices one call unlinks.
const MaxUnlink = 1000

// UnlinkDevices removes devices, the last ones of their owners too, each in a
// transaction and with an event of its own, and reports on each in the order
// they were named. Errors, with nothing done: idp.ErrDenied, idp.ErrStale,
// FieldError (no reason or a bad one, no devices or more than MaxUnlink).
func (d *Desk) UnlinkDevices(ctx context.Context, by By, ids []idp.DeviceID, why Why) ([]Unlinked, error) {
	if err := d.allow(ctx, by, UnlinkDevice); err != nil {
		return nil, err
	}
	if err := validReason(why.Reason, !by.Console); err != nil {
		return nil, err
	}
	if len(ids) == 0 || len(ids) > MaxUnlink {
		return nil, &idp.FieldError{Field: "devices", Message: "devices.count"}
	}
	out := make([]Unlinked, len(ids))
	for i, id := range ids {
		out[i] = d.unlink(ctx, by, id, why)
	}
	return out, nil
}

// FoundDevices is all that a query finds, before it is unlinked at once.
type FoundDevices struct {
	Rows   []idp.DeviceRow // in the order of the query
	People int             // whose they are
	Digest string          // SHA-256 over the sorted ids of the devices, in base64url
}

// FindDevices returns all that a query finds, whatever its page. Errors:
// idp.ErrDenied, FieldError (as SearchDevices; a query that narrows nothing, or
// finds more than MaxUnlink).
func (d *Desk) FindDevices(ctx context.Context, by By, q idp.DeviceQuery) (*FoundDevices, error) {
	if err := d.allow(ctx, by, ReadDevices); err != nil {
		return nil, err
	}
	return d.findDevices(ctx, q)
}

func (d *Desk) findDevices(ctx context.Context, q idp.DeviceQuery) (*FoundDevices, error) {
	many := &idp.FieldError{Field: "devices", Message: "devices.count"}
	if strings.TrimSpace(q.Words) == "" && len(q.Facets) == 0 {
		return nil, many
	}
	q.Page = idp.Page{Limit: idp.MaxListPage}
	found, people := &FoundDevices{}, map[idp.UserID]bool{}
	seen := map[idp.DeviceID]bool{} // one that moves in the order meanwhile is met twice
	for {
		p, err := d.conf.Store.SearchDevices(ctx, q)
		if err != nil {
			return nil, err
		}
		// What costs too much to count is too much, and is not looked for.
		if p.Total == nil || p.Total.More || p.Total.N > MaxUnlink {
			return nil, many
		}
		for i := range p.Rows {
			if row := &p.Rows[i]; !seen[row.Device.ID] {
				seen[row.Device.ID], people[row.User.ID] = true, true
				found.Rows = append(found.Rows, *row)
			}
		}
		if len(found.Rows) > MaxUnlink {
			return nil, many
		}
		if q.After = p.Next; q.After == "" {
			break
		}
	}
	found.People = len(people)
	h := sha256.New()
	for _, id := range slices.Sorted(maps.Keys(seen)) {
		h.Write([]byte(id + "\n"))
	}
	found.Digest = base64.RawURLEncoding.EncodeToString(h.Sum(nil))
	return found, nil
}

// UnlinkFound is UnlinkDevices for all that a query finds, if these are the
// devices of a digest that FindDevices gave: what was looked at is unlinked,
// nothing else. Errors, with nothing done: as FindDevices and UnlinkDevices, and
// idp.ErrConflict when the query finds others by now.
func (d *Desk) UnlinkFound(ctx context.Context, by By, q idp.DeviceQuery, digest string, why Why) ([]Unlinked, error) {
	if err := d.allow(ctx, by, UnlinkDevice); err != nil {
		return nil, err
	}
	if err := validReason(why.Reason, !by.Console); err != nil {
		return nil, err
	}
	found, err := d.findDevices(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(found.Rows) == 0 || found.Digest != digest {
		return nil, fmt.Errorf("what the query finds: %w", idp.ErrConflict)
	}
	out := make([]Unlinked, len(found.Rows))
	for i := range found.Rows {
		out[i] = d.unlink(ctx, by, found.Rows[i].Device.ID, why)
	}
	return out, nil
}

// unlink removes one device; the caller has asked whether by may.
func (d *Desk) unlink(ctx context.Context, by By, id idp.DeviceID, why Why) Unlinked {
	u := Unlinked{Device: id}
	row, err := d.conf.Store.Device(ctx, id)
	if err != nil {
		u.Err = err
		return u
	}
	u.Name, u.User, u.Person = row.Device.Name, row.User.ID, row.User.Name
	if u.Err = mayUpon(by, &row.User); u.Err != nil {
		return u
	}
	e := d.unlinkedEvent(by, &row.User, &row.Device, why.Reason)
	if u.Err = d.conf.Store.RemoveDevice(ctx, u.User, id, why.how(), e); u.Err == nil {
		d.changed(u.User)
	}
	return u
}

func (d *Desk) unlinkedEvent(by By, u *idp.User, dev *idp.Device, reason string) idp.Event {
	e := d.event(idp.EventDeviceUnlinked, by, map[string]string{"user": u.Name, "name": dev.Name, "kind": string(dev.Kind)})
	if reason != "" {
		e.Detail["reason"] = reason
	}
	e.User, e.Device = u.ID, dev.ID
	return e
}

// look tells whoever waits for something of the person to look again.
func (d *Desk) look(user idp.UserID) {
	if d.conf.Wake != nil {
		d.conf.Wake(idp.TopicUser(user))
	}
}

// changed tells whoever it concerns that devices of the person were unlinked: their
// phones, those that are not linked any more among them.
func (d *Desk) changed(user idp.UserID) {
	if d.conf.Wake != nil {
		d.conf.Wake(idp.TopicUser(user), idp.TopicChanged(user))
	}
}

// Reopen unlinks every device of a person, cuts off all that whoever has them
// could go on with, and makes the link to a first device, in one transaction. A
// password that was chosen stays, and is asked for. Errors, with nothing done:
// idp.ErrDenied (also for somebody disabled), idp.ErrStale, idp.ErrNotFound,
// FieldError (the reason, those of Reachable).
func (d *Desk) Reopen(ctx context.Context, by By, user idp.UserID, reason string, via Via) ([]Unlinked, *Link, error) {
	if err := d.allow(ctx, by, Reopen); err != nil {
		return nil, nil, err
	}
	if err := validReason(reason, !by.Console); err != nil {
		return nil, nil, err
	}
	u, err := d.invitable(ctx, by, user, via)
	if err != nil {
		return nil, nil, err
	}
	i, link, may := d.newLink(by, u, idp.InviteEnrol, idp.InvitationTTL, via)
	devices, err := d.conf.Store.Devices(ctx, user)
	if err != nil {
		return nil, nil, err
	}
	if i.Mail != nil && len(devices) > 0 { // the letter says so
		i.Mail.Detail = map[string]string{"devices": "unlinked"}
	}
	because := d.event(idp.EventReopened, by, map[string]string{"user": u.Name})
	because.User = user
	if reason != "" {
		because.Detail["reason"] = reason
	}
	gone, err := d.conf.Store.Reopen(ctx, i, because, func(dev *idp.Device) idp.Event { return d.unlinkedEvent(by, u, dev, reason) }, may)
	if err != nil {
		return nil, nil, err
	}
	d.changed(user)
	out := make([]Unlinked, len(gone))
	for n := range gone {
		out[n] = Unlinked{Device: gone[n].ID, Name: gone[n].Name, User: user, Person: u.Name}
	}
	return out, link, nil
}

// DevicesCSV writes all that a query finds, whatever its page, as CSV with a
// heading (RFC 4180), row by row as it is read; format is any but ExportJSON. Texts
// that a spreadsheet would take for a formula have an apostrophe before them. It
// leaves an event (Exported). Errors: as SearchDevices, those of w and of the event.
func (d *Desk) DevicesCSV(ctx context.Context, by By, q idp.DeviceQuery, format ExportFormat, w io.Writer) (result error) {
	if err := d.allow(ctx, by, ReadDevices); err != nil {
		return err
	}
	out := newSheet(w, format, "username", "person", "email", "device", "id", "kind", "platform", "app", "linked_at", "last_used_at", "notifications", "state", "verifies")
	q.Page = idp.Page{Limit: idp.MaxListPage}
	rows := 0
	for first := true; ; first = false {
		p, err := d.conf.Store.SearchDevices(ctx, q)
		if first {
			if err != nil {
				return err // nothing has left
			}
			defer func() { result = d.Exported(ctx, by, ListDevices, FilterOfDevices(&q), rows, result) }()
		}
		if err != nil {
			return err
		}
		rows += len(p.Rows)
		for i := range p.Rows {
			r := &p.Rows[i]
			out.row(r.User.Name, r.User.DisplayName, r.User.Email, r.Device.Name, string(r.Device.ID), string(r.Device.Kind), r.Device.Platform,
				r.Device.App, stamp(r.Device.LinkedAt), stamp(r.Device.LastUsedAt), notifications(&r.Device), string(r.User.State),
				strconv.FormatBool(r.Device.Verifies()))
		}
		if err := out.flush(); err != nil || p.Next == "" {
			return err
		}
		q.After = p.Next
	}
}

// notifications says in a word how a device is reached.
func notifications(d *idp.Device) string {
	switch {
	case d.Kind != idp.DeviceApp:
		return "none"
	case !d.PushBadAt.IsZero():
		return "failing"
	case d.PushType == "":
		return "off"
	}
	return strings.ToLower(string(d.PushType))
}
