package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

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
	MAC       []byte
}

func (invitationRow) TableName() string { return "invitations" }

func invitationRowOf(i *idp.Invitation) *invitationRow {
	return &invitationRow{
		ID: string(i.ID), Token: i.Token[:], Purpose: string(i.Purpose), UserID: string(i.User),
		ByUser: string(i.By.User), ByName: i.By.Name,
		CreatedAt: micros(i.CreatedAt), ExpiresAt: micros(i.ExpiresAt), UsedAt: micros(i.UsedAt),
	}
}

func (r *invitationRow) invitation() (*idp.Invitation, error) {
	token, err := hash(r.Token)
	return &idp.Invitation{
		ID: idp.InvitationID(r.ID), Token: token, Purpose: idp.InvitationPurpose(r.Purpose), User: idp.UserID(r.UserID),
		By:        idp.Actor{User: idp.UserID(r.ByUser), Name: r.ByName},
		CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt), UsedAt: moment(r.UsedAt),
	}, err
}

func invitationOf(s reader, g *gorm.DB, condition string, key any) (*idp.Invitation, error) {
	var row invitationRow
	if err := g.Take(&row, condition, key).Error; err != nil {
		return nil, err
	}
	if err := s.fits(&row, idp.UserID(row.UserID)); err != nil {
		return nil, err
	}
	return row.invitation()
}

// AddInvitation inserts a one-time link in place of the open ones of its user
// or, for set-up, of all open set-up links, with the mail that carries it. One
// that a person asked for takes the place of such only: whoever knows a name can
// ask, and takes nothing away by it. may decides by the person as they
// are at that moment. Errors: idp.ErrNotFound, those of may.
func (db *DB) AddInvitation(ctx context.Context, i *idp.Invitation, may func(*idp.User) error) error {
	row, events := invitationRowOf(i), i.Take()
	return db.write(ctx, func(t *tx) error {
		if row.UserID != "" {
			u, err := userOf(t, i.User)
			if err != nil {
				return err
			}
			if err := may(u); err != nil {
				return err
			}
		}
		stale := t.gorm.Where("user_id = ? AND used_at = 0", row.UserID)
		if i.Purpose == idp.InviteForgotten {
			stale = stale.Where("purpose = ?", row.Purpose)
		}
		if err := errors.Join(stale.Delete(&invitationRow{}).Error, t.bind(row)); err != nil {
			return err
		}
		if err := t.gorm.Create(row).Error; err != nil {
			return fmt.Errorf("invitation %s: %w", i.ID, t.translate(err))
		}
		if i.Mail != nil {
			if err := t.addMail(i.Mail); err != nil {
				return err
			}
		}
		return t.note(events...)
	})
}

// RenewInvitation gives an open one-time link another token; the one before is of
// no use then. Errors: idp.ErrNotFound, ErrSettled, ErrExpired.
func (db *DB) RenewInvitation(ctx context.Context, id idp.InvitationID, token idp.TokenHash, now time.Time) (*idp.Invitation, error) {
	var renewed *idp.Invitation
	err := db.write(ctx, func(t *tx) error {
		i, err := invitationOf(t, t.gorm.Clauses(clause.Locking{Strength: "UPDATE"}), "id = ?", string(id))
		if err != nil {
			return fmt.Errorf("invitation %s: %w", id, t.translate(err))
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
	i, err := invitationOf(r, r.gorm, "token = ?", token[:])
	if err != nil {
		return nil, fmt.Errorf("invitation: %w", r.translate(err))
	}
	return i, nil
}

// putInvitation writes a one-time link back. Errors: idp.ErrSettled when it was used before.
func (t *tx) putInvitation(id idp.InvitationID, i *idp.Invitation) error {
	row := invitationRowOf(i)
	row.ID = string(id)
	if err := t.bind(row); err != nil {
		return err
	}
	r := t.gorm.Select("*").Where("id = ? AND used_at = 0", row.ID).Updates(row)
	if r.Error != nil {
		return r.Error
	}
	if r.RowsAffected == 0 {
		return fmt.Errorf("invitation %s: %w", id, idp.ErrSettled)
	}
	return t.note(i.Take()...)
}

// Enrol stores what comes into being when an invitation is used. A password
// that replaces one signs the person out everywhere. Errors: idp.ErrNotFound,
// idp.ErrConflict for a sixth device or a taken name, idp.ErrSettled for an
// invitation or an offer that was used.
func (db *DB) Enrol(ctx context.Context, id idp.LoginID, fn func(*idp.Enrolment) error) error {
	return db.write(ctx, func(t *tx) error {
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
				err = t.addUser(e.User)
			} else {
				err = t.putUser(&user, e.User)
			}
			if err != nil {
				return err
			}
		}
		if e.PasswordHash != "" {
			because := idp.Event{At: db.now(), Kind: idp.EventInvitationUsed, Actor: idp.Actor{User: e.User.ID, Name: e.User.Name}}
			if err := t.putPassword(e.User.ID, e.PasswordHash, because.At); err != nil {
				return err
			}
			if err := t.forgiveGuard(e.User.ID); err != nil {
				return err
			}
			if err := t.signOut(e.User.ID, "", id, because); err != nil {
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
		return t.putLogin(e.Login)
	})
}

// enrolment reads what a sign-in by invitation changes.
func (t *tx) enrolment(id idp.LoginID) (*idp.Enrolment, error) {
	l, err := loginOf(t, id)
	if err != nil {
		return nil, err
	}
	e := &idp.Enrolment{Login: l}
	locked := func() *gorm.DB { return t.gorm.Clauses(clause.Locking{Strength: "UPDATE"}) }
	if e.Invitation, err = invitationOf(t, locked(), "id = ?", string(l.Invitation)); err != nil {
		return nil, fmt.Errorf("invitation %s: %w", l.Invitation, t.translate(err))
	}
	if e.Invitation.User != "" {
		if e.User, err = userOf(t, e.Invitation.User); err != nil {
			return nil, err
		}
	}
	if l.Pairing != "" {
		e.Pairing, err = pairingOf(t, locked(), "id = ?", string(l.Pairing))
		if err = t.translate(err); err != nil && !errors.Is(err, idp.ErrNotFound) {
			return nil, err
		}
	}
	return e, nil
}
