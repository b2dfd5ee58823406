package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/claim"
	"hilum/idp/jwks"
	"hilum/idp/text"
)

// Bounds of a client's registration.
const (
	maxValues     = 50   // entries of each list
	maxURI        = 2048 // bytes
	maxScope      = 64   // bytes
	maxAudience   = 255  // bytes of an audience or of a rule's name; runes of a rule's texts
	maxClientID   = 64   // bytes
	maxAccessTTL  = time.Hour
	safeAccessTTL = 15 * time.Minute // more is a deviation
	maxRefresh    = 12 * time.Hour   // of RefreshIdle
	maxGrace      = time.Minute      // of RefreshGrace
)

// AddClient registers an application and returns its secret, to be shown this
// once (empty where it has none). ID is made when empty. Errors: FieldError, idp.ErrConflict.
func (d *Desk) AddClient(ctx context.Context, by By, c *idp.Client) (idp.Secret, error) {
	if err := d.allow(ctx, by, EditClients); err != nil {
		return "", err
	}
	if err := d.checkSector(ctx, c); err != nil {
		return "", err
	}
	secret, err := d.prepareClient(c, d.conf.Now())
	if err != nil {
		return "", err
	}
	c.Note(d.clientEvent(by, c, "added"))
	if err := d.conf.Store.AddClient(ctx, c); err != nil {
		return "", err
	}
	return secret, nil
}

// prepareClient makes of what was asked for a new application that may be added, whoever adds
// it, and its secret (empty where it has none). Errors: FieldError.
func (d *Desk) prepareClient(c *idp.Client, now time.Time) (idp.Secret, error) {
	if c.ID == "" {
		c.ID = idp.NewID[idp.ClientID]()
	}
	if slices.Contains(pathWords, c.ID) {
		return "", &idp.FieldError{Field: "client_id", Message: "client.id.taken"}
	}
	d.tidyClient(c)
	if err := ValidateClient(c); err != nil {
		return "", err
	}
	if !d.signs(c.IDTokenAlg) {
		return "", errNoKey()
	}
	if err := d.validMutual(c); err != nil {
		return "", err
	}
	c.CreatedAt, c.UpdatedAt = now, now
	var secret idp.Secret
	c.Secrets = nil
	if c.HasSecret() {
		secret = idp.NewToken()
		c.Secrets = []idp.ClientSecret{{Hash: secret.Hash(), CreatedAt: now}}
	}
	return secret, nil
}

// GrantTypes are what applications can be registered for.
var GrantTypes = []string{idp.GrantCode, idp.GrantRefresh, idp.GrantClientCredentials, idp.GrantDevice, idp.GrantCIBA, idp.GrantExchange}

// IDTokenAlgs are what ID tokens can be signed with, the usual one first.
var IDTokenAlgs = []string{"RS256", "PS256", "ES256", "EdDSA"}

// Algs are those of IDTokenAlgs that there are signing keys for here.
func (d *Desk) Algs() []string {
	return slices.DeleteFunc(slices.Clone(IDTokenAlgs), func(alg string) bool { return !d.signs(alg) })
}

// signs reports whether there is a signing key for the algorithm of a registration; empty is
// RS256, which there always is.
func (d *Desk) signs(alg string) bool {
	return alg == "" || d.conf.Algs == nil || slices.Contains(d.conf.Algs, alg)
}

// errNoKey says that no key signs by the algorithm of a registration: the application could
// sign nobody in.
func errNoKey() error { return &idp.FieldError{Field: "id_token_alg", Message: "client.alg.off"} }

// Unsigned returns the applications, by name, that nobody can sign in to because no key signs
// by their algorithm: it was taken out of keys.algs since. Errors: those of the store.
func (d *Desk) Unsigned(ctx context.Context) ([]idp.Client, error) {
	all, err := d.conf.Store.Clients(ctx)
	return slices.DeleteFunc(slices.Clone(all), func(c idp.Client) bool { return c.Disabled || d.signs(c.IDTokenAlg) }), err
}

