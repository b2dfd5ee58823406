package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"hilum/idp"
)

const (
	grantColumns   = "id, client_id, user_id, session_id, scopes, nonce, acr, amr, auth_time, claims, created_at, expires_at, revoked_at, last_used_at, type, origin, actors, resources, study, mac"
	codeColumns    = "hash, grant_id, redirect_uri, challenge, jkt, expires_at, used_at, keep_until, mac"
	refreshColumns = "hash, grant_id, scopes, jkt, x5t, issued_at, expires_at, used_at, keep_until, mac"
	accessColumns  = "hash, grant_id, scopes, audience, jkt, x5t, issued_at, expires_at, revoked_at, mac"
)

const (
	useCode    = "UPDATE codes SET used_at = ? WHERE hash = ? AND used_at = 0"
	useRefresh = "UPDATE refresh_tokens SET used_at = ? WHERE hash = ? AND used_at = 0"
	useGrant   = "UPDATE grants SET last_used_at = ? WHERE id = ?"

	// The token, and of its grant and person what can change at any moment.
	selectAccess = `SELECT t.grant_id, t.scopes, t.audience, t.jkt, t.x5t, t.issued_at, t.expires_at, t.revoked_at, t.mac, g.revoked_at, coalesce(u.revision, 0)
		FROM access_tokens t JOIN grants g ON g.id = t.grant_id LEFT JOIN users u ON u.id = g.user_id WHERE t.hash = ?`
	selectGrant = "SELECT " + grantColumns + " FROM grants WHERE id = ?"

	// The same of a refresh token.
	selectRefresh = `SELECT t.grant_id, t.scopes, t.jkt, t.x5t, t.issued_at, t.expires_at, t.used_at, t.mac, g.revoked_at, coalesce(u.revision, 0)
		FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id LEFT JOIN users u ON u.id = g.user_id WHERE t.hash = ?`

	// What decides whether a code or refresh token is good, in the transaction that
	// uses it: of the person, what may have been taken from them.
	usableColumns = `SELECT t.grant_id, t.expires_at, t.used_at, g.expires_at, g.revoked_at, g.last_used_at,
		g.user_id, coalesce(u.state, ''), coalesce(u."groups", '[]')`
	selectCodeUse = usableColumns + `
		FROM codes t JOIN grants g ON g.id = t.grant_id LEFT JOIN users u ON u.id = g.user_id WHERE t.hash = ?`
	selectRefreshUse = usableColumns + `
		FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id LEFT JOIN users u ON u.id = g.user_id WHERE t.hash = ?`

	// Whom a transaction holds: the person or, of a client's own grant, the grant.
	ownerIs        = "SELECT CASE WHEN g.user_id <> '' THEN g.user_id ELSE g.id END FROM "
	ownerOfCode    = ownerIs + "codes t JOIN grants g ON g.id = t.grant_id WHERE t.hash = ?"
	ownerOfRefresh = ownerIs + "refresh_tokens t JOIN grants g ON g.id = t.grant_id WHERE t.hash = ?"
	ownerOfGrant   = ownerIs + "grants g WHERE g.id = ?"

	// An application that is shared, given its grant.
	clientOfCode    = "SELECT g.client_id FROM codes t JOIN grants g ON g.id = t.grant_id WHERE t.hash = ?"
	clientOfRefresh = "SELECT g.client_id FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id WHERE t.hash = ?"

	enabledClient = "SELECT 1 FROM clients WHERE id = ? AND disabled = 0"
	enabledDouble = "SELECT 1 FROM clients c JOIN tryouts t ON t.client_id = c.id WHERE c.id = ? AND c.disabled = 0 AND t.id = ? AND t.ended_at = 0"

	revokeGrant          = "UPDATE grants SET revoked_at = ? WHERE id = ? AND revoked_at = 0"
	revokeGrantsOfUser   = "UPDATE grants SET revoked_at = ? WHERE user_id = ? AND user_id <> '' AND session_id <> ? AND revoked_at = 0"
	revokeGrantsOfClient = "UPDATE grants SET revoked_at = ? WHERE client_id = ? AND revoked_at = 0"
	revokeOfSession      = "UPDATE grants SET revoked_at = ? WHERE user_id = ? AND user_id <> '' AND session_id = ? AND revoked_at = 0"
)

