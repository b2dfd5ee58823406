package viewer_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"hilum/cmd/viewer/viewer"
)

// keys of RSA that take long to make, for all of the modules.
var keys = sync.OnceValue(func() []*rsa.PrivateKey {
	list := make([]*rsa.PrivateKey, 3)
	for i := range list {
		var err error
		if list[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return list
})

// suite is a provider that plays one module of the OpenID Foundation's plans for
// relying parties, as that suite is: its issuer has a path and a slash at its end, its
// authorization response has no iss, and its logout tokens no type.
type suite struct {
	t   *testing.T
	srv *httptest.Server

	// What a module changes.
	issuer    string                     // that discovery names
	jwks      []map[string]any           // that are published
	sign      func(claims string) string // an ID token
	claims    func(map[string]any)       // changes an ID token
	info      func(map[string]any)       // changes userinfo
	redeemed  func()                     // called before an ID token is signed
	logout    func(map[string]any)       // changes a logout token
	signOut   func(claims string) string // a logout token; nil: sign
	comesBack func(url.Values)           // changes the post-logout redirect
	told      int                        // the status that the viewer answered a logout token with
	seen      []string                   // what was asked for, in order
	asked     url.Values                 // the authorization request
	nonce     string
	basic     [2]string // user and password of client_secret_basic, as they were sent
	backTo    *url.URL  // the post-logout redirect
}

const (
	suitePath   = "/test/a/viewer/"
	suiteClient = "viewer: 1" // both are encoded before they are sent (RFC 6749, section 2.3.1)
	suiteSecret = "s3cret+/%: ü"
)

// as signs with a key of RSA under a key id; empty: the header names none.
func as(key *rsa.PrivateKey, kid string) func(string) string {
	return func(claims string) string { return oidctest.SignIDToken(key, kid, "RS256", claims) }
}

// jwk is the public half of a key as it is published; without a kid that is empty.
func jwk(key *rsa.PrivateKey, kid string) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	m := map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
	if kid != "" {
		m["kid"] = kid
	}
	return m
}

// unsigned is a JWT of alg none (RFC 7519, section 6).
func unsigned(claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(claims)) + "."
}

func newSuite(t *testing.T) *suite {
	s := &suite{t: t, jwks: []map[string]any{jwk(keys()[0], "k1")}, sign: as(keys()[0], "k1")}
	mux := http.NewServeMux()
	handle := func(pattern string, h http.HandlerFunc) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+suitePath+path, func(w http.ResponseWriter, r *http.Request) {
			s.seen = append(s.seen, path)
			h(w, r)
		})
	}
	handle("GET .well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		s.write(w, map[string]any{
			"issuer": s.issuer, "authorization_endpoint": s.base() + "authorize", "token_endpoint": s.base() + "token",
			"userinfo_endpoint": s.base() + "userinfo", "jwks_uri": s.base() + "jwks", "end_session_endpoint": s.base() + "end_session_endpoint",
			// The suite offers all of them, and none.
			"id_token_signing_alg_values_supported": []string{"none", "RS256", "ES256", "PS256", "HS256"},
		})
	})
	handle("GET jwks", func(w http.ResponseWriter, _ *http.Request) { s.write(w, map[string]any{"keys": s.jwks}) })
	handle("GET authorize", func(w http.ResponseWriter, r *http.Request) {
		s.asked = r.URL.Query()
		s.nonce = s.asked.Get("nonce")
		if !slices.Contains(strings.Fields(s.asked.Get("scope")), "openid") || s.asked.Get("response_type") != "code" {
			t.Errorf("asked for %v", s.asked)
		}
		to := s.asked.Get("redirect_uri") + "?" + url.Values{"code": {"the-code"}, "state": {s.asked.Get("state")}}.Encode()
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
	handle("POST token", func(w http.ResponseWriter, r *http.Request) {
		var ok bool
		if s.basic[0], s.basic[1], ok = r.BasicAuth(); !ok || r.PostFormValue("client_secret") != "" {
			t.Errorf("the viewer proved itself otherwise: %v", r.PostForm)
		}
		if s.redeemed != nil {
			s.redeemed()
		}
		s.write(w, map[string]any{
			"access_token": "the-access", "token_type": "Bearer", "expires_in": 60, "refresh_token": "the-refresh",
			"id_token": s.token(s.sign, s.claims, r.PostFormValue("grant_type") == "authorization_code"),
		})
	})
	handle("GET userinfo", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer the-access" || r.URL.RawQuery != "" {
			t.Errorf("userinfo was asked by %v, %q", r.Header, r.URL.RawQuery)
		}
		info := map[string]any{"sub": "u1", "name": "Demo T. User", "email": "user@example.com"}
		if s.info != nil {
			s.info(info)
		}
		s.write(w, info)
	})
	handle("GET end_session_endpoint", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		to, err := url.Parse(q.Get("post_logout_redirect_uri"))
		if err != nil || q.Get("id_token_hint") == "" {
			t.Errorf("signed out by %v", q)
		}
		if s.logout != nil {
			sign := s.sign
			if s.signOut != nil {
				sign = s.signOut
			}
			res, err := http.PostForm(to.Scheme+"://"+to.Host+viewer.BackchannelPath, url.Values{"logout_token": {s.token(sign, func(c map[string]any) {
				c["jti"], c["events"] = rand.Text(), map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
				s.logout(c)
			}, false)}})
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
			s.told = res.StatusCode
		}
		back := url.Values{"state": {q.Get("state")}}
		if s.comesBack != nil {
			s.comesBack(back)
		}
		to.RawQuery = back.Encode()
		s.backTo = to
		http.Redirect(w, r, to.String(), http.StatusSeeOther)
	})
	s.srv = httptest.NewServer(mux)
	t.Cleanup(s.srv.Close)
	s.issuer = s.base()
	return s
}

