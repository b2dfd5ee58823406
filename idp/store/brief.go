package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// What applications ask for most, tokens for a code and for a refresh token, is one statement
// where the engine has a short way for it (engine.Briefs): it uses up the code or token, where
// nothing speaks against that, and inserts the new ones. Where anything does it changes nothing,
// and a transaction decides that reads first. So all that a transaction asks has to be asked here,
// and nothing has to be answered here but «yes».
//
// Whether a person may have tokens, Go decides (idp.Issue.May). It is asked beforehand, of what is
// remembered of the person, and the statement asks whether that is so still.
//
// Where the answer is lost, the rows tell what became of it: tokens are random, so who finds the
// access token of an issue has stored it, and with it all that belongs to it. That is asked in a
// transaction that holds the person, and uses up the code or token itself where it is not there,
// so that a statement which comes later finds it used.

const (
	// Of a code or refresh token: hash, at, its grant, the person, and what May was asked of.
	usesBriefly = `was AS (SELECT t.hash, g.expires_at AS ends FROM held, %[1]s t JOIN grants g ON g.id = t.grant_id JOIN users u ON u.id = g.user_id
		WHERE t.hash = ?1 AND t.used_at = 0 AND t.expires_at > ?2 AND g.id = ?3 AND g.user_id = ?4 AND g.revoked_at = 0 AND g.expires_at > ?2
		AND u.state = ?5 AND u."groups" = ?6%[2]s),
	used AS (UPDATE %[1]s t SET used_at = ?2 FROM was WHERE t.hash = was.hash AND t.used_at = 0 RETURNING was.ends)`
	// A grant is written when it was used, to the minute: that is for the transaction.
	usedLately = " AND g.last_used_at > ?7"
)

var (
	// Columns of the new tokens, and of the event, are those of the tables; when a refresh token may
	// be forgotten is up to the grant.
	redeemBriefly = fmt.Sprintf(usesBriefly, "codes", "") + alsoInsert("access", "access_tokens", accessColumns, 7) +
		alsoInsert("event", "events_pending", pendingColumns, 7+nColumns(accessColumns))
	redeemsRefresh = insertUsed("refresh_tokens", refreshColumns, 7+nColumns(accessColumns)+nColumns(pendingColumns))
	rotateBriefly  = fmt.Sprintf(usesBriefly, "refresh_tokens", usedLately) + alsoInsert("access", "access_tokens", accessColumns, 8) +
		" " + insertUsed("refresh_tokens", refreshColumns, 8+nColumns(accessColumns)) + " RETURNING 1"

	redeemWithRefresh    = redeemBriefly + " " + redeemsRefresh + " RETURNING 1"
	redeemWithoutRefresh = redeemBriefly + " SELECT 1 FROM used"
)

func nColumns(columns string) int { return strings.Count(columns, ",") + 1 }

func alsoInsert(name, table, columns string, from int) string {
	return ", " + name + " AS (" + insertUsed(table, columns, from) + ")"
}

// insertUsed inserts a row, with arguments from a number on, where a code or token was used.
func insertUsed(table, columns string, from int) string {
	names := strings.Split(columns, ", ")
	values := make([]string, len(names))
	for i, name := range names {
		if values[i] = "?" + strconv.Itoa(from+i); name == "keep_until" {
			values[i] = "greatest(ends, " + values[i] + ")"
		}
	}
	return "INSERT INTO " + table + " (" + columns + ") SELECT " + strings.Join(values, ", ") + " FROM used"
}

// standing is what decides about a person's tokens and may be taken from them, as it is stored.
type standing struct{ state, groups string }

// maxStandings bounds how many people are remembered, at about 200 bytes each.
const maxStandings = 8192

// standings remembers what was last seen of people. It may be old: it is a guess, and who makes
// use of it has the database ask whether it is right. Safe for concurrent use.
type standings struct {
	mu   sync.RWMutex
	kept map[string]standing
}

func (s *standings) get(user string) (standing, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	was, ok := s.kept[user]
	return was, ok
}

