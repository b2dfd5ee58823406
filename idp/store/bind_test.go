package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"gorm.io/driver/sqlite"

	"hilum/idp"
)

// unbound are the columns of bound tables that somebody who writes to the database
// can change without its being seen: docs/security.md says what that is worth.
var unbound = map[string][]string{
	"users":           {"updated_at", "revision", "n", "email_key"},
	"passwords":       {"set_at"},
	"devices":         {"name", "platform", "last_step", "drift", "last_used_at", "app", "sealed_push", "push_type", "push_ok_at", "push_bad_at", "push_said", "n"},
	"recovery_codes":  {"used_at"},
	"invitations":     {"n"},
	"pairings":        {"n"},
	"challenges":      {"n"},
	"logins":          {"n", "held"},
	"sessions":        {"n", "agent", "address", "last_seen_at", "ended_at"},
	"grants":          {"n", "revoked_at", "last_used_at"},
	"codes":           {"n", "used_at", "keep_until"},
	"refresh_tokens":  {"n", "used_at", "keep_until"},
	"access_tokens":   {"n", "revoked_at"},
	"clients":         {"icon", "updated_at"},
	"pushed_requests": {"n", "used_at"},
	"polled_requests": {"n", "state", "interval", "polled_at"},
	"client_secrets":  {"last_used_at"},

	"registration_tokens": {"n"},
}

