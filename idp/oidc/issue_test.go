package oidc

import (
	"context"
	"crypto"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
	"hilum/idp/claim"
	"hilum/idp/keyring"
)

var update = flag.Bool("update", os.Getenv("UPDATE") != "", "rewrite golden files; UPDATE=1 does so, too")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s changed:\n%s\nwant:\n%s", name, got, want)
	}
}

// payloadOf verifies a token and returns header and claims as they were signed.
func payloadOf(t testing.TB, k keyring.Key, token string) (header jose.Header, payload []byte) {
	t.Helper()
	sig, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(k.Alg)})
	if err != nil {
		t.Fatal(err)
	}
	payload, err = sig.Verify(k.Public)
	if err != nil {
		t.Fatal(err)
	}
	return sig.Signatures[0].Protected, payload
}

// people is a store of one person.
type people struct {
	Store
	user *idp.User
}

func (p people) User(ctx context.Context, _ idp.UserID) (*idp.User, error) { return p.user, ctx.Err() }

var (
	noon  = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)
	grant = &idp.Grant{
		ID: "GRANT", Client: "viewer", User: "USER", Session: "SESSION",
		Scopes: []string{"openid", "profile", "email", "phone", "groups", "roles"}, Nonce: "n-0S6_WzA2Mj",
		ACR: idp.ACRMultiFactor, AMR: []string{"pwd", "otp", "mfa"}, AuthTime: noon.Add(-time.Minute), ExpiresAt: noon.Add(12 * time.Hour),
	}
	anna = &idp.User{
		ID: "USER", Name: "anna", DisplayName: "Anna \"A\" Röntgen", GivenName: "Anna", FamilyName: "Röntgen",
		Email: "anna@klinik.test", Phone: "+49 30 1234", PhoneVerified: true, Locale: "de-DE",
		Roles: []string{"radiologist"}, Groups: []string{"mri", "ct"}, UpdatedAt: noon.Add(-time.Hour),
	}
)

func issuing(u *idp.User) *Server {
	return &Server{conf: Config{Issuer: "https://idp.test", Keys: ring(), Store: people{user: u}, AccessTTL: 15 * time.Minute, RefreshIdle: 90 * time.Minute}}
}

// TestIDTokenClaims holds every byte of what an ID token says.
func TestIDTokenClaims(t *testing.T) {
	s := issuing(anna)
	for name, c := range map[string]*idp.Client{
		"idtoken.json":        {ID: "viewer"},
		"idtoken_claims.json": {ID: "viewer", ClaimsInID: true},
	} {
		o := issuance{client: c, grant: grant, scopes: grant.Scopes, withNonce: true, at: noon}
		signed, err := s.idToken(t.Context(), o, "an access token", noon.Add(15*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		k, _ := ring().Signer(keyring.RS256)
		_, payload := payloadOf(t, k, string(signed))
		golden(t, name, payload)
	}
}

// TestAccessJWTClaims holds what an at+jwt access token says (RFC 9068).
func TestAccessJWTClaims(t *testing.T) {
	s := issuing(anna)
	c := &idp.Client{ID: "viewer", AccessFormat: idp.AccessJWT, Audience: []string{"https://pacs.test", "viewer"}}
	m, err := s.issueTokens(t.Context(), issuance{client: c, grant: grant, scopes: []string{"openid", "pacs"}, at: noon})
	if err != nil {
		t.Fatal(err)
	}
	var got tokens
	if err := json.Unmarshal(m.body, &got); err != nil {
		t.Fatal(err)
	}
	k, _ := ring().Signer(keyring.RS256)
	header, payload := payloadOf(t, k, got.Access)
	if header.ExtraHeaders[jose.HeaderType] != "at+jwt" {
		t.Errorf("typ %v", header.ExtraHeaders)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if id, _ := claims["jti"].(string); len(id) < 22 {
		t.Errorf("jti %q has less than 128 bits", id)
	}
	claims["jti"] = "…"
	stable, _ := json.MarshalIndent(claims, "", "  ")
	golden(t, "access.json", append(stable, '\n'))
	if m.issue.Access.Hash != idp.Secret(got.Access).Hash() {
		t.Error("what is stored is not the hash of the whole token")
	}
}

// TestEachAlgorithmVerifies signs with each key and lets go-jose verify.
func TestEachAlgorithmVerifies(t *testing.T) {
	s := issuing(anna)
	for _, alg := range []string{keyring.RS256, keyring.ES256, keyring.PS256, keyring.EdDSA} {
		o := issuance{client: &idp.Client{ID: "viewer", IDTokenAlg: alg}, grant: grant, scopes: grant.Scopes, at: noon}
		signed, err := s.idToken(t.Context(), o, "an access token", noon.Add(time.Minute))
		if err != nil {
			t.Fatal(alg, err)
		}
		k, _ := ring().Signer(alg)
		header, _ := payloadOf(t, k, string(signed))
		if header.Algorithm != alg || header.KeyID != string(k.ID) || header.ExtraHeaders[jose.HeaderType] != "JWT" {
			t.Errorf("%s: header %+v", alg, header)
		}
	}
}

func TestNoIDTokenWithoutSubject(t *testing.T) {
	nobody := *grant
	nobody.User = ""
	o := issuance{client: &idp.Client{ID: "viewer"}, grant: &nobody, scopes: nobody.Scopes, at: noon}
	if m, err := issuing(anna).issueTokens(t.Context(), o); err == nil {
		t.Errorf("an ID token about nobody: %s", m.body)
	}
}

func TestTokensEndWithTheSession(t *testing.T) {
	short := *grant
	short.ExpiresAt = noon.Add(time.Minute)
	o := issuance{client: &idp.Client{ID: "viewer"}, grant: &short, scopes: short.Scopes, refreshScopes: short.Scopes, at: noon}
	m, err := issuing(anna).issueTokens(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !m.issue.Access.ExpiresAt.Equal(short.ExpiresAt) || !m.issue.Refresh.ExpiresAt.Equal(short.ExpiresAt) {
		t.Errorf("access until %s, refresh until %s; the session ends %s", m.issue.Access.ExpiresAt, m.issue.Refresh.ExpiresAt, short.ExpiresAt)
	}
	if !strings.Contains(string(m.body), `"expires_in":60,`) {
		t.Errorf("expires_in: %s", m.body)
	}
}

func TestUnverifiedEmailIsSaid(t *testing.T) {
	b := claim.Append([]byte(`{"sub":"x"`), anna, nil, func(c *claim.Claim) bool { return c.Scope == scopeEmail })
	if want := `{"sub":"x","email":"anna@klinik.test","email_verified":false`; string(b) != want {
		t.Errorf("got %s, want %s", b, want)
	}
}

// FuzzAppendString: what is written parses, and parses to what was given.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", `"\`, "\x00\x1f\x7f", "Röntgen", "\xff\xfe", "a\u2028b</script>", "😀\xf0\x9f", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		b := claim.AppendString(nil, s)
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q became %s: %v", s, b, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); utf8.ValidString(s) && got != s || utf8.RuneCountInString(got) < utf8.RuneCountInString(want) {
			t.Fatalf("%q came back as %q", s, got)
		}
		var viaStd string
		std, _ := json.Marshal(s)
		if err := json.Unmarshal(std, &viaStd); err != nil || viaStd != got {
			t.Fatalf("%q: we say %q, encoding/json %q", s, got, viaStd)
		}
	})
}

