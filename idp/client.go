package idp

import (
	"crypto/subtle"
	"net/url"
	"slices"
	"strings"
	"time"
)

// AuthMethod is how a client proves itself at the token endpoint, by its
// registered name (OpenID Connect Core 1.0, section 9).
type AuthMethod string

const (
	AuthBasic AuthMethod = "client_secret_basic"
	AuthPost  AuthMethod = "client_secret_post"
	AuthNone  AuthMethod = "none"
	// AuthPrivateKey: an assertion that the client signs by a key of its own (RFC 7523).
	AuthPrivateKey AuthMethod = "private_key_jwt"
	// AuthTLS: a certificate of an authority that the operator trusts (RFC 8705, section 2.1).
	AuthTLS AuthMethod = "tls_client_auth"
	// AuthSelfSigned: a certificate whose key is registered (RFC 8705, section 2.2).
	AuthSelfSigned AuthMethod = "self_signed_tls_client_auth"
)

// Grant types by their registered names (RFC 7591, section 2).
const (
	GrantCode              = "authorization_code"
	GrantRefresh           = "refresh_token"
	GrantClientCredentials = "client_credentials"
	// GrantDevice: the person signs in on another machine (RFC 8628).
	GrantDevice = "urn:ietf:params:oauth:grant-type:device_code"
	// GrantCIBA: the client asks the person's phones (OpenID Connect Client-Initiated
	// Backchannel Authentication Core 1.0).
	GrantCIBA     = "urn:openid:params:grant-type:ciba"
	GrantExchange = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693
)

// ClientKind is the application_type of a client (OpenID Connect Dynamic Client
// Registration 1.0, section 2).
type ClientKind string

const (
	ClientWeb    ClientKind = "web"
	ClientNative ClientKind = "native" // loopback redirects on any port (RFC 8252, section 7.3)
)

// ClientProfile is a set of rules that a client is held to, beyond its other settings.
type ClientProfile string

// ProfileFAPI2 is the FAPI 2.0 Security Profile: the client proves itself by a key or a
// certificate, pushes its requests with PKCE, has its tokens bound to either, and keeps its
// refresh token.
const ProfileFAPI2 ClientProfile = "fapi2"

// ProfileFAPI2Signing is ProfileFAPI2 with FAPI 2.0 Message Signing: the client signs its
// authorization requests, and has the responses signed.
const ProfileFAPI2Signing ClientProfile = "fapi2-message-signing"

// ProfileKeycloak is for programs that speak only what Keycloak speaks: the client is one of
// the realm (setting clients.realm), its access tokens are JWTs with its roles where Keycloak
// has them, and its refresh tokens look like one.
const ProfileKeycloak ClientProfile = "keycloak"

// KeycloakGrants are the grant types that a client of ProfileKeycloak may have: what the
// realm has an endpoint for.
var KeycloakGrants = []string{GrantCode, GrantRefresh, GrantClientCredentials}

// AccessFormat is what an access token looks like.
type AccessFormat string

const (
	AccessOpaque AccessFormat = "opaque"
	AccessJWT    AccessFormat = "jwt" // at+jwt, RFC 9068
)

// ClientSecret is one of at most two valid secrets of a client. Secrets are
// 208 random bits, so a plain hash serves and costs nothing.
type ClientSecret struct {
	Hash       TokenHash
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: does not expire
	LastUsedAt time.Time
}