var (
	insertGrant   = insertInto("grants", grantColumns)
	insertCode    = insertInto("codes", codeColumns)
	insertRefresh = insertInto("refresh_tokens", refreshColumns)
	insertAccess  = insertInto("access_tokens", accessColumns)

	selectCode = "SELECT " + qualified("t", codeColumns) + ", " + qualified("g", grantColumns) + " FROM codes t JOIN grants g ON g.id = t.grant_id WHERE t.hash = ?"
)

type grantRow struct {
	ID, ClientID, UserID, SessionID string
	Scopes, Nonce, ACR, AMR         string
	AuthTime                        int64
	Claims                          string // JSON, empty for none
	CreatedAt, ExpiresAt, RevokedAt int64
	LastUsedAt                      int64
	Type                            string
	Origin, Actors                  string // Actors: JSON, empty for none
	Resources                       string // JSON, empty for none
	Study                           string
	MAC                             []byte
}

func (r *grantRow) fields() []any {
	return []any{&r.ID, &r.ClientID, &r.UserID, &r.SessionID, &r.Scopes, &r.Nonce, &r.ACR, &r.AMR, &r.AuthTime, &r.Claims,
		&r.CreatedAt, &r.ExpiresAt, &r.RevokedAt, &r.LastUsedAt, &r.Type, &r.Origin, &r.Actors, &r.Resources, &r.Study, &r.MAC}
}

func grantRowOf(g *idp.Grant) *grantRow {
	row := &grantRow{
		ID: string(g.ID), ClientID: string(g.Client), UserID: string(g.User), SessionID: string(g.Session),
		Scopes: listText(g.Scopes), Nonce: g.Nonce, ACR: g.ACR, AMR: listText(g.AMR), AuthTime: micros(g.AuthTime),
		Claims: string(g.Claims), CreatedAt: micros(g.CreatedAt), ExpiresAt: micros(g.ExpiresAt),
		RevokedAt: micros(g.RevokedAt), LastUsedAt: micros(g.CreatedAt), Type: g.Type, Origin: string(g.Origin), Study: g.Study,
	}
	if len(g.Actors) > 0 {
		row.Actors = listText(g.Actors)
	}
	if len(g.Resources) > 0 {
		row.Resources = listText(g.Resources)
	}
	return row
}

func (r *grantRow) grant() (*idp.Grant, error) {
	g := &idp.Grant{
		ID: idp.GrantID(r.ID), Client: idp.ClientID(r.ClientID), User: idp.UserID(r.UserID), Session: idp.SessionID(r.SessionID),
		Nonce: r.Nonce, ACR: r.ACR, AuthTime: moment(r.AuthTime),
		CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt), RevokedAt: moment(r.RevokedAt), Type: r.Type, Study: r.Study,
	}
	if r.Claims != "" {
		g.Claims = json.RawMessage(r.Claims)
	}
	var err1, err2 error
	g.Scopes, err1 = textList(r.Scopes)
	g.AMR, err2 = textList(r.AMR)
	g.Origin = idp.ClientID(r.Origin)
	if r.Actors != "" {
		var err3 error
		g.Actors, err3 = textList(r.Actors)
		err2 = errors.Join(err2, err3)
	}
	if r.Resources != "" {
		var err3 error
		g.Resources, err3 = textList(r.Resources)
		err2 = errors.Join(err2, err3)
	}
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("grant %s: %w", r.ID, err)
	}
	return g, nil
}

type codeRow struct {
	Hash                   []byte
	GrantID                string
	RedirectURI, Challenge string
	JKT                    string
	ExpiresAt, UsedAt      int64
	KeepUntil              int64
	MAC                    []byte
}

func (r *codeRow) fields() []any {
	return []any{&r.Hash, &r.GrantID, &r.RedirectURI, &r.Challenge, &r.JKT, &r.ExpiresAt, &r.UsedAt, &r.KeepUntil, &r.MAC}
}

func codeRowOf(c *idp.Code, keepUntil int64) *codeRow {
	return &codeRow{
		Hash: c.Hash[:], GrantID: string(c.Grant), RedirectURI: c.RedirectURI, Challenge: c.Challenge, JKT: c.JKT,
		ExpiresAt: micros(c.ExpiresAt), UsedAt: micros(c.UsedAt), KeepUntil: keepUntil,
	}
}

