package password

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"

	"hilum/idp"
)

// Bounds of a password, in runes.
const (
	MinRunes = 8
	MaxRunes = 128
)

const field = "password"

// enough is how many guesses a password has to take, by the estimate of zxcvbn. It
// withstands guessing at the sign-in page, which is counted and slowed down; an
// attacker without the database can do no other.
const enough = 1e6

// judged is how many runes from either end are looked at: finding patterns in
// long texts takes long, and a strong end makes the whole strong.
const judged = 32

// minWord is the shortest context word, in runes; shorter ones are part of everything.
const minWord = 3

// Acceptable returns a FieldError when the password must not be chosen. There
// are no rules of composition (NIST SP 800-63B-4, section 3.1.1.2): it has 8 to
// 128 characters, is not among what is guessed first, and is not built from
// the context words (the person's names, the site's), which means that it has
// to be good enough without them. Message keys: text.invalid, password.short,
// password.long, password.context, password.common.
func (*Hasher) Acceptable(password idp.Secret, context ...string) error {
	text := normal(password).Reveal()
	words := make([]string, len(context))
	for i, w := range context {
		words[i] = normal(idp.Secret(w)).Reveal()
	}
	if key := fault(text, words); key != "" {
		return &idp.FieldError{Field: field, Message: key}
	}
	return nil
}

// fault returns the message key of what is wrong with a password, or nothing.
func fault(text string, context []string) string {
	switch n := utf8.RuneCountInString(text); {
	case len(text) > MaxRunes*utf8.UTFMax, n > MaxRunes:
		return "password.long"
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return "text.invalid"
	case n < MinRunes:
		return "password.short"
	}
	lower := strings.ToLower(text)
	switch rest := without(lower, context); {
	case rest != lower && !strong(rest):
		return "password.context"
	case !strong(text):
		return "password.common"
	}
	return ""
}

// without takes the context words out of a lower-cased text, longest first.
func without(text string, context []string) string {
	var words []string
	for _, c := range context {
		words = append(words, strings.FieldsFunc(strings.ToLower(c), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r)
		})...)
	}
	slices.SortFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, w := range words {
		if utf8.RuneCountInString(w) >= minWord {
			text = strings.ReplaceAll(text, w, "")
		}
	}
	return text
}

// strong reports whether a text takes enough guesses. Of what is repeated, two
// rounds are looked at, and of what is long, either end.
func strong(text string) bool {
	runes := []rune(text)
	runes = runes[:min(len(runes), 2*period(runes))]
	if len(runes) <= judged {
		return guesses(runes) >= enough
	}
	return guesses(runes[:judged]) >= enough || guesses(runes[len(runes)-judged:]) >= enough
}

// period is after how many runes a text begins anew: 3 for "abcabcab", the
// whole length for most.
func period(runes []rune) int {
	for p := 1; p < len(runes); p++ {
		if slices.Equal(runes[p:], runes[:len(runes)-p]) {
			return p
		}
	}
	return len(runes)
}

// guesses is how many tries it takes to come to a text, by estimate. zxcvbn takes
// bytes for letters in some places: for some texts with a doubled letter outside
// ASCII its total is less than one of the parts takes, even zero. Nobody is refused
// for that: an estimate that cannot be right is made anew, of a text of the same
// shape in ASCII.
func guesses(runes []rune) float64 {
	if n, ok := estimate(string(runes)); ok {
		return n
	}
	n, _ := estimate(inASCII(runes))
	return n
}

// estimate asks zxcvbn; ok says whether its answer can be right: the parts make up
// the text, and the whole takes no fewer guesses than each of them.
func estimate(text string) (n float64, ok bool) {
	r := zxcvbn.PasswordStrength(text, nil)
	var parts strings.Builder
	most := 1.0
	for _, m := range r.Sequence {
		parts.WriteString(m.Token)
		most = max(most, m.Guesses)
	}
	return r.Guesses, r.Guesses >= most && parts.String() == text
}

// inASCII writes other letters as ones of ASCII, the same for the same, so that
// what is repeated or follows the alphabet does so still; digits of all scripts
// as the digits they are.
func inASCII(runes []rune) string {
	var b strings.Builder
	for _, r := range runes {
		switch {
		case r <= unicode.MaxASCII:
		case unicode.IsDigit(r):
			r = digit(r)
		default:
			r = 'a' + r%26
		}
		b.WriteRune(r)
	}
	return b.String()
}

// digit is the ASCII digit of the same value. Those of a script stand in a row
// that begins with nought.
func digit(r rune) rune {
	value := rune(0)
	for value < 9 && unicode.IsDigit(r-value-1) {
		value++
	}
	return '0' + value
}
