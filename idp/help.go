package idp

import (
	"net/url"
	"strings"
)

// Bounds of the help line of a site.
const (
	MaxHelp     = 120 // of its text, in runes
	MaxHelpLink = 200 // of its link, in bytes
)

// ValidHelp checks the help line of a site: a text, and a link that it may have. The link is
// an https URL, a telephone number (RFC 3966) or a mail address (RFC 6068), written whole:
// it is shown to people who cannot sign in, and nothing else may come of pressing it.
// Errors: FieldError with the field helpField or linkField.
func ValidHelp(helpField, help, linkField, link string) error {
	bad := func(message string) error { return &FieldError{linkField, message} }
	if help != "" {
		if err := ValidText(helpField, help, 1, MaxHelp); err != nil {
			return err
		}
	}
	if link == "" {
		return nil
	}
	u, err := url.Parse(link)
	switch {
	case help == "":
		return &FieldError{helpField, "site.help.text"}
	case len(link) > MaxHelpLink:
		return bad("text.long")
	case err != nil || strings.ContainsAny(link, " \"'<>\\"):
		return bad("site.help.link")
	}
	switch u.Scheme {
	case "https":
		if u.Hostname() == "" || u.User != nil {
			return bad("site.help.link")
		}
	case "tel":
		if !validTel(u.Opaque) || u.RawQuery != "" || u.Fragment != "" {
			return bad("site.help.tel")
		}
	case "mailto":
		if !ValidMail(u.Opaque) || u.RawQuery != "" || u.Fragment != "" {
			return bad("site.help.mail")
		}
	default:
		return bad("site.help.link")
	}
	return nil
}

// validTel reports whether s is the number of a tel URI: digits, with a plus before them
// where it is a global one, and visual separators (RFC 3966, section 3).
func validTel(s string) bool {
	digits := 0
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '+' && i == 0, strings.ContainsRune("-.()", r):
		default:
			return false
		}
	}
	return digits >= 2 && digits <= 20
}
