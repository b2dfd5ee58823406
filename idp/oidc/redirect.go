package oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hilum/idp"
)

// Response modes (OAuth 2.0 Multiple Response Type Encoding Practices, section
// 2.1; OAuth 2.0 Form Post Response Mode).
const (
	modeQuery    = "query"
	modeFragment = "fragment"
	modeFormPost = "form_post"

	// modeJWT is the default of the response type, signed; each of the above is signed with
	// modeSigned behind it (JWT Secured Authorization Response Mode for OAuth 2.0, section 2.3).
	modeJWT    = "jwt"
	modeSigned = ".jwt"
)

// registered reports whether uri is a redirect URI of a client: byte for byte one that is
// registered, or for a native application on loopback one that differs in nothing but the
// port (RFC 8252, section 7.3).
func registered(c *idp.Client, uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	return c.Kind == idp.ClientNative && slices.ContainsFunc(c.RedirectURIs, func(own string) bool {
		return samePortless(own, uri)
	})
}

// samePortless compares two loopback URIs but for the port. It works on the
// bytes: whatever a parser could read differently is not equal.
func samePortless(own, asked string) bool {
	ownHost, ownRest, ok := splitLoopback(own)
	if !ok {
		return false
	}
	host, rest, ok := splitLoopback(asked)
	return ok && host == ownHost && rest == ownRest
}

// splitLoopback cuts the port out of http://host:port/rest; false unless the
// host is this machine and the port, if any, a number.
func splitLoopback(uri string) (host, rest string, ok bool) {
	after, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", "", false
	}
	authority := after
	if i := strings.IndexAny(after, "/?#\\"); i >= 0 {
		authority, rest = after[:i], after[i:]
	}
	host = authority
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && i > strings.LastIndexByte(authority, ']') {
		port, err := strconv.ParseUint(authority[i+1:], 10, 16)
		if err != nil || port == 0 {
			return "", "", false
		}
		host = authority[:i]
	}
	return host, rest, isLoopback(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
}

// responseTarget is where an authorization response goes, and how. It is made only of a
// registered redirect URI.
type responseTarget struct {
	client *idp.Client
	uri    string
	mode   string // never modeJWT
	state  string
}

// signed reports whether responses to the target are signed.
func (t *responseTarget) signed() bool { return strings.HasSuffix(t.mode, modeSigned) }

// sendAuthResponse sends the browser to the client with an authorization response. Every
// response has our issuer (RFC 9207, section 2; a signed one as its iss) and repeats the
// state (RFC 6749, section 4.1.2). One that cannot be signed is not sent: the person is
// shown that there was a fault.
func (s *Server) sendAuthResponse(w http.ResponseWriter, r *http.Request, to responseTarget, params url.Values) {
	if to.state != "" {
		params.Set("state", to.state)
	}
	mode, signed := strings.CutSuffix(to.mode, modeSigned)
	if signed {
		var err error
		if params, err = s.signedResponse(to.client, params); err != nil {
			s.serverErrorPage(w, r, "signing an authorization response", err)
			return
		}
	} else {
		params.Set("iss", s.issuerOf(to.client))
	}
	switch mode {
	case modeFormPost:
		s.conf.Pages.FormPost(w, r, to.uri, params)
	case modeFragment:
		redirect(w, to.uri+"#"+params.Encode())
	default:
		redirect(w, withQuery(to.uri, params))
	}
}

// sendAuthError sends an authorization error response (RFC 6749, section 4.1.2.1).
func (s *Server) sendAuthError(w http.ResponseWriter, r *http.Request, to responseTarget, e *errorResponse) {
	s.sendAuthResponse(w, r, to, url.Values{"error": {e.code}, "error_description": {e.description}})
}

// withQuery adds parameters to a URI and leaves every byte of it as it is.
func withQuery(uri string, params url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + params.Encode()
}

// redirect sends a browser to a URL with GET (303). The URL goes out as it is:
// http.Redirect would clean it.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
