package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"hilum/idp"
)

// Link is a one-time link: its token, and until when it is good. The door
// makes a URL of it. One that goes by mail has no token here: it is made when
// the letter is written.
type Link struct {
	Token     idp.Secret
	To        string // mail address it goes to; empty: it is shown
	ExpiresAt time.Time
}

// Via is how a one-time link gets to the person.
type Via string

// The ways there are; any other value counts as ViaLink.
const (
	ViaLink Via = "link" // it is shown to the administrator, once
	ViaMail Via = "mail" // it is written to the person, who alone sees it
)

// Reachable returns nil when a link can get to a person that way. Errors:
// FieldError (this site sends no mail, the person has no address).
func (d *Desk) Reachable(u *idp.User, via Via) error {
	if err := d.sends(via); err != nil {
		return err
	}
	if via == ViaMail && u.Email == "" {
		return &idp.FieldError{Field: "email", Message: "mail.address"}
	}
	return nil
}

// sends returns nil when this site hands out links that way. Errors: FieldError.
func (d *Desk) sends(via Via) error {
	if via == ViaMail && !d.conf.Mail {
		return &idp.FieldError{Field: "mail", Message: "mail.off"}
	}
	return nil
}

// SetupLink makes the one-time link to the first administrator; an older one
// is dead then. It is made while no active account administers the site, also
// where people are there already: else nobody could make one of them an
// administrator. Errors: idp.ErrDenied.
func (d *Desk) SetupLink(ctx context.Context, by By) (*Link, error) {
	if !by.Console {
		return nil, fmt.Errorf("a set-up link is made at the console: %w", idp.ErrDenied)
	}
	return d.invite(ctx, by, &idp.User{}, idp.InviteSetup, idp.SetupLinkTTL, ViaLink)
}

// Administered reports whether an active account administers the site: until
// then a set-up link can be made.
func (d *Desk) Administered(ctx context.Context) (bool, error) { return d.conf.Store.Administered(ctx) }

// AddUser makes an account that waits for its invitation. ID, state and times
// are given here. Errors: FieldError, idp.ErrConflict (the name is taken).
func (d *Desk) AddUser(ctx context.Context, by By, u *idp.User) error {
	if err := d.allow(ctx, by, AddUsers); err != nil {
		return err
	}
	if u.Staff != idp.StaffNone {
		if err := d.allow(ctx, by, EditRoles); err != nil {
			return err
		}
	}
	d.fresh(by, u, idp.NewID[idp.UserID](), d.conf.Now())
	if err := ValidatePerson(u); err != nil {
		return err
	}
	return d.conf.Store.AddUser(ctx, u)
}

// fresh makes of what was typed an account that waits for its invitation.
func (d *Desk) fresh(by By, u *idp.User, id idp.UserID, now time.Time) {
	tidy(u)
	if u.DisplayName == "" {
		u.DisplayName = u.Name
	}
	u.ID, u.State, u.CreatedAt, u.UpdatedAt = id, idp.UserInvited, now, now
	e := d.event(idp.EventUserCreated, by, map[string]string{"user": u.Name, "staff": string(u.Staff)})
	e.User = u.ID
	u.Note(e)
}

// Invite makes a one-time link to choose a password, where there is none, and
// link the first device; an older link is dead then. Errors: idp.ErrNotFound,
// idp.ErrDenied (disabled), idp.ErrConflict (a device is linked already), those
// of Reachable.
func (d *Desk) Invite(ctx context.Context, by By, user idp.UserID, via Via) (*Link, error) {
	if err := d.allow(ctx, by, Invite); err != nil {
		return nil, err
	}
	return d.inviteFirst(ctx, by, user, via)
}

// inviteFirst is Invite; the caller has asked whether by may.
func (d *Desk) inviteFirst(ctx context.Context, by By, user idp.UserID, via Via) (*Link, error) {
	u, err := d.invitable(ctx, by, user, via)
	if err != nil {
		return nil, err
	}
	devices, err := d.conf.Store.Devices(ctx, user)
	if err != nil {
		return nil, err
	}
	if len(devices) > 0 {
		return nil, fmt.Errorf("%d devices are linked; more are linked under Security: %w", len(devices), idp.ErrConflict)
	}
	return d.invite(ctx, by, u, idp.InviteEnrol, idp.InvitationTTL, via)
}

// ResetPassword makes a one-time link to choose a new password; devices stay,
// and the second factor is still asked for. Errors as for Invite, without ErrConflict.
func (d *Desk) ResetPassword(ctx context.Context, by By, user idp.UserID, via Via) (*Link, error) {
	if err := d.allow(ctx, by, ResetPassword); err != nil {
		return nil, err
	}
	u, err := d.invitable(ctx, by, user, via)
	if err != nil {
		return nil, err
	}
	return d.invite(ctx, by, u, idp.InviteReset, idp.InvitationTTL, via)
}

func (d *Desk) invitable(ctx context.Context, by By, user idp.UserID, via Via) (*idp.User, error) {
	u, err := d.conf.Store.User(ctx, user)
	if err != nil {
		return nil, err
	}
	if err := mayInvite(by, u); err != nil {
		return nil, err
	}
	return u, d.Reachable(u, via)
}

