package find

import (
	"hash/fnv"
	"slices"
	"strings"
	"unicode/utf8"
)

// Row is what every list has of a row.
type Row struct {
	N      int64
	Facets int64  // bits
	Sig    int64  // of the words
	Words  string // each with a space before it
}

// SetWords says by which words the row is found, see Words.
func (r *Row) SetWords(words []string) {
	r.Words, r.Sig = "", signature(words)
	if len(words) > 0 {
		r.Words = " " + strings.Join(words, " ")
	}
}

// PutTerms makes the terms that a row is found by what they should be. There are many: put is
// as engine.Tx's, of which they go to the database together.
func (l *List) PutTerms(put func(query string, args ...any) error, before, after *Row) error {
	old, fresh := before.Terms(), after.Terms()
	for _, term := range old {
		if !slices.Contains(fresh, term) {
			if err := put("DELETE FROM "+l.Terms+" WHERE term = ? AND n = ?", term, after.N); err != nil {
				return err
			}
		}
	}
	for _, term := range fresh {
		if !slices.Contains(old, term) {
			if err := put("INSERT INTO "+l.Terms+" (term, n) VALUES (?, ?)", term, after.N); err != nil {
				return err
			}
		}
	}
	return nil
}

// Terms are what the row is looked up by: the beginnings of its words, and its facets.
func (r *Row) Terms() []string {
	var out []string
	for w := range strings.FieldsSeq(r.Words) {
		out = append(out, bounded(w, termSize))
	}
	for bit := range 26 {
		if r.Facets&(1<<bit) != 0 {
			out = append(out, facetName(bit))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// termSize is by how many bytes of a word rows are looked up.
const termSize = 12

// afterAll sorts behind every text that goes on.
const afterAll = "\U0010FFFF"

// term is a range of terms that rows of a list are looked up by.
type term struct{ from, to string }

func wordTerm(w string) term {
	w = bounded(w, termSize)
	return term{w, w + afterAll}
}

func facetTerm(bit int) term {
	t := facetName(bit)
	return term{t, t + " "} // which no term goes on with
}

// facetName is the term of a facet; no word is like it.
func facetName(bit int) string { return "#" + "abcdefghijklmnopqrstuvwxyz"[bit:bit+1] }

// signature has a bit for the first letter of each word, exact for a to z and 0
// to 9, and one for the first two, which some share.
func signature(words []string) (sig int64) {
	const letters, firsts, bits = 36, 40, 63
	for _, w := range words {
		r, size := utf8.DecodeRuneInString(w)
		switch {
		case r >= 'a' && r <= 'z':
			sig |= 1 << (r - 'a')
		case r >= '0' && r <= '9':
			sig |= 1 << (26 + r - '0')
		default:
			sig |= 1 << (letters + r%(firsts-letters))
		}
		if len(w) > size {
			_, second := utf8.DecodeRuneInString(w[size:])
			h := fnv.New32a()
			_, _ = h.Write([]byte(w[:size+second])) // never fails, by its contract
			sig |= 1 << (firsts + h.Sum32()%(bits-firsts))
		}
	}
	return sig
}
