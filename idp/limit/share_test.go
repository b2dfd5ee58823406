package limit

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestShare(t *testing.T) {
	var one *Share
	if one.Of(4) != 4 || new(Share).Of(4) != 4 {
		t.Error("one instance has not all")
	}
	s := &Share{}
	for _, c := range []struct{ live, bound, want int }{{2, 4, 2}, {3, 4, 2}, {4, 4, 1}, {100, 4, 1}, {0, 4, 4}, {-1, 4, 4}, {3, 0, 0}} {
		s.Set(c.live)
		if got := s.Of(c.bound); got != c.want {
			t.Errorf("of %d, %d instances have %d each, want %d", c.bound, c.live, got, c.want)
		}
	}
}

// However many instances live, and as they come and go, all together allow an address what one
// would, and one share more at most.
func TestInstancesShareALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perMinute, burst = 60, 30
		shares, instances := []*Share{}, []*Addresses{}
		for range 3 {
			s := &Share{}
			shares, instances = append(shares, s), append(instances, NewAddresses(perMinute, burst).Among(s))
		}
		live := func(n int) {
			for _, s := range shares {
				s.Set(n)
			}
		}
		// allowed is how many of many uses all that live allow within a time.
		allowed := func(n int, d time.Duration) (sum int) {
			for end := time.Now().Add(d); ; {
				for _, a := range instances[:n] {
					for range burst + 1 {
						if _, ok := a.Allow("192.0.2.1"); ok {
							sum++
						}
					}
				}
				if !time.Now().Before(end) {
					return sum
				}
				time.Sleep(time.Second) // of the bubble's time
			}
		}
		within := func(what string, got, least, most int) {
			t.Helper()
			if got < least || got > most {
				t.Errorf("%s: %d allowed, want %d to %d", what, got, least, most)
			}
		}
		for _, n := range []int{1, 2, 3} {
			live(n)
			time.Sleep(time.Hour)
			within("at once", allowed(n, 0), burst, burst)
			within("then, in ten minutes", allowed(n, 10*time.Minute), 600-n, 600)
		}
		// Used up by one that was alone, then two more come.
		live(1)
		within("what is left of a share", allowed(1, 0), 0, 1)
		time.Sleep(time.Hour)
		within("alone", allowed(1, 0), burst, burst)
		live(3)
		within("the share of those that come", allowed(3, 0), 2*burst/3, 2*burst/3)
		within("then, of all", allowed(3, 10*time.Minute), 600-3, 600)
		// Two go.
		live(1)
		within("what is left", allowed(1, 0), 0, 1)
		within("alone again", allowed(1, 10*time.Minute), 599, 600)
		// Of a bound of one each keeps one.
		small := []*Addresses{NewAddresses(1, 1).Among(shares[0]), NewAddresses(1, 1).Among(shares[1])}
		live(2)
		for _, a := range small {
			if _, ok := a.Allow("192.0.2.1"); !ok {
				t.Error("an instance allows nothing")
			}
			if retry, ok := a.Allow("192.0.2.1"); ok || retry != 2*time.Minute {
				t.Errorf("again after %v, %t; of one a minute each of two has one in two", retry, ok)
			}
		}
	})
}
