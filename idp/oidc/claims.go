package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"hilum/idp"
	"hilum/idp/claim"
)

// Scopes with a meaning of their own (OpenID Connect Core 1.0, section 5.4, and
// groups and roles, which many relying parties know).
const (
	scopeOpenID  = idp.ScopeOpenID
	scopeProfile = "profile"
	scopeEmail   = "email"
	scopePhone   = "phone"
	scopeGroups  = "groups"
	scopeRoles   = "roles"
	scopeOffline = idp.ScopeOffline
)

// personalScope reports whether a scope is about a person, so that no client can have it
// by client credentials.
func personalScope(scope string) bool {
	switch scope {
	case scopeOpenID, scopeProfile, scopeEmail, scopePhone, "address", scopeGroups, scopeRoles, scopeOffline, idp.ScopeStudy:
		return true
	}
	return idp.Emergency([]string{scope}) // a person alone can claim one
}

// claimsRequest is the claims parameter (OpenID Connect Core 1.0, section 5.5).
type claimsRequest struct {
	Userinfo map[string]*individualClaim `json:"userinfo"`
	IDToken  map[string]*individualClaim `json:"id_token"`
}

// individualClaim is the request for an individual claim (section 5.5.1): the values that it
// may have, and whether it is essential. nil: the claim is asked for and nothing more.
type individualClaim struct {
	Essential bool              `json:"essential"`
	Value     json.RawMessage   `json:"value"`
	Values    []json.RawMessage `json:"values"`
}

var errClaims = errors.New("not a claims request")

// parseClaims reads a claims parameter; an empty one asks for nothing. Members that are
// not known are ignored, as section 5.5 says. Error: errClaims.
func parseClaims(raw []byte) (claimsRequest, error) {
	if len(raw) == 0 {
		return claimsRequest{}, nil
	}
	var c claimsRequest
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) || json.Unmarshal(raw, &c) != nil {
		return claimsRequest{}, errClaims
	}
	return c, nil
}

// accepts reports whether a text is a value that the claim is asked to have.
func (d *individualClaim) accepts(text string) bool {
	if d == nil || len(d.Value) == 0 && len(d.Values) == 0 {
		return true
	}
	is := func(raw json.RawMessage) bool {
		var v string
		return json.Unmarshal(raw, &v) == nil && v == text
	}
	return len(d.Value) > 0 && is(d.Value) || slices.ContainsFunc(d.Values, is)
}

// text is the one value that the claim is asked to have, or empty.
func (d *individualClaim) text() string {
	var v string
	if d == nil || len(d.Value) == 0 || json.Unmarshal(d.Value, &v) != nil {
		return ""
	}
	return v
}

// namedClaims are the claims about the person that a claims request asks for by name, as far
// as the client is registered for the scope that covers them and has not asked for that as
// well, in the order in which they are written. Where people are asked for consent they see
// these.
func namedClaims(c *idp.Client, scopes []string, asked claimsRequest) []string {
	var names []string
	for i := range claim.Person {
		about := &claim.Person[i]
		_, one := asked.Userinfo[about.Name]
		_, two := asked.IDToken[about.Name]
		if (one || two) && !slices.Contains(scopes, about.Scope) && slices.Contains(c.Scopes, about.Scope) {
			names = append(names, about.Name)
		}
	}
	return names
}

// consentedClaims are the claims asked by name that the person of a grant has allowed its
// client, as it is remembered now; nobody is asked about them where the client does not ask
// for consent, or asked for none. Error: it cannot be read.
func (s *Server) consentedClaims(ctx context.Context, c *idp.Client, g *idp.Grant) ([]string, error) {
	if !c.Consent || len(g.Claims) == 0 || g.User == "" {
		return nil, nil
	}
	given, err := s.conf.Store.Consent(ctx, g.User, c.ID)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return given.Claims, nil
}

// mayAsk reports whether a client may be told a claim that it asked for by name
// and not by scope: its registration allows the scope that covers the claim,
// and where people are asked for consent, that scope was among what they saw, or the claim
// is among those that they have allowed by name.
func mayAsk(c *idp.Client, granted, consented []string, about *claim.Claim) bool {
	if c.Consent && !slices.Contains(granted, about.Scope) && !slices.Contains(consented, about.Name) {
		return false
	}
	return slices.Contains(c.Scopes, about.Scope)
}

// inIDToken returns which claims about the person an ID token carries: those that
// were asked for by name, and for a client that is registered so (Client.ClaimsInID)
// those of the scopes. nil: none.
func inIDToken(c *idp.Client, g *idp.Grant, scopes, consented []string) func(*claim.Claim) bool {
	asked, _ := parseClaims(g.Claims) // was read before it was kept
	if !c.ClaimsInID && len(asked.IDToken) == 0 {
		return nil
	}
	return func(about *claim.Claim) bool {
		if c.ClaimsInID && slices.Contains(scopes, about.Scope) {
			return true
		}
		_, named := asked.IDToken[about.Name]
		return named && mayAsk(c, g.Scopes, consented, about)
	}
}

// inUserinfo returns which claims about the person a UserInfo response carries: those of
// the scopes, and those that were asked for by name.
func inUserinfo(c *idp.Client, g *idp.Grant, scopes, consented []string) func(*claim.Claim) bool {
	asked, _ := parseClaims(g.Claims) // was read before it was kept
	return func(about *claim.Claim) bool {
		if slices.Contains(scopes, about.Scope) {
			return true
		}
		_, named := asked.Userinfo[about.Name]
		return named && mayAsk(c, g.Scopes, consented, about)
	}
}
