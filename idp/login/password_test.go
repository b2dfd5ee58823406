package login_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
	"hilum/idp/login"
	"hilum/idp/password"
)

// A wrong password, an unknown name and a disabled account are one thing to
// whoever stands outside: the same answer, the same work.
func TestPasswordRefusalsAreAlike(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	w.must(w.desk.AddUser(t.Context(), console, &idp.User{Name: "carl"})) // invited, no password yet
	w.must(w.desk.Disable(t.Context(), console, bert.id, "left"))
	w.kinds()
	before := map[string]bool{} // whether a wrong one is counted for the name
	for _, c := range []struct {
		why, name string
		password  idp.Secret
		user      idp.UserID
	}{
		{"wrong", "anna", wrongPassword, anna.id},
		{"unknown", "nobody", goodPassword, ""},
		{"unknown again", "nobody", goodPassword, ""},
		{"disabled, and right", "bert", goodPassword, bert.id},
		{"disabled, and wrong", "bert", wrongPassword, bert.id},
		{"nothing typed", "anna", "", anna.id},
		{"longer than any password", "anna", idp.Secret(strings.Repeat("x", 100_000)), anna.id},
		{"no name typed", "", goodPassword, ""},
		{"a name longer than any", strings.Repeat("a", 100_000), goodPassword, ""},
	} {
		b := w.browser()
		step, err := w.StartAccount(t.Context(), "/account", b)
		w.at(step, err, idp.LoginPassword)
		checks, counters := w.hasher.checks.Load(), w.kept.counters.Load()
		_, err = w.Password(t.Context(), step.ID, b, c.name, c.password)
		if !errors.Is(err, idp.ErrWrongSecret) || err.Error() != idp.ErrWrongSecret.Error() {
			t.Errorf("%s: %v", c.why, err)
		}
		if n := w.hasher.checks.Load() - checks; n != 1 {
			t.Errorf("%s: %d hashes", c.why, n)
		}
		want := int64(1)
		if before[c.name] {
			want = 2 // counted before, told after
		}
		before[c.name] = true
		if n := w.kept.counters.Load() - counters; n != want {
			t.Errorf("%s: %d counters written, want %d", c.why, n, want)
		}
		es := w.events()
		if len(es) != 1 || es[0].Kind != idp.EventPasswordWrong || es[0].User != c.user || es[0].Login != step.ID || es[0].Address != b.Address {
			t.Errorf("%s: the log says %+v", c.why, es)
		}
		step, err = w.Step(t.Context(), step.ID, b)
		w.at(step, err, idp.LoginPassword)
	}
}

// An unknown name is not written down: it may be a password in the wrong field.
func TestUnknownNamesAreNotKept(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	step, err := w.StartAccount(t.Context(), "/account", b)
	w.at(step, err, idp.LoginPassword)
	_, err = w.Password(t.Context(), step.ID, b, string(goodPassword), wrongPassword)
	w.refuses("unknown", err, idp.ErrWrongSecret)
	for _, e := range w.events() {
		if text := fmt.Sprintf("%+v", e); strings.Contains(text, string(goodPassword)) {
			t.Errorf("the log says %s", text)
		}
	}
}

func TestPasswordRight(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	for _, typed := range []string{"anna", " Anna ", "ANNA"} {
		b := w.browser()
		step, err := w.StartAccount(t.Context(), "/account", b)
		w.at(step, err, idp.LoginPassword)
		if step.UserName != "" || step.Devices != 0 {
			t.Errorf("before the password: %+v", step)
		}
		step, err = w.Password(t.Context(), step.ID, b, typed, anna.password)
		w.at(step, err, idp.LoginFactor)
		if step.UserName != "anna" || step.Devices != 1 || !step.Recovery {
			t.Errorf("after the password: %+v", step)
		}
		w.tells(idp.EventPasswordRight)
		_, err = w.Password(t.Context(), step.ID, b, typed, anna.password)
		w.refuses("a second password", err, idp.ErrSettled)
	}
}