func (r *codeRow) code() (*idp.Code, error) {
	h, err := hash(r.Hash)
	return &idp.Code{
		Hash: h, Grant: idp.GrantID(r.GrantID), RedirectURI: r.RedirectURI, Challenge: r.Challenge, JKT: r.JKT,
		ExpiresAt: moment(r.ExpiresAt), UsedAt: moment(r.UsedAt),
	}, err
}

type refreshRow struct {
	Hash                        []byte
	GrantID                     string
	Scopes, JKT, X5T            string
	IssuedAt, ExpiresAt, UsedAt int64
	KeepUntil                   int64
	MAC                         []byte
}

func (r *refreshRow) fields() []any {
	return []any{&r.Hash, &r.GrantID, &r.Scopes, &r.JKT, &r.X5T, &r.IssuedAt, &r.ExpiresAt, &r.UsedAt, &r.KeepUntil, &r.MAC}
}

func refreshRowOf(t *idp.RefreshToken, keepUntil int64) *refreshRow {
	return &refreshRow{
		Hash: t.Hash[:], GrantID: string(t.Grant), Scopes: listText(t.Scopes), JKT: t.JKT, X5T: t.X5T, IssuedAt: micros(t.IssuedAt),
		ExpiresAt: micros(t.ExpiresAt), UsedAt: micros(t.UsedAt), KeepUntil: keepUntil,
	}
}

func (r *refreshRow) token() (*idp.RefreshToken, error) {
	h, err1 := hash(r.Hash)
	scopes, err2 := textList(r.Scopes)
	return &idp.RefreshToken{
		Hash: h, Grant: idp.GrantID(r.GrantID), Scopes: scopes, JKT: r.JKT, X5T: r.X5T, IssuedAt: moment(r.IssuedAt),
		ExpiresAt: moment(r.ExpiresAt), UsedAt: moment(r.UsedAt),
	}, errors.Join(err1, err2)
}

type accessRow struct {
	Hash                           []byte
	GrantID                        string
	Scopes, Audience, JKT, X5T     string
	IssuedAt, ExpiresAt, RevokedAt int64
	MAC                            []byte
}

func (r *accessRow) fields() []any {
	return []any{&r.Hash, &r.GrantID, &r.Scopes, &r.Audience, &r.JKT, &r.X5T, &r.IssuedAt, &r.ExpiresAt, &r.RevokedAt, &r.MAC}
}

// answer are the fields of selectAccess, the token's by its hash and two beside it.
func (r *accessRow) answer(revokedAt, revision *int64) []any {
	return append(r.fields()[1:], revokedAt, revision)
}

func accessRowOf(t *idp.AccessToken) *accessRow {
	return &accessRow{
		Hash: t.Hash[:], GrantID: string(t.Grant), Scopes: listText(t.Scopes), Audience: listText(t.Audience), JKT: t.JKT, X5T: t.X5T,
		IssuedAt: micros(t.IssuedAt), ExpiresAt: micros(t.ExpiresAt), RevokedAt: micros(t.RevokedAt),
	}
}

func (r *accessRow) token() (*idp.AccessToken, error) {
	h, err1 := hash(r.Hash)
	scopes, err2 := textList(r.Scopes)
	audience, err3 := textList(r.Audience)
	return &idp.AccessToken{
		Hash: h, Grant: idp.GrantID(r.GrantID), Scopes: scopes, Audience: audience, JKT: r.JKT, X5T: r.X5T,
		IssuedAt: moment(r.IssuedAt), ExpiresAt: moment(r.ExpiresAt), RevokedAt: moment(r.RevokedAt),
	}, errors.Join(err1, err2, err3)
}

// admit shares the application that a grant is about to be given to, with those that it came by,
// and has the transaction fail with idp.ErrClientDisabled where it is disabled or gone; of a
// double, where its test has ended, too. Of those that it came by the caller asks whether what
// they had is good. It comes before everything that is written: what the grant replaces may be of the
// application that somebody disables meanwhile. What an application is served from, in memory,
// may be older.
func (t *tx) admit(g *idp.Grant) error {
	all := append([]string{string(g.Client), string(g.Origin)}, g.Actors...)
	query, args := enabledClient, []any{string(g.Client)}
	if of, test, ok := idp.TryoutOf(g.Client); ok {
		all = append(all, string(of))
		query, args = enabledDouble, []any{string(of), string(test)}
	}
	slices.Sort(all) // in the order in which several are disabled
	for _, id := range slices.Compact(all) {
		if id == "" {
			continue
		}
		if err := t.share(ofClient(idp.ClientID(id))); err != nil {
			return err
		}
	}
	return t.must(fmt.Errorf("client %s: %w", g.Client, idp.ErrClientDisabled), query, args...)
}