func (s *suite) base() string { return s.srv.URL + suitePath }

func (s *suite) write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.t.Error(err)
	}
}

// token makes an ID token or what change makes of it; with a nonce for a sign-in.
func (s *suite) token(sign func(string) string, change func(map[string]any), nonce bool) string {
	now := time.Now()
	c := map[string]any{"iss": s.base(), "aud": suiteClient, "sub": "u1", "sid": "s1", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	if nonce {
		c["nonce"] = s.nonce
	}
	if change != nil {
		change(c)
	}
	text, err := json.Marshal(c)
	if err != nil {
		s.t.Error(err)
	}
	return sign(string(text))
}

// browser follows redirects, as one of a person does, between viewer and provider.
type browser struct {
	s    *suite
	base string
	web  *http.Client
}

// visits runs a viewer of the provider, and returns somebody in front of it.
func (s *suite) visits() *browser {
	s.t.Helper()
	var h http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	s.t.Cleanup(srv.Close)
	var err error
	h, err = viewer.New(viewer.Config{Issuer: s.base(), ClientID: suiteClient, ClientSecret: suiteSecret, BaseURL: srv.URL, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{s, srv.URL, &http.Client{Jar: jar}}
}

// goes opens a page of the viewer and returns what is shown in the end.
func (b *browser) goes(method, path string) (int, string) {
	b.s.t.Helper()
	r, err := http.NewRequest(method, b.base+path, nil)
	if err != nil {
		b.s.t.Fatal(err)
	}
	res, err := b.web.Do(r)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// signedIn tells whether the page has somebody in it.
func (b *browser) signedIn() bool {
	_, body := b.goes("GET", "/")
	return strings.Contains(body, "Demo T. User")
}

// outcome is what a relying party has to make of a module.
type outcome int

const (
	accepts   outcome = iota // the person is signed in, and userinfo was asked
	noToken                  // the ID token is refused: userinfo is not asked
	noInfo                   // userinfo is asked, and refused
	noStart                  // the browser is not sent to the provider
	acceptsIn                // as accepts, and once more after the provider's keys have turned
)

// TestSuiteSignIn plays the modules of the plans oidcc-client-basic-certification-test-plan
// and oidcc-client-config-certification-test-plan, and those about refreshing and about
// hashes from the whole plan, by their names.
func TestSuiteSignIn(t *testing.T) {
	one, two, three := keys()[0], keys()[1], keys()[2]
	for name, c := range map[string]struct {
		plays func(*suite)
		want  outcome
	}{
		"oidcc-client-test":                     {func(*suite) {}, accepts},
		"oidcc-client-test-nonce":               {func(*suite) {}, accepts},
		"oidcc-client-test-idtoken-sig-rs256":   {func(*suite) {}, accepts},
		"oidcc-client-test-client-secret-basic": {func(*suite) {}, accepts},
		"oidcc-client-test-scope-userinfo-claims": {func(s *suite) {
			s.info = func(m map[string]any) { m["email_verified"] = true }
		}, accepts},
		"oidcc-client-test-userinfo-bearer-header":    {func(*suite) {}, accepts},
		"oidcc-client-test-discovery-openid-config":   {func(*suite) {}, accepts},
		"oidcc-client-test-discovery-jwks-uri-keys":   {func(*suite) {}, accepts},
		"oidcc-client-test-invalid-iss":               {func(s *suite) { s.claims = set("iss", s.base()+"1") }, noToken},
		"oidcc-client-test-invalid-iss, no slash":     {func(s *suite) { s.claims = set("iss", strings.TrimSuffix(s.base(), "/")) }, noToken},
		"oidcc-client-test-missing-sub":               {func(s *suite) { s.claims = remove("sub") }, noToken},
		"oidcc-client-test-invalid-aud":               {func(s *suite) { s.claims = set("aud", "other") }, noToken},
		"oidcc-client-test-missing-aud":               {func(s *suite) { s.claims = remove("aud") }, noToken},
		"oidcc-client-test-missing-iat":               {func(s *suite) { s.claims = remove("iat") }, noToken},
		"oidcc-client-test-nonce-invalid":             {func(s *suite) { s.claims = set("nonce", "other") }, noToken},
		"oidcc-client-test-userinfo-invalid-sub":      {func(s *suite) { s.info = set("sub", "u2") }, noInfo},
		"oidcc-client-test-invalid-athash":            {func(s *suite) { s.claims = set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA") }, noToken},
		"oidcc-client-test-invalid-chash":             {func(s *suite) { s.claims = set("c_hash", "AAAAAAAAAAAAAAAAAAAAAA") }, noToken},
		"oidcc-client-test-missing-athash":            {func(s *suite) { s.claims = remove("at_hash") }, accepts}, // by code it may be missing
		"oidcc-client-test-discovery-issuer-mismatch": {func(s *suite) { s.issuer += "1" }, noStart},
		"oidcc-client-test-kid-absent-single-jwks": {func(s *suite) {
			s.jwks, s.sign = []map[string]any{jwk(one, "")}, as(one, "")
		}, accepts},
		"oidcc-client-test-kid-absent-multiple-jwks": {func(s *suite) {
			s.jwks, s.sign = []map[string]any{jwk(two, ""), jwk(three, ""), jwk(one, "")}, as(one, "")
		}, accepts},
		// From the token endpoint alg none may be taken or refused: this viewer takes the
		// one algorithm that is registered.
		"oidcc-client-test-idtoken-sig-none":  {func(s *suite) { s.sign = unsigned }, noToken},
		"oidcc-client-test-invalid-sig-rs256": {func(s *suite) { s.sign = as(two, "k1") }, noToken},
		"oidcc-client-test-invalid-sig-es256": {func(s *suite) { s.signES256(t) }, noToken},
		"oidcc-client-test-invalid-sig-hs256": {func(s *suite) {
			s.sign = func(claims string) string { return hs256(suiteSecret, claims) }
		}, noToken},
		"oidcc-client-test-signing-key-rotation-just-before-signing": {func(s *suite) {
			s.redeemed = func() { s.jwks, s.sign = []map[string]any{jwk(two, "k2")}, as(two, "k2") }
		}, accepts},
		"oidcc-client-test-signing-key-rotation": {func(*suite) {}, acceptsIn},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSuite(t)
			c.plays(s)
			b := s.visits()
			status, body := b.goes("GET", "/login")
			asked := func(what string) bool { return slices.Contains(s.seen, what) }
			good := c.want == accepts || c.want == acceptsIn
			switch {
			case b.signedIn() != good:
				t.Fatalf("signed in: %v; %d %s", !good, status, body)
			case good && status != http.StatusOK, !good && (status != http.StatusBadGateway || !strings.Contains(body, `role="alert"`)):
				t.Errorf("the person sees %d %s", status, body)
			case asked("authorize") == (c.want == noStart), asked("userinfo") != (good || c.want == noInfo):
				t.Errorf("asked for %q", s.seen)
			}
			if user, password := url.QueryEscape(suiteClient), url.QueryEscape(suiteSecret); c.want != noStart && s.basic != [2]string{user, password} {
				t.Errorf("proved itself by %q", s.basic)
			}
			if n := count(s.seen, "jwks"); n > 1 {
				t.Errorf("the keys were fetched %d times", n)
			}
			if n := count(s.seen, "token"); n > 1 {
				t.Errorf("the code was handed in %d times", n)
			}
			if c.want != acceptsIn {
				return
			}
			s.jwks, s.sign = []map[string]any{jwk(two, "k2")}, as(two, "k2")
			if status, body := b.goes("GET", "/login"); status != http.StatusOK || !b.signedIn() || count(s.seen, "jwks") != 2 {
				t.Errorf("after the keys turned: %d %s %q", status, body, s.seen)
			}
			s.sign = as(three, "k3") // one that is not published: the keys are looked at once more
			if status, _ := b.goes("GET", "/login"); status != http.StatusBadGateway || count(s.seen, "jwks") != 3 {
				t.Errorf("a key that is not published: %d %q", status, s.seen)
			}
		})
	}
}

// count tells how often a text is in a list.
func count(list []string, what string) (n int) {
	for _, s := range list {
		if s == what {
			n++
		}
	}
	return n
}

// signES256 makes the provider sign with a key that it publishes, by another algorithm
// than the viewer is registered with.
func (s *suite) signES256(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	s.jwks = append(s.jwks, map[string]any{"kty": "EC", "crv": "P-256", "kid": "e1", "alg": "ES256", "use": "sig", "x": b64(point[1:33]), "y": b64(point[33:])})
	s.sign = func(claims string) string { return oidctest.SignIDToken(key, "e1", "ES256", claims) }
}

// TestSuiteRefresh plays oidcc-client-refreshtoken-test-plan.
func TestSuiteRefresh(t *testing.T) {
	for name, c := range map[string]struct {
		plays func(*suite)
		good  bool
	}{
		"oidcc-client-test-refresh-token":                {func(*suite) {}, true},
		"oidcc-client-test-refresh-token-invalid-issuer": {func(s *suite) { s.claims = set("iss", s.base()+"1") }, false},
		"oidcc-client-test-refresh-token-invalid-sub":    {func(s *suite) { s.claims, s.info = set("sub", "u2"), set("sub", "u2") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSuite(t)
			b := s.visits()
			b.goes("GET", "/login")
			if !b.signedIn() {
				t.Fatal("not signed in")
			}
			c.plays(s)
			status, body := b.goes("POST", "/refresh")
			if b.signedIn() != c.good || (status == http.StatusOK) != c.good {
				t.Errorf("%d %s", status, body)
			}
			if n := count(s.seen, "userinfo"); (n == 2) != c.good {
				t.Errorf("userinfo was asked %d times", n)
			}
		})
	}
}

// TestSuiteSignOut plays oidcc-client-rp-initiated-logout-rp-basic and
// oidcc-client-back-channel-logout-rp-basic. status is what the viewer answers to a
// logout token; 0: none is sent. Whatever the token was, the browser comes back to the
// viewer, and nobody is signed in there.
func TestSuiteSignOut(t *testing.T) {
	as := func(name string, value any) func(*suite) {
		return func(s *suite) { s.logout = set(name, value) }
	}
	const said, unsaid = "You are signed out.", "did not confirm"
	for name, c := range map[string]struct {
		plays  func(*suite)
		status int
		says   string
	}{
		"oidcc-client-test-rp-init-logout":             {func(*suite) {}, 0, said},
		"oidcc-client-test-rp-init-logout-other-state": {func(s *suite) { s.comesBack = func(q url.Values) { q.Set("state", "other") } }, 0, unsaid},
		"oidcc-client-test-rp-init-logout-no-state":    {func(s *suite) { s.comesBack = func(q url.Values) { q.Del("state") } }, 0, unsaid},

		"oidcc-client-test-rp-backchannel-rpinitlogout":             {func(s *suite) { s.logout = func(map[string]any) {} }, 200, said},
		"oidcc-client-test-rp-backchannel-rpinitlogout-no-event":    {func(s *suite) { s.logout = remove("events") }, 400, said},
		"oidcc-client-test-rp-backchannel-rpinitlogout-with-nonce":  {as("nonce", "n"), 400, said},
		"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-aud":   {as("aud", "other"), 400, said},
		"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-iss":   {as("iss", "https://evil.example/"), 400, said},
		"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-event": {as("events", map[string]any{"http://schemas.openid.net/event/foobar": map[string]any{}}), 400, said},
		"oidcc-client-test-rp-backchannel-rpinitlogout-alg-none": {func(s *suite) {
			s.logout, s.signOut = func(map[string]any) {}, unsigned
		}, 400, said},
		"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg": {func(s *suite) {
			was := s.sign
			s.signES256(t)
			s.logout, s.sign, s.signOut = func(map[string]any) {}, was, s.sign
		}, 400, said},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSuite(t)
			c.plays(s)
			b := s.visits()
			b.goes("GET", "/login")
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			other := &browser{s, b.base, &http.Client{Jar: jar}} // of the same session at the provider
			other.goes("GET", "/login")
			if !b.signedIn() || !other.signedIn() {
				t.Fatal("not signed in")
			}
			status, body := b.goes("POST", "/logout")
			if status != http.StatusOK || b.signedIn() || !strings.Contains(body, c.says) || s.backTo == nil {
				t.Errorf("%d %s", status, body)
			}
			if s.told != c.status {
				t.Errorf("the logout token was answered with %d", s.told)
			}
			// The other browser is signed out by a token that is good, and by nothing else.
			if out := c.status == http.StatusOK; other.signedIn() == out {
				t.Errorf("the other browser is signed out: %v", !out)
			}
		})
	}
}

// Tokens of one kind are not taken for the other, by the type that they say (RFC 8725,
// section 3.11).
func TestTypesOfTokens(t *testing.T) {
	typed := func(typ string) func(string) string {
		return func(claims string) string {
			return resign(keys()[0], map[string]any{"alg": "RS256", "kid": "k1", "typ": typ}, claims)
		}
	}
	for typ, want := range map[string]struct {
		in  bool
		out int
	}{
		"JWT": {true, 200}, "jwt": {true, 200}, "logout+jwt": {false, 200}, "application/logout+jwt": {false, 200}, "at+jwt": {false, 400}, "dpop+jwt": {false, 400},
	} {
		s := newSuite(t)
		s.sign = typed(typ)
		b := s.visits()
		b.goes("GET", "/login")
		if b.signedIn() != want.in {
			t.Errorf("an ID token of type %s signs in: %v", typ, !want.in)
		}
		s = newSuite(t)
		s.logout, s.signOut = func(map[string]any) {}, typed(typ)
		b = s.visits()
		b.goes("GET", "/login")
		if b.goes("POST", "/logout"); s.told != want.out {
			t.Errorf("a logout token of type %s: %d", typ, s.told)
		}
	}
}

// resign signs claims by RS256 under a header of one's own.
func resign(key *rsa.PrivateKey, header map[string]any, claims string) string {
	h, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64(h) + "." + b64([]byte(claims))
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + b64(sig)
}

// hs256 signs claims with a shared secret (RFC 7518, section 3.2).
func hs256(secret, claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(`{"alg":"HS256"}`)) + "." + b64([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}
