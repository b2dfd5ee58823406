package oidc

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
	"hilum/idp/keyring"
	"hilum/idp/recent"
)

// object is the claims of a good request object: those of a request, and who made it for whom.
func (s *site) object(c *client, q url.Values) map[string]any {
	now := s.clock.Now().Unix()
	claims := map[string]any{"iss": c.ID, "aud": s.issuer, "nbf": now, "exp": now + 300}
	for name, v := range q {
		claims[name] = v[0]
	}
	return claims
}

// signed is an authorization request in a request object.
func (s *site) signed(c *client, q url.Values) url.Values {
	return bySign(c, c.key.sign(s.t, s.object(c, q), map[string]any{"typ": "oauth-authz-req+jwt"}))
}

// bySign is the parameters that stand outside of a request object.
func bySign(c *client, object string) url.Values {
	return url.Values{"client_id": {string(c.ID)}, "request": {object}}
}

// verified is the claims of a JWT of the provider, whose signature is by a published key of
// that algorithm; typ is nil where the JWT names none.
func (s *site) verified(token, alg string, typ any) map[string]any {
	s.t.Helper()
	sig, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		s.t.Fatalf("%q: %v", token, err)
	}
	header := sig.Signatures[0].Protected
	if got := header.ExtraHeaders[jose.HeaderType]; got != typ {
		s.t.Errorf("typ %v, not %v", got, typ)
	}
	for _, k := range ring().Public() {
		if string(k.ID) != header.KeyID {
			continue
		}
		payload, err := sig.Verify(k.Public)
		var claims map[string]any
		if err != nil || json.Unmarshal(payload, &claims) != nil {
			s.t.Fatal(err)
		}
		return claims
	}
	s.t.Fatalf("no published key %q", header.KeyID)
	return nil
}

// response is the parameters of a signed authorization response.
func (s *site) response(c *client, alg, token string) map[string]any {
	s.t.Helper()
	claims := s.verified(token, alg, nil)
	now := float64(s.clock.Now().Unix())
	if exp, _ := claims["exp"].(float64); claims["iss"] != s.issuer || claims["aud"] != string(c.ID) || exp <= now || exp > now+600 {
		s.t.Errorf("iss, aud or exp of %v", claims)
	}
	return claims
}

// TestMessageSigning goes the way of FAPI 2.0 Message Signing with each algorithm: a signed
// request that is pushed, a signed response, and a signed introspection of tokens that are
// bound to a key.
func TestMessageSigning(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	for _, alg := range []string{keyring.PS256, keyring.ES256, keyring.EdDSA} {
		c, key := s.fapi(newKey(t, alg, "k"), func(c *idp.Client) {
			c.Profile, c.IDTokenAlg, c.Signing.UserinfoAlg = idp.ProfileFAPI2Signing, alg, alg
		}), newKey(t, alg, "")
		by := func(path string) string { return key.prove(t, s.proofOf("POST", path, "")) }
		b := s.browser()

		var p pushed
		r := s.call(pathPushed, c, s.signed(c, request(c, "response_mode", "jwt")), "DPoP", by(pathPushed))
		if err := json.Unmarshal([]byte(r.body), &p); err != nil || r.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %d %s", alg, r.StatusCode, r.body)
		}
		id := b.get(begun(c, p.URI)).loginOf(t)
		b.prove(id, anna)
		q := b.get(CollectPath + string(id)).answered(t)
		if len(q) != 1 {
			t.Errorf("%s: beside the response: %v", alg, q)
		}
		got := s.response(c, alg, q.Get("response"))
		if got["state"] != "the state" || got["code"] == nil || got["error"] != nil {
			t.Fatalf("%s: %v", alg, got)
		}
		tok, r := s.exchangeBy(c, by(pathToken), idp.Secret(got["code"].(string)))
		if r.StatusCode != 200 || tok.Type != "DPoP" {
			t.Fatalf("%s: %s", alg, r.body)
		}
		if claims := claimsOf(t, tok.ID); claims["nonce"] != "the nonce" {
			t.Errorf("%s: %v", alg, claims)
		}
		r = s.call(pathIntrospect, c, url.Values{"token": {tok.Access}}, "Accept", kindIntrospection)
		if r.StatusCode != 200 || r.Header.Get("Content-Type") != kindIntrospection {
			t.Fatalf("%s: %d %v %s", alg, r.StatusCode, r.Header, r.body)
		}
		about, _ := s.verified(r.body, alg, typeIntrospection)["token_introspection"].(map[string]any)
		if cnf, _ := about["cnf"].(map[string]any); about["active"] != true || about["sub"] != string(anna.ID) || cnf["jkt"] != key.thumbprint(t) {
			t.Errorf("%s: %v", alg, about)
		}
		r = s.userinfo("", "Authorization", "DPoP "+tok.Access, "DPoP", key.prove(t, s.proofOf("GET", pathUserinfo, tok.Access)))
		if r.StatusCode != 200 || r.Header.Get("Content-Type") != kindJWT {
			t.Fatalf("%s: %d %v %s", alg, r.StatusCode, r.Header, r.body)
		}
		if claims := s.verified(r.body, alg, nil); claims["iss"] != s.issuer || claims["aud"] != string(c.ID) || claims["sub"] != string(anna.ID) || claims["email"] != anna.Email {
			t.Errorf("%s: %v", alg, claims)
		}
	}
}

