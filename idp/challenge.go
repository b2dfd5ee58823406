package idp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// ChallengeState says what became of a question to somebody's phones.
type ChallengeState string

const (
	ChallengePending   ChallengeState = "pending"   // asked
	ChallengeApproved  ChallengeState = "approved"  // «Login»; the browser has not taken it yet
	ChallengeDenied    ChallengeState = "denied"    // «Deny»; final
	ChallengeWrong     ChallengeState = "wrong"     // the number did not match; final
	ChallengeWithdrawn ChallengeState = "withdrawn" // nobody waits for an answer any more; final
	ChallengeTaken     ChallengeState = "taken"     // the browser has moved on by it; final
)

// ChallengeInput is what can happen to a challenge.
type ChallengeInput string

const (
	OnApproved  ChallengeInput = "approved"     // by a phone
	OnDenied    ChallengeInput = "denied"       // by a phone
	OnNotMe     ChallengeInput = "not me"       // denied by a phone, with «it wasn't me»
	OnWrong     ChallengeInput = "wrong number" // approved by a phone, with a number that does not match
	OnWithdrawn ChallengeInput = "withdrawn"    // nobody waits for the answer any more
	OnTaken     ChallengeInput = "taken"        // the browser has moved on by the approval
)

// ChallengeStates and ChallengeInputs list all there are, for the tables of tests.
var (
	ChallengeStates = []ChallengeState{ChallengePending, ChallengeApproved, ChallengeDenied, ChallengeWrong, ChallengeWithdrawn, ChallengeTaken}
	ChallengeInputs = []ChallengeInput{OnApproved, OnDenied, OnNotMe, OnWrong, OnWithdrawn, OnTaken}
)

// answered is the whole state machine of a challenge. The first answer wins,
// but for one: «it wasn't me» beats an approval, also one that somebody has signed in
// by, and says more than a plain denial.
var answered = map[ChallengeState]map[ChallengeInput]ChallengeState{
	ChallengePending: {
		OnApproved: ChallengeApproved, OnDenied: ChallengeDenied, OnNotMe: ChallengeDenied, OnWrong: ChallengeWrong, OnWithdrawn: ChallengeWithdrawn,
	},
	ChallengeApproved: {OnTaken: ChallengeTaken, OnNotMe: ChallengeDenied, OnWithdrawn: ChallengeWithdrawn},
	ChallengeTaken:    {OnNotMe: ChallengeDenied},
	ChallengeDenied:   {OnNotMe: ChallengeDenied},
}

// Times and bounds of challenges.
const (
	ChallengeTTL = 120 * time.Second // from the question to the answer
	CollectTTL   = 60 * time.Second  // from the approval until the browser has taken it
	NotMeFor     = 15 * time.Minute  // from an answer until «it wasn't me» is not taken any more
	ResendAfter  = 20 * time.Second  // from one send to the next that the person wishes for
	MaxSends     = 3                 // per sign-in
	MaxPending   = 2                 // per person
)

// ChallengePurpose says what is asked for.
type ChallengePurpose string

const (
	ToLogin  ChallengePurpose = "login"
	ToPair   ChallengePurpose = "pair"
	ToStepUp ChallengePurpose = "stepup"
)

// MatchMode says how the person with the phone shows that they look at the
// browser that asks.
type MatchMode string

const (
	MatchAuto   MatchMode = "auto"   // a setting only: tap or type, as the sign-in looks
	MatchTap    MatchMode = "tap"    // Login or Deny
	MatchType   MatchMode = "type"   // a number of two digits is typed on the phone
	MatchPick   MatchMode = "pick"   // one of three numbers is picked
	MatchStrict MatchMode = "strict" // a number of six digits is typed (NIST SP 800-63B-4, section 3.1.3.2)
)

// MatchModes are those that can be set.
var MatchModes = []MatchMode{MatchAuto, MatchTap, MatchType, MatchPick, MatchStrict}

// Challenge is one question to all phones of a person: one row, one state.
type Challenge struct {
	ID         ChallengeID
	Purpose    ChallengePurpose
	User       UserID    // empty while the person is being made by a set-up link
	Login      LoginID   // ToLogin, ToStepUp
	Pairing    PairingID // ToPair
	Browser    TokenHash // that asked
	Address    string    // client address that asked
	Mode       MatchMode
	Verify     bool   // an approval has to be given with a fingerprint or PIN
	Verified   bool   // it was
	Number     string // shown in the browser. Phones are not told: only the person knows it, by MatchPick which of three it is
	Doc        string // the ChallengeDoc that phones are shown, byte for byte
	State      ChallengeState
	Device     DeviceID // that answered
	Reason     string   // of a denial: "not_me", "mistake" or none
	CreatedAt  time.Time
	SentAt     time.Time // latest send
	ExpiresAt  time.Time
	AnsweredAt time.Time

	Journal `json:"-"`
}

