package deviceapi_test

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/totp"
)

func decode32(s string) ([]byte, error) {
	return base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(s)
}

// The main job: scan, tap Login, be asked at the next sign-in, tap Login.
func TestLinkAndApprove(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	o, err := w.devices.StartPairing(t.Context(), anna.session)
	w.must(err)
	ph := w.phone()
	r := ph.pairs(w.pairCode(o.URI), "Pixel 8", nil)
	if r.Status != 200 || r.Account != "anna" || r.Issuer != issuer || r.State != "pending" || r.OTP.Secret == o.Secret {
		t.Fatalf("paired: %+v", r)
	}
	again, err := w.devices.Offer(t.Context(), anna.session, o.ID)
	w.must(err)
	if again.Claimed != "Pixel 8" || again.Linked {
		t.Errorf("the page says %+v", again)
	}
	if list, err := w.devices.List(t.Context(), anna.id); err != nil || len(list) != 1 {
		t.Errorf("%d devices before the tap, %v", len(list), err)
	}
	if open := ph.asked(); len(open) != 1 || open[0] != r.Challenge {
		t.Errorf("asked %+v", open)
	}
	if a := ph.answers(r.Challenge, "approve", nil); a.Status != 200 || a.State != "approved" {
		t.Fatalf("tap: %+v", a)
	}
	list, err := w.devices.List(t.Context(), anna.id)
	w.must(err)
	if len(list) != 2 || list[1].Name != "Pixel 8" || list[1].Kind != idp.DeviceApp || list[1].State != idp.DeviceActive || string(list[1].ID) != ph.id {
		t.Fatalf("devices %+v", list)
	}
	if again, err := w.devices.Offer(t.Context(), anna.session, o.ID); err != nil || !again.Linked {
		t.Errorf("the page says %+v, %v", again, err)
	}

	// The browser is known, so a tap is enough.
	step := anna.asks(anna.browser)
	if step.Phones == nil || step.Phones.State != "asked" || step.Phones.Mode != idp.MatchTap || step.Phones.Number != "" {
		t.Fatalf("the page says %+v", step.Phones)
	}
	open := ph.asked()
	if len(open) != 1 {
		t.Fatalf("asked %+v", open)
	}
	var doc idp.ChallengeDoc
	w.must(json.Unmarshal([]byte(open[0].Doc), &doc))
	if doc.V != 1 || string(doc.CID) != open[0].CID || doc.Purpose != idp.ToLogin || doc.Issuer != issuer || doc.Account != "anna" || doc.App != "Imaging" ||
		doc.IP != "192.0.2.7" || doc.NewBrowser || doc.Exp-doc.At != 120 || doc.Match.Mode != idp.MatchTap || len(doc.Nonce) != 22 {
		t.Errorf("doc %s", open[0].Doc)
	}
	if a := ph.answers(open[0], "approve", nil); a.Status != 200 || a.State != "approved" {
		t.Fatalf("tap: %+v", a)
	}
	if a := ph.answers(open[0], "approve", nil); a.Status != 200 || a.State != "approved" {
		t.Errorf("the same again: %+v", a)
	}
	if a := ph.answers(open[0], "deny", nil); a.Status != 409 || a.Error != "already_answered" || a.State != "approved" {
		t.Errorf("another mind: %+v", a)
	}
	next, err := w.flow.Continue(t.Context(), step.ID, anna.browser)
	w.must(err)
	if next.State != idp.LoginDone {
		t.Fatalf("at %s", next.State)
	}
	anna.collect(step.ID)
	if got := strings.Join(anna.session.AMR, " "); got != "pwd swk mfa" {
		t.Errorf("amr %s", got)
	}
	if len(ph.asked()) != 0 {
		t.Error("still asked")
	}
	raw, err := decode32(ph.secret)
	w.must(err)
	step = anna.asks(anna.browser)
	if next, err := w.flow.Code(t.Context(), step.ID, anna.browser, totp.Code(raw, w.now())); err != nil || next.State != idp.LoginDone {
		t.Errorf("the phone's own code: %+v, %v", next, err)
	}
	if len(ph.asked()) != 0 {
		t.Error("still asked after the code")
	}
}

