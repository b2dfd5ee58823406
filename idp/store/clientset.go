package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hilum/idp"
)

// clientCache serves clients from memory. Every change of a client counts
// revisions up, so that a copy knows which state it is of.
type clientCache struct {
	loading sync.Mutex
	kept    atomic.Pointer[clientSet]
}

// clientSet is all clients at one revision. It never changes.
type clientSet struct {
	revision int64
	byID     map[idp.ClientID]*idp.Client
	origins  map[string]bool // of scripts of clients that are not disabled
	// standing are the clients that are not disabled by the resources that they stand for; of
	// two that stand for one, the one whose id comes first.
	standing map[string]*idp.Client
}

const selectRevision = "SELECT n FROM revisions WHERE name = 'clients'"

// clientSet returns the clients from memory; they are read anew after they were dropped.
func (db *DB) clientSet(ctx context.Context) (*clientSet, error) {
	if s := db.clients.kept.Load(); s != nil {
		return s, nil
	}
	db.clients.loading.Lock()
	defer db.clients.loading.Unlock()
	if s := db.clients.kept.Load(); s != nil {
		return s, nil
	}
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	// The revision first: rows that are newer than it are read once more, by
	// Watch; older ones there cannot be.
	s := &clientSet{byID: map[idp.ClientID]*idp.Client{}, origins: map[string]bool{}, standing: map[string]*idp.Client{}}
	if err := r.Row(selectRevision, nil, &s.revision); err != nil {
		return nil, err
	}
	clients, err := r.allClients()
	if err != nil {
		return nil, err
	}
	for _, c := range clients {
		s.byID[c.ID] = c
		if !c.Disabled {
			for _, origin := range c.Origins {
				s.origins[origin] = true
			}
			for _, r := range c.Resources {
				if was := s.standing[r]; was == nil || c.ID < was.ID {
					s.standing[r] = c
				}
			}
		}
	}
	db.clients.kept.Store(s)
	return s, nil
}

// dropClients forgets the clients in memory, if they are of another revision.
func (db *DB) dropClients(revision int64) {
	db.clients.loading.Lock() // a load under way would put back what it read before
	defer db.clients.loading.Unlock()
	if s := db.clients.kept.Load(); s != nil && s.revision != revision {
		db.clients.kept.Store(nil)
	}
}

// newerClients is s, or the clients as they are now where another process has changed them.
func (db *DB) newerClients(ctx context.Context, s *clientSet) (*clientSet, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var revision int64
	if err := r.Row(selectRevision, nil, &revision); err != nil || revision == s.revision {
		return s, err
	}
	db.dropClients(revision)
	return db.clientSet(ctx)
}

// changeClients runs fn as a transaction that changes clients.
func (db *DB) changeClients(ctx context.Context, fn func(*tx) error) error {
	var revision int64
	err := db.write(ctx, func(t *tx) error {
		if err := t.hold(holdClients); err != nil {
			return err
		}
		if err := fn(t); err != nil {
			return err
		}
		if err := t.put("UPDATE revisions SET n = n + 1 WHERE name = 'clients'"); err != nil {
			return err
		}
		return t.Row(selectRevision, nil, &revision)
	})
	if err != nil {
		return err
	}
	db.dropClients(revision)
	db.Hint(hintWatch)
	return nil
}

// Client returns an application from memory; it must not be changed. The double of a test
// sign-in is found too, here and nowhere else. Errors: idp.ErrNotFound.
func (db *DB) Client(ctx context.Context, id idp.ClientID) (*idp.Client, error) {
	s, err := db.clientSet(ctx)
	if err != nil {
		return nil, err
	}
	if c, ok := s.byID[id]; ok {
		return c, nil
	}
	// A command beside this process may have added it a moment ago.
	if s, err = db.newerClients(ctx, s); err != nil {
		return nil, err
	}
	if c, ok := s.byID[id]; ok {
		return c, nil
	}
	return db.double(ctx, s, id)
}

// Standing returns the API that a name in an audience is of: the application with that id, or
// one that stands for that resource, unless it is disabled; from memory: it must not be changed.
// Errors: idp.ErrNotFound.
func (db *DB) Standing(ctx context.Context, name string) (*idp.Client, error) {
	s, err := db.clientSet(ctx)
	if err != nil {
		return nil, err
	}
	if c := s.byID[idp.ClientID(name)]; c != nil && !c.Disabled {
		return c, nil
	}
	if c := s.standing[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("nobody stands for %s: %w", name, idp.ErrNotFound)
}

// Origin reports whether an application that is not disabled has registered an origin for
// its scripts, from memory; false where that cannot be read.
func (db *DB) Origin(ctx context.Context, origin string) bool {
	s, err := db.clientSet(ctx)
	return err == nil && s.origins[origin]
}

// Clients lists applications by name, as copies of the caller's own.
func (db *DB) Clients(ctx context.Context) ([]idp.Client, error) {
	s, err := db.clientSet(ctx)
	if err == nil {
		s, err = db.newerClients(ctx, s) // whoever looks may have changed one a moment ago, at another instance
	}
	if err != nil {
		return nil, err
	}
	clients := make([]idp.Client, 0, len(s.byID))
	for _, c := range s.byID {
		own := *c
		for _, l := range []*[]string{&own.RedirectURIs, &own.PostLogoutURIs, &own.Origins, &own.GrantTypes, &own.Scopes, &own.DefaultScopes, &own.Audience, &own.Groups, &own.ExchangeTargets, &own.Resources} {
			*l = slices.Clone(*l)
		}
		own.Secrets, own.Claims = slices.Clone(own.Secrets), slices.Clone(own.Claims)
		db.secrets.lay(&own)
		clients = append(clients, own)
	}
	slices.SortFunc(clients, func(a, b idp.Client) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return clients, nil
}

// forgetClient deletes what is kept for an application that has been deleted, and revokes its
// grants, at a moment.
func (t *tx) forgetClient(id idp.ClientID, at time.Time) error {
	if err := t.revokeOfClient(id, at); err != nil {
		return err
	}
	for _, also := range []string{"DELETE FROM consents WHERE client_id = ?", "DELETE FROM polled_requests WHERE client_id = ?", "DELETE FROM pings WHERE client_id = ?"} {
		if err := t.put(also, string(id)); err != nil {
			return err
		}
	}
	err := t.put(deleteLoose)
	return err
}