// ChallengeDoc is what a phone is shown, the doc of docs/device-protocol.md.
type ChallengeDoc struct {
	V          int              `json:"v"`
	CID        ChallengeID      `json:"cid"`
	Nonce      string           `json:"nonce"`
	Purpose    ChallengePurpose `json:"purpose"`
	Issuer     string           `json:"iss"`
	Account    string           `json:"account"`
	App        string           `json:"app"`
	IP         string           `json:"ip"`
	Net        string           `json:"net,omitempty"`
	Place      string           `json:"place,omitempty"`
	Browser    string           `json:"browser"`
	OS         string           `json:"os"`
	NewBrowser bool             `json:"new_browser"`
	// NewPassword: a yes gives the account a new password. Left out when false.
	NewPassword bool           `json:"new_password,omitempty"`
	At          int64          `json:"at"`  // seconds since 1970
	Exp         int64          `json:"exp"` // seconds since 1970
	Match       ChallengeMatch `json:"match"`
	// Must names what a phone has to understand to approve. Left out when empty.
	Must []string      `json:"must,omitempty"`
	Act  *ChallengeAct `json:"act,omitempty"` // ToStepUp: what is confirmed; nil: nothing is said of it
}

// MustVerify is the entry of ChallengeDoc.Must by which an approval has to be signed by
// the key that asks for a fingerprint or PIN.
const MustVerify = "uv"

// ChallengeAct is what a person is about to do who confirms that it is them.
type ChallengeAct struct {
	Key  string `json:"key"`            // for apps that have words of their own: "password", "recovery", "link", "unlink", "administration"
	Name string `json:"name,omitempty"` // "unlink": the name of the device
	Text string `json:"text"`           // for all others, in the language of the account
}

// ActMessage is the key of an act that an application asks for without a browser: its text is
// the application's name and what it shows the person besides (binding_message).
const ActMessage = "message"

// ChallengeMatch tells a phone how it is answered.
type ChallengeMatch struct {
	Mode    MatchMode `json:"mode"` // tap, type or pick
	Choices []string  `json:"choices,omitempty"`
	Len     int       `json:"len,omitempty"`
}

// Text returns the doc as it is kept, sent and hashed.
func (d *ChallengeDoc) Text() string {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return string(b)
}

