package oidc

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/recent"
)

// signedModes are the response modes that are signed, by where the answer to each goes.
var signedModes = map[string]string{"jwt": modeQuery, "query.jwt": modeQuery, "fragment.jwt": modeFragment, "form_post.jwt": modeFormPost}

// answeredSigned is the claims of a signed authorization response, which is the one
// parameter of its answer.
func (s *site) answeredSigned(c *client, alg, mode string, r *reply) map[string]any {
	s.t.Helper()
	got := stateIn(s.t.(*testing.T), r, signedModes[mode])
	if len(got) != 1 {
		s.t.Errorf("%s: beside the response: %v", mode, got)
	}
	return s.response(c, alg, got.Get("response"))
}

// TestSignedResponses: in each mode, by each algorithm, for a code, for what is wrong with the
// request, and for a person who denies.
func TestSignedResponses(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	for _, alg := range []string{"", keyring.PS256, keyring.ES256, keyring.EdDSA} {
		c, by := s.addClient(func(c *idp.Client) { c.Signing.ResponseAlg = alg }), alg
		if alg == "" {
			by = keyring.RS256
		}
		for mode := range signedModes {
			at := func(pairs ...string) string {
				return pathAuthorize + "?" + request(c, append([]string{"response_mode", mode}, pairs...)...).Encode()
			}
			b := s.browser()
			id := b.get(at()).loginOf(t)
			b.prove(id, anna)
			got := s.answeredSigned(c, by, mode, b.get(CollectPath+string(id)))
			if got["state"] != "the state" || got["code"] == nil || got["error"] != nil || got["sub"] != nil {
				t.Fatalf("%s %s: %v", alg, mode, got)
			}
			s.mustExchange(c, idp.Secret(got["code"].(string)))
			// At once, from the session.
			if got := s.answeredSigned(c, by, mode, b.get(at("prompt", "none"))); got["code"] == nil {
				t.Errorf("%s %s: %v", alg, mode, got)
			}
			for why, row := range map[string]struct{ query, code string }{
				"nobody in":        {at("prompt", "none"), codeLoginRequired},
				"no scope":         {at("scope", "none"), codeInvalidScope},
				"no challenge":     {at("code_challenge", ""), codeInvalidRequest},
				"a token":          {strings.Replace(at("response_type", "token"), "=jwt", "=query.jwt", 1), codeUnsupportedResponse},
				"a request object": {at("request", "x.y.z"), codeRequestUnsupported},
			} {
				got := s.answeredSigned(c, by, mode, s.browser().get(row.query))
				if got["error"] != row.code || got["error_description"] == "" || got["state"] != "the state" || got["code"] != nil {
					t.Errorf("%s %s, %s: %v", alg, mode, why, got)
				}
			}
			other := s.browser()
			id = other.get(at()).loginOf(t)
			if _, err := s.flow.Cancel(t.Context(), id, other.asLogin()); err != nil {
				t.Fatal(err)
			}
			if got := s.answeredSigned(c, by, mode, other.get(CollectPath+string(id))); got["error"] != codeAccessDenied || got["state"] != "the state" {
				t.Errorf("%s %s, denied: %v", alg, mode, got)
			}
		}
	}
}

// TestSignedResponsesThatCannotBe: what a signed response cannot be sent for.
func TestSignedResponsesThatCannotBe(t *testing.T) {
	s := newSite(t)
	app := s.addClient(func(c *idp.Client) {
		public(c)
		c.Kind, c.RedirectURIs = idp.ClientNative, []string{"org.weasis.viewer:/cb"}
	})
	at := s.browser().get(pathAuthorize + "?" + request(app, "response_mode", "form_post.jwt").Encode()).Header.Get("Location")
	token, ok := strings.CutPrefix(at, "org.weasis.viewer:/cb?response=")
	if got := s.response(app, keyring.RS256, token); !ok || got["error"] != codeInvalidRequest {
		t.Errorf("a form for an application's own scheme: %s %v", at, got)
	}
	c := s.addClient(func(c *idp.Client) { c.Signing.ResponseAlg = keyring.EdDSA })
	s.server.conf.Keys = withoutKey{ring(), keyring.EdDSA}
	// A client whose algorithm no key has is told when it pushes; a browser is shown a fault,
	// rather than sent on with a response that is not signed.
	_, r := s.push(c, request(c, "response_mode", "jwt"))
	refused(t, r, http.StatusBadRequest, codeInvalidRequest)
	if r := s.browser().get(pathAuthorize + "?" + request(c, "response_mode", "jwt").Encode()); r.StatusCode != http.StatusInternalServerError || r.Header.Get("Location") != "" {
		t.Errorf("%d %s", r.StatusCode, r.Header.Get("Location"))
	}
	s.browser().get(pathAuthorize + "?" + request(c).Encode()).loginOf(t) // who does not ask for it
}

