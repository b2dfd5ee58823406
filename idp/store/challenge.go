package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
)

const challengeColumns = "id, purpose, user_id, login_id, pairing_id, browser, address, mode, number, doc, state, device_id, reason, " +
	"created_at, sent_at, expires_at, answered_at, verify, verified, mac"

const (
	selectChallenge = "SELECT " + challengeColumns + " FROM challenges WHERE id = ?"
	// What a sign-in does not wait for any more is not asked.
	selectPending = "SELECT " + challengeColumns + ` FROM challenges WHERE user_id = ? AND user_id <> '' AND state = 'pending' AND expires_at > ?
		AND (login_id = '' OR EXISTS (SELECT 1 FROM logins WHERE id = login_id AND state IN ('factor', 'first'))) ORDER BY n`
)

var (
	insertChallenge = insertInto("challenges", challengeColumns)
	updateChallenge = updateRow("challenges", challengeColumns)
)

type challengeRow struct {
	ID, Purpose                              string
	UserID, LoginID, PairingID               string
	Browser                                  []byte
	Address, Mode, Number, Doc, State        string
	DeviceID, Reason                         string
	CreatedAt, SentAt, ExpiresAt, AnsweredAt int64
	Verify, Verified                         bool
	MAC                                      []byte
}

func (r *challengeRow) fields() []any {
	return []any{&r.ID, &r.Purpose, &r.UserID, &r.LoginID, &r.PairingID, &r.Browser, &r.Address, &r.Mode, &r.Number, &r.Doc, &r.State,
		&r.DeviceID, &r.Reason, &r.CreatedAt, &r.SentAt, &r.ExpiresAt, &r.AnsweredAt, &r.Verify, &r.Verified, &r.MAC}
}

func challengeRowOf(c *idp.Challenge) *challengeRow {
	return &challengeRow{
		ID: string(c.ID), Purpose: string(c.Purpose), UserID: string(c.User), LoginID: string(c.Login), PairingID: string(c.Pairing),
		Browser: c.Browser[:], Address: c.Address, Mode: string(c.Mode), Number: c.Number, Doc: c.Doc, State: string(c.State),
		DeviceID: string(c.Device), Reason: c.Reason, Verify: c.Verify, Verified: c.Verified,
		CreatedAt: micros(c.CreatedAt), SentAt: micros(c.SentAt), ExpiresAt: micros(c.ExpiresAt), AnsweredAt: micros(c.AnsweredAt),
	}
}

func (r *challengeRow) challenge() (*idp.Challenge, error) {
	browser, err := hash(r.Browser)
	return &idp.Challenge{
		ID: idp.ChallengeID(r.ID), Purpose: idp.ChallengePurpose(r.Purpose), User: idp.UserID(r.UserID), Login: idp.LoginID(r.LoginID),
		Pairing: idp.PairingID(r.PairingID), Browser: browser, Address: r.Address, Mode: idp.MatchMode(r.Mode), Number: r.Number,
		Doc: r.Doc, State: idp.ChallengeState(r.State), Device: idp.DeviceID(r.DeviceID), Reason: r.Reason, Verify: r.Verify, Verified: r.Verified,
		CreatedAt: moment(r.CreatedAt), SentAt: moment(r.SentAt), ExpiresAt: moment(r.ExpiresAt), AnsweredAt: moment(r.AnsweredAt),
	}, err
}

func challengeOf(s reader, id idp.ChallengeID) (*idp.Challenge, error) {
	var row challengeRow
	if err := s.Row(selectChallenge, []any{string(id)}, row.fields()...); err != nil {
		return nil, fmt.Errorf("challenge %s: %w", id, err)
	}
	if err := s.fits(&row, idp.UserID(row.UserID)); err != nil {
		return nil, err
	}
	return row.challenge()
}

// Challenge returns a challenge, open or not. Errors: idp.ErrNotFound.
func (db *DB) Challenge(ctx context.Context, id idp.ChallengeID) (*idp.Challenge, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	return challengeOf(r, id)
}

// Pending returns the challenges that a person's phones are to show now, oldest first.
func (db *DB) Pending(ctx context.Context, user idp.UserID, now time.Time) ([]idp.Challenge, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	return pendingOf(r, user, now)
}

func pendingOf(s reader, user idp.UserID, now time.Time) ([]idp.Challenge, error) {
	rows, err := list[challengeRow](s, selectPending, string(user), micros(now))
	if err != nil {
		return nil, err
	}
	open := make([]idp.Challenge, 0, len(rows))
	for i := range rows {
		if s.fits(&rows[i], user) != nil {
			continue
		}
		c, err := rows[i].challenge()
		if err != nil {
			return nil, err
		}
		open = append(open, *c)
	}
	return open, nil
}

