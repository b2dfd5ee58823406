package tryout_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/tryout"
)

const issuer = "https://idp.example"

// provider is one that can be bent.
type provider struct {
	key        *ecdsa.PrivateKey
	claims     map[string]any // put over those of the ID token
	userinfo   map[string]any
	without    string // an endpoint that breaks, or "id_token"
	wrongKey   bool
	form       url.Values // of the token request
	user, pass string
	asked      []string
	ask        *idp.TryoutAsk
	nonce      idp.Secret
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key, nonce: idp.NewToken()}
	p.ask = &idp.TryoutAsk{
		Client: "viewer~T", Auth: idp.AuthBasic, Secret: idp.NewToken(), RedirectURI: issuer + "/admin/try/callback", Scopes: []string{"openid", "profile"},
		State: idp.NewToken(), Nonce: p.nonce, NonceHash: p.nonce.Hash(), Verifier: idp.NewToken(), Subject: "U", Hint: "anna", Again: true,
	}
	return p
}

const access = "access-value"

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked = append(p.asked, r.Method+" "+r.URL.Path)
	if r.Host != "idp.example" || r.URL.Host != "" || r.RemoteAddr != "127.0.0.1:0" {
		panic("not as a server sees a request: " + r.Host + " " + r.URL.String())
	}
	say := func(v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	if p.without == r.URL.Path {
		http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		say(map[string]any{"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/jwks",
			"userinfo_endpoint": issuer + "/userinfo", "id_token_signing_alg_values_supported": []string{"ES256"}})
	case "/jwks":
		b64 := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.FillBytes(make([]byte, 32))) }
		say(map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k", "x": b64(p.key.X), "y": b64(p.key.Y)}}})
	case "/token":
		p.user, p.pass, _ = r.BasicAuth()
		_ = r.ParseForm()
		p.form = r.PostForm
		if r.PostForm.Get("code") != "good" {
			w.WriteHeader(http.StatusBadRequest)
			say(map[string]any{"error": "invalid_grant", "error_description": "The grant is unknown."})
			return
		}
		answer := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 900, "scope": "openid"}
		if p.without != "id_token" {
			answer["id_token"] = p.idToken()
		}
		say(answer)
	case "/userinfo":
		about := map[string]any{"sub": "U", "name": "Anna"}
		if p.userinfo != nil {
			about = p.userinfo
		}
		say(about)
	default:
		http.NotFound(w, r)
	}
}

