package viewer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"hilum/cmd/viewer/viewer"
)

// provider is one that can be made to answer wrongly, in each way that a
// relying party has to notice.
type provider struct {
	t   *testing.T
	srv *httptest.Server
	key *ecdsa.PrivateKey

	mu      sync.Mutex
	asked   url.Values                     // the authorization request
	claims  func(map[string]any)           // changes an ID token
	answer  func(map[string]any)           // changes a token answer
	info    func(map[string]any)           // changes userinfo
	redeems func(url.Values) (code string) // looks at a token request; an error code refuses it
	live    map[string]bool                // access tokens
	n       int
}

func newProvider(t *testing.T) *provider {
	p := &provider{t: t, live: map[string]bool{}}
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.write(w, 200, map[string]any{
			"issuer": p.srv.URL, "authorization_endpoint": p.srv.URL + "/authorize", "token_endpoint": p.srv.URL + "/token",
			"userinfo_endpoint": p.srv.URL + "/userinfo", "jwks_uri": p.srv.URL + "/jwks", "end_session_endpoint": p.srv.URL + "/bye",
			"id_token_signing_alg_values_supported": []string{"ES256"}, "authorization_response_iss_parameter_supported": true,
		})
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		point, err := p.key.PublicKey.Bytes()
		if err != nil {
			t.Error(err)
		}
		b64 := base64.RawURLEncoding.EncodeToString
		p.write(w, 200, map[string]any{"keys": []any{map[string]any{
			"kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "use": "sig", "x": b64(point[1:33]), "y": b64(point[33:]),
		}}})
	})
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.live[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		info := map[string]any{"sub": "u1", "name": "Anna <b>Bergmann</b>", "preferred_username": "anna"}
		if p.info != nil {
			p.info(info)
		}
		p.write(w, 200, info)
	})
	p.srv = httptest.NewServer(mux)
	t.Cleanup(p.srv.Close)
	return p
}

func (p *provider) write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		p.t.Error(err)
	}
	if p.redeems != nil {
		if code := p.redeems(r.Form); code != "" {
			p.write(w, 400, map[string]any{"error": code, "error_description": "<script>alert(1)</script>"})
			return
		}
	}
	if r.Form.Get("grant_type") == "authorization_code" {
		sum := sha256.Sum256([]byte(r.Form.Get("code_verifier")))
		if base64.RawURLEncoding.EncodeToString(sum[:]) != p.asked.Get("code_challenge") || p.asked.Get("code_challenge_method") != "S256" {
			p.t.Error("the verifier does not fit the challenge")
		}
		if r.Form.Get("code") != "the-code" || r.Form.Get("redirect_uri") != p.asked.Get("redirect_uri") {
			p.t.Errorf("redeemed %v", r.Form)
		}
	}
	p.n++
	access := "access-" + string(rune('0'+p.n))
	p.live[access] = true
	sum := sha256.Sum256([]byte(access))
	claims := map[string]any{
		"iss": p.srv.URL, "aud": "viewer", "sub": "u1", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(),
		"auth_time": time.Now().Unix(), "acr": "urn:two", "amr": []string{"pwd", "otp"}, "at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]),
	}
	if r.Form.Get("grant_type") == "authorization_code" {
		claims["nonce"] = p.asked.Get("nonce")
	}
	if p.claims != nil {
		p.claims(claims)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		p.t.Error(err)
	}
	answer := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 60, "refresh_token": "refresh-" + access,
		"id_token": oidctest.SignIDToken(p.key, "k", "ES256", string(text))}
	if p.answer != nil {
		p.answer(answer)
	}
	p.write(w, 200, answer)
}

// person has a browser in front of the viewer.
type person struct {
	t    *testing.T
	p    *provider
	base string
	web  *http.Client
}

