package idp

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLocal is how long the part of a mail address before its @ may be, in bytes
// (RFC 5321, section 4.5.3.1.1).
const maxLocal = 64

// ValidMail reports whether a text is one mail address and nothing else: a dot-string,
// one @, a domain name (RFC 5321, section 4.1.2), both also in letters beyond
// ASCII (RFC 6531, section 3.3). What the standard allows and nobody has is not taken: quoted
// local parts, comments, and addresses of machines in brackets; each of them
// is read in different ways by different programs.
func ValidMail(s string) bool {
	local, domain, _ := strings.Cut(s, "@")
	if len(s) > MaxEmail || len(local) > maxLocal || !utf8.ValidString(s) {
		return false
	}
	for part := range strings.SplitSeq(local, ".") {
		if part == "" || !strings.ContainsFunc(part, visible) || strings.ContainsFunc(part, func(r rune) bool { return !mailRune(r) }) {
			return false
		}
	}
	return validDomain(domain)
}

// mailRune reports whether a local part may have a rune: atext of RFC 5322,
// section 3.2.3, and beyond ASCII what can be seen, with its marks.
func mailRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
	}
	return visible(r) || unicode.In(r, unicode.Mn, unicode.Mc) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// validDomain reports whether a text has the form of a domain name. One whose
// last label is a number is an address of a machine.
func validDomain(domain string) bool {
	const maxDomain, maxLabel = 253, 63
	if len(domain) > maxDomain {
		return false
	}
	last := ""
	for last = range strings.SplitSeq(domain, ".") {
		if last == "" || len(last) > maxLabel || last[0] == '-' || last[len(last)-1] == '-' {
			return false
		}
		for _, r := range last {
			ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-'
			if r >= utf8.RuneSelf {
				ok = unicode.In(r, unicode.L, unicode.Mn, unicode.Mc, unicode.Nd) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
			}
			if !ok {
				return false
			}
		}
	}
	return strings.Trim(last, "0123456789") != ""
}