// withoutKey is a key ring that has no key of an algorithm.
type withoutKey struct {
	*keyring.Ring
	alg string
}

func (r withoutKey) Signer(alg string) (keyring.Key, error) {
	if alg == r.alg {
		return keyring.Key{}, idp.ErrNotFound
	}
	return r.Ring.Signer(alg)
}

// TestMessageSigningDemandsSignedResponses: of who is held to it; others under FAPI 2.0 need
// not ask for them, but may.
func TestMessageSigningDemandsSignedResponses(t *testing.T) {
	s := newSite(t)
	key := newKey(t, keyring.ES256, "k")
	signing := s.fapi(key, func(c *idp.Client) { c.Profile = idp.ProfileFAPI2Signing })
	plain := s.fapi(key, nil)
	if !signing.Signing.RequireRequest || !signing.RequirePushed || !signing.DPoP || plain.Signing.RequireRequest {
		t.Fatalf("%+v %+v", signing.Client, plain.Client)
	}
	proof := func() string { return key.prove(t, s.proofOf("POST", pathPushed, "")) }
	for why, row := range map[string]struct {
		c    *client
		q    url.Values
		code string
	}{
		"signed, and asks for it":         {signing, s.signed(signing, request(signing, "response_mode", "jwt")), ""},
		"signed, and asks for a form":     {signing, s.signed(signing, request(signing, "response_mode", "form_post.jwt")), ""},
		"signed, and asks for nothing":    {signing, s.signed(signing, request(signing)), codeInvalidRequest},
		"signed, and asks for a query":    {signing, s.signed(signing, request(signing, "response_mode", "query")), codeInvalidRequest},
		"asked for outside of the object": {signing, withMode(s.signed(signing, request(signing)), "jwt"), codeInvalidRequest},
		"not signed":                      {signing, request(signing, "response_mode", "jwt"), codeInvalidRequest},
		"of others, neither":              {plain, request(plain), ""},
		"of others, asked for":            {plain, request(plain, "response_mode", "jwt"), ""},
		"of others, signed":               {plain, s.signed(plain, request(plain)), ""},
	} {
		r := s.call(pathPushed, row.c, row.q, "DPoP", proof())
		if row.code == "" && r.StatusCode != http.StatusCreated {
			t.Errorf("%s: %d %s", why, r.StatusCode, r.body)
		} else if row.code != "" {
			refused(t, r, http.StatusBadRequest, row.code)
		}
	}
	// What is not pushed is refused, signed and all.
	got := s.answeredSigned(signing, keyring.ES256, "jwt", s.browser().get(pathAuthorize+"?"+s.signed(signing, request(signing, "response_mode", "jwt")).Encode()))
	if got["error"] != codeInvalidRequest || got["state"] != "the state" {
		t.Error(got)
	}
}

func withMode(q url.Values, mode string) url.Values {
	q.Set("response_mode", mode)
	return q
}