// A room full of phones is one address: what pairs is counted nowhere and never
// refused, wrong codes are, and after a hundred of them it is said so.
func TestOnlyWrongCodesToPairAreCounted(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	pairs := func() {
		t.Helper()
		o, err := w.devices.StartPairing(t.Context(), anna.session)
		w.must(err)
		if r := w.phone().pairs(w.pairCode(o.URI), "Pixel 8", nil); r.Status != 200 {
			t.Fatalf("a right code: %+v", r)
		}
	}
	for range 60 {
		pairs()
	}
	gone, many := 0, 0
	for range 130 {
		switch r := w.phone().pairs("AAAAAAAAAAAAAAAAAAAAAA", "Pixel 8", nil); {
		case r.Status == 410 && r.Error == "pair_gone":
			gone++
		case r.Status == 429 && r.Error == "too_many":
			many++
		default:
			t.Fatalf("a wrong code: %+v", r)
		}
	}
	if gone != 100 || many != 30 {
		t.Errorf("of 130 wrong codes %d were looked at and %d refused, want 100 and 30", gone, many)
	}
	pairs()
}

func TestPairingOnce(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	offer := func() (idp.PairingID, string) {
		o, err := w.devices.StartPairing(t.Context(), anna.session)
		w.must(err)
		return o.ID, w.pairCode(o.URI)
	}
	id, code := offer()
	ph, thief := w.phone(), w.phone()
	first := ph.pairs(code, "Pixel 8", nil)
	// The answer was lost: signed anew it comes again. A body that was recorded does not
	// bring the secret, to whoever sends it.
	recorded := ph.sign("pair", claims{"pair": code, "name": "Pixel 8", "platform": "android"})
	if r := ph.wants("pair", recorded, 200, ""); r.OTP != first.OTP {
		t.Errorf("signed anew: %+v", r)
	}
	if r := ph.wants("pair", recorded, 400, "bad_request"); r.OTP.Secret != "" || r.DeviceID != "" {
		t.Errorf("a recorded body: %+v", r)
	}
	second := ph.pairs(code, "Pixel 8", nil)
	if second.Status != 200 || first.DeviceID != second.DeviceID || first.OTP != second.OTP || first.Challenge != second.Challenge {
		t.Errorf("the answer was lost: %+v, then %+v", first, second)
	}
	if r := thief.pairs(code, "Thief", nil); r.Status != 410 || r.Error != "pair_gone" {
		t.Errorf("another phone: %+v", r)
	}
	if o, err := w.devices.Offer(t.Context(), anna.session, id); err != nil || !o.Rival || o.Claimed != "Pixel 8" {
		t.Errorf("the page says %+v, %v", o, err)
	}
	// The code of the QR is dead, that of the phone links.
	raw, err := decode32(first.OTP.Secret)
	w.must(err)
	d, err := w.devices.Confirm(t.Context(), anna.session, id, totp.Code(raw, w.now()), "whatever")
	w.must(err)
	if d.Kind != idp.DeviceApp || d.Name != "Pixel 8" || string(d.ID) != ph.id {
		t.Errorf("linked %+v", d)
	}
	if r := ph.answers(first.Challenge, "approve", nil); r.Status != 200 || r.State != "approved" {
		t.Errorf("a tap after the code: %+v", r)
	}
	if r := ph.answers(first.Challenge, "deny", nil); r.Status != 409 || r.State != "approved" {
		t.Errorf("Deny after the code: %+v", r)
	}
	if list, err := w.devices.List(t.Context(), anna.id); err != nil || len(list) != 2 {
		t.Errorf("%d devices, %v", len(list), err)
	}

	// Too late, denied, replaced.
	_, code = offer()
	w.later(idp.PairingTTL)
	if r := w.phone().pairs(code, "Late", nil); r.Status != 410 || r.Error != "pair_gone" {
		t.Errorf("too late: %+v", r)
	}
	step, err := w.flow.StartStepUp(t.Context(), anna.session, "link", nil, anna.browser)
	w.must(err)
	w.later(time.Minute)
	if _, err = w.flow.Code(t.Context(), step.ID, anna.browser, anna.code()); err != nil {
		t.Fatal(err)
	}
	anna.collect(step.ID)
	id, code = offer()
	no := w.phone()
	r := no.pairs(code, "No", nil)
	if a := no.answers(r.Challenge, "deny", nil); a.Status != 200 || a.State != "denied" {
		t.Errorf("denied: %+v", a)
	}
	if _, err := w.devices.Offer(t.Context(), anna.session, id); err == nil {
		t.Error("a denied offer is open")
	}
	no.wants("challenges", no.sign("list", nil), 410, "unlinked")
	_, code = offer()
	_, _ = offer()
	if r := w.phone().pairs(code, "Replaced", nil); r.Status != 410 || r.Error != "pair_gone" {
		t.Errorf("replaced: %+v", r)
	}
}

