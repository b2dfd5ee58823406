package idp

import "slices"

// Scopes that mean something to the provider itself (OpenID Connect Core 1.0,
// sections 3.1.2.1 and 11).
const (
	ScopeOpenID  = "openid"
	ScopeOffline = "offline_access"
	// ScopeStudy: to be told which study was opened (SMART App Launch, launch context).
	ScopeStudy = "launch/imagingstudy"
)

// Scopes that stand for a role in the administration. They are given to
// programs of a hospital's IT by client credentials, never to a person's token.
const (
	ScopeAdmin    = "hilum.admin"
	ScopeHelpdesk = "hilum.helpdesk"
	ScopeAuditor  = "hilum.auditor"
)

// staffScopes are those scopes and their roles, the strongest first.
var staffScopes = []struct {
	scope string
	role  StaffRole
}{{ScopeAdmin, StaffAdmin}, {ScopeHelpdesk, StaffHelpdesk}, {ScopeAuditor, StaffAuditor}}

// StaffOf is the strongest role that scopes stand for; StaffNone for all others.
func StaffOf(scopes ...string) StaffRole {
	for _, s := range staffScopes {
		if slices.Contains(scopes, s.scope) {
			return s.role
		}
	}
	return StaffNone
}

// MayAsk reports whether a person's sign-in may ask for a scope on behalf of the
// client, by its registration of now.
//
// What administers is never among it, whatever the registration says: no
// person's token opens the admin API.
func (c *Client) MayAsk(scope string) bool {
	if StaffOf(scope) != StaffNone {
		return false
	}
	switch scope {
	case ScopeOpenID:
		return c.SignsIn()
	case ScopeOffline:
		return c.Allows(GrantRefresh) && slices.Contains(c.Scopes, scope)
	}
	return slices.Contains(c.Scopes, scope)
}

// MayExchange reports whether what the client gets for a token of a person may have a scope: one
// of its registration, but none that administers, nor offline_access, since nothing is
// refreshed.
func (c *Client) MayExchange(scope string) bool {
	return StaffOf(scope) == StaffNone && scope != ScopeOffline && slices.Contains(c.Scopes, scope)
}

// ScopeOf is the scope that stands for a role; empty for StaffNone.
func ScopeOf(role StaffRole) string {
	for _, s := range staffScopes {
		if s.role == role {
			return s.scope
		}
	}
	return ""
}
