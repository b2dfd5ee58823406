package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/go-jose/go-jose/v4"

	"hilum/cmd/phone/phone"
)

// signer is a relying party under FAPI 2.0 Message Signing: it proves itself, signs its
// requests and binds its tokens by one key, and believes what the provider has signed.
type signer struct {
	t          testing.TB
	d          *demo
	id         string
	redirect   string
	key        *ecdsa.PrivateKey
	nonce      string // of the provider, for proofs
	verifier   string
	posted     chan url.Values // forms that came to the redirect URI
	keys       jose.JSONWebKeySet
	thumbprint string
}

// newSigner registers one with the real command, and listens at its redirect URI.
func newSigner(t testing.TB, d *demo) *signer {
	t.Helper()
	s := &signer{
		t: t, d: d, id: "records", verifier: strings.Repeat("verifier-", 6), posted: make(chan url.Values, 1),
		key: must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
	}
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.ParseForm() == nil {
			s.posted <- r.PostForm
		}
		_, _ = io.WriteString(w, `<!doctype html><title>Records</title><p id="arrived">Here</p>`)
	}))
	t.Cleanup(there.Close)
	s.redirect = there.URL + "/callback"
	public := jose.JSONWebKey{Key: s.key.Public(), KeyID: "records-1", Use: "sig", Algorithm: "ES256"}
	s.thumbprint = base64.RawURLEncoding.EncodeToString(must[[]byte](t)(public.Thumbprint(crypto.SHA256)))
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, must[[]byte](t)(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})), 0o600); err != nil {
		t.Fatal(err)
	}
	d.idp(t, "client", "add", "Records", "--id", s.id, "--kind", "native", "--profile", "fapi2-message-signing", "--jwks", file,
		"--userinfo-alg", "ES256", "--redirect-uri", "http://127.0.0.1/callback", "--scope", "openid,profile,email")
	res := must[*http.Response](t)(http.Get(d.Issuer + "/jwks"))
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&s.keys); err != nil {
		t.Fatal(err)
	}
	return s
}

// sign makes a JWT of a type; whole puts the public key into its header.
func (s *signer) sign(typ string, whole bool, claims map[string]any) string {
	s.t.Helper()
	o := (&jose.SignerOptions{EmbedJWK: whole}).WithType(jose.ContentType(typ))
	if !whole {
		o = o.WithHeader("kid", "records-1")
	}
	by := must[jose.Signer](s.t)(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.key}, o))
	return must[string](s.t)(must[*jose.JSONWebSignature](s.t)(by.Sign(must[[]byte](s.t)(json.Marshal(claims)))).CompactSerialize())
}

// read verifies what the provider has signed for the signer, by its published keys.
func (s *signer) read(token string) map[string]any {
	s.t.Helper()
	sig := must[*jose.JSONWebSignature](s.t)(jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256}))
	keys := s.keys.Key(sig.Signatures[0].Protected.KeyID)
	if len(keys) != 1 {
		s.t.Fatalf("no key %q is published", sig.Signatures[0].Protected.KeyID)
	}
	var claims map[string]any
	if err := json.Unmarshal(must[[]byte](s.t)(sig.Verify(keys[0].Key)), &claims); err != nil {
		s.t.Fatal(err)
	}
	if claims["iss"] != s.d.Issuer || claims["aud"] != s.id {
		s.t.Errorf("of %v for %v", claims["iss"], claims["aud"])
	}
	return claims
}

// call sends a request with a proof of the key, once more with the nonce that it is told.
func (s *signer) call(method, path string, form url.Values, access string, headers ...string) (int, string) {
	s.t.Helper()
	for range 2 {
		req := must[*http.Request](s.t)(http.NewRequest(method, s.d.Issuer+path, strings.NewReader(form.Encode())))
		claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": s.d.Issuer + path, "iat": time.Now().Unix(), "nonce": s.nonce}
		if form != nil {
			now := time.Now().Unix()
			signed := url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {s.sign("client-authentication+jwt", false, map[string]any{
				"iss": s.id, "sub": s.id, "aud": s.d.Issuer, "jti": rand.Text(), "iat": now, "exp": now + 60,
			})}}
			maps.Copy(signed, form)
			req = must[*http.Request](s.t)(http.NewRequest(method, s.d.Issuer+path, strings.NewReader(signed.Encode())))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if access != "" {
			sum := sha256.Sum256([]byte(access))
			claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
			req.Header.Set("Authorization", "DPoP "+access)
		}
		req.Header.Set("DPoP", s.sign("dpop+jwt", true, claims))
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res := must[*http.Response](s.t)(http.DefaultClient.Do(req))
		body := must[[]byte](s.t)(io.ReadAll(res.Body))
		_ = res.Body.Close()
		if told := res.Header.Get("DPoP-Nonce"); told != "" {
			s.nonce = told
		}
		if !strings.Contains(string(body), "use_dpop_nonce") {
			return res.StatusCode, string(body)
		}
	}
	s.t.Fatal("no nonce is good")
	return 0, ""
}

