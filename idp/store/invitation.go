package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
)

type invitationRow struct {
	ID        string `gorm:"primaryKey"`
	Token     []byte
	Purpose   string
	UserID    string
	ByUser    string
	ByName    string
	CreatedAt int64 `gorm:"autoCreateTime:false"`
	ExpiresAt int64
	UsedAt    int64
	Mailed    bool
	MAC       []byte
}

func (invitationRow) TableName() string { return "invitations" }

func invitationRowOf(i *idp.Invitation) *invitationRow {
	return &invitationRow{
		ID: string(i.ID), Token: i.Token[:], Purpose: string(i.Purpose), UserID: string(i.User),
		ByUser: string(i.By.User), ByName: i.By.Name,
		CreatedAt: micros(i.CreatedAt), ExpiresAt: micros(i.ExpiresAt), UsedAt: micros(i.UsedAt),
		Mailed: i.Mailed,
	}
}

func (r *invitationRow) invitation() (*idp.Invitation, error) {
	token, err := hash(r.Token)
	return &idp.Invitation{
		ID: idp.InvitationID(r.ID), Token: token, Purpose: idp.InvitationPurpose(r.Purpose), User: idp.UserID(r.UserID),
		By:        idp.Actor{User: idp.UserID(r.ByUser), Name: r.ByName},
		CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt), UsedAt: moment(r.UsedAt),
		Mailed: r.Mailed,
	}, err
}

func (s *session) invitationOf(id idp.InvitationID) (*idp.Invitation, error) {
	i, err := s.invitationWhere("id = ?", string(id))
	if err != nil {
		return nil, fmt.Errorf("invitation %s: %w", id, err)
	}
	return i, nil
}

func (s *session) invitationWhere(condition string, key any) (*idp.Invitation, error) {
	var row invitationRow
	if err := s.ORM().Take(&row, condition, key).Error; err != nil {
		return nil, s.Translate(err)
	}
	if err := s.fits(&row, idp.UserID(row.UserID)); err != nil {
		return nil, err
	}
	return row.invitation()
}

// AddInvitation inserts a one-time link in place of the open ones of its person or, for
// set-up, of all open set-up links, with the mail that carries it. One that a person has
// asked for replaces only such ones: whoever knows a name can ask, and takes nothing away
// by it. may decides by the person as they are at that moment. Errors: idp.ErrNotFound,
// that of may.
func (db *DB) AddInvitation(ctx context.Context, i *idp.Invitation, may func(*idp.User) error) error {
	events := i.Take()
	return db.write(ctx, func(t *tx) error {
		if i.User != "" {
			if err := t.hold(ofPerson(i.User)); err != nil {
				return err
			}
		}
		return t.addInvitation(i, events, may)
	})
}

func (t *tx) addInvitation(i *idp.Invitation, events []idp.Event, may func(*idp.User) error) error {
	row := invitationRowOf(i)
	row.Mailed = i.Mail != nil
	if row.UserID != "" {
		u, err := userOf(t, i.User)
		if err != nil {
			return err
		}
		if err := may(u); err != nil {
			return err
		}
	} else if err := t.nobodyAdministers(); err != nil {
		return err
	}
	stale := t.ORM().Where("user_id = ? AND used_at = 0", row.UserID)
	if i.Purpose == idp.InviteForgotten {
		stale = stale.Where("purpose = ?", row.Purpose)
	}
	if err := errors.Join(stale.Delete(&invitationRow{}).Error, t.bind(row)); err != nil {
		return err
	}
	if err := t.ORM().Create(row).Error; err != nil {
		return fmt.Errorf("invitation %s: %w", i.ID, t.Translate(err))
	}
	if i.Mail != nil {
		if err := t.addMail(i.Mail); err != nil {
			return err
		}
	}
	return t.note(events...)
}