// open runs a viewer of the provider, and returns somebody who visits it.
func open(t *testing.T, p *provider) *person {
	t.Helper()
	var h http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	var err error
	h, err = viewer.New(viewer.Config{Issuer: p.srv.URL, ClientID: "viewer", ClientSecret: "secret", SigningAlg: "ES256", BaseURL: srv.URL, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return (&person{t: t, p: p, base: srv.URL}).elsewhere()
}

// elsewhere is another browser at the same viewer.
func (v *person) elsewhere() *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return &person{v.t, v.p, v.base, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (v *person) do(method, path string, headers ...string) (*http.Response, string) {
	v.t.Helper()
	r, err := http.NewRequest(method, v.base+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := v.web.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if strings.Contains(string(body), "<script>") || strings.Contains(string(body), "<b>Bergmann") {
		v.t.Errorf("%s shows markup that came from elsewhere", path)
	}
	return res, string(body)
}

// leaves goes to the provider and returns the answer that a good one gives.
func (v *person) leaves(path string) url.Values {
	v.t.Helper()
	res, _ := v.do("GET", path)
	to, err := res.Location()
	if err != nil || res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to.String(), v.p.srv.URL+"/authorize?") {
		v.t.Fatalf("sent to %v (%d, %v)", to, res.StatusCode, err)
	}
	v.p.mu.Lock()
	v.p.asked = to.Query()
	v.p.mu.Unlock()
	return url.Values{"state": {to.Query().Get("state")}, "iss": {v.p.srv.URL}, "code": {"the-code"}}
}

// signsIn goes the whole way.
func (v *person) signsIn() {
	v.t.Helper()
	if res, body := v.do("GET", "/callback?"+v.leaves("/login").Encode()); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" {
		v.t.Fatalf("not signed in: %d %s", res.StatusCode, body)
	}
}

func (v *person) signedIn() bool {
	v.t.Helper()
	_, body := v.do("GET", "/")
	return strings.Contains(body, "Anna &lt;b&gt;Bergmann")
}

func TestSignIn(t *testing.T) {
	p := newProvider(t)
	v := open(t, p)
	if v.signedIn() {
		t.Fatal("signed in before")
	}
	good := v.leaves("/login?prompt=login&max_age=5&login_hint=anna&client_id=evil&redirect_uri=https://evil.example/")
	if q := p.asked; q.Get("prompt") != "login" || q.Get("max_age") != "5" || q.Get("login_hint") != "anna" ||
		q.Get("client_id") != "viewer" || q.Get("redirect_uri") != v.base+"/callback" || q.Get("nonce") == "" || q.Get("response_type") != "code" {
		t.Errorf("asked for %v", q)
	}
	res, _ := v.do("GET", "/callback?"+good.Encode())
	for _, c := range res.Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure { // plain http, on loopback
			t.Errorf("cookie %+v", c)
		}
	}
	if !v.signedIn() {
		t.Fatal("not signed in")
	}
	_, body := v.do("GET", "/")
	for _, word := range []string{"pwd, otp", "urn:two", "anna"} {
		if !strings.Contains(body, word) {
			t.Errorf("the page does not say %q", word)
		}
	}
	if v.elsewhere().signedIn() {
		t.Error("another browser is signed in")
	}
	res, _ = v.do("GET", "/callback?"+good.Encode())
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("the same answer a second time: %d", res.StatusCode)
	}
}

// An answer that is not the one waited for is refused before its code is used.
func TestAnswersThatAreRefused(t *testing.T) {
	p := newProvider(t)
	p.redeems = func(url.Values) string {
		t.Error("a code of an answer that should be refused was redeemed")
		return "invalid_grant"
	}
	for what, c := range map[string]struct {
		change func(url.Values)
		status int
	}{
		"another state":    {func(q url.Values) { q.Set("state", "other") }, 400},
		"no state":         {func(q url.Values) { q.Del("state") }, 400},
		"another provider": {func(q url.Values) { q.Set("iss", "https://evil.example") }, 400},
		"two providers":    {func(q url.Values) { q.Add("iss", "https://evil.example") }, 400},
		"no provider":      {func(q url.Values) { q.Del("iss") }, 400},
		"an error": {func(q url.Values) {
			q.Set("error", "access_denied")
			q.Set("error_description", "<script>alert(1)</script>")
		}, 403},
		"an error with its code": {func(q url.Values) { q.Set("error", "<script>alert(1)</script>") }, 403},
	} {
		v := open(t, p)
		q := v.leaves("/login")
		c.change(q)
		if res, body := v.do("GET", "/callback?"+q.Encode()); res.StatusCode != c.status || v.signedIn() {
			t.Errorf("%s: %d %s", what, res.StatusCode, body)
		}
		q.Set("state", p.asked.Get("state"))
		q.Set("iss", p.srv.URL)
		q.Del("error")
		if res, _ := v.do("GET", "/callback?"+q.Encode()); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: a second answer was taken: %d", what, res.StatusCode)
		}
	}
	v := open(t, p)
	q := v.leaves("/login")
	if res, _ := v.elsewhere().do("GET", "/callback?"+q.Encode()); res.StatusCode != http.StatusBadRequest {
		t.Errorf("in another browser: %d", res.StatusCode)
	}
}

