package deviceapi_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/idptest"
)

// ops are the endpoints and the typ each wants.
var ops = map[string]string{
	"pair": "pair", "challenges": "list", "answer": "answer", "push": "push", "rename": "rename", "unpair": "unpair", "listen": "listen",
}

// send posts an envelope, or listens with it.
func (w *world) send(endpoint, envelope string) reply {
	w.Helper()
	if endpoint != "listen" {
		return w.post(endpoint, envelope)
	}
	req, err := http.NewRequestWithContext(w.Context(), http.MethodGet, w.url+"/device/v1/listen", nil)
	w.must(err)
	req.Header.Set("Authorization", "Device "+envelope)
	res, err := http.DefaultClient.Do(req)
	w.must(err)
	defer res.Body.Close()
	r := reply{Status: res.StatusCode}
	if r.Status != http.StatusOK {
		text, err := io.ReadAll(res.Body)
		w.must(err)
		w.must(json.Unmarshal(text, &r))
		r.Status = res.StatusCode
	}
	return r
}

// Every signed request, used for what it was not signed for.
func TestReplay(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.person("anna"), w.person("bert")
	ph, other, berts := anna.linked("one", nil), anna.linked("other", nil), bert.linked("bert's", nil)
	anna.asks(anna.browser)
	open := ph.asked()[0]
	o, err := w.devices.StartPairing(t.Context(), anna.session)
	w.must(err)

	bodies := map[string]claims{
		"pair":   {"pair": w.pairCode(o.URI), "name": "new", "platform": "web"},
		"list":   nil,
		"answer": {"cid": open.CID, "ch": open.hash(), "decision": "approve"},
		"push":   {"push": nil},
		"rename": {"name": "another"},
		"unpair": nil,
		"listen": nil,
	}
	refused := func(what, endpoint, envelope string, status int, code string) {
		t.Helper()
		if r := w.send(endpoint, envelope); r.Status != status || r.Error != code {
			t.Errorf("%s: %s: %d %q, want %d %q", what, endpoint, r.Status, r.Error, status, code)
		}
	}
	// A number of things are wrong with each; nothing of it may change anything.
	for endpoint, typ := range ops {
		body := bodies[typ]
		sign := func(header, c claims) string { return ph.envelope(header, c, ph.raw) }
		head := func(more claims) claims {
			h := ph.header(typ)
			maps.Copy(h, more)
			return h
		}
		// At every other endpoint.
		for elsewhere := range ops {
			if elsewhere != endpoint {
				refused("signed for "+endpoint, elsewhere, ph.sign(typ, body), 400, "bad_request")
			}
		}
		// Another issuer, nobody's audience, a list of audiences.
		for _, aud := range []any{"https://login.example.com", "", nil, issuer + "/", []string{issuer}} {
			c := ph.with(body)
			c["aud"] = aud
			refused("another audience", endpoint, sign(head(nil), c), 400, "bad_request")
		}
		for _, jti := range []any{nil, "", "short", strings.Repeat("x", 65), 12} {
			c := ph.with(body)
			c["jti"] = jti
			refused("a poor jti", endpoint, sign(head(nil), c), 400, "bad_request")
		}
		c := ph.with(body)
		delete(c, "iat")
		refused("no iat", endpoint, sign(head(nil), c), 400, "bad_request")
		// Algorithms that are not ours.
		for _, alg := range []string{"none", "HS256", "ES384", "es256", "RS256", "EdDSA", ""} {
			refused("alg "+alg, endpoint, sign(head(claims{"alg": alg}), ph.with(body)), 400, "bad_request")
		}
		refused("alg none, no signature", endpoint, ph.envelope(head(claims{"alg": "none"}), ph.with(body), func([]byte) []byte { return nil }), 400, "bad_request")
		refused("alg HS256 by the public key", endpoint, ph.envelope(head(claims{"alg": "HS256"}), ph.with(body), func(text []byte) []byte {
			raw, err := ph.key.PublicKey.Bytes()
			w.must(err)
			m := hmac.New(sha256.New, raw)
			m.Write(text)
			return m.Sum(nil)
		}), 400, "bad_request")
		// Signatures that are not 64 bytes of r and s by this key.
		bad := map[string]func([]byte) []byte{
			"DER": func(text []byte) []byte {
				sum := sha256.Sum256(text)
				der, err := ecdsa.SignASN1(rand.Reader, ph.key, sum[:])
				w.must(err)
				return der
			},
			"63 bytes":       func(text []byte) []byte { return ph.raw(text)[:63] },
			"65 bytes":       func(text []byte) []byte { return append(ph.raw(text), 0) },
			"zeros":          func([]byte) []byte { return make([]byte, 64) },
			"another digest": func(text []byte) []byte { sum := sha512.Sum384(text); return ph.raw(sum[:]) },
			"another key":    berts.raw,
			"ES384's": func(text []byte) []byte {
				k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
				w.must(err)
				sum := sha256.Sum256(text)
				r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
				w.must(err)
				out := make([]byte, 96)
				r.FillBytes(out[:48])
				s.FillBytes(out[48:])
				return out
			},
		}
		for what, sig := range bad {
			refused("signature "+what, endpoint, ph.envelope(head(nil), ph.with(body), sig), 401, "invalid_device")
		}
		// What is signed is what is sent.
		parts := strings.Split(ph.sign(typ, body), ".")
		edited := ph.with(body)
		edited["name"] = "edited"
		text, err := json.Marshal(edited)
		w.must(err)
		refused("edited claims", endpoint, parts[0]+"."+b64.EncodeToString(text)+"."+parts[2], 401, "invalid_device")
		// Headers that say more than they may.
		for _, crit := range []claims{{"crit": []string{"exp"}, "exp": 1}, {"crit": []string{"b64"}, "b64": true}, {"crit": []string{}}, {"crit": nil}, {"crit": "b64"}} {
			refused("crit", endpoint, sign(head(crit), ph.with(body)), 400, "bad_request")
		}
		// Names are compared letter for letter, and stand once.
		for was, other := range map[string]string{"aud": "AUD", "iat": "Iat", "jti": "JTI"} {
			c := ph.with(body)
			c[other] = c[was]
			delete(c, was)
			refused(other+" for "+was, endpoint, sign(head(nil), c), 400, "bad_request")
		}
		twice, err := json.Marshal(ph.with(body))
		w.must(err)
		refused("aud twice", endpoint, ph.envelopeOf(head(nil), append([]byte(`{"aud":"https://login.example.com",`), twice[1:]...), ph.raw), 400, "bad_request")
		if typ == "pair" {
			refused("kid at pair", endpoint, sign(head(claims{"kid": ph.id}), ph.with(body)), 400, "bad_request")
			continue
		}
		refused("jwk beside kid", endpoint, sign(head(claims{"jwk": jwk(&ph.key.PublicKey)}), ph.with(body)), 400, "bad_request")
		// Another device, another person, nobody.
		refused("another's kid", endpoint, sign(head(claims{"kid": other.id}), ph.with(body)), 401, "invalid_device")
		refused("another person's kid", endpoint, sign(head(claims{"kid": berts.id}), ph.with(body)), 401, "invalid_device")
		refused("nobody's kid", endpoint, sign(head(claims{"kid": string(idp.NewID[idp.DeviceID]())}), ph.with(body)), 401, "invalid_device")
		refused("no kid", endpoint, sign(head(claims{"kid": ""}), ph.with(body)), 400, "bad_request")
		// Late and early, where the clock counts.
		for _, skew := range []int64{-121, 121, -1 << 40, 1 << 40} {
			c := ph.with(body)
			c["iat"] = w.now().Unix() + skew
			if typ == "answer" {
				continue // bound by the nonce
			}
			if r := w.send(endpoint, sign(head(nil), c)); r.Status != 401 || r.Error != "clock_skew" || r.ServerTime != w.now().Unix() {
				t.Errorf("%s: %d s off: %+v", endpoint, skew, r)
			}
		}
	}
	if open := ph.asked(); len(open) != 1 {
		t.Errorf("something was answered: %+v", open)
	}
	list, err := w.devices.List(t.Context(), anna.id)
	w.must(err)
	if len(list) != 3 || list[1].Name != "one" || list[2].Name != "other" {
		t.Errorf("something was changed: %+v", list)
	}

	// Challenges of others, and texts that were not shown.
	doc := challenge{open.CID, strings.Replace(open.Doc, "anna", "anne", 1)}
	for what, env := range map[string]string{
		"another text":               ph.answer(doc, "approve", nil),
		"another person":             berts.answer(open, "approve", nil),
		"a made-up cid":              ph.answer(challenge{string(idp.NewID[idp.ChallengeID]()), open.Doc}, "approve", nil),
		"another's cid":              ph.answer(challenge{o.Word(), open.Doc}, "approve", nil),
		"a denial of another person": berts.answer(open, "deny", claims{"reason": "not_me"}),
	} {
		refused(what, "answer", env, 404, "no_challenge")
	}
	for what, more := range map[string]claims{
		"another decision":    {"decision": "maybe"},
		"no decision":         {"decision": nil},
		"a reason to approve": {"reason": "not_me"},
		"another reason":      {"reason": "bored", "decision": "deny"},
		"a number to deny":    {"decision": "deny", "number": "12"},
		"a long number":       {"number": "123456789"},
		"no cid":              {"cid": ""},
		"no ch":               {"ch": ""},
	} {
		refused(what, "answer", ph.answer(open, "approve", more), 400, "bad_request")
	}

	// Twice: the same bytes are carried out once.
	for endpoint, typ := range map[string]string{"rename": "rename", "push": "push", "answer": "answer"} {
		body := bodies[typ]
		if typ == "answer" {
			body = claims{"cid": open.CID, "ch": open.hash(), "decision": "approve"}
		}
		env := ph.sign(typ, body)
		if r := w.post(endpoint, env); r.Status >= 300 {
			t.Fatalf("%s: %+v", endpoint, r)
		}
		refused("twice", endpoint, env, 400, "bad_request")
		w.later(10 * time.Second)
		refused("twice, later", endpoint, env, 400, "bad_request")
	}
	// Old requests after the memory of them has gone.
	env := ph.sign("rename", bodies["rename"])
	w.post("rename", env)
	w.later(idp.ReplayFor + time.Second)
	w.must(w.db.Sweep(t.Context(), w.now()))
	refused("after the replay memory", "rename", env, 401, "clock_skew")
	env = ph.answer(open, "approve", nil)
	if r := w.post("answer", env); r.Status != 200 || r.State != "approved" { // the same again changes nothing
		t.Errorf("an answer after its challenge: %+v", r)
	}
	refused("another mind after its challenge", "answer", ph.answer(open, "deny", nil), 409, "already_answered")

	env = other.sign("unpair", nil)
	if r := w.post("unpair", env); r.Status != 204 {
		t.Fatalf("unpair: %+v", r)
	}
	refused("twice", "unpair", env, 410, "unlinked")

	// A used pair code, by its own request.
	env = ph.sign("pair", bodies["pair"])
	if r := w.post("pair", env); r.Status != 200 {
		t.Fatalf("pair: %+v", r)
	}
	refused("a recorded request", "pair", env, 400, "bad_request")
	if r := w.post("pair", ph.sign("pair", bodies["pair"])); r.Status != 200 { // the answer was lost
		t.Errorf("pair again: %+v", r)
	}
	refused("the same code by another phone", "pair", berts.sign("pair", bodies["pair"]), 410, "pair_gone")
}

