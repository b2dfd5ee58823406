package idp

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
		for _, has := range scopes {
			if has == s.scope {
				return s.role
			}
		}
	}
	return StaffNone
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