// mayInvite returns nil when by may hand out a link to an account.
func mayInvite(by By, u *idp.User) error {
	if err := mayUpon(by, u); err != nil {
		return err
	}
	if u.State == idp.UserDisabled {
		return fmt.Errorf("%s is disabled: %w", u.Name, idp.ErrDenied)
	}
	return nil
}

// invite makes and stores the link for u, which is empty for set-up. Errors: as
// AddInvitation of the Store.
func (d *Desk) invite(ctx context.Context, by By, u *idp.User, purpose idp.InvitationPurpose, ttl time.Duration, via Via) (*Link, error) {
	i, link, may := d.newLink(by, u, purpose, ttl, via)
	if err := d.conf.Store.AddInvitation(ctx, i, may); err != nil {
		return nil, err
	}
	return link, nil
}

// newLink makes the link for u, with the check that the store makes again in the
// transaction that inserts it: a role may have been given since, an address taken
// away.
func (d *Desk) newLink(by By, u *idp.User, purpose idp.InvitationPurpose, ttl time.Duration, via Via) (*idp.Invitation, *Link, func(*idp.User) error) {
	now := d.conf.Now()
	token := idp.NewToken()
	i := &idp.Invitation{
		ID: idp.NewID[idp.InvitationID](), Token: token.Hash(), Purpose: purpose, User: u.ID, By: by.Actor,
		CreatedAt: now, ExpiresAt: now.Add(ttl), Mailed: via == ViaMail,
	}
	e := d.event(idp.EventInvited, by, map[string]string{"purpose": string(purpose)})
	if u.ID != "" {
		e.User, e.Detail["user"] = u.ID, u.Name
	}
	link := &Link{Token: token, ExpiresAt: i.ExpiresAt}
	if via == ViaMail {
		// Nobody gets this token: the letter has another.
		link.Token, e.Detail["by"] = "", "mail"
		i.Mail = idp.NewLinkMail(i)
	}
	i.Note(e)
	return i, link, func(u *idp.User) error {
		if err := mayInvite(by, u); err != nil {
			return err
		}
		if via == ViaMail {
			link.To = u.Email
		}
		return d.Reachable(u, via)
	}
}

// hidden puts a word in place of an account's PasswordHash, where there is one: no
// hash leaves the desk.
func hidden(a *idp.Account) {
	if a.PasswordHash != "" {
		a.PasswordHash = "[secret]"
	}
}

// FindUser looks an account up by sign-in name. PasswordHash says only whether
// there is one. Errors: idp.ErrNotFound.
func (d *Desk) FindUser(ctx context.Context, by By, name string) (*idp.Account, error) {
	if err := d.allow(ctx, by, ReadUsers); err != nil {
		return nil, err
	}
	a, err := d.conf.Store.AccountByName(ctx, idp.FoldName(name))
	if err != nil {
		return nil, err
	}
	hidden(a)
	return a, nil
}

// MaxPage is how many rows a list returns at most.
const MaxPage = 1000

// Users lists the accounts whose sign-in name comes after a name, by name, limit of
// them and MaxPage at most. PasswordHash is as FindUser has it. Errors:
// idp.ErrDenied.
func (d *Desk) Users(ctx context.Context, by By, after string, limit int) ([]idp.Account, error) {
	if err := d.allow(ctx, by, ReadUsers); err != nil {
		return nil, err
	}
	accounts, err := d.conf.Store.Users(ctx, after, min(max(limit, 1), MaxPage))
	for i := range accounts {
		hidden(&accounts[i])
	}
	return accounts, err
}

// EditUser changes what fn changes; id, name and state stay as they are.
// A role in the administration that is given is in the event with the devices
// that are linked then: they answer for it from now on, and fn has to confirm
// them (User.Confirmed). Errors: FieldError, also when other devices are linked than
// were confirmed; idp.ErrNotFound; idp.ErrStale; idp.ErrDenied, also when it would
// leave the site without an administrator.
func (d *Desk) EditUser(ctx context.Context, by By, user idp.UserID, fn func(*idp.User)) error {
	if err := d.allow(ctx, by, EditUsers); err != nil {
		return err
	}
	linked, err := d.conf.Store.Devices(ctx, user)
	if err != nil {
		return err
	}
	return d.conf.Store.UpdateUser(ctx, user, func(u *idp.User) error {
		id, name, state, created, staff := u.ID, u.Name, u.State, u.CreatedAt, u.Staff
		before := *u
		fn(u)
		tidy(u)
		u.ID, u.Name, u.State, u.CreatedAt, u.UpdatedAt = id, name, state, created, d.conf.Now()
		if u.Staff != staff && !by.Console && !May(by.Role, EditRoles) {
			return fmt.Errorf("%s may not %s: %w", by.Actor.Name, EditRoles, idp.ErrDenied)
		}
		if err := newFaults(&before, u); err != nil {
			return err
		}
		e := d.event(idp.EventUserChanged, by, map[string]string{"user": u.Name, "staff": string(u.Staff)})
		e.User = u.ID
		if u.Staff != staff && u.Staff != idp.StaffNone {
			names := make([]string, len(linked))
			for i := range linked {
				names[i] = linked[i].Name
			}
			e.Detail["devices"] = strings.Join(names, ", ")
		}
		u.Note(e)
		return nil
	})
}

