package login

import (
	"testing"
	"time"

	"hilum/idp"
)

// How the latest challenge of a sign-in is shown, in every state and at its bounds.
func TestPhonesShown(t *testing.T) {
	asked := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	answered := asked.Add(time.Minute)
	for _, c := range []struct {
		state idp.ChallengeState
		at    time.Time
		sends int
		want  string
		again bool // whether the page offers to send it once more
	}{
		{idp.ChallengePending, asked, 1, PhoneAsked, true},
		{idp.ChallengePending, asked.Add(idp.ChallengeTTL - 1), 1, PhoneAsked, true},
		{idp.ChallengePending, asked.Add(idp.ChallengeTTL), 1, PhoneExpired, true},
		{idp.ChallengePending, asked, idp.MaxSends, PhoneAsked, false},
		{idp.ChallengeApproved, answered.Add(idp.CollectTTL - 1), 2, PhoneApproved, true},
		{idp.ChallengeApproved, answered.Add(idp.CollectTTL), 2, PhoneLapsed, true},
		{idp.ChallengeWrong, answered, 1, PhoneWrong, true},
		{idp.ChallengeDenied, answered, 1, PhoneExpired, true},
		{idp.ChallengeWithdrawn, answered, 1, PhoneMoved, true},
		{idp.ChallengeTaken, answered, idp.MaxSends, PhoneExpired, false},
	} {
		p := PhoneStep{sends: c.sends}
		p.show(&idp.Challenge{
			State: c.state, Mode: idp.MatchType, Number: "42", SentAt: asked, AnsweredAt: answered, ExpiresAt: asked.Add(idp.ChallengeTTL),
		}, c.at)
		var again time.Time
		if c.again {
			again = asked.Add(idp.ResendAfter)
		}
		if p.State != c.want || !p.ResendAt.Equal(again) || p.Number != "42" || p.Mode != idp.MatchType {
			t.Errorf("%s %s after it was asked: %+v, want %s, again at %s", c.state, c.at.Sub(asked), p, c.want, again)
		}
	}
}
