package deviceapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
)

// before is a phone that speaks version 1.0 alone: it sends the claims that there were, in
// the order in which they were described, and reads no more of an answer than there was.
type before struct {
	*phone
}

func (p before) send(path, op, more string) reply {
	p.Helper()
	p.n++
	body := fmt.Sprintf(`{"aud":%q,"iat":%d,"jti":"%022d"%s}`, issuer, p.now().Unix(), p.n, more)
	return p.post(path, p.envelopeOf(p.header(op), []byte(body), p.raw))
}

func (p before) answer(c challenge, decision, more string) reply {
	return p.send("answer", "answer", fmt.Sprintf(`,"cid":%q,"ch":%q,"decision":%q%s`, c.CID, c.hash(), decision, more))
}

// The members of a question that there were in 1.0. One that a phone of then must not
// approve would have another v or mode.
var docBefore = []string{"v", "cid", "nonce", "purpose", "iss", "account", "app", "ip", "browser", "os", "new_browser", "at", "exp", "match"}

// A phone that speaks 1.0 alone is linked, asked, approves, denies and is unlinked, with
// the very requests that there were; the numbers and states that it reads are where they
// were.
func TestPhonesOfBefore(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	o, err := w.devices.StartPairing(t.Context(), anna.session)
	w.must(err)
	ph := before{w.phone()}
	r := ph.send("pair", "pair", fmt.Sprintf(`,"pair":%q,"name":"Pixel 3","platform":"android","app":"old/1","push":null`, w.pairCode(o.URI)))
	if r.Status != http.StatusOK || r.DeviceID == "" || r.Account != "anna" || r.Issuer != issuer || len(r.OTP.Secret) != 32 || r.VAPIDKey != vapid || r.ServerTime != w.now().Unix() {
		t.Fatalf("paired: %+v", r)
	}
	ph.id = r.DeviceID
	if list := ph.send("challenges", "list", ""); list.Status != 200 || len(list.Challenges) != 1 || list.Challenges[0] != r.Challenge {
		t.Errorf("asked while linking: %+v", list)
	}
	if a := ph.answer(r.Challenge, "approve", ""); a.Status != 200 || a.State != "approved" {
		t.Fatalf("Login: %+v", a)
	}

	// Asked, and approved: by a tap where the browser is known, else by a number.
	asked := func() challenge {
		t.Helper()
		list := ph.send("challenges", "list", `,"wait":0`)
		if list.Status != 200 || len(list.Challenges) != 1 {
			t.Fatalf("asked %+v", list)
		}
		var doc map[string]any
		w.must(json.Unmarshal([]byte(list.Challenges[0].Doc), &doc))
		for _, name := range docBefore {
			if _, ok := doc[name]; !ok {
				t.Errorf("doc has no %s: %s", name, list.Challenges[0].Doc)
			}
		}
		if doc["v"] != 1.0 || doc["must"] != nil {
			t.Errorf("doc %s", list.Challenges[0].Doc)
		}
		return list.Challenges[0]
	}
	step := anna.asks(anna.browser)
	if a := ph.answer(asked(), "approve", ""); a.Status != 200 || a.State != "approved" {
		t.Fatalf("a tap: %+v", a)
	}
	_, err = w.flow.Continue(t.Context(), step.ID, anna.browser)
	w.must(err)
	anna.collect(step.ID)
	elsewhere := newBrowser()
	step = anna.asks(elsewhere)
	c := asked()
	if a := ph.answer(c, "approve", fmt.Sprintf(`,"number":%q`, step.Phones.Number)); a.Status != 200 || a.State != "approved" {
		t.Fatalf("a number: %+v", a)
	}

	// Denied, with a reason and without.
	for _, reason := range []string{"", `,"reason":"mistake"`, `,"reason":"not_me"`} {
		anna.asks(newBrowser())
		if a := ph.answer(asked(), "deny", reason); a.Status != 200 || a.State != "denied" {
			t.Errorf("denied with %q: %+v", reason, a)
		}
	}
	if r := ph.send("push", "push", `,"push":{"type":"fcm","token":"abc"}`); r.Status != http.StatusNoContent {
		t.Errorf("push: %+v", r)
	}
	if r := ph.send("rename", "rename", `,"name":"Pixel 3a"`); r.Status != http.StatusNoContent {
		t.Errorf("rename: %+v", r)
	}
	stream := ph.listens(t.Context())
	w.must(w.devices.Unlink(t.Context(), anna.session, idp.DeviceID(ph.id), false))
	var events []string
	for e := range stream {
		events = append(events, e[0])
	}
	if !slices.Equal(events, []string{"unlinked"}) {
		t.Errorf("the stream says %v", events)
	}
	if r := ph.send("challenges", "list", ""); r.Status != http.StatusGone || r.Error != "unlinked" {
		t.Errorf("unlinked: %+v", r)
	}

	// Linked by the short code, and unlinked by itself.
	o, err = w.devices.StartPairing(t.Context(), w.person("bert").session)
	w.must(err)
	next := before{w.phone()}
	r = next.send("pair", "pair", fmt.Sprintf(`,"account":"bert","short":%q,"name":"Pixel 3","platform":"android","app":"old/1","push":null`, strings.ToLower(o.Short)))
	next.id = r.DeviceID
	next.answer(r.Challenge, "approve", "")
	if r := next.send("unpair", "unpair", ""); r.Status != http.StatusNoContent {
		t.Errorf("unpair: %+v", r)
	}
	if r := next.send("challenges", "list", ""); r.Status != http.StatusGone || r.Error != "unlinked" {
		t.Errorf("unlinked by itself: %+v", r)
	}
}
