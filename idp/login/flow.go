// Package login signs people in: password, then second factor, then done. It
// alone decides which step of a sign-in comes next.
//
// A sign-in is one row (idp.Login) and one state machine (idp.Login.Apply). A
// door, which speaks HTTP, asks which step to show (Flow.Step) and hands in what
// the person typed (Flow.Password, Code, Recovery, Consent, Enrol). The flow
// checks that against the database, moves the row in one transaction, and answers
// with the next step. A sign-in is bound to the browser that began it, by a cookie
// whose hash stands in the row: to another browser it does not exist. When the row
// is in the state done that browser collects it (Flow.Collect), once, and only
// then do a session and an authorization code come into being.
//
// The files, in the order a sign-in meets them:
//
//	authorize.go  an authorization request: answered from a live session, or a sign-in begins
//	step.go       the step to show, derived from the row
//	join.go       a sign-in that goes on by the session its browser got in another tab; begun anew
//	password.go   user name and password; changing a password
//	forgotten.go  a forgotten password: asking for a link by mail
//	factor.go     the six-digit code (TOTP, RFC 6238) and the recovery code
//	first.go      the second factor before the password, where strangers guess passwords
//	ask.go        asking the linked phones: whether, what, by which number
//	answer.go     what a phone is shown and answers; the browser that goes on by it
//	phones.go     what the page shows of phones
//	enrol.go      invitations, the set-up link, the first device
//	plan.go       what a one-time link of each purpose asks for and changes
//	connect.go    a device without a browser, for which somebody signs in elsewhere
//	backchannel.go  an application asks phones without a browser
//	collect.go    the end of a sign-in: session, grant, authorization code
//	session.go    the sessions of a person: finding, listing, ending
//	activity.go   what has happened to an account, and «it was not me»
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

