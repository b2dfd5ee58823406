package idp_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

func waiting(kind idp.MailKind, until time.Duration) *idp.Mail {
	return &idp.Mail{ID: "m", Kind: kind, User: "u", CreatedAt: noon, Delivery: idp.Delivery{NextAt: noon, Until: noon.Add(until)}}
}

// claim takes the mail for its next try, and says when that is.
func claim(t *testing.T, m *idp.Mail) time.Time {
	t.Helper()
	now := m.NextAt
	if err := m.Claim(now); err != nil {
		t.Fatal(err)
	}
	return now
}

func TestMailIsClaimedByOne(t *testing.T) {
	m := waiting(idp.MailNews, idp.NewsFor)
	if err := m.Claim(noon.Add(-time.Microsecond)); !errors.Is(err, idp.ErrSettled) || m.Tries != 0 {
		t.Errorf("before it is due: %v, %d tries", err, m.Tries)
	}
	if err := m.Claim(noon); err != nil || m.Tries != 1 || !m.TriedAt.Equal(noon) || !m.NextAt.Equal(noon.Add(idp.MailLease)) {
		t.Errorf("claimed: %v, %+v", err, m)
	}
	if err := m.Claim(noon.Add(idp.MailLease - time.Microsecond)); !errors.Is(err, idp.ErrSettled) {
		t.Errorf("while another has it: %v", err)
	}
	// Whoever claimed it is not heard of again.
	if err := m.Claim(noon.Add(idp.MailLease)); err != nil || m.Tries != 2 {
		t.Errorf("when the lease is over: %v, %d tries", err, m.Tries)
	}
	// And comes too late with what has become of it.
	if err := m.Attempted(1, idp.Failure{}, noon.Add(idp.MailLease)); !errors.Is(err, idp.ErrSettled) {
		t.Errorf("an older try settles: %v", err)
	}
	if err := m.BrokenOff(1, noon.Add(idp.MailLease)); !errors.Is(err, idp.ErrSettled) {
		t.Errorf("an older try is broken off: %v", err)
	}
	if err := m.Attempted(2, idp.Failure{}, noon.Add(idp.MailLease)); err != nil || !m.Sent || m.SettledAt.IsZero() {
		t.Errorf("sent: %v, %+v", err, m)
	}
	if err := m.Claim(noon.Add(100 * time.Hour)); !errors.Is(err, idp.ErrSettled) {
		t.Errorf("claimed when it was sent: %v", err)
	}
	if err := m.Attempted(2, idp.Failure{}, noon); !errors.Is(err, idp.ErrSettled) {
		t.Errorf("settled twice: %v", err)
	}
	if err := m.BrokenOff(2, noon); !errors.Is(err, idp.ErrSettled) {
		t.Errorf("broken off when settled: %v", err)
	}
}

// What a stop broke off was no try: it is due at once, and waits no longer for it.
func TestMailBrokenOff(t *testing.T) {
	m := waiting(idp.MailNews, idp.NewsFor)
	claim(t, m)
	at := noon.Add(3 * time.Second)
	if err := m.BrokenOff(1, at); err != nil || m.Tries != 0 || !m.NextAt.Equal(at) || !m.SettledAt.IsZero() {
		t.Fatalf("%v, %+v", err, m)
	}
	if events := m.Take(); len(events) != 0 {
		t.Errorf("it is told of: %+v", events)
	}
	if err := m.Claim(at); err != nil || m.Tries != 1 {
		t.Errorf("%v, %d tries", err, m.Tries)
	}
}

