// Package keyring holds the keys of the provider: those that tokens are signed with, and
// the one that seals secrets at rest.
//
// Signing keys live in the database, their private parts sealed, and are rotated
// regularly: a key is published some time before it signs, so that relying parties have it
// when they meet its first token, and stays published after it has been replaced until the
// last token it signed has expired. Private parts never leave this package; a Key signs
// and does nothing else.
//
// The sealing key lives in a file outside the database. No key of either kind is replaced
// because it cannot be read: the provider refuses to start instead.
package keyring

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hilum/idp"
)

// Store keeps signing keys, private parts sealed.
type Store interface {
	SigningKeys(ctx context.Context) ([]idp.SigningKey, error)
	// UpdateSigningKeys gives fn all keys and replaces them by what it returns, atomically.
	UpdateSigningKeys(ctx context.Context, fn func([]idp.SigningKey) ([]idp.SigningKey, error), e idp.Event) error
}

// Config is what a Ring is opened from. Zero values take the defaults given;
// Store and Sealer are required.
type Config struct {
	Store  Store
	Sealer interface {
		Seal(plain []byte, row string) ([]byte, error)
		Open(sealed []byte, row string) ([]byte, error)
	}
	Algs          []string      // RS256, ES256, PS256, EdDSA; PS256 shares no key with RS256
	RSABits       int           // of the modulus: 2048 or 3072
	RotateEvery   time.Duration // how long a key signs; 30 days
	PublishBefore time.Duration // how long a key is published before it signs; 24 h
	KeepFor       time.Duration // how long it is published after its last signature, the longest token lifetime; 12 h
	GoOnly        bool          // sign with Go's own RSA although OpenSSL is there
	Now           func() time.Time
	Log           *slog.Logger
}

const minRSABits = 2048

// handover is how much longer than KeepFor a replaced key stays published:
// another instance may sign with it until its own next Turn.
const handover = 2 * time.Hour

// Ring has the signing keys and rotates them. Safe for concurrent use.
type Ring struct {
	conf  Config
	turn  sync.Mutex // one Turn at a time
	state atomic.Pointer[snapshot]
}

// snapshot is what is known of the keys at one moment. It never changes.
type snapshot struct {
	version uint64
	keys    map[idp.KeyID]Key // all, with their signers
	active  map[string]Key    // by algorithm
	public  []Key
}

// Open reads the signing keys, unseals each and compares it with its row, and makes those
// that are missing. Errors: a setting is out of bounds; a key cannot be unsealed or is not
// what its row says, and then it is not replaced; those of the Store.
func Open(ctx context.Context, c Config) (*Ring, error) {
	if len(c.Algs) == 0 {
		c.Algs = []string{RS256}
	}
	c.RSABits = cmp.Or(c.RSABits, minRSABits)
	c.RotateEvery = cmp.Or(c.RotateEvery, 30*24*time.Hour)
	c.PublishBefore = cmp.Or(c.PublishBefore, 24*time.Hour)
	c.KeepFor = cmp.Or(c.KeepFor, 12*time.Hour)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	for _, alg := range c.Algs {
		if !slices.Contains([]string{RS256, PS256, ES256, EdDSA}, alg) {
			return nil, fmt.Errorf("unknown algorithm %q", alg)
		}
	}
	if c.RSABits < minRSABits {
		return nil, fmt.Errorf("RSA keys of %d bits, %d are the least", c.RSABits, minRSABits)
	}
	if c.PublishBefore < 0 || c.KeepFor < 0 || c.RotateEvery <= c.PublishBefore {
		return nil, fmt.Errorf("keys turned every %s cannot be published %s before", c.RotateEvery, c.PublishBefore)
	}
	r := &Ring{conf: c}
	r.state.Store(&snapshot{})
	if err := r.Turn(ctx); err != nil {
		return nil, err
	}
	backend := Backend()
	if c.GoOnly {
		backend = "Go"
	}
	c.Log.InfoContext(ctx, "signing keys ready", "keys", len(r.Public()), "rsa", backend)
	return r, nil
}

// Signer returns the key that signs for an algorithm now. Errors:
// idp.ErrNotFound for an algorithm that is not set up.
func (r *Ring) Signer(alg string) (Key, error) {
	k, ok := r.state.Load().active[alg]
	if !ok {
		return Key{}, fmt.Errorf("no key for algorithm %q: %w", alg, idp.ErrNotFound)
	}
	return k, nil
}

// Public returns the keys to be published, without signers: those that sign
// first, then those that will or did. The slice is shared; do not change it.
func (r *Ring) Public() []Key { return r.state.Load().public }

