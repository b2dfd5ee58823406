package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
)

const noticeColumns = "n, session_id, user_id, client_id, ended_at, next_at, until, tries, tried_at, said, settled_at, told"

// insertNotices makes a notice for each application of a session that wants to
// be told. Where there is one already it stays: a session ends once.
const insertNotices = `INSERT INTO logout_notices (session_id, user_id, client_id, ended_at, next_at, until)
	SELECT s.id, s.user_id, c.client_id, ?, ?, ? FROM sessions s
	JOIN session_clients c ON c.session_id = s.id JOIN clients k ON k.id = c.client_id
	WHERE s.id = ? AND k.backchannel_logout_uri <> ''
	ON CONFLICT (session_id, client_id) DO NOTHING`

// insertExpiryNotices is insertNotices for sessions whose time is up, by their numbers: this
// is the last that is known of their applications.
var insertExpiryNotices = fmt.Sprintf(`INSERT INTO logout_notices (session_id, user_id, client_id, ended_at, next_at, until)
	SELECT s.id, s.user_id, c.client_id, s.expires_at, s.expires_at, s.expires_at + %d FROM sessions s
	JOIN session_clients c ON c.session_id = s.id JOIN clients k ON k.id = c.client_id
	WHERE s.n IN %s AND s.ended_at = 0 AND k.backchannel_logout_uri <> ''
	ON CONFLICT (session_id, client_id) DO NOTHING`, idp.NoticeFor.Microseconds(), sweepSet)

const (
	selectNotice        = "SELECT " + noticeColumns + " FROM logout_notices WHERE n = ?"
	selectDueNotice     = "SELECT " + noticeColumns + " FROM logout_notices WHERE client_id = ? AND settled_at = 0 AND next_at <= ? ORDER BY next_at LIMIT 1"
	selectNoticesOf     = "SELECT " + noticeColumns + " FROM logout_notices WHERE session_id = ? ORDER BY client_id"
	selectNoticeClients = "SELECT DISTINCT client_id FROM logout_notices WHERE settled_at = 0 AND next_at <= ?"
)

var updateNotice = updateRow("logout_notices", noticeColumns)

type noticeRow struct {
	N                           int64
	SessionID, UserID, ClientID string
	EndedAt, NextAt, Until      int64
	Tries, TriedAt              int64
	Said                        string
	SettledAt                   int64
	Told                        bool
}

func (r *noticeRow) fields() []any {
	return []any{&r.N, &r.SessionID, &r.UserID, &r.ClientID, &r.EndedAt, &r.NextAt, &r.Until, &r.Tries, &r.TriedAt, &r.Said, &r.SettledAt, &r.Told}
}

func (r *noticeRow) noun() *idp.Notice {
	return &idp.Notice{
		ID: idp.NoticeID(r.N), Session: idp.SessionID(r.SessionID), User: idp.UserID(r.UserID), Client: idp.ClientID(r.ClientID),
		EndedAt: moment(r.EndedAt), Said: idp.Refusal(r.Said), Told: r.Told,
		Delivery: idp.Delivery{NextAt: moment(r.NextAt), Until: moment(r.Until), Tries: int(r.Tries), TriedAt: moment(r.TriedAt), SettledAt: moment(r.SettledAt)},
	}
}

// put writes back what a change of a notice may change, with its events.
func (r *noticeRow) put(t *tx, n *idp.Notice) error {
	r.NextAt, r.Tries, r.TriedAt, r.Said = micros(n.NextAt), int64(n.Tries), micros(n.TriedAt), string(n.Said)
	r.SettledAt, r.Told = micros(n.SettledAt), n.Told
	if err := t.update(updateNotice, r.fields()); err != nil {
		return err
	}
	return t.note(n.Take()...)
}

// UpdateNotice changes a notice, with its events. Errors: idp.ErrNotFound.
func (db *DB) UpdateNotice(ctx context.Context, id idp.NoticeID, fn func(*idp.Notice) error) error {
	return db.write(ctx, func(t *tx) error {
		_, err := changeRow(t, &noticeRow{}, selectNotice, int64(id), nil, fn)
		return err
	})
}

// ClaimNotice claims, for one sender, the notice to an application that has been due for
// longest. Errors: idp.ErrNotFound when none is due.
func (db *DB) ClaimNotice(ctx context.Context, client idp.ClientID, now time.Time) (n *idp.Notice, err error) {
	err = db.write(ctx, func(t *tx) (err error) {
		n, err = changeRow(t, &noticeRow{}, selectDueNotice, string(client), []any{micros(now)}, func(n *idp.Notice) error { return n.Claim(now) })
		return err
	})
	return n, err
}

// NoticeClients returns the applications to which a notice is due.
func (db *DB) NoticeClients(ctx context.Context, now time.Time) ([]idp.ClientID, error) {
	return db.clientsDue(ctx, selectNoticeClients, now)
}

// deliveredRow is a row of what is delivered to applications, notices and pings: a row of N.
type deliveredRow[N any] interface {
	fields() []any
	noun() N
	put(t *tx, n N) error
}

// changeRow has fn change what a row is, and writes it back. key and more are the arguments of
// the query that reads it. Errors: idp.ErrNotFound, that of fn; nothing is returned then.
func changeRow[N any](t *tx, row deliveredRow[N], query string, key any, more []any, fn func(N) error) (N, error) {
	var none N
	read := t.lock
	if more != nil { // what is due, of a client
		read = t.claim
	}
	if err := read(query, append([]any{key}, more...), row.fields()...); err != nil {
		return none, fmt.Errorf("%T %v: %w", none, key, err)
	}
	n := row.noun()
	if err := fn(n); err != nil {
		return none, err
	}
	if err := row.put(t, n); err != nil {
		return none, err
	}
	return n, nil
}