// begins pushes a signed request and returns where the browser goes.
func (s *signer) begins(mode string, more ...string) string {
	s.t.Helper()
	sum := sha256.Sum256([]byte(s.verifier))
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": s.id, "aud": s.d.Issuer, "nbf": now, "exp": now + 300, "client_id": s.id, "response_type": "code", "response_mode": mode,
		"redirect_uri": s.redirect, "scope": "openid profile email", "state": "state of " + mode, "nonce": "the nonce",
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256", "dpop_jkt": s.thumbprint,
	}
	for i := 0; i < len(more); i += 2 {
		claims[more[i]] = more[i+1]
	}
	status, body := s.call("POST", "/par", url.Values{"request": {s.sign("oauth-authz-req+jwt", false, claims)}}, "")
	var pushed struct {
		URI string `json:"request_uri"`
	}
	if err := json.Unmarshal([]byte(body), &pushed); err != nil || status != http.StatusCreated {
		s.t.Fatalf("%d %s", status, body)
	}
	return s.d.Issuer + "/authorize?" + url.Values{"client_id": {s.id}, "request_uri": {pushed.URI}}.Encode()
}

// TestSignedMessages is a sign-in under FAPI 2.0 Message Signing from end to end, in a browser
// without script: a signed request that is pushed, a signed response by a form, tokens bound
// to a key, signed introspection and userinfo. And a person who denies it on the phone.
func TestSignedMessages(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	s := newSigner(t, d)
	anna := newPerson(t, d.Username, d.Password, d.TOTPSecret)
	w := openWindow(t, false)
	w.open(s.begins("form_post.jwt"))
	w.see("#password-form")
	w.gives(anna)
	w.see("#formpost")
	w.click("#continue")
	w.see("#arrived")
	var form url.Values
	select {
	case form = <-s.posted:
	case <-time.After(patience):
		t.Fatal("no form came")
	}
	if len(form) != 1 {
		t.Errorf("beside the response: %v", form)
	}
	got := s.read(form.Get("response"))
	code, _ := got["code"].(string)
	if got["state"] != "state of form_post.jwt" || code == "" {
		t.Fatalf("%v", got)
	}
	status, body := s.call("POST", "/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {s.redirect}, "code_verifier": {s.verifier}}, "")
	var tk tokens
	if err := json.Unmarshal([]byte(body), &tk); err != nil || status != http.StatusOK || tk.Type != "DPoP" {
		t.Fatalf("%d %s", status, body)
	}
	status, body = s.call("POST", "/introspect", url.Values{"token": {tk.Access}}, "", "Accept", "application/token-introspection+jwt")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	about, _ := s.read(body)["token_introspection"].(map[string]any)
	if about["active"] != true || about["client_id"] != s.id {
		t.Errorf("%v", about)
	}
	status, body = s.call("GET", "/userinfo", nil, tk.Access)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if claims := s.read(body); claims["sub"] != about["sub"] || claims["name"] != "Anna Bergmann" {
		t.Errorf("%v", claims)
	}

	// In a browser with script, by a phone that says no.
	ph := anna.links(d.Issuer, "Anna's Pixel", nil)
	other := openWindow(t, true)
	other.open(s.begins("query.jwt", "prompt", "login"))
	other.see("#password-form")
	other.fill("#username", anna.name)
	other.fill("#password", anna.password)
	other.click("#continue")
	other.see("#asked")
	ch, _ := ph.asked()
	ph.answers(ch, phone.Decision{Reason: "mistake"})
	other.see("#notice")
	other.do(chromedp.Click(chromedp.CSS("#go-on")))
	other.see("#arrived")
	at := must[*url.URL](t)(url.Parse(other.at()))
	if got := s.read(at.Query().Get("response")); got["error"] != "access_denied" || got["state"] != "state of query.jwt" || len(at.Query()) != 1 {
		t.Errorf("denied: %v", got)
	}
	w.quiet()
}
