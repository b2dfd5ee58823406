package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func made[K any](t *testing.T) func(K, error) K {
	return func(k K, err error) K {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

func jwk(t *testing.T, key any, kid, alg, use string) string {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: alg, Use: use})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParse(t *testing.T) {
	p256 := made[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384 := made[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	big := made[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := func(k crypto.Signer) any { return k.Public() }
	ec, rs, okp := jwk(t, public(p256), "ec", "", "sig"), jwk(t, public(big), "rsa", "PS256", ""), jwk(t, public(ed), "ed", "EdDSA", "sig")
	for name, c := range map[string]struct {
		text string
		want error
		kids string
	}{
		"all three kinds":            {`{"keys":[` + ec + "," + rs + "," + okp + `]}`, nil, "ec rsa ed"},
		"unknown kinds are left out": {`{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"},` + ec + `]}`, nil, "ec"},
		"another curve is left out":  {`{"keys":[` + jwk(t, public(p384), "big", "", "") + "," + okp + `]}`, nil, "ed"},
		"encryption is left out":     {`{"keys":[` + jwk(t, public(p256), "enc", "", "enc") + "," + rs + `]}`, nil, "rsa"},
		"an algorithm not of it":     {`{"keys":[` + jwk(t, public(p256), "odd", "PS256", "") + `]}`, ErrNone, ""},
		"a private key":              {`{"keys":[` + jwk(t, p256, "ec", "", "") + `]}`, ErrPrivate, ""},
		"a symmetric key":            {`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`, ErrPrivate, ""},
		"a small RSA key":            {`{"keys":[{"kty":"RSA","n":"` + strings.Repeat("q", 171) + `","e":"AQAB"}]}`, ErrNone, ""},
		"nothing":                    {`{"keys":[]}`, ErrNone, ""},
		"a single key":               {ec, ErrMalformed, ""},
		"no JSON":                    {"-----BEGIN PUBLIC KEY-----", ErrMalformed, ""},
		"a list of texts":            {`{"keys":["ec"]}`, ErrMalformed, ""},
		"too many":                   {`{"keys":[` + strings.Repeat(okp+",", MaxKeys) + okp + `]}`, ErrMalformed, ""},
		"too long":                   {`{"keys":[` + ec + `],"x":"` + strings.Repeat("x", MaxBytes) + `"}`, ErrMalformed, ""},
	} {
		set, err := Parse([]byte(c.text))
		var kids []string
		for _, k := range set {
			kids = append(kids, k.KeyID)
		}
		if !errors.Is(err, c.want) || strings.Join(kids, " ") != c.kids {
			t.Errorf("%s: %v %v", name, kids, err)
		}
	}
	set, err := Parse([]byte(`{"keys":[` + ec + "," + rs + "," + okp + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kid, alg string
		n        int
	}{
		{"ec", "ES256", 1}, {"ec", "PS256", 0}, {"", "PS256", 1}, {"", "RS256", 0}, {"rsa", "RS256", 0}, {"", "EdDSA", 1}, {"other", "ES256", 0}, {"", "HS256", 0}, {"", "none", 0},
	} {
		if got := set.For(c.kid, c.alg); len(got) != c.n {
			t.Errorf("%q %s: %d keys", c.kid, c.alg, len(got))
		}
	}
	if got := Compact("{ \"keys\": [\n " + ec + " ] }"); got != `{"keys":[`+ec+`]}` {
		t.Errorf("compact: %s", got)
	}
}
