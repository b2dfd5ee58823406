package oidc

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/serve"
)

// registrar is a site where applications register themselves.
func registrar(t *testing.T) *site {
	t.Helper()
	return newSite(t, func(s *site, c *Config) { c.Registry = s.desk })
}

// initial makes an initial access token for applications at rp.example.
func (s *site) initial(change func(*idp.RegistrationToken)) (idp.Secret, idp.RegistrationTokenID) {
	s.t.Helper()
	r := &idp.RegistrationToken{
		Name: "Suppliers", GrantTypes: []string{idp.GrantCode, idp.GrantRefresh}, Scopes: []string{"profile", "offline_access"},
		Hosts: []string{"rp.example", "*.below.example", "org.example.viewer:"}, Uses: 100, ExpiresAt: s.clock.Now().Add(time.Hour),
	}
	if change != nil {
		change(r)
	}
	secret := idptest.Must(s.desk.AddRegistrationToken(s.t.Context(), s.admin, r))(s.t)
	return secret, r.ID
}

// metadataCall sends metadata to a path with a token, empty for none.
func (s *site) metadataCall(method, path string, token idp.Secret, body string, headers ...string) *reply {
	s.t.Helper()
	r := idptest.Must(http.NewRequestWithContext(s.t.Context(), method, s.issuer+path, strings.NewReader(body)))(s.t)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.browser().do(r)
}

// registeredClient is a registration as a client reads it.
type registeredClient struct {
	ID      string   `json:"client_id"`
	Secret  string   `json:"client_secret"`
	Expires *int64   `json:"client_secret_expires_at"`
	Token   string   `json:"registration_access_token"`
	URI     string   `json:"registration_client_uri"`
	Name    string   `json:"client_name"`
	Auth    string   `json:"token_endpoint_auth_method"`
	Grants  []string `json:"grant_types"`
	Types   []string `json:"response_types"`
	URIs    []string `json:"redirect_uris"`
	Scope   string   `json:"scope"`
	Logo    string   `json:"logo_uri"`
	Alg     string   `json:"id_token_signed_response_alg"`
}

func (r *reply) registered(t testing.TB, status int) *registeredClient {
	t.Helper()
	if r.StatusCode != status || r.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s: %s", r.StatusCode, r.Header, r.body)
	}
	var out registeredClient
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

const plainMetadata = `{"redirect_uris":["https://rp.example/cb"],"client_name":"Viewer","scope":"openid profile","unheard_of":{"a":1}}`

