package store

import (
	"context"
	"errors"
	"fmt"

	"hilum/idp"
)

// VAPIDKey returns the private VAPID key, sealed, by which push services know us (RFC
// 8292), and its public half. Errors: idp.ErrNotFound.
func (db *DB) VAPIDKey(ctx context.Context) (sealed []byte, public string, err error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, "", err
	}
	err = r.Row("SELECT sealed, public FROM vapid_keys WHERE id = 1", nil, &sealed, &public)
	if err != nil {
		err = fmt.Errorf("VAPID key: %w", err)
	}
	return sealed, public, err
}

// SetVAPIDKey stores the VAPID key, once. Errors: idp.ErrConflict when there is one;
// idp.ErrDenied when browsers have subscribed by one that is gone: they would all be out
// of reach, so it is never made anew.
func (db *DB) SetVAPIDKey(ctx context.Context, sealed []byte, public string) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.hold(holdVAPID); err != nil {
			return err
		}
		var one int64
		err := t.Row("SELECT 1 FROM devices WHERE push_type = ? LIMIT 1", []any{string(idp.PushWeb)}, &one)
		if err == nil {
			return fmt.Errorf("phones have subscribed by another VAPID key: %w", idp.ErrDenied)
		}
		if !errors.Is(err, idp.ErrNotFound) {
			return err
		}
		err = t.put("INSERT INTO vapid_keys (id, sealed, public, created_at) VALUES (1, ?, ?, ?)", sealed, public, micros(db.now()))
		return err
	})
}
