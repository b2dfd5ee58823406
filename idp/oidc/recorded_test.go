package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/serve"
)

// recorder is a site whose answers are written down, with all that can be observed of them:
// status, headers, body, log lines, and what the application's page tells. What differs with
// every run (tokens, ids, times) is written as its name.
type recorder struct {
	*bench
	log  bytes.Buffer
	told bytes.Buffer
	name map[string]string // of what differs, by itself
	all  map[string]*client
	anna *person
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{name: map[string]string{}, all: map[string]*client{}}
	s := newSite(t, withRealm, func(_ *site, c *Config) {
		c.Rejected = func(_ idp.ClientID, j idp.Rejection) {
			fmt.Fprintf(&r.told, "told: %s %q %q\n", j.Reason, j.Sent, j.Registered)
		}
	})
	r.anna = s.addPerson("anna")
	r.name[s.issuer], r.name[string(r.anna.ID)] = "ISSUER", "ANNA"
	r.register(s, "basic", nil)
	r.register(s, "other", nil)
	r.register(s, "post", func(c *idp.Client) { c.Auth = idp.AuthPost })
	r.register(s, "public", public)
	r.register(s, "bound", func(c *idp.Client) { c.DPoP = true })
	r.register(s, "pairwise", func(c *idp.Client) { c.SubjectType, c.Signing.UserinfoAlg = idp.SubjectPairwise, keyring.ES256 })
	r.register(s, "realm", shaped)
	r.register(s, "device", func(c *idp.Client) { public(c); forDevices(c) })
	r.register(s, "exchanging", func(c *idp.Client) {
		c.GrantTypes, c.ExchangeTargets = []string{idp.GrantCode, idp.GrantExchange}, []string{"https://pacs.test"}
	})
	r.register(s, "disabled", nil)
	s.editClient(r.all["disabled"], func(c *idp.Client) { c.Disabled = true })
	keyed := s.addKeyed(nil, newKey(t, keyring.ES256, "k"))
	r.all["keyed"], r.name[string(keyed.ID)] = keyed, "keyed"

	b := s.browser()
	b.signIn(r.anna, request(r.all["basic"]))
	session, err := s.db.SessionByToken(t.Context(), b.asLogin().Session.Hash())
	if err != nil {
		t.Fatal(err)
	}
	r.name[string(session.ID)] = "SESSION"
	mux := http.NewServeMux()
	s.server.Mount(mux)
	log := slog.New(slog.NewTextHandler(&r.log, nil))
	before := slog.Default()
	slog.SetDefault(log) // the library's own lines, too
	t.Cleanup(func() { slog.SetDefault(before) })
	r.bench = &bench{site: s, session: session, handler: serve.Handler(mux, serve.Config{Log: log, Refusals: s.server.Refusals()})}
	return r
}

func (r *recorder) register(s *site, name string, change func(*idp.Client)) {
	c := s.addClient(change)
	r.all[name], r.name[string(c.ID)] = c, name
}

// codeOf is a code of a client, as a live session gives it.
func (r *recorder) codeOf(name string) string {
	r.client = r.all[name]
	return r.code(r.t).Reveal()
}

// tokensOf are tokens of a client.
func (r *recorder) tokensOf(name string) *tokens {
	c := r.all[name]
	path := pathToken
	if name == "realm" {
		path = testProtocol + "/token"
	}
	q := odd{path: path, form: codeForm(c, r.codeOf(name)), header: http.Header{}}
	if name == "bound" {
		q.header.Set("DPoP", newKey(r.t, keyring.ES256, "").prove(r.t, r.proofOf("POST", path, "")))
	}
	r.authenticate(&q, name)
	w := r.send(q)
	var got tokens
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Access == "" {
		r.t.Fatalf("no tokens for %s: %d %s", name, w.Code, w.Body)
	}
	return &got
}

// odd is a request that need not be a good one.
type odd struct {
	method, path, raw string
	form              url.Values // unless raw is given
	header            http.Header
}

