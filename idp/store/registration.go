package store

import (
	"context"
	"errors"
	"fmt"

	"hilum/idp"
	"hilum/idp/store/engine"
)

const (
	registrationColumns = "id, name, hash, grant_types, scopes, hosts, uses, used, made_by, created_at, expires_at, revoked_at, last_used_at, optional_pkce, mac"
	selectRegistrations = "SELECT " + registrationColumns + " FROM registration_tokens ORDER BY n DESC"
	selectRegistration  = "SELECT " + registrationColumns + " FROM registration_tokens WHERE id = ?"
	selectRegistrar     = "SELECT " + registrationColumns + " FROM registration_tokens WHERE hash = ?"
	countRegistrations  = "SELECT count(*) FROM registration_tokens"
)

var (
	insertRegistration = insertInto("registration_tokens", registrationColumns)
	updateRegistration = updateRow("registration_tokens", registrationColumns)
)

type registrationRow struct {
	ID, Name                                    string
	Hash                                        []byte
	GrantTypes, Scopes, Hosts                   string // JSON
	Uses, Used                                  int64
	MadeBy                                      string
	CreatedAt, ExpiresAt, RevokedAt, LastUsedAt int64
	OptionalPKCE                                bool
	MAC                                         []byte
}

func (r *registrationRow) fields() []any {
	return []any{&r.ID, &r.Name, &r.Hash, &r.GrantTypes, &r.Scopes, &r.Hosts, &r.Uses, &r.Used, &r.MadeBy,
		&r.CreatedAt, &r.ExpiresAt, &r.RevokedAt, &r.LastUsedAt, &r.OptionalPKCE, &r.MAC}
}

func (r *registrationRow) seal() *[]byte { return &r.MAC }

// All of it: each use writes the row anyway.
func (r *registrationRow) bound() (string, []any) {
	fields := []any{r.ID, r.Name, r.Hash, r.GrantTypes, r.Scopes, r.Hosts, r.Uses, r.Used, r.MadeBy,
		r.CreatedAt, r.ExpiresAt, r.RevokedAt, r.LastUsedAt}
	if r.OptionalPKCE { // none had it when the first rows were bound
		fields = append(fields, "optional_pkce", r.OptionalPKCE)
	}
	return "registration_tokens", fields
}

func registrationRowOf(t *idp.RegistrationToken) *registrationRow {
	return &registrationRow{
		ID: string(t.ID), Name: t.Name, Hash: t.Hash[:], GrantTypes: listText(t.GrantTypes), Scopes: listText(t.Scopes), Hosts: listText(t.Hosts),
		Uses: int64(t.Uses), Used: int64(t.Used), MadeBy: t.MadeBy, CreatedAt: micros(t.CreatedAt), ExpiresAt: micros(t.ExpiresAt),
		RevokedAt: micros(t.RevokedAt), LastUsedAt: micros(t.LastUsedAt), OptionalPKCE: t.OptionalPKCE,
	}
}

func (r *registrationRow) token() (*idp.RegistrationToken, error) {
	t := &idp.RegistrationToken{
		ID: idp.RegistrationTokenID(r.ID), Name: r.Name, Uses: int(r.Uses), Used: int(r.Used), MadeBy: r.MadeBy,
		CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt), RevokedAt: moment(r.RevokedAt), LastUsedAt: moment(r.LastUsedAt), OptionalPKCE: r.OptionalPKCE,
	}
	var err0, err1, err2, err3 error
	t.Hash, err0 = hash(r.Hash)
	t.GrantTypes, err1 = textList(r.GrantTypes)
	t.Scopes, err2 = textList(r.Scopes)
	t.Hosts, err3 = textList(r.Hosts)
	if err := errors.Join(err0, err1, err2, err3); err != nil {
		return nil, fmt.Errorf("registration token %s: %w", r.ID, err)
	}
	return t, nil
}

// AddRegistrationToken inserts an initial access token. Errors: idp.ErrTooMany where there
// are idp.MaxRegistrationTokens.
func (db *DB) AddRegistrationToken(ctx context.Context, r *idp.RegistrationToken) error {
	row, events := registrationRowOf(r), r.Take()
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(holdRegistrations); err != nil {
			return err
		}
		var n int64
		if err := t.Row(countRegistrations, nil, &n); err != nil {
			return err
		}
		if n >= idp.MaxRegistrationTokens {
			return fmt.Errorf("%d registration tokens: %w", n, idp.ErrTooMany)
		}
		if err := t.bind(row); err != nil {
			return err
		}
		if err := t.put(insertRegistration, row.fields()...); err != nil {
			return err
		}
		return t.note(events...)
	})
}

// RegistrationTokens lists the initial access tokens that there are, revoked and expired
// ones too, the newest first.
func (db *DB) RegistrationTokens(ctx context.Context) ([]idp.RegistrationToken, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := list[registrationRow](r, selectRegistrations)
	if err != nil {
		return nil, err
	}
	out := make([]idp.RegistrationToken, 0, len(rows))
	for i := range rows {
		if r.fits(&rows[i], "") != nil {
			continue
		}
		one, err := rows[i].token()
		if err != nil {
			return nil, err
		}
		out = append(out, *one)
	}
	return out, nil
}

