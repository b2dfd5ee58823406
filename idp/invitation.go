package idp

import "time"

// InvitationPurpose is what a one-time link is for.
type InvitationPurpose string

const (
	InviteSetup InvitationPurpose = "setup" // the first administrator; makes the account
	InviteEnrol InvitationPurpose = "enrol" // choose a password where there is none, link the first device
	InviteReset InvitationPurpose = "reset" // choose a new password; devices stay
	// InviteForgotten is a reset that the person asked for themselves. Whoever
	// reads their mail has it: nothing changes by it before the second factor.
	InviteForgotten InvitationPurpose = "forgotten"
)

// Lifetimes of one-time links.
const (
	InvitationTTL = 24 * time.Hour
	SetupLinkTTL  = time.Hour
	ForgottenTTL  = time.Hour // of a link that the person asked for
)

// Invitation is a one-time link that an administrator hands to a person, or that
// they asked for when they forgot their password. It is the only way to a first
// device.
type Invitation struct {
	ID        InvitationID
	Token     TokenHash
	Purpose   InvitationPurpose
	User      UserID // empty for set-up
	By        Actor
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // zero while open
	Mailed    bool      // it went by mail, which others may read
	Mail      *Mail     // carries it, and comes into being with it; nil: it is shown

	Journal `json:"-"`
}

// Open returns nil, ErrExpired or ErrSettled.
func (i *Invitation) Open(now time.Time) error {
	switch {
	case !i.UsedAt.IsZero():
		return ErrSettled
	case !now.Before(i.ExpiresAt):
		return ErrExpired
	}
	return nil
}

// Waits reports whether a password chosen by the link counts only when a second
// factor was proven after it: the link lay in a mailbox, which is no proof of a
// person. One that was handed over from hand to hand counts at once.
func (i *Invitation) Waits() bool {
	return i.Purpose == InviteForgotten || i.Purpose == InviteReset && i.Mailed
}