// Client is a relying party: an application that signs people in through us.
type Client struct {
	ID             ClientID
	Name           string // shown to people
	Kind           ClientKind
	Profile        ClientProfile // empty: none
	Auth           AuthMethod
	Secrets        []ClientSecret
	JWKS           string      // its public keys, a JWK Set (RFC 7517, section 5); empty: none, or at JWKSURI
	JWKSURI        string      // jwks_uri, where it publishes them; empty: nowhere
	TLSSubject     CertSubject // of AuthTLS: whom its certificate is for
	RedirectURIs   []string    // compared byte by byte
	PostLogoutURIs []string
	LogoutURI      string   // backchannel_logout_uri, called when a session ends; empty: it is not told (OpenID Connect Back-Channel Logout 1.0)
	LogoutSession  bool     // backchannel_logout_session_required, as registered; logout tokens have a sid in any case
	Origins        []string // whose pages may call token, userinfo, revoke from a browser (CORS)
	GrantTypes     []string
	Scopes         []string // may be asked for; openid always may, where people sign in
	DefaultScopes  []string // given where a request names none, or openid alone (RFC 6749, section 3.3); empty: none are
	Audience       []string // what its own access tokens are for; its id when empty
	IDTokenAlg     string   // RS256, ES256, PS256 or EdDSA; RS256 when empty
	Signing        ClientSigning
	AccessFormat   AccessFormat
	AccessTTL      time.Duration // zero: the site's
	RefreshIdle    time.Duration // zero: the site's
	RefreshGrace   time.Duration // how long a rotated refresh token may be repeated by racing tabs
	RefreshAlways  bool          // a refresh token without asking for offline_access
	KeepRefresh    bool          // a deviation: its refresh token is not rotated; only for one that proves itself (RFC 9700, section 4.14.2)
	OptionalPKCE   bool          // a deviation: PKCE not demanded
	DPoP           bool          // dpop_bound_access_tokens: its access tokens are bound to a key (RFC 9449, section 5.2)
	CertBound      bool          // tls_client_certificate_bound_access_tokens (RFC 8705, section 3.4)
	RequirePushed  bool          // require_pushed_authorization_requests (RFC 9126, section 6)
	ClaimsInID     bool          // a deviation: scope claims in the ID token as well
	ClaimsInAccess bool          // claims of the scopes in access tokens that are JWTs (RFC 9068, section 2.2)
	Consent        bool          // ask the person what may be told
	Groups         []string      // only people in one of them may sign in; empty: everybody
	Claims         []ClaimRule   // claims under names of its own
	Icon           PictureID     // shown beside the name; empty: a letter
	Match          MatchMode     // how push approval is matched to the person; empty: the site's
	Verify         bool          // push approval wants a fingerprint or PIN, also where the site does not
	Disabled       bool
	CreatedAt      time.Time
	UpdatedAt      time.Time

	SubjectType   SubjectType // what sub is; empty: public
	SectorURI     string      // sector_identifier_uri; empty: the host of its redirect addresses
	InitiateURI   string      // initiate_login_uri, where a person begins from here; empty: nowhere
	ChangeSubject bool        // of an edit: that it changes every person's sub is meant; not stored

	ExchangeTargets  []string            // audiences that it may exchange tokens for (GrantExchange)
	RegisteredBy     RegistrationTokenID // the initial access token that it was registered by; empty: by the administration
	RegistrationHash TokenHash           // of its registration access token (RFC 7592); zero: it cannot change its registration

	Journal `json:"-"`
}

// ClientSigning is which messages besides its ID tokens a client signs, or has signed for it,
// and by which algorithm (RFC 7518, section 3.1), by the names of its registration.
type ClientSigning struct {
	RequestAlg       string `json:"request_alg,omitempty"`       // request_object_signing_alg, its own; empty: any that its keys can (RFC 9101)
	RequireRequest   bool   `json:"require_request,omitempty"`   // require_signed_request_object (RFC 9101, section 10.5)
	ResponseAlg      string `json:"response_alg,omitempty"`      // authorization_signed_response_alg; empty: SignedBy (JARM, section 3)
	UserinfoAlg      string `json:"userinfo_alg,omitempty"`      // userinfo_signed_response_alg; empty: userinfo is JSON (OpenID Connect Core 1.0, section 5.3.2)
	IntrospectionAlg string `json:"introspection_alg,omitempty"` // introspection_signed_response_alg; empty: SignedBy (RFC 9701, section 6)
}

// SignedBy is the algorithm by which a message for the client is signed where alg, that of
// its registration, is empty: RS256, which FAPI 2.0 does not allow and has that of ID tokens.
func (c *Client) SignedBy(alg string) string {
	switch {
	case alg != "":
		return alg
	case c.FAPI2():
		return c.IDTokenAlg
	}
	return "RS256"
}

