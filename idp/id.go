package idp

import "crypto/rand"

// Identifiers are made here, never taken from a request: 130 random bits in 26
// base32 letters, safe in URLs, file names and logs.
type (
	UserID       string
	DeviceID     string
	PairingID    string
	InvitationID string
	LoginID      string
	SessionID    string // also the sid claim
	GrantID      string
	ClientID     string
	KeyID        string // also the kid header
)

// NewID returns a fresh identifier of the type asked for.
func NewID[T ~string]() T { return T(rand.Text()) }
