package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
)

const mailColumns = "id, kind, user_id, invitation_id, typed, about, detail, address, lang, created_at, next_at, until, tries, tried_at, said, detailed, settled_at, sent"

const (
	selectMail    = "SELECT " + mailColumns + " FROM mails WHERE id = ?"
	selectDueMail = "SELECT " + mailColumns + " FROM mails WHERE settled_at = 0 AND next_at <= ? ORDER BY next_at, n LIMIT 1"
)

var (
	insertMail = insertInto("mails", mailColumns)
	updateMail = updateRow("mails", mailColumns)
)

type mailRow struct {
	ID, Kind                 string
	UserID, InvitationID     string
	Typed                    []byte
	About, Detail            string
	Address, Lang            string
	CreatedAt, NextAt, Until int64
	Tries, TriedAt           int64
	Said, Detailed           string
	SettledAt                int64
	Sent                     bool
}

func (r *mailRow) fields() []any {
	return []any{&r.ID, &r.Kind, &r.UserID, &r.InvitationID, &r.Typed, &r.About, &r.Detail, &r.Address, &r.Lang,
		&r.CreatedAt, &r.NextAt, &r.Until, &r.Tries, &r.TriedAt, &r.Said, &r.Detailed, &r.SettledAt, &r.Sent}
}

func mailRowOf(m *idp.Mail) (*mailRow, error) {
	detail := []byte("{}")
	if len(m.Detail) > 0 {
		var err error
		if detail, err = json.Marshal(m.Detail); err != nil {
			return nil, err
		}
	}
	return &mailRow{
		ID: string(m.ID), Kind: string(m.Kind), UserID: string(m.User), InvitationID: string(m.Invitation), Typed: blob(m.Typed),
		About: string(m.About), Detail: string(detail), Address: m.Address, Lang: m.Lang,
		CreatedAt: micros(m.CreatedAt), NextAt: micros(m.NextAt), Until: micros(m.Until),
		Tries: int64(m.Tries), TriedAt: micros(m.TriedAt), Said: string(m.Said), Detailed: m.Detailed,
		SettledAt: micros(m.SettledAt), Sent: m.Sent,
	}, nil
}

func (r *mailRow) mail() (*idp.Mail, error) {
	m := &idp.Mail{
		ID: idp.MailID(r.ID), Kind: idp.MailKind(r.Kind), User: idp.UserID(r.UserID), Invitation: idp.InvitationID(r.InvitationID), Typed: some(r.Typed),
		About: idp.EventKind(r.About), Address: r.Address, Lang: r.Lang,
		CreatedAt: moment(r.CreatedAt), Said: idp.Unsent(r.Said), Detailed: r.Detailed, Sent: r.Sent,
		Delivery: idp.Delivery{NextAt: moment(r.NextAt), Until: moment(r.Until), Tries: int(r.Tries), TriedAt: moment(r.TriedAt), SettledAt: moment(r.SettledAt)},
	}
	if r.Detail != "{}" {
		if err := json.Unmarshal([]byte(r.Detail), &m.Detail); err != nil {
			return nil, fmt.Errorf("mail %s: %w", r.ID, err)
		}
	}
	return m, nil
}

func mailOf(s statements, id idp.MailID) (*idp.Mail, error) {
	var row mailRow
	if err := s.Row(selectMail, []any{string(id)}, row.fields()...); err != nil {
		return nil, fmt.Errorf("mail %s: %w", id, err)
	}
	return row.mail()
}

// addMail inserts a mail. Its events are the caller's to write.
func (t *tx) addMail(m *idp.Mail) error {
	row, err := mailRowOf(m)
	if err != nil {
		return err
	}
	if err := t.put(insertMail, row.fields()...); err != nil {
		return fmt.Errorf("mail %s: %w", m.ID, err)
	}
	return nil
}

func (t *tx) putMail(m *idp.Mail) error {
	row, err := mailRowOf(m)
	if err != nil {
		return err
	}
	if err := t.update(updateMail, row.fields()); err != nil {
		return fmt.Errorf("mail %s: %w", m.ID, err)
	}
	return t.note(m.Take()...)
}