// Reopen unlinks every device of a person, cuts off all that they have, and
// makes the link to a first device, in one transaction. unlinked is the event of
// each device. Errors: idp.ErrNotFound, those of may.
func (db *DB) Reopen(ctx context.Context, i *idp.Invitation, because idp.Event, unlinked func(*idp.Device) idp.Event, may func(*idp.User) error) ([]idp.Device, error) {
	events := i.Take()
	because.At = db.at(because)
	var gone []idp.Device
	err := db.write(ctx, func(t *tx) error {
		gone = nil
		if err := t.hold(ofPerson(i.User)); err != nil {
			return err
		}
		if err := t.lockUser(string(i.User)); err != nil {
			return err
		}
		rows, err := activeDevices(t, i.User)
		if err != nil {
			return err
		}
		for n := range rows {
			d := rows[n].device()
			e := unlinked(&d)
			e.At = because.At
			if err := t.dropDevice(&rows[n], e); err != nil {
				return err
			}
			gone = append(gone, d)
		}
		if err := t.note(because); err != nil {
			return err
		}
		if _, err := t.cutOff(idp.CutOff{User: i.User, Cause: idp.CutReopened, Because: because}); err != nil {
			return err
		}
		return t.addInvitation(i, events, may)
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// RenewInvitation gives an open one-time link another token; the one before stops working.
// Errors: idp.ErrNotFound, ErrSettled, ErrExpired.
func (db *DB) RenewInvitation(ctx context.Context, id idp.InvitationID, token idp.TokenHash, now time.Time) (*idp.Invitation, error) {
	var renewed *idp.Invitation
	err := db.write(ctx, func(t *tx) error {
		if err := t.holdOwner("SELECT user_id FROM invitations WHERE id = ?", []any{string(id)}, ofThing("link", string(id))); err != nil {
			return err
		}
		i, err := t.invitationOf(id)
		if err != nil {
			return err
		}
		if err := t.ours(i.User); err != nil {
			return err
		}
		if err := i.Open(now); err != nil {
			return fmt.Errorf("invitation %s: %w", id, err)
		}
		i.Token, renewed = token, i
		return t.putInvitation(id, i)
	})
	return renewed, err
}

// InvitationByToken returns a one-time link, open or not. Errors: idp.ErrNotFound.
func (db *DB) InvitationByToken(ctx context.Context, token idp.TokenHash) (*idp.Invitation, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	i, err := r.invitationWhere("token = ?", token[:])
	if err != nil {
		return nil, fmt.Errorf("invitation: %w", err)
	}
	return i, nil
}

// OpenInvitation returns the one-time link that a person could use now, without
// its token; one that they asked for themselves is not counted. Errors: idp.ErrNotFound.
func (db *DB) OpenInvitation(ctx context.Context, user idp.UserID, now time.Time) (*idp.Invitation, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var row invitationRow
	err = r.ORM().Take(&row, "user_id = ? AND used_at = 0 AND expires_at > ? AND purpose <> ?", string(user), micros(now), string(idp.InviteForgotten)).Error
	if err != nil {
		return nil, fmt.Errorf("invitation: %w", r.Translate(err))
	}
	row.Token = make([]byte, len(row.Token))
	return row.invitation()
}

// putInvitation writes a one-time link back. Errors: idp.ErrSettled when it was used before.
func (t *tx) putInvitation(id idp.InvitationID, i *idp.Invitation) error {
	row := invitationRowOf(i)
	row.ID = string(id)
	if err := t.bind(row); err != nil {
		return err
	}
	r := t.ORM().Select("*").Where("id = ? AND used_at = 0", row.ID).Updates(row)
	if r.Error != nil {
		return r.Error
	}
	if r.RowsAffected == 0 {
		return fmt.Errorf("invitation %s: %w", id, idp.ErrSettled)
	}
	return t.note(i.Take()...)
}

// Enrol stores what comes into being when an invitation is used (idp.Enrolment). A
// password that replaces one cuts off what was begun with that. Errors: idp.ErrNotFound;
// idp.ErrConflict for a sixth device or a taken name; idp.ErrSettled for an invitation or
// a pairing that was used; idp.ErrDenied for a set-up link where somebody administers by
// now.
func (db *DB) Enrol(ctx context.Context, id idp.LoginID, fn func(*idp.Enrolment) error) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.holdEnrolment(id); err != nil {
			return err
		}
		e, err := t.enrolment(id)
		if err != nil {
			return err
		}
		invitation := e.Invitation.ID
		var user idp.User
		if e.User != nil {
			user = *e.User
		}
		if err := fn(e); err != nil {
			return err
		}
		if e.User != nil {
			if e.NewUser {
				// The link was made while nobody administered. Somebody may by now.
				if err := t.nobodyAdministers(); err != nil {
					return err
				}
				err = t.addUser(e.User)
			} else {
				err = t.putUser(&user, e.User)
			}
			if err != nil {
				return err
			}
		}
		if e.PasswordHash != "" {
			if err := t.putPassword(e.User.ID, e.PasswordHash, db.now()); err != nil {
				return err
			}
			if err := t.forgiveGuard(e.User.ID); err != nil {
				return err
			}
		}
		if e.Device != nil {
			if err := t.addDevice(e.Device); err != nil {
				return err
			}
		}
		if len(e.Recovery) > 0 {
			if err := t.putCodes(e.User.ID, e.Recovery); err != nil {
				return err
			}
		}
		if e.Pairing != nil {
			if err := t.putPairing(e.Login.Pairing, e.Pairing); err != nil {
				return err
			}
		}
		if err := t.putInvitation(invitation, e.Invitation); err != nil {
			return err
		}
		if e.NewUser {
			if err := t.dropSetupLinks(); err != nil {
				return err
			}
		}
		if err := t.putLogin(e.Login); err != nil || e.PasswordHash == "" {
			return err
		}
		// By now the link and the offer that were used are written as used.
		_, err = t.cutOff(idp.CutOff{
			User: e.User.ID, Cause: idp.CutReset, Login: id,
			Because: idp.Event{At: db.now(), Kind: idp.EventInvitationUsed, Actor: idp.Actor{User: e.User.ID, Name: e.User.Name}},
		})
		return err
	})
}

// holdEnrolment holds a sign-in by invitation, the invitation, its person, and the offer that is
// linked by it. Of an account that is made there is no person yet.
func (t *tx) holdEnrolment(id idp.LoginID) error {
	err := t.holdOwner("SELECT i.user_id FROM logins l JOIN invitations i ON i.id = l.invitation_id WHERE l.id = ?", []any{string(id)}, ofLogin(id))
	err = errors.Join(err, t.holdRow("link ", "SELECT invitation_id FROM logins WHERE id = ?", string(id)))
	return errors.Join(err, t.holdRow("offer ", "SELECT pairing_id FROM logins WHERE id = ?", string(id)))
}

// enrolment reads what a sign-in by invitation is about to change.
func (t *tx) enrolment(id idp.LoginID) (*idp.Enrolment, error) {
	l, err := loginOf(t, id)
	if err != nil {
		return nil, err
	}
	e := &idp.Enrolment{Login: l}
	if e.Invitation, err = t.invitationOf(l.Invitation); err != nil {
		return nil, err
	}
	if e.Invitation.User != "" {
		if e.User, err = userOf(t, e.Invitation.User); err != nil {
			return nil, err
		}
	}
	if l.Pairing != "" {
		e.Pairing, err = t.pairingOf(l.Pairing)
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return nil, err
		}
	}
	return e, nil
}
