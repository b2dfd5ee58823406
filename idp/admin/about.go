package admin

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"hilum/idp"
	"hilum/idp/brand"
	"hilum/idp/text"
)

// Bounds of what an application says of itself.
const (
	maxTags    = 20                 // languages of one text
	maxContact = 254                // runes
	maxMaxAge  = 365 * 24 * 60 * 60 // seconds of default_max_age
)

// validAbout checks what an application says of itself, and what counts of its requests. Errors:
// FieldError.
func validAbout(c *idp.Client) error {
	bad := func(field, message string) error { return &idp.FieldError{Field: field, Message: message} }
	a := &c.About
	for _, f := range []struct {
		field  string
		tagged map[string]string
		page   bool // an address
	}{{"client_name", a.Names, false}, {"client_uri", a.Home, true}, {"policy_uri", a.Policy, true}, {"tos_uri", a.Terms, true}} {
		if len(f.tagged) > maxTags {
			return bad(f.field, "client.about.many")
		}
		for _, tag := range slices.Sorted(maps.Keys(f.tagged)) {
			value := f.tagged[tag]
			switch {
			case tag != "" && !text.Locale(tag):
				return bad(f.field, "client.about.tag")
			case f.page && !validPage(value):
				return bad(f.field, "client.redirect.bad")
			case !f.page:
				if err := idp.ValidText(f.field, value, 1, idp.MaxDisplayName); err != nil {
					return err
				}
			}
		}
	}
	if a.Logo != "" && !validPage(a.Logo) {
		return bad("logo_uri", "client.redirect.bad")
	}
	if len(a.Contacts) > maxTags {
		return bad("contacts", "client.about.many")
	}
	for _, contact := range a.Contacts {
		if err := idp.ValidText("contacts", contact, 1, maxContact); err != nil {
			return err
		}
	}
	for field, value := range map[string]string{"software_id": a.SoftwareID, "software_version": a.SoftwareVersion} {
		if err := idp.ValidText(field, value, 0, idp.MaxDisplayName); err != nil {
			return err
		}
	}
	r := &c.Requests
	switch {
	case r.MaxAge != nil && (*r.MaxAge < 0 || *r.MaxAge > maxMaxAge):
		return bad("default_max_age", "client.age.bad")
	case !all(r.ACRValues, func(v string) bool { return slices.Contains(idp.ACRValues, v) }):
		return bad("default_acr_values", "client.acr.bad")
	case len(r.URIs) > maxValues:
		return bad("request_uris", "client.redirect.many")
	case !all(r.URIs, validRequestURI):
		return bad("request_uris", "client.redirect.bad")
	case len(r.URIs) > 0 && !c.HasJWKS(): // what is not signed is not taken
		return bad("request_uris", "client.request.keys")
	}
	return nil
}

// validPage reports whether an address is one that people, or we, may be sent to.
func validPage(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && validRedirect(uri, idp.ClientWeb)
}

// validRequestURI reports whether an address can be a request_uri, which may end in the hash of
// what is there (OpenID Connect Core 1.0, section 6.2).
func validRequestURI(uri string) bool {
	uri, hash, _ := strings.Cut(uri, "#")
	return len(hash) <= maxAudience && !strings.Contains(hash, "#") && validPage(uri)
}

// validAlgs checks that there are keys here for all that is signed for an application. Errors:
// FieldError.
func (d *Desk) validAlgs(c *idp.Client) error {
	for _, a := range []struct{ field, alg string }{
		{"id_token_alg", c.IDTokenAlg},
		{"authorization_signed_response_alg", c.Signing.ResponseAlg},
		{"userinfo_signed_response_alg", c.Signing.UserinfoAlg},
		{"introspection_signed_response_alg", c.Signing.IntrospectionAlg},
	} {
		if !d.signs(a.alg) {
			return &idp.FieldError{Field: a.field, Message: "client.alg.off"}
		}
	}
	return nil
}

// registrar returns the initial access token that an application was registered by. Errors:
// idp.ErrWrongSecret where there is none, idp.ErrDenied where it was revoked.
func (d *Desk) registrar(ctx context.Context, c *idp.Client) (*idp.RegistrationToken, error) {
	known, err := d.conf.Store.RegistrationTokens(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(known, func(t idp.RegistrationToken) bool { return t.ID == c.RegisteredBy })
	switch {
	case i < 0:
		return nil, fmt.Errorf("registration token %s: %w", c.RegisteredBy, idp.ErrWrongSecret)
	case !known[i].RevokedAt.IsZero():
		return nil, fmt.Errorf("registration token %s: %w", c.RegisteredBy, idp.ErrDenied)
	}
	return &known[i], nil
}

// readOf reads what stands at addresses of a registration: the list of its sector, and its logo,
// which is returned as an icon; nil: it has none, or that of before. now is the registration
// that is replaced; nil: it is a new one. Nobody is called before the registration is known to
// be good so far, and within the bounds of its initial access token. Errors: FieldError.
func (d *Desk) readOf(ctx context.Context, t *idp.RegistrationToken, c, now *idp.Client) (*idp.Picture, error) {
	sector := c.SectorURI != "" && (now == nil || !slices.Equal(c.RedirectURIs, now.RedirectURIs))
	logo := c.About.Logo != "" && (now == nil || c.About.Logo != now.About.Logo)
	if !sector && !logo {
		return nil, nil
	}
	asked := *c
	asked.ID, asked.RegisteredBy = idp.NewID[idp.ClientID](), t.ID
	if asked.Name == "" {
		asked.Name = t.Name
	}
	d.tidyClient(&asked)
	if err := ValidateClient(&asked); err != nil {
		return nil, err
	}
	if err := t.Admits(&asked); err != nil {
		return nil, err
	}
	if sector {
		if err := d.checkSector(ctx, c); err != nil {
			return nil, err
		}
	}
	if !logo {
		return nil, nil
	}
	bad := &idp.FieldError{Field: "logo_uri", Message: "client.logo.unread"}
	if d.conf.Logo == nil {
		return nil, bad
	}
	raw, err := d.conf.Logo(ctx, c.About.Logo)
	if err != nil {
		d.conf.Log.Info("a logo_uri cannot be read", "registration", t.Name, "error", err)
		return nil, bad
	}
	return brand.Icon("logo_uri", raw)
}

func iconID(p *idp.Picture) idp.PictureID {
	if p == nil {
		return ""
	}
	return p.ID
}

func pictures(p *idp.Picture) []*idp.Picture {
	if p == nil {
		return nil
	}
	return []*idp.Picture{p}
}
