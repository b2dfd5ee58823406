// Package admin is what only an administrator may do to users, devices and
// clients, by page or by command; who asks is an argument.
//
// No verb here can read a seed or set a password that somebody knows: what an
// administrator hands out is a one-time link, and the person does the rest.
package admin

import (
	"context"
	"log/slog"
	"time"

	"hilum/idp"
)

// Store is what administration needs kept. Every method is atomic.
type Store interface {
	AddUser(ctx context.Context, u *idp.User) error // idp.ErrConflict: the name is taken
	User(ctx context.Context, id idp.UserID) (*idp.User, error)
	AccountByName(ctx context.Context, name string) (*idp.Account, error)
	Users(ctx context.Context, after string, limit int) ([]idp.Account, error) // by name
	// UpdateUser: idp.ErrDenied when fn takes its role from the last active administrator.
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

func (d *Desk) event(kind idp.EventKind, by idp.Actor, detail map[string]string) idp.Event {
	return idp.Event{At: d.Now(), Kind: kind, Actor: by, Detail: detail}
}
