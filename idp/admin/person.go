package admin

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	"hilum/idp"
	"hilum/idp/text"
)

// maxListed bounds the roles, and the groups, of one person.
const maxListed = 100

// tidy gives what was typed about a person the form it is kept in.
func tidy(u *idp.User) {
	u.Name = idp.FoldName(text.NFC(u.Name))
	for _, s := range []*string{&u.DisplayName, &u.GivenName, &u.FamilyName, &u.Email, &u.Phone, &u.Locale} {
		*s = text.Form(*s)
	}
	for _, list := range []*[]string{&u.Roles, &u.Groups} {
		if len(*list) <= maxListed { // else refused as it is
			*list = text.Forms(*list)
		}
	}
}

// ValidatePerson checks what is typed about a person. Errors: FieldError.
func ValidatePerson(u *idp.User) error {
	if faults := personFaults(u); len(faults) > 0 {
		return faults[0]
	}
	return nil
}

// personFaults are all that is wrong with what is typed about a person.
func personFaults(u *idp.User) (faults []*idp.FieldError) {
	add := func(err error) (bad bool) {
		var f *idp.FieldError
		if errors.As(err, &f) {
			faults = append(faults, f)
		}
		return f != nil
	}
	faults = u.Faults()
	if !slices.ContainsFunc(faults, func(f *idp.FieldError) bool { return f.Field == "email" }) && u.Email != "" {
		// Its form is right; that there can be such a domain, libraries know.
		if _, _, ok := text.MailOut(u.Email); !ok {
			add(&idp.FieldError{Field: "email", Message: "user.email.bad"})
		}
	}
	add(idp.ValidText("given_name", u.GivenName, 0, idp.MaxDisplayName))
	add(idp.ValidText("family_name", u.FamilyName, 0, idp.MaxDisplayName))
	if !add(idp.ValidText("phone", u.Phone, 0, idp.MaxDisplayName)) && u.Phone != "" && !validPhone(u.Phone) {
		add(&idp.FieldError{Field: "phone", Message: "user.phone.bad"})
	}
	if !add(idp.ValidText("locale", u.Locale, 0, idp.MaxDisplayName)) && u.Locale != "" && !text.Locale(u.Locale) {
		add(&idp.FieldError{Field: "locale", Message: "user.locale.bad"})
	}
	add(validListed("roles", u.Roles))
	add(validListed("groups", u.Groups))
	return faults
}

// ValidateEdit is ValidatePerson for a person who is changed. Errors: FieldError.
func ValidateEdit(before, u *idp.User) error {
	after := *u
	tidy(&after)
	return newFaults(before, &after)
}

// newFaults is the first fault of a person that is not in what was kept before
// already: who mends one thing is not asked for another that was taken in its
// time. Errors: FieldError.
func newFaults(before, u *idp.User) error {
	same := map[string]bool{
		"username": before.Name == u.Name, "name": before.DisplayName == u.DisplayName, "given_name": before.GivenName == u.GivenName,
		"family_name": before.FamilyName == u.FamilyName, "email": before.Email == u.Email, "phone": before.Phone == u.Phone,
		"locale": before.Locale == u.Locale, "roles": slices.Equal(before.Roles, u.Roles), "groups": slices.Equal(before.Groups, u.Groups),
		"staff": before.Staff == u.Staff,
	}
	for _, f := range personFaults(u) {
		if !same[f.Field] {
			return f
		}
	}
	return nil
}

// validListed checks the roles or groups of one person. Errors: FieldError of field.
func validListed(field string, list []string) error {
	if len(list) > maxListed {
		return &idp.FieldError{Field: field, Message: "text.long"}
	}
	for _, s := range list {
		if err := idp.ValidText(field, s, 1, idp.MaxName); err != nil {
			return err
		}
	}
	return nil
}

// maxDigits is how many digits a telephone number has at most: 15 (E.164), and room
// for an exit code before them and an extension behind.
const maxDigits = 25

// validPhone reports whether a text can be a telephone number: digits as people
// group them, and an extension behind, in the ways there are to write one
// (RFC 3966 has ;ext=).
func validPhone(s string) bool {
	number := strings.ToLower(s)
	for _, word := range []string{";ext=", "extension", "ext.", "ext", "x", "#"} {
		if before, after, cut := strings.Cut(number, word); cut {
			after = strings.TrimSpace(after)
			if after == "" || strings.Trim(after, "0123456789") != "" || !strings.ContainsAny(before, "0123456789") {
				return false
			}
			number = strings.TrimSpace(before) + after
			break
		}
	}
	digits := 0
	for i, r := range number {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '+' && i == 0, strings.ContainsRune(" ()-./\u00a0\u202f\u2010\u2011\u2013", r):
		case r == '+' && strings.HasPrefix(number, "(+") && i == 1:
		default:
			return false
		}
	}
	return digits > 0 && digits <= maxDigits
}

// ReadList cuts one line of text into roles or groups, at its spaces; at its bars
// where it has any, so that names may have spaces in them: "ct mr", "tumour
// board|ct", "tumour board|". A bar that belongs to a name has a backslash before
// it, and where there are bars a backslash has another.
func ReadList(line string) []string {
	if !strings.Contains(line, "|") {
		return strings.Fields(line)
	}
	var list []string
	var one strings.Builder
	add := func() {
		if s := strings.TrimSpace(one.String()); s != "" {
			list = append(list, s)
		}
		one.Reset()
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line) && (line[i+1] == '|' || line[i+1] == '\\'):
			i++
			one.WriteByte(line[i])
		case c == '|':
			add()
		default:
			one.WriteByte(c)
		}
	}
	add()
	return list
}

// WriteList is the line that ReadList reads a list from.
func WriteList(list []string) string {
	if !slices.ContainsFunc(list, func(one string) bool {
		return strings.ContainsFunc(one, func(r rune) bool { return r == '|' || unicode.IsSpace(r) })
	}) {
		return strings.Join(list, " ")
	}
	escaped := make([]string, len(list))
	for i, one := range list {
		escaped[i] = strings.NewReplacer(`\`, `\\`, `|`, `\|`).Replace(one)
	}
	if len(escaped) == 1 {
		return escaped[0] + "|"
	}
	return strings.Join(escaped, "|")
}
