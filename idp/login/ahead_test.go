package login_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
	"hilum/idp/login"
)

// counted is what is counted of wrong passwords, of strangers or apart from them.
func (p *person) counted(apart string) *idp.Counter {
	p.w.Helper()
	key := idp.CounterKey{Kind: idp.CountPasswords, Who: string(p.id)}
	if apart != "" {
		key = key.Apart(apart)
	}
	c, err := p.w.db.Counter(p.w.Context(), key)
	p.w.must(err)
	return c
}

// wrong has so many wrong passwords counted, each as soon as it may be, and waits until
// the next may.
func (p *person) wrong(n int) {
	p.w.Helper()
	for range n {
		p.w.must(p.w.db.UpdateCounter(p.w.Context(), p.counted("").Key, nil, func(c *idp.Counter) error {
			limit.Passwords.Wrong(c, p.w.now())
			return nil
		}))
		if wait := p.counted("").NextAt.Sub(p.w.now()); wait > 0 {
			p.w.later(wait)
		}
	}
}

// instance goes on with another one on the same database: its memory is its own.
func (w *world) instance() { w.set(func(*login.Config) {}) }

// slowly begins a try and returns when the password is about to be compared; end lets
// that go on, and returns what came of it. What comes in between is at another instance.
func (w *world) slowly(name string, password idp.Secret) (end func() (*login.Step, error)) {
	w.Helper()
	b := w.browser()
	step, err := w.StartAccount(w.Context(), "/account", b)
	w.at(step, err, idp.LoginPassword)
	in, out, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	w.hasher.hold = func() {
		w.hasher.hold = nil
		close(in)
		<-out
	}
	var after *login.Step
	flow := w.Flow
	go func() {
		defer close(done)
		after, err = flow.Password(w.Context(), step.ID, b, name, password)
	}()
	<-in
	w.instance()
	return func() (*login.Step, error) {
		close(out)
		<-done
		return after, err
	}
}

// Whoever has something counted against them is counted before the password is hashed,
// so that a process which dies meanwhile has counted the try; an ordinary sign-in writes
// no counter, whatever was counted in months that no rule looks at.
func TestPasswordsAreCountedAhead(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	writes := int64(0)
	wrote := func(what string, want int64) {
		t.Helper()
		if n := w.kept.counters.Load() - writes; n != want {
			t.Errorf("%s: %d counters written, want %d", what, n, want)
		}
		writes = w.kept.counters.Load()
	}
	during := func(want int) {
		w.hasher.hold = func() {
			if n := anna.counted("").InARow; n != want {
				t.Errorf("%d counted while the password is compared, want %d", n, want)
			}
		}
	}
	for range 2 {
		during(0)
		anna.atFactor(w.browser())
		wrote("right", 0)
		_, err := w.tries(w.browser(), "anna", wrongPassword)
		w.refuses("wrong", err, idp.ErrWrongSecret)
		wrote("the first wrong one", 1)
		for n := range 3 {
			during(n + 2)
			_, err = w.tries(w.browser(), "anna", wrongPassword)
			w.refuses("wrong", err, idp.ErrWrongSecret)
			wrote("the next wrong one", 2)
		}
		month := anna.counted("").Month
		during(5)
		anna.atFactor(w.browser())
		wrote("right after wrong ones", 1) // the second time together with the sign-in
		c := anna.counted("")
		if c.InARow != 0 || c.Burst != 0 || !c.NextAt.IsZero() || c.Month != month || c.Month == 0 {
			t.Errorf("after the right one: %+v", c)
		}
	}
}

