package idp_test

import (
	"errors"
	"testing"
	"time"

	"hilum/idp"
)

// The whole state machine of a challenge: every state and every event.
var challengeTable = []struct {
	from idp.ChallengeState
	on   idp.ChallengeInput
	to   idp.ChallengeState // empty: refused
	why  string
}{
	{idp.ChallengePending, idp.OnApproved, idp.ChallengeApproved, "the person has tapped Login"},
	{idp.ChallengePending, idp.OnDenied, idp.ChallengeDenied, "the person has tapped Deny"},
	{idp.ChallengePending, idp.OnNotMe, idp.ChallengeDenied, "a stranger asked"},
	{idp.ChallengePending, idp.OnWrong, idp.ChallengeWrong, "one guess, not two"},
	{idp.ChallengePending, idp.OnWithdrawn, idp.ChallengeWithdrawn, "nobody waits any more"},
	{idp.ChallengePending, idp.OnTaken, "", "nothing was approved"},

	{idp.ChallengeApproved, idp.OnApproved, "", "the first answer wins"},
	{idp.ChallengeApproved, idp.OnDenied, "", "the first answer wins"},
	{idp.ChallengeApproved, idp.OnNotMe, idp.ChallengeDenied, "«it wasn't me» beats an approval not yet collected"},
	{idp.ChallengeApproved, idp.OnWrong, "", "the first answer wins"},
	{idp.ChallengeApproved, idp.OnWithdrawn, idp.ChallengeWithdrawn, "the person went another way"},
	{idp.ChallengeApproved, idp.OnTaken, idp.ChallengeTaken, "the browser that asked moves on"},

	{idp.ChallengeDenied, idp.OnApproved, "", "a denial is final"},
	{idp.ChallengeDenied, idp.OnDenied, "", "a denial is final"},
	{idp.ChallengeDenied, idp.OnNotMe, idp.ChallengeDenied, "it says more than a plain denial"},
	{idp.ChallengeDenied, idp.OnWrong, "", "a denial is final"},
	{idp.ChallengeDenied, idp.OnWithdrawn, "", "a denial is final"},
	{idp.ChallengeDenied, idp.OnTaken, "", "a denial is final"},

	{idp.ChallengeWrong, idp.OnApproved, "", "no second guess"},
	{idp.ChallengeWrong, idp.OnDenied, "", "closed"},
	{idp.ChallengeWrong, idp.OnNotMe, "", "closed"},
	{idp.ChallengeWrong, idp.OnWrong, "", "no second guess"},
	{idp.ChallengeWrong, idp.OnWithdrawn, "", "closed"},
	{idp.ChallengeWrong, idp.OnTaken, "", "closed"},

	{idp.ChallengeWithdrawn, idp.OnApproved, "", "nobody waits"},
	{idp.ChallengeWithdrawn, idp.OnDenied, "", "nobody waits"},
	{idp.ChallengeWithdrawn, idp.OnNotMe, "", "nobody waits"},
	{idp.ChallengeWithdrawn, idp.OnWrong, "", "nobody waits"},
	{idp.ChallengeWithdrawn, idp.OnWithdrawn, "", "once is enough"},
	{idp.ChallengeWithdrawn, idp.OnTaken, "", "nobody waits"},

	{idp.ChallengeTaken, idp.OnApproved, "", "used up"},
	{idp.ChallengeTaken, idp.OnDenied, "", "used up"},
	{idp.ChallengeTaken, idp.OnNotMe, idp.ChallengeDenied, "the session that was signed in to by it ends, see the flow"},
	{idp.ChallengeTaken, idp.OnWrong, "", "used up"},
	{idp.ChallengeTaken, idp.OnWithdrawn, "", "used up"},
	{idp.ChallengeTaken, idp.OnTaken, "", "an approval is good once"},
}

func TestChallengeTable(t *testing.T) {
	seen := map[idp.ChallengeState]map[idp.ChallengeInput]bool{}
	for _, row := range challengeTable {
		if seen[row.from] == nil {
			seen[row.from] = map[idp.ChallengeInput]bool{}
		}
		if seen[row.from][row.on] {
			t.Errorf("%s/%s twice", row.from, row.on)
		}
		seen[row.from][row.on] = true
		c := idp.Challenge{ID: "C", State: row.from}
		err := c.Apply(row.on)
		switch {
		case row.to == "" && (!errors.Is(err, idp.ErrSettled) || c.State != row.from):
			t.Errorf("%s/%s (%s): %v, now %s", row.from, row.on, row.why, err, c.State)
		case row.to != "" && (err != nil || c.State != row.to):
			t.Errorf("%s/%s (%s): %v, now %s, want %s", row.from, row.on, row.why, err, c.State, row.to)
		}
	}
	for _, s := range idp.ChallengeStates {
		for _, e := range idp.ChallengeInputs {
			if !seen[s][e] {
				t.Errorf("no row for %s/%s", s, e)
			}
		}
	}
}

