package login_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
	"hilum/idp/login"
)

// How the match is chosen, by browser, denial, what else is pending, site and application.
func TestMatchMode(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.phone("Pixel")
	b := w.browser()
	mode := func(b login.Browser) idp.MatchMode {
		t.Helper()
		id := anna.atFactor(b)
		step, err := w.Step(t.Context(), id, b)
		w.must(err)
		if step.Phones == nil || step.Phones.State != login.PhoneAsked {
			t.Fatalf("phones %+v", step.Phones)
		}
		c := w.asked(ph)
		_, err = w.Answer(t.Context(), ph, reply(c, idp.Verdict{Approve: true, Number: c.Number}))
		w.must(err)
		next, err := w.Continue(t.Context(), id, b)
		w.at(next, err, idp.LoginDone)
		return step.Phones.Mode
	}
	if m := mode(b); m != idp.MatchType {
		t.Errorf("new browser: %s", m)
	}
	anna.known(&b)
	if m := mode(b); m != idp.MatchTap {
		t.Errorf("known browser: %s", m)
	}
	stolen := w.browser()
	stolen.Known = idp.NewToken()
	if m := mode(stolen); m != idp.MatchType {
		t.Errorf("a made-up cookie: %s", m)
	}
	before := b.Known
	anna.known(&b)
	old := b
	old.Known = before
	if m := mode(old); m != idp.MatchType {
		t.Errorf("a cookie from before the last sign-in: %s", m)
	}
	// Another person in the same browser does not make it known to Anna's.
	bert := w.person("bert")
	shared := w.browser()
	bert.known(&shared)
	if m := mode(shared); m != idp.MatchType {
		t.Errorf("known to somebody else: %s", m)
	}
	anna.known(&shared)
	bert.known(&shared)
	if m := mode(shared); m != idp.MatchTap {
		t.Errorf("known to both: %s", m)
	}
	w.later(idp.KnownFor)
	if m := mode(b); m != idp.MatchType {
		t.Errorf("after 30 days: %s", m)
	}
	anna.known(&b)

	// A denial makes wary for a day.
	id := anna.atFactor(b)
	_, err := w.Answer(t.Context(), ph, reply(w.asked(ph), no))
	w.must(err)
	step, err := w.Step(t.Context(), id, b)
	w.at(step, err, idp.LoginDenied)
	if step.DeniedBy != "Pixel" {
		t.Errorf("denied by %q", step.DeniedBy)
	}
	if m := mode(b); m != idp.MatchType {
		t.Errorf("after a denial: %s", m)
	}
	w.later(24 * time.Hour)
	if m := mode(b); m != idp.MatchTap {
		t.Errorf("a day later: %s", m)
	}

	// Two at once: the second is a number.
	other := w.browser()
	anna.atFactor(other)
	first, err := w.Asked(t.Context(), ph)
	w.must(err)
	id = anna.atFactor(b)
	step, err = w.Step(t.Context(), id, b)
	w.must(err)
	if step.Phones.Mode != idp.MatchType || len(first) != 1 {
		t.Errorf("two pending: %+v", step.Phones)
	}
	if open, err := w.Asked(t.Context(), ph); err != nil || len(open) != 2 {
		t.Errorf("%d are asked, %v", len(open), err)
	}
	// A third finds no room; its code field does.
	third := w.browser()
	id = anna.atFactor(third)
	step, err = w.Step(t.Context(), id, third)
	w.must(err)
	if step.Phones.State != login.PhonePaused {
		t.Errorf("a third: %+v", step.Phones)
	}
	next, err := w.Code(t.Context(), id, third, anna.code())
	w.at(next, err, idp.LoginDone)
	// From the same browser the old one makes way.
	id = anna.atFactor(other)
	if open, err := w.Asked(t.Context(), ph); err != nil || len(open) != 2 || open[0].ID == first[0].ID || open[1].ID == first[0].ID {
		t.Errorf("the old one from the same browser: %v, %v", open, err)
	}
	if got := w.Fate(t.Context(), first[0].ID); got != "withdrawn" {
		t.Errorf("its fate: %s", got)
	}
	_ = id

	for setting, want := range map[idp.MatchMode]int{idp.MatchTap: 0, idp.MatchType: 2, idp.MatchPick: 2, idp.MatchStrict: 6} {
		w.later(25 * time.Hour)
		w.match(setting)
		id := anna.atFactor(b)
		step, err := w.Step(t.Context(), id, b)
		w.must(err)
		if step.Phones.Mode != setting || len(step.Phones.Number) != want {
			t.Errorf("site's %s: %+v", setting, step.Phones)
		}
		_, err = w.Cancel(t.Context(), id, b)
		w.must(err)
	}
	w.match(idp.MatchTap)
	req := w.client("strict", func(c *idp.Client) { c.Match = idp.MatchStrict })
	w.later(25 * time.Hour)
	fresh := w.browser()
	login1 := w.start(req, fresh)
	step, err = w.Password(t.Context(), login1.ID, fresh, anna.name, anna.password)
	w.at(step, err, idp.LoginFactor)
	if step.Phones.Mode != idp.MatchStrict {
		t.Errorf("the application's strict: %+v", step.Phones)
	}
}