// guesses sends wrong passwords at once, each in a sign-in and a browser of
// its own, and returns how many were looked at.
func (w *world) guesses(name string, n int) int64 {
	w.Helper()
	before := w.hasher.checks.Load()
	var wg sync.WaitGroup
	for range n {
		b := w.browser()
		step, err := w.StartAccount(w.Context(), "/account", b)
		w.at(step, err, idp.LoginPassword)
		wg.Go(func() {
			_, err := w.Password(w.Context(), step.ID, b, name, wrongPassword)
			if !errors.Is(err, idp.ErrWrongSecret) && !errors.Is(err, idp.ErrTooMany) {
				w.Errorf("a guess: %v", err)
			}
			var retry *idp.RetryError
			if errors.Is(err, idp.ErrTooMany) && !errors.As(err, &retry) {
				w.Errorf("%v does not say when to come back", err)
			}
		})
	}
	wg.Wait()
	return w.hasher.checks.Load() - before
}

// However many guesses are sent at once, from however many browsers, no more
// are looked at than one after the other would be.
func TestGuessesAtOnceAreNoMoreThanInTurn(t *testing.T) {
	w := newWorld(t)
	w.person("anna")
	for _, name := range []string{"anna", "nobody"} {
		var model idp.Counter
		for _, wait := range []time.Duration{0, 999 * time.Millisecond, time.Millisecond, time.Second, 2 * time.Second, time.Minute, 5 * time.Minute, 0} {
			w.later(wait)
			var allowed int64
			for limit.Passwords.Allow(&model, w.now()) == nil {
				limit.Passwords.Wrong(&model, w.now())
				allowed++
			}
			if got := w.guesses(name, 12); got != allowed {
				t.Errorf("%s, after %s: %d guesses were looked at, %d may be", name, wait, got, allowed)
			}
		}
	}
}

// The counter belongs to the account: a new sign-in, a new browser, another way
// to write the name change nothing, and the right password has to wait as well.
func TestCountersSurviveNewSignIns(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	for i, typed := range []string{"anna", "Anna", " anna", "ANNA ", "anna"} {
		b := w.browser()
		step, err := w.StartAccount(t.Context(), "/account", b)
		w.at(step, err, idp.LoginPassword)
		_, err = w.Password(t.Context(), step.ID, b, typed, wrongPassword)
		w.refuses(fmt.Sprint("try ", i+1), err, idp.ErrWrongSecret)
	}
	b := w.browser()
	step, err := w.StartAccount(t.Context(), "/account", b)
	w.at(step, err, idp.LoginPassword)
	_, err = w.Password(t.Context(), step.ID, b, "anna", anna.password)
	var retry *idp.RetryError
	if !errors.As(err, &retry) || retry.After != time.Second || !errors.Is(err, idp.ErrTooMany) {
		t.Errorf("the sixth try: %v, want to come back in a second", err)
	}
	bert.atFactor(w.browser()) // whom nobody has guessed at
	w.later(time.Second)
	step, err = w.Password(t.Context(), step.ID, b, "anna", anna.password)
	w.at(step, err, idp.LoginFactor)
	c, err := w.db.Counter(t.Context(), idp.CounterKey{Kind: idp.CountPasswords, Who: string(anna.id)})
	if err != nil || c.InARow != 0 || c.Burst != 0 || !c.NextAt.IsZero() {
		t.Errorf("after the right one: %+v (%v)", c, err)
	}
}

// Who waits for a turn and leaves does not keep others from theirs.
func TestWaitingForATurnEnds(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	in, out := make(chan struct{}), make(chan struct{})
	w.hasher.hold = func() { in <- struct{}{}; <-out }
	try := func(ctx context.Context, done chan<- error) {
		b := w.browser()
		step, err := w.StartAccount(t.Context(), "/account", b)
		w.must(err)
		go func() {
			_, err := w.Password(ctx, step.ID, b, "anna", anna.password)
			done <- err
		}()
	}
	first, second, third := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	try(t.Context(), first)
	<-in
	ctx, cancel := context.WithCancel(t.Context())
	try(ctx, second)
	try(t.Context(), third)
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("who left: %v", err)
	}
	out <- struct{}{}
	w.must(<-first)
	<-in
	out <- struct{}{}
	w.must(<-third)
}

