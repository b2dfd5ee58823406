package device

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"

	"hilum/idp"
	"hilum/idp/text"
	"hilum/idp/totp"
)

// Platforms are the platforms that a device can say it is of.
var Platforms = []string{"ios", "android", "web", "other"}

// Bounds of what a device says of itself.
const (
	MaxApp     = 64   // runes
	MaxAddress = 4096 // bytes of a push address
	// MaxAttestation bounds an attestation, in bytes.
	MaxAttestation = 16 << 10
)

// Paired is what a phone is told when it has claimed a pairing.
type Paired struct {
	Device    idp.Device
	Account   string
	Site      string
	Secret    string // base32, fresh: the one in the QR code is dead
	Digits    int
	Period    int // seconds
	Challenge idp.Challenge
	// PushRefused says why the push address that came along is not taken; nil: it is, or
	// none came. The device is linked all the same: it hears by stream and list.
	PushRefused error
}

// Pair claims a pairing for the key that has signed the request. The same key may come
// again while the pairing is open, should the response have been lost, by a request that
// is signed anew. Errors: ErrRequest, ErrKey, ErrReplaces, ErrPairGone, idp.ErrReplayed,
// idp.ErrConflict (five devices are linked, and it takes the place of none).
func (r *Registry) Pair(ctx context.Context, req *Request, address string) (*Paired, error) {
	c := &req.Claims
	d, err := CheckClaims(c)
	if err != nil {
		return nil, err
	}
	d.PublicKey = req.Key
	if d.UVKey, err = verifying(c.UVKey, req.Key); err != nil {
		return nil, err
	}
	old, err := r.replaced(ctx, c.Replaces, req.Key)
	if err != nil {
		return nil, err
	}
	refused := r.setPush(d, c.Push)
	if refused != nil && !errors.Is(refused, ErrRequest) {
		return nil, refused
	}
	id, owner, err := r.offered(ctx, c)
	if err != nil {
		return nil, err
	}
	// Said here so that the code is good for another phone still; what holds is the count
	// in the insert itself.
	linked, err := r.conf.Store.Devices(ctx, owner)
	if err != nil {
		return nil, err
	}
	full := old == nil && len(linked) >= idp.MaxDevices
	secret := totp.NewSecret()
	if d.SealedTOTP, err = r.conf.Sealer.Seal(secret, string(d.ID)); err != nil {
		return nil, err
	}
	var paired *Paired
	var kept idp.ChallengeID
	rival := false
	// A body that is sent a second time may come from whoever has recorded the first: it is
	// not answered with the secret again. The phone, which has the key, signs anew.
	seen := idp.Replay{Device: idp.DeviceID(id), JTI: idp.Secret(c.JTI).Hash(), Until: r.conf.Now().Add(idp.PairingTTL)}
	err = r.conf.Store.ClaimPairing(ctx, id, seen, func(p *idp.Pairing) (*idp.Challenge, error) {
		paired, kept, rival = nil, "", false
		now := r.conf.Now()
		if err := p.Open(now); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrPairGone, err) //nolint:errorlint // to the phone it is gone, whatever the reason
		}
		if p.Claim != nil {
			if subtle.ConstantTimeCompare(p.Claim.PublicKey, d.PublicKey) != 1 {
				// Said on the page: somebody else has seen the code.
				p.Rival, rival = true, true
				return nil, nil
			}
			paired, kept = &Paired{Device: *p.Claim, Account: p.Account}, p.Challenge
			return nil, nil
		}
		if full {
			return nil, fmt.Errorf("%d devices are linked: %w", len(linked), idp.ErrConflict)
		}
		if d.User = p.User; old != nil {
			if old.User == "" || old.User != p.User {
				return nil, fmt.Errorf("%w: of another account", ErrReplaces)
			}
			d.Replaces = old.ID
		}
		ch := r.pairChallenge(p, now, address)
		p.Claim, p.Challenge = d, ch.ID
		p.Note(idp.Event{
			At: now, Kind: idp.EventPairingClaimed, Actor: idp.Actor{User: p.User, Name: p.Account}, User: p.User, Device: d.ID,
			Address: address, Detail: map[string]string{"name": d.Name, "platform": d.Platform},
		})
		paired = &Paired{Device: *d, Account: p.Account, Challenge: *ch}
		return ch, nil
	})
	if errors.Is(err, idp.ErrNotFound) || errors.Is(err, idp.ErrSettled) {
		err = ErrPairGone
	}
	if err != nil {
		return nil, err
	}
	r.wake(idp.TopicPairing(id))
	if rival {
		return nil, fmt.Errorf("claimed by another phone: %w", ErrPairGone)
	}
	if kept != "" {
		old, err := r.conf.Store.Challenge(ctx, kept)
		if err != nil {
			return nil, err
		}
		paired.Challenge = *old
		if secret, err = r.conf.Sealer.Open(paired.Device.SealedTOTP, string(paired.Device.ID)); err != nil {
			return nil, err
		}
	} else {
		r.push(idp.PushLogin, paired.Challenge.ID, paired.Challenge.ExpiresAt, paired.Device)
	}
	paired.PushRefused = refused
	paired.Secret, paired.Digits, paired.Period, paired.Site = totp.Base32(secret), totp.Digits, totp.Period, r.conf.Site().Name
	return paired, nil
}

