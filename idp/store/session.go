package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
)

const sessionColumns = "id, token, browser, user_id, auth_time, factor_at, acr, amr, agent, address, created_at, last_seen_at, idle_after, expires_at, ended_at, device_id, mac"

const (
	selectSession        = "SELECT " + sessionColumns + " FROM sessions WHERE id = ?"
	selectSessionByToken = "SELECT " + sessionColumns + " FROM sessions WHERE token = ?"
	selectOpenSessions   = "SELECT " + sessionColumns + " FROM sessions WHERE user_id = ? AND ended_at = 0 AND expires_at > ? ORDER BY created_at DESC, id"
	endSession           = "UPDATE sessions SET ended_at = ?, mac = x'' WHERE id = ?"
	upsertSessionClient  = `INSERT INTO session_clients (session_id, client_id, first_at, last_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (session_id, client_id) DO UPDATE SET last_at = excluded.last_at`
)

var (
	insertSession = insertInto("sessions", sessionColumns)
	updateSession = updateRow("sessions", sessionColumns)
)

type sessionRow struct {
	ID                    string
	Token, Browser        []byte
	UserID                string
	AuthTime, FactorAt    int64
	ACR, AMR              string
	Agent, Address        string
	CreatedAt, LastSeenAt int64
	IdleAfter             int64
	ExpiresAt, EndedAt    int64
	DeviceID              string
	MAC                   []byte
}

func (r *sessionRow) fields() []any {
	return []any{&r.ID, &r.Token, &r.Browser, &r.UserID, &r.AuthTime, &r.FactorAt, &r.ACR, &r.AMR, &r.Agent, &r.Address,
		&r.CreatedAt, &r.LastSeenAt, &r.IdleAfter, &r.ExpiresAt, &r.EndedAt, &r.DeviceID, &r.MAC}
}

func sessionRowOf(s *idp.Session) *sessionRow {
	return &sessionRow{
		ID: string(s.ID), Token: s.Token[:], Browser: s.Browser[:], UserID: string(s.User),
		AuthTime: micros(s.AuthTime), FactorAt: micros(s.FactorAt), ACR: s.ACR, AMR: listText(s.AMR),
		Agent: s.Agent, Address: s.Address, CreatedAt: micros(s.CreatedAt), LastSeenAt: micros(s.LastSeenAt),
		IdleAfter: s.IdleAfter.Microseconds(), ExpiresAt: micros(s.ExpiresAt), EndedAt: micros(s.EndedAt),
		DeviceID: string(s.Device),
	}
}

func (r *sessionRow) session() (*idp.Session, error) {
	s := &idp.Session{
		ID: idp.SessionID(r.ID), User: idp.UserID(r.UserID), AuthTime: moment(r.AuthTime), FactorAt: moment(r.FactorAt),
		ACR: r.ACR, Agent: r.Agent, Address: r.Address, CreatedAt: moment(r.CreatedAt), LastSeenAt: moment(r.LastSeenAt),
		IdleAfter: time.Duration(r.IdleAfter) * time.Microsecond, ExpiresAt: moment(r.ExpiresAt), EndedAt: moment(r.EndedAt),
		Device: idp.DeviceID(r.DeviceID),
	}
	var err1, err2, err3 error
	s.Token, err1 = hash(r.Token)
	s.Browser, err2 = hash(r.Browser)
	s.AMR, err3 = textList(r.AMR)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("session %s: %w", r.ID, err)
	}
	return s, nil
}

// liveSession reads the live session of a browser; nil when there is none.
func (t *tx) liveSession(id idp.SessionID, browser idp.TokenHash, now time.Time) (*sessionRow, *idp.Session, error) {
	row := &sessionRow{}
	err := t.Row(selectSession, []any{string(id)}, row.fields()...)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := row.session()
	if err != nil || s.Browser != browser || s.Live(now) != nil {
		return nil, nil, err
	}
	if err := t.fits(row, s.User); errors.Is(err, idp.ErrNotFound) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	return row, s, nil
}

func (t *tx) addSession(s *idp.Session) error {
	row := sessionRowOf(s)
	if err := t.bind(row); err != nil {
		return err
	}
	if err := t.put(insertSession, row.fields()...); err != nil {
		return fmt.Errorf("session %s: %w", s.ID, err)
	}
	return t.note(s.Take()...)
}

// putSession writes a session back; when that ends it, its grants are revoked.
func (t *tx) putSession(before *sessionRow, s *idp.Session, now time.Time) error {
	row := sessionRowOf(s)
	row.ID, row.UserID = before.ID, before.UserID
	if err := t.bind(row); err != nil {
		return err
	}
	if err := t.update(updateSession, row.fields()); err != nil {
		return err
	}
	if row.EndedAt != 0 {
		if err := t.ended(row.UserID, row.ID, now); err != nil {
			return err
		}
	}
	return t.note(s.Take()...)
}

