package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/cmd/phone/phone"
)

var rfc8414 = &standard{"RFC8414", "RFC 8414", "OAuth 2.0 Authorization Server Metadata", "All of it, with what OpenID Connect Discovery 1.0 asks besides.", []requirement{
	walked("2", "MUST", "issuer", "issuer is https, without query and fragment", func(w *walk) {
		u := must[*url.URL](w)(url.Parse(w.discovery().text("issuer")))
		w.check(u.Scheme == "https" && u.RawQuery == "" && u.Fragment == "", "%s", u)
	}),
	walked("2", "MUST", "endpoints", "authorization_endpoint, token_endpoint and response_types_supported are there", func(w *walk) {
		a := w.discovery().ok().has("authorization_endpoint", "token_endpoint", "response_types_supported", "jwks_uri")
		w.check(a.lists("response_types_supported", "code"), "%v", a.members["response_types_supported"])
	}),
	walked("2", "MUST", "https", "every address in it is https", func(w *walk) {
		for name, v := range w.discovery().members {
			if s, ok := v.(string); ok && (strings.HasSuffix(name, "_endpoint") || strings.HasSuffix(name, "_uri")) {
				w.check(strings.HasPrefix(s, w.x.issuer+"/"), "%s: %s", name, s)
			}
		}
	}),
	walked("2", "MUST", "reachable", "every endpoint in it is there", func(w *walk) {
		for name, v := range w.discovery().members {
			if s, ok := v.(string); ok && strings.HasSuffix(name, "_endpoint") {
				a := w.send(http.MethodPost, s, "")
				w.check(a.status != http.StatusNotFound && a.status < 500, "%s: %d", name, a.status)
			}
		}
	}),
	walked("2", "MUST", "jwks", "the keys at jwks_uri are those that sign, and have a use", func(w *walk) {
		a := w.send(http.MethodGet, w.discovery().text("jwks_uri"), "").ok()
		var set jose.JSONWebKeySet
		w.check(json.Unmarshal([]byte(a.body), &set) == nil && len(set.Keys) > 0, "%s", a.body)
		for _, k := range set.Keys {
			w.check(k.Use == "sig" && k.IsPublic() && k.KeyID != "", "%v", k)
		}
	}),
	walked("2", "SHOULD", "lists", "scopes, grant types, response modes, methods of clients and of PKCE are listed", func(w *walk) {
		w.discovery().has("scopes_supported", "grant_types_supported", "response_modes_supported", "token_endpoint_auth_methods_supported", "code_challenge_methods_supported", "revocation_endpoint", "introspection_endpoint")
	}),
	walked("2", "MUST", "auth_algs", "the algorithms of private_key_jwt are listed, and none is not one of them, for each endpoint", func(w *walk) {
		a := w.discovery()
		for _, name := range []string{"token", "revocation", "introspection"} {
			name += "_endpoint_auth_signing_alg_values_supported"
			w.check(a.lists(name, "ES256") && !a.lists(name, "none"), "%s: %v", name, a.members[name])
		}
	}),
	walked("2", "MUST", "true", "what is listed is offered: every grant type", func(w *walk) {
		all, _ := w.discovery().members["grant_types_supported"].([]any)
		w.check(len(all) > 0, "none")
		for _, g := range all {
			name, _ := g.(string)
			w.check(w.as("viewer", "/token", "grant_type", name).text("error") != "unsupported_grant_type", "%s is not", name)
		}
	}),
	unbuilt("2.1", "MAY", "signed_metadata", "the document comes over TLS from the issuer itself"),
	walked("3", "MUST", "well_known", "it is at /.well-known/oauth-authorization-server, by GET", func(w *walk) { w.discovery().ok().has("issuer") }),
	walked("3", "MAY", "openid", "it is at /.well-known/openid-configuration as well, the same", func(w *walk) {
		w.check(w.send(http.MethodGet, "/.well-known/openid-configuration", "").body == w.discovery().body, "another")
	}),
	shownBy("3.1", "MUST", "for an issuer with a path it is where the standard inserts the well-known part", "e2e.TestBeneathAPath"),
	walked("3.2", "MUST", "json", "the answer is 200, application/json", func(w *walk) { w.discovery().ok().header("Content-Type", "application/json") }),
	walked("3.2", "MUST", "no_empty_lists", "what has no elements is left out", func(w *walk) {
		for name, v := range w.discovery().members {
			list, ok := v.([]any)
			w.check(v != nil && (!ok || len(list) > 0), "%s is empty", name)
		}
	}),
	walked("3.3", "MUST", "same_issuer", "issuer is the address that it was asked for by, and iss of what is signed", func(w *walk) {
		w.check(w.discovery().text("issuer") == w.x.issuer, "another")
		w.check(w.claims(w.tokens("viewer").text("id_token"))["iss"] == w.x.issuer, "another in ID tokens")
	}),
	walked("6.1", "MUST", "tls", "it comes over TLS whose certificate is checked", func(w *walk) {
		a := w.discovery().ok()
		w.check(strings.HasPrefix(w.x.issuer, "https://"), "%s", a.body)
	}),
}}

// device asks for a code, or fails.
func (w *walk) device(id string, all ...string) *answer {
	w.Helper()
	a := w.as(id, "/device_authorization", append([]string{"scope", "openid profile"}, all...)...)
	if a.status != http.StatusOK {
		w.Fatalf("%d %s", a.status, a.body)
	}
	return a
}

// polls asks for the outcome of a device's request.
func (w *walk) polls(id string, a *answer) *answer {
	w.Helper()
	return w.as(id, "/token", "grant_type", grantDevice, "device_code", a.text("device_code"))
}

