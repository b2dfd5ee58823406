package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/text"
)

const userColumns = "id, name, display_name, given_name, family_name, email, email_verified, phone, phone_verified, locale, " +
	"staff, roles, \"groups\", state, created_at, updated_at, email_key, mac"

const (
	selectUser         = "SELECT " + userColumns + " FROM users WHERE id = ?"
	selectUserRevision = "SELECT " + userColumns + ", revision FROM users WHERE id = ?"
)

const selectAdministrators = "SELECT " + userColumns + " FROM users WHERE staff = ? AND staff <> '' AND state = ? AND id <> ?"

// What a sign-in needs beside the user, with the same row.
const accountColumns = `coalesce((SELECT hash FROM passwords WHERE user_id = users.id), ''), coalesce((SELECT mac FROM passwords WHERE user_id = users.id), x''),
	coalesce((SELECT set_at FROM passwords WHERE user_id = users.id), 0),
	(SELECT count(*) FROM devices WHERE user_id = users.id AND state = 'active'),
	(SELECT count(*) FROM devices WHERE user_id = users.id AND state = 'active' AND kind = 'app'),
	(SELECT count(*) FROM recovery_codes WHERE user_id = users.id AND used_at = 0)`

const (
	selectAccount       = "SELECT " + userColumns + ", " + accountColumns + " FROM users WHERE id = ?"
	selectAccountByName = "SELECT " + userColumns + ", " + accountColumns + " FROM users WHERE name = ?"
	selectAccounts      = "SELECT " + userColumns + ", " + accountColumns + " FROM users WHERE name > ? ORDER BY name LIMIT ?"
)

var (
	insertUser = insertInto("users", userColumns)
	updateUser = strings.Replace(updateRow("users", userColumns), " WHERE ", ", revision = revision + 1 WHERE ", 1)
)

type userRow struct {
	ID            string
	Name          string
	DisplayName   string
	GivenName     string
	FamilyName    string
	Email         string
	EmailVerified bool
	Phone         string
	PhoneVerified bool
	Locale        string
	Staff         string
	Roles, Groups string
	State         string
	CreatedAt     int64
	UpdatedAt     int64
	EmailKey      string
	MAC           []byte
}

func (r *userRow) fields() []any {
	return []any{&r.ID, &r.Name, &r.DisplayName, &r.GivenName, &r.FamilyName, &r.Email, &r.EmailVerified, &r.Phone, &r.PhoneVerified,
		&r.Locale, &r.Staff, &r.Roles, &r.Groups, &r.State, &r.CreatedAt, &r.UpdatedAt, &r.EmailKey, &r.MAC}
}

func userRowOf(u *idp.User) *userRow {
	key := ""
	if u.Email != "" {
		key = text.MailKey(u.Email)
	}
	return &userRow{
		ID: string(u.ID), Name: u.Name, DisplayName: text.NFC(u.DisplayName), GivenName: text.NFC(u.GivenName), FamilyName: text.NFC(u.FamilyName),
		Email: text.NFC(u.Email), EmailVerified: u.EmailVerified, Phone: text.NFC(u.Phone), PhoneVerified: u.PhoneVerified, Locale: u.Locale,
		Staff: string(u.Staff), Roles: listText(nfcList(u.Roles)), Groups: listText(nfcList(u.Groups)), State: string(u.State),
		CreatedAt: micros(u.CreatedAt), UpdatedAt: micros(u.UpdatedAt), EmailKey: key,
	}
}

func (r *userRow) user() (*idp.User, error) {
	u := &idp.User{
		ID: idp.UserID(r.ID), Name: r.Name, DisplayName: text.NFC(r.DisplayName), GivenName: text.NFC(r.GivenName), FamilyName: text.NFC(r.FamilyName),
		Email: text.NFC(r.Email), EmailVerified: r.EmailVerified, Phone: text.NFC(r.Phone), PhoneVerified: r.PhoneVerified, Locale: r.Locale,
		Staff: idp.StaffRole(r.Staff), State: idp.UserState(r.State), CreatedAt: moment(r.CreatedAt), UpdatedAt: moment(r.UpdatedAt),
	}
	var err1, err2 error
	u.Roles, err1 = textList(r.Roles)
	u.Groups, err2 = textList(r.Groups)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("user %s: %w", r.ID, err)
	}
	u.Roles, u.Groups = nfcList(u.Roles), nfcList(u.Groups)
	return u, nil
}

