package store

import (
	"fmt"
	"strings"

	"hilum/idp"
)

// selectSight is selectAccess with the grant and the person of the token, for one that is not
// remembered: one search in place of three. Of a client's own there is no person.
var selectSight = strings.Replace(selectAccess, "coalesce(u.revision, 0)", "coalesce(u.revision, 0), "+
	qualified("g", grantColumns)+", "+orZero("u", userColumns, (&userRow{}).fields()), 1)

// orZero is qualified for a row that may not be there: each column is then what its field, in
// fields, has in Go before it is read.
func orZero(table, columns string, fields []any) string {
	names := strings.Split(qualified(table, columns), ", ")
	for i, f := range fields {
		zero := "''"
		switch f.(type) {
		case *int64, *bool:
			zero = "0"
		case *[]byte:
			continue // NULL is no bytes
		}
		names[i] = "coalesce(" + names[i] + ", " + zero + ")"
	}
	return strings.Join(names, ", ")
}

// sight reads an access token with its grant and person, which are to be kept in memory, and when
// the grant was revoked. Errors: idp.ErrNotFound.
func (s *session) sight(token *accessRow) (seen *recentGrant, revokedAt int64, err error) {
	var grant grantRow
	var user userRow
	var revision int64
	into := append(token.answer(&revokedAt, &revision), grant.fields()...)
	if err := s.seek(selectSight, []any{token.Hash}, append(into, user.fields()...)...); err != nil {
		return nil, 0, fmt.Errorf("access token: %w", err)
	}
	if err := s.fits(token, ""); err != nil {
		return nil, 0, err
	}
	if err := s.fits(&grant, idp.UserID(grant.UserID)); err != nil {
		return nil, 0, err
	}
	g, err := grant.grant()
	if err != nil {
		return nil, 0, err
	}
	seen = &recentGrant{grant: *g, revision: revision}
	if g.User == "" {
		return seen, revokedAt, nil
	}
	if user.ID == "" {
		return nil, 0, fmt.Errorf("user %s: %w", g.User, idp.ErrNotFound)
	}
	seen.user, err = user.fitting(s)
	return seen, revokedAt, err
}
