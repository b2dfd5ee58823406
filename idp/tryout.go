package idp

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// TryoutTTL is how long a test sign-in may take.
const TryoutTTL = 15 * time.Minute

// TryoutKept is how long its result can be looked at.
const TryoutKept = time.Hour

// TryoutID names a test sign-in.
type TryoutID string

// tryoutMark stands between an application's id and that of a test in the id of
// its double. No id that is registered can hold it.
const tryoutMark = "~"

// Tryout is a test sign-in of an application: the flow as it is for everybody,
// to a double of the application that answers to us and lives for this one
// test, in the browser and the session of the administrator who began it.
//
// The double has every rule of the application as it is at that moment, and
// nothing of what belongs to it: another id, a secret of its own, one redirect
// address, ours. So no rule of the application is loosened for a test, its
// secret is not needed, and what a test is given is of no use there.
type Tryout struct {
	ID          TryoutID
	Of          ClientID
	User        UserID    // who began it, and the only one who may sign in
	Session     SessionID // that it began in
	Browser     TokenHash // that it began in
	State       TokenHash // of the state parameter
	Nonce       TokenHash // of the nonce parameter
	Secret      TokenHash // of the double; zero for a public application
	Sealed      []byte    // what the token request needs: the double's secret, the PKCE verifier
	RedirectURI string
	Again       bool // the person proves themselves anew (prompt=login)
	CreatedAt   time.Time
	ExpiresAt   time.Time
	AnsweredAt  time.Time // the browser came back
	EndedAt     time.Time // there is a result
	Result      *TryoutResult

	Journal `json:"-"`
}

// Client is the id of the double.
func (t *Tryout) Client() ClientID { return t.Of + tryoutMark + ClientID(t.ID) }

// TryoutOf returns the application that a double's id is of, and its test.
func TryoutOf(id ClientID) (of ClientID, test TryoutID, ok bool) {
	a, b, ok := strings.Cut(string(id), tryoutMark)
	return ClientID(a), TryoutID(b), ok
}

// Live returns nil while the double is there. Errors: ErrExpired, ErrSettled.
func (t *Tryout) Live(now time.Time) error {
	switch {
	case !t.EndedAt.IsZero():
		return fmt.Errorf("test %s: %w", t.ID, ErrSettled)
	case !now.Before(t.ExpiresAt):
		return fmt.Errorf("test %s: %w", t.ID, ErrExpired)
	}
	return nil
}

// Double makes the application's double for this test. What the application
// is bound by it keeps, also rules that are added to Client later; what is its
// own (addresses, origins, secrets, name) it does not.
func (t *Tryout) Double(of *Client) *Client {
	c := *of
	c.ID, c.Name, c.Kind = t.Client(), TryoutName(of.Name), ClientWeb
	c.Secrets = nil
	if !c.Public() {
		if c.Auth != AuthPost {
			c.Auth = AuthBasic
		}
		c.Secrets = []ClientSecret{{Hash: t.Secret, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt}}
	}
	c.TLSSubject, c.CertBound = "", false                 // as with keys
	c.JWKS, c.JWKSURI = "", ""                            // nobody but the application has the private keys
	c.Profile, c.RequirePushed, c.DPoP = "", false, false // ours pushes nothing and has no key
	c.Backchannel = ClientBackchannel{}                   // people sign in to it by a browser
	c.Signing = ClientSigning{}                           // nor does it sign; what it is told is the same, signed or not
	c.RedirectURIs, c.PostLogoutURIs, c.Origins = []string{t.RedirectURI}, nil, nil
	c.LogoutURI, c.LogoutSession = "", false // the application is not told of the end of a test
	c.ExchangeTargets, c.Resources = nil, nil
	c.SubjectType, c.SectorURI, c.InitiateURI, c.ChangeSubject = "", "", "", false // it is of another sector
	c.RegisteredBy, c.RegistrationHash = "", TokenHash{}
	c.About, c.Requests.URIs = ClientAbout{}, nil // its names in other languages are not those of a test; nor are its keys here
	c.Audience = nil                              // its own: what a test is given is good nowhere else
	c.CreatedAt, c.UpdatedAt, c.Journal = t.CreatedAt, t.CreatedAt, Journal{}
	return &c
}

