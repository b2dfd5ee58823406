package store

import (
	"slices"
	"sync"

	"hilum/idp"
)

// maxRecent bounds what is remembered, at about 1 KB each.
const maxRecent = 4096

// recentGrants remembers the grants that tokens were shown for lately, with
// their people: half of what a token check reads, and the half that hardly
// ever changes. What can change at any moment, revocation and expiry, is read
// from the database each time, with the revision of the person's row: what is
// remembered counts only while it is of that revision, so it is never old.
// Safe for concurrent use.
type recentGrants struct {
	mu   sync.RWMutex
	kept map[string]*recentGrant
}

// recentGrant never changes.
type recentGrant struct {
	grant    idp.Grant // RevokedAt aside, a grant stays as it was made
	user     *idp.User // nil for a client's own
	revision int64     // of the user
}

func (r *recentGrants) get(grant string, revision int64) *recentGrant {
	r.mu.RLock()
	defer r.mu.RUnlock()
	k := r.kept[grant]
	if k == nil || k.revision != revision {
		return nil
	}
	return k
}

func (r *recentGrants) put(grant string, k *recentGrant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		r.kept = make(map[string]*recentGrant)
	}
	if len(r.kept) >= maxRecent {
		for old := range r.kept { // in no order: any half
			if delete(r.kept, old); len(r.kept) <= maxRecent/2 {
				break
			}
		}
	}
	r.kept[grant] = k
}

// copies returns the caller's own.
func (k *recentGrant) copies() (*idp.Grant, *idp.User) {
	g := k.grant
	g.Scopes, g.AMR, g.Claims = slices.Clone(g.Scopes), slices.Clone(g.AMR), slices.Clone(g.Claims)
	if k.user == nil {
		return &g, nil
	}
	u := *k.user
	u.Roles, u.Groups = slices.Clone(u.Roles), slices.Clone(u.Groups)
	return &g, &u
}