// Version changes whenever Public does, so that documents made of the keys (the JWK set)
// can be made anew.
func (r *Ring) Version() uint64 { return r.state.Load().version }

// Turn rotates: it makes the keys that are due, retires those that are replaced, drops
// those whose last token has expired, and takes up what other instances have changed. It
// is called at the start and every hour; calling it more often, or at the same time
// elsewhere, does no harm. After an error the ring goes on with the keys it had.
func (r *Ring) Turn(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	// The store keeps microseconds; a key must not begin after it was made.
	now := r.conf.Now().UTC().Truncate(time.Microsecond)
	// One change and one event a round. More rounds than there can be changes
	// mean that the store does not keep what it is given.
	const rounds = 64
	for range rounds {
		rows, err := r.conf.Store.SigningKeys(ctx)
		if err != nil {
			return err
		}
		// First read all there are: no key is made beside one that cannot be read.
		next, err := r.snapshot(rows, now)
		if err != nil {
			return err
		}
		r.state.Store(next)
		changes := r.due(rows, now)
		if len(changes) == 0 {
			return nil
		}
		if err := r.apply(ctx, changes[0], now); err != nil {
			return err
		}
	}
	return fmt.Errorf("signing keys do not settle in %d rounds", rounds)
}

// act is what can be done to a key: made, retired or dropped.
type act string

const (
	makeKey   act = "made"
	retireKey act = "retired"
	dropKey   act = "dropped"
)

// change is one act on one key that is due.
type change struct {
	act      act
	alg      string
	id       idp.KeyID // empty for makeKey
	activeAt time.Time // makeKey only
}

// due says what is to be done at a moment. It is a pure function of the keys,
// so two instances that look at the same keys come to the same.
func (r *Ring) due(rows []idp.SigningKey, now time.Time) []change {
	var changes []change
	for _, alg := range r.conf.Algs {
		signs := current(rows, alg, now)
		if signs == nil {
			changes = append(changes, change{act: makeKey, alg: alg, activeAt: now})
			continue
		}
		waiting := false
		for i := range rows {
			k := &rows[i]
			if k.Alg != alg || !k.RetiredAt.IsZero() || k.ID == signs.ID {
				continue
			}
			if k.ActiveAt.After(now) {
				waiting = true
			} else {
				changes = append(changes, change{act: retireKey, alg: alg, id: k.ID})
			}
		}
		until := signs.ActiveAt.Add(r.conf.RotateEvery)
		if !waiting && !now.Before(until.Add(-r.conf.PublishBefore)) {
			if soonest := now.Add(r.conf.PublishBefore); until.Before(soonest) {
				until = soonest
			}
			changes = append(changes, change{act: makeKey, alg: alg, activeAt: until})
		}
	}
	for _, k := range rows {
		switch {
		case k.RetiredAt.IsZero() && !slices.Contains(r.conf.Algs, k.Alg):
			changes = append(changes, change{act: retireKey, alg: k.Alg, id: k.ID})
		case !k.RetiredAt.IsZero() && !now.Before(k.GoneAt):
			changes = append(changes, change{act: dropKey, alg: k.Alg, id: k.ID})
		}
	}
	return changes
}

// current is the key that signs for an algorithm: the newest that has begun,
// else the first to begin (the clocks of two instances may differ), else nil.
func current(rows []idp.SigningKey, alg string, now time.Time) *idp.SigningKey {
	var best *idp.SigningKey
	for i := range rows {
		k := &rows[i]
		if k.Alg != alg || !k.RetiredAt.IsZero() {
			continue
		}
		if best == nil {
			best = k
			continue
		}
		begun, bestBegun := !k.ActiveAt.After(now), !best.ActiveAt.After(now)
		order := cmp.Or(k.ActiveAt.Compare(best.ActiveAt), cmp.Compare(k.ID, best.ID))
		if begun && (!bestBegun || order > 0) || !begun && !bestBegun && order < 0 {
			best = k
		}
	}
	return best
}

// errDone says that another instance was quicker.
var errDone = errors.New("done by another")

