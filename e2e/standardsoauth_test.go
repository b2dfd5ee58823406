package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

var rfc6749 = &standard{"RFC6749", "RFC 6749", "The OAuth 2.0 Authorization Framework", "Sections 2 to 6 and 10, as far as they ask something of an authorization server. Implicit grant and password grant (4.2, 4.3) are not offered.", []requirement{
	walked("2.3", "MUST NOT", "two_methods", "a client proves itself by two methods in one request", func(w *walk) {
		w.form("/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"archive"}, "client_secret": {w.x.secrets["archive"]}}, "Authorization", w.basic("archive")).refused(400, "invalid_request")
	}),
	walked("2.3.1", "MUST", "basic", "HTTP Basic authentication is taken from clients with a secret", func(w *walk) {
		w.form("/token", url.Values{"grant_type": {"client_credentials"}}, "Authorization", w.basic("archive")).ok().has("access_token")
	}),
	walked("2.3.1", "MUST", "form_encoded", "client id and secret are form-encoded inside of it", func(w *walk) {
		var all strings.Builder
		for _, c := range []byte(w.x.secrets["archive"]) {
			fmt.Fprintf(&all, "%%%02X", c)
		}
		w.form("/token", url.Values{"grant_type": {"client_credentials"}}, "Authorization", authorized("%61rchive", all.String())).ok().has("access_token")
	}),
	walked("2.3.1", "MAY", "in_body", "client id and secret in the body, for clients that are registered so", func(w *walk) {
		w.redeems("post", w.code("post")).ok().has("access_token")
	}),
	walked("2.3.1", "MUST NOT", "not_in_url", "credentials of a client stand in the URL", func(w *walk) {
		w.form("/token?client_id=archive&client_secret="+url.QueryEscape(w.x.secrets["archive"]), url.Values{"grant_type": {"client_credentials"}}).refused(400, "invalid_request")
	}),
	shownBy("2.3.1", "MUST", "TLS wherever a client sends its secret: the issuer is https, or http on this machine alone", "oidc.TestNewRefusesWhatIsUnsafe"),
	otherwise("2.3.1", "MUST", "secrets of clients are guarded against guessing", "a secret is 32 random bytes that are made here, and nobody can choose another (decision 3): wrong ones are not counted, only noted for who runs the client", "oidc.TestRefusedTokenRequestsAreTold"),
	walked("3.1", "MUST", "verifies_the_person", "the person is identified before anything is granted", func(w *walk) {
		at := w.somebody().get(w.asking("viewer"))
		w.check(find(at.doc, byID("password-form")) != nil, "no sign-in at %s", at.url)
	}),
	walked("3.1", "MUST", "get", "the authorization endpoint takes GET", func(w *walk) { w.check(w.code("viewer") != "", "no code") }),
	walked("3.1", "MAY", "post", "the authorization endpoint takes POST", func(w *walk) {
		to, query, _ := strings.Cut(w.asking("viewer"), "?")
		form := must[url.Values](w)(url.ParseQuery(query))
		p := w.anna()
		q := w.answered("viewer", p.read(p.send(http.MethodPost, to, form)))
		w.check(q.Get("code") != "", "%v", q)
	}),
	walked("3.1", "MUST NOT", "fragment_of_endpoint", "the address of the authorization endpoint has a fragment", func(w *walk) {
		u := must[*url.URL](w)(url.Parse(w.discovery().text("authorization_endpoint")))
		w.check(u.Scheme == "https" && u.Fragment == "" && u.RawQuery == "", "%s", u)
	}),
	walked("3.1", "MUST", "empty_is_omitted", "a parameter without a value counts as left out", func(w *walk) {
		q := w.answered("viewer", w.anna().get(w.asking("viewer")+"&max_age=&prompt=&response_mode=&request="))
		w.check(q.Get("code") != "", "%v", q)
	}),
	walked("3.1", "MUST", "unknown_is_ignored", "a parameter that nobody knows is ignored", func(w *walk) {
		w.check(w.code("viewer", "frobnicate", "1") != "", "no code")
	}),
	walked("3.1", "MUST NOT", "once", "a parameter stands in a request more than once", func(w *walk) {
		q := w.answered("viewer", w.anna().get(w.asking("viewer")+"&scope=openid"))
		w.check(q.Get("error") == "invalid_request", "%v", q)
	}),
	walked("3.1.1", "MUST", "response_type_missing", "a request without response_type is an error", func(w *walk) { w.refusedAt("viewer", "invalid_request", "response_type", "") }),
	walked("3.1.1", "MUST", "response_type_unknown", "a response_type that is not known is an error", func(w *walk) {
		w.refusedAt("viewer", "unsupported_response_type", "response_type", "frobnicate")
	}),
	walked("3.1.1", "MUST", "order_of_types", "the order of the words of a response_type says nothing", func(w *walk) {
		for _, kind := range []string{"code id_token", "id_token code"} {
			at := w.visits("viewer", "response_type", kind)
			f := must[url.Values](w)(url.ParseQuery(at.url.Fragment))
			w.check(f.Get("error") == "unsupported_response_type", "%s: %s", kind, at.url)
		}
	}),
	walked("3.1.2", "MUST", "absolute", "a redirect URI is absolute", func(w *walk) {
		w.registers(map[string]any{"redirect_uris": []string{"/callback"}}).refused(400, "invalid_redirect_uri")
	}),
	walked("3.1.2", "MUST NOT", "fragment", "a redirect URI has a fragment", func(w *walk) {
		w.registers(map[string]any{"redirect_uris": []string{"https://a.supplier.test/callback#x"}}).refused(400, "invalid_redirect_uri")
	}),
	walked("3.1.2", "MUST", "query_stays", "the query of a registered redirect URI stays as it is", func(w *walk) {
		made := w.registers(map[string]any{"redirect_uris": []string{"https://a.supplier.test/callback?site=2&x"}, "client_name": "Query"})
		w.check(made.status == 201, "%d %s", made.status, made.body)
		p := w.somebody()
		u := w.authorizeAt(made.text("client_id"), "https://a.supplier.test/callback?site=2&x", "prompt", "none")
		at := p.get(u)
		w.check(strings.HasPrefix(at.url.String(), "https://a.supplier.test/callback?site=2&x&") && at.url.Query().Get("error") == "login_required", "%s", at.url)
	}),
	walked("3.1.2.1", "SHOULD", "tls_of_clients", "redirect URIs are https, but on loopback and for schemes of native apps", func(w *walk) {
		w.registers(map[string]any{"redirect_uris": []string{"http://a.supplier.test/callback"}}).refused(400, "invalid_redirect_uri")
	}),
	walked("3.1.2.2", "SHOULD", "registered_first", "every client registers its redirect URIs before it uses the endpoint; those without a secret have to", func(w *walk) {
		w.staysHere(w.anna().get(w.authorizeAt("archive", "https://archive.klinik.test/callback")))
	}),
	walked("3.1.2.3", "MUST", "several", "a client with several redirect URIs says which one", func(w *walk) { w.staysHere(w.visits("native", "redirect_uri", "")) }),
	walked("3.1.2.3", "MAY", "single", "a client with one redirect URI leaves it out", func(w *walk) { w.staysHere(w.visits("viewer", "redirect_uri", "")) }).
		but("otherwise: OpenID Connect Core, section 3.1.2.1, wants it always, and it is asked of plain OAuth requests too"),
	walked("3.1.2.3", "MUST", "simple_comparison", "the redirect URI is compared with those registered, as a string", func(w *walk) {
		for _, uri := range []string{"https://viewer.klinik.test/callback/", "https://viewer.klinik.test/Callback", "https://VIEWER.klinik.test/callback", "https://viewer.klinik.test:443/callback", "https://viewer.klinik.test/callback?x=1", "https://viewer.klinik.test/x/../callback"} {
			w.staysHere(w.visits("viewer", "redirect_uri", uri))
		}
	}),
	walked("3.1.2.4", "MUST NOT", "no_redirect", "a browser is sent to an address that is not registered", func(w *walk) {
		at := w.visits("viewer", "redirect_uri", "https://evil.test/callback")
		w.staysHere(at)
		w.check(at.head.Get("Location") == "", "sent to %s", at.head.Get("Location"))
	}),
	walked("3.1.2.4", "SHOULD", "person_is_told", "the person is told of it", func(w *walk) {
		at := w.visits("viewer", "redirect_uri", "https://evil.test/callback")
		w.check(strings.Contains(textOf(at.doc), "address"), "%s", textOf(at.doc))
	}),
	walked("3.2", "MUST", "post_only", "the token endpoint takes POST alone", func(w *walk) {
		a := w.send(http.MethodGet, "/token", "", "Authorization", w.basic("archive"))
		w.check(a.status == http.StatusMethodNotAllowed && strings.Contains(a.head.Get("Allow"), "POST"), "%d %v", a.status, a.head)
	}),
	walked("3.2", "MUST", "empty_is_omitted", "a parameter of a token request without a value counts as left out", func(w *walk) {
		w.as("archive", "/token", "grant_type", "client_credentials", "scope", "").ok()
	}),
	walked("3.2", "MUST", "unknown_is_ignored", "a parameter of a token request that nobody knows is ignored", func(w *walk) {
		w.as("archive", "/token", "grant_type", "client_credentials", "frobnicate", "1").ok()
	}),
	walked("3.2", "MUST NOT", "once", "a parameter stands in a token request more than once", func(w *walk) {
		w.as("archive", "/token", "grant_type", "client_credentials", "scope", "pacs.read", "scope", "pacs.read").refused(400, "invalid_request")
	}),
	walked("3.2.1", "MUST", "confidential", "a client with a secret proves itself at the token endpoint", func(w *walk) {
		w.form("/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {"viewer"}, "code": {w.code("viewer")}, "redirect_uri": {redirectOf("viewer")}, "code_verifier": {w.party("viewer").verifier}}).refused(401, "invalid_client")
	}),
	walked("3.2.1", "MUST", "client_id_of_public", "a client without a secret sends its client_id", func(w *walk) {
		w.form("/token", url.Values{"grant_type": {"authorization_code"}, "code": {w.code("native")}, "redirect_uri": {redirectOf("native")}, "code_verifier": {w.party("native").verifier}}).refused(401, "invalid_client")
	}),
	walked("3.3", "MUST", "order_of_scopes", "the order of scopes says nothing", func(w *walk) {
		a := w.tokens("viewer", "scope", "profile openid")
		w.check(a.text("scope") == "profile openid" || a.text("scope") == "openid profile", "%s", a.body)
		w.userinfo(a.text("access_token")).ok().has("preferred_username")
	}),
	walked("3.3", "MUST", "scope_told", "the response says which scopes were given where they are others than asked for", func(w *walk) {
		w.check(w.tokens("viewer", "scope", "openid frobnicate").text("scope") == "openid", "not told")
	}),
	walked("3.3", "MUST", "no_scope", "a request without scope is for a default, or fails with invalid_scope", func(w *walk) { w.refusedAt("viewer", "invalid_scope", "scope", "") }),
	shownBy("3.3", "SHOULD", "the default of a request without scope is documented, and set for a client", "oidc.TestDefaultScopes"),
	walked("4.1.2", "MUST", "state", "state comes back exactly as it was sent", func(w *walk) {
		const state = "a b&c=d%20ü/?#€"
		q := w.answered("viewer", w.visits("viewer", "state", state))
		w.check(q.Get("code") != "" && q.Get("state") == state, "%v", q)
	}),
	shownBy("4.1.2", "MUST", "a code lasts a short time, here a minute", "oidc.TestCodeLastsAMinute"),
	walked("4.1.2", "MUST", "code_once", "a code that comes a second time is refused", func(w *walk) {
		code := w.code("viewer")
		w.redeems("viewer", code).ok()
		w.redeems("viewer", code).refused(400, "invalid_grant")
	}),
	walked("4.1.2", "SHOULD", "code_twice_revokes", "then all tokens of that code are revoked", func(w *walk) {
		code := w.code("viewer")
		first := w.redeems("viewer", code).ok()
		w.check(w.active("viewer", first.text("access_token")), "not good at first")
		w.redeems("viewer", code).refused(400, "invalid_grant")
		w.check(!w.active("viewer", first.text("access_token")), "the access token is still good")
		w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", first.text("refresh_token")).refused(400, "invalid_grant")
	}),
	walked("4.1.2", "MUST", "bound_to_client", "a code is of its client", func(w *walk) {
		w.redeems("other", w.code("viewer"), "redirect_uri", redirectOf("viewer")).refused(400, "invalid_grant")
	}),
	walked("4.1.2", "MUST", "bound_to_redirect", "a code is of its redirect URI", func(w *walk) {
		w.redeems("native", w.code("native"), "redirect_uri", "org.klinik.viewer:/callback").refused(400, "invalid_grant")
	}),
	walked("4.1.2.1", "MUST NOT", "unknown_client", "a request of a client that nobody knows is redirected", func(w *walk) {
		w.staysHere(w.anna().get(w.authorizeAt("nobody", "https://viewer.klinik.test/callback")))
	}),
	walked("4.1.2.1", "MUST", "state_of_errors", "state comes back with an error, too", func(w *walk) {
		w.check(w.refusedAt("viewer", "invalid_scope", "scope", "frobnicate").Get("state") == "the state", "no state")
	}),
	walked("4.1.2.1", "MUST", "invalid_request", "invalid_request for what is malformed", func(w *walk) { w.refusedAt("viewer", "invalid_request", "max_age", "soon") }),
	walked("4.1.2.1", "MUST", "unauthorized_client", "unauthorized_client for a client that may not ask for a code", func(w *walk) {
		w.staysHere(w.anna().get(w.authorizeAt("reception", "https://reception.klinik.test/callback")))
	}).but("otherwise: such a client has no redirect URI, so that the person is told and nobody is redirected"),
	walked("4.1.2.1", "MUST", "access_denied", "access_denied when the person says no", func(w *walk) {
		p := w.somebody()
		at := p.signIn(w.asking("asks"))
		q := w.answered("asks", w.consents(p, at, "deny"))
		w.check(q.Get("error") == "access_denied" && q.Get("state") == "the state", "%v", q)
	}),
	walked("4.1.2.1", "MUST", "unsupported_response_type", "unsupported_response_type for tokens in the browser", func(w *walk) {
		at := w.visits("viewer", "response_type", "token")
		f := must[url.Values](w)(url.ParseQuery(at.url.Fragment))
		w.check(f.Get("error") == "unsupported_response_type", "%s", at.url)
	}),
	walked("4.1.2.1", "MUST", "invalid_scope", "invalid_scope where no scope is known", func(w *walk) { w.refusedAt("viewer", "invalid_scope", "scope", "frobnicate") }),
	shownBy("4.1.2.1", "MUST", "server_error and temporarily_unavailable for faults of ours, since a redirect has no status", "oidc.TestWhatSignInsAnswerWith"),
	walked("4.1.2.1", "MUST NOT", "characters", "error and error_description have other letters than %x20-21, %x23-5B, %x5D-7E", func(w *walk) {
		for _, all := range [][]string{{"scope", "fröb\"\\"}, {"response_type", ""}, {"code_challenge", ""}, {"max_age", "ü"}, {"prompt", "none login"}, {"response_mode", "ü"}, {"id_token_hint", "ü"}} {
			q := w.answered("viewer", w.visits("viewer", all...))
			w.check(q.Get("error") != "" && plainText.MatchString(q.Get("error")) && plainText.MatchString(q.Get("error_description")), "%v", q)
		}
	}),
	walked("4.1.3", "MUST", "redirect_uri", "the redirect_uri of the request stands in the token request, the same", func(w *walk) {
		w.redeems("viewer", w.code("viewer"), "redirect_uri", "").refused(400, "invalid_request")
		w.redeems("viewer", w.code("viewer"), "redirect_uri", "https://viewer.klinik.test/other").refused(400, "invalid_grant")
	}),
	walked("4.1.3", "MUST", "code_missing", "a token request without a code is invalid_request", func(w *walk) {
		w.as("viewer", "/token", "grant_type", "authorization_code", "redirect_uri", redirectOf("viewer"), "code_verifier", w.party("viewer").verifier).refused(400, "invalid_request")
	}),
	walked("4.1.3", "MUST", "valid", "a code that nobody was given is refused", func(w *walk) { w.redeems("viewer", "made-up").refused(400, "invalid_grant") }),
	unbuilt("4.2", "MAY", "implicit grant", "tokens in the browser's address are not offered (RFC 9700, section 2.1.2)"),
	walked("4.3", "MAY", "password", "password grant", func(w *walk) {
		w.as("viewer", "/token", "grant_type", "password", "username", "p0000", "password", "slow-amber-river-42").refused(400, "unsupported_grant_type")
	}).but("not built: it is not to be used (RFC 9700, section 2.4), and has no second factor"),
	walked("4.4", "MUST", "confidential", "client credentials are for clients with a secret or key alone", func(w *walk) {
		w.as("native", "/token", "grant_type", "client_credentials").refused(400, "unauthorized_client")
	}),
	walked("4.4.2", "MUST", "authenticates", "the client proves itself", func(w *walk) {
		w.form("/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"archive"}}).refused(401, "invalid_client")
	}),
	walked("4.4.3", "SHOULD NOT", "no_refresh", "a refresh token comes with client credentials", func(w *walk) {
		w.as("archive", "/token", "grant_type", "client_credentials").ok().has("access_token").hasNot("refresh_token", "id_token")
	}),
	walked("5.1", "MUST", "members", "a token response has access_token and token_type", func(w *walk) { w.tokens("viewer").has("access_token", "token_type") }),
	walked("5.1", "SHOULD", "expires_in", "and expires_in", func(w *walk) {
		n := w.tokens("viewer").number("expires_in")
		w.check(n > 0 && n <= 3600, "%v s", n)
	}),
	walked("5.1", "MUST", "json", "in JSON", func(w *walk) { w.tokens("viewer").header("Content-Type", "application/json") }),
	walked("5.1", "MUST", "no_store", "with Cache-Control: no-store and Pragma: no-cache", func(w *walk) {
		w.tokens("viewer").header("Cache-Control", "no-store").header("Pragma", "no-cache")
	}),
	walked("5.2", "MUST", "status", "an error of the token endpoint is 400 with JSON", func(w *walk) {
		w.as("viewer", "/token", "grant_type", "authorization_code", "code", "x", "redirect_uri", redirectOf("viewer"), "code_verifier", "x").refused(400, "invalid_grant").header("Content-Type", "application/json")
	}),
	walked("5.2", "MUST", "invalid_request", "invalid_request without grant_type", func(w *walk) { w.as("viewer", "/token", "code", "x").refused(400, "invalid_request") }),
	walked("5.2", "MUST", "invalid_client", "a client that used the Authorization header and failed is told 401 with the scheme", func(w *walk) {
		w.form("/token", url.Values{"grant_type": {"client_credentials"}}, "Authorization", authorized("archive", "wrong")).refused(401, "invalid_client").header("WWW-Authenticate", "Basic")
	}),
	walked("5.2", "MUST", "unknown_client", "invalid_client for a client that nobody knows", func(w *walk) {
		w.form("/token", url.Values{"grant_type": {"client_credentials"}}, "Authorization", authorized("nobody", "wrong")).refused(401, "invalid_client")
	}),
	walked("5.2", "MUST", "unauthorized_client", "unauthorized_client for a grant type that the client is not registered for", func(w *walk) {
		w.as("viewer", "/token", "grant_type", "client_credentials").refused(400, "unauthorized_client")
	}),
	walked("5.2", "MUST", "unsupported_grant_type", "unsupported_grant_type for one that nobody knows", func(w *walk) {
		w.as("viewer", "/token", "grant_type", "frobnicate").refused(400, "unsupported_grant_type")
	}),
	walked("5.2", "MUST", "invalid_scope", "invalid_scope for a scope that the client cannot have", func(w *walk) {
		w.as("archive", "/token", "grant_type", "client_credentials", "scope", "frobnicate").refused(400, "invalid_scope")
	}),
	walked("5.2", "MUST NOT", "characters", "error and error_description have other letters than %x20-21, %x23-5B, %x5D-7E", func(w *walk) {
		for _, a := range []*answer{
			w.as("viewer", "/token"), w.as("viewer", "/token", "grant_type", "ü\"\\"), w.as("archive", "/token", "grant_type", "client_credentials", "scope", "ü\"\\"),
			w.redeems("viewer", "ü\"\\"), w.as("machine", "/device_authorization", "scope", "ü"), w.as("reception", "/bc-authorize", "scope", "openid", "login_hint", "ü\""),
		} {
			w.check(a.text("error") != "" && plainText.MatchString(a.text("error")) && plainText.MatchString(a.text("error_description")), "%s", a.body)
		}
	}),
	walked("6", "MUST", "authenticates", "a client with a secret proves itself to refresh", func(w *walk) {
		refresh := w.tokens("viewer").text("refresh_token")
		w.form("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"viewer"}}).refused(401, "invalid_client")
	}),
	walked("6", "MUST", "own_token", "a refresh token is of its client", func(w *walk) {
		refresh := w.tokens("viewer").text("refresh_token")
		w.as("other", "/token", "grant_type", "refresh_token", "refresh_token", refresh).refused(400, "invalid_grant")
		w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", refresh).ok()
	}),
	walked("6", "MUST", "valid", "a refresh token that nobody was given is refused", func(w *walk) {
		w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", "made-up").refused(400, "invalid_grant")
	}),
	walked("6", "MUST NOT", "no_more_scopes", "a refresh gives scopes that were not granted", func(w *walk) {
		refresh := w.tokens("viewer", "scope", "openid offline_access").text("refresh_token")
		w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", refresh, "scope", "openid profile").refused(400, "invalid_scope")
	}),
	walked("6", "MUST", "same_scopes", "a refresh without scope gives those that were granted", func(w *walk) {
		first := w.tokens("viewer")
		w.check(w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", first.text("refresh_token")).ok().text("scope") == first.text("scope"), "other scopes")
	}),
	walked("6", "MUST", "scope_of_the_new", "a new refresh token has the scope of the one before, whatever was asked for this time", func(w *walk) {
		first := w.tokens("viewer")
		less := w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", first.text("refresh_token"), "scope", "openid").ok()
		w.check(less.text("scope") == "openid", "%s", less.body)
		w.check(w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", less.text("refresh_token")).ok().text("scope") == first.text("scope"), "it has lost scopes")
	}),
	otherwise("10.2", "SHOULD NOT", "requests of clients that cannot prove themselves are answered from the session without asking the person", "an administrator registers every such application, and may have people asked (`--consent`); those that registered themselves always ask", "oidc.TestRegistration"),
	walked("10.3", "MUST", "access_tokens_cannot_be_guessed", "access tokens cannot be made, changed or guessed", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.check(len(access) >= 43, "%d letters", len(access))
		w.userinfo(access[:len(access)-1]).refused(401, "invalid_token")
	}),
	shownBy("10.4", "MUST", "a refresh token stays bound to its client", "oidc.TestRefreshIsBoundToItsClient"),
	shownBy("10.4", "SHOULD", "abuse of a refresh token is found out: it is rotated, and one that comes a second time revokes the family", "oidc.TestReusedRefreshTokenKillsTheFamily"),
	shownBy("10.5", "MUST", "a code is good once, however many ask at the same time", "oidc.TestCodeRedeemedInParallelGivesOneTokenSet"),
	shownBy("10.6", "MUST", "the redirect URI of a code is the one of its request", "oidc.TestWrongRedirectURIBurnsTheCode"),
	walked("10.10", "MUST", "entropy", "codes and refresh tokens have 128 bits that nobody can guess, and should have 160", func(w *walk) {
		code := w.code("viewer")
		refresh := w.redeems("viewer", code).ok().text("refresh_token")
		w.check(len(code) >= 43 && len(refresh) >= 43 && code != refresh, "%d and %d letters", len(code), len(refresh))
	}),
	walked("10.12", "MUST", "csrf", "nobody's page can make a person grant something: forms of another site are refused", func(w *walk) {
		p := w.somebody()
		at := p.get(w.asking("viewer"))
		to, all := p.fill(at, "password-form", url.Values{"username": {p.name}, "password": {p.password}})
		req := must[*http.Request](w)(http.NewRequestWithContext(w.Context(), http.MethodPost, to, strings.NewReader(all.Encode())))
		req.Header.Set("Content-Type", formType)
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		req.Header.Set("Origin", "https://evil.test")
		w.check(p.read(p.web.Do(req)).status == http.StatusForbidden, "taken")
	}),
	walked("10.13", "MAY", "clickjacking", "no other site shows the pages in a frame (RFC 9700, section 4.16, demands it)", func(w *walk) {
		at := w.somebody().get(w.asking("viewer"))
		w.check(at.head.Get("X-Frame-Options") == "DENY" && strings.Contains(at.head.Get("Content-Security-Policy"), "frame-ancestors"), "%v", at.head)
	}),
	walked("10.14", "MUST", "injection", "what comes in is data: markup in state or a hint is none on a page", func(w *walk) {
		at := w.somebody().get(w.asking("viewer", "state", "<script>alert(1)</script>", "login_hint", `"><script>alert(1)</script>`))
		w.check(at.status == http.StatusOK && !strings.Contains(at.body, "<script>alert"), "%.300s", at.body)
	}),
	walked("10.15", "MUST NOT", "open_redirector", "the endpoint sends browsers to addresses of a stranger's choice (the word is that of RFC 9700, section 2.1)", func(w *walk) {
		for _, q := range []string{"client_id=nobody&redirect_uri=https://evil.test", "redirect_uri=https://evil.test", "client_id=viewer&redirect_uri=https://evil.test&response_type=code", "client_id=viewer&redirect_uri=https://viewer.klinik.test%40evil.test/callback"} {
			w.staysHere(w.anna().get(w.x.issuer + "/authorize?" + q))
		}
	}),
}}

// plainText has the letters of error and error_description (RFC 6749, section 5.2).
var plainText = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]+$`)

var rfc6750 = &standard{"RFC6750", "RFC 6750", "Bearer Token Usage", "The protected resource is userinfo; what a token endpoint has to do with bearer tokens stands here too.", []requirement{
	walked("2", "MUST NOT", "two_ways", "a token comes in two ways in one request", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.form("/userinfo", url.Values{"access_token": {access}}, "Authorization", "Bearer "+access).refused(400, "invalid_request")
	}),
	walked("2.1", "MUST", "header", "a token in the Authorization header is taken", func(w *walk) { w.userinfo(w.tokens("viewer").text("access_token")).ok().has("sub") }),
	walked("2.1", "MUST", "scheme_of_any_case", "the name of the scheme is compared without case (RFC 9110, section 11.1)", func(w *walk) {
		w.send(http.MethodGet, "/userinfo", "", "Authorization", "bEARER "+w.tokens("viewer").text("access_token")).ok()
	}),
	walked("2.2", "MAY", "form", "a token in a form is taken", func(w *walk) {
		w.form("/userinfo", url.Values{"access_token": {w.tokens("viewer").text("access_token")}}).ok().has("sub")
	}),
	walked("2.2", "MUST NOT", "form_by_get", "a token is taken from the body of a GET", func(w *walk) {
		w.send(http.MethodGet, "/userinfo", "access_token="+w.tokens("viewer").text("access_token"), "Content-Type", formType).header("WWW-Authenticate", "Bearer").check401()
	}),
	walked("2.2", "MUST", "form_of_its_type", "a form says that it is one", func(w *walk) {
		w.send(http.MethodPost, "/userinfo", "access_token="+w.tokens("viewer").text("access_token"), "Content-Type", "text/plain").refused(400, "invalid_request")
	}),
	walked("2.3", "SHOULD NOT", "query", "a token stands in the URL", func(w *walk) {
		w.send(http.MethodGet, "/userinfo?access_token="+w.tokens("viewer").text("access_token"), "").refused(400, "invalid_request")
	}),
	walked("3", "MUST", "challenge", "a request without a token is answered with WWW-Authenticate: Bearer", func(w *walk) {
		w.send(http.MethodGet, "/userinfo", "").header("WWW-Authenticate", "Bearer ").check401()
	}),
	walked("3.1", "SHOULD NOT", "error_without_token", "an error code is in the answer to a request without a token", func(w *walk) {
		a := w.send(http.MethodGet, "/userinfo", "")
		w.check(!strings.Contains(a.head.Get("WWW-Authenticate"), "error") && a.body == "", "%q %s", a.head.Get("WWW-Authenticate"), a.body)
	}),
	walked("3", "MUST NOT", "realm_once", "realm, scope and the parts of an error stand more than once in a challenge", func(w *walk) {
		a := w.userinfo("made-up")
		for _, part := range []string{"realm=", "error="} {
			w.check(strings.Count(a.head.Get("WWW-Authenticate"), part) == 1, "%q", a.head.Get("WWW-Authenticate"))
		}
	}),
	walked("3.1", "SHOULD", "invalid_request", "invalid_request is 400", func(w *walk) {
		w.send(http.MethodGet, "/userinfo", "", "Authorization", "Bearer a b").refused(400, "invalid_request").header("WWW-Authenticate", `error="invalid_request"`)
	}),
	walked("3.1", "SHOULD", "invalid_token", "invalid_token, for one that is unknown, expired or revoked, is 401", func(w *walk) {
		w.userinfo("made-up").refused(401, "invalid_token").header("WWW-Authenticate", `error="invalid_token"`)
	}),
	walked("3.1", "SHOULD", "revoked", "a revoked token is invalid_token", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.userinfo(access).ok()
		w.as("viewer", "/revoke", "token", access).ok()
		w.userinfo(access).refused(401, "invalid_token")
	}),
	walked("3.1", "SHOULD", "expired", "an expired token is invalid_token", func(w *walk) {
		access := w.tokens("brief").text("access_token")
		time.Sleep(2 * time.Second) // it lives for one
		w.userinfo(access).refused(401, "invalid_token")
	}),
	walked("3.1", "SHOULD", "insufficient_scope", "insufficient_scope is 403, and may say which scope is wanted", func(w *walk) {
		w.userinfo(w.tokens("viewer", "scope", "profile").text("access_token")).refused(403, "insufficient_scope").header("WWW-Authenticate", `scope="openid"`)
	}),
	walked("4", "MUST", "token_type", "token_type is Bearer for such tokens", func(w *walk) {
		w.check(w.tokens("viewer").text("token_type") == "Bearer", "another")
	}),
	shownBy("5.2", "MUST", "TLS protects tokens on the way: https, or this machine alone", "oidc.TestNewRefusesWhatIsUnsafe"),
	walked("5.3", "SHOULD", "short_lived", "tokens live an hour at most", func(w *walk) {
		n := w.tokens("viewer").number("expires_in")
		w.check(n > 0 && n <= 3600, "%v s", n)
	}),
	walked("5.3", "SHOULD", "audience", "tokens say for whom they are", func(w *walk) {
		a := w.introspects("viewer", w.tokens("viewer").text("access_token"))
		w.check(a.lists("aud", "archive"), "%s", a.body)
	}),
	walked("5.3", "MUST NOT", "not_in_cookies", "tokens stand in cookies that go in the clear", func(w *walk) {
		at := w.visits("viewer")
		w.check(at.url.Query().Get("code") != "" && !strings.Contains(strings.Join(at.head.Values("Set-Cookie"), " "), at.url.Query().Get("code")), "%v", at.head.Values("Set-Cookie"))
		for _, c := range w.anna().web.Jar.Cookies(must[*url.URL](w)(url.Parse(w.x.issuer + "/"))) {
			w.check(strings.HasPrefix(c.Name, "__Host-"), "cookie %s is not of https alone", c.Name)
		}
	}),
}}

var rfc7009 = &standard{"RFC7009", "RFC 7009", "OAuth 2.0 Token Revocation", "All of it.", []requirement{
	walked("2", "MUST", "refresh_tokens", "refresh tokens can be revoked", func(w *walk) {
		refresh := w.tokens("viewer").text("refresh_token")
		w.as("viewer", "/revoke", "token", refresh).ok()
		w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", refresh).refused(400, "invalid_grant")
	}),
	walked("2", "SHOULD", "access_tokens", "access tokens can be revoked", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.as("viewer", "/revoke", "token", access).ok()
		w.check(!w.active("viewer", access), "still active")
	}),
	walked("2", "MUST", "https", "the address of the endpoint is https", func(w *walk) {
		w.check(strings.HasPrefix(w.discovery().text("revocation_endpoint"), "https://"), "not https")
	}),
	walked("2.1", "MUST", "post_form", "a request is a form by POST", func(w *walk) {
		w.check(w.send(http.MethodGet, "/revoke?token=x", "", "Authorization", w.basic("viewer")).status == http.StatusMethodNotAllowed, "GET is taken")
		w.send(http.MethodPost, "/revoke", `{"token":"x"}`, "Content-Type", "application/json", "Authorization", w.basic("viewer")).refused(400, "invalid_request")
	}),
	walked("2.1", "MUST", "token", "token is required", func(w *walk) { w.as("viewer", "/revoke").refused(400, "invalid_request") }),
	walked("2.1", "MUST", "authenticates", "the credentials of the client are checked first", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.form("/revoke", url.Values{"token": {access}}, "Authorization", authorized("viewer", "wrong")).refused(401, "invalid_client")
		w.check(w.active("viewer", access), "it is revoked all the same")
	}),
	walked("2.1", "MUST", "public", "clients without a secret say who they are", func(w *walk) {
		refresh := w.tokens("native").text("refresh_token")
		w.form("/revoke", url.Values{"token": {refresh}}).refused(401, "invalid_client")
		w.as("native", "/revoke", "token", refresh).ok()
		w.as("native", "/token", "grant_type", "refresh_token", "refresh_token", refresh).refused(400, "invalid_grant")
	}),
	walked("2.1", "MUST", "own_tokens", "a token of another client is refused with an error, and stays good", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.as("other", "/revoke", "token", access).refused(400, "invalid_grant")
		w.check(w.active("viewer", access), "it is revoked")
	}),
	walked("2.1", "MUST", "at_once", "a revoked token cannot be used from then on", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.as("viewer", "/revoke", "token", access).ok()
		w.userinfo(access).refused(401, "invalid_token")
	}),
	walked("2.1", "MUST", "hint_is_wrong", "a token is searched for among all kinds where the hint leads nowhere", func(w *walk) {
		refresh := w.tokens("viewer").text("refresh_token")
		w.as("viewer", "/revoke", "token", refresh, "token_type_hint", "access_token").ok()
		w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", refresh).refused(400, "invalid_grant")
	}),
	walked("2.2", "MUST", "hint_is_unknown", "a hint that nobody knows is ignored", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.as("viewer", "/revoke", "token", access, "token_type_hint", "frobnicate").ok()
		w.check(!w.active("viewer", access), "still active")
	}),
	walked("2.1", "SHOULD", "with_its_access_tokens", "with a refresh token the access tokens of its grant are revoked", func(w *walk) {
		a := w.tokens("viewer")
		w.as("viewer", "/revoke", "token", a.text("refresh_token")).ok()
		w.check(!w.active("viewer", a.text("access_token")), "still active")
	}),
	walked("2.1", "MAY", "not_its_refresh_token", "with an access token the refresh token is revoked too", func(w *walk) {
		a := w.tokens("viewer")
		w.as("viewer", "/revoke", "token", a.text("access_token")).ok()
		w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", a.text("refresh_token")).ok()
	}).but("otherwise: an access token is revoked alone; who wants an end of all revokes the refresh token"),
	walked("2.2", "MUST", "ok", "200 when it is revoked", func(w *walk) { w.as("viewer", "/revoke", "token", w.tokens("viewer").text("access_token")).ok() }),
	walked("2.2", "MUST", "unknown", "200 for a token that nobody knows", func(w *walk) { w.as("viewer", "/revoke", "token", "made-up").ok() }),
	walked("2.2", "MUST", "twice", "200 for a token that was revoked before", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.as("viewer", "/revoke", "token", access).ok()
		w.as("viewer", "/revoke", "token", access).ok()
	}),
	walked("2.2.1", "MAY", "unsupported_token_type", "unsupported_token_type for kinds of tokens that cannot be revoked", func(w *walk) {
		w.as("viewer", "/revoke", "token", w.tokens("viewer").text("id_token")).ok()
	}).but("otherwise: an ID token is answered as a token that nobody knows; it opens nothing here"),
	walked("2.3", "MAY", "cors", "scripts of the client's own origin may call it", func(w *walk) {
		a := w.form("/revoke", url.Values{"token": {"x"}, "client_id": {"native"}}, "Origin", "https://evil.test")
		w.check(a.head.Get("Access-Control-Allow-Origin") == "", "of any origin: %v", a.head)
		a = w.form("/revoke", url.Values{"token": {"x"}}, "Authorization", w.basic("viewer"), "Origin", "https://viewer.klinik.test")
		w.check(a.head.Get("Access-Control-Allow-Origin") == "https://viewer.klinik.test", "%v", a.head)
	}),
	unbuilt("2.3", "MAY", "JSONP", "scripts use CORS"),
	walked("5", "MUST", "guessing", "abuse of the endpoint is kept off as at the token endpoint: the answer does not tell a guesser whether a token was good", func(w *walk) {
		a, b := w.as("viewer", "/revoke", "token", "made-up"), w.as("viewer", "/revoke", "token", w.tokens("viewer").text("access_token"))
		w.check(a.status == b.status && a.body == b.body, "%d %s, %d %s", a.status, a.body, b.status, b.body)
	}),
}}

var rfc7636 = &standard{"RFC7636", "RFC 7636", "Proof Key for Code Exchange", "All of it.", []requirement{
	shownBy("4.1", "MUST", "a code verifier has 43 to 128 unreserved letters; a shorter one is refused", "oidc.TestShortVerifierIsRefused"),
	walked("4.2", "MUST", "s256", "S256 is offered", func(w *walk) {
		w.check(w.discovery().lists("code_challenge_methods_supported", "S256"), "not listed")
		w.tokens("viewer").has("access_token")
	}),
	walked("4.2", "MAY", "plain", "plain is offered", func(w *walk) {
		w.refusedAt("viewer", "invalid_request", "code_challenge_method", "plain", "code_challenge", w.party("viewer").verifier)
	}).but("otherwise: it protects nothing of what it is meant to (RFC 9700, section 2.1.1)"),
	walked("4.3", "MUST", "default_method", "without code_challenge_method it is plain", func(w *walk) { w.refusedAt("viewer", "invalid_request", "code_challenge_method", "") }).
		but("otherwise: plain is not offered, so that the request is refused"),
	walked("4.4", "MUST", "kept_with_the_code", "challenge and method are kept with the code", func(w *walk) {
		code := w.code("viewer")
		w.redeems("viewer", code).ok()
	}),
	walked("4.4", "MUST NOT", "not_in_the_code", "the challenge can be read from the code", func(w *walk) {
		sum := must[*url.URL](w)(url.Parse(w.asking("viewer"))).Query().Get("code_challenge")
		w.check(!strings.Contains(w.code("viewer"), sum), "it stands in the code")
	}),
	walked("4.4.1", "MUST", "required", "where PKCE is demanded a request without is invalid_request", func(w *walk) {
		w.refusedAt("viewer", "invalid_request", "code_challenge", "", "code_challenge_method", "")
	}),
	walked("4.4.1", "SHOULD", "explained", "and the description says why", func(w *walk) {
		q := w.refusedAt("viewer", "invalid_request", "code_challenge", "", "code_challenge_method", "")
		w.check(strings.Contains(q.Get("error_description"), "code_challenge"), "%v", q)
	}),
	walked("4.4.1", "MUST", "unknown_method", "a method that is not offered is invalid_request", func(w *walk) { w.refusedAt("viewer", "invalid_request", "code_challenge_method", "S512") }),
	walked("4.6", "MUST", "verifier", "the verifier is compared before tokens are given", func(w *walk) {
		w.redeems("viewer", w.code("viewer"), "code_verifier", strings.Repeat("another-", 8)).refused(400, "invalid_grant")
	}),
	walked("4.5", "MUST", "verifier_missing", "a code with a challenge is not redeemed without a verifier", func(w *walk) {
		w.redeems("viewer", w.code("viewer"), "code_verifier", "").refused(400, "invalid_grant")
	}),
	walked("4.6", "MUST", "of_clients_that_may_go_without", "this holds for a client that may go without PKCE, once it has sent a challenge", func(w *walk) {
		w.redeems("optional", w.code("optional"), "code_verifier", "").refused(400, "invalid_grant")
	}),
	walked("5", "MAY", "without", "requests of clients without PKCE are taken, where the registration has it so", func(w *walk) {
		w.redeems("optional", w.code("optional", "code_challenge", "", "code_challenge_method", ""), "code_verifier", "").ok()
	}),
	walked("7.2", "MUST NOT", "no_downgrade", "a client is brought from S256 down to plain", func(w *walk) {
		verifier := must[*url.URL](w)(url.Parse(w.asking("viewer"))).Query().Get("code_challenge")
		w.redeems("viewer", w.code("viewer"), "code_verifier", verifier, "code_challenge_method", "plain").refused(400, "invalid_grant")
	}),
}}

var rfc7662 = &standard{"RFC7662", "RFC 7662", "OAuth 2.0 Token Introspection", "All of it. An API that introspects is a client of its own.", []requirement{
	walked("2", "MUST", "https", "the address of the endpoint is https", func(w *walk) {
		w.check(strings.HasPrefix(w.discovery().text("introspection_endpoint"), "https://"), "not https")
	}),
	walked("2.1", "MUST", "post_form", "a request is a form by POST", func(w *walk) {
		w.check(w.send(http.MethodGet, "/introspect?token=x", "", "Authorization", w.basic("viewer")).status == http.StatusMethodNotAllowed, "GET is taken")
		w.send(http.MethodPost, "/introspect", `{"token":"x"}`, "Content-Type", "application/json", "Authorization", w.basic("viewer")).refused(400, "invalid_request")
	}),
	walked("2.1", "MUST", "token", "token is required", func(w *walk) { w.as("viewer", "/introspect").refused(400, "invalid_request") }),
	walked("2.1", "MUST", "authorized", "who asks has to be authorized, so that nobody tries out tokens", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.form("/introspect", url.Values{"token": {access}}).refused(401, "invalid_client")
		w.form("/introspect", url.Values{"token": {access}, "client_id": {"native"}}).refused(401, "invalid_client")
		w.form("/introspect", url.Values{"token": {access}}, "Authorization", authorized("viewer", "wrong")).refused(401, "invalid_client")
	}),
	walked("2.1", "MUST", "hint_is_wrong", "a token is searched for among all kinds where the hint leads nowhere", func(w *walk) {
		a := w.tokens("viewer")
		w.check(w.introspects("viewer", a.text("access_token"), "token_type_hint", "refresh_token").members["active"] == true, "the access token is not found")
		w.check(w.introspects("viewer", a.text("refresh_token"), "token_type_hint", "frobnicate").members["active"] == true, "the refresh token is not found")
	}),
	walked("2.1", "MAY", "refresh_tokens", "refresh tokens can be introspected, by their client", func(w *walk) {
		refresh := w.tokens("viewer").text("refresh_token")
		w.check(w.active("viewer", refresh) && !w.active("archive", refresh), "not so")
	}),
	walked("2.2", "MUST", "active", "active is a truth value, in JSON", func(w *walk) {
		a := w.introspects("viewer", w.tokens("viewer").text("access_token")).ok().header("Content-Type", "application/json")
		w.check(a.members["active"] == true, "%s", a.body)
	}),
	walked("2.2", "MAY", "members", "scope, client_id, username, token_type, exp, iat, sub, aud, iss are told", func(w *walk) {
		w.introspects("viewer", w.tokens("viewer").text("access_token")).ok().has("scope", "client_id", "username", "token_type", "exp", "iat", "sub", "aud", "iss")
	}),
	walked("2.2", "MUST", "unknown", "an unknown token is not active, and no error", func(w *walk) {
		a := w.introspects("viewer", "made-up").ok()
		w.check(a.members["active"] == false, "%s", a.body)
	}),
	walked("2.2", "MUST", "revoked", "a revoked token is not active", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.as("viewer", "/revoke", "token", access).ok()
		w.check(!w.active("viewer", access), "active")
	}),
	walked("2.2", "MUST", "expired", "an expired token is not active", func(w *walk) {
		access := w.tokens("brief").text("access_token")
		time.Sleep(2 * time.Second) // it lives for one
		w.check(!w.active("brief", access), "active")
	}),
	walked("2.2", "MUST", "used_refresh_token", "a refresh token that was used is not active", func(w *walk) {
		refresh := w.tokens("viewer").text("refresh_token")
		w.as("viewer", "/token", "grant_type", "refresh_token", "refresh_token", refresh).ok()
		w.check(!w.active("viewer", refresh), "active")
	}),
	walked("2.2", "MUST", "not_for_the_caller", "a token that is not for who asks is not active to them", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.check(!w.active("other", access) && w.active("archive", access), "not so")
	}),
	walked("2.2", "SHOULD NOT", "inactive_tells_nothing", "more is told of a token that is not active", func(w *walk) {
		a := w.introspects("other", w.tokens("viewer").text("access_token"))
		w.check(len(a.members) == 1, "%s", a.body)
	}),
	walked("2.2", "MAY", "by_resource", "the answer is made for who asks", func(w *walk) {
		access := w.tokens("viewer").text("access_token")
		w.check(w.introspects("archive", access).text("client_id") == "viewer", "not told whose it is")
	}),
	walked("2.3", "MUST", "bad_credentials", "401 for credentials that are not good", func(w *walk) {
		w.form("/introspect", url.Values{"token": {"x"}}, "Authorization", authorized("archive", "wrong")).refused(401, "invalid_client").header("WWW-Authenticate", "Basic")
	}),
	walked("4", "MUST", "checks_all", "every check that there is has been made: a token of a person who signed out is not active", func(w *walk) {
		p := w.somebody()
		rp := w.party("viewer")
		code := rp.answer(p.signIn(rp.authorize()))
		a := w.redeems("viewer", code).ok()
		w.check(w.active("viewer", a.text("access_token")), "not active at first")
		w.signOut(p, a.text("id_token"))
		w.check(!w.active("viewer", a.text("access_token")) && !w.active("archive", a.text("access_token")), "active after the end of the session")
	}),
	walked("4", "MUST NOT", "no_store", "an answer is kept by caches beyond the end of its token: none is kept at all", func(w *walk) { w.introspects("viewer", "x").header("Cache-Control", "no-store") }),
	walked("4", "MAY", "not_in_url", "a token in the URL is refused, since URLs stand in logs", func(w *walk) {
		w.form("/introspect?token=x", url.Values{}, "Authorization", w.basic("viewer")).refused(400, "invalid_request")
	}),
}}

var rfc8252 = &standard{"RFC8252", "RFC 8252", "OAuth 2.0 for Native Apps", "What it asks of an authorization server.", []requirement{
	walked("6", "MUST", "public", "clients without a secret are taken, and PKCE of them", func(w *walk) { w.tokens("native").has("access_token") }),
	walked("7.1", "MUST", "own_scheme", "redirect URIs of an app's own scheme are offered", func(w *walk) {
		at := w.visits("native", "redirect_uri", "org.klinik.viewer:/callback")
		w.check(strings.HasPrefix(at.url.String(), "org.klinik.viewer:/callback?") && at.url.Query().Get("code") != "", "%s", at.url)
	}),
	walked("7.2", "MUST", "claimed_https", "redirect URIs of https that an app claims are offered", func(w *walk) {
		made := w.registers(map[string]any{"client_name": "App", "application_type": "native", "token_endpoint_auth_method": "none", "redirect_uris": []string{"https://app.supplier.test/callback"}})
		w.check(made.status == http.StatusCreated, "%d %s", made.status, made.body)
	}),
	walked("7.3", "MUST", "any_port", "a loopback redirect may be on any port", func(w *walk) {
		for _, port := range []string{":1", ":50001", ""} {
			at := w.visits("native", "redirect_uri", "http://127.0.0.1"+port+"/callback")
			w.check(strings.HasPrefix(at.url.String(), "http://127.0.0.1"+port+"/callback?") && at.url.Query().Get("code") != "", "%s", at.url)
		}
	}),
	shownBy("7.3", "MUST", "by IPv4 and by IPv6", "oidc.TestLoopbackMayOnlyChangeThePort"),
	walked("8.4", "MUST", "nothing_else", "nothing but the port of a loopback redirect may differ", func(w *walk) {
		for _, uri := range []string{"http://127.0.0.1:7777/other", "http://127.0.0.1:7777/callback?x", "http://localhost:7777/callback", "https://127.0.0.1:7777/callback", "http://127.0.0.2:7777/callback"} {
			w.staysHere(w.visits("native", "redirect_uri", uri))
		}
	}),
	walked("8.1", "SHOULD", "pkce", "a native app that asks without PKCE is refused", func(w *walk) {
		w.refusedAt("native", "invalid_request", "code_challenge", "", "code_challenge_method", "")
	}),
	walked("8.2", "SHOULD NOT", "implicit", "native apps use the implicit grant", func(w *walk) {
		f := must[url.Values](w)(url.ParseQuery(w.visits("native", "response_type", "token").url.Fragment))
		w.check(f.Get("error") == "unsupported_response_type", "%v", f)
	}),
	walked("8.4", "MUST", "registered", "clients register their complete redirect URIs, and others are refused", func(w *walk) {
		w.staysHere(w.visits("native", "redirect_uri", "org.klinik.viewer:/other"))
		w.staysHere(w.visits("native", "redirect_uri", "org.klinik.other:/callback"))
	}),
	walked("8.4", "MUST", "type_is_kept", "the kind of client is registered, and decides what is taken of it", func(w *walk) {
		w.registers(map[string]any{"client_name": "Web", "redirect_uris": []string{"org.klinik.viewer:/callback"}}).refused(400, "invalid_redirect_uri")
	}),
	walked("8.5", "MUST NOT", "shared_secret", "a secret that is shipped with an app counts as proof", func(w *walk) {
		w.form("/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {"native"}, "client_secret": {"anything"}, "code": {w.code("native")}}).refused(401, "invalid_client")
	}),
	otherwise("8.6", "SHOULD NOT", "requests of native apps are answered without the person", "an administrator registers the app, and may have people asked (`--consent`); an app that registered itself always asks", "oidc.TestRegistration"),
	otherwise("8.12", "MAY", "requests from embedded browsers are found out and refused", "nothing that such a browser sends says so reliably", ""),
}}
