package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
)

// relyingParty is what stands at the addresses of an application that registers itself.
type relyingParty struct {
	*httptest.Server
	asked  atomic.Int64
	object atomic.Value // string, at /object
}

// partyAndRegistrar is an application with pages of its own, and a site where it can register
// itself, by all there is.
func partyAndRegistrar(t *testing.T) (*relyingParty, *site) {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 32, 32))
	for i := range m.Pix {
		m.Pix[i] = 200
	}
	m.Set(3, 3, color.White)
	var picture bytes.Buffer
	if err := png.Encode(&picture, m); err != nil {
		t.Fatal(err)
	}
	p := &relyingParty{}
	p.object.Store("")
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		switch r.URL.Path {
		case "/logo.png", "/other.png":
			_, _ = w.Write(picture.Bytes())
		case "/text.png":
			_, _ = w.Write([]byte("no picture"))
		case "/large.png":
			_, _ = w.Write(bytes.Repeat([]byte("x"), maxLogo+1))
		case "/list":
			_, _ = w.Write([]byte(`["https://rp.example/cb"]`))
		case "/away":
			http.Redirect(w, r, "/logo.png", http.StatusFound)
		case "/object":
			w.Header().Set("Content-Type", "application/oauth-authz-req+jwt")
			_, _ = w.Write([]byte(p.object.Load().(string)))
		case "/html":
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(p.object.Load().(string)))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(p.Close)
	fetch := *p.Client()
	fetch.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := newSite(t, func(s *site, c *Config) {
		s.desk = admin.New(admin.Config{
			Store: s.db, Now: s.clock.Now, Subjects: testSubjects, Mutual: true, MutualCA: true, Algs: []string{"RS256", "ES256", "PS256"},
			Sector: func(ctx context.Context, uri string) ([]string, error) { return SectorRedirects(ctx, &fetch, uri) },
			Logo:   func(ctx context.Context, uri string) ([]byte, error) { return Logo(ctx, &fetch, uri) },
		})
		c.Registry, c.Fetch = s.desk, &fetch
	})
	return p, s
}

// initialForAll makes an initial access token for whatever can be registered.
func (s *site) initialForAll(change func(*idp.RegistrationToken)) (idp.Secret, idp.RegistrationTokenID) {
	return s.initial(func(r *idp.RegistrationToken) {
		r.GrantTypes = []string{idp.GrantCode, idp.GrantRefresh, idp.GrantClientCredentials, idp.GrantDevice, idp.GrantCIBA}
		r.Hosts, r.Scopes, r.Uses = append(r.Hosts, "127.0.0.1", "viewer.test"), append(r.Scopes, "email"), 500
		if change != nil {
			change(r)
		}
	})
}

