// Package device links devices to accounts and unlinks them, five at most.
//
// A device is linked in two steps: a pairing, the open offer, is made and shown as a QR
// code; then the person proves that the device holds its secret, by a code or by a tap in
// our app. The secret in the QR code belongs to the pairing; once confirmed it is sealed
// anew under the device's own id. Adding and removing need a second factor not older than
// idp.StepUpFor, and the last device can only be removed by an administrator: otherwise a
// stolen session could cut its owner off.
package device

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"hilum/idp"
	"hilum/idp/password"
	"hilum/idp/text"
	"hilum/idp/totp"
)

// Store keeps devices, pairings, challenges and recovery codes. Every method is atomic;
// one that finds a thing by its id or code returns idp.ErrNotFound where there is none.
type Store interface {
	AddPairing(ctx context.Context, p *idp.Pairing) error // replaces the user's open one
	Pairing(ctx context.Context, id idp.PairingID) (*idp.Pairing, error)
	// UpdatePairing reads, lets fn decide, and writes. When fn returns a device
	// it is inserted in the same transaction: idp.ErrConflict, and nothing
	// written, when the account has idp.MaxDevices.
	UpdatePairing(ctx context.Context, id idp.PairingID, fn func(*idp.Pairing) (*idp.Device, error)) error
	Devices(ctx context.Context, user idp.UserID) ([]idp.Device, error) // active ones, oldest first
	// UpdateDevice reads, lets fn decide, and writes, with the request that
	// asks for it: idp.ErrReplayed, and nothing written, when it was seen before.
	UpdateDevice(ctx context.Context, user idp.UserID, id idp.DeviceID, seen idp.Replay, fn func(*idp.Device) error) error
	// RemoveDevice deletes a device of a person and cuts off what rests on it. Errors:
	// idp.ErrDenied when it is the last active one and how does not let that go;
	// idp.ErrNotFound for a device of somebody else.
	RemoveDevice(ctx context.Context, user idp.UserID, id idp.DeviceID, how idp.Unlinking, e idp.Event) error
	// Speaker returns who has a device id: a device, the claim of an open
	// pairing, or one that was unlinked within idp.TombstoneFor.
	Speaker(ctx context.Context, id idp.DeviceID) (*idp.Speaker, error)
	// Unheard returns the unlinked devices of a person that no push has told of it
	// yet, and forgets their push addresses.
	Unheard(ctx context.Context, user idp.UserID) ([]idp.Device, error)
	PairingByCode(ctx context.Context, code idp.TokenHash) (*idp.Pairing, error)
	OpenPairing(ctx context.Context, account string) (*idp.Pairing, error) // of a person, by sign-in name
	// ClaimPairing reads, lets fn decide, and writes, with the challenge that fn returns, if
	// any: idp.ErrReplayed, and nothing written, when the request was seen before.
	ClaimPairing(ctx context.Context, id idp.PairingID, seen idp.Replay, fn func(*idp.Pairing) (*idp.Challenge, error)) error
	Challenge(ctx context.Context, id idp.ChallengeID) (*idp.Challenge, error)
	Pending(ctx context.Context, user idp.UserID, now time.Time) ([]idp.Challenge, error)
	User(ctx context.Context, id idp.UserID) (*idp.User, error)
	SetRecoveryCodes(ctx context.Context, user idp.UserID, codes []idp.RecoveryCode, in idp.Within, e idp.Event) error
	RecoveryLeft(ctx context.Context, user idp.UserID) (int, error)
}

// Sealer encrypts secrets that are stored; *keyring.Sealer implements it.
type Sealer interface {
	Seal(plain []byte, row string) ([]byte, error)
	Open(sealed []byte, row string) ([]byte, error)
}

// Hasher hashes recovery codes; *password.Hasher implements it.
type Hasher interface {
	Hash(ctx context.Context, secret idp.Secret) (string, error)
}

// Config is what a Registry is built from. Store, Sealer, Hasher, Site and
// Issuer are required.
type Config struct {
	Store  Store
	Sealer Sealer
	Hasher Hasher
	Site   func() *idp.Site // how the site presents itself now
	Issuer string           // the audience (aud) of what devices sign
	// Acceptable returns an error for a push address that must not be called;
	// nil: no push service is set up.
	Acceptable func(idp.PushAddress) error
	Push       func(...idp.Push)  // sends messages to phones; does not block
	Wake       func(...idp.Topic) // wakes whoever waits on a topic; does not block
	Now        func() time.Time
	Log        *slog.Logger
}

// Registry links, lists and unlinks devices. Safe for concurrent use.
type Registry struct{ conf Config }

// New returns a Registry.
func New(c Config) *Registry {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Site == nil {
		c.Site = idp.Named("")
	}
	return &Registry{c}
}

// Offer is a pairing as the linking page shows it.
type Offer struct {
	totp.Offer
	ID         idp.PairingID
	Account    string
	Label      string
	ExpiresAt  time.Time
	WrongCodes int
	ServerTime time.Time
	Claimed    string // the name of our app that has scanned the code: it is to say Login
	Linked     bool   // Login was said on it, and it is linked
	Rival      bool   // another phone has used the same code
	SilentPush bool   // the phone's push service did not take the question
	phase      string
}

