package device_test

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/totp"
)

// speakers knows one device.
type speakers struct {
	device.Store
	one idp.Speaker
}

func (s speakers) Speaker(_ context.Context, id idp.DeviceID) (*idp.Speaker, error) {
	if id != s.one.Device.ID {
		return nil, idp.ErrNotFound
	}
	return &s.one, nil
}

// The examples of the protocol, which the phone app is held to as well (static/test),
// are what is taken here: envelopes, digests of challenges, codes and links.
func TestVectorsOfTheProtocol(t *testing.T) {
	raw, err := os.ReadFile("../../docs/device-protocol-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Key       struct{ X, Y string }
		Issuer    string
		Device    idp.DeviceID
		Now       int64
		Envelopes []struct {
			Operation device.Op
			JTI       string
			Claims    json.RawMessage
			JWS       string
		}
		Challenges []struct{ Why, Doc, CH string }
		Codes      []struct {
			Secret         string
			Digits, Period int
			At             int64
			Code           string
		}
		Links []struct{ Why, Text, Label, Account, Host, Pair string }
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	var key []byte
	for _, part := range []string{v.Key.X, v.Key.Y} {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		key = append(key, b...)
	}
	now := time.Unix(v.Now, 0)
	r := device.New(device.Config{
		Store:  speakers{one: idp.Speaker{Device: idp.Device{ID: v.Device, PublicKey: key}}},
		Issuer: v.Issuer, Now: func() time.Time { return now },
	})
	var ops []device.Op
	for _, e := range v.Envelopes {
		ops = append(ops, e.Operation)
		req, err := r.Open(t.Context(), e.Operation, e.JWS)
		if err != nil {
			t.Errorf("%s: %v", e.Operation, err)
			continue
		}
		var want device.Claims
		if err := json.Unmarshal(e.Claims, &want); err != nil {
			t.Fatal(err)
		}
		signed := float64(v.Now)
		want.Audience, want.IssuedAt, want.JTI = v.Issuer, &signed, e.JTI
		if a, b := asJSON(t, req.Claims), asJSON(t, want); a != b {
			t.Errorf("%s: says\n%s, wants\n%s", e.Operation, a, b)
		}
		if e.Operation == device.OpPair && string(req.Key) != string(key) {
			t.Error("pairs another key")
		}
		head, rest, _ := strings.Cut(e.JWS, ".")
		claims, signature, _ := strings.Cut(rest, ".")
		forged := base64.RawURLEncoding.EncodeToString([]byte(`{"aud":"` + v.Issuer + `","iat":0,"jti":"` + e.JTI + `"}`))
		for what, jws := range map[string]string{"other claims": head + "." + forged + "." + signature, "another signature": head + "." + claims + "." + strings.Repeat("A", len(signature))} {
			if _, err := r.Open(t.Context(), e.Operation, jws); !errors.Is(err, device.ErrStranger) {
				t.Errorf("%s with %s: %v", e.Operation, what, err)
			}
		}
		for _, other := range device.Ops {
			if _, err := r.Open(t.Context(), other, e.JWS); (err == nil) != (other == e.Operation) {
				t.Errorf("%s as %s: %v", e.Operation, other, err)
			}
		}
	}
	all := slices.Clone(device.Ops)
	slices.Sort(all)
	slices.Sort(ops)
	if !slices.Equal(ops, all) {
		t.Errorf("examples of %v, there are %v", ops, all)
	}
	for _, c := range v.Challenges {
		if got := (&idp.Challenge{Doc: c.Doc}).DocHash(); got != c.CH {
			t.Errorf("%s: ch is %s, want %s", c.Why, got, c.CH)
		}
	}
	for _, c := range v.Codes {
		if c.Digits != totp.Digits || c.Period != totp.Period {
			continue // of RFC 6238; ours have six digits
		}
		secret, err := base32.StdEncoding.DecodeString(c.Secret)
		if err != nil {
			t.Fatal(err)
		}
		if got := totp.Code(secret, time.Unix(c.At, 0)); got != c.Code {
			t.Errorf("the code at %d is %s, want %s", c.At, got, c.Code)
		}
	}
	for _, l := range v.Links {
		if l.Host == "" {
			continue // one that is refused
		}
		u, err := url.Parse(l.Text)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := base32.StdEncoding.DecodeString(u.Query().Get("secret"))
		if err != nil {
			t.Fatal(err)
		}
		if got := totp.URI(l.Label, l.Account, secret, totp.Extra{Name: "idp", Value: l.Host}, totp.Extra{Name: "pair", Value: l.Pair}); got != l.Text {
			t.Errorf("%s:\n got %s\nwant %s", l.Why, got, l.Text)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
