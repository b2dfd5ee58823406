package login_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/limit"
	"hilum/idp/login"
	"hilum/idp/totp"
)

// outcome is all that a try leaves, inside and outside.
type outcome struct {
	answer  string          // what the caller is told
	kinds   []idp.EventKind // what the log says
	counted int             // wrong tries of the account
	hashes  int64           // how much work it was
}

// TestRightSecretsThatAreRefusedCount: a password or code that is right and lets
// nobody in answers, counts, is logged and costs exactly as a wrong one in the
// same place. The log would be silent, and the counters still, where somebody
// tries passwords else.
func TestRightSecretsThatAreRefusedCount(t *testing.T) {
	type place struct {
		name string
		kind idp.CounterKind
		// prepare returns the try: of the right secret, or of a wrong one.
		prepare func(w *world, anna, bert *person) (who *person, try func(right bool) error)
	}
	password := func(w *world, id idp.LoginID, b login.Browser, p *person) func(bool) error {
		return func(right bool) error {
			typed := wrongPassword
			if right {
				typed = p.password
			}
			_, err := w.Password(t.Context(), id, b, p.name, typed)
			return err
		}
	}
	hinted := func(w *world, change func(*idp.AuthRequest)) (idp.LoginID, login.Browser) {
		req := w.client("viewer", nil)
		change(&req)
		b := w.browser()
		return w.start(req, b).ID, b
	}
	for _, c := range []place{
		{"the application expects somebody else (claims, id_token_hint)", idp.CountPasswords, func(w *world, anna, bert *person) (*person, func(bool) error) {
			id, b := hinted(w, func(r *idp.AuthRequest) { r.HintUser = anna.id })
			return bert, password(w, id, b, bert)
		}},
		{"the application expects nobody there is", idp.CountPasswords, func(w *world, _, bert *person) (*person, func(bool) error) {
			id, b := hinted(w, func(r *idp.AuthRequest) { r.HintUser = "X" })
			return bert, password(w, id, b, bert)
		}},
		{"an invitation is for somebody else", idp.CountPasswords, func(w *world, anna, bert *person) (*person, func(bool) error) {
			w.must(w.desk.Unlink(t.Context(), console, anna.id, anna.device, admin.Why{Reason: "lost"}))
			link, err := w.desk.Invite(t.Context(), console, anna.id, admin.ViaLink)
			w.must(err)
			b := w.browser()
			step, err := w.StartInvitation(t.Context(), link.Token, b)
			w.at(step, err, idp.LoginPassword)
			return bert, password(w, step.ID, b, bert)
		}},
		{"the account is disabled", idp.CountPasswords, func(w *world, _, bert *person) (*person, func(bool) error) {
			w.must(w.desk.Disable(t.Context(), console, bert.id, "left"))
			id, b := hinted(w, func(*idp.AuthRequest) {})
			return bert, password(w, id, b, bert)
		}},
		{"the sign-in is cancelled while the password is looked at", idp.CountPasswords, func(w *world, _, bert *person) (*person, func(bool) error) {
			id, b := hinted(w, func(*idp.AuthRequest) {})
			w.hasher.hold = func() {
				w.hasher.hold = nil
				_, err := w.Cancel(t.Context(), id, b)
				w.must(err)
				w.kinds()
			}
			return bert, password(w, id, b, bert)
		}},
		{"the sign-in ends while the password is looked at", idp.CountPasswords, func(w *world, _, bert *person) (*person, func(bool) error) {
			id, b := hinted(w, func(*idp.AuthRequest) {})
			w.hasher.hold = func() {
				w.hasher.hold = nil
				w.must(w.db.UpdateLogin(t.Context(), id, func(l *idp.Login) error { l.State = idp.LoginExpired; return nil }))
			}
			return bert, password(w, id, b, bert)
		}},
		{"the code is another person's", idp.CountCodes, func(w *world, anna, bert *person) (*person, func(bool) error) {
			b := w.browser()
			id := bert.atFactor(b)
			w.later(totp.Period * time.Second)
			return bert, func(right bool) error {
				typed := anna.wrongCode()
				if right {
					typed = totp.Code(anna.secret, w.now())
				}
				_, err := w.Code(t.Context(), id, b, typed)
				return err
			}
		}},
		{"the recovery code is another person's", idp.CountRecovery, func(w *world, anna, bert *person) (*person, func(bool) error) {
			b := w.browser()
			id := bert.atFactor(b)
			return bert, func(right bool) error {
				typed := "AAAA-AAAA-AAAA-AAAA"
				if right {
					typed = anna.recovery[0].Reveal()
				}
				_, err := w.Recovery(t.Context(), id, b, typed)
				return err
			}
		}},
		{"the sign-in is cancelled while the recovery code is looked at", idp.CountRecovery, func(w *world, _, bert *person) (*person, func(bool) error) {
			b := w.browser()
			id := bert.atFactor(b)
			w.hasher.hold = func() {
				w.hasher.hold = nil
				_, err := w.Cancel(t.Context(), id, b)
				w.must(err)
				w.kinds()
			}
			return bert, func(right bool) error {
				typed := "AAAA-AAAA-AAAA-AAAA"
				if right {
					typed = bert.recovery[0].Reveal() // not the last that is looked at
				}
				_, err := w.Recovery(t.Context(), id, b, typed)
				return err
			}
		}},
	} {
		compare := func(t *testing.T, wrong int) {
			var got [2]outcome
			for i, right := range []bool{false, true} {
				w := newWorld(t)
				anna, bert := w.person("anna"), w.person("bert")
				who, try := c.prepare(w, anna, bert)
				for range wrong {
					w.must(w.db.UpdateCounter(t.Context(), idp.CounterKey{Kind: c.kind, Who: string(who.id)}, nil, func(c *idp.Counter) error {
						limit.Passwords.Wrong(c, w.now())
						return nil
					}))
				}
				w.kinds()
				before := w.hasher.checks.Load()
				err := try(right)
				if err == nil {
					t.Fatal("let in")
				}
				counter, cerr := w.db.Counter(t.Context(), idp.CounterKey{Kind: c.kind, Who: string(who.id)})
				w.must(cerr)
				got[i] = outcome{fmt.Sprint(errorsOf(err)), w.kinds(), max(counter.InARow, counter.Burst) - wrong, w.hasher.checks.Load() - before}
			}
			t.Logf("%v", got[1])
			if got[0].answer != got[1].answer || !slices.Equal(got[0].kinds, got[1].kinds) || got[0].counted != got[1].counted || got[0].hashes != got[1].hashes {
				t.Errorf("wrong: %+v\nright: %+v", got[0], got[1])
			}
			if got[1].counted != 1 || len(got[1].kinds) == 0 {
				t.Errorf("neither counted nor logged: %+v", got[1])
			}
		}
		t.Run(c.name, func(t *testing.T) { compare(t, 0) })
		t.Run(c.name+", after wrong ones", func(t *testing.T) { compare(t, 2) })
	}
}

