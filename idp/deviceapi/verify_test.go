package deviceapi_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"testing"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/login"
)

// secondKey gives a phone a second key, and returns the claim that registers it.
func (p *phone) secondKey() claims {
	p.Helper()
	p.uv = p.phone().key
	return claims{"uv_jwk": jwk(&p.uv.PublicKey)}
}

// verified signs an answer by the second key, as after a fingerprint.
func (p *phone) verified(c challenge, decision string, more claims) string {
	all := claims{"cid": c.CID, "ch": c.hash(), "decision": decision}
	maps.Copy(all, more)
	return p.byUV("answer", all)
}

func (p *phone) byUV(op string, c claims) string {
	with := *p
	with.key = p.uv
	header := p.header(op)
	header["kid"] = p.id + "#uv"
	return p.envelope(header, p.with(c), with.raw)
}

// linkedWithUV makes a phone with two keys and links it as a person does.
func (p *person) linkedWithUV(name string) *phone {
	p.Helper()
	ph := p.phone()
	o, err := p.devices.StartPairing(p.Context(), p.session)
	p.must(err)
	r := ph.pairs(p.pairCode(o.URI), name, ph.secondKey())
	if r.Status != http.StatusOK {
		p.Fatalf("pairing: %+v", r)
	}
	ph.answers(r.Challenge, "approve", nil)
	return ph
}

// Where a fingerprint or PIN is wanted, phones that can ask for it are asked and no
// others; an approval by the first key is refused and closes nothing, Deny is taken. What
// was proven stands in the log and in the session.
func TestApprovalWithFingerprint(t *testing.T) {
	w := newWorld(t, func(r *login.Rules) { r.Verify = true })
	anna := w.person("anna")
	plain := anna.linked("Old phone", claims{"push": claims{"type": "fcm", "token": "old"}})
	able := anna.linkedWithUV("Pixel 8")
	for len(w.pushed) > 0 {
		<-w.pushed
	}

	step := anna.asks(anna.browser)
	if step.Phones == nil || !slices.Equal(step.Phones.Devices, []string{"Pixel 8"}) {
		t.Fatalf("the page says %+v", step.Phones)
	}
	if list := plain.asked(); len(list) != 0 || len(w.pushed) != 0 {
		t.Errorf("a phone that cannot is asked: %+v, %d pushes", list, len(w.pushed))
	}
	list := able.asked()
	if len(list) != 1 {
		t.Fatalf("asked %+v", list)
	}
	var doc idp.ChallengeDoc
	w.must(json.Unmarshal([]byte(list[0].Doc), &doc))
	if !slices.Equal(doc.Must, []string{"uv"}) {
		t.Errorf("doc %s", list[0].Doc)
	}
	able.wants("answer", able.answer(list[0], "approve", nil), 403, "uv_required")
	plain.wants("answer", plain.answer(list[0], "approve", nil), 403, "uv_required")
	if r := able.wants("answer", able.verified(list[0], "approve", nil), 200, ""); r.State != "approved" {
		t.Errorf("with the fingerprint: %+v", r)
	}
	if r := able.wants("answer", able.verified(list[0], "approve", nil), 200, ""); r.State != "approved" {
		t.Errorf("the same again: %+v", r)
	}
	_, err := w.flow.Continue(t.Context(), step.ID, anna.browser)
	w.must(err)
	anna.collect(step.ID)
	if !slices.Equal(anna.session.AMR, []string{"pwd", "swk", "user", "mfa"}) {
		t.Errorf("amr %v", anna.session.AMR)
	}
	events, err := w.db.Events(t.Context(), 0, 100)
	w.must(err)
	if !slices.ContainsFunc(events, func(e idp.Event) bool {
		return e.Kind == idp.EventPhoneApproved && e.Detail["verified"] != "" && e.Detail["purpose"] == "login"
	}) {
		t.Error("the log does not say that the person was verified")
	}

	// Deny needs no fingerprint, from whichever phone.
	anna.asks(anna.browser)
	list = able.asked()
	if r := able.answers(list[0], "deny", claims{"reason": "mistake"}); r.Status != 200 || r.State != "denied" {
		t.Errorf("denied: %+v", r)
	}

	// Who has no phone that can types a code, as without phones.
	w.must(w.devices.Unlink(t.Context(), anna.session, idp.DeviceID(able.id), false))
	step = anna.asks(anna.browser)
	if step.Phones != nil {
		t.Errorf("the page says %+v", step.Phones)
	}
	w.later(30e9)
	next, err := w.flow.Code(t.Context(), step.ID, anna.browser, anna.code())
	w.must(err)
	if next.State != idp.LoginDone {
		t.Errorf("at %s", next.State)
	}
}

// Where it is not wanted a phone may prove it all the same; what the first key signs
// proves nothing.
func TestFingerprintThatNobodyAskedFor(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	able := anna.linkedWithUV("Pixel 8")
	for _, c := range []struct {
		sign func(challenge, string, claims) string
		amr  []string
	}{{able.verified, []string{"pwd", "swk", "user", "mfa"}}, {able.answer, []string{"pwd", "swk", "mfa"}}} {
		step := anna.asks(anna.browser)
		list := able.asked()
		able.wants("answer", c.sign(list[0], "approve", nil), 200, "")
		_, err := w.flow.Continue(t.Context(), step.ID, anna.browser)
		w.must(err)
		anna.collect(step.ID)
		if !slices.Equal(anna.session.AMR, c.amr) {
			t.Errorf("amr %v, want %v", anna.session.AMR, c.amr)
		}
	}
}

// The second key signs answers and nothing else, and has to be another one than the first.
func TestSecondKeys(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	able, plain := anna.linkedWithUV("Pixel 8"), anna.linked("Old phone", nil)
	for op, path := range map[device.Op]string{device.OpList: "challenges", device.OpPush: "push", device.OpRename: "rename", device.OpUnpair: "unpair"} {
		able.wants(path, able.byUV(string(op), claims{"name": "x", "push": nil}), 400, "bad_request")
	}
	anna.asks(newBrowser())
	c := able.asked()[0]
	plain.uv = plain.key
	plain.wants("answer", plain.verified(c, "deny", nil), 401, "invalid_device")
	first := *able
	first.uv = able.key
	able.wants("answer", first.verified(c, "deny", nil), 401, "invalid_device")
	able.wants("answer", able.verified(c, "deny", nil), 200, "")

	for name, key := range map[string]any{
		"the first key": nil, "text": "x", "no key": claims{}, "another curve": claims{"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
		"not on the curve": claims{"kty": "EC", "crv": "P-256", "x": b64.EncodeToString(make([]byte, 32)), "y": b64.EncodeToString(make([]byte, 32))},
		"RSA":              claims{"kty": "RSA", "n": "AQAB", "e": "AQAB"},
	} {
		o, err := w.devices.StartPairing(t.Context(), anna.session)
		w.must(err)
		ph := w.phone()
		if name == "the first key" {
			key = jwk(&ph.key.PublicKey)
		}
		if r := ph.pairs(w.pairCode(o.URI), "Pixel 8", claims{"uv_jwk": key}); r.Status != 422 || r.Error != "bad_key" {
			t.Errorf("%s: %+v", name, r)
		}
	}

	// Unlinked, it hears so by the second key too.
	w.must(w.devices.Unlink(t.Context(), anna.session, idp.DeviceID(able.id), false))
	able.wants("answer", able.verified(c, "deny", nil), 410, "unlinked")
}
