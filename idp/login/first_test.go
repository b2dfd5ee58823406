package login_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/login"
)

// knownTo is a browser that a person has finished a sign-in in; its session is over.
func (p *person) knownTo() login.Browser {
	p.w.Helper()
	b := p.w.browser()
	step, err := p.w.StartAccount(p.w.Context(), "/account", b)
	p.w.at(step, err, idp.LoginPassword)
	b.Known = p.finish(step.ID, b).Known
	p.w.kinds()
	return b
}

// tries gives a password in a new sign-in.
func (w *world) tries(b login.Browser, name string, password idp.Secret) (*login.Step, error) {
	w.Helper()
	step, err := w.StartAccount(w.Context(), "/account", b)
	w.at(step, err, idp.LoginPassword)
	return w.Password(w.Context(), step.ID, b, name, password)
}

// Strangers' wrong passwords, eight or a thousand, are nothing to a browser that is
// known for the account.
func TestStrangersDoNotCloseAKnownBrowser(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	known := anna.knownTo()
	others := bert.knownTo() // known, and not to anna
	for range 8 {
		_, err := w.tries(w.browser(), "anna", wrongPassword)
		if !errors.Is(err, idp.ErrWrongSecret) && !errors.Is(err, idp.ErrTooMany) {
			t.Fatal(err)
		}
	}
	_, err := w.tries(w.browser(), "anna", anna.password)
	w.refuses("a stranger's browser", err, idp.ErrTooMany)
	_, err = w.tries(others, "anna", anna.password)
	w.refuses("a browser known to somebody else", err, idp.ErrTooMany)
	step, err := w.tries(known, "anna", anna.password)
	w.at(step, err, idp.LoginFactor)

	anna.forget()
	w.guess("anna")
	step, err = w.tries(w.browser(), "anna", anna.password)
	w.at(step, err, idp.LoginFirst)
	step, err = w.tries(known, "anna", anna.password)
	w.at(step, err, idp.LoginFactor)
	w.later(31 * 24 * time.Hour) // not known any more, and the lock is over
	step, err = w.tries(known, "anna", anna.password)
	w.at(step, err, idp.LoginFactor)
}

// A cookie that was copied is no way around the count: with the browser it came
// from it has twenty tries, and counts as a stranger's then. Nor do its tries close
// the account to others.
func TestKnownBrowserIsBounded(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	known := anna.knownTo()
	before := w.hasher.checks.Load()
	for range 20 {
		thief := w.browser()
		thief.Known = known.Known
		_, err := w.tries(thief, "anna", wrongPassword)
		w.refuses("a copy of the cookie", err, idp.ErrWrongSecret)
		w.later(time.Minute)
	}
	if n := w.hasher.checks.Load() - before; n != 20 {
		t.Errorf("%d were looked at", n)
	}
	step, err := w.tries(w.browser(), "anna", anna.password)
	w.at(step, err, idp.LoginFactor)
	// Then they are a stranger's, and all are counted.
	for range 100 {
		_, err := w.tries(known, "anna", wrongPassword)
		w.refuses("after twenty", err, idp.ErrWrongSecret)
		w.later(time.Minute)
	}
	step, err = w.tries(known, "anna", anna.password)
	w.at(step, err, idp.LoginFirst)
	// At once they are no more than in turn, as at the shared counter.
	bert := w.person("bert")
	known = bert.knownTo()
	before = w.hasher.checks.Load()
	w.together(40, func(int) error {
		b := w.browser()
		b.Known = known.Known
		_, err := w.tries(b, "bert", wrongPassword)
		return err
	}, idp.ErrWrongSecret, idp.ErrTooMany)
	if n := w.hasher.checks.Load() - before; n != 5 {
		t.Errorf("%d of 40 at once were looked at, want 5", n)
	}
	// An administrator's unlocking opens those apart too.
	bert.forget()
	step, err = w.tries(known, "bert", bert.password)
	w.at(step, err, idp.LoginFactor)
}

