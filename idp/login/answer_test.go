package login_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/login"
)

// Numbers are guessed once per challenge: no more than prompts, whatever is tried.
func TestNumberGuesses(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.phone("Pixel")
	guesses := 0
	for begin := w.now(); w.now().Before(begin.Add(24 * time.Hour)); w.later(10 * time.Minute) {
		b := w.browser()
		anna.atFactor(b)
		for _, c := range w.pending(ph) {
			// What is no number of it closes nothing, and tells nothing.
			for _, number := range []string{"", "1", "100", " 1", "1 ", "+1", "٣٤", "१२", "xx", strings.Repeat("1", 60)} {
				_, err := w.Answer(t.Context(), ph, reply(c, idp.Verdict{Approve: true, Number: number}))
				w.refuses(number, err, idp.ErrInvalid)
			}
			for i := range 100 {
				number := fmt.Sprintf("%02d", i)
				if number == c.Number {
					continue
				}
				_, err := w.Answer(t.Context(), ph, reply(c, idp.Verdict{Approve: true, Number: number}))
				if errors.Is(err, idp.ErrWrongSecret) {
					guesses++
				}
			}
		}
	}
	if guesses != 10 {
		t.Errorf("%d guesses in a day, want 10", guesses)
	}
}

// The browser that asked, and no other, moves on, and in time.
func TestContinue(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.phone("Pixel")
	b := w.browser()
	id := anna.atFactor(b)
	_, err := w.Continue(t.Context(), id, b)
	w.refuses("nobody answered", err, idp.ErrSettled)
	c := w.asked(ph)
	_, err = w.Answer(t.Context(), ph, reply(c, idp.Verdict{Approve: true, Number: c.Number}))
	w.must(err)
	_, err = w.Continue(t.Context(), id, w.browser())
	w.refuses("another browser", err, idp.ErrNotFound)
	if step, err := w.Step(t.Context(), id, b); err != nil || step.Phones.State != login.PhoneApproved || step.State != idp.LoginFactor {
		t.Errorf("looking has moved it: %+v, %v", step, err)
	}
	w.later(idp.CollectTTL)
	_, err = w.Continue(t.Context(), id, b)
	w.refuses("a minute later", err, idp.ErrExpired)
	step, err := w.Resend(t.Context(), id, b)
	w.at(step, err, idp.LoginFactor)
	c = w.asked(ph)
	_, err = w.Answer(t.Context(), ph, reply(c, idp.Verdict{Approve: true, Number: c.Number}))
	w.must(err)
	step, err = w.Continue(t.Context(), id, b)
	w.at(step, err, idp.LoginDone)
	_, err = w.Continue(t.Context(), id, b)
	w.refuses("twice", err, idp.ErrSettled)
	w.collect(id, b)
}