// A try that nothing was counted ahead of is told what it would be told if it came
// when it is decided: what others have closed meanwhile keeps the answer back, of a
// right password as of a wrong one.
func TestAnswersAreKeptBackWhereOthersHaveClosed(t *testing.T) {
	for _, first := range []bool{false, true} {
		var got [2]string
		for i, right := range []bool{false, true} {
			w := newWorld(t)
			anna := w.person("anna")
			typed := wrongPassword
			if right {
				typed = anna.password
			}
			end := w.slowly("anna", typed)
			for n := range 5 {
				_, err := w.tries(w.browser(), "anna", wrongPassword)
				w.refuses(fmt.Sprint("guess ", n+1), err, idp.ErrWrongSecret)
			}
			if first {
				w.must(w.db.UpdateCounter(t.Context(), anna.counted("").Key, nil, func(c *idp.Counter) error {
					for range 95 {
						limit.Passwords.Wrong(c, w.now())
					}
					return nil
				}))
			}
			w.kinds()
			before := anna.counted("")
			if first != before.FactorFirst {
				t.Fatalf("counted %+v", before)
			}
			step, err := end()
			got[i] = seen(step, err)
			if after := anna.counted(""); !reflect.DeepEqual(after, before) {
				t.Errorf("right %v: counted %+v, want %+v", right, after, before)
			}
			w.tells()
			if first && (err != nil || step.State != idp.LoginFirst) {
				t.Errorf("right %v: %v, want the second factor first", right, err)
			}
			if !first && !errors.Is(err, idp.ErrTooMany) {
				t.Errorf("right %v: %v, want that there were too many", right, err)
			}
		}
		if got[0] != got[1] {
			t.Errorf("a wrong one: %s\na right one: %s", got[0], got[1])
		}
	}
}

// A right password and a wrong one at once, at two instances, whichever ends first:
// the wrong one is counted, the right one is not.
func TestRightAndWrongAtOnce(t *testing.T) {
	for _, c := range []struct {
		why         string
		wrong       int
		slow        bool // the right one is
		inARow, all int
	}{
		{"the wrong one ends first, nothing was counted", 0, true, 0, 1},
		{"the right one ends first, nothing was counted", 0, false, 1, 1},
		{"the wrong one ends first", 2, true, 0, 3},
		{"the right one ends first, and the wrong one was counted before it", 2, false, 0, 3},
	} {
		w := newWorld(t)
		anna := w.person("anna")
		anna.wrong(c.wrong)
		w.kinds()
		slow, quick := wrongPassword, anna.password
		if c.slow {
			slow, quick = quick, slow
		}
		end := w.slowly("anna", slow)
		_, errQuick := w.tries(w.browser(), "anna", quick)
		_, errSlow := end()
		right, wrong := errQuick, errSlow
		if c.slow {
			right, wrong = wrong, right
		}
		if right != nil || !errors.Is(wrong, idp.ErrWrongSecret) {
			t.Errorf("%s: right %v, wrong %v", c.why, right, wrong)
		}
		got := anna.counted("")
		if got.InARow != c.inARow || got.Burst != c.inARow || got.Month != c.all || !got.NextAt.IsZero() {
			t.Errorf("%s: %+v", c.why, got)
		}
		kinds := w.kinds()
		slices.Sort(kinds)
		if want := []idp.EventKind{idp.EventPasswordRight, idp.EventPasswordWrong}; !slices.Equal(kinds, want) {
			t.Errorf("%s: the log says %q", c.why, kinds)
		}
	}
}