// TryoutName is what people are shown of the double, on their phone too.
func TryoutName(app string) string {
	const mark = " (test)"
	if r := []rune(app); len(r)+len(mark) > MaxDisplayName {
		app = string(r[:MaxDisplayName-len(mark)])
	}
	return app + mark
}

// Answer takes the browser coming back, once. Session and browser are those
// that come: an answer that somebody else's browser was given, or that was
// given to somebody else, belongs to no test here. Errors: ErrNotFound,
// ErrSettled, ErrExpired.
func (t *Tryout) Answer(user UserID, session SessionID, browser TokenHash, now time.Time) error {
	if t.User != user || t.Session != session || browser.IsZero() || subtle.ConstantTimeCompare(t.Browser[:], browser[:]) != 1 {
		return fmt.Errorf("test %s of another session: %w", t.ID, ErrNotFound)
	}
	if err := t.Live(now); err != nil {
		return err
	}
	if !t.AnsweredAt.IsZero() {
		return fmt.Errorf("test %s was answered before: %w", t.ID, ErrSettled)
	}
	t.AnsweredAt = now
	return nil
}

// TryoutStep is one step of the flow, and how it went.
type TryoutStep struct {
	Name string        `json:"name"` // "discovery", "signin", "answer", "exchange", "id_token", "userinfo"
	OK   bool          `json:"ok"`
	Why  string        `json:"why,omitempty"`  // message key of what went wrong
	Said string        `json:"said,omitempty"` // what was said of it: an error's text, a device's name, groups
	Took time.Duration `json:"took"`
}

// TryoutResult is what the application would have received. It holds no token.
type TryoutResult struct {
	Steps    []TryoutStep    `json:"steps"`
	IDToken  json.RawMessage `json:"id_token,omitempty"` // claims
	Userinfo json.RawMessage `json:"userinfo,omitempty"` // claims
	Alg      string          `json:"alg,omitempty"`      // the ID token was signed with
	Access   string          `json:"access,omitempty"`   // kind of the access token: "opaque" or "jwt"
	Expires  time.Duration   `json:"expires,omitempty"`  // of the access token
	Refresh  bool            `json:"refresh,omitempty"`  // there was a refresh token
	Asked    []string        `json:"asked,omitempty"`    // scopes that were asked for
	Scopes   []string        `json:"scopes,omitempty"`   // scopes that were given
	Method   string          `json:"method,omitempty"`   // second factor: "push", "code", "recovery", or "session"
}

// OK reports whether every step went well.
func (r *TryoutResult) OK() bool {
	for i := range r.Steps {
		if !r.Steps[i].OK {
			return false
		}
	}
	return len(r.Steps) > 0
}

// Outcome is the result in one word for the log: "good", or the key of what
// went wrong.
func (r *TryoutResult) Outcome() string {
	for i := range r.Steps {
		if !r.Steps[i].OK {
			return r.Steps[i].Why
		}
	}
	return "good"
}

// TryoutAsk is what the built-in relying party has to know of a test.
type TryoutAsk struct {
	Client      ClientID
	Auth        AuthMethod
	Secret      Secret
	RedirectURI string
	Scopes      []string
	State       Secret    // to be sent
	Nonce       Secret    // to be sent
	NonceHash   TokenHash // of the nonce, to compare the ID token's with
	Verifier    Secret    // of PKCE (RFC 7636)
	Subject     UserID    // the only one who may sign in
	Hint        string    // their sign-in name, for login_hint
	Again       bool      // as Tryout.Again
	Refresh     bool      // registered for refreshing
}