// apply makes one change true, unless somebody else has meanwhile.
func (r *Ring) apply(ctx context.Context, c change, now time.Time) error {
	var made idp.SigningKey
	if c.act == makeKey {
		// Before the transaction: finding primes takes a while.
		var err error
		if made, err = r.make(c, now); err != nil {
			return fmt.Errorf("making a key for %s: %w", c.alg, err)
		}
		c.id = made.ID
	}
	e := idp.Event{
		At: now, Kind: idp.EventKeyRotated, Actor: idp.Actor{Name: "provider"},
		Detail: map[string]string{"change": string(c.act), "alg": c.alg, "key": string(c.id)},
	}
	err := r.conf.Store.UpdateSigningKeys(ctx, func(rows []idp.SigningKey) ([]idp.SigningKey, error) {
		still := slices.ContainsFunc(r.due(rows, now), func(d change) bool {
			return d.act == c.act && d.alg == c.alg && (d.act == makeKey || d.id == c.id)
		})
		if !still {
			return nil, errDone
		}
		out := slices.Clone(rows)
		i := slices.IndexFunc(out, func(k idp.SigningKey) bool { return k.ID == c.id })
		switch c.act {
		case makeKey:
			out = append(out, made)
		case retireKey:
			out[i].RetiredAt = now
			out[i].GoneAt = now.Add(r.conf.KeepFor + handover)
		case dropKey:
			out = slices.Delete(out, i, i+1)
		}
		return out, nil
	}, e)
	if errors.Is(err, errDone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("key %s to be %s: %w", c.id, c.act, err)
	}
	r.conf.Log.InfoContext(ctx, "signing key "+string(c.act), "alg", c.alg, "key", c.id)
	return nil
}

// make makes a key, its private part sealed under its own id.
func (r *Ring) make(c change, now time.Time) (idp.SigningKey, error) {
	private, err := generate(c.alg, r.conf.RSABits)
	if err != nil {
		return idp.SigningKey{}, err
	}
	row := idp.SigningKey{ID: idp.NewID[idp.KeyID](), Alg: c.alg, CreatedAt: now, ActiveAt: c.activeAt}
	if row.Public, err = x509.MarshalPKIXPublicKey(private.Public()); err != nil {
		return idp.SigningKey{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return idp.SigningKey{}, err
	}
	row.Sealed, err = r.conf.Sealer.Seal(der, string(row.ID))
	return row, err
}

// snapshot prepares the keys for use; keys that are known already are not
// opened again.
func (r *Ring) snapshot(rows []idp.SigningKey, now time.Time) (*snapshot, error) {
	old := r.state.Load()
	s := &snapshot{
		version: old.version,
		keys:    make(map[idp.KeyID]Key, len(rows)),
		active:  make(map[string]Key, len(r.conf.Algs)),
	}
	for _, row := range rows {
		k, known := old.keys[row.ID]
		if !known {
			var err error
			if k, err = r.open(row); err != nil {
				return nil, fmt.Errorf("signing key %s (%s): %w", row.ID, row.Alg, err)
			}
		}
		s.keys[row.ID] = k
	}
	for _, alg := range r.conf.Algs {
		if row := current(rows, alg, now); row != nil {
			s.active[alg] = s.keys[row.ID]
		}
	}
	order := slices.SortedFunc(slices.Values(rows), func(a, b idp.SigningKey) int {
		return cmp.Or(
			cmp.Compare(rank(s, &a), rank(s, &b)),
			b.ActiveAt.Compare(a.ActiveAt),
			cmp.Compare(a.ID, b.ID))
	})
	for _, row := range order {
		k := s.keys[row.ID]
		k.Signer = nil
		s.public = append(s.public, k)
	}
	same := slices.EqualFunc(s.public, old.public, func(a, b Key) bool { return a.ID == b.ID })
	for alg, k := range s.active { // what is replaced at once has no other order
		same = same && old.active[alg].ID == k.ID
	}
	if !same || len(s.active) != len(old.active) {
		s.version++
	}
	return s, nil
}

// rank puts keys that sign before those that do not.
func rank(s *snapshot, row *idp.SigningKey) int {
	if s.active[row.Alg].ID == row.ID {
		return 0
	}
	return 1
}

// open unseals a key and makes sure that it is what its row says.
func (r *Ring) open(row idp.SigningKey) (Key, error) {
	der, err := r.conf.Sealer.Open(row.Sealed, string(row.ID))
	if err != nil {
		return Key{}, fmt.Errorf("cannot be opened: the sealing key and the database do not belong together, "+
			"or the row was changed; put both back from one backup: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return Key{}, errors.New("what was sealed is not a key")
	}
	private, ok := parsed.(crypto.Signer)
	if !ok || !fits(row.Alg, private) {
		return Key{}, fmt.Errorf("what was sealed is no key for %s", row.Alg)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil || !bytes.Equal(public, row.Public) {
		return Key{}, errors.New("public and private part do not belong together")
	}
	return Key{ID: row.ID, Alg: row.Alg, Signer: newSigner(private, r.conf.GoOnly), Public: private.Public()}, nil
}