// Busy is not wrong: nothing is counted against anybody.
func TestBusyIsNotCounted(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	for wrong := range 5 { // fewer, and then as many as close
		before := anna.counted("")
		w.passwords(busy{w.hasher})
		for range 10 {
			_, err := w.tries(b, "anna", wrongPassword)
			w.refuses("busy", err, idp.ErrBusy)
			if after := anna.counted(""); !reflect.DeepEqual(after, before) {
				t.Fatalf("after %d wrong: %+v, want %+v", wrong, after, before)
			}
		}
		w.passwords(w.hasher)
		_, err := w.tries(b, "anna", wrongPassword)
		w.refuses("wrong", err, idp.ErrWrongSecret)
	}
	w.later(time.Minute)
	id := anna.atFactor(b)
	w.passwords(busy{w.hasher})
	for range 10 {
		_, err := w.Recovery(t.Context(), id, b, anna.recovery[0].Reveal())
		w.refuses("busy", err, idp.ErrBusy)
	}
	w.passwords(w.hasher)
	step, err := w.Recovery(t.Context(), id, b, anna.recovery[0].Reveal())
	w.at(step, err, idp.LoginDone)
}

// passwords sets what hashes and checks.
func (w *world) passwords(h login.Passwords) {
	w.set(func(c *login.Config) { c.Passwords = h })
}

// busy is a hasher on a machine that has too much to do.
type busy struct{ login.Passwords }

func (busy) Check(context.Context, string, idp.Secret) (bool, error) {
	return false, &idp.RetryError{Err: idp.ErrBusy, After: time.Second}
}

// Hashes of an older cost are made anew as people sign in.
func TestPasswordIsRehashed(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	before, err := w.db.Account(t.Context(), anna.id)
	w.must(err)
	w.passwords(password.New(password.Config{MemoryKiB: 16, Time: 1}))
	b := w.browser()
	anna.signIn(&b)
	after, err := w.db.Account(t.Context(), anna.id)
	w.must(err)
	if before.PasswordHash == after.PasswordHash || !strings.Contains(after.PasswordHash, "m=16,") {
		t.Errorf("hash %s", after.PasswordHash)
	}
	anna.signIn(&b)
	again, err := w.db.Account(t.Context(), anna.id)
	w.must(err)
	if again.PasswordHash != after.PasswordHash {
		t.Error("made anew without need")
	}
}

