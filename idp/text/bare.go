package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// apart are letters that do not come apart into a letter and an accent.
var apart = strings.NewReplacer("ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "ı", "i")

// Bare takes case, accents and the spaces around it from a text that is searched, or
// searched for.
func Bare(s string) string {
	ascii := true
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.TrimSpace(strings.ToLower(s))
	}
	// Taking a letter apart can leave a capital, and a small letter an accent.
	return strings.TrimSpace(apart.Replace(bareLetters(strings.ToLower(bareLetters(s)))))
}

func bareLetters(s string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}
