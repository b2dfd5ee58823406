package desk

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/web/webtest"
	"hilum/templates"
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

// Every setting has words, and is in the list once.
func TestEverySettingHasItsWords(t *testing.T) {
	known := map[string]bool{admin.SiteName: true, admin.SiteLabel: true, admin.SiteAccent: true, admin.SiteLanguages: true, admin.SiteLanguage: true, admin.SiteHelp: true, admin.SiteHelpLink: true}
	for _, g := range settingTable {
		for _, row := range g.rows {
			if known[row.key] {
				t.Errorf("%s stands there twice", row.key)
			}
			known[row.key] = true
		}
	}
	settings := map[string]bool{}
	for _, key := range config.AllKeys() {
		settings[key] = true
	}
	d := admin.New(admin.Config{Store: idptest.Store(t, time.Now, nil)})
	for _, s := range idptest.Must(d.Settings(t.Context(), admin.Console("test")))(t) {
		settings[s.Key] = true
	}
	for key := range settings {
		if !known[key] {
			t.Errorf("no words for %s", key)
		}
	}
	for key := range known {
		if !settings[key] {
			t.Errorf("words for %s, which is no setting", key)
		}
	}
}

func TestValuesInWords(t *testing.T) {
	for _, c := range []struct {
		told  telling
		value string
		want  templates.Message
		text  string
	}{
		{asSpan, "15m0s", templates.Say("span.minutes", "N", 15), ""},
		{asSpan, "720h", templates.Say("span.days", "N", 30), ""},
		{asSpan, "24h0m0s", templates.Say("span.hours", "N", 24), ""},
		{asSpan, "90m", templates.Say("span.minutes", "N", 90), ""},
		{asSpan, "1m30s", templates.Say("span.seconds", "N", 90), ""},
		{asSpan, "", templates.Say("settings.unset"), ""},
		{asSpan, "soon", templates.Message{}, "soon"},
		{asCount, "19456", templates.Say("settings.number", "Count", 19456), ""},
		{asLimit, "0", templates.Say("settings.limitless"), ""},
		{asName, "", templates.Say("settings.made"), ""},
		{asCores, "0", templates.Say("settings.cores"), ""},
		{asChosen, "0", templates.Say("settings.made"), ""},
		{asChosen, "12", templates.Say("settings.number", "Count", 12), ""},
		{asSwitch, "true", templates.Say("settings.switch.on"), ""},
		{asSwitch, "false", templates.Say("settings.switch.off"), ""},
		{asMatch, "strict", templates.Say("apps.match.strict"), ""},
		{asText, "RS256, ES256", templates.Message{}, "RS256, ES256"},
	} {
		words, text := c.told.words(c.value)
		if fmt.Sprint(words) != fmt.Sprint(c.want) || text != c.text {
			t.Errorf("%q: %v %q, want %v %q", c.value, words, text, c.want, c.text)
		}
	}
}
