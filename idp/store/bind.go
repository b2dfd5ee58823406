package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"hilum/idp"
)

// What lets somebody in is bound: each row has a MAC over its table, its key, whose
// it is and everything that decides, under a key that is not in the database. Whoever
// writes to the database can so neither make such a row, nor change one, nor give
// it to somebody else. A row that is not as it was written counts for nothing: it
// is not found, and of a person the role is gone and the account shut.
//
// Left out is what is written often and decides nothing alone, or can only take
// away. What has ended for good (a session, a sign-in, a recovery code that was
// used) loses its MAC with that, and needs none: made to look open again it does
// not fit. A row of before, put back whole with its MAC, is not told from the newest.

// boundRow is a row that is bound, by a MAC. bound are the fields under the MAC, which
// begin with the row's key, in the order of its binding. seal is where the MAC is stored.
type boundRow interface {
	bound() (table string, fields []any)
	seal() *[]byte
}

// rowMAC is the MAC of a row: over the table's name and each field, with a letter for its
// type and, of what has no fixed length, its length.
func (k *keys) rowMAC(r boundRow) []byte {
	table, fields := r.bound()
	room, ok := k.room.Get().(*[]byte)
	if !ok {
		room = new([]byte)
	}
	defer k.room.Put(room)
	b := (*room)[:0]
	b = append(binary.AppendUvarint(b, uint64(len(table))), table...)
	number := func(n int64) {
		b = binary.BigEndian.AppendUint64(append(b, 'n'), uint64(n)) //nolint:gosec // the bits, whatever the sign
	}
	for _, f := range fields {
		switch f := f.(type) {
		case string:
			b = append(binary.AppendUvarint(append(b, 's'), uint64(len(f))), f...)
		case *string:
			b = append(binary.AppendUvarint(append(b, 's'), uint64(len(*f))), *f...)
		case []byte:
			b = append(binary.AppendUvarint(append(b, 'b'), uint64(len(f))), f...)
		case *[]byte:
			b = append(binary.AppendUvarint(append(b, 'b'), uint64(len(*f))), *f...)
		case int64:
			number(f)
		case *int64:
			number(*f)
		case int:
			number(int64(f))
		case bool:
			if f {
				number(1)
			} else {
				number(0)
			}
		default:
			panic(fmt.Sprintf("store: %T cannot be bound", f)) // a fault of this package, found by its first test
		}
	}
	*room = b
	return k.row.sum(b)
}

// bind puts the MACs into rows that are about to be written.
func (s *session) bind(rows ...boundRow) error {
	k, err := s.trust.opened()
	if err != nil {
		return err
	}
	for _, r := range rows {
		*r.seal() = k.rowMAC(r)
	}
	return nil
}

// fits returns nil for a row whose MAC is right, else idp.ErrNotFound: it counts for
// nothing, and an alarm is told.
func (s *session) fits(r boundRow, of idp.UserID) error {
	k, err := s.trust.opened()
	if err != nil {
		return err
	}
	if equalMAC(*r.seal(), k.rowMAC(r)) {
		return nil
	}
	// Which row, as the log may know it: hashes of secrets stay out.
	table, fields := r.bound()
	id, _ := fields[0].(string)
	if table == "devices" || table == "recovery_codes" {
		id = fmt.Sprint(fields[1])
	}
	s.trust.tampered(s.now, table, id, of)
	return fmt.Errorf("a row of %s was changed: %w", table, idp.ErrNotFound)
}

// fitting are the rows, of a person, whose MACs are right.
func fitting[T any, R interface {
	*T
	boundRow
}](s reader, rows []T, of idp.UserID) []T {
	return slices.DeleteFunc(rows, func(r T) bool { return s.fits(R(&r), of) != nil })
}

// reader is what rows are read by: statements, and the check of their MACs.
type reader interface {
	statements
	fits(r boundRow, of idp.UserID) error
}

// binding says how all the rows of a table are gone through when they are bound for the
// first time: by the key, with which bound begins.
type binding struct {
	keys []string
	rows func(t *tx, b binding, after []any, limit int64) ([]boundRow, error)
}

