package oidc

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hilum/idp"
)

// requestParameters are the parameters of an authorization request that are known. Others
// are ignored (OpenID Connect Core 1.0, section 3.1.2.1), even when they are repeated.
var requestParameters = []string{
	"acr_values", "claims", "claims_locales", "client_id", "code_challenge", "code_challenge_method", "display", "dpop_jkt",
	"id_token_hint", "login_hint", "max_age", "nonce", "prompt", "redirect_uri", "registration", "request",
	"request_uri", "response_mode", "response_type", "scope", "state", "ui_locales",
}

// single returns a parameter that is sent once, well formed and not empty.
func single(q url.Values, name string) (string, bool) {
	v := q[name]
	if len(v) != 1 || v[0] == "" || !wellFormed(v[0], limitOf(name)) {
		return "", false
	}
	return v[0], true
}

// targetOf is where the authorization response to a request of a client goes whose redirect
// URI is good. A response mode that is not supported there is not used: errors then go by
// the default of the response type.
//
// That is the query for code, and for what is no response type. Who asks for one that gives
// tokens to the browser listens to the fragment, and is told there that it is not offered
// (OAuth 2.0 Multiple Response Type Encoding Practices, section 5), unless by a response mode
// of its own choice.
func targetOf(q url.Values, c *idp.Client, uri string) responseTarget {
	to := responseTarget{client: c, uri: uri, mode: modeQuery, state: stateOf(q)}
	if kind, _ := single(q, "response_type"); slices.ContainsFunc(spaceDelimited(kind), func(word string) bool { return word == "token" || word == "id_token" }) {
		to.mode = modeFragment
	}
	mode, _ := single(q, "response_mode")
	plain, signed := strings.CutSuffix(mode, modeSigned)
	switch {
	case mode == modeJWT:
		signed = true
	case plain == modeQuery, plain == modeFragment:
		to.mode = plain
	case plain == modeFormPost:
		// A form can be posted to a web address only, not to an application's own scheme.
		if strings.HasPrefix(uri, "https://") || strings.HasPrefix(uri, "http://") {
			to.mode = plain
		}
	default:
		signed = false
	}
	if signed {
		to.mode += modeSigned
	}
	return to
}

// stateOf is the state that every authorization response repeats, byte for byte, whatever
// else is wrong with the request (RFC 6749, section 4.1.2.1): how else would the client
// know which of its requests failed. Of two that differ none is repeated.
func stateOf(q url.Values) string {
	states := slices.Compact(slices.Clone(q["state"]))
	if len(states) != 1 {
		return ""
	}
	return states[0]
}

// readRequest validates an authorization request whose client and redirect URI are good. A
// parameter without a value is treated as omitted (RFC 6749, section 3.1). The
// errorResponse says what is wrong; nil: nothing.
func (s *Server) readRequest(q parameters, c *idp.Client, to responseTarget) (*idp.AuthRequest, *errorResponse) {
	invalid := func(text string) (*idp.AuthRequest, *errorResponse) {
		return nil, &errorResponse{codeInvalidRequest, text}
	}
	get := func(name string) string {
		v, _ := single(q.Values, name)
		return v
	}
	if q.refused != nil {
		return nil, q.refused
	}
	for _, name := range requestParameters {
		if v := q.Values[name]; len(v) > 1 {
			return invalid("A parameter was sent twice: " + name)
		} else if len(v) == 1 && !goodValue(name, v[0]) {
			return invalid("A parameter is malformed or too long: " + name)
		}
	}
	switch {
	case get("request_uri") != "":
		return nil, &errorResponse{codeRequestURI, "request_uri is not supported."}
	case get("registration") != "":
		return nil, &errorResponse{codeRegistration, "registration is not supported."}
	case get("response_type") == "":
		return invalid("response_type is missing.")
	case get("response_type") != "code":
		return nil, &errorResponse{codeUnsupportedResponse, "The response_type offered is code."}
	case !c.Allows(idp.GrantCode):
		return nil, &errorResponse{codeUnauthorizedClient, "The client is not registered for this flow."}
	}
	if refused := s.readMode(get("response_mode"), c, to); refused != nil {
		return nil, refused
	}
	req := &idp.AuthRequest{
		Client:       c.ID,
		RedirectURI:  to.uri,
		ResponseMode: to.mode,
		Scopes:       allowedScopes(c, spaceDelimited(get("scope"))),
		State:        to.state,
		Nonce:        get("nonce"),
		LoginHint:    get("login_hint"),
		UILocales:    spaceDelimited(get("ui_locales")),
		ACRValues:    spaceDelimited(get("acr_values")),
		Signed:       q.signed,
	}
	if len(req.Scopes) == 0 {
		return nil, &errorResponse{codeInvalidScope, "No scope that this client may ask for."}
	}
	if refused := readPKCE(req, c, get("code_challenge"), get("code_challenge_method")); refused != nil {
		return nil, refused
	}
	if req.JKT = get("dpop_jkt"); req.JKT != "" && !validThumbprint(req.JKT) {
		return invalid("dpop_jkt is no SHA-256 thumbprint.")
	}
	if display := get("display"); slices.Contains([]string{"page", "popup", "touch", "wap"}, display) {
		req.Display = display
	}
	if age := get("max_age"); age != "" {
		n, err := strconv.ParseInt(age, 10, 32)
		if err != nil || age[0] < '0' || age[0] > '9' {
			return invalid("max_age is no number of seconds.")
		}
		req.MaxAge = &n
	}
	// Prompts that nobody knows are ignored, so that new ones can be introduced.
	for _, p := range spaceDelimited(get("prompt")) {
		if slices.Contains([]string{"none", "login", "consent", "select_account"}, p) && !slices.Contains(req.Prompt, p) {
			req.Prompt = append(req.Prompt, p)
		}
	}
	if words := spaceDelimited(get("prompt")); slices.Contains(words, "none") && len(words) > 1 {
		return invalid("prompt=none stands alone.")
	}
	if token := get("id_token_hint"); token != "" {
		h, err := s.readHint(token, s.issuerOf(c))
		if err != nil || !h.isFor(c.ID) {
			return invalid("id_token_hint is not an ID token of this client.")
		}
		req.HintUser = s.conf.Subjects.User(c, h.Subject)
	}
	if claims := get("claims"); claims != "" {
		if refused := s.readClaims(req, c, claims); refused != nil {
			return nil, refused
		}
	}
	return req, nil
}