// addGrant inserts a grant that was admitted, its code and that the session knows the client now. Errors:
// idp.ErrReplayed where the code answers a pushed request that has given one before,
// idp.ErrExpired where it answers a polled one that does not wait any more.
func (t *tx) addGrant(g *idp.Grant, c *idp.Code) error {
	row := grantRowOf(g)
	if c != nil && c.Polled != "" { // first: there is one code for it
		if err := t.approvePolled(c.Polled, row.CreatedAt); err != nil {
			return err
		}
	}
	if err := t.bind(row); err != nil {
		return err
	}
	if err := t.put(insertGrant, row.fields()...); err != nil {
		return fmt.Errorf("grant %s: %w", g.ID, err)
	}
	if c != nil {
		if c.Grant != g.ID {
			return fmt.Errorf("a code of another grant: %w", idp.ErrInvalid)
		}
		code := codeRowOf(c, row.ExpiresAt)
		if err := t.bind(code); err != nil {
			return err
		}
		if err := t.put(insertCode, code.fields()...); err != nil {
			return fmt.Errorf("code of grant %s: %w", g.ID, err)
		}
		if c.Pushed != "" {
			if err := t.usePushed(c.Pushed, row.CreatedAt); err != nil {
				return err
			}
		}
	}
	if g.Session != "" {
		if err := t.put(upsertSessionClient, row.SessionID, row.ClientID, row.CreatedAt, row.CreatedAt); err != nil {
			return err
		}
	}
	return t.note(g.Take()...)
}

// addTokens inserts the tokens of a grant. An access token without a hash is not inserted.
func (t *tx) addTokens(grant string, ends int64, issue *idp.Issue) error {
	if a := &issue.Access; !a.Hash.IsZero() {
		if string(a.Grant) != grant {
			return fmt.Errorf("an access token of another grant: %w", idp.ErrInvalid)
		}
		row := accessRowOf(a)
		if err := t.bind(row); err != nil {
			return err
		}
		if err := t.put(insertAccess, row.fields()...); err != nil {
			return err
		}
	}
	if r := issue.Refresh; r != nil {
		if string(r.Grant) != grant {
			return fmt.Errorf("a refresh token of another grant: %w", idp.ErrInvalid)
		}
		row := refreshRowOf(r, ends)
		if err := t.bind(row); err != nil {
			return err
		}
		if err := t.put(insertRefresh, row.fields()...); err != nil {
			return err
		}
	}
	return nil
}

// usable is what decides whether a code or a refresh token is good now.
type usable struct {
	grant               string
	expiresAt, usedAt   int64
	grantEnds           int64
	revokedAt, lastUsed int64
	user, state, groups string
}

func (t *tx) usable(query string, hash idp.TokenHash) (usable, error) {
	return t.usableBy(query, hash[:])
}

func (t *tx) usableBy(query string, key any) (u usable, err error) {
	err = t.Row(query, []any{key}, &u.grant, &u.expiresAt, &u.usedAt, &u.grantEnds, &u.revokedAt, &u.lastUsed,
		&u.user, &u.state, &u.groups)
	return u, err
}

// may asks, by Issue.May, whether tokens may be issued to the person as they are now.
func (u *usable) may(ask func(*idp.User) error) error {
	if ask == nil {
		return nil
	}
	if u.user == "" {
		return ask(nil)
	}
	groups, err := textList(u.groups)
	if err != nil {
		return fmt.Errorf("user %s: %w", u.user, err)
	}
	return ask(&idp.User{ID: idp.UserID(u.user), State: idp.UserState(u.state), Groups: groups})
}

// good returns idp.ErrExpired for a code or refresh token that is unused and no longer
// good.
func (u *usable) good(at int64) error {
	if u.revokedAt != 0 || at >= u.grantEnds || at >= u.expiresAt {
		return idp.ErrExpired
	}
	return nil
}