var bindings = map[string]binding{
	"users":           {[]string{"id"}, byHand[userRow](userColumns)},
	"passwords":       {[]string{"user_id"}, byHand[passwordRow](passwordColumns)},
	"devices":         {[]string{"user_id", "id"}, byHand[deviceRow](deviceColumns)},
	"recovery_codes":  {[]string{"user_id", "n"}, byHand[recoveryRow](recoveryColumns)},
	"invitations":     {[]string{"id"}, byGorm[invitationRow]},
	"pairings":        {[]string{"id"}, byGorm[pairingRow]},
	"challenges":      {[]string{"id"}, byHand[challengeRow](challengeColumns)},
	"logins":          {[]string{"id"}, byHand[loginRow](loginColumns)},
	"sessions":        {[]string{"id"}, byHand[sessionRow](sessionColumns)},
	"grants":          {[]string{"id"}, byHand[grantRow](grantColumns)},
	"codes":           {[]string{"hash"}, byHand[codeRow](codeColumns)},
	"refresh_tokens":  {[]string{"hash"}, byHand[refreshRow](refreshColumns)},
	"access_tokens":   {[]string{"hash"}, byHand[accessRow](accessColumns)},
	"clients":         {[]string{"id"}, byGorm[clientRow]},
	"pushed_requests": {[]string{"id"}, byHand[pushedRow](pushedColumns)},
	"polled_requests": {[]string{"id"}, byHand[polledRow](polledColumns)},

	"registration_tokens": {[]string{"id"}, byHand[registrationRow](registrationColumns)},

	"client_secrets": {[]string{"client_id", "hash"}, byGorm[clientSecretRow]},
}

// past is the condition in SQL for the rows behind a key.
func (b binding) past() string {
	return "(" + strings.Join(b.keys, ", ") + ") > (?" + strings.Repeat(", ?", len(b.keys)-1) + ")"
}

// byHand reads some rows of a table by hand-written SQL.
func byHand[T any, R interface {
	hotRow[T]
	boundRow
}](columns string) func(*tx, binding, []any, int64) ([]boundRow, error) {
	return func(t *tx, b binding, after []any, limit int64) ([]boundRow, error) {
		table, _ := R(new(T)).bound()
		query := "SELECT " + columns + " FROM " + table
		if after != nil {
			query += " WHERE " + b.past()
		}
		rows, err := list[T, R](t, query+" ORDER BY "+strings.Join(b.keys, ", ")+" LIMIT ?", append(after, limit)...)
		return boundRows[T, R](rows), err
	}
}

func boundRows[T any, R interface {
	*T
	boundRow
}](rows []T) []boundRow {
	out := make([]boundRow, len(rows))
	for i := range rows {
		out[i] = R(&rows[i])
	}
	return out
}

// bindAll puts MACs into all rows of before there was a key, as they are found.
func (t *tx) bindAll() error {
	const page = 1000
	total := 0
	for table, b := range bindings {
		update := "UPDATE " + table + " SET mac = ? WHERE " + strings.Join(b.keys, " = ? AND ") + " = ?"
		var after []any
		for more := true; more; {
			rows, err := b.rows(t, b, after, page)
			if err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
			if err := t.bind(rows...); err != nil {
				return err
			}
			for _, r := range rows {
				_, fields := r.bound()
				after = fields[:len(b.keys):len(b.keys)]
				if err := t.put(update, append([]any{*r.seal()}, after...)...); err != nil {
					return fmt.Errorf("%s: %w", table, err)
				}
			}
			total += len(rows)
			more = len(rows) == page
		}
	}
	if total > 0 {
		t.trust.log.Info("what lets people in is bound to whom it belongs to from now on", slog.Int("rows", total))
	}
	return nil
}

// maxAlarms bounds how many rows are told of, so that who changes a million does not fill
// the log with them.
const maxAlarms = 1000

// alarms tells of rows whose MAC is wrong, of each once.
type alarms struct {
	mu     sync.Mutex
	told   map[string]bool
	closed bool
	under  sync.WaitGroup
	note   func(idp.Event) // in a transaction of its own
}

// tampered tells that a row's MAC is wrong: by a line in the log and an event.
func (t *trust) tampered(now clock, table, id string, of idp.UserID) {
	a := &t.alarms
	a.mu.Lock()
	defer a.mu.Unlock()
	what := table + " " + id + " " + string(of)
	if a.told[what] || len(a.told) >= maxAlarms || a.closed {
		return
	}
	if a.told == nil {
		a.told = map[string]bool{}
	}
	a.told[what] = true
	t.log.Error("a row was changed, and not by this program: it counts for nothing", "table", table, "id", id, "user", string(of))
	e := idp.Event{At: now(), Kind: idp.EventTampered, Actor: idp.Actor{Name: "provider"}, User: of, Detail: map[string]string{"table": table, "id": id}}
	a.under.Go(func() { a.note(e) }) // ends when the event is written; close waits
}

// close waits for what is being told. Later finds are not told.
func (a *alarms) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.under.Wait()
}

// noteAlarms writes the events of alarms.
func (db *DB) noteAlarms() {
	db.trust.alarms.note = func(e idp.Event) {
		if err := db.AddEvent(context.Background(), e); err != nil {
			db.conf.Log.Error("that a row was changed is not in the log", "error", err)
		}
	}
}