func (p *provider) idToken() string {
	now := time.Now()
	sum := sha256.Sum256([]byte(access))
	claims := map[string]any{"iss": issuer, "sub": "U", "aud": "viewer~T", "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "nonce": p.nonce.Reveal(),
		"at_hash": base64.RawURLEncoding.EncodeToString(sum[:16])}
	maps.Copy(claims, p.claims)
	body, _ := json.Marshal(claims)
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"k"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	key := p.key
	if p.wrongKey {
		key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	digest := sha256.Sum256([]byte(input))
	r, s, _ := ecdsa.Sign(rand.Reader, key, digest[:])
	return input + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func TestBegin(t *testing.T) {
	p := newProvider(t)
	to, err := tryout.New(issuer, p).Begin(t.Context(), p.ask)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	sum := sha256.Sum256([]byte(p.ask.Verifier.Reveal()))
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "viewer~T", "redirect_uri": p.ask.RedirectURI, "scope": "openid profile", "state": p.ask.State.Reveal(), "nonce": p.nonce.Reveal(),
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256", "prompt": "login", "login_hint": "anna",
		"claims": `{"id_token":{"sub":{"value":"U"}}}`,
	} {
		if q.Get(name) != want || len(q[name]) != 1 {
			t.Errorf("%s is %q, want %q", name, q[name], want)
		}
	}
	if !strings.HasPrefix(to, issuer+"/authorize?") || strings.Contains(to, p.ask.Secret.Reveal()) || strings.Contains(to, p.ask.Verifier.Reveal()) {
		t.Errorf("the browser is sent to %s", to)
	}
	p.ask.Again = false
	to, err = tryout.New(issuer, p).Begin(t.Context(), p.ask)
	if err != nil || strings.Contains(to, "prompt=") {
		t.Errorf("with the session: %s (%v)", to, err)
	}
}

// What another relying party would refuse, this one does.
func TestFinish(t *testing.T) {
	good := url.Values{"code": {"good"}, "state": {"s"}, "iss": {issuer}}
	with := func(name string, values ...string) url.Values {
		v := url.Values{}
		for k := range good {
			v[k] = good[k]
		}
		if v[name] = values; values == nil {
			delete(v, name)
		}
		return v
	}
	for _, row := range []struct {
		name   string
		answer url.Values
		bend   func(*provider)
		step   string // that stops; empty: none
		why    string
	}{
		{"all well", good, nil, "", ""},
		{"secret in the body", good, func(p *provider) { p.ask.Auth = idp.AuthPost }, "", ""},
		{"no secret", good, func(p *provider) { p.ask.Auth, p.ask.Secret = idp.AuthNone, "" }, "", ""},
		{"denied", url.Values{"error": {"access_denied"}, "state": {"s"}, "iss": {issuer}}, nil, "signin", "try.why.denied"},
		{"refused", url.Values{"error": {"invalid_scope"}, "state": {"s"}, "iss": {issuer}}, nil, "signin", "try.why.refused"},
		{"no code", with("code"), nil, "answer", "try.why.answer"},
		{"two codes", with("code", "good", "good"), nil, "answer", "try.why.answer"},
		{"no issuer", with("iss"), nil, "answer", "try.why.answer"},
		{"another issuer", with("iss", "https://evil.example"), nil, "answer", "try.why.issuer"},
		{"another code", with("code", "bad"), nil, "exchange", "try.why.exchange"},
		{"discovery breaks", good, func(p *provider) { p.without = "/.well-known/openid-configuration" }, "discovery", "try.why.discovery"},
		{"a redirect in place of tokens", good, func(p *provider) { p.without = "/token" }, "exchange", "try.why.exchange"},
		{"no ID token", good, func(p *provider) { p.without = "id_token" }, "id_token", "try.why.noid"},
		{"keys that cannot be read", good, func(p *provider) { p.without = "/jwks" }, "id_token", "try.why.id"},
		{"a signature of another key", good, func(p *provider) { p.wrongKey = true }, "id_token", "try.why.id"},
		{"for another application", good, func(p *provider) { p.claims = map[string]any{"aud": "viewer"} }, "id_token", "try.why.id"},
		{"of another issuer", good, func(p *provider) { p.claims = map[string]any{"iss": "https://evil.example"} }, "id_token", "try.why.id"},
		{"expired", good, func(p *provider) { p.claims = map[string]any{"exp": 1} }, "id_token", "try.why.id"},
		{"of another access token", good, func(p *provider) { p.claims = map[string]any{"at_hash": "AAAA"} }, "id_token", "try.why.id"},
		{"of another sign-in", good, func(p *provider) { p.claims = map[string]any{"nonce": "other"} }, "id_token", "try.why.nonce"},
		{"of somebody else", good, func(p *provider) { p.claims = map[string]any{"sub": "V"} }, "id_token", "try.why.subject"},
		{"userinfo of somebody else", good, func(p *provider) { p.userinfo = map[string]any{"sub": "V"} }, "userinfo", "try.why.subject"},
		{"userinfo breaks", good, func(p *provider) { p.without = "/userinfo" }, "userinfo", "try.why.userinfo"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newProvider(t)
			if row.bend != nil {
				row.bend(p)
			}
			res := tryout.New(issuer, p).Finish(t.Context(), p.ask, row.answer)
			last := res.Steps[len(res.Steps)-1]
			if row.step == "" {
				if !res.OK() || len(res.Steps) != 6 || res.Alg != "ES256" || res.Access != "opaque" || res.Expires != 15*time.Minute || res.Refresh || strings.Join(res.Scopes, " ") != "openid" ||
					!strings.Contains(string(res.Userinfo), `"name":"Anna"`) || !strings.Contains(string(res.IDToken), `"aud":"viewer~T"`) {
					t.Errorf("%+v", res)
				}
			} else if res.OK() || last.Name != row.step || last.Why != row.why || res.Outcome() != row.why {
				t.Errorf("stopped at %+v, want %s: %s", last, row.step, row.why)
			}
			text, err := json.Marshal(res)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{access, p.ask.Verifier.Reveal(), "eyJ"} {
				if strings.Contains(string(text), secret) {
					t.Errorf("the result holds %q", secret)
				}
			}
			if s := p.ask.Secret.Reveal(); s != "" && strings.Contains(string(text), s) {
				t.Error("the result holds the secret")
			}
			if p.form != nil {
				inHeader, inBody := p.pass != "", p.form.Get("client_secret") != ""
				if inHeader != (p.ask.Auth == idp.AuthBasic) || inBody != (p.ask.Auth == idp.AuthPost) || p.form.Get("code_verifier") != p.ask.Verifier.Reveal() {
					t.Errorf("asked with %q %v", p.user, p.form)
				}
			}
		})
	}
}

// A handler that breaks an answer off breaks the test, not the process.
func TestAnswerBrokenOff(t *testing.T) {
	p := newProvider(t)
	party := tryout.New(issuer, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	if _, err := party.Begin(t.Context(), p.ask); err == nil {
		t.Error("begun")
	}
	endless := tryout.New(issuer, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
		t.Error("six megabytes were taken")
	}))
	if _, err := endless.Begin(t.Context(), p.ask); err == nil || errors.Is(err, http.ErrAbortHandler) {
		t.Errorf("begun: %v", err)
	}
}
