package admin

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
)

// Bounds of a client's registration.
const (
	maxValues    = 50 // of each list
	maxURI       = 2048
	maxScope     = 64
	maxAudience  = 255
	maxClientID  = 64
	maxAccessTTL = time.Hour
	maxRefresh   = 12 * time.Hour
	maxGrace     = time.Minute
)

// AddClient registers an application and returns its secret, to be shown this
// once (empty for a public one). ID is made when empty. Errors: FieldError, idp.ErrConflict.
func (d *Desk) AddClient(ctx context.Context, by idp.Actor, c *idp.Client) (idp.Secret, error) {
	if c.ID == "" {
		c.ID = idp.NewID[idp.ClientID]()
	}
	if err := ValidateClient(c); err != nil {
		return "", err
	}
	now := d.Now()
	c.CreatedAt, c.UpdatedAt = now, now
	var secret idp.Secret
	c.Secrets = nil
	if !c.Public() {
		secret = idp.NewToken()
		c.Secrets = []idp.ClientSecret{{Hash: secret.Hash(), CreatedAt: now}}
	}
	c.Note(d.clientEvent(by, c, "added"))
	if err := d.Store.AddClient(ctx, c); err != nil {
		return "", err
	}
	return secret, nil
}

// Clients lists applications by name.
func (d *Desk) Clients(ctx context.Context) ([]idp.Client, error) { return d.Store.Clients(ctx) }

// EditClient changes what fn changes; id and secrets stay as they are. Errors:
// FieldError, idp.ErrNotFound.
func (d *Desk) EditClient(ctx context.Context, by idp.Actor, id idp.ClientID, fn func(*idp.Client)) error {
	return d.Store.UpdateClient(ctx, id, func(c *idp.Client) error {
		secrets, auth, created := c.Secrets, c.Auth, c.CreatedAt
		fn(c)
		c.ID, c.Secrets, c.CreatedAt, c.UpdatedAt = id, secrets, created, d.Now()
		if (auth == idp.AuthNone) != (c.Auth == idp.AuthNone) {
			return &idp.FieldError{Field: "auth", Message: "client.auth.fixed"}
		}
		if err := ValidateClient(c); err != nil {
			return err
		}
		c.Note(d.clientEvent(by, c, "edited"))
		return nil
	})
}

// NewClientSecret adds a secret beside the newest one, which ends after
// overlap; any older one ends at once. The new one is shown this once. Errors:
// idp.ErrNotFound, FieldError (a public client has none).
func (d *Desk) NewClientSecret(ctx context.Context, by idp.Actor, id idp.ClientID, overlap time.Duration) (idp.Secret, error) {
	secret := idp.NewToken()
	err := d.Store.UpdateClient(ctx, id, func(c *idp.Client) error {
		if c.Public() {
			return &idp.FieldError{Field: "auth", Message: "client.public"}
		}
		now := d.Now()
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

// RemoveClient forgets an application and kills its tokens. Errors: idp.ErrNotFound.
func (d *Desk) RemoveClient(ctx context.Context, by idp.Actor, id idp.ClientID) error {
	clients, err := d.Store.Clients(ctx)
	if err != nil {
		return err
	}
	for i := range clients {
		if clients[i].ID == id {
			return d.Store.RemoveClient(ctx, id, d.clientEvent(by, &clients[i], "removed"))
		}
	}
	return fmt.Errorf("client %s: %w", id, idp.ErrNotFound)
}

func (d *Desk) clientEvent(by idp.Actor, c *idp.Client, what string) idp.Event {
	e := d.event(idp.EventClientChanged, by, map[string]string{"change": what, "name": c.Name})
	e.Client = c.ID
	return e
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
	case idp.AuthBasic, idp.AuthPost, idp.AuthNone:
	default:
		return bad("auth", "client.auth.bad")
	}
	if len(c.GrantTypes) == 0 {
		return bad("grant_types", "client.grants.missing")
	}
	for _, g := range c.GrantTypes {
		if !slices.Contains([]string{idp.GrantCode, idp.GrantRefresh, idp.GrantClientCredentials}, g) {
			return bad("grant_types", "client.grants.unknown")
		}
	}
	if c.Allows(idp.GrantRefresh) && !c.Allows(idp.GrantCode) {
		return bad("grant_types", "client.grants.refresh")
	}
	if c.Allows(idp.GrantClientCredentials) && c.Public() {
		return bad("grant_types", "client.grants.public")
	}
	if c.Public() && c.OptionalPKCE {
		return bad("pkce", "client.pkce.public")
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
		{"scopes", "client.scopes", c.Scopes, func(s string) bool { return validToken(s, maxScope) }},
	} {
		if len(list.values) > maxValues {
			return bad(list.field, list.key+".many")
		}
		if !all(list.values, list.valid) {
			return bad(list.field, list.key+".bad")
		}
	}
	switch c.IDTokenAlg {
	case "", "RS256", "PS256", "ES256", "EdDSA":
	default:
		return bad("id_token_alg", "client.alg.bad")
	}
	switch c.AccessFormat {
	case "", idp.AccessOpaque, idp.AccessJWT:
	default:
		return bad("access_format", "client.format.bad")
	}
	if c.AccessTTL < 0 || c.AccessTTL > maxAccessTTL {
		return bad("access_ttl", "client.ttl.bad")
	}
	if c.RefreshIdle < 0 || c.RefreshIdle > maxRefresh {
		return bad("refresh_idle", "client.ttl.bad")
	}
	if c.RefreshGrace < 0 || c.RefreshGrace > maxGrace || c.Public() && c.RefreshGrace > 0 {
		return bad("refresh_grace", "client.grace.bad")
	}
	return nil
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

// validToken is scope-token of RFC 6749, section 3.3, bounded.
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
// section 7.1). Nothing that a browser and a server could read differently.
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