// CheckClaims returns the device that the claims of a pairing describe, without
// key and push address. Errors: ErrRequest.
func CheckClaims(c *Claims) (*idp.Device, error) {
	d := &idp.Device{
		ID: idp.NewID[idp.DeviceID](), Name: text.Form(c.Name), Kind: idp.DeviceApp, Platform: c.Platform, App: c.App,
		State: idp.DevicePending,
	}
	if err := idp.ValidText("name", d.Name, 1, idp.MaxDeviceName); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := idp.ValidText("app", d.App, 0, MaxApp); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if !slices.Contains(Platforms, d.Platform) {
		return nil, fmt.Errorf("platform: %w", ErrRequest)
	}
	if n := len(c.Attestation); n > MaxAttestation || n > 0 && c.Attestation[0] != '{' && string(c.Attestation) != "null" {
		return nil, fmt.Errorf("attestation is no object of at most %d bytes: %w", MaxAttestation, ErrRequest)
	}
	return d, nil
}

// offered finds the pairing that a phone names, by the code of the QR code or by account
// and short code, and whose it is: empty for an account that is not there yet. One that is
// wrong, unknown or used is one error, ErrPairGone.
func (r *Registry) offered(ctx context.Context, c *Claims) (idp.PairingID, idp.UserID, error) {
	if c.Pair != "" {
		code, err := totp.CleanPair(c.Pair)
		if err != nil {
			return "", "", fmt.Errorf("%w: %w", ErrRequest, err)
		}
		p, err := r.conf.Store.PairingByCode(ctx, code.Hash())
		if errors.Is(err, idp.ErrNotFound) {
			err = ErrPairGone
		}
		if err != nil {
			return "", "", err
		}
		return p.ID, p.User, nil
	}
	short, err := totp.CleanShort(c.Short)
	if err != nil || c.Account == "" || len(c.Account) > idp.MaxName {
		return "", "", fmt.Errorf("neither a pair code nor account and short code: %w", ErrRequest)
	}
	p, err := r.conf.Store.OpenPairing(ctx, idp.FoldName(c.Account))
	if errors.Is(err, idp.ErrNotFound) {
		return "", "", ErrPairGone
	}
	if err != nil {
		return "", "", err
	}
	right := false
	err = r.conf.Store.UpdatePairing(ctx, p.ID, func(p *idp.Pairing) (*idp.Device, error) {
		right = false
		if p.Open(r.conf.Now()) != nil || p.ShortTries >= idp.MaxShortTries {
			return nil, ErrPairGone
		}
		kept, err := totp.ShortCode(r.conf.Sealer, p)
		if err != nil {
			return nil, err
		}
		if right = subtle.ConstantTimeCompare([]byte(kept), []byte(short)) == 1; !right {
			p.ShortTries++
		}
		return nil, nil
	})
	switch {
	case errors.Is(err, idp.ErrNotFound), errors.Is(err, idp.ErrSettled), err == nil && !right:
		return "", "", ErrPairGone
	case err != nil:
		return "", "", err
	}
	return p.ID, p.User, nil
}