// shut is what counts of a person whose row's MAC is wrong: an account that nobody gets in
// to.
func shut(u *idp.User) {
	u.State, u.Staff, u.Roles, u.Groups, u.EmailVerified, u.PhoneVerified = idp.UserDisabled, idp.StaffNone, nil, nil, false, false
}

// shutClient is what counts of an application whose row's MAC is wrong.
func shutClient(c *idp.Client) {
	c.Disabled, c.Secrets, c.RedirectURIs, c.PostLogoutURIs, c.Origins, c.LogoutURI, c.JWKS, c.JWKSURI = true, nil, nil, nil, nil, "", "", ""
	c.RegistrationHash, c.InitiateURI, c.Resources = idp.TokenHash{}, "", nil
}

func (r *userRow) seal() *[]byte         { return &r.MAC }
func (r *passwordRow) seal() *[]byte     { return &r.MAC }
func (r *deviceRow) seal() *[]byte       { return &r.MAC }
func (r *recoveryRow) seal() *[]byte     { return &r.MAC }
func (r *invitationRow) seal() *[]byte   { return &r.MAC }
func (r *pairingRow) seal() *[]byte      { return &r.MAC }
func (r *challengeRow) seal() *[]byte    { return &r.MAC }
func (r *loginRow) seal() *[]byte        { return &r.MAC }
func (r *sessionRow) seal() *[]byte      { return &r.MAC }
func (r *grantRow) seal() *[]byte        { return &r.MAC }
func (r *codeRow) seal() *[]byte         { return &r.MAC }
func (r *refreshRow) seal() *[]byte      { return &r.MAC }
func (r *accessRow) seal() *[]byte       { return &r.MAC }
func (r *clientRow) seal() *[]byte       { return &r.MAC }
func (r *clientSecretRow) seal() *[]byte { return &r.MAC }

func (r *userRow) bound() (string, []any) {
	return "users", []any{r.ID, r.Name, r.DisplayName, r.GivenName, r.FamilyName, r.Email, r.EmailVerified, r.Phone, r.PhoneVerified,
		r.Locale, r.Staff, r.Roles, r.Groups, r.State, r.CreatedAt}
}

func (r *passwordRow) bound() (string, []any) { return "passwords", []any{r.UserID, r.Hash} }

// A step that was used, and where the phone is reached, are not bound.
func (r *deviceRow) bound() (string, []any) {
	fields := []any{r.UserID, r.ID, r.Kind, r.State, r.SealedTOTP, r.PublicKey, r.LinkedAt}
	if len(r.UVKey) > 0 { // there was none when the first rows were bound
		fields = append(fields, r.UVKey)
	}
	return "devices", fields
}

func (r *recoveryRow) bound() (string, []any) {
	return "recovery_codes", []any{r.UserID, r.N, r.Hash, r.MadeAt}
}

func (r *invitationRow) bound() (string, []any) {
	return "invitations", []any{r.ID, r.Token, r.Purpose, r.UserID, r.ByUser, r.ByName, r.CreatedAt, r.ExpiresAt, r.UsedAt, r.Mailed}
}

func (r *pairingRow) bound() (string, []any) {
	return "pairings", []any{r.ID, r.UserID, r.Account, r.Browser, r.SealedTOTP, r.WrongCodes, r.CreatedAt, r.ExpiresAt, r.UsedAt,
		r.Code, r.SealedCode, r.SealedShort, r.ShortTries, r.Rival, r.Enrol, r.ClaimID, r.Claim, r.ChallengeID, r.TappedAt, r.SessionID}
}

func (r *challengeRow) bound() (string, []any) {
	fields := []any{r.ID, r.Purpose, r.UserID, r.LoginID, r.PairingID, r.Browser, r.Address, r.Mode, r.Number, r.Doc, r.State,
		r.DeviceID, r.Reason, r.CreatedAt, r.SentAt, r.ExpiresAt, r.AnsweredAt}
	if r.Verify || r.Verified { // nothing was when the first rows were bound
		fields = append(fields, r.Verify, r.Verified)
	}
	return "challenges", fields
}

func (r *loginRow) bound() (string, []any) {
	return "logins", []any{r.ID, r.Purpose, r.State, r.Browser, r.Request, r.Target, r.UserID, r.SessionID, r.InvitationID,
		r.NewName, r.NewDisplay, r.PairingID, r.NewHash, r.WrongCodes, r.AskConsent, r.Consented, r.PasswordAt,
		r.FactorAt, r.AuthTime, r.ACR, r.AMR, r.DeviceID, r.CreatedAt, r.ExpiresAt, r.ChallengeID, r.Sends, r.Who}
}

