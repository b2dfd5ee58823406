package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"hilum/idp"
)

const loginColumns = "id, purpose, state, browser, request, target, user_id, session_id, invitation_id, new_name, new_display, " +
	"pairing_id, new_hash, wrong_codes, ask_consent, consented, password_at, factor_at, auth_time, acr, amr, device_id, created_at, expires_at, " +
	"challenge_id, sends, who, held, mac"

// personOfLogin is the person of a sign-in, given its id.
const personOfLogin = "(SELECT user_id FROM logins WHERE id = ?)"

const selectLogin = "SELECT " + loginColumns + " FROM logins WHERE id = ?"

var (
	insertLogin = insertInto("logins", loginColumns)
	updateLogin = updateRow("logins", loginColumns)
)

type loginRow struct {
	ID, Purpose, State              string
	Browser                         []byte
	Request                         string // JSON
	Target                          string
	UserID, SessionID, InvitationID string
	NewName, NewDisplay             string
	PairingID                       string
	NewHash                         string
	WrongCodes                      int64
	AskConsent, Consented           bool
	PasswordAt, FactorAt, AuthTime  int64
	ACR, AMR                        string
	DeviceID                        string
	CreatedAt, ExpiresAt            int64
	ChallengeID                     string
	Sends                           int64
	MAC                             []byte
	Who                             string
	Held                            []byte
}

func (r *loginRow) fields() []any {
	return []any{&r.ID, &r.Purpose, &r.State, &r.Browser, &r.Request, &r.Target, &r.UserID, &r.SessionID, &r.InvitationID,
		&r.NewName, &r.NewDisplay, &r.PairingID, &r.NewHash, &r.WrongCodes, &r.AskConsent, &r.Consented, &r.PasswordAt,
		&r.FactorAt, &r.AuthTime, &r.ACR, &r.AMR, &r.DeviceID, &r.CreatedAt, &r.ExpiresAt, &r.ChallengeID, &r.Sends, &r.Who, &r.Held, &r.MAC}
}

func loginRowOf(l *idp.Login) (*loginRow, error) {
	request, err := json.Marshal(&l.Request)
	if err != nil {
		return nil, err
	}
	return &loginRow{
		ID: string(l.ID), Purpose: string(l.Purpose), State: string(l.State), Browser: l.Browser[:],
		Request: string(request), Target: l.Target, UserID: string(l.User), SessionID: string(l.Session),
		InvitationID: string(l.Invitation), NewName: l.NewName, NewDisplay: l.NewDisplay, PairingID: string(l.Pairing),
		NewHash: l.NewHash, WrongCodes: int64(l.WrongCodes), AskConsent: l.AskConsent, Consented: l.Consented,
		PasswordAt: micros(l.PasswordAt), FactorAt: micros(l.FactorAt), AuthTime: micros(l.AuthTime),
		ACR: l.ACR, AMR: listText(l.AMR), DeviceID: string(l.Device),
		CreatedAt: micros(l.CreatedAt), ExpiresAt: micros(l.ExpiresAt), ChallengeID: string(l.Challenge), Sends: int64(l.Sends), Who: l.Who, Held: blob(l.Held),
	}, nil
}

func (r *loginRow) login() (*idp.Login, error) {
	l := &idp.Login{
		ID: idp.LoginID(r.ID), Purpose: idp.LoginPurpose(r.Purpose), State: idp.LoginState(r.State), Target: r.Target,
		User: idp.UserID(r.UserID), Session: idp.SessionID(r.SessionID), Invitation: idp.InvitationID(r.InvitationID),
		NewName: r.NewName, NewDisplay: r.NewDisplay, Pairing: idp.PairingID(r.PairingID), NewHash: r.NewHash,
		WrongCodes: int(r.WrongCodes), AskConsent: r.AskConsent, Consented: r.Consented,
		PasswordAt: moment(r.PasswordAt), FactorAt: moment(r.FactorAt), AuthTime: moment(r.AuthTime),
		ACR: r.ACR, Device: idp.DeviceID(r.DeviceID), CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt),
		Challenge: idp.ChallengeID(r.ChallengeID), Sends: int(r.Sends), Who: r.Who,
	}
	if len(r.Held) > 0 {
		l.Held = r.Held
	}
	var err, errs error
	l.Browser, err = hash(r.Browser)
	errs = errors.Join(errs, err)
	l.AMR, err = textList(r.AMR)
	errs = errors.Join(errs, err)
	errs = errors.Join(errs, json.Unmarshal([]byte(r.Request), &l.Request))
	if errs != nil {
		return nil, fmt.Errorf("sign-in %s: %w", r.ID, errs)
	}
	return l, nil
}