// TestRegistrationIsOffUnlessSet: nobody registers anything, and discovery says nothing of it,
// where the setting is off.
func TestRegistrationIsOffUnlessSet(t *testing.T) {
	s := newSite(t)
	secret, _ := s.initial(nil)
	if r := s.metadataCall("POST", pathRegister, secret, plainMetadata); r.StatusCode != http.StatusNotFound {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if r := s.browser().get(pathDiscovery); strings.Contains(r.body, "registration_endpoint") {
		t.Error(r.body)
	}
	if r := registrar(t).browser().get(pathDiscovery); !strings.Contains(r.body, `"registration_endpoint":"http://`) {
		t.Error(r.body)
	}
}

// TestRegistration goes the way of an application: it registers, signs somebody in, reads its
// registration, changes it with a token that turns, and deletes itself.
func TestRegistration(t *testing.T) {
	s := registrar(t)
	initial, _ := s.initial(nil)
	anna := s.addPerson("anna")
	first := s.metadataCall("POST", pathRegister, initial, plainMetadata).registered(t, http.StatusCreated)
	if first.Secret == "" || first.Expires == nil || *first.Expires != 0 || first.Token == "" || first.URI != s.issuer+pathRegister+"/"+first.ID {
		t.Errorf("credentials: %+v", first)
	}
	if first.Name != "Viewer" || first.Auth != "client_secret_basic" || !slices.Equal(first.Grants, []string{"authorization_code"}) ||
		!slices.Equal(first.Types, []string{"code"}) || first.Scope != "openid profile" || first.Logo != "" || first.Alg != "RS256" {
		t.Errorf("metadata: %+v", first)
	}
	kept := idptest.Must(s.db.Client(t.Context(), idp.ClientID(first.ID)))(t)
	if !kept.Consent || kept.RegisteredBy == "" || kept.RegistrationHash != idp.Secret(first.Token).Hash() {
		t.Errorf("kept: %+v", kept)
	}
	// It signs somebody in, who is asked for consent; here the administration says that it is
	// not needed, by the store, so that the registration stays the application's own.
	if err := s.db.UpdateClient(t.Context(), kept.ID, func(c *idp.Client) error { c.Consent = false; return nil }); err != nil {
		t.Fatal(err)
	}
	c := &client{Client: kept, secret: idp.Secret(first.Secret)}
	b := s.browser()
	tokens := s.mustExchange(c, b.signIn(anna, request(c, "redirect_uri", "https://rp.example/cb")))
	if !s.alive(tokens.Access) {
		t.Error("its tokens are not good")
	}

	path := pathRegister + "/" + first.ID
	read := s.metadataCall("GET", path, idp.Secret(first.Token), "").registered(t, http.StatusOK)
	if read.Token != first.Token || read.Secret != "" || read.Name != "Viewer" {
		t.Errorf("read: %+v", read)
	}
	changed := s.metadataCall("PUT", path, idp.Secret(first.Token), `{"client_id":"`+first.ID+`","client_secret":"`+first.Secret+`","redirect_uris":["https://a.below.example/cb"],"client_name":"Other","grant_types":["authorization_code","refresh_token"]}`).registered(t, http.StatusOK)
	if changed.Token == first.Token || changed.Token == "" || changed.Secret != "" || changed.Name != "Other" || changed.URIs[0] != "https://a.below.example/cb" || changed.Scope != "profile offline_access" {
		t.Errorf("changed: %+v", changed)
	}
	if r := s.metadataCall("GET", path, idp.Secret(first.Token), ""); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("the token of before: %d", r.StatusCode)
	}
	if r := s.metadataCall("DELETE", path, idp.Secret(changed.Token), ""); r.StatusCode != http.StatusNoContent || r.body != "" {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	if s.alive(tokens.Access) {
		t.Error("a token of an application that is gone is good")
	}
	for _, method := range []string{"GET", "DELETE"} {
		if r := s.metadataCall(method, path, idp.Secret(changed.Token), ""); r.StatusCode != http.StatusUnauthorized || !strings.Contains(r.Header.Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("%s afterwards: %d", method, r.StatusCode)
		}
	}
	var did []string
	for _, e := range idptest.Must(s.db.SearchEvents(t.Context(), idp.EventQuery{Kinds: []idp.EventKind{idp.EventClientChanged}}))(t).Rows {
		if string(e.Client) == first.ID && e.Actor.Name == "client:"+first.ID && e.ActorKind() == idp.ActorProgram {
			did = append(did, e.Detail["change"])
		}
	}
	slices.Sort(did)
	if !slices.Equal(did, []string{"edited", "registered", "removed"}) {
		t.Errorf("the log has %v", did)
	}
}

// TestRegistrationsThatAreRefused is what each thing wrong with a registration is answered with;
// none of them leaves an application behind, nor uses the token up.
func TestRegistrationsThatAreRefused(t *testing.T) {
	s := registrar(t)
	initial, id := s.initial(nil)
	programs, _ := s.initial(func(r *idp.RegistrationToken) { r.GrantTypes, r.Hosts = []string{idp.GrantClientCredentials}, nil })
	key := `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`
	const ok = `"redirect_uris":["https://rp.example/cb"]`
	rows := []struct {
		why, body string
		code      string
		says      string // a part of the description
	}{
		{"no JSON", `redirect_uris=x`, codeInvalidRequest, "JSON"},
		{"a list", `[]`, codeInvalidRequest, "JSON"},
		{"two objects", `{` + ok + `}{}`, codeInvalidRequest, "JSON"},
		{"a member twice", `{` + ok + `,` + ok + `}`, codeInvalidRequest, "twice"},
		{"a software statement", `{` + ok + `,"software_statement":"eyJ"}`, codeStatement, "Software statements"},
		{"no address", `{}`, codeInvalidRedirect, "redirect_uris"},
		{"http elsewhere", `{"redirect_uris":["http://rp.example/cb"]}`, codeInvalidRedirect, "redirect_uris"},
		{"a fragment", `{"redirect_uris":["https://rp.example/cb#x"]}`, codeInvalidRedirect, "redirect_uris"},
		{"a wildcard", `{"redirect_uris":["https://*.below.example/cb"]}`, codeInvalidRedirect, "redirect_uris"},
		{"another host", `{"redirect_uris":["https://evil.example/cb"]}`, codeInvalidRedirect, "does not allow an address"},
		{"one of two elsewhere", `{"redirect_uris":["https://rp.example/cb","https://rp.example.evil.example/cb"]}`, codeInvalidRedirect, "does not allow an address"},
		{"a host that ends so", `{"redirect_uris":["https://evilbelow.example/cb"]}`, codeInvalidRedirect, "does not allow an address"},
		{"the host above", `{"redirect_uris":["https://below.example/cb"]}`, codeInvalidRedirect, "does not allow an address"},
		{"user info", `{"redirect_uris":["https://rp.example@evil.example/cb"]}`, codeInvalidRedirect, "redirect_uris"},
		{"another scheme", `{"application_type":"native","redirect_uris":["org.example.other:/cb"]}`, codeInvalidRedirect, "does not allow an address"},
		{"addresses of another type", `{"redirect_uris":"https://rp.example/cb"}`, codeInvalidMetadata, "redirect_uris is of another type"},
		{"post-logout elsewhere", `{` + ok + `,"post_logout_redirect_uris":["https://evil.example/"]}`, codeInvalidMetadata, "post_logout_redirect_uris"},
		{"back-channel elsewhere", `{` + ok + `,"backchannel_logout_uri":"https://127.0.0.1/"}`, codeInvalidMetadata, "backchannel_logout_uri"},
		{"keys elsewhere", `{` + ok + `,"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://169.254.169.254/keys"}`, codeInvalidMetadata, "jwks_uri"},
		{"no keys", `{` + ok + `,"token_endpoint_auth_method":"private_key_jwt"}`, codeInvalidMetadata, "jwks"},
		{"keys twice", `{` + ok + `,"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://rp.example/keys","jwks":` + key + `}`, codeInvalidMetadata, "jwks_uri"},
		{"client_secret_jwt", `{` + ok + `,"token_endpoint_auth_method":"client_secret_jwt"}`, codeInvalidMetadata, "token_endpoint_auth_method"},
		{"implicit", `{` + ok + `,"grant_types":["implicit"]}`, codeInvalidMetadata, "grant_types"},
		{"a grant type beyond the token", `{` + ok + `,"grant_types":["authorization_code","client_credentials"]}`, codeInvalidMetadata, "does not allow that grant type"},
		{"refresh alone", `{"grant_types":["refresh_token"]}`, codeInvalidMetadata, "grant_types"},
		{"no grant type", `{` + ok + `,"grant_types":[]}`, codeInvalidMetadata, "grant_types"},
		{"the hybrid flow", `{` + ok + `,"response_types":["code id_token"]}`, codeInvalidMetadata, "response_types"},
		{"a scope beyond the token", `{` + ok + `,"scope":"openid email"}`, codeInvalidMetadata, "scope"},
		{"a scope of the administration", `{` + ok + `,"scope":"hilum.admin"}`, codeInvalidMetadata, "scope"},
		{"another kind", `{` + ok + `,"application_type":"toaster"}`, codeInvalidMetadata, "application_type"},
		{"an algorithm", `{` + ok + `,"id_token_signed_response_alg":"none"}`, codeInvalidMetadata, "id_token_signed_response_alg"},
		{"a long name", `{` + ok + `,"client_name":"` + strings.Repeat("x", 100) + `"}`, codeInvalidMetadata, "client_name"},
		{"encrypted ID tokens", `{` + ok + `,"id_token_encrypted_response_alg":"RSA-OAEP"}`, codeInvalidMetadata, "id_token_encrypted_response_alg is not supported"},
		{"request objects without keys", `{` + ok + `,"request_uris":["https://rp.example/r"]}`, codeInvalidMetadata, "request_uris: "},
		{"a picture of the inside", `{` + ok + `,"logo_uri":"http://169.254.169.254/latest"}`, codeInvalidMetadata, "logo_uri: "},
		{"front-channel logout", `{` + ok + `,"frontchannel_logout_uri":"https://rp.example/"}`, codeInvalidMetadata, "frontchannel_logout_uri is not supported"},
		{"mutual TLS", `{` + ok + `,"tls_client_certificate_bound_access_tokens":true}`, codeInvalidMetadata, "tls.mtls_listen"},
	}
	before := len(idptest.Must(s.db.Clients(t.Context()))(t))
	for _, row := range rows {
		r := s.metadataCall("POST", pathRegister, initial, row.body)
		refused(t, r, http.StatusBadRequest, row.code)
		if !strings.Contains(r.body, row.says) {
			t.Errorf("%s: %s", row.why, r.body)
		}
	}
	refused(t, s.metadataCall("POST", pathRegister, programs, `{"grant_types":["client_credentials"],"scope":"hilum.admin"}`), http.StatusBadRequest, codeInvalidMetadata)
	refused(t, s.metadataCall("POST", pathRegister, initial, `{`+ok+`,"x":"`+strings.Repeat("x", serve.MaxBody)+`"}`), http.StatusRequestEntityTooLarge, codeInvalidRequest)
	refused(t, s.metadataCall("POST", pathRegister, initial, `a=b`, "Content-Type", "application/x-www-form-urlencoded"), http.StatusBadRequest, codeInvalidRequest)
	refused(t, s.metadataCall("POST", pathRegister+"?access_token="+initial.Reveal(), "", plainMetadata), http.StatusBadRequest, codeInvalidRequest)
	if n := len(idptest.Must(s.db.Clients(t.Context()))(t)); n != before {
		t.Errorf("%d applications were left behind", n-before)
	}
	for _, r := range idptest.Must(s.desk.RegistrationTokens(t.Context(), s.admin))(t) {
		if r.ID == id && r.Used != 0 {
			t.Errorf("used %d times", r.Used)
		}
	}
	for _, body := range []string{
		plainMetadata,
		`{` + ok + `,"request_uris":[],"frontchannel_logout_session_required":false,"default_acr_values":null,"userinfo_signed_response_alg":""}`, // asks for nothing
		`{` + ok + `,"token_endpoint_auth_method":"none","require_auth_time":true}`,
		`{` + ok + `,"token_endpoint_auth_method":"private_key_jwt","jwks":` + key + `}`,
		`{` + ok + `,"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://rp.example/keys"}`,
		`{"application_type":"native","token_endpoint_auth_method":"none","redirect_uris":["org.example.viewer:/cb"]}`,
	} {
		got := s.metadataCall("POST", pathRegister, initial, body).registered(t, http.StatusCreated)
		if secret := strings.HasPrefix(got.Auth, "client_secret"); secret != (got.Secret != "") || secret != (got.Expires != nil) {
			t.Errorf("%s: %+v", body, got)
		}
	}
	if strings.Contains(s.log.String(), initial.Reveal()) {
		t.Error("the log has the token")
	}
}

// TestRegistrationTokensThatAreNotGood is who asks × what: a token that is not good for it is
// 401 with a challenge, or 403 where the registration may be read and no more changed.
func TestRegistrationTokensThatAreNotGood(t *testing.T) {
	s := registrar(t)
	good, goodID := s.initial(nil)
	own := s.metadataCall("POST", pathRegister, good, plainMetadata).registered(t, http.StatusCreated)
	other := s.metadataCall("POST", pathRegister, good, plainMetadata).registered(t, http.StatusCreated)
	spent, _ := s.initial(func(r *idp.RegistrationToken) { r.Uses = 1 })
	s.metadataCall("POST", pathRegister, spent, plainMetadata).registered(t, http.StatusCreated)
	revoked, revokedID := s.initial(nil)
	if err := s.desk.RevokeRegistrationToken(t.Context(), s.admin, revokedID); err != nil {
		t.Fatal(err)
	}
	expired, _ := s.initial(func(r *idp.RegistrationToken) { r.ExpiresAt = s.clock.Now().Add(time.Second) })
	manual := s.addClient(nil)
	s.clock.Add(2 * time.Second)
	path := pathRegister + "/" + own.ID
	change := `{"client_id":"` + own.ID + `","redirect_uris":["https://rp.example/cb"]}`
	for _, row := range []struct {
		why, method, path string
		token             idp.Secret
		body              string
	}{
		{"none", "POST", pathRegister, "", plainMetadata},
		{"made up", "POST", pathRegister, idp.NewToken(), plainMetadata},
		{"used up", "POST", pathRegister, spent, plainMetadata},
		{"revoked", "POST", pathRegister, revoked, plainMetadata},
		{"expired", "POST", pathRegister, expired, plainMetadata},
		{"a registration access token", "POST", pathRegister, idp.Secret(own.Token), plainMetadata},
		{"a client secret", "POST", pathRegister, idp.Secret(own.Secret), plainMetadata},
		{"none to read", "GET", path, "", ""},
		{"the initial one to read", "GET", path, good, ""},
		{"another client's to read", "GET", path, idp.Secret(other.Token), ""},
		{"another client's to change", "PUT", path, idp.Secret(other.Token), change},
		{"another client's to delete", "DELETE", path, idp.Secret(other.Token), ""},
		{"of nobody", "GET", pathRegister + "/nobody", idp.Secret(own.Token), ""},
		{"of one that the administration has registered", "GET", pathRegister + "/" + string(manual.ID), idp.Secret(own.Token), ""},
		{"of one that the administration has registered, to delete", "DELETE", pathRegister + "/" + string(manual.ID), idp.NewToken(), ""},
	} {
		r := s.metadataCall(row.method, row.path, row.token, row.body)
		if r.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), `Bearer realm="registration"`) || !strings.Contains(r.body, codeInvalidToken) {
			t.Errorf("%s: %d %s", row.why, r.StatusCode, r.body)
		}
	}
	for _, row := range []struct{ why, body, code string }{
		{"no client_id", `{"redirect_uris":["https://rp.example/cb"]}`, codeInvalidRequest},
		{"another client_id", `{"client_id":"` + other.ID + `","redirect_uris":["https://rp.example/cb"]}`, codeInvalidRequest},
		{"the token in the body", `{"client_id":"` + own.ID + `","registration_access_token":"x","redirect_uris":["https://rp.example/cb"]}`, codeInvalidRequest},
		{"when it was issued", `{"client_id":"` + own.ID + `","client_id_issued_at":1,"redirect_uris":["https://rp.example/cb"]}`, codeInvalidRequest},
		{"another secret", `{"client_id":"` + own.ID + `","client_secret":"x","redirect_uris":["https://rp.example/cb"]}`, codeInvalidMetadata},
		{"public from now on", `{"client_id":"` + own.ID + `","token_endpoint_auth_method":"none","redirect_uris":["https://rp.example/cb"]}`, codeInvalidMetadata},
		{"beyond the bounds", `{"client_id":"` + own.ID + `","redirect_uris":["https://evil.example/cb"]}`, codeInvalidRedirect},
		{"more scopes", `{"client_id":"` + own.ID + `","scope":"email","redirect_uris":["https://rp.example/cb"]}`, codeInvalidMetadata},
	} {
		r := s.metadataCall("PUT", path, idp.Secret(own.Token), row.body)
		if refused(t, r, http.StatusBadRequest, row.code); t.Failed() {
			t.Fatalf("%s: %s", row.why, r.body)
		}
	}
	// What the administration takes away, or changes, is no longer the application's own.
	if err := s.desk.EditClient(t.Context(), s.admin, idp.ClientID(other.ID), func(c *idp.Client) { c.Scopes = []string{"openid"} }); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		body := ""
		if method == "PUT" {
			body = `{"client_id":"` + other.ID + `","redirect_uris":["https://rp.example/cb"],"scope":"openid profile"}`
		}
		if r := s.metadataCall(method, pathRegister+"/"+other.ID, idp.Secret(other.Token), body); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s after a change by the administration: %d %s", method, r.StatusCode, r.body)
		}
	}
	if err := s.desk.RevokeRegistrationToken(t.Context(), s.admin, goodID); err != nil {
		t.Fatal(err)
	}
	refused(t, s.metadataCall("PUT", path, idp.Secret(own.Token), change), http.StatusForbidden, codeAccessDenied)
	s.metadataCall("GET", path, idp.Secret(own.Token), "").registered(t, http.StatusOK)
	if r := s.metadataCall("DELETE", path, idp.Secret(own.Token), ""); r.StatusCode != http.StatusNoContent {
		t.Errorf("deleting itself: %d %s", r.StatusCode, r.body)
	}
}

