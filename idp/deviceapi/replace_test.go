package deviceapi_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/totp"
)

// word is what a phone says so that the holder of another key takes its place.
func (p *phone) word(other *phone, change claims) string {
	p.Helper()
	raw, err := other.key.PublicKey.Bytes()
	p.must(err)
	c := claims{"jkt": idp.Thumbprint(raw[1:])}
	maps.Copy(c, change)
	return p.sign("replace", c)
}

// A new phone takes the place of the old one, by the old one's word: with five devices
// there are five afterwards. The old one hears that it is unlinked as soon as the new one
// is linked, and not before; the log says which took whose place.
func TestMoveToANewPhone(t *testing.T) {
	for how, links := range map[string]func(p *person, ph *phone, o *device.Offer, c challenge){
		"a tap": func(_ *person, ph *phone, _ *device.Offer, c challenge) { ph.answers(c, "approve", nil) },
		"its code": func(p *person, ph *phone, o *device.Offer, _ challenge) {
			raw, err := decode32(ph.secret)
			p.must(err)
			_, err = p.devices.Confirm(p.Context(), p.session, o.ID, totp.Code(raw, p.now()), "")
			p.must(err)
		},
	} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			anna := w.person("anna")
			old := anna.linked("Pixel 8", nil)
			anna.linked("Tablet", nil)
			anna.linked("iPad", nil)
			o, err := w.devices.StartPairing(t.Context(), anna.session)
			w.must(err)
			next := w.phone()
			r := next.pairs(w.pairCode(o.URI), "Pixel 9", claims{"replaces": old.word(next, nil)})
			if r.Status != 200 {
				t.Fatalf("pairing: %+v", r)
			}
			// A fifth device is linked meanwhile.
			w.must(w.db.UpdatePairing(t.Context(), o.ID, func(*idp.Pairing) (*idp.Device, error) {
				return &idp.Device{ID: "fifth", User: anna.id, Name: "Fifth", Kind: idp.DeviceCode, State: idp.DeviceActive, SealedTOTP: []byte("x"), LinkedAt: w.now()}, nil
			}))
			old.wants("challenges", old.sign("list", nil), 200, "")
			links(anna, next, o, r.Challenge)
			old.wants("challenges", old.sign("list", nil), 410, "unlinked")
			if r := next.wants("challenges", next.sign("list", nil), 200, ""); r.State != "active" {
				t.Errorf("the new one: %+v", r)
			}
			list, err := w.devices.List(t.Context(), anna.id)
			w.must(err)
			if len(list) != idp.MaxDevices || slices.ContainsFunc(list, func(d idp.Device) bool { return d.Name == "Pixel 8" }) {
				t.Errorf("linked %+v", list)
			}
			events, err := w.db.Events(t.Context(), 0, 1000)
			w.must(err)
			linked, unlinked := false, false
			for _, e := range events {
				linked = linked || e.Kind == idp.EventDeviceLinked && string(e.Device) == next.id && e.Detail["replaces"] == old.id
				unlinked = unlinked || e.Kind == idp.EventDeviceUnlinked && string(e.Device) == old.id && e.Detail["replaced_by"] == next.id
			}
			if !linked || !unlinked {
				t.Errorf("the log: linked %v, unlinked %v", linked, unlinked)
			}
		})
	}
}

// With five devices an offer to move links nothing but a phone that takes the place of
// another; what it refuses leaves it good.
func TestMoveWithFiveDevices(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	old := anna.linked("Pixel 8", nil)
	for range idp.MaxDevices - 2 {
		anna.linked("phone", nil)
	}
	if _, err := w.devices.StartPairing(t.Context(), anna.session); !errors.Is(err, idp.ErrConflict) {
		t.Errorf("an offer for a sixth: %v", err)
	}
	o, err := w.devices.StartMoving(t.Context(), anna.session)
	w.must(err)
	next := w.phone()
	if r := w.phone().pairs(w.pairCode(o.URI), "A sixth", nil); r.Status != 409 || r.Error != "device_limit" {
		t.Errorf("without a word: %+v", r)
	}
	if r := w.phone().pairs(w.pairCode(o.URI), "Another", claims{"replaces": old.word(next, nil)}); r.Status != 422 || r.Error != "bad_replaces" {
		t.Errorf("by the word for another: %+v", r)
	}
	raw, err := decode32(strings.ReplaceAll(o.Secret, " ", ""))
	w.must(err)
	if _, err := w.devices.Confirm(t.Context(), anna.session, o.ID, totp.Code(raw, w.now()), "Authenticator"); !errors.Is(err, idp.ErrConflict) {
		t.Errorf("another authenticator app: %v", err)
	}
	r := next.pairs(w.pairCode(o.URI), "Pixel 9", claims{"replaces": old.word(next, nil)})
	if r.Status != 200 {
		t.Fatalf("by its word: %+v", r)
	}
	if a := next.answers(r.Challenge, "approve", nil); a.State != "approved" {
		t.Errorf("linked: %+v", a)
	}
	old.wants("challenges", old.sign("list", nil), 410, "unlinked")
	list, err := w.devices.List(t.Context(), anna.id)
	w.must(err)
	if len(list) != idp.MaxDevices || !slices.ContainsFunc(list, func(d idp.Device) bool { return string(d.ID) == next.id }) {
		t.Errorf("linked %+v", list)
	}

	// The one whose place is to be taken is unlinked, and its place taken by another.
	o, err = w.devices.StartMoving(t.Context(), anna.session)
	w.must(err)
	last := w.phone()
	if r = last.pairs(w.pairCode(o.URI), "Pixel 10", claims{"replaces": next.word(last, nil)}); r.Status != 200 {
		t.Fatalf("again: %+v", r)
	}
	w.must(w.devices.Unlink(t.Context(), anna.session, idp.DeviceID(next.id), false))
	w.must(w.db.UpdatePairing(t.Context(), o.ID, func(*idp.Pairing) (*idp.Device, error) {
		return &idp.Device{ID: "fifth", User: anna.id, Name: "Fifth", Kind: idp.DeviceCode, State: idp.DeviceActive, SealedTOTP: []byte("x"), LinkedAt: w.now()}, nil
	}))
	if a := last.answers(r.Challenge, "approve", nil); a.Status != 409 || a.Error != "device_limit" {
		t.Errorf("a sixth, in nobody's place any more: %+v", a)
	}
}