func (s *standings) put(user string, is standing) {
	if was, ok := s.get(user); user == "" || ok && was == is {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[string]standing{}
	}
	for old := range s.kept { // in no order: one or none
		if len(s.kept) >= maxStandings {
			delete(s.kept, old)
		}
		break
	}
	s.kept[user] = is
}

// seen remembers what a transaction has seen of a person.
func (db *DB) seen(u *usable) {
	if db.briefs != nil {
		db.standings.put(u.user, standing{u.state, u.groups})
	}
}

// issueBriefly uses up the code, where there is an event to write with it, or else the refresh
// token with a hash, and inserts the tokens of an issue. done is false where nothing was changed.
// Errors: engine.ErrUnknown; idp.ErrUnwritable.
func (db *DB) issueBriefly(ctx context.Context, g *idp.Grant, hash idp.TokenHash, at int64, issue *idp.Issue, e *idp.Event) (done bool, err error) {
	if db.briefs == nil || g.User == "" || issue.Keep || issue.Access.Hash.IsZero() || issue.Access.Grant != g.ID ||
		issue.Refresh == nil && e == nil || issue.Refresh != nil && issue.Refresh.Grant != g.ID {
		return false, nil
	}
	is, ok := db.standings.get(string(g.User))
	if !ok {
		return false, nil
	}
	asked := usable{user: string(g.User), state: is.state, groups: is.groups}
	if asked.may(issue.May) != nil {
		return false, nil //nolint:nilerr // the transaction says so, of the person as they are
	}
	access := accessRowOf(&issue.Access)
	if err := db.reader.bind(access); err != nil {
		return false, err
	}
	args := make([]any, 0, 48)
	args = append(args, hash[:], at, string(g.ID), string(g.User), is.state, is.groups)
	query := rotateBriefly
	if e == nil {
		args = append(args, at-lastUsedStep)
	}
	args = append(args, access.fields()...)
	if e != nil {
		row, err := eventRowOf(e)
		if err != nil {
			return false, err
		}
		p := pendingRow{eventRow: *row}
		args, query = append(args, p.content()...), redeemWithoutRefresh
	}
	if issue.Refresh != nil {
		refresh := refreshRowOf(issue.Refresh, 0)
		if err := db.reader.bind(refresh); err != nil {
			return false, err
		}
		args = append(args, refresh.fields()...)
		if e != nil {
			query = redeemWithRefresh
		}
	}
	db.transactions.Add(1)
	return db.briefs.Brief(ctx, engine.Brief{Key: ofPerson(g.User), Share: ofClient(g.Client), Query: query, Args: args})
}

// asksFor is how long it is asked what became of a change whose answer was lost: as long as the
// engine asks for a commit.
const asksFor = 20 * time.Second

// orDecide is what came of a brief change. Where nothing was changed, decide does it; lost says
// that the answer was lost, so that it may have been done. Then decide is asked until the database
// answers, whether or not the caller still waits.
// Errors: those of decide; engine.ErrUnknown besides, where the database stays away.
func orDecide(ctx context.Context, done bool, err error, decide func(ctx context.Context, lost bool) error) error {
	switch {
	case done:
		return nil
	case err == nil:
		return decide(ctx, false)
	case !errors.Is(err, engine.ErrUnknown):
		return err
	}
	ctx = context.WithoutCancel(ctx)
	for begun := time.Now(); ; time.Sleep(asksAgain) {
		answer := decide(ctx, true)
		switch {
		case answer == nil, errors.Is(answer, idp.ErrSettled), errors.Is(answer, idp.ErrExpired), errors.Is(answer, idp.ErrDenied), errors.Is(answer, idp.ErrNotFound):
			return answer
		case !errors.Is(answer, idp.ErrUnwritable), time.Since(begun) > asksFor:
			return errors.Join(engine.ErrUnknown, answer)
		}
	}
}

// asksAgain is between two of its questions.
const asksAgain = 50 * time.Millisecond

// issued reports whether the tokens of an issue are there. What they were issued for is held.
func (t *tx) issued(issue *idp.Issue) (bool, error) {
	var n int64
	err := t.Row("SELECT count(*) FROM access_tokens WHERE hash = ?", []any{issue.Access.Hash[:]}, &n)
	return n > 0, err
}