// clientsDue returns the applications to which something is due, by its query.
func (db *DB) clientsDue(ctx context.Context, query string, now time.Time) ([]idp.ClientID, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := list[idRow](r, query, micros(now))
	if err != nil {
		return nil, err
	}
	clients := make([]idp.ClientID, len(rows))
	for i, row := range rows {
		clients[i] = idp.ClientID(row.id)
	}
	return clients, nil
}

// EndedSessions returns the sessions that were ended before their time was up,
// the latest first: of one person, or of everybody.
func (db *DB) EndedSessions(ctx context.Context, user idp.UserID, limit int) ([]idp.EndedSession, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	query, args := "SELECT "+sessionColumns+" FROM sessions WHERE ended_at <> 0 ORDER BY ended_at DESC, id LIMIT ?", []any{limit}
	if user != "" {
		query, args = "SELECT "+sessionColumns+" FROM sessions WHERE user_id = ? AND ended_at <> 0 ORDER BY ended_at DESC, id LIMIT ?", []any{string(user), limit}
	}
	rows, err := list[sessionRow](r, query, args...)
	if err != nil {
		return nil, err
	}
	out := make([]idp.EndedSession, len(rows))
	for i := range rows {
		if err := endedSession(r, &rows[i], &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// EndedSession returns a session that was ended before its time was up. Errors:
// idp.ErrNotFound.
func (db *DB) EndedSession(ctx context.Context, id idp.SessionID) (*idp.EndedSession, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var row sessionRow
	if err := r.Row(selectSession+" AND ended_at <> 0", []any{string(id)}, row.fields()...); err != nil {
		return nil, fmt.Errorf("session %s: %w", id, err)
	}
	out := &idp.EndedSession{}
	return out, endedSession(r, &row, out)
}

func endedSession(s reader, row *sessionRow, to *idp.EndedSession) error {
	var shown idp.SessionRow
	if err := shownSession(s, row, &shown); err != nil {
		return err
	}
	to.Session, to.User, to.Clients = shown.Session, shown.User, shown.Clients
	notices, err := list[noticeRow](s, selectNoticesOf, row.ID)
	if err != nil {
		return err
	}
	for i := range notices {
		to.Notices = append(to.Notices, *notices[i].noun())
	}
	return nil
}

// OwnEndedSession is EndedSession for the browser that the session lived in.
// Errors: idp.ErrNotFound, for another browser's too.
func (db *DB) OwnEndedSession(ctx context.Context, id idp.SessionID, browser idp.TokenHash) (*idp.EndedSession, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	var row sessionRow
	if err := r.Row(selectSession+" AND ended_at <> 0 AND browser = ?", []any{string(id), browser[:]}, row.fields()...); err != nil {
		return nil, fmt.Errorf("session %s: %w", id, err)
	}
	out := &idp.EndedSession{}
	return out, endedSession(r, &row, out)
}

type waitingRow struct {
	client    string
	n, oldest int64
}

func (r *waitingRow) fields() []any { return []any{&r.client, &r.n, &r.oldest} }

type failingRow struct {
	client   string
	lost, at int64
}

func (r *failingRow) fields() []any { return []any{&r.client, &r.lost, &r.at} }

// LogoutFigures says how back-channel logout fares: of the applications to which notices
// wait or have failed, by id; or of one of them.
func (db *DB) LogoutFigures(ctx context.Context, client idp.ClientID) ([]idp.LogoutFigures, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	return logoutFigures(r, client)
}

func logoutFigures(s statements, client idp.ClientID) ([]idp.LogoutFigures, error) {
	waiting, err := list[waitingRow](s, `SELECT client_id, count(*), min(ended_at) FROM logout_notices
		WHERE settled_at = 0 AND (? = '' OR client_id = ?) GROUP BY client_id ORDER BY client_id`, string(client), string(client))
	if err != nil {
		return nil, err
	}
	failing, err := list[failingRow](s, `SELECT client_id, count(CASE WHEN settled_at <> 0 THEN 1 END), max(tried_at) FROM logout_notices
		WHERE said <> '' AND (? = '' OR client_id = ?) GROUP BY client_id ORDER BY client_id`, string(client), string(client))
	if err != nil {
		return nil, err
	}
	var out []idp.LogoutFigures
	for len(waiting) > 0 || len(failing) > 0 {
		var f idp.LogoutFigures
		if len(failing) == 0 || len(waiting) > 0 && waiting[0].client <= failing[0].client {
			w := waiting[0]
			f, waiting = idp.LogoutFigures{Client: idp.ClientID(w.client), Waiting: int(min(w.n, idp.CountUpTo)), OldestAt: moment(w.oldest)}, waiting[1:]
		} else {
			f.Client = idp.ClientID(failing[0].client)
		}
		if len(failing) > 0 && failing[0].client == string(f.Client) {
			f.Lost, f.FailedAt = int(min(failing[0].lost, idp.CountUpTo)), moment(failing[0].at)
			var said string
			err := s.Row("SELECT said FROM logout_notices WHERE said <> '' AND client_id = ? AND tried_at = ? LIMIT 1", []any{failing[0].client, failing[0].at}, &said)
			if err != nil && !errors.Is(err, idp.ErrNotFound) { // told meanwhile
				return nil, err
			}
			f.Said, failing = idp.Refusal(said), failing[1:]
		}
		out = append(out, f)
	}
	return out, nil
}