// TestWhereBadRequestObjectsAreAnswered: only a redirect URI that stands outside, or in an
// object that its client has signed, and is registered, is sent to; how, and with which
// state, is read from an object that is not good as well.
func TestWhereBadRequestObjectsAreAnswered(t *testing.T) {
	s := newSite(t)
	key, other := newKey(t, keyring.ES256, "k"), newKey(t, keyring.ES256, "k")
	c := s.addKeyed(nil, key)
	bare := s.addClient(nil)
	good := func(c *client, pairs ...string) map[string]any { return s.object(c, request(c, pairs...)) }
	at := func(c *client, object string, pairs ...string) string {
		q := bySign(c, object)
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return pathAuthorize + "?" + q.Encode()
	}
	const evil = "https://evil.test/cb"
	for why, row := range map[string]struct {
		path, mode, state, code string
	}{
		"a form that the object asks for":      {at(c, other.sign(t, good(c, "response_mode", "form_post"), nil), "redirect_uri", callback), modeFormPost, "the state", codeInvalidRequestObject},
		"of a client without keys":             {at(bare, other.sign(t, good(bare, "response_mode", "form_post"), nil), "redirect_uri", callback), modeFormPost, "the state", codeRequestUnsupported},
		"the fragment, for a token":            {at(c, other.sign(t, good(c, "response_type", "token"), nil), "redirect_uri", callback), modeFragment, "the state", codeInvalidRequestObject},
		"outside counts first":                 {at(c, other.sign(t, good(c, "response_mode", "form_post"), nil), "redirect_uri", callback, "response_mode", "fragment", "state", "outside"), modeFragment, "outside", codeInvalidRequestObject},
		"a mode that is none":                  {at(c, other.sign(t, good(c, "response_mode", "web_message"), nil), "redirect_uri", callback), modeQuery, "the state", codeInvalidRequestObject},
		"a good object, and another outside":   {at(c, key.sign(t, good(c, "scope", "none"), nil), "redirect_uri", evil, "state", "outside", "response_mode", "fragment"), modeQuery, "the state", codeInvalidScope},
		"a good object, and a token outside":   {at(c, key.sign(t, good(c), nil), "response_type", "token"), modeQuery, "the state", codeInvalidRequest},
		"a good object, and an address beside": {at(c, key.sign(t, good(c), nil), "request_uri", "https://viewer.test/r.jwt"), modeQuery, "the state", codeInvalidRequest},
	} {
		got := stateIn(t, s.browser().get(row.path), row.mode)
		if got.Get("error") != row.code || got.Get("state") != row.state || got.Get("iss") != s.issuer {
			t.Errorf("%s: %v", why, got)
		}
	}
	for why, row := range map[string]struct{ path, key string }{
		"an address in an object of another":       {at(c, other.sign(t, good(c), nil)), keyRequest},
		"no address at all":                        {at(c, other.sign(t, good(c, "redirect_uri", ""), nil)), keyRequest},
		"an address that is not registered":        {at(c, other.sign(t, good(c), nil), "redirect_uri", evil), keyRedirect},
		"one that is not, in a good object":        {at(c, key.sign(t, good(c, "redirect_uri", evil), nil), "redirect_uri", callback), keyRedirect},
		"none in a good object":                    {at(c, key.sign(t, good(c, "redirect_uri", ""), nil), "redirect_uri", callback), keyRedirect},
		"an object without client_id beside it":    {pathAuthorize + "?request=" + url.QueryEscape(key.sign(t, good(c), nil)), keyClient},
		"a client without keys, and no address":    {at(bare, other.sign(t, good(bare), nil)), keyRequest},
		"an object with the client_id of another":  {at(bare, key.sign(t, good(c), nil)), keyRequest},
		"request sent twice, one of them as a lie": {at(c, key.sign(t, good(c), nil)) + "&request=x", keyRedirect},
	} {
		r := s.browser().get(row.path)
		if r.StatusCode != http.StatusBadRequest || !strings.Contains(r.body, row.key) || r.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s %s", why, r.StatusCode, r.Header.Get("Location"), r.body)
		}
	}
	// What stands outside of a good object changes nothing; by POST as by GET.
	anna, b := s.addPerson("anna"), s.browser()
	q := bySign(c, key.sign(t, good(c, "max_age", "300"), nil))
	for name, v := range map[string]string{"redirect_uri": evil, "scope": "openid roles", "state": "outside", "nonce": "outside", "response_mode": "fragment", "code_challenge": challengeOf(verifier + "other"), "prompt": "none"} {
		q.Set(name, v)
	}
	id := b.get(b.post(pathAuthorize, q).Header.Get("Location")).loginOf(t)
	b.prove(id, anna)
	got := b.get(CollectPath + string(id)).answered(t)
	tok := s.mustExchange(c, idp.Secret(got.Get("code")))
	if got.Get("state") != "the state" || claimsOf(t, tok.ID)["nonce"] != "the nonce" || strings.Contains(tok.Scope, "roles") {
		t.Errorf("%v %s", got, tok.Scope)
	}
}

