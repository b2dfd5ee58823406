package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"hilum/idp"
)

// Scopes with a meaning of their own (OpenID Connect Core 1.0, section 5.4, and
// groups and roles, which many relying parties know).
const (
	scopeOpenID  = "openid"
	scopeProfile = "profile"
	scopeEmail   = "email"
	scopePhone   = "phone"
	scopeGroups  = "groups"
	scopeRoles   = "roles"
	scopeOffline = "offline_access"
)

// personal reports whether a scope speaks of a person, so that a client of its
// own account cannot have it.
func personal(scope string) bool {
	switch scope {
	case scopeOpenID, scopeProfile, scopeEmail, scopePhone, "address", scopeGroups, scopeRoles, scopeOffline:
		return true
	}
	return false
}

// userClaim is a claim about a person: the scope that covers it, and how its
// value is written. write appends nothing where there is no value; then the
// claim is left out (OpenID Connect Core 1.0, section 5.3.2).
type userClaim struct {
	name, scope string
	write       func(b []byte, u *idp.User) []byte
}

// userClaims are all there are, in the order they are written. None has the
// name of a claim that a token carries for its own sake.
var userClaims = []userClaim{
	{"name", scopeProfile, func(b []byte, u *idp.User) []byte { return appendText(b, u.DisplayName) }},
	{"given_name", scopeProfile, func(b []byte, u *idp.User) []byte { return appendText(b, u.GivenName) }},
	{"family_name", scopeProfile, func(b []byte, u *idp.User) []byte { return appendText(b, u.FamilyName) }},
	{"preferred_username", scopeProfile, func(b []byte, u *idp.User) []byte { return appendText(b, u.Name) }},
	{"locale", scopeProfile, func(b []byte, u *idp.User) []byte { return appendText(b, u.Locale) }},
	{"updated_at", scopeProfile, func(b []byte, u *idp.User) []byte {
		if u.UpdatedAt.IsZero() {
			return b
		}
		return appendTime(b, u.UpdatedAt)
	}},
	{"email", scopeEmail, func(b []byte, u *idp.User) []byte { return appendText(b, u.Email) }},
	{"email_verified", scopeEmail, func(b []byte, u *idp.User) []byte {
		if u.Email == "" {
			return b
		}
		return strconv.AppendBool(b, u.EmailVerified)
	}},
	{"phone_number", scopePhone, func(b []byte, u *idp.User) []byte { return appendText(b, u.Phone) }},
	{"phone_number_verified", scopePhone, func(b []byte, u *idp.User) []byte {
		if u.Phone == "" {
			return b
		}
		return strconv.AppendBool(b, u.PhoneVerified)
	}},
	{"groups", scopeGroups, func(b []byte, u *idp.User) []byte { return appendList(b, u.Groups) }},
	{"roles", scopeRoles, func(b []byte, u *idp.User) []byte { return appendList(b, u.Roles) }},
}

// appendUserClaims writes `,"name":value` for each claim that is wanted and has a value.
func appendUserClaims(b []byte, u *idp.User, want func(*userClaim) bool) []byte {
	for i := range userClaims {
		c := &userClaims[i]
		if !want(c) {
			continue
		}
		start := len(b)
		b = append(b, ',', '"')
		b = append(b, c.name...)
		b = append(b, '"', ':')
		named := len(b)
		if b = c.write(b, u); len(b) == named {
			b = b[:start]
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	if s == "" {
		return b
	}
	return appendString(b, s)
}

func appendList(b []byte, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	return appendStrings(b, list)
}

// claimsRequest is the claims parameter (OpenID Connect Core 1.0, section 5.5).
type claimsRequest struct {
	Userinfo map[string]*claimDemand `json:"userinfo"`
	IDToken  map[string]*claimDemand `json:"id_token"`
}

// claimDemand is what is asked of one claim; nil when it is merely asked for.
type claimDemand struct {
	Essential bool              `json:"essential"`
	Value     json.RawMessage   `json:"value"`
	Values    []json.RawMessage `json:"values"`
}

var errClaims = errors.New("not a claims request")

// parseClaims reads a claims parameter. Members that nobody knows are ignored.
func parseClaims(raw []byte) (claimsRequest, error) {
	var c claimsRequest
	if len(raw) == 0 {
		return c, nil
	}
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) || json.Unmarshal(raw, &c) != nil {
		return claimsRequest{}, errClaims
	}
	return c, nil
}

// accepts reports whether a text satisfies what is asked of its claim.
func (d *claimDemand) accepts(text string) bool {
	if d == nil || len(d.Value) == 0 && len(d.Values) == 0 {
		return true
	}
	is := func(raw json.RawMessage) bool {
		var v string
		return json.Unmarshal(raw, &v) == nil && v == text
	}
	return len(d.Value) > 0 && is(d.Value) || slices.ContainsFunc(d.Values, is)
}

// text is the one text that a claim is asked to have, or empty.
func (d *claimDemand) text() string {
	var v string
	if d == nil || len(d.Value) == 0 || json.Unmarshal(d.Value, &v) != nil {
		return ""
	}
	return v
}

// mayAsk reports whether a client may be told a claim that it asked for by name
// and not by scope: its registration allows the scope that covers the claim,
// and where people are asked for consent, that scope was among what they saw.
func mayAsk(c *idp.Client, granted []string, claim *userClaim) bool {
	if c.Consent {
		return slices.Contains(granted, claim.scope)
	}
	return slices.Contains(c.Scopes, claim.scope)
}

// inIDToken says which claims about the person an ID token carries: those that
// were asked for by name, and for a client so configured those of the scopes.
// nil: none.
func inIDToken(c *idp.Client, g *idp.Grant, scopes []string) func(*userClaim) bool {
	asked, _ := parseClaims(g.Claims) // was read before it was kept
	if !c.ClaimsInID && len(asked.IDToken) == 0 {
		return nil
	}
	return func(claim *userClaim) bool {
		if c.ClaimsInID && slices.Contains(scopes, claim.scope) {
			return true
		}
		_, named := asked.IDToken[claim.name]
		return named && mayAsk(c, g.Scopes, claim)
	}
}

// inUserinfo says which claims about the person userinfo answers with.
func inUserinfo(c *idp.Client, g *idp.Grant, scopes []string) func(*userClaim) bool {
	asked, _ := parseClaims(g.Claims) // was read before it was kept
	return func(claim *userClaim) bool {
		if slices.Contains(scopes, claim.scope) {
			return true
		}
		_, named := asked.Userinfo[claim.name]
		return named && mayAsk(c, g.Scopes, claim)
	}
}
