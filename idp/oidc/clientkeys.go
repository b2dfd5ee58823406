package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
	"hilum/idp/jwks"
)

// How long keys that a client publishes are used.
const (
	keysFresh = 10 * time.Minute // until they are read again
	keysKept  = time.Hour        // while they cannot be read
	// keysAgain is how long nothing is read from a client after a try: whoever sends unknown
	// kids in its name does not make us call it for each.
	keysAgain = 30 * time.Second
)

// clientKeys is the public keys of clients, of their registration or of their jwks_uri.
// Safe for concurrent use.
type clientKeys struct {
	fetch *http.Client
	now   func() time.Time

	mu   sync.Mutex
	kept map[idp.ClientID]*keptKeys // of registered clients, so there are no more than those
}

// keptKeys is what was read from the jwks_uri of a client.
type keptKeys struct {
	mu      sync.Mutex // one reads, the others wait for it
	uri     string
	set     jwks.Set // nil: nothing yet
	readAt  time.Time
	triedAt time.Time
	err     error // of the last try
}

// of returns the keys by which a signature of a client with these header values can be
// verified; none: the client has no such key. Error: there are no keys, or they cannot be
// read where the client publishes them.
func (k *clientKeys) of(ctx context.Context, c *idp.Client, kid, alg string) ([]jose.JSONWebKey, error) {
	return k.matching(ctx, c, func(set jwks.Set) []jose.JSONWebKey { return set.For(kid, alg) })
}

// matching is of for the keys that match picks.
func (k *clientKeys) matching(ctx context.Context, c *idp.Client, match func(jwks.Set) []jose.JSONWebKey) ([]jose.JSONWebKey, error) {
	if c.JWKSURI == "" {
		set, err := jwks.Parse([]byte(c.JWKS))
		if err != nil {
			return nil, err
		}
		return match(set), nil
	}
	k.mu.Lock()
	own := k.kept[c.ID]
	if own == nil || own.uri != c.JWKSURI {
		if own = (&keptKeys{uri: c.JWKSURI}); k.kept == nil {
			k.kept = map[idp.ClientID]*keptKeys{}
		}
		k.kept[c.ID] = own
	}
	k.mu.Unlock()

	own.mu.Lock()
	defer own.mu.Unlock()
	now := k.now()
	stale := own.set == nil || now.Sub(own.readAt) >= keysFresh
	if (stale || len(match(own.set)) == 0) && (own.triedAt.IsZero() || now.Sub(own.triedAt) >= keysAgain) {
		own.triedAt = now
		var set jwks.Set
		// The caller may go away; who waits for the same keys does not.
		if set, own.err = k.read(context.WithoutCancel(ctx), own.uri); own.err == nil {
			own.set, own.readAt = set, now
		}
	}
	if own.set == nil || now.Sub(own.readAt) >= keysKept {
		return nil, fmt.Errorf("%s: %w", redactedURI(own.uri), own.err)
	}
	return match(own.set), nil
}

var errKeysUnread = errors.New("no keys there")

// read reads the keys that a client publishes. The HTTP client bounds how long that takes,
// and whom it calls.
func (k *clientKeys) read(ctx context.Context, uri string) (jwks.Set, error) {
	if k.fetch == nil {
		return nil, errKeysUnread
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil) //nolint:gosec // of the registration, and fetch guards whom it calls
	if err != nil {
		return nil, errKeysUnread
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := k.fetch.Do(r) //nolint:gosec // as above
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be called", errKeysUnread)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, jwks.MaxBytes+1))
	switch {
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%w: status %d", errKeysUnread, res.StatusCode)
	case err != nil:
		return nil, fmt.Errorf("%w: the answer breaks off", errKeysUnread)
	}
	return jwks.Parse(body)
}