// FuzzClaims: a name is a name, whatever its letters.
func FuzzClaims(f *testing.F) {
	f.Add("Anna", "mri", "n")
	f.Add(`","sub":"admin`, `"]}`, "\x00")
	f.Fuzz(func(t *testing.T, name, group, nonce string) {
		u := *anna
		u.DisplayName, u.Groups = name, []string{group}
		g := *grant
		g.Nonce = nonce
		o := issuance{client: &idp.Client{ID: "viewer", ClaimsInID: true, IDTokenAlg: keyring.ES256}, grant: &g, scopes: g.Scopes, withNonce: true, at: noon}
		signed, err := issuing(&u).idToken(t.Context(), o, "token", noon.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		claims := claimsOf(t, string(signed))
		valid := func(s string) string { b, _ := json.Marshal(s); var v string; _ = json.Unmarshal(b, &v); return v }
		got, _ := claims["name"].(string)
		groups, _ := claims["groups"].([]any)
		n, _ := claims["nonce"].(string)
		if claims["sub"] != "USER" || got != valid(name) || len(groups) != 1 || groups[0] != valid(group) || n != valid(nonce) {
			t.Fatalf("name %q, group %q, nonce %q became %v", name, group, nonce, claims)
		}
	})
}

// signless is a key that costs nothing, so that what is measured is the rest.
type signless struct{ keyring.Key }

func (s signless) Signer(string) (keyring.Key, error) { return s.Key, nil }
func (s signless) Public() []keyring.Key              { return nil }
func (s signless) Version() uint64                    { return 0 }

type noSigner struct{}

func (noSigner) Public() crypto.PublicKey { return nil }
func (noSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, 256), nil
}

// BenchmarkMint is all of a token answer but the signature.
func BenchmarkMint(b *testing.B) {
	s := issuing(anna)
	s.conf.Keys = signless{keyring.Key{ID: idp.NewID[idp.KeyID](), Alg: keyring.RS256, Signer: noSigner{}}}
	o := issuance{client: &idp.Client{ID: "viewer"}, grant: grant, scopes: grant.Scopes, refreshScopes: grant.Scopes, at: noon}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.issueTokens(b.Context(), o); err != nil {
			b.Fatal(err)
		}
	}
}