// DocHash is the ch of an answer: base64url of the SHA-256 of the doc's bytes.
func (c *Challenge) DocHash() string {
	h := sha256.Sum256([]byte(c.Doc))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// Reasons of a denial.
const (
	ReasonNotMe   = "not_me"  // somebody else is at the browser
	ReasonMistake = "mistake" // the person is, and did not mean to
)

// Verdict is what a phone answers.
type Verdict struct {
	Approve bool
	NotMe   bool   // with a denial
	Reason  string // of a denial: "not_me", "mistake" or none
	Number  string // that was typed or picked; empty for a tap
	// Verified: it was signed by the key that asks for a fingerprint or PIN.
	Verified bool
}

// Apply moves the challenge by one input. Errors: ErrSettled when its state does not
// know the input.
func (c *Challenge) Apply(on ChallengeInput) error {
	to, ok := answered[c.State][on]
	if !ok {
		return fmt.Errorf("challenge %s: %s in state %s: %w", c.ID, on, c.State, ErrSettled)
	}
	c.State = to
	return nil
}

// Open reports whether an answer is still waited for: nil, ErrSettled or ErrExpired.
func (c *Challenge) Open(now time.Time) error {
	switch {
	case c.State != ChallengePending:
		return fmt.Errorf("challenge %s is %s: %w", c.ID, c.State, ErrSettled)
	case !now.Before(c.ExpiresAt):
		return fmt.Errorf("challenge %s: %w", c.ID, ErrExpired)
	}
	return nil
}

// Answer takes what a device says. changed is false when it said the same
// before. A wrong number closes the challenge: the state is then ChallengeWrong
// and err is nil. What cannot be a number of it closes nothing: a slip of an app, not
// of the person. Errors: ErrInvalid (no number as the challenge asks for, or one where
// it asks for none), ErrUnverified, ErrSettled, ErrExpired.
func (c *Challenge) Answer(v Verdict, by DeviceID, now time.Time) (changed bool, err error) {
	if v.Approve && !c.canBe(v.Number) {
		return false, fmt.Errorf("challenge %s: a number of %d digits is asked for: %w", c.ID, len(c.Number), ErrInvalid)
	}
	if v.Approve && c.Verify && !v.Verified {
		return false, fmt.Errorf("challenge %s: %w", c.ID, ErrUnverified)
	}
	on := OnDenied
	switch {
	case v.NotMe && !v.Approve:
		on = OnNotMe
	case v.Approve && c.matches(v.Number):
		on = OnApproved
	case v.Approve:
		on = OnWrong
	}
	// A number is looked at once: what is said later tells nothing about it.
	said := c.State
	if said == ChallengeTaken {
		said = ChallengeApproved
	}
	switch {
	case c.Device == by && (said == ChallengeApproved || said == ChallengeDenied) && v.Reason == c.Reason && answered[ChallengePending][on] == said:
		return false, nil
	case on == OnNotMe && c.State == ChallengeDenied && c.Reason == ReasonNotMe:
		return false, nil // by another phone of theirs: an alarm counts once
	case c.State == ChallengePending && !now.Before(c.ExpiresAt), c.State != ChallengePending && on == OnNotMe && !now.Before(c.AnsweredAt.Add(NotMeFor)):
		return false, fmt.Errorf("challenge %s: %w", c.ID, ErrExpired)
	}
	if err := c.Apply(on); err != nil {
		return false, err
	}
	c.Device, c.Reason, c.AnsweredAt, c.Verified = by, v.Reason, now, v.Approve && v.Verified
	return true, nil
}

// canBe reports whether a text has the form of the number that is asked for: as many
// ASCII digits, none for a tap.
func (c *Challenge) canBe(number string) bool {
	return len(number) == len(c.Number) && strings.Trim(number, "0123456789") == ""
}

func (c *Challenge) matches(number string) bool {
	return subtle.ConstantTimeCompare([]byte(c.Number), []byte(number)) == 1
}

// Spend lets the browser move on by an approval, once. Errors: ErrSettled,
// ErrExpired when it came too late.
func (c *Challenge) Spend(now time.Time) error {
	if c.State == ChallengeApproved && !now.Before(c.AnsweredAt.Add(CollectTTL)) {
		return fmt.Errorf("challenge %s: approved too long ago: %w", c.ID, ErrExpired)
	}
	return c.Apply(OnTaken)
}

// PushGuard is what is remembered of a person's phones being asked. package
// limit holds the rules.
type PushGuard struct {
	User UserID `json:"-"`
	// Asked, Known and First are when phones were asked since the last approval,
	// oldest first, as far as the rules look back: by strange browsers, by browsers
	// that the person knows, and before any password. Back are those of Asked that
	// were taken back.
	Asked []time.Time `json:"asked,omitempty"`
	Back  []TakenBack `json:"back,omitempty"`
	Known []time.Time `json:"known,omitempty"`
	First []time.Time `json:"first,omitempty"`
	// FirstAt is until when nothing is asked before a password.
	FirstAt  time.Time `json:"first_at,omitzero"`
	DeniedAt time.Time `json:"denied_at,omitzero"`
	NotMeAt  time.Time `json:"not_me_at,omitzero"`
	Off      bool      `json:"off,omitempty"` // no phone is asked, until the password changes or an administrator acts
	Quiet    []Quiet   `json:"quiet,omitempty"`
}

// TakenBack is a question whose answer the browser that asked does not wait for
// any more, at its person's wish.
type TakenBack struct {
	At      time.Time `json:"at"`
	Browser TokenHash `json:"browser"`
}

// Quiet is a browser and a network whose sign-ins no phone is asked about for
// a while.
type Quiet struct {
	Browser TokenHash `json:"browser"`
	Network string    `json:"network"`
	Until   time.Time `json:"until"`
}

// Asking is what changes together when phones are asked, when one answers, and
// when the browser takes the answer.
type Asking struct {
	Challenge *Challenge  // the one in question; nil: none was asked
	Login     *Login      // nil while pairing
	Pairing   *Pairing    // nil while signing in
	Guard     *PushGuard  // of the person; empty while there is none
	Others    []Challenge // the person's other challenges that are pending; those that get another state are written
	Devices   []Device    // active ones of the person

	New  *Challenge // to be inserted
	Link *Device    // to be inserted: pairing was approved; ErrConflict for a sixth
	// Session, Grant and Code are to be inserted: an application that asked without a browser
	// is answered. nil: none is.
	Session *Session
	Grant   *Grant
	Code    *Code
	Ping    *Ping   // to be inserted: an application that asks is told when there is an answer
	Cut     *CutOff // what the answer takes away; a session that has ended already is as good
}

// Topic is what somebody can wait for; a wake-up is a hint to look.
type Topic string

// TopicKeys tells a provider that the signing keys have changed.
const TopicKeys Topic = "k"

// TopicLogin wakes the browser of a sign-in.
func TopicLogin(id LoginID) Topic { return Topic("l" + id) }

// TopicChanged is for whoever can tell phones that a person's devices have changed; see
// ChangedOf.
func TopicChanged(id UserID) Topic { return Topic("c" + id) }

// ChangedOf returns whose devices have changed, of a TopicChanged.
func ChangedOf(t Topic) (UserID, bool) {
	user, ok := strings.CutPrefix(string(t), "c")
	return UserID(user), ok
}

// TopicUser wakes every phone of a person.
func TopicUser(id UserID) Topic { return Topic("u" + id) }

// TopicPairing wakes the page with the QR code, and the phone that scanned it.
func TopicPairing(id PairingID) Topic { return Topic("p" + id) }