func (r *sessionRow) bound() (string, []any) {
	return "sessions", []any{r.ID, r.Token, r.Browser, r.UserID, r.AuthTime, r.FactorAt, r.ACR, r.AMR, r.CreatedAt, r.IdleAfter, r.ExpiresAt, r.DeviceID}
}

func (r *grantRow) bound() (string, []any) {
	fields := []any{r.ID, r.ClientID, r.UserID, r.SessionID, r.Scopes, r.Nonce, r.ACR, r.AMR, r.AuthTime, r.Claims, r.CreatedAt, r.ExpiresAt}
	if r.Type != "" { // there was one alone when the first rows were bound
		fields = append(fields, "type", r.Type)
	}
	if r.Origin != "" || r.Actors != "" { // of no exchange were those that were bound first
		fields = append(fields, "exchange", r.Origin, r.Actors)
	}
	if r.Resources != "" { // nor was anything asked for by name
		fields = append(fields, "resources", r.Resources)
	}
	if r.Study != "" { // nor was a study opened
		fields = append(fields, "study", r.Study)
	}
	return "grants", fields
}

func (r *codeRow) bound() (string, []any) {
	return "codes", boundTo(&r.JKT, nil, &r.Hash, &r.GrantID, &r.RedirectURI, &r.Challenge, &r.ExpiresAt)
}

func (r *refreshRow) bound() (string, []any) {
	return "refresh_tokens", boundTo(&r.JKT, &r.X5T, &r.Hash, &r.GrantID, &r.Scopes, &r.IssuedAt, &r.ExpiresAt)
}

func (r *accessRow) bound() (string, []any) {
	return "access_tokens", boundTo(&r.JKT, &r.X5T, &r.Hash, &r.GrantID, &r.Scopes, &r.Audience, &r.IssuedAt, &r.ExpiresAt)
}

// boundTo adds the key and the certificate that a code or token is bound to; none was when
// the first rows were bound.
func boundTo(jkt, x5t *string, fields ...any) []any {
	if *jkt != "" {
		fields = append(fields, jkt)
	}
	if x5t != nil && *x5t != "" {
		fields = append(fields, "x5t", x5t)
	}
	return fields
}

// Its picture lets nobody in.
func (r *clientRow) bound() (string, []any) {
	fields := []any{r.ID, r.Name, r.Kind, r.Auth, r.RedirectURIs, r.PostLogoutURIs, r.LogoutURI, r.LogoutSession, r.Origins,
		r.GrantTypes, r.Scopes, r.Audience, r.IDTokenAlg, r.AccessFormat, r.AccessTTL, r.RefreshIdle, r.RefreshGrace, r.RefreshAlways,
		r.OptionalPKCE, r.ClaimsInID, r.Consent, r.Match, r.Groups, r.Claims, r.Disabled, r.CreatedAt}
	if r.Verify { // none did when the first rows were bound
		fields = append(fields, r.Verify)
	}
	if r.JWKS != "" || r.JWKSURI != "" || r.RequirePushed || r.DPoP || r.Profile != "" { // as above
		fields = append(fields, r.JWKS, r.JWKSURI, r.RequirePushed, r.DPoP, r.Profile)
	}
	if r.Signing != "" { // as above; named, so that it stands for no other column
		fields = append(fields, "signing", r.Signing)
	}
	if r.Backchannel != "" { // as above
		fields = append(fields, "backchannel", r.Backchannel)
	}
	if r.TLSSubject != "" || r.CertBound {
		fields = append(fields, "certificate", r.TLSSubject, r.CertBound)
	}
	if r.DefaultScopes != "[]" || r.ClaimsInAccess || r.KeepRefresh { // as above
		fields = append(fields, "default_scopes", r.DefaultScopes, r.ClaimsInAccess, r.KeepRefresh)
	}
	if r.SubjectType != "" || r.SectorURI != "" || r.InitiateURI != "" { // as above
		fields = append(fields, "subjects", r.SubjectType, r.SectorURI, r.InitiateURI)
	}
	if r.ExchangeTargets != "[]" && r.ExchangeTargets != "" { // as above
		fields = append(fields, "exchange", r.ExchangeTargets)
	}
	if r.RegisteredBy != "" || len(r.RegistrationHash) > 0 { // as above
		fields = append(fields, "registration", r.RegisteredBy, r.RegistrationHash)
	}
	if r.Resources != "[]" && r.Resources != "" { // as above
		fields = append(fields, "resources", r.Resources)
	}
	if r.About != "" || r.Requests != "" { // as above
		fields = append(fields, "about", r.About, r.Requests)
	}
	return "clients", fields
}

func (r *clientSecretRow) bound() (string, []any) {
	return "client_secrets", []any{r.ClientID, r.Hash, r.CreatedAt, r.ExpiresAt}
}
