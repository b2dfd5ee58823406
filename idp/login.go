package idp

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// LoginState says what a sign-in waits for.
type LoginState string

const (
	LoginPassword  LoginState = "password"  // user name and password
	LoginFactor    LoginState = "factor"    // an approved challenge, a code, or a recovery code
	LoginFirst     LoginState = "first"     // an approved challenge or a code, before a password is looked at
	LoginLast      LoginState = "last"      // the password, the second factor was given
	LoginEnrol     LoginState = "enrol"     // the first device, by invitation only
	LoginConsent   LoginState = "consent"   // yes or no to what the client is told
	LoginDone      LoginState = "done"      // the browser to come and collect
	LoginCollected LoginState = "collected" // final
	LoginDenied    LoginState = "denied"    // nothing but to be told
	LoginExpired   LoginState = "expired"   // final
)

// LoginInput is what can happen to a sign-in.
type LoginInput string

const (
	OnPassword  LoginInput = "password right"
	OnInvited   LoginInput = "password right, by invitation" // nothing linked yet
	OnClosed    LoginInput = "passwords closed"              // too many wrong ones by strangers: none is looked at
	OnFactor    LoginInput = "factor right"
	OnSpent     LoginInput = "tries spent"
	OnLinked    LoginInput = "first device linked"
	OnReset     LoginInput = "password chosen anew" // the second factor is still asked for
	OnAllow     LoginInput = "consent given"
	OnRefuse    LoginInput = "consent refused"
	OnDeny      LoginInput = "denied" // on a phone, or by the person in the browser
	OnStartOver LoginInput = "start over"
	OnCollect   LoginInput = "collected"
	OnSession   LoginInput = "signed in meanwhile" // in another tab of the browser
	OnExpire    LoginInput = "time is up"
)

// LoginStates and LoginInputs list all there are, for the tables of tests.
var (
	LoginStates = []LoginState{LoginPassword, LoginFactor, LoginFirst, LoginLast, LoginEnrol, LoginConsent, LoginDone, LoginCollected, LoginDenied, LoginExpired}
	LoginInputs = []LoginInput{OnPassword, OnInvited, OnClosed, OnFactor, OnSpent, OnLinked, OnReset, OnAllow, OnRefuse, OnDeny, OnStartOver, OnCollect, OnSession, OnExpire}
)

// after is the whole state machine: from a state, by an event, to a state.
// What is not here is refused. Three rules stand in Apply: where consent is wanted
// a step into done leads to consent first; a step-up never goes back to the password,
// because there it could become somebody else's, nor does a sign-in that has a new
// password in hand; and a session answers only what asks for no more than somebody who is
// signed in: no step-up, no one-time link.
var after = map[LoginState]map[LoginInput]LoginState{
	LoginPassword: {OnPassword: LoginFactor, OnSession: LoginDone, OnInvited: LoginEnrol, OnClosed: LoginFirst, OnDeny: LoginDenied, OnExpire: LoginExpired, OnStartOver: LoginPassword},
	LoginFactor:   {OnFactor: LoginDone, OnSession: LoginDone, OnSpent: LoginPassword, OnDeny: LoginDenied, OnExpire: LoginExpired, OnStartOver: LoginPassword},
	LoginFirst:    {OnFactor: LoginLast, OnSession: LoginDone, OnSpent: LoginPassword, OnDeny: LoginDenied, OnExpire: LoginExpired, OnStartOver: LoginPassword},
	LoginLast:     {OnPassword: LoginDone, OnSession: LoginDone, OnClosed: LoginFirst, OnDeny: LoginDenied, OnExpire: LoginExpired, OnStartOver: LoginPassword},
	LoginEnrol:    {OnLinked: LoginDone, OnReset: LoginFactor, OnDeny: LoginDenied, OnExpire: LoginExpired},
	LoginConsent:  {OnAllow: LoginDone, OnRefuse: LoginDenied, OnDeny: LoginDenied, OnExpire: LoginExpired, OnStartOver: LoginPassword},
	LoginDone:     {OnCollect: LoginCollected, OnExpire: LoginExpired, OnDeny: LoginDenied}, // «it wasn't me», before the browser has it
	LoginDenied:   {OnCollect: LoginCollected},                                              // the client is told of the refusal, once; nothing else can come of it
}

// LoginPurpose is what a sign-in is for.
type LoginPurpose string

const (
	ForClient     LoginPurpose = "client"     // an authorization request of a relying party
	ForAccount    LoginPurpose = "account"    // our own pages
	ForStepUp     LoginPurpose = "stepup"     // a fresh second factor within a session
	ForInvitation LoginPurpose = "invitation" // an invitation, a reset or the set-up link
)

