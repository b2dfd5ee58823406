package store

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm/clause"

	"hilum/idp"
)

type signingKeyRow struct {
	ID        string `gorm:"primaryKey"`
	Alg       string
	Public    []byte
	Sealed    []byte
	CreatedAt int64 `gorm:"autoCreateTime:false"`
	ActiveAt  int64
	RetiredAt int64
	GoneAt    int64
}

func (signingKeyRow) TableName() string { return "signing_keys" }

func signingKeyRowOf(k *idp.SigningKey) *signingKeyRow {
	return &signingKeyRow{
		ID: string(k.ID), Alg: k.Alg, Public: blob(k.Public), Sealed: blob(k.Sealed), CreatedAt: micros(k.CreatedAt),
		ActiveAt: micros(k.ActiveAt), RetiredAt: micros(k.RetiredAt), GoneAt: micros(k.GoneAt),
	}
}

func (r *signingKeyRow) key() idp.SigningKey {
	return idp.SigningKey{
		ID: idp.KeyID(r.ID), Alg: r.Alg, Public: r.Public, Sealed: r.Sealed, CreatedAt: moment(r.CreatedAt),
		ActiveAt: moment(r.ActiveAt), RetiredAt: moment(r.RetiredAt), GoneAt: moment(r.GoneAt),
	}
}

func (s *session) signingKeys() ([]idp.SigningKey, error) {
	var rows []signingKeyRow
	if err := s.ORM().Order("created_at, id").Find(&rows).Error; err != nil {
		return nil, err
	}
	keys := make([]idp.SigningKey, len(rows))
	for i := range rows {
		keys[i] = rows[i].key()
	}
	return keys, nil
}

// SigningKeys returns all signing keys, oldest first.
func (db *DB) SigningKeys(ctx context.Context) ([]idp.SigningKey, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	return r.signingKeys()
}

// UpdateSigningKeys replaces all signing keys by what fn makes of them, with the event e.
func (db *DB) UpdateSigningKeys(ctx context.Context, fn func([]idp.SigningKey) ([]idp.SigningKey, error), e idp.Event) error {
	err := db.write(ctx, func(t *tx) error {
		if err := t.hold(holdKeys); err != nil {
			return err
		}
		before, err := t.signingKeys()
		if err != nil {
			return err
		}
		keys, err := fn(slices.Clone(before))
		if err != nil {
			return err
		}
		for _, k := range before {
			if !slices.ContainsFunc(keys, func(o idp.SigningKey) bool { return o.ID == k.ID }) {
				if err := t.ORM().Delete(&signingKeyRow{}, "id = ?", string(k.ID)).Error; err != nil {
					return err
				}
			}
		}
		for i := range keys {
			err := t.ORM().Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}).
				Create(signingKeyRowOf(&keys[i])).Error
			if err != nil {
				return fmt.Errorf("signing key %s: %w", keys[i].ID, t.Translate(err))
			}
		}
		return t.note(e)
	})
	if err == nil {
		db.Hint(idp.TopicKeys)
	}
	return err
}

type sealCheckRow struct {
	ID     int64 `gorm:"primaryKey;autoIncrement:false"`
	Sealed []byte
}

func (sealCheckRow) TableName() string { return "seal_checks" }

// SealCheck returns the known value, sealed, that proves which sealing key this
// database belongs to. Errors: idp.ErrNotFound.
func (db *DB) SealCheck(ctx context.Context) ([]byte, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var row sealCheckRow
	if err := r.ORM().Take(&row, "id = ?", 1).Error; err != nil {
		return nil, fmt.Errorf("seal check: %w", r.Translate(err))
	}
	return row.Sealed, nil
}

// SetSealCheck keeps that value, once. Errors: idp.ErrConflict, there is one.
func (db *DB) SetSealCheck(ctx context.Context, sealed []byte) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(holdKeys); err != nil {
			return err
		}
		return t.Translate(t.ORM().Create(&sealCheckRow{ID: 1, Sealed: blob(sealed)}).Error)
	})
}