// An address that no push service of ours has does not hinder linking; the answer says so.
func TestPushAddressWhilePairing(t *testing.T) {
	for name, c := range map[string]struct {
		push any
		want string
	}{
		"none":    {nil, "none"},
		"good":    {claims{"type": "fcm", "token": "abc"}, "taken"},
		"foreign": {claims{"type": "carrier pigeon"}, "refused"},
		"nothing": {claims{}, "refused"},
		"nowhere": {claims{"type": "webpush", "endpoint": "https://127.0.0.1/"}, "refused"},
		"damaged": {"x", "refused"},
		"huge":    {claims{"type": "fcm", "token": strings.Repeat("x", 4096)}, "refused"},
	} {
		w := newWorld(t)
		anna := w.person("anna")
		o, err := w.devices.StartPairing(t.Context(), anna.session)
		w.must(err)
		ph := w.phone()
		r := ph.pairs(w.pairCode(o.URI), "Pixel 8", claims{"push": c.push})
		if r.Status != 200 || r.Push != c.want || (r.PushDetail != "") != (c.want == "refused") {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		ph.answers(r.Challenge, "approve", nil)
		list, err := w.devices.List(t.Context(), anna.id)
		w.must(err)
		if d := list[len(list)-1]; len(list) != 2 || (d.PushType != "") != (c.want == "taken") {
			t.Errorf("%s: linked %+v", name, list)
		}
	}
}

// A linking ends audibly: a phone that waits is told by stream and list when it is
// linked, and hears that it is not however that comes.
func TestLinkingEndsAudibly(t *testing.T) {
	for how, end := range map[string]struct {
		do     func(p *person, ph *phone, o *device.Offer, c challenge)
		linked bool
	}{
		"a tap": {func(_ *person, ph *phone, _ *device.Offer, c challenge) { ph.answers(c, "approve", nil) }, true},
		"its code": {func(p *person, ph *phone, o *device.Offer, _ challenge) {
			raw, err := decode32(ph.secret)
			p.must(err)
			_, err = p.devices.Confirm(p.Context(), p.session, o.ID, totp.Code(raw, p.now()), "")
			p.must(err)
		}, true},
		"Deny": {func(_ *person, ph *phone, _ *device.Offer, c challenge) { ph.answers(c, "deny", nil) }, false},
		"unpair": {func(p *person, ph *phone, _ *device.Offer, _ challenge) {
			ph.wants("unpair", ph.sign("unpair", nil), 204, "")
		}, false},
		"another offer": {func(p *person, _ *phone, _ *device.Offer, _ challenge) {
			_, err := p.devices.StartPairing(p.Context(), p.session)
			p.must(err)
		}, false},
		"time": {func(p *person, _ *phone, _ *device.Offer, _ challenge) { p.later(idp.PairingTTL) }, false},
		"the end of the session": {func(p *person, _ *phone, _ *device.Offer, _ challenge) {
			p.must(p.flow.SignOut(p.Context(), idp.Actor{User: p.id}, p.session))
		}, false},
		"time, and the offer is forgotten": {func(p *person, _ *phone, _ *device.Offer, _ challenge) {
			p.later(3 * time.Hour)
			p.must(p.db.Sweep(p.Context(), p.now()))
		}, false},
	} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			anna := w.person("anna")
			o, err := w.devices.StartPairing(t.Context(), anna.session)
			w.must(err)
			ph := w.phone()
			r := ph.pairs(w.pairCode(o.URI), "Pixel 8", nil)
			if r.State != "pending" {
				t.Fatalf("paired: %+v", r)
			}
			if r := ph.wants("challenges", ph.sign("list", nil), 200, ""); r.State != "pending" {
				t.Errorf("before: %+v", r)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			stream := ph.listens(ctx)
			if e := <-stream; e[0] != "challenge" {
				t.Errorf("asked by %v", e)
			}
			end.do(anna, ph, o, r.Challenge)
			last := ""
			for e := range stream {
				if e[0] != "gone" {
					last = e[0]
				}
			}
			want := "unlinked"
			if end.linked {
				want = "linked"
			}
			if last != want {
				t.Errorf("the stream ends with %q, want %q", last, want)
			}
			if !end.linked {
				ph.wants("challenges", ph.sign("list", nil), 410, "unlinked")
				return
			}
			if r := ph.wants("challenges", ph.sign("list", nil), 200, ""); r.State != "active" {
				t.Errorf("after: %+v", r)
			}
		})
	}
}