// tellOwners makes the mails that tell owners of accounts of events. The recovery codes
// that come with a first device are part of its news.
func (t *tx) tellOwners(events []idp.Event) error {
	linked := false
	for i := range events {
		linked = linked || events[i].Kind == idp.EventDeviceLinked
	}
	for i := range events {
		m := idp.NewsOf(&events[i])
		if m == nil || linked && m.About == idp.EventRecoveryMade {
			continue
		}
		var email string
		if err := t.session.Row("SELECT email FROM users WHERE id = ?", []any{string(m.User)}, &email); err != nil && !errors.Is(err, idp.ErrNotFound) {
			return err
		}
		if email == "" {
			continue
		}
		if err := t.addMail(m); err != nil {
			return err
		}
	}
	return nil
}

// AddMail inserts a mail that goes with no other change, with its events.
func (db *DB) AddMail(ctx context.Context, m *idp.Mail) error {
	events := m.Take()
	return db.write(ctx, func(t *tx) error {
		if err := t.addMail(m); err != nil {
			return err
		}
		return t.note(events...)
	})
}

// Mail returns a mail. Errors: idp.ErrNotFound.
func (db *DB) Mail(ctx context.Context, id idp.MailID) (*idp.Mail, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	return mailOf(r, id)
}

// ClaimMail claims, for one sender, the mail that has been due for longest. Errors:
// idp.ErrNotFound when none is due.
func (db *DB) ClaimMail(ctx context.Context, now time.Time) (*idp.Mail, error) {
	// Looked for beside the writer: most of the time there is none.
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.Row(selectDueMail, []any{micros(now)}, (&mailRow{}).fields()...); err != nil {
		return nil, err
	}
	var claimed *idp.Mail
	err = db.write(ctx, func(t *tx) error {
		var row mailRow
		if err := t.claim(selectDueMail, []any{micros(now)}, row.fields()...); err != nil {
			return err
		}
		m, err := row.mail()
		if err != nil {
			return err
		}
		if err := m.Claim(now); err != nil {
			return err
		}
		claimed = m
		return t.putMail(m)
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// UpdateMail changes a mail, with its events. Errors: idp.ErrNotFound.
func (db *DB) UpdateMail(ctx context.Context, id idp.MailID, fn func(*idp.Mail) error) error {
	return db.write(ctx, func(t *tx) error {
		m, err := mailOf(locking{t}, id)
		if err != nil {
			return err
		}
		if err := fn(m); err != nil {
			return err
		}
		return t.putMail(m)
	})
}

// MailFigures says how sending mail fares.
func (db *DB) MailFigures(ctx context.Context) (*idp.MailFigures, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	f, err := mailFigures(r)
	return &f, err
}

func mailFigures(s statements) (idp.MailFigures, error) {
	var f idp.MailFigures
	var waiting, oldest, sent, failed, lost int64
	most := int64(idp.CountUpTo)
	for _, q := range []struct {
		query string
		args  []any
		into  []any
	}{
		{"SELECT count(*), coalesce(min(created_at), 0) FROM (SELECT created_at FROM mails WHERE settled_at = 0 ORDER BY next_at LIMIT ?) w", []any{most}, []any{&waiting, &oldest}},
		{"SELECT coalesce(max(tried_at), 0) FROM mails WHERE tried_at <> 0 AND sent = 1", nil, []any{&sent}},
		{"SELECT count(*) FROM (SELECT 1 FROM mails WHERE settled_at <> 0 AND sent = 0 AND said NOT IN ('withdrawn', 'nobody') LIMIT ?) l", []any{most}, []any{&lost}},
	} {
		if err := s.Row(q.query, q.args, q.into...); err != nil {
			return f, err
		}
	}
	f = idp.MailFigures{Waiting: int(waiting), OldestAt: moment(oldest), SentAt: moment(sent), Lost: int(lost)}
	var said, detailed string
	err := s.Row(`SELECT tried_at, said, detailed FROM mails WHERE tried_at > ? AND said NOT IN ('', 'withdrawn', 'nobody')
		ORDER BY tried_at DESC LIMIT 1`, []any{sent}, &failed, &said, &detailed)
	if errors.Is(err, idp.ErrNotFound) {
		return f, nil
	}
	f.FailedAt, f.Said, f.Detailed = moment(failed), idp.Unsent(said), detailed
	return f, err
}
