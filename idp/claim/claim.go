// Package claim says what applications are told of people: one table of
// claims, the names that an application may give them, and their JSON. It is
// pure, so that the preview that an administrator sees is made by the very code
// that makes tokens and userinfo answers.
package claim

import (
	"slices"
	"strconv"

	"hilum/idp"
)

// Scopes that cover claims (OpenID Connect Core 1.0, section 5.4, and groups and
// roles, which many relying parties know).
const (
	Profile = "profile"
	Email   = "email"
	Phone   = "phone"
	Groups  = "groups"
	Roles   = "roles"
)

// Claim is a claim about a person: the scope that covers it, and how its value
// is written. write appends nothing where there is no value; then the claim is
// left out (OpenID Connect Core 1.0, section 5.3.2).
type Claim struct {
	Name, Scope string
	write       func(b []byte, u *idp.User) []byte
	values      func(u *idp.User) []string // the value as texts, for rules; nil: no text and no list, so no rule is made of it
}

// Person are all claims about a person, in the order they are written. None has
// the name of a claim that a token carries for its own sake.
var Person = []Claim{
	{"name", Profile, func(b []byte, u *idp.User) []byte { return text(b, u.DisplayName) }, func(u *idp.User) []string { return one(u.DisplayName) }},
	{"given_name", Profile, func(b []byte, u *idp.User) []byte { return text(b, u.GivenName) }, func(u *idp.User) []string { return one(u.GivenName) }},
	{"family_name", Profile, func(b []byte, u *idp.User) []byte { return text(b, u.FamilyName) }, func(u *idp.User) []string { return one(u.FamilyName) }},
	{"preferred_username", Profile, func(b []byte, u *idp.User) []byte { return text(b, u.Name) }, func(u *idp.User) []string { return one(u.Name) }},
	{"locale", Profile, func(b []byte, u *idp.User) []byte { return text(b, u.Locale) }, func(u *idp.User) []string { return one(u.Locale) }},
	{"updated_at", Profile, func(b []byte, u *idp.User) []byte {
		if u.UpdatedAt.IsZero() {
			return b
		}
		return AppendTime(b, u.UpdatedAt)
	}, nil},
	{"email", Email, func(b []byte, u *idp.User) []byte { return text(b, u.Email) }, func(u *idp.User) []string { return one(u.Email) }},
	{"email_verified", Email, func(b []byte, u *idp.User) []byte {
		if u.Email == "" {
			return b
		}
		return strconv.AppendBool(b, u.EmailVerified)
	}, nil},
	{"phone_number", Phone, func(b []byte, u *idp.User) []byte { return text(b, u.Phone) }, func(u *idp.User) []string { return one(u.Phone) }},
	{"phone_number_verified", Phone, func(b []byte, u *idp.User) []byte {
		if u.Phone == "" {
			return b
		}
		return strconv.AppendBool(b, u.PhoneVerified)
	}, nil},
	{"groups", Groups, func(b []byte, u *idp.User) []byte { return texts(b, u.Groups) }, func(u *idp.User) []string { return u.Groups }},
	{"roles", Roles, func(b []byte, u *idp.User) []byte { return texts(b, u.Roles) }, func(u *idp.User) []string { return u.Roles }},
}

// own are the names of claims and of introspection members (RFC 7662, section 2.2)
// that say something of the token, not of the person. No rule may give one: an
// application would take a made-up audience or time for ours.
var own = []string{
	"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "auth_time", "acr", "amr", "azp", "sid", "at_hash", "c_hash", "s_hash",
	"client_id", "scope", "cnf", "act", "events", "active", "token_type",
}

// accessOnly is a claim that a rule tells in access tokens alone. Programs that take JWTs of
// one issuer for access tokens tell them from ID tokens by it (RFC 9068, section 5): one that
// stood in an ID token too would make it an access token.
const accessOnly = "typ"

// MayName reports whether an application may have a claim of this name.
func MayName(name string) bool { return !slices.Contains(own, name) }

// Known returns the claim of a name that rules may be made of: one that is a
// text or a list of texts. nil: there is none.
func Known(name string) *Claim {
	for i := range Person {
		if Person[i].Name == name && Person[i].values != nil {
			return &Person[i]
		}
	}
	return nil
}

// Names are the claims that rules may be made of.
func Names() []string {
	var names []string
	for i := range Person {
		if Person[i].values != nil {
			names = append(names, Person[i].Name)
		}
	}
	return names
}

// constant stands for the claim that a rule with a fixed text is made of: it is
// told where the scope profile is.
var constant = Claim{Scope: Profile}

