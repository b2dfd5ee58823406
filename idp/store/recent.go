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

// get returns what is remembered of a grant and its person, nil if that is
// nothing or of another revision.
func (r *recentGrants) get(grant string, revision int64) *recentGrant {
	if k := r.grant(grant); k != nil && k.revision == revision {
		return k
	}
	return nil
}

// grant returns what is remembered of a grant, nil if nothing. What it says of
// the person may be old.
func (r *recentGrants) grant(grant string) *recentGrant {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.kept[grant]
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

// copy returns the caller's own grant.
func (k *recentGrant) copy() *idp.Grant {
	g := k.grant
	g.Scopes, g.AMR, g.Claims = slices.Clone(g.Scopes), slices.Clone(g.AMR), slices.Clone(g.Claims)
	return &g
}

// copies returns the caller's own grant and person.
func (k *recentGrant) copies() (*idp.Grant, *idp.User) {
	g := k.copy()
	if k.user == nil {
		return g, nil
	}
	u := *k.user
	u.Roles, u.Groups = slices.Clone(u.Roles), slices.Clone(u.Groups)
	return g, &u
}