// Store keeps sign-ins and what they are checked against; idp/store implements it.
// Every method is one transaction. A method with a function (fn) reads rows, hands
// them to fn, and writes what fn has changed of them together with the events noted
// on them; an error of fn is returned and nothing is written. fn may run a second
// time after a conflict, with rows read anew: it changes only what it is given, and
// keeps nothing of the first run. Errors of all methods that look something up:
// idp.ErrNotFound. Others are said beside the method.
type Store interface {
	// AddLogin inserts a new sign-in with its events.
	AddLogin(ctx context.Context, l *idp.Login) error
	Login(ctx context.Context, id idp.LoginID) (*idp.Login, error)
	UpdateLogin(ctx context.Context, id idp.LoginID, fn func(*idp.Login) error) error
	// UpdateProof changes a sign-in together with a counter of wrong tries, and the
	// active devices and unused recovery codes of the sign-in's user. The counter's
	// key is kind with who, or with Login.User where who is empty. Where both are
	// empty fn gets a zero counter, and must leave it zero.
	UpdateProof(ctx context.Context, id idp.LoginID, kind idp.CounterKind, who string, fn func(*idp.Proof) error) error
	// UpdateCounter changes a counter alone; where there is none yet fn gets a zero
	// one. The event e, if not nil, is written with it, also where fn changes nothing.
	UpdateCounter(ctx context.Context, key idp.CounterKey, e *idp.Event, fn func(*idp.Counter) error) error
	Counter(ctx context.Context, key idp.CounterKey) (*idp.Counter, error)
	// KnownBrowser reports whether this person has finished a sign-in in the browser
	// whose Known cookie has this hash, within idp.KnownFor; KnownToAny whether
	// anybody has. Of the zero hash both are false.
	KnownBrowser(ctx context.Context, token idp.TokenHash, user idp.UserID) (bool, error)
	KnownToAny(ctx context.Context, token idp.TokenHash) (bool, error)

	// KnownBrowsers returns the browsers that are remembered for a person, the latest
	// first; ForgetBrowsers forgets one of them by its number, or all for 0. Errors:
	// idp.ErrNotFound where there is none.
	KnownBrowsers(ctx context.Context, user idp.UserID, now time.Time) ([]idp.Known, error)
	ForgetBrowsers(ctx context.Context, user idp.UserID, n int64, events ...idp.Event) error

	// UpdateUser changes a person, with the events noted on them.
	UpdateUser(ctx context.Context, id idp.UserID, fn func(*idp.User) error) error

	// AccountByEmail finds a person by mail address, in small letters. ErrNotFound
	// also where several people have the address.
	AccountByEmail(ctx context.Context, email string) (*idp.Account, error)
	AccountByName(ctx context.Context, name string) (*idp.Account, error)
	Account(ctx context.Context, id idp.UserID) (*idp.Account, error)
	Client(ctx context.Context, id idp.ClientID) (*idp.Client, error) // shared, from memory: must not be changed
	// Standing returns the API that a name in an audience is of, from memory, as Client does.
	Standing(ctx context.Context, name string) (*idp.Client, error)
	Consent(ctx context.Context, user idp.UserID, client idp.ClientID) (*idp.Consent, error)

	// Collect changes a sign-in together with the live session of its browser, and
	// inserts what fn fills in of session, grant, authorization code and consent. Errors:
	// idp.ErrClientDisabled.
	Collect(ctx context.Context, id idp.LoginID, fn func(*idp.Collection) error) error
	// AddGrant inserts the grant and authorization code that a live session is
	// answered with without a page, and notes that the session was seen. Errors:
	// idp.ErrSettled when the session has ended meanwhile, idp.ErrClientDisabled.
	AddGrant(ctx context.Context, s *idp.Session, g *idp.Grant, c *idp.Code) error
	SessionByToken(ctx context.Context, token idp.TokenHash) (*idp.Session, error)
	Sessions(ctx context.Context, user idp.UserID, now time.Time) ([]idp.Session, error) // live ones, newest first
	SessionClients(ctx context.Context, user idp.UserID) ([]idp.SessionClient, error)
	// CutOff takes away from a person what its cause says (idp.CutOff), and returns
	// which sessions it ended. Errors: idp.ErrNotFound where the cause ends one
	// session alone and that is not an open one of the person.
	CutOff(ctx context.Context, c idp.CutOff) ([]idp.SessionID, error)
	// OwnEndedSession returns a session that was ended, to the browser it was in;
	// browser is the hash of that one's binding cookie, see Browser.ID.
	OwnEndedSession(ctx context.Context, id idp.SessionID, browser idp.TokenHash) (*idp.EndedSession, error)
	// SearchEvents finds a part of the audit log, newest first; Events returns those after
	// a number, oldest first. Errors: idp.FieldError.
	SearchEvents(ctx context.Context, q idp.EventQuery) (*idp.EventPage, error)
	Events(ctx context.Context, after int64, limit int) ([]idp.Event, error)
	// TouchSession notes when a session was last seen.
	TouchSession(ctx context.Context, id idp.SessionID, at time.Time) error

	// AddPolled inserts a request whose client asks for the outcome. Errors:
	// idp.ErrTooMany; idp.ErrConflict for a code of the person that is there already.
	AddPolled(ctx context.Context, p *idp.Polled) error
	Polled(ctx context.Context, id idp.PolledID) (*idp.Polled, error)
	// PolledByCode finds one by the keyed hash of the code that its person types.
	PolledByCode(ctx context.Context, code []byte) (*idp.Polled, error)

	// AddMail inserts a mail to be sent, with its events.
	AddMail(ctx context.Context, m *idp.Mail) error
	// AddInvitation inserts a one-time link. One that a person asked for
	// (idp.InviteForgotten) replaces their open ones of that purpose. may decides by
	// the person as they are at that moment; its error is returned.
	AddInvitation(ctx context.Context, i *idp.Invitation, may func(*idp.User) error) error
	InvitationByToken(ctx context.Context, token idp.TokenHash) (*idp.Invitation, error)
	// Enrol changes a sign-in together with its invitation, user and pairing, and
	// inserts the user, device and recovery codes that fn fills in. Errors:
	// idp.ErrConflict for a sixth device or a taken name; idp.ErrSettled for an
	// invitation or a pairing that was used; idp.ErrDenied for a set-up link where
	// somebody administers by now.
	Enrol(ctx context.Context, id idp.LoginID, fn func(*idp.Enrolment) error) error
	// SetPassword replaces the password that was chosen at the time was by a new
	// hash (PHC string), and ends what was begun with the old one but for the
	// session it is changed in. Errors: idp.ErrWrongSecret when there is another
	// password by now; idp.ErrExpired and idp.ErrStale when the session has ended or
	// its second factor is not fresh.
	SetPassword(ctx context.Context, user idp.UserID, hash string, was time.Time, in idp.Within, e idp.Event) error
	// RehashPassword replaces a hash by one of the same password and higher cost,
	// where it still is old; no session or sign-in ends by it.
	RehashPassword(ctx context.Context, user idp.UserID, old, hash string) error
	// Ask changes a sign-in together with its latest challenge, the person's other
	// open challenges, and what is remembered of asking their phones, and inserts the
	// challenge that fn makes. token is the hash of the browser's Known cookie, or
	// zero; fn is told whether the person has finished a sign-in in that browser.
	Ask(ctx context.Context, id idp.LoginID, token idp.TokenHash, fn func(a *idp.Asking, known bool) error) error
	// Settle changes a challenge together with its sign-in or pairing and what is
	// remembered of asking the person's phones, and notes the phone's request that
	// does it as seen. Errors: idp.ErrReplayed, and nothing is written, when that
	// request was seen before; idp.ErrConflict for a sixth device.
	Settle(ctx context.Context, id idp.ChallengeID, seen idp.Replay, fn func(*idp.Asking) error) error
	Challenge(ctx context.Context, id idp.ChallengeID) (*idp.Challenge, error)
	Pending(ctx context.Context, user idp.UserID, now time.Time) ([]idp.Challenge, error) // open ones, oldest first
	Guard(ctx context.Context, user idp.UserID) (*idp.PushGuard, error)
	Devices(ctx context.Context, user idp.UserID) ([]idp.Device, error) // active ones, oldest first

	// AddPairing inserts an offer to link a device in place of the user's open one
	// or, while there is no user yet, of the browser's.
	AddPairing(ctx context.Context, p *idp.Pairing) error
	Pairing(ctx context.Context, id idp.PairingID) (*idp.Pairing, error)
	// UpdatePairing changes an offer, and inserts the device that fn returns, if any.
	// Errors: idp.ErrSettled when the offer was used; idp.ErrConflict for a sixth device.
	UpdatePairing(ctx context.Context, id idp.PairingID, fn func(*idp.Pairing) (*idp.Device, error)) error
}

