package store

import (
	"context"
	"slices"
	"time"

	"hilum/idp"
)

// sessionOrder is that of their beginnings.
var sessionOrder = order{column: "n"}

// numberedSession is a session with its number and whose it is.
type numberedSession struct {
	n int64
	sessionRow
}

func (r *numberedSession) fields() []any { return append([]any{&r.n}, r.sessionRow.fields()...) }

// SearchSessions finds a part of the live sessions, newest first. Errors: idp.FieldError.
func (db *DB) SearchSessions(ctx context.Context, q idp.SessionQuery, now time.Time) (*idp.SessionPage, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	s, err := turnTo(q.Page, r, sessionOrder, true)
	if err != nil {
		return nil, err
	}
	s.listing = userListing
	if q.User == "" {
		s.q.words = typed(q.Words)
	}
	rows, short, err := s.sessions(q.User, micros(now))
	if err != nil {
		return nil, err
	}
	rows, cursors := cut(s, rows, func(row *numberedSession) place { return place{number: row.n, n: row.n} }, short)
	p := &idp.SessionPage{Cursors: cursors, Rows: make([]idp.SessionRow, len(rows))}
	for i := range rows {
		if err := shownSession(r, &rows[i].sessionRow, &p.Rows[i]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func shownSession(s reader, row *sessionRow, to *idp.SessionRow) error {
	session, err := row.session()
	if err != nil {
		return err
	}
	session.Token, session.Browser = idp.TokenHash{}, idp.TokenHash{}
	u, err := userOf(s, session.User)
	if err != nil {
		return err
	}
	clients, err := list[idRow](s, "SELECT client_id FROM session_clients WHERE session_id = ? ORDER BY last_at DESC, client_id", row.ID)
	if err != nil {
		return err
	}
	to.Session, to.User = *session, *u
	for _, c := range clients {
		to.Clients = append(to.Clients, idp.ClientID(c.id))
	}
	return nil
}

// sessions goes the cheaper way: from the people whom the words find, or through the
// sessions.
func (s *searching) sessions(user idp.UserID, now int64) (rows []numberedSession, short *place, err error) {
	than, direction := s.sides()
	where, begin := "TRUE", []any{}
	if s.from != nil {
		where, begin = "s.n "+than+" ?", []any{s.from.n}
	}
	const living = "ended_at = 0 AND expires_at > ? AND last_seen_at + idle_after > ?"
	tail := " ORDER BY s.n " + direction + " LIMIT ?"
	columns := "SELECT s.n, " + qualified("s", sessionColumns)
	best, n, err := s.rarest()
	switch {
	case err != nil:
		return nil, nil, err
	case user != "":
		rows, err = list[numberedSession](s.s, columns+" FROM sessions s WHERE user_id = ? AND "+living+" AND "+where+tail,
			append(append([]any{string(user), now, now}, begin...), int64(s.limit+1))...)
		return rows, nil, err
	case best != nil && n <= rare:
		conditions, args := s.matches()
		args = append(append([]any{best.from, best.to}, args...), now, now)
		rows, err = list[numberedSession](s.s, columns+" FROM (SELECT DISTINCT n FROM user_terms WHERE term >= ? AND term < ?) t CROSS JOIN user_list l ON l.n = t.n"+
			" CROSS JOIN sessions s ON s.user_id = l.user_id WHERE "+conditions+" AND "+living+" AND "+where+tail,
			append(append(args, begin...), int64(s.limit+1))...)
		return rows, nil, err
	}
	part := " FROM sessions s WHERE " + where + tail
	args := append(slices.Clone(begin), int64(eventPortion), now, now)
	sql := columns + " FROM (SELECT *" + part + ") s WHERE " + living
	if len(s.q.words) > 0 {
		conditions, also := s.matches()
		sql = columns + " FROM (SELECT *" + part + ") s CROSS JOIN users u ON u.id = s.user_id CROSS JOIN user_list l ON l.n = u.n WHERE " + living + " AND " + conditions
		args = append(args, also...)
	}
	rows, err = list[numberedSession](s.s, sql+" LIMIT ?", append(args, int64(s.limit+1))...)
	if err != nil || len(rows) > s.limit {
		return rows, nil, err
	}
	end, err := list[numberRow](s.s, "SELECT s.n"+part+" OFFSET ?", append(slices.Clone(begin), int64(1), int64(eventPortion-1))...)
	if len(end) > 0 {
		short = &place{number: end[0].n, n: end[0].n}
	}
	return rows, short, err
}
