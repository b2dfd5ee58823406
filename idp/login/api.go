package login

import (
	"context"
	"errors"
	"time"

	"hilum/idp"
)

var errUnbuilt = errors.New("login: not built")

// What an authorization request with prompt=none is answered with when a page
// would be needed (OpenID Connect Core 1.0, section 3.1.2.6).
var (
	ErrLoginRequired       = errors.New("login_required")
	ErrConsentRequired     = errors.New("consent_required")
	ErrInteractionRequired = errors.New("interaction_required")
)

// Answer is what the browser takes back to where it came from.
type Answer struct {
	Purpose idp.LoginPurpose
	Request idp.AuthRequest // ForClient
	Target  string          // ForAccount, ForStepUp
	Code    idp.Secret      // ForClient: the authorization code; empty when denied
	Denied  bool            // the person, or a phone, said no
	Session idp.Secret      // new value of the session cookie; empty: leave the cookie as it is
}

// Step is what to show now. It is derived from the row.
type Step struct {
	ID         idp.LoginID
	Purpose    idp.LoginPurpose
	State      idp.LoginState
	Client     *idp.Client     // ForClient, else nil; read only
	Request    idp.AuthRequest // ForClient
	Target     string
	UserName   string // once the password was right
	LoginHint  string // to fill the name field with
	Devices    int    // linked devices of the user; 0 at state factor: «no device linked»
	Recovery   bool   // there are unused recovery codes
	WrongCodes int
	ExpiresAt  time.Time
	Enrol      *EnrolStep // at state enrol
	Scopes     []string   // at state consent: what is asked for
}

// EnrolStep is what the invitation page shows.
type EnrolStep struct {
	Purpose     idp.InvitationPurpose
	NeedName    bool // set-up: the account's names come first
	NeedLink    bool // a device is to be linked: the offer is below
	NeedPass    bool // a password is to be chosen
	UserName    string
	DisplayName string
	URI         string // otpauth link for the QR code
	Secret      string // base32, for typing
	ExpiresAt   time.Time
	WrongCodes  int
	ServerTime  time.Time
}

// Authorize answers an authorization request that the door has validated: at
// once from a live session that satisfies it (Answer), or by beginning a
// sign-in (Step). With prompt=none it never begins one and returns
// ErrLoginRequired, ErrConsentRequired or ErrInteractionRequired.
func (f *Flow) Authorize(ctx context.Context, req idp.AuthRequest, b Browser) (*Answer, *Step, error) {
	return nil, nil, errUnbuilt
}

// StartAccount begins a sign-in for our own pages.
func (f *Flow) StartAccount(ctx context.Context, target string, b Browser) (*Step, error) {
	return nil, errUnbuilt
}

// StartStepUp begins a sign-in at the second factor within a live session.
func (f *Flow) StartStepUp(ctx context.Context, s *idp.Session, target string, b Browser) (*Step, error) {
	return nil, errUnbuilt
}

// Invitation says what a one-time link is for, without using it. Errors:
// idp.ErrNotFound, ErrExpired, ErrSettled.
func (f *Flow) Invitation(ctx context.Context, token idp.Secret) (*idp.Invitation, *idp.User, error) {
	return nil, nil, errUnbuilt
}

// StartInvitation begins a sign-in from a one-time link; the link stays good
// until the enrolment is finished.
func (f *Flow) StartInvitation(ctx context.Context, token idp.Secret, b Browser) (*Step, error) {
	return nil, errUnbuilt
}

// Step returns what to show. Errors: idp.ErrNotFound (also for another browser).
func (f *Flow) Step(ctx context.Context, id idp.LoginID, b Browser) (*Step, error) {
	return nil, errUnbuilt
}

// Password takes user name and password. Errors: idp.ErrWrongSecret (unknown
// name, wrong password and disabled account alike), idp.ErrTooMany and
// idp.ErrBusy as RetryError, idp.ErrSettled, idp.ErrExpired, idp.ErrNotFound.
func (f *Flow) Password(ctx context.Context, id idp.LoginID, b Browser, name string, password idp.Secret) (*Step, error) {
	return nil, errUnbuilt
}