// Passwords hashes and checks passwords and recovery codes; idp/password implements it.
type Passwords interface {
	// Hash returns a PHC string (argon2id). Errors: idp.ErrBusy as RetryError.
	Hash(ctx context.Context, password idp.Secret) (string, error)
	// Check compares a password with a PHC string; rehash says that the configured
	// cost was raised since the hash was made. An empty phc is compared at the same
	// cost and is wrong, so that nobody learns by the time taken who has an account.
	// Errors: idp.ErrWrongSecret; idp.ErrBusy as RetryError.
	Check(ctx context.Context, phc string, password idp.Secret) (rehash bool, err error)
	// Acceptable returns an idp.FieldError when a password must not be chosen: too
	// short, too common, or built from the context words, such as the person's name.
	Acceptable(password idp.Secret, context ...string) error
}

// Sealer encrypts what is kept secret at rest; idp/keyring implements it. row is
// the identifier of the row that a sealed value belongs to: under another one it
// does not open.
type Sealer interface {
	Seal(plain []byte, row string) ([]byte, error)
	Open(sealed []byte, row string) ([]byte, error)
	// MAC returns a keyed hash of a value that has to be found again but must not be
	// readable in the database; purpose keeps the hashes of different uses apart.
	MAC(purpose string, value string) [32]byte
}

// Rules are what an operator sets of sign-ins.
type Rules struct {
	SessionIdle     time.Duration    // a session ends when it was not seen for so long; by default 60 min
	SessionAbsolute time.Duration    // a session ends so long after its sign-in; by default 12 h
	Site            func() *idp.Site // name and looks of the provider, as they are now
	Issuer          string           // issuer URL, shown on phones and in QR codes
	Match           idp.MatchMode    // how a phone's approval is matched to the browser that asks; empty: idp.MatchAuto
	Verify          bool             // a phone's approval wants a fingerprint or PIN
}

// Config is what a Flow is built from. Store, Passwords, Sealer and Rules are required.
type Config struct {
	Store     Store
	Passwords Passwords
	Sealer    Sealer
	Rules     Rules
	Wake      func(...idp.Topic) // wakes browsers and phones that wait for news of a topic; does not block; nil: nobody is woken
	Mail      bool               // mail can be sent: whoever has forgotten their password can ask for a link
	Push      func(...idp.Push)  // hands messages over to the push services; does not block; nil: none are sent
	// Describe returns browser and operating system, as phones show them, of a
	// User-Agent header; nil: phones show neither.
	Describe func(agent string) (browser, os string)
	// Act says what a step-up is for, by its target (idp.Login.Target), the person's
	// devices and the language of their account; nil, or returning nil: nothing is said.
	Act func(target string, devices []idp.Device, locale string) *idp.ChallengeAct
	// Network returns the operator's name for the network that a client address is
	// in, or empty; nil: networks have no names.
	Network func(address string) string
	// Place returns the place of a client address in a language (BCP 47), or empty; nil:
	// addresses have no place.
	Place func(address, lang string) string
	// PerAddress counts an authorization request that begins a sign-in in a browser
	// without a session, PerSession one that comes with a live session. Where there
	// were too many ok is false, and retry is how long to wait. nil: no bound.
	PerAddress func(address string) (retry time.Duration, ok bool)
	PerSession func(idp.SessionID) (retry time.Duration, ok bool)
	Now        func() time.Time // nil: time.Now
	Log        *slog.Logger     // nil: slog.Default
}