// TestKeysTakenAway: a request is good as long as its client may sign so: from the push to
// its page, and to the code.
func TestKeysTakenAway(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	first, second, third := newKey(t, keyring.ES256, "first"), newKey(t, keyring.ES256, "second"), newKey(t, keyring.PS256, "third")
	for why, row := range map[string]struct {
		sign   bool
		change func(*idp.Client)
		good   bool
	}{
		"nothing changes":                     {true, func(*idp.Client) {}, true},
		"another key is there, too":           {true, func(c *idp.Client) { c.JWKS = setOf(t, second, first) }, true},
		"the same key by another name":        {true, func(c *idp.Client) { c.JWKS = setOf(t, second, first.with("renamed")) }, true},
		"the key is gone":                     {true, func(c *idp.Client) { c.JWKS = setOf(t, second) }, false},
		"another key has its name":            {true, func(c *idp.Client) { c.JWKS = setOf(t, newKey(t, keyring.ES256, "first"), second) }, false},
		"another algorithm":                   {true, func(c *idp.Client) { c.Signing.RequestAlg = keyring.PS256 }, false},
		"all keys are gone":                   {true, func(c *idp.Client) { c.JWKS, c.Signing.RequestAlg = "", "" }, false},
		"it has to sign, and has":             {true, func(c *idp.Client) { c.Signing.RequireRequest = true }, true},
		"it has to sign, and has not":         {false, func(c *idp.Client) { c.Signing.RequireRequest = true }, false},
		"the key of others, who sign nothing": {false, func(c *idp.Client) { c.JWKS = setOf(t, second) }, true},
		"it is disabled":                      {true, func(c *idp.Client) { c.Disabled = true }, false},
		"it is held to Message Signing": {true, func(c *idp.Client) {
			c.Auth, c.IDTokenAlg, c.Profile = idp.AuthPrivateKey, keyring.ES256, idp.ProfileFAPI2Signing
		}, false},
		"it is held to FAPI 2.0": {true, func(c *idp.Client) {
			c.Auth, c.IDTokenAlg, c.Profile = idp.AuthPrivateKey, keyring.ES256, idp.ProfileFAPI2
		}, true},
		"what it has signed for it is another": {true, func(c *idp.Client) { c.Signing.ResponseAlg = keyring.EdDSA }, true},
	} {
		c := s.addClient(func(c *idp.Client) {
			c.JWKS, c.Signing.RequestAlg = setOf(t, first, second, third), keyring.ES256
		})
		c.key = first
		q := request(c)
		if row.sign {
			q = s.signed(c, q)
		}
		b := s.browser()
		begun1, uri := b.get(begun(c, s.mustPush(c, q))).loginOf(t), s.mustPush(c, q)
		byValue := b.get(pathAuthorize + "?" + q.Encode()).loginOf(t)
		s.editClient(c, row.change)
		r := b.get(begun(c, uri))
		if row.good {
			r.loginOf(t)
		} else if r.StatusCode != http.StatusBadRequest || r.Header.Get("Location") != "" || !strings.Contains(r.body, keyPushed) && !strings.Contains(r.body, keyClient) {
			t.Errorf("%s, its page: %d %s", why, r.StatusCode, r.body)
		}
		for what, id := range map[string]idp.LoginID{"pushed": begun1, "by value": byValue} {
			b.prove(id, anna)
			r := b.get(CollectPath + string(id))
			if row.good {
				if got := r.answered(t); got.Get("code") == "" {
					t.Errorf("%s, %s: %v", why, what, got)
				}
			} else if r.StatusCode != http.StatusBadRequest || r.Header.Get("Location") != "" {
				t.Errorf("%s, %s: %d %s", why, what, r.StatusCode, r.Header.Get("Location"))
			}
		}
		if last := list.Of(c.ID); !row.good && why != "it is disabled" && (len(last) == 0 || last[0].Reason != idp.RejectedRequestObject) {
			t.Errorf("%s: its page says %+v", why, last)
		}
	}

	// Where a client publishes its keys, one that is gone from there is, once they are read.
	var body atomic.Value
	body.Store(setOf(t, first, second))
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body.Load().(string))) }))
	defer there.Close()
	s.server.keys.fetch = there.Client()
	c := s.addClient(func(c *idp.Client) { c.JWKSURI, c.Signing.RequestAlg = there.URL, keyring.ES256 })
	c.key = first
	b := s.browser()
	id := b.get(pathAuthorize + "?" + s.signed(c, request(c)).Encode()).loginOf(t)
	body.Store(setOf(t, second))
	s.clock.Add(keysFresh)
	b.prove(id, anna)
	if r := b.get(CollectPath + string(id)); r.StatusCode != http.StatusBadRequest || list.Of(c.ID)[0].Sent != "key taken away" {
		t.Errorf("%d %s %+v", r.StatusCode, r.Header.Get("Location"), list.Of(c.ID))
	}
}

