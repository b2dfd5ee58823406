// Package password is what people choose and know: how it is hashed, what may
// be chosen, and the printed recovery codes.
//
// Hashes are argon2id (RFC 9106) in PHC strings that carry their cost, so the
// cost can be raised and old hashes replaced as people sign in. Hashing is
// made to be expensive, which an attacker can turn against us: no more are
// computed at once than there are cores, the next ones queue for a moment,
// and who still waits then is told to come back.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"hilum/idp"
	"hilum/idp/text"
)

// Config is the cost of a hash and how many are computed at once. A field that is
// zero takes the default that stands beside it.
type Config struct {
	MemoryKiB   uint32        // 19 MiB
	Time        uint32        // passes: 2
	Parallelism uint8         // lanes: 1
	AtOnce      int           // hashes: as many as cores
	QueueFor    time.Duration // how long a hash waits for its turn, before idp.ErrBusy: 2 s
}

// Sizes of new hashes, in bytes (RFC 9106, section 4).
const (
	saltSize = 16
	keySize  = 32
)

// Hasher hashes and checks. Safe for concurrent use.
type Hasher struct {
	conf  Config
	slots chan struct{} // one element for each hash that is being computed
	dummy string        // the hash that is checked where somebody has none
	rest  *time.Timer   // gives memory back, see restAfter
}

// restAfter is how long after the last hash memory is given back to the system. A
// hash leaves its 19 MiB to the garbage collector, which sees no hurry while nothing
// else is made.
const restAfter = 2 * time.Second

// New returns a Hasher.
func New(c Config) *Hasher {
	if c.MemoryKiB == 0 {
		c.MemoryKiB = 19 * 1024
	}
	if c.Time == 0 {
		c.Time = 2
	}
	if c.Parallelism == 0 {
		c.Parallelism = 1
	}
	if c.AtOnce == 0 {
		c.AtOnce = min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) // a second hash on one core would only take turns with the first
	}
	if c.QueueFor == 0 {
		c.QueueFor = 2 * time.Second
	}
	h := &Hasher{conf: c, slots: make(chan struct{}, c.AtOnce), rest: time.AfterFunc(restAfter, debug.FreeOSMemory)}
	h.rest.Stop()
	h.dummy = phc{c.MemoryKiB, c.Time, c.Parallelism, make([]byte, saltSize), make([]byte, keySize)}.String()
	return h
}

// Hash returns the PHC string of a secret, with a salt of its own. Errors:
// idp.ErrBusy as RetryError, FieldError when it is too long, the context's.
func (h *Hasher) Hash(ctx context.Context, secret idp.Secret) (string, error) {
	secret = normal(secret)
	if tooLong(secret) {
		return "", &idp.FieldError{Field: field, Message: "password.long"}
	}
	p := phc{memory: h.conf.MemoryKiB, time: h.conf.Time, lanes: h.conf.Parallelism, salt: make([]byte, saltSize)}
	rand.Read(p.salt) // never fails, by its contract
	var err error
	if p.key, err = h.compute(ctx, p, secret, keySize); err != nil {
		return "", err
	}
	return p.String(), nil
}

// Check returns nil when the secret is the one hashed in stored, else
// idp.ErrWrongSecret. rehash says that the caller should store a new hash: this one
// is cheaper than new ones are, or of a secret that is not in NFC. A secret that is
// not in NFC is tried in NFC first, and then as it was typed, since hashes may be
// older than this rule; whether that takes a second hash depends on what was typed
// alone.
// An empty stored costs as much as any other and is wrong, so that unknown
// people take as long as known ones. Errors: idp.ErrBusy as RetryError, the
// context's, a stored hash that cannot be read.
func (h *Hasher) Check(ctx context.Context, stored string, secret idp.Secret) (rehash bool, err error) {
	typed := secret
	secret = normal(typed)
	// Nobody has a password this long, so this tells nothing about anybody.
	if tooLong(secret) {
		return false, idp.ErrWrongSecret
	}
	nobody := stored == ""
	if nobody {
		stored = h.dummy
	}
	p, err := parsePHC(stored)
	if err != nil {
		return false, err
	}
	key, err := h.compute(ctx, p, secret, uint32(len(p.key))) //nolint:gosec // 64 at most, see parsePHC
	if err != nil {
		return false, err
	}
	right := subtle.ConstantTimeCompare(key, p.key) == 1
	if typed != secret && !tooLong(typed) {
		// Always, right or not: else the time would tell of which kind a hash is.
		raw, err := h.compute(ctx, p, typed, uint32(len(p.key))) //nolint:gosec // as above
		if err != nil {
			return false, err
		}
		if !right && subtle.ConstantTimeCompare(raw, p.key) == 1 {
			right, rehash = true, true
		}
	}
	if !right || nobody {
		return false, idp.ErrWrongSecret
	}
	return rehash || p.memory < h.conf.MemoryKiB || p.time < h.conf.Time || len(p.salt) < saltSize || len(p.key) < keySize, nil
}

// compute waits for its turn and hashes; size is that of the key, in bytes. Errors:
// as acquire.
func (h *Hasher) compute(ctx context.Context, p phc, secret idp.Secret, size uint32) ([]byte, error) {
	if err := h.acquire(ctx); err != nil {
		return nil, err
	}
	defer func() {
		<-h.slots
		h.rest.Reset(restAfter)
	}()
	return argon2.IDKey([]byte(secret.Reveal()), p.salt, p.time, p.memory, p.lanes, size), nil
}

// acquire waits for a slot, QueueFor at most. Errors: idp.ErrBusy as RetryError,
// the context's.
func (h *Hasher) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("hashing: %w", err)
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(h.conf.QueueFor)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return &idp.RetryError{Err: idp.ErrBusy, After: h.conf.QueueFor}
	case <-ctx.Done():
		return fmt.Errorf("waiting to hash: %w", ctx.Err())
	}
}

// normal is a secret in the form that is hashed, NFC: how an accent is typed depends
// on the keyboard (NIST SP 800-63B-4, section 3.1.1.2; RFC 8265, section 4.2.2).
// What is longer than anything that could be a password stays as it is.
func normal(secret idp.Secret) idp.Secret {
	if len(secret) > MaxRunes*utf8.UTFMax*4 {
		return secret
	}
	return idp.Secret(text.NFC(secret.Reveal()))
}

// tooLong bounds what is hashed, in bytes, whatever the door let through.
func tooLong(secret idp.Secret) bool { return len(secret) > MaxRunes*utf8.UTFMax }