// connects types a user code on the page for it, signs in, and answers the question.
func (w *walk) connects(p *person, typed, answer string) *page {
	w.Helper()
	at := p.get(w.x.issuer + "/connect")
	at = p.submit(at, "connect-form", url.Values{"user_code": {typed}})
	if find(at.doc, byID("password-form")) != nil {
		at = p.submit(at, "password-form", url.Values{"username": {p.name}, "password": {p.password}})
		at = p.submit(at, "code-form", url.Values{"code": {p.code()}})
	}
	if answer == "" {
		return at
	}
	return w.consents(p, at, answer)
}

const interval = 5 * time.Second

var rfc8628 = &standard{"RFC8628", "RFC 8628", "OAuth 2.0 Device Authorization Grant", "All of it.", []requirement{
	walked("3.1", "MUST", "post_form", "a request is a form by POST", func(w *walk) {
		w.check(w.send(http.MethodGet, "/device_authorization?client_id=machine", "").status == http.StatusMethodNotAllowed, "GET is taken")
		w.send(http.MethodPost, "/device_authorization", `{"client_id":"machine"}`, "Content-Type", "application/json").refused(400, "invalid_request")
	}),
	walked("3.1", "MUST", "client_id", "a client without a secret sends client_id", func(w *walk) {
		w.form("/device_authorization", url.Values{"scope": {"openid"}}).refused(401, "invalid_client")
		w.as("machine", "/device_authorization", "scope", "openid").ok()
	}),
	walked("3.1", "MUST", "authenticates", "a client with a secret proves itself", func(w *walk) {
		w.form("/device_authorization", url.Values{"scope": {"openid"}, "client_id": {"modality"}}).refused(401, "invalid_client")
		w.as("modality", "/device_authorization", "scope", "openid").ok()
	}),
	walked("3.1", "MUST", "unknown_is_ignored", "a parameter that nobody knows is ignored", func(w *walk) { w.device("machine", "frobnicate", "1").ok() }),
	walked("3.1", "MUST NOT", "once", "a parameter stands in a request more than once", func(w *walk) {
		w.as("machine", "/device_authorization", "scope", "openid", "scope", "profile").refused(400, "invalid_request")
	}),
	walked("3.1", "MUST", "empty_is_omitted", "a parameter without a value counts as left out", func(w *walk) { w.device("machine", "nonce", "", "ui_locales", "").ok() }),
	walked("3.1", "MUST", "https", "the address of the endpoint is https", func(w *walk) {
		w.check(strings.HasPrefix(w.discovery().text("device_authorization_endpoint"), "https://"), "not https")
	}),
	walked("3.2", "MUST", "members", "the answer has device_code, user_code, verification_uri and expires_in, in JSON", func(w *walk) {
		w.device("machine").ok().has("device_code", "user_code", "verification_uri", "expires_in").header("Content-Type", "application/json")
	}),
	walked("3.2", "MAY", "no_store", "it is not kept by caches, as in the example", func(w *walk) { w.device("machine").header("Cache-Control", "no-store") }),
	walked("3.2", "SHOULD", "short_uri", "verification_uri is short and easy to type", func(w *walk) {
		w.check(w.device("machine").text("verification_uri") == w.x.issuer+"/connect", "another")
	}),
	walked("3.2", "MAY", "complete", "verification_uri_complete has the code in it", func(w *walk) {
		a := w.device("machine")
		w.check(strings.Contains(a.text("verification_uri_complete"), a.text("user_code")), "%s", a.body)
	}),
	walked("3.2", "MAY", "interval", "interval says how often to ask", func(w *walk) { w.check(w.device("machine").number("interval") == 5, "another") }),
	walked("3.3", "MUST", "unknown_code", "a code that nobody was shown leads nowhere", func(w *walk) {
		at := w.connects(w.somebody(), "ZZZZ-ZZZZ", "")
		w.check(find(at.doc, byID("problem")) != nil, "%d at %s", at.status, at.url)
	}),
	walked("3.3", "MUST", "person_signs_in", "the person signs in, is asked, and is told that they can go back to the machine", func(w *walk) {
		a := w.device("machine")
		at := w.connects(w.somebody(), a.text("user_code"), "allow")
		w.check(strings.HasSuffix(at.url.Path, "/connect/done") && find(at.doc, byID("notice")) != nil, "%d at %s", at.status, at.url)
		w.polls("machine", a).ok().has("access_token", "id_token")
	}),
	walked("3.3", "SHOULD", "says_which", "the question says which application and machine it is about", func(w *walk) {
		at := w.connects(w.somebody(), w.device("machine").text("user_code"), "")
		w.check(find(at.doc, byID("allow")) != nil && strings.Contains(textOf(at.doc), "Application machine"), "%s", textOf(at.doc))
	}),
	walked("3.3.1", "SHOULD", "code_is_shown", "by verification_uri_complete the person sees the code and says that it is the machine's", func(w *walk) {
		a := w.device("machine")
		at := w.somebody().get(a.text("verification_uri_complete"))
		field := find(at.doc, byID("user_code"))
		w.check(field != nil && attr(field, "value") == a.text("user_code"), "%d at %s", at.status, at.url)
	}),
	walked("3.4", "MUST", "device_code", "a token request has device_code", func(w *walk) {
		w.as("machine", "/token", "grant_type", grantDevice).refused(400, "invalid_request")
	}),
	walked("3.4", "MUST", "authenticates", "a client with a secret proves itself", func(w *walk) {
		a := w.device("modality")
		w.form("/token", url.Values{"grant_type": {grantDevice}, "device_code": {a.text("device_code")}, "client_id": {"modality"}}).refused(401, "invalid_client")
	}),
	walked("3.4", "MUST", "own_code", "a device code is of its client", func(w *walk) {
		w.polls("modality", w.device("machine")).refused(400, "invalid_grant")
	}),
	walked("3.5", "MUST", "authorization_pending", "authorization_pending while nobody has answered", func(w *walk) {
		w.polls("machine", w.device("machine")).refused(400, "authorization_pending")
	}),
	walked("3.5", "MUST", "slow_down", "slow_down for who asks too often, with 5 seconds more for all further questions", func(w *walk) {
		a := w.device("machine")
		w.polls("machine", a).refused(400, "authorization_pending")
		w.polls("machine", a).refused(400, "slow_down")
		time.Sleep(interval + 200*time.Millisecond) // which would have done before
		w.polls("machine", a).refused(400, "slow_down")
	}),
	walked("3.5", "MUST", "access_denied", "access_denied when the person says no", func(w *walk) {
		a := w.device("machine")
		w.connects(w.somebody(), a.text("user_code"), "deny")
		w.polls("machine", a).refused(400, "access_denied")
	}),
	shownBy("3.5", "MUST", "expired_token when the time is up", "oidc.TestDeviceErrors"),
	walked("3.5", "MUST", "invalid_grant", "invalid_grant for a code that nobody was given", func(w *walk) {
		w.as("machine", "/token", "grant_type", grantDevice, "device_code", "made-up").refused(400, "invalid_grant")
	}),
	walked("3.5", "MUST", "code_once", "a device code gives tokens once", func(w *walk) {
		a := w.device("machine")
		w.connects(w.somebody(), a.text("user_code"), "allow")
		first := w.polls("machine", a).ok()
		w.polls("machine", a).refused(400, "invalid_grant")
		w.userinfo(first.text("access_token")).refused(401, "invalid_token")
	}),
	walked("3.5", "MUST", "unauthorized_client", "unauthorized_client for a client that may not use this grant", func(w *walk) {
		w.as("viewer", "/device_authorization", "scope", "openid").refused(400, "unauthorized_client")
	}),
	walked("3.5", "MUST", "refreshes", "a successful answer is that of section 5.1 of RFC 6749", func(w *walk) {
		a := w.as("machine", "/device_authorization", "scope", "openid offline_access").ok()
		w.connects(w.somebody(), a.text("user_code"), "allow")
		w.polls("machine", a).ok().has("access_token", "token_type", "expires_in", "refresh_token", "scope").header("Cache-Control", "no-store")
	}),
	walked("4", "MAY", "metadata", "metadata has device_authorization_endpoint and the grant type", func(w *walk) {
		w.check(w.discovery().has("device_authorization_endpoint").lists("grant_types_supported", grantDevice), "not listed")
	}),
	shownBy("5.1", "SHOULD", "guesses of user codes are bounded", "web.TestConnectCodesAreBounded"),
	shownBy("5.1", "SHOULD", "as are the requests that wait, so that few codes can be hit", "oidc.TestDevicesAreBounded"),
	walked("5.2", "SHOULD", "device_code_entropy", "a device code cannot be guessed", func(w *walk) {
		w.check(len(w.device("machine").text("device_code")) >= 43, "it can")
	}),
	walked("5.4", "SHOULD", "remote_phishing", "the person is told to allow it only for a machine that they have in front of them", func(w *walk) {
		at := w.connects(w.somebody(), w.device("machine").text("user_code"), "")
		w.check(strings.Contains(textOf(at.doc), "in front of you"), "%s", textOf(at.doc))
	}),
	shownBy("3.3", "SHOULD", "a session alone answers nothing: the person signs in freshly and says yes", "oidc.TestDeviceNeedsAFreshSignInAndAYes"),
	walked("6.1", "SHOULD", "letters", "user codes are of letters that are not taken for one another, without vowels", func(w *walk) {
		code := strings.ReplaceAll(w.device("machine").text("user_code"), "-", "")
		w.check(len(code) == 8 && !strings.ContainsAny(code, "AEIOU01"), "%s", code)
	}),
	walked("6.1", "SHOULD", "as_typed", "case and punctuation of what is typed say nothing", func(w *walk) {
		a := w.device("machine")
		at := w.connects(w.somebody(), " "+strings.ToLower(strings.ReplaceAll(a.text("user_code"), "-", ". ")), "")
		w.check(find(at.doc, byID("allow")) != nil, "%d at %s", at.status, at.url)
	}),
}}

