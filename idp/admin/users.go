package admin

import (
	"context"
	"fmt"
	"time"

	"hilum/idp"
)

// Link is a one-time link: its token, and until when it is good. The door
// makes a URL of it.
type Link struct {
	Token     idp.Secret
	ExpiresAt time.Time
}

// SetupLink makes the one-time link to the first administrator; an older one
// is dead then. Errors: idp.ErrDenied when the site has users already.
func (d *Desk) SetupLink(ctx context.Context, by idp.Actor) (*Link, error) {
	n, err := d.Store.CountUsers(ctx)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		return nil, fmt.Errorf("this site has users, an administrator can invite more: %w", idp.ErrDenied)
	}
	return d.invite(ctx, by, &idp.User{}, idp.InviteSetup, idp.SetupLinkTTL)
}

// AddUser makes an account that waits for its invitation. ID, state and times
// are given here. Errors: FieldError, idp.ErrConflict (the name is taken).
func (d *Desk) AddUser(ctx context.Context, by idp.Actor, u *idp.User) error {
	u.Name = idp.FoldName(u.Name)
	if u.DisplayName == "" {
		u.DisplayName = u.Name
	}
	if err := u.Validate(); err != nil {
		return err
	}
	now := d.Now()
	u.ID, u.State, u.CreatedAt, u.UpdatedAt = idp.NewID[idp.UserID](), idp.UserInvited, now, now
	e := d.event(idp.EventUserCreated, by, map[string]string{"user": u.Name, "staff": string(u.Staff)})
	e.User = u.ID
	u.Note(e)
	return d.Store.AddUser(ctx, u)
}

// Invite makes a one-time link to choose a password, where there is none, and
// link the first device; an older link is dead then. Errors: idp.ErrNotFound,
// idp.ErrDenied (disabled), idp.ErrConflict (a device is linked already).
func (d *Desk) Invite(ctx context.Context, by idp.Actor, user idp.UserID) (*Link, error) {
	u, err := d.invitable(ctx, user)
	if err != nil {
		return nil, err
	}
	devices, err := d.Store.Devices(ctx, user)
	if err != nil {
		return nil, err
	}
	if len(devices) > 0 {
		return nil, fmt.Errorf("%d devices are linked; more are linked under Security: %w", len(devices), idp.ErrConflict)
	}
	return d.invite(ctx, by, u, idp.InviteEnrol, idp.InvitationTTL)
}

// ResetPassword makes a one-time link to choose a new password; devices stay,
// and the second factor is still asked for. Errors as for Invite, without ErrConflict.
func (d *Desk) ResetPassword(ctx context.Context, by idp.Actor, user idp.UserID) (*Link, error) {
	u, err := d.invitable(ctx, user)
	if err != nil {
		return nil, err
	}
	return d.invite(ctx, by, u, idp.InviteReset, idp.InvitationTTL)
}

func (d *Desk) invitable(ctx context.Context, user idp.UserID) (*idp.User, error) {
	u, err := d.Store.User(ctx, user)
	if err != nil {
		return nil, err
	}
	if u.State == idp.UserDisabled {
		return nil, fmt.Errorf("%s is disabled: %w", u.Name, idp.ErrDenied)
	}
	return u, nil
}

// invite makes the link for u, which is empty for set-up.
func (d *Desk) invite(ctx context.Context, by idp.Actor, u *idp.User, purpose idp.InvitationPurpose, ttl time.Duration) (*Link, error) {
	now := d.Now()
	token := idp.NewToken()
	i := &idp.Invitation{
		ID: idp.NewID[idp.InvitationID](), Token: token.Hash(), Purpose: purpose, User: u.ID, By: by,
		CreatedAt: now, ExpiresAt: now.Add(ttl),
	}
	e := d.event(idp.EventInvited, by, map[string]string{"purpose": string(purpose)})
	if u.ID != "" {
		e.User, e.Detail["user"] = u.ID, u.Name
	}
	i.Note(e)
	if err := d.Store.AddInvitation(ctx, i); err != nil {
		return nil, err
	}
	return &Link{Token: token, ExpiresAt: i.ExpiresAt}, nil
}

