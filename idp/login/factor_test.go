package login_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/limit"
	"hilum/idp/login"
	"hilum/idp/totp"
)

func TestCodeRight(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	id := anna.atFactor(b)
	w.kinds()
	code := anna.code()
	step, err := w.Code(t.Context(), id, b, " "+code[:3]+" "+code[3:]+" ")
	w.at(step, err, idp.LoginDone)
	w.tells(idp.EventFactorRight)
	l, err := w.db.Login(t.Context(), id)
	w.must(err)
	if !l.FactorAt.Equal(w.now()) || !l.AuthTime.Equal(w.now()) || l.ACR != idp.ACRMultiFactor || l.Device != anna.device ||
		strings.Join(l.AMR, " ") != "pwd otp mfa" {
		t.Errorf("proven: %+v", l)
	}
	devices, err := w.db.Devices(t.Context(), anna.id)
	if err != nil || devices[0].LastStep != totp.Step(w.now()) || !devices[0].LastUsedAt.Equal(w.now()) {
		t.Errorf("the device: %+v (%v)", devices, err)
	}
	_, err = w.Code(t.Context(), id, b, anna.code())
	w.refuses("a second code", err, idp.ErrSettled)
}

// What is not a code is told apart from a wrong one, and costs nothing.
func TestCodeThatIsNone(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	id := anna.atFactor(b)
	w.kinds()
	for _, typed := range []string{"", "12345", "1234567", "12345a", "١٢٣٤٥٦", strings.Repeat("1", 1000)} {
		_, err := w.Code(t.Context(), id, b, typed)
		w.refuses(fmt.Sprintf("%.10q", typed), err, idp.ErrInvalid)
	}
	for _, typed := range []string{"", "ABCD", "0000-0000-0000-000", "ÄÄÄÄ-ÄÄÄÄ-ÄÄÄÄ-ÄÄÄÄ"} {
		_, err := w.Recovery(t.Context(), id, b, typed)
		w.refuses(fmt.Sprintf("%.10q", typed), err, idp.ErrInvalid)
	}
	w.tells()
	step, err := w.Step(t.Context(), id, b)
	if w.at(step, err, idp.LoginFactor); step.WrongCodes != 0 {
		t.Errorf("%d wrong codes", step.WrongCodes)
	}
}

// Five wrong codes lead back to the password; waiting is demanded between
// them, and everything that was proven is forgotten.
func TestWrongCodes(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	id := anna.atFactor(b)
	w.kinds()
	for i, wait := range []time.Duration{0, 0, time.Second, 2 * time.Second} {
		_, err := w.Code(t.Context(), id, b, anna.wrongCode())
		w.refuses(fmt.Sprint("wrong code ", i+1), err, idp.ErrWrongSecret)
		if wait == 0 {
			continue
		}
		for _, code := range []string{anna.wrongCode(), totp.Code(anna.secret, w.now().Add(30*time.Second))} {
			_, err = w.Code(t.Context(), id, b, code)
			var retry *idp.RetryError
			if !errors.As(err, &retry) || !errors.Is(err, idp.ErrTooMany) || retry.After != wait {
				t.Errorf("after %d: %v, want to wait %s", i+1, err, wait)
			}
		}
		w.later(wait)
	}
	step, err := w.Step(t.Context(), id, b)
	if w.at(step, err, idp.LoginFactor); step.WrongCodes != 4 {
		t.Errorf("%d wrong codes", step.WrongCodes)
	}
	w.tells(idp.EventCodeWrong, idp.EventCodeWrong, idp.EventCodeWrong, idp.EventCodeWrong)
	_, err = w.Code(t.Context(), id, b, anna.wrongCode())
	w.refuses("wrong code 5", err, idp.ErrWrongSecret)
	w.tells(idp.EventCodeWrong, idp.EventCodesSpent)
	step, err = w.Step(t.Context(), id, b)
	if w.at(step, err, idp.LoginPassword); step.WrongCodes != 0 || step.UserName != "" {
		t.Errorf("back at the password: %+v", step)
	}

	// A new sign-in has its own five, the account keeps counting.
	_, err = w.Password(t.Context(), id, b, "anna", anna.password)
	w.must(err)
	_, err = w.Code(t.Context(), id, b, anna.wrongCode())
	w.refuses("at once", err, idp.ErrTooMany)
	w.later(4 * time.Second)
	for i := range 5 {
		_, err = w.Code(t.Context(), id, b, anna.wrongCode())
		w.refuses(fmt.Sprint("wrong code ", 6+i), err, idp.ErrWrongSecret)
		w.later(30 * time.Second)
	}
	b = w.browser()
	id = anna.atFactor(b)
	_, err = w.Code(t.Context(), id, b, anna.code())
	w.refuses("ten in a row", err, idp.ErrTooMany)
	w.later(30 * time.Minute)
	id = anna.atFactor(b)
	step, err = w.Code(t.Context(), id, b, anna.code())
	w.at(step, err, idp.LoginDone)
}

