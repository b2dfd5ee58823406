package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
)

// UseJWT notes that a JWT which is good once was used; hash is of whose it is and of its
// jti, until is when it is no longer good by itself. Errors: idp.ErrReplayed, it was used
// before.
func (db *DB) UseJWT(ctx context.Context, hash idp.TokenHash, until time.Time) error {
	err := db.write(ctx, func(t *tx) error {
		return t.put("INSERT INTO used_jwts (hash, until) VALUES (?, ?)", hash[:], micros(until))
	})
	if errors.Is(err, idp.ErrConflict) {
		return fmt.Errorf("jwt: %w", idp.ErrReplayed)
	}
	return err
}