// TestRegistrationsAtOnce: a token for two applications registers two, however many ask.
func TestRegistrationsAtOnce(t *testing.T) {
	s := registrar(t)
	initial, _ := s.initial(func(r *idp.RegistrationToken) { r.Uses = 2 })
	done := make(chan int, 8)
	for range cap(done) {
		go func() { done <- s.metadataCall("POST", pathRegister, initial, plainMetadata).StatusCode }()
	}
	n := 0
	for range cap(done) {
		switch status := <-done; status {
		case http.StatusCreated:
			n++
		case http.StatusUnauthorized:
		default:
			t.Errorf("status %d", status)
		}
	}
	if n != 2 {
		t.Errorf("%d were registered", n)
	}
}

// TestWhatRegistrationTokensMayBe: what no application may have is not promised to one.
func TestWhatRegistrationTokensMayBe(t *testing.T) {
	s := registrar(t)
	for why, change := range map[string]func(*idp.RegistrationToken){
		"no name":                     func(r *idp.RegistrationToken) { r.Name = "" },
		"no use":                      func(r *idp.RegistrationToken) { r.Uses = 0 },
		"too many uses":               func(r *idp.RegistrationToken) { r.Uses = 1001 },
		"ended before it begins":      func(r *idp.RegistrationToken) { r.ExpiresAt = s.clock.Now() },
		"for ten years":               func(r *idp.RegistrationToken) { r.ExpiresAt = s.clock.Now().AddDate(10, 0, 0) },
		"no grant type":               func(r *idp.RegistrationToken) { r.GrantTypes = nil },
		"an unknown grant type":       func(r *idp.RegistrationToken) { r.GrantTypes = []string{"implicit"} },
		"a scope of two words":        func(r *idp.RegistrationToken) { r.Scopes = []string{"a b"} },
		"the administration":          func(r *idp.RegistrationToken) { r.Scopes = []string{idp.ScopeAuditor} },
		"no host":                     func(r *idp.RegistrationToken) { r.Hosts = nil },
		"a URL for a host":            func(r *idp.RegistrationToken) { r.Hosts = []string{"https://rp.example"} },
		"any host":                    func(r *idp.RegistrationToken) { r.Hosts = []string{"*"} },
		"any host of a top domain":    func(r *idp.RegistrationToken) { r.Hosts = []string{"*.example"} },
		"a star within":               func(r *idp.RegistrationToken) { r.Hosts = []string{"rp.*.example"} },
		"a scheme that is not unique": func(r *idp.RegistrationToken) { r.Hosts = []string{"https:"} },
	} {
		r := &idp.RegistrationToken{Name: "S", GrantTypes: []string{idp.GrantCode}, Scopes: []string{"profile"}, Hosts: []string{"rp.example"}, Uses: 1, ExpiresAt: s.clock.Now().Add(time.Hour)}
		change(r)
		if _, err := s.desk.AddRegistrationToken(t.Context(), s.admin, r); err == nil {
			t.Errorf("%s was taken", why)
		}
	}
	helpdesk := admin.By{Actor: idp.Actor{Name: "client:x"}, Client: "x", Role: idp.StaffHelpdesk}
	if _, err := s.desk.RegistrationTokens(t.Context(), helpdesk); err == nil {
		t.Error("helpdesk sees them")
	}
}