// StartPairing makes a pairing for a person to be shown in a session. It needs a fresh
// second factor. Errors: idp.ErrStale, idp.ErrConflict (five devices are linked).
func (r *Registry) StartPairing(ctx context.Context, s *idp.Session) (*Offer, error) {
	return r.start(ctx, s, false)
}

// StartMoving is StartPairing for a phone that takes the place of another one: five
// devices may be linked. With five, no phone is linked by it that takes nobody's place.
func (r *Registry) StartMoving(ctx context.Context, s *idp.Session) (*Offer, error) {
	return r.start(ctx, s, true)
}

func (r *Registry) start(ctx context.Context, s *idp.Session, moving bool) (*Offer, error) {
	now := r.conf.Now()
	if err := s.Fresh(now); err != nil {
		return nil, err
	}
	devices, err := r.conf.Store.Devices(ctx, s.User)
	if err != nil {
		return nil, err
	}
	// Said here so that nobody scans for nothing; what holds is the count in
	// the insert itself.
	if !moving && len(devices) >= idp.MaxDevices {
		return nil, fmt.Errorf("%d devices are linked: %w", len(devices), idp.ErrConflict)
	}
	u, err := r.conf.Store.User(ctx, s.User)
	if err != nil {
		return nil, err
	}
	p, err := totp.NewPairing(r.conf.Sealer, now)
	if err != nil {
		return nil, err
	}
	p.User, p.Account, p.Browser, p.Session = u.ID, u.Name, s.Browser, s.ID
	p.Note(r.event(idp.EventPairingStarted, s, u, nil))
	if err := r.conf.Store.AddPairing(ctx, p); err != nil {
		return nil, err
	}
	r.wake(idp.TopicUser(s.User)) // a phone that had scanned the offer of before is told
	return r.offer(p)
}

// Offer returns a pairing as it stands. One that has led to a linked phone comes back as
// Linked. Errors: idp.ErrNotFound, ErrExpired, ErrSettled.
func (r *Registry) Offer(ctx context.Context, s *idp.Session, id idp.PairingID) (*Offer, error) {
	p, err := r.conf.Store.Pairing(ctx, id)
	if err != nil {
		return nil, err
	}
	if p.User != s.User {
		return nil, idp.ErrNotFound // another's and a made-up one look alike
	}
	if !p.UsedAt.IsZero() && !p.TappedAt.IsZero() {
		return &Offer{ID: p.ID, Linked: true}, nil
	}
	if err := p.Open(r.conf.Now()); err != nil {
		return nil, err
	}
	return r.offer(p)
}

func (r *Registry) offer(p *idp.Pairing) (*Offer, error) {
	shown, err := totp.Show(r.conf.Sealer, p, totp.Site{Label: r.conf.Site().InApps(), Issuer: r.conf.Issuer})
	if err != nil {
		return nil, err
	}
	o := &Offer{
		Offer: *shown, ID: p.ID, Account: p.Account, Label: r.conf.Site().InApps(),
		ExpiresAt: p.ExpiresAt, WrongCodes: p.WrongCodes, ServerTime: r.conf.Now(), Rival: p.Rival, phase: p.Phase(r.conf.Now()),
	}
	if p.Claim != nil {
		o.Claimed = p.Claim.Name
		o.SilentPush = !p.Claim.PushBadAt.IsZero() || p.Claim.PushType == ""
	}
	return o, nil
}

// Word says how far the linking is, in the word that Pulse returns.
func (o *Offer) Word() string { return o.phase }

// Pulse says how far a pairing is, in one word (idp.Pairing.Phase) that changes whenever
// its page has to. Errors: idp.ErrNotFound.
func (r *Registry) Pulse(ctx context.Context, s *idp.Session, id idp.PairingID) (string, error) {
	p, err := r.conf.Store.Pairing(ctx, id)
	if err != nil {
		return "", err
	}
	if p.User != s.User {
		return "", idp.ErrNotFound
	}
	return p.Phase(r.conf.Now()), nil
}

// DefaultName is what an authenticator app is called when its owner gives no name.
const DefaultName = "Authenticator app"

