package idp

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// RegistrationTokenID is the id of an initial access token.
type RegistrationTokenID string

// Bounds of initial access tokens.
const (
	MaxRegistrations       = 1000                 // that one is good for
	MaxRegistrationTime    = 366 * 24 * time.Hour // until one expires
	MaxRegistrationTokens  = 100                  // that are kept, revoked and expired ones among them
	MaxRegistrationEntries = 50                   // hosts, and scopes, of one
)

// RegistrationToken is an initial access token (RFC 7591, section 3): by it applications
// register themselves, within its bounds. They hold for every later change of such an
// application by itself, too.
type RegistrationToken struct {
	ID         RegistrationTokenID
	Name       string // for administrators
	Hash       TokenHash
	GrantTypes []string // what an application may be registered for
	Scopes     []string // what it may ask for; openid always, with GrantCode
	// Hosts are where all its addresses have to be, those that people are sent to and those
	// that we call: a name or an address without a port; "*.example.org" for all names
	// below; "org.example.viewer:" for a scheme of a native program.
	Hosts []string
	// OptionalPKCE is a deviation: of the applications that prove themselves PKCE is not
	// demanded. Public ones never go without.
	OptionalPKCE bool
	Uses         int    // how many applications may be registered by it in all
	Used         int    // how many were
	MadeBy       string // name of the actor
	CreatedAt    time.Time
	ExpiresAt    time.Time
	RevokedAt    time.Time // zero while it is good
	LastUsedAt   time.Time // zero: never

	Journal `json:"-"`
}

// Live returns nil while an application can be registered by the token. Errors: ErrSettled
// when it is revoked or used up, ErrExpired.
func (t *RegistrationToken) Live(now time.Time) error {
	switch {
	case !t.RevokedAt.IsZero(), t.Used >= t.Uses:
		return ErrSettled
	case !now.Before(t.ExpiresAt):
		return ErrExpired
	}
	return nil
}

// State is how the token stands, in one word: good, revoked, used up or expired.
func (t *RegistrationToken) State(now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case t.Used >= t.Uses:
		return "used up"
	case !now.Before(t.ExpiresAt):
		return "expired"
	}
	return "good"
}

// Use counts a registration. Errors: those of Live.
func (t *RegistrationToken) Use(now time.Time) error {
	if err := t.Live(now); err != nil {
		return err
	}
	t.Used++
	t.LastUsedAt = now
	return nil
}

// Admits returns nil where a registration is within the bounds of the token. Errors:
// FieldError, whose field is the one of the registration.
func (t *RegistrationToken) Admits(c *Client) error {
	for _, g := range c.GrantTypes {
		if !slices.Contains(t.GrantTypes, g) {
			return &FieldError{Field: "grant_types", Message: "registration.grants"}
		}
	}
	for _, s := range c.Scopes {
		if s != ScopeOpenID && !slices.Contains(t.Scopes, s) {
			return &FieldError{Field: "scopes", Message: "registration.scopes"}
		}
	}
	for _, of := range []struct {
		field string
		uris  []string
	}{
		{"redirect_uris", c.RedirectURIs},
		{"post_logout_redirect_uris", c.PostLogoutURIs},
		{"backchannel_logout_uri", []string{c.LogoutURI}},
		{"jwks_uri", []string{c.JWKSURI}},
		{"sector_identifier_uri", []string{c.SectorURI}},
		{"initiate_login_uri", []string{c.InitiateURI}},
		{"backchannel_client_notification_endpoint", []string{c.Backchannel.NotifyURI}},
		{"client_uri", c.About.Home.texts()},
		{"policy_uri", c.About.Policy.texts()},
		{"tos_uri", c.About.Terms.texts()},
		{"logo_uri", []string{c.About.Logo}},
		{"request_uris", c.Requests.URIs},
	} {
		for _, uri := range of.uris {
			if uri != "" && !t.admitsHost(uri) {
				return &FieldError{Field: of.field, Message: "registration.host"}
			}
		}
	}
	return nil
}

// admitsHost reports whether an address is at one of the hosts of the token.
func (t *RegistrationToken) admitsHost(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return slices.ContainsFunc(t.Hosts, func(h string) bool {
		if scheme, ok := strings.CutSuffix(h, ":"); ok {
			return u.Scheme == scheme
		}
		if u.Scheme != "https" && u.Scheme != "http" {
			return false
		}
		if below, ok := strings.CutPrefix(h, "*"); ok {
			return len(host) > len(below) && strings.HasSuffix(host, below)
		}
		return host == h
	})
}

// ValidRegistrationHost reports whether a text can stand in RegistrationToken.Hosts.
func ValidRegistrationHost(h string) bool {
	if a, err := netip.ParseAddr(h); err == nil {
		return a.Zone() == "" && a.String() == h
	}
	name, scheme := strings.CutSuffix(h, ":")
	if !scheme {
		name = strings.TrimPrefix(name, "*.")
	}
	if len(name) > 253 || scheme && !strings.Contains(name, ".") || name != h && !scheme && !strings.Contains(name, ".") {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }) {
			return false
		}
	}
	return true
}