// Tokens that are not good, not ours, or not of this sign-in.
func TestTokensThatAreRefused(t *testing.T) {
	for what, change := range map[string]func(*provider){
		"another nonce":     func(p *provider) { p.claims = set("nonce", "other") },
		"no nonce":          func(p *provider) { p.claims = remove("nonce") },
		"another issuer":    func(p *provider) { p.claims = set("iss", "https://evil.example") },
		"another client":    func(p *provider) { p.claims = set("aud", "other") },
		"expired":           func(p *provider) { p.claims = set("exp", time.Now().Add(-time.Minute).Unix()) },
		"another code":      func(p *provider) { p.claims = set("c_hash", "AAAAAAAAAAAAAAAAAAAAAA") },
		"issued later":      func(p *provider) { p.claims = set("iat", time.Now().Add(time.Hour).Unix()) },
		"another party":     func(p *provider) { p.claims = set("azp", "archive") },
		"several parties":   func(p *provider) { p.claims = set("aud", []string{"viewer", "archive"}) },
		"another access":    func(p *provider) { p.claims = set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA") },
		"no ID token":       func(p *provider) { p.answer = remove("id_token") },
		"a broken one":      func(p *provider) { p.answer = set("id_token", "a.b.c") },
		"no access token":   func(p *provider) { p.answer = remove("access_token") },
		"refused":           func(p *provider) { p.redeems = func(url.Values) string { return "invalid_grant" } },
		"another person":    func(p *provider) { p.info = set("sub", "u2") },
		"of another's keys": func(p *provider) { p.answer = p.forged },
	} {
		p := newProvider(t)
		v := open(t, p)
		q := v.leaves("/login")
		change(p)
		if res, body := v.do("GET", "/callback?"+q.Encode()); res.StatusCode != http.StatusBadGateway || v.signedIn() {
			t.Errorf("%s: %d %s", what, res.StatusCode, body)
		}
	}
}

// A code that is refused is not handed in again another way.
func TestACodeIsHandedInOnce(t *testing.T) {
	p := newProvider(t)
	v := open(t, p)
	var codes []string
	p.redeems = func(q url.Values) string {
		codes = append(codes, q.Get("code")+q.Get("client_secret"))
		return "invalid_client"
	}
	v.do("GET", "/callback?"+v.leaves("/login").Encode())
	if len(codes) != 1 || codes[0] != "the-code" || v.signedIn() {
		t.Errorf("handed in: %q", codes)
	}
}

func set(name string, value any) func(map[string]any) {
	return func(m map[string]any) { m[name] = value }
}
func remove(name string) func(map[string]any) { return func(m map[string]any) { delete(m, name) } }

// forged signs the ID token with a key that is not published.
func (p *provider) forged(answer map[string]any) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Error(err)
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(answer["id_token"].(string), ".")[1])
	if err != nil {
		p.t.Error(err)
	}
	answer["id_token"] = oidctest.SignIDToken(key, "k", "ES256", string(claims))
}

