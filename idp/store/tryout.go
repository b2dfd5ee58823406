package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"hilum/idp"
)

type tryoutRow struct {
	ID          string `gorm:"primaryKey"`
	ClientID    string
	UserID      string
	SessionID   string
	Browser     []byte
	State       []byte
	Nonce       []byte
	Secret      []byte
	Sealed      []byte
	RedirectURI string `gorm:"column:redirect_uri"`
	Again       bool
	CreatedAt   int64 `gorm:"autoCreateTime:false"`
	ExpiresAt   int64
	AnsweredAt  int64
	EndedAt     int64
	Result      string // JSON
}

func (tryoutRow) TableName() string { return "tryouts" }

func tryoutRowOf(t *idp.Tryout) (*tryoutRow, error) {
	row := &tryoutRow{
		ID: string(t.ID), ClientID: string(t.Of), UserID: string(t.User), SessionID: string(t.Session), Browser: t.Browser[:], State: t.State[:],
		Nonce: t.Nonce[:], Secret: t.Secret[:], Sealed: t.Sealed, RedirectURI: t.RedirectURI, Again: t.Again,
		CreatedAt: micros(t.CreatedAt), ExpiresAt: micros(t.ExpiresAt), AnsweredAt: micros(t.AnsweredAt), EndedAt: micros(t.EndedAt),
	}
	if t.Result != nil {
		text, err := json.Marshal(t.Result)
		if err != nil {
			return nil, fmt.Errorf("test %s: %w", t.ID, err)
		}
		row.Result = string(text)
	}
	return row, nil
}

func (r *tryoutRow) tryout() (*idp.Tryout, error) {
	t := &idp.Tryout{
		ID: idp.TryoutID(r.ID), Of: idp.ClientID(r.ClientID), User: idp.UserID(r.UserID), Session: idp.SessionID(r.SessionID), Sealed: r.Sealed,
		RedirectURI: r.RedirectURI, Again: r.Again,
		CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt), AnsweredAt: moment(r.AnsweredAt), EndedAt: moment(r.EndedAt),
	}
	var errs error
	for _, h := range []struct {
		to   *idp.TokenHash
		from []byte
	}{{&t.Browser, r.Browser}, {&t.State, r.State}, {&t.Nonce, r.Nonce}, {&t.Secret, r.Secret}} {
		var err error
		*h.to, err = hash(h.from)
		errs = errors.Join(errs, err)
	}
	if r.Result != "" {
		errs = errors.Join(errs, json.Unmarshal([]byte(r.Result), &t.Result))
	}
	if errs != nil {
		return nil, fmt.Errorf("test %s: %w", r.ID, errs)
	}
	return t, nil
}

func (s *session) tryoutWhere(condition string, key any) (*idp.Tryout, error) {
	var row tryoutRow
	if err := s.ORM().Take(&row, condition, key).Error; err != nil {
		return nil, s.Translate(err)
	}
	return row.tryout()
}

// AddTryout inserts a test sign-in with its events. Errors: idp.ErrNotFound: the application is gone.
func (db *DB) AddTryout(ctx context.Context, t *idp.Tryout) error {
	row, err := tryoutRowOf(t)
	if err != nil {
		return err
	}
	events := t.Take()
	return db.write(ctx, func(tx *tx) error {
		if err := tx.hold(ofThing("test", row.ID)); err != nil {
			return err
		}
		if err := tx.ORM().Select("id").Take(&clientRow{}, "id = ?", row.ClientID).Error; err != nil {
			return fmt.Errorf("client %s: %w", row.ClientID, tx.Translate(err))
		}
		if err := tx.ORM().Create(row).Error; err != nil {
			return tx.Translate(err)
		}
		return tx.note(events...)
	})
}

// Tryout returns a test sign-in. Errors: idp.ErrNotFound.
func (db *DB) Tryout(ctx context.Context, id idp.TryoutID) (*idp.Tryout, error) {
	return db.tryout(ctx, "id = ?", string(id))
}

// TryoutByState returns the test sign-in that an authorization response belongs to, by its
// state. Errors: idp.ErrNotFound.
func (db *DB) TryoutByState(ctx context.Context, state idp.TokenHash) (*idp.Tryout, error) {
	return db.tryout(ctx, "state = ?", state[:])
}

func (db *DB) tryout(ctx context.Context, condition string, key any) (*idp.Tryout, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	t, err := r.tryoutWhere(condition, key)
	if err != nil {
		return nil, fmt.Errorf("test: %w", err)
	}
	return t, nil
}

// UpdateTryout reads a test sign-in, lets fn decide, and writes. With a test that ends all
// that its double was given is deleted: grants and so tokens, consent, and that the
// session was used for it. Errors: idp.ErrNotFound, that of fn.
func (db *DB) UpdateTryout(ctx context.Context, id idp.TryoutID, fn func(*idp.Tryout) error) error {
	return db.write(ctx, func(tx *tx) error {
		if err := tx.hold(ofThing("test", string(id))); err != nil {
			return err
		}
		before, err := tx.tryoutWhere("id = ?", string(id))
		if err != nil {
			return fmt.Errorf("test %s: %w", id, err)
		}
		after := *before
		if err := fn(&after); err != nil {
			return err
		}
		row, err := tryoutRowOf(&after)
		if err != nil {
			return err
		}
		row.ID, row.ClientID = string(before.ID), string(before.Of)
		r := tx.ORM().Select("*").Where("id = ? AND answered_at = ? AND ended_at = ?", row.ID, micros(before.AnsweredAt), micros(before.EndedAt)).Updates(row)
		if r.Error != nil {
			return r.Error
		}
		if r.RowsAffected == 0 {
			return fmt.Errorf("test %s: %w", id, idp.ErrSettled)
		}
		if before.EndedAt.IsZero() && !after.EndedAt.IsZero() {
			if err := tx.dropDouble(before, after.EndedAt); err != nil {
				return err
			}
		}
		return tx.note(after.Take()...)
	})
}
