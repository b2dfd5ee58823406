package admin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/text"
)

// AddRegistrationToken makes an initial access token, by which applications register
// themselves within its bounds (RFC 7591, section 3), and returns it, to be shown this once.
// ID, Hash and what is counted are set here. Errors: FieldError, idp.ErrTooMany where there
// are as many as are kept.
func (d *Desk) AddRegistrationToken(ctx context.Context, by By, t *idp.RegistrationToken) (idp.Secret, error) {
	if err := d.allow(ctx, by, EditClients); err != nil {
		return "", err
	}
	now := d.conf.Now()
	t.Name = text.Form(t.Name)
	for i := range t.Hosts {
		t.Hosts[i] = strings.ToLower(t.Hosts[i])
	}
	if err := validRegistrationToken(t, now); err != nil {
		return "", err
	}
	secret := idp.NewToken()
	t.ID, t.Hash, t.Used, t.MadeBy, t.CreatedAt = idp.NewID[idp.RegistrationTokenID](), secret.Hash(), 0, by.Actor.Name, now
	t.RevokedAt, t.LastUsedAt = time.Time{}, time.Time{}
	t.Note(d.event(idp.EventRegistrationToken, by, map[string]string{"change": "added", "name": t.Name}))
	if err := d.conf.Store.AddRegistrationToken(ctx, t); err != nil {
		return "", err
	}
	return secret, nil
}

// validRegistrationToken checks what an initial access token may be: what no application may
// have is not promised to one. Errors: FieldError.
func validRegistrationToken(t *idp.RegistrationToken, now time.Time) error {
	bad := func(field, message string) error { return &idp.FieldError{Field: field, Message: message} }
	if err := idp.ValidText("name", t.Name, 1, idp.MaxDisplayName); err != nil {
		return err
	}
	if t.Uses < 1 || t.Uses > idp.MaxRegistrations {
		return bad("uses", "registration.uses")
	}
	if !t.ExpiresAt.After(now) || t.ExpiresAt.Sub(now) > idp.MaxRegistrationTime {
		return bad("expires", "registration.expires")
	}
	if len(t.GrantTypes) == 0 {
		return bad("grant_types", "client.grants.missing")
	}
	for _, g := range t.GrantTypes {
		if g == idp.GrantExchange { // whose targets the administration names
			return bad("grant_types", "registration.grants.exchange")
		}
		if !slices.Contains(GrantTypes, g) {
			return bad("grant_types", "client.grants.unknown")
		}
	}
	if len(t.Scopes) > idp.MaxRegistrationEntries {
		return bad("scopes", "client.scopes.many")
	}
	if !all(t.Scopes, func(s string) bool { return validToken(s, maxScope) }) {
		return bad("scopes", "client.scopes.bad")
	}
	for _, s := range t.Scopes {
		if idp.StaffOf(s) != idp.StaffNone {
			return bad("scopes", "registration.admin")
		}
	}
	if len(t.Hosts) > idp.MaxRegistrationEntries || !all(t.Hosts, idp.ValidRegistrationHost) ||
		len(t.Hosts) == 0 && slices.Contains(t.GrantTypes, idp.GrantCode) {
		return bad("hosts", "registration.hosts")
	}
	return nil
}

// RegistrationTokens lists initial access tokens without their hashes, the newest first.
// Errors: idp.ErrDenied.
func (d *Desk) RegistrationTokens(ctx context.Context, by By) ([]idp.RegistrationToken, error) {
	if err := d.allow(ctx, by, ReadClients); err != nil {
		return nil, err
	}
	list, err := d.conf.Store.RegistrationTokens(ctx)
	for i := range list {
		list[i].Hash = idp.TokenHash{}
	}
	return list, err
}

// RevokeRegistrationToken ends an initial access token: nothing is registered by it any more,
// and what was can read and delete its registration, but not change it. Errors:
// idp.ErrNotFound, idp.ErrSettled where it was revoked before.
func (d *Desk) RevokeRegistrationToken(ctx context.Context, by By, id idp.RegistrationTokenID) error {
	if err := d.allow(ctx, by, EditClients); err != nil {
		return err
	}
	return d.conf.Store.UpdateRegistrationToken(ctx, id, func(t *idp.RegistrationToken) error {
		if !t.RevokedAt.IsZero() {
			return fmt.Errorf("registration token %s: %w", id, idp.ErrSettled)
		}
		t.RevokedAt = d.conf.Now()
		t.Note(d.event(idp.EventRegistrationToken, by, map[string]string{"change": "revoked", "name": t.Name}))
		return nil
	})
}