// pairChallenge is the challenge for the phone that has scanned the QR code: one tap
// proves its key, its person and, when the challenge came by push, its push address.
func (r *Registry) pairChallenge(p *idp.Pairing, now time.Time, address string) *idp.Challenge {
	ch := &idp.Challenge{
		ID: idp.NewID[idp.ChallengeID](), Purpose: idp.ToPair, User: p.User, Pairing: p.ID, Browser: p.Browser, Address: address,
		Mode: idp.MatchTap, State: idp.ChallengePending, CreatedAt: now, SentAt: now, ExpiresAt: p.ExpiresAt,
	}
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails, by its contract
	doc := idp.ChallengeDoc{
		V: 1, CID: ch.ID, Nonce: base64.RawURLEncoding.EncodeToString(nonce[:]), Purpose: idp.ToPair, Issuer: r.conf.Issuer,
		Account: p.Account, App: r.conf.Site().Name, IP: address, At: now.Unix(), Exp: ch.ExpiresAt.Unix(), Match: idp.ChallengeMatch{Mode: idp.MatchTap},
	}
	ch.Doc = doc.Text()
	return ch
}

// setPush gives a device the push address of a claim, sealed; null takes it away.
func (r *Registry) setPush(d *idp.Device, raw json.RawMessage) error {
	d.SealedPush, d.PushType = nil, ""
	d.PushOKAt, d.PushBadAt, d.PushSaid = time.Time{}, time.Time{}, ""
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	var a idp.PushAddress
	if len(raw) > MaxAddress {
		return fmt.Errorf("push address of %d bytes: %w", len(raw), ErrRequest)
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return fmt.Errorf("%w: push: %w", ErrRequest, err)
	}
	if r.conf.Acceptable == nil {
		return fmt.Errorf("push %q: none is set up: %w", a.Type, ErrRequest)
	}
	if err := r.conf.Acceptable(a); err != nil {
		return fmt.Errorf("%w: push: %w", ErrRequest, err)
	}
	plain, err := json.Marshal(a)
	if err != nil {
		return err
	}
	d.SealedPush, err = r.conf.Sealer.Seal(plain, idp.PushRow(d.ID))
	d.PushType = a.Type
	return err
}

// change lets a device change itself, linked or not yet, by a request of its own.
func (r *Registry) change(ctx context.Context, req *Request, fn func(*idp.Device) error) error {
	s := req.Speaker
	if s.Pairing == "" {
		return r.conf.Store.UpdateDevice(ctx, s.Device.User, s.Device.ID, req.Seen, fn)
	}
	err := r.conf.Store.UpdatePairing(ctx, s.Pairing, func(p *idp.Pairing) (*idp.Device, error) {
		if p.Claim == nil || p.Claim.ID != s.Device.ID {
			return nil, idp.ErrNotFound
		}
		return nil, fn(p.Claim)
	})
	if errors.Is(err, idp.ErrSettled) || errors.Is(err, idp.ErrNotFound) {
		return ErrStranger // neither linked nor going to be
	}
	return err
}

// SetPush changes where push services reach the device. Errors: ErrRequest,
// idp.ErrReplayed, ErrStranger.
func (r *Registry) SetPush(ctx context.Context, req *Request) error {
	if req.Claims.Push == nil {
		return fmt.Errorf("no push: %w", ErrRequest)
	}
	return r.change(ctx, req, func(d *idp.Device) error { return r.setPush(d, req.Claims.Push) })
}