// Code returns an authorization code and its grant, used or not. Errors: idp.ErrNotFound.
func (db *DB) Code(ctx context.Context, hash idp.TokenHash) (*idp.Code, *idp.Grant, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	var code codeRow
	var grant grantRow
	if err := r.seek(selectCode, []any{hash[:]}, append(code.fields(), grant.fields()...)...); err != nil {
		return nil, nil, fmt.Errorf("code: %w", err)
	}
	if err := errors.Join(r.fits(&grant, idp.UserID(grant.UserID)), r.fits(&code, idp.UserID(grant.UserID))); err != nil {
		return nil, nil, err
	}
	c, err1 := code.code()
	g, err2 := grant.grant()
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	return c, g, nil
}

// IssuedCode is Code for a caller that redeems it next, perhaps from memory: what was
// issued. Whether it is still good RedeemCode decides; here it is told only where that is
// known. Errors: idp.ErrNotFound.
func (db *DB) IssuedCode(ctx context.Context, hash idp.TokenHash) (*idp.Code, *idp.Grant, error) {
	if g, ok := db.codes.get(hash); ok {
		return &g.token, cloneGrant(g.grant), nil
	}
	return db.Code(ctx, hash)
}

// rememberCode keeps a grant and its code in memory, once they are on disk.
func (db *DB) rememberCode(g *idp.Grant, c *idp.Code) {
	if g != nil && c != nil {
		db.codes.put(c.Hash, given[idp.Code]{*c, cloneGrant(g)})
	}
}

// RedeemCode marks a code used and inserts the tokens of issue. Errors: idp.ErrSettled for
// a second use, which revokes the grant with an event like e; that of issue.May, which
// revokes the grant too; idp.ErrExpired, idp.ErrNotFound.
func (db *DB) RedeemCode(ctx context.Context, hash idp.TokenHash, at time.Time, issue idp.Issue, e idp.Event) error {
	was, known := db.codes.get(hash)
	if known {
		done, err := db.issueBriefly(ctx, was.grant, hash, micros(at), &issue, &e)
		err = orDecide(ctx, done, err, func(ctx context.Context, lost bool) error { return db.redeemCode(ctx, hash, at, &issue, e, lost) })
		db.codes.take(hash)
		if err == nil {
			db.rememberRefresh(was.grant, issue.Refresh)
		}
		return err
	}
	return db.redeemCode(ctx, hash, at, &issue, e, false)
}

// redeemCode is RedeemCode as a transaction. lost: the code may have been redeemed, for these very
// tokens.
func (db *DB) redeemCode(ctx context.Context, hash idp.TokenHash, at time.Time, issue *idp.Issue, e idp.Event, lost bool) error {
	var refused error
	err := db.write(ctx, func(t *tx) error {
		refused = nil
		if err := errors.Join(t.holdOwner(ownerOfCode, []any{hash[:]}), t.shareRow(beforeClient, clientOfCode, hash[:])); err != nil {
			return err
		}
		if lost {
			if there, err := t.issued(issue); err != nil || there {
				return err
			}
		}
		u, err := t.usable(selectCodeUse, hash)
		if err != nil {
			return fmt.Errorf("code: %w", err)
		}
		db.seen(&u)
		if u.usedAt == 0 {
			if err := u.good(micros(at)); err != nil {
				return fmt.Errorf("code: %w", err)
			}
			if refused, err = taken(u.may(issue.May)); err != nil {
				return err
			} else if refused != nil {
				return t.withdraw(u.grant, at, refused)
			}
			if err := errors.Join(t.sure(useCode, micros(at), hash[:]), t.addTokens(u.grant, u.grantEnds, issue)); err != nil {
				return err
			}
			return t.note(e)
		}
		// The transaction stands: the revocation must be kept, the caller refused.
		refused = fmt.Errorf("code: %w", idp.ErrSettled)
		replayed := e
		replayed.Kind = idp.EventCodeReplayed
		return t.revoke(u.grant, at, replayed)
	})
	return errors.Join(err, refused)
}

// Refresh returns a refresh token and its grant, used or not. Errors: idp.ErrNotFound.
func (db *DB) Refresh(ctx context.Context, hash idp.TokenHash) (*idp.RefreshToken, *idp.Grant, error) {
	token, grant, _, err := db.RefreshOf(ctx, hash)
	return token, grant, err
}

