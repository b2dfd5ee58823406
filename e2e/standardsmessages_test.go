package e2e

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// registered is a registration that was just made.
func (w *walk) registered(more ...any) *answer {
	w.Helper()
	a := w.registers(changed(map[string]any{"client_name": "Supplier's viewer", "redirect_uris": []string{"https://a.supplier.test/callback"}}, more...))
	if a.status != http.StatusCreated {
		w.Fatalf("%d %s", a.status, a.body)
	}
	return a
}

// own asks for a registration by its own token.
func (w *walk) own(method string, made *answer, metadata map[string]any) *answer {
	w.Helper()
	return w.configures(method, made.text("registration_client_uri"), made.text("registration_access_token"), metadata)
}

// update is metadata that replaces that of a registration.
func update(made *answer, more ...any) map[string]any {
	return changed(map[string]any{"client_id": made.text("client_id"), "client_name": "Another name", "redirect_uris": []string{"https://a.supplier.test/callback"}}, more...)
}

var rfc7591 = &standard{"RFC7591", "RFC 7591", "OAuth 2.0 Dynamic Client Registration Protocol", "All of it, where `clients.registration` is `token`: whoever registers has an initial access token.", []requirement{
	walked("2.1", "SHOULD", "grant_and_response_types", "grant types and response types belong together", func(w *walk) {
		w.registers(map[string]any{"redirect_uris": []string{"https://a.supplier.test/callback"}, "grant_types": []string{"authorization_code"}, "response_types": []string{"token"}}).refused(400, "invalid_client_metadata")
	}),
	walked("2", "MUST", "redirects_are_registered", "clients with redirects register them", func(w *walk) { w.registers(map[string]any{"client_name": "x"}).refused(400, "invalid_redirect_uri") }),
	walked("2", "MUST", "defaults", "what is left out has the default: client_secret_basic, authorization_code, code", func(w *walk) {
		a := w.registered()
		w.check(a.text("token_endpoint_auth_method") == "client_secret_basic" && a.lists("grant_types", "authorization_code") && a.lists("response_types", "code"), "%s", a.body)
	}),
	walked("2", "MUST", "unknown_is_ignored", "metadata that nobody knows is ignored", func(w *walk) { w.registered("frobnicate", map[string]any{"a": 1}).hasNot("frobnicate") }),
	walked("2", "MUST NOT", "jwks_and_uri", "jwks and jwks_uri stand together", func(w *walk) {
		w.registers(map[string]any{"redirect_uris": []string{"https://a.supplier.test/callback"}, "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://a.supplier.test/keys", "jwks": map[string]any{"keys": []any{w.x.key.public()}}}).refused(400, "invalid_client_metadata")
	}),
	walked("2", "MAY", "default_scope", "a client that names no scopes has a default", func(w *walk) { w.check(w.registered().text("scope") != "", "none") }),
	walked("3", "MUST", "https", "the address of the endpoint is https", func(w *walk) {
		w.check(strings.HasPrefix(w.discovery().text("registration_endpoint"), "https://"), "not https")
	}),
	walked("3", "MUST", "post_json", "a request is JSON by POST", func(w *walk) {
		w.send(http.MethodPost, "/register", "client_name=x", "Authorization", "Bearer "+w.x.initial, "Content-Type", formType).refused(400, "invalid_request")
		w.check(w.send(http.MethodGet, "/register", "", "Authorization", "Bearer "+w.x.initial).status == http.StatusMethodNotAllowed, "GET is taken")
	}),
	walked("3", "MAY", "initial_token", "an initial access token is asked for, as a bearer token", func(w *walk) {
		w.send(http.MethodPost, "/register", `{"redirect_uris":["https://a.supplier.test/callback"]}`, "Content-Type", "application/json").header("WWW-Authenticate", "Bearer").check401()
		w.configures(http.MethodPost, "/register", "made-up", map[string]any{"redirect_uris": []string{"https://a.supplier.test/callback"}}).refused(401, "invalid_token")
	}),
	otherwise("3", "SHOULD", "requests without an initial access token are taken, for open registration", "what registers itself signs the people of a hospital in: an administrator says beforehand who may", "oidc.TestRegistrationTokensThatAreNotGood"),
	walked("3.1", "MUST NOT", "own_id", "a client chooses its client_id or secret", func(w *walk) {
		a := w.registered("client_id", "viewer", "client_secret", "chosen")
		w.check(a.text("client_id") != "viewer" && a.text("client_secret") != "chosen", "%s", a.body)
	}),
	unbuilt("3.1.1", "MAY", "software statements", "whoever registers has a token of the administration instead; one that is sent is refused, not ignored (`TestStandards/RFC7591/3.2.2/statement`)"),
	walked("3.2.1", "MUST", "created", "the answer is 201, JSON, not to be kept by caches", func(w *walk) {
		w.registered().header("Content-Type", "application/json").header("Cache-Control", "no-store")
	}),
	walked("3.2.1", "SHOULD", "client_id", "client_id is another than any before", func(w *walk) {
		a, b := w.registered(), w.registered()
		w.check(a.text("client_id") != "" && a.text("client_id") != b.text("client_id"), "%s %s", a.body, b.body)
	}),
	walked("3.2.1", "MUST", "secret_expires", "with a secret client_secret_expires_at is told; 0: never", func(w *walk) {
		a := w.registered().has("client_secret", "client_secret_expires_at")
		w.check(a.number("client_secret_expires_at") == 0, "%s", a.body)
	}),
	walked("3.2.1", "MUST", "secret_alone", "the secret of each client is its own", func(w *walk) {
		one, two := w.registered().text("client_secret"), w.registered().text("client_secret")
		w.check(one != "" && one != two, "the same")
	}),
	walked("3.2.1", "MAY", "issued_at", "client_id_issued_at says when", func(w *walk) {
		n := w.registered().number("client_id_issued_at")
		w.check(n > float64(time.Now().Add(-time.Hour).Unix()) && n <= float64(time.Now().Unix()+1), "%v", n)
	}),
	walked("3.2.1", "MUST", "all_metadata", "all registered metadata is told, as it was registered", func(w *walk) {
		w.registered("scope", "openid profile").has("client_name", "redirect_uris", "grant_types", "response_types", "token_endpoint_auth_method", "scope")
	}),
	walked("3.2.1", "MUST", "no_secret_of_public", "a public client is given no secret", func(w *walk) {
		w.registered("token_endpoint_auth_method", "none").hasNot("client_secret", "client_secret_expires_at")
	}),
	walked("3.2.1", "MUST", "usable", "the client can be used at once", func(w *walk) {
		a := w.registered()
		at := w.somebody().get(w.authorizeAt(a.text("client_id"), "https://a.supplier.test/callback"))
		w.check(find(at.doc, byID("password-form")) != nil, "%d at %s", at.status, at.url)
	}),
	walked("3.2.2", "MUST", "invalid_redirect_uri", "an error is 400 in JSON: invalid_redirect_uri for an address that is not good", func(w *walk) {
		w.registers(map[string]any{"redirect_uris": []string{"javascript:alert(1)"}}).refused(400, "invalid_redirect_uri").header("Content-Type", "application/json").header("Cache-Control", "no-store")
	}),
	walked("3.2.2", "MUST", "invalid_client_metadata", "invalid_client_metadata for any other metadata", func(w *walk) {
		w.registers(map[string]any{"redirect_uris": []string{"https://a.supplier.test/callback"}, "token_endpoint_auth_method": "frobnicate"}).refused(400, "invalid_client_metadata")
	}),
	walked("3.2.2", "MUST", "statement", "a software statement that is not approved is an error", func(w *walk) {
		w.registers(map[string]any{"redirect_uris": []string{"https://a.supplier.test/callback"}, "software_statement": "x.y.z"}).refused(400, "unapproved_software_statement")
	}),
	walked("5", "MUST", "bounds", "what a client says of itself is not believed: it stays within the bounds of the token", func(w *walk) {
		w.registers(map[string]any{"redirect_uris": []string{"https://evil.test/callback"}}).refused(400, "invalid_redirect_uri")
		w.registers(map[string]any{"redirect_uris": []string{"https://a.supplier.test/callback"}, "scope": "groups"}).refused(400, "invalid_client_metadata")
	}),
	shownBy("5", "MAY", "people are told that nobody vouches for such a client: they are always asked", "oidc.TestRegistration"),
	shownBy("3", "MUST", "an initial access token that was revoked, has expired or is used up registers nothing", "oidc.TestRegistrationTokensThatAreNotGood"),
	shownBy("5", "SHOULD", "people are guarded from what stands at addresses that a client names: a logo is read once and painted anew, and no address is called but where calls are allowed", "oidc.TestLogosAreReadOnce, oidc.TestJWKSURIIsGuarded"),
}}

