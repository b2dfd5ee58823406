package oidc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zitadel/oidc/v3/pkg/op"

	"hilum/idp"
	"hilum/idp/serve"
)

// Bounds of what a request may carry, in bytes.
const (
	maxForm  = 32 << 10
	maxQuery = 20 << 10 // of an authorization or end-session request, encoded; a state may take all of it
	maxValue = 2 << 10  // one parameter
	maxToken = 8 << 10  // one that holds a token
)

// Header values that never change. Their capacity is their length, so that an
// Add to one copies it.
var (
	noStore   = []string{"no-store"}
	noCache   = []string{"no-cache"}
	anyOrigin = []string{"*"}
	byOrigin  = []string{"Origin"}
)

// methods are the HTTP methods that an endpoint knows, each with its chain of handlers.
type methods map[string]http.Handler

// mount adds an endpoint to mux. The response to every other method is 405; to HEAD too
// unless it is named, for some endpoints begin sign-ins by GET.
func (m methods) mount(mux *http.ServeMux, path string) { m.mountFor(noScripts, mux, path) }

// endpoint is an endpoint that may be mounted under more than one address.
type endpoint struct {
	from    originPolicy
	methods methods
}

// mountFor is mount for an endpoint that scripts of browsers may call, as the policy says.
func (m methods) mountFor(from originPolicy, mux *http.ServeMux, path string) {
	for method, chain := range m {
		mux.Handle(method+" "+path, chain)
	}
	allow := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
	refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setNoStore(w.Header())
		w.Header().Set("Allow", allow)
		writeError(from.response(w, r, nil), http.StatusMethodNotAllowed, codeInvalidRequest, "This endpoint does not know that method.")
	})
	mux.Handle(path, refuse)
	if _, ok := m[http.MethodHead]; !ok {
		mux.Handle(http.MethodHead+" "+path, refuse)
	}
}

// setNoStore keeps a response out of every cache (RFC 6749, section 5.1).
func setNoStore(h http.Header) {
	h["Cache-Control"] = noStore
	h["Pragma"] = noCache
}

// page is an endpoint that browsers visit. Its responses are not cached.
type page func(w http.ResponseWriter, r *http.Request)

func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setNoStore(w.Header())
	p(w, r)
}

// preflight answers a CORS preflight request (the Fetch standard). No client is named yet,
// so it says yes to all; whether the script may read the response is decided there, see
// response.WriteHeader. Cookies are never part of it.
var preflight = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h["Access-Control-Allow-Origin"] = anyOrigin
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
})

// response is the response of an endpoint that clients call. It completes the headers when
// the status is known: the challenge, and what a script may read (CORS).
type response struct {
	http.ResponseWriter
	ctx        context.Context
	origin     string         // of the script that asks (CORS); empty: no script may read it
	from       originPolicy   // whose scripts may read it while the client is not known
	client     *idp.Client    // once known
	sent       credentials    // of a client, as clientForm has read them
	challenges map[int]string // values of WWW-Authenticate, by status
	cookies    bool           // the script may have asked with cookies, which nobody looks at: the realm
	done       bool
}

// challenges of endpoints where clients authenticate (RFC 6749, section 5.2),
// and of userinfo (RFC 6750, section 3).
var (
	clientChallenges = map[int]string{
		http.StatusUnauthorized: `Basic realm="clients", charset="UTF-8"`,
	}
	bearerChallenges = map[int]string{
		http.StatusBadRequest:   `Bearer realm="userinfo", error="invalid_request"`,
		http.StatusUnauthorized: `Bearer realm="userinfo", error="invalid_token"`,
		http.StatusForbidden:    `Bearer realm="userinfo", error="insufficient_scope", scope="openid"`,
	}
)