// fitting is user for a row by which somebody may be let in: shut where the MAC is wrong.
func (r *userRow) fitting(s reader) (*idp.User, error) {
	u, err := r.user()
	if err == nil && s.fits(r, u.ID) != nil {
		shut(u)
	}
	return u, err
}

func userOf(s reader, id idp.UserID) (*idp.User, error) {
	var row userRow
	if err := s.Row(selectUser, []any{string(id)}, row.fields()...); err != nil {
		return nil, fmt.Errorf("user %s: %w", id, err)
	}
	return row.fitting(s)
}

type accountRow struct {
	userRow
	passwordHash                string
	passwordAt                  int64
	passwordMAC                 []byte
	devices, apps, recoveryLeft int64
}

func (r *accountRow) fields() []any {
	return append(r.userRow.fields(), &r.passwordHash, &r.passwordMAC, &r.passwordAt, &r.devices, &r.apps, &r.recoveryLeft)
}

func (r *accountRow) account(s reader) (*idp.Account, error) {
	u, err := r.fitting(s)
	if err != nil {
		return nil, err
	}
	if r.passwordHash != "" && s.fits(&passwordRow{UserID: r.ID, Hash: r.passwordHash, MAC: r.passwordMAC}, u.ID) != nil {
		r.passwordHash = ""
	}
	return &idp.Account{User: *u, PasswordHash: r.passwordHash, PasswordAt: moment(r.passwordAt), Devices: int(r.devices), Apps: int(r.apps), RecoveryLeft: int(r.recoveryLeft)}, nil
}

// addUser inserts a user. Errors: idp.ErrConflict.
func (t *tx) addUser(u *idp.User) error {
	id := string(u.ID)
	t.owners = append(t.owners, &id) // nobody else knows of them yet
	row := userRowOf(u)
	if err := t.bind(row); err != nil {
		return err
	}
	if err := t.put(insertUser, row.fields()...); err != nil {
		return fmt.Errorf("user name %s: %w", u.Name, err)
	}
	if err := t.relist(string(u.ID), micros(t.now())); err != nil {
		return err
	}
	return t.note(u.Take()...)
}

// putUser writes a person back. Errors: idp.ErrDenied when nobody would be left who
// administers the site; idp.ErrConflict.
func (t *tx) putUser(before, u *idp.User) error {
	if administers(before) && !administers(u) {
		if err := t.anotherAdministers(before.ID); err != nil {
			return err
		}
	}
	row := userRowOf(u)
	row.ID = string(before.ID)
	if err := t.bind(row); err != nil {
		return err
	}
	if err := t.update(updateUser, row.fields()); err != nil {
		return fmt.Errorf("user %s: %w", u.ID, err)
	}
	if err := t.relist(row.ID, micros(t.now())); err != nil {
		return err
	}
	return t.note(u.Take()...)
}

func administers(u *idp.User) bool { return u.Staff == idp.StaffAdmin && u.State == idp.UserActive }

