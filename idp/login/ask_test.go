package login_test

import (
	"testing"
	"time"

	"hilum/idp"
)

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
		w.Rules.Match = setting
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
		w.refuses("a tap", err, idp.ErrWrongSecret)
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