// errorsOf are the sentinels that a door tells apart.
func errorsOf(err error) (is []error) {
	for _, one := range []error{idp.ErrWrongSecret, idp.ErrCodeUsed, idp.ErrSettled, idp.ErrExpired, idp.ErrNotFound, idp.ErrTooMany, idp.ErrDenied, idp.ErrInvalid} {
		if errors.Is(err, one) {
			is = append(is, one)
		}
	}
	return is
}

// Two clicks of one person on one button are no wrong password.
func TestSecondClickIsNotCounted(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	for wrong := range 3 {
		b := w.browser()
		step, err := w.StartAccount(t.Context(), "/account", b)
		w.at(step, err, idp.LoginPassword)
		before := anna.counted("")
		w.hasher.hold = func() {
			w.hasher.hold = nil
			// The first click is through before the second one is looked at.
			w.must(w.db.UpdateLogin(t.Context(), step.ID, func(l *idp.Login) error {
				l.User, l.PasswordAt = anna.id, w.now()
				return l.Apply(idp.OnPassword, w.now())
			}))
		}
		_, err = w.Password(t.Context(), step.ID, b, "anna", anna.password)
		w.refuses("the second click", err, idp.ErrSettled)
		w.tells()
		if after := anna.counted(""); !reflect.DeepEqual(after, before) {
			t.Errorf("after %d wrong: %+v, want %+v", wrong, after, before)
		}
		_, err = w.tries(b, "anna", wrongPassword)
		w.refuses("wrong", err, idp.ErrWrongSecret)
		w.kinds()
	}
}