// WriteHeader completes the headers and sends them, once.
func (a *response) WriteHeader(status int) {
	if a.done {
		return
	}
	a.done = true
	h := a.Header()
	if c := a.challenges[status]; c != "" && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", c)
	}
	if a.origin != "" {
		h["Vary"] = byOrigin
		if a.readable() {
			h.Set("Access-Control-Allow-Origin", a.origin)
			h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After, DPoP-Nonce")
			if a.cookies {
				h.Set("Access-Control-Allow-Credentials", "true")
			}
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

// readable reports whether a script of the origin that asks may read the response: once
// the client is known, if it has registered that origin. Before, it can be an error only,
// in fixed words; a script of any client's origin may know why it was refused, or it could
// not tell a token that is not good from a network that is down.
func (a *response) readable() bool {
	if a.client != nil {
		return slices.Contains(a.client.Origins, a.origin)
	}
	return a.from(a.ctx, a.origin)
}

// Write sends a part of the body, and the headers before the first.
func (a *response) Write(b []byte) (int, error) {
	if !a.done {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(b)
}

// responseKey finds the response of a request in its context.
type responseKey struct{}

// serveWith passes the request on with its response in the context, which is told of the
// client (identified). A rejectionWriter is in the context already, and carries it.
func serveWith(a *response, r *http.Request, next http.Handler) {
	if t, ok := a.ResponseWriter.(*rejectionWriter); ok {
		t.response = a
	} else {
		r = r.WithContext(context.WithValue(r.Context(), responseKey{}, a))
	}
	next.ServeHTTP(a, r)
}

// responseOf is the response of a request beneath serveWith; nil: it is not beneath.
func responseOf(ctx context.Context) *response {
	if t, ok := ctx.Value(rejectionKey{}).(*rejectionWriter); ok {
		return t.response
	}
	a, _ := ctx.Value(responseKey{}).(*response)
	return a
}

// identified notes which client a request is of, once that is known: for the log, and so
// that scripts of its origins may read the response.
func identified(ctx context.Context, c *idp.Client) {
	serve.From(ctx).Note(slog.String("client", string(c.ID)))
	if a := responseOf(ctx); a != nil {
		a.client = c
	}
}

// originPolicy reports whether an origin is one that any client has registered, whose
// scripts may then call an endpoint. nil: no script may.
type originPolicy func(ctx context.Context, origin string) bool

// noScripts is for endpoints that no script of a browser may call.
var noScripts originPolicy

// response begins the response to a request. challenges are values of WWW-Authenticate, by
// status.
func (from originPolicy) response(w http.ResponseWriter, r *http.Request, challenges map[int]string) *response {
	a := &response{ResponseWriter: w, ctx: r.Context(), challenges: challenges, cookies: inRealm(r.Context())}
	if from != nil {
		a.origin, a.from = r.Header.Get("Origin"), from
	}
	return a
}

// clientForm admits a form posted by a client: its parameters in the body and each of them
// once, client credentials in exactly one well-formed way (RFC 6749, sections 2.3 and
// 3.2).
func clientForm(from originPolicy, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setNoStore(w.Header())
		a := from.response(w, r, clientChallenges)
		// A secret or a code in a URL ends up in the logs of everything it passes.
		if r.URL.RawQuery != "" {
			writeError(a, http.StatusBadRequest, codeInvalidRequest, "Parameters belong in the body, not in the URL.")
			return
		}
		form, err := readForm(r)
		if err != nil {
			writeFormError(a, err)
			return
		}
		sent, refused := readCredentials(r.Header, form)
		if refused != nil {
			status := http.StatusBadRequest
			if refused.code == codeInvalidClient {
				status = http.StatusUnauthorized
			}
			method, reason := claimedMethod(r.Header, form)
			rejectedUnauthenticated(r.Context(), claimedClientID(r.Header, form), reason, method)
			writeError(a, status, refused.code, refused.description)
			return
		}
		a.sent = sent
		r.Form, r.PostForm = form, form
		serveWith(a, r, next)
	})
}

// offeredGrants admits the grant types that are offered. Errors: invalid_request,
// unsupported_grant_type (RFC 6749, section 5.2).
func offeredGrants(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Form.Get("grant_type") {
		case idp.GrantCode, idp.GrantRefresh, idp.GrantClientCredentials, idp.GrantDevice, idp.GrantCIBA, idp.GrantExchange:
			next.ServeHTTP(w, r)
		case "":
			writeError(w, http.StatusBadRequest, codeInvalidRequest, "grant_type is missing.")
		default:
			rejectedUnauthenticated(r.Context(), claimedClientID(r.Header, r.Form), idp.RejectedGrantType, r.Form.Get("grant_type"))
			writeError(w, http.StatusBadRequest, codeUnsupportedGrant, "This grant type is not offered.")
		}
	})
}

