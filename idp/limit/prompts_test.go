package limit_test

import (
	"errors"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/limit"
)

// Asked as often as it is allowed, from wherever: the numbers are those of the
// rules, to the second.
func TestPromptWindows(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	g := &idp.PushGuard{}
	var asked []time.Time
	for now := start; now.Before(start.Add(48 * time.Hour)); now = now.Add(time.Second) {
		if limit.Prompts.Allow(g, idp.TokenHash{1}, "192.0.2.1", now) != nil {
			continue
		}
		limit.Prompts.Asked(g, now)
		asked = append(asked, now)
		if len(g.Asked) > 10 {
			t.Fatalf("%d are kept", len(g.Asked))
		}
	}
	for _, w := range []struct {
		most   int
		within time.Duration
	}{{3, 10 * time.Minute}, {6, time.Hour}, {10, 24 * time.Hour}} {
		best := 0
		for i := range asked {
			n := 0
			for _, at := range asked[i:] {
				if at.Before(asked[i].Add(w.within)) {
					n++
				}
			}
			best = max(best, n)
		}
		if best != w.most {
			t.Errorf("%d within %s, want %d", best, w.within, w.most)
		}
	}
	if len(asked) != 20 {
		t.Errorf("%d in two days", len(asked))
	}
	if limit.Prompts.Approved(g); limit.Prompts.Allow(g, idp.TokenHash{}, "", start.Add(48*time.Hour)) != nil {
		t.Error("an approval does not open")
	}
}

func TestNotMe(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	g := &idp.PushGuard{}
	bad, other := idp.TokenHash{1}, idp.TokenHash{2}
	if off := limit.Prompts.NotMe(g, bad, "192.0.2.7", at); off || g.Off {
		t.Error("off at once")
	}
	for _, c := range []struct {
		browser idp.TokenHash
		address string
		after   time.Duration
		quiet   bool
	}{
		{bad, "198.51.100.1", 0, true},
		{bad, "198.51.100.1", 15*time.Minute - 1, true},
		{bad, "198.51.100.1", 15 * time.Minute, false},
		{other, "192.0.2.200", time.Minute, true}, // the same network
		{other, "192.0.3.7", time.Minute, false},
	} {
		err := limit.Prompts.Allow(g, c.browser, c.address, at.Add(c.after))
		var retry *idp.RetryError
		if quiet := errors.As(err, &retry); quiet != c.quiet || quiet && retry.After != 15*time.Minute-c.after {
			t.Errorf("%v %s after %s: %v", c.browser[0], c.address, c.after, err)
		}
	}
	if !limit.Prompts.Wary(g, at.Add(24*time.Hour-1)) || limit.Prompts.Wary(g, at.Add(24*time.Hour)) {
		t.Error("wary for another time than a day")
	}
	later := *g
	if off := limit.Prompts.NotMe(&later, bad, "192.0.2.7", at.Add(24*time.Hour)); off || later.Off {
		t.Error("off for one a day")
	}
	if off := limit.Prompts.NotMe(g, other, "192.0.2.7", at.Add(24*time.Hour-1)); !off || !g.Off {
		t.Error("on after a second within a day")
	}
	err := limit.Prompts.Allow(g, idp.TokenHash{3}, "203.0.113.1", at.Add(1000*time.Hour))
	var retry *idp.RetryError
	if !errors.As(err, &retry) || retry.After != 0 {
		t.Errorf("off, and asked: %v", err)
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.77": "192.0.2.0/24", "::ffff:192.0.2.77": "192.0.2.0/24", "2001:db8:1:2:3::4": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "": "", "unknown": "unknown",
	} {
		if got := limit.Network(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
