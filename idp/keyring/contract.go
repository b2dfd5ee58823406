package keyring

import (
	"context"
	"crypto"
	"log/slog"
	"time"

	"hilum/idp"
)

// Store keeps signing keys.
type Store interface {
	SigningKeys(ctx context.Context) ([]idp.SigningKey, error)
	// UpdateSigningKeys gives fn all keys and replaces them by what it returns, atomically.
	UpdateSigningKeys(ctx context.Context, fn func([]idp.SigningKey) ([]idp.SigningKey, error), e idp.Event) error
}

// Sealer seals what rests (AES-256-GCM) and keys what must be found again but
// not read. OpenSealer(path string, fresh bool) (*Sealer, error): fresh says that nothing has been
// sealed yet, so that a missing file may be made; otherwise a missing, short,
// damaged or world-readable file is refused with a sentence that says what to do.
//
//	(*Sealer) Seal(plain []byte, row string) ([]byte, error)
//	(*Sealer) Open(sealed []byte, row string) ([]byte, error)
//	(*Sealer) MAC(purpose, value string) [32]byte
//	(*Sealer) Derive(purpose string, n int) []byte   // HKDF, for cookie keys

// Config is what a Ring is opened from. Open(ctx, Config) (*Ring, error).
type Config struct {
	Store  Store
	Sealer interface {
		Seal(plain []byte, row string) ([]byte, error)
		Open(sealed []byte, row string) ([]byte, error)
	}
	Algs          []string      // RS256, ES256, PS256, EdDSA; PS256 shares no key with RS256
	RSABits       int           // 2048 or 3072
	RotateEvery   time.Duration // 30 days
	PublishBefore time.Duration // 24 h
	KeepFor       time.Duration // longest token life after the last signature
	Now           func() time.Time
	Log           *slog.Logger
}

// Key is a key as handed out: Signer never gives the private part away.
type Key struct {
	ID     idp.KeyID
	Alg    string
	Signer crypto.Signer // nil in Public's list
	Public crypto.PublicKey
}

// (*Ring) Signer(alg string) (Key, error)     the active key; no allocation, no lock on the hot path
// (*Ring) Public() []Key                      pending, active and retiring ones, for jwks
// (*Ring) Version() uint64                    changes when Public does, so that prepared bytes can be remade
// (*Ring) Turn(ctx) error                     makes, activates, retires and drops keys that are due; called at start and hourly