// Allows reports whether the client is registered for a grant type.
func (c *Client) Allows(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// SignsIn reports whether people sign in to the client, by any of the grant types for it;
// else it is a program that acts for itself.
func (c *Client) SignsIn() bool {
	return c.Allows(GrantCode) || c.Allows(GrantDevice) || c.Allows(GrantCIBA)
}

// Public reports whether the client cannot prove itself.
func (c *Client) Public() bool { return c.Auth == AuthNone }

// FAPI2 reports whether the client is held to the FAPI 2.0 Security Profile, with Message
// Signing or without.
func (c *Client) FAPI2() bool { return c.Profile == ProfileFAPI2 || c.Profile == ProfileFAPI2Signing }

// Keycloak reports whether the client is one of the realm, of Keycloak's shape.
func (c *Client) Keycloak() bool { return c.Profile == ProfileKeycloak }

// RealmRoot is where realms are, beneath our own issuer; the name of the one there is follows.
const RealmRoot = "/realms/"

// Issuer is the issuer of the client: that of the realm of a name for one of Keycloak's shape,
// else ours. Where realm is empty there is none, and such a client is of no use.
func (c *Client) Issuer(ours, realm string) string {
	if c.Keycloak() && realm != "" {
		return ours + RealmRoot + realm
	}
	return ours
}

// SignsMessages reports whether the client is held to FAPI 2.0 Message Signing.
func (c *Client) SignsMessages() bool { return c.Profile == ProfileFAPI2Signing }

// HasJWKS reports whether public keys of the client are registered, by which what it signs
// can be verified.
func (c *Client) HasJWKS() bool { return c.JWKS != "" || c.JWKSURI != "" }

// RotatesRefresh reports whether a refresh token is good once. FAPI 2.0 has them stay
// (section 5.3.2.1): they are of use to nobody but their client, and one whose answer is lost
// on the way does not lose its access. KeepRefresh is for programs that never look for
// the next one.
func (c *Client) RotatesRefresh() bool { return !c.FAPI2() && !c.KeepRefresh }

// ByCertificate reports whether the client proves itself by a TLS certificate.
func (c *Client) ByCertificate() bool { return c.Auth == AuthTLS || c.Auth == AuthSelfSigned }

// ByKeys reports whether the client proves itself by keys that are registered, or that it
// publishes.
func (c *Client) ByKeys() bool { return c.Auth == AuthPrivateKey || c.Auth == AuthSelfSigned }

// CertSubject says whom a certificate is for, by one of the names of RFC 8705, section 2.1.2,
// without tls_client_auth_: san_dns=viewer.example, san_uri=…, san_ip=…, san_email=…, or
// subject_dn=CN=viewer,O=Hospital,C=DE as RFC 4514 writes it.
type CertSubject string

// The kinds of CertSubject.
const (
	CertDN    = "subject_dn"
	CertDNS   = "san_dns"
	CertURI   = "san_uri"
	CertIP    = "san_ip"
	CertEmail = "san_email"
)

// CertKinds are all of them.
var CertKinds = []string{CertDN, CertDNS, CertURI, CertIP, CertEmail}

// Split returns kind and value; false: it has no known kind, or no value.
func (s CertSubject) Split() (kind, value string, ok bool) {
	kind, value, ok = strings.Cut(string(s), "=")
	return kind, value, ok && value != "" && slices.Contains(CertKinds, kind)
}

// HasSecret reports whether the client proves itself by a client secret.
func (c *Client) HasSecret() bool { return c.Auth == AuthBasic || c.Auth == AuthPost }

// HasNow reports whether a secret is one of the client's valid ones. It compares in constant
// time and looks at all of them, whichever fits: a client has two while one replaces the
// other.
func (c *Client) HasNow(secret Secret, now time.Time) bool {
	hash := secret.Hash()
	fits := 0
	for i := range c.Secrets {
		own := &c.Secrets[i]
		if own.ExpiresAt.IsZero() || now.Before(own.ExpiresAt) {
			fits |= subtle.ConstantTimeCompare(hash[:], own.Hash[:])
		}
	}
	return fits == 1
}

// OpensFor is the address at which a person begins in the application from here, so that it asks
// for a sign-in with the issuer that the address names (OpenID Connect Core 1.0, section 4).
// Nothing else is told there: neither who the person is, for who opens an address may be
// another, nor a target. Empty: it has registered none, or the person may not sign in to it.
func (c *Client) OpensFor(u *User, issuer string) string {
	if c.InitiateURI == "" || c.Disabled || !c.Allows(GrantCode) || !c.Admits(u) {
		return ""
	}
	mark := "?"
	if strings.Contains(c.InitiateURI, "?") {
		mark = "&"
	}
	return c.InitiateURI + mark + "iss=" + url.QueryEscape(issuer)
}

// Consent remembers what a person allowed an application.
type Consent struct {
	User   UserID
	Client ClientID
	Scopes []string
	Claims []string // asked by name, besides those that the scopes cover; of this and of earlier answers
	At     time.Time
}

// ClaimRule tells an application something under a name of its own.
type ClaimRule struct {
	Name string `json:"name"` // of the claim, as the application reads it
	// From is the claim of ours that it is made of, such as "groups" or "email";
	// it is told when that is. Empty: Text is told.
	From string `json:"from,omitempty"`
	Text string `json:"text,omitempty"`
	// Values renames: what has no row is left out. None: all as they are.
	Values []ClaimValue `json:"values,omitempty"`
	// One tells a single text, the first that Values finds in its own order, not a list.
	One bool `json:"one,omitempty"`
}

// ClaimValue renames one group, role or text.
type ClaimValue struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Admits reports whether a person may sign in to the application: it names no
// groups, or they are in one of them.
func (c *Client) Admits(u *User) bool {
	return len(c.Groups) == 0 || slices.ContainsFunc(u.Groups, func(g string) bool { return slices.Contains(c.Groups, g) })
}
