package page

import "strings"

// IsClientID reports whether s has the form of a client's id: at most maxID letters,
// digits, dots, hyphens and underscores. «new» is none, the path of a form.
func IsClientID(s string) bool {
	return s != "" && len(s) <= maxID && s != "new" && !strings.ContainsFunc(s, func(r rune) bool {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
		return !ok
	})
}

// IsNumber reports whether s has the form of the number of an event: at most 18 digits, the
// first of them not 0.
func IsNumber(s string) bool {
	return s != "" && len(s) <= 18 && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

// IsID reports whether s has the form of idp.NewID: 26 digits of base32hex.
func IsID(s string) bool {
	if len(s) != 26 {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'A' && c <= 'V' || c >= '0' && c <= '9') {
			return false
		}
	}
	return true
}