func TestKeysThatAreNone(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna")
	o, err := w.devices.StartPairing(t.Context(), anna.session)
	w.must(err)
	ph := w.phone()
	body := claims{"pair": w.pairCode(o.URI), "name": "new", "platform": "web"}
	good := jwk(&ph.key.PublicKey)
	with := func(more claims) claims {
		c := claims{}
		maps.Copy(c, good)
		maps.Copy(c, more)
		return c
	}
	big, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	w.must(err)
	raw, err := big.PublicKey.Bytes()
	w.must(err)
	for what, key := range map[string]struct {
		jwk    any
		status int
		code   string
	}{
		"P-384":           {claims{"kty": "EC", "crv": "P-384", "x": b64.EncodeToString(raw[1:49]), "y": b64.EncodeToString(raw[49:])}, 422, "bad_key"},
		"RSA":             {claims{"kty": "RSA", "n": b64.EncodeToString(bytes.Repeat([]byte{0xff}, 256)), "e": "AQAB"}, 422, "bad_key"},
		"symmetric":       {claims{"kty": "oct", "k": "AAAA"}, 422, "bad_key"},
		"off the curve":   {with(claims{"y": good["x"]}), 422, "bad_key"},
		"a private one":   {with(claims{"d": b64.EncodeToString(make([]byte, 32))}), 422, "bad_key"},
		"none":            {nil, 400, "bad_request"},
		"no coordinates":  {claims{"kty": "EC", "crv": "P-256"}, 422, "bad_key"},
		"something else":  {"x", 400, "bad_request"},
		"short ordinates": {with(claims{"x": "AA", "y": "AA"}), 422, "bad_key"},
	} {
		h := ph.header("pair")
		h["jwk"] = key.jwk
		if r := w.post("pair", ph.envelope(h, ph.with(body), ph.raw)); r.Status != key.status || r.Error != key.code {
			t.Errorf("%s: %d %q, want %d %q", what, r.Status, r.Error, key.status, key.code)
		}
	}
	for what, more := range map[string]claims{
		"no name": {"name": ""}, "a long name": {"name": strings.Repeat("x", 41)}, "an override": {"name": "a\u202eb"},
		"another platform": {"platform": "toaster"}, "a long app": {"app": strings.Repeat("x", 65)}, "no code": {"pair": ""},
		"a short code of nobody": {"pair": "", "short": "12345678"}, "a bad code": {"pair": "AAAA"}, "two of each": {"pair": []string{"a", "b"}},
	} {
		c := ph.with(body)
		maps.Copy(c, more)
		if r := w.post("pair", ph.envelope(ph.header("pair"), c, ph.raw)); r.Status != 400 || r.Error != "bad_request" {
			t.Errorf("%s: %d %q", what, r.Status, r.Error)
		}
	}
	if r := w.post("pair", ph.sign("pair", body)); r.Status != 200 {
		t.Errorf("after all that: %+v", r)
	}
}

