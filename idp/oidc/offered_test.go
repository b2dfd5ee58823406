package oidc

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/keyring"
)

// offering is a site that offers everything, with somebody who is signed in and a phone of
// theirs.
type offering struct {
	*mutualSite
	anna    *person
	browser *browser // signed in
	ph      *idp.Speaker
	client  *client // that may do what most may
	cert    *tls.Certificate
	initial idp.Secret // to register with
	doc     map[string]any
	objects string                  // address of an application that has request objects
	stands  *atomic.Pointer[string] // what stands at all addresses beneath it
}

func newOffering(t *testing.T) *offering {
	t.Helper()
	stands := &atomic.Pointer[string]{}
	objects := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(*stands.Load())) }))
	t.Cleanup(objects.Close)
	s := newSite(t, func(s *site, c *Config) {
		c.Registry = s.desk
		c.Languages = func() []string { return []string{"de", "en", "fr", "nl"} }
		c.Fetch = objects.Client()
	})
	m := &mutualSite{site: s, ca: newAuthority(t, "Hospital CA"), roots: &atomic.Pointer[x509.CertPool]{}}
	pool := x509.NewCertPool()
	pool.AddCert(m.ca.cert)
	m.roots.Store(pool)
	s.desk = admin.New(admin.Config{Store: s.db, Now: s.clock.Now, Mutual: true, MutualCA: true, Subjects: testSubjects})
	m.serveMutual()
	o := &offering{mutualSite: m, anna: s.addPerson("anna"), browser: s.browser(), cert: m.ca.issue(named("viewer.test")), objects: objects.URL, stands: stands}
	o.ph = s.phone(o.anna)
	o.client = s.addClient(nil)
	o.initial, _ = s.initial(nil)
	o.browser.signIn(o.anna, request(o.client))
	r := o.browser.get(pathDiscovery)
	if err := json.Unmarshal([]byte(r.body), &o.doc); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return o
}

// values is what a document says, by its members; those of an object are named with a dot.
func values(doc map[string]any) map[string][]string {
	all := map[string][]string{}
	for name, v := range doc {
		switch v := v.(type) {
		case []any:
			for _, each := range v {
				all[name] = append(all[name], fmt.Sprint(each))
			}
		case map[string]any:
			for inner, each := range v {
				all[name+"."+inner] = []string{fmt.Sprint(each)}
			}
		default:
			all[name] = []string{fmt.Sprint(v)}
		}
	}
	return all
}

// ask is the answer to an authorization request in the session of anna.
func (o *offering) ask(c *client, pairs ...string) url.Values {
	o.t.Helper()
	return answerIn(o.browser.get(pathAuthorize + "?" + request(c, pairs...).Encode()))
}

// answerIn is what an answer tells a client: in the query, the fragment or a form.
func answerIn(r *reply) url.Values {
	u, err := url.Parse(r.Header.Get("Location"))
	if err != nil {
		return nil
	}
	got := u.Query()
	fragment, _ := url.ParseQuery(u.Fragment)
	for name, v := range fragment {
		got[name] = append(got[name], v...)
	}
	return got
}

// tokens are those that anna's session gives.
func (o *offering) tokens(c *client, pairs ...string) *tokens {
	o.t.Helper()
	got := o.ask(c, pairs...)
	if got.Get("code") == "" {
		o.t.Fatalf("no code: %v", got)
	}
	return o.mustExchange(c, idp.Secret(got.Get("code")))
}

// proving registers a client that proves itself in a way.
func (o *offering) proving(method string) *client {
	o.t.Helper()
	t := o.t.(*testing.T)
	switch m := idp.AuthMethod(method); m {
	case idp.AuthBasic, idp.AuthPost:
		return o.addClient(func(c *idp.Client) { c.Auth = m })
	case idp.AuthPrivateKey:
		return o.addKeyed(nil, newKey(t, keyring.ES256, "k"))
	case idp.AuthTLS:
		return o.byCA("san_dns=viewer.test")
	case idp.AuthSelfSigned:
		return o.addClient(func(c *idp.Client) { c.Auth, c.JWKS = idp.AuthSelfSigned, jwksOf(t, o.cert, false) })
	case idp.AuthNone:
		return o.addClient(public)
	}
	o.t.Fatal("unknown to this test")
	return nil
}

// send posts as a client, at the listener that asks for certificates where it has one.
func (o *offering) send(path string, c *client, form url.Values, headers ...string) *reply {
	o.t.Helper()
	if c.ByCertificate() {
		form = cloned(form)
		form.Set("client_id", string(c.ID))
		return o.with(o.cert, http.MethodPost, path, form, headers...)
	}
	return o.call(path, c, form, headers...)
}

