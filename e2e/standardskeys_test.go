package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const assertionKind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// keyHolder signs assertions, proofs and request objects.
type keyHolder struct {
	t   testing.TB
	key *ecdsa.PrivateKey
	kid string
}

// newKeyHolder has a new key.
func newKeyHolder(t testing.TB) *keyHolder {
	t.Helper()
	return &keyHolder{t: t, key: must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), kid: "key"}
}

func (k *keyHolder) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.key.Public(), KeyID: k.kid, Use: "sig", Algorithm: "ES256"}
}

// set is the public key as a JWK Set.
func (k *keyHolder) set() []byte {
	return must[[]byte](k.t)(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.public()}}))
}

func (k *keyHolder) thumbprint() string {
	public := k.public()
	return base64.RawURLEncoding.EncodeToString(must[[]byte](k.t)(public.Thumbprint(crypto.SHA256)))
}

// sign makes a JWT of a type; whole puts the public key into its header, in place of its name.
func (k *keyHolder) sign(typ string, whole bool, claims map[string]any) string {
	k.t.Helper()
	o := &jose.SignerOptions{EmbedJWK: whole}
	if typ != "" {
		o = o.WithType(jose.ContentType(typ))
	}
	if !whole {
		o = o.WithHeader("kid", k.kid)
	}
	by := must[jose.Signer](k.t)(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.key}, o))
	return must[string](k.t)(must[*jose.JSONWebSignature](k.t)(by.Sign(must[[]byte](k.t)(json.Marshal(claims)))).CompactSerialize())
}

// changed puts some claims in the place of others, and returns them all; nil takes one out.
func changed(claims map[string]any, all ...any) map[string]any {
	for i := 0; i < len(all); i += 2 {
		name, _ := all[i].(string)
		if claims[name] = all[i+1]; all[i+1] == nil {
			delete(claims, name)
		}
	}
	return claims
}

// assertion is a client assertion for an issuer.
func (k *keyHolder) assertion(issuer, id string, all ...any) string {
	k.t.Helper()
	now := time.Now().Unix()
	return k.sign("client-authentication+jwt", false, changed(map[string]any{"iss": id, "sub": id, "aud": issuer, "jti": rand.Text(), "iat": now, "exp": now + 60}, all...))
}

// proofOf is a DPoP proof; access is the token that is sent with it, or empty.
func (k *keyHolder) proofOf(method, address, access, nonce string, all ...any) string {
	k.t.Helper()
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": address, "iat": time.Now().Unix()}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if access != "" {
		sum := sha256.Sum256([]byte(access))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return k.sign("dpop+jwt", true, changed(claims, all...))
}

// nonce is a nonce of the provider for proofs.
func (w *walk) nonce(k *keyHolder) string {
	w.Helper()
	a := w.form("/token", url.Values{"grant_type": {"authorization_code"}, "code": {"none"}, "redirect_uri": {redirectOf("native-dpop")}, "client_id": {"native-dpop"}}, "DPoP", k.proofOf(http.MethodPost, w.x.issuer+"/token", "", ""))
	if a.head.Get("DPoP-Nonce") == "" {
		w.Fatalf("no nonce: %d %s", a.status, a.body)
	}
	return a.head.Get("DPoP-Nonce")
}

// asKeyed posts a form as an application that proves itself by the key.
func (w *walk) asKeyed(id, path string, form url.Values, headers ...string) *answer {
	w.Helper()
	if form == nil {
		form = url.Values{}
	}
	form.Set("client_assertion_type", assertionKind)
	if !form.Has("client_assertion") {
		form.Set("client_assertion", w.x.key.assertion(w.x.issuer, id))
	}
	return w.form(path, form, headers...)
}
