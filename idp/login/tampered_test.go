package login_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/login"
	"hilum/idp/totp"
)

// edit changes the database behind the provider's back, as one statement each.
func (w *world) edit(statement string, args ...any) {
	w.Helper()
	idptest.Edit(w, w.database, statement, args...)
}

// got is an error for a step in none of the states.
func got(s *login.Step, err error, states ...idp.LoginState) error {
	if err == nil && !slices.Contains(states, s.State) {
		return errors.New("at " + string(s.State))
	}
	return err
}

// TestRowsThatWereChangedLetNobodyIn is what somebody can try who writes to the
// database: mallory, who has an account, wants to be the chief, who administers.
// Each try goes through the real flow. It fails, and the log tells of the row once.
func TestRowsThatWereChangedLetNobodyIn(t *testing.T) {
	type both struct {
		*world
		mallory, chief *person
	}
	// as signs in with the name of one and what another knows.
	password := func(w both, name string, secret idp.Secret) error {
		b := w.browser()
		step, err := w.StartAccount(t.Context(), "/account", b)
		w.must(err)
		return got2(w.Password(t.Context(), step.ID, b, name, secret))
	}
	code := func(w both, as *person, secret []byte) error {
		b := w.browser()
		id := as.atFactor(b)
		w.later(totp.Period * time.Second)
		step, err := w.Code(t.Context(), id, b, totp.Code(secret, w.now()))
		return got(step, err, idp.LoginDone)
	}
	for _, c := range []struct {
		name, table string
		try         func(w both) error // nil: mallory is in
	}{
		{"mallory's hash in the chief's row", "passwords", func(w both) error {
			w.edit("UPDATE passwords SET hash = (SELECT hash FROM passwords WHERE user_id = ?) WHERE user_id = ?", w.mallory.id, w.chief.id)
			return password(w, "chief", w.mallory.password)
		}},
		{"mallory's hash with its MAC in the chief's row", "passwords", func(w both) error {
			w.edit("UPDATE passwords SET (hash, mac) = (SELECT hash, mac FROM passwords WHERE user_id = ?) WHERE user_id = ?", w.mallory.id, w.chief.id)
			return password(w, "chief", w.mallory.password)
		}},
		{"mallory's password row moved to the chief", "passwords", func(w both) error {
			w.edit("DELETE FROM passwords WHERE user_id = ?", w.chief.id)
			w.edit("UPDATE passwords SET user_id = ? WHERE user_id = ?", w.chief.id, w.mallory.id)
			return password(w, "chief", w.mallory.password)
		}},
		{"a password row without a MAC", "passwords", func(w both) error {
			w.edit("UPDATE passwords SET mac = ? WHERE user_id = ?", []byte{}, w.chief.id)
			return password(w, "chief", w.chief.password)
		}},
		{"the names of two people swapped", "users", func(w both) error {
			w.edit("UPDATE users SET name = 'x' WHERE id = ?", w.chief.id)
			w.edit("UPDATE users SET name = 'chief' WHERE id = ?", w.mallory.id)
			return password(w, "chief", w.mallory.password)
		}},
		{"mallory's phone moved to the chief", "devices", func(w both) error {
			w.edit("UPDATE devices SET user_id = ? WHERE id = ?", w.chief.id, w.mallory.device)
			return code(w, w.chief, w.mallory.secret)
		}},
		{"mallory's seed in the chief's phone", "devices", func(w both) error {
			w.edit("UPDATE devices SET sealed_totp = (SELECT sealed_totp FROM devices WHERE id = ?) WHERE id = ?", w.mallory.device, w.chief.device)
			return code(w, w.chief, w.mallory.secret)
		}},
		{"mallory's seed and MAC in the chief's phone", "devices", func(w both) error {
			w.edit("UPDATE devices SET (sealed_totp, mac) = (SELECT sealed_totp, mac FROM devices WHERE id = ?) WHERE id = ?", w.mallory.device, w.chief.device)
			return code(w, w.chief, w.mallory.secret)
		}},
		{"mallory's recovery codes given to the chief", "recovery_codes", func(w both) error {
			w.edit("DELETE FROM recovery_codes WHERE user_id = ?", w.chief.id)
			w.edit("UPDATE recovery_codes SET user_id = ? WHERE user_id = ?", w.chief.id, w.mallory.id)
			b := w.browser()
			id := w.chief.atFactor(b)
			step, err := w.Recovery(t.Context(), id, b, w.mallory.recovery[0].Reveal())
			return got(step, err, idp.LoginDone)
		}},
		{"mallory's link to a new password made out to the chief", "invitations", func(w both) error {
			link, err := w.desk.ResetPassword(t.Context(), console, w.mallory.id, admin.ViaLink)
			w.must(err)
			w.edit("UPDATE invitations SET user_id = ? WHERE user_id = ? AND used_at = 0", w.chief.id, w.mallory.id)
			_, _, err = w.Invitation(t.Context(), link.Token)
			return err
		}},
		{"an invitation that mallory made herself", "invitations", func(w both) error {
			token := idp.NewToken()
			hash := token.Hash()
			w.edit(`INSERT INTO invitations (id, token, purpose, user_id, by_user, by_name, created_at, expires_at, used_at, mac)
				SELECT 'i', ?, purpose, ?, by_user, by_name, created_at, expires_at + 86400000000, 0, mac FROM invitations LIMIT 1`, hash[:], w.chief.id)
			_, _, err := w.Invitation(t.Context(), token)
			return err
		}},
		{"a link that is good for longer", "invitations", func(w both) error {
			link, err := w.desk.ResetPassword(t.Context(), console, w.chief.id, admin.ViaLink)
			w.must(err)
			hash := link.Token.Hash()
			w.edit("UPDATE invitations SET expires_at = expires_at + 86400000000 WHERE token = ?", hash[:])
			_, _, err = w.Invitation(t.Context(), link.Token)
			return err
		}},
		{"a sign-in marked as done", "logins", func(w both) error {
			b := w.browser()
			id := w.mallory.atFactor(b)
			w.edit("UPDATE logins SET state = 'done', factor_at = password_at WHERE id = ?", id)
			_, err := w.Collect(t.Context(), id, b)
			return err
		}},
		{"a sign-in that is done given to the chief", "logins", func(w both) error {
			b := w.browser()
			id := w.mallory.done(b)
			w.edit("UPDATE logins SET user_id = ? WHERE id = ?", w.chief.id, id)
			_, err := w.Collect(t.Context(), id, b)
			return err
		}},
		{"the chief's sign-in that is done in mallory's browser", "logins", func(w both) error {
			id := w.chief.done(w.browser())
			b := w.browser()
			w.edit("UPDATE logins SET browser = ? WHERE id = ?", b.ID[:], id)
			_, err := w.Collect(t.Context(), id, b)
			return err
		}},
		{"wrong codes forgotten", "logins", func(w both) error {
			b := w.browser()
			id := w.mallory.atFactor(b)
			_, err := w.Code(t.Context(), id, b, w.mallory.wrongCode())
			w.refuses("a wrong code", err, idp.ErrWrongSecret)
			w.edit("UPDATE logins SET wrong_codes = 0 WHERE id = ?", id)
			step, err := w.Code(t.Context(), id, b, w.mallory.code())
			return got(step, err, idp.LoginDone)
		}},
		{"mallory's session given to the chief", "sessions", func(w both) error {
			b := w.browser()
			s := w.mallory.signIn(&b)
			w.edit("UPDATE sessions SET user_id = ? WHERE id = ?", w.chief.id, s.ID)
			_, _, err := w.Session(t.Context(), b)
			return err
		}},
		{"the chief's session with mallory's cookie", "sessions", func(w both) error {
			b := w.browser()
			s := w.chief.signIn(&b)
			mine := idp.NewToken()
			hash := mine.Hash()
			w.edit("UPDATE sessions SET token = ? WHERE id = ?", hash[:], s.ID)
			_, _, err := w.Session(t.Context(), login.Browser{ID: b.ID, Session: mine})
			return err
		}},
		{"a session that mallory made herself", "sessions", func(w both) error {
			b := w.browser()
			w.chief.signIn(&b)
			mine := idp.NewToken()
			hash := mine.Hash()
			w.edit(`INSERT INTO sessions (id, token, browser, user_id, auth_time, factor_at, acr, amr, agent, address, created_at, last_seen_at, idle_after, expires_at, ended_at, mac)
				SELECT 's', ?, browser, user_id, auth_time, factor_at, acr, amr, agent, address, created_at, last_seen_at, idle_after, expires_at, 0, mac FROM sessions LIMIT 1`, hash[:])
			_, _, err := w.Session(t.Context(), login.Browser{ID: b.ID, Session: mine})
			return err
		}},
		{"a second factor made fresh", "sessions", func(w both) error {
			b := w.browser()
			s := w.mallory.signIn(&b)
			w.edit("UPDATE sessions SET factor_at = factor_at + 60000000 WHERE id = ?", s.ID)
			_, _, err := w.Session(t.Context(), b)
			return err
		}},
		{"a session that lives for ever", "sessions", func(w both) error {
			b := w.browser()
			s := w.mallory.signIn(&b)
			w.edit("UPDATE sessions SET idle_after = idle_after * 1000, expires_at = expires_at * 2 WHERE id = ?", s.ID)
			_, _, err := w.Session(t.Context(), b)
			return err
		}},
		{"a session that was ended goes on", "sessions", func(w both) error {
			b := w.browser()
			s := w.mallory.signIn(&b)
			w.must(w.EndSession(t.Context(), idp.Actor{Name: "chief"}, w.mallory.id, s.ID))
			w.edit("UPDATE sessions SET ended_at = 0 WHERE id = ?", s.ID)
			_, _, err := w.Session(t.Context(), b)
			return err
		}},
		{"a sign-in that was cut off goes on", "logins", func(w both) error {
			b, other := w.browser(), w.browser()
			id := w.mallory.atFactor(b)
			s := w.mallory.signIn(&other)
			w.must(w.ChangePassword(t.Context(), s, w.mallory.password, otherPassword))
			w.edit("UPDATE logins SET state = 'factor' WHERE id = ?", id)
			step, err := w.Code(t.Context(), id, b, w.mallory.code())
			return got(step, err, idp.LoginDone)
		}},
		{"a recovery code that was used is open again", "recovery_codes", func(w both) error {
			b := w.browser()
			id := w.mallory.atFactor(b)
			step, err := w.Recovery(t.Context(), id, b, w.mallory.recovery[0].Reveal())
			w.at(step, err, idp.LoginDone)
			w.edit("UPDATE recovery_codes SET used_at = 0 WHERE user_id = ?", w.mallory.id)
			b = w.browser()
			id = w.mallory.atFactor(b)
			step, err = w.Recovery(t.Context(), id, b, w.mallory.recovery[0].Reveal())
			return got(step, err, idp.LoginDone)
		}},
		{"mallory made an administrator", "users", func(w both) error {
			b := w.browser()
			s := w.mallory.signIn(&b)
			w.edit("UPDATE users SET staff = 'admin', revision = revision + 1 WHERE id = ?", w.mallory.id)
			_, err := w.desk.Users(t.Context(), admin.By{Actor: idp.Actor{User: w.mallory.id, Name: "mallory"}, Role: idp.StaffAdmin, FactorAt: s.FactorAt}, "", 10)
			return err
		}},
		{"the chief's role and MAC for mallory", "users", func(w both) error {
			w.edit("UPDATE users SET (staff, mac) = (SELECT staff, mac FROM users WHERE id = ?) WHERE id = ?", w.chief.id, w.mallory.id)
			u, err := w.db.User(t.Context(), w.mallory.id)
			if err == nil && u.Staff != idp.StaffAdmin && len(u.Groups) == 0 && u.State == idp.UserDisabled {
				return idp.ErrDenied
			}
			return err
		}},
		{"mallory in another group", "users", func(w both) error {
			w.edit(`UPDATE users SET "groups" = '["surgery"]' WHERE id = ?`, w.mallory.id)
			u, err := w.db.User(t.Context(), w.mallory.id)
			if err == nil && len(u.Groups) == 0 {
				return idp.ErrDenied
			}
			return err
		}},
		{"mallory's mail address at the chief", "users", func(w both) error {
			w.edit("UPDATE users SET email = 'mallory@example.org' WHERE id = ?", w.chief.id)
			u, err := w.db.User(t.Context(), w.chief.id)
			if err == nil && u.State == idp.UserDisabled { // no link goes to who is disabled
				return idp.ErrDenied
			}
			return err
		}},
		{"who is disabled enabled", "users", func(w both) error {
			w.must(w.desk.Disable(t.Context(), console, w.mallory.id, "left"))
			w.edit("UPDATE users SET state = 'active' WHERE id = ?", w.mallory.id)
			return password(w, "mallory", w.mallory.password)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := both{w, w.person("mallory"), w.person("chief")}
			w.must(w.db.UpdateUser(t.Context(), s.chief.id, func(u *idp.User) error {
				u.Staff, u.Confirmed = idp.StaffAdmin, []idp.DeviceID{s.chief.device}
				return nil
			}))
			err := c.try(s)
			if err == nil {
				t.Error("mallory is in")
			}
			told := 0
			for range 100 { // the event is written beside
				events, err := w.db.Events(t.Context(), 0, 10_000)
				w.must(err)
				told = 0
				for i := range events {
					if e := &events[i]; e.Kind == idp.EventTampered && e.Detail["table"] == c.table {
						told++
					}
				}
				if told > 0 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if told == 0 {
				t.Errorf("nothing of %s is in the log", c.table)
			}
			t.Logf("%-50s  %v", c.name, err)
		})
	}
}

func got2(s *login.Step, err error) error { return got(s, err, idp.LoginFactor) }

// A row that was changed is told once, however often it is looked at; the person
// whose row it is not goes on as before.
func TestAChangedRowIsToldOnce(t *testing.T) {
	w := newWorld(t)
	mallory, chief := w.person("mallory"), w.person("chief")
	w.edit("UPDATE devices SET user_id = ? WHERE id = ?", chief.id, mallory.device)
	for range 5 {
		b := w.browser()
		chief.done(b) // by the chief's own
	}
	w.must(w.db.Close()) // waits for what is told
	db := w.reopen()
	events, err := db.Events(t.Context(), 0, 10_000)
	w.must(err)
	told := 0
	for i := range events {
		if e := &events[i]; e.Kind == idp.EventTampered {
			told++
			if e.User != chief.id || e.Detail["id"] != string(mallory.device) || e.Detail["table"] != "devices" {
				t.Errorf("%+v", e)
			}
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	// The administrator unlinks it, and it is gone.
	w.must(db.RemoveDevice(t.Context(), chief.id, mallory.device, idp.Unlinking{}, idp.Event{Kind: idp.EventDeviceUnlinked}))
}