var rfc7592 = &standard{"RFC7592", "RFC 7592", "OAuth 2.0 Dynamic Client Registration Management Protocol", "All of it.", []requirement{
	walked("2", "MUST", "own_token", "only the registration access token of the client is taken", func(w *walk) {
		a, b := w.registered(), w.registered()
		w.configures(http.MethodGet, a.text("registration_client_uri"), b.text("registration_access_token"), nil).refused(401, "invalid_token")
		w.configures(http.MethodGet, a.text("registration_client_uri"), w.x.initial, nil).refused(401, "invalid_token")
		w.send(http.MethodGet, a.text("registration_client_uri"), "").check401()
	}),
	walked("2", "MUST", "https", "registration_client_uri is https, and complete", func(w *walk) {
		a := w.registered()
		w.check(a.text("registration_client_uri") == w.x.issuer+"/register/"+a.text("client_id"), "%s", a.body)
	}),
	walked("2.1", "MUST", "reads", "GET gives the registration as it is", func(w *walk) {
		made := w.registered()
		got := w.own(http.MethodGet, made, nil).ok().has("client_id", "registration_client_uri", "registration_access_token", "redirect_uris")
		w.check(got.text("client_id") == made.text("client_id") && got.text("client_name") == "Supplier's viewer", "%s", got.body)
	}),
	walked("2.1", "MUST", "unknown_client", "a client that is not there is 401, as a token that is not good", func(w *walk) {
		w.configures(http.MethodGet, "/register/nobody", w.registered().text("registration_access_token"), nil).refused(401, "invalid_token")
	}),
	walked("2.2", "MUST", "replaces", "PUT replaces the registration", func(w *walk) {
		made := w.registered()
		got := w.own(http.MethodPut, made, update(made, "redirect_uris", []string{"https://b.supplier.test/callback"})).ok()
		w.check(got.text("client_name") == "Another name" && got.lists("redirect_uris", "https://b.supplier.test/callback") && !got.lists("redirect_uris", "https://a.supplier.test/callback"), "%s", got.body)
		w.staysHere(w.anna().get(w.authorizeAt(made.text("client_id"), "https://a.supplier.test/callback")))
	}),
	walked("2.2", "MUST", "client_id", "client_id stands in it, and is the client's", func(w *walk) {
		made := w.registered()
		w.own(http.MethodPut, made, update(made, "client_id", nil)).refused(400, "invalid_request")
		w.own(http.MethodPut, made, update(made, "client_id", "viewer")).refused(400, "invalid_request")
	}),
	walked("2.2", "MUST NOT", "given", "registration_access_token, registration_client_uri, client_secret_expires_at, client_id_issued_at are sent", func(w *walk) {
		made := w.registered()
		for _, name := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
			w.own(http.MethodPut, made, update(made, name, made.members[name])).refused(400, "invalid_request")
		}
	}),
	walked("2.2", "MUST", "own_secret", "client_secret may be sent, and is the client's: it cannot choose another", func(w *walk) {
		made := w.registered()
		w.own(http.MethodPut, made, update(made, "client_secret", "chosen")).refused(400, "invalid_client_metadata")
		w.own(http.MethodPut, made, update(made, "client_secret", made.text("client_secret"))).ok()
	}),
	walked("2.2", "MUST", "omitted_is_deleted", "what is left out is as if it were deleted, or has its default", func(w *walk) {
		made := w.registered("post_logout_redirect_uris", []string{"https://a.supplier.test/bye"}).has("post_logout_redirect_uris")
		w.own(http.MethodPut, made, update(made)).ok().hasNot("post_logout_redirect_uris")
	}),
	walked("2.2", "MUST", "null", "null is as if it were left out", func(w *walk) {
		made := w.registered("post_logout_redirect_uris", []string{"https://a.supplier.test/bye"})
		body := update(made)
		body["post_logout_redirect_uris"] = nil
		w.own(http.MethodPut, made, body).ok().hasNot("post_logout_redirect_uris")
	}),
	walked("2.2", "MUST", "invalid", "metadata that is not good is an error of RFC 7591, and nothing is changed", func(w *walk) {
		made := w.registered()
		w.own(http.MethodPut, made, update(made, "redirect_uris", []string{"https://evil.test/"})).refused(400, "invalid_redirect_uri")
		w.check(w.own(http.MethodGet, made, nil).ok().text("client_name") == "Supplier's viewer", "it is changed")
	}),
	shownBy("2.2", "MUST", "403 for a client that may not change its registration any more", "oidc.TestRegistrationTokensThatAreNotGood"),
	walked("2.3", "MAY", "deletes", "DELETE takes the client away: 204", func(w *walk) {
		made := w.registered()
		a := w.own(http.MethodDelete, made, nil)
		w.check(a.status == http.StatusNoContent && a.body == "", "%d %s", a.status, a.body)
		w.staysHere(w.anna().get(w.authorizeAt(made.text("client_id"), "https://a.supplier.test/callback")))
	}),
	walked("2.3", "MUST", "token_dies", "with it its registration access token", func(w *walk) {
		made := w.registered()
		w.own(http.MethodDelete, made, nil)
		w.own(http.MethodGet, made, nil).refused(401, "invalid_token")
	}),
	shownBy("2.3", "SHOULD", "and its grants and tokens", "oidc.TestRegistration"),
	walked("3", "MUST", "members", "a registration has registration_client_uri and registration_access_token", func(w *walk) {
		w.registered().has("registration_client_uri", "registration_access_token")
	}),
	walked("A", "SHOULD", "token_turns", "the registration access token may turn; the one before is no longer good then", func(w *walk) {
		made := w.registered()
		got := w.own(http.MethodPut, made, update(made)).ok()
		w.check(got.text("registration_access_token") != made.text("registration_access_token"), "the same")
		w.own(http.MethodGet, made, nil).refused(401, "invalid_token")
	}),
	walked("5", "MUST", "entropy", "it cannot be guessed", func(w *walk) { w.check(len(w.registered().text("registration_access_token")) >= 43, "short") }),
}}

// pushes pushes an authorization request as an application, with what is given in the place
// of the usual parameters.
func (w *walk) pushes(id string, all ...string) *answer {
	w.Helper()
	q := must[*url.URL](w)(url.Parse(w.asking(id, all...))).Query()
	switch id {
	case "keyed", "fapi", "signs":
		q.Del("client_id")
		if id == "signs" {
			q = url.Values{"request": {w.object(id, q)}}
		}
		return w.asKeyed(id, "/par", q)
	}
	var form []string
	for name, v := range q {
		if name != "client_id" {
			form = append(form, name, v[0])
		}
	}
	return w.as(id, "/par", form...)
}

// object is a request object of parameters, with claims in the place of the usual ones.
func (w *walk) object(id string, q url.Values, more ...any) string {
	w.Helper()
	now := time.Now().Unix()
	claims := map[string]any{"iss": id, "aud": w.x.issuer, "nbf": now, "exp": now + 60, "client_id": id}
	for name, v := range q {
		claims[name] = v[0]
	}
	return w.x.key.sign("oauth-authz-req+jwt", false, changed(claims, more...))
}

// objectOf is a request object with the usual parameters.
func (w *walk) objectOf(id string, more ...any) string {
	w.Helper()
	q := must[*url.URL](w)(url.Parse(w.asking(id))).Query()
	return w.object(id, q, more...)
}

// byObject is an authorization request by a request object, in Anna's browser.
func (w *walk) byObject(id, object string, outside ...string) *page {
	w.Helper()
	q := url.Values{"client_id": {id}, "request": {object}}
	maps.Copy(q, valuesOf(outside))
	return w.anna().get(w.x.issuer + "/authorize?" + q.Encode())
}

// goesOn sends a browser with a pushed request.
func (w *walk) goesOn(p *person, id string, pushed *answer, more ...string) *page {
	w.Helper()
	q := url.Values{"client_id": {id}, "request_uri": {pushed.text("request_uri")}}
	maps.Copy(q, valuesOf(more))
	return p.get(w.x.issuer + "/authorize?" + q.Encode())
}