// An application, or an invitation, may name who has to sign in. Another one's
// right password is told to be wrong, as everything else would say it is right.
func TestHintedPersonOnly(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	req := w.client("viewer", nil)
	req.HintUser = anna.id
	b := w.browser()
	step := w.start(req, b)
	_, err := w.Password(t.Context(), step.ID, b, "bert", bert.password)
	w.refuses("bert, right", err, idp.ErrWrongSecret)
	_, wrong := w.Password(t.Context(), step.ID, b, "bert", wrongPassword)
	w.refuses("bert, wrong", wrong, idp.ErrWrongSecret)
	step, err = w.Step(t.Context(), step.ID, b)
	w.at(step, err, idp.LoginPassword)
	if step.UserName != "" {
		t.Errorf("the page names %s", step.UserName)
	}
	if a := anna.finish(step.ID, b); w.grantOf(a).User != anna.id {
		t.Error("signed in as somebody else")
	}
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	req := w.client("viewer", nil)
	here, there := w.browser(), w.browser()
	anna.signIn(&here)
	anna.signIn(&there)
	// Each has a grant with a refresh token.
	refresh := map[idp.TokenHash]bool{} // whether it lives after
	for _, b := range []login.Browser{here, there} {
		a, _, err := w.Authorize(t.Context(), req, b)
		w.must(err)
		g := w.grantOf(a)
		token := idp.NewToken().Hash()
		w.must(w.db.RedeemCode(t.Context(), a.Code.Hash(), w.now(), idp.Issue{
			Access:  idp.AccessToken{Hash: idp.NewToken().Hash(), Grant: g.ID, IssuedAt: w.now(), ExpiresAt: w.now().Add(time.Minute)},
			Refresh: &idp.RefreshToken{Hash: token, Grant: g.ID, IssuedAt: w.now(), ExpiresAt: w.now().Add(time.Hour)},
		}, idp.Event{At: w.now(), Kind: idp.EventCodeRedeemed}))
		refresh[token] = b.ID == here.ID
	}
	underWay := anna.atFactor(w.browser())
	s := w.session(here)
	w.kinds()

	for _, c := range []struct {
		why      string
		old, new idp.Secret
		want     error
	}{
		{"too short", anna.password, "short", idp.ErrInvalid},
		{"made of the name", anna.password, "annaannaannaanna", idp.ErrInvalid},
		{"too short, and the old one wrong", wrongPassword, "short", idp.ErrInvalid},
		{"the old one wrong", wrongPassword, otherPassword, idp.ErrWrongSecret},
		{"no old one", "", otherPassword, idp.ErrWrongSecret},
		{"an endless old one", idp.Secret(strings.Repeat("x", 10_000)), otherPassword, idp.ErrWrongSecret},
	} {
		w.refuses(c.why, w.ChangePassword(t.Context(), s, c.old, c.new), c.want)
	}
	w.tells(idp.EventPasswordWrong, idp.EventPasswordWrong, idp.EventPasswordWrong)
	stale := *s
	stale.FactorAt = w.now().Add(-idp.StepUpFor - time.Second)
	w.refuses("stale", w.ChangePassword(t.Context(), &stale, anna.password, otherPassword), idp.ErrStale)
	w.tells()

	before := anna.counted(string(s.ID))
	if before.InARow != 3 {
		t.Fatalf("counted within the session: %+v", before)
	}
	w.must(w.ChangePassword(t.Context(), s, anna.password, otherPassword))
	if after := anna.counted(string(s.ID)); !reflect.DeepEqual(after, before) {
		t.Errorf("the right one has left %+v, want %+v", after, before)
	}
	w.tells(idp.EventPasswordChanged, idp.EventSessionEnded)
	anna.password = otherPassword
	w.session(here)
	_, _, err := w.Session(t.Context(), there)
	w.refuses("the other session", err, idp.ErrNotFound)
	for token, lives := range refresh {
		_, g, err := w.db.Refresh(t.Context(), token)
		w.must(err)
		if err := g.Live(w.now()); (err == nil) != lives {
			t.Errorf("a grant, of this session %v: %v", lives, err)
		}
	}
	l, err := w.db.Login(t.Context(), underWay)
	if err != nil || l.State != idp.LoginExpired {
		t.Errorf("a sign-in that began with the old password is %s (%v)", l.State, err)
	}

	// The old one is wrong from now on. Tries here, three above, are counted by
	// session, apart from those at the door: neither shuts the other out.
	b := w.browser()
	step, err := w.StartAccount(t.Context(), "/account", b)
	w.at(step, err, idp.LoginPassword)
	_, err = w.Password(t.Context(), step.ID, b, "anna", goodPassword)
	w.refuses("the old password", err, idp.ErrWrongSecret)
	for range 2 {
		w.refuses("guessing", w.ChangePassword(t.Context(), s, wrongPassword, goodPassword), idp.ErrWrongSecret)
	}
	w.refuses("guessed too often", w.ChangePassword(t.Context(), s, anna.password, goodPassword), idp.ErrTooMany)
	step, err = w.Password(t.Context(), step.ID, b, "anna", anna.password)
	w.at(step, err, idp.LoginFactor)
}

// What the log says of a sign-in from end to end.
func TestEventsOfASignIn(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	b := w.browser()
	step := w.start(w.client("viewer", nil), b)
	anna.finish(step.ID, b)
	es := w.events()
	var kinds []idp.EventKind
	for _, e := range es {
		kinds = append(kinds, e.Kind)
		if e.User != anna.id || e.Actor.User != anna.id || e.Client != "viewer" || e.Login != step.ID || e.Address != b.Address {
			t.Errorf("%s does not say who, where and for whom: %+v", e.Kind, e)
		}
	}
	if want := []idp.EventKind{idp.EventPasswordRight, idp.EventFactorRight, idp.EventCodeIssued, idp.EventLoginDone}; !slices.Equal(kinds, want) {
		t.Errorf("the log says %q, want %q", kinds, want)
	}
}
