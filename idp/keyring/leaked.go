package keyring

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hilum/idp"
)

// replaceKeys is the change that Replace notes in the log.
const replaceKeys = "replaced"

// Replace takes all keys of an algorithm away at once, those that wait and those that were
// replaced too, and makes one that signs at once: for a key that may have leaked. Whatever
// was signed by one of them can be verified no more, and relying parties learn of the new
// key when they read the JWK set next. Where the algorithm is not set up any more, none is
// made. Other processes take it up at their next Turn. by is who did it.
//
// It returns the new key's id, empty for none, and how many are gone. Errors: idp.ErrNotFound,
// the algorithm is not set up and there is no key of it; those of the Store.
func (r *Ring) Replace(ctx context.Context, alg string, by idp.Actor) (made idp.KeyID, gone int, err error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	now := r.conf.Now().UTC().Truncate(time.Microsecond)
	var fresh idp.SigningKey
	wanted := slices.Contains(r.conf.Algs, alg)
	if wanted {
		if fresh, err = r.make(change{act: makeKey, alg: alg, activeAt: now}, now); err != nil {
			return "", 0, fmt.Errorf("making a key for %s: %w", alg, err)
		}
	}
	e := idp.Event{At: now, Kind: idp.EventKeyRotated, Actor: by, Detail: map[string]string{"change": replaceKeys, "alg": alg, "key": string(fresh.ID)}}
	err = r.conf.Store.UpdateSigningKeys(ctx, func(rows []idp.SigningKey) ([]idp.SigningKey, error) {
		var old []string
		kept := make([]idp.SigningKey, 0, len(rows)+1)
		for _, k := range rows {
			if k.Alg == alg {
				old = append(old, string(k.ID))
				continue
			}
			kept = append(kept, k)
		}
		gone = len(old)
		e.Detail["gone"] = strings.Join(old, " ") // a map: the event that is written is this one
		if wanted {
			return append(kept, fresh), nil
		}
		if gone == 0 {
			return nil, fmt.Errorf("no key for algorithm %q: %w", alg, idp.ErrNotFound)
		}
		return kept, nil
	}, e)
	if err != nil {
		return "", 0, err
	}
	rows, err := r.conf.Store.SigningKeys(ctx)
	if err != nil {
		return "", 0, err
	}
	next, err := r.snapshot(rows, now)
	if err != nil {
		return "", 0, err
	}
	r.state.Store(next)
	r.conf.Log.WarnContext(ctx, "signing keys replaced at once", "alg", alg, "key", fresh.ID, "gone", gone)
	return fresh.ID, gone, nil
}