func TestChallengeTimes(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	fresh := func() *idp.Challenge {
		return &idp.Challenge{ID: "C", State: idp.ChallengePending, Number: "42", CreatedAt: at, ExpiresAt: at.Add(idp.ChallengeTTL)}
	}
	c := fresh()
	if _, err := c.Answer(idp.Verdict{Approve: true, Number: "42"}, "D", at.Add(idp.ChallengeTTL)); !errors.Is(err, idp.ErrExpired) || c.State != idp.ChallengePending {
		t.Errorf("after two minutes: %v, %s", err, c.State)
	}
	c = fresh()
	last := at.Add(idp.ChallengeTTL - 1)
	if changed, err := c.Answer(idp.Verdict{Approve: true, Number: "42"}, "D", last); err != nil || !changed || c.State != idp.ChallengeApproved {
		t.Errorf("at the last moment: %v, %s", err, c.State)
	}
	if changed, err := c.Answer(idp.Verdict{Approve: true, Number: "42"}, "D", last.Add(time.Hour)); err != nil || changed {
		t.Errorf("the same again: %t, %v", changed, err)
	}
	if _, err := c.Answer(idp.Verdict{Approve: true, Number: "42"}, "E", last); !errors.Is(err, idp.ErrSettled) {
		t.Errorf("another device: %v", err)
	}
	if err := c.Spend(last.Add(idp.CollectTTL)); !errors.Is(err, idp.ErrExpired) || c.State != idp.ChallengeApproved {
		t.Errorf("collected too late: %v, %s", err, c.State)
	}
	if err := c.Spend(last.Add(idp.CollectTTL - 1)); err != nil || c.State != idp.ChallengeTaken {
		t.Errorf("collected in time: %v, %s", err, c.State)
	}
	// Somebody has signed in by it: the same again is the same still, and «it wasn't me»
	// is taken for a while.
	if changed, err := c.Answer(idp.Verdict{Approve: true, Number: "42"}, "D", last.Add(time.Hour)); err != nil || changed || c.State != idp.ChallengeTaken {
		t.Errorf("the same again, collected: %t, %v, %s", changed, err, c.State)
	}
	notMe := idp.Verdict{NotMe: true, Reason: idp.ReasonNotMe}
	if _, err := c.Answer(notMe, "E", last.Add(idp.NotMeFor)); !errors.Is(err, idp.ErrExpired) || c.State != idp.ChallengeTaken {
		t.Errorf("it wasn't me, a quarter of an hour later: %v, %s", err, c.State)
	}
	if changed, err := c.Answer(notMe, "E", last.Add(idp.NotMeFor-1)); err != nil || !changed || c.State != idp.ChallengeDenied {
		t.Errorf("it wasn't me, before that: %t, %v, %s", changed, err, c.State)
	}
	for _, by := range []idp.DeviceID{"D", "E"} {
		if changed, err := c.Answer(notMe, by, last.Add(time.Hour)); err != nil || changed {
			t.Errorf("the same by %s: %t, %v", by, changed, err)
		}
	}
	c = fresh()
	if changed, err := c.Answer(idp.Verdict{}, "D", at); err != nil || !changed || c.State != idp.ChallengeDenied {
		t.Errorf("denied: %t, %v, %s", changed, err, c.State)
	}
	if changed, err := c.Answer(notMe, "D", at.Add(time.Minute)); err != nil || !changed || c.State != idp.ChallengeDenied || c.Reason != idp.ReasonNotMe {
		t.Errorf("it wasn't me, after a plain denial: %t, %v, %s %s", changed, err, c.State, c.Reason)
	}
	if _, err := c.Answer(idp.Verdict{}, "D", at.Add(time.Minute)); !errors.Is(err, idp.ErrSettled) || c.Reason != idp.ReasonNotMe {
		t.Errorf("taken back: %v, %s", err, c.Reason)
	}
	c = fresh()
	if changed, err := c.Answer(idp.Verdict{Approve: true, Number: "24"}, "D", at); err != nil || !changed || c.State != idp.ChallengeWrong {
		t.Errorf("a wrong number: %v, %s", err, c.State)
	}
	if changed, err := c.Answer(idp.Verdict{Approve: true, Number: "42"}, "D", at); changed || !errors.Is(err, idp.ErrSettled) {
		t.Errorf("the right one after it: %t, %v", changed, err)
	}
}
