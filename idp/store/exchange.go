package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
)

const (
	selectGrantFor = "SELECT id FROM grants WHERE user_id = ? AND user_id <> '' AND session_id = ? AND client_id = ? AND origin = '' AND revoked_at = 0 AND expires_at > ? ORDER BY n DESC LIMIT 1"

	// What decides whether a grant can be exchanged, in the transaction that does.
	selectGrantUse = `SELECT g.id, g.expires_at, 0, g.expires_at, g.revoked_at, g.last_used_at, g.user_id, coalesce(u.state, ''), coalesce(u."groups", '[]')
		FROM grants g LEFT JOIN users u ON u.id = g.user_id WHERE g.id = ?`
	insertAncestor  = "INSERT INTO grant_ancestors (grant_id, ancestor_id) VALUES (?, ?)"
	insertAncestors = "INSERT INTO grant_ancestors (grant_id, ancestor_id) SELECT ?, ancestor_id FROM grant_ancestors WHERE grant_id = ?"
)

// GrantFor returns the newest live grant that a person's session gave a client, and the
// person, for an ID token, which names these three. Errors: idp.ErrNotFound.
func (db *DB) GrantFor(ctx context.Context, user idp.UserID, session idp.SessionID, client idp.ClientID, now time.Time) (*idp.Grant, *idp.User, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	var id string
	if err := r.Row(selectGrantFor, []any{string(user), string(session), string(client), micros(now)}, &id); err != nil {
		return nil, nil, fmt.Errorf("grant: %w", err)
	}
	found, err := grantAndUser(r, id)
	if err != nil {
		return nil, nil, err
	}
	g, u := found.copies()
	return g, u, nil
}

// ExchangeTokens inserts a grant that was got for the one of a subject token, with its access
// token. From now on it ends with that grant, and with those that one was got for. Errors:
// idp.ErrExpired where the subject's grant is no longer good, idp.ErrClientDisabled, that of
// issue.May.
func (db *DB) ExchangeTokens(ctx context.Context, subject idp.GrantID, at time.Time, g *idp.Grant, issue idp.Issue) error {
	events := g.Take()
	return db.write(ctx, func(t *tx) error {
		if err := errors.Join(t.holdOwner(ownerOfGrant, []any{string(subject)}), t.admit(g)); err != nil {
			return err
		}
		u, err := t.usableBy(selectGrantUse, string(subject))
		if errors.Is(err, idp.ErrNotFound) {
			return fmt.Errorf("grant %s: %w", subject, idp.ErrExpired)
		}
		if err != nil {
			return err
		}
		if err := u.good(micros(at)); err != nil {
			return fmt.Errorf("grant %s: %w", subject, err)
		}
		if err := u.may(issue.May); err != nil {
			return err
		}
		if err := t.addGrant(g, nil); err != nil {
			return err
		}
		if err := t.put(insertAncestors, string(g.ID), string(subject)); err != nil {
			return err
		}
		if err := t.put(insertAncestor, string(g.ID), string(subject)); err != nil {
			return err
		}
		if err := t.addTokens(string(g.ID), micros(g.ExpiresAt), &issue); err != nil {
			return err
		}
		return t.note(events...)
	})
}