// The hundredth wrong password is told once, by whichever of two at once it was; a
// right one that was counted as the hundredth locks nothing and is told by nobody.
func TestLockIsToldOnce(t *testing.T) {
	told := func(w *world) (n int) {
		for _, k := range w.kinds() {
			if k == idp.EventLocked {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		why        string
		wrong      int
		slow, next bool // whether it is right; next is asked where wrong is 98
		told       int
		inARow     int
	}{
		{"the hundredth", 99, false, false, 1, 100},
		{"the hundredth is right", 99, true, false, 0, 0},
		{"two at once", 98, false, false, 1, 100},
		{"two at once, the first is right: told before, open after", 98, true, false, 1, 0},
		{"two at once, the second is right", 98, false, true, 0, 0},
	} {
		w := newWorld(t)
		anna := w.person("anna")
		anna.wrong(c.wrong)
		w.kinds()
		typed := func(right bool) idp.Secret {
			if right {
				return anna.password
			}
			return wrongPassword
		}
		end := w.slowly("anna", typed(c.slow))
		if c.wrong == 98 {
			w.later(time.Minute) // the slowest of all hashes: the ninety-ninth closes for so long
			_, err := w.tries(w.browser(), "anna", typed(c.next))
			if (err == nil) != c.next {
				t.Errorf("%s: the second: %v", c.why, err)
			}
		}
		if _, err := end(); (err == nil) != c.slow {
			t.Errorf("%s: the first: %v", c.why, err)
		}
		got := anna.counted("")
		if n := told(w); n != c.told || got.InARow != c.inARow || got.FactorFirst != (c.inARow == 100) {
			t.Errorf("%s: told %d times, %+v", c.why, n, got)
		}
	}
}

// Twenty tries are counted apart, and no more, however many instances there are.
func TestApartIsBoundedInTwoInstances(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	known := anna.knownTo()
	for n := range 19 {
		_, err := w.tries(known, "anna", wrongPassword)
		w.refuses(fmt.Sprint("try ", n+1), err, idp.ErrWrongSecret)
		w.later(time.Minute)
	}
	token := known.Known
	apart := func() int { return anna.counted(apartOf(token)).InARow }
	if n := apart(); n != 19 {
		t.Fatalf("%d are counted apart", n)
	}
	// The twentieth is looked at while the next comes, after its delay.
	b := w.browser()
	b.Known = token
	step, err := w.StartAccount(t.Context(), "/account", b)
	w.at(step, err, idp.LoginPassword)
	w.hasher.hold = func() {
		w.hasher.hold = nil
		w.instance()
		w.later(time.Minute)
		_, err := w.tries(known, "anna", wrongPassword)
		w.refuses("the next", err, idp.ErrWrongSecret)
	}
	_, err = w.Password(t.Context(), step.ID, b, "anna", wrongPassword)
	w.refuses("the twentieth", err, idp.ErrWrongSecret)
	if n, shared := apart(), anna.counted("").InARow; n != 20 || shared != 1 {
		t.Errorf("%d are counted apart and %d as strangers', want 20 and 1", n, shared)
	}
}

// A recovery code that was right, or that nobody looked at, has not been counted.
func TestRecoveryCodesAreForgivenExactly(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	key := idp.CounterKey{Kind: idp.CountRecovery, Who: string(anna.id)}
	counted := func() *idp.Counter {
		c, err := w.db.Counter(t.Context(), key)
		w.must(err)
		return c
	}
	b := w.browser()
	id := anna.atFactor(b)
	for range 2 {
		_, err := w.Recovery(t.Context(), id, b, "AAAA-AAAA-AAAA-AAAA")
		w.refuses("wrong", err, idp.ErrWrongSecret)
	}
	before := counted()
	w.passwords(busy{w.hasher})
	_, err := w.Recovery(t.Context(), id, b, anna.recovery[0].Reveal())
	w.refuses("busy", err, idp.ErrBusy)
	if after := counted(); before.InARow != 2 || !reflect.DeepEqual(after, before) {
		t.Errorf("busy: %+v, want %+v", after, before)
	}
	w.passwords(w.hasher)
	step, err := w.Recovery(t.Context(), id, b, anna.recovery[0].Reveal())
	w.at(step, err, idp.LoginDone)
	if c := counted(); c.InARow != 0 || c.Burst != 0 || c.Month != 2 {
		t.Errorf("after the right one: %+v", c)
	}
}

// apartOf is by what the tries of a known browser are counted.
func apartOf(known idp.Secret) string {
	token := known.Hash()
	return hex.EncodeToString(token[:16])
}