func loginOf(s reader, id idp.LoginID) (*idp.Login, error) {
	var row loginRow
	if err := s.Row(selectLogin, []any{string(id)}, row.fields()...); err != nil {
		return nil, fmt.Errorf("sign-in %s: %w", id, err)
	}
	// What has expired lets nobody in, and is marked so in one statement for many.
	if row.State != string(idp.LoginExpired) {
		if err := s.fits(&row, idp.UserID(row.UserID)); err != nil {
			return nil, err
		}
	}
	return row.login()
}

// holdLogin holds a sign-in and its person.
func (t *tx) holdLogin(id idp.LoginID) error {
	return t.holdOwner("SELECT user_id FROM logins WHERE id = ?", []any{string(id)}, ofLogin(id))
}

// putLogin writes a sign-in back, with its events.
func (t *tx) putLogin(l *idp.Login) error {
	row, err := loginRowOf(l)
	if err != nil {
		return err
	}
	if err := t.bind(row); err != nil {
		return err
	}
	if err := t.update(updateLogin, row.fields()); err != nil {
		return err
	}
	if l.State == idp.LoginDenied && l.Request.Polled != "" { // whoever said no, and wherever
		if err := t.denyPolled(l.Request.Polled, micros(t.now())); err != nil {
			return err
		}
	}
	return t.note(l.Take()...)
}

// AddLogin inserts a new sign-in with its events.
func (db *DB) AddLogin(ctx context.Context, l *idp.Login) error {
	row, err := loginRowOf(l)
	if err != nil {
		return err
	}
	events := l.Take()
	return db.write(ctx, func(t *tx) error {
		if err := t.bind(row); err != nil {
			return err
		}
		if err := t.put(insertLogin, row.fields()...); err != nil {
			return err
		}
		return t.note(events...)
	})
}

// Login returns a sign-in. Errors: idp.ErrNotFound.
func (db *DB) Login(ctx context.Context, id idp.LoginID) (*idp.Login, error) {
	r, err := db.read(ctx)
	if err != nil {
		return nil, err
	}
	return loginOf(r, id)
}

// UpdateLogin changes a sign-in, by fn. Errors: idp.ErrNotFound, that of fn.
func (db *DB) UpdateLogin(ctx context.Context, id idp.LoginID, fn func(*idp.Login) error) error {
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
		if err := fn(l); err != nil {
			return err
		}
		return t.putLogin(l)
	})
}

