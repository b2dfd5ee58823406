package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hilum/idp"
)

const (
	selectConsent = "SELECT scopes, claims, resources, at FROM consents WHERE user_id = ? AND client_id = ?"
	upsertConsent = `INSERT INTO consents (user_id, client_id, scopes, claims, resources, at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (user_id, client_id) DO UPDATE SET scopes = excluded.scopes, claims = excluded.claims, resources = excluded.resources, at = excluded.at`
)

// putConsent keeps what a person allowed. Claims and resources that they have allowed before
// stay allowed: an application asks for one here and for another there.
func (t *tx) putConsent(c *idp.Consent) error {
	claims, resources := slices.Clone(c.Claims), slices.Clone(c.Resources)
	before, err := consent(t, c.User, c.Client)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return err
	}
	if err == nil {
		for _, name := range before.Claims {
			if !slices.Contains(claims, name) {
				claims = append(claims, name)
			}
		}
		for _, r := range before.Resources {
			if !slices.Contains(resources, r) {
				resources = append(resources, r)
			}
		}
	}
	err = t.put(upsertConsent, string(c.User), string(c.Client), listText(c.Scopes), listText(claims), listText(resources), micros(c.At))
	return err
}

// consent returns what a person allowed an application. Errors: idp.ErrNotFound.
func consent(r reader, user idp.UserID, client idp.ClientID) (*idp.Consent, error) {
	var scopes, claims, resources string
	var at int64
	if err := r.Row(selectConsent, []any{string(user), string(client)}, &scopes, &claims, &resources, &at); err != nil {
		return nil, fmt.Errorf("consent: %w", err)
	}
	c := &idp.Consent{User: user, Client: client, At: moment(at)}
	var err1, err2, err3 error
	c.Scopes, err1 = textList(scopes)
	c.Claims, err2 = textList(claims)
	c.Resources, err3 = textList(resources)
	return c, errors.Join(err1, err2, err3)
}

// Consent returns what a person allowed an application. Errors: idp.ErrNotFound.
func (db *DB) Consent(ctx context.Context, user idp.UserID, client idp.ClientID) (*idp.Consent, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	return consent(r, user, client)
}
