package idp

import "encoding/base32"

// Identifiers are made here, never taken from a request: the milliseconds since
// 1970 and 80 random bits in 26 letters, safe in URLs, file names and logs. They
// are in the order of time, for the sake of what is kept by them, and no secret.
type (
	UserID       string
	DeviceID     string
	PairingID    string
	InvitationID string
	LoginID      string
	SessionID    string // also the sid claim
	ChallengeID  string // also the cid of the device protocol
	GrantID      string
	ClientID     string
	KeyID        string // also the kid header
)

// NewID returns a fresh identifier of the type asked for.
func NewID[T ~string]() T {
	var b [16]byte
	stamp(b[:])
	return T(idLetters.EncodeToString(b[:]))
}

var idLetters = base32.HexEncoding.WithPadding(base32.NoPadding)
