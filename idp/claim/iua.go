package claim

import (
	"slices"
	"strings"

	"hilum/idp"
)

// extensions is the claim of access tokens in which profiles put theirs, by name.
const extensions = "extensions"

// iuaPrefix begins the names of rules for the extension ihe_iua of access tokens (IHE Internet
// User Authorization, ITI TF-2: 3.71.4.2.2.1.1); the name of a member follows. They tell nothing
// anywhere else.
const iuaPrefix = "ihe_iua."

// iuaKind is what a member of the extension ihe_iua is.
type iuaKind int

const (
	iuaText  iuaKind = iota // a text
	iuaURI                  // an absolute URI, such as urn:oid:1.2.3
	iuaCodes                // a list of codes, each «system|code»
)

// iuaMembers are the members that rules can tell, in the order they are written. Two of the
// profile are not among them: purpose_of_use is a scope that was asked for and granted, and
// person_id is the patient, of whom nothing is known here.
var iuaMembers = []struct {
	name string
	kind iuaKind
}{
	{"subject_name", iuaText},
	{"subject_organization", iuaText},
	{"subject_organization_id", iuaURI},
	{"subject_role", iuaCodes},
	{"home_community_id", iuaURI},
	{"national_provider_identifier", iuaText},
}

// IsIUA reports whether a rule of this name is for the extension ihe_iua.
func IsIUA(name string) bool { return strings.HasPrefix(name, iuaPrefix) }

// IUA reports whether any of rules is.
func IUA(rules []idp.ClaimRule) bool {
	return slices.ContainsFunc(rules, func(r idp.ClaimRule) bool { return IsIUA(r.Name) })
}

// ValidIUA reports whether a rule for the extension ihe_iua tells what its member is: one of
// those that there are, an identifier that is an absolute URI, roles that are renamed to
// «system|code».
func ValidIUA(r *idp.ClaimRule) bool {
	for _, m := range iuaMembers {
		if r.Name != iuaPrefix+m.name {
			continue
		}
		told := []string{r.Text}
		if r.From != "" {
			told = nil
			for _, v := range r.Values {
				told = append(told, v.To)
			}
		}
		switch m.kind {
		case iuaURI:
			return len(told) > 0 && !slices.ContainsFunc(told, func(s string) bool { return !idp.ValidResource(s) })
		case iuaCodes:
			return len(told) > 0 && !slices.ContainsFunc(told, func(s string) bool { _, ok := idp.ParseCoding(s); return !ok })
		case iuaText:
		}
		return true
	}
	return false
}

// AppendIUA writes `,"extensions":{"ihe_iua":{…}}`: the purposes of use among scopes, and what
// rules tell of the person where scopes cover it; nothing where there is neither. What no rule
// tells is left out: nothing is made up. u is nil where a client acts for itself; a fixed text
// is told of a person whatever the scopes are, for it is of the site.
func AppendIUA(b []byte, u *idp.User, rules []idp.ClaimRule, scopes []string) []byte {
	start := len(b)
	b = append(b, `,"`+extensions+`":{"ihe_iua":{`...)
	open := len(b)
	next := func(name string) {
		if len(b) > open {
			b = append(b, ',')
		}
		b = AppendString(b, name)
		b = append(b, ':')
	}
	if purposes := idp.Purposes(scopes); len(purposes) > 0 {
		next("purpose_of_use")
		b = appendCodings(b, purposes)
	}
	if u != nil {
		for _, m := range iuaMembers {
			i := slices.IndexFunc(rules, func(r idp.ClaimRule) bool { return r.Name == iuaPrefix+m.name })
			if i < 0 {
				continue
			}
			values := iuaValues(&rules[i], u, scopes)
			switch {
			case len(values) == 0:
			case m.kind == iuaCodes:
				var codes []idp.Coding
				for _, v := range values {
					if c, ok := idp.ParseCoding(v); ok {
						codes = append(codes, c)
					}
				}
				if len(codes) > 0 {
					next(m.name)
					b = appendCodings(b, codes)
				}
			default:
				next(m.name)
				b = AppendString(b, values[0])
			}
		}
	}
	if len(b) == open {
		return b[:start]
	}
	return append(b, '}', '}')
}

// iuaValues is what a rule tells of a person; nil: nothing.
func iuaValues(r *idp.ClaimRule, u *idp.User, scopes []string) []string {
	if r.From == "" {
		return one(r.Text)
	}
	from := Known(r.From)
	if from == nil || !slices.Contains(scopes, from.Scope) {
		return nil
	}
	return renamed(r, from.values(u))
}

// appendCodings writes codes as FHIR has them: an array of Coding, each with system and code.
func appendCodings(b []byte, codes []idp.Coding) []byte {
	b = append(b, '[')
	for i, c := range codes {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"system":`...)
		b = AppendString(b, c.System)
		b = append(b, `,"code":`...)
		b = AppendString(b, c.Code)
		b = append(b, '}')
	}
	return append(b, ']')
}