// authenticate adds the credentials of a client.
func (r *recorder) authenticate(q *odd, name string) {
	c := r.all[name]
	switch c.Auth {
	case idp.AuthPost:
		q.form.Set("client_id", string(c.ID))
		q.form.Set("client_secret", c.secret.Reveal())
	case idp.AuthNone:
		q.form.Set("client_id", string(c.ID))
	case idp.AuthPrivateKey:
		q.form.Set("client_assertion_type", assertionType)
		q.form.Set("client_assertion", c.key.sign(r.t, r.assertion(c), nil))
	default:
		q.header.Set("Authorization", basic(url.QueryEscape(string(c.ID)), url.QueryEscape(c.secret.Reveal())))
	}
}

func basic(id, secret string) string {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(id, secret)
	return r.Header.Get("Authorization")
}

func (r *recorder) send(q odd) *httptest.ResponseRecorder {
	if q.method == "" {
		q.method = http.MethodPost
	}
	body := q.raw
	if body == "" {
		body = q.form.Encode()
	}
	req := httptest.NewRequest(q.method, q.path, strings.NewReader(body)).WithContext(r.t.Context())
	if q.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	maps.Copy(req.Header, q.header)
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w
}

var differs = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`"(access_token|refresh_token|id_token|device_code|user_code|sub|sid|jkt|session_state)":"[^"]*"`), `"$1":"…"`},
	{regexp.MustCompile(`user_code=[A-Z]{4}-[A-Z]{4}`), "user_code=…"},
	{regexp.MustCompile(`"(iat|exp|auth_time|updated_at|not-before-policy|refresh_expires_in)":\d+`), `"$1":0`},
	{regexp.MustCompile(`Reference \w+`), "Reference …"},
	{regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`), "JWT"},
	{regexp.MustCompile(`(?m)^(X-Request-Id|Dpop-Nonce): .*$`), "$1: …"},
	{regexp.MustCompile(`(^|\s)(time|id|took|address)=\S+ ?`), "$1"},
}

// answer is what can be observed of the response to a request.
func (r *recorder) answer(q odd) string {
	r.log.Reset()
	r.told.Reset()
	w := r.send(q)
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", w.Code)
	head := w.Result().Header
	for _, name := range slices.Sorted(maps.Keys(head)) {
		for _, v := range head[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	fmt.Fprintf(&b, "%q\n", w.Body.String())
	b.WriteString(r.log.String())
	b.WriteString(r.told.String())
	return r.stable(b.String())
}

func (r *recorder) stable(v string) string {
	v = strings.ReplaceAll(v, `\"`, `"`)
	for _, d := range differs {
		v = d.pattern.ReplaceAllString(v, d.name)
	}
	for what, name := range r.name {
		v = strings.ReplaceAll(v, what, name)
	}
	return v
}

// TestEndpointsAnswerAsRecorded: what the endpoints that machines call all day answer to
// requests that are good, and to those that are not quite. testdata/endpoints.txt was
// recorded while zitadel/oidc read these requests and wrote the responses; what has been
// changed on purpose since stands in decision 82.
func TestEndpointsAnswerAsRecorded(t *testing.T) {
	r := newRecorder(t)
	var out bytes.Buffer
	say := func(why string, q odd) { fmt.Fprintf(&out, "== %s\n%s\n", why, r.answer(q)) }
	as := func(name, path string, pairs ...string) odd {
		q := odd{path: path, form: url.Values{}, header: http.Header{}}
		for i := 0; i < len(pairs); i += 2 {
			q.form.Add(pairs[i], pairs[i+1])
		}
		if name != "" {
			r.authenticate(&q, name)
		}
		return q
	}
	with := func(q odd, headers ...string) odd {
		for i := 0; i < len(headers); i += 2 {
			q.header.Add(headers[i], headers[i+1])
		}
		return q
	}
	code := func(name string, pairs ...string) odd {
		q := as(name, pathToken)
		maps.Copy(q.form, codeForm(r.all[name], r.codeOf(name)))
		for i := 0; i < len(pairs); i += 2 {
			q.form.Set(pairs[i], pairs[i+1])
		}
		return q
	}
	without := func(q odd, name string) odd { q.form.Del(name); return q }

	for _, name := range []string{"basic", "post", "public", "keyed", "pairwise"} {
		say("code, "+name, code(name))
	}
	say("code, from a page", with(code("basic"), "Origin", "https://viewer.test"))
	say("code, from a strange page", with(code("basic"), "Origin", "https://evil.test"))
	say("code, bound, without a proof", code("bound"))
	say("code, bound", with(code("bound"), "DPoP", newKey(t, keyring.ES256, "").prove(t, r.proofOf("POST", pathToken, ""))))
	for _, name := range []string{"code", "redirect_uri", "code_verifier", "grant_type"} {
		say("code without "+name, without(code("basic"), name))
	}
	say("code, another redirect_uri", code("basic", "redirect_uri", "https://viewer.test/other"))
	say("code, another verifier", code("basic", "code_verifier", strings.Repeat("b", 43)))
	foreign := as("other", pathToken)
	foreign.form = code("basic").form
	say("another client's code", foreign)
	twice := code("basic")
	r.send(twice)
	say("a code twice", twice)
	say("code, requested_token_type", code("basic", "requested_token_type", typeOfJWT))

	for _, name := range []string{"basic", "post", "public", "keyed", "pairwise"} {
		say("refresh, "+name, as(name, pathToken, "grant_type", idp.GrantRefresh, "refresh_token", r.tokensOf(name).Refresh))
	}
	say("refresh without a token", as("basic", pathToken, "grant_type", idp.GrantRefresh))
	say("refresh, unknown", as("basic", pathToken, "grant_type", idp.GrantRefresh, "refresh_token", "x"))
	say("refresh, more scopes", as("basic", pathToken, "grant_type", idp.GrantRefresh, "refresh_token", r.tokensOf("basic").Refresh, "scope", "openid roles"))
	say("refresh, fewer scopes", as("basic", pathToken, "grant_type", idp.GrantRefresh, "refresh_token", r.tokensOf("basic").Refresh, "scope", "openid"))
	used := as("basic", pathToken, "grant_type", idp.GrantRefresh, "refresh_token", r.tokensOf("basic").Refresh)
	r.send(used)
	say("refresh twice", used)

	say("client credentials", as("basic", pathToken, "grant_type", idp.GrantClientCredentials))
	say("client credentials, scope", as("basic", pathToken, "grant_type", idp.GrantClientCredentials, "scope", "pacs"))
	say("client credentials, another scope", as("basic", pathToken, "grant_type", idp.GrantClientCredentials, "scope", "openid"))
	say("client credentials, public", as("public", pathToken, "grant_type", idp.GrantClientCredentials))
	say("client credentials, disabled", as("disabled", pathToken, "grant_type", idp.GrantClientCredentials))
	say("client credentials, wrong way", as("", pathToken, "grant_type", idp.GrantClientCredentials, "client_id", string(r.all["basic"].ID), "client_secret", r.all["basic"].secret.Reveal()))
	say("client credentials, wrong secret", with(as("", pathToken, "grant_type", idp.GrantClientCredentials), "Authorization", basic(string(r.all["basic"].ID), "wrong")))
	say("client credentials, nobody", with(as("", pathToken, "grant_type", idp.GrantClientCredentials), "Authorization", basic("nobody", "wrong")))
	say("client credentials, both ways", with(as("post", pathToken, "grant_type", idp.GrantClientCredentials), "Authorization", basic("nobody", "wrong")))
	say("client credentials, malformed", with(as("", pathToken, "grant_type", idp.GrantClientCredentials), "Authorization", basic("%zz", "wrong")))
	say("client credentials at the realm's", as("basic", testProtocol+"/token", "grant_type", idp.GrantClientCredentials))

	say("exchange, not registered", as("basic", pathToken, "grant_type", idp.GrantExchange, "subject_token", "x", "subject_token_type", typeOfAccess))
	for _, e := range []struct{ why, token, kind, name, value string }{
		{"exchange", r.tokensOf("exchanging").Access, typeOfAccess, "", ""},
		{"exchange without a token", "", typeOfAccess, "", ""},
		{"exchange without a type", "x", "", "", ""},
		{"exchange, odd type", "x", "urn:odd", "", ""},
		{"exchange, a refresh token", "x", "urn:ietf:params:oauth:token-type:refresh_token", "", ""},
		{"exchange, odd requested", "x", typeOfAccess, "requested_token_type", "urn:odd"},
		{"exchange, IUA's requested", "x", typeOfAccess, "requested_token_type", typeOfAccessIUA},
		{"exchange, requested JWT", "x", typeOfAccess, "requested_token_type", typeOfJWT},
		{"exchange, actor", "x", typeOfAccess, "actor_token", "x"},
		{"exchange, odd actor type", "x", typeOfAccess, "actor_token_type", "urn:odd"},
		{"exchange, actor type", "x", typeOfAccess, "actor_token_type", typeOfAccess},
		{"exchange, another audience", r.tokensOf("exchanging").Access, typeOfAccess, "audience", "https://odd.test"},
		{"exchange, unknown token", "x", typeOfAccess, "", ""},
		{"exchange, an ID token", r.tokensOf("exchanging").ID, typeOfID, "", ""},
	} {
		q := as("exchanging", pathToken, "grant_type", idp.GrantExchange, "subject_token", e.token, "subject_token_type", e.kind)
		if e.name != "" {
			q.form.Set(e.name, e.value)
		}
		say(e.why, q)
	}

	for _, grant := range []string{"", "password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", idp.GrantCIBA, idp.GrantDevice, "Authorization_Code"} {
		say(fmt.Sprintf("grant type %q", grant), as("basic", pathToken, "grant_type", grant))
	}
	say("device code without a code", as("device", pathToken, "grant_type", idp.GrantDevice))
	say("device code, unknown", as("device", pathToken, "grant_type", idp.GrantDevice, "device_code", "x"))
	say("device authorization", as("device", pathDevice, "scope", "openid"))
	say("device authorization, no scope", as("device", pathDevice))
	say("device authorization, not registered", as("public", pathDevice, "scope", "openid"))
	say("device authorization, another grant type", as("device", pathDevice, "scope", "openid", "grant_type", idp.GrantCode))
	waits := r.startDevice(r.all["device"], "openid")
	pending := as("device", pathToken, "grant_type", idp.GrantDevice, "device_code", waits.Device)
	r.clock.Add(idp.PollInterval)
	say("device code, nobody has answered", pending)
	say("device code, too soon", pending)

	for _, name := range []string{"basic", "pairwise", "realm"} {
		path := pathUserinfo
		if name == "realm" {
			path = testProtocol + "/userinfo"
		}
		tok := r.tokensOf(name).Access
		say("userinfo, "+name, with(odd{method: "GET", path: path, header: http.Header{}}, "Authorization", "Bearer "+tok))
	}
	tok := r.tokensOf("basic").Access
	info := func(method, path string, headers ...string) odd {
		return with(odd{method: method, path: path, header: http.Header{}}, headers...)
	}
	say("userinfo, posted", info("POST", pathUserinfo, "Authorization", "Bearer "+tok))
	say("userinfo, in the form", odd{path: pathUserinfo, form: url.Values{"access_token": {tok}}})
	say("userinfo, in the form twice", odd{path: pathUserinfo, raw: "access_token=" + tok + "&access_token=" + tok})
	say("userinfo, in both", with(odd{path: pathUserinfo, form: url.Values{"access_token": {tok}}, header: http.Header{}}, "Authorization", "Bearer "+tok))
	say("userinfo, JSON", with(odd{path: pathUserinfo, raw: "{}", header: http.Header{}}, "Authorization", "Bearer "+tok, "Content-Type", "application/json"))
	say("userinfo, in the URL", info("GET", pathUserinfo+"?access_token="+tok))
	say("userinfo, lower case", info("GET", pathUserinfo, "Authorization", "bearer "+tok))
	say("userinfo, two spaces", info("GET", pathUserinfo, "Authorization", "Bearer  "+tok))
	say("userinfo, a word too many", info("GET", pathUserinfo, "Authorization", "Bearer "+tok+" x"))
	say("userinfo, Basic", info("GET", pathUserinfo, "Authorization", "Basic "+tok))
	say("userinfo, no token", info("GET", pathUserinfo))
	say("userinfo, unknown", info("GET", pathUserinfo, "Authorization", "Bearer x"))
	say("userinfo, unknown by DPoP", info("GET", pathUserinfo, "Authorization", "DPoP x"))
	say("userinfo, by DPoP", info("GET", pathUserinfo, "Authorization", "DPoP "+tok))
	say("userinfo, bound, as bearer", info("GET", pathUserinfo, "Authorization", "Bearer "+r.tokensOf("bound").Access))
	say("userinfo, bound, no proof", info("GET", pathUserinfo, "Authorization", "DPoP "+r.tokensOf("bound").Access))
	say("userinfo, from a page", info("GET", pathUserinfo, "Authorization", "Bearer "+tok, "Origin", "https://viewer.test"))
	say("userinfo, from a page, unknown", info("GET", pathUserinfo, "Authorization", "Bearer x", "Origin", "https://viewer.test"))
	say("userinfo of the realm's token", info("GET", pathUserinfo, "Authorization", "Bearer "+r.tokensOf("realm").Access))
	var own tokens
	if err := json.Unmarshal(r.send(as("basic", pathToken, "grant_type", idp.GrantClientCredentials)).Body.Bytes(), &own); err != nil {
		t.Fatal(err)
	}
	say("userinfo of nobody", info("GET", pathUserinfo, "Authorization", "Bearer "+own.Access))

	for _, name := range []string{"basic", "post", "keyed"} {
		say("introspection, "+name, as(name, pathIntrospect, "token", r.tokensOf(name).Access))
	}
	say("introspection, refresh token", as("basic", pathIntrospect, "token", r.tokensOf("basic").Refresh, "token_type_hint", "refresh_token"))
	say("introspection, another's", as("other", pathIntrospect, "token", tok))
	say("introspection, unknown", as("basic", pathIntrospect, "token", "x"))
	say("introspection, no token", as("basic", pathIntrospect))
	say("introspection, public", as("public", pathIntrospect, "token", tok))
	say("introspection, signed", with(as("basic", pathIntrospect, "token", tok), "Accept", kindIntrospection))
	say("introspection, wrong secret", with(as("", pathIntrospect, "token", tok), "Authorization", basic(string(r.all["basic"].ID), "wrong")))
	say("introspection, another grant type", as("basic", pathIntrospect, "token", tok, "grant_type", "password"))
	say("introspection at the realm's", as("basic", testProtocol+"/token/introspect", "token", tok))

	say("revocation, unknown", as("basic", pathRevoke, "token", "x"))
	say("revocation, no token", as("basic", pathRevoke))
	say("revocation, another's", as("other", pathRevoke, "token", tok))
	say("revocation, another grant type", as("basic", pathRevoke, "token", tok, "grant_type", "password"))
	say("revocation, wrong secret", with(as("", pathRevoke, "token", tok), "Authorization", basic(string(r.all["basic"].ID), "wrong")))
	say("revocation", as("basic", pathRevoke, "token", tok))
	say("revocation again", as("basic", pathRevoke, "token", tok))
	say("userinfo after that", info("GET", pathUserinfo, "Authorization", "Bearer "+tok))
	gone := r.tokensOf("public")
	say("revocation, refresh token of a public one", as("public", pathRevoke, "token", gone.Refresh, "token_type_hint", "access_token"))
	say("refresh after that", as("public", pathToken, "grant_type", idp.GrantRefresh, "refresh_token", gone.Refresh))

	for _, path := range []string{pathToken, pathIntrospect, pathRevoke} {
		say("no name is spelt otherwise, "+path, as("basic", path, "TOKEN", "x", "Grant_Type", "client_credentials", "grant_type", idp.GrantRefresh, "REFRESH_TOKEN", "x"))
	}

	say("token, percent-encoded", as("basic", "/%74oken", "grant_type", idp.GrantClientCredentials))
	say("introspection, percent-encoded", as("basic", "/introspec%74", "token", "x"))

	r.store.breakWith(errors.New("the disk is gone"))
	say("a fault of ours, code", code("basic"))
	say("a fault of ours, userinfo", info("GET", pathUserinfo, "Authorization", "Bearer "+tok))
	say("a fault of ours, introspection", as("basic", pathIntrospect, "token", tok))
	say("a fault of ours, revocation", as("basic", pathRevoke, "token", tok))
	r.store.breakWith(idp.ErrUnwritable)
	say("nothing can be written", code("basic"))
	r.store.breakWith(nil)
	golden(t, "endpoints.txt", out.Bytes())
}

// oddRequests is how many are recorded.
const oddRequests = 400

// TestOddRequestsAreAnsweredAsRecorded: requests that are each a good one with one to three
// things done to it, by numbers that are always the same. See TestEndpointsAnswerAsRecorded.
func TestOddRequestsAreAnsweredAsRecorded(t *testing.T) {
	r := newRecorder(t)
	dice := rand.New(rand.NewPCG(82, 0))
	names := []string{"basic", "post", "public", "keyed", "realm"}
	var out bytes.Buffer
	for i := range oddRequests {
		name := names[dice.IntN(len(names))]
		q, why := r.good(dice, name)
		for range 1 + dice.IntN(3) {
			why += ", " + r.spoil(dice, &q)
		}
		answer := strings.Split(r.answer(q), "\n")
		kept := []string{answer[0]}
		for _, line := range answer[1:] {
			for _, of := range []string{`"`, "WWW-Authenticate", "Www-Authenticate", "Access-Control-Allow-Origin", "told", "level=WARN", "level=ERROR"} {
				if strings.HasPrefix(line, of) && line != `""` {
					kept = append(kept, line)
				}
			}
			if _, said, ok := strings.Cut(line, "refused="); ok && strings.Contains(line, "msg=request ") {
				kept = append(kept, "refused="+said)
			}
		}
		fmt.Fprintf(&out, "%d %s: %s: %s\n", i, name, why, strings.Join(kept, " | "))
	}
	golden(t, "odd.txt", out.Bytes())
}

