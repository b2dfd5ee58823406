// Package admin is what only an administrator may do to users, devices and
// clients, by page or by command; who asks is an argument.
package admin

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"hilum/idp"
)

var errUnbuilt = errors.New("admin: not built")

// Store is what administration needs kept. Every method is atomic.
type Store interface {
	AddUser(ctx context.Context, u *idp.User) error // idp.ErrConflict: the name is taken
	User(ctx context.Context, id idp.UserID) (*idp.User, error)
	AccountByName(ctx context.Context, name string) (*idp.Account, error)
	Users(ctx context.Context, after string, limit int) ([]idp.Account, error) // by name
	UpdateUser(ctx context.Context, id idp.UserID, fn func(*idp.User) error) error
	// DisableUser sets the state, ends sessions, revokes grants, kills sign-ins
	// under way and open invitations. idp.ErrDenied for the last active administrator.
	DisableUser(ctx context.Context, id idp.UserID, e idp.Event) error
	EnableUser(ctx context.Context, id idp.UserID, e idp.Event) error
	ClearCounters(ctx context.Context, id idp.UserID, e idp.Event) error
	CountUsers(ctx context.Context) (int, error)
	AddInvitation(ctx context.Context, i *idp.Invitation) error // replaces the user's open ones; for set-up, all open set-up links
	Devices(ctx context.Context, user idp.UserID) ([]idp.Device, error)
	RemoveDevice(ctx context.Context, user idp.UserID, id idp.DeviceID, last bool, e idp.Event) error

	AddClient(ctx context.Context, c *idp.Client) error
	Clients(ctx context.Context) ([]idp.Client, error)
	UpdateClient(ctx context.Context, id idp.ClientID, fn func(*idp.Client) error) error // revokes grants when it disables
	RemoveClient(ctx context.Context, id idp.ClientID, e idp.Event) error                // and its grants
}

// Config is what a Desk is built from.
type Config struct {
	Store Store
	Now   func() time.Time
	Log   *slog.Logger
}

// Desk is where administrators act. Safe for concurrent use.
type Desk struct{ Config }

// New returns a Desk.
func New(c Config) *Desk {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Desk{c}
}

// Link is a one-time link: its token, and until when it is good. The door
// makes a URL of it.
type Link struct {
	Token     idp.Secret
	ExpiresAt time.Time
}

// SetupLink makes the one-time link to the first administrator. Errors:
// idp.ErrDenied when the site has users already.
func (d *Desk) SetupLink(ctx context.Context, by idp.Actor) (*Link, error) { return nil, errUnbuilt }

// AddUser makes an account that waits for its invitation. Errors: FieldError, idp.ErrConflict.
func (d *Desk) AddUser(ctx context.Context, by idp.Actor, u *idp.User) error { return errUnbuilt }

// Invite makes a one-time link to choose a password and link the first device,
// or, with devices linked already, idp.ErrConflict. Errors: idp.ErrNotFound, idp.ErrDenied (disabled).
func (d *Desk) Invite(ctx context.Context, by idp.Actor, user idp.UserID) (*Link, error) {
	return nil, errUnbuilt
}

// ResetPassword makes a one-time link to choose a new password; devices stay.
func (d *Desk) ResetPassword(ctx context.Context, by idp.Actor, user idp.UserID) (*Link, error) {
	return nil, errUnbuilt
}

// FindUser looks an account up by sign-in name.
func (d *Desk) FindUser(ctx context.Context, name string) (*idp.Account, error) {
	return nil, errUnbuilt
}

// Users lists accounts by name, after a name, limit at most 1000.
func (d *Desk) Users(ctx context.Context, after string, limit int) ([]idp.Account, error) {
	return nil, errUnbuilt
}

// EditUser changes what fn changes; id, name and state stay.
func (d *Desk) EditUser(ctx context.Context, by idp.Actor, user idp.UserID, fn func(*idp.User)) error {
	return errUnbuilt
}

// Disable ends everything of an account at once. Errors: idp.ErrDenied for the last administrator.
func (d *Desk) Disable(ctx context.Context, by idp.Actor, user idp.UserID, reason string) error {
	return errUnbuilt
}

// Enable takes a disabled account back.
func (d *Desk) Enable(ctx context.Context, by idp.Actor, user idp.UserID) error { return errUnbuilt }

// Unlock clears the counters of wrong tries.
func (d *Desk) Unlock(ctx context.Context, by idp.Actor, user idp.UserID) error { return errUnbuilt }

// Devices lists a person's devices.
func (d *Desk) Devices(ctx context.Context, user idp.UserID) ([]idp.Device, error) {
	return nil, errUnbuilt
}

// Unlink removes a device of a person, the last one too.
func (d *Desk) Unlink(ctx context.Context, by idp.Actor, user idp.UserID, id idp.DeviceID, reason string) error {
	return errUnbuilt
}

// AddClient registers an application and returns its secret, to be shown this
// once (empty for a public one). ID is made when empty. Errors: FieldError, idp.ErrConflict.
func (d *Desk) AddClient(ctx context.Context, by idp.Actor, c *idp.Client) (idp.Secret, error) {
	return "", errUnbuilt
}

// Clients lists applications by name.
func (d *Desk) Clients(ctx context.Context) ([]idp.Client, error) { return nil, errUnbuilt }

// EditClient changes what fn changes, secrets and id excepted.
func (d *Desk) EditClient(ctx context.Context, by idp.Actor, id idp.ClientID, fn func(*idp.Client)) error {
	return errUnbuilt
}

// NewClientSecret adds a second secret, the older of two others going at
// overlap's end. The new one is shown this once.
func (d *Desk) NewClientSecret(ctx context.Context, by idp.Actor, id idp.ClientID, overlap time.Duration) (idp.Secret, error) {
	return "", errUnbuilt
}

// RemoveClient forgets an application and kills its tokens.
func (d *Desk) RemoveClient(ctx context.Context, by idp.Actor, id idp.ClientID) error {
	return errUnbuilt
}

// ValidateClient checks a client's settings against what the provider allows:
// https redirects (http on loopback), no fragment, no wildcard, known grant
// types, scopes, algorithms. Errors: FieldError.
func ValidateClient(c *idp.Client) error { return errUnbuilt }