// RefreshOf is Refresh with the person as they are now, nil where the grant is a
// client's own. Errors: idp.ErrNotFound.
func (db *DB) RefreshOf(ctx context.Context, hash idp.TokenHash) (*idp.RefreshToken, *idp.Grant, *idp.User, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	row := refreshRow{Hash: hash[:]}
	var revokedAt, revision int64
	err = r.seek(selectRefresh, []any{row.Hash}, &row.GrantID, &row.Scopes, &row.JKT, &row.X5T, &row.IssuedAt, &row.ExpiresAt, &row.UsedAt, &row.MAC, &revokedAt, &revision)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("refresh token: %w", err)
	}
	if err := r.fits(&row, ""); err != nil {
		return nil, nil, nil, err
	}
	token, err := row.token()
	if err != nil {
		return nil, nil, nil, err
	}
	recent := db.recent.get(row.GrantID, revision)
	if recent == nil {
		if recent, err = grantAndUser(r, row.GrantID); err != nil {
			return nil, nil, nil, err
		}
		db.recent.put(row.GrantID, recent)
	}
	grant, user := recent.copies()
	grant.RevokedAt = moment(revokedAt)
	return token, grant, user, nil
}

// IssuedRefresh is Refresh for a caller that rotates it next, perhaps from memory, as
// IssuedCode is for codes. Errors: idp.ErrNotFound.
func (db *DB) IssuedRefresh(ctx context.Context, hash idp.TokenHash) (*idp.RefreshToken, *idp.Grant, error) {
	if g, ok := db.refresh.get(hash); ok {
		return cloneRefresh(&g.token), cloneGrant(g.grant), nil
	}
	t, g, u, err := db.RefreshOf(ctx, hash)
	if err == nil && t.UsedAt.IsZero() {
		db.rememberRefresh(cloneGrant(g), t) // for its successor
		if u != nil {
			db.seen(&usable{user: string(u.ID), state: string(u.State), groups: listText(u.Groups)})
		}
	}
	return t, g, err
}

// rememberRefresh keeps a refresh token in memory, once it is on disk. Nobody changes the
// grant any more.
func (db *DB) rememberRefresh(g *idp.Grant, t *idp.RefreshToken) {
	if t != nil {
		db.refresh.put(t.Hash, given[idp.RefreshToken]{*cloneRefresh(t), g})
	}
}

// lastUsedStep is how exactly grants.last_used_at is kept. Finer would cost a write at
// every refresh.
const lastUsedStep = int64(time.Minute / time.Microsecond)

// RotateRefresh marks a refresh token used, unless issue.Keep, and inserts the tokens of
// issue. Errors:
// idp.ErrSettled for a use later than grace after the first, or after issue.Repeats within it,
// which revokes the grant; that of issue.May, which revokes the grant too; idp.ErrExpired,
// idp.ErrNotFound.
func (db *DB) RotateRefresh(ctx context.Context, hash idp.TokenHash, at time.Time, grace time.Duration, issue idp.Issue) error {
	was, known := db.refresh.get(hash)
	if !known {
		return db.rotateRefresh(ctx, hash, at, grace, &issue, false)
	}
	done, err := db.issueBriefly(ctx, was.grant, hash, micros(at), &issue, nil)
	err = orDecide(ctx, done, err, func(ctx context.Context, lost bool) error {
		return db.rotateRefresh(ctx, hash, at, grace, &issue, lost)
	})
	db.refresh.take(hash)
	if err == nil {
		next := issue.Refresh
		if issue.Keep {
			kept := was.token
			next = &kept
		}
		db.rememberRefresh(was.grant, next)
	}
	return err
}