var rfc9126 = &standard{"RFC9126", "RFC 9126", "OAuth 2.0 Pushed Authorization Requests", "All of it.", []requirement{
	walked("2", "MUST", "https", "the address of the endpoint is https", func(w *walk) {
		w.check(strings.HasPrefix(w.discovery().text("pushed_authorization_request_endpoint"), "https://"), "not https")
	}),
	walked("2.1", "MUST", "post_form", "a request is a form by POST", func(w *walk) {
		w.check(w.send(http.MethodGet, "/par?client_id=viewer", "").status == http.StatusMethodNotAllowed, "GET is taken")
		w.send(http.MethodPost, "/par", `{}`, "Content-Type", "application/json", "Authorization", w.basic("viewer")).refused(400, "invalid_request")
	}),
	walked("2.1", "MUST", "authenticates", "the client proves itself as at the token endpoint", func(w *walk) {
		w.form("/par", url.Values{"response_type": {"code"}, "client_id": {"viewer"}}).refused(401, "invalid_client")
		w.form("/par", url.Values{"response_type": {"code"}}, "Authorization", authorized("viewer", "wrong")).refused(401, "invalid_client")
	}),
	walked("2.1", "MAY", "public", "clients without a secret push with their client_id", func(w *walk) {
		a := w.pushes("native")
		w.check(a.status == http.StatusCreated, "%d %s", a.status, a.body)
		w.check(w.goesOn(w.anna(), "native", a).url.Query().Get("code") != "", "no code")
	}),
	walked("2", "MUST", "audiences", "an assertion for the issuer, the token endpoint or this one is taken", func(w *walk) {
		for _, aud := range []string{w.x.issuer, w.x.issuer + "/token", w.x.issuer + "/par"} {
			q := must[*url.URL](w)(url.Parse(w.asking("keyed"))).Query()
			q.Set("client_assertion", w.x.key.assertion(w.x.issuer, "keyed", "aud", aud))
			a := w.asKeyed("keyed", "/par", q)
			w.check(a.status == http.StatusCreated, "%s: %d %s", aud, a.status, a.body)
		}
	}),
	walked("2.1", "MUST NOT", "request_uri", "request_uri is pushed", func(w *walk) {
		w.pushes("viewer", "request_uri", "urn:ietf:params:oauth:request_uri:x").refused(400, "invalid_request")
	}),
	walked("2.1", "MUST", "validates", "the request is checked as at the authorization endpoint", func(w *walk) {
		w.pushes("viewer", "response_type", "").refused(400, "invalid_request")
		w.pushes("viewer", "response_type", "token").refused(400, "unsupported_response_type")
		w.pushes("viewer", "scope", "frobnicate").refused(400, "invalid_scope")
		w.pushes("viewer", "code_challenge", "").refused(400, "invalid_request")
	}),
	walked("2.1", "MUST", "redirect_uri", "the redirect URI too", func(w *walk) {
		w.pushes("viewer", "redirect_uri", "https://evil.test/callback").refused(400, "invalid_request")
	}),
	walked("2.2", "MUST", "created", "the answer is 201 in JSON with request_uri and expires_in, not to be kept by caches", func(w *walk) {
		a := w.pushes("viewer").has("request_uri", "expires_in").header("Content-Type", "application/json").header("Cache-Control", "no-store")
		w.check(a.status == http.StatusCreated && a.number("expires_in") > 0 && a.number("expires_in") <= 600, "%d %s", a.status, a.body)
	}),
	walked("2.2", "MUST", "random", "request_uri has a random part that cannot be guessed", func(w *walk) {
		a, b := w.pushes("viewer").text("request_uri"), w.pushes("viewer").text("request_uri")
		w.check(a != b && len(strings.TrimPrefix(a, "urn:ietf:params:oauth:request_uri:")) >= 43, "%s, %s", a, b)
	}),
	walked("2.2", "MUST", "bound_to_client", "it is of the client that pushed it", func(w *walk) {
		w.staysHere(w.goesOn(w.anna(), "other", w.pushes("viewer")))
		w.staysHere(w.goesOn(w.anna(), "native-dpop", w.pushes("native"))) // which has the same redirect URI
	}),
	walked("2.3", "MUST", "errors", "an error is as at the token endpoint: JSON with error", func(w *walk) {
		w.pushes("viewer", "max_age", "soon").refused(400, "invalid_request").header("Content-Type", "application/json").header("Cache-Control", "no-store")
	}),
	walked("2.3", "MAY", "method", "405 for other methods than POST", func(w *walk) {
		w.check(w.send(http.MethodPut, "/par", "").status == http.StatusMethodNotAllowed, "taken")
	}),
	walked("2.3", "MAY", "too_large", "413 for a request that is too large", func(w *walk) {
		w.pushes("viewer", "claims", strings.Repeat("x", 100_000)).refused(http.StatusRequestEntityTooLarge, "invalid_request")
	}),
	shownBy("2.3", "MAY", "429 for too many requests", "oidc.TestPushedRequestsAreBounded"),
	walked("3", "MAY", "request_object", "a request object may be pushed", func(w *walk) {
		a := w.asKeyed("keyed", "/par", url.Values{"request": {w.objectOf("keyed")}})
		w.check(a.status == http.StatusCreated, "%d %s", a.status, a.body)
	}),
	walked("3", "MUST", "client_of_object", "its client_id is the client that has proven itself", func(w *walk) {
		w.asKeyed("fapi", "/par", url.Values{"request": {w.objectOf("keyed")}}).refused(400, "invalid_request_object")
	}),
	walked("4", "MUST", "goes_on", "the authorization endpoint takes client_id and request_uri alone", func(w *walk) {
		q := w.answered("viewer", w.goesOn(w.anna(), "viewer", w.pushes("viewer")))
		w.check(q.Get("code") != "" && q.Get("state") == "the state", "%v", q)
		w.redeems("viewer", q.Get("code")).ok()
	}),
	walked("4", "MUST", "only_what_was_pushed", "what else stands in the address says nothing", func(w *walk) {
		q := w.answered("viewer", w.goesOn(w.anna(), "viewer", w.pushes("viewer"), "state", "another", "redirect_uri", "https://evil.test/callback"))
		w.check(q.Get("state") == "the state", "%v", q)
	}),
	walked("4", "SHOULD", "once", "request_uri is good once", func(w *walk) {
		pushed := w.pushes("viewer")
		w.answered("viewer", w.goesOn(w.anna(), "viewer", pushed))
		w.staysHere(w.goesOn(w.anna(), "viewer", pushed))
	}),
	walked("4", "MAY", "reload", "the page may be loaded anew before", func(w *walk) {
		pushed, p := w.pushes("viewer"), w.somebody()
		for range 2 {
			at := w.goesOn(p, "viewer", pushed)
			w.check(find(at.doc, byID("password-form")) != nil, "%d at %s", at.status, at.url)
		}
	}),
	shownBy("4", "MUST", "one that has expired is refused", "oidc.TestPushedHandles"),
	walked("4", "MUST", "unknown", "one that nobody was given is refused", func(w *walk) {
		w.staysHere(w.anna().get(w.x.issuer + "/authorize?client_id=viewer&request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3Amade-up"))
	}),
	walked("5", "SHOULD", "metadata", "metadata has the endpoint, and whether all clients have to push", func(w *walk) {
		a := w.discovery().has("pushed_authorization_request_endpoint")
		w.check(a.members["require_pushed_authorization_requests"] == false, "not said")
	}),
	walked("6", "MUST", "required", "a client that is registered to push is refused otherwise", func(w *walk) {
		w.refusedAt("pushes", "invalid_request")
		q := w.answered("pushes", w.goesOn(w.anna(), "pushes", w.pushes("pushes")))
		w.check(q.Get("code") != "", "%v", q)
	}),
	walked("7.1", "MUST", "by_the_client", "a stranger's handle leads to no redirect", func(w *walk) {
		at := w.anna().get(w.x.issuer + "/authorize?client_id=nobody&request_uri=" + url.QueryEscape(w.pushes("viewer").text("request_uri")))
		w.staysHere(at)
	}),
}}