// nobodyAdministers returns nil when no active account administers the site, else
// idp.ErrDenied.
func (t *tx) nobodyAdministers() error {
	err := t.anotherAdministers("")
	switch {
	case errors.Is(err, idp.ErrDenied):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("somebody administers this site: %w", idp.ErrDenied)
}

// anotherAdministers returns nil when somebody else than id administers the site, else
// idp.ErrDenied.
func (t *tx) anotherAdministers(id idp.UserID) error {
	if err := t.hold(holdAdministrators); err != nil {
		return err
	}
	rows, err := list[userRow](t, selectAdministrators, string(idp.StaffAdmin), string(idp.UserActive), string(id))
	if err != nil {
		return err
	}
	for i := range rows {
		if u, err := rows[i].fitting(t); err != nil || administers(u) {
			return err
		}
	}
	return fmt.Errorf("the last administrator: %w", idp.ErrDenied)
}

// dropSetupLinks ends the open set-up links: they are for a site that nobody administers,
// and one that was printed lies in a terminal or a log.
func (t *tx) dropSetupLinks() error {
	err := t.put("DELETE FROM invitations WHERE user_id = '' AND used_at = 0")
	return err
}

// AddUser inserts an account; open set-up links end. Errors: idp.ErrConflict,
// the name is taken.
func (db *DB) AddUser(ctx context.Context, u *idp.User) error {
	events := u.Take()
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(ofPerson(u.ID)); err != nil {
			return err
		}
		u := *u // its events are taken by whoever writes it, and the function may run twice
		for _, e := range events {
			u.Note(e)
		}
		if err := t.addUser(&u); err != nil {
			return err
		}
		return t.dropSetupLinks()
	})
}

// Administered reports whether an active account administers the site.
func (db *DB) Administered(ctx context.Context) (bool, error) {
	r, err := db.read(ctx)
	if err != nil {
		return false, err
	}
	var n int64
	err = r.Row("SELECT count(*) FROM users WHERE staff = ? AND staff <> '' AND state = ?", []any{string(idp.StaffAdmin), string(idp.UserActive)}, &n)
	return n > 0, err
}

// User returns a person. Errors: idp.ErrNotFound.
func (db *DB) User(ctx context.Context, id idp.UserID) (*idp.User, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	return userOf(r, id)
}

// Account returns what a sign-in needs to know of a person. Errors: idp.ErrNotFound.
func (db *DB) Account(ctx context.Context, id idp.UserID) (*idp.Account, error) {
	return db.account(ctx, selectAccount, string(id))
}

// AccountByName is Account by sign-in name. Errors: idp.ErrNotFound.
func (db *DB) AccountByName(ctx context.Context, name string) (*idp.Account, error) {
	return db.account(ctx, selectAccountByName, name)
}

func (db *DB) account(ctx context.Context, query, key string) (*idp.Account, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var row accountRow
	if err := r.Row(query, []any{key}, row.fields()...); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	db.seen(&usable{user: row.ID, state: row.State, groups: row.Groups})
	return row.account(r)
}

// Users lists accounts in the order of sign-in names, those after a name.
func (db *DB) Users(ctx context.Context, after string, limit int) ([]idp.Account, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := list[accountRow](r, selectAccounts, after, limit)
	if err != nil {
		return nil, err
	}
	accounts := make([]idp.Account, len(rows))
	for i := range rows {
		a, err := rows[i].account(r)
		if err != nil {
			return nil, err
		}
		accounts[i] = *a
	}
	return accounts, nil
}

// So many names are asked for at once: one text serves for fewer, too, and an empty id is
// nobody's.
const namesAtOnce = 64

var selectUserNames = "SELECT id, name FROM users WHERE id IN (?" + strings.Repeat(", ?", namesAtOnce-1) + ")"

// UserNames returns the sign-in names of accounts; who is not there is not among them.
func (db *DB) UserNames(ctx context.Context, ids []idp.UserID) (map[idp.UserID]string, error) {
	names := make(map[idp.UserID]string, len(ids))
	if len(ids) == 0 {
		return names, nil
	}
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(ids, namesAtOnce) {
		asked := make([]any, namesAtOnce)
		for i := range asked {
			asked[i] = ""
		}
		for i, id := range part {
			asked[i] = string(id)
		}
		rows, err := list[userNameRow](r, selectUserNames, asked...)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			names[idp.UserID(rows[i].id)] = rows[i].name
		}
	}
	return names, nil
}

type userNameRow struct{ id, name string }

func (r *userNameRow) fields() []any { return []any{&r.id, &r.name} }

