package text

import "github.com/rivo/uniseg"

// Characters are the characters of s as people see them, in their order: a letter with its
// accents, a flag, a family of pictures is one (extended grapheme clusters, UAX #29).
func Characters(s string) []string {
	var out []string
	for state := -1; s != ""; {
		var c string
		c, s, _, state = uniseg.FirstGraphemeClusterInString(s, state)
		out = append(out, c)
	}
	return out
}