// Ask changes a sign-in together with what its person's phones are asked (idp.Asking).
// known is the value of the cookie that the browser is known by; fn is told whether the
// person knows the browser.
func (db *DB) Ask(ctx context.Context, id idp.LoginID, known idp.TokenHash, fn func(a *idp.Asking, known bool) error) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.holdLogin(id); err != nil {
			return err
		}
		l, err := loginOf(t, id)
		if err != nil {
			return err
		}
		if err := t.ours(l.User); err != nil {
			return err
		}
		a := &idp.Asking{Login: l}
		if l.Challenge != "" {
			if a.Challenge, err = challengeOf(t, l.Challenge); err != nil && !errors.Is(err, idp.ErrNotFound) {
				return err
			}
		}
		isKnown := false
		if !known.IsZero() && l.User != "" {
			if isKnown, err = knownBrowser(t, known, l.User, db.now()); err != nil {
				return err
			}
		}
		return t.asking(a, l.User, db.now(), func() error { return fn(a, isKnown) })
	})
}

// Settle changes a challenge together with the sign-in or the pairing that it is for, and
// notes the request (jti) that does it. Errors: idp.ErrNotFound; idp.ErrReplayed;
// idp.ErrConflict for a sixth device; idp.ErrClientDisabled.
func (db *DB) Settle(ctx context.Context, id idp.ChallengeID, seen idp.Replay, fn func(*idp.Asking) error) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.holdChallenge(id); err != nil {
			return err
		}
		c, err := challengeOf(t, id)
		if err != nil {
			return err
		}
		if err := t.ours(c.User); err != nil {
			return err
		}
		a := &idp.Asking{Challenge: c}
		if c.Login != "" {
			if a.Login, err = loginOf(t, c.Login); err != nil && !errors.Is(err, idp.ErrNotFound) {
				return err
			}
		}
		if c.Pairing != "" {
			a.Pairing, err = t.pairingOf(c.Pairing)
			if err != nil && !errors.Is(err, idp.ErrNotFound) {
				return err
			}
		}
		if err := t.see(seen); err != nil {
			return err
		}
		return t.asking(a, c.User, db.now(), func() error { return fn(a) })
	})
}

// asking reads what an idp.Asking holds of a person, lets fn decide, and writes.
func (t *tx) asking(a *idp.Asking, user idp.UserID, now time.Time, fn func() error) error {
	var guard string
	var devices []deviceRow
	a.Guard = &idp.PushGuard{User: user}
	if user != "" {
		err := errors.Join(
			t.later(selectGuard, []any{string(user)}, func() []any { return []any{&guard} }),
			listLater(t, &devices, selectDevices, string(user)),
			t.lockUser(string(user)),
		)
		if err == nil {
			err = readGuard(guard, a.Guard)
		}
		if err != nil {
			return err
		}
		devices = fitting(t, devices, user)
		a.Devices = devicesOf(devices)
		open, err := pendingOf(t, user, now)
		if err != nil {
			return err
		}
		for i := range open {
			if a.Challenge == nil || open[i].ID != a.Challenge.ID {
				a.Others = append(a.Others, open[i])
			}
		}
	}
	if err := fn(); err != nil {
		return err
	}
	if a.Grant != nil {
		if err := t.admit(a.Grant); err != nil {
			return err
		}
	}
	if a.Challenge != nil {
		if err := t.putChallenge(a.Challenge); err != nil {
			return err
		}
	}
	for i := range a.Others {
		if c := &a.Others[i]; c.State != idp.ChallengePending {
			if err := t.putChallenge(c); err != nil {
				return err
			}
		}
	}
	if a.New != nil {
		if err := t.addChallenge(a.New); err != nil {
			return err
		}
		if err := t.note(a.New.Take()...); err != nil {
			return err
		}
	}
	if user != "" {
		if err := t.putGuard(guard, a.Guard); err != nil {
			return err
		}
		if err := t.putDevices(devices, a.Devices); err != nil {
			return err
		}
	}
	if a.Pairing != nil {
		if err := t.putPairing(a.Pairing.ID, a.Pairing); err != nil {
			return err
		}
	}
	if a.Link != nil {
		if err := t.addDevice(a.Link); err != nil {
			return err
		}
	}
	if a.Ping != nil {
		if err := t.addPing(a.Ping); err != nil {
			return err
		}
	}
	if a.Session != nil {
		if err := t.addSession(a.Session); err != nil {
			return err
		}
	}
	if a.Grant != nil {
		if err := t.addGrant(a.Grant, a.Code); err != nil {
			return err
		}
	}
	if a.Login != nil {
		if err := t.putLogin(a.Login); err != nil {
			return err
		}
	}
	if a.Cut != nil {
		if _, err := t.cutOff(*a.Cut); err != nil && !errors.Is(err, idp.ErrNotFound) {
			return err
		}
	}
	return nil
}

