// Package device links devices to accounts and unlinks them, five at most.
package device

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"hilum/idp"
)

var errUnbuilt = errors.New("device: not built")

// Store is what linking needs kept. Every method is atomic.
type Store interface {
	AddPairing(ctx context.Context, p *idp.Pairing) error // replaces the user's open one
	Pairing(ctx context.Context, id idp.PairingID) (*idp.Pairing, error)
	// UpdatePairing reads, lets fn decide, and writes. When fn returns a device
	// it is inserted in the same transaction: idp.ErrConflict, and nothing
	// written, when the account has idp.MaxDevices.
	UpdatePairing(ctx context.Context, id idp.PairingID, fn func(*idp.Pairing) (*idp.Device, error)) error
	Devices(ctx context.Context, user idp.UserID) ([]idp.Device, error) // active ones, oldest first
	UpdateDevice(ctx context.Context, user idp.UserID, id idp.DeviceID, fn func(*idp.Device) error) error
	// RemoveDevice deletes it; idp.ErrDenied when it is the last active one and
	// last is false; idp.ErrNotFound for another's.
	RemoveDevice(ctx context.Context, user idp.UserID, id idp.DeviceID, last bool, e idp.Event) error
	User(ctx context.Context, id idp.UserID) (*idp.User, error)
	SetRecoveryCodes(ctx context.Context, user idp.UserID, codes []idp.RecoveryCode, e idp.Event) error
	RecoveryLeft(ctx context.Context, user idp.UserID) (int, error)
}

// Sealer seals what rests; idp/keyring implements it.
type Sealer interface {
	Seal(plain []byte, row string) ([]byte, error)
	Open(sealed []byte, row string) ([]byte, error)
}

// Hasher hashes recovery codes; idp/password implements it.
type Hasher interface {
	Hash(ctx context.Context, secret idp.Secret) (string, error)
}

// Config is what a Registry is built from.
type Config struct {
	Store  Store
	Sealer Sealer
	Hasher Hasher
	Label  string // the site's name in authenticator apps: no colon
	Now    func() time.Time
	Log    *slog.Logger
}

// Registry links, lists and unlinks devices. Safe for concurrent use.
type Registry struct{ Config }

// New returns a Registry.
func New(c Config) *Registry {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Registry{c}
}

// Offer is what the linking page shows.
type Offer struct {
	ID         idp.PairingID
	URI        string // otpauth link for the QR code
	Secret     string // base32, for typing
	Account    string
	Label      string
	ExpiresAt  time.Time
	WrongCodes int
	ServerTime time.Time
}

// StartPairing makes an offer. It needs a fresh second factor. Errors:
// idp.ErrStale, idp.ErrConflict (five devices already).
func (r *Registry) StartPairing(ctx context.Context, s *idp.Session) (*Offer, error) {
	return nil, errUnbuilt
}

// Offer returns an open offer again. Errors: idp.ErrNotFound, ErrExpired, ErrSettled.
func (r *Registry) Offer(ctx context.Context, s *idp.Session, id idp.PairingID) (*Offer, error) {
	return nil, errUnbuilt
}

// Confirm links the authenticator app that shows code, under a name of the
// person's choice. Errors: idp.ErrWrongSecret, idp.ErrInvalid (not six digits,
// or FieldError for the name; not counted), ErrExpired, ErrSettled, ErrConflict (a sixth), ErrStale.
func (r *Registry) Confirm(ctx context.Context, s *idp.Session, id idp.PairingID, code, name string) (*idp.Device, error) {
	return nil, errUnbuilt
}

// List returns a person's active devices, oldest first.
func (r *Registry) List(ctx context.Context, user idp.UserID) ([]idp.Device, error) {
	return nil, errUnbuilt
}

// Rename gives a device another name. Errors: FieldError, idp.ErrNotFound.
func (r *Registry) Rename(ctx context.Context, s *idp.Session, id idp.DeviceID, name string) error {
	return errUnbuilt
}

// Unlink removes a device. It needs a fresh second factor. Errors:
// idp.ErrStale, idp.ErrNotFound, idp.ErrDenied (it is the last one).
func (r *Registry) Unlink(ctx context.Context, s *idp.Session, id idp.DeviceID) error {
	return errUnbuilt
}

// NewRecoveryCodes replaces the ten codes and returns the new ones, to be shown
// this once. It needs a fresh second factor. Errors: idp.ErrStale, ErrBusy.
func (r *Registry) NewRecoveryCodes(ctx context.Context, s *idp.Session) ([]idp.Secret, error) {
	return nil, errUnbuilt
}

// RecoveryLeft counts unused recovery codes.
func (r *Registry) RecoveryLeft(ctx context.Context, user idp.UserID) (int, error) {
	return 0, errUnbuilt
}