// After a hundred wrong passwords the second factor comes first, by code or by
// phone, and the password after it: nobody needs an administrator.
func TestSecondFactorComesFirst(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.phone("Pixel")
	w.guess("anna")
	w.kinds()

	for _, way := range []string{"code", "phone"} {
		b := w.browser()
		step, err := w.tries(b, "anna", anna.password)
		w.at(step, err, idp.LoginFirst)
		if step.UserName != "" || step.Devices != 0 || step.Recovery || step.Phones == nil || step.Phones.State != login.PhoneReady || step.Phones.Devices != nil {
			t.Errorf("%s: the page tells %+v %+v", way, step, step.Phones)
		}
		if len(w.pending(ph)) != 0 {
			t.Error("a phone was asked unbidden")
		}
		id := step.ID
		if way == "code" {
			step, err = w.Code(t.Context(), id, b, anna.code())
		} else {
			step, err = w.Resend(t.Context(), id, b)
			w.at(step, err, idp.LoginFirst)
			if step.Phones.State != login.PhoneAsked || step.Phones.Mode != idp.MatchType || len(step.Phones.Number) != 2 {
				t.Errorf("asked by %+v", step.Phones)
			}
			open := w.pending(ph)
			if len(open) != 1 {
				t.Fatalf("%d questions", len(open))
			}
			_, err = w.Answer(t.Context(), ph, reply(open[0], idp.Verdict{Approve: true, Number: step.Phones.Number}))
			w.must(err)
			step, err = w.Continue(t.Context(), id, b)
		}
		w.at(step, err, idp.LoginLast)
		if step.UserName != "anna" {
			t.Errorf("%s: whose password is asked for: %q", way, step.UserName)
		}
		_, err = w.Collect(t.Context(), id, b)
		w.refuses("a second factor alone", err, idp.ErrSettled)
		_, err = w.Password(t.Context(), id, b, "anna", wrongPassword)
		w.refuses("wrong", err, idp.ErrWrongSecret)
		step, err = w.Password(t.Context(), id, b, "anna", anna.password)
		w.at(step, err, idp.LoginDone)
		a := w.collect(id, b)
		if a.Session == "" || a.Known == "" {
			t.Errorf("%s: collected %+v", way, a)
		}
		// It is open for this browser only.
		b.Known, b.Session = a.Known, ""
		step, err = w.tries(b, "anna", anna.password)
		w.at(step, err, idp.LoginFactor)
		step, err = w.tries(w.browser(), "anna", anna.password)
		w.at(step, err, idp.LoginFirst)
		w.later(time.Hour)
	}
}

// A second factor of one opens the password of nobody else, however the rows and
// forms are mixed.
func TestSecondFactorFirstIsOfOnePerson(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	w.guess("anna")
	w.guess("bert")
	b := w.browser()
	step, err := w.tries(b, "anna", anna.password)
	w.at(step, err, idp.LoginFirst)
	_, err = w.Code(t.Context(), step.ID, b, bert.code())
	w.refuses("another's code", err, idp.ErrWrongSecret)
	_, err = w.Recovery(t.Context(), step.ID, b, anna.recovery[0].Reveal())
	w.refuses("a recovery code", err, idp.ErrSettled)
	step, err = w.Code(t.Context(), step.ID, b, anna.code())
	w.at(step, err, idp.LoginLast)
	_, err = w.Password(t.Context(), step.ID, b, "bert", otherPassword)
	w.refuses("another's name", err, idp.ErrWrongSecret)
	// Twenty tries are this sign-in's; then it is a stranger's as before.
	for range 19 {
		w.later(time.Minute / 2)
		_, err = w.Password(t.Context(), step.ID, b, "anna", wrongPassword)
		if errors.Is(err, idp.ErrExpired) {
			break
		}
		if !errors.Is(err, idp.ErrWrongSecret) && !errors.Is(err, idp.ErrTooMany) {
			t.Fatal(err)
		}
	}
	_, err = w.Collect(t.Context(), step.ID, b)
	w.refuses("nothing to collect", err, idp.ErrSettled)
	// Starting over takes the second factor back.
	b = w.browser()
	step, err = w.tries(b, "anna", anna.password)
	w.at(step, err, idp.LoginFirst)
	step, err = w.Code(t.Context(), step.ID, b, anna.code())
	w.at(step, err, idp.LoginLast)
	step, err = w.StartOver(t.Context(), step.ID, b)
	w.at(step, err, idp.LoginPassword)
	step, err = w.Password(t.Context(), step.ID, b, "bert", bert.password)
	w.at(step, err, idp.LoginFirst)
}

// seen is everything that somebody outside sees of a try.
func seen(s *login.Step, err error) string {
	if err != nil {
		if retry, ok := errors.AsType[*idp.RetryError](err); ok {
			return fmt.Sprintf("%v after %s", retry.Err, retry.After)
		}
		for _, known := range []error{idp.ErrWrongSecret, idp.ErrSettled, idp.ErrExpired, idp.ErrNotFound} {
			if errors.Is(err, known) {
				return known.Error()
			}
		}
		return err.Error()
	}
	text := fmt.Sprintf("%s %q %d %v %v", s.State, s.UserName, s.Devices, s.Recovery, s.DeniedBy)
	if p := s.Phones; p != nil {
		text += fmt.Sprintf(" %s %v %s %d %s %s", p.State, p.Devices, p.Mode, len(p.Number), p.ExpiresAt, p.ResendAt)
	}
	return text
}