// «It wasn't me» beats an approval until the browser has collected, silences
// who asked, and at the second time switches asking off.
func TestNotMe(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	one, other := anna.phone("one"), anna.phone("other")
	approved := func(b login.Browser) (idp.LoginID, idp.Challenge) {
		t.Helper()
		id := anna.atFactor(b)
		c := w.asked(one)
		_, err := w.Answer(t.Context(), one, reply(c, idp.Verdict{Approve: true, Number: c.Number}))
		w.must(err)
		return id, c
	}
	bad := w.browser()
	id, c := approved(bad)
	_, err := w.Answer(t.Context(), other, reply(c, no))
	w.refuses("a plain denial after the approval", err, idp.ErrSettled)
	state, err := w.Answer(t.Context(), other, reply(c, notMe))
	if err != nil || state != idp.ChallengeDenied {
		t.Errorf("%s, %v", state, err)
	}
	_, err = w.Continue(t.Context(), id, bad)
	w.refuses("the browser after it", err, idp.ErrSettled)
	step, err := w.Step(t.Context(), id, bad)
	w.at(step, err, idp.LoginDenied)

	again := anna.atFactor(bad)
	step, err = w.Step(t.Context(), again, bad)
	w.must(err)
	if step.Phones.State != login.PhonePaused || len(w.pending(one)) != 0 {
		t.Errorf("the same browser is asked for again: %+v", step.Phones)
	}
	// After the browser has moved on, but has not collected.
	far := w.browser()
	far.Address = "203.0.113.9"
	w.later(25 * time.Hour)
	id, c = approved(far)
	step, err = w.Continue(t.Context(), id, far)
	w.at(step, err, idp.LoginDone)
	if _, err := w.Answer(t.Context(), other, reply(c, notMe)); err != nil {
		t.Errorf("before it was collected: %v", err)
	}
	answer, err := w.Collect(t.Context(), id, far)
	if err != nil || !answer.Denied || answer.Session != "" {
		t.Errorf("collected %+v, %v", answer, err)
	}
	// Somebody has signed in by it: they are cut off, with the browser, for a quarter of
	// an hour. Once.
	for _, after := range []time.Duration{idp.NotMeFor, idp.NotMeFor - time.Second, 0} {
		w.later(25 * time.Hour)
		elsewhere := w.browser()
		anna.signIn(&elsewhere)
		third := w.browser()
		third.Address = "198.51.100.77"
		id, c = approved(third)
		step, err = w.Continue(t.Context(), id, third)
		w.at(step, err, idp.LoginDone)
		third.Session = w.collect(id, third).Session
		w.later(after)
		_, err = w.Answer(t.Context(), other, reply(c, notMe))
		if after == idp.NotMeFor {
			w.refuses("too late", err, idp.ErrExpired)
		} else if err != nil {
			t.Errorf("%s after it was collected: %v", after, err)
		}
		if _, _, err := w.Session(t.Context(), third); (err == nil) != (after == idp.NotMeFor) {
			t.Errorf("%s after it was collected the session says %v", after, err)
		}
		if _, _, err := w.Session(t.Context(), elsewhere); err != nil {
			t.Errorf("the session in another browser: %v", err)
		}
		if after < idp.NotMeFor { // its owner is told that it has ended
			found, err := w.db.SearchEvents(t.Context(), idp.EventQuery{Kinds: []idp.EventKind{idp.EventNotMe}, Page: idp.Page{Limit: 1}})
			w.must(err)
			if e := found.Rows[0]; e.Address != third.Address || e.Detail["ended"] != "one" {
				t.Errorf("the alarm is %+v", e)
			}
		}
		if state, err := w.Answer(t.Context(), one, reply(c, notMe)); after < idp.NotMeFor && (err != nil || state != idp.ChallengeDenied) {
			t.Errorf("by another phone: %s, %v", state, err)
		}
	}

	// A second one within a day.
	fourth := w.browser()
	fourth.Address = "198.51.101.77"
	anna.atFactor(fourth)
	_, err = w.Answer(t.Context(), other, reply(w.asked(other), notMe))
	w.must(err)
	w.later(time.Hour)
	fifth := w.browser()
	fifth.Address = "198.51.102.77"
	id = anna.atFactor(fifth)
	step, err = w.Step(t.Context(), id, fifth)
	w.must(err)
	if step.Phones.State != login.PhoneOff || len(w.pending(one)) != 0 {
		t.Errorf("asked after two: %+v", step.Phones)
	}
	w.later(100 * time.Hour)
	id = anna.atFactor(fifth)
	if step, err = w.Step(t.Context(), id, fifth); err != nil || step.Phones.State != login.PhoneOff {
		t.Errorf("by itself on again: %+v, %v", step.Phones, err)
	}
	w.must(w.desk.Unlock(t.Context(), console, anna.id))
	id = anna.atFactor(fifth)
	if step, err = w.Step(t.Context(), id, fifth); err != nil || step.Phones.State != login.PhoneAsked {
		t.Errorf("after the administrator: %+v, %v", step.Phones, err)
	}
}