// FindUser looks an account up by sign-in name. Errors: idp.ErrNotFound.
func (d *Desk) FindUser(ctx context.Context, name string) (*idp.Account, error) {
	return d.Store.AccountByName(ctx, idp.FoldName(name))
}

// MaxPage is how many rows a list returns at most.
const MaxPage = 1000

// Users lists accounts by name, after a name, limit at most MaxPage.
func (d *Desk) Users(ctx context.Context, after string, limit int) ([]idp.Account, error) {
	return d.Store.Users(ctx, after, min(max(limit, 1), MaxPage))
}

// EditUser changes what fn changes; id, name and state stay as they are.
// Errors: FieldError, idp.ErrNotFound, idp.ErrDenied when it would leave the
// site without an administrator.
func (d *Desk) EditUser(ctx context.Context, by idp.Actor, user idp.UserID, fn func(*idp.User)) error {
	return d.Store.UpdateUser(ctx, user, func(u *idp.User) error {
		id, name, state, created := u.ID, u.Name, u.State, u.CreatedAt
		fn(u)
		u.ID, u.Name, u.State, u.CreatedAt, u.UpdatedAt = id, name, state, created, d.Now()
		if err := u.Validate(); err != nil {
			return err
		}
		e := d.event(idp.EventUserChanged, by, map[string]string{"user": u.Name, "staff": string(u.Staff)})
		e.User = u.ID
		u.Note(e)
		return nil
	})
}

// Disable ends everything of an account at once: sessions, tokens, sign-ins
// under way, open invitations. Errors: idp.ErrNotFound, idp.ErrDenied for the
// last administrator.
func (d *Desk) Disable(ctx context.Context, by idp.Actor, user idp.UserID, reason string) error {
	e, err := d.about(ctx, idp.EventUserDisabled, by, user, reason)
	if err != nil {
		return err
	}
	return d.Store.DisableUser(ctx, user, e)
}

// Enable takes a disabled account back. Errors: idp.ErrNotFound.
func (d *Desk) Enable(ctx context.Context, by idp.Actor, user idp.UserID) error {
	e, err := d.about(ctx, idp.EventUserEnabled, by, user, "")
	if err != nil {
		return err
	}
	return d.Store.EnableUser(ctx, user, e)
}

// Unlock clears the counters of wrong tries. Errors: idp.ErrNotFound.
func (d *Desk) Unlock(ctx context.Context, by idp.Actor, user idp.UserID) error {
	e, err := d.about(ctx, idp.EventUserUnlocked, by, user, "")
	if err != nil {
		return err
	}
	return d.Store.ClearCounters(ctx, user, e)
}

// Devices lists a person's devices, oldest first.
func (d *Desk) Devices(ctx context.Context, user idp.UserID) ([]idp.Device, error) {
	return d.Store.Devices(ctx, user)
}

// Unlink removes a device of a person, the last one too. Errors: idp.ErrNotFound.
func (d *Desk) Unlink(ctx context.Context, by idp.Actor, user idp.UserID, id idp.DeviceID, reason string) error {
	e, err := d.about(ctx, idp.EventDeviceUnlinked, by, user, reason)
	if err != nil {
		return err
	}
	devices, err := d.Store.Devices(ctx, user)
	if err != nil {
		return err
	}
	for _, dev := range devices {
		if dev.ID == id {
			e.Device, e.Detail["name"], e.Detail["kind"] = id, dev.Name, string(dev.Kind)
			return d.Store.RemoveDevice(ctx, user, id, true, e)
		}
	}
	return fmt.Errorf("device %s: %w", id, idp.ErrNotFound)
}

// maxReason is in runes.
const maxReason = 200

func (d *Desk) about(ctx context.Context, kind idp.EventKind, by idp.Actor, user idp.UserID, reason string) (idp.Event, error) {
	if err := idp.ValidText("reason", reason, 0, maxReason); err != nil {
		return idp.Event{}, err
	}
	u, err := d.Store.User(ctx, user)
	if err != nil {
		return idp.Event{}, err
	}
	e := d.event(kind, by, map[string]string{"user": u.Name})
	if reason != "" {
		e.Detail["reason"] = reason
	}
	e.User = user
	return e, nil
}