// Prompts are counted per person, from one address and from a thousand.
func TestPromptsAreCounted(t *testing.T) {
	for _, addresses := range []int{1, 1000} {
		t.Run(fmt.Sprint(addresses), func(t *testing.T) {
			w := newWorld(t)
			anna := w.person("anna")
			ph := anna.phone("Pixel")
			n := 0
			// Somebody with the password tries every 30 seconds for a day, in a
			// new browser each time, and nobody answers.
			var asked []time.Time
			for begin := w.now(); w.now().Before(begin.Add(26 * time.Hour)); w.later(30 * time.Second) {
				b := w.browser()
				b.Address = fmt.Sprintf("10.%d.%d.1", n%addresses/250, n%addresses%250)
				n++
				before := len(w.pending(ph))
				id := anna.atFactor(b)
				if after := w.pending(ph); len(after) > before {
					asked = append(asked, w.now())
				}
				// The clock moves on; what waits is given up, as a closed tab would be.
				_, err := w.Cancel(t.Context(), id, b)
				w.must(err)
			}
			for _, rule := range limit.Prompts.Windows {
				most := 0
				for i := range asked {
					in := 0
					for _, at := range asked[i:] {
						if at.Before(asked[i].Add(rule.Within)) {
							in++
						}
					}
					most = max(most, in)
				}
				if most != rule.Most {
					t.Errorf("%d prompts within %s, want %d", most, rule.Within, rule.Most)
				}
			}
			// The person's own code works all the while, and an approval opens again.
			b := w.browser()
			id := anna.atFactor(b)
			step, err := w.Code(t.Context(), id, b, anna.code())
			w.at(step, err, idp.LoginDone)
		})
	}
}

// Sends of one sign-in: three, twenty seconds apart, at the person's wish only.
func TestResend(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.phone("Pixel")
	b := w.browser()
	id := anna.atFactor(b)
	c := w.asked(ph)
	var retry *idp.RetryError
	if _, err := w.Resend(t.Context(), id, b); !errors.As(err, &retry) || retry.After != idp.ResendAfter {
		t.Errorf("at once: %v", err)
	}
	w.later(idp.ResendAfter)
	step, err := w.Resend(t.Context(), id, b)
	w.at(step, err, idp.LoginFactor)
	if again := w.asked(ph); again.ID != c.ID {
		t.Error("another challenge while the first is open")
	}
	w.later(idp.ChallengeTTL)
	step, err = w.Step(t.Context(), id, b)
	w.must(err)
	if step.Phones.State != login.PhoneExpired {
		t.Errorf("after two minutes: %+v", step.Phones)
	}
	step, err = w.Resend(t.Context(), id, b)
	w.at(step, err, idp.LoginFactor)
	if again := w.asked(ph); again.ID == c.ID {
		t.Error("an expired challenge is asked again")
	}
	if !step.Phones.ResendAt.IsZero() {
		t.Errorf("a fourth is offered: %+v", step.Phones)
	}
	w.later(idp.ResendAfter)
	if _, err := w.Resend(t.Context(), id, b); !errors.Is(err, idp.ErrTooMany) {
		t.Errorf("a fourth: %v", err)
	}
	if _, err := w.Resend(t.Context(), id, w.browser()); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("another browser: %v", err)
	}
}