// confidentialOnly admits requests with a client secret, a client assertion or a certificate;
// whether it is right is checked later. Error: invalid_client.
func confidentialOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" && r.Form.Get("client_secret") == "" && r.Form.Get("client_assertion") == "" && serve.ClientCertificates(r.Context()) == nil {
			rejectedUnauthenticated(r.Context(), claimedClientID(r.Header, r.Form), idp.RejectedMethod, string(idp.AuthNone))
			writeError(w, http.StatusUnauthorized, codeInvalidClient, "Client authentication failed.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bearerToken admits one access token, in the Authorization header (RFC 6750, section 2.1;
// RFC 9449, section 7.1) or in a form (RFC 6750, section 2.2), never in the URL. Beside a header, a body that
// is no form says nothing, and is not looked at: some libraries post an empty
// JSON object (OpenID Connect Core 1.0, section 5.3.1, asks for no body).
func bearerToken(from originPolicy, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setNoStore(w.Header())
		a := from.response(w, r, bearerChallenges)
		if r.URL.RawQuery != "" {
			query, err := url.ParseQuery(r.URL.RawQuery)
			if err != nil || query.Has("access_token") {
				writeError(a, http.StatusBadRequest, codeInvalidRequest, "An access token belongs in the Authorization header.")
				return
			}
		}
		var form url.Values
		if r.Method == http.MethodPost {
			var err error
			form, err = readForm(r)
			if errors.Is(err, errEmpty) || errors.Is(err, errNoForm) && len(r.Header.Values("Authorization")) > 0 {
				form, err = nil, nil
			}
			if err != nil {
				writeFormError(a, err)
				return
			}
		}
		token := form.Get("access_token")
		if header := r.Header.Values("Authorization"); len(header) > 0 {
			scheme, value, _ := strings.Cut(header[0], " ")
			value = strings.TrimLeft(value, " ")
			switch {
			case !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "DPoP"):
				challenge(a)
				return
			case token != "" || len(header) > 1 || value == "" || strings.ContainsAny(value, " ,"):
				writeError(a, http.StatusBadRequest, codeInvalidRequest, "Send one access token, in one way.")
				return
			}
			token = value
		}
		if token == "" {
			challenge(a)
			return
		}
		form = url.Values{"access_token": {token}}
		r.Form, r.PostForm = form, form
		serveWith(a, r, next)
	})
}