// filled is a site with a row in every bound table, as the methods of the store
// write them.
func filled(t *testing.T) *logSite {
	t.Helper()
	s := newLogSite(t)
	db := s.open()
	ctx, now := t.Context(), time.Now()
	hash := func(b byte) idp.TokenHash { return idp.TokenHash{0: b, 31: b} }
	u := &idp.User{ID: "u", Name: "anna", State: idp.UserActive, Staff: idp.StaffAdmin, Groups: []string{"radiology"}, CreatedAt: now}
	s.ok(db.AddUser(ctx, u))
	s.ok(db.UpdateUser(ctx, "u", func(u *idp.User) error { u.Email = "anna@example.org"; return nil }))
	s.ok(db.SetPassword(ctx, "u", "phc", time.Time{}, idp.Within{}, idp.Event{Kind: idp.EventPasswordChanged}))
	s.ok(db.RehashPassword(ctx, "u", "phc", "phc2"))
	s.ok(db.SetRecoveryCodes(ctx, "u", []idp.RecoveryCode{{User: "u", N: 1, Hash: "r1", MadeAt: now}, {User: "u", N: 2, Hash: "r2", MadeAt: now}}, idp.Within{}, idp.Event{Kind: idp.EventRecoveryMade}))
	p := &idp.Pairing{ID: "p", User: "u", Account: "anna", Code: hash(1), CreatedAt: now, ExpiresAt: now.Add(time.Hour), Claim: &idp.Device{ID: "claimed", PublicKey: []byte("key")}}
	s.ok(db.AddPairing(ctx, p))
	s.ok(db.UpdatePairing(ctx, "p", func(p *idp.Pairing) (*idp.Device, error) {
		p.ShortTries++
		return &idp.Device{ID: "d", User: "u", Kind: idp.DeviceApp, State: idp.DeviceActive, SealedTOTP: []byte("x"), PublicKey: []byte("k"), LinkedAt: now}, nil
	}))
	s.ok(db.UpdateDevice(ctx, "u", "d", idp.Replay{}, func(d *idp.Device) error { d.LastStep = 7; return nil }))
	s.ok(db.AddInvitation(ctx, &idp.Invitation{ID: "i", Token: hash(2), Purpose: idp.InviteReset, User: "u", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}, func(*idp.User) error { return nil }))
	_, err := db.RenewInvitation(ctx, "i", hash(3), now)
	s.ok(err)
	s.ok(db.AddLogin(ctx, &idp.Login{ID: "l", State: idp.LoginFactor, User: "u", Browser: hash(4), CreatedAt: now, ExpiresAt: now.Add(time.Hour)}))
	s.ok(db.UpdateLogin(ctx, "l", func(l *idp.Login) error { l.Sends++; return nil }))
	session := &idp.Session{ID: "s", Token: hash(5), Browser: hash(4), User: "u", AuthTime: now, FactorAt: now, CreatedAt: now, LastSeenAt: now, IdleAfter: time.Hour, ExpiresAt: now.Add(time.Hour)}
	grant := &idp.Grant{ID: "g", Client: "c", User: "u", Session: "s", Scopes: []string{"openid"}, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	s.ok(db.write(ctx, func(x *tx) error {
		return errors.Join(x.addSession(session),
			x.addChallenge(&idp.Challenge{ID: "ch", User: "u", Login: "l", State: idp.ChallengePending, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}))
	}))
	s.ok(db.AddClient(ctx, &idp.Client{ID: "c", Name: "Viewer", RedirectURIs: []string{"https://rp.example/cb"}, Secrets: []idp.ClientSecret{{Hash: hash(6), CreatedAt: now}}, CreatedAt: now}))
	s.ok(db.UpdateClient(ctx, "c", func(c *idp.Client) error { c.Scopes = []string{"openid"}; return nil }))
	s.ok(db.AddRegistrationToken(ctx, &idp.RegistrationToken{ID: "r", Name: "Suppliers", Hash: hash(10), GrantTypes: []string{"authorization_code"}, Uses: 3, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}))
	s.ok(db.AddPushed(ctx, &idp.Pushed{ID: "handle", Client: "c", Request: idp.AuthRequest{Client: "c"}, ExpiresAt: now.Add(time.Minute)}))
	s.ok(db.AddPolled(ctx, &idp.Polled{ID: "polled", Type: idp.GrantDevice, Client: "c", State: idp.PolledPending, Interval: idp.PollInterval, UserCode: []byte("code"), CreatedAt: now, ExpiresAt: now.Add(time.Minute)}))
	s.ok(db.AddGrant(ctx, session, grant, &idp.Code{Hash: hash(7), Grant: "g", RedirectURI: "https://rp.example/cb", ExpiresAt: now.Add(time.Minute)}))
	s.ok(db.AddTokens(ctx, &idp.Grant{ID: "g2", Client: "c", User: "u", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}, idp.Issue{
		Access:  idp.AccessToken{Hash: hash(8), Grant: "g2", ExpiresAt: now.Add(time.Hour)},
		Refresh: &idp.RefreshToken{Hash: hash(9), Grant: "g2", ExpiresAt: now.Add(time.Hour)},
	}))
	s.ok(db.Close())
	return s
}

// misfits are the rows that do not fit, by table.
func misfits(t *testing.T, db *DB) map[string]int {
	t.Helper()
	out := map[string]int{}
	err := db.write(t.Context(), func(x *tx) error {
		k, err := x.trust.opened()
		if err = errors.Join(err, x.hold(holdLog)); err != nil {
			return err
		}
		for table, b := range bindings {
			rows, err := b.rows(x, b, nil, 100)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				t.Errorf("%s has no row", table)
			}
			for _, r := range rows {
				if !equalMAC(*r.seal(), k.rowMAC(r)) {
					out[table]++
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWhatIsBound changes every column of every bound table. Whatever is not in
// the list of what may be changed is seen.
func TestWhatIsBound(t *testing.T) {
	s := filled(t)
	db := s.open()
	defer func() { s.ok(db.Close()) }()
	if m := misfits(t, db); len(m) != 0 {
		t.Fatalf("as written: %v", m)
	}
	raw, err := sql.Open(sqlite.DriverName, "file:"+s.path()+"?_busy_timeout=5000")
	s.ok(err)
	defer raw.Close()
	raw.SetMaxOpenConns(1)
	n := 0
	for _, table := range slices.Sorted(maps.Keys(bindings)) {
		rows, err := raw.Query("SELECT name, type FROM pragma_table_info(?) WHERE name <> 'mac'", table)
		s.ok(err)
		var columns [][2]string
		for rows.Next() {
			var c [2]string
			s.ok(rows.Scan(&c[0], &c[1]))
			columns = append(columns, c)
		}
		s.ok(errors.Join(rows.Err(), rows.Close()))
		for _, c := range columns {
			column := `"` + c[0] + `"`
			change := map[string]string{"TEXT": column + " || ' '", "INTEGER": "1 - " + column, "BLOB": "CAST(hex(" + column + ") || 'y' AS BLOB)"}[c[1]]
			tx, err := raw.Begin()
			s.ok(err)
			_, err = tx.Exec("CREATE TEMP TABLE before AS SELECT * FROM " + table)
			s.ok(err)
			_, err = tx.Exec("PRAGMA defer_foreign_keys = on")
			s.ok(err)
			_, err = tx.Exec(fmt.Sprintf("UPDATE %s SET %s = %s", table, column, change))
			s.ok(err)
			s.ok(tx.Commit())
			seen := misfits(t, db)[table] > 0
			if want := !slices.Contains(unbound[table], c[0]); seen != want {
				t.Errorf("%s.%s is changed, and seen: %v", table, c[0], seen)
			}
			for _, q := range []string{"DELETE FROM " + table, "INSERT INTO " + table + " SELECT * FROM temp.before", "DROP TABLE temp.before"} {
				_, err := raw.Exec(q)
				s.ok(err)
			}
			n++
		}
	}
	t.Logf("%d columns of %d tables", n, len(bindings))
	if m := misfits(t, db); len(m) != 0 {
		t.Errorf("put back: %v", m)
	}
}

// What was there before the key is bound as it is found, page by page; from then
// on a row without a MAC is none.
func TestUpgradeBindsRows(t *testing.T) {
	s := filled(t)
	s.unkeyed()
	for table := range bindings {
		s.sql("UPDATE " + table + " SET mac = x''")
	}
	s.sql(`WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 2345)
		INSERT INTO users (id, name, display_name, given_name, family_name, email, email_verified, phone, phone_verified, locale, staff, roles, "groups", state, created_at, updated_at)
		SELECT 'x' || i, 'x' || i, '', '', '', '', 0, '', 0, '', '', '[]', '[]', 'invited', 0, 0 FROM c`,
		"INSERT INTO recovery_codes (user_id, n, hash, made_at, used_at) SELECT id, k.n, 'h', 0, 0 FROM users, (SELECT 1 AS n UNION SELECT 2) k WHERE id LIKE 'x%'")
	db := s.open()
	defer func() { s.ok(db.Close()) }()
	if m := misfits(t, db); len(m) != 0 {
		t.Errorf("after the upgrade: %v", m)
	}
	for i := range 2345 {
		u, err := db.User(t.Context(), idp.UserID(fmt.Sprintf("x%d", i+1)))
		if err != nil || u.State != idp.UserInvited {
			t.Fatalf("%+v, %v", u, err)
		}
	}
	if codes, err := list[recoveryRow](db.reader, "SELECT "+recoveryColumns+" FROM recovery_codes WHERE mac = x''"); err != nil || len(codes) != 0 {
		t.Errorf("%d codes are not bound, %v", len(codes), err)
	}
	s.sql("INSERT INTO passwords (user_id, hash, set_at) VALUES ('x1', 'phc', 0)")
	if a, err := db.Account(t.Context(), "x1"); err != nil || a.PasswordHash != "" {
		t.Errorf("%+v, %v", a, err)
	}
}

// Nobody has everything bound anew by taking away what shows that it was: the
// head, the events, and the MACs.
func TestBoundAgainIsRefused(t *testing.T) {
	for name, edits := range map[string][]string{
		"the head is removed":                {"DELETE FROM log_head"},
		"the head and all events are":        {"DELETE FROM log_head", "DELETE FROM events"},
		"the head and the first event are":   {"DELETE FROM log_head", "DELETE FROM events WHERE seq = 1"},
		"the head and every second event is": {"DELETE FROM log_head", "DELETE FROM events WHERE seq % 2 = 0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := filled(t)
			db := s.open()
			_, _, err := db.KeepHead(t.Context(), true)
			s.ok(errors.Join(err, db.Close()))
			s.sql(append(edits, "UPDATE users SET staff = 'admin', mac = x''", "UPDATE passwords SET hash = 'mine', mac = x''")...)
			db, err = Open(t.Context(), Config{Driver: "sqlite", Path: s.path(), Key: s.key, Witness: s.witness()})
			if err != nil { // refused altogether
				if !errors.Is(err, idp.ErrInvalid) {
					t.Fatal(err)
				}
				return
			}
			defer func() { s.ok(db.Close()) }()
			a, err := db.Account(t.Context(), "u")
			s.ok(err)
			if a.User.Staff != idp.StaffNone || a.User.State != idp.UserDisabled || a.PasswordHash != "" {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestTokensThatWereChanged is the same as in idp/login for what applications hold.
func TestTokensThatWereChanged(t *testing.T) {
	hash := func(b byte) idp.TokenHash { return idp.TokenHash{0: b, 31: b} }
	access := func(db *DB) error { _, _, _, err := db.Access(context.Background(), hash(8)); return err }
	refresh := func(db *DB) error { _, _, err := db.Refresh(context.Background(), hash(9)); return err }
	code := func(db *DB) error { _, _, err := db.Code(context.Background(), hash(7)); return err }
	client := func(db *DB) error {
		c, err := db.Client(context.Background(), "c")
		if err == nil && (c.Disabled || len(c.Secrets) != 1 || len(c.RedirectURIs) != 1) {
			return idp.ErrDenied
		}
		return err
	}
	for _, c := range []struct {
		name, edit string
		use        func(*DB) error
	}{
		{"an access token of another's grant", "UPDATE access_tokens SET grant_id = 'g'", access},
		{"an access token that lasts", "UPDATE access_tokens SET expires_at = expires_at * 2", access},
		{"an access token with more scopes", `UPDATE access_tokens SET scopes = '["openid","admin"]'`, access},
		{"a grant of another person", "UPDATE grants SET user_id = 'v' WHERE id = 'g2'", access},
		{"a grant with more scopes", `UPDATE grants SET scopes = '["admin"]' WHERE id = 'g2'`, refresh},
		{"a refresh token of another's grant", "UPDATE refresh_tokens SET grant_id = 'g'", refresh},
		{"a code of another's grant", "UPDATE codes SET grant_id = 'g2'", code},
		{"a code without its challenge", "UPDATE codes SET challenge = 'mine'", code},
		{"a grant for another application", "UPDATE grants SET client_id = 'mine' WHERE id = 'g'", code},
		{"another redirect address", `UPDATE clients SET redirect_uris = '["https://evil.example/cb"]'`, client},
		{"an application that need not sign", `UPDATE clients SET signing = '{"userinfo_alg":"RS256"}'`, client},
		{"an application enabled", "UPDATE clients SET groups = '[]', disabled = 1 - disabled", client},
		{"another secret", "UPDATE client_secrets SET hash = x'" + fmt.Sprintf("%064x", 1) + "'", client},
		{"a secret without a MAC", "UPDATE client_secrets SET mac = x''", client},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := filled(t)
			db := s.open()
			s.ok(c.use(db))
			s.ok(db.Close())
			s.sql("PRAGMA foreign_keys = off", c.edit)
			db = s.open()
			defer func() { s.ok(db.Close()) }()
			for range 3 {
				if err := c.use(db); !errors.Is(err, idp.ErrNotFound) && !errors.Is(err, idp.ErrDenied) {
					t.Errorf("it counts: %v", err)
				}
			}
		})
	}
	for _, c := range []struct{ name, edit string }{
		{"a question marked as approved", "UPDATE challenges SET state = 'approved', device_id = 'd'"},
		{"a question of another person", "UPDATE challenges SET user_id = 'v'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := filled(t)
			s.sql(c.edit)
			db := s.open()
			defer func() { s.ok(db.Close()) }()
			if c, err := db.Challenge(t.Context(), "ch"); !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
	for _, c := range []struct{ name, edit string }{
		{"another phone's key in an offer", `UPDATE pairings SET used_at = 0, claim = replace(claim, '"PublicKey":"a2V5"', '"PublicKey":"bWluZQ=="')`},
		{"an offer for another person", "UPDATE pairings SET user_id = 'v'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := filled(t)
			s.sql(c.edit)
			db := s.open()
			defer func() { s.ok(db.Close()) }()
			if p, err := db.Pairing(t.Context(), "p"); !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%+v, %v", p, err)
			}
			if p, err := db.Speaker(t.Context(), "claimed"); !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
}

// A forged administrator is none when the last one goes.
func TestAForgedAdministratorIsNone(t *testing.T) {
	s := filled(t)
	db := s.open()
	defer func() { s.ok(db.Close()) }()
	s.ok(db.AddUser(t.Context(), &idp.User{ID: "v", Name: "mallory", State: idp.UserActive}))
	s.sql("UPDATE users SET staff = 'admin' WHERE id = 'v'")
	if err := db.DisableUser(t.Context(), "u", idp.Event{Kind: idp.EventUserDisabled}); !errors.Is(err, idp.ErrDenied) {
		t.Errorf("the last administrator is gone: %v", err)
	}
}