// TestRequestObjects sends each request object to the authorization endpoint and pushes it:
// what is wrong is said in the same words at both, and stands on the application's page.
func TestRequestObjects(t *testing.T) {
	s := newSite(t)
	var list recent.Rejections
	s.server.conf.Rejected = list.Add
	es, rs, foreign := newKey(t, keyring.ES256, "k"), newKey(t, keyring.RS256, "rsa"), newKey(t, keyring.ES256, "k")
	plain := s.addKeyed(func(c *idp.Client) { c.JWKS = setOf(t, es, rs) }, es)
	strict := s.fapi(es, func(c *idp.Client) { c.JWKS = setOf(t, es, rs) })
	one := s.addKeyed(func(c *idp.Client) { c.JWKS, c.Signing.RequestAlg = setOf(t, es, rs), keyring.RS256 }, es)
	must := s.addKeyed(func(c *idp.Client) { c.Signing.RequireRequest = true }, es)
	bare := s.addClient(nil)
	by := s.addClient(func(c *idp.Client) { c.JWKS, c.Signing.RequestAlg = setOf(t, es), keyring.ES256 })
	by.key = es
	bare.key = es
	typ := map[string]any{"typ": "oauth-authz-req+jwt"}
	now := s.clock.Now().Unix()
	good := func(c *client) map[string]any { return s.object(c, request(c)) }
	made := func(c *client, k *ownKey, header map[string]any, pairs ...any) url.Values {
		return bySign(c, k.sign(t, spoilt(good(c), pairs...), header))
	}
	raw := func(header, payload, signature string) string {
		enc := base64.RawURLEncoding
		return enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(payload)) + "." + signature
	}
	none := func(c *client) string {
		b, err := json.Marshal(good(c))
		if err != nil {
			t.Fatal(err)
		}
		return raw(`{"alg":"none"}`, string(b), "")
	}
	mac := func() string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: make([]byte, 32)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(good(plain))
		signed, err := signer.Sign(b)
		if err != nil {
			t.Fatal(err)
		}
		token, _ := signed.CompactSerialize()
		return token
	}
	with := func(q url.Values, pairs ...string) url.Values {
		for i := 0; i < len(pairs); i += 2 {
			q.Add(pairs[i], pairs[i+1])
		}
		return q
	}
	const object, params = codeInvalidRequestObject, codeInvalidRequest
	for _, row := range []struct {
		why  string
		c    *client
		q    url.Values
		code string // empty: it is good
		text string // of the description
		page string // what the application's page says was sent; empty: it says nothing, or that of any request
	}{
		{"as it should be", plain, made(plain, es, typ), "", "", ""},
		{"without typ", plain, made(plain, es, nil), "", "", ""},
		{"typ with its tree, in capitals", plain, made(plain, es, map[string]any{"typ": "application/OAuth-AuthZ-Req+JWT"}), "", "", ""},
		{"typ JWT", plain, made(plain, es, map[string]any{"typ": "JWT"}), object, "typ", "typ: JWT"},
		{"typ of a client assertion", plain, made(plain, es, map[string]any{"typ": "client-authentication+jwt"}), object, "typ", "typ: client-authentication+jwt"},
		{"typ empty", plain, made(plain, es, map[string]any{"typ": ""}), object, "typ", "typ: "},
		{"typ no text", plain, made(plain, es, map[string]any{"typ": 1}), object, "typ", "typ: "},
		{"by another of its keys", plain, made(plain, rs, typ), "", "", ""},
		{"a client with a secret", by, made(by, es, typ), "", "", ""},
		{"none", plain, bySign(plain, none(plain)), object, "alg", "alg: none"},
		{"none with a signature", plain, bySign(plain, none(plain)+"AAAA"), object, "alg", "alg: none"},
		{"none, of a client without keys", bare, bySign(bare, none(bare)), codeRequestUnsupported, "no keys", "no keys"},
		{"signed, of a client without keys", bare, made(bare, es, typ), codeRequestUnsupported, "no keys", "no keys"},
		{"HS256", plain, bySign(plain, mac()), object, "alg", "alg: HS256"},
		{"an alg that is not the registered one", one, made(one, es, typ), object, "alg", "alg: ES256"},
		{"the registered alg", one, made(one, rs, typ), "", "", ""},
		{"another's key with the same kid", plain, made(plain, foreign, typ), object, "signature", "signature"},
		{"a kid that it has not", plain, made(plain, es.with("other"), typ), object, "kid", "kid: other"},
		{"a signature cut off", plain, bySign(plain, strings.TrimRight(none(plain), ".")), object, "no signed JWT", "not a signed JWT"},
		{"no JWT", plain, bySign(plain, "x"), object, "no signed JWT", "not a signed JWT"},
		{"encrypted", plain, bySign(plain, "a.b.c.d.e"), object, "no signed JWT", "not a signed JWT"},
		{"too long", plain, made(plain, es, typ, "pad", strings.Repeat("x", maxToken)), object, "too long", "too long"},
		{"no claims", plain, bySign(plain, es.sign(t, nil, typ)), object, "claims", "claims"},
		{"iss missing", plain, made(plain, es, typ, "iss", nil), object, "iss", "iss: "},
		{"iss of another", plain, made(plain, es, typ, "iss", string(bare.ID)), object, "iss", "iss: " + string(bare.ID)},
		{"iss a number", plain, made(plain, es, typ, "iss", 1), object, "claims", "claims"},
		{"client_id of another", plain, made(plain, es, typ, "client_id", string(bare.ID)), object, "client_id", "client_id: " + string(bare.ID)},
		{"client_id missing", plain, made(plain, es, typ, "client_id", nil), "", "", ""},
		{"sub as a client assertion has it", plain, made(plain, es, typ, "sub", string(plain.ID)), object, "sub", "sub: " + string(plain.ID)},
		{"aud missing", plain, made(plain, es, typ, "aud", nil), object, "aud", "aud: "},
		{"aud of another", plain, made(plain, es, typ, "aud", "https://other.test"), object, "aud", "aud: https://other.test"},
		{"aud an endpoint", plain, made(plain, es, typ, "aud", s.issuer+pathAuthorize), object, "aud", "aud: " + s.issuer + pathAuthorize},
		{"aud a list with the issuer", plain, made(plain, es, typ, "aud", []string{"https://other.test", s.issuer}), "", "", ""},
		{"exp missing", plain, made(plain, es, typ, "exp", nil), object, "no exp", "exp is missing"},
		{"exp by another name", plain, made(plain, es, typ, "exp", nil, "EXP", now+60), object, "no exp", "exp is missing"},
		{"exp now", plain, made(plain, es, typ, "exp", now), object, "expired", "exp is past"},
		{"exp a text", plain, made(plain, es, typ, "exp", "soon"), object, "claims", "claims"},
		{"nbf 10 s ahead", plain, made(plain, es, typ, "nbf", now+10), "", "", ""},
		{"nbf 11 s ahead", plain, made(plain, es, typ, "nbf", now+11), object, "nbf", "nbf is ahead"},
		{"iat 11 s ahead", plain, made(plain, es, typ, "iat", now+11), object, "iat", "iat is ahead"},
		{"nbf missing, of others than FAPI", plain, made(plain, es, typ, "nbf", nil, "exp", now+86400), "", "", ""},
		{"nbf missing", strict, made(strict, es, typ, "nbf", nil), object, "no nbf", "nbf is missing"},
		{"nbf 60 minutes ago", strict, made(strict, es, typ, "nbf", now-3600, "exp", float64(now)+0.5), object, "after its nbf", "exp is too far ahead"},
		{"nbf 61 minutes ago", strict, made(strict, es, typ, "nbf", now-3660), object, "60 minutes ago", "nbf is long ago"},
		{"exp 60 minutes after nbf", strict, made(strict, es, typ, "nbf", now-10, "exp", now+3590), "", "", ""},
		{"exp 61 minutes after nbf", strict, made(strict, es, typ, "exp", now+3660), object, "after its nbf", "exp is too far ahead"},
		{"RS256 under FAPI", strict, made(strict, rs, typ), object, "alg", "alg: RS256"},
		{"jti of 255 bytes", plain, made(plain, es, typ, "jti", strings.Repeat("j", 255)), "", "", ""},
		{"jti of 256 bytes", plain, made(plain, es, typ, "jti", strings.Repeat("j", 256)), object, "jti", "jti"},
		{"a request in it", plain, made(plain, es, typ, "request", "x.y.z"), object, "no request_uri", "request"},
		{"a request_uri in it", plain, made(plain, es, typ, "request_uri", pushedPrefix+"x"), object, "no request_uri", "request_uri"},
		{"a parameter that is a list", plain, made(plain, es, typ, "scope", []string{"openid"}), object, "scope", "scope"},
		{"a parameter that is a number", plain, made(plain, es, typ, "state", 7), object, "state", "state"},
		{"a parameter that is null", plain, bySign(plain, es.sign(t, func() map[string]any { m := good(plain); m["nonce"] = json.RawMessage("null"); return m }(), typ)), object, "nonce", "nonce"},
		{"max_age a number", plain, made(plain, es, typ, "max_age", 300), "", "", ""},
		{"max_age below nought", plain, made(plain, es, typ, "max_age", -1), object, "max_age", "max_age"},
		{"max_age with a fraction", plain, made(plain, es, typ, "max_age", 1.5), params, "max_age", ""},
		{"claims an object", plain, made(plain, es, typ, "claims", map[string]any{"userinfo": map[string]any{"email": nil}}), "", "", ""},
		{"claims a list", plain, made(plain, es, typ, "claims", []string{"email"}), object, "claims", "claims"},
		{"unknown members", plain, made(plain, es, typ, "foo", []int{1}, "bar", "https://a.test"), "", "", ""},
		{"a resource that is not registered", plain, made(plain, es, typ, "resource", "https://a.test"), codeInvalidTarget, "this resource", ""},
		{"a resource that is a number", plain, made(plain, es, typ, "resource", 7), object, "resource", "resource"},
		{"resources that are numbers", plain, made(plain, es, typ, "resource", []int{7}), object, "resource", "resource"},
		{"no response_type in it", plain, made(plain, es, typ, "response_type", nil), params, "response_type is missing", ""},
		{"another response_type outside", plain, with(made(plain, es, typ), "response_type", "token"), params, "contradicts", "response_type: token"},
		{"the same response_type and scope outside", plain, with(made(plain, es, typ), "response_type", "code", "scope", "openid"), "", "", ""},
		{"another response_type outside, without openid", plain, with(made(plain, es, typ, "scope", "pacs"), "response_type", "token"), "", "", ""},
		{"no challenge in it", plain, with(made(plain, es, typ, "code_challenge", nil), "code_challenge", challengeOf(verifier)), params, "code_challenge is missing", ""},
		{"no scope in it", plain, with(made(plain, es, typ, "scope", nil), "scope", "openid"), codeInvalidScope, "No scope", ""},
		{"not signed by who has to", must, request(must), params, "has to sign", ""},
		{"signed by who has to", must, made(must, es, typ), "", "", ""},
	} {
		at := cloned(row.q)
		at.Set("redirect_uri", callback)
		r := s.browser().get(pathAuthorize + "?" + at.Encode())
		switch {
		case row.c == strict: // it has to push
		case row.code == "":
			r.loginOf(t)
		default:
			got := r.answered(t)
			state := "the state"
			if slices.Contains([]string{"a signature cut off", "no JWT", "encrypted", "too long", "no claims", "a parameter that is a number"}, row.why) {
				state = "" // it stands nowhere where it could be read
			}
			if got.Get("error") != row.code || !strings.Contains(got.Get("error_description"), row.text) || got.Get("state") != state {
				t.Errorf("%s: %v", row.why, got)
			}
			if last := list.Of(row.c.ID); row.page != "" && (len(last) == 0 || last[0].Reason != idp.RejectedRequestObject || last[0].Sent != row.page) {
				t.Errorf("%s: its page says %+v", row.why, last)
			}
		}
		_, r = s.push(row.c, cloned(row.q))
		if row.c == strict {
			proof := es.prove(t, s.proofOf("POST", pathPushed, ""))
			r = s.call(pathPushed, row.c, cloned(row.q), "DPoP", proof)
		}
		if row.why == "too long" { // of any parameter, at any endpoint
			refused(t, r, http.StatusBadRequest, codeInvalidRequest)
			continue
		}
		if row.code == "" && r.StatusCode != http.StatusCreated || row.code != "" && !strings.Contains(r.body, row.text) {
			t.Errorf("%s, pushed: %d %s", row.why, r.StatusCode, r.body)
		}
		if row.code != "" {
			refused(t, r, http.StatusBadRequest, row.code)
		}
	}
}