func TestRefresh(t *testing.T) {
	p := newProvider(t)
	v := open(t, p)
	if res, _ := v.do("POST", "/refresh"); res.Header.Get("Location") != "/" {
		t.Errorf("nobody signed in: %d", res.StatusCode)
	}
	v.signsIn()
	var used []string
	p.redeems = func(q url.Values) string {
		used = append(used, q.Get("grant_type")+" "+q.Get("refresh_token"))
		return ""
	}
	for range 2 {
		if res, body := v.do("POST", "/refresh"); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
	}
	if len(used) != 2 || used[0] != "refresh_token refresh-access-1" || used[1] != "refresh_token refresh-access-2" {
		t.Errorf("refreshed with %q", used)
	}
	if _, body := v.do("GET", "/"); !strings.Contains(body, "Refreshed at") {
		t.Error("the page does not say so")
	}
	p.answer = remove("id_token") // which a refresh need not give (OpenID Connect Core 1.0, section 12.2)
	if res, body := v.do("POST", "/refresh"); res.StatusCode != http.StatusSeeOther || !v.signedIn() {
		t.Errorf("without an ID token: %d %s", res.StatusCode, body)
	}
	p.answer = nil
	for what, change := range map[string]func(*provider){
		"another person":  func(p *provider) { p.claims, p.info = set("sub", "u2"), set("sub", "u2") },
		"another sign-in": func(p *provider) { p.claims = set("auth_time", time.Now().Add(time.Minute).Unix()) },
		"another nonce":   func(p *provider) { p.claims = set("nonce", "other") },
		"another access":  func(p *provider) { p.claims = set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA") },
		"several parties": func(p *provider) {
			p.claims = func(c map[string]any) { c["aud"], c["azp"] = []string{"viewer", "archive"}, "viewer" }
		},
		"userinfo, no sub": func(p *provider) { p.info = remove("sub") },
		"refused":          func(p *provider) { p.redeems = func(url.Values) string { return "invalid_grant" } },
	} {
		p := newProvider(t)
		v := open(t, p)
		v.signsIn()
		change(p)
		if res, _ := v.do("POST", "/refresh"); res.StatusCode < 400 || v.signedIn() {
			t.Errorf("%s: %d, and still signed in", what, res.StatusCode)
		}
	}
}

// Somebody whose sign-in the application wants to be recent has to have signed in lately.
func TestMaxAge(t *testing.T) {
	for ago, good := range map[time.Duration]bool{0: true, 2 * time.Minute: true, time.Hour: false} {
		p := newProvider(t)
		v := open(t, p)
		p.claims = set("auth_time", time.Now().Add(-ago).Unix())
		v.do("GET", "/callback?"+v.leaves("/login?max_age=60").Encode())
		if v.signedIn() != good {
			t.Errorf("%v ago: signed in %v", ago, !good)
		}
		v = open(t, p)
		v.signsIn() // nobody asked for an age
	}
}

func TestSignOut(t *testing.T) {
	p := newProvider(t)
	v := open(t, p)
	v.signsIn()
	if res, _ := v.do("POST", "/logout", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); res.StatusCode != http.StatusForbidden || !v.signedIn() {
		t.Errorf("signed out by another site: %d", res.StatusCode)
	}
	res, _ := v.do("POST", "/logout")
	to, err := res.Location()
	if err != nil || !strings.HasPrefix(to.String(), p.srv.URL+"/bye?") || to.Query().Get("post_logout_redirect_uri") != v.base+"/" || to.Query().Get("id_token_hint") == "" {
		t.Errorf("sent to %v (%v)", to, err)
	}
	if v.signedIn() {
		t.Error("signed in still")
	}
	res, body := v.do("GET", "/?state=") // the page above was the first after leaving; nothing is left to compare
	if strings.Contains(body, "You are signed out") || len(res.Cookies()) != 0 {
		t.Errorf("said twice: %s", body)
	}
	if res, _ := v.do("POST", "/logout"); res.Header.Get("Location") != "/" {
		t.Errorf("a second time: %d", res.StatusCode)
	}
}

// The protected call asks the provider each time whether the token is good.
// told says to the viewer what a provider says when a session has ended.
func (v *person) told(change func(claims map[string]any)) int {
	v.t.Helper()
	claims := map[string]any{
		"iss": v.p.srv.URL, "aud": "viewer", "sub": "u1", "sid": "s1", "jti": rand.Text(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	change(claims)
	text, err := json.Marshal(claims)
	if err != nil {
		v.t.Fatal(err)
	}
	// Not by the browser: it has no cookies.
	res, err := http.PostForm(v.base+viewer.BackchannelPath, url.Values{"logout_token": {oidctest.SignIDToken(v.p.key, "k", "ES256", string(text))}})
	if err != nil {
		v.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestToldThatASessionEnded(t *testing.T) {
	p := newProvider(t)
	sid := "s1"
	p.claims = func(c map[string]any) { c["sid"] = sid }
	one := open(t, p)
	one.signsIn()
	sid = "s2"
	two := one.elsewhere()
	two.signsIn()
	nothing := func(map[string]any) {}
	for why, change := range map[string]func(map[string]any){
		"another issuer":      func(c map[string]any) { c["iss"] = "https://evil.example" },
		"another application": func(c map[string]any) { c["aud"] = "archive" },
		"a nonce":             func(c map[string]any) { c["nonce"] = "n" },
		"no event":            func(c map[string]any) { delete(c, "events") },
		"too old":             func(c map[string]any) { c["exp"] = time.Now().Add(-time.Minute).Unix() },
		"without its time":    func(c map[string]any) { delete(c, "iat") },
		"issued later":        func(c map[string]any) { c["iat"] = time.Now().Add(time.Hour).Unix() },
		"without its number":  func(c map[string]any) { delete(c, "jti") },
		"an event that is no": func(c map[string]any) {
			c["events"] = map[string]any{"http://schemas.openid.net/event/backchannel-logout": "yes"}
		},
		"of nobody": func(c map[string]any) { delete(c, "sub"); delete(c, "sid") },
	} {
		if status := one.told(change); status != http.StatusBadRequest || !one.signedIn() || !two.signedIn() {
			t.Errorf("%s: %d", why, status)
		}
	}
	res, err := http.PostForm(one.base+viewer.BackchannelPath, url.Values{"logout_token": {"x.y.z"}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest || !one.signedIn() {
		t.Errorf("no token at all: %d", res.StatusCode)
	}
	if status := one.told(func(c map[string]any) { c["sub"] = "u2" }); status != http.StatusOK || !one.signedIn() {
		t.Errorf("another person's: %d", status)
	}
	if status := one.told(func(c map[string]any) { c["jti"] = "once" }); status != http.StatusOK || one.signedIn() || !two.signedIn() {
		t.Errorf("the session: %d", status)
	}
	if status := one.told(func(c map[string]any) { c["jti"] = "once"; delete(c, "sid") }); status != http.StatusBadRequest || !two.signedIn() {
		t.Errorf("the same token's number again: %d", status)
	}
	if status := one.told(nothing); status != http.StatusOK || !two.signedIn() {
		t.Errorf("once more: %d", status)
	}
	if status := one.told(func(c map[string]any) { delete(c, "sid") }); status != http.StatusOK || two.signedIn() {
		t.Errorf("all of the person: %d", status)
	}
}

func TestStudies(t *testing.T) {
	p := newProvider(t)
	v := open(t, p)
	if res, _ := v.do("GET", "/api/studies"); res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("without a token: %d", res.StatusCode)
	}
	if res, _ := v.do("GET", "/api/studies", "Authorization", "Bearer made-up"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("with a made-up token: %d", res.StatusCode)
	}
	v.signsIn()
	res, body := v.do("GET", "/api/studies")
	var answer struct {
		For     string
		Studies []viewer.Study
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.For != "u1" || len(answer.Studies) == 0 || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v %s", err, body)
	}
	if res, _ := v.elsewhere().do("GET", "/api/studies", "Authorization", "Bearer access-1"); res.StatusCode != http.StatusOK {
		t.Errorf("with the token itself: %d", res.StatusCode)
	}
	p.mu.Lock()
	maps.DeleteFunc(p.live, func(string, bool) bool { return true })
	p.mu.Unlock()
	if res, _ := v.do("GET", "/api/studies"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("with a token that was revoked: %d", res.StatusCode)
	}
}

func TestProviderAway(t *testing.T) {
	p := newProvider(t)
	v := open(t, p)
	p.srv.Close()
	if res, body := v.do("GET", "/login"); res.StatusCode != http.StatusBadGateway || !strings.Contains(body, "cannot be reached") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []viewer.Config{
		{Issuer: "https://idp.example?tenant=1", BaseURL: "https://viewer.example"}, {Issuer: "idp", BaseURL: "https://viewer.example"},
		{Issuer: "https://idp.example", BaseURL: "https://viewer.example", SigningAlg: "none"}, {Issuer: "https://idp.example", BaseURL: "https://viewer.example", SigningAlg: "HS256"},
		{Issuer: "https://idp.example", BaseURL: ""}, {Issuer: "https://idp.example", BaseURL: "https://viewer.example/"},
	} {
		if _, err := viewer.New(c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
	h, err := viewer.New(viewer.Config{Issuer: "https://idp.example", BaseURL: "https://viewer.example"})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if csp := w.Header().Get("Content-Security-Policy"); w.Code != 200 || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "form-action 'self' https://idp.example;") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
