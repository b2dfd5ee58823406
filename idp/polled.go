package idp

import (
	"encoding/base64"
	"time"
)

// PolledID names a polled request: base64url of the hash of what its client asks for the
// outcome with, the device_code or the auth_req_id.
type PolledID string

// PolledIDOf returns the id of a request by what its client has.
func PolledIDOf(code Secret) PolledID {
	h := code.Hash()
	return PolledID(base64.RawURLEncoding.EncodeToString(h[:]))
}

// Hash is the hash of what the client has, by which its tokens are redeemed; zero for what
// is no id.
func (id PolledID) Hash() (h TokenHash) {
	if b, err := base64.RawURLEncoding.DecodeString(string(id)); err == nil && len(b) == len(h) {
		copy(h[:], b)
	}
	return h
}

// Times and bounds of polled requests.
const (
	PolledTTL     = 10 * time.Minute // within which somebody has to say yes
	PolledLeft    = time.Minute      // from a yes until the client has asked, at least
	PolledKept    = time.Hour        // how long one is known after it has expired, to be told so
	PollInterval  = 5 * time.Second  // between two questions of the client (RFC 8628, section 3.2)
	PollSlower    = 5 * time.Second  // by which it grows for a client that asks too often (section 3.5)
	MaxPollEvery  = time.Minute      // and to which
	pollTolerance = time.Second      // that a clock or a line may have made a question come early
	MaxPolled     = 5000             // of one client that wait
	MaxPolledFrom = 100              // of them from one address
)

// PolledState says what became of a polled request.
type PolledState string

const (
	PolledPending  PolledState = "pending"
	PolledApproved PolledState = "approved" // there is a grant, and a Code with the hash of the id
	PolledDenied   PolledState = "denied"
)

// Polled is an authorization request whose client asks again and again for the outcome,
// because the person answers elsewhere: on another machine's browser (device
// authorization, RFC 8628), or on a phone (CIBA).
type Polled struct {
	ID        PolledID
	Type      string // the grant type by which its client asks: GrantDevice or GrantCIBA
	Client    ClientID
	Request   AuthRequest
	UserCode  []byte // GrantDevice: keyed hash of the code that the person types
	Address   string // client address that asked
	State     PolledState
	Interval  time.Duration // that the client has to leave between two questions
	PolledAt  time.Time     // of the latest question; zero: there was none
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Live returns nil while somebody can say yes or no. Errors: ErrSettled, ErrExpired.
func (p *Polled) Live(now time.Time) error {
	switch {
	case p.State != PolledPending:
		return ErrSettled
	case !now.Before(p.ExpiresAt):
		return ErrExpired
	}
	return nil
}

// Poll takes a question of the client. nil: somebody has said yes, and the tokens can be
// redeemed. Errors: ErrPending; ErrTooMany, it asks too often and has to leave more time
// from now on; ErrDenied; ErrExpired.
func (p *Polled) Poll(now time.Time) error {
	switch {
	case p.State == PolledApproved:
		return nil
	case p.State == PolledDenied:
		return ErrDenied
	case !now.Before(p.ExpiresAt):
		return ErrExpired
	}
	early := !p.PolledAt.IsZero() && now.Sub(p.PolledAt) < p.Interval-pollTolerance
	p.PolledAt = now
	if early {
		p.Interval = min(p.Interval+PollSlower, MaxPollEvery)
		return ErrTooMany
	}
	return ErrPending
}
