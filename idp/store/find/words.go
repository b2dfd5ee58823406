package find

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"hilum/idp"
	"hilum/idp/text"
)

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// Words cuts a mail address and texts into the words that can be searched: every run
// without spaces, and every part of it that begins after a sign; not those of a mail's
// domain, which most people share. A word that is the beginning of another is left out: it
// finds nothing that the other does not.
func Words(mail string, texts ...string) []string {
	var all []string
	for n, s := range append([]string{mail}, texts...) {
		for run := range strings.FieldsSeq(text.Bare(s)) {
			inside := false
			for i, r := range run {
				if n == 0 && r == '@' {
					break
				}
				is := wordRune(r)
				if is && !inside {
					all = append(all, bounded(run[i:], idp.MaxWord))
				}
				inside = is
			}
		}
	}
	slices.Sort(all)
	out := all[:0]
	for i, w := range all {
		if i+1 < len(all) && strings.HasPrefix(all[i+1], w) {
			continue
		}
		out = append(out, w)
	}
	const most = 24
	return out[:min(len(out), most)]
}

// Typed are the words of a search, the longest first.
func Typed(s string) []string {
	var out []string
	for w := range strings.FieldsSeq(text.Bare(s)) {
		w = bounded(strings.TrimLeftFunc(w, func(r rune) bool { return !wordRune(r) }), idp.MaxWord)
		if w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out[:min(len(out), idp.MaxWords)]
}

// bounded cuts s to at most n bytes, between two letters.
func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
