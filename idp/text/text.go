// Package text is the form in which what people type is kept and compared.
//
// One letter can be written in more than one way: «ä» as one character or as
// an «a» with a mark behind it. Which of them arrives depends on the keyboard
// and the system, not on the person. So texts are kept in Unicode Normalization
// Form C (UAX #15), and compared in it. Compatibility forms (NFKC) are left
// alone: they would change what is read.
//
// Mail addresses are compared without regard to case, and with their domain as
// the domain name system sees it (RFC 5890); they are kept as typed.
package text

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// NFC is s in Normalization Form C. Broken UTF-8 stays as it is.
func NFC(s string) string { return norm.NFC.String(s) }

// Form is what was typed, as it is kept: in NFC, without spaces around.
func Form(s string) string { return strings.TrimSpace(norm.NFC.String(s)) }

// Forms is a list as it is kept: each in its Form, those that are the same once,
// in the order of their first. The list given is not changed.
func Forms(list []string) []string {
	if list == nil {
		return nil
	}
	out := make([]string, 0, len(list))
	for _, s := range list {
		if s = Form(s); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// MailKey is equal for two addresses that are one: in whatever case, whatever
// Unicode form, with the domain in letters or as A-labels.
func MailKey(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return folded(address)
	}
	domain := address[at+1:]
	if a, err := asciiDomain(domain); err == nil {
		domain = a
	}
	return folded(address[:at]) + "@" + folded(domain)
}

// folded takes the case from a text by Unicode's simple case folding. It has no
// Turkish rules: İ is not i, whoever asks.
func folded(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return norm.NFC.String(strings.Map(foldRune, norm.NFC.String(s)))
		}
	}
	return strings.ToLower(s)
}

// foldRune is one letter for all that differ in case only.
func foldRune(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	if unicode.SimpleFold(least) == least {
		return least
	}
	return unicode.ToLower(least)
}

// MailOut is an address as it goes to mail servers: its domain in A-labels (RFC
// 5891). ascii is false when its local part needs SMTPUTF8 (RFC 6531). ok is
// false when its domain is no domain name.
func MailOut(address string) (out string, ascii, ok bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return "", false, false
	}
	domain, err := asciiDomain(address[at+1:])
	if err != nil || domain == "" {
		return "", false, false
	}
	local := norm.NFC.String(address[:at])
	for i := range len(local) {
		if local[i] >= utf8.RuneSelf {
			return local + "@" + domain, false, true
		}
	}
	return local + "@" + domain, true, true
}

// asciiDomain is a domain in A-labels. What is in ASCII already stays as it is,
// but for labels that say they are A-labels: those are checked.
func asciiDomain(domain string) (string, error) {
	ascii := true
	for i := range len(domain) {
		ascii = ascii && domain[i] < utf8.RuneSelf
	}
	if ascii && !strings.Contains(strings.ToLower(domain), "xn--") {
		return domain, nil
	}
	out, err := idna.Lookup.ToASCII(domain)
	if err == nil && (out == "" || len(out) > maxDomain || slices.ContainsFunc(strings.Split(out, "."), func(l string) bool { return l == "" || len(l) > maxLabel })) {
		err = errDomain
	}
	return out, err
}

// Bounds of a domain name and of one label, in bytes (RFC 1035, section 2.3.4).
const (
	maxDomain = 253
	maxLabel  = 63
)

var errDomain = errors.New("no domain name")

// Locale reports whether a text is a language tag (BCP 47) of a language that
// there is.
func Locale(tag string) bool {
	if strings.ContainsRune(tag, '_') { // the library takes it, applications do not
		return false
	}
	_, err := language.Parse(tag)
	return err == nil
}