// TestSignedIntrospection: signed for who asks for that, and for nobody else; also that
// nothing is known of a token.
func TestSignedIntrospection(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	c := s.addClient(func(c *idp.Client) { c.Audience = []string{"pacs-api"} })
	api := s.addClient(func(c *idp.Client) {
		c.ID, c.Auth, c.Signing.IntrospectionAlg = "pacs-api", idp.AuthPost, keyring.EdDSA
	})
	tok := s.mustExchange(c, s.browser().signIn(anna, request(c, "scope", "openid pacs offline_access")))
	for _, row := range []struct {
		accept string
		signed bool
	}{
		{"application/token-introspection+jwt", true},
		{"Application/Token-Introspection+JWT; q=0.5", true},
		{"application/json, application/token-introspection+jwt", true},
		{"application/json;q=0.9, application/token-introspection+jwt", true},
		{"text/html, application/token-introspection+jwt;q=0.1", true},
		{"application/json, application/token-introspection+jwt;q=0.9", false},
		{"*/*, application/token-introspection+jwt;q=0.5", false},
		{"application/token-introspection+jwt;q=0", false},
		{"application/token-introspection+jwt;q=-1", false},
		{"application/token-introspection+jwt;q=x", false},
		{"application/token-introspection+jwt;q=2", false},
		{"application/token-introspection+jwts", false},
		{"application/token-introspection+jwt;;;=", false},
		{"application/jwt", false},
		{"application/json", false},
		{"application/*", false},
		{"*/*", false},
		{"token-introspection+jwt", false},
		{"", false},
	} {
		var headers []string
		if row.accept != "" {
			headers = []string{"Accept", row.accept}
		}
		for of, by := range map[*client]string{c: keyring.RS256, api: keyring.EdDSA} {
			plain := s.introspect(of, tok.Access)
			for token, active := range map[string]bool{tok.Access: true, tok.Refresh: of == c, "nobody's": false} {
				r := s.call(pathIntrospect, of, url.Values{"token": {token}}, headers...)
				if r.StatusCode != http.StatusOK || r.Header.Get("Cache-Control") != "no-store" {
					t.Fatalf("%s: %d %s", row.accept, r.StatusCode, r.body)
				}
				var about map[string]any
				if !row.signed {
					if err := json.Unmarshal([]byte(r.body), &about); err != nil || r.Header.Get("Content-Type") != "application/json" {
						t.Fatalf("%s: %s %s", row.accept, r.Header.Get("Content-Type"), r.body)
					}
				} else {
					claims := s.verified(r.body, by, "token-introspection+jwt")
					if r.Header.Get("Content-Type") != "application/token-introspection+jwt" || claims["iss"] != s.issuer || claims["aud"] != string(of.ID) ||
						claims["iat"] != float64(s.clock.Now().Unix()) || len(claims) != 4 {
						t.Errorf("%s: %s %v", row.accept, r.Header.Get("Content-Type"), claims)
					}
					about, _ = claims["token_introspection"].(map[string]any)
				}
				if about["active"] != active || token == tok.Access && (about["sub"] != plain["sub"] || about["client_id"] != string(c.ID) || about["iss"] != s.issuer || about["aud"] == nil) || !active && len(about) != 1 {
					t.Errorf("%s, %s: %v", row.accept, of.ID, about)
				}
			}
		}
	}
	// Who does not prove itself is told in JSON.
	wrong := *api
	wrong.secret = "wrong"
	refused(t, s.call(pathIntrospect, &wrong, url.Values{"token": {tok.Access}}, "Accept", kindIntrospection), http.StatusUnauthorized, "invalid_client")
	s.server.conf.Keys = withoutKey{ring(), keyring.EdDSA}
	r := s.call(pathIntrospect, api, url.Values{"token": {tok.Access}}, "Accept", kindIntrospection)
	refused(t, r, http.StatusInternalServerError, "server_error")
	if strings.Contains(r.body, "active") || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v %s", r.Header, r.body)
	}
}

