package idp

import "time"

// MaxDevices is how many devices one account may have linked.
const MaxDevices = 5

// MaxDeviceName is in runes.
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
	SealedTOTP []byte // the TOTP secret, sealed with the device id as associated data
	LastStep   int64  // newest TOTP time step that was used; codes of it and before are spent
	Drift      int64  // learned clock drift of the device in steps, -1, 0 or 1
	LinkedAt   time.Time
	LastUsedAt time.Time // zero: never

	Journal `json:"-"`
}

// Pairing is an open offer to link a device: the QR code on the screen. One
// per user is open at a time; a new one replaces the old.
type Pairing struct {
	ID         PairingID
	User       UserID // empty while the person is being made by a set-up link
	Account    string // what the QR shows as account
	Browser    TokenHash
	SealedTOTP []byte // sealed with the pairing id as associated data
	WrongCodes int
	CreatedAt  time.Time
	ExpiresAt  time.Time
	UsedAt     time.Time // zero while open

	Journal `json:"-"`
}

// PairingTTL is how long a QR can be scanned.
const PairingTTL = 10 * time.Minute

// MaxPairingCodes is how many wrong codes a pairing bears before it is dead.
const MaxPairingCodes = 5

// Open reports whether the pairing can still be confirmed: nil, ErrExpired or
// ErrSettled.
func (p *Pairing) Open(now time.Time) error {
	switch {
	case !p.UsedAt.IsZero() || p.WrongCodes >= MaxPairingCodes:
		return ErrSettled
	case !now.Before(p.ExpiresAt):
		return ErrExpired
	}
	return nil
}

// RecoveryCode is one of ten codes printed for the day the phone is lost.
type RecoveryCode struct {
	User   UserID
	N      int    // 1 to 10
	Hash   string // argon2id PHC string
	MadeAt time.Time
	UsedAt time.Time // zero while unused
}