// Five devices answer one challenge at the same instant, approve and deny
// mixed: one wins, and browser, phones and log agree on which.
func TestRivalPhones(t *testing.T) {
	rounds := 100
	if s := os.Getenv("ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t)
	w.match(idp.MatchTap)
	anna := w.person("anna")
	var phones []*idp.Speaker
	for i := range idp.MaxDevices - 1 {
		phones = append(phones, anna.phone(fmt.Sprint("phone ", i)))
	}
	w.must(w.db.RemoveDevice(t.Context(), anna.id, anna.device, idp.Unlinking{}, idp.Event{At: w.now(), Kind: idp.EventDeviceUnlinked, User: anna.id}))
	phones = append(phones, anna.phone("phone 4"))
	outcomes := map[idp.LoginState]int{}
	for round := range rounds {
		w.later(25 * time.Hour)
		w.must(w.desk.Unlock(t.Context(), console, anna.id))
		b := w.browser()
		id := anna.atFactor(b)
		c := w.asked(phones[0])
		w.kinds()
		var wg sync.WaitGroup
		start := make(chan struct{})
		states, errs := make([]idp.ChallengeState, len(phones)), make([]error, len(phones))
		verdicts := make([]idp.Verdict, len(phones))
		for i, ph := range phones {
			verdicts[i] = []idp.Verdict{yes, no, yes, notMe, yes}[(i+round)%5]
			if round%2 == 0 && verdicts[i].NotMe {
				verdicts[i] = no
			}
			wg.Go(func() {
				<-start
				states[i], errs[i] = w.Answer(t.Context(), ph, reply(c, verdicts[i]))
			})
		}
		var step *login.Step
		var stepErr error
		wg.Go(func() { // the browser is not slower
			<-start
			for range 3 {
				if step, stepErr = w.Continue(t.Context(), id, b); stepErr == nil {
					return
				}
			}
		})
		close(start)
		wg.Wait()

		won, beaten := -1, -1
		for i := range phones {
			switch {
			case errs[i] == nil && verdicts[i].NotMe:
				beaten = i
			case errs[i] == nil && won >= 0:
				t.Fatalf("round %d: two answers were taken: %v %v", round, verdicts, states)
			case errs[i] == nil:
				won = i
			case !errors.Is(errs[i], idp.ErrSettled):
				t.Fatalf("round %d: %v", round, errs[i])
			}
		}
		if won < 0 && beaten < 0 {
			t.Fatalf("round %d: nobody won: %v", round, errs)
		}
		final, err := w.db.Challenge(t.Context(), c.ID)
		w.must(err)
		l, err := w.db.Login(t.Context(), id)
		w.must(err)
		approved := beaten < 0 && verdicts[won].Approve
		switch {
		case approved && (l.State != idp.LoginFactor && l.State != idp.LoginDone || final.State != idp.ChallengeApproved && final.State != idp.ChallengeTaken || final.Device != phones[won].Device.ID):
			t.Fatalf("round %d: approved, and yet %s by %s, sign-in %s", round, final.State, final.Device, l.State)
		case !approved && (l.State != idp.LoginDenied || final.State != idp.ChallengeDenied):
			t.Fatalf("round %d: denied, and yet %s, sign-in %s", round, final.State, l.State)
		}
		if approved && l.State == idp.LoginFactor {
			step, stepErr = w.Continue(t.Context(), id, b)
			w.at(step, stepErr, idp.LoginDone)
		}
		counted := map[idp.EventKind]int{}
		for _, k := range w.kinds() {
			counted[k]++
		}
		if n := counted[idp.EventPhoneApproved] + counted[idp.EventPhoneDenied]; n != 1 && !(beaten >= 0 && won >= 0 && n == 2) {
			t.Fatalf("round %d: the log tells of %d answers: %v", round, n, counted)
		}
		a, err := w.Collect(t.Context(), id, b)
		if err != nil || a.Denied == approved {
			t.Fatalf("round %d: collected %+v, %v", round, a, err)
		}
		outcomes[l.State]++
	}
	t.Logf("%d rounds: %v", rounds, outcomes)
}

// A step-up asks the same phones: an approval makes the second factor fresh in
// the browser that asked, a denial ends the step-up and leaves the session.
func TestStepUpByPhone(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *login.Config) {
		c.Act = func(target string, devices []idp.Device, _ string) *idp.ChallengeAct {
			return &idp.ChallengeAct{Key: "unlink", Name: devices[len(devices)-1].Name, Text: "at " + target}
		}
	})
	anna := w.person("anna")
	ph := anna.phone("Pixel")
	b := w.browser()
	anna.known(&b)
	w.later(10 * time.Minute)
	s := w.session(b)
	w.refuses("ten minutes later", s.Fresh(w.now()), idp.ErrStale)
	begin := func() (idp.LoginID, idp.Challenge) {
		t.Helper()
		step, err := w.StartStepUp(t.Context(), s, "/account/devices", nil, b)
		id := w.at(step, err, idp.LoginFactor).ID
		if step.Phones == nil || step.Phones.State != login.PhoneAsked || step.Phones.Mode != idp.MatchTap {
			t.Fatalf("phones %+v", step.Phones)
		}
		c := w.asked(ph)
		var doc idp.ChallengeDoc
		w.must(json.Unmarshal([]byte(c.Doc), &doc))
		if c.Purpose != idp.ToStepUp || doc.Purpose != idp.ToStepUp || doc.NewBrowser || doc.Act == nil || *doc.Act != (idp.ChallengeAct{Key: "unlink", Name: "Pixel", Text: "at /account/devices"}) {
			t.Errorf("asked %s", c.Doc)
		}
		return id, c
	}
	id, c := begin()
	_, err := w.Answer(t.Context(), ph, reply(c, yes))
	w.must(err)
	w.refuses("before the browser has come", w.session(b).Fresh(w.now()), idp.ErrStale)
	step, err := w.Continue(t.Context(), id, b)
	w.at(step, err, idp.LoginDone)
	a := w.collect(id, b)
	b.Session, b.Known = a.Session, a.Known
	after := w.session(b)
	if after.ID != s.ID || !after.AuthTime.Equal(s.AuthTime) || a.Target != "/account/devices" {
		t.Errorf("session %+v, was %+v", after, s)
	}
	w.must(after.Fresh(w.now()))

	w.later(10 * time.Minute)
	s = w.session(b)
	id, c = begin()
	_, err = w.Answer(t.Context(), ph, reply(c, no))
	w.must(err)
	step, err = w.Step(t.Context(), id, b)
	w.at(step, err, idp.LoginDenied)
	if a := w.collect(id, b); !a.Denied || a.Session != "" {
		t.Errorf("collected %+v", a)
	}
	w.refuses("after a denial", w.session(b).Fresh(w.now()), idp.ErrStale)
}
