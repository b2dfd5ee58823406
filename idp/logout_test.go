package idp_test

import (
	"errors"
	"testing"
	"time"

	"hilum/idp"
)

// A notice is tried until it is told, refused for good, or six hours have gone by.
func TestNoticeIsTriedForHours(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	begun := now
	n := &idp.Notice{User: "u", Client: "c", Session: "s", EndedAt: now, Delivery: idp.Delivery{NextAt: now, Until: now.Add(idp.NoticeFor)}}
	tries := 0
	for n.Waits() {
		if err := n.Claim(n.NextAt.Add(-time.Microsecond)); !errors.Is(err, idp.ErrSettled) {
			t.Fatalf("claimed before it is due: %v", err)
		}
		now = n.NextAt
		if err := n.Claim(now); err != nil {
			t.Fatal(err)
		}
		if err := n.Claim(now); !errors.Is(err, idp.ErrSettled) {
			t.Fatalf("claimed twice: %v", err)
		}
		tries++
		if err := n.Attempted(tries-1, idp.Attempt{}, now); !errors.Is(err, idp.ErrSettled) {
			t.Fatalf("an older try settles: %v", err)
		}
		if err := n.Attempted(tries, idp.Attempt{Said: idp.RefusedTimeout}, now); err != nil {
			t.Fatal(err)
		}
	}
	if lasted := now.Sub(begun); tries < 10 || tries > 30 || lasted < idp.NoticeFor-time.Hour || lasted > idp.NoticeFor || n.Told || n.Said != idp.RefusedTimeout {
		t.Errorf("%d tries in %s: %+v", tries, lasted, n)
	}
	events := n.Take()
	if len(events) != 1 || events[0].Kind != idp.EventLogoutFailed || events[0].Client != "c" || events[0].Detail["reason"] != "timeout" {
		t.Errorf("%+v", events)
	}
	if err := n.Claim(now.Add(24 * time.Hour)); !errors.Is(err, idp.ErrSettled) {
		t.Errorf("claimed when settled: %v", err)
	}
}

func TestNoticeAttempts(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for what, c := range map[string]struct {
		a     idp.Attempt
		waits time.Duration // until the next try; 0: settled
		told  bool
	}{
		"taken":                         {idp.Attempt{}, 0, true},
		"refused for good":              {idp.Attempt{Said: idp.RefusedWith(400), Final: true}, 0, false},
		"not reached":                   {idp.Attempt{Said: idp.RefusedUnreachable}, 5 * time.Second, false},
		"asked to wait":                 {idp.Attempt{Said: idp.RefusedWith(429), After: time.Minute}, time.Minute, false},
		"asked to wait less than we do": {idp.Attempt{Said: idp.RefusedWith(429), After: time.Second}, 5 * time.Second, false},
		"asked to wait for a year":      {idp.Attempt{Said: idp.RefusedWith(503), After: 8760 * time.Hour}, 30 * time.Minute, false},
	} {
		n := &idp.Notice{Delivery: idp.Delivery{NextAt: now, Until: now.Add(idp.NoticeFor)}}
		if err := errors.Join(n.Claim(now), n.Attempted(1, c.a, now)); err != nil {
			t.Fatal(err)
		}
		if n.Waits() != (c.waits > 0) || n.Told != c.told || c.waits > 0 && !n.NextAt.Equal(now.Add(c.waits)) {
			t.Errorf("%s: %+v", what, n)
		}
	}
	n := &idp.Notice{Delivery: idp.Delivery{NextAt: now, Until: now.Add(idp.NoticeFor)}}
	if err := errors.Join(n.Claim(now), n.BrokenOff(1, now), n.Claim(now)); err != nil || n.Tries != 1 {
		t.Errorf("broken off: %v %+v", err, n)
	}
	if err := n.BrokenOff(2, now); !errors.Is(err, idp.ErrSettled) {
		t.Errorf("another's try was broken off: %v", err)
	}
}