// UpdateProof changes a sign-in together with the counter of wrong tries and, for codes,
// the person's active devices, for recovery codes the unused ones.
func (db *DB) UpdateProof(ctx context.Context, id idp.LoginID, kind idp.CounterKind, who string, fn func(*idp.Proof) error) error {
	return db.write(ctx, func(t *tx) error {
		key := idp.CounterKey{Kind: kind, Who: who}
		hold := func() error { return t.hold(ofCounter(key), ofLogin(id)) } // the sign-in may be nobody's yet
		if who == "" {
			hold = func() error { return t.holdLogin(id) }
		}
		if err := hold(); err != nil {
			return err
		}
		// All in one trip, where that counts: whose they are the statements find out.
		counter := counterRow{Kind: string(kind), Who: who}
		var passwordAt int64
		var devices []deviceRow
		var recovery []recoveryRow
		err := t.counterLater(&counter, id)
		switch kind {
		case idp.CountPasswords:
			err = errors.Join(err, t.later(selectPasswordSetAt, []any{string(key.User())}, func() []any { return []any{&passwordAt} }))
		case idp.CountCodes, idp.CountFirst:
			err = errors.Join(err, listLater(t, &devices, selectDevicesOfLogin, string(id)))
		case idp.CountRecovery:
			err = errors.Join(err, listLater(t, &recovery, selectUnusedOfLogin, string(id)))
		case idp.CountForgotten: // nothing else
		}
		if err != nil {
			return err
		}
		l, err := loginOf(t, id)
		if err != nil {
			return err
		}
		if who == "" {
			if err := t.ours(l.User); err != nil {
				return err
			}
			counter.Who = string(l.User)
		}
		devices, recovery = fitting(t, devices, l.User), fitting(t, recovery, l.User)
		p := &idp.Proof{Login: l, Counter: counter.counter(), PasswordAt: moment(passwordAt), Devices: devicesOf(devices), Recovery: recoveryCodes(recovery)}
		if err := fn(p); err != nil {
			return err
		}
		if err := t.putCounter(counter, p.Counter); err != nil {
			return err
		}
		if err := t.putDevices(devices, p.Devices); err != nil {
			return err
		}
		if err := t.useCodes(recovery, p.Recovery); err != nil {
			return err
		}
		return t.putLogin(l)
	})
}

// Collect stores what comes into being when a browser collects a finished sign-in
// (idp.Collection). Errors: idp.ErrNotFound, idp.ErrClientDisabled, that of fn.
func (db *DB) Collect(ctx context.Context, id idp.LoginID, fn func(*idp.Collection) error) error {
	var collected *idp.Collection
	err := db.write(ctx, func(t *tx) error {
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
		c := &idp.Collection{Login: l}
		var before *sessionRow
		if l.Session != "" {
			if before, c.Old, err = t.liveSession(l.Session, l.Browser, db.now()); err != nil {
				return err
			}
		}
		if l.NewHash != "" {
			if c.Invitation, err = t.invitationOf(l.Invitation); err != nil && !errors.Is(err, idp.ErrNotFound) {
				return err
			}
		}
		if err := fn(c); err != nil {
			return err
		}
		if c.Grant != nil {
			if err := t.admit(c.Grant); err != nil {
				return err
			}
		}
		if c.PasswordHash != "" {
			if err := t.reset(l, c); err != nil {
				return err
			}
		}
		if c.Old != nil && c.PasswordHash == "" { // else it has ended with the others
			if err := t.putSession(before, c.Old, db.now()); err != nil {
				return err
			}
		}
		if c.Session != nil {
			if err := t.addSession(c.Session); err != nil {
				return err
			}
		}
		if c.Grant != nil {
			if err := t.addGrant(c.Grant, c.Code); err != nil {
				return err
			}
		}
		if c.Refused && l.Request.Polled != "" {
			if err := t.denyPolled(l.Request.Polled, micros(db.now())); err != nil {
				return err
			}
		}
		if c.Consent != nil {
			if err := t.putConsent(c.Consent); err != nil {
				return err
			}
		}
		if c.Known != nil {
			if err := t.putKnown(c.Known); err != nil {
				return err
			}
		}
		collected = c
		return t.putLogin(l)
	})
	if err == nil {
		db.rememberCode(collected.Grant, collected.Code)
	}
	return err
}

// reset gives the account the password that was chosen at the beginning of a
// sign-in. The session that the browser had ends with the others.
func (t *tx) reset(l *idp.Login, c *idp.Collection) error {
	if err := t.putPassword(l.User, c.PasswordHash, c.Because.At); err != nil {
		return err
	}
	if err := t.putInvitation(l.Invitation, c.Invitation); err != nil {
		return err
	}
	if err := t.forgiveGuard(l.User); err != nil {
		return err
	}
	if err := t.note(c.Because); err != nil {
		return err
	}
	_, err := t.cutOff(idp.CutOff{User: l.User, Cause: idp.CutReset, Login: l.ID, Because: c.Because})
	return err
}