// ended is what follows the end of a session, whoever ended it: its grants are revoked,
// and notices to its applications are made.
func (t *tx) ended(user, session string, at time.Time) error {
	if err := t.revokeOfSession(user, session, at); err != nil {
		return err
	}
	err := t.put(insertNotices, micros(at), micros(at), micros(at.Add(idp.NoticeFor)), session)
	return err
}

// endSessions ends the open sessions of a user that pick selects and revokes
// their grants. An idle one counts as open: its tokens may still be good.
func (t *tx) endSessions(user idp.UserID, at time.Time, pick func(*idp.Session) bool) ([]idp.SessionID, error) {
	rows, err := list[sessionRow](t, selectOpenSessions, string(user), micros(at))
	if err != nil {
		return nil, err
	}
	var ended []idp.SessionID
	for i := range rows {
		s, err := rows[i].session()
		if err != nil {
			return nil, err
		}
		if !pick(s) {
			continue
		}
		if err := t.put(endSession, micros(at), rows[i].ID); err != nil {
			return nil, err
		}
		if err := t.ended(rows[i].UserID, rows[i].ID, at); err != nil {
			return nil, err
		}
		ended = append(ended, s.ID)
	}
	return ended, nil
}

// SessionByToken returns the session of a session cookie, live or not. Errors:
// idp.ErrNotFound.
func (db *DB) SessionByToken(ctx context.Context, token idp.TokenHash) (*idp.Session, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var row sessionRow
	if err := r.seek(selectSessionByToken, []any{token[:]}, row.fields()...); err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	if row.EndedAt == 0 {
		if err := r.fits(&row, idp.UserID(row.UserID)); err != nil {
			return nil, err
		}
	}
	return row.session()
}

// Sessions returns the live sessions of a user, newest first.
func (db *DB) Sessions(ctx context.Context, user idp.UserID, now time.Time) ([]idp.Session, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := list[sessionRow](r, selectOpenSessions, string(user), micros(now))
	if err != nil {
		return nil, err
	}
	live := make([]idp.Session, 0, len(rows))
	for i := range rows {
		s, err := rows[i].session()
		if err != nil {
			return nil, err
		}
		if s.Live(now) == nil {
			live = append(live, *s)
		}
	}
	return live, nil
}

type sessionClientRow struct {
	SessionID, ClientID string
	FirstAt, LastAt     int64
}

func (r *sessionClientRow) fields() []any {
	return []any{&r.SessionID, &r.ClientID, &r.FirstAt, &r.LastAt}
}

// SessionClients returns which applications were signed in to from the
// sessions of a user, latest first.
func (db *DB) SessionClients(ctx context.Context, user idp.UserID) ([]idp.SessionClient, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := list[sessionClientRow](r, `SELECT c.session_id, c.client_id, c.first_at, c.last_at
		FROM sessions s JOIN session_clients c ON c.session_id = s.id
		WHERE s.user_id = ? ORDER BY c.last_at DESC, c.client_id`, string(user))
	if err != nil {
		return nil, err
	}
	clients := make([]idp.SessionClient, len(rows))
	for i, row := range rows {
		clients[i] = idp.SessionClient{
			Session: idp.SessionID(row.SessionID), Client: idp.ClientID(row.ClientID),
			FirstAt: moment(row.FirstAt), LastAt: moment(row.LastAt),
		}
	}
	return clients, nil
}

// TouchSession notes when a session was used last; time does not run backwards.
func (db *DB) TouchSession(ctx context.Context, id idp.SessionID, at time.Time) error {
	return db.write(ctx, func(t *tx) error {
		err := t.put("UPDATE sessions SET last_seen_at = ? WHERE id = ? AND last_seen_at < ? AND ended_at = 0",
			micros(at), string(id), micros(at))
		return err
	})
}

// AddGrant stores the grant and the code of an authorization request that a live session
// answers without a page. Errors: idp.ErrSettled when the session has ended meanwhile,
// idp.ErrClientDisabled.
func (db *DB) AddGrant(ctx context.Context, s *idp.Session, g *idp.Grant, c *idp.Code) error {
	events := append(s.Take(), g.Take()...)
	err := db.write(ctx, func(t *tx) error {
		if err := t.admit(g); err != nil {
			return err
		}
		seen := micros(s.LastSeenAt)
		n, err := t.Exec(`UPDATE sessions SET last_seen_at = CASE WHEN last_seen_at < ? THEN ? ELSE last_seen_at END
			WHERE id = ? AND user_id = ? AND ended_at = 0 AND expires_at > ?`,
			seen, seen, string(s.ID), string(s.User), micros(g.CreatedAt))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("session %s: %w", s.ID, idp.ErrSettled)
		}
		if err := t.addGrant(g, c); err != nil {
			return err
		}
		return t.note(events...)
	})
	if err == nil {
		db.rememberCode(g, c)
	}
	return err
}

// at is when an event says that it happened.
func (db *DB) at(e idp.Event) time.Time {
	if e.At.IsZero() {
		return db.now()
	}
	return e.At
}
