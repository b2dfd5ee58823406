package device_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/totp"
)

// exchange reads the exchange that the published protocol shows: each part by its name.
func exchange(t *testing.T) (page string, parts map[string]string) {
	t.Helper()
	raw, err := os.ReadFile("../../docs/device-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, page, ok := strings.Cut(string(raw), "## An exchange, byte by byte\n")
	if !ok {
		t.Fatal("the page shows no exchange")
	}
	parts = map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z -]+):\n\n    (.+)$`).FindAllStringSubmatch(page, -1) {
		parts[m[1]] = m[2]
	}
	return page, parts
}

// privateKey reads a private JWK of the page.
func privateKey(t *testing.T, jwk string) *ecdsa.PrivateKey {
	t.Helper()
	var k struct{ X, Y, D string }
	if err := json.Unmarshal([]byte(jwk), &k); err != nil {
		t.Fatal(err)
	}
	d, err := base64.RawURLEncoding.DecodeString(k.D)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		t.Fatal(err)
	}
	if point := pointOf(t, key); base64.RawURLEncoding.EncodeToString(point[:32]) != k.X || base64.RawURLEncoding.EncodeToString(point[32:]) != k.Y {
		t.Fatalf("another public half than that of %s", jwk)
	}
	return key
}

func pointOf(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	raw, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw[1:]
}

// signed is the envelope of a header and claims, with the one signature of RFC 6979.
func signed(t *testing.T, key *ecdsa.PrivateKey, header, claims string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	sum := sha256.Sum256([]byte(text))
	der, err := key.Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	var s struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &s); err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 64)
	s.R.FillBytes(out[:32])
	s.S.FillBytes(out[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(out)
}

// The exchange that the page shows is what comes out when its keys sign its headers and
// claims, byte for byte, and is taken here.
func TestExchangeOfThePage(t *testing.T) {
	page, parts := exchange(t)
	first, second := privateKey(t, parts["key"]), privateKey(t, parts["second key"])
	var paired struct {
		DeviceID   idp.DeviceID `json:"device_id"`
		Issuer     string
		ServerTime int64 `json:"server_time"`
		Tag        string
		OTP        struct{ Secret string }
	}
	if err := json.Unmarshal([]byte(parts["pair answer"]), &paired); err != nil {
		t.Fatal(err)
	}
	one := idp.Device{ID: paired.DeviceID, PublicKey: pointOf(t, first), UVKey: pointOf(t, second)}
	now := time.Unix(paired.ServerTime, 0)
	r := device.New(device.Config{Store: speakers{one: idp.Speaker{Device: one}}, Issuer: paired.Issuer, Now: func() time.Time { return now }})
	for _, c := range []struct {
		step string
		op   device.Op
		key  *ecdsa.PrivateKey
		doc  string
	}{
		{"pair", device.OpPair, first, ""}, {"linking", device.OpAnswer, first, "linking doc"}, {"list", device.OpList, first, ""}, {"sign-in", device.OpAnswer, second, "sign-in doc"},
	} {
		envelope := parts[c.step+" envelope"]
		if got := signed(t, c.key, parts[c.step+" header"], parts[c.step+" claims"]); got != envelope {
			t.Errorf("%s: the envelope is\n%s\nthe page has\n%s", c.step, got, envelope)
		}
		req, err := r.Open(t.Context(), c.op, envelope)
		if err != nil {
			t.Errorf("%s is refused: %v", c.step, err)
			continue
		}
		if req.Verified != (c.key == second) {
			t.Errorf("%s: verified is %v", c.step, req.Verified)
		}
		if c.doc != "" {
			if ch := (&idp.Challenge{Doc: parts[c.doc]}).DocHash(); req.Claims.DocHash != ch || !strings.Contains(parts[c.doc], string(req.Claims.CID)) {
				t.Errorf("%s is about %s %s, the text has %s", c.step, req.Claims.CID, req.Claims.DocHash, ch)
			}
		}
	}
	if paired.Tag != one.Tag() {
		t.Errorf("the tag is %s, the page has %s", one.Tag(), paired.Tag)
	}
	if !strings.Contains(page, fmt.Sprintf("Content-Length: %d\n", len(parts["pair envelope"]))) {
		t.Errorf("the body to pair has %d bytes", len(parts["pair envelope"]))
	}
	secret, err := base32.StdEncoding.DecodeString(paired.OTP.Secret)
	if err != nil {
		t.Fatal(err)
	}
	const at = 1772366430
	if !strings.Contains(page, fmt.Sprintf("The code at %d is `%s`", at, totp.Code(secret, time.Unix(at, 0)))) {
		t.Errorf("the code at %d is %s", at, totp.Code(secret, time.Unix(at, 0)))
	}
}
