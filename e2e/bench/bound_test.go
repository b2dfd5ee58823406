package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp/keyring"
)

// bound is an application that proves itself by a key, pushes its requests, and has its tokens
// bound to another key: what FAPI 2.0 demands.
type bound struct {
	client
	issuer       string
	own, holders *ecdsa.PrivateKey
	proofHeader  string // of its proofs, encoded
}

const ownKeyID = "bench"

// newBound registers it.
func newBound(t testing.TB, s *site) *bound {
	t.Helper()
	b := &bound{issuer: "http://" + s.host}
	for _, to := range []**ecdsa.PrivateKey{&b.own, &b.holders} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		check(t, err)
		*to = key
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: b.own.Public(), KeyID: ownKeyID, Use: "sig"}}})
	check(t, err)
	file := filepath.Join(t.TempDir(), "keys.json")
	check(t, os.WriteFile(file, set, 0o600))
	b.client = s.register(t, "Viewer by key", "--alg", "ES256", "--redirect-uri", callback, "--refresh-always", "--jwks", file, "--require-par", "--dpop")
	jwk, err := json.Marshal(jose.JSONWebKey{Key: b.holders.Public()})
	check(t, err)
	b.proofHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"dpop+jwt","alg":"ES256","jwk":` + string(jwk) + `}`))
	return b
}

// sign makes a JWT by ES256.
func sign(key *ecdsa.PrivateKey, header, claims string) (string, error) {
	input := header + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", err
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

var assertionHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"` + ownKeyID + `"}`))

// post asks an endpoint as the application, with a proof of the other key. nonce is the one of
// the provider's last answer.
func (b *bound) post(on *conn, path string, form url.Values, nonce *string, want int) (*reply, error) {
	for range 2 { // without a good nonce the first time only tells it
		now := time.Now().Unix()
		assertion, err1 := sign(b.own, assertionHeader, fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":%q,"jti":%q,"iat":%d,"exp":%d}`, b.id, b.id, b.issuer, rand.Text(), now, now+60))
		proof, err2 := sign(b.holders, b.proofHeader, fmt.Sprintf(`{"jti":%q,"htm":"POST","htu":%q,"iat":%d,"nonce":%q}`, rand.Text(), b.issuer+path, now, *nonce))
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		a, err := on.ask("POST", path, "DPoP: "+proof+"\r\n", form.Encode())
		if err != nil {
			return nil, err
		}
		if a.nonce != "" {
			*nonce = a.nonce
		}
		switch {
		case a.status == want:
			return a, nil
		case a.status != 400 || !strings.Contains(string(a.body), "use_dpop_nonce"):
			return nil, fmt.Errorf("POST %s: %d %s", path, a.status, a.body)
		}
	}
	return nil, fmt.Errorf("POST %s: no nonce is good", path)
}

// signIn pushes a request, has it answered in a session, and redeems the code for bound tokens.
func (b *bound) signIn(on *conn, session string, nonce *string) error {
	sum := sha256.Sum256([]byte(verifier))
	a, err := b.post(on, "/par", url.Values{
		"response_type": {"code"}, "client_id": {b.id}, "redirect_uri": {callback}, "scope": {"openid profile email"},
		"state": {"a state of some length"}, "nonce": {"a nonce of some length"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}, nonce, 201)
	if err != nil {
		return err
	}
	uri, err := field(a.body, "request_uri")
	if err != nil {
		return err
	}
	if a, err = on.ask("GET", "/authorize?"+url.Values{"client_id": {b.id}, "request_uri": {uri}}.Encode(), session, ""); err != nil {
		return err
	}
	code, err := codeOf(a)
	if err != nil {
		return fmt.Errorf("%w: %d %.2000s", err, a.status, a.body)
	}
	a, err = b.post(on, "/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}, nonce, 200)
	if err != nil {
		return err
	}
	if kind, err := field(a.body, "token_type"); err != nil || kind != "DPoP" {
		return fmt.Errorf("the tokens are not bound: %s", a.body)
	}
	return nil
}

// boundSignIns go the way of FAPI 2.0 in a session, each worker by itself.
func boundSignIns(t testing.TB, s *site, workers int) (int, func(*conn, int, int) error) {
	b, _ := signedIn(t, s, s.dial(t), s.clients["ES256"])
	session, nonces := b.header(), make([]string, workers)
	return endless, func(on *conn, w, _ int) error { return s.byKey.signIn(on, session, &nonces[w]) }
}

// swaps has a gateway exchange a person's token for one of its own (RFC 8693), which is a JWT.
func swaps(t testing.TB, s *site, _ int) (int, func(*conn, int, int) error) {
	_, body := signedIn(t, s, s.dial(t), s.clients[forGateway])
	access, err := field(body, "access_token")
	check(t, err)
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "audience": {"archive"},
		"subject_token": {access}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
	}.Encode()
	return endless, func(on *conn, _, _ int) error {
		a, err := on.ask("POST", "/token", s.gateway.basic, form)
		if err != nil {
			return err
		}
		token, err := field(a.body, "access_token")
		if err != nil || a.status != 200 || strings.Count(token, ".") != 2 {
			return fmt.Errorf("token exchange: %d %s", a.status, a.body)
		}
		return nil
	}
}

// boundLimit is what no sign-in by keys can do without: two assertions and two proofs are
// verified, and an ID token is signed.
func boundLimit(dir string) (func() error, error) {
	signs, err := signature(dir, keyring.ES256)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(make([]byte, 600))
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	return func() error {
		for range 4 {
			if !ecdsa.VerifyASN1(&key.PublicKey, sum[:], sig) {
				return errors.New("a signature is not good")
			}
		}
		return signs()
	}, err
}

// twice is what an answer with an ID token and a JWT as access token costs at least.
func twice(dir string) (func() error, error) {
	signs, err := signature(dir, keyring.ES256)
	return func() error { return errors.Join(signs(), signs()) }, err
}
