package admin

import (
	"context"
	"slices"

	"hilum/idp"
)

// validSubjects checks that a client with pairwise subjects has one sector (OpenID Connect Core
// 1.0, section 8.1). Errors: FieldError.
func validSubjects(c *idp.Client) error {
	bad := func(field, message string) error { return &idp.FieldError{Field: field, Message: message} }
	switch {
	case c.SubjectType == "" && c.SectorURI == "":
		return nil
	case c.SubjectType == "":
		return bad("sector_identifier_uri", "client.sector.unused")
	case c.SubjectType != idp.SubjectPairwise:
		return bad("subject_type", "client.subject.bad")
	case c.SectorURI != "" && (!validRedirect(c.SectorURI, idp.ClientWeb)):
		return bad("sector_identifier_uri", "client.redirect.bad")
	case c.Sector() == "":
		return bad("sector_identifier_uri", "client.sector.missing")
	}
	return nil
}

// sameSubjects refuses an edit that gives every person another sub, by which the application
// would not know them any more, unless it says that this is meant. Errors: FieldError.
func sameSubjects(before, after *idp.Client) error {
	pairwise := after.SubjectType == idp.SubjectPairwise
	if after.ChangeSubject || before.SubjectType == after.SubjectType && (!pairwise || before.Sector() == after.Sector()) {
		return nil
	}
	return &idp.FieldError{Field: "subject_type", Message: "client.subject.change"}
}

// sector is what was found at a sector_identifier_uri, for redirect addresses that are all in it.
type sector struct {
	uri       string
	redirects []string
}

// covers reports whether what was found says so of the client as it is now.
func (s *sector) covers(c *idp.Client) bool {
	return s != nil && s.uri == c.SectorURI && !slices.ContainsFunc(c.RedirectURIs, func(u string) bool { return !slices.Contains(s.redirects, u) })
}

// checkSector reads the sector_identifier_uri of a client, which has to list all its redirect
// addresses. Errors: FieldError.
func (d *Desk) checkSector(ctx context.Context, c *idp.Client) error {
	if c.SectorURI == "" {
		return nil
	}
	if err := validSubjects(c); err != nil {
		return err
	}
	bad := &idp.FieldError{Field: "sector_identifier_uri", Message: "client.sector.unread"}
	if d.conf.Sector == nil {
		return bad
	}
	listed, err := d.conf.Sector(ctx, c.SectorURI)
	if err != nil {
		d.conf.Log.Info("a sector_identifier_uri cannot be read", "client", string(c.ID), "error", err)
		return bad
	}
	found := &sector{c.SectorURI, listed}
	if !found.covers(c) {
		return &idp.FieldError{Field: "sector_identifier_uri", Message: "client.sector.other"}
	}
	return nil
}

// sectorOf is checkSector for an edit; nil: the edit changes neither the address nor the
// redirects, or there is no such address. Errors: FieldError, idp.ErrNotFound.
func (d *Desk) sectorOf(ctx context.Context, id idp.ClientID, fn func(*idp.Client)) (*sector, error) {
	c, err := d.client(ctx, id)
	if err != nil {
		return nil, err
	}
	before, redirects := c.SectorURI, slices.Clone(c.RedirectURIs)
	fn(c)
	if c.SectorURI == "" {
		return nil, nil
	}
	if c.SectorURI != before || !slices.Equal(redirects, c.RedirectURIs) {
		if err := d.checkSector(ctx, c); err != nil {
			return nil, err
		}
	}
	return &sector{c.SectorURI, slices.Clone(c.RedirectURIs)}, nil
}
