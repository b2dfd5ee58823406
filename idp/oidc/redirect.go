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
)

// registered reports whether a client may be answered at uri: byte for byte one
// that is registered, or for a native application on loopback one that differs
// in nothing but the port (RFC 8252, section 7.3).
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

// destination is where the answer to an authorization request goes. It is made
// only of a registered redirect URI.
type destination struct {
	uri   string
	mode  string
	state string
}

// send answers the relying party. Every answer names us and repeats the state
// (RFC 9207; RFC 6749, section 4.1.2).
func (s *Server) send(w http.ResponseWriter, r *http.Request, to destination, params url.Values) {
	params.Set("iss", s.conf.Issuer)
	if to.state != "" {
		params.Set("state", to.state)
	}
	switch to.mode {
	case modeFormPost:
		s.conf.Pages.FormPost(w, r, to.uri, params)
	case modeFragment:
		redirect(w, to.uri+"#"+params.Encode())
	default:
		redirect(w, withQuery(to.uri, params))
	}
}

// refuse tells the relying party why it gets no code.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, to destination, why *refusal) {
	s.send(w, r, to, url.Values{"error": {why.code}, "error_description": {why.text}})
}

// withQuery adds parameters to a URI and leaves every byte of it as it is.
func withQuery(uri string, params url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + params.Encode()
}

// redirect sends a browser on with GET. The URL goes out as it is:
// http.Redirect would clean it.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