// BlockRegistered revokes an initial access token and disables every application that was
// registered by it, with all that they were given, and returns how many it has disabled; those
// that were are not counted. An application that the administration has changed since is one of
// them: it was registered by the token still. Errors: idp.ErrNotFound.
func (d *Desk) BlockRegistered(ctx context.Context, by By, id idp.RegistrationTokenID) (int, error) {
	if err := d.allow(ctx, by, EditClients); err != nil {
		return 0, err
	}
	n := 0
	err := d.conf.Store.UpdateRegisteredBy(ctx, id, func(t *idp.RegistrationToken) error {
		n = 0 // fn may run twice
		if t.RevokedAt.IsZero() {
			t.RevokedAt = d.conf.Now()
		}
		t.Note(d.event(idp.EventRegistrationToken, by, map[string]string{"change": "blocked", "name": t.Name}))
		return nil
	}, func(c *idp.Client) error {
		if c.Disabled {
			return nil
		}
		n++
		c.Disabled, c.RegistrationHash, c.UpdatedAt = true, idp.TokenHash{}, d.conf.Now()
		c.Note(d.clientEvent(by, c, "edited"))
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// itself is the By of an application that acts upon its own registration. It passes no table
// of roles: what it may is decided by the token that it came with.
func itself(id idp.ClientID, address string) By {
	return By{Actor: idp.Actor{Name: "client:" + string(id)}, Client: id, Address: address}
}

// Register registers an application by an initial access token, within its bounds and by the
// checks of AddClient. People are asked for consent to one that has registered itself. The
// client secret (empty where it has none) and the registration access token are told this
// once. Errors: idp.ErrWrongSecret where the token is unknown, revoked, used up or expired;
// FieldError.
func (d *Desk) Register(ctx context.Context, token idp.Secret, address string, c *idp.Client) (secret, registration idp.Secret, err error) {
	// Looked for beside the writer: strangers do not come so far as to hold it up.
	known, err := d.conf.Store.RegistrationTokens(ctx)
	if err != nil {
		return "", "", err
	}
	i := slices.IndexFunc(known, func(t idp.RegistrationToken) bool { return t.Hash == token.Hash() })
	if i < 0 {
		return "", "", fmt.Errorf("no such initial access token: %w", idp.ErrWrongSecret)
	}
	if err := known[i].Live(d.conf.Now()); err != nil {
		return "", "", fmt.Errorf("%w: %w", idp.ErrWrongSecret, err)
	}
	icon, err := d.readOf(ctx, &known[i], c, nil)
	if err != nil {
		return "", "", err
	}
	asked := *c
	err = d.conf.Store.RegisterClient(ctx, token.Hash(), func(t *idp.RegistrationToken) (*idp.Client, error) {
		now := d.conf.Now()
		if err := t.Use(now); err != nil {
			return nil, fmt.Errorf("%w: %w", idp.ErrWrongSecret, err)
		}
		n := asked // fn may run twice
		n.ID, n.Consent, n.RegisteredBy = idp.NewID[idp.ClientID](), true, t.ID
		n.OptionalPKCE = t.OptionalPKCE && !n.Public()
		n.Icon = iconID(icon)
		if n.Name == "" {
			n.Name = siteOf(&n, t.Name)
		}
		if len(n.Scopes) == 0 { // as RFC 7591, section 2, has it: what there is by default
			n.Scopes = slices.Clone(t.Scopes)
		}
		if secret, err = d.prepareClient(&n, now); err != nil {
			return nil, err
		}
		if err := d.validAlgs(&n); err != nil {
			return nil, err
		}
		if err := t.Admits(&n); err != nil {
			return nil, err
		}
		registration = idp.NewToken()
		n.RegistrationHash = registration.Hash()
		e := d.clientEvent(itself(n.ID, address), &n, "registered")
		e.Detail["registration"] = t.Name
		n.Note(e)
		*c = n
		return &n, nil
	}, pictures(icon)...)
	if errors.Is(err, idp.ErrNotFound) {
		err = fmt.Errorf("%w: %w", idp.ErrWrongSecret, err)
	}
	if err != nil {
		return "", "", err
	}
	return secret, registration, nil
}

// siteOf names an application that has no name: by the host of its first redirect address, else
// as otherwise says.
func siteOf(c *idp.Client, otherwise string) string {
	if len(c.RedirectURIs) > 0 {
		if u, err := url.Parse(c.RedirectURIs[0]); err == nil && u.Hostname() != "" {
			return u.Hostname()
		}
	}
	return otherwise
}

// ownsRegistration reports whether a registration access token is the one of an application
// that is not disabled. It compares in constant time.
func ownsRegistration(c *idp.Client, token idp.Secret) bool {
	hash := token.Hash()
	return !c.Disabled && !c.RegistrationHash.IsZero() && subtle.ConstantTimeCompare(hash[:], c.RegistrationHash[:]) == 1
}

// Registration returns the registration of an application by its registration access token
// (RFC 7592, section 2.1). Errors: idp.ErrWrongSecret, also where there is no such application,
// or it is disabled.
func (d *Desk) Registration(ctx context.Context, id idp.ClientID, token idp.Secret) (*idp.Client, error) {
	c, err := d.client(ctx, id)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", idp.ErrWrongSecret, err)
	}
	if err != nil {
		return nil, err
	}
	if !ownsRegistration(c, token) {
		return nil, idp.ErrWrongSecret
	}
	return c, nil
}

// ChangeRegistration replaces the registration of an application by what it sends (RFC 7592,
// section 2.2), within the bounds of the initial access token that it was registered by. What
// the administration has set besides stays. The registration access token is another from now
// on; a client secret is made where there was none, and stays else. current is the client
// secret that the application sent along; empty: it sent none. Errors: idp.ErrWrongSecret as
// in Registration, and a FieldError of client_secret for another one; idp.ErrDenied where the
// initial access token was revoked; FieldError.
func (d *Desk) ChangeRegistration(ctx context.Context, id idp.ClientID, token, current idp.Secret, address string, sent *idp.Client) (secret, registration idp.Secret, err error) {
	now, err := d.Registration(ctx, id, token) // beside the writer, as in Register
	if err != nil {
		return "", "", err
	}
	if sent.SectorURI != now.SectorURI {
		return "", "", &idp.FieldError{Field: "sector_identifier_uri", Message: "client.sector.fixed"}
	}
	by, err := d.registrar(ctx, now)
	if err != nil {
		return "", "", err
	}
	icon, err := d.readOf(ctx, by, sent, now)
	if err != nil {
		return "", "", err
	}
	asked := *sent
	err = d.conf.Store.UpdateRegisteredClient(ctx, id, func(t *idp.RegistrationToken, c *idp.Client) error {
		if !ownsRegistration(c, token) {
			return idp.ErrWrongSecret
		}
		if !t.RevokedAt.IsZero() {
			return fmt.Errorf("registration token %s: %w", t.ID, idp.ErrDenied)
		}
		now := d.conf.Now()
		if current != "" && !c.HasNow(current, now) {
			return &idp.FieldError{Field: "client_secret", Message: "registration.secret"}
		}
		auth, before := c.Auth, *c
		takeRegistration(c, &asked)
		switch {
		case icon != nil:
			c.Icon = icon.ID
		case before.About.Logo != c.About.Logo: // it has none any more
			c.Icon = ""
		}
		c.OptionalPKCE = t.OptionalPKCE && !c.Public()
		if err := sameSubjects(&before, c); err != nil {
			return &idp.FieldError{Field: "subject_type", Message: "client.sector.fixed"}
		}
		if (auth == idp.AuthNone) != c.Public() {
			return &idp.FieldError{Field: "auth", Message: "client.auth.fixed"}
		}
		secret = ""
		switch {
		case !c.HasSecret():
			c.Secrets = nil
		case len(c.Secrets) == 0:
			secret = idp.NewToken()
			c.Secrets = []idp.ClientSecret{{Hash: secret.Hash(), CreatedAt: now}}
		}
		if len(c.Scopes) == 0 {
			c.Scopes = slices.Clone(t.Scopes)
		}
		d.tidyClient(c)
		if err := ValidateClient(c); err != nil {
			return err
		}
		if err := d.validMutual(c); err != nil {
			return err
		}
		if err := d.validAlgs(c); err != nil {
			return err
		}
		if err := t.Admits(c); err != nil {
			return err
		}
		registration = idp.NewToken()
		c.RegistrationHash, c.UpdatedAt = registration.Hash(), now
		e := d.clientEvent(itself(id, address), c, "edited")
		e.Detail["registration"] = t.Name
		c.Note(e)
		kept := *c
		*sent = kept
		return nil
	}, pictures(icon)...)
	if errors.Is(err, idp.ErrNotFound) {
		err = fmt.Errorf("%w: %w", idp.ErrWrongSecret, err)
	}
	if err != nil {
		return "", "", err
	}
	return secret, registration, nil
}

// takeRegistration puts into c what an application says of itself.
func takeRegistration(c, sent *idp.Client) {
	c.Kind, c.Auth, c.JWKS, c.JWKSURI = sent.Kind, sent.Auth, sent.JWKS, sent.JWKSURI
	if sent.Name != "" {
		c.Name = sent.Name
	}
	c.RedirectURIs, c.PostLogoutURIs, c.LogoutURI, c.LogoutSession = sent.RedirectURIs, sent.PostLogoutURIs, sent.LogoutURI, sent.LogoutSession
	c.GrantTypes, c.Scopes, c.IDTokenAlg = sent.GrantTypes, sent.Scopes, sent.IDTokenAlg
	c.RequirePushed, c.DPoP, c.CertBound, c.TLSSubject = sent.RequirePushed, sent.DPoP, sent.CertBound, sent.TLSSubject
	c.Signing, c.Backchannel, c.About, c.Requests = sent.Signing, sent.Backchannel, sent.About, sent.Requests
	c.SubjectType, c.SectorURI, c.InitiateURI = sent.SubjectType, sent.SectorURI, sent.InitiateURI
}

// RemoveRegistration deletes an application by its registration access token (RFC 7592, section
// 2.3), with all that RemoveClient takes. Errors: idp.ErrWrongSecret as in Registration.
func (d *Desk) RemoveRegistration(ctx context.Context, id idp.ClientID, token idp.Secret, address string) error {
	c, err := d.Registration(ctx, id, token)
	if err != nil {
		return err
	}
	err = d.conf.Store.RemoveRegisteredClient(ctx, id, token.Hash(), d.clientEvent(itself(id, address), c, "removed"))
	if errors.Is(err, idp.ErrNotFound) {
		err = fmt.Errorf("%w: %w", idp.ErrWrongSecret, err)
	}
	return err
}
