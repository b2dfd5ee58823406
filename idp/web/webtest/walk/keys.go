package walk

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"sync"
	"testing"

	"hilum/idp"
	"hilum/idp/idptest"
)

// primes are those of the RSA key of every walk, found once: that takes longer than all
// else that a walk begins with.
var primes = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// sign gives the provider its first RSA key, as its ring would make it: sealed for it, and
// under an id of its own.
func (w *Walk) sign(t testing.TB) {
	t.Helper()
	key := idptest.Must(primes())(t)
	private := idptest.Must(x509.MarshalPKCS8PrivateKey(key))(t)
	k := idp.SigningKey{ID: idp.NewID[idp.KeyID](), Alg: "RS256", CreatedAt: w.Clock.Now(), ActiveAt: w.Clock.Now()}
	k.Public = idptest.Must(x509.MarshalPKIXPublicKey(&key.PublicKey))(t)
	k.Sealed = idptest.Must(w.Sealer.Seal(private, string(k.ID)))(t)
	e := idp.Event{At: k.CreatedAt, Kind: idp.EventKeyRotated, Actor: idp.Actor{Name: "provider"}, Detail: map[string]string{"change": "made", "alg": k.Alg, "key": string(k.ID)}}
	if err := w.DB.UpdateSigningKeys(t.Context(), func([]idp.SigningKey) ([]idp.SigningKey, error) { return []idp.SigningKey{k}, nil }, e); err != nil {
		t.Fatal(err)
	}
}