// exchanges changes an access token of Anna as an application, with what is given in the
// place of the usual parameters.
func (w *walk) exchanges(id, subject string, all ...string) *answer {
	w.Helper()
	form := []string{"grant_type", grantExchange, "subject_token", subject, "subject_token_type", typeAccess, "audience", "reports"}
	for i := 0; i < len(all); i += 2 {
		if at := slices.Index(form, all[i]); at < 0 || at%2 == 1 {
			form = append(form, all[i], all[i+1])
		} else if form[at+1] = all[i+1]; all[i+1] == "" {
			form = slices.Delete(form, at, at+2)
		}
	}
	return w.as(id, "/token", form...)
}

var rfc8693 = &standard{"RFC8693", "RFC 8693", "OAuth 2.0 Token Exchange", "All of it, as far as the client is the actor itself.", []requirement{
	walked("2.1", "MUST", "exchanges", "an access token is exchanged for another", func(w *walk) {
		w.exchanges("archive", w.tokens("viewer").text("access_token")).ok().has("access_token")
	}),
	walked("2.1", "MAY", "authenticates", "only clients that prove themselves are taken", func(w *walk) {
		w.form("/token", url.Values{"grant_type": {grantExchange}, "subject_token": {"x"}, "subject_token_type": {typeAccess}, "client_id": {"archive"}}).refused(401, "invalid_client")
	}),
	walked("2.1", "MUST", "subject_token", "subject_token is required", func(w *walk) { w.exchanges("archive", "").refused(400, "invalid_request") }),
	walked("2.1", "MUST", "subject_token_type", "subject_token_type is required", func(w *walk) {
		w.exchanges("archive", w.tokens("viewer").text("access_token"), "subject_token_type", "").refused(400, "invalid_request")
	}),
	walked("2.2.2", "MUST", "type_unknown", "a type of token that is not known is invalid_request", func(w *walk) {
		w.exchanges("archive", w.tokens("viewer").text("access_token"), "subject_token_type", "urn:ietf:params:oauth:token-type:saml2").refused(400, "invalid_request")
	}),
	walked("2.1", "MAY", "requested_token_type", "access tokens can be asked for, and nothing else", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.exchanges("archive", access, "requested_token_type", typeAccess).ok()
		w.exchanges("archive", access, "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token").refused(400, "invalid_request")
	}),
	walked("2.1", "MAY", "resource", "resource says for which address the token is", func(w *walk) {
		a := w.exchanges("archive", w.tokens("viewer").text("access_token"), "audience", "", "resource", "https://reports.klinik.test").ok()
		w.check(w.introspects("archive", a.text("access_token")).lists("aud", "https://reports.klinik.test"), "not so")
	}),
	walked("2.1", "MAY", "several_targets", "audience and resource may stand there several times, together", func(w *walk) {
		a := w.exchanges("archive", w.tokens("viewer").text("access_token"), "resource", "https://reports.klinik.test").ok()
		about := w.introspects("archive", a.text("access_token"))
		w.check(about.lists("aud", "https://reports.klinik.test") && about.lists("aud", "reports"), "%s", about.body)
	}),
	walked("2.1", "MAY", "scope", "scope asks for less", func(w *walk) {
		w.check(w.exchanges("archive", w.tokens("viewer").text("access_token"), "scope", "profile").ok().text("scope") == "profile", "not so")
	}),
	walked("2.1", "MUST NOT", "actor_token_type", "actor_token_type comes without actor_token", func(w *walk) {
		w.exchanges("archive", w.tokens("viewer").text("access_token"), "actor_token_type", typeAccess).refused(400, "invalid_request")
	}),
	walked("2.1", "MAY", "actor_token", "an actor_token names another who acts", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.exchanges("archive", access, "actor_token", access, "actor_token_type", typeAccess).refused(400, "invalid_request")
	}).but("not built: who acts is the client that asks, and act says so"),
	walked("2.1", "MUST", "valid", "the subject token is checked: one that was revoked is none", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.as("viewer", "/revoke", "token", access).ok()
		w.exchanges("archive", access).refused(400, "invalid_request")
	}),
	walked("2.2.1", "MUST", "members", "the answer has access_token, issued_token_type and token_type", func(w *walk) {
		a := w.exchanges("archive", w.tokens("viewer").text("access_token")).ok().has("access_token", "token_type")
		w.check(a.text("issued_token_type") == typeAccess, "%s", a.body)
	}),
	walked("2.2.1", "SHOULD", "expires_in", "and expires_in", func(w *walk) {
		w.check(w.exchanges("archive", w.tokens("viewer").text("access_token")).ok().number("expires_in") > 0, "none")
	}),
	walked("2.2.1", "MUST", "scope", "and scope where it is another than asked for", func(w *walk) {
		w.exchanges("archive", w.tokens("viewer").text("access_token")).ok().has("scope")
	}),
	walked("2.2.1", "MAY", "no_refresh", "a refresh token comes with it", func(w *walk) {
		w.exchanges("archive", w.tokens("viewer").text("access_token")).ok().hasNot("refresh_token")
	}).but("otherwise: none does; the client exchanges again, as long as what it was given is good"),
	walked("2.2.2", "MUST", "invalid_request", "invalid_request for a subject token that is not good", func(w *walk) { w.exchanges("archive", "made-up").refused(400, "invalid_request") }),
	walked("2.2.2", "SHOULD", "invalid_target", "invalid_target for a target that the client may not have", func(w *walk) {
		w.exchanges("archive", w.tokens("viewer").text("access_token"), "audience", "elsewhere").refused(400, "invalid_target")
	}),
	walked("2.2.2", "MUST", "invalid_scope", "invalid_scope for a scope that the subject token does not have", func(w *walk) {
		w.exchanges("archive", w.tokens("viewer").text("access_token"), "scope", "pacs.read").refused(400, "invalid_scope")
	}),
	walked("2.2.2", "MUST", "unauthorized_client", "unauthorized_client for a client that may not exchange", func(w *walk) {
		w.exchanges("other", w.tokens("viewer").text("access_token")).refused(400, "unauthorized_client")
	}),
	walked("4.1", "MUST", "act", "act names who acts, and the subject stays who it was", func(w *walk) {
		first := w.tokens("viewer")
		a := w.exchanges("archive", first.text("access_token")).ok()
		about := w.introspects("archive", a.text("access_token"))
		act, _ := about.members["act"].(map[string]any)
		w.check(act["sub"] == "archive" && about.text("sub") == w.claims(first.text("id_token"))["sub"], "%s", about.body)
	}),
	shownBy("4.1", "MAY", "those who acted before stand in it, one in the other", "oidc.TestTokenExchange"),
	walked("2.2.2", "MUST", "meant_for", "a token that policy does not let be exchanged is refused: one that is not meant for who asks", func(w *walk) {
		w.exchanges("stranger", w.tokens("viewer").text("access_token")).refused(400, "invalid_request")
	}),
	shownBy("2.1", "MAY", "what was exchanged ends with what it came from", "oidc.TestExchangedTokensEnd"),
	shownBy("2.1", "MUST", "a subject token that is bound to a key is checked as such: it is exchanged with a proof of that key alone", "oidc.TestExchangeOfBoundTokens"),
	shownBy("3", "MAY", "an ID token of the client itself can be exchanged", "oidc.TestTokenExchangeOfAnIDToken"),
}}