func TestBodies(t *testing.T) {
	w := newWorld(t)
	ph := w.phone()
	ph.id = "X"
	for _, c := range []struct {
		body, kind string
		status     int
		code       string
	}{
		{"", "application/jose", 400, "bad_request"},
		{"a.b", "application/jose", 400, "bad_request"},
		{"...", "application/jose", 400, "bad_request"},
		{`{"payload":"","signatures":[]}`, "application/jose", 400, "bad_request"},
		{ph.sign("list", nil), "application/json", 400, "bad_request"},
		{ph.sign("list", nil), "", 400, "bad_request"},
		{strings.Repeat("a", device.MaxEnvelope+1), "application/jose", 413, "too_big"},
		{ph.sign("list", nil), "application/jose", 401, "invalid_device"},
	} {
		if r := w.postAs("challenges", c.body, c.kind); r.Status != c.status || r.Error != c.code {
			t.Errorf("%.40q as %q: %d %q, want %d %q", c.body, c.kind, r.Status, r.Error, c.status, c.code)
		}
	}
	if r := w.postAs("sing", "", "application/jose"); r.Status != 404 {
		t.Errorf("an operation that is none: %+v", r)
	}
}

// FuzzEnvelope: what is let in was signed, by the key that its kid names.
func FuzzEnvelope(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := key.PublicKey.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	db, sealer := idptest.Store(f, time.Now, nil), idptest.Sealer(f)
	user := &idp.User{ID: idp.NewID[idp.UserID](), Name: "anna", State: idp.UserActive}
	if err := db.AddUser(f.Context(), user); err != nil {
		f.Fatal(err)
	}
	p := &idp.Pairing{ID: idp.NewID[idp.PairingID](), User: user.ID, Account: "anna", ExpiresAt: noon.Add(time.Hour)}
	if err := db.AddPairing(f.Context(), p); err != nil {
		f.Fatal(err)
	}
	d := &idp.Device{ID: "DEVICE", User: user.ID, Name: "x", Kind: idp.DeviceApp, Platform: "web", State: idp.DeviceActive, PublicKey: raw[1:], LinkedAt: noon}
	if err := db.UpdatePairing(f.Context(), p.ID, func(*idp.Pairing) (*idp.Device, error) { return d, nil }); err != nil {
		f.Fatal(err)
	}
	reg := device.New(device.Config{Store: db, Sealer: sealer, Site: idp.Named("X"), Issuer: issuer, Now: func() time.Time { return noon }})
	ph := &phone{world: &world{T: &testing.T{}}, key: key, id: "DEVICE"}
	ph.clock.Store(noon.UnixMicro())
	signed := map[string]bool{}
	for _, op := range device.Ops {
		e := ph.sign(string(op), claims{"name": "x", "cid": "c"})
		signed[e] = true
		f.Add(string(op), e)
		f.Add(string(op), strings.Replace(e, ".", "..", 1))
		f.Add("rename", e)
	}
	f.Fuzz(func(t *testing.T, op, body string) {
		req, err := reg.Open(t.Context(), device.Op(op), body)
		if err != nil {
			return
		}
		if req.Op == device.OpPair {
			return // its key is its own
		}
		parts := strings.Split(body, ".")
		for e := range signed {
			if was := strings.Split(e, "."); was[0] == parts[0] && was[1] == parts[1] {
				return // the signature may be another text of the same numbers
			}
		}
		t.Errorf("let in: %q for %s", body, op)
	})
}

// FuzzPairClaims: whatever is claimed, what is kept of it is bounded and printable.
func FuzzPairClaims(f *testing.F) {
	f.Add(`{"aud":"https://login.example.net","iat":1,"jti":"0123456789abcdef","pair":"AAAAAAAAAAAAAAAAAAAAAA","name":"x","platform":"web","push":null}`)
	f.Add(`{"aud":"https://login.example.net","iat":1,"jti":"0123456789abcdef","account":"anna","short":"ABCD-EFGH","name":"x","platform":"ios","app":"a/1","push":{"type":"fcm","token":"t"}}`)
	f.Add(`{"name":"\u0000","platform":7}`)
	f.Fuzz(func(t *testing.T, text string) {
		var c device.Claims
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		d, err := device.CheckClaims(&c)
		if err != nil {
			return
		}
		if n := len([]rune(d.Name)); n == 0 || n > idp.MaxDeviceName || strings.ContainsFunc(d.Name+d.App, func(r rune) bool { return r < ' ' || r == '\u202e' }) || len([]rune(d.App)) > 64 {
			t.Errorf("kept %q %q", d.Name, d.App)
		}
	})
}
