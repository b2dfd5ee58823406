package idp_test

import (
	"errors"
	"testing"
	"time"

	"hilum/idp"
)

// Everything lives until, not at, its end.
func TestLifetimes(t *testing.T) {
	end := noon.Add(time.Hour)
	before, after := end.Add(-time.Nanosecond), end.Add(time.Nanosecond)
	session := func(change func(*idp.Session)) func(time.Time) error {
		s := &idp.Session{LastSeenAt: noon, IdleAfter: 2 * time.Hour, ExpiresAt: end}
		change(s)
		return s.Live
	}
	pairing := func(change func(*idp.Pairing)) func(time.Time) error {
		p := &idp.Pairing{ExpiresAt: end}
		change(p)
		return p.Open
	}
	for _, c := range []struct {
		why  string
		ask  func(time.Time) error
		now  time.Time
		want error
	}{
		{"session, a moment before its end", session(func(*idp.Session) {}), before, nil},
		{"session, at its end", session(func(*idp.Session) {}), end, idp.ErrExpired},
		{"session, after", session(func(*idp.Session) {}), after, idp.ErrExpired},
		{"session, a moment before it was idle too long", session(func(s *idp.Session) { s.IdleAfter = time.Minute }), noon.Add(time.Minute - 1), nil},
		{"session, idle too long", session(func(s *idp.Session) { s.IdleAfter = time.Minute }), noon.Add(time.Minute), idp.ErrExpired},
		{"session, no idle time given: nothing lives without one", session(func(s *idp.Session) { s.IdleAfter = 0 }), noon, idp.ErrExpired},
		{"session, ended", session(func(s *idp.Session) { s.EndedAt = noon }), noon, idp.ErrSettled},
		{"session, ended and over", session(func(s *idp.Session) { s.EndedAt = noon }), after, idp.ErrSettled},
		{"session, the zero one", (&idp.Session{}).Live, noon, idp.ErrExpired},

		{"grant, a moment before its end", (&idp.Grant{ExpiresAt: end}).Live, before, nil},
		{"grant, at its end", (&idp.Grant{ExpiresAt: end}).Live, end, idp.ErrExpired},
		{"grant, revoked", (&idp.Grant{ExpiresAt: end, RevokedAt: noon}).Live, before, idp.ErrSettled},
		{"grant, the zero one", (&idp.Grant{}).Live, noon, idp.ErrExpired},

		{"access token, a moment before its end", (&idp.AccessToken{ExpiresAt: end}).Live, before, nil},
		{"access token, at its end", (&idp.AccessToken{ExpiresAt: end}).Live, end, idp.ErrExpired},
		{"access token, revoked", (&idp.AccessToken{ExpiresAt: end, RevokedAt: noon}).Live, before, idp.ErrSettled},

		{"offer, a moment before its end", pairing(func(*idp.Pairing) {}), before, nil},
		{"offer, at its end", pairing(func(*idp.Pairing) {}), end, idp.ErrExpired},
		{"offer, used", pairing(func(p *idp.Pairing) { p.UsedAt = noon }), before, idp.ErrSettled},
		{"offer, one wrong code short of dead", pairing(func(p *idp.Pairing) { p.WrongCodes = idp.MaxPairingCodes - 1 }), before, nil},
		{"offer, guessed at", pairing(func(p *idp.Pairing) { p.WrongCodes = idp.MaxPairingCodes }), before, idp.ErrSettled},

		{"invitation, a moment before its end", (&idp.Invitation{ExpiresAt: end}).Open, before, nil},
		{"invitation, at its end", (&idp.Invitation{ExpiresAt: end}).Open, end, idp.ErrExpired},
		{"invitation, used", (&idp.Invitation{ExpiresAt: end, UsedAt: noon}).Open, before, idp.ErrSettled},
		{"invitation, used and over", (&idp.Invitation{ExpiresAt: end, UsedAt: noon}).Open, after, idp.ErrSettled},
	} {
		if err := c.ask(c.now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.why, err, c.want)
		}
	}
}

func TestSessionFresh(t *testing.T) {
	for _, c := range []struct {
		why      string
		factorAt time.Time
		want     error
	}{
		{"now", noon, nil},
		{"as long ago as may be", noon.Add(-idp.StepUpFor), nil},
		{"a moment longer", noon.Add(-idp.StepUpFor - time.Nanosecond), idp.ErrStale},
		{"never", time.Time{}, idp.ErrStale},
		{"by a clock a little ahead", noon.Add(time.Second), nil},
	} {
		if err := (&idp.Session{FactorAt: c.factorAt}).Fresh(noon); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.why, err, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	if !errors.Is(idp.ErrCodeUsed, idp.ErrWrongSecret) {
		t.Error("a used code is not a wrong secret")
	}
	if errors.Is(idp.ErrWrongSecret, idp.ErrCodeUsed) {
		t.Error("every wrong secret is a used code")
	}
	err := error(&idp.RetryError{Err: idp.ErrTooMany, After: 90 * time.Second})
	if !errors.Is(err, idp.ErrTooMany) || errors.Is(err, idp.ErrBusy) || err.Error() != "too many tries, retry in 1m30s" {
		t.Errorf("%v", err)
	}
	err = &idp.FieldError{Field: "password", Message: "password.short"}
	if !errors.Is(err, idp.ErrInvalid) || err.Error() != "password: password.short" {
		t.Errorf("%v", err)
	}
}

func TestJournal(t *testing.T) {
	var j idp.Journal
	j.Note(idp.Event{Kind: idp.EventLoginDone})
	j.Note(idp.Event{Kind: idp.EventCodeIssued})
	if es := j.Take(); len(es) != 2 || es[0].Kind != idp.EventLoginDone || es[1].Kind != idp.EventCodeIssued {
		t.Errorf("%v", es)
	}
	if es := j.Take(); es != nil {
		t.Errorf("taken twice: %v", es)
	}
}

func TestClient(t *testing.T) {
	c := &idp.Client{Auth: idp.AuthNone, GrantTypes: []string{idp.GrantCode}}
	if !c.Public() || !c.Allows(idp.GrantCode) || c.Allows(idp.GrantRefresh) || c.Allows("") {
		t.Error("a public client for codes only")
	}
	if (&idp.Client{Auth: idp.AuthBasic}).Public() {
		t.Error("a client with a secret is public")
	}
}