// Confirm links the authenticator app that shows code, under a name of the
// person's choice. Errors: idp.ErrWrongSecret, idp.ErrInvalid (not six digits,
// or FieldError for the name; not counted), ErrExpired, ErrSettled,
// ErrConflict (a sixth), ErrStale, ErrNotFound.
func (r *Registry) Confirm(ctx context.Context, s *idp.Session, id idp.PairingID, code, name string) (*idp.Device, error) {
	now := r.conf.Now()
	if err := s.Fresh(now); err != nil {
		return nil, err
	}
	if name = text.Form(name); name == "" {
		name = DefaultName
	}
	if err := idp.ValidText("name", name, 1, idp.MaxDeviceName); err != nil {
		return nil, err
	}
	u, err := r.conf.Store.User(ctx, s.User)
	if err != nil {
		return nil, err
	}
	var linked *idp.Device
	var wrong error
	err = r.conf.Store.UpdatePairing(ctx, id, func(p *idp.Pairing) (*idp.Device, error) {
		linked, wrong = nil, nil
		if p.User != s.User {
			return nil, idp.ErrNotFound
		}
		if err := p.Open(now); err != nil {
			return nil, err
		}
		d, err := totp.Confirm(r.conf.Sealer, p, code, now)
		if errors.Is(err, idp.ErrWrongSecret) {
			// The wrong try is counted, so the transaction has to stand.
			p.WrongCodes++
			wrong = err
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if d.User = u.ID; d.Name == "" {
			d.Name = name
		}
		p.Claim = nil
		p.TappedAt, p.UsedAt = now, now
		e := r.event(idp.EventDeviceLinked, s, u, d)
		if d.Replaces != "" {
			e.Detail["replaces"] = string(d.Replaces)
		}
		p.Note(e)
		linked = d
		return d, nil
	})
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		return nil, wrong
	}
	r.wake(idp.TopicPairing(id))
	r.told(ctx, u.ID, linked.ID)
	return linked, nil
}

// List returns a person's active devices, oldest first.
func (r *Registry) List(ctx context.Context, user idp.UserID) ([]idp.Device, error) {
	return r.conf.Store.Devices(ctx, user)
}

// Rename gives a device another name. Errors: FieldError, idp.ErrNotFound.
func (r *Registry) Rename(ctx context.Context, s *idp.Session, id idp.DeviceID, name string) error {
	name = text.Form(name)
	if err := idp.ValidText("name", name, 1, idp.MaxDeviceName); err != nil {
		return err
	}
	u, err := r.conf.Store.User(ctx, s.User)
	if err != nil {
		return err
	}
	return r.conf.Store.UpdateDevice(ctx, s.User, id, idp.Replay{}, func(d *idp.Device) error {
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

// Unlink removes a device; sessions whose last second factor came from it have
// to give another before they change anything. stolen: somebody else may have
// it, and all that they could go on with is cut off, everything but this
// session. It needs a fresh second factor. Errors: idp.ErrStale, idp.ErrExpired,
// idp.ErrNotFound, idp.ErrDenied (it is the last one).
func (r *Registry) Unlink(ctx context.Context, s *idp.Session, id idp.DeviceID, stolen bool) error {
	if err := s.Fresh(r.conf.Now()); err != nil {
		return err
	}
	u, err := r.conf.Store.User(ctx, s.User)
	if err != nil {
		return err
	}
	devices, err := r.conf.Store.Devices(ctx, s.User)
	if err != nil {
		return err
	}
	for i := range devices {
		if d := &devices[i]; d.ID == id {
			how, e := idp.Unlinking{Cause: idp.CutUnlinked, In: idp.Within{Session: s.ID, Fresh: true}}, r.event(idp.EventDeviceUnlinked, s, u, d)
			if stolen {
				how.Cause, e.Detail["reason"] = idp.CutStolen, "stolen"
			}
			if err := r.conf.Store.RemoveDevice(ctx, s.User, id, how, e); err != nil {
				return err
			}
			r.Told(ctx, s.User)
			return nil
		}
	}
	return idp.ErrNotFound
}

// NewRecoveryCodes replaces the ten codes and returns the new ones, to be shown
// this once. It needs a fresh second factor. Errors: idp.ErrStale, ErrBusy.
func (r *Registry) NewRecoveryCodes(ctx context.Context, s *idp.Session) ([]idp.Secret, error) {
	now := r.conf.Now()
	if err := s.Fresh(now); err != nil {
		return nil, err
	}
	u, err := r.conf.Store.User(ctx, s.User)
	if err != nil {
		return nil, err
	}
	codes, rows, err := password.NewRecoverySet(ctx, r.conf.Hasher, u.ID, now)
	if err != nil {
		return nil, err
	}
	if err := r.conf.Store.SetRecoveryCodes(ctx, u.ID, rows, idp.Within{Session: s.ID, Fresh: true}, r.event(idp.EventRecoveryMade, s, u, nil)); err != nil {
		return nil, err
	}
	return codes, nil
}

// RecoveryLeft is how many recovery codes of a person are unused.
func (r *Registry) RecoveryLeft(ctx context.Context, user idp.UserID) (int, error) {
	return r.conf.Store.RecoveryLeft(ctx, user)
}

func (r *Registry) event(kind idp.EventKind, s *idp.Session, u *idp.User, d *idp.Device) idp.Event {
	e := idp.Event{
		At: r.conf.Now(), Kind: kind, Actor: idp.Actor{User: u.ID, Name: u.Name},
		User: u.ID, Session: s.ID, Detail: map[string]string{},
	}
	if d != nil {
		e.Device = d.ID
		e.Detail["name"] = d.Name
		e.Detail["kind"] = string(d.Kind)
	}
	return e
}
