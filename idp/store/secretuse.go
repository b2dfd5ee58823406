package store

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"hilum/idp"
)

// secretUses remembers when secrets of clients were used last. Noting it costs
// no trip to the database: it is written now and then, by Sweep and Close, and
// a crash loses minutes of it.
type secretUses struct {
	mu   sync.Mutex
	last map[secretKey]secretUse
}

type secretKey struct {
	client idp.ClientID
	hash   idp.TokenHash
}

type secretUse struct {
	at      time.Time
	written bool
}

// SecretUsed notes, in memory, when a client authenticated by which secret.
func (db *DB) SecretUsed(client idp.ClientID, hash idp.TokenHash, at time.Time) {
	u := &db.secrets
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = map[secretKey]secretUse{}
	}
	k := secretKey{client, hash}
	if before := u.last[k]; at.Sub(before.at) >= time.Second {
		u.last[k] = secretUse{at: at}
	}
}

// lay puts the uses that are remembered over those that were read.
func (u *secretUses) lay(c *idp.Client) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range c.Secrets {
		s := &c.Secrets[i]
		if use, ok := u.last[secretKey{c.ID, s.Hash}]; ok && use.at.After(s.LastUsedAt) {
			s.LastUsedAt = use.at
		}
	}
}

func (db *DB) writeSecretUses(ctx context.Context) error {
	u := &db.secrets
	u.mu.Lock()
	fresh := map[secretKey]secretUse{}
	for k, use := range u.last {
		if !use.written {
			fresh[k] = use
		}
	}
	u.mu.Unlock()
	if len(fresh) == 0 {
		return nil
	}
	order := slices.SortedFunc(maps.Keys(fresh), func(a, b secretKey) int { // so that instances do not wait for one another in a circle
		return cmp.Or(cmp.Compare(a.client, b.client), bytes.Compare(a.hash[:], b.hash[:]))
	})
	err := db.write(ctx, func(t *tx) error {
		for _, k := range order {
			use := fresh[k]
			if err := t.put("UPDATE client_secrets SET last_used_at = ? WHERE client_id = ? AND hash = ? AND last_used_at < ?",
				micros(use.at), string(k.client), k.hash[:], micros(use.at)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for k, use := range fresh {
		if u.last[k] == use {
			use.written = true
			u.last[k] = use
		}
	}
	return nil
}