// RenameSelf gives the device another name, at its own wish. Errors as for SetPush.
func (r *Registry) RenameSelf(ctx context.Context, req *Request) error {
	name := text.Form(req.Claims.Name)
	if err := idp.ValidText("name", name, 1, idp.MaxDeviceName); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	err := r.change(ctx, req, func(d *idp.Device) error {
		if d.Name == name {
			return nil
		}
		if d.State == idp.DeviceActive {
			d.Note(idp.Event{
				At: r.conf.Now(), Kind: idp.EventDeviceRenamed, Actor: idp.Actor{User: d.User}, User: d.User, Device: d.ID,
				Detail: map[string]string{"by": "device", "was": d.Name, "name": name},
			})
		}
		d.Name = name
		return nil
	})
	if err == nil && req.Speaker.Pairing != "" {
		r.wake(idp.TopicPairing(req.Speaker.Pairing))
	}
	return err
}

// UnlinkSelf unlinks the device at its own wish («Unpair»). Errors: ErrLast,
// idp.ErrReplayed, ErrStranger.
func (r *Registry) UnlinkSelf(ctx context.Context, req *Request, address string) error {
	s := req.Speaker
	if s.Pairing != "" {
		err := r.conf.Store.UpdatePairing(ctx, s.Pairing, func(p *idp.Pairing) (*idp.Device, error) {
			p.UsedAt, p.Claim = r.conf.Now(), nil
			return nil, nil
		})
		r.wake(idp.TopicPairing(s.Pairing))
		if errors.Is(err, idp.ErrSettled) || errors.Is(err, idp.ErrNotFound) {
			return nil // gone already
		}
		return err
	}
	err := r.conf.Store.RemoveDevice(ctx, s.Device.User, s.Device.ID, idp.Unlinking{Seen: req.Seen}, idp.Event{
		At: r.conf.Now(), Kind: idp.EventDeviceUnlinked, Actor: idp.Actor{User: s.Device.User}, User: s.Device.User, Device: s.Device.ID,
		Address: address, Detail: map[string]string{"by": "device", "name": s.Device.Name, "kind": string(s.Device.Kind)},
	})
	switch {
	case errors.Is(err, idp.ErrDenied):
		return ErrLast
	case errors.Is(err, idp.ErrNotFound):
		return ErrUnlinked // from the other end, at this very moment
	case err != nil:
		return err
	}
	r.told(ctx, s.Device.User, s.Device.ID)
	return nil
}

// Told tells whoever it concerns that devices of a person were unlinked: see told.
func (r *Registry) Told(ctx context.Context, user idp.UserID) { r.told(ctx, user, "") }

// changedFor is how long it is worth telling a phone that another was linked.
const changedFor = time.Hour

// told wakes whoever shows a person's devices: their phones, and the browsers of the
// sign-ins that ask them. The phones are told by push, too, those that were unlinked
// among them, once: their codes vanish when they hear it. by is the phone that has made
// the change, and knows; empty: none has.
func (r *Registry) told(ctx context.Context, user idp.UserID, by idp.DeviceID) {
	devices, err := r.conf.Store.Devices(ctx, user)
	unheard, also := r.conf.Store.Unheard(ctx, user)
	if err = errors.Join(err, also); err != nil {
		r.conf.Log.Error("devices were not told", "error", err)
	}
	for _, d := range append(devices, unheard...) {
		if d.ID != by {
			r.push(idp.PushChanged, "", r.conf.Now().Add(changedFor), d)
		}
	}
	topics := []idp.Topic{idp.TopicUser(user)}
	open, err := r.conf.Store.Pending(ctx, user, r.conf.Now())
	if err != nil {
		r.conf.Log.Error("browsers were not woken", "error", err)
	}
	for _, c := range open {
		topics = append(topics, idp.TopicLogin(c.Login))
	}
	r.wake(topics...)
}

