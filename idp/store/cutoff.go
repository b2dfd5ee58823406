package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"hilum/idp"
)

// CutOff takes away from a person what a cause takes (idp.CutOff) and returns which
// sessions it has ended. Where the cause ends one session alone, that has to be an open
// one of the person. Errors: idp.ErrNotFound.
func (db *DB) CutOff(ctx context.Context, c idp.CutOff) ([]idp.SessionID, error) {
	c.Because.At = db.at(c.Because)
	var ended []idp.SessionID
	err := db.write(ctx, func(t *tx) (err error) {
		if err := t.hold(ofPerson(c.User)); err != nil {
			return err
		}
		disowned := c.Cause == idp.CutDisowned
		if c.Because.Kind != idp.EventSessionEnded && !disowned { // of such there is one for each session
			if err := t.note(c.Because); err != nil {
				return err
			}
		}
		if ended, err = t.cutOff(c); err != nil || !disowned {
			return err
		}
		e := c.Because // says what has ended, of which its owner is told
		e.Detail = maps.Clone(e.Detail)
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail["ended"] = "others"
		if c.EndedOne(ended) {
			e.Detail["ended"] = "one"
		}
		return t.note(e)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// cutOff is CutOff within a transaction. It is the one place where what a person could go
// on with is taken away: whatever else that cause changes is written by its caller, before
// it.
func (t *tx) cutOff(c idp.CutOff) ([]idp.SessionID, error) {
	what, user, at := c.Cause.Cut(), string(c.User), c.Because.At
	if user == "" || what == 0 {
		return nil, fmt.Errorf("cut off %q by %q: %w", user, c.Cause, idp.ErrInvalid)
	}
	// The session that is meant, and the browser it lives in.
	var mine sessionRow
	if c.Session != "" {
		err := t.Row(selectSession, []any{string(c.Session)}, mine.fields()...)
		if errors.Is(err, idp.ErrNotFound) || err == nil && mine.UserID != user {
			return nil, fmt.Errorf("session %s: %w", c.Session, idp.ErrNotFound)
		}
		if err != nil {
			return nil, err
		}
	}
	alone := c.Cause.Alone()
	if alone && (c.Session == "") == (c.Device == "") {
		return nil, fmt.Errorf("cut off by %q: neither a session nor a device: %w", c.Cause, idp.ErrInvalid)
	}
	if !alone && !c.Cause.Keeps() {
		mine = sessionRow{} // nothing is kept, whoever asks
	}
	var ended []idp.SessionID
	var err error
	if what.Has(idp.CutSessions) {
		if ended, err = t.cutSessions(c, alone, mine.ID); err != nil {
			return nil, err
		}
	}
	one := alone || c.EndedOne(ended)
	if what.Has(idp.CutGrants) && !one { // those of one session have gone with it
		if err := t.put(revokeGrantsOfUser, micros(at), user, mine.ID); err != nil {
			return nil, err
		}
	}
	for _, step := range []struct {
		cut idp.Cut
		do  func(user string, c idp.CutOff, alone bool, mine *sessionRow) error
	}{
		{idp.CutLogins, t.cutLogins},
		{idp.CutOffers, t.cutOffers},
		{idp.CutLinks, t.cutLinks},
		{idp.CutBrowsers, t.cutBrowsers},
		{idp.CutRecovery, t.cutRecovery},
		{idp.CutFactor, t.cutFactor},
	} {
		if what.Has(step.cut) {
			if err := step.do(user, c, alone, &mine); err != nil {
				return nil, fmt.Errorf("%s of %s: %w", step.cut, user, err)
			}
		}
	}
	return ended, nil
}

// cutSessions ends the sessions that the cause means, each with an event. mine is the one
// that is ended alone, or that goes on.
func (t *tx) cutSessions(c idp.CutOff, alone bool, mine string) ([]idp.SessionID, error) {
	var ended []idp.SessionID
	var err error
	if c.Only != "" && string(c.Only) != mine {
		if ended, err = t.endSessions(c.User, c.Because.At, func(s *idp.Session) bool { return s.ID == c.Only }); err != nil {
			return nil, err
		}
	}
	if len(ended) == 0 {
		if ended, err = t.endSessions(c.User, c.Because.At, func(s *idp.Session) bool { return (string(s.ID) == mine) == alone }); err != nil {
			return nil, err
		}
	}
	if alone && len(ended) == 0 {
		return nil, fmt.Errorf("session %s: %w", mine, idp.ErrNotFound)
	}
	for _, session := range ended {
		e := c.Because
		if e.Kind != idp.EventSessionEnded {
			e = idp.Event{
				At: c.Because.At, Kind: idp.EventSessionEnded, Actor: c.Because.Actor, User: c.User,
				Address: c.Because.Address, Detail: map[string]string{"reason": string(c.Because.Kind)},
			}
		}
		e.Session = session
		if err := t.note(e); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// underWay are the sign-ins that something can still come of. What they asked
// phones is asked no more: selectPending looks at the sign-in. Without its MAC a
// row that is set back is of no use.
const underWay = "UPDATE logins SET state = 'expired', new_hash = '', held = x'', mac = x'' WHERE state NOT IN ('collected', 'denied', 'expired') AND "

func (t *tx) cutLogins(user string, c idp.CutOff, alone bool, mine *sessionRow) error {
	var err error
	switch {
	case c.Device != "" && alone:
		// What this device said yes to and nobody has collected yet.
		err = t.put(underWay+"user_id = ? AND user_id <> '' AND device_id = ?", user, string(c.Device))
	case alone:
		err = t.put(underWay+"user_id = ? AND user_id <> '' AND (session_id = ? OR browser = ?)", user, mine.ID, mine.Browser)
	case c.Cause == idp.CutEndedOthers, c.Cause == idp.CutDisowned:
		// What the owner is about to sign in to in this browser goes on.
		err = t.put(underWay+"user_id = ? AND user_id <> '' AND id <> ? AND browser <> ?", user, string(c.Login), mine.Browser)
	default:
		err = t.put(underWay+"user_id = ? AND user_id <> '' AND id <> ?", user, string(c.Login))
	}
	return err
}

func (t *tx) cutOffers(user string, c idp.CutOff, alone bool, mine *sessionRow) error {
	const open = "DELETE FROM pairings WHERE user_id = ? AND user_id <> '' AND used_at = 0"
	var err error
	switch {
	case c.Device != "" && alone:
		err = t.put(open+" AND session_id IN (SELECT id FROM sessions WHERE user_id = ? AND device_id = ?)", user, user, string(c.Device))
	case alone:
		err = t.put(open+" AND session_id = ?", user, mine.ID)
	default:
		err = t.put(open+" AND (session_id = '' OR session_id <> ?)", user, mine.ID)
	}
	return err
}

func (t *tx) cutLinks(user string, _ idp.CutOff, _ bool, _ *sessionRow) error {
	err := t.put("DELETE FROM invitations WHERE user_id = ? AND user_id <> '' AND used_at = 0", user)
	return err
}

// cutBrowsers makes browsers unknown (idp.Known). One that was kept before it was noted
// which browser it is goes in any case.
func (t *tx) cutBrowsers(user string, _ idp.CutOff, alone bool, mine *sessionRow) error {
	of := blob(mine.Browser)
	if alone {
		err := t.put("DELETE FROM known_browsers WHERE user_id = ? AND (browser = ? OR browser = x'')", user, of)
		return err
	}
	err := t.put("DELETE FROM known_browsers WHERE user_id = ? AND (browser <> ? OR browser = x'')", user, of)
	return err
}

func (t *tx) cutRecovery(user string, _ idp.CutOff, _ bool, _ *sessionRow) error {
	err := t.put("DELETE FROM recovery_codes WHERE user_id = ?", user)
	return err
}

// cutFactor makes sessions that go on ask for a second factor again: those whose last one
// came from the device that is gone, else all but the one that the owner acts in.
func (t *tx) cutFactor(user string, c idp.CutOff, alone bool, mine *sessionRow) error {
	const open = "SELECT " + sessionColumns + " FROM sessions WHERE user_id = ? AND ended_at = 0 AND factor_at <> 0 AND "
	var stale []sessionRow
	var err error
	switch {
	case c.Device != "" && alone:
		stale, err = list[sessionRow](t, open+"device_id = ?", user, string(c.Device))
	case alone:
		return nil // it has ended
	default:
		stale, err = list[sessionRow](t, open+"id <> ?", user, mine.ID)
	}
	for i := range stale {
		row := &stale[i]
		if t.fits(row, c.User) != nil {
			continue // it counts for nothing, and must not by this
		}
		row.FactorAt = 0
		if err := errors.Join(t.bind(row), t.update(updateSession, row.fields())); err != nil {
			return err
		}
	}
	return err
}

// within checks, in the transaction of an act, the session that the act is done in.
// Errors: idp.ErrExpired when it no longer lives, idp.ErrStale when its second factor is
// too old.
func within(t reader, in idp.Within, user idp.UserID, now time.Time) error {
	if in.Session == "" {
		return nil
	}
	var row sessionRow
	if err := t.Row(selectSession, []any{string(in.Session)}, row.fields()...); err != nil {
		return fmt.Errorf("session %s: %w", in.Session, errors.Join(idp.ErrExpired, err))
	}
	if err := t.fits(&row, user); err != nil {
		return fmt.Errorf("session %s: %w", in.Session, errors.Join(idp.ErrExpired, err))
	}
	s, err := row.session()
	if err != nil {
		return err
	}
	if s.User != user || s.Live(now) != nil {
		return fmt.Errorf("session %s: %w", in.Session, idp.ErrExpired)
	}
	if in.Fresh {
		return s.Fresh(now)
	}
	return nil
}
