package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
)

// What a test sign-in leaves elsewhere goes with its double.
const (
	dropTryoutConsent = "DELETE FROM consents WHERE (user_id, client_id) = (SELECT user_id, client_id || '~' || id FROM tryouts WHERE n = ?)"
	dropTryoutUse     = "DELETE FROM session_clients WHERE (session_id, client_id) = (SELECT session_id, client_id || '~' || id FROM tryouts WHERE n = ?)"
)

// dropDouble deletes what the double of a test sign-in was given, from a moment on.
func (t *tx) dropDouble(of *idp.Tryout, at time.Time) error {
	if err := errors.Join(t.hold(ofClient(of.Client())), t.revokeOfClient(of.Client(), at)); err != nil {
		return err
	}
	var n int64
	if err := t.Row("SELECT n FROM tryouts WHERE id = ?", []any{string(of.ID)}, &n); err != nil {
		return err
	}
	for _, drop := range []string{dropTryoutConsent, dropTryoutUse} {
		if err := t.put(drop, n); err != nil {
			return err
		}
	}
	return nil
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