// good is a good request of a client to one of the endpoints.
func (r *recorder) good(dice *rand.Rand, name string) (q odd, why string) {
	at := func(path string) string {
		if name == "realm" {
			return testProtocol + realmPaths[path]
		}
		return path
	}
	q = odd{method: "POST", header: http.Header{}}
	switch dice.IntN(6) {
	case 0:
		why, q.path, q.form = "code", at(pathToken), codeForm(r.all[name], r.codeOf(name))
	case 1:
		why, q.path, q.form = "refresh", at(pathToken), url.Values{"grant_type": {idp.GrantRefresh}, "refresh_token": {r.tokensOf(name).Refresh}}
	case 2:
		why, q.path, q.form = "client credentials", at(pathToken), url.Values{"grant_type": {idp.GrantClientCredentials}, "scope": {"pacs"}}
	case 3:
		q.path, q.form = at(pathUserinfo), url.Values{}
		q.header.Set("Authorization", "Bearer "+r.tokensOf(name).Access)
		return q, "userinfo"
	case 4:
		why, q.path, q.form = "introspection", at(pathIntrospect), url.Values{"token": {r.tokensOf(name).Access}}
	default:
		why, q.path, q.form = "revocation", at(pathRevoke), url.Values{"token": {r.tokensOf(name).Refresh}, "token_type_hint": {"access_token"}}
	}
	r.authenticate(&q, name)
	return q, why
}