// CountUsers counts accounts of every state.
func (db *DB) CountUsers(ctx context.Context) (int, error) {
	r, err := db.read(ctx)
	if err != nil {
		return 0, err
	}
	var n int64
	return int(n), errors.Join(r.Row("SELECT count(*) FROM users", nil, &n))
}

// UpdateUser changes a person, and cuts off what a change of their state, their role in
// the administration or their mail address takes away. Errors: idp.ErrNotFound;
// idp.ErrDenied for the last administrator; FieldError when a role is given and the linked
// devices are not those that were confirmed.
func (db *DB) UpdateUser(ctx context.Context, id idp.UserID, fn func(*idp.User) error) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(ofPerson(id)); err != nil {
			return err
		}
		u, err := userOf(t, id)
		if err != nil {
			return err
		}
		before := *u
		if err := fn(u); err != nil {
			return err
		}
		if u.Staff != before.Staff && u.Staff != idp.StaffNone {
			if err := t.confirmed(u); err != nil {
				return err
			}
		}
		because := u.Last()
		if because.Kind == "" {
			because = idp.Event{Kind: idp.EventUserChanged, Actor: idp.Actor{Name: "provider"}}
		}
		because.At = db.at(because)
		if err := t.putUser(&before, u); err != nil {
			return err
		}
		if u.Email != before.Email {
			if err := t.addressChanged(&before, because); err != nil {
				return err
			}
		}
		for _, c := range []struct {
			cause idp.CutCause
			is    bool
		}{
			{idp.CutDisabled, before.State != idp.UserDisabled && u.State == idp.UserDisabled},
			// Whoever opened a session, or was handed a link by somebody who might
			// hand it out while the account had no role, is not meant by the role.
			{idp.CutRole, u.Staff != before.Staff},
			{idp.CutAddress, u.Email != before.Email},
		} {
			if c.is {
				if _, err := t.cutOff(idp.CutOff{User: id, Cause: c.cause, Because: because}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// addressChanged notes that a person's mail address is another. They are told at both
// addresses: whoever changed it may not be who they say.
func (t *tx) addressChanged(before *idp.User, because idp.Event) error {
	e := idp.Event{
		At: because.At, Kind: idp.EventAddressChanged, Actor: because.Actor, User: before.ID, Address: because.Address,
		Detail: map[string]string{"user": before.Name},
	}
	if err := t.note(e); err != nil || !t.mail || before.Email == "" {
		return err
	}
	m := idp.NewsOf(&e)
	if m.Detail == nil {
		m.Detail = map[string]string{}
	}
	m.Detail["to"] = before.Email
	return t.addMail(m)
}

// confirmed returns nil when the devices that are linked now are those that were
// confirmed with a role. Errors: FieldError.
func (t *tx) confirmed(u *idp.User) error {
	rows, err := activeDevices(t, u.ID)
	if err != nil {
		return err
	}
	linked := make([]idp.DeviceID, len(rows))
	for i := range rows {
		linked[i] = idp.DeviceID(rows[i].ID)
	}
	said := slices.Clone(u.Confirmed)
	slices.Sort(linked)
	slices.Sort(said)
	if !slices.Equal(linked, slices.Compact(said)) {
		return &idp.FieldError{Field: "confirm_devices", Message: "devices.confirm"}
	}
	return nil
}

// DisableUser disables an account and ends everything of it at once. Errors:
// idp.ErrNotFound; idp.ErrDenied for the last active administrator.
func (db *DB) DisableUser(ctx context.Context, id idp.UserID, e idp.Event) error {
	at := db.at(e)
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(ofPerson(id)); err != nil {
			return err
		}
		u, err := userOf(t, id)
		if err != nil {
			return err
		}
		before := *u
		u.State, u.UpdatedAt = idp.UserDisabled, at
		u.Note(e)
		if err := t.putUser(&before, u); err != nil {
			return err
		}
		e.At = at
		_, err = t.cutOff(idp.CutOff{User: id, Cause: idp.CutDisabled, Because: e})
		return err
	})
}

// EnableUser takes a disabled account back: active when it has a password and
// a device, else invited. Errors: idp.ErrNotFound.
func (db *DB) EnableUser(ctx context.Context, id idp.UserID, e idp.Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(ofPerson(id)); err != nil {
			return err
		}
		var row accountRow
		if err := t.Row(selectAccount, []any{string(id)}, row.fields()...); err != nil {
			return fmt.Errorf("user %s: %w", id, err)
		}
		a, err := row.account(t)
		if err != nil {
			return err
		}
		u := &a.User
		if u.State != idp.UserDisabled {
			return nil
		}
		before := *u
		u.State, u.UpdatedAt = idp.UserInvited, db.at(e)
		if a.PasswordHash != "" && a.Devices > 0 {
			u.State = idp.UserActive
		}
		u.Note(e)
		return t.putUser(&before, u)
	})
}

