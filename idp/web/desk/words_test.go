package desk

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/web/webtest"
)

// Notes are the names of the sentences that a list may open with.
var Notes = slices.Sorted(maps.Keys(deskDid))

func TestEveryEventHasWords(t *testing.T) {
	for _, kind := range idp.EventKinds {
		if key := eventWords[kind]; key == "" || !webtest.Words().Has(key) {
			t.Errorf("%s is said by %q", kind, key)
		}
	}
	if len(eventWords) != len(idp.EventKinds) {
		t.Errorf("%d kinds, %d words", len(idp.EventKinds), len(eventWords))
	}
	for _, f := range idp.DeviceFacets {
		if deviceFacets[f].Key == "" {
			t.Errorf("facet %s has no words", f)
		}
	}
}

// Every group of the filter finds something, and every kind is in a group.
func TestEveryEventIsInAGroup(t *testing.T) {
	for _, kind := range idp.EventKinds {
		n := 0
		for _, g := range eventGroups {
			if strings.HasPrefix(string(kind), g.Value) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is in %d groups", kind, n)
		}
	}
}

// What a person asked for by mail is not said as what an administrator did.
func TestForgottenInTheLog(t *testing.T) {
	for _, c := range []struct {
		e    idp.Event
		want string
	}{
		{idp.Event{Kind: idp.EventInvited, Detail: map[string]string{"purpose": "forgotten"}}, "event.invitation.forgotten"},
		{idp.Event{Kind: idp.EventInvited, Detail: map[string]string{"purpose": "reset"}}, "event.invitation.made"},
		{idp.Event{Kind: idp.EventPasswordReset, Detail: map[string]string{"by": "mail"}}, "event.user.password.mail"},
		{idp.Event{Kind: idp.EventPasswordReset}, "event.user.password.reset"},
	} {
		if got := deskEvents([]idp.Event{c.e})[0].What.Key; got != c.want {
			t.Errorf("%s %v is said by %s, want %s", c.e.Kind, c.e.Detail, got, c.want)
		}
	}
	for _, key := range []string{"event.invitation.forgotten", "event.user.password.mail", lockWords(&idp.Counter{Key: idp.CounterKey{Kind: idp.CountForgotten}}).Key} {
		if !webtest.Words().Has(key) {
			t.Errorf("%s is not said", key)
		}
	}
}

func TestRefusalsHaveWords(t *testing.T) {
	for _, r := range []idp.Refusal{
		idp.RefusedUnreachable, idp.RefusedTimeout, idp.RefusedCertificate, idp.RefusedForbidden, idp.RefusedGone, idp.RefusedKey, idp.RefusedWith(400),
	} {
		if m := refusalOf(r); !webtest.Words().Has(m.Key) {
			t.Errorf("%s has no words: %q", r, m.Key)
		}
	}
}

// Every reason has words of its own.
func TestEveryRejectionHasWords(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range idp.RejectionReasons {
		key := rejectedWords[r].Key
		if key == "" || seen[key] {
			t.Errorf("%s: %q", r, key)
		}
		seen[key] = true
	}
	if len(rejectedWords) != len(idp.RejectionReasons) {
		t.Errorf("%d words for %d reasons", len(rejectedWords), len(idp.RejectionReasons))
	}
}
