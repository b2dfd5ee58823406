// Package device links devices to accounts and unlinks them, five at most.
//
// A device is linked in two steps: an offer (a pairing) is made and shown as a
// QR code, then the person proves that the device holds it, by a code. The
// secret in the QR belongs to the offer; once confirmed it is sealed anew
// under the device's own id. Adding and removing need a second factor not
// older than idp.StepUpFor, and the last device can only be removed by an
// administrator: otherwise a stolen session could cut its owner off.
package device

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/password"
	"hilum/idp/totp"
)

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

// Config is what a Registry is built from. All fields but Now and Log are required.
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
	now := r.Now()
	if err := s.Fresh(now); err != nil {
		return nil, err
	}
	devices, err := r.Store.Devices(ctx, s.User)
	if err != nil {
		return nil, err
	}
	// Said here so that nobody scans for nothing; what holds is the count in
	// the insert itself.
	if len(devices) >= idp.MaxDevices {
		return nil, fmt.Errorf("%d devices are linked: %w", len(devices), idp.ErrConflict)
	}
	u, err := r.Store.User(ctx, s.User)
	if err != nil {
		return nil, err
	}
	secret := totp.NewSecret()
	p := &idp.Pairing{
		ID: idp.NewID[idp.PairingID](), User: u.ID, Account: u.Name, Browser: s.Browser,
		CreatedAt: now, ExpiresAt: now.Add(idp.PairingTTL),
	}
	if p.SealedTOTP, err = r.Sealer.Seal(secret, string(p.ID)); err != nil {
		return nil, err
	}
	p.Note(r.event(idp.EventPairingStarted, s, u, nil))
	if err := r.Store.AddPairing(ctx, p); err != nil {
		return nil, err
	}
	return r.offer(p, secret), nil
}

// Offer returns an open offer again. Errors: idp.ErrNotFound, ErrExpired, ErrSettled.
func (r *Registry) Offer(ctx context.Context, s *idp.Session, id idp.PairingID) (*Offer, error) {
	p, err := r.Store.Pairing(ctx, id)
	if err != nil {
		return nil, err
	}
	if p.User != s.User {
		return nil, idp.ErrNotFound // another's and a made-up one look alike
	}
	if err := p.Open(r.Now()); err != nil {
		return nil, err
	}
	secret, err := r.Sealer.Open(p.SealedTOTP, string(p.ID))
	if err != nil {
		return nil, err
	}
	return r.offer(p, secret), nil
}

func (r *Registry) offer(p *idp.Pairing, secret []byte) *Offer {
	return &Offer{
		ID: p.ID, Account: p.Account, Label: r.Label,
		URI: totp.URI(r.Label, p.Account, secret), Secret: totp.Base32(secret),
		ExpiresAt: p.ExpiresAt, WrongCodes: p.WrongCodes, ServerTime: r.Now(),
	}
}

// DefaultName is what an authenticator app is called when its owner gives no name.
const DefaultName = "Authenticator app"

// Confirm links the authenticator app that shows code, under a name of the
// person's choice. Errors: idp.ErrWrongSecret, idp.ErrInvalid (not six digits,
// or FieldError for the name; not counted), ErrExpired, ErrSettled,
// ErrConflict (a sixth), ErrStale, ErrNotFound.
func (r *Registry) Confirm(ctx context.Context, s *idp.Session, id idp.PairingID, code, name string) (*idp.Device, error) {
	now := r.Now()
	if err := s.Fresh(now); err != nil {
		return nil, err
	}
	if name = strings.TrimSpace(name); name == "" {
		name = DefaultName
	}
	if err := idp.ValidText("name", name, 1, idp.MaxDeviceName); err != nil {
		return nil, err
	}
	u, err := r.Store.User(ctx, s.User)
	if err != nil {
		return nil, err
	}
	var linked *idp.Device
	var wrong error
	err = r.Store.UpdatePairing(ctx, id, func(p *idp.Pairing) (*idp.Device, error) {
		linked, wrong = nil, nil
		if p.User != s.User {
			return nil, idp.ErrNotFound
		}
		if err := p.Open(now); err != nil {
			return nil, err
		}
		secret, err := r.Sealer.Open(p.SealedTOTP, string(p.ID))
		if err != nil {
			return nil, err
		}
		// A phone whose clock runs ahead is noticed here, once, and allowed for
		// from then on.
		step, err := totp.Check(secret, code, now, 0, 1)
		if errors.Is(err, idp.ErrWrongSecret) {
			// The wrong try is counted, so the transaction has to stand.
			p.WrongCodes++
			wrong = err
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		d := &idp.Device{
			ID: idp.NewID[idp.DeviceID](), User: u.ID, Name: name, Kind: idp.DeviceCode, Platform: "other",
			State: idp.DeviceActive, LastStep: step, Drift: max(0, step-totp.Step(now)), LinkedAt: now,
		}
		if d.SealedTOTP, err = r.Sealer.Seal(secret, string(d.ID)); err != nil {
			return nil, err
		}
		p.UsedAt = now
		p.Note(r.event(idp.EventDeviceLinked, s, u, d))
		linked = d
		return d, nil
	})
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		return nil, wrong
	}
	return linked, nil
}