// Test sends a push to a device, for its owner to see one arrive. Errors:
// idp.ErrNotFound, idp.ErrSettled when it has no address.
func (r *Registry) Test(ctx context.Context, s *idp.Session, id idp.DeviceID) error {
	devices, err := r.conf.Store.Devices(ctx, s.User)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if d.ID == id {
			if len(d.SealedPush) == 0 || r.conf.Push == nil {
				return fmt.Errorf("device %s has no push address: %w", id, idp.ErrSettled)
			}
			r.push(idp.PushTest, "", r.conf.Now().Add(testFor), d)
			return nil
		}
	}
	return idp.ErrNotFound
}

// testFor is how long a test may take to arrive.
const testFor = time.Minute

func (r *Registry) push(kind idp.PushKind, id idp.ChallengeID, until time.Time, d idp.Device) {
	if r.conf.Push == nil || len(d.SealedPush) == 0 {
		return
	}
	p := idp.Push{User: d.User, Device: d.ID, Tag: d.Tag(), Platform: d.Platform, Kind: kind, Challenge: id, ExpiresAt: until}
	plain, err := r.conf.Sealer.Open(d.SealedPush, idp.PushRow(d.ID))
	if err == nil {
		err = json.Unmarshal(plain, &p.Address)
	}
	if err != nil {
		r.conf.Log.Error("a push address cannot be read", "device", d.ID, "error", err)
		return
	}
	r.conf.Push(p)
}

// maxSaid bounds what is kept of a push service's words, in bytes.
const maxSaid = 120

// Delivered notes at the device what became of a push: when one was delivered last, since
// when they fail and why. An address that is dead is dropped, the device stays.
func (r *Registry) Delivered(ctx context.Context, p idp.Push, outcome idp.PushOutcome, why string) {
	now := r.conf.Now()
	if len(why) > maxSaid {
		why = strings.ToValidUTF8(why[:maxSaid], "")
	}
	set := func(d *idp.Device) error {
		plain, err := r.conf.Sealer.Open(d.SealedPush, idp.PushRow(d.ID))
		var a idp.PushAddress
		if err != nil || json.Unmarshal(plain, &a) != nil || a != p.Address {
			return errOther // it has another address by now
		}
		switch outcome {
		case idp.PushDelivered:
			if d.PushBadAt.IsZero() && now.Sub(d.PushOKAt) < keepEvery {
				return errOther // known
			}
			d.PushOKAt, d.PushBadAt, d.PushSaid = now, time.Time{}, ""
		case idp.PushDead:
			d.SealedPush, d.PushType, d.PushBadAt, d.PushSaid = nil, "", now, why
		default:
			if d.PushBadAt.IsZero() {
				d.PushBadAt = now
			}
			d.PushSaid = why
		}
		return nil
	}
	err := r.conf.Store.UpdateDevice(ctx, p.User, p.Device, idp.Replay{}, set)
	if errors.Is(err, idp.ErrNotFound) {
		s, lookErr := r.conf.Store.Speaker(ctx, p.Device)
		if lookErr != nil || s.Pairing == "" {
			return // unlinked meanwhile
		}
		err = r.conf.Store.UpdatePairing(ctx, s.Pairing, func(q *idp.Pairing) (*idp.Device, error) {
			if q.Claim == nil || q.Claim.ID != p.Device {
				return nil, errOther
			}
			return nil, set(q.Claim)
		})
	}
	if err != nil && !errors.Is(err, errOther) && !errors.Is(err, idp.ErrSettled) && !errors.Is(err, idp.ErrNotFound) {
		r.conf.Log.Error("what became of a push was not kept", "device", p.Device, "error", err)
	}
}

var errOther = errors.New("nothing to change")

// keepEvery is how exactly it is kept when a push arrived last.
const keepEvery = time.Minute

// Speaker returns who has a device id now. Errors: idp.ErrNotFound.
func (r *Registry) Speaker(ctx context.Context, id idp.DeviceID) (*idp.Speaker, error) {
	return r.conf.Store.Speaker(ctx, id)
}

func (r *Registry) wake(topics ...idp.Topic) {
	if r.conf.Wake != nil {
		r.conf.Wake(topics...)
	}
}
