package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"hilum/idp"
	"hilum/idp/text"
)

const userColumns = "id, name, display_name, given_name, family_name, email, email_verified, phone, phone_verified, locale, " +
	"staff, roles, \"groups\", state, created_at, updated_at, email_key"

const (
	selectUser         = "SELECT " + userColumns + " FROM users WHERE id = ?"
	selectUserRevision = "SELECT " + userColumns + ", revision FROM users WHERE id = ?"
)

// What a sign-in needs beside the user, with the same row.
const accountColumns = `coalesce((SELECT hash FROM passwords WHERE user_id = users.id), ''),
	(SELECT count(*) FROM devices WHERE user_id = users.id AND state = 'active'),
	(SELECT count(*) FROM devices WHERE user_id = users.id AND state = 'active' AND kind = 'app'),
	(SELECT count(*) FROM recovery_codes WHERE user_id = users.id AND used_at = 0)`

const (
	selectAccount       = "SELECT " + userColumns + ", " + accountColumns + " FROM users WHERE id = ?"
	selectAccountByName = "SELECT " + userColumns + ", " + accountColumns + " FROM users WHERE name = ?"
	selectAccounts      = "SELECT " + userColumns + ", " + accountColumns + " FROM users WHERE name > ? ORDER BY name LIMIT ?"
)

var insertUser = insertInto("users", userColumns)

// userRow is read by hand and written by gorm, which must not set the times.
type userRow struct {
	ID            string `gorm:"primaryKey"`
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
	CreatedAt     int64 `gorm:"autoCreateTime:false"`
	UpdatedAt     int64 `gorm:"autoUpdateTime:false"`
	EmailKey      string
}

func (userRow) TableName() string { return "users" }

func (r *userRow) fields() []any {
	return []any{&r.ID, &r.Name, &r.DisplayName, &r.GivenName, &r.FamilyName, &r.Email, &r.EmailVerified, &r.Phone, &r.PhoneVerified,
		&r.Locale, &r.Staff, &r.Roles, &r.Groups, &r.State, &r.CreatedAt, &r.UpdatedAt, &r.EmailKey}
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

func userOf(s statements, id idp.UserID) (*idp.User, error) {
	var row userRow
	if err := s.row(selectUser, []any{string(id)}, row.fields()...); err != nil {
		return nil, fmt.Errorf("user %s: %w", id, err)
	}
	return row.user()
}

type accountRow struct {
	userRow
	passwordHash                string
	devices, apps, recoveryLeft int64
}

func (r *accountRow) fields() []any {
	return append(r.userRow.fields(), &r.passwordHash, &r.devices, &r.apps, &r.recoveryLeft)
}

func (r *accountRow) account() (*idp.Account, error) {
	u, err := r.user()
	if err != nil {
		return nil, err
	}
	return &idp.Account{User: *u, PasswordHash: r.passwordHash, Devices: int(r.devices), Apps: int(r.apps), RecoveryLeft: int(r.recoveryLeft)}, nil
}

// addUser inserts a user. Errors: idp.ErrConflict.
func (t *tx) addUser(u *idp.User) error {
	if _, err := t.exec(insertUser, userRowOf(u).fields()...); err != nil {
		return fmt.Errorf("user name %s: %w", u.Name, err)
	}
	if err := t.relist(string(u.ID), micros(t.now())); err != nil {
		return err
	}
	return t.note(u.Take()...)
}

// putUser writes a user back. Errors: idp.ErrDenied when nobody would be left
// who administers; idp.ErrConflict.
func (t *tx) putUser(before, u *idp.User) error {
	if administers(before) && !administers(u) {
		if err := t.anotherAdministers(before.ID); err != nil {
			return err
		}
	}
	row := userRowOf(u)
	row.ID = string(before.ID)
	if err := t.gorm.Select("*").Where("id = ?", row.ID).Updates(row).Error; err != nil {
		return fmt.Errorf("user %s: %w", u.ID, t.translate(err))
	}
	if _, err := t.exec("UPDATE users SET revision = revision + 1 WHERE id = ?", row.ID); err != nil {
		return err
	}
	if err := t.relist(row.ID, micros(t.now())); err != nil {
		return err
	}
	return t.note(u.Take()...)
}

func administers(u *idp.User) bool { return u.Staff == idp.StaffAdmin && u.State == idp.UserActive }

// anotherAdministers returns idp.ErrDenied when id is the last who does.
func (t *tx) anotherAdministers(id idp.UserID) error {
	var others []string
	err := t.gorm.Clauses(clause.Locking{Strength: "UPDATE"}).Model(&userRow{}).
		Where("staff = ? AND staff <> '' AND state = ? AND id <> ?", string(idp.StaffAdmin), string(idp.UserActive), string(id)).
		Limit(1).Pluck("id", &others).Error
	if err == nil && len(others) == 0 {
		return fmt.Errorf("the last administrator: %w", idp.ErrDenied)
	}
	return err
}

// AddUser inserts an account. Errors: idp.ErrConflict, the name is taken.
func (db *DB) AddUser(ctx context.Context, u *idp.User) error {
	return db.write(ctx, func(t *tx) error { return t.addUser(u) })
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
	if err := r.row(query, []any{key}, row.fields()...); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	return row.account()
}

// Users lists accounts by name, after a name.
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
		a, err := rows[i].account()
		if err != nil {
			return nil, err
		}
		accounts[i] = *a
	}
	return accounts, nil
}