// The word of a phone is for one key at one provider, by the phone's own key, and for the
// same person; Deny leaves the old phone as it is.
func TestWordsThatReplaceNothing(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	old, gone, his := anna.linked("Pixel 8", nil), anna.linked("Tablet", nil), bert.linked("Phone of Bert", nil)
	w.must(w.devices.Unlink(t.Context(), anna.session, idp.DeviceID(gone.id), false))
	for name, word := range map[string]func(next *phone) string{
		"for another key":      func(*phone) string { return old.word(w.phone(), nil) },
		"for another provider": func(next *phone) string { return old.word(next, claims{"aud": "https://other.example.net"}) },
		"without a time":       func(next *phone) string { return old.word(next, claims{"iat": nil}) },
		"of another person":    func(next *phone) string { return his.word(next, nil) },
		"of nobody":            func(next *phone) string { n := w.phone(); n.id = "nobody"; return n.word(next, nil) },
		"by another key":       func(next *phone) string { n := w.phone(); n.id = old.id; return n.word(next, nil) },
		"of an unlinked phone": func(next *phone) string { return gone.word(next, nil) },
		"of another kind":      func(*phone) string { return old.sign("list", nil) },
		"text":                 func(*phone) string { return "x" },
	} {
		o, err := w.devices.StartPairing(t.Context(), anna.session)
		w.must(err)
		next := w.phone()
		if r := next.pairs(w.pairCode(o.URI), "Pixel 9", claims{"replaces": word(next)}); r.Status != 422 || r.Error != "bad_replaces" {
			t.Errorf("%s: %+v", name, r)
		}
		// The offer is open still, for a phone that replaces nothing.
		if r := next.pairs(w.pairCode(o.URI), "Pixel 9", nil); r.Status != 200 {
			t.Errorf("%s, then without: %+v", name, r)
		}
	}
	o, err := w.devices.StartPairing(t.Context(), anna.session)
	w.must(err)
	next := w.phone()
	r := next.pairs(w.pairCode(o.URI), "Pixel 9", claims{"replaces": old.word(next, nil)})
	next.answers(r.Challenge, "deny", nil)
	old.wants("challenges", old.sign("list", nil), 200, "")
	// Unlinked while the new one waits: that is linked all the same.
	o, err = w.devices.StartPairing(t.Context(), anna.session)
	w.must(err)
	next = w.phone()
	r = next.pairs(w.pairCode(o.URI), "Pixel 9", claims{"replaces": old.word(next, nil)})
	w.must(w.devices.Unlink(t.Context(), anna.session, idp.DeviceID(old.id), false))
	if a := next.answers(r.Challenge, "approve", nil); a.Status != 200 || a.State != "approved" {
		t.Errorf("linked: %+v", a)
	}
}

// There is room for an attestation, which is not looked at: an object, within bounds.
func TestRoomForAnAttestation(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	for _, c := range []struct {
		name   string
		claims claims
		status int
		code   string
	}{
		{"none", claims{"attestation": nil}, 200, ""},
		{"of some kind", claims{"attestation": claims{"type": "android-key", "chain": []string{strings.Repeat("A", 8000), strings.Repeat("B", 8000)}}}, 200, ""},
		{"too large", claims{"attestation": claims{"x": strings.Repeat("A", 16<<10)}}, 400, "bad_request"},
		{"text", claims{"attestation": "x"}, 400, "bad_request"},
		{"a list", claims{"attestation": []string{}}, 400, "bad_request"},
	} {
		o, err := w.devices.StartPairing(t.Context(), anna.session)
		w.must(err)
		if r := w.phone().pairs(w.pairCode(o.URI), "Pixel 8", c.claims); r.Status != c.status || r.Error != c.code {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	ph := anna.linked("Pixel 8", nil)
	w.later(time.Second)
	ph.wants("rename", ph.sign("rename", claims{"name": "x", "attestation": claims{"x": strings.Repeat("A", 8<<10)}}), 413, "too_big")
}