var rfc8705 = &standard{"RFC8705", "RFC 8705", "OAuth 2.0 Mutual-TLS Client Authentication and Certificate-Bound Access Tokens", "All of it. A port of its own asks for certificates; the tests here have one.", []requirement{
	shownBy("2.1", "MUST", "a client proves itself by a certificate of an authority that is trusted, for the one subject that it has registered", "oidc.TestCertificateOfAnAuthority"),
	shownBy("2.1.2", "MUST", "exactly one kind of subject is registered: subject_dn, san_dns, san_uri, san_ip or san_email", "oidc.TestCertificateOfAnAuthority"),
	shownBy("2.2", "MUST", "a client proves itself by a self-signed certificate whose key it has registered", "oidc.TestSelfSignedCertificate"),
	shownBy("3", "MUST", "tokens of such a client are bound to the certificate, and are of no use without it", "oidc.TestCertificateBoundTokens"),
	shownBy("3.1", "SHOULD", "cnf has x5t#S256 in tokens that are JWTs", "oidc.TestCertificateBoundTokens"),
	shownBy("3.2", "MUST", "introspection tells the same cnf", "oidc.TestCertificateBoundTokens"),
	shownBy("3.3", "MAY", "metadata has tls_client_certificate_bound_access_tokens where there is such a port", "oidc.TestMutualListener"),
	shownBy("3.4", "MAY", "tokens are bound only where the client is registered so", "oidc.TestTokensAreBoundOnlyWhereRegistered"),
	shownBy("4", "SHOULD", "refresh tokens of public clients are bound to the certificate", "oidc.TestCertificateBoundTokens"),
	shownBy("5", "MAY", "mtls_endpoint_aliases names the endpoints of that port", "oidc.TestMutualListener"),
	walked("5", "MAY", "no_aliases", "aliases are left out where there is no such port", func(w *walk) {
		w.discovery().ok().hasNot("mtls_endpoint_aliases", "tls_client_certificate_bound_access_tokens")
	}),
	shownBy("5", "MAY", "browsers are not asked for certificates: pages are not on that port", "oidc.TestMutualListener"),
	shownBy("7.4", "SHOULD", "only few authorities are trusted: those that the operator names, not those of the machine", "oidc.TestCertificateOfAnAuthority"),
}}