// registration reads an initial access token by a query for one. Errors: idp.ErrNotFound.
func (t *tx) registration(query string, key any) (*idp.RegistrationToken, error) {
	var row registrationRow
	if err := t.Row(query, []any{key}, row.fields()...); err != nil {
		return nil, fmt.Errorf("registration token: %w", err)
	}
	if err := t.fits(&row, ""); err != nil {
		return nil, err
	}
	return row.token()
}

// putRegistration writes an initial access token that was read, with its events.
func (t *tx) putRegistration(r *idp.RegistrationToken) error {
	row := registrationRowOf(r)
	if err := t.bind(row); err != nil {
		return err
	}
	fields := row.fields()
	if err := t.put(updateRegistration, append(fields[1:len(fields):len(fields)], row.ID)...); err != nil {
		return err
	}
	return t.note(r.Take()...)
}

// UpdateRegistrationToken changes an initial access token. Errors: idp.ErrNotFound, those
// of fn.
func (db *DB) UpdateRegistrationToken(ctx context.Context, id idp.RegistrationTokenID, fn func(*idp.RegistrationToken) error) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(holdRegistrations); err != nil {
			return err
		}
		r, err := t.registration(selectRegistration, string(id))
		if err != nil {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
		return t.putRegistration(r)
	})
}

// RegisterClient inserts the application that fn makes of the initial access token with a
// hash, with the picture that it shows; fn counts the use, too. Errors: idp.ErrNotFound,
// idp.ErrConflict, those of fn.
func (db *DB) RegisterClient(ctx context.Context, hash idp.TokenHash, fn func(*idp.RegistrationToken) (*idp.Client, error), pictures ...*idp.Picture) error {
	return db.changeClients(ctx, func(t *tx) error {
		if err := t.hold(holdRegistrations); err != nil {
			return err
		}
		r, err := t.registration(selectRegistrar, hash[:])
		if err != nil {
			return err
		}
		c, err := fn(r)
		if err != nil {
			return err
		}
		if err := errors.Join(t.putRegistration(r), t.putPictures(pictures...)); err != nil {
			return err
		}
		return t.addClient(c, c.Take())
	})
}

// UpdateRegisteredClient is UpdateClient for an application that has registered itself; fn is
// given the initial access token that it was registered by. A picture that it shows no more is
// deleted. Errors: idp.ErrNotFound, also where the administration has registered it; those of
// fn.
func (db *DB) UpdateRegisteredClient(ctx context.Context, id idp.ClientID, fn func(*idp.RegistrationToken, *idp.Client) error, pictures ...*idp.Picture) error {
	return db.changeClients(ctx, func(t *tx) error {
		err := t.updateClient(id, func(c *idp.Client) error {
			r, err := t.registration(selectRegistration, string(c.RegisteredBy))
			if err != nil {
				return err
			}
			return fn(r, c)
		})
		if err == nil {
			err = t.putPictures(pictures...)
		}
		if err == nil {
			err = t.put(deleteLoose)
		}
		return err
	})
}

// UpdateRegisteredBy changes an initial access token and every application that was registered
// by it, all or none; the grants of those that each disables are revoked. Errors:
// idp.ErrNotFound where there is no such token; those of fn and each.
func (db *DB) UpdateRegisteredBy(ctx context.Context, id idp.RegistrationTokenID, fn func(*idp.RegistrationToken) error, each func(*idp.Client) error) error {
	return db.changeClients(ctx, func(t *tx) error {
		r, err := t.registration(selectRegistration, string(id))
		if err != nil {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
		if err := t.putRegistration(r); err != nil {
			return err
		}
		clients, err := list[idRow](t, "SELECT id FROM clients WHERE registered_by = ? ORDER BY id", string(id))
		if err != nil {
			return err
		}
		keys := make([]engine.Key, len(clients))
		for i, c := range clients {
			keys[i] = ofClient(idp.ClientID(c.id))
		}
		if err := t.hold(keys...); err != nil { // all, before grants of any are revoked
			return err
		}
		for _, c := range clients {
			if err := t.updateClient(idp.ClientID(c.id), each); err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveRegisteredClient is RemoveClient for an application whose registration access token
// has a hash, which is compared in the same transaction. Errors: idp.ErrNotFound.
func (db *DB) RemoveRegisteredClient(ctx context.Context, id idp.ClientID, hash idp.TokenHash, e idp.Event) error {
	return db.changeClients(ctx, func(t *tx) error {
		err := t.updateClient(id, func(c *idp.Client) error {
			if c.Disabled || hash.IsZero() || c.RegistrationHash != hash {
				return fmt.Errorf("client %s: %w", id, idp.ErrNotFound)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return t.removeClient(id, db.at(e), e)
	})
}