// holdChallenge holds a challenge, and its person or, where there is none yet, the sign-in or the
// offer that it is for.
func (t *tx) holdChallenge(id idp.ChallengeID) error {
	err := t.holdOwner("SELECT user_id FROM challenges WHERE id = ?", []any{string(id)})
	for _, of := range []struct {
		before engine.Key
		column string
	}{{"login ", "login_id"}, {"offer ", "pairing_id"}} {
		err = errors.Join(err, t.holdRow(of.before, "SELECT "+of.column+" FROM challenges WHERE id = ?", string(id)))
	}
	return errors.Join(err, t.hold(ofThing("challenge", string(id))))
}

func (t *tx) addChallenge(c *idp.Challenge) error {
	row := challengeRowOf(c)
	if err := t.bind(row); err != nil {
		return err
	}
	err := t.put(insertChallenge, row.fields()...)
	return err
}

func (t *tx) putChallenge(c *idp.Challenge) error {
	row := challengeRowOf(c)
	if err := t.bind(row); err != nil {
		return err
	}
	if err := t.update(updateChallenge, row.fields()); err != nil {
		return fmt.Errorf("challenge %s: %w", c.ID, err)
	}
	return t.note(c.Take()...)
}

// see notes a device's request as seen. Errors: idp.ErrReplayed.
func (t *tx) see(r idp.Replay) error {
	if r.Device == "" {
		return nil
	}
	_, err := t.Exec("INSERT INTO replay (device_id, jti, until) VALUES (?, ?, ?)", string(r.Device), r.JTI[:], micros(r.Until))
	if errors.Is(err, idp.ErrConflict) {
		return fmt.Errorf("device %s: %w", r.Device, idp.ErrReplayed)
	}
	return err
}

const selectGuard = "SELECT guard FROM push_guards WHERE user_id = ?"

// guardOf reads a person's idp.PushGuard, and its text as it is stored.
func guardOf(s statements, g *idp.PushGuard) (text string, err error) {
	err = s.Row(selectGuard, []any{string(g.User)}, &text)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return "", err
	}
	return text, readGuard(text, g)
}

// readGuard reads the text of an idp.PushGuard; empty: there is none.
func readGuard(text string, g *idp.PushGuard) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), g)
}

func (t *tx) putGuard(before string, g *idp.PushGuard) error {
	b, err := json.Marshal(g)
	if err != nil || string(b) == before || before == "" && string(b) == "{}" {
		return err
	}
	err = t.put("INSERT INTO push_guards (user_id, guard) VALUES (?, ?) ON CONFLICT (user_id) DO UPDATE SET guard = excluded.guard", string(g.User), string(b))
	return err
}

// Guard returns what is remembered of asking a person's phones (idp.PushGuard).
func (db *DB) Guard(ctx context.Context, user idp.UserID) (*idp.PushGuard, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	g := &idp.PushGuard{User: user}
	_, err = guardOf(r, g)
	return g, err
}

// forgiveGuard lets a person's phones be asked again.
func (t *tx) forgiveGuard(user idp.UserID) error {
	err := t.put("DELETE FROM push_guards WHERE user_id = ?", string(user))
	return err
}

// KnownBrowser reports whether a person has finished a sign-in in the browser whose cookie
// has this value.
func (db *DB) KnownBrowser(ctx context.Context, token idp.TokenHash, user idp.UserID) (bool, error) {
	r, err := db.read(ctx)
	if err != nil {
		return false, err
	}
	return knownBrowser(r, token, user, db.now())
}

// KnownToAny reports whether anybody has finished a sign-in in the browser whose cookie
// has this value.
func (db *DB) KnownToAny(ctx context.Context, token idp.TokenHash) (bool, error) {
	r, err := db.read(ctx)
	if err != nil {
		return false, err
	}
	var one int64
	err = r.Row("SELECT 1 FROM known_browsers WHERE token = ? AND expires_at > ? LIMIT 1", []any{token[:], micros(db.now())}, &one)
	if errors.Is(err, idp.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func knownBrowser(s statements, token idp.TokenHash, user idp.UserID, now time.Time) (bool, error) {
	var one int64
	err := s.Row("SELECT 1 FROM known_browsers WHERE token = ? AND user_id = ? AND expires_at > ?", []any{token[:], string(user), micros(now)}, &one)
	if errors.Is(err, idp.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// putKnown makes a browser known. It keeps being known to everybody it was
// known to, by the new value alone.
func (t *tx) putKnown(k *idp.Known) error {
	if !k.Old.IsZero() {
		if err := t.put("UPDATE known_browsers SET token = ? WHERE token = ?", k.Token[:], k.Old[:]); err != nil {
			return err
		}
	}
	err := t.put(`INSERT INTO known_browsers (token, user_id, at, expires_at, browser, agent, address) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (token, user_id) DO UPDATE SET at = excluded.at, expires_at = excluded.expires_at, browser = excluded.browser,
			agent = excluded.agent, address = excluded.address`,
		k.Token[:], string(k.User), micros(k.At), micros(k.ExpiresAt), k.Browser[:], k.Agent, k.Address)
	return err
}