// Flow decides which step of a sign-in comes next. It is safe for concurrent use:
// what it was built from does not change.
type Flow struct {
	store      Store
	passwords  Passwords
	sealer     Sealer
	rules      Rules
	wake       func(...idp.Topic)
	mail       bool
	push       func(...idp.Push) // nil: no push services
	describe   func(agent string) (browser, os string)
	act        func(target string, devices []idp.Device, locale string) *idp.ChallengeAct
	network    func(address string) string
	place      func(address, lang string) string
	perAddress func(address string) (retry time.Duration, ok bool)
	perSession func(idp.SessionID) (retry time.Duration, ok bool)
	now        func() time.Time
	log        *slog.Logger

	typing turns // one password at a time is hashed per account
}

// New returns a Flow, with defaults for what the configuration leaves out.
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
		describe: c.Describe, act: c.Act, network: c.Network, place: c.Place, perAddress: c.PerAddress, perSession: c.PerSession, now: c.Now, log: c.Log,
	}
}

// Browser is what the door saw of the browser that a request came from.
type Browser struct {
	ID      idp.TokenHash // hash of the binding cookie, which every browser gets at its first request; never zero
	Session idp.Secret    // value of the session cookie, or empty
	Known   idp.Secret    // value of the cookie that a finished sign-in leaves for the next one, or empty
	Address string        // client address
	Agent   string        // User-Agent header, as it was sent
}

// known is the hash of a browser's Known cookie, zero where it has none.
func known(b Browser) idp.TokenHash {
	if b.Known == "" {
		return idp.TokenHash{}
	}
	return b.Known.Hash()
}

// The error codes that an authorization request with prompt=none is answered with
// when a page would be needed (OpenID Connect Core 1.0, section 3.1.2.6).
var (
	ErrLoginRequired   = errors.New("login_required")
	ErrConsentRequired = errors.New("consent_required")
	// ErrNotAdmitted: the person is signed in, but in none of the groups that the
	// client admits (access_denied of RFC 6749, section 4.1.2.1).
	ErrNotAdmitted = errors.New("access_denied")
)

// own returns a sign-in to the browser that is bound to it. Errors: idp.ErrNotFound,
// for another browser's sign-in as for one that does not exist.
func (f *Flow) own(ctx context.Context, id idp.LoginID, b Browser) (*idp.Login, error) {
	l, err := f.store.Login(ctx, id)
	if err != nil {
		return nil, err
	}
	return l, bound(l, b)
}

// bound returns nil when the sign-in was begun in this browser, else idp.ErrNotFound.
func bound(l *idp.Login, b Browser) error {
	if b.ID.IsZero() || subtle.ConstantTimeCompare(l.Browser[:], b.ID[:]) != 1 {
		return fmt.Errorf("sign-in %s in another browser: %w", l.ID, idp.ErrNotFound)
	}
	return nil
}

// waits returns nil when the sign-in is in a state and its time is not up. Errors:
// idp.ErrSettled (another state), idp.ErrExpired.
func waits(l *idp.Login, state idp.LoginState, now time.Time) error {
	switch {
	case l.State != state:
		return fmt.Errorf("sign-in %s is at %s: %w", l.ID, l.State, idp.ErrSettled)
	case !now.Before(l.ExpiresAt):
		return fmt.Errorf("sign-in %s: %w", l.ID, idp.ErrExpired)
	}
	return nil
}

// event returns an event of the audit log about a sign-in, as of now.
func (f *Flow) event(kind idp.EventKind, l *idp.Login, name string, b Browser, detail ...string) idp.Event {
	return eventAt(f.now(), kind, l, name, b.Address, detail...)
}

// eventAt returns an event of the audit log about a sign-in; name is the sign-in
// name of whoever acts, detail are keys, each followed by its value.
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
