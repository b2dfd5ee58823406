package store

import (
	"context"
	"errors"
	"fmt"

	"hilum/idp"
)

const recoveryColumns = "user_id, n, hash, made_at, used_at, mac"

const (
	selectUnusedOfLogin = "SELECT " + recoveryColumns + " FROM recovery_codes WHERE user_id = " + personOfLogin + " AND used_at = 0 ORDER BY n"
)

var insertRecovery = insertInto("recovery_codes", recoveryColumns)

type recoveryRow struct {
	UserID         string
	N              int64
	Hash           string
	MadeAt, UsedAt int64
	MAC            []byte
}

func (r *recoveryRow) fields() []any {
	return []any{&r.UserID, &r.N, &r.Hash, &r.MadeAt, &r.UsedAt, &r.MAC}
}

func recoveryCodes(rows []recoveryRow) []idp.RecoveryCode {
	codes := make([]idp.RecoveryCode, len(rows))
	for i, r := range rows {
		codes[i] = idp.RecoveryCode{User: idp.UserID(r.UserID), N: int(r.N), Hash: r.Hash, MadeAt: moment(r.MadeAt), UsedAt: moment(r.UsedAt)}
	}
	return codes
}

// useCodes notes which recovery codes have been used. Errors: idp.ErrCodeUsed when one was
// used before.
func (t *tx) useCodes(before []recoveryRow, codes []idp.RecoveryCode) error {
	for _, row := range before {
		for _, c := range codes {
			if int64(c.N) != row.N || c.UsedAt.IsZero() {
				continue
			}
			n, err := t.Exec("UPDATE recovery_codes SET used_at = ?, mac = x'' WHERE user_id = ? AND n = ? AND hash = ? AND used_at = 0",
				micros(c.UsedAt), row.UserID, row.N, row.Hash)
			if err != nil {
				return err
			}
			if n == 0 {
				return fmt.Errorf("recovery code %d: %w", row.N, idp.ErrCodeUsed)
			}
		}
	}
	return nil
}

// putCodes replaces all recovery codes of a user.
func (t *tx) putCodes(user idp.UserID, codes []idp.RecoveryCode) error {
	if err := t.put("DELETE FROM recovery_codes WHERE user_id = ?", string(user)); err != nil {
		return err
	}
	for _, c := range codes {
		row := &recoveryRow{UserID: string(user), N: int64(c.N), Hash: c.Hash, MadeAt: micros(c.MadeAt), UsedAt: micros(c.UsedAt)}
		if err := t.bind(row); err != nil {
			return err
		}
		if err := t.put(insertRecovery, row.fields()...); err != nil {
			return fmt.Errorf("recovery code %d: %w", c.N, err)
		}
	}
	return nil
}

// SetRecoveryCodes replaces the recovery codes of a user. Errors:
// idp.ErrNotFound; idp.ErrExpired and idp.ErrStale for the session that it is done in.
func (db *DB) SetRecoveryCodes(ctx context.Context, user idp.UserID, codes []idp.RecoveryCode, in idp.Within, e idp.Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(ofPerson(user)); err != nil {
			return err
		}
		if err := t.lockUser(string(user)); err != nil {
			return err
		}
		if err := within(t, in, user, t.now()); err != nil {
			return err
		}
		return errors.Join(t.putCodes(user, codes), t.note(e))
	})
}

// RecoveryLeft counts the unused recovery codes of a user.
func (db *DB) RecoveryLeft(ctx context.Context, user idp.UserID) (int, error) {
	r, err := db.read(ctx)
	if err != nil {
		return 0, err
	}
	var n int64
	err = r.Row("SELECT count(*) FROM recovery_codes WHERE user_id = ? AND used_at = 0", []any{string(user)}, &n)
	return int(n), err
}