// CountUsers counts accounts of every state.
func (db *DB) CountUsers(ctx context.Context) (int, error) {
	r, err := db.read(ctx)
	if err != nil {
		return 0, err
	}
	var n int64
	return int(n), errors.Join(r.row("SELECT count(*) FROM users", nil, &n))
}

// UpdateUser changes a person; whoever is disabled by it loses what DisableUser
// takes, whoever is given a role the open one-time links. Errors: idp.ErrNotFound, idp.ErrDenied for the last administrator.
func (db *DB) UpdateUser(ctx context.Context, id idp.UserID, fn func(*idp.User) error) error {
	return db.write(ctx, func(t *tx) error {
		u, err := userOf(t, id)
		if err != nil {
			return err
		}
		before := *u
		if err := fn(u); err != nil {
			return err
		}
		if err := t.putUser(&before, u); err != nil {
			return err
		}
		if before.State != idp.UserDisabled && u.State == idp.UserDisabled {
			return t.shutOut(id, idp.Event{At: db.now(), Kind: idp.EventUserChanged, Actor: idp.Actor{Name: "provider"}})
		}
		// A link that somebody below was allowed to hand out, while the account
		// had no role, would now make whoever has it one of the administration.
		if u.Staff != before.Staff && u.Staff != idp.StaffNone {
			return t.gorm.Delete(&invitationRow{}, "user_id = ? AND used_at = 0", string(id)).Error
		}
		return nil
	})
}

// DisableUser ends everything of an account at once. Errors: idp.ErrNotFound,
// idp.ErrDenied for the last active administrator.
func (db *DB) DisableUser(ctx context.Context, id idp.UserID, e idp.Event) error {
	at := db.at(e)
	return db.write(ctx, func(t *tx) error {
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
		return t.shutOut(id, e)
	})
}

// shutOut ends sessions, grants, sign-ins under way and open one-time links,
// because of an event.
func (t *tx) shutOut(id idp.UserID, because idp.Event) error {
	if err := t.signOut(id, "", "", because); err != nil {
		return err
	}
	if err := t.gorm.Delete(&invitationRow{}, "user_id = ? AND used_at = 0", string(id)).Error; err != nil {
		return err
	}
	return t.gorm.Delete(&pairingRow{}, "user_id = ? AND used_at = 0", string(id)).Error
}

// signOut ends every session of a user but keep, with the grants, and every
// sign-in under way but login, because of an event.
func (t *tx) signOut(id idp.UserID, keep idp.SessionID, login idp.LoginID, because idp.Event) error {
	ended, err := t.endSessions(id, because.At, func(s *idp.Session) bool { return s.ID != keep })
	if err != nil {
		return err
	}
	for _, session := range ended {
		err := t.note(idp.Event{
			At: because.At, Kind: idp.EventSessionEnded, Actor: because.Actor, User: id, Session: session,
			Address: because.Address, Detail: map[string]string{"reason": string(because.Kind)},
		})
		if err != nil {
			return err
		}
	}
	// Whatever session they were of, or none.
	if _, err := t.exec(revokeGrantsOfUser, micros(because.At), string(id), string(keep)); err != nil {
		return err
	}
	return t.endLogins(id, login)
}

// EnableUser takes a disabled account back: active when it has a password and
// a device, else invited. Errors: idp.ErrNotFound.
func (db *DB) EnableUser(ctx context.Context, id idp.UserID, e idp.Event) error {
	return db.write(ctx, func(t *tx) error {
		var row accountRow
		if err := t.row(selectAccount, []any{string(id)}, row.fields()...); err != nil {
			return fmt.Errorf("user %s: %w", id, err)
		}
		a, err := row.account()
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

type passwordRow struct {
	UserID string `gorm:"primaryKey"`
	Hash   string
	SetAt  int64
}

func (passwordRow) TableName() string { return "passwords" }

func (t *tx) putPassword(user idp.UserID, hash string, at time.Time) error {
	return t.gorm.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "user_id"}}, UpdateAll: true}).
		Create(&passwordRow{UserID: string(user), Hash: hash, SetAt: micros(at)}).Error
}

// SetPassword stores a new hash and signs the person out everywhere but in
// keep. Errors: idp.ErrNotFound.
func (db *DB) SetPassword(ctx context.Context, user idp.UserID, hash string, keep idp.SessionID, e idp.Event) error {
	at := db.at(e)
	return db.write(ctx, func(t *tx) error {
		if _, err := userOf(t, user); err != nil {
			return err
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
		return t.signOut(user, keep, "", e)
	})
}

// RehashPassword replaces a hash when it still is old.
func (db *DB) RehashPassword(ctx context.Context, user idp.UserID, old, hash string) error {
	return db.write(ctx, func(t *tx) error {
		return t.gorm.Model(&passwordRow{}).Where("user_id = ? AND hash = ?", string(user), old).
			UpdateColumn("hash", gorm.Expr("?", hash)).Error
	})
}
