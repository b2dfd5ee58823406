package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"hilum/idp"
	"hilum/idp/store/find"
	"hilum/idp/text"
)

var deviceListing = &find.List{
	Table: "device_list", Terms: "device_terms", Facets: len(idp.DeviceFacets),
	Orders: map[string]find.Order{
		string(idp.DevicesByPerson): {Column: "person", Text: true},
		string(idp.DevicesByName):   {Column: "device", Text: true},
		string(idp.DevicesByLinked): {Column: "linked"},
		string(idp.DevicesByUsed):   {Column: "used"},
	},
}

// deviceBits are the facets as bits, by their place in idp.DeviceFacets.
var deviceBits = func() map[idp.DeviceFacet]int64 {
	m := map[idp.DeviceFacet]int64{}
	for i, f := range idp.DeviceFacets {
		m[f] = 1 << i
	}
	return m
}()

const deviceListColumns = "n, device_id, person, device, linked, used, facets, sig, words"

var (
	insertDeviceList = insertInto("device_list", deviceListColumns)
	updateDeviceList = updateRow("device_list", deviceListColumns)
)

type deviceListRow struct {
	find.Row
	deviceID       string
	person, device string
	linked, used   int64
}

func (r *deviceListRow) fields() []any {
	return []any{&r.N, &r.deviceID, &r.person, &r.device, &r.linked, &r.used, &r.Facets, &r.Sig, &r.Words}
}

const dayMicros = int64(24 * time.Hour / time.Microsecond)

// dayOf is a moment's day since 1970, and 0 for no time.
func dayOf(at int64) int64 { return at / dayMicros }

// unusedSince is the first day on which a device must have been used.
func unusedSince(now time.Time) int64 { return dayOf(micros(now.Add(-idp.UnusedFor))) }

func unused(linked, used, now int64) bool {
	since := dayOf(now) - int64(idp.UnusedFor/(24*time.Hour))
	return max(used, dayOf(linked)) < since
}

func deviceListRowOf(u *userRow, d *deviceRow, devices int, now int64) *deviceListRow {
	r := &deviceListRow{
		deviceID: d.ID, person: text.Bare(u.DisplayName), device: text.Bare(d.Name), linked: d.LinkedAt, used: dayOf(d.LastUsedAt),
	}
	has := func(f idp.DeviceFacet, is bool) {
		if is {
			r.Facets |= deviceBits[f]
		}
	}
	platform := idp.DeviceFacet(d.Platform)
	if platform != idp.FacetIOS && platform != idp.FacetAndroid && platform != idp.FacetWeb {
		platform = idp.FacetOther
	}
	app := d.Kind == string(idp.DeviceApp)
	has(platform, true)
	has(idp.FacetApp, app)
	has(idp.FacetCode, !app)
	has(idp.FacetFailing, d.PushBadAt != 0)
	has(idp.FacetSilent, app && d.PushType == "")
	has(idp.FacetUnused, unused(d.LinkedAt, r.used, now))
	has(idp.FacetOnly, devices == 1)
	has(idp.FacetFull, devices >= idp.MaxDevices)
	has(idp.FacetVerifies, len(d.UVKey) > 0)
	has(idp.FacetBlocked, u.State == string(idp.UserDisabled))
	r.SetWords(find.Words(u.Email, u.Name, u.DisplayName, d.Name))
	return r
}

// numberedDevice is a device with its row in the list.
type numberedDevice struct {
	deviceRow
	n int64
}

func (r *numberedDevice) fields() []any { return append(r.deviceRow.fields(), &r.n) }

const selectNumbered = "SELECT " + deviceColumns + ", n FROM devices WHERE user_id = ? AND state = 'active'"