// A push service that says nothing does not hold up linking: the phone is
// linked by its stream, and the page says that notifications do not arrive.
func TestSilentPush(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	push := claims{"push": claims{"type": "fcm", "token": "silent"}}
	for _, c := range []struct {
		name    string
		after   time.Duration
		arrived bool
		bad     bool
	}{
		{"quick", idp.PushWait - time.Second, false, false},
		{"silent", idp.PushWait, false, true},
		{"delivered", time.Minute, true, false},
	} {
		o, err := w.devices.StartPairing(t.Context(), anna.session)
		w.must(err)
		ph := w.phone()
		r := ph.pairs(w.pairCode(o.URI), c.name, push)
		if c.arrived {
			w.devices.Delivered(t.Context(), <-w.pushed, idp.PushDelivered, "")
		} else {
			<-w.pushed
		}
		w.later(c.after)
		if a := ph.answers(r.Challenge, "approve", nil); a.Status != 200 || a.State != "approved" {
			t.Fatalf("%s: %+v", c.name, a)
		}
		for len(w.pushed) > 0 { // the others are told of it
			<-w.pushed
		}
		list, err := w.devices.List(t.Context(), anna.id)
		w.must(err)
		d := list[len(list)-1]
		if d.Name != c.name || d.PushType != idp.PushFCM || d.PushBadAt.IsZero() == c.bad || d.PushOKAt.IsZero() == c.arrived {
			t.Errorf("%s: linked %+v", c.name, d)
		}
	}
}

func TestTypedShortCode(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	o, err := w.devices.StartPairing(t.Context(), anna.session)
	w.must(err)
	ph := w.phone()
	try := func(account, short string) reply {
		return ph.pairs("", "Pixel", claims{"pair": nil, "account": account, "short": short})
	}
	if r := try("anna", "00000000"); r.Status != 410 || r.Error != "pair_gone" {
		t.Errorf("wrong: %+v", r)
	}
	if r := try("nobody", "00000000"); r.Status != 410 || r.Error != "pair_gone" {
		t.Errorf("unknown: %+v", r)
	}
	if r := try("Anna ", strings.ToLower(o.Short)); r.Status != 200 {
		t.Errorf("right: %+v", r)
	}

	o, err = w.devices.StartPairing(t.Context(), anna.session)
	w.must(err)
	ph = w.phone()
	for range idp.MaxShortTries {
		try("anna", "00000000")
	}
	if r := try("anna", o.Short); r.Status != 410 || r.Error != "pair_gone" {
		t.Errorf("the right one after five wrong: %+v", r)
	}
	if r := w.phone().pairs(w.pairCode(o.URI), "Scanned", nil); r.Status != 200 {
		t.Errorf("scanned after five wrong: %+v", r)
	}
}

