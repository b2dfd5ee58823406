package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

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

func tryoutOf(g *gorm.DB, condition string, key any) (*idp.Tryout, error) {
	var row tryoutRow
	if err := g.Take(&row, condition, key).Error; err != nil {
		return nil, err
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
	t, err := tryoutOf(r.ORM(), condition, key)
	if err != nil {
		return nil, fmt.Errorf("test: %w", r.Translate(err))
	}
	return t, nil
}

// What a test sign-in leaves elsewhere goes with its double.
const (
	dropTryoutConsent = "DELETE FROM consents WHERE (user_id, client_id) = (SELECT user_id, client_id || '~' || id FROM tryouts WHERE n = ?)"
	dropTryoutUse     = "DELETE FROM session_clients WHERE (session_id, client_id) = (SELECT session_id, client_id || '~' || id FROM tryouts WHERE n = ?)"
)

// UpdateTryout reads a test sign-in, lets fn decide, and writes. With a test that ends all
// that its double was given is deleted: grants and so tokens, consent, and that the
// session was used for it. Errors: idp.ErrNotFound, that of fn.
func (db *DB) UpdateTryout(ctx context.Context, id idp.TryoutID, fn func(*idp.Tryout) error) error {
	return db.write(ctx, func(tx *tx) error {
		before, err := tryoutOf(tx.ORM().Clauses(clause.Locking{Strength: "UPDATE"}), "id = ?", string(id))
		if err != nil {
			return fmt.Errorf("test %s: %w", id, tx.Translate(err))
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
			if _, err := tx.Exec(revokeGrantsOfClient, micros(after.EndedAt), string(before.Client())); err != nil {
				return err
			}
			var n int64
			if err := tx.Row("SELECT n FROM tryouts WHERE id = ?", []any{row.ID}, &n); err != nil {
				return err
			}
			for _, drop := range []string{dropTryoutConsent, dropTryoutUse} {
				if _, err := tx.Exec(drop, n); err != nil {
					return err
				}
			}
		}
		return tx.note(after.Take()...)
	})
}

// double returns the double of an application that a test sign-in goes to, made of the
// application as it is now. Errors: idp.ErrNotFound.
func (db *DB) double(ctx context.Context, s *clientSet, id idp.ClientID) (*idp.Client, error) {
	of, test, ok := idp.TryoutOf(id)
	if c := s.byID[of]; ok && c != nil {
		t, err := db.Tryout(ctx, test)
		if err != nil {
			return nil, err
		}
		if err := t.Live(db.now()); err == nil && t.Of == of {
			return t.Double(c), nil
		}
	}
	return nil, fmt.Errorf("client %s: %w", id, idp.ErrNotFound)
}

// StartAside returns when the first steps were put aside; zero: they were not.
func (db *DB) StartAside(ctx context.Context) (time.Time, error) {
	r, err := db.read(ctx)
	if err != nil {
		return time.Time{}, err
	}
	var at int64
	err = r.Row("SELECT n FROM marks WHERE name = 'start'", nil, &at)
	return moment(at), err
}

// PutStartAside puts the first steps aside, or takes them up again with a zero moment.
func (db *DB) PutStartAside(ctx context.Context, at time.Time, e idp.Event) error {
	return db.write(ctx, func(t *tx) error {
		if _, err := t.Exec("UPDATE marks SET n = ? WHERE name = 'start'", micros(at)); err != nil {
			return err
		}
		return t.note(e)
	})
}