// A code is good once, in whatever sign-in; who shows it again is told so, and it
// counts as a wrong one does.
func TestUsedCode(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b, other := w.browser(), w.browser()
	id, second := anna.atFactor(b), anna.atFactor(other)
	code := anna.code()
	step, err := w.Code(t.Context(), id, b, code)
	w.at(step, err, idp.LoginDone)
	w.kinds()
	_, err = w.Code(t.Context(), second, other, code)
	w.refuses("used", err, idp.ErrCodeUsed)
	// Nor is one of before, which nobody has used, good after it.
	_, err = w.Code(t.Context(), second, other, totp.Code(anna.secret, w.now().Add(-30*time.Second)))
	w.refuses("older", err, idp.ErrCodeUsed)
	w.tells(idp.EventCodeWrong, idp.EventCodeWrong)
	step, err = w.Step(t.Context(), second, other)
	if w.at(step, err, idp.LoginFactor); step.WrongCodes != 2 {
		t.Errorf("%d wrong codes", step.WrongCodes)
	}
	step, err = w.Code(t.Context(), second, other, anna.code())
	w.at(step, err, idp.LoginDone)
}

// Each device has its own codes, and an unlinked one has none.
func TestCodesOfSeveralDevices(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	b := w.browser()
	s := anna.signIn(&b)
	offer, err := w.devices.StartPairing(t.Context(), s)
	w.must(err)
	tablet := w.secretOf(&login.Step{Enrol: &login.EnrolStep{Offer: offer.Offer}})
	d, err := w.devices.Confirm(t.Context(), s, offer.ID, totp.Code(tablet, w.now()), "tablet")
	w.must(err)

	w.later(30 * time.Second)
	id := anna.atFactor(b)
	step, err := w.Code(t.Context(), id, b, totp.Code(tablet, w.now()))
	w.at(step, err, idp.LoginDone)
	if l, err := w.db.Login(t.Context(), id); err != nil || l.Device != d.ID {
		t.Errorf("by device %s (%v), want the tablet", l.Device, err)
	}
	id = anna.atFactor(b) // the phone's code of the same step was not used
	step, err = w.Code(t.Context(), id, b, totp.Code(anna.secret, w.now()))
	w.at(step, err, idp.LoginDone)

	id = anna.atFactor(b)
	_, err = w.Code(t.Context(), id, b, bert.code())
	w.refuses("another person's", err, idp.ErrWrongSecret)

	w.must(w.devices.Unlink(t.Context(), s, d.ID, false))
	_, err = w.Code(t.Context(), id, b, totp.Code(tablet, w.now()))
	w.refuses("of the unlinked tablet", err, idp.ErrWrongSecret)
	step, err = w.Code(t.Context(), id, b, anna.code())
	w.at(step, err, idp.LoginDone)
}

// Who has nothing linked cannot pass, whatever is typed.
func TestNoDeviceLinked(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	w.must(w.desk.Unlink(t.Context(), console, anna.id, anna.device, admin.Why{Reason: "lost"}))
	w.must(w.db.SetRecoveryCodes(t.Context(), anna.id, nil, idp.Within{}, idp.Event{At: w.now(), Kind: idp.EventRecoveryMade}))
	b := w.browser()
	id := anna.atFactor(b)
	step, err := w.Step(t.Context(), id, b)
	if w.at(step, err, idp.LoginFactor); step.Devices != 0 || step.Recovery {
		t.Errorf("%+v", step)
	}
	_, err = w.Code(t.Context(), id, b, anna.code())
	w.refuses("code", err, idp.ErrWrongSecret)
	_, err = w.Recovery(t.Context(), id, b, anna.recovery[0].Reveal())
	w.refuses("recovery code", err, idp.ErrWrongSecret)
}

