package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"hilum/idp"
)

// SearchUsers is the list of people. PasswordHash says only whether there is
// one. Errors: idp.ErrDenied, FieldError (a facet, an order or a key that there
// is none of).
func (d *Desk) SearchUsers(ctx context.Context, by By, q idp.UserQuery) (*idp.UserPage, error) {
	if err := d.allow(ctx, by, ReadUsers); err != nil {
		return nil, err
	}
	return d.conf.Store.SearchUsers(ctx, q)
}

// User returns one account. Errors: idp.ErrDenied, idp.ErrNotFound.
func (d *Desk) User(ctx context.Context, by By, id idp.UserID) (*idp.User, error) {
	if err := d.allow(ctx, by, ReadUsers); err != nil {
		return nil, err
	}
	return d.conf.Store.User(ctx, id)
}

// ShownHistory is how many events a person's page shows.
const ShownHistory = 20

// UserHistory is what happened to a person, newest first, ShownHistory at most:
// for whoever helps them. Errors: idp.ErrDenied, idp.ErrNotFound for an empty id.
func (d *Desk) UserHistory(ctx context.Context, by By, id idp.UserID) ([]idp.Event, error) {
	if err := d.allow(ctx, by, ReadUsers); err != nil {
		return nil, err
	}
	if id == "" {
		return nil, fmt.Errorf("user: %w", idp.ErrNotFound)
	}
	found, err := d.searchEvents(ctx, idp.EventQuery{User: id, Page: idp.Page{Limit: ShownHistory}})
	if err != nil {
		return nil, err
	}
	return found.Rows, nil
}

// Factors is what a person can prove themselves with, and what holds them back.
// Errors: idp.ErrDenied, idp.ErrNotFound.
func (d *Desk) Factors(ctx context.Context, by By, id idp.UserID) (*idp.Factors, error) {
	if err := d.allow(ctx, by, ReadUsers); err != nil {
		return nil, err
	}
	a, err := d.conf.Store.Account(ctx, id)
	if err != nil {
		return nil, err
	}
	now := d.conf.Now()
	f := &idp.Factors{Password: a.PasswordHash != "", RecoveryLeft: a.RecoveryLeft}
	if f.Devices, err = d.bareDevices(ctx, id); err != nil {
		return nil, err
	}
	counters, err := d.conf.Store.Counters(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, c := range counters {
		if now.Before(c.NextAt) {
			f.Locked = append(f.Locked, c)
		}
	}
	if f.Guard, err = d.conf.Store.Guard(ctx, id); err != nil {
		return nil, err
	}
	sessions, err := d.conf.Store.Sessions(ctx, id, now)
	if err != nil {
		return nil, err
	}
	f.Sessions = len(sessions)
	f.Invitation, err = d.conf.Store.OpenInvitation(ctx, id, now)
	if errors.Is(err, idp.ErrNotFound) {
		return f, nil
	}
	return f, err
}

// Invited says what became of one person of several.
type Invited struct {
	User idp.UserID
	Name string // sign-in name, when the account was found
	Link *Link  // nil with Err
	Err  error  // as Invite
}

// MaxInvite is how many people one call invites.
const MaxInvite = 1000

// InviteMany is Invite for several, each in a transaction of its own, reported
// in the order they were named. progress is told how many are done; nil: nobody.
// Errors, with nothing done: idp.ErrDenied, idp.ErrStale, FieldError (none or too
// many, this site sends no mail); and that of ctx when it ends, with what was done
// by then.
func (d *Desk) InviteMany(ctx context.Context, by By, users []idp.UserID, via Via, progress func(done int)) ([]Invited, error) {
	if err := d.allow(ctx, by, Invite); err != nil {
		return nil, err
	}
	if len(users) == 0 || len(users) > MaxInvite {
		return nil, &idp.FieldError{Field: "users", Message: "users.count"}
	}
	if err := d.sends(via); err != nil {
		return nil, err
	}
	out := make([]Invited, 0, len(users))
	for _, id := range users {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		one := Invited{User: id}
		if u, err := d.conf.Store.User(ctx, id); err == nil {
			one.Name = u.Name
		}
		one.Link, one.Err = d.inviteFirst(ctx, by, id, via)
		out = append(out, one)
		if progress != nil {
			progress(len(out))
		}
	}
	return out, nil
}

// UsersCSV writes all that a query finds, whatever its page, as DevicesCSV does,
// and leaves an event. Errors: as DevicesCSV.
func (d *Desk) UsersCSV(ctx context.Context, by By, q idp.UserQuery, format ExportFormat, w io.Writer) (result error) {
	if err := d.allow(ctx, by, ReadUsers); err != nil {
		return err
	}
	out := newSheet(w, format, "username", "name", "given_name", "family_name", "email", "phone", "locale", "roles", "groups", "state", "staff", "devices", "added_at")
	q.Page = idp.Page{Limit: idp.MaxListPage}
	rows := 0
	for first := true; ; first = false {
		p, err := d.conf.Store.SearchUsers(ctx, q)
		if first {
			if err != nil {
				return err // nothing has left
			}
			defer func() { result = d.Exported(ctx, by, ListUsers, FilterOfUsers(&q), rows, result) }()
		}
		if err != nil {
			return err
		}
		rows += len(p.Rows)
		for i := range p.Rows {
			u := &p.Rows[i].User
			out.row(u.Name, u.DisplayName, u.GivenName, u.FamilyName, u.Email, u.Phone, u.Locale, WriteList(u.Roles), WriteList(u.Groups),
				string(u.State), string(u.Staff), strconv.Itoa(p.Rows[i].Devices), stamp(u.CreatedAt))
		}
		if err := out.flush(); err != nil || p.Next == "" {
			return err
		}
		q.After = p.Next
	}
}
