// Package login signs people in: password, then second factor, then done; it
// alone decides what is next.
//
// A sign-in is one row (idp.Login) and one state machine. A door asks what to
// show (Step) and hands in what was typed (Password, Code, Recovery, Consent,
// Enrol); the flow checks it against stored facts, moves the row by one
// conditional update and answers with the new step. When the row says done, the
// bound browser collects (Collect), once, and only then do a session and an
// authorization code come into being.
//
// The files, in the order a sign-in meets them:
//
//	authorize.go  a request: answered from a live session, or a sign-in begins
//	step.go       what to show, from the row
//	password.go   the user name and password; changing it
//	forgotten.go  the password is forgotten: a link by mail
//	factor.go     the six-digit code and the recovery code
//	first.go      the second factor before the password, where strangers guess
//	ask.go        asking the linked phones: whether, what, by which number
//	answer.go     what a phone is shown and answers; the browser that goes on by it
//	phones.go     what the page shows of phones
//	enrol.go      invitations, the set-up link, the first device
//	plan.go       what a one-time link of each purpose asks for and changes
//	collect.go    the end: session, grant, code
//	session.go    what a finished sign-in leaves: listing, ending
package login

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"hilum/idp"
)

// Store is what a sign-in needs kept. Every method is atomic; errors are
// idp.ErrNotFound and what the given function returns.
type Store interface {
	// AddLogin inserts a new sign-in with its events.
	AddLogin(ctx context.Context, l *idp.Login) error
	Login(ctx context.Context, id idp.LoginID) (*idp.Login, error)
	// UpdateLogin reads, lets fn decide, and writes row and events in one
	// transaction. fn may run twice and changes only what it is given.
	UpdateLogin(ctx context.Context, id idp.LoginID, fn func(*idp.Login) error) error
	// UpdateProof does the same for a sign-in together with a counter; devices
	// and unused recovery codes of the sign-in's user come along and what fn
	// changed of them is written too. Counter key: kind and Login.User, or who
	// when it is not empty; of nobody it is zero and must stay so.
	UpdateProof(ctx context.Context, id idp.LoginID, kind idp.CounterKind, who string, fn func(*idp.Proof) error) error
	// UpdateCounter changes a counter alone (a zero one where there is none),
	// with an event when e is not nil.
	UpdateCounter(ctx context.Context, key idp.CounterKey, e *idp.Event, fn func(*idp.Counter) error) error
	Counter(ctx context.Context, key idp.CounterKey) (*idp.Counter, error)
	// KnownBrowser reports whether a person has finished a sign-in in a browser
	// that shows a value to be known by, KnownToAny whether anybody has.
	KnownBrowser(ctx context.Context, token idp.TokenHash, user idp.UserID) (bool, error)
	KnownToAny(ctx context.Context, token idp.TokenHash) (bool, error)

	AccountByEmail(ctx context.Context, email string) (*idp.Account, error) // in small letters; one person's only
	AccountByName(ctx context.Context, name string) (*idp.Account, error)
	Account(ctx context.Context, id idp.UserID) (*idp.Account, error)
	Client(ctx context.Context, id idp.ClientID) (*idp.Client, error) // from memory; do not change
	Consent(ctx context.Context, user idp.UserID, client idp.ClientID) (*idp.Consent, error)

	// Collect reads a sign-in and the live session it names, lets fn fill the
	// rest, and stores all of it at once.
	Collect(ctx context.Context, id idp.LoginID, fn func(*idp.Collection) error) error
	// AddGrant stores what a live session answers without a page: grant and
	// code, and that the session was seen. ErrSettled when the session has ended meanwhile.
	AddGrant(ctx context.Context, s *idp.Session, g *idp.Grant, c *idp.Code) error
	SessionByToken(ctx context.Context, token idp.TokenHash) (*idp.Session, error)
	Sessions(ctx context.Context, user idp.UserID, now time.Time) ([]idp.Session, error) // live ones, newest first
	SessionClients(ctx context.Context, user idp.UserID) ([]idp.SessionClient, error)
	// CutOff takes away what its cause says, in one transaction; returns which
	// sessions it ended. ErrNotFound where one alone is meant that is not open.
	CutOff(ctx context.Context, c idp.CutOff) ([]idp.SessionID, error)
	// OwnEndedSession returns a session that was ended, to the browser that it lived in.
	OwnEndedSession(ctx context.Context, id idp.SessionID, browser idp.TokenHash) (*idp.EndedSession, error)
	TouchSession(ctx context.Context, id idp.SessionID, at time.Time) error

	AddMail(ctx context.Context, m *idp.Mail) error
	// AddInvitation: one that a person asked for replaces the open ones of that kind.
	AddInvitation(ctx context.Context, i *idp.Invitation, may func(*idp.User) error) error
	InvitationByToken(ctx context.Context, token idp.TokenHash) (*idp.Invitation, error)
	// Enrol reads a sign-in with its invitation, user and pairing, lets fn
	// decide, and stores all of it at once; idp.ErrConflict for a sixth device
	// or a taken name, idp.ErrSettled for a used invitation.
	Enrol(ctx context.Context, id idp.LoginID, fn func(*idp.Enrolment) error) error
	// SetPassword stores a new hash in place of the password chosen at was, and
	// cuts off what was begun with that, but for the session it is done in:
	// ErrWrongSecret when there is another password by now, ErrExpired and
	// ErrStale for the session.
	SetPassword(ctx context.Context, user idp.UserID, hash string, was time.Time, in idp.Within, e idp.Event) error
	// RehashPassword replaces the hash when it still is old; nothing else changes.
	RehashPassword(ctx context.Context, user idp.UserID, old, hash string) error
	// Ask reads a sign-in with what its person's phones are asked and may be,
	// lets fn decide, and stores all of it at once. known is what the browser
	// is known by, or zero; fn is told whether the person knows it.
	Ask(ctx context.Context, id idp.LoginID, known idp.TokenHash, fn func(a *idp.Asking, known bool) error) error
	// Settle does the same from the side of a challenge, and notes the request
	// that does it as seen: idp.ErrReplayed, and nothing written, when it was before.
	Settle(ctx context.Context, id idp.ChallengeID, seen idp.Replay, fn func(*idp.Asking) error) error
	Challenge(ctx context.Context, id idp.ChallengeID) (*idp.Challenge, error)
	Pending(ctx context.Context, user idp.UserID, now time.Time) ([]idp.Challenge, error) // open ones, oldest first
	Guard(ctx context.Context, user idp.UserID) (*idp.PushGuard, error)
	Devices(ctx context.Context, user idp.UserID) ([]idp.Device, error) // active ones, oldest first

	AddPairing(ctx context.Context, p *idp.Pairing) error // replaces the user's (or the sign-in's) open one
	Pairing(ctx context.Context, id idp.PairingID) (*idp.Pairing, error)
	// UpdatePairing reads, lets fn decide, and writes.
	UpdatePairing(ctx context.Context, id idp.PairingID, fn func(*idp.Pairing) (*idp.Device, error)) error
}