// readMode makes sure that the response mode that is asked for, or its default, is one that
// the client may have at the target.
func (s *Server) readMode(mode string, c *idp.Client, to responseTarget) *errorResponse {
	switch {
	case mode != "" && mode != modeJWT && mode != to.mode:
		return &errorResponse{codeInvalidRequest, "This response_mode is not supported."}
	case !to.signed() && c.SignsMessages():
		return &errorResponse{codeInvalidRequest, "The response_mode of this client is jwt."}
	case !to.signed():
		return nil
	}
	if _, err := s.conf.Keys.Signer(c.SignedBy(c.Signing.ResponseAlg)); err != nil {
		return &errorResponse{codeInvalidRequest, "No key here signs by the authorization_signed_response_alg of the client."}
	}
	return nil
}

// readPKCE reads the code challenge (RFC 7636, section 4.3). Without a method it would be
// plain, which is not offered. Public clients cannot go without a challenge.
func readPKCE(req *idp.AuthRequest, c *idp.Client, challenge, method string) *errorResponse {
	switch {
	case challenge == "" && method == "" && c.OptionalPKCE && !c.Public():
		return nil
	case challenge == "":
		return &errorResponse{codeInvalidRequest, "code_challenge is missing."}
	case method != "S256":
		return &errorResponse{codeInvalidRequest, "The code_challenge_method offered is S256."}
	case !validPKCE(challenge):
		return &errorResponse{codeInvalidRequest, "code_challenge is malformed."}
	}
	req.Challenge = challenge
	return nil
}

// readClaims reads the claims parameter (OpenID Connect Core 1.0, section 5.5). A sub that
// it asks for is the person whom the client expects, as by id_token_hint; an essential acr
// that no sign-in here reaches is refused before anybody is troubled (section 5.5.1.1).
func (s *Server) readClaims(req *idp.AuthRequest, c *idp.Client, raw string) *errorResponse {
	asked, err := parseClaims([]byte(raw))
	if err != nil {
		return &errorResponse{codeInvalidRequest, "claims is not a claims request."}
	}
	for _, member := range []map[string]*individualClaim{asked.IDToken, asked.Userinfo} {
		sub := s.conf.Subjects.User(c, member["sub"].text())
		if sub == "" {
			continue
		}
		if req.HintUser != "" && req.HintUser != sub {
			return &errorResponse{codeInvalidRequest, "Two different subjects are expected."}
		}
		req.HintUser = sub
	}
	if acr := asked.IDToken["acr"]; acr != nil && acr.Essential && !slices.ContainsFunc(idp.ACRValues, acr.accepts) {
		return &errorResponse{codeUnmetAuthRequirement, "No sign-in here reaches the acr demanded."}
	}
	req.Claims = []byte(raw)
	req.Named = namedClaims(c, req.Scopes, asked)
	return nil
}

// allowedScopes are the scopes of a request that the client may ask for, each once.
// Without openid what is left is a plain OAuth 2.0 request: it gives an access token, but
// neither ID token nor userinfo. A request that names none, or openid alone, is one for the
// client's default scopes as well, where it has any (RFC 6749, section 3.3).
func allowedScopes(c *idp.Client, asked []string) []string {
	var scopes []string
	if len(c.DefaultScopes) > 0 && !slices.ContainsFunc(asked, func(scope string) bool { return scope != scopeOpenID }) {
		asked = append(slices.Clip(asked), c.DefaultScopes...)
	}
	for _, scope := range asked {
		if c.MayAsk(scope) && !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// spaceDelimited splits a parameter that is a list (RFC 6749, section 3.3).
func spaceDelimited(s string) []string { return strings.Fields(s) }