// Names that nobody has, of people who were disabled or invited, of people with and
// without a phone: whoever guesses sees the same at the same counts, before the
// hundredth wrong password and after it.
func TestClosedPasswordsAreTheSameForEveryName(t *testing.T) {
	w := newWorld(t)
	_, dora, paul := w.person("anna"), w.person("dora"), w.person("paul")
	w.must(w.desk.Disable(t.Context(), console, dora.id, "left"))
	w.must(w.desk.AddUser(t.Context(), console, &idp.User{Name: "iris"}))

	paul.phone("Pixel")
	begin := w.now()
	var want []string
	for _, name := range []string{"nobody", "anna", "dora", "iris", "paul"} {
		w.clock.Store(begin.UnixMicro())
		b := w.browser()
		var got []string
		step, err := w.StartAccount(t.Context(), "/account", b)
		w.must(err)
		id := step.ID
		note := func(s *login.Step, err error) { got = append(got, seen(s, err)) }
		for n := range 103 {
			if n%10 == 0 {
				step, err = w.StartAccount(t.Context(), "/account", b)
				w.must(err)
				id = step.ID
			}
			note(w.Password(t.Context(), id, b, name, wrongPassword))
			w.later(time.Minute)
		}
		step, err = w.StartAccount(t.Context(), "/account", b)
		w.must(err)
		id = step.ID
		checks, written := w.hasher.checks.Load(), w.kept.counters.Load()
		note(w.Password(t.Context(), id, b, name, wrongPassword))
		for range 3 {
			note(w.Resend(t.Context(), id, b))
			note(w.Step(t.Context(), id, b))
			note(w.Continue(t.Context(), id, b))
			w.later(idp.ResendAfter)
		}
		note(w.Resend(t.Context(), id, b))
		for range 6 {
			note(w.Code(t.Context(), id, b, paul.wrongCode()))
			w.later(time.Minute)
		}
		note(w.Step(t.Context(), id, b))
		note(w.Password(t.Context(), id, b, name, wrongPassword))
		note(w.Cancel(t.Context(), id, b))
		got = append(got, fmt.Sprint(w.hasher.checks.Load()-checks, w.kept.counters.Load()-written))
		if want == nil {
			want = got
			t.Logf("%d answers, the last of them %q", len(got), got[100:])
			continue
		}
		if !slices.Equal(got, want) {
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("%s, answer %d: %s, nobody's: %s", name, i, got[i], want[i])
				}
			}
		}
	}
}

// A stranger with nothing but a name has a phone asked seldom, by a number, and
// takes nothing from sign-ins with the password: neither their questions, nor, by
// the owner's «it wasn't me», phones altogether.
func TestAskingFirstIsBounded(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.phone("Pixel")
	known := anna.knownTo()
	w.guess("anna")
	asked := 0
	for begin := w.now(); w.now().Before(begin.Add(24 * time.Hour)); w.later(2 * time.Minute) {
		b := w.browser()
		step, err := w.tries(b, "anna", wrongPassword)
		w.at(step, err, idp.LoginFirst)
		step, err = w.Resend(t.Context(), step.ID, b)
		w.at(step, err, idp.LoginFirst)
		if step.Phones.State != login.PhoneAsked || step.Phones.Number == "" {
			t.Fatalf("the page tells that no phone was asked: %+v", step.Phones)
		}
		for _, c := range w.pending(ph) {
			if c.Login == step.ID {
				asked++
			}
		}
		_, err = w.Cancel(t.Context(), step.ID, b)
		w.must(err)
	}
	if asked != 6 {
		t.Errorf("asked %d times in a day, want 6", asked)
	}
	anna.atFactor(known)
	if len(w.pending(ph)) != 1 {
		t.Error("the owner's own sign-in asks no phone any more")
	}
	// Twice «it wasn't me», and phones are still asked for who has the password.
	for range 2 {
		w.later(25 * time.Hour)
		b := w.browser()
		step, err := w.tries(b, "anna", wrongPassword)
		w.at(step, err, idp.LoginFirst)
		_, err = w.Resend(t.Context(), step.ID, b)
		w.must(err)
		open := w.pending(ph)
		if len(open) != 1 {
			t.Fatalf("%d questions", len(open))
		}
		_, err = w.Answer(t.Context(), ph, reply(open[0], idp.Verdict{NotMe: true, Reason: "not_me"}))
		w.must(err)
	}
	w.later(time.Minute)
	anna.atFactor(known)
	if len(w.pending(ph)) != 1 {
		t.Error("strangers have had phones switched off")
	}
	g, err := w.db.Guard(t.Context(), anna.id)
	if err != nil || g.Off {
		t.Errorf("%+v (%v)", g, err)
	}
}