func TestRecovery(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	id := anna.atFactor(b)
	w.kinds()
	step, err := w.Recovery(t.Context(), id, b, " "+strings.ToLower(anna.recovery[3].Reveal())+" ")
	w.at(step, err, idp.LoginDone)
	w.tells(idp.EventRecoveryUsed, idp.EventFactorRight)
	if left, err := w.db.RecoveryLeft(t.Context(), anna.id); err != nil || left != 9 {
		t.Errorf("%d left (%v)", left, err)
	}
	id = anna.atFactor(b)
	w.kinds()
	_, err = w.Recovery(t.Context(), id, b, anna.recovery[3].Reveal())
	w.refuses("used", err, idp.ErrWrongSecret)
	w.tells(idp.EventCodeWrong)
	for i := range 4 {
		_, err = w.Recovery(t.Context(), id, b, "AAAA-AAAA-AAAA-AAAA")
		w.refuses(fmt.Sprint("wrong ", i), err, idp.ErrWrongSecret)
	}
	step, err = w.Step(t.Context(), id, b)
	w.at(step, err, idp.LoginPassword)
	id = anna.atFactor(b)
	_, err = w.Recovery(t.Context(), id, b, anna.recovery[4].Reveal())
	var retry *idp.RetryError
	if !errors.As(err, &retry) || retry.After != time.Hour {
		t.Errorf("after five: %v, want to wait an hour", err)
	}
	w.later(time.Hour)
	id = anna.atFactor(b)
	step, err = w.Recovery(t.Context(), id, b, anna.recovery[4].Reveal())
	w.at(step, err, idp.LoginDone)
}

// Wrong codes lock codes, wrong recovery codes lock recovery codes: whoever
// guesses at one takes the other from nobody.
func TestCountersAreApart(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	id := anna.atFactor(b)
	for range 3 {
		_, err := w.Code(t.Context(), id, b, anna.wrongCode())
		w.refuses("wrong", err, idp.ErrWrongSecret)
	}
	_, err := w.Code(t.Context(), id, b, anna.wrongCode())
	w.refuses("codes", err, idp.ErrTooMany)
	step, err := w.Recovery(t.Context(), id, b, anna.recovery[0].Reveal())
	w.at(step, err, idp.LoginDone)

	anna.forget()
	id = anna.atFactor(b)
	for range 5 {
		_, err = w.Recovery(t.Context(), id, b, "AAAA-AAAA-AAAA-AAAA")
		w.refuses("wrong", err, idp.ErrWrongSecret)
	}
	id = anna.atFactor(b) // passwords are not locked either
	_, err = w.Recovery(t.Context(), id, b, anna.recovery[1].Reveal())
	w.refuses("recovery codes", err, idp.ErrTooMany)
	step, err = w.Code(t.Context(), id, b, anna.code())
	w.at(step, err, idp.LoginDone)
}

// A hundred wrong codes in 30 days close codes until those days are over: it is
// said when, an administrator may end it, and phones and recovery codes go on.
func TestHundredWrongCodesAreNotForEver(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	key := idp.CounterKey{Kind: idp.CountCodes, Who: string(anna.id)}
	w.must(w.db.UpdateCounter(t.Context(), key, nil, func(c *idp.Counter) error {
		c.Month, c.MonthAt = 99, w.now().Add(-10*24*time.Hour)
		limit.Codes.Wrong(c, w.now())
		return nil
	}))
	b := w.browser()
	id := anna.atFactor(b)
	_, err := w.Code(t.Context(), id, b, anna.code())
	var retry *idp.RetryError
	if !errors.As(err, &retry) || retry.After < 19*24*time.Hour || retry.After > 20*24*time.Hour || !errors.Is(err, idp.ErrTooMany) {
		t.Errorf("%v, want to come back when the 30 days are over", err)
	}
	step, err := w.Recovery(t.Context(), id, b, anna.recovery[0].Reveal())
	w.at(step, err, idp.LoginDone)
	ph := anna.phone("Pixel")
	anna.atFactor(b)
	if len(w.pending(ph)) != 1 {
		t.Error("the phone is not asked")
	}
	w.later(20 * 24 * time.Hour)
	id = anna.atFactor(b)
	step, err = w.Code(t.Context(), id, b, anna.code())
	w.at(step, err, idp.LoginDone)
	w.must(w.db.UpdateCounter(t.Context(), key, nil, func(c *idp.Counter) error { c.NextAt = w.now().Add(time.Hour); return nil }))
	id = anna.atFactor(b)
	_, err = w.Code(t.Context(), id, b, anna.code())
	w.refuses("closed", err, idp.ErrTooMany)
	anna.forget()
	step, err = w.Code(t.Context(), id, b, anna.code())
	w.at(step, err, idp.LoginDone)
}

// rivals begins n sign-ins of the person at the second factor.
func (p *person) rivals(n int) (ids []idp.LoginID, browsers []login.Browser) {
	p.w.Helper()
	for range n {
		b := p.w.browser()
		l := &idp.Login{
			ID: idp.NewID[idp.LoginID](), Purpose: idp.ForAccount, State: idp.LoginFactor, Browser: b.ID, User: p.id,
			PasswordAt: p.w.now(), CreatedAt: p.w.now(), ExpiresAt: p.w.now().Add(idp.LoginTTL),
		}
		p.w.must(p.w.db.AddLogin(p.w.Context(), l))
		ids, browsers = append(ids, l.ID), append(browsers, b)
	}
	return ids, browsers
}