// Each kind is tried while it is of use, with growing waits, and then given up.
func TestMailIsTriedUntilItIsOfNoUse(t *testing.T) {
	for kind, until := range map[idp.MailKind]time.Duration{
		idp.MailForgotten: idp.ForgottenFor, idp.MailNews: idp.NewsFor, idp.MailLink: idp.InvitationTTL,
	} {
		t.Run(string(kind), func(t *testing.T) {
			m := waiting(kind, until)
			var waits []time.Duration
			var now time.Time
			for m.SettledAt.IsZero() {
				now = claim(t, m)
				if err := m.Attempted(m.Tries, idp.Failure{Said: idp.UnsentLater}, now); err != nil {
					t.Fatal(err)
				}
				if m.SettledAt.IsZero() {
					waits = append(waits, m.NextAt.Sub(now))
				}
			}
			first := []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute}
			n := min(len(waits), len(first))
			if n < 4 || !slices.Equal(waits[:n], first[:n]) {
				t.Errorf("it waits %s", waits)
			}
			for _, w := range waits[n:] {
				if w != 30*time.Minute {
					t.Errorf("a later wait is %s", w)
				}
			}
			if now.After(m.Until) || m.Until.Sub(now) > 30*time.Minute || m.Sent || !m.NextAt.IsZero() {
				t.Errorf("the last try was at %s, until %s: %+v", now, m.Until, m)
			}
			events := m.Take()
			if len(events) != 1 || events[0].Kind != idp.EventMailFailed || events[0].User != "u" || events[0].Detail["kind"] != string(kind) || events[0].Detail["reason"] != "later" {
				t.Errorf("told of as %+v", events)
			}
		})
	}
}

func TestMailAttempts(t *testing.T) {
	type want struct {
		settled, sent bool
		event         idp.EventKind // none: empty
	}
	waits, failed, silent := want{}, want{settled: true, event: idp.EventMailFailed}, want{settled: true}
	cases := []struct {
		f idp.Failure
		want
	}{
		{idp.Failure{}, want{true, true, idp.EventMailSent}},
		{idp.Failure{Said: idp.UnsentUnreachable}, waits},
		{idp.Failure{Said: idp.UnsentTimeout}, waits},
		{idp.Failure{Said: idp.UnsentCertificate}, waits},
		{idp.Failure{Said: idp.UnsentLogin}, waits},
		{idp.Failure{Said: idp.UnsentLater}, waits},
		{idp.Failure{Said: idp.UnsentRefused}, waits},
		{idp.Failure{Said: idp.UnsentRefused, Final: true}, failed},
		{idp.Failure{Said: idp.UnsentAddress, Final: true}, failed},
		// Nothing happened to anybody, so nothing is told, and least of all that
		// somebody unknown was asked for.
		{idp.Failure{Said: idp.UnsentWithdrawn, Final: true}, silent},
		{idp.Failure{Said: idp.UnsentNobody, Final: true}, silent},
	}
	covered := map[idp.Unsent]bool{}
	for _, c := range cases {
		covered[c.f.Said] = true
		m := waiting(idp.MailForgotten, idp.ForgottenFor)
		m.Typed, m.About = []byte("sealed"), idp.EventNotMe
		claim(t, m)
		if err := m.Attempted(1, c.f, noon); err != nil {
			t.Fatal(err)
		}
		if got := !m.SettledAt.IsZero(); got != c.settled || m.Sent != c.sent || m.Said != c.f.Said {
			t.Errorf("%+v: settled %v, %+v", c.f, got, m)
		}
		if c.settled && m.Typed != nil {
			t.Errorf("%+v: what was typed is kept", c.f)
		}
		if !c.settled && (m.Typed == nil || !m.NextAt.Equal(noon.Add(5*time.Second))) {
			t.Errorf("%+v: it waits as %+v", c.f, m)
		}
		events := m.Take()
		if c.event == "" {
			if len(events) != 0 {
				t.Errorf("%+v: told of as %+v", c.f, events)
			}
			continue
		}
		detail := map[string]string{"count": "1", "kind": "forgotten", "about": string(idp.EventNotMe)}
		if c.f.Said != "" {
			detail["reason"] = string(c.f.Said)
		}
		if len(events) != 1 || events[0].Kind != c.event || events[0].User != "u" || !maps.Equal(events[0].Detail, detail) {
			t.Errorf("%+v: told of as %+v", c.f, events)
		}
	}
	for _, said := range []idp.Unsent{
		idp.UnsentUnreachable, idp.UnsentTimeout, idp.UnsentCertificate, idp.UnsentLogin, idp.UnsentLater, idp.UnsentRefused,
		idp.UnsentAddress, idp.UnsentWithdrawn, idp.UnsentNobody,
	} {
		if !covered[said] {
			t.Errorf("%s is not tried", said)
		}
	}
}

