package page

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// policyBase is what the Content-Security-Policy (CSP Level 3) of every page begins with:
// nothing but our own files, and no script or style in the page itself.
const policyBase = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "

// policy is the Content-Security-Policy of a page: who may have it in a frame
// (frame-ancestors), where its forms may end (form-action), and more directives.
func policy(ancestors string, forms []string, more ...string) string {
	parts := append(slices.Clone(more), "frame-ancestors "+ancestors, "form-action "+strings.Join(forms, " "))
	return policyBase + strings.Join(parts, "; ")
}

// OwnForms are the sources of form-action of a page whose forms never leave this site.
var OwnForms = []string{"'self'"}

// SetHeaders sets the headers that every page carries: no other site frames it, no cache
// keeps it, and no form of it leaves this site unless SetFormAction says so.
func (d *Door) SetHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy("'none'", OwnForms))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	if d.conf.Secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// SetFormAction lets the forms of this page end at a relying party too:
// browsers check form-action against every redirect that follows a post.
func SetFormAction(h http.Header, sources ...string) {
	h.Set("Content-Security-Policy", policy("'none'", sources))
}

// SetFraming is SetFormAction for a page that has one of ours in a frame.
func SetFraming(h http.Header, sources []string) {
	h.Set("Content-Security-Policy", policy("'none'", sources, "frame-src 'self'"))
}

// SetFramed lets a page stand in a frame of ours, with forms that end at
// sources.
func SetFramed(h http.Header, sources []string) {
	h.Set("Content-Security-Policy", policy("'self'", sources))
	h.Set("X-Frame-Options", "SAMEORIGIN")
}

// FormSource returns the CSP source that lets a form end at a redirect URI: its
// origin, or its scheme alone where an origin cannot be written (a native
// application's own scheme, RFC 8252 section 7.1; an IPv6 loopback address,
// which CSP's grammar lacks). Empty when the URI has none.
func FormSource(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme == "" {
		return ""
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http", !plainHost(u.Host):
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}

// plainHost reports whether host is made of what CSP's host-source and port know.
func plainHost(host string) bool {
	return host != "" && !strings.ContainsFunc(host, func(r rune) bool {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == ':'
		return !ok
	})
}
