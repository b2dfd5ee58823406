package idp

import (
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// PushedID is the hash of the handle by which a pushed authorization request is known.
type PushedID string

// PushedIDOf returns the id of a handle.
func PushedIDOf(handle Secret) PushedID {
	sum := sha256.Sum256([]byte(handle))
	return PushedID(base64.RawURLEncoding.EncodeToString(sum[:]))
}

// Bounds of pushed authorization requests.
const (
	PushedTTL = 90 * time.Second // within which a sign-in has to begin
	MaxPushed = 500              // of one client that are neither used nor expired
	// PushedKept is how long one is known after it has expired: a sign-in that began with it
	// may be finished, or begun anew for a day, and it gives a code once in all of them.
	PushedKept = 24*time.Hour + 2*LoginTTL
)

// Pushed is an authorization request that a client has pushed (RFC 9126), validated.
type Pushed struct {
	ID        PushedID
	Client    ClientID
	Request   AuthRequest
	ExpiresAt time.Time
	UsedAt    time.Time // when it gave a code; zero: it has not
}

// Live returns nil while a sign-in can begin with it. Errors: ErrSettled when it has given
// a code, ErrExpired.
func (p *Pushed) Live(now time.Time) error {
	switch {
	case !p.UsedAt.IsZero():
		return ErrSettled
	case !now.Before(p.ExpiresAt):
		return ErrExpired
	}
	return nil
}
