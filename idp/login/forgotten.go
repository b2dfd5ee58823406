package login

import (
	"context"
	"fmt"

	"hilum/idp"
	"hilum/idp/limit"
)

// maxTypedAddress is how much of a typed name or mail address is looked at, in
// bytes.
const maxTypedAddress = idp.MaxEmail

// Forgotten takes a sign-in name or mail address, and stores a mail with a link to a
// new password for the person who has it. It does the same for every name, so that
// nobody learns by it who has an account: whether somebody has the name, and whether
// they may be written to, is looked up when the mail is sent (Whose), after this
// request was answered. lang is the language of the page (BCP 47), and of the mail.
// Errors: idp.FieldError (nothing was typed), idp.ErrDenied (mail cannot be sent),
// ErrSettled, ErrExpired, ErrNotFound.
func (f *Flow) Forgotten(ctx context.Context, id idp.LoginID, b Browser, typed, lang string) error {
	l, err := f.own(ctx, id, b)
	if err != nil {
		return err
	}
	now := f.now()
	if err := waits(l, idp.LoginPassword, now); err != nil {
		return err
	}
	if !f.mail || l.Purpose == idp.ForInvitation {
		return fmt.Errorf("a link cannot be asked for: %w", idp.ErrDenied)
	}
	typed = idp.FoldName(typed)
	if err := idp.ValidText("username", typed, 1, maxTypedAddress); err != nil {
		return err
	}
	mail := idp.NewID[idp.MailID]()
	sealed, err := f.sealer.Seal([]byte(typed), string(mail)) // people type passwords into the wrong field
	if err != nil {
		return err
	}
	m := idp.NewForgotten(mail, sealed, b.Address, lang, now)
	m.Note(f.event(idp.EventForgotten, l, "", b))
	return f.store.AddMail(ctx, m)
}

// Whose finds the person that a mail about a forgotten password goes to, and makes
// the invitation whose link it carries. Errors: idp.ErrNotFound where nobody has what
// was typed, where they may not be written to (no mail address, no device, or
// written to too often), and where the mail's time is up.
func (f *Flow) Whose(ctx context.Context, m *idp.Mail) (idp.UserID, idp.InvitationID, error) {
	now := f.now()
	if !now.Before(m.Until) {
		return "", "", fmt.Errorf("mail %s: nobody waits for it any more: %w", m.ID, idp.ErrNotFound)
	}
	typed, err := f.sealer.Open(m.Typed, string(m.ID))
	if err != nil {
		return "", "", fmt.Errorf("mail %s: %w", m.ID, err)
	}
	a, err := f.named(ctx, string(typed))
	if err != nil {
		return "", "", err
	}
	// Nobody gets in by a mail alone: who has nothing linked goes to the helpdesk.
	// Wrong passwords, of whomever, do not keep the owner from a new one: the
	// second factor comes before it counts.
	if a.User.State != idp.UserActive || a.User.Email == "" || a.PasswordHash == "" || a.Devices == 0 {
		return "", "", fmt.Errorf("%s cannot reset a password by mail: %w", a.User.ID, idp.ErrNotFound)
	}
	err = f.store.UpdateCounter(ctx, idp.CounterKey{Kind: idp.CountForgotten, Who: string(a.User.ID)}, nil, func(c *idp.Counter) error {
		if err := limit.Forgotten.Allow(c, now); err != nil {
			return fmt.Errorf("%s was written to too often: %w", a.User.ID, idp.ErrNotFound)
		}
		limit.Forgotten.Wrong(c, now)
		return nil
	})
	if err != nil {
		return "", "", err
	}
	i := &idp.Invitation{
		ID: idp.NewID[idp.InvitationID](), Token: idp.NewToken().Hash(), Purpose: idp.InviteForgotten, User: a.User.ID,
		By: idp.Actor{Name: "provider"}, CreatedAt: now, ExpiresAt: now.Add(idp.ForgottenTTL),
	}
	i.Note(idp.Event{
		At: now, Kind: idp.EventInvited, Actor: i.By, User: a.User.ID, Address: m.Address,
		Detail: map[string]string{"purpose": string(i.Purpose), "user": a.User.Name},
	})
	if err := f.store.AddInvitation(ctx, i, func(u *idp.User) error {
		if u.State != idp.UserActive {
			return fmt.Errorf("%s is %s: %w", u.ID, u.State, idp.ErrNotFound)
		}
		return nil
	}); err != nil {
		return "", "", err
	}
	return a.User.ID, i.ID, nil
}