// rotateRefresh is RotateRefresh as a transaction. lost: the token may have been used, for these
// very tokens.
func (db *DB) rotateRefresh(ctx context.Context, hash idp.TokenHash, at time.Time, grace time.Duration, issue *idp.Issue, lost bool) error {
	var refused error
	err := db.write(ctx, func(t *tx) error {
		refused = nil
		now := micros(at)
		if err := errors.Join(t.holdOwner(ownerOfRefresh, []any{hash[:]}), t.shareRow(beforeClient, clientOfRefresh, hash[:])); err != nil {
			return err
		}
		if lost {
			if there, err := t.issued(issue); err != nil || there {
				return err
			}
		}
		u, err := t.usable(selectRefreshUse, hash)
		if err != nil {
			return fmt.Errorf("refresh token: %w", err)
		}
		db.seen(&u)
		if u.usedAt != 0 && (grace <= 0 || now-u.usedAt > grace.Microseconds()) {
			refused = fmt.Errorf("refresh token: %w", idp.ErrSettled)
			return t.revokeBecause(u.grant, at, idp.EventRefreshReplayed, "")
		}
		if err := u.good(now); err != nil {
			return fmt.Errorf("refresh token: %w", err)
		}
		if refused, err = taken(u.may(issue.May)); err != nil {
			return err
		} else if refused != nil {
			return t.withdraw(u.grant, at, refused)
		}
		if u.usedAt != 0 && issue.Repeats > 0 {
			left, err := t.repeatRefresh(hash, issue.Repeats, u.usedAt+grace.Microseconds()+1)
			if err != nil {
				return err
			}
			if !left {
				refused = fmt.Errorf("refresh token: %w", idp.ErrSettled)
				return t.revokeBecause(u.grant, at, idp.EventRefreshReplayed, "")
			}
		}
		if u.usedAt == 0 && !issue.Keep {
			if err := t.sure(useRefresh, now, hash[:]); err != nil {
				return fmt.Errorf("refresh token: %w", err)
			}
		}
		if now-u.lastUsed >= lastUsedStep {
			if err := t.put(useGrant, now, u.grant); err != nil {
				return err
			}
		}
		return t.addTokens(u.grant, u.grantEnds, issue)
	})
	return errors.Join(err, refused)
}

// repeatRefresh notes that a used refresh token came again, and reports whether it may: most
// times at most. Each time is noted among what is good once (used_jwts), until its grace ends.
func (t *tx) repeatRefresh(hash idp.TokenHash, most int, until int64) (bool, error) {
	for i := range most {
		slot := sha256.Sum256(fmt.Appendf(nil, "refresh token, repeated\n%x\n%d", hash[:], i))
		n, err := t.Exec("INSERT INTO used_jwts (hash, until) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING", slot[:], until)
		if err != nil || n == 1 {
			return err == nil, err
		}
	}
	return false, nil
}

// taken tells an idp.ErrDenied, with which the transaction is kept and its caller refused,
// from an error that undoes the transaction.
func taken(err error) (refused, failed error) {
	if errors.Is(err, idp.ErrDenied) {
		return err, nil
	}
	return nil, err
}

// withdraw revokes a grant of which nothing is left, with an event that says what was
// taken away (idp.TakenError).
func (t *tx) withdraw(grant string, at time.Time, why error) error {
	reason := ""
	if gone := (*idp.TakenError)(nil); errors.As(why, &gone) {
		reason = gone.What
	}
	return t.revokeBecause(grant, at, idp.EventGrantRevoked, reason)
}

// revokeBecause revokes a grant by the provider itself, with an event. A reason goes into
// the event.
func (t *tx) revokeBecause(grant string, at time.Time, kind idp.EventKind, reason string) error {
	var user, client, session string
	err := t.Row("SELECT user_id, client_id, session_id FROM grants WHERE id = ?", []any{grant}, &user, &client, &session)
	if err != nil {
		return err
	}
	detail := map[string]string{"grant": grant}
	if reason != "" {
		detail["reason"] = reason
	}
	return t.revoke(grant, at, idp.Event{
		At: at, Kind: kind, Actor: idp.Actor{Name: "provider"},
		User: idp.UserID(user), Client: idp.ClientID(client), Session: idp.SessionID(session), Detail: detail,
	})
}

// revoke revokes a grant and writes e, unless it was revoked before.
func (t *tx) revoke(grant string, at time.Time, e idp.Event) error {
	n, err := t.Exec(revokeGrant, micros(at), grant)
	if err != nil || n == 0 {
		return err
	}
	return t.note(e)
}

func (t *tx) revokeOfSession(user, session string, at time.Time) error {
	err := t.put(revokeOfSession, micros(at), user, session)
	return err
}

// revokeOfClient revokes the grants of an application.
func (t *tx) revokeOfClient(id idp.ClientID, at time.Time) error {
	err := t.put(revokeGrantsOfClient, micros(at), string(id))
	return err
}