// A mail server's words are strangers' words.
func TestMailKeepsLittleOfWhatAServerSays(t *testing.T) {
	m := waiting(idp.MailNews, idp.NewsFor)
	claim(t, m)
	if err := m.Attempted(1, idp.Failure{Said: idp.UnsentLater, Detail: "4.2.1 full\r\n\x1b[2J\u202ebox " + strings.Repeat("x", 400)}, noon); err != nil {
		t.Fatal(err)
	}
	if len(m.Detailed) != 200 || !strings.HasPrefix(m.Detailed, "4.2.1 full   [2J box x") || strings.ContainsFunc(m.Detailed, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("kept: %q", m.Detailed)
	}
	claim(t, m)
	if err := m.Attempted(2, idp.Failure{}, noon); err != nil || m.Detailed != "" || m.Said != "" {
		t.Errorf("and when it was sent: %v, %q", err, m.Detailed)
	}
}

func TestMailBelongs(t *testing.T) {
	m := idp.NewForgotten("m", []byte("sealed"), "192.0.2.7", "nl", noon)
	want := &idp.Mail{ID: "m", Kind: idp.MailForgotten, Typed: []byte("sealed"), Address: "192.0.2.7", Lang: "nl", CreatedAt: noon, Delivery: idp.Delivery{NextAt: noon, Until: noon.Add(15 * time.Minute)}}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("%+v", m)
	}
	m.Belongs("u", "i")
	if m.User != "u" || m.Invitation != "i" || m.Typed != nil {
		t.Errorf("%+v", m)
	}
}

func TestMailOfALink(t *testing.T) {
	m := idp.NewLinkMail(&idp.Invitation{ID: "i", User: "u", CreatedAt: noon, ExpiresAt: noon.Add(idp.InvitationTTL)})
	if m.Kind != idp.MailLink || m.User != "u" || m.Invitation != "i" || m.ID == "" || !m.NextAt.Equal(noon) || !m.Until.Equal(noon.Add(idp.InvitationTTL)) {
		t.Errorf("%+v", m)
	}
}

// Owners are told of what an intruder would do next, and of what keeps them out;
// of nothing else, or they stop reading.
func TestNews(t *testing.T) {
	told := map[idp.EventKind]bool{
		idp.EventDeviceLinked: true, idp.EventDeviceUnlinked: true, idp.EventPasswordChanged: true, idp.EventPasswordReset: true,
		idp.EventRecoveryMade: true, idp.EventRecoveryUsed: true, idp.EventNotMe: true, idp.EventDisowned: true, idp.EventLocked: true, idp.EventAddressChanged: true,
	}
	var kinds []idp.EventKind
	for _, kind := range idp.EventKinds {
		e := idp.Event{At: noon, Kind: kind, Actor: idp.Actor{User: "u", Name: "anna"}, User: "u", Address: "192.0.2.7"}
		m := idp.NewsOf(&e)
		if (m != nil) != told[kind] {
			t.Errorf("%s: %+v", kind, m)
		}
		if m == nil {
			continue
		}
		kinds = append(kinds, kind)
		if m.ID == "" || m.Kind != idp.MailNews || m.User != "u" || m.About != kind || m.Address != "192.0.2.7" || m.Detail != nil ||
			!m.CreatedAt.Equal(noon) || !m.NextAt.Equal(noon) || !m.Until.Equal(noon.Add(idp.NewsFor)) {
			t.Errorf("%s: %+v", kind, m)
		}
		e.User = ""
		if m := idp.NewsOf(&e); m != nil {
			t.Errorf("%s of nobody: %+v", kind, m)
		}
	}
	if !slices.Equal(idp.NewsKinds(), kinds) {
		t.Errorf("listed are %s, told %s", idp.NewsKinds(), kinds)
	}
}

// A letter says no more than its few words of the event, and whether it was
// somebody else, but not who.
func TestNewsDetail(t *testing.T) {
	m := idp.NewsOf(&idp.Event{
		At: noon, Kind: idp.EventDeviceUnlinked, Actor: idp.Actor{User: "boss", Name: "helga"}, User: "u",
		Detail: map[string]string{"name": "Pixel", "kind": "app", "reason": "lost", "until": "", "cid": "secret", "agent": "Firefox"},
	})
	if want := map[string]string{"name": "Pixel", "kind": "app", "reason": "lost", "by": "administration"}; !maps.Equal(m.Detail, want) {
		t.Errorf("%q, want %q", m.Detail, want)
	}
}