// challenge asks for an access token without an error code: none was sent (RFC 6750,
// section 3.1).
func challenge(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="userinfo"`)
	w.WriteHeader(http.StatusUnauthorized)
}

// errorResponse is the error and the error_description of an error response (RFC 6749,
// sections 4.1.2.1 and 5.2). The description is fixed words.
type errorResponse struct{ code, description string }

var (
	errNoForm  = errors.New("not a form")
	errEmpty   = fmt.Errorf("nothing at all: %w", errNoForm)
	errTooLong = errors.New("too long")
	errTwice   = errors.New("a parameter twice")
	errForm    = errors.New("malformed")
)

// readForm reads the body as a form with each parameter once. Errors: those of readBody
// and parseForm.
func readForm(r *http.Request) (url.Values, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	return parseForm(body)
}

// readBody reads the body of a form. Errors: errTooLong, errNoForm, or errEmpty
// where there is no body at all.
func readBody(r *http.Request) (string, error) {
	kind, _, noKind := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	switch {
	case err != nil || len(body) > maxForm:
		return "", errTooLong
	case noKind == nil && kind == "application/x-www-form-urlencoded":
		return string(body), nil
	case len(body) == 0:
		return "", errEmpty
	}
	return "", errNoForm
}

// parseForm reads parameters in form encoding, each of them once. One without a value is
// treated as omitted (RFC 6749, section 3.2). Errors: errForm, errTwice.
func parseForm(raw string) (url.Values, error) {
	form, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errForm
	}
	var malformed error
	for name, values := range form {
		// Of all parameters only those that name targets may be repeated (RFC 8707, RFC 8693).
		if len(values) > 1 && name != "resource" && name != "audience" {
			return nil, errTwice
		}
		if !wellFormed(name, maxValue) || slices.ContainsFunc(values, func(v string) bool { return !goodValue(name, v) }) {
			malformed = errForm // a parameter twice is said first, in whatever order they are looked at
		}
		if values[0] == "" {
			delete(form, name)
		}
	}
	if malformed != nil {
		return nil, malformed
	}
	return form, nil
}

// limitOf is how many bytes the value of a parameter may have.
func limitOf(name string) int {
	switch name {
	case "id_token_hint", "token", "refresh_token", "access_token", "client_assertion", "request", "subject_token", "actor_token":
		return maxToken
	}
	return maxValue
}

// goodValue reports whether a value of a parameter can be used. state is the client's own:
// it goes back as it came, and is bounded by its request alone. No page can carry a NUL.
func goodValue(name, v string) bool {
	if name == "state" {
		return utf8.ValidString(v) && strings.IndexByte(v, 0) < 0
	}
	return wellFormed(v, limitOf(name))
}

// wellFormed reports whether a name or value is valid UTF-8 of at most limit bytes,
// without control characters.
func wellFormed(v string, limit int) bool {
	if len(v) > limit || !utf8.ValidString(v) {
		return false
	}
	return !strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// writeFormError writes the error response for a form that readForm refused (400).
func writeFormError(w http.ResponseWriter, err error) {
	text := "The form is malformed, or a value is too long."
	switch {
	case errors.Is(err, errNoForm):
		text = "Send a form: application/x-www-form-urlencoded."
	case errors.Is(err, errTooLong):
		text = "The form is too long."
	case errors.Is(err, errTwice):
		text = "A parameter was sent twice."
	}
	writeError(w, http.StatusBadRequest, codeInvalidRequest, text)
}

// credentials are what a client sends to prove itself.
type credentials struct {
	op.ClientCredentials
	basic bool // they came in the Authorization header
}

// readCredentials reads the client credentials of a request, which have to be well formed and
// by exactly one method (RFC 6749, section 2.3). Whether they are right, and the method is
// the registered one, verify says.
func readCredentials(h http.Header, form url.Values) (credentials, *errorResponse) {
	sent := credentials{ClientCredentials: op.ClientCredentials{
		ClientID: form.Get("client_id"), ClientSecret: form.Get("client_secret"),
		ClientAssertion: form.Get("client_assertion"), ClientAssertionType: form.Get("client_assertion_type"),
	}}
	failed := &errorResponse{codeInvalidClient, "Client authentication failed."}
	header := h.Values("Authorization")
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		// A part of one must not let a request pass as that of a public client.
		switch subject := assertionSubject(sent.ClientAssertion); {
		case len(header) > 0 || form.Has("client_secret"):
			return sent, &errorResponse{codeInvalidRequest, "Authenticate in one way, not in two."}
		case sent.ClientAssertionType != assertionType || subject == "":
			return sent, failed
		case form.Has("client_id") && sent.ClientID != subject:
			return sent, &errorResponse{codeInvalidRequest, "client_id contradicts the client_assertion."}
		}
		return sent, nil
	}
	if len(header) == 0 {
		if sent.ClientID == "" {
			return sent, failed
		}
		return sent, nil
	}
	id, secret, ok := basicAuth(header)
	switch {
	case !ok:
		return sent, failed
	case form.Has("client_secret"):
		return sent, &errorResponse{codeInvalidRequest, "Authenticate in one way, not in two."}
	case form.Has("client_id") && sent.ClientID != id:
		return sent, &errorResponse{codeInvalidRequest, "client_id contradicts the Authorization header."}
	}
	sent.ClientID, sent.ClientSecret, sent.basic = id, secret, true
	return sent, nil
}

// basicAuth reads client id and secret of HTTP Basic authentication, where both are
// percent-encoded (RFC 6749, section 2.3.1). false: there are none, or more than one, or
// they are malformed.
func basicAuth(header []string) (id, secret string, ok bool) {
	if len(header) != 1 {
		return "", "", false
	}
	scheme, value, _ := strings.Cut(header[0], " ")
	if !strings.EqualFold(scheme, "Basic") || len(value) > maxValue {
		return "", "", false
	}
	plain, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return "", "", false
	}
	rawID, rawSecret, found := strings.Cut(string(plain), ":")
	id, errID := url.QueryUnescape(rawID)
	secret, errSecret := url.QueryUnescape(rawSecret)
	if !found || errID != nil || errSecret != nil || id == "" || secret == "" || !wellFormed(id, maxValue) || !wellFormed(secret, maxValue) {
		return "", "", false
	}
	return id, secret, true
}