// AddTokens inserts a grant with its access token (client credentials). Errors:
// idp.ErrClientDisabled.
func (db *DB) AddTokens(ctx context.Context, g *idp.Grant, issue idp.Issue) error {
	row, events := grantRowOf(g), g.Take()
	return db.write(ctx, func(t *tx) error {
		if err := errors.Join(t.admit(g), t.bind(row)); err != nil {
			return err
		}
		if err := t.put(insertGrant, row.fields()...); err != nil {
			return err
		}
		if err := t.addTokens(row.ID, row.ExpiresAt, &issue); err != nil {
			return err
		}
		return t.note(events...)
	})
}

// Access returns an access token, its grant, and the person of it or nil (client
// credentials). Errors: idp.ErrNotFound.
func (db *DB) Access(ctx context.Context, hash idp.TokenHash) (*idp.AccessToken, *idp.Grant, *idp.User, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	row := accessRow{Hash: hash[:]}
	recent, revokedAt, err := db.accessed(r, &row, hash)
	if err != nil {
		return nil, nil, nil, err
	}
	token, err := row.token()
	if err != nil {
		return nil, nil, nil, err
	}
	grant, user := recent.copies()
	grant.RevokedAt = moment(revokedAt)
	return token, grant, user, nil
}

// accessed reads an access token, and of its grant and person what is not remembered; of a token
// that was not seen lately, all in one statement. Errors: idp.ErrNotFound.
func (db *DB) accessed(r *session, row *accessRow, hash idp.TokenHash) (recent *recentGrant, revokedAt int64, err error) {
	known, ok := db.access.get(hash)
	if !ok || db.recent.grant(string(known.token)) == nil {
		if recent, revokedAt, err = r.sight(row); err == nil {
			db.recent.put(row.GrantID, recent)
			db.access.put(hash, given[idp.GrantID]{token: idp.GrantID(row.GrantID)})
		}
		return recent, revokedAt, err
	}
	var revision int64
	if err := r.seek(selectAccess, []any{row.Hash}, row.answer(&revokedAt, &revision)...); err != nil {
		return nil, 0, fmt.Errorf("access token: %w", err)
	}
	if err := r.fits(row, ""); err != nil {
		return nil, 0, err
	}
	if recent = db.recent.get(row.GrantID, revision); recent != nil {
		return recent, revokedAt, nil
	}
	if recent, err = grantAndUser(r, row.GrantID); err == nil {
		db.recent.put(row.GrantID, recent)
	}
	return recent, revokedAt, err
}

// grantAndUser reads a grant and its person, to be kept in memory.
func grantAndUser(s reader, id string) (*recentGrant, error) {
	var row grantRow
	if err := s.Row(selectGrant, []any{id}, row.fields()...); err != nil {
		return nil, fmt.Errorf("grant %s: %w", id, err)
	}
	if err := s.fits(&row, idp.UserID(row.UserID)); err != nil {
		return nil, err
	}
	g, err := row.grant()
	if err != nil {
		return nil, err
	}
	recent := &recentGrant{grant: *g}
	if g.User == "" {
		return recent, nil
	}
	var user userRow
	if err := s.Row(selectUserRevision, []any{row.UserID}, append(user.fields(), &recent.revision)...); err != nil {
		return nil, fmt.Errorf("user %s: %w", row.UserID, err)
	}
	recent.user, err = user.fitting(s)
	return recent, err
}

// RevokeAccess revokes an access token. Errors: idp.ErrNotFound.
func (db *DB) RevokeAccess(ctx context.Context, hash idp.TokenHash, at time.Time) error {
	return db.write(ctx, func(t *tx) error {
		n, err := t.Exec("UPDATE access_tokens SET revoked_at = CASE revoked_at WHEN 0 THEN ? ELSE revoked_at END WHERE hash = ?", micros(at), hash[:])
		if err == nil && n == 0 {
			return fmt.Errorf("access token: %w", idp.ErrNotFound)
		}
		return err
	})
}

// RevokeGrant revokes a grant and with it every code and token of it; a second
// time does nothing. Errors: idp.ErrNotFound.
func (db *DB) RevokeGrant(ctx context.Context, id idp.GrantID, at time.Time, e idp.Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.holdOwner(ownerOfGrant, []any{string(id)}); err != nil {
			return err
		}
		var there int64
		if err := t.Row("SELECT count(*) FROM grants WHERE id = ?", []any{string(id)}, &there); err != nil {
			return err
		}
		if there == 0 {
			return fmt.Errorf("grant %s: %w", id, idp.ErrNotFound)
		}
		return t.revoke(string(id), at, e)
	})
}