// Passwords hashes and checks; idp/password implements it.
type Passwords interface {
	// Hash returns a PHC string. Errors: idp.ErrBusy as RetryError.
	Hash(ctx context.Context, password idp.Secret) (string, error)
	// Check returns nil or idp.ErrWrongSecret; rehash says that the cost was
	// raised since. An empty phc costs the same and is wrong. Errors: idp.ErrBusy.
	Check(ctx context.Context, phc string, password idp.Secret) (rehash bool, err error)
	// Acceptable returns a FieldError when the password must not be chosen;
	// context words are names that it must not be built from.
	Acceptable(password idp.Secret, context ...string) error
}

// Sealer opens what is sealed at rest; idp/keyring implements it.
type Sealer interface {
	Seal(plain []byte, row string) ([]byte, error)
	Open(sealed []byte, row string) ([]byte, error)
	// MAC keys a value that must be found again but not read.
	MAC(purpose string, value string) [32]byte
}

// Rules are the settable numbers.
type Rules struct {
	SessionIdle     time.Duration    // 60 min
	SessionAbsolute time.Duration    // 12 h
	Site            func() *idp.Site // how it presents itself now
	Issuer          string           // as phones are told
	Match           idp.MatchMode    // how push approval is matched to the person; empty: auto
}

// Config is what a Flow is built from. Store, Passwords, Sealer and Rules are required.
type Config struct {
	Store     Store
	Passwords Passwords
	Sealer    Sealer
	Rules     Rules
	Wake      func(...idp.Topic) // tells who waits to look; does not block
	Mail      bool               // mail can be sent: who has forgotten the password can ask for a link
	Push      func(...idp.Push)  // hands over to the push services; does not block
	Describe  func(agent string) (browser, os string)
	Network   func(address string) string // the operator's name for where an address is, or empty
	// PerAddress counts a sign-in that a browser without a session begins for a
	// relying party, PerSession what one live session asks for. nil: no bound.
	PerAddress func(address string) (retry time.Duration, ok bool)
	PerSession func(idp.SessionID) (retry time.Duration, ok bool)
	Now        func() time.Time
	Log        *slog.Logger
}