var rfc8707 = &standard{"RFC8707", "RFC 8707", "Resource Indicators for OAuth 2.0", "All of it. A client asks for what stands in the audience of its registration.", []requirement{
	walked("2", "MUST", "absolute", "resource is an absolute URI without a fragment", func(w *walk) {
		for _, uri := range []string{"archive", "/archive", "https://reports.klinik.test#a"} {
			w.as("archive", "/token", "grant_type", "client_credentials", "resource", uri).refused(400, "invalid_target")
		}
	}),
	shownBy("2", "SHOULD", "the access token is for what was asked for, and for nothing else", "oidc.TestResourceIndicators"),
	shownBy("2.1", "SHOULD", "invalid_target for one that the client may not have, where a grant begins", "oidc.TestResourcesThatAreRefused"),
	shownBy("2", "MAY", "several may be asked for where a grant begins", "oidc.TestResourceIndicators"),
	shownBy("2.2", "MAY", "each token request may ask for some of what the grant was asked for, none for more", "oidc.TestResourceIndicators"),
	shownBy("2.2", "MUST", "resource is read for every grant type", "oidc.TestResourcesWhoAsks"),

	walked("2", "MUST", "in_exchange", "resource of a token exchange says for which address the token is", func(w *walk) {
		a := w.exchanges("archive", w.tokens("viewer").text("access_token"), "audience", "", "resource", "https://reports.klinik.test").ok()
		w.check(w.introspects("archive", a.text("access_token")).lists("aud", "https://reports.klinik.test"), "not so")
	}),
	walked("2", "SHOULD", "invalid_target", "invalid_target for one that the client may not have", func(w *walk) {
		w.exchanges("archive", w.tokens("viewer").text("access_token"), "audience", "", "resource", "https://elsewhere.test").refused(400, "invalid_target")
	}),
	walked("2", "MAY", "several", "several may be asked for", func(w *walk) {
		w.exchanges("archive", w.tokens("viewer").text("access_token"), "resource", "https://reports.klinik.test").ok()
	}),
}}