// pathWords are ids that would stand for another page of the administration.
var pathWords = []idp.ClientID{"new", "registration"}

// Clients lists applications by name, without the hashes of their secrets.
// Errors: idp.ErrDenied.
func (d *Desk) Clients(ctx context.Context, by By) ([]idp.Client, error) {
	if err := d.allow(ctx, by, ReadClients); err != nil {
		return nil, err
	}
	all, err := d.conf.Store.Clients(ctx)
	for i := range all {
		bareClient(&all[i])
	}
	return all, err
}

// bareClient takes the hashes of its secrets out of an application.
func bareClient(c *idp.Client) {
	c.Secrets = slices.Clone(c.Secrets) // they may be shared
	for k := range c.Secrets {
		c.Secrets[k].Hash = idp.TokenHash{}
	}
}

// Client returns an application, without the hashes of its secrets. Errors:
// idp.ErrDenied, idp.ErrNotFound.
func (d *Desk) Client(ctx context.Context, by By, id idp.ClientID) (*idp.Client, error) {
	if err := d.allow(ctx, by, ReadClients); err != nil {
		return nil, err
	}
	c, err := d.client(ctx, id)
	if err != nil {
		return nil, err
	}
	bareClient(c)
	return c, nil
}

func (d *Desk) client(ctx context.Context, id idp.ClientID) (*idp.Client, error) {
	all, err := d.conf.Store.Clients(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == id {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("client %s: %w", id, idp.ErrNotFound)
}

// EditClient changes what fn changes; id and secrets stay as they are, and a public
// application stays public. One that has registered itself is the administration's from now
// on: its registration access token is good for nothing any more, or it could take back what
// was changed. One that proves itself by a key from now on loses its secrets;
// the other way it has none until NewClientSecret. Errors: FieldError, idp.ErrNotFound.
func (d *Desk) EditClient(ctx context.Context, by By, id idp.ClientID, fn func(*idp.Client)) error {
	if err := d.allow(ctx, by, EditClients); err != nil {
		return err
	}
	checked, err := d.sectorOf(ctx, id, fn)
	if err != nil {
		return err
	}
	return d.conf.Store.UpdateClient(ctx, id, func(c *idp.Client) error {
		secrets, auth, created, alg, certBound, profile := c.Secrets, c.Auth, c.CreatedAt, c.IDTokenAlg, c.CertBound, c.Profile
		before := *c
		fn(c)
		if err := sameSubjects(&before, c); err != nil {
			return err
		}
		if c.SectorURI != "" && !checked.covers(c) { // another has changed it meanwhile
			return fmt.Errorf("client %s: %w", id, idp.ErrConflict)
		}
		c.ID, c.Secrets, c.CreatedAt, c.UpdatedAt = id, secrets, created, d.conf.Now()
		c.RegistrationHash = idp.TokenHash{}
		if (auth == idp.AuthNone) != (c.Auth == idp.AuthNone) {
			return &idp.FieldError{Field: "auth", Message: "client.auth.fixed"}
		}
		if !c.HasSecret() {
			c.Secrets = nil
		}
		d.tidyClient(c)
		if err := ValidateClient(c); err != nil {
			return err
		}
		// One that has lost its key can be edited, to be disabled for one.
		if c.IDTokenAlg != alg && !d.signs(c.IDTokenAlg) {
			return errNoKey()
		}
		if c.Auth != auth || c.CertBound != certBound || c.Profile != profile { // as above
			if err := d.validMutual(c); err != nil {
				return err
			}
		}
		c.Note(d.clientEvent(by, c, "edited"))
		return nil
	})
}

// NewClientSecret adds a secret beside the newest one, which ends after
// overlap; any older one ends at once. The new one is shown this once. Errors:
// idp.ErrNotFound, FieldError (a client that is public, or signs by a key, has none).
func (d *Desk) NewClientSecret(ctx context.Context, by By, id idp.ClientID, overlap time.Duration) (idp.Secret, error) {
	if err := d.allow(ctx, by, EditClients); err != nil {
		return "", err
	}
	secret := idp.NewToken()
	err := d.conf.Store.UpdateClient(ctx, id, func(c *idp.Client) error {
		if !c.HasSecret() {
			return &idp.FieldError{Field: "auth", Message: "client.public"}
		}
		now := d.conf.Now()
		fresh := []idp.ClientSecret{{Hash: secret.Hash(), CreatedAt: now}}
		if len(c.Secrets) > 0 && overlap > 0 {
			old := slices.MaxFunc(c.Secrets, func(a, b idp.ClientSecret) int { return a.CreatedAt.Compare(b.CreatedAt) })
			old.ExpiresAt = now.Add(overlap)
			fresh = append(fresh, old)
		}
		c.Secrets, c.UpdatedAt = fresh, now
		c.Note(d.clientEvent(by, c, "secret"))
		return nil
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// RemoveClient deletes an application and revokes its grants, and so its tokens.
// Errors: idp.ErrNotFound.
func (d *Desk) RemoveClient(ctx context.Context, by By, id idp.ClientID) error {
	if err := d.allow(ctx, by, EditClients); err != nil {
		return err
	}
	c, err := d.client(ctx, id)
	if err != nil {
		return err
	}
	return d.conf.Store.RemoveClient(ctx, id, d.clientEvent(by, c, "removed"))
}

func (d *Desk) clientEvent(by By, c *idp.Client, what string) idp.Event {
	e := d.event(idp.EventClientChanged, by, map[string]string{"change": what, "name": c.Name})
	if role := idp.StaffOf(c.Scopes...); role != idp.StaffNone {
		e.Detail["staff"] = string(role)
	}
	e.Client = c.ID
	return e
}

// tidyClient gives what was typed about a client the form it is kept in.
func (d *Desk) tidyClient(c *idp.Client) {
	c.Name = text.Form(c.Name)
	c.JWKS = jwks.Compact(c.JWKS)
	if c.FAPI2() { // what it means besides is not left to be ticked
		c.RequirePushed = true
		if !c.CertBound { // its tokens are bound to one of the two
			c.DPoP = true
		}
		c.Signing.RequireRequest = c.Signing.RequireRequest || c.SignsMessages()
		if c.IDTokenAlg == "" {
			c.IDTokenAlg = d.algOfFAPI()
		}
	}
	if c.Keycloak() { // likewise
		c.AccessFormat, c.ClaimsInAccess = idp.AccessJWT, true
		if c.IDTokenAlg == "" {
			c.IDTokenAlg = "RS256"
		}
	}
	if len(c.Groups) <= maxValues { // else refused as it is
		c.Groups = text.Forms(c.Groups)
	}
	c.Claims = slices.Clone(c.Claims)
	for i := range c.Claims {
		c.Claims[i].Values = slices.Clone(c.Claims[i].Values)
		for j := range c.Claims[i].Values {
			c.Claims[i].Values[j].From = text.NFC(c.Claims[i].Values[j].From)
		}
	}
}

// algOfFAPI is the algorithm of a client of FAPI 2.0 that names none: ES256, or what there is
// a key for of those that it allows (FAPI 2.0 Security Profile, section 5.4.1).
func (d *Desk) algOfFAPI() string {
	for _, alg := range []string{"ES256", "PS256", "EdDSA"} {
		if d.signs(alg) {
			return alg
		}
	}
	return "ES256" // refused, with the reason
}

// ValidateClient checks a client's settings against what the provider allows:
// https redirects (http on loopback), no fragment, no wildcard, known grant
// types, scopes, algorithms. Errors: FieldError.
func ValidateClient(c *idp.Client) error {
	bad := func(field, message string) error { return &idp.FieldError{Field: field, Message: message} }
	if !validClientID(string(c.ID)) {
		return bad("client_id", "client.id.bad")
	}
	if err := idp.ValidText("client_name", c.Name, 1, idp.MaxDisplayName); err != nil {
		return err
	}
	switch c.Kind {
	case idp.ClientWeb, idp.ClientNative:
	default:
		return bad("kind", "client.kind.bad")
	}
	switch c.Auth {
	case idp.AuthBasic, idp.AuthPost, idp.AuthNone, idp.AuthPrivateKey, idp.AuthTLS, idp.AuthSelfSigned:
	default:
		return bad("auth", "client.auth.bad")
	}
	if err := validSigning(c); err != nil {
		return err
	}
	if err := validKeys(c); err != nil {
		return err
	}
	if err := validProfile(c); err != nil {
		return err
	}
	if err := validSubjects(c); err != nil {
		return err
	}
	if len(c.GrantTypes) == 0 {
		return bad("grant_types", "client.grants.missing")
	}
	for _, g := range c.GrantTypes {
		if !slices.Contains(GrantTypes, g) {
			return bad("grant_types", "client.grants.unknown")
		}
	}
	if c.Allows(idp.GrantRefresh) && !c.SignsIn() {
		return bad("grant_types", "client.grants.refresh")
	}
	if (c.Allows(idp.GrantClientCredentials) || c.Allows(idp.GrantCIBA)) && c.Public() {
		return bad("grant_types", "client.grants.public")
	}
	if c.Allows(idp.GrantExchange) && c.Public() {
		return bad("grant_types", "client.grants.public")
	}
	if c.Allows(idp.GrantExchange) != (len(c.ExchangeTargets) > 0) {
		return bad("exchange_targets", "client.exchange")
	}
	if c.Public() && c.OptionalPKCE {
		return bad("pkce", "client.pkce.public")
	}
	if c.Public() && c.KeepRefresh { // RFC 9700, section 4.14.2
		return bad("keep_refresh_token", "client.keep.public")
	}
	if c.Allows(idp.GrantCode) && len(c.RedirectURIs) == 0 {
		return bad("redirect_uris", "client.redirect.missing")
	}
	for _, list := range []struct {
		field, key string
		values     []string
		valid      func(string) bool
	}{
		{"redirect_uris", "client.redirect", c.RedirectURIs, func(u string) bool { return validRedirect(u, c.Kind) }},
		{"post_logout_redirect_uris", "client.redirect", c.PostLogoutURIs, func(u string) bool { return validRedirect(u, c.Kind) }},
		{"origins", "client.origin", c.Origins, validOrigin},
		{"audience", "client.audience", c.Audience, func(a string) bool { return validToken(a, maxAudience) }},
		{"exchange_targets", "client.audience", c.ExchangeTargets, func(a string) bool { return validToken(a, maxAudience) }},
		{"groups", "client.groups", c.Groups, func(g string) bool { return idp.ValidText("", g, 1, idp.MaxName) == nil }},
		{"scopes", "client.scopes", c.Scopes, func(s string) bool { return validToken(s, maxScope) }},
		{"default_scopes", "client.default", c.DefaultScopes, c.MayAsk},
	} {
		if len(list.values) > maxValues {
			return bad(list.field, list.key+".many")
		}
		if !all(list.values, list.valid) {
			return bad(list.field, list.key+".bad")
		}
	}
	if idp.StaffOf(c.Scopes...) != idp.StaffNone && !forPrograms(c) {
		return bad("scopes", "client.scopes.admin")
	}
	if c.LogoutURI != "" && (!validRedirect(c.LogoutURI, idp.ClientWeb) || !c.SignsIn()) {
		return bad("backchannel_logout_uri", "client.redirect.bad")
	}
	if c.InitiateURI != "" && (!strings.HasPrefix(c.InitiateURI, "https://") && !strings.HasPrefix(c.InitiateURI, "http://") || !validRedirect(c.InitiateURI, idp.ClientWeb) || !c.Allows(idp.GrantCode)) {
		return bad("initiate_login_uri", "client.redirect.bad")
	}
	if c.LogoutSession && c.LogoutURI == "" {
		return bad("backchannel_logout_uri", "client.logout.missing")
	}
	if err := validRules(c.Claims); err != nil {
		return err
	}
	if c.IDTokenAlg != "" && !slices.Contains(IDTokenAlgs, c.IDTokenAlg) {
		return bad("id_token_alg", "client.alg.bad")
	}
	switch c.AccessFormat {
	case "", idp.AccessOpaque, idp.AccessJWT:
	default:
		return bad("access_format", "client.format.bad")
	}
	if c.Match != "" && !slices.Contains(idp.MatchModes, c.Match) {
		return bad("match", "client.match.bad")
	}
	if c.AccessTTL < 0 || c.AccessTTL > maxAccessTTL {
		return bad("access_ttl", "client.ttl.bad")
	}
	if c.RefreshIdle < 0 || c.RefreshIdle > maxRefresh {
		return bad("refresh_idle", "client.ttl.bad")
	}
	if c.RefreshGrace < 0 || c.RefreshGrace > maxGrace || c.Public() && !c.DPoP && !c.CertBound && c.RefreshGrace > 0 {
		return bad("refresh_grace", "client.grace.bad")
	}
	return nil
}

// validMutual checks that what a registration says of certificates, and of the realm, can work here. Errors:
// FieldError.
func (d *Desk) validMutual(c *idp.Client) error {
	switch {
	case c.Keycloak() && d.conf.Realm == "":
		return &idp.FieldError{Field: "profile", Message: "client.keycloak.off"}
	case c.ByCertificate() && !d.conf.Mutual:
		return &idp.FieldError{Field: "auth", Message: "client.mtls.off"}
	case c.CertBound && !d.conf.Mutual:
		return &idp.FieldError{Field: "tls_client_certificate_bound_access_tokens", Message: "client.mtls.off"}
	case c.Auth == idp.AuthTLS && !d.conf.MutualCA:
		return &idp.FieldError{Field: "auth", Message: "client.mtls.ca"}
	}
	return nil
}

// validSubject reports whether what is registered of a client's certificate can be compared.
func validSubject(s idp.CertSubject) bool {
	kind, value, ok := s.Split()
	switch {
	case !ok || len(value) > maxURI || idp.ValidText("", value, 1, maxURI) != nil:
		return false
	case kind == idp.CertIP:
		return net.ParseIP(value) != nil
	case kind == idp.CertDN:
		return strings.Contains(value, "=")
	}
	return !strings.ContainsAny(value, " ,;")
}

// validKeys checks where the keys of a client are that proves itself by one, or signs its
// authorization requests; others have none. Errors: FieldError.
func validKeys(c *idp.Client) error {
	bad := func(field, message string) error { return &idp.FieldError{Field: field, Message: message} }
	proves, signs := c.ByKeys(), c.Signing.RequireRequest || c.Signing.RequestAlg != ""
	switch {
	case c.Auth == idp.AuthTLS && !validSubject(c.TLSSubject):
		return bad("tls_client_auth", "client.mtls.subject")
	case c.Auth != idp.AuthTLS && c.TLSSubject != "":
		return bad("tls_client_auth", "client.mtls.unused")
	case !proves && !signs && c.JWKS != "":
		return bad("jwks", "client.jwks.unused")
	case !proves && !signs && c.JWKSURI != "":
		return bad("jwks_uri", "client.jwks.unused")
	case !proves && !signs:
		return nil
	case !proves && !c.HasJWKS():
		return bad("jwks", "client.request.keys")
	case c.JWKS == "" && c.JWKSURI == "":
		return bad("jwks", "client.jwks.missing")
	case c.JWKS != "" && c.JWKSURI != "":
		return bad("jwks_uri", "client.jwks.both")
	case c.JWKSURI != "":
		if !validRedirect(c.JWKSURI, idp.ClientWeb) {
			return bad("jwks_uri", "client.redirect.bad")
		}
		return nil
	}
	switch set, err := jwks.Parse([]byte(c.JWKS)); {
	case errors.Is(err, jwks.ErrPrivate):
		return bad("jwks", "client.jwks.private")
	case errors.Is(err, jwks.ErrNone):
		return bad("jwks", "client.jwks.none")
	case err != nil:
		return bad("jwks", "client.jwks.bad")
	case c.Signing.RequestAlg != "" && len(set.For("", c.Signing.RequestAlg)) == 0:
		return bad("request_object_signing_alg", "client.request.alg")
	}
	return nil
}

// validSigning checks the algorithms by which a client signs and has signed. Errors:
// FieldError.
func validSigning(c *idp.Client) error {
	for _, a := range []struct{ field, alg string }{
		{"request_object_signing_alg", c.Signing.RequestAlg},
		{"authorization_signed_response_alg", c.Signing.ResponseAlg},
		{"userinfo_signed_response_alg", c.Signing.UserinfoAlg},
		{"introspection_signed_response_alg", c.Signing.IntrospectionAlg},
	} {
		switch {
		case a.alg == "":
		case !slices.Contains(IDTokenAlgs, a.alg):
			return &idp.FieldError{Field: a.field, Message: "client.alg.bad"}
		case a.alg == "RS256" && c.FAPI2(): // FAPI 2.0 Security Profile, section 5.4.1
			return &idp.FieldError{Field: a.field, Message: "client.fapi.signing"}
		}
	}
	return nil
}

// validProfile checks that nothing else of a registration contradicts its profile. Errors:
// FieldError.
func validProfile(c *idp.Client) error {
	bad := func(field, message string) error { return &idp.FieldError{Field: field, Message: message} }
	plain := func(uri string) bool { return c.Kind == idp.ClientWeb && !strings.HasPrefix(uri, "https://") }
	switch {
	case c.Profile == "":
		return nil
	case c.Keycloak():
		return validShape(c)
	case !c.FAPI2():
		return bad("profile", "client.profile.bad")
	case c.Auth != idp.AuthPrivateKey && !c.ByCertificate(): // FAPI 2.0 Security Profile, section 5.3.2.1
		return bad("profile", "client.fapi.auth")
	case c.OptionalPKCE:
		return bad("profile", "client.fapi.pkce")
	case c.Allows(idp.GrantDevice), c.Allows(idp.GrantCIBA): // neither is of the profile: nothing is pushed
		return bad("profile", "client.fapi.grants")
	case c.IDTokenAlg == "RS256": // section 5.4.1
		return bad("profile", "client.fapi.alg")
	case slices.ContainsFunc(c.RedirectURIs, plain):
		return bad("profile", "client.fapi.http")
	}
	return nil
}

// validShape checks that a client of Keycloak's shape has nothing that the realm does not
// have. Errors: FieldError.
func validShape(c *idp.Client) error {
	bad := func(message string) error { return &idp.FieldError{Field: "profile", Message: message} }
	switch {
	case slices.ContainsFunc(c.GrantTypes, func(g string) bool { return !slices.Contains(idp.KeycloakGrants, g) }):
		return bad("client.keycloak.grants")
	case c.IDTokenAlg != "" && c.IDTokenAlg != "RS256":
		return bad("client.keycloak.alg")
	case c.RequirePushed, c.DPoP, c.CertBound, c.ByCertificate():
		return bad("client.keycloak.bound")
	}
	return nil
}

// forPrograms reports whether a client proves itself and signs
// nobody in: only such a one may have a scope of the administration.
func forPrograms(c *idp.Client) bool {
	return !c.Public() && !slices.ContainsFunc(c.GrantTypes, func(g string) bool { return g != idp.GrantClientCredentials })
}

// validRules checks an application's claim rules. Errors: FieldError, whose field is
// «claims.» and the index of the rule, the first is 0, or «claims» for too many.
func validRules(rules []idp.ClaimRule) error {
	if len(rules) > maxValues {
		return &idp.FieldError{Field: "claims", Message: "client.claims.many"}
	}
	var names []string
	for i, r := range rules {
		bad := func(message string) error {
			return &idp.FieldError{Field: "claims." + strconv.Itoa(i), Message: message}
		}
		switch {
		case !validToken(r.Name, maxAudience), !claim.MayName(r.Name), slices.Contains(names, r.Name):
			return bad("client.claims.name")
		case r.From != "" && (claim.Known(r.From) == nil || r.Text != ""):
			return bad("client.claims.from")
		case r.From == "" && (idp.ValidText("", r.Text, 1, maxAudience) != nil || len(r.Values) > 0):
			return bad("client.claims.text")
		case len(r.Values) > maxValues:
			return bad("client.claims.many")
		}
		for _, v := range r.Values {
			if idp.ValidText("", v.From, 1, maxAudience) != nil || idp.ValidText("", v.To, 1, maxAudience) != nil {
				return bad("client.claims.value")
			}
		}
		names = append(names, r.Name)
	}
	return nil
}

// Deviations names the settings of a registration that are less safe than those that
// are proposed, as message keys.
func Deviations(c *idp.Client) []string {
	var out []string
	for _, d := range []struct {
		is  bool
		key string
	}{
		{idp.StaffOf(c.Scopes...) != idp.StaffNone, "client.deviation.admin"},
		{c.OptionalPKCE, "client.deviation.pkce"},
		{c.ClaimsInID, "client.deviation.claims"},
		{c.RefreshAlways, "client.deviation.refresh"},
		{c.RefreshGrace > 0, "client.deviation.grace"},
		{c.KeepRefresh, "client.deviation.keep"},
		{c.Auth == idp.AuthPost, "client.deviation.post"},
		{c.AccessTTL > safeAccessTTL, "client.deviation.access"},
		{slices.ContainsFunc(c.RedirectURIs, func(u string) bool { return c.Kind == idp.ClientWeb && strings.HasPrefix(u, "http://") }), "client.deviation.http"},
		{c.Match == idp.MatchTap, "client.deviation.tap"},
		{c.Allows(idp.GrantCIBA), "client.deviation.ciba"},
	} {
		if d.is {
			out = append(out, d.key)
		}
	}
	return out
}

func validClientID(id string) bool {
	if id == "" || len(id) > maxClientID {
		return false
	}
	for _, r := range id {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
		if !ok {
			return false
		}
	}
	return true
}

// validToken reports whether s is a scope-token of RFC 6749, section 3.3, of most
// bytes at most.
func validToken(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		if b := s[i]; b <= 0x20 || b >= 0x7f || b == '"' || b == '\\' {
			return false
		}
	}
	return true
}

func all(values []string, valid func(string) bool) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return !valid(v) })
}

// validRedirect accepts https anywhere, http on this machine, and for native
// applications a scheme of their own in reverse-domain form (RFC 8252,
// section 7.1). It refuses letters that a browser and a server may read in different
// ways: a code could go where nobody registered an address.
func validRedirect(s string, kind idp.ClientKind) bool {
	if s == "" || len(s) > maxURI {
		return false
	}
	for i := range len(s) {
		if b := s[i]; b <= 0x20 || b >= 0x7f || strings.IndexByte(`"'<>\^`+"`{|}*#", b) >= 0 {
			return false
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Fragment != "" || u.Opaque != "" || !strings.HasPrefix(s, u.Scheme+":") {
		return false
	}
	switch u.Scheme {
	case "https":
		return validHost(u)
	case "http":
		return validHost(u) && loopback(u.Hostname())
	default:
		return kind == idp.ClientNative && strings.Contains(strings.Trim(u.Scheme, "."), ".")
	}
}

// validOrigin accepts what a browser sends as Origin: scheme, host and port in
// the one form it has (RFC 6454, section 6.2), under the rules for redirects.
func validOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && s == u.Scheme+"://"+u.Host && s == strings.ToLower(s) && validRedirect(s+"/", idp.ClientWeb) &&
		(u.Scheme != "https" || u.Port() != "443") && (u.Scheme != "http" || u.Port() != "80")
}

// validHost accepts a name or an address with or without a port, nothing escaped.
func validHost(u *url.URL) bool {
	if u.Hostname() == "" || strings.ContainsAny(u.Host, "%@") || strings.HasSuffix(u.Host, ":") {
		return false
	}
	if u.Port() == "" {
		return true
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && n > 0
}

// loopback reports whether host, without port and brackets, is this machine
// by a name or address that cannot be another (RFC 8252, section 7.3).
func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}
