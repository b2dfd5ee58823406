package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
	"hilum/idp/text"
)

const deviceColumns = "user_id, id, name, kind, platform, state, sealed_totp, last_step, drift, linked_at, last_used_at, " +
	"public_key, uv_key, app, sealed_push, push_type, push_ok_at, push_bad_at, push_said, mac"

const (
	selectDevices        = "SELECT " + deviceColumns + " FROM devices WHERE user_id = ? AND state = 'active' ORDER BY linked_at, id"
	selectDevicesOfLogin = "SELECT " + deviceColumns + " FROM devices WHERE user_id = " + personOfLogin + " AND state = 'active' ORDER BY linked_at, id"
	selectDevice         = "SELECT " + deviceColumns + " FROM devices WHERE user_id = ? AND id = ?"
	selectDeviceByID     = "SELECT " + deviceColumns + " FROM devices WHERE id = ?"
	countDevices         = "SELECT count(*) FROM devices WHERE user_id = ? AND state = 'active'"

	updateDevice = `UPDATE devices SET name = ?, kind = ?, platform = ?, state = ?, sealed_totp = ?, last_step = ?, drift = ?, linked_at = ?, last_used_at = ?,
		app = ?, sealed_push = ?, push_type = ?, push_ok_at = ?, push_bad_at = ?, push_said = ?, mac = ?
		WHERE user_id = ? AND id = ? AND last_step <= ?`
)

var insertDevice = insertInto("devices", deviceColumns)

type deviceRow struct {
	UserID, ID           string
	Name, Kind, Platform string
	State                string
	SealedTOTP           []byte
	LastStep, Drift      int64
	LinkedAt, LastUsedAt int64
	PublicKey, UVKey     []byte
	App                  string
	SealedPush           []byte
	PushType             string
	PushOKAt, PushBadAt  int64
	PushSaid             string
	Replaces             string `json:",omitempty"` // of what is not a device yet: it has no column
	MAC                  []byte `json:"-"`          // of what is not a device yet there is none
}

func (r *deviceRow) fields() []any {
	return []any{&r.UserID, &r.ID, &r.Name, &r.Kind, &r.Platform, &r.State, &r.SealedTOTP, &r.LastStep, &r.Drift, &r.LinkedAt, &r.LastUsedAt,
		&r.PublicKey, &r.UVKey, &r.App, &r.SealedPush, &r.PushType, &r.PushOKAt, &r.PushBadAt, &r.PushSaid, &r.MAC}
}

func deviceRowOf(d *idp.Device) deviceRow {
	return deviceRow{
		UserID: string(d.User), ID: string(d.ID), Name: text.NFC(d.Name), Kind: string(d.Kind), Platform: d.Platform, State: string(d.State),
		SealedTOTP: blob(d.SealedTOTP), LastStep: d.LastStep, Drift: d.Drift, LinkedAt: micros(d.LinkedAt), LastUsedAt: micros(d.LastUsedAt),
		PublicKey: blob(d.PublicKey), UVKey: blob(d.UVKey), App: d.App, SealedPush: blob(d.SealedPush), PushType: string(d.PushType),
		PushOKAt: micros(d.PushOKAt), PushBadAt: micros(d.PushBadAt), PushSaid: d.PushSaid, Replaces: string(d.Replaces),
	}
}

// same reports whether two rows store the same.
func (r deviceRow) same(o deviceRow) bool {
	return bytes.Equal(r.SealedTOTP, o.SealedTOTP) && r.UserID == o.UserID && r.ID == o.ID && r.Name == o.Name && r.Kind == o.Kind && r.Platform == o.Platform &&
		r.State == o.State && r.LastStep == o.LastStep && r.Drift == o.Drift && r.LinkedAt == o.LinkedAt && r.LastUsedAt == o.LastUsedAt &&
		r.App == o.App && bytes.Equal(r.SealedPush, o.SealedPush) && r.PushType == o.PushType && r.PushOKAt == o.PushOKAt && r.PushBadAt == o.PushBadAt && r.PushSaid == o.PushSaid
}

func (r *deviceRow) device() idp.Device {
	return idp.Device{
		ID: idp.DeviceID(r.ID), User: idp.UserID(r.UserID), Name: text.NFC(r.Name), Kind: idp.DeviceKind(r.Kind), Platform: r.Platform,
		State: idp.DeviceState(r.State), SealedTOTP: r.SealedTOTP, LastStep: r.LastStep, Drift: r.Drift,
		LinkedAt: moment(r.LinkedAt), LastUsedAt: moment(r.LastUsedAt),
		PublicKey: some(r.PublicKey), UVKey: some(r.UVKey), App: r.App, SealedPush: some(r.SealedPush), PushType: idp.PushType(r.PushType),
		PushOKAt: moment(r.PushOKAt), PushBadAt: moment(r.PushBadAt), PushSaid: r.PushSaid, Replaces: idp.DeviceID(r.Replaces),
	}
}