const (
	ecKey  = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`
	ecKeys = `"jwks":{"keys":[` + ecKey + `]}`
)

// TestRegisteredMetadata is what of a registration comes back, member by member: as it was
// sent, as it counts, not at all, or as an error that names it. GET tells the same as POST.
func TestRegisteredMetadata(t *testing.T) {
	p, s := partyAndRegistrar(t)
	initial, _ := s.initialForAll(nil)
	const ok, key, mtls = `"redirect_uris":["https://rp.example/cb"]`, `"token_endpoint_auth_method":"private_key_jwt",` + ecKeys, `"token_endpoint_auth_method":"tls_client_auth"`
	const none = "<none>" // it is not in the answer
	ciba := `"grant_types":["` + idp.GrantCIBA + `"]`
	for _, row := range []struct{ sent, name, want string }{
		// What it is.
		{`"client_name":"Viewer"`, "client_name", `"Viewer"`},
		{`"client_name":""`, "client_name", `"rp.example"`},
		{`"client_name":"Viewer","client_name#de":"Betrachter"`, "client_name#de", `"Betrachter"`},
		{`"client_name#fr-CH":"Visionneuse"`, "client_name#fr-CH", `"Visionneuse"`},
		{`"client_name#":"x"`, "client_name", ""},
		{`"client_name#no_tag":"x"`, "client_name", ""},
		{`"client_name#de":7`, "client_name", ""},
		{`"client_name#de":"` + strings.Repeat("x", 100) + `"`, "client_name", ""},
		{`"client_name#de":"a\u202eb"`, "client_name", ""},
		{`"application_type":"web"`, "application_type", `"web"`},
		{`"client_uri":"https://rp.example/"`, "client_uri", `"https://rp.example/"`},
		{`"client_uri#de":"https://rp.example/de"`, "client_uri#de", `"https://rp.example/de"`},
		{`"client_uri":"https://evil.example/"`, "client_uri", ""},
		{`"client_uri":"javascript:alert(1)"`, "client_uri", ""},
		{`"policy_uri":"https://rp.example/privacy"`, "policy_uri", `"https://rp.example/privacy"`},
		{`"policy_uri":"http://rp.example/privacy"`, "policy_uri", ""},
		{`"policy_uri#nl":"https://evil.example/"`, "policy_uri", ""},
		{`"tos_uri":"https://rp.example/terms"`, "tos_uri", `"https://rp.example/terms"`},
		{`"tos_uri":"org.example.viewer:/terms"`, "tos_uri", ""},
		{`"tos_uri":["https://rp.example/terms"]`, "tos_uri", ""},
		{`"logo_uri":"` + p.URL + `/logo.png"`, "logo_uri", `"` + p.URL + `/logo.png"`},
		{`"logo_uri#de":"` + p.URL + `/logo.png"`, "logo_uri#de", none},
		{`"logo_uri":"` + p.URL + `/text.png"`, "logo_uri", ""},
		{`"logo_uri":"` + p.URL + `/large.png"`, "logo_uri", ""},
		{`"logo_uri":"` + p.URL + `/nothing.png"`, "logo_uri", ""},
		{`"logo_uri":"` + p.URL + `/away"`, "logo_uri", ""},
		{`"logo_uri":"https://169.254.169.254/latest"`, "logo_uri", ""},
		{`"contacts":["ops@rp.example","+43 1 234"]`, "contacts", `["ops@rp.example","+43 1 234"]`},
		{`"contacts":"ops@rp.example"`, "contacts", ""},
		{`"contacts":["` + strings.Repeat("x", 300) + `"]`, "contacts", ""},
		{`"software_id":"viewer","software_version":"1.2"`, "software_version", `"1.2"`},
		{`"software_id":"` + strings.Repeat("x", 100) + `"`, "software_id", ""},
		{`"unheard_of":1`, "unheard_of", none},
		// How people sign in.
		{`"response_types":["code"]`, "response_types", `["code"]`},
		{`"response_types":["code","id_token"]`, "response_types", ""},
		{`"response_types":["token"]`, "response_types", ""},
		{`"response_types":[]`, "response_types", ""},
		{`"grant_types":["client_credentials"],"response_types":["code"]`, "response_types", ""},
		{`"grant_types":["client_credentials"]`, "response_types", `[]`},
		{`"grant_types":["authorization_code","authorization_code","refresh_token"]`, "grant_types", `["authorization_code","refresh_token"]`},
		{`"grant_types":["` + idp.GrantDevice + `"]`, "grant_types", `["` + idp.GrantDevice + `"]`},
		{`"grant_types":["` + idp.GrantExchange + `"]`, "grant_types", ""},
		{`"grant_types":["password"]`, "grant_types", ""},
		{ciba, "backchannel_token_delivery_mode", `"poll"`},
		{ciba + `,"backchannel_token_delivery_mode":"poll"`, "backchannel_token_delivery_mode", `"poll"`},
		{ciba + `,"backchannel_token_delivery_mode":"carrier pigeon"`, "backchannel_token_delivery_mode", ""},
		{`"backchannel_token_delivery_mode":"poll"`, "backchannel_token_delivery_mode", ""},
		{ciba + `,"backchannel_token_delivery_mode":"push","backchannel_client_notification_endpoint":"https://rp.example/ping"`, "backchannel_token_delivery_mode", ""},
		{ciba + `,"backchannel_token_delivery_mode":"ping"`, "backchannel_client_notification_endpoint", ""},
		{ciba + `,"backchannel_token_delivery_mode":"ping","backchannel_client_notification_endpoint":"https://elsewhere.example/ping"`, "backchannel_client_notification_endpoint", ""},
		{ciba + `,"backchannel_token_delivery_mode":"ping","backchannel_client_notification_endpoint":"https://rp.example/ping"`, "backchannel_client_notification_endpoint", `"https://rp.example/ping"`},
		{ciba + `,"backchannel_token_delivery_mode":"ping","backchannel_client_notification_endpoint":"https://rp.example/ping"`, "backchannel_token_delivery_mode", `"ping"`},
		{ciba + `,` + ecKeys + `,"backchannel_authentication_request_signing_alg":"ES256"`, "backchannel_authentication_request_signing_alg", `"ES256"`},
		{ciba + `,` + ecKeys + `,"backchannel_authentication_request_signing_alg":"PS256"`, "backchannel_authentication_request_signing_alg", ""},
		{ciba + `,"backchannel_authentication_request_signing_alg":"ES256"`, "jwks", ""},
		{`"scope":"openid email"`, "scope", `"openid email"`},
		{`"scope":"openid openid email"`, "scope", `"openid email"`},
		{`"scope":"hilum.admin"`, "scope", ""},
		{`"subject_type":"public"`, "subject_type", `"public"`},
		{`"subject_type":"pairwise"`, "subject_type", `"pairwise"`},
		{`"subject_type":"secret"`, "subject_type", ""},
		{`"subject_type":"pairwise","sector_identifier_uri":"` + p.URL + `/list"`, "sector_identifier_uri", `"` + p.URL + `/list"`},
		{`"subject_type":"pairwise","sector_identifier_uri":"` + p.URL + `/nothing"`, "sector_identifier_uri", ""},
		{`"sector_identifier_uri":"` + p.URL + `/list"`, "sector_identifier_uri", ""},
		{`"initiate_login_uri":"https://rp.example/start"`, "initiate_login_uri", `"https://rp.example/start"`},
		{`"initiate_login_uri":"http://rp.example/start"`, "initiate_login_uri", ""},
		{`"post_logout_redirect_uris":["https://rp.example/out"]`, "post_logout_redirect_uris", `["https://rp.example/out"]`},
		{`"backchannel_logout_uri":"https://rp.example/told","backchannel_logout_session_required":true`, "backchannel_logout_session_required", `true`},
		{`"backchannel_logout_session_required":true`, "backchannel_logout_uri", ""},
		{`"frontchannel_logout_uri":"https://rp.example/told"`, "frontchannel_logout_uri", ""},
		{`"default_max_age":3600`, "default_max_age", `3600`},
		{`"default_max_age":0`, "default_max_age", `0`},
		{`"default_max_age":-1`, "default_max_age", ""},
		{`"default_max_age":"60"`, "default_max_age", ""},
		{`"default_acr_values":["` + idp.ACRMultiFactor + `"]`, "default_acr_values", `["` + idp.ACRMultiFactor + `"]`},
		{`"default_acr_values":["gold"]`, "default_acr_values", ""},
		{`"require_auth_time":false`, "require_auth_time", `true`},
		{`"require_auth_time":"yes"`, "require_auth_time", ""},
		// How it proves itself.
		{`"token_endpoint_auth_method":"client_secret_post"`, "token_endpoint_auth_method", `"client_secret_post"`},
		{`"token_endpoint_auth_method":"none"`, "client_secret", none},
		{key, "token_endpoint_auth_method", `"private_key_jwt"`},
		{key + `,"token_endpoint_auth_signing_alg":"ES256"`, "token_endpoint_auth_signing_alg", `"ES256"`},
		{key + `,"token_endpoint_auth_signing_alg":"RS256"`, "token_endpoint_auth_signing_alg", ""},
		{key + `,"token_endpoint_auth_signing_alg":"HS256"`, "token_endpoint_auth_signing_alg", ""},
		{`"token_endpoint_auth_signing_alg":"ES256"`, "token_endpoint_auth_signing_alg", none},
		{`"token_endpoint_auth_method":"client_secret_jwt"`, "token_endpoint_auth_method", ""},
		{mtls + `,"tls_client_auth_san_dns":"rp.example"`, "tls_client_auth_san_dns", `"rp.example"`},
		{mtls + `,"tls_client_auth_subject_dn":"CN=rp,O=Hospital"`, "tls_client_auth_subject_dn", `"CN=rp,O=Hospital"`},
		{mtls + `,"tls_client_auth_san_ip":"192.0.2.1"`, "tls_client_auth_san_ip", `"192.0.2.1"`},
		{mtls + `,"tls_client_auth_san_ip":"here"`, "tls_client_auth_", ""},
		{mtls + `,"tls_client_auth_san_dns":"rp.example","tls_client_auth_san_email":"a@rp.example"`, "tls_client_auth_san_email", ""},
		{mtls, "tls_client_auth_", ""},
		{`"tls_client_auth_san_dns":"rp.example"`, "tls_client_auth_", ""},
		{`"token_endpoint_auth_method":"self_signed_tls_client_auth",` + ecKeys, "token_endpoint_auth_method", `"self_signed_tls_client_auth"`},
		{`"tls_client_certificate_bound_access_tokens":true`, "tls_client_certificate_bound_access_tokens", `true`},
		{`"dpop_bound_access_tokens":true`, "dpop_bound_access_tokens", `true`},
		{`"require_pushed_authorization_requests":true`, "require_pushed_authorization_requests", `true`},
		{ecKeys, "jwks", `{"keys":[` + ecKey + `]}`}, // for request objects
		{`"jwks":{"keys":[{"kty":"oct","k":"AAAA"}]}`, "jwks", ""},
		{`"jwks_uri":"https://rp.example/keys"`, "jwks_uri", `"https://rp.example/keys"`},
		// What is signed, and encrypted.
		{`"id_token_signed_response_alg":"ES256"`, "id_token_signed_response_alg", `"ES256"`},
		{`"id_token_signed_response_alg":"RS256"`, "id_token_signed_response_alg", `"RS256"`},
		{`"id_token_signed_response_alg":"EdDSA"`, "id_token_signed_response_alg", ""}, // no key signs so here
		{`"id_token_signed_response_alg":"HS256"`, "id_token_signed_response_alg", ""},
		{`"userinfo_signed_response_alg":"RS256"`, "userinfo_signed_response_alg", `"RS256"`},
		{`"userinfo_signed_response_alg":"EdDSA"`, "userinfo_signed_response_alg", ""},
		{`"userinfo_signed_response_alg":"none"`, "userinfo_signed_response_alg", ""},
		{`"authorization_signed_response_alg":"PS256"`, "authorization_signed_response_alg", `"PS256"`},
		{`"introspection_signed_response_alg":"ES256"`, "introspection_signed_response_alg", `"ES256"`},
		{ecKeys + `,"request_object_signing_alg":"ES256","require_signed_request_object":true`, "require_signed_request_object", `true`},
		{`"request_object_signing_alg":"ES256"`, "jwks", ""},
		{ecKeys + `,"request_object_signing_alg":"PS256"`, "request_object_signing_alg", ""},
		{ecKeys + `,"request_object_signing_alg":"none"`, "request_object_signing_alg", ""},
		{ecKeys + `,"request_uris":["https://rp.example/object#hash"]`, "request_uris", `["https://rp.example/object#hash"]`},
		{ecKeys + `,"request_uris":["https://evil.example/object"]`, "request_uris", ""},
		{ecKeys + `,"request_uris":["http://rp.example/object"]`, "request_uris", ""},
		{`"id_token_encrypted_response_alg":"RSA-OAEP"`, "id_token_encrypted_response_alg", ""},
		{`"userinfo_encrypted_response_enc":"A128GCM"`, "userinfo_encrypted_response_enc", ""},
		{`"request_object_encryption_alg":"RSA-OAEP"`, "request_object_encryption_alg", ""},
	} {
		body := `{` + ok + `,` + row.sent + `}`
		if strings.Contains(row.sent, "client_credentials") || strings.Contains(row.sent, idp.GrantDevice) || strings.Contains(row.sent, idp.GrantCIBA) {
			body = `{` + row.sent + `}`
		}
		r := s.metadataCall("POST", pathRegister, initial, body)
		if row.want == "" {
			refused(t, r, http.StatusBadRequest, codeInvalidMetadata)
			if !strings.Contains(r.body, row.name) {
				t.Errorf("%s: %s", row.sent, r.body)
			}
			continue
		}
		if r.StatusCode != http.StatusCreated {
			t.Errorf("%s: %d %s", row.sent, r.StatusCode, r.body)
			continue
		}
		var made map[string]json.RawMessage
		if err := json.Unmarshal([]byte(r.body), &made); err != nil {
			t.Fatalf("%s: %v", row.sent, err)
		}
		got, sent := made[row.name]
		if row.want == none && sent || row.want != none && string(got) != row.want {
			t.Errorf("%s: %s is %s", row.sent, row.name, got)
		}
		var id, token string
		_, _ = json.Unmarshal(made["client_id"], &id), json.Unmarshal(made["registration_access_token"], &token)
		read := s.metadataCall("GET", pathRegister+"/"+id, idp.Secret(token), "")
		var again map[string]json.RawMessage
		if err := json.Unmarshal([]byte(read.body), &again); err != nil {
			t.Fatalf("%s: %v", row.sent, err)
		}
		delete(made, "client_secret")
		delete(made, "client_secret_expires_at")
		for name, value := range made {
			if string(again[name]) != string(value) {
				t.Errorf("%s: GET says %s of %s, POST %s", row.sent, again[name], name, value)
			}
		}
		if len(again) != len(made) {
			t.Errorf("%s: GET has %d members, POST %d", row.sent, len(again), len(made))
		}
	}
}

// TestLogosAreReadOnce: the picture of an application is fetched when it registers, within the
// bounds of its token, and again only when it names another.
func TestLogosAreReadOnce(t *testing.T) {
	p, s := partyAndRegistrar(t)
	narrow, _ := s.initial(nil) // without the host of the pictures
	refused(t, s.metadataCall("POST", pathRegister, narrow, `{"redirect_uris":["https://rp.example/cb"],"logo_uri":"`+p.URL+`/logo.png"}`), http.StatusBadRequest, codeInvalidMetadata)
	if p.asked.Load() != 0 {
		t.Error("an address that the token does not allow was called")
	}
	initial, id := s.initialForAll(nil)
	if r := s.metadataCall("POST", pathRegister, initial, `{"redirect_uris":["https://rp.example/cb#x"],"logo_uri":"`+p.URL+`/logo.png"}`); r.StatusCode != http.StatusBadRequest || p.asked.Load() != 0 {
		t.Errorf("for a registration that is no good: %d, called %d times", r.StatusCode, p.asked.Load())
	}
	own := s.metadataCall("POST", pathRegister, initial, `{"redirect_uris":["https://rp.example/cb"],"logo_uri":"`+p.URL+`/logo.png"}`).registered(t, http.StatusCreated)
	icon := func() idp.PictureID { return idptest.Must(s.db.Client(t.Context(), idp.ClientID(own.ID)))(t).Icon }
	first := icon()
	if _, err := s.db.Picture(t.Context(), first); err != nil || p.asked.Load() != 1 {
		t.Errorf("%q: %v, called %d times", first, err, p.asked.Load())
	}
	change := func(more string) *reply {
		r := s.metadataCall("PUT", pathRegister+"/"+own.ID, idp.Secret(own.Token), `{"client_id":"`+own.ID+`","redirect_uris":["https://rp.example/cb"]`+more+`}`)
		if r.StatusCode == http.StatusOK {
			own = r.registered(t, http.StatusOK)
		}
		return r
	}
	change(`,"client_name":"Other","logo_uri":"` + p.URL + `/logo.png"`)
	if icon() != first || p.asked.Load() != 1 {
		t.Errorf("the same picture: %q, called %d times", icon(), p.asked.Load())
	}
	change(`,"logo_uri":"` + p.URL + `/other.png"`)
	if icon() == "" || p.asked.Load() != 2 {
		t.Errorf("another: %q, called %d times", icon(), p.asked.Load())
	}
	if r := change(`,"logo_uri":"` + p.URL + `/text.png"`); r.StatusCode != http.StatusBadRequest || icon() == "" {
		t.Errorf("no picture: %d, %q", r.StatusCode, icon())
	}
	change("")
	if _, err := s.db.Picture(t.Context(), first); icon() != "" || err == nil {
		t.Errorf("none any more: %q, and the picture is kept", icon())
	}
	if err := s.desk.RevokeRegistrationToken(t.Context(), s.admin, id); err != nil {
		t.Fatal(err)
	}
	before := p.asked.Load()
	if r := change(`,"logo_uri":"` + p.URL + `/logo.png"`); r.StatusCode != http.StatusForbidden || p.asked.Load() != before {
		t.Errorf("by a token that was revoked: %d, called %d times", r.StatusCode, p.asked.Load()-before)
	}
}

// clientOf is a registration as the other tests use clients.
func (s *site) clientOf(r *registeredClient, key *ownKey) *client {
	s.t.Helper()
	return &client{Client: idptest.Must(s.db.Client(s.t.Context(), idp.ClientID(r.ID)))(s.t), secret: idp.Secret(r.Secret), key: key}
}

// TestRequestsHaveDefaults: what a registration says of requests counts where they say nothing.
func TestRequestsHaveDefaults(t *testing.T) {
	_, s := partyAndRegistrar(t)
	initial, _ := s.initialForAll(nil)
	anna := s.addPerson("anna")
	c := s.clientOf(s.metadataCall("POST", pathRegister, initial, `{"redirect_uris":["`+callback+`"],"default_max_age":60}`).registered(t, http.StatusCreated), nil)
	if err := s.db.UpdateClient(t.Context(), c.ID, func(c *idp.Client) error { c.Consent = false; return nil }); err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	b.signIn(anna, request(c))
	at := func(pairs ...string) *reply {
		return b.get(pathAuthorize + "?" + request(c, append(pairs, "prompt", "none")...).Encode())
	}
	if got := at().answered(t); got.Get("code") == "" {
		t.Errorf("at once: %v", got)
	}
	s.clock.Add(2 * time.Minute)
	if got := at().answered(t); got.Get("error") != codeLoginRequired {
		t.Errorf("after two minutes: %v", got)
	}
	if got := at("max_age", "3600").answered(t); got.Get("code") == "" {
		t.Errorf("after two minutes, of an hour that is asked for: %v", got)
	}
}

// TestRequestObjectsAtAddresses: a request object is read at an address that the client has
// registered, and at no other; it is signed as one that is sent.
func TestRequestObjectsAtAddresses(t *testing.T) {
	p, s := partyAndRegistrar(t)
	initial, _ := s.initialForAll(nil)
	key := newKey(t, "ES256", "own")
	anna := s.addPerson("anna")
	keys := `"jwks":` + setOf(t, key)
	addresses := `"request_uris":["` + p.URL + `/object#1","` + p.URL + `/html","` + p.URL + `/nothing","` + p.URL + `/away"]`
	c := s.clientOf(s.metadataCall("POST", pathRegister, initial, `{"redirect_uris":["`+callback+`"],`+keys+`,`+addresses+`}`).registered(t, http.StatusCreated), key)
	if err := s.db.UpdateClient(t.Context(), c.ID, func(c *idp.Client) error { c.Consent = false; return nil }); err != nil {
		t.Fatal(err)
	}
	by := func(uri string, pairs ...string) url.Values {
		q := url.Values{"client_id": {string(c.ID)}, "request_uri": {uri}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"outside"}}
		for i := 0; i+1 < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return q
	}
	claims := s.object(c, request(c, "state", "inside"))
	delete(claims, "exp") // it is as good as the client lets it stand there
	p.object.Store(key.sign(t, claims, map[string]any{"typ": "oauth-authz-req+jwt"}))
	b := s.browser()
	tokens := s.mustExchange(c, b.signIn(anna, by(p.URL+"/object#1")))
	if !s.alive(tokens.Access) || p.asked.Load() != 1 {
		t.Errorf("called %d times", p.asked.Load())
	}
	if got := b.get(pathAuthorize + "?" + by(p.URL+"/object#1").Encode()).answered(t); got.Get("code") == "" || got.Get("state") != "inside" {
		t.Errorf("in the session: %v", got)
	}
	asked := p.asked.Load()
	for why, row := range map[string]struct {
		q    url.Values
		code string
		call bool
	}{
		"another fragment":   {by(p.URL + "/object#2"), codeInvalidRequestURI, false},
		"not registered":     {by(p.URL + "/other"), codeInvalidRequestURI, false},
		"of the inside":      {by("https://169.254.169.254/latest"), codeInvalidRequestURI, false},
		"nothing there":      {by(p.URL + "/nothing"), codeInvalidRequestURI, true},
		"a redirect there":   {by(p.URL + "/away"), codeInvalidRequestURI, true},
		"a page there":       {by(p.URL + "/html"), codeInvalidRequestURI, true},
		"an object as well":  {by(p.URL+"/object#1", "request", key.sign(t, s.object(c, request(c)), nil)), codeInvalidRequest, false},
		"response_type else": {by(p.URL+"/object#1", "response_type", "token"), codeInvalidRequest, true},
	} {
		before := p.asked.Load()
		if got := b.get(pathAuthorize + "?" + row.q.Encode()).answered(t); got.Get("error") != row.code {
			t.Errorf("%s: %v, want %s", why, got, row.code)
		}
		if called := p.asked.Load() > before; called != row.call {
			t.Errorf("%s: called %t", why, called)
		}
	}
	for why, object := range map[string]string{
		"by another key": newKey(t, "ES256", "own").sign(t, claims, nil), "no JWT": "x", "unsigned": "eyJhbGciOiJub25lIn0.e30.",
		"expired": key.sign(t, func() map[string]any {
			m := s.object(c, request(c))
			m["exp"] = s.clock.Now().Unix() - 1
			return m
		}(), nil),
	} {
		p.object.Store(object)
		if got := b.get(pathAuthorize + "?" + by(p.URL+"/object#1").Encode()).answered(t); got.Get("error") != codeInvalidRequestObject || got.Get("state") != "outside" {
			t.Errorf("%s: %v", why, got)
		}
	}
	if asked == p.asked.Load() {
		t.Error("nothing was read")
	}
	// What pushes its requests, or has registered no address, is not read for.
	if err := s.db.UpdateClient(t.Context(), c.ID, func(c *idp.Client) error { c.Requests.URIs = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	if got := b.get(pathAuthorize + "?" + by(p.URL+"/object#1").Encode()).answered(t); got.Get("error") != codeRequestURI {
		t.Errorf("taken away: %v", got)
	}
}

// TestPKCEIsOptionalByTheToken: only by a token that says so, and never for public clients.
func TestPKCEIsOptionalByTheToken(t *testing.T) {
	_, s := partyAndRegistrar(t)
	strict, _ := s.initialForAll(nil)
	loose, _ := s.initialForAll(func(r *idp.RegistrationToken) { r.OptionalPKCE = true })
	without := func(c *client) string {
		q := request(c)
		q.Del("code_challenge")
		q.Del("code_challenge_method")
		r := s.browser().get(pathAuthorize + "?" + q.Encode())
		if strings.HasPrefix(r.Header.Get("Location"), "/login/") {
			return ""
		}
		return r.answered(t).Get("error")
	}
	for _, row := range []struct {
		why, more string
		token     idp.Secret
		want      string
	}{
		{"not said", "", strict, codeInvalidRequest},
		{"said", "", loose, ""},
		{"said, of a public client", `,"token_endpoint_auth_method":"none"`, loose, codeInvalidRequest},
	} {
		own := s.metadataCall("POST", pathRegister, row.token, `{"redirect_uris":["`+callback+`"]`+row.more+`}`).registered(t, http.StatusCreated)
		c := s.clientOf(own, nil)
		if got := without(c); got != row.want {
			t.Errorf("%s: %q", row.why, got)
		}
		if deviates := slices.Contains(admin.Deviations(c.Client), "client.deviation.pkce"); deviates != (row.want == "") {
			t.Errorf("%s: a deviation: %t", row.why, deviates)
		}
		own = s.metadataCall("PUT", pathRegister+"/"+own.ID, idp.Secret(own.Token), `{"client_id":"`+own.ID+`","redirect_uris":["`+callback+`"]`+row.more+`}`).registered(t, http.StatusOK)
		if got := without(s.clientOf(own, nil)); got != row.want {
			t.Errorf("%s, after a change: %q", row.why, got)
		}
	}
}