func TestSixthDevice(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	for range idp.MaxDevices - 2 {
		anna.linked("phone", nil)
	}
	o, err := w.devices.StartPairing(t.Context(), anna.session)
	w.must(err)
	ph := w.phone()
	r := ph.pairs(w.pairCode(o.URI), "fifth or sixth", nil)
	// Another one takes the last place while this one's person looks for the button.
	other, err := w.db.User(t.Context(), anna.id)
	w.must(err)
	p, err := totp.NewPairing(nopSealer{}, w.now())
	w.must(err)
	p.User, p.Account = other.ID, "elsewhere"
	w.must(w.db.UpdatePairing(t.Context(), o.ID, func(q *idp.Pairing) (*idp.Device, error) {
		return &idp.Device{ID: idp.NewID[idp.DeviceID](), User: anna.id, Name: "rival", Kind: idp.DeviceCode, Platform: "other", State: idp.DeviceActive, LinkedAt: w.now()}, nil
	}))
	if a := ph.answers(r.Challenge, "approve", nil); a.Status != 409 || a.Error != "device_limit" {
		t.Errorf("the sixth: %+v", a)
	}
	if _, err := w.devices.StartPairing(t.Context(), anna.session); err == nil {
		t.Error("an offer for a sixth")
	}
}

type nopSealer struct{}

func (nopSealer) Seal(b []byte, _ string) ([]byte, error) { return b, nil }
func (nopSealer) Open(b []byte, _ string) ([]byte, error) { return b, nil }

func TestNumbers(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.linked("Pixel", nil)

	// A browser nobody knows: a number is typed.
	b := newBrowser()
	step := anna.asks(b)
	if step.Phones.Mode != idp.MatchType || len(step.Phones.Number) != 2 {
		t.Fatalf("%+v", step.Phones)
	}
	open := ph.asked()
	if strings.Contains(open[0].Doc, `"`+step.Phones.Number+`"`) {
		t.Error("the phone is told the number")
	}
	if a := ph.answers(open[0], "approve", claims{"number": step.Phones.Number}); a.Status != 200 {
		t.Errorf("the right number: %+v", a)
	}
	if next, err := w.flow.Continue(t.Context(), step.ID, b); err != nil || next.State != idp.LoginDone {
		t.Errorf("%+v, %v", next, err)
	}

	// A wrong number closes the challenge, for every phone.
	b = newBrowser()
	step = anna.asks(b)
	open = ph.asked()
	wrong := "99"
	if step.Phones.Number == wrong {
		wrong = "98"
	}
	if a := ph.answers(open[0], "approve", claims{"number": wrong}); a.Status != 403 || a.Error != "wrong_number" {
		t.Errorf("a wrong number: %+v", a)
	}
	if a := ph.answers(open[0], "approve", claims{"number": step.Phones.Number}); a.Status != 409 || a.State != "wrong" {
		t.Errorf("the right one after it: %+v", a)
	}
	if next, err := w.flow.Continue(t.Context(), step.ID, b); err == nil {
		t.Errorf("went on to %s", next.State)
	}
	if step, err := w.flow.Step(t.Context(), step.ID, b); err != nil || step.Phones.State != "wrong" {
		t.Errorf("the page says %+v, %v", step, err)
	}
	// What is no number of two digits is a slip of the app: nothing is closed by it.
	w.later(20 * time.Second)
	_, err := w.flow.Resend(t.Context(), step.ID, b)
	w.must(err)
	open = ph.asked()
	for _, number := range []any{nil, "", "7", "777", " 77", "7 ", "-7", "٧٧", 77} {
		more := claims{}
		if number != nil {
			more["number"] = number
		}
		if a := ph.answers(open[0], "approve", more); a.Status != 400 || a.Error != "bad_request" {
			t.Errorf("%q where a number of two digits is asked: %+v", number, a)
		}
	}
	step, err = w.flow.Step(t.Context(), step.ID, b)
	w.must(err)
	if a := ph.answers(open[0], "approve", claims{"number": step.Phones.Number}); a.Status != 200 || a.State != "approved" {
		t.Errorf("the right one after what is none: %+v", a)
	}
	// And a number is no tap.
	anna.asks(anna.browser)
	open = ph.asked()
	if a := ph.answers(open[0], "approve", claims{"number": "77"}); a.Status != 400 {
		t.Errorf("a number where a tap is asked: %+v", a)
	}
	if a := ph.answers(open[0], "approve", nil); a.Status != 200 {
		t.Errorf("a tap after it: %+v", a)
	}
}