// TestSignedUserinfo: for who is registered so; what is signed there, in a response or for
// introspection passes for no ID token of ours.
func TestSignedUserinfo(t *testing.T) {
	s := newSite(t)
	anna, b := s.addPerson("anna"), s.browser()
	for _, alg := range []string{keyring.RS256, keyring.PS256, keyring.ES256, keyring.EdDSA} {
		c := s.addClient(func(c *idp.Client) {
			c.Signing.UserinfoAlg, c.Claims = alg, []idp.ClaimRule{{Name: "role", From: "roles", One: true}}
		})
		tok := s.mustExchange(c, b.signIn(anna, request(c, "prompt", "login", "scope", "openid email roles")))
		r := s.userinfo(tok.Access, "Origin", "https://viewer.test")
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/jwt" || r.Header.Get("Access-Control-Allow-Origin") != "https://viewer.test" {
			t.Fatalf("%d %v %s", r.StatusCode, r.Header, r.body)
		}
		got := s.verified(r.body, alg, nil)
		if got["iss"] != s.issuer || got["aud"] != string(c.ID) || got["sub"] != string(anna.ID) || got["email"] != anna.Email || got["role"] != "radiologist" || got["exp"] != nil || got["phone_number"] != nil {
			t.Errorf("%s: %v", alg, got)
		}
		response := b.get(pathAuthorize + "?" + request(c, "prompt", "none", "response_mode", "jwt").Encode()).answered(t).Get("response")
		about := s.call(pathIntrospect, c, url.Values{"token": {tok.Access}}, "Accept", kindIntrospection).body
		if got := b.get(pathAuthorize + "?" + request(c, "id_token_hint", tok.ID, "prompt", "none").Encode()).answered(t); got.Get("code") == "" {
			t.Errorf("an ID token: %v", got)
		}
		for what, token := range map[string]string{"userinfo": r.body, "a response": response, "introspection": about} {
			if got := b.get(pathAuthorize + "?" + request(c, "id_token_hint", token, "prompt", "none").Encode()).answered(t); got.Get("error") != codeInvalidRequest {
				t.Errorf("%s as a hint: %v", what, got)
			}
			if s.alive(token) {
				t.Errorf("%s as an access token", what)
			}
		}
		s.editClient(c, func(c *idp.Client) { c.Signing.UserinfoAlg = "" })
		if r := s.userinfo(tok.Access); r.Header.Get("Content-Type") != "application/json" || !strings.HasPrefix(r.body, `{"sub":`) {
			t.Errorf("%v %s", r.Header, r.body)
		}
		s.editClient(c, func(c *idp.Client) { c.Signing.UserinfoAlg = alg })
		if r := s.userinfo("nobody's"); r.StatusCode != http.StatusUnauthorized || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%d %v", r.StatusCode, r.Header)
		}
	}
}

// TestSignedResponseIsMadeWhenItIsSent: its exp counts from the end of the sign-in.
func TestSignedResponseIsMadeWhenItIsSent(t *testing.T) {
	s := newSite(t)
	anna, b := s.addPerson("anna"), s.browser()
	c := s.addClient(nil)
	id := b.get(pathAuthorize + "?" + request(c, "response_mode", "fragment.jwt").Encode()).loginOf(t)
	s.clock.Add(10 * time.Minute)
	b.prove(id, anna)
	if got := s.answeredSigned(c, keyring.RS256, "fragment.jwt", b.get(CollectPath+string(id))); got["code"] == nil {
		t.Error(got)
	}
}