// ByScope returns the filter that Append asks, for the claims that scopes cover.
func ByScope(scopes []string) func(*Claim) bool {
	return func(c *Claim) bool { return slices.Contains(scopes, c.Scope) }
}

// Append writes `,"name":value` for each claim that is wanted and has a value,
// and then for each rule of the application whose claim (From) is wanted. A rule
// takes the place of the claim that has its name, also where it writes nothing. Rules for
// typ are of access tokens, see AppendAccess.
func Append(b []byte, u *idp.User, rules []idp.ClaimRule, want func(*Claim) bool) []byte {
	return appendAll(b, u, rules, want, false)
}

// AppendAccess is Append for access tokens.
func AppendAccess(b []byte, u *idp.User, rules []idp.ClaimRule, want func(*Claim) bool) []byte {
	return appendAll(b, u, rules, want, true)
}

// AppendAuthorization writes what an API that asks about a token needs of its person: username
// (RFC 7662, section 2.2) and preferred_username, groups, roles, and the claims of rules,
// where the scopes of the token cover them.
func AppendAuthorization(b []byte, u *idp.User, rules []idp.ClaimRule, scopes []string) []byte {
	if u.Name != "" && slices.Contains(scopes, Profile) && !slices.ContainsFunc(rules, func(r idp.ClaimRule) bool { return r.Name == "username" }) {
		b = append(b, `,"username":`...)
		b = AppendString(b, u.Name)
	}
	return appendAll(b, u, rules, func(c *Claim) bool {
		return slices.Contains(scopes, c.Scope) && (c.list() || c.Name == "preferred_username" || c == &constant)
	}, true)
}

// RolesOf are the roles of a person as an application is told them: by its rule of the name
// roles where it has one and scopes cover what that is made of, else as they are.
func RolesOf(u *idp.User, rules []idp.ClaimRule, scopes []string) []string {
	i := slices.IndexFunc(rules, func(r idp.ClaimRule) bool { return r.Name == Roles })
	if i < 0 {
		return u.Roles
	}
	r, from := &rules[i], &constant
	if r.From != "" {
		from = Known(r.From)
	}
	if from == nil || !slices.Contains(scopes, from.Scope) {
		return nil
	}
	if from == &constant {
		return []string{r.Text}
	}
	roles := renamed(r, from.values(u))
	if r.One {
		return roles[:min(1, len(roles))]
	}
	return roles
}

func appendAll(b []byte, u *idp.User, rules []idp.ClaimRule, want func(*Claim) bool, access bool) []byte {
	for i := range Person {
		c := &Person[i]
		if !want(c) || slices.ContainsFunc(rules, func(r idp.ClaimRule) bool { return r.Name == c.Name }) {
			continue
		}
		b = member(b, c.Name, func(b []byte) []byte { return c.write(b, u) })
	}
	for i := range rules {
		r := &rules[i]
		from := &constant
		if r.From != "" {
			from = Known(r.From)
		}
		if from != nil && want(from) && (access || r.Name != accessOnly) {
			b = member(b, r.Name, func(b []byte) []byte { return ruled(b, r, from, u) })
		}
	}
	return b
}

// member writes a name and its value, or neither.
func member(b []byte, name string, value func([]byte) []byte) []byte {
	start := len(b)
	b = append(b, ',')
	b = AppendString(b, name)
	b = append(b, ':')
	named := len(b)
	if b = value(b); len(b) == named {
		return b[:start]
	}
	return b
}

// ruled writes the value that a rule makes of a claim; nothing where the person
// has none that the rule tells.
func ruled(b []byte, r *idp.ClaimRule, from *Claim, u *idp.User) []byte {
	if r.From == "" {
		return text(b, r.Text)
	}
	values := renamed(r, from.values(u))
	switch {
	case len(values) == 0:
		return b
	case r.One || !from.list():
		return text(b, values[0])
	}
	return AppendStrings(b, values)
}

// renamed are values as a rule names them; what it has no row for is left out.
func renamed(r *idp.ClaimRule, values []string) []string {
	if len(r.Values) == 0 {
		return values
	}
	var out []string
	for _, v := range r.Values {
		if slices.Contains(values, v.From) && !slices.Contains(out, v.To) {
			out = append(out, v.To)
		}
	}
	return out
}

// list reports whether the value is a JSON array, not a text.
func (c *Claim) list() bool { return c.Scope == Groups || c.Scope == Roles }

func text(b []byte, s string) []byte {
	if s == "" {
		return b
	}
	return AppendString(b, s)
}

func texts(b []byte, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	return AppendStrings(b, list)
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
