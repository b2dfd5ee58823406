package oidc

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
	"hilum/idp/keyring"
)

// ring holds a key of each algorithm, made once for all tests.
var ring = sync.OnceValue(func() *keyring.Ring {
	r, err := keyring.Open(context.Background(), keyring.Config{
		Store: &memoryKeys{}, Sealer: plainSealer{},
		Algs: []string{keyring.RS256, keyring.ES256, keyring.PS256, keyring.EdDSA},
		Log:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	return r
})

type memoryKeys struct{ rows []idp.SigningKey }

func (m *memoryKeys) SigningKeys(context.Context) ([]idp.SigningKey, error) {
	return slices.Clone(m.rows), nil
}

func (m *memoryKeys) UpdateSigningKeys(_ context.Context, fn func([]idp.SigningKey) ([]idp.SigningKey, error), _ idp.Event) error {
	rows, err := fn(slices.Clone(m.rows))
	if err == nil {
		m.rows = rows
	}
	return err
}

type plainSealer struct{}

func (plainSealer) Seal(plain []byte, _ string) ([]byte, error)  { return plain, nil }
func (plainSealer) Open(sealed []byte, _ string) ([]byte, error) { return sealed, nil }

// tokens is the answer of the token endpoint.
type tokens struct {
	Access    string `json:"access_token"`
	Type      string `json:"token_type"`
	ExpiresIn int    `json:"expires_in"`
	Refresh   string `json:"refresh_token"`
	ID        string `json:"id_token"`
	Scope     string `json:"scope"`
	Error     string `json:"error"`
	Describe  string `json:"error_description"`
}

// claimsOf verifies a token with another library and returns its claims.
func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	sig, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256, jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range ring().Public() {
		if string(k.ID) != sig.Signatures[0].Protected.KeyID {
			continue
		}
		payload, err := sig.Verify(k.Public)
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		return claims
	}
	t.Fatal("the token's key is not published")
	return nil
}