var rfc9101 = &standard{"RFC9101", "RFC 9101", "JWT-Secured Authorization Request", "Request objects that are signed, by value, pushed or not, or at an address that the client has registered. Encryption is not offered.", []requirement{
	walked("4", "MUST", "signed_request", "a signed request object is taken", func(w *walk) {
		q := w.answered("keyed", w.byObject("keyed", w.objectOf("keyed")))
		w.check(q.Get("code") != "" && q.Get("state") == "the state", "%v", q)
	}),
	walked("4", "MUST NOT", "nested", "request or request_uri stand in a request object", func(w *walk) {
		at := w.byObject("keyed", w.objectOf("keyed", "request_uri", "https://a.test/x"), "redirect_uri", redirectOf("keyed"))
		q := w.answered("keyed", at)
		w.check(q.Get("error") == "invalid_request_object", "%v", q)
	}),
	walked("5", "MUST NOT", "both", "request and request_uri stand in a request together", func(w *walk) {
		q := w.answered("keyed", w.byObject("keyed", w.objectOf("keyed"), "request_uri", "https://a.test/x"))
		w.check(q.Get("error") == "invalid_request", "%v", q)
	}),
	walked("5", "MUST", "client_id_outside", "client_id stands outside, and is the same", func(w *walk) {
		w.staysHere(w.anna().get(w.x.issuer + "/authorize?request=" + w.objectOf("keyed")))
		q := w.answered("viewer", w.byObject("viewer", w.objectOf("keyed"), "redirect_uri", redirectOf("viewer")))
		w.check(q.Get("error") == "request_not_supported" || q.Get("error") == "invalid_request_object", "%v", q)
	}),
	walked("10.4.1", "SHOULD NOT", "unregistered", "an address is called that is not expected: one that the client has not registered", func(w *walk) {
		w.refusedAt("viewer", "request_uri_not_supported", "request_uri", "https://viewer.klinik.test/request.jwt")
	}),
	shownBy("5.2", "MAY", "the request object is fetched from request_uri, of clients that have registered themselves with that address", "oidc.TestRequestObjectsAtAddresses"),
	walked("6.2", "MUST", "signature", "the signature is checked by the keys of the client, and another is refused", func(w *walk) {
		other := newKeyHolder(w)
		now := time.Now().Unix()
		at := w.byObject("keyed", other.sign("oauth-authz-req+jwt", false, map[string]any{"iss": "keyed", "aud": w.x.issuer, "nbf": now, "exp": now + 60, "client_id": "keyed"}), "redirect_uri", redirectOf("keyed"))
		q := w.answered("keyed", at)
		w.check(q.Get("error") == "invalid_request_object", "%v", q)
	}),
	shownBy("6.2", "MUST", "only algorithms that the client has registered are taken, and never none", "oidc.TestRequestObjects"),
	walked("6.3", "MUST", "only_inside", "only what stands in the object counts, and what stands outside does not", func(w *walk) {
		q := w.answered("keyed", w.byObject("keyed", w.objectOf("keyed"), "state", "another", "scope", "openid"))
		w.check(q.Get("state") == "the state", "%v", q)
		w.check(w.redeemsByKey("keyed", q.Get("code")).ok().text("scope") == "openid profile email offline_access", "other scopes")
	}),
	walked("6.3", "MUST", "redirect_is_checked", "the request is checked as every other", func(w *walk) {
		w.staysHere(w.byObject("keyed", w.objectOf("keyed", "redirect_uri", "https://evil.test/callback")))
	}),
	walked("7", "MUST", "invalid_request_object", "invalid_request_object for one that is not good", func(w *walk) {
		q := w.answered("keyed", w.byObject("keyed", "x.y.z", "redirect_uri", redirectOf("keyed")))
		w.check(q.Get("error") == "invalid_request_object", "%v", q)
	}),
	walked("10.5", "MAY", "metadata", "metadata says that signed requests are taken, and by which algorithms", func(w *walk) {
		a := w.discovery()
		w.check(a.members["request_parameter_supported"] == true && a.members["request_uri_parameter_supported"] == true && a.members["require_request_uri_registration"] == true && a.lists("request_object_signing_alg_values_supported", "ES256") && a.members["require_signed_request_object"] == false, "%s", a.body)
	}),
	walked("4", "SHOULD", "audience", "aud is the issuer", func(w *walk) {
		q := w.answered("keyed", w.byObject("keyed", w.objectOf("keyed", "aud", "https://elsewhere.test"), "redirect_uri", redirectOf("keyed")))
		w.check(q.Get("error") == "invalid_request_object", "%v", q)
	}),
	walked("10.5", "MUST", "no_downgrade", "a client that is registered to sign is refused otherwise", func(w *walk) {
		w.asKeyed("signs", "/par", must[*url.URL](w)(url.Parse(w.asking("signs", "response_mode", "jwt"))).Query()).refused(400, "invalid_request")
	}),
	walked("10.8", "SHOULD", "not_an_assertion", "a request object is no client assertion, nor the other way round", func(w *walk) {
		w.asKeyed("keyed", "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "client_assertion": {w.objectOf("keyed", "sub", "keyed", "jti", "1")}}).refused(401, "invalid_client")
		q := w.answered("keyed", w.byObject("keyed", w.x.key.assertion(w.x.issuer, "keyed"), "redirect_uri", redirectOf("keyed")))
		w.check(q.Get("error") == "invalid_request_object", "%v", q)
	}),
	shownBy("10.8", "MAY", "typ is oauth-authz-req+jwt, or left out", "oidc.TestRequestObjects"),
	walked("4", "MUST", "expiry", "a request object that has expired is refused (RFC 7519, section 4.1.4)", func(w *walk) {
		q := w.answered("keyed", w.byObject("keyed", w.objectOf("keyed", "exp", time.Now().Unix()-1), "redirect_uri", redirectOf("keyed")))
		w.check(q.Get("error") == "invalid_request_object", "%v", q)
	}),
}}

// redeemsByKey posts a code as an application that proves itself by its key.
func (w *walk) redeemsByKey(id, code string, headers ...string) *answer {
	w.Helper()
	return w.asKeyed(id, "/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectOf(id)}, "code_verifier": {w.party(id).verifier}}, headers...)
}

var rfc9207 = &standard{"RFC9207", "RFC 9207", "OAuth 2.0 Authorization Server Issuer Identification", "All of it.", []requirement{
	walked("2", "MUST", "in_responses", "iss stands in every authorization response", func(w *walk) {
		w.check(w.answered("viewer", w.visits("viewer")).Get("iss") == w.x.issuer, "not so")
	}),
	walked("2", "MUST", "in_errors", "and in every error", func(w *walk) {
		w.check(w.refusedAt("viewer", "invalid_scope", "scope", "frobnicate").Get("iss") == w.x.issuer, "not so")
	}),
	walked("2", "MUST", "in_fragments_and_forms", "in each response mode", func(w *walk) {
		at := w.visits("viewer", "response_mode", "fragment")
		w.check(must[url.Values](w)(url.ParseQuery(at.url.Fragment)).Get("iss") == w.x.issuer, "fragment: %s", at.url)
		_, form := w.anna().fill(w.visits("viewer", "response_mode", "form_post"), "formpost", nil)
		w.check(form.Get("iss") == w.x.issuer && form.Get("code") != "", "form: %v", form)
	}),
	walked("2.3", "MUST", "is_the_issuer", "it is the issuer of the metadata, byte for byte", func(w *walk) {
		w.check(w.answered("viewer", w.visits("viewer")).Get("iss") == w.discovery().text("issuer"), "not so")
	}),
	walked("2.3", "MUST", "metadata", "metadata says so", func(w *walk) {
		w.check(w.discovery().members["authorization_response_iss_parameter_supported"] == true, "not said")
	}),
}}

// bound is a token request of a client whose tokens have to be bound to a key.
func (w *walk) bound(code, proof string) *answer {
	w.Helper()
	return w.form("/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectOf("native-dpop")}, "code_verifier": {w.party("native-dpop").verifier}, "client_id": {"native-dpop"},
	}, "DPoP", proof)
}

// proves is a proof for the token endpoint, with claims in the place of the usual ones.
func (w *walk) proves(k *keyHolder, all ...any) string {
	w.Helper()
	return k.proofOf(http.MethodPost, w.x.issuer+"/token", "", w.nonce(k), all...)
}

// userinfoBy asks with a token that is bound to a key.
func (w *walk) userinfoBy(k *keyHolder, access string, all ...any) *answer {
	w.Helper()
	return w.send(http.MethodGet, "/userinfo", "", "Authorization", "DPoP "+access, "DPoP", k.proofOf(http.MethodGet, w.x.issuer+"/userinfo", access, w.nonce(k), all...))
}

var rfc9449 = &standard{"RFC9449", "RFC 9449", "OAuth 2.0 Demonstrating Proof of Possession (DPoP)", "All of it.", []requirement{
	walked("4.3", "MUST", "one_header", "there is one proof in a request, not two", func(w *walk) {
		k := newKeyHolder(w)
		w.form("/token", url.Values{"grant_type": {"authorization_code"}, "code": {"x"}, "redirect_uri": {redirectOf("native-dpop")}, "client_id": {"native-dpop"}}, "DPoP", w.proves(k), "DPoP", w.proves(k)).refused(400, "invalid_dpop_proof")
	}),
	walked("4.3", "MUST", "well_formed", "it is a signed JWT", func(w *walk) { w.bound("x", "x.y.z").refused(400, "invalid_dpop_proof") }),
	walked("4.3", "MUST", "claims", "jti, htm, htu and iat are there", func(w *walk) {
		k := newKeyHolder(w)
		for _, name := range []string{"jti", "htm", "htu", "iat"} {
			w.bound("x", w.proves(k, name, nil)).refused(400, "invalid_dpop_proof")
		}
	}),
	walked("4.3", "MUST", "typ", "typ is dpop+jwt", func(w *walk) {
		k := newKeyHolder(w)
		w.bound("x", k.sign("JWT", true, map[string]any{"jti": "1", "htm": "POST", "htu": w.x.issuer + "/token", "iat": time.Now().Unix(), "nonce": w.nonce(k)})).refused(400, "invalid_dpop_proof")
	}),
	shownBy("4.3", "MUST", "alg is asymmetric and one that is offered, and jwk has no private key", "oidc.TestProofs"),
	walked("4.3", "MUST", "signature", "the signature is by the key in its header", func(w *walk) {
		proof := w.proves(newKeyHolder(w))
		w.bound("x", proof[:len(proof)-8]+"AAAAAAAA").refused(400, "invalid_dpop_proof")
	}),
	walked("4.3", "MUST", "htm", "htm is the method", func(w *walk) {
		w.bound("x", w.proves(newKeyHolder(w), "htm", "GET")).refused(400, "invalid_dpop_proof")
	}),
	walked("4.3", "MUST", "htu", "htu is the address, without query and fragment", func(w *walk) {
		w.bound("x", w.proves(newKeyHolder(w), "htu", w.x.issuer+"/userinfo")).refused(400, "invalid_dpop_proof")
		w.bound(w.code("native-dpop"), w.proves(newKeyHolder(w), "htu", w.x.issuer+"/token?x#y")).ok()
	}),
	walked("4.3", "MUST", "nonce", "nonce is one of ours", func(w *walk) {
		w.bound("x", w.proves(newKeyHolder(w), "nonce", "made-up")).refused(400, "use_dpop_nonce")
	}),
	walked("4.3", "MUST", "iat", "iat is of now", func(w *walk) {
		w.bound("x", w.proves(newKeyHolder(w), "iat", time.Now().Add(-time.Hour).Unix())).refused(400, "invalid_dpop_proof")
		w.bound("x", w.proves(newKeyHolder(w), "iat", time.Now().Add(time.Hour).Unix())).refused(400, "invalid_dpop_proof")
	}),
	walked("4.3", "MUST", "ath", "with an access token ath is its hash", func(w *walk) {
		k := newKeyHolder(w)
		a := w.bound(w.code("native-dpop"), w.proves(k)).ok()
		w.userinfoBy(k, a.text("access_token"), "ath", nil).refused(401, "invalid_dpop_proof")
		w.userinfoBy(k, a.text("access_token")).ok()
	}),
	walked("4.3", "MUST", "same_key", "and the key is the one that the token is bound to", func(w *walk) {
		a := w.bound(w.code("native-dpop"), w.proves(newKeyHolder(w))).ok()
		w.userinfoBy(newKeyHolder(w), a.text("access_token")).refused(401, "invalid_token")
	}),
	walked("5", "MUST", "token_type", "token_type is DPoP", func(w *walk) {
		w.check(w.bound(w.code("native-dpop"), w.proves(newKeyHolder(w))).ok().text("token_type") == "DPoP", "another")
	}),
	walked("5", "MUST", "invalid_dpop_proof", "invalid_dpop_proof where a proof is missing or not good", func(w *walk) {
		w.redeems("native-dpop", w.code("native-dpop")).refused(400, "invalid_dpop_proof")
	}),
	walked("5", "MUST", "refresh_is_bound", "refresh tokens of public clients are bound to the key", func(w *walk) {
		k := newKeyHolder(w)
		refresh := w.bound(w.code("native-dpop"), w.proves(k)).ok().text("refresh_token")
		ask := func(k *keyHolder) *answer {
			return w.form("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"native-dpop"}}, "DPoP", w.proves(k))
		}
		ask(newKeyHolder(w)).refused(400, "invalid_grant")
		ask(k).ok()
	}),
	walked("5.1", "MAY", "metadata", "metadata has dpop_signing_alg_values_supported", func(w *walk) {
		w.check(w.discovery().lists("dpop_signing_alg_values_supported", "ES256"), "not listed")
	}),
	walked("5.2", "MUST", "registration", "dpop_bound_access_tokens of a registration holds the client to it", func(w *walk) {
		w.check(w.registered("dpop_bound_access_tokens", true).members["dpop_bound_access_tokens"] == true, "not so")
	}),
	walked("6.1", "MUST", "jkt", "cnf.jkt of a JWT is the thumbprint of the key", func(w *walk) {
		k := newKeyHolder(w)
		a := w.form("/token", url.Values{"grant_type": {"authorization_code"}, "code": {w.code("jwt")}, "redirect_uri": {redirectOf("jwt")}, "code_verifier": {w.party("jwt").verifier}}, "Authorization", w.basic("jwt"), "DPoP", w.proves(k)).ok()
		cnf, _ := w.claims(a.text("access_token"))["cnf"].(map[string]any)
		w.check(cnf["jkt"] == k.thumbprint(), "%v", cnf)
	}),
	walked("6.2", "MUST", "introspection", "introspection tells it, and token_type DPoP", func(w *walk) {
		k := newKeyHolder(w)
		a := w.form("/token", url.Values{"grant_type": {"authorization_code"}, "code": {w.code("viewer")}, "redirect_uri": {redirectOf("viewer")}, "code_verifier": {w.party("viewer").verifier}}, "Authorization", w.basic("viewer"), "DPoP", w.proves(k)).ok()
		about := w.introspects("archive", a.text("access_token"))
		cnf, _ := about.members["cnf"].(map[string]any)
		w.check(cnf["jkt"] == k.thumbprint() && about.text("token_type") == "DPoP", "%s", about.body)
	}),
	walked("7.2", "MUST", "not_as_bearer", "a token that is bound is not taken as a bearer token", func(w *walk) {
		w.userinfo(w.bound(w.code("native-dpop"), w.proves(newKeyHolder(w))).ok().text("access_token")).refused(401, "invalid_token").header("WWW-Authenticate", "DPoP")
	}),
	walked("7.1", "SHOULD", "challenge", "the challenge, which is of the scheme DPoP, says the algorithms", func(w *walk) {
		w.send(http.MethodGet, "/userinfo", "", "Authorization", "DPoP made-up").header("WWW-Authenticate", "DPoP ").header("WWW-Authenticate", "algs=").check401()
	}),
	walked("7.1", "MUST", "bearer_is_no_dpop", "a bearer token is not taken by the scheme DPoP", func(w *walk) {
		w.userinfoBy(newKeyHolder(w), w.tokens("viewer").text("access_token")).refused(401, "invalid_token")
	}),
	walked("8", "MUST", "use_dpop_nonce", "use_dpop_nonce, 400, with a nonce in DPoP-Nonce", func(w *walk) {
		a := w.bound("x", newKeyHolder(w).proofOf(http.MethodPost, w.x.issuer+"/token", "", "")).refused(400, "use_dpop_nonce")
		w.check(a.head.Get("DPoP-Nonce") != "", "none")
	}),
	walked("8", "MUST", "unpredictable", "nobody can make a nonce of ours up", func(w *walk) { w.check(len(w.nonce(newKeyHolder(w))) >= 22, "short") }),
	walked("8.2", "MAY", "next_nonce", "later answers bring the next one", func(w *walk) {
		a := w.bound(w.code("native-dpop"), w.proves(newKeyHolder(w))).ok()
		w.check(a.head.Get("DPoP-Nonce") != "", "none")
	}),
	walked("9", "MUST", "nonce_at_resource", "a resource says use_dpop_nonce by 401", func(w *walk) {
		k := newKeyHolder(w)
		access := w.bound(w.code("native-dpop"), w.proves(k)).ok().text("access_token")
		w.send(http.MethodGet, "/userinfo", "", "Authorization", "DPoP "+access, "DPoP", k.proofOf(http.MethodGet, w.x.issuer+"/userinfo", access, "")).header("WWW-Authenticate", `error="use_dpop_nonce"`).check401()
	}),
	walked("10", "MUST", "dpop_jkt", "a code that was asked for with dpop_jkt is redeemed by that key alone", func(w *walk) {
		k := newKeyHolder(w)
		w.bound(w.code("native-dpop", "dpop_jkt", k.thumbprint()), w.proves(newKeyHolder(w))).refused(400, "invalid_grant")
		w.bound(w.code("native-dpop", "dpop_jkt", k.thumbprint()), w.proves(k)).ok()
	}),
	walked("10.1", "MUST", "at_par", "a proof that is sent when a request is pushed binds its code", func(w *walk) {
		k := newKeyHolder(w)
		q := must[*url.URL](w)(url.Parse(w.asking("native-dpop"))).Query()
		pushed := w.form("/par", q, "DPoP", k.proofOf(http.MethodPost, w.x.issuer+"/par", "", w.nonce(k)))
		code := w.goesOn(w.anna(), "native-dpop", pushed).url.Query().Get("code")
		w.bound(code, w.proves(newKeyHolder(w))).refused(400, "invalid_grant")
	}),
	walked("10.1", "MUST", "other_key_at_par", "and one that contradicts dpop_jkt is refused", func(w *walk) {
		k := newKeyHolder(w)
		q := must[*url.URL](w)(url.Parse(w.asking("native-dpop", "dpop_jkt", newKeyHolder(w).thumbprint()))).Query()
		w.form("/par", q, "DPoP", k.proofOf(http.MethodPost, w.x.issuer+"/par", "", w.nonce(k))).refused(400, "invalid_dpop_proof")
	}),
	walked("11.1", "MAY", "once", "a proof is good once", func(w *walk) {
		proof := w.proves(newKeyHolder(w))
		w.bound(w.code("native-dpop"), proof).ok()
		w.bound(w.code("native-dpop"), proof).refused(400, "invalid_dpop_proof")
	}),
}}

var rfc9470 = &standard{"RFC9470", "RFC 9470", "OAuth 2.0 Step Up Authentication Challenge Protocol", "What it asks of an authorization server; the challenge itself is the API's.", []requirement{
	walked("4", "MUST", "max_age", "a request with max_age is answered as OpenID Connect Core, section 3.1.2.1, has it: by a sign-in that is new enough, and auth_time says so", func(w *walk) {
		a := w.tokens("viewer", "max_age", "3600")
		claims := w.claims(a.text("id_token"))
		n, _ := claims["auth_time"].(float64)
		w.check(n > float64(time.Now().Add(-time.Hour).Unix()), "%v", claims)
	}),
	walked("4", "MUST", "max_age_exceeded", "a session that is older signs in again", func(w *walk) {
		time.Sleep(2100 * time.Millisecond)
		at := w.visits("viewer", "max_age", "1")
		w.check(find(at.doc, byID("password-form")) != nil, "%d at %s", at.status, at.url)
		w.refusedAt("viewer", "login_required", "max_age", "1", "prompt", "none")
	}),
	walked("5", "SHOULD", "acr_values", "acr_values that are met are in acr", func(w *walk) {
		all, _ := w.discovery().members["acr_values_supported"].([]any)
		w.check(len(all) > 0, "none is published")
		acr, _ := all[0].(string)
		w.check(w.claims(w.tokens("viewer", "acr_values", acr).text("id_token"))["acr"] == acr, "another")
	}),
	walked("5", "SHOULD", "unmet", "an acr that is essential and cannot be met is unmet_authentication_requirements", func(w *walk) {
		w.refusedAt("viewer", "unmet_authentication_requirements", "claims", `{"id_token":{"acr":{"essential":true,"value":"urn:made-up"}}}`)
	}),
	walked("5", "SHOULD", "wish", "acr_values count as needed, so that a request that cannot meet them fails", func(w *walk) {
		acr := w.claims(w.tokens("viewer", "acr_values", "urn:made-up").text("id_token"))["acr"]
		w.check(acr != nil && acr != "urn:made-up", "%v", acr)
	}).but("otherwise: they are a wish, as OpenID Connect Core, section 5.5.1.1, has them, and acr says what is so; who needs an acr asks for it by claims, as essential"),
	walked("6.1", "MUST", "in_jwt", "access tokens that are JWTs have acr and auth_time", func(w *walk) {
		claims := w.claims(w.tokens("jwt").text("access_token"))
		w.check(claims["acr"] != nil && claims["auth_time"] != nil, "%v", claims)
	}),
	walked("6.2", "MUST", "in_introspection", "introspection tells acr and auth_time", func(w *walk) {
		w.introspects("archive", w.tokens("viewer").text("access_token")).has("acr", "auth_time")
	}),
	walked("7", "MAY", "metadata", "metadata has acr_values_supported", func(w *walk) { w.discovery().has("acr_values_supported") }),
	shownBy("6.1", "MUST", "a refresh makes neither newer", "oidc.TestStepUpThatAnAPIAsksFor"),
}}

var rfc9700 = &standard{"RFC9700", "RFC 9700", "Best Current Practice for OAuth 2.0 Security", "What it asks of an authorization server beyond the standards above.", []requirement{
	walked("2.1", "MUST", "exact_redirects", "redirect URIs are compared exactly, but for the port of native apps on loopback", func(w *walk) {
		w.staysHere(w.visits("viewer", "redirect_uri", "https://viewer.klinik.test/callback2"))
		w.check(w.visits("native", "redirect_uri", "http://127.0.0.1:40404/callback").url.Query().Get("code") != "", "another port is refused")
	}),
	walked("2.1", "MUST NOT", "no_open_redirector", "the provider is an open redirector", func(w *walk) {
		at := w.anna().get(w.x.issuer + "/end_session?post_logout_redirect_uri=https%3A%2F%2Fevil.test%2F&client_id=viewer")
		w.check(strings.HasPrefix(at.url.String(), w.x.issuer+"/"), "%s", at.url)
	}),
	walked("2.1.1", "MUST", "pkce", "PKCE is offered", func(w *walk) { w.check(w.discovery().lists("code_challenge_methods_supported", "S256"), "not listed") }),
	walked("2.1.1", "MUST", "verifier_without_challenge", "a verifier without a challenge in the request is refused", func(w *walk) {
		w.redeems("optional", w.code("optional", "code_challenge", "", "code_challenge_method", "")).refused(400, "invalid_grant")
	}),
	walked("2.1.1", "MUST", "public_clients", "public clients use PKCE", func(w *walk) {
		w.refusedAt("native", "invalid_request", "code_challenge", "", "code_challenge_method", "")
	}),
	walked("2.1.2", "SHOULD NOT", "implicit", "the implicit grant is used", func(w *walk) {
		f := must[url.Values](w)(url.ParseQuery(w.visits("viewer", "response_type", "token").url.Fragment))
		w.check(f.Get("error") == "unsupported_response_type" && f.Get("access_token") == "", "%v", f)
	}),
	walked("2.2.1", "SHOULD", "sender_constrained", "access tokens can be bound to a key", func(w *walk) {
		w.check(w.bound(w.code("native-dpop"), w.proves(newKeyHolder(w))).ok().text("token_type") == "DPoP", "not so")
	}),
	walked("2.2.2", "MUST", "refresh_of_public", "refresh tokens of public clients are bound or rotated", func(w *walk) {
		first := w.tokens("native").text("refresh_token")
		next := w.as("native", "/token", "grant_type", "refresh_token", "refresh_token", first).ok().text("refresh_token")
		w.check(next != "" && next != first, "the same")
	}),
	walked("2.3", "SHOULD", "least", "access tokens are for named APIs, and for no more than was asked for", func(w *walk) {
		a := w.introspects("viewer", w.tokens("viewer").text("access_token"))
		w.check(a.lists("aud", "archive"), "%s", a.body)
		w.check(w.tokens("viewer", "scope", "openid").text("scope") == "openid", "more")
	}),
	walked("2.4", "MUST NOT", "password_grant", "the password grant is used", func(w *walk) {
		w.as("viewer", "/token", "grant_type", "password", "username", "p0000", "password", "x").refused(400, "unsupported_grant_type")
	}),
	walked("2.5", "SHOULD", "asymmetric", "clients can prove themselves by keys, in place of secrets", func(w *walk) {
		q := w.answered("keyed", w.visits("keyed"))
		w.redeemsByKey("keyed", q.Get("code")).ok()
	}),
	walked("2.6", "SHOULD", "metadata", "metadata is published", func(w *walk) { w.discovery().ok() }),
	walked("2.6", "MUST NOT", "cors", "scripts of other origins may read the authorization endpoint (CORS)", func(w *walk) {
		a := w.send(http.MethodGet, w.asking("viewer"), "", "Origin", "https://viewer.klinik.test")
		w.check(a.head.Get("Access-Control-Allow-Origin") == "", "%v", a.head)
	}),
	walked("4.2.4", "SHOULD", "referrer", "pages say Referrer-Policy: no-referrer", func(w *walk) {
		w.check(w.somebody().get(w.asking("viewer")).head.Get("Referrer-Policy") == "no-referrer", "not so")
	}),
	walked("4.4.2.1", "SHOULD", "mix_up", "iss in the response guards against mix-up", func(w *walk) { w.check(w.answered("viewer", w.visits("viewer")).Get("iss") == w.x.issuer, "not so") }),
	walked("4.5.3.2", "MUST", "nonce", "nonce goes into the ID token", func(w *walk) {
		w.check(w.claims(w.tokens("viewer", "nonce", "n-0S6").text("id_token"))["nonce"] == "n-0S6", "not so")
	}),
	walked("4.12", "MUST NOT", "no_307", "a browser is sent on with its form (307)", func(w *walk) {
		p := w.somebody()
		at := p.get(w.asking("viewer"))
		to, all := p.fill(at, "password-form", url.Values{"username": {p.name}, "password": {p.password}})
		stops := *p.web
		stops.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		q := *p
		q.web = &stops
		res := must[*http.Response](w)(q.send(http.MethodPost, to, all))
		_ = res.Body.Close()
		w.check(res.StatusCode == http.StatusOK || res.StatusCode == http.StatusSeeOther, "%d", res.StatusCode)
	}),
	walked("4.13", "MUST", "headers", "headers that a proxy would set are not believed from strangers", func(w *walk) {
		a := w.send(http.MethodGet, "/.well-known/openid-configuration", "", "X-Forwarded-Host", "evil.test", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.test")
		w.check(a.text("issuer") == w.x.issuer && !strings.Contains(a.body, "evil.test"), "%s", a.body)
	}),
	walked("4.14.2", "MUST", "replayed_refresh", "a refresh token that comes a second time ends its family", func(w *walk) {
		first := w.tokens("viewer").text("refresh_token")
		next := w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", first).ok()
		w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", first).refused(400, "invalid_grant")
		w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", next.text("refresh_token")).refused(400, "invalid_grant")
		w.check(!w.active("viewer", next.text("access_token")), "its access token is still good")
	}),
	walked("4.14.2", "MAY", "ends_with_the_session", "refresh tokens end when the person signs out", func(w *walk) {
		p, rp := w.somebody(), w.party("viewer")
		a := w.redeems("viewer", rp.answer(p.signIn(rp.authorize()))).ok()
		w.signOut(p, a.text("id_token"))
		w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", a.text("refresh_token")).refused(400, "invalid_grant")
	}),
	walked("4.15.1", "SHOULD NOT", "client_as_person", "a client can choose an id that passes for a person", func(w *walk) {
		w.check(w.registered("client_id", "p0000").text("client_id") != "p0000", "chosen")
	}),
	walked("4.16", "MUST", "frame_ancestors", "clickjacking is kept off, by Content-Security-Policy", func(w *walk) {
		w.check(strings.Contains(w.somebody().get(w.asking("viewer")).head.Get("Content-Security-Policy"), "frame-ancestors 'none'"), "not so")
	}),
}}

var rfc9701 = &standard{"RFC9701", "RFC 9701", "JWT Response for OAuth Token Introspection", "All of it but encryption.", []requirement{
	walked("4", "MUST", "accept", "who accepts application/token-introspection+jwt is answered by a signed JWT", func(w *walk) {
		a := w.form("/introspect", url.Values{"token": {w.tokens("viewer").text("access_token")}}, "Authorization", w.basic("archive"), "Accept", "application/token-introspection+jwt").ok().header("Content-Type", "application/token-introspection+jwt")
		about, _ := w.claims(a.body)["token_introspection"].(map[string]any)
		w.check(about["active"] == true, "%v", about)
	}),
	walked("4", "MUST", "plain", "others are answered by JSON", func(w *walk) { w.introspects("archive", "x").header("Content-Type", "application/json") }),
	walked("5", "MUST", "typ", "typ is token-introspection+jwt", func(w *walk) {
		w.check(w.header(w.signedIntrospection("x"))["typ"] == "token-introspection+jwt", "another")
	}),
	walked("5", "MUST", "claims", "it has iss, aud, iat and token_introspection", func(w *walk) {
		claims := w.claims(w.signedIntrospection("x"))
		w.check(claims["iss"] == w.x.issuer && claims["aud"] == "archive" && claims["iat"] != nil && claims["token_introspection"] != nil, "%v", claims)
	}),
	walked("5", "SHOULD NOT", "no_token", "it has sub or exp of its own", func(w *walk) {
		claims := w.claims(w.signedIntrospection(w.tokens("viewer").text("access_token")))
		w.check(claims["sub"] == nil && claims["exp"] == nil, "%v", claims)
	}),
	walked("5", "MUST", "inactive", "of a token that is not good it has active: false and nothing else", func(w *walk) {
		about, _ := w.claims(w.signedIntrospection("made-up"))["token_introspection"].(map[string]any)
		w.check(len(about) == 1 && about["active"] == false, "%v", about)
	}),
	walked("5", "MUST", "unproven", "who does not prove themselves is answered by 400", func(w *walk) {
		w.form("/introspect", url.Values{"token": {w.tokens("viewer").text("access_token")}}).refused(401, "invalid_client")
	}).but("otherwise: it is refused, by 401 and invalid_client, as RFC 7662, section 2.3, has it"),
	walked("7", "SHOULD", "metadata", "metadata has introspection_signing_alg_values_supported", func(w *walk) {
		w.check(w.discovery().lists("introspection_signing_alg_values_supported", "RS256"), "not listed")
	}),
	walked("8.1", "MUST NOT", "confused", "it passes for an access token or an ID token", func(w *walk) {
		signed := w.signedIntrospection(w.tokens("viewer").text("access_token"))
		w.userinfo(signed).refused(401, "invalid_token")
		w.refusedAt("viewer", "invalid_request", "id_token_hint", signed)
	}),
	unbuilt("6", "MAY", "encrypted responses", "they go over TLS to the caller itself"),
}}

// signedIntrospection is what the archive is told of a token, signed.
func (w *walk) signedIntrospection(token string) string {
	w.Helper()
	return w.form("/introspect", url.Values{"token": {token}}, "Authorization", w.basic("archive"), "Accept", "application/token-introspection+jwt").ok().body
}

// response is the signed response in the query of an application's redirect URI.
func (w *walk) response(id string, at *page) map[string]any {
	w.Helper()
	q := w.answered(id, at)
	w.check(len(q) == 1, "beside the response: %v", q)
	return w.claims(q.Get("response"))
}

var jarm = &standard{"JARM", "JARM", "JWT Secured Authorization Response Mode for OAuth 2.0", "All of it but encryption.", []requirement{
	walked("2.1", "MUST", "claims", "iss, aud and exp stand in the response, with the parameters of it", func(w *walk) {
		c := w.response("viewer", w.visits("viewer", "response_mode", "query.jwt"))
		w.check(c["iss"] == w.x.issuer && c["aud"] == "viewer" && c["exp"] != nil && c["code"] != nil && c["state"] == "the state", "%v", c)
	}),
	walked("2.1", "SHOULD", "short_lived", "exp is ten minutes away at most", func(w *walk) {
		n, _ := w.response("viewer", w.visits("viewer", "response_mode", "query.jwt"))["exp"].(float64)
		w.check(n > float64(time.Now().Unix()) && n <= float64(time.Now().Unix()+600), "%v", n)
	}),
	walked("2.1", "MUST", "errors", "errors are signed too", func(w *walk) {
		c := w.response("viewer", w.visits("viewer", "response_mode", "query.jwt", "scope", "frobnicate"))
		w.check(c["error"] == "invalid_scope" && c["state"] == "the state", "%v", c)
	}),
	walked("2.2", "MUST", "signed", "the response is signed, never by none", func(w *walk) {
		alg := w.header(w.answered("viewer", w.visits("viewer", "response_mode", "query.jwt")).Get("response"))["alg"]
		w.check(alg == "RS256", "%v", alg)
	}),
	walked("2.3.1", "MUST", "query", "query.jwt: in the query", func(w *walk) { w.response("viewer", w.visits("viewer", "response_mode", "query.jwt")) }),
	walked("2.3.2", "MUST", "fragment", "fragment.jwt: in the fragment", func(w *walk) {
		at := w.visits("viewer", "response_mode", "fragment.jwt")
		f := must[url.Values](w)(url.ParseQuery(at.url.Fragment))
		w.check(len(f) == 1 && w.claims(f.Get("response"))["code"] != nil, "%s", at.url)
	}),
	walked("2.3.3", "MUST", "form_post", "form_post.jwt: in a form that posts itself", func(w *walk) {
		to, form := w.anna().fill(w.visits("viewer", "response_mode", "form_post.jwt"), "formpost", nil)
		w.check(to == redirectOf("viewer") && w.claims(form.Get("response"))["code"] != nil, "%s %v", to, form)
	}),
	walked("2.3.4", "MUST", "jwt", "jwt: the default of the response type, the query for code", func(w *walk) { w.response("viewer", w.visits("viewer", "response_mode", "jwt")) }),
	shownBy("3", "MAY", "authorization_signed_response_alg of the client says by which algorithm", "oidc.TestSignedResponses"),
	walked("4", "SHOULD", "metadata", "metadata has the response modes and authorization_signing_alg_values_supported", func(w *walk) {
		a := w.discovery()
		for _, mode := range []string{"jwt", "query.jwt", "fragment.jwt", "form_post.jwt"} {
			w.check(a.lists("response_modes_supported", mode), "no %s", mode)
		}
		w.check(a.lists("authorization_signing_alg_values_supported", "RS256"), "no algorithms")
	}),
	unbuilt("2.2", "MAY", "encrypted responses", "they go over TLS, and have a code that is of no use without the client's proof"),
}}

var oidcCore = &standard{"Core", "OpenID Connect Core 1.0", "what the official plans do not touch", "The code flow is run against the official suite ([conformance.md](conformance.md)); here stands what its plans leave out.", []requirement{
	walked("2", "MUST", "id_token", "an ID token has iss, sub, aud, exp and iat", func(w *walk) {
		claims := w.claims(w.tokens("viewer").text("id_token"))
		for _, name := range []string{"iss", "sub", "aud", "exp", "iat"} {
			w.check(claims[name] != nil, "no %s: %v", name, claims)
		}
		sub, _ := claims["sub"].(string)
		w.check(len(sub) <= 255 && sub != "", "%q", sub)
	}),
	walked("3.1.2.1", "MUST", "none_alone", "prompt=none stands alone", func(w *walk) { w.refusedAt("viewer", "invalid_request", "prompt", "none login") }),
	walked("3.1.2.1", "MUST", "none_shows_nothing", "with prompt=none no page is shown", func(w *walk) {
		q := w.answered("viewer", w.somebody().get(w.asking("viewer", "prompt", "none")))
		w.check(q.Get("error") == "login_required", "%v", q)
	}),
	walked("3.1.2.1", "SHOULD", "select_account", "prompt=select_account asks which account", func(w *walk) {
		at := w.visits("viewer", "prompt", "select_account")
		w.check(at.status == http.StatusOK && strings.HasPrefix(at.url.String(), w.x.issuer+"/login/"), "%d at %s", at.status, at.url)
	}),
	walked("3.1.2.1", "MUST", "consent", "prompt=consent asks before the response, or is consent_required", func(w *walk) {
		at := w.visits("asks", "prompt", "consent")
		w.check(find(at.doc, byID("allow")) != nil, "%d at %s", at.status, at.url)
	}),
	walked("3.1.2.3", "MUST", "login", "prompt=login asks for the sign-in again, session or not", func(w *walk) {
		at := w.visits("viewer", "prompt", "login")
		w.check(find(at.doc, byID("password-form")) != nil, "%d at %s", at.status, at.url)
	}),
	walked("3.1.2.1", "MUST", "max_age_0", "max_age=0 does so too", func(w *walk) {
		at := w.visits("viewer", "max_age", "0")
		w.check(find(at.doc, byID("password-form")) != nil, "%d at %s", at.status, at.url)
	}),
	walked("3.1.2.1", "MAY", "unknown_prompt", "a prompt that nobody knows is no way around: it is ignored, and the rest counts", func(w *walk) {
		w.check(w.code("viewer", "prompt", "frobnicate") != "", "no code")
		at := w.visits("viewer", "prompt", "frobnicate login")
		w.check(find(at.doc, byID("password-form")) != nil, "%d at %s", at.status, at.url)
	}),
	walked("3.1.2.1", "MAY", "login_hint", "login_hint stands on the page already", func(w *walk) {
		p := w.somebody()
		field := find(p.get(w.asking("viewer", "login_hint", p.name)).doc, byID("username"))
		w.check(field != nil && attr(field, "value") == p.name, "not so")
	}),
	walked("3.1.2.2", "MUST", "foreign_hint", "an id_token_hint that is not ours is refused", func(w *walk) {
		k := newKeyHolder(w)
		now := time.Now().Unix()
		w.refusedAt("viewer", "invalid_request", "id_token_hint", k.sign("JWT", false, map[string]any{"iss": w.x.issuer, "sub": "p0000", "aud": "viewer", "iat": now, "exp": now + 60}))
	}),
	walked("3.1.2.1", "MUST", "hint_of_another", "an id_token_hint of another person is not answered from the session", func(w *walk) {
		p, rp := w.somebody(), w.party("viewer")
		id := w.redeems("viewer", rp.answer(p.signIn(rp.authorize()))).ok().text("id_token")
		w.refusedAt("viewer", "login_required", "prompt", "none", "id_token_hint", id)
	}),
	walked("3.1.2.1", "MUST", "hint_of_the_person", "an id_token_hint of the session's person is", func(w *walk) {
		w.check(w.code("viewer", "prompt", "none", "id_token_hint", w.tokens("viewer").text("id_token")) != "", "no code")
	}),
	walked("3.1.2.2", "SHOULD", "expired_hint", "an id_token_hint that has expired is read all the same", func(w *walk) {
		id := w.tokens("brief").text("id_token")
		time.Sleep(2 * time.Second) // it lives for one
		w.check(w.code("brief", "prompt", "none", "id_token_hint", id) != "", "no code")
	}),
	walked("3.1.2.2", "MUST", "without_openid", "without openid there is no ID token", func(w *walk) { w.tokens("viewer", "scope", "profile").hasNot("id_token") }),
	walked("3.1.2.6", "MAY", "consent_required", "consent_required where prompt=none and the person was not asked yet", func(w *walk) {
		w.refusedAt("asks", "consent_required", "prompt", "none", "scope", "openid email")
	}),
	walked("3.1.2.6", "MUST", "registration_not_supported", "registration_not_supported", func(w *walk) { w.refusedAt("viewer", "registration_not_supported", "registration", "{}") }),
	walked("6.1", "MUST", "request_not_supported", "request_not_supported for a client without keys", func(w *walk) { w.refusedAt("viewer", "request_not_supported", "request", "x.y.z") }),
	walked("3.1.3.6", "MAY", "at_hash", "at_hash is of the access token", func(w *walk) {
		w.check(w.claims(w.tokens("viewer").text("id_token"))["at_hash"] != nil, "none")
	}),
	unbuilt("3.2", "MAY", "the implicit flow", "tokens in the browser's address are not offered (RFC 9700, section 2.1.2)"),
	unbuilt("3.3", "MAY", "the hybrid flow", "as the implicit flow"),
	shownBy("4", "MAY", "an application's initiate_login_uri is opened from the account, with iss", "web.TestApplicationsAreOpened"),
	walked("5.3", "MUST", "userinfo_post", "userinfo takes GET and POST", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.send(http.MethodGet, "/userinfo", "", "Authorization", "Bearer "+access).ok().has("sub")
		w.send(http.MethodPost, "/userinfo", "", "Authorization", "Bearer "+access).ok().has("sub")
	}),
	walked("5.3", "SHOULD", "cors", "scripts of the client's own origin may call userinfo", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.send(http.MethodGet, "/userinfo", "", "Authorization", "Bearer "+access, "Origin", "https://viewer.klinik.test").ok().header("Access-Control-Allow-Origin", "https://viewer.klinik.test")
		a := w.send(http.MethodGet, "/userinfo", "", "Authorization", "Bearer "+access, "Origin", "https://evil.test").ok()
		w.check(a.head.Get("Access-Control-Allow-Origin") == "", "%v", a.head)
	}),
	walked("5.3.3", "MUST", "errors", "errors of userinfo are those of RFC 6750", func(w *walk) {
		w.userinfo(w.tokens("viewer").text("id_token")).refused(401, "invalid_token").header("WWW-Authenticate", "Bearer")
	}),
	walked("5.3.2", "MUST", "same_sub", "sub is the same as in the ID token", func(w *walk) {
		a := w.tokens("viewer")
		w.check(w.userinfo(a.text("access_token")).text("sub") == w.claims(a.text("id_token"))["sub"], "another")
	}),
	walked("5.3.2", "SHOULD", "no_empty_claims", "claims without a value are left out", func(w *walk) {
		for name, v := range w.userinfo(w.tokens("viewer").text("access_token")).ok().members {
			w.check(v != nil && v != "", "%s is empty", name)
		}
	}),
	shownBy("5.3.2", "MAY", "userinfo is signed for a client that is registered so", "oidc.TestSignedUserinfo"),
	walked("5.5", "MUST", "claims_malformed", "a claims parameter that is none is invalid_request", func(w *walk) { w.refusedAt("viewer", "invalid_request", "claims", "{") }),
	walked("5.5", "MAY", "claims", "claims that are asked for by name are told", func(w *walk) {
		a := w.tokens("viewer", "scope", "openid", "claims", `{"userinfo":{"preferred_username":null},"id_token":{"preferred_username":null}}`)
		w.check(w.claims(a.text("id_token"))["preferred_username"] != nil, "not in the ID token")
		w.userinfo(a.text("access_token")).has("preferred_username")
	}),
	walked("5.5.1", "MUST NOT", "essential_missing", "an essential claim that is not known is an error", func(w *walk) {
		w.check(w.code("viewer", "claims", `{"userinfo":{"birthdate":{"essential":true}}}`) != "", "no code")
	}),
	walked("5.5.1", "MUST", "sub_by_claims", "a sub that is asked for is the person, or there is an error", func(w *walk) {
		w.refusedAt("viewer", "login_required", "prompt", "none", "claims", `{"id_token":{"sub":{"value":"somebody-else"}}}`)
	}),
	walked("8.1", "MUST", "pairwise", "pairwise subs are of a sector, and say nothing of the person's id", func(w *walk) {
		a, b := w.claims(w.tokens("pairwise").text("id_token"))["sub"], w.claims(w.tokens("viewer").text("id_token"))["sub"]
		w.check(a != b && a == w.claims(w.tokens("pairwise").text("id_token"))["sub"], "%v, %v", a, b)
	}),
	shownBy("9", "MUST", "private_key_jwt: iss, sub, aud, jti and exp are checked, and jti is good once", "oidc.TestClientAssertions"),
	walked("9", "MAY", "client_secret_jwt", "client_secret_jwt", func(w *walk) {
		w.check(!w.discovery().lists("token_endpoint_auth_methods_supported", "client_secret_jwt"), "listed")
	}).but("not built: secrets are kept as hashes, so that nothing can be verified by them; private_key_jwt is there"),
	walked("10.1", "MUST", "kid", "kid names the key that has signed, which is published", func(w *walk) {
		kid, _ := w.header(w.tokens("viewer").text("id_token"))["kid"].(string)
		w.check(kid != "" && strings.Contains(w.send(http.MethodGet, "/jwks", "").body, `"`+kid+`"`), "%s", kid)
	}),
	shownBy("10.1.1", "SHOULD", "keys turn, and the one before is published while tokens of it live", "oidc.TestTurningBesideACache"),
	walked("12.2", "MUST", "refreshed_id_token", "a refreshed ID token has the same iss, sub, aud and auth_time, and a new iat", func(w *walk) {
		first := w.tokens("viewer")
		next := w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", first.text("refresh_token")).ok()
		a, b := w.claims(first.text("id_token")), w.claims(next.text("id_token"))
		for _, name := range []string{"iss", "sub", "aud", "auth_time"} {
			w.check(a[name] == b[name], "%s: %v, %v", name, a[name], b[name])
		}
	}),
	walked("12.2", "SHOULD NOT", "no_nonce", "it has a nonce", func(w *walk) {
		next := w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", w.tokens("viewer").text("refresh_token")).ok()
		w.check(w.claims(next.text("id_token"))["nonce"] == nil, "it has one")
	}),
}}

// signedIn is a person who has just signed in to an application, with what it was given.
func (w *walk) signedIn(id string) (*person, *answer) {
	w.Helper()
	p, rp := w.somebody(), w.party(id)
	return p, w.redeems(id, rp.answer(p.signIn(rp.authorize()))).ok()
}

// leaves is a request to sign out.
func (w *walk) leaves(p *person, all ...string) *page {
	w.Helper()
	return p.get(w.x.issuer + "/end_session?" + valuesOf(all).Encode())
}

// stillIn holds whether a browser has a session.
func (w *walk) stillIn(p *person, want bool) {
	w.Helper()
	q := w.answered("viewer", p.get(w.asking("viewer", "prompt", "none")))
	w.check((q.Get("code") != "") == want, "%v", q)
}

var rpLogout = &standard{"RPLogout", "RP-Initiated Logout 1.0", "OpenID Connect RP-Initiated Logout", "All of it.", []requirement{
	walked("2", "MUST", "get", "the endpoint takes GET", func(w *walk) {
		p, a := w.signedIn("told")
		w.leaves(p, "id_token_hint", a.text("id_token"))
		w.stillIn(p, false)
	}),
	walked("2", "MUST", "post", "and POST", func(w *walk) {
		p, a := w.signedIn("told")
		p.read(p.send(http.MethodPost, w.x.issuer+"/end_session", url.Values{"id_token_hint": {a.text("id_token")}}))
		w.stillIn(p, false)
	}),
	walked("2", "MUST", "asks", "without a hint of this session the person is asked", func(w *walk) {
		p, _ := w.signedIn("told")
		at := w.leaves(p, "client_id", "told")
		w.check(find(at.doc, func(n *html.Node) bool {
			return n.Data == "form" && strings.HasSuffix(attr(n, "action"), "/end_session/confirm")
		}) != nil, "%d at %s", at.status, at.url)
		w.stillIn(p, true)
	}),
	walked("2", "MUST", "hint_and_client", "client_id and the aud of the hint are the same", func(w *walk) {
		p, a := w.signedIn("told")
		at := w.leaves(p, "id_token_hint", a.text("id_token"), "client_id", "viewer", "post_logout_redirect_uri", "https://viewer.klinik.test/bye/callback")
		w.check(strings.HasPrefix(at.url.String(), w.x.issuer+"/"), "sent to %s", at.url)
		w.stillIn(p, true)
	}),
	walked("2", "SHOULD", "expired_hint", "a hint that has expired is taken while its session lives", func(w *walk) {
		p, a := w.signedIn("brief")
		time.Sleep(2 * time.Second) // it lives for one
		at := w.leaves(p, "id_token_hint", a.text("id_token"), "post_logout_redirect_uri", "https://brief.klinik.test/bye/callback")
		w.check(at.url.String() == "https://brief.klinik.test/bye/callback", "%s", at.url)
		w.stillIn(p, false)
	}),
	walked("2", "MAY", "ui_locales", "ui_locales says in which language people are asked", func(w *walk) {
		w.check(strings.HasPrefix(w.leaves(w.somebody(), "ui_locales", "de").url.String(), w.x.issuer+"/"), "sent away")
	}).but("otherwise: the language is the one of the browser's cookie, or of Accept-Language; the parameter is ignored"),
	walked("3", "MUST", "redirects", "the browser is sent to a registered post_logout_redirect_uri, with state", func(w *walk) {
		p, a := w.signedIn("told")
		at := w.leaves(p, "id_token_hint", a.text("id_token"), "post_logout_redirect_uri", "https://told.klinik.test/bye/callback", "state", "the state")
		w.check(at.url.String() == "https://told.klinik.test/bye/callback?state=the+state", "%s", at.url)
	}),
	walked("3", "MUST NOT", "unregistered", "it is sent to an address that is not registered", func(w *walk) {
		p, a := w.signedIn("told")
		at := w.leaves(p, "id_token_hint", a.text("id_token"), "post_logout_redirect_uri", "https://told.klinik.test/bye2/callback")
		w.check(strings.HasPrefix(at.url.String(), w.x.issuer+"/"), "sent to %s", at.url)
		w.stillIn(p, false)
	}),
	walked("3", "MUST NOT", "without_hint", "it is sent on without a hint or a yes", func(w *walk) {
		at := w.leaves(w.somebody(), "client_id", "told", "post_logout_redirect_uri", "https://told.klinik.test/bye/callback")
		w.check(strings.HasPrefix(at.url.String(), w.x.issuer+"/"), "sent to %s", at.url)
	}),
	walked("3.1", "MAY", "registration", "post_logout_redirect_uris can be registered", func(w *walk) {
		a := w.registered("post_logout_redirect_uris", []string{"https://a.supplier.test/bye"})
		w.check(a.lists("post_logout_redirect_uris", "https://a.supplier.test/bye"), "%s", a.body)
	}),
	walked("2.1", "MUST", "metadata", "metadata has end_session_endpoint", func(w *walk) { w.discovery().has("end_session_endpoint") }),
	walked("4", "MUST", "bad_hint", "a hint that is not good is not used, and the person is asked", func(w *walk) {
		p, _ := w.signedIn("told")
		w.leaves(p, "id_token_hint", "x.y.z")
		w.stillIn(p, true)
	}),
	walked("2", "MUST", "foreign_browser", "a hint ends no session of another browser", func(w *walk) {
		p, a := w.signedIn("told")
		another, _ := w.signedIn("told")
		for _, browser := range []*person{another, w.somebody()} {
			w.leaves(browser, "id_token_hint", a.text("id_token"))
		}
		w.stillIn(p, true)
		w.stillIn(another, true)
	}),
}}

var backLogout = &standard{"BackChannel", "Back-Channel Logout 1.0", "OpenID Connect Back-Channel Logout", "All of it.", []requirement{
	walked("2.1", "SHOULD", "metadata", "metadata has backchannel_logout_supported and backchannel_logout_session_supported", func(w *walk) {
		a := w.discovery()
		w.check(a.members["backchannel_logout_supported"] == true && a.members["backchannel_logout_session_supported"] == true, "%s", a.body)
	}),
	walked("2.1", "MUST", "sid", "sid stands in ID tokens, another for each session", func(w *walk) {
		_, a := w.signedIn("told")
		sid := w.claims(a.text("id_token"))["sid"]
		w.check(sid != nil && sid != w.claims(w.tokens("told").text("id_token"))["sid"], "%v", sid)
	}),
	walked("2.4", "MUST", "logout_token", "a logout token has iss, aud, iat, exp, jti, events and sub or sid", func(w *walk) {
		claims, _, id := w.toldOf("told")
		for _, name := range []string{"iss", "aud", "iat", "exp", "jti", "events", "sub", "sid"} {
			w.check(claims[name] != nil, "no %s: %v", name, claims)
		}
		w.check(claims["iss"] == w.x.issuer && claims["aud"] == "told" && claims["sub"] == id["sub"] && claims["sid"] == id["sid"], "%v", claims)
	}),
	walked("2.4", "MUST", "events", "events has the one member of the standard, an empty object", func(w *walk) {
		claims, _, _ := w.toldOf("told")
		events, _ := claims["events"].(map[string]any)
		one, ok := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any)
		w.check(ok && len(one) == 0 && len(events) == 1, "%v", events)
	}),
	walked("2.4", "MUST NOT", "no_nonce", "it has a nonce", func(w *walk) {
		claims, _, _ := w.toldOf("told")
		w.check(claims["nonce"] == nil, "%v", claims)
	}),
	walked("2.4", "SHOULD", "typ", "typ is logout+jwt", func(w *walk) {
		_, call, _ := w.toldOf("told")
		w.check(w.header(call.form.Get("logout_token"))["typ"] == "logout+jwt", "another")
	}),
	walked("2.4", "MUST", "signed", "it is signed as ID tokens are", func(w *walk) {
		_, call, _ := w.toldOf("told")
		w.check(w.header(call.form.Get("logout_token"))["alg"] == "RS256", "another")
	}),
	walked("4", "SHOULD", "short_lived", "it is good for two minutes at most", func(w *walk) {
		claims, _, _ := w.toldOf("told")
		exp, _ := claims["exp"].(float64)
		iat, _ := claims["iat"].(float64)
		w.check(exp > iat && exp-iat <= 120, "%v", claims)
	}),
	walked("2.5", "MUST", "post_form", "it is posted as logout_token in a form, over TLS or to this machine alone", func(w *walk) {
		_, call, _ := w.toldOf("told")
		w.check(call.method == http.MethodPost && strings.HasPrefix(call.kind, formType) && len(call.form) == 1, "%+v", call)
	}),
	walked("2.3", "MUST", "all_applications", "every application of the session that has registered an address is told", func(w *walk) {
		p, a := w.signedIn("told")
		sid, _ := w.claims(a.text("id_token"))["sid"].(string)
		w.answered("viewer", p.get(w.asking("viewer")))
		w.leaves(p, "id_token_hint", a.text("id_token"))
		_, one := w.x.told.of(w, "told", sid)
		_, two := w.x.told.of(w, "viewer", sid)
		w.check(one["jti"] != two["jti"], "the same token for two")
	}),
	walked("2.7", "SHOULD NOT", "refresh_tokens", "refresh tokens that were asked for by offline_access end with the session", func(w *walk) {
		p, a := w.signedIn("told")
		w.leaves(p, "id_token_hint", a.text("id_token"))
		w.as("told", "/token", "grant_type", "refresh_token", "refresh_token", a.text("refresh_token")).refused(400, "invalid_grant")
	}).but("otherwise: nothing outlives the session; all of its tokens end with it, those without offline_access as the same section has it"),
	shownBy("2.5", "SHOULD", "an application that does not answer is told again, after a while; one that refuses is not, and the refusal is kept", "logout.TestApplicationsThatMisbehave"),
	shownBy("4.1", "SHOULD", "a logout token passes for no ID token", "oidc.TestLogoutTokenIsNoHint"),
}}

// toldOf has a session end, and returns the claims of the logout token by which an
// application is told, its call, and the claims of the ID token of that session.
func (w *walk) toldOf(id string) (map[string]any, logoutCall, map[string]any) {
	w.Helper()
	p, a := w.signedIn(id)
	claims := w.claims(a.text("id_token"))
	w.leaves(p, "id_token_hint", a.text("id_token"))
	sid, _ := claims["sid"].(string)
	call, got := w.x.told.of(w, id, sid)
	return got, call, claims
}