// List returns a person's active devices, oldest first.
func (r *Registry) List(ctx context.Context, user idp.UserID) ([]idp.Device, error) {
	return r.Store.Devices(ctx, user)
}

// Rename gives a device another name. Errors: FieldError, idp.ErrNotFound.
func (r *Registry) Rename(ctx context.Context, s *idp.Session, id idp.DeviceID, name string) error {
	name = strings.TrimSpace(name)
	if err := idp.ValidText("name", name, 1, idp.MaxDeviceName); err != nil {
		return err
	}
	u, err := r.Store.User(ctx, s.User)
	if err != nil {
		return err
	}
	return r.Store.UpdateDevice(ctx, s.User, id, func(d *idp.Device) error {
		if d.Name == name {
			return nil
		}
		e := r.event(idp.EventDeviceRenamed, s, u, d)
		e.Detail["was"] = d.Name
		e.Detail["name"] = name
		d.Name = name
		d.Note(e)
		return nil
	})
}

// Unlink removes a device. It needs a fresh second factor. Errors:
// idp.ErrStale, idp.ErrNotFound, idp.ErrDenied (it is the last one).
func (r *Registry) Unlink(ctx context.Context, s *idp.Session, id idp.DeviceID) error {
	if err := s.Fresh(r.Now()); err != nil {
		return err
	}
	u, err := r.Store.User(ctx, s.User)
	if err != nil {
		return err
	}
	devices, err := r.Store.Devices(ctx, s.User)
	if err != nil {
		return err
	}
	for i := range devices {
		if d := &devices[i]; d.ID == id {
			return r.Store.RemoveDevice(ctx, s.User, id, false, r.event(idp.EventDeviceUnlinked, s, u, d))
		}
	}
	return idp.ErrNotFound
}

// NewRecoveryCodes replaces the ten codes and returns the new ones, to be shown
// this once. It needs a fresh second factor. Errors: idp.ErrStale, ErrBusy.
func (r *Registry) NewRecoveryCodes(ctx context.Context, s *idp.Session) ([]idp.Secret, error) {
	now := r.Now()
	if err := s.Fresh(now); err != nil {
		return nil, err
	}
	u, err := r.Store.User(ctx, s.User)
	if err != nil {
		return nil, err
	}
	codes, rows, err := password.NewRecoverySet(ctx, r.Hasher, u.ID, now)
	if err != nil {
		return nil, err
	}
	if err := r.Store.SetRecoveryCodes(ctx, u.ID, rows, r.event(idp.EventRecoveryMade, s, u, nil)); err != nil {
		return nil, err
	}
	return codes, nil
}

// RecoveryLeft counts unused recovery codes.
func (r *Registry) RecoveryLeft(ctx context.Context, user idp.UserID) (int, error) {
	return r.Store.RecoveryLeft(ctx, user)
}

func (r *Registry) event(kind idp.EventKind, s *idp.Session, u *idp.User, d *idp.Device) idp.Event {
	e := idp.Event{
		At: r.Now(), Kind: kind, Actor: idp.Actor{User: u.ID, Name: u.Name},
		User: u.ID, Session: s.ID, Detail: map[string]string{},
	}
	if d != nil {
		e.Device = d.ID
		e.Detail["name"] = d.Name
		e.Detail["kind"] = string(d.Kind)
	}
	return e
}