// relist makes the lists say what is true of a person and their devices now.
func (t *tx) relist(user string, now int64) error {
	var u numberedUser
	if err := t.Row("SELECT "+userColumns+", n FROM users WHERE id = ?", []any{user}, u.fields()...); err != nil {
		return fmt.Errorf("user %s: %w", user, err)
	}
	devices, err := list[numberedDevice](t, selectNumbered, user)
	if err != nil {
		return err
	}
	if err := t.relistUser(&u, len(devices)); err != nil {
		return err
	}
	for i := range devices {
		d := &devices[i]
		row := deviceListRowOf(&u.userRow, &d.deviceRow, len(devices), now)
		if err := t.relistDevice(row, d.n); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) relistDevice(row *deviceListRow, n int64) (err error) {
	var before deviceListRow
	if n == 0 {
		if row.N, err = t.in.Next(deviceListing.Table); err != nil {
			return err
		}
		if err := t.put(insertDeviceList, row.fields()...); err != nil {
			return err
		}
		if err := t.put("UPDATE devices SET n = ? WHERE id = ?", row.N, row.deviceID); err != nil {
			return err
		}
		return deviceListing.PutTerms(t.put, &find.Row{}, &row.Row)
	}
	row.N = n
	if err := t.Row("SELECT "+deviceListColumns+" FROM device_list WHERE n = ?", []any{n}, before.fields()...); err != nil {
		return fmt.Errorf("device %s in the list: %w", row.deviceID, err)
	}
	if before == *row {
		return nil
	}
	if err := t.update(updateDeviceList, row.fields()); err != nil {
		return err
	}
	return deviceListing.PutTerms(t.put, &before.Row, &row.Row)
}

// unlistDevice takes a device that is about to be deleted from the list.
func (t *tx) unlistDevice(user, id string) error {
	var before deviceListRow
	err := t.Row("SELECT "+qualified("l", deviceListColumns)+" FROM devices d JOIN device_list l ON l.n = d.n WHERE d.user_id = ? AND d.id = ?",
		[]any{user, id}, before.fields()...)
	if errors.Is(err, idp.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := t.put("DELETE FROM device_list WHERE n = ?", before.N); err != nil {
		return err
	}
	return deviceListing.PutTerms(t.put, &before.Row, &find.Row{N: before.N})
}

// listsSame reports whether a change of a device shows in no list.
func (r *deviceRow) listsSame(o *deviceRow) bool {
	return r.Name == o.Name && r.Kind == o.Kind && r.Platform == o.Platform && r.State == o.State && r.LinkedAt == o.LinkedAt &&
		dayOf(r.LastUsedAt) == dayOf(o.LastUsedAt) && r.PushType == o.PushType && (r.PushBadAt == 0) == (o.PushBadAt == 0)
}

const selectDeviceListed = "SELECT l.facets, (SELECT count(*) FROM devices WHERE user_id = d.user_id AND state = 'active'), "

var (
	selectListedDevice = selectDeviceListed + qualified("d", deviceColumns) + ", " + qualified("u", userColumns) +
		" FROM device_list l CROSS JOIN devices d ON d.id = l.device_id CROSS JOIN users u ON u.id = d.user_id WHERE l.n = ?"
)

// shownDevice is a line of the list with all that it shows.
type shownDevice struct {
	facets, devices int64
	device          deviceRow
	user            userRow
}

func (r *shownDevice) fields() []any {
	return append(append([]any{&r.facets, &r.devices}, r.device.fields()...), r.user.fields()...)
}

func (r *shownDevice) shown() (*idp.DeviceRow, error) {
	u, err := r.user.user()
	if err != nil {
		return nil, err
	}
	return &idp.DeviceRow{Device: bare(r.device.device()), User: *u, Devices: int(r.devices), Unused: r.facets&deviceBits[idp.FacetUnused] != 0}, nil
}

// bare is a device without what nobody else is shown.
func bare(d idp.Device) idp.Device {
	d.SealedTOTP, d.PublicKey, d.SealedPush = nil, nil, nil
	return d
}

// SearchDevices finds a part of the list of all devices. Errors: idp.FieldError.
func (db *DB) SearchDevices(ctx context.Context, q idp.DeviceQuery) (*idp.DevicePage, error) {
	facets, err := find.Bits(idp.DeviceFacets, q.Facets)
	if err != nil {
		return nil, err
	}
	if q.Sort == "" {
		q.Sort = idp.DevicesByPerson
	}
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	f, err := deviceListing.Search(r, find.Query{Words: find.Typed(q.Words), Facets: facets, Order: string(q.Sort), Down: q.Down, Page: q.Page})
	if err != nil {
		return nil, err
	}
	p := &idp.DevicePage{Cursors: f.Cursors, Total: f.Total, Facets: find.PerFacet(idp.DeviceFacets, f.Facets), Rows: make([]idp.DeviceRow, 0, len(f.Numbers))}
	for _, n := range f.Numbers {
		row, err := listedDevice(r, n)
		if errors.Is(err, idp.ErrNotFound) {
			continue // unlinked at this very moment
		}
		if err != nil {
			return nil, err
		}
		p.Rows = append(p.Rows, *row)
	}
	return p, nil
}

func listedDevice(s statements, n int64) (*idp.DeviceRow, error) {
	var row shownDevice
	if err := s.Row(selectListedDevice, []any{n}, row.fields()...); err != nil {
		return nil, err
	}
	return row.shown()
}

// Device returns a device and whose it is. Errors: idp.ErrNotFound.
func (db *DB) Device(ctx context.Context, id idp.DeviceID) (*idp.DeviceRow, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var n int64
	if err := r.Row("SELECT n FROM devices WHERE id = ? AND state = 'active'", []any{string(id)}, &n); err != nil {
		return nil, fmt.Errorf("device %s: %w", id, err)
	}
	row, err := listedDevice(r, n)
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", id, err)
	}
	return row, nil
}

// listAll lists whoever and whatever is in no list yet: a database of before
// there were any. Another process may be doing the same, or removing people:
// whom it has listed is as this one would, and who is gone needs no place.
func (db *DB) listAll(ctx context.Context) error {
	const batch = 100
	for done, stuck := 0, 0; ; {
		r, err := db.read(ctx)
		if err != nil {
			return err
		}
		rows, err := list[idRow](r, "SELECT id FROM users WHERE n = 0 LIMIT ?", int64(batch))
		if err != nil {
			return err
		}
		also, err := list[idRow](r, "SELECT DISTINCT user_id FROM devices WHERE n = 0 AND state = 'active' LIMIT ?", int64(batch))
		if err != nil {
			return err
		}
		rows = append(rows, also...)
		slices.SortFunc(rows, func(a, b idRow) int { return slices.Compare([]byte(a.id), []byte(b.id)) })
		rows = slices.Compact(rows)
		if len(rows) == 0 {
			return nil
		}
		now := micros(db.now())
		var gone error
		listed := 0
		err = db.write(ctx, func(t *tx) error {
			gone, listed = nil, 0
			for _, row := range rows { // in their order
				if err := t.hold(ofPerson(idp.UserID(row.id))); err != nil {
					return err
				}
			}
			for _, row := range rows {
				var there int64
				err := t.Row("SELECT 1 FROM users WHERE id = ?", []any{row.id}, &there)
				if errors.Is(err, idp.ErrNotFound) {
					gone = fmt.Errorf("user %s: %w", row.id, err)
					continue
				}
				if err == nil {
					err = t.relist(row.id, now)
				}
				if err != nil {
					return err
				}
				listed++
			}
			return nil
		})
		if err != nil {
			return err
		}
		if listed > 0 {
			stuck = 0
		} else if stuck++; stuck == 2 { // nobody removes so many so fast
			return gone
		}
		if done += len(rows); done%10_000 < batch {
			db.conf.Log.Info("people and devices are being listed for search", "people", done)
		}
	}
}

type idRow struct{ id string }

func (r *idRow) fields() []any { return []any{&r.id} }

// aged finds, by one column of device_list, the devices that are not marked as
// unused yet: those whose column lies in a span of time, behind one of them, in
// the order of the column's index.
type aged struct {
	query string // its parameters: the span's end, what is behind (column and number), how many
	day   int64  // one day as the column counts it
}

// rows finds the devices of days before until, at most sweepBatch of them, behind last.
func (a aged) rows(s statements, until int64, last goneRow) ([]goneRow, error) {
	return list[goneRow](s, a.query, until*a.day, last.at, last.n, int64(sweepBatch))
}

// agedDevices finds all of them: by the day of their last use, and those that were
// never used by the moment they were linked at. Either goes by the index of its column.
var agedDevices = func() []aged {
	bit := strconv.FormatInt(deviceBits[idp.FacetUnused], 10)
	return []aged{
		{"SELECT n, used FROM device_list INDEXED BY device_list_used WHERE used < ? AND (used, n) > (?, ?) AND facets & " + bit + " = 0 AND used > 0 ORDER BY used, n LIMIT ?", 1},
		{"SELECT n, linked FROM device_list INDEXED BY device_list_linked WHERE linked < ? AND (linked, n) > (?, ?) AND facets & " + bit + " = 0 AND used = 0 ORDER BY linked, n LIMIT ?", dayMicros},
	}
}()

// markUnused marks, once a day, the devices that nobody has used for so long by
// now. Using one takes the mark away.
func (db *DB) markUnused(ctx context.Context, now time.Time) error {
	since := unusedSince(now)
	marked, err := db.marked(ctx, "unused", 0)
	if err != nil || marked >= since {
		return err
	}
	// Those of a day that has been looked at are marked already.
	for _, which := range agedDevices {
		for last, more := (goneRow{at: marked*which.day - 1, n: math.MaxInt64}), true; more; {
			r, err := db.read(ctx)
			if err != nil {
				return err
			}
			rows, err := which.rows(r, since, last)
			if err != nil {
				return err
			}
			if more = len(rows) == sweepBatch; len(rows) == 0 {
				break
			}
			last = rows[len(rows)-1]
			err = db.batch(ctx, more, func(t *tx) error {
				for _, row := range rows {
					if err := t.holdOwner("SELECT user_id FROM devices WHERE n = ?", []any{row.n}); err != nil {
						return err
					}
					if err := t.remarkUnused(row.n, micros(now)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return db.write(ctx, func(t *tx) error {
		err := t.put("UPDATE marks SET n = ? WHERE name = 'unused' AND n < ?", since, since)
		return err
	})
}

func (t *tx) remarkUnused(n, now int64) error {
	var before deviceListRow
	err := t.Row("SELECT "+deviceListColumns+" FROM device_list WHERE n = ?", []any{n}, before.fields()...)
	if errors.Is(err, idp.ErrNotFound) || err == nil && !unused(before.linked, before.used, now) {
		return nil // unlinked, or used, meanwhile
	}
	if err != nil {
		return err
	}
	after := before
	after.Facets |= deviceBits[idp.FacetUnused]
	return t.relistDevice(&after, n)
}