var rfc9068 = &standard{"RFC9068", "RFC 9068", "JWT Profile for OAuth 2.0 Access Tokens", "All of it, for clients whose access tokens are JWTs (`--access-format jwt`).", []requirement{
	walked("2.1", "MUST", "signed", "the token is signed, never by none", func(w *walk) {
		access := w.tokens("jwt").text("access_token")
		sig := must[*jose.JSONWebSignature](w)(jose.ParseSignedCompact(access, []jose.SignatureAlgorithm{jose.RS256}))
		var set jose.JSONWebKeySet
		well(w, json.Unmarshal([]byte(w.send(http.MethodGet, "/jwks", "").body), &set))
		keys := set.Key(sig.Signatures[0].Protected.KeyID)
		w.check(len(keys) == 1, "no key %s", sig.Signatures[0].Protected.KeyID)
		_, err := sig.Verify(keys[0].Key)
		w.check(err == nil, "%v", err)
	}),
	walked("2.1", "MUST", "rs256", "RS256 is offered", func(w *walk) {
		w.check(w.header(w.tokens("jwt").text("access_token"))["alg"] == "RS256", "another")
	}),
	walked("2.1", "MUST", "typ", "its typ is at+jwt", func(w *walk) {
		w.check(w.header(w.tokens("jwt").text("access_token"))["typ"] == "at+jwt", "another")
	}),
	walked("2.2", "MUST", "claims", "it has iss, exp, aud, sub, client_id, iat and jti", func(w *walk) {
		claims := w.claims(w.tokens("jwt").text("access_token"))
		for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
			w.check(claims[name] != nil, "no %s: %v", name, claims)
		}
		w.check(claims["iss"] == w.x.issuer && claims["client_id"] == "jwt", "%v", claims)
	}),
	walked("2.2", "SHOULD", "sub_of_a_client", "without a person sub is the client", func(w *walk) {
		about := w.introspects("archive", w.as("archive", "/token", "grant_type", "client_credentials").ok().text("access_token"))
		w.check(about.text("sub") == "archive", "%s", about.body)
	}),
	walked("2.2", "MUST", "jti_once", "jti is another in each token", func(w *walk) {
		w.check(w.claims(w.tokens("jwt").text("access_token"))["jti"] != w.claims(w.tokens("jwt").text("access_token"))["jti"], "the same")
	}),
	walked("2.2.1", "MAY", "authentication", "auth_time, acr and amr say how the person signed in", func(w *walk) {
		claims := w.claims(w.tokens("jwt").text("access_token"))
		w.check(claims["auth_time"] != nil && claims["acr"] != nil && claims["amr"] != nil, "%v", claims)
	}),
	walked("2.2.1", "MUST", "authentication_stays", "they stay when the token is refreshed", func(w *walk) {
		first := w.tokens("jwt")
		next := w.as("jwt", "/token", "grant_type", "refresh_token", "refresh_token", first.text("refresh_token")).ok()
		a, b := w.claims(first.text("access_token")), w.claims(next.text("access_token"))
		w.check(a["auth_time"] == b["auth_time"] && a["acr"] == b["acr"], "%v, %v", a, b)
	}),
	walked("2.2.2", "MAY", "identity", "claims of the person stand in it, where the registration has it so", func(w *walk) {
		w.check(w.claims(w.tokens("jwt").text("access_token"))["preferred_username"] != nil, "none")
	}),
	walked("2.2.3", "SHOULD", "scope", "scope says what it is for", func(w *walk) {
		a := w.tokens("jwt")
		w.check(w.claims(a.text("access_token"))["scope"] == a.text("scope"), "another")
	}),
	shownBy("2.2.3.1", "SHOULD", "groups and roles under their own names, or those of the API", "oidc.TestWhatAnAPIIsToldOfThePerson"),
	walked("3", "MUST", "audience", "aud is a default of the client where no resource is named", func(w *walk) {
		aud, _ := w.claims(w.tokens("jwt").text("access_token"))["aud"].([]any)
		w.check(len(aud) == 1 && aud[0] == "archive", "%v", aud)
	}),
	walked("4", "SHOULD", "metadata", "issuer and keys are published", func(w *walk) { w.discovery().ok().has("issuer", "jwks_uri") }),
	shownBy("5", "SHOULD", "no other JWT of ours passes for an access token", "oidc.TestIDTokenIsNoAccessToken"),
	walked("5", "SHOULD", "no_id_token", "an access token passes for no ID token", func(w *walk) {
		w.refusedAt("jwt", "invalid_request", "id_token_hint", w.tokens("jwt").text("access_token"))
	}),
	shownBy("6", "SHOULD", "clients that shall not compare people have subs of their own", "oidc.TestPairwiseSubjects"),
}}

// reached is a person with a phone, who have not been asked yet.
func (w *walk) reached() (*person, *pocket) {
	w.Helper()
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	if len(w.x.phones) == 0 {
		w.Fatal("there are not phones enough")
	}
	p := w.x.phones[0]
	w.x.phones = w.x.phones[1:]
	return w.x.personOf(w, &p), &pocket{t: w, Client: &phone.Client{HTTP: w.x.client, Account: &phone.Account{Device: p.Phone, Issuer: w.x.issuer, Name: p.Name, Key: jose.JSONWebKey{Key: p.Key}}}}
}

// asksPhone has somebody's phone asked, with what is given in the place of the usual
// parameters.
func (w *walk) asksPhone(id, name string, all ...string) *answer {
	w.Helper()
	form := []string{"scope", "openid profile", "login_hint", name, "binding_message", "Desk 4, W4SCT"}
	for i := 0; i < len(all); i += 2 {
		if at := slices.Index(form, all[i]); at < 0 {
			form = append(form, all[i], all[i+1])
		} else if form[at+1] = all[i+1]; all[i+1] == "" {
			form = slices.Delete(form, at, at+2)
		}
	}
	return w.as(id, "/bc-authorize", form...)
}

// outcome asks for the outcome of a question to a phone.
func (w *walk) outcome(id string, a *answer) *answer {
	w.Helper()
	return w.as(id, "/token", "grant_type", grantCIBA, "auth_req_id", a.text("auth_req_id"))
}

// answersPhone answers the one question that a phone is shown.
func (w *walk) answersPhone(ph *pocket, yes bool) {
	w.Helper()
	ch, _ := ph.asked()
	if yes {
		ph.answers(ch, phone.Decision{Approve: true})
	} else {
		ph.answers(ch, phone.Decision{Reason: "mistake"})
	}
}