// blob is b as it is stored, never NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// some is a stored blob; nil when it is empty.
func some(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

func activeDevices(s reader, user idp.UserID) ([]deviceRow, error) {
	rows, err := list[deviceRow](s, selectDevices, string(user))
	return fitting(s, rows, user), err
}

func devicesOf(rows []deviceRow) []idp.Device {
	devices := make([]idp.Device, len(rows))
	for i := range rows {
		devices[i] = rows[i].device()
	}
	return devices
}

// addDevice inserts a device, in the place of another where it replaces one. Errors:
// idp.ErrConflict when the account has idp.MaxDevices.
func (t *tx) addDevice(d *idp.Device) error {
	if err := t.ours(d.User); err != nil { // of two that count devices at once, one would be too many
		return err
	}
	row := deviceRowOf(d)
	if err := errors.Join(t.lockUser(row.UserID), t.bind(&row)); err != nil {
		return err
	}
	if d.Replaces != "" {
		if err := t.replaced(d); err != nil {
			return err
		}
	}
	if err := t.put(insertDevice, row.fields()...); err != nil {
		return fmt.Errorf("device %s: %w", d.ID, err)
	}
	if err := t.fewDevices(row.UserID); err != nil {
		return err
	}
	if err := t.relist(row.UserID, micros(t.now())); err != nil {
		return err
	}
	return t.note(d.Take()...)
}

// replaced unlinks the device whose place another takes, and cuts off what rests on it, as
// where its owner unlinks it. One that was unlinked meanwhile is left as it is.
func (t *tx) replaced(by *idp.Device) error {
	var old deviceRow
	err := t.Row(selectDevice, []any{string(by.User), string(by.Replaces)}, old.fields()...)
	if errors.Is(err, idp.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	e := idp.Event{
		At: t.now(), Kind: idp.EventDeviceUnlinked, Actor: idp.Actor{User: by.User}, User: by.User, Device: by.Replaces,
		Detail: map[string]string{"by": "device", "name": old.Name, "kind": old.Kind, "replaced_by": string(by.ID)},
	}
	if err := t.dropDevice(&old, e); err != nil {
		return err
	}
	_, err = t.cutOff(idp.CutOff{User: by.User, Cause: idp.CutUnlinked, Device: by.Replaces, Because: e})
	return err
}

// lockUser makes sure that a person is there. Errors: idp.ErrNotFound.
func (t *tx) lockUser(id string) error {
	var one int64
	if err := t.Row("SELECT 1 FROM users WHERE id = ?", []any{id}, &one); err != nil {
		return fmt.Errorf("user %s: %w", id, err)
	}
	return nil
}

// fewDevices returns nil when the account may have one device more, else idp.ErrConflict.
func (t *tx) fewDevices(user string) error {
	var n int64
	if err := t.Row(countDevices, []any{user}, &n); err != nil {
		return err
	}
	if n > idp.MaxDevices {
		return fmt.Errorf("%d devices are linked already: %w", idp.MaxDevices, idp.ErrConflict)
	}
	return nil
}

// putDevice writes a device back. Errors: idp.ErrCodeUsed when its last time step would go
// back.
func (t *tx) putDevice(before deviceRow, d *idp.Device) error {
	row := deviceRowOf(d)
	row.UserID, row.ID = before.UserID, before.ID
	if !row.same(before) {
		if err := t.bind(&row); err != nil {
			return err
		}
		if row.LastStep < before.LastStep { // a step that was burnt stays burnt, whatever a caller says
			return fmt.Errorf("device %s: %w", row.ID, idp.ErrCodeUsed)
		}
		err := t.sure(updateDevice, row.Name, row.Kind, row.Platform, row.State, row.SealedTOTP, row.LastStep, row.Drift,
			row.LinkedAt, row.LastUsedAt, row.App, row.SealedPush, row.PushType, row.PushOKAt, row.PushBadAt, row.PushSaid, row.MAC, row.UserID, row.ID, row.LastStep)
		if err != nil {
			return fmt.Errorf("device %s: %w", row.ID, err)
		}
		if before.State != row.State {
			if err := t.fewDevices(row.UserID); err != nil {
				return err
			}
		}
		if !row.listsSame(&before) {
			if err := t.relist(row.UserID, micros(t.now())); err != nil {
				return err
			}
		}
	}
	return t.note(d.Take()...)
}

// putDevices writes back those of the devices that were changed.
func (t *tx) putDevices(before []deviceRow, devices []idp.Device) error {
	for i := range devices {
		d := &devices[i]
		for _, row := range before {
			if row.ID == string(d.ID) {
				if err := t.putDevice(row, d); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Devices returns the active devices of a user, oldest first.
func (db *DB) Devices(ctx context.Context, user idp.UserID) ([]idp.Device, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := activeDevices(r, user)
	return devicesOf(rows), err
}

// UpdateDevice changes a device of a person and notes the request (jti) that does it.
// Errors: idp.ErrNotFound, also for a device of somebody else; idp.ErrReplayed.
func (db *DB) UpdateDevice(ctx context.Context, user idp.UserID, id idp.DeviceID, seen idp.Replay, fn func(*idp.Device) error) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(ofPerson(user)); err != nil {
			return err
		}
		var row deviceRow
		if err := t.Row(selectDevice, []any{string(user), string(id)}, row.fields()...); err != nil {
			return fmt.Errorf("device %s: %w", id, err)
		}
		if err := errors.Join(t.fits(&row, user), t.see(seen)); err != nil {
			return err
		}
		d := row.device()
		if err := fn(&d); err != nil {
			return err
		}
		return t.putDevice(row, &d)
	})
}

// RemoveDevice deletes a device of a person, and cuts off what rests on it or, where it
// was lost, what whoever has it could go on with. The public key of a phone is kept for
// idp.TombstoneFor, so that it is told. Errors: idp.ErrNotFound, also for a device of
// somebody else; idp.ErrDenied for the last active one unless how allows it;
// idp.ErrReplayed; idp.ErrExpired and idp.ErrStale for the session that it is done in.
func (db *DB) RemoveDevice(ctx context.Context, user idp.UserID, id idp.DeviceID, how idp.Unlinking, e idp.Event) error {
	e.At = db.at(e)
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(ofPerson(user)); err != nil {
			return err
		}
		if err := t.lockUser(string(user)); err != nil {
			return err
		}
		var row deviceRow
		if err := t.Row(selectDevice, []any{string(user), string(id)}, row.fields()...); err != nil {
			return fmt.Errorf("device %s: %w", id, err)
		}
		if err := t.see(how.Seen); err != nil {
			return err
		}
		if err := within(t, how.In, user, t.now()); err != nil {
			return err
		}
		var active int64
		if err := t.Row(countDevices, []any{string(user)}, &active); err != nil {
			return err
		}
		if row.State == string(idp.DeviceActive) && active == 1 && !how.Last {
			return fmt.Errorf("device %s is the last one: %w", id, idp.ErrDenied)
		}
		if err := t.dropDevice(&row, e); err != nil {
			return err
		}
		c := idp.CutOff{User: user, Cause: how.Cause, Because: e}
		switch {
		case how.Cause == "" || how.Cause == idp.CutUnlinked:
			c.Cause, c.Device = idp.CutUnlinked, id
		case how.Cause.Keeps():
			c.Session = how.In.Session
		}
		_, err := t.cutOff(c)
		return err
	})
}

// bury keeps the public key of a phone for idp.TombstoneFor, so that it is told that it is
// not linked, and where it has a push address, that it can be woken to hear it (Unheard).
func (t *tx) bury(d *idp.Device, at time.Time) error {
	err := t.put(`INSERT INTO tombstones (id, user_id, public_key, unlinked_at, platform, sealed_push, uv_key) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, public_key = excluded.public_key, unlinked_at = excluded.unlinked_at,
			platform = excluded.platform, sealed_push = excluded.sealed_push, uv_key = excluded.uv_key`,
		string(d.ID), string(d.User), d.PublicKey, micros(at), d.Platform, blob(d.SealedPush), blob(d.UVKey))
	return err
}

// dropDevice deletes a device, with its event. What has to be cut off with it is the
// caller's to do.
func (t *tx) dropDevice(row *deviceRow, e idp.Event) error {
	if err := t.unlistDevice(row.UserID, row.ID); err != nil {
		return err
	}
	if err := t.put("DELETE FROM devices WHERE user_id = ? AND id = ?", row.UserID, row.ID); err != nil {
		return err
	}
	if err := t.relist(row.UserID, micros(e.At)); err != nil {
		return err
	}
	if len(row.PublicKey) > 0 {
		if err := t.bury(&idp.Device{ID: idp.DeviceID(row.ID), User: idp.UserID(row.UserID), PublicKey: row.PublicKey, UVKey: row.UVKey, Platform: row.Platform, SealedPush: row.SealedPush}, e.At); err != nil {
			return err
		}
	}
	return t.note(e)
}

// Speaker returns whose device id it is: of an active device, of the claim of a pairing,
// or of a device that was unlinked. Errors: idp.ErrNotFound.
func (db *DB) Speaker(ctx context.Context, id idp.DeviceID) (*idp.Speaker, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var row deviceRow
	err = r.Row(selectDeviceByID, []any{string(id)}, row.fields()...)
	if err == nil {
		return &idp.Speaker{Device: row.device()}, r.fits(&row, idp.UserID(row.UserID))
	}
	if !errors.Is(err, idp.ErrNotFound) {
		return nil, err
	}
	// A claim whose offer was used is a device by now; a reader may have come in between.
	p, err := r.pairingWhere("claim_id = ? AND claim_id <> ''", string(id))
	if err == nil {
		return &idp.Speaker{Device: *p.Claim, Pairing: p.ID, Unlinked: p.Open(r.now()) != nil}, nil
	}
	if !errors.Is(err, idp.ErrNotFound) {
		return nil, err
	}
	var gone idp.Device
	var user string
	if err := r.Row("SELECT user_id, public_key, uv_key FROM tombstones WHERE id = ?", []any{string(id)}, &user, &gone.PublicKey, &gone.UVKey); err != nil {
		return nil, fmt.Errorf("device %s: %w", id, err)
	}
	gone.ID, gone.User = id, idp.UserID(user)
	return &idp.Speaker{Device: gone, Unlinked: true}, nil
}