// FuzzRequestObject: whatever a payload is, reading it ends; what is taken for a parameter is
// its text, a number or an object; and an object that nobody has signed names no address.
func FuzzRequestObject(f *testing.F) {
	for _, seed := range []string{
		`{"iss":"c","aud":["a"],"exp":1e300,"max_age": 300 , "claims" : { "userinfo" : {} },"state":"s"}`, `{"max_age":-1,"claims":[],"scope":null}`,
		`{"redirect_uri":"https://evil.test/","response_mode":"form_post"}`, `null`, `[]`, `{"exp":"1","aud":{}}`, `{"state":"\u0000"}`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		target := errorTarget(url.Values{"client_id": {"c"}}, "x."+base64.RawURLEncoding.EncodeToString(payload)+".")
		if target.Get("redirect_uri") != "" || target.Get("client_id") != "" {
			t.Errorf("it names an address: %v", target)
		}
		for _, name := range []string{"response_mode", "response_type", "state"} {
			if v := target.Get(name); !goodValue(name, v) {
				t.Errorf("%s: %q", name, v)
			}
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(payload, &members) != nil {
			return
		}
		var claims objectClaims
		_ = claims.read(members) // it ends
		for name, raw := range members {
			v, ok := parameterOf(name, raw)
			if !ok {
				continue
			}
			var text string
			isText := json.Unmarshal(raw, &text) == nil && raw[0] == '"' && text == v
			if !isText && (name != "max_age" && name != "claims" || !json.Valid([]byte(v))) {
				t.Errorf("%s: %s became %q", name, raw, v)
			}
		}
	})
}