// together runs n functions at once and counts those that return nil; every
// other error has to be one of these.
func (w *world) together(n int, fn func(i int) error, or ...error) int {
	w.Helper()
	var right atomic.Int64
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			err := fn(i)
			if err == nil {
				right.Add(1)
				return
			}
			for _, allowed := range or {
				if errors.Is(err, allowed) {
					return
				}
			}
			w.Errorf("rival %d: %v", i, err)
		})
	}
	close(begin)
	wg.Wait()
	return int(right.Load())
}

// One time step lets one sign-in pass, however many post it at once.
func TestOneCodeOneSignIn(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	const rounds, rivals = 50, 100
	for round := range rounds {
		anna.forget() // what the losers of the last round have counted
		ids, browsers := anna.rivals(rivals)
		code := anna.code()
		n := w.together(rivals, func(i int) error {
			_, err := w.Code(t.Context(), ids[i], browsers[i], code)
			return err
		}, idp.ErrCodeUsed, idp.ErrTooMany)
		if n != 1 {
			t.Fatalf("round %d: %d sign-ins passed by one code", round, n)
		}
		done := 0
		for _, id := range ids {
			if l, err := w.db.Login(t.Context(), id); err == nil && l.State == idp.LoginDone {
				done++
			}
		}
		if done != 1 {
			t.Fatalf("round %d: %d sign-ins are done", round, done)
		}
	}
}

// One sign-in that gets one code many times is done once.
func TestOneSignInManyTabs(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	for range 5 {
		b := w.browser()
		id := anna.atFactor(b)
		code := anna.code()
		n := w.together(20, func(int) error {
			_, err := w.Code(t.Context(), id, b, code)
			return err
		}, idp.ErrCodeUsed, idp.ErrSettled)
		if n != 1 {
			t.Fatalf("%d tabs passed", n)
		}
	}
}

func TestOneRecoveryCodeOneSignIn(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	for round := range 5 {
		ids, browsers := anna.rivals(20)
		n := w.together(len(ids), func(i int) error {
			_, err := w.Recovery(t.Context(), ids[i], browsers[i], anna.recovery[round].Reveal())
			return err
		}, idp.ErrWrongSecret, idp.ErrTooMany)
		if n != 1 {
			t.Fatalf("round %d: %d sign-ins passed by one recovery code", round, n)
		}
		if left, err := w.db.RecoveryLeft(t.Context(), anna.id); err != nil || left != 9-round {
			t.Fatalf("round %d: %d left (%v)", round, left, err)
		}
		anna.forget()
	}
}

// Guesses at recovery codes that are sent at once are no more than may be.
func TestRecoveryGuessesAtOnce(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ids, browsers := anna.rivals(40)
	before := w.hasher.checks.Load()
	w.together(len(ids), func(i int) error {
		_, err := w.Recovery(t.Context(), ids[i], browsers[i], "AAAA-AAAA-AAAA-AAAA")
		return err
	}, idp.ErrWrongSecret, idp.ErrTooMany)
	if n := w.hasher.checks.Load() - before; n > 5*10 {
		t.Errorf("%d hashes for five guesses at ten codes", n)
	}
}

// Guesses at codes that are sent at once are no more than may be.
func TestCodeGuessesAtOnce(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ids, browsers := anna.rivals(40)
	var looked atomic.Int64
	wrong := anna.wrongCode()
	w.together(len(ids), func(i int) error {
		_, err := w.Code(t.Context(), ids[i], browsers[i], wrong)
		if errors.Is(err, idp.ErrWrongSecret) {
			looked.Add(1)
		}
		return err
	}, idp.ErrWrongSecret, idp.ErrTooMany)
	if looked.Load() != 3 {
		t.Errorf("%d guesses were looked at, 3 may be", looked.Load())
	}
}

// A phone whose clock drifts is followed from use to use, also within one sign-in
// after another; where it stands is kept with the device.
func TestDriftOfAPhoneIsKept(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	for _, c := range []struct{ ahead, drift int64 }{{0, 0}, {1, 1}, {2, 1}, {0, 0}, {-1, -1}, {-2, -1}, {0, 0}} {
		w.later(10 * totp.Period * time.Second)
		b := w.browser()
		code := totp.Code(anna.secret, w.now().Add(time.Duration(c.ahead)*totp.Period*time.Second))
		step, err := w.Code(t.Context(), anna.atFactor(b), b, code)
		w.at(step, err, idp.LoginDone)
		devices, err := w.db.Devices(t.Context(), anna.id)
		w.must(err)
		if d := devices[0]; d.Drift != c.drift || d.LastStep != totp.Step(w.now())+c.ahead {
			t.Errorf("%+d: drift %d, last step %+d", c.ahead, d.Drift, d.LastStep-totp.Step(w.now()))
		}
	}
}