// AuthRequest is a validated authorization request (OpenID Connect Core 1.0,
// section 3.1.2.1), as kept with the sign-in.
type AuthRequest struct {
	Client       ClientID        `json:"client"`
	RedirectURI  string          `json:"redirect_uri"`
	ResponseMode string          `json:"response_mode"` // "query", "fragment" or "form_post", or one of these and ".jwt"
	Scopes       []string        `json:"scopes"`
	State        string          `json:"state,omitempty"`
	Nonce        string          `json:"nonce,omitempty"`
	Challenge    string          `json:"challenge,omitempty"` // PKCE S256
	Prompt       []string        `json:"prompt,omitempty"`
	MaxAge       *int64          `json:"max_age,omitempty"`   // seconds
	HintUser     UserID          `json:"hint_user,omitempty"` // the only one who may sign in: sub of the id_token_hint or of the claims request, or who was invited
	LoginHint    string          `json:"login_hint,omitempty"`
	UILocales    []string        `json:"ui_locales,omitempty"`
	ACRValues    []string        `json:"acr_values,omitempty"`
	Claims       json.RawMessage `json:"claims,omitempty"`
	Resources    []string        `json:"resources,omitempty"`    // absolute URIs of the APIs that tokens are asked for (RFC 8707); none: what the client is registered for
	Study        string          `json:"study,omitempty"`        // UID of the study that was opened in the client (DICOM PS3.5, section 9.1), as it has pushed it; patient data
	Named        []string        `json:"named_claims,omitempty"` // of Claims those about the person that the client may have and Scopes do not cover
	Display      string          `json:"display,omitempty"`
	JKT          string          `json:"dpop_jkt,omitempty"` // thumbprint of the key that the code is bound to (RFC 9449, section 10)
	Signed       *RequestKey     `json:"signed,omitempty"`   // by which key of the client the request was; nil: it was not (RFC 9101)
	Pushed       PushedID        `json:"pushed,omitempty"`   // where it was pushed: it gives a code once; empty: it was not
	Polled       PolledID        `json:"polled,omitempty"`   // where its client asks for the outcome: there is no redirect URI; empty: it does not
}

// RequestKey is the key of a client that has signed an authorization request.
type RequestKey struct {
	Thumbprint string `json:"jkt"` // RFC 7638, SHA-256
	Alg        string `json:"alg"` // RFC 7518, section 3.1
}

// Prompts reports whether the request asks for a prompt value.
func (r *AuthRequest) Prompts(value string) bool { return slices.Contains(r.Prompt, value) }

// Authentication context classes that can be asked for and are returned.
const (
	ACRMultiFactor = "https://refeds.org/profile/mfa" // password and a second factor: every sign-in here
)

// ACRValues lists what discovery publishes.
var ACRValues = []string{ACRMultiFactor}

// Lifetimes and bounds of a sign-in.
const (
	LoginTTL      = 15 * time.Minute
	EnrolTTL      = 45 * time.Minute // of one that links a first device: longer than an offer to link is open
	MaxWrongCodes = 5                // then back to the password
)

// Login is one sign-in: one row, one state machine. The step shown is derived
// from it, never from the request.
type Login struct {
	ID         LoginID
	Purpose    LoginPurpose
	State      LoginState
	Browser    TokenHash   // the browser that started it; every request is compared
	Request    AuthRequest // ForClient only
	Target     string      // ForAccount, ForStepUp: which of our own pages comes after; ForInvitation: its purpose
	User       UserID      // who, once known; LoginFirst: whose name was typed, if there is somebody
	Who        string      // LoginFirst: CounterKey.Who of the tries for the name that was typed
	Session    SessionID   // the session of this browser when it began, if any
	Invitation InvitationID
	NewName    string // set-up only: the account to be made
	NewDisplay string
	Pairing    PairingID // enrol: the open offer
	NewHash    string    // PHC string of a password that was chosen, until a second factor lets the account have it
	// Held is what was posted when the second factor was asked for first, sealed under
	// HeldRow: a form that is sent on when the factor was given (ForStepUp).
	Held       []byte
	WrongCodes int
	AskConsent bool // the client wants the person to be asked
	Consented  bool
	PasswordAt time.Time
	FactorAt   time.Time
	AuthTime   time.Time // frozen when done
	ACR        string
	AMR        []string
	Device     DeviceID    // that gave the second factor, or denied
	Challenge  ChallengeID // the latest that phones were asked
	Sends      int         // how often they were
	CreatedAt  time.Time
	ExpiresAt  time.Time

	Journal `json:"-"`
}

// HeldRow names what a sign-in holds as the sealed value of a row.
func HeldRow(id LoginID) string { return string(id) + "/held" }