// spoil does something to a request, and says what.
func (r *recorder) spoil(dice *rand.Rand, q *odd) string {
	raw := q.raw
	if raw == "" {
		raw = q.form.Encode()
	}
	parts := strings.Split(raw, "&")
	n := dice.IntN(len(parts))
	name, _, _ := strings.Cut(parts[n], "=")
	add := func(what string) string { q.raw = raw + "&" + what; return "with " + what }
	pick := func(of ...string) string { return of[dice.IntN(len(of))] }
	switch dice.IntN(16) {
	case 0:
		q.raw = strings.Join(slices.Delete(parts, n, n+1), "&")
		if q.raw == "" {
			q.raw = "x=y"
		}
		return "no " + name
	case 1:
		parts[n] = name + "="
		q.raw = strings.Join(parts, "&")
		return "empty " + name
	case 2:
		q.raw = raw + "&" + parts[n]
		return "twice " + name
	case 3:
		if name != "" {
			parts[n] = name + pick("=%00", "=%ff", "=%zz", "=a%0d%0ab", "="+strings.Repeat("x", 3000), "=%2B+%20", "=%22%3c%26%e2%80%a8", "=x;y")
		}
		q.raw = strings.Join(parts, "&")
		return parts[n][:min(len(parts[n]), 40)]
	case 4:
		return add(pick("x=1", "x.y=1", "resource.0=a", "scope.0=openid", "resource=", "resource=a&resource=b", "audience=a&audience=b", "=1", "%3d=1", "a[0]=1", "code.x=1", "client_id.x=1", ";", "scope=openid+openid"))
	case 5:
		return add(pick("client_id=nobody", "client_secret=x", "client_secret=", "client_assertion=x", "client_assertion_type=x", "grant_type=", "grant_type=password", "scope=", "requested_token_type=urn:odd"))
	case 6:
		q.raw = raw + "&x=" + strings.Repeat("y", 40_000)
		return "too long"
	case 7:
		kind := pick("", "application/json", "application/x-www-form-urlencoded; charset=UTF-8", "APPLICATION/X-WWW-FORM-URLENCODED", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded; =", "text/plain")
		q.header.Set("Content-Type", kind)
		return "type " + kind
	case 8:
		q.method = pick("GET", "HEAD", "PUT", "OPTIONS", "DELETE", "PATCH", "POST")
		return q.method
	case 9:
		q.path, _, _ = strings.Cut(q.path, "?")
		query := pick("a=b", "access_token=x", "%zz", "", "client_id=x", "a=b&a=c")
		q.path += "?" + query
		return "?" + query
	case 10:
		value := pick("", "Basic", "Basic ", "Basic !!!", "Bearer x", "Negotiate x", "Bearer", "DPoP x", "Basic "+strings.Repeat("A", 4000), basic("nobody", "x"), basic("", "x"), basic("x", ""), basic("%zz", "x"), basic("a\nb", "x"), basic(string(r.all["basic"].ID), "wrong"))
		q.header.Set("Authorization", value)
		return "Authorization " + value[:min(len(value), 8)]
	case 11:
		q.header.Add("Authorization", pick("Bearer x", basic("nobody", "x")))
		return "one Authorization more"
	case 12:
		v := q.header.Get("Authorization")
		scheme, rest, ok := strings.Cut(v, " ")
		if ok {
			q.header.Set("Authorization", pick(strings.ToLower(scheme), strings.ToUpper(scheme))+pick(" ", "  ", " ")+rest)
		}
		return "another spelling of the scheme"
	case 13:
		origin := pick("https://viewer.test", "https://evil.test", "null", "")
		q.header.Set("Origin", origin)
		return "Origin " + origin
	case 14:
		proof := pick("x", "", "eyJhbGciOiJub25lIn0.e30.")
		q.header.Set("DPoP", proof)
		return "DPoP " + proof
	default:
		accept := pick(kindIntrospection, "application/json", "text/html", kindIntrospection+";q=0", kindIntrospection+", */*;q=0.5")
		q.header.Set("Accept", accept)
		return "Accept " + accept
	}
}