// Disable disables an account and ends everything of it at once (idp.CutDisabled):
// sessions, tokens, sign-ins under way, offers of devices, one-time links, known
// browsers. Errors: FieldError (the reason), idp.ErrNotFound, idp.ErrStale,
// idp.ErrDenied, also for the last administrator.
func (d *Desk) Disable(ctx context.Context, by By, user idp.UserID, reason string) error {
	e, err := d.about(ctx, BlockUsers, idp.EventUserDisabled, by, user, reason)
	if err != nil {
		return err
	}
	return d.conf.Store.DisableUser(ctx, user, e)
}

// Enable takes a disabled account back: it is active when it has a password and a
// device, else invited. Errors: idp.ErrNotFound.
func (d *Desk) Enable(ctx context.Context, by By, user idp.UserID) error {
	e, err := d.about(ctx, BlockUsers, idp.EventUserEnabled, by, user, "")
	if err != nil {
		return err
	}
	return d.conf.Store.EnableUser(ctx, user, e)
}

// Unlock clears the counters of wrong tries against a person, and lets their phones
// be asked again. Errors: idp.ErrNotFound.
func (d *Desk) Unlock(ctx context.Context, by By, user idp.UserID) error {
	e, err := d.about(ctx, Unlock, idp.EventUserUnlocked, by, user, "")
	if err != nil {
		return err
	}
	return d.conf.Store.ClearCounters(ctx, user, e)
}

// Devices lists a person's devices, oldest first, without what is sealed.
func (d *Desk) Devices(ctx context.Context, by By, user idp.UserID) ([]idp.Device, error) {
	if err := d.allow(ctx, by, ReadDevices); err != nil {
		return nil, err
	}
	return d.bareDevices(ctx, user)
}

func (d *Desk) bareDevices(ctx context.Context, user idp.UserID) ([]idp.Device, error) {
	devices, err := d.conf.Store.Devices(ctx, user)
	for i := range devices {
		devices[i].SealedTOTP, devices[i].PublicKey, devices[i].SealedPush = nil, nil, nil
	}
	return devices, err
}

// Why is the reason for unlinking.
type Why struct {
	Reason string // for the log; at the console it may be left out
	// Lost: somebody else may have the device. All that they could go on with is
	// cut off: sessions, tokens, sign-ins, offers, links, known browsers, recovery codes.
	Lost bool
}

// how is how the administration unlinks a device: the last one may go, too.
func (w Why) how() idp.Unlinking {
	if w.Lost {
		return idp.Unlinking{Last: true, Cause: idp.CutLost}
	}
	return idp.Unlinking{Last: true, Cause: idp.CutUnlinked}
}

// Unlink removes a device of a person, the last one too. Errors: idp.ErrNotFound.
func (d *Desk) Unlink(ctx context.Context, by By, user idp.UserID, id idp.DeviceID, why Why) error {
	e, err := d.about(ctx, UnlinkDevice, idp.EventDeviceUnlinked, by, user, why.Reason)
	if err != nil {
		return err
	}
	devices, err := d.conf.Store.Devices(ctx, user)
	if err != nil {
		return err
	}
	for _, dev := range devices {
		if dev.ID == id {
			e.Device, e.Detail["name"], e.Detail["kind"] = id, dev.Name, string(dev.Kind)
			err := d.conf.Store.RemoveDevice(ctx, user, id, why.how(), e)
			d.look(user)
			return err
		}
	}
	return fmt.Errorf("device %s: %w", id, idp.ErrNotFound)
}

// MaxReason bounds the reason that is given for an act, in runes.
const MaxReason = 200

// validReason checks why something was done. At the console it may be left out.
func validReason(reason string, asked bool) error {
	least := 0
	if asked {
		least = 1
	}
	return idp.ValidText("reason", reason, least, MaxReason)
}

// about asks whether by may do an act to a person, and returns the event of it.
// Errors: FieldError (the reason), idp.ErrDenied, idp.ErrStale, idp.ErrNotFound.
func (d *Desk) about(ctx context.Context, act Act, kind idp.EventKind, by By, user idp.UserID, reason string) (idp.Event, error) {
	asked := act == BlockUsers && kind == idp.EventUserDisabled || act == UnlinkDevice
	if err := validReason(reason, asked && !by.Console); err != nil {
		return idp.Event{}, err
	}
	if err := d.allow(ctx, by, act); err != nil {
		return idp.Event{}, err
	}
	u, err := d.conf.Store.User(ctx, user)
	if err != nil {
		return idp.Event{}, err
	}
	if err := mayUpon(by, u); err != nil {
		return idp.Event{}, err
	}
	e := d.event(kind, by, map[string]string{"user": u.Name})
	if reason != "" {
		e.Detail["reason"] = reason
	}
	e.User = user
	return e, nil
}