var ciba = &standard{"CIBA", "CIBA Core 1.0", "OpenID Connect Client-Initiated Backchannel Authentication Flow, by polling and ping", "What it asks of a provider with the modes poll and ping.", []requirement{
	walked("4", "MUST", "metadata", "metadata has backchannel_authentication_endpoint, the modes of delivery and the grant type", func(w *walk) {
		a := w.discovery().has("backchannel_authentication_endpoint")
		w.check(a.lists("backchannel_token_delivery_modes_supported", "poll") && a.lists("backchannel_token_delivery_modes_supported", "ping") && a.lists("grant_types_supported", grantCIBA), "%s", a.body)
	}),
	walked("4", "MAY", "signing_metadata", "metadata has the algorithms by which requests may be signed; none is not one of them", func(w *walk) {
		a := w.discovery()
		w.check(a.lists("backchannel_authentication_request_signing_alg_values_supported", "ES256") && !a.lists("backchannel_authentication_request_signing_alg_values_supported", "none"), "%s", a.body)
	}),
	shownBy("4", "MUST", "a client that is to be pinged has an address for that, over TLS; others have none", "oidc.TestRegisteredMetadata"),
	walked("4", "MAY", "user_code_metadata", "metadata says whether user_code is read", func(w *walk) {
		w.check(w.discovery().members["backchannel_user_code_parameter_supported"] == false, "not said")
	}),
	walked("7.1", "MUST", "post_form", "a request is a form by POST", func(w *walk) {
		w.check(w.send(http.MethodGet, "/bc-authorize", "", "Authorization", w.basic("reception")).status == http.StatusMethodNotAllowed, "GET is taken")
		w.send(http.MethodPost, "/bc-authorize", `{}`, "Content-Type", "application/json", "Authorization", w.basic("reception")).refused(400, "invalid_request")
	}),
	walked("7.1", "MUST", "authenticates", "the client proves itself", func(w *walk) {
		w.form("/bc-authorize", url.Values{"scope": {"openid"}, "login_hint": {"p0000"}, "client_id": {"reception"}}).refused(401, "invalid_client")
		w.form("/bc-authorize", url.Values{"scope": {"openid"}, "login_hint": {"p0000"}}, "Authorization", authorized("reception", "wrong")).refused(401, "invalid_client")
	}),
	walked("7.1", "MUST", "openid", "scope has openid", func(w *walk) { w.asksPhone("reception", "p0040", "scope", "profile").refused(400, "invalid_scope") }),
	walked("7.1", "MUST", "scope_missing", "scope is required", func(w *walk) { w.asksPhone("reception", "p0040", "scope", "").refused(400, "invalid_scope") }),
	walked("7.1", "MUST", "one_hint", "there is exactly one hint: none is invalid_request", func(w *walk) { w.asksPhone("reception", "", "login_hint", "").refused(400, "invalid_request") }),
	walked("7.1", "MUST", "two_hints", "and two are", func(w *walk) {
		p, ph := w.reached()
		first := w.asksPhone("reception", p.name).ok()
		w.answersPhone(ph, true)
		w.asksPhone("reception", p.name, "id_token_hint", w.outcome("reception", first).ok().text("id_token")).refused(400, "invalid_request")
	}),
	walked("7.1", "MAY", "login_hint", "login_hint names the person", func(w *walk) {
		p, ph := w.reached()
		w.asksPhone("reception", p.name).ok()
		_, doc := ph.asked()
		w.check(doc.Account == p.name && strings.Contains(doc.Act.Text, "Application reception"), "%+v", doc)
	}),
	walked("7.1", "MUST", "binding_message", "binding_message is shown on the phone", func(w *walk) {
		p, ph := w.reached()
		w.asksPhone("reception", p.name, "binding_message", "Desk 7, ÄÖÜ-42").ok()
		_, doc := ph.asked()
		w.check(strings.Contains(doc.Act.Text, "Desk 7, ÄÖÜ-42"), "%+v", doc)
	}),
	walked("7.1", "MAY", "id_token_hint", "id_token_hint, an ID token that the client was given, names the person", func(w *walk) {
		p, ph := w.reached()
		first := w.asksPhone("reception", p.name).ok()
		w.answersPhone(ph, true)
		id := w.outcome("reception", first).ok().text("id_token")
		w.asksPhone("reception", "", "login_hint", "", "id_token_hint", id).ok().has("auth_req_id")
	}),
	walked("7.1", "MUST", "foreign_hint", "an id_token_hint of another client is refused", func(w *walk) {
		w.asksPhone("reception", "", "login_hint", "", "id_token_hint", w.tokens("viewer").text("id_token")).refused(400, "invalid_request")
	}),
	walked("7.1", "MAY", "login_hint_token", "login_hint_token names the person", func(w *walk) {
		w.asksPhone("reception", "", "login_hint", "", "login_hint_token", "x").refused(400, "invalid_request")
	}).but("not built: no such token is defined here; it is refused, not ignored"),
	walked("7.1", "MAY", "requested_expiry", "requested_expiry, a positive number of seconds, bounds how long the request lives", func(w *walk) {
		p, _ := w.reached()
		w.asksPhone("reception", p.name, "requested_expiry", "0").refused(400, "invalid_request")
		w.asksPhone("reception", p.name, "requested_expiry", "soon").refused(400, "invalid_request")
		w.check(w.asksPhone("reception", p.name, "requested_expiry", "60").ok().number("expires_in") == 60, "not so")
	}),
	walked("7.1", "MAY", "user_code", "user_code is a secret of the person against questions of strangers", func(w *walk) {
		p, _ := w.reached()
		w.asksPhone("reception", p.name, "user_code", "1234").ok()
	}).but("not built: metadata says so and it is ignored; limits and the consent of an administrator bound who asks (decision 51)"),
	shownBy("7.1", "MUST", "a client that is pinged sends a client_notification_token, of the form of a bearer token and not longer than 1024 characters", "oidc.TestPingTokens"),
	shownBy("7.1.1", "MAY", "the request comes as a signed JWT", "oidc.TestSignedBackchannel"),
	shownBy("7.1.1", "MUST", "it has iss, aud, exp, iat, nbf and jti, each as it has to be, and is verified by the key and algorithm of the registration", "oidc.TestSignedBackchannelErrors"),
	shownBy("7.1.1", "MUST NOT", "parameters of the request stand outside of it", "oidc.TestSignedBackchannelErrors"),
	walked("4", "MUST", "signed_as_registered", "a client that signs its requests is registered to: another that sends a signed one is refused", func(w *walk) {
		w.asksPhone("reception", "p0040", "request", "x.y.z").refused(400, "invalid_request")
	}),
	walked("7.2", "MUST", "unknown_is_ignored", "a parameter that nobody knows is ignored", func(w *walk) {
		p, _ := w.reached()
		w.asksPhone("reception", p.name, "frobnicate", "1").ok()
	}),
	walked("7.3", "MUST", "members", "the answer is 200 with auth_req_id and expires_in, and for polling interval, in JSON", func(w *walk) {
		p, _ := w.reached()
		a := w.asksPhone("reception", p.name).ok().has("auth_req_id", "expires_in", "interval").header("Content-Type", "application/json").header("Cache-Control", "no-store")
		w.check(a.number("expires_in") > 0 && a.number("interval") == 5, "%s", a.body)
		w.check(len(a.text("auth_req_id")) >= 43, "auth_req_id can be guessed: %s", a.body)
		w.check(!strings.ContainsAny(a.text("auth_req_id"), "+/= ~"), "%s", a.body)
	}),
	walked("10.1", "MUST", "auth_req_id", "a token request has auth_req_id", func(w *walk) { w.as("reception", "/token", "grant_type", grantCIBA).refused(400, "invalid_request") }),
	walked("10.1", "MUST", "own_request", "auth_req_id is of its client", func(w *walk) {
		p, _ := w.reached()
		w.outcome("desk", w.asksPhone("reception", p.name).ok()).refused(400, "invalid_grant")
	}),
	walked("10.1", "MUST", "authenticates_again", "and the client proves itself", func(w *walk) {
		w.form("/token", url.Values{"grant_type": {grantCIBA}, "auth_req_id": {"x"}, "client_id": {"reception"}}).refused(401, "invalid_client")
	}),
	walked("10.1.1", "MUST", "tokens", "after a yes the answer has access token and ID token, of the person", func(w *walk) {
		p, ph := w.reached()
		a := w.asksPhone("reception", p.name).ok()
		w.answersPhone(ph, true)
		got := w.outcome("reception", a).ok().has("access_token", "token_type", "id_token", "expires_in").header("Cache-Control", "no-store")
		claims := w.claims(got.text("id_token"))
		w.check(claims["aud"] == "reception" && claims["sub"] == w.userinfo(got.text("access_token")).text("sub"), "%v", claims)
	}),
	walked("10.1.1", "MUST", "once", "tokens are given once", func(w *walk) {
		p, ph := w.reached()
		a := w.asksPhone("reception", p.name).ok()
		w.answersPhone(ph, true)
		w.outcome("reception", a).ok()
		w.outcome("reception", a).refused(400, "invalid_grant")
	}),
	shownBy("10.2", "MUST", "a ping is a POST of JSON with auth_req_id, with the client_notification_token as bearer token, once there is an outcome", "oidc.TestPing"),
	shownBy("10.2", "MUST NOT", "a redirect in the answer to a ping is followed", "oidc.TestPingIsTriedAgain"),
	shownBy("10.2", "MAY", "a ping that fails is tried again", "oidc.TestPingIsTriedAgain"),
	shownBy("10.1", "MUST", "a client that is pinged may poll, too", "oidc.TestPing"),
	unbuilt("10.3", "MAY", "tokens are pushed to the client", "registration refuses the mode push: tokens would lie at an address of the client before anybody has proven to be it"),
	walked("11", "MUST", "authorization_pending", "authorization_pending while nobody has answered", func(w *walk) {
		p, _ := w.reached()
		w.outcome("reception", w.asksPhone("reception", p.name).ok()).refused(400, "authorization_pending")
	}),
	walked("11", "MUST", "slow_down", "slow_down for who asks too often", func(w *walk) {
		p, _ := w.reached()
		a := w.asksPhone("reception", p.name).ok()
		w.outcome("reception", a).refused(400, "authorization_pending")
		w.outcome("reception", a).refused(400, "slow_down")
	}),
	walked("11", "MUST", "expired_token", "expired_token when the time is up", func(w *walk) {
		p, _ := w.reached()
		a := w.asksPhone("reception", p.name, "requested_expiry", "1").ok()
		time.Sleep(1500 * time.Millisecond)
		w.outcome("reception", a).refused(400, "expired_token")
	}),
	walked("11", "MUST", "access_denied", "access_denied when the person says no", func(w *walk) {
		p, ph := w.reached()
		a := w.asksPhone("reception", p.name).ok()
		w.answersPhone(ph, false)
		w.outcome("reception", a).refused(400, "access_denied")
	}),
	walked("11", "MUST", "invalid_grant", "invalid_grant for a request that nobody made", func(w *walk) {
		w.as("reception", "/token", "grant_type", grantCIBA, "auth_req_id", "made-up").refused(400, "invalid_grant")
	}),
	walked("11", "MUST", "unauthorized_client", "unauthorized_client for a client that may not use this grant", func(w *walk) {
		w.as("viewer", "/token", "grant_type", grantCIBA, "auth_req_id", "x").refused(400, "unauthorized_client")
	}),
	walked("13", "MUST", "unknown_user_id", "unknown_user_id for a hint of nobody", func(w *walk) { w.asksPhone("reception", "nobody").refused(400, "unknown_user_id") }),
	walked("13", "MUST", "invalid_binding_message", "invalid_binding_message for a message that cannot be shown, or one that is missing where it is needed", func(w *walk) {
		w.asksPhone("reception", "p0040", "binding_message", strings.Repeat("x", 61)).refused(400, "invalid_binding_message")
		w.asksPhone("reception", "p0040", "binding_message", "").refused(400, "invalid_binding_message")
		p, _ := w.reached()
		w.asksPhone("desk", p.name, "binding_message", "").ok()
	}),
	walked("13", "MUST", "may_not_ask", "unauthorized_client for a client that may not ask", func(w *walk) {
		w.asksPhone("viewer", "p0040").refused(400, "unauthorized_client")
	}),
	walked("13", "MUST", "access_denied_at_once", "access_denied is 403 where the phones are not asked", func(w *walk) {
		p, ph := w.reached()
		w.asksPhone("reception", p.name).ok()
		w.answersPhone(ph, false)
		w.asksPhone("reception", p.name).refused(403, "access_denied")
	}),
	unbuilt("13", "MUST", "missing_user_code and invalid_user_code", "user_code is not read"),
	shownBy("7.1.2", "MAY", "questions that nobody asked for are kept from the phone: those of one application are bounded", "oidc.TestBackchannelIsBounded"),
}}