// Code takes six digits from a device, spaces and dashes ignored. Errors:
// idp.ErrWrongSecret, idp.ErrCodeUsed, idp.ErrInvalid (not six digits; not
// counted), idp.ErrTooMany as RetryError, ErrSettled, ErrExpired, ErrNotFound.
// After MaxWrongCodes the returned Step is back at the password.
func (f *Flow) Code(ctx context.Context, id idp.LoginID, b Browser, code string) (*Step, error) {
	return nil, errUnbuilt
}

// Recovery takes a recovery code, in any case, with spaces and dashes. Errors
// as for Code.
func (f *Flow) Recovery(ctx context.Context, id idp.LoginID, b Browser, code string) (*Step, error) {
	return nil, errUnbuilt
}

// Consent takes the person's yes or no.
func (f *Flow) Consent(ctx context.Context, id idp.LoginID, b Browser, allow bool) (*Step, error) {
	return nil, errUnbuilt
}

// StartOver forgets what was proven and goes back to the password.
func (f *Flow) StartOver(ctx context.Context, id idp.LoginID, b Browser) (*Step, error) {
	return nil, errUnbuilt
}

// Cancel ends a sign-in at the person's wish; the client is told access_denied.
func (f *Flow) Cancel(ctx context.Context, id idp.LoginID, b Browser) (*Step, error) {
	return nil, errUnbuilt
}

// NameAccount takes the names of the first administrator, at set-up.
func (f *Flow) NameAccount(ctx context.Context, id idp.LoginID, b Browser, name, display string) (*Step, error) {
	return nil, errUnbuilt
}

// EnrolForm is what the invitation page posts.
type EnrolForm struct {
	Password   idp.Secret
	Code       string
	DeviceName string
}

// Enrol uses an invitation: sets the password, links the first device, in one
// transaction. It returns the recovery codes, to be shown this once (nil for a
// reset). Errors: FieldError, idp.ErrWrongSecret (the code), ErrExpired,
// ErrSettled, ErrBusy, ErrConflict.
func (f *Flow) Enrol(ctx context.Context, id idp.LoginID, b Browser, form EnrolForm) (*Step, []idp.Secret, error) {
	return nil, nil, errUnbuilt
}

// Collect gives a finished or denied sign-in to the browser that is bound to
// it, once. Errors: idp.ErrNotFound, ErrSettled (collected before, or not
// finished), ErrExpired.
func (f *Flow) Collect(ctx context.Context, id idp.LoginID, b Browser) (*Answer, error) {
	return nil, errUnbuilt
}

// Session returns the live session behind a cookie and its user, and notes
// that it was seen. Errors: idp.ErrNotFound for anything not live.
func (f *Flow) Session(ctx context.Context, token idp.Secret) (*idp.Session, *idp.User, error) {
	return nil, nil, errUnbuilt
}

// SessionView is a session as its owner sees it.
type SessionView struct {
	idp.Session
	Clients []SessionClientView
}

// SessionClientView is an application signed in to from a session.
type SessionClientView struct {
	Name   string
	LastAt time.Time
}

// Sessions lists a person's live sessions, newest first.
func (f *Flow) Sessions(ctx context.Context, user idp.UserID) ([]SessionView, error) {
	return nil, errUnbuilt
}

// EndSession ends one session of the person and every token it gave.
func (f *Flow) EndSession(ctx context.Context, actor idp.Actor, user idp.UserID, id idp.SessionID) error {
	return errUnbuilt
}

// EndOthers ends all sessions of the person but one.
func (f *Flow) EndOthers(ctx context.Context, actor idp.Actor, user idp.UserID, keep idp.SessionID) error {
	return errUnbuilt
}

// ChangePassword needs the old password and a fresh second factor. All other
// sessions end. Errors: idp.ErrStale, ErrWrongSecret, FieldError, ErrTooMany, ErrBusy.
func (f *Flow) ChangePassword(ctx context.Context, s *idp.Session, old, new idp.Secret) error {
	return errUnbuilt
}
