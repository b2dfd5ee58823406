package store

import (
	"slices"
	"sync"

	"hilum/idp"
)

// maxRecent bounds how many grants are remembered, at about 1 KB each.
const maxRecent = 4096

// recentGrants remembers the grants of access tokens that were used lately, with their
// people: half of what a token check reads, and the half that hardly ever changes. What
// can change at any moment, revocation and expiry, is read from the database each time,
// with the revision of the person's row: what is remembered counts only while it is of
// that revision, so it is never old. Safe for concurrent use.
type recentGrants struct {
	mu   sync.RWMutex
	kept map[string]*recentGrant
}

// recentGrant is a grant and its person; it never changes.
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

// grant returns the grant that is remembered, nil if none is. The person in it may be old.
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

// copies returns the caller's own grant and person.
func (k *recentGrant) copies() (*idp.Grant, *idp.User) {
	g := cloneGrant(&k.grant)
	if k.user == nil {
		return g, nil
	}
	u := *k.user
	cloneLists(&u.Roles, &u.Groups)
	return g, &u
}

// maxIssued bounds each of the two halves of what is remembered of codes and
// of refresh tokens, at less than 1 KB each.
const maxIssued = 4096

// issued remembers codes or refresh tokens as they were issued, until they are used: what
// a code was issued for has to be known before the transaction that decides whether it is
// still good. What is remembered never changes; whether it was used or revoked meanwhile
// the transaction decides. The oldest are forgotten first. Safe for concurrent use.
type issued[T any] struct {
	mu       sync.Mutex
	now, old map[idp.TokenHash]given[T]
}

// given is an unused code or refresh token, with its grant.
type given[T any] struct {
	token T
	grant *idp.Grant // nobody changes it
}

func (i *issued[T]) put(hash idp.TokenHash, g given[T]) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.now) >= maxIssued {
		i.old, i.now = i.now, nil
	}
	if i.now == nil {
		i.now = make(map[idp.TokenHash]given[T])
	}
	i.now[hash] = g
}

func (i *issued[T]) get(hash idp.TokenHash) (given[T], bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	g, ok := i.now[hash]
	if !ok {
		g, ok = i.old[hash]
	}
	return g, ok
}

// take is get for the last time.
func (i *issued[T]) take(hash idp.TokenHash) (given[T], bool) {
	g, ok := i.get(hash)
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.now, hash)
	delete(i.old, hash)
	return g, ok
}

// cloneGrant returns a copy of a grant that shares nothing with it.
func cloneGrant(g *idp.Grant) *idp.Grant {
	c := *g
	c.Journal = idp.Journal{}
	cloneLists(&c.Scopes, &c.AMR, &c.Actors, &c.Resources)
	c.Claims = slices.Clone(g.Claims)
	return &c
}

// cloneLists makes lists their holder's own, in one piece of memory. None can grow into
// another.
func cloneLists(lists ...*[]string) {
	n := 0
	for _, l := range lists {
		n += len(*l)
	}
	if n == 0 {
		return
	}
	all := make([]string, 0, n)
	for _, l := range lists {
		if *l == nil {
			continue
		}
		begin := len(all)
		all = append(all, *l...)
		*l = all[begin:len(all):len(all)]
	}
}

func cloneRefresh(t *idp.RefreshToken) *idp.RefreshToken {
	c := *t
	c.Scopes = slices.Clone(t.Scopes)
	return &c
}