const passwordColumns = "user_id, hash, set_at, mac" //nolint:gosec // names of columns

var upsertPassword = insertInto("passwords", passwordColumns) +
	" ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, set_at = excluded.set_at, mac = excluded.mac"

type passwordRow struct {
	UserID string
	Hash   string
	SetAt  int64
	MAC    []byte
}

func (r *passwordRow) fields() []any { return []any{&r.UserID, &r.Hash, &r.SetAt, &r.MAC} }

func (t *tx) putPassword(user idp.UserID, hash string, at time.Time) error {
	row := &passwordRow{UserID: string(user), Hash: hash, SetAt: micros(at)}
	if err := t.bind(row); err != nil {
		return err
	}
	err := t.put(upsertPassword, row.fields()...)
	return err
}

// SetPassword stores a new password hash in place of the password that was chosen at was,
// and cuts off what was begun with that, but for the session it is done in. Errors:
// idp.ErrNotFound; idp.ErrWrongSecret when there is another password by now;
// idp.ErrExpired and idp.ErrStale for the session.
func (db *DB) SetPassword(ctx context.Context, user idp.UserID, hash string, was time.Time, in idp.Within, e idp.Event) error {
	at := db.at(e)
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(ofPerson(user)); err != nil {
			return err
		}
		if _, err := userOf(t, user); err != nil {
			return err
		}
		if err := within(t, in, user, t.now()); err != nil {
			return err
		}
		setAt, err := passwordSetAt(t, string(user))
		if err != nil {
			return err
		}
		if setAt != micros(was) {
			return fmt.Errorf("user %s has another password by now: %w", user, idp.ErrWrongSecret)
		}
		if err := t.putPassword(user, hash, at); err != nil {
			return err
		}
		e.At = at
		if err := t.note(e); err != nil {
			return err
		}
		if err := t.forgiveGuard(user); err != nil {
			return err
		}
		_, err = t.cutOff(idp.CutOff{User: user, Cause: idp.CutChanged, Session: in.Session, Because: e})
		return err
	})
}

const selectPasswordSetAt = "SELECT set_at FROM passwords WHERE user_id = ?" //nolint:gosec // no password

// passwordSetAt is when a person's password was chosen, 0 where there is none.
func passwordSetAt(s statements, user string) (at int64, err error) {
	err = s.Row(selectPasswordSetAt, []any{user}, &at)
	if errors.Is(err, idp.ErrNotFound) {
		err = nil
	}
	return at, err
}

// RehashPassword replaces a password hash by one of another cost, if it still is old.
func (db *DB) RehashPassword(ctx context.Context, user idp.UserID, old, hash string) error {
	return db.write(ctx, func(t *tx) error {
		row := &passwordRow{UserID: string(user), Hash: hash}
		if err := t.bind(row); err != nil {
			return err
		}
		err := t.put("UPDATE passwords SET hash = ?, mac = ? WHERE user_id = ? AND hash = ?", row.Hash, row.MAC, row.UserID, old)
		return err
	})
}