func TestStream(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	one, other := anna.linked("one", nil), anna.linked("other", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	first, second := one.listens(ctx), other.listens(ctx)
	next := func(from <-chan [2]string, name string) challenge {
		t.Helper()
		e, ok := <-from
		if !ok || e[0] != name {
			t.Fatalf("stream: %v %v, want %s", e, ok, name)
		}
		var c challenge
		w.must(json.Unmarshal([]byte(e[1]), &c))
		return c
	}
	step := anna.asks(anna.browser)
	c := next(first, "challenge")
	next(second, "challenge")
	one.answers(c, "approve", nil)
	next(first, "gone")
	if e := <-second; e[0] != "gone" || !strings.Contains(e[1], `"why":"approved"`) {
		t.Errorf("the other phone hears %v", e)
	}
	if _, err := w.flow.Continue(t.Context(), step.ID, anna.browser); err != nil {
		t.Error(err)
	}

	// Nobody answers: the stream says so when it looks.
	anna.asks(newBrowser())
	next(first, "challenge")
	next(second, "challenge")
	w.later(idp.ChallengeTTL)
	if e := <-first; e[0] != "gone" || !strings.Contains(e[1], `"why":"expired"`) {
		t.Errorf("after two minutes: %v", e)
	}
	next(second, "gone")

	// Unlinked on the web page: told at once, and the stream ends.
	w.later(time.Minute)
	anna.session.FactorAt = w.now()
	w.must(w.devices.Unlink(t.Context(), anna.session, idp.DeviceID(other.id), false))
	if e := <-second; e[0] != "unlinked" {
		t.Errorf("unlinked: %v", e)
	}
	if e, ok := <-second; ok {
		t.Errorf("a stream after its end: %v", e)
	}
	other.wants("challenges", other.sign("list", nil), 410, "unlinked")

	// A device has three streams at most: a newer one ends the oldest, and is told what
	// happens. A waiting list is as a stream.
	third, fourth := one.listens(ctx), one.listens(ctx)
	select {
	case e := <-first:
		t.Errorf("three streams: the first says %v", e)
	case <-time.After(200 * time.Millisecond):
	}
	newest := one.listens(ctx)
	if e, ok := <-first; ok {
		t.Errorf("the oldest of four: %v", e)
	}
	waiting := make(chan reply, 1)
	go func() { waiting <- one.post("challenges", one.sign("list", claims{"wait": 20})) }()
	if e, ok := <-third; ok {
		t.Errorf("the oldest but one: %v", e)
	}
	anna.asks(newBrowser())
	next(fourth, "challenge")
	next(newest, "challenge")
	if r := <-waiting; r.Status != 200 || len(r.Challenges) != 1 {
		t.Errorf("the waiting list: %+v", r)
	}
}

func TestWaitingList(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.linked("one", nil)
	got := make(chan reply)
	go func() { got <- ph.post("challenges", ph.sign("list", claims{"wait": 20})) }()
	for w.hub.Len() == 0 {
		time.Sleep(time.Millisecond)
	}
	anna.asks(anna.browser)
	if r := <-got; r.Status != 200 || len(r.Challenges) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestSelfService(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.linked("Pixel", nil)
	named := func() string {
		list, err := w.devices.List(t.Context(), anna.id)
		w.must(err)
		for _, d := range list {
			if string(d.ID) == ph.id {
				return d.Name + " " + string(d.PushType)
			}
		}
		return ""
	}
	ph.wants("rename", ph.sign("rename", claims{"name": "Pixel 9"}), 204, "")
	if named() != "Pixel 9 " {
		t.Errorf("named %q", named())
	}
	for _, bad := range []any{"", " ", strings.Repeat("x", 41), "a\u202eb", "a\x00", 7} {
		ph.wants("rename", ph.sign("rename", claims{"name": bad}), 400, "bad_request")
	}
	ph.wants("push", ph.sign("push", claims{"push": claims{"type": "fcm", "token": "abc"}}), 204, "")
	if named() != "Pixel 9 fcm" {
		t.Errorf("now %q", named())
	}
	for _, bad := range []any{claims{"type": "fcm"}, claims{"type": "carrier pigeon"}, "x", []string{"x"}} {
		ph.wants("push", ph.sign("push", claims{"push": bad}), 400, "bad_request")
	}
	ph.wants("push", ph.sign("push", claims{"push": nil}), 204, "")
	ph.wants("push", ph.sign("push", nil), 400, "bad_request")
	ph.wants("unpair", ph.sign("unpair", nil), 204, "")
	ph.wants("unpair", ph.sign("unpair", nil), 410, "unlinked")
	if named() != "" {
		t.Errorf("still there: %q", named())
	}
	w.later(idp.TombstoneFor)
	w.must(w.db.Sweep(t.Context(), w.now()))
	ph.wants("unpair", ph.sign("unpair", nil), 401, "invalid_device")
}

// The last device stays, also at its own wish.
func TestLastDevice(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.linked("Pixel", nil)
	list, err := w.devices.List(t.Context(), anna.id)
	w.must(err)
	w.must(w.devices.Unlink(t.Context(), anna.session, list[0].ID, false)) // the code-only one
	ph.wants("unpair", ph.sign("unpair", nil), 409, "last_device")
	if len(ph.asked()) != 0 {
		t.Error("asked")
	}
}

// What is unlinked while a request is pending proves nothing any more.
func TestUnlinkWhilePending(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	ph := anna.linked("Pixel", nil)
	step := anna.asks(anna.browser)
	open := ph.asked()
	if a := ph.answers(open[0], "approve", nil); a.Status != 200 {
		t.Fatal(a)
	}
	w.must(w.devices.Unlink(t.Context(), anna.session, idp.DeviceID(ph.id), false))
	if next, err := w.flow.Continue(t.Context(), step.ID, anna.browser); err == nil {
		t.Errorf("a phone that is unlinked signed in: %s", next.State)
	}
	late := anna.linked("Pixel 2", nil)
	step = anna.asks(anna.browser)
	open = late.asked()
	w.must(w.devices.Unlink(t.Context(), anna.session, idp.DeviceID(late.id), false))
	if a := late.answers(open[0], "approve", nil); a.Status != 410 || a.Error != "unlinked" {
		t.Errorf("answered after: %+v", a)
	}
	step, err := w.flow.Step(t.Context(), step.ID, anna.browser)
	w.must(err)
	if step.Phones != nil {
		t.Errorf("the page still shows %+v", step.Phones)
	}
}

// A phone that is linked is not asked whether another one is to be.
func TestLinkingIsAskedOfTheNewPhoneAlone(t *testing.T) {
	anna := newWorld(t).person("anna")
	old := anna.linked("Pixel 8", nil)
	offer, err := anna.devices.StartPairing(t.Context(), anna.session)
	anna.must(err)
	fresh := anna.phone()
	if r := fresh.pairs(anna.pairCode(offer.URI), "iPad", nil); r.Status != http.StatusOK {
		t.Fatalf("pairing: %+v", r)
	}
	if list := old.asked(); len(list) != 0 {
		t.Errorf("the linked phone is asked %v", list)
	}
	if list := fresh.asked(); len(list) != 1 {
		t.Errorf("the new phone is asked %v", list)
	}
	// Nor when the offer was replaced by another.
	_, err = anna.devices.StartPairing(t.Context(), anna.session)
	anna.must(err)
	if list := old.asked(); len(list) != 0 {
		t.Errorf("the linked phone is asked %v", list)
	}
}