// Apply moves the sign-in by one input. Errors: ErrExpired when its time is
// up, ErrSettled when its state does not know the input.
func (l *Login) Apply(on LoginInput, now time.Time) error {
	if on != OnExpire && !now.Before(l.ExpiresAt) {
		return fmt.Errorf("sign-in %s: %w", l.ID, ErrExpired)
	}
	to, ok := after[l.State][on]
	if !ok || on == OnSession && l.Purpose != ForClient && l.Purpose != ForAccount {
		return fmt.Errorf("sign-in %s: %s in state %s: %w", l.ID, on, l.State, ErrSettled)
	}
	if to == LoginDone && l.AskConsent && !l.Consented && on != OnAllow {
		to = LoginConsent
	}
	if (to == LoginPassword || to == LoginFirst) && (l.Purpose == ForStepUp || l.NewHash != "") {
		to = LoginDenied
	}
	switch on {
	case OnAllow:
		l.Consented = true
	case OnSpent, OnStartOver, OnClosed, OnSession:
		l.forget()
	default: // the rest changes the state alone
	}
	if to == LoginDenied || to == LoginExpired {
		l.NewHash, l.Held = "", nil // nothing can come of it any more
	}
	l.State = to
	return nil
}

// forget takes back everything the person has proven, so that nothing of it
// can count for somebody else who goes on in the same browser.
func (l *Login) forget() {
	l.User, l.Who, l.Device, l.WrongCodes, l.Consented = "", "", "", 0, false
	l.PasswordAt, l.FactorAt, l.AuthTime = time.Time{}, time.Time{}, time.Time{}
	l.ACR, l.AMR, l.Challenge, l.NewHash = "", nil, "", ""
}

// Final reports whether nothing can happen any more.
func (l *Login) Final() bool { return len(after[l.State]) == 0 }

// Asks reports whether the sign-in waits for a proof of who it is: a password, a second
// factor.
func (l *Login) Asks() bool {
	switch l.State {
	case LoginPassword, LoginFactor, LoginFirst, LoginLast:
		return true
	case LoginEnrol, LoginConsent, LoginDone, LoginCollected, LoginDenied, LoginExpired:
	}
	return false
}

// Proof is what changes together while a person proves who they are: the
// sign-in, the counter of wrong tries, and what the proof is checked against.
type Proof struct {
	Login   *Login
	Counter *Counter
	Devices []Device // active ones of Login.User, for codes, given first or after the password
	// PasswordAt is when the password of the counter's person was chosen, zero
	// where there is none: a password that was right a moment ago may not be by now.
	PasswordAt time.Time
	Recovery   []RecoveryCode // unused ones of Login.User, for recovery codes
}

// Collection is what comes into being when a browser collects a finished
// sign-in: stored in one transaction with the login's last step.
type Collection struct {
	Login   *Login
	Old     *Session // the session this browser had, if it lives; may be changed
	Session *Session // to be inserted; nil when Old goes on
	Grant   *Grant   // ForClient only
	Code    *Code    // ForClient only
	Consent *Consent // to be remembered, if any
	Refused bool     // the sign-in, although it was finished: a polled request of it is denied
	Known   *Known   // the browser, to be known from now on
	// PasswordHash is to be the account's; that signs the person out everywhere
	// else. Because is the event of it, Invitation the link, which is used up.
	PasswordHash string
	Because      Event
	Invitation   *Invitation // where a new password waits: the link it was chosen by, open or not; nil: it is gone
}

// Enrolment is what comes into being when an invitation is used: the password
// and, unless it is a reset, the first device.
type Enrolment struct {
	Login        *Login
	Invitation   *Invitation
	User         *User // to be inserted for a set-up link, else updated
	NewUser      bool
	PasswordHash string   // to be set; empty: unchanged
	Pairing      *Pairing // to be used up; nil for a reset
	Device       *Device  // to be inserted; nil for a reset
	Recovery     []RecoveryCode
}

// Known is a browser that a person has finished a sign-in in.
type Known struct {
	N         int64     // its number, given by the store
	Old       TokenHash // what the browser had; zero: nothing
	Token     TokenHash // what it gets, for everybody it is known to
	Browser   TokenHash // its binding cookie, see Login.Browser: whoever ends its session makes it unknown
	User      UserID
	Agent     string    // User-Agent at the latest sign-in, bounded; empty: it was not kept yet
	Address   string    // client address at the latest sign-in; empty: likewise
	At        time.Time // of the latest sign-in
	ExpiresAt time.Time
}

// KnownFor is how long a browser stays known after a sign-in.
const KnownFor = 30 * 24 * time.Hour