// What ends a sign-in ends what its phones are asked.
func TestWithdrawn(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.phone("Pixel")
	for what, end := range map[string]func(idp.LoginID, login.Browser) error{
		"code": func(id idp.LoginID, b login.Browser) error {
			_, err := w.Code(t.Context(), id, b, anna.code())
			return err
		},
		"start over": func(id idp.LoginID, b login.Browser) error { _, err := w.StartOver(t.Context(), id, b); return err },
		"cancel":     func(id idp.LoginID, b login.Browser) error { _, err := w.Cancel(t.Context(), id, b); return err },
		"too many wrong codes": func(id idp.LoginID, b login.Browser) error {
			for range idp.MaxWrongCodes {
				if _, err := w.Code(t.Context(), id, b, anna.wrongCode()); !errors.Is(err, idp.ErrWrongSecret) {
					return err
				}
				w.later(10 * time.Second)
			}
			return nil
		},
		"disabled": func(idp.LoginID, login.Browser) error {
			w.person("admin2")
			err := w.desk.Disable(t.Context(), console, anna.id, "test")
			return errors.Join(err, w.desk.Enable(t.Context(), console, anna.id))
		},
	} {
		w.later(25 * time.Hour)
		b := w.browser()
		id := anna.atFactor(b)
		c := w.asked(ph)
		w.must(end(id, b))
		if open := w.pending(ph); len(open) != 0 {
			t.Errorf("%s: still asked", what)
		}
		state, err := w.Answer(t.Context(), ph, reply(c, idp.Verdict{Approve: true, Number: c.Number}))
		if !errors.Is(err, idp.ErrSettled) || state != idp.ChallengeWithdrawn {
			t.Errorf("%s: answered %s, %v", what, state, err)
		}
	}
}

// A password that was chosen by a link from a mailbox never becomes the account's
// by one tap, nor by one of three: whatever the operator has chosen, a number
// crosses from the screen to the phone.
func TestForgottenPasswordNeedsANumber(t *testing.T) {
	for _, setting := range []idp.MatchMode{"", idp.MatchAuto, idp.MatchTap, idp.MatchPick, idp.MatchType, idp.MatchStrict} {
		w := newWorld(t)
		anna := w.person("anna")
		anna.writable("anna@example.org")
		ph := anna.phone("Pixel")
		b := w.browser()
		anna.known(&b) // where a tap would do otherwise
		w.match(setting)
		step := anna.chosen(anna.link(), b)
		w.at(step, nil, idp.LoginFactor)
		want, digits := idp.MatchType, 2
		if setting == idp.MatchStrict {
			want, digits = idp.MatchStrict, 6
		}
		if step.Phones == nil || step.Phones.Mode != want || len(step.Phones.Number) != digits {
			t.Errorf("%q: asked by %+v, want %s", setting, step.Phones, want)
		}
		c := w.asked(ph)
		_, err := w.Answer(t.Context(), ph, reply(c, yes))
		w.refuses("a tap", err, idp.ErrInvalid)
	}
}

// Whoever cancels three sign-ins, starts them over, or closes the page and begins
// anew, is still asked the fourth time, in a browser that is known or not; a stranger
// with the password, in a new browser each time, is bounded as before.
func TestCancellingDoesNotSwitchPhonesOff(t *testing.T) {
	for _, known := range []bool{false, true} {
		for _, how := range []string{"cancel", "start over", "close"} {
			w := newWorld(t)
			anna := w.person("anna")
			ph := anna.phone("Pixel")
			b := w.browser()
			if known {
				anna.known(&b)
				b.Session = ""
			}
			n := 0
			for i := range 5 {
				id := anna.atFactor(b)
				if len(w.pending(ph)) != 1 {
					t.Errorf("%s, known %v: not asked at sign-in %d", how, known, i+1)
				}
				n++
				var err error
				switch how {
				case "cancel":
					_, err = w.Cancel(t.Context(), id, b)
				case "start over":
					_, err = w.StartOver(t.Context(), id, b)
				}
				w.must(err)
				w.later(20 * time.Second)
			}
			// It is bounded all the same: six in ten minutes.
			for range 10 {
				id := anna.atFactor(b)
				if open := w.pending(ph); len(open) == 1 && open[0].Login == id {
					n++
				}
				_, err := w.Cancel(t.Context(), id, b)
				w.must(err)
				w.later(10 * time.Second)
			}
			if n != 6 {
				t.Errorf("%s, known %v: asked %d times within ten minutes, want 6", how, known, n)
			}
			// What strangers see of it: three were asked, and that is enough.
			id := anna.atFactor(w.browser())
			if open := w.pending(ph); len(open) == 1 && open[0].Login == id && !known {
				t.Errorf("%s: another browser has the phone asked once more", how)
			}
		}
	}
}

// Questions that strangers with the password leave unanswered do not keep a browser
// that is known from asking.
func TestStrangersDoNotSilenceAKnownBrowser(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.phone("Pixel")
	known := anna.knownTo()
	for range 12 {
		anna.atFactor(w.browser())
		w.later(2 * time.Minute)
	}
	if len(w.pending(ph)) != 0 {
		t.Fatal("a stranger's question is open")
	}
	anna.atFactor(known)
	if len(w.pending(ph)) != 1 {
		t.Error("the owner's phone is not asked")
	}
}