// prove has a client prove itself at an endpoint, by whatever can be asked there.
func (o *offering) prove(t *testing.T, path string, c *client) {
	t.Helper()
	var access string
	if c.Public() {
		access = o.tokens(c).Access
	} else {
		r := o.send(pathToken, c, url.Values{"grant_type": {idp.GrantClientCredentials}, "scope": {"pacs"}})
		var got tokens
		if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.StatusCode != http.StatusOK || got.Access == "" {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
		access = got.Access
	}
	form := url.Values{"token": {access}}
	switch path {
	case pathIntrospect:
		if r := o.send(path, c, form); r.StatusCode != http.StatusOK || !strings.Contains(r.body, `"active":true`) {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
	case pathRevoke:
		if r := o.send(path, c, form); r.StatusCode != http.StatusOK || o.alive(access) {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
	}
}

// refuseProof makes sure that an endpoint takes no assertion but one of the algorithms that
// are offered.
func (o *offering) refuseProof(t *testing.T, path, alg string) {
	t.Helper()
	c := o.addKeyed(nil, newKey(t, keyring.PS256, "k"))
	signer := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: any(c.key.private)}
	if alg == "HS256" {
		signer.Key = []byte(strings.Repeat("k", 32))
	}
	s := idptest.Must(jose.NewSigner(signer, (&jose.SignerOptions{}).WithHeader("kid", "k")))(t)
	assertion := idptest.Must(idptest.Must(s.Sign(idptest.Must(json.Marshal(o.assertion(c)))(t)))(t).CompactSerialize())(t)
	form := url.Values{"grant_type": {idp.GrantClientCredentials}, "token": {"x"}, "client_assertion_type": {assertionType}, "client_assertion": {assertion}}
	refused(t, o.site.browser().post(path, form), http.StatusUnauthorized, codeInvalidClient)
}

// register sends the metadata of an application with one member more.
func (o *offering) register(name string, value any) *reply {
	o.t.Helper()
	m := map[string]any{"redirect_uris": []string{"https://rp.example/cb"}, "client_name": "Viewer", "scope": "openid profile", name: value}
	return o.metadataCall("POST", pathRegister, o.initial, string(idptest.Must(json.Marshal(m))(o.t)))
}

// signedBy is the algorithm of a JWT of ours, and its claims.
func (o *offering) signedBy(t *testing.T, token string) (string, map[string]any) {
	t.Helper()
	raw, _, _ := strings.Cut(token, ".")
	var header struct {
		Alg string `json:"alg"`
	}
	if err := json.Unmarshal(idptest.Must(base64.RawURLEncoding.DecodeString(raw))(t), &header); err != nil {
		t.Fatal(err)
	}
	return header.Alg, claimsOf(t, token)
}

// unregistrable makes sure that no client can be registered for an algorithm.
func (o *offering) unregistrable(change func(c *idp.Client, alg string)) func(*testing.T, string) {
	return func(t *testing.T, alg string) {
		t.Helper()
		c := &idp.Client{Name: "V", Kind: idp.ClientWeb, Auth: idp.AuthBasic, RedirectURIs: []string{callback}, GrantTypes: []string{idp.GrantCode}, Scopes: []string{"profile"}, IDTokenAlg: keyring.ES256}
		change(c, alg)
		if _, err := o.desk.AddClient(t.Context(), o.admin, c); err == nil {
			t.Errorf("%s can be registered", alg)
		}
	}
}

// byReference is a client whose request object stands at an address that it has registered.
func (o *offering) byReference(t *testing.T) *client {
	t.Helper()
	c := o.addKeyed(func(c *idp.Client) { c.Requests.URIs = []string{o.objects + "/registered"} }, newKey(t, keyring.ES256, "k"))
	signed := c.key.sign(t, o.object(c, request(c, "state", "of the object")), nil)
	o.stands.Store(&signed)
	return c
}

// polled is the way of an application that asks anna's phone.
func (o *offering) polled(t *testing.T) *tokens {
	t.Helper()
	c := o.addClient(asks)
	id, r := o.bc(c)
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	o.answer(o.ph, idp.Verdict{Approve: true})
	tok, r := o.pollBC(c, id)
	if r.StatusCode != http.StatusOK || !o.alive(tok.Access) {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return tok
}

// device is the way of a device without a browser.
func (o *offering) device(t *testing.T) *tokens {
	t.Helper()
	c := o.addClient(forDevices)
	w := o.startDevice(c, "openid offline_access")
	o.site.browser().allow(w, o.anna)
	tok, r := o.pollDevice(c, w)
	if r.StatusCode != http.StatusOK || !o.alive(tok.Access) {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return tok
}

// exchanged is the way of an application that acts for anna.
func (o *offering) exchanged(t *testing.T) {
	t.Helper()
	viewer := o.addClient(func(c *idp.Client) { c.ID, c.Audience = "viewer", []string{"viewer", "gateway"} })
	gateway := o.addClient(func(c *idp.Client) {
		c.ID, c.RedirectURIs, c.PostLogoutURIs, c.Origins = "gateway", nil, nil, nil
		c.GrantTypes, c.ExchangeTargets, c.Scopes = []string{idp.GrantExchange}, []string{"archive"}, []string{"openid", "profile", "pacs"}
	})
	r := o.call(pathToken, gateway, url.Values{"grant_type": {idp.GrantExchange}, "subject_token": {o.tokens(viewer, "scope", "openid profile pacs").Access},
		"subject_token_type": {typeOfAccess}, "audience": {"archive"}})
	var got tokens
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.StatusCode != http.StatusOK || !o.alive(got.Access) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// toldOfTheEnd reports whether an application is told that a session of its ends, and of which.
func (o *offering) toldOfTheEnd(t *testing.T) {
	t.Helper()
	c := o.addClient(func(c *idp.Client) { listening(c); c.LogoutSession = true })
	b := o.site.browser()
	tok := o.mustExchange(c, b.signIn(o.anna, request(c)))
	session := idptest.Must(o.db.SessionByToken(t.Context(), b.asLogin().Session.Hash()))(t)
	if err := o.flow.SignOut(t.Context(), idp.Actor{User: o.anna.ID, Name: "anna"}, session); err != nil {
		t.Fatal(err)
	}
	_, claims := o.signedBy(t, tok.ID)
	if told := o.waiting(c); len(told) != 1 || string(told[0]) != claims["sid"] {
		t.Errorf("told of %v, not of %v", told, claims["sid"])
	}
}

// told is every claim that applications are told of anna and her sign-in.
func (o *offering) told(t *testing.T, pairs ...string) map[string]any {
	t.Helper()
	tok := o.tokens(o.client, append([]string{"scope", "openid profile email phone groups roles"}, pairs...)...)
	_, all := o.signedBy(t, tok.ID)
	var info map[string]any
	if r := o.userinfo(tok.Access); json.Unmarshal([]byte(r.body), &info) != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	maps.Copy(all, info)
	return all
}

// offered is how a member of the metadata is made use of.
type offered struct {
	// use goes the way that a value stands for.
	use func(t *testing.T, value string)
	// others are values that are not offered; refuse makes sure that they are refused, or
	// ignored where the standards demand that.
	others []string
	refuse func(t *testing.T, value string)
}

// TestEverythingOfferedIsThere uses every value that the metadata names, and tries some that it
// does not name. A member that has no use here, or a value that its use does not know, fails.
func TestEverythingOfferedIsThere(t *testing.T) {
	o := newOffering(t)
	refuses := func(code string, pairs func(value string) []string) func(*testing.T, string) {
		return func(t *testing.T, value string) {
			t.Helper()
			if got := o.ask(o.client, pairs(value)...); got.Get("error") != code || got.Get("code") != "" {
				t.Errorf("%v, not %s", got, code)
			}
		}
	}
	ignores := func(parameter string) func(*testing.T, string) {
		return func(t *testing.T, value string) {
			t.Helper()
			if got := o.ask(o.client, parameter, value); got.Get("code") == "" {
				t.Errorf("%v", got)
			}
		}
	}
	at := func(path string, use func(t *testing.T, path string)) offered {
		return offered{
			use: func(t *testing.T, value string) {
				t.Helper()
				if value != o.issuer+path {
					t.Fatalf("is not at %s", path)
				}
				use(t, path)
			},
			others: []string{path + "x"},
			refuse: func(t *testing.T, value string) {
				t.Helper()
				for _, r := range []*reply{o.browser.get(value), o.browser.post(value, url.Values{})} {
					if r.StatusCode != http.StatusNotFound {
						t.Errorf("%d %s", r.StatusCode, r.body)
					}
				}
			},
		}
	}
	alias := func(path string, status int, form url.Values, headers ...string) offered {
		return offered{use: func(t *testing.T, value string) {
			t.Helper()
			if value != o.url+path {
				t.Fatalf("is not at %s", path)
			}
			c := o.byCA("san_dns=viewer.test", func(c *idp.Client) {
				c.GrantTypes = append(c.GrantTypes, idp.GrantDevice, idp.GrantCIBA)
			})
			form := cloned(form)
			if path == pathPushed {
				form = request(c)
			}
			form.Set("client_id", string(c.ID))
			method := http.MethodPost
			if path == pathUserinfo {
				method, form = http.MethodGet, nil
				headers = []string{"Authorization", "Bearer " + o.tokens(o.client).Access}
			}
			if r := o.with(o.cert, method, path, form, headers...); r.StatusCode != status {
				t.Errorf("%d %s", r.StatusCode, r.body)
			}
			if r := o.with(o.cert, http.MethodGet, path+"x", nil); r.StatusCode != http.StatusNotFound {
				t.Errorf("beside it: %d %s", r.StatusCode, r.body)
			}
		}}
	}
	says := func(want string, use func(t *testing.T)) offered {
		return offered{use: func(t *testing.T, value string) {
			t.Helper()
			if value != want {
				t.Fatalf("is %s", value)
			}
			use(t)
		}}
	}
	methodsAt := func(path string, others ...string) offered {
		return offered{
			use:    func(t *testing.T, value string) { t.Helper(); o.prove(t, path, o.proving(value)) },
			others: append(others, "client_secret_jwt"),
			refuse: func(t *testing.T, value string) {
				t.Helper()
				switch value {
				case "none":
					c := o.addClient(public)
					refused(t, o.call(path, c, url.Values{"token": {o.tokens(c).Access}}), http.StatusUnauthorized, codeInvalidClient)
				case "client_secret_jwt":
					o.refuseProof(t, path, "HS256")
					if r := o.register("token_endpoint_auth_method", value); r.StatusCode != http.StatusBadRequest || !strings.Contains(r.body, codeInvalidMetadata) {
						t.Errorf("%d %s", r.StatusCode, r.body)
					}
				default:
					t.Error("unknown to this test")
				}
			},
		}
	}
	assertionsAt := func(path string) offered {
		return offered{
			use:    func(t *testing.T, value string) { t.Helper(); o.prove(t, path, o.addKeyed(nil, newKey(t, value, "k"))) },
			others: []string{"RS512", "HS256"},
			refuse: func(t *testing.T, value string) { t.Helper(); o.refuseProof(t, path, value) },
		}
	}
	unnamed := []string{"HS256", "none", "RS512"}

	members := map[string]offered{
		"issuer": {use: func(t *testing.T, value string) {
			t.Helper()
			tok := o.tokens(o.client)
			if _, claims := o.signedBy(t, tok.ID); claims["iss"] != value || o.introspect(o.client, tok.Access)["iss"] != value {
				t.Errorf("tokens are of %v", claims["iss"])
			}
		}},
		"authorization_endpoint": at(pathAuthorize, func(t *testing.T, path string) {
			r := o.browser.get(path + "?" + request(o.client).Encode())
			if r.answered(t).Get("code") == "" {
				t.Error(r.body)
			}
			r = o.browser.post(path, request(o.client)) // goes on by GET, with the cookies of this site
			if to := r.Header.Get("Location"); !strings.HasPrefix(to, path+"?") || o.browser.get(to).answered(t).Get("code") == "" {
				t.Errorf("%d %s %s", r.StatusCode, to, r.body)
			}
		}),
		"pushed_authorization_request_endpoint": at(pathPushed, func(t *testing.T, _ string) {
			if r := o.browser.get(begun(o.client, o.mustPush(o.client, request(o.client)))); r.answered(t).Get("code") == "" {
				t.Error(r.body)
			}
		}),
		"token_endpoint": at(pathToken, func(t *testing.T, path string) { o.prove(t, path, o.client) }),
		"device_authorization_endpoint": at(pathDevice, func(t *testing.T, _ string) {
			if w := o.startDevice(o.addClient(forDevices), "openid"); w.URI != o.issuer+ConnectPath {
				t.Errorf("%+v", w)
			}
		}),
		"backchannel_authentication_endpoint": at(pathBackchannel, func(t *testing.T, _ string) { o.polled(t) }),
		"userinfo_endpoint": at(pathUserinfo, func(t *testing.T, path string) {
			access := o.tokens(o.client).Access
			for _, r := range []*reply{o.userinfo(access), o.browser.post(path, url.Values{"access_token": {access}})} {
				if r.StatusCode != http.StatusOK || !strings.Contains(r.body, string(o.anna.ID)) {
					t.Errorf("%d %s", r.StatusCode, r.body)
				}
			}
		}),
		"jwks_uri": at(pathKeys, func(t *testing.T, path string) {
			var set jose.JSONWebKeySet
			if r := o.browser.get(path); json.Unmarshal([]byte(r.body), &set) != nil || len(set.Keys) != 4 {
				t.Error(r.body)
			}
		}),
		"end_session_endpoint": at(pathEndSession, func(t *testing.T, path string) {
			b := o.site.browser()
			tok := o.mustExchange(o.client, b.signIn(o.anna, request(o.client)))
			r := b.get(path + "?" + url.Values{"id_token_hint": {tok.ID}, "post_logout_redirect_uri": {o.client.PostLogoutURIs[0]}, "state": {"s"}}.Encode())
			if r.Header.Get("Location") != o.client.PostLogoutURIs[0]+"?state=s" || o.alive(tok.Access) {
				t.Errorf("%d %v %s", r.StatusCode, r.Header, r.body)
			}
		}),
		"introspection_endpoint": at(pathIntrospect, func(t *testing.T, path string) { o.prove(t, path, o.client) }),
		"revocation_endpoint":    at(pathRevoke, func(t *testing.T, path string) { o.prove(t, path, o.client) }),
		"registration_endpoint": at(pathRegister, func(t *testing.T, _ string) {
			o.register("client_uri", "https://rp.example/").registered(t, http.StatusCreated)
		}),
		"mtls_endpoint_aliases.token_endpoint":                        alias(pathToken, 200, url.Values{"grant_type": {idp.GrantClientCredentials}}),
		"mtls_endpoint_aliases.introspection_endpoint":                alias(pathIntrospect, 200, url.Values{"token": {"x"}}),
		"mtls_endpoint_aliases.revocation_endpoint":                   alias(pathRevoke, 200, url.Values{"token": {"x"}}),
		"mtls_endpoint_aliases.userinfo_endpoint":                     alias(pathUserinfo, 200, url.Values{}),
		"mtls_endpoint_aliases.pushed_authorization_request_endpoint": alias(pathPushed, 201, url.Values{}),
		"mtls_endpoint_aliases.device_authorization_endpoint":         alias(pathDevice, 200, url.Values{"scope": {"openid"}}),
		"mtls_endpoint_aliases.backchannel_authentication_endpoint":   alias(pathBackchannel, 400, url.Values{"scope": {"openid"}, "login_hint": {"nobody"}}),

		"scopes_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				tok := o.tokens(o.client, "scope", "openid "+value)
				if !slices.Contains(strings.Fields(tok.Scope), value) || (tok.Refresh != "") != (value == scopeOffline) {
					t.Errorf("scope %q, refresh token %q", tok.Scope, tok.Refresh)
				}
			},
			others: []string{"address"},
			refuse: refuses(codeInvalidScope, func(value string) []string { return []string{"scope", value} }),
		},
		"response_types_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				if got := o.ask(o.client, "response_type", value); value != "code" || got.Get("code") == "" || got.Get("id_token") != "" || got.Get("access_token") != "" {
					t.Errorf("%v", got)
				}
			},
			others: []string{"token", "id_token", "id_token token", "code id_token", "code token", "none"},
			refuse: refuses(codeUnsupportedResponse, func(value string) []string { return []string{"response_type", value} }),
		},
		"response_modes_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				r := o.browser.get(pathAuthorize + "?" + request(o.client, "response_mode", value).Encode())
				var code string
				if _, signed := signedModes[value]; signed {
					code, _ = o.answeredSigned(o.client, keyring.RS256, value, r)["code"].(string)
				} else {
					code = stateIn(t, r, value).Get("code")
				}
				o.mustExchange(o.client, idp.Secret(code))
			},
			others: []string{"web_message", "cookie"},
			refuse: refuses(codeInvalidRequest, func(value string) []string { return []string{"response_mode", value} }),
		},
		"grant_types_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				switch value {
				case idp.GrantCode:
					o.tokens(o.client)
				case idp.GrantRefresh:
					o.mustRefresh(o.client, o.tokens(o.client).Refresh)
				case idp.GrantClientCredentials:
					o.prove(t, pathIntrospect, o.client)
				case idp.GrantDevice:
					o.device(t)
				case idp.GrantCIBA:
					o.polled(t)
				case idp.GrantExchange:
					o.exchanged(t)
				default:
					t.Error("unknown to this test")
				}
			},
			others: []string{"password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer"},
			refuse: func(t *testing.T, value string) {
				t.Helper()
				_, r := o.token(o.client, "grant_type", value, "username", "anna", "password", "x", "assertion", "x")
				refused(t, r, http.StatusBadRequest, codeUnsupportedGrant)
			},
		},
		"acr_values_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				for _, pairs := range [][]string{{"acr_values", value}, {"claims", `{"id_token":{"acr":{"essential":true,"value":"` + value + `"}}}`}} {
					if _, claims := o.signedBy(t, o.tokens(o.client, pairs...).ID); claims["acr"] != value {
						t.Errorf("%v", claims["acr"])
					}
				}
			},
			others: []string{"urn:mace:incommon:iap:silver"},
			refuse: refuses(codeUnmetAuthRequirement, func(value string) []string {
				return []string{"claims", `{"id_token":{"acr":{"essential":true,"value":"` + value + `"}}}`}
			}),
		},
		"subject_types_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				kind := map[string]idp.SubjectType{"public": "", "pairwise": idp.SubjectPairwise}
				if _, known := kind[value]; !known {
					t.Fatal("unknown to this test")
				}
				c := o.addClient(func(c *idp.Client) { c.SubjectType = kind[value] })
				if _, claims := o.signedBy(t, o.tokens(c).ID); (claims["sub"] == string(o.anna.ID)) != (value == "public") || claims["sub"] == "" {
					t.Errorf("sub %v", claims["sub"])
				}
			},
			others: []string{"ephemeral"},
			refuse: func(t *testing.T, value string) {
				t.Helper()
				refused(t, o.register("subject_type", value), http.StatusBadRequest, codeInvalidMetadata)
			},
		},
		"id_token_signing_alg_values_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				c := o.addClient(func(c *idp.Client) { c.IDTokenAlg = value })
				if alg, _ := o.signedBy(t, o.tokens(c).ID); alg != value {
					t.Errorf("by %s", alg)
				}
			},
			others: unnamed,
			refuse: func(t *testing.T, value string) {
				t.Helper()
				refused(t, o.register("id_token_signed_response_alg", value), http.StatusBadRequest, codeInvalidMetadata)
				o.unregistrable(func(c *idp.Client, alg string) { c.IDTokenAlg = alg })(t, value)
			},
		},
		"authorization_signing_alg_values_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				c := o.addClient(func(c *idp.Client) { c.Signing.ResponseAlg = value })
				r := o.browser.get(pathAuthorize + "?" + request(c, "response_mode", "jwt").Encode())
				if got := o.answeredSigned(c, value, "jwt", r); got["code"] == nil {
					t.Errorf("%v", got)
				}
			},
			others: unnamed,
			refuse: o.unregistrable(func(c *idp.Client, alg string) { c.Signing.ResponseAlg = alg }),
		},
		"userinfo_signing_alg_values_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				c := o.addClient(func(c *idp.Client) { c.Signing.UserinfoAlg = value })
				r := o.userinfo(o.tokens(c).Access)
				if alg, claims := o.signedBy(t, r.body); alg != value || claims["sub"] != string(o.anna.ID) || r.Header.Get("Content-Type") != kindJWT {
					t.Errorf("%s %v %s", alg, claims, r.Header)
				}
			},
			others: unnamed,
			refuse: o.unregistrable(func(c *idp.Client, alg string) { c.Signing.UserinfoAlg = alg }),
		},
		"introspection_signing_alg_values_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				c := o.addClient(func(c *idp.Client) { c.Signing.IntrospectionAlg = value })
				r := o.call(pathIntrospect, c, url.Values{"token": {o.tokens(c).Access}}, "Accept", kindIntrospection)
				alg, claims := o.signedBy(t, r.body)
				if about, _ := claims["token_introspection"].(map[string]any); alg != value || about["active"] != true {
					t.Errorf("%s %v", alg, claims)
				}
			},
			others: unnamed,
			refuse: o.unregistrable(func(c *idp.Client, alg string) { c.Signing.IntrospectionAlg = alg }),
		},
		"request_object_signing_alg_values_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				c := o.addKeyed(nil, newKey(t, value, "k"))
				r := o.browser.get(pathAuthorize + "?" + o.signed(c, request(c)).Encode())
				if r.answered(t).Get("code") == "" {
					t.Error(r.body)
				}
			},
			others: []string{"RS512", "PS512"},
			refuse: func(t *testing.T, value string) {
				t.Helper()
				c := o.addKeyed(nil, newKey(t, keyring.PS256, "k"))
				object := (&ownKey{alg: value, kid: "k", private: c.key.private}).sign(t, o.object(c, request(c)), map[string]any{"typ": "oauth-authz-req+jwt"})
				refused(t, o.call(pathPushed, c, bySign(c, object)), http.StatusBadRequest, codeInvalidRequestObject)
			},
		},
		"token_endpoint_auth_methods_supported":                    methodsAt(pathToken),
		"introspection_endpoint_auth_methods_supported":            methodsAt(pathIntrospect, "none"),
		"revocation_endpoint_auth_methods_supported":               methodsAt(pathRevoke),
		"token_endpoint_auth_signing_alg_values_supported":         assertionsAt(pathToken),
		"introspection_endpoint_auth_signing_alg_values_supported": assertionsAt(pathIntrospect),
		"revocation_endpoint_auth_signing_alg_values_supported":    assertionsAt(pathRevoke),
		"dpop_signing_alg_values_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				k := newKey(t, value, "")
				code := idp.Secret(o.ask(o.client).Get("code"))
				if tok, r := o.exchangeBy(o.client, k.prove(t, o.proofOf("POST", pathToken, "")), code); r.StatusCode != http.StatusOK || tok.Type != "DPoP" {
					t.Errorf("%d %s", r.StatusCode, r.body)
				}
			},
			others: []string{"RS256"},
			refuse: func(t *testing.T, value string) {
				t.Helper()
				k := &ownKey{alg: value, private: rsaKey()}
				_, r := o.exchangeBy(o.client, k.prove(t, o.proofOf("POST", pathToken, "")), idp.Secret(o.ask(o.client).Get("code")))
				refused(t, r, http.StatusBadRequest, codeInvalidProof)
			},
		},
		"code_challenge_methods_supported": {
			use:    func(t *testing.T, value string) { t.Helper(); o.tokens(o.client, "code_challenge_method", value) },
			others: []string{"plain", "S512"},
			refuse: refuses(codeInvalidRequest, func(value string) []string {
				return []string{"code_challenge_method", value, "code_challenge", verifier}
			}),
		},
		"display_values_supported": { // hints: one that is not followed is no fault
			use: func(t *testing.T, value string) {
				t.Helper()
				r := o.site.browser().get(pathAuthorize + "?" + request(o.client, "display", value).Encode())
				if l := idptest.Must(o.db.Login(t.Context(), r.loginOf(t)))(t); l.Request.Display != value {
					t.Errorf("display %q", l.Request.Display)
				}
			},
			others: []string{"hologram"},
			refuse: ignores("display"),
		},
		"prompt_values_supported": { // one that nobody knows is ignored
			use: func(t *testing.T, value string) {
				t.Helper()
				r := o.browser.get(pathAuthorize + "?" + request(o.client, "prompt", value).Encode())
				if value == "none" {
					if r.answered(t).Get("code") == "" {
						t.Error(r.body)
					}
					if got := o.site.browser().get(pathAuthorize + "?" + request(o.client, "prompt", value).Encode()).answered(t); got.Get("error") != codeLoginRequired {
						t.Errorf("without a session: %v", got)
					}
					return
				}
				if l := idptest.Must(o.db.Login(t.Context(), r.loginOf(t)))(t); !slices.Equal(l.Request.Prompt, []string{value}) {
					t.Errorf("prompt %q", l.Request.Prompt)
				}
			},
			others: []string{"create"},
			refuse: ignores("prompt"),
		},
		"claim_types_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				all := o.told(t)
				if value != "normal" || all["name"] != "Anna Röntgen" || all["_claim_names"] != nil || all["_claim_sources"] != nil {
					t.Errorf("%s: %v", value, all)
				}
			},
		},
		"claims_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				if all := o.told(t); all[value] == nil {
					t.Errorf("is in neither ID token nor userinfo: %v", all)
				}
			},
			others: []string{"birthdate", "address", "picture"}, // one that cannot be told is left out (OpenID Connect Core 1.0, section 5.5.1)
			refuse: func(t *testing.T, value string) {
				t.Helper()
				asked := `{"id_token":{"` + value + `":{"essential":true}},"userinfo":{"` + value + `":{"essential":true}}}`
				if all := o.told(t, "claims", asked); all[value] != nil {
					t.Errorf("%v", all[value])
				}
			},
		},
		"ui_locales_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				r := o.site.browser().get(pathAuthorize + "?" + request(o.client, "ui_locales", value).Encode())
				if l := idptest.Must(o.db.Login(t.Context(), r.loginOf(t)))(t); !slices.Equal(l.Request.UILocales, []string{value}) {
					t.Errorf("%q", l.Request.UILocales)
				}
			},
			others: []string{"tlh"}, // no error (OpenID Connect Core 1.0, section 3.1.2.1)
			refuse: ignores("ui_locales"),
		},
		"claims_parameter_supported": says("true", func(t *testing.T) {
			tok := o.tokens(o.client, "scope", "openid", "claims", `{"id_token":{"email":null}}`)
			if _, claims := o.signedBy(t, tok.ID); claims["email"] != "anna@klinik.test" {
				t.Errorf("%v", claims)
			}
		}),
		"request_parameter_supported": says("true", func(t *testing.T) {
			c := o.addKeyed(nil, newKey(t, keyring.ES256, "k"))
			if got := o.browser.get(pathAuthorize + "?" + o.signed(c, request(c)).Encode()).answered(t); got.Get("code") == "" {
				t.Errorf("%v", got)
			}
		}),
		"request_uri_parameter_supported": says("true", func(t *testing.T) {
			c := o.byReference(t)
			if got := o.ask(c, "request_uri", o.objects+"/registered"); got.Get("code") == "" || got.Get("state") != "of the object" {
				t.Errorf("%v", got)
			}
		}),
		"require_request_uri_registration": says("true", func(t *testing.T) {
			c := o.byReference(t)
			if got := o.ask(c, "request_uri", o.objects+"/other"); got.Get("error") != codeInvalidRequestURI {
				t.Errorf("%v", got)
			}
			if got := o.ask(o.client, "request_uri", o.objects+"/registered"); got.Get("error") != codeRequestURI {
				t.Errorf("of a client that has registered none: %v", got)
			}
		}),
		"require_signed_request_object":         says("false", func(*testing.T) { o.tokens(o.client) }),
		"require_pushed_authorization_requests": says("false", func(*testing.T) { o.tokens(o.client) }),
		"authorization_response_iss_parameter_supported": says("true", func(t *testing.T) {
			for _, pairs := range [][]string{nil, {"scope", "address"}} {
				if got := o.ask(o.client, pairs...); got.Get("iss") != o.issuer {
					t.Errorf("%v", got)
				}
			}
		}),
		"backchannel_token_delivery_modes_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				if value == idp.DeliverPoll {
					o.polled(t)
					return
				}
				p := newPinged(t, takes)
				o.sends(t, p, nil)
				id, r := o.bc(o.addClient(pings(p.URL)), "client_notification_token", notifyToken)
				if r.StatusCode != http.StatusOK {
					t.Fatalf("%d %s", r.StatusCode, r.body)
				}
				o.answer(o.ph, idp.Verdict{Approve: true})
				soon(t, "the ping", func() bool { return p.count() == 1 })
				if !strings.Contains(p.calls[0], id) {
					t.Errorf("%q", p.calls)
				}
			},
			others: []string{idp.DeliverPush},
			refuse: func(t *testing.T, value string) {
				t.Helper()
				refused(t, o.register("backchannel_token_delivery_mode", value), http.StatusBadRequest, codeInvalidMetadata)
			},
		},
		"backchannel_authentication_request_signing_alg_values_supported": {
			use: func(t *testing.T, value string) {
				t.Helper()
				c := o.addKeyed(signsCIBA(value), newKey(t, value, "k"))
				authReqID(t, o.bcSigned(c, c.key.sign(t, o.bcObject(c, "anna"), nil)))
				o.answer(o.ph, idp.Verdict{Approve: true})
			},
			others: []string{"RS512", "none"},
			refuse: o.unregistrable(func(c *idp.Client, alg string) {
				c.GrantTypes, c.RedirectURIs = []string{idp.GrantCIBA}, nil
				c.Backchannel.RequestAlg, c.JWKS = alg, setOf(t, newKey(t, keyring.PS256, "k"))
			}),
		},
		"access_token_format": {
			use: func(t *testing.T, value string) {
				t.Helper()
				c := o.addClient(func(c *idp.Client) {
					if value == typeOfJWT {
						c.AccessFormat = idp.AccessJWT
					}
				})
				tok, r := o.token(c, "grant_type", idp.GrantClientCredentials, "scope", "pacs", "requested_token_type", value)
				if isJWT := strings.Count(tok.Access, ".") == 2; r.StatusCode != http.StatusOK || isJWT != (value == typeOfJWT) {
					t.Errorf("%d %s", r.StatusCode, r.body)
				}
			},
			others: []string{"urn:ietf:params:oauth:token-type:saml2"},
			refuse: func(t *testing.T, value string) {
				t.Helper()
				_, r := o.token(o.client, "grant_type", idp.GrantClientCredentials, "scope", "pacs", "requested_token_type", value)
				refused(t, r, http.StatusBadRequest, codeInvalidRequest)
			},
		},
		"backchannel_user_code_parameter_supported": says("false", func(t *testing.T) {
			c := o.addClient(asks)
			_, r := o.bc(c, "user_code", "1234") // is ignored: there is none
			if r.StatusCode != http.StatusOK {
				t.Errorf("%d %s", r.StatusCode, r.body)
			}
			o.answer(o.ph, idp.Verdict{Approve: true}) // a no would have them left in peace for a while
		}),
		"backchannel_logout_supported":         says("true", o.toldOfTheEnd),
		"backchannel_logout_session_supported": says("true", o.toldOfTheEnd),
		"tls_client_certificate_bound_access_tokens": says("true", func(t *testing.T) {
			c := o.byCA("san_dns=viewer.test", func(c *idp.Client) { c.CertBound = true })
			tok, r := o.tokenWith(o.cert, c, "grant_type", idp.GrantClientCredentials)
			if r.StatusCode != http.StatusOK {
				t.Fatal(r.body)
			}
			form := url.Values{"client_id": {string(c.ID)}, "token": {tok.Access}}
			if r := o.with(o.cert, http.MethodPost, pathIntrospect, form); !strings.Contains(r.body, `"x5t#S256":"`+x5t(o.cert)+`"`) {
				t.Error(r.body)
			}
		}),
	}

	offers := values(o.doc)
	for _, name := range slices.Sorted(maps.Keys(offers)) {
		each := offers[name]
		m, known := members[name]
		if !known {
			t.Errorf("%s is offered, and nothing here makes use of it", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			for _, value := range each {
				t.Run(value, func(t *testing.T) { o.within(t, func() { m.use(t, value) }) })
			}
			for _, value := range m.others {
				t.Run("not "+value, func(t *testing.T) {
					if slices.Contains(each, value) {
						t.Fatal("is offered")
					}
					o.within(t, func() { m.refuse(t, value) })
				})
			}
		})
	}
	for name := range members {
		if offers[name] == nil {
			t.Errorf("%s has a use here, and is not offered", name)
		}
	}
}

// within has the helpers of the site report to the test that is under way.
func (o *offering) within(t *testing.T, fn func()) {
	before := o.t
	o.t = t
	defer func() { o.t = before }()
	fn()
}

// TestValuesOfMetadata: no value of a document is overlooked, whatever its kind.
func TestValuesOfMetadata(t *testing.T) {
	got := values(map[string]any{"new_member": true, "list": []any{"a", "b"}, "inner": map[string]any{"x": "y"}, "text": "z"})
	want := map[string][]string{"new_member": {"true"}, "list": {"a", "b"}, "inner.x": {"y"}, "text": {"z"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}
