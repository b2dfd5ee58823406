package store

import (
	"context"
	"slices"
	"time"

	"hilum/idp"
	"hilum/idp/store/find"
)

// sessionOrder is that of their beginnings.
var sessionOrder = find.Order{Column: "n"}

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
	page, err := find.TurnTo(q.Page, sessionOrder, true)
	if err != nil {
		return nil, err
	}
	people := userListing.Filter(find.Typed(q.Words))
	rows, short, err := sessionsOf(r, page, people, q.User, micros(now))
	if err != nil {
		return nil, err
	}
	rows, cursors := find.Cut(page, rows, func(row *numberedSession) find.Place { return find.Place{Number: row.n, N: row.n} }, short)
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

// sessionsOf goes the cheaper way: from the people whom the words find, or through the
// sessions.
func sessionsOf(s statements, page *find.Turn, people *find.Filter, user idp.UserID, now int64) (rows []numberedSession, short *find.Place, err error) {
	than, direction := page.Sides()
	where, begin := "TRUE", []any{}
	if page.From != nil {
		where, begin = "s.n "+than+" ?", []any{page.From.N}
	}
	const living = "ended_at = 0 AND expires_at > ? AND last_seen_at + idle_after > ?"
	tail := " ORDER BY s.n " + direction + " LIMIT ?"
	columns := "SELECT s.n, " + qualified("s", sessionColumns)
	if user != "" {
		rows, err = list[numberedSession](s, columns+" FROM sessions s WHERE user_id = ? AND "+living+" AND "+where+tail,
			append(append([]any{string(user), now, now}, begin...), int64(page.Limit+1))...)
		return rows, nil, err
	}
	conditions, also := people.Matches()
	from, args, err := people.Rare(s)
	if err != nil {
		return nil, nil, err
	}
	if from != "" {
		args = append(append(args, also...), now, now)
		rows, err = list[numberedSession](s, columns+from+" CROSS JOIN sessions s ON s.user_id = l.user_id WHERE "+conditions+" AND "+living+" AND "+where+tail,
			append(append(args, begin...), int64(page.Limit+1))...)
		return rows, nil, err
	}
	part := " FROM sessions s WHERE " + where + tail
	args = append(slices.Clone(begin), int64(eventPortion), now, now)
	sql := columns + " FROM (SELECT *" + part + ") s WHERE " + living
	if len(people.Words()) > 0 {
		sql = columns + " FROM (SELECT *" + part + ") s CROSS JOIN users u ON u.id = s.user_id CROSS JOIN user_list l ON l.n = u.n WHERE " + living + " AND " + conditions
		args = append(args, also...)
	}
	rows, err = list[numberedSession](s, sql+" LIMIT ?", append(args, int64(page.Limit+1))...)
	if err != nil || len(rows) > page.Limit {
		return rows, nil, err
	}
	end, err := list[numberRow](s, "SELECT s.n"+part+" OFFSET ?", append(slices.Clone(begin), int64(1), int64(eventPortion-1))...)
	if len(end) > 0 {
		short = &find.Place{Number: end[0].n, N: end[0].n}
	}
	return rows, short, err
}
