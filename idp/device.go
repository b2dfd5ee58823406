package idp

import (
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// MaxDevices is how many devices one account may have linked.
const MaxDevices = 5

// MaxDeviceName bounds the name of a device, in runes.
const MaxDeviceName = 40

// DeviceKind says what a device can do.
type DeviceKind string

const (
	DeviceApp  DeviceKind = "app"  // our app: can be asked, signs its answers
	DeviceCode DeviceKind = "code" // any authenticator app: shows codes only
)

// DeviceState is where a device stands. An unlinked device has no row among
// the active; its public key is kept apart for 30 days.
type DeviceState string

const (
	DevicePending DeviceState = "pending" // paired, link not confirmed yet
	DeviceActive  DeviceState = "active"
)

// Device is something a person proves themselves with: a linked phone or
// another authenticator app.
type Device struct {
	ID         DeviceID
	User       UserID
	Name       string
	Kind       DeviceKind
	Platform   string // "ios", "android", "web", "other"
	State      DeviceState
	SealedTOTP []byte   // the TOTP secret, sealed with the device id as associated data
	PublicKey  []byte   // DeviceApp: P-256, x and y, 64 bytes
	UVKey      []byte   // the same of a second key, which signs only after a fingerprint or PIN; empty: none
	App        string   // "name/version", as the app calls itself
	Replaces   DeviceID // of one that is not linked yet: the device of the same person whose place it takes; empty: none's
	SealedPush []byte   // PushAddress, sealed with PushRow as associated data; empty: none
	PushType   PushType
	PushOKAt   time.Time // when the push service last took a message
	PushBadAt  time.Time // since when messages fail; zero: they do not
	PushSaid   string    // why they fail, in short
	LastStep   int64     // newest TOTP time step that was used; codes of it and before are spent
	Drift      int64     // of its clock in steps, as its last code showed: -1, 0 or 1
	LinkedAt   time.Time
	LastUsedAt time.Time // zero: never

	Journal `json:"-"`
}

// Verifies reports whether the device can ask its person for a fingerprint or PIN.
func (d *Device) Verifies() bool { return len(d.UVKey) > 0 }

// tagLength is how many letters of base64url a tag has: 96 bits.
const tagLength = 16

// Tag is a name of the device that tells nothing to whoever does not know it: the
// beginning of the thumbprint of its public key (RFC 7638), which is random and nowhere
// published. Empty for a device without a key.
func (d *Device) Tag() string {
	if t := Thumbprint(d.PublicKey); t != "" {
		return t[:tagLength]
	}
	return ""
}

// Thumbprint is the SHA-256 thumbprint of a P-256 key, x and y (RFC 7638), base64url;
// empty for what cannot be one.
func Thumbprint(key []byte) string {
	const coordinate = 32 // bytes
	if len(key) != 2*coordinate {
		return ""
	}
	b64 := base64.RawURLEncoding.EncodeToString
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + b64(key[:coordinate]) + `","y":"` + b64(key[coordinate:]) + `"}`))
	return b64(sum[:])
}

// PushWait is how long a push service has while a phone is being linked.
const PushWait = 20 * time.Second

// Silent notes, when a phone that was asked at askedAt is linked, that its push
// service said nothing within PushWait: it is linked all the same, and its owner
// is told that notifications do not arrive.
func (d *Device) Silent(askedAt, now time.Time) {
	if d.PushType != "" && d.PushOKAt.IsZero() && d.PushBadAt.IsZero() && now.Sub(askedAt) >= PushWait {
		d.PushBadAt, d.PushSaid = now, "nothing was delivered while it was linked"
	}
}

// Pairing is an open offer to link a device: the QR code on the screen. One
// per user is open at a time; a new one replaces the old.
type Pairing struct {
	ID          PairingID
	User        UserID // empty while the person is being made by a set-up link
	Account     string // what the QR shows as account
	Browser     TokenHash
	Session     SessionID // that shows the QR code; empty while the first device is linked
	Ended       bool      // that session has ended, and the offer with it
	SealedTOTP  []byte    // sealed with the pairing id as associated data
	Enrol       bool      // the first device, by invitation: linked when the invitation is used
	Code        TokenHash // of the pair parameter in the QR
	SealedCode  []byte    // the parameter itself, to draw the QR again; sealed as SealedTOTP
	SealedShort []byte    // the short code for typing; sealed as SealedTOTP
	ShortTries  int       // wrong short codes
	WrongCodes  int       // wrong codes of the device to be linked
	CreatedAt   time.Time
	ExpiresAt   time.Time
	Claim       *Device     // the phone that scanned it, until it is linked
	Challenge   ChallengeID // what that phone was asked
	Rival       bool        // another phone has used the same code
	TappedAt    time.Time   // when it said Login, or its code was right; zero: not yet
	UsedAt      time.Time   // zero while open

	Journal `json:"-"`
}

// PairingTTL is how long an offer to link is open: long enough to put our app on the
// phone meanwhile, from the page that shows the offer.
const PairingTTL = 30 * time.Minute

// MaxPairingCodes is how many wrong codes a pairing bears before it is dead.
const MaxPairingCodes = 5

// MaxShortTries is how many wrong short codes a pairing bears before none is taken any more.
const MaxShortTries = 5

// TombstoneFor is how long an unlinked device is still told that it is.
const TombstoneFor = 30 * 24 * time.Hour

// ReplayFor is how long the jti of a device's request is remembered.
const ReplayFor = 300 * time.Second

// Replay is a device's request, to be noted as seen in the transaction that
// carries it out. The zero Replay notes nothing.
type Replay struct {
	Device DeviceID
	JTI    TokenHash // of the request's identifier
	Until  time.Time // when it may be forgotten
}

// Speaker is whoever sent a signed request: an active device, the claim of an
// open pairing, or one that was unlinked.
type Speaker struct {
	Device   Device
	Pairing  PairingID // the device is not linked yet
	Unlinked bool
}

// Open reports whether the pairing can still be confirmed: nil, ErrExpired or
// ErrSettled.
func (p *Pairing) Open(now time.Time) error {
	switch {
	case !p.UsedAt.IsZero(), p.Ended, p.WrongCodes >= MaxPairingCodes:
		return ErrSettled
	case !now.Before(p.ExpiresAt):
		return ErrExpired
	}
	return nil
}

// Phase says how far linking is, in a word that changes when the page does.
func (p *Pairing) Phase(now time.Time) string {
	word := "open"
	switch {
	case !p.TappedAt.IsZero():
		word = "tapped"
	case p.Open(now) != nil:
		word = "gone"
	case p.Claim != nil:
		word = "claimed"
	}
	if p.Rival {
		word += "-rival"
	}
	return word
}

// RecoveryCode is one of ten codes printed for the day the phone is lost.
type RecoveryCode struct {
	User   UserID
	N      int    // 1 to 10
	Hash   string // argon2id PHC string
	MadeAt time.Time
	UsedAt time.Time // zero while unused
}

// Unlinking is how a device is removed.
type Unlinking struct {
	Last  bool     // the last one may go, too
	Cause CutCause // CutLost or CutStolen where somebody else may have it; else CutUnlinked
	In    Within   // the session that its owner does it in
	Seen  Replay   // the request of the device that does it by itself
}