// Flow decides what is next in a sign-in. Safe for concurrent use: what it was
// built from does not change.
type Flow struct {
	store      Store
	passwords  Passwords
	sealer     Sealer
	rules      Rules
	wake       func(...idp.Topic)
	mail       bool
	push       func(...idp.Push) // nil: no push services
	describe   func(agent string) (browser, os string)
	network    func(address string) string
	perAddress func(address string) (retry time.Duration, ok bool)
	perSession func(idp.SessionID) (retry time.Duration, ok bool)
	now        func() time.Time
	log        *slog.Logger

	typing turns // one password at a time per account
}

// New returns a Flow.
func New(c Config) *Flow {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Rules.Site == nil {
		c.Rules.Site = idp.Named("")
	}
	if c.Wake == nil {
		c.Wake = func(...idp.Topic) {}
	}
	return &Flow{
		store: c.Store, passwords: c.Passwords, sealer: c.Sealer, rules: c.Rules, wake: c.Wake, mail: c.Mail, push: c.Push,
		describe: c.Describe, network: c.Network, perAddress: c.PerAddress, perSession: c.PerSession, now: c.Now, log: c.Log,
	}
}

// Browser is who asks: what the door saw of the browser.
type Browser struct {
	ID      idp.TokenHash // of the binding cookie; never zero
	Session idp.Secret    // of the session cookie, or empty
	Known   idp.Secret    // of the cookie that a browser is known by, or empty
	Address string
	Agent   string
}

// known is the hash of what a browser is known by, zero where it has nothing.
func known(b Browser) idp.TokenHash {
	if b.Known == "" {
		return idp.TokenHash{}
	}
	return b.Known.Hash()
}

// What an authorization request with prompt=none is answered with when a page
// would be needed (OpenID Connect Core 1.0, section 3.1.2.6).
var (
	ErrLoginRequired       = errors.New("login_required")
	ErrConsentRequired     = errors.New("consent_required")
	ErrInteractionRequired = errors.New("interaction_required")
	// ErrNotAdmitted: signed in, and in none of the groups that the client admits.
	ErrNotAdmitted = errors.New("access_denied")
)

// own returns a sign-in to the browser that is bound to it; another browser's
// and a made-up one are the same idp.ErrNotFound.
func (f *Flow) own(ctx context.Context, id idp.LoginID, b Browser) (*idp.Login, error) {
	l, err := f.store.Login(ctx, id)
	if err != nil {
		return nil, err
	}
	return l, bound(l, b)
}

func bound(l *idp.Login, b Browser) error {
	if b.ID.IsZero() || subtle.ConstantTimeCompare(l.Browser[:], b.ID[:]) != 1 {
		return fmt.Errorf("sign-in %s in another browser: %w", l.ID, idp.ErrNotFound)
	}
	return nil
}

// waits returns nil when the sign-in waits for what state says, else
// idp.ErrExpired or idp.ErrSettled.
func waits(l *idp.Login, state idp.LoginState, now time.Time) error {
	switch {
	case l.State != state:
		return fmt.Errorf("sign-in %s is at %s: %w", l.ID, l.State, idp.ErrSettled)
	case !now.Before(l.ExpiresAt):
		return fmt.Errorf("sign-in %s: %w", l.ID, idp.ErrExpired)
	}
	return nil
}

// event is an audit line about a sign-in, of now.
func (f *Flow) event(kind idp.EventKind, l *idp.Login, name string, b Browser, detail ...string) idp.Event {
	return eventAt(f.now(), kind, l, name, b.Address, detail...)
}

// eventAt is an audit line about a sign-in; name is the sign-in name of whoever
// acts, and detail are keys, each followed by its value.
func eventAt(at time.Time, kind idp.EventKind, l *idp.Login, name, address string, detail ...string) idp.Event {
	e := idp.Event{
		At: at, Kind: kind, Actor: idp.Actor{User: l.User, Name: name}, User: l.User,
		Client: l.Request.Client, Login: l.ID, Session: l.Session, Device: l.Device, Address: address,
	}
	for i := 0; i+1 < len(detail); i += 2 {
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail[detail[i]] = detail[i+1]
	}
	return e
}
